/*
 * stream_pending.c - what consumers were given and have not acknowledged: XPENDING, XCLAIM,
 * XAUTOCLAIM.
 */
#include "base/memory.h"
#include "server/command.h"
#include "server/commands/streams.h"

static int64_t idle_of(const struct call *call, const struct stream_pending *p)
{
    return call->keys->now_ms - p->delivered_ms;
}

/* -- XPENDING ---------------------------------------------------------------------------------- */

struct pending_query {
    int64_t min_idle, count;
    struct stream_id from, to;
    int consumer_arg; /* 0: all */
};

static bool query_or_reply(struct call *call, struct pending_query *q)
{
    int at = 3;
    if (call->argc < 6 || call->argc > 9) {
        reply_syntax_error(call);
        return false;
    }
    if (bytes_is_word(call->argv[3], "idle")) {
        if (!call_i64_or_reply(call, 4, &q->min_idle, NULL))
            return false;
        if (call->argc < 8) {
            reply_syntax_error(call);
            return false;
        }
        at = 5;
    }
    if (!call_i64_or_reply(call, at + 2, &q->count, NULL) ||
        !stream_range_or_reply(call, at, at + 1, &q->from, &q->to))
        return false;
    q->consumer_arg = at + 3 < call->argc ? at + 3 : 0;
    return true;
}

/* How many, from where to where, and who has how many. */
static void reply_summary(struct reply *r, const struct stream_group *g)
{
    reply_array(r, 4);
    reply_int(r, (int64_t)g->pending.count);
    if (g->pending.count == 0) {
        reply_null(r);
        reply_null(r);
        reply_null_array(r);
        return;
    }
    struct idcursor first = idtree_first(&g->pending), last = idtree_last(&g->pending);
    int64_t owners = 0;
    stream_reply_id(r, idcursor_id(&first));
    stream_reply_id(r, idcursor_id(&last));
    struct reply_mark mark = reply_mark(r);
    for (uint32_t i = 0; i < g->consumers.count; i++) {
        const struct stream_consumer *c = stream_consumer_at(g, i);
        if (c->pending.count == 0)
            continue;
        owners++;
        reply_array(r, 2);
        reply_bulk(r, c->name);
        reply_bulk_int(r, (int64_t)c->pending.count);
    }
    reply_array_at(r, mark, owners);
}

static void reply_pending(struct call *call, const struct stream_group *g,
                          const struct pending_query *q)
{
    const struct idtree *tree = &g->pending;
    if (q->consumer_arg != 0) {
        const struct stream_consumer *c = stream_consumer_find(g, call->argv[q->consumer_arg]);
        if (c == NULL) {
            reply_array(call->reply, 0);
            return;
        }
        tree = &c->pending;
    }
    struct reply *r = call->reply;
    struct reply_mark mark = reply_mark(r);
    struct idcursor at = idtree_seek(tree, q->from);
    int64_t written = 0;
    for (; at.node != NULL && written < q->count && !reply_is_full(r); idcursor_next(&at)) {
        struct stream_id id = idcursor_id(&at);
        if (stream_id_less(q->to, id))
            break;
        const struct stream_pending *p = stream_pending_find(g, id);
        int64_t idle = idle_of(call, p);
        if (q->min_idle != 0 && idle < q->min_idle)
            continue;
        written++;
        reply_array(r, 4);
        stream_reply_id(r, id);
        reply_bulk(r, p->owner->name);
        reply_int(r, idle > 0 ? idle : 0);
        reply_int(r, (int64_t)p->deliveries);
    }
    reply_array_at(r, mark, written);
}

static void cmd_xpending(struct call *call)
{
    struct pending_query q = {0};
    struct stream *s;
    struct stream_group *g;
    if (call->argc != 3 && !query_or_reply(call, &q))
        return;
    if (!stream_open_group_or_reply(call, &s, &g))
        return;
    if (call->argc == 3)
        reply_summary(call->reply, g);
    else
        reply_pending(call, g, &q);
}

/* -- claiming ---------------------------------------------------------------------------------- */

/* Who claims, and what becomes of what is claimed. */
struct claim {
    struct stream *s;
    struct stream_group *g;
    struct stream_consumer *c;
    int64_t min_idle;
    int64_t delivered_ms;
    int64_t deliveries; /* -1: one more, unless just_id */
    bool force, just_id;
    bool claimed; /* something */
};

static void claim_begin(struct call *call, struct claim *how)
{
    how->c = stream_consumer_demand(call, 1, how->g, call->argv[3]);
    stream_consumer_set_times(call->keys, how->c, call->keys->now_ms, how->c->active_ms);
}

static void claim_end(struct call *call, struct claim *how)
{
    if (how->claimed)
        stream_consumer_set_times(call->keys, how->c, how->c->seen_ms, call->keys->now_ms);
}

/* An entry that is gone is not pending any more. */
static bool forget_if_gone(struct call *call, const struct claim *how, struct stream_id id)
{
    if (stream_has(how->s, id))
        return false;
    if (stream_pending_remove(call->keys, how->g, id))
        keyspace_count(call->keys, 1);
    return true;
}

/* The entry is there. */
static bool claim_entry(struct call *call, struct claim *how, struct stream_id id)
{
    const struct stream_pending *p = stream_pending_find(how->g, id);
    struct stream_pending now = {how->c, how->delivered_ms, 1};
    if (p == NULL && !how->force)
        return false;
    if (p != NULL && how->min_idle != 0 && idle_of(call, p) < how->min_idle)
        return false;
    if (p != NULL)
        now.deliveries = p->deliveries;
    if (how->deliveries >= 0)
        now.deliveries = (uint64_t)how->deliveries;
    else if (!how->just_id)
        now.deliveries++;
    stream_pending_put(call->keys, how->g, id, now);
    keyspace_count(call->keys, 1);
    how->claimed = true;
    return true;
}

static void reply_claimed(struct reply *r, const struct claim *how, struct stream_id id)
{
    struct stream_iter it;
    struct stream_item item;
    if (how->just_id) {
        stream_reply_id(r, id);
        return;
    }
    stream_iter_begin(&it, how->s, id, id, false);
    if (stream_iter_next(&it, &item))
        stream_reply_entry(r, &it, &item);
}

/* -- XCLAIM ------------------------------------------------------------------------------------ */

static int64_t now_minus(const struct call *call, int64_t ms)
{
    int64_t time;
    return __builtin_sub_overflow(call->keys->now_ms, ms, &time) ? -1 : time;
}

/* The option at *i. */
static bool claim_option_or_reply(struct call *call, int *i, struct claim *how,
                                  struct stream_id *last_id)
{
    struct bytes word = call->argv[*i];
    bool more = *i + 1 < call->argc;
    if (bytes_is_word(word, "force")) {
        how->force = true;
    } else if (bytes_is_word(word, "justid")) {
        how->just_id = true;
    } else if (more && bytes_is_word(word, "idle")) {
        if (!call_i64_or_reply(call, ++*i, &how->delivered_ms,
                               "ERR Invalid IDLE option argument for XCLAIM"))
            return false;
        how->delivered_ms = now_minus(call, how->delivered_ms);
    } else if (more && bytes_is_word(word, "time")) {
        return call_i64_or_reply(call, ++*i, &how->delivered_ms,
                                 "ERR Invalid TIME option argument for XCLAIM");
    } else if (more && bytes_is_word(word, "retrycount")) {
        return call_i64_or_reply(call, ++*i, &how->deliveries,
                                 "ERR Invalid RETRYCOUNT option argument for XCLAIM");
    } else if (more && bytes_is_word(word, "lastid")) {
        return stream_id_or_reply(call, ++*i, 0, last_id);
    } else {
        reply_errorf(call->reply, "ERR Unrecognized XCLAIM option '%.*s'", (int)word.len, word.ptr);
        return false;
    }
    return true;
}

/* Ids are what can be read as such; options follow. Returns the first option's argument, 0 if an
 * error was answered. */
static int claim_options_or_reply(struct call *call, struct claim *how, struct stream_id *last_id)
{
    struct stream_id id;
    int first = 5;
    if (!call_i64_or_reply(call, 4, &how->min_idle,
                           "ERR Invalid min-idle-time argument for XCLAIM"))
        return 0;
    if (how->min_idle < 0)
        how->min_idle = 0;
    while (first < call->argc && stream_parse_id(call->argv[first], 0, &id, NULL))
        first++;
    for (int i = first; i < call->argc; i++)
        if (!claim_option_or_reply(call, &i, how, last_id))
            return 0;
    if (how->delivered_ms < 0 || how->delivered_ms > call->keys->now_ms)
        how->delivered_ms = call->keys->now_ms;
    return first;
}

static void cmd_xclaim(struct call *call)
{
    struct claim how = {.delivered_ms = -1, .deliveries = -1};
    struct stream_id id, last_id = STREAM_ID_MIN;
    int64_t claimed = 0;
    if (!stream_open_group_or_reply(call, &how.s, &how.g))
        return;
    int behind = claim_options_or_reply(call, &how, &last_id);
    if (behind == 0)
        return;
    bool moves = stream_id_less(how.g->last_id, last_id), counted = false;
    if (moves)
        stream_group_set_position(call->keys, how.g, last_id, how.g->entries_read);
    claim_begin(call, &how);
    struct reply_mark mark = reply_mark(call->reply);
    for (int i = 5; i < behind; i++) {
        stream_parse_id(call->argv[i], 0, &id, NULL);
        bool was_pending = stream_pending_find(how.g, id) != NULL;
        if (forget_if_gone(call, &how, id)) {
            counted |= was_pending;
        } else if (claim_entry(call, &how, id)) {
            counted = true;
            claimed++;
            reply_claimed(call->reply, &how, id);
        }
    }
    claim_end(call, &how);
    if (moves && !counted)
        keyspace_count(call->keys, 1);
    reply_array_at(call->reply, mark, claimed);
}

/* -- XAUTOCLAIM -------------------------------------------------------------------------------- */

enum { ATTEMPTS = 10, USUAL_COUNT = 100 };

static bool autoclaim_options_or_reply(struct call *call, struct claim *how,
                                       struct stream_id *start, int64_t *count)
{
    const int64_t most = INT64_MAX / (int64_t)sizeof(struct stream_id);
    *count = USUAL_COUNT;
    if (!call_i64_or_reply(call, 4, &how->min_idle,
                           "ERR Invalid min-idle-time argument for XAUTOCLAIM"))
        return false;
    if (how->min_idle < 0)
        how->min_idle = 0;
    if (!stream_start_or_reply(call, 5, start))
        return false;
    for (int i = 6; i < call->argc; i++) {
        if (bytes_is_word(call->argv[i], "count") && i + 1 < call->argc) {
            if (!call_range_or_reply(call, ++i, 1, most, count, "ERR COUNT must be > 0"))
                return false;
        } else if (bytes_is_word(call->argv[i], "justid")) {
            how->just_id = true;
        } else {
            reply_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* Ids that are collected before they are told. */
struct id_list {
    struct stream_id *ids; /* owned */
    size_t count, room;
};

static void id_list_add(struct id_list *list, struct stream_id id)
{
    if (list->count == list->room) {
        list->room = list->room * 2 + 16;
        list->ids = mem_resize(list->ids, list->room * sizeof *list->ids);
    }
    list->ids[list->count++] = id;
}

/* Claim from start on; returns where to go on, 0-0 at the end. */
static struct stream_id autoclaim(struct call *call, struct claim *how, struct stream_id start,
                                  int64_t count, struct id_list *claimed, struct id_list *gone)
{
    int64_t attempts = count * ATTEMPTS;
    struct idcursor at = idtree_seek(&how->g->pending, start);
    for (; attempts > 0 && count > 0 && at.node != NULL; attempts--) {
        struct stream_id id = idcursor_id(&at);
        if (forget_if_gone(call, how, id)) {
            id_list_add(gone, id);
            count--;
        } else if (claim_entry(call, how, id)) {
            id_list_add(claimed, id);
            count--;
        }
        if (!stream_id_increment(&id))
            return STREAM_ID_MIN;
        at = idtree_seek(&how->g->pending, id);
    }
    return at.node != NULL ? idcursor_id(&at) : STREAM_ID_MIN;
}

static void cmd_xautoclaim(struct call *call)
{
    struct claim how = {.delivered_ms = call->keys->now_ms, .deliveries = -1};
    struct stream_id start;
    struct id_list claimed = {0}, gone = {0};
    int64_t count;
    if (!autoclaim_options_or_reply(call, &how, &start, &count) ||
        !stream_open_group_or_reply(call, &how.s, &how.g))
        return;
    claim_begin(call, &how);
    struct stream_id next = autoclaim(call, &how, start, count, &claimed, &gone);
    claim_end(call, &how);
    reply_array(call->reply, 3);
    stream_reply_id(call->reply, next);
    reply_array(call->reply, (int64_t)claimed.count);
    for (size_t i = 0; i < claimed.count; i++)
        reply_claimed(call->reply, &how, claimed.ids[i]);
    reply_array(call->reply, (int64_t)gone.count);
    for (size_t i = 0; i < gone.count; i++)
        stream_reply_id(call->reply, gone.ids[i]);
    mem_free(claimed.ids);
    mem_free(gone.ids);
}

const struct command stream_pending_commands[] = {
    {
        .name = "xpending",
        .run = cmd_xpending,
        .arity = -3,
        .flags = CMD_READONLY,
        .categories = CAT_STREAM,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Tells what a group's consumers have not acknowledged.",
        .complexity = "O(N) with N entries returned or looked at; without a range, O(C) with C "
                      "consumers.",
        .args = "key:key#0 group filters{min-idle-time:integer=IDLE?@6.2.0 start end "
                "count:integer consumer?}?",
        .tips = "nondeterministic_output",
        .history = "6.2.0:Added `IDLE`, and ends of the range that do not belong to it.",
    },
    {
        .name = "xclaim",
        .run = cmd_xclaim,
        .arity = -6,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_STREAM,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "stream",
        .since = "5.0.0",
        .summary = "Makes a consumer the owner of pending entries.",
        .complexity = "O(log N) for each id with N pending entries.",
        .args = "key:key#0 group consumer min-idle-time ID* ms:integer=IDLE? "
                "unix-time-milliseconds:unix-time=TIME? count:integer=RETRYCOUNT? "
                "force:token=FORCE? justid:token=JUSTID? lastid=LASTID?",
        .tips = "nondeterministic_output",
    },
    {
        .name = "xautoclaim",
        .run = cmd_xautoclaim,
        .arity = -6,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_STREAM,
        KEYS({KEY_RW | KEY_DELETE, .first = 1}),
        .group = "stream",
        .since = "6.2.0",
        .summary = "Makes a consumer the owner of entries that have been pending for long.",
        .complexity = "O(COUNT)",
        .args = "key:key#0 group consumer min-idle-time start count:integer=COUNT? "
                "justid:token=JUSTID?",
        .tips = "nondeterministic_output",
        .history = "7.0.0:Returns the ids of entries that were pending but are deleted.",
    },
    {0},
};
