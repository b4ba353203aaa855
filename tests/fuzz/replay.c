/* Replays a committed corpus through a fuzz target, one file at a time: the ordinary-test half of
 * fuzzing. Usage: fuzz_NAME DIR|FILE ... Prints `NAME: N inputs` and exits 0; a target that finds
 * something aborts, and a directory without a single input is a failure, not a pass. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REPLAY_FILE_BYTES_MAX ((size_t)8 << 20)

static unsigned long replayed;

static void replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fprintf(stderr, "cannot open %s\n", path);
        exit(1);
    }
    uint8_t *data = malloc(REPLAY_FILE_BYTES_MAX);
    if (data == NULL) exit(1);
    size_t len = fread(data, 1, REPLAY_FILE_BYTES_MAX, f);
    fclose(f);
    /* An exact-size copy, so that ASan sees the first byte read past the end. */
    uint8_t *exact = malloc(len > 0 ? len : 1);
    if (exact == NULL) exit(1);
    memcpy(exact, data, len);
    free(data);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    replayed++;
}

static void replay_dir(const char *path)
{
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);
    if (count < 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    for (int i = 0; i < count; i++) {
        char file[4096];
        if (names[i]->d_name[0] != '.') {
            snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
            replay_file(file);
        }
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
            replay_dir(argv[i]);
        else
            replay_file(argv[i]);
    }
    printf("%s: %lu inputs\n", argv[0], replayed);
    return replayed > 0 ? 0 : 1;
}
