/*
 * draw.c - a set of pointers with open addressing, and the beginning of a Fisher-Yates shuffle.
 */
#include "server/commands/draw.h"

#include "base/memory.h"
#include "base/random.h"

void drawn_init(struct drawn *d, uint64_t count)
{
    uint64_t cells = 4;
    while (cells < 2 * count)
        cells *= 2;
    *d = (struct drawn){mem_alloc_zeroed(cells * sizeof *d->cells), cells - 1};
}

void drawn_fini(struct drawn *d)
{
    mem_free(d->cells);
}

bool drawn_add(struct drawn *d, const void *place)
{
    uint64_t i = (uintptr_t)place * UINT64_C(0x9e3779b97f4a7c15) >> 20 & d->mask;
    while (d->cells[i] != NULL && d->cells[i] != place)
        i = (i + 1) & d->mask;
    bool is_new = d->cells[i] == NULL;
    d->cells[i] = place;
    return is_new;
}

void draw_shuffle(const void **items, uint64_t count, uint64_t wanted)
{
    for (uint64_t i = 0; i < wanted; i++) {
        uint64_t j = i + random_below(count - i);
        const void *chosen = items[j];
        items[j] = items[i];
        items[i] = chosen;
    }
}
