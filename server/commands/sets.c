/*
 * sets.c - commands about members of one set. SPOP and SRANDMEMBER are in set_random.c, what
 * combines several sets in set_algebra.c.
 */
#include "server/commands/sets.h"

#include "base/memory.h"
#include "protocol/reply_short.h"
#include "server/command.h"
#include "server/commands/scan.h"

/* Members of one request whose memory is fetched together. */
enum { GROUP = 16 };

/* -- shared ------------------------------------------------------------------------------------ */

void set_reply_members(struct call *call, const struct entry *e)
{
    struct set_iter it;
    struct set_member m;
    set_iter_begin(&it, e);
    while (set_iter_next(&it, &m))
        reply_bulk_short(call->reply, m.text);
    set_iter_end(&it);
}

void set_settle(struct call *call, int i, const struct entry *e)
{
    if (set_count(e) > 0)
        return;
    keyspace_remove(call->keys, call->db, call_key(call, i), false);
    keyspace_event(call->keys, call->db, call->argv[i], EVENT_GENERIC, "del");
}

/* Before argument i is looked up: fetch the memory for it and those behind it, once for each group.
 */
static void prefetch_group(const struct call *call, const struct entry *e, int i)
{
    int left = call->argc - i;
    if ((i - 2) % GROUP == 0 && call->argc > 3)
        set_prefetch(e, call->argv + i, left < GROUP ? left : GROUP);
}

/* -- changing ---------------------------------------------------------------------------------- */

static int64_t add_arguments(const struct call *call, const struct set_at *at)
{
    int64_t added = 0;
    for (int i = 2; i < call->argc; i++) {
        prefetch_group(call, at->e, i);
        added += set_add(at, call->argv[i]);
    }
    return added;
}

static void cmd_sadd(struct call *call)
{
    struct keyspace *ks = call->keys;
    struct entry *e = call_find_for_write(call, 1);
    uint64_t members = (uint64_t)call->argc - 2;
    int64_t added;
    if (!call_type_or_reply(call, e, TYPE_SET))
        return;
    if (e != NULL) {
        struct set_at at = set_in(ks, e);
        set_expect(&at, members);
        added = add_arguments(call, &at);
    } else {
        struct key key = call_key(call, 1);
        struct set_at at = {set_create(&ks->limits, key.name, call->argv[2], members), &ks->limits,
                            NULL};
        added = add_arguments(call, &at);
        keyspace_add(ks, call->db, at.e, key.hash);
    }
    if (added > 0)
        keyspace_changed_by(ks, call->db, call->argv[1], EVENT_SET, "sadd", (uint64_t)added);
    reply_int(call->reply, added);
}

static void cmd_srem(struct call *call)
{
    struct entry *e = call_find_for_write(call, 1);
    int64_t removed = 0;
    if (!call_type_or_reply(call, e, TYPE_SET))
        return;
    struct set_at at = set_in(call->keys, e);
    for (int i = 2; e != NULL && i < call->argc && set_count(e) > 0; i++) {
        prefetch_group(call, e, i);
        removed += set_remove(&at, call->argv[i]);
    }
    if (removed > 0) {
        keyspace_changed_by(call->keys, call->db, call->argv[1], EVENT_SET, "srem",
                            (uint64_t)removed);
        set_settle(call, 1, e);
    }
    reply_int(call->reply, removed);
}

static void move_member(struct call *call, struct entry *from, struct entry *to)
{
    struct keyspace *ks = call->keys;
    struct bytes member = call->argv[3];
    struct set_at source = set_in(ks, from);
    if (!set_remove(&source, member)) {
        reply_int(call->reply, 0);
        return;
    }
    keyspace_changed(ks, call->db, call->argv[1], EVENT_SET, "srem");
    set_settle(call, 1, from);
    if (to == NULL) {
        struct key key = call_key(call, 2);
        to = set_create(&ks->limits, key.name, member, 1);
        keyspace_add(ks, call->db, to, key.hash);
    }
    struct set_at destination = set_in(ks, to);
    if (set_add(&destination, member))
        keyspace_changed(ks, call->db, call->argv[2], EVENT_SET, "sadd");
    reply_int(call->reply, 1);
}

static void cmd_smove(struct call *call)
{
    struct entry *from = call_find_for_write(call, 1), *to = call_find_for_write(call, 2);
    if (from == NULL) {
        reply_int(call->reply, 0);
        return;
    }
    if (!call_type_or_reply(call, from, TYPE_SET) || !call_type_or_reply(call, to, TYPE_SET))
        return;
    if (from == to)
        reply_int(call->reply, set_contains(from, call->argv[3]));
    else
        move_member(call, from, to);
}

/* -- asking ------------------------------------------------------------------------------------ */

static void cmd_sismember(struct call *call)
{
    const struct entry *e = call_find(call, 1);
    if (call_type_or_reply(call, e, TYPE_SET))
        reply_int(call->reply, e != NULL && set_contains(e, call->argv[2]));
}

static void cmd_smismember(struct call *call)
{
    const struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_SET))
        return;
    reply_array(call->reply, call->argc - 2);
    for (int i = 2; i < call->argc; i++) {
        if (e != NULL)
            prefetch_group(call, e, i);
        reply_int(call->reply, e != NULL && set_contains(e, call->argv[i]));
    }
}

static void cmd_scard(struct call *call)
{
    const struct entry *e = call_find(call, 1);
    if (call_type_or_reply(call, e, TYPE_SET))
        reply_int(call->reply, e != NULL ? (int64_t)set_count(e) : 0);
}

static void cmd_smembers(struct call *call)
{
    const struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_SET))
        return;
    reply_set(call->reply, e != NULL ? (int64_t)set_count(e) : 0);
    if (e != NULL)
        set_reply_members(call, e);
}

/* -- SSCAN ------------------------------------------------------------------------------------- */

/* The cursor stands before the members in the reply but is known after them: so they are collected.
 */
struct found_members {
    const struct entry *set;
    const struct scan *scan;
    const void **places; /* owned */
    size_t count, room;
};

static void visit_member(void *place, void *context)
{
    struct found_members *found = context;
    struct set_member m;
    set_read(found->set, place, &m);
    if (!scan_matches(found->scan, m.text))
        return;
    if (found->count == found->room) {
        found->room = found->room > 0 ? 2 * found->room : 16;
        found->places = mem_resize(found->places, found->room * sizeof *found->places);
    }
    found->places[found->count++] = place;
}

static void scan_table(struct call *call, const struct entry *e, struct scan *s)
{
    struct found_members found = {.set = e, .scan = s};
    scan_dict(s, set_dict(e), visit_member, &found);
    char cursor[NUMBER_TEXT_MAX];
    reply_array(call->reply, 2);
    reply_bulk(call->reply, bytes_of(cursor, number_format_u64(cursor, s->cursor)));
    reply_array(call->reply, (int64_t)found.count);
    for (size_t i = 0; i < found.count; i++) {
        struct set_member m;
        set_read(e, found.places[i], &m);
        reply_bulk(call->reply, m.text);
    }
    mem_free(found.places);
}

/* A set that is no table is scanned in one call. */
static void scan_packed(struct call *call, const struct entry *e, const struct scan *s)
{
    reply_array(call->reply, 2);
    reply_bulk_text(call->reply, "0");
    struct reply_mark mark = reply_mark(call->reply);
    int64_t count = 0;
    struct set_iter it;
    struct set_member m;
    set_iter_begin(&it, e);
    while (set_iter_next(&it, &m)) {
        if (!scan_matches(s, m.text))
            continue;
        reply_bulk(call->reply, m.text);
        count++;
    }
    set_iter_end(&it);
    reply_array_at(call->reply, mark, count);
}

static void cmd_sscan(struct call *call)
{
    struct scan s;
    struct call head = *call;
    head.argc = 3; /* Redis looks at the cursor, then for the key, then at the options */
    if (!scan_parse_or_reply(&head, 2, 0, &s))
        return;
    const struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_SET))
        return;
    if (e == NULL) {
        reply_array(call->reply, 2);
        reply_bulk_text(call->reply, "0");
        reply_array(call->reply, 0);
        return;
    }
    if (!scan_parse_or_reply(call, 2, 0, &s))
        return;
    if (set_dict(e) != NULL)
        scan_table(call, e, &s);
    else
        scan_packed(call, e, &s);
}

const struct command set_commands[] = {
    {
        .name = "sadd",
        .run = cmd_sadd,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_SET,
        KEYS({KEY_RW | KEY_INSERT, .first = 1}),
        .member = 2,
        .group = "set",
        .since = "1.0.0",
        .summary = "Adds members to a set; makes the set if there is none.",
        .complexity = "O(1) for each member added.",
        .args = "key:key#0 member*",
    },
    {
        .name = "srem",
        .run = cmd_srem,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_SET,
        KEYS({KEY_RW | KEY_DELETE, .first = 1}),
        .member = 2,
        .group = "set",
        .since = "1.0.0",
        .summary = "Removes members from a set, and the set with its last member.",
        .complexity = "O(N) with N members to remove.",
        .args = "key:key#0 member*",
    },
    {
        .name = "smove",
        .run = cmd_smove,
        .arity = 4,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_SET,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1}, {KEY_RW | KEY_INSERT, .first = 2}),
        .member = 3,
        .group = "set",
        .since = "1.0.0",
        .summary = "Takes a member out of one set and puts it into another.",
        .complexity = "O(1)",
        .args = "source:key#0 destination:key#1 member",
    },
    {
        .name = "sismember",
        .run = cmd_sismember,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_SET,
        KEYS({KEY_RO, .first = 1}),
        .member = 2,
        .group = "set",
        .since = "1.0.0",
        .summary = "Tells whether a set has a member.",
        .complexity = "O(1)",
        .args = "key:key#0 member",
    },
    {
        .name = "smismember",
        .run = cmd_smismember,
        .arity = -3,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_SET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .member = 2,
        .group = "set",
        .since = "6.2.0",
        .summary = "Tells for each of several members whether a set has it.",
        .complexity = "O(N) with N members asked for.",
        .args = "key:key#0 member*",
    },
    {
        .name = "scard",
        .run = cmd_scard,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_SET,
        KEYS({KEY_RO, .first = 1}),
        .group = "set",
        .since = "1.0.0",
        .summary = "Counts the members of a set.",
        .complexity = "O(1)",
        .args = "key:key#0",
    },
    {
        .name = "smembers",
        .run = cmd_smembers,
        .arity = 2,
        .flags = CMD_READONLY,
        .categories = CAT_SET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "set",
        .since = "1.0.0",
        .summary = "Returns all members of a set.",
        .complexity = "O(N) with N members in the set.",
        .args = "key:key#0",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "sscan",
        .run = cmd_sscan,
        .arity = -3,
        .flags = CMD_READONLY,
        .categories = CAT_SET,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "set",
        .since = "2.8.0",
        .summary = "Walks through the members of a set, some at each call.",
        .complexity = "O(1) a call, O(N) for a whole walk over N members.",
        .args = "key:key#0 cursor:integer pattern:pattern=MATCH? count:integer=COUNT?",
        .tips = "nondeterministic_output",
    },
    {0},
};
