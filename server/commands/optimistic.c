/*
 * optimistic.c - optimistic locking: WATCH, WATCHFIELD and UNWATCH on a connection, GETVER without
 * one.
 *
 * WATCH makes the connection's next EXEC depend on whole keys; WATCHFIELD on single fields of a
 * hash or members of a set or sorted set, so that another client's change of another field is no
 * conflict. GETVER gives a key's version, which any connection may show to EXEC IFVER later: pools
 * and multiplexers, where the next request may take another connection, can use nothing else.
 */
#include "server/client.h"
#include "server/command.h"
#include "server/commands/exec_conditions.h"
#include "server/transaction.h"
#include "server/version.h"
#include "storage/value.h"

static bool outside_multi_or_reply(struct call *call, const char *error)
{
    if (call->client->flags & CLIENT_MULTI)
        reply_error(call->reply, error);
    return !(call->client->flags & CLIENT_MULTI);
}

static void cmd_watch(struct call *call)
{
    if (!outside_multi_or_reply(call, "ERR WATCH inside MULTI is not allowed"))
        return;
    for (int i = 1; i < call->argc; i++)
        transaction_watch(call->client, call_key(call, i));
    reply_ok(call->reply);
}

static void cmd_watchfield(struct call *call)
{
    if (!outside_multi_or_reply(call, "ERR WATCHFIELD inside MULTI is not allowed"))
        return;
    const struct entry *e = call_find_quietly(call, 1);
    if (e != NULL && value_ops(entry_type(e))->print == NULL) {
        reply_wrong_type(call);
        return;
    }
    for (int i = 2; i < call->argc; i++)
        transaction_watch_field(call->client, call_key(call, 1), call->argv[i]);
    reply_ok(call->reply);
}

static void cmd_unwatch(struct call *call)
{
    if (call->argc == 1)
        transaction_unwatch(call->client);
    for (int i = 1; i < call->argc; i++)
        transaction_unwatch_key(call->client, call_key(call, i));
    reply_ok(call->reply);
}

static void cmd_getver(struct call *call)
{
    char text[VERSION_TEXT_MAX];
    reply_array(call->reply, call->argc - 1);
    for (int i = 1; i < call->argc; i++) {
        call_find_quietly(call, i); /* one that is dead is buried before it gets a version */
        struct version v = watch_version(call->keys, call->db, call_key(call, i));
        reply_bulk(call->reply, version_text(call->server, v, text));
    }
}

const struct command optimistic_commands[] = {
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
        .name = "watchfield",
        .run = cmd_watchfield,
        .arity = -3,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY | CMD_UNQUEUED,
        .categories = CAT_TRANSACTION,
        KEYS({KEY_RO, .first = 1}),
        .group = "transactions",
        .since = REDOUBT_VERSION,
        .summary = "Makes the next EXEC depend on these fields of a hash, or members of a set or "
                   "sorted set, staying as they are.",
        .complexity = "O(N) with N fields; each later change of the key is O(N), too",
        .args = "key:key#0 field*",
    },
    {
        .name = "unwatch",
        .run = cmd_unwatch,
        .arity = -1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY,
        .categories = CAT_TRANSACTION,
        .group = "transactions",
        .since = "2.2.0",
        .summary = "Forgets all watched keys, or these.",
        .complexity = "O(1) a key",
        .args = "key:key?*",
    },
    {
        .name = "getver",
        .run = cmd_getver,
        .arity = -2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_TRANSACTION,
        KEYS({KEY_RO, .first = 1, .last = -1, .step = 1}),
        .group = "transactions",
        .since = REDOUBT_VERSION,
        .summary = "Returns versions of keys, for EXEC IFVER.",
        .complexity = "O(1) a key",
        .args = "key:key#0*",
    },
    {0},
};
