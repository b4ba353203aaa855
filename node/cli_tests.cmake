# Tests of the binary's own parts, and of the binary.
nftmesh_test(test_node_authorise LABELS unit
  SOURCES ${CMAKE_SOURCE_DIR}/tests/test_node_authorise.c ${CMAKE_SOURCE_DIR}/tests/mesh_fixture.c
  DEPS node_binding)
nftmesh_test(test_node_info LABELS unit DEPS node_binding)
nftmesh_fuzz(fuzz_info DEPS node_binding CORPUS tests/fuzz/corpus/info)
nftmesh_fuzz(fuzz_authorise DEPS node_binding CORPUS tests/fuzz/corpus/authorise)
nftmesh_test(test_node_binding LABELS unit
  SOURCES ${CMAKE_SOURCE_DIR}/tests/test_node_binding.c ${CMAKE_SOURCE_DIR}/tests/mesh_fixture.c
  DEPS node_binding)
nftmesh_test(test_node_http_sync LABELS net DEPS node_wallet Threads::Threads)
target_compile_definitions(test_node_http_sync PRIVATE _GNU_SOURCE)

nftmesh_test(test_node_wallet LABELS net
  SOURCES ${CMAKE_SOURCE_DIR}/tests/test_node_wallet.c ${CMAKE_SOURCE_DIR}/tests/rpc_server.c
  DEPS node_wallet chain base PkgConfig::JANSSON PkgConfig::MICROHTTPD Threads::Threads)
target_compile_definitions(test_node_wallet PRIVATE _GNU_SOURCE)

nftmesh_test(test_node_keystore LABELS vector DEPS node_wallet json_vectors)
target_compile_definitions(test_node_keystore PRIVATE _GNU_SOURCE)
nftmesh_fuzz(fuzz_keystore DEPS node_keystore CORPUS tests/fuzz/corpus/keystore)
nftmesh_test(test_node_seat LABELS net
  SOURCES ${CMAKE_SOURCE_DIR}/tests/test_node_seat.c ${CMAKE_SOURCE_DIR}/tests/rpc_server.c
  DEPS node_wallet attest chain base PkgConfig::JANSSON PkgConfig::MICROHTTPD Threads::Threads)
target_compile_definitions(test_node_seat PRIVATE _GNU_SOURCE)
nftmesh_test(test_node_seat_plan LABELS unit DEPS node_wallet)
nftmesh_test(test_node_statement LABELS vector DEPS node_wallet json_vectors)
nftmesh_fuzz(fuzz_statement DEPS node_wallet CORPUS tests/fuzz/corpus/statement)

# What runs the binary itself.
function(nftmesh_binary_test NAME)
  nftmesh_test(${NAME} ${ARGN})
  target_compile_definitions(${NAME} PRIVATE _GNU_SOURCE NFTMESH_BINARY="$<TARGET_FILE:nftmesh>")
  add_dependencies(${NAME} nftmesh)
endfunction()
nftmesh_binary_test(test_node_cli LABELS vector
  SOURCES ${CMAKE_SOURCE_DIR}/tests/test_node_cli.c ${CMAKE_SOURCE_DIR}/tests/cli_run.c
          ${CMAKE_SOURCE_DIR}/tests/json_vectors.c
  DEPS base PkgConfig::JANSSON)
nftmesh_binary_test(test_node_cli_ask LABELS net
  SOURCES ${CMAKE_SOURCE_DIR}/tests/test_node_cli_ask.c ${CMAKE_SOURCE_DIR}/tests/cli_run.c
  DEPS node_session node_surface base PkgConfig::JANSSON)
nftmesh_binary_test(test_node_testnet LABELS unit
  SOURCES ${CMAKE_SOURCE_DIR}/tests/test_node_testnet.c ${CMAKE_SOURCE_DIR}/tests/cli_run.c
  DEPS chain base PkgConfig::JANSSON)
