/*
 * zset_range.c - sorted sets by ranges: of ranks, of scores, of names.
 *
 * Every range becomes a span of ranks first. Then it is counted, replied, stored or removed.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "server/command.h"
#include "server/commands/zsets.h"

/* -- bounds ------------------------------------------------------------------------------------ */

/* What strtod() takes, blanks in front and nothing at all included, but no NaN. */
static bool parse_score(struct bytes text, double *out)
{
    char small[64], *copy = text.len < sizeof small ? small : mem_alloc(text.len + 1), *end;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *out = strtod(copy, &end);
    bool good = *end == '\0' && *out == *out;
    if (copy != small)
        mem_free(copy);
    return good;
}

static bool score_cut(struct bytes text, bool is_max, struct rank_cut *out)
{
    bool open = text.len > 0 && text.ptr[0] == '(';
    *out = (struct rank_cut){.kind = CUT_SCORE, .after = is_max != open};
    return parse_score(bytes_of(text.ptr + open, text.len - open), &out->score);
}

bool zset_scores_or_reply(struct call *call, int min, int max, struct rank_cut cuts[2])
{
    if (score_cut(call->argv[min], false, &cuts[0]) && score_cut(call->argv[max], true, &cuts[1]))
        return true;
    reply_error(call->reply, "ERR min or max is not a float");
    return false;
}

static bool name_cut(struct bytes text, bool is_max, struct rank_cut *out)
{
    *out = (struct rank_cut){.kind = CUT_NAME};
    char first = text.len > 0 ? text.ptr[0] : '\0';
    switch (first) {
    case '-':
    case '+':
        out->kind = first == '-' ? CUT_FIRST : CUT_LAST;
        return text.len == 1;
    case '(':
    case '[':
        out->after = is_max != (first == '(');
        out->name = bytes_of(text.ptr + 1, text.len - 1);
        return true;
    default:
        return false;
    }
}

bool zset_names_or_reply(struct call *call, int min, int max, struct rank_cut cuts[2])
{
    if (name_cut(call->argv[min], false, &cuts[0]) && name_cut(call->argv[max], true, &cuts[1]))
        return true;
    reply_error(call->reply, "ERR min or max not valid string range item");
    return false;
}

/* -- ranges ------------------------------------------------------------------------------------ */

enum range_kind {
    BY_RANK,
    BY_SCORE,
    BY_NAME,
};

struct range {
    enum range_kind kind;
    bool backwards, with_scores;
    int64_t start, stop;     /* BY_RANK; counted from the end if backwards */
    struct rank_cut cuts[2]; /* else */
    int64_t skip, limit;     /* LIMIT; a negative limit is none, a negative skip skips everything */
};

/* Ranks: the first, and how many. */
struct span {
    uint64_t first, count;
};

static struct span span_of_ranks(const struct range *r, int64_t total)
{
    int64_t start = r->start < 0 ? r->start + total : r->start;
    int64_t stop = r->stop < 0 ? r->stop + total : r->stop;
    if (start < 0)
        start = 0;
    if (stop >= total)
        stop = total - 1;
    if (start > stop)
        return (struct span){0, 0};
    uint64_t count = (uint64_t)(stop - start + 1);
    return (struct span){(uint64_t)(r->backwards ? total - 1 - stop : start), count};
}

static struct span span_of(const struct entry *e, const struct range *r)
{
    if (e == NULL)
        return (struct span){0, 0};
    if (r->kind == BY_RANK)
        return span_of_ranks(r, (int64_t)zset_count(e));
    uint64_t from = zset_cut(e, &r->cuts[0]), to = zset_cut(e, &r->cuts[1]);
    uint64_t count = to > from ? to - from : 0, skip = (uint64_t)r->skip;
    if (skip >= count) /* a negative one is huge */
        return (struct span){0, 0};
    count -= skip;
    if (r->limit >= 0 && (uint64_t)r->limit < count)
        count = (uint64_t)r->limit;
    return (struct span){r->backwards ? to - skip - count : from + skip, count};
}

static bool bounds_or_reply(struct call *call, int min, int max, struct range *r)
{
    switch (r->kind) {
    case BY_RANK:
        return call_i64_or_reply(call, min, &r->start, NULL) &&
               call_i64_or_reply(call, max, &r->stop, NULL);
    case BY_SCORE:
        return zset_scores_or_reply(call, min, max, r->cuts);
    default:
        return zset_names_or_reply(call, min, max, r->cuts);
    }
}

/* -- ZRANGE and its relatives ------------------------------------------------------------------ */

/* Which options a command has, and what is fixed without them. */
struct form {
    enum range_kind kind;
    bool backwards;
    bool free_kind;  /* BYSCORE, BYLEX and REV */
    bool has_limit;  /* LIMIT */
    bool has_scores; /* WITHSCORES */
};

static bool option_or_reply(struct call *call, const struct form *form, int *i, struct range *r)
{
    struct bytes word = call->argv[*i];
    if (form->has_scores && bytes_is_word(word, "withscores")) {
        r->with_scores = true;
    } else if (form->has_limit && *i + 2 < call->argc && bytes_is_word(word, "limit")) {
        if (!call_i64_or_reply(call, *i + 1, &r->skip, NULL) ||
            !call_i64_or_reply(call, *i + 2, &r->limit, NULL))
            return false;
        *i += 2;
    } else if (form->free_kind && bytes_is_word(word, "rev")) {
        r->backwards = true;
    } else if (form->free_kind && r->kind == BY_RANK && bytes_is_word(word, "bylex")) {
        r->kind = BY_NAME;
    } else if (form->free_kind && r->kind == BY_RANK && bytes_is_word(word, "byscore")) {
        r->kind = BY_SCORE;
    } else {
        reply_syntax_error(call);
        return false;
    }
    return true;
}

/* The key is argument key; the bounds and options follow. */
static bool range_or_reply(struct call *call, const struct form *form, int key, struct range *r)
{
    *r = (struct range){.kind = form->kind, .backwards = form->backwards, .limit = -1};
    for (int i = key + 3; i < call->argc; i++)
        if (!option_or_reply(call, form, &i, r))
            return false;
    if (r->limit != -1 && r->kind == BY_RANK) {
        reply_error(call->reply, "ERR syntax error, LIMIT is only supported in combination with "
                                 "either BYSCORE or BYLEX");
        return false;
    }
    if (r->with_scores && r->kind == BY_NAME) {
        reply_error(call->reply,
                    "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        return false;
    }
    bool swapped = r->backwards && r->kind != BY_RANK;
    return bounds_or_reply(call, key + 1 + swapped, key + 2 - swapped, r);
}

static void reply_range(struct call *call, const struct form *form)
{
    struct range r;
    if (!range_or_reply(call, form, 1, &r))
        return;
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_ZSET))
        return;
    struct span span = span_of(e, &r);
    zset_reply_count(call->reply, span.count, r.with_scores);
    if (span.count == 0)
        return;
    struct zset_iter it;
    struct zset_item item;
    zset_iter_begin(&it, e, r.backwards ? span.first + span.count - 1 : span.first, r.backwards);
    for (; span.count > 0 && zset_iter_next(&it, &item); span.count--)
        zset_reply_item(call->reply, &item, r.with_scores);
}

static void cmd_zrange(struct call *call)
{
    reply_range(call, &(struct form){.free_kind = true, .has_limit = true, .has_scores = true});
}

static void cmd_zrevrange(struct call *call)
{
    reply_range(call, &(struct form){.backwards = true, .has_limit = true, .has_scores = true});
}

static void cmd_zrangebyscore(struct call *call)
{
    reply_range(call, &(struct form){.kind = BY_SCORE, .has_limit = true, .has_scores = true});
}

static void cmd_zrevrangebyscore(struct call *call)
{
    reply_range(call, &(struct form){BY_SCORE, true, .has_limit = true, .has_scores = true});
}

static void cmd_zrangebylex(struct call *call)
{
    reply_range(call, &(struct form){.kind = BY_NAME, .has_limit = true, .has_scores = true});
}

static void cmd_zrevrangebylex(struct call *call)
{
    reply_range(call, &(struct form){BY_NAME, true, .has_limit = true, .has_scores = true});
}

static void cmd_zrangestore(struct call *call)
{
    struct range r;
    if (!range_or_reply(call, &(struct form){.free_kind = true, .has_limit = true}, 2, &r))
        return;
    struct entry *e = call_find(call, 2);
    if (!call_type_or_reply(call, e, TYPE_ZSET))
        return;
    struct span span = span_of(e, &r);
    struct zset_builder b;
    zset_builder_init(&b);
    if (span.count > 0) {
        struct zset_iter it;
        struct zset_item item;
        bool fresh;
        for (zset_iter_begin(&it, e, span.first, false);
             span.count > 0 && zset_iter_next(&it, &item); span.count--)
            *zset_builder_score(&b, item.name, &fresh) = item.score;
    }
    zset_store(call, 1, zset_builder_finish(&b, &call->keys->limits, call->argv[1]), "zrangestore");
}

/* -- counting and removing --------------------------------------------------------------------- */

static void count_range(struct call *call, enum range_kind kind)
{
    struct range r = {.kind = kind, .limit = -1};
    if (!bounds_or_reply(call, 2, 3, &r))
        return;
    struct entry *e = call_find(call, 1);
    if (call_type_or_reply(call, e, TYPE_ZSET))
        reply_int(call->reply, (int64_t)span_of(e, &r).count);
}

static void cmd_zcount(struct call *call)
{
    count_range(call, BY_SCORE);
}

static void cmd_zlexcount(struct call *call)
{
    count_range(call, BY_NAME);
}

static void remove_range(struct call *call, enum range_kind kind, const char *event)
{
    struct range r = {.kind = kind, .limit = -1};
    if (!bounds_or_reply(call, 2, 3, &r))
        return;
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_ZSET))
        return;
    struct span span = span_of(e, &r);
    if (span.count > 0) {
        zset_remove_span(call->keys, call->db, e, span.first, span.count);
        zset_shrunk(call->keys, call->db, call_key(call, 1), e, event, span.count);
    }
    reply_int(call->reply, (int64_t)span.count);
}

static void cmd_zremrangebyrank(struct call *call)
{
    remove_range(call, BY_RANK, "zremrangebyrank");
}

static void cmd_zremrangebyscore(struct call *call)
{
    remove_range(call, BY_SCORE, "zremrangebyscore");
}

static void cmd_zremrangebylex(struct call *call)
{
    remove_range(call, BY_NAME, "zremrangebylex");
}

const struct command zset_range_commands[] = {
    {
        .name = "zrange",
        .run = cmd_zrange,
        .arity = -4,
        .flags = CMD_READONLY,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "sorted-set",
        .since = "1.2.0",
        .summary = "Returns the members in a range of positions, scores or names.",
        .complexity = "O(log(N)+M) with N members in the sorted set, of which M are returned.",
        .args = "key:key#0 start stop sortby(byscore:token=BYSCORE|"
                "bylex:token=BYLEX)?@6.2.0 rev:token=REV?@6.2.0 limit=LIMIT{offset:integer "
                "count:integer}?@6.2.0 withscores:token=WITHSCORES?",
    },
    {
        .name = "zrevrange",
        .run = cmd_zrevrange,
        .arity = -4,
        .flags = CMD_READONLY | CMD_DEPRECATED,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "sorted-set",
        .since = "1.2.0",
        .summary = "Returns the members in a range of positions, highest first.",
        .complexity = "O(log(N)+M) with N members in the sorted set, of which M are returned.",
        .args = "key:key#0 start:integer stop:integer withscores:token=WITHSCORES?",
        .deprecated_since = "6.2.0",
        .replaced_by = "`ZRANGE` with `REV`",
    },
    {
        .name = "zrangebyscore",
        .run = cmd_zrangebyscore,
        .arity = -4,
        .flags = CMD_READONLY | CMD_DEPRECATED,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "sorted-set",
        .since = "1.0.5",
        .summary = "Returns the members between two scores.",
        .complexity = "O(log(N)+M) with N members in the sorted set, of which M are returned.",
        .args = "key:key#0 min:double max:double withscores:token=WITHSCORES?@2.0.0 "
                "limit=LIMIT{offset:integer count:integer}?",
        .deprecated_since = "6.2.0",
        .replaced_by = "`ZRANGE` with `BYSCORE`",
    },
    {
        .name = "zrevrangebyscore",
        .run = cmd_zrevrangebyscore,
        .arity = -4,
        .flags = CMD_READONLY | CMD_DEPRECATED,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "sorted-set",
        .since = "2.2.0",
        .summary = "Returns the members between two scores, highest first.",
        .complexity = "O(log(N)+M) with N members in the sorted set, of which M are returned.",
        .args = "key:key#0 max:double min:double withscores:token=WITHSCORES? "
                "limit=LIMIT{offset:integer count:integer}?",
        .deprecated_since = "6.2.0",
        .replaced_by = "`ZRANGE` with `REV` and `BYSCORE`",
    },
    {
        .name = "zrangebylex",
        .run = cmd_zrangebylex,
        .arity = -4,
        .flags = CMD_READONLY | CMD_DEPRECATED,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "sorted-set",
        .since = "2.8.9",
        .summary = "Returns the members between two names.",
        .complexity = "O(log(N)+M) with N members in the sorted set, of which M are returned.",
        .args = "key:key#0 min max limit=LIMIT{offset:integer count:integer}?",
        .deprecated_since = "6.2.0",
        .replaced_by = "`ZRANGE` with `BYLEX`",
    },
    {
        .name = "zrevrangebylex",
        .run = cmd_zrevrangebylex,
        .arity = -4,
        .flags = CMD_READONLY | CMD_DEPRECATED,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "sorted-set",
        .since = "2.8.9",
        .summary = "Returns the members between two names, last first.",
        .complexity = "O(log(N)+M) with N members in the sorted set, of which M are returned.",
        .args = "key:key#0 max min limit=LIMIT{offset:integer count:integer}?",
        .deprecated_since = "6.2.0",
        .replaced_by = "`ZRANGE` with `REV` and `BYLEX`",
    },
    {
        .name = "zrangestore",
        .run = cmd_zrangestore,
        .arity = -5,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_OW | KEY_UPDATE, .first = 1}, {KEY_RO | KEY_ACCESS, .first = 2}),
        .group = "sorted-set",
        .since = "6.2.0",
        .summary = "Stores a range of a sorted set under another key.",
        .complexity = "O(log(N)+M*log(M)) with N members in the source, of which M are stored.",
        .args = "dst:key#0 src:key#1 min max sortby(byscore:token=BYSCORE|"
                "bylex:token=BYLEX)? rev:token=REV? limit=LIMIT{offset:integer "
                "count:integer}?",
    },
    {
        .name = "zcount",
        .run = cmd_zcount,
        .arity = 4,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "sorted-set",
        .since = "2.0.0",
        .summary = "Counts the members between two scores.",
        .complexity = "O(log(N)) with N members in the sorted set.",
        .args = "key:key#0 min:double max:double",
    },
    {
        .name = "zlexcount",
        .run = cmd_zlexcount,
        .arity = 4,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "sorted-set",
        .since = "2.8.9",
        .summary = "Counts the members between two names.",
        .complexity = "O(log(N)) with N members in the sorted set.",
        .args = "key:key#0 min max",
    },
    {
        .name = "zremrangebyrank",
        .run = cmd_zremrangebyrank,
        .arity = 4,
        .flags = CMD_WRITE,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RW | KEY_DELETE, .first = 1}),
        .group = "sorted-set",
        .since = "2.0.0",
        .summary = "Removes the members in a range of positions.",
        .complexity = "O(M*log(N)) with N members in the sorted set, of which M are removed.",
        .args = "key:key#0 start:integer stop:integer",
    },
    {
        .name = "zremrangebyscore",
        .run = cmd_zremrangebyscore,
        .arity = 4,
        .flags = CMD_WRITE,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RW | KEY_DELETE, .first = 1}),
        .group = "sorted-set",
        .since = "1.2.0",
        .summary = "Removes the members between two scores.",
        .complexity = "O(M*log(N)) with N members in the sorted set, of which M are removed.",
        .args = "key:key#0 min:double max:double",
    },
    {
        .name = "zremrangebylex",
        .run = cmd_zremrangebylex,
        .arity = 4,
        .flags = CMD_WRITE,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RW | KEY_DELETE, .first = 1}),
        .group = "sorted-set",
        .since = "2.8.9",
        .summary = "Removes the members between two names.",
        .complexity = "O(M*log(N)) with N members in the sorted set, of which M are removed.",
        .args = "key:key#0 min max",
    },
    {0},
};
