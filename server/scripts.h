/*
 * scripts.h - scripts and functions on the server's side: the two Lua states, what runs in them
 * now, and what its commands may do.
 */
#ifndef REDOUBT_SERVER_SCRIPTS_H
#define REDOUBT_SERVER_SCRIPTS_H

#include "scripting/cache.h"
#include "server/call.h"

struct scripts *scripts_create(struct server *s);
void scripts_destroy(struct scripts *sc);

/* EVAL's state and its scripts; libraries of functions. */
struct vm *scripts_eval_vm(struct scripts *sc);
struct script_cache *scripts_cache(struct scripts *sc);
struct functions *scripts_functions(struct scripts *sc);
/* No library yet, in a Lua state of its own. */
struct functions *scripts_fresh_functions(const struct scripts *sc);
/* How the states reach the server; for whoever creates another one. */
const struct script_host *scripts_host(struct scripts *sc);
/* SCRIPT FLUSH: a fresh state. async: the old one ends on another thread. Never while it runs. */
void scripts_flush(struct scripts *sc, bool async);

/* What INFO and MEMORY STATS tell; zeros for NULL. */
struct script_figures {
    size_t vm_eval, vm_functions;   /* bytes of the Lua states */
    size_t scripts_eval, functions; /* of texts and bookkeeping */
    uint64_t cached, evicted;       /* EVAL's scripts */
    uint64_t function_count, libraries;
};
struct script_figures scripts_figures(const struct scripts *sc);
/* All runs of EVAL's scripts, those that are forgotten included. */
const struct script_stats *scripts_totals(const struct scripts *sc);
/* CONFIG RESETSTAT: sums begin again. */
void scripts_reset_stats(struct scripts *sc);
/* DEBUG SET-DISABLE-DENY-SCRIPTS: scripts may call what is not for scripts. */
void scripts_allow_all(struct scripts *sc, bool on);
/* lua-memory-limit has changed. */
void scripts_apply_limit(struct scripts *sc);

/* One run of a script or function. */
struct script_job {
    struct vm *vm;
    int function;
    const char *name;           /* the script's sha, the function's name */
    uint32_t flags;             /* enum script_flag */
    bool is_function;           /* FCALL: arguments instead of globals; FUNCTION KILL ends it */
    bool read_only;             /* called by a command that promises to write nothing */
    bool is_trial;              /* whoever runs it takes everything back: dry_run.h */
    int first_key, key_count;   /* in call->argv; behind the keys come the arguments */
    struct script_stats *stats; /* counted there */
};
/* The one place where scripts and functions begin and end. Answers the call. False: it failed. */
bool script_run(struct call *call, const struct script_job *job);
/* SCRIPT KILL and FUNCTION KILL. */
void scripts_kill(struct call *call, bool function);
/* TIME inside of a script: it stands still from the first look at it on. Wall clock, us. */
int64_t scripts_time(struct scripts *sc);
/* Does a script run that is past busy-reply-threshold? Then this is what others are told. */
bool scripts_is_busy(const struct scripts *sc);
const char *scripts_busy_error(const struct scripts *sc);
/* Is what runs a function? Something must be running. */
bool scripts_is_function(const struct scripts *sc);
/* The running script or function, for FUNCTION STATS; NULL: nothing runs. */
const struct script_job *scripts_running(const struct scripts *sc, const struct call **call,
                                         uint64_t *ms);
/* numkeys at argv[at]: fills first_key and key_count, or answers. */
bool script_keys_or_reply(struct call *call, int at, struct script_job *job);
/* What was counted, as so many pairs of a map. */
enum { SCRIPT_STATS_FIELDS = 4 };
void reply_script_stats(struct reply *r, const struct script_stats *st);
/* The flags that EVAL, FCALL, ... have when they call something with these flags. */
uint32_t script_command_flags(uint32_t command_flags, uint32_t script_flags);

#endif
