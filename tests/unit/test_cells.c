/*
 * test_cells.c - cells never overlap, keep their contents, and everything comes back.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cells.h"
#include "base/memory.h"

enum { COUNT = 20000, ROUNDS = 200000 };

static struct {
    unsigned char *cell;
    size_t size;
    unsigned char mark;
} held[COUNT];

static uint64_t state_of_chance = 1;

static unsigned chance(unsigned below)
{
    state_of_chance = state_of_chance * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(state_of_chance >> 33) % below;
}

static void take(int i)
{
    size_t size = 1 + chance(chance(4) == 0 ? CELL_MAX + 50 : 40);
    held[i].cell = cell_alloc(size);
    held[i].size = size;
    held[i].mark = (unsigned char)chance(256);
    assert_int_equal((uintptr_t)held[i].cell % 4, 0);
    if (size % 8 == 0)
        assert_int_equal((uintptr_t)held[i].cell % 8, 0);
    memset(held[i].cell, held[i].mark, size);
}

static void check(int i)
{
    for (size_t k = 0; k < held[i].size; k++)
        assert_int_equal(held[i].cell[k], held[i].mark);
}

static void give(int i)
{
    check(i);
    cell_free(held[i].cell, held[i].size);
    held[i].cell = NULL;
}

static void *give_all(void *context)
{
    (void)context;
    cells_enter_foreign_thread();
    for (int i = 0; i < COUNT; i++)
        if (held[i].cell != NULL)
            give(i);
    return NULL;
}

static void test_contents_stay(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        int i = (int)chance(COUNT);
        if (held[i].cell == NULL)
            take(i);
        else
            give(i);
    }
    for (int i = 0; i < COUNT; i++)
        if (held[i].cell != NULL)
            give(i);
}

/* What another thread frees is idle at once, and comes back when it is collected. */
static void test_freed_elsewhere(void **state)
{
    (void)state;
    size_t idle = cells_idle(), bytes = 0;
    for (int i = 0; i < COUNT; i++) {
        take(i);
        if (held[i].size <= CELL_MAX)
            bytes += cell_usable(held[i].size);
    }
    size_t pages = cells_idle() - idle + bytes;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, give_all, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(cells_idle(), idle + pages);
    assert_true(cells_collect(1));
    while (cells_collect(1))
        ;
    assert_false(cells_collect(1));
    assert_true(cells_idle() <= idle + pages);
    test_contents_stay(state);
}

/* One thread allocates and collects while another frees what it is handed: a ring of cells. */
enum { RING = 64, HANDED = 300000 };
static _Atomic(unsigned char *) ring[RING];

static void *give_ring(void *context)
{
    (void)context;
    cells_enter_foreign_thread();
    for (int i = 0; i < HANDED; i++) {
        unsigned char *cell;
        while ((cell = atomic_load(&ring[i % RING])) == NULL)
            sched_yield();
        atomic_store(&ring[i % RING], NULL);
        size_t size = 8 + cell[0] % 16;
        for (size_t k = 1; k < size; k++)
            if (cell[k] != cell[0])
                abort();
        cell_free(cell, size);
    }
    return NULL;
}

static void test_two_threads(void **state)
{
    (void)state;
    size_t before = cells_idle();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, give_ring, NULL), 0);
    for (int i = 0; i < HANDED; i++) {
        unsigned mark = chance(256);
        unsigned char *cell = cell_alloc(8 + mark % 16);
        memset(cell, (int)mark, 8 + mark % 16);
        while (atomic_load(&ring[i % RING]) != NULL)
            sched_yield();
        atomic_store(&ring[i % RING], cell);
        if (chance(4) == 0)
            cells_collect(1 + chance(3));
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    while (cells_collect(1))
        ;
    enum { SIZES = 5, PAGE = 65536 };
    assert_true(cells_idle() <= before + SIZES * PAGE);
}

/* Pages that are empty go back: one a size may stay. */
static void test_pages_go_back(void **state)
{
    (void)state;
    enum { SIZE = 24, PAGE = 65536 };
    size_t before = cells_idle();
    for (int i = 0; i < COUNT; i++) {
        held[i].cell = cell_alloc(SIZE);
        held[i].size = SIZE;
        memset(held[i].cell, held[i].mark, SIZE);
    }
    assert_true(cells_idle() < before + PAGE);
    for (int i = 0; i < COUNT; i += 2)
        give(i);
    assert_true(cells_idle() >= COUNT / 2 * SIZE);
    for (int i = 1; i < COUNT; i += 2)
        give(i);
    assert_true(cells_idle() <= before + PAGE);
}

static void test_sizes(void **state)
{
    (void)state;
    assert_int_equal(cell_usable(1), 8);
    assert_int_equal(cell_usable(24), 24);
    assert_int_equal(cell_usable(25), 28);
    assert_int_equal(cell_usable(CELL_MAX), CELL_MAX);
    assert_true(cell_usable(CELL_MAX + 1) >= CELL_MAX + 1);
    cell_free(NULL, 10);
}

int main(void)
{
    cells_use_pages(true);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),           cmocka_unit_test(test_contents_stay),
        cmocka_unit_test(test_freed_elsewhere), cmocka_unit_test(test_two_threads),
        cmocka_unit_test(test_pages_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
