/*
 * scripting.c - EVAL and its family, SCRIPT.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "server/client.h"
#include "server/command.h"
#include "server/dry_run.h"
#include "server/monitor.h"
#include "server/scripts.h"
#include "server/server.h"
#include "server/version.h"

/* -- running ----------------------------------------------------------------------------------- */

/* How a script is run. */
enum manner { FOR_REAL, READ_ONLY, ON_TRIAL };

static void run_script(struct call *call, struct script *script, struct script_job *job,
                       enum manner manner)
{
    job->vm = scripts_eval_vm(call->server->scripts);
    job->function = script->function;
    job->name = script->sha;
    job->flags = script->flags;
    job->read_only = manner == READ_ONLY;
    job->stats = &script->stats;
    if (manner == ON_TRIAL)
        dry_run(call, job);
    else
        script_run(call, job);
}

static struct script *find_or_add(struct call *call, struct bytes body, bool loaded)
{
    struct scripts *sc = call->server->scripts;
    char error[VM_ERROR_MAX];
    struct script *script = script_cache_find_body(scripts_cache(sc), body);
    if (script != NULL)
        return script;
    script = script_cache_add(scripts_cache(sc), scripts_eval_vm(sc), body, loaded, error);
    if (script == NULL)
        reply_error(call->reply, error);
    return script;
}

static void eval(struct call *call, enum manner manner)
{
    struct script_job job = {0};
    monitor_feed_script(call);
    if (!script_keys_or_reply(call, 2, &job))
        return;
    struct script *script = find_or_add(call, call->argv[1], false);
    if (script != NULL)
        run_script(call, script, &job, manner);
}

/* The sha at argument at, and what follows it. */
static void evalsha(struct call *call, int at, enum manner manner)
{
    struct script_job job = {0};
    monitor_feed_script(call);
    struct script_cache *cache = scripts_cache(call->server->scripts);
    if (call->argv[at].len != SHA1_HEX) {
        reply_error(call->reply, "NOSCRIPT No matching script. Please use EVAL.");
        return;
    }
    if (!script_keys_or_reply(call, at + 1, &job))
        return;
    struct script *script = script_cache_find(cache, call->argv[at]);
    if (script == NULL)
        reply_error(call->reply, "NOSCRIPT No matching script. Please use EVAL.");
    else
        run_script(call, script, &job, manner);
}

static void cmd_eval(struct call *call)
{
    eval(call, FOR_REAL);
}

static void cmd_eval_ro(struct call *call)
{
    eval(call, READ_ONLY);
}

static void cmd_evalsha(struct call *call)
{
    evalsha(call, 1, FOR_REAL);
}

static void cmd_evalsha_ro(struct call *call)
{
    evalsha(call, 1, READ_ONLY);
}

/* -- SCRIPT ------------------------------------------------------------------------------------ */

static void cmd_script_load(struct call *call)
{
    struct script *script = find_or_add(call, call->argv[2], true);
    if (script == NULL)
        return;
    script_cache_keep(scripts_cache(call->server->scripts), script);
    reply_bulk(call->reply, bytes_of(script->sha, SHA1_HEX));
}

static void cmd_script_dryrun(struct call *call)
{
    evalsha(call, 2, ON_TRIAL);
}

static void cmd_script_exists(struct call *call)
{
    struct script_cache *cache = scripts_cache(call->server->scripts);
    reply_array(call->reply, call->argc - 2);
    for (int i = 2; i < call->argc; i++)
        reply_int(call->reply, script_cache_find(cache, call->argv[i]) != NULL);
}

static void cmd_script_flush(struct call *call)
{
    bool async = call->server->opt.lazyfree_lazy_user_flush;
    static const char error[] = "ERR SCRIPT FLUSH only support SYNC|ASYNC option";
    if (call->argc > 3) {
        reply_error(call->reply, error);
        return;
    }
    if (call->argc == 3 && !call_flush_mode_or_reply(call, 2, &async, error))
        return;
    scripts_flush(call->server->scripts, async);
    reply_ok(call->reply);
}

static void cmd_script_debug(struct call *call)
{
    struct bytes mode = call->argv[2];
    if (bytes_is_word(mode, "no"))
        reply_ok(call->reply);
    else if (bytes_is_word(mode, "yes") || bytes_is_word(mode, "sync"))
        reply_error(call->reply, "ERR SCRIPT DEBUG is not supported: there is no debugger");
    else
        reply_error(call->reply, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

static void cmd_script_kill(struct call *call)
{
    scripts_kill(call, false);
}

/* -- what runs cost ---------------------------------------------------------------------------- */

static void add_figure(struct reply *r, const char *name, int64_t value)
{
    reply_bulk_text(r, name);
    reply_int(r, value);
}

static void cmd_script_stats(struct call *call)
{
    struct scripts *sc = call->server->scripts;
    struct reply *r = call->reply;
    struct script_figures f = scripts_figures(sc);
    const struct call *runs;
    uint64_t ms;
    const struct script_job *job = scripts_running(sc, &runs, &ms);
    reply_map(r, 5 + SCRIPT_STATS_FIELDS);
    reply_bulk_text(r, "running_script");
    if (job == NULL) {
        reply_null(r);
    } else {
        reply_map(r, 2);
        reply_bulk_text(r, "name");
        reply_bulk_text(r, job->name);
        add_figure(r, "duration_ms", (int64_t)ms);
    }
    add_figure(r, "scripts", (int64_t)f.cached);
    add_figure(r, "evicted", (int64_t)f.evicted);
    add_figure(r, "memory_scripts", (int64_t)f.scripts_eval);
    add_figure(r, "memory_vm", (int64_t)f.vm_eval);
    reply_script_stats(r, scripts_totals(sc));
}

struct listing {
    const struct script **scripts;
    size_t count;
};

static void list_one(struct script *script, void *context)
{
    struct listing *l = context;
    l->scripts[l->count++] = script;
}

static int by_time(const void *a, const void *b)
{
    const struct script *x = *(const struct script *const *)a;
    const struct script *y = *(const struct script *const *)b;
    if (x->stats.ticks != y->stats.ticks)
        return x->stats.ticks < y->stats.ticks ? 1 : -1;
    return strcmp(x->sha, y->sha);
}

static void reply_script(struct reply *r, const struct script *s, bool with_code)
{
    reply_map(r, 3 + SCRIPT_STATS_FIELDS + with_code);
    reply_bulk_text(r, "sha1");
    reply_bulk(r, bytes_of(s->sha, SHA1_HEX));
    reply_bulk_text(r, "origin");
    reply_bulk_text(r, s->loaded ? "load" : "eval");
    add_figure(r, "bytes", (int64_t)s->body.len);
    reply_script_stats(r, &s->stats);
    if (with_code) {
        reply_bulk_text(r, "script");
        reply_bulk(r, s->body);
    }
}

/* Those that took the most time come first. */
static void cmd_script_list(struct call *call)
{
    struct script_cache *cache = scripts_cache(call->server->scripts);
    bool with_code = call->argc == 3 && bytes_is_word(call->argv[2], "withcode");
    if (call->argc > 2 && !with_code) {
        reply_syntax_error(call);
        return;
    }
    struct listing l = {mem_alloc((script_cache_count(cache) + 1) * sizeof *l.scripts), 0};
    script_cache_each(cache, list_one, &l);
    qsort(l.scripts, l.count, sizeof *l.scripts, by_time);
    reply_array(call->reply, (int64_t)l.count);
    for (size_t i = 0; i < l.count; i++)
        reply_script(call->reply, l.scripts[i], with_code);
    mem_free(l.scripts);
}

static void cmd_script_help(struct call *call)
{
    static const char *const lines[] = {
        "DEBUG (YES|SYNC|NO)",
        "    Accepted for NO: there is no debugger.",
        "DRYRUN <sha1> <numkeys> [<key> ...] [<arg> ...]",
        "    Run a script, show its result and its changes, and take all of them back.",
        "EXISTS <sha1> [<sha1> ...]",
        "    Tell which of these scripts are there.",
        "FLUSH [ASYNC|SYNC]",
        "    Forget all scripts, by default as lazyfree-lazy-user-flush says:",
        "    * ASYNC: their memory is freed in the background.",
        "    * SYNC: their memory is freed at once.",
        "KILL",
        "    End the script that runs. With script-rollback no: if it has changed nothing yet.",
        "LIST [WITHCODE]",
        "    Show all scripts with what their runs cost, the dearest first.",
        "LOAD <script>",
        "    Keep a script for EVALSHA without running it.",
        "STATS",
        "    Sums over all runs, and which script runs now.",
        NULL,
    };
    reply_help(call, lines);
}

/* -- rows -------------------------------------------------------------------------------------- */

/* What a script declares about itself is what its command is held to. */
static uint32_t eval_flags(const struct call *call)
{
    struct script_cache *cache = scripts_cache(call->server->scripts);
    const struct script *script = script_cache_find_body(cache, call->argv[1]);
    return script != NULL ? script_command_flags(call->command->flags, script->flags)
                          : call->command->flags;
}

static uint32_t evalsha_flags(const struct call *call)
{
    struct script_cache *cache = scripts_cache(call->server->scripts);
    const struct script *script = script_cache_find(cache, call->argv[1]);
    return script != NULL ? script_command_flags(call->command->flags, script->flags)
                          : call->command->flags;
}

static const struct command script_subcommands[] = {
    {
        .name = "debug",
        .run = cmd_script_debug,
        .arity = 3,
        .flags = CMD_NOSCRIPT,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = "3.2.0",
        .summary = "Sets the debug mode of scripts; there is no debugger, so only NO is accepted.",
        .complexity = "O(1)",
        .args = "mode(yes:token=YES|sync:token=SYNC|no:token=NO)",
    },
    {
        .name = "dryrun",
        .run = cmd_script_dryrun,
        .arity = -4,
        .flags = CMD_NOSCRIPT | CMD_SKIP_MONITOR | CMD_NO_MANDATORY_KEYS | CMD_STALE,
        .categories = CAT_SCRIPTING,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 3, .counted = true, .key_at = 1}),
        .group = "scripting",
        .since = REDOUBT_VERSION,
        .summary = "Runs a script of the cache, shows its result and its changes, and takes them "
                   "all back.",
        .complexity = "Depends on the script that is executed.",
        .args = "sha1 numkeys:integer key:key#0?* arg?*",
    },
    {
        .name = "exists",
        .run = cmd_script_exists,
        .arity = -3,
        .flags = CMD_NOSCRIPT,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = "2.6.0",
        .summary = "Tells which scripts are in the cache.",
        .complexity = "O(N) with N digests",
        .args = "sha1:string*",
        .tips = "request_policy:all_shards response_policy:agg_logical_and",
    },
    {
        .name = "flush",
        .run = cmd_script_flush,
        .arity = -2,
        .flags = CMD_NOSCRIPT,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = "2.6.0",
        .summary = "Forgets all scripts of the cache.",
        .complexity = "O(N) with N scripts in the cache",
        .args = "flush-type(async:token=ASYNC|sync:token=SYNC)?@6.2.0",
        .tips = "request_policy:all_nodes response_policy:all_succeeded",
        .history = "6.2.0:Added the `ASYNC` and `SYNC` flushing mode modifiers.",
    },
    {
        .name = "help",
        .run = cmd_script_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = "5.0.0",
        .summary = "Lists the subcommands of SCRIPT.",
        .complexity = "O(1)",
    },
    {
        .name = "kill",
        .run = cmd_script_kill,
        .arity = 2,
        .flags = CMD_NOSCRIPT | CMD_ALLOW_BUSY,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = "2.6.0",
        .summary = "Ends the script that runs and takes back what it did.",
        .complexity = "O(1)",
        .tips = "request_policy:all_shards response_policy:one_succeeded",
    },
    {
        .name = "list",
        .run = cmd_script_list,
        .arity = -2,
        .flags = CMD_NOSCRIPT | CMD_STALE,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = REDOUBT_VERSION,
        .summary = "Lists the scripts of the cache with what their runs cost. Of this server.",
        .complexity = "O(N*log(N)) with N scripts in the cache",
        .args = "withcode:token=WITHCODE?",
    },
    {
        .name = "load",
        .run = cmd_script_load,
        .arity = 3,
        .flags = CMD_NOSCRIPT | CMD_STALE,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = "2.6.0",
        .summary = "Puts a script into the cache without running it.",
        .complexity = "O(N) with N bytes of the script",
        .args = "script:string",
        .tips = "request_policy:all_nodes response_policy:all_succeeded",
    },
    {
        .name = "stats",
        .run = cmd_script_stats,
        .arity = 2,
        .flags = CMD_NOSCRIPT | CMD_STALE | CMD_ALLOW_BUSY,
        .categories = CAT_SCRIPTING,
        .group = "scripting",
        .since = REDOUBT_VERSION,
        .summary = "Tells what all runs of scripts cost, and which runs now. Of this server.",
        .complexity = "O(1)",
    },
    {0},
};

#define SCRIPT_ARGS(what) what ":string numkeys:integer key:key#0?* arg:string?*"
#define SCRIPT_KEYS(keyflags) KEYS({keyflags, .first = 2, .counted = true, .key_at = 1})

const struct command scripting_commands[] = {
    {
        .name = "evalsha",
        .run = cmd_evalsha,
        .arity = -3,
        .flags =
            CMD_NOSCRIPT | CMD_SKIP_MONITOR | CMD_MAY_REPLICATE | CMD_NO_MANDATORY_KEYS | CMD_STALE,
        .flags_of = evalsha_flags,
        .categories = CAT_SCRIPTING,
        SCRIPT_KEYS(KEY_RW | KEY_ACCESS | KEY_UPDATE),
        .group = "scripting",
        .since = "2.6.0",
        .summary = "Runs a script of the cache, named by its SHA-1.",
        .complexity = "Depends on the script that is executed.",
        .args = SCRIPT_ARGS("sha1"),
    },
    {
        .name = "eval",
        .run = cmd_eval,
        .arity = -3,
        .flags =
            CMD_NOSCRIPT | CMD_SKIP_MONITOR | CMD_MAY_REPLICATE | CMD_NO_MANDATORY_KEYS | CMD_STALE,
        .flags_of = eval_flags,
        .categories = CAT_SCRIPTING,
        SCRIPT_KEYS(KEY_RW | KEY_ACCESS | KEY_UPDATE),
        .group = "scripting",
        .since = "2.6.0",
        .summary = "Runs a Lua script on the server.",
        .complexity = "Depends on the script that is executed.",
        .args = SCRIPT_ARGS("script"),
    },
    {
        .name = "eval_ro",
        .run = cmd_eval_ro,
        .arity = -3,
        .flags = CMD_NOSCRIPT | CMD_SKIP_MONITOR | CMD_NO_MANDATORY_KEYS | CMD_STALE | CMD_READONLY,
        .flags_of = eval_flags,
        .categories = CAT_SCRIPTING,
        SCRIPT_KEYS(KEY_RO | KEY_ACCESS),
        .group = "scripting",
        .since = "7.0.0",
        .summary = "Runs a Lua script that may only read.",
        .complexity = "Depends on the script that is executed.",
        .args = SCRIPT_ARGS("script"),
    },
    {
        .name = "evalsha_ro",
        .run = cmd_evalsha_ro,
        .arity = -3,
        .flags = CMD_NOSCRIPT | CMD_SKIP_MONITOR | CMD_NO_MANDATORY_KEYS | CMD_STALE | CMD_READONLY,
        .flags_of = evalsha_flags,
        .categories = CAT_SCRIPTING,
        SCRIPT_KEYS(KEY_RO | KEY_ACCESS),
        .group = "scripting",
        .since = "7.0.0",
        .summary = "Runs a script of the cache that may only read.",
        .complexity = "Depends on the script that is executed.",
        .args = SCRIPT_ARGS("sha1"),
    },
    {
        .name = "script",
        .arity = -2,
        .subcommands = script_subcommands,
        .group = "scripting",
        .since = "2.6.0",
        .summary = "Container of the script cache's commands.",
        .complexity = "Depends on subcommand.",
    },
    {0},
};
