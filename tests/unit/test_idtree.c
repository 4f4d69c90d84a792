/*
 * test_idtree.c - the ordered map against a sorted array: seeking, walking both ways, growing and
 * shrinking at either end and in the middle, with values of all sizes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "storage/idtree.h"

enum { MOST = 6000 };

struct model {
    struct stream_id ids[MOST];
    size_t count;
};

static size_t place_of(const struct model *m, struct stream_id id)
{
    size_t from = 0, to = m->count;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (stream_id_less(m->ids[middle], id))
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void set_value(const struct idtree *t, void *value, struct stream_id id)
{
    for (size_t i = 0; i < t->size; i += 8) {
        uint64_t word = id.ms * 31 + id.seq + i;
        memcpy((char *)value + i, &word, sizeof word);
    }
}

static void assert_value(const struct idtree *t, const void *value, struct stream_id id)
{
    for (size_t i = 0; i < t->size; i += 8) {
        uint64_t word;
        memcpy(&word, (const char *)value + i, sizeof word);
        assert_int_equal(word, id.ms * 31 + id.seq + i);
    }
}

static void add(struct idtree *t, struct model *m, struct stream_id id)
{
    size_t at = place_of(m, id);
    if (m->count == MOST || (at < m->count && stream_id_equal(m->ids[at], id)))
        return;
    memmove(m->ids + at + 1, m->ids + at, (m->count - at) * sizeof *m->ids);
    m->ids[at] = id;
    m->count++;
    set_value(t, idtree_add(t, id), id);
}

static void take(struct idtree *t, struct model *m, size_t at)
{
    idtree_remove(t, m->ids[at]);
    m->count--;
    memmove(m->ids + at, m->ids + at + 1, (m->count - at) * sizeof *m->ids);
}

static void assert_at(const struct idtree *t, const struct model *m, struct idcursor c, size_t at)
{
    if (at >= m->count) {
        assert_null(c.node);
        return;
    }
    assert_non_null(c.node);
    assert_true(stream_id_equal(idcursor_id(&c), m->ids[at]));
    assert_value(t, idcursor_value(t, &c), m->ids[at]);
}

static void assert_same(const struct idtree *t, const struct model *m)
{
    idtree_check(t);
    assert_int_equal(t->count, m->count);
    struct idcursor forward = idtree_first(t), backward = idtree_last(t);
    for (size_t i = 0; i < m->count; i++) {
        assert_at(t, m, forward, i);
        assert_at(t, m, backward, m->count - 1 - i);
        idcursor_next(&forward);
        idcursor_prev(&backward);
    }
    assert_null(forward.node);
    assert_null(backward.node);
    assert_true((idtree_memory(t) == 0) == (m->count == 0));
}

static struct stream_id random_id(void)
{
    return (struct stream_id){random_below(900), random_below(9)};
}

static void assert_seek(const struct idtree *t, const struct model *m, struct stream_id id)
{
    size_t at = place_of(m, id);
    bool there = at < m->count && stream_id_equal(m->ids[at], id);
    assert_at(t, m, idtree_seek(t, id), at);
    assert_at(t, m, idtree_seek_back(t, id), there ? at : at - 1); /* before the first: no place */
    assert_true((idtree_find(t, id) != NULL) == there);
}

/* What a round does mostly. */
enum habit { ANYWHERE, AT_THE_END, FROM_THE_FRONT, FROM_THE_END, HABITS };

static void change(struct idtree *t, struct model *m, enum habit habit)
{
    struct stream_id id = random_id();
    if (habit == AT_THE_END && m->count > 0)
        id = (struct stream_id){m->ids[m->count - 1].ms + random_below(2), random_below(1000)};
    bool adds = habit == ANYWHERE ? random_below(2) : habit == AT_THE_END;
    if (adds)
        add(t, m, id);
    else if (m->count > 0)
        take(t, m,
             habit == FROM_THE_FRONT ? 0
             : habit == FROM_THE_END ? m->count - 1
                                     : random_below(m->count));
}

static void run(uint16_t size)
{
    static struct model m;
    struct idtree t;
    idtree_init(&t, size);
    m.count = 0;
    for (int round = 0; round < 120; round++) {
        enum habit habit = (enum habit)random_below(HABITS);
        uint64_t changes = random_below(round % 10 == 0 ? 5000 : 300);
        for (uint64_t i = 0; i < changes; i++)
            change(&t, &m, habit);
        assert_same(&t, &m);
        for (int i = 0; i < 50; i++)
            assert_seek(&t, &m, random_id());
        assert_seek(&t, &m, STREAM_ID_MIN);
        assert_seek(&t, &m, STREAM_ID_MAX);
    }
    while (m.count > 0)
        take(&t, &m, random_below(m.count));
    assert_same(&t, &m);
    idtree_fini(&t);
}

static void test_against_a_model(void **state)
{
    (void)state;
    uint64_t seed = random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
    for (uint16_t size = 0; size <= 24; size += 8)
        run(size);
}

/* Ids that come in order leave full nodes behind. */
static void test_memory(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    struct idtree t;
    idtree_init(&t, 8);
    for (uint64_t i = 0; i < MANY; i++)
        set_value(&t, idtree_add(&t, (struct stream_id){i, 0}), (struct stream_id){i, 0});
    assert_true(idtree_memory(&t) < (size_t)MANY * 26);
    idtree_check(&t);
    idtree_fini(&t);
    assert_int_equal(t.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
