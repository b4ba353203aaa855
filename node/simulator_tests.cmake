nftmesh_test(test_node_agent_sim LABELS vector DEPS node_agent_sim json_vectors)
nftmesh_test(test_node_simulator LABELS net DEPS node_simulator)
target_compile_definitions(test_node_simulator PRIVATE _GNU_SOURCE)
nftmesh_fuzz(fuzz_agent_sim DEPS node_agent_sim CORPUS tests/fuzz/corpus/agent_sim)
