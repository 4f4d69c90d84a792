/*
 * hash_expire.c - the lifetime of hash fields.
 *
 * Each command answers with one number a field, in the order of the request.
 */
#include "server/command.h"
#include "server/commands/hash_fields.h"
#include "server/commands/hashes.h"

enum {
    NO_FIELD = -2,
    NO_DEADLINE = -1,
    NOT_MET = 0, /* the condition */
    DONE = 1,
    DELETED = 2, /* the new deadline is past */
};

/* -- arguments --------------------------------------------------------------------------------- */

bool hash_names_or_reply(struct call *call, int i, const char *count_error, struct hash_names *out)
{
    int64_t count;
    if (i + 1 >= call->argc || !bytes_is_word(call->argv[i], "FIELDS")) {
        reply_error(call->reply,
                    "ERR Mandatory argument FIELDS is missing or not at the right position");
        return false;
    }
    if (!call_range_or_reply(call, i + 1, 1, INT32_MAX, &count, count_error))
        return false;
    *out = (struct hash_names){i + 2, (int)count};
    if (count != call->argc - out->first) {
        reply_error(call->reply,
                    "ERR The `numfields` parameter must match the number of arguments");
        return false;
    }
    return true;
}

bool hash_deadline_or_reply(struct call *call, int i, struct time_unit unit, int64_t *deadline)
{
    int64_t amount;
    if (!call_i64_or_reply(call, i, &amount, NULL))
        return false;
    if (amount < 0) {
        reply_error(call->reply, "ERR invalid expire time, must be >= 0");
        return false;
    }
    if (!expiration_deadline(amount, unit, call->keys->now_ms, deadline) ||
        *deadline >= HASH_DEADLINE_LIMIT) {
        reply_invalid_expire(call);
        return false;
    }
    return true;
}

static const char count_error[] = "ERR Number of fields must be a positive integer";

/* The same answer for each field. */
static void reply_same(struct call *call, struct hash_names names, int64_t answer)
{
    reply_array(call->reply, names.count);
    for (int i = 0; i < names.count; i++)
        reply_int(call->reply, answer);
}

/* -- HEXPIRE and its relatives ----------------------------------------------------------------- */

enum condition { ALWAYS, ONLY_NEW, ONLY_EXISTING, ONLY_LATER, ONLY_EARLIER };

/* The condition at argument i, which moves on behind it. */
static enum condition take_condition(const struct call *call, int *i)
{
    static const char *const words[] = {
        [ONLY_NEW] = "NX", [ONLY_EXISTING] = "XX", [ONLY_LATER] = "GT", [ONLY_EARLIER] = "LT"};
    for (enum condition c = ONLY_NEW; c <= ONLY_EARLIER; c++) {
        if (bytes_is_word(call->argv[*i], words[c])) {
            ++*i;
            return c;
        }
    }
    return ALWAYS;
}

/* No deadline is later than any. */
static bool is_met(enum condition c, int64_t present, int64_t deadline)
{
    bool none = present == DEADLINE_NONE;
    switch (c) {
    case ONLY_NEW:
        return none;
    case ONLY_EXISTING:
        return !none;
    case ONLY_LATER:
        return !none && deadline > present;
    case ONLY_EARLIER:
        return none || deadline < present;
    default:
        return true;
    }
}

static int expire_field(struct hash_at *at, struct bytes name, enum condition c, int64_t deadline)
{
    struct hash_field f;
    if (!hash_find_live(at, name, &f))
        return NO_FIELD;
    if (!is_met(c, f.deadline, deadline))
        return NOT_MET;
    if (deadline <= at->ks->now_ms) {
        hash_delete(at, name);
        return DELETED;
    }
    hash_set_deadline(at, name, deadline);
    return DONE;
}

static void expire(struct call *call, struct time_unit unit)
{
    struct hash_at at;
    struct hash_names names;
    int64_t deadline;
    int next = 3, done = 0, deleted = 0;
    if (!hash_deadline_or_reply(call, 2, unit, &deadline))
        return;
    enum condition condition = take_condition(call, &next);
    if (!hash_names_or_reply(call, next, "ERR Parameter `numFields` should be greater than 0",
                             &names) ||
        !hash_open_for_write_or_reply(call, &at))
        return;
    if (at.e == NULL) {
        reply_same(call, names, NO_FIELD);
        return;
    }
    reply_array(call->reply, names.count);
    for (int i = 0; i < names.count; i++) {
        int answer = expire_field(&at, call->argv[names.first + i], condition, deadline);
        done += answer == DONE;
        deleted += answer == DELETED;
        reply_int(call->reply, answer);
    }
    hash_announce(&at);
    if (deleted > 0)
        keyspace_changed_by(call->keys, call->db, at.key.name, EVENT_HASH, "hdel",
                            (uint64_t)deleted);
    if (done > 0)
        keyspace_changed_by(call->keys, call->db, at.key.name, EVENT_HASH, "hexpire",
                            (uint64_t)done);
    hash_settle(&at);
}

static void cmd_hexpire(struct call *call)
{
    expire(call, (struct time_unit){.seconds = true, .from_now = true});
}

static void cmd_hpexpire(struct call *call)
{
    expire(call, (struct time_unit){.seconds = false, .from_now = true});
}

static void cmd_hexpireat(struct call *call)
{
    expire(call, (struct time_unit){.seconds = true, .from_now = false});
}

static void cmd_hpexpireat(struct call *call)
{
    expire(call, (struct time_unit){.seconds = false, .from_now = false});
}

/* -- HPERSIST ---------------------------------------------------------------------------------- */

static void cmd_hpersist(struct call *call)
{
    struct hash_at at;
    struct hash_names names;
    struct hash_field f;
    int done = 0;
    if (!hash_names_or_reply(call, 2, count_error, &names) ||
        !hash_open_for_write_or_reply(call, &at))
        return;
    if (at.e == NULL) {
        reply_same(call, names, NO_FIELD);
        return;
    }
    reply_array(call->reply, names.count);
    for (int i = 0; i < names.count; i++) {
        struct bytes name = call->argv[names.first + i];
        bool there = hash_find_live(&at, name, &f);
        if (!there || f.deadline == DEADLINE_NONE) {
            reply_int(call->reply, there ? NO_DEADLINE : NO_FIELD);
            continue;
        }
        hash_set_deadline(&at, name, DEADLINE_NONE);
        reply_int(call->reply, DONE);
        done++;
    }
    hash_announce(&at);
    if (done > 0)
        keyspace_changed_by(call->keys, call->db, at.key.name, EVENT_HASH, "hpersist",
                            (uint64_t)done);
    hash_settle(&at);
}

/* -- HTTL and its relatives -------------------------------------------------------------------- */

/* Seconds are rounded up. */
static int64_t time_of(const struct call *call, const struct hash_field *f, struct time_unit unit)
{
    if (f->deadline == DEADLINE_NONE)
        return NO_DEADLINE;
    int64_t ms = f->deadline - (unit.from_now ? call->keys->now_ms : 0);
    return unit.seconds ? (ms + 999) / 1000 : ms;
}

static void reply_times(struct call *call, struct time_unit unit)
{
    struct hash_at at;
    struct hash_names names;
    struct hash_field f;
    if (!hash_names_or_reply(call, 2, count_error, &names) || !hash_open_or_reply(call, &at))
        return;
    reply_array(call->reply, names.count);
    for (int i = 0; i < names.count; i++) {
        bool there = at.e != NULL && hash_find(at.e, call->argv[names.first + i], &f) &&
                     !hash_is_dead(call->keys, &f);
        reply_int(call->reply, there ? time_of(call, &f, unit) : NO_FIELD);
    }
}

static void cmd_httl(struct call *call)
{
    reply_times(call, (struct time_unit){.seconds = true, .from_now = true});
}

static void cmd_hpttl(struct call *call)
{
    reply_times(call, (struct time_unit){.seconds = false, .from_now = true});
}

static void cmd_hexpiretime(struct call *call)
{
    reply_times(call, (struct time_unit){.seconds = true, .from_now = false});
}

static void cmd_hpexpiretime(struct call *call)
{
    reply_times(call, (struct time_unit){.seconds = false, .from_now = false});
}

const struct command hash_expire_commands[] = {
    {
        .name = "hexpire",
        .run = cmd_hexpire,
        .arity = -6,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "hash",
        .since = "7.4.0",
        .summary = "Gives fields of a hash a lifetime in seconds.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 seconds:integer condition(nx:token=NX|xx:token=XX|gt:token=GT|"
                "lt:token=LT)? fields=FIELDS{numfields:integer field*}",
    },
    {
        .name = "hpexpire",
        .run = cmd_hpexpire,
        .arity = -6,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "hash",
        .since = "7.4.0",
        .summary = "Gives fields of a hash a lifetime in milliseconds.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 milliseconds:integer condition(nx:token=NX|xx:token=XX|"
                "gt:token=GT|lt:token=LT)? fields=FIELDS{numfields:integer field*}",
    },
    {
        .name = "hexpireat",
        .run = cmd_hexpireat,
        .arity = -6,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "hash",
        .since = "7.4.0",
        .summary = "Lets fields of a hash die at a Unix time in seconds.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 unix-time-seconds:unix-time condition(nx:token=NX|xx:token=XX|"
                "gt:token=GT|lt:token=LT)? fields=FIELDS{numfields:integer field*}",
    },
    {
        .name = "hpexpireat",
        .run = cmd_hpexpireat,
        .arity = -6,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "hash",
        .since = "7.4.0",
        .summary = "Lets fields of a hash die at a Unix time in milliseconds.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 unix-time-milliseconds:unix-time condition(nx:token=NX|"
                "xx:token=XX|gt:token=GT|lt:token=LT)? fields=FIELDS{numfields:integer "
                "field*}",
    },
    {
        .name = "httl",
        .run = cmd_httl,
        .arity = -5,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "hash",
        .since = "7.4.0",
        .summary = "Returns how many seconds fields of a hash have left.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 fields=FIELDS{numfields:integer field*}",
        .tips = "nondeterministic_output",
    },
    {
        .name = "hpttl",
        .run = cmd_hpttl,
        .arity = -5,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "hash",
        .since = "7.4.0",
        .summary = "Returns how many milliseconds fields of a hash have left.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 fields=FIELDS{numfields:integer field*}",
        .tips = "nondeterministic_output",
    },
    {
        .name = "hexpiretime",
        .run = cmd_hexpiretime,
        .arity = -5,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "hash",
        .since = "7.4.0",
        .summary = "Returns the Unix times in seconds at which fields of a hash die.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 fields=FIELDS{numfields:integer field*}",
    },
    {
        .name = "hpexpiretime",
        .run = cmd_hpexpiretime,
        .arity = -5,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "hash",
        .since = "7.4.0",
        .summary = "Returns the Unix times in milliseconds at which fields of a hash die.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 fields=FIELDS{numfields:integer field*}",
    },
    {
        .name = "hpersist",
        .run = cmd_hpersist,
        .arity = -5,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "hash",
        .since = "7.4.0",
        .summary = "Takes the deadlines of fields away.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 fields=FIELDS{numfields:integer field*}",
    },
    {0},
};
