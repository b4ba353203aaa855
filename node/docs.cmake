# docs/wire.md says what the code does.
nftmesh_test(test_docs_wire LABELS unit DEPS node_session json_vectors)
