#ifndef NFTMESH_TESTS_CLI_RUN_H
#define NFTMESH_TESTS_CLI_RUN_H

#include <stdarg.h>
#include <stddef.h>

/* Runs the binary as a person would, and keeps what it said. */
#define CLI_RUN_ARGS_MAX  24
#define CLI_RUN_BYTES_MAX (256u << 10)

struct cli_run {
    /* In: */
    const char *env[8]; /* "NAME=value"; nothing else is in its environment but ASAN's */
    const char *input;  /* standard input; NULL is empty */
    size_t input_len;   /* 0: strlen(input) */
    /* Out: */
    int status;      /* exit status, or 128 + signal */
    char *out, *err; /* terminated; out_len bytes of out */
    size_t out_len;
};

/* Arguments after the binary's name, up to NULL. Ends the process when it cannot run it. */
void cli_run(struct cli_run *run, const char *arg, ...);
void cli_run_deinit(struct cli_run *run);

/* A private directory, made anew and removed with all in it. */
void cli_run_dir_make(char out[64]);
void cli_run_dir_remove(const char *dir);

#endif
