/*
 * entry.c - the layout of entry.h, in one place.
 */
#include "storage/entry.h"

#include "base/cells.h"
#include "base/memory.h"

enum { HEADER = sizeof(struct entry), NUMBER = 8, POINTER = 6 };

_Static_assert(sizeof(struct entry) == 6, "the header is six bytes");
_Static_assert(TYPE_COUNT <= 8 && ENC_COUNT <= 16, "type and encoding share a byte");

/* Deadlines up to the year 10889 take six bytes. */
static bool deadline_is_wide(int64_t deadline)
{
    return deadline >= (int64_t)1 << 48;
}

static inline const uint8_t *deadline_at(const struct entry *e)
{
    return e->body + (e->key_len == ENTRY_LONG_KEY ? 4 : 0);
}

static inline uint8_t *value_at(const struct entry *e)
{
    struct bytes key = entry_key(e);
    return (uint8_t *)key.ptr + key.len;
}

int64_t entry_deadline(const struct entry *e)
{
    if (!entry_expires(e))
        return DEADLINE_NONE;
    uint64_t deadline;
    if (__builtin_expect(e->flags & ENTRY_WIDE_DEADLINE, 0)) {
        memcpy(&deadline, deadline_at(e), sizeof deadline);
        return (int64_t)deadline;
    }
    return (int64_t)entry_word48(deadline_at(e));
}

bool entry_store_deadline(struct entry *e, int64_t deadline)
{
    if (!entry_expires(e) || deadline == DEADLINE_NONE)
        return false;
    if (deadline_is_wide(deadline) && !(e->flags & ENTRY_WIDE_DEADLINE))
        return false;
    memcpy((uint8_t *)deadline_at(e), &deadline, entry_deadline_size(e->flags));
    return true;
}

int64_t entry_int(const struct entry *e)
{
    int64_t word;
    memcpy(&word, value_at(e), sizeof word);
    return word;
}

void entry_set_int(struct entry *e, int64_t value)
{
    memcpy(value_at(e), &value, sizeof value);
}

void entry_set_pointer(struct entry *e, void *value)
{
    uint64_t word = (uintptr_t)value;
    memcpy(value_at(e), &word, POINTER);
}

static size_t word_size(enum value_encoding encoding)
{
    return encoding == ENC_INT ? NUMBER : POINTER;
}

void entry_set_word_of(struct entry *to, const struct entry *from)
{
    memcpy(value_at(to), value_at(from), word_size(entry_encoding(from)));
    entry_set_encoding(to, entry_encoding(from));
}

void entry_set_encoding(struct entry *e, enum value_encoding encoding)
{
    e->type_encoding = (uint8_t)((e->type_encoding & 7) | encoding << 4);
}

struct bytes entry_inline(const struct entry *e)
{
    const uint8_t *value = value_at(e);
    return bytes_of(value + 1, value[0]);
}

static size_t value_size(const struct entry *e)
{
    return e->flags & ENTRY_INLINE ? 1 + (size_t)value_at(e)[0] : word_size(entry_encoding(e));
}

size_t entry_shell_size(const struct entry *e)
{
    return (size_t)(value_at(e) - (const uint8_t *)e) + value_size(e);
}

/* Everything but the value, whose size is given. */
static struct entry *shell_create(struct bytes key, uint8_t type_encoding, uint8_t flags,
                                  int64_t deadline, size_t value)
{
    if (deadline != DEADLINE_NONE)
        flags |= ENTRY_EXPIRES | (deadline_is_wide(deadline) ? ENTRY_WIDE_DEADLINE : 0);
    bool is_long = key.len >= ENTRY_LONG_KEY;
    struct entry *e =
        cell_alloc(HEADER + (is_long ? 4 : 0) + entry_deadline_size(flags) + key.len + value);
    *e = (struct entry){.type_encoding = type_encoding, .flags = flags};
    e->key_len = is_long ? ENTRY_LONG_KEY : (uint8_t)key.len;
    if (is_long) {
        uint32_t len = (uint32_t)key.len;
        memcpy(e->body, &len, sizeof len);
    }
    bytes_copy((uint8_t *)deadline_at(e), &deadline, entry_deadline_size(flags));
    bytes_copy((char *)entry_key(e).ptr, key.ptr, key.len);
    return e;
}

struct entry *entry_create_inline(struct bytes key, struct bytes value,
                                  enum value_encoding encoding, int64_t deadline)
{
    struct entry *e = shell_create(key, (uint8_t)(TYPE_STRING | encoding << 4), ENTRY_INLINE,
                                   deadline, 1 + value.len);
    uint8_t *at = value_at(e);
    at[0] = (uint8_t)value.len;
    bytes_copy(at + 1, value.ptr, value.len);
    return e;
}

struct entry *entry_create_word(struct bytes key, enum value_type type,
                                enum value_encoding encoding, int64_t word, int64_t deadline)
{
    size_t size = word_size(encoding);
    struct entry *e = shell_create(key, (uint8_t)(type | encoding << 4), 0, deadline, size);
    memcpy(value_at(e), &word, size); /* little endian, as all of this */
    return e;
}

struct entry *entry_rebuild(const struct entry *e, struct bytes key, int64_t deadline)
{
    uint8_t kept = e->flags & ~(ENTRY_EXPIRES | ENTRY_WIDE_DEADLINE | ENTRY_INDEX_MARK);
    struct entry *copy = shell_create(key, e->type_encoding, kept, deadline, value_size(e));
    memcpy(copy->clock, e->clock, sizeof e->clock);
    bytes_copy(value_at(copy), value_at(e), value_size(e));
    return copy;
}

bool entry_store_inline(struct entry *e, struct bytes value, enum value_encoding encoding)
{
    if (!(e->flags & ENTRY_INLINE))
        return false;
    uint8_t *at = value_at(e);
    size_t before = (size_t)(at - (uint8_t *)e) + 1;
    /* The block must be the one that the allocator gives for the new size: it is freed by that
     * size. */
    if (at[0] != value.len && cell_usable(before + at[0]) != cell_usable(before + value.len))
        return false;
    at[0] = (uint8_t)value.len;
    memmove(at + 1, value.ptr, value.len);
    entry_set_encoding(e, encoding);
    return true;
}

void entry_free_shell(struct entry *e)
{
    cell_free(e, entry_shell_size(e));
}

const char *entry_type_name(enum value_type type)
{
    static const char *const names[] = {"string", "list", "set", "zset", "hash", "stream"};
    _Static_assert(sizeof names / sizeof *names == TYPE_COUNT, "every type has a name");
    return names[type];
}

const char *entry_encoding_name(enum value_encoding encoding)
{
    static const char *const names[] = {"int",       "embstr",    "raw",       "listpack",
                                        "quicklist", "intset",    "hashtable", "skiplist",
                                        "stream",    "listpackex"};
    _Static_assert(sizeof names / sizeof *names == ENC_COUNT, "every encoding has a name");
    return names[encoding];
}

/* -- blobs ------------------------------------------------------------------------------------- */

struct blob *blob_try_create(size_t len)
{
    struct blob *b = mem_try_alloc(sizeof *b + len);
    if (b != NULL)
        *b = (struct blob){.refs = 1, .len = len, .room = len};
    return b;
}

struct blob *blob_create(size_t len)
{
    struct blob *b = mem_alloc(sizeof *b + len);
    *b = (struct blob){.refs = 1, .len = len, .room = len};
    return b;
}

void blob_retain(struct blob *b)
{
    __atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
}

void blob_release(void *blob)
{
    struct blob *b = blob;
    if (b != NULL && __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) == 0)
        mem_free(b);
}
