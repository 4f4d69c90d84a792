/*
 * undo.h - taking an atomic section back.
 *
 * While a section is open, every mutator of storage records its inverse here before it changes
 * anything: what is overwritten or removed moves into the log instead of being freed, an in-place
 * change records just itself. undo_commit() drops the log (and frees what it kept); undo_rollback()
 * replays it backwards. Since inverses run in exact reverse order, each finds the tables as its
 * mutator left them, so records may hold pointers to entries.
 *
 * Cost: one predictable branch (undo_is_open()) for a mutator when no section is open; in
 * proportion to the change, never to the size of the value, when one is.
 *
 * Sections nest: an inner one (a script inside a transaction) that closes well becomes part of the
 * outer one; one that is rolled back leaves the outer one as it was. What keyspace_changed()
 * announces inside waits here as well and is told when the outermost section closes well.
 */
#ifndef REDOUBT_STORAGE_UNDO_H
#define REDOUBT_STORAGE_UNDO_H

#include "base/bytes.h"

struct keyspace;

/* How a kind of record is undone (the section failed) or ended (it closed well). record is what
 * undo_record() returned. */
struct undo_kind {
    const char *name;
    void (*revert)(struct keyspace *ks, void *record);
    void (*keep)(struct keyspace *ks, void *record); /* NULL: nothing to free */
};

struct undo {
    char *
        log; /* owned; records, each behind a header that says how long it and the one before are */
    size_t used, room;
    size_t last; /* where the newest record's header is */
    size_t kept; /* bytes of values that the log keeps alive: its users add, closing resets */
    int depth;   /* open sections */
};

static inline bool undo_is_open(const struct undo *u)
{
    return __builtin_expect(u->depth > 0, 0);
}

struct undo *undo_create(void);
void undo_destroy(struct undo *u);

/* Open a section. Returns what closes it. */
struct undo_section {
    size_t used, last, kept;
};
struct undo_section undo_begin(struct keyspace *ks);
void undo_commit(struct keyspace *ks, struct undo_section section);
void undo_rollback(struct keyspace *ks, struct undo_section section);

/* Room for a record of this kind (aligned to 16), to be filled by the caller at once. Only while
 * open. */
void *undo_record(struct undo *u, const struct undo_kind *kind, size_t size);
/* Visit the records of one kind in an open section, oldest first. */
void undo_each(const struct undo *u, struct undo_section section, const struct undo_kind *kind,
               void (*visit)(const void *record, void *context), void *context);
/* Bytes that the log takes and keeps alive. */
size_t undo_memory(const struct undo *u);

#endif
