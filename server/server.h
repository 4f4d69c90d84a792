/*
 * server.h - the one server state: a list of the modules' own structs and nothing else.
 *
 * Nobody below server/ sees it. A module's functions take the part they need; what needs several
 * parts takes the server.
 */
#ifndef REDOUBT_SERVER_SERVER_H
#define REDOUBT_SERVER_SERVER_H

#include <signal.h>
#include <uv.h>

#include "protocol/reply.h"
#include "protocol/request.h"
#include "server/client_eviction.h"
#include "server/options.h"
#include "server/resources.h"
#include "server/snapshot.h"
#include "server/stats.h"
#include "storage/dict.h"

struct call;
struct client;
struct conn;

struct server {
    uv_loop_t loop;
    struct options opt;
    struct keyspace *keys;          /* storage/keyspace.h */
    struct eviction *eviction;      /* storage/eviction.h */
    struct lazyfree *lazyfree;      /* storage/lazyfree.h */
    struct command_table *commands; /* command.h */
    struct executor *executor;      /* executor.h */
    struct blocked *blocked;        /* blocked.h: clients that wait for keys */
    struct pubsub *pubsub;          /* pubsub.h: channels and their subscribers */
    struct tracking *tracking;      /* tracking.h: client-side caching */
    struct network *network;        /* network.h: listeners, ready and touched connections */
    struct scripts *scripts;        /* scripts.h: Lua states, script cache */
    struct slowlog *slowlog;        /* slowlog.h */
    struct txlog *txlog;            /* txlog.h */
    struct latency *latency;        /* latency.h: LATENCY's events */
    struct error_stats *errors;     /* errorstats.h: INFO errorstats */
    struct outlinks *outlinks;      /* outlink.h: connections of MIGRATE */
    struct log *log;                /* log.h */
    struct cron *cron;              /* cron.h: what happens hz times a second */
    struct reply_pool reply_pool;
    struct reply_errors reply_errors; /* the last error written, for whoever ran the command */
    struct stats stats;
    struct snapshot snapshot; /* snapshot.h: the dataset on disk */
    struct {
        struct client *first, *last;
        struct dict by_id; /* struct client, by the bytes of its id */
        uint64_t count, next_id;
        struct client *first_monitor; /* monitor.h */
        uint64_t monitors, blocked, paused, watching, subscribers, tracking;
    } clients;
    struct client *executing; /* whose command runs, the outermost one; NULL: none does */
    struct reply own_pushes;  /* what that command pushes to its own client: push.h */
    bool has_own_pushes;
    struct transaction *spare_transactions; /* owned; kept by transaction.c for reuse */
    uint32_t spare_count;
    struct client_sizes client_sizes; /* client_eviction.h */
    uint64_t ticks;                   /* clock_ticks() at the end of the last command */
    int64_t started_us;               /* monotonic */
    int64_t started_wall_ms;
    char run_id[41];
    char replication_id[41];
    char *executable, *config_file; /* absolute paths, owned; config_file NULL: none */
    struct title *title;            /* title.h; NULL: the process keeps its name */
    struct oom_score oom_score;     /* resources.h */
    bool is_supervised;             /* supervise.h: somebody started us and waits for word */
    bool is_daemon, has_pid_file;
    volatile sig_atomic_t
        shutdown_signal;        /* shutdown.h: this signal asked for the end; 0: none did */
    const struct call *running; /* the innermost call being run, NULL: none; for crash reports */
    bool skip_dump_checksums;   /* DEBUG SET-SKIP-CHECKSUM-VALIDATION */
    bool load_failed;           /* what was saved cannot be read: that ends the start */
    bool stopping;
};

/* Default options, a log to standard output, and nothing open yet. program is argv[0]. */
struct server *server_create(const char *program);
/* Become what the options say: log file, daemon, supervision; then open all parts in order and
 * listen. False: it was logged why, and server_destroy() is next. */
bool server_start(struct server *s);
/* Serve until s->stopping. */
void server_run(struct server *s);
/* Close what is open, in reverse order. NULL is fine. */
void server_destroy(struct server *s);

#endif
