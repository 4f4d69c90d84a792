/*
 * memory.c - MEMORY: what keys cost, where memory goes, and what looks wrong with it.
 */
#include "base/memory.h"

#include "base/text.h"
#include "server/call.h"
#include "server/command.h"
#include "server/memory_report.h"
#include "server/scripts.h"
#include "server/server.h"

#ifdef REDOUBT_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

enum { USAGE_SAMPLES = 5 };

/* -- MEMORY USAGE ------------------------------------------------------------------------------ */

static void cmd_memory_usage(struct call *call)
{
    int64_t samples = USAGE_SAMPLES;
    for (int i = 3; i < call->argc; i += 2) {
        if (!bytes_is_word(call->argv[i], "samples") || i + 1 == call->argc) {
            reply_syntax_error(call);
            return;
        }
        if (!call_i64_or_reply(call, i + 1, &samples, NULL))
            return;
        if (samples < 0) {
            reply_syntax_error(call);
            return;
        }
    }
    const struct entry *e = keyspace_peek(call->keys, call->db, call_key(call, 2));
    if (e == NULL)
        reply_null(call->reply);
    else
        reply_int(call->reply, (int64_t)keyspace_entry_memory(e, (uint64_t)samples));
}

/* -- MEMORY STATS ------------------------------------------------------------------------------ */

struct stats_map {
    struct reply *reply;
    int64_t pairs;
};

static void add_int(struct stats_map *map, const char *name, int64_t value)
{
    reply_bulk_text(map->reply, name);
    reply_int(map->reply, value);
    map->pairs++;
}

static void add_size(struct stats_map *map, const char *name, size_t value)
{
    add_int(map, name, (int64_t)value);
}

static void add_double(struct stats_map *map, const char *name, double value)
{
    reply_bulk_text(map->reply, name);
    reply_double(map->reply, value);
    map->pairs++;
}

/* One map for each database that holds keys or has held some. */
static void add_dbs(struct stats_map *map, const struct keyspace *ks)
{
    for (int i = 0; i < ks->db_count; i++) {
        const struct db *db = &ks->dbs[i];
        if (dict_memory(&db->keys) == 0)
            continue;
        reply_bulkf(map->reply, "db.%d", i);
        reply_map(map->reply, 2);
        reply_bulk_text(map->reply, "overhead.hashtable.main");
        reply_int(map->reply, (int64_t)dict_memory(&db->keys));
        reply_bulk_text(map->reply, "overhead.hashtable.expires");
        reply_int(map->reply, (int64_t)expiry_memory(&db->expiry));
        map->pairs++;
    }
}

static void cmd_memory_stats(struct call *call)
{
    struct memory_report m = memory_report(call->server);
    struct reply_mark mark = reply_mark(call->reply);
    struct stats_map map = {.reply = call->reply};
    add_size(&map, "peak.allocated", m.peak);
    add_size(&map, "total.allocated", m.used);
    add_size(&map, "startup.allocated", m.startup);
    add_size(&map, "replication.backlog", 0);
    add_size(&map, "clients.slaves", m.clients_replica);
    add_size(&map, "clients.normal", m.clients_normal);
    add_size(&map, "cluster.links", 0);
    add_size(&map, "aof.buffer", 0);
    struct script_figures scripts = scripts_figures(call->server->scripts);
    add_size(&map, "lua.caches", scripts.scripts_eval);
    add_size(&map, "functions.caches", scripts.functions);
    add_dbs(&map, call->keys);
    add_size(&map, "overhead.db.hashtable.lut", m.tables);
    /* A table resizes in place (dict.h): there is never a second one to count. */
    add_size(&map, "overhead.db.hashtable.rehashing", 0);
    add_size(&map, "overhead.total", m.overhead);
    add_size(&map, "db.dict.rehashing.count", 0);
    add_size(&map, "keys.count", m.keys);
    add_size(&map, "keys.bytes-per-key", m.bytes_per_key);
    add_size(&map, "dataset.bytes", m.dataset);
    add_double(&map, "dataset.percentage", m.dataset_percent);
    add_double(&map, "peak.percentage", m.peak_percent);
    add_size(&map, "allocator.allocated", m.allocator.allocated);
    add_size(&map, "allocator.active", m.allocator.active);
    add_size(&map, "allocator.resident", m.allocator.resident);
    add_size(&map, "allocator.muzzy", m.allocator.muzzy);
    add_double(&map, "allocator-fragmentation.ratio", m.allocator_frag_ratio);
    add_int(&map, "allocator-fragmentation.bytes", m.allocator_frag_bytes);
    add_double(&map, "allocator-rss.ratio", m.allocator_rss_ratio);
    add_int(&map, "allocator-rss.bytes", m.allocator_rss_bytes);
    add_double(&map, "rss-overhead.ratio", m.rss_overhead_ratio);
    add_int(&map, "rss-overhead.bytes", m.rss_overhead_bytes);
    add_double(&map, "fragmentation", m.fragmentation_ratio);
    add_int(&map, "fragmentation.bytes", m.fragmentation_bytes);
    reply_map_at(call->reply, mark, map.pairs);
}

/* -- MEMORY DOCTOR ----------------------------------------------------------------------------- */

enum { DOCTOR_MIN_BYTES = 5 << 20, DOCTOR_GAP_BYTES = 10 << 20, DOCTOR_CLIENT_BYTES = 200 << 10 };

/* A ratio that is high and stands for enough bytes to matter. */
static bool is_high(double ratio, double limit, int64_t bytes)
{
    return ratio > limit && bytes > DOCTOR_GAP_BYTES;
}

static void diagnose(struct text *out, const struct server *s, const struct memory_report *m)
{
    if ((double)m->peak > 1.5 * (double)m->used)
        text_addf(out,
                  " * Past peak: memory in use was once more than half as much again as now. The "
                  "resident size may stay high until the allocator has returned the pages; MEMORY "
                  "PURGE helps.\n");
    if (is_high(m->fragmentation_ratio, 1.4, m->fragmentation_bytes))
        text_addf(out,
                  " * Resident size: the process holds %.2f times the memory that is in use. The "
                  "next lines tell which part is to blame, if one is.\n",
                  m->fragmentation_ratio);
    if (is_high(m->allocator_frag_ratio, 1.1, m->allocator_frag_bytes))
        text_addf(out,
                  " * Fragmentation: the allocator's pages are filled badly (%.2f). Values of many "
                  "sizes that come and go cause it; a restart cures it.\n",
                  m->allocator_frag_ratio);
    if (is_high(m->allocator_rss_ratio, 1.1, m->allocator_rss_bytes))
        text_addf(out,
                  " * Unused pages: the allocator keeps pages that it does not use (%.2f). MEMORY "
                  "PURGE returns them.\n",
                  m->allocator_rss_ratio);
    if (is_high(m->rss_overhead_ratio, 1.1, m->rss_overhead_bytes))
        text_addf(out,
                  " * Outside of the allocator: the process is %.2f times what the allocator "
                  "holds; huge pages are the usual reason.\n",
                  m->rss_overhead_ratio);
    if (s->clients.count > 0 && m->clients_normal / s->clients.count > DOCTOR_CLIENT_BYTES)
        text_addf(out,
                  " * Clients: they take %zu bytes each on average. CLIENT LIST shows which; "
                  "client-output-buffer-limit bounds them.\n",
                  m->clients_normal / (size_t)s->clients.count);
}

static void cmd_memory_doctor(struct call *call)
{
    struct memory_report m = memory_report(call->server);
    struct text findings = {0}, report = {0};
    if (m.used < DOCTOR_MIN_BYTES) {
        text_addf(&report, "There is too little in memory to judge it: %zu bytes in use.\n",
                  m.used);
    } else {
        diagnose(&findings, call->server, &m);
        if (findings.len == 0)
            text_addf(&report, "Nothing to complain about: memory looks healthy.\n");
        else
            text_addf(&report, "What stands out:\n\n%s", findings.data);
    }
    reply_verbatim(call->reply, text_view(&report), "txt");
    text_fini(&report);
    text_fini(&findings);
}

/* -- MEMORY MALLOC-STATS, PURGE, HELP ---------------------------------------------------------- */

#ifdef REDOUBT_JEMALLOC
static void collect(void *out, const char *part)
{
    text_add(out, bytes_of_text(part));
}
#endif

static void cmd_memory_malloc_stats(struct call *call)
{
    struct text report = {0};
#ifdef REDOUBT_JEMALLOC
    malloc_stats_print(collect, &report, NULL);
#else
    text_addf(&report, "Stats not supported for the current allocator");
#endif
    reply_verbatim(call->reply, text_view(&report), "txt");
    text_fini(&report);
}

static void cmd_memory_purge(struct call *call)
{
    memory_purge(); /* an allocator that cannot has nothing to give back: no error, as in Redis */
    reply_ok(call->reply);
}

static void cmd_memory_help(struct call *call)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    What looks wrong with the use of memory.",
        "MALLOC-STATS",
        "    What the allocator says of itself.",
        "PURGE",
        "    Ask the allocator to return unused pages to the system.",
        "STATS",
        "    Where the memory goes.",
        "USAGE <key> [SAMPLES <count>]",
        "    Bytes that <key> and its value take. Of a value with many elements <count> are",
        "    looked at (default: 5, 0: all).",
        NULL,
    };
    reply_help(call, lines);
}

static const struct command memory_subcommands[] = {
    {.name = "doctor",
     .run = cmd_memory_doctor,
     .arity = 2,
     .group = "server",
     .since = "4.0.0",
     .summary = "Reports what looks wrong with the use of memory.",
     .complexity = "O(N) where N is the number of clients",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special"},
    {.name = "help",
     .run = cmd_memory_help,
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .group = "server",
     .since = "4.0.0",
     .summary = "Explains the subcommands.",
     .complexity = "O(1)"},
    {.name = "malloc-stats",
     .run = cmd_memory_malloc_stats,
     .arity = 2,
     .group = "server",
     .since = "4.0.0",
     .summary = "Returns the allocator's statistics.",
     .complexity = "Depends on how much memory is in use; may be slow.",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special"},
    {.name = "purge",
     .run = cmd_memory_purge,
     .arity = 2,
     .group = "server",
     .since = "4.0.0",
     .summary = "Asks the allocator to return unused pages.",
     .complexity = "Depends on how much memory is in use; may be slow.",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {.name = "stats",
     .run = cmd_memory_stats,
     .arity = 2,
     .group = "server",
     .since = "4.0.0",
     .summary = "Tells where the memory goes.",
     .complexity = "O(N) where N is the number of clients",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special"},
    {.name = "usage",
     .run = cmd_memory_usage,
     .arity = -3,
     .flags = CMD_READONLY,
     KEYS({KEY_RO, .first = 2}),
     .group = "server",
     .since = "4.0.0",
     .summary = "Tells how many bytes a key and its value take.",
     .complexity = "O(N) where N is the number of samples",
     .args = "key:key#0 count:integer=SAMPLES?"},
    {0},
};

const struct command memory_commands[] = {
    {.name = "memory",
     .arity = -2,
     .subcommands = memory_subcommands,
     .group = "server",
     .since = "4.0.0",
     .summary = "Holds the commands about the use of memory.",
     .complexity = "Depends on the subcommand."},
    {0},
};
