#include "consensus/entry.h"

#include <string.h>

#include "base/err.h"
#include "consensus/fields.h"
#include "consensus/vote.h"

#define FIELDS_MAX  12
#define STATE_ITEMS 3
#define CLOSE_ITEMS 4

const char *consensus_entry_name(enum consensus_entry_kind kind)
{
    static const char *const names[] = {"put",      "delete",    "add",
                                        "evidence", "challenge", "challenge_vote"};
    return kind >= CONSENSUS_ENTRY_PUT && kind <= CONSENSUS_ENTRY_CHALLENGE_VOTE ? names[kind - 1]
                                                                                 : "unknown";
}

static const char *const complaints[] = {"unresponsive", "slow", "invalid", "censoring",
                                         "stale-proof"};

const char *consensus_complaint_name(enum consensus_complaint complaint)
{
    return complaint >= CONSENSUS_UNRESPONSIVE && complaint <= CONSENSUS_STALE
               ? complaints[complaint - 1]
               : "unknown";
}

int consensus_complaint_parse(enum consensus_complaint *out, const char *text)
{
    for (size_t i = 0; i < sizeof complaints / sizeof complaints[0]; i++) {
        if (strcmp(complaints[i], text) != 0) continue;
        *out = (enum consensus_complaint)(i + 1);
        return BASE_OK;
    }
    return BASE_EINVAL;
}

/* ---- writing an entry ---- */

static void put_slice(struct base_packer *p, uint64_t key, const struct base_slice *slice)
{
    consensus_put_bin(p, key, slice->data, slice->len);
}

static void put_key(struct base_packer *p, uint64_t key, const struct base_key33 *node)
{
    consensus_put_bin(p, key, node->bytes, sizeof node->bytes);
}

static void put_vote(struct base_packer *p, uint64_t key, const struct base_vote *vote)
{
    consensus_put_array(p, key, 4);
    base_pack_u64(p, (uint64_t)vote->kind);
    base_pack_u64(p, vote->first);
    base_pack_u64(p, vote->last);
    base_pack_bin(p, vote->hash.bytes, sizeof vote->hash.bytes);
}

static uint32_t field_count(const struct consensus_entry *e)
{
    switch (e->kind) {
    case CONSENSUS_ENTRY_PUT:
        return 6;
    case CONSENSUS_ENTRY_DELETE:
        return 5;
    case CONSENSUS_ENTRY_ADD:
        return e->u.add.request.len > 0 ? 7 : 6;
    case CONSENSUS_ENTRY_EVIDENCE:
        return 10;
    case CONSENSUS_ENTRY_CHALLENGE:
        return 7;
    case CONSENSUS_ENTRY_CHALLENGE_VOTE:
        return 6;
    }
    return 0;
}

static void put_evidence(struct base_packer *p, const struct consensus_entry *e)
{
    put_key(p, 4, &e->u.evidence.voter);
    consensus_put_bin(p, 5, e->u.evidence.a.epoch_id.bytes, BASE_HASH32_BYTES);
    put_vote(p, 6, &e->u.evidence.a);
    put_vote(p, 7, &e->u.evidence.b);
    consensus_put_bin(p, 8, e->u.evidence.sig_a.bytes, BASE_SIG65_BYTES);
    consensus_put_bin(p, 9, e->u.evidence.sig_b.bytes, BASE_SIG65_BYTES);
}

static void put_body(struct base_packer *p, const struct consensus_entry *e)
{
    switch (e->kind) {
    case CONSENSUS_ENTRY_PUT:
        put_slice(p, 4, &e->u.put.key);
        put_slice(p, 5, &e->u.put.value);
        break;
    case CONSENSUS_ENTRY_DELETE:
        put_slice(p, 4, &e->u.put.key);
        break;
    case CONSENSUS_ENTRY_ADD:
        put_slice(p, 4, &e->u.add.key);
        consensus_put_u64(p, 5, e->u.add.amount);
        if (e->u.add.request.len > 0) put_slice(p, 6, &e->u.add.request);
        break;
    case CONSENSUS_ENTRY_EVIDENCE:
        put_evidence(p, e);
        break;
    case CONSENSUS_ENTRY_CHALLENGE:
        put_key(p, 4, &e->u.challenge.target);
        consensus_put_u64(p, 5, (uint64_t)e->u.challenge.complaint);
        put_slice(p, 6, &e->u.challenge.note);
        break;
    case CONSENSUS_ENTRY_CHALLENGE_VOTE:
        consensus_put_u64(p, 4, e->u.vote.id);
        consensus_put_u64(p, 5, e->u.vote.is_yes ? 1 : 0);
        break;
    }
}

static bool is_key(const struct base_slice *key)
{
    return key->len > 0 && key->len <= CONSENSUS_KEY_BYTES_MAX;
}

static bool is_bounded(const struct consensus_entry *e)
{
    switch (e->kind) {
    case CONSENSUS_ENTRY_PUT:
        return is_key(&e->u.put.key) && e->u.put.value.len <= CONSENSUS_VALUE_BYTES_MAX;
    case CONSENSUS_ENTRY_DELETE:
        return is_key(&e->u.put.key);
    case CONSENSUS_ENTRY_ADD:
        return is_key(&e->u.add.key) && e->u.add.request.len <= CONSENSUS_REQUEST_BYTES_MAX;
    case CONSENSUS_ENTRY_CHALLENGE:
        return e->u.challenge.note.len <= CONSENSUS_NOTE_BYTES_MAX;
    case CONSENSUS_ENTRY_EVIDENCE:
    case CONSENSUS_ENTRY_CHALLENGE_VOTE:
        return true;
    }
    return false;
}

int consensus_entry_encode(void *out, size_t *len, size_t cap, const struct consensus_entry *e)
{
    struct base_packer p;
    if (!is_bounded(e)) return BASE_ETOOBIG;
    base_packer_init(&p, out, cap < CONSENSUS_ENTRY_BYTES_MAX ? cap : CONSENSUS_ENTRY_BYTES_MAX);
    base_pack_map(&p, field_count(e));
    consensus_put_u64(&p, 0, (uint64_t)e->kind);
    consensus_put_u64(&p, 1, e->epoch);
    put_key(&p, 2, &e->submitter);
    consensus_put_u64(&p, 3, e->nonce);
    put_body(&p, e);
    *len = p.len;
    return p.failed ? BASE_ETOOBIG : BASE_OK;
}

/* ---- reading one ---- */

static int get_key(struct consensus_fields *f, uint64_t key, struct base_key33 *out)
{
    return consensus_fields_exact(f, key, out->bytes, sizeof out->bytes);
}

static int get_name(struct consensus_fields *f, uint64_t key, struct base_slice *out)
{
    int rv = consensus_fields_bin(f, key, out, CONSENSUS_KEY_BYTES_MAX);
    return rv == BASE_OK && out->len == 0 ? BASE_EMALFORMED : rv;
}

static int get_vote(struct consensus_fields *f, uint64_t key, struct base_vote *out)
{
    uint32_t items = 0;
    uint64_t kind = 0;
    int rv = consensus_fields_array(f, key, &items, 4);
    if (rv == BASE_OK && items != 4) rv = BASE_EMALFORMED;
    if (rv == BASE_OK) rv = base_unpack_u64(&f->u, &kind);
    if (rv == BASE_OK && (kind < BASE_VOTE_CAND || kind > BASE_VOTE_SKIP)) rv = BASE_EMALFORMED;
    out->kind = rv == BASE_OK ? (enum base_vote_kind)kind : BASE_VOTE_CAND;
    if (rv == BASE_OK) rv = base_unpack_u64(&f->u, &out->first);
    if (rv == BASE_OK) rv = base_unpack_u64(&f->u, &out->last);
    if (rv == BASE_OK) rv = base_unpack_bin_exact(&f->u, out->hash.bytes, sizeof out->hash.bytes);
    return rv == BASE_OK && !consensus_vote_is_valid(out) ? BASE_EMALFORMED : rv;
}

/* Two votes that prove nothing are no evidence. */
static int get_evidence(struct consensus_fields *f, struct consensus_entry *e)
{
    struct base_vote *a = &e->u.evidence.a, *b = &e->u.evidence.b;
    int rv = get_key(f, 4, &e->u.evidence.voter);
    if (rv == BASE_OK) rv = consensus_fields_exact(f, 5, a->epoch_id.bytes, BASE_HASH32_BYTES);
    b->epoch_id = a->epoch_id;
    if (rv == BASE_OK) rv = get_vote(f, 6, a);
    if (rv == BASE_OK) rv = get_vote(f, 7, b);
    if (rv == BASE_OK)
        rv = consensus_fields_exact(f, 8, e->u.evidence.sig_a.bytes, BASE_SIG65_BYTES);
    if (rv == BASE_OK)
        rv = consensus_fields_exact(f, 9, e->u.evidence.sig_b.bytes, BASE_SIG65_BYTES);
    if (rv != BASE_OK) return rv;
    return consensus_vote_fault(a, b, NULL) == CONSENSUS_NO_FAULT ? BASE_EMALFORMED : BASE_OK;
}

static int get_add(struct consensus_fields *f, struct consensus_entry *e)
{
    int rv = get_name(f, 4, &e->u.add.key);
    if (rv == BASE_OK) rv = consensus_fields_u64(f, 5, &e->u.add.amount);
    if (rv != BASE_OK || !consensus_fields_is_next(f, 6)) return rv;
    rv = base_unpack_bin(&f->u, &e->u.add.request, CONSENSUS_REQUEST_BYTES_MAX);
    return rv == BASE_OK && e->u.add.request.len == 0 ? BASE_EMALFORMED : rv;
}

static int get_challenge(struct consensus_fields *f, struct consensus_entry *e)
{
    uint64_t complaint = 0;
    int rv = get_key(f, 4, &e->u.challenge.target);
    if (rv == BASE_OK) rv = consensus_fields_u64(f, 5, &complaint);
    if (rv == BASE_OK && (complaint < CONSENSUS_UNRESPONSIVE || complaint > CONSENSUS_STALE))
        rv = BASE_EMALFORMED;
    if (rv != BASE_OK) return rv;
    e->u.challenge.complaint = (enum consensus_complaint)complaint;
    return consensus_fields_bin(f, 6, &e->u.challenge.note, CONSENSUS_NOTE_BYTES_MAX);
}

static int get_challenge_vote(struct consensus_fields *f, struct consensus_entry *e)
{
    uint64_t yes = 0;
    int rv = consensus_fields_u64(f, 4, &e->u.vote.id);
    if (rv == BASE_OK) rv = consensus_fields_u64(f, 5, &yes);
    e->u.vote.is_yes = yes == 1;
    return rv == BASE_OK && yes > 1 ? BASE_EMALFORMED : rv;
}

static int get_body(struct consensus_fields *f, struct consensus_entry *e)
{
    int rv;
    switch (e->kind) {
    case CONSENSUS_ENTRY_PUT:
        rv = get_name(f, 4, &e->u.put.key);
        return rv == BASE_OK
                   ? consensus_fields_bin(f, 5, &e->u.put.value, CONSENSUS_VALUE_BYTES_MAX)
                   : rv;
    case CONSENSUS_ENTRY_DELETE:
        return get_name(f, 4, &e->u.put.key);
    case CONSENSUS_ENTRY_ADD:
        return get_add(f, e);
    case CONSENSUS_ENTRY_EVIDENCE:
        return get_evidence(f, e);
    case CONSENSUS_ENTRY_CHALLENGE:
        return get_challenge(f, e);
    case CONSENSUS_ENTRY_CHALLENGE_VOTE:
        return get_challenge_vote(f, e);
    }
    return BASE_EUNSUPPORTED;
}

int consensus_entry_decode(struct consensus_entry *out, const void *data, size_t len)
{
    struct consensus_fields f;
    uint64_t kind = 0;
    *out = (struct consensus_entry){0};
    if (len > CONSENSUS_ENTRY_BYTES_MAX) return BASE_ETOOBIG;
    int rv = consensus_fields_init(&f, data, len, FIELDS_MAX);
    if (rv == BASE_OK) rv = consensus_fields_u64(&f, 0, &kind);
    if (rv != BASE_OK) return rv;
    if (kind < CONSENSUS_ENTRY_PUT || kind > CONSENSUS_ENTRY_CHALLENGE_VOTE)
        return BASE_EUNSUPPORTED;
    out->kind = (enum consensus_entry_kind)kind;
    rv = consensus_fields_u64(&f, 1, &out->epoch);
    if (rv == BASE_OK) rv = get_key(&f, 2, &out->submitter);
    if (rv == BASE_OK) rv = consensus_fields_u64(&f, 3, &out->nonce);
    if (rv == BASE_OK && out->nonce == 0) rv = BASE_EMALFORMED;
    if (rv == BASE_OK) rv = get_body(&f, out);
    return rv == BASE_OK && !consensus_fields_at_end(&f) ? BASE_EMALFORMED : rv;
}

/* ---- payloads ---- */

int consensus_payload_encode(void *out, size_t *len, size_t cap, const struct consensus_payload *c)
{
    struct base_packer p;
    uint32_t fields =
        (c->count > 0 ? 1u : 0u) + (c->has_state ? 1u : 0u) + (c->is_closing ? 1u : 0u);
    *len = 0;
    if (fields == 0) return BASE_OK;
    base_packer_init(&p, out, cap);
    base_pack_map(&p, fields);
    if (c->count > 0) consensus_put_array(&p, 0, 2 * c->count);
    for (size_t i = 0; i < c->count; i++) {
        base_pack_bin(&p, c->entries[i].body.data, c->entries[i].body.len);
        base_pack_bin(&p, c->entries[i].sig.bytes, sizeof c->entries[i].sig.bytes);
    }
    if (c->has_state) {
        consensus_put_array(&p, 1, STATE_ITEMS);
        base_pack_u64(&p, c->state_slot);
        base_pack_bin(&p, c->state_hash.bytes, sizeof c->state_hash.bytes);
        base_pack_bin(&p, c->state.bytes, sizeof c->state.bytes);
    }
    if (c->is_closing) {
        consensus_put_array(&p, 2, CLOSE_ITEMS);
        base_pack_u64(&p, c->block);
        base_pack_bin(&p, c->block_hash.bytes, sizeof c->block_hash.bytes);
        base_pack_u64(&p, c->block_time_s);
        base_pack_bin(&p, c->next.bytes, sizeof c->next.bytes);
    }
    *len = p.len;
    return p.failed ? BASE_ETOOBIG : BASE_OK;
}

static int get_entries(struct consensus_fields *f, struct consensus_payload *out)
{
    uint32_t items = 0;
    int rv = base_unpack_array(&f->u, &items, 2 * CONSENSUS_PAYLOAD_ENTRIES);
    if (rv == BASE_OK && (items == 0 || items % 2 != 0)) rv = BASE_EMALFORMED;
    while (rv == BASE_OK && out->count < items / 2) {
        struct consensus_signed *e = &out->entries[out->count];
        rv = base_unpack_bin(&f->u, &e->body, CONSENSUS_ENTRY_BYTES_MAX);
        if (rv == BASE_OK) rv = base_unpack_bin_exact(&f->u, e->sig.bytes, sizeof e->sig.bytes);
        if (rv == BASE_OK) out->count++;
    }
    return rv;
}

static int get_items(struct consensus_fields *f, uint32_t wanted)
{
    uint32_t items = 0;
    int rv = base_unpack_array(&f->u, &items, wanted);
    return rv == BASE_OK && items != wanted ? BASE_EMALFORMED : rv;
}

static int get_state(struct consensus_fields *f, struct consensus_payload *out)
{
    int rv = get_items(f, STATE_ITEMS);
    out->has_state = true;
    if (rv == BASE_OK) rv = base_unpack_u64(&f->u, &out->state_slot);
    if (rv == BASE_OK && out->state_slot == UINT64_MAX) rv = BASE_EMALFORMED;
    if (rv == BASE_OK) rv = base_unpack_bin_exact(&f->u, out->state_hash.bytes, BASE_HASH32_BYTES);
    return rv == BASE_OK ? base_unpack_bin_exact(&f->u, out->state.bytes, BASE_HASH32_BYTES) : rv;
}

static int get_closing(struct consensus_fields *f, struct consensus_payload *out)
{
    int rv = get_items(f, CLOSE_ITEMS);
    out->is_closing = true;
    if (rv == BASE_OK) rv = base_unpack_u64(&f->u, &out->block);
    if (rv == BASE_OK) rv = base_unpack_bin_exact(&f->u, out->block_hash.bytes, BASE_HASH32_BYTES);
    if (rv == BASE_OK) rv = base_unpack_u64(&f->u, &out->block_time_s);
    return rv == BASE_OK ? base_unpack_bin_exact(&f->u, out->next.bytes, BASE_HASH32_BYTES) : rv;
}

int consensus_payload_decode(struct consensus_payload *out, const void *data, size_t len)
{
    struct consensus_fields f;
    out->count = 0;
    out->has_state = out->is_closing = false;
    if (len == 0) return BASE_OK;
    int rv = consensus_fields_init(&f, data, len, 3);
    if (rv == BASE_OK && f.left == 0) rv = BASE_EMALFORMED;
    if (rv == BASE_OK && consensus_fields_is_next(&f, 0)) rv = get_entries(&f, out);
    if (rv == BASE_OK && consensus_fields_is_next(&f, 1)) rv = get_state(&f, out);
    if (rv == BASE_OK && consensus_fields_is_next(&f, 2)) rv = get_closing(&f, out);
    if (rv == BASE_OK && !consensus_fields_at_end(&f)) rv = BASE_EMALFORMED;
    if (rv == BASE_OK && out->is_closing && out->count > 0) rv = BASE_EMALFORMED;
    return rv;
}
