/*
 * zset_pick.c - some members of a sorted set: from an end (ZPOPMIN, ZPOPMAX, ZMPOP), at random
 * (ZRANDMEMBER), a few at a time (ZSCAN).
 */
#include <stdio.h>

#include "base/memory.h"
#include "base/random.h"
#include "server/command.h"
#include "server/commands/draw.h"
#include "server/commands/scan.h"
#include "server/commands/zsets.h"

/* -- popping ----------------------------------------------------------------------------------- */

static bool parse_end(struct bytes word, enum zset_end *out)
{
    if (bytes_is_word(word, "MIN"))
        *out = ZSET_MIN;
    else if (bytes_is_word(word, "MAX"))
        *out = ZSET_MAX;
    else
        return false;
    return true;
}

void zset_pop(struct reply *r, struct keyspace *ks, int db, struct key key, struct entry *e,
              enum zset_end end, uint64_t count, bool nested)
{
    uint64_t all = zset_count(e);
    struct zset_iter it;
    struct zset_item item;
    if (count > all)
        count = all;
    zset_iter_begin(&it, e, end == ZSET_MIN ? 0 : all - 1, end == ZSET_MAX);
    for (uint64_t i = 0; i < count && zset_iter_next(&it, &item); i++) {
        if (nested)
            reply_array(r, 2);
        reply_bulk(r, item.name);
        reply_double(r, item.score);
    }
    zset_remove_span(ks, db, e, end == ZSET_MIN ? 0 : all - count, count);
    zset_shrunk(ks, db, key, e, end == ZSET_MIN ? "zpopmin" : "zpopmax", count);
}

static uint64_t at_most(uint64_t count, const struct entry *e)
{
    uint64_t all = zset_count(e);
    return count < all ? count : all;
}

static void pop(struct call *call, enum zset_end end)
{
    int64_t count = 1;
    if (call->argc > 3) {
        reply_syntax_error(call);
        return;
    }
    if (call->argc == 3 && !call_range_or_reply(call, 2, 0, INT64_MAX, &count, NULL))
        return;
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_ZSET))
        return;
    if (e == NULL || count == 0) {
        reply_array(call->reply, 0);
        return;
    }
    bool nested = call->argc == 3 && call->reply->resp > 2;
    uint64_t popped = at_most((uint64_t)count, e);
    reply_array(call->reply, (int64_t)(nested ? popped : 2 * popped));
    zset_pop(call->reply, call->keys, call->db, call_key(call, 1), e, end, popped, nested);
}

static void cmd_zpopmin(struct call *call)
{
    pop(call, ZSET_MIN);
}

static void cmd_zpopmax(struct call *call)
{
    pop(call, ZSET_MAX);
}

/* MIN or MAX and COUNT, from argument i on. */
static bool mpop_options_or_reply(struct call *call, int i, struct zset_mpop *m)
{
    int64_t count = 1;
    bool good = parse_end(call->argv[i], &m->end), counted = false;
    for (i++; good && i < call->argc; i += 2) {
        good = !counted && i + 1 < call->argc && bytes_is_word(call->argv[i], "COUNT");
        counted = true;
        if (good && !call_range_or_reply(call, i + 1, 1, INT64_MAX, &count,
                                         "ERR count should be greater than 0"))
            return false;
    }
    m->count = (uint64_t)count;
    if (!good)
        reply_syntax_error(call);
    return good;
}

bool zset_mpop_or_reply(struct call *call, int numkeys_arg, struct zset_mpop *out)
{
    int64_t keys;
    if (!call_range_or_reply(call, numkeys_arg, 1, INT64_MAX, &keys,
                             "ERR numkeys should be greater than 0"))
        return false;
    if (keys > call->argc - numkeys_arg - 2) {
        reply_syntax_error(call);
        return false;
    }
    out->first_key = numkeys_arg + 1;
    out->keys = (int)keys;
    return mpop_options_or_reply(call, out->first_key + out->keys, out);
}

bool zset_mpop_try(struct call *call, const struct zset_mpop *m)
{
    for (int i = m->first_key; i < m->first_key + m->keys; i++) {
        struct entry *e = call_find_for_write(call, i);
        if (!call_type_or_reply(call, e, TYPE_ZSET))
            return true;
        if (e == NULL)
            continue;
        uint64_t popped = at_most(m->count, e);
        reply_array(call->reply, 2);
        reply_bulk(call->reply, call->argv[i]);
        reply_array(call->reply, (int64_t)popped);
        zset_pop(call->reply, call->keys, call->db, call_key(call, i), e, m->end, popped, true);
        return true;
    }
    return false;
}

static void cmd_zmpop(struct call *call)
{
    struct zset_mpop m;
    if (zset_mpop_or_reply(call, 1, &m) && !zset_mpop_try(call, &m))
        reply_null_array(call->reply);
}

/* -- ZRANDMEMBER ------------------------------------------------------------------------------- */

static void reply_ranked(struct call *call, const struct entry *e, uint64_t rank, bool with_scores)
{
    struct zset_iter it;
    struct zset_item item;
    zset_iter_begin(&it, e, rank, false);
    if (zset_iter_next(&it, &item))
        zset_reply_item(call->reply, &item, with_scores);
}

/* Ranks are drawn as places: a place is a rank and 1, since NULL is none. */
static const void *place_of(uint64_t rank)
{
    return (const void *)(uintptr_t)(rank + 1);
}

static uint64_t rank_at(const void *place)
{
    return (uint64_t)(uintptr_t)place - 1;
}

/* Distinct members, many of them: shuffle all ranks. */
static void reply_many(struct call *call, const struct entry *e, uint64_t wanted, bool with_scores)
{
    uint64_t all = zset_count(e);
    const void **places = mem_alloc(all * sizeof *places);
    for (uint64_t i = 0; i < all; i++)
        places[i] = place_of(i);
    draw_shuffle(places, all, wanted);
    for (uint64_t i = 0; i < wanted; i++)
        reply_ranked(call, e, rank_at(places[i]), with_scores);
    mem_free(places);
}

/* Distinct members, few of many. */
static void reply_few(struct call *call, const struct entry *e, uint64_t wanted, bool with_scores)
{
    uint64_t all = zset_count(e);
    struct drawn drawn;
    drawn_init(&drawn, wanted);
    while (wanted > 0) {
        uint64_t rank = random_below(all);
        if (drawn_add(&drawn, place_of(rank))) {
            reply_ranked(call, e, rank, with_scores);
            wanted--;
        }
    }
    drawn_fini(&drawn);
}

/* A negative count: that many, one member perhaps more than once. */
static void reply_sample(struct call *call, const struct entry *e, int64_t count, bool with_scores)
{
    enum { FEW_OF = 3 };
    uint64_t all = zset_count(e);
    if (count < 0) {
        uint64_t wanted = (uint64_t)-count;
        zset_reply_count(call->reply, wanted, with_scores);
        for (; wanted > 0 && !reply_is_full(call->reply); wanted--)
            reply_ranked(call, e, random_below(all), with_scores);
        return;
    }
    uint64_t wanted = at_most((uint64_t)count, e);
    zset_reply_count(call->reply, wanted, with_scores);
    if (wanted == all) {
        struct zset_iter it;
        struct zset_item item;
        zset_iter_begin(&it, e, 0, false);
        while (zset_iter_next(&it, &item))
            zset_reply_item(call->reply, &item, with_scores);
    } else if (wanted > all / FEW_OF) {
        reply_many(call, e, wanted, with_scores);
    } else {
        reply_few(call, e, wanted, with_scores);
    }
}

static void sample(struct call *call)
{
    int64_t count;
    bool with_scores = call->argc > 3;
    if (!call_range_or_reply(call, 2, -INT64_MAX, INT64_MAX, &count, NULL))
        return;
    if (call->argc > 4 || (with_scores && !bytes_is_word(call->argv[3], "withscores"))) {
        reply_syntax_error(call);
        return;
    }
    if (with_scores && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) {
        reply_error(call->reply, "ERR value is out of range");
        return;
    }
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_ZSET))
        return;
    if (e == NULL || count == 0)
        reply_array(call->reply, 0);
    else
        reply_sample(call, e, count, with_scores);
}

static void cmd_zrandmember(struct call *call)
{
    if (call->argc > 2) {
        sample(call);
        return;
    }
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_ZSET))
        return;
    if (e == NULL)
        reply_null(call->reply);
    else
        reply_ranked(call, e, random_below(zset_count(e)), false);
}

/* -- ZSCAN ------------------------------------------------------------------------------------- */

/* The cursor stands before the members in the reply but is known after them: so they are collected.
 */
struct found_members {
    const struct scan *scan;
    const struct entry *zset;
    const struct ranked **members; /* owned */
    size_t count, room;
};

static void visit_member(void *entry, void *context)
{
    struct found_members *found = context;
    const struct ranked *m = entry;
    if (!scan_matches(found->scan, ranked_name(m)) || !zset_is_member(found->zset, m))
        return;
    if (found->count == found->room) {
        found->room = found->room > 0 ? 2 * found->room : 16;
        found->members = mem_resize(found->members, found->room * sizeof *found->members);
    }
    found->members[found->count++] = m;
}

/* Redis writes the scores of a large set with 17 digits here. */
static void scan_table(struct call *call, const struct entry *e, struct scan *s)
{
    struct found_members found = {.scan = s, .zset = e};
    scan_dict(s, zset_dict(e), visit_member, &found);
    char cursor[NUMBER_TEXT_MAX];
    reply_array(call->reply, 2);
    reply_bulk(call->reply, bytes_of(cursor, number_format_u64(cursor, s->cursor)));
    reply_array(call->reply, (int64_t)found.count * 2);
    for (size_t i = 0; i < found.count; i++) {
        reply_bulk(call->reply, ranked_name(found.members[i]));
        reply_bulkf(call->reply, "%.17g", found.members[i]->score);
    }
    mem_free(found.members);
}

/* A small set is scanned in one call. */
static void scan_small(struct call *call, const struct entry *e, const struct scan *s)
{
    reply_array(call->reply, 2);
    reply_bulk_text(call->reply, "0");
    struct reply_mark mark = reply_mark(call->reply);
    int64_t count = 0;
    struct zset_iter it;
    struct zset_item item;
    zset_iter_begin(&it, e, 0, false);
    while (zset_iter_next(&it, &item)) {
        char text[NUMBER_DOUBLE_MAX];
        if (!scan_matches(s, item.name))
            continue;
        reply_bulk(call->reply, item.name);
        reply_bulk(call->reply, bytes_of(text, number_format_double(text, item.score)));
        count += 2;
    }
    reply_array_at(call->reply, mark, count);
}

static void cmd_zscan(struct call *call)
{
    struct scan s;
    struct call head = *call;
    head.argc = 3; /* Redis looks at the cursor, then for the key, then at the options */
    if (!scan_parse_or_reply(&head, 2, 0, &s))
        return;
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_ZSET))
        return;
    if (e == NULL) {
        reply_array(call->reply, 2);
        reply_bulk_text(call->reply, "0");
        reply_array(call->reply, 0);
        return;
    }
    if (!scan_parse_or_reply(call, 2, 0, &s))
        return;
    if (zset_dict(e) != NULL)
        scan_table(call, e, &s);
    else
        scan_small(call, e, &s);
}

const struct command zset_pick_commands[] = {
    {
        .name = "zpopmin",
        .run = cmd_zpopmin,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1}),
        .group = "sorted-set",
        .since = "5.0.0",
        .summary = "Removes and returns the members with the lowest scores.",
        .complexity = "O(M*log(N)) with N members in the sorted set, of which M are popped.",
        .args = "key:key#0 count:integer?",
    },
    {
        .name = "zpopmax",
        .run = cmd_zpopmax,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1}),
        .group = "sorted-set",
        .since = "5.0.0",
        .summary = "Removes and returns the members with the highest scores.",
        .complexity = "O(M*log(N)) with N members in the sorted set, of which M are popped.",
        .args = "key:key#0 count:integer?",
    },
    {
        .name = "zmpop",
        .run = cmd_zmpop,
        .arity = -4,
        .flags = CMD_WRITE,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1, .counted = true, .key_at = 1}),
        .group = "sorted-set",
        .since = "7.0.0",
        .summary = "Pops members from the first of several sorted sets that exists.",
        .complexity = "O(K)+O(M*log(N)) with K keys, and N members in the sorted set, of which "
                      "M are popped.",
        .args = "numkeys:integer key:key#0* where(min:token=MIN|max:token=MAX) "
                "count:integer=COUNT?",
    },
    {
        .name = "zrandmember",
        .run = cmd_zrandmember,
        .arity = -2,
        .flags = CMD_READONLY,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "sorted-set",
        .since = "6.2.0",
        .summary = "Returns members at random.",
        .complexity = "O(M*log(N)) with N members in the sorted set, of which M are returned.",
        .args = "key:key#0 options{count:integer withscores:token=WITHSCORES?}?",
        .tips = "nondeterministic_output",
    },
    {
        .name = "zscan",
        .run = cmd_zscan,
        .arity = -3,
        .flags = CMD_READONLY,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "sorted-set",
        .since = "2.8.0",
        .summary = "Walks through the members of a sorted set, some at each call.",
        .complexity = "O(1) a call, O(N) for a whole walk over N members.",
        .args = "key:key#0 cursor:integer pattern:pattern=MATCH? count:integer=COUNT?",
        .tips = "nondeterministic_output",
    },
    {0},
};
