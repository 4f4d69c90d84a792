/*
 * cache.h - EVAL's scripts: compiled once, found by the SHA-1 of their text or by the text itself.
 *
 * Scripts that came with EVAL are a cache: of them the least recently used goes when there are more
 * than SCRIPT_CACHE_MAX. Those that came with SCRIPT LOAD were promised to stay.
 */
#ifndef REDOUBT_SCRIPTING_CACHE_H
#define REDOUBT_SCRIPTING_CACHE_H

#include "base/bytes.h"
#include "base/sha1.h"
#include "scripting/vm.h"

enum { SCRIPT_CACHE_MAX = 500 };

enum script_flag {
    SCRIPT_NO_WRITES = 1 << 0,
    SCRIPT_ALLOW_OOM = 1 << 1,
    SCRIPT_ALLOW_STALE = 1 << 2,
    SCRIPT_NO_CLUSTER = 1 << 3,
    SCRIPT_ALLOW_CROSS_SLOT = 1 << 4,
    SCRIPT_COMPATIBLE = 1 << 5, /* it has no shebang: it may do what scripts always might */
};
/* The flag of this name in a shebang or a function's registration; 0: there is none. */
uint32_t script_flag_of(struct bytes name);

/* What is counted for each script and function. */
struct script_stats {
    uint64_t calls, errors;
    uint64_t ticks, ticks_max; /* in all, of the longest run */
};

void script_stats_add(struct script_stats *st, uint64_t ticks, bool failed);

struct script {
    char sha[SHA1_HEX + 1];
    struct bytes body; /* owned */
    int function;      /* in the vm */
    uint32_t flags;    /* enum script_flag */
    bool loaded;       /* stays until SCRIPT FLUSH */
    struct script_stats stats;
    struct script *older, *newer; /* by last use, unless loaded */
};

struct script_cache;
struct script_cache *script_cache_create(void);
/* The vm that holds the functions ends as well: they are not forgotten one by one. */
void script_cache_destroy(struct script_cache *c);

/* By 40 hexadecimal digits of any case; NULL. Counts as a use. */
struct script *script_cache_find(struct script_cache *c, struct bytes sha);
/* By the text. */
struct script *script_cache_find_body(struct script_cache *c, struct bytes body);
/* Compile and keep a script that is not there. NULL: error says why, code included. loaded: it
 * stays. */
struct script *script_cache_add(struct script_cache *c, struct vm *vm, struct bytes body,
                                bool loaded, char error[VM_ERROR_MAX]);
/* SCRIPT LOAD of one that EVAL brought. */
void script_cache_keep(struct script_cache *c, struct script *script);
uint64_t script_cache_count(const struct script_cache *c);
uint64_t script_cache_evicted(const struct script_cache *c);
/* Bytes of texts and bookkeeping; the functions are in the vm. */
size_t script_cache_memory(const struct script_cache *c);
/* Call visit for each script. */
void script_cache_each(struct script_cache *c, void (*visit)(struct script *script, void *context),
                       void *context);

#endif
