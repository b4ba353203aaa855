#include "node/simulator.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "attest/pins.h"
#include "base/aead.h"
#include "base/ecdsa.h"
#include "base/err.h"
#include "base/json.h"
#include "node/agent_sim.h"
#include "node/options.h"
#include "node/store.h"

#define INSTANCES_MAX   64
#define CONNECTIONS_MAX 64
#define TIMEOUT_S       10
#define WHY_BYTES       512
#define FILE_BYTES_MAX  ((size_t)64 << 10)

struct instance {
    const char *path;
    struct node_agent_sim agent;
    struct MHD_Daemon *daemon;
    int fd;
};

static int check_app_id(const char *value, char *why, size_t why_bytes)
{
    uint8_t bytes[BASE_ADDRESS_BYTES];
    if (base_hex_decode_0x(bytes, sizeof bytes, value) == BASE_OK) return BASE_OK;
    snprintf(why, why_bytes, "is not 40 hex digits");
    return BASE_EINVAL;
}

static const struct node_option simulator_options[] = {
    {.name = "socket",
     .argument = "PATH",
     .help = "Unix socket to serve; again for each further instance.",
     .repeatable = true,
     .kind = NODE_OPTION_TEXT},
    {.name = "app-id",
     .argument = "HEX",
     .help = "App id of all instances, 40 hex digits. By default it is made from the KMS key.",
     .check = check_app_id,
     .kind = NODE_OPTION_TEXT},
    {.name = "instance-id",
     .argument = "HEX",
     .help = "Instance id of the socket in the same place, 40 hex digits. By default it is made "
             "from the KMS key and the socket's path.",
     .repeatable = true,
     .check = check_app_id,
     .kind = NODE_OPTION_TEXT},
    {.name = "kms-key",
     .argument = "FILE",
     .help = "The KMS root's private key, 64 hex digits; made when the file does not exist. By "
             "default kms.key beside the first socket.",
     .kind = NODE_OPTION_TEXT},
    {.name = "appkeys",
     .argument = "FILE",
     .help = "App key and KMS signature from an appkeys.json of the official simulator, instead "
             "of a KMS key; --app-id must be the one that it was issued for.",
     .kind = NODE_OPTION_TEXT},
};
static const struct node_option_table simulator_table = {
    .command = "nftmesh simulator",
    .usage = "--socket PATH [options]",
    .intro = "The DStack guest agent for development. Keys and signature chains are real, made "
             "from a KMS key on this disk; quotes are a recording whose signature does not "
             "verify. A node takes it with --dev only, on chain 31337 or 1337.",
    .outro = "Example:\n"
             "  nftmesh simulator --socket /tmp/vm1.sock\n"
             "  curl --unix-socket /tmp/vm1.sock -d '{}' http://dstack/Info\n",
    .options = simulator_options,
    .option_count = sizeof simulator_options / sizeof simulator_options[0],
};

/* ---- one request ---- */

struct upload {
    struct base_buf body;
};
struct query {
    json_t *fields;
    bool unusable;
};

static enum MHD_Result on_query(void *ctx, enum MHD_ValueKind kind, const char *key, size_t key_len,
                                const char *value, size_t value_len)
{
    struct query *query = ctx;
    (void)kind;
    if (key == NULL || strlen(key) != key_len || json_object_get(query->fields, key) != NULL) {
        query->unusable = true;
        return MHD_YES;
    }
    json_t *text = json_stringn(value != NULL ? value : "", value != NULL ? value_len : 0);
    if (json_object_set_new(query->fields, key, text) != 0) query->unusable = true;
    return MHD_YES;
}

/* GET /Method?field=value is POST /Method with these fields. False when one is no UTF-8 or is there
 * twice: left out it would have its default, and the answer would be another key. */
static bool query_to_body(struct MHD_Connection *connection, struct base_buf *body)
{
    struct query query = {.fields = json_object()};
    MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, on_query, &query);
    char *text = json_dumps(query.fields, JSON_COMPACT);
    if (text != NULL) base_buf_puts(body, text);
    bool usable = text != NULL && !query.unusable;
    free(text);
    json_decref(query.fields);
    return usable;
}

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, const char *data,
                               size_t len)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(len, (void *)(uintptr_t)data, MHD_RESPMEM_MUST_COPY);
    if (r == NULL) return MHD_NO;
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    /* The official client answers its caller only when our side of the connection ends. */
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result rv = MHD_queue_response(connection, status, r);
    MHD_destroy_response(r);
    return rv;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, const char *json)
{
    return respond(connection, 400, json, strlen(json));
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **state)
{
    const struct instance *instance = ctx;
    struct upload *upload = *state;
    bool post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    (void)version;
    if (upload == NULL) {
        upload = calloc(1, sizeof *upload);
        if (upload == NULL) return MHD_NO;
        base_buf_init(&upload->body, NODE_AGENT_SIM_BODY_BYTES_MAX);
        *state = upload;
        return MHD_YES;
    }
    if (*data_len > 0) {
        base_buf_append(&upload->body, data, *data_len);
        *data_len = 0;
        return MHD_YES;
    }
    if (!post && strcmp(method, MHD_HTTP_METHOD_GET) != 0)
        return refuse(connection, "{\"error\":\"use POST or GET\"}");
    if (!post && !query_to_body(connection, &upload->body))
        return refuse(connection, "{\"error\":\"the query is not UTF-8, or has a field twice\"}");
    if (upload->body.failed) return refuse(connection, "{\"error\":\"request body too large\"}");

    struct base_buf answer;
    base_buf_init(&answer, NODE_AGENT_SIM_ANSWER_BYTES_MAX);
    unsigned status =
        node_agent_sim_answer(&answer, &instance->agent, url, upload->body.data, upload->body.len);
    enum MHD_Result rv = respond(connection, status, answer.data, answer.len);
    base_buf_deinit(&answer);
    return rv;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct upload *upload = *state;
    (void)ctx;
    (void)connection;
    (void)why;
    if (upload == NULL) return;
    base_buf_deinit(&upload->body);
    free(upload);
    *state = NULL;
}

/* ---- sockets ---- */

/* A stale socket of an earlier run is replaced; one that answers belongs to somebody. */
static int listen_unix(const char *path, char *why)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct stat st;
    if (strlen(path) >= sizeof addr.sun_path) {
        snprintf(why, WHY_BYTES, "%s: longer than the %zu bytes of a socket path", path,
                 sizeof addr.sun_path - 1);
        return -1;
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0) {
        snprintf(why, WHY_BYTES, "%s: another process serves this socket: stop it first", path);
        close(fd);
        return -1;
    }
    if (fd >= 0 && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 || chmod(path, 0777) != 0 ||
        listen(fd, CONNECTIONS_MAX) != 0) {
        snprintf(why, WHY_BYTES, "%s: %s", path, strerror(errno));
        if (fd >= 0) close(fd);
        return -1;
    }
    return fd;
}

static int instance_start(struct instance *instance, char *why)
{
    instance->fd = listen_unix(instance->path, why);
    if (instance->fd < 0) return BASE_EIO;
    instance->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL, on_request, instance,
        MHD_OPTION_LISTEN_SOCKET, instance->fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_END);
    if (instance->daemon != NULL) return BASE_OK;
    close(instance->fd);
    unlink(instance->path);
    snprintf(why, WHY_BYTES, "%s: cannot start a server thread", instance->path);
    return BASE_EIO;
}

static void instance_stop(struct instance *instance)
{
    if (instance->daemon == NULL) return;
    MHD_stop_daemon(instance->daemon); /* closes the listening socket too */
    unlink(instance->path);
}

/* ---- keys ---- */

static int make_root(struct base_privkey *root, const char *path, char *why)
{
    char text[2 * sizeof root->bytes + 2];
    do {
        base_random(root->bytes, sizeof root->bytes);
    } while (base_ecdsa_privkey_check(root) != BASE_OK);
    base_hex_encode(text, root->bytes, sizeof root->bytes);
    text[2 * sizeof root->bytes] = '\n';
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1;
    if (fd >= 0 && close(fd) != 0) written = false;
    base_memzero(text, sizeof text);
    if (written) return BASE_OK;
    snprintf(why, WHY_BYTES, "--kms-key %s: cannot write it: %s", path, strerror(errno));
    return BASE_EIO;
}

static int read_root(struct base_privkey *root, const char *path, char *why)
{
    char text[128];
    if (access(path, F_OK) != 0) return make_root(root, path, why);
    int rv = node_secret_read(text, sizeof text, path, why);
    if (rv != BASE_OK) return rv;
    rv = base_hex_decode_0x(root->bytes, sizeof root->bytes, text);
    base_memzero(text, sizeof text);
    if (rv == BASE_OK) rv = base_ecdsa_privkey_check(root);
    if (rv != BASE_OK)
        snprintf(why, WHY_BYTES, "--kms-key %s: not a private key in 64 hex digits", path);
    return rv;
}

static void default_root_path(char *out, size_t cap, const char *socket_path)
{
    const char *slash = strrchr(socket_path, '/');
    int dir = slash == NULL ? 0 : (int)(slash - socket_path + 1);
    snprintf(out, cap, "%.*skms.key", dir, socket_path);
}

/* 20 bytes made from a label, the root's public key and a text: the same at each start. */
static void default_id(struct base_eth_address *out, const struct base_privkey *root,
                       const char *label, const char *text)
{
    struct base_key33 pub;
    struct base_hash32 hash;
    char input[512];
    char hex[2 * BASE_KEY33_BYTES + 1];
    if (base_ecdsa_pubkey(&pub, root) != BASE_OK) memset(&pub, 0, sizeof pub);
    base_hex_encode(hex, pub.bytes, sizeof pub.bytes);
    int len = snprintf(input, sizeof input, "nftmesh-simulator %s %s %s", label, hex, text);
    base_sha256(&hash, input, len < (int)sizeof input ? (size_t)len : sizeof input - 1);
    memcpy(out->bytes, hash.bytes, sizeof out->bytes);
}

static int load_appkeys(struct node_agent_sim *agent, const char *path,
                        const struct base_eth_address *app_id,
                        const struct base_eth_address *instance, char *why)
{
    char field_why[200];
    char *text = malloc(FILE_BYTES_MAX);
    FILE *f = text == NULL ? NULL : fopen(path, "rbe");
    if (f == NULL) {
        snprintf(why, WHY_BYTES, "--appkeys %s: %s", path, strerror(errno));
        free(text);
        return BASE_EIO;
    }
    size_t len = fread(text, 1, FILE_BYTES_MAX, f);
    fclose(f);
    int rv = node_agent_sim_from_appkeys(agent, text, len, app_id, instance, field_why,
                                         sizeof field_why);
    base_memzero(text, len);
    free(text);
    if (rv != BASE_OK) snprintf(why, WHY_BYTES, "--appkeys %s: %s", path, field_why);
    return rv;
}

/* ---- the command ---- */

static int make_instances(struct instance *instances, size_t count,
                          const struct node_options *options, char *why)
{
    const char *appkeys = node_options_text(options, "appkeys");
    const char *app_text = node_options_text(options, "app-id");
    struct base_privkey root = {{0}};
    struct base_eth_address app_id, id;
    char path[NODE_STORE_PATH_BYTES];
    int rv = BASE_OK;
    if (appkeys != NULL && app_text == NULL) {
        snprintf(why, WHY_BYTES, "--appkeys needs --app-id: the id that its signature is for");
        return BASE_EINVAL;
    }
    if (appkeys != NULL && node_options_text(options, "kms-key") != NULL) {
        snprintf(why, WHY_BYTES, "--appkeys has its KMS signature already: leave out --kms-key");
        return BASE_EINVAL;
    }
    if (appkeys == NULL) {
        const char *given = node_options_text(options, "kms-key");
        if (given != NULL)
            snprintf(path, sizeof path, "%s", given);
        else
            default_root_path(path, sizeof path, instances[0].path);
        rv = read_root(&root, path, why);
        if (rv != BASE_OK) return rv;
    }
    if (app_text != NULL)
        (void)base_hex_decode_0x(app_id.bytes, sizeof app_id.bytes, app_text);
    else
        default_id(&app_id, &root, "app", "");
    for (size_t i = 0; i < count && rv == BASE_OK; i++) {
        if (i < node_options_count(options, "instance-id"))
            (void)base_hex_decode_0x(id.bytes, sizeof id.bytes,
                                     node_options_at(options, "instance-id", i));
        else
            default_id(&id, &root, "instance", instances[i].path);
        if (appkeys != NULL)
            rv = load_appkeys(&instances[i].agent, appkeys, &app_id, &id, why);
        else {
            rv = node_agent_sim_from_root(&instances[i].agent, &root, &app_id, &id);
            if (rv != BASE_OK) snprintf(why, WHY_BYTES, "%s", base_strerror(rv));
        }
    }
    base_memzero(&root, sizeof root);
    return rv;
}

static void announce(const struct instance *instance)
{
    char app[41], id[41], root[BASE_ADDRESS_TEXT_BYTES];
    base_hex_encode(app, instance->agent.app_id.bytes, BASE_ADDRESS_BYTES);
    base_hex_encode(id, instance->agent.instance.bytes, BASE_ADDRESS_BYTES);
    base_address_format(root, &instance->agent.kms_root_address);
    printf("serving %s\n  app id       %s\n  instance id  %s\n  KMS root     %s%s\n",
           instance->path, app, id, root,
           attest_root_is_public(&instance->agent.kms_root_address)
               ? "  (its private key is public: for development only)"
               : "");
}

static int serve(struct instance *instances, size_t count, char *why)
{
    sigset_t set;
    int number = 0, rv = BASE_OK;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL); /* before the server threads exist */
    for (size_t i = 0; i < count && rv == BASE_OK; i++) {
        rv = instance_start(&instances[i], why);
        if (rv == BASE_OK) announce(&instances[i]);
    }
    if (rv == BASE_OK) {
        puts("quotes are a recording with the caller's report data: their signature does not "
             "verify\nready");
        fflush(stdout);
        sigwait(&set, &number);
    }
    for (size_t i = 0; i < count; i++)
        instance_stop(&instances[i]);
    return rv;
}

int node_simulator_main(int argc, char **argv)
{
    struct node_options *options;
    enum node_options_verdict verdict;
    char why[NODE_OPTIONS_WHY_BYTES] = "";
    int rv = node_options_parse(&options, &verdict, &simulator_table, argc, argv,
                                node_option_getenv, NULL, why);
    if (rv != BASE_OK) {
        fprintf(stderr, "%s\n", why);
        return 2;
    }
    if (verdict == NODE_OPTIONS_HELP) {
        struct base_buf help;
        base_buf_init(&help, FILE_BYTES_MAX);
        node_options_help(&help, &simulator_table);
        fputs(help.data, stdout);
        base_buf_deinit(&help);
        return 0;
    }
    size_t count = node_options_count(options, "socket");
    struct instance *instances = calloc(INSTANCES_MAX, sizeof *instances);
    int status = 1;
    if (count == 0 || count > INSTANCES_MAX) {
        fprintf(stderr, "nftmesh simulator: give 1 to %d sockets with --socket PATH\n",
                INSTANCES_MAX);
        status = 2;
    } else if (instances != NULL) {
        for (size_t i = 0; i < count; i++)
            instances[i].path = node_options_at(options, "socket", i);
        rv = make_instances(instances, count, options, why);
        if (rv == BASE_OK) rv = serve(instances, count, why);
        if (rv != BASE_OK) fprintf(stderr, "nftmesh simulator: %s\n", why);
        status = rv == BASE_OK ? 0 : rv == BASE_EINVAL ? 2 : 1;
        base_memzero(instances, INSTANCES_MAX * sizeof *instances);
    }
    free(instances);
    node_options_free(options);
    return status;
}
