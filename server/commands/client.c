/*
 * client.c - CLIENT: looking at sessions, one's own and others', and changing them.
 */
#include "server/client.h"
#include "server/blocked.h"

#include "base/text.h"
#include "server/call.h"
#include "server/client_report.h"
#include "server/command.h"
#include "server/commands/client_kill.h"
#include "server/commands/tracking.h"
#include "server/executor.h"
#include "server/server.h"
#include "server/version.h"

/* -- one's own --------------------------------------------------------------------------------- */

static void cmd_client_id(struct call *call)
{
    reply_int(call->reply, (int64_t)call->client->id);
}

static void cmd_client_getname(struct call *call)
{
    if (call->client->name != NULL)
        reply_bulk_text(call->reply, call->client->name);
    else
        reply_null(call->reply);
}

static void cmd_client_setname(struct call *call)
{
    if (client_set_word(&call->client->name, call->argv[2]))
        reply_ok(call->reply);
    else
        reply_error(call->reply,
                    "ERR Client names cannot contain spaces, newlines or special characters.");
}

static void cmd_client_setinfo(struct call *call)
{
    struct client *c = call->client;
    const char *name;
    char **field;
    if (bytes_is_word(call->argv[2], "lib-name")) {
        name = "lib-name";
        field = &c->lib_name;
    } else if (bytes_is_word(call->argv[2], "lib-ver")) {
        name = "lib-ver";
        field = &c->lib_version;
    } else {
        reply_errorf(call->reply, "ERR Unrecognized option '%.*s'", (int)call->argv[2].len,
                     call->argv[2].ptr);
        return;
    }
    if (client_set_word(field, call->argv[3]))
        reply_ok(call->reply);
    else
        reply_errorf(call->reply, "ERR %s cannot contain spaces, newlines or special characters.",
                     name);
}

static bool switch_or_reply(struct call *call, bool *on)
{
    *on = bytes_is_word(call->argv[2], "on");
    if (*on || bytes_is_word(call->argv[2], "off"))
        return true;
    reply_syntax_error(call);
    return false;
}

static void switch_flag(struct call *call, enum client_flag flag)
{
    bool on;
    if (!switch_or_reply(call, &on))
        return;
    if (on)
        call->client->flags |= flag;
    else
        call->client->flags &= ~(uint32_t)flag;
    reply_ok(call->reply);
}

static void cmd_client_no_evict(struct call *call)
{
    switch_flag(call, CLIENT_NO_EVICT);
}

static void cmd_client_transaction_rollback(struct call *call)
{
    bool on;
    if (!switch_or_reply(call, &on))
        return;
    call->client->flags &= ~(uint32_t)(CLIENT_ROLLBACK_ON | CLIENT_ROLLBACK_OFF);
    call->client->flags |= on ? CLIENT_ROLLBACK_ON : CLIENT_ROLLBACK_OFF;
    reply_ok(call->reply);
}

static void cmd_client_no_touch(struct call *call)
{
    switch_flag(call, CLIENT_NO_TOUCH);
}

/* Clients of newer servers ask to be told of maintenance when they connect, and complain if they
 * may not. There is nothing to tell here, so the answer to the wish is yes. */
static void cmd_client_maint_notifications(struct call *call)
{
    bool on;
    if (switch_or_reply(call, &on))
        reply_ok(call->reply);
}

/* OFF and SKIP themselves stay without reply; the executor drops the following ones. */
static void cmd_client_reply(struct call *call)
{
    struct client *c = call->client;
    if (bytes_is_word(call->argv[2], "on")) {
        c->flags &= ~(uint32_t)(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP);
        c->reply.muted = false;
        reply_ok(call->reply);
    } else if (bytes_is_word(call->argv[2], "off")) {
        c->flags |= CLIENT_REPLY_OFF;
        c->reply.muted = true;
    } else if (bytes_is_word(call->argv[2], "skip")) {
        if ((c->flags & CLIENT_REPLY_OFF) == 0)
            c->flags |= CLIENT_REPLY_SKIP_NEXT;
    } else {
        reply_syntax_error(call);
    }
}

/* -- looking ----------------------------------------------------------------------------------- */

static void reply_text(struct call *call, struct text *text)
{
    reply_verbatim(call->reply, text_view(text), "txt");
    text_fini(text);
}

static void cmd_client_info(struct call *call)
{
    struct text text = {0};
    client_report(call->client, call->client, &text);
    reply_text(call, &text);
}

static void list_ids(struct call *call)
{
    struct text text = {0};
    for (int i = 3; i < call->argc; i++) {
        int64_t id;
        if (!call_i64_or_reply(call, i, &id, "ERR Invalid client ID")) {
            text_fini(&text);
            return;
        }
        struct client *c = id > 0 ? client_by_id(call->server, (uint64_t)id) : NULL;
        if (c != NULL)
            client_report(c, call->client, &text);
    }
    reply_text(call, &text);
}

static void cmd_client_list(struct call *call)
{
    enum client_class class = CLASS_COUNT;
    if (call->argc > 3 && bytes_is_word(call->argv[2], "id")) {
        list_ids(call);
        return;
    }
    if (call->argc == 4 && bytes_is_word(call->argv[2], "type")) {
        if (!client_class_or_reply(call, 3, &class))
            return;
    } else if (call->argc != 2) {
        reply_syntax_error(call);
        return;
    }
    struct text text = {0};
    for (const struct client *c = call->server->clients.first; c != NULL; c = c->next) {
        if ((c->flags & CLIENT_CLOSE_NOW) == 0 &&
            (class == CLASS_COUNT || client_class(c) == class))
            client_report(c, call->client, &text);
    }
    reply_text(call, &text);
}

/* -- holding up and letting go ----------------------------------------------------------------- */

static void cmd_client_pause(struct call *call)
{
    bool all = true;
    int64_t timeout_ms;
    if (call->argc > 4) {
        reply_subcommand_arguments(call);
        return;
    }
    if (call->argc == 4) {
        all = bytes_is_word(call->argv[3], "all");
        if (!all && !bytes_is_word(call->argv[3], "write")) {
            reply_error(call->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
            return;
        }
    }
    if (!call_i64_or_reply(call, 2, &timeout_ms, "ERR timeout is not an integer or out of range"))
        return;
    if (timeout_ms < 0) {
        reply_error(call->reply, "ERR timeout is negative");
        return;
    }
    int64_t until_ms;
    if (__builtin_add_overflow(call->keys->now_ms, timeout_ms, &until_ms))
        until_ms = INT64_MAX;
    executor_pause(call->server, until_ms, all);
    reply_ok(call->reply);
}

static void cmd_client_unpause(struct call *call)
{
    executor_unpause(call->server);
    reply_ok(call->reply);
}

static void cmd_client_unblock(struct call *call)
{
    int64_t id;
    bool with_error = call->argc == 4 && bytes_is_word(call->argv[3], "error");
    if (call->argc > 4) {
        reply_subcommand_arguments(call);
        return;
    }
    if (call->argc == 4 && !with_error && !bytes_is_word(call->argv[3], "timeout")) {
        reply_error(call->reply, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        return;
    }
    if (!call_i64_or_reply(call, 2, &id, NULL))
        return;
    struct client *c = client_by_id(call->server, (uint64_t)id);
    reply_int(call->reply, c != NULL && blocked_unblock(c, with_error));
}

static void cmd_client_help(struct call *call)
{
    static const char *const lines[] = {
        "CACHING (YES|NO)",
        "    Track the keys that the next command reads, or do not, in mode OPTIN or OPTOUT.",
        "GETREDIR",
        "    Show the id of the client to which invalidations are redirected.",
        "GETNAME",
        "    Show the name of this connection.",
        "ID",
        "    Show the id of this connection.",
        "INFO",
        "    Describe this connection.",
        "KILL <ip:port>",
        "    Close the connection that comes from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Close the connections that fit all options:",
        "    * ADDR (<ip:port>|<unixsocket>:0)",
        "      come from this address.",
        "    * ID <client-id>",
        "      have this id.",
        "    * LADDR (<ip:port>|<unixsocket>:0)",
        "      were made to this address.",
        "    * MAXAGE <seconds>",
        "      are at least this old.",
        "    * SKIPME (YES|NO)",
        "      spare the connection that asks (default: yes).",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      are of this type.",
        "    * USER <username>",
        "      were authenticated as this user.",
        "LIST [options ...]",
        "    Describe all connections, or those that an option chooses:",
        "    * ID <client-id> [<client-id> ...]",
        "      by their ids.",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      by their type.",
        "MAINT_NOTIFICATIONS (ON|OFF) [<option> <value> ...]",
        "    Accepted for newer clients; there is never anything to notify.",
        "NO-EVICT (ON|OFF)",
        "    Spare this connection when connections are closed to save memory.",
        "NO-TOUCH (ON|OFF)",
        "    Let this connection's commands leave the access times of keys as they are.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Hold up the writes, or all commands, of all clients for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Choose whether this connection gets replies.",
        "SETINFO <option> <value>",
        "    Tell about this connection's client library:",
        "    * LIB-NAME <name>",
        "      its name.",
        "    * LIB-VER <version>",
        "      its version.",
        "SETNAME <name>",
        "    Name this connection.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
        "         [OPTIN] [OPTOUT] [NOLOOP]",
        "    Tell this connection, or another one, when keys that it has read change.",
        "TRACKINGINFO",
        "    Show what was asked for by TRACKING.",
        "TRANSACTION-ROLLBACK (ON|OFF)",
        "    Choose whether this connection's transactions are taken back when a command fails.",
        "UNBLOCK <client-id> [TIMEOUT|ERROR]",
        "    End the wait of a blocked client.",
        "UNPAUSE",
        "    End a PAUSE.",
        NULL,
    };
    reply_help(call, lines);
}

static const struct command client_subcommands[] = {
    {
        .name = "caching",
        .run = cmd_client_caching,
        .arity = 3,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "6.0.0",
        .summary = "Lets the keys that the next command reads be tracked, or not.",
        .complexity = "O(1)",
        .args = "mode(yes:token=YES|no:token=NO)",
    },
    {
        .name = "getredir",
        .run = cmd_client_getredir,
        .arity = 2,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "6.0.0",
        .summary = "Shows to which client this one redirects invalidations.",
        .complexity = "O(1)",
    },
    {
        .name = "tracking",
        .run = cmd_client_tracking,
        .arity = -3,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "6.0.0",
        .summary = "Chooses whether the client is told when keys that it has read change.",
        .complexity = "O(1), and some cost for each key that is read",
        .args = "status(on:token=ON|off:token=OFF) client-id:integer=REDIRECT? prefix=PREFIX?+ "
                "bcast:token=BCAST? optin:token=OPTIN? optout:token=OPTOUT? noloop:token=NOLOOP?",
    },
    {
        .name = "trackinginfo",
        .run = cmd_client_trackinginfo,
        .arity = 2,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "6.2.0",
        .summary = "Shows what the client has asked to be told.",
        .complexity = "O(1)",
    },
    {
        .name = "getname",
        .run = cmd_client_getname,
        .arity = 2,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "2.6.9",
        .summary = "Shows the name of the connection.",
        .complexity = "O(1)",
    },
    {
        .name = "help",
        .run = cmd_client_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "5.0.0",
        .summary = "Lists the subcommands of CLIENT.",
        .complexity = "O(1)",
    },
    {
        .name = "id",
        .run = cmd_client_id,
        .arity = 2,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "5.0.0",
        .summary = "Shows the unique id of the connection.",
        .complexity = "O(1)",
    },
    {
        .name = "info",
        .run = cmd_client_info,
        .arity = 2,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "6.2.0",
        .summary = "Describes the connection.",
        .complexity = "O(1)",
        .tips = "nondeterministic_output",
    },
    {
        .name = "kill",
        .run = cmd_client_kill,
        .arity = -3,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "2.4.0",
        .summary = "Closes connections.",
        .complexity = "O(N) where N is the number of connections",
        .args = "filter(old-format~'ip:port'|new-format(client-id:integer=ID?@2.8.12|"
                "client-type=TYPE(normal:token=normal|master:token=master@3.2.0|"
                "slave:token=slave|replica:token=replica@5.0.0|"
                "pubsub:token=pubsub)?@2.8.12|username=USER?|addr=ADDR?~'ip:port'|"
                "laddr=LADDR?@6.2.0~'ip:port'|skipme=SKIPME(yes:token=YES|no:token=NO)?|"
                "maxage:integer=MAXAGE?@7.4.0)*)",
    },
    {
        .name = "list",
        .run = cmd_client_list,
        .arity = -2,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "2.4.0",
        .summary = "Describes open connections.",
        .complexity = "O(N) where N is the number of connections",
        .args = "client-type=TYPE(normal:token=normal|master:token=master|"
                "replica:token=replica|pubsub:token=pubsub)?@5.0.0 "
                "client-id:integer=ID?*@6.2.0",
        .tips = "nondeterministic_output",
    },
    {
        /* newer than 7.4, and our version of it does nothing: see the handler */
        .name = "maint_notifications",
        .run = cmd_client_maint_notifications,
        .arity = -3,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = REDOUBT_VERSION,
        .summary = "Accepts a client's wish to hear of maintenance, of which there is none.",
        .complexity = "O(1)",
        .args = "enabled(on:token=ON|off:token=OFF) option?*",
    },
    {
        .name = "no-evict",
        .run = cmd_client_no_evict,
        .arity = 3,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "7.0.0",
        .summary = "Spares the connection from being closed to save memory.",
        .complexity = "O(1)",
        .args = "enabled(on:token=ON|off:token=OFF)",
    },
    {
        .name = "no-touch",
        .run = cmd_client_no_touch,
        .arity = 3,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "7.2.0",
        .summary = "Makes the connection's commands leave the access times of keys as they are.",
        .complexity = "O(1)",
        .args = "enabled(on:token=ON|off:token=OFF)",
    },
    {
        .name = "pause",
        .run = cmd_client_pause,
        .arity = -3,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "3.0.0",
        .summary = "Holds up the commands of all connections for a while.",
        .complexity = "O(1)",
        .args = "timeout:integer mode(write:token=WRITE|all:token=ALL)?@6.2.0",
    },
    {
        .name = "reply",
        .run = cmd_client_reply,
        .arity = 3,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "3.2.0",
        .summary = "Chooses whether the connection gets replies.",
        .complexity = "O(1)",
        .args = "action(on:token=ON|off:token=OFF|skip:token=SKIP)",
    },
    {
        .name = "setinfo",
        .run = cmd_client_setinfo,
        .arity = 4,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "7.2.0",
        .summary = "Tells about the client library of the connection.",
        .complexity = "O(1)",
        .args = "attr(libname=lib-name|libver=lib-ver)",
        .tips = "request_policy:all_nodes response_policy:all_succeeded",
    },
    {
        .name = "setname",
        .run = cmd_client_setname,
        .arity = 3,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "2.6.9",
        .summary = "Names the connection.",
        .complexity = "O(1)",
        .args = "connection-name",
        .tips = "request_policy:all_nodes response_policy:all_succeeded",
    },
    {
        .name = "transaction-rollback",
        .run = cmd_client_transaction_rollback,
        .arity = 3,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = REDOUBT_VERSION,
        .summary = "Chooses whether the connection's transactions are taken back when a command in "
                   "them fails.",
        .complexity = "O(1)",
        .args = "enabled(on:token=ON|off:token=OFF)",
    },
    {
        .name = "unblock",
        .run = cmd_client_unblock,
        .arity = -3,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "5.0.0",
        .summary = "Ends the wait of a blocked connection.",
        .complexity = "O(1)",
        .args = "client-id:integer unblock-type(timeout:token=TIMEOUT|error:token=ERROR)?",
    },
    {
        .name = "unpause",
        .run = cmd_client_unpause,
        .arity = 2,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "6.2.0",
        .summary = "Lets commands run again after CLIENT PAUSE.",
        .complexity = "O(N) where N is the number of held connections",
    },
    {0},
};

const struct command client_commands[] = {
    {
        .name = "client",
        .arity = -2,
        .subcommands = client_subcommands,
        .group = "connection",
        .since = "2.4.0",
        .summary = "Container of the commands about connections.",
        .complexity = "Depends on subcommand.",
    },
    {0},
};
