/*
 * server.c - the parts, opened in order and closed in reverse.
 */
#include "server/server.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "server/blocked.h"
#include "server/command.h"
#include "server/crash.h"
#include "server/cron.h"
#include "server/errorstats.h"
#include "server/executor.h"
#include "server/function_files.h"
#include "server/latency.h"
#include "server/log.h"
#include "server/network.h"
#include "server/options_apply.h"
#include "server/outlink.h"
#include "server/pubsub.h"
#include "server/scripts.h"
#include "server/shutdown.h"
#include "server/slowlog.h"
#include "server/supervise.h"
#include "server/surroundings.h"
#include "server/title.h"
#include "server/tracking.h"
#include "server/transaction.h"
#include "server/txlog.h"
#include "server/version.h"
#include "storage/eviction.h"
#include "storage/keyspace.h"
#include "storage/lazyfree.h"

#define DEFAULT_PID_FILE "/var/run/redis.pid"

struct server *server_create(const char *program)
{
    struct server *s = mem_alloc_zeroed(sizeof *s);
    mem_thread_enter();
    clock_init();
    options_init(&s->opt);
    s->log = log_create();
    char *absolute = realpath(program, NULL);
    s->executable = mem_copy_text(absolute != NULL ? absolute : program);
    free(absolute);
    random_hex(s->run_id, sizeof s->run_id - 1);
    random_hex(s->replication_id, sizeof s->replication_id - 1);
    return s;
}

/* -- start-up ---------------------------------------------------------------------------------- */

static bool enter_folder(struct server *s)
{
    if (s->opt.dir[0] == '\0' || chdir(s->opt.dir) == 0)
        return true;
    log_write(s->log, LOG_LEVEL_WARNING, "Can't chdir to '%s': %s", s->opt.dir, strerror(errno));
    return false;
}

static bool open_log(struct server *s)
{
    log_set_level(s->log, (enum log_level)s->opt.loglevel);
    if (!log_open(s->log, s->opt.logfile)) {
        log_write(s->log, LOG_LEVEL_WARNING, "Can't open the log file '%s': %s", s->opt.logfile,
                  strerror(errno));
        return false;
    }
    log_set_syslog(s->log, s->opt.syslog_enabled, s->opt.syslog_ident, s->opt.syslog_facility);
    return true;
}

/* Tools wait for some of these lines and read the process id from them. */
static void greet(struct server *s)
{
    log_write(s->log, LOG_LEVEL_NOTICE, "oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
    log_write(s->log, LOG_LEVEL_NOTICE,
              "Redis version=%s, bits=%d, commit=%s, modified=%s, pid=%d, just started",
              REDIS_VERSION, (int)sizeof(void *) * 8, REDOUBT_COMMIT, REDOUBT_MODIFIED,
              (int)getpid());
    if (s->config_file != NULL)
        log_write(s->log, LOG_LEVEL_NOTICE, "Configuration loaded");
    else
        log_write(s->log, LOG_LEVEL_WARNING,
                  "Warning: no config file specified, what was not given has its default. To use a "
                  "file: %s "
                  "/path/to/redis.conf",
                  s->executable);
}

static void introduce(struct server *s)
{
    log_write(s->log, LOG_LEVEL_NOTICE, "Running mode=standalone, port=%d.", (int)s->opt.port);
    log_write(s->log, LOG_LEVEL_NOTICE, "Redoubt %s, a Redis-compatible server, PID: %d",
              REDOUBT_VERSION, (int)getpid());
}

static bool become_daemon(struct server *s)
{
    s->is_supervised = supervise_join(s);
    if (!s->opt.daemonize || s->is_supervised)
        return true;
    if (!supervise_daemonize()) {
        log_write(s->log, LOG_LEVEL_WARNING, "Can't daemonize: %s", strerror(errno));
        return false;
    }
    s->is_daemon = true;
    return true;
}

static const char *pid_file(const struct server *s)
{
    if (s->opt.pidfile[0] != '\0')
        return s->opt.pidfile;
    return s->is_daemon ? DEFAULT_PID_FILE : NULL;
}

static void write_pid_file(struct server *s)
{
    s->has_pid_file = pid_file(s) != NULL;
    if (s->has_pid_file)
        supervise_write_pid(s->log, pid_file(s));
}

static void warn_of(void *context, const char *check, const char *finding)
{
    struct server *s = context;
    (void)check;
    if (finding != NULL)
        log_write(s->log, LOG_LEVEL_WARNING, "WARNING %s", finding);
}

static void tell_notice(void *context, const char *line)
{
    struct server *s = context;
    log_write(s->log, LOG_LEVEL_NOTICE, "%s", line);
}

/* What the process asks of the kernel for itself. */
static bool claim_resources(struct server *s)
{
    if (!resources_fit_clients(s))
        return false;
    if (s->opt.disable_thp && !resources_disable_huge_pages())
        log_write(s->log, LOG_LEVEL_WARNING, "Can't disable transparent huge pages: %s",
                  strerror(errno));
    if (!resources_set_oom_score(&s->oom_score, s->opt.oom_score_adj,
                                 s->opt.oom_score_adj_values[0]))
        log_write(s->log, LOG_LEVEL_WARNING, "Unable to write oom_score_adj: %s", strerror(errno));
    return true;
}

static void open_parts(struct server *s)
{
    uv_loop_init(&s->loop);
    s->lazyfree = lazyfree_start();
    s->keys = keyspace_create((int)s->opt.databases);
    s->keys->lazyfree = s->lazyfree;
    s->eviction = eviction_create();
    s->errors = error_stats_create();
    s->outlinks = outlinks_create();
    snapshot_init(&s->snapshot);
    s->slowlog = slowlog_create();
    s->txlog = txlog_create(s);
    s->latency = latency_create();
    s->commands = command_table_create();
    s->executor = executor_create(s);
    s->blocked = blocked_create(s);
    s->pubsub = pubsub_create(s);
    s->tracking = tracking_create(s);
    s->scripts = scripts_create(s);
    executor_refresh_time(s);
    s->network = network_create(s);
    s->cron = cron_start(s);
    s->started_us = clock_mono_us();
    s->started_wall_ms = clock_wall_ms();
    s->ticks = clock_ticks();
}

static bool rename_commands(struct server *s)
{
    struct text error = {0};
    bool fine = options_rename_commands(s, &error);
    if (!fine)
        log_write(s->log, LOG_LEVEL_WARNING, "%s", error.data);
    text_fini(&error);
    return fine;
}

/* What was saved. Who connects meanwhile waits: nothing is served before it is there. */
static bool load_snapshot(struct server *s)
{
    s->load_failed = !snapshot_load(s, false);
    if (s->load_failed)
        log_write(s->log, LOG_LEVEL_WARNING, "Terminating server after rdb file reading failure.");
    s->snapshot.saved_dirty = s->keys->dirty;
    return !s->load_failed;
}

/* After the snapshot: libraries of files take the place of what was saved. */
static bool load_functions(struct server *s)
{
    struct text error = {0};
    bool fine = function_files_load(s, &error);
    if (!fine)
        log_write(s->log, LOG_LEVEL_WARNING, "load-functions: %s", error.data);
    text_fini(&error);
    return fine;
}

static bool listen_or_tell(struct server *s)
{
    char error[512];
    if (!network_listen(s, error, sizeof error)) {
        log_write(s->log, LOG_LEVEL_WARNING, "%s", error);
        return false;
    }
    if (network_listener_count(s) == 0) {
        log_write(s->log, LOG_LEVEL_WARNING, "Configured to not listen anywhere, exiting.");
        return false;
    }
    return true;
}

static void announce_ready(struct server *s)
{
    surroundings_check("", &s->opt, warn_of, s);
    if (s->opt.port != 0)
        log_write(s->log, LOG_LEVEL_NOTICE, "Ready to accept connections tcp");
    if (s->opt.unixsocket[0] != '\0')
        log_write(s->log, LOG_LEVEL_NOTICE, "Ready to accept connections unix");
    supervise_tell(s, "STATUS=Ready to accept connections\nREADY=1\n");
}

bool server_start(struct server *s)
{
    if (!enter_folder(s) || !open_log(s) || !become_daemon(s))
        return false;
    greet(s);
    shutdown_catch_signals(s);
    if (s->opt.crash_log_enabled)
        crash_watch(s, true);
    if (!claim_resources(s))
        return false;
    open_parts(s);
    options_apply_all(s);
    if (!rename_commands(s))
        return false;
    introduce(s);
    options_notices(&s->opt, tell_notice, s);
    if (!listen_or_tell(s))
        return false;
    write_pid_file(s); /* not before: the file may be that of a server that has the port */
    title_refresh(s);
    s->stats.startup_memory = mem_used();
    log_write(s->log, LOG_LEVEL_NOTICE, "Server initialized");
    if (!load_snapshot(s) || !load_functions(s))
        return false;
    announce_ready(s);
    return true;
}

void server_run(struct server *s)
{
    while (!s->stopping)
        network_turn(s);
}

/* -- the end ----------------------------------------------------------------------------------- */

static void close_parts(struct server *s)
{
    cron_stop(s->cron);
    network_destroy(s);
    tracking_destroy(s->tracking);
    pubsub_destroy(s->pubsub);
    lazyfree_stop(s->lazyfree); /* its last jobs may tell of their end */
    s->lazyfree = s->keys->lazyfree = NULL;
    blocked_destroy(s->blocked);
    transaction_drop_spare(s);
    scripts_destroy(s->scripts);
    executor_destroy(s->executor);
    command_table_destroy(s->commands);
    latency_destroy(s->latency);
    txlog_destroy(s->txlog);
    slowlog_destroy(s->slowlog);
    outlinks_destroy(s->outlinks);
    snapshot_fini(&s->snapshot);
    error_stats_destroy(s->errors);
    eviction_destroy(s->eviction);
    keyspace_destroy(s->keys);
    uv_run(&s->loop, UV_RUN_DEFAULT); /* what is being closed has its last callbacks */
    uv_loop_close(&s->loop);
}

void server_destroy(struct server *s)
{
    if (s == NULL)
        return;
    supervise_tell(s, "STOPPING=1\n");
    if (s->network != NULL) {
        if (s->has_pid_file)
            supervise_remove_pid(s->log, pid_file(s));
        close_parts(s);
    }
    if (s->stopping)
        log_write(s->log, LOG_LEVEL_NOTICE, "Redis is now ready to exit, bye bye...");
    if (s->load_failed) /* the last line: tools look there */
        log_write(s->log, LOG_LEVEL_WARNING,
                  "Fatal error loading the DB, check server logs. Exiting.");
    crash_watch(s, false);
    shutdown_release_signals();
    reply_pool_fini(&s->reply_pool);
    title_destroy(s->title);
    log_destroy(s->log);
    options_fini(&s->opt);
    mem_free(s->config_file);
    mem_free(s->executable);
    mem_free(s);
}
