/*
 * function_load.c - running a library's code, which registers functions and does little else.
 *
 * While it loads, a library finds nothing but `redis`, and there nothing but register_function, log
 * and the version: what it would do now, it would do again at each start. So its chunk starts with
 * another table of globals (its _ENV); all closures that it makes share that upvalue, and when it
 * is through, the upvalue is set to the globals of functions.
 */
#include "scripting/function_load.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "scripting/api.h"
#include "scripting/compat.h"
#include "scripting/sandbox.h"

enum { LOAD_MS = 500, HOOK_INSTRUCTIONS = 10000 };

/* Keys in Lua's registry: the globals of loading; what is being loaded. */
static const char globals_key = 0, loading_key = 0;

struct loading {
    struct bytes body;
    struct library *library;
    char *error; /* VM_ERROR_MAX */
    int64_t deadline_us;
};

/* -- the first line ---------------------------------------------------------------------------- */

bool function_name_is_valid(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.ptr[i]) && name.ptr[i] != '_')
            return false;
    return name.len > 0;
}

static bool fail(char error[VM_ERROR_MAX], const char *format, const char *what)
{
    snprintf(error, VM_ERROR_MAX, format, what);
    return false;
}

/* The next word of line goes to out: "...", '...' or up to a space. False: a quote is not closed,
 * or something stands behind it. */
static bool next_word(struct bytes *line, struct text *out)
{
    const char *at = line->ptr, *end = line->ptr + line->len;
    char quote = 0;
    for (; at < end && (quote != 0 || !isspace((unsigned char)*at)); at++) {
        if (quote == 0 && (*at == '"' || *at == '\'')) {
            quote = *at;
        } else if (quote != 0 && *at == quote) {
            if (at + 1 < end && !isspace((unsigned char)at[1]))
                return false;
            quote = 0;
        } else {
            at += quote != 0 && *at == '\\' && at + 1 < end;
            text_add(out, bytes_of(at, 1));
        }
    }
    *line = bytes_of(at, (size_t)(end - at));
    return quote == 0;
}

static void skip_spaces(struct bytes *line)
{
    while (line->len > 0 && isspace((unsigned char)*line->ptr)) {
        line->ptr++;
        line->len--;
    }
}

/* One name=value; *name is owned by the caller. */
static bool read_metadata(const struct text *word, char **name, char error[VM_ERROR_MAX])
{
    const char *text = word->len > 0 ? word->data : "";
    if (strncasecmp(text, "name=", 5) != 0)
        return fail(error, "ERR Invalid metadata value given: %s", text);
    if (*name != NULL)
        return fail(error, "ERR Invalid metadata value, name argument was given multiple times%s",
                    "");
    *name = mem_copy_bytes(word->data + 5, word->len - 5);
    if (!function_name_is_valid(bytes_of(word->data + 5, word->len - 5)))
        *name[0] = '\0';
    return true;
}

/* engine is what follows #!; words[0..]: the rest. */
static bool read_words(struct bytes line, struct text *engine, struct text *word, char **name,
                       char error[VM_ERROR_MAX])
{
    for (int i = 0; line.len > 0; i++) {
        struct text *out = i == 0 ? engine : word;
        out->len = 0;
        if (!next_word(&line, out))
            return fail(error, "ERR Invalid library metadata%s", "");
        skip_spaces(&line);
        if (i > 0 && !read_metadata(word, name, error))
            return false;
    }
    return true;
}

static bool check_header(const struct text *engine, const char *name, char error[VM_ERROR_MAX])
{
    if (name == NULL)
        return fail(error, "ERR Library name was not given%s", "");
    if (*name == '\0')
        return fail(error,
                    "ERR Library names can only contain letters, numbers, or underscores(_) and "
                    "must be at least one character long%s",
                    "");
    const char *wanted = engine->len > 2 ? engine->data + 2 : "";
    return strcasecmp(wanted, "lua") == 0 || fail(error, "ERR Engine '%s' not found", wanted);
}

bool function_load_header(struct bytes code, char **name, struct bytes *body,
                          char error[VM_ERROR_MAX])
{
    if (code.len < 2 || memcmp(code.ptr, "#!", 2) != 0)
        return fail(error, "ERR Missing library metadata%s", "");
    const char *end = memchr(code.ptr, '\n', code.len);
    if (end == NULL)
        return fail(error, "ERR Invalid library metadata%s", "");
    struct text engine = {0}, word = {0};
    struct bytes line = bytes_of(code.ptr, (size_t)(end - code.ptr));
    *name = NULL;
    *body = bytes_of(end, code.len - line.len);
    bool fine =
        read_words(line, &engine, &word, name, error) && check_header(&engine, *name, error);
    text_fini(&engine);
    text_fini(&word);
    if (!fine)
        mem_free(*name);
    return fine;
}

/* -- redis.register_function() ----------------------------------------------------------------- */

/* As it was given: views of strings on the stack. */
struct registration {
    struct bytes name, description;
    int callback; /* index on the stack, 0: none */
    uint32_t flags;
};

static bool take_string(lua_State *L, int index, struct bytes *out)
{
    if (!lua_isstring(L, index))
        return false;
    out->ptr = lua_tolstring(L, index, &out->len);
    return true;
}

static uint32_t read_flags(lua_State *L, int index)
{
    uint32_t flags = 0;
    for (lua_Integer i = 1; lua_rawgeti(L, index, i) != LUA_TNIL; i++) {
        char word[32] = "";
        if (lua_isstring(L, -1))
            snprintf(word, sizeof word, "%s", lua_tostring(L, -1));
        for (char *c = word; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        uint32_t flag = script_flag_of(bytes_of_text(word));
        if (flag == 0)
            api_raise(L, "unknown flag given");
        flags |= flag;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return flags;
}

/* The pair at the top two places of the stack, which stay. */
static void read_named(lua_State *L, struct registration *r)
{
    int value = lua_gettop(L);
    const char *key = lua_type(L, value - 1) == LUA_TSTRING ? lua_tostring(L, value - 1) : "";
    if (strcasecmp(key, "function_name") == 0) {
        if (!take_string(L, value, &r->name))
            api_raise(L,
                      "function_name argument given to redis.register_function must be a string");
    } else if (strcasecmp(key, "description") == 0) {
        if (!take_string(L, value, &r->description))
            api_raise(L, "description argument given to redis.register_function must be a string");
    } else if (strcasecmp(key, "callback") == 0) {
        if (!lua_isfunction(L, value))
            api_raise(L, "callback argument given to redis.register_function must be a function");
        r->callback = value;
    } else if (strcasecmp(key, "flags") == 0) {
        if (!lua_istable(L, value))
            api_raise(L, "flags argument to redis.register_function must be a table representing "
                         "function flags");
        r->flags = read_flags(L, value);
    } else {
        api_raise(L, "unknown argument given to redis.register_function");
    }
}

/* Values stay on the stack, so that views of them last: there is room for the four that may be. */
static void read_table(lua_State *L, struct registration *r)
{
    static const char *const known[] = {"function_name", "description", "callback", "flags"};
    luaL_checkstack(L, 16, NULL);
    lua_pushnil(L);
    for (int kept = 0; lua_next(L, 1) != 0; kept++) {
        read_named(L, r);
        if (kept > (int)(sizeof known / sizeof *known))
            api_raise(L, "unknown argument given to redis.register_function");
        lua_pushvalue(L, -2); /* the key for lua_next(); key and value stay below */
    }
    if (r->name.ptr == NULL)
        api_raise(L, "redis.register_function must get a function name argument");
    if (r->callback == 0)
        api_raise(L, "redis.register_function must get a callback argument");
}

static void read_positions(lua_State *L, struct registration *r)
{
    if (!take_string(L, 1, &r->name))
        api_raise(L, "first argument to redis.register_function must be a string");
    if (!lua_isfunction(L, 2))
        api_raise(L, "second argument to redis.register_function must be a function");
    r->callback = 2;
}

static void check_name(lua_State *L, const struct library *lib, struct bytes name)
{
    if (name.ptr == NULL || !function_name_is_valid(name)) {
        api_raise(L, "Library names can only contain letters, numbers, or underscores(_) and must "
                     "be at least one character long");
        return;
    }
    for (int i = 0; i < lib->count; i++)
        if (bytes_is_word(name, lib->functions[i]->name))
            api_raise(L, "Function already exists in the library");
}

static void add_function(lua_State *L, struct library *lib, const struct registration *r)
{
    lua_pushvalue(L, r->callback);
    int function = luaL_ref(L, LUA_REGISTRYINDEX);
    if (lib->count == lib->room) {
        lib->room = lib->room == 0 ? 4 : lib->room * 2;
        lib->functions = mem_resize(lib->functions, (size_t)lib->room * sizeof *lib->functions);
    }
    struct function *fn = mem_alloc_zeroed(sizeof *fn);
    fn->name = mem_copy_bytes(r->name.ptr, r->name.len);
    if (r->description.ptr != NULL)
        fn->description = mem_copy_bytes(r->description.ptr, r->description.len);
    fn->library = lib;
    fn->function = function;
    fn->flags = r->flags;
    lib->functions[lib->count++] = fn;
}

static int register_function(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &loading_key);
    struct loading *loading = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (loading == NULL)
        return api_raise(L, "redis.register_function can only be called on FUNCTION LOAD command");
    struct registration r = {0};
    int argc = lua_gettop(L);
    if (argc < 1 || argc > 2)
        return api_raise(L, "wrong number of arguments to redis.register_function");
    if (argc == 2)
        read_positions(L, &r);
    else if (lua_istable(L, 1))
        read_table(L, &r);
    else
        return api_raise(L, "calling redis.register_function with a single argument is only "
                            "applicable to Lua table (representing named arguments).");
    check_name(L, loading->library, r.name);
    add_function(L, loading->library, &r);
    return 0;
}

/* -- running ----------------------------------------------------------------------------------- */

static void set_loading(lua_State *L, struct loading *loading)
{
    lua_pushlightuserdata(L, loading);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &loading_key);
}

static void on_hook(lua_State *L, lua_Debug *at)
{
    (void)at;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &loading_key);
    const struct loading *loading = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (loading == NULL || clock_mono_us() < loading->deadline_us)
        return;
    lua_sethook(L, on_hook, LUA_MASKCOUNT, 1); /* whoever catches it meets it again */
    lua_pushliteral(L, "FUNCTION LOAD timeout");
    lua_error(L);
}

/* What was thrown is on top. */
static void tell(lua_State *L, char error[VM_ERROR_MAX], const char *what)
{
    const char *prefix = "ERR ";
    if (lua_istable(L, -1)) {
        lua_pushliteral(L, "err");
        lua_rawget(L, -2);
        prefix = "";
    }
    const char *text = lua_isstring(L, -1) ? lua_tostring(L, -1) : "unknown error";
    snprintf(error, VM_ERROR_MAX, "ERR Error %s: %s%s", what, prefix, text);
}

static int run_protected(lua_State *L)
{
    struct loading *loading = lua_touserdata(L, 1);
    if (compat_load(L, loading->body, "@user_function") != LUA_OK) {
        snprintf(loading->error, VM_ERROR_MAX, "ERR Error compiling function: %s",
                 lua_tostring(L, -1));
        return 0;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &globals_key);
    lua_setupvalue(L, -2, 1);
    lua_pushvalue(L, -1);
    set_loading(L, loading);
    lua_sethook(L, on_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
    int status = lua_pcall(L, 0, 0, 0);
    lua_sethook(L, NULL, 0, 0);
    set_loading(L, NULL);
    if (status != LUA_OK) {
        tell(L, loading->error, "registering functions");
        return 0;
    }
    lua_pushglobaltable(L);
    lua_setupvalue(L, -2, 1);
    return 0;
}

bool function_load_run(struct vm *vm, struct bytes body, struct library *lib,
                       char error[VM_ERROR_MAX])
{
    struct loading loading = {body, lib, error, clock_mono_us() + LOAD_MS * 1000};
    char text[VM_ERROR_MAX];
    error[0] = '\0';
    if (!vm_call(vm, run_protected, &loading, text)) {
        lua_sethook(vm_lua(vm), NULL, 0, 0);
        fail(error, "ERR Error registering functions: ERR %.900s", text);
    }
    return error[0] == '\0';
}

/* -- opening ----------------------------------------------------------------------------------- */

/* The table on top is what `redis` is for loading: of the real one, which is below, it has these.
 */
static void copy_api(lua_State *L)
{
    static const char *const names[] = {
        "log",         "LOG_DEBUG",     "LOG_VERBOSE",      "LOG_NOTICE",
        "LOG_WARNING", "REDIS_VERSION", "REDIS_VERSION_NUM"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        lua_getfield(L, -2, names[i]);
        lua_setfield(L, -2, names[i]);
    }
    lua_pushcfunction(L, register_function);
    lua_setfield(L, -2, "register_function");
}

void function_load_open(lua_State *L)
{
    static const char *const of_scripts[] = {"breakpoint", "debug", "replicate_commands"};
    lua_getfield(L, -1, "redis");
    for (size_t i = 0; i < sizeof of_scripts / sizeof *of_scripts; i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, of_scripts[i]);
    }
    lua_newtable(L);
    copy_api(L);
    sandbox_require(L);
    sandbox_view(L);
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "redis");
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "server");
    sandbox_require(L);
    sandbox_view(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &globals_key);
    lua_pop(L, 2);
}
