/*
 * test_string_options.c - which options of the SET family go together, and where their values are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/commands/expiration.h"
#include "server/commands/string_options.h"

enum {
    SET = OPTS_EXIST | OPTS_COMPARE | OPTS_TIME | OPT_BIT(OPT_GET) | OPT_BIT(OPT_KEEPTTL),
    GETEX = OPTS_TIME | OPT_BIT(OPT_PERSIST),
    INCREX = OPTS_TIME | OPT_BIT(OPT_PERSIST) | OPT_BIT(OPT_ENX) | OPT_BIT(OPT_BYINT) |
             OPT_BIT(OPT_BYFLOAT) | OPT_BIT(OPT_LBOUND) | OPT_BIT(OPT_UBOUND) |
             OPT_BIT(OPT_SATURATE) | OPTS_ONCE,
};

static struct string_options options;

/* Parse words separated by single spaces. */
static bool parse(uint32_t allowed, const char *text)
{
    struct bytes argv[16];
    int argc = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        argv[argc++] = bytes_of(text, len);
        text += len + (text[len] == ' ');
    }
    return string_options_parse(argv, argc, 0, allowed, &options);
}

static void test_set(void **state)
{
    (void)state;
    assert_true(parse(SET, ""));
    assert_int_equal(options.given, 0);
    assert_true(parse(SET, "nx get Ex 10"));
    assert_int_equal(options.given, OPT_BIT(OPT_NX) | OPT_BIT(OPT_GET) | OPT_BIT(OPT_EX));
    assert_int_equal(options.value[OPT_EX], 3);
    assert_true(parse(SET, "EX 10 EX 20"));
    assert_int_equal(options.value[OPT_EX], 3);
    assert_true(parse(SET, "NX NX KEEPTTL KEEPTTL GET GET"));
    assert_true(parse(SET, "IFEQ NX"));
    assert_int_equal(options.given, OPT_BIT(OPT_IFEQ));
    assert_false(parse(SET, "NX XX"));
    assert_false(parse(SET, "EX"));
    assert_false(parse(SET, "EX 10 PX 20"));
    assert_false(parse(SET, "PXAT 10 KEEPTTL"));
    assert_false(parse(SET, "PERSIST"));
    assert_false(parse(SET, "IFEQ a IFEQ b"));
    assert_false(parse(SET, "XX IFDNE a"));
    assert_false(parse(SET, "word"));
}

static void test_getex(void **state)
{
    (void)state;
    assert_true(parse(GETEX, "PERSIST PERSIST"));
    assert_false(parse(GETEX, "PERSIST EX 1"));
    assert_false(parse(GETEX, "KEEPTTL"));
    assert_false(parse(GETEX, "NX"));
}

static void test_none_twice(void **state)
{
    (void)state;
    assert_true(parse(INCREX, "EX 100 BYINT 5 LBOUND 0 UBOUND 9 SATURATE ENX"));
    assert_int_equal(options.value[OPT_UBOUND], 7);
    assert_false(parse(INCREX, "EX 10 EX 20"));
    assert_false(parse(INCREX, "SATURATE SATURATE"));
    assert_false(parse(INCREX, "BYINT 1 BYFLOAT 2"));
    assert_false(parse(INCREX, "ENX PERSIST"));
    assert_false(parse(INCREX, "PERSIST ENX"));
}

static void test_deadlines(void **state)
{
    (void)state;
    const struct time_unit seconds = {true, true}, at = {false, false};
    int64_t deadline;
    assert_true(expiration_deadline(5, seconds, 1000, &deadline));
    assert_int_equal(deadline, 6000);
    assert_true(expiration_deadline(INT64_MAX, at, 1000, &deadline));
    assert_true(deadline == INT64_MAX);
    assert_false(expiration_deadline(INT64_MAX / 1000 + 1, seconds, 0, &deadline));
    assert_false(expiration_deadline(INT64_MAX / 1000, seconds, 1000, &deadline));
    assert_false(expiration_deadline(INT64_MIN / 1000 - 1, seconds, 0, &deadline));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_getex),
        cmocka_unit_test(test_none_twice),
        cmocka_unit_test(test_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
