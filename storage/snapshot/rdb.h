/*
 * rdb.h - Redis's dump format (RDB): writing and reading its parts.
 *
 * What DUMP gives, FUNCTION DUMP gives and a snapshot file holds are made of the same few parts:
 *
 *   length   00xxxxxx                     6 bits
 *            01xxxxxx byte                14 bits, high ones first
 *            10000000 4 bytes             32 bits, big endian
 *            10000001 8 bytes             64 bits, big endian
 *   string   length, bytes
 *            11000000 1 byte              an integer of 8, ...
 *            11000001 2 bytes             16, ...
 *            11000010 4 bytes             32 bits, little endian: its decimal form
 *            11000011 length length bytes compressed by LZF: bytes here, bytes then
 *   double   8 bytes, little endian; in old values a text behind one byte of length
 *            (253: not a number, 254: inf, 255: -inf)
 *
 * Everything that is read comes from outside and may lie. A reader that meets a lie is failed: from
 * then on it gives zeros and nothing moves, so that callers may look once, at the end. No count or
 * length is believed beyond what the bytes that are left can hold.
 */
#ifndef REDOUBT_STORAGE_SNAPSHOT_RDB_H
#define REDOUBT_STORAGE_SNAPSHOT_RDB_H

#include "base/bytes.h"
#include "base/number.h"

enum {
    RDB_VERSION_USUAL = 10, /* Redis 7.0: what all values are written for that it can hold */
    RDB_VERSION_MAX = 12,   /* Redis 7.4: the newest that is read */
};

/* The kinds of values. The comment says which Redis began to write them. */
enum rdb_type {
    RDB_STRING = 0,
    RDB_LIST = 1,
    RDB_SET = 2,
    RDB_ZSET = 3, /* scores as text */
    RDB_HASH = 4,
    RDB_ZSET_2 = 5, /* 4.0: binary scores */
    RDB_MODULE = 6, /* modules' values are not read */
    RDB_MODULE_2 = 7,
    RDB_HASH_ZIPMAP = 9, /* until 2.4 */
    RDB_LIST_ZIPLIST = 10,
    RDB_SET_INTSET = 11,
    RDB_ZSET_ZIPLIST = 12,
    RDB_HASH_ZIPLIST = 13,
    RDB_LIST_QUICKLIST = 14,     /* 3.2: nodes are ziplists */
    RDB_STREAM_LISTPACKS = 15,   /* 5.0 */
    RDB_HASH_LISTPACK = 16,      /* 7.0 */
    RDB_ZSET_LISTPACK = 17,      /* 7.0 */
    RDB_LIST_QUICKLIST_2 = 18,   /* 7.0: nodes are listpacks or plain */
    RDB_STREAM_LISTPACKS_2 = 19, /* 7.0 */
    RDB_SET_LISTPACK = 20,       /* 7.2 */
    RDB_STREAM_LISTPACKS_3 = 21, /* 7.2 */
    RDB_HASH_METADATA_RC = 22,   /* 7.4's release candidates: fields with deadlines */
    RDB_HASH_LISTPACK_EX_RC = 23,
    RDB_HASH_METADATA = 24, /* 7.4 */
    RDB_HASH_LISTPACK_EX = 25,
};

/* What stands in a file where a value's kind may stand. */
enum rdb_opcode {
    RDB_OP_SLOT_INFO = 244,
    RDB_OP_FUNCTION = 245,    /* one library: a string, its code */
    RDB_OP_FUNCTION_RC = 246, /* 7.0's release candidates: is not read */
    RDB_OP_MODULE_AUX = 247,
    RDB_OP_IDLE = 248,
    RDB_OP_FREQ = 249,
    RDB_OP_AUX = 250,
    RDB_OP_RESIZE_DB = 251,
    RDB_OP_EXPIRETIME_MS = 252,
    RDB_OP_EXPIRETIME = 253,
    RDB_OP_SELECT_DB = 254,
    RDB_OP_EOF = 255,
};

/* -- writing ----------------------------------------------------------------------------------- */

struct rdb_writer {
    unsigned char *data; /* owned; what was written and not drained */
    size_t len, room;
    bool compress;    /* strings of more than 20 bytes, where that makes them shorter */
    bool failed;      /* to drain: nothing more is written */
    uint64_t drained; /* bytes */
    uint64_t crc;     /* of what was drained */
    /* Takes the oldest bytes whenever there are many. NULL: they stay. False: it cannot. */
    bool (*drain)(void *context, struct bytes part);
    void *context;
};

/* Into memory; set drain and context afterwards where bytes should go somewhere else. */
void rdb_writer_init(struct rdb_writer *w, bool compress);
void rdb_writer_fini(struct rdb_writer *w);
/* What was written and not drained; it lives until the next change. */
struct bytes rdb_writer_view(const struct rdb_writer *w);
/* Drain what is left. False: that failed, now or before. */
bool rdb_writer_flush(struct rdb_writer *w);

/* Bytes as they are. */
void rdb_write_raw(struct rdb_writer *w, struct bytes data);
void rdb_write_byte(struct rdb_writer *w, uint8_t byte);
void rdb_write_length(struct rdb_writer *w, uint64_t length);
/* A string in its shortest form: integer, compressed, or as it is. */
void rdb_write_string(struct rdb_writer *w, struct bytes text);
/* The decimal form of a number, as a string. */
void rdb_write_number(struct rdb_writer *w, int64_t number);
/* 8 bytes, little endian: deadlines in milliseconds. */
void rdb_write_u64(struct rdb_writer *w, uint64_t value);
void rdb_write_double(struct rdb_writer *w, double value);

/* -- reading ----------------------------------------------------------------------------------- */

struct rdb_reader {
    const unsigned char *at, *end; /* the caller's bytes; views that are read point into them */
    bool failed;
    const char *why; /* it failed, for the log; NULL: for no particular reason. A constant */
};

static inline struct rdb_reader rdb_reader(struct bytes data)
{
    const unsigned char *at = (const unsigned char *)data.ptr;
    return (struct rdb_reader){at, at + data.len, false, NULL};
}

/* Bytes that are left; 0 once it failed. */
static inline size_t rdb_left(const struct rdb_reader *r)
{
    return r->failed ? 0 : (size_t)(r->end - r->at);
}
/* What was read cannot be true. Always false, for callers who return that. */
bool rdb_fail(struct rdb_reader *r);
/* The same with a reason; the first one counts. */
bool rdb_fail_for(struct rdb_reader *r, const char *why);

/* So many bytes as they are; {NULL, 0} when failed. */
struct bytes rdb_read_raw(struct rdb_reader *r, size_t len);
uint8_t rdb_read_byte(struct rdb_reader *r);
uint64_t rdb_read_length(struct rdb_reader *r);
/* The number of things to come that take at least so many bytes each (> 0): more than there can be
 * fails. */
uint64_t rdb_read_count(struct rdb_reader *r, size_t least);
uint64_t rdb_read_u64(struct rdb_reader *r);
uint32_t rdb_read_u32(struct rdb_reader *r); /* little endian */
double rdb_read_double(struct rdb_reader *r);
double rdb_read_text_double(struct rdb_reader *r);

/* A string that was read: ends with rdb_string_end(), whatever rdb_read_string() said. Do not copy
 * it. */
struct rdb_string {
    struct bytes text;
    void *owned; /* what text points into, or NULL: the reader's bytes or scratch */
    char scratch[NUMBER_TEXT_MAX];
};
bool rdb_read_string(struct rdb_reader *r, struct rdb_string *out);
void rdb_string_end(struct rdb_string *s);

/* -- dumps ------------------------------------------------------------------------------------- */

/* The footer of what DUMP and FUNCTION DUMP give: 2 bytes of version, 8 of checksum of all before,
 * little endian. Of a writer that does not drain. */
void rdb_seal(struct rdb_writer *w, int version);
/* What is in front of a true footer of a version that we know; false otherwise. trust: the checksum
 * may be wrong. */
bool rdb_unseal(struct bytes sealed, bool trust, struct bytes *body);

#endif
