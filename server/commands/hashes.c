/*
 * hashes.c - commands about single fields of hashes. All fields, random ones and HSCAN are in
 * hash_all.c, the lifetime of fields in hash_expire.c and hash_ex.c.
 *
 * A field whose deadline has passed is removed by the first command that looks at it; what follows
 * from that ("hexpired", and "del" if it was the last one) is announced when the command is done
 * with the hash: hash_close().
 */
#include "server/commands/hashes.h"

#include <math.h>

#include "server/command.h"
#include "storage/listpack.h"

/* From here on a reply references the value. */
enum { REFERENCE_MIN = 16 * 1024 };

/* -- shared ------------------------------------------------------------------------------------ */

static bool open_or_reply(struct call *call, struct hash_at *at, struct entry *e)
{
    *at = (struct hash_at){call->keys, call->db, call_key(call, 1), e, 0};
    return call_type_or_reply(call, e, TYPE_HASH);
}

bool hash_open_or_reply(struct call *call, struct hash_at *at)
{
    return open_or_reply(call, at, call_find(call, 1));
}

bool hash_open_for_write_or_reply(struct call *call, struct hash_at *at)
{
    return open_or_reply(call, at, call_find_for_write(call, 1));
}

void hash_close(struct hash_at *at)
{
    if (at->e != NULL && at->died > 0)
        hash_settle(at);
}

void hash_demand(struct hash_at *at, size_t room)
{
    if (at->e == NULL)
        at->e = hash_create(at->ks, at->db, at->key, room);
}

bool hash_look_up(struct hash_at *at, struct bytes name, struct hash_field *out)
{
    return at->e != NULL && hash_find_live(at, name, out);
}

bool hash_set_arguments(struct call *call, struct hash_at *at, int name, int64_t deadline)
{
    struct bytes value = call->argv[name + 1];
    struct blob *blob = value.len > ENTRY_INLINE_MAX ? call_take_blob(call, name + 1) : NULL;
    return hash_set(at, call->argv[name], value, blob, deadline);
}

void hash_reply_value(struct call *call, const struct hash_field *f)
{
    if (f->blob != NULL && f->value.len >= REFERENCE_MIN) {
        blob_retain(f->blob);
        reply_bulk_owned(call->reply, f->value, f->blob, blob_release);
    } else {
        reply_bulk(call->reply, f->value);
    }
}

void hash_reply_values(struct call *call, struct hash_at *at, int first, int count)
{
    struct hash_field f;
    reply_array(call->reply, count);
    for (int i = first; i < first + count; i++) {
        if (hash_look_up(at, call->argv[i], &f))
            hash_reply_value(call, &f);
        else
            reply_null(call->reply);
    }
}

/* -- setting ----------------------------------------------------------------------------------- */

/* The longest of the arguments from first on, and the room that a listpack of them takes. */
static size_t longest_of(const struct call *call, int first, size_t *room)
{
    size_t longest = 0;
    *room = 0;
    for (int i = first; i < call->argc; i++) {
        if (call->argv[i].len > longest)
            longest = call->argv[i].len;
        *room += lp_element_size(call->argv[i]);
    }
    return longest;
}

/* Ready for the fields of the request to be set. */
static void make_ready(struct call *call, struct hash_at *at)
{
    size_t room = 0, longest = 0;
    if (at->e != NULL && hash_dict(at->e) != NULL)
        return;
    longest = longest_of(call, 2, &room);
    hash_demand(at, longest <= call->keys->limits.hash_listpack_value ? room : 0);
    hash_expect(at, (uint64_t)(call->argc - 2) / 2, longest);
}

static bool set_pairs_or_reply(struct call *call, int64_t *created)
{
    struct hash_at at;
    *created = 0;
    if (call->argc % 2 != 0) {
        reply_arity_error(call);
        return false;
    }
    if (!hash_open_for_write_or_reply(call, &at))
        return false;
    make_ready(call, &at);
    for (int i = 2; i < call->argc; i += 2)
        *created += hash_set_arguments(call, &at, i, DEADLINE_NONE);
    keyspace_changed_by(call->keys, call->db, at.key.name, EVENT_HASH, "hset",
                        (uint64_t)(call->argc - 2) / 2);
    return true;
}

static void cmd_hset(struct call *call)
{
    int64_t created;
    if (set_pairs_or_reply(call, &created))
        reply_int(call->reply, created);
}

static void cmd_hmset(struct call *call)
{
    int64_t created;
    if (set_pairs_or_reply(call, &created))
        reply_ok(call->reply);
}

static void cmd_hsetnx(struct call *call)
{
    struct hash_at at;
    struct hash_field f;
    if (!hash_open_for_write_or_reply(call, &at))
        return;
    bool there = hash_look_up(&at, call->argv[2], &f);
    hash_close(&at);
    if (!there) {
        make_ready(call, &at);
        hash_set_arguments(call, &at, 2, DEADLINE_NONE);
        keyspace_changed(call->keys, call->db, at.key.name, EVENT_HASH, "hset");
    }
    reply_int(call->reply, !there);
}

/* -- numbers ----------------------------------------------------------------------------------- */

/* Store what a field's number has become; the deadline stays. */
static void store_number(struct call *call, struct hash_at *at, struct bytes text, int64_t deadline,
                         const char *event)
{
    hash_close(at);
    hash_demand(at, 0);
    hash_set(at, call->argv[2], text, NULL, deadline);
    keyspace_changed(call->keys, call->db, at->key.name, EVENT_HASH, event);
}

static void cmd_hincrby(struct call *call)
{
    struct hash_at at;
    struct hash_field f = {.deadline = DEADLINE_NONE};
    int64_t amount, value = 0;
    if (!call_i64_or_reply(call, 3, &amount, NULL) || !hash_open_for_write_or_reply(call, &at))
        return;
    if (!hash_look_up(&at, call->argv[2], &f)) {
        f.deadline = DEADLINE_NONE;
    } else if (!number_parse_i64(f.value, &value)) {
        reply_error(call->reply, "ERR hash value is not an integer");
        return;
    }
    if (__builtin_add_overflow(value, amount, &value)) {
        reply_error(call->reply, "ERR increment or decrement would overflow");
        return;
    }
    char text[NUMBER_TEXT_MAX];
    store_number(call, &at, bytes_of(text, number_format_i64(text, value)), f.deadline, "hincrby");
    reply_int(call->reply, value);
}

static bool amount_or_reply(struct call *call, int i, long double *out)
{
    const char *error = NULL;
    if (!number_parse_long_double(call->argv[i], out))
        error = "ERR value is not a valid float";
    else if (isnan(*out) || isinf(*out))
        error = "ERR value is NaN or Infinity";
    if (error != NULL)
        reply_error(call->reply, error);
    return error == NULL;
}

static void cmd_hincrbyfloat(struct call *call)
{
    struct hash_at at;
    struct hash_field f = {.deadline = DEADLINE_NONE};
    long double amount, value = 0;
    if (!amount_or_reply(call, 3, &amount) || !hash_open_for_write_or_reply(call, &at))
        return;
    if (!hash_look_up(&at, call->argv[2], &f)) {
        f.deadline = DEADLINE_NONE;
    } else if (!number_parse_long_double(f.value, &value)) {
        reply_error(call->reply, "ERR hash value is not a float");
        return;
    }
    value += amount;
    if (isnan(value) || isinf(value)) {
        reply_error(call->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    char text[NUMBER_LONG_DOUBLE_MAX];
    struct bytes result = bytes_of(text, number_format_long_double(text, value));
    store_number(call, &at, result, f.deadline, "hincrbyfloat");
    reply_bulk(call->reply, result);
}

/* -- getting ----------------------------------------------------------------------------------- */

static void cmd_hget(struct call *call)
{
    struct hash_at at;
    struct hash_field f;
    if (!hash_open_or_reply(call, &at))
        return;
    if (hash_look_up(&at, call->argv[2], &f))
        hash_reply_value(call, &f);
    else
        reply_null(call->reply);
    hash_close(&at);
}

static void cmd_hmget(struct call *call)
{
    struct hash_at at;
    if (!hash_open_or_reply(call, &at))
        return;
    hash_reply_values(call, &at, 2, call->argc - 2);
    hash_close(&at);
}

static void cmd_hexists(struct call *call)
{
    struct hash_at at;
    struct hash_field f;
    if (!hash_open_or_reply(call, &at))
        return;
    reply_int(call->reply, hash_look_up(&at, call->argv[2], &f));
    hash_close(&at);
}

static void cmd_hstrlen(struct call *call)
{
    struct hash_at at;
    struct hash_field f;
    if (!hash_open_or_reply(call, &at))
        return;
    reply_int(call->reply, hash_look_up(&at, call->argv[2], &f) ? (int64_t)f.value.len : 0);
    hash_close(&at);
}

/* Fields that are dead but not yet removed are counted: finding them would mean to look at each. */
static void cmd_hlen(struct call *call)
{
    struct hash_at at;
    if (hash_open_or_reply(call, &at))
        reply_int(call->reply, at.e != NULL ? (int64_t)hash_count(at.e) : 0);
}

/* -- deleting ---------------------------------------------------------------------------------- */

/* A dead field counts as one that was there. */
static void cmd_hdel(struct call *call)
{
    struct hash_at at;
    int64_t deleted = 0;
    if (!hash_open_for_write_or_reply(call, &at))
        return;
    for (int i = 2; at.e != NULL && i < call->argc; i++)
        deleted += hash_delete(&at, call->argv[i]);
    if (deleted > 0) {
        keyspace_changed_by(call->keys, call->db, at.key.name, EVENT_HASH, "hdel",
                            (uint64_t)deleted);
        hash_settle(&at);
    }
    reply_int(call->reply, deleted);
}

const struct command hash_commands[] = {
    {
        .name = "hset",
        .run = cmd_hset,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .member = 2,
        .group = "hash",
        .since = "2.0.0",
        .summary = "Sets fields of a hash, making it if there is none.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 data{field value}*",
    },
    {
        .name = "hsetnx",
        .run = cmd_hsetnx,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RW | KEY_INSERT, .first = 1}),
        .member = 2,
        .group = "hash",
        .since = "2.0.0",
        .summary = "Sets a field of a hash unless it is there.",
        .complexity = "O(1)",
        .args = "key:key#0 field value",
    },
    {
        .name = "hmset",
        .run = cmd_hmset,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST | CMD_DEPRECATED,
        .categories = CAT_HASH,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .member = 2,
        .group = "hash",
        .since = "2.0.0",
        .summary = "Sets fields of a hash.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 data{field value}*",
        .deprecated_since = "4.0.0",
        .replaced_by = "`HSET` with several field-value pairs",
    },
    {
        .name = "hget",
        .run = cmd_hget,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .member = 2,
        .group = "hash",
        .since = "2.0.0",
        .summary = "Returns the value of a field.",
        .complexity = "O(1)",
        .args = "key:key#0 field",
    },
    {
        .name = "hmget",
        .run = cmd_hmget,
        .arity = -3,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .member = 2,
        .group = "hash",
        .since = "2.0.0",
        .summary = "Returns the values of fields.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 field*",
    },
    {
        .name = "hdel",
        .run = cmd_hdel,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RW | KEY_DELETE, .first = 1}),
        .member = 2,
        .group = "hash",
        .since = "2.0.0",
        .summary = "Deletes fields of a hash, and the hash with its last one.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 field*",
    },
    {
        .name = "hexists",
        .run = cmd_hexists,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RO, .first = 1}),
        .member = 2,
        .group = "hash",
        .since = "2.0.0",
        .summary = "Tells whether a hash has a field.",
        .complexity = "O(1)",
        .args = "key:key#0 field",
    },
    {
        .name = "hlen",
        .run = cmd_hlen,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RO, .first = 1}),
        .group = "hash",
        .since = "2.0.0",
        .summary = "Counts the fields of a hash.",
        .complexity = "O(1)",
        .args = "key:key#0",
    },
    {
        .name = "hstrlen",
        .run = cmd_hstrlen,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RO, .first = 1}),
        .member = 2,
        .group = "hash",
        .since = "3.2.0",
        .summary = "Returns the length of a field's value.",
        .complexity = "O(1)",
        .args = "key:key#0 field",
    },
    {
        .name = "hincrby",
        .run = cmd_hincrby,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 1}),
        .member = 2,
        .group = "hash",
        .since = "2.0.0",
        .summary =
            "Adds an integer to the number in a field; 0 stands for a field that is not there.",
        .complexity = "O(1)",
        .args = "key:key#0 field increment:integer",
    },
    {
        .name = "hincrbyfloat",
        .run = cmd_hincrbyfloat,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 1}),
        .member = 2,
        .group = "hash",
        .since = "2.6.0",
        .summary = "Adds a decimal fraction to the number in a field; 0 stands for a field that is "
                   "not there.",
        .complexity = "O(1)",
        .args = "key:key#0 field increment:double",
    },
    {0},
};
