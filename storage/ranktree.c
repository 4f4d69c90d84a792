/*
 * ranktree.c - a counted B+tree: searching, adding and removing one member, walking.
 */
#include "storage/ranktree.h"

#include <assert.h>
#include <stdlib.h>

#include "base/cells.h"
#include "base/memory.h"
#include "storage/ranktree_node.h"

enum {
    SLOTS = RANK_SLOTS,
    FEW = RANK_FEW,
    ENOUGH = 8, /* free slots that make it worth while to use them before splitting */
    LONG_NAME = 255,
    PREFETCH = 6,
};

/* -- members ----------------------------------------------------------------------------------- */

/* In eights, for the sake of the score's alignment. */
static size_t ranked_size(size_t len)
{
    size_t size = sizeof(struct ranked) + 1 + (len < LONG_NAME ? 0 : sizeof(uint64_t)) + len;
    return (size + 7) & ~(size_t)7;
}

struct ranked *ranked_create(struct bytes name, double score)
{
    struct ranked *m = cell_alloc(ranked_size(name.len));
    unsigned char *at = m->text;
    m->score = score;
    if (name.len < LONG_NAME) {
        *at++ = (unsigned char)name.len;
    } else {
        uint64_t len = name.len;
        *at++ = LONG_NAME;
        memcpy(at, &len, sizeof len);
        at += sizeof len;
    }
    bytes_copy(at, name.ptr, name.len);
    return m;
}

void ranked_destroy(struct ranked *m)
{
    cell_free(m, ranked_size(ranked_name(m).len));
}

size_t ranked_memory(const struct ranked *m)
{
    return cell_usable(ranked_size(ranked_name(m).len));
}

int ranked_compare(const struct ranked *a, const struct ranked *b)
{
    if (a->score != b->score)
        return a->score < b->score ? -1 : 1;
    int order = bytes_compare(ranked_name(a), ranked_name(b));
    return (order > 0) - (order < 0);
}

bool rank_cut_is_behind(const struct rank_cut *cut, double score, struct bytes name)
{
    switch (cut->kind) {
    case CUT_FIRST:
        return false;
    case CUT_SCORE:
        return cut->after ? score <= cut->score : score < cut->score;
    case CUT_NAME:
        return bytes_compare(name, cut->name) < (cut->after ? 1 : 0);
    default:
        return true;
    }
}

/* -- searching --------------------------------------------------------------------------------- */

/* What is looked for: the place of a member, or a cut. */
struct probe {
    int32_t top; /* of the score's prefix */
    uint16_t low;
    bool after;                  /* a member's: behind it, not before */
    const struct ranked *member; /* or */
    const struct rank_cut *cut;
};

/* The bits of a double, ordered as the numbers are; both zeros are one. */
static inline int64_t order_bits(double score)
{
    int64_t bits;
    score += 0.0;
    memcpy(&bits, &score, sizeof bits);
    return bits ^ (int64_t)((uint64_t)(bits >> 63) >> 1);
}

static inline int32_t top_of(double score)
{
    return (int32_t)(order_bits(score) >> 32);
}

static inline uint64_t ref_of(const struct ranked *m)
{
    uint64_t low = (uint64_t)order_bits(m->score) >> 16 & 0xffff;
    return low << 48 | (uint64_t)(uintptr_t)m;
}

static struct probe probe_member(const struct ranked *m, bool after)
{
    return (struct probe){
        .top = top_of(m->score),
        .low = (uint16_t)(ref_of(m) >> 48),
        .after = after,
        .member = m,
    };
}

static struct probe probe_cut(const struct rank_cut *cut)
{
    return (struct probe){
        .top = top_of(cut->score),
        .low = (uint16_t)((uint64_t)order_bits(cut->score) >> 16),
        .cut = cut,
    };
}

/* Is the member in front of what is looked for? */
static bool is_before(const struct ranked *m, const struct probe *p)
{
    if (p->cut != NULL)
        return rank_cut_is_behind(p->cut, m->score, ranked_name(m));
    return m != p->member ? ranked_compare(m, p->member) < 0 : p->after;
}

static bool slot_is_before(const struct rank_node *n, int slot, const struct probe *p)
{
    uint16_t low = (uint16_t)(n->refs[slot] >> 48);
    if (p->cut == NULL || p->cut->kind == CUT_SCORE) {
        if (n->tops[slot] != p->top)
            return n->tops[slot] < p->top;
        if (low != p->low)
            return low < p->low;
    }
    return is_before(rank_member_of(n->refs[slot]), p);
}

/* How many slots of the node are in front of what is looked for. */
static int search(const struct rank_node *n, const struct probe *p)
{
    int from = 0, to = n->used;
    if (p->cut == NULL || p->cut->kind == CUT_SCORE) {
        int below = 0, equal = 0;
        for (int i = 0; i < n->used; i++) {
            below += n->tops[i] < p->top;
            equal += n->tops[i] == p->top;
        }
        from = below;
        to = below + equal;
    }
    while (from < to) {
        int middle = (from + to) / 2;
        if (slot_is_before(n, middle, p))
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The child in which the place is that is looked for. */
static int search_child(const struct rank_node *n, const struct probe *p)
{
    int before = search(n, p);
    return before > 0 ? before - 1 : 0;
}

static uint64_t rank_of(const struct ranktree *t, const struct probe *p)
{
    const struct rank_node *n = t->root;
    uint64_t rank = 0;
    if (n == NULL)
        return 0;
    while (n->level > 0) {
        int child = search_child(n, p);
        for (int i = 0; i < child; i++)
            rank += rank_inner_of(n)->counts[i];
        n = rank_inner_of(n)->children[child];
    }
    return rank + (uint64_t)search(n, p);
}

uint64_t ranktree_rank(const struct ranktree *t, const struct ranked *m)
{
    struct probe p = probe_member(m, true);
    return rank_of(t, &p) - 1;
}

bool ranktree_holds(const struct ranktree *t, const struct ranked *m)
{
    struct probe p = probe_member(m, true);
    const struct rank_node *n = t->root;
    if (n == NULL)
        return false;
    while (n->level > 0)
        n = rank_inner_of(n)->children[search_child(n, &p)];
    int before = search(n, &p);
    return before > 0 && rank_member_of(n->refs[before - 1]) == m;
}

uint64_t ranktree_cut(const struct ranktree *t, const struct rank_cut *cut)
{
    struct probe p = probe_cut(cut);
    if (cut->kind == CUT_FIRST || cut->kind == CUT_LAST)
        return cut->kind == CUT_FIRST ? 0 : t->count;
    return rank_of(t, &p);
}

/* -- nodes ------------------------------------------------------------------------------------- */

struct rank_node *rank_node_create(struct ranktree *t, int level)
{
    struct rank_node *n = mem_alloc(level > 0 ? sizeof(struct rank_inner) : sizeof *n);
    n->used = 0;
    n->level = (uint16_t)level;
    n->prev = n->next = NULL;
    if (level > 0)
        t->inners++;
    else
        t->leaves++;
    return n;
}

void rank_node_destroy(struct ranktree *t, struct rank_node *n)
{
    if (n->level > 0) {
        t->inners--;
        mem_free_sized(n, sizeof(struct rank_inner));
    } else {
        t->leaves--;
        mem_free_sized(n, sizeof *n);
    }
}

void rank_slots_move(struct rank_node *to, int at, const struct rank_node *from, int first,
                     int count)
{
    size_t n = (size_t)count;
    memmove(to->tops + at, from->tops + first, n * sizeof *to->tops);
    memmove(to->refs + at, from->refs + first, n * sizeof *to->refs);
    if (to->level == 0)
        return;
    struct rank_inner *into = rank_inner_of(to), *out = rank_inner_of(from);
    memmove(into->children + at, out->children + first, n * sizeof *into->children);
    memmove(into->counts + at, out->counts + first, n * sizeof *into->counts);
}

static void slots_open(struct rank_node *n, int at)
{
    rank_slots_move(n, at + 1, n, at, n->used - at);
    n->used++;
}

static void slots_close(struct rank_node *n, int at)
{
    rank_slots_move(n, at, n, at + 1, n->used - at - 1);
    n->used--;
}

static void slot_set_member(struct rank_node *leaf, int at, const struct ranked *m)
{
    leaf->tops[at] = top_of(m->score);
    leaf->refs[at] = ref_of(m);
}

void rank_slot_set_child(struct rank_node *n, int at, struct rank_node *child)
{
    uint64_t count = child->used;
    if (child->level > 0) {
        count = 0;
        for (int i = 0; i < child->used; i++)
            count += rank_inner_of(child)->counts[i];
    }
    n->tops[at] = child->tops[0];
    n->refs[at] = child->refs[0];
    rank_inner_of(n)->children[at] = child;
    rank_inner_of(n)->counts[at] = count;
}

/* Move a full node's upper part into a new one behind it. What is added at the very end leaves the
 * node as it is, so that members which come in order fill it. */
static struct rank_node *node_split(struct ranktree *t, struct rank_node *n, int adding_at)
{
    struct rank_node *right = rank_node_create(t, n->level);
    int keep = adding_at == SLOTS && n->next == NULL ? SLOTS - FEW : SLOTS / 2;
    if (keep != SLOTS / 2 && n->level == 0)
        keep = SLOTS - 1;
    rank_slots_move(right, 0, n, keep, SLOTS - keep);
    right->used = (uint16_t)(SLOTS - keep);
    n->used = (uint16_t)keep;
    if (n->level == 0) {
        right->prev = n;
        right->next = n->next;
        if (n->next != NULL)
            n->next->prev = right;
        n->next = right;
    }
    return right;
}

/* Let child number first and the one behind it have as many slots each. */
static void share(struct rank_node *n, int first)
{
    struct rank_node *left = rank_inner_of(n)->children[first],
                     *right = rank_inner_of(n)->children[first + 1];
    int all = left->used + right->used, keep = all / 2;
    if (left->used < keep) {
        int count = keep - left->used;
        rank_slots_move(left, left->used, right, 0, count);
        rank_slots_move(right, 0, right, count, right->used - count);
    } else {
        int count = left->used - keep;
        rank_slots_move(right, count, right, 0, right->used);
        rank_slots_move(right, 0, left, keep, count);
    }
    left->used = (uint16_t)keep;
    right->used = (uint16_t)(all - keep);
    rank_slot_set_child(n, first, left);
    rank_slot_set_child(n, first + 1, right);
}

/* -- inserting --------------------------------------------------------------------------------- */

static struct rank_node *leaf_insert(struct ranktree *t, struct rank_node *leaf,
                                     const struct probe *p)
{
    int at = search(leaf, p);
    struct rank_node *right = NULL, *into = leaf;
    if (leaf->used == SLOTS) {
        right = node_split(t, leaf, at);
        if (at > leaf->used) {
            at -= leaf->used;
            into = right;
        }
    }
    slots_open(into, at);
    slot_set_member(into, at, p->member);
    return right;
}

static struct rank_node *inner_insert(struct ranktree *t, struct rank_node *n, int at,
                                      struct rank_node *child)
{
    struct rank_node *right = NULL, *into = n;
    if (n->used == SLOTS) {
        right = node_split(t, n, at);
        if (at > n->used) {
            at -= n->used;
            into = right;
        }
    }
    slots_open(into, at);
    rank_slot_set_child(into, at, child);
    return right;
}

/* Child number at is full: let a neighbour that has room take some of its slots. Splitting only
 * where both are full leaves the leaves fuller than splits alone would. */
static bool relieve(struct rank_node *n, int at)
{
    for (int first = at - 1; first <= at; first++) {
        if (first < 0 || first + 1 >= n->used)
            continue;
        if (rank_inner_of(n)->children[first]->used + rank_inner_of(n)->children[first + 1]->used <=
            2 * SLOTS - ENOUGH) {
            share(n, first);
            return true;
        }
    }
    return false;
}

/* Returns a new node that belongs behind this one, or NULL. */
static struct rank_node *insert_below(struct ranktree *t, struct rank_node *n,
                                      const struct probe *p)
{
    if (n->level == 0)
        return leaf_insert(t, n, p);
    int at = search_child(n, p);
    if (rank_inner_of(n)->children[at]->used == SLOTS && relieve(n, at))
        at = search_child(n, p);
    struct rank_node *child = rank_inner_of(n)->children[at];
    struct rank_node *right = insert_below(t, child, p);
    if (right == NULL) {
        n->tops[at] = child->tops[0];
        n->refs[at] = child->refs[0];
        rank_inner_of(n)->counts[at]++;
        return NULL;
    }
    rank_slot_set_child(n, at, child);
    return inner_insert(t, n, at + 1, right);
}

void ranktree_init(struct ranktree *t)
{
    *t = (struct ranktree){0};
}

void ranktree_insert(struct ranktree *t, struct ranked *m)
{
    struct probe p = probe_member(m, false);
    if (t->root == NULL)
        t->root = rank_node_create(t, 0);
    struct rank_node *right = insert_below(t, t->root, &p);
    if (right != NULL) {
        struct rank_node *root = rank_node_create(t, right->level + 1);
        root->used = 2;
        rank_slot_set_child(root, 0, t->root);
        rank_slot_set_child(root, 1, right);
        t->root = root;
    }
    t->count++;
}

/* -- removing ---------------------------------------------------------------------------------- */

static void leaf_unlink(struct rank_node *leaf)
{
    leaf->prev->next = leaf->next;
    if (leaf->next != NULL)
        leaf->next->prev = leaf->prev;
}

void rank_refill(struct ranktree *t, struct rank_node *n, int at)
{
    int first = at > 0 ? at - 1 : at;
    struct rank_node *left = rank_inner_of(n)->children[first],
                     *right = rank_inner_of(n)->children[first + 1];
    int all = left->used + right->used;
    if (all <= SLOTS - FEW / 2) {
        rank_slots_move(left, left->used, right, 0, right->used);
        left->used = (uint16_t)all;
        if (right->level == 0)
            leaf_unlink(right);
        rank_node_destroy(t, right);
        slots_close(n, first + 1);
        rank_slot_set_child(n, first, left);
        return;
    }
    share(n, first);
}

static void remove_below(struct ranktree *t, struct rank_node *n, const struct probe *p)
{
    if (n->level == 0) {
        int at = search(n, p) - 1;
        assert(at >= 0 && rank_member_of(n->refs[at]) == p->member);
        slots_close(n, at);
        return;
    }
    int at = search_child(n, p);
    struct rank_node *child = rank_inner_of(n)->children[at];
    remove_below(t, child, p);
    n->tops[at] = child->tops[0];
    n->refs[at] = child->refs[0];
    rank_inner_of(n)->counts[at]--;
    if (child->used < FEW)
        rank_refill(t, n, at);
}

void ranktree_remove(struct ranktree *t, const struct ranked *m)
{
    struct probe p = probe_member(m, true);
    remove_below(t, t->root, &p);
    t->count--;
    struct rank_node *root = t->root;
    if (root->level > 0 && root->used == 1) {
        t->root = rank_inner_of(root)->children[0];
        rank_node_destroy(t, root);
    } else if (root->used == 0) {
        t->root = NULL;
        rank_node_destroy(t, root);
    }
}

/* -- another score ----------------------------------------------------------------------------- */

/* If the member stays between the same neighbours of its leaf: change the score and nothing else.
 */
static bool rescore_in_place(struct ranktree *t, struct ranked *m, double score)
{
    struct probe p = probe_member(m, true);
    struct rank_node *n = t->root;
    while (n->level > 0)
        n = rank_inner_of(n)->children[search_child(n, &p)];
    int at = search(n, &p) - 1;
    assert(at >= 0 && rank_member_of(n->refs[at]) == m);
    if (at == 0 || at == n->used - 1)
        return false;
    double before = m->score;
    m->score = score;
    p = probe_member(m, false);
    if (slot_is_before(n, at - 1, &p) && !slot_is_before(n, at + 1, &p)) {
        slot_set_member(n, at, m);
        return true;
    }
    m->score = before;
    return false;
}

void ranktree_rescore(struct ranktree *t, struct ranked *m, double score)
{
    if (rescore_in_place(t, m, score))
        return;
    ranktree_remove(t, m);
    m->score = score;
    ranktree_insert(t, m);
}

/* -- walking ----------------------------------------------------------------------------------- */

struct rank_cursor ranktree_seek(const struct ranktree *t, uint64_t rank)
{
    const struct rank_node *n = t->root;
    while (n != NULL && n->level > 0) { /* NULL: it is empty */
        int at = 0;
        for (; rank >= rank_inner_of(n)->counts[at]; at++)
            rank -= rank_inner_of(n)->counts[at];
        n = rank_inner_of(n)->children[at];
    }
    return (struct rank_cursor){n, (int)rank};
}

struct ranked *rank_cursor_get(const struct rank_cursor *c)
{
    return c->leaf != NULL ? rank_member_of(c->leaf->refs[c->slot]) : NULL;
}

void rank_cursor_next(struct rank_cursor *c)
{
    const struct rank_node *leaf = c->leaf;
    c->slot++;
    if (c->slot + PREFETCH < leaf->used) {
        __builtin_prefetch(rank_member_of(leaf->refs[c->slot + PREFETCH]));
        return;
    }
    if (leaf->next != NULL) {
        int ahead = c->slot + PREFETCH - leaf->used;
        if (ahead < leaf->next->used)
            __builtin_prefetch(rank_member_of(leaf->next->refs[ahead]));
    }
    if (c->slot == leaf->used)
        *c = (struct rank_cursor){leaf->next, 0};
}

void rank_cursor_prev(struct rank_cursor *c)
{
    const struct rank_node *leaf = c->leaf;
    c->slot--;
    if (c->slot >= PREFETCH) {
        __builtin_prefetch(rank_member_of(leaf->refs[c->slot - PREFETCH]));
        return;
    }
    if (leaf->prev != NULL) {
        int ahead = leaf->prev->used + c->slot - PREFETCH;
        if (ahead >= 0)
            __builtin_prefetch(rank_member_of(leaf->prev->refs[ahead]));
    }
    if (c->slot < 0)
        *c = (struct rank_cursor){leaf->prev, leaf->prev != NULL ? leaf->prev->used - 1 : 0};
}

/* -- the whole --------------------------------------------------------------------------------- */

static void destroy_below(struct ranktree *t, struct rank_node *n)
{
    if (n->level > 0)
        for (int i = 0; i < n->used; i++)
            destroy_below(t, rank_inner_of(n)->children[i]);
    rank_node_destroy(t, n);
}

void ranktree_fini(struct ranktree *t)
{
    if (t->root != NULL)
        destroy_below(t, t->root);
    for (size_t i = 0; i < t->loose_count; i++)
        destroy_below(t, t->loose[i]);
    mem_free(t->loose);
    ranktree_init(t);
}

size_t ranktree_memory(const struct ranktree *t)
{
    return t->leaves * mem_usable(sizeof(struct rank_node)) +
           t->inners * mem_usable(sizeof(struct rank_inner));
}

static void check(bool truth)
{
    if (!truth)
        abort();
}

static uint64_t check_below(const struct rank_node *n, bool is_root)
{
    bool may_be_small = is_root || (n->level == 0 && n->next == NULL);
    check(n->used <= SLOTS && n->used >= (may_be_small ? 1 : FEW));
    for (int i = 0; i < n->used; i++) {
        const struct ranked *m = rank_member_of(n->refs[i]);
        check(n->tops[i] == top_of(m->score) && n->refs[i] == ref_of(m));
        check(i == 0 || ranked_compare(rank_member_of(n->refs[i - 1]), m) < 0);
    }
    if (n->level == 0)
        return n->used;
    uint64_t all = 0;
    for (int i = 0; i < n->used; i++) {
        const struct rank_node *child = rank_inner_of(n)->children[i];
        check(child->level == n->level - 1 && child->refs[0] == n->refs[i]);
        check(check_below(child, false) == rank_inner_of(n)->counts[i]);
        all += rank_inner_of(n)->counts[i];
    }
    return all;
}

/* What hangs loose is no tree in order, but its nodes and members count. */
static uint64_t count_loose(const struct rank_node *n, uint64_t *leaves)
{
    uint64_t all = 0;
    *leaves += n->level == 0;
    for (int i = 0; n->level > 0 && i < n->used; i++)
        all += count_loose(rank_inner_of(n)->children[i], leaves);
    return n->level == 0 ? n->used : all;
}

void ranktree_check(const struct ranktree *t)
{
    uint64_t seen = 0, leaves = 0;
    for (size_t i = 0; i < t->loose_count; i++)
        seen += count_loose(t->loose[i], &leaves);
    check(seen == t->detached);
    check((t->root == NULL) == (t->count == 0));
    if (t->root == NULL)
        return;
    check(check_below(t->root, true) == t->count);
    struct rank_cursor c = ranktree_seek(t, 0);
    const struct rank_node *before = NULL;
    for (seen = 0; c.leaf != NULL; c.leaf = c.leaf->next) {
        check(c.leaf->prev == before);
        before = c.leaf;
        seen += c.leaf->used;
        leaves++;
    }
    check(seen == t->count && leaves == t->leaves);
}
