/*
 * test_lazyfree.c - everything queued is ended once, in order, whoever is faster.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/memory.h"
#include "storage/lazyfree.h"

enum { JOBS = 20000 };

static atomic_int ended;
static atomic_bool out_of_order;

static void end(void *object)
{
    int *number = object;
    if (*number != atomic_fetch_add(&ended, 1))
        atomic_store(&out_of_order, true);
    mem_free(number);
}

static void queue(struct lazyfree *lf, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        int *number = mem_alloc(sizeof *number);
        *number = i;
        lazyfree_queue(lf, end, number, 2);
    }
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void test_all_end_once(void **state)
{
    struct lazyfree *lf = lazyfree_start();
    atomic_store(&ended, 0);
    queue(lf, 0, JOBS);
    while (lazyfree_pending(lf) > 0)
        nap();
    assert_int_equal(atomic_load(&ended), JOBS);
    assert_int_equal(lazyfree_done(lf), 2 * JOBS);
    lazyfree_reset_stats(lf);
    assert_int_equal(lazyfree_done(lf), 0);
    queue(lf, JOBS, 1); /* it had gone to sleep */
    while (lazyfree_pending(lf) > 0)
        nap();
    assert_int_equal(lazyfree_done(lf), 2);
    assert_false(atomic_load(&out_of_order));
    lazyfree_stop(lf);
    (void)state;
}

static void test_stop_finishes(void **state)
{
    struct lazyfree *lf = lazyfree_start();
    atomic_store(&ended, 0);
    queue(lf, 0, JOBS);
    lazyfree_stop(lf);
    assert_int_equal(atomic_load(&ended), JOBS);
    assert_false(atomic_load(&out_of_order));
    lazyfree_stop(NULL);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_end_once),
        cmocka_unit_test(test_stop_finishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
