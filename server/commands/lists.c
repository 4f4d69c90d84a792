/*
 * lists.c - commands on one list. Those that take from one key and give to another, or look at
 * several, are in list_move.c.
 */
#include "server/commands/lists.h"

#include "protocol/reply_short.h"
#include "server/command.h"

/* -- shared ------------------------------------------------------------------------------------ */

bool list_end_or_reply(struct call *call, int i, enum list_end *out)
{
    if (bytes_is_word(call->argv[i], "left")) {
        *out = LIST_HEAD;
    } else if (bytes_is_word(call->argv[i], "right")) {
        *out = LIST_TAIL;
    } else {
        reply_syntax_error(call);
        return false;
    }
    return true;
}

void list_reply_range(struct call *call, const struct entry *e, uint64_t start, uint64_t count,
                      bool backward)
{
    struct list_iter it;
    struct list_item item;
    char scratch[NUMBER_TEXT_MAX];
    reply_array(call->reply, (int64_t)count);
    if (count == 0)
        return;
    list_iter_begin(&it, e, start, backward);
    while (count-- > 0 && list_iter_next(&it, &item))
        reply_bulk_short(call->reply, list_item_text(&item, scratch));
    list_iter_end(&it);
}

void list_removed(struct call *call, struct key key, struct entry *e, const char *event,
                  uint64_t count)
{
    struct keyspace *ks = call->keys;
    keyspace_changed_by(ks, call->db, key.name, EVENT_LIST, event, count);
    if (list_length(e) > 0)
        return;
    keyspace_remove(ks, call->db, key, false);
    keyspace_event(ks, call->db, key.name, EVENT_GENERIC, "del");
}

static void reply_element(struct call *call, const struct entry *e, uint64_t index)
{
    struct list_iter it;
    char scratch[NUMBER_TEXT_MAX];
    struct list_item item;
    list_item_at(&it, e, index, &item);
    reply_bulk_short(call->reply, list_item_text(&item, scratch));
    list_iter_end(&it);
}

/* The place of an index, from the end if negative, in a list of so many elements; below 0 or too
 * large: outside. */
static int64_t place_of(int64_t index, uint64_t len)
{
    return index < 0 ? index + (int64_t)len : index;
}

/* Clip start and stop, which is included, to the list. False: nothing is left. */
static bool clip(int64_t *start, int64_t *stop, uint64_t len)
{
    *start = place_of(*start, len);
    *stop = place_of(*stop, len);
    if (*start < 0)
        *start = 0;
    if (*stop >= (int64_t)len)
        *stop = (int64_t)len - 1;
    return *start <= *stop;
}

/* -- pushing ----------------------------------------------------------------------------------- */

static void push(struct call *call, enum list_end end, bool only_existing)
{
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_LIST))
        return;
    if (e == NULL && only_existing) {
        reply_int(call->reply, 0);
        return;
    }
    if (e == NULL)
        e = list_create(call->keys, call->db, call_key(call, 1));
    list_push(call->keys, e, end, call->argv + 2, call->argc - 2);
    reply_int(call->reply, (int64_t)list_length(e));
    keyspace_changed_by(call->keys, call->db, call->argv[1], EVENT_LIST,
                        end == LIST_HEAD ? "lpush" : "rpush", (uint64_t)call->argc - 2);
}

static void cmd_lpush(struct call *call)
{
    push(call, LIST_HEAD, false);
}

static void cmd_rpush(struct call *call)
{
    push(call, LIST_TAIL, false);
}

static void cmd_lpushx(struct call *call)
{
    push(call, LIST_HEAD, true);
}

static void cmd_rpushx(struct call *call)
{
    push(call, LIST_TAIL, true);
}

/* -- popping ----------------------------------------------------------------------------------- */

/* Take count elements, at most all, from an end. */
static void take(struct call *call, struct key key, struct entry *e, enum list_end end,
                 uint64_t count)
{
    const char *event = end == LIST_HEAD ? "lpop" : "rpop";
    if (count < list_length(e)) {
        list_drop(call->keys, e, end, count);
        keyspace_changed_by(call->keys, call->db, key.name, EVENT_LIST, event, count);
        return;
    }
    /* The key goes as a whole: no element is touched. */
    keyspace_changed_by(call->keys, call->db, key.name, EVENT_LIST, event, count);
    keyspace_remove(call->keys, call->db, key, call->keys->lazy_server_del);
    keyspace_event(call->keys, call->db, key.name, EVENT_GENERIC, "del");
}

void list_pop(struct call *call, struct key key, struct entry *e, enum list_end end)
{
    reply_element(call, e, end == LIST_HEAD ? 0 : list_length(e) - 1);
    take(call, key, e, end, 1);
}

void list_pop_many(struct call *call, struct key key, struct entry *e, enum list_end end,
                   uint64_t count)
{
    uint64_t len = list_length(e);
    if (count > len)
        count = len;
    list_reply_range(call, e, end == LIST_HEAD ? 0 : len - 1, count, end == LIST_TAIL);
    take(call, key, e, end, count);
}

static void pop(struct call *call, enum list_end end)
{
    bool many = call->argc > 2;
    int64_t count = 1;
    if (call->argc > 3) {
        reply_arity_error(call);
        return;
    }
    if (many && !call_range_or_reply(call, 2, 0, INT64_MAX, &count, NULL))
        return;
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_LIST))
        return;
    if (e == NULL)
        (many ? reply_null_array : reply_null)(call->reply);
    else if (count == 0)
        reply_array(call->reply, 0);
    else if (many)
        list_pop_many(call, call_key(call, 1), e, end, (uint64_t)count);
    else
        list_pop(call, call_key(call, 1), e, end);
}

static void cmd_lpop(struct call *call)
{
    pop(call, LIST_HEAD);
}

static void cmd_rpop(struct call *call)
{
    pop(call, LIST_TAIL);
}

/* -- reading ----------------------------------------------------------------------------------- */

static void cmd_llen(struct call *call)
{
    struct entry *e = call_find(call, 1);
    if (call_type_or_reply(call, e, TYPE_LIST))
        reply_int(call->reply, e != NULL ? (int64_t)list_length(e) : 0);
}

static void cmd_lrange(struct call *call)
{
    int64_t start, stop;
    if (!call_i64_or_reply(call, 2, &start, NULL) || !call_i64_or_reply(call, 3, &stop, NULL))
        return;
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_LIST))
        return;
    if (e != NULL && clip(&start, &stop, list_length(e)))
        list_reply_range(call, e, (uint64_t)start, (uint64_t)(stop - start + 1), false);
    else
        reply_array(call->reply, 0);
}

static void cmd_lindex(struct call *call)
{
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_LIST))
        return;
    if (e == NULL) {
        reply_null(call->reply);
        return;
    }
    int64_t index;
    if (!call_i64_or_reply(call, 2, &index, NULL))
        return;
    uint64_t len = list_length(e);
    index = place_of(index, len);
    if (index >= 0 && index < (int64_t)len)
        reply_element(call, e, (uint64_t)index);
    else
        reply_null(call->reply);
}

/* -- LPOS -------------------------------------------------------------------------------------- */

struct search {
    struct list_needle needle;
    int64_t rank;   /* of the first match to tell; from the tail if negative */
    int64_t count;  /* matches to tell, 0: all; -1: one, and not as an array */
    int64_t maxlen; /* elements to look at, 0: all */
};

static bool search_option_or_reply(struct call *call, int i, struct search *s)
{
    if (bytes_is_word(call->argv[i], "rank")) {
        if (!call_range_or_reply(call, i + 1, -INT64_MAX, INT64_MAX, &s->rank, NULL))
            return false;
        if (s->rank != 0)
            return true;
        reply_error(call->reply,
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                    "second ... or use negative to start from the end of the list");
    } else if (bytes_is_word(call->argv[i], "count")) {
        return call_range_or_reply(call, i + 1, 0, INT64_MAX, &s->count,
                                   "ERR COUNT can't be negative");
    } else if (bytes_is_word(call->argv[i], "maxlen")) {
        return call_range_or_reply(call, i + 1, 0, INT64_MAX, &s->maxlen,
                                   "ERR MAXLEN can't be negative");
    } else {
        reply_syntax_error(call);
    }
    return false;
}

static bool search_or_reply(struct call *call, struct search *s)
{
    *s = (struct search){.needle = list_needle(call->argv[2]), .rank = 1, .count = -1};
    for (int i = 3; i < call->argc; i += 2) {
        if (i + 1 == call->argc) {
            reply_syntax_error(call);
            return false;
        }
        if (!search_option_or_reply(call, i, s))
            return false;
    }
    return true;
}

/* Reply the places of what is looked for; returns how many. */
static int64_t reply_places(struct call *call, const struct entry *e, const struct search *s)
{
    bool backward = s->rank < 0;
    int64_t skip = (backward ? -s->rank : s->rank) - 1, wanted = s->count < 0 ? 1 : s->count;
    int64_t len = (int64_t)list_length(e), found = 0;
    int64_t most = s->maxlen > 0 && s->maxlen < len ? s->maxlen : len;
    struct list_iter it;
    struct list_item item;
    list_iter_begin(&it, e, backward ? (uint64_t)(len - 1) : 0, backward);
    for (int64_t i = 0; i < most && list_iter_next(&it, &item); i++) {
        if (!list_item_matches(&item, &s->needle) || skip-- > 0)
            continue;
        reply_int(call->reply, backward ? len - 1 - i : i);
        if (++found == wanted)
            break;
    }
    list_iter_end(&it);
    return found;
}

static void cmd_lpos(struct call *call)
{
    struct search s;
    if (!search_or_reply(call, &s))
        return;
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_LIST))
        return;
    if (s.count >= 0) {
        struct reply_mark mark = reply_mark(call->reply);
        reply_array_at(call->reply, mark, e != NULL ? reply_places(call, e, &s) : 0);
    } else if (e == NULL || reply_places(call, e, &s) == 0) {
        reply_null(call->reply);
    }
}

/* -- changing ---------------------------------------------------------------------------------- */

static void cmd_lset(struct call *call)
{
    struct entry *e = call_find_for_write(call, 1);
    int64_t index;
    if (e == NULL) {
        reply_error(call->reply, "ERR no such key");
        return;
    }
    if (!call_type_or_reply(call, e, TYPE_LIST) || !call_i64_or_reply(call, 2, &index, NULL))
        return;
    index = place_of(index, list_length(e));
    if (index < 0 || index >= (int64_t)list_length(e)) {
        reply_error(call->reply, "ERR index out of range");
        return;
    }
    list_replace(call->keys, e, (uint64_t)index, call->argv[3]);
    reply_ok(call->reply);
    keyspace_changed(call->keys, call->db, call->argv[1], EVENT_LIST, "lset");
}

/* The place of the first element equal to text, -1: none. */
static int64_t find_first(const struct entry *e, struct bytes text)
{
    struct list_needle needle = list_needle(text);
    struct list_iter it;
    struct list_item item;
    int64_t place = 0;
    list_iter_begin(&it, e, 0, false);
    while (list_iter_next(&it, &item) && !list_item_matches(&item, &needle))
        place++;
    list_iter_end(&it);
    return place < (int64_t)list_length(e) ? place : -1;
}

static void cmd_linsert(struct call *call)
{
    bool after = bytes_is_word(call->argv[2], "after");
    if (!after && !bytes_is_word(call->argv[2], "before")) {
        reply_syntax_error(call);
        return;
    }
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_LIST))
        return;
    if (e == NULL) {
        reply_int(call->reply, 0);
        return;
    }
    int64_t place = find_first(e, call->argv[3]);
    if (place < 0) {
        reply_int(call->reply, -1);
        return;
    }
    list_insert(call->keys, e, (uint64_t)(place + after), call->argv[4]);
    reply_int(call->reply, (int64_t)list_length(e));
    keyspace_changed(call->keys, call->db, call->argv[1], EVENT_LIST, "linsert");
}

static void cmd_lrem(struct call *call)
{
    int64_t limit;
    if (!call_range_or_reply(call, 2, -INT64_MAX, INT64_MAX, &limit, NULL))
        return;
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_LIST))
        return;
    uint64_t removed = 0;
    if (e != NULL)
        removed = list_remove(call->keys, e, limit < 0 ? LIST_TAIL : LIST_HEAD, call->argv[3],
                              (uint64_t)(limit < 0 ? -limit : limit));
    reply_int(call->reply, (int64_t)removed);
    if (removed > 0)
        list_removed(call, call_key(call, 1), e, "lrem", removed);
}

static void cmd_ltrim(struct call *call)
{
    int64_t start, stop;
    if (!call_i64_or_reply(call, 2, &start, NULL) || !call_i64_or_reply(call, 3, &stop, NULL))
        return;
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_LIST))
        return;
    reply_ok(call->reply);
    if (e == NULL)
        return;
    struct key key = call_key(call, 1);
    uint64_t before = list_length(e), left = 0;
    if (clip(&start, &stop, before)) {
        list_trim(call->keys, e, (uint64_t)start, (uint64_t)stop);
        left = list_length(e);
    }
    keyspace_changed_by(call->keys, call->db, key.name, EVENT_LIST, "ltrim", before - left);
    if (start <= stop)
        return;
    keyspace_remove(call->keys, call->db, key, call->keys->lazy_server_del);
    keyspace_event(call->keys, call->db, key.name, EVENT_GENERIC, "del");
}

const struct command list_commands[] = {
    {
        .name = "lpush",
        .run = cmd_lpush,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_INSERT, .first = 1}),
        .group = "list",
        .since = "1.0.0",
        .summary = "Puts elements in front of a list, which is made if need be.",
        .complexity = "O(1) for each element.",
        .args = "key:key#0 element*",
    },
    {
        .name = "rpush",
        .run = cmd_rpush,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_INSERT, .first = 1}),
        .group = "list",
        .since = "1.0.0",
        .summary = "Puts elements behind a list, which is made if need be.",
        .complexity = "O(1) for each element.",
        .args = "key:key#0 element*",
    },
    {
        .name = "lpushx",
        .run = cmd_lpushx,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_INSERT, .first = 1}),
        .group = "list",
        .since = "2.2.0",
        .summary = "Puts elements in front of a list that exists.",
        .complexity = "O(1) for each element.",
        .args = "key:key#0 element*",
    },
    {
        .name = "rpushx",
        .run = cmd_rpushx,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_INSERT, .first = 1}),
        .group = "list",
        .since = "2.2.0",
        .summary = "Puts elements behind a list that exists.",
        .complexity = "O(1) for each element.",
        .args = "key:key#0 element*",
    },
    {
        .name = "lpop",
        .run = cmd_lpop,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1}),
        .group = "list",
        .since = "1.0.0",
        .summary = "Takes the first elements of a list; the last one to go takes the key along.",
        .complexity = "O(N) in the number of elements taken.",
        .args = "key:key#0 count:integer?@6.2.0",
    },
    {
        .name = "rpop",
        .run = cmd_rpop,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1}),
        .group = "list",
        .since = "1.0.0",
        .summary = "Takes the last elements of a list; the last one to go takes the key along.",
        .complexity = "O(N) in the number of elements taken.",
        .args = "key:key#0 count:integer?@6.2.0",
    },
    {
        .name = "llen",
        .run = cmd_llen,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_LIST,
        KEYS({KEY_RO, .first = 1}),
        .group = "list",
        .since = "1.0.0",
        .summary = "Tells how many elements a list has.",
        .complexity = "O(1).",
        .args = "key:key#0",
    },
    {
        .name = "lrange",
        .run = cmd_lrange,
        .arity = 4,
        .flags = CMD_READONLY,
        .categories = CAT_LIST,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "list",
        .since = "1.0.0",
        .summary = "Returns the elements between two places of a list.",
        .complexity = "O(S+N), S being the way to the first one and N how many they are.",
        .args = "key:key#0 start:integer stop:integer",
    },
    {
        .name = "lindex",
        .run = cmd_lindex,
        .arity = 3,
        .flags = CMD_READONLY,
        .categories = CAT_LIST,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "list",
        .since = "1.0.0",
        .summary = "Returns the element at a place of a list.",
        .complexity = "O(N) in the number of elements on the way; O(1) at both ends.",
        .args = "key:key#0 index:integer",
    },
    {
        .name = "lset",
        .run = cmd_lset,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "list",
        .since = "1.0.0",
        .summary = "Replaces the element at a place of a list.",
        .complexity = "O(N) in the length of the list; O(1) at both ends.",
        .args = "key:key#0 index:integer element",
    },
    {
        .name = "linsert",
        .run = cmd_linsert,
        .arity = 5,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_INSERT, .first = 1}),
        .group = "list",
        .since = "2.2.0",
        .summary = "Puts an element before or after another one.",
        .complexity = "O(N) in the number of elements before that one.",
        .args = "key:key#0 where(before:token=BEFORE|after:token=AFTER) pivot element",
    },
    {
        .name = "lrem",
        .run = cmd_lrem,
        .arity = 4,
        .flags = CMD_WRITE,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_DELETE, .first = 1}),
        .group = "list",
        .since = "1.0.0",
        .summary =
            "Removes elements equal to the given one; the last one to go takes the key along.",
        .complexity = "O(N+M) in the length of the list and the number of those removed.",
        .args = "key:key#0 count:integer element",
    },
    {
        .name = "ltrim",
        .run = cmd_ltrim,
        .arity = 4,
        .flags = CMD_WRITE,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_DELETE, .first = 1}),
        .group = "list",
        .since = "1.0.0",
        .summary = "Removes what is outside of two places of a list.",
        .complexity = "O(N) in the number of elements removed.",
        .args = "key:key#0 start:integer stop:integer",
    },
    {
        .name = "lpos",
        .run = cmd_lpos,
        .arity = -3,
        .flags = CMD_READONLY,
        .categories = CAT_LIST,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "list",
        .since = "6.0.6",
        .summary = "Returns the places of elements equal to the given one.",
        .complexity = "O(N) in the number of elements looked at.",
        .args = "key:key#0 element rank:integer=RANK? num-matches:integer=COUNT? "
                "len:integer=MAXLEN?",
    },
    {0},
};
