/* Our contract's errors as sentences for people. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/u256.h"
#include "chain/abi.h"
#include "chain/contract.h"

/* In words, $1 is the first argument as its type is written: numbers decimal, addresses with their
 * check sum; $e1 is wei as ether. Each says what was wrong, and what to do where there is
 * something to do. */
static const struct {
    const char *error, *words;
} sentences[] = {
    /* configuration of the cluster, by the contract's owner */
    {"KmsRootZero()", "the KMS root must not be the zero address"},
    {"KmsRootPublic(address)", "the KMS root $1 is a public test key: anybody could make members"},
    {"KmsRootUsedBefore(address,uint64)",
     "the KMS root $1 was this contract's before, as epoch $2: a root never comes back"},
    {"AppIdZero()", "the app id must not be zero"},
    {"AppIdKnown(bytes20)", "the app id $1 is allowed already"},
    {"AppIdUnknown(bytes20)", "the app id $1 is not on the contract's list"},
    {"TooManyAppIds()", "the contract's list of app ids is full: remove one first"},
    {"WithdrawToZero()", "ether cannot be withdrawn to the zero address"},
    {"WithdrawFailed(address,uint256)", "$1 does not take the $e2 ether"},
    {"DevModeChain(uint256)", "devMode exists on development chains only, and this is chain $1"},
    {"BaseDomainInvalid(string)",
     "$1 is no base domain: lower case, digits, dots and hyphens, without a dot at either end"},
    {"BaseDomainKnown(string)", "the base domain $1 is allowed already"},
    {"BaseDomainUnknown(string)", "the base domain $1 is not on the contract's list"},
    {"TooManyBaseDomains()", "the contract's list of base domains is full: remove one first"},
    {"OwnableUnauthorizedAccount(address)", "only the contract's owner may do this, and $1 is not"},
    {"OwnableInvalidOwner(address)", "$1 cannot own the contract"},
    /* minting */
    {"MintingPrivate()", "minting is not open to the public: ask the contract's owner for a seat"},
    {"MintToOther(address)", "only the contract's owner mints to others, here to $1: mint to "
                             "yourself"},
    {"MintPrice(uint256,uint256)", "minting costs exactly $e2 ether, and $e1 were sent"},
    {"MintLimit(uint256)", "a wallet mints at most $1 seats for itself: ask the contract's owner "
                           "for more"},
    {"ClusterFull(uint256)", "all $1 seats of the cluster are taken: one must be burned, or "
                             "maxNodes raised"},
    /* whose seat it is */
    {"NotTokenOwner(uint256,address)", "token $1 is not of the wallet $2"},
    {"OwnerDiffers(uint256,address)",
     "token $1 is no longer of $2, for whom this was signed: make the statement anew"},
    {"OwnerSignature()", "the owner's signature is not of the token's owner: sign this very "
                         "statement with the wallet that owns the token"},
    {"ERC721NonexistentToken(uint256)", "there is no token $1: never minted, or burned"},
    {"ERC721IncorrectOwner(address,uint256,address)", "token $2 is of $3, not of $1"},
    {"ERC721InsufficientApproval(address,uint256)", "$1 may not move token $2"},
    {"ERC721InvalidApprover(address)", "$1 may not approve this"},
    {"ERC721InvalidOperator(address)", "$1 cannot be an operator"},
    {"ERC721InvalidOwner(address)", "$1 cannot own a token"},
    {"ERC721InvalidReceiver(address)",
     "$1 cannot receive a token: it is zero, or a contract that does not take ERC-721 tokens"},
    {"ERC721InvalidSender(address)", "$1 cannot send a token"},
    {"Suspended(uint256,uint64)",
     "token $1 is suspended until block time $2 (seconds since 1970), for contradicting votes"},
    /* instances and weight */
    {"InstanceZero()", "the instance id must not be zero"},
    {"InstanceTaken(address,uint256)", "token $2 is registered for the instance $1 already"},
    {"InstanceNotBound(uint256)", "no instance is bound to token $1: bind it first"},
    {"InstanceDiffers(address,address)",
     "the instance $1 is bound to this token, and the statement is for $2"},
    {"InstanceUnknown(address)", "no token stands for the instance $1"},
    {"WeightOfItself(uint256)", "token $1 is the seat itself: another token gives it weight"},
    {"StandsAsWeight(uint256,uint256)",
     "token $1 gives its weight to token $2's seat: take it away first (nftmesh weight --remove)"},
    {"StandsBehindNone(uint256)", "token $1 gives its weight to no seat"},
    /* statements */
    {"NonceDiffers(uint64,uint64)", "the statement has nonce $2 and the token is at $1: it was "
                                    "used, or something else changed the "
                                    "seat since; make it anew"},
    {"DeadlinePassed(uint64)",
     "the statement's deadline, block time $1 (seconds since 1970), has passed: make it anew"},
    {"DeadlineTooFar(uint64)", "the statement's deadline $1 is more than 7 days ahead"},
    {"ExpiryPassed(uint64)", "the end of the registration, $1, is in the past"},
    {"ExpiryTooFar(uint64)", "the end of the registration, $1, is more than 400 days ahead"},
    {"UrlTooLong(uint256)", "the URL has $1 bytes: at most 256"},
    {"UrlScheme()", "the URL does not begin with a scheme, as in tcp://host:port"},
    {"UrlHost(string)", "$1 is no host for a URL: lower case letters, digits, dots and hyphens"},
    {"UrlPort()", "the URL's port is not a number from 1 to 65535"},
    {"DomainNotAllowed(string)", "the contract allows no URL at $1: the host must be under one of "
                                 "its base domains (nftmesh deploy status lists them)"},
    /* keys and chain */
    {"NodeKeyInvalid()", "the node key is no point of the curve, or not the one it is said to be"},
    {"ProofKeyInvalid()",
     "the app proof key is no point of the curve, or not the one it is said to be"},
    {"NodeSignature()", "the node key did not sign this statement"},
    {"ProofSignature()", "the app proof key did not sign this statement"},
    {"ChainEncoding()", "the signature chain is not of its form"},
    {"ChainAppSignature()", "the app key did not sign the app proof key for nftmesh"},
    {"ChainKmsRoot()", "the signature chain does not lead to this contract's KMS root: is this VM "
                       "of another KMS, or was the root rotated?"},
    {"AppIdNotAllowed(bytes20)", "the app $1 is not on the contract's list: its owner must allow "
                                 "it"},
    {"NodeKeyTaken(uint256)", "this node key stands on token $1's seat: one key, one seat"},
    {"NodeKeyDiffers(uint256)", "another node key stands on token $1's seat: register this one"},
    {"NotRegistered(uint256)", "nothing is registered on token $1's seat"},
    /* evidence */
    {"EvidenceSigners()", "the two votes are not of one signer"},
    {"EvidenceSignerUnknown(address)", "the signer $1 stands on no seat"},
    {"EvidenceKnown()", "this contradiction was reported before"},
    {"VoteMalformed(uint8)", "a vote of kind $1 cannot look like this"},
    {"VotesAgree()", "the two votes do not contradict each other"},
    /* the rest */
    {"PageTooLong(uint256)", "a page has at most 32 seats, and $1 were asked for"},
    {"RegisterPeerReplaced(string)", "the prototype's registerPeer is gone: use $1"},
};

struct text {
    char *data;
    size_t len, cap;
};

static void put(struct text *t, const char *text, size_t len)
{
    for (size_t i = 0; i < len && t->len + 1 < t->cap; i++)
        t->data[t->len++] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
    t->data[t->len] = '\0';
}

static void put_text(struct text *t, const char *text)
{
    put(t, text, strlen(text));
}

/* A string's bytes are a stranger's, and so is its offset. */
static void put_string(struct text *t, const uint8_t *args, size_t len, const uint8_t *word)
{
    struct base_u256 at;
    uint64_t offset = 0, count = 0;
    memcpy(at.bytes, word, sizeof at.bytes);
    if (base_u256_to_u64(&offset, &at) != BASE_OK || len < CHAIN_ABI_WORD_BYTES ||
        offset > len - CHAIN_ABI_WORD_BYTES)
        return put_text(t, "?");
    memcpy(at.bytes, args + offset, sizeof at.bytes);
    size_t rest = len - CHAIN_ABI_WORD_BYTES - (size_t)offset;
    if (base_u256_to_u64(&count, &at) != BASE_OK || count > rest) return put_text(t, "?");
    put_text(t, "\"");
    put(t, (const char *)args + offset + CHAIN_ABI_WORD_BYTES, count < 80 ? (size_t)count : 80);
    put_text(t, "\"");
}

static void put_number(struct text *t, const uint8_t *word, bool as_ether)
{
    struct base_u256 value;
    char text[BASE_ETHER_TEXT_BYTES];
    memcpy(value.bytes, word, sizeof value.bytes);
    if (as_ether)
        base_ether_format(text, &value);
    else
        base_u256_format(text, &value);
    put_text(t, text);
}

/* The index-th type between the parentheses. */
static bool type_is(const char *error, size_t index, const char *type)
{
    const char *p = strchr(error, '(') + 1;
    for (; index > 0; index--) {
        p = strchr(p, ',');
        assert(p != NULL); /* a sentence names an argument that its error has */
        p++;
    }
    return strncmp(p, type, strlen(type)) == 0;
}

static void put_argument(struct text *t, const char *error, size_t index, bool as_ether,
                         const uint8_t *args, size_t len)
{
    const uint8_t *word = args + index * CHAIN_ABI_WORD_BYTES;
    if (len / CHAIN_ABI_WORD_BYTES <= index) {
        put_text(t, "?");
    } else if (type_is(error, index, "address")) {
        struct base_eth_address address;
        char text[BASE_ADDRESS_TEXT_BYTES];
        memcpy(address.bytes, word + 12, sizeof address.bytes);
        base_address_format(text, &address);
        put_text(t, text);
    } else if (type_is(error, index, "bytes20")) {
        char hex[2 * BASE_ADDRESS_BYTES + 1];
        base_hex_encode(hex, word, BASE_ADDRESS_BYTES);
        put_text(t, hex);
    } else if (type_is(error, index, "string")) {
        put_string(t, args, len, word);
    } else {
        put_number(t, word, as_ether);
    }
}

static void put_sentence(struct text *t, const char *error, const char *words, const uint8_t *args,
                         size_t len)
{
    for (const char *p = words; *p != '\0'; p++) {
        if (*p != '$') {
            put(t, p, 1);
            continue;
        }
        bool as_ether = *++p == 'e';
        if (as_ether) p++;
        put_argument(t, error, (size_t)(*p - '1'), as_ether, args, len);
    }
    put_text(t, " (");
    put(t, error, strcspn(error, "("));
    put_text(t, ")");
}

bool chain_contract_explain(char out[CHAIN_CONTRACT_WORDS_BYTES], const void *data, size_t len)
{
    struct text t = {.data = out, .cap = CHAIN_CONTRACT_WORDS_BYTES};
    const uint8_t *bytes = data;
    if (len < CHAIN_ABI_SELECTOR_BYTES) return false;
    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++) {
        uint8_t selector[CHAIN_ABI_SELECTOR_BYTES];
        chain_abi_selector(selector, sentences[i].error);
        if (memcmp(selector, bytes, sizeof selector) != 0) continue;
        put_sentence(&t, sentences[i].error, sentences[i].words, bytes + sizeof selector,
                     len - sizeof selector);
        return true;
    }
    return false;
}
