#include "node/mesh_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void mesh_event_begin(struct mesh_event *e, struct mesh *m, enum base_log_level level,
                      const char *mod, const char *ev)
{
    e->mesh = m;
    snprintf(e->type, sizeof e->type, "%s", ev);
    base_log_begin(&e->log, &m->log, level, mod, ev);
    base_log_begin(&e->json, &m->events, level, mod, ev);
}

void mesh_event_begin_quietly(struct mesh_event *e, struct mesh *m, const char *mod, const char *ev)
{
    e->mesh = m;
    snprintf(e->type, sizeof e->type, "%s", ev);
    base_log_begin(&e->log, &m->log, BASE_LOG_DEBUG, mod, ev);
    base_log_begin(&e->json, &m->events, BASE_LOG_INFO, mod, ev);
}

void mesh_event_str(struct mesh_event *e, const char *key, const char *value)
{
    base_log_str(&e->log, key, value);
    base_log_str(&e->json, key, value);
}

void mesh_event_strn(struct mesh_event *e, const char *key, struct base_slice value)
{
    base_log_strn(&e->log, key, (const char *)value.data, value.len);
    base_log_strn(&e->json, key, (const char *)value.data, value.len);
}

void mesh_event_u64(struct mesh_event *e, const char *key, uint64_t value)
{
    base_log_u64(&e->log, key, value);
    base_log_u64(&e->json, key, value);
}

void mesh_event_hex(struct mesh_event *e, const char *key, const void *data, size_t len)
{
    base_log_hex(&e->log, key, data, len);
    base_log_hex(&e->json, key, data, len);
}

void mesh_event_key(struct mesh_event *e, const char *key, const struct base_key33 *node)
{
    if (node == NULL || base_is_zero(node->bytes, sizeof node->bytes)) return;
    mesh_event_hex(e, key, node->bytes, sizeof node->bytes);
}

void mesh_event_end(struct mesh_event *e)
{
    e->mesh->event_type = e->type;
    base_log_end(&e->log);
    base_log_end(&e->json); /* its sink is mesh.c's, which hands the line to /v1/events */
}

void mesh_log(struct mesh *m, enum base_log_level level, const char *mod, const char *ev,
              const char *format, ...)
{
    struct base_log_line line;
    char text[1024];
    va_list ap;
    if (!base_log_is_on(&m->log, level)) return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    base_log_begin(&line, &m->log, level, mod, ev);
    base_log_str(&line, "msg", text);
    base_log_end(&line);
}
