/*
 * zset_build.c - sorted sets that are made as a whole: members are collected in a table and ordered
 * once.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "storage/listpack.h"
#include "storage/zset.h"
#include "storage/zset_forms.h"

void zset_builder_init(struct zset_builder *b)
{
    dict_init(&b->members, &zset_members);
    b->longest = 0;
}

double *zset_builder_score(struct zset_builder *b, struct bytes name, bool *fresh)
{
    uint64_t hash = dict_hash(name);
    struct ranked *m = dict_find(&b->members, name, hash);
    *fresh = m == NULL;
    if (m == NULL) {
        m = ranked_create(name, 0);
        dict_insert(&b->members, m, hash);
        if (name.len > b->longest)
            b->longest = name.len;
    }
    return &m->score;
}

static int compare_sorted(const void *a, const void *b)
{
    return ranked_compare(*(struct ranked *const *)a, *(struct ranked *const *)b);
}

/* The collected members in order; the caller frees the array. */
static struct ranked **sorted_members(struct zset_builder *b)
{
    struct ranked **all = mem_alloc(b->members.count * sizeof *all);
    size_t count = 0;
    struct dict_iter it;
    dict_iter_begin(&it, &b->members);
    for (struct ranked *m; (m = dict_iter_next(&it)) != NULL;)
        all[count++] = m;
    dict_iter_end(&it);
    qsort(all, count, sizeof *all, compare_sorted);
    return all;
}

/* The members become a listpack. */
static unsigned char *small_from_sorted(struct ranked **all, size_t count)
{
    unsigned char *lp = lp_create(0);
    for (size_t i = 0; i < count; i++) {
        lp = zset_small_append(lp, ranked_name(all[i]), all[i]->score);
        ranked_destroy(all[i]);
    }
    return lp;
}

struct entry *zset_builder_finish(struct zset_builder *b, const struct limits *limits,
                                  struct bytes key)
{
    size_t count = b->members.count;
    if (count == 0) {
        dict_fini(&b->members);
        return NULL;
    }
    struct ranked **all = sorted_members(b);
    bool small = limits != NULL && zset_small_suits(limits, count, b->longest);
    void *value;
    if (small) {
        value = small_from_sorted(all, count);
        dict_fini(&b->members);
    } else {
        struct zset *z = mem_alloc(sizeof *z);
        z->members = b->members;
        z->due = DEADLINE_NONE;
        ranktree_init(&z->order);
        for (size_t i = 0; i < count; i++)
            ranktree_insert(&z->order, all[i]);
        value = z;
    }
    mem_free(all);
    return entry_create_word(key, TYPE_ZSET, small ? ENC_LISTPACK : ENC_SKIPLIST,
                             (int64_t)(intptr_t)value, DEADLINE_NONE);
}

struct entry *zset_of_listpack(struct bytes key, unsigned char *lp)
{
    return entry_create_word(key, TYPE_ZSET, ENC_LISTPACK, (int64_t)(intptr_t)lp, DEADLINE_NONE);
}

const unsigned char *zset_listpack(const struct entry *e)
{
    return entry_encoding(e) == ENC_LISTPACK ? entry_pointer(e) : NULL;
}
