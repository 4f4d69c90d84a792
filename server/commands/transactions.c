/*
 * transactions.c - MULTI, EXEC, DISCARD, WATCH, UNWATCH.
 *
 * MULTI ROLLBACK is ours: its EXEC runs the queue inside an undo section, and the first command
 * that fails takes everything back: data, deadlines, versions, notifications, the selected
 * database. One error tells which.
 */
#include <stdio.h>

#include "server/client.h"
#include "server/executor.h"
#include "server/server.h"
#include "server/transaction.h"
#include "storage/undo.h"

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
    transaction_begin(c, rollback);
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
        if (run_queued(call, &q))
            continue;
        char why[REPLY_ERROR_MAX];
        snprintf(why, sizeof why, "%.*s", (int)call->server->reply_errors.len,
                 call->server->reply_errors.text);
        undo_rollback(call->keys, section);
        call->client->db = db;
        call->server->stats.execs_rolled_back++;
        reply_rewind(call->reply, mark);
        reply_errorf(call->reply, "EXECABORT Transaction rolled back: command %d '%s' failed: %s",
                     number, q.command->full_name, why);
        return;
    }
    undo_commit(call->keys, section);
}

static void cmd_exec(struct call *call)
{
    struct client *c = call->client;
    struct stats *stats = &call->server->stats;
    if (!(c->flags & CLIENT_MULTI)) {
        reply_error(call->reply, "ERR EXEC without MULTI");
        return;
    }
    bool broken = transaction_is_broken(c);
    struct transaction *t = transaction_take(c);
    if (t->aborted) {
        stats->execs_queue_aborted++;
        reply_error(call->reply, "EXECABORT Transaction discarded because of previous errors.");
    } else if (broken) {
        stats->execs_watch_aborted++;
        reply_null_array(call->reply);
    } else {
        stats->execs++;
        c->flags |= CLIENT_IN_EXEC;
        if (t->rollback)
            run_or_roll_back(call, t);
        else
            run_all(call, t);
        c->flags &= ~(uint32_t)CLIENT_IN_EXEC;
    }
    transaction_give_back(call->server, t);
}

static void cmd_watch(struct call *call)
{
    if (call->client->flags & CLIENT_MULTI) {
        reply_error(call->reply, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    for (int i = 1; i < call->argc; i++)
        transaction_watch(call->client, call_key(call, i));
    reply_ok(call->reply);
}

static void cmd_unwatch(struct call *call)
{
    transaction_unwatch(call->client);
    reply_ok(call->reply);
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
        .arity = 1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_SKIP_SLOWLOG | CMD_UNQUEUED,
        .categories = CAT_TRANSACTION,
        .group = "transactions",
        .since = "1.2.0",
        .summary = "Runs the commands queued since MULTI, unless a watched key has changed.",
        .complexity = "That of the queued commands",
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
    {
        .name = "watch",
        .run = cmd_watch,
        .arity = -2,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY | CMD_UNQUEUED,
        .categories = CAT_TRANSACTION,
        KEYS({KEY_RO, .first = 1, .last = -1, .step = 1}),
        .group = "transactions",
        .since = "2.2.0",
        .summary = "Makes the next EXEC depend on these keys staying as they are.",
        .complexity = "O(1) a key",
        .args = "key:key#0*",
    },
    {
        .name = "unwatch",
        .run = cmd_unwatch,
        .arity = 1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY,
        .categories = CAT_TRANSACTION,
        .group = "transactions",
        .since = "2.2.0",
        .summary = "Forgets all watched keys.",
        .complexity = "O(1) a key",
    },
    {0},
};
