#ifndef NFTMESH_NODE_VIEW_H
#define NFTMESH_NODE_VIEW_H

#include "base/buf.h"
#include "base/bytes.h"

/* What the surfaces show: an immutable, reference-counted snapshot. The loop builds one, publishes
 * it in a slot and forgets it; the HTTP thread takes a reference, renders, gives it back. So the
 * surfaces answer when the loop is busy, and never see half a change.
 *
 *   struct node_view *view;
 *   node_view_new(&view);
 *   view->self.chain_id = ..;  view->self.name = node_view_text(view, name, len);
 *   node_view_add_member(view, &member);  node_view_add_check(view, ..);
 *   node_view_publish(slot, view);        // takes the reference
 *
 * Strings are copied into the view by node_view_text() and the add functions. */
#define NODE_VIEW_REFUSALS_MAX 256
#define NODE_VIEW_CHECKS_MAX   16
#define NODE_VIEW_RPC_MAX      16
#define NODE_VIEW_WARNINGS_MAX 32
#define NODE_VIEW_BUNDLE_BYTES 600

enum node_view_state { /* names as in JSON; the order is that of the metrics */
                       NODE_VIEW_UNKNOWN = 0,
                       NODE_VIEW_ALIVE,
                       NODE_VIEW_SUSPECT,
                       NODE_VIEW_FAILED,
                       NODE_VIEW_LEFT
};
#define NODE_VIEW_STATE_COUNT 5
const char *node_view_state_name(enum node_view_state state); /* "unknown" "alive" .. */

struct node_view_tag {
    const char *key, *value;
};
struct node_view_member {
    struct base_key33 node;
    struct base_eth_address instance, owner;
    struct base_u256 token;
    const char *name, *url, *app_url, *version; /* NULL counts as empty */
    enum node_view_state state;
    bool is_self;
    bool proved_by_session; /* else by record only */
    uint64_t incarnation;
    uint64_t sequence;
    uint32_t weight;
    uint64_t verified_block;
    uint64_t state_since_ms; /* wall clock, ms since 1970 */
    double rtt_ms;           /* negative: not measured */
    const struct node_view_tag *tags;
    size_t tag_count;
};
struct node_view_link {     /* a session with a peer, or one being made */
    struct base_key33 node; /* zero while unknown */
    const char *remote;     /* address as seen: "tcp://10.0.0.7:9470" */
    const char *state;      /* "handshake", "up", "closing" */
    bool dialed;
    uint64_t since_ms; /* wall clock */
    uint64_t received_bytes, sent_bytes;
    double rtt_ms; /* negative: not measured */
};
struct node_view_rpc {
    const char *origin;     /* scheme://host:port only */
    const char *state;      /* "ok", "behind", "failed", "wrong_chain", .. */
    const char *last_error; /* may be NULL */
    uint64_t head_block;
    uint64_t requests;
    bool agrees; /* with the reference */
};
struct node_view_check {
    const char *name;
    const char *reason; /* why not; shown when !ok */
    bool ok;
};
struct node_view_refusal {
    struct base_key33 peer;       /* zero when unknown */
    const char *remote;           /* may be NULL */
    const char *reason;           /* the word: "no_seat" */
    const char *explanation;      /* the sentence; may be NULL */
    const char *expected, *found; /* may be NULL */
    uint32_t code;                /* what the peer is told; 0 for nothing */
    bool by_peer;                 /* the peer refused us */
    uint64_t block;
    uint64_t time_ms; /* wall clock */
};
struct node_view_wallet { /* the routes that make transactions */
    bool is_busy;
    const char *what;  /* "register", "mint": of the one under way */
    uint64_t since_ms; /* wall clock: when it began */
    const char *step;  /* how far it is; may be empty */
    const char *last;  /* how the one before ended; NULL or empty: there was none */
};
struct node_view_self {
    const char *name, *url, *app_url, *version;
    struct base_key33 node;
    struct base_eth_address instance, owner;
    bool has_seat; /* token and owner are meaningful */
    struct base_u256 token;
    uint64_t weight;       /* of the seat */
    uint64_t expires_at_s; /* of registration or authorisation; 0: no seat has our key */
    uint64_t incarnation;
    uint64_t chain_id;
    struct base_eth_address contract, kms_root;
    const char *contract_kind; /* "nftmesh", "prototype", "unknown" */
    bool has_block;
    uint64_t block_number, block_time_s;
    struct base_hash32 block_hash;
    const char *rpc_trust; /* "single", "majority", "any" */
    const char *trust;     /* "flags", "first_seen" */
    const char *settings;  /* finality=.. purpose=.. */
    const char *advice;    /* what an operator should do now; may be NULL */
    bool dev;
    bool leaving;
    uint64_t start_ms; /* wall clock */
    /* The own signed record for joiners; record_len 0 while there is none. */
    uint8_t record[1024];
    size_t record_len;
    struct base_sig65 record_sig;
    /* The owner's authorisation that counts, where the contract stores no keys, in the form of
     * node/bundle.h; 0 while there is none. */
    uint8_t bundle[NODE_VIEW_BUNDLE_BYTES];
    size_t bundle_len;
    struct node_view_wallet wallet;
};
struct node_view {
    struct node_view_self self;
    struct node_view_check checks[NODE_VIEW_CHECKS_MAX];
    size_t check_count;
    const char *warnings[NODE_VIEW_WARNINGS_MAX];
    size_t warning_count;
    struct node_view_rpc rpc[NODE_VIEW_RPC_MAX];
    size_t rpc_count;
    struct node_view_member *members; /* in the order of addition */
    size_t member_count, member_cap;
    struct node_view_link *links;
    size_t link_count, link_cap;
    struct node_view_refusal *refusals; /* newest first */
    size_t refusal_count, refusal_cap;
    bool failed; /* no memory while building: publish refuses it */
    struct node_view_arena *arena;
    struct node_view_refs *refs;
};

int node_view_new(struct node_view **out);   /* one reference; BASE_ENOMEM */
void node_view_free(struct node_view *view); /* gives a reference back; NULL is fine */
/* A terminated copy inside the view; "" and view->failed when memory is short. NULL gives "". */
const char *node_view_text(struct node_view *view, const char *text);
const char *node_view_textn(struct node_view *view, const char *text, size_t len);
/* Each copies *item and its strings. Beyond a bound (checks, warnings, rpc, refusals): left out. */
void node_view_add_member(struct node_view *view, const struct node_view_member *item);
void node_view_add_link(struct node_view *view, const struct node_view_link *item);
void node_view_add_rpc(struct node_view *view, const struct node_view_rpc *item);
void node_view_add_check(struct node_view *view, const char *name, bool ok, const char *reason);
/* One line on what does not stop the node today, and will if nobody acts. */
void node_view_add_warning(struct node_view *view, const char *text);
void node_view_add_refusal(struct node_view *view, const struct node_view_refusal *item);

bool node_view_is_ready(const struct node_view *view); /* every check ok, and at least one */
size_t node_view_count(const struct node_view *view, enum node_view_state state);

/* The last NODE_VIEW_REFUSALS_MAX refusals, for the loop to keep; owns copies of the strings
 * (each cut to 255 bytes). About 300 KiB. */
struct node_refusal_ring;
int node_refusal_ring_new(struct node_refusal_ring **out);
void node_refusal_ring_free(struct node_refusal_ring *ring);
void node_refusal_ring_put(struct node_refusal_ring *ring, const struct node_view_refusal *item);
void node_refusal_ring_add_to(const struct node_refusal_ring *ring, struct node_view *view);

/* The one place where loop and HTTP thread meet. Thread-safe. */
struct node_view_slot;
int node_view_slot_new(struct node_view_slot **out);
void node_view_slot_free(struct node_view_slot *slot);
/* Takes view's reference. BASE_ENOMEM when the view failed while building: the old one stays. */
int node_view_publish(struct node_view_slot *slot, struct node_view *view);
/* A reference of one's own, or NULL before the first publish; give back with node_view_free. */
struct node_view *node_view_acquire(struct node_view_slot *slot);

/* Renderers. All JSON is ASCII, one line, without a newline at the end; wall_ms is "now". Tokens
 * and prices above 2^53 - 1 are decimal strings, others numbers. */
void node_view_status_json(struct base_buf *out, const struct node_view *view, uint64_t wall_ms);
void node_view_members_json(struct base_buf *out, const struct node_view *view);
void node_view_member_json(struct base_buf *out, const struct node_view_member *member);
void node_view_links_json(struct base_buf *out, const struct node_view *view);
/* id: a prefix of a node key (at least 4 digits), or a whole name, instance or token id.
 * What is known of each match, as a member, a link and a refusal. */
void node_view_why_json(struct base_buf *out, const struct node_view *view, const char *id);
/* "[+]name ok" and "[-]name reason" lines, "[!]warning" ones when verbose, then "ready" or "not
 * ready". */
void node_view_readyz_text(struct base_buf *out, const struct node_view *view, bool verbose);
/* The prototype's routes. rpc_origin, connection URL: as shown to strangers. */
void node_view_health_json(struct base_buf *out, const struct node_view *view, uint64_t wall_ms);
void node_view_peers_json(struct base_buf *out, const struct node_view *view, uint64_t wall_ms);
void node_view_info_json(struct base_buf *out, const struct node_view *view, uint64_t wall_ms);

/* A uint256 as JSON: a number up to 2^53 - 1, else a decimal string. */
void node_json_u256(struct base_buf *out, const struct base_u256 *value);

#endif
