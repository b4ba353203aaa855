#include "consensus/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/keccak256.h"
#include "consensus/fields.h"

#define REQUEST_BYTES 16
#define NUMBER_DIGITS 20

struct pair {
    size_t key_len, value_len;
    uint8_t *bytes; /* key, value */
};
struct session {
    struct base_key33 key;
    uint64_t epoch; /* in which it was last heard of */
    uint64_t highest, below;
};
struct request {
    uint8_t id[REQUEST_BYTES];
    uint64_t value;
};
struct penalties {
    struct consensus_penalty list[CONSENSUS_STATE_PENALTIES];
    size_t count;
};

struct consensus_state {
    struct pair *pairs; /* CONSENSUS_STATE_KEYS of room */
    size_t pair_count, text_bytes;
    struct session *sessions; /* by key */
    size_t session_count, session_cap;
    struct request *requests; /* a ring */
    size_t request_first, request_count;
    struct penalties suspended, benched; /* by key */
    struct consensus_challenge challenges[CONSENSUS_STATE_CHALLENGES];
    size_t challenge_count;
    uint64_t challenge_ids;
    uint8_t *bytes; /* encoded, when len is not 0 */
    size_t len;
    bool has_digest;
    struct base_hash32 digest;
};

const char *consensus_outcome_name(enum consensus_outcome outcome)
{
    static const char *const names[] = {"done",      "repeated", "nonce_used", "void",
                                        "no_number", "full",     "unknown",    "already"};
    return outcome <= CONSENSUS_ALREADY ? names[outcome] : "unknown";
}

int consensus_state_new(struct consensus_state **out)
{
    struct consensus_state *s = calloc(1, sizeof *s);
    if (s == NULL) return BASE_ENOMEM;
    s->pairs = calloc(CONSENSUS_STATE_KEYS, sizeof *s->pairs);
    s->requests = calloc(CONSENSUS_STATE_REQUESTS, sizeof *s->requests);
    if (s->pairs == NULL || s->requests == NULL) {
        consensus_state_free(s);
        return BASE_ENOMEM;
    }
    *out = s;
    return BASE_OK;
}

void consensus_state_free(struct consensus_state *s)
{
    if (s == NULL) return;
    for (size_t i = 0; i < s->pair_count; i++)
        free(s->pairs[i].bytes);
    free(s->pairs);
    free(s->sessions);
    free(s->requests);
    free(s->bytes);
    free(s);
}

static void changed(struct consensus_state *s)
{
    s->len = 0;
    s->has_digest = false;
}

/* ---- keys and values ---- */

static int compare_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    if (order != 0) return order;
    return (a_len > b_len) - (a_len < b_len);
}

/* Where it is, or belongs. */
static size_t pair_index(const struct consensus_state *s, const struct base_slice *key, bool *is_in)
{
    size_t low = 0, high = s->pair_count;
    *is_in = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct pair *pair = &s->pairs[middle];
        int order = compare_bytes(pair->bytes, pair->key_len, key->data, key->len);
        if (order == 0) *is_in = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int consensus_state_get(const struct consensus_state *s, const struct base_slice *key,
                        struct base_slice *value)
{
    bool is_in;
    size_t at = pair_index(s, key, &is_in);
    if (!is_in) return BASE_ENOTFOUND;
    *value = (struct base_slice){s->pairs[at].bytes + s->pairs[at].key_len, s->pairs[at].value_len};
    return BASE_OK;
}

size_t consensus_state_key_count(const struct consensus_state *s)
{
    return s->pair_count;
}

void consensus_state_key_at(const struct consensus_state *s, size_t index, struct base_slice *key,
                            struct base_slice *value)
{
    const struct pair *pair = &s->pairs[index];
    *key = (struct base_slice){pair->bytes, pair->key_len};
    *value = (struct base_slice){pair->bytes + pair->key_len, pair->value_len};
}

static int pair_put(struct consensus_state *s, const struct base_slice *key,
                    const struct base_slice *value, enum consensus_outcome *outcome)
{
    bool is_in;
    size_t at = pair_index(s, key, &is_in);
    size_t before = is_in ? s->pairs[at].key_len + s->pairs[at].value_len : 0;
    size_t len = key->len + value->len;
    *outcome = CONSENSUS_FULL;
    if (!is_in && s->pair_count == CONSENSUS_STATE_KEYS) return BASE_OK;
    if (s->text_bytes - before + len > CONSENSUS_STATE_TEXT_BYTES) return BASE_OK;
    uint8_t *bytes = malloc(len);
    if (bytes == NULL) return BASE_ENOMEM;
    memcpy(bytes, key->data, key->len);
    if (value->len > 0) memcpy(bytes + key->len, value->data, value->len);
    if (is_in) {
        free(s->pairs[at].bytes);
    } else {
        memmove(&s->pairs[at + 1], &s->pairs[at], (s->pair_count - at) * sizeof *s->pairs);
        s->pair_count++;
    }
    s->pairs[at] = (struct pair){key->len, value->len, bytes};
    s->text_bytes = s->text_bytes - before + len;
    *outcome = CONSENSUS_DONE;
    return BASE_OK;
}

static enum consensus_outcome pair_delete(struct consensus_state *s, const struct base_slice *key)
{
    bool is_in;
    size_t at = pair_index(s, key, &is_in);
    if (!is_in) return CONSENSUS_UNKNOWN;
    s->text_bytes -= s->pairs[at].key_len + s->pairs[at].value_len;
    free(s->pairs[at].bytes);
    s->pair_count--;
    memmove(&s->pairs[at], &s->pairs[at + 1], (s->pair_count - at) * sizeof *s->pairs);
    return CONSENSUS_DONE;
}

/* ---- numbers, and requests that were done before ---- */

/* Decimal digits without a leading zero; nothing at all is 0. */
static bool read_number(uint64_t *out, const struct base_slice *text)
{
    *out = 0;
    if (text->len > NUMBER_DIGITS || (text->len > 1 && text->data[0] == '0')) return false;
    for (size_t i = 0; i < text->len; i++) {
        if (text->data[i] < '0' || text->data[i] > '9') return false;
        uint64_t digit = (uint64_t)(text->data[i] - '0');
        if (*out > (UINT64_MAX - digit) / 10) return false;
        *out = 10 * *out + digit;
    }
    return true;
}

static size_t write_number(uint8_t out[NUMBER_DIGITS], uint64_t value)
{
    uint8_t digits[NUMBER_DIGITS];
    size_t len = 0;
    do {
        digits[len++] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < len; i++)
        out[i] = digits[len - 1 - i];
    return len;
}

static struct request *request_at(const struct consensus_state *s, size_t index)
{
    return &s->requests[(s->request_first + index) % CONSENSUS_STATE_REQUESTS];
}

/* A request's name counts for one key. */
static void request_id(uint8_t out[REQUEST_BYTES], const struct consensus_entry *e)
{
    struct base_keccak256 k;
    struct base_hash32 hash;
    uint8_t len[8];
    base_put_u64be(len, e->u.add.key.len);
    base_keccak256_init(&k);
    base_keccak256_update(&k, len, sizeof len);
    base_keccak256_update(&k, e->u.add.key.data, e->u.add.key.len);
    base_keccak256_update(&k, e->u.add.request.data, e->u.add.request.len);
    base_keccak256_final(&k, &hash);
    memcpy(out, hash.bytes, REQUEST_BYTES);
}

static const struct request *request_find(const struct consensus_state *s,
                                          const uint8_t id[REQUEST_BYTES])
{
    for (size_t i = 0; i < s->request_count; i++)
        if (memcmp(request_at(s, i)->id, id, REQUEST_BYTES) == 0) return request_at(s, i);
    return NULL;
}

static void request_keep(struct consensus_state *s, const uint8_t id[REQUEST_BYTES], uint64_t value)
{
    if (s->request_count == CONSENSUS_STATE_REQUESTS) {
        s->request_first = (s->request_first + 1) % CONSENSUS_STATE_REQUESTS;
        s->request_count--;
    }
    struct request *r = request_at(s, s->request_count++);
    memcpy(r->id, id, REQUEST_BYTES);
    r->value = value;
}

static int add(struct consensus_state *s, const struct consensus_entry *e,
               struct consensus_result *out)
{
    uint8_t id[REQUEST_BYTES], digits[NUMBER_DIGITS];
    struct base_slice was = {NULL, 0}, is = {digits, 0};
    bool has_request = e->u.add.request.len > 0;
    if (has_request) {
        request_id(id, e);
        const struct request *known = request_find(s, id);
        if (known != NULL) {
            *out = (struct consensus_result){CONSENSUS_REPEATED, known->value};
            return BASE_OK;
        }
    }
    (void)consensus_state_get(s, &e->u.add.key, &was);
    out->outcome = CONSENSUS_NO_NUMBER;
    if (!read_number(&out->value, &was) || out->value > UINT64_MAX - e->u.add.amount)
        return BASE_OK;
    out->value += e->u.add.amount;
    is.len = write_number(digits, out->value);
    int rv = pair_put(s, &e->u.add.key, &is, &out->outcome);
    if (rv == BASE_OK && out->outcome == CONSENSUS_DONE && has_request)
        request_keep(s, id, out->value);
    return rv;
}

/* ---- nonces ---- */

static size_t session_index(const struct consensus_state *s, const struct base_key33 *key)
{
    size_t low = 0, high = s->session_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (base_key33_compare(&s->sessions[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool session_is(const struct consensus_state *s, size_t at, const struct base_key33 *key)
{
    return at < s->session_count && base_key33_equal(&s->sessions[at].key, key);
}

uint64_t consensus_state_nonce(const struct consensus_state *s, const struct base_key33 *key)
{
    size_t at = session_index(s, key);
    return session_is(s, at, key) ? s->sessions[at].highest : 0;
}

static struct session *session_add(struct consensus_state *s, size_t at,
                                   const struct base_key33 *key)
{
    if (s->session_count == s->session_cap) {
        size_t cap = s->session_cap == 0 ? 16 : 2 * s->session_cap;
        struct session *grown = realloc(s->sessions, cap * sizeof *grown);
        if (grown == NULL) return NULL;
        s->sessions = grown;
        s->session_cap = cap;
    }
    memmove(&s->sessions[at + 1], &s->sessions[at], (s->session_count - at) * sizeof *s->sessions);
    s->session_count++;
    s->sessions[at] = (struct session){.key = *key};
    return &s->sessions[at];
}

/* Is it the first with this nonce? Then it is no more. */
static bool nonce_take(struct session *session, uint64_t nonce)
{
    if (nonce > session->highest) {
        uint64_t by = nonce - session->highest;
        bool had = session->highest != 0;
        session->below = by >= CONSENSUS_NONCES_BACK ? 0 : session->below << by;
        if (had && by <= CONSENSUS_NONCES_BACK) session->below |= UINT64_C(1) << (by - 1);
        session->highest = nonce;
        return true;
    }
    uint64_t back = session->highest - nonce;
    if (back == 0 || back > CONSENSUS_NONCES_BACK) return false;
    uint64_t bit = UINT64_C(1) << (back - 1);
    if ((session->below & bit) != 0) return false;
    session->below |= bit;
    return true;
}

static int take_turn(struct consensus_state *s, const struct consensus_moment *at,
                     const struct consensus_entry *e, enum consensus_outcome *outcome)
{
    size_t i = session_index(s, &e->submitter);
    struct session *session = session_is(s, i, &e->submitter) ? &s->sessions[i] : NULL;
    if (session == NULL && s->session_count == CONSENSUS_STATE_SESSIONS) {
        *outcome = CONSENSUS_FULL;
        return BASE_OK;
    }
    if (session == NULL) session = session_add(s, i, &e->submitter);
    if (session == NULL) return BASE_ENOMEM;
    session->epoch = at->epoch;
    *outcome = nonce_take(session, e->nonce) ? CONSENSUS_DONE : CONSENSUS_NONCE_USED;
    return BASE_OK;
}

/* ---- penalties ---- */

static size_t penalty_index(const struct penalties *p, const struct base_key33 *key, bool *is_in)
{
    size_t i = 0;
    while (i < p->count && base_key33_compare(&p->list[i].key, key) < 0)
        i++;
    *is_in = i < p->count && base_key33_equal(&p->list[i].key, key);
    return i;
}

/* The one that ends first makes room. */
static void penalty_make_room(struct penalties *p)
{
    size_t first = 0;
    for (size_t i = 1; i < p->count; i++)
        if (p->list[i].until_s < p->list[first].until_s) first = i;
    p->count--;
    memmove(&p->list[first], &p->list[first + 1], (p->count - first) * sizeof p->list[0]);
}

static struct consensus_penalty *penalty_put(struct penalties *p, const struct base_key33 *key)
{
    bool is_in;
    size_t at = penalty_index(p, key, &is_in);
    if (is_in) return &p->list[at];
    if (p->count == CONSENSUS_STATE_PENALTIES) {
        penalty_make_room(p);
        at = penalty_index(p, key, &is_in);
    }
    memmove(&p->list[at + 1], &p->list[at], (p->count - at) * sizeof p->list[0]);
    p->count++;
    p->list[at] = (struct consensus_penalty){.key = *key};
    return &p->list[at];
}

static bool penalty_holds(const struct penalties *p, const struct base_key33 *key, uint64_t time_s)
{
    bool is_in;
    size_t at = penalty_index(p, key, &is_in);
    return is_in && p->list[at].until_s > time_s;
}

enum consensus_standing consensus_state_standing(const void *state, const struct base_key33 *key,
                                                 uint64_t time_s)
{
    const struct consensus_state *s = state;
    if (penalty_holds(&s->suspended, key, time_s)) return CONSENSUS_SUSPENDED;
    return penalty_holds(&s->benched, key, time_s) ? CONSENSUS_BENCHED : CONSENSUS_STANDS;
}

/* One suspension an epoch, however many votes of it contradict each other. */
static enum consensus_outcome suspend(struct consensus_state *s, const struct consensus_moment *at,
                                      const struct consensus_entry *e)
{
    struct consensus_penalty *p = penalty_put(&s->suspended, &e->u.evidence.voter);
    const struct base_hash32 *epoch_id = &e->u.evidence.a.epoch_id;
    if (p->offences > 0 && base_hash32_equal(&p->epoch_id, epoch_id)) return CONSENSUS_ALREADY;
    uint64_t times = p->offences < 16 ? UINT64_C(1) << p->offences : UINT64_C(1) << 16;
    p->offences++;
    p->epoch_id = *epoch_id;
    p->until_s = at->time_s + times * CONSENSUS_SUSPENDED_S;
    return CONSENSUS_DONE;
}

size_t consensus_state_suspended_count(const struct consensus_state *s)
{
    return s->suspended.count;
}

const struct consensus_penalty *consensus_state_suspended_at(const struct consensus_state *s,
                                                             size_t index)
{
    return &s->suspended.list[index];
}

/* ---- challenges ---- */

static bool bit_of(const uint8_t *bits, size_t index)
{
    return (bits[index / 8] >> (index % 8) & 1) != 0;
}

static uint64_t weight_of(const uint8_t *bits, const struct consensus_voters *v)
{
    uint64_t weight = 0;
    for (size_t i = 0; i < v->count; i++)
        if (bit_of(bits, i)) weight += v->list[i].weight;
    return weight;
}

/* Whose votes do not count any more, and whose challenger may open another, goes. */
static void challenges_age(struct consensus_state *s, uint64_t slot)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->challenge_count; i++)
        if (slot <= s->challenges[i].slot + CONSENSUS_CHALLENGE_GAP)
            s->challenges[kept++] = s->challenges[i];
    s->challenge_count = kept;
}

static enum consensus_outcome challenge(struct consensus_state *s,
                                        const struct consensus_moment *at,
                                        const struct consensus_entry *e, uint64_t *id)
{
    challenges_age(s, at->slot);
    if (consensus_voter_find(at->voters, &e->u.challenge.target) == at->voters->count)
        return CONSENSUS_UNKNOWN;
    for (size_t i = 0; i < s->challenge_count; i++)
        if (base_key33_equal(&s->challenges[i].challenger, &e->submitter)) return CONSENSUS_ALREADY;
    if (s->challenge_count == CONSENSUS_STATE_CHALLENGES) return CONSENSUS_FULL;
    struct consensus_challenge *c = &s->challenges[s->challenge_count++];
    *c = (struct consensus_challenge){.id = ++s->challenge_ids,
                                      .challenger = e->submitter,
                                      .target = e->u.challenge.target,
                                      .complaint = e->u.challenge.complaint,
                                      .note_len = e->u.challenge.note.len,
                                      .slot = at->slot};
    if (c->note_len > 0) memcpy(c->note, e->u.challenge.note.data, c->note_len);
    *id = c->id;
    return CONSENSUS_DONE;
}

/* Upheld by a quorum; dismissed by a third, since then it cannot be upheld any more. */
static void judge(struct consensus_state *s, struct consensus_challenge *c,
                  const struct consensus_moment *at)
{
    if (weight_of(c->yes, at->voters) >= at->voters->quorum) {
        c->verdict = CONSENSUS_UPHELD;
        penalty_put(&s->benched, &c->target)->until_s = at->time_s + CONSENSUS_BENCHED_S;
    } else if (3 * weight_of(c->no, at->voters) >= at->voters->total) {
        c->verdict = CONSENSUS_DISMISSED;
    }
}

static enum consensus_outcome vote(struct consensus_state *s, const struct consensus_moment *at,
                                   const struct consensus_entry *e)
{
    size_t voter = consensus_voter_find(at->voters, &e->submitter);
    for (size_t i = 0; i < s->challenge_count; i++) {
        struct consensus_challenge *c = &s->challenges[i];
        if (c->id != e->u.vote.id) continue;
        if (at->slot > c->slot + CONSENSUS_CHALLENGE_SLOTS || c->verdict != CONSENSUS_OPEN)
            return CONSENSUS_UNKNOWN;
        if (bit_of(c->yes, voter) || bit_of(c->no, voter)) return CONSENSUS_ALREADY;
        uint8_t *bits = e->u.vote.is_yes ? c->yes : c->no;
        bits[voter / 8] = (uint8_t)(bits[voter / 8] | 1u << (voter % 8));
        judge(s, c, at);
        return CONSENSUS_DONE;
    }
    return CONSENSUS_UNKNOWN;
}

size_t consensus_state_challenge_count(const struct consensus_state *s)
{
    return s->challenge_count;
}

const struct consensus_challenge *consensus_state_challenge_at(const struct consensus_state *s,
                                                               size_t index)
{
    return &s->challenges[index];
}

bool consensus_challenge_has_voted(const struct consensus_challenge *c, size_t voter, bool *is_yes)
{
    *is_yes = bit_of(c->yes, voter);
    return *is_yes || bit_of(c->no, voter);
}

/* ---- entries ---- */

int consensus_state_apply(struct consensus_state *s, const struct consensus_moment *at,
                          const struct consensus_entry *e, struct consensus_result *out)
{
    *out = (struct consensus_result){CONSENSUS_VOID, 0};
    if (e->epoch > at->epoch || at->epoch - e->epoch > 1) return BASE_OK;
    if (consensus_voter_find(at->voters, &e->submitter) == at->voters->count) return BASE_OK;
    int rv = take_turn(s, at, e, &out->outcome);
    changed(s); /* a nonce that was used is used again in this epoch */
    if (rv != BASE_OK || out->outcome != CONSENSUS_DONE) return rv;
    switch (e->kind) {
    case CONSENSUS_ENTRY_PUT:
        return pair_put(s, &e->u.put.key, &e->u.put.value, &out->outcome);
    case CONSENSUS_ENTRY_DELETE:
        out->outcome = pair_delete(s, &e->u.put.key);
        return BASE_OK;
    case CONSENSUS_ENTRY_ADD:
        return add(s, e, out);
    case CONSENSUS_ENTRY_EVIDENCE:
        out->outcome = suspend(s, at, e);
        return BASE_OK;
    case CONSENSUS_ENTRY_CHALLENGE:
        out->outcome = challenge(s, at, e, &out->value);
        return BASE_OK;
    case CONSENSUS_ENTRY_CHALLENGE_VOTE:
        out->outcome = vote(s, at, e);
        return BASE_OK;
    }
    return BASE_OK;
}

/* Entries of two epochs ago are void, so their nonces need not be known any more. */
void consensus_state_turn(struct consensus_state *s, uint64_t epoch)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->session_count; i++)
        if (s->sessions[i].epoch + 2 >= epoch) s->sessions[kept++] = s->sessions[i];
    s->session_count = kept;
    s->challenge_count = 0;
    changed(s);
}

/* ---- bytes ---- */

static void pack_lists(struct base_packer *p, const struct consensus_state *s)
{
    consensus_put_array(p, 0, 2 * s->pair_count);
    for (size_t i = 0; i < s->pair_count; i++) {
        const struct pair *pair = &s->pairs[i];
        base_pack_bin(p, pair->bytes, pair->key_len);
        base_pack_bin(p, pair->bytes + pair->key_len, pair->value_len);
    }
    consensus_put_array(p, 1, 4 * s->session_count);
    for (size_t i = 0; i < s->session_count; i++) {
        base_pack_bin(p, s->sessions[i].key.bytes, BASE_KEY33_BYTES);
        base_pack_u64(p, s->sessions[i].epoch);
        base_pack_u64(p, s->sessions[i].highest);
        base_pack_u64(p, s->sessions[i].below);
    }
    consensus_put_array(p, 2, 2 * s->request_count);
    for (size_t i = 0; i < s->request_count; i++) {
        base_pack_bin(p, request_at(s, i)->id, REQUEST_BYTES);
        base_pack_u64(p, request_at(s, i)->value);
    }
}

static void pack_penalties(struct base_packer *p, const struct consensus_state *s)
{
    consensus_put_array(p, 3, 4 * s->suspended.count);
    for (size_t i = 0; i < s->suspended.count; i++) {
        const struct consensus_penalty *it = &s->suspended.list[i];
        base_pack_bin(p, it->key.bytes, BASE_KEY33_BYTES);
        base_pack_u64(p, it->until_s);
        base_pack_u64(p, it->offences);
        base_pack_bin(p, it->epoch_id.bytes, BASE_HASH32_BYTES);
    }
    consensus_put_array(p, 4, 2 * s->benched.count);
    for (size_t i = 0; i < s->benched.count; i++) {
        base_pack_bin(p, s->benched.list[i].key.bytes, BASE_KEY33_BYTES);
        base_pack_u64(p, s->benched.list[i].until_s);
    }
}

#define CHALLENGE_ITEMS 9

static void pack_challenges(struct base_packer *p, const struct consensus_state *s)
{
    consensus_put_array(p, 5, CHALLENGE_ITEMS * s->challenge_count);
    for (size_t i = 0; i < s->challenge_count; i++) {
        const struct consensus_challenge *c = &s->challenges[i];
        base_pack_u64(p, c->id);
        base_pack_bin(p, c->challenger.bytes, BASE_KEY33_BYTES);
        base_pack_bin(p, c->target.bytes, BASE_KEY33_BYTES);
        base_pack_u64(p, (uint64_t)c->complaint);
        base_pack_bin(p, c->note, c->note_len);
        base_pack_u64(p, c->slot);
        base_pack_u64(p, (uint64_t)c->verdict);
        base_pack_bin(p, c->yes, sizeof c->yes);
        base_pack_bin(p, c->no, sizeof c->no);
    }
    consensus_put_u64(p, 6, s->challenge_ids);
}

int consensus_state_encode(struct consensus_state *s, struct base_slice *bytes)
{
    struct base_packer p;
    if (s->bytes == NULL) s->bytes = malloc(CONSENSUS_STATE_BYTES_MAX);
    if (s->bytes == NULL) return BASE_ENOMEM;
    if (s->len == 0) {
        base_packer_init(&p, s->bytes, CONSENSUS_STATE_BYTES_MAX);
        base_pack_map(&p, 7);
        pack_lists(&p, s);
        pack_penalties(&p, s);
        pack_challenges(&p, s);
        if (p.failed) return BASE_ETOOBIG; /* its bounds add up to less: never */
        s->len = p.len;
    }
    *bytes = (struct base_slice){s->bytes, s->len};
    return BASE_OK;
}

int consensus_state_digest(struct consensus_state *s, struct base_hash32 *digest)
{
    struct base_slice bytes;
    if (!s->has_digest) {
        int rv = consensus_state_encode(s, &bytes);
        if (rv != BASE_OK) return rv;
        base_keccak256(&s->digest, bytes.data, bytes.len);
        s->has_digest = true;
    }
    *digest = s->digest;
    return BASE_OK;
}

static int read_pairs(struct consensus_fields *f, struct consensus_state *s)
{
    uint32_t items = 0;
    enum consensus_outcome outcome;
    int rv = consensus_fields_array(f, 0, &items, 2 * CONSENSUS_STATE_KEYS);
    if (rv == BASE_OK && items % 2 != 0) rv = BASE_EMALFORMED;
    for (uint32_t i = 0; i < items / 2 && rv == BASE_OK; i++) {
        struct base_slice key, value;
        bool is_in;
        rv = base_unpack_bin(&f->u, &key, CONSENSUS_KEY_BYTES_MAX);
        if (rv == BASE_OK) rv = base_unpack_bin(&f->u, &value, CONSENSUS_VALUE_BYTES_MAX);
        if (rv == BASE_OK && (key.len == 0 || pair_index(s, &key, &is_in) != i || is_in))
            rv = BASE_EMALFORMED;
        if (rv == BASE_OK) rv = pair_put(s, &key, &value, &outcome);
        if (rv == BASE_OK && outcome != CONSENSUS_DONE) rv = BASE_EMALFORMED;
    }
    return rv;
}

static int read_sessions(struct consensus_fields *f, struct consensus_state *s)
{
    uint32_t items = 0;
    int rv = consensus_fields_array(f, 1, &items, 4 * CONSENSUS_STATE_SESSIONS);
    if (rv == BASE_OK && items % 4 != 0) rv = BASE_EMALFORMED;
    for (uint32_t i = 0; i < items / 4 && rv == BASE_OK; i++) {
        struct base_key33 key;
        rv = base_unpack_bin_exact(&f->u, key.bytes, sizeof key.bytes);
        if (rv != BASE_OK) break;
        if (session_index(s, &key) != i || session_is(s, i, &key)) return BASE_EMALFORMED;
        struct session *session = session_add(s, i, &key);
        if (session == NULL) return BASE_ENOMEM;
        rv = base_unpack_u64(&f->u, &session->epoch);
        if (rv == BASE_OK) rv = base_unpack_u64(&f->u, &session->highest);
        if (rv == BASE_OK) rv = base_unpack_u64(&f->u, &session->below);
        if (rv == BASE_OK && session->highest == 0) rv = BASE_EMALFORMED;
    }
    return rv;
}

static int read_requests(struct consensus_fields *f, struct consensus_state *s)
{
    uint32_t items = 0;
    int rv = consensus_fields_array(f, 2, &items, 2 * CONSENSUS_STATE_REQUESTS);
    if (rv == BASE_OK && items % 2 != 0) rv = BASE_EMALFORMED;
    for (uint32_t i = 0; i < items / 2 && rv == BASE_OK; i++) {
        uint8_t id[REQUEST_BYTES];
        uint64_t value = 0;
        rv = base_unpack_bin_exact(&f->u, id, sizeof id);
        if (rv == BASE_OK) rv = base_unpack_u64(&f->u, &value);
        if (rv == BASE_OK) request_keep(s, id, value);
    }
    return rv;
}

static int read_penalty(struct consensus_fields *f, struct penalties *p, bool is_suspension)
{
    struct consensus_penalty it = {0};
    bool is_in;
    int rv = base_unpack_bin_exact(&f->u, it.key.bytes, sizeof it.key.bytes);
    if (rv == BASE_OK) rv = base_unpack_u64(&f->u, &it.until_s);
    if (rv == BASE_OK && is_suspension) rv = base_unpack_u64(&f->u, &it.offences);
    if (rv == BASE_OK && is_suspension)
        rv = base_unpack_bin_exact(&f->u, it.epoch_id.bytes, sizeof it.epoch_id.bytes);
    if (rv != BASE_OK) return rv;
    if (is_suspension && it.offences == 0) return BASE_EMALFORMED;
    if (penalty_index(p, &it.key, &is_in) != p->count || is_in) return BASE_EMALFORMED;
    *penalty_put(p, &it.key) = it;
    return BASE_OK;
}

static int read_penalties(struct consensus_fields *f, uint64_t key, struct penalties *p)
{
    uint32_t items = 0, each = key == 3 ? 4 : 2;
    int rv = consensus_fields_array(f, key, &items, each * CONSENSUS_STATE_PENALTIES);
    if (rv == BASE_OK && items % each != 0) rv = BASE_EMALFORMED;
    for (uint32_t i = 0; i < items / each && rv == BASE_OK; i++)
        rv = read_penalty(f, p, key == 3);
    return rv;
}

static int read_challenge(struct consensus_fields *f, struct consensus_challenge *c)
{
    struct base_slice note = {NULL, 0};
    uint64_t complaint = 0, verdict = 0;
    int rv = base_unpack_u64(&f->u, &c->id);
    if (rv == BASE_OK) rv = base_unpack_bin_exact(&f->u, c->challenger.bytes, BASE_KEY33_BYTES);
    if (rv == BASE_OK) rv = base_unpack_bin_exact(&f->u, c->target.bytes, BASE_KEY33_BYTES);
    if (rv == BASE_OK) rv = base_unpack_u64(&f->u, &complaint);
    if (rv == BASE_OK) rv = base_unpack_bin(&f->u, &note, CONSENSUS_NOTE_BYTES_MAX);
    if (rv == BASE_OK) rv = base_unpack_u64(&f->u, &c->slot);
    if (rv == BASE_OK) rv = base_unpack_u64(&f->u, &verdict);
    if (rv == BASE_OK) rv = base_unpack_bin_exact(&f->u, c->yes, sizeof c->yes);
    if (rv == BASE_OK) rv = base_unpack_bin_exact(&f->u, c->no, sizeof c->no);
    if (rv != BASE_OK) return rv;
    if (complaint < CONSENSUS_UNRESPONSIVE || complaint > CONSENSUS_STALE ||
        verdict > CONSENSUS_DISMISSED || c->slot > UINT64_MAX / 2)
        return BASE_EMALFORMED;
    c->complaint = (enum consensus_complaint)complaint;
    c->verdict = (enum consensus_verdict)verdict;
    c->note_len = note.len;
    if (note.len > 0) memcpy(c->note, note.data, note.len);
    return BASE_OK;
}

static int read_challenges(struct consensus_fields *f, struct consensus_state *s)
{
    uint32_t items = 0;
    uint64_t last = 0;
    int rv = consensus_fields_array(f, 5, &items, CHALLENGE_ITEMS * CONSENSUS_STATE_CHALLENGES);
    if (rv == BASE_OK && items % CHALLENGE_ITEMS != 0) rv = BASE_EMALFORMED;
    for (uint32_t i = 0; i < items / CHALLENGE_ITEMS && rv == BASE_OK; i++) {
        rv = read_challenge(f, &s->challenges[i]);
        if (rv == BASE_OK && s->challenges[i].id <= last) rv = BASE_EMALFORMED;
        last = s->challenges[i].id;
        if (rv == BASE_OK) s->challenge_count++;
    }
    if (rv == BASE_OK) rv = consensus_fields_u64(f, 6, &s->challenge_ids);
    return rv == BASE_OK && s->challenge_ids < last ? BASE_EMALFORMED : rv;
}

int consensus_state_decode(struct consensus_state **out, const void *data, size_t len)
{
    struct consensus_fields f;
    struct consensus_state *s;
    if (len > CONSENSUS_STATE_BYTES_MAX) return BASE_ETOOBIG;
    int rv = consensus_state_new(&s);
    if (rv != BASE_OK) return rv;
    rv = consensus_fields_init(&f, data, len, 7);
    if (rv == BASE_OK) rv = read_pairs(&f, s);
    if (rv == BASE_OK) rv = read_sessions(&f, s);
    if (rv == BASE_OK) rv = read_requests(&f, s);
    if (rv == BASE_OK) rv = read_penalties(&f, 3, &s->suspended);
    if (rv == BASE_OK) rv = read_penalties(&f, 4, &s->benched);
    if (rv == BASE_OK) rv = read_challenges(&f, s);
    if (rv == BASE_OK && !consensus_fields_at_end(&f)) rv = BASE_EMALFORMED;
    if (rv != BASE_OK) {
        consensus_state_free(s);
        return rv;
    }
    *out = s;
    return BASE_OK;
}

int consensus_state_copy(struct consensus_state **out, const struct consensus_state *s)
{
    struct base_slice bytes;
    /* Encoding only fills in what is derived. */
    int rv = consensus_state_encode((struct consensus_state *)(uintptr_t)s, &bytes);
    return rv == BASE_OK ? consensus_state_decode(out, bytes.data, bytes.len) : rv;
}
