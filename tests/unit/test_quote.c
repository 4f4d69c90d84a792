/*
 * test_quote.c - quoted texts: every byte, and back again through the parser of inline requests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/quote.h"
#include "protocol/request.h"

static void assert_quoted(struct bytes raw, const char *expected)
{
    struct text out = {0};
    quote_add(&out, raw);
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(out.data, expected, out.len);
    text_fini(&out);
}

static void test_plain(void **state)
{
    (void)state;
    assert_quoted(bytes_of("", 0), "\"\"");
    assert_quoted(bytes_of_text("set"), "\"set\"");
    assert_quoted(bytes_of_text("a b'c~!"), "\"a b'c~!\"");
}

static void test_escapes(void **state)
{
    (void)state;
    assert_quoted(bytes_of_text("k\x01\"\\\n\r\t\a\b\xff"),
                  "\"k\\x01\\\"\\\\\\n\\r\\t\\a\\b\\xff\"");
    assert_quoted(bytes_of("\0\x7f", 2), "\"\\x00\\x7f\"");
    assert_quoted(bytes_of_text("\n\nx\n"), "\"\\n\\nx\\n\"");
}

static void test_appends(void **state)
{
    (void)state;
    struct text out = {0};
    text_add(&out, bytes_of_text("x "));
    quote_add(&out, bytes_of_text("y"));
    assert_true(bytes_equal(text_view(&out), bytes_of_text("x \"y\"")));
    text_fini(&out);
}

/* What is quoted can be sent as an inline request and arrives as it was. */
static void test_every_byte_comes_back(void **state)
{
    (void)state;
    char raw[256];
    for (int i = 0; i < 256; i++)
        raw[i] = (char)i;
    struct text out = {0};
    quote_add(&out, bytes_of(raw, sizeof(raw)));
    struct arg_list words = {0};
    assert_true(request_split_words(out.data, out.len, &words));
    assert_int_equal(words.count, 1);
    assert_int_equal(words.args[0].len, sizeof(raw));
    assert_memory_equal(words.args[0].ptr, raw, sizeof(raw));
    arg_list_fini(&words);
    text_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_every_byte_comes_back),
    };
    return cmocka_run_group_tests_name("quote", tests, NULL, NULL);
}
