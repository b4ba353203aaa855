# Whole clusters of consensus engines in virtual time: built, not installed. docs/consensus.md, Tests.
set(sim ${CMAKE_SOURCE_DIR}/tests)
set(liars double_voter.c equivocator.c forger.c jumper.c late_sender.c lease.c omitter.c skip_and_final.c
    stale.c withholder.c wrong_epoch.c)
list(TRANSFORM liars PREPEND ${sim}/consensus_liars/)

# Judges and liars, for whole meshes as well (sim.cmake).
add_library(consensus_judges OBJECT
  ${sim}/consensus_message.c ${sim}/consensus_look.c ${sim}/consensus_check.c ${sim}/consensus_model.c
  ${sim}/consensus_liar.c ${liars})
target_include_directories(consensus_judges PUBLIC ${CMAKE_SOURCE_DIR} ${sim})

add_library(consensus_sim STATIC
  ${sim}/consensus_world.c ${sim}/consensus_seed.c ${sim}/consensus_twins.c
  $<TARGET_OBJECTS:consensus_judges>)
target_include_directories(consensus_sim PUBLIC ${CMAKE_SOURCE_DIR} ${sim})
target_link_libraries(consensus_sim PUBLIC consensus base)

add_executable(nftmesh-consensus-sim ${sim}/consensus_sim_main.c)
target_compile_definitions(nftmesh-consensus-sim PRIVATE _GNU_SOURCE) # getopt_long
target_link_libraries(nftmesh-consensus-sim PRIVATE consensus_sim)

add_executable(nftmesh-twins ${sim}/consensus_twins_main.c)
target_compile_definitions(nftmesh-twins PRIVATE _GNU_SOURCE)
target_link_libraries(nftmesh-twins PRIVATE consensus_sim)

nftmesh_test(test_consensus_check LABELS sim DEPS consensus_sim)
nftmesh_test(test_consensus_twins LABELS sim DEPS consensus_sim)
nftmesh_test(test_consensus_seeds LABELS sim DEPS consensus_sim)
