# The chain and the guest agent, asked on a loop: for the daemon and for the library.
nftmesh_library(node_ask SOURCES chain_client.c agent_client.c pins_store.c
  DEPS node_http_client node_surface attest chain base)
target_compile_definitions(node_ask PRIVATE _GNU_SOURCE)

nftmesh_library(node_consensus_told SOURCES consensus_told.c DEPS consensus gossip chain base)
nftmesh_test(test_node_consensus_told LABELS unit DEPS node_consensus_told)

# The daemon: drives the cores, performs their actions.
nftmesh_library(node_dial_rules SOURCES dial_rules.c DEPS node_surface base)
target_compile_definitions(node_dial_rules PRIVATE _GNU_SOURCE)
nftmesh_test(test_node_dial_rules LABELS unit DEPS node_dial_rules)
target_compile_definitions(test_node_dial_rules PRIVATE _GNU_SOURCE)

nftmesh_library(node_contract_info SOURCES contract_info.c DEPS node_surface chain base)
nftmesh_test(test_node_contract_info LABELS unit DEPS node_contract_info)
nftmesh_fuzz(fuzz_contract_info DEPS node_contract_info CORPUS tests/fuzz/corpus/contract_info)

nftmesh_library(node_wallet_work SOURCES wallet_work.c DEPS node_surface base PkgConfig::JANSSON)
nftmesh_test(test_node_wallet_work LABELS unit DEPS node_wallet_work)
nftmesh_fuzz(fuzz_wallet_ask DEPS node_wallet_work CORPUS tests/fuzz/corpus/wallet_ask)

nftmesh_library(node_transfer_store SOURCES transfer_store.c DEPS node_surface chain base)
nftmesh_test(test_node_transfer_store LABELS unit DEPS node_transfer_store)
nftmesh_fuzz(fuzz_transfers DEPS node_transfer_store CORPUS tests/fuzz/corpus/transfers)

nftmesh_library(node_handlers SOURCES handlers.c DEPS node_surface base PkgConfig::UV)
target_compile_definitions(node_handlers PRIVATE _GNU_SOURCE)
nftmesh_test(test_node_handlers LABELS net DEPS node_handlers)
target_compile_definitions(test_node_handlers PRIVATE _GNU_SOURCE)

nftmesh_library(node_mesh
  SOURCES mesh.c mesh_authority.c mesh_boot.c mesh_budget.c mesh_chain.c mesh_consensus.c mesh_consensus_ask.c mesh_consensus_lost.c mesh_conns.c mesh_contract.c mesh_control.c mesh_dial.c mesh_event.c mesh_expiry.c mesh_gossip.c mesh_handler.c mesh_info.c
          mesh_links.c mesh_view.c mesh_wallet.c
  DEPS node_handlers node_peer_budget node_transfer_store node_wallet_work node_wallet node_contract_info node_dial_rules node_ask node_binding node_session node_link
       node_http_client node_surface node_version node_consensus_store node_consensus_told consensus gossip chain attest base
       PkgConfig::UV PkgConfig::JANSSON)
target_compile_definitions(node_mesh PRIVATE _GNU_SOURCE)
# Single rooms of it, the others played by the test.
nftmesh_test(test_node_mesh_budget LABELS unit
  SOURCES ${CMAKE_SOURCE_DIR}/tests/test_node_mesh_budget.c mesh_budget.c
  DEPS node_peer_budget node_session node_link node_surface base PkgConfig::UV)
nftmesh_test(test_node_mesh_dial LABELS unit
  SOURCES ${CMAKE_SOURCE_DIR}/tests/test_node_mesh_dial.c mesh_dial.c
  DEPS node_dial_rules node_session node_link node_surface gossip chain base PkgConfig::UV PkgConfig::JANSSON)
foreach(test test_node_mesh_budget test_node_mesh_dial)
  target_compile_definitions(${test} PRIVATE _GNU_SOURCE)
endforeach()
