/*
 * stream_block.h - some entries of a stream in one listpack, laid out as Redis lays them out, so
 * that a dump holds blocks as they are.
 *
 *   master entry   count  deleted  num-fields  field 1 .. field N  0
 *   entry          flags  ms  seq  [num-fields]  [field] value ..  lp-count
 *
 * count entries live, deleted ones are only marked by their flag. ms and seq are differences from
 * the block's id, which stands in the stream's index. An entry whose fields are the master's has
 * the flag SAME_FIELDS and no num-fields, and values only. lp-count is the number of elements
 * before it that belong to the entry, so that blocks can be read backwards.
 *
 * Nothing here records anything for undo, and nothing but block_validate() distrusts a block.
 */
#ifndef REDOUBT_STORAGE_STREAM_BLOCK_H
#define REDOUBT_STORAGE_STREAM_BLOCK_H

#include "base/bytes.h"
#include "storage/listpack_element.h"
#include "storage/stream_id.h"

enum { BLOCK_DELETED = 1, BLOCK_SAME_FIELDS = 2 };

/* What stands at the beginning of a block. */
struct block_head {
    int64_t count, deleted, field_count;
    const unsigned char *fields, *entries; /* the first of each; entries: maybe the end byte */
};
struct block_head block_read_head(const unsigned char *lp);

/* An entry of a block. */
struct block_entry {
    struct stream_id id;
    bool is_deleted, same_fields;
    uint64_t pairs;
    const unsigned char *flags; /* its first element */
    const unsigned char *data;  /* its first field, or value */
};
/* Read the entry at a place; block_end_of() is where the next one is, or the end byte. */
void block_read_entry(const struct block_head *head, struct stream_id master,
                      const unsigned char *at, struct block_entry *out);
const unsigned char *block_end_of(const struct block_entry *entry);
/* Where the entry begins that ends at a place. */
const unsigned char *block_entry_before(const unsigned char *end);
const unsigned char *block_end(const unsigned char *lp);
/* The entry with this id, deleted or not; false if there is none. */
bool block_find(const unsigned char *lp, struct stream_id master, struct stream_id id,
                struct block_entry *out);
/* The id of the last entry, deleted or not; the master's of a block without any. */
struct stream_id block_last_id(const unsigned char *lp, struct stream_id master);

static inline int64_t block_int(const unsigned char *at)
{
    int64_t number = 0;
    struct bytes text;
    element_read(at, &number, &text);
    return number;
}

/* Entries, deleted ones included. */
static inline uint64_t block_total(const unsigned char *lp)
{
    enum { HEADER = 6 };
    const unsigned char *count = lp + HEADER;
    return (uint64_t)(block_int(count) + block_int(count + element_size(count)));
}

/* -- changing: each returns where the block is now --------------------------------------------- */

/* A block without entries whose master has the fields of these field-value pairs. */
unsigned char *block_create(const struct bytes *words, int count);

/* How an append can be taken back. */
struct block_appended {
    size_t bytes;         /* of the entry */
    uint16_t count_field; /* the listpack's own count of elements before */
};
unsigned char *block_append(unsigned char *lp, struct stream_id master, struct stream_id id,
                            const struct bytes *words, int count, struct block_appended *how);
unsigned char *block_take_back(unsigned char *lp, const struct block_appended *how);
/* Mark the entry as deleted, or as alive again. */
unsigned char *block_mark(unsigned char *lp, const struct block_entry *entry, bool deleted);
/* Add to the counts of the master entry. */
unsigned char *block_add_counts(unsigned char *lp, int64_t count, int64_t deleted);

/* A copy of the entries that live (there are some), with another id, not above theirs. */
unsigned char *block_without_dead(const unsigned char *lp, struct stream_id master,
                                  struct stream_id new_master);

/* -- what comes from outside ------------------------------------------------------------------- */

/* What block_validate() found in a block. */
struct block_found {
    int64_t live;
    struct stream_id first, last; /* of those that live; the master's if none does */
    bool in_order; /* no id is below master's, and all ascend: those of deleted entries as well */
};

/* Are these bytes a block whose living entries have ascending ids? Redis leaves deleted ones where
 * they are when XSETID goes back behind them: ids that are given again may follow greater ones, or
 * be below the master's. All other functions want a block that is in order. */
bool block_validate(const unsigned char *bytes, size_t len, struct stream_id master,
                    struct block_found *found);

#endif
