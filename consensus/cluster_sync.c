/* What others lack, and what we do: epochs with their proof, and states of the log. */
#include "consensus/cluster_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/keccak256.h"
#include "consensus/fields.h"
#include "consensus/votelog.h"
#include "consensus/wire.h"

#define ASK_GAP_MS     300
#define FETCH_AGAIN_MS 1000
#define CHAIN_MAX      CONSENSUS_KEPT_FINAL /* candidates of a proof */

/* ---- proofs ---- */

const struct cluster_proof *cluster_proof_of(const struct consensus_cluster *c, uint64_t epoch)
{
    for (size_t i = 0; i < c->proof_count; i++)
        if (c->proofs[i].epoch == epoch) return &c->proofs[i];
    return NULL;
}

void cluster_proof_add(struct consensus_cluster *c, uint64_t epoch, const struct base_hash32 *id,
                       const void *body, size_t len)
{
    uint8_t *copy = malloc(len);
    if (copy == NULL) {
        c->is_broken = true;
        return;
    }
    memcpy(copy, body, len);
    if (c->proof_count == CLUSTER_PROOFS) free(c->proofs[--c->proof_count].body);
    memmove(&c->proofs[1], &c->proofs[0], c->proof_count * sizeof c->proofs[0]);
    c->proofs[0] = (struct cluster_proof){epoch, *id, copy, len};
    c->proof_count++;
}

/* The candidates from the newest final one back to the one that closed; 0: not all are kept. */
static size_t closing_chain(const struct consensus_cluster *c,
                            const struct consensus_candidate *list[CHAIN_MAX])
{
    size_t count = 0;
    while (count < CHAIN_MAX) {
        const struct consensus_candidate *cand = consensus_engine_final_at(c->engine, count);
        if (cand == NULL || cand->slot < c->closing.slot) return 0;
        list[count++] = cand;
        if (cand->slot == c->closing.slot) return count;
    }
    return 0;
}

static void pack_proof(struct base_packer *p, const struct consensus_cluster *c)
{
    const struct consensus_candidate *list[CHAIN_MAX];
    size_t count = closing_chain(c, list);
    consensus_put_array(p, 2, count);
    while (count > 0)
        consensus_candidate_pack(p, list[--count]);
    base_pack_u64(p, 3);
    consensus_cert_pack(p, consensus_engine_final_cert(c->engine));
}

void cluster_proof_make(struct consensus_cluster *c, const struct consensus_epoch *next,
                        const struct base_hash32 *id)
{
    uint8_t *record = malloc(CONSENSUS_EPOCH_BYTES_MAX);
    const struct consensus_candidate *list[CHAIN_MAX];
    struct base_packer p;
    size_t len = 0;
    if (record == NULL ||
        consensus_epoch_encode(record, &len, CONSENSUS_EPOCH_BYTES_MAX, next) != BASE_OK) {
        c->is_broken = true;
        free(record);
        return;
    }
    bool has_proof = c->engine != NULL && consensus_engine_final_cert(c->engine) != NULL &&
                     closing_chain(c, list) > 0;
    for (int tries = 0; tries < 2; tries++) { /* without its proof, when that is too large */
        base_packer_init(&p, c->scratch, CONSENSUS_FRAME_BYTES_MAX);
        base_pack_map(&p, has_proof ? 4 : 2);
        consensus_put_bin(&p, 0, id->bytes, sizeof id->bytes);
        consensus_put_bin(&p, 1, record, len);
        if (has_proof) pack_proof(&p, c);
        if (!p.failed) break;
        has_proof = false;
    }
    free(record);
    if (p.failed)
        c->is_broken = true;
    else
        cluster_proof_add(c, next->number, id, c->scratch, p.len);
}

static int open_proof(struct consensus_fields *f, const struct base_slice *body,
                      struct base_hash32 *id, struct base_slice *record)
{
    int rv = consensus_fields_init(f, body->data, body->len, 4);
    if (rv == BASE_OK) rv = consensus_fields_exact(f, 0, id->bytes, sizeof id->bytes);
    return rv == BASE_OK ? consensus_fields_bin(f, 1, record, CONSENSUS_EPOCH_BYTES_MAX) : rv;
}

int cluster_proof_record(const struct base_slice *body, struct base_hash32 *id,
                         struct consensus_epoch *record)
{
    struct consensus_fields f;
    struct base_slice bytes;
    struct base_hash32 hash;
    int rv = open_proof(&f, body, id, &bytes);
    if (rv != BASE_OK) return rv;
    base_keccak256(&hash, bytes.data, bytes.len);
    if (!base_hash32_equal(&hash, id)) return BASE_EMALFORMED;
    return consensus_epoch_decode(record, bytes.data, bytes.len);
}

/* The first closes the epoch with this record, each stands on the one before, and the last is what
 * the certificate is of. */
static bool is_chain_good(struct consensus_cluster *c, const struct consensus_candidate *list,
                          size_t count, const struct consensus_epoch *next, struct base_hash32 *top)
{
    struct base_hash32 digest;
    struct consensus_payload *p = &c->payload;
    if (consensus_epoch_digest(&digest, next) != BASE_OK || list[0].slot != next->closing_slot ||
        consensus_payload_decode(p, list[0].payload.data, list[0].payload.len) != BASE_OK ||
        !p->is_closing || !base_hash32_equal(&p->next, &digest))
        return false;
    consensus_candidate_hash(top, &c->epoch_id, &list[0]);
    if (!base_hash32_equal(top, &next->closing_hash)) return false;
    for (size_t i = 1; i < count; i++) {
        if (list[i].parent_slot != list[i - 1].slot ||
            !base_hash32_equal(&list[i].parent_hash, top))
            return false;
        consensus_candidate_hash(top, &c->epoch_id, &list[i]);
    }
    return true;
}

static size_t read_chain(struct consensus_fields *f, struct consensus_candidate list[CHAIN_MAX])
{
    uint32_t count = 0;
    if (consensus_fields_array(f, 2, &count, CHAIN_MAX) != BASE_OK) return 0;
    for (uint32_t i = 0; i < count; i++)
        if (consensus_candidate_unpack(&f->u, &list[i]) != BASE_OK) return 0;
    return count;
}

bool cluster_proof_holds(struct consensus_cluster *c, const struct base_slice *body,
                         const struct consensus_epoch *next)
{
    struct consensus_fields f;
    struct consensus_candidate list[CHAIN_MAX];
    struct consensus_cert cert;
    struct base_slice bytes;
    struct base_hash32 id, top;
    if (open_proof(&f, body, &id, &bytes) != BASE_OK) return false;
    size_t count = read_chain(&f, list);
    if (count == 0 || !is_chain_good(c, list, count, next, &top)) return false;
    if (!consensus_fields_is_next(&f, 3) || consensus_cert_unpack(&f.u, &cert) != BASE_OK)
        return false;
    const struct consensus_cluster_host *host = &c->config.host;
    bool holds = consensus_fields_at_end(&f) && cert.kind == BASE_VOTE_FINAL &&
                 cert.first == list[count - 1].slot && base_hash32_equal(&cert.hash, &top) &&
                 consensus_cert_check(&cert, &c->epoch_id, &c->voters, host->verify, host->ctx) ==
                     CONSENSUS_CERT_GOOD;
    consensus_cert_free(&cert);
    return holds;
}

/* ---- asking for an epoch ---- */

/* All zero: we know none. */
static void put_epoch_id(struct base_packer *p, const struct consensus_cluster *c)
{
    static const struct base_hash32 none;
    consensus_put_bin(p, 0, c->has_epoch ? c->epoch_id.bytes : none.bytes, sizeof none.bytes);
}

/* For a record that lists us: which epoch we follow, and since when we have read the chain. */
static void tell_seen(struct consensus_cluster *c, const struct base_key33 *to)
{
    uint8_t body[64];
    struct base_packer p;
    if (c->set_count == 0) return;
    base_packer_init(&p, body, sizeof body);
    base_pack_map(&p, 2);
    put_epoch_id(&p, c);
    consensus_put_u64(&p, 4, c->sets[c->set_count - 1].first.number);
    if (!p.failed) cluster_send(c, to, CONSENSUS_FRAME_ASK, body, p.len);
}

void cluster_ask_epoch(struct consensus_cluster *c, const struct base_key33 *from, uint64_t number)
{
    uint8_t body[64];
    struct base_packer p;
    if (c->ask_ms != 0 && c->now_ms < c->ask_ms + ASK_GAP_MS) return;
    c->ask_ms = c->now_ms > 0 ? c->now_ms : 1;
    base_packer_init(&p, body, sizeof body);
    base_pack_map(&p, 2);
    put_epoch_id(&p, c);
    consensus_put_u64(&p, 1, number);
    if (!p.failed) cluster_send(c, from, CONSENSUS_FRAME_ASK, body, p.len);
}

void cluster_status_in(struct consensus_cluster *c, const struct base_key33 *from,
                       const struct base_hash32 *epoch_id, uint64_t epoch)
{
    struct cluster_peer *peer = cluster_peer(c, from);
    if (peer != NULL) {
        peer->has_epoch = true;
        peer->epoch = epoch;
        peer->epoch_id = *epoch_id;
    }
    if (!c->has_epoch || c->self >= c->epoch.member_count) tell_seen(c, from);
    bool is_former = epoch < c->epoch.number && !c->is_unvouched;
    if (c->has_epoch && (base_hash32_equal(epoch_id, &c->epoch_id) || is_former)) return;
    bool is_later = c->has_epoch && epoch > c->epoch.number && !c->is_next_unproved;
    cluster_ask_epoch(c, from, is_later ? c->epoch.number + 1 : epoch);
}

static void send_state(struct consensus_cluster *c, const struct base_key33 *to,
                       const struct cluster_shot *shot, uint64_t from)
{
    struct base_packer p;
    if (from >= shot->len) return;
    size_t len = shot->len - (size_t)from;
    if (len > CONSENSUS_FETCH_BYTES) len = CONSENSUS_FETCH_BYTES;
    base_packer_init(&p, c->scratch, CONSENSUS_FRAME_BYTES_MAX);
    base_pack_map(&p, 5);
    consensus_put_bin(&p, 0, c->epoch_id.bytes, sizeof c->epoch_id.bytes);
    consensus_put_bin(&p, 1, shot->digest.bytes, sizeof shot->digest.bytes);
    consensus_put_u64(&p, 2, shot->len);
    consensus_put_u64(&p, 3, from);
    consensus_put_bin(&p, 4, shot->bytes + from, len);
    if (!p.failed) cluster_send(c, to, CONSENSUS_FRAME_STATE, c->scratch, p.len);
}

static void has_seen(struct consensus_cluster *c, const struct base_key33 *from,
                     const struct base_hash32 *epoch_id, uint64_t block)
{
    struct cluster_peer *peer = cluster_peer(c, from);
    if (peer == NULL) return;
    peer->has_seen = true;
    peer->seen_block = block;
    peer->follows = *epoch_id;
    if (c->awaits.is_on) cluster_here_look(c);
}

int cluster_ask_in(struct consensus_cluster *c, const struct base_key33 *from,
                   const struct base_slice *body)
{
    struct consensus_fields f;
    struct base_hash32 id, digest;
    uint64_t number = 0, seen = 0, offset = 0;
    int rv = consensus_fields_init(&f, body->data, body->len, 3);
    if (rv == BASE_OK) rv = consensus_fields_exact(&f, 0, id.bytes, sizeof id.bytes);
    if (rv != BASE_OK) return rv;
    if (consensus_fields_is_next(&f, 4)) {
        rv = base_unpack_u64(&f.u, &seen);
        if (rv == BASE_OK && !consensus_fields_at_end(&f)) rv = BASE_EMALFORMED;
        if (rv == BASE_OK) has_seen(c, from, &id, seen);
        return rv;
    }
    if (consensus_fields_is_next(&f, 1)) {
        rv = base_unpack_u64(&f.u, &number);
        if (rv == BASE_OK && !consensus_fields_at_end(&f)) rv = BASE_EMALFORMED;
        if (rv != BASE_OK || !c->has_epoch) return rv;
        const struct cluster_proof *proof = cluster_proof_of(c, number);
        if (proof == NULL) proof = cluster_proof_of(c, c->epoch.number);
        if (proof != NULL) cluster_send(c, from, CONSENSUS_FRAME_EPOCH, proof->body, proof->len);
        return BASE_OK;
    }
    rv = consensus_fields_exact(&f, 2, digest.bytes, sizeof digest.bytes);
    if (rv == BASE_OK) rv = consensus_fields_u64(&f, 3, &offset);
    if (rv == BASE_OK && !consensus_fields_at_end(&f)) rv = BASE_EMALFORMED;
    if (rv != BASE_OK) return rv;
    const struct cluster_shot *shot = cluster_shot_find(c, &digest);
    if (shot != NULL) send_state(c, from, shot, offset);
    return BASE_OK;
}

/* ---- fetching a state ---- */

void cluster_fetch_stop(struct consensus_cluster *c)
{
    free(c->fetch.bytes);
    c->fetch = (struct cluster_fetch){.next_peer = c->fetch.next_peer};
}

static void fetch_ask(struct consensus_cluster *c, const struct base_key33 *from)
{
    uint8_t body[96];
    struct base_packer p;
    c->fetch.due_ms = c->now_ms + FETCH_AGAIN_MS;
    base_packer_init(&p, body, sizeof body);
    base_pack_map(&p, 3);
    consensus_put_bin(&p, 0, c->epoch_id.bytes, sizeof c->epoch_id.bytes);
    consensus_put_bin(&p, 2, c->fetch.digest.bytes, sizeof c->fetch.digest.bytes);
    consensus_put_u64(&p, 3, c->fetch.len);
    if (!p.failed) cluster_send(c, from, CONSENSUS_FRAME_ASK, body, p.len);
}

/* One after the other, until somebody has it. */
static void fetch_ask_next(struct consensus_cluster *c)
{
    c->fetch.due_ms = c->now_ms + FETCH_AGAIN_MS;
    for (size_t i = 0; i < c->peer_count; i++) {
        const struct cluster_peer *peer = &c->peers[c->fetch.next_peer++ % c->peer_count];
        if (!peer->is_up || !peer->has_epoch || peer->epoch < c->epoch.number) continue;
        fetch_ask(c, &peer->key);
        return;
    }
}

void cluster_fetch(struct consensus_cluster *c, uint64_t slot, const struct base_hash32 *hash,
                   const struct base_hash32 *digest)
{
    if (c->fetch.is_on && base_hash32_equal(&c->fetch.digest, digest) && c->fetch.slot == slot)
        return;
    cluster_fetch_stop(c);
    c->fetch.is_on = true;
    c->fetch.slot = slot;
    c->fetch.hash = *hash;
    c->fetch.digest = *digest;
    fetch_ask_next(c);
}

/* After a restart nobody else asks for the one that the epoch began with: it may be that nothing
 * becomes final without us, so that no other is named. */
void cluster_fetch_timer(struct consensus_cluster *c)
{
    if (c->engine != NULL && c->state == NULL && !c->fetch.is_on)
        cluster_fetch(c, CONSENSUS_NO_SLOT, &c->epoch_id, &c->epoch.state);
    if (c->fetch.is_on && c->now_ms >= c->fetch.due_ms) fetch_ask_next(c);
}

static void keep_fetched(struct consensus_cluster *c, struct consensus_state *state)
{
    struct consensus_event ev = {.type = CONSENSUS_EV_STATE};
    uint64_t slot = c->fetch.slot;
    struct base_hash32 hash = c->fetch.hash;
    int rv;
    consensus_state_free(c->state);
    c->state = state;
    c->history_count = 0;
    cluster_point_add(c, slot, &hash);
    cluster_shot_pin(c, &c->fetch.digest);
    uint8_t *body = malloc(BASE_HASH32_BYTES + c->fetch.len);
    if (body != NULL) {
        memcpy(body, hash.bytes, BASE_HASH32_BYTES);
        memcpy(body + BASE_HASH32_BYTES, c->fetch.bytes, c->fetch.len);
        uint64_t before = slot == CONSENSUS_NO_SLOT ? 0 : slot + 1;
        (void)cluster_store(c, CONSENSUS_STORE_STATE, before, before > 0 ? slot : 0, body,
                            BASE_HASH32_BYTES + c->fetch.len);
        free(body);
    } else {
        c->is_broken = true;
    }
    cluster_fetch_stop(c);
    cluster_epoch_due(c);
    ev.u.state.slot = slot;
    ev.u.state.hash = hash;
    cluster_engine_step(c, &ev, &rv);
}

/* All of it is there: is it what a quorum has named? And do we still need it? */
static void fetch_end(struct consensus_cluster *c)
{
    struct base_hash32 digest;
    struct consensus_state *state;
    struct consensus_view view;
    base_keccak256(&digest, c->fetch.bytes, c->fetch.len);
    consensus_engine_view(&view, c->engine);
    bool is_late = c->state != NULL && view.final_slot != CONSENSUS_NO_SLOT &&
                   (c->fetch.slot == CONSENSUS_NO_SLOT || view.final_slot >= c->fetch.slot);
    if (is_late) {
        cluster_fetch_stop(c);
    } else if (base_hash32_equal(&digest, &c->fetch.digest) &&
               consensus_state_decode(&state, c->fetch.bytes, c->fetch.len) == BASE_OK) {
        keep_fetched(c, state);
    } else { /* from the start, of another */
        c->fetch.len = 0;
        fetch_ask_next(c);
    }
}

static int read_part(const struct base_slice *body, struct base_hash32 *digest, uint64_t *total,
                     uint64_t *from, struct base_slice *bytes)
{
    struct consensus_fields f;
    struct base_hash32 id;
    int rv = consensus_fields_init(&f, body->data, body->len, 5);
    if (rv == BASE_OK) rv = consensus_fields_exact(&f, 0, id.bytes, sizeof id.bytes);
    if (rv == BASE_OK) rv = consensus_fields_exact(&f, 1, digest->bytes, sizeof digest->bytes);
    if (rv == BASE_OK) rv = consensus_fields_u64(&f, 2, total);
    if (rv == BASE_OK) rv = consensus_fields_u64(&f, 3, from);
    if (rv == BASE_OK) rv = consensus_fields_bin(&f, 4, bytes, CONSENSUS_FETCH_BYTES);
    if (rv == BASE_OK && (!consensus_fields_at_end(&f) || bytes->len == 0)) rv = BASE_EMALFORMED;
    if (rv == BASE_OK &&
        (*total > CONSENSUS_STATE_BYTES_MAX || *from > *total || bytes->len > *total - *from))
        rv = BASE_EMALFORMED;
    return rv;
}

int cluster_state_in(struct consensus_cluster *c, const struct base_key33 *from,
                     const struct base_slice *body)
{
    struct base_hash32 digest;
    struct base_slice bytes = {NULL, 0};
    uint64_t total = 0, offset = 0;
    struct cluster_fetch *fetch = &c->fetch;
    int rv = read_part(body, &digest, &total, &offset, &bytes);
    if (rv != BASE_OK || !fetch->is_on || !base_hash32_equal(&digest, &fetch->digest)) return rv;
    if (fetch->len > 0 && total != fetch->total) fetch->len = 0; /* one of the two lied */
    if (offset != fetch->len) return BASE_OK;
    if (fetch->bytes == NULL) fetch->bytes = malloc(CONSENSUS_STATE_BYTES_MAX);
    if (fetch->bytes == NULL) return BASE_ENOMEM;
    memcpy(fetch->bytes + fetch->len, bytes.data, bytes.len);
    fetch->total = (size_t)total;
    fetch->len += bytes.len;
    if (fetch->len < fetch->total)
        fetch_ask(c, from);
    else
        fetch_end(c);
    return BASE_OK;
}
