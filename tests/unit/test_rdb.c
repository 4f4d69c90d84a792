/*
 * test_rdb.c - the parts of the dump format: bytes that Redis documents, and lies; values that are
 * restored from what nobody here would write, and changed then.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/crc64.h"
#include "base/memory.h"
#include "base/random.h"
#include "storage/hash.h"
#include "storage/listpack.h"
#include "storage/set.h"
#include "storage/snapshot/rdb_object.h"
#include "storage/stream.h"
#include "storage/undo.h"
#include "storage/value.h"

#define BYTES(literal) bytes_of(literal, sizeof(literal) - 1)

static void assert_same(struct bytes a, struct bytes b)
{
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.ptr, b.ptr, a.len);
}

static void crc64_has_the_known_value_in_any_pieces(void **state)
{
    (void)state;
    struct bytes digits = BYTES("123456789");
    assert_true(crc64(0, digits) == UINT64_C(0xe9c6d914c4b8d9ca));
    for (size_t cut = 0; cut <= digits.len; cut++) {
        uint64_t first = crc64(0, bytes_of(digits.ptr, cut));
        assert_true(crc64(first, bytes_of(digits.ptr + cut, digits.len - cut)) ==
                    UINT64_C(0xe9c6d914c4b8d9ca));
    }
}

static void lengths_have_the_documented_bytes(void **state)
{
    (void)state;
    static const struct {
        uint64_t length;
        struct bytes bytes;
    } rows[] = {
        {0, {"\x00", 1}},
        {63, {"\x3f", 1}},
        {64, {"\x40\x40", 2}},
        {16383, {"\x7f\xff", 2}},
        {16384, {"\x80\x00\x00\x40\x00", 5}},
        {UINT32_MAX, {"\x80\xff\xff\xff\xff", 5}},
        {UINT64_C(1) << 32, {"\x81\x00\x00\x00\x01\x00\x00\x00\x00", 9}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rdb_writer w;
        rdb_writer_init(&w, true);
        rdb_write_length(&w, rows[i].length);
        assert_same(rdb_writer_view(&w), rows[i].bytes);
        struct rdb_reader r = rdb_reader(rdb_writer_view(&w));
        assert_true(rdb_read_length(&r) == rows[i].length);
        assert_false(r.failed);
        assert_int_equal(rdb_left(&r), 0);
        rdb_writer_fini(&w);
    }
}

static void integers_and_repetition_take_the_short_forms(void **state)
{
    (void)state;
    static const struct {
        struct bytes text, bytes;
    } rows[] = {
        {{"", 0}, {"\x00", 1}},
        {{"a", 1},
         {"\x01"
          "a",
          2}},
        {{"007", 3},
         {"\x03"
          "007",
          4}},
        {{"-0", 2}, {"\x02-0", 3}},
        {{"127", 3}, {"\xc0\x7f", 2}},
        {{"-128", 4}, {"\xc0\x80", 2}},
        {{"128", 3}, {"\xc1\x80\x00", 3}},
        {{"-32769", 6}, {"\xc2\xff\x7f\xff\xff", 5}},
        {{"-2147483648", 11}, {"\xc2\x00\x00\x00\x80", 5}},
        {{"2147483648", 10},
         {"\x0a"
          "2147483648",
          11}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rdb_writer w;
        struct rdb_string s;
        rdb_writer_init(&w, true);
        rdb_write_string(&w, rows[i].text);
        assert_same(rdb_writer_view(&w), rows[i].bytes);
        struct rdb_reader r = rdb_reader(rdb_writer_view(&w));
        assert_true(rdb_read_string(&r, &s));
        assert_same(s.text, rows[i].text);
        rdb_string_end(&s);
        rdb_writer_fini(&w);
    }
}

static void any_string_comes_back(void **state)
{
    (void)state;
    for (size_t len = 0; len < 70000; len = len * 3 / 2 + 1) {
        char *text = mem_alloc(len + 1);
        for (int kind = 0; kind < 3; kind++) {
            for (size_t i = 0; i < len; i++)
                text[i] = (char)(kind == 0 ? 'x' : kind == 1 ? random_below(256) : i / 7);
            struct rdb_writer w;
            struct rdb_string s;
            rdb_writer_init(&w, kind != 1);
            rdb_write_string(&w, bytes_of(text, len));
            if (kind == 0 && len > 100)
                assert_true(w.len < len);
            struct rdb_reader r = rdb_reader(rdb_writer_view(&w));
            assert_true(rdb_read_string(&r, &s));
            assert_same(s.text, bytes_of(text, len));
            rdb_string_end(&s);
            rdb_writer_fini(&w);
        }
        mem_free(text);
    }
}

/* -- lies -------------------------------------------------------------------------------------- */

static void no_count_is_believed_beyond_what_is_there(void **state)
{
    (void)state;
    struct rdb_reader r = rdb_reader(BYTES("\x81\x00\x00\x01\x00\x00\x00\x00\x00xxxx"));
    assert_int_equal(rdb_read_count(&r, 2), 0);
    assert_true(r.failed);
    r = rdb_reader(BYTES("\x02xxxx"));
    assert_int_equal(rdb_read_count(&r, 2), 2);
    r = rdb_reader(BYTES("\x03xxxx"));
    assert_int_equal(rdb_read_count(&r, 2), 0);
}

static void strings_that_lie_fail(void **state)
{
    (void)state;
    static const struct bytes lies[] = {
        {"", 0},                                                 /* nothing */
        {"\x05xxxx", 5},                                         /* longer than there is */
        {"\x81\xff\xff\xff\xff\xff\xff\xff\xff", 9},             /* the longest */
        {"\x82\x00\x00\x00\x00", 5},                             /* no such form */
        {"\xc4\x00", 2},                                         /* no such form */
        {"\xc2\x00\x00", 3},                                     /* half an integer */
        {"\xc3\x01\x01", 3},                                     /* nothing to decompress */
        {"\xc3\x02\x80\xff\xff\xff\xff\x00x", 9},                /* expands too much */
        {"\xc3\x02\x02\x00x", 5},                                /* expands to one byte, not two */
        {"\xc3\x02\x81\x00\x00\x00\x01\x00\x00\x00\x00\0x", 13}, /* 4 GiB */
        {"\xc3\x02\x00\x00x", 5},                                /* expands to nothing */
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct rdb_reader r = rdb_reader(lies[i]);
        struct rdb_string s;
        assert_false(rdb_read_string(&r, &s));
        assert_int_equal(s.text.len, 0);
        rdb_string_end(&s);
        assert_int_equal(rdb_read_byte(&r), 0);
        assert_int_equal(rdb_left(&r), 0);
    }
}

static void old_doubles_are_texts(void **state)
{
    (void)state;
    struct rdb_reader r = rdb_reader(BYTES("\x03"
                                           "1.5\xfd\xfe\xff\x02-x"));
    assert_true(rdb_read_text_double(&r) == 1.5);
    assert_true(isnan(rdb_read_text_double(&r)));
    assert_true(rdb_read_text_double(&r) == INFINITY);
    assert_true(rdb_read_text_double(&r) == -INFINITY);
    assert_false(r.failed);
    rdb_read_text_double(&r);
    assert_true(r.failed);
}

static void a_seal_breaks_with_any_byte(void **state)
{
    (void)state;
    struct rdb_writer w;
    struct bytes body;
    rdb_writer_init(&w, true);
    rdb_write_byte(&w, RDB_STRING);
    rdb_write_string(&w, BYTES("hello"));
    size_t len = w.len;
    rdb_seal(&w, RDB_VERSION_USUAL);
    assert_int_equal(w.len, len + 10);
    assert_true(rdb_unseal(rdb_writer_view(&w), false, &body));
    assert_int_equal(body.len, len);
    for (size_t i = 0; i < w.len; i++) {
        w.data[i] ^= 1;
        assert_false(rdb_unseal(rdb_writer_view(&w), false, &body));
        w.data[i] ^= 1;
    }
    for (size_t i = 0; i < 10; i++)
        assert_false(rdb_unseal(bytes_of(w.data, i), true, &body));
    rdb_writer_fini(&w);
}

static void a_seal_of_a_version_to_come_is_refused(void **state)
{
    (void)state;
    struct rdb_writer w;
    struct bytes body;
    rdb_writer_init(&w, true);
    rdb_write_byte(&w, RDB_STRING);
    rdb_seal(&w, RDB_VERSION_MAX + 1);
    assert_false(rdb_unseal(rdb_writer_view(&w), false, &body));
    assert_false(rdb_unseal(rdb_writer_view(&w), true, &body));
    rdb_writer_fini(&w);
}

/* -- draining ---------------------------------------------------------------------------------- */

struct sink {
    struct rdb_writer kept; /* all that came */
    uint64_t refuse_at;     /* bytes */
};

static bool take(void *context, struct bytes part)
{
    struct sink *sink = context;
    rdb_write_raw(&sink->kept, part);
    return sink->kept.len < sink->refuse_at;
}

static void write_much(struct rdb_writer *w)
{
    char large[200000];
    memset(large, 'y', sizeof large);
    for (int i = 0; i < 30000; i++)
        rdb_write_number(w, i * 1000);
    rdb_write_string(w, bytes_of(large, sizeof large));
    rdb_write_string(w, BYTES("end"));
}

static void draining_changes_nothing(void **state)
{
    (void)state;
    struct rdb_writer plain, w;
    struct sink sink = {.refuse_at = SIZE_MAX};
    rdb_writer_init(&plain, false);
    write_much(&plain);
    rdb_writer_init(&sink.kept, false);
    rdb_writer_init(&w, false);
    w.drain = take;
    w.context = &sink;
    write_much(&w);
    assert_true(w.room < 200000);
    assert_true(rdb_writer_flush(&w));
    assert_same(rdb_writer_view(&sink.kept), rdb_writer_view(&plain));
    assert_int_equal(w.drained, plain.len);
    assert_true(w.crc == crc64(0, rdb_writer_view(&plain)));
    rdb_writer_fini(&w);
    rdb_writer_fini(&plain);
    rdb_writer_fini(&sink.kept);
}

static void a_full_drain_is_told_and_stops_all(void **state)
{
    (void)state;
    struct rdb_writer w;
    struct sink sink = {.refuse_at = 100000};
    rdb_writer_init(&sink.kept, false);
    rdb_writer_init(&w, false);
    w.drain = take;
    w.context = &sink;
    write_much(&w);
    assert_false(rdb_writer_flush(&w));
    size_t taken = sink.kept.len;
    write_much(&w);
    assert_false(rdb_writer_flush(&w));
    assert_int_equal(sink.kept.len, taken);
    rdb_writer_fini(&w);
    rdb_writer_fini(&sink.kept);
}

/* -- packed values that others wrote ----------------------------------------------------------- */

/* A value of this form whose one string this is, in a keyspace under the key "k"; NULL: refused. */
static struct entry *restore(struct keyspace *ks, enum rdb_type type, struct bytes packed)
{
    struct rdb_writer w;
    rdb_writer_init(&w, false);
    rdb_write_string(&w, packed);
    struct rdb_reader r = rdb_reader(rdb_writer_view(&w));
    struct rdb_place place = {&ks->limits, BYTES("k")};
    struct entry *e = rdb_read_value(&r, (uint8_t)type, &place);
    rdb_writer_fini(&w);
    if (e != NULL)
        keyspace_add(ks, 0, e, key_of(place.key).hash);
    return e;
}

static struct rdb_writer dump(const struct keyspace *ks)
{
    struct rdb_writer w;
    rdb_writer_init(&w, false);
    rdb_write_dump(&w, keyspace_peek(ks, 0, key_of(BYTES("k"))));
    return w;
}

/* "zz" behind a head of 32 bits, "aaa", "bbb", "ccc", and 5 in 64 bits: longer than need be. */
#define WIDE_ZZ "\xf0\x02\x00\x00\x00zz\x07"
#define WIDE_5 "\xf4\x05\x00\x00\x00\x00\x00\x00\x00\x09"
#define AAA                                                                                        \
    "\x83"                                                                                         \
    "aaa\x04"
#define BBB                                                                                        \
    "\x83"                                                                                         \
    "bbb\x04"
#define CCC                                                                                        \
    "\x83"                                                                                         \
    "ccc\x04"

static void a_set_of_wide_elements_is_taken_back(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    struct entry *e = restore(ks, RDB_SET_LISTPACK,
                              BYTES("\x28\x00\x00\x00\x05\x00" WIDE_ZZ AAA BBB CCC WIDE_5 "\xff"));
    assert_non_null(e);
    assert_int_equal(set_count(e), 5);
    struct rdb_writer before = dump(ks);
    struct undo_section section = undo_begin(ks);
    struct set_at at = set_in(ks, e);
    assert_true(set_remove(&at, BYTES("bbb")));
    assert_true(set_remove(&at, BYTES("zz")));
    assert_true(set_remove(&at, BYTES("5")));
    undo_rollback(ks, section);
    struct rdb_writer after = dump(ks);
    assert_same(rdb_writer_view(&before), rdb_writer_view(&after));
    keyspace_check(ks);
    rdb_writer_fini(&before);
    rdb_writer_fini(&after);
    keyspace_destroy(ks);
}

static void a_hash_of_wide_elements_is_taken_back(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    struct entry *e =
        restore(ks, RDB_HASH_LISTPACK,
                BYTES("\x3c\x00\x00\x00\x08\x00" AAA WIDE_5 BBB CCC WIDE_ZZ AAA CCC WIDE_5 "\xff"));
    assert_non_null(e);
    assert_int_equal(hash_count(e), 4);
    struct rdb_writer before = dump(ks);
    struct undo_section section = undo_begin(ks);
    struct hash_at at = {.ks = ks, .key = key_of(BYTES("k")), .e = e};
    assert_true(hash_delete(&at, BYTES("bbb")));
    assert_true(hash_delete(&at, BYTES("zz")));
    assert_false(hash_set(&at, BYTES("aaa"), BYTES("a longer value"), NULL, DEADLINE_NONE));
    undo_rollback(ks, section);
    struct rdb_writer after = dump(ks);
    assert_same(rdb_writer_view(&before), rdb_writer_view(&after));
    keyspace_check(ks);
    rdb_writer_fini(&before);
    rdb_writer_fini(&after);
    keyspace_destroy(ks);
}

/* -- streams ----------------------------------------------------------------------------------- */

/* An entry of one pair in a block; its id is master's and so many milliseconds. */
struct line {
    int more_ms;
    bool is_dead;
};

#define LIVE(more_ms)                                                                              \
    {                                                                                              \
        more_ms, false                                                                             \
    }
#define DEAD(more_ms)                                                                              \
    {                                                                                              \
        more_ms, true                                                                              \
    }

static unsigned char *block_of(const struct line *lines, int count)
{
    static const struct bytes words[] = {{"a", 1}, {"b", 1}};
    struct stream_id master = {5, 0};
    struct block_appended how;
    struct block_entry entry;
    unsigned char *lp = block_create(words, 2);
    for (int i = 0; i < count; i++) {
        struct stream_id id = {master.ms + (uint64_t)lines[i].more_ms, 0};
        size_t at = lp_bytes(lp) - 1;
        lp = block_append(lp, master, id, words, 2, &how);
        struct block_head head = block_read_head(lp);
        block_read_entry(&head, master, lp + at, &entry);
        if (lines[i].is_dead)
            lp = block_add_counts(block_mark(lp, &entry, true), -1, 1);
    }
    return lp;
}

/* Blocks with the master 5-0 and the one that is given, which is absent if it is zero. */
static struct entry *read_stream(struct keyspace *ks, const unsigned char *first,
                                 const unsigned char *second, uint64_t length, uint64_t last_ms)
{
    struct rdb_writer w;
    rdb_writer_init(&w, false);
    rdb_write_length(&w, second != NULL ? 2 : 1);
    rdb_write_string(&w, BYTES("\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0"));
    rdb_write_string(&w, bytes_of(first, lp_bytes(first)));
    if (second != NULL) {
        rdb_write_string(&w, BYTES("\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0"));
        rdb_write_string(&w, bytes_of(second, lp_bytes(second)));
    }
    const uint64_t numbers[] = {length, last_ms, 0, 0, 0, 9, 0, 20, 0};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        rdb_write_length(&w, numbers[i]);
    struct rdb_reader r = rdb_reader(rdb_writer_view(&w));
    struct rdb_place place = {&ks->limits, BYTES("k")};
    struct entry *e = rdb_read_value(&r, RDB_STREAM_LISTPACKS_2, &place);
    rdb_writer_fini(&w);
    return e;
}

static void assert_lives(const struct stream *s, uint64_t ms)
{
    struct stream_iter it;
    struct stream_item item;
    struct stream_id id = {ms, 0};
    assert_true(stream_has(s, id));
    for (int backwards = 0; backwards < 2; backwards++) {
        stream_iter_begin(&it, s, id, id, backwards);
        assert_true(stream_iter_next(&it, &item));
        assert_true(stream_id_equal(item.id, id));
        assert_false(stream_iter_next(&it, &item));
    }
}

/* XSETID went back behind deleted entries in all of these, but for the first. */
static void dead_entries_of_streams_may_be_out_of_order(void **state)
{
    (void)state;
    static const struct {
        struct line first[4], second[2];
        int first_count, second_count;
        uint64_t last_ms, blocks, dead;
        uint64_t alive[3]; /* milliseconds, in order; 0: none */
    } rows[] = {
        {{LIVE(0), DEAD(4)}, {LIVE(0)}, 2, 0, 9, 1, 1, {5}},
        {{LIVE(0), DEAD(4)}, {LIVE(0)}, 2, 0, 6, 1, 0, {5}},
        {{LIVE(0), DEAD(4), LIVE(2)}, {LIVE(0)}, 3, 0, 9, 1, 0, {5, 7}},
        {{LIVE(0), DEAD(4), LIVE(4)}, {LIVE(0)}, 3, 0, 9, 1, 0, {5, 9}},
        {{LIVE(0), DEAD(1), DEAD(4)}, {LIVE(2), DEAD(3)}, 3, 2, 10, 2, 1, {5, 9}},
        {{DEAD(0), DEAD(4)}, {LIVE(2)}, 2, 1, 9, 1, 0, {9}},
        {{DEAD(0), DEAD(4)}, {LIVE(0)}, 2, 0, 9, 1, 2, {0}},
        {{DEAD(0), DEAD(4)}, {LIVE(0)}, 2, 0, 8, 0, 0, {0}},
        {{DEAD(0), DEAD(4), DEAD(2)}, {LIVE(0)}, 3, 0, 9, 0, 0, {0}},
        {{DEAD(0), DEAD(4), DEAD(-2), LIVE(-1)}, {LIVE(0)}, 4, 0, 9, 1, 0, {4}},
        {{DEAD(0), LIVE(-2), LIVE(-1)}, {LIVE(2)}, 3, 1, 9, 2, 0, {3, 4, 9}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct keyspace *ks = keyspace_create(1);
        unsigned char *first = block_of(rows[i].first, rows[i].first_count), *second = NULL;
        if (rows[i].second_count > 0)
            second = block_of(rows[i].second, rows[i].second_count);
        uint64_t alive = 0, total = 0;
        while (alive < 3 && rows[i].alive[alive] != 0)
            alive++;
        struct entry *e = read_stream(ks, first, second, alive, rows[i].last_ms);
        assert_non_null(e);
        stream_check(e);
        const struct stream *s = stream_of(e);
        assert_int_equal(s->blocks.count, rows[i].blocks);
        for (uint64_t j = 0; j < alive; j++)
            assert_lives(s, rows[i].alive[j]);
        struct idcursor c = idtree_first(&s->blocks);
        for (; c.node != NULL; idcursor_next(&c))
            total += block_total(stream_block_at(s, &c));
        assert_int_equal(total, alive + rows[i].dead);
        value_end(e);
        lp_destroy(first);
        lp_destroy(second);
        keyspace_destroy(ks);
    }
}

static void living_entries_of_streams_are_in_order(void **state)
{
    (void)state;
    static const struct line lines[] = {LIVE(0), LIVE(4), LIVE(2)};
    struct keyspace *ks = keyspace_create(1);
    unsigned char *falls = block_of(lines, 3), *rises = block_of(lines, 2);
    assert_null(read_stream(ks, falls, NULL, 3, 9));
    assert_null(read_stream(ks, rises, NULL, 2, 8));   /* lives beyond the last id */
    assert_null(read_stream(ks, rises, rises, 4, 20)); /* lives beyond the next block */
    lp_destroy(falls);
    lp_destroy(rises);
    keyspace_destroy(ks);
}

/* Marking an entry writes over its flags where they are. */
static void a_stream_with_wide_flags_is_refused(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    static const struct line line = LIVE(0);
    unsigned char *lp = block_of(&line, 1);
    unsigned char *at = (unsigned char *)block_read_head(lp).entries;
    size_t before = (size_t)(at - lp), after = lp_bytes(lp) - before;
    unsigned char wide[200] = {0};
    memcpy(wide, lp, before + 2);
    memmove(wide + before, "\xf4\2\0\0\0\0\0\0\0\x09", 10);
    memcpy(wide + before + 10, at + 2, after - 2);
    wide[0] = (unsigned char)(before + after + 8);
    assert_true(lp_validate(wide, before + after + 8, true));
    struct entry *e = read_stream(ks, lp, NULL, 1, 5);
    assert_non_null(e);
    assert_null(read_stream(ks, wide, NULL, 1, 5));
    value_end(e);
    lp_destroy(lp);
    keyspace_destroy(ks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc64_has_the_known_value_in_any_pieces),
        cmocka_unit_test(lengths_have_the_documented_bytes),
        cmocka_unit_test(integers_and_repetition_take_the_short_forms),
        cmocka_unit_test(any_string_comes_back),
        cmocka_unit_test(no_count_is_believed_beyond_what_is_there),
        cmocka_unit_test(strings_that_lie_fail),
        cmocka_unit_test(old_doubles_are_texts),
        cmocka_unit_test(a_seal_breaks_with_any_byte),
        cmocka_unit_test(a_seal_of_a_version_to_come_is_refused),
        cmocka_unit_test(draining_changes_nothing),
        cmocka_unit_test(a_full_drain_is_told_and_stops_all),
        cmocka_unit_test(a_set_of_wide_elements_is_taken_back),
        cmocka_unit_test(a_hash_of_wide_elements_is_taken_back),
        cmocka_unit_test(dead_entries_of_streams_may_be_out_of_order),
        cmocka_unit_test(living_entries_of_streams_are_in_order),
        cmocka_unit_test(a_stream_with_wide_flags_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
