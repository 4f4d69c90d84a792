/*
 * stream_refs.c - deleting entries with regard to the groups that refer to them: XDELEX, XACKDEL.
 *
 * Both answer a number for each id: -1 for what is not there (XACKDEL: is not pending for the
 * group), 1 for what was deleted, 2 for what stays because a group still needs it.
 */
#include "server/command.h"
#include "server/commands/streams.h"

enum outcome { NOT_THERE = -1, DELETED = 1, STAYS = 2 };

struct refs_options {
    enum stream_refs refs;
    int first_id, ids;
};

static bool ids_or_reply(struct call *call, int *i, struct refs_options *o)
{
    int64_t count;
    if (!call_range_or_reply(call, *i + 1, 1, INT32_MAX, &count,
                             "ERR Number of IDs must be greater than 0"))
        return false;
    if (count > call->argc - *i - 2) {
        reply_error(call->reply, "ERR The `numids` parameter must match the number of arguments");
        return false;
    }
    o->first_id = *i + 2;
    o->ids = (int)count;
    *i += 1 + (int)count;
    return true;
}

static bool options_or_reply(struct call *call, int first, struct refs_options *o)
{
    struct stream_id id;
    bool has_policy = false;
    *o = (struct refs_options){.refs = STREAM_REFS_KEEP};
    for (int i = first; i < call->argc; i++) {
        if (bytes_is_word(call->argv[i], "ids") && i + 1 < call->argc && o->ids == 0) {
            if (!ids_or_reply(call, &i, o))
                return false;
        } else if (!has_policy && stream_parse_policy(call->argv[i], &o->refs)) {
            has_policy = true;
        } else {
            reply_syntax_error(call);
            return false;
        }
    }
    if (o->ids == 0) {
        reply_syntax_error(call);
        return false;
    }
    for (int i = 0; i < o->ids; i++)
        if (!stream_id_or_reply(call, o->first_id + i, 0, &id))
            return false;
    return true;
}

static enum outcome delete_entry(struct call *call, struct stream *s, enum stream_refs refs,
                                 struct stream_id id)
{
    if (refs == STREAM_REFS_ACKED && stream_has(s, id) && stream_is_needed(s, id))
        return STAYS;
    if (refs == STREAM_REFS_DELETE)
        stream_drop_refs(call->keys, s, id);
    return stream_delete(call->keys, s, id) ? DELETED : NOT_THERE;
}

static enum outcome acknowledge(struct call *call, struct stream *s, struct stream_group *g,
                                enum stream_refs refs, struct stream_id id)
{
    if (!stream_pending_remove(call->keys, g, id))
        return NOT_THERE;
    keyspace_count(call->keys, 1);
    enum outcome outcome = delete_entry(call, s, refs, id);
    return outcome == NOT_THERE ? DELETED : outcome;
}

/* group: which one acknowledges; NULL: none does. */
static void run(struct call *call, const struct refs_options *o, struct stream *s,
                struct stream_group *group, bool acknowledges)
{
    uint64_t before = s != NULL ? s->facts.length : 0;
    bool is_idle = s == NULL || (acknowledges && group == NULL);
    reply_array(call->reply, o->ids);
    for (int i = 0; i < o->ids; i++) {
        struct stream_id id;
        enum outcome outcome = NOT_THERE;
        stream_parse_id(call->argv[o->first_id + i], 0, &id, NULL);
        if (!is_idle && acknowledges)
            outcome = acknowledge(call, s, group, o->refs, id);
        else if (!is_idle)
            outcome = delete_entry(call, s, o->refs, id);
        reply_int(call->reply, outcome);
    }
    if (s != NULL && s->facts.length != before)
        keyspace_changed(call->keys, call->db, call->argv[1], EVENT_STREAM, "xdel");
}

static void cmd_xdelex(struct call *call)
{
    struct refs_options o;
    struct stream *s;
    if (options_or_reply(call, 2, &o) && stream_open_or_reply(call, 1, true, &s))
        run(call, &o, s, NULL, false);
}

static void cmd_xackdel(struct call *call)
{
    struct refs_options o;
    struct stream *s;
    if (options_or_reply(call, 3, &o) && stream_open_or_reply(call, 1, true, &s))
        run(call, &o, s, s != NULL ? stream_group_find(s, call->argv[2]) : NULL, true);
}

#define POLICY "condition(keepref:token=KEEPREF|delref:token=DELREF|acked:token=ACKED)?"

const struct command stream_refs_commands[] = {
    {
        .name = "xdelex",
        .run = cmd_xdelex,
        .arity = -5,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_STREAM,
        KEYS({KEY_RW | KEY_DELETE, .first = 1}),
        .group = "stream",
        .since = "8.2.0",
        .summary = "Deletes entries of a stream; says what becomes of groups' references to them.",
        .complexity = "O(G) for each id with G groups.",
        .args = "key:key#0 " POLICY " ids=IDS{numids:integer id*}",
    },
    {
        .name = "xackdel",
        .run = cmd_xackdel,
        .arity = -6,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_STREAM,
        KEYS({KEY_RW | KEY_DELETE, .first = 1}),
        .group = "stream",
        .since = "8.2.0",
        .summary = "Acknowledges entries of a stream for a group and deletes them.",
        .complexity = "O(G) for each id with G groups.",
        .args = "key:key#0 group " POLICY " ids=IDS{numids:integer id*}",
    },
    {0},
};
