/*
 * debug.c - DEBUG: for tests and for people who look inside.
 *
 * Redis has no rows for these subcommands (COMMAND INFO knows DEBUG alone), so they have a table of
 * their own at the foot of this file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "base/glob.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "scripting/functions.h"
#include "server/call.h"
#include "server/client.h"
#include "server/command.h"
#include "server/commands/object.h"
#include "server/config_file.h"
#include "server/crash.h"
#include "server/cron.h"
#include "server/debug_gate.h"
#include "server/digest.h"
#include "server/log.h"
#include "server/scripts.h"
#include "server/server.h"
#include "storage/eviction.h"
#include "storage/hash.h"
#include "storage/list.h"
#include "storage/listpack.h"
#include "storage/string.h"
#include "storage/undo.h"
#include "storage/value.h"

#ifdef REDOUBT_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

bool debug_is_allowed(const struct server *s, const struct client *c)
{
    return s->opt.enable_debug_command == PROTECTED_YES ||
           (s->opt.enable_debug_command == PROTECTED_LOCAL && client_is_local(c));
}

/* An argument that is 0 or 1; like Redis, anything that is not a number is 0. */
static bool switch_at(const struct call *call, int i)
{
    int64_t value;
    return number_parse_i64(call->argv[i], &value) && value != 0;
}

/* -- ways to end the process ------------------------------------------------------------------- */

static void debug_segfault(struct call *call)
{
    (void)call;
    volatile char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *page = 'x';
}

static void debug_panic(struct call *call)
{
    server_panic(call->server, "DEBUG PANIC was called");
}

static void debug_assert(struct call *call)
{
    crash_assertion(call->server, __FILE__, __LINE__, "1 == 2");
}

static void debug_oom(struct call *call)
{
    volatile size_t too_much = SIZE_MAX / 2;
    mem_free(mem_alloc(too_much));
    reply_ok(call->reply);
}

/* -- keys -------------------------------------------------------------------------------------- */

/* The entry, dead or alive, without a trace; NULL: answered. */
static struct entry *find_any_or_reply(struct call *call, int i)
{
    struct key key = call_key(call, i);
    struct entry *e = dict_find(&call->keys->dbs[call->db].keys, key.name, key.hash);
    if (e == NULL)
        reply_error(call->reply, "ERR no such key");
    return e;
}

/* Bytes of the value in a snapshot: integers take 1, 2 or 4 bytes behind a byte that says so, bytes
 * follow their length of 1, 2 or 5 bytes. */
static size_t serialized_length(const struct entry *e)
{
    int64_t number;
    if (entry_type(e) != TYPE_STRING)
        return 0;
    if (string_as_i64(e, &number)) {
        if (number >= INT8_MIN && number <= INT8_MAX)
            return 2;
        if (number >= INT16_MIN && number <= INT16_MAX)
            return 3;
        if (number >= INT32_MIN && number <= INT32_MAX)
            return 5;
    }
    size_t len = string_length(e);
    return len + (len < 1 << 6 ? 1 : len < 1 << 14 ? 2 : len <= UINT32_MAX ? 5 : 9);
}

static void debug_object(struct call *call)
{
    const struct entry *e = find_any_or_reply(call, 2);
    if (e == NULL)
        return;
    char line[256];
    int len = snprintf(line, sizeof line,
                       "Value at:%p refcount:%lld encoding:%s serializedlength:%zu lru:%u "
                       "lru_seconds_idle:%lld",
                       (const void *)e, (long long)object_refcount(call->server, e),
                       entry_encoding_name(entry_encoding(e)), serialized_length(e), entry_clock(e),
                       (long long)(eviction_idle_ms(call->keys, e) / 1000));
    struct list_shape shape;
    if (entry_type(e) == TYPE_LIST && list_describe(e, &shape))
        snprintf(line + len, sizeof line - (size_t)len,
                 " ql_nodes:%llu ql_avg_node:%.2f ql_listpack_max:%d ql_compressed:%d "
                 "ql_uncompressed_size:%zu",
                 (unsigned long long)shape.nodes, (double)shape.elements / (double)shape.nodes,
                 shape.fill, shape.compressed, shape.bytes);
    reply_simple(call->reply, line);
}

static void reply_digest(struct call *call, const struct digest *d)
{
    char hex[DIGEST_HEX_LEN + 1];
    digest_format(d, hex);
    reply_simple(call->reply, hex);
}

static void debug_digest(struct call *call)
{
    struct digest d = digest_keyspace(call->keys);
    reply_digest(call, &d);
}

static void debug_digest_value(struct call *call)
{
    reply_array(call->reply, call->argc - 2);
    for (int i = 2; i < call->argc; i++) {
        const struct entry *e = keyspace_peek(call->keys, call->db, call_key(call, i));
        struct digest d = e != NULL ? digest_value(e) : (struct digest){0};
        reply_digest(call, &d);
    }
}

/* Keys <prefix>:0 ... <prefix>:<count-1>, those that exist aside. With a size, values are cut or
 * filled up with zero bytes. */
static void debug_populate(struct call *call)
{
    static const char NOT_POSITIVE[] = "ERR value is out of range, must be positive";
    struct bytes prefix = call->argc > 3 ? call->argv[3] : bytes_of_text("key");
    int64_t count, size = 0;
    if (!call_range_or_reply(call, 2, 0, INT64_MAX, &count, NOT_POSITIVE) ||
        (call->argc > 4 && !call_range_or_reply(call, 4, 0, INT64_MAX, &size, NOT_POSITIVE)))
        return;

    struct keyspace *ks = call->keys;
    char *padded = size > 0 ? mem_try_alloc((size_t)size) : NULL;
    if (size > 0 && padded == NULL) {
        reply_error(call->reply, "ERR not enough memory for values of this size");
        return;
    }
    struct text name = {0};
    for (int64_t i = 0; i < count; i++) {
        name.len = 0;
        text_add(&name, prefix);
        text_addf(&name, ":%lld", (long long)i);
        struct key key = key_of(text_view(&name));
        if (keyspace_find(ks, call->db, key) != NULL)
            continue;
        char number[32];
        size_t len = (size_t)snprintf(number, sizeof number, "value:%lld", (long long)i);
        struct bytes value = bytes_of(number, len);
        if (padded != NULL) {
            memset(padded, 0, (size_t)size);
            memcpy(padded, number, len < (size_t)size ? len : (size_t)size);
            value = bytes_of(padded, (size_t)size);
        }
        string_set(ks, call->db, NULL, key, value, DEADLINE_NONE);
        keyspace_changed(ks, call->db, key.name, EVENT_STRING, "set");
    }
    text_fini(&name);
    mem_free(padded);
    reply_ok(call->reply);
}

/* -- the snapshot ------------------------------------------------------------------------------ */

static void flush_everything(struct server *s)
{
    struct functions *fresh = scripts_fresh_functions(s->scripts);
    keyspace_flush(s->keys, -1, false);
    if (functions_exchange(scripts_functions(s->scripts), fresh, s->keys->undo))
        functions_destroy(fresh);
}

static void debug_reload(struct call *call)
{
    bool save = true, flush = true, merge = false;
    for (int i = 2; i < call->argc; i++) {
        if (bytes_is_word(call->argv[i], "merge")) {
            merge = true;
        } else if (bytes_is_word(call->argv[i], "noflush")) {
            flush = false;
        } else if (bytes_is_word(call->argv[i], "nosave")) {
            save = false;
        } else {
            reply_error(call->reply, "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE "
                                     "options.");
            return;
        }
    }
    struct server *s = call->server;
    if (undo_is_open(s->keys->undo)) {
        reply_error(call->reply, "ERR DEBUG RELOAD is not possible where it may be taken back");
        return;
    }
    if (save && !snapshot_save(s)) {
        reply_error(call->reply, "ERR");
        return;
    }
    if (flush)
        flush_everything(s);
    if (snapshot_load(s, merge)) {
        if (flush)
            s->snapshot.saved_dirty = s->keys->dirty;
        log_write(s->log, LOG_LEVEL_WARNING, "DB reloaded by DEBUG RELOAD");
        reply_ok(call->reply);
    } else {
        reply_error(call->reply, "ERR Error trying to load the RDB dump, check server logs.");
    }
}

/* -- tables ------------------------------------------------------------------------------------ */

static void debug_htstats(struct call *call)
{
    int64_t id;
    if (!call_i64_or_reply(call, 2, &id, NULL))
        return;
    if (id < 0 || id >= call->keys->db_count) {
        reply_error(call->reply, "ERR Out of range database");
        return;
    }
    const struct db *db = &call->keys->dbs[id];
    char table[4096];
    size_t len = dict_describe(&db->keys, table, sizeof table);
    struct text report = {0};
    text_addf(&report, "[Dictionary HT]\n");
    text_add(&report, bytes_of(table, len));
    text_addf(&report, "[Expires HT]\n number of elements: %llu\n",
              (unsigned long long)db->expiry.keys);
    reply_verbatim(call->reply, text_view(&report), "txt");
    text_fini(&report);
}

static void debug_htstats_key(struct call *call)
{
    const struct entry *e = find_any_or_reply(call, 2);
    if (e == NULL)
        return;
    const struct value_ops *ops = value_ops(entry_type(e));
    const struct dict *members = ops->members != NULL ? ops->members(e) : NULL;
    if (members == NULL) {
        reply_error(call->reply, "ERR The value stored at the specified key is not represented "
                                 "using an hash table");
        return;
    }
    char table[4096];
    size_t len = dict_describe(members, table, sizeof table);
    reply_verbatim(call->reply, bytes_of(table, len), "txt");
}

static void debug_listpack(struct call *call)
{
    struct entry *e = find_any_or_reply(call, 2);
    if (e == NULL)
        return;
    int width;
    const unsigned char *lp = entry_type(e) == TYPE_HASH          ? hash_listpack(e, &width)
                              : entry_encoding(e) == ENC_LISTPACK ? entry_pointer(e)
                                                                  : NULL;
    if (lp == NULL) {
        reply_error(call->reply, "ERR Not a listpack encoded object.");
        return;
    }
    char scratch[NUMBER_TEXT_MAX];
    printf("listpack of %u elements in %zu bytes\n", lp_count(lp), lp_bytes(lp));
    for (const unsigned char *at = lp_first(lp); at != NULL; at = lp_next(lp, at)) {
        struct bytes text = lp_text(at, scratch);
        printf("  at %td: %s, %zu bytes: %.*s\n", at - lp, lp_get(at).is_int ? "integer" : "string",
               text.len, (int)(text.len < 40 ? text.len : 40), text.ptr);
    }
    fflush(stdout);
    reply_simple(call->reply, "Listpack structure printed on stdout");
}

/* Holds for lists that become quicklists from now on. */
static void debug_quicklist_packed_threshold(struct call *call)
{
    uint64_t bytes;
    if (!number_parse_memory(call->argv[2], &bytes) || bytes >= (uint64_t)4 << 30) {
        reply_error(call->reply,
                    "ERR argument must be a memory value bigger than 1 and smaller than 4gb");
        return;
    }
    call->keys->limits.list.plain_bytes = bytes;
    reply_ok(call->reply);
}

/* Between commands nothing else holds a database's table. */
static void debug_dict_resizing(struct call *call)
{
    uint32_t hold = !switch_at(call, 2);
    for (int i = 0; i < call->keys->db_count; i++)
        call->keys->dbs[i].keys.hold = hold;
    reply_ok(call->reply);
}

/* -- the allocator's controls ------------------------------------------------------------------ */

#ifdef REDOUBT_JEMALLOC

static void reply_errno(struct call *call, int error)
{
    reply_errorf(call->reply, "ERR %s", strerror(error));
}

/* Numbers of all widths that jemalloc has: the widest that the control takes. */
static void debug_mallctl(struct call *call)
{
    static const size_t widths[] = {8, 4, 1};
    int64_t next = 0;
    if (call->argc > 3 && !call_i64_or_reply(call, 3, &next, NULL))
        return;
    char *name = mem_copy_bytes(call->argv[2].ptr, call->argv[2].len);
    int error = EINVAL;
    for (size_t i = 0; i < sizeof widths / sizeof widths[0] && error == EINVAL; i++) {
        int64_t old = 0; /* little-endian: the low bytes are the narrow number */
        size_t len = widths[i];
        error = mallctl(name, &old, &len, call->argc > 3 ? &next : NULL,
                        call->argc > 3 ? widths[i] : 0);
        if (error == 0)
            reply_int(call->reply, old);
    }
    mem_free(name);
    if (error != 0)
        reply_errno(call, error);
}

static void debug_mallctl_str(struct call *call)
{
    char *name = mem_copy_bytes(call->argv[2].ptr, call->argv[2].len);
    const char *old = "";
    size_t len = sizeof old;
    int error;
    if (call->argc == 3) {
        error = mallctl(name, &old, &len, NULL, 0);
    } else if (bytes_is_word(call->argv[3], "void")) {
        error = mallctl(name, NULL, NULL, NULL, 0);
    } else {
        /* The control keeps the pointer: this text is never freed. */
        char *next = mem_copy_bytes(call->argv[3].ptr, call->argv[3].len);
        error = mallctl(name, &old, &len, &next, sizeof next);
    }
    mem_free(name);
    if (error != 0)
        reply_errno(call, error);
    else if (call->argc == 3)
        reply_bulk_text(call->reply, old);
    else
        reply_ok(call->reply);
}

#endif

/* -- replies ----------------------------------------------------------------------------------- */

static void protocol_string(struct reply *r)
{
    reply_bulk_text(r, "Hello World");
}

static void protocol_integer(struct reply *r)
{
    reply_int(r, 12345);
}

static void protocol_double(struct reply *r)
{
    reply_double(r, 3.141);
}

static void protocol_bignum(struct reply *r)
{
    reply_big_number(r, bytes_of_text("1234567999999999999999999999999999999"));
}

static void protocol_array(struct reply *r)
{
    reply_array(r, 3);
    for (int i = 0; i < 3; i++)
        reply_int(r, i);
}

static void protocol_set(struct reply *r)
{
    reply_set(r, 3);
    for (int i = 0; i < 3; i++)
        reply_int(r, i);
}

static void protocol_map(struct reply *r)
{
    reply_map(r, 3);
    for (int i = 0; i < 3; i++) {
        reply_int(r, i);
        reply_bool(r, i == 1);
    }
}

static void protocol_attrib(struct reply *r)
{
    if (r->resp > 2) {
        reply_attribute(r, 1);
        reply_bulk_text(r, "key-popularity");
        reply_array(r, 2);
        reply_bulk_text(r, "key:123");
        reply_int(r, 90);
    }
    reply_bulk_text(r, "Some real reply following the attribute");
}

static void protocol_push(struct reply *r)
{
    if (r->resp < 3) {
        reply_error(r, "ERR RESP2 is not supported by this command");
        return;
    }
    reply_push(r, 2);
    reply_bulk_text(r, "server-cpu-usage");
    reply_int(r, 42);
    reply_bulk_text(r, "Some real reply following the push reply");
}

static void protocol_verbatim(struct reply *r)
{
    reply_verbatim(r, bytes_of_text("This is a verbatim\nstring"), "txt");
}

static void protocol_true(struct reply *r)
{
    reply_bool(r, true);
}

static void protocol_false(struct reply *r)
{
    reply_bool(r, false);
}

static void debug_protocol(struct call *call)
{
    static const struct {
        const char *name;
        void (*write)(struct reply *r);
    } kinds[] = {
        {"string", protocol_string},
        {"integer", protocol_integer},
        {"double", protocol_double},
        {"bignum", protocol_bignum},
        {"null", reply_null},
        {"array", protocol_array},
        {"set", protocol_set},
        {"map", protocol_map},
        {"attrib", protocol_attrib},
        {"push", protocol_push},
        {"verbatim", protocol_verbatim},
        {"true", protocol_true},
        {"false", protocol_false},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (bytes_is_word(call->argv[2], kinds[i].name)) {
            kinds[i].write(call->reply);
            return;
        }
    }
    reply_error(call->reply,
                "ERR Wrong protocol type name. Please use one of the following: "
                "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false");
}

static void debug_error(struct call *call)
{
    reply_error_bytes(call->reply, call->argv[2]);
}

/* -- the server -------------------------------------------------------------------------------- */

static void debug_sleep(struct call *call)
{
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)(call->argv[2].len < 63 ? call->argv[2].len : 63),
             call->argv[2].ptr);
    double seconds = strtod(text, NULL);
    if (seconds > 0 && seconds < 1e9) {
        struct timespec left = {.tv_sec = (time_t)seconds};
        left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
        while (nanosleep(&left, &left) != 0 && errno == EINTR)
            ;
    }
    reply_ok(call->reply);
}

static void debug_set_active_expire(struct call *call)
{
    cron_set_active_expire(call->server->cron, switch_at(call, 2));
    reply_ok(call->reply);
}

static void debug_skip_checksums(struct call *call)
{
    call->server->skip_dump_checksums = switch_at(call, 2);
    reply_ok(call->reply);
}

static void debug_pause_cron(struct call *call)
{
    cron_pause(call->server->cron, switch_at(call, 2));
    reply_ok(call->reply);
}

static void debug_change_repl_id(struct call *call)
{
    struct server *s = call->server;
    log_write(s->log, LOG_LEVEL_NOTICE, "Replication id changed by DEBUG CHANGE-REPL-ID");
    random_hex(s->replication_id, sizeof s->replication_id - 1);
    reply_ok(call->reply);
}

static void debug_config_rewrite_all(struct call *call)
{
    struct server *s = call->server;
    if (s->config_file == NULL)
        reply_error(call->reply, "ERR The server is running without a config file");
    else if (config_file_rewrite(&s->opt, s->config_file, true))
        reply_ok(call->reply);
    else
        reply_errorf(call->reply, "ERR Rewriting config file: %s", strerror(errno));
}

static void debug_log(struct call *call)
{
    log_write(call->server->log, LOG_LEVEL_WARNING, "DEBUG LOG: %.*s", (int)call->argv[2].len,
              call->argv[2].ptr);
    reply_ok(call->reply);
}

static void debug_leak(struct call *call)
{
    const char *volatile lost = mem_copy_bytes(call->argv[2].ptr, call->argv[2].len);
    (void)lost;
    reply_ok(call->reply);
}

static void debug_stringmatch_len(struct call *call)
{
    int64_t len;
    if (!call_range_or_reply(call, 2, 0, 1 << 30, &len, NULL))
        return;
    char *text = mem_alloc((size_t)len + 1);
    memset(text, 'a', (size_t)len);
    reply_int(call->reply, glob_match(call->argv[3], bytes_of(text, (size_t)len), false));
    mem_free(text);
}

/* Switches of mechanisms that need none here: replies hold no buffer while idle, one code path
 * writes all replies. Accepted, so that tests which turn them go on. */
static void debug_deny_scripts(struct call *call)
{
    scripts_allow_all(call->server->scripts, bytes_is_word(call->argv[2], "1"));
    reply_ok(call->reply);
}

static void debug_accept(struct call *call)
{
    reply_ok(call->reply);
}

static void debug_replybuffer(struct call *call)
{
    if (bytes_is_word(call->argv[2], "peak-reset-time") || bytes_is_word(call->argv[2], "resizing"))
        reply_ok(call->reply);
    else
        reply_subcommand_arguments(call);
}

static void debug_help(struct call *call);

/* -- the table --------------------------------------------------------------------------------- */

static const struct subcommand {
    const char *name;
    int min, max; /* arguments in all, DEBUG and the name included */
    void (*run)(struct call *call);
    const char *usage, *what;
} subcommands[] = {
    {"assert", 2, 2, debug_assert, "ASSERT", "End the process with a failed assertion."},
    {"change-repl-id", 2, 2, debug_change_repl_id, "CHANGE-REPL-ID",
     "Take a new replication id: replicas must synchronize anew."},
    {"client-enforce-reply-list", 3, 3, debug_accept, "CLIENT-ENFORCE-REPLY-LIST <0|1>",
     "Accepted for compatibility."},
    {"config-rewrite-force-all", 2, 2, debug_config_rewrite_all, "CONFIG-REWRITE-FORCE-ALL",
     "Like CONFIG REWRITE, but options that have their default are written, too."},
    {"dict-resizing", 3, 3, debug_dict_resizing, "DICT-RESIZING <0|1>",
     "Whether the tables of the databases may grow and shrink."},
    {"digest", 2, 2, debug_digest, "DIGEST", "A fingerprint of all keys and values."},
    {"digest-value", 2, INT32_MAX, debug_digest_value, "DIGEST-VALUE [<key> ...]",
     "A fingerprint of each value."},
    {"error", 3, 3, debug_error, "ERROR <text>", "Answer with this error."},
    {"htstats", 3, 4, debug_htstats, "HTSTATS <dbid> [full]",
     "How well the table of a database is filled."},
    {"htstats-key", 3, 4, debug_htstats_key, "HTSTATS-KEY <key> [full]",
     "How well the table behind a value is filled."},
    {"leak", 3, 3, debug_leak, "LEAK <text>", "Copy the text and forget the copy."},
    {"listpack", 3, 3, debug_listpack, "LISTPACK <key>",
     "Print the elements of a listpack to the standard output."},
    {"log", 3, 3, debug_log, "LOG <message>", "Write a line to the log."},
#ifdef REDOUBT_JEMALLOC
    {"mallctl", 3, 4, debug_mallctl, "MALLCTL <key> [<number>]",
     "Read or set a control of the allocator that is a number."},
    {"mallctl-str", 3, 4, debug_mallctl_str, "MALLCTL-STR <key> [<text>]",
     "Read or set a control of the allocator that is a text."},
#endif
    {"object", 3, 3, debug_object, "OBJECT <key>", "How a value is kept."},
    {"oom", 2, 2, debug_oom, "OOM", "End the process by running out of memory."},
    {"panic", 2, 2, debug_panic, "PANIC", "End the process with a panic."},
    {"pause-cron", 3, 3, debug_pause_cron, "PAUSE-CRON <0|1>",
     "Stop what happens periodically, or let it go on."},
    {"populate", 3, 5, debug_populate, "POPULATE <count> [<prefix> [<size>]]",
     "Create keys <prefix>:0, <prefix>:1, ... (prefix: key) with values of <size> bytes."},
    {"protocol", 3, 3, debug_protocol, "PROTOCOL <type>",
     "A sample reply: string, integer, double, bignum, null, array, set, map, attrib, push, "
     "verbatim, true, false."},
    {"quicklist-packed-threshold", 3, 3, debug_quicklist_packed_threshold,
     "QUICKLIST-PACKED-THRESHOLD <size>",
     "From how many bytes on an element of a list has a node of its own; 0: when it fits in none."},
    {"reload", 2, 5, debug_reload, "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
     "Save the dataset, remove all, and load it again."},
    {"replybuffer", 4, 4, debug_replybuffer, "REPLYBUFFER PEAK-RESET-TIME|RESIZING <value>",
     "Accepted for compatibility."},
    {"segfault", 2, 2, debug_segfault, "SEGFAULT", "End the process by a forbidden access."},
    {"set-active-expire", 3, 3, debug_set_active_expire, "SET-ACTIVE-EXPIRE <0|1>",
     "Whether keys expire without being accessed."},
    {"set-disable-deny-scripts", 3, 3, debug_deny_scripts, "SET-DISABLE-DENY-SCRIPTS <0|1>",
     "Whether scripts may call commands that are not for scripts."},
    {"set-skip-checksum-validation", 3, 3, debug_skip_checksums,
     "SET-SKIP-CHECKSUM-VALIDATION <0|1>", "Whether RESTORE takes payloads with a wrong checksum."},
    {"sleep", 3, 3, debug_sleep, "SLEEP <seconds>", "Do nothing for so long; may be a fraction."},
    {"stringmatch-len", 4, 4, debug_stringmatch_len, "STRINGMATCH-LEN <len> <pattern>",
     "Match a pattern against <len> times the letter a."},
    {"help", 2, 2, debug_help, NULL, NULL},
};

enum { SUBCOMMANDS = sizeof subcommands / sizeof subcommands[0] };

static void debug_help(struct call *call)
{
    const char *lines[2 * SUBCOMMANDS + 1];
    char indented[SUBCOMMANDS][160];
    int count = 0;
    for (int i = 0; i < SUBCOMMANDS; i++) {
        if (subcommands[i].usage == NULL)
            continue;
        snprintf(indented[i], sizeof indented[i], "    %s", subcommands[i].what);
        lines[count++] = subcommands[i].usage;
        lines[count++] = indented[i];
    }
    lines[count] = NULL;
    reply_help(call, lines);
}

static void cmd_debug(struct call *call)
{
    for (int i = 0; i < SUBCOMMANDS; i++) {
        const struct subcommand *sub = &subcommands[i];
        if (bytes_is_word(call->argv[1], sub->name) && call->argc >= sub->min &&
            call->argc <= sub->max) {
            sub->run(call);
            return;
        }
    }
    reply_subcommand_arguments(call);
}

const struct command debug_commands[] = {
    {.name = "debug",
     .run = cmd_debug,
     .arity = -2,
     .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_PROTECTED | CMD_SYSTEM,
     .group = "server",
     .since = "1.0.0",
     .summary = "Holds commands for testing and for looking inside the server.",
     .complexity = "Depends on the subcommand."},
    {0},
};
