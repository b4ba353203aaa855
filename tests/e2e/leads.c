/* Who leads? Prints what the library says of it whenever that changes, until it is ended. */
#include <nftmesh.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int main(int argc, char **argv)
{
    const struct timespec pause = {0, 20000000};
    char last[512] = "";
    nftmesh_t *m = nftmesh_open(argc > 1 ? argv[1] : NULL, NULL, NULL);
    if (m == NULL) return 2;
    for (;;) {
        char line[512];
        uint64_t fencing, left_ms;
        int leads = nftmesh_is_leader(m, &fencing, &left_ms);
        nftmesh_status_t status = nftmesh_last_status();
        nftmesh_leader_t *leader = nftmesh_leader(m);
        snprintf(line, sizeof line, "leads %d status %d fencing %lu sane %d leader %s %s token %s",
                 leads, (int)status, (unsigned long)fencing, left_ms <= 3000 && !leads == !left_ms,
                 leader != NULL ? leader->node : "-", leader != NULL ? leader->name : "-",
                 leader != NULL ? leader->token : "-");
        if (strcmp(line, last) != 0) printf("%s why %s\n", line, nftmesh_error());
        fflush(stdout);
        snprintf(last, sizeof last, "%s", line);
        nftmesh_leader_free(leader);
        nanosleep(&pause, NULL);
    }
}
