/*
 * bitmaps.c - strings as arrays of bits: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP.
 *
 * Arguments are checked before the key is looked at, as Redis 7.4 does.
 */
#include "server/commands/bitmaps.h"

#include "base/bits.h"
#include "base/memory.h"
#include "server/command.h"
#include "server/server.h"
#include "storage/string.h"

bool bitmap_offset_or_reply(struct call *call, int i, unsigned width, uint64_t *out)
{
    struct bytes text = call->argv[i];
    bool counted = width > 0 && text.len > 0 && text.ptr[0] == '#';
    int64_t offset;
    if (number_parse_i64(bytes_of(text.ptr + counted, text.len - counted), &offset) &&
        !(counted && __builtin_mul_overflow(offset, (int64_t)width, &offset)) && offset >= 0 &&
        offset >> 3 < (int64_t)call->server->opt.proto_max_bulk_len) {
        *out = (uint64_t)offset;
        return true;
    }
    reply_error(call->reply, "ERR bit offset is not an integer or out of range");
    return false;
}

char *bitmap_edit(struct call *call, struct entry **e, size_t min_len, size_t offset, size_t len)
{
    struct key key = call_key(call, 1);
    if (*e == NULL)
        *e = string_set(call->keys, call->db, NULL, key, bytes_of("", 0), DEADLINE_NONE);
    return string_edit(call->keys, call->db, e, key.hash, min_len, offset, len);
}

/* -- single bits ------------------------------------------------------------------------------- */

static bool bit_or_reply(struct call *call, int i, bool *out)
{
    struct bytes text = call->argv[i];
    *out = text.len == 1 && text.ptr[0] == '1';
    if (text.len == 1 && (text.ptr[0] == '0' || text.ptr[0] == '1'))
        return true;
    reply_error(call->reply, "ERR bit is not an integer or out of range");
    return false;
}

static void cmd_setbit(struct call *call)
{
    uint64_t offset;
    bool bit;
    if (!bitmap_offset_or_reply(call, 2, 0, &offset) || !bit_or_reply(call, 3, &bit))
        return;
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return;
    char scratch[NUMBER_TEXT_MAX];
    struct bytes text = e != NULL ? string_view(e, scratch) : bytes_of("", 0);
    bool reaches = offset >> 3 < text.len, before = reaches && bits_get(text.ptr, offset);
    if (!reaches || before != bit || entry_encoding(e) != ENC_RAW)
        bits_put(bitmap_edit(call, &e, (offset >> 3) + 1, offset >> 3, 1), offset, bit);
    if (!reaches || before != bit)
        keyspace_changed(call->keys, call->db, call->argv[1], EVENT_STRING, "setbit");
    reply_int(call->reply, before);
}

static void cmd_getbit(struct call *call)
{
    uint64_t offset;
    if (!bitmap_offset_or_reply(call, 2, 0, &offset))
        return;
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return;
    char scratch[NUMBER_TEXT_MAX];
    struct bytes text = e != NULL ? string_view(e, scratch) : bytes_of("", 0);
    reply_int(call->reply, offset >> 3 < text.len && bits_get(text.ptr, offset));
}

/* -- ranges ------------------------------------------------------------------------------------ */

/* A range as it was asked for: in bytes or bits, both ends included, negative from the end. */
struct range {
    int64_t start, end;
    bool in_bits;
};

static bool unit_or_reply(struct call *call, int i, bool *in_bits)
{
    *in_bits = bytes_is_word(call->argv[i], "bit");
    if (*in_bits || bytes_is_word(call->argv[i], "byte"))
        return true;
    reply_syntax_error(call);
    return false;
}

/* The range within this many bytes, as bits; false: it is empty. */
static bool range_resolve(struct range *r, size_t bytes)
{
    int64_t total = (int64_t)bytes * (r->in_bits ? 8 : 1);
    if (r->start < 0)
        r->start = r->start + total < 0 ? 0 : r->start + total;
    if (r->end < 0)
        r->end = r->end + total < 0 ? 0 : r->end + total;
    if (r->end >= total)
        r->end = total - 1;
    if (r->start > r->end)
        return false;
    if (!r->in_bits)
        *r = (struct range){r->start * 8, r->end * 8 + 7, true};
    return true;
}

static uint64_t count_range(struct bytes text, const struct range *r)
{
    size_t first = (size_t)r->start >> 3, last = (size_t)r->end >> 3;
    unsigned before = (unsigned char)text.ptr[first] & ~(0xffu >> (r->start & 7));
    unsigned after = (unsigned char)text.ptr[last] & (0x7fu >> (r->end & 7));
    return bits_count(bytes_of(text.ptr + first, last - first + 1)) -
           (uint64_t)__builtin_popcount(before) - (uint64_t)__builtin_popcount(after);
}

static bool bitcount_range_or_reply(struct call *call, struct range *r)
{
    *r = (struct range){0, -1, false};
    if (call->argc == 2)
        return true;
    if (call->argc != 4 && call->argc != 5) {
        reply_syntax_error(call);
        return false;
    }
    return call_i64_or_reply(call, 2, &r->start, NULL) &&
           call_i64_or_reply(call, 3, &r->end, NULL) &&
           (call->argc == 4 || unit_or_reply(call, 4, &r->in_bits));
}

static void cmd_bitcount(struct call *call)
{
    struct range r;
    if (!bitcount_range_or_reply(call, &r))
        return;
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return;
    char scratch[NUMBER_TEXT_MAX];
    struct bytes text = e != NULL ? string_view(e, scratch) : bytes_of("", 0);
    bool backwards = r.start < 0 && r.end < 0 && r.start > r.end;
    if (text.len == 0 || backwards || !range_resolve(&r, text.len))
        reply_int(call->reply, 0);
    else
        reply_int(call->reply, (int64_t)count_range(text, &r));
}

/* One bit after the other, as long as first is below this bit. */
static int64_t find_slowly(struct bytes text, bool bit, int64_t *first, int64_t until)
{
    for (; *first < until; ++*first)
        if (bits_get(text.ptr, (uint64_t)*first) == bit)
            return *first;
    return -1;
}

static int64_t find_in_range(struct bytes text, bool bit, const struct range *r)
{
    int64_t first = r->start, end = r->end + 1, aligned = (first + 7) & ~(int64_t)7;
    int64_t found = find_slowly(text, bit, &first, aligned < end ? aligned : end);
    if (found >= 0)
        return found;
    struct bytes whole = bytes_of(text.ptr + (first >> 3), (size_t)((end >> 3) - (first >> 3)));
    if (first < (end & ~(int64_t)7)) {
        found = bits_find(whole, bit);
        if (found >= 0)
            return first + found;
        first = end & ~(int64_t)7;
    }
    return find_slowly(text, bit, &first, end);
}

static bool bitpos_range_or_reply(struct call *call, struct range *r)
{
    *r = (struct range){0, -1, false};
    if (call->argc > 6) {
        reply_syntax_error(call);
        return false;
    }
    return (call->argc < 4 || call_i64_or_reply(call, 3, &r->start, NULL)) &&
           (call->argc < 6 || unit_or_reply(call, 5, &r->in_bits)) &&
           (call->argc < 5 || call_i64_or_reply(call, 4, &r->end, NULL));
}

static void cmd_bitpos(struct call *call)
{
    struct range r;
    int64_t bit;
    if (!call_i64_or_reply(call, 2, &bit, NULL))
        return;
    if (bit != 0 && bit != 1) {
        reply_error(call->reply, "ERR The bit argument must be 1 or 0.");
        return;
    }
    if (!bitpos_range_or_reply(call, &r))
        return;
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return;
    if (e == NULL) {
        reply_int(call->reply, bit ? -1 : 0);
        return;
    }
    char scratch[NUMBER_TEXT_MAX];
    struct bytes text = string_view(e, scratch);
    int64_t found = -1;
    if (range_resolve(&r, text.len)) {
        found = find_in_range(text, bit, &r);
        /* Without an end, the string is as if zeros followed. */
        if (found < 0 && bit == 0 && call->argc < 5)
            found = (int64_t)text.len * 8;
    }
    reply_int(call->reply, found);
}

/* -- BITOP ------------------------------------------------------------------------------------- */

static const struct {
    const char *word, *name;
    int least, most; /* strings that it takes; 0: any number */
} operations[] = {
    [BITS_AND] = {"and", "AND", 1, 0},       [BITS_OR] = {"or", "OR", 1, 0},
    [BITS_XOR] = {"xor", "XOR", 1, 0},       [BITS_NOT] = {"not", "NOT", 1, 1},
    [BITS_DIFF] = {"diff", "DIFF", 2, 0},    [BITS_DIFF1] = {"diff1", "DIFF1", 2, 0},
    [BITS_ANDOR] = {"andor", "ANDOR", 2, 0}, [BITS_ONE] = {"one", "ONE", 1, 0},
};

static bool operation_or_reply(struct call *call, enum bits_operation *out)
{
    int sources = call->argc - 3;
    for (unsigned i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (!bytes_is_word(call->argv[1], operations[i].word))
            continue;
        *out = (enum bits_operation)i;
        if (operations[i].most == 1 && sources > 1)
            reply_errorf(call->reply, "ERR BITOP %s must be called with a single source key.",
                         operations[i].name);
        else if (sources < operations[i].least)
            reply_errorf(call->reply, "ERR BITOP %s must be called with at least two source keys.",
                         operations[i].name);
        else
            return true;
        return false;
    }
    reply_syntax_error(call);
    return false;
}

/* The strings that count arguments from 3 on name; a missing one is empty. */
static bool sources_or_reply(struct call *call, int count, struct bytes *texts,
                             char (*scratch)[NUMBER_TEXT_MAX])
{
    for (int i = 0; i < count; i++) {
        struct entry *e = call_find(call, 3 + i);
        if (!call_type_or_reply(call, e, TYPE_STRING))
            return false;
        texts[i] = e != NULL ? string_view(e, scratch[i]) : bytes_of("", 0);
    }
    return true;
}

/* The longest string's length, which is the result's. */
static size_t combine_and_put(struct call *call, enum bits_operation operation,
                              const struct bytes *texts, int count)
{
    struct keyspace *ks = call->keys;
    struct key key = call_key(call, 2);
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len = texts[i].len > len ? texts[i].len : len;
    if (len == 0) {
        if (keyspace_remove(ks, call->db, key, ks->lazy_server_del))
            keyspace_changed(ks, call->db, key.name, EVENT_GENERIC, "del");
    } else if (len <= ENTRY_INLINE_MAX) {
        unsigned char out[ENTRY_INLINE_MAX];
        bits_combine(operation, texts, count, out, len);
        string_set_raw(ks, call->db, call_find_for_write(call, 2), key, bytes_of(out, len));
    } else {
        struct blob *out = blob_create(len);
        bits_combine(operation, texts, count, (unsigned char *)out->data, len);
        string_set_blob(ks, call->db, call_find_for_write(call, 2), key, out, DEADLINE_NONE);
    }
    if (len > 0)
        keyspace_changed(ks, call->db, key.name, EVENT_STRING, "set");
    return len;
}

static void cmd_bitop(struct call *call)
{
    enum { FEW = 16 };
    enum bits_operation operation;
    if (!operation_or_reply(call, &operation))
        return;
    int count = call->argc - 3;
    struct bytes few[FEW], *texts = few;
    char few_scratch[FEW][NUMBER_TEXT_MAX], (*scratch)[NUMBER_TEXT_MAX] = few_scratch;
    if (count > FEW) {
        texts = mem_alloc((size_t)count * sizeof *texts);
        scratch = mem_alloc((size_t)count * sizeof *scratch);
    }
    if (sources_or_reply(call, count, texts, scratch))
        reply_int(call->reply, (int64_t)combine_and_put(call, operation, texts, count));
    if (count > FEW) {
        mem_free(texts);
        mem_free(scratch);
    }
}

const struct command bitmap_commands[] = {
    {
        .name = "setbit",
        .run = cmd_setbit,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_BITMAP,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 1}),
        .group = "bitmap",
        .since = "2.2.0",
        .summary = "Sets or clears one bit of a string and returns what it was.",
        .complexity = "O(1)",
        .args = "key:key#0 offset:integer value:integer",
    },
    {
        .name = "getbit",
        .run = cmd_getbit,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_BITMAP,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "bitmap",
        .since = "2.2.0",
        .summary = "Returns one bit of a string.",
        .complexity = "O(1)",
        .args = "key:key#0 offset:integer",
    },
    {
        .name = "bitcount",
        .run = cmd_bitcount,
        .arity = -2,
        .flags = CMD_READONLY,
        .categories = CAT_BITMAP,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "bitmap",
        .since = "2.6.0",
        .summary = "Counts the bits that are set in a string or in a part of it.",
        .complexity = "O(N) with N bytes looked at.",
        .args = "key:key#0 range{start:integer end:integer "
                "unit(byte:token=BYTE|bit:token=BIT)?@7.0.0}?",
        .history = "7.0.0:Added the `BYTE|BIT` option.",
    },
    {
        .name = "bitpos",
        .run = cmd_bitpos,
        .arity = -3,
        .flags = CMD_READONLY,
        .categories = CAT_BITMAP,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "bitmap",
        .since = "2.8.7",
        .summary = "Finds the first bit that is set, or that is clear.",
        .complexity = "O(N) with N bytes looked at.",
        .args = "key:key#0 bit:integer range{start:integer "
                "end-unit-block{end:integer unit(byte:token=BYTE|bit:token=BIT)?@7.0.0}?}?",
        .history = "7.0.0:Added the `BYTE|BIT` option.",
    },
    {
        .name = "bitop",
        .run = cmd_bitop,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_BITMAP,
        KEYS({KEY_OW | KEY_UPDATE, .first = 2}, {KEY_RO | KEY_ACCESS, .first = 3, .last = -1}),
        .group = "bitmap",
        .since = "2.6.0",
        .summary = "Combines strings bit by bit and stores the result.",
        .complexity = "O(N) with N bytes in all strings together.",
        .args = "operation(and:token=AND|or:token=OR|xor:token=XOR|not:token=NOT|"
                "diff:token=DIFF@8.2.0|diff1:token=DIFF1@8.2.0|andor:token=ANDOR@8.2.0|"
                "one:token=ONE@8.2.0) destkey:key#0 key:key#1*",
        .history = "8.2.0:Added the `DIFF`, `DIFF1`, `ANDOR` and `ONE` operations.",
    },
    {0},
};
