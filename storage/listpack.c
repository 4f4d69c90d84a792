/*
 * listpack.c - the block of packed elements: a header, elements (listpack_element.h), an end byte.
 *
 * Every change is a splice(): bytes at one place make room for others. The block grows by the
 * allocator's own classes, a byte more than needed being free in most of them, and shrinks only on
 * request.
 */
#include "storage/listpack.h"

#include "base/memory.h"
#include "storage/listpack_element.h"

enum { HEADER = 6, EMPTY = HEADER + 1, COUNT_UNKNOWN = 65535 };

static const size_t BYTES_LIMIT = (size_t)1 << 30;

static void set_bytes(unsigned char *lp, size_t bytes)
{
    uint32_t n = (uint32_t)bytes;
    lp[0] = (unsigned char)n;
    lp[1] = (unsigned char)(n >> 8);
    lp[2] = (unsigned char)(n >> 16);
    lp[3] = (unsigned char)(n >> 24);
}

size_t lp_bytes(const unsigned char *lp)
{
    return (size_t)element_get_le(lp, 4);
}

static uint32_t stored_count(const unsigned char *lp)
{
    return (uint32_t)element_get_le(lp + 4, 2);
}

static void set_count(unsigned char *lp, uint32_t count)
{
    if (count > COUNT_UNKNOWN)
        count = COUNT_UNKNOWN;
    lp[4] = (unsigned char)count;
    lp[5] = (unsigned char)(count >> 8);
}

/* Once the count is unknown it stays so, until a walk from the header could tell it again. */
static void add_count(unsigned char *lp, int64_t more)
{
    uint32_t count = stored_count(lp);
    if (count != COUNT_UNKNOWN)
        set_count(lp, (uint32_t)(count + more));
}

unsigned char *lp_create(size_t reserve)
{
    unsigned char *lp = mem_alloc(reserve > EMPTY ? reserve : EMPTY);
    set_bytes(lp, EMPTY);
    set_count(lp, 0);
    lp[HEADER] = ELEMENT_END;
    return lp;
}

void lp_destroy(unsigned char *lp)
{
    mem_free(lp);
}

unsigned char *lp_copy(const unsigned char *lp)
{
    size_t bytes = lp_bytes(lp);
    return memcpy(mem_alloc(bytes), lp, bytes);
}

size_t lp_memory(const unsigned char *lp)
{
    return mem_size_of(lp);
}

unsigned char *lp_shrink(unsigned char *lp)
{
    size_t bytes = lp_bytes(lp);
    return mem_size_of(lp) > mem_usable(bytes) ? mem_resize(lp, bytes) : lp;
}

uint32_t lp_count(const unsigned char *lp)
{
    uint32_t count = stored_count(lp);
    if (count != COUNT_UNKNOWN)
        return count;
    count = 0;
    for (const unsigned char *at = lp_first(lp); at != NULL; at = lp_next(lp, at))
        count++;
    return count;
}

size_t lp_element_size(struct bytes text)
{
    struct element el;
    element_of_text(&el, text);
    return el.size;
}

bool lp_has_room(const unsigned char *lp, size_t more)
{
    return more <= BYTES_LIMIT && lp_bytes(lp) + more <= BYTES_LIMIT;
}

/* -- positions --------------------------------------------------------------------------------- */

static unsigned char *element_or_null(const unsigned char *at)
{
    return *at == ELEMENT_END ? NULL : (unsigned char *)at;
}

static unsigned char *end_of(const unsigned char *lp)
{
    return (unsigned char *)lp + lp_bytes(lp) - 1;
}

unsigned char *lp_first(const unsigned char *lp)
{
    return element_or_null(lp + HEADER);
}

unsigned char *lp_last(const unsigned char *lp)
{
    return lp_prev(lp, end_of(lp));
}

unsigned char *lp_next(const unsigned char *lp, const unsigned char *at)
{
    (void)lp;
    return element_or_null(at + element_size(at));
}

unsigned char *lp_prev(const unsigned char *lp, const unsigned char *at)
{
    return at == lp + HEADER ? NULL : (unsigned char *)element_before(at);
}

static unsigned char *seek_forward(const unsigned char *lp, uint64_t steps)
{
    unsigned char *at = lp_first(lp);
    while (at != NULL && steps-- > 0)
        at = lp_next(lp, at);
    return at;
}

static unsigned char *seek_backward(const unsigned char *lp, uint64_t steps)
{
    unsigned char *at = lp_last(lp);
    while (at != NULL && steps-- > 0)
        at = lp_prev(lp, at);
    return at;
}

unsigned char *lp_seek(const unsigned char *lp, int64_t index)
{
    uint32_t count = stored_count(lp);
    if (count == COUNT_UNKNOWN) {
        return index >= 0 ? seek_forward(lp, (uint64_t)index)
                          : seek_backward(lp, (uint64_t) - (index + 1));
    }
    if (index < 0)
        index += count;
    if (index < 0 || index >= count)
        return NULL;
    return index < count / 2 ? seek_forward(lp, (uint64_t)index)
                             : seek_backward(lp, (uint64_t)(count - 1 - index));
}

/* -- reading ----------------------------------------------------------------------------------- */

struct lp_value lp_get(const unsigned char *at)
{
    struct lp_value v = {.bytes = {NULL, 0}};
    v.is_int = element_read(at, &v.number, &v.bytes);
    return v;
}

struct bytes lp_text(const unsigned char *at, char scratch[NUMBER_TEXT_MAX])
{
    return element_text(at, scratch);
}

/* Equal texts have equal encodings, except in a listpack that somebody else wrote (an integer kept
 * as a string). */
bool lp_equals(const unsigned char *at, struct bytes text)
{
    char scratch[NUMBER_TEXT_MAX];
    return bytes_equal(element_text(at, scratch), text);
}

unsigned char *lp_find(const unsigned char *lp, const unsigned char *at, struct bytes text,
                       int skip)
{
    int64_t wanted = 0, number = 0;
    bool wants_int = number_parse_i64(text, &wanted);
    for (int left = 0; at != NULL; at = lp_next(lp, at)) {
        if (left-- > 0)
            continue;
        left = skip;
        struct bytes found;
        if (element_read(at, &number, &found) ? wants_int && number == wanted
                                              : bytes_equal(found, text))
            return (unsigned char *)at;
    }
    return NULL;
}

/* -- changing ---------------------------------------------------------------------------------- */

/* Let removed bytes at offset be replaced by added ones, not yet set. Returns where the listpack is
 * now. */
static unsigned char *splice(unsigned char *lp, size_t offset, size_t removed, size_t added)
{
    size_t before = lp_bytes(lp), after = before - removed + added;
    if (after > mem_usable(before) && after > mem_size_of(lp))
        lp = mem_resize(lp, after);
    memmove(lp + offset + added, lp + offset + removed, before - offset - removed);
    set_bytes(lp, after);
    return lp;
}

/* Write el at offset in the place of removed bytes. */
static unsigned char *put(unsigned char *lp, size_t offset, size_t removed,
                          const struct element *el)
{
    lp = splice(lp, offset, removed, el->size);
    element_write(lp + offset, el);
    if (removed == 0)
        add_count(lp, 1);
    return lp;
}

unsigned char *lp_append(unsigned char *lp, struct bytes text)
{
    struct element el;
    element_of_text(&el, text);
    return put(lp, lp_bytes(lp) - 1, 0, &el);
}

unsigned char *lp_append_int(unsigned char *lp, int64_t number)
{
    struct element el;
    element_of_int(&el, number);
    return put(lp, lp_bytes(lp) - 1, 0, &el);
}

unsigned char *lp_prepend(unsigned char *lp, struct bytes text)
{
    struct element el;
    element_of_text(&el, text);
    return put(lp, HEADER, 0, &el);
}

unsigned char *lp_insert_before(unsigned char *lp, unsigned char **at, struct bytes text)
{
    struct element el;
    element_of_text(&el, text);
    size_t offset = (size_t)((*at != NULL ? *at : end_of(lp)) - lp);
    lp = put(lp, offset, 0, &el);
    *at = lp + offset;
    return lp;
}

unsigned char *lp_insert_after(unsigned char *lp, unsigned char **at, struct bytes text)
{
    *at = lp_next(lp, *at);
    return lp_insert_before(lp, at, text);
}

static unsigned char *replace(unsigned char *lp, unsigned char **at, const struct element *el)
{
    size_t offset = (size_t)(*at - lp);
    lp = put(lp, offset, element_size(*at), el);
    *at = lp + offset;
    return lp;
}

unsigned char *lp_replace(unsigned char *lp, unsigned char **at, struct bytes text)
{
    struct element el;
    element_of_text(&el, text);
    return replace(lp, at, &el);
}

unsigned char *lp_replace_int(unsigned char *lp, unsigned char **at, int64_t number)
{
    struct element el;
    element_of_int(&el, number);
    return replace(lp, at, &el);
}

unsigned char *lp_delete(unsigned char *lp, unsigned char **at, uint32_t count)
{
    const unsigned char *behind = *at;
    uint32_t deleted = 0;
    for (; deleted < count && *behind != ELEMENT_END; deleted++)
        behind += element_size(behind);
    size_t offset = (size_t)(*at - lp);
    lp = splice(lp, offset, (size_t)(behind - *at), 0);
    add_count(lp, -(int64_t)deleted);
    *at = element_or_null(lp + offset);
    return lp;
}

unsigned char *lp_delete_range(unsigned char *lp, int64_t index, uint32_t count)
{
    unsigned char *at = lp_seek(lp, index);
    return at != NULL && count > 0 ? lp_delete(lp, &at, count) : lp;
}

unsigned char *lp_merge(unsigned char *lp, const unsigned char *other)
{
    size_t offset = lp_bytes(lp) - 1, added = lp_bytes(other) - EMPTY;
    uint32_t count = lp_count(lp) + lp_count(other);
    lp = splice(lp, offset, 0, added);
    memcpy(lp + offset, other + HEADER, added);
    set_count(lp, count);
    return lp;
}

unsigned char *lp_of_run(const unsigned char *run, size_t len, uint32_t count)
{
    unsigned char *lp = splice(lp_create(len), HEADER, 0, len);
    memcpy(lp + HEADER, run, len);
    set_count(lp, count);
    return lp;
}

/* -- what comes from outside ------------------------------------------------------------------- */

/* The size of the whole element at at, with len bytes to read from; 0 if it does not fit there or
 * its two lengths disagree. */
static size_t checked_size(const unsigned char *at, size_t len)
{
    enum { LONGEST_HEAD = 5 };
    unsigned char head[LONGEST_HEAD] = {0};
    memcpy(head, at, len < LONGEST_HEAD ? len : LONGEST_HEAD);
    size_t body = element_body_size(head);
    uint8_t back_len = element_back_len(body), expected[5];
    if (body == 0 || body + back_len > len)
        return 0;
    element_write_back(expected, body, back_len);
    return memcmp(at + body, expected, back_len) == 0 ? body + back_len : 0;
}

bool lp_validate(const unsigned char *bytes, size_t len, bool deep)
{
    if (len < EMPTY || lp_bytes(bytes) != len || bytes[len - 1] != ELEMENT_END)
        return false;
    if (!deep)
        return true;
    uint32_t count = 0, told = stored_count(bytes);
    for (size_t at = HEADER; at < len - 1; count++) {
        size_t size = checked_size(bytes + at, len - 1 - at);
        if (size == 0)
            return false;
        at += size;
    }
    return told == COUNT_UNKNOWN || told == count;
}
