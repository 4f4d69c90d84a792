/*
 * gates.c - what stands between a request and its handler: protected commands, authentication,
 * memory, replicas, pauses, MULTI.
 */
#include "server/gates.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/conn.h"
#include "server/debug_gate.h"
#include "server/executor.h"
#include "server/executor_parts.h"
#include "server/scripts.h"
#include "server/server.h"
#include "server/tracking.h"
#include "server/transaction.h"
#include "storage/eviction.h"

enum { EVICTION_SLICE_US = 500 };

static bool is_exec(const struct command_slot *command)
{
    return command->flags & CMD_UNQUEUED && strcmp(command->full_name, "exec") == 0;
}

/* EXEC that is refused is the end of its transaction; it says so, and why. */
static void refuse_exec(struct call *call, struct reply_mark mark)
{
    const struct reply_errors *errors = &call->server->reply_errors;
    char why[REPLY_ERROR_MAX];
    int skip = errors->len > 4 && memcmp(errors->text, "ERR ", 4) == 0 ? 4 : 0;
    snprintf(why, sizeof why, "%.*s", (int)errors->len - skip, errors->text + skip);
    reply_rewind(call->reply, mark);
    reply_errorf(call->reply, "EXECABORT Transaction discarded because of: %s", why);
    transaction_discard(call->client);
}

void gates_refused(struct call *call, struct command_slot *command, struct reply_mark mark)
{
    if (command != NULL && is_exec(command))
        refuse_exec(call, mark);
    executor_refused(call->server, command);
    if (call->client->flags & CLIENT_MULTI)
        transaction_abort(call->client);
}

static bool gate_protected(struct call *call)
{
    if (!(call->command->flags & CMD_PROTECTED) || debug_is_allowed(call->server, call->client))
        return true;
    reply_error(call->reply, "ERR DEBUG command not allowed. If the enable-debug-command option is "
                             "set to \"local\", you can run it from a local connection, otherwise "
                             "you need to set this option in the configuration file, and then "
                             "restart the server.");
    return false;
}

static bool gate_unauthenticated(struct call *call)
{
    if (call->command->flags & CMD_NO_AUTH || call->client->flags & CLIENT_AUTHENTICATED ||
        call->server->opt.requirepass.len == 0)
        return true;
    reply_error(call->reply, "NOAUTH Authentication required.");
    return false;
}

/* How long one command may be held up for eviction: maxmemory-eviction-tenacity 0 is not at all, 10
 * is 500 us, each 5 beyond double that, 100 is as long as it takes. */
static int64_t eviction_slice_us(const struct server *s)
{
    int64_t tenacity = s->opt.maxmemory_eviction_tenacity;
    if (tenacity <= 10)
        return EVICTION_SLICE_US * tenacity / 10;
    return tenacity < 100 ? (int64_t)(EVICTION_SLICE_US * exp2((double)(tenacity - 10) / 5))
                          : INT64_MAX / 2;
}

/* The time spent above maxmemory: current and total, as INFO shows it. */
static void note_memory(struct stats *st, bool exceeds)
{
    int64_t now_us = clock_mono_us();
    if (exceeds && st->eviction_exceeding_since_us == 0) {
        st->eviction_exceeding_since_us = (uint64_t)now_us;
    } else if (!exceeds && st->eviction_exceeding_since_us != 0) {
        st->eviction_exceeded_us += (uint64_t)now_us - st->eviction_exceeding_since_us;
        st->eviction_exceeding_since_us = 0;
    }
}

/* What is evicted counts, besides what is free in the end: large values end in the background, and
 * telling the clients that track a key takes memory, for which no further key should have to go. */
bool executor_make_room(struct server *s)
{
    uint64_t limit = (uint64_t)s->opt.maxmemory;
    if (s->executor->armed & GATE_PAUSE)
        return true; /* a pause keeps the data as they are */
    size_t used = mem_used(), freed = 0;
    if (limit == 0 || used <= limit) {
        if (s->stats.eviction_exceeding_since_us != 0)
            note_memory(&s->stats, false);
        return true;
    }
    note_memory(&s->stats, true);
    int64_t until = clock_mono_us() + eviction_slice_us(s);
    for (int evicted = 0; freed < used - limit && mem_used() > limit; evicted++) {
        size_t bytes =
            eviction_evict_one(s->eviction, s->keys, (enum eviction_policy)s->opt.maxmemory_policy,
                               (int)s->opt.maxmemory_samples);
        if (bytes == 0)
            return false;
        freed += bytes;
        if (evicted % 16 == 15 && clock_mono_us() > until)
            break; /* the next command goes on: no single one pays for all */
    }
    note_memory(&s->stats, mem_used() > limit);
    return true;
}

/* Inside MULTI everything that is queued would have to run later: refused as Redis refuses it. */
static bool gate_memory(struct call *call)
{
    if (call->server->executor->armed & GATE_BUSY)
        return true;
    call->server->executor->out_of_memory = !executor_make_room(call->server);
    if (!call->server->executor->out_of_memory)
        return true;
    const struct client *c = call->client;
    uint32_t flags = call_flags(call);
    bool grows = flags & CMD_DENYOOM;
    if (c->flags & CLIENT_MULTI) {
        if (!(flags & CMD_UNQUEUED))
            grows = true;
        else if (is_exec(call->command))
            grows = c->transaction->all_flags & CMD_DENYOOM;
    }
    if (!grows)
        return true;
    reply_error(call->reply, "OOM command not allowed when used memory > 'maxmemory'.");
    return false;
}

/* The transaction's writes count as EXEC's own. */
static uint32_t all_flags(const struct call *call)
{
    const struct transaction *t = is_exec(call->command) ? call->client->transaction : NULL;
    return call_flags(call) | (t != NULL ? t->all_flags : 0);
}

static bool gate_tracking(struct call *call)
{
    tracking_limit(call->server);
    return true;
}

/* PING as well, so that whoever watches the server notices. */
static bool gate_snapshot(struct call *call)
{
    if (!(all_flags(call) & CMD_WRITE) && strcmp(call->command->full_name, "ping") != 0)
        return true;
    reply_error(call->reply, snapshot_misconf);
    return false;
}

/* There are no replicas, and so never enough. */
static bool gate_replicas(struct call *call)
{
    if (!(all_flags(call) & CMD_WRITE))
        return true;
    reply_error(call->reply, "NOREPLICAS Not enough good replicas to write.");
    return false;
}

/* In RESP2, a client could not tell a reply from a message. */
static bool gate_subscribed(struct call *call)
{
    if (call->command->flags & CMD_SUBSCRIBED)
        return true;
    reply_errorf(call->reply,
                 "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                 "RESET are allowed in this context",
                 call->command->full_name);
    return false;
}

/* Redis's words: to it, who monitors is a kind of replica. */
static bool gate_monitoring(struct call *call)
{
    if (!(call->command->flags & (CMD_READONLY | CMD_WRITE | CMD_MAY_REPLICATE)))
        return true;
    reply_error(call->reply, "ERR Replica can't interact with the keyspace");
    return false;
}

/* A call that waits is no error: it is held, with all that the client sends after it. */
static bool gate_pause(struct call *call)
{
    struct executor *ex = call->server->executor;
    struct client *c = call->client;
    if (c->conn == NULL || !(ex->paused_all || all_flags(call) & (CMD_WRITE | CMD_MAY_REPLICATE)))
        return true;
    c->flags |= CLIENT_PAUSED;
    call->server->clients.paused++;
    conn_hold(c->conn, call->command, call->argv, call->argc);
    return false;
}

/* A script takes long. */
static bool gate_busy(struct call *call)
{
    if (call->command->flags & CMD_ALLOW_BUSY)
        return true;
    reply_error(call->reply, scripts_busy_error(call->server->scripts));
    return false;
}

static bool gate_multi(struct call *call)
{
    struct command_slot *command = call->command;
    if (command->flags & CMD_UNQUEUED)
        return true;
    if (command->flags & CMD_NO_MULTI) {
        reply_error(call->reply, "ERR Command not allowed inside a transaction");
        return false;
    }
    transaction_queue(call);
    reply_simple(call->reply, "QUEUED");
    return false;
}

static const struct {
    enum gate gate;
    bool (*pass)(struct call *call);
} gates[] = {
    {GATE_PROTECTED, gate_protected},
    {GATE_UNAUTHENTICATED, gate_unauthenticated},
    {GATE_MEMORY, gate_memory},
    {GATE_TRACKING, gate_tracking},
    {GATE_SNAPSHOT, gate_snapshot},
    {GATE_REPLICAS, gate_replicas},
    {GATE_SUBSCRIBED, gate_subscribed},
    {GATE_MONITORING, gate_monitoring},
    {GATE_BUSY, gate_busy},
    {GATE_PAUSE, gate_pause},
    {GATE_MULTI, gate_multi},
};

bool gates_pass(struct call *call, uint32_t armed)
{
    struct server *s = call->server;
    uint64_t errors = s->reply_errors.count;
    struct reply_mark mark = reply_mark(call->reply);
    for (size_t i = 0; i < sizeof gates / sizeof *gates; i++) {
        if (!(armed & gates[i].gate) || gates[i].pass(call))
            continue;
        if (s->reply_errors.count != errors)
            gates_refused(call, call->command, mark);
        return false;
    }
    return true;
}
