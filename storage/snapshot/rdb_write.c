/*
 * rdb_write.c - writing the parts of the dump format.
 */
#include <endian.h>
#include <liblzf/lzf.h>

#include "base/crc64.h"
#include "base/memory.h"
#include "storage/snapshot/rdb.h"

enum {
    FIRST_ROOM = 256,
    DRAIN_AT = 64 * 1024,
    COMPRESS_FROM = 21,  /* bytes */
    COMPRESS_GAIN = 4,   /* bytes that compressing must save */
    LONGEST_NUMBER = 11, /* characters of an int32 */
};

enum { INT8 = 0xc0, INT16 = 0xc1, INT32 = 0xc2, LZF = 0xc3, LENGTH32 = 0x80, LENGTH64 = 0x81 };

void rdb_writer_init(struct rdb_writer *w, bool compress)
{
    *w = (struct rdb_writer){.compress = compress};
}

void rdb_writer_fini(struct rdb_writer *w)
{
    mem_free(w->data);
    w->data = NULL;
}

struct bytes rdb_writer_view(const struct rdb_writer *w)
{
    return bytes_of(w->len > 0 ? w->data : (const unsigned char *)"", w->len);
}

/* -- bytes ------------------------------------------------------------------------------------- */

static bool drain(struct rdb_writer *w, struct bytes part)
{
    if (w->failed || part.len == 0)
        return !w->failed;
    w->crc = crc64(w->crc, part);
    w->drained += part.len;
    w->failed = !w->drain(w->context, part);
    return !w->failed;
}

bool rdb_writer_flush(struct rdb_writer *w)
{
    bool fine = w->drain != NULL ? drain(w, rdb_writer_view(w)) : !w->failed;
    if (w->drain != NULL)
        w->len = 0;
    return fine;
}

/* Where so many bytes go. */
static unsigned char *room_for(struct rdb_writer *w, size_t len)
{
    if (w->len + len > w->room) {
        size_t room = w->room < FIRST_ROOM ? FIRST_ROOM : w->room * 2;
        w->room = room < w->len + len ? w->len + len : room;
        w->data = mem_resize(w->data, w->room);
    }
    return w->data + w->len;
}

void rdb_write_raw(struct rdb_writer *w, struct bytes data)
{
    if (w->drain != NULL && w->len + data.len > DRAIN_AT)
        rdb_writer_flush(w);
    if (w->drain != NULL && data.len > DRAIN_AT) {
        drain(w, data);
    } else if (data.len > 0) {
        memcpy(room_for(w, data.len), data.ptr, data.len);
        w->len += data.len;
    }
}

void rdb_write_byte(struct rdb_writer *w, uint8_t byte)
{
    rdb_write_raw(w, bytes_of(&byte, 1));
}

/* -- numbers ----------------------------------------------------------------------------------- */

void rdb_write_u64(struct rdb_writer *w, uint64_t value)
{
    value = htole64(value);
    rdb_write_raw(w, bytes_of(&value, sizeof value));
}

void rdb_write_double(struct rdb_writer *w, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    rdb_write_u64(w, bits);
}

static void write_big_endian(struct rdb_writer *w, uint8_t first, uint64_t value, size_t len)
{
    unsigned char out[9] = {first};
    value = htobe64(value);
    memcpy(out + 1, (const char *)&value + sizeof value - len, len);
    rdb_write_raw(w, bytes_of(out, 1 + len));
}

void rdb_write_length(struct rdb_writer *w, uint64_t length)
{
    if (length < 1 << 6)
        rdb_write_byte(w, (uint8_t)length);
    else if (length < 1 << 14)
        write_big_endian(w, (uint8_t)(0x40 | length >> 8), length, 1);
    else if (length <= UINT32_MAX)
        write_big_endian(w, LENGTH32, length, 4);
    else
        write_big_endian(w, LENGTH64, length, 8);
}

/* -- strings ----------------------------------------------------------------------------------- */

static bool write_as_int(struct rdb_writer *w, int64_t number)
{
    if (number < INT32_MIN || number > INT32_MAX)
        return false;
    uint8_t form = number >= INT8_MIN && number <= INT8_MAX     ? INT8
                   : number >= INT16_MIN && number <= INT16_MAX ? INT16
                                                                : INT32;
    unsigned char out[5] = {form};
    uint32_t bits = htole32((uint32_t)number);
    memcpy(out + 1, &bits, sizeof bits);
    rdb_write_raw(w, bytes_of(out, form == INT8 ? 2 : form == INT16 ? 3 : 5));
    return true;
}

static bool write_compressed(struct rdb_writer *w, struct bytes text)
{
    if (!w->compress || text.len < COMPRESS_FROM || text.len > UINT32_MAX)
        return false;
    unsigned char *out = mem_try_alloc(text.len);
    unsigned len = 0;
    if (out != NULL)
        len = lzf_compress(text.ptr, (unsigned)text.len, out, (unsigned)text.len - COMPRESS_GAIN);
    if (len > 0) {
        rdb_write_byte(w, LZF);
        rdb_write_length(w, len);
        rdb_write_length(w, text.len);
        rdb_write_raw(w, bytes_of(out, len));
    }
    mem_free(out);
    return len > 0;
}

void rdb_write_string(struct rdb_writer *w, struct bytes text)
{
    int64_t number;
    if (text.len <= LONGEST_NUMBER && number_parse_i64(text, &number) && write_as_int(w, number))
        return;
    if (write_compressed(w, text))
        return;
    rdb_write_length(w, text.len);
    rdb_write_raw(w, text);
}

void rdb_write_number(struct rdb_writer *w, int64_t number)
{
    char text[NUMBER_TEXT_MAX];
    if (write_as_int(w, number))
        return;
    size_t len = number_format_i64(text, number);
    rdb_write_length(w, len);
    rdb_write_raw(w, bytes_of(text, len));
}

/* -- dumps ------------------------------------------------------------------------------------- */

void rdb_seal(struct rdb_writer *w, int version)
{
    unsigned char bytes[] = {(unsigned char)version, (unsigned char)(version >> 8)};
    rdb_write_raw(w, bytes_of(bytes, sizeof bytes));
    rdb_write_u64(w, crc64(0, rdb_writer_view(w)));
}
