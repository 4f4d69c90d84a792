/*
 * streams.c - commands about entries of a stream: adding, counting, deleting, trimming, ranges.
 * Readers, who may wait, are in stream_read.c; groups in stream_groups.c and stream_pending.c.
 */
#include "server/commands/streams.h"

#include "server/command.h"

/* -- adding ------------------------------------------------------------------------------------ */

/* The id that an entry gets; false: it would not be greater than the last one. */
static bool choose_id(const struct call *call, const struct stream_options *o,
                      struct stream_id last, struct stream_id *id)
{
    if (o->auto_id) {
        *id = (struct stream_id){(uint64_t)call->keys->now_ms, 0};
        if (id->ms > last.ms)
            return true;
        *id = last;
        return stream_id_increment(id);
    }
    *id = o->id;
    if (o->auto_seq && last.ms == id->ms) {
        *id = last;
        return last.seq != UINT64_MAX && stream_id_increment(id);
    }
    return stream_id_less(last, *id);
}

static void trim_after_add(struct call *call, struct stream *s, const struct stream_options *o)
{
    if (o->trims && stream_trim(call->keys, s, &o->trim) > 0)
        keyspace_event(call->keys, call->db, call->argv[1], EVENT_STREAM, "xtrim");
}

static bool add_or_reply(struct call *call, struct stream *s, const struct stream_options *o,
                         int first_word, struct stream_id *id)
{
    const char *error = NULL;
    struct stream_id last = s != NULL ? s->facts.last_id : STREAM_ID_MIN;
    int words = call->argc - first_word;
    if (stream_id_equal(last, STREAM_ID_MAX))
        error = "ERR The stream has exhausted the last possible ID, unable to add more items";
    else if (!choose_id(call, o, last, id))
        error = "ERR The ID specified in XADD is equal or smaller than the target stream top item";
    else if (!stream_takes(call->argv + first_word, words))
        error = "ERR Elements are too large to be stored";
    if (error != NULL) {
        reply_error(call->reply, error);
        return false;
    }
    if (s == NULL)
        s = stream_create(call->keys, call->db, call_key(call, 1));
    stream_add(call->keys, s, *id, call->argv + first_word, words);
    keyspace_changed(call->keys, call->db, call->argv[1], EVENT_STREAM, "xadd");
    trim_after_add(call, s, o);
    return true;
}

static void cmd_xadd(struct call *call)
{
    struct stream_options o;
    struct stream *s;
    struct stream_id id;
    int at = stream_options_or_reply(call, true, &o);
    if (at == 0)
        return;
    int words = call->argc - at - 1;
    if (words < 2 || words % 2 != 0) {
        reply_arity_error(call);
        return;
    }
    if (!o.auto_id && !o.auto_seq && stream_id_is_zero(o.id)) {
        reply_error(call->reply, "ERR The ID specified in XADD must be greater than 0-0");
        return;
    }
    if (!stream_open_or_reply(call, 1, true, &s))
        return;
    if (s == NULL && o.no_create)
        reply_null(call->reply);
    else if (add_or_reply(call, s, &o, at + 1, &id))
        stream_reply_id(call->reply, id);
}

/* -- counting, deleting, trimming -------------------------------------------------------------- */

static void cmd_xlen(struct call *call)
{
    struct stream *s;
    if (stream_open_or_reply(call, 1, false, &s))
        reply_int(call->reply, s != NULL ? (int64_t)s->facts.length : 0);
}

static void cmd_xdel(struct call *call)
{
    struct stream *s;
    struct stream_id id;
    int64_t deleted = 0;
    if (!stream_open_or_reply(call, 1, true, &s))
        return;
    for (int i = 2; s != NULL && i < call->argc; i++)
        if (!stream_id_or_reply(call, i, 0, &id))
            return;
    for (int i = 2; s != NULL && i < call->argc; i++) {
        stream_parse_id(call->argv[i], 0, &id, NULL);
        deleted += stream_delete(call->keys, s, id);
    }
    if (deleted > 0)
        keyspace_changed(call->keys, call->db, call->argv[1], EVENT_STREAM, "xdel");
    reply_int(call->reply, deleted);
}

static void cmd_xtrim(struct call *call)
{
    struct stream_options o;
    struct stream *s;
    if (stream_options_or_reply(call, false, &o) == 0 || !stream_open_or_reply(call, 1, true, &s))
        return;
    uint64_t deleted = s != NULL ? stream_trim(call->keys, s, &o.trim) : 0;
    if (deleted > 0) {
        keyspace_changed(call->keys, call->db, call->argv[1], EVENT_STREAM, "xtrim");
        keyspace_count(call->keys, deleted - 1);
    }
    reply_int(call->reply, (int64_t)deleted);
}

/* -- ranges ------------------------------------------------------------------------------------ */

static bool count_or_reply(struct call *call, int64_t *count)
{
    *count = -1;
    for (int i = 4; i < call->argc; i += 2) {
        if (!bytes_is_word(call->argv[i], "count") || i + 1 == call->argc) {
            reply_syntax_error(call);
            return false;
        }
        if (!call_i64_or_reply(call, i + 1, count, NULL))
            return false;
        if (*count < 0)
            *count = 0;
    }
    return true;
}

static void reply_range(struct call *call, bool backwards)
{
    struct stream_id from, to;
    struct stream *s;
    int64_t count;
    if (!stream_range_or_reply(call, backwards ? 3 : 2, backwards ? 2 : 3, &from, &to) ||
        !count_or_reply(call, &count) || !stream_open_or_reply(call, 1, false, &s))
        return;
    if (s == NULL)
        reply_array(call->reply, 0);
    else if (count == 0)
        reply_null_array(call->reply);
    else
        stream_reply_range(call->reply, s, from, to, backwards, count > 0 ? (uint64_t)count : 0);
}

static void cmd_xrange(struct call *call)
{
    reply_range(call, false);
}

static void cmd_xrevrange(struct call *call)
{
    reply_range(call, true);
}

/* -- numbers ----------------------------------------------------------------------------------- */

struct setid {
    struct stream_id id, max_deleted_id;
    int64_t entries_added; /* -1: not given */
};

static bool setid_or_reply(struct call *call, struct setid *o)
{
    const char *error = NULL;
    *o = (struct setid){.entries_added = -1};
    if (!stream_id_or_reply(call, 2, 0, &o->id))
        return false;
    for (int i = 3; i < call->argc; i += 2) {
        bool more = i + 1 < call->argc;
        if (more && bytes_is_word(call->argv[i], "entriesadded")) {
            if (!call_i64_or_reply(call, i + 1, &o->entries_added, NULL))
                return false;
            if (o->entries_added < 0)
                error = "ERR entries_added must be positive";
        } else if (more && bytes_is_word(call->argv[i], "maxdeletedid")) {
            if (!stream_id_or_reply(call, i + 1, 0, &o->max_deleted_id))
                return false;
            if (stream_id_less(o->id, o->max_deleted_id))
                error = "ERR The ID specified in XSETID is smaller than the provided "
                        "max_deleted_entry_id";
        } else {
            error = "ERR syntax error";
        }
        if (error != NULL) {
            reply_error(call->reply, error);
            return false;
        }
    }
    return true;
}

/* Why the stream cannot have these numbers; NULL: it can. */
static const char *setid_conflict(const struct stream *s, const struct setid *o)
{
    struct stream_id last;
    if (stream_id_less(o->id, s->facts.max_deleted_id))
        return "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id";
    if (!stream_edge(s, true, &last))
        return NULL;
    if (stream_id_less(o->id, last))
        return "ERR The ID specified in XSETID is smaller than the target stream top item";
    if (o->entries_added != -1 && s->facts.length > (uint64_t)o->entries_added)
        return "ERR The entries_added specified in XSETID is smaller than the target stream length";
    return NULL;
}

static void cmd_xsetid(struct call *call)
{
    struct setid o;
    if (!setid_or_reply(call, &o))
        return;
    struct entry *e = call_find_for_write(call, 1);
    if (e == NULL) {
        reply_error(call->reply, "ERR no such key");
        return;
    }
    if (!call_type_or_reply(call, e, TYPE_STREAM))
        return;
    struct stream *s = stream_of(e);
    const char *conflict = setid_conflict(s, &o);
    if (conflict != NULL) {
        reply_error(call->reply, conflict);
        return;
    }
    struct stream_facts facts = s->facts;
    facts.last_id = o.id;
    if (o.entries_added != -1)
        facts.entries_added = (uint64_t)o.entries_added;
    if (!stream_id_is_zero(o.max_deleted_id))
        facts.max_deleted_id = o.max_deleted_id;
    stream_set_facts(call->keys, s, &facts);
    keyspace_changed_aside(call->keys, call->db, call->argv[1], EVENT_STREAM, "xsetid", false);
    reply_ok(call->reply);
}

#define STREAM_KEY(...) KEYS({__VA_ARGS__, .first = 1})

const struct command stream_commands[] = {
    {
        .name = "xadd",
        .run = cmd_xadd,
        .arity = -5,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_STREAM,
        STREAM_KEY(KEY_RW | KEY_UPDATE),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Adds an entry at the end of a stream, making it if there is none.",
        .complexity = "O(1), and O(N) with N entries that are trimmed.",
        .args = "key:key#0 nomkstream:token=NOMKSTREAM?@6.2.0 "
                "references(keepref:token=KEEPREF|delref:token=DELREF|acked:token=ACKED)?@8.2.0 "
                "trim{strategy(maxlen:token=MAXLEN|minid:token=MINID@6.2.0) "
                "operator(equal:token='='|approximately:token='~')? threshold "
                "count:integer=LIMIT?@6.2.0}? id-selector(auto-id:token='*'|id) "
                "data{field value}*",
        .tips = "nondeterministic_output",
        .history = "6.2.0:Added `NOMKSTREAM`, `MINID` and `LIMIT`.\n"
                   "7.0.0:An id may leave its sequence to the server: `<ms>-*`.\n"
                   "8.2.0:Added `KEEPREF`, `DELREF` and `ACKED`.",
    },
    {
        .name = "xlen",
        .run = cmd_xlen,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_STREAM,
        STREAM_KEY(KEY_RO),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Counts the entries of a stream.",
        .complexity = "O(1)",
        .args = "key:key#0",
    },
    {
        .name = "xrange",
        .run = cmd_xrange,
        .arity = -4,
        .flags = CMD_READONLY,
        .categories = CAT_STREAM,
        STREAM_KEY(KEY_RO | KEY_ACCESS),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Returns the entries of a stream from one id to another.",
        .complexity = "O(log(B)+N) with B blocks of entries and N entries returned.",
        .args = "key:key#0 start end count:integer=COUNT?",
        .history = "6.2.0:Ends of the range may be left out of it: `(`.",
    },
    {
        .name = "xrevrange",
        .run = cmd_xrevrange,
        .arity = -4,
        .flags = CMD_READONLY,
        .categories = CAT_STREAM,
        STREAM_KEY(KEY_RO | KEY_ACCESS),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Returns the entries of a stream from one id back to another.",
        .complexity = "O(log(B)+N) with B blocks of entries and N entries returned.",
        .args = "key:key#0 end start count:integer=COUNT?",
        .history = "6.2.0:Ends of the range may be left out of it: `(`.",
    },
    {
        .name = "xdel",
        .run = cmd_xdel,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_STREAM,
        STREAM_KEY(KEY_RW | KEY_DELETE),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Deletes entries of a stream by their ids.",
        .complexity = "O(1) for each id, whatever the size of the stream.",
        .args = "key:key#0 ID*",
    },
    {
        .name = "xtrim",
        .run = cmd_xtrim,
        .arity = -4,
        .flags = CMD_WRITE,
        .categories = CAT_STREAM,
        STREAM_KEY(KEY_RW | KEY_DELETE),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Removes the oldest entries of a stream.",
        .complexity = "O(N) with N removed entries; they go in blocks.",
        .args = "key:key#0 trim{strategy(maxlen:token=MAXLEN|minid:token=MINID@6.2.0) "
                "operator(equal:token='='|approximately:token='~')? threshold "
                "count:integer=LIMIT?@6.2.0} "
                "references(keepref:token=KEEPREF|delref:token=DELREF|acked:token=ACKED)?@8.2.0",
        .tips = "nondeterministic_output",
        .history = "6.2.0:Added `MINID` and `LIMIT`.\n"
                   "8.2.0:Added `KEEPREF`, `DELREF` and `ACKED`.",
    },
    {
        .name = "xsetid",
        .run = cmd_xsetid,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_STREAM,
        STREAM_KEY(KEY_RW | KEY_UPDATE),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Sets the last id of a stream, and its counters.",
        .complexity = "O(1)",
        .args = "key:key#0 last-id entries-added:integer=ENTRIESADDED?@7.0.0 "
                "max-deleted-id=MAXDELETEDID?@7.0.0",
        .history = "7.0.0:Added `ENTRIESADDED` and `MAXDELETEDID`.",
    },
    {0},
};
