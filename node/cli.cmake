# The one binary: verbs, and what they share.
add_library(node_version INTERFACE)
find_package(Git QUIET)
set(commit unknown)
if(GIT_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} -C ${CMAKE_SOURCE_DIR} rev-parse --short HEAD
                  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
target_compile_definitions(node_version INTERFACE NFTMESH_VERSION="${PROJECT_VERSION}"
                           NFTMESH_COMMIT="${commit}" NFTMESH_WIRE_MINOR_TEXT="1")

nftmesh_library(node_binding SOURCES binding.c authorise.c info.c typed_data.c DEPS node_session chain base PkgConfig::JANSSON)
nftmesh_pkg(LIBCRYPTO libcrypto)
nftmesh_library(node_keystore SOURCES keystore.c DEPS base PkgConfig::LIBCRYPTO)
nftmesh_library(node_wallet SOURCES mint_prototype.c wallet.c wallet_send.c wallet_key.c seat.c seat_plan.c seat_signer.c seat_offline.c seat_url.c statement.c http_sync.c seat_prototype.c bundle_store.c
  DEPS node_keystore node_binding node_http_client node_surface attest chain base PkgConfig::UV)
target_compile_definitions(node_wallet PRIVATE _GNU_SOURCE)

add_executable(nftmesh main.c cli_node.c cli_ask.c cli_lead.c cli_events.c cli_tell.c cli_why.c cli_show.c control.c
               cli_chain.c cli_authorize.c cli_register.c cli_deploy.c cli_wallet.c cli_local.c register.c testnet.c)
target_compile_definitions(nftmesh PRIVATE _GNU_SOURCE)
target_link_libraries(nftmesh PRIVATE node_mesh node_wallet node_simulator node_version)
set_target_properties(nftmesh PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
include(cli_tests.cmake OPTIONAL)
