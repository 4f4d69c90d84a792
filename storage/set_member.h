/*
 * set_member.h - a member in the table of a set: a cell of its own (base/cells.h).
 *
 * A member of 8, 16, ... 56 bytes fills a cell exactly and is nothing but its bytes: how many
 * eights it has stands in the low bits of the pointer, which alignment leaves free. In front of any
 * other member stands its length: one byte, or 255 and eight bytes.
 */
#ifndef REDOUBT_STORAGE_SET_MEMBER_H
#define REDOUBT_STORAGE_SET_MEMBER_H

#include "storage/dict.h"

/* The pointers are for these functions and for a dict, not to be followed. */
void *member_create(struct bytes text);
void member_destroy(void *member);
/* Bytes of the allocation. */
size_t member_memory(const void *member);

static inline struct bytes member_text(const void *member)
{
    enum { EIGHTS = 7, LONG = 255 };
    uintptr_t word = (uintptr_t)member;
    const unsigned char *block = (const unsigned char *)(word & ~(uintptr_t)EIGHTS);
    if (word & EIGHTS)
        return bytes_of(block, (word & EIGHTS) * 8);
    if (block[0] != LONG)
        return bytes_of(block + 1, block[0]);
    uint64_t len;
    memcpy(&len, block + 1, sizeof len);
    return bytes_of(block + 1 + sizeof len, len);
}

/* A table of members. */
extern const struct dict_type member_table;

#endif
