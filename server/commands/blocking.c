/*
 * blocking.c - list and sorted-set commands that wait: BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP,
 * BZPOPMIN, BZPOPMAX, BZMPOP.
 *
 * Each first tries what its relative without B does; if there is nothing it waits, and is run again
 * when one of its keys may have something (blocked.h). On timeout all answer a null array.
 */
#include "server/blocked.h"
#include "server/command.h"
#include "server/commands/lists.h"
#include "server/commands/zsets.h"

/* There is nothing now: wait, or answer at once where waiting is not possible. */
static void wait_for(struct call *call, int first, int count, enum value_type type,
                     int64_t timeout_ms, blocked_answer *at_once)
{
    if (!blocked_may_wait(call)) {
        at_once(call->reply);
        return;
    }
    struct blocked_for what = {first, count, type, false, timeout_ms, reply_null_array};
    blocked_wait(call, &what);
}

/* -- lists ------------------------------------------------------------------------------------- */

static void pop_or_wait(struct call *call, enum list_end end)
{
    int64_t timeout_ms;
    int keys = call->argc - 2;
    if (!blocked_timeout_or_reply(call, call->argc - 1, &timeout_ms))
        return;
    for (int i = 1; i <= keys; i++) {
        struct entry *e = call_find_for_write(call, i);
        if (!call_type_or_reply(call, e, TYPE_LIST))
            return;
        if (e == NULL)
            continue;
        reply_array(call->reply, 2);
        reply_bulk(call->reply, call->argv[i]);
        list_pop(call, call_key(call, i), e, end);
        return;
    }
    wait_for(call, 1, keys, TYPE_LIST, timeout_ms, reply_null_array);
}

static void cmd_blpop(struct call *call)
{
    pop_or_wait(call, LIST_HEAD);
}

static void cmd_brpop(struct call *call)
{
    pop_or_wait(call, LIST_TAIL);
}

static void cmd_blmove(struct call *call)
{
    enum list_end from, to;
    int64_t timeout_ms;
    if (!list_end_or_reply(call, 3, &from) || !list_end_or_reply(call, 4, &to) ||
        !blocked_timeout_or_reply(call, 5, &timeout_ms))
        return;
    if (!list_move(call, from, to))
        wait_for(call, 1, 1, TYPE_LIST, timeout_ms, reply_null);
}

static void cmd_brpoplpush(struct call *call)
{
    int64_t timeout_ms;
    if (blocked_timeout_or_reply(call, 3, &timeout_ms) && !list_move(call, LIST_TAIL, LIST_HEAD))
        wait_for(call, 1, 1, TYPE_LIST, timeout_ms, reply_null);
}

static void cmd_blmpop(struct call *call)
{
    int64_t timeout_ms;
    struct list_mpop m;
    if (!blocked_timeout_or_reply(call, 1, &timeout_ms) || !list_mpop_or_reply(call, 2, &m))
        return;
    if (!list_mpop_try(call, &m))
        wait_for(call, m.first_key, m.keys, TYPE_LIST, timeout_ms, reply_null_array);
}

/* -- sorted sets ------------------------------------------------------------------------------- */

static void zpop_or_wait(struct call *call, enum zset_end end)
{
    int64_t timeout_ms;
    int keys = call->argc - 2;
    if (!blocked_timeout_or_reply(call, call->argc - 1, &timeout_ms))
        return;
    for (int i = 1; i <= keys; i++) {
        struct entry *e = call_find_for_write(call, i);
        if (!call_type_or_reply(call, e, TYPE_ZSET))
            return;
        if (e == NULL)
            continue;
        reply_array(call->reply, 3);
        reply_bulk(call->reply, call->argv[i]);
        zset_pop(call->reply, call->keys, call->db, call_key(call, i), e, end, 1, false);
        return;
    }
    wait_for(call, 1, keys, TYPE_ZSET, timeout_ms, reply_null_array);
}

static void cmd_bzpopmin(struct call *call)
{
    zpop_or_wait(call, ZSET_MIN);
}

static void cmd_bzpopmax(struct call *call)
{
    zpop_or_wait(call, ZSET_MAX);
}

static void cmd_bzmpop(struct call *call)
{
    int64_t timeout_ms;
    struct zset_mpop m;
    if (!blocked_timeout_or_reply(call, 1, &timeout_ms) || !zset_mpop_or_reply(call, 2, &m))
        return;
    if (!zset_mpop_try(call, &m))
        wait_for(call, m.first_key, m.keys, TYPE_ZSET, timeout_ms, reply_null_array);
}

const struct command blocking_commands[] = {
    {
        .name = "blpop",
        .run = cmd_blpop,
        .arity = -3,
        .flags = CMD_WRITE | CMD_BLOCKING,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1, .last = -2}),
        .group = "list",
        .since = "2.0.0",
        .summary = "Takes the first element of the first list that has one, or waits for it.",
        .complexity = "O(N) where N is the number of keys",
        .args = "key:key#0* timeout:double",
    },
    {
        .name = "brpop",
        .run = cmd_brpop,
        .arity = -3,
        .flags = CMD_WRITE | CMD_BLOCKING,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1, .last = -2}),
        .group = "list",
        .since = "2.0.0",
        .summary = "Takes the last element of the first list that has one, or waits for it.",
        .complexity = "O(N) where N is the number of keys",
        .args = "key:key#0* timeout:double",
    },
    {
        .name = "blmove",
        .run = cmd_blmove,
        .arity = 6,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_BLOCKING,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1}, {KEY_RW | KEY_INSERT, .first = 2}),
        .group = "list",
        .since = "6.2.0",
        .summary = "Moves an element from one list to another, or waits for it.",
        .complexity = "O(1)",
        .args = "source:key#0 destination:key#1 wherefrom(left:token=LEFT|"
                "right:token=RIGHT) whereto(left:token=LEFT|right:token=RIGHT) "
                "timeout:double",
    },
    {
        .name = "brpoplpush",
        .run = cmd_brpoplpush,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_BLOCKING | CMD_DEPRECATED,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1}, {KEY_RW | KEY_INSERT, .first = 2}),
        .group = "list",
        .since = "2.2.0",
        .summary = "Moves the last element of a list to the head of another, or waits for it.",
        .complexity = "O(1)",
        .args = "source:key#0 destination:key#1 timeout:double",
        .deprecated_since = "6.2.0",
        .replaced_by = "`BLMOVE` with `RIGHT` and `LEFT`",
    },
    {
        .name = "blmpop",
        .run = cmd_blmpop,
        .arity = -5,
        .flags = CMD_WRITE | CMD_BLOCKING,
        .categories = CAT_LIST,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 2, .counted = true, .key_at = 1}),
        .group = "list",
        .since = "7.0.0",
        .summary = "Takes elements from the first list that has some, or waits for one.",
        .complexity = "O(N+M) where N is the number of keys and M that of elements taken",
        .args = "timeout:double numkeys:integer key:key#0* where(left:token=LEFT|"
                "right:token=RIGHT) count:integer=COUNT?",
    },
    {
        .name = "bzpopmin",
        .run = cmd_bzpopmin,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST | CMD_BLOCKING,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1, .last = -2}),
        .group = "sorted-set",
        .since = "5.0.0",
        .summary = "Takes the member with the lowest score from the first sorted set that has one, "
                   "or waits for it.",
        .complexity = "O(log(N)) where N is the number of members",
        .args = "key:key#0* timeout:double",
    },
    {
        .name = "bzpopmax",
        .run = cmd_bzpopmax,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST | CMD_BLOCKING,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1, .last = -2}),
        .group = "sorted-set",
        .since = "5.0.0",
        .summary = "Takes the member with the highest score from the first sorted set that has "
                   "one, or waits for it.",
        .complexity = "O(log(N)) where N is the number of members",
        .args = "key:key#0* timeout:double",
    },
    {
        .name = "bzmpop",
        .run = cmd_bzmpop,
        .arity = -5,
        .flags = CMD_WRITE | CMD_BLOCKING,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 2, .counted = true, .key_at = 1}),
        .group = "sorted-set",
        .since = "7.0.0",
        .summary = "Takes members with the lowest or highest scores from the first sorted set that "
                   "has some, or waits.",
        .complexity = "O(K)+O(M*log(N)) where K is the number of keys, N that of members and M "
                      "that of members taken",
        .args = "timeout:double numkeys:integer key:key#0* where(min:token=MIN|"
                "max:token=MAX) count:integer=COUNT?",
    },
    {0},
};
