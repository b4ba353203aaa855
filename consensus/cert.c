#include "consensus/cert.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

const char *consensus_cert_verdict_name(enum consensus_cert_verdict verdict)
{
    static const char *const names[] = {"good", "form", "voter", "range", "weight", "signature"};
    return (size_t)verdict < sizeof names / sizeof names[0] ? names[verdict] : "unknown";
}

struct base_vote consensus_cert_vote_at(const struct consensus_cert *cert,
                                        const struct base_hash32 *epoch_id, uint32_t at)
{
    return (struct base_vote){.epoch_id = *epoch_id,
                              .kind = cert->kind,
                              .first = cert->votes[at].from,
                              .last = cert->last,
                              .hash = cert->hash};
}

/* ---- checking ---- */

static bool is_form(const struct consensus_cert *cert)
{
    switch (cert->kind) {
    case BASE_VOTE_NOTAR:
    case BASE_VOTE_FINAL:
        return cert->first == cert->last;
    case BASE_VOTE_SKIP:
        return cert->first <= cert->last && base_is_zero(cert->hash.bytes, sizeof cert->hash.bytes);
    case BASE_VOTE_CAND: /* a leader's word needs no quorum */
        break;
    }
    return false;
}

enum consensus_cert_verdict consensus_cert_check(const struct consensus_cert *cert,
                                                 const struct base_hash32 *epoch_id,
                                                 const struct consensus_voters *v,
                                                 consensus_verify verify, void *ctx)
{
    uint64_t weight = 0;
    if (!is_form(cert)) return CONSENSUS_CERT_FORM;
    for (uint32_t i = 0; i < cert->count; i++) {
        const struct consensus_cert_vote *vote = &cert->votes[i];
        if (vote->voter >= v->count) return CONSENSUS_CERT_VOTER;
        if (i > 0 && cert->votes[i - 1].voter >= vote->voter) return CONSENSUS_CERT_VOTER;
        if (vote->from > cert->first) return CONSENSUS_CERT_RANGE;
        if (cert->kind != BASE_VOTE_SKIP && vote->from != cert->first) return CONSENSUS_CERT_RANGE;
        weight += v->list[vote->voter].weight;
    }
    if (weight < v->quorum) return CONSENSUS_CERT_WEIGHT;
    for (uint32_t i = 0; i < cert->count; i++) {
        struct base_vote vote = consensus_cert_vote_at(cert, epoch_id, i);
        const struct consensus_voter *voter = &v->list[cert->votes[i].voter];
        if (verify(ctx, &vote, &cert->votes[i].sig, &voter->signer) != BASE_OK)
            return CONSENSUS_CERT_SIGNATURE;
    }
    return CONSENSUS_CERT_GOOD;
}

/* ---- making ---- */

static int by_voter(const void *a, const void *b)
{
    const struct consensus_cert_vote *x = a, *y = b;
    return (x->voter > y->voter) - (x->voter < y->voter);
}

static int begin(struct consensus_cert *out, enum base_vote_kind kind, uint64_t first,
                 uint64_t last, size_t most)
{
    *out = (struct consensus_cert){.kind = kind, .first = first, .last = last};
    out->votes = calloc(most > 0 ? most : 1, sizeof *out->votes);
    return out->votes != NULL ? BASE_OK : BASE_ENOMEM;
}

static int finish(struct consensus_cert *out, uint64_t weight, const struct consensus_voters *v)
{
    if (weight < v->quorum) {
        consensus_cert_free(out);
        return BASE_ESTATE;
    }
    qsort(out->votes, out->count, sizeof *out->votes, by_voter);
    return BASE_OK;
}

int consensus_cert_from_tally(struct consensus_cert *out, enum base_vote_kind kind, uint64_t slot,
                              const struct base_hash32 *hash, const struct consensus_tally *t,
                              const struct consensus_voters *v)
{
    uint64_t weight = 0;
    int rv = begin(out, kind, slot, slot, t->count);
    if (rv != BASE_OK) return rv;
    out->hash = *hash;
    for (uint32_t i = 0; i < t->count && weight < v->quorum; i++) {
        const struct consensus_ballot *ballot = &t->list[i];
        if (!base_hash32_equal(&ballot->hash, hash)) continue;
        out->votes[out->count++] = (struct consensus_cert_vote){ballot->voter, slot, ballot->sig};
        weight += v->list[ballot->voter].weight;
    }
    return finish(out, weight, v);
}

int consensus_cert_from_skips(struct consensus_cert *out, const struct consensus_skips *s,
                              const struct consensus_voters *v)
{
    uint64_t weight = 0, first = consensus_skips_certified(s, v);
    if (first == UINT64_MAX) return BASE_ESTATE;
    int rv = begin(out, BASE_VOTE_SKIP, first, s->last, s->count);
    if (rv != BASE_OK) return rv;
    for (size_t i = 0; i < s->count && weight < v->quorum; i++) {
        const struct consensus_skip *skip = &s->list[i];
        if (!skip->is_held || skip->from > first) continue;
        out->votes[out->count++] = (struct consensus_cert_vote){(uint16_t)i, skip->from, skip->sig};
        weight += v->list[i].weight;
    }
    return finish(out, weight, v);
}

void consensus_cert_free(struct consensus_cert *cert)
{
    free(cert->votes);
    *cert = (struct consensus_cert){0};
}

/* ---- on the wire ---- */

enum { KEY_KIND = 0, KEY_FIRST, KEY_LAST, KEY_HASH, KEY_VOTES };

void consensus_cert_pack(struct base_packer *p, const struct consensus_cert *cert)
{
    bool is_skip = cert->kind == BASE_VOTE_SKIP;
    base_pack_map(p, is_skip ? 4 : 5);
    base_pack_u64(p, KEY_KIND);
    base_pack_u64(p, (uint64_t)cert->kind);
    base_pack_u64(p, KEY_FIRST);
    base_pack_u64(p, cert->first);
    base_pack_u64(p, KEY_LAST);
    base_pack_u64(p, cert->last);
    if (!is_skip) {
        base_pack_u64(p, KEY_HASH);
        base_pack_bin(p, cert->hash.bytes, sizeof cert->hash.bytes);
    }
    base_pack_u64(p, KEY_VOTES);
    base_pack_array(p, cert->count * (is_skip ? 3 : 2));
    for (uint32_t i = 0; i < cert->count; i++) {
        base_pack_u64(p, cert->votes[i].voter);
        if (is_skip) base_pack_u64(p, cert->votes[i].from);
        base_pack_bin(p, cert->votes[i].sig.bytes, sizeof cert->votes[i].sig.bytes);
    }
}

int consensus_cert_encode(void *body, size_t *len, size_t cap, const struct consensus_cert *cert)
{
    struct base_packer p;
    base_packer_init(&p, body, cap);
    consensus_cert_pack(&p, cert);
    *len = p.len;
    return p.failed ? BASE_ETOOBIG : BASE_OK;
}

static int read_key(struct base_unpacker *u, uint64_t expected)
{
    uint64_t key = 0;
    int rv = base_unpack_u64(u, &key);
    if (rv != BASE_OK) return rv;
    return key == expected ? BASE_OK : BASE_EMALFORMED;
}

static int read_u64(struct base_unpacker *u, uint64_t key, uint64_t *out)
{
    int rv = read_key(u, key);
    return rv == BASE_OK ? base_unpack_u64(u, out) : rv;
}

static int read_vote(struct base_unpacker *u, const struct consensus_cert *cert,
                     struct consensus_cert_vote *out)
{
    uint64_t voter = 0;
    int rv = base_unpack_u64(u, &voter);
    if (rv == BASE_OK && voter >= CONSENSUS_MEMBERS_MAX) rv = BASE_EMALFORMED;
    if (rv != BASE_OK) return rv;
    out->voter = (uint16_t)voter;
    out->from = cert->first;
    if (cert->kind == BASE_VOTE_SKIP) rv = base_unpack_u64(u, &out->from);
    return rv == BASE_OK ? base_unpack_bin_exact(u, out->sig.bytes, sizeof out->sig.bytes) : rv;
}

static int read_votes(struct base_unpacker *u, struct consensus_cert *out)
{
    uint32_t items = 0, each = out->kind == BASE_VOTE_SKIP ? 3 : 2;
    int rv = read_key(u, KEY_VOTES);
    if (rv == BASE_OK) rv = base_unpack_array(u, &items, CONSENSUS_MEMBERS_MAX * each);
    if (rv != BASE_OK) return rv;
    if (items == 0 || items % each != 0) return BASE_EMALFORMED;
    out->votes = calloc(items / each, sizeof *out->votes);
    if (out->votes == NULL) return BASE_ENOMEM;
    while (out->count < items / each && rv == BASE_OK) {
        rv = read_vote(u, out, &out->votes[out->count]);
        if (rv == BASE_OK) out->count++;
    }
    return rv;
}

static int read_head(struct base_unpacker *u, struct consensus_cert *out)
{
    uint32_t fields = 0;
    uint64_t kind = 0;
    int rv = base_unpack_map(u, &fields, 5);
    if (rv == BASE_OK) rv = read_u64(u, KEY_KIND, &kind);
    if (rv != BASE_OK) return rv;
    if (kind < BASE_VOTE_NOTAR || kind > BASE_VOTE_SKIP) return BASE_EMALFORMED;
    out->kind = (enum base_vote_kind)kind;
    bool is_skip = out->kind == BASE_VOTE_SKIP;
    if (fields != (is_skip ? 4u : 5u)) return BASE_EMALFORMED;
    rv = read_u64(u, KEY_FIRST, &out->first);
    if (rv == BASE_OK) rv = read_u64(u, KEY_LAST, &out->last);
    if (rv != BASE_OK || is_skip) return rv;
    rv = read_key(u, KEY_HASH);
    return rv == BASE_OK ? base_unpack_bin_exact(u, out->hash.bytes, sizeof out->hash.bytes) : rv;
}

int consensus_cert_unpack(struct base_unpacker *u, struct consensus_cert *out)
{
    *out = (struct consensus_cert){0};
    int rv = read_head(u, out);
    if (rv == BASE_OK) rv = read_votes(u, out);
    if (rv == BASE_OK && !is_form(out)) rv = BASE_EMALFORMED;
    if (rv != BASE_OK) consensus_cert_free(out);
    return rv;
}

int consensus_cert_decode(struct consensus_cert *out, const void *body, size_t len)
{
    struct base_unpacker u;
    base_unpacker_init(&u, body, len);
    int rv = consensus_cert_unpack(&u, out);
    if (rv == BASE_OK && !base_unpack_at_end(&u)) rv = BASE_EMALFORMED;
    if (rv != BASE_OK) consensus_cert_free(out);
    return rv;
}
