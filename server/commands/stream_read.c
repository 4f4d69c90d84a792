/*
 * stream_read.c - reading what is new in streams, alone or as a group's consumer: XREAD,
 * XREADGROUP.
 *
 * Who finds nothing may wait (blocked.h). A request that waits is run again when one of its keys
 * has changed, so what it meant by '$' is fixed when it begins to wait: the request that is kept
 * has the ids in their places. Readers of a group want to hear as well that it is gone.
 */
#include "base/memory.h"
#include "server/blocked.h"
#include "server/command.h"
#include "server/commands/streams.h"

/* The greatest id stands for '>', as in Redis: nothing can be behind it. */
#define NEW_ENTRIES STREAM_ID_MAX

struct read {
    bool is_group, no_ack;
    bool waits; /* BLOCK was given */
    int64_t timeout_ms;
    uint64_t count; /* 0: all */
    struct bytes group, consumer;
    int keys, streams; /* the first key's argument; how many keys, and as many ids behind them */
    struct stream_id few[8], *after; /* of each key: read what is behind this id */
};

/* -- arguments --------------------------------------------------------------------------------- */

static bool timeout_or_reply(struct call *call, int i, struct read *r)
{
    r->waits = true;
    if (!call_i64_or_reply(call, i, &r->timeout_ms,
                           "ERR timeout is not an integer or out of range"))
        return false;
    if (r->timeout_ms < 0)
        return call_fail(call, "ERR timeout is negative");
    return r->timeout_ms <= INT64_MAX - call->keys->now_ms ||
           call_fail(call, "ERR timeout is out of range");
}

static bool count_or_reply(struct call *call, int i, struct read *r)
{
    int64_t count;
    if (!call_i64_or_reply(call, i, &count, NULL))
        return false;
    r->count = count > 0 ? (uint64_t)count : 0;
    return true;
}

static bool streams_or_reply(struct call *call, int first, struct read *r)
{
    int count = call->argc - first;
    if (count % 2 != 0) {
        reply_errorf(call->reply,
                     "ERR Unbalanced '%s' list of streams: for each stream key an ID or '%c' must "
                     "be specified.",
                     call->command->full_name, r->is_group ? '>' : '$');
        return false;
    }
    r->keys = first;
    r->streams = count / 2;
    return true;
}

static bool options_or_reply(struct call *call, struct read *r)
{
    bool has_group = false;
    for (int i = 1; i < call->argc && r->keys == 0; i++) {
        struct bytes word = call->argv[i];
        int more = call->argc - i - 1;
        if (bytes_is_word(word, "block") && more > 0) {
            if (!timeout_or_reply(call, ++i, r))
                return false;
        } else if (bytes_is_word(word, "count") && more > 0) {
            if (!count_or_reply(call, ++i, r))
                return false;
        } else if (bytes_is_word(word, "streams") && more > 0) {
            if (!streams_or_reply(call, i + 1, r))
                return false;
        } else if (bytes_is_word(word, "group") && more >= 2) {
            if (!r->is_group)
                return call_fail(call, "ERR The GROUP option is only supported by XREADGROUP. You "
                                       "called XREAD instead.");
            has_group = true;
            r->group = call->argv[++i];
            r->consumer = call->argv[++i];
        } else if (bytes_is_word(word, "noack")) {
            if (!r->is_group)
                return call_fail(call, "ERR The NOACK option is only supported by XREADGROUP. You "
                                       "called XREAD instead.");
            r->no_ack = true;
        } else {
            return call_fail(call, "ERR syntax error");
        }
    }
    if (r->keys == 0)
        return call_fail(call, "ERR syntax error");
    return !r->is_group || has_group || call_fail(call, "ERR Missing GROUP option for XREADGROUP");
}

static bool no_group_or_reply(struct call *call, const struct read *r, int key)
{
    reply_errorf(call->reply,
                 "NOGROUP No such key '%.*s' or consumer group '%.*s' in XREADGROUP with GROUP "
                 "option",
                 (int)call->argv[key].len, call->argv[key].ptr, (int)r->group.len, r->group.ptr);
    return false;
}

static bool meaningless(struct call *call, char id)
{
    reply_errorf(call->reply,
                 "ERR The %c ID is meaningless in the context of XREADGROUP: you want to read the "
                 "history of this consumer by specifying a proper ID, or use the > ID to get new "
                 "messages. The %c ID would just return an empty result set.",
                 id, id);
    return false;
}

/* The id at an argument, and what it means in this stream (NULL: there is none). */
static bool id_or_reply(struct call *call, const struct read *r, int arg, const struct stream *s,
                        struct stream_id *after)
{
    struct bytes text = call->argv[arg];
    *after = STREAM_ID_MIN;
    if (stream_is_char(text, '$')) {
        if (r->is_group)
            return meaningless(call, '$');
        if (s != NULL)
            *after = s->facts.last_id;
    } else if (stream_is_char(text, '+')) {
        if (r->is_group)
            return meaningless(call, '+');
        if (s != NULL && stream_edge(s, true, after))
            stream_id_decrement(after);
    } else if (stream_is_char(text, '>')) {
        if (!r->is_group)
            return call_fail(call,
                             "ERR The > ID can be specified only when calling XREADGROUP using "
                             "the GROUP <group> <consumer> option.");
        *after = NEW_ENTRIES;
    } else {
        return stream_id_or_reply(call, arg, 0, after);
    }
    return true;
}

/* All keys, groups and ids are looked at before anything is read. */
static bool ids_or_reply(struct call *call, struct read *r)
{
    for (int i = 0; i < r->streams; i++) {
        int key = r->keys + i;
        struct stream *s;
        if (!stream_open_or_reply(call, key, false, &s))
            return false;
        if (r->is_group && (s == NULL || stream_group_find(s, r->group) == NULL))
            return no_group_or_reply(call, r, key);
        if (!id_or_reply(call, r, key + r->streams, s, &r->after[i]))
            return false;
    }
    return true;
}

/* -- serving ----------------------------------------------------------------------------------- */

static bool has_behind(const struct stream *s, struct stream_id after)
{
    struct stream_id last;
    return s->facts.length > 0 && stream_id_less(after, s->facts.last_id) &&
           stream_edge(s, true, &last) && stream_id_less(after, last);
}

/* New entries for a consumer: they are pending for it from now on. */
static void serve_new(struct call *call, const struct read *r, struct stream *s,
                      struct stream_group *g, struct stream_consumer *c)
{
    struct stream_iter it;
    struct stream_item item;
    struct stream_id last = g->last_id, from = last;
    struct stream_pending how = {c, call->keys->now_ms, 1};
    int64_t read = g->entries_read;
    uint64_t written = 0;
    struct reply_mark mark = reply_mark(call->reply);
    stream_id_increment(&from);
    stream_iter_begin(&it, s, from, STREAM_ID_MAX, false);
    while ((r->count == 0 || written < r->count) && !reply_is_full(call->reply) &&
           stream_iter_next(&it, &item)) {
        stream_reply_entry(call->reply, &it, &item);
        read = stream_read_with(s, read, item.id);
        last = item.id;
        if (!r->no_ack)
            stream_pending_put(call->keys, g, item.id, how);
        written++;
    }
    reply_array_at(call->reply, mark, (int64_t)written);
    stream_group_set_position(call->keys, g, last, read);
    if (!r->no_ack)
        stream_consumer_set_times(call->keys, c, c->seen_ms, call->keys->now_ms);
    keyspace_count(call->keys, 1);
}

/* What is pending for a consumer, behind an id. Entries that are gone have no fields. */
static void serve_history(struct call *call, const struct read *r, const struct stream *s,
                          struct stream_group *g, const struct stream_consumer *c,
                          struct stream_id from)
{
    struct stream_iter it;
    struct stream_item item;
    uint64_t written = 0;
    struct reply_mark mark = reply_mark(call->reply);
    struct idcursor at = idtree_seek(&c->pending, from);
    for (; at.node != NULL && (r->count == 0 || written < r->count) && !reply_is_full(call->reply);
         idcursor_next(&at)) {
        struct stream_id id = idcursor_id(&at);
        written++;
        stream_iter_begin(&it, s, id, id, false);
        if (!stream_iter_next(&it, &item)) {
            reply_array(call->reply, 2);
            stream_reply_id(call->reply, id);
            reply_null_array(call->reply);
            continue;
        }
        stream_reply_entry(call->reply, &it, &item);
        struct stream_pending p = *stream_pending_find(g, id);
        p.delivered_ms = call->keys->now_ms;
        p.deliveries++;
        stream_pending_put(call->keys, g, id, p); /* the owner stays, so its tree does, too */
    }
    reply_array_at(call->reply, mark, (int64_t)written);
}

/* A stream's place in the reply: the first one that has something opens it. */
static void open_reply(struct call *call, int key, int *served, struct reply_mark *mark)
{
    if ((*served)++ == 0)
        *mark = reply_mark(call->reply);
    if (call->reply->resp == 2)
        reply_array(call->reply, 2);
    reply_bulk(call->reply, call->argv[key]);
}

static struct stream *stream_at(struct call *call, int key)
{
    struct entry *e = call_find(call, key);
    return e != NULL ? stream_of(e) : NULL;
}

static int serve_group(struct call *call, const struct read *r, struct reply_mark *mark)
{
    int served = 0;
    for (int i = 0; i < r->streams; i++) {
        int key = r->keys + i;
        struct stream_id from = r->after[i];
        struct stream *s = stream_at(call, key);
        struct stream_group *g = stream_group_find(s, r->group);
        struct stream_consumer *c = stream_consumer_demand(call, key, g, r->consumer);
        stream_consumer_set_times(call->keys, c, call->keys->now_ms, c->active_ms);
        bool wants_new = stream_id_equal(from, NEW_ENTRIES);
        if (wants_new && !has_behind(s, g->last_id))
            continue;
        open_reply(call, key, &served, mark);
        if (wants_new) {
            serve_new(call, r, s, g, c);
        } else {
            stream_id_increment(&from);
            serve_history(call, r, s, g, c, from);
        }
    }
    return served;
}

static int serve_alone(struct call *call, const struct read *r, struct reply_mark *mark)
{
    int served = 0;
    for (int i = 0; i < r->streams; i++) {
        struct stream_id from = r->after[i];
        const struct stream *s = stream_at(call, r->keys + i);
        if (s == NULL || !has_behind(s, from))
            continue;
        open_reply(call, r->keys + i, &served, mark);
        stream_id_increment(&from);
        stream_reply_range(call->reply, s, from, STREAM_ID_MAX, false, r->count);
    }
    return served;
}

/* -- waiting ----------------------------------------------------------------------------------- */

/* Wait with a request in which '$' is the id that it means now. */
static void wait_for_entries(struct call *call, const struct read *r)
{
    struct blocked_for what = {r->keys,     r->streams,    TYPE_STREAM,
                               r->is_group, r->timeout_ms, reply_null_array};
    struct call kept = *call;
    size_t words = (size_t)call->argc;
    struct bytes *argv = mem_alloc(words * sizeof *argv);
    char(*texts)[STREAM_ID_TEXT_MAX] = mem_alloc((size_t)r->streams * sizeof *texts);
    memcpy(argv, call->argv, words * sizeof *argv);
    for (int i = 0; i < r->streams; i++) {
        int arg = r->keys + r->streams + i;
        if (stream_is_char(argv[arg], '$'))
            argv[arg] = stream_id_text(r->after[i], texts[i]);
    }
    kept.argv = argv;
    kept.hashed_arg = 0;
    blocked_wait(&kept, &what);
    mem_free(texts);
    mem_free(argv);
}

static void read_or_wait(struct call *call, const struct read *r)
{
    struct reply_mark mark;
    int served = r->is_group ? serve_group(call, r, &mark) : serve_alone(call, r, &mark);
    if (served > 0 && call->reply->resp == 2)
        reply_array_at(call->reply, mark, served);
    else if (served > 0)
        reply_map_at(call->reply, mark, served);
    else if (r->waits && blocked_may_wait(call))
        wait_for_entries(call, r);
    else
        reply_null_array(call->reply);
}

static void read_streams(struct call *call, bool is_group)
{
    struct read r = {.is_group = is_group};
    if (!options_or_reply(call, &r))
        return;
    bool is_long = r.streams > (int)(sizeof r.few / sizeof r.few[0]);
    r.after = is_long ? mem_alloc((size_t)r.streams * sizeof *r.after) : r.few;
    if (ids_or_reply(call, &r))
        read_or_wait(call, &r);
    if (is_long)
        mem_free(r.after);
}

static void cmd_xread(struct call *call)
{
    read_streams(call, false);
}

static void cmd_xreadgroup(struct call *call)
{
    read_streams(call, true);
}

#define STREAMS_FROM(n)                                                                            \
    KEYS({KEY_RO | KEY_ACCESS, .keyword = "STREAMS", .first = n, .last = -1, .limit = 2})

const struct command stream_read_commands[] = {
    {
        .name = "xread",
        .run = cmd_xread,
        .arity = -4,
        .flags = CMD_BLOCKING | CMD_READONLY,
        .categories = CAT_STREAM,
        STREAMS_FROM(1),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Returns entries of streams behind given ids, and may wait for some.",
        .complexity = "O(N) with N entries returned.",
        .args = "count:integer=COUNT? milliseconds:integer=BLOCK? "
                "streams=STREAMS{key:key#0* ID*}",
    },
    {
        .name = "xreadgroup",
        .run = cmd_xreadgroup,
        .arity = -7,
        .flags = CMD_BLOCKING | CMD_WRITE,
        .categories = CAT_STREAM,
        STREAMS_FROM(4),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Returns entries of streams to a group's consumer, and may wait for some.",
        .complexity = "O(N) with N entries returned.",
        .args = "group-block=GROUP{group consumer} count:integer=COUNT? "
                "milliseconds:integer=BLOCK? noack:token=NOACK? streams=STREAMS{key:key#0* ID*}",
    },
    {0},
};
