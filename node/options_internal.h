#ifndef NFTMESH_NODE_OPTIONS_INTERNAL_H
#define NFTMESH_NODE_OPTIONS_INTERNAL_H

#include "node/options.h"

/* Shared by options.c (command line, environment, asking), options_file.c and options_help.c. */
#define NODE__OPTION_NAME_BYTES_MAX 48

struct node__option_values {
    enum node_option_source source;
    size_t count;
    char *texts[NODE_OPTION_VALUES_MAX];
    char *wheres[NODE_OPTION_VALUES_MAX];
};
struct node_options {
    const struct node_option_table *table;
    struct node__option_values *values; /* one an option of the table */
    char **args;                        /* copies */
    size_t arg_count;
};

void node__option_env_name(char out[NODE__OPTION_NAME_BYTES_MAX + 16], const char *name);
void node__option_key(char out[NODE__OPTION_NAME_BYTES_MAX], const char *name);
size_t node__option_index(const struct node_option_table *table,
                          const char *name); /* or SIZE_MAX */
int node__option_put(struct node_options *options, size_t index, enum node_option_source source,
                     const char *value, const char *where, char *why);
/* The file named by the option "config", if there is one; and from memory. */
int node__options_file(struct node_options *options, char *why);
int node__options_file_text(struct node_options *options, const char *path, const char *text,
                            size_t len, char *why);

#endif
