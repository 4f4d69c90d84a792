/*
 * client_kill.c - CLIENT KILL: closing the sessions that fit all of its options.
 */
#include "server/commands/client_kill.h"

#include "server/client.h"
#include "server/server.h"

bool client_class_or_reply(struct call *call, int i, enum client_class *class)
{
    static const struct {
        const char *name;
        enum client_class class;
    } names[] = {
        {"normal", CLASS_NORMAL}, {"slave", CLASS_REPLICA}, {"replica", CLASS_REPLICA},
        {"pubsub", CLASS_PUBSUB}, {"master", CLASS_MASTER},
    };
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        if (bytes_is_word(call->argv[i], names[n].name)) {
            *class = names[n].class;
            return true;
        }
    }
    reply_errorf(call->reply, "ERR Unknown client type '%.*s'", (int)call->argv[i].len,
                 call->argv[i].ptr);
    return false;
}

struct kill_filter {
    uint64_t id;                       /* 0: any */
    enum client_class class;           /* CLASS_COUNT: any */
    struct bytes address, local, user; /* ptr NULL: any */
    int64_t age_s;                     /* at least; 0: any */
    bool skip_me;
};

static bool positive_or_reply(struct call *call, int i, int64_t *out, const char *error)
{
    return call_range_or_reply(call, i, 1, INT64_MAX, out, error);
}

/* MAXAGE tells what is no number from what is not positive. */
static bool age_or_reply(struct call *call, int i, int64_t *out)
{
    if (!call_i64_or_reply(call, i, out, "ERR maxage is not an integer or out of range"))
        return false;
    if (*out > 0)
        return true;
    reply_error(call->reply, "ERR maxage should be greater than 0");
    return false;
}

static bool user_or_reply(struct call *call, int i)
{
    if (bytes_equal(call->argv[i], bytes_of_text("default")))
        return true;
    reply_errorf(call->reply, "ERR No such user '%.*s'", (int)call->argv[i].len, call->argv[i].ptr);
    return false;
}

static bool skip_or_reply(struct call *call, int i, bool *skip_me)
{
    *skip_me = bytes_is_word(call->argv[i], "yes");
    if (*skip_me || bytes_is_word(call->argv[i], "no"))
        return true;
    reply_syntax_error(call);
    return false;
}

/* One option and its value, at i and i + 1. */
static bool parse_filter_or_reply(struct call *call, int i, struct kill_filter *filter)
{
    if (i + 1 == call->argc) {
        reply_syntax_error(call);
        return false;
    }
    struct bytes option = call->argv[i], value = call->argv[i + 1];
    if (bytes_is_word(option, "id"))
        return positive_or_reply(call, i + 1, (int64_t *)&filter->id,
                                 "ERR client-id should be greater than 0");
    if (bytes_is_word(option, "type"))
        return client_class_or_reply(call, i + 1, &filter->class);
    if (bytes_is_word(option, "maxage"))
        return age_or_reply(call, i + 1, &filter->age_s);
    if (bytes_is_word(option, "skipme"))
        return skip_or_reply(call, i + 1, &filter->skip_me);
    if (bytes_is_word(option, "addr")) {
        filter->address = value;
        return true;
    }
    if (bytes_is_word(option, "laddr")) {
        filter->local = value;
        return true;
    }
    if (bytes_is_word(option, "user")) {
        filter->user = value;
        return user_or_reply(call, i + 1);
    }
    reply_syntax_error(call);
    return false;
}

/* Addresses are only asked for if they are wanted: making their texts costs a system call. */
static bool address_fits(struct bytes wanted, const struct client *c,
                         const char *(*address_of)(const struct client *))
{
    return wanted.ptr == NULL || bytes_equal(wanted, bytes_of_text(address_of(c)));
}

static bool filter_takes(const struct kill_filter *filter, const struct client *c, int64_t now_ms)
{
    if ((c->flags & CLIENT_CLOSE_NOW) != 0)
        return false;
    return (filter->id == 0 || filter->id == c->id) &&
           (filter->class == CLASS_COUNT || filter->class == client_class(c)) &&
           (filter->age_s == 0 || (now_ms - c->created_ms) / 1000 >= filter->age_s) &&
           (filter->user.ptr == NULL || bytes_equal(filter->user, bytes_of_text(c->user))) &&
           address_fits(filter->address, c, client_address) &&
           address_fits(filter->local, c, client_local_address);
}

/* Returns how many were killed. The caller itself is only marked in *self: it is to get its reply.
 */
static int64_t kill_matching(struct call *call, const struct kill_filter *filter, bool *self)
{
    int64_t killed = 0;
    for (struct client *c = call->server->clients.first; c != NULL; c = c->next) {
        if (!filter_takes(filter, c, call->keys->now_ms) || (c == call->client && filter->skip_me))
            continue;
        killed++;
        if (c == call->client)
            *self = true;
        else
            client_close(c, false);
    }
    return killed;
}

void cmd_client_kill(struct call *call)
{
    struct kill_filter filter = {.class = CLASS_COUNT, .skip_me = true};
    bool old_form = call->argc == 3, self = false;
    if (old_form) {
        filter.address = call->argv[2];
        filter.skip_me = false;
    }
    for (int i = 2; !old_form && i < call->argc; i += 2) {
        if (!parse_filter_or_reply(call, i, &filter))
            return;
    }
    int64_t killed = kill_matching(call, &filter, &self);
    if (!old_form)
        reply_int(call->reply, killed);
    else if (killed > 0)
        reply_ok(call->reply);
    else
        reply_error(call->reply, "ERR No such client");
    if (self)
        client_close(call->client, true);
}
