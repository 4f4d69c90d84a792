/*
 * shutdown.c - SHUTDOWN.
 */
#include "server/shutdown.h"

#include "server/call.h"
#include "server/client.h"
#include "server/command.h"
#include "server/options.h"
#include "server/scripts.h"
#include "server/server.h"

static const struct {
    const char *name;
    int flag;
} words[] = {
    {"nosave", SHUTDOWN_NOSAVE},
    {"save", SHUTDOWN_SAVE},
    {"now", SHUTDOWN_NOW},
    {"force", SHUTDOWN_FORCE},
};

static int flag_of(struct bytes word)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (bytes_is_word(word, words[i].name))
            return words[i].flag;
    return 0;
}

/* The flags of the request; abort stands alone. False: answered. */
static bool parse_or_reply(struct call *call, int *flags, bool *abort)
{
    const int both = SHUTDOWN_SAVE | SHUTDOWN_NOSAVE;
    bool valid = true;
    *flags = 0;
    *abort = call->argc == 2 && bytes_is_word(call->argv[1], "abort");
    for (int i = 1; i < call->argc && !*abort; i++) {
        int flag = flag_of(call->argv[i]);
        valid &= flag != 0;
        *flags |= flag;
    }
    if (valid && (*flags & both) != both)
        return true;
    reply_syntax_error(call);
    return false;
}

/* Who asks for the end gets no reply: the connection closes. While a script takes long, its changes
 * are half done, and there is nothing that could be saved. */
static void cmd_shutdown(struct call *call)
{
    int flags;
    bool abort;
    if (!parse_or_reply(call, &flags, &abort))
        return;
    struct scripts *scripts = call->server->scripts;
    if (!abort && !(flags & SHUTDOWN_NOSAVE) && scripts_is_busy(scripts)) {
        reply_error(call->reply, scripts_busy_error(scripts));
    } else if (!abort) {
        if (shutdown_begin(call->server, flags))
            client_close(call->client, false);
        else
            reply_error(call->reply, "ERR Errors trying to SHUTDOWN. Check logs.");
    } else if (shutdown_abort(call->server)) {
        reply_ok(call->reply);
    } else {
        reply_error(call->reply, "ERR No shutdown in progress.");
    }
}

const struct command shutdown_commands[] = {
    {
        .name = "shutdown",
        .run = cmd_shutdown,
        .arity = -1,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_NO_MULTI | CMD_ALLOW_BUSY,
        .group = "server",
        .since = "1.0.0",
        .summary = "Ends the server in an orderly way.",
        .complexity = "O(1); O(N) where N is the number of keys once it saves them",
        .args = "save-selector(nosave:token=NOSAVE|save:token=SAVE)? now:token=NOW?@7.0.0 "
                "force:token=FORCE?@7.0.0 abort:token=ABORT?@7.0.0",
    },
    {0},
};
