/*
 * undo.c - the log of inverses: a stack of records of different kinds in one growing block.
 */
#include "storage/undo.h"

#include <assert.h>

#include "base/memory.h"
#include "storage/keyspace.h"

struct header {
    const struct undo_kind *kind;
    uint32_t size;     /* of the record behind the header */
    uint32_t distance; /* from the header before; 0: this is the first */
};

enum { KEEP_ROOM = 64 * 1024 }; /* a closed log holds on to no more than this */

struct undo *undo_create(void)
{
    return mem_alloc_zeroed(sizeof(struct undo));
}

void undo_destroy(struct undo *u)
{
    if (u == NULL)
        return;
    mem_free(u->log);
    mem_free(u);
}

static struct header *header_at(const struct undo *u, size_t offset)
{
    return (struct header *)(u->log + offset);
}

void *undo_record(struct undo *u, const struct undo_kind *kind, size_t size)
{
    assert(u->depth > 0);
    size_t total = sizeof(struct header) + ((size + 15) & ~(size_t)15);
    if (u->used + total > u->room) {
        u->room = (u->used + total) * 2 + 512;
        u->log = mem_resize(u->log, u->room);
    }
    struct header *h = header_at(u, u->used);
    *h = (struct header){kind, (uint32_t)(total - sizeof *h), (uint32_t)(u->used - u->last)};
    u->last = u->used;
    u->used += total;
    return h + 1;
}

struct undo_section undo_begin(struct keyspace *ks)
{
    struct undo *u = ks->undo;
    u->depth++;
    return (struct undo_section){u->used, u->last, u->kept};
}

static void close_section(struct undo *u, struct undo_section section)
{
    u->used = section.used;
    u->last = section.last;
    u->kept = section.kept;
    if (u->depth == 0 && u->room > KEEP_ROOM) {
        mem_free(u->log);
        u->log = NULL;
        u->room = 0;
    }
}

/* Records are ended with no section open, so that what they announce is final. */
void undo_commit(struct keyspace *ks, struct undo_section section)
{
    struct undo *u = ks->undo;
    if (--u->depth > 0)
        return; /* part of the outer section from now on */
    for (size_t at = section.used; at < u->used;) {
        struct header *h = header_at(u, at);
        if (h->kind->keep != NULL)
            h->kind->keep(ks, h + 1);
        at += sizeof *h + h->size;
    }
    close_section(u, section);
}

void undo_rollback(struct keyspace *ks, struct undo_section section)
{
    struct undo *u = ks->undo;
    while (u->used > section.used) {
        struct header *h = header_at(u, u->last);
        h->kind->revert(ks, h + 1);
        u->used = u->last;
        u->last -= h->distance;
    }
    u->depth--;
    close_section(u, section);
}

void undo_each(const struct undo *u, struct undo_section section, const struct undo_kind *kind,
               void (*visit)(const void *record, void *context), void *context)
{
    for (size_t at = section.used; at < u->used;) {
        const struct header *h = header_at(u, at);
        if (h->kind == kind)
            visit(h + 1, context);
        at += sizeof *h + h->size;
    }
}

size_t undo_memory(const struct undo *u)
{
    return (u->depth > 0 ? u->used : u->room) + u->kept;
}
