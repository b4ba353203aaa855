# Frames between processes, and the door between threads.
find_library(NNG_LIBRARY nng REQUIRED)
find_path(NNG_INCLUDE_DIR nng/nng.h REQUIRED)

nftmesh_library(node_link
  SOURCES inbox.c link_accept.c link_budget.c link_dial.c link_nng.c link_stream.c link_wire.c
          nng_shim.c
  DEPS node_surface base PkgConfig::UV ${NNG_LIBRARY} Threads::Threads ${CMAKE_DL_LIBS})
target_compile_definitions(node_link PRIVATE _GNU_SOURCE)
target_include_directories(node_link SYSTEM PRIVATE ${NNG_INCLUDE_DIR})

nftmesh_test(test_node_link_budget LABELS unit DEPS node_link)
nftmesh_test(test_node_link_wire LABELS unit DEPS node_link)
nftmesh_test(test_node_inbox LABELS unit DEPS node_link)
foreach(test test_node_link_budget test_node_inbox)
  target_compile_definitions(${test} PRIVATE _GNU_SOURCE)
endforeach()
foreach(test test_node_link test_node_link_hostile test_node_link_nng)
  nftmesh_test(${test} LABELS net
    SOURCES ${CMAKE_SOURCE_DIR}/tests/${test}.c ${CMAKE_SOURCE_DIR}/tests/link_ends.c
    DEPS node_link)
  target_compile_definitions(${test} PRIVATE _GNU_SOURCE)
endforeach()
nftmesh_fuzz(fuzz_link_wire DEPS node_link CORPUS tests/fuzz/corpus/link_wire)
