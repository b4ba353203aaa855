# Whole nodes' cores in virtual time: built, not installed. docs/simulation.md.
set(sim ${CMAKE_SOURCE_DIR}/tests)
set(liars digest.c far_future.c flooder.c forger.c garbage.c mute.c replayer.c resurrecter.c
    slanderer.c two_faced.c)
list(TRANSFORM liars PREPEND ${sim}/liars/)

# The node's admission, line by line, with its calls of curve work going to a keyed hash, and a
# statement's digest to the same function with a memory.
add_library(sim_admission OBJECT ${CMAKE_SOURCE_DIR}/node/admission.c)
target_include_directories(sim_admission PRIVATE ${CMAKE_SOURCE_DIR})
target_compile_definitions(sim_admission PRIVATE base_ecdsa_verify=sim_ecdsa_verify
  base_ecdsa_recover=sim_ecdsa_recover attest_sigchain_verify=sim_sigchain_verify
  base_eip712_statement=sim_eip712_statement)

# The rim's translation for consensus likewise; and the cluster's core with its engines' steps going
# past the checkers.
add_library(sim_consensus_told OBJECT ${CMAKE_SOURCE_DIR}/node/consensus_told.c)
target_include_directories(sim_consensus_told PRIVATE ${CMAKE_SOURCE_DIR})
target_compile_definitions(sim_consensus_told PRIVATE base_ecdsa_address=sim_ecdsa_address)
add_library(sim_cluster OBJECT ${CMAKE_SOURCE_DIR}/consensus/cluster.c)
target_include_directories(sim_cluster PRIVATE ${CMAKE_SOURCE_DIR})
target_compile_definitions(sim_cluster PRIVATE consensus_engine_step=sim_engine_step)

add_library(gossip_sim STATIC
  ${sim}/sim.c ${sim}/sim_link.c ${sim}/sim_node.c ${sim}/sim_net.c ${sim}/sim_chain.c
  ${sim}/sim_admission.c ${sim}/sim_check.c ${sim}/sim_look.c ${sim}/sim_parts.c ${sim}/sim_liar.c
  ${sim}/sim_votes.c ${sim}/sim_votes_judge.c ${sim}/sim_votes_liar.c ${sim}/sim_votes_look.c
  ${liars} $<TARGET_OBJECTS:sim_admission> $<TARGET_OBJECTS:sim_consensus_told>
  $<TARGET_OBJECTS:sim_cluster> $<TARGET_OBJECTS:consensus_judges>)
target_include_directories(gossip_sim PUBLIC ${CMAKE_SOURCE_DIR} ${sim})
target_link_libraries(gossip_sim PUBLIC node_session consensus gossip attest chain base)

add_library(sim_seed STATIC ${sim}/sim_seed.c ${sim}/sim_seed_votes.c ${sim}/sim_faults.c)
target_link_libraries(sim_seed PUBLIC gossip_sim)
add_executable(nftmesh-sim ${sim}/sim_main.c)
target_compile_definitions(nftmesh-sim PRIVATE _GNU_SOURCE) # getopt_long
target_link_libraries(nftmesh-sim PRIVATE sim_seed)
set_target_properties(nftmesh-sim PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})

nftmesh_test(test_gossip_sim LABELS sim DEPS sim_seed)
nftmesh_test(test_sim LABELS sim DEPS sim_seed)
nftmesh_test(test_sim_check LABELS sim DEPS gossip_sim)
nftmesh_test(test_sim_votes LABELS sim DEPS sim_seed)

# Thousands of cores, each with thousands of members: nftmesh-sim-wide --help.
add_executable(nftmesh-sim-wide ${sim}/sim_wide_main.c ${sim}/sim_wide.c ${sim}/sim_wide_net.c)
target_compile_definitions(nftmesh-sim-wide PRIVATE _GNU_SOURCE) # getrusage
target_link_libraries(nftmesh-sim-wide PRIVATE gossip_sim m)
set_target_properties(nftmesh-sim-wide PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
add_test(NAME nftmesh_sim_wide COMMAND nftmesh-sim-wide --nodes 200 --seed 1)
set_tests_properties(nftmesh_sim_wide PROPERTIES LABELS sim TIMEOUT 600)
