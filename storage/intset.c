/*
 * intset.c - binary search, and memmove() where something comes or goes.
 */
#include "storage/intset.h"

#include <endian.h>

#include "base/memory.h"

enum { HEADER = 8 };

struct intset {
    uint32_t width, count; /* little-endian: see the functions */
    unsigned char values[];
};
_Static_assert(sizeof(struct intset) == HEADER, "the header is that of dump files");

uint32_t intset_width(const struct intset *s)
{
    return le32toh(s->width);
}

uint32_t intset_count(const struct intset *s)
{
    return le32toh(s->count);
}

static size_t size_for(uint32_t width, uint32_t count)
{
    return HEADER + (size_t)width * count;
}

static size_t size_of(const struct intset *s)
{
    return size_for(intset_width(s), intset_count(s));
}

static uint32_t width_for(int64_t value)
{
    if (value >= INT16_MIN && value <= INT16_MAX)
        return 2;
    return value >= INT32_MIN && value <= INT32_MAX ? 4 : 8;
}

struct intset *intset_create(void)
{
    struct intset *s = mem_alloc(HEADER);
    *s = (struct intset){.width = htole32(2)};
    return s;
}

void intset_destroy(struct intset *s)
{
    mem_free(s);
}

struct intset *intset_copy(const struct intset *s)
{
    struct intset *copy = mem_alloc(size_of(s));
    memcpy(copy, s, size_of(s));
    return copy;
}

struct bytes intset_view(const struct intset *s)
{
    return bytes_of(s, size_of(s));
}

size_t intset_memory(const struct intset *s)
{
    return mem_size_of(s);
}

/* -- values ------------------------------------------------------------------------------------ */

static int64_t value_load(const unsigned char *values, uint32_t width, uint32_t index)
{
    const unsigned char *at = values + (size_t)width * index;
    uint16_t narrow;
    uint32_t middle;
    uint64_t wide;
    switch (width) {
    case 2:
        memcpy(&narrow, at, sizeof narrow);
        return (int16_t)le16toh(narrow);
    case 4:
        memcpy(&middle, at, sizeof middle);
        return (int32_t)le32toh(middle);
    default:
        memcpy(&wide, at, sizeof wide);
        return (int64_t)le64toh(wide);
    }
}

/* The low bytes come first, so a narrow value is the beginning of the wide one. */
static void value_store(unsigned char *values, uint32_t width, uint32_t index, int64_t value)
{
    uint64_t wide = htole64((uint64_t)value);
    memcpy(values + (size_t)width * index, &wide, width);
}

int64_t intset_get(const struct intset *s, uint32_t index)
{
    return value_load(s->values, intset_width(s), index);
}

/* Where the value is, or would be: the first position whose value is not smaller. */
static uint32_t position_of(const struct intset *s, int64_t value)
{
    uint32_t width = intset_width(s), low = 0, high = intset_count(s);
    if (high > 0 && value_load(s->values, width, high - 1) < value)
        return high; /* ascending input */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (value_load(s->values, width, middle) < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct intset *s, uint32_t position, int64_t value)
{
    return position < intset_count(s) && intset_get(s, position) == value;
}

bool intset_contains(const struct intset *s, int64_t value)
{
    return is_at(s, position_of(s, value), value);
}

/* -- changing ---------------------------------------------------------------------------------- */

/* The values in another width. */
static struct intset *rebuild(struct intset *s, uint32_t width)
{
    uint32_t count = intset_count(s);
    struct intset *to = mem_alloc(size_for(width, count));
    *to = (struct intset){.width = htole32(width), .count = s->count};
    for (uint32_t i = 0; i < count; i++)
        value_store(to->values, width, i, intset_get(s, i));
    mem_free(s);
    return to;
}

struct intset *intset_add(struct intset *s, int64_t value, bool *done)
{
    if (width_for(value) > intset_width(s))
        s = rebuild(s, width_for(value));
    uint32_t width = intset_width(s), count = intset_count(s), at = position_of(s, value);
    *done = !is_at(s, at, value);
    if (!*done)
        return s;
    s = mem_resize(s, size_for(width, count + 1));
    unsigned char *here = s->values + (size_t)width * at;
    memmove(here + width, here, (size_t)width * (count - at));
    value_store(s->values, width, at, value);
    s->count = htole32(count + 1);
    return s;
}

struct intset *intset_remove(struct intset *s, int64_t value, bool *done)
{
    uint32_t width = intset_width(s), count = intset_count(s), at = position_of(s, value);
    *done = is_at(s, at, value);
    if (!*done)
        return s;
    unsigned char *here = s->values + (size_t)width * at;
    memmove(here, here + width, (size_t)width * (count - at - 1));
    s->count = htole32(count - 1);
    return mem_resize(s, size_for(width, count - 1));
}

struct intset *intset_narrow(struct intset *s, uint32_t width)
{
    return width < intset_width(s) ? rebuild(s, width) : s;
}

bool intset_validate(struct bytes dump)
{
    struct intset head;
    if (dump.len < HEADER)
        return false;
    memcpy(&head, dump.ptr, HEADER);
    uint32_t width = intset_width(&head), count = intset_count(&head);
    if ((width != 2 && width != 4 && width != 8) || count == 0 ||
        dump.len != size_for(width, count))
        return false;
    const unsigned char *values = (const unsigned char *)dump.ptr + HEADER;
    for (uint32_t i = 1; i < count; i++)
        if (value_load(values, width, i - 1) >= value_load(values, width, i))
            return false;
    return true;
}
