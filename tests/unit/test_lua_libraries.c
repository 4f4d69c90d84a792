/*
 * test_lua_libraries.c - cjson, cmsgpack, struct and bit: what they answer, and what people have
 * tried on them: counts that lie, endless nesting, sizes that overflow, memory that ends midway.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <lauxlib.h>

#include "base/random.h"
#include "scripting/compat.h"
#include "scripting/libraries.h"
#include "tests/unit/lua_cases.h"

/* An allocator with a limit. */
struct budget {
    size_t used, limit;
};

static void *allocate(void *context, void *block, size_t old, size_t size)
{
    struct budget *b = context;
    if (block == NULL)
        old = 0;
    if (size > old && b->used + (size - old) > b->limit)
        return NULL;
    void *fresh = NULL;
    if (size == 0)
        free(block);
    else
        fresh = realloc(block, size);
    b->used = b->used - old + size;
    return fresh;
}

static struct budget budget;

static int open_state(void **state)
{
    budget = (struct budget){0, 256 << 20};
    lua_State *L = lua_newstate(allocate, &budget);
    compat_open(L);
    libraries_open(L);
    *state = L;
    return 0;
}

static int close_state(void **state)
{
    lua_close(*state);
    assert_int_equal(budget.used, 0);
    return 0;
}

static void test_cjson(void **state)
{
    static const struct expectation list[] = {
        {"return cjson.encode({1, 2.5, 'x', true, cjson.null, 10/2, {}})",
         "[1,2.5,\"x\",true,null,5,{}]"},
        {"return cjson.encode('\\1\\127/\"\\\\\\n\\200')", "\"\\u0001\\u007f\\/\\\"\\\\\\n\310\""},
        {"return cjson.encode({[1] = 1, [3] = 3})", "[1,null,3]"},
        {"return cjson.encode({[1000] = 1})",
         "test:1: Cannot serialise table: excessively sparse array"},
        {"return cjson.encode({[1.5] = 1})", "{\"1.5\":1}"},
        {"return cjson.encode({[true] = 1})",
         "test:1: Cannot serialise boolean: table key must be a number or string"},
        {"return cjson.encode(tostring)", "test:1: Cannot serialise function: type not supported"},
        {"return cjson.encode(0/0)", "test:1: Cannot serialise number: must not be NaN or Inf"},
        {"return cjson.encode(1/3)", "0.33333333333333"},
        {"return cjson.encode(9007199254740993)", "9007199254740993"},
        {"return table.concat(cjson.decode('[0.0, -5e3, -1, 0.3e-3, 1023.2, 0e10, 101.0]'), ' ')",
         "0 -5000 -1 0.0003 1023.2 0 101"},
        {"return cjson.decode('9007199254740993')", "9007199254740993"},
        {"return 'foo_' .. cjson.decode('{\"id\": 101.0}').id", "foo_101"},
        {"return cjson.decode('\"\\\\u00e9\\\\ud83d\\\\ude00\"')", "\303\251\360\237\230\200"},
        {"return cjson.decode('{\"a\":1,\"a\":2}').a", "2"},
        {"return cjson.decode('[1,2')",
         "test:1: Expected comma or array end but found T_END at character 5"},
        {"return cjson.decode('{1:2}')",
         "test:1: Expected object key string but found T_NUMBER at character 2"},
        {"return cjson.decode('\"\\\\x\"')",
         "test:1: Expected value but found invalid escape code at character 2"},
        {"return cjson.decode('\\0\\0\\0[')",
         "test:1: JSON parser does not support UTF-16 or UTF-32"},
        {"local c = cjson.new() c.decode_invalid_numbers(false) return c.decode('[0x10]')",
         "test:1: Expected value but found invalid number at character 2"},
        {"return cjson.decode('0x10')", "16"},
        {"return cjson.new().decode('\"\\\\n\"')", "\n"}, /* nothing was written before */
        {NULL, NULL}};
    check_all(*state, list);
}

static void test_cjson_options(void **state)
{
    static const struct expectation list[] = {
        {"return cjson.encode_max_depth(0)",
         "test:1: bad argument #1 to 'encode_max_depth' (expected integer between 1 and "
         "2147483647)"},
        {"local c = cjson.new() c.encode_max_depth(2) return c.encode({{{}}})",
         "test:1: Cannot serialise, excessive nesting (3)"},
        {"local c = cjson.new() c.decode_max_depth(2) return c.decode('[[[]]]')",
         "test:1: Found too many nested data structures (3) at character 3"},
        {"local c = cjson.new() c.encode_number_precision(3) return c.encode({1/3, 12345})",
         "[0.333,1.23e+04]"},
        {"local c = cjson.new() c.encode_invalid_numbers('null') return c.encode({1/0})", "[null]"},
        {"local c = cjson.new() c.encode_invalid_numbers(true) return c.encode({1/0})", "[inf]"},
        {"local c = cjson.new() c.encode_sparse_array(true) return c.encode({[1000] = 1})",
         "{\"1000\":1}"},
        {"local c = cjson.new() c.encode_sparse_array(true, 0) return c.encode({[2^40] = 1})",
         "{\"1099511627776\":1}"},
        {"return tostring(cjson.encode_keep_buffer(false))", "false"},
        {"return cjson.encode(('x'):rep(100000)):len()", "100002"},
        {"cjson.new().encode_max_depth(1) return cjson.encode_max_depth()", "1000"},
        {"return cjson.encode_max_depth(1, 2)",
         "test:1: bad argument #2 to 'encode_max_depth' (found too many arguments)"},
        {NULL, NULL}};
    check_all(*state, list);
}

/* Whatever depth a script allows itself, C's stack is not what ends it. */
static void test_nesting(void **state)
{
    static const struct expectation list[] = {
        {"return cjson.decode(('['):rep(1001))",
         "test:1: Found too many nested data structures (1001) at character 1001"},
        {"cjson.decode_max_depth(2^31 - 1) return cjson.decode(('['):rep(1000000))",
         "test:1: Found too many nested data structures (7999) at character 7999"},
        {"return cjson.decode(('{\"\":'):rep(1000000))",
         "test:1: Found too many nested data structures (4000) at character 15997"},
        {"cjson.encode_max_depth(2^31 - 1) local t = {} for i = 1, 100000 do t = {t} end "
         "return cjson.encode(t)",
         "test:1: Cannot serialise, excessive nesting (7998)"},
        {"local t = {} t[1] = t return cjson.encode(t)",
         "test:1: Cannot serialise, excessive nesting (7998)"},
        {"return cmsgpack.unpack(('\\145'):rep(1000000))",
         "test:1: stack overflow (in function mp_decode_to_lua_array)"},
        {"return cmsgpack.unpack(('\\129'):rep(1000000))",
         "test:1: stack overflow (in function mp_decode_to_lua_hash)"},
        {"local t = {} t[1] = t return #cmsgpack.pack(t)", "17"},
        {NULL, NULL}};
    check_all(*state, list);
}

static void test_cmsgpack(void **state)
{
    static const struct expectation list[] = {
        {"return (cmsgpack.pack(0.1):gsub('.', function(c) return ('%02x'):format(c:byte()) end))",
         "cb3fb999999999999a"},
        {"return (cmsgpack.pack(-1099511627776):gsub('.', function(c) return "
         "('%02x'):format(c:byte()) end))",
         "d3ffffff0000000000"},
        {"return (cmsgpack.pack({}, {1}, {a = 1}, 0.5, nil, true):gsub('.', function(c) return "
         "('%02x'):format(c:byte()) end))",
         "909101"
         "81a16101"
         "ca3f000000c0c3"},
        {"local v = {1, 'x', 2.5, -300, 70000, {a = {b = 'c'}}, false} "
         "local u = cmsgpack.unpack(cmsgpack.pack(v)) return u[2] .. u[3] .. u[4] .. u[6].a.b",
         "x2.5-300c"},
        {"return 'x' .. cmsgpack.unpack(cmsgpack.pack(10/2))", "x5"},
        {"return (select('#', cmsgpack.unpack('\\1\\2\\3')))", "3"},
        {"return (cmsgpack.unpack_one('\\1\\2\\3', 1))", "2"},
        {"return (cmsgpack.unpack_limit('\\1\\2\\3', 2, 1))", "-1"},
        {"return cmsgpack.pack()",
         "test:1: bad argument #0 to 'pack' (MessagePack pack needs input.)"},
        {"return cmsgpack.unpack('\\221\\255\\255\\255\\255')", "test:1: Missing bytes in input."},
        {"return cmsgpack.unpack('\\223\\255\\255\\255\\255\\1')",
         "test:1: Missing bytes in input."},
        {"return cmsgpack.unpack('\\219\\255\\255\\255\\255')", "test:1: Missing bytes in input."},
        {"return cmsgpack.unpack('\\193')", "test:1: Bad data format in input."},
        {"return cmsgpack.unpack('\\129\\192\\1')", "table index is nil"},
        {"return cmsgpack.unpack_one('x', 2)",
         "test:1: Start offset 2 greater than input length 1."},
        {"return cmsgpack.unpack_one('x', -2^63)",
         "test:1: Invalid request to unpack with offset of 0 and limit of 1."},
        {NULL, NULL}};
    check_all(*state, list);
}

static void test_struct(void **state)
{
    static const struct expectation list[] = {
        {"return struct.unpack('>i2', '\\255\\254')", "-2"},
        {"return struct.pack('>I3c2s', 258, 'xyz', 'ab'):byte(3) .. ''", "2"},
        {"return (struct.unpack('Bc0', '\\3abc'))", "abc"},
        {"return struct.size('!4bi4')", "8"},
        {"return struct.unpack('d', struct.pack('d', 2.5))", "2.5"},
        {"return struct.unpack('i16', '\\1' .. ('\\0'):rep(15))", "1"},
        {"return struct.pack('i33', 1)", "test:1: integral size 33 is larger than limit of 32"},
        {"return struct.size('i2147483648')", "test:1: integral size overflow"},
        {"return struct.size('c99999999999999999999')", "test:1: integral size overflow"},
        {"return struct.unpack('c2147483647', 'a', 2147483647)",
         "test:1: bad argument #2 to 'unpack' (data string too short)"},
        {"return struct.unpack('!8bi8', 'aaaaaaaaaaaaaaaa', -1)",
         "test:1: bad argument #2 to 'unpack' (data string too short)"},
        {"return struct.unpack('b', 'a', 0)",
         "test:1: bad argument #3 to 'unpack' (offset must be 1 or greater)"},
        {"return struct.unpack('bc0', '\\255abc')",
         "test:1: bad argument #2 to 'unpack' (data string too short)"},
        {"return struct.unpack('dc0', struct.pack('d', 2^63) .. 'abc')",
         "test:1: bad argument #2 to 'unpack' (data string too short)"},
        {"return struct.unpack('s', 'abc')", "test:1: unfinished string in data"},
        {"return struct.pack('!3i', 1)", "test:1: alignment 3 is not a power of 2"},
        {"return struct.pack('!0i', 1)", "test:1: alignment 0 is not a power of 2"},
        {NULL, NULL}};
    check_all(*state, list);
}

static void test_bit(void **state)
{
    static const struct expectation list[] = {
        {"return bit.tobit(0xffffffff) .. ' ' .. bit.tobit(2^40 + 1) .. ' ' .. bit.tobit(2.5)",
         "-1 1 2"},
        {"return bit.band(0xff, 0x0f, 5) .. bit.bor(1, 2, 4) .. bit.bxor(1, 3) .. bit.bnot(0)",
         "572-1"},
        {"return bit.lshift(1, 32) .. ' ' .. bit.rshift(-1, 28) .. ' ' .. bit.arshift(-16, 2)",
         "1 15 -4"},
        {"return bit.rol(0x12345678, 12) .. ' ' .. bit.ror(1, 0) .. ' ' .. bit.bswap(1)",
         "1164411171 1 16777216"},
        {"return bit.tohex(65535, -2147483648) .. bit.tohex(255, 2) .. bit.tohex(1, 0)",
         "0000FFFFff"},
        {"return bit.band()", "test:1: bad argument #1 to 'band' (number expected, got no value)"},
        {NULL, NULL}};
    check_all(*state, list);
}

/* Running out at any moment is an error like others, and nothing leaks. */
static void test_memory_ends(void **state)
{
    static const char code[] =
        "local t = {} for i = 1, 60 do t[i] = {id = i, name = ('x'):rep(i * 20)} end "
        "local a = cjson.decode(cjson.encode(t)) local b = cmsgpack.unpack(cmsgpack.pack(a)) "
        "return b[60].id";
    lua_State *L = *state;
    assert_string_equal(run(L, code), "60");
    lua_settop(L, 0);
    lua_gc(L, LUA_GCCOLLECT);
    size_t base = budget.used;
    bool succeeded = false;
    for (size_t more = 2000; !succeeded && more < 4 << 20; more += more / 8) {
        budget.limit = base + more;
        lua_settop(L, 0);
        int status = compat_load(L, bytes_of_text(code), "@test");
        if (status == LUA_OK)
            status = lua_pcall(L, 0, 1, 0);
        budget.limit = 256 << 20;
        succeeded = status == LUA_OK;
        if (!succeeded)
            assert_true(strstr(lua_tostring(L, -1), "not enough memory") != NULL ||
                        strstr(lua_tostring(L, -1), "stack overflow") != NULL);
    }
    assert_true(succeeded);
}

static void push_random(lua_State *L, int depth)
{
    switch (random_below(depth > 3 ? 5 : 7)) {
    case 0:
        lua_pushinteger(L, (lua_Integer)random_u64() >> random_below(64));
        break;
    case 1:
        lua_pushnumber(L, (double)(int64_t)random_below(1000) / 8);
        break;
    case 2:
        lua_pushboolean(L, (int)random_below(2));
        break;
    case 3:
    case 4: {
        char text[300];
        size_t len = random_below(random_below(8) == 0 ? sizeof text : 12);
        for (size_t i = 0; i < len; i++)
            text[i] = (char)(1 + random_below(127));
        lua_pushlstring(L, text, len);
        break;
    }
    default: {
        bool is_array = random_below(2);
        lua_newtable(L);
        for (uint64_t i = 1 + random_below(20); i > 0; i--) {
            if (is_array)
                lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1) + 1);
            else
                lua_pushfstring(L, "k%d", (int)random_below(100));
            push_random(L, depth + 1);
            lua_rawset(L, -3);
        }
    }
    }
}

/* Written and read again, a value is what it was; cut anywhere, or with a byte changed, it is read
 * or refused. */
static void test_round_trips(void **state)
{
    static const char same[] =
        "local function same(a, b) if type(a) ~= 'table' then return a == b end "
        "for k, v in pairs(a) do if not same(v, b[k]) then return false end end "
        "for k in pairs(b) do if a[k] == nil then return false end end return true end "
        "local v, cut, byte = ... "
        "local j, m = cjson.encode(v), cmsgpack.pack(v) "
        "assert(same(v, cjson.decode(j)), j) assert(same(v, cmsgpack.unpack(m))) "
        "local at = cut % #m + 1 "
        "pcall(cmsgpack.unpack, m:sub(1, at)) "
        "pcall(cmsgpack.unpack, m:sub(1, at - 1) .. string.char(byte) .. m:sub(at + 1)) "
        "at = cut % #j + 1 "
        "pcall(cjson.decode, j:sub(1, at)) "
        "pcall(cjson.decode, j:sub(1, at - 1) .. string.char(byte) .. j:sub(at + 1))";
    lua_State *L = *state;
    for (int i = 0; i < 2000; i++) {
        lua_settop(L, 0);
        assert_int_equal(compat_load(L, bytes_of_text(same), "@same"), LUA_OK);
        push_random(L, 0);
        lua_pushinteger(L, (lua_Integer)random_below(1 << 30));
        lua_pushinteger(L, (lua_Integer)random_below(256));
        if (lua_pcall(L, 3, 0, 0) != LUA_OK)
            fail_msg("%s", lua_tostring(L, -1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cjson, open_state, close_state),
        cmocka_unit_test_setup_teardown(test_cjson_options, open_state, close_state),
        cmocka_unit_test_setup_teardown(test_nesting, open_state, close_state),
        cmocka_unit_test_setup_teardown(test_cmsgpack, open_state, close_state),
        cmocka_unit_test_setup_teardown(test_struct, open_state, close_state),
        cmocka_unit_test_setup_teardown(test_bit, open_state, close_state),
        cmocka_unit_test_setup_teardown(test_memory_ends, open_state, close_state),
        cmocka_unit_test_setup_teardown(test_round_trips, open_state, close_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
