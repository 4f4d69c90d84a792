/*
 * scripts.c - what a script's commands pass through, and where a run begins and ends.
 *
 * Commands of scripts are run by a client of their own, which nobody sees: it has the database of
 * the caller, and what it selects is forgotten. Its reply is read by the vm after each command.
 */
#include "server/scripts.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/memory.h"
#include "scripting/functions.h"
#include "server/client.h"
#include "server/conn.h"
#include "server/executor.h"
#include "server/log.h"
#include "server/network.h"
#include "server/server.h"
#include "server/txlog.h"
#include "server/version.h"
#include "server/watchdog.h"
#include "storage/lazyfree.h"
#include "storage/undo.h"

enum { TURN_NS = 1000000 /* a script that takes long turns the loop that often */ };

struct scripts {
    struct server *server;
    struct script_host host;
    struct vm *eval;
    struct script_cache *cache;
    struct functions *functions;
    struct script_stats totals;   /* of EVAL's scripts */
    uint64_t evicted;             /* by caches that are gone; less what CONFIG RESETSTAT forgot */
    struct client client;         /* who runs the commands of scripts */
    const struct script_job *job; /* what runs; NULL: nothing does */
    struct call *call;            /* the one that runs it */
    bool has_written;
    bool allow_all;    /* DEBUG SET-DISABLE-DENY-SCRIPTS */
    int64_t time_us;   /* what TIME tells; 0: nobody has asked */
    uint64_t began;    /* ticks */
    uint64_t turned;   /* ticks of the last turn of the loop inside of it */
    bool busy, killed; /* it is past busy-reply-threshold; SCRIPT KILL */
    struct watchdog *watchdog;
};

/* -- commands of scripts ----------------------------------------------------------------------- */

/* NULL: it may run; else the error. */
static const char *refusal(const struct scripts *sc, const struct command_slot *command, int argc)
{
    uint32_t flags = command->flags;
    const struct script_job *job = sc->job;
    int arity = command->row->arity;
    if (arity > 0 ? argc != arity : argc < -arity)
        return "ERR Wrong number of args calling Redis command from script";
    if (flags & CMD_NOSCRIPT && !sc->allow_all)
        return "ERR This Redis command is not allowed from script";
    if (flags & (CMD_WRITE | CMD_MAY_REPLICATE) &&
        (job->read_only || job->flags & SCRIPT_NO_WRITES))
        return "ERR Write commands are not allowed from read-only scripts.";
    if (flags & CMD_DENYOOM && !(job->flags & SCRIPT_ALLOW_OOM) && !sc->has_written &&
        executor_is_out_of_memory(sc->server))
        return "OOM command not allowed when used memory > 'maxmemory'.";
    if (flags & CMD_WRITE && !sc->has_written && snapshot_forbids_writes(sc->server))
        return snapshot_misconf;
    if (flags & CMD_WRITE && !sc->has_written && sc->server->opt.min_replicas_to_write > 0)
        return "NOREPLICAS Not enough good replicas to write.";
    return NULL;
}

static struct command_slot *find_command(struct scripts *sc, const struct bytes *argv, int argc)
{
    struct command_slot *command = command_find(sc->server->commands, argv[0]);
    if (command != NULL && command->sub_count > 0 && argc >= 2)
        command = command_find_sub(command, argv[1]);
    return command;
}

static void refuse(struct scripts *sc, struct command_slot *command, const char *why)
{
    reply_error(&sc->client.reply, why);
    executor_refused(sc->server, command);
}

/* Is there more to take back than may be kept for that? */
static bool takes_too_much(const struct scripts *sc)
{
    const struct undo *undo = sc->server->keys->undo;
    int64_t limit = sc->server->opt.transaction_undo_limit;
    return undo_is_open(undo) && limit != 0 && undo_memory(undo) > (size_t)limit;
}

static struct reply *run_command(void *context, int resp, const struct bytes *argv, int argc)
{
    struct scripts *sc = context;
    struct client *c = &sc->client;
    struct command_slot *command = find_command(sc, argv, argc);
    if (reply_bytes(&c->reply) > 0) /* the last one was too large for Lua to take */
        reply_rewind(&c->reply, (struct reply_mark){0});
    c->reply.resp = (uint8_t)resp;
    if (command == NULL) {
        refuse(sc, NULL, "ERR Unknown Redis command called from script");
        return &c->reply;
    }
    const char *why = refusal(sc, command, argc);
    if (why != NULL) {
        refuse(sc, command, why);
        return &c->reply;
    }
    if (command->flags & CMD_WRITE)
        sc->has_written = true;
    struct call call = {
        .server = sc->server,
        .client = c,
        .command = command,
        .argv = argv,
        .argc = argc,
        .db = c->db,
        .keys = sc->server->keys,
        .reply = &c->reply,
    };
    executor_call(&call);
    if (takes_too_much(sc))
        vm_interrupt(sc->job->vm);
    return &c->reply;
}

static void write_log(void *context, int level, struct bytes text)
{
    struct scripts *sc = context;
    log_write(sc->server->log, (enum log_level)level, "%.*s", (int)text.len, text.ptr);
}

static int may_call(void *context, const struct bytes *argv, int argc)
{
    struct scripts *sc = context;
    return find_command(sc, argv, argc) != NULL ? 1 : -1;
}

/* -- scripts that take long -------------------------------------------------------------------- */

const char *scripts_busy_error(const struct scripts *sc)
{
    if (sc->job->is_function)
        return "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN "
               "NOSAVE.";
    return "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
}

bool scripts_is_function(const struct scripts *sc)
{
    return sc->job->is_function;
}

bool scripts_is_busy(const struct scripts *sc)
{
    return sc != NULL && sc->busy;
}

void scripts_kill(struct call *call, bool function)
{
    struct scripts *sc = call->server->scripts;
    if (!sc->busy) {
        reply_error(call->reply, "NOTBUSY No scripts in execution right now.");
    } else if (sc->has_written && !sc->server->opt.script_rollback && !sc->job->is_trial) {
        reply_error(call->reply,
                    "UNKILLABLE Sorry the script already executed write commands against the "
                    "dataset. You can either wait the script termination or kill the server in a "
                    "hard way using the SHUTDOWN NOSAVE command.");
    } else if (function != sc->job->is_function) {
        reply_error(call->reply, scripts_busy_error(sc));
    } else {
        sc->killed = true;
        reply_ok(call->reply);
    }
}

const struct script_job *scripts_running(const struct scripts *sc, const struct call **call,
                                         uint64_t *ms)
{
    *call = sc->call;
    *ms = clock_ticks_to_ns(clock_ticks() - sc->began) / 1000000;
    return sc->job;
}

static void begin_busy(struct scripts *sc, uint64_t ms)
{
    struct server *s = sc->server;
    log_write(s->log, LOG_LEVEL_WARNING,
              "Slow script detected: %s still runs after %llu milliseconds. It can be ended with "
              "%s KILL.",
              sc->job->name, (unsigned long long)ms, sc->job->is_function ? "FUNCTION" : "SCRIPT");
    sc->busy = true;
    executor_arm(s, GATE_BUSY, true);
    conn_keep(sc->call->client->conn);
}

static void end_busy(struct scripts *sc)
{
    sc->busy = sc->killed = false;
    executor_arm(sc->server, GATE_BUSY, false);
    conn_release(sc->call->client->conn);
}

/* The script has run for a while. Past the threshold, the loop turns inside of it. */
static const char *on_interrupted(void *context)
{
    struct scripts *sc = context;
    struct server *s = sc->server;
    uint64_t now = clock_ticks(), ms = clock_ticks_to_ns(now - sc->began) / 1000000;
    if (takes_too_much(sc))
        return "ERR the changes take more than transaction-undo-limit";
    if (s->opt.script_max_time > 0 && ms >= (uint64_t)s->opt.script_max_time)
        return "ERR the script ran for longer than script-max-time";
    if (!sc->busy) {
        int64_t threshold = s->opt.busy_reply_threshold;
        if (threshold <= 0 || ms < (uint64_t)threshold || sc->call->client->conn == NULL)
            return NULL;
        begin_busy(sc, ms);
    }
    if (clock_ticks_to_ns(now - sc->turned) >= TURN_NS) {
        network_turn_inside(s);
        sc->turned = clock_ticks();
    }
    if (s->stopping)
        return "ERR Script ended because the server stops";
    if (!sc->killed)
        return NULL;
    return sc->job->is_function ? "ERR Script killed by user with FUNCTION KILL..."
                                : "ERR Script killed by user with SCRIPT KILL...";
}

static bool may_roll_back(void *context)
{
    const struct scripts *sc = context;
    bool has_nothing_to = sc->job->read_only || sc->job->flags & SCRIPT_NO_WRITES;
    return has_nothing_to || undo_is_open(sc->server->keys->undo);
}

/* -- life -------------------------------------------------------------------------------------- */

static struct script_host make_host(struct scripts *sc)
{
    int major = 0, minor = 0, patch = 0;
    sscanf(REDIS_VERSION, "%d.%d.%d", &major, &minor, &patch);
    return (struct script_host){
        .context = sc,
        .version = REDIS_VERSION,
        .version_number = major << 16 | minor << 8 | patch,
        .call = run_command,
        .log = write_log,
        .may_call = may_call,
        .interrupted = on_interrupted,
        .may_roll_back = may_roll_back,
    };
}

struct scripts *scripts_create(struct server *s)
{
    struct scripts *sc = mem_alloc_zeroed(sizeof *sc);
    sc->server = s;
    sc->host = make_host(sc);
    sc->client = (struct client){.server = s, .user = "default", .flags = CLIENT_AUTHENTICATED};
    reply_init(&sc->client.reply, &s->reply_pool, &s->reply_errors);
    sc->cache = script_cache_create();
    sc->eval = vm_create(&sc->host, (size_t)s->opt.lua_memory_limit, NULL);
    sc->functions = functions_create(&sc->host, (size_t)s->opt.lua_memory_limit);
    sc->watchdog = watchdog_start();
    return sc;
}

void scripts_destroy(struct scripts *sc)
{
    if (sc == NULL)
        return;
    watchdog_stop(sc->watchdog);
    script_cache_destroy(sc->cache);
    vm_destroy(sc->eval);
    functions_destroy(sc->functions);
    reply_fini(&sc->client.reply);
    mem_free(sc);
}

struct vm *scripts_eval_vm(struct scripts *sc)
{
    return sc->eval;
}

struct script_cache *scripts_cache(struct scripts *sc)
{
    return sc->cache;
}

struct functions *scripts_functions(struct scripts *sc)
{
    return sc->functions;
}

struct functions *scripts_fresh_functions(const struct scripts *sc)
{
    return functions_create(&sc->host, (size_t)sc->server->opt.lua_memory_limit);
}

const struct script_host *scripts_host(struct scripts *sc)
{
    return &sc->host;
}

struct script_figures scripts_figures(const struct scripts *sc)
{
    if (sc == NULL)
        return (struct script_figures){0};
    return (struct script_figures){
        .vm_eval = vm_memory(sc->eval),
        .vm_functions = vm_memory(functions_vm(sc->functions)),
        .scripts_eval = script_cache_memory(sc->cache),
        .functions = functions_memory(sc->functions),
        .function_count = (uint64_t)functions_count(sc->functions),
        .libraries = (uint64_t)functions_library_count(sc->functions),
        .cached = script_cache_count(sc->cache),
        .evicted = sc->evicted + script_cache_evicted(sc->cache),
    };
}

const struct script_stats *scripts_totals(const struct scripts *sc)
{
    return &sc->totals;
}

static void reset_one(struct script *script, void *context)
{
    (void)context;
    script->stats = (struct script_stats){0};
}

void scripts_reset_stats(struct scripts *sc)
{
    sc->totals = (struct script_stats){0};
    sc->evicted = 0 - script_cache_evicted(sc->cache);
    script_cache_each(sc->cache, reset_one, NULL);
}

void scripts_allow_all(struct scripts *sc, bool on)
{
    sc->allow_all = on;
}

void scripts_apply_limit(struct scripts *sc)
{
    size_t limit = (size_t)sc->server->opt.lua_memory_limit;
    vm_set_memory_limit(sc->eval, limit);
    vm_set_memory_limit(functions_vm(sc->functions), limit);
}

/* A state and its scripts, on their way out. */
struct remains {
    struct vm *vm;
    struct script_cache *cache;
};

static void end_remains(void *context)
{
    struct remains *r = context;
    script_cache_destroy(r->cache);
    vm_destroy(r->vm);
    mem_free(r);
}

void scripts_flush(struct scripts *sc, bool async)
{
    struct remains *old = mem_alloc(sizeof *old);
    *old = (struct remains){sc->eval, sc->cache};
    uint64_t objects = script_cache_count(old->cache);
    sc->evicted += script_cache_evicted(old->cache);
    sc->cache = script_cache_create();
    sc->eval = vm_create(&sc->host, (size_t)sc->server->opt.lua_memory_limit, NULL);
    if (async)
        lazyfree_queue(sc->server->lazyfree, end_remains, old, objects + 1);
    else
        end_remains(old);
}

/* -- figures ----------------------------------------------------------------------------------- */

static void add_figure(struct reply *r, const char *name, uint64_t value)
{
    reply_bulk_text(r, name);
    reply_int(r, (int64_t)value);
}

void reply_script_stats(struct reply *r, const struct script_stats *st)
{
    add_figure(r, "calls", st->calls);
    add_figure(r, "errors", st->errors);
    add_figure(r, "usec", clock_ticks_to_ns(st->ticks) / 1000);
    add_figure(r, "usec_max", clock_ticks_to_ns(st->ticks_max) / 1000);
}

/* -- runs -------------------------------------------------------------------------------------- */

bool script_keys_or_reply(struct call *call, int at, struct script_job *job)
{
    int64_t count;
    if (!call_i64_or_reply(call, at, &count, NULL))
        return false;
    if (count > call->argc - at - 1) {
        reply_error(call->reply, "ERR Number of keys can't be greater than number of args");
        return false;
    }
    if (count < 0) {
        reply_error(call->reply, "ERR Number of keys can't be negative");
        return false;
    }
    job->first_key = at + 1;
    job->key_count = (int)count;
    return true;
}

uint32_t script_command_flags(uint32_t command_flags, uint32_t script_flags)
{
    if (script_flags & SCRIPT_COMPATIBLE)
        return command_flags;
    command_flags &= ~(uint32_t)(CMD_STALE | CMD_DENYOOM | CMD_WRITE | CMD_MAY_REPLICATE);
    if (!(script_flags & SCRIPT_NO_WRITES))
        command_flags |= CMD_WRITE;
    if (!(script_flags & (SCRIPT_NO_WRITES | SCRIPT_ALLOW_OOM)))
        command_flags |= CMD_DENYOOM;
    if (script_flags & SCRIPT_ALLOW_STALE)
        command_flags |= CMD_STALE;
    return command_flags;
}

/* What a script that declares its flags needs before it begins. NULL: it may begin. */
static const char *obstacle(const struct server *s, const struct script_job *job)
{
    if (job->flags & (SCRIPT_COMPATIBLE | SCRIPT_NO_WRITES))
        return NULL;
    if (job->read_only)
        return "ERR Can not execute a script with write flag using *_ro command.";
    if (snapshot_forbids_writes(s))
        return snapshot_misconf;
    if (s->opt.min_replicas_to_write > 0)
        return "NOREPLICAS Not enough good replicas to write.";
    if (!(job->flags & SCRIPT_ALLOW_OOM) && executor_is_out_of_memory(s))
        return "OOM allow-oom flag is not set on the script, can not run it when used memory > "
               "'maxmemory'";
    return NULL;
}

int64_t scripts_time(struct scripts *sc)
{
    if (sc->time_us == 0)
        sc->time_us = clock_wall_us();
    return sc->time_us;
}

static void begin(struct scripts *sc, struct call *call, const struct script_job *job)
{
    struct client *c = &sc->client;
    sc->job = job;
    sc->call = call;
    sc->has_written = false;
    sc->time_us = 0;
    sc->turned = sc->began = clock_ticks();
    c->id = call->client->id; /* whose changes these are */
    c->db = call->db;
    c->flags = CLIENT_AUTHENTICATED | (call->client->flags & CLIENT_NO_TOUCH);
    c->user = call->client->user;
}

static void end(struct scripts *sc, const struct script_job *job, const struct vm_run *run)
{
    uint64_t ticks = clock_ticks() - sc->began;
    if (sc->busy)
        end_busy(sc);
    sc->job = NULL;
    sc->call = NULL;
    if (run->was_counted)
        executor_error_is_known(sc->server);
    script_stats_add(job->stats, ticks, run->failed);
    if (!job->is_function)
        script_stats_add(&sc->totals, ticks, run->failed);
}

/* Run it; with script-rollback, one that ends in an error leaves nothing. */
static void run_or_roll_back(struct call *call, const struct script_job *job, struct vm_run *run)
{
    struct server *s = call->server;
    if (!s->opt.script_rollback || job->is_trial || job->read_only ||
        job->flags & SCRIPT_NO_WRITES) {
        vm_run(job->vm, run);
        return;
    }
    struct undo_section section = undo_begin(s->keys);
    vm_run(job->vm, run);
    if (!run->thrown) {
        undo_commit(s->keys, section);
        return;
    }
    if (s->keys->undo->used > section.used) {
        s->stats.scripts_rolled_back++;
        txlog_rollback(call->client, TXLOG_SCRIPT,
                       bytes_of(s->reply_errors.text, s->reply_errors.len));
    }
    undo_rollback(s->keys, section);
}

bool script_run(struct call *call, const struct script_job *job)
{
    struct server *s = call->server;
    struct scripts *sc = s->scripts;
    const char *why = sc->job == NULL /* DEBUG may let scripts call what runs scripts */
                          ? obstacle(s, job)
                          : "ERR a script cannot run inside of another one";
    if (why != NULL) {
        reply_error(call->reply, why);
        return false;
    }
    int first_arg = job->first_key + job->key_count;
    struct vm_run run = {
        .function = job->function,
        .name = job->name,
        .keys = call->argv + job->first_key,
        .key_count = job->key_count,
        .args = call->argv + first_arg,
        .arg_count = call->argc - first_arg,
        .as_globals = !job->is_function,
        .maps = s->opt.lua_map_replies,
        .out = call->reply,
    };
    begin(sc, call, job);
    watchdog_begin(sc->watchdog, job->vm);
    run_or_roll_back(call, job, &run);
    watchdog_end(sc->watchdog);
    end(sc, job, &run);
    return !run.failed;
}
