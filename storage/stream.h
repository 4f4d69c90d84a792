/*
 * stream.h - streams: entries that are added at the end, each a list of field-value pairs under an
 * ascending id, and groups of consumers that read them.
 *
 * Four ideas, a file each:
 *
 *   blocks   (stream_block.h) some entries in one listpack, in the layout of Redis's dumps
 *   index    (idtree.h) an ordered map from ids: of a stream's blocks, of what is pending
 *   stream   (here, stream.c) the blocks in their order, the counters, trimming
 *   groups   (stream_group.h) how far a group has read, its consumers, and what they were given
 *            but have not acknowledged
 *
 * An entry that is deleted is marked inside its block; a block whose last entry goes, goes with it.
 * A new block begins when the last one is full: struct limits.
 *
 * Mutators record their inverse when a section is open: an append the size of what it appended, a
 * deletion the id that was marked, a removed block the block itself, which moves into the log. A
 * stream may become empty and stays.
 */
#ifndef REDOUBT_STORAGE_STREAM_H
#define REDOUBT_STORAGE_STREAM_H

#include "base/number.h"
#include "storage/idtree.h"
#include "storage/keyspace.h"
#include "storage/stream_block.h"

/* Groups of a stream, consumers of a group: in the order of their names. */
struct stream_names {
    void **items; /* owned array; each item begins with its name, a struct bytes */
    uint32_t count, room;
};

/* The numbers of a stream. */
struct stream_facts {
    uint64_t length, entries_added;
    struct stream_id last_id, first_id, max_deleted_id; /* first_id: of the first that lives; 0-0 */
};

struct stream {
    struct idtree blocks; /* values: unsigned char *, owned */
    struct stream_facts facts;
    struct stream_names groups; /* struct stream_group, owned */
};

struct stream *stream_of(const struct entry *e);
/* A new stream without entries, in the keyspace. */
struct stream *stream_create(struct keyspace *ks, int db, struct key key);

/* -- reading ----------------------------------------------------------------------------------- */

/* The living entries from one id to another, both included, in one direction. The stream does not
 * change meanwhile. */
struct stream_iter {
    const struct stream *s;
    struct stream_id from, to;
    bool backwards;
    struct idcursor block;
    const unsigned char *lp; /* NULL: no block is open */
    struct block_head head;
    const unsigned char *bound; /* where the next entry begins, or ends if backwards */
    const unsigned char *end;   /* of the block's entries */
    /* of the entry that was returned last */
    bool same_fields;
    uint64_t elements;         /* of its fields and values, not yet read */
    const unsigned char *data; /* the next of them */
    const unsigned char *name; /* the next field in the block's master */
};
struct stream_item {
    struct stream_id id;
    uint64_t pairs;
};
void stream_iter_begin(struct stream_iter *it, const struct stream *s, struct stream_id from,
                       struct stream_id to, bool backwards);
bool stream_iter_next(struct stream_iter *it, struct stream_item *out);
/* The next pair of the entry that was returned last, which has so many. The views end with the
 * next call. */
struct stream_pair {
    struct bytes field, value;
    char scratch[2][NUMBER_TEXT_MAX];
};
void stream_iter_pair(struct stream_iter *it, struct stream_pair *out);

/* Is there a living entry with this id? */
bool stream_has(const struct stream *s, struct stream_id id);
/* The first and the last living id; false: there is none. */
bool stream_edge(const struct stream *s, bool last, struct stream_id *out);

/* -- changing ---------------------------------------------------------------------------------- */

/* May an entry hold so much? */
bool stream_takes(const struct bytes *words, int count);
/* Add an entry of count / 2 pairs; its id is greater than the last one. */
void stream_add(struct keyspace *ks, struct stream *s, struct stream_id id,
                const struct bytes *words, int count);
/* False if no entry with this id lives. */
bool stream_delete(struct keyspace *ks, struct stream *s, struct stream_id id);

/* What becomes of an entry that groups refer to. */
enum stream_refs {
    STREAM_REFS_KEEP,   /* it goes, and stays pending */
    STREAM_REFS_DELETE, /* it goes from everywhere */
    STREAM_REFS_ACKED,  /* it goes if each group has read it and none has it pending, else stays */
};

struct stream_trim {
    enum stream_refs refs;
    bool by_id;       /* else by length */
    bool approximate; /* remove whole blocks only */
    uint64_t length;  /* keep so many */
    struct stream_id min_id;
    uint64_t limit; /* look at no more entries than that; 0: at all */
};
/* Remove entries from the front; returns how many. */
uint64_t stream_trim(struct keyspace *ks, struct stream *s, const struct stream_trim *how);

/* Other numbers (XSETID). */
void stream_set_facts(struct keyspace *ks, struct stream *s, const struct stream_facts *facts);

/* -- the row in value.c, and what loads streams ------------------------------------------------ */
void stream_free_value(struct entry *e);
uint64_t stream_free_effort(const struct entry *e);
size_t stream_memory(const struct entry *e, uint64_t samples);
struct entry *stream_copy(const struct entry *e, struct bytes key, int64_t deadline);

/* A stream in no keyspace. What is loaded from outside is put together with these; groups with
 * those of stream_group.h. False: the stream would not be one any more; it is as before then. */
struct stream *stream_new(void);
void stream_destroy(struct stream *s);
/* Add a block behind the others, taking a copy: without its deleted entries if they are out of
 * order (see block_validate()), and not at all if nothing is left then. */
bool stream_load_block(struct stream *s, struct stream_id master, struct bytes block);
/* All blocks are there: set the numbers, which must agree with them. first_id is not looked at. */
bool stream_load_facts(struct stream *s, const struct stream_facts *facts);
/* An entry for a loaded stream, in no table, which owns it then. */
struct entry *stream_entry(struct stream *s, struct bytes key, int64_t deadline);

/* The blocks, in their order: begin with idtree_first(&s->blocks). */
static inline const unsigned char *stream_block_at(const struct stream *s, const struct idcursor *c)
{
    const unsigned char *lp;
    memcpy(&lp, idcursor_value(&s->blocks, c), sizeof lp);
    return lp;
}

/* Debug: abort at the first lie inside. */
void stream_check(const struct entry *e);

#endif
