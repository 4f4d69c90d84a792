/*
 * reply.h - from values to RESP2 or RESP3 bytes.
 *
 * A reply is a chain of chunks; what is written goes to the end of the last one. Small things are
 * copied, a large value that somebody owns is referenced (reply_bulk_owned()). Types that RESP2
 * lacks are written the way Redis writes them to RESP2 clients: maps and sets as arrays, doubles
 * and big numbers as bulks, booleans as 0 and 1, null as $-1.
 *
 * An idle reply holds no memory: chunks come from a pool and go back when they are sent.
 *
 * A reply may have a limit. One that has taken so much memory is full: nothing more is added, so
 * that no command, however much it has to say, takes much more. What it holds then is cut off
 * anywhere: its receiver is to be disconnected.
 */
#ifndef REDOUBT_PROTOCOL_REPLY_H
#define REDOUBT_PROTOCOL_REPLY_H

#include "base/bytes.h"

enum { REPLY_CHUNK = 16 * 1024, REPLY_ERROR_MAX = 1024 };

struct reply_chunk {
    struct reply_chunk *next;
    const char *data; /* own room behind the header, or an owner's bytes */
    uint32_t room;    /* of the own room; 0: referenced bytes */
    size_t len;       /* bytes written; of the last chunk: see reply.at */
    void *owner;      /* of referenced bytes, ended by release(owner) once sent */
    void (*release)(void *owner);
};

/* Free chunks of REPLY_CHUNK bytes, shared by all replies of a server. All zero is an empty pool.
 */
struct reply_pool {
    struct reply_chunk *free;
    uint32_t count, keep; /* keep: most chunks to hold, 0 means 1024 */
};
void reply_pool_fini(struct reply_pool *pool);

/* What the executor wants to know of errors: how many were written, and the last one's text without
 * '-' and line end. One per server, shared by its replies. */
struct reply_errors {
    uint64_t count;
    uint32_t len;
    char text[REPLY_ERROR_MAX];
};

struct reply {
    char *at, *end; /* free room of the last chunk; NULL: none */
    struct reply_chunk *first, *last;
    size_t closed; /* bytes in all chunks but the last */
    size_t sent;   /* bytes of the first chunk that are gone already */
    size_t memory; /* of chunks and referenced values */
    uint8_t resp;  /* 2 or 3 */
    bool muted;    /* CLIENT REPLY OFF or SKIP: everything is dropped but errors are counted */
    bool full;     /* limit was reached: it is of no more use */
    size_t limit;  /* most memory; 0: none */
    struct reply_pool *pool;     /* borrowed */
    struct reply_errors *errors; /* borrowed */
};

void reply_init(struct reply *r, struct reply_pool *pool, struct reply_errors *errors);
/* What waits is dropped. Its memory is free at once, not kept in the pool: a receiver who took too
 * much is told to go. */
void reply_fini(struct reply *r);
/* Bytes waiting; memory they take (chunks, and the whole of referenced values). */
size_t reply_bytes(const struct reply *r);
size_t reply_memory(const struct reply *r);
/* Is more of it useless? Commands that repeat themselves as often as they are told to ask this
 * between. */
bool reply_is_full(const struct reply *r);

/* -- scalars ----------------------------------------------------------------------------------- */
void reply_ok(struct reply *r);
/* "+text"; text must hold no line end (line ends become spaces). */
void reply_simple(struct reply *r, const char *text);
void reply_simple_bytes(struct reply *r, struct bytes text);
/* "-text": a code in capitals, a space, the message; line ends inside become spaces. */
void reply_error(struct reply *r, const char *text);
void reply_error_bytes(struct reply *r, struct bytes text);
void reply_errorf(struct reply *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reply_int(struct reply *r, int64_t value);
void reply_bulk(struct reply *r, struct bytes value);
void reply_bulk_text(struct reply *r, const char *text);
void reply_bulk_int(struct reply *r, int64_t value);
void reply_bulkf(struct reply *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A bulk that is not copied: value lives until release(owner) is called, from the flush or
 * reply_fini(). */
void reply_bulk_owned(struct reply *r, struct bytes value, void *owner, void (*release)(void *));
void reply_null(struct reply *r);       /* $-1 or _ */
void reply_null_array(struct reply *r); /* *-1 or _ */
void reply_double(struct reply *r, double value);
void reply_long_double_bulk(struct reply *r,
                            long double value);             /* INCRBYFLOAT's form, always a bulk */
void reply_long_double(struct reply *r, long double value); /* the same, to RESP3 a double */
void reply_bool(struct reply *r, bool value);
void reply_big_number(struct reply *r, struct bytes digits);
void reply_verbatim(struct reply *r, struct bytes text, const char format[3]); /* "txt", "mkd" */

/* -- containers: the header only; the elements follow as calls of their own -------------------- */
void reply_array(struct reply *r, int64_t count);
void reply_map(struct reply *r, int64_t pairs);
void reply_set(struct reply *r, int64_t count);
void reply_push(struct reply *r, int64_t count);      /* an array to RESP2 */
void reply_attribute(struct reply *r, int64_t pairs); /* RESP3 only: do not call for RESP2 */

/* A container whose count is known only after its elements: remember where, then set it right.
 * Nestable, closed in reverse order. Nothing may be sent in between. */
struct reply_mark {
    struct reply_chunk *chunk;
    size_t len;    /* bytes in that chunk */
    size_t closed; /* reply.closed then */
};
struct reply_mark reply_mark(struct reply *r);
void reply_array_at(struct reply *r, struct reply_mark mark, int64_t count);
void reply_map_at(struct reply *r, struct reply_mark mark, int64_t pairs);
void reply_set_at(struct reply *r, struct reply_mark mark, int64_t count);
/* Drop all that was written since the mark. */
void reply_rewind(struct reply *r, struct reply_mark mark);

/* Bytes that are RESP already; or such that are not copied, as in reply_bulk_owned(). */
void reply_raw(struct reply *r, struct bytes encoded);
void reply_raw_owned(struct reply *r, struct bytes encoded, void *owner, void (*release)(void *));
/* Append all of from, of which nothing was sent yet; it is empty then. Both share a pool. */
void reply_move(struct reply *r, struct reply *from);

/* -- sending ----------------------------------------------------------------------------------- */
struct reply_span {
    const char *ptr;
    size_t len;
};
/* The first waiting bytes as up to max spans; returns how many. They stay valid until reply_sent().
 */
int reply_spans(struct reply *r, struct reply_span *spans, int max);
/* The first count bytes are gone: their chunks go back to the pool. */
void reply_sent(struct reply *r, size_t count);
/* Everything in one buffer of the caller's making: for scripts and tests. Copies reply_bytes()
 * bytes. */
void reply_copy(const struct reply *r, char *out);

#endif
