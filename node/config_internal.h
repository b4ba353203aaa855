#ifndef NFTMESH_NODE_CONFIG_INTERNAL_H
#define NFTMESH_NODE_CONFIG_INTERNAL_H

#include "node/config.h"

/* Shared by config_table.c (what a value must be like) and config.c (what it becomes). */
int node__config_app_id_parse(struct base_eth_address *out, const char *value);
/* A node_option_check: a URL that peers can dial. */
int node__config_check_advertise(const char *value, char *why, size_t why_bytes);

#endif
