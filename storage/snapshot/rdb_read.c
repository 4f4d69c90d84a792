/*
 * rdb_read.c - reading the parts of the dump format, believing nothing.
 */
#include <endian.h>
#include <liblzf/lzf.h>
#include <math.h>

#include "base/crc64.h"
#include "base/memory.h"
#include "storage/snapshot/rdb.h"

enum { INT8 = 0, INT16 = 1, INT32 = 2, LZF = 3, LENGTH32 = 0x80, LENGTH64 = 0x81 };
enum { SEAL_VERSION = 2, SEAL = 10 };
/* LZF turns three bytes into 264 at most: no string is announced longer than it can become. */
enum { LZF_EXPANSION_MAX = 88 };

bool rdb_fail(struct rdb_reader *r)
{
    r->failed = true;
    return false;
}

bool rdb_fail_for(struct rdb_reader *r, const char *why)
{
    if (!r->failed)
        r->why = why;
    return rdb_fail(r);
}

struct bytes rdb_read_raw(struct rdb_reader *r, size_t len)
{
    if (len > rdb_left(r))
        rdb_fail_for(r, "the file ends too early, or a length in it is wrong");
    if (r->failed)
        return bytes_of(NULL, 0);
    struct bytes out = bytes_of(r->at, len);
    r->at += len;
    return out;
}

/* Fill out with the next len bytes, or zeros. */
static void read_into(struct rdb_reader *r, void *out, size_t len)
{
    struct bytes raw = rdb_read_raw(r, len);
    memset(out, 0, len);
    if (raw.len > 0)
        memcpy(out, raw.ptr, raw.len);
}

/* -- numbers ----------------------------------------------------------------------------------- */

uint8_t rdb_read_byte(struct rdb_reader *r)
{
    uint8_t byte;
    read_into(r, &byte, sizeof byte);
    return byte;
}

uint32_t rdb_read_u32(struct rdb_reader *r)
{
    uint32_t value;
    read_into(r, &value, sizeof value);
    return le32toh(value);
}

uint64_t rdb_read_u64(struct rdb_reader *r)
{
    uint64_t value;
    read_into(r, &value, sizeof value);
    return le64toh(value);
}

double rdb_read_double(struct rdb_reader *r)
{
    uint64_t bits = rdb_read_u64(r);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double rdb_read_text_double(struct rdb_reader *r)
{
    enum { NOT_A_NUMBER = 253, PLUS_INF = 254, MINUS_INF = 255 };
    double value = 0;
    uint8_t len = rdb_read_byte(r);
    if (len == NOT_A_NUMBER)
        return NAN;
    if (len >= PLUS_INF)
        return len == MINUS_INF ? -INFINITY : INFINITY;
    struct bytes text = rdb_read_raw(r, len);
    if (!r->failed && !number_parse_double(text, &value))
        rdb_fail(r);
    return value;
}

/* A length, or (*special) the form of a string that begins otherwise. */
static uint64_t read_length(struct rdb_reader *r, bool *special)
{
    uint8_t first = rdb_read_byte(r);
    *special = first >> 6 == 3;
    switch (first >> 6) {
    case 0:
    case 3:
        return first & 63;
    case 1:
        return (uint64_t)(first & 63) << 8 | rdb_read_byte(r);
    default:
        break;
    }
    uint64_t value = 0;
    if (first == LENGTH32)
        read_into(r, (char *)&value + 4, 4);
    else if (first == LENGTH64)
        read_into(r, &value, 8);
    else
        rdb_fail(r);
    return be64toh(value);
}

uint64_t rdb_read_length(struct rdb_reader *r)
{
    bool special;
    uint64_t length = read_length(r, &special);
    if (special)
        rdb_fail(r);
    return r->failed ? 0 : length;
}

uint64_t rdb_read_count(struct rdb_reader *r, size_t least)
{
    uint64_t count = rdb_read_length(r);
    if (count > rdb_left(r) / least)
        rdb_fail(r);
    return r->failed ? 0 : count;
}

/* -- strings ----------------------------------------------------------------------------------- */

static void read_int(struct rdb_reader *r, struct rdb_string *out, size_t len)
{
    uint32_t bits = 0;
    struct bytes raw = rdb_read_raw(r, len);
    if (r->failed)
        return;
    memcpy(&bits, raw.ptr, len);
    bits = le32toh(bits);
    int64_t number = len == 1 ? (int8_t)bits : len == 2 ? (int16_t)bits : (int32_t)bits;
    out->text = bytes_of(out->scratch, number_format_i64(out->scratch, number));
}

static void read_compressed(struct rdb_reader *r, struct rdb_string *out)
{
    uint64_t packed = rdb_read_length(r), len = rdb_read_length(r);
    if (packed > rdb_left(r) || packed > UINT32_MAX || len > UINT32_MAX || len == 0 ||
        len / LZF_EXPANSION_MAX > packed) {
        rdb_fail(r);
        return;
    }
    struct bytes from = rdb_read_raw(r, packed);
    out->owned = mem_try_alloc(len);
    if (out->owned == NULL ||
        lzf_decompress(from.ptr, (unsigned)packed, out->owned, (unsigned)len) != (unsigned)len)
        rdb_fail(r);
    else
        out->text = bytes_of(out->owned, len);
}

bool rdb_read_string(struct rdb_reader *r, struct rdb_string *out)
{
    bool special;
    uint64_t length = read_length(r, &special);
    out->owned = NULL;
    out->text = bytes_of("", 0);
    if (!special)
        out->text = rdb_read_raw(r, length);
    else if (length <= INT32)
        read_int(r, out, (size_t)1 << length);
    else if (length == LZF)
        read_compressed(r, out);
    else
        rdb_fail(r);
    if (r->failed)
        out->text = bytes_of("", 0);
    return !r->failed;
}

void rdb_string_end(struct rdb_string *s)
{
    mem_free(s->owned);
    s->owned = NULL;
}

/* -- dumps ------------------------------------------------------------------------------------- */

bool rdb_unseal(struct bytes sealed, bool trust, struct bytes *body)
{
    if (sealed.len < SEAL)
        return false;
    struct bytes summed = bytes_of(sealed.ptr, sealed.len - (SEAL - SEAL_VERSION));
    struct rdb_reader seal = rdb_reader(bytes_of(sealed.ptr + sealed.len - SEAL, SEAL));
    unsigned version = rdb_read_byte(&seal);
    version |= (unsigned)rdb_read_byte(&seal) << 8;
    *body = bytes_of(sealed.ptr, sealed.len - SEAL);
    return version <= RDB_VERSION_MAX && (trust || rdb_read_u64(&seal) == crc64(0, summed));
}
