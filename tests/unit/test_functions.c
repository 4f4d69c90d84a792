/*
 * test_functions.c - libraries: what the first line may say, what loading may do, and a registry
 * whose changes are taken back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/text.h"
#include "scripting/functions.h"
#include "storage/keyspace.h"
#include "storage/undo.h"

#define F "redis.register_function('f', function() return 1 end)"

static const struct script_host host = {.version = "7.4.1", .version_number = 0x70401};

static struct functions *fresh(void)
{
    return functions_create(&host, 0);
}

/* Load and add; the error's text, "" for none. */
static const char *load(struct functions *f, const char *code, bool replace, struct undo *undo)
{
    static char error[VM_ERROR_MAX];
    error[0] = '\0';
    struct library *lib = function_load(f, bytes_of_text(code), replace, error);
    if (lib != NULL && !functions_add(f, &lib, 1, undo, error))
        library_destroy(lib);
    return error;
}

static void test_header(void **state)
{
    (void)state;
    static const struct {
        const char *code, *error;
    } list[] = {
        {"", "ERR Missing library metadata"},
        {"return 1", "ERR Missing library metadata"},
        {"#!", "ERR Invalid library metadata"},
        {"#!lua name=a", "ERR Invalid library metadata"},
        {"#!lua\n", "ERR Library name was not given"},
        {"#!\n", "ERR Library name was not given"},
        {"#!lua name=\n" F, "ERR Library names can only contain letters, numbers, or "
                            "underscores(_) and must be at least one character long"},
        {"#!lua name=a-b\n" F, "ERR Library names can only contain letters, numbers, or "
                               "underscores(_) and must be at least one character long"},
        {"#!lua name=a b=c\n" F, "ERR Invalid metadata value given: b=c"},
        {"#!lua name=a name=b\n" F,
         "ERR Invalid metadata value, name argument was given multiple times"},
        {"#!js name=a\n" F, "ERR Engine 'js' not found"},
        {"#! name=a\n" F, "ERR Engine '' not found"},
        {"#!lua name=\"a\n" F, "ERR Invalid library metadata"},
        {"#!lua name=\"a\"b\n" F, "ERR Invalid library metadata"},
        {"#!lua name=a\n", "ERR No functions registered"},
        {"#!lua name=a\nx x", "ERR Error compiling function: user_function:2: '=' expected near "
                              "'x'"},
        {"#!LUA NAME=\"a\" \r\n" F, ""},
        {"#!lua name='a'\n" F, ""},
        {"#!lua   name=a\n" F, ""},
    };
    struct undo *none = undo_create();
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct functions *f = fresh();
        assert_string_equal(load(f, list[i].code, false, none), list[i].error);
        assert_int_equal(functions_library_count(f), list[i].error[0] == '\0');
        assert_int_equal(functions_find(f, bytes_of_text("F")) != NULL, list[i].error[0] == '\0');
        functions_destroy(f);
    }
    undo_destroy(none);
}

static void test_registration(void **state)
{
    (void)state;
    static const struct {
        const char *call, *error;
    } list[] = {
        {"()", "wrong number of arguments to redis.register_function"},
        {"('f', function() end, {})", "wrong number of arguments to redis.register_function"},
        {"('f')", "calling redis.register_function with a single argument is only applicable to "
                  "Lua table (representing named arguments)."},
        {"(nil, function() end)", "first argument to redis.register_function must be a string"},
        {"('f', 1)", "second argument to redis.register_function must be a function"},
        {"{}", "redis.register_function must get a function name argument"},
        {"{function_name = 'f'}", "redis.register_function must get a callback argument"},
        {"{function_name = {}}",
         "function_name argument given to redis.register_function must be a string"},
        {"{description = {}}",
         "description argument given to redis.register_function must be a string"},
        {"{callback = 'f'}",
         "callback argument given to redis.register_function must be a function"},
        {"{flags = 'f'}", "flags argument to redis.register_function must be a table representing "
                          "function flags"},
        {"{flags = {'nope'}}", "unknown flag given"},
        {"{flags = {{}}}", "unknown flag given"},
        {"{nope = 1}", "unknown argument given to redis.register_function"},
        {"{function_name = 'f', callback = function() end, [1] = 2}",
         "unknown argument given to redis.register_function"},
        {"('f\\0', function() end)",
         "Library names can only contain letters, numbers, or underscores(_) and must be at least "
         "one character long"},
        {"('', function() end)",
         "Library names can only contain letters, numbers, or underscores(_) and must be at least "
         "one character long"},
    };
    struct undo *none = undo_create();
    struct functions *f = fresh();
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char code[512], expected[512];
        snprintf(code, sizeof code, "#!lua name=a\nredis.register_function%s", list[i].call);
        snprintf(expected, sizeof expected, "ERR Error registering functions: ERR %s",
                 list[i].error);
        assert_string_equal(load(f, code, false, none), expected);
    }
    assert_int_equal(functions_library_count(f), 0);
    assert_string_equal(load(f,
                             "#!lua name=a\nredis.register_function{function_name = 'f', "
                             "description = 'd', flags = {'no-writes', 'ALLOW-OOM'}, "
                             "callback = function() end}",
                             false, none),
                        "");
    const struct function *fn = functions_find(f, bytes_of_text("F"));
    assert_string_equal(fn->description, "d");
    assert_int_equal(fn->flags, SCRIPT_NO_WRITES | SCRIPT_ALLOW_OOM);
    functions_destroy(f);
    undo_destroy(none);
}

/* What a library finds while it loads, and how long it may take. */
static void test_loading_is_confined(void **state)
{
    (void)state;
    static const struct {
        const char *code, *error;
    } list[] = {
        {"math.random()", "user_function:2: Script attempted to access nonexistent global variable "
                          "'math'"},
        {"redis.call('ping')", "user_function:2: Script attempted to access nonexistent global "
                               "variable 'call'"},
        {"redis.math.random()", "user_function:2: Script attempted to access nonexistent global "
                                "variable 'math'"},
        {"x = 1", "user_function:2: Attempt to modify a readonly table"},
        {"redis.x = 1", "user_function:2: Attempt to modify a readonly table"},
        {"while true do end", "FUNCTION LOAD timeout"},
        {"local function f() return f() end f()", "FUNCTION LOAD timeout"},
        {"local a = ('x'):rep(10) local t = nil + 1",
         "user_function:2: attempt to perform arithmetic on a nil value"},
    };
    struct undo *none = undo_create();
    struct functions *f = fresh();
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char code[512], expected[512];
        snprintf(code, sizeof code, "#!lua name=a\n%s", list[i].code);
        snprintf(expected, sizeof expected, "ERR Error registering functions: ERR %s",
                 list[i].error);
        assert_string_equal(load(f, code, false, none), expected);
    }
    assert_string_equal(load(f, "#!lua name=a\n" F, false, none), "");
    assert_string_equal(load(f, "#!lua name=a\n" F, false, none), "ERR Library 'a' already exists");
    assert_string_equal(load(f, "#!lua name=b\n" F, false, none), "ERR Function f already exists");
    assert_string_equal(load(f, "#!lua name=a\n" F F, true, none),
                        "ERR Error registering functions: ERR Function already exists in the "
                        "library");
    assert_string_equal(load(f, "#!lua name=a\n" F, true, none), "");
    functions_destroy(f);
    undo_destroy(none);
}

/* A state that ends while it loads leaves nothing behind (the sanitizers look). */
static void test_memory_is_bounded(void **state)
{
    (void)state;
    struct undo *none = undo_create();
    struct functions *f = functions_create(&host, 1 << 20);
    const char *error =
        load(f, "#!lua name=a\n" F " local t = {} for i = 1, 1e9 do t[i] = i end", false, none);
    assert_string_equal(error, "ERR Error registering functions: ERR not enough memory");
    assert_string_equal(load(f, "#!lua name=a\n" F, false, none), "");
    functions_destroy(f);
    undo_destroy(none);
}

/* -- taking back ------------------------------------------------------------------------------- */

/* Names and codes of all that is there. */
static void picture(const struct functions *f, struct text *out)
{
    out->len = 0;
    text_addf(out, "%d:", functions_count(f));
    for (int i = 0; i < functions_library_count(f); i++) {
        const struct library *lib = functions_library(f, i);
        text_addf(out, "%s=%.*s/", lib->name, (int)lib->code.len, lib->code.ptr);
        for (int j = 0; j < lib->count; j++)
            assert_ptr_equal(functions_find(f, bytes_of_text(lib->functions[j]->name)),
                             lib->functions[j]);
    }
}

static void change_at_random(struct functions *f, struct undo *undo)
{
    char code[200];
    int library = (int)random_below(4), function = (int)random_below(6);
    switch (random_below(5)) {
    case 0:
    case 1:
    case 2:
        snprintf(code, sizeof code,
                 "#!lua name=l%d\nredis.register_function('f%d', function() return %d end)",
                 library, function, (int)random_below(100));
        load(f, code, random_below(2), undo);
        break;
    case 3: {
        snprintf(code, sizeof code, "l%d", library);
        struct library *lib = functions_find_library(f, bytes_of_text(code));
        if (lib != NULL)
            functions_drop(f, lib, undo);
        break;
    }
    default: {
        struct functions *other = fresh();
        if (functions_exchange(f, other, undo))
            functions_destroy(other);
    }
    }
}

static void test_sections_are_taken_back(void **state)
{
    (void)state;
    struct keyspace *ks = keyspace_create(1);
    struct functions *f = fresh();
    struct text before = {0}, after = {0};
    for (int round = 0; round < 150; round++) {
        change_at_random(f, ks->undo);
        picture(f, &before);
        struct undo_section section = undo_begin(ks);
        for (uint64_t i = random_below(8); i > 0; i--)
            change_at_random(f, ks->undo);
        if (random_below(4) == 0) {
            undo_commit(ks, section);
            continue;
        }
        undo_rollback(ks, section);
        picture(f, &after);
        assert_string_equal(before.data, after.data);
    }
    text_fini(&before);
    text_fini(&after);
    functions_destroy(f);
    keyspace_destroy(ks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_registration),
        cmocka_unit_test(test_loading_is_confined),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_sections_are_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
