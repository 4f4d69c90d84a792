/*
 * list_limits.h - how lists are cut into nodes: the directives of struct quicklist.
 */
#ifndef REDOUBT_STORAGE_LIST_LIMITS_H
#define REDOUBT_STORAGE_LIST_LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct list_limits {
    /* list-max-listpack-size: elements in a node; -1 to -5: its bytes, 4, 8, 16, 32 or 64 KiB. 0
     * is 1. */
    int32_t fill;
    uint32_t depth; /* list-compress-depth: nodes at each end that are not compressed; 0: none is */
    size_t plain_bytes; /* an element of so many bytes has a node of its own; 0: one that fits in no
                           node */
};

#endif
