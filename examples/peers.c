/* Who are my peers? Prints them, then each change, until Ctrl-C.
 *
 *   cc peers.c -o peers $(pkg-config --cflags --libs nftmesh)
 *   RPC_URL=https://mainnet.base.org ./peers base:0x33e0..39a3
 *
 * With a url and the wallet's key in PRIVATE_KEY it registers itself first:
 *
 *   PRIVATE_KEY=.. ./peers base:0x33e0..39a3 https://me.example
 *
 * A running node is asked instead of the chain when NFTMESH_HTTP names it. */
#include <nftmesh.h>
#include <stdio.h>
#include <stdlib.h>

static const char *state_of(const nftmesh_peer_t *peer)
{
    switch (peer->state) {
    case NFTMESH_PEER_VERIFIED:
        return "verified";
    case NFTMESH_PEER_ALIVE:
        return "alive";
    case NFTMESH_PEER_SUSPECT:
        return "suspect";
    case NFTMESH_PEER_FAILED:
        return "failed";
    case NFTMESH_PEER_LEFT:
        return "left";
    case NFTMESH_PEER_UNKNOWN:
        break;
    }
    return peer->reason; /* on the chain, but it does not count */
}

static void on_change(void *ctx, nftmesh_t *m, const nftmesh_peers_t *peers)
{
    size_t i;
    (void)ctx;
    (void)m;
    printf("%lu peers at block %lu%s%s\n", (unsigned long)peers->n, (unsigned long)peers->block,
           peers->state == NFTMESH_LIST_STALE ? ", as they were: " : "", peers->why);
    for (i = 0; i < peers->n; i++) {
        const nftmesh_peer_t *peer = &peers->peer[i];
        printf("  token %s weight %lu %s %s\n", peer->token, (unsigned long)peer->weight,
               state_of(peer), peer->url[0] != '\0' ? peer->url : peer->mesh_url);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    nftmesh_t *m = nftmesh_open(argc > 1 ? argv[1] : NULL, argc > 2 ? argv[2] : NULL, NULL);
    nftmesh_peers_t *peers;
    char info[NFTMESH_INFO_BYTES];
    if (m == NULL) {
        fprintf(stderr, "peers: %s\n", nftmesh_error());
        return 2;
    }
    if (getenv("PRIVATE_KEY") != NULL && nftmesh_register(m) != NFTMESH_OK) {
        fprintf(stderr, "peers: not registered: %s\n", nftmesh_error());
        nftmesh_close(m);
        return 1;
    }
    /* By this others verify us where the contract stores no keys; whoever answers at the url shows
     * it. */
    if (argc > 2 && nftmesh_info(m, info) == NFTMESH_OK)
        printf("to be served at %s/info: %s\n", argv[2], info);
    fflush(stdout);
    peers = nftmesh_peers(m);
    if (peers == NULL) { /* unknown is not empty */
        fprintf(stderr, "peers: %s\n", nftmesh_error());
        nftmesh_close(m);
        return 1;
    }
    nftmesh_peers_free(peers);
    /* The callback gets the list as it is known now, then each change. */
    nftmesh_monitor(m, on_change, NULL);
    while (nftmesh_dispatch(m, -1) == NFTMESH_OK) {
    }
    fprintf(stderr, "peers: %s\n", nftmesh_error());
    nftmesh_close(m);
    return 1;
}
