#ifndef NFTMESH_NODE_METRICS_INTERNAL_H
#define NFTMESH_NODE_METRICS_INTERNAL_H

#include "base/buf.h"

/* The process_* lines of the exposition. */
void node__metrics_process(struct base_buf *out);

#endif
