/*
 * test_list.c - lists against an array of strings: random changes in every form, sections that are
 * taken back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "storage/list.h"
#include "storage/undo.h"

enum { MODEL_MAX = 3000 };

struct model {
    int count;
    char *text[MODEL_MAX];
    size_t len[MODEL_MAX];
};

static struct bytes at(const struct model *m, int i)
{
    return bytes_of(m->text[i], m->len[i]);
}

static void insert(struct model *m, int i, struct bytes text)
{
    memmove(m->text + i + 1, m->text + i, (size_t)(m->count - i) * sizeof *m->text);
    memmove(m->len + i + 1, m->len + i, (size_t)(m->count - i) * sizeof *m->len);
    m->text[i] = mem_copy_bytes(text.ptr, text.len);
    m->len[i] = text.len;
    m->count++;
}

static void erase(struct model *m, int i, int count)
{
    for (int k = i; k < i + count; k++)
        mem_free(m->text[k]);
    memmove(m->text + i, m->text + i + count, (size_t)(m->count - i - count) * sizeof *m->text);
    memmove(m->len + i, m->len + i + count, (size_t)(m->count - i - count) * sizeof *m->len);
    m->count -= count;
}

static struct model *copy(const struct model *m)
{
    struct model *twin = mem_alloc_zeroed(sizeof *twin);
    for (int i = 0; i < m->count; i++)
        insert(twin, i, at(m, i));
    return twin;
}

static void end(struct model *m)
{
    erase(m, 0, m->count);
    mem_free(m);
}

/* -- one list and what it should be ------------------------------------------------------------ */

struct pair {
    struct keyspace *ks;
    struct entry *e; /* NULL: no key */
    struct model *m;
};

static const char name[] = "list";

static struct entry *find(struct keyspace *ks)
{
    return keyspace_find(ks, 0, key_of(bytes_of_text(name)));
}

static void assert_item(const struct list_item *item, struct bytes text)
{
    char scratch[NUMBER_TEXT_MAX];
    struct bytes found = list_item_text(item, scratch);
    struct list_needle needle = list_needle(text);
    assert_int_equal(found.len, text.len);
    assert_memory_equal(found.ptr, text.ptr, text.len);
    assert_true(list_item_matches(item, &needle));
}

static void assert_walk(const struct pair *p, int from, bool backward)
{
    struct list_iter it;
    struct list_item item;
    int i = from;
    list_iter_begin(&it, p->e, (uint64_t)from, backward);
    for (; list_iter_next(&it, &item); i += backward ? -1 : 1)
        assert_item(&item, at(p->m, i));
    assert_int_equal(i, backward ? -1 : p->m->count);
    list_iter_end(&it);
}

static void assert_same(struct pair *p)
{
    p->e = find(p->ks);
    assert_int_equal(p->e != NULL, p->m->count > 0);
    if (p->e == NULL)
        return;
    list_check(p->e);
    assert_int_equal(list_length(p->e), p->m->count);
    assert_walk(p, 0, false);
    assert_walk(p, p->m->count - 1, true);
    int i = (int)random_below((uint64_t)p->m->count);
    assert_walk(p, i, false);
    assert_walk(p, i, true);
}

/* Few different texts, so that some match; large ones now and then. */
static struct bytes random_text(char *buf)
{
    uint64_t kind = random_below(20);
    if (kind == 0) {
        size_t len = (size_t)random_below(9000);
        memset(buf, 'a' + (int)random_below(3), len);
        return bytes_of(buf, len);
    }
    if (kind < 10)
        return bytes_of(buf, number_format_i64(buf, (int64_t)random_below(kind < 5 ? 5 : 100000)));
    return bytes_of(buf,
                    (size_t)sprintf(buf, "some text %d", (int)random_below(kind < 15 ? 5 : 100)));
}

static void change_many(struct pair *p, enum list_end where)
{
    static char bufs[5][9100];
    struct bytes texts[5];
    int count = 1 + (int)random_below(5);
    for (int i = 0; i < count; i++) {
        texts[i] = random_text(bufs[i]);
        insert(p->m, where == LIST_HEAD ? 0 : p->m->count, texts[i]);
    }
    if (p->e == NULL)
        p->e = list_create(p->ks, 0, key_of(bytes_of_text(name)));
    list_push(p->ks, p->e, where, texts, count);
}

static void remove_key(struct pair *p)
{
    assert_true(keyspace_remove(p->ks, 0, key_of(bytes_of_text(name)), false));
    p->e = NULL;
}

static void change_drop(struct pair *p, enum list_end where)
{
    uint64_t count = random_below(random_below(8) == 0 ? (uint64_t)p->m->count + 1 : 3);
    if (count > (uint64_t)p->m->count)
        count = (uint64_t)p->m->count;
    erase(p->m, where == LIST_HEAD ? 0 : p->m->count - (int)count, (int)count);
    if (p->m->count == 0)
        remove_key(p);
    else
        list_drop(p->ks, p->e, where, count);
}

static void change_trim(struct pair *p)
{
    int start = (int)random_below((uint64_t)p->m->count);
    int stop = start + (int)random_below((uint64_t)(p->m->count - start));
    erase(p->m, stop + 1, p->m->count - stop - 1);
    erase(p->m, 0, start);
    list_trim(p->ks, p->e, (uint64_t)start, (uint64_t)stop);
}

static void change_remove(struct pair *p)
{
    char buf[9100];
    struct bytes text = random_text(buf);
    uint64_t limit = random_below(4), removed = 0;
    enum list_end from = random_below(2) ? LIST_HEAD : LIST_TAIL;
    for (int n = p->m->count, i = from == LIST_HEAD ? 0 : n - 1;
         i >= 0 && i < p->m->count && (limit == 0 || removed < limit);) {
        bool matches = bytes_equal(at(p->m, i), text);
        if (matches) {
            erase(p->m, i, 1);
            removed++;
        }
        i = from == LIST_TAIL ? i - 1 : matches ? i : i + 1;
    }
    assert_int_equal(list_remove(p->ks, p->e, from, text, limit), removed);
    if (p->m->count == 0)
        remove_key(p);
}

static void change(struct pair *p)
{
    char buf[9100];
    struct bytes text = random_text(buf);
    uint64_t what = random_below(p->m->count > MODEL_MAX - 10 ? 5 : 14);
    if (p->e == NULL || what >= 9) {
        change_many(p, random_below(2) ? LIST_HEAD : LIST_TAIL);
    } else if (what < 4) {
        change_drop(p, what % 2 ? LIST_HEAD : LIST_TAIL);
    } else if (what == 4) {
        if (random_below(30) == 0)
            change_trim(p);
    } else if (what == 5) {
        change_remove(p);
    } else if (what == 6) {
        int i = (int)random_below((uint64_t)p->m->count);
        erase(p->m, i, 1);
        insert(p->m, i, text);
        list_replace(p->ks, p->e, (uint64_t)i, text);
    } else {
        int i = (int)random_below((uint64_t)p->m->count + 1);
        insert(p->m, i, text);
        list_insert(p->ks, p->e, (uint64_t)i, text);
    }
}

static void run(struct list_limits limits, int steps)
{
    struct pair p = {.ks = keyspace_create(1), .m = mem_alloc_zeroed(sizeof *p.m)};
    p.ks->limits.list = limits;
    for (int step = 0; step < steps; step++) {
        change(&p);
        if (step % 9 == 0)
            assert_same(&p);
    }
    assert_same(&p);
    end(p.m);
    keyspace_destroy(p.ks);
}

static const struct list_limits every[] = {
    {-2, 0, 0}, {-1, 1, 0},  {-1, 2, 40}, {1, 0, 0},  {3, 0, 0},
    {16, 1, 0}, {128, 0, 5}, {0, 3, 0},   {-7, 1, 0},
};
enum { KINDS = sizeof every / sizeof *every };

static void test_random_changes(void **state)
{
    (void)state;
    for (int i = 0; i < KINDS; i++)
        run(every[i], 3000);
}

static enum value_encoding encoding_of(const struct pair *p)
{
    return p->e != NULL ? entry_encoding(p->e) : ENC_COUNT;
}

/* Sections of random length, half of them taken back, some within others. */
static void sections(struct list_limits limits, int rounds)
{
    struct pair p = {.ks = keyspace_create(1), .m = mem_alloc_zeroed(sizeof *p.m)};
    p.ks->limits.list = limits;
    for (int round = 0; round < rounds; round++) {
        struct model *before = copy(p.m);
        enum value_encoding encoding = encoding_of(&p);
        struct undo_section outer = undo_begin(p.ks);
        for (uint64_t steps = random_below(30); steps > 0; steps--) {
            if (random_below(5) != 0) {
                change(&p);
                continue;
            }
            struct model *inside = copy(p.m);
            struct undo_section inner = undo_begin(p.ks);
            for (uint64_t more = random_below(6); more > 0; more--)
                change(&p);
            undo_rollback(p.ks, inner);
            end(p.m);
            p.m = inside;
            assert_same(&p);
        }
        if (random_below(2)) {
            undo_commit(p.ks, outer);
            end(before);
        } else {
            undo_rollback(p.ks, outer);
            end(p.m);
            p.m = before;
            p.e = find(p.ks);
            assert_int_equal(encoding_of(&p), encoding);
        }
        assert_same(&p);
    }
    end(p.m);
    keyspace_destroy(p.ks);
}

static void test_sections_are_taken_back(void **state)
{
    (void)state;
    for (int i = 0; i < KINDS; i++)
        sections(every[i], 150);
}

/* -- forms ------------------------------------------------------------------------------------- */

static struct entry *list_of(struct keyspace *ks, int count, size_t len)
{
    char buf[70000];
    memset(buf, 'x', sizeof buf);
    struct bytes text = bytes_of(buf, len);
    keyspace_remove(ks, 0, key_of(bytes_of_text(name)), false);
    struct entry *e = list_create(ks, 0, key_of(bytes_of_text(name)));
    for (int i = 0; i < count; i++)
        list_push(ks, e, LIST_TAIL, &text, 1);
    return e;
}

static void test_forms_follow_the_limits(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    static const struct {
        int fill, count, len;
        enum value_encoding encoding;
    } cases[] = {
        {3, 3, 1, ENC_LISTPACK},      {3, 4, 1, ENC_QUICKLIST},      {1, 1, 1, ENC_LISTPACK},
        {1, 2, 1, ENC_QUICKLIST},     {0, 1, 1, ENC_LISTPACK},       {0, 2, 1, ENC_QUICKLIST},
        {-6, 1, 60000, ENC_LISTPACK}, {-2, 1, 8193, ENC_QUICKLIST},  {-1, 40, 100, ENC_QUICKLIST},
        {-1, 39, 100, ENC_LISTPACK},  {128, 1, 9000, ENC_QUICKLIST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ks->limits.list = (struct list_limits){.fill = cases[i].fill};
        struct entry *e = list_of(ks, cases[i].count, (size_t)cases[i].len);
        assert_int_equal(entry_encoding(e), cases[i].encoding);
    }
    ks->limits.list = (struct list_limits){.fill = 3};
    struct entry *e = list_of(ks, 4, 1);
    list_drop(ks, e, LIST_TAIL, 1);
    assert_int_equal(entry_encoding(e), ENC_QUICKLIST);
    list_drop(ks, e, LIST_TAIL, 2);
    assert_int_equal(entry_encoding(e), ENC_LISTPACK);
    keyspace_destroy(ks);
}

/* The inside is compressed, and a copy is equal to it. */
static void test_compression_saves_memory(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    ks->limits.list = (struct list_limits){.fill = -1};
    size_t plain = list_memory(list_of(ks, 1000, 100), 0);
    ks->limits.list.depth = 1;
    struct entry *e = list_of(ks, 1000, 100);
    assert_true(list_memory(e, 0) * 3 < plain);
    list_check(e);
    struct entry *twin = list_copy(e, bytes_of_text("twin"), DEADLINE_NONE);
    assert_int_equal(list_length(twin), 1000);
    list_check(twin);
    struct list_shape shape = {0};
    assert_true(list_describe(twin, &shape));
    assert_true(shape.compressed);
    assert_int_equal(shape.elements, 1000);
    list_free_value(twin);
    entry_free_shell(twin);
    keyspace_destroy(ks);
}

/* What a section keeps does not grow with the list. */
static void test_undo_costs_what_changes(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    struct entry *e = list_of(ks, 200000, 10);
    struct undo_section s = undo_begin(ks);
    struct bytes text = bytes_of_text("new");
    list_push(ks, e, LIST_HEAD, &text, 1);
    list_drop(ks, e, LIST_TAIL, 1);
    list_insert(ks, e, 100000, text);
    list_replace(ks, e, 50000, text);
    list_remove(ks, e, LIST_HEAD, text, 2);
    assert_true(undo_memory(ks->undo) < 64 * 1024);
    undo_rollback(ks, s);
    assert_int_equal(list_length(e), 200000);
    list_check(e);
    keyspace_destroy(ks);
}

int main(void)
{
    uint64_t seed = (uint64_t)time(NULL);
    const char *given = getenv("SEED");
    if (given != NULL)
        seed = strtoull(given, NULL, 10);
    printf("SEED=%llu\n", (unsigned long long)seed);
    random_seed(seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_changes),
        cmocka_unit_test(test_sections_are_taken_back),
        cmocka_unit_test(test_forms_follow_the_limits),
        cmocka_unit_test(test_compression_saves_memory),
        cmocka_unit_test(test_undo_costs_what_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
