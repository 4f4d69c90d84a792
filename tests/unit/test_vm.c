/*
 * test_vm.c - a Lua state with a server made of paper: what scripts get, and how they end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <lauxlib.h>

#include "protocol/reply.h"
#include "scripting/cache.h"
#include "scripting/vm.h"

static struct reply_pool pool;
static struct reply_errors errors;
static struct reply answers, out;
static struct vm *vm;
static int polls, polls_allowed;
static char text[64 * 1024];

/* A server that knows three commands. */
static struct reply *call(void *context, int resp, const struct bytes *argv, int argc)
{
    (void)context;
    answers.resp = (uint8_t)resp;
    if (bytes_is_word(argv[0], "echo"))
        reply_bulk(&answers, argv[1]);
    else if (bytes_is_word(argv[0], "count"))
        reply_int(&answers, argc);
    else if (bytes_is_word(argv[0], "raw"))
        reply_raw(&answers, argv[1]);
    else if (bytes_is_word(argv[0], "interrupt"))
        vm_interrupt(vm), reply_ok(&answers);
    else
        reply_error(&answers, "ERR Unknown Redis command called from script");
    return &answers;
}

static void log_nothing(void *context, int level, struct bytes line)
{
    (void)context;
    (void)level;
    (void)line;
}

static int may_call(void *context, const struct bytes *argv, int argc)
{
    (void)context;
    (void)argc;
    return bytes_is_word(argv[0], "echo") ? 1 : -1;
}

static const char *interrupted(void *context)
{
    (void)context;
    return ++polls > polls_allowed ? "that is enough" : NULL;
}

static const struct script_host host = {
    .version = "7.4.1",
    .version_number = 0x070401,
    .call = call,
    .log = log_nothing,
    .may_call = may_call,
    .interrupted = interrupted,
};

static int set_up(void **state)
{
    (void)state;
    reply_init(&answers, &pool, &errors);
    reply_init(&out, &pool, &errors);
    vm = vm_create(&host, 32 << 20, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    vm_destroy(vm);
    reply_fini(&answers);
    reply_fini(&out);
    reply_pool_fini(&pool);
    return 0;
}

/* What the script answers, as text. */
static const char *run_as(const char *code, int resp, bool maps)
{
    static const struct bytes key = {"k1", 2}, args[] = {{"a1", 2}, {"a2", 2}};
    char error[VM_ERROR_MAX];
    out.resp = (uint8_t)resp;
    int function = vm_compile(vm, bytes_of_text(code), "@user_script", error);
    if (function == LUA_NOREF) {
        snprintf(text, sizeof text, "%s", error);
        return text;
    }
    struct vm_run run = {.function = function,
                         .name = "sha",
                         .keys = &key,
                         .key_count = 1,
                         .args = args,
                         .arg_count = 2,
                         .as_globals = true,
                         .maps = maps,
                         .out = &out};
    vm_run(vm, &run);
    vm_forget(vm, function);
    size_t len = reply_bytes(&out);
    assert_true(len < sizeof text);
    reply_copy(&out, text);
    text[len] = '\0';
    assert_int_equal(run.failed, text[0] == '-');
    reply_rewind(&out, (struct reply_mark){0});
    return text;
}

static const char *run(const char *code)
{
    return run_as(code, 2, true);
}

struct expected {
    const char *code, *reply;
};

static void check(const struct expected *list)
{
    for (; list->code != NULL; list++)
        assert_string_equal(run(list->code), list->reply);
}

static void test_values_become_replies(void **state)
{
    (void)state;
    static const struct expected list[] = {
        {"return 3.99", ":3\r\n"},
        {"return -3.99", ":-3\r\n"},
        {"return 9007199254740993", ":9007199254740993\r\n"},
        {"return 0/0", ":-9223372036854775808\r\n"},
        {"return true", ":1\r\n"},
        {"return false", "$-1\r\n"},
        {"return", "$-1\r\n"},
        {"return {1,'a',nil,3}", "*2\r\n:1\r\n$1\r\na\r\n"},
        {"return {ok='fine'}", "+fine\r\n"},
        {"return {err='BAD thing'}", "-BAD thing\r\n"},
        {"return {err='BAD a\\r\\nb\\n'}", "-BAD a  b\r\n"},
        {"return {ok='a\\r\\nb'}", "+a  b\r\n"},
        {"return {big_number='1\\r\\n2'}", "$4\r\n1  2\r\n"},
        {"return {double=2.5}", "$3\r\n2.5\r\n"},
        {"return {KEYS[1],ARGV[2],#KEYS,#ARGV}", "*4\r\n$2\r\nk1\r\n$2\r\na2\r\n:1\r\n:2\r\n"},
        {NULL, NULL},
    };
    check(list);
}

static void test_names_make_a_map(void **state)
{
    (void)state;
    assert_string_equal(run("return {b=1, a='x', [7]=true}"),
                        "*6\r\n$1\r\na\r\n$1\r\nx\r\n$1\r\nb\r\n:1\r\n:7\r\n:1\r\n");
    assert_string_equal(run_as("return {ok=true, n=5}", 3, true),
                        "%2\r\n$1\r\nn\r\n:5\r\n$2\r\nok\r\n:1\r\n");
    assert_string_equal(run_as("return {ok='x', n=5}", 3, true),
                        "%2\r\n$1\r\nn\r\n:5\r\n$2\r\nok\r\n$1\r\nx\r\n");
    assert_string_equal(run_as("return {ok='x', n=5}", 3, false), "+x\r\n");
    assert_string_equal(run_as("return {n=5}", 3, false), "*0\r\n");
    assert_string_equal(run_as("return {1, n=5}", 3, true), "*1\r\n:1\r\n");
    assert_string_equal(run("return {[7]=1}"), "*0\r\n");
}

static void test_typed_replies_of_resp3(void **state)
{
    (void)state;
    assert_string_equal(run_as("redis.setresp(3) return {map={a=1}}", 3, true),
                        "%1\r\n$1\r\na\r\n:1\r\n");
    assert_string_equal(run_as("return {set={a=true}}", 3, true), "~1\r\n$1\r\na\r\n");
    assert_string_equal(run_as("redis.setresp(3) return true", 3, true), "#t\r\n");
    assert_string_equal(run_as("return nil", 3, true), "_\r\n");
    assert_string_equal(run_as("return {verbatim_string={string='x',format='txt'}}", 3, true),
                        "=5\r\ntxt:x\r\n");
    assert_string_equal(run_as("return {big_number='12'}", 3, true), "(12\r\n");
}

static void test_replies_become_values(void **state)
{
    (void)state;
    static const struct expected list[] = {
        {"return redis.call('raw', '$-1\\r\\n') == false", ":1\r\n"},
        {"return redis.call('raw', '*-1\\r\\n') == false", ":1\r\n"},
        {"return redis.call('raw', '_\\r\\n') == nil", ":1\r\n"},
        {"return redis.call('raw', '+OK\\r\\n').ok", "$2\r\nOK\r\n"},
        {"return redis.call('raw', ':-9223372036854775808\\r\\n')", ":-9223372036854775808\r\n"},
        {"return redis.call('raw', '*2\\r\\n:1\\r\\n*1\\r\\n$1\\r\\nx\\r\\n')[2][1]",
         "$1\r\nx\r\n"},
        {"return redis.call('raw', '%1\\r\\n$1\\r\\na\\r\\n:7\\r\\n').map.a", ":7\r\n"},
        {"return redis.call('raw', '~1\\r\\n$1\\r\\na\\r\\n').set.a", ":1\r\n"},
        {"return redis.call('raw', ',1.5\\r\\n').double * 2", ":3\r\n"},
        {"return redis.call('raw', '(123\\r\\n').big_number", "$3\r\n123\r\n"},
        {"return redis.call('raw', '#t\\r\\n') == true", ":1\r\n"},
        {"local v = redis.call('raw', '=5\\r\\ntxt:x\\r\\n').verbatim_string return v.format .. "
         "v.string",
         "$4\r\ntxtx\r\n"},
        {"return redis.call('raw', '|1\\r\\n+k\\r\\n+v\\r\\n:5\\r\\n')", ":5\r\n"},
        {"return redis.call('echo', 10/2)", "$1\r\n5\r\n"},
        {"return redis.call('echo', 1e17)", "$18\r\n100000000000000000\r\n"},
        {"return redis.call('echo', 3.3)", "$3\r\n3.3\r\n"},
        {"return #redis.call('echo', ('x'):rep(100000))", ":100000\r\n"},
        {"return redis.call('count', unpack({1,2,3}))", ":4\r\n"},
        {NULL, NULL},
    };
    check(list);
}

static void test_errors_say_where(void **state)
{
    (void)state;
    static const struct expected list[] = {
        {"error('x')", "-ERR user_script:1: x script: sha, on @user_script:1.\r\n"},
        {"\nerror({err='MY x'})", "-MY x script: sha, on @user_script:2.\r\n"},
        {"error({})", "-ERR unknown error script: sha, on @user_script:1.\r\n"},
        {"error(setmetatable({}, {__index=error}))",
         "-ERR unknown error script: sha, on @user_script:1.\r\n"},
        {"redis.call('nosuch')", "-ERR Unknown Redis command called from script script: sha, on "
                                 "@user_script:1.\r\n"},
        {"return redis.pcall('nosuch')", "-ERR Unknown Redis command called from script\r\n"},
        {"local ok, e = pcall(redis.call, 'nosuch') return e",
         "$44\r\nERR Unknown Redis command called from script\r\n"},
        {"local ok, e = pcall(error, {code=5}) return e.code", ":5\r\n"},
        {"redis.call({})", "-ERR Lua redis lib command arguments must be strings or integers "
                           "script: sha, on @user_script:1.\r\n"},
        {NULL, NULL},
    };
    check(list);
    assert_non_null(strstr(run("return redis.error_reply()"), "wrong number or type"));
}

static void test_what_outlives_a_script_is_read_only(void **state)
{
    (void)state;
    static const char *const attempts[] = {
        "x = 1",
        "_G.x = 1",
        "rawset(_G, 'x', 1)",
        "redis.call = nil",
        "rawset(redis, 'call', 1)",
        "string.rep = nil",
        "getmetatable('').__index = {}",
        "rawset(getmetatable(''), '__add', 1)",
        "getmetatable('').__index.rep = 1",
        "setmetatable(_G, {})",
        "setmetatable(string, nil)",
        "table.insert(redis, 1)",
        "getmetatable(_G).__index = 1",
        "KEYS = {}",
        "local f, s = pairs(redis) s.x = 1",
        "local f, s = pairs(redis) rawset(s, 'x', 1)",
        "cjson.encode = nil",
        "for _, t in pairs(_G) do if type(t) == 'table' then t.y = 1 end end",
    };
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        const char *reply = run(attempts[i]);
        if (strstr(reply, "Attempt to modify a readonly table") == NULL)
            fail_msg("%s: %s", attempts[i], reply);
    }
    assert_string_equal(run("return {type(redis.call), ('x'):rep(2)}"),
                        "*2\r\n$8\r\nfunction\r\n$2\r\nxx\r\n");
}

static void test_globals_are_few(void **state)
{
    (void)state;
    static const char *const absent[] = {"io",     "debug",    "require", "package",
                                         "dofile", "loadfile", "print",   "rawlen",
                                         "utf8",   "warn",     "getfenv", "newproxy"};
    char code[64];
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        snprintf(code, sizeof code, "return %s", absent[i]);
        assert_non_null(strstr(run(code), "nonexistent global variable"));
    }
    assert_string_equal(run("local n = '' for k in pairs(os) do n = n .. k end return n"),
                        "$5\r\nclock\r\n");
    assert_string_equal(run("return rawget(_G, 'nosuch') == nil"), ":1\r\n");
}

static void test_no_bytecode(void **state)
{
    (void)state;
    assert_string_equal(run("return loadstring(string.dump(loadstring('return 1'))) == nil"),
                        ":1\r\n");
    assert_string_equal(run("local s = string.dump(loadstring('return 1')) local d = false "
                            "return load(function() d = not d return d and s or nil end) == nil"),
                        ":1\r\n");
    char error[VM_ERROR_MAX];
    assert_int_equal(vm_compile(vm, bytes_of_text("\033Lua"), "@x", error), LUA_NOREF);
}

/* Finalizers would run inside of somebody else's script. */
static void test_no_finalizers(void **state)
{
    (void)state;
    run("setmetatable({}, {__gc = function() redis.call('interrupt') end})");
    polls = polls_allowed = 0;
    assert_string_equal(run("collectgarbage() for i = 1, 1e5 do end return 1"), ":1\r\n");
    assert_int_equal(polls, 0);
}

static void test_memory_is_bounded(void **state)
{
    (void)state;
    static const char *const greedy[] = {
        "local s = 'x' while true do s = s .. s end",
        "local t = {} for i = 1, 1e9 do t[i] = i .. 'x' end",
        "return ('x'):rep(1e8)",
        "local t = {} while true do t = {t, t} end",
        "local t = {} for i = 1, 1e7 do t[i] = i end return t",
    };
    for (size_t i = 0; i < sizeof greedy / sizeof *greedy; i++)
        assert_non_null(strstr(run(greedy[i]), "not enough memory"));
    assert_string_equal(run("collectgarbage() return 1"), ":1\r\n");
    assert_true(vm_memory(vm) < 4 << 20);
}

static void test_recursion_is_bounded(void **state)
{
    (void)state;
    assert_non_null(strstr(run("local function f() return 1 + f() end return f()"), "-ERR"));
    assert_non_null(strstr(run("local function f() return pcall(f) end return f()"), "1\r\n"));
    run("local t = {} for i = 1, 1e5 do t = {t} end return t");
    assert_non_null(strstr(text, "reached lua stack limit"));
    run("local t = {} t[1] = t return t");
    assert_non_null(strstr(text, "reached lua stack limit"));
}

/* Nothing that a script does keeps the end away. */
static void test_interrupted_scripts_end(void **state)
{
    (void)state;
    static const char *const endless[] = {
        "redis.call('interrupt') while true do end",
        "redis.call('interrupt') while true do pcall(function() while true do end end) end",
        "redis.call('interrupt') while true do redis.pcall('echo', 'x') end",
        "coroutine.wrap(function() redis.call('interrupt') while true do end end)()",
        "redis.call('interrupt') coroutine.wrap(function() while true do end end)()",
        "redis.call('interrupt') local c = coroutine.create(function() while true do "
        "coroutine.yield() end end) while true do coroutine.resume(c) end",
        "redis.call('interrupt') while true do xpcall(function() while true do end end, "
        "function() while true do end end) end",
        "redis.call('interrupt') setmetatable({}, {__index = function() while true do end "
        "end}).x()",
    };
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        polls = 0;
        polls_allowed = 3;
        if (strstr(run(endless[i]), "that is enough") == NULL)
            fail_msg("%s: %s", endless[i], text);
    }
    polls = 0;
    assert_string_equal(run("for i = 1, 1e5 do end return 1"), ":1\r\n");
    assert_int_equal(polls, 0);
}

static void test_one_run_leaves_nothing_to_the_next(void **state)
{
    (void)state;
    run("redis.setresp(3) KEYS.x = 1 setmetatable(KEYS, {__index = function() return 'left' end})");
    assert_string_equal(run("return KEYS.x == nil and KEYS[9] == nil"), ":1\r\n");
    run("KEYS[2] = 'left' ARGV[1] = nil ARGV.y = 1");
    assert_string_equal(run("local n = 0 for k in pairs(KEYS) do n = n + 1 end "
                            "for k in pairs(ARGV) do n = n + 1 end return {n, #KEYS, ARGV[1]}"),
                        "*3\r\n:3\r\n:1\r\n$2\r\na1\r\n");
    assert_string_equal(run_as("return true", 3, true), ":1\r\n");
}

/* -- cache ------------------------------------------------------------------------------------- */

static struct script *add(struct script_cache *c, int number, bool loaded)
{
    char code[64], error[VM_ERROR_MAX];
    snprintf(code, sizeof code, "return %d", number);
    struct script *s = script_cache_add(c, vm, bytes_of_text(code), loaded, error);
    assert_non_null(s);
    return s;
}

static void test_cache_forgets_what_was_used_least(void **state)
{
    (void)state;
    struct script_cache *c = script_cache_create();
    char kept[SHA1_HEX + 1], used[SHA1_HEX + 1];
    memcpy(kept, add(c, 0, true)->sha, sizeof kept);
    memcpy(used, add(c, 1, false)->sha, sizeof used);
    for (int i = 2; i <= SCRIPT_CACHE_MAX; i++)
        add(c, i, false);
    assert_non_null(script_cache_find(c, bytes_of(used, SHA1_HEX)));
    for (int i = 1; i < SCRIPT_CACHE_MAX; i++)
        add(c, SCRIPT_CACHE_MAX + i, false);
    assert_non_null(script_cache_find(c, bytes_of(used, SHA1_HEX)));
    assert_non_null(script_cache_find(c, bytes_of(kept, SHA1_HEX)));
    assert_null(script_cache_find_body(c, bytes_of_text("return 2")));
    assert_int_equal(script_cache_count(c), SCRIPT_CACHE_MAX + 1);
    assert_int_equal(script_cache_evicted(c), SCRIPT_CACHE_MAX - 1);
    script_cache_destroy(c);
}

static void test_shebang(void **state)
{
    (void)state;
    static const struct {
        const char *code, *error;
        uint32_t flags;
    } cases[] = {
        {"return 1", NULL, SCRIPT_COMPATIBLE},
        {"#!lua\nreturn 1", NULL, 0},
        {"#!lua flags=\nreturn 1", NULL, 0},
        {"#!lua  flags=no-writes,allow-oom\nreturn 1", NULL, SCRIPT_NO_WRITES | SCRIPT_ALLOW_OOM},
        {"#!lua", "ERR Invalid script shebang", 0},
        {"#!\nx", "ERR Unexpected engine in script shebang: #!", 0},
        {"#!lua name=x\nx", "ERR Unknown lua shebang option: name=x", 0},
        {"#!lua flags=no-writes,\nx", "ERR Unexpected flag in script shebang: ", 0},
        {"#!lua flags=nope\nx", "ERR Unexpected flag in script shebang: nope", 0},
        {"#!lua\nx y",
         "ERR Error compiling script (new function): user_script:2: '=' expected near 'y'", 0},
    };
    struct script_cache *c = script_cache_create();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char error[VM_ERROR_MAX];
        struct script *s = script_cache_add(c, vm, bytes_of_text(cases[i].code), false, error);
        assert_int_equal(s == NULL, cases[i].error != NULL);
        if (s != NULL)
            assert_int_equal(s->flags, cases[i].flags);
        else
            assert_string_equal(error, cases[i].error);
    }
    script_cache_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values_become_replies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_make_a_map, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_typed_replies_of_resp3, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replies_become_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errors_say_where, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_outlives_a_script_is_read_only, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_globals_are_few, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_bytecode, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_finalizers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_recursion_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_interrupted_scripts_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_run_leaves_nothing_to_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cache_forgets_what_was_used_least, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shebang, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
