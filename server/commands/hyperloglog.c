/*
 * hyperloglog.c - PFADD, PFCOUNT, PFMERGE, and PFDEBUG and PFSELFTEST for those who look inside.
 *
 * A dense value is changed in place, register by register. A sparse one is changed in a copy, and
 * what came out otherwise is put back: its bytes move anyway. A value that is no HyperLogLog, or is
 * corrupt inside, gets Redis's errors at the point where Redis notices.
 */
#include "base/memory.h"
#include "base/text.h"
#include "server/call.h"
#include "server/command.h"
#include "server/server.h"
#include "storage/hll.h"
#include "storage/string.h"

static const char corrupt[] = "INVALIDOBJ Corrupted HLL object detected";

/* The value at a key, if there is one, or an error. A number is none, so no scratch is needed. */
static bool value_or_reply(struct call *call, const struct entry *e, struct bytes *out)
{
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return false;
    *out = bytes_of("", 0);
    if (e == NULL)
        return true;
    if (entry_encoding(e) != ENC_INT)
        *out = string_view(e, NULL);
    if (hll_is_valid(*out))
        return true;
    reply_error(call->reply, "WRONGTYPE Key is not a valid HyperLogLog string value.");
    return false;
}

static void tell(struct call *call, struct key key, uint64_t elements)
{
    keyspace_changed_by(call->keys, call->db, key.name, EVENT_STRING, "pfadd", elements);
}

/* The value has changed, which Redis does not tell of. */
static void tell_silently(struct call *call, struct key key)
{
    keyspace_changed(call->keys, call->db, key.name, 0, NULL);
}

/* -- changing ---------------------------------------------------------------------------------- */

/* How many bytes are the same from the front. */
static size_t common_prefix(const char *a, const char *b, size_t len)
{
    size_t i = 0;
    while (i + 8 <= len && bytes_equal_word(a + i, b + i))
        i += 8;
    while (i < len && a[i] == b[i])
        i++;
    return i;
}

static size_t common_suffix(const char *a_end, const char *b_end, size_t len)
{
    size_t i = 0;
    while (i + 8 <= len && bytes_equal_word(a_end - i - 8, b_end - i - 8))
        i += 8;
    while (i < len && a_end[-1 - (ptrdiff_t)i] == b_end[-1 - (ptrdiff_t)i])
        i++;
    return i;
}

/* Make the copy the key's value; e is NULL if there is none. Returns where the entry is now. */
static struct entry *put_back(struct call *call, struct entry *e, struct key key,
                              const struct hll *h)
{
    struct bytes after = bytes_of(h->bytes, h->len);
    if (e == NULL)
        return string_set_raw(call->keys, call->db, NULL, key, after);
    struct bytes before = string_view(e, NULL);
    size_t least = before.len < after.len ? before.len : after.len;
    size_t front = common_prefix(before.ptr, after.ptr, least);
    size_t back = common_suffix(before.ptr + before.len, after.ptr + after.len, least - front);
    return string_splice(call->keys, call->db, e, key.hash, front, before.len - front - back,
                         bytes_of(after.ptr + front, after.len - front - back));
}

/* Mark the count as out of date. */
static void make_stale(struct call *call, struct entry *e, struct key key)
{
    uint64_t count;
    if (hll_cached(string_view(e, NULL), &count))
        string_edit(call->keys, call->db, &e, key.hash, 0, HLL_STALE_AT, 1)[HLL_STALE_AT] |=
            (char)HLL_STALE;
}

/* Add arguments 2 and on in place. Returns how many changed something. */
static int64_t add_to_dense(struct call *call, struct entry *e, struct key key)
{
    int64_t changes = 0;
    for (int i = 2; i < call->argc; i++) {
        struct hll_place place = hll_place(call->argv[i]);
        if (hll_dense_get(string_view(e, NULL).ptr, place.index) >= place.rank)
            continue;
        char *value =
            string_edit(call->keys, call->db, &e, key.hash, 0, hll_dense_at(place.index), 2);
        hll_dense_set(value, place.index, place.rank);
        changes++;
    }
    if (changes > 0)
        make_stale(call, e, key);
    return changes;
}

/* The same by way of a copy; e is NULL if there is no value yet, and its making counts as well. -1:
 * the value is corrupt, and was left as it is. */
static int64_t add_to_copy(struct call *call, struct entry *e, struct key key)
{
    struct hll h;
    uint64_t sparse_max = call->server->opt.hll_sparse_max_bytes;
    int64_t changes = e == NULL;
    hll_init(&h);
    if (e == NULL)
        h.bytes[HLL_STALE_AT] |= HLL_STALE;
    else if (!hll_load(&h, string_view(e, NULL)))
        return -1;
    for (int i = 2; i < call->argc; i++) {
        enum hll_change one = hll_set(&h, hll_place(call->argv[i]), sparse_max);
        if (one == HLL_CORRUPT)
            return -1;
        changes += one == HLL_CHANGED;
    }
    if (changes > 0)
        put_back(call, e, key, &h);
    return changes;
}

static void cmd_pfadd(struct call *call)
{
    struct bytes value;
    struct key key = call_key(call, 1);
    struct entry *e = call_find_for_write(call, 1);
    if (!value_or_reply(call, e, &value))
        return;
    int64_t changes =
        e != NULL && hll_is_dense(value) ? add_to_dense(call, e, key) : add_to_copy(call, e, key);
    if (changes < 0) {
        reply_error(call->reply, corrupt);
        return;
    }
    if (changes > 0)
        tell(call, key, (uint64_t)changes);
    reply_int(call->reply, changes > 0);
}

/* -- counting ---------------------------------------------------------------------------------- */

/* Raise registers by the values at arguments first and on. dense is set if one of them is. */
static bool merge_or_reply(struct call *call, int first, uint8_t *registers, bool *dense)
{
    for (int i = first; i < call->argc; i++) {
        struct bytes value;
        struct entry *e = call_find(call, i);
        if (!value_or_reply(call, e, &value))
            return false;
        if (e == NULL)
            continue;
        *dense |= hll_is_dense(value);
        if (!hll_merge(value, registers)) {
            reply_error(call->reply, corrupt);
            return false;
        }
    }
    return true;
}

/* The estimate is kept in the value, so that it is made once for each change. */
static void count_one(struct call *call)
{
    struct bytes value;
    struct entry *e = call_find(call, 1);
    uint64_t count = 0;
    if (!value_or_reply(call, e, &value))
        return;
    if (e != NULL && !hll_cached(value, &count)) {
        struct key key = call_key(call, 1);
        if (!hll_count(value, &count)) {
            reply_error(call->reply, corrupt);
            return;
        }
        hll_set_count(
            string_edit(call->keys, call->db, &e, key.hash, 0, HLL_COUNT_AT, HLL_COUNT_SIZE),
            count);
        tell_silently(call, key);
    }
    reply_int(call->reply, (int64_t)count);
}

static void cmd_pfcount(struct call *call)
{
    uint8_t registers[HLL_REGISTERS] = {0};
    bool dense = false;
    if (call->argc == 2)
        count_one(call);
    else if (merge_or_reply(call, 1, registers, &dense))
        reply_int(call->reply, (int64_t)hll_count_registers(registers));
}

static bool raise_all(struct call *call, struct hll *h, const uint8_t *registers, bool dense)
{
    uint64_t sparse_max = call->server->opt.hll_sparse_max_bytes;
    if (dense && !hll_make_dense(h))
        return false;
    for (unsigned i = 0; i < HLL_REGISTERS; i++) {
        struct hll_place place = {i, registers[i]};
        if (place.rank > 0 && hll_set_next(h, place, sparse_max) == HLL_CORRUPT)
            return false;
    }
    h->bytes[HLL_STALE_AT] |= HLL_STALE;
    return true;
}

static void cmd_pfmerge(struct call *call)
{
    struct hll h;
    uint8_t registers[HLL_REGISTERS] = {0};
    bool dense = false;
    if (!merge_or_reply(call, 1, registers, &dense))
        return;
    struct key key = call_key(call, 1);
    struct entry *e = call_find_for_write(call, 1);
    hll_init(&h);
    if ((e != NULL && !hll_load(&h, string_view(e, NULL))) ||
        !raise_all(call, &h, registers, dense)) {
        reply_error(call->reply, corrupt);
        return;
    }
    put_back(call, e, key, &h);
    tell(call, key, 1);
    reply_ok(call->reply);
}

/* -- looking inside ---------------------------------------------------------------------------- */

/* Make PFDEBUG's value dense; false: it is corrupt, which was answered. */
static bool make_dense_or_reply(struct call *call, struct entry **e, bool *changed)
{
    struct hll h;
    *changed = !hll_is_dense(string_view(*e, NULL));
    if (!*changed)
        return true;
    if (!hll_load(&h, string_view(*e, NULL)) || !hll_make_dense(&h)) {
        reply_error(call->reply, corrupt);
        return false;
    }
    *e = put_back(call, *e, call_key(call, 2), &h);
    tell_silently(call, call_key(call, 2));
    return true;
}

static void debug_getreg(struct call *call, struct entry *e)
{
    bool changed;
    if (!make_dense_or_reply(call, &e, &changed))
        return;
    const char *value = string_view(e, NULL).ptr;
    reply_array(call->reply, HLL_REGISTERS);
    for (unsigned i = 0; i < HLL_REGISTERS; i++)
        reply_int(call->reply, hll_dense_get(value, i));
}

static void debug_todense(struct call *call, struct entry *e)
{
    bool changed;
    if (make_dense_or_reply(call, &e, &changed))
        reply_int(call->reply, changed);
}

static void debug_encoding(struct call *call, struct entry *e)
{
    reply_simple(call->reply, hll_is_dense(string_view(e, NULL)) ? "dense" : "sparse");
}

static void debug_decode(struct call *call, struct entry *e)
{
    struct bytes value = string_view(e, NULL);
    if (hll_is_dense(value)) {
        reply_error(call->reply, "ERR HLL encoding is not sparse");
        return;
    }
    struct text out = {0};
    const unsigned char *at = (const unsigned char *)value.ptr;
    for (size_t i = HLL_HEADER; i < value.len;) {
        struct hll_run run = hll_run(at + i, i + 1 == value.len);
        const char *space = i > HLL_HEADER ? " " : "";
        if (run.rank > 0)
            text_addf(&out, "%sv:%u,%u", space, run.rank, run.length);
        else
            text_addf(&out, "%s%c:%u", space, run.size == 2 ? 'Z' : 'z', run.length);
        i += run.size;
    }
    reply_bulk(call->reply, text_view(&out));
    text_fini(&out);
}

static void cmd_pfdebug(struct call *call)
{
    static const struct {
        const char *word;
        void (*run)(struct call *call, struct entry *e);
    } subcommands[] = {
        {"getreg", debug_getreg},
        {"decode", debug_decode},
        {"encoding", debug_encoding},
        {"todense", debug_todense},
    };
    struct bytes value, word = call->argv[1];
    struct entry *e = call_find_for_write(call, 2);
    if (e == NULL) {
        reply_error(call->reply, "ERR The specified key does not exist");
        return;
    }
    if (!value_or_reply(call, e, &value))
        return;
    for (unsigned i = 0; i < sizeof subcommands / sizeof *subcommands; i++) {
        if (bytes_is_word(word, subcommands[i].word)) {
            subcommands[i].run(call, e);
            return;
        }
    }
    reply_errorf(call->reply, "ERR Unknown PFDEBUG subcommand '%.*s'",
                 (int)(word.len < 128 ? word.len : 128), word.ptr);
}

static void cmd_pfselftest(struct call *call)
{
    const char *wrong = hll_self_test();
    if (wrong != NULL)
        reply_errorf(call->reply, "TESTFAILED %s", wrong);
    else
        reply_ok(call->reply);
}

const struct command hyperloglog_commands[] = {
    {
        .name = "pfadd",
        .run = cmd_pfadd,
        .arity = -2,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_HYPERLOGLOG,
        KEYS({KEY_RW | KEY_INSERT, .first = 1}),
        .group = "hyperloglog",
        .since = "2.8.9",
        .summary = "Adds elements to a HyperLogLog; a missing key is created.",
        .complexity = "O(1) for each element.",
        .args = "key:key#0 element?*",
    },
    {
        .name = "pfcount",
        .run = cmd_pfcount,
        .arity = -2,
        .flags = CMD_READONLY | CMD_MAY_REPLICATE,
        .categories = CAT_HYPERLOGLOG,
        KEYS({KEY_RW | KEY_ACCESS, .first = 1, .last = -1}),
        .group = "hyperloglog",
        .since = "2.8.9",
        .summary = "Estimates how many different elements one or several HyperLogLogs have seen.",
        .complexity = "O(1) for one key, O(N) for N keys with a large constant.",
        .args = "key:key#0*",
    },
    {
        .name = "pfmerge",
        .run = cmd_pfmerge,
        .arity = -2,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_HYPERLOGLOG,
        KEYS({KEY_RW | KEY_ACCESS | KEY_INSERT, .first = 1},
             {KEY_RO | KEY_ACCESS, .first = 2, .last = -1}),
        .group = "hyperloglog",
        .since = "2.8.9",
        .summary = "Merges HyperLogLogs into one.",
        .complexity = "O(N) with N keys, with a large constant.",
        .args = "destkey:key#0 sourcekey:key#1?*",
    },
    {
        .name = "pfdebug",
        .run = cmd_pfdebug,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_ADMIN | CMD_SYSTEM,
        .categories = CAT_HYPERLOGLOG,
        KEYS({KEY_RW | KEY_ACCESS, .first = 2}),
        .group = "hyperloglog",
        .since = "2.8.9",
        .summary = "Shows the inside of a HyperLogLog.",
        .complexity = "O(N) with N registers.",
        .args = "subcommand key:key#0",
    },
    {
        .name = "pfselftest",
        .run = cmd_pfselftest,
        .arity = 1,
        .flags = CMD_ADMIN | CMD_SYSTEM,
        .categories = CAT_HYPERLOGLOG,
        .group = "hyperloglog",
        .since = "2.8.9",
        .summary = "Checks that HyperLogLogs work on this machine.",
        .complexity = "O(1) with a large constant.",
    },
    {0},
};
