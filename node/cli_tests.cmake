# Tests of the binary's own parts, and of the binary.
nftmesh_test(test_node_binding LABELS unit
  SOURCES ${CMAKE_SOURCE_DIR}/tests/test_node_binding.c ${CMAKE_SOURCE_DIR}/tests/mesh_fixture.c
  DEPS node_binding)
