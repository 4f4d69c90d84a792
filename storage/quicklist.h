/*
 * quicklist.h - long lists: a chain of nodes of packed elements.
 *
 * A packed node is a block with room at both ends, so that pushing and popping move nothing:
 *
 *     data      start                      end         room
 *      |  free   | element element element  |   free    |
 *
 * Elements have the coding of listpacks (listpack_element.h). An element that is too large for a
 * node stands alone in a plain one, as it is. Nodes further than list-compress-depth from both ends
 * are compressed (LZF): data has start bytes then, which become end bytes.
 *
 * Nothing here records anything for undo; what removes elements can hand them over as a chain of
 * nodes instead of freeing them, and quicklist_splice() puts such a chain back.
 */
#ifndef REDOUBT_STORAGE_QUICKLIST_H
#define REDOUBT_STORAGE_QUICKLIST_H

#include "storage/list_limits.h"
#include "storage/listpack_element.h"

struct qnode {
    struct qnode *prev, *next;
    unsigned char *data; /* owned */
    size_t start, end, room;
    uint32_t count; /* elements */
    bool plain, compressed;
};

struct quicklist {
    struct qnode *head, *tail;
    uint64_t count; /* elements */
    uint64_t nodes;
    struct list_limits limits;
};

enum list_end { LIST_HEAD, LIST_TAIL };

/* What elements are compared with. */
struct list_needle {
    struct bytes text;
    bool is_int;
    int64_t number;
};

static inline struct list_needle list_needle(struct bytes text)
{
    struct list_needle needle = {.text = text};
    needle.is_int = number_parse_i64(text, &needle.number);
    return needle;
}

static inline bool list_needle_matches(const struct list_needle *needle,
                                       const unsigned char *element)
{
    int64_t number;
    struct bytes text;
    if (element_read(element, &number, &text))
        return needle->is_int && needle->number == number;
    return bytes_equal(text, needle->text);
}

/* Does a node (or a listpack) with so many bytes and elements pass the limits? Bytes are those of a
 * listpack. */
bool list_limits_exceeded(const struct list_limits *limits, size_t bytes, uint64_t count);

/* -- nodes: detached ones are chained by next and belong to who holds the first ---------------- */

/* A packed node of these encoded elements. */
struct qnode *qnode_of_run(const unsigned char *run, size_t len, uint32_t count);
struct qnode *qnode_of_text(const struct list_limits *limits, struct bytes text);
void qnode_destroy_chain(struct qnode *first);
/* Bytes of the elements, not compressed. */
size_t qnode_bytes(const struct qnode *n);
/* The elements' bytes, in temp where they had to be decompressed (mem_alloc'ed; *temp is NULL or an
 * earlier one, which is freed). */
const unsigned char *qnode_view(const struct qnode *n, unsigned char **temp);

/* -- lists ------------------------------------------------------------------------------------- */

struct quicklist *quicklist_create(const struct list_limits *limits);
struct quicklist *quicklist_copy(const struct quicklist *ql);
void quicklist_destroy(struct quicklist *ql);
/* Bytes of the nodes; samples of them are looked at (0: all). */
size_t quicklist_memory(const struct quicklist *ql, uint64_t samples);
/* Debug: abort at the first lie. */
void quicklist_check(const struct quicklist *ql);

void quicklist_push(struct quicklist *ql, enum list_end end, struct bytes text);
/* Remove count elements (there are as many) from an end. save: they are returned as a chain. */
struct qnode *quicklist_drop(struct quicklist *ql, enum list_end end, uint64_t count, bool save);
/* The node that holds the index-th element, which is its *inner-th one. */
struct qnode *quicklist_seek(const struct quicklist *ql, uint64_t index, uint32_t *inner);
/* Insert before the index-th element (or at the end), or replace it; false (nothing changed) where
 * that takes other nodes than there are: then quicklist_splice() does it. */
bool quicklist_insert(struct quicklist *ql, uint64_t index, struct bytes text);
bool quicklist_replace(struct quicklist *ql, uint64_t index, struct bytes text);
/* Let chain (may be NULL) take the place of count elements from index on. save: those are returned.
 */
struct qnode *quicklist_splice(struct quicklist *ql, uint64_t index, uint64_t count,
                               struct qnode *chain, bool save);

/* Hears of each node that lost elements: the elements that stand at index and behind, kept of them,
 * were those of before; owns before. */
struct quicklist_filter {
    void (*changed)(void *context, uint64_t index, uint64_t kept,
                    struct qnode *before); /* NULL: nobody */
    void *context;
};
/* Remove up to limit elements that match, beginning at an end. Returns how many were removed. */
uint64_t quicklist_remove(struct quicklist *ql, enum list_end from,
                          const struct list_needle *needle, uint64_t limit,
                          const struct quicklist_filter *filter);

#endif
