/*
 * set_algebra.c - intersections, unions and differences of sets.
 *
 * Members are looked up in groups: hashed, their buckets fetched, then the entries, then compared,
 * so that the memory of a group arrives together. What is stored is built beside the keyspace and
 * put in at the end: a destination may be one of the sources.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "server/command.h"
#include "server/commands/sets.h"
#include "storage/value.h"

/* -- sources ----------------------------------------------------------------------------------- */

struct sources {
    const struct entry **sets; /* owned; NULL: there is no such key */
    int count, missing;
};

static void sources_fini(struct sources *s)
{
    mem_free(s->sets);
}

/* The sets at count arguments from first on. All are looked at, even if the result is clear before
 * the end. */
static bool sources_or_reply(struct call *call, int first, int count, struct sources *s)
{
    *s = (struct sources){mem_alloc((size_t)count * sizeof *s->sets), count, 0};
    for (int i = 0; i < count; i++) {
        s->sets[i] = call_find(call, first + i);
        s->missing += s->sets[i] == NULL;
        if (!call_type_or_reply(call, s->sets[i], TYPE_SET)) {
            sources_fini(s);
            return false;
        }
    }
    return true;
}

static uint64_t size_of(const struct entry *e)
{
    return e != NULL ? set_count(e) : 0;
}

static int smaller_first(const void *a, const void *b)
{
    uint64_t x = size_of(*(const struct entry *const *)a),
             y = size_of(*(const struct entry *const *)b);
    return (x > y) - (x < y);
}

static int larger_first(const void *a, const void *b)
{
    return smaller_first(b, a);
}

/* -- results ----------------------------------------------------------------------------------- */

/* Where members of a result go. */
struct result {
    struct call *call;
    struct set_at *into;   /* NULL: no set */
    bool to_reply;         /* their number is not known before the end */
    uint64_t count, limit; /* limit 0: none */
};

/* False: that is enough. */
static bool emit(struct result *r, struct bytes member)
{
    if (r->to_reply)
        reply_bulk(r->call->reply, member);
    if (r->into != NULL)
        set_add(r->into, member);
    return ++r->count != r->limit;
}

/* A set to build a result in that will not be kept. */
static struct set_at scratch_set(const struct call *call, const struct sources *s)
{
    enum value_encoding form = ENC_INTSET;
    for (int i = 0; i < s->count; i++)
        if (s->sets[i] != NULL && entry_encoding(s->sets[i]) != ENC_INTSET)
            form = ENC_HASHTABLE; /* a listpack is slow to search */
    return (struct set_at){set_create_as(bytes_of_text(""), form), &call->keys->limits, NULL};
}

/* A set to build a result in that will be stored. It starts as the smallest form. */
static struct set_at stored_set(const struct call *call)
{
    return (struct set_at){set_create_as(call->argv[1], ENC_INTSET), &call->keys->limits, NULL};
}

/* Put a set that was built into the keyspace, as argument 1. Ends it if it is empty: then even a
 * dead key that stands there is deleted and not buried. */
static void store(struct call *call, struct entry *e, const char *event)
{
    struct key key = call_key(call, 1);
    int64_t count = (int64_t)set_count(e);
    if (count == 0) {
        value_end(e);
        if (keyspace_remove(call->keys, call->db, key, call->keys->lazy_server_del))
            keyspace_changed(call->keys, call->db, key.name, EVENT_GENERIC, "del");
    } else {
        struct entry *old = keyspace_find(call->keys, call->db, key);
        if (old != NULL)
            keyspace_replace(call->keys, call->db, old, e, key.hash);
        else
            keyspace_add(call->keys, call->db, e, key.hash);
        keyspace_changed(call->keys, call->db, key.name, EVENT_SET, event);
    }
    reply_int(call->reply, count);
}

/* -- looking up in groups ---------------------------------------------------------------------- */

enum { GROUP = 16 };

struct group {
    struct set_member members[GROUP];
    uint64_t hashes[GROUP];
    uint32_t left; /* a bit for each member that is still in question */
    bool hashed;
};

static bool group_fill(struct group *g, struct set_iter *it)
{
    int count = 0;
    while (count < GROUP && set_iter_next(it, &g->members[count]))
        count++;
    g->left = (1u << count) - 1;
    g->hashed = false;
    return count > 0;
}

static void group_hash(struct group *g)
{
    if (g->hashed)
        return;
    g->hashed = true;
    for (uint32_t left = g->left; left != 0; left &= left - 1) {
        int i = __builtin_ctz(left);
        g->hashes[i] = dict_hash(g->members[i].text);
    }
}

static void group_prefetch(const struct group *g, const struct dict *d)
{
    for (uint32_t left = g->left; left != 0; left &= left - 1)
        dict_prefetch_bucket(d, g->hashes[__builtin_ctz(left)]);
    for (uint32_t left = g->left; left != 0; left &= left - 1)
        dict_prefetch_entry(d, g->hashes[__builtin_ctz(left)]);
}

/* Leave those that the set has, or those that it has not. */
static void group_filter(struct group *g, const struct entry *e, bool present)
{
    const struct dict *d = set_dict(e);
    if (d != NULL) {
        group_hash(g);
        group_prefetch(g, d);
    }
    for (uint32_t left = g->left; left != 0; left &= left - 1) {
        int i = __builtin_ctz(left);
        struct bytes text = g->members[i].text;
        bool found = d != NULL ? dict_find(d, text, g->hashes[i]) != NULL : set_contains(e, text);
        if (found != present)
            g->left &= ~(1u << i);
    }
}

/* The members of the first set that are in all others (present), or in none of them. */
static void filter(const struct sources *s, bool present, struct result *r)
{
    struct group g;
    struct set_iter it;
    bool enough = false;
    set_iter_begin(&it, s->sets[0]);
    while (!enough && group_fill(&g, &it)) {
        for (int i = 1; i < s->count && g.left != 0; i++)
            if (s->sets[i] != NULL)
                group_filter(&g, s->sets[i], present);
        for (; g.left != 0 && !enough; g.left &= g.left - 1)
            enough = !emit(r, g.members[__builtin_ctz(g.left)].text);
    }
    set_iter_end(&it);
}

/* -- SINTER ------------------------------------------------------------------------------------ */

static void intersect(struct sources *s, struct result *r)
{
    if (s->missing > 0)
        return;
    qsort(s->sets, (size_t)s->count, sizeof *s->sets, smaller_first);
    filter(s, true, r);
}

static void cmd_sinter(struct call *call)
{
    struct sources s;
    struct result r = {.call = call, .to_reply = true};
    if (!sources_or_reply(call, 1, call->argc - 1, &s))
        return;
    struct reply_mark mark = reply_mark(call->reply);
    intersect(&s, &r);
    reply_set_at(call->reply, mark, (int64_t)r.count);
    sources_fini(&s);
}

static void cmd_sinterstore(struct call *call)
{
    struct sources s;
    if (!sources_or_reply(call, 2, call->argc - 2, &s))
        return;
    struct set_at into = stored_set(call);
    struct result r = {.call = call, .into = &into};
    intersect(&s, &r);
    store(call, into.e, "sinterstore");
    sources_fini(&s);
}

static bool limit_or_reply(struct call *call, int first, int64_t *limit)
{
    *limit = 0;
    for (int i = first; i < call->argc; i += 2) {
        if (!bytes_is_word(call->argv[i], "LIMIT") || i + 1 == call->argc) {
            reply_syntax_error(call);
            return false;
        }
        if (!call_range_or_reply(call, i + 1, 0, INT64_MAX, limit, "ERR LIMIT can't be negative"))
            return false;
    }
    return true;
}

static void cmd_sintercard(struct call *call)
{
    struct sources s;
    int64_t count, limit;
    if (!call_range_or_reply(call, 1, 1, INT64_MAX, &count, "ERR numkeys should be greater than 0"))
        return;
    if (count > call->argc - 2) {
        reply_error(call->reply, "ERR Number of keys can't be greater than number of args");
        return;
    }
    if (!limit_or_reply(call, 2 + (int)count, &limit) || !sources_or_reply(call, 2, (int)count, &s))
        return;
    struct result r = {.call = call, .limit = (uint64_t)limit};
    intersect(&s, &r);
    reply_int(call->reply, (int64_t)r.count);
    sources_fini(&s);
}

/* -- SUNION ------------------------------------------------------------------------------------ */

static void add_all(const struct set_at *into, const struct entry *e)
{
    struct set_iter it;
    struct set_member m;
    set_iter_begin(&it, e);
    while (set_iter_next(&it, &m))
        set_add(into, m.text);
    set_iter_end(&it);
}

static void unite(const struct sources *s, const struct set_at *into)
{
    for (int i = 0; i < s->count; i++)
        if (s->sets[i] != NULL)
            add_all(into, s->sets[i]);
}

static void reply_scratch(struct call *call, struct entry *e)
{
    reply_set(call->reply, (int64_t)set_count(e));
    set_reply_members(call, e);
    keyspace_end_entry(call->keys, e, true);
}

static void cmd_sunion(struct call *call)
{
    struct sources s;
    if (!sources_or_reply(call, 1, call->argc - 1, &s))
        return;
    struct set_at into = scratch_set(call, &s);
    unite(&s, &into);
    reply_scratch(call, into.e);
    sources_fini(&s);
}

static void cmd_sunionstore(struct call *call)
{
    struct sources s;
    if (!sources_or_reply(call, 2, call->argc - 2, &s))
        return;
    struct set_at into = stored_set(call);
    unite(&s, &into);
    store(call, into.e, "sunionstore");
    sources_fini(&s);
}

/* -- SDIFF ------------------------------------------------------------------------------------- */

/* Is it less work to look each member of the first set up in the others than to copy it and remove
 * all that the others have? A look-up is taken for half of a removal, and most end at the first set
 * that has the member. */
static bool is_filter_cheaper(const struct sources *s)
{
    uint64_t look_ups = 0, removals = 0;
    for (int i = 0; i < s->count; i++)
        if (s->sets[i] != NULL) {
            look_ups += size_of(s->sets[0]);
            removals += size_of(s->sets[i]);
        }
    return look_ups / 2 <= removals;
}

static void remove_all(const struct set_at *from, const struct entry *e)
{
    struct set_iter it;
    struct set_member m;
    set_iter_begin(&it, e);
    while (set_count(from->e) > 0 && set_iter_next(&it, &m))
        set_remove(from, m.text);
    set_iter_end(&it);
}

static void subtract(const struct sources *s, const struct set_at *into)
{
    add_all(into, s->sets[0]);
    for (int i = 1; i < s->count; i++)
        if (s->sets[i] != NULL)
            remove_all(into, s->sets[i]);
}

static void filter_difference(struct sources *s, struct result *r)
{
    qsort(s->sets + 1, (size_t)s->count - 1, sizeof *s->sets, larger_first);
    filter(s, false, r);
}

static void cmd_sdiff(struct call *call)
{
    struct sources s;
    if (!sources_or_reply(call, 1, call->argc - 1, &s))
        return;
    if (s.sets[0] == NULL) {
        reply_set(call->reply, 0);
    } else if (is_filter_cheaper(&s)) {
        struct result r = {.call = call, .to_reply = true};
        struct reply_mark mark = reply_mark(call->reply);
        filter_difference(&s, &r);
        reply_set_at(call->reply, mark, (int64_t)r.count);
    } else {
        struct set_at into = scratch_set(call, &s);
        subtract(&s, &into);
        reply_scratch(call, into.e);
    }
    sources_fini(&s);
}

static void cmd_sdiffstore(struct call *call)
{
    struct sources s;
    if (!sources_or_reply(call, 2, call->argc - 2, &s))
        return;
    struct set_at into = stored_set(call);
    struct result r = {.call = call, .into = &into};
    if (s.sets[0] != NULL && is_filter_cheaper(&s))
        filter_difference(&s, &r);
    else if (s.sets[0] != NULL)
        subtract(&s, &into);
    store(call, into.e, "sdiffstore");
    sources_fini(&s);
}

const struct command set_algebra_commands[] = {
    {
        .name = "sinter",
        .run = cmd_sinter,
        .arity = -2,
        .flags = CMD_READONLY,
        .categories = CAT_SET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1, .last = -1}),
        .group = "set",
        .since = "1.0.0",
        .summary = "Returns the members that all sets have in common.",
        .complexity = "O(N*M) at worst, with N members in the smallest of M sets.",
        .args = "key:key#0*",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "sintercard",
        .run = cmd_sintercard,
        .arity = -3,
        .flags = CMD_READONLY,
        .categories = CAT_SET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1, .counted = true, .key_at = 1}),
        .group = "set",
        .since = "7.0.0",
        .summary = "Counts the members that all sets have in common, up to a limit.",
        .complexity = "O(N*M) at worst, with N members in the smallest of M sets.",
        .args = "numkeys:integer key:key#0* limit:integer=LIMIT?",
    },
    {
        .name = "sinterstore",
        .run = cmd_sinterstore,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_SET,
        KEYS({KEY_OW | KEY_UPDATE, .first = 1}, {KEY_RO | KEY_ACCESS, .first = 2, .last = -1}),
        .group = "set",
        .since = "1.0.0",
        .summary = "Stores what all sets have in common as another set.",
        .complexity = "O(N*M) at worst, with N members in the smallest of M sets.",
        .args = "destination:key#0 key:key#1*",
    },
    {
        .name = "sunion",
        .run = cmd_sunion,
        .arity = -2,
        .flags = CMD_READONLY,
        .categories = CAT_SET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1, .last = -1}),
        .group = "set",
        .since = "1.0.0",
        .summary = "Returns the members that at least one of the sets has.",
        .complexity = "O(N) with N members in all sets together.",
        .args = "key:key#0*",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "sunionstore",
        .run = cmd_sunionstore,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_SET,
        KEYS({KEY_OW | KEY_UPDATE, .first = 1}, {KEY_RO | KEY_ACCESS, .first = 2, .last = -1}),
        .group = "set",
        .since = "1.0.0",
        .summary = "Stores the union of sets as another set.",
        .complexity = "O(N) with N members in all sets together.",
        .args = "destination:key#0 key:key#1*",
    },
    {
        .name = "sdiff",
        .run = cmd_sdiff,
        .arity = -2,
        .flags = CMD_READONLY,
        .categories = CAT_SET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1, .last = -1}),
        .group = "set",
        .since = "1.0.0",
        .summary = "Returns the members of the first set that no other set has.",
        .complexity = "O(N) with N members in all sets together.",
        .args = "key:key#0*",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "sdiffstore",
        .run = cmd_sdiffstore,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_SET,
        KEYS({KEY_OW | KEY_UPDATE, .first = 1}, {KEY_RO | KEY_ACCESS, .first = 2, .last = -1}),
        .group = "set",
        .since = "1.0.0",
        .summary = "Stores what the first set has and no other as another set.",
        .complexity = "O(N) with N members in all sets together.",
        .args = "destination:key#0 key:key#1*",
    },
    {0},
};
