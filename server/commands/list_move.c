/*
 * list_move.c - list commands on more than one key: LMOVE, RPOPLPUSH, LMPOP.
 */
#include "base/memory.h"
#include "server/command.h"
#include "server/commands/lists.h"

/* -- from one list to another ------------------------------------------------------------------ */

/* The outermost element, which list_drop() is about to take away, in memory of its own unless it
 * fits small. */
static struct bytes copy_end(const struct entry *e, enum list_end end, char *small, size_t room)
{
    struct list_iter it;
    char scratch[NUMBER_TEXT_MAX];
    struct list_item item;
    list_item_at(&it, e, end == LIST_HEAD ? 0 : list_length(e) - 1, &item);
    struct bytes text = list_item_text(&item, scratch);
    char *copy = text.len <= room ? small : mem_alloc(text.len);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    list_iter_end(&it);
    return bytes_of(copy, text.len);
}

bool list_move(struct call *call, enum list_end from, enum list_end to)
{
    struct entry *source = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, source, TYPE_LIST))
        return true;
    if (source == NULL)
        return false;
    struct entry *target = call_find_for_write(call, 2);
    if (!call_type_or_reply(call, target, TYPE_LIST))
        return true;
    char small[256];
    struct bytes text = copy_end(source, from, small, sizeof small);
    struct keyspace *ks = call->keys;
    if (target == NULL)
        target = list_create(ks, call->db, call_key(call, 2));
    list_drop(ks, source, from, 1);
    list_push(ks, target, to, &text, 1);
    reply_bulk(call->reply, text);
    if (text.ptr != small)
        mem_free((char *)text.ptr);
    /* Both keys have changed, which counts as one change: that of the source. */
    keyspace_changed_by(ks, call->db, call->argv[2], EVENT_LIST,
                        to == LIST_HEAD ? "lpush" : "rpush", 0);
    list_removed(call, call_key(call, 1), source, from == LIST_HEAD ? "lpop" : "rpop", 1);
    return true;
}

static void cmd_lmove(struct call *call)
{
    enum list_end from, to;
    if (!list_end_or_reply(call, 3, &from) || !list_end_or_reply(call, 4, &to))
        return;
    if (!list_move(call, from, to))
        reply_null(call->reply);
}

static void cmd_rpoplpush(struct call *call)
{
    if (!list_move(call, LIST_TAIL, LIST_HEAD))
        reply_null(call->reply);
}

/* -- from the first of several ----------------------------------------------------------------- */

bool list_mpop_or_reply(struct call *call, int numkeys_arg, struct list_mpop *out)
{
    int64_t keys, count = -1;
    if (!call_range_or_reply(call, numkeys_arg, 1, INT64_MAX, &keys,
                             "ERR numkeys should be greater than 0"))
        return false;
    if (keys >= call->argc - numkeys_arg - 1) {
        reply_syntax_error(call);
        return false;
    }
    int where = numkeys_arg + 1 + (int)keys;
    if (!list_end_or_reply(call, where, &out->end))
        return false;
    for (int i = where + 1; i < call->argc; i += 2) {
        if (count >= 0 || !bytes_is_word(call->argv[i], "count") || i + 1 == call->argc) {
            reply_syntax_error(call);
            return false;
        }
        if (!call_range_or_reply(call, i + 1, 1, INT64_MAX, &count,
                                 "ERR count should be greater than 0"))
            return false;
    }
    out->first_key = numkeys_arg + 1;
    out->keys = (int)keys;
    out->count = count < 0 ? 1 : (uint64_t)count;
    return true;
}

bool list_mpop_try(struct call *call, const struct list_mpop *m)
{
    for (int i = m->first_key; i < m->first_key + m->keys; i++) {
        struct entry *e = call_find_for_write(call, i);
        if (e == NULL)
            continue;
        if (!call_type_or_reply(call, e, TYPE_LIST))
            return true;
        reply_array(call->reply, 2);
        reply_bulk(call->reply, call->argv[i]);
        list_pop_many(call, call_key(call, i), e, m->end, m->count);
        return true;
    }
    return false;
}

static void cmd_lmpop(struct call *call)
{
    struct list_mpop m;
    if (list_mpop_or_reply(call, 1, &m) && !list_mpop_try(call, &m))
        reply_null_array(call->reply);
}

const struct command list_move_commands[] = {
    {
        .name = "lmove",
        .run = cmd_lmove,
        .arity = 5,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1}, {KEY_RW | KEY_INSERT, .first = 2}),
        .group = "list",
        .since = "6.2.0",
        .summary = "Takes an element from an end of one list, returns it and puts it to an end of "
                   "another one.",
        .complexity = "O(1).",
        .args = "source:key#0 destination:key#1 wherefrom(left:token=LEFT|"
                "right:token=RIGHT) whereto(left:token=LEFT|right:token=RIGHT)",
    },
    {
        .name = "rpoplpush",
        .run = cmd_rpoplpush,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_DEPRECATED,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1}, {KEY_RW | KEY_INSERT, .first = 2}),
        .group = "list",
        .since = "1.2.0",
        .summary =
            "Takes the last element of one list, returns it and puts it in front of another one.",
        .complexity = "O(1).",
        .args = "source:key#0 destination:key#1",
        .deprecated_since = "6.2.0",
        .replaced_by = "`LMOVE` with `RIGHT` and `LEFT`",
    },
    {
        .name = "lmpop",
        .run = cmd_lmpop,
        .arity = -4,
        .flags = CMD_WRITE,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1, .counted = true, .key_at = 1}),
        .group = "list",
        .since = "7.0.0",
        .summary = "Takes elements from the first of some lists that is not empty.",
        .complexity = "O(N+M), N keys and M elements.",
        .args = "numkeys:integer key:key#0* where(left:token=LEFT|right:token=RIGHT) "
                "count:integer=COUNT?",
    },
    {0},
};
