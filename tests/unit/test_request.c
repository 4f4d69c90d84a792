/*
 * test_request.c - the request parser: any cut gives the same arguments, errors are Redis's.
 *
 * All input lies against a page that cannot be read, so one byte too far ends the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

#include "base/memory.h"
#include "protocol/request.h"

enum { PAGE = 4096, WALL_AT = 512 * PAGE };

static const struct request_limits open_limits = {512 << 20, INT32_MAX, true};
static char *wall; /* the first byte that cannot be read */

static int build_wall(void **state)
{
    (void)state;
    char *map =
        mmap(NULL, WALL_AT + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + WALL_AT, PAGE, PROT_NONE) != 0)
        return -1;
    wall = map + WALL_AT;
    return 0;
}

static int remove_wall(void **state)
{
    (void)state;
    return munmap(wall - WALL_AT, WALL_AT + PAGE);
}

/* Feed a copy of text that ends at the wall. */
static enum request_step feed(struct request_parser *p, const char *text, size_t len,
                              struct arg_list *list, size_t *eaten)
{
    memcpy(wall - len, text, len);
    return request_feed(p, wall - len, len, &open_limits, list, eaten);
}

/* "3:set|1:k|0:|": arguments as text that can be compared. */
static void describe(const struct arg_list *list, char *out)
{
    char *at = out;
    *at = '\0';
    for (uint32_t i = 0; i < list->count; i++) {
        at += sprintf(at, "%zu:", list->args[i].len);
        memcpy(at, list->args[i].ptr, list->args[i].len);
        at += list->args[i].len;
        *at++ = '|';
        *at = '\0';
    }
}

static const struct {
    const char *text, *args;
} messages[] = {
    {"*1\r\n$4\r\nPING\r\n", "4:PING|"},
    {"*3\r\n$3\r\nset\r\n$1\r\nk\r\n$0\r\n\r\n", "3:set|1:k|0:|"},
    {"*2\r\n$3\r\nget\r\n$12\r\nabcdefghijkl\r\n", "3:get|12:abcdefghijkl|"},
    {"*2\r\n$4\r\necho\r\n$101\r\n"
     "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"
     "ffffffffffgggggggggghhhhhhhhhhiiiiiiiiiijjjjjjjjjjk\r\n",
     "4:echo|101:aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"
     "ffffffffffgggggggggghhhhhhhhhhiiiiiiiiiijjjjjjjjjjk|"},
    {"*12\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n"
     "$1\r\nh\r\n$1\r\ni\r\n$1\r\nj\r\n$1\r\nk\r\n$2\r\n\r\n\r\n",
     "1:a|1:b|1:c|1:d|1:e|1:f|1:g|1:h|1:i|1:j|1:k|2:\r\n|"},
    {"*0\r\n", ""},
    {"*-10\r\n", ""},
    {"\r\n", ""},
    {"\n", ""},
    {"  \t \r\n", ""},
    {"PING\r\n", "4:PING|"},
    {"PING\n", "4:PING|"},
    {" set  k 'a b' \r\n", "3:set|1:k|3:a b|"},
    {"$4\r\n", "2:$4|"},
    /* what Redis does not look at: bytes where line feeds should be, and those behind a bulk */
    {"*1\rX$4\rYPINGab", "4:PING|"},
};

static void test_any_cut(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof messages / sizeof *messages; m++) {
        const char *text = messages[m].text;
        size_t len = strlen(text), eaten;
        for (size_t cut = 0; cut <= len; cut++) {
            struct request_parser p = {0};
            struct arg_list list = {0};
            char got[1024];
            if (cut < len)
                assert_int_equal(feed(&p, text, cut, &list, &eaten), REQUEST_MORE);
            assert_int_equal(list.count, 0);
            assert_int_equal(feed(&p, text, len, &list, &eaten), REQUEST_READY);
            assert_int_equal(eaten, len);
            describe(&list, got);
            assert_string_equal(got, messages[m].args);
            request_parser_fini(&p);
            arg_list_fini(&list);
        }
    }
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    struct request_parser p = {0};
    struct arg_list list = {0};
    for (size_t m = 0; m < sizeof messages / sizeof *messages; m++) {
        size_t len = strlen(messages[m].text), eaten;
        char got[1024];
        for (size_t part = 0; part < len; part++)
            assert_int_equal(feed(&p, messages[m].text, part, &list, &eaten), REQUEST_MORE);
        assert_int_equal(feed(&p, messages[m].text, len, &list, &eaten), REQUEST_READY);
        describe(&list, got);
        assert_string_equal(got, messages[m].args);
        list.count = 0;
    }
    request_parser_fini(&p);
    arg_list_fini(&list);
}

static void test_requests_add_up_in_the_list(void **state)
{
    (void)state;
    struct request_parser p = {0};
    struct arg_list list = {0};
    size_t eaten;
    for (int i = 0; i < 100; i++)
        assert_int_equal(feed(&p, "*1\r\n$4\r\nPING\r\n*1\r\n", 18, &list, &eaten), REQUEST_READY);
    assert_int_equal(list.count, 100);
    assert_int_equal(eaten, 14);
    request_parser_fini(&p);
    arg_list_fini(&list);
}

/* -- errors ------------------------------------------------------------------------------------ */

static const struct {
    const char *text, *error;
} errors[] = {
    {"*3000000000\r\n", "invalid multibulk length"},
    {"*2147483648\r\n", "invalid multibulk length"},
    {"*\r\n", "invalid multibulk length"},
    {"*abc\r\n$1\r\na\r\n", "invalid multibulk length"},
    {"*+1\r\n$1\r\na\r\n", "invalid multibulk length"},
    {"*01\r\n$1\r\na\r\n", "invalid multibulk length"},
    {"* 1\r\n$1\r\na\r\n", "invalid multibulk length"},
    {"*1\n$1\r\na\r\n", "invalid multibulk length"},
    {"*-0\r\n", "invalid multibulk length"},
    {"*1\r\nfoo\r\n", "expected '$', got 'f'"},
    {"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"},
    {"*1\r\n\r\n", "expected '$', got '\r'"},
    {"*1\r\n$-1\r\n", "invalid bulk length"},
    {"*1\r\n$-0\r\n", "invalid bulk length"},
    {"*1\r\n$\r\n", "invalid bulk length"},
    {"*1\r\n$04\r\nPING\r\n", "invalid bulk length"},
    {"*1\r\n$+4\r\nPING\r\n", "invalid bulk length"},
    {"*1\r\n$4 \r\nPING\r\n", "invalid bulk length"},
    {"*1\r\n$blabla\r\n", "invalid bulk length"},
    {"*1\r\n$536870913\r\n", "invalid bulk length"},
    {"*1\r\n$99999999999999999999\r\n", "invalid bulk length"},
    {"set \"\"\"test-key\"\"\" test-value\r\n", "unbalanced quotes in request"},
    {"set 'a\r\n", "unbalanced quotes in request"},
};

static void assert_broken(const struct request_parser *p, const char *why)
{
    char expected[128];
    snprintf(expected, sizeof expected, "Protocol error: %s", why);
    assert_string_equal(p->error, expected);
}

static void test_errors_at_any_cut(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof errors / sizeof *errors; m++) {
        size_t len = strlen(errors[m].text), eaten;
        for (size_t cut = 0; cut <= len; cut++) {
            struct request_parser p = {0};
            struct arg_list list = {0};
            enum request_step step = feed(&p, errors[m].text, cut, &list, &eaten);
            if (step == REQUEST_MORE)
                step = feed(&p, errors[m].text, len, &list, &eaten);
            assert_int_equal(step, REQUEST_BROKEN);
            assert_broken(&p, errors[m].error);
            assert_int_equal(list.count, 0);
            request_parser_fini(&p);
            arg_list_fini(&list);
        }
    }
}

/* A line of which only start is known, and that never ends. */
static void check_endless_line(const char *start, char filler, const char *error)
{
    struct request_parser p = {0};
    struct arg_list list = {0};
    size_t eaten, known = strlen(start), line = known, room = REQUEST_INLINE_MAX + 64;
    const char *last = strrchr(start, '\n');
    size_t line_at = last == NULL ? 0 : (size_t)(last + 1 - start);
    char *text = malloc(room);
    memset(text, filler, room);
    memcpy(text, start, known);
    for (; line - line_at <= REQUEST_INLINE_MAX; line += line < room - 200 ? 100 : 1)
        assert_int_equal(feed(&p, text, line, &list, &eaten), REQUEST_MORE);
    assert_int_equal(feed(&p, text, line, &list, &eaten), REQUEST_BROKEN);
    assert_broken(&p, error);
    free(text);
    request_parser_fini(&p);
    arg_list_fini(&list);
}

static void test_endless_lines(void **state)
{
    (void)state;
    check_endless_line("A", 'A', "too big inline request");
    check_endless_line("*1", '1', "too big mbulk count string");
    check_endless_line("*1\r\n$1", '1', "too big bulk count string");
    check_endless_line("*2\r\n$1\r\na\r\n$1", '1', "too big bulk count string");
}

/* A NUL hides the end of its line, so the line is awaited until it is too long. */
static void test_nul_hides_line_end(void **state)
{
    (void)state;
    check_endless_line("", '\0', "too big inline request");
    check_endless_line("*", '\0', "too big mbulk count string");
    check_endless_line("*1\r\n", '\0', "too big bulk count string");
    struct request_parser p = {0};
    struct arg_list list = {0};
    size_t eaten;
    assert_int_equal(feed(&p, "PING\0\r\n", 7, &list, &eaten), REQUEST_MORE);
    request_parser_fini(&p);
    arg_list_fini(&list);
}

static void test_limits_before_authentication(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"*11\r\n", "unauthenticated multibulk length"},
        {"*11\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n"
         "$1\r\nh\r\n$1\r\ni\r\n$1\r\nj\r\n$1\r\nk\r\n",
         "unauthenticated multibulk length"},
        {"*1\r\n$16385\r\n", "unauthenticated bulk length"},
        {"*99999999999\r\n", "invalid multibulk length"},
        {"*1\r\n$99999999999999\r\n", "invalid bulk length"},
        {"*10\r\n$16384\r\n", NULL},
    };
    struct request_limits limits = {512 << 20, INT32_MAX, false};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct request_parser p = {0};
        struct arg_list list = {0};
        size_t eaten, len = strlen(cases[i].text);
        memcpy(wall - len, cases[i].text, len);
        enum request_step step = request_feed(&p, wall - len, len, &limits, &list, &eaten);
        assert_int_equal(step, cases[i].error != NULL ? REQUEST_BROKEN : REQUEST_MORE);
        if (cases[i].error != NULL)
            assert_broken(&p, cases[i].error);
        request_parser_fini(&p);
        arg_list_fini(&list);
    }
}

/* -- large requests ---------------------------------------------------------------------------- */

/* What was understood is never read again: here it is overwritten between feeds. */
static void test_many_arguments_in_pieces(void **state)
{
    (void)state;
    enum { COUNT = 100 * 1000, ARG = 9, STEP = 1000 };
    struct request_parser p = {0};
    struct arg_list list = {0};
    size_t len = (size_t)sprintf(wall - WALL_AT, "*%d\r\n", COUNT), eaten = 0, head = len;
    char *text = wall - WALL_AT;
    for (int i = 0; i < COUNT; i++, len += ARG)
        memcpy(text + len, "$3\r\nabc\r\n", ARG);
    for (size_t fed = 0; fed < len; fed += STEP) {
        assert_int_equal(request_feed(&p, text, fed, &open_limits, &list, &eaten), REQUEST_MORE);
        memset(text, '?', p.at);
    }
    assert_int_equal(request_feed(&p, text, len, &open_limits, &list, &eaten), REQUEST_READY);
    assert_int_equal(eaten, len);
    assert_int_equal(list.count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_ptr_equal(list.args[i].ptr, text + head + i * ARG + 4);
        assert_int_equal(list.args[i].len, 3);
    }
    request_parser_fini(&p);
    arg_list_fini(&list);
}

enum { BIG = REQUEST_BIG_BULK + 7 };

/* SET k <big> PX, then another request; the bytes of the big bulk go to a block on the way. */
static void check_supply(size_t have, bool cut_behind)
{
    struct request_parser p = {0};
    struct arg_list list = {0};
    size_t eaten;
    char text[BIG + 256], block[BIG];
    size_t at = (size_t)sprintf(text, "*4\r\n$3\r\nset\r\n$1\r\nk\r\n$%d\r\n", BIG);
    memset(text + at, 'v', have);
    assert_int_equal(feed(&p, text, at + have, &list, &eaten), REQUEST_MORE);
    assert_int_equal(p.big_len, BIG);
    assert_int_equal(p.big_at, at);
    assert_int_equal(p.big_have, have);
    assert_int_equal(feed(&p, text, at, &list, &eaten), REQUEST_MORE);
    request_supply(&p, block);
    size_t len = at + (size_t)sprintf(text + at, "\r\n$2\r\nPX\r\n*1\r\n$4\r\nPING\r\n");
    for (size_t part = at; cut_behind && part < at + 10; part++) {
        assert_int_equal(feed(&p, text, part, &list, &eaten), REQUEST_MORE);
        assert_int_equal(p.big_len, 0);
    }
    assert_int_equal(feed(&p, text, len, &list, &eaten), REQUEST_READY);
    assert_int_equal(eaten, at + 10);
    assert_int_equal(list.count, 4);
    assert_memory_equal(list.args[1].ptr, "k", 1);
    assert_ptr_equal(list.args[2].ptr, block);
    assert_int_equal(list.args[2].len, BIG);
    assert_memory_equal(list.args[3].ptr, "PX", 2);
    assert_int_equal(feed(&p, text + eaten, len - eaten, &list, &eaten), REQUEST_READY);
    assert_int_equal(list.count, 5);
    request_parser_fini(&p);
    arg_list_fini(&list);
}

static void test_supply(void **state)
{
    (void)state;
    check_supply(0, false);
    check_supply(1, true);
    check_supply(BIG - 1, true);
}

static void test_what_is_big(void **state)
{
    (void)state;
    static char text[BIG + 64];
    struct request_parser p = {0};
    struct arg_list list = {0};
    size_t eaten, at = (size_t)sprintf(text, "*1\r\n$%d\r\n", BIG);
    assert_int_equal(feed(&p, text, at + BIG, &list, &eaten), REQUEST_MORE);
    assert_int_equal(p.big_len, 0); /* only its line end is missing */
    request_parser_fini(&p);
    at = (size_t)sprintf(text, "*1\r\n$%d\r\n", REQUEST_BIG_BULK - 1);
    assert_int_equal(feed(&p, text, at + 10, &list, &eaten), REQUEST_MORE);
    assert_int_equal(p.big_len, 0);
    request_parser_fini(&p);
    arg_list_fini(&list);
}

/* -- random streams ---------------------------------------------------------------------------- */

struct stream {
    char bytes[64 * 1024], expected[64 * 1024];
    size_t len, expected_len;
};

static void add_random_request(struct stream *s)
{
    int count = rand() % 5;
    bool is_inline = rand() % 4 == 0;
    if (!is_inline)
        s->len += (size_t)sprintf(s->bytes + s->len, "*%d\r\n", count);
    for (int i = 0; i < count; i++) {
        size_t len = (size_t)(rand() % 8 == 0 ? rand() % 300 : rand() % 12) + (is_inline ? 1 : 0);
        char arg[320];
        for (size_t b = 0; b < len; b++)
            arg[b] = (char)(is_inline ? 'a' + rand() % 26 : rand());
        s->len += is_inline ? 0 : (size_t)sprintf(s->bytes + s->len, "$%zu\r\n", len);
        memcpy(s->bytes + s->len, arg, len);
        s->len += len;
        s->len += (size_t)sprintf(s->bytes + s->len, is_inline ? " " : "\r\n");
        s->expected_len += (size_t)sprintf(s->expected + s->expected_len, "%zu:", len);
        memcpy(s->expected + s->expected_len, arg, len);
        s->expected_len += len;
    }
    if (is_inline)
        s->len += (size_t)sprintf(s->bytes + s->len, rand() % 2 == 0 ? "\n" : "\r\n");
    s->expected[s->expected_len++] = ';';
}

static void check_random_stream(struct stream *s)
{
    struct request_parser p = {0};
    struct arg_list list = {0};
    static char got[sizeof s->expected];
    size_t got_len = 0, start = 0, fed = 0, eaten;
    while (start < s->len) {
        enum request_step step = feed(&p, s->bytes + start, fed - start, &list, &eaten);
        assert_int_not_equal(step, REQUEST_BROKEN);
        if (step == REQUEST_MORE) {
            assert_true(fed < s->len);
            fed += 1 + (size_t)rand() % (rand() % 2 == 0 ? 5 : 500);
            fed = fed < s->len ? fed : s->len;
            continue;
        }
        for (uint32_t i = 0; i < list.count; i++) {
            got_len += (size_t)sprintf(got + got_len, "%zu:", list.args[i].len);
            memcpy(got + got_len, list.args[i].ptr, list.args[i].len);
            got_len += list.args[i].len;
        }
        got[got_len++] = ';';
        list.count = 0;
        start += eaten;
    }
    assert_int_equal(got_len, s->expected_len);
    assert_memory_equal(got, s->expected, got_len);
    request_parser_fini(&p);
    arg_list_fini(&list);
}

static void test_random_streams(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    srand(seed);
    static struct stream s;
    for (int round = 0; round < 300; round++) {
        s.len = s.expected_len = 0;
        while (s.len < 16 * 1024)
            add_random_request(&s);
        check_random_stream(&s);
    }
}

/* -- words ------------------------------------------------------------------------------------- */

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *line, *words; /* NULL: unbalanced */
    } cases[] = {
        {"", ""},
        {"a b", "1:a|1:b|"},
        {"\ta\v b\n", "2:a\v|1:b|"},
        {"\"a b\\n\\x41\\xzz\"", "8:a b\nAxzz|"},
        {"'a\\'b\"c\\n'", "7:a'b\"c\\n|"},
        {"\"\" ''", "0:|0:|"},
        {"a\"b c\" d", "4:ab c|1:d|"},
        {"\"\\q\\b\\a\\t\\r\\\"\\\\\"", "7:q\b\a\t\r\"\\|"},
        {"a\\nb", "4:a\\nb|"},
        {"'a'\v'b'", "1:a|1:b|"},
        {"\"a\"b", NULL},
        {"'a'b", NULL},
        {"\"a", NULL},
        {"\"a\\\"", NULL},
        {"\"a\\", NULL},
        {"'a\\\\'", NULL}, /* a backslash, then an escaped quote */
        {"'", NULL},
        {"\"\\x4", NULL},
        {"\"\\x4\"", "2:x4|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arg_list list = {0};
        size_t len = strlen(cases[i].line);
        char got[128];
        memcpy(wall - len, cases[i].line, len);
        assert_int_equal(request_split_words(wall - len, len, &list), cases[i].words != NULL);
        describe(&list, got);
        assert_string_equal(got, cases[i].words != NULL ? cases[i].words : "");
        arg_list_fini(&list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_cut),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_requests_add_up_in_the_list),
        cmocka_unit_test(test_errors_at_any_cut),
        cmocka_unit_test(test_endless_lines),
        cmocka_unit_test(test_nul_hides_line_end),
        cmocka_unit_test(test_limits_before_authentication),
        cmocka_unit_test(test_many_arguments_in_pieces),
        cmocka_unit_test(test_supply),
        cmocka_unit_test(test_what_is_big),
        cmocka_unit_test(test_random_streams),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, build_wall, remove_wall);
}
