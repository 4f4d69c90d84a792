/*
 * arena.c - blocks that are filled one after the other; each is twice as large as the one before,
 * up to a limit.
 */
#include "base/arena.h"

#include "base/memory.h"

enum { FIRST_ROOM = 1000, LAST_ROOM = 1000 * 1000 };

struct arena_block {
    struct arena_block *before;
    size_t used, room;
    char data[];
};

static struct arena_block *add_block(struct arena *a, size_t need)
{
    size_t room = a->last != NULL ? a->last->room * 2 : FIRST_ROOM;
    if (room > LAST_ROOM)
        room = LAST_ROOM;
    if (room < need)
        room = need;
    struct arena_block *b = mem_alloc(sizeof *b + room);
    b->before = a->last;
    b->used = 0;
    b->room = room;
    a->last = b;
    return b;
}

struct bytes arena_copy(struct arena *a, struct bytes text)
{
    struct arena_block *b = a->last;
    if (b == NULL || b->room - b->used < text.len)
        b = add_block(a, text.len);
    char *copy = b->data + b->used;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    b->used += text.len;
    return bytes_of(copy, text.len);
}

void arena_fini(struct arena *a)
{
    for (struct arena_block *b = a->last, *before; b != NULL; b = before) {
        before = b->before;
        mem_free(b);
    }
    a->last = NULL;
}
