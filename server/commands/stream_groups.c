/*
 * stream_groups.c - groups of consumers and their consumers: XGROUP; acknowledging: XACK.
 *
 * WATCH does not see any of this, as in Redis: only a stream that XGROUP CREATE makes is a change
 * of its key.
 */
#include "server/command.h"
#include "server/commands/streams.h"

/* -- shared ------------------------------------------------------------------------------------ */

void stream_group_changed(struct call *call, int key_arg, const char *event, bool wakes)
{
    keyspace_changed_aside(call->keys, call->db, call->argv[key_arg], EVENT_STREAM, event, wakes);
}

struct stream_consumer *stream_consumer_demand(struct call *call, int key_arg,
                                               struct stream_group *g, struct bytes name)
{
    struct stream_consumer *c = stream_consumer_find(g, name);
    if (c == NULL) {
        c = stream_consumer_create(call->keys, g, name);
        stream_group_changed(call, key_arg, "xgroup-createconsumer", false);
    }
    return c;
}

bool stream_open_group_or_reply(struct call *call, struct stream **s, struct stream_group **g)
{
    if (!stream_open_or_reply(call, 1, false, s))
        return false;
    *g = *s != NULL ? stream_group_find(*s, call->argv[2]) : NULL;
    if (*g != NULL)
        return true;
    struct bytes key = call->argv[1], name = call->argv[2];
    reply_errorf(call->reply, "NOGROUP No such key '%.*s' or consumer group '%.*s'", (int)key.len,
                 key.ptr, (int)name.len, name.ptr);
    return false;
}

/* -- XGROUP ------------------------------------------------------------------------------------ */

struct group_options {
    bool make_stream;
    int64_t entries_read;
};

static bool options_or_reply(struct call *call, bool is_create, struct group_options *o)
{
    *o = (struct group_options){.entries_read = ENTRIES_READ_UNKNOWN};
    for (int i = 5; i < call->argc; i++) {
        if (is_create && bytes_is_word(call->argv[i], "mkstream")) {
            o->make_stream = true;
        } else if (bytes_is_word(call->argv[i], "entriesread") && i + 1 < call->argc) {
            if (!call_i64_or_reply(call, ++i, &o->entries_read, NULL))
                return false;
            if (o->entries_read < 0 && o->entries_read != ENTRIES_READ_UNKNOWN) {
                reply_error(call->reply, "ERR value for ENTRIESREAD must be positive or -1");
                return false;
            }
        } else {
            reply_subcommand_arguments(call);
            return false;
        }
    }
    return true;
}

/* The stream at argument 2, which has to be there unless it may be made. */
static bool open_or_reply(struct call *call, bool may_make, struct stream **s)
{
    if (!stream_open_or_reply(call, 2, true, s))
        return false;
    if (*s != NULL || may_make)
        return true;
    reply_error(call->reply,
                "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may "
                "want to use the MKSTREAM option to create an empty stream automatically.");
    return false;
}

static struct stream_group *group_or_reply(struct call *call, const struct stream *s)
{
    struct bytes key = call->argv[2], name = call->argv[3];
    struct stream_group *g = stream_group_find(s, name);
    if (g == NULL)
        reply_errorf(call->reply, "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
                     (int)name.len, name.ptr, (int)key.len, key.ptr);
    return g;
}

static struct stream_group *open_group_or_reply(struct call *call, struct stream **s)
{
    return open_or_reply(call, false, s) ? group_or_reply(call, *s) : NULL;
}

static void cmd_xgroup_create(struct call *call)
{
    struct group_options o;
    struct stream *s;
    struct stream_id id = STREAM_ID_MIN;
    if (!options_or_reply(call, true, &o) || !open_or_reply(call, o.make_stream, &s))
        return;
    if (stream_is_char(call->argv[4], '$'))
        id = s != NULL ? s->facts.last_id : id;
    else if (!stream_id_or_reply(call, 4, 0, &id))
        return;
    if (s == NULL) {
        s = stream_create(call->keys, call->db, call_key(call, 2));
        keyspace_changed(call->keys, call->db, call->argv[2], EVENT_STREAM, NULL);
    }
    if (stream_group_create(call->keys, s, call->argv[3], id, o.entries_read) == NULL) {
        reply_error(call->reply, "BUSYGROUP Consumer Group name already exists");
        return;
    }
    stream_group_changed(call, 2, "xgroup-create", false);
    reply_ok(call->reply);
}

/* The ends of the stream have names here. */
static bool position_or_reply(struct call *call, const struct stream *s, struct stream_id *id)
{
    struct bytes text = call->argv[4];
    if (stream_is_char(text, '$'))
        *id = s->facts.last_id;
    else if (stream_is_char(text, '-'))
        *id = STREAM_ID_MIN;
    else if (stream_is_char(text, '+'))
        *id = STREAM_ID_MAX;
    else
        return stream_id_or_reply(call, 4, 0, id);
    return true;
}

static void cmd_xgroup_setid(struct call *call)
{
    struct group_options o;
    struct stream *s;
    struct stream_id id;
    if (!options_or_reply(call, false, &o))
        return;
    struct stream_group *g = open_group_or_reply(call, &s);
    if (g == NULL || !position_or_reply(call, s, &id))
        return;
    stream_group_set_position(call->keys, g, id, o.entries_read);
    stream_group_changed(call, 2, "xgroup-setid", false);
    reply_ok(call->reply);
}

static void cmd_xgroup_destroy(struct call *call)
{
    struct stream *s;
    if (!open_or_reply(call, false, &s))
        return;
    struct stream_group *g = stream_group_find(s, call->argv[3]);
    if (g != NULL) {
        stream_group_destroy(call->keys, s, g);
        stream_group_changed(call, 2, "xgroup-destroy", true);
    }
    reply_int(call->reply, g != NULL);
}

static void cmd_xgroup_createconsumer(struct call *call)
{
    struct stream *s;
    struct stream_group *g = open_group_or_reply(call, &s);
    if (g == NULL)
        return;
    bool is_new = stream_consumer_find(g, call->argv[4]) == NULL;
    stream_consumer_demand(call, 2, g, call->argv[4]);
    reply_int(call->reply, is_new);
}

static void cmd_xgroup_delconsumer(struct call *call)
{
    struct stream *s;
    int64_t pending = 0;
    struct stream_group *g = open_group_or_reply(call, &s);
    if (g == NULL)
        return;
    struct stream_consumer *c = stream_consumer_find(g, call->argv[4]);
    if (c != NULL) {
        pending = (int64_t)c->pending.count;
        stream_consumer_destroy(call->keys, g, c);
        stream_group_changed(call, 2, "xgroup-delconsumer", false);
    }
    reply_int(call->reply, pending);
}

static void cmd_xgroup_help(struct call *call)
{
    static const char *const lines[] = {
        "CREATE <key> <groupname> <id|$> [option]",
        "    Create a new consumer group. Options are:",
        "    * MKSTREAM",
        "      Create the empty stream if it does not exist.",
        "    * ENTRIESREAD entries_read",
        "      Set the group's entries_read counter (internal use).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Create a new consumer in the specified group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove the specified consumer.",
        "DESTROY <key> <groupname>",
        "    Remove the specified group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set the current group ID and entries_read counter.",
        NULL,
    };
    reply_help(call, lines);
}

/* -- XACK -------------------------------------------------------------------------------------- */

static void cmd_xack(struct call *call)
{
    struct stream *s;
    struct stream_id id;
    int64_t acknowledged = 0;
    if (!stream_open_or_reply(call, 1, false, &s))
        return;
    struct stream_group *g = s != NULL ? stream_group_find(s, call->argv[2]) : NULL;
    for (int i = 3; g != NULL && i < call->argc; i++)
        if (!stream_id_or_reply(call, i, 0, &id))
            return;
    for (int i = 3; g != NULL && i < call->argc; i++) {
        stream_parse_id(call->argv[i], 0, &id, NULL);
        acknowledged += stream_pending_remove(call->keys, g, id);
    }
    keyspace_count(call->keys, (uint64_t)acknowledged);
    reply_int(call->reply, acknowledged);
}

#define GROUP_KEY(...) KEYS({__VA_ARGS__, .first = 2})

static const struct command xgroup_subcommands[] = {
    {
        .name = "create",
        .run = cmd_xgroup_create,
        .arity = -5,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_STREAM,
        GROUP_KEY(KEY_RW | KEY_INSERT),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Makes a group of consumers.",
        .complexity = "O(1)",
        .args = "key:key#0 group id-selector(id|new-id:token='$') mkstream:token=MKSTREAM? "
                "entriesread:integer=ENTRIESREAD?~entries-read",
        .history = "7.0.0:Added `ENTRIESREAD`.",
    },
    {
        .name = "createconsumer",
        .run = cmd_xgroup_createconsumer,
        .arity = 5,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_STREAM,
        GROUP_KEY(KEY_RW | KEY_INSERT),
        .group = "stream",
        .since = "6.2.0",
        .summary = "Makes a consumer of a group.",
        .complexity = "O(1)",
        .args = "key:key#0 group consumer",
    },
    {
        .name = "delconsumer",
        .run = cmd_xgroup_delconsumer,
        .arity = 5,
        .flags = CMD_WRITE,
        .categories = CAT_STREAM,
        GROUP_KEY(KEY_RW | KEY_DELETE),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Removes a consumer and what is pending for it.",
        .complexity = "O(1), and O(N) with N pending entries.",
        .args = "key:key#0 group consumer",
    },
    {
        .name = "destroy",
        .run = cmd_xgroup_destroy,
        .arity = 4,
        .flags = CMD_WRITE,
        .categories = CAT_STREAM,
        GROUP_KEY(KEY_RW | KEY_DELETE),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Removes a group of consumers.",
        .complexity = "O(N) with N pending entries.",
        .args = "key:key#0 group",
    },
    {
        .name = "help",
        .run = cmd_xgroup_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .categories = CAT_STREAM,
        .group = "stream",
        .since = "5.0.0",
        .summary = "Explains the subcommands.",
        .complexity = "O(1)",
    },
    {
        .name = "setid",
        .run = cmd_xgroup_setid,
        .arity = -5,
        .flags = CMD_WRITE,
        .categories = CAT_STREAM,
        GROUP_KEY(KEY_RW | KEY_UPDATE),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Sets up to where a group has read.",
        .complexity = "O(1)",
        .args = "key:key#0 group id-selector(id|new-id:token='$') "
                "entriesread:integer=ENTRIESREAD?~entries-read",
        .history = "7.0.0:Added `ENTRIESREAD`.",
    },
    {0},
};

const struct command stream_group_commands[] = {
    {
        .name = "xgroup",
        .arity = -2,
        .subcommands = xgroup_subcommands,
        .group = "stream",
        .since = "5.0.0",
        .summary = "Holds the commands about groups of consumers.",
        .complexity = "Depends on the subcommand.",
    },
    {
        .name = "xack",
        .run = cmd_xack,
        .arity = -4,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_STREAM,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Acknowledges entries: they are not pending for the group any more.",
        .complexity = "O(1) for each id.",
        .args = "key:key#0 group ID*",
    },
    {0},
};
