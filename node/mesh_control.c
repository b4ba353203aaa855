#include "node/mesh_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/binding.h"

/* A command on its way from an HTTP thread to the loop. */
struct errand {
    struct node_inbox_item item;
    struct mesh *mesh;
    struct node_command *command;
};

static void answer_ok(struct node_command *command, const char *json)
{
    node_http_complete(command, 200, json, strlen(json));
}

static void on_join(struct mesh *m, struct node_command *command)
{
    char why[NODE_OPTIONS_WHY_BYTES] = "";
    int rv = mesh_dial_bootstrap(m, command->url, command, why, sizeof why);
    if (rv != BASE_OK) node_http_fail(command, rv == BASE_EINVAL ? 400 : 409, why);
}

static void on_event(struct mesh *m, struct node_command *command)
{
    struct gossip_event ev = {.type = GOSSIP_EV_USER_EVENT};
    size_t len = strlen(command->name);
    if (m->gossip == NULL || m->leaving) {
        node_http_fail(command, 409, "this node is not in the mesh: it has no seat, or is leaving");
        return;
    }
    ev.u.user_event.name = (struct base_slice){(const uint8_t *)command->name, len};
    ev.u.user_event.payload = (struct base_slice){command->payload, command->payload_len};
    int rv = mesh_gossip_step(m, &ev);
    if (rv == BASE_OK)
        answer_ok(command, "{\"sent\":true}");
    else
        node_http_fail(command, 400, base_strerror(rv));
}

static void on_trust_accept(struct mesh *m, struct node_command *command)
{
    char why[NODE_OPTIONS_WHY_BYTES] = "", root[BASE_ADDRESS_TEXT_BYTES], json[256];
    if (mesh_chain_trust_accept(m, why, sizeof why) != BASE_OK) {
        node_http_fail(command, 409, why);
        return;
    }
    base_address_format(root, &m->snapshot->kms_root);
    snprintf(json, sizeof json, "{\"accepted\":true,\"kms_root\":\"%s\",\"trust\":\"%s\"}", root,
             attest_pin_source_name(m->pins.root_source));
    answer_ok(command, json);
}

static bool tag_is_deleted(const json_t *body, struct base_slice key)
{
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(body, "delete"), i, name)
    {
        if (json_string_length(name) == key.len &&
            memcmp(json_string_value(name), key.data, key.len) == 0)
            return true;
    }
    return false;
}

/* The tags in force, less those deleted or set anew, then those set. */
static void on_tags(struct mesh *m, struct node_command *command)
{
    struct gossip_event ev = {.type = GOSSIP_EV_UPDATE};
    struct gossip_record *r = &ev.u.update;
    struct gossip_signed_record was = m->record;
    const json_t *set = json_object_get(command->body, "set");
    const char *key;
    json_t *value;
    size_t kept = 0;
    if (m->gossip == NULL || gossip_record_decode(r, was.body, was.body_len) != BASE_OK) {
        node_http_fail(command, 409, "this node is not in the mesh: it has no seat");
        return;
    }
    for (size_t i = 0; i < r->tag_count; i++) {
        char name[GOSSIP_TAG_BYTES_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)r->tags[i].key.len, r->tags[i].key.data);
        if (!tag_is_deleted(command->body, r->tags[i].key) && json_object_get(set, name) == NULL)
            r->tags[kept++] = r->tags[i];
    }
    json_object_foreach((json_t *)(uintptr_t)set, key, value)
    {
        if (kept == GOSSIP_TAGS_MAX) {
            node_http_fail(command, 400, "at most 16 tags: delete one first");
            return;
        }
        r->tags[kept].key = (struct base_slice){(const uint8_t *)key, strlen(key)};
        r->tags[kept++].value = (struct base_slice){(const uint8_t *)json_string_value(value),
                                                    json_string_length(value)};
    }
    r->tag_count = kept;
    int rv = mesh_gossip_step(m, &ev);
    if (rv != BASE_OK) {
        node_http_fail(command, rv == BASE_ESTATE ? 409 : 400,
                       rv == BASE_ETOOBIG ? "the signed record would be larger than 1024 bytes"
                                          : base_strerror(rv));
        return;
    }
    gossip_self_record(&m->record, m->gossip);
    mesh_dirty(m);
    answer_ok(command, "{\"updated\":true}");
}

static void on_binding(struct mesh *m, struct node_command *command)
{
    struct base_buf json;
    char why[NODE_OPTIONS_WHY_BYTES] = "";
    if (!m->has_identity) {
        node_http_fail(command, 409, "the guest agent has not answered yet");
        return;
    }
    base_buf_init(&json, 16384);
    if (node_binding_answer(&json, &m->identity, command->body, why, sizeof why) == BASE_OK)
        node_http_complete(command, 200, json.data, json.len);
    else
        node_http_fail(command, 400, why);
    base_buf_deinit(&json);
}

static void handle(struct node_inbox_item *item)
{
    struct errand *errand = item->ptr;
    struct mesh *m = errand->mesh;
    struct node_command *command = errand->command;
    free(errand);
    if (m->stopping) {
        node_http_fail(command, 503, "this node is stopping");
        return;
    }
    switch (command->kind) {
    case NODE_COMMAND_JOIN:
        on_join(m, command);
        return;
    case NODE_COMMAND_EVENT:
        on_event(m, command);
        return;
    case NODE_COMMAND_LEAVE:
        answer_ok(command, "{\"leaving\":true}");
        mesh_leave(m, "asked to over the control socket");
        return;
    case NODE_COMMAND_TRUST_ACCEPT:
        on_trust_accept(m, command);
        return;
    case NODE_COMMAND_TAGS:
        on_tags(m, command);
        return;
    case NODE_COMMAND_CONTRACT_INFO:
        mesh_contract_ask(m, command);
        return;
    case NODE_COMMAND_BINDING:
        on_binding(m, command);
        return;
    case NODE_COMMAND_REGISTER:
    case NODE_COMMAND_MINT:
        mesh_wallet_ask(m, command);
        return;
    case NODE_COMMAND_AUTHORIZE:
        mesh_authority_command(m, command);
        return;
    case NODE_COMMAND_CONSENSUS_ASK:
    case NODE_COMMAND_CONSENSUS_TELL:
        mesh_consensus_ask(m, command);
        return;
    case NODE_COMMAND_UNDECIDED:
        node_http_fail(command, 500, "no such command");
        return;
    }
}

/* On an HTTP thread. */
static int submit(void *ctx, struct node_command *command)
{
    struct mesh *m = ctx;
    struct errand *errand = calloc(1, sizeof *errand);
    if (errand == NULL) return BASE_ENOMEM;
    errand->mesh = m;
    errand->command = command;
    errand->item.handle = handle;
    errand->item.ptr = errand;
    int rv = node_inbox_post(m->inbox, &errand->item);
    if (rv != BASE_OK) free(errand);
    return rv;
}

int mesh_control_new(struct mesh *m)
{
    const struct node_config *config = m->config;
    char path[NODE_STORE_PATH_BYTES], token[256] = "", why[NODE_STORE_WHY_BYTES];
    struct node_http_config http = {
        .control_path = path,
        .http = config->has_http ? &config->http : NULL,
        .bootstrap = config->has_bootstrap_http ? &config->bootstrap_http : NULL,
        .hosts = (const char *const *)config->http_hosts,
        .host_count = config->http_host_count,
        .view = m->slot,
        .metrics = m->metrics,
        .build = {MESH_VERSION, NFTMESH_COMMIT, "1." NFTMESH_WIRE_MINOR_TEXT, m->start_wall_ms},
        .loop_turn_ms = &m->turn_ms,
        .submit = submit,
        .ctx = m,
        .boot = m->start_wall_ms,
    };
    int rv = node_store_path(path, sizeof path, m->store, "control.sock");
    if (rv == BASE_OK && config->http_token_file != NULL) {
        rv = node_secret_read(token, sizeof token, config->http_token_file, why);
        http.token = token;
        if (rv != BASE_OK) snprintf(m->why, sizeof m->why, "--http-token-file: %s", why);
    }
    if (rv == BASE_OK) rv = node_http_new(&m->http, &http, m->why);
    base_memzero(token, sizeof token);
    return rv;
}
