/*
 * zset_algebra.c - unions, intersections and differences of sorted sets and sets.
 *
 * A plain set takes part as if each of its members had the score 1. What comes out is built beside
 * the keyspace: a destination may be one of the sources.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "server/command.h"
#include "server/commands/zsets.h"
#include "storage/set.h"
#include "storage/value.h"

/* -- sources ----------------------------------------------------------------------------------- */

struct source {
    const struct entry *e; /* NULL: there is no such key */
    double weight;
};

static bool is_set(const struct source *s)
{
    return entry_type(s->e) == TYPE_SET;
}

static uint64_t source_count(const struct source *s)
{
    if (s->e == NULL)
        return 0;
    return is_set(s) ? set_count(s->e) : zset_count(s->e);
}

/* What takes no part in sums. */
static double number_or_zero(double score)
{
    return isnan(score) ? 0 : score;
}

/* The weighted score; false if there is no such member. */
static bool source_find(const struct source *s, struct bytes name, double *score)
{
    struct zset_place place = {.score = 1};
    if (s->e == NULL)
        return false;
    if (is_set(s) ? !set_contains(s->e, name) : !zset_find(s->e, name, &place))
        return false;
    *score = number_or_zero(s->weight * place.score);
    return true;
}

/* Visit the members with their weighted scores until visit returns false. */
typedef bool visit_fn(void *context, struct bytes name, double score);

static void set_source_visit(const struct source *s, visit_fn *visit, void *context)
{
    struct set_iter it;
    struct set_member m;
    set_iter_begin(&it, s->e);
    while (set_iter_next(&it, &m) && visit(context, m.text, number_or_zero(s->weight)))
        ;
    set_iter_end(&it);
}

static void source_visit(const struct source *s, visit_fn *visit, void *context)
{
    if (source_count(s) == 0)
        return;
    if (is_set(s)) {
        set_source_visit(s, visit, context);
        return;
    }
    struct zset_iter it;
    struct zset_item item;
    zset_iter_begin(&it, s->e, 0, false);
    while (zset_iter_next(&it, &item) &&
           visit(context, item.name, number_or_zero(s->weight * item.score)))
        ;
}

static int smaller_first(const void *a, const void *b)
{
    uint64_t x = source_count(a), y = source_count(b);
    return (x > y) - (x < y);
}

/* -- the operations ---------------------------------------------------------------------------- */

enum operation {
    UNION,
    INTER,
    DIFF,
};

enum aggregate {
    SUM,
    MIN,
    MAX,
};

struct algebra {
    enum operation operation;
    enum aggregate aggregate;
    bool with_scores;
    struct source *sources; /* owned */
    int count;
    struct zset_builder *into; /* NULL: members are only counted */
    uint64_t found, limit;     /* limit 0: none */
};

static double join(enum aggregate how, double a, double b)
{
    switch (how) {
    case SUM:
        return number_or_zero(a + b);
    case MIN:
        return b < a ? b : a;
    default:
        return b > a ? b : a;
    }
}

static bool visit_union(void *context, struct bytes name, double score)
{
    const struct algebra *a = context;
    bool fresh;
    double *sum = zset_builder_score(a->into, name, &fresh);
    *sum = fresh ? score : join(a->aggregate, *sum, score);
    return true;
}

static bool emit(struct algebra *a, struct bytes name, double score)
{
    bool fresh;
    if (a->into != NULL)
        *zset_builder_score(a->into, name, &fresh) = score;
    return ++a->found != a->limit;
}

static bool visit_inter(void *context, struct bytes name, double score)
{
    struct algebra *a = context;
    for (int i = 1; i < a->count; i++) {
        double other;
        if (!source_find(&a->sources[i], name, &other))
            return true;
        score = join(a->aggregate, score, other);
    }
    return emit(a, name, score);
}

static bool visit_diff(void *context, struct bytes name, double score)
{
    struct algebra *a = context;
    double other;
    for (int i = 1; i < a->count; i++)
        if (source_find(&a->sources[i], name, &other))
            return true;
    return emit(a, name, score);
}

static void run(struct algebra *a)
{
    if (a->operation != DIFF)
        qsort(a->sources, (size_t)a->count, sizeof *a->sources, smaller_first);
    if (a->operation == UNION)
        for (int i = 0; i < a->count; i++)
            source_visit(&a->sources[i], visit_union, a);
    else
        source_visit(&a->sources[0], a->operation == INTER ? visit_inter : visit_diff, a);
}

/* -- arguments --------------------------------------------------------------------------------- */

/* The number of keys stands at argument i, the keys behind it. */
static bool sources_or_reply(struct call *call, int i, struct algebra *a)
{
    int64_t count;
    if (!call_i64_or_reply(call, i, &count, NULL))
        return false;
    if (count < 1) {
        reply_errorf(call->reply, "ERR at least 1 input key is needed for '%s' command",
                     call->command->full_name);
        return false;
    }
    if (count > call->argc - i - 1) {
        reply_syntax_error(call);
        return false;
    }
    a->count = (int)count;
    a->sources = mem_alloc((size_t)count * sizeof *a->sources);
    for (int k = 0; k < a->count; k++) {
        struct entry *e = call_find(call, i + 1 + k);
        a->sources[k] = (struct source){e, 1};
        if (e != NULL && entry_type(e) != TYPE_ZSET && entry_type(e) != TYPE_SET) {
            reply_wrong_type(call);
            return false;
        }
    }
    return true;
}

static bool weights_or_reply(struct call *call, int i, struct algebra *a)
{
    for (int k = 0; k < a->count; k++)
        if (!call_double_or_reply(call, i + k, &a->sources[k].weight,
                                  "ERR weight value is not a float"))
            return false;
    return true;
}

static bool aggregate_parse(struct bytes word, enum aggregate *out)
{
    static const char *const words[] = {[SUM] = "sum", [MIN] = "min", [MAX] = "max"};
    for (int i = SUM; i <= MAX; i++)
        if (bytes_is_word(word, words[i])) {
            *out = (enum aggregate)i;
            return true;
        }
    return false;
}

enum algebra_option {
    HAS_WEIGHTS = 1 << 0, /* and AGGREGATE */
    HAS_SCORES = 1 << 1,
    HAS_LIMIT = 1 << 2,
};

/* The option at argument *i, which moves to its last one. */
static bool option_or_reply(struct call *call, unsigned allowed, int *i, struct algebra *a)
{
    struct bytes word = call->argv[*i];
    int left = call->argc - *i - 1;
    if ((allowed & HAS_WEIGHTS) && left >= a->count && bytes_is_word(word, "weights")) {
        if (!weights_or_reply(call, *i + 1, a))
            return false;
        *i += a->count;
    } else if ((allowed & HAS_WEIGHTS) && left >= 1 && bytes_is_word(word, "aggregate") &&
               aggregate_parse(call->argv[*i + 1], &a->aggregate)) {
        ++*i;
    } else if ((allowed & HAS_SCORES) && bytes_is_word(word, "withscores")) {
        a->with_scores = true;
    } else if ((allowed & HAS_LIMIT) && left >= 1 && bytes_is_word(word, "limit")) {
        int64_t limit;
        if (!call_range_or_reply(call, ++*i, 0, INT64_MAX, &limit, "ERR LIMIT can't be negative"))
            return false;
        a->limit = (uint64_t)limit;
    } else {
        reply_syntax_error(call);
        return false;
    }
    return true;
}

/* Sources and options, the number of keys being argument i. */
static bool algebra_or_reply(struct call *call, int i, unsigned allowed, struct algebra *a)
{
    if (!sources_or_reply(call, i, a))
        return false;
    for (i += 1 + a->count; i < call->argc; i++)
        if (!option_or_reply(call, allowed, &i, a))
            return false;
    return true;
}

/* -- commands ---------------------------------------------------------------------------------- */

static void reply_built(struct call *call, struct entry *e, bool with_scores)
{
    zset_reply_count(call->reply, e != NULL ? zset_count(e) : 0, with_scores);
    if (e == NULL)
        return;
    struct zset_iter it;
    struct zset_item item;
    zset_iter_begin(&it, e, 0, false);
    while (zset_iter_next(&it, &item))
        zset_reply_item(call->reply, &item, with_scores);
    value_end(e);
}

static void compute(struct call *call, enum operation operation)
{
    struct zset_builder b;
    struct algebra a = {.operation = operation, .into = &b};
    unsigned allowed = HAS_SCORES | (operation != DIFF ? HAS_WEIGHTS : 0);
    if (algebra_or_reply(call, 1, allowed, &a)) {
        zset_builder_init(&b);
        run(&a);
        reply_built(call, zset_builder_finish(&b, NULL, bytes_of_text("")), a.with_scores);
    }
    mem_free(a.sources);
}

static void compute_and_store(struct call *call, enum operation operation, const char *event)
{
    struct zset_builder b;
    struct algebra a = {.operation = operation, .into = &b};
    if (algebra_or_reply(call, 2, operation != DIFF ? HAS_WEIGHTS : 0, &a)) {
        zset_builder_init(&b);
        run(&a);
        zset_store(call, 1, zset_builder_finish(&b, &call->keys->limits, call->argv[1]), event);
    }
    mem_free(a.sources);
}

static void cmd_zunion(struct call *call)
{
    compute(call, UNION);
}

static void cmd_zinter(struct call *call)
{
    compute(call, INTER);
}

static void cmd_zdiff(struct call *call)
{
    compute(call, DIFF);
}

static void cmd_zunionstore(struct call *call)
{
    compute_and_store(call, UNION, "zunionstore");
}

static void cmd_zinterstore(struct call *call)
{
    compute_and_store(call, INTER, "zinterstore");
}

static void cmd_zdiffstore(struct call *call)
{
    compute_and_store(call, DIFF, "zdiffstore");
}

static void cmd_zintercard(struct call *call)
{
    struct algebra a = {.operation = INTER};
    if (algebra_or_reply(call, 1, HAS_LIMIT, &a)) {
        run(&a);
        reply_int(call->reply, (int64_t)a.found);
    }
    mem_free(a.sources);
}

const struct command zset_algebra_commands[] = {
    {
        .name = "zunion",
        .run = cmd_zunion,
        .arity = -3,
        .flags = CMD_READONLY,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1, .counted = true, .key_at = 1}),
        .group = "sorted-set",
        .since = "6.2.0",
        .summary = "Returns the union of sorted sets.",
        .complexity = "O(N)+O(M*log(M)) with N members in all sources and M in the result.",
        .args = "numkeys:integer key:key#0* weight:integer=WEIGHTS?* "
                "aggregate=AGGREGATE(sum:token=SUM|min:token=MIN|max:token=MAX)? "
                "withscores:token=WITHSCORES?",
    },
    {
        .name = "zinter",
        .run = cmd_zinter,
        .arity = -3,
        .flags = CMD_READONLY,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1, .counted = true, .key_at = 1}),
        .group = "sorted-set",
        .since = "6.2.0",
        .summary = "Returns the intersection of sorted sets.",
        .complexity = "O(N*K)+O(M*log(M)) with N members in the smallest of K sources and M in "
                      "the result.",
        .args = "numkeys:integer key:key#0* weight:integer=WEIGHTS?* "
                "aggregate=AGGREGATE(sum:token=SUM|min:token=MIN|max:token=MAX)? "
                "withscores:token=WITHSCORES?",
    },
    {
        .name = "zdiff",
        .run = cmd_zdiff,
        .arity = -3,
        .flags = CMD_READONLY,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1, .counted = true, .key_at = 1}),
        .group = "sorted-set",
        .since = "6.2.0",
        .summary = "Returns what the first sorted set has and the others have not.",
        .complexity = "O(N*K)+O(M*log(M)) with N members in the first of K sources and M in the "
                      "result.",
        .args = "numkeys:integer key:key#0* withscores:token=WITHSCORES?",
    },
    {
        .name = "zunionstore",
        .run = cmd_zunionstore,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_OW | KEY_UPDATE, .first = 1},
             {KEY_RO | KEY_ACCESS, .first = 2, .counted = true, .key_at = 1}),
        .group = "sorted-set",
        .since = "2.0.0",
        .summary = "Stores the union of sorted sets.",
        .complexity = "O(N)+O(M*log(M)) with N members in all sources and M in the result.",
        .args = "destination:key#0 numkeys:integer key:key#1* weight:integer=WEIGHTS?* "
                "aggregate=AGGREGATE(sum:token=SUM|min:token=MIN|max:token=MAX)?",
    },
    {
        .name = "zinterstore",
        .run = cmd_zinterstore,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_OW | KEY_UPDATE, .first = 1},
             {KEY_RO | KEY_ACCESS, .first = 2, .counted = true, .key_at = 1}),
        .group = "sorted-set",
        .since = "2.0.0",
        .summary = "Stores the intersection of sorted sets.",
        .complexity = "O(N*K)+O(M*log(M)) with N members in the smallest of K sources and M in "
                      "the result.",
        .args = "destination:key#0 numkeys:integer key:key#1* weight:integer=WEIGHTS?* "
                "aggregate=AGGREGATE(sum:token=SUM|min:token=MIN|max:token=MAX)?",
    },
    {
        .name = "zdiffstore",
        .run = cmd_zdiffstore,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_OW | KEY_UPDATE, .first = 1},
             {KEY_RO | KEY_ACCESS, .first = 2, .counted = true, .key_at = 1}),
        .group = "sorted-set",
        .since = "6.2.0",
        .summary = "Stores what the first sorted set has and the others have not.",
        .complexity = "O(N*K)+O(M*log(M)) with N members in the first of K sources and M in the "
                      "result.",
        .args = "destination:key#0 numkeys:integer key:key#1*",
    },
    {
        .name = "zintercard",
        .run = cmd_zintercard,
        .arity = -3,
        .flags = CMD_READONLY,
        .categories = CAT_SORTEDSET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1, .counted = true, .key_at = 1}),
        .group = "sorted-set",
        .since = "7.0.0",
        .summary = "Counts the members of an intersection of sorted sets.",
        .complexity = "O(N*K) with N members in the smallest of K sources.",
        .args = "numkeys:integer key:key#0* limit:integer=LIMIT?",
    },
    {0},
};
