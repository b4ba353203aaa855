#include "cli_run.h"

#include <assert.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int ok, const char *what)
{
    if (ok) return;
    perror(what);
    abort();
}

/* An unnamed file: no pipe that could fill up on either side. */
static FILE *scratch(const char *text, size_t len)
{
    FILE *f = tmpfile();
    must(f != NULL, "tmpfile");
    must(len == 0 || fwrite(text, 1, len, f) == len, "write");
    must(fflush(f) == 0, "flush");
    rewind(f);
    return f;
}

static char *slurp(size_t *len, FILE *f)
{
    char *text = malloc(CLI_RUN_BYTES_MAX + 1);
    must(text != NULL, "malloc");
    rewind(f);
    *len = fread(text, 1, CLI_RUN_BYTES_MAX, f);
    text[*len] = '\0';
    fclose(f);
    return text;
}

static int wait_status(pid_t pid)
{
    int status;
    must(waitpid(pid, &status, 0) == pid, "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What the run asks for, and the sanitizers' settings of the test itself. */
static void environment(char *env[12], const struct cli_run *run)
{
    static const char *const kept[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"};
    static char texts[3][512];
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        const char *value = getenv(kept[i]);
        if (value == NULL) continue;
        snprintf(texts[i], sizeof texts[i], "%s=%s", kept[i], value);
        env[count++] = texts[i];
    }
    for (size_t i = 0; i < 8 && run->env[i] != NULL; i++)
        env[count++] = (char *)run->env[i];
    env[count] = NULL;
}

void cli_run(struct cli_run *run, const char *arg, ...)
{
    static char binary[] = NFTMESH_BINARY;
    char *argv[CLI_RUN_ARGS_MAX + 2] = {binary}, *env[12];
    size_t count = 1, ignored;
    pid_t pid;
    va_list ap;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    va_start(ap, arg);
    for (const char *next = arg; next != NULL; next = va_arg(ap, const char *)) {
        assert(count <= CLI_RUN_ARGS_MAX);
        argv[count++] = (char *)next;
    }
    va_end(ap);
    size_t len = run->input == NULL ? 0 : run->input_len > 0 ? run->input_len : strlen(run->input);
    FILE *in = scratch(run->input, len), *out = scratch(NULL, 0), *err = scratch(NULL, 0);
    environment(env, run);
    must(posix_spawn_file_actions_init(&actions) == 0, "spawn");
    posix_spawn_file_actions_adddup2(&actions, fileno(in), 0);
    posix_spawn_file_actions_adddup2(&actions, fileno(out), 1);
    posix_spawn_file_actions_adddup2(&actions, fileno(err), 2);
    /* In a session of its own, so that it finds no terminal to ask on. */
    must(posix_spawnattr_init(&attributes) == 0, "spawn");
    must(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID) == 0, "spawn");
    must(posix_spawn(&pid, binary, &actions, &attributes, argv, env) == 0, binary);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    run->status = wait_status(pid);
    fclose(in);
    run->out = slurp(&run->out_len, out);
    run->err = slurp(&ignored, err);
}

void cli_run_deinit(struct cli_run *run)
{
    free(run->out);
    free(run->err);
    memset(run, 0, sizeof *run);
}

void cli_run_dir_make(char out[64])
{
    snprintf(out, 64, "/tmp/nftmesh-cli-XXXXXX");
    must(mkdtemp(out) != NULL, "mkdtemp");
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void cli_run_dir_remove(const char *dir)
{
    must(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0, dir);
}
