/*
 * zsets.c - sorted sets, member by member: ZADD, ZREM, ZSCORE, ZRANK; and what the other files
 * share.
 */
#include "server/commands/zsets.h"

#include <math.h>

#include "base/memory.h"
#include "protocol/reply_short.h"
#include "server/command.h"
#include "storage/value.h"

/* -- shared ------------------------------------------------------------------------------------ */

void zset_reply_item(struct reply *r, const struct zset_item *item, bool with_score)
{
    if (with_score && r->resp > 2)
        reply_array(r, 2);
    reply_bulk_short(r, item->name);
    if (with_score)
        reply_double(r, item->score);
}

void zset_reply_count(struct reply *r, uint64_t count, bool with_scores)
{
    reply_array(r, (int64_t)(with_scores && r->resp == 2 ? 2 * count : count));
}

void zset_shrunk(struct keyspace *ks, int db, struct key key, const struct entry *e,
                 const char *event, uint64_t removed)
{
    keyspace_changed_by(ks, db, key.name, EVENT_ZSET, event, removed);
    if (zset_count(e) == 0) {
        keyspace_remove(ks, db, key, false);
        keyspace_event(ks, db, key.name, EVENT_GENERIC, "del");
    }
}

void zset_store(struct call *call, int i, struct entry *built, const char *event)
{
    struct keyspace *ks = call->keys;
    struct key key = call_key(call, i);
    int64_t count = built != NULL ? (int64_t)zset_count(built) : 0;
    if (built != NULL) {
        struct entry *old = keyspace_find(ks, call->db, key);
        if (old != NULL)
            keyspace_replace(ks, call->db, old, built, key.hash);
        else
            keyspace_add(ks, call->db, built, key.hash);
        keyspace_changed(ks, call->db, key.name, EVENT_ZSET, event);
    } else if (keyspace_remove(ks, call->db, key, ks->lazy_server_del)) { /* dead ones, too */
        keyspace_changed(ks, call->db, key.name, EVENT_GENERIC, "del");
    }
    reply_int(call->reply, count);
}

/* -- ZADD, ZINCRBY ----------------------------------------------------------------------------- */

/* Options from argument 2 on; *first is the first argument behind them. */
static unsigned parse_options(const struct call *call, int *first)
{
    static const char *const words[] = {"nx", "xx", "gt", "lt", "ch", "incr"};
    unsigned options = 0;
    int i = 2;
    for (; i < call->argc; i++) {
        unsigned word = 0;
        while (word < sizeof words / sizeof *words && !bytes_is_word(call->argv[i], words[word]))
            word++;
        if (word == sizeof words / sizeof *words)
            break;
        options |= 1u << word;
    }
    *first = i;
    return options;
}

static bool options_fit_or_reply(struct call *call, unsigned options, int rest)
{
    unsigned order = options & (ZADD_NX | ZADD_GT | ZADD_LT);
    if (rest == 0 || rest % 2 != 0)
        reply_syntax_error(call);
    else if ((options & ZADD_NX) && (options & ZADD_XX))
        reply_error(call->reply, "ERR XX and NX options at the same time are not compatible");
    else if ((order & (order - 1)) != 0)
        reply_error(call->reply,
                    "ERR GT, LT, and/or NX options at the same time are not compatible");
    else if ((options & ZADD_INCR) && rest > 2)
        reply_error(call->reply, "ERR INCR option supports a single increment-element pair");
    else
        return true;
    return false;
}

struct zadd {
    unsigned options;
    int64_t added, updated;
    bool skipped; /* the last member was left as it was, by NX, XX, GT or LT */
    double score; /* the last member's */
};

/* False: the sum is not a number, which was answered. */
static bool add_one(struct call *call, const struct zset_at *at, struct bytes name, double score,
                    struct zadd *z)
{
    struct zset_place place;
    bool exists = zset_find(at->e, name, &place);
    unsigned forbids = exists ? ZADD_NX : ZADD_XX;
    z->skipped = (z->options & forbids) != 0;
    if (z->skipped)
        return true;
    if (exists) {
        if (z->options & ZADD_INCR)
            score += place.score;
        if (isnan(score)) {
            reply_error(call->reply, "ERR resulting score is not a number (NaN)");
            return false;
        }
        z->skipped = ((z->options & ZADD_LT) && score >= place.score) ||
                     ((z->options & ZADD_GT) && score <= place.score);
        if (z->skipped)
            return true;
        z->updated += score != place.score;
    } else {
        z->added++;
    }
    z->score = score;
    zset_put(at, &place, score);
    return true;
}

/* The entry at argument 1, made if there is none; NULL: there is none and shall be none. */
static struct entry *demand(struct call *call, struct entry *e, const struct zset_addition *a)
{
    if (e != NULL || (a->options & ZADD_XX))
        return e;
    struct key key = call_key(call, 1);
    e = zset_create(&call->keys->limits, key.name, (uint64_t)a->count, call->argv[a->first].len);
    keyspace_add(call->keys, call->db, e, key.hash);
    return e;
}

static void reply_added(struct call *call, const struct zadd *z)
{
    if (!(z->options & ZADD_INCR))
        reply_int(call->reply, z->added + (z->options & ZADD_CH ? z->updated : 0));
    else if (z->skipped)
        reply_null(call->reply);
    else
        reply_double(call->reply, z->score);
}

void zset_add_members(struct call *call, const struct zset_addition *a)
{
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_ZSET))
        return;
    struct zadd z = {.options = a->options, .skipped = true};
    e = demand(call, e, a);
    if (e != NULL) {
        struct zset_at at = zset_in(call->keys, e);
        for (int i = 0; i < a->count; i++)
            if (!add_one(call, &at, call->argv[a->first + i * a->step], a->scores[i], &z))
                return;
    }
    if (z.added + z.updated > 0)
        keyspace_changed_by(call->keys, call->db, call->argv[1], EVENT_ZSET,
                            a->options & ZADD_INCR ? "zincr" : "zadd",
                            (uint64_t)(z.added + z.updated));
    reply_added(call, &z);
}

/* All scores are read before anything changes. */
static void add(struct call *call, int first, unsigned options)
{
    enum { FEW = 16 };
    int count = (call->argc - first) / 2, read = 0;
    double few[FEW], *scores = count <= FEW ? few : mem_alloc((size_t)count * sizeof *scores);
    while (read < count && call_double_or_reply(call, first + 2 * read, &scores[read], NULL))
        read++;
    if (read == count)
        zset_add_members(call, &(struct zset_addition){scores, count, first + 1, 2, options});
    if (scores != few)
        mem_free(scores);
}

static void cmd_zadd(struct call *call)
{
    int first;
    unsigned options = parse_options(call, &first);
    if (options_fit_or_reply(call, options, call->argc - first))
        add(call, first, options);
}

static void cmd_zincrby(struct call *call)
{
    add(call, 2, ZADD_INCR);
}

/* -- removing ---------------------------------------------------------------------------------- */

static void cmd_zrem(struct call *call)
{
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_ZSET))
        return;
    int64_t removed = 0;
    for (int i = 2; e != NULL && i < call->argc && zset_count(e) > 0; i++) {
        struct zset_at at = zset_in(call->keys, e);
        struct zset_place place;
        if (zset_find(e, call->argv[i], &place)) {
            zset_remove(&at, &place);
            removed++;
        }
    }
    if (removed > 0)
        zset_shrunk(call->keys, call->db, call_key(call, 1), e, "zrem", (uint64_t)removed);
    reply_int(call->reply, removed);
}

/* -- reading ----------------------------------------------------------------------------------- */

static void cmd_zcard(struct call *call)
{
    struct entry *e = call_find(call, 1);
    if (call_type_or_reply(call, e, TYPE_ZSET))
        reply_int(call->reply, e != NULL ? (int64_t)zset_count(e) : 0);
}

static void reply_score(struct call *call, const struct entry *e, struct bytes name)
{
    struct zset_place place;
    if (e != NULL && zset_find(e, name, &place))
        reply_double(call->reply, place.score);
    else
        reply_null(call->reply);
}

static void cmd_zscore(struct call *call)
{
    struct entry *e = call_find(call, 1);
    if (call_type_or_reply(call, e, TYPE_ZSET))
        reply_score(call, e, call->argv[2]);
}

static void cmd_zmscore(struct call *call)
{
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_ZSET))
        return;
    reply_array(call->reply, call->argc - 2);
    for (int i = 2; i < call->argc; i++)
        reply_score(call, e, call->argv[i]);
}

static void reply_rank(struct call *call, bool backwards)
{
    bool with_score = call->argc > 3;
    if (call->argc > 4) {
        reply_arity_error(call);
        return;
    }
    if (with_score && !bytes_is_word(call->argv[3], "withscore")) {
        reply_syntax_error(call);
        return;
    }
    struct zset_place place;
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_ZSET))
        return;
    if (e == NULL || !zset_find(e, call->argv[2], &place)) {
        if (with_score)
            reply_null_array(call->reply);
        else
            reply_null(call->reply);
        return;
    }
    uint64_t rank = zset_rank(e, &place);
    if (with_score)
        reply_array(call->reply, 2);
    reply_int(call->reply, (int64_t)(backwards ? zset_count(e) - 1 - rank : rank));
    if (with_score)
        reply_double(call->reply, place.score);
}

static void cmd_zrank(struct call *call)
{
    reply_rank(call, false);
}

static void cmd_zrevrank(struct call *call)
{
    reply_rank(call, true);
}

const struct command zset_commands[] = {
    {
        .name = "zadd",
        .run = cmd_zadd,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .member = 3,
        .group = "sorted-set",
        .since = "1.2.0",
        .summary = "Adds members with their scores, or gives members other scores.",
        .complexity = "O(log(N)) for each member, with N members in the sorted set.",
        .args = "key:key#0 condition(nx:token=NX|xx:token=XX)?@3.0.2 "
                "comparison(gt:token=GT|lt:token=LT)?@6.2.0 change:token=CH?@3.0.2 "
                "increment:token=INCR?@3.0.2 data{score:double member}*",
    },
    {
        .name = "zincrby",
        .run = cmd_zincrby,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 1}),
        .member = 3,
        .group = "sorted-set",
        .since = "1.2.0",
        .summary = "Adds a number to the score of a member.",
        .complexity = "O(log(N)) with N members in the sorted set.",
        .args = "key:key#0 increment:integer member",
    },
    {
        .name = "zrem",
        .run = cmd_zrem,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RW | KEY_DELETE, .first = 1}),
        .member = 2,
        .group = "sorted-set",
        .since = "1.2.0",
        .summary = "Removes members; removes the key with the last one.",
        .complexity = "O(M*log(N)) with N members in the sorted set, of which M are removed.",
        .args = "key:key#0 member*",
    },
    {
        .name = "zcard",
        .run = cmd_zcard,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO, .first = 1}),
        .group = "sorted-set",
        .since = "1.2.0",
        .summary = "Returns the number of members.",
        .complexity = "O(1)",
        .args = "key:key#0",
    },
    {
        .name = "zscore",
        .run = cmd_zscore,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .member = 2,
        .group = "sorted-set",
        .since = "1.2.0",
        .summary = "Returns the score of a member.",
        .complexity = "O(1)",
        .args = "key:key#0 member",
    },
    {
        .name = "zmscore",
        .run = cmd_zmscore,
        .arity = -3,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .member = 2,
        .group = "sorted-set",
        .since = "6.2.0",
        .summary = "Returns the scores of several members.",
        .complexity = "O(N) with N members asked for.",
        .args = "key:key#0 member*",
    },
    {
        .name = "zrank",
        .run = cmd_zrank,
        .arity = -3,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .member = 2,
        .group = "sorted-set",
        .since = "2.0.0",
        .summary = "Returns the position of a member in ascending order.",
        .complexity = "O(log(N)) with N members in the sorted set.",
        .args = "key:key#0 member withscore:token=WITHSCORE?",
    },
    {
        .name = "zrevrank",
        .run = cmd_zrevrank,
        .arity = -3,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .member = 2,
        .group = "sorted-set",
        .since = "2.0.0",
        .summary = "Returns the position of a member in descending order.",
        .complexity = "O(log(N)) with N members in the sorted set.",
        .args = "key:key#0 member withscore:token=WITHSCORE?",
    },
    {0},
};
