/*
 * arena.h - copies of bytes that all end at once.
 */
#ifndef REDOUBT_BASE_ARENA_H
#define REDOUBT_BASE_ARENA_H

#include "base/bytes.h"

struct arena_block;

/* All zero is empty. */
struct arena {
    struct arena_block *last; /* owned, with those before it */
};

/* A copy that stays where it is until arena_fini(). */
struct bytes arena_copy(struct arena *a, struct bytes text);
void arena_fini(struct arena *a);

#endif
