# Who comes in, and one link's life: pure, no uv and no nng.
nftmesh_library(node_session
  SOURCES reason.c identity.c admission.c authority.c authority_judge.c bundle.c session.c session_body.c session_frame.c
          session_hello.c session_send.c
  DEPS attest chain gossip base)
nftmesh_library(node_peer_budget SOURCES peer_budget.c DEPS base)
nftmesh_test(test_node_peer_budget LABELS unit DEPS node_peer_budget)
nftmesh_test(test_node_admission LABELS unit
  SOURCES ${CMAKE_SOURCE_DIR}/tests/test_node_admission.c ${CMAKE_SOURCE_DIR}/tests/mesh_fixture.c
  DEPS node_session)
foreach(test test_node_authority test_node_authority_judge)
  nftmesh_test(${test} LABELS unit
    SOURCES ${CMAKE_SOURCE_DIR}/tests/${test}.c ${CMAKE_SOURCE_DIR}/tests/authority_fixture.c
            ${CMAKE_SOURCE_DIR}/tests/mesh_fixture.c
    DEPS node_session)
endforeach()
nftmesh_test(test_node_session_hello LABELS unit
  SOURCES ${CMAKE_SOURCE_DIR}/tests/test_node_session_hello.c
          ${CMAKE_SOURCE_DIR}/tests/mesh_fixture.c
  DEPS node_session)
nftmesh_test(test_node_session_prototype LABELS unit
  SOURCES ${CMAKE_SOURCE_DIR}/tests/test_node_session_prototype.c
          ${CMAKE_SOURCE_DIR}/tests/mesh_fixture.c
  DEPS node_session)
foreach(test test_node_session test_node_session_votes)
  nftmesh_test(${test} LABELS unit
    SOURCES ${CMAKE_SOURCE_DIR}/tests/${test}.c ${CMAKE_SOURCE_DIR}/tests/mesh_fixture.c
    DEPS node_session)
endforeach()
nftmesh_fuzz(fuzz_node_body DEPS node_session CORPUS tests/fuzz/corpus/node_body)
nftmesh_fuzz(fuzz_bundle DEPS node_session CORPUS tests/fuzz/corpus/bundle)
nftmesh_fuzz(fuzz_node_session
  SOURCES ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_node_session.c
          ${CMAKE_SOURCE_DIR}/tests/mesh_fixture.c
  DEPS node_session CORPUS tests/fuzz/corpus/node_session)
