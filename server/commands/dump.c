/*
 * dump.c - DUMP and RESTORE: values as bytes, for other servers and for safekeeping.
 */
#include "base/memory.h"
#include "server/call.h"
#include "server/command.h"
#include "server/log.h"
#include "server/server.h"
#include "storage/eviction.h"
#include "storage/snapshot/rdb_object.h"

/* -- DUMP -------------------------------------------------------------------------------------- */

static void cmd_dump(struct call *call)
{
    enum { COPY_MAX = 16 * 1024 }; /* more is handed over instead */
    const struct entry *e = call_find(call, 1);
    if (e == NULL) {
        reply_null(call->reply);
        return;
    }
    struct rdb_writer w;
    rdb_writer_init(&w, call->server->opt.rdbcompression);
    rdb_write_dump(&w, e);
    if (w.len > COPY_MAX) {
        reply_bulk_owned(call->reply, rdb_writer_view(&w), w.data, mem_free);
    } else {
        reply_bulk(call->reply, rdb_writer_view(&w));
        rdb_writer_fini(&w);
    }
}

/* -- RESTORE ----------------------------------------------------------------------------------- */

struct restore {
    bool replace, absolute;
    int64_t idle, frequency; /* -1: not given */
    int64_t ttl;             /* ms; 0: none */
};

/* 0 to max; error is for other numbers. */
static bool number_or_reply(struct call *call, int i, int64_t max, int64_t *out, const char *error)
{
    if (!call_i64_or_reply(call, i, out, NULL))
        return false;
    if (*out < 0 || *out > max)
        reply_error(call->reply, error);
    return *out >= 0 && *out <= max;
}

static bool option_or_reply(struct call *call, int *i, struct restore *out)
{
    bool more = *i + 1 < call->argc;
    struct bytes word = call->argv[*i];
    if (bytes_is_word(word, "replace")) {
        out->replace = true;
    } else if (bytes_is_word(word, "absttl")) {
        out->absolute = true;
    } else if (bytes_is_word(word, "idletime") && more && out->frequency == -1) {
        return number_or_reply(call, ++*i, INT64_MAX, &out->idle,
                               "ERR Invalid IDLETIME value, must be >= 0");
    } else if (bytes_is_word(word, "freq") && more && out->idle == -1) {
        return number_or_reply(call, ++*i, UINT8_MAX, &out->frequency,
                               "ERR Invalid FREQ value, must be >= 0 and <= 255");
    } else {
        reply_syntax_error(call);
        return false;
    }
    return true;
}

static bool options_or_reply(struct call *call, struct restore *out)
{
    *out = (struct restore){.idle = -1, .frequency = -1};
    for (int i = 4; i < call->argc; i++)
        if (!option_or_reply(call, &i, out))
            return false;
    return true;
}

/* The value of argument 3; NULL: answered. */
static struct entry *value_or_reply(struct call *call)
{
    struct bytes body;
    if (!rdb_unseal(call->argv[3], call->server->skip_dump_checksums, &body)) {
        reply_error(call->reply, "ERR DUMP payload version or checksum are wrong");
        return NULL;
    }
    struct rdb_reader r = rdb_reader(body);
    struct rdb_place place = {&call->keys->limits, call->argv[1]};
    uint8_t type = rdb_read_byte(&r);
    struct entry *e = r.failed ? NULL : rdb_read_value(&r, type, &place);
    if (e == NULL) {
        log_write(call->server->log, LOG_LEVEL_VERBOSE, "RESTORE refuses a payload: %s",
                  r.why != NULL ? r.why : "integrity check failed");
        reply_error(call->reply, "ERR Bad data format");
    }
    return e;
}

static void put(struct call *call, struct key key, struct entry *e, const struct restore *how)
{
    struct keyspace *ks = call->keys;
    keyspace_add(ks, call->db, e, key.hash);
    if (how->ttl != 0)
        e = keyspace_set_deadline(ks, call->db, e, key.hash, how->ttl);
    if (ks->lfu && how->frequency >= 0)
        entry_set_clock(e, eviction_clock_of_frequency(ks, (uint8_t)how->frequency));
    else if (!ks->lfu && how->idle >= 0)
        entry_set_clock(e, eviction_clock_of_idle(ks, how->idle));
    keyspace_changed(ks, call->db, key.name, EVENT_GENERIC, "restore");
}

static void cmd_restore(struct call *call)
{
    struct keyspace *ks = call->keys;
    struct key key = call_key(call, 1);
    struct restore how;
    if (!options_or_reply(call, &how))
        return;
    bool taken = keyspace_find(ks, call->db, key) != NULL;
    if (taken && !how.replace) {
        reply_error(call->reply, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!number_or_reply(call, 2, INT64_MAX, &how.ttl, "ERR Invalid TTL value, must be >= 0"))
        return;
    struct entry *e = value_or_reply(call);
    if (e == NULL)
        return;
    if (taken)
        keyspace_remove(ks, call->db, key, ks->lazy_server_del);
    if (how.ttl != 0 && !how.absolute)
        how.ttl = how.ttl < INT64_MAX - ks->now_ms ? how.ttl + ks->now_ms : INT64_MAX;
    if (how.ttl == 0 || how.ttl > ks->now_ms) {
        put(call, key, e, &how);
    } else {
        keyspace_end_entry(ks, e, false);
        if (taken)
            keyspace_changed(ks, call->db, key.name, EVENT_GENERIC, "del");
    }
    reply_ok(call->reply);
}

#define RESTORE_ARGS                                                                               \
    "key:key#0 ttl:integer serialized-value replace:token=REPLACE?@3.0.0 "                         \
    "absttl:token=ABSTTL?@5.0.0 seconds:integer=IDLETIME?@5.0.0 frequency:integer=FREQ?@5.0.0"

const struct command dump_commands[] = {
    {
        .name = "dump",
        .run = cmd_dump,
        .arity = 2,
        .flags = CMD_READONLY,
        .categories = CAT_KEYSPACE,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "generic",
        .since = "2.6.0",
        .summary = "Returns a value as bytes, for RESTORE.",
        .complexity = "O(N) with N elements of the value, or bytes of a string.",
        .args = "key:key#0",
        .tips = "nondeterministic_output",
    },
    {
        .name = "restore",
        .run = cmd_restore,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_KEYSPACE | CAT_DANGEROUS,
        KEYS({KEY_OW | KEY_UPDATE, .first = 1}),
        .group = "generic",
        .since = "2.6.0",
        .summary = "Makes a key of what DUMP returned.",
        .complexity = "O(N) with N elements of the value, or bytes of a string; O(N*log(N)) for "
                      "sorted sets.",
        .args = RESTORE_ARGS,
        .history = "3.0.0:Added the `REPLACE` modifier.\n5.0.0:Added the `ABSTTL` modifier.\n"
                   "5.0.0:Added the `IDLETIME` and `FREQ` options.",
    },
    {
        .name = "restore-asking",
        .run = cmd_restore,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_ASKING,
        .categories = CAT_KEYSPACE | CAT_DANGEROUS,
        KEYS({KEY_OW | KEY_UPDATE, .first = 1}),
        .group = "server",
        .since = "3.0.0",
        .summary = "What the nodes of a cluster send in place of RESTORE.",
        .complexity = "As RESTORE.",
        .args = RESTORE_ARGS,
        .history = "3.0.0:Added the `REPLACE` modifier.\n5.0.0:Added the `ABSTTL` modifier.\n"
                   "5.0.0:Added the `IDLETIME` and `FREQ` options.",
    },
    {0},
};
