/*
 * slowlog.c - SLOWLOG: reading and emptying the log of slow commands.
 */
#include "server/slowlog.h"

#include "server/command.h"
#include "server/server.h"

enum { SLOWLOG_GET_DEFAULT = 10 };

static void reply_entry(struct reply *r, const struct slowlog_entry *e)
{
    reply_array(r, 6);
    reply_int(r, (int64_t)e->id);
    reply_int(r, e->time_s);
    reply_int(r, (int64_t)e->duration_us);
    reply_array(r, e->argc);
    for (int i = 0; i < e->argc; i++)
        reply_bulk(r, e->argv[i]);
    reply_bulk(r, e->address);
    reply_bulk(r, e->name);
}

static void cmd_slowlog_get(struct call *call)
{
    const struct slowlog *log = call->server->slowlog;
    int64_t count = SLOWLOG_GET_DEFAULT;
    if (call->argc > 3) {
        reply_subcommand_arguments(call);
        return;
    }
    if (call->argc == 3 && !call_range_or_reply(call, 2, -1, INT64_MAX, &count,
                                                "ERR count should be greater than or equal to -1"))
        return;
    int64_t length = (int64_t)slowlog_length(log);
    if (count == -1 || count > length)
        count = length;
    reply_array(call->reply, count);
    const struct slowlog_entry *e = slowlog_newest(log);
    for (; count > 0; count--, e = e->older)
        reply_entry(call->reply, e);
}

static void cmd_slowlog_len(struct call *call)
{
    reply_int(call->reply, (int64_t)slowlog_length(call->server->slowlog));
}

static void cmd_slowlog_reset(struct call *call)
{
    slowlog_trim(call->server->slowlog, 0);
    reply_ok(call->reply);
}

static void cmd_slowlog_help(struct call *call)
{
    static const char *const lines[] = {
        "GET [<count>]",
        "    Show the <count> newest entries (10 unless told, -1 shows all), each as:",
        "    id, unix time, duration in microseconds, arguments, client address,",
        "    client name",
        "LEN",
        "    Tell how many entries there are.",
        "RESET",
        "    Forget all entries.",
        NULL,
    };
    reply_help(call, lines);
}

static const struct command slowlog_subcommands[] = {
    {
        .name = "get",
        .run = cmd_slowlog_get,
        .arity = -2,
        .flags = CMD_ADMIN | CMD_LOADING | CMD_STALE,
        .group = "server",
        .since = "2.2.12",
        .summary = "Shows the newest entries of the slow log.",
        .complexity = "O(N) where N is the number of entries shown",
        .args = "count:integer?",
        .tips = "request_policy:all_nodes nondeterministic_output",
        .history = "4.0.0:Added client IP address, port and name to the reply.",
    },
    {
        .name = "help",
        .run = cmd_slowlog_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .group = "server",
        .since = "6.2.0",
        .summary = "Lists the subcommands of SLOWLOG.",
        .complexity = "O(1)",
    },
    {
        .name = "len",
        .run = cmd_slowlog_len,
        .arity = 2,
        .flags = CMD_ADMIN | CMD_LOADING | CMD_STALE,
        .group = "server",
        .since = "2.2.12",
        .summary = "Counts the entries of the slow log.",
        .complexity = "O(1)",
        .tips = "request_policy:all_nodes response_policy:agg_sum nondeterministic_output",
    },
    {
        .name = "reset",
        .run = cmd_slowlog_reset,
        .arity = 2,
        .flags = CMD_ADMIN | CMD_LOADING | CMD_STALE,
        .group = "server",
        .since = "2.2.12",
        .summary = "Empties the slow log.",
        .complexity = "O(N) where N is the number of entries in the slow log",
        .tips = "request_policy:all_nodes response_policy:all_succeeded",
    },
    {0},
};

const struct command slowlog_commands[] = {
    {
        .name = "slowlog",
        .arity = -2,
        .subcommands = slowlog_subcommands,
        .group = "server",
        .since = "2.2.12",
        .summary = "Container of the slow log's commands.",
        .complexity = "Depends on subcommand.",
    },
    {0},
};
