/*
 * set_random.c - SPOP and SRANDMEMBER: members drawn by chance, each as likely as any other.
 */
#include "base/memory.h"
#include "base/random.h"
#include "server/command.h"
#include "server/commands/draw.h"
#include "server/commands/sets.h"

/* One of so many or fewer are drawn one by one; else it is cheaper to look at all. */
enum { FEW = 3, FEW_LEFT = 5 };

/* The places of all members; owned by the caller. */
static const void **collect(const struct entry *e)
{
    const void **places = mem_alloc(set_count(e) * sizeof *places);
    uint64_t count = 0;
    struct set_iter it;
    struct set_member m;
    set_iter_begin(&it, e);
    while (set_iter_next(&it, &m))
        places[count++] = m.place;
    set_iter_end(&it);
    return places;
}

static void reply_place(struct call *call, const struct entry *e, const void *place)
{
    struct set_member m;
    set_read(e, place, &m);
    reply_bulk(call->reply, m.text);
}

/* Only in a listpack does it take a walk to find a member by its number. */
static bool is_walked(const struct entry *e)
{
    return entry_encoding(e) == ENC_LISTPACK;
}

/* -- SRANDMEMBER ------------------------------------------------------------------------------- */

/* Draw with repetition. */
static void reply_repeated(struct call *call, const struct entry *e, uint64_t count)
{
    const void **places = is_walked(e) ? collect(e) : NULL;
    uint64_t all = set_count(e);
    struct set_member m;
    reply_array(call->reply, (int64_t)count);
    for (uint64_t i = 0; i < count && !reply_is_full(call->reply); i++) {
        if (places != NULL)
            set_read(e, places[random_below(all)], &m);
        else
            set_random(e, &m);
        reply_bulk(call->reply, m.text);
    }
    mem_free(places);
}

static void reply_shuffled(struct call *call, const struct entry *e, uint64_t count)
{
    const void **places = collect(e);
    draw_shuffle(places, set_count(e), count);
    for (uint64_t i = 0; i < count; i++)
        reply_place(call, e, places[i]);
    mem_free(places);
}

/* Few of many: draw until there are enough different ones. */
static void reply_different(struct call *call, const struct entry *e, uint64_t count)
{
    struct drawn drawn;
    struct set_member m;
    drawn_init(&drawn, count);
    while (count > 0) {
        set_random(e, &m);
        if (!drawn_add(&drawn, m.place))
            continue;
        reply_bulk(call->reply, m.text);
        count--;
    }
    drawn_fini(&drawn);
}

static void reply_distinct(struct call *call, const struct entry *e, uint64_t count)
{
    uint64_t all = set_count(e);
    reply_array(call->reply, (int64_t)(count < all ? count : all));
    if (count >= all)
        set_reply_members(call, e);
    else if (is_walked(e) || count >= all / FEW)
        reply_shuffled(call, e, count);
    else
        reply_different(call, e, count);
}

static void draw_some(struct call *call)
{
    int64_t count;
    if (!call_range_or_reply(call, 2, -INT64_MAX, INT64_MAX, &count, NULL))
        return;
    const struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_SET))
        return;
    if (e == NULL || count == 0)
        reply_array(call->reply, 0);
    else if (count < 0)
        reply_repeated(call, e, (uint64_t)-count);
    else
        reply_distinct(call, e, (uint64_t)count);
}

static void draw_one(struct call *call)
{
    struct set_member m;
    const struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_SET))
        return;
    if (e == NULL) {
        reply_null(call->reply);
        return;
    }
    set_random(e, &m);
    reply_bulk(call->reply, m.text);
}

static void cmd_srandmember(struct call *call)
{
    if (call->argc > 3)
        reply_syntax_error(call);
    else if (call->argc == 3)
        draw_some(call);
    else
        draw_one(call);
}

/* -- SPOP -------------------------------------------------------------------------------------- */

static void pop_one_by_one(struct call *call, struct entry *e, uint64_t count)
{
    struct set_at at = set_in(call->keys, e);
    struct set_member m;
    while (count-- > 0) {
        set_random(e, &m);
        reply_bulk(call->reply, m.text);
        set_remove(&at, m.text);
    }
}

/* Almost all go: draw those that stay, and build a new set of them. */
static void pop_most(struct call *call, struct entry *e, uint64_t left)
{
    struct keyspace *ks = call->keys;
    struct key key = call_key(call, 1);
    struct set_member m;
    struct set_iter it;
    set_random(e, &m);
    struct set_at rest = {set_create(&ks->limits, key.name, m.text, 1), &ks->limits, NULL};
    for (; left > 0; set_random(e, &m))
        left -= set_add(&rest, m.text);
    set_iter_begin(&it, e);
    while (set_iter_next(&it, &m))
        if (!set_contains(rest.e, m.text))
            reply_bulk(call->reply, m.text);
    set_iter_end(&it);
    struct entry *shell = entry_rebuild(rest.e, key.name, entry_deadline(e));
    entry_free_shell(rest.e);
    keyspace_replace(ks, call->db, e, shell, key.hash);
}

static void pop_all(struct call *call, const struct entry *e)
{
    set_reply_members(call, e);
    keyspace_remove(call->keys, call->db, call_key(call, 1), call->keys->lazy_server_del);
}

static void pop_some(struct call *call)
{
    int64_t wanted;
    if (!call_range_or_reply(call, 2, 0, INT64_MAX, &wanted,
                             "ERR value is out of range, must be positive"))
        return;
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_SET))
        return;
    if (e == NULL || wanted == 0) {
        reply_set(call->reply, 0);
        return;
    }
    uint64_t all = set_count(e), count = (uint64_t)wanted < all ? (uint64_t)wanted : all;
    reply_set(call->reply, (int64_t)count);
    if (count == all)
        pop_all(call, e);
    else if ((all - count) * FEW_LEFT > count)
        pop_one_by_one(call, e, count);
    else
        pop_most(call, e, all - count);
    keyspace_changed_by(call->keys, call->db, call->argv[1], EVENT_SET, "spop", count);
    if (count == all)
        keyspace_event(call->keys, call->db, call->argv[1], EVENT_GENERIC, "del");
}

static void pop_one(struct call *call)
{
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_SET))
        return;
    if (e == NULL) {
        reply_null(call->reply);
        return;
    }
    pop_one_by_one(call, e, 1);
    keyspace_changed(call->keys, call->db, call->argv[1], EVENT_SET, "spop");
    set_settle(call, 1, e);
}

static void cmd_spop(struct call *call)
{
    if (call->argc > 3)
        reply_syntax_error(call);
    else if (call->argc == 3)
        pop_some(call);
    else
        pop_one(call);
}

const struct command set_random_commands[] = {
    {
        .name = "spop",
        .run = cmd_spop,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_SET,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1}),
        .group = "set",
        .since = "1.0.0",
        .summary = "Takes random members out of a set and returns them.",
        .complexity = "O(1) without a count, O(N) with N members to pop.",
        .args = "key:key#0 count:integer?@3.2.0",
        .tips = "nondeterministic_output",
    },
    {
        .name = "srandmember",
        .run = cmd_srandmember,
        .arity = -2,
        .flags = CMD_READONLY,
        .categories = CAT_SET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "set",
        .since = "1.0.0",
        .summary = "Returns random members of a set and leaves them there.",
        .complexity = "O(1) without a count, O(N) with N members drawn.",
        .args = "key:key#0 count:integer?@2.6.0",
        .tips = "nondeterministic_output",
    },
    {0},
};
