#include "node/metrics_internal.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The standard process_* figures, from getrusage() and /proc; what cannot be read is left out. */

static void put_figure(struct base_buf *out, const char *name, const char *type, const char *help)
{
    base_buf_printf(out, "# HELP process_%s %s\n# TYPE process_%s %s\nprocess_%s ", name, help,
                    name, type, name);
}

static void render_cpu(struct base_buf *out)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return;
    long long us = (long long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                   usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    put_figure(out, "cpu_seconds_total", "counter", "User and system time.");
    base_buf_printf(out, "%lld.%06lld\n", us / 1000000, us % 1000000);
}

static void render_memory(struct base_buf *out)
{
    unsigned long long size, resident;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) return;
    int fields = fscanf(file, "%llu %llu", &size, &resident);
    fclose(file);
    if (fields != 2) return;
    unsigned long long page = (unsigned long long)sysconf(_SC_PAGESIZE);
    put_figure(out, "resident_memory_bytes", "gauge", "Resident memory.");
    base_buf_printf(out, "%llu\n", resident * page);
    put_figure(out, "virtual_memory_bytes", "gauge", "Address space.");
    base_buf_printf(out, "%llu\n", size * page);
}

static void render_descriptors(struct base_buf *out)
{
    struct rlimit limit;
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir != NULL) {
        for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
            if (entry->d_name[0] != '.') count++;
        closedir(dir);
        put_figure(out, "open_fds", "gauge", "Open descriptors.");
        base_buf_printf(out, "%u\n", count > 0 ? count - 1 : 0); /* not the directory itself */
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
    put_figure(out, "max_fds", "gauge", "Descriptors that may be open.");
    base_buf_printf(out, "%llu\n", (unsigned long long)limit.rlim_cur);
}

void node__metrics_process(struct base_buf *out)
{
    render_cpu(out);
    render_memory(out);
    render_descriptors(out);
}
