/*
 * reply.c - the reply writer.
 *
 * Invariant: a reply that has chunks ends in one with room of its own, and at..end is what is free
 * of it; a reply without chunks has at == end, so that one comparison sends both cases to
 * open_room(). A chunk that is not the last may have free room too: nothing is split across chunks
 * but the bytes of long texts. A full reply gives up the free room of its last chunk, and so comes
 * to open_room(), too. The limit is looked at where a chunk is added, and nowhere else.
 */
#include "protocol/reply.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/number.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)

enum {
    POOL_KEEP = 1024,
    CHUNK_ROOM = REPLY_CHUNK - sizeof(struct reply_chunk),
    TAIL_ROOM =
        256, /* of the chunk behind a referenced value: often only a line end and a header */
    HEADER_MAX = 24,   /* a type, a count, a line end */
    SHORT_BULK = 1024, /* written in one piece */
    FORMAT_ROOM = 1024,
};

/* -- chunks ------------------------------------------------------------------------------------ */

#if defined(__SANITIZE_ADDRESS__)
#define POOL_IS_OFF                                                                                \
    1 /* a pool would hide from the sanitizer what is used after it was given back */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_IS_OFF 1
#endif
#endif
#ifndef POOL_IS_OFF
#define POOL_IS_OFF 0
#endif

static char *own_room(struct reply_chunk *chunk)
{
    return (char *)(chunk + 1);
}

static struct reply_chunk *chunk_create(struct reply *r, uint32_t room)
{
    struct reply_pool *pool = r->pool;
    struct reply_chunk *chunk = room == CHUNK_ROOM ? pool->free : NULL;
    if (chunk != NULL) {
        pool->free = chunk->next;
        pool->count--;
        mem_keep_idle(-REPLY_CHUNK);
    } else {
        chunk = mem_alloc(sizeof *chunk + room);
    }
    *chunk = (struct reply_chunk){.data = own_room(chunk), .room = room};
    r->memory += sizeof *chunk + room;
    return chunk;
}

static void chunk_destroy(struct reply *r, struct reply_chunk *chunk)
{
    bool is_reference = chunk->room == 0;
    r->memory -= sizeof *chunk + (is_reference ? chunk->len : chunk->room);
    if (is_reference)
        chunk->release(chunk->owner);
    mem_free_sized(chunk, sizeof *chunk + chunk->room);
}

static void chunk_give_back(struct reply *r, struct reply_chunk *chunk)
{
    struct reply_pool *pool = r->pool;
    uint32_t keep = pool->keep != 0 ? pool->keep : POOL_KEEP;
    if (chunk->room != CHUNK_ROOM || pool->count >= keep || POOL_IS_OFF) {
        chunk_destroy(r, chunk);
        return;
    }
    r->memory -= REPLY_CHUNK;
    chunk->next = pool->free;
    pool->free = chunk;
    pool->count++;
    mem_keep_idle(REPLY_CHUNK);
}

void reply_pool_fini(struct reply_pool *pool)
{
    while (pool->free != NULL) {
        struct reply_chunk *chunk = pool->free;
        pool->free = chunk->next;
        mem_free_sized(chunk, REPLY_CHUNK);
        mem_keep_idle(-REPLY_CHUNK);
    }
    pool->count = 0;
}

/* The last chunk's length lives in r->at; before another one gets behind it, it moves to the chunk.
 */
static void close_last(struct reply *r)
{
    if (r->last == NULL)
        return;
    r->last->len = (size_t)(r->at - r->last->data);
    r->closed += r->last->len;
}

/* Writing goes on in chunk, behind its first len bytes. */
static void set_last(struct reply *r, struct reply_chunk *chunk, size_t len)
{
    r->last = chunk;
    r->at = own_room(chunk) + len;
    r->end = own_room(chunk) + chunk->room;
}

static void append_chunk(struct reply *r, struct reply_chunk *chunk)
{
    close_last(r);
    *(r->last != NULL ? &r->last->next : &r->first) = chunk;
    set_last(r, chunk, chunk->len);
}

static size_t chunk_len(const struct reply *r, const struct reply_chunk *chunk)
{
    return chunk == r->last ? (size_t)(r->at - chunk->data) : chunk->len;
}

static struct reply_chunk *take_first(struct reply *r)
{
    struct reply_chunk *chunk = r->first;
    r->first = chunk->next;
    r->sent = 0;
    if (r->first != NULL) {
        r->closed -= chunk->len;
    } else {
        r->last = NULL;
        r->at = r->end = NULL;
    }
    return chunk;
}

static void clear(struct reply *r)
{
    while (r->first != NULL)
        chunk_give_back(r, take_first(r));
}

void reply_init(struct reply *r, struct reply_pool *pool, struct reply_errors *errors)
{
    *r = (struct reply){.resp = 2, .pool = pool, .errors = errors};
}

void reply_fini(struct reply *r)
{
    while (r->first != NULL)
        chunk_destroy(r, take_first(r));
}

size_t reply_bytes(const struct reply *r)
{
    return r->last == NULL ? 0 : r->closed + chunk_len(r, r->last) - r->sent;
}

size_t reply_memory(const struct reply *r)
{
    return r->memory;
}

bool reply_is_full(const struct reply *r)
{
    return r->full;
}

/* -- bytes ------------------------------------------------------------------------------------- */

/* Has the limit been reached? */
static bool is_full(struct reply *r)
{
    if (!r->full && r->limit != 0 && r->memory >= r->limit) {
        r->full = true;
        r->end = r->at;
    }
    return r->full;
}

static __attribute__((noinline)) char *open_room(struct reply *r)
{
    if (r->muted || is_full(r))
        return NULL;
    append_chunk(r, chunk_create(r, CHUNK_ROOM));
    return r->at;
}

/* Where count bytes (far less than a chunk) can be written in one piece; NULL: nothing is to be
 * written. What was written is told by moving r->at. */
static inline char *room_for(struct reply *r, size_t count)
{
    if (LIKELY((size_t)(r->end - r->at) >= count && !r->muted))
        return r->at;
    return open_room(r);
}

/* Any number of bytes, in pieces where a chunk ends. */
static void put(struct reply *r, const char *ptr, size_t len)
{
    if (r->muted)
        return;
    while (len > 0) {
        if (r->at == r->end && open_room(r) == NULL)
            return;
        size_t room = (size_t)(r->end - r->at), piece = len < room ? len : room;
        memcpy(r->at, ptr, piece);
        r->at += piece;
        ptr += piece;
        len -= piece;
    }
}

/* A short constant. */
static inline void put_text(struct reply *r, const char *text, size_t len)
{
    char *at = room_for(r, len);
    if (at == NULL)
        return;
    memcpy(at, text, len);
    r->at = at + len;
}

static inline char *write_line_end(char *at)
{
    memcpy(at, "\r\n", 2);
    return at + 2;
}

/* Type, number and line end; most numbers are small. */
static inline char *write_header(char *at, char type, int64_t number)
{
    *at++ = type;
    if (LIKELY((uint64_t)number < 10)) {
        *at++ = (char)('0' + number);
    } else if ((uint64_t)number < 100) {
        *at++ = (char)('0' + number / 10);
        *at++ = (char)('0' + number % 10);
    } else {
        at += number_format_i64(at, number);
    }
    return write_line_end(at);
}

static inline void put_header(struct reply *r, char type, int64_t number)
{
    char *at = room_for(r, HEADER_MAX);
    if (at != NULL)
        r->at = write_header(at, type, number);
}

/* A text that must stay within its line. */
static void put_line(struct reply *r, struct bytes text)
{
    while (text.len > 0) {
        size_t piece = 0;
        while (piece < text.len && text.ptr[piece] != '\r' && text.ptr[piece] != '\n')
            piece++;
        put(r, text.ptr, piece);
        if (piece < text.len) {
            put(r, " ", 1);
            piece++;
        }
        text = bytes_of(text.ptr + piece, text.len - piece);
    }
    put_text(r, "\r\n", 2);
}

/* Hand the formatted text to put_it, whatever its length. */
static void put_format(struct reply *r, void (*put_it)(struct reply *, struct bytes),
                       const char *format, va_list args)
{
    char near[FORMAT_ROOM], *text = near;
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(near, sizeof near, format, args);
    if ((size_t)len >= sizeof near) {
        text = mem_alloc((size_t)len + 1);
        vsnprintf(text, (size_t)len + 1, format, again);
    }
    va_end(again);
    put_it(r, bytes_of(text, (size_t)len));
    if (text != near)
        mem_free(text);
}

void reply_raw(struct reply *r, struct bytes encoded)
{
    put(r, encoded.ptr, encoded.len);
}

/* -- scalars ----------------------------------------------------------------------------------- */

void reply_ok(struct reply *r)
{
    put_text(r, "+OK\r\n", 5);
}

void reply_simple_bytes(struct reply *r, struct bytes text)
{
    put_text(r, "+", 1);
    put_line(r, text);
}

void reply_simple(struct reply *r, const char *text)
{
    reply_simple_bytes(r, bytes_of_text(text));
}

/* Redis cuts line ends off the end of an error, and turns those within it into spaces. */
void reply_error_bytes(struct reply *r, struct bytes text)
{
    if (text.len > 0 && text.ptr[0] == '-')
        text = bytes_of(text.ptr + 1, text.len - 1);
    while (text.len > 0 && (text.ptr[text.len - 1] == '\r' || text.ptr[text.len - 1] == '\n'))
        text.len--;
    struct reply_errors *errors = r->errors;
    errors->count++;
    errors->len = (uint32_t)(text.len < REPLY_ERROR_MAX ? text.len : REPLY_ERROR_MAX);
    if (errors->len > 0)
        memcpy(errors->text, text.ptr, errors->len);
    put_text(r, "-", 1);
    put_line(r, text);
}

void reply_error(struct reply *r, const char *text)
{
    reply_error_bytes(r, bytes_of_text(text));
}

void reply_errorf(struct reply *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_format(r, reply_error_bytes, format, args);
    va_end(args);
}

void reply_int(struct reply *r, int64_t value)
{
    put_header(r, ':', value);
}

/* Nearly all bulks: header, bytes and line end under one check for room. */
void reply_bulk(struct reply *r, struct bytes value)
{
    if (LIKELY(value.len <= SHORT_BULK)) {
        char *at = room_for(r, HEADER_MAX + value.len + 2);
        if (at == NULL)
            return;
        at = write_header(at, '$', (int64_t)value.len);
        bytes_copy(at, value.ptr, value.len);
        r->at = write_line_end(at + value.len);
        return;
    }
    put_header(r, '$', (int64_t)value.len);
    put(r, value.ptr, value.len);
    put_text(r, "\r\n", 2);
}

void reply_bulk_text(struct reply *r, const char *text)
{
    reply_bulk(r, bytes_of_text(text));
}

void reply_bulk_int(struct reply *r, int64_t value)
{
    char text[NUMBER_TEXT_MAX];
    reply_bulk(r, bytes_of(text, number_format_i64(text, value)));
}

void reply_bulkf(struct reply *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_format(r, reply_bulk, format, args);
    va_end(args);
}

void reply_raw_owned(struct reply *r, struct bytes encoded, void *owner, void (*release)(void *))
{
    if (r->muted || is_full(r)) {
        release(owner);
        return;
    }
    struct reply_chunk *chunk = mem_alloc(sizeof *chunk);
    *chunk = (struct reply_chunk){
        .data = encoded.ptr, .len = encoded.len, .owner = owner, .release = release};
    r->memory += sizeof *chunk + encoded.len;
    close_last(r);
    r->closed += encoded.len;
    *(r->last != NULL ? &r->last->next : &r->first) = chunk;
    chunk->next = chunk_create(r, TAIL_ROOM);
    set_last(r, chunk->next, 0);
}

void reply_bulk_owned(struct reply *r, struct bytes value, void *owner, void (*release)(void *))
{
    if (r->muted || value.len == 0) {
        reply_bulk(r, value);
        release(owner);
        return;
    }
    put_header(r, '$', (int64_t)value.len);
    reply_raw_owned(r, value, owner, release);
    put_text(r, "\r\n", 2);
}

void reply_null(struct reply *r)
{
    if (r->resp == 2)
        put_text(r, "$-1\r\n", 5);
    else
        put_text(r, "_\r\n", 3);
}

void reply_null_array(struct reply *r)
{
    if (r->resp == 2)
        put_text(r, "*-1\r\n", 5);
    else
        put_text(r, "_\r\n", 3);
}

static void put_double(struct reply *r, struct bytes text)
{
    if (r->resp == 2) {
        reply_bulk(r, text);
        return;
    }
    put_text(r, ",", 1);
    put(r, text.ptr, text.len);
    put_text(r, "\r\n", 2);
}

void reply_double(struct reply *r, double value)
{
    char text[NUMBER_DOUBLE_MAX];
    put_double(r, bytes_of(text, number_format_double(text, value)));
}

void reply_long_double_bulk(struct reply *r, long double value)
{
    char text[NUMBER_LONG_DOUBLE_MAX];
    reply_bulk(r, bytes_of(text, number_format_long_double(text, value)));
}

void reply_long_double(struct reply *r, long double value)
{
    char text[NUMBER_LONG_DOUBLE_MAX];
    put_double(r, bytes_of(text, number_format_long_double(text, value)));
}

void reply_bool(struct reply *r, bool value)
{
    if (r->resp == 2)
        put_text(r, value ? ":1\r\n" : ":0\r\n", 4);
    else
        put_text(r, value ? "#t\r\n" : "#f\r\n", 4);
}

void reply_big_number(struct reply *r, struct bytes digits)
{
    if (r->resp == 2) {
        reply_bulk(r, digits);
        return;
    }
    put_text(r, "(", 1);
    put_line(r, digits);
}

void reply_verbatim(struct reply *r, struct bytes text, const char format[3])
{
    if (r->resp == 2) {
        reply_bulk(r, text);
        return;
    }
    put_header(r, '=', (int64_t)text.len + 4);
    put(r, format, 3);
    put(r, ":", 1);
    put(r, text.ptr, text.len);
    put_text(r, "\r\n", 2);
}

/* -- containers -------------------------------------------------------------------------------- */

void reply_array(struct reply *r, int64_t count)
{
    put_header(r, '*', count);
}

/* To RESP2, a map is an array of keys and values in turn. */
static size_t write_map_header(const struct reply *r, char *at, int64_t pairs)
{
    char *end = r->resp == 2 ? write_header(at, '*', pairs * 2) : write_header(at, '%', pairs);
    return (size_t)(end - at);
}

void reply_map(struct reply *r, int64_t pairs)
{
    char *at = room_for(r, HEADER_MAX);
    if (at != NULL)
        r->at = at + write_map_header(r, at, pairs);
}

void reply_set(struct reply *r, int64_t count)
{
    put_header(r, r->resp == 2 ? '*' : '~', count);
}

void reply_push(struct reply *r, int64_t count)
{
    put_header(r, r->resp == 2 ? '*' : '>', count);
}

void reply_attribute(struct reply *r, int64_t pairs)
{
    put_header(r, '|', pairs);
}

struct reply_mark reply_mark(struct reply *r)
{
    if (r->last == NULL)
        return (struct reply_mark){0};
    return (struct reply_mark){r->last, chunk_len(r, r->last), r->closed};
}

/* Where chunk ends that has no room for a header at offset len: what follows moves behind the
 * header, to a chunk of its own. */
static void splice(struct reply *r, struct reply_chunk *chunk, size_t len, const char *header,
                   size_t count)
{
    bool is_last = chunk == r->last;
    size_t tail = chunk_len(r, chunk) - len, need = count + tail;
    size_t room = is_last && need < CHUNK_ROOM ? (size_t)CHUNK_ROOM : need;
    struct reply_chunk *added = chunk_create(r, (uint32_t)room);
    memcpy(own_room(added), header, count);
    memcpy(own_room(added) + count, chunk->data + len, tail);
    added->len = need;
    if (is_last) {
        r->at -= tail;
        append_chunk(r, added);
        return;
    }
    chunk->len = len;
    added->next = chunk->next;
    chunk->next = added;
    r->closed += count;
}

/* Put a header before what was written since the mark. */
static void insert(struct reply *r, struct reply_mark mark, const char *header, size_t count)
{
    struct reply_chunk *chunk = mark.chunk != NULL ? mark.chunk : r->first;
    if (r->muted || r->full)
        return;
    if (chunk == NULL || (chunk == r->last && mark.len == chunk_len(r, chunk))) {
        put_text(r, header, count);
        return;
    }
    size_t len = chunk_len(r, chunk);
    if (len + count > chunk->room) {
        splice(r, chunk, mark.len, header, count);
        return;
    }
    char *at = own_room(chunk) + mark.len;
    memmove(at + count, at, len - mark.len);
    memcpy(at, header, count);
    if (chunk == r->last) {
        r->at += count;
    } else {
        chunk->len += count;
        r->closed += count;
    }
}

void reply_array_at(struct reply *r, struct reply_mark mark, int64_t count)
{
    char header[HEADER_MAX];
    insert(r, mark, header, (size_t)(write_header(header, '*', count) - header));
}

void reply_map_at(struct reply *r, struct reply_mark mark, int64_t pairs)
{
    char header[HEADER_MAX];
    insert(r, mark, header, write_map_header(r, header, pairs));
}

void reply_set_at(struct reply *r, struct reply_mark mark, int64_t count)
{
    char header[HEADER_MAX];
    char type = r->resp == 2 ? '*' : '~';
    insert(r, mark, header, (size_t)(write_header(header, type, count) - header));
}

void reply_rewind(struct reply *r, struct reply_mark mark)
{
    struct reply_chunk *chunk = mark.chunk;
    if (chunk == NULL) {
        clear(r);
        return;
    }
    while (chunk->next != NULL) {
        struct reply_chunk *next = chunk->next;
        chunk->next = next->next;
        chunk_give_back(r, next);
    }
    r->closed = mark.closed;
    set_last(r, chunk, mark.len);
    if (reply_bytes(r) == 0)
        clear(r);
}

void reply_move(struct reply *r, struct reply *from)
{
    size_t bytes = reply_bytes(from);
    if (r->muted || r->full || from->first == NULL) {
        clear(from);
        return;
    }
    if (bytes <= (size_t)(r->end - r->at)) {
        reply_copy(from, r->at);
        r->at += bytes;
        clear(from);
        return;
    }
    close_last(r);
    *(r->last != NULL ? &r->last->next : &r->first) = from->first;
    r->last = from->last;
    r->at = from->at;
    r->end = from->end;
    r->closed += from->closed;
    r->memory += from->memory;
    from->first = from->last = NULL;
    from->at = from->end = NULL;
    from->closed = from->memory = 0;
}

/* -- sending ----------------------------------------------------------------------------------- */

int reply_spans(struct reply *r, struct reply_span *spans, int max)
{
    int count = 0;
    size_t sent = r->sent;
    for (struct reply_chunk *chunk = r->first; chunk != NULL && count < max; chunk = chunk->next) {
        size_t len = chunk_len(r, chunk) - sent;
        if (len > 0)
            spans[count++] = (struct reply_span){chunk->data + sent, len};
        sent = 0;
    }
    return count;
}

void reply_sent(struct reply *r, size_t count)
{
    r->sent += count;
    while (r->first != NULL && r->sent >= chunk_len(r, r->first)) {
        size_t over = r->sent - chunk_len(r, r->first);
        chunk_give_back(r, take_first(r));
        r->sent = over;
    }
}

void reply_copy(const struct reply *r, char *out)
{
    size_t sent = r->sent;
    for (const struct reply_chunk *chunk = r->first; chunk != NULL; chunk = chunk->next) {
        size_t len = chunk_len(r, chunk) - sent;
        memcpy(out, chunk->data + sent, len);
        out += len;
        sent = 0;
    }
}
