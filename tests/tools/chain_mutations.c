/* Signature chains for the contract to judge, each with the verdict of attest/sigchain.c: the
 * published cases, the published valid chain under our own purpose, and mutations of valid chains.
 *
 *   nftmesh-chain-mutations SEED COUNT FILE
 *
 * FILE is read by contracts/test/Agreement.t.sol. All numbers are big-endian:
 *
 *   4  number of records, then for each
 *   1  verdict (enum attest_verdict)
 *   11 fields, each 2 bytes of length and its bytes: what was done (text), purpose, KMS root,
 *      allowed app id, derived key, its X || Y, app key's X || Y, app id, app signature, KMS
 *      signature, and the published verdict (one byte: 1 accept, 0 reject) or nothing
 *
 * The first three of a chain's parts are the verifier's constants, the rest is what a peer shows.
 * A contract takes X || Y for a key and 27 or 28 for v; what an honest caller does about that,
 * once, is done here. Where a key has no X || Y, it gets the most plausible one. */
#include "json_vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/sigchain.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "tools/chain_mutate.h"

#define OWN_CHAINS 8

static struct {
    struct chain_mutator m;
    size_t verdicts[ATTEST_REJECT_APP_ID + 1];
    FILE *out;
} tool;

/* ---- the chains that are mutated ---------------------------------------------------------- */

static void put_hex(struct chain_bytes *out, const json_t *obj, const char *key)
{
    size_t len;
    uint8_t *data = json_vectors_hex_new(&len, obj, key);
    chain_put(out, data, len);
    free(data);
}

static struct chain *new_base(void)
{
    if (tool.m.base_count == CHAIN_BASES_MAX)
        chain_give_up("more chains in the vectors than this tool has room for");
    struct chain *c = &tool.m.bases[tool.m.base_count++];
    memset(c, 0, sizeof *c);
    return c;
}

/* One of verify_cases, or an example: both name the parts alike. */
static void read_chain(struct chain *c, const json_t *input, const char *allowed)
{
    const char *purpose = json_vectors_string(input, "purpose");
    chain_put(&c->part[CHAIN_PURPOSE], purpose, strlen(purpose));
    put_hex(&c->part[CHAIN_ROOT], input, "kms_root_address");
    put_hex(&c->part[CHAIN_ALLOWED], input, allowed);
    put_hex(&c->part[CHAIN_DERIVED], input, "derived_public_key");
    put_hex(&c->part[CHAIN_APP_KEY], input, "app_public_key");
    put_hex(&c->part[CHAIN_APP_ID], input, "app_id");
    put_hex(&c->part[CHAIN_APP_SIG], input, "app_signature");
    put_hex(&c->part[CHAIN_KMS_SIG], input, "kms_signature");
}

/* ---- writing -------------------------------------------------------------------------------- */

static void write_bytes(const void *data, size_t len)
{
    if (len > 0 && fwrite(data, 1, len, tool.out) != len) chain_give_up("cannot write the file");
}

static void write_field(const void *data, size_t len)
{
    uint8_t head[2];
    base_put_u16be(head, (uint16_t)len);
    write_bytes(head, sizeof head);
    write_bytes(data, len);
}

/* X || Y as a caller of the contract would have it; for a key without a point something close: its
 * own x beside the y that the chain had before. */
static void write_xy(const struct chain_bytes *key, const struct chain_bytes *before)
{
    uint8_t xy[64];
    if (chain_xy(xy, key)) {
        write_field(xy, sizeof xy);
    } else if (key->len == BASE_KEY33_BYTES && (key->data[0] == 2 || key->data[0] == 3) &&
               chain_xy(xy, before)) {
        memcpy(xy, key->data + 1, 32);
        write_field(xy, sizeof xy);
    } else {
        write_field(key->data, key->len);
    }
}

/* v 0 and 1 become 27 and 28; any other is moved too, and stays wrong. */
static void write_signature(const struct chain_bytes *sig)
{
    struct chain_bytes moved = *sig;
    if (moved.len == BASE_SIG65_BYTES) moved.data[64] = (uint8_t)(moved.data[64] + 27);
    write_field(moved.data, moved.len);
}

static struct base_slice slice(const struct chain_bytes *b)
{
    return (struct base_slice){.data = b->data, .len = b->len};
}

static enum attest_verdict judge(const struct chain *c)
{
    char purpose[CHAIN_PART_BYTES_MAX + 1];
    struct base_eth_address allowed;
    struct attest_trust trust = {.purpose = purpose, .app_ids = &allowed, .app_id_count = 1};
    const struct attest_sigchain shown = {
        .purpose = slice(&c->part[CHAIN_PURPOSE]),
        .derived_key = slice(&c->part[CHAIN_DERIVED]),
        .app_key = slice(&c->part[CHAIN_APP_KEY]),
        .app_sig = slice(&c->part[CHAIN_APP_SIG]),
        .kms_sig = slice(&c->part[CHAIN_KMS_SIG]),
        .app_id = slice(&c->part[CHAIN_APP_ID]),
    };
    enum attest_verdict verdict;

    if (c->part[CHAIN_ROOT].len != BASE_ADDRESS_BYTES ||
        c->part[CHAIN_ALLOWED].len != BASE_ADDRESS_BYTES)
        chain_give_up("a constant of another length");
    memcpy(purpose, c->part[CHAIN_PURPOSE].data, c->part[CHAIN_PURPOSE].len);
    purpose[c->part[CHAIN_PURPOSE].len] = '\0';
    memcpy(trust.kms_root.bytes, c->part[CHAIN_ROOT].data, BASE_ADDRESS_BYTES);
    memcpy(allowed.bytes, c->part[CHAIN_ALLOWED].data, BASE_ADDRESS_BYTES);
    attest_sigchain_verify(&verdict, &shown, &trust);
    return verdict;
}

/* published: "\1", "\0", or NULL where nothing is published. */
static void write_record(const struct chain *c, const struct chain *before, const char *what,
                         const char *published)
{
    enum attest_verdict verdict = judge(c);
    uint8_t byte = (uint8_t)verdict;

    tool.verdicts[verdict]++;
    write_bytes(&byte, 1);
    write_field(what, strlen(what));
    for (int p = CHAIN_PURPOSE; p <= CHAIN_DERIVED; p++)
        write_field(c->part[p].data, c->part[p].len);
    write_xy(&c->part[CHAIN_DERIVED], &before->part[CHAIN_DERIVED]);
    write_xy(&c->part[CHAIN_APP_KEY], &before->part[CHAIN_APP_KEY]);
    write_field(c->part[CHAIN_APP_ID].data, c->part[CHAIN_APP_ID].len);
    write_signature(&c->part[CHAIN_APP_SIG]);
    write_signature(&c->part[CHAIN_KMS_SIG]);
    write_field(published, published != NULL ? 1 : 0);
}

static void write_mutation(void)
{
    struct chain c;
    const struct chain *base;

    chain_mutate(&tool.m, &c, &base);
    write_record(&c, base, tool.m.note, NULL);
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* Chains that hold are worth mutating; a published case that does not hold is one already. */
static void add_base(const struct chain *c)
{
    if (judge(c) == ATTEST_ACCEPT) *new_base() = *c;
}

static size_t write_published(const json_t *vectors)
{
    const json_t *cases = json_vectors_array(vectors, "verify_cases"), *item;
    size_t i, written = 0;

    json_array_foreach((json_t *)(uintptr_t)cases, i, item)
    {
        struct chain c;
        bool accept = strcmp(json_vectors_string(item, "expect"), "accept") == 0;
        read_chain(&c, json_vectors_object(item, "input"), "allowed_app_id");
        write_record(&c, &c, json_vectors_string(item, "name"), accept ? "\1" : "\0");
        written++;
        if (!accept) continue;
        add_base(&c);
        chain_put(&c.part[CHAIN_PURPOSE], ATTEST_PURPOSE, strlen(ATTEST_PURPOSE));
        write_record(&c, &c, "the valid case under our purpose", "\0");
        written++;
    }
    return written;
}

/* The examples of one group, which has the root, the app and its KMS signature for all. */
static void add_examples(const json_t *group)
{
    const json_t *item;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)json_vectors_array(group, "examples"), i, item)
    {
        struct chain c;
        if (strchr(json_vectors_string(item, "purpose"), ':') != NULL) continue;
        read_chain(&c, item, "app_id");
        add_base(&c);
    }
}

static void collect_bases(const json_t *vectors)
{
    const json_t *item, *synthetic = json_vectors_object(vectors, "synthetic");
    size_t i;

    json_vectors_hex(tool.m.kms_root.bytes, sizeof tool.m.kms_root.bytes, synthetic,
                     "kms_root_private_key");
    json_array_foreach((json_t *)(uintptr_t)json_vectors_array(vectors, "official"), i, item)
        add_examples(item);
    add_examples(synthetic);
    for (i = 0; i < OWN_CHAINS; i++)
        chain_make(&tool.m, new_base());
}

static size_t number_of(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value > 1000000)
        chain_give_up("SEED and COUNT are numbers up to 1000000");
    return value;
}

int main(int argc, char **argv)
{
    uint8_t head[4] = {0};

    if (argc != 4) chain_give_up("usage: nftmesh-chain-mutations SEED COUNT FILE");
    if (base_ecdsa_init() != BASE_OK) chain_give_up("libsecp256k1");
    base_prng_init(&tool.m.prng, number_of(argv[1]));
    size_t count = number_of(argv[2]);
    if ((tool.out = fopen(argv[3], "wb")) == NULL) chain_give_up("cannot write the file");
    json_t *vectors = json_vectors_load("signature-chain.json");
    write_bytes(head, sizeof head);
    collect_bases(vectors);
    size_t published = write_published(vectors);
    for (size_t i = 0; i < count; i++)
        write_mutation();
    base_put_u32be(head, (uint32_t)(published + count));
    if (fseek(tool.out, 0, SEEK_SET) != 0) chain_give_up("cannot write the file");
    write_bytes(head, sizeof head);
    if (fclose(tool.out) != 0) chain_give_up("cannot write the file");
    json_decref(vectors);
    printf("%zu mutations of %zu chains, seed %s, and %zu published:", count, tool.m.base_count,
           argv[1], published);
    for (int v = ATTEST_ACCEPT; v <= ATTEST_REJECT_APP_ID; v++)
        if (tool.verdicts[v] > 0)
            printf(" %zu %s", tool.verdicts[v], attest_verdict_name((enum attest_verdict)v));
    printf("\n");
    return 0;
}
