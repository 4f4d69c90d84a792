/*
 * string.c - strings: int, inline bytes, blobs.
 *
 * A string changes form only by building a new entry, so keyspace_replace() undoes that. What
 * changes inside a blob is undone by records of this file: the old length with the bytes that were
 * overwritten, or the old blob where a reply still shows it.
 */
#include "storage/string.h"

#include "base/memory.h"
#include "storage/undo.h"

enum { GROW_DOUBLING_MAX = 1024 * 1024 };

struct bytes string_view(const struct entry *e, char scratch[NUMBER_TEXT_MAX])
{
    if (e->flags & ENTRY_INLINE)
        return entry_inline(e);
    if (entry_encoding(e) == ENC_INT)
        return bytes_of(scratch, number_format_i64(scratch, entry_int(e)));
    const struct blob *b = entry_pointer(e);
    return bytes_of(b->data, b->len);
}

size_t string_length(const struct entry *e)
{
    char scratch[NUMBER_TEXT_MAX];
    return string_view(e, scratch).len;
}

bool string_as_i64(const struct entry *e, int64_t *out)
{
    if (entry_encoding(e) == ENC_INT) {
        *out = entry_int(e);
        return true;
    }
    return number_parse_i64(string_view(e, NULL), out);
}

struct blob *string_blob(const struct entry *e)
{
    return e->flags & ENTRY_INLINE || entry_encoding(e) == ENC_INT ? NULL : entry_pointer(e);
}

/* -- setting ----------------------------------------------------------------------------------- */

static struct entry *create_from_bytes(struct bytes key, struct bytes value, int64_t deadline)
{
    if (value.len <= ENTRY_INLINE_MAX)
        return entry_create_inline(key, value, value.len <= ENTRY_EMBSTR_MAX ? ENC_EMBSTR : ENC_RAW,
                                   deadline);
    struct blob *b = blob_create(value.len);
    memcpy(b->data, value.ptr, value.len);
    return entry_create_word(key, TYPE_STRING, ENC_RAW, (int64_t)(uintptr_t)b, deadline);
}

/* Put a new entry in, in the place of an old one if there is one. */
static struct entry *put(struct keyspace *ks, int db, struct entry *old, struct entry *e,
                         uint64_t hash)
{
    if (old != NULL)
        keyspace_replace(ks, db, old, e, hash);
    else
        keyspace_add(ks, db, e, hash);
    return e;
}

static bool may_be_number(struct bytes value)
{
    if (value.len == 0 || value.len >= NUMBER_TEXT_MAX)
        return false;
    char first = value.ptr[0];
    return (first >= '0' && first <= '9') || first == '-';
}

struct entry *string_create(struct bytes key, struct bytes value)
{
    int64_t number;
    if (may_be_number(value) && number_parse_i64(value, &number))
        return entry_create_word(key, TYPE_STRING, ENC_INT, number, DEADLINE_NONE);
    return create_from_bytes(key, value, DEADLINE_NONE);
}

struct entry *string_set(struct keyspace *ks, int db, struct entry *old, struct key key,
                         struct bytes value, int64_t deadline)
{
    int64_t number;
    if (may_be_number(value) && number_parse_i64(value, &number)) {
        if (old != NULL && entry_deadline(old) == deadline)
            return string_set_int(ks, db, old, key, number);
        return put(ks, db, old, entry_create_word(key.name, TYPE_STRING, ENC_INT, number, deadline),
                   key.hash);
    }
    if (old != NULL && value.len <= ENTRY_INLINE_MAX && entry_deadline(old) == deadline &&
        !undo_is_open(ks->undo) &&
        entry_store_inline(old, value, value.len <= ENTRY_EMBSTR_MAX ? ENC_EMBSTR : ENC_RAW))
        return old;
    return put(ks, db, old, create_from_bytes(key.name, value, deadline), key.hash);
}

struct entry *string_set_raw(struct keyspace *ks, int db, struct entry *old, struct key key,
                             struct bytes value)
{
    struct entry *e = create_from_bytes(key.name, value, DEADLINE_NONE);
    entry_set_encoding(e, ENC_RAW);
    return put(ks, db, old, e, key.hash);
}

struct entry *string_set_blob(struct keyspace *ks, int db, struct entry *old, struct key key,
                              struct blob *value, int64_t deadline)
{
    struct entry *e =
        entry_create_word(key.name, TYPE_STRING, ENC_RAW, (int64_t)(uintptr_t)value, deadline);
    return put(ks, db, old, e, key.hash);
}

struct int_change {
    struct entry *entry;
    int64_t before;
};

static void revert_int(struct keyspace *ks, void *record)
{
    (void)ks;
    struct int_change *c = record;
    entry_set_int(c->entry, c->before);
}

static const struct undo_kind kind_int = {"int", revert_int, NULL};

struct entry *string_set_int(struct keyspace *ks, int db, struct entry *old, struct key key,
                             int64_t value)
{
    if (old != NULL && entry_type(old) == TYPE_STRING && entry_encoding(old) == ENC_INT) {
        if (undo_is_open(ks->undo)) {
            struct int_change *c = undo_record(ks->undo, &kind_int, sizeof *c);
            *c = (struct int_change){old, entry_int(old)};
        }
        entry_set_int(old, value);
        return old;
    }
    int64_t deadline = old != NULL ? entry_deadline(old) : DEADLINE_NONE;
    return put(ks, db, old, entry_create_word(key.name, TYPE_STRING, ENC_INT, value, deadline),
               key.hash);
}

/* -- changing bytes in place ------------------------------------------------------------------- */

/* A string that a reply still shows, or one in another form, is copied; this is the blob before. */
struct blob_change {
    struct entry *entry;
    struct blob *before;
};

static void revert_blob(struct keyspace *ks, void *record)
{
    (void)ks;
    struct blob_change *c = record;
    blob_release(entry_pointer(c->entry));
    entry_set_pointer(c->entry, c->before);
}

static void keep_blob(struct keyspace *ks, void *record)
{
    (void)ks;
    blob_release(((struct blob_change *)record)->before);
}

static const struct undo_kind kind_blob = {"blob", revert_blob, keep_blob};

/* Bytes of a blob that were overwritten, and its length. */
struct range_change {
    struct entry *entry;
    size_t len_before, offset, saved;
    char bytes[];
};

static void revert_range(struct keyspace *ks, void *record)
{
    (void)ks;
    struct range_change *c = record;
    struct blob *b = entry_pointer(c->entry);
    memcpy(b->data + c->offset, c->bytes, c->saved);
    b->len = c->len_before;
}

static const struct undo_kind kind_range = {"range", revert_range, NULL};

static void record_range(struct keyspace *ks, struct entry *e, size_t offset, size_t len)
{
    if (!undo_is_open(ks->undo))
        return;
    const struct blob *b = entry_pointer(e);
    size_t saved = offset >= b->len ? 0 : len;
    if (saved > 0 && saved > b->len - offset)
        saved = b->len - offset;
    struct range_change *c = undo_record(ks->undo, &kind_range, sizeof *c + saved);
    *c = (struct range_change){e, b->len, saved > 0 ? offset : 0, saved};
    memcpy(c->bytes, b->data + c->offset, saved);
}

/* Room for future growth, as long as that costs little. */
static size_t room_for(size_t len)
{
    return len < GROW_DOUBLING_MAX ? len * 2 : len + GROW_DOUBLING_MAX;
}

/* The entry's blob, its own and with room for len bytes. */
static struct blob *own_blob(struct keyspace *ks, struct entry *e, size_t len)
{
    struct blob *b = entry_pointer(e);
    if (__atomic_load_n(&b->refs, __ATOMIC_ACQUIRE) == 1) {
        if (b->room < len) {
            size_t room = room_for(len);
            b = mem_resize(b, sizeof *b + room);
            b->room = room;
            entry_set_pointer(e, b);
        }
        return b;
    }
    struct blob *copy = blob_create(room_for(len > b->len ? len : b->len));
    memcpy(copy->data, b->data, b->len);
    copy->len = b->len;
    entry_set_pointer(e, copy);
    if (undo_is_open(ks->undo)) {
        struct blob_change *c = undo_record(ks->undo, &kind_blob, sizeof *c);
        *c = (struct blob_change){e, b};
    } else {
        blob_release(b);
    }
    return copy;
}

/* A raw entry for the same key with len bytes, of which the first are those of e and the others
 * zero. */
static struct entry *rebuild_raw(const struct entry *e, size_t len)
{
    char scratch[NUMBER_TEXT_MAX], inline_bytes[ENTRY_INLINE_MAX] = {0};
    struct bytes before = string_view(e, scratch);
    if (len <= ENTRY_INLINE_MAX) {
        memcpy(inline_bytes, before.ptr, before.len);
        return entry_create_inline(entry_key(e), bytes_of(inline_bytes, len), ENC_RAW,
                                   entry_deadline(e));
    }
    struct blob *b =
        blob_create(before.len == 0 ? len : room_for(len)); /* a first write is the usual last */
    b->len = len;
    memcpy(b->data, before.ptr, before.len);
    memset(b->data + before.len, 0, len - before.len);
    return entry_create_word(entry_key(e), TYPE_STRING, ENC_RAW, (int64_t)(uintptr_t)b,
                             entry_deadline(e));
}

char *string_edit(struct keyspace *ks, int db, struct entry **e, uint64_t hash, size_t min_len,
                  size_t offset, size_t len)
{
    if (string_blob(*e) == NULL) {
        size_t before = string_length(*e);
        if (before >= min_len && entry_encoding(*e) == ENC_RAW && !undo_is_open(ks->undo))
            return (char *)entry_inline(*e).ptr;
        struct entry *raw = rebuild_raw(*e, before > min_len ? before : min_len);
        keyspace_replace(ks, db, *e, raw, hash);
        *e = raw;
        struct blob *b = string_blob(raw);
        return b != NULL ? b->data : (char *)entry_inline(raw).ptr;
    }
    struct blob *b = own_blob(ks, *e, min_len);
    record_range(ks, *e, offset, len);
    if (b->len < min_len) {
        memset(b->data + b->len, 0, min_len - b->len);
        b->len = min_len;
    }
    return b->data;
}

struct entry *string_set_range(struct keyspace *ks, int db, struct entry *e, uint64_t hash,
                               size_t offset, struct bytes bytes)
{
    char *data = string_edit(ks, db, &e, hash, offset + bytes.len, offset, bytes.len);
    memcpy(data + offset, bytes.ptr, bytes.len);
    return e;
}

struct entry *string_append(struct keyspace *ks, int db, struct entry *e, uint64_t hash,
                            struct bytes tail)
{
    size_t before = string_length(e);
    char *data = string_edit(ks, db, &e, hash, before + tail.len, before, tail.len);
    memcpy(data + before, tail.ptr, tail.len);
    return e;
}

struct entry *string_splice(struct keyspace *ks, int db, struct entry *e, uint64_t hash,
                            size_t offset, size_t removed, struct bytes inserted)
{
    size_t before = string_length(e), tail = before - offset - removed;
    size_t after = before - removed + inserted.len;
    if (string_blob(e) == NULL && after < before) {
        char scratch[NUMBER_TEXT_MAX], bytes[ENTRY_INLINE_MAX];
        memcpy(bytes, string_view(e, scratch).ptr, before);
        memmove(bytes + offset + inserted.len, bytes + offset + removed, tail);
        memcpy(bytes + offset, inserted.ptr, inserted.len);
        struct entry *shorter =
            entry_create_inline(entry_key(e), bytes_of(bytes, after), ENC_RAW, entry_deadline(e));
        keyspace_replace(ks, db, e, shorter, hash);
        return shorter;
    }
    size_t overwritten = after == before ? removed : before - offset;
    char *data = string_edit(ks, db, &e, hash, after, offset, overwritten);
    memmove(data + offset + inserted.len, data + offset + removed, tail);
    memcpy(data + offset, inserted.ptr, inserted.len);
    if (after < before)
        string_blob(e)->len = after;
    return e;
}

/* -- the row in value.c ------------------------------------------------------------------------ */

struct entry *string_copy(const struct entry *e, struct bytes key, int64_t deadline)
{
    if (string_blob(e) == NULL)
        return entry_rebuild(e, key, deadline);
    struct entry *copy = create_from_bytes(key, string_view(e, NULL), deadline);
    entry_set_encoding(copy, ENC_RAW);
    return copy;
}

void string_free_value(struct entry *e)
{
    blob_release(string_blob(e));
}

/* Large blocks go back to the system when freed, which takes time in proportion to their size. */
uint64_t string_free_effort(const struct entry *e)
{
    const struct blob *b = string_blob(e);
    return b == NULL ? 1 : 1 + b->room / 4096;
}

size_t string_memory(const struct entry *e, uint64_t samples)
{
    (void)samples;
    const struct blob *b = string_blob(e);
    return b == NULL ? 0 : mem_usable(sizeof *b + b->room);
}
