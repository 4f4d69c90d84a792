/*
 * functions.c - FCALL, and FUNCTION, which brings, shows and removes libraries.
 */
#include "scripting/functions.h"

#include "base/glob.h"
#include "base/memory.h"
#include "server/call.h"
#include "server/client.h"
#include "server/command.h"
#include "server/dry_run.h"
#include "server/function_dump.h"
#include "server/function_files.h"
#include "server/monitor.h"
#include "server/scripts.h"
#include "server/server.h"
#include "server/version.h"
#include "storage/lazyfree.h"
#include "storage/snapshot/rdb.h"
#include "storage/undo.h"

static struct functions *functions_of(const struct call *call)
{
    return scripts_functions(call->server->scripts);
}

/* -- FCALL ------------------------------------------------------------------------------------- */

/* How a function is run. */
enum manner { FOR_REAL, READ_ONLY, ON_TRIAL };

/* Its name is argument at; the keys and arguments follow. */
static void run_function(struct call *call, int at, enum manner manner)
{
    struct functions *f = functions_of(call);
    struct function *fn = functions_find(f, call->argv[at]);
    int64_t keys;
    monitor_feed_script(call);
    if (fn == NULL) {
        reply_error(call->reply, "ERR Function not found");
        return;
    }
    struct script_job job = {
        .vm = functions_vm(f),
        .function = fn->function,
        .name = fn->name,
        .flags = fn->flags,
        .is_function = true,
        .read_only = manner == READ_ONLY,
        .stats = &fn->stats,
    };
    if (!call_i64_or_reply(call, at + 1, &keys, "ERR Bad number of keys provided") ||
        !script_keys_or_reply(call, at + 1, &job))
        return;
    if (manner == ON_TRIAL)
        dry_run(call, &job);
    else
        script_run(call, &job);
}

static void cmd_fcall(struct call *call)
{
    run_function(call, 1, FOR_REAL);
}

static void cmd_fcall_ro(struct call *call)
{
    run_function(call, 1, READ_ONLY);
}

static void cmd_function_dryrun(struct call *call)
{
    run_function(call, 2, ON_TRIAL);
}

/* What a function declares about itself is what its command is held to. */
static uint32_t fcall_flags(const struct call *call)
{
    const struct function *fn = functions_find(functions_of(call), call->argv[1]);
    uint32_t flags = call->command->flags;
    return fn != NULL ? script_command_flags(flags, fn->flags) : flags;
}

/* -- LOAD, DELETE, FLUSH ----------------------------------------------------------------------- */

static void cmd_function_load(struct call *call)
{
    bool replace = false;
    for (int i = 2; i < call->argc - 1; i++) {
        if (!bytes_is_word(call->argv[i], "replace")) {
            reply_errorf(call->reply, "ERR Unknown option given: %.*s", (int)call->argv[i].len,
                         call->argv[i].ptr);
            return;
        }
        replace = true;
    }
    char error[VM_ERROR_MAX];
    struct functions *f = functions_of(call);
    struct library *lib = function_load(f, call->argv[call->argc - 1], replace, error);
    if (lib == NULL) {
        reply_error(call->reply, error);
    } else if (!functions_add(f, &lib, 1, call->keys->undo, error)) {
        library_destroy(lib);
        reply_error(call->reply, error);
    } else {
        keyspace_count(call->keys, 1);
        reply_bulk_text(call->reply, lib->name);
    }
}

static void cmd_function_delete(struct call *call)
{
    struct library *lib = functions_find_library(functions_of(call), call->argv[2]);
    if (lib == NULL) {
        reply_error(call->reply, "ERR Library not found");
        return;
    }
    functions_drop(functions_of(call), lib, call->keys->undo);
    keyspace_count(call->keys, 1);
    reply_ok(call->reply);
}

static void end_functions(void *context)
{
    functions_destroy(context);
}

/* What was there is ended here, in the background, or by the undo log. */
static void exchange(struct call *call, struct functions *fresh, bool async)
{
    uint64_t objects = (uint64_t)functions_count(functions_of(call)) + 1;
    if (!functions_exchange(functions_of(call), fresh, call->keys->undo))
        return;
    if (async)
        lazyfree_queue(call->server->lazyfree, end_functions, fresh, objects);
    else
        functions_destroy(fresh);
}

static void cmd_function_flush(struct call *call)
{
    bool async = call->server->opt.lazyfree_lazy_user_flush;
    if (call->argc > 3) {
        reply_subcommand_arguments(call);
        return;
    }
    if (call->argc == 3 &&
        !call_flush_mode_or_reply(call, 2, &async,
                                  "ERR FUNCTION FLUSH only supports SYNC|ASYNC option"))
        return;
    exchange(call, scripts_fresh_functions(call->server->scripts), async);
    keyspace_count(call->keys, 1);
    reply_ok(call->reply);
}

static void cmd_function_reload(struct call *call)
{
    struct text error = {0};
    if (function_files_load(call->server, &error)) {
        keyspace_count(call->keys, 1);
        reply_ok(call->reply);
    } else {
        reply_errorf(call->reply, "ERR %s", error.data);
    }
    text_fini(&error);
}

/* -- DUMP and RESTORE -------------------------------------------------------------------------- */

static void cmd_function_dump(struct call *call)
{
    const struct functions *f = functions_of(call);
    struct rdb_writer w;
    rdb_writer_init(&w, call->server->opt.rdbcompression);
    function_dump_write(f, &w);
    rdb_seal(&w, RDB_VERSION_USUAL);
    reply_bulk_owned(call->reply, rdb_writer_view(&w), w.data, mem_free);
}

/* Libraries that are made and in no registry yet. */
struct restored {
    struct library **libs; /* owned */
    int count, room;
};

static void keep(struct restored *r, struct library *lib)
{
    if (r->count == r->room) {
        r->room = r->room == 0 ? 8 : r->room * 2;
        r->libs = mem_resize(r->libs, (size_t)r->room * sizeof *r->libs);
    }
    r->libs[r->count++] = lib;
}

static void end_restored(struct restored *r, bool libraries)
{
    for (int i = 0; libraries && i < r->count; i++)
        library_destroy(r->libs[i]);
    mem_free(r->libs);
}

/* Make all libraries of a payload in f's state. */
static bool read_libraries(struct functions *f, struct bytes body, struct restored *out,
                           char error[VM_ERROR_MAX])
{
    struct rdb_reader r = rdb_reader(body);
    while (rdb_left(&r) > 0) {
        if (rdb_read_byte(&r) != RDB_OP_FUNCTION) {
            snprintf(error, VM_ERROR_MAX, "ERR given type is not a function");
            return false;
        }
        struct rdb_string code;
        struct library *lib = NULL;
        if (rdb_read_string(&r, &code))
            lib = function_load(f, code.text, true, error);
        else
            snprintf(error, VM_ERROR_MAX, "ERR Failed loading the given functions payload");
        rdb_string_end(&code);
        if (lib == NULL)
            return false;
        keep(out, lib);
    }
    return true;
}

enum policy { RESTORE_APPEND, RESTORE_REPLACE, RESTORE_FLUSH };

static bool policy_or_reply(struct call *call, enum policy *out)
{
    *out = RESTORE_APPEND;
    if (call->argc > 4) {
        reply_subcommand_arguments(call);
        return false;
    }
    if (call->argc == 3 || bytes_is_word(call->argv[3], "append"))
        return true;
    *out = bytes_is_word(call->argv[3], "replace") ? RESTORE_REPLACE : RESTORE_FLUSH;
    if (*out == RESTORE_REPLACE || bytes_is_word(call->argv[3], "flush"))
        return true;
    reply_error(call->reply, "ERR Wrong restore policy given, value should be either FLUSH, APPEND "
                             "or REPLACE.");
    return false;
}

static bool is_taken(const struct functions *f, const struct restored *r, char error[VM_ERROR_MAX])
{
    for (int i = 0; i < r->count; i++)
        if (functions_find_library(f, bytes_of_text(r->libs[i]->name)) != NULL) {
            snprintf(error, VM_ERROR_MAX, "ERR Library %s already exists", r->libs[i]->name);
            return true;
        }
    return false;
}

/* target: the registry, or what will take its place. */
static bool restore_into(struct functions *target, struct bytes body, bool append,
                         struct undo *undo, char error[VM_ERROR_MAX])
{
    struct restored r = {0};
    bool fine = read_libraries(target, body, &r, error) &&
                !(append && is_taken(target, &r, error)) &&
                functions_add(target, r.libs, r.count, undo, error);
    end_restored(&r, !fine);
    return fine;
}

static void cmd_function_restore(struct call *call)
{
    enum policy policy;
    struct bytes body;
    char error[VM_ERROR_MAX];
    if (!policy_or_reply(call, &policy))
        return;
    if (!rdb_unseal(call->argv[2], call->server->skip_dump_checksums, &body)) {
        reply_error(call->reply, "ERR DUMP payload version or checksum are wrong");
        return;
    }
    struct functions *target = functions_of(call);
    struct undo no_section = {0}, *undo = call->keys->undo;
    if (policy == RESTORE_FLUSH) {
        target = scripts_fresh_functions(call->server->scripts);
        undo = &no_section; /* what counts is the exchange */
    }
    bool fine = restore_into(target, body, policy == RESTORE_APPEND, undo, error);
    if (fine && policy == RESTORE_FLUSH)
        exchange(call, target, false);
    else if (policy == RESTORE_FLUSH)
        functions_destroy(target);
    if (fine) {
        keyspace_count(call->keys, 1);
        reply_ok(call->reply);
    } else {
        reply_error(call->reply, error);
    }
}

/* -- LIST -------------------------------------------------------------------------------------- */

static void reply_flags(struct reply *r, uint32_t flags)
{
    static const char *const names[] = {"no-writes", "allow-oom", "allow-stale", "no-cluster",
                                        "allow-cross-slot-keys"};
    uint32_t known = flags & ((1u << (sizeof names / sizeof *names)) - 1);
    reply_set(r, __builtin_popcount(known));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (known >> i & 1)
            reply_simple(r, names[i]);
}

static void reply_function(struct reply *r, const struct function *fn)
{
    reply_map(r, 3);
    reply_bulk_text(r, "name");
    reply_bulk_text(r, fn->name);
    reply_bulk_text(r, "description");
    if (fn->description != NULL)
        reply_bulk_text(r, fn->description);
    else
        reply_null(r);
    reply_bulk_text(r, "flags");
    reply_flags(r, fn->flags);
}

static void reply_library(struct reply *r, const struct library *lib, bool with_code)
{
    reply_map(r, with_code ? 4 : 3);
    reply_bulk_text(r, "library_name");
    reply_bulk_text(r, lib->name);
    reply_bulk_text(r, "engine");
    reply_bulk_text(r, "LUA");
    reply_bulk_text(r, "functions");
    reply_array(r, lib->count);
    for (int i = 0; i < lib->count; i++)
        reply_function(r, lib->functions[i]);
    if (with_code) {
        reply_bulk_text(r, "library_code");
        reply_bulk(r, lib->code);
    }
}

struct list_options {
    bool with_code;
    const struct bytes *pattern; /* NULL: all */
};

static bool list_options_or_reply(struct call *call, struct list_options *out)
{
    for (int i = 2; i < call->argc; i++) {
        struct bytes word = call->argv[i];
        if (!out->with_code && bytes_is_word(word, "withcode")) {
            out->with_code = true;
        } else if (out->pattern == NULL && bytes_is_word(word, "libraryname")) {
            if (i + 1 >= call->argc) {
                reply_error(call->reply, "ERR library name argument was not given");
                return false;
            }
            out->pattern = &call->argv[++i];
        } else {
            reply_errorf(call->reply, "ERR Unknown argument %.*s", (int)word.len, word.ptr);
            return false;
        }
    }
    return true;
}

static void cmd_function_list(struct call *call)
{
    const struct functions *f = functions_of(call);
    struct list_options options = {0};
    if (!list_options_or_reply(call, &options))
        return;
    struct reply_mark mark = reply_mark(call->reply);
    int64_t count = 0;
    for (int i = 0; i < functions_library_count(f); i++) {
        const struct library *lib = functions_library(f, i);
        if (options.pattern != NULL &&
            !glob_match(*options.pattern, bytes_of_text(lib->name), true))
            continue;
        reply_library(call->reply, lib, options.with_code);
        count++;
    }
    reply_array_at(call->reply, mark, count);
}

/* -- STATS ------------------------------------------------------------------------------------- */

static void reply_running(struct call *call)
{
    struct reply *r = call->reply;
    const struct call *running;
    uint64_t ms;
    const struct script_job *job = scripts_running(call->server->scripts, &running, &ms);
    if (job == NULL || !job->is_function) {
        reply_null(r);
        return;
    }
    reply_map(r, 3);
    reply_bulk_text(r, "name");
    reply_bulk_text(r, job->name);
    reply_bulk_text(r, "command");
    reply_array(r, running->argc);
    for (int i = 0; i < running->argc; i++)
        reply_bulk(r, running->argv[i]);
    reply_bulk_text(r, "duration_ms");
    reply_int(r, (int64_t)ms);
}

/* Functions that have been called, with what their runs cost; map entries, how many there are. */
static int reply_called(struct reply *r, const struct functions *f)
{
    int called = 0;
    for (int i = 0; i < functions_library_count(f); i++) {
        const struct library *lib = functions_library(f, i);
        for (int j = 0; j < lib->count; j++) {
            const struct function *fn = lib->functions[j];
            if (fn->stats.calls == 0)
                continue;
            reply_bulk_text(r, fn->name);
            reply_map(r, SCRIPT_STATS_FIELDS);
            reply_script_stats(r, &fn->stats);
            called++;
        }
    }
    return called;
}

/* Beyond what Redis tells, a third entry: there once a function has been called. */
static void cmd_function_stats(struct call *call)
{
    const struct functions *f = functions_of(call);
    const struct scripts *sc = call->server->scripts;
    struct reply *r = call->reply;
    if (scripts_is_busy(sc) && !scripts_is_function(sc)) {
        reply_error(r, scripts_busy_error(sc));
        return;
    }
    struct reply_mark mark = reply_mark(r);
    reply_bulk_text(r, "running_script");
    reply_running(call);
    reply_bulk_text(r, "engines");
    reply_map(r, 1);
    reply_bulk_text(r, "LUA");
    reply_map(r, 2);
    reply_bulk_text(r, "libraries_count");
    reply_int(r, functions_library_count(f));
    reply_bulk_text(r, "functions_count");
    reply_int(r, functions_count(f));
    struct reply_mark end = reply_mark(r);
    reply_bulk_text(r, "functions");
    struct reply_mark entries = reply_mark(r);
    int called = reply_called(r, f);
    if (called > 0)
        reply_map_at(r, entries, called);
    else
        reply_rewind(r, end);
    reply_map_at(r, mark, called > 0 ? 3 : 2);
}

static void cmd_function_kill(struct call *call)
{
    scripts_kill(call, true);
}

static void cmd_function_help(struct call *call)
{
    static const char *const lines[] = {
        "LOAD [REPLACE] <FUNCTION CODE>",
        "    Make a library of this code, whose first line names it: #!lua name=<name>",
        "DELETE <LIBRARY NAME>",
        "    Remove a library and its functions.",
        "DRYRUN <FUNCTION> <NUMKEYS> [<KEY> ...] [<ARG> ...]",
        "    Run a function, show its result and its changes, and take all of them back.",
        "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
        "    Show libraries: name, engine, functions, and their code if asked for.",
        "STATS",
        "    Show the function that runs, with its command and how long it has been running, how",
        "    many libraries and functions there are, and what calls of each function cost.",
        "KILL",
        "    End the function that runs.",
        "FLUSH [ASYNC|SYNC]",
        "    Remove all libraries, by default as lazyfree-lazy-user-flush says:",
        "    * ASYNC: their memory is freed in the background.",
        "    * SYNC: their memory is freed at once.",
        "DUMP",
        "    Show all libraries as a payload for FUNCTION RESTORE.",
        "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
        "    Make the libraries of a payload:",
        "    * FLUSH: in the place of all that are there.",
        "    * APPEND: beside them; if a name is taken, none is made. The default.",
        "    * REPLACE: in the place of those with the same name.",
        "RELOAD",
        "    Read the files of load-functions again: all libraries come from them, or none.",
        NULL,
    };
    reply_help(call, lines);
}

/* -- rows -------------------------------------------------------------------------------------- */

#define ALL_SHARDS "request_policy:all_shards response_policy:all_succeeded"

static const struct command function_subcommands[] = {
    {
        .name = "delete",
        .run = cmd_function_delete,
        .arity = 3,
        .flags = CMD_NOSCRIPT | CMD_WRITE,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = "7.0.0",
        .summary = "Removes a library and its functions.",
        .complexity = "O(1)",
        .args = "library-name:string",
        .tips = ALL_SHARDS,
    },
    {
        .name = "dryrun",
        .run = cmd_function_dryrun,
        .arity = -4,
        .flags = CMD_NOSCRIPT | CMD_SKIP_MONITOR | CMD_NO_MANDATORY_KEYS | CMD_STALE,
        .categories = CAT_SCRIPTING,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 3, .counted = true, .key_at = 1}),
        .group = "scripting",
        .since = REDOUBT_VERSION,
        .summary = "Runs a function, shows its result and its changes, and takes them all back.",
        .complexity = "Depends on the function that is executed.",
        .args = "function numkeys:integer key:key#0?* arg?*",
    },
    {
        .name = "dump",
        .run = cmd_function_dump,
        .arity = 2,
        .flags = CMD_NOSCRIPT,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = "7.0.0",
        .summary = "Shows all libraries as a payload that FUNCTION RESTORE takes.",
        .complexity = "O(N) with N libraries",
    },
    {
        .name = "flush",
        .run = cmd_function_flush,
        .arity = -2,
        .flags = CMD_NOSCRIPT | CMD_WRITE,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = "7.0.0",
        .summary = "Removes all libraries.",
        .complexity = "O(N) with N functions",
        .args = "flush-type(async:token=ASYNC|sync:token=SYNC)?",
        .tips = ALL_SHARDS,
    },
    {
        .name = "help",
        .run = cmd_function_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = "7.0.0",
        .summary = "Lists the subcommands of FUNCTION.",
        .complexity = "O(1)",
    },
    {
        .name = "kill",
        .run = cmd_function_kill,
        .arity = 2,
        .flags = CMD_NOSCRIPT | CMD_ALLOW_BUSY,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = "7.0.0",
        .summary = "Ends the function that runs.",
        .complexity = "O(1)",
        .tips = "request_policy:all_shards response_policy:one_succeeded",
    },
    {
        .name = "list",
        .run = cmd_function_list,
        .arity = -2,
        .flags = CMD_NOSCRIPT,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = "7.0.0",
        .summary = "Shows libraries and their functions.",
        .complexity = "O(N) with N functions",
        .args = "library-name-pattern:string=LIBRARYNAME? withcode:token=WITHCODE?",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "load",
        .run = cmd_function_load,
        .arity = -3,
        .flags = CMD_NOSCRIPT | CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = "7.0.0",
        .summary = "Makes a library of functions.",
        .complexity = "O(1) (considering compilation time is redundant)",
        .args = "replace:token=REPLACE? function-code:string",
        .tips = ALL_SHARDS,
    },
    {
        .name = "reload",
        .run = cmd_function_reload,
        .arity = 2,
        .flags = CMD_NOSCRIPT | CMD_WRITE | CMD_DENYOOM | CMD_ADMIN,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = REDOUBT_VERSION,
        .summary = "Reads the files of load-functions again, all or none. Of this server.",
        .complexity = "O(N) with N bytes of the files",
    },
    {
        .name = "restore",
        .run = cmd_function_restore,
        .arity = -3,
        .flags = CMD_NOSCRIPT | CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = "7.0.0",
        .summary = "Makes the libraries of a payload.",
        .complexity = "O(N) with N functions of the payload",
        .args = "serialized-value:string "
                "policy(flush:token=FLUSH|append:token=APPEND|replace:token=REPLACE)?",
        .tips = ALL_SHARDS,
    },
    {
        .name = "stats",
        .run = cmd_function_stats,
        .arity = 2,
        .flags = CMD_NOSCRIPT | CMD_ALLOW_BUSY,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = "7.0.0",
        .summary = "Tells which function runs, and what calls of functions cost.",
        .complexity = "O(N) with N functions",
        .tips = "nondeterministic_output request_policy:all_shards response_policy:special",
    },
    {0},
};

#define FCALL_ARGS "function:string numkeys:integer key:key#0?* arg:string?*"

const struct command function_commands[] = {
    {
        .name = "fcall",
        .run = cmd_fcall,
        .arity = -3,
        .flags =
            CMD_NOSCRIPT | CMD_SKIP_MONITOR | CMD_MAY_REPLICATE | CMD_NO_MANDATORY_KEYS | CMD_STALE,
        .flags_of = fcall_flags,
        .categories = CAT_SCRIPTING,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 2, .counted = true, .key_at = 1}),
        .group = "scripting",
        .since = "7.0.0",
        .summary = "Calls a function.",
        .complexity = "Depends on the function that is executed.",
        .args = FCALL_ARGS,
    },
    {
        .name = "fcall_ro",
        .run = cmd_fcall_ro,
        .arity = -3,
        .flags = CMD_NOSCRIPT | CMD_SKIP_MONITOR | CMD_NO_MANDATORY_KEYS | CMD_STALE | CMD_READONLY,
        .flags_of = fcall_flags,
        .categories = CAT_SCRIPTING,
        KEYS({KEY_RO | KEY_ACCESS, .first = 2, .counted = true, .key_at = 1}),
        .group = "scripting",
        .since = "7.0.0",
        .summary = "Calls a function that may only read.",
        .complexity = "Depends on the function that is executed.",
        .args = FCALL_ARGS,
    },
    {
        .name = "function",
        .arity = -2,
        .subcommands = function_subcommands,
        .group = "scripting",
        .since = "7.0.0",
        .summary = "Container of the commands about functions.",
        .complexity = "Depends on subcommand.",
    },
    {0},
};
