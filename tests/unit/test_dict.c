/*
 * test_dict.c - the hash table against a model, through growth, shrinking, scans and iterations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "storage/dict.h"

enum { UNIVERSE = 20000 };

struct item {
    uint32_t number;
    uint32_t len;
    char name[24];
    uint32_t seen;
};

static struct bytes item_key(const void *entry)
{
    const struct item *item = entry;
    return bytes_of(item->name, item->len);
}

static const struct dict_type items = {item_key};

static struct item *item_create(uint32_t number)
{
    struct item *item = mem_alloc_zeroed(sizeof *item);
    item->number = number;
    item->len = (uint32_t)snprintf(item->name, sizeof item->name, "item:%u", number);
    return item;
}

static void *find(struct dict *d, const char *name)
{
    struct bytes key = bytes_of_text(name);
    return dict_find(d, key, dict_hash(key));
}

static void insert(struct dict *d, struct item *item)
{
    dict_insert(d, item, dict_hash(item_key(item)));
}

static struct item *take(struct dict *d, uint32_t number)
{
    char name[24];
    snprintf(name, sizeof name, "item:%u", number);
    struct bytes key = bytes_of_text(name);
    return dict_remove(d, key, dict_hash(key));
}

static void free_all(struct dict *d)
{
    struct dict_iter it;
    dict_iter_begin(&it, d);
    for (struct item *item; (item = dict_iter_next(&it)) != NULL;)
        mem_free(item);
    dict_iter_end(&it);
    dict_fini(d);
}

static void test_empty(void **state)
{
    struct dict d;
    dict_init(&d, &items);
    assert_null(find(&d, "nothing"));
    assert_null(dict_random(&d));
    assert_int_equal(dict_scan(&d, 0, NULL, NULL), 0);
    assert_int_equal(dict_memory(&d), 0);
    dict_check(&d);
    dict_fini(&d);
    (void)state;
}

/* Random inserts and removals, in phases that grow and shrink, against an array of what must be
 * there. */
static void test_model(void **state)
{
    static struct item *model[UNIVERSE];
    uint64_t seed = random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
    struct dict d;
    dict_init(&d, &items);
    uint64_t count = 0;
    for (int step = 0; step < 200000; step++) {
        uint32_t number = (uint32_t)random_below(UNIVERSE);
        bool growing = (step / 40000) % 2 == 0;
        if (random_below(10) < (growing ? 8 : 2)) {
            if (model[number] == NULL) {
                insert(&d, model[number] = item_create(number));
                count++;
            }
        } else {
            struct item *item = take(&d, number);
            assert_ptr_equal(item, model[number]);
            if (item != NULL) {
                mem_free(item);
                model[number] = NULL;
                count--;
            }
        }
        assert_int_equal(d.count, count);
        if (step % 20000 == 0)
            dict_check(&d);
    }
    dict_check(&d);
    for (uint32_t i = 0; i < UNIVERSE; i++)
        if (model[i] != NULL) {
            assert_ptr_equal(find(&d, model[i]->name), model[i]);
            mem_free(take(&d, i));
            model[i] = NULL;
        }
    dict_check(&d);
    assert_int_equal(d.count, 0);
    assert_true(dict_memory(&d) <= 1024); /* shrunk with its contents */
    dict_fini(&d);
    (void)state;
}

static void mark(void *entry, void *context)
{
    ((struct item *)entry)->seen++;
    (void)context;
}

/* What is there from the first to the last call of a scan is visited, while the table grows and
 * shrinks under it. */
static void test_scan_guarantee(void **state)
{
    for (int round = 0; round < 20; round++) {
        struct dict d;
        dict_init(&d, &items);
        uint32_t stable = 500 + (uint32_t)random_below(1000), next = 100000;
        struct item **kept = mem_alloc(stable * sizeof *kept);
        for (uint32_t i = 0; i < stable; i++)
            insert(&d, kept[i] = item_create(i));
        uint64_t cursor = 0;
        do {
            cursor = dict_scan(&d, cursor, mark, NULL);
            for (int i = 0; i < 40; i++)
                if (round % 2 == 0)
                    insert(&d, item_create(next++));
                else if (round % 4 == 1 && next > 100000)
                    mem_free(take(&d, --next));
                else
                    insert(&d, item_create(next++));
        } while (cursor != 0);
        for (uint32_t i = 0; i < stable; i++)
            assert_true(kept[i]->seen >= 1);
        dict_check(&d);
        mem_free(kept);
        free_all(&d);
    }
    (void)state;
}

static void test_scan_once_when_still(void **state)
{
    struct dict d;
    dict_init(&d, &items);
    for (uint32_t i = 0; i < 5000; i++)
        insert(&d, item_create(i));
    uint64_t cursor = 0;
    do
        cursor = dict_scan(&d, cursor, mark, NULL);
    while (cursor != 0);
    struct dict_iter it;
    dict_iter_begin(&it, &d);
    uint32_t items_seen = 0;
    for (struct item *item; (item = dict_iter_next(&it)) != NULL; items_seen++)
        assert_int_equal(item->seen, 1);
    dict_iter_end(&it);
    assert_int_equal(items_seen, 5000);
    free_all(&d);
    (void)state;
}

static void test_iterate_and_remove(void **state)
{
    struct dict d;
    dict_init(&d, &items);
    for (uint32_t i = 0; i < 3000; i++)
        insert(&d, item_create(i));
    struct dict_iter it;
    dict_iter_begin(&it, &d);
    uint32_t seen = 0;
    for (struct item *item; (item = dict_iter_next(&it)) != NULL; seen++)
        if (item->number % 3 != 0) {
            assert_ptr_equal(take(&d, item->number), item);
            mem_free(item);
        }
    dict_iter_end(&it);
    assert_int_equal(seen, 3000);
    assert_int_equal(d.count, 1000);
    dict_check(&d);
    free_all(&d);
    (void)state;
}

/* Each of the entries is drawn about equally often: chi-square within wide bounds. */
static void test_random_is_fair(void **state)
{
    enum { ITEMS = 500, DRAWS = 200000 };
    random_seed(7);
    struct dict d;
    dict_init(&d, &items);
    for (uint32_t i = 0; i < ITEMS; i++)
        insert(&d, item_create(i));
    for (int i = 0; i < DRAWS; i++)
        ((struct item *)dict_random(&d))->seen++;
    double expected = (double)DRAWS / ITEMS, chi = 0;
    struct dict_iter it;
    dict_iter_begin(&it, &d);
    for (struct item *item; (item = dict_iter_next(&it)) != NULL;) {
        double off = (double)item->seen - expected;
        chi += off * off / expected;
    }
    dict_iter_end(&it);
    assert_true(chi < 650); /* mean 499, standard deviation 32 */
    free_all(&d);
    (void)state;
}

static void test_replace_and_hash32(void **state)
{
    struct dict d;
    dict_init(&d, &items);
    for (uint32_t i = 0; i < 1000; i++)
        insert(&d, item_create(i));
    struct item *old = find(&d, "item:77"), *new = item_create(77);
    uint64_t hash = dict_hash(item_key(old));
    dict_replace(&d, old, new, hash);
    mem_free(old);
    assert_ptr_equal(find(&d, "item:77"), new);
    dict_visit_hash32(&d, (uint32_t)hash, mark, NULL);
    assert_int_equal(new->seen, 1);
    dict_check(&d);
    free_all(&d);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_scan_guarantee),
        cmocka_unit_test(test_scan_once_when_still),
        cmocka_unit_test(test_iterate_and_remove),
        cmocka_unit_test(test_random_is_fair),
        cmocka_unit_test(test_replace_and_hash32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
