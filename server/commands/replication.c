/*
 * replication.c - the commands of replication, as a master answers that has no replicas and can
 * have none.
 */
#include "server/call.h"
#include "server/command.h"
#include "server/options.h"
#include "server/server.h"

enum { PORT_MAX = 65535 };

static void cmd_role(struct call *call)
{
    reply_array(call->reply, 3);
    reply_bulk_text(call->reply, "master");
    reply_int(call->reply, 0); /* the offset of what was sent to replicas */
    reply_array(call->reply, 0);
}

static void cmd_replicaof(struct call *call)
{
    int64_t port;
    if (bytes_is_word(call->argv[1], "no") && bytes_is_word(call->argv[2], "one"))
        reply_ok(call->reply);
    else if (call_range_or_reply(call, 2, 0, PORT_MAX, &port, "ERR Invalid master port"))
        reply_error(
            call->reply,
            "ERR This version of Redoubt cannot be a replica: only REPLICAOF NO ONE is possible");
}

static bool timeout_or_reply(struct call *call, int i)
{
    int64_t timeout_ms;
    if (!call_i64_or_reply(call, i, &timeout_ms, "ERR timeout is not an integer or out of range"))
        return false;
    if (timeout_ms >= 0)
        return true;
    reply_error(call->reply, "ERR timeout is negative");
    return false;
}

/* No replica can come while the client waits, so that the answer is known at once. */
static void cmd_wait(struct call *call)
{
    int64_t replicas;
    if (call_i64_or_reply(call, 1, &replicas, NULL) && timeout_or_reply(call, 2))
        reply_int(call->reply, 0);
}

static void cmd_waitaof(struct call *call)
{
    int64_t local, replicas;
    if (!call_range_or_reply(call, 1, 0, 1, &local, NULL) ||
        !call_range_or_reply(call, 2, 0, INT64_MAX, &replicas, NULL) || !timeout_or_reply(call, 3))
        return;
    if (local > 0) { /* there is no journal, whatever appendonly says */
        reply_error(call->reply,
                    "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
        return;
    }
    reply_array(call->reply, 2);
    reply_int(call->reply, 0);
    reply_int(call->reply, 0);
}

/* [TO host port [FORCE]] [ABORT] [TIMEOUT ms]. False: answered. */
static bool check_failover_or_reply(struct call *call)
{
    int64_t number;
    for (int i = 1; i < call->argc; i++) {
        int left = call->argc - i - 1;
        if (bytes_is_word(call->argv[i], "timeout") && left >= 1) {
            if (!call_i64_or_reply(call, ++i, &number, NULL))
                return false;
            if (number <= 0) {
                reply_error(call->reply, "ERR FAILOVER timeout must be greater than 0");
                return false;
            }
        } else if (bytes_is_word(call->argv[i], "to") && left >= 2) {
            i += 2;
            if (!call_i64_or_reply(call, i, &number, NULL))
                return false;
        } else if (!bytes_is_word(call->argv[i], "force")) {
            reply_syntax_error(call);
            return false;
        }
    }
    return true;
}

static void cmd_failover(struct call *call)
{
    if (call->argc == 2 && bytes_is_word(call->argv[1], "abort"))
        reply_error(call->reply, "ERR No failover in progress.");
    else if (check_failover_or_reply(call))
        reply_error(call->reply, "ERR FAILOVER requires connected replicas.");
}

const struct command replication_commands[] = {
    {
        .name = "role",
        .run = cmd_role,
        .arity = 1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST,
        .categories = CAT_ADMIN | CAT_DANGEROUS,
        .group = "server",
        .since = "2.8.12",
        .summary = "Tells whether the server is a master, and who replicates it.",
        .complexity = "O(1)",
    },
    {
        .name = "wait",
        .run = cmd_wait,
        .arity = 3,
        .flags = CMD_BLOCKING,
        .categories = CAT_CONNECTION,
        .group = "generic",
        .since = "3.0.0",
        .summary = "Waits until replicas have what the connection wrote.",
        .complexity = "O(1)",
        .args = "numreplicas:integer timeout:integer",
        .tips = "request_policy:all_shards response_policy:agg_min",
    },
    {
        .name = "waitaof",
        .run = cmd_waitaof,
        .arity = 4,
        .flags = CMD_BLOCKING,
        .categories = CAT_CONNECTION,
        .group = "generic",
        .since = "7.2.0",
        .summary = "Waits until what the connection wrote is safe on disks, here or on replicas.",
        .complexity = "O(1)",
        .args = "numlocal:integer numreplicas:integer timeout:integer",
        .tips = "request_policy:all_shards response_policy:agg_min",
    },
    {
        .name = "replicaof",
        .run = cmd_replicaof,
        .arity = 3,
        .flags = CMD_NO_ASYNC_LOADING | CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE,
        .group = "server",
        .since = "5.0.0",
        .summary = "Makes the server a replica, or a master.",
        .complexity = "O(1)",
        .args = "args(host-port{host port:integer}|no-one{no:token=NO one:token=ONE})",
    },
    {
        .name = "slaveof",
        .run = cmd_replicaof,
        .arity = 3,
        .flags = CMD_NO_ASYNC_LOADING | CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE | CMD_DEPRECATED,
        .group = "server",
        .since = "1.0.0",
        .summary = "Makes the server a replica, or a master.",
        .complexity = "O(1)",
        .args = "args(host-port{host port:integer}|no-one{no:token=NO one:token=ONE})",
        .deprecated_since = "5.0.0",
        .replaced_by = "`REPLICAOF`",
    },
    {
        .name = "failover",
        .run = cmd_failover,
        .arity = -1,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE,
        .group = "server",
        .since = "6.2.0",
        .summary = "Hands the role of master over to a replica.",
        .complexity = "O(1)",
        .args = "target=TO{host port:integer force:token=FORCE?}? abort:token=ABORT? "
                "milliseconds:integer=TIMEOUT?",
    },
    {0},
};
