/*
 * connection.c - commands about the session itself: who it is, which protocol, which database.
 */
#include "server/call.h"
#include "server/client.h"
#include "server/command.h"
#include "server/monitor.h"
#include "server/pubsub.h"
#include "server/server.h"
#include "server/tracking.h"
#include "server/transaction.h"
#include "server/version.h"

/* -- who --------------------------------------------------------------------------------------- */

/* Compare without telling by its duration how much was right: it depends on given alone. */
static bool is_secret(struct bytes given, struct bytes secret)
{
    volatile unsigned char difference = given.len != secret.len;
    for (size_t i = 0; i < given.len; i++)
        difference |= (unsigned char)(given.ptr[i] ^ secret.ptr[i < secret.len ? i : 0]);
    return difference == 0;
}

/* There is one user, default, whose password is requirepass; without one, any password is right. */
static bool login_or_reply(struct call *call, struct bytes user, struct bytes password)
{
    struct bytes secret = text_view(&call->server->opt.requirepass);
    bool known = bytes_equal(user, bytes_of_text("default"));
    if (!known || (secret.len > 0 && !is_secret(password, secret))) {
        call->server->stats.auth_denied++;
        reply_error(call->reply, "WRONGPASS invalid username-password pair or user is disabled.");
        return false;
    }
    client_authenticate(call->client);
    return true;
}

static void cmd_auth(struct call *call)
{
    if (call->argc > 3) {
        reply_syntax_error(call);
        return;
    }
    if (call->argc == 2 && call->server->opt.requirepass.len == 0) {
        reply_error(call->reply,
                    "ERR AUTH <password> called without any password configured for the default "
                    "user. Are you sure your configuration is correct?");
        return;
    }
    struct bytes user = call->argc == 3 ? call->argv[1] : bytes_of_text("default");
    if (login_or_reply(call, user, call->argv[call->argc - 1]))
        reply_ok(call->reply);
}

/* -- which protocol ---------------------------------------------------------------------------- */

struct hello {
    int resp;
    struct bytes user, password, name; /* ptr NULL: not given */
};

/* HELLO [version [AUTH user password] [SETNAME name]]: of what is given twice, the last counts. */
static bool parse_hello_or_reply(struct call *call, struct hello *hello)
{
    int64_t version = call->reply->resp;
    if (call->argc > 1 &&
        !call_i64_or_reply(call, 1, &version,
                           "ERR Protocol version is not an integer or out of range"))
        return false;
    if (version < 2 || version > 3) {
        reply_error(call->reply, "NOPROTO unsupported protocol version");
        return false;
    }
    hello->resp = (int)version;
    int i = 2;
    while (i < call->argc) {
        int more = call->argc - i - 1;
        if (bytes_is_word(call->argv[i], "auth") && more >= 2) {
            hello->user = call->argv[i + 1];
            hello->password = call->argv[i + 2];
            i += 3;
        } else if (bytes_is_word(call->argv[i], "setname") && more >= 1) {
            hello->name = call->argv[i + 1];
            i += 2;
        } else {
            reply_errorf(call->reply, "ERR Syntax error in HELLO option '%.*s'",
                         (int)call->argv[i].len, call->argv[i].ptr);
            return false;
        }
    }
    return true;
}

static bool admit_or_reply(struct call *call, const struct hello *hello)
{
    if (hello->user.ptr != NULL && !login_or_reply(call, hello->user, hello->password))
        return false;
    if ((call->client->flags & CLIENT_AUTHENTICATED) == 0 &&
        call->server->opt.requirepass.len > 0) {
        reply_error(call->reply,
                    "NOAUTH HELLO must be called with the client already authenticated, otherwise "
                    "the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the "
                    "client and select the RESP protocol version at the same time");
        return false;
    }
    if (hello->name.ptr != NULL && !client_set_word(&call->client->name, hello->name)) {
        reply_error(call->reply,
                    "ERR Client names cannot contain spaces, newlines or special characters.");
        return false;
    }
    return true;
}

static void cmd_hello(struct call *call)
{
    struct hello hello = {0};
    if (!parse_hello_or_reply(call, &hello) || !admit_or_reply(call, &hello))
        return;
    struct reply *r = call->reply;
    r->resp = (uint8_t)hello.resp;
    pubsub_refresh_gate(call->client);
    reply_map(r, 7);
    reply_bulk_text(r, "server");
    reply_bulk_text(r, "redis"); /* clients insist on it; INFO says redoubt */
    reply_bulk_text(r, "version");
    reply_bulk_text(r, REDIS_VERSION);
    reply_bulk_text(r, "proto");
    reply_int(r, hello.resp);
    reply_bulk_text(r, "id");
    reply_int(r, (int64_t)call->client->id);
    reply_bulk_text(r, "mode");
    reply_bulk_text(r, "standalone");
    reply_bulk_text(r, "role");
    reply_bulk_text(r, "master");
    reply_bulk_text(r, "modules");
    reply_array(r, 0);
}

/* -- the rest ---------------------------------------------------------------------------------- */

static void cmd_echo(struct call *call)
{
    reply_bulk(call->reply, call->argv[1]);
}

static void cmd_ping(struct call *call)
{
    if (call->argc > 2) {
        reply_arity_error(call);
        return;
    }
    if (call->client->subscriptions != NULL && call->reply->resp == 2) {
        reply_array(call->reply, 2); /* the form of a message */
        reply_bulk_text(call->reply, "pong");
        reply_bulk(call->reply, call->argc == 2 ? call->argv[1] : bytes_of("", 0));
    } else if (call->argc == 2) {
        reply_bulk(call->reply, call->argv[1]);
    } else {
        reply_simple(call->reply, "PONG");
    }
}

static void cmd_quit(struct call *call)
{
    reply_ok(call->reply);
    client_close(call->client, true);
}

/* Back to what the session was when it began, but for the names of its library. */
static void cmd_reset(struct call *call)
{
    struct client *c = call->client;
    monitor_stop(c);
    pubsub_leave(c);
    tracking_stop(c);
    transaction_discard(c);
    c->flags &= ~(uint32_t)(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT | CLIENT_NO_EVICT |
                            CLIENT_NO_TOUCH | CLIENT_ROLLBACK_ON | CLIENT_ROLLBACK_OFF);
    c->reply.muted = c->flags & CLIENT_REPLY_SKIP;
    c->reply.resp = 2;
    c->db = 0;
    client_set_word(&c->name, bytes_of("", 0));
    client_deauthenticate(c);
    reply_simple(call->reply, "RESET");
}

static void cmd_select(struct call *call)
{
    int64_t db;
    if (!call_range_or_reply(call, 1, INT32_MIN, INT32_MAX, &db, NULL))
        return;
    if (db < 0 || db >= call->keys->db_count) {
        reply_error(call->reply, "ERR DB index is out of range");
        return;
    }
    call->client->db = (int)db;
    reply_ok(call->reply);
}

const struct command connection_commands[] = {
    {
        .name = "auth",
        .run = cmd_auth,
        .arity = -2,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "1.0.0",
        .summary = "Authenticates the connection.",
        .complexity = "O(N) where N is the length of the password",
        .args = "username?@6.0.0 password",
    },
    {
        .name = "echo",
        .run = cmd_echo,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "1.0.0",
        .summary = "Returns the message.",
        .complexity = "O(1)",
        .args = "message",
    },
    {
        .name = "hello",
        .run = cmd_hello,
        .arity = -1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "6.0.0",
        .summary = "Chooses the protocol version, and may authenticate and name the connection.",
        .complexity = "O(1)",
        .args = "arguments{protover:integer auth=AUTH{username password}? "
                "clientname=SETNAME?}?",
    },
    {
        .name = "ping",
        .run = cmd_ping,
        .arity = -1,
        .flags = CMD_FAST | CMD_SUBSCRIBED,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "1.0.0",
        .summary = "Tells that the server is alive.",
        .complexity = "O(1)",
        .args = "message?",
        .tips = "request_policy:all_shards response_policy:all_succeeded",
    },
    {
        .name = "quit",
        .run = cmd_quit,
        .arity = -1,
        .flags = CMD_ALLOW_BUSY | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH |
                 CMD_UNQUEUED | CMD_DEPRECATED | CMD_SUBSCRIBED,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "1.0.0",
        .summary = "Closes the connection.",
        .complexity = "O(1)",
        .deprecated_since = "7.2.0",
        .replaced_by = "closing the connection",
    },
    {
        .name = "reset",
        .run = cmd_reset,
        .arity = 1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY |
                 CMD_UNQUEUED | CMD_SUBSCRIBED,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "6.2.0",
        .summary = "Puts the connection back into the state in which it began.",
        .complexity = "O(N) where N is the number of queued commands and watched keys",
    },
    {
        .name = "select",
        .run = cmd_select,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
        .categories = CAT_CONNECTION,
        .group = "connection",
        .since = "1.0.0",
        .summary = "Changes the database that the connection works on.",
        .complexity = "O(1)",
        .args = "index:integer",
    },
    {0},
};
