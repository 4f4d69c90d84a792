/*
 * outlimit.c - client-output-buffer-limit, and the choke for clients that have none.
 *
 * Redis lets the replies of a client that never reads pile up without end unless a limit is set.
 * Here such a client's requests wait once OUTPUT_CHOKE bytes do: its input is still read, so it
 * never blocks in sending, but nothing more is run for it until it reads.
 */
#include "server/outlimit.h"

#include "base/clock.h"
#include "server/log.h"
#include "server/server.h"

static const struct output_limit *limit_of(const struct client *c)
{
    enum client_class class = client_class(c);
    return &c->server->opt.client_output_buffer_limit[class == CLASS_MASTER ? CLASS_NORMAL : class];
}

static bool over_soft_limit(struct client *c, const struct output_limit *limit, size_t waiting)
{
    if (limit->soft == 0 || waiting < limit->soft) {
        c->soft_limit_since_ms = 0;
        return false;
    }
    int64_t now = clock_wall_ms();
    if (c->soft_limit_since_ms == 0)
        c->soft_limit_since_ms = now;
    return now - c->soft_limit_since_ms > (int64_t)limit->soft_seconds * 1000;
}

void outlimit_refresh(struct client *c)
{
    c->reply.limit = limit_of(c)->hard;
}

bool outlimit_check(struct client *c)
{
    if (c->conn == NULL || c->flags & (CLIENT_CLOSE_NOW | CLIENT_CLOSE_AFTER_REPLY))
        return false;
    const struct output_limit *limit = limit_of(c);
    size_t waiting = reply_memory(&c->reply);
    if (waiting > c->server->stats.output_max)
        c->server->stats.output_max = waiting;
    bool hard = c->reply.full || (limit->hard != 0 && waiting >= limit->hard);
    if (!(c->flags & CLIENT_AUTHENTICATED) && c->server->opt.requirepass.len > 0)
        hard |= reply_bytes(&c->reply) > OUTPUT_UNAUTHENTICATED;
    if (!hard && !over_soft_limit(c, limit, waiting))
        return false;
    log_write(c->server->log, LOG_LEVEL_WARNING,
              "Client id=%llu addr=%s scheduled to be closed ASAP for overcoming of output buffer "
              "limits.",
              (unsigned long long)c->id, client_address(c));
    c->server->stats.output_limit_disconnections++;
    client_close(c, false);
    return true;
}

bool outlimit_choked(const struct client *c)
{
    return reply_bytes(&c->reply) > OUTPUT_CHOKE && limit_of(c)->hard == 0;
}
