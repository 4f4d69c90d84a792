/*
 * draw.h - drawing distinct places from a collection: all the work is in proportion to what is
 * drawn, or to the collection, whichever is less.
 */
#ifndef REDOUBT_SERVER_COMMANDS_DRAW_H
#define REDOUBT_SERVER_COMMANDS_DRAW_H

#include <stdbool.h>
#include <stdint.h>

/* What was drawn so far, when few places of many are drawn one by one. */
struct drawn {
    const void **cells; /* owned; a power of two of them, at most half of them taken */
    uint64_t mask;
};

void drawn_init(struct drawn *d, uint64_t count);
void drawn_fini(struct drawn *d);
/* False if this place was drawn before. */
bool drawn_add(struct drawn *d, const void *place);

/* Bring a random choice of wanted items to the front, in random order; wanted <= count. */
void draw_shuffle(const void **items, uint64_t count, uint64_t wanted);

#endif
