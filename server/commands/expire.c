/*
 * expire.c - the lifetime of keys.
 */
#include "server/command.h"
#include "server/commands/expiration.h"
#include "server/commands/keys.h"

/* -- setting ----------------------------------------------------------------------------------- */

enum expire_condition {
    ONLY_NEW = 1 << 0,      /* NX: the key has no deadline */
    ONLY_EXISTING = 1 << 1, /* XX: it has one */
    ONLY_LATER = 1 << 2,    /* GT: the new one is later; none is later than any */
    ONLY_EARLIER = 1 << 3,  /* LT */
};

static bool conditions_or_reply(struct call *call, unsigned *conditions)
{
    *conditions = 0;
    for (int i = 3; i < call->argc; i++) {
        struct bytes word = call->argv[i];
        if (bytes_is_word(word, "NX")) {
            *conditions |= ONLY_NEW;
        } else if (bytes_is_word(word, "XX")) {
            *conditions |= ONLY_EXISTING;
        } else if (bytes_is_word(word, "GT")) {
            *conditions |= ONLY_LATER;
        } else if (bytes_is_word(word, "LT")) {
            *conditions |= ONLY_EARLIER;
        } else {
            reply_errorf(call->reply, "ERR Unsupported option %.*s", (int)word.len, word.ptr);
            return false;
        }
    }
    const char *error = NULL;
    if ((*conditions & ONLY_NEW) && *conditions != ONLY_NEW)
        error = "ERR NX and XX, GT or LT options at the same time are not compatible";
    else if ((*conditions & ONLY_LATER) && (*conditions & ONLY_EARLIER))
        error = "ERR GT and LT options at the same time are not compatible";
    if (error != NULL)
        reply_error(call->reply, error);
    return error == NULL;
}

static bool are_met(unsigned conditions, int64_t present, int64_t deadline)
{
    bool none = present == DEADLINE_NONE;
    return !(((conditions & ONLY_NEW) && !none) || ((conditions & ONLY_EXISTING) && none) ||
             ((conditions & ONLY_LATER) && (none || deadline <= present)) ||
             ((conditions & ONLY_EARLIER) && !none && deadline >= present));
}

static void expire(struct call *call, struct time_unit unit)
{
    struct keyspace *ks = call->keys;
    unsigned conditions;
    int64_t amount, deadline;
    if (!conditions_or_reply(call, &conditions) || !call_i64_or_reply(call, 2, &amount, NULL))
        return;
    if (!expiration_deadline(amount, unit, ks->now_ms, &deadline)) {
        reply_invalid_expire(call);
        return;
    }
    struct key key = call_key(call, 1);
    struct entry *e = call_find_for_write(call, 1);
    if (e == NULL || !are_met(conditions, entry_deadline(e), deadline)) {
        reply_int(call->reply, 0);
        return;
    }
    if (deadline <= ks->now_ms) {
        key_delete(call, key, ks->lazy_expire);
    } else {
        keyspace_set_deadline(ks, call->db, e, key.hash, deadline);
        keyspace_changed(ks, call->db, key.name, EVENT_GENERIC, "expire");
    }
    reply_int(call->reply, 1);
}

static void cmd_expire(struct call *call)
{
    expire(call, (struct time_unit){.seconds = true, .from_now = true});
}

static void cmd_pexpire(struct call *call)
{
    expire(call, (struct time_unit){.seconds = false, .from_now = true});
}

static void cmd_expireat(struct call *call)
{
    expire(call, (struct time_unit){.seconds = true, .from_now = false});
}

static void cmd_pexpireat(struct call *call)
{
    expire(call, (struct time_unit){.seconds = false, .from_now = false});
}

static void cmd_persist(struct call *call)
{
    struct keyspace *ks = call->keys;
    struct entry *e = call_find_for_write(call, 1);
    bool had = e != NULL && entry_expires(e);
    if (had) {
        struct key key = call_key(call, 1);
        keyspace_set_deadline(ks, call->db, e, key.hash, DEADLINE_NONE);
        keyspace_changed(ks, call->db, key.name, EVENT_GENERIC, "persist");
    }
    reply_int(call->reply, had);
}

/* -- asking ------------------------------------------------------------------------------------ */

/* -2 without the key, -1 without a deadline. Seconds are rounded to the nearest. */
static void reply_deadline(struct call *call, struct time_unit unit)
{
    const struct entry *e = call_find_quietly(call, 1);
    if (e == NULL || !entry_expires(e)) {
        reply_int(call->reply, e == NULL ? -2 : -1);
        return;
    }
    int64_t ms = entry_deadline(e) - (unit.from_now ? call->keys->now_ms : 0);
    if (ms < 0)
        ms = 0;
    reply_int(call->reply, unit.seconds ? (int64_t)(((uint64_t)ms + 500) / 1000) : ms);
}

static void cmd_ttl(struct call *call)
{
    reply_deadline(call, (struct time_unit){.seconds = true, .from_now = true});
}

static void cmd_pttl(struct call *call)
{
    reply_deadline(call, (struct time_unit){.seconds = false, .from_now = true});
}

static void cmd_expiretime(struct call *call)
{
    reply_deadline(call, (struct time_unit){.seconds = true, .from_now = false});
}

static void cmd_pexpiretime(struct call *call)
{
    reply_deadline(call, (struct time_unit){.seconds = false, .from_now = false});
}

const struct command expire_commands[] = {
    {
        .name = "expire",
        .run = cmd_expire,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "generic",
        .since = "1.0.0",
        .summary = "Gives a key a lifetime in seconds.",
        .complexity = "O(1)",
        .args = "key:key#0 seconds:integer condition(nx:token=NX|xx:token=XX|gt:token=GT|"
                "lt:token=LT)?@7.0.0",
    },
    {
        .name = "pexpire",
        .run = cmd_pexpire,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "generic",
        .since = "2.6.0",
        .summary = "Gives a key a lifetime in milliseconds.",
        .complexity = "O(1)",
        .args = "key:key#0 milliseconds:integer condition(nx:token=NX|xx:token=XX|"
                "gt:token=GT|lt:token=LT)?@7.0.0",
    },
    {
        .name = "expireat",
        .run = cmd_expireat,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "generic",
        .since = "1.2.0",
        .summary = "Lets a key expire at a Unix time in seconds.",
        .complexity = "O(1)",
        .args = "key:key#0 unix-time-seconds:unix-time condition(nx:token=NX|xx:token=XX|"
                "gt:token=GT|lt:token=LT)?@7.0.0",
    },
    {
        .name = "pexpireat",
        .run = cmd_pexpireat,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "generic",
        .since = "2.6.0",
        .summary = "Lets a key expire at a Unix time in milliseconds.",
        .complexity = "O(1)",
        .args = "key:key#0 unix-time-milliseconds:unix-time condition(nx:token=NX|"
                "xx:token=XX|gt:token=GT|lt:token=LT)?@7.0.0",
    },
    {
        .name = "ttl",
        .run = cmd_ttl,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "generic",
        .since = "1.0.0",
        .summary = "Returns the remaining lifetime of a key in seconds.",
        .complexity = "O(1)",
        .args = "key:key#0",
        .tips = "nondeterministic_output",
    },
    {
        .name = "pttl",
        .run = cmd_pttl,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "generic",
        .since = "2.6.0",
        .summary = "Returns the remaining lifetime of a key in milliseconds.",
        .complexity = "O(1)",
        .args = "key:key#0",
        .tips = "nondeterministic_output",
    },
    {
        .name = "expiretime",
        .run = cmd_expiretime,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "generic",
        .since = "7.0.0",
        .summary = "Returns the Unix time in seconds at which a key expires.",
        .complexity = "O(1)",
        .args = "key:key#0",
    },
    {
        .name = "pexpiretime",
        .run = cmd_pexpiretime,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "generic",
        .since = "7.0.0",
        .summary = "Returns the Unix time in milliseconds at which a key expires.",
        .complexity = "O(1)",
        .args = "key:key#0",
    },
    {
        .name = "persist",
        .run = cmd_persist,
        .arity = 2,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "generic",
        .since = "2.2.0",
        .summary = "Takes a key's expiration away.",
        .complexity = "O(1)",
        .args = "key:key#0",
    },
    {0},
};
