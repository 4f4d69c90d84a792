/*
 * picture.h - all that can be seen of a dataset, as lines of text in any order: taken before and
 * after, for tests of what is taken back. Include it behind cmocka.h.
 */
#ifndef REDOUBT_TESTS_UNIT_PICTURE_H
#define REDOUBT_TESTS_UNIT_PICTURE_H

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* All zero is empty. */
struct picture {
    char **lines; /* owned, and so is each */
    int count, room;
};

static inline void picture_add(struct picture *p, char *line)
{
    if (p->count == p->room) {
        p->room = p->room > 0 ? 2 * p->room : 64;
        p->lines = mem_resize(p->lines, (size_t)p->room * sizeof *p->lines);
    }
    p->lines[p->count++] = line;
}

static inline int picture_compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void picture_sort(struct picture *p)
{
    if (p->count > 0)
        qsort(p->lines, (size_t)p->count, sizeof *p->lines, picture_compare_lines);
}

static inline void picture_end(struct picture *p)
{
    for (int i = 0; i < p->count; i++)
        mem_free(p->lines[i]);
    mem_free(p->lines);
}

static inline void assert_same_picture(const struct picture *a, const struct picture *b)
{
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++)
        assert_string_equal(a->lines[i], b->lines[i]);
}

#endif
