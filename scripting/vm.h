/*
 * vm.h - one sandboxed Lua state: EVAL's scripts have one, functions have another.
 *
 * A vm knows Lua and nothing of the server: it reaches commands through a struct script_host that
 * it is handed. All that a script can do wrong ends in vm_run() as an error reply: an error or a
 * table thrown, too much memory, too deep a recursion, an end from outside (vm_interrupt()). Memory
 * is counted in the allocator and bounded.
 *
 * The stack of the main thread has a fixed bottom: see enum vm_slot. Only raw access is fast and
 * safe there: what scripts see are read-only views of those tables (sandbox.h).
 */
#ifndef REDOUBT_SCRIPTING_VM_H
#define REDOUBT_SCRIPTING_VM_H

#include <lua.h>

#include "base/bytes.h"

struct convert_buffer;
struct reply;

/* How scripts reach commands. context is handed to each. */
struct script_host {
    void *context;
    const char *version; /* redis.REDIS_VERSION and _NUM */
    int version_number;
    /* Run a command for the script. Whatever happens (unknown, refused, failed), the answer is one
     * whole reply in the protocol resp, which stays until the next call. */
    struct reply *(*call)(void *context, int resp, const struct bytes *argv, int argc);
    /* redis.log(): level is LOG_DEBUG (0) ... LOG_WARNING (3). */
    void (*log)(void *context, int level, struct bytes text);
    /* redis.acl_check_cmd(): 1 allowed, 0 not, -1 there is no such command. */
    int (*may_call)(void *context, const struct bytes *argv, int argc);
    /* A script has run for so long that vm_interrupt() was called, and is at a point where anything
     * may happen. NULL: go on; else the text of the error with which it ends at once. */
    const char *(*interrupted)(void *context);
    /* May a script have what it did taken back (redis.rollback())? */
    bool (*may_roll_back)(void *context);
};

/* Fixed slots at the bottom of the main thread's stack. */
enum vm_slot {
    VM_GLOBALS = 1, /* the table of globals itself; scripts have a view */
    VM_HANDLER,     /* message handler: turns what was thrown into a table with err, source, line */
    VM_SLOT_COUNT = VM_HANDLER,
};

struct vm;

/* Fill the table of globals, which is on top of the stack: before views are made of all in it. */
typedef void vm_open(lua_State *L);
/* memory_limit: bytes, 0 is none. open may be NULL. Out of memory ends the process. */
struct vm *vm_create(const struct script_host *host, size_t memory_limit, vm_open *open);
void vm_destroy(struct vm *vm); /* never while it runs */

lua_State *vm_lua(struct vm *vm);
/* The vm of any thread of its state. */
struct vm *vm_of(lua_State *L);
const struct script_host *vm_host(const struct vm *vm);
size_t vm_memory(const struct vm *vm);
void vm_set_memory_limit(struct vm *vm, size_t limit);

/* -- running ----------------------------------------------------------------------------------- */

enum { VM_ERROR_MAX = 1024 };

/* Compile text (never bytecode). Returns a reference for vm_run(), to be dropped with
 * vm_forget(), or LUA_NOREF and error says why. name is Lua's chunk name: "@user_script". */
int vm_compile(struct vm *vm, struct bytes code, const char *name, char error[VM_ERROR_MAX]);
void vm_forget(struct vm *vm, int function);

struct vm_run {
    int function;     /* vm_compile()'s, or any reference to a function in the registry */
    const char *name; /* for error texts: a script's sha, a function's name */
    const struct bytes *keys, *args;
    int key_count, arg_count;
    bool as_globals;   /* KEYS and ARGV are globals (EVAL), or the arguments (functions) */
    bool maps;         /* lua-map-replies */
    struct reply *out; /* where the one reply goes; its resp field is the client's protocol */
    /* Set by vm_run(): */
    bool thrown;      /* it ended in an error: it did not just return one */
    bool failed;      /* the reply is an error */
    bool was_counted; /* and it came from a command that has been counted as failed already */
};
/* Run it and write exactly one reply. False: run->failed. */
bool vm_run(struct vm *vm, struct vm_run *run);
bool vm_is_running(const struct vm *vm);
/* Is the running script being ended, whatever it does? */
bool vm_is_ending(const struct vm *vm);

/* Call fn protected, with argument in a light userdata; for libraries that are being loaded. True:
 * fine. False: error has the text, without code, with position. */
bool vm_call(struct vm *vm, lua_CFunction fn, void *argument, char error[VM_ERROR_MAX]);

/* Make the running script (if there is one) call host->interrupted() soon: from its next
 * instructions on, again and again until it ends. To be called on the vm's own thread, signal
 * handlers included. */
void vm_interrupt(struct vm *vm);
/* End the running script with this error, which no pcall() catches. Raises. */
int vm_end_script(lua_State *L, const char *text);
/* For C functions that take long: does what an interrupted script does (may raise). */
void vm_poll(lua_State *L);
/* The thread (coroutine) that runs now: for whoever switches it. Returns the one before. */
lua_State *vm_switch(struct vm *vm, lua_State *to);

/* State of the running script, for api.c. */
struct vm_session {
    int resp;         /* redis.setresp(): protocol in which commands answer: 2 unless told */
    bool was_counted; /* of the errors in the reply, all come from commands that were counted */
    bool has_error;   /* there are errors in the reply */
    int repl;         /* redis.set_repl(); nothing depends on it yet */
    lua_State *now;   /* the thread that runs */
};
struct vm_session *vm_session(struct vm *vm);
/* Views of arguments of redis.call(): room for count of them, valid until the next call. */
struct bytes *vm_arguments(struct vm *vm, int count);
/* Where replies that lie in pieces are put together. */
struct convert_buffer *vm_buffer(struct vm *vm);
/* Room for numbers among them as text. */
char *vm_number_room(struct vm *vm, size_t size);

#endif
