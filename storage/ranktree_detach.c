/*
 * ranktree_detach.c - taking a range out of the tree in one go, whatever its length.
 *
 * Subtrees that lie in the range as a whole are hung out of the tree as they are, and of the two
 * leaves at the ends of the range the slots in it. So nobody walks over the members before
 * ranktree_collect() does, a leaf at a time. The nodes along the two cuts may be left with too few
 * slots; they are filled from the top down, level by level, until none is found.
 */
#include <string.h>

#include "base/memory.h"
#include "storage/ranktree_node.h"

/* A stretch of ranks below one node. */
struct stretch {
    uint64_t from, to;
};

static void hang_out(struct ranktree *t, struct rank_node *n)
{
    if (t->loose_count == t->loose_room) {
        t->loose_room = t->loose_room > 0 ? 2 * t->loose_room : 16;
        t->loose = mem_resize(t->loose, t->loose_room * sizeof(struct rank_node *));
    }
    t->loose[t->loose_count++] = n;
}

/* Close the gap of the slots between two. */
static void close_gap(struct rank_node *n, int from, int to)
{
    rank_slots_move(n, from, n, to, n->used - to);
    n->used = (uint16_t)(n->used - (to - from));
}

static void cut_leaf(struct ranktree *t, struct rank_node *leaf, struct stretch s)
{
    struct rank_node *out = rank_node_create(t, 0);
    out->used = (uint16_t)(s.to - s.from);
    rank_slots_move(out, 0, leaf, (int)s.from, out->used);
    close_gap(leaf, (int)s.from, (int)s.to);
    hang_out(t, out);
}

/* Take the stretch, less than all, out of what is below n. */
static void cut_below(struct ranktree *t, struct rank_node *n, struct stretch s)
{
    if (n->level == 0) {
        cut_leaf(t, n, s);
        return;
    }
    int first_gone = n->used, gone = 0;
    uint64_t start = 0;
    for (int i = 0; i < n->used && start < s.to; i++) {
        struct rank_node *child = rank_inner_of(n)->children[i];
        uint64_t end = start + rank_inner_of(n)->counts[i];
        struct stretch inside = {
            s.from > start ? s.from - start : 0,
            (s.to < end ? s.to : end) - start,
        };
        if (s.from <= start && s.to >= end) {
            hang_out(t, child);
            first_gone = gone++ == 0 ? i : first_gone;
        } else if (s.from < end) {
            cut_below(t, child, inside);
            rank_slot_set_child(n, i, child);
        }
        start = end;
    }
    if (gone > 0)
        close_gap(n, first_gone, first_gone + gone);
}

static struct rank_node *leaf_at(const struct ranktree *t, uint64_t rank)
{
    return rank < t->count ? (struct rank_node *)ranktree_seek(t, rank).leaf : NULL;
}

/* Fill the first node with too few slots on the way to the rank. False: there was none. */
static bool fill_one(struct ranktree *t, uint64_t rank)
{
    struct rank_node *n = t->root;
    if (n->level > 0 && n->used == 1) {
        t->root = rank_inner_of(n)->children[0];
        rank_node_destroy(t, n);
        return true;
    }
    while (n->level > 0) {
        int at = 0;
        for (; rank >= rank_inner_of(n)->counts[at]; at++)
            rank -= rank_inner_of(n)->counts[at];
        if (rank_inner_of(n)->children[at]->used < RANK_FEW) {
            rank_refill(t, n, at);
            return true;
        }
        n = rank_inner_of(n)->children[at];
    }
    return false;
}

/* Both sides of the seam, again where one side's filling has taken from the other's. */
static void fill_along(struct ranktree *t, uint64_t seam)
{
    bool filled = true;
    while (filled) {
        filled = seam > 0 && fill_one(t, seam - 1);
        filled |= seam < t->count && fill_one(t, seam);
    }
}

void ranktree_detach(struct ranktree *t, uint64_t rank, uint64_t count)
{
    struct rank_node *before = rank > 0 ? leaf_at(t, rank - 1) : NULL;
    struct rank_node *behind = leaf_at(t, rank + count);
    t->detached += count;
    if (count == t->count) {
        hang_out(t, t->root);
        t->root = NULL;
        t->count = 0;
        return;
    }
    cut_below(t, t->root, (struct stretch){rank, rank + count});
    t->count -= count;
    if (before != behind) {
        if (before != NULL)
            before->next = behind;
        if (behind != NULL)
            behind->prev = before;
    }
    fill_along(t, rank);
}

int ranktree_collect(struct ranktree *t, struct ranked *out[RANK_COLLECT])
{
    while (t->loose_count > 0) {
        struct rank_node *n = t->loose[--t->loose_count];
        int used = n->used;
        if (n->level == 0) {
            for (int i = 0; i < used; i++)
                out[i] = rank_member_of(n->refs[i]);
            rank_node_destroy(t, n);
            t->detached -= (uint64_t)used;
            return used;
        }
        for (int i = 0; i < used; i++)
            hang_out(t, rank_inner_of(n)->children[i]);
        rank_node_destroy(t, n);
    }
    mem_free(t->loose);
    t->loose = NULL;
    t->loose_room = 0;
    return 0;
}
