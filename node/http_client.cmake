# Requests to RPC endpoints, guest agents and bootstrap nodes.
nftmesh_library(node_http_client SOURCES http_client.c
  DEPS node_surface base PkgConfig::UV PkgConfig::CURL)
target_compile_definitions(node_http_client PRIVATE _GNU_SOURCE)

nftmesh_test(test_node_http_client LABELS net DEPS node_http_client Threads::Threads)
target_compile_definitions(test_node_http_client PRIVATE _GNU_SOURCE)
