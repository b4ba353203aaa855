# The daemon: drives the cores, performs their actions.
nftmesh_library(node_mesh
  SOURCES mesh.c mesh_boot.c mesh_chain.c mesh_control.c mesh_dial.c mesh_event.c mesh_gossip.c
          mesh_links.c mesh_view.c
  DEPS node_binding node_session node_link node_http_client node_surface node_version gossip chain attest base
       PkgConfig::UV)
target_compile_definitions(node_mesh PRIVATE _GNU_SOURCE)
