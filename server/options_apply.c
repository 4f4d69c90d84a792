/*
 * options_apply.c - which part of the server hears of which option.
 *
 * Most options are read where they are needed, each time. Those that a part keeps a copy of, or
 * that change something outside, have a row here: an applier reads s->opt and makes it so. Appliers
 * can be called again at any time, which is how a refused change is taken back.
 */
#include "server/options_apply.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

#include "base/memory.h"
#include "server/client.h"
#include "server/client_eviction.h"
#include "server/crash.h"
#include "server/cron.h"
#include "server/executor.h"
#include "server/keyevents.h"
#include "server/log.h"
#include "server/network.h"
#include "server/option_kinds.h"
#include "server/outlimit.h"
#include "server/resources.h"
#include "server/scripts.h"
#include "server/server.h"
#include "server/slowlog.h"
#include "server/title.h"
#include "server/txlog.h"
#include "storage/eviction.h"
#include "storage/watch.h"

/* -- appliers ---------------------------------------------------------------------------------- */

typedef bool applier(struct server *s, struct option_error *error);

static bool listen_on_port(struct server *s, struct option_error *error)
{
    char reason[256];
    return network_relisten(s, reason, sizeof reason) ||
           option_fail(error, "Unable to listen on this port. Check server logs.");
}

static bool listen_on_addresses(struct server *s, struct option_error *error)
{
    char reason[256];
    return network_relisten(s, reason, sizeof reason) ||
           option_fail(error, "Failed to bind to specified addresses.");
}

static bool apply_maxclients(struct server *s, struct option_error *error)
{
    int64_t possible = resources_files_for_clients(s->opt.maxclients);
    return possible >= s->opt.maxclients ||
           option_fail(error,
                       "The operating system is not able to handle the specified number of "
                       "clients, try with %lld",
                       (long long)possible);
}

static bool apply_maxmemory(struct server *s, struct option_error *error)
{
    (void)error;
    executor_arm(s, GATE_MEMORY, s->opt.maxmemory > 0);
    if (!executor_make_room(s))
        log_write(s->log, LOG_LEVEL_WARNING,
                  "maxmemory is less than what is in use, and there is nothing to evict: writes "
                  "are refused until "
                  "enough is deleted.");
    client_eviction_apply(s);
    return true;
}

static bool apply_locale(struct server *s, struct option_error *error)
{
    return setlocale(LC_COLLATE, s->opt.locale_collate) != NULL ||
           option_fail(error, "Invalid locale name");
}

static bool apply_lua_memory(struct server *s, struct option_error *error)
{
    (void)error;
    scripts_apply_limit(s->scripts);
    return true;
}

static bool apply_maxmemory_clients(struct server *s, struct option_error *error)
{
    (void)error;
    client_eviction_apply(s);
    return true;
}

static bool apply_access_clock(struct server *s, struct option_error *error)
{
    (void)error;
    s->keys->lfu = s->opt.maxmemory_policy == EVICT_ALLKEYS_LFU ||
                   s->opt.maxmemory_policy == EVICT_VOLATILE_LFU;
    s->keys->lfu_log_factor = (int)s->opt.lfu_log_factor;
    s->keys->lfu_decay_minutes = (int)s->opt.lfu_decay_time;
    return true;
}

static bool apply_lazyfree(struct server *s, struct option_error *error)
{
    (void)error;
    s->keys->lazy_eviction = s->opt.lazyfree_lazy_eviction;
    s->keys->lazy_expire = s->opt.lazyfree_lazy_expire;
    s->keys->lazy_server_del = s->opt.lazyfree_lazy_server_del;
    s->keys->lazy_user_del = s->opt.lazyfree_lazy_user_del;
    s->keys->lazy_flush = s->opt.lazyfree_lazy_user_flush;
    return true;
}

static bool apply_limits(struct server *s, struct option_error *error)
{
    (void)error;
    struct limits *limits = &s->keys->limits;
    limits->hash_listpack_entries = (uint64_t)s->opt.hash_max_listpack_entries;
    limits->hash_listpack_value = (uint64_t)s->opt.hash_max_listpack_value;
    limits->set_intset_entries = (uint64_t)s->opt.set_max_intset_entries;
    limits->set_listpack_entries = (uint64_t)s->opt.set_max_listpack_entries;
    limits->set_listpack_value = (uint64_t)s->opt.set_max_listpack_value;
    limits->zset_listpack_entries = (uint64_t)s->opt.zset_max_listpack_entries;
    limits->zset_listpack_value = (uint64_t)s->opt.zset_max_listpack_value;
    limits->stream_node_bytes = (uint64_t)s->opt.stream_node_max_bytes;
    limits->stream_node_entries = (uint64_t)s->opt.stream_node_max_entries;
    limits->list.fill = (int32_t)s->opt.list_max_listpack_size;
    limits->list.depth = (uint32_t)s->opt.list_compress_depth;
    return true;
}

static bool apply_thresholds(struct server *s, struct option_error *error)
{
    (void)error;
    executor_set_thresholds(s);
    return true;
}

static bool apply_min_replicas(struct server *s, struct option_error *error)
{
    (void)error;
    executor_arm(s, GATE_REPLICAS,
                 s->opt.min_replicas_to_write > 0 && s->opt.min_replicas_max_lag > 0);
    return true;
}

static bool apply_snapshot(struct server *s, struct option_error *error)
{
    (void)error;
    snapshot_arm(s);
    return true;
}

static bool apply_memory_thread(struct server *s, struct option_error *error)
{
    (void)error;
    mem_give_back_in_background(s->opt.jemalloc_bg_thread);
    return true;
}

static bool apply_output_limits(struct server *s, struct option_error *error)
{
    (void)error;
    for (struct client *c = s->clients.first; c != NULL; c = c->next)
        outlimit_refresh(c);
    return true;
}

static bool apply_slowlog(struct server *s, struct option_error *error)
{
    (void)error;
    slowlog_trim(s->slowlog, (uint64_t)s->opt.slowlog_max_len);
    return true;
}

static bool apply_txlog(struct server *s, struct option_error *error)
{
    (void)error;
    txlog_trim(s->txlog, (uint64_t)s->opt.txlog_max_len);
    return true;
}

static bool apply_versions(struct server *s, struct option_error *error)
{
    (void)error;
    s->keys->versions.limit = (uint64_t)s->opt.version_table_max_keys;
    watch_forget(s->keys, false);
    return true;
}

static bool apply_hz(struct server *s, struct option_error *error)
{
    (void)error;
    if (s->cron != NULL)
        cron_set_hz(s->cron, (int)s->opt.hz);
    return true;
}

static bool apply_loglevel(struct server *s, struct option_error *error)
{
    (void)error;
    log_set_level(s->log, (enum log_level)s->opt.loglevel);
    return true;
}

static bool apply_syslog(struct server *s, struct option_error *error)
{
    (void)error;
    log_set_syslog(s->log, s->opt.syslog_enabled, s->opt.syslog_ident, s->opt.syslog_facility);
    return true;
}

/* Whoever connected while a password was needed is let in once none is; the other way round nobody
 * is put out. */
static bool apply_requirepass(struct server *s, struct option_error *error)
{
    (void)error;
    for (struct client *c = s->clients.first; c != NULL && s->opt.requirepass.len == 0; c = c->next)
        client_authenticate(c);
    return true;
}

static bool apply_oom_score(struct server *s, struct option_error *error)
{
    return resources_set_oom_score(&s->oom_score, s->opt.oom_score_adj,
                                   s->opt.oom_score_adj_values[0]) ||
           option_fail(error, "Failed to set current oom_score_adj. Check server logs.");
}

static bool apply_dir(struct server *s, struct option_error *error)
{
    return chdir(s->opt.dir) == 0 || option_fail(error, "%s", strerror(errno));
}

static bool apply_crash_log(struct server *s, struct option_error *error)
{
    (void)error;
    crash_watch(s, s->opt.crash_log_enabled);
    return true;
}

static bool apply_title(struct server *s, struct option_error *error)
{
    (void)error;
    title_refresh(s);
    return true;
}

static bool apply_events(struct server *s, struct option_error *error)
{
    (void)error;
    keyevents_refresh(s);
    return true;
}

static bool refuse_defrag(struct server *s, struct option_error *error)
{
    return !s->opt.activedefrag || option_fail(error, "Active defragmentation cannot be enabled: "
                                                      "the allocator in use has no support for it");
}

static bool refuse_journal(struct server *s, struct option_error *error)
{
    return !s->opt.appendonly || option_fail(error, "Unable to turn on AOF. Check server logs.");
}

static bool refuse_tls(struct server *s, struct option_error *error)
{
    return s->opt.tls_port == 0 ||
           option_fail(error, "Unable to update TLS configuration. Check server logs.");
}

static const struct {
    enum option_id id;
    applier *run;
    bool at_start;
} appliers[] = {
    {OPTION_loglevel, apply_loglevel, true},
    {OPTION_syslog_enabled, apply_syslog, true},
    {OPTION_dir, apply_dir, true},
    {OPTION_port, listen_on_port, false},
    {OPTION_bind, listen_on_addresses, false},
    {OPTION_maxclients, apply_maxclients, false},
    {OPTION_maxmemory, apply_maxmemory, true},
    {OPTION_maxmemory_clients, apply_maxmemory_clients, true},
    {OPTION_maxmemory_policy, apply_access_clock, true},
    {OPTION_lfu_log_factor, apply_access_clock, false},
    {OPTION_lfu_decay_time, apply_access_clock, false},
    {OPTION_lazyfree_lazy_eviction, apply_lazyfree, true},
    {OPTION_lazyfree_lazy_expire, apply_lazyfree, false},
    {OPTION_lazyfree_lazy_server_del, apply_lazyfree, false},
    {OPTION_lazyfree_lazy_user_del, apply_lazyfree, false},
    {OPTION_lazyfree_lazy_user_flush, apply_lazyfree, false},
    {OPTION_hash_max_listpack_entries, apply_limits, true},
    {OPTION_hash_max_listpack_value, apply_limits, false},
    {OPTION_set_max_intset_entries, apply_limits, false},
    {OPTION_set_max_listpack_entries, apply_limits, false},
    {OPTION_set_max_listpack_value, apply_limits, false},
    {OPTION_zset_max_listpack_entries, apply_limits, false},
    {OPTION_zset_max_listpack_value, apply_limits, false},
    {OPTION_stream_node_max_bytes, apply_limits, false},
    {OPTION_stream_node_max_entries, apply_limits, false},
    {OPTION_list_max_listpack_size, apply_limits, false},
    {OPTION_list_compress_depth, apply_limits, false},
    {OPTION_slowlog_log_slower_than, apply_thresholds, true},
    {OPTION_latency_monitor_threshold, apply_thresholds, false},
    {OPTION_latency_tracking, apply_thresholds, false},
    {OPTION_min_replicas_to_write, apply_min_replicas, true},
    {OPTION_min_replicas_max_lag, apply_min_replicas, false},
    {OPTION_save, apply_snapshot, false},
    {OPTION_stop_writes_on_bgsave_error, apply_snapshot, false},
    {OPTION_client_output_buffer_limit, apply_output_limits, false},
    {OPTION_slowlog_max_len, apply_slowlog, true},
    {OPTION_txlog_max_len, apply_txlog, true},
    {OPTION_version_table_max_keys, apply_versions, true},
    {OPTION_locale_collate, apply_locale, true},
    {OPTION_lua_memory_limit, apply_lua_memory, true},
    {OPTION_hz, apply_hz, true},
    {OPTION_jemalloc_bg_thread, apply_memory_thread, true},
    {OPTION_requirepass, apply_requirepass, true},
    {OPTION_notify_keyspace_events, apply_events, true},
    {OPTION_oom_score_adj, apply_oom_score, true},
    {OPTION_oom_score_adj_values, apply_oom_score, false},
    {OPTION_crash_log_enabled, apply_crash_log, false},
    {OPTION_proc_title_template, apply_title, true},
    {OPTION_activedefrag, refuse_defrag, true},
    {OPTION_appendonly, refuse_journal, false},
    {OPTION_tls_port, refuse_tls, true},
};
enum { APPLIERS = sizeof appliers / sizeof appliers[0] };

void options_apply_all(struct server *s)
{
    struct option_error error;
    for (int i = 0; i < APPLIERS; i++)
        if (appliers[i].at_start && !appliers[i].run(s, &error))
            log_write(s->log, LOG_LEVEL_WARNING, "%s: %s", option_at(appliers[i].id)->name,
                      error.text);
}

bool options_apply_changes(struct server *s, struct options *before, enum option_id *culprit,
                           struct option_error *error)
{
    bool changed[APPLIERS];
    int done = 0;
    for (int i = 0; i < APPLIERS; i++)
        changed[i] = !options_same(&s->opt, before, appliers[i].id);
    while (done < APPLIERS && (!changed[done] || appliers[done].run(s, error)))
        done++;
    bool fine = done == APPLIERS;
    if (!fine) {
        *culprit = appliers[done].id;
        struct options refused = s->opt;
        s->opt = *before;
        *before = refused;
        struct option_error ignored;
        for (int i = 0; i <= done; i++)
            if (changed[i])
                appliers[i].run(s, &ignored);
    }
    options_fini(before);
    return fine;
}

/* -- at start ---------------------------------------------------------------------------------- */

bool options_rename_commands(struct server *s, struct text *error)
{
    const struct words *names = &s->opt.rename_command;
    for (int i = 0; i + 1 < names->count; i += 2) {
        struct bytes from = bytes_of_text(names->items[i]), to = bytes_of_text(names->items[i + 1]);
        if (command_rename(s->commands, from, to))
            continue;
        text_addf(error, "\n*** FATAL CONFIG FILE ERROR ***\n>>> 'rename-command %s \"%s\"'\n%s\n",
                  from.ptr, to.ptr,
                  command_find(s->commands, from) == NULL ? "No such command in rename-command"
                                                          : "Target command name already exists");
        return false;
    }
    return true;
}

/* Directives that change nothing, with what there is none of. */
static const struct {
    enum option_id id;
    const char *reason;
} idle[] = {
    {OPTION_appendonly, "there is no append-only file yet: only snapshots are saved"},
    {OPTION_replicaof, "there is no replication yet: this server is a master"},
    {OPTION_cluster_enabled, "cluster mode is not supported"},
    {OPTION_tls_port, "TLS is not supported yet: the port is not opened"},
    {OPTION_aclfile, "there are no ACL users yet: the file is not read"},
    {OPTION_user, "there are no ACL users yet: only requirepass protects"},
    {OPTION_io_threads, "commands and sockets are served by one thread"},
    {OPTION_activedefrag, "the allocator in use has no support for it"},
};

void options_notices(const struct options *o, void (*tell)(void *context, const char *line),
                     void *context)
{
    struct options defaults;
    options_init(&defaults);
    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++) {
        if (!o->given[idle[i].id] || options_same(o, &defaults, idle[i].id))
            continue;
        struct text line = {0};
        text_addf(&line, "The directive '%s' is accepted and has no effect: %s.",
                  option_at(idle[i].id)->name, idle[i].reason);
        tell(context, line.data);
        text_fini(&line);
    }
    options_fini(&defaults);
}
