/*
 * idtree.c - a B+tree of stream ids.
 *
 * All nodes look the same: ids, then as many values, which are pointers to children in inner nodes.
 * There, id i is not greater than any below child i, and greater than all below child i - 1; the
 * first one of a node means nothing, for nobody asks.
 */
#include "storage/idtree.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
    NODE_BYTES = 2048,
    LEAF_BYTES_MIN = 64,
    DEPTH_MAX = 24,
    CHILD = sizeof(void *),
};

struct idnode {
    uint16_t used, room, level; /* level 0: a leaf */
    struct idnode *prev, *next; /* of leaves */
    struct stream_id ids[];
};

/* The way to a leaf: nodes and the slots taken in them, from the root on. */
struct path {
    struct idnode *nodes[DEPTH_MAX];
    int slots[DEPTH_MAX];
    int depth; /* of the leaf */
};

static size_t value_size(const struct idtree *t, const struct idnode *n)
{
    return n->level > 0 ? CHILD : t->size;
}

static size_t node_bytes(size_t room, size_t size)
{
    return sizeof(struct idnode) + room * (sizeof(struct stream_id) + size);
}

static uint16_t room_of(size_t bytes, size_t size)
{
    return (uint16_t)((bytes - sizeof(struct idnode)) / (sizeof(struct stream_id) + size));
}

static char *value_at(const struct idnode *n, int slot, size_t size)
{
    return (char *)n + node_bytes(n->room, 0) + (size_t)slot * size;
}

static struct idnode *child_at(const struct idnode *n, int slot)
{
    struct idnode *child;
    memcpy(&child, value_at(n, slot, CHILD), sizeof child);
    return child;
}

static void set_child(struct idnode *n, int slot, struct idnode *child)
{
    memcpy(value_at(n, slot, CHILD), &child, sizeof child);
}

static struct idnode *node_create(const struct idtree *t, uint16_t level, size_t bytes)
{
    size_t size = level > 0 ? CHILD : t->size;
    uint16_t room = room_of(bytes, size);
    struct idnode *n = mem_alloc(node_bytes(room, size));
    n->used = 0;
    n->room = room;
    n->level = level;
    n->prev = n->next = NULL;
    return n;
}

void idtree_init(struct idtree *t, uint16_t size)
{
    *t = (struct idtree){.size = size};
}

static void end_below(struct idnode *n)
{
    for (int i = 0; n->level > 0 && i < n->used; i++)
        end_below(child_at(n, i));
    mem_free(n);
}

void idtree_fini(struct idtree *t)
{
    if (t->root != NULL)
        end_below(t->root);
    idtree_init(t, t->size);
}

/* -- searching --------------------------------------------------------------------------------- */

/* How many ids of the node are less than id (or equal to it, if through). */
static int rank_in(const struct idnode *n, struct stream_id id, bool through)
{
    int from = 0, to = n->used;
    while (from < to) {
        int middle = (from + to) / 2;
        bool before =
            through ? !stream_id_less(id, n->ids[middle]) : stream_id_less(n->ids[middle], id);
        if (before)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static int child_for(const struct idnode *n, struct stream_id id)
{
    int slot = rank_in(n, id, true);
    return slot > 0 ? slot - 1 : 0;
}

static struct idnode *leaf_for(const struct idtree *t, struct stream_id id)
{
    struct idnode *n = t->root;
    if (n == NULL || !stream_id_less(id, t->last->ids[0]))
        return t->last;
    while (n->level > 0)
        n = child_at(n, child_for(n, id));
    return n;
}

struct idcursor idtree_seek(const struct idtree *t, struct stream_id id)
{
    struct idnode *leaf = leaf_for(t, id);
    if (leaf == NULL)
        return (struct idcursor){NULL, 0};
    int slot = rank_in(leaf, id, false);
    return slot < leaf->used ? (struct idcursor){leaf, slot} : (struct idcursor){leaf->next, 0};
}

struct idcursor idtree_seek_back(const struct idtree *t, struct stream_id id)
{
    struct idnode *leaf = leaf_for(t, id);
    if (leaf == NULL)
        return (struct idcursor){NULL, 0};
    struct idcursor c = {leaf, rank_in(leaf, id, true)};
    idcursor_prev(&c);
    return c;
}

struct idcursor idtree_first(const struct idtree *t)
{
    struct idnode *n = t->root;
    while (n != NULL && n->level > 0)
        n = child_at(n, 0);
    return (struct idcursor){n, 0};
}

struct idcursor idtree_last(const struct idtree *t)
{
    return (struct idcursor){t->last, t->last != NULL ? t->last->used - 1 : 0};
}

void idcursor_next(struct idcursor *c)
{
    if (c->node != NULL && ++c->slot >= c->node->used)
        *c = (struct idcursor){c->node->next, 0};
}

void idcursor_prev(struct idcursor *c)
{
    if (c->node == NULL || --c->slot >= 0)
        return;
    c->node = c->node->prev;
    c->slot = c->node != NULL ? c->node->used - 1 : 0;
}

struct stream_id idcursor_id(const struct idcursor *c)
{
    return c->node->ids[c->slot];
}

void *idcursor_value(const struct idtree *t, const struct idcursor *c)
{
    return value_at(c->node, c->slot, t->size);
}

void *idtree_find(const struct idtree *t, struct stream_id id)
{
    struct idcursor c = idtree_seek(t, id);
    if (c.node == NULL || !stream_id_equal(idcursor_id(&c), id))
        return NULL;
    return idcursor_value(t, &c);
}

static void path_to(const struct idtree *t, struct stream_id id, struct path *p)
{
    struct idnode *n = t->root;
    p->depth = 0;
    for (; n->level > 0; p->depth++) {
        p->nodes[p->depth] = n;
        p->slots[p->depth] = child_for(n, id);
        n = child_at(n, p->slots[p->depth]);
    }
    p->nodes[p->depth] = n;
    p->slots[p->depth] = rank_in(n, id, false);
}

/* -- adding ------------------------------------------------------------------------------------ */

static void slots_move(struct idnode *to, int at, const struct idnode *from, int first, int count,
                       size_t size)
{
    memmove(to->ids + at, from->ids + first, (size_t)count * sizeof *to->ids);
    if (size > 0)
        memmove(value_at(to, at, size), value_at(from, first, size), (size_t)count * size);
}

static void slot_open(struct idnode *n, int at, struct stream_id id, size_t size)
{
    slots_move(n, at + 1, n, at, n->used - at, size);
    n->ids[at] = id;
    n->used++;
}

static void slot_close(struct idnode *n, int at, size_t size)
{
    slots_move(n, at, n, at + 1, n->used - at - 1, size);
    n->used--;
}

static void link_behind(struct idtree *t, struct idnode *n, struct idnode *right)
{
    right->prev = n;
    right->next = n->next;
    if (n->next != NULL)
        n->next->prev = right;
    else
        t->last = right;
    n->next = right;
}

/* The only leaf is full, and not as large as leaves become. */
static struct idnode *leaf_grow(struct idtree *t, struct idnode *leaf)
{
    size_t bytes = node_bytes(leaf->room, t->size) * 2;
    if (bytes > NODE_BYTES)
        bytes = NODE_BYTES;
    while (room_of(bytes, t->size) <= leaf->room)
        bytes += 16;
    struct idnode *n = node_create(t, 0, bytes);
    slots_move(n, 0, leaf, 0, leaf->used, t->size);
    n->used = leaf->used;
    mem_free(leaf);
    t->root = t->last = n;
    return n;
}

static struct idnode *node_add(struct idtree *t, struct path *p, int depth, struct stream_id id,
                               int *slot);

/* A new node to the right of a full one, with its upper part; none of it if at is the end. The
 * parents know it then. */
static struct idnode *node_split(struct idtree *t, struct path *p, int depth, int at)
{
    struct idnode *n = p->nodes[depth];
    size_t size = value_size(t, n);
    struct idnode *right = node_create(t, n->level, NODE_BYTES);
    int keep = at == n->used ? n->used : n->used / 2;
    slots_move(right, 0, n, keep, n->used - keep, size);
    right->used = (uint16_t)(n->used - keep);
    n->used = (uint16_t)keep;
    if (n->level == 0)
        link_behind(t, n, right);
    return right;
}

/* Make right, whose ids begin at low, the neighbour of the node at this depth. */
static void parent_learns(struct idtree *t, struct path *p, int depth, struct idnode *right,
                          struct stream_id low)
{
    if (depth == 0) {
        struct idnode *root = node_create(t, (uint16_t)(right->level + 1), NODE_BYTES);
        root->ids[0] = STREAM_ID_MIN;
        set_child(root, 0, p->nodes[0]);
        root->ids[1] = low;
        set_child(root, 1, right);
        root->used = 2;
        t->root = root;
        return;
    }
    int slot = p->slots[depth - 1] + 1;
    p->slots[depth - 1] = slot;
    struct idnode *parent = node_add(t, p, depth - 1, low, &slot);
    set_child(parent, slot, right);
}

/* Open a slot for id in the path's node at this depth; returns the node where it is, in *slot. */
static struct idnode *node_add(struct idtree *t, struct path *p, int depth, struct stream_id id,
                               int *slot)
{
    struct idnode *n = p->nodes[depth];
    int at = p->slots[depth];
    if (n->used < n->room) {
        slot_open(n, at, id, value_size(t, n));
        *slot = at;
        return n;
    }
    struct idnode *right = node_split(t, p, depth, at);
    struct idnode *to = n;
    if (at > n->used || right->used == 0) {
        to = right;
        at -= n->used;
    }
    struct stream_id low = right->used > 0 ? right->ids[0] : id;
    slot_open(to, at, id, value_size(t, to));
    parent_learns(t, p, depth, right, to == right && at == 0 ? id : low);
    *slot = at;
    return to;
}

void *idtree_add(struct idtree *t, struct stream_id id)
{
    if (t->root == NULL)
        t->root = t->last = node_create(t, 0, LEAF_BYTES_MIN + t->size);
    t->count++;
    struct idnode *last = t->last;
    if (last->used == last->room && last == t->root && last->room < room_of(NODE_BYTES, t->size))
        last = leaf_grow(t, last);
    if (last->used < last->room && last->used > 0 &&
        stream_id_less(last->ids[last->used - 1], id)) {
        last->ids[last->used] = id;
        return value_at(last, last->used++, t->size);
    }
    struct path p;
    int slot;
    path_to(t, id, &p);
    struct idnode *leaf = node_add(t, &p, p.depth, id, &slot);
    return value_at(leaf, slot, t->size);
}

/* -- removing ---------------------------------------------------------------------------------- */

static void unlink_leaf(struct idtree *t, struct idnode *n)
{
    if (n->prev != NULL)
        n->prev->next = n->next;
    if (n->next != NULL)
        n->next->prev = n->prev;
    else
        t->last = n->prev;
}

/* Let the left one of two neighbours have what both have. */
static void node_merge(struct idtree *t, struct idnode *parent, int left_slot)
{
    struct idnode *left = child_at(parent, left_slot), *right = child_at(parent, left_slot + 1);
    right->ids[0] = right->level > 0 ? parent->ids[left_slot + 1] : right->ids[0];
    slots_move(left, left->used, right, 0, right->used, value_size(t, left));
    left->used = (uint16_t)(left->used + right->used);
    if (right->level == 0)
        unlink_leaf(t, right);
    mem_free(right);
    slot_close(parent, left_slot + 1, CHILD);
}

static bool fit_together(const struct idnode *parent, int left_slot)
{
    if (left_slot < 0 || left_slot + 1 >= parent->used)
        return false;
    const struct idnode *left = child_at(parent, left_slot);
    return left->used + child_at(parent, left_slot + 1)->used <= left->room / 4 * 3;
}

/* A child has lost a slot. */
static void settle_child(struct idtree *t, struct idnode *parent, int slot)
{
    struct idnode *child = child_at(parent, slot);
    if (child->used == 0) {
        if (child->level == 0)
            unlink_leaf(t, child);
        mem_free(child);
        slot_close(parent, slot, CHILD);
    } else if (child->used < child->room / 4) {
        if (fit_together(parent, slot - 1))
            node_merge(t, parent, slot - 1);
        else if (fit_together(parent, slot))
            node_merge(t, parent, slot);
    }
}

void idtree_remove(struct idtree *t, struct stream_id id)
{
    struct path p;
    path_to(t, id, &p);
    slot_close(p.nodes[p.depth], p.slots[p.depth], t->size);
    for (int depth = p.depth; depth > 0; depth--)
        settle_child(t, p.nodes[depth - 1], p.slots[depth - 1]);
    while (t->root->level > 0 && t->root->used == 1) {
        struct idnode *root = t->root;
        t->root = child_at(root, 0);
        mem_free(root);
    }
    if (--t->count == 0)
        idtree_fini(t);
}

/* -- size and checks --------------------------------------------------------------------------- */

size_t idtree_memory(const struct idtree *t)
{
    if (t->root == NULL)
        return 0;
    if (t->root->level == 0)
        return mem_size_of(t->root);
    size_t total = 0;
    const struct idnode *n = idtree_first(t).node;
    for (; n != NULL; n = n->next)
        total += mem_usable(node_bytes(n->room, t->size));
    return total + total / room_of(NODE_BYTES, CHILD);
}

static void must(bool holds)
{
    if (!holds)
        abort();
}

struct walk {
    const struct idnode *leaf; /* the last one seen */
    uint64_t count;
};

static void check_node(const struct idtree *t, const struct idnode *n, struct stream_id low,
                       const struct stream_id *below, struct walk *w)
{
    must(n->used > 0 && n->used <= n->room);
    for (int i = n->level > 0; i < n->used; i++) {
        must(i == (n->level > 0) || stream_id_less(n->ids[i - 1], n->ids[i]));
        must(!stream_id_less(n->ids[i], low));
        must(below == NULL || stream_id_less(n->ids[i], *below));
    }
    for (int i = 0; n->level > 0 && i < n->used; i++) {
        must(child_at(n, i)->level == n->level - 1);
        check_node(t, child_at(n, i), i > 0 ? n->ids[i] : low,
                   i + 1 < n->used ? &n->ids[i + 1] : below, w);
    }
    if (n->level > 0)
        return;
    must(n->prev == w->leaf && (w->leaf == NULL || w->leaf->next == n));
    w->leaf = n;
    w->count += n->used;
}

void idtree_check(const struct idtree *t)
{
    struct walk w = {NULL, 0};
    must((t->root == NULL) == (t->count == 0));
    if (t->root != NULL)
        check_node(t, t->root, STREAM_ID_MIN, NULL, &w);
    must(w.leaf == t->last && w.count == t->count);
    must(w.leaf == NULL || w.leaf->next == NULL);
}
