# Who comes in, and one link's life: pure, no uv and no nng.
nftmesh_library(node_session
  SOURCES reason.c identity.c admission.c session.c session_body.c session_frame.c
          session_hello.c session_send.c
  DEPS attest chain gossip base)
