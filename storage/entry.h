/*
 * entry.h - a key and its value in one allocation.
 *
 *   byte 0      type (low 3 bits) and encoding (high 4 bits)
 *   byte 1      flags
 *   bytes 2-4   access clock: 24 bits, LRU seconds or LFU (16 bits minutes, 8 bits counter)
 *   byte 5      key length, or 255: then 4 bytes of key length follow
 *   [4 bytes]   long key's length
 *   [6|8 bytes] deadline in milliseconds since 1970, if ENTRY_EXPIRES (8 if ENTRY_WIDE_DEADLINE)
 *   key
 *   value       inline string: 1 byte length and the bytes
 *               ENC_INT: 8 bytes, an int64
 *               else 6 bytes, a pointer to struct blob (strings) or to the value of another type
 *
 * A 16-byte key with a 3-byte value takes 26 bytes, 32 with a deadline: cells of 28 and 32 bytes
 * (base/cells.h). Nothing is aligned; all fields go through memcpy.
 *
 * Entries are immutable in layout: what changes the length of a part builds a new entry, and the
 * keyspace puts it in the old one's place. Only storage/keyspace.c and the files of the value types
 * change entries.
 */
#ifndef REDOUBT_STORAGE_ENTRY_H
#define REDOUBT_STORAGE_ENTRY_H

#include "base/bytes.h"

enum value_type {
    TYPE_STRING,
    TYPE_LIST,
    TYPE_SET,
    TYPE_ZSET,
    TYPE_HASH,
    TYPE_STREAM,
    TYPE_COUNT,
};

/* Redis's names are what OBJECT ENCODING says: entry_encoding_name(). */
enum value_encoding {
    ENC_INT,
    ENC_EMBSTR,
    ENC_RAW,
    ENC_LISTPACK,
    ENC_QUICKLIST,
    ENC_INTSET,
    ENC_HASHTABLE,
    ENC_SKIPLIST,
    ENC_STREAM,
    ENC_LISTPACK_EX,
    ENC_COUNT,
};

enum entry_flag {
    ENTRY_EXPIRES = 1 << 0,
    ENTRY_WIDE_DEADLINE = 1 << 1,
    ENTRY_INLINE = 1 << 2,     /* a string's bytes are inside the entry */
    ENTRY_INDEX_MARK = 1 << 3, /* the expiry index's own, while it compacts */
};

/* Longest string kept inside its entry; Redis's embstr ends at 44, which only names depend on. */
enum { ENTRY_INLINE_MAX = 128, ENTRY_EMBSTR_MAX = 44 };
/* No deadline. */
#define DEADLINE_NONE ((int64_t)-1)

/* The bytes of a long string. Shared with replies being sent: whoever changes one with refs > 1
 * copies. The count is atomic, since the last reference may be dropped on the thread that ends
 * large values. */
struct blob {
    uint32_t refs;
    size_t len, room;
    char data[];
};

struct entry {
    uint8_t type_encoding, flags, clock[3], key_len;
    uint8_t body[];
};

static inline enum value_type entry_type(const struct entry *e)
{
    return e->type_encoding & 7;
}
static inline enum value_encoding entry_encoding(const struct entry *e)
{
    return e->type_encoding >> 4;
}
static inline bool entry_expires(const struct entry *e)
{
    return e->flags & ENTRY_EXPIRES;
}
static inline uint32_t entry_clock(const struct entry *e)
{
    return (uint32_t)e->clock[0] | (uint32_t)e->clock[1] << 8 | (uint32_t)e->clock[2] << 16;
}
static inline void entry_set_clock(struct entry *e, uint32_t clock)
{
    e->clock[0] = (uint8_t)clock;
    e->clock[1] = (uint8_t)(clock >> 8);
    e->clock[2] = (uint8_t)(clock >> 16);
}

/* -- where things are: what every look-up needs is inline -- */
enum { ENTRY_LONG_KEY = 255 };

static inline size_t entry_deadline_size(uint8_t flags)
{
    if (!(flags & ENTRY_EXPIRES))
        return 0;
    return flags & ENTRY_WIDE_DEADLINE ? 8 : 6;
}

static inline struct bytes entry_key(const struct entry *e)
{
    size_t before = entry_deadline_size(e->flags);
    if (__builtin_expect(e->key_len != ENTRY_LONG_KEY, 1))
        return bytes_of(e->body + before, e->key_len);
    uint32_t len;
    memcpy(&len, e->body, sizeof len);
    return bytes_of(e->body + sizeof len + before, len);
}

/* The six bytes at at, read as part of the eight that end with them: one load. The header is
 * before them. */
static inline uint64_t entry_word48(const void *at)
{
    uint64_t word;
    memcpy(&word, (const char *)at - 2, sizeof word);
    return word >> 16;
}

/* The pointer: not for numbers nor inline strings. */
static inline void *entry_pointer(const struct entry *e)
{
    struct bytes key = entry_key(e);
    return (void *)(uintptr_t)entry_word48(key.ptr + key.len);
}

/* DEADLINE_NONE or milliseconds since 1970. */
int64_t entry_deadline(const struct entry *e);
/* The number: ENC_INT only. */
int64_t entry_int(const struct entry *e);
void entry_set_int(struct entry *e, int64_t value);
void entry_set_pointer(struct entry *e, void *value);
/* Give to the number or pointer of from, whose value is of the same kind, and its encoding. */
void entry_set_word_of(struct entry *to, const struct entry *from);
void entry_set_encoding(struct entry *e, enum value_encoding encoding);
/* Change the deadline in place; false (nothing changed) where that takes another layout. */
bool entry_store_deadline(struct entry *e, int64_t deadline);
/* Change an inline string in place; false (nothing changed) where that takes another block. */
bool entry_store_inline(struct entry *e, struct bytes value, enum value_encoding encoding);
/* An inline string's bytes. */
struct bytes entry_inline(const struct entry *e);

/* New entries; the caller owns them. deadline may be DEADLINE_NONE. */
struct entry *entry_create_inline(struct bytes key, struct bytes value,
                                  enum value_encoding encoding, int64_t deadline);
/* word: the number with ENC_INT, else a pointer. */
struct entry *entry_create_word(struct bytes key, enum value_type type,
                                enum value_encoding encoding, int64_t word, int64_t deadline);
/* A copy of e's shell with another key and deadline. A pointer is copied as it is:
 * afterwards only one of the two shells may own what they point to. */
struct entry *entry_rebuild(const struct entry *e, struct bytes key, int64_t deadline);
/* Free the allocation of the entry itself, not what its value points to. */
void entry_free_shell(struct entry *e);
/* Bytes of the allocation that the entry itself takes. */
size_t entry_shell_size(const struct entry *e);

const char *entry_type_name(enum value_type type);
const char *entry_encoding_name(enum value_encoding encoding);

/* -- blobs ------------------------------------------------------------------------------------- */
struct blob *blob_create(size_t len);     /* len bytes, not set; refs 1; aborts without memory */
struct blob *blob_try_create(size_t len); /* NULL without memory */
void blob_retain(struct blob *b);
void blob_release(
    void *blob); /* a struct blob; void so that replies can take it as their release */

#endif
