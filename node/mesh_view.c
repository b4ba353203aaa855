#include "node/mesh_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

#define LINK_STATS_MS 5000 /* they look through the process's descriptors */

static const char *slice_text(struct node_view *view, struct base_slice slice)
{
    return node_view_textn(view, (const char *)slice.data, slice.len);
}

static enum node_view_state state_of(enum gossip_state state)
{
    switch (state) {
    case GOSSIP_NONE:
        return NODE_VIEW_UNKNOWN;
    case GOSSIP_ALIVE:
        return NODE_VIEW_ALIVE;
    case GOSSIP_SUSPECT:
        return NODE_VIEW_SUSPECT;
    case GOSSIP_FAILED:
        return NODE_VIEW_FAILED;
    case GOSSIP_LEFT:
        return NODE_VIEW_LEFT;
    }
    return NODE_VIEW_UNKNOWN;
}

static void add_member(struct mesh *m, struct node_view *view, size_t index)
{
    struct gossip_member_view from;
    struct gossip_record record;
    struct node_view_tag tags[GOSSIP_TAGS_MAX];
    gossip_member_at(&from, m->gossip, index);
    if (gossip_record_decode(&record, from.record.data, from.record.len) != BASE_OK) return;
    const struct mesh_member *member = mesh_member_find(m, &from.key);
    const struct chain_seat *seat =
        m->snapshot == NULL ? NULL : chain_snapshot_find_key(m->snapshot, &from.key);
    struct node_view_member to = {
        .node = from.key,
        .instance = record.instance,
        .name = slice_text(view, record.name),
        .url = record.url_count > 0 ? slice_text(view, record.urls[0]) : "",
        .app_url = slice_text(view, record.app_url),
        .version = slice_text(view, record.version),
        .state = from.is_self && !m->leaving ? NODE_VIEW_ALIVE : state_of(from.state),
        .is_self = from.is_self,
        .proved_by_session = member != NULL && member->proved_by_session,
        .incarnation = from.incarnation,
        .sequence = from.sequence,
        .weight = (uint32_t)from.weight,
        .verified_block = member != NULL ? member->verified_block : 0,
        .state_since_ms = member != NULL ? member->state_wall_ms : 0,
        .rtt_ms = from.rtt_ms > 0 ? (double)from.rtt_ms : -1,
        .tags = tags,
        .tag_count = record.tag_count,
    };
    if (seat != NULL) {
        to.owner = seat->owner;
        to.token = seat->token_id;
    }
    for (size_t i = 0; i < record.tag_count; i++) {
        tags[i].key = slice_text(view, record.tags[i].key);
        tags[i].value = slice_text(view, record.tags[i].value);
    }
    node_view_add_member(view, &to);
}

static void add_links(struct mesh *m, struct node_view *view)
{
    for (const struct mesh_conn *c = m->conns; c != NULL; c = c->next) {
        struct node_view_link link = {.remote = c->remote,
                                      .state = c->is_closing ? "closing"
                                               : c->is_up    ? "up"
                                                             : "handshake",
                                      .dialed = c->dialed,
                                      .since_ms = c->up_wall_ms,
                                      .rtt_ms = -1};
        /* One that is for votes alone is the epoch's affair: `quorum` shows whose. */
        if (c->session != NULL && node_session_is_for_votes(c->session)) continue;
        if (c->session != NULL) {
            struct node_session_stats stats = node_session_stats(c->session);
            const struct base_key33 *key = node_session_remote(c->session);
            if (key != NULL) link.node = *key;
            link.received_bytes = stats.bytes_received;
            link.sent_bytes = stats.bytes_sent;
        } else {
            link.node = c->expected;
        }
        node_view_add_link(view, &link);
    }
}

static void add_endpoints(struct mesh *m, struct node_view *view)
{
    for (size_t i = 0; i < chain_poll_endpoint_count(m->poll); i++) {
        struct chain_poll_endpoint from;
        char origin[NODE_HTTP_ORIGIN_BYTES];
        chain_poll_endpoint(m->poll, i, &from);
        node_http_origin(origin, from.url);
        struct node_view_rpc to = {
            .origin = origin,
            .state = !from.up                                         ? "failed"
                     : from.agreement == CHAIN_POLL_AGREEMENT_DIFFERS ? "differs"
                     : from.agreement == CHAIN_POLL_AGREEMENT_BEHIND  ? "behind"
                                                                      : "ok",
            .last_error = from.last_error,
            .head_block = from.height,
            .requests = from.requests,
            .agrees = from.agreement == CHAIN_POLL_AGREEMENT_AGREES,
        };
        node_view_add_rpc(view, &to);
        node_metric_gauge(&m->metrics->rpc_head_block, from.height, origin);
    }
}

static void add_checks(struct mesh *m, struct node_view *view)
{
    char text[MESH_COMMAND_BYTES + 256];
    struct chain_poll_status status;
    uint64_t now_ms = mesh_now();
    chain_poll_status(m->poll, &status);
    node_view_add_check(view, "agent", m->has_identity, "the guest agent has not answered yet");
    if (m->seat == MESH_SEAT_MISSING)
        mesh_boot_advice(m, text, sizeof text);
    else
        snprintf(text, sizeof text, "the registry has not been read yet");
    node_view_add_check(view, "seat", m->seat == MESH_SEAT_OK, text);
    if (status.went_back)
        snprintf(text, sizeof text,
                 "chain_went_back: the agreed head is below our reference; "
                 "look at the endpoints, then `nftmesh trust accept`");
    else if (status.has_good)
        snprintf(text, sizeof text,
                 "rpc_unreachable: no agreed answer for %" PRIu64 " s: members stay, admissions "
                 "wait",
                 (now_ms - status.good_ms) / 1000);
    else
        snprintf(text, sizeof text, "rpc_unreachable: no agreed answer from the endpoints yet");
    node_view_add_check(view, "chain", m->chain_fresh, text);
    if (status.has_good && now_ms - status.good_ms > m->config->rpc_grace_ms)
        node_view_add_check(view, "rpc_grace", false,
                            "the endpoints have been silent for longer than --rpc-grace: this node "
                            "neither votes nor leads");
    if (mesh_authority_is_on(m) && status.verifying) {
        snprintf(text, sizeof text,
                 "verifying: the transfers of the last 30 days are being read, %" PRIu64
                 " of about %" PRIu64 " blocks; older authorisations wait for that",
                 status.verified_blocks, status.verify_blocks);
        node_view_add_check(view, "authorisations", false, text);
    }
    snprintf(text, sizeof text, "%s: see `nftmesh trust show`",
             attest_pins_verdict_name(m->pins_verdict));
    node_view_add_check(
        view, "trust",
        m->pins_verdict == ATTEST_PINS_AGREE || m->pins_verdict == ATTEST_PINS_APP_UNPINNED, text);
    node_view_add_check(view, "joined",
                        m->gossip != NULL && (mesh_alive_others(m) > 0 || mesh_dial_all_tried(m)),
                        "no other member has answered yet");
    if (m->config->dev) node_view_add_check(view, "dev_mode", true, NULL);
    if (m->leaving) node_view_add_check(view, "staying", false, "this node is leaving");
}

static void fill_self(struct mesh *m, struct node_view *view)
{
    struct node_view_self *self = &view->self;
    struct chain_poll_status status;
    const struct node_config *config = m->config;
    chain_poll_status(m->poll, &status);
    self->name = node_view_text(view, m->name);
    self->url = node_view_text(view, config->advertise);
    self->app_url = node_view_text(view, config->app_url);
    self->version = MESH_VERSION;
    self->chain_id = config->chain_id;
    self->contract = config->contract;
    self->contract_kind = mesh_contract_kind(m);
    self->rpc_trust = chain_poll_trust_name(status.trust);
    self->trust = attest_pin_source_name(m->pins.root_source);
    self->settings = node_view_text(view, m->identity.settings);
    self->dev = config->dev;
    self->leaving = m->leaving;
    self->start_ms = m->start_wall_ms;
    self->incarnation = m->start_incarnation;
    if (m->has_identity) {
        self->node = m->identity.keys.node_key;
        self->instance = m->identity.keys.instance;
    }
    if (m->seat == MESH_SEAT_OK) {
        const struct chain_seat *seat = chain_snapshot_find_key(m->snapshot, &self->node);
        self->has_seat = true;
        self->token = seat->token_id;
        self->owner = seat->owner;
        self->weight = mesh_seat_weight(m, &self->node);
    } else if (m->seat == MESH_SEAT_MISSING) {
        char advice[MESH_COMMAND_BYTES + 256];
        mesh_boot_advice(m, advice, sizeof advice);
        self->advice = node_view_text(view, advice);
    }
    if (m->snapshot != NULL) {
        self->kms_root = m->snapshot->kms_root;
        self->has_block = true;
        self->block_number = m->snapshot->block.number;
        self->block_time_s = m->snapshot->block.time_s;
        self->block_hash = m->snapshot->block.hash;
    }
    self->expires_at_s = mesh_expiry_at_s(m);
    self->bundle_len = mesh_authority_own(m, self->bundle, sizeof self->bundle);
    self->wallet = (struct node_view_wallet){.is_busy = m->wallet.job != NULL,
                                             .what = node_wallet_work_name(m->wallet.kind),
                                             .since_ms = m->wallet.since_wall_ms,
                                             .step = node_view_text(view, m->wallet.step),
                                             .last = node_view_text(view, m->wallet.last)};
    if (m->gossip != NULL) {
        struct gossip_member_view me;
        memcpy(self->record, m->record.body, m->record.body_len);
        self->record_len = m->record.body_len;
        self->record_sig = m->record.sig;
        if (gossip_member_find(&me, m->gossip, &self->node) == BASE_OK)
            self->incarnation = me.incarnation;
    }
}

static void add_warnings(struct mesh *m, struct node_view *view)
{
    char text[MESH_COMMAND_BYTES + 256], tokens[256];
    const char *lost = mesh_consensus_lost(m), *mute = mesh_consensus_mute(m);
    if (mesh_expiry_warning(m, text, sizeof text)) node_view_add_warning(view, text);
    if (lost[0] != '\0') {
        snprintf(text, sizeof text, "this node takes no part in consensus: %s", lost);
        node_view_add_warning(view, text);
    }
    if (mute[0] != '\0') {
        snprintf(text, sizeof text, "this node signs nothing until it is started again: %s", mute);
        node_view_add_warning(view, text);
    }
    if (mesh_consensus_loss(m, text, sizeof text)) node_view_add_warning(view, text);
    uint64_t absent = mesh_consensus_absent(m, tokens, sizeof tokens);
    if (absent > 0) {
        snprintf(text, sizeof text,
                 "no quorum is sure: weight %" PRIu64 " has not been heard of, of the seats %s",
                 absent, tokens);
        node_view_add_warning(view, text);
    }
    if (m->descriptors_warning[0] != '\0') node_view_add_warning(view, m->descriptors_warning);
    for (size_t i = 0; i < m->config->warning_count; i++)
        node_view_add_warning(view, m->config->warnings[i]);
}

static void copy_counters(struct mesh *m)
{
    struct gossip_counters c;
    if (m->gossip == NULL) return;
    gossip_counters(&c, m->gossip);
    node_metric_set(&m->metrics->suspicions, c.suspicions);
    node_metric_set(&m->metrics->refutations, c.refutations_own);
    node_metric_set(&m->metrics->probes, c.probes);
    node_metric_set(&m->metrics->local_health_score, c.awareness);
    node_metric_set(&m->metrics->probes_failed, c.probes_failed);
    node_metric_set(&m->metrics->gossip_invalid,
                    c.frames_malformed + c.statements_forged + c.statements_invalid);
    node_metric_set(&m->metrics->budget_peak_permille, m->budget_peak_permille);
    node_metric_set(&m->metrics->log_lines_dropped, node_logsink_dropped(m->sink));
}

static void copy_link_counters(struct mesh *m)
{
    struct node_links_stats stats;
    struct node_metric_family *family = &m->metrics->inbound_dials;
    if (m->links == NULL || mesh_now() < m->link_stats_next_ms) return;
    m->link_stats_next_ms = mesh_now() + LINK_STATS_MS;
    node_links_stats(m->links, &stats);
    node_metric_gauge(family, stats.refused_budget_count, "refused_budget");
    node_metric_gauge(family, stats.refused_address_count, "refused_address");
    node_metric_gauge(family, stats.refused_descriptor_count, "refused_descriptors");
}

void mesh_view_publish(struct mesh *m)
{
    struct node_view *view;
    if (node_view_new(&view) != BASE_OK) return;
    fill_self(m, view);
    for (size_t i = 0; m->gossip != NULL && i < gossip_member_count(m->gossip); i++)
        add_member(m, view, i);
    add_links(m, view);
    add_endpoints(m, view);
    add_checks(m, view);
    add_warnings(m, view);
    node_refusal_ring_add_to(m->refusals, view);
    copy_counters(m);
    copy_link_counters(m);
    mesh_consensus_figures(m);
    (void)node_view_publish(m->slot, view);
}
