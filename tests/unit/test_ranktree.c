/*
 * test_ranktree.c - the counted tree against a sorted array: ranks, cuts, walks both ways, through
 * growing, shrinking and changes of scores, and with whole ranges taken out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "storage/ranktree.h"

enum { MOST = 3000 };

/* The model: members in order. */
struct model {
    struct ranked *members[MOST];
    size_t count;
};

static size_t place_of(const struct model *m, const struct ranked *r)
{
    size_t from = 0, to = m->count;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (ranked_compare(m->members[middle], r) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void model_insert(struct model *m, struct ranked *r)
{
    size_t at = place_of(m, r);
    memmove(m->members + at + 1, m->members + at, (m->count - at) * sizeof *m->members);
    m->members[at] = r;
    m->count++;
}

static struct ranked *model_take(struct model *m, size_t at)
{
    struct ranked *r = m->members[at];
    m->count--;
    memmove(m->members + at, m->members + at + 1, (m->count - at) * sizeof *m->members);
    return r;
}

/* Scores that share long prefixes, both infinities, both zeros. */
static double random_score(void)
{
    switch (random_below(8)) {
    case 0:
        return random_below(2) ? 1e308 * 10 : -1e308 * 10;
    case 1:
        return random_below(2) ? 0.0 : -0.0;
    case 2:
        return 1e15 + (double)random_below(10) / 8;
    case 3:
        return -1e15 - (double)random_below(1000);
    case 4:
        return (double)(int64_t)random_u64();
    default:
        return (double)random_below(40) - 20;
    }
}

static struct ranked *random_member(uint64_t *serial)
{
    char name[600];
    int len = snprintf(name, sizeof name, "%llx:%llu", (unsigned long long)random_below(16),
                       (unsigned long long)(*serial)++);
    if (random_below(50) == 0) {
        memset(name + len, 'x', sizeof name - (size_t)len);
        len = 250 + (int)random_below(10);
    }
    return ranked_create(bytes_of(name, (size_t)len), random_score());
}

static void assert_cuts(const struct ranktree *t, const struct model *m)
{
    struct rank_cut cut = {CUT_SCORE, random_below(2), random_score(), bytes_of_text("")};
    if (m->count > 0 && random_below(2))
        cut.score = m->members[random_below(m->count)]->score;
    uint64_t before = 0;
    for (size_t i = 0; i < m->count; i++)
        before += rank_cut_is_behind(&cut, m->members[i]->score, ranked_name(m->members[i]));
    assert_int_equal(ranktree_cut(t, &cut), before);
    assert_int_equal(ranktree_cut(t, &(struct rank_cut){.kind = CUT_FIRST}), 0);
    assert_int_equal(ranktree_cut(t, &(struct rank_cut){.kind = CUT_LAST}), m->count);
}

static void assert_walk(const struct ranktree *t, const struct model *m)
{
    if (m->count == 0)
        return;
    size_t at = random_below(m->count);
    assert_int_equal(ranktree_rank(t, m->members[at]), at);
    struct rank_cursor up = ranktree_seek(t, at), down = up;
    for (size_t i = at; i < m->count; i++, rank_cursor_next(&up))
        assert_ptr_equal(rank_cursor_get(&up), m->members[i]);
    assert_null(rank_cursor_get(&up));
    for (size_t i = at + 1; i-- > 0; rank_cursor_prev(&down))
        assert_ptr_equal(rank_cursor_get(&down), m->members[i]);
    assert_null(rank_cursor_get(&down));
}

static void change(struct ranktree *t, struct model *m, uint64_t *serial, bool grow)
{
    uint64_t what = random_below(10);
    if (m->count == 0 || (what < (grow ? 6 : 2) && m->count < MOST)) {
        struct ranked *r = random_member(serial);
        ranktree_insert(t, r);
        model_insert(m, r);
    } else if (what < 8) {
        struct ranked *r = model_take(m, random_below(m->count));
        ranktree_remove(t, r);
        ranked_destroy(r);
    } else {
        struct ranked *r = model_take(m, random_below(m->count));
        ranktree_rescore(t, r, random_below(3) ? r->score + 1 : random_score());
        model_insert(m, r);
    }
}

static void test_against_an_array(void **state)
{
    (void)state;
    uint64_t seed = random_u64(), serial = 0;
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
    struct ranktree t;
    static struct model m;
    m.count = 0;
    ranktree_init(&t);
    for (int i = 0; i < 60000; i++) {
        change(&t, &m, &serial, i / 10000 % 2 == 0);
        if (i % 100 == 0) {
            ranktree_check(&t);
            assert_cuts(&t, &m);
            assert_walk(&t, &m);
        }
    }
    while (m.count > 0) {
        struct ranked *r = model_take(&m, random_below(2) ? 0 : m.count - 1);
        ranktree_remove(&t, r);
        ranked_destroy(r);
        if (m.count % 16 == 0)
            ranktree_check(&t);
    }
    assert_null(t.root);
    ranktree_fini(&t);
}

/* Bring in what was detached; each member comes once, and none that the model holds. */
static void collect_some(struct ranktree *t, const struct model *m, int calls)
{
    struct ranked *out[RANK_COLLECT];
    while (calls-- > 0) {
        uint64_t before = t->detached;
        int count = ranktree_collect(t, out);
        assert_int_equal(t->detached, before - (uint64_t)count);
        for (int i = 0; i < count; i++) {
            size_t at = place_of(m, out[i]);
            assert_true(at == m->count || m->members[at] != out[i]);
            assert_false(ranktree_holds(t, out[i]));
            ranked_destroy(out[i]);
        }
    }
}

static void detach_some(struct ranktree *t, struct model *m)
{
    size_t rank = random_below(m->count), most = m->count - rank;
    if (random_below(8) == 0)
        rank = 0;
    size_t count = random_below(4) == 0 ? m->count - rank : 1 + random_below(most);
    if (random_below(2) && count > 200)
        count = 1 + random_below(200);
    ranktree_detach(t, rank, count);
    m->count -= count;
    memmove(m->members + rank, m->members + rank + count, (m->count - rank) * sizeof *m->members);
}

static void test_ranges_detached(void **state)
{
    (void)state;
    uint64_t seed = random_u64(), serial = 0;
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
    struct ranktree t;
    static struct model m;
    m.count = 0;
    ranktree_init(&t);
    for (int i = 0; i < 1500; i++) {
        for (int j = (int)random_below(i % 20 == 0 ? 4000 : 300); j > 0; j--)
            change(&t, &m, &serial, true);
        if (m.count > 0)
            detach_some(&t, &m);
        ranktree_check(&t);
        assert_int_equal(t.count, m.count);
        assert_walk(&t, &m);
        assert_cuts(&t, &m);
        collect_some(&t, &m, (int)random_below(12));
        for (size_t at = 0; at < m.count; at += 1 + m.count / 50)
            assert_true(ranktree_holds(&t, m.members[at]));
    }
    collect_some(&t, &m, 10000);
    assert_int_equal(t.detached, 0);
    for (size_t i = 0; i < m.count; i++)
        ranked_destroy(m.members[i]);
    ranktree_fini(&t);
}

/* Members that come in order fill the leaves; in reverse order they need at most twice as many. */
static void test_order_of_arrival(void **state)
{
    (void)state;
    for (int backwards = 0; backwards < 2; backwards++) {
        struct ranktree t;
        struct ranked *all[MOST];
        ranktree_init(&t);
        for (int i = 0; i < MOST; i++) {
            char name[20];
            int at = backwards ? MOST - 1 - i : i;
            all[at] = ranked_create(bytes_of(name, (size_t)snprintf(name, sizeof name, "%05d", at)),
                                    at / 100);
            ranktree_insert(&t, all[at]);
        }
        ranktree_check(&t);
        for (uint64_t i = 0; i < MOST; i++)
            assert_int_equal(ranktree_rank(&t, all[i]), i);
        size_t bytes = ranktree_memory(&t);
        assert_true(bytes < MOST * (backwards ? 28 : 14));
        ranktree_fini(&t);
        for (int i = 0; i < MOST; i++)
            ranked_destroy(all[i]);
    }
}

/* With equal scores the tree is an order of names. */
static void test_names(void **state)
{
    (void)state;
    struct ranktree t;
    struct ranked *all[1000];
    ranktree_init(&t);
    for (int i = 0; i < 1000; i++) {
        char name[20];
        all[i] = ranked_create(
            bytes_of(name, (size_t)snprintf(name, sizeof name, "%03d", i * 7 % 1000)), 1);
        ranktree_insert(&t, all[i]);
    }
    struct rank_cut cut = {CUT_NAME, false, 0, bytes_of_text("500")};
    assert_int_equal(ranktree_cut(&t, &cut), 500);
    cut.after = true;
    assert_int_equal(ranktree_cut(&t, &cut), 501);
    cut.name = bytes_of_text("5");
    assert_int_equal(ranktree_cut(&t, &cut), 500);
    cut.name = bytes_of_text("x");
    assert_int_equal(ranktree_cut(&t, &cut), 1000);
    cut.name = bytes_of_text("");
    assert_int_equal(ranktree_cut(&t, &cut), 0);
    ranktree_fini(&t);
    for (int i = 0; i < 1000; i++)
        ranked_destroy(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_an_array),
        cmocka_unit_test(test_ranges_detached),
        cmocka_unit_test(test_order_of_arrival),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
