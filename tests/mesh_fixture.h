#ifndef NFTMESH_TESTS_MESH_FIXTURE_H
#define NFTMESH_TESTS_MESH_FIXTURE_H

#include "node/session.h"

/* A small mesh for tests: a KMS and an app made up for the occasion, nodes with real keys, seats on
 * a contract, and an in-memory link on which sessions (or a puppet that breaks the rules) meet in
 * virtual time. Whatever fails in here is the test's own fault and asserts. */
#define FIXTURE_NODES     4
#define FIXTURE_SNAPSHOTS 64
#define FIXTURE_CHAIN_ID  31337u
#define FIXTURE_TIME_S    1800000000u /* of the first block */
#define FIXTURE_SETTINGS  "finality=latest-2 purpose=nftmesh-node-v1 weight=nft window=4 lease=3000"

struct fixture_node {
    struct node_identity identity;      /* what it shows */
    struct node_admission admission;    /* what it judges by: may be made to differ */
    struct gossip_signed_record record; /* by identity.keys */
    struct gossip_signed_record other_record;
    struct node_ephemerals ephemerals;
    struct node_session_env env;
};

/* What the world of the prototype's contract adds: its seats have no keys, owners sign for them. */
struct fixture_prototype {
    bool on;
    struct node_authority *authority;  /* one for all nodes */
    struct node_authority_world world; /* its raw snapshot is the latest published */
    uint64_t block_hidden;             /* the one whose hash nobody knows; 0: none */
    uint64_t forked;                   /* this block and later ones have other hashes; 0: none */
};

struct mesh_fixture {
    struct base_privkey kms_priv, app_priv;
    struct base_eth_address kms_root, app_id;
    struct base_key33 app_key;
    struct attest_pins pins;
    struct chain_snapshot head; /* contract, block, root, app ids */
    struct chain_seat seats[FIXTURE_NODES];
    struct fixture_node nodes[FIXTURE_NODES];
    struct chain_snapshot *snapshots[FIXTURE_SNAPSHOTS]; /* all that were made, until deinit */
    size_t snapshot_count;
    struct fixture_prototype prototype;
};

void mesh_fixture_init(struct mesh_fixture *f);
void mesh_fixture_deinit(struct mesh_fixture *f);
/* The next block with head and seats as they are now. */
struct chain_snapshot *mesh_fixture_snapshot(struct mesh_fixture *f);
/* Seen by everybody; sessions still want their SNAPSHOT event. */
void mesh_fixture_publish(struct mesh_fixture *f);

/* From here on it is the prototype's contract: no seat has keys until its owner says so. Blocks are
 * 12 s apart, and the fixture's first one has number 101. */
void mesh_fixture_to_prototype(struct mesh_fixture *f);
void mesh_fixture_owner(struct base_privkey *out, uint64_t token_id);
struct chain_block mesh_fixture_block(const struct mesh_fixture *f, uint64_t number);
/* The owner of keys->token_id authorises these keys at the block, for 30 days less an hour. */
void mesh_fixture_bundle(const struct mesh_fixture *f, struct node_bundle *out,
                         const struct node_keyset *keys, uint64_t block);
void mesh_fixture_revocation(const struct mesh_fixture *f, struct node_bundle *out,
                             uint64_t token_id, uint64_t block);
/* Signed anew by the token's owner, and by N and D of keys where it is no revocation. */
void mesh_fixture_sign_bundle(const struct mesh_fixture *f, struct node_bundle *bundle,
                              const struct node_keyset *keys);

void mesh_fixture_address(struct base_eth_address *out, const char *label);
void mesh_fixture_privkey(struct base_privkey *out, const char *label);
/* Keys as a node of this app makes them: D by the path of the instance, N by D and a seed. */
void mesh_fixture_keys(const struct mesh_fixture *f, struct node_keyset *out, const char *label,
                       uint64_t token_id);
void mesh_fixture_record(struct gossip_signed_record *out, const struct node_keyset *keys,
                         const struct base_eth_address *instance, uint64_t incarnation,
                         const struct base_eip712_domain *domain);
/* Puts a keyset on a seat. */
void mesh_fixture_register(struct chain_seat *seat, const struct node_keyset *keys);

/* --- a link in memory ------------------------------------------------------------------------ */

#define FIXTURE_MESSAGES 256
#define FIXTURE_FRAMES   48 /* types 0 to 0x2f, counted */

struct fixture_message {
    uint8_t *data;
    size_t len;
};
struct fixture_end {
    struct node_session *session; /* NULL: a puppet reads and writes */
    struct node_session_actions *out;
    bool hold_verdict; /* leave JUDGED to the test */
    bool hold_sent;    /* the link is full: no SENT */
    bool pipe_closed;  /* CLOSE was performed */
    /* What happened, and the last of each. */
    unsigned ups, downs, refusals, closes, judged, waiting, renewals, answers, sends, votes;
    unsigned frames[FIXTURE_FRAMES];
    struct node_session_action refused, down, answer;
    enum node_reason close;
    uint8_t frame_type, frame_body[64]; /* the beginning of the last one */
    size_t frame_len;
    /* Messages that this end has sent and the other has not read. */
    struct fixture_message queue[FIXTURE_MESSAGES];
    size_t head, tail;
};
struct fixture_link {
    struct fixture_end ends[2]; /* 0 dials */
    uint64_t now_ms;
    unsigned entropy;
    bool paused; /* messages wait: fixture_link_run does nothing */
    bool cut[2]; /* what end i sends is lost in silence */
    /* May change a message that end `from` sends, `index` counting from 0; false drops it. */
    bool (*tamper)(struct fixture_link *link, size_t from, unsigned index, uint8_t *data,
                   size_t *len);
    void *ctx;
};

/* Two sessions, or NULL for a puppet at that end. Nothing is opened yet. */
void fixture_link_init(struct fixture_link *link, const struct fixture_node *dialer,
                       const struct fixture_node *acceptor);
void fixture_link_deinit(struct fixture_link *link);
/* OPEN at each end that is a session; returns what the dialling end's step did. */
int fixture_link_open(struct fixture_link *link, const struct base_key33 *remote);
/* Delivers until nothing moves. */
void fixture_link_run(struct fixture_link *link);
/* Lets time pass, with TIMER at each deadline. */
void fixture_link_advance(struct fixture_link *link, uint64_t ms);
/* One event for one end, its actions performed; then the link runs. Returns the step's result. */
int fixture_link_step(struct fixture_link *link, size_t end, const struct node_session_event *ev);
int fixture_link_kind(struct fixture_link *link, size_t end, enum node_session_event_kind kind);
int fixture_link_queue(struct fixture_link *link, size_t end, uint8_t type, const void *body,
                       size_t len, uint32_t replace);
/* Puts a message on the wire as if `end` had sent it. */
void fixture_link_put(struct fixture_link *link, size_t end, const void *data, size_t len);
/* Takes the oldest message on its way to `end`, for a puppet. False when there is none. */
bool fixture_link_take(struct fixture_link *link, size_t end, uint8_t *data, size_t *len);

/* --- a peer that may break any rule ---------------------------------------------------------- */

struct puppet {
    struct fixture_link *link;
    size_t end;
    struct attest_noise noise;
    struct attest_cipher cipher;
    struct base_hash32 h;
    struct base_key33 remote;
};
/* Acts 1 to 3 with keys, for a mesh. false: the session at the other end closed. */
bool puppet_dial(struct puppet *p, struct fixture_link *link, const struct node_keyset *keys,
                 const struct base_key33 *remote, uint64_t chain_id,
                 const struct base_eth_address *contract);
bool puppet_accept(struct puppet *p, struct fixture_link *link, const struct node_keyset *keys);
void puppet_send(struct puppet *p, uint8_t type, const void *body, size_t len);
/* Seals without sending; out holds ATTEST_FRAME_BYTES_MAX. */
size_t puppet_seal(struct puppet *p, uint8_t *out, uint8_t type, const void *body, size_t len);
/* The next frame for the puppet; false when there is none. body holds ATTEST_FRAME_BYTES_MAX. */
bool puppet_recv(struct puppet *p, uint8_t *type, uint8_t *body, size_t *len);
/* An honest HELLO of node in this session. */
void puppet_hello(struct puppet *p, const struct fixture_node *node);

#endif
