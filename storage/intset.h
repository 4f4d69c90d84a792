/*
 * intset.h - a sorted array of integers in one allocation: small sets of nothing but integers.
 *
 * The layout is that of Redis's dump files, byte for byte: 4 bytes of width (2, 4 or 8), 4 bytes of
 * count, then the integers in ascending order, each of that many bytes; everything little-endian.
 * The width is that of the widest integer that was ever in.
 *
 * Functions that change a set return where it is now.
 */
#ifndef REDOUBT_STORAGE_INTSET_H
#define REDOUBT_STORAGE_INTSET_H

#include "base/bytes.h"

struct intset;

struct intset *intset_create(void);
void intset_destroy(struct intset *s);
struct intset *intset_copy(const struct intset *s);

uint32_t intset_count(const struct intset *s);
uint32_t intset_width(const struct intset *s);
/* What a dump holds; bytes of the allocation. */
struct bytes intset_view(const struct intset *s);
size_t intset_memory(const struct intset *s);

/* By position in the order, index < count. */
int64_t intset_get(const struct intset *s, uint32_t index);
bool intset_contains(const struct intset *s, int64_t value);

/* *done: the value was new, or was there. */
struct intset *intset_add(struct intset *s, int64_t value, bool *done);
struct intset *intset_remove(struct intset *s, int64_t value, bool *done);
/* Go back to a smaller width, in which all values fit. */
struct intset *intset_narrow(struct intset *s, uint32_t width);

/* Are these bytes such a set, sorted and without repetition? For what comes from outside. */
bool intset_validate(struct bytes dump);

#endif
