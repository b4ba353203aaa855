#include "consensus/wire.h"

#include "base/err.h"
#include "consensus/fields.h"

uint8_t consensus_frame_type(enum consensus_message_type type)
{
    if (type < CONSENSUS_MSG_CAND || type > CONSENSUS_MSG_STATUS) return 0;
    return (uint8_t)(CONSENSUS_FRAME_FIRST + (int)type - CONSENSUS_MSG_CAND);
}

/* ---- writing ---- */

static void put_hash(struct base_packer *p, uint64_t key, const struct base_hash32 *hash)
{
    consensus_put_bin(p, key, hash->bytes, sizeof hash->bytes);
}

static void put_sig(struct base_packer *p, uint64_t key, const struct base_sig65 *sig)
{
    consensus_put_bin(p, key, sig->bytes, sizeof sig->bytes);
}

static void begin(struct base_packer *p, uint32_t fields, const struct base_hash32 *epoch_id)
{
    base_pack_map(p, fields);
    put_hash(p, 0, epoch_id);
}

static void put_cand(struct base_packer *p, const struct consensus_message *m)
{
    const struct consensus_candidate *c = &m->u.cand;
    bool has_parent = c->parent_slot != CONSENSUS_NO_SLOT;
    begin(p, has_parent ? 6 : 5, &m->epoch_id);
    consensus_put_u64(p, 1, c->slot);
    if (has_parent) consensus_put_u64(p, 2, c->parent_slot);
    put_hash(p, 3, &c->parent_hash);
    consensus_put_bin(p, 4, c->payload.data, c->payload.len);
    put_sig(p, 5, &c->sig);
}

static void put_vote(struct base_packer *p, const struct consensus_message *m)
{
    const struct consensus_vote_message *v = &m->u.vote;
    bool is_skip = v->vote.kind == BASE_VOTE_SKIP;
    begin(p, is_skip ? 6 : 7, &m->epoch_id);
    consensus_put_u64(p, 1, v->voter);
    consensus_put_u64(p, 2, (uint64_t)v->vote.kind);
    consensus_put_u64(p, 3, v->vote.first);
    consensus_put_u64(p, 4, v->vote.last);
    if (!is_skip) put_hash(p, 5, &v->vote.hash);
    put_sig(p, 6, &v->sig);
}

static void put_status(struct base_packer *p, const struct consensus_message *m)
{
    const struct consensus_status *status = &m->u.status;
    bool has_final = status->final_slot != CONSENSUS_NO_SLOT;
    begin(p, has_final ? 5 : 4, &m->epoch_id);
    consensus_put_u64(p, 1, status->frontier);
    if (has_final) consensus_put_u64(p, 2, status->final_slot);
    consensus_put_u64(p, 3, status->epoch);
    consensus_put_u64(p, 4, status->head);
}

int consensus_message_encode(void *body, size_t *len, size_t cap, const struct consensus_message *m)
{
    struct base_packer p;
    base_packer_init(&p, body, cap < CONSENSUS_FRAME_BYTES_MAX ? cap : CONSENSUS_FRAME_BYTES_MAX);
    switch (m->type) {
    case CONSENSUS_MSG_CAND:
        put_cand(&p, m);
        break;
    case CONSENSUS_MSG_VOTE:
        put_vote(&p, m);
        break;
    case CONSENSUS_MSG_CERT:
        begin(&p, 2, &m->epoch_id);
        base_pack_u64(&p, 1);
        consensus_cert_pack(&p, &m->u.cert);
        break;
    case CONSENSUS_MSG_GET:
        begin(&p, 3, &m->epoch_id);
        consensus_put_u64(&p, 1, m->u.get.slot);
        put_hash(&p, 2, &m->u.get.hash);
        break;
    case CONSENSUS_MSG_STATUS:
        put_status(&p, m);
        break;
    }
    *len = p.len;
    return p.failed ? BASE_ETOOBIG : BASE_OK;
}

/* ---- reading ---- */

/* A slot; CONSENSUS_NO_SLOT is none. */
static int get_slot(struct consensus_fields *f, uint64_t key, uint64_t *out)
{
    int rv = consensus_fields_u64(f, key, out);
    return rv == BASE_OK && *out == CONSENSUS_NO_SLOT ? BASE_EMALFORMED : rv;
}

static int get_hash(struct consensus_fields *f, uint64_t key, struct base_hash32 *out)
{
    return consensus_fields_exact(f, key, out->bytes, sizeof out->bytes);
}

static int get_sig(struct consensus_fields *f, uint64_t key, struct base_sig65 *out)
{
    return consensus_fields_exact(f, key, out->bytes, sizeof out->bytes);
}

static int get_cand(struct consensus_fields *f, struct consensus_candidate *c)
{
    int rv = get_slot(f, 1, &c->slot);
    c->parent_slot = CONSENSUS_NO_SLOT;
    if (rv == BASE_OK && consensus_fields_is_next(f, 2)) {
        rv = base_unpack_u64(&f->u, &c->parent_slot);
        if (rv == BASE_OK && c->parent_slot >= c->slot) rv = BASE_EMALFORMED;
    }
    if (rv == BASE_OK) rv = get_hash(f, 3, &c->parent_hash);
    if (rv == BASE_OK) rv = consensus_fields_bin(f, 4, &c->payload, CONSENSUS_PAYLOAD_MAX);
    return rv == BASE_OK ? get_sig(f, 5, &c->sig) : rv;
}

static int get_vote(struct consensus_fields *f, struct consensus_message *m)
{
    struct consensus_vote_message *v = &m->u.vote;
    uint64_t voter = 0, kind = 0;
    int rv = consensus_fields_u64(f, 1, &voter);
    if (rv == BASE_OK) rv = consensus_fields_u64(f, 2, &kind);
    if (rv == BASE_OK &&
        (voter >= CONSENSUS_MEMBERS_MAX || kind < BASE_VOTE_NOTAR || kind > BASE_VOTE_SKIP))
        rv = BASE_EMALFORMED;
    if (rv != BASE_OK) return rv;
    v->voter = (uint16_t)voter;
    v->vote.epoch_id = m->epoch_id;
    v->vote.kind = (enum base_vote_kind)kind;
    rv = get_slot(f, 3, &v->vote.first);
    if (rv == BASE_OK) rv = get_slot(f, 4, &v->vote.last);
    if (rv == BASE_OK && v->vote.kind != BASE_VOTE_SKIP) rv = get_hash(f, 5, &v->vote.hash);
    if (rv == BASE_OK) rv = get_sig(f, 6, &v->sig);
    return rv == BASE_OK && !consensus_vote_is_valid(&v->vote) ? BASE_EMALFORMED : rv;
}

static int get_status(struct consensus_fields *f, struct consensus_status *status)
{
    int rv = get_slot(f, 1, &status->frontier);
    status->final_slot = CONSENSUS_NO_SLOT;
    if (rv == BASE_OK && consensus_fields_is_next(f, 2)) {
        rv = base_unpack_u64(&f->u, &status->final_slot);
        if (rv == BASE_OK && status->final_slot >= status->frontier) rv = BASE_EMALFORMED;
    }
    if (rv == BASE_OK) rv = consensus_fields_u64(f, 3, &status->epoch);
    return rv == BASE_OK ? consensus_fields_u64(f, 4, &status->head) : rv;
}

static int get_body(struct consensus_fields *f, struct consensus_message *m)
{
    int rv;
    switch (m->type) {
    case CONSENSUS_MSG_CAND:
        return get_cand(f, &m->u.cand);
    case CONSENSUS_MSG_VOTE:
        return get_vote(f, m);
    case CONSENSUS_MSG_CERT:
        return consensus_fields_is_next(f, 1) ? consensus_cert_unpack(&f->u, &m->u.cert)
                                              : BASE_EMALFORMED;
    case CONSENSUS_MSG_GET:
        rv = get_slot(f, 1, &m->u.get.slot);
        return rv == BASE_OK ? get_hash(f, 2, &m->u.get.hash) : rv;
    case CONSENSUS_MSG_STATUS:
        return get_status(f, &m->u.status);
    }
    return BASE_EUNSUPPORTED;
}

int consensus_message_decode(struct consensus_message *out, uint8_t frame_type, const void *body,
                             size_t len)
{
    struct consensus_fields f;
    *out = (struct consensus_message){0};
    if (frame_type < CONSENSUS_FRAME_FIRST ||
        frame_type > consensus_frame_type(CONSENSUS_MSG_STATUS))
        return BASE_EUNSUPPORTED;
    if (len > CONSENSUS_FRAME_BYTES_MAX) return BASE_ETOOBIG;
    out->type =
        (enum consensus_message_type)(frame_type - CONSENSUS_FRAME_FIRST + CONSENSUS_MSG_CAND);
    int rv = consensus_fields_init(&f, body, len, 7);
    if (rv == BASE_OK) rv = get_hash(&f, 0, &out->epoch_id);
    if (rv == BASE_OK) rv = get_body(&f, out);
    if (rv == BASE_OK && !consensus_fields_at_end(&f)) rv = BASE_EMALFORMED;
    if (rv != BASE_OK) consensus_message_free(out);
    return rv;
}

void consensus_message_free(struct consensus_message *m)
{
    if (m->type == CONSENSUS_MSG_CERT) consensus_cert_free(&m->u.cert);
    *m = (struct consensus_message){0};
}
