/*
 * info.c - the INFO command; what it says is written by server/info.c.
 */
#include "server/info.h"

#include "server/call.h"
#include "server/command.h"

static void cmd_info(struct call *call)
{
    struct text report = {0};
    info_write(call->server, call->argv + 1, call->argc - 1, &report);
    reply_verbatim(call->reply, text_view(&report), "txt");
    text_fini(&report);
}

const struct command info_commands[] = {
    {.name = "info",
     .run = cmd_info,
     .arity = -1,
     .flags = CMD_LOADING | CMD_STALE,
     .categories = CAT_DANGEROUS,
     .group = "server",
     .since = "1.0.0",
     .summary = "Reports the state and the statistics of the server.",
     .complexity = "O(N) where N is the number of clients and commands",
     .args = "section?*",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special",
     .history = "7.0.0:Added support for taking multiple section arguments."},
    {0},
};
