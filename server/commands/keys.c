/*
 * keys.c - commands about keys of any type, but for their lifetime (expire.c) and SCAN (scan.c).
 */
#include "server/commands/keys.h"

#include "base/glob.h"
#include "server/command.h"
#include "storage/value.h"

void key_delete(struct call *call, struct key key, bool lazy)
{
    keyspace_remove(call->keys, call->db, key, lazy);
    keyspace_changed(call->keys, call->db, key.name, EVENT_GENERIC, "del");
}

static void delete_all(struct call *call, bool lazy)
{
    int64_t deleted = 0;
    for (int i = 1; i < call->argc; i++) {
        struct key key = call_key(call, i);
        if (keyspace_find(call->keys, call->db, key) == NULL)
            continue;
        key_delete(call, key, lazy);
        deleted++;
    }
    reply_int(call->reply, deleted);
}

static void cmd_del(struct call *call)
{
    delete_all(call, call->keys->lazy_user_del);
}

static void cmd_unlink(struct call *call)
{
    delete_all(call, true);
}

static void cmd_exists(struct call *call)
{
    int64_t found = 0;
    for (int i = 1; i < call->argc; i++)
        found += call_find_quietly(call, i) != NULL;
    reply_int(call->reply, found);
}

static void cmd_touch(struct call *call)
{
    int64_t found = 0;
    for (int i = 1; i < call->argc; i++)
        found += call_find(call, i) != NULL;
    reply_int(call->reply, found);
}

static void cmd_type(struct call *call)
{
    const struct entry *e = call_find_quietly(call, 1);
    reply_simple(call->reply, e != NULL ? entry_type_name(entry_type(e)) : "none");
}

static void cmd_randomkey(struct call *call)
{
    const struct entry *e = keyspace_random(call->keys, call->db);
    if (e != NULL)
        reply_bulk(call->reply, entry_key(e));
    else
        reply_null(call->reply);
}

static void cmd_keys(struct call *call)
{
    struct bytes pattern = call->argv[1];
    bool all = bytes_equal(pattern, bytes_of_text("*"));
    struct reply_mark mark = reply_mark(call->reply);
    int64_t count = 0;
    struct dict_iter it;
    dict_iter_begin(&it, &call->keys->dbs[call->db].keys);
    for (const struct entry *e; (e = dict_iter_next(&it)) != NULL;) {
        if ((all || glob_match(pattern, entry_key(e), false)) && !keyspace_is_dead(call->keys, e)) {
            reply_bulk(call->reply, entry_key(e));
            count++;
        }
    }
    dict_iter_end(&it);
    reply_array_at(call->reply, mark, count);
}

/* -- to another name or database --------------------------------------------------------------- */

static void rename_key(struct call *call, bool overwrite)
{
    struct keyspace *ks = call->keys;
    struct key from = call_key(call, 1), to = call_key(call, 2);
    struct entry *e = call_find_for_write(call, 1);
    if (e == NULL) {
        reply_error(call->reply, "ERR no such key");
        return;
    }
    bool same = bytes_equal(from.name, to.name);
    bool taken = same || keyspace_find(ks, call->db, to) != NULL;
    if (!same && (overwrite || !taken)) {
        if (taken)
            keyspace_remove(ks, call->db, to, ks->lazy_server_del);
        keyspace_move(ks, call->db, e, from.hash, call->db, to);
        keyspace_changed(ks, call->db, from.name, EVENT_GENERIC, "rename_from");
        keyspace_changed_by(ks, call->db, to.name, EVENT_GENERIC, "rename_to", 0);
    }
    if (overwrite)
        reply_ok(call->reply);
    else
        reply_int(call->reply, !taken);
}

static void cmd_rename(struct call *call)
{
    rename_key(call, true);
}

static void cmd_renamenx(struct call *call)
{
    rename_key(call, false);
}

static bool db_or_reply(struct call *call, int i, int *db)
{
    int64_t id;
    if (!call_range_or_reply(call, i, INT32_MIN, INT32_MAX, &id, NULL))
        return false;
    if (id < 0 || id >= call->keys->db_count) {
        reply_error(call->reply, "ERR DB index is out of range");
        return false;
    }
    *db = (int)id;
    return true;
}

static void reply_same_object(struct call *call)
{
    reply_error(call->reply, "ERR source and destination objects are the same");
}

static void cmd_move(struct call *call)
{
    struct keyspace *ks = call->keys;
    int to;
    if (!db_or_reply(call, 2, &to))
        return;
    if (to == call->db) {
        reply_same_object(call);
        return;
    }
    struct key key = call_key(call, 1);
    struct entry *e = call_find_for_write(call, 1);
    bool moved = e != NULL && keyspace_find(ks, to, key) == NULL;
    if (moved) {
        keyspace_move(ks, call->db, e, key.hash, to, key);
        keyspace_changed(ks, call->db, key.name, EVENT_GENERIC, "move_from");
        keyspace_changed_by(ks, to, key.name, EVENT_GENERIC, "move_to", 0);
    }
    reply_int(call->reply, moved);
}

static bool copy_options_or_reply(struct call *call, int *db, bool *replace)
{
    *db = call->db;
    *replace = false;
    for (int i = 3; i < call->argc; i++) {
        if (bytes_is_word(call->argv[i], "REPLACE")) {
            *replace = true;
        } else if (bytes_is_word(call->argv[i], "DB") && i + 1 < call->argc) {
            if (!db_or_reply(call, ++i, db))
                return false;
        } else {
            reply_syntax_error(call);
            return false;
        }
    }
    return true;
}

static void cmd_copy(struct call *call)
{
    struct keyspace *ks = call->keys;
    struct key from = call_key(call, 1), to = call_key(call, 2);
    int db;
    bool replace;
    if (!copy_options_or_reply(call, &db, &replace))
        return;
    if (db == call->db && bytes_equal(from.name, to.name)) {
        reply_same_object(call);
        return;
    }
    const struct entry *e = call_find(call, 1);
    const struct entry *there = e != NULL ? keyspace_find(ks, db, to) : NULL;
    bool copied = e != NULL && (there == NULL || replace);
    if (copied) {
        if (there != NULL)
            keyspace_remove(ks, db, to, ks->lazy_server_del);
        keyspace_add(ks, db, value_ops(entry_type(e))->copy(e, to.name, entry_deadline(e)),
                     to.hash);
        keyspace_changed(ks, db, to.name, EVENT_GENERIC, "copy_to");
    }
    reply_int(call->reply, copied);
}

const struct command key_commands[] = {
    {
        .name = "del",
        .run = cmd_del,
        .arity = -2,
        .flags = CMD_WRITE,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RM | KEY_DELETE, .first = 1, .last = -1}),
        .group = "generic",
        .since = "1.0.0",
        .summary = "Deletes keys.",
        .complexity = "O(N) with N keys, and the number of elements of a large value "
                      "that is not freed in the background.",
        .args = "key:key#0*",
        .tips = "request_policy:multi_shard response_policy:agg_sum",
    },
    {
        .name = "unlink",
        .run = cmd_unlink,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RM | KEY_DELETE, .first = 1, .last = -1}),
        .group = "generic",
        .since = "4.0.0",
        .summary = "Deletes keys; their memory is freed in the background.",
        .complexity = "O(N) with N keys.",
        .args = "key:key#0*",
        .tips = "request_policy:multi_shard response_policy:agg_sum",
    },
    {
        .name = "exists",
        .run = cmd_exists,
        .arity = -2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RO, .first = 1, .last = -1}),
        .group = "generic",
        .since = "1.0.0",
        .summary = "Counts how many of the given keys exist.",
        .complexity = "O(N) with N keys.",
        .args = "key:key#0*",
        .tips = "request_policy:multi_shard response_policy:agg_sum",
    },
    {
        .name = "type",
        .run = cmd_type,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RO, .first = 1}),
        .group = "generic",
        .since = "1.0.0",
        .summary = "Returns the type of the value at a key.",
        .complexity = "O(1)",
        .args = "key:key#0",
    },
    {
        .name = "rename",
        .run = cmd_rename,
        .arity = 3,
        .flags = CMD_WRITE,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1}, {KEY_OW | KEY_UPDATE, .first = 2}),
        .group = "generic",
        .since = "1.0.0",
        .summary = "Gives a key another name, in place of a key that has it.",
        .complexity = "O(1), and the number of elements of the value that is "
                      "overwritten.",
        .args = "key:key#0 newkey:key#1",
    },
    {
        .name = "renamenx",
        .run = cmd_renamenx,
        .arity = 3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1}, {KEY_OW | KEY_INSERT, .first = 2}),
        .group = "generic",
        .since = "1.0.0",
        .summary = "Gives a key another name unless a key has it.",
        .complexity = "O(1)",
        .args = "key:key#0 newkey:key#1",
    },
    {
        .name = "copy",
        .run = cmd_copy,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}, {KEY_OW | KEY_UPDATE, .first = 2}),
        .group = "generic",
        .since = "6.2.0",
        .summary = "Copies a value to another key.",
        .complexity = "O(N) with N elements of the value, O(1) for a string.",
        .args = "source:key#0 destination:key#1 destination-db:integer=DB? "
                "replace:token=REPLACE?",
    },
    {
        .name = "move",
        .run = cmd_move,
        .arity = 3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 1}),
        .group = "generic",
        .since = "1.0.0",
        .summary = "Moves a key to another database.",
        .complexity = "O(1)",
        .args = "key:key#0 db:integer",
    },
    {
        .name = "randomkey",
        .run = cmd_randomkey,
        .arity = 1,
        .flags = CMD_READONLY | CMD_TOUCHES_ARBITRARY_KEYS,
        .categories = CAT_KEYSPACE,
        .group = "generic",
        .since = "1.0.0",
        .summary = "Returns the name of a random key.",
        .complexity = "O(1)",
        .tips = "request_policy:all_shards response_policy:special nondeterministic_output",
    },
    {
        .name = "keys",
        .run = cmd_keys,
        .arity = 2,
        .flags = CMD_READONLY,
        .categories = CAT_KEYSPACE | CAT_DANGEROUS,
        .group = "generic",
        .since = "1.0.0",
        .summary = "Returns the names of all keys that match a pattern.",
        .complexity = "O(N) with N keys in the database.",
        .args = "pattern:pattern",
        .tips = "request_policy:all_shards nondeterministic_output_order",
    },
    {
        .name = "touch",
        .run = cmd_touch,
        .arity = -2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RO, .first = 1, .last = -1}),
        .group = "generic",
        .since = "3.2.1",
        .summary = "Marks keys as just used and counts those that exist.",
        .complexity = "O(N) with N keys.",
        .args = "key:key#0*",
        .tips = "request_policy:multi_shard response_policy:agg_sum",
    },
    {0},
};
