/*
 * executor.c - batches and calls.
 */
#include "server/executor_parts.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/blocked.h"
#include "server/client_eviction.h"
#include "server/conn.h"
#include "server/debug_gate.h"
#include "server/errorstats.h"
#include "server/executor.h"
#include "server/gates.h"
#include "server/latency.h"
#include "server/log.h"
#include "server/monitor.h"
#include "server/network.h"
#include "server/outlimit.h"
#include "server/push.h"
#include "server/server.h"
#include "server/slowlog.h"
#include "server/tracking.h"
#include "server/transaction.h"
#include "storage/eviction.h"
#include "storage/value.h"

enum { ARGS_KEEP = 64 * 1024, HTTP_WARNING_MS = 60000 };

struct executor *executor_create(struct server *s)
{
    (void)s;
    struct executor *ex = mem_alloc_zeroed(sizeof *ex);
    ex->slow_ticks = UINT64_MAX;
    return ex;
}

void executor_destroy(struct executor *ex)
{
    if (ex == NULL)
        return;
    arg_list_fini(&ex->args);
    mem_free(ex);
}

void executor_arm(struct server *s, enum gate gate, bool on)
{
    if (on)
        s->executor->armed |= gate;
    else
        s->executor->armed &= ~(uint32_t)gate;
}

void executor_refresh_time(struct server *s)
{
    s->keys->now_ms = clock_wall_ms();
}

/* -- calls ------------------------------------------------------------------------------------- */

/* A command took long enough for somebody to want to know, and for the clock to have moved on. */
static void tell_slow(struct call *call, uint64_t ticks)
{
    struct server *s = call->server;
    uint64_t us = clock_ticks_to_ns(ticks) / 1000;
    if (s->executor->depth == 0)
        executor_refresh_time(s);
    if (!(call->command->flags & CMD_SKIP_SLOWLOG))
        slowlog_consider(call, us);
    latency_event(s, call->command->flags & CMD_FAST ? "fast-command" : "command", us);
}

void executor_set_thresholds(struct server *s)
{
    uint64_t us = 1000; /* the clock is refreshed after a call of a millisecond */
    if (s->opt.slowlog_log_slower_than >= 0 && (uint64_t)s->opt.slowlog_log_slower_than < us)
        us = (uint64_t)s->opt.slowlog_log_slower_than;
    s->executor->slow_ticks = clock_us_to_ticks(us);
}

static void count_error(struct server *s, struct command_slot *command)
{
    command->failed++;
    s->executor->errors_seen = s->reply_errors.count;
    if (!s->executor->error_is_known)
        error_stats_count(s, bytes_of(s->reply_errors.text, s->reply_errors.len));
    s->executor->error_is_known = false;
}

static void count_latency(struct command_slot *command, uint64_t ticks)
{
    if (command->latency == NULL)
        command->latency = histogram_create();
    histogram_record(command->latency, clock_ticks_to_ns(ticks));
}

void executor_ignore_errors(struct server *s)
{
    s->executor->errors_seen = s->reply_errors.count;
}

void executor_error_is_known(struct server *s)
{
    s->executor->error_is_known = true;
}

bool executor_is_out_of_memory(const struct server *s)
{
    return s->executor->armed & GATE_MEMORY && s->executor->out_of_memory;
}

void executor_refused(struct server *s, struct command_slot *command)
{
    if (command != NULL)
        command->rejected++;
    s->executor->errors_seen = s->reply_errors.count;
    error_stats_count(s, bytes_of(s->reply_errors.text, s->reply_errors.len));
}

bool executor_call(struct call *call)
{
    struct server *s = call->server;
    struct command_slot *command = call->command;
    uint64_t began = s->ticks;
    call->client->last_command = command;
    bool has_waited = call->client->wait != NULL; /* monitors saw it when it began to wait */
    const struct call *outer = s->running;
    s->running = call;
    if (s->executor->depth++ == 0) {
        executor_ignore_errors(s); /* what was written before is no failure of this call */
        s->executing = call->client;
    }
    command->row->run(call);
    if (__builtin_expect(s->clients.tracking > 0, 0))
        tracking_after(call);
    if (--s->executor->depth == 0) {
        s->executing = NULL;
        if (__builtin_expect(s->has_own_pushes, 0))
            push_send_own(call->client);
    }
    s->running = outer;
    s->ticks = clock_ticks();
    if (__builtin_expect(s->clients.monitors > 0, 0) && !has_waited)
        monitor_feed(call);
    if (__builtin_expect(call->client->flags & CLIENT_BLOCKED, 0))
        return true; /* it counts when it is served */
    uint64_t took = s->ticks - began;
    s->stats.commands++;
    command->calls++;
    command->ticks += took;
    if (s->opt.latency_tracking)
        count_latency(command, took);
    bool failed = s->reply_errors.count != s->executor->errors_seen;
    if (__builtin_expect(failed, 0))
        count_error(s, command);
    if (__builtin_expect(took >= s->executor->slow_ticks, 0))
        tell_slow(call, took);
    return !failed;
}

/* -- from a name to a command ------------------------------------------------------------------ */

static void refuse_unknown(struct call *call)
{
    char args[160];
    size_t len = 0;
    for (int i = 1; i < call->argc && len < 128; i++) {
        int most = (int)(128 - len);
        int take = call->argv[i].len < (size_t)most ? (int)call->argv[i].len : most;
        len += (size_t)snprintf(args + len, sizeof args - len, "'%.*s' ", take, call->argv[i].ptr);
        if (len >= sizeof args)
            len = sizeof args - 1;
    }
    args[len] = '\0';
    struct bytes name = call->argv[0];
    reply_errorf(call->reply, "ERR unknown command '%.*s', with args beginning with: %s",
                 name.len < 128 ? (int)name.len : 128, name.ptr, args);
}

/* Lines of an HTTP request: somebody's browser was made to talk to us. It is cut off before it gets
 * to a command in the request's body. */
static bool is_http(struct call *call)
{
    if (!bytes_is_word(call->argv[0], "post") && !bytes_is_word(call->argv[0], "host:"))
        return false;
    struct executor *ex = call->server->executor;
    int64_t now_ms = call->keys->now_ms;
    if (now_ms >= ex->next_http_warning_ms) {
        log_write(call->server->log, LOG_LEVEL_WARNING,
                  "Possible attack across protocols: %s sent a line of HTTP and was cut off.",
                  client_address(call->client));
        ex->next_http_warning_ms = now_ms + HTTP_WARNING_MS;
    }
    client_close(call->client, false);
    return true;
}

/* Complete call->command, or answer why there is none. */
static bool find_or_refuse(struct call *call)
{
    struct command_slot *command = call->command;
    if (command != NULL && command->sub_count > 0 && call->argc >= 2)
        command = command_find_sub(command, call->argv[1]);
    if (__builtin_expect(command != NULL, 1)) {
        call->command = command;
        int arity = command->row->arity;
        if (__builtin_expect(arity > 0 ? call->argc == arity : call->argc >= -arity, 1))
            return true;
    }
    struct reply_mark mark = reply_mark(call->reply);
    if (command != NULL)
        reply_arity_error(call);
    else if (call->command != NULL)
        reply_unknown_subcommand(call);
    else if (is_http(call))
        return false;
    else
        refuse_unknown(call);
    gates_refused(call, command, mark);
    return false;
}

/* CLIENT REPLY: what was asked for takes effect on the commands behind. */
static void follow_reply_mode(struct client *c)
{
    c->flags &= ~(uint32_t)CLIENT_REPLY_SKIP;
    if (c->flags & CLIENT_REPLY_SKIP_NEXT) {
        c->flags &= ~(uint32_t)CLIENT_REPLY_SKIP_NEXT;
        c->flags |= CLIENT_REPLY_SKIP;
    }
    c->reply.muted = c->flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP);
}

static void run_request(struct executor *ex, const struct request *r)
{
    struct client *c = r->client;
    const struct bytes *argv = ex->args.args + r->first_arg;
    if (c->flags & (CLIENT_CLOSE_AFTER_REPLY | CLIENT_CLOSE_NOW))
        return;
    if (c->flags & (CLIENT_PAUSED | CLIENT_BLOCKED)) {
        if (r->argc > 0) /* what is broken stays in the input and is met again */
            conn_hold(c->conn, r->command, argv, (int)r->argc);
        return;
    }
    if (r->argc == 0) {
        conn_refuse_input(c->conn);
        return;
    }
    c->conn->running_at = r->at;
    struct call call = {
        .server = c->server,
        .client = c,
        .command = r->command,
        .argv = argv,
        .argc = (int)r->argc,
        .db = c->db,
        .keys = c->server->keys,
        .reply = &c->reply,
        .hashed_arg = r->command != NULL ? r->command->first_key : 0,
        .hash = r->hash,
    };
    if (find_or_refuse(&call)) {
        uint32_t armed =
            ex->armed | c->gates | (call.command->flags & CMD_PROTECTED ? GATE_PROTECTED : 0);
        if (armed == 0 || gates_pass(&call, armed))
            executor_call(&call);
    }
    c->commands++;
    if (__builtin_expect(c->server->clients.blocked > 0, 0) && ex->depth == 0)
        blocked_serve(c->server);
    if (c->flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT))
        follow_reply_mode(c);
}

/* -- batches ----------------------------------------------------------------------------------- */

/* Append the next request of a connection to the batch. False: it has none (any more). */
static bool gather_one(struct executor *ex, struct conn *c)
{
    uint32_t first = ex->args.count;
    size_t at = c->pos;
    enum request_step step = conn_next_request(c, &ex->args);
    if (step == REQUEST_BROKEN) /* answered in its turn, behind the replies to what came before */
        ex->batch[ex->count++] =
            (struct request){.client = c->client, .first_arg = first, .at = at};
    if (step != REQUEST_READY)
        return false;
    uint32_t argc = ex->args.count - first;
    if (argc == 0)
        return true; /* an empty request is none */
    struct request *r = &ex->batch[ex->count++];
    struct server *s = c->client->server;
    struct bytes *argv = ex->args.args + first;
    *r = (struct request){c->client, command_find(s->commands, argv[0]), first, argc, at, 0};
    if (r->command != NULL && r->command->first_key > 0 && r->command->first_key < argc) {
        struct bytes key = argv[r->command->first_key];
        r->hash = dict_hash(key);
        dict_prefetch_bucket(&s->keys->dbs[c->client->db].keys, r->hash);
    }
    return true;
}

static bool may_run(const struct conn *c)
{
    uint32_t flags = c->client->flags;
    return !c->choked && !(flags & (CLIENT_CLOSE_AFTER_REPLY | CLIENT_CLOSE_NOW | CLIENT_PAUSED |
                                    CLIENT_BLOCKED));
}

static struct conn *pop_ready(struct network *net)
{
    struct conn *c = net->ready.first;
    if (c == NULL)
        return NULL;
    net->ready.first = c->next_ready;
    if (net->ready.first == NULL)
        net->ready.last = NULL;
    c->is_ready = false;
    return c;
}

/* Fill the batch from the ready connections, in turns: who has more to say queues again behind the
 * others. A request of somebody who has not authenticated ends the batch: it may be AUTH, which
 * lifts the limits of what comes behind. */
static void gather(struct executor *ex, struct network *net)
{
    ex->count = 0;
    ex->args.count = 0;
    for (struct conn *c; ex->count < BATCH && (c = pop_ready(net)) != NULL;) {
        if (!c->is_settling) {
            c->is_settling = true;
            c->next_settling = net->settling;
            net->settling = c;
        }
        if (!may_run(c) || c->is_kept)
            continue;
        bool known = c->client->flags & CLIENT_AUTHENTICATED, more;
        do {
            more = gather_one(ex, c);
        } while (known && more && ex->count < BATCH);
        if (more)
            conn_mark_ready(c);
        else
            client_eviction_note(c->client);
        if (!known)
            break;
    }
}

static void prefetch_entries(const struct executor *ex)
{
    for (int i = 0; i < ex->count; i++) {
        const struct request *r = &ex->batch[i];
        if (r->hash != 0)
            dict_prefetch_entry(&r->client->server->keys->dbs[r->client->db].keys, r->hash);
    }
}

struct look {
    const struct dict *table;
    uint64_t hash;
};

enum { FURTHER_KEYS = 2 };

/* Scripts and their like say how many keys they name: the next ones are fetched, too. Returns how
 * many looks there are. */
static int look_at_further_keys(const struct executor *ex, const struct request *r,
                                struct look look[FURTHER_KEYS])
{
    const struct bytes *argv = ex->args.args + r->first_arg;
    uint32_t first = r->command->first_key;
    struct bytes named = argv[r->command->row->keys[0].first];
    int count = 0;
    while (count < FURTHER_KEYS && named.len == 1 && named.ptr[0] > '1' + count &&
           named.ptr[0] <= '9' && first + (uint32_t)count + 1 < r->argc) {
        struct look *l = &look[count];
        l->table = &r->client->server->keys->dbs[r->client->db].keys;
        l->hash = dict_hash(argv[first + (uint32_t)++count]);
        dict_prefetch_bucket(l->table, l->hash);
    }
    return count;
}

/* Look-ups in a large value miss the caches as those of keys do. Once the keys' entries are here,
 * the same is done for the members that the requests name. */
static void prefetch_members(const struct executor *ex)
{
    enum { SMALL = 2048 }; /* a table of fewer members stays in the caches by itself */
    struct look look[BATCH * (1 + FURTHER_KEYS)];
    int count = 0;
    for (int i = 0; i < ex->count; i++) {
        const struct request *r = &ex->batch[i];
        if (r->hash != 0 && r->command->row->keys[0].counted)
            count += look_at_further_keys(ex, r, look + count);
        if (r->hash == 0 || r->command->row->member == 0 || r->command->row->member >= r->argc)
            continue;
        const struct bytes *argv = ex->args.args + r->first_arg;
        const struct dict *keys = &r->client->server->keys->dbs[r->client->db].keys;
        const struct entry *e = dict_find(keys, argv[r->command->first_key], r->hash);
        const struct value_ops *ops = e != NULL ? value_ops(entry_type(e)) : NULL;
        const struct dict *table = ops != NULL && ops->members != NULL ? ops->members(e) : NULL;
        if (table == NULL || table->count < SMALL)
            continue;
        look[count].table = table;
        look[count].hash = dict_hash(argv[r->command->row->member]);
        dict_prefetch_bucket(table, look[count++].hash);
    }
    for (int i = 0; i < count; i++)
        dict_prefetch_entry(look[i].table, look[i].hash);
}

static void run_one(struct server *s, struct executor *ex, const struct request *r)
{
    struct client *c = r->client;
    if (__builtin_expect(s->client_sizes.limit != 0, 0))
        client_eviction_run(s);
    run_request(ex, r);
    client_touch_output(c);
    if (__builtin_expect(s->client_sizes.limit != 0, 0))
        client_eviction_note(c);
    if (__builtin_expect(reply_bytes(&c->reply) <= REPLY_CHUNK, 1))
        return;
    if (!outlimit_check(c) && reply_bytes(&c->reply) > REPLY_CHUNK * 16) {
        conn_flush(c->conn); /* a long pipeline of long replies */
        c->conn->choked = outlimit_choked(c);
    }
}

static void run_batch(struct server *s, struct executor *ex)
{
    s->ticks = clock_ticks();
    for (ex->at = 0; ex->at < ex->count; ex->at++)
        if (ex->batch[ex->at].client != NULL)
            run_one(s, ex, &ex->batch[ex->at]);
}

void executor_drain(struct server *s)
{
    struct executor *ex = s->executor;
    executor_refresh_time(s);
    executor_unpause_if_due(s);
    if (s->network->ready.first == NULL)
        return;
    uint64_t began = clock_ticks(), commands = s->stats.commands;
    int64_t now_ms = s->keys->now_ms;
    while (s->network->ready.first != NULL && !s->stopping) {
        gather(ex, s->network);
        prefetch_entries(ex);
        prefetch_members(ex);
        for (int i = 0; i < ex->count; i++)
            ex->batch[i].client->active_ms = now_ms;
        run_batch(s, ex);
    }
    if (ex->args.room > ARGS_KEEP)
        arg_list_fini(&ex->args);
    s->stats.cycle_command_ticks += clock_ticks() - began;
    commands = s->stats.commands - commands;
    if (commands > s->stats.cycle_commands_max)
        s->stats.cycle_commands_max = commands;
}

/* -- inside of a request that takes long ------------------------------------------------------- */

void executor_finish_batch(struct server *s)
{
    struct executor *ex = s->executor;
    for (int i = ex->at + 1; i < ex->count; i++) {
        struct request r = ex->batch[i];
        if (r.client == NULL || r.client->conn->is_kept)
            continue;
        ex->batch[i].client = NULL;
        run_one(s, ex, &r);
    }
}

void executor_drain_inside(struct server *s)
{
    struct executor *ex = s->executor;
    struct {
        struct arg_list args;
        int count, at;
        struct request batch[BATCH];
    } outer = {ex->args, ex->count, ex->at, {{0}}};
    memcpy(outer.batch, ex->batch, sizeof outer.batch);
    ex->args = (struct arg_list){0};
    while (s->network->ready.first != NULL && !s->stopping) {
        gather(ex, s->network);
        run_batch(s, ex);
    }
    arg_list_fini(&ex->args);
    ex->args = outer.args;
    ex->count = outer.count;
    ex->at = outer.at;
    memcpy(ex->batch, outer.batch, sizeof outer.batch);
}
