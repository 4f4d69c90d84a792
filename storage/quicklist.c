/*
 * quicklist.c - the chain: pushing, dropping, splicing, and which nodes are compressed.
 *
 * The inside of a node is in quicklist_node.c. Outermost nodes (limits.depth of them at each end,
 * if that is not 0) are never compressed; settle() makes it so after every change of the chain.
 */
#include "storage/quicklist.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "storage/quicklist_node.h"

/* -- the chain --------------------------------------------------------------------------------- */

struct quicklist *quicklist_create(const struct list_limits *limits)
{
    struct quicklist *ql = mem_alloc_zeroed(sizeof *ql);
    ql->limits = *limits;
    return ql;
}

void quicklist_destroy(struct quicklist *ql)
{
    qnode_destroy_chain(ql->head);
    mem_free(ql);
}

/* Put a chain behind prev (NULL: at the head) and count its elements. Returns its last node. */
static struct qnode *link_chain(struct quicklist *ql, struct qnode *prev, struct qnode *chain)
{
    struct qnode *next = prev != NULL ? prev->next : ql->head;
    *(prev != NULL ? &prev->next : &ql->head) = chain;
    struct qnode *last = chain;
    for (;; last = last->next) {
        last->prev = prev;
        prev = last;
        ql->nodes++;
        ql->count += last->count;
        if (last->next == NULL)
            break;
    }
    last->next = next;
    *(next != NULL ? &next->prev : &ql->tail) = last;
    return last;
}

/* Take first..last out; they stay chained. */
static void unlink_chain(struct quicklist *ql, struct qnode *first, struct qnode *last)
{
    struct qnode *prev = first->prev, *next = last->next;
    *(prev != NULL ? &prev->next : &ql->head) = next;
    *(next != NULL ? &next->prev : &ql->tail) = prev;
    first->prev = last->next = NULL;
    for (struct qnode *n = first; n != NULL; n = n->next) {
        ql->nodes--;
        ql->count -= n->count;
    }
}

/* The nodes around the ends are as they should be, and so is the changed one (may be NULL). */
static void settle(struct quicklist *ql, struct qnode *changed)
{
    if (ql->limits.depth == 0 || ql->head == NULL)
        return;
    struct qnode *front = ql->head, *back = ql->tail;
    for (uint32_t i = 0; i < ql->limits.depth; i++) {
        assert(front != NULL && back != NULL); /* they meet before they end */
        qnode_unpack(front);
        qnode_unpack(back);
        if (front == changed || back == changed)
            changed = NULL;
        if (front == back || front->next == back)
            return;
        front = front->next;
        back = back->prev;
    }
    qnode_compress(front);
    qnode_compress(back);
    if (changed != NULL)
        qnode_compress(changed);
}

/* Let n's elements move into the node before it, if there is one and the limits allow. Returns
 * where they are. */
static struct qnode *join_back(struct quicklist *ql, struct qnode *n)
{
    struct qnode *into = n->prev;
    if (into == NULL || !qnode_can_join(&ql->limits, into, n))
        return n;
    unlink_chain(ql, n, n);
    ql->count += n->count;
    qnode_join(into, n);
    return into;
}

struct qnode *quicklist_seek(const struct quicklist *ql, uint64_t index, uint32_t *inner)
{
    struct qnode *n;
    if (index < ql->count / 2) {
        for (n = ql->head; index >= n->count; n = n->next)
            index -= n->count;
        *inner = (uint32_t)index;
        return n;
    }
    uint64_t behind = ql->count - index; /* at least 1 */
    for (n = ql->tail; behind > n->count; n = n->prev)
        behind -= n->count;
    *inner = n->count - (uint32_t)behind;
    return n;
}

struct quicklist *quicklist_copy(const struct quicklist *ql)
{
    struct quicklist *copy = quicklist_create(&ql->limits);
    for (const struct qnode *n = ql->head; n != NULL; n = n->next) {
        struct qnode *twin = qnode_copy(n);
        link_chain(copy, copy->tail, twin);
    }
    return copy;
}

size_t quicklist_memory(const struct quicklist *ql, uint64_t samples)
{
    uint64_t seen = 0;
    size_t bytes = 0;
    for (const struct qnode *n = ql->head; n != NULL && (samples == 0 || seen < samples);
         n = n->next, seen++)
        bytes += mem_size_of(n) + mem_size_of(n->data);
    if (seen > 0 && seen < ql->nodes)
        bytes = (size_t)((double)bytes / (double)seen * (double)ql->nodes);
    return bytes + mem_size_of(ql);
}

void quicklist_check(const struct quicklist *ql)
{
    uint64_t nodes = 0, count = 0;
    const struct qnode *prev = NULL;
    uint32_t depth = ql->limits.depth;
    for (const struct qnode *n = ql->head; n != NULL; prev = n, n = n->next) {
        bool outer = nodes < depth || ql->nodes - nodes <= depth;
        nodes++;
        count += n->count;
        if (n->prev != prev || n->count == 0 || (n->compressed && (depth == 0 || outer)))
            abort();
        qnode_check(n);
    }
    if (ql->tail != prev || ql->nodes != nodes || ql->count != count)
        abort();
}

/* -- the ends ---------------------------------------------------------------------------------- */

void quicklist_push(struct quicklist *ql, enum list_end end, struct bytes text)
{
    struct qnode *n = end == LIST_HEAD ? ql->head : ql->tail;
    if (n != NULL && qnode_allows(&ql->limits, n, text.len)) {
        qnode_push(&ql->limits, n, end, text);
        ql->count++;
        return;
    }
    n = qnode_of_text(&ql->limits, text);
    link_chain(ql, end == LIST_HEAD ? NULL : ql->tail, n);
    settle(ql, NULL);
}

struct qnode *quicklist_drop(struct quicklist *ql, enum list_end end, uint64_t count, bool save)
{
    struct qnode *saved = NULL, **tail = &saved;
    while (count > 0) {
        struct qnode *n = end == LIST_HEAD ? ql->head : ql->tail, *part = NULL;
        assert(n != NULL);
        if (count >= n->count) {
            count -= n->count;
            unlink_chain(ql, n, n);
            part = n;
        } else {
            part = qnode_drop(n, end, (uint32_t)count, save);
            ql->count -= count;
            count = 0;
        }
        if (!save) {
            qnode_destroy_chain(part);
        } else if (end == LIST_HEAD) {
            *tail = part;
            tail = &part->next;
        } else {
            part->next = saved;
            saved = part;
        }
    }
    settle(ql, NULL);
    return saved;
}

/* -- anywhere ---------------------------------------------------------------------------------- */

/* The node that begins with the index-th element, NULL if there is none: a node is split for it if
 * need be. */
static struct qnode *boundary(struct quicklist *ql, uint64_t index)
{
    if (index == ql->count)
        return NULL;
    uint32_t inner;
    struct qnode *n = quicklist_seek(ql, index, &inner);
    if (inner == 0)
        return n;
    struct qnode *behind = qnode_drop(n, LIST_TAIL, n->count - inner, true);
    ql->count -= behind->count;
    link_chain(ql, n, behind);
    return behind;
}

/* Take out count elements from index on, in nodes of their own. */
static struct qnode *cut(struct quicklist *ql, uint64_t index, uint64_t count, bool save)
{
    if (index == 0)
        return quicklist_drop(ql, LIST_HEAD, count, save);
    if (index + count == ql->count)
        return quicklist_drop(ql, LIST_TAIL, count, save);
    struct qnode *first = boundary(ql, index), *last = boundary(ql, index + count)->prev;
    unlink_chain(ql, first, last);
    if (save)
        return first;
    qnode_destroy_chain(first);
    return NULL;
}

struct qnode *quicklist_splice(struct quicklist *ql, uint64_t index, uint64_t count,
                               struct qnode *chain, bool save)
{
    struct qnode *removed = count > 0 ? cut(ql, index, count, save) : NULL;
    struct qnode *next = boundary(ql, index), *changed = next;
    if (chain != NULL)
        link_chain(ql, next != NULL ? next->prev : ql->tail, chain);
    if (next != NULL)
        changed = join_back(ql, next);
    /* If next went into the chain's last node, that one is still there; so is the first, unless
     * both are one. */
    if (chain != NULL)
        changed = join_back(ql, chain);
    settle(ql, changed);
    if (changed != NULL) { /* a part that was split off may stand on either side */
        settle(ql, changed->prev);
        settle(ql, changed->next);
    }
    return removed;
}

bool quicklist_insert(struct quicklist *ql, uint64_t index, struct bytes text)
{
    if (index == 0 || index == ql->count) {
        quicklist_push(ql, index == 0 ? LIST_HEAD : LIST_TAIL, text);
        return true;
    }
    uint32_t inner;
    struct qnode *n = quicklist_seek(ql, index, &inner);
    if (!qnode_allows(&ql->limits, n, text.len)) {
        if (inner != 0 || !qnode_allows(&ql->limits, n->prev, text.len))
            return false;
        n = n->prev;
        inner = n->count;
    }
    qnode_insert(&ql->limits, n, inner, text);
    ql->count++;
    settle(ql, n);
    return true;
}

bool quicklist_replace(struct quicklist *ql, uint64_t index, struct bytes text)
{
    uint32_t inner;
    struct qnode *n = quicklist_seek(ql, index, &inner);
    bool replaced = qnode_replace(&ql->limits, n, inner, text);
    if (replaced)
        settle(ql, n);
    return replaced;
}

/* Remove count of the elements of n that match, all but the first skip of them. Returns n as it
 * was, if save; n ends if nothing is left. */
static struct qnode *filter_node(struct quicklist *ql, struct qnode *n,
                                 const struct list_needle *needle, uint32_t skip, uint32_t count,
                                 bool save)
{
    if (count == n->count) {
        unlink_chain(ql, n, n);
        if (save)
            return n;
        qnode_destroy_chain(n);
        return NULL;
    }
    struct qnode *before = save ? qnode_copy(n) : NULL;
    qnode_remove(n, needle, skip, count);
    ql->count -= count;
    settle(ql, n);
    return before;
}

uint64_t quicklist_remove(struct quicklist *ql, enum list_end from,
                          const struct list_needle *needle, uint64_t limit,
                          const struct quicklist_filter *filter)
{
    bool forward = from == LIST_HEAD, save = filter->changed != NULL;
    uint64_t removed = 0, index = forward ? 0 : ql->count;
    unsigned char *temp = NULL;
    for (struct qnode *n = forward ? ql->head : ql->tail, *after; n != NULL && removed < limit;
         n = after) {
        after = forward ? n->next : n->prev;
        uint32_t before = n->count, matches = qnode_matches(n, needle, &temp);
        uint32_t count = matches <= limit - removed ? matches : (uint32_t)(limit - removed);
        if (!forward)
            index -= before;
        if (count > 0) {
            struct qnode *was =
                filter_node(ql, n, needle, forward ? 0 : matches - count, count, save);
            if (save)
                filter->changed(filter->context, index, before - count, was);
            removed += count;
        }
        if (forward)
            index += before - count;
    }
    mem_free(temp);
    settle(ql, NULL);
    return removed;
}
