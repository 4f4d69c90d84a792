/*
 * transactions.c - MULTI, EXEC, DISCARD.
 *
 * MULTI ROLLBACK is ours: its EXEC runs the queue inside an undo section, and the first command
 * that fails takes everything back: data, deadlines, versions, notifications, the selected
 * database. One error tells which. A plain MULTI does the same where the connection (CLIENT
 * TRANSACTION-ROLLBACK) or the server (transaction-rollback) asks for it.
 */
#include <stdio.h>

#include "server/client.h"
#include "server/commands/exec_conditions.h"
#include "server/executor.h"
#include "server/server.h"
#include "server/transaction.h"
#include "server/txlog.h"
#include "storage/undo.h"

static bool rolls_back(const struct client *c)
{
    if (c->flags & (CLIENT_ROLLBACK_ON | CLIENT_ROLLBACK_OFF))
        return c->flags & CLIENT_ROLLBACK_ON;
    return c->server->opt.transaction_rollback;
}

static void cmd_multi(struct call *call)
{
    struct client *c = call->client;
    bool rollback = call->argc == 2 && bytes_is_word(call->argv[1], "rollback");
    if (call->argc > 1 && !rollback) {
        reply_arity_error(call);
        if (c->flags & CLIENT_MULTI)
            transaction_abort(c); /* as for any request with a wrong number of arguments */
        return;
    }
    if (c->flags & CLIENT_MULTI) {
        reply_error(call->reply, "ERR MULTI calls can not be nested");
        return;
    }
    transaction_begin(c, rollback || rolls_back(c));
    reply_ok(call->reply);
}

static void cmd_discard(struct call *call)
{
    if (!(call->client->flags & CLIENT_MULTI)) {
        reply_error(call->reply, "ERR DISCARD without MULTI");
        return;
    }
    transaction_discard(call->client);
    reply_ok(call->reply);
}

static bool run_queued(struct call *exec, const struct queued *q)
{
    struct call call = {
        .server = exec->server,
        .client = exec->client,
        .command = q->command,
        .argv = q->argv,
        .argc = q->argc,
        .db = exec->client->db,
        .keys = exec->keys,
        .reply = exec->reply,
        .hashed_arg = q->hashed_arg,
        .hash = q->hash,
    };
    return executor_call(&call);
}

static void run_all(struct call *call, struct transaction *t)
{
    struct queued q;
    reply_array(call->reply, t->count);
    for (size_t at = 0; transaction_next(t, &at, &q);)
        run_queued(call, &q);
}

static bool run_within_limit(struct call *call, const struct queued *q)
{
    if (!run_queued(call, q))
        return false;
    int64_t limit = call->server->opt.transaction_undo_limit;
    if (limit == 0 || undo_memory(call->keys->undo) <= (size_t)limit)
        return true;
    reply_error(call->reply, "ERR the changes take more than transaction-undo-limit");
    return false;
}

/* Command number n of the queue, which is the last one run, has failed. */
static void roll_back(struct call *call, const struct queued *q, int n)
{
    struct server *s = call->server;
    char why[REPLY_ERROR_MAX];
    snprintf(why, sizeof why, "command %d '%s' failed: %.*s", n, q->command->full_name,
             (int)s->reply_errors.len, s->reply_errors.text);
    s->stats.execs_rolled_back++;
    txlog_rollback(call->client, TXLOG_ROLLBACK, bytes_of_text(why));
    reply_errorf(call->reply, "EXECABORT Transaction rolled back: %s", why);
}

/* All of the queue or nothing of it. */
static void run_or_roll_back(struct call *call, struct transaction *t)
{
    struct queued q;
    int db = call->client->db, number = 0;
    struct reply_mark mark = reply_mark(call->reply);
    struct undo_section section = undo_begin(call->keys);
    reply_array(call->reply, t->count);
    for (size_t at = 0; transaction_next(t, &at, &q);) {
        number++;
        if (run_within_limit(call, &q))
            continue;
        undo_rollback(call->keys, section);
        call->client->db = db;
        reply_rewind(call->reply, mark);
        roll_back(call, &q, number);
        return;
    }
    undo_commit(call->keys, section);
}

static void run(struct call *call, struct transaction *t)
{
    struct client *c = call->client;
    struct stats *stats = &call->server->stats;
    stats->execs++;
    stats->exec_commands += t->count;
    if (t->count > stats->exec_commands_max)
        stats->exec_commands_max = t->count;
    c->conflict.count = 0;
    c->flags |= CLIENT_IN_EXEC;
    if (t->rollback)
        run_or_roll_back(call, t);
    else
        run_all(call, t);
    c->flags &= ~(uint32_t)CLIENT_IN_EXEC;
}

/* Does a watched key or a condition of EXEC stand in the way? Then it is answered. */
static bool is_stopped(struct call *call)
{
    struct txlog_obstacle o;
    struct stats *stats = &call->server->stats;
    enum exec_verdict verdict = EXEC_CONFLICT;
    if (transaction_obstacle(call->client, &o)) {
        stats->execs_watch_aborted++;
        txlog_conflict(call->client, TXLOG_WATCH, &o);
    } else if ((verdict = exec_conditions(call)) == EXEC_CONFLICT) {
        stats->execs_condition_aborted++;
    }
    if (verdict == EXEC_CONFLICT)
        reply_null_array(call->reply);
    return verdict != EXEC_GO;
}

static void cmd_exec(struct call *call)
{
    struct client *c = call->client;
    if (!exec_conditions_or_reply(call)) {
        transaction_discard(c);
        return;
    }
    if (!(c->flags & CLIENT_MULTI)) {
        reply_error(call->reply, "ERR EXEC without MULTI");
        return;
    }
    bool aborted = c->transaction->aborted, stopped = !aborted && is_stopped(call);
    struct transaction *t = transaction_take(c);
    if (aborted) {
        call->server->stats.execs_queue_aborted++;
        reply_error(call->reply, "EXECABORT Transaction discarded because of previous errors.");
    } else if (!stopped) {
        run(call, t);
    }
    transaction_give_back(call->server, t);
}

const struct command transaction_commands[] = {
    {
        .name = "multi",
        .run = cmd_multi,
        .arity = -1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY | CMD_UNQUEUED,
        .categories = CAT_TRANSACTION,
        .group = "transactions",
        .since = "1.2.0",
        .summary = "Opens a transaction; with ROLLBACK, one that takes everything back on failure.",
        .complexity = "O(1)",
        .args = "rollback:token=ROLLBACK?",
    },
    {
        .name = "exec",
        .run = cmd_exec,
        .arity = -1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_SKIP_SLOWLOG | CMD_UNQUEUED,
        .categories = CAT_TRANSACTION,
        .get_keys = exec_conditions_keys,
        .group = "transactions",
        .since = "1.2.0",
        .summary = "Runs the commands queued since MULTI, unless a watched key has changed or a "
                   "condition does not hold.",
        .complexity = "That of the queued commands",
        .args =
            "condition(ifeq=IFEQ{key:key value}|ifne=IFNE{key:key value}|xx:key=XX|nx:key=NX)?* "
            "versions=IFVER{data{key:key version}*}?",
    },
    {
        .name = "discard",
        .run = cmd_discard,
        .arity = 1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY | CMD_UNQUEUED,
        .categories = CAT_TRANSACTION,
        .group = "transactions",
        .since = "2.0.0",
        .summary = "Drops the commands queued since MULTI.",
        .complexity = "O(N) with N queued commands",
    },
    {0},
};
