/*
 * info.c - INFO, section by section.
 *
 * A section is a writer and a row in the table at the foot of this file; a field is one line of its
 * writer. Names, order and formats are Redis's, because tools parse them. Fields of what does not
 * exist here yet have the value that they have in a Redis where it is idle or off.
 */
#include "server/info.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/blocked.h"
#include "server/command.h"
#include "server/cron.h"
#include "server/errorstats.h"
#include "server/latency.h"
#include "server/memory_report.h"
#include "server/network.h"
#include "server/outlink.h"
#include "server/pubsub.h"
#include "server/scripts.h"
#include "server/server.h"
#include "server/tracking.h"
#include "server/txlog.h"
#include "server/version.h"
#include "storage/eviction.h"
#include "storage/lazyfree.h"
#include "storage/undo.h"
#include "storage/watch.h"

/* A field of a section. */
static void field_int(struct text *out, const char *name, int64_t value)
{
    text_addf(out, "%s:%lld\r\n", name, (long long)value);
}

static void field_count(struct text *out, const char *name, uint64_t value)
{
    text_addf(out, "%s:%llu\r\n", name, (unsigned long long)value);
}

static void field_text(struct text *out, const char *name, const char *value)
{
    text_addf(out, "%s:%s\r\n", name, value);
}

static void field_2digits(struct text *out, const char *name, double value)
{
    text_addf(out, "%s:%.2f\r\n", name, value);
}

/* A size in the largest unit that keeps it at 1 or more: "918.91K". */
static void field_human(struct text *out, const char *name, size_t bytes)
{
    static const char units[] = "BKMGTP";
    double value = (double)bytes;
    int unit = 0;
    while (value >= 1024 && units[unit + 1] != '\0') {
        value /= 1024;
        unit++;
    }
    text_addf(out, unit == 0 ? "%s:%.0f%c\r\n" : "%s:%.2f%c\r\n", name, value, units[unit]);
}

/* A size in bytes, then as people read it. */
static void field_size(struct text *out, const char *name, size_t bytes)
{
    field_count(out, name, bytes);
    char human[64];
    snprintf(human, sizeof human, "%s_human", name);
    field_human(out, human, bytes);
}

static void field_option(struct text *out, const char *name, const struct server *s,
                         enum option_id id)
{
    text_addf(out, "%s:", name);
    options_get(&s->opt, id, out);
    text_addf(out, "\r\n");
}

/* -- server, clients --------------------------------------------------------------------------- */

static void write_build(struct text *out)
{
    struct utsname os = {0};
    uname(&os);
    field_text(out, "redis_version", REDIS_VERSION);
    field_text(out, "server_name", "redoubt");
    field_text(out, "redoubt_version", REDOUBT_VERSION);
    field_text(out, "redis_git_sha1", REDOUBT_COMMIT);
    field_text(out, "redis_git_dirty", REDOUBT_MODIFIED);
    field_text(out, "redis_build_id", REDOUBT_BUILD_ID);
    field_text(out, "redis_mode", "standalone");
    text_addf(out, "os:%s %s %s\r\n", os.sysname, os.release, os.machine);
    field_int(out, "arch_bits", (int64_t)sizeof(void *) * 8);
    field_text(out, "monotonic_clock", "POSIX clock_gettime");
    field_text(out, "multiplexing_api", "epoll");
    field_text(out, "atomicvar_api", "c11-builtin");
    text_addf(out, "gcc_version:%d.%d.%d\r\n", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
}

static void write_server(struct server *s, struct text *out)
{
    int64_t uptime_s = (clock_mono_us() - s->started_us) / 1000000;
    write_build(out);
    field_int(out, "process_id", getpid());
    field_option(out, "process_supervised", s, OPTION_supervised);
    field_text(out, "run_id", s->run_id);
    field_int(out, "tcp_port", s->opt.port);
    field_int(out, "server_time_usec", clock_wall_us());
    field_int(out, "uptime_in_seconds", uptime_s);
    field_int(out, "uptime_in_days", uptime_s / 86400);
    field_int(out, "hz", cron_hz(s->cron));
    field_int(out, "configured_hz", s->opt.hz);
    field_count(out, "lru_clock", eviction_lru_clock(s->keys->now_ms));
    field_text(out, "executable", s->executable != NULL ? s->executable : "");
    field_text(out, "config_file", s->config_file != NULL ? s->config_file : "");
    field_int(out, "io_threads_active", 0);
    char listeners[4096];
    text_add(out, bytes_of(listeners, network_describe(s, listeners, sizeof listeners)));
}

static void write_clients(struct server *s, struct text *out)
{
    field_count(out, "connected_clients", s->clients.count);
    field_int(out, "cluster_connections", 0);
    field_int(out, "maxclients", s->opt.maxclients);
    field_count(out, "client_recent_max_input_buffer", s->stats.input_max);
    field_count(out, "client_recent_max_output_buffer", s->stats.output_max);
    field_count(out, "blocked_clients", s->clients.blocked + s->clients.paused);
    field_count(out, "tracking_clients", s->clients.tracking);
    field_count(out, "pubsub_clients", s->clients.subscribers);
    field_count(out, "watching_clients", s->clients.watching);
    field_int(out, "clients_in_timeout_table", 0);
    field_count(out, "total_watched_keys", watch_count(s->keys));
    field_count(out, "total_blocking_keys", blocked_key_count(s, false));
    field_count(out, "total_blocking_keys_on_nokey", blocked_key_count(s, true));
}

/* -- memory ------------------------------------------------------------------------------------ */

static void write_memory_use(const struct memory_report *m, struct text *out)
{
    field_size(out, "used_memory", m->used);
    field_size(out, "used_memory_rss", m->rss);
    field_size(out, "used_memory_peak", m->peak);
    text_addf(out, "used_memory_peak_perc:%.2f%%\r\n", m->peak_percent);
    field_count(out, "used_memory_overhead", m->overhead);
    field_count(out, "used_memory_startup", m->startup);
    field_count(out, "used_memory_dataset", m->dataset);
    text_addf(out, "used_memory_dataset_perc:%.2f%%\r\n", m->dataset_percent);
    field_count(out, "allocator_allocated", m->allocator.allocated);
    field_count(out, "allocator_active", m->allocator.active);
    field_count(out, "allocator_resident", m->allocator.resident);
    field_count(out, "allocator_muzzy", m->allocator.muzzy);
    field_size(out, "total_system_memory", m->system_total);
}

static void write_memory_scripts(const struct server *s, struct text *out)
{
    struct script_figures f = scripts_figures(s->scripts);
    field_count(out, "used_memory_lua", f.vm_eval);
    field_count(out, "used_memory_vm_eval", f.vm_eval);
    field_human(out, "used_memory_lua_human", f.vm_eval);
    field_count(out, "used_memory_scripts_eval", f.scripts_eval);
    field_count(out, "number_of_cached_scripts", f.cached);
    field_count(out, "number_of_functions", f.function_count);
    field_count(out, "number_of_libraries", f.libraries);
    field_count(out, "used_memory_vm_functions", f.vm_functions);
    field_size(out, "used_memory_vm_total", f.vm_eval + f.vm_functions);
    field_count(out, "used_memory_functions", f.functions);
    field_size(out, "used_memory_scripts", f.scripts_eval + f.functions);
}

static void write_memory_ratios(const struct memory_report *m, struct text *out)
{
    field_2digits(out, "allocator_frag_ratio", m->allocator_frag_ratio);
    field_int(out, "allocator_frag_bytes", m->allocator_frag_bytes);
    field_2digits(out, "allocator_rss_ratio", m->allocator_rss_ratio);
    field_int(out, "allocator_rss_bytes", m->allocator_rss_bytes);
    field_2digits(out, "rss_overhead_ratio", m->rss_overhead_ratio);
    field_int(out, "rss_overhead_bytes", m->rss_overhead_bytes);
    field_2digits(out, "mem_fragmentation_ratio", m->fragmentation_ratio);
    field_int(out, "mem_fragmentation_bytes", m->fragmentation_bytes);
}

static void write_memory(struct server *s, struct text *out)
{
    struct memory_report m = memory_report(s);
    write_memory_use(&m, out);
    write_memory_scripts(s, out);
    field_size(out, "maxmemory", (size_t)s->opt.maxmemory);
    field_option(out, "maxmemory_policy", s, OPTION_maxmemory_policy);
    write_memory_ratios(&m, out);
    field_int(out, "mem_not_counted_for_evict", 0);
    field_int(out, "mem_replication_backlog", 0);
    field_int(out, "mem_total_replication_buffers", 0);
    field_count(out, "mem_clients_slaves", m.clients_replica);
    field_count(out, "mem_clients_normal", m.clients_normal);
    field_int(out, "mem_cluster_links", 0);
    field_int(out, "mem_aof_buffer", 0);
    field_text(out, "mem_allocator", memory_allocator_name());
    field_int(out, "mem_overhead_db_hashtable_rehashing", 0);
    field_int(out, "active_defrag_running", 0);
    field_count(out, "lazyfree_pending_objects", lazyfree_pending(s->lazyfree));
    field_count(out, "lazyfreed_objects", lazyfree_done(s->lazyfree));
}

/* -- persistence ------------------------------------------------------------------------------- */

static void write_child(const struct snapshot *p, struct text *out)
{
    struct snapshot_news news = {0};
    if (p->child != 0)
        news = *p->news;
    uint64_t total = p->child != 0 ? p->child_total : 0;
    field_count(out, "current_cow_peak", news.copied);
    field_count(out, "current_cow_size", news.copied);
    field_int(out, "current_cow_size_age", 0);
    field_2digits(out, "current_fork_perc",
                  total > 0 ? 100.0 * (double)news.keys / (double)total : 0);
    field_count(out, "current_save_keys_processed", news.keys);
    field_count(out, "current_save_keys_total", total);
}

static void write_snapshots(const struct server *s, struct text *out)
{
    const struct snapshot *p = &s->snapshot;
    int64_t running_s = p->child != 0 ? (clock_mono_us() - p->begun_us) / 1000000 : -1;
    field_count(out, "rdb_changes_since_last_save", snapshot_changes(s));
    field_int(out, "rdb_bgsave_in_progress", p->child != 0);
    field_int(out, "rdb_last_save_time", p->saved_at);
    field_text(out, "rdb_last_bgsave_status", p->last_failed ? "err" : "ok");
    field_int(out, "rdb_last_bgsave_time_sec", p->last_seconds);
    field_int(out, "rdb_current_bgsave_time_sec", running_s);
    field_count(out, "rdb_saves", p->saves);
    field_count(out, "rdb_last_cow_size", p->last_copied);
    field_count(out, "rdb_last_load_keys_expired", p->expired);
    field_count(out, "rdb_last_load_keys_loaded", p->loaded);
}

/* There is no append-only file yet. */
static void write_persistence(struct server *s, struct text *out)
{
    field_int(out, "loading", 0);
    field_int(out, "async_loading", 0);
    write_child(&s->snapshot, out);
    write_snapshots(s, out);
    field_int(out, "aof_enabled", 0);
    field_int(out, "aof_rewrite_in_progress", 0);
    field_int(out, "aof_rewrite_scheduled", 0);
    field_int(out, "aof_last_rewrite_time_sec", -1);
    field_int(out, "aof_current_rewrite_time_sec", -1);
    field_text(out, "aof_last_bgrewrite_status", "ok");
    field_int(out, "aof_rewrites", 0);
    field_int(out, "aof_rewrites_consecutive_failures", 0);
    field_text(out, "aof_last_write_status", "ok");
    field_int(out, "aof_last_cow_size", 0);
    field_int(out, "module_fork_in_progress", 0);
    field_int(out, "module_fork_last_cow_size", 0);
}

/* -- stats ------------------------------------------------------------------------------------- */

static uint64_t ticks_to_us(uint64_t ticks)
{
    return clock_ticks_to_ns(ticks) / 1000;
}

static void write_stats_traffic(const struct stats *st, struct text *out)
{
    field_count(out, "total_connections_received", st->connections);
    field_count(out, "total_commands_processed", st->commands);
    field_int(out, "instantaneous_ops_per_sec", (int64_t)rate_per_second(&st->rate_commands));
    field_count(out, "total_net_input_bytes", st->net_in);
    field_count(out, "total_net_output_bytes", st->net_out);
    field_int(out, "total_net_repl_input_bytes", 0);
    field_int(out, "total_net_repl_output_bytes", 0);
    field_2digits(out, "instantaneous_input_kbps", rate_per_second(&st->rate_net_in) / 1024);
    field_2digits(out, "instantaneous_output_kbps", rate_per_second(&st->rate_net_out) / 1024);
    field_2digits(out, "instantaneous_input_repl_kbps", 0);
    field_2digits(out, "instantaneous_output_repl_kbps", 0);
    field_count(out, "rejected_connections", st->rejected_connections);
    field_int(out, "sync_full", 0);
    field_int(out, "sync_partial_ok", 0);
    field_int(out, "sync_partial_err", 0);
}

static void write_stats_keys(const struct server *s, struct text *out)
{
    const struct stats *st = &s->stats;
    uint64_t since = st->eviction_exceeding_since_us;
    uint64_t exceeding_us = since != 0 ? (uint64_t)clock_mono_us() - since : 0;
    field_count(out, "expired_subkeys", s->keys->expired_fields);
    field_count(out, "expired_keys", s->keys->expired);
    /* Sweeps look only at what is due (expiry.h): no expired key is left behind unseen. */
    field_2digits(out, "expired_stale_perc", 0);
    field_count(out, "expired_time_cap_reached_count", st->expire_cap_reached);
    field_count(out, "expire_cycle_cpu_milliseconds", ticks_to_us(st->expire_ticks) / 1000);
    field_count(out, "evicted_keys", s->keys->evicted);
    field_count(out, "evicted_clients", st->evicted_clients);
    field_count(out, "evicted_scripts", scripts_figures(s->scripts).evicted);
    field_count(out, "total_eviction_exceeded_time",
                (st->eviction_exceeded_us + exceeding_us) / 1000);
    field_count(out, "current_eviction_exceeded_time", exceeding_us / 1000);
    field_count(out, "keyspace_hits", s->keys->hits);
    field_count(out, "keyspace_misses", s->keys->misses);
    field_count(out, "pubsub_channels", pubsub_count(s, PUBSUB_CHANNEL));
    field_count(out, "pubsub_patterns", pubsub_count(s, PUBSUB_PATTERN));
    field_count(out, "pubsubshard_channels", pubsub_count(s, PUBSUB_SHARD));
}

static void write_stats_idle(const struct server *s, struct text *out)
{
    field_count(out, "latest_fork_usec", s->snapshot.fork_us);
    field_count(out, "total_forks", s->snapshot.forks);
    field_int(out, "migrate_cached_sockets", outlinks_count(s->outlinks));
    static const char *const names[] = {
        "latest_fork_usec",           "total_forks",
        "slave_expires_tracked_keys", "active_defrag_hits",
        "active_defrag_misses",       "active_defrag_key_hits",
        "active_defrag_key_misses",   "total_active_defrag_time",
        "current_active_defrag_time",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        field_int(out, names[i], 0);
}

static void write_stats_loop(const struct server *s, struct text *out)
{
    const struct stats *st = &s->stats;
    field_count(out, "tracking_total_keys", tracking_keys(s));
    field_count(out, "tracking_total_items", tracking_items(s));
    field_count(out, "tracking_total_prefixes", tracking_prefixes(s));
    double cycles = rate_per_second(&st->rate_cycles);
    field_count(out, "unexpected_error_replies", st->unknown_error_replies);
    field_count(out, "total_error_replies", st->error_replies);
    field_int(out, "dump_payload_sanitizations", 0);
    field_count(out, "total_reads_processed", st->reads);
    field_count(out, "total_writes_processed", st->writes);
    field_int(out, "io_threaded_reads_processed", 0);
    field_int(out, "io_threaded_writes_processed", 0);
    field_count(out, "client_query_buffer_limit_disconnections", st->query_limit_disconnections);
    field_count(out, "client_output_buffer_limit_disconnections", st->output_limit_disconnections);
    field_int(out, "reply_buffer_shrinks", 0);
    field_int(out, "reply_buffer_expands", 0);
    field_count(out, "eventloop_cycles", st->cycles);
    field_count(out, "eventloop_duration_sum", ticks_to_us(st->cycle_ticks));
    field_count(out, "eventloop_duration_cmd_sum", ticks_to_us(st->cycle_command_ticks));
    field_int(out, "instantaneous_eventloop_cycles_per_sec", (int64_t)cycles);
    field_int(out, "instantaneous_eventloop_duration_usec",
              cycles > 0 ? (int64_t)(rate_per_second(&st->rate_cycle_us) / cycles) : 0);
    field_count(out, "acl_access_denied_auth", st->auth_denied);
    field_int(out, "acl_access_denied_cmd", 0);
    field_int(out, "acl_access_denied_key", 0);
    field_int(out, "acl_access_denied_channel", 0);
}

static void write_stats(struct server *s, struct text *out)
{
    write_stats_traffic(&s->stats, out);
    write_stats_keys(s, out);
    write_stats_idle(s, out);
    write_stats_loop(s, out);
}

/* What became of transactions: not in Redis, whose users have to infer it from null replies. */
static void write_transactions(struct server *s, struct text *out)
{
    field_count(out, "transactions_executed", s->stats.execs);
    field_count(out, "transactions_aborted_by_watch", s->stats.execs_watch_aborted);
    field_count(out, "transactions_aborted_by_condition", s->stats.execs_condition_aborted);
    field_count(out, "transactions_aborted_by_error", s->stats.execs_queue_aborted);
    field_count(out, "transactions_rolled_back", s->stats.execs_rolled_back);
    field_count(out, "scripts_rolled_back", s->stats.scripts_rolled_back);
    field_count(out, "transaction_commands", s->stats.exec_commands);
    text_addf(out, "transaction_commands_avg:%.2f\r\n",
              s->stats.execs > 0 ? (double)s->stats.exec_commands / (double)s->stats.execs : 0.0);
    field_count(out, "transaction_commands_max", s->stats.exec_commands_max);
    field_count(out, "transaction_log_length", txlog_length(s->txlog));
    field_count(out, "watched_keys", watch_count(s->keys));
    field_count(out, "watching_connections", s->clients.watching);
    field_count(out, "key_versions_kept", s->keys->versions.count);
    field_count(out, "key_versions_bytes", watch_memory(s->keys));
    field_count(out, "undo_log_bytes", undo_memory(s->keys->undo));
}

/* -- replication, cpu, modules ----------------------------------------------------------------- */

static void write_replication(struct server *s, struct text *out)
{
    field_text(out, "role", "master");
    field_int(out, "connected_slaves", 0);
    field_text(out, "master_failover_state", "no-failover");
    field_text(out, "master_replid", s->replication_id);
    field_text(out, "master_replid2", "0000000000000000000000000000000000000000");
    field_int(out, "master_repl_offset", 0);
    field_int(out, "second_repl_offset", -1);
    field_int(out, "repl_backlog_active", 0);
    field_int(out, "repl_backlog_size", s->opt.repl_backlog_size);
    field_int(out, "repl_backlog_first_byte_offset", 0);
    field_int(out, "repl_backlog_histlen", 0);
}

static void field_time(struct text *out, const char *name, struct timeval t)
{
    text_addf(out, "%s:%ld.%06ld\r\n", name, (long)t.tv_sec, (long)t.tv_usec);
}

static void write_cpu(struct server *s, struct text *out)
{
    (void)s;
    struct rusage self, children, thread;
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    getrusage(RUSAGE_THREAD, &thread);
    field_time(out, "used_cpu_sys", self.ru_stime);
    field_time(out, "used_cpu_user", self.ru_utime);
    field_time(out, "used_cpu_sys_children", children.ru_stime);
    field_time(out, "used_cpu_user_children", children.ru_utime);
    field_time(out, "used_cpu_sys_main_thread", thread.ru_stime);
    field_time(out, "used_cpu_user_main_thread", thread.ru_utime);
}

static void write_modules(struct server *s, struct text *out)
{
    (void)s;
    (void)out;
}

/* -- commands and errors ----------------------------------------------------------------------- */

static void write_command(struct command_slot *slot, void *out)
{
    if (slot->calls == 0 && slot->rejected == 0 && slot->failed == 0)
        return;
    uint64_t us = ticks_to_us(slot->ticks);
    text_addf(out,
              "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
              "failed_calls=%llu\r\n",
              slot->full_name, (unsigned long long)slot->calls, (unsigned long long)us,
              slot->calls > 0 ? (double)us / (double)slot->calls : 0,
              (unsigned long long)slot->rejected, (unsigned long long)slot->failed);
}

static void write_commandstats(struct server *s, struct text *out)
{
    command_each(s->commands, write_command, out);
}

/* Codes can come from scripts: what would break the report's lines becomes '_'. */
static void write_error(void *out, const char *code, uint64_t count)
{
    text_addf(out, "errorstat_");
    for (const char *c = code; *c != '\0'; c++)
        text_add(out, bytes_of(strchr("#:\r\n", *c) != NULL ? "_" : c, 1));
    text_addf(out, ":count=%llu\r\n", (unsigned long long)count);
}

static void write_errorstats(struct server *s, struct text *out)
{
    error_stats_each(s->errors, write_error, out);
}

struct latency_context {
    struct text *out;
    const char *percentiles; /* latency-tracking-info-percentiles: numbers separated by spaces */
};

static void write_latency(struct command_slot *slot, void *context)
{
    struct latency_context *l = context;
    if (slot->latency == NULL || histogram_count(slot->latency) == 0)
        return;
    text_addf(l->out, "latency_percentiles_usec_%s:", slot->full_name);
    const char *separator = "";
    char *end;
    for (const char *at = l->percentiles;; at = end, separator = ",") {
        double percentile = strtod(at, &end);
        if (end == at)
            break;
        text_addf(l->out, "%sp%.6g=%.3f", separator, percentile,
                  (double)histogram_percentile(slot->latency, percentile) / 1000);
    }
    text_addf(l->out, "\r\n");
}

static void write_latencystats(struct server *s, struct text *out)
{
    struct latency_context context = {out, s->opt.latency_tracking_info_percentiles};
    if (s->opt.latency_tracking)
        command_each(s->commands, write_latency, &context);
}

/* -- cluster, keyspace, debug ------------------------------------------------------------------ */

static void write_cluster(struct server *s, struct text *out)
{
    (void)s;
    field_int(out, "cluster_enabled", 0);
}

static void write_keyspace(struct server *s, struct text *out)
{
    for (int i = 0; i < s->keys->db_count; i++) {
        const struct db *db = &s->keys->dbs[i];
        if (db->keys.count > 0)
            text_addf(out, "db%d:keys=%llu,expires=%llu,avg_ttl=%lld,subexpiry=%llu\r\n", i,
                      (unsigned long long)db->keys.count, (unsigned long long)db->expiry.keys,
                      (long long)expiry_average_ttl(&db->expiry, s->keys->now_ms),
                      (unsigned long long)db->inner_expiry.keys);
    }
}

static void write_debug(struct server *s, struct text *out)
{
    field_int(out, "eventloop_duration_aof_sum", 0);
    field_count(out, "eventloop_duration_cron_sum", ticks_to_us(s->stats.cycle_cron_ticks));
    field_count(out, "eventloop_duration_max", ticks_to_us(s->stats.cycle_ticks_max));
    field_count(out, "eventloop_cmd_per_cycle_max", s->stats.cycle_commands_max);
}

/* -- the sections ------------------------------------------------------------------------------ */

/* Who sees a section without naming it. */
enum group { ON_REQUEST, IN_ALL, IN_DEFAULT };

static const struct section {
    const char *name; /* as asked for */
    const char *title;
    void (*write)(struct server *s, struct text *out);
    enum group group;
} sections[] = {
    {"server", "Server", write_server, IN_DEFAULT},
    {"clients", "Clients", write_clients, IN_DEFAULT},
    {"memory", "Memory", write_memory, IN_DEFAULT},
    {"persistence", "Persistence", write_persistence, IN_DEFAULT},
    {"stats", "Stats", write_stats, IN_DEFAULT},
    {"transactions", "Transactions", write_transactions, IN_DEFAULT},
    {"replication", "Replication", write_replication, IN_DEFAULT},
    {"cpu", "CPU", write_cpu, IN_DEFAULT},
    {"modules", "Modules", write_modules, IN_DEFAULT},
    {"commandstats", "Commandstats", write_commandstats, IN_ALL},
    {"errorstats", "Errorstats", write_errorstats, IN_DEFAULT},
    {"latencystats", "Latencystats", write_latencystats, IN_ALL},
    {"cluster", "Cluster", write_cluster, IN_DEFAULT},
    {"keyspace", "Keyspace", write_keyspace, IN_DEFAULT},
    {"debug", "Debug", write_debug, ON_REQUEST},
};

enum { SECTIONS = sizeof sections / sizeof sections[0] };

/* The sections in this name, as bits. */
static uint32_t select_sections(struct bytes name)
{
    bool is_all = bytes_is_word(name, "all") || bytes_is_word(name, "everything");
    enum group least = is_all                           ? IN_ALL
                       : bytes_is_word(name, "default") ? IN_DEFAULT
                                                        : IN_DEFAULT + 1;
    uint32_t selected = 0;
    for (int i = 0; i < SECTIONS; i++)
        if (sections[i].group >= least || bytes_is_word(name, sections[i].name))
            selected |= 1u << i;
    return selected;
}

void info_write(struct server *s, const struct bytes *names, int count, struct text *out)
{
    uint32_t selected = count == 0 ? select_sections(bytes_of_text("default")) : 0;
    for (int i = 0; i < count; i++)
        selected |= select_sections(names[i]);
    for (int i = 0; i < SECTIONS; i++) {
        if (!(selected & 1u << i))
            continue;
        text_addf(out, "%s# %s\r\n", out->len > 0 ? "\r\n" : "", sections[i].title);
        sections[i].write(s, out);
    }
}
