/*
 * pubsub.c - SUBSCRIBE and its family, PUBLISH, PUBSUB.
 *
 * Who subscribes is answered with a push for each name, not with a reply: more than one for one
 * request. Such confirmations come through CLIENT REPLY OFF, as messages do.
 */
#include "server/pubsub.h"

#include "base/glob.h"
#include "server/call.h"
#include "server/client.h"
#include "server/command.h"

/* -- subscribing ------------------------------------------------------------------------------- */

/* Shard channels are counted by themselves, channels and patterns together. */
static int64_t count_shown(const struct client *c, enum channel_kind kind)
{
    if (kind == PUBSUB_SHARD)
        return (int64_t)pubsub_count_of(c, PUBSUB_SHARD);
    return (int64_t)(pubsub_count_of(c, PUBSUB_CHANNEL) + pubsub_count_of(c, PUBSUB_PATTERN));
}

/* name.ptr NULL: there was none to leave. */
static void confirm(struct call *call, struct bytes name, int64_t count)
{
    struct reply *r = call->reply;
    bool muted = r->muted;
    r->muted = false;
    reply_push(r, 3);
    reply_bulk_text(r, call->command->row->name);
    if (name.ptr != NULL)
        reply_bulk(r, name);
    else
        reply_null(r);
    reply_int(r, count);
    r->muted = muted;
}

/* A script expects one reply for each command, and nothing behind it. In MULTI, Redis lets channels
 * and patterns pass for the sake of old programs. */
static bool may_subscribe_or_reply(struct call *call, enum channel_kind kind)
{
    const struct client *c = call->client;
    bool in_exec = c->flags & CLIENT_IN_EXEC;
    if (c->conn != NULL && (!in_exec || kind != PUBSUB_SHARD))
        return true;
    static const char *const names[PUBSUB_KINDS] = {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"};
    reply_errorf(call->reply, "ERR %s isn't allowed for a DENY BLOCKING client", names[kind]);
    return false;
}

static void subscribe(struct call *call, enum channel_kind kind)
{
    if (!may_subscribe_or_reply(call, kind))
        return;
    for (int i = 1; i < call->argc; i++) {
        pubsub_subscribe(call->client, kind, call->argv[i]);
        confirm(call, call->argv[i], count_shown(call->client, kind));
    }
}

static void unsubscribe_all(struct call *call, enum channel_kind kind)
{
    struct client *c = call->client;
    const struct subscription *any = pubsub_any(c, kind);
    if (any == NULL)
        confirm(call, bytes_of(NULL, 0), count_shown(c, kind));
    for (; any != NULL; any = pubsub_any(c, kind)) {
        struct bytes name = pubsub_name(any); /* gone afterwards */
        confirm(call, name, count_shown(c, kind) - 1);
        pubsub_unsubscribe(c, kind, name);
    }
}

static void unsubscribe(struct call *call, enum channel_kind kind)
{
    if (call->argc == 1)
        unsubscribe_all(call, kind);
    for (int i = 1; i < call->argc; i++) {
        pubsub_unsubscribe(call->client, kind, call->argv[i]);
        confirm(call, call->argv[i], count_shown(call->client, kind));
    }
}

static void cmd_subscribe(struct call *call)
{
    subscribe(call, PUBSUB_CHANNEL);
}

static void cmd_psubscribe(struct call *call)
{
    subscribe(call, PUBSUB_PATTERN);
}

static void cmd_ssubscribe(struct call *call)
{
    subscribe(call, PUBSUB_SHARD);
}

static void cmd_unsubscribe(struct call *call)
{
    unsubscribe(call, PUBSUB_CHANNEL);
}

static void cmd_punsubscribe(struct call *call)
{
    unsubscribe(call, PUBSUB_PATTERN);
}

static void cmd_sunsubscribe(struct call *call)
{
    unsubscribe(call, PUBSUB_SHARD);
}

/* -- publishing -------------------------------------------------------------------------------- */

static void publish(struct call *call, enum channel_kind kind)
{
    uint64_t receivers = pubsub_publish(call->server, kind, call->argv[1], call->argv[2]);
    reply_int(call->reply, (int64_t)receivers);
}

static void cmd_publish(struct call *call)
{
    publish(call, PUBSUB_CHANNEL);
}

static void cmd_spublish(struct call *call)
{
    publish(call, PUBSUB_SHARD);
}

/* -- PUBSUB ------------------------------------------------------------------------------------ */

struct listing {
    struct reply *reply;
    struct bytes pattern; /* ptr NULL: all */
    int64_t count;
};

static void list_name(struct bytes name, void *context)
{
    struct listing *l = context;
    if (l->pattern.ptr != NULL && !glob_match(l->pattern, name, false))
        return;
    reply_bulk(l->reply, name);
    l->count++;
}

static void list_channels(struct call *call, enum channel_kind kind)
{
    struct listing l = {.reply = call->reply};
    if (call->argc > 3) {
        reply_subcommand_arguments(call);
        return;
    }
    if (call->argc == 3)
        l.pattern = call->argv[2];
    struct reply_mark mark = reply_mark(call->reply);
    pubsub_each(call->server, kind, list_name, &l);
    reply_array_at(call->reply, mark, l.count);
}

static void count_subscribers(struct call *call, enum channel_kind kind)
{
    reply_array(call->reply, (call->argc - 2) * 2);
    for (int i = 2; i < call->argc; i++) {
        reply_bulk(call->reply, call->argv[i]);
        reply_int(call->reply, (int64_t)pubsub_subscribers(call->server, kind, call->argv[i]));
    }
}

static void cmd_pubsub_channels(struct call *call)
{
    list_channels(call, PUBSUB_CHANNEL);
}

static void cmd_pubsub_shardchannels(struct call *call)
{
    list_channels(call, PUBSUB_SHARD);
}

static void cmd_pubsub_numsub(struct call *call)
{
    count_subscribers(call, PUBSUB_CHANNEL);
}

static void cmd_pubsub_shardnumsub(struct call *call)
{
    count_subscribers(call, PUBSUB_SHARD);
}

static void cmd_pubsub_numpat(struct call *call)
{
    reply_int(call->reply, (int64_t)pubsub_count(call->server, PUBSUB_PATTERN));
}

static void cmd_pubsub_help(struct call *call)
{
    static const char *const lines[] = {
        "CHANNELS [<pattern>]",
        "    Return the channels with subscribers that match a <pattern> (default: '*').",
        "NUMPAT",
        "    Return the number of patterns that are subscribed to.",
        "NUMSUB [<channel> ...]",
        "    Return how many subscribers each of the channels has, those of patterns",
        "    not counted (default: no channels).",
        "SHARDCHANNELS [<pattern>]",
        "    Return the shard channels with subscribers that match a <pattern>",
        "    (default: '*').",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    Return how many subscribers each of the shard channels has.",
        NULL,
    };
    reply_help(call, lines);
}

/* -- rows -------------------------------------------------------------------------------------- */

enum {
    ASKING = CMD_PUBSUB | CMD_LOADING | CMD_STALE,
    LISTENING = CMD_PUBSUB | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_SUBSCRIBED,
    SENDING = CMD_PUBSUB | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_MAY_REPLICATE,
};

static const struct command pubsub_subcommands[] = {
    {
        .name = "channels",
        .run = cmd_pubsub_channels,
        .arity = -2,
        .flags = ASKING,
        .group = "pubsub",
        .since = "2.8.0",
        .summary = "Lists the channels that somebody subscribes to.",
        .complexity = "O(N) where N is the number of such channels",
        .args = "pattern:pattern?",
    },
    {
        .name = "help",
        .run = cmd_pubsub_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .group = "pubsub",
        .since = "6.2.0",
        .summary = "Describes the subcommands.",
        .complexity = "O(1)",
    },
    {
        .name = "numpat",
        .run = cmd_pubsub_numpat,
        .arity = 2,
        .flags = ASKING,
        .group = "pubsub",
        .since = "2.8.0",
        .summary = "Counts the patterns that somebody subscribes to.",
        .complexity = "O(1)",
    },
    {
        .name = "numsub",
        .run = cmd_pubsub_numsub,
        .arity = -2,
        .flags = ASKING,
        .group = "pubsub",
        .since = "2.8.0",
        .summary = "Counts the subscribers of channels.",
        .complexity = "O(N) where N is the number of channels asked for",
        .args = "channel?*",
    },
    {
        .name = "shardchannels",
        .run = cmd_pubsub_shardchannels,
        .arity = -2,
        .flags = ASKING,
        .group = "pubsub",
        .since = "7.0.0",
        .summary = "Lists the shard channels that somebody subscribes to.",
        .complexity = "O(N) where N is the number of such channels",
        .args = "pattern:pattern?",
    },
    {
        .name = "shardnumsub",
        .run = cmd_pubsub_shardnumsub,
        .arity = -2,
        .flags = ASKING,
        .group = "pubsub",
        .since = "7.0.0",
        .summary = "Counts the subscribers of shard channels.",
        .complexity = "O(N) where N is the number of channels asked for",
        .args = "shardchannel?*",
    },
    {0},
};

const struct command pubsub_commands[] = {
    {
        .name = "subscribe",
        .run = cmd_subscribe,
        .arity = -2,
        .flags = LISTENING,
        .group = "pubsub",
        .since = "2.0.0",
        .summary = "Listens to channels.",
        .complexity = "O(N) where N is the number of channels",
        .args = "channel*",
    },
    {
        .name = "psubscribe",
        .run = cmd_psubscribe,
        .arity = -2,
        .flags = LISTENING,
        .group = "pubsub",
        .since = "2.0.0",
        .summary = "Listens to all channels that match one of the patterns.",
        .complexity = "O(N) where N is the number of patterns",
        .args = "pattern:pattern*",
    },
    {
        .name = "ssubscribe",
        .run = cmd_ssubscribe,
        .arity = -2,
        .flags = LISTENING,
        KEYS({KEY_NOT_KEY, .first = 1, .last = -1, .step = 1}),
        .group = "pubsub",
        .since = "7.0.0",
        .summary = "Listens to shard channels.",
        .complexity = "O(N) where N is the number of shard channels",
        .args = "shardchannel*",
    },
    {
        .name = "unsubscribe",
        .run = cmd_unsubscribe,
        .arity = -1,
        .flags = LISTENING,
        .group = "pubsub",
        .since = "2.0.0",
        .summary = "Stops listening to channels, to all of them if none is named.",
        .complexity = "O(N) where N is the number of channels",
        .args = "channel?*",
    },
    {
        .name = "punsubscribe",
        .run = cmd_punsubscribe,
        .arity = -1,
        .flags = LISTENING,
        .group = "pubsub",
        .since = "2.0.0",
        .summary = "Stops listening to patterns, to all of them if none is named.",
        .complexity = "O(N) where N is the number of patterns",
        .args = "pattern:pattern?*",
    },
    {
        .name = "sunsubscribe",
        .run = cmd_sunsubscribe,
        .arity = -1,
        .flags = LISTENING,
        KEYS({KEY_NOT_KEY, .first = 1, .last = -1, .step = 1}),
        .group = "pubsub",
        .since = "7.0.0",
        .summary = "Stops listening to shard channels, to all of them if none is named.",
        .complexity = "O(N) where N is the number of shard channels",
        .args = "shardchannel?*",
    },
    {
        .name = "publish",
        .run = cmd_publish,
        .arity = 3,
        .flags = SENDING,
        .group = "pubsub",
        .since = "2.0.0",
        .summary = "Sends a message to all who listen to a channel.",
        .complexity = "O(N+M) where N is the number of the channel's subscribers and M the number "
                      "of patterns",
        .args = "channel message",
    },
    {
        .name = "spublish",
        .run = cmd_spublish,
        .arity = 3,
        .flags = SENDING,
        KEYS({KEY_NOT_KEY, .first = 1, .last = 0, .step = 1}),
        .group = "pubsub",
        .since = "7.0.0",
        .summary = "Sends a message to all who listen to a shard channel.",
        .complexity = "O(N) where N is the number of the channel's subscribers",
        .args = "shardchannel message",
    },
    {
        .name = "pubsub",
        .arity = -2,
        .group = "pubsub",
        .since = "2.8.0",
        .summary = "A container of commands about channels.",
        .complexity = "Depends on the subcommand.",
        .subcommands = pubsub_subcommands,
    },
    {0},
};
