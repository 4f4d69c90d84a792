/*
 * test_stream.c - streams against an array of entries; sections of random changes, groups included,
 * taken back and compared byte for byte; what a section costs; blocks that lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "storage/listpack.h"
#include "storage/stream_group.h"
#include "storage/undo.h"
#include "storage/value.h"

enum { KEYS = 2, WORDS_MAX = 8 };

static void seed_random(void)
{
    uint64_t seed = random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
}

/* -- random material --------------------------------------------------------------------------- */

static const char *const texts[] = {
    "f", "g", "", "17", "-5000", "12345678901234", "a longer text that is not a number at all", "x",
};

static int random_words(struct bytes words[WORDS_MAX])
{
    int count = random_below(3) ? 2 : 2 * (1 + (int)random_below(WORDS_MAX / 2));
    for (int i = 0; i < count; i++)
        words[i] = bytes_of_text(texts[i % 2 ? random_below(8) : random_below(3) / 2]);
    return count;
}

static struct stream_id random_id(void)
{
    return (struct stream_id){random_below(60), random_below(4)};
}

static struct stream_id next_id(const struct stream *s)
{
    struct stream_id id = s->facts.last_id;
    if (random_below(4) == 0)
        id = (struct stream_id){id.ms + random_below(5), 0};
    if (!stream_id_less(s->facts.last_id, id))
        id = (struct stream_id){s->facts.last_id.ms, s->facts.last_id.seq + 1};
    return id;
}

static void set_random_limits(struct keyspace *ks)
{
    ks->limits.stream_node_entries = random_below(3) ? 1 + random_below(8) : 0;
    ks->limits.stream_node_bytes = random_below(3) ? 4096 : 100;
}

/* -- one stream against a model ---------------------------------------------------------------- */

enum { MOST = 3000 };
struct model {
    struct {
        struct stream_id id;
        int count;
        struct bytes words[WORDS_MAX];
    } items[MOST];
    int count;
};

static void model_drop(struct model *m, int at)
{
    m->count--;
    memmove(m->items + at, m->items + at + 1, (size_t)(m->count - at) * sizeof *m->items);
}

static void assert_item(const struct model *m, int at, struct stream_iter *it)
{
    struct stream_item item;
    struct stream_pair pair;
    assert_true(stream_iter_next(it, &item));
    assert_true(stream_id_equal(item.id, m->items[at].id));
    assert_int_equal(item.pairs * 2, m->items[at].count);
    uint64_t read = random_below(4) ? item.pairs : random_below(item.pairs + 1);
    for (uint64_t i = 0; i < read; i++) {
        stream_iter_pair(it, &pair);
        assert_true(bytes_equal(pair.field, m->items[at].words[2 * i]));
        assert_true(bytes_equal(pair.value, m->items[at].words[2 * i + 1]));
    }
}

static void assert_range(const struct model *m, const struct stream *s, struct stream_id from,
                         struct stream_id to)
{
    struct stream_iter it;
    struct stream_item item;
    for (int backwards = 0; backwards < 2; backwards++) {
        stream_iter_begin(&it, s, from, to, backwards);
        for (int i = 0; i < m->count; i++) {
            int at = backwards ? m->count - 1 - i : i;
            struct stream_id id = m->items[at].id;
            if (!stream_id_less(id, from) && !stream_id_less(to, id))
                assert_item(m, at, &it);
        }
        assert_false(stream_iter_next(&it, &item));
    }
}

static void assert_same(const struct model *m, const struct entry *e)
{
    const struct stream *s = stream_of(e);
    stream_check(e);
    assert_int_equal(s->facts.length, m->count);
    assert_range(m, s, STREAM_ID_MIN, STREAM_ID_MAX);
    assert_range(m, s, random_id(), random_id());
    for (int i = 0; i < m->count; i += 1 + (int)random_below(10))
        assert_true(stream_has(s, m->items[i].id));
}

static void model_change(struct keyspace *ks, struct stream *s, struct model *m)
{
    struct stream_trim trim = {.by_id = random_below(2), .length = random_below(400)};
    uint64_t kind = random_below(200);
    if (kind < 120 && m->count < MOST) {
        struct stream_id id = next_id(s);
        m->items[m->count].id = id;
        m->items[m->count].count = random_words(m->items[m->count].words);
        stream_add(ks, s, id, m->items[m->count].words, m->items[m->count].count);
        m->count++;
    } else if (kind < 198 && m->count > 0) {
        int at = (int)random_below((uint64_t)m->count);
        assert_true(stream_delete(ks, s, m->items[at].id));
        assert_false(stream_delete(ks, s, m->items[at].id));
        model_drop(m, at);
    } else if (m->count > 0) {
        trim.min_id = m->items[random_below((uint64_t)m->count)].id;
        uint64_t removed = stream_trim(ks, s, &trim);
        while (removed-- > 0)
            model_drop(m, 0);
        assert_true(trim.by_id ? stream_id_equal(m->items[0].id, trim.min_id)
                               : m->count <= (int)trim.length);
    }
}

static void test_against_a_model(void **state)
{
    (void)state;
    static struct model m;
    seed_random();
    struct keyspace *ks = keyspace_create(1);
    struct key key = key_of(bytes_of_text("k"));
    struct stream *s = stream_create(ks, 0, key);
    m.count = 0;
    for (int round = 0; round < 300; round++) {
        set_random_limits(ks);
        for (int i = 0; i < 60; i++)
            model_change(ks, s, &m);
        assert_same(&m, keyspace_peek(ks, 0, key));
    }
    keyspace_destroy(ks);
}

/* -- sections ---------------------------------------------------------------------------------- */

/* All that a keyspace of streams has, as bytes. */
struct picture {
    char *bytes;
    size_t len, room;
};

static void draw(struct picture *p, const void *bytes, size_t len)
{
    if (p->len + len > p->room)
        p->bytes = realloc(p->bytes, p->room = (p->len + len) * 2);
    memcpy(p->bytes + p->len, bytes, len);
    p->len += len;
}

static void draw_tree(struct picture *p, const struct idtree *t)
{
    struct idcursor c = idtree_first(t);
    draw(p, &t->count, sizeof t->count);
    for (; c.node != NULL; idcursor_next(&c)) {
        struct stream_id id = idcursor_id(&c);
        draw(p, &id, sizeof id);
    }
}

static void draw_group(struct picture *p, const struct stream_group *g)
{
    draw(p, g->name.ptr, g->name.len + 1);
    draw(p, &g->last_id, sizeof g->last_id);
    draw(p, &g->entries_read, sizeof g->entries_read);
    struct idcursor c = idtree_first(&g->pending);
    for (; c.node != NULL; idcursor_next(&c)) {
        const struct stream_pending *pending = idcursor_value(&g->pending, &c);
        struct stream_id id = idcursor_id(&c);
        draw(p, &id, sizeof id);
        draw(p, pending->owner->name.ptr, pending->owner->name.len + 1);
        draw(p, &pending->delivered_ms, 2 * sizeof(int64_t));
    }
    for (uint32_t i = 0; i < g->consumers.count; i++) {
        const struct stream_consumer *consumer = stream_consumer_at(g, i);
        draw(p, consumer->name.ptr, consumer->name.len + 1);
        draw(p, &consumer->seen_ms, 2 * sizeof(int64_t));
        draw_tree(p, &consumer->pending);
    }
}

static struct key key_number(uint64_t i)
{
    static const char *const names[KEYS] = {"one", "two"};
    return key_of(bytes_of_text(names[i]));
}

static struct picture take_picture(struct keyspace *ks)
{
    struct picture p = {0};
    for (uint64_t i = 0; i < KEYS; i++) {
        struct entry *e = keyspace_peek(ks, 0, key_number(i));
        draw(&p, e != NULL ? "+" : "-", 1);
        if (e == NULL)
            continue;
        stream_check(e);
        const struct stream *s = stream_of(e);
        draw(&p, &s->facts, sizeof s->facts);
        draw_tree(&p, &s->blocks);
        struct idcursor c = idtree_first(&s->blocks);
        for (; c.node != NULL; idcursor_next(&c)) {
            const unsigned char *lp = stream_block_at(s, &c);
            draw(&p, lp, lp_bytes(lp));
        }
        for (uint32_t j = 0; j < s->groups.count; j++)
            draw_group(&p, stream_group_at(s, j));
    }
    return p;
}

static struct bytes random_name(void)
{
    static const char *const names[] = {"alice", "bob", "", "carol"};
    return bytes_of_text(names[random_below(4)]);
}

static void change_entries(struct keyspace *ks, struct stream *s)
{
    struct bytes words[WORDS_MAX];
    struct stream_trim trim = {
        .refs = (enum stream_refs)random_below(3),
        .by_id = random_below(2),
        .approximate = random_below(2),
        .length = random_below(30),
        .min_id = random_id(),
        .limit = random_below(2) ? random_below(20) : 0,
    };
    struct stream_facts facts = s->facts;
    uint64_t kind = random_below(30);
    if (kind < 18) {
        int count = random_words(words);
        stream_add(ks, s, next_id(s), words, count);
    } else if (kind < 28) {
        stream_delete(ks, s, random_id());
    } else if (kind < 29) {
        stream_trim(ks, s, &trim);
    } else {
        if (!stream_edge(s, true, &facts.last_id))
            facts.last_id = random_id();
        facts.entries_added = facts.length + random_below(10);
        stream_set_facts(ks, s, &facts);
    }
}

static void change_consumers(struct keyspace *ks, struct stream_group *g)
{
    struct stream_consumer *c = stream_consumer_find(g, random_name());
    uint64_t kind = random_below(12);
    if (kind == 0 && c != NULL)
        stream_consumer_destroy(ks, g, c);
    else if (c == NULL)
        stream_consumer_create(ks, g, random_name());
    else if (kind < 3)
        stream_pending_remove(ks, g, random_id());
    else if (kind < 4)
        stream_consumer_set_times(ks, c, (int64_t)random_below(100), (int64_t)random_below(100));
    else
        stream_pending_put(ks, g, random_id(),
                           (struct stream_pending){c, (int64_t)random_below(99), random_below(9)});
}

static void random_change(struct keyspace *ks)
{
    struct key key = key_number(random_below(KEYS));
    struct entry *e = keyspace_peek(ks, 0, key);
    if (e == NULL) {
        stream_create(ks, 0, key);
        return;
    }
    struct stream *s = stream_of(e);
    struct stream_group *g = stream_group_find(s, random_name());
    uint64_t kind = random_below(60);
    if (kind == 0)
        keyspace_remove(ks, 0, key, false);
    else if (kind < 30)
        change_entries(ks, s);
    else if (g == NULL)
        stream_group_create(ks, s, random_name(), random_id(), (int64_t)random_below(9) - 1);
    else if (kind < 32)
        stream_group_destroy(ks, s, g);
    else if (kind < 35)
        stream_group_set_position(ks, g, random_id(), (int64_t)random_below(9) - 1);
    else if (kind < 37)
        stream_drop_refs(ks, s, random_id());
    else
        change_consumers(ks, g);
}

static void test_sections_taken_back(void **state)
{
    (void)state;
    seed_random();
    struct keyspace *ks = keyspace_create(1);
    for (int round = 0; round < 600; round++) {
        set_random_limits(ks);
        bool fails = random_below(3) > 0;
        struct picture before = take_picture(ks);
        struct undo_section section = undo_begin(ks);
        for (uint64_t left = random_below(80); left > 0; left--)
            random_change(ks);
        struct undo_section inner = undo_begin(ks);
        struct picture middle = take_picture(ks);
        for (uint64_t left = random_below(20); left > 0; left--)
            random_change(ks);
        undo_rollback(ks, inner);
        struct picture after = take_picture(ks);
        assert_int_equal(middle.len, after.len);
        assert_memory_equal(middle.bytes, after.bytes, middle.len);
        free(after.bytes);
        if (fails)
            undo_rollback(ks, section);
        else
            undo_commit(ks, section);
        after = take_picture(ks);
        if (fails) {
            assert_int_equal(before.len, after.len);
            assert_memory_equal(before.bytes, after.bytes, before.len);
        }
        free(before.bytes);
        free(middle.bytes);
        free(after.bytes);
    }
    keyspace_destroy(ks);
}

static void fill(struct keyspace *ks, struct stream *s, int entries)
{
    struct bytes words[] = {bytes_of_text("field"), bytes_of_text("value")};
    for (int i = 0; i < entries; i++)
        stream_add(ks, s, (struct stream_id){(uint64_t)i + 1, 0}, words, 2);
}

/* What a section costs follows what it changes. */
static void test_cost_of_a_section(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    struct stream *s = stream_create(ks, 0, key_number(0));
    ks->limits.stream_node_entries = 100;
    fill(ks, s, 100000);
    struct undo_section section = undo_begin(ks);
    fill(ks, s, 0);
    stream_add(ks, s, (struct stream_id){200000, 0},
               (struct bytes[]){bytes_of_text("a"), bytes_of_text("b")}, 2);
    stream_delete(ks, s, (struct stream_id){50000, 0});
    stream_trim(ks, s, &(struct stream_trim){.length = 99950});
    assert_true(undo_memory(ks->undo) < 32 * 1024);
    undo_rollback(ks, section);
    assert_int_equal(s->facts.length, 100000);
    stream_check(keyspace_peek(ks, 0, key_number(0)));
    keyspace_destroy(ks);
}

/* -- copies, and what comes from outside ------------------------------------------------------- */

/* A stream with all kinds of blocks and a group with something pending. */
static struct stream *varied_stream(struct keyspace *ks)
{
    struct bytes words[WORDS_MAX];
    struct stream *s = stream_create(ks, 0, key_number(0));
    for (int i = 0; i < 200; i++) {
        int count = random_words(words);
        stream_add(ks, s, next_id(s), words, count);
    }
    for (int i = 0; i < 60; i++)
        stream_delete(ks, s, random_id());
    struct stream_group *g =
        stream_group_create(ks, s, bytes_of_text("group"), s->facts.last_id, 200);
    for (int i = 0; i < 400; i++)
        change_consumers(ks, g);
    return s;
}

static void test_copy(void **state)
{
    (void)state;
    seed_random();
    struct keyspace *ks = keyspace_create(1);
    varied_stream(ks);
    struct picture before = take_picture(ks);
    struct entry *copy =
        stream_copy(keyspace_peek(ks, 0, key_number(0)), key_number(0).name, DEADLINE_NONE);
    keyspace_remove(ks, 0, key_number(0), false);
    keyspace_add(ks, 0, copy, key_number(0).hash);
    struct picture after = take_picture(ks);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.bytes, after.bytes, before.len);
    free(before.bytes);
    free(after.bytes);
    keyspace_destroy(ks);
}

static void read_all(const struct stream *s)
{
    struct stream_iter it;
    struct stream_item item;
    struct stream_pair pair;
    size_t total = 0;
    for (int backwards = 0; backwards < 2; backwards++) {
        stream_iter_begin(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, backwards);
        while (stream_iter_next(&it, &item)) {
            for (uint64_t i = 0; i < item.pairs; i++) {
                stream_iter_pair(&it, &pair);
                total += pair.field.len + pair.value.len;
            }
        }
    }
    assert_true(total < 1000000);
}

static void load_and_read(struct stream_id master, struct bytes block)
{
    struct stream *s = stream_new();
    if (stream_load_block(s, master, block)) {
        struct stream_facts facts = s->facts;
        facts.entries_added = facts.length;
        assert_true(stream_load_facts(s, &facts));
        read_all(s);
    }
    stream_destroy(s);
}

/* Blocks with wrong bytes are refused, or can be read. */
static void test_blocks_that_lie(void **state)
{
    (void)state;
    seed_random();
    struct keyspace *ks = keyspace_create(1);
    ks->limits.stream_node_entries = 20;
    const struct stream *s = varied_stream(ks);
    struct idcursor c = idtree_first(&s->blocks);
    for (; c.node != NULL; idcursor_next(&c)) {
        const unsigned char *lp = stream_block_at(s, &c);
        size_t len = lp_bytes(lp);
        unsigned char *copy = malloc(len);
        for (int round = 0; round < 2000; round++) {
            memcpy(copy, lp, len);
            for (uint64_t wrong = random_below(4); wrong > 0; wrong--)
                copy[random_below(len)] =
                    (unsigned char)(random_below(2) ? random_below(256) : random_below(8));
            load_and_read(idcursor_id(&c), bytes_of(copy, len));
        }
        free(copy);
        for (size_t cut = 0; cut < len; cut++) {
            char *part = malloc(cut + 1);
            memcpy(part, lp, cut);
            load_and_read(idcursor_id(&c), bytes_of(part, cut));
            free(part);
        }
    }
    keyspace_destroy(ks);
}

static void test_loading(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    ks->limits.stream_node_entries = 3;
    struct stream *from = stream_create(ks, 0, key_number(0)), *s = stream_new();
    fill(ks, from, 5);
    struct idcursor c = idtree_first(&from->blocks), second = c;
    const unsigned char *lp = stream_block_at(from, &c);
    idcursor_next(&second);
    const unsigned char *last = stream_block_at(from, &second);
    assert_true(stream_load_block(s, idcursor_id(&c), bytes_of(lp, lp_bytes(lp))));
    assert_false(stream_load_block(s, idcursor_id(&c), bytes_of(lp, lp_bytes(lp))));
    assert_true(stream_load_block(s, idcursor_id(&second), bytes_of(last, lp_bytes(last))));
    struct stream_facts facts = from->facts;
    facts.length = 4;
    assert_false(stream_load_facts(s, &facts));
    facts = from->facts;
    facts.last_id.ms--;
    assert_false(stream_load_facts(s, &facts));
    facts = from->facts;
    facts.entries_added = 2;
    assert_false(stream_load_facts(s, &facts));
    assert_true(stream_load_facts(s, &from->facts));

    struct stream_id id = {1, 0}, other = {2, 0};
    struct stream_group *g = stream_load_group(s, bytes_of_text("g"), id, 1);
    assert_null(stream_load_group(s, bytes_of_text("g"), id, 1));
    assert_true(stream_load_pending(g, id, 5, 1));
    assert_false(stream_load_pending(g, id, 5, 1));
    assert_false(stream_load_group_done(g));
    struct stream_consumer *alice = stream_load_consumer(g, bytes_of_text("alice"), 1, 1);
    assert_null(stream_load_consumer(g, bytes_of_text("alice"), 1, 1));
    assert_false(stream_load_owner(g, alice, other));
    assert_true(stream_load_owner(g, alice, id));
    assert_false(stream_load_owner(g, alice, id));
    assert_true(stream_load_group_done(g));
    struct entry *e = stream_entry(s, bytes_of_text("k"), DEADLINE_NONE);
    stream_check(e);
    value_end(e);
    keyspace_destroy(ks);
}

static void test_memory(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    struct keyspace *ks = keyspace_create(1);
    ks->limits.stream_node_entries = 100;
    ks->limits.stream_node_bytes = 4096;
    struct stream *s = stream_create(ks, 0, key_number(0));
    fill(ks, s, MANY);
    const struct entry *e = keyspace_peek(ks, 0, key_number(0));
    size_t exact = stream_memory(e, 0), sampled = stream_memory(e, 5);
    assert_true(exact < (size_t)MANY * 18);
    assert_true(sampled > exact / 10 * 9 && sampled < exact / 10 * 11);
    keyspace_destroy(ks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_sections_taken_back),
        cmocka_unit_test(test_cost_of_a_section),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_blocks_that_lie),
        cmocka_unit_test(test_loading),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
