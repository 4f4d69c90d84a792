/*
 * stream_info.c - what there is to know of streams, groups and consumers: XINFO.
 */
#include "server/command.h"
#include "server/commands/streams.h"

static void name_field(struct reply *r, const char *name)
{
    reply_bulk_text(r, name);
}

static void int_field(struct reply *r, const char *name, int64_t value)
{
    name_field(r, name);
    reply_int(r, value);
}

static void id_field(struct reply *r, const char *name, struct stream_id id)
{
    name_field(r, name);
    stream_reply_id(r, id);
}

static void text_field(struct reply *r, const char *name, struct bytes value)
{
    name_field(r, name);
    reply_bulk(r, value);
}

/* How far the group is. */
static void progress_fields(struct reply *r, const struct stream *s, const struct stream_group *g)
{
    int64_t lag;
    id_field(r, "last-delivered-id", g->last_id);
    name_field(r, "entries-read");
    if (g->entries_read != ENTRIES_READ_UNKNOWN)
        reply_int(r, g->entries_read);
    else
        reply_null(r);
    name_field(r, "lag");
    if (stream_group_lag(s, g, &lag))
        reply_int(r, lag);
    else
        reply_null(r);
}

static struct stream *open_or_reply(struct call *call)
{
    struct entry *e = call_find(call, 2);
    if (e == NULL) {
        reply_error(call->reply, "ERR no such key");
        return NULL;
    }
    return call_type_or_reply(call, e, TYPE_STREAM) ? stream_of(e) : NULL;
}

/* -- groups and consumers ---------------------------------------------------------------------- */

static void cmd_xinfo_groups(struct call *call)
{
    struct reply *r = call->reply;
    const struct stream *s = open_or_reply(call);
    if (s == NULL)
        return;
    reply_array(r, s->groups.count);
    for (uint32_t i = 0; i < s->groups.count; i++) {
        const struct stream_group *g = stream_group_at(s, i);
        reply_map(r, 6);
        text_field(r, "name", g->name);
        int_field(r, "consumers", g->consumers.count);
        int_field(r, "pending", (int64_t)g->pending.count);
        progress_fields(r, s, g);
    }
}

static void cmd_xinfo_consumers(struct call *call)
{
    struct reply *r = call->reply;
    int64_t now = call->keys->now_ms;
    const struct stream *s = open_or_reply(call);
    if (s == NULL)
        return;
    const struct stream_group *g = stream_group_find(s, call->argv[3]);
    if (g == NULL) {
        reply_errorf(r, "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
                     (int)call->argv[3].len, call->argv[3].ptr, (int)call->argv[2].len,
                     call->argv[2].ptr);
        return;
    }
    reply_array(r, g->consumers.count);
    for (uint32_t i = 0; i < g->consumers.count; i++) {
        const struct stream_consumer *c = stream_consumer_at(g, i);
        int64_t idle = now - c->seen_ms, inactive = now - c->active_ms;
        reply_map(r, 4);
        text_field(r, "name", c->name);
        int_field(r, "pending", (int64_t)c->pending.count);
        int_field(r, "idle", idle > 0 ? idle : 0);
        int_field(r, "inactive", c->active_ms < 0 ? -1 : inactive > 0 ? inactive : 0);
    }
}

/* -- streams ----------------------------------------------------------------------------------- */

static void reply_edge(struct reply *r, const struct stream *s, bool last)
{
    struct stream_iter it;
    struct stream_item item;
    stream_iter_begin(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, last);
    if (stream_iter_next(&it, &item))
        stream_reply_entry(r, &it, &item);
    else
        reply_null(r);
}

/* What is pending for a group, or (owner) for one of its consumers. */
static void pending_field(struct reply *r, const struct stream_group *g,
                          const struct stream_consumer *owner, uint64_t count)
{
    const struct idtree *tree = owner != NULL ? &owner->pending : &g->pending;
    struct idcursor at = idtree_first(tree);
    uint64_t shown = count != 0 && count < tree->count ? count : tree->count;
    name_field(r, "pending");
    reply_array(r, (int64_t)shown);
    for (; shown > 0 && !reply_is_full(r); shown--, idcursor_next(&at)) {
        const struct stream_pending *p = stream_pending_find(g, idcursor_id(&at));
        reply_array(r, owner != NULL ? 3 : 4);
        stream_reply_id(r, idcursor_id(&at));
        if (owner == NULL)
            reply_bulk(r, p->owner->name);
        reply_int(r, p->delivered_ms);
        reply_int(r, (int64_t)p->deliveries);
    }
}

static void reply_full_group(struct reply *r, const struct stream *s, const struct stream_group *g,
                             uint64_t count)
{
    reply_map(r, 7);
    text_field(r, "name", g->name);
    progress_fields(r, s, g);
    int_field(r, "pel-count", (int64_t)g->pending.count);
    pending_field(r, g, NULL, count);
    name_field(r, "consumers");
    reply_array(r, g->consumers.count);
    for (uint32_t i = 0; i < g->consumers.count; i++) {
        const struct stream_consumer *c = stream_consumer_at(g, i);
        reply_map(r, 5);
        text_field(r, "name", c->name);
        int_field(r, "seen-time", c->seen_ms);
        int_field(r, "active-time", c->active_ms);
        int_field(r, "pel-count", (int64_t)c->pending.count);
        pending_field(r, g, c, count);
    }
}

/* Our blocks hang in a tree of another kind: the nodes are those that Redis has at least. */
static void reply_facts(struct reply *r, const struct stream *s)
{
    const struct stream_facts *f = &s->facts;
    int_field(r, "length", (int64_t)f->length);
    int_field(r, "radix-tree-keys", (int64_t)s->blocks.count);
    int_field(r, "radix-tree-nodes", (int64_t)s->blocks.count + 1);
    id_field(r, "last-generated-id", f->last_id);
    id_field(r, "max-deleted-entry-id", f->max_deleted_id);
    int_field(r, "entries-added", (int64_t)f->entries_added);
    id_field(r, "recorded-first-entry-id", f->first_id);
}

static bool full_or_reply(struct call *call, bool *full, int64_t *count)
{
    enum { USUAL = 10 };
    *count = USUAL;
    *full = call->argc > 3;
    if (call->argc == 3)
        return true;
    if ((call->argc != 4 && call->argc != 6) || !bytes_is_word(call->argv[3], "full") ||
        (call->argc == 6 && !bytes_is_word(call->argv[4], "count"))) {
        reply_subcommand_arguments(call);
        return false;
    }
    if (call->argc == 6 && !call_i64_or_reply(call, 5, count, NULL))
        return false;
    if (*count < 0)
        *count = USUAL;
    return true;
}

static void cmd_xinfo_stream(struct call *call)
{
    struct reply *r = call->reply;
    bool full;
    int64_t count;
    const struct stream *s = open_or_reply(call);
    if (s == NULL || !full_or_reply(call, &full, &count))
        return;
    reply_map(r, full ? 9 : 10);
    reply_facts(r, s);
    if (!full) {
        int_field(r, "groups", s->groups.count);
        name_field(r, "first-entry");
        reply_edge(r, s, false);
        name_field(r, "last-entry");
        reply_edge(r, s, true);
        return;
    }
    name_field(r, "entries");
    stream_reply_range(r, s, STREAM_ID_MIN, STREAM_ID_MAX, false, (uint64_t)count);
    name_field(r, "groups");
    reply_array(r, s->groups.count);
    for (uint32_t i = 0; i < s->groups.count; i++)
        reply_full_group(r, s, stream_group_at(s, i), (uint64_t)count);
}

static void cmd_xinfo_help(struct call *call)
{
    static const char *const lines[] = {
        "CONSUMERS <key> <groupname>",
        "    Show consumers of <groupname>.",
        "GROUPS <key>",
        "    Show the stream consumer groups.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    Show information about the stream.",
        NULL,
    };
    reply_help(call, lines);
}

#define INFO_KEY KEYS({KEY_RO | KEY_ACCESS, .first = 2})

static const struct command xinfo_subcommands[] = {
    {
        .name = "consumers",
        .run = cmd_xinfo_consumers,
        .arity = 4,
        .flags = CMD_READONLY,
        .categories = CAT_STREAM,
        INFO_KEY,
        .group = "stream",
        .since = "5.0.0",
        .summary = "Lists the consumers of a group.",
        .complexity = "O(N) with N consumers.",
        .args = "key:key#0 group",
        .tips = "nondeterministic_output",
        .history = "7.2.0:Added `inactive`; `idle` counts from the last attempt.",
    },
    {
        .name = "groups",
        .run = cmd_xinfo_groups,
        .arity = 3,
        .flags = CMD_READONLY,
        .categories = CAT_STREAM,
        INFO_KEY,
        .group = "stream",
        .since = "5.0.0",
        .summary = "Lists the groups of a stream.",
        .complexity = "O(N) with N groups.",
        .args = "key:key#0",
        .history = "7.0.0:Added `entries-read` and `lag`.",
    },
    {
        .name = "help",
        .run = cmd_xinfo_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .categories = CAT_STREAM,
        .group = "stream",
        .since = "5.0.0",
        .summary = "Explains the subcommands.",
        .complexity = "O(1)",
    },
    {
        .name = "stream",
        .run = cmd_xinfo_stream,
        .arity = -3,
        .flags = CMD_READONLY,
        .categories = CAT_STREAM,
        INFO_KEY,
        .group = "stream",
        .since = "5.0.0",
        .summary = "Tells what there is to know of a stream.",
        .complexity = "O(1); with FULL, O(N) with N things shown.",
        .args = "key:key#0 full-block{full:token=FULL count:integer=COUNT?}?",
        .history = "6.0.0:Added `FULL`.\n"
                   "7.0.0:Added what was deleted, how many entries were added, and lags.\n"
                   "7.2.0:Added `active-time`; `seen-time` is that of the last attempt.",
    },
    {0},
};

const struct command stream_info_commands[] = {
    {
        .name = "xinfo",
        .arity = -2,
        .subcommands = xinfo_subcommands,
        .group = "stream",
        .since = "5.0.0",
        .summary = "Holds the commands that look at streams.",
        .complexity = "Depends on the subcommand.",
    },
    {0},
};
