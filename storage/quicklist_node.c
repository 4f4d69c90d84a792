/*
 * quicklist_node.c - the inside of a node: elements between room at both ends, limits, compression.
 */
#include "storage/quicklist_node.h"

#include <liblzf/lzf.h>
#include <stdlib.h>

#include "base/memory.h"

enum {
    LISTPACK_BYTES = 7,   /* what a listpack of the same elements has besides them */
    ELEMENT_ESTIMATE = 8, /* what an element is taken to add to its text's length */
    SAFE_BYTES = 8192,    /* of a node whose limit is a count */
    ROOM_MIN = 64,
    COMPRESS_MIN = 48, /* smaller nodes are not compressed */
    COMPRESS_GAIN = 8, /* nor those that would not lose so many bytes */
};

/* -- limits ------------------------------------------------------------------------------------ */

static size_t bytes_limit(const struct list_limits *limits)
{
    if (limits->fill >= 0)
        return SAFE_BYTES;
    return (size_t)4096 << ((limits->fill < -5 ? 5 : -limits->fill) - 1);
}

bool list_limits_exceeded(const struct list_limits *limits, size_t bytes, uint64_t count)
{
    if (bytes > bytes_limit(limits))
        return true;
    uint64_t most = limits->fill == 0 ? 1 : (uint64_t)limits->fill;
    return limits->fill >= 0 && count > most;
}

static bool is_large(const struct list_limits *limits, size_t len)
{
    return limits->plain_bytes != 0 ? len >= limits->plain_bytes : len > bytes_limit(limits);
}

/* Bytes as the limits count them. */
static size_t limited_bytes(const struct qnode *n)
{
    return qnode_bytes(n) + LISTPACK_BYTES;
}

bool qnode_allows(const struct list_limits *limits, const struct qnode *n, size_t len)
{
    return !n->plain && !is_large(limits, len) &&
           !list_limits_exceeded(limits, limited_bytes(n) + len + ELEMENT_ESTIMATE,
                                 (uint64_t)n->count + 1);
}

/* -- making ------------------------------------------------------------------------------------ */

size_t qnode_bytes(const struct qnode *n)
{
    return n->compressed ? n->end : n->end - n->start;
}

static struct qnode *create(size_t room)
{
    struct qnode *n = mem_alloc_zeroed(sizeof *n);
    n->data = mem_alloc(room > 0 ? room : 1);
    n->room = room;
    return n;
}

struct qnode *qnode_of_run(const unsigned char *run, size_t len, uint32_t count)
{
    struct qnode *n = create(len);
    memcpy(n->data, run, len);
    n->end = len;
    n->count = count;
    return n;
}

struct qnode *qnode_of_text(const struct list_limits *limits, struct bytes text)
{
    struct qnode *n;
    if (is_large(limits, text.len)) {
        n = qnode_of_run((const unsigned char *)text.ptr, text.len, 1);
        n->plain = true;
        return n;
    }
    struct element el;
    element_of_text(&el, text);
    n = create(el.size);
    element_write(n->data, &el);
    n->end = el.size;
    n->count = 1;
    return n;
}

struct qnode *qnode_copy(const struct qnode *n)
{
    struct qnode *copy = mem_alloc(sizeof *copy);
    *copy = *n;
    copy->prev = copy->next = NULL;
    size_t used = n->compressed ? n->start : n->end - n->start;
    copy->data = mem_alloc(used > 0 ? used : 1);
    memcpy(copy->data, n->compressed ? n->data : n->data + n->start, used);
    copy->room = used;
    if (!n->compressed) {
        copy->start = 0;
        copy->end = used;
    }
    return copy;
}

static void destroy(struct qnode *n)
{
    mem_free(n->data);
    mem_free_sized(n, sizeof *n);
}

void qnode_destroy_chain(struct qnode *first)
{
    for (struct qnode *next; first != NULL; first = next) {
        next = first->next;
        destroy(first);
    }
}

/* -- compression ------------------------------------------------------------------------------- */

void qnode_compress(struct qnode *n)
{
    size_t len = n->end - n->start;
    if (n->compressed || len < COMPRESS_MIN || len > UINT32_MAX / 2)
        return;
    unsigned char *out = mem_alloc(len);
    unsigned packed =
        lzf_compress(n->data + n->start, (unsigned)len, out, (unsigned)(len - COMPRESS_GAIN));
    if (packed == 0) {
        mem_free(out);
        return;
    }
    mem_free(n->data);
    n->data = mem_resize(out, packed);
    n->start = n->room = packed;
    n->end = len;
    n->compressed = true;
}

static void decompress(const struct qnode *n, unsigned char *out)
{
    if (lzf_decompress(n->data, (unsigned)n->start, out, (unsigned)n->end) != n->end)
        abort(); /* these bytes are our own */
}

void qnode_unpack(struct qnode *n)
{
    if (!n->compressed)
        return;
    unsigned char *out = mem_alloc(n->end);
    decompress(n, out);
    mem_free(n->data);
    n->data = out;
    n->start = 0;
    n->room = n->end;
    n->compressed = false;
}

const unsigned char *qnode_view(const struct qnode *n, unsigned char **temp)
{
    if (!n->compressed)
        return n->data + n->start;
    *temp = mem_resize(*temp, n->end);
    decompress(n, *temp);
    return *temp;
}

/* -- room -------------------------------------------------------------------------------------- */

/* Room for want bytes and for some of those that will follow, while the limits let any follow. */
static size_t grown(const struct list_limits *limits, size_t want)
{
    size_t room = want * 2, most = bytes_limit(limits);
    if (room > most)
        room = want > most ? want : most;
    return mem_usable(room < ROOM_MIN ? ROOM_MIN : room);
}

/* At least need free bytes before (or behind) the elements. A block with a good part free is kept:
 * its elements move to the other end, which so many bytes of pushing pay for. */
static void make_room(const struct list_limits *limits, struct qnode *n, enum list_end end,
                      size_t need)
{
    if ((end == LIST_HEAD ? n->start : n->room - n->end) >= need)
        return;
    size_t used = n->end - n->start, free = n->room - used;
    size_t room = free >= need && free >= n->room / 4 ? n->room : grown(limits, used + need);
    size_t start = end == LIST_HEAD ? room - used : 0;
    if (room == n->room) {
        memmove(n->data + start, n->data + n->start, used);
    } else {
        unsigned char *data = mem_alloc(room);
        memcpy(data + start, n->data + n->start, used);
        mem_free(n->data);
        n->data = data;
        n->room = room;
    }
    n->start = start;
    n->end = start + used;
}

void qnode_push(const struct list_limits *limits, struct qnode *n, enum list_end end,
                struct bytes text)
{
    struct element el;
    element_of_text(&el, text);
    make_room(limits, n, end, el.size);
    if (end == LIST_HEAD) {
        n->start -= el.size;
        element_write(n->data + n->start, &el);
    } else {
        element_write(n->data + n->end, &el);
        n->end += el.size;
    }
    n->count++;
}

/* -- inside ------------------------------------------------------------------------------------ */

/* Where the inner-th element begins (or the elements end), from the elements' start. */
static size_t offset_of(const struct qnode *n, uint32_t inner)
{
    const unsigned char *begin = n->data + n->start, *at = begin;
    if (inner <= n->count / 2) {
        for (uint32_t i = 0; i < inner; i++)
            at += element_size(at);
    } else {
        at = n->data + n->end;
        for (uint32_t i = inner; i < n->count; i++)
            at = element_before(at);
    }
    return (size_t)(at - begin);
}

/* Write el in the place of removed bytes at offset. */
static void put(const struct list_limits *limits, struct qnode *n, size_t offset, size_t removed,
                const struct element *el)
{
    if (el->size > removed)
        make_room(limits, n, LIST_TAIL, el->size - removed);
    unsigned char *at = n->data + n->start + offset;
    memmove(at + el->size, at + removed, (size_t)(n->data + n->end - at) - removed);
    element_write(at, el);
    n->end += el->size;
    n->end -= removed;
}

void qnode_insert(const struct list_limits *limits, struct qnode *n, uint32_t inner,
                  struct bytes text)
{
    struct element el;
    qnode_unpack(n);
    element_of_text(&el, text);
    put(limits, n, offset_of(n, inner), 0, &el);
    n->count++;
}

static void replace_plain(struct qnode *n, struct bytes text)
{
    qnode_unpack(n);
    mem_free(n->data);
    n->data = mem_alloc(text.len);
    memcpy(n->data, text.ptr, text.len);
    n->start = 0;
    n->end = n->room = text.len;
}

bool qnode_replace(const struct list_limits *limits, struct qnode *n, uint32_t inner,
                   struct bytes text)
{
    bool large = is_large(limits, text.len);
    if (large != n->plain)
        return false;
    if (large) {
        replace_plain(n, text);
        return true;
    }
    qnode_unpack(n);
    size_t offset = offset_of(n, inner), removed = element_size(n->data + n->start + offset);
    if (n->count > 1 &&
        list_limits_exceeded(limits, limited_bytes(n) - removed + text.len + ELEMENT_ESTIMATE,
                             n->count))
        return false;
    struct element el;
    element_of_text(&el, text);
    put(limits, n, offset, removed, &el);
    return true;
}

struct qnode *qnode_drop(struct qnode *n, enum list_end end, uint32_t count, bool save)
{
    qnode_unpack(n);
    struct qnode *saved = NULL;
    size_t offset = offset_of(n, end == LIST_HEAD ? count : n->count - count);
    const unsigned char *begin = n->data + n->start;
    size_t len = end == LIST_HEAD ? offset : n->end - n->start - offset;
    if (save)
        saved = qnode_of_run(end == LIST_HEAD ? begin : begin + offset, len, count);
    *(end == LIST_HEAD ? &n->start : &n->end) = n->start + offset;
    n->count -= count;
    return saved;
}

uint32_t qnode_matches(const struct qnode *n, const struct list_needle *needle,
                       unsigned char **temp)
{
    const unsigned char *at = qnode_view(n, temp), *end = at + qnode_bytes(n);
    if (n->plain)
        return bytes_equal(bytes_of(at, n->end - n->start), needle->text);
    uint32_t matches = 0;
    for (; at < end; at += element_size(at))
        matches += list_needle_matches(needle, at);
    return matches;
}

void qnode_remove(struct qnode *n, const struct list_needle *needle, uint32_t skip, uint32_t count)
{
    qnode_unpack(n);
    unsigned char *out = n->data + n->start, *end = n->data + n->end;
    n->count -= count;
    for (unsigned char *at = out; at < end;) {
        size_t size = element_size(at);
        if (count > 0 && list_needle_matches(needle, at) && (skip == 0 || skip-- == 0)) {
            count--;
        } else {
            memmove(out, at, size);
            out += size;
        }
        at += size;
    }
    n->end = (size_t)(out - n->data);
}

bool qnode_can_join(const struct list_limits *limits, const struct qnode *a, const struct qnode *b)
{
    return !a->plain && !b->plain &&
           !list_limits_exceeded(limits, limited_bytes(a) + qnode_bytes(b),
                                 (uint64_t)a->count + b->count);
}

void qnode_join(struct qnode *a, struct qnode *b)
{
    qnode_unpack(a);
    qnode_unpack(b);
    size_t used = a->end - a->start, added = b->end - b->start;
    if (a->room - a->end < added) {
        unsigned char *data = mem_alloc(used + added);
        memcpy(data, a->data + a->start, used);
        mem_free(a->data);
        a->data = data;
        a->start = 0;
        a->end = used;
        a->room = used + added;
    }
    memcpy(a->data + a->end, b->data + b->start, added);
    a->end += added;
    a->count += b->count;
    destroy(b);
}

/* -- checks ------------------------------------------------------------------------------------ */

void qnode_check(const struct qnode *n)
{
    unsigned char *temp = NULL;
    if (n->compressed ? n->start != n->room : n->start > n->end || n->end > n->room)
        abort();
    const unsigned char *begin = qnode_view(n, &temp), *end = begin + qnode_bytes(n);
    uint32_t count = n->plain;
    for (const unsigned char *at = begin; !n->plain && at < end; count++) {
        size_t size = element_size(at);
        at += size;
        if (at > end || element_before(at) != at - size)
            abort();
    }
    if (count != n->count)
        abort();
    mem_free(temp);
}
