/*
 * test_reply.c - the reply writer: bytes of each type in both protocols, across chunks, sent in
 * pieces.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/memory.h"
#include "protocol/reply.h"

struct fixture {
    struct reply_pool pool;
    struct reply_errors errors;
    struct reply reply;
    int released;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    reply_init(&f->reply, &f->pool, &f->errors);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    reply_fini(&f->reply);
    assert_int_equal(f->reply.memory, 0);
    reply_pool_fini(&f->pool);
    free(f);
    return 0;
}

/* The whole reply is expected, and nothing is left of it. */
static void check(struct reply *r, const char *expected)
{
    size_t len = reply_bytes(r);
    char *got = malloc(len + 1);
    reply_copy(r, got);
    got[len] = '\0';
    assert_string_equal(got, expected);
    free(got);
    reply_sent(r, len);
    assert_null(r->first);
    assert_int_equal(reply_memory(r), 0);
}

static void write_each_type(struct reply *r)
{
    reply_ok(r);
    reply_simple(r, "QUEUED");
    reply_simple(r, "two\r\nlines");
    reply_int(r, 0);
    reply_int(r, -7);
    reply_int(r, 42);
    reply_int(r, INT64_MIN);
    reply_bulk(r, bytes_of("a\0b", 3));
    reply_bulk(r, bytes_of(NULL, 0));
    reply_bulk_text(r, "0123456789");
    reply_bulk_int(r, -100);
    reply_bulkf(r, "%s=%d", "x", 5);
    reply_null(r);
    reply_null_array(r);
    reply_double(r, 3.2);
    reply_double(r, -INFINITY);
    reply_long_double_bulk(r, 10.5L);
    reply_bool(r, true);
    reply_bool(r, false);
    reply_big_number(r, bytes_of_text("123456789012345678901234567890"));
    reply_verbatim(r, bytes_of_text("hello"), "txt");
    reply_array(r, 3);
    reply_map(r, 12);
    reply_set(r, 100);
    reply_push(r, 2);
}

static void assert_bytes(struct reply *r, const char *expected, size_t len)
{
    assert_int_equal(reply_bytes(r), len);
    char *got = malloc(len);
    reply_copy(r, got);
    assert_memory_equal(got, expected, len);
    free(got);
    reply_fini(r);
}

static void test_each_type_in_resp2(void **state)
{
    struct fixture *f = *state;
    static const char expected[] =
        "+OK\r\n+QUEUED\r\n+two  lines\r\n:0\r\n:-7\r\n:42\r\n:-9223372036854775808\r\n"
        "$3\r\na\0b\r\n$0\r\n\r\n$10\r\n0123456789\r\n$4\r\n-100\r\n$3\r\nx=5\r\n"
        "$-1\r\n*-1\r\n$3\r\n3.2\r\n$4\r\n-inf\r\n$4\r\n10.5\r\n:1\r\n:0\r\n"
        "$30\r\n123456789012345678901234567890\r\n$5\r\nhello\r\n"
        "*3\r\n*24\r\n*100\r\n*2\r\n";
    write_each_type(&f->reply);
    assert_bytes(&f->reply, expected, sizeof expected - 1);
}

static void test_each_type_in_resp3(void **state)
{
    struct fixture *f = *state;
    static const char expected[] =
        "+OK\r\n+QUEUED\r\n+two  lines\r\n:0\r\n:-7\r\n:42\r\n:-9223372036854775808\r\n"
        "$3\r\na\0b\r\n$0\r\n\r\n$10\r\n0123456789\r\n$4\r\n-100\r\n$3\r\nx=5\r\n"
        "_\r\n_\r\n,3.2\r\n,-inf\r\n$4\r\n10.5\r\n#t\r\n#f\r\n"
        "(123456789012345678901234567890\r\n=9\r\ntxt:hello\r\n"
        "*3\r\n%12\r\n~100\r\n>2\r\n|1\r\n";
    f->reply.resp = 3;
    write_each_type(&f->reply);
    reply_attribute(&f->reply, 1);
    assert_bytes(&f->reply, expected, sizeof expected - 1);
}

static void test_errors(void **state)
{
    struct fixture *f = *state;
    reply_error(&f->reply, "ERR no\r\nway\r\n");
    check(&f->reply, "-ERR no  way\r\n");
    assert_int_equal(f->errors.count, 1);
    assert_memory_equal(f->errors.text, "ERR no\r\nway", f->errors.len);
    reply_error(&f->reply, "-WRONGTYPE x");
    check(&f->reply, "-WRONGTYPE x\r\n");
    reply_errorf(&f->reply, "ERR %d of '%.*s'", 3, 2, "abc");
    check(&f->reply, "-ERR 3 of 'ab'\r\n");
    assert_int_equal(f->errors.count, 3);
    assert_int_equal(f->errors.len, 13);
}

static void test_long_texts(void **state)
{
    struct fixture *f = *state;
    char text[5001], expected[6000];
    memset(text, 'x', 5000);
    text[5000] = '\0';
    reply_errorf(&f->reply, "ERR %s", text);
    sprintf(expected, "-ERR %s\r\n", text);
    check(&f->reply, expected);
    assert_int_equal(f->errors.len, REPLY_ERROR_MAX);
    reply_bulkf(&f->reply, "%s", text);
    sprintf(expected, "$5000\r\n%s\r\n", text);
    check(&f->reply, expected);
}

static void note_release(void *owner)
{
    ++*(int *)owner;
}

static void test_muted_writes_nothing(void **state)
{
    struct fixture *f = *state;
    f->reply.muted = true;
    write_each_type(&f->reply);
    reply_error(&f->reply, "ERR unheard");
    reply_bulk_owned(&f->reply, bytes_of_text("value"), &f->released, note_release);
    reply_array_at(&f->reply, reply_mark(&f->reply), 3);
    reply_raw(&f->reply, bytes_of_text("+x\r\n"));
    assert_int_equal(reply_bytes(&f->reply), 0);
    assert_int_equal(reply_memory(&f->reply), 0);
    assert_int_equal(f->errors.count, 1);
    assert_int_equal(f->released, 1);
}

/* What was written before the client was muted stays. */
static void test_muted_in_the_middle(void **state)
{
    struct fixture *f = *state;
    reply_ok(&f->reply);
    f->reply.muted = true;
    reply_int(&f->reply, 5);
    f->reply.muted = false;
    reply_null(&f->reply);
    check(&f->reply, "+OK\r\n$-1\r\n");
}

static void test_owned_values_are_not_copied(void **state)
{
    struct fixture *f = *state;
    struct reply *r = &f->reply;
    static char value[100 * 1000];
    struct reply_span spans[8];
    memset(value, 'v', sizeof value);
    reply_bulk_owned(r, bytes_of(value, sizeof value), &f->released, note_release);
    reply_ok(r);
    assert_true(reply_memory(r) >= sizeof value + REPLY_CHUNK);
    assert_int_equal(reply_bytes(r), 9 + sizeof value + 2 + 5);
    assert_int_equal(reply_spans(r, spans, 8), 3);
    assert_ptr_equal(spans[1].ptr, value);
    assert_memory_equal(spans[2].ptr, "\r\n+OK\r\n", 7);
    reply_sent(r, 9 + 1000);
    assert_int_equal(reply_spans(r, spans, 1), 1);
    assert_ptr_equal(spans[0].ptr, value + 1000);
    assert_true(reply_memory(r) >= sizeof value); /* all of it, until the last byte is gone */
    reply_sent(r, sizeof value - 1001);
    assert_int_equal(f->released, 0);
    reply_sent(r, 1);
    assert_int_equal(f->released, 1);
    check(r, "\r\n+OK\r\n");
    reply_bulk_owned(r, bytes_of(value, 10), &f->released, note_release);
    reply_fini(r);
    assert_int_equal(f->released, 2);
}

static void test_idle_reply_holds_no_memory(void **state)
{
    struct fixture *f = *state;
    reply_ok(&f->reply);
    assert_int_equal(reply_memory(&f->reply), REPLY_CHUNK);
    reply_sent(&f->reply, 2);
    reply_int(&f->reply, 1);
    check(&f->reply, "K\r\n:1\r\n");
}

static void test_pool_keeps_its_bound(void **state)
{
    struct fixture *f = *state;
    char block[REPLY_CHUNK] = {0};
    f->pool.keep = 3;
    for (int i = 0; i < 8; i++)
        reply_raw(&f->reply, bytes_of(block, sizeof block));
    reply_fini(&f->reply);
    assert_true(f->pool.count <= 3); /* none at all under the address sanitizer */
}

/* -- marks ------------------------------------------------------------------------------------- */

static void test_counts_known_last(void **state)
{
    struct fixture *f = *state;
    struct reply *r = &f->reply;
    struct reply_mark outer = reply_mark(r);
    reply_int(r, 1);
    struct reply_mark inner = reply_mark(r);
    reply_ok(r);
    reply_map_at(r, inner, 6);
    struct reply_mark empty = reply_mark(r);
    reply_set_at(r, empty, 0);
    reply_array_at(r, outer, 3);
    check(r, "*3\r\n:1\r\n*12\r\n+OK\r\n*0\r\n");
    reply_array_at(r, reply_mark(r), 0);
    check(r, "*0\r\n");
    r->resp = 3;
    outer = reply_mark(r);
    reply_ok(r);
    reply_map_at(r, outer, 6);
    check(r, "%6\r\n+OK\r\n");
}

static void test_rewind(void **state)
{
    struct fixture *f = *state;
    struct reply *r = &f->reply;
    char block[3 * REPLY_CHUNK] = {0};
    struct reply_mark start = reply_mark(r);
    reply_raw(r, bytes_of(block, sizeof block));
    reply_rewind(r, start);
    assert_int_equal(reply_memory(r), 0);
    reply_ok(r);
    struct reply_mark mark = reply_mark(r);
    reply_raw(r, bytes_of(block, sizeof block));
    reply_bulk_owned(r, bytes_of(block, 5), &f->released, note_release);
    reply_rewind(r, mark);
    assert_int_equal(f->released, 1);
    assert_int_equal(reply_memory(r), REPLY_CHUNK);
    reply_null(r);
    check(r, "+OK\r\n$-1\r\n");
}

static void test_move(void **state)
{
    struct fixture *f = *state;
    struct reply other;
    char block[2 * REPLY_CHUNK];
    memset(block, 'b', sizeof block);
    reply_init(&other, &f->pool, &f->errors);
    reply_ok(&other);
    reply_move(&f->reply, &other);
    reply_int(&other, 1);
    reply_move(&f->reply, &other);
    check(&f->reply, "+OK\r\n:1\r\n");
    reply_ok(&f->reply);
    reply_raw(&other, bytes_of(block, sizeof block));
    reply_move(&f->reply, &other);
    reply_move(&f->reply, &other);
    assert_int_equal(reply_memory(&other), 0);
    reply_null(&f->reply);
    assert_int_equal(reply_bytes(&f->reply), 10 + sizeof block);
    reply_sent(&f->reply, 5 + sizeof block);
    check(&f->reply, "$-1\r\n");
}

/* A full reply takes no more, whatever comes: it stays near its limit, and what is owned still
 * ends. */
static void test_limit(void **state)
{
    struct fixture *f = *state;
    struct reply *r = &f->reply;
    char block[REPLY_CHUNK] = {0};
    r->limit = 2 * REPLY_CHUNK;
    struct reply_mark start = reply_mark(r);
    reply_raw(r, bytes_of(block, 100));
    assert_false(reply_is_full(r));
    for (int i = 0; i < 100; i++)
        reply_bulk(r, bytes_of(block, i % 2 == 0 ? sizeof block : 100));
    assert_true(reply_is_full(r));
    assert_int_equal(reply_memory(r), r->limit);
    size_t bytes = reply_bytes(r);
    reply_bulk_owned(r, bytes_of(block, 5), &f->released, note_release);
    assert_int_equal(f->released, 1);
    reply_ok(r);
    reply_array_at(r, start, 3);
    assert_int_equal(reply_bytes(r), bytes);
    reply_rewind(r, start);
    reply_error(r, "ERR counts");
    reply_bulk_owned(r, bytes_of(block, 5), &f->released, note_release);
    assert_int_equal(f->released, 2);
    assert_int_equal(f->errors.count, 1);
    assert_true(reply_is_full(r));
}

/* -- against a model --------------------------------------------------------------------------- */

enum { MODEL_MAX = 4 << 20, DEPTH_MAX = 4, REST = 40 };

/* The same reply in one flat buffer. */
struct model {
    struct reply *reply;
    char *bytes;
    size_t len, sent;
    int owned, released;
};

static void model_add(struct model *m, const char *ptr, size_t len)
{
    memcpy(m->bytes + m->len, ptr, len);
    m->len += len;
}

/* Sizes close to the end of a chunk are the interesting ones. */
static size_t random_size(const struct reply *r)
{
    size_t room = (size_t)(r->end - r->at);
    if (rand() % 8 == 0 && room > REST)
        return room - (size_t)(rand() % REST);
    return (size_t)(rand() % (rand() % 16 == 0 ? 3 * REPLY_CHUNK : REST));
}

static void add_random_value(struct model *m)
{
    static char values[4 * REPLY_CHUNK + 256];
    char text[64];
    size_t len = random_size(m->reply);
    for (size_t i = 0; values[1] == 0 && i < sizeof values; i++)
        values[i] = (char)(i % 251 + 1);
    const char *value = values + rand() % 256;
    switch (rand() % 4) {
    case 0:
        reply_ok(m->reply);
        model_add(m, "+OK\r\n", 5);
        return;
    case 1:
        reply_int(m->reply, (int64_t)len);
        model_add(m, text, (size_t)sprintf(text, ":%zu\r\n", len));
        return;
    case 2:
        reply_bulk(m->reply, bytes_of(value, len));
        break;
    default:
        m->owned++;
        reply_bulk_owned(m->reply, bytes_of(value, len), &m->released, note_release);
    }
    model_add(m, text, (size_t)sprintf(text, "$%zu\r\n", len));
    model_add(m, value, len);
    model_add(m, "\r\n", 2);
}

static void add_random_container(struct model *m, int depth)
{
    struct reply_mark mark = reply_mark(m->reply);
    size_t at = m->len;
    int count = rand() % 6;
    for (int i = 0; i < count; i++) {
        if (depth < DEPTH_MAX && rand() % 3 == 0)
            add_random_container(m, depth + 1);
        else
            add_random_value(m);
    }
    if (rand() % 6 == 0) {
        reply_rewind(m->reply, mark);
        m->len = at;
        return;
    }
    char header[32];
    size_t len = (size_t)sprintf(header, "*%d\r\n", count);
    memmove(m->bytes + at + len, m->bytes + at, m->len - at);
    memcpy(m->bytes + at, header, len);
    m->len += len;
    reply_array_at(m->reply, mark, count);
}

static void send_some(struct model *m, size_t count)
{
    while (count > 0) {
        struct reply_span spans[3];
        int n = reply_spans(m->reply, spans, 1 + rand() % 3);
        size_t gone = 0;
        for (int i = 0; i < n && gone < count; i++) {
            size_t len = spans[i].len < count - gone ? spans[i].len : count - gone;
            assert_memory_equal(spans[i].ptr, m->bytes + m->sent + gone, len);
            gone += len;
        }
        assert_true(gone > 0);
        reply_sent(m->reply, gone);
        m->sent += gone;
        count -= gone;
    }
}

static void test_random_replies(void **state)
{
    struct fixture *f = *state;
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    srand(seed);
    struct model m = {.reply = &f->reply, .bytes = malloc(MODEL_MAX)};
    for (int round = 0; round < 20000; round++) {
        add_random_container(&m, 0);
        assert_int_equal(reply_bytes(m.reply), m.len - m.sent);
        bool is_full = m.len > MODEL_MAX / 2;
        if (m.len > m.sent)
            send_some(&m, is_full ? m.len - m.sent : (size_t)rand() % (m.len - m.sent));
        if (m.sent == m.len)
            m.sent = m.len = 0;
    }
    reply_fini(m.reply);
    assert_int_equal(m.released, m.owned);
    free(m.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_type_in_resp2, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_type_in_resp3, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_texts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_muted_writes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_muted_in_the_middle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_owned_values_are_not_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_idle_reply_holds_no_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pool_keeps_its_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_counts_known_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rewind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_move, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_random_replies, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
