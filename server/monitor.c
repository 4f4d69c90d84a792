/*
 * monitor.c - MONITOR: every command to whoever asked to see them.
 *
 * A line is made once and goes to all monitors: +<seconds>.<microseconds> [<db> <from>] "name"
 * "argument" ... A monitor that does not keep up is closed by the limits on waiting output, like
 * any client.
 */
#include "server/monitor.h"

#include "base/clock.h"
#include "base/quote.h"
#include "server/client.h"
#include "server/command.h"
#include "server/executor.h"
#include "server/outlimit.h"
#include "server/redact.h"
#include "server/server.h"

/* Who sent it: an address, the path of the Unix socket, or lua for commands of scripts. */
static void add_origin(struct text *line, const struct client *c)
{
    if (c->conn == NULL)
        text_addf(line, "[%d lua]", c->db);
    else if ((c->flags & CLIENT_UNIX_SOCKET) != 0)
        text_addf(line, "[%d unix:%s]", c->db, c->server->opt.unixsocket);
    else
        text_addf(line, "[%d %s]", c->db, client_address(c));
}

static void format_line(struct text *line, const struct call *call)
{
    redact_rule *rule = redact_rule_of(call->command);
    int64_t now_us = clock_wall_us();
    text_addf(line, "+%lld.%06lld ", (long long)(now_us / 1000000), (long long)(now_us % 1000000));
    add_origin(line, call->client);
    for (int i = 0; i < call->argc; i++) {
        text_add(line, bytes_of(" ", 1));
        quote_add(line, redact_argument(rule, call->argv, call->argc, i));
    }
    text_add(line, bytes_of("\r\n", 2));
}

/* Requests of a client that does not read are made to wait, but what others run is not: without a
 * limit of its own, a monitor is closed where a client's requests would wait. */
static void limit_output(struct client *c)
{
    if (!outlimit_check(c) && outlimit_choked(c))
        client_close(c, false);
}

static void feed(const struct call *call)
{
    struct text line = {0};
    format_line(&line, call);
    struct client *c = call->server->clients.first_monitor;
    for (; c != NULL; c = c->next_monitor) {
        if ((c->flags & (CLIENT_CLOSE_NOW | CLIENT_CLOSE_AFTER_REPLY)) != 0)
            continue;
        reply_raw(&c->reply, text_view(&line));
        client_touch_output(c);
        limit_output(c);
    }
    text_fini(&line);
}

void monitor_feed(const struct call *call)
{
    if ((call->command->flags & (CMD_SKIP_MONITOR | CMD_ADMIN)) == 0)
        feed(call);
}

void monitor_feed_script(const struct call *call)
{
    if (call->server->clients.monitors > 0)
        feed(call);
}

void monitor_start(struct client *c)
{
    struct server *s = c->server;
    c->flags |= CLIENT_MONITOR;
    c->gates |= GATE_MONITORING;
    c->next_monitor = s->clients.first_monitor;
    s->clients.first_monitor = c;
    s->clients.monitors++;
}

void monitor_stop(struct client *c)
{
    struct server *s = c->server;
    if ((c->flags & CLIENT_MONITOR) == 0)
        return;
    struct client **at = &s->clients.first_monitor;
    while (*at != c)
        at = &(*at)->next_monitor;
    *at = c->next_monitor;
    c->flags &= ~(uint32_t)CLIENT_MONITOR;
    c->gates &= ~(uint32_t)GATE_MONITORING;
    s->clients.monitors--;
}
