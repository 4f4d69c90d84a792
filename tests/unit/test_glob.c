/*
 * test_glob.c - glob patterns: what Redis matches, and no pattern that takes for ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/glob.h"

/* Answers of a Redis 7 to KEYS, with text as the only key, or to PUBLISH with text as the channel.
 */
static const struct {
    const char *pattern, *text;
    bool matches;
} cases[] = {
    {"*", "", false},
    {"**", "", false},
    {"", "", true},
    {"", "a", false},
    {"a", "", false},
    {"a", "a", true},
    {"a", "b", false},
    {"?", "\xff", true},
    {"?", "", false},
    {"**", "a", true},
    {"a**", "a", true},
    {"a*?", "a", false},
    {"*a?", "xab", true},
    {"*:*:*", "a:b:c", true},
    {"*:*:*", "a:b", false},
    {"h[ae]llo", "hallo", true},
    {"h[^e]llo", "hello", false},
    {"h[a-b]llo", "hbllo", true},
    {"[c-a]", "b", true},
    {"[a-c-e]", "d", false},
    {"[a-c-e]", "-", true},
    {"[--0]", ".", true},
    {"[\x80-\xff]", "\xc0", true},
    {"[!a]", "!", true},
    {"[!a]", "b", false},
    {"[[]", "[", true},
    {"[^^]", "a", true},
    {"[^^]", "^", false},
    {"[]a]", "a]", false},
    {"[]", "a", false},
    {"[^]", "a", true},
    {"[^a]", "", false},
    {"[\\]]", "]", true},
    {"[\\a-c]", "b", false},
    {"[\\a-c]", "-", true},
    {"[a\\-c]", "b", false},
    {"[a\\-c]", "-", true},
    {"[a-\\c]", "c", true},
    {"[a-\\]]", "\\]", true},
    /* a class that is not closed ends with the pattern */
    {"[", "[", false},
    {"[^", "a", true},
    {"[a", "a", true},
    {"[a", "ab", false},
    {"a[b", "ab", true},
    {"[a-", "-", true},
    {"[a-]", "]", true},
    {"[a-]", "-", false},
    {"[a-b", "b", true},
    {"[a\\", "\\", true},
    {"x[", "x", false},
    {"\\", "\\", true},
    {"a\\", "a\\", true},
    {"\\a", "a", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"a\\\\b", "a\\b", true},
};

static void test_as_redis(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes pattern = bytes_of_text(cases[i].pattern);
        if (glob_match(pattern, bytes_of_text(cases[i].text), false) != cases[i].matches)
            fail_msg("'%s' against '%s'", cases[i].pattern, cases[i].text);
    }
}

static void test_case_may_be_ignored(void **state)
{
    (void)state;
    struct bytes text = bytes_of_text("MaxMemory");
    assert_true(glob_match(bytes_of_text("maxm*"), text, true));
    assert_false(glob_match(bytes_of_text("maxm*"), text, false));
    assert_true(glob_match(bytes_of_text("[L-N]ax[m]EMO\\RY"), text, true));
    assert_true(glob_match(bytes_of_text("[l-n]*"), text, true));
}

static void test_zero_bytes(void **state)
{
    (void)state;
    assert_true(glob_match(bytes_of("a\0?", 3), bytes_of("a\0b", 3), false));
    assert_false(glob_match(bytes_of("a\0b", 3), bytes_of("a\0c", 3), false));
}

/* Exponential for a matcher that recurses at each star. */
static void test_many_stars(void **state)
{
    (void)state;
    char pattern[2001], text[20000];
    for (size_t i = 0; i < 2000; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[2000] = 'b';
    memset(text, 'a', sizeof text);
    assert_false(glob_match(bytes_of(pattern, 2001), bytes_of(text, sizeof text), false));
    assert_true(glob_match(bytes_of(pattern, 2000), bytes_of(text, sizeof text), false));
}

/* Redis lets a thousand stars match; one at the end is free, and neighbours are one. */
static void test_too_many_stars(void **state)
{
    (void)state;
    char pattern[2003], text[20000];
    for (size_t i = 0; i < 2002; i += 2)
        memcpy(pattern + i, "*?", 2);
    pattern[2002] = '*';
    memset(text, 'a', sizeof text);
    assert_false(glob_match(bytes_of(pattern, 2002), bytes_of(text, sizeof text), false));
    assert_true(glob_match(bytes_of(pattern + 2, 2001), bytes_of(text, sizeof text), false));
    pattern[1] = '*';
    assert_true(glob_match(bytes_of(pattern, 2002), bytes_of(text, sizeof text), false));
}

/* Stars and question marks by definition. */
static bool matches_by_definition(const char *pattern, const char *text)
{
    if (*pattern == '\0')
        return *text == '\0';
    if (*pattern == '*')
        return matches_by_definition(pattern + 1, text) ||
               (*text != '\0' && matches_by_definition(pattern, text + 1));
    return *text != '\0' && (*pattern == '?' || *pattern == *text) &&
           matches_by_definition(pattern + 1, text + 1);
}

static void test_random_patterns(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < 200000; i++) {
        char pattern[9] = "", text[13] = "";
        for (int n = rand() % 8, at = 0; at < n; at++)
            pattern[at] = "ab*?*"[rand() % 5];
        for (int n = rand() % 12, at = 0; at < n; at++)
            text[at] = "ab"[rand() % 2];
        assert_int_equal(glob_match(bytes_of_text(pattern), bytes_of_text(text), false),
                         *text == '\0' ? *pattern == '\0' : matches_by_definition(pattern, text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_redis),       cmocka_unit_test(test_case_may_be_ignored),
        cmocka_unit_test(test_zero_bytes),     cmocka_unit_test(test_many_stars),
        cmocka_unit_test(test_too_many_stars), cmocka_unit_test(test_random_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
