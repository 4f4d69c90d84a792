/*
 * hash_all.c - commands about all fields of a hash, or some of them at random: HGETALL, HKEYS,
 * HVALS, HRANDFIELD, HSCAN.
 */
#include "base/memory.h"
#include "base/random.h"
#include "protocol/reply_short.h"
#include "server/command.h"
#include "server/commands/draw.h"
#include "server/commands/hashes.h"
#include "server/commands/scan.h"

enum part { NAMES = 1 << 0, VALUES = 1 << 1, PAIRS = NAMES | VALUES };

static void reply_field(struct call *call, const struct hash_field *f, unsigned parts)
{
    if (parts & NAMES)
        reply_bulk_short(call->reply, f->name);
    if (parts & VALUES)
        hash_reply_value(call, f);
}

/* -- HGETALL, HKEYS, HVALS --------------------------------------------------------------------- */

static void reply_live(struct call *call, const struct entry *e, enum part parts)
{
    struct reply_mark mark = reply_mark(call->reply);
    int64_t count = 0;
    struct hash_iter it;
    struct hash_field f;
    hash_iter_begin(&it, e);
    while (hash_iter_next(&it, &f)) {
        if (hash_is_dead(call->keys, &f))
            continue;
        reply_field(call, &f, parts);
        count++;
    }
    hash_iter_end(&it);
    if (parts == PAIRS)
        reply_map_at(call->reply, mark, count);
    else
        reply_array_at(call->reply, mark, count);
}

static void reply_all(struct call *call, enum part parts)
{
    struct hash_at at;
    if (!hash_open_or_reply(call, &at))
        return;
    if (at.e != NULL && hash_has_dead(&at)) {
        reply_live(call, at.e, parts);
        return;
    }
    int64_t count = at.e != NULL ? (int64_t)hash_count(at.e) : 0;
    if (parts == PAIRS)
        reply_map(call->reply, count);
    else
        reply_array(call->reply, count);
    if (count == 0)
        return;
    struct hash_iter it;
    struct hash_field f;
    hash_iter_begin(&it, at.e);
    while (hash_iter_next(&it, &f))
        reply_field(call, &f, parts);
    hash_iter_end(&it);
}

static void cmd_hgetall(struct call *call)
{
    reply_all(call, PAIRS);
}

static void cmd_hkeys(struct call *call)
{
    reply_all(call, NAMES);
}

static void cmd_hvals(struct call *call)
{
    reply_all(call, VALUES);
}

/* -- HRANDFIELD -------------------------------------------------------------------------------- */

/* Places of live fields. */
struct places {
    const void **items; /* owned */
    uint64_t count;
};

static struct places collect(const struct hash_at *at)
{
    struct places p = {mem_alloc((hash_count(at->e) + 1) * sizeof *p.items), 0};
    struct hash_iter it;
    struct hash_field f;
    hash_iter_begin(&it, at->e);
    while (hash_iter_next(&it, &f))
        if (!hash_is_dead(at->ks, &f))
            p.items[p.count++] = it.place;
    hash_iter_end(&it);
    return p;
}

/* With values, a field is a pair: in RESP3 an array of its own. */
static void reply_drawn_count(struct call *call, uint64_t count, enum part parts)
{
    bool flat = parts == PAIRS && call->reply->resp == 2;
    reply_array(call->reply, (int64_t)(flat ? 2 * count : count));
}

static void reply_drawn(struct call *call, const struct hash_field *f, enum part parts)
{
    if (parts == PAIRS && call->reply->resp > 2)
        reply_array(call->reply, 2);
    reply_field(call, f, parts);
}

static void reply_place(struct call *call, const struct entry *e, const void *place,
                        enum part parts)
{
    struct hash_field f;
    hash_read(e, place, &f);
    reply_drawn(call, &f, parts);
}

/* Draw with repetition. */
static void reply_repeated(struct call *call, const struct hash_at *at, uint64_t count,
                           enum part parts)
{
    bool from_table = hash_dict(at->e) != NULL && !hash_has_dead(at);
    struct places p = {NULL, 0};
    if (!from_table)
        p = collect(at);
    if (!from_table && p.count == 0)
        count = 0;
    reply_drawn_count(call, count, parts);
    for (uint64_t i = 0; i < count && !reply_is_full(call->reply); i++) {
        struct hash_field f;
        if (from_table)
            hash_random(at->e, &f);
        else
            hash_read(at->e, p.items[random_below(p.count)], &f);
        reply_drawn(call, &f, parts);
    }
    mem_free(p.items);
}

/* All that are there come in their order, some of them in any. */
static void reply_shuffled(struct call *call, const struct hash_at *at, uint64_t count,
                           enum part parts)
{
    struct places p = collect(at);
    if (count < p.count)
        draw_shuffle(p.items, p.count, count);
    else
        count = p.count;
    reply_drawn_count(call, count, parts);
    for (uint64_t i = 0; i < count; i++)
        reply_place(call, at->e, p.items[i], parts);
    mem_free(p.items);
}

/* Few of many: draw until there are enough different ones. */
static void reply_different(struct call *call, const struct hash_at *at, uint64_t count,
                            enum part parts)
{
    struct drawn drawn;
    drawn_init(&drawn, count);
    reply_drawn_count(call, count, parts);
    while (count > 0) {
        const void *place = dict_random(hash_dict(at->e));
        if (!drawn_add(&drawn, place))
            continue;
        reply_place(call, at->e, place, parts);
        count--;
    }
    drawn_fini(&drawn);
}

static bool draw_or_reply(struct call *call, int64_t *count, enum part *parts)
{
    const struct bytes *argv = call->argv;
    if (!call_range_or_reply(call, 2, -INT64_MAX, INT64_MAX, count, NULL))
        return false;
    if (call->argc > 4 || (call->argc == 4 && !bytes_is_word(argv[3], "WITHVALUES"))) {
        reply_syntax_error(call);
        return false;
    }
    *parts = call->argc == 4 ? PAIRS : NAMES;
    if (*parts == PAIRS && (*count < -INT64_MAX / 2 || *count > INT64_MAX / 2)) {
        reply_error(call->reply, "ERR value is out of range");
        return false;
    }
    return true;
}

static void draw_some(struct call *call)
{
    enum { FEW = 3 }; /* one of so many or fewer are drawn one by one */
    struct hash_at at;
    int64_t wanted;
    enum part parts;
    if (!draw_or_reply(call, &wanted, &parts) || !hash_open_or_reply(call, &at))
        return;
    if (at.e != NULL)
        hash_bury_all(&at);
    if (at.e == NULL || wanted == 0 || hash_count(at.e) == 0) {
        reply_array(call->reply, 0);
    } else if (wanted < 0) {
        reply_repeated(call, &at, (uint64_t)-wanted, parts);
    } else {
        uint64_t count = (uint64_t)wanted, all = hash_count(at.e);
        bool few = hash_dict(at.e) != NULL && !hash_has_dead(&at) && count < all / FEW;
        if (few)
            reply_different(call, &at, count, parts);
        else
            reply_shuffled(call, &at, count, parts);
    }
    hash_close(&at);
}

static void cmd_hrandfield(struct call *call)
{
    if (call->argc > 2) {
        draw_some(call);
        return;
    }
    struct hash_at at;
    struct hash_field f;
    if (!hash_open_or_reply(call, &at))
        return;
    if (at.e != NULL)
        hash_bury_all(&at);
    if (at.e == NULL || hash_count(at.e) == 0) {
        reply_null(call->reply);
    } else {
        int tries = 100; /* where dead fields may not be removed, there may be no other */
        do
            hash_random(at.e, &f);
        while (hash_is_dead(call->keys, &f) && --tries > 0);
        reply_bulk(call->reply, f.name);
    }
    hash_close(&at);
}

/* -- HSCAN ------------------------------------------------------------------------------------- */

/* The cursor stands before the fields in the reply but is known after them: so they are collected.
 */
struct found_fields {
    const struct call *call;
    const struct scan *scan;
    const void **entries; /* owned */
    size_t count, room;
};

static void visit_field(void *entry, void *context)
{
    struct found_fields *found = context;
    struct hash_field f;
    hash_field_of(entry, &f);
    if (hash_is_dead(found->call->keys, &f) || !scan_matches(found->scan, f.name))
        return;
    if (found->count == found->room) {
        found->room = found->room > 0 ? 2 * found->room : 16;
        found->entries = mem_resize(found->entries, found->room * sizeof *found->entries);
    }
    found->entries[found->count++] = entry;
}

static void scan_table(struct call *call, const struct entry *e, struct scan *s, enum part parts)
{
    struct found_fields found = {.call = call, .scan = s};
    scan_dict(s, hash_dict(e), visit_field, &found);
    char cursor[NUMBER_TEXT_MAX];
    reply_array(call->reply, 2);
    reply_bulk(call->reply, bytes_of(cursor, number_format_u64(cursor, s->cursor)));
    reply_array(call->reply, (int64_t)found.count * (parts == PAIRS ? 2 : 1));
    for (size_t i = 0; i < found.count; i++) {
        struct hash_field f;
        hash_field_of(found.entries[i], &f);
        reply_field(call, &f, parts);
    }
    mem_free(found.entries);
}

/* A packed hash is scanned in one call. */
static void scan_packed(struct call *call, const struct entry *e, const struct scan *s,
                        enum part parts)
{
    reply_array(call->reply, 2);
    reply_bulk_text(call->reply, "0");
    struct reply_mark mark = reply_mark(call->reply);
    int64_t count = 0;
    struct hash_iter it;
    struct hash_field f;
    hash_iter_begin(&it, e);
    while (hash_iter_next(&it, &f)) {
        if (hash_is_dead(call->keys, &f) || !scan_matches(s, f.name))
            continue;
        reply_field(call, &f, parts);
        count += parts == PAIRS ? 2 : 1;
    }
    hash_iter_end(&it);
    reply_array_at(call->reply, mark, count);
}

static void cmd_hscan(struct call *call)
{
    struct scan s;
    struct call head = *call;
    head.argc = 3; /* Redis looks at the cursor, then for the key, then at the options */
    if (!scan_parse_or_reply(&head, 2, 0, &s))
        return;
    struct hash_at at;
    if (!hash_open_or_reply(call, &at))
        return;
    if (at.e == NULL) {
        reply_array(call->reply, 2);
        reply_bulk_text(call->reply, "0");
        reply_array(call->reply, 0);
        return;
    }
    if (!scan_parse_or_reply(call, 2, SCAN_NOVALUES, &s))
        return;
    enum part parts = s.no_values ? NAMES : PAIRS;
    if (hash_dict(at.e) != NULL)
        scan_table(call, at.e, &s, parts);
    else
        scan_packed(call, at.e, &s, parts);
}

const struct command hash_all_commands[] = {
    {
        .name = "hgetall",
        .run = cmd_hgetall,
        .arity = 2,
        .flags = CMD_READONLY,
        .categories = CAT_HASH,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "hash",
        .since = "2.0.0",
        .summary = "Returns all fields of a hash with their values.",
        .complexity = "O(N) with N fields in the hash.",
        .args = "key:key#0",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "hkeys",
        .run = cmd_hkeys,
        .arity = 2,
        .flags = CMD_READONLY,
        .categories = CAT_HASH,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "hash",
        .since = "2.0.0",
        .summary = "Returns the names of all fields of a hash.",
        .complexity = "O(N) with N fields in the hash.",
        .args = "key:key#0",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "hvals",
        .run = cmd_hvals,
        .arity = 2,
        .flags = CMD_READONLY,
        .categories = CAT_HASH,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "hash",
        .since = "2.0.0",
        .summary = "Returns the values of all fields of a hash.",
        .complexity = "O(N) with N fields in the hash.",
        .args = "key:key#0",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "hrandfield",
        .run = cmd_hrandfield,
        .arity = -2,
        .flags = CMD_READONLY,
        .categories = CAT_HASH,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "hash",
        .since = "6.2.0",
        .summary = "Returns fields of a hash drawn at random.",
        .complexity = "O(N) with N fields drawn.",
        .args = "key:key#0 options{count:integer withvalues:token=WITHVALUES?}?",
        .tips = "nondeterministic_output",
    },
    {
        .name = "hscan",
        .run = cmd_hscan,
        .arity = -3,
        .flags = CMD_READONLY,
        .categories = CAT_HASH,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "hash",
        .since = "2.8.0",
        .summary = "Walks through the fields of a hash, some at each call.",
        .complexity = "O(1) a call, O(N) for a whole walk over N fields.",
        .args = "key:key#0 cursor:integer pattern:pattern=MATCH? count:integer=COUNT? "
                "novalues:token=NOVALUES?",
        .tips = "nondeterministic_output",
    },
    {0},
};
