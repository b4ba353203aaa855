# What a voter must not forget.
nftmesh_pkg(SQLITE sqlite3)
nftmesh_library(node_consensus_store
  SOURCES consensus_op.c consensus_lost.c consensus_files.c voter_store.c consensus_store.c consensus_writer.c
  DEPS node_surface base PkgConfig::UV PkgConfig::SQLITE)
target_compile_definitions(node_consensus_store PRIVATE _GNU_SOURCE)
foreach(test test_node_consensus_store test_node_consensus_writer test_node_voter_store)
  nftmesh_test(${test} LABELS unit DEPS node_consensus_store)
  target_compile_definitions(${test} PRIVATE _GNU_SOURCE)
endforeach()
