/*
 * test_compat.c - Lua 5.1's rules on Lua 5.4: numbers, text, errors, what the libraries hold.
 *
 * Each expectation is what Redis 7.0 answers, but where the comment says otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <lauxlib.h>

#include "scripting/compat.h"
#include "scripting/compat_parts.h"
#include "tests/unit/lua_cases.h"

static int open_state(void **state)
{
    lua_State *L = luaL_newstate();
    compat_open(L);
    *state = L;
    return 0;
}

static int close_state(void **state)
{
    lua_close(*state);
    return 0;
}

static void test_numbers(void **state)
{
    static const struct expectation list[] = {
        {"return 'x' .. 10/2", "x5"},
        {"return tostring(-0.0)", "-0"},
        {"return tostring(2^53)", "9.007199254741e+15"},
        {"return 1e15 .. ' ' .. 1e100 .. ' ' .. 3.7 .. ' ' .. 1/3",
         "1e+15 1e+100 3.7 0.33333333333333"},
        {"return tostring(math.huge) .. tostring(-math.huge)", "inf-inf"},
        {"return tostring(0/0)", "-nan"},
        {"return table.concat({1, 2.5, 6/2}, ',')", "1,2.5,3"},
        {"return ('ab'):rep(4/2)", "abab"},
        {"return string.format('%d %d %s %x', 3.7, '5.9', 10/2, 255.0)", "3 5 5 ff"},
        {"return string.format('%u %05s %5.1f', -1, 'ab', 2.25)",
         "18446744073709551615    ab   2.2"},
        {"return string.format('%d', 1e300)", "-9223372036854775808"},
        {"return ('abc'):sub(1.9, 2.1)", "ab"},
        {"return tostring(select(2.9, 'a', 'b', 'c'))", "b"},
        {"local s = '' for i = 1, 2, 0.5 do s = s .. i .. ' ' end return s", "1 1.5 2 "},
        {"local s = '' for i = '1', '3' do s = s .. i end return s", "123"},
        {"return '10' + 1 .. ' ' .. '3' * '4' .. ' ' .. '0x10' + 0", "11 12 16"},
        {"return tostring(10 == 10.0) .. tostring('10' == 10)", "truefalse"},
        {"local t = {} t[1] = 'a' t['1'] = 'b' t[1.0] = 'c' return t[1] .. t['1'] .. #t", "cb1"},
        {"return tonumber('inf') .. ' ' .. tonumber('-inf') .. ' ' .. tonumber('nan')",
         "inf -inf nan"},
        {"return tostring(tonumber('infx')) .. tostring(tonumber('')) .. tostring(tonumber('0x'))",
         "nilnilnil"},
        {"return tonumber('ff', 16) .. ' ' .. tonumber(10, 2) .. ' ' .. tonumber('-ff', 16)",
         "255 2 1.844674407371e+19"},
        {"return math.floor(3.7) .. math.ceil(3.2) .. math.pow(2, 10) .. math.mod(7, 3)",
         "3410241"},
        {"return math.log(8, 2)", "2.0794415416798"},
        {"return math.fmod(1, 0)", "-nan"},
        /* 5.1 would round these to doubles. */
        {"return 9007199254740993 .. ' ' .. 123456789012345", "9007199254740993 123456789012345"},
        {NULL, NULL}};
    check_all(*state, list);
}

/* Redis's sequence for this seed. */
static void test_random(void **state)
{
    static const struct expectation list[] = {
        {"math.randomseed(7) return math.random() .. ' ' .. math.random()",
         "0.26644419658298 0.68203523041775"},
        {"return math.random(0)", "test:1: bad argument #1 to 'random' (interval is empty)"},
        {"for i = 1, 1000 do local n = math.random(3, 5) assert(n >= 3 and n <= 5) end", "nil"},
        {NULL, NULL}};
    check_all(*state, list);
}

static void test_strings(void **state)
{
    static const struct expectation list[] = {
        {"return (('a,b'):gsub('[^,]*', 'x'))", "xx,xx"},
        {"local t = {} for w in ('a,b'):gmatch('([^,]*)') do t[#t + 1] = w end return #t", "4"},
        {"return (('abc'):gsub('b', '%b%%%0'))", "ab%bc"},
        {"return (('hello'):gsub('l+', {ll = 'LL'}))", "heLLo"},
        {"return (('abc'):gsub('%w', function(c) return c:upper() end))", "ABC"},
        {"return ('  trim '):match('^%s*(.-)%s*$')", "trim"},
        {"return ('f(a(b)c)d'):match('%b()')", "(a(b)c)"},
        {"return ('THE (quick) fox'):match('%f[%a]%a+', 5)", "quick"},
        {"return ('a.c'):find('.', 2, true)", "2"},
        {"return ('x'):find('', 10)", "2"},
        {"return string.format('%q', 'a\\0b\\r\\n')", "\"a\\000b\\r\\\n\""},
        {"return string.format('%s', nil)",
         "test:1: bad argument #2 to 'format' (string expected, got nil)"},
        {"return string.format('%y', 1)", "test:1: invalid option '%y' to 'format'"},
        {"return string.format('%123d', 1)",
         "test:1: invalid format (width or precision too long)"},
        {"return (('x'):gsub('x', '%1'))", "x"},
        {"return (('x'):gsub('x', '%2'))", "test:1: invalid capture index"},
        {"return ('x'):find('[')", "test:1: malformed pattern (missing ']')"},
        {"return ('x'):find('%')", "test:1: malformed pattern (ends with '%')"},
        {"return ('x'):find('[%')", "test:1: malformed pattern (missing ']')"},
        {"return ('x'):find(('('):rep(40))", "test:1: too many captures"},
        {NULL, NULL}};
    check_all(*state, list);
}

/* Neither time nor the stack of C is what they like to take. */
static void test_endless_patterns(void **state)
{
    static const struct expectation list[] = {
        {"return ('a'):rep(60):find(('a*'):rep(20) .. 'b')", "test:1: pattern too complex"},
        {"return ('a'):rep(1000):find(('a?'):rep(1000))", "test:1: pattern too complex"},
        {"return ('('):rep(200000):find(('%b()'):rep(10))", "test:1: pattern too complex"},
        {"return ('a'):rep(100000):find('.-b')", "test:1: pattern too complex"},
        {"return #('a'):rep(300000):gsub('a', 'bb')", "600000"},
        {"return string.rep('x', 1e10)", "test:1: resulting string too large"},
        {NULL, NULL}};
    check_all(*state, list);
}

static void test_tables(void **state)
{
    static const struct expectation list[] = {
        {"return table.getn({1, 2}) .. table.maxn({1, [10] = 1})", "210"},
        {"local t = {1, 2, 3} table.insert(t, 9, 4) return #t .. t[9]", "34"},
        {"return tostring((table.remove({1, 2, 3}, 9)))", "nil"},
        {"return table.insert({}, -2^40, 1)",
         "test:1: bad argument #2 to 'insert' (position out of bounds)"},
        {"return table.concat({1, {}, 3})",
         "test:1: invalid value (table) at index 2 in table for 'concat'"},
        {"table.setn({}, 1)", "test:1: 'setn' is obsolete"},
        {"return table.foreach({5}, function(k, v) return k + v end)", "6"},
        {"return table.foreachi({5, 6}, function(i, v) if i == 2 then return v end end)", "6"},
        {"return (select('#', unpack({1, nil, 3}, 1, 3)))", "3"},
        {"return unpack({}, 1, 1e8)", "test:1: too many results to unpack"},
        {"return unpack({}, -2^31, 2^31 - 1)", "test:1: too many results to unpack"},
        {"return unpack({}, math.huge)", "test:1: too many results to unpack"},
        {NULL, NULL}};
    check_all(*state, list);
}

static void test_language(void **state)
{
    static const struct expectation list[] = {
        {"local goto = 3 return goto", "3"},
        {"return '\\d\\x41\\z\\.'", "dx41z."},
        {"return '\\65\\066\\0067' --[[ '\\q ]] --'\\q", "AB\006"
                                                         "7"},
        {"return [[\\q]] .. [==[\\q]]]==] .. \"'\\q\"", "\\q\\q]]'q"},
        {"return loadstring('return 1 + 1')()", "2"},
        {"local n = 0 return load(function() n = n + 1 return ({'return ', '7'})[n] end)()", "7"},
        {"return load('return 1')",
         "test:1: bad argument #1 to 'load' (function expected, got string)"},
        {"return select(2, loadstring('x x'))", "[string \"x x\"]:1: '=' expected near 'x'"},
        {"return select(2, loadstring('x ='))",
         "[string \"x =\"]:1: unexpected symbol near '<eof>'"},
        {"return tostring(loadstring(string.dump(function() end)))", "nil"},
        {"assert(false, 'boo')", "test:1: boo"},
        {"return _VERSION", "Lua 5.1"},
        {"return tostring(print) .. tostring(dofile) .. tostring(loadfile) .. tostring(require)",
         "nilnilnilnil"},
        {"return tostring(string.pack) .. tostring(table.pack) .. tostring(math.type) .. "
         "tostring(utf8) .. tostring(os.exit) .. tostring(table.unpack) .. tostring(debug)",
         "nilnilnilnilnilnilnil"},
        {NULL, NULL}};
    check_all(*state, list);
}

static void test_error_texts(void **state)
{
    static const struct expectation list[] = {
        {"return x.y", "test:1: attempt to index global 'x' (a nil value)"},
        {"local x return x.y", "test:1: attempt to index local 'x' (a nil value)"},
        {"local x = {} return x.y.z", "test:1: attempt to index field 'y' (a nil value)"},
        {"local x = {} x.y()", "test:1: attempt to call field 'y' (a nil value)"},
        {"local x = {} x:y()", "test:1: attempt to call method 'y' (a nil value)"},
        {"local x return function() return x + 1 end, x + 1",
         "test:1: attempt to perform arithmetic on local 'x' (a nil value)"},
        {"local t = {} return 'a' .. t.x",
         "test:1: attempt to concatenate field 'x' (a nil value)"},
        {"return 'x' + 1", "test:1: attempt to perform arithmetic on a string value"},
        {"return '10' + nil", "test:1: attempt to perform arithmetic on a nil value"},
        {"return #nil", "test:1: attempt to get length of a nil value"},
        {"return {} < {}", "test:1: attempt to compare two table values"},
        {"for i = 1, {} do end", "test:1: 'for' limit must be a number"},
        {"for i = 'x', 1 do end", "test:1: 'for' initial value must be a number"},
        {"local _, m = pcall(function() local a a() end) return m",
         "test:1: attempt to call local 'a' (a nil value)"},
        {"for _ in pairs(nil) do end",
         "test:1: bad argument #1 to 'pairs' (table expected, got nil)"},
        {"for _ in ipairs(nil) do end",
         "test:1: bad argument #1 to 'ipairs' (table expected, got nil)"},
        {NULL, NULL}};
    check_all(*state, list);
}

static void test_source_is_copied_only_if_it_must(void **state)
{
    (void)state;
    struct text out = {0};
    assert_false(compat_source(bytes_of_text("return '\\n\\065\\\\'"), &out));
    assert_false(compat_source(bytes_of_text("-- '\\q\nreturn [[\\q]]"), &out));
    assert_false(compat_source(bytes_of_text("return '\\"), &out));
    assert_false(compat_source(bytes_of_text("--[[ \\q"), &out));
    assert_false(compat_source(bytes_of_text("[==[ \\q ]="), &out));
    assert_true(compat_source(bytes_of_text("a='\\q'\nb=\"\\n\\.\""), &out));
    assert_string_equal(text_view(&out).ptr, "a='q'\nb=\"\\n.\"");
    text_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_numbers, open_state, close_state),
        cmocka_unit_test_setup_teardown(test_random, open_state, close_state),
        cmocka_unit_test_setup_teardown(test_strings, open_state, close_state),
        cmocka_unit_test_setup_teardown(test_endless_patterns, open_state, close_state),
        cmocka_unit_test_setup_teardown(test_tables, open_state, close_state),
        cmocka_unit_test_setup_teardown(test_language, open_state, close_state),
        cmocka_unit_test_setup_teardown(test_error_texts, open_state, close_state),
        cmocka_unit_test(test_source_is_copied_only_if_it_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
