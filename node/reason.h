#ifndef NFTMESH_NODE_REASON_H
#define NFTMESH_NODE_REASON_H

#include "base/buf.h"
#include "base/bytes.h"

/* Every word with which a node says no, to a peer or about one. The word goes into the log, into
 * `why` and into metrics; the peer itself learns a coarse code only, so that a refusal tells a
 * stranger nothing of what exactly failed. */
enum node_reason {
    NODE_REASON_NONE = 0, /* nothing is refused */
    /* The checks of HELLO, in their order (docs/wire.md, Admission). */
    NODE_REASON_JUNK,               /*  0: not an act 1 */
    NODE_REASON_NOT_THIS_MESH,      /*  0, 4: another chain id or contract, or a key not ours */
    NODE_REASON_SELF,               /*  1: we have dialled ourselves */
    NODE_REASON_COPY,               /*  1: somebody else dials with our node key */
    NODE_REASON_MALFORMED,          /*  2 */
    NODE_REASON_FEATURE_REQUIRED,   /*  3 */
    NODE_REASON_SETTINGS_DIFFER,    /*  5 */
    NODE_REASON_RECORD_KEY,         /*  6 */
    NODE_REASON_NO_SEAT,            /*  7, and 1 */
    NODE_REASON_TOKEN_DIFFERS,      /*  8 */
    NODE_REASON_INSTANCE_DIFFERS,   /*  9 */
    NODE_REASON_PROOF_KEY_DIFFERS,  /* 10 */
    NODE_REASON_OWNER_CHANGED,      /* 11, and 1 */
    NODE_REASON_INACTIVE,           /* 12, and 1 */
    NODE_REASON_SUSPENDED,          /* 13, and 1 */
    NODE_REASON_EXPIRED,            /* 14, and 1 */
    NODE_REASON_ROOT_EPOCH,         /* 15, and 1 */
    NODE_REASON_APP_ID_NOT_ALLOWED, /* 15, 17, and 1 */
    NODE_REASON_RECORD_SIGNATURE,   /* 16 */
    NODE_REASON_CHAIN_ENCODING,     /* 17 */
    NODE_REASON_CHAIN_APP_SIGNATURE,
    NODE_REASON_CHAIN_KMS_ROOT,
    NODE_REASON_POP,        /* 18 */
    NODE_REASON_KEY_IN_USE, /* 19 */
    /* With a contract that stores no keys, as a part of line 7: the owner's authorisation. */
    NODE_REASON_NO_AUTHORISATION, /* there is none in HELLO */
    NODE_REASON_SUPERSEDED,       /* the owner has issued a later one, or revoked */
    NODE_REASON_AUTHORISATION_SIGNATURE,
    NODE_REASON_NOT_YET, /* issued after our reference block */
    NODE_REASON_AUTHORISATION_BLOCK,
    NODE_REASON_AUTHORISATION_TERM, /* longer than 30 days */
    NODE_REASON_NODE_KEY_TAKEN,
    NODE_REASON_VERIFYING, /* we are still asking the chain for what it takes to judge */
    /* Not the peer's fault. */
    NODE_REASON_NOT_READY, /* we have no seat, or no snapshot, ourselves */
    NODE_REASON_BUSY,      /* over our budget for peers that are not proved yet */
    NODE_REASON_BOOTSTRAP_NOT_A_MEMBER,
    NODE_REASON_ROLLED_BACK_OR_COPIED, /* a record of ours that our disk does not know */
    /* How a link ends. */
    NODE_REASON_HANDSHAKE,   /* act 2 or act 3 does not verify */
    NODE_REASON_PROTOCOL,    /* a counter, a tag, an acknowledgement, a type out of its place */
    NODE_REASON_TIMEOUT,     /* not READY in time */
    NODE_REASON_STUCK,       /* what we send is not acknowledged any more */
    NODE_REASON_EVICTED,     /* the peer says that our seat does not count any more */
    NODE_REASON_REFUSED,     /* the peer refused us; its code is beside this */
    NODE_REASON_OVER_BUDGET, /* the member sends more than anybody may, and goes on */
    NODE_REASON_DUPLICATE,   /* a second pipe to the same process */
    NODE_REASON_REPLACED,    /* the peer came back as another process */
    NODE_REASON_RENEWED,     /* a younger session with new keys took over */
    NODE_REASON_LEAVING,     /* goodbye: one side stops */
    NODE_REASON_CLOSED,      /* the pipe is gone, nobody said why */
    NODE_REASON_NO_MEMORY
};
#define NODE_REASON_COUNT (NODE_REASON_NO_MEMORY + 1)

/* What the other side is told, in REFUSE and in BYE. Codes of a later version may be larger: they
 * are shown and treated as a plain no. */
enum node_code {
    NODE_CODE_NONE = 0, /* BYE only: no reason given */
    NODE_CODE_NO_SEAT = 1,
    NODE_CODE_SETTINGS_DIFFER = 2,
    NODE_CODE_NOT_ADMITTED = 3,
    NODE_CODE_KEY_IN_USE = 4,
    NODE_CODE_BUSY = 5,
    NODE_CODE_NOT_READY = 6,
    NODE_CODE_VERSION = 7,
    NODE_CODE_MALFORMED = 8,
    NODE_CODE_EVICTED = 9,
    NODE_CODE_LEAVING = 16, /* from here on: BYE only */
    NODE_CODE_DUPLICATE = 17,
    NODE_CODE_REPLACED = 18,
    NODE_CODE_RENEWED = 19
};

/* "no_seat", "settings_differ", ..: lower case, no blanks; static memory, never NULL. */
const char *node_reason_name(enum node_reason reason);
/* BASE_ENOTFOUND. */
int node_reason_parse(enum node_reason *out, const char *name);
/* The code for the peer. NODE_CODE_NONE for a reason that closes the pipe without a word. */
enum node_code node_reason_code(enum node_reason reason);
/* "no_seat" .. "renewed"; "code" for one that we do not know. */
const char *node_code_name(uint8_t code);

#define NODE_REFUSAL_TEXT_BYTES 192

/* One refusal with everything `why` prints. expected and found are printable ASCII, cut where too
 * long, and empty where a check compares nothing. */
struct node_refusal {
    enum node_reason reason;
    enum node_code code; /* what the peer is told: the reason's, or the line's if it has its own */
    uint64_t block;      /* the reference block that we judged by; 0: no snapshot took part */
    char expected[NODE_REFUSAL_TEXT_BYTES], found[NODE_REFUSAL_TEXT_BYTES];
};

void node_refusal_set(struct node_refusal *refusal, enum node_reason reason, uint64_t block);
/* printf into expected and found; whatever is not printable ASCII becomes '?'. */
void node_refusal_expect(struct node_refusal *refusal, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void node_refusal_find(struct node_refusal *refusal, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Full sentences: which check, what was expected, what was found, at which block. */
void node_refusal_explain(struct base_buf *out, const struct node_refusal *refusal);

/* A key or less in hex, for a refusal's words. */
struct node_hex {
    char text[2 * BASE_KEY33_BYTES + 1];
};
struct node_hex node_hex_of(const void *data, size_t len);

#endif
