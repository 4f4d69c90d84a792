/*
 * test_docs.c - the grammar of argument descriptions: what is refused, and what COMMAND DOCS says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "server/docs.h"

/* The reply with a space for each line end; freed by the caller. */
static char *arguments(const char *args, int resp)
{
    struct reply_pool pool = {0};
    struct reply_errors errors = {0};
    struct reply r;
    reply_init(&r, &pool, &errors);
    r.resp = (uint8_t)resp;
    docs_reply_arguments(&r, args);
    size_t len = reply_bytes(&r), out = 0;
    char *text = mem_alloc(len + 1);
    reply_copy(&r, text);
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\r')
            text[out++] = text[i] == '\n' ? ' ' : text[i];
    }
    text[out] = '\0';
    reply_fini(&r);
    reply_pool_fini(&pool);
    return text;
}

static void check_arguments(const char *args, int resp, const char *expected)
{
    assert_null(docs_check_arguments(args));
    char *text = arguments(args, resp);
    assert_string_equal(text, expected);
    mem_free(text);
}

static void test_plain_argument(void **state)
{
    (void)state;
    check_arguments("key:key#0", 2,
                    "*1 *8 $4 name $3 key $4 type $3 key $12 display_text $3 key "
                    "$14 key_spec_index :0 ");
    check_arguments("value", 3,
                    "*1 %3 $4 name $5 value $4 type $6 string $12 display_text $5 value ");
}

static void test_marks_in_order(void **state)
{
    (void)state;
    check_arguments("id:integer=ID?+@1.2.3!4.5~'ip:port'", 3,
                    "*1 %7 $4 name $2 id $4 type $7 integer $12 display_text $7 ip:port "
                    "$5 token $2 ID $5 since $5 1.2.3 $16 deprecated_since $3 4.5 "
                    "$5 flags ~3 +optional +multiple +multiple_token ");
}

static void test_nesting(void **state)
{
    (void)state;
    check_arguments("a=A(b:token='('|c{d e*})?", 3,
                    "*1 %5 $4 name $1 a $4 type $5 oneof $5 token $1 A $5 flags ~1 +optional "
                    "$9 arguments *2 "
                    "%4 $4 name $1 b $4 type $10 pure-token $12 display_text $1 b $5 token $1 ( "
                    "%3 $4 name $1 c $4 type $5 block $9 arguments *2 "
                    "%3 $4 name $1 d $4 type $6 string $12 display_text $1 d "
                    "%4 $4 name $1 e $4 type $6 string $12 display_text $1 e "
                    "$5 flags ~1 +multiple ");
}

static void test_count_is_of_the_top_level(void **state)
{
    (void)state;
    assert_int_equal(docs_count_arguments("a"), 1);
    assert_int_equal(docs_count_arguments("a{b c}* d(e|f) g"), 3);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",           " ",      "a ",   "a  b",     "a|b",        "a:nosuch", "a:token",
        "a(b c)",     "a{b|c}", "a(b",  "a{b)",     "a()",        "a#",       "a#x",
        "a*+",        "a?@",    "a=''", "a='b",     "'a'",        "a:key(b)", "a@1.0?",
        "a:integer:", "a=",     "a)",   "a{b(c|d)", "a(b|c{d)})",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (docs_check_arguments(wrong[i]) == NULL)
            fail_msg("'%s' was accepted", wrong[i]);
    }
}

static void test_refusal_says_where(void **state)
{
    (void)state;
    assert_string_equal(docs_check_arguments("good bad:type more"), " more");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_argument), cmocka_unit_test(test_marks_in_order),
        cmocka_unit_test(test_nesting),        cmocka_unit_test(test_count_is_of_the_top_level),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_refusal_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
