/*
 * list.h - list values: a listpack while small, a quicklist when not.
 *
 * The entry never moves. Every mutator records its inverse when a section is open: the elements
 * that it removed, where they stood, and how many took their place. A list may be empty only
 * between a mutator and the keyspace_remove() that its caller owes then.
 *
 * Texts that are handed in must not lie inside the list that changes.
 */
#ifndef REDOUBT_STORAGE_LIST_H
#define REDOUBT_STORAGE_LIST_H

#include "storage/keyspace.h"
#include "storage/quicklist.h"

/* A new empty list under an absent key. */
struct entry *list_create(struct keyspace *ks, int db, struct key key);
/* A new list of these texts (count > 0), in no table. */
struct entry *list_build(const struct list_limits *limits, struct bytes key,
                         const struct bytes *texts, uint64_t count);
/* A list in no table that takes over a chain of elements, in the form that suits them; it has at
 * least one. */
struct entry *list_of_quicklist(const struct list_limits *limits, struct bytes key,
                                struct quicklist *ql);
/* The same of a listpack of elements; NULL (and nothing is taken over) where it is too large for a
 * small list. */
struct entry *list_of_listpack(const struct list_limits *limits, struct bytes key,
                               unsigned char *lp);
/* The chain of a large list; NULL of a small one, whose listpack is *lp. */
const struct quicklist *list_chain(const struct entry *e, const unsigned char **lp);
uint64_t list_length(const struct entry *e);

/* Push one after the other, so that the last text is the outermost. */
void list_push(struct keyspace *ks, struct entry *e, enum list_end end, const struct bytes *texts,
               int count);
/* Remove count elements (at most all) from an end. */
void list_drop(struct keyspace *ks, struct entry *e, enum list_end end, uint64_t count);
/* Keep those from start on up to stop: 0 <= start <= stop < length. */
void list_trim(struct keyspace *ks, struct entry *e, uint64_t start, uint64_t stop);
/* Insert before the index-th element, at most behind the last; replace the index-th. */
void list_insert(struct keyspace *ks, struct entry *e, uint64_t index, struct bytes text);
void list_replace(struct keyspace *ks, struct entry *e, uint64_t index, struct bytes text);
/* Remove up to limit (0: all) elements equal to text, beginning at an end. Returns how many were
 * removed. */
uint64_t list_remove(struct keyspace *ks, struct entry *e, enum list_end from, struct bytes text,
                     uint64_t limit);

/* -- reading: nothing may change the list meanwhile -------------------------------------------- */

struct list_item {
    bool is_int;
    int64_t number;    /* of integers */
    struct bytes text; /* of all others: a view that lives until the next step */
};

struct list_iter {
    const unsigned char *at, *stop; /* within the run of elements: at is between two of them */
    const unsigned char *first;     /* of the run */
    bool backward, plain;           /* plain: the run is one element as it is */
    const struct qnode *next;       /* the node to come */
    unsigned char *temp;            /* a decompressed node */
};

/* Start at the index-th element, which exists, towards the tail (or the head). */
void list_iter_begin(struct list_iter *it, const struct entry *e, uint64_t index, bool backward);
void list_iter_end(struct list_iter *it);
/* The run is at its end: go to the next. False: there is none. */
bool list_iter_turn(struct list_iter *it);

static inline bool list_iter_next(struct list_iter *it, struct list_item *out)
{
    if (it->at == it->stop && !list_iter_turn(it))
        return false;
    if (__builtin_expect(it->plain, 0)) {
        size_t len = (size_t)(it->backward ? it->at - it->stop : it->stop - it->at);
        *out = (struct list_item){.text = bytes_of(it->first, len)};
        it->at = it->stop;
        return true;
    }
    const unsigned char *element = it->at;
    if (it->backward)
        it->at = element = element_before(element);
    else
        it->at += element_size(element);
    out->is_int = element_read(element, &out->number, &out->text);
    return true;
}

/* The index-th element, which exists. It lives until list_iter_end(it). */
static inline void list_item_at(struct list_iter *it, const struct entry *e, uint64_t index,
                                struct list_item *out)
{
    list_iter_begin(it, e, index, false);
    if (!list_iter_next(it, out))
        __builtin_unreachable();
}

static inline bool list_item_matches(const struct list_item *item, const struct list_needle *needle)
{
    return item->is_int ? needle->is_int && item->number == needle->number
                        : bytes_equal(item->text, needle->text);
}

static inline struct bytes list_item_text(const struct list_item *item,
                                          char scratch[NUMBER_TEXT_MAX])
{
    return item->is_int ? bytes_of(scratch, number_format_i64(scratch, item->number)) : item->text;
}

/* For DEBUG OBJECT. Only quicklists have nodes. */
struct list_shape {
    uint64_t nodes, elements;
    int fill;
    bool compressed;
    size_t bytes; /* of all nodes, not compressed */
};
bool list_describe(const struct entry *e, struct list_shape *out);
/* Debug: abort at the first lie. */
void list_check(const struct entry *e);

/* -- the row in value.c ------------------------------------------------------------------------ */
void list_free_value(struct entry *e);
uint64_t list_free_effort(const struct entry *e);
size_t list_memory(const struct entry *e, uint64_t samples);
struct entry *list_copy(const struct entry *e, struct bytes key, int64_t deadline);

#endif
