/*
 * rdb_packed.c - listpacks, ziplists and zipmaps that come from outside.
 *
 *   ziplist  4 bytes of total length, 4 bytes: where the last entry begins, 2 bytes of count
 *            (65535: unknown), entries, 0xff. An entry is the length of the one before (1 byte, or
 *            254 and 4 bytes), and then
 *              00pppppp                  a string of 6 bits' length
 *              01pppppp byte             of 14 bits' length, high ones first
 *              10xxxxxx 4 bytes          of 32 bits' length, big endian
 *              c0 d0 e0 f0 fe            an integer of 16, 32, 64, 24, 8 bits, little endian
 *              f1 .. fd                  0 to 12
 *   zipmap   1 byte of count (254: unknown), then name, value, name, value, 0xff: each a length (1
 *            byte, or 254 and 4 bytes, little endian) and bytes. Between a value's length and its
 *            bytes stands a byte: so many bytes behind them are free.
 */
#include "storage/snapshot/rdb_packed.h"

#include "base/memory.h"
#include "storage/dict.h"
#include "storage/listpack.h"
#include "storage/listpack_element.h"

enum { PACKED_END = 0xff, PACKED_LONG = 254, PACKED_BYTES_MAX = 1 << 30 };

/* -- listpacks --------------------------------------------------------------------------------- */

/* Is each element encoded as we would do it? Integers in strings would not be found by those who
 * look for integers, and undo records of packed values hold offsets: what they put back has to
 * have the size that it had. */
static bool is_canonical(const unsigned char *lp)
{
    char scratch[NUMBER_TEXT_MAX];
    for (const unsigned char *at = lp_first(lp); at != NULL; at = lp_next(lp, at))
        if (lp_element_size(lp_text(at, scratch)) != element_size(at))
            return false;
    return true;
}

static unsigned char *of_listpack(struct bytes text)
{
    const unsigned char *from = (const unsigned char *)text.ptr;
    if (!lp_validate(from, text.len, true))
        return NULL;
    if (is_canonical(from))
        return lp_copy(from);
    unsigned char *lp = lp_create(text.len);
    char scratch[NUMBER_TEXT_MAX];
    for (const unsigned char *at = lp_first(from); at != NULL; at = lp_next(from, at))
        lp = lp_append(lp, lp_text(at, scratch));
    return lp;
}

/* -- ziplists ---------------------------------------------------------------------------------- */

static uint32_t big_endian(struct bytes raw)
{
    uint32_t value = 0;
    for (size_t i = 0; i < raw.len; i++)
        value = value << 8 | (unsigned char)raw.ptr[i];
    return value;
}

/* len bytes, little endian, signed. */
static int64_t read_integer(struct rdb_reader *r, int len)
{
    uint64_t value = 0;
    for (int i = 0; i < len; i++)
        value |= (uint64_t)rdb_read_byte(r) << (8 * i);
    int unused = 64 - 8 * len;
    return (int64_t)(value << unused) >> unused;
}

static unsigned char *append_integer(unsigned char *lp, struct rdb_reader *r, uint8_t form)
{
    switch (form) {
    case 0xc0:
        return lp_append_int(lp, read_integer(r, 2));
    case 0xd0:
        return lp_append_int(lp, read_integer(r, 4));
    case 0xe0:
        return lp_append_int(lp, read_integer(r, 8));
    case 0xf0:
        return lp_append_int(lp, read_integer(r, 3));
    case 0xfe:
        return lp_append_int(lp, read_integer(r, 1));
    default:
        break;
    }
    if (form < 0xf1 || form > 0xfd)
        rdb_fail(r);
    return lp_append_int(lp, form - 0xf1);
}

static unsigned char *append_entry(unsigned char *lp, struct rdb_reader *r)
{
    uint8_t form = rdb_read_byte(r);
    if (form >= 0xc0)
        return append_integer(lp, r, form);
    size_t len = form & 63;
    if (form >> 6 == 1)
        len = len << 8 | rdb_read_byte(r);
    else if (form >> 6 == 2)
        len = big_endian(rdb_read_raw(r, 4));
    struct bytes text = rdb_read_raw(r, len);
    return r->failed ? lp : lp_append(lp, text);
}

static uint32_t read_long(struct rdb_reader *r, uint8_t first)
{
    return first == PACKED_LONG ? rdb_read_u32(r) : first;
}

static unsigned char *of_ziplist(struct bytes text)
{
    struct rdb_reader all = rdb_reader(text), *r = &all;
    uint32_t bytes = rdb_read_u32(r), last = rdb_read_u32(r), count = 0, before = 0;
    uint32_t told = rdb_read_byte(r);
    told |= (uint32_t)rdb_read_byte(r) << 8;
    const unsigned char *from = r->at, *start = (const unsigned char *)text.ptr;
    unsigned char *lp = lp_create(text.len);
    for (uint8_t first; (first = rdb_read_byte(r)) != PACKED_END && !r->failed; count++) {
        from = r->at - 1;
        if (read_long(r, first) != before)
            rdb_fail(r);
        lp = append_entry(lp, r);
        before = (uint32_t)(r->at - from);
    }
    bool counted = told == count || told == UINT16_MAX;
    if (!r->failed && rdb_left(r) == 0 && bytes == text.len && counted && last == from - start)
        return lp_shrink(lp);
    lp_destroy(lp);
    return NULL;
}

/* -- zipmaps ----------------------------------------------------------------------------------- */

static unsigned char *of_zipmap(struct bytes text)
{
    struct rdb_reader all = rdb_reader(text), *r = &all;
    uint32_t told = rdb_read_byte(r), count = 0;
    unsigned char *lp = lp_create(text.len);
    for (uint8_t first; (first = rdb_read_byte(r)) != PACKED_END && !r->failed; count++) {
        struct bytes name = rdb_read_raw(r, read_long(r, first));
        uint32_t len = read_long(r, rdb_read_byte(r));
        uint8_t unused = rdb_read_byte(r);
        struct bytes value = rdb_read_raw(r, len);
        rdb_read_raw(r, unused);
        if (!r->failed)
            lp = lp_append(lp_append(lp, name), value);
    }
    if (!r->failed && rdb_left(r) == 0 && count > 0 && (told == count || told >= PACKED_LONG))
        return lp_shrink(lp);
    lp_destroy(lp);
    return NULL;
}

/* -- all --------------------------------------------------------------------------------------- */

unsigned char *rdb_read_packed(struct rdb_reader *r, enum rdb_packing packing)
{
    static unsigned char *(*const unpack[])(struct bytes text) = {
        [RDB_LISTPACK] = of_listpack,
        [RDB_ZIPLIST] = of_ziplist,
        [RDB_ZIPMAP] = of_zipmap,
    };
    static const char *const reasons[] = {
        [RDB_LISTPACK] = "Listpack integrity check failed",
        [RDB_ZIPLIST] = "Ziplist integrity check failed",
        [RDB_ZIPMAP] = "Zipmap integrity check failed",
    };
    struct rdb_string s;
    unsigned char *lp = NULL;
    if (rdb_read_string(r, &s) && s.text.len <= PACKED_BYTES_MAX)
        lp = unpack[packing](s.text);
    rdb_string_end(&s);
    if (lp == NULL)
        rdb_fail_for(r, reasons[packing]);
    return lp;
}

/* A place in a table of what was seen so far: open addressing, never more than half full. */
struct seen {
    uint64_t hash;
    const unsigned char *at; /* NULL: free */
};

/* False: it was seen before. */
static bool note_new(struct seen *table, size_t mask, const unsigned char *at)
{
    char scratch[NUMBER_TEXT_MAX];
    struct bytes text = lp_text(at, scratch);
    uint64_t hash = dict_hash(text);
    size_t i = hash & mask;
    for (; table[i].at != NULL; i = (i + 1) & mask)
        if (table[i].hash == hash && lp_equals(table[i].at, text))
            return false;
    table[i] = (struct seen){hash, at};
    return true;
}

bool rdb_packed_distinct(const unsigned char *lp, int step)
{
    size_t room = 4;
    while (room / 2 < lp_count(lp) / (size_t)step + 1)
        room *= 2;
    struct seen *table = mem_alloc_zeroed(room * sizeof *table);
    bool distinct = true;
    for (const unsigned char *at = lp_first(lp); at != NULL && distinct;) {
        distinct = note_new(table, room - 1, at);
        for (int i = 0; i < step && at != NULL; i++)
            at = lp_next(lp, at);
    }
    mem_free(table);
    return distinct;
}
