/*
 * api.c - redis.call() and what stands beside it.
 *
 * redis.call() is the hot one: arguments are views of Lua's strings, numbers become text in room
 * that stays, and the reply is read where the command wrote it.
 */
#include "scripting/api.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "base/number.h"
#include "base/sha1.h"
#include "base/text.h"
#include "scripting/convert.h"
#include "scripting/vm.h"

/* As redis.set_repl() takes them. */
enum { REPL_NONE = 0, REPL_AOF = 1, REPL_REPLICA = 2, REPL_ALL = REPL_AOF | REPL_REPLICA };

static const char NO_ARGUMENTS[] =
    "ERR Please specify at least one argument for this redis lib call";
static const char BAD_ARGUMENT[] =
    "ERR Lua redis lib command arguments must be strings or integers";

/* -- errors ------------------------------------------------------------------------------------ */

void api_push_error(lua_State *L, const char *text)
{
    bool has_code = *text == '-';
    text += has_code;
    lua_createtable(L, 0, 3);
    if (has_code && strchr(text, ' ') != NULL)
        lua_pushstring(L, text);
    else
        lua_pushfstring(L, "ERR %s", text);
    lua_setfield(L, -2, "err");
}

int api_raise(lua_State *L, const char *text)
{
    api_push_error(L, text);
    return lua_error(L);
}

/* The text has its code already. */
static int fail_with(lua_State *L, const char *text, bool raise)
{
    lua_createtable(L, 0, 3);
    lua_pushstring(L, text);
    lua_setfield(L, -2, "err");
    return raise ? lua_error(L) : 1;
}

/* -- commands ---------------------------------------------------------------------------------- */

/* A number as an argument: without fraction and exponent if it is integral and int64 has it. */
static struct bytes number_text(lua_State *L, int index, char *room)
{
    if (lua_isinteger(L, index))
        return bytes_of(room, number_format_i64(room, lua_tointeger(L, index)));
    double value = lua_tonumber(L, index);
    if (value >= -0x1p62 && value <= 0x1p62 && value == (double)(int64_t)value)
        return bytes_of(room, number_format_i64(room, (int64_t)value));
    return bytes_of(room, number_format_double(room, value));
}

/* The arguments from the stack; NULL: one is neither text nor number. */
static const struct bytes *take_arguments(lua_State *L, struct vm *vm, int argc)
{
    struct bytes *argv = vm_arguments(vm, argc);
    char *numbers = NULL;
    for (int i = 0; i < argc; i++) {
        int type = lua_type(L, i + 1);
        if (type == LUA_TSTRING) {
            argv[i].ptr = lua_tolstring(L, i + 1, &argv[i].len);
        } else if (type == LUA_TNUMBER) {
            if (numbers == NULL)
                numbers = vm_number_room(vm, (size_t)(argc - i) * NUMBER_DOUBLE_MAX);
            argv[i] = number_text(L, i + 1, numbers);
            numbers += NUMBER_DOUBLE_MAX;
        } else {
            return NULL;
        }
    }
    return argv;
}

static int run_command(lua_State *L, bool raise)
{
    struct vm *vm = vm_of(L);
    int argc = lua_gettop(L);
    if (argc == 0)
        return fail_with(L, NO_ARGUMENTS, raise);
    const struct bytes *argv = take_arguments(L, vm, argc);
    if (argv == NULL)
        return fail_with(L, BAD_ARGUMENT, raise);
    const struct script_host *host = vm_host(vm);
    struct reply *reply = host->call(host->context, vm_session(vm)->resp, argv, argc);
    if (!convert_from_reply(L, reply, vm_buffer(vm)))
        return 1;
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "ignore_error_stats_update"); /* the command has been counted */
    return raise ? lua_error(L) : 1;
}

static int redis_call(lua_State *L)
{
    return run_command(L, true);
}

static int redis_pcall(lua_State *L)
{
    return run_command(L, false);
}

static int redis_acl_check_cmd(lua_State *L)
{
    struct vm *vm = vm_of(L);
    int argc = lua_gettop(L);
    if (argc == 0)
        return fail_with(L, NO_ARGUMENTS, true);
    const struct bytes *argv = take_arguments(L, vm, argc);
    if (argv == NULL)
        return fail_with(L, BAD_ARGUMENT, true);
    const struct script_host *host = vm_host(vm);
    int may = host->may_call(host->context, argv, argc);
    if (may < 0)
        return api_raise(L, "Invalid command passed to redis.acl_check_cmd()");
    lua_pushboolean(L, may);
    return 1;
}

/* -- replies ----------------------------------------------------------------------------------- */

static bool has_one_string(lua_State *L)
{
    if (lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TSTRING)
        return true;
    api_push_error(L, "wrong number or type of arguments");
    return false;
}

static int redis_error_reply(lua_State *L)
{
    if (!has_one_string(L))
        return 1;
    const char *text = lua_tostring(L, 1);
    if (*text != '-')
        text = lua_pushfstring(L, "-%s", text);
    api_push_error(L, text);
    return 1;
}

static int redis_status_reply(lua_State *L)
{
    if (!has_one_string(L))
        return 1;
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "ok");
    return 1;
}

/* Ours: end the script and take back what it did. A message that begins with '-' brings its own
 * code, as in redis.error_reply(). */
static int redis_rollback(lua_State *L)
{
    const struct script_host *host = vm_host(vm_of(L));
    if (lua_gettop(L) > 1 || (lua_gettop(L) == 1 && lua_isstring(L, 1) == 0))
        return api_raise(L, "redis.rollback() takes one message or none.");
    if (!host->may_roll_back(host->context))
        return api_raise(L, "redis.rollback() needs script-rollback to be on.");
    const char *text = lua_gettop(L) == 1 ? lua_tostring(L, 1) : "the script took itself back";
    if (*text != '-')
        text = lua_pushfstring(L, "-ROLLBACK %s", text);
    return vm_end_script(L, text + 1);
}

/* -- the rest ---------------------------------------------------------------------------------- */

static int redis_sha1hex(lua_State *L)
{
    char hex[SHA1_HEX + 1];
    if (lua_gettop(L) != 1)
        return api_raise(L, "wrong number of arguments");
    size_t len = 0;
    const char *text = lua_tolstring(L, 1, &len);
    sha1_hex(bytes_of(text != NULL ? text : "", len), hex);
    lua_pushlstring(L, hex, SHA1_HEX);
    return 1;
}

static int redis_log(lua_State *L)
{
    int argc = lua_gettop(L);
    if (argc < 2)
        return api_raise(L, "redis.log() requires two arguments or more.");
    if (lua_isnumber(L, 1) == 0)
        return api_raise(L, "First argument must be a number (log level).");
    lua_Integer level = lua_isinteger(L, 1) ? lua_tointeger(L, 1) : (lua_Integer)lua_tonumber(L, 1);
    if (level < 0 || level > 3)
        return api_raise(L, "Invalid debug level.");
    luaL_Buffer line;
    luaL_buffinit(L, &line);
    for (int i = 2; i <= argc; i++) {
        if (lua_isstring(L, i) == 0)
            continue;
        if (i > 2)
            luaL_addchar(&line, ' ');
        lua_pushvalue(L, i);
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    const struct script_host *host = vm_host(vm_of(L));
    host->log(host->context, (int)level, bytes_of(text, len));
    return 0;
}

static int redis_setresp(lua_State *L)
{
    if (lua_gettop(L) != 1)
        return api_raise(L, "redis.setresp() requires one argument.");
    lua_Number resp = lua_tonumber(L, 1);
    if (resp != 2 && resp != 3)
        return api_raise(L, "RESP version must be 2 or 3.");
    vm_session(vm_of(L))->resp = (int)resp;
    return 0;
}

static int redis_set_repl(lua_State *L)
{
    if (lua_gettop(L) != 1)
        return api_raise(L, "redis.set_repl() requires two arguments.");
    int flags = (int)lua_tonumber(L, 1);
    if ((flags & ~REPL_ALL) != 0)
        return api_raise(L, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or "
                            "REPL_NONE.");
    vm_session(vm_of(L))->repl = flags;
    return 0;
}

/* Effects have been what is replicated since Redis 5; scripts still ask for it. */
static int redis_replicate_commands(lua_State *L)
{
    lua_pushboolean(L, 1);
    return 1;
}

/* There is no debugger session to stop in. */
static int redis_breakpoint(lua_State *L)
{
    lua_pushboolean(L, 0);
    return 1;
}

static int redis_debug(lua_State *L)
{
    (void)L;
    return 0;
}

static const luaL_Reg functions[] = {
    {"call", redis_call},
    {"pcall", redis_pcall},
    {"error_reply", redis_error_reply},
    {"status_reply", redis_status_reply},
    {"rollback", redis_rollback},
    {"sha1hex", redis_sha1hex},
    {"log", redis_log},
    {"setresp", redis_setresp},
    {"set_repl", redis_set_repl},
    {"replicate_commands", redis_replicate_commands},
    {"breakpoint", redis_breakpoint},
    {"debug", redis_debug},
    {"acl_check_cmd", redis_acl_check_cmd},
    {NULL, NULL},
};

static const struct {
    const char *name;
    int value;
} constants[] = {
    {"LOG_DEBUG", 0},
    {"LOG_VERBOSE", 1},
    {"LOG_NOTICE", 2},
    {"LOG_WARNING", 3},
    {"REPL_NONE", REPL_NONE},
    {"REPL_AOF", REPL_AOF},
    {"REPL_SLAVE", REPL_REPLICA},
    {"REPL_REPLICA", REPL_REPLICA},
    {"REPL_ALL", REPL_ALL},
};

void api_open(lua_State *L)
{
    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        lua_pushinteger(L, constants[i].value);
        lua_setfield(L, -2, constants[i].name);
    }
    const struct script_host *host = vm_host(vm_of(L));
    lua_pushstring(L, host->version);
    lua_setfield(L, -2, "REDIS_VERSION");
    lua_pushinteger(L, host->version_number);
    lua_setfield(L, -2, "REDIS_VERSION_NUM");
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "server");
    lua_setfield(L, -2, "redis");
}
