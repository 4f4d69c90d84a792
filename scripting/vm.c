/*
 * vm.c - a Lua state with an account of its memory, and runs that always end in one reply.
 *
 * Everything that can raise happens inside one protected call: pushing keys and arguments, the
 * function itself, turning its result into a reply. So a script that fails anywhere, for lack of
 * memory too, leaves nothing but an error object, and the reply is rewound to where it began.
 *
 * A script is not watched while it runs: a count hook costs something at every instruction. It is
 * set only by vm_interrupt(), when somebody has found that the script takes long.
 */
#include "scripting/vm.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "protocol/reply.h"
#include "scripting/compat.h"
#include "scripting/convert.h"
#include "scripting/sandbox.h"

enum {
    HOOK_INSTRUCTIONS = 10000, /* between two polls of a script that takes long */
    LARGE = 1 << 20,           /* an allocation that may be refused by the system */
    ARGUMENTS = 64,            /* kept between calls */
    SCRATCH_KEEP = 64 * 1024,
    GROWN = 1024, /* a table of this size is no table of a few keys and arguments */
    KEPT_MAX = 8, /* values of a table that serves again */
};

/* KEYS or ARGV of the last script. */
struct kept {
    const char *name;
    int table, count; /* in the registry; values */
};

struct vm {
    lua_State *L;
    const struct script_host *host;
    size_t memory, limit;
    bool has_grown;        /* some table or buffer has, since a script was given KEYS and ARGV */
    volatile bool running; /* what a signal handler looks at */
    volatile bool armed;   /* the hook is set */
    char ending[VM_ERROR_MAX]; /* the error with which the running script ends; "": it goes on */
    struct vm_session session;
    struct kept keys, args;
    struct bytes *argv; /* owned */
    int argv_room;
    char *numbers; /* owned */
    size_t numbers_room;
    struct convert_buffer buffer;
};

/* -- memory ------------------------------------------------------------------------------------ */

static void *resize_large(void *block, size_t old, size_t size)
{
    void *fresh = mem_try_alloc(size);
    if (fresh == NULL)
        return NULL;
    if (block != NULL) {
        memcpy(fresh, block, old < size ? old : size);
        mem_free(block);
    }
    return fresh;
}

/* Shrinking never fails, as Lua demands. */
static void *allocate(void *context, void *block, size_t old, size_t size)
{
    struct vm *vm = context;
    if (size > GROWN && (block != NULL || old == 0))
        vm->has_grown = true;
    if (block == NULL)
        old = 0; /* it was the kind of object */
    if (size == 0) {
        vm->memory -= old;
        if (block != NULL)
            mem_free_sized(block, old);
        return NULL;
    }
    if (size > old && vm->limit != 0 && vm->memory + (size - old) > vm->limit)
        return NULL;
    if (block == NULL && size < LARGE) {
        vm->memory += size;
        return mem_alloc(size);
    }
    void *fresh =
        size > old && size >= LARGE ? resize_large(block, old, size) : mem_resize(block, size);
    if (fresh != NULL)
        vm->memory += size - old;
    return fresh;
}

size_t vm_memory(const struct vm *vm)
{
    return vm->memory;
}

void vm_set_memory_limit(struct vm *vm, size_t limit)
{
    vm->limit = limit;
}

/* -- what was thrown --------------------------------------------------------------------------- */

/* The innermost Lua function's source and line go into the error table on top. */
static void note_place(lua_State *L)
{
    lua_Debug at;
    for (int level = 1; lua_getstack(L, level, &at) != 0; level++) {
        lua_getinfo(L, "Sl", &at);
        if (*at.what == 'C')
            continue;
        lua_pushliteral(L, "source");
        lua_pushstring(L, at.source);
        lua_rawset(L, -3);
        lua_pushliteral(L, "line");
        lua_pushinteger(L, at.currentline);
        lua_rawset(L, -3);
        return;
    }
}

/* Message handler: whatever was thrown becomes a table with err. No metamethods: they may raise. */
static int handle_error(lua_State *L)
{
    lua_settop(L, 1);
    if (!lua_istable(L, 1)) {
        size_t len;
        const char *text = NULL;
        compat_error_text(L);
        if (lua_isstring(L, 1) != 0)
            text = lua_tolstring(L, 1, &len);
        lua_createtable(L, 0, 3);
        lua_pushliteral(L, "err");
        if (text != NULL)
            lua_pushfstring(L, "ERR %s", text);
        else if (lua_isboolean(L, 1))
            lua_pushstring(L, lua_toboolean(L, 1) ? "ERR true" : "ERR false");
        else
            lua_pushfstring(L, "ERR %s", luaL_typename(L, 1));
        lua_rawset(L, -3);
    }
    note_place(L);
    return 1;
}

/* -- life -------------------------------------------------------------------------------------- */

static int open_state(lua_State *L)
{
    vm_open *open = *(vm_open **)lua_touserdata(L, 1);
    lua_settop(L, 0);
    sandbox_open(L, open);
    return 1;
}

static int on_panic(lua_State *L)
{
    (void)L; /* nothing is run unprotected; Lua aborts */
    return 0;
}

static struct kept keep_table(lua_State *L, const char *name)
{
    lua_newtable(L);
    lua_pushstring(L, name);
    lua_pushvalue(L, -2);
    lua_rawset(L, VM_GLOBALS);
    return (struct kept){.name = name, .table = luaL_ref(L, LUA_REGISTRYINDEX)};
}

struct vm *vm_create(const struct script_host *host, size_t memory_limit, vm_open *open)
{
    struct vm *vm = mem_alloc_zeroed(sizeof *vm);
    vm->host = host;
    vm->argv_room = ARGUMENTS;
    vm->argv = mem_alloc(ARGUMENTS * sizeof *vm->argv);
    vm->L = lua_newstate(allocate, vm);
    lua_atpanic(vm->L, on_panic);
    *(struct vm **)lua_getextraspace(vm->L) = vm;
    vm->session = (struct vm_session){.resp = 2, .now = vm->L};
    lua_pushcfunction(vm->L, open_state);
    lua_pushlightuserdata(vm->L, &open);
    if (lua_pcall(vm->L, 1, 1, 0) != LUA_OK) {
        fprintf(stderr, "Lua cannot be started: %s\n", lua_tostring(vm->L, -1));
        abort();
    }
    lua_pushcfunction(vm->L, handle_error);
    vm->keys = keep_table(vm->L, "KEYS");
    vm->args = keep_table(vm->L, "ARGV");
    vm->limit = memory_limit;
    return vm;
}

void vm_destroy(struct vm *vm)
{
    if (vm == NULL)
        return;
    lua_close(vm->L);
    convert_buffer_fini(&vm->buffer);
    mem_free(vm->argv);
    mem_free(vm->numbers);
    mem_free(vm);
}

lua_State *vm_lua(struct vm *vm)
{
    return vm->L;
}

struct vm *vm_of(lua_State *L)
{
    return *(struct vm **)lua_getextraspace(L);
}

const struct script_host *vm_host(const struct vm *vm)
{
    return vm->host;
}

struct vm_session *vm_session(struct vm *vm)
{
    return &vm->session;
}

struct convert_buffer *vm_buffer(struct vm *vm)
{
    return &vm->buffer;
}

bool vm_is_ending(const struct vm *vm)
{
    return vm->ending[0] != '\0';
}

bool vm_is_running(const struct vm *vm)
{
    return vm->running;
}

struct bytes *vm_arguments(struct vm *vm, int count)
{
    if (count > vm->argv_room) {
        vm->argv_room = count;
        vm->argv = mem_resize(vm->argv, (size_t)count * sizeof *vm->argv);
    }
    return vm->argv;
}

char *vm_number_room(struct vm *vm, size_t size)
{
    if (size > vm->numbers_room) {
        vm->numbers_room = size;
        vm->numbers = mem_resize(vm->numbers, size);
    }
    return vm->numbers;
}

/* -- code -------------------------------------------------------------------------------------- */

struct compile {
    struct bytes code;
    const char *name;
    int function;
};

static int compile_protected(lua_State *L)
{
    struct compile *c = lua_touserdata(L, 1);
    if (compat_load(L, c->code, c->name) != LUA_OK)
        return lua_error(L);
    c->function = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* Text of what was thrown, which is on top. */
static void take_error(lua_State *L, char error[VM_ERROR_MAX])
{
    const char *text = NULL;
    if (lua_istable(L, -1)) {
        lua_pushliteral(L, "err");
        lua_rawget(L, -2);
        lua_replace(L, -2);
    }
    if (lua_isstring(L, -1) != 0)
        text = lua_tostring(L, -1);
    snprintf(error, VM_ERROR_MAX, "%s", text != NULL ? text : "unknown error");
    lua_pop(L, 1);
}

bool vm_call(struct vm *vm, lua_CFunction fn, void *argument, char error[VM_ERROR_MAX])
{
    lua_State *L = vm->L;
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, argument);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK)
        return true;
    take_error(L, error);
    return false;
}

int vm_compile(struct vm *vm, struct bytes code, const char *name, char error[VM_ERROR_MAX])
{
    struct compile c = {code, name, LUA_NOREF};
    return vm_call(vm, compile_protected, &c, error) ? c.function : LUA_NOREF;
}

void vm_forget(struct vm *vm, int function)
{
    luaL_unref(vm->L, LUA_REGISTRYINDEX, function);
}

/* -- runs -------------------------------------------------------------------------------------- */

static void push_strings(lua_State *L, const struct bytes *items, int count)
{
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushlstring(L, items[i].ptr, items[i].len);
        lua_rawseti(L, -2, i + 1);
    }
}

static void set_global(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    lua_insert(L, -2);
    lua_rawset(L, 2);
}

/* Is the table on top still as it was given, but for its values? */
static bool is_reusable(lua_State *L, int count)
{
    if (lua_getmetatable(L, -1) != 0) {
        lua_pop(L, 1);
        return false;
    }
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        lua_Integer at = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
        if (at < 1 || at > count) {
            lua_pop(L, 2);
            return false;
        }
    }
    return true;
}

/* Nothing of a script outlives it, so the table of the one before serves again, if it is small. */
static void give_global(lua_State *L, struct kept *kept, bool grown, const struct bytes *items,
                        int count)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, kept->table);
    if (grown || kept->count > KEPT_MAX || count > KEPT_MAX || !is_reusable(L, kept->count)) {
        lua_pop(L, 1);
        push_strings(L, items, count);
        lua_pushvalue(L, -1);
        lua_rawseti(L, LUA_REGISTRYINDEX, kept->table);
        kept->count = count;
        set_global(L, kept->name);
        return;
    }
    for (int i = 0; i < count; i++) {
        lua_pushlstring(L, items[i].ptr, items[i].len);
        lua_rawseti(L, -2, i + 1);
    }
    for (int i = count; i < kept->count; i++) {
        lua_pushnil(L);
        lua_rawseti(L, -2, i + 1);
    }
    kept->count = count;
    lua_pop(L, 1);
}

/* The run, and the globals: the fixed slots are out of reach here. */
static int run_protected(lua_State *L)
{
    struct vm_run *run = lua_touserdata(L, 1);
    struct vm *vm = vm_of(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->function);
    if (run->as_globals) {
        bool grown = vm->has_grown;
        vm->has_grown = false;
        give_global(L, &vm->keys, grown, run->keys, run->key_count);
        give_global(L, &vm->args, grown, run->args, run->arg_count);
    } else {
        push_strings(L, run->keys, run->key_count);
        push_strings(L, run->args, run->arg_count);
    }
    lua_call(L, run->as_globals ? 0 : 2, 1);
    convert_to_reply(L, run->out, run->maps);
    return 0;
}

/* A field of the error table at the top, as text without metamethods; NULL if it is none. */
static const char *error_field(lua_State *L, const char *name, size_t *len)
{
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, len) : NULL;
    lua_pop(L, 1); /* the table keeps it */
    return text;
}

static bool error_flag(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    bool is_set = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is_set;
}

/* Answer what the protected call failed with: the error object is on top. */
static int answer_error(lua_State *L)
{
    struct vm_run *run = lua_touserdata(L, 1);
    size_t len = 0;
    lua_settop(L, 2);
    if (!lua_istable(L, 2)) {
        reply_errorf(run->out, "ERR Error running script %s, %s", run->name,
                     lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "unknown error");
        return 0;
    }
    const char *text = error_field(L, "err", &len);
    const char *source = error_field(L, "source", &len);
    run->was_counted = error_flag(L, "ignore_error_stats_update");
    lua_pushliteral(L, "line");
    lua_rawget(L, 2);
    if (text == NULL)
        text = "ERR unknown error";
    if (source == NULL || !lua_isinteger(L, -1))
        reply_error(run->out, text);
    else
        reply_errorf(run->out, "%s script: %s, on %s:%d.", text, run->name, source,
                     (int)lua_tointeger(L, -1));
    return 0;
}

static void fail_run(struct vm *vm, struct vm_run *run, struct reply_mark mark)
{
    lua_State *L = vm->L;
    size_t limit = vm->limit;
    reply_rewind(run->out, mark);
    vm->limit = 0; /* the words for the failure may take what the script could not */
    lua_pushcfunction(L, answer_error);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, run);
    lua_insert(L, -2);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        reply_error(run->out, "ERR unknown error");
    vm->limit = limit;
    run->failed = true;
}

static void disarm(struct vm *vm)
{
    lua_sethook(vm->L, NULL, 0, 0);
    vm->armed = false;
    vm->ending[0] = '\0';
}

bool vm_run(struct vm *vm, struct vm_run *run)
{
    lua_State *L = vm->L;
    struct reply_mark mark = reply_mark(run->out);
    run->failed = run->thrown = run->was_counted = false;
    vm->session.resp = 2;
    vm->session.was_counted = true;
    vm->session.has_error = false;
    vm->running = true;
    lua_pushcfunction(L, run_protected);
    lua_pushlightuserdata(L, run);
    lua_pushvalue(L, VM_GLOBALS);
    int status = lua_pcall(L, 2, 0, VM_HANDLER);
    vm->running = false;
    vm->session.now = L;
    if (vm->armed)
        disarm(vm);
    run->thrown = status != LUA_OK;
    if (run->thrown)
        fail_run(vm, run, mark);
    else if (vm->session.has_error)
        run->was_counted = vm->session.was_counted;
    run->failed |= vm->session.has_error;
    lua_settop(L, VM_SLOT_COUNT);
    convert_buffer_trim(&vm->buffer, SCRATCH_KEEP);
    return !run->failed;
}

/* -- scripts that take long -------------------------------------------------------------------- */

static void on_hook(lua_State *L, lua_Debug *at)
{
    (void)at;
    vm_poll(L);
}

/* From a signal handler, too: lua_sethook() is made for that. */
static void arm(struct vm *vm, lua_State *L)
{
    lua_sethook(L, on_hook, LUA_MASKCOUNT, vm->ending[0] != '\0' ? 1 : HOOK_INSTRUCTIONS);
}

void vm_interrupt(struct vm *vm)
{
    if (!vm->running || vm->armed)
        return;
    vm->armed = true;
    arm(vm, vm->session.now);
}

/* Again at every instruction, so that no pcall() goes on. */
static int raise_ending(lua_State *L, const struct vm *vm)
{
    lua_createtable(L, 0, 3);
    lua_pushstring(L, vm->ending);
    lua_setfield(L, -2, "err");
    return lua_error(L);
}

int vm_end_script(lua_State *L, const char *text)
{
    struct vm *vm = vm_of(L);
    snprintf(vm->ending, sizeof vm->ending, "%s", text);
    vm->armed = true;
    arm(vm, L);
    return raise_ending(L, vm);
}

void vm_poll(lua_State *L)
{
    struct vm *vm = vm_of(L);
    if (!vm->armed)
        return;
    if (vm->ending[0] != '\0')
        raise_ending(L, vm);
    const char *end = vm->host->interrupted(vm->host->context);
    if (end != NULL)
        vm_end_script(L, end);
}

lua_State *vm_switch(struct vm *vm, lua_State *to)
{
    lua_State *before = vm->session.now;
    vm->session.now = to;
    /* Setting a hook begins its count again: a thread that has it keeps counting. */
    if (vm->armed && (lua_gethook(to) == NULL || vm_is_ending(vm)))
        arm(vm, to);
    return before;
}
