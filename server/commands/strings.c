/*
 * strings.c - commands that read and write whole strings and parts of them.
 *
 * SET and GET in their plain forms are the hottest commands there are: one look-up, nothing in
 * between.
 */
#include "server/commands/strings.h"

#include "server/command.h"
#include "server/commands/compare.h"
#include "server/commands/expiration.h"
#include "server/commands/keys.h"
#include "server/commands/string_options.h"
#include "server/server.h"
#include "storage/string.h"

/* From here on a reply references the value. */
enum { REFERENCE_MIN = 16 * 1024 };

/* -- reading ----------------------------------------------------------------------------------- */

/* A part of the entry's value; part lies inside of it. */
static void reply_part(struct call *call, const struct entry *e, struct bytes part)
{
    struct blob *blob = part.len >= REFERENCE_MIN ? string_blob(e) : NULL;
    if (blob != NULL) {
        blob_retain(blob);
        reply_bulk_owned(call->reply, part, blob, blob_release);
    } else {
        reply_bulk(call->reply, part);
    }
}

void reply_string(struct call *call, const struct entry *e)
{
    char scratch[NUMBER_TEXT_MAX];
    reply_part(call, e, string_view(e, scratch));
}

static void reply_string_or_null(struct call *call, const struct entry *e)
{
    if (e != NULL)
        reply_string(call, e);
    else
        reply_null(call->reply);
}

static void cmd_get(struct call *call)
{
    struct entry *e = call_find(call, 1);
    if (call_type_or_reply(call, e, TYPE_STRING))
        reply_string_or_null(call, e);
}

static void cmd_mget(struct call *call)
{
    reply_array(call->reply, call->argc - 1);
    for (int i = 1; i < call->argc; i++) {
        struct entry *e = call_find(call, i);
        reply_string_or_null(call, e != NULL && entry_type(e) == TYPE_STRING ? e : NULL);
    }
}

static void cmd_strlen(struct call *call)
{
    struct entry *e = call_find(call, 1);
    if (call_type_or_reply(call, e, TYPE_STRING))
        reply_int(call->reply, e != NULL ? (int64_t)string_length(e) : 0);
}

/* The part of text between two offsets, both included; negative ones count from the end. */
static struct bytes slice(struct bytes text, int64_t start, int64_t end)
{
    int64_t len = (int64_t)text.len;
    if (start < 0 && end < 0 && start > end)
        return bytes_of(text.ptr, 0);
    if (start < 0)
        start = start + len < 0 ? 0 : start + len;
    if (end < 0)
        end = end + len < 0 ? 0 : end + len;
    if (end >= len)
        end = len - 1;
    if (start > end)
        return bytes_of(text.ptr, 0);
    return bytes_of(text.ptr + start, (size_t)(end - start + 1));
}

static void cmd_getrange(struct call *call)
{
    int64_t start, end;
    if (!call_i64_or_reply(call, 2, &start, NULL) || !call_i64_or_reply(call, 3, &end, NULL))
        return;
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return;
    char scratch[NUMBER_TEXT_MAX];
    if (e != NULL)
        reply_part(call, e, slice(string_view(e, scratch), start, end));
    else
        reply_bulk_text(call->reply, "");
}

/* -- writing ----------------------------------------------------------------------------------- */

/* Give the key the value in argument i. A long argument is not copied. */
static void put(struct call *call, struct entry *old, struct key key, int i, int64_t deadline)
{
    struct bytes value = call->argv[i];
    struct blob *blob = value.len > ENTRY_INLINE_MAX ? call_take_blob(call, i) : NULL;
    if (blob != NULL)
        string_set_blob(call->keys, call->db, old, key, blob, deadline);
    else
        string_set(call->keys, call->db, old, key, value, deadline);
    keyspace_changed(call->keys, call->db, key.name, EVENT_STRING, "set");
}

static void tell_expire(struct call *call, struct key key)
{
    keyspace_event(call->keys, call->db, key.name, EVENT_GENERIC, "expire");
}

/* Do NX, XX and the IF words let the key be set? False: an error was answered. */
static bool conditions_or_reply(struct call *call, const struct entry *old,
                                const struct string_options *o, bool *met)
{
    if (!compare_or_reply(call, old, o, met))
        return false;
    if (string_options_has(o, OPT_NX))
        *met = old == NULL;
    else if (string_options_has(o, OPT_XX))
        *met = old != NULL;
    return true;
}

static void set_with_options(struct call *call)
{
    const uint32_t allowed =
        OPTS_EXIST | OPTS_COMPARE | OPTS_TIME | OPT_BIT(OPT_GET) | OPT_BIT(OPT_KEEPTTL);
    struct string_options o;
    int64_t deadline;
    if (!string_options_parse(call->argv, call->argc, 3, allowed, &o)) {
        reply_syntax_error(call);
        return;
    }
    if (!string_options_deadline_or_reply(call, &o, &deadline))
        return;
    bool get = string_options_has(&o, OPT_GET), met;
    struct entry *old = get ? call_find(call, 1) : call_find_for_write(call, 1);
    if (get && !call_type_or_reply(call, old, TYPE_STRING))
        return;
    if (!conditions_or_reply(call, old, &o, &met))
        return;
    if (get)
        reply_string_or_null(call, old);
    else if (met)
        reply_ok(call->reply);
    else
        reply_null(call->reply);
    if (!met)
        return;
    struct key key = call_key(call, 1);
    if (string_options_has(&o, OPT_KEEPTTL) && old != NULL)
        deadline = entry_deadline(old);
    put(call, old, key, 2, deadline);
    if (o.given & OPTS_TIME)
        tell_expire(call, key);
}

static void cmd_set(struct call *call)
{
    if (call->argc > 3) {
        set_with_options(call);
        return;
    }
    put(call, call_find_for_write(call, 1), call_key(call, 1), 2, DEADLINE_NONE);
    reply_ok(call->reply);
}

static void cmd_setnx(struct call *call)
{
    struct entry *old = call_find_for_write(call, 1);
    if (old == NULL)
        put(call, NULL, call_key(call, 1), 2, DEADLINE_NONE);
    reply_int(call->reply, old == NULL);
}

static void set_for(struct call *call, struct time_unit unit)
{
    int64_t deadline;
    if (!expiration_or_reply(call, 2, unit, &deadline))
        return;
    struct key key = call_key(call, 1);
    put(call, call_find_for_write(call, 1), key, 3, deadline);
    tell_expire(call, key);
    reply_ok(call->reply);
}

static void cmd_setex(struct call *call)
{
    set_for(call, (struct time_unit){.seconds = true, .from_now = true});
}

static void cmd_psetex(struct call *call)
{
    set_for(call, (struct time_unit){.seconds = false, .from_now = true});
}

static void cmd_getset(struct call *call)
{
    struct entry *old = call_find(call, 1);
    if (!call_type_or_reply(call, old, TYPE_STRING))
        return;
    reply_string_or_null(call, old);
    put(call, old, call_key(call, 1), 2, DEADLINE_NONE);
}

static void cmd_getdel(struct call *call)
{
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return;
    reply_string_or_null(call, e);
    if (e != NULL)
        key_delete(call, call_key(call, 1), call->keys->lazy_user_del);
}

/* GETEX's second half: the value was answered, the key's lifetime changes. */
static void change_lifetime(struct call *call, struct entry *e, const struct string_options *o,
                            int64_t deadline)
{
    struct keyspace *ks = call->keys;
    struct key key = call_key(call, 1);
    bool persist = string_options_has(o, OPT_PERSIST);
    if (persist ? !entry_expires(e) : !(o->given & OPTS_TIME))
        return;
    if (!persist && deadline <= ks->now_ms) {
        key_delete(call, key, ks->lazy_expire);
        return;
    }
    keyspace_set_deadline(ks, call->db, e, key.hash, deadline);
    keyspace_changed(ks, call->db, key.name, EVENT_GENERIC, persist ? "persist" : "expire");
}

static void cmd_getex(struct call *call)
{
    struct string_options o;
    int64_t deadline;
    if (!string_options_parse(call->argv, call->argc, 2, OPTS_TIME | OPT_BIT(OPT_PERSIST), &o)) {
        reply_syntax_error(call);
        return;
    }
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return;
    if (e == NULL) {
        reply_null(call->reply);
        return;
    }
    if (!string_options_deadline_or_reply(call, &o, &deadline))
        return;
    reply_string(call, e);
    change_lifetime(call, e, &o, deadline);
}

/* -- many at once ------------------------------------------------------------------------------ */

static bool pairs_or_reply(struct call *call)
{
    if (call->argc % 2 == 0)
        reply_arity_error(call);
    return call->argc % 2 != 0;
}

/* Of the keys at first, first + 2, ...: is each there (present), or is none? */
static bool all_are(struct call *call, int first, int count, bool present)
{
    for (int i = 0; i < count; i++) {
        if ((call_find_for_write(call, first + 2 * i) != NULL) != present)
            return false;
    }
    return true;
}

static void cmd_mset(struct call *call)
{
    if (!pairs_or_reply(call))
        return;
    for (int i = 1; i < call->argc; i += 2)
        put(call, call_find_for_write(call, i), call_key(call, i), i + 1, DEADLINE_NONE);
    reply_ok(call->reply);
}

static void cmd_msetnx(struct call *call)
{
    if (!pairs_or_reply(call))
        return;
    bool vacant = all_are(call, 1, call->argc / 2, false);
    /* A key may come twice: the second time it is there. */
    for (int i = 1; vacant && i < call->argc; i += 2)
        put(call, call_find_for_write(call, i), call_key(call, i), i + 1, DEADLINE_NONE);
    reply_int(call->reply, vacant);
}

static void set_all(struct call *call, int count, const struct string_options *o, int64_t deadline)
{
    bool keep = string_options_has(o, OPT_KEEPTTL);
    for (int i = 2; i < 2 + 2 * count; i += 2) {
        struct entry *old = call_find_for_write(call, i);
        struct key key = call_key(call, i);
        put(call, old, key, i + 1, keep && old != NULL ? entry_deadline(old) : deadline);
        if (o->given & OPTS_TIME)
            tell_expire(call, key);
    }
}

static void cmd_msetex(struct call *call)
{
    const uint32_t allowed = OPTS_EXIST | OPTS_TIME | OPT_BIT(OPT_KEEPTTL);
    struct string_options o;
    int64_t count, deadline;
    if (!number_parse_i64(call->argv[1], &count) || count < 1 || count > INT32_MAX) {
        reply_error(call->reply, "ERR invalid numkeys value");
        return;
    }
    if (count * 2 > call->argc - 2) {
        reply_error(call->reply, "ERR wrong number of key-value pairs");
        return;
    }
    if (!string_options_parse(call->argv, call->argc, 2 + 2 * (int)count, allowed, &o)) {
        reply_syntax_error(call);
        return;
    }
    if (!string_options_deadline_or_reply(call, &o, &deadline))
        return;
    bool met =
        !(o.given & OPTS_EXIST) || all_are(call, 2, (int)count, string_options_has(&o, OPT_XX));
    if (met)
        set_all(call, (int)count, &o, deadline);
    reply_int(call->reply, met);
}

/* -- parts ------------------------------------------------------------------------------------- */

/* Would the string be longer than one may be sent? */
static bool size_or_reply(struct call *call, size_t offset, size_t added)
{
    size_t total;
    if (!__builtin_add_overflow(offset, added, &total) &&
        total <= (size_t)call->server->opt.proto_max_bulk_len)
        return true;
    reply_error(call->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

static void cmd_append(struct call *call)
{
    struct keyspace *ks = call->keys;
    struct key key = call_key(call, 1);
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return;
    if (e == NULL)
        e = string_set(ks, call->db, NULL, key, call->argv[2], DEADLINE_NONE);
    else if (size_or_reply(call, string_length(e), call->argv[2].len))
        e = string_append(ks, call->db, e, key.hash, call->argv[2]);
    else
        return;
    keyspace_changed(ks, call->db, key.name, EVENT_STRING, "append");
    reply_int(call->reply, (int64_t)string_length(e));
}

static void cmd_setrange(struct call *call)
{
    struct keyspace *ks = call->keys;
    struct bytes value = call->argv[3];
    int64_t offset;
    if (!call_i64_or_reply(call, 2, &offset, NULL))
        return;
    if (offset < 0) {
        reply_error(call->reply, "ERR offset is out of range");
        return;
    }
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return;
    if (value.len == 0) {
        reply_int(call->reply, e != NULL ? (int64_t)string_length(e) : 0);
        return;
    }
    if (!size_or_reply(call, (size_t)offset, value.len))
        return;
    struct key key = call_key(call, 1);
    if (e == NULL)
        e = string_set(ks, call->db, NULL, key, bytes_of("", 0), DEADLINE_NONE);
    e = string_set_range(ks, call->db, e, key.hash, (size_t)offset, value);
    keyspace_changed(ks, call->db, key.name, EVENT_STRING, "setrange");
    reply_int(call->reply, (int64_t)string_length(e));
}

/* -- the table --------------------------------------------------------------------------------- */

/* With GET or a comparison SET reads the key as well. */
static int set_keys(const struct bytes *argv, int argc, struct key_position *out, int room)
{
    const uint32_t reading = OPT_BIT(OPT_GET) | OPTS_COMPARE;
    const uint32_t allowed = reading | OPTS_EXIST | OPTS_TIME | OPT_BIT(OPT_KEEPTTL);
    struct string_options o;
    bool reads = string_options_parse(argv, argc, 3, allowed, &o) && (o.given & reading);
    if (room > 0)
        out[0] = (struct key_position){1, reads ? KEY_RW | KEY_ACCESS | KEY_UPDATE
                                                : KEY_OW | KEY_UPDATE};
    return 1;
}

const struct command string_commands[] = {
    {
        .name = "get",
        .run = cmd_get,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_STRING,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "string",
        .since = "1.0.0",
        .summary = "Returns the string at a key.",
        .complexity = "O(1)",
        .args = "key:key#0",
    },
    {
        .name = "set",
        .run = cmd_set,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_STRING,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE_FLAGS, .first = 1}),
        .get_keys = set_keys,
        .group = "string",
        .since = "1.0.0",
        .summary = "Gives a key a string, whatever it held before; options make it "
                   "conditional and limit its lifetime.",
        .complexity = "O(1)",
        .args = "key:key#0 value "
                "condition(nx:token=NX|xx:token=XX|ifeq-value=IFEQ@8.4.0|ifne-value=IFNE@8.4.0|"
                "ifdeq-digest=IFDEQ@8.4.0|ifdne-digest=IFDNE@8.4.0)?@2.6.12 "
                "get:token=GET?@6.2.0 expiration(seconds:integer=EX@2.6.12|"
                "milliseconds:integer=PX@2.6.12|unix-time-seconds:unix-time=EXAT@6.2.0|"
                "unix-time-milliseconds:unix-time=PXAT@6.2.0|keepttl:token=KEEPTTL@6.0.0)?",
    },
    {
        .name = "getset",
        .run = cmd_getset,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST | CMD_DEPRECATED,
        .categories = CAT_STRING,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 1}),
        .group = "string",
        .since = "1.0.0",
        .summary = "Gives a key a new string and returns the one before.",
        .complexity = "O(1)",
        .args = "key:key#0 value",
        .deprecated_since = "6.2.0",
        .replaced_by = "`SET` with `GET`",
    },
    {
        .name = "getdel",
        .run = cmd_getdel,
        .arity = 2,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_STRING,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1}),
        .group = "string",
        .since = "6.2.0",
        .summary = "Returns the string at a key and deletes the key.",
        .complexity = "O(1)",
        .args = "key:key#0",
    },
    {
        .name = "getex",
        .run = cmd_getex,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_STRING,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 1}),
        .group = "string",
        .since = "6.2.0",
        .summary = "Returns the string at a key and changes when the key expires.",
        .complexity = "O(1)",
        .args = "key:key#0 expiration(seconds:integer=EX|milliseconds:integer=PX|"
                "unix-time-seconds:unix-time=EXAT|unix-time-milliseconds:unix-time=PXAT|"
                "persist:token=PERSIST)?",
    },
    {
        .name = "setnx",
        .run = cmd_setnx,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST | CMD_DEPRECATED,
        .categories = CAT_STRING,
        KEYS({KEY_OW | KEY_INSERT, .first = 1}),
        .group = "string",
        .since = "1.0.0",
        .summary = "Gives a key a string unless the key exists.",
        .complexity = "O(1)",
        .args = "key:key#0 value",
        .deprecated_since = "2.6.12",
        .replaced_by = "`SET` with `NX`",
    },
    {
        .name = "setex",
        .run = cmd_setex,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_DEPRECATED,
        .categories = CAT_STRING,
        KEYS({KEY_OW | KEY_UPDATE, .first = 1}),
        .group = "string",
        .since = "2.0.0",
        .summary = "Gives a key a string and a lifetime in seconds.",
        .complexity = "O(1)",
        .args = "key:key#0 seconds:integer value",
        .deprecated_since = "2.6.12",
        .replaced_by = "`SET` with `EX`",
    },
    {
        .name = "psetex",
        .run = cmd_psetex,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_DEPRECATED,
        .categories = CAT_STRING,
        KEYS({KEY_OW | KEY_UPDATE, .first = 1}),
        .group = "string",
        .since = "2.6.0",
        .summary = "Gives a key a string and a lifetime in milliseconds.",
        .complexity = "O(1)",
        .args = "key:key#0 milliseconds:integer value",
        .deprecated_since = "2.6.12",
        .replaced_by = "`SET` with `PX`",
    },
    {
        .name = "mget",
        .run = cmd_mget,
        .arity = -2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_STRING,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1, .last = -1}),
        .group = "string",
        .since = "1.0.0",
        .summary = "Returns the strings at several keys.",
        .complexity = "O(N) with N keys.",
        .args = "key:key#0*",
        .tips = "request_policy:multi_shard",
    },
    {
        .name = "mset",
        .run = cmd_mset,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_STRING,
        KEYS({KEY_OW | KEY_UPDATE, .first = 1, .last = -1, .step = 2}),
        .group = "string",
        .since = "1.0.1",
        .summary = "Gives several keys their strings in one step.",
        .complexity = "O(N) with N keys.",
        .args = "data{key:key#0 value}*",
        .tips = "request_policy:multi_shard response_policy:all_succeeded",
    },
    {
        .name = "msetnx",
        .run = cmd_msetnx,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_STRING,
        KEYS({KEY_OW | KEY_INSERT, .first = 1, .last = -1, .step = 2}),
        .group = "string",
        .since = "1.0.1",
        .summary = "Gives several keys their strings in one step unless one of the "
                   "keys exists.",
        .complexity = "O(N) with N keys.",
        .args = "data{key:key#0 value}*",
    },
    {
        .name = "msetex",
        .run = cmd_msetex,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_STRING,
        KEYS({KEY_OW | KEY_UPDATE, .first = 1, .counted = true, .count_at = 0, .key_at = 1,
              .step = 2}),
        .group = "string",
        .since = "8.4.0",
        .summary = "Gives several keys their strings and one lifetime in one step.",
        .complexity = "O(N) with N keys.",
        .args = "numkeys:integer data{key:key#0 value}* condition(nx:token=NX|xx:token=XX)? "
                "expiration(seconds:integer=EX|milliseconds:integer=PX|"
                "unix-time-seconds:unix-time=EXAT|unix-time-milliseconds:unix-time=PXAT|"
                "keepttl:token=KEEPTTL)?",
        .tips = "request_policy:multi_shard response_policy:all_succeeded",
    },
    {
        .name = "append",
        .run = cmd_append,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_STRING,
        KEYS({KEY_RW | KEY_INSERT, .first = 1}),
        .group = "string",
        .since = "2.0.0",
        .summary = "Adds bytes to the end of a string; a missing key counts as "
                   "empty.",
        .complexity = "O(1), amortized over the growth of the string.",
        .args = "key:key#0 value",
    },
    {
        .name = "strlen",
        .run = cmd_strlen,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_STRING,
        KEYS({KEY_RO, .first = 1}),
        .group = "string",
        .since = "2.2.0",
        .summary = "Returns the length of a string in bytes.",
        .complexity = "O(1)",
        .args = "key:key#0",
    },
    {
        .name = "setrange",
        .run = cmd_setrange,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_STRING,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "string",
        .since = "2.2.0",
        .summary = "Overwrites a part of a string from an offset on.",
        .complexity = "O(N) with N bytes written, and the length of the string if it "
                      "has to grow.",
        .args = "key:key#0 offset:integer value",
    },
    {
        .name = "getrange",
        .run = cmd_getrange,
        .arity = 4,
        .flags = CMD_READONLY,
        .categories = CAT_STRING,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "string",
        .since = "2.4.0",
        .summary = "Returns the part of a string between two offsets.",
        .complexity = "O(N) with N bytes returned.",
        .args = "key:key#0 start:integer end:integer",
    },
    {
        .name = "substr",
        .run = cmd_getrange,
        .arity = 4,
        .flags = CMD_READONLY | CMD_DEPRECATED,
        .categories = CAT_STRING,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "string",
        .since = "1.0.0",
        .summary = "Returns the part of a string between two offsets.",
        .complexity = "O(N) with N bytes returned.",
        .args = "key:key#0 start:integer end:integer",
        .deprecated_since = "2.0.0",
        .replaced_by = "`GETRANGE`",
    },
    {0},
};
