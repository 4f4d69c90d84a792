/*
 * txlog.c - TXLOG: which transactions did not go through, and which keys were in the way.
 *
 * Entries are maps, so that a later field disturbs nobody who reads by name.
 */
#include "server/txlog.h"

#include "server/call.h"
#include "server/command.h"
#include "server/server.h"
#include "server/version.h"

enum { GET_DEFAULT = 10, KEYS_DEFAULT = 10 };

static const char *const kind_words[] = {
    [TXLOG_WATCH] = "watch",       [TXLOG_VERSION] = "version", [TXLOG_CONDITION] = "condition",
    [TXLOG_ROLLBACK] = "rollback", [TXLOG_SCRIPT] = "script",
};

/* How many to show: argument 2, or so many; at most there are. */
static bool count_or_reply(struct call *call, int64_t normal, uint64_t there, int64_t *count)
{
    *count = normal;
    if (call->argc > 3) {
        reply_subcommand_arguments(call);
        return false;
    }
    if (call->argc == 3 && !call_range_or_reply(call, 2, -1, INT64_MAX, count,
                                                "ERR count should be greater than or equal to -1"))
        return false;
    if (*count == -1 || (uint64_t)*count > there)
        *count = (int64_t)there;
    return true;
}

static void field_int(struct reply *r, const char *name, int64_t value)
{
    reply_bulk_text(r, name);
    reply_int(r, value);
}

static void field_bytes(struct reply *r, const char *name, struct bytes value)
{
    reply_bulk_text(r, name);
    reply_bulk(r, value);
}

static void reply_author(struct reply *r, const struct author *author)
{
    field_int(r, "changed-by-client", (int64_t)author->client);
    field_bytes(r, "changed-by-command",
                bytes_of_text(author->command != NULL ? author->command : ""));
}

static void reply_entry(struct reply *r, const struct txlog_entry *e)
{
    reply_map(r, 13);
    field_int(r, "id", (int64_t)e->id);
    field_int(r, "time", e->time_ms);
    field_bytes(r, "kind", bytes_of_text(kind_words[e->kind]));
    field_int(r, "client", (int64_t)e->client);
    field_bytes(r, "client-addr", e->address);
    field_bytes(r, "client-name", e->name);
    field_int(r, "db", e->db);
    field_bytes(r, "key", e->key);
    field_bytes(r, "field", e->field);
    reply_author(r, &e->author);
    field_int(r, "retries", e->retries);
    field_bytes(r, "error", e->error);
}

static void cmd_txlog_get(struct call *call)
{
    const struct txlog *log = call->server->txlog;
    int64_t count;
    if (!count_or_reply(call, GET_DEFAULT, txlog_length(log), &count))
        return;
    reply_array(call->reply, count);
    const struct txlog_entry *e = txlog_newest(log);
    for (; count > 0; count--, e = e->older)
        reply_entry(call->reply, e);
}

static void cmd_txlog_keys(struct call *call)
{
    const struct txlog_rank *ranks[TXLOG_RANKS];
    int64_t count;
    if (!count_or_reply(call, KEYS_DEFAULT, TXLOG_RANKS, &count))
        return;
    int found = txlog_ranking(call->server->txlog, ranks, (int)count);
    reply_array(call->reply, found);
    for (int i = 0; i < found; i++) {
        const struct txlog_rank *k = ranks[i];
        reply_map(call->reply, 7);
        field_int(call->reply, "db", k->db);
        field_bytes(call->reply, "key", bytes_of(k->key, k->len));
        field_int(call->reply, "conflicts", (int64_t)k->conflicts);
        field_int(call->reply, "at-most-too-high-by", (int64_t)k->inherited);
        field_int(call->reply, "last-time", k->last_ms);
        reply_author(call->reply, &k->author);
    }
}

static void cmd_txlog_len(struct call *call)
{
    reply_int(call->reply, (int64_t)txlog_length(call->server->txlog));
}

static void cmd_txlog_reset(struct call *call)
{
    txlog_reset(call->server->txlog);
    reply_ok(call->reply);
}

static void cmd_txlog_help(struct call *call)
{
    static const char *const lines[] = {
        "GET [<count>]",
        "    Show the <count> newest conflicts and rollbacks (10 unless told, -1 shows all).",
        "KEYS [<count>]",
        "    Rank the keys that were most often in the way of a transaction.",
        "LEN",
        "    Tell how many entries there are.",
        "RESET",
        "    Forget all entries and the ranking.",
        NULL,
    };
    reply_help(call, lines);
}

static const struct command txlog_subcommands[] = {
    {
        .name = "get",
        .run = cmd_txlog_get,
        .arity = -2,
        .flags = CMD_ADMIN | CMD_LOADING | CMD_STALE,
        .group = "transactions",
        .since = REDOUBT_VERSION,
        .summary = "Shows the newest conflicts and rollbacks of transactions and scripts.",
        .complexity = "O(N) where N is the number of entries shown",
        .args = "count:integer?",
        .tips = "request_policy:all_nodes nondeterministic_output",
    },
    {
        .name = "help",
        .run = cmd_txlog_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .group = "transactions",
        .since = REDOUBT_VERSION,
        .summary = "Lists the subcommands of TXLOG.",
        .complexity = "O(1)",
    },
    {
        .name = "keys",
        .run = cmd_txlog_keys,
        .arity = -2,
        .flags = CMD_ADMIN | CMD_LOADING | CMD_STALE,
        .group = "transactions",
        .since = REDOUBT_VERSION,
        .summary = "Ranks keys by how often they were in the way of a transaction.",
        .complexity = "O(1): the ranking is bounded",
        .args = "count:integer?",
        .tips = "request_policy:all_nodes nondeterministic_output",
    },
    {
        .name = "len",
        .run = cmd_txlog_len,
        .arity = 2,
        .flags = CMD_ADMIN | CMD_LOADING | CMD_STALE,
        .group = "transactions",
        .since = REDOUBT_VERSION,
        .summary = "Counts the entries of the log of conflicts and rollbacks.",
        .complexity = "O(1)",
        .tips = "request_policy:all_nodes response_policy:agg_sum nondeterministic_output",
    },
    {
        .name = "reset",
        .run = cmd_txlog_reset,
        .arity = 2,
        .flags = CMD_ADMIN | CMD_LOADING | CMD_STALE,
        .group = "transactions",
        .since = REDOUBT_VERSION,
        .summary = "Empties the log of conflicts and rollbacks, and its ranking of keys.",
        .complexity = "O(N) where N is the number of entries",
        .tips = "request_policy:all_nodes response_policy:all_succeeded",
    },
    {0},
};

const struct command txlog_commands[] = {
    {
        .name = "txlog",
        .arity = -2,
        .subcommands = txlog_subcommands,
        .group = "transactions",
        .since = REDOUBT_VERSION,
        .summary = "Container of the commands about conflicts and rollbacks.",
        .complexity = "Depends on subcommand.",
    },
    {0},
};
