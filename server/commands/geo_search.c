/*
 * geo_search.c - places within an area: GEOSEARCH, GEOSEARCHSTORE, and the GEORADIUS family.
 *
 * An area is covered by at most nine ranges of scores (base/geo.h); what is found there is tested
 * point by point. Without an order, places come in that of the ranges. With one, equal distances
 * keep it.
 */
#include <stdlib.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/random.h"
#include "server/command.h"
#include "server/commands/geo.h"
#include "server/commands/zsets.h"

/* What a command of the family may do. */
enum form {
    FORM_RADIUS = 1 << 0,  /* GEORADIUS: center, radius and unit are arguments 2 to 5 */
    FORM_MEMBER = 1 << 1,  /* GEORADIUSBYMEMBER: the center is a member */
    FORM_SEARCH = 1 << 2,  /* GEOSEARCH: all of it is said by options */
    FORM_STORES = 1 << 3,  /* GEOSEARCHSTORE: the result goes to argument 1 */
    FORM_STORING = 1 << 4, /* STORE and STOREDIST are options */
};

enum order {
    ORDER_NONE,
    ORDER_ASC,
    ORDER_DESC,
};

struct search {
    struct call *call;
    unsigned form;
    struct entry *e; /* of the places; NULL: there are none */
    struct geo_area area;
    double unit; /* meters */
    bool from_member, from_point, by_radius, by_box;
    bool with_distance, with_hash, with_point;
    enum order order;
    int64_t count; /* 0: all */
    bool any;
    int store; /* argument of the key to store to; 0: the places are the answer */
    bool store_distance;
};

/* -- arguments --------------------------------------------------------------------------------- */

static bool not_negative_or_reply(struct call *call, double x, const char *error)
{
    if (x >= 0)
        return true;
    reply_error(call->reply, error);
    return false;
}

/* Arguments i and i + 1. */
static bool radius_or_reply(struct search *s, int i)
{
    double radius;
    if (!call_double_or_reply(s->call, i, &radius, "ERR need numeric radius") ||
        !not_negative_or_reply(s->call, radius, "ERR radius cannot be negative") ||
        !geo_unit_or_reply(s->call, i + 1, &s->unit))
        return false;
    s->area.is_box = false;
    s->area.radius = radius * s->unit;
    return true;
}

/* Arguments i to i + 2. */
static bool box_or_reply(struct search *s, int i)
{
    double width, height;
    if (!call_double_or_reply(s->call, i, &width, "ERR need numeric width") ||
        !call_double_or_reply(s->call, i + 1, &height, "ERR need numeric height") ||
        !not_negative_or_reply(s->call, width < height ? width : height,
                               "ERR height or width cannot be negative") ||
        !geo_unit_or_reply(s->call, i + 2, &s->unit))
        return false;
    s->area.is_box = true;
    s->area.width = width * s->unit;
    s->area.height = height * s->unit;
    return true;
}

/* Argument i is the center; nobody asks where it is if there are no places. */
static bool member_or_reply(struct search *s, int i)
{
    if (s->e == NULL || geo_find(s->e, s->call->argv[i], &s->area.center))
        return true;
    reply_error(s->call->reply, "ERR could not decode requested zset member");
    return false;
}

static bool count_or_reply(struct search *s, int i)
{
    if (!call_i64_or_reply(s->call, i, &s->count, NULL))
        return false;
    if (s->count > 0)
        return true;
    reply_error(s->call->reply, "ERR COUNT must be > 0");
    return false;
}

/* What options do: the option is argument i, and has as many arguments as its row says. */

static bool take_with(struct search *s, int i)
{
    s->with_distance |= bytes_is_word(s->call->argv[i], "withdist");
    s->with_hash |= bytes_is_word(s->call->argv[i], "withhash");
    s->with_point |= bytes_is_word(s->call->argv[i], "withcoord");
    return true;
}

static bool take_any(struct search *s, int i)
{
    (void)i;
    return s->any = true;
}

static bool take_asc(struct search *s, int i)
{
    (void)i;
    s->order = ORDER_ASC;
    return true;
}

static bool take_desc(struct search *s, int i)
{
    (void)i;
    s->order = ORDER_DESC;
    return true;
}

static bool take_count(struct search *s, int i)
{
    return count_or_reply(s, i + 1);
}

static bool take_store(struct search *s, int i)
{
    s->store = i + 1;
    s->store_distance = bytes_is_word(s->call->argv[i], "storedist");
    return true;
}

static bool take_store_distance(struct search *s, int i)
{
    (void)i;
    return s->store_distance = true;
}

static bool take_member(struct search *s, int i)
{
    s->from_member = true;
    return member_or_reply(s, i + 1);
}

static bool take_point(struct search *s, int i)
{
    s->from_point = true;
    return geo_point_or_reply(s->call, i + 1, &s->area.center);
}

static bool take_radius(struct search *s, int i)
{
    s->by_radius = true;
    return radius_or_reply(s, i + 1);
}

static bool take_box(struct search *s, int i)
{
    s->by_box = true;
    return box_or_reply(s, i + 1);
}

struct option {
    const char *word;
    int args;
    unsigned forms; /* that have it; 0: all */
    bool (*take)(struct search *s, int i);
};

static const struct option options[] = {
    {"withdist", 0, 0, take_with},
    {"withhash", 0, 0, take_with},
    {"withcoord", 0, 0, take_with},
    {"any", 0, 0, take_any},
    {"asc", 0, 0, take_asc},
    {"desc", 0, 0, take_desc},
    {"count", 1, 0, take_count},
    {"store", 1, FORM_STORING, take_store},
    {"storedist", 1, FORM_STORING, take_store},
    {"storedist", 0, FORM_STORES, take_store_distance},
    {"frommember", 1, FORM_SEARCH, take_member},
    {"fromlonlat", 2, FORM_SEARCH, take_point},
    {"byradius", 2, FORM_SEARCH, take_radius},
    {"bybox", 3, FORM_SEARCH, take_box},
};

/* Of two ways to say the same thing, the second one is no option any more. */
static bool is_excluded(const struct search *s, const struct option *o)
{
    return (o->take == take_member && s->from_point) || (o->take == take_point && s->from_member) ||
           (o->take == take_radius && s->by_box) || (o->take == take_box && s->by_radius);
}

static const struct option *option_at(const struct search *s, int i)
{
    for (unsigned n = 0; n < sizeof options / sizeof *options; n++) {
        const struct option *o = &options[n];
        if (bytes_is_word(s->call->argv[i], o->word) && i + o->args < s->call->argc &&
            (o->forms == 0 || (o->forms & s->form)) && !is_excluded(s, o))
            return o;
    }
    return NULL;
}

/* Options from argument i on. */
static bool options_or_reply(struct search *s, int i)
{
    while (i < s->call->argc) {
        const struct option *o = option_at(s, i);
        if (o == NULL) {
            reply_syntax_error(s->call);
            return false;
        }
        if (!o->take(s, i))
            return false;
        i += 1 + o->args;
    }
    return true;
}

/* Do the options fit together? */
static bool complete_or_reply(struct search *s)
{
    struct reply *r = s->call->reply;
    struct bytes name = s->call->argv[0];
    int shown = name.len < 128 ? (int)name.len : 128;
    bool search = s->form & FORM_SEARCH;
    if (s->store != 0 && (s->with_distance || s->with_hash || s->with_point))
        reply_errorf(r, "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                     s->form & FORM_STORES ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
    else if (search && !s->from_member && !s->from_point)
        reply_errorf(r, "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s",
                     shown, name.ptr);
    else if (search && !s->by_radius && !s->by_box)
        reply_errorf(r, "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s", shown,
                     name.ptr);
    else if (s->any && s->count == 0)
        reply_error(r, "ERR the ANY argument requires COUNT argument");
    else
        return true;
    return false;
}

/* The arguments before the options; *next is the first of those. */
static bool head_or_reply(struct search *s, int *next)
{
    if (s->form & FORM_RADIUS) {
        *next = 6;
        return geo_point_or_reply(s->call, 2, &s->area.center) && radius_or_reply(s, 4);
    }
    if (s->form & FORM_MEMBER) {
        *next = 5;
        return s->e == NULL || (member_or_reply(s, 2) && radius_or_reply(s, 3));
    }
    s->store = s->form & FORM_STORES ? 1 : 0;
    *next = s->store != 0 ? 3 : 2;
    return true;
}

/* -- finding ----------------------------------------------------------------------------------- */

struct found {
    struct bytes name; /* of the set, or of the arena */
    struct geo_point point;
    double score, distance;
};

struct results {
    struct found *all; /* owned */
    size_t count, room;
    size_t enough; /* stop there; 0: never */
    struct arena names;
};

static void results_fini(struct results *r)
{
    arena_fini(&r->names);
    mem_free(r->all);
}

static void results_add(struct results *r, const struct found *f, const struct zset_item *item)
{
    if (r->count == r->room) {
        r->room = r->room * 2 + 16;
        r->all = mem_resize(r->all, r->room * sizeof *r->all);
    }
    r->all[r->count] = *f;
    /* Names that are numbers in a packed set are made for the item only. */
    if (item->name.ptr == item->scratch)
        r->all[r->count].name = arena_copy(&r->names, item->name);
    r->count++;
}

static bool is_enough(const struct results *r)
{
    return r->enough != 0 && r->count >= r->enough;
}

static void search_range(const struct entry *e, const struct geo_test *test,
                         const struct geo_range *range, struct results *r)
{
    struct rank_cut from = {.kind = CUT_SCORE, .score = (double)range->min};
    double end = (double)range->max;
    uint64_t rank = zset_cut(e, &from);
    struct zset_iter it;
    struct zset_item item;
    if (rank == zset_count(e))
        return;
    zset_iter_begin(&it, e, rank, false);
    while (!is_enough(r) && zset_iter_next(&it, &item) && item.score < end) {
        struct found f = {.name = item.name, .score = item.score};
        f.point = geo_decode(geo_hash_of_score(item.score));
        if (geo_test_point(test, f.point, &f.distance))
            results_add(r, &f, &item);
    }
}

static void search_area(const struct search *s, struct results *r)
{
    struct geo_range ranges[GEO_RANGES];
    struct geo_test test;
    int count = geo_cover(&s->area, ranges);
    geo_test_init(&test, &s->area);
    for (int i = 0; i < count && !is_enough(r); i++)
        search_range(s->e, &test, &ranges[i], r);
}

/* -- ordering ---------------------------------------------------------------------------------- */

/* A result by its distance, and where it was found. */
struct ranking {
    double distance;
    size_t at;
};

static int compare_asc(const void *a, const void *b)
{
    const struct ranking *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static int compare_desc(const void *a, const void *b)
{
    const struct ranking *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance > y->distance ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

typedef int compare_fn(const void *a, const void *b);

static void swap(struct ranking *a, struct ranking *b)
{
    struct ranking was = *a;
    *a = *b;
    *b = was;
}

/* Hoare's partition around any of them: how many are in front, none behind any of the others. */
static size_t partition(struct ranking *all, size_t count, compare_fn *compare)
{
    swap(&all[0], &all[random_below(count)]);
    struct ranking pivot = all[0];
    for (size_t i = 0, j = count - 1;; i++, j--) {
        while (compare(&all[i], &pivot) < 0)
            i++;
        while (compare(&all[j], &pivot) > 0)
            j--;
        if (i >= j)
            return j + 1;
        swap(&all[i], &all[j]);
    }
}

/* Bring the first of them to the front, in no order. */
static void select_first(struct ranking *all, size_t count, size_t first, compare_fn *compare)
{
    while (first > 0 && first < count) {
        size_t front = partition(all, count, compare);
        if (first <= front) {
            count = front;
        } else {
            all += front;
            count -= front;
            first -= front;
        }
    }
}

/* Keep the first so many results in this order. */
static void results_sort(struct results *r, enum order order, size_t first)
{
    compare_fn *compare = order == ORDER_ASC ? compare_asc : compare_desc;
    struct ranking *ranks = mem_alloc(r->count * sizeof *ranks + 1);
    struct found *sorted = mem_alloc(first * sizeof *sorted + 1);
    for (size_t i = 0; i < r->count; i++)
        ranks[i] = (struct ranking){r->all[i].distance, i};
    select_first(ranks, r->count, first, compare);
    qsort(ranks, first, sizeof *ranks, compare);
    for (size_t i = 0; i < first; i++)
        sorted[i] = r->all[ranks[i].at];
    mem_free(ranks);
    mem_free(r->all);
    r->all = sorted;
    r->count = first;
}

/* -- answering --------------------------------------------------------------------------------- */

static void reply_results(const struct search *s, const struct results *r)
{
    struct reply *out = s->call->reply;
    int extras = s->with_distance + s->with_hash + s->with_point;
    reply_array(out, (int64_t)r->count);
    for (size_t i = 0; i < r->count; i++) {
        const struct found *f = &r->all[i];
        if (extras > 0)
            reply_array(out, 1 + extras);
        reply_bulk(out, f->name);
        if (s->with_distance)
            geo_reply_distance(out, f->distance / s->unit);
        if (s->with_hash)
            reply_int(out, (int64_t)f->score);
        if (s->with_point)
            geo_reply_point(out, f->point);
    }
}

static void store_results(const struct search *s, const struct results *r)
{
    struct zset_builder b;
    bool fresh;
    zset_builder_init(&b);
    for (size_t i = 0; i < r->count; i++) {
        const struct found *f = &r->all[i];
        *zset_builder_score(&b, f->name, &fresh) =
            s->store_distance ? f->distance / s->unit : f->score;
    }
    struct bytes key = s->call->argv[s->store];
    zset_store(s->call, s->store, zset_builder_finish(&b, &s->call->keys->limits, key),
               s->form & FORM_STORES ? "geosearchstore" : "georadiusstore");
}

static void run(const struct search *s)
{
    struct results r = {.enough = s->any ? (size_t)s->count : 0};
    if (s->e != NULL)
        search_area(s, &r);
    size_t first = s->count > 0 && (size_t)s->count < r.count ? (size_t)s->count : r.count;
    enum order order = s->order;
    if (order == ORDER_NONE && s->count > 0 && !s->any)
        order = ORDER_ASC; /* the nearest are meant */
    if (order != ORDER_NONE)
        results_sort(&r, order, first);
    if (s->store != 0)
        store_results(s, &r);
    else
        reply_results(s, &r);
    results_fini(&r);
}

static void search(struct call *call, unsigned form)
{
    struct search s = {.call = call, .form = form, .unit = 1};
    int next;
    s.e = call_find(call, form & FORM_STORES ? 2 : 1);
    if (call_type_or_reply(call, s.e, TYPE_ZSET) && head_or_reply(&s, &next) &&
        options_or_reply(&s, next) && complete_or_reply(&s))
        run(&s);
}

static void cmd_geosearch(struct call *call)
{
    search(call, FORM_SEARCH);
}

static void cmd_geosearchstore(struct call *call)
{
    search(call, FORM_SEARCH | FORM_STORES);
}

static void cmd_georadius(struct call *call)
{
    search(call, FORM_RADIUS | FORM_STORING);
}

static void cmd_georadius_ro(struct call *call)
{
    search(call, FORM_RADIUS);
}

static void cmd_georadiusbymember(struct call *call)
{
    search(call, FORM_MEMBER | FORM_STORING);
}

static void cmd_georadiusbymember_ro(struct call *call)
{
    search(call, FORM_MEMBER);
}

const struct command geo_search_commands[] = {
    {
        .name = "geosearch",
        .run = cmd_geosearch,
        .arity = -7,
        .flags = CMD_READONLY,
        .categories = CAT_GEO,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "geo",
        .since = "6.2.0",
        .summary = "Returns the places within a circle or box.",
        .complexity = "O(N+log(M)) with N places in the cells around the area and M in the set.",
        .args = "key:key#0 "
                "from(member=FROMMEMBER|fromlonlat=FROMLONLAT{longitude:double "
                "latitude:double}) by(circle{radius:double=BYRADIUS "
                "unit(m:token=m|km:token=km|ft:token=ft|mi:token=mi)}|box{width:double=BYBOX "
                "height:double unit(m:token=m|km:token=km|ft:token=ft|mi:token=mi)}) "
                "order(asc:token=ASC|desc:token=DESC)? count-block{count:integer=COUNT "
                "any:token=ANY?}? withcoord:token=WITHCOORD? withdist:token=WITHDIST? "
                "withhash:token=WITHHASH?",
    },
    {
        .name = "geosearchstore",
        .run = cmd_geosearchstore,
        .arity = -8,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_GEO,
        KEYS({KEY_OW | KEY_UPDATE, .first = 1}, {KEY_RO | KEY_ACCESS, .first = 2}),
        .group = "geo",
        .since = "6.2.0",
        .summary = "Stores the places within a circle or box.",
        .complexity = "O(N+log(M)) with N places in the cells around the area and M in the set.",
        .args = "destination:key#0 source:key#1 "
                "from(member=FROMMEMBER|fromlonlat=FROMLONLAT{longitude:double "
                "latitude:double}) by(circle{radius:double=BYRADIUS "
                "unit(m:token=m|km:token=km|ft:token=ft|mi:token=mi)}|box{width:double=BYBOX "
                "height:double unit(m:token=m|km:token=km|ft:token=ft|mi:token=mi)}) "
                "order(asc:token=ASC|desc:token=DESC)? count-block{count:integer=COUNT "
                "any:token=ANY?}? storedist:token=STOREDIST?",
    },
    {
        .name = "georadius",
        .run = cmd_georadius,
        .arity = -6,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_DEPRECATED,
        .categories = CAT_GEO,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1},
             {KEY_OW | KEY_UPDATE, .keyword = "STORE", .first = 6},
             {KEY_OW | KEY_UPDATE, .keyword = "STOREDIST", .first = 6}),
        .group = "geo",
        .since = "3.2.0",
        .summary = "Returns or stores the places within a circle around a point.",
        .complexity = "O(N+log(M)) with N places in the cells around the area and M in the set.",
        .args = "key:key#0 longitude:double latitude:double radius:double "
                "unit(m:token=m|km:token=km|ft:token=ft|mi:token=mi) "
                "withcoord:token=WITHCOORD? withdist:token=WITHDIST? "
                "withhash:token=WITHHASH? count-block{count:integer=COUNT "
                "any:token=ANY?@6.2.0}? order(asc:token=ASC|desc:token=DESC)? "
                "store(storekey:key=STORE#1~key|storedistkey:key=STOREDIST#2~key)?",
        .deprecated_since = "6.2.0",
        .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
    },
    {
        .name = "georadius_ro",
        .run = cmd_georadius_ro,
        .arity = -6,
        .flags = CMD_READONLY | CMD_DEPRECATED,
        .categories = CAT_GEO,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "geo",
        .since = "3.2.10",
        .summary = "Returns the places within a circle around a point.",
        .complexity = "O(N+log(M)) with N places in the cells around the area and M in the set.",
        .args = "key:key#0 longitude:double latitude:double radius:double "
                "unit(m:token=m|km:token=km|ft:token=ft|mi:token=mi) "
                "withcoord:token=WITHCOORD? withdist:token=WITHDIST? "
                "withhash:token=WITHHASH? count-block{count:integer=COUNT "
                "any:token=ANY?@6.2.0}? order(asc:token=ASC|desc:token=DESC)?",
        .deprecated_since = "6.2.0",
        .replaced_by = "`GEOSEARCH` with the `BYRADIUS` argument",
    },
    {
        .name = "georadiusbymember",
        .run = cmd_georadiusbymember,
        .arity = -5,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_DEPRECATED,
        .categories = CAT_GEO,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1},
             {KEY_OW | KEY_UPDATE, .keyword = "STORE", .first = 5},
             {KEY_OW | KEY_UPDATE, .keyword = "STOREDIST", .first = 5}),
        .group = "geo",
        .since = "3.2.0",
        .summary = "Returns or stores the places within a circle around a member.",
        .complexity = "O(N+log(M)) with N places in the cells around the area and M in the set.",
        .args = "key:key#0 member radius:double "
                "unit(m:token=m|km:token=km|ft:token=ft|mi:token=mi) "
                "withcoord:token=WITHCOORD? withdist:token=WITHDIST? "
                "withhash:token=WITHHASH? count-block{count:integer=COUNT "
                "any:token=ANY?}? order(asc:token=ASC|desc:token=DESC)? "
                "store(storekey:key=STORE#1~key|storedistkey:key=STOREDIST#2~key)?",
        .deprecated_since = "6.2.0",
        .replaced_by =
            "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
    },
    {
        .name = "georadiusbymember_ro",
        .run = cmd_georadiusbymember_ro,
        .arity = -5,
        .flags = CMD_READONLY | CMD_DEPRECATED,
        .categories = CAT_GEO,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "geo",
        .since = "3.2.10",
        .summary = "Returns the places within a circle around a member.",
        .complexity = "O(N+log(M)) with N places in the cells around the area and M in the set.",
        .args = "key:key#0 member radius:double "
                "unit(m:token=m|km:token=km|ft:token=ft|mi:token=mi) "
                "withcoord:token=WITHCOORD? withdist:token=WITHDIST? "
                "withhash:token=WITHHASH? count-block{count:integer=COUNT "
                "any:token=ANY?}? order(asc:token=ASC|desc:token=DESC)?",
        .deprecated_since = "6.2.0",
        .replaced_by = "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
    },
    {0},
};
