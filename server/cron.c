/*
 * cron.c - upkeep, hz times a second, in slices that no client notices.
 *
 * All of it is storage and bookkeeping: no command runs here. Two timers. The tick does what is due
 * at every period; its parts are bounded. When more keys are due than one slice of expiry buries,
 * the slice timer goes on with it, one short slice at a time with pauses between, so that a million
 * keys that die in the same second cost a share of the processor and never a long stop.
 */
#include "server/cron.h"

#include "base/cells.h"
#include "base/clock.h"
#include "base/memory.h"
#include "server/client.h"
#include "server/conn.h"
#include "server/executor.h"
#include "server/latency.h"
#include "server/log.h"
#include "server/network.h"
#include "server/outlimit.h"
#include "server/outlink.h"
#include "server/scripts.h"
#include "server/server.h"
#include "server/shutdown.h"
#include "server/tracking.h"
#include "storage/eviction.h"
#include "storage/keyspace.h"
#include "storage/undo.h"

enum {
    HZ_MIN = 1,
    HZ_MAX = 500,
    RATES_EVERY_US = 100 * 1000,
    SLICE_US = 1000,       /* longest stretch of active expiry */
    SLICE_KEYS = 64,       /* keys buried between two looks at the clock */
    SLICE_VALUES = 8,      /* values that do some work of their own meanwhile */
    SLICE_PAGES = 64,      /* pages of cells collected between two looks at the clock */
    COMPACT_RECORDS = 512, /* of an expiry index, each tick */
    COMPACT_DBS = 16,      /* databases looked at, each tick */
    CLIENTS_MIN = 32,      /* clients looked at, at least, each tick */
    TRIM_AFTER_MS = 2000,  /* silence after which a client's unused room is taken back */
    BUFFER_SECONDS = 8,    /* how long a largest buffer counts as recent */
};

/* Largest buffers seen, a pair for each of the last seconds. */
struct recent_buffers {
    int64_t second;
    size_t input[BUFFER_SECONDS], output[BUFFER_SECONDS];
    size_t input_shown, output_shown; /* the maxima as last published */
};

struct cron {
    struct server *server;
    uv_timer_t tick, slice;
    int open_timers; /* the memory is freed when both are closed */
    int hz;
    bool paused, expire;
    int64_t rates_read_us;
    uint64_t last_client; /* id of the last client looked at; 0: begin with the oldest */
    int compact_db;       /* database whose index is looked at next */
    struct recent_buffers buffers;
};

/* -- active expiry ----------------------------------------------------------------------------- */

/* The share of time that expiry may take, in percent: active-expire-effort 1 is 25, each step
 * adds 2. */
static int expire_share(const struct server *s)
{
    return 25 + 2 * ((int)s->opt.active_expire_effort - 1);
}

/* Keys do not expire while clients are paused, nor inside a section that may be taken back. */
static bool may_expire(const struct cron *c)
{
    const struct server *s = c->server;
    return c->expire && !s->keys->keep_expired && !undo_is_open(s->keys->undo);
}

/* Bury due keys for at most SLICE_US. True: more are due. */
static bool expire_slice(struct cron *c)
{
    struct server *s = c->server;
    uint64_t start = clock_ticks(), limit = clock_us_to_ticks(SLICE_US), spent;
    bool more;
    do {
        more = keyspace_expire_due(s->keys, SLICE_KEYS);
        more |= keyspace_visit_due(s->keys, SLICE_VALUES);
        spent = clock_ticks() - start;
    } while (more && spent < limit);

    s->stats.expire_ticks += spent;
    s->stats.expire_cap_reached += more;
    latency_event(s, "expire-cycle", clock_ticks_to_ns(spent) / 1000);
    return more;
}

static void on_slice(uv_timer_t *timer);

static void expire_some(struct cron *c)
{
    if (!may_expire(c) || !expire_slice(c))
        return;
    uint64_t pause_us = (uint64_t)SLICE_US * 100 / (uint64_t)expire_share(c->server) - SLICE_US;
    uv_timer_start(&c->slice, on_slice, (pause_us + 999) / 1000, 0);
}

static void on_slice(uv_timer_t *timer)
{
    struct cron *c = timer->data;
    if (c->paused || scripts_is_busy(c->server->scripts))
        return;
    network_turn_begins(c->server->network);
    uint64_t start = clock_ticks();
    executor_refresh_time(c->server);
    expire_some(c);
    c->server->stats.cycle_cron_ticks += clock_ticks() - start;
}

/* What ended on the other thread. */
static void collect_cells(void)
{
    uint64_t start = clock_ticks(), limit = clock_us_to_ticks(SLICE_US);
    while (cells_collect(SLICE_PAGES) && clock_ticks() - start < limit)
        ;
}

/* Databases take turns, so that a tick costs the same however many there are. */
static void compact_indexes(struct cron *c)
{
    struct keyspace *ks = c->server->keys;
    int count = ks->db_count < COMPACT_DBS ? ks->db_count : COMPACT_DBS;
    for (int i = 0; i < count; i++) {
        struct db *db = &ks->dbs[c->compact_db];
        expiry_compact_step(&db->expiry, &db->keys, COMPACT_RECORDS);
        expiry_compact_step(&db->inner_expiry, &db->keys, COMPACT_RECORDS);
        c->compact_db = (c->compact_db + 1) % ks->db_count;
    }
}

/* -- clients ----------------------------------------------------------------------------------- */

static void close_if_idle(struct client *c, int64_t now_ms)
{
    struct server *s = c->server;
    if (s->opt.timeout == 0 || (c->flags & (CLIENT_MONITOR | CLIENT_BLOCKED | CLIENT_PAUSED)) ||
        client_class(c) != CLASS_NORMAL)
        return;
    if (now_ms - c->active_ms > s->opt.timeout * 1000) {
        log_write(s->log, LOG_LEVEL_VERBOSE, "Closing idle client");
        client_close(c, false);
    }
}

static void trim_if_idle(struct client *c, int64_t now_ms)
{
    if (c->conn != NULL && now_ms - c->active_ms > TRIM_AFTER_MS)
        conn_trim_input(c->conn);
}

/* Forget the seconds that are no longer recent. */
static void age_buffers(struct recent_buffers *b, int64_t second)
{
    int64_t passed = second - b->second;
    if (passed < 0 || passed > BUFFER_SECONDS)
        passed = BUFFER_SECONDS;
    for (int64_t at = second; at > second - passed; at--)
        b->input[at % BUFFER_SECONDS] = b->output[at % BUFFER_SECONDS] = 0;
    b->second = second;
}

static void note_buffers(struct recent_buffers *b, size_t input, size_t output)
{
    int at = (int)(b->second % BUFFER_SECONDS);
    if (input > b->input[at])
        b->input[at] = input;
    if (output > b->output[at])
        b->output[at] = output;
}

/* Connections raise the maxima when they see larger ones; what they raised since the last tick is
 * noted as of now, then the maxima fall to what is recent. */
static void publish_buffers(struct recent_buffers *b, struct stats *st)
{
    note_buffers(b, st->input_max > b->input_shown ? st->input_max : 0,
                 st->output_max > b->output_shown ? st->output_max : 0);
    st->input_max = st->output_max = 0;
    for (int i = 0; i < BUFFER_SECONDS; i++) {
        if (b->input[i] > st->input_max)
            st->input_max = b->input[i];
        if (b->output[i] > st->output_max)
            st->output_max = b->output[i];
    }
    b->input_shown = st->input_max;
    b->output_shown = st->output_max;
}

/* Where the last tick stopped: clients are in the order of their ids, so a gone one is no obstacle.
 */
static struct client *next_client(const struct cron *c)
{
    struct client *at = c->server->clients.first;
    while (at != NULL && at->id <= c->last_client)
        at = at->next;
    return at;
}

/* Look at as many clients as it takes to see each about once a second. */
static void look_at_clients(struct cron *c)
{
    struct server *s = c->server;
    int64_t now_ms = s->keys->now_ms;
    uint64_t count = s->clients.count / (uint64_t)c->hz;
    age_buffers(&c->buffers, now_ms / 1000);
    struct client *at = next_client(c);
    for (uint64_t i = 0; at != NULL && (i < count || i < CLIENTS_MIN); i++) {
        struct client *next = at->next;
        c->last_client = at->id;
        note_buffers(&c->buffers, client_input_room(at) + at->argument_memory,
                     reply_memory(&at->reply));
        outlimit_check(at);
        trim_if_idle(at, now_ms);
        close_if_idle(at, now_ms);
        at = next;
    }
    if (at == NULL)
        c->last_client = 0;
    publish_buffers(&c->buffers, &s->stats);
}

/* -- the tick ---------------------------------------------------------------------------------- */

static void read_rates(struct cron *c)
{
    struct stats *st = &c->server->stats;
    int64_t now_us = clock_mono_us();
    if (now_us - c->rates_read_us < RATES_EVERY_US - RATES_EVERY_US / 10)
        return;
    c->rates_read_us = now_us;
    rate_read(&st->rate_commands, st->commands, now_us);
    rate_read(&st->rate_net_in, st->net_in, now_us);
    rate_read(&st->rate_net_out, st->net_out, now_us);
    rate_read(&st->rate_cycles, st->cycles, now_us);
    rate_read(&st->rate_cycle_us, clock_ticks_to_ns(st->cycle_ticks) / 1000, now_us);
}

/* What a touched key is stamped with. */
static void set_access_clock(struct keyspace *ks)
{
    ks->access_clock =
        ks->lfu ? (uint32_t)(ks->now_ms / 60000 & 0xffff) << 8 : eviction_lru_clock(ks->now_ms);
}

static void on_tick(uv_timer_t *timer)
{
    struct cron *c = timer->data;
    struct server *s = c->server;
    if (c->paused || scripts_is_busy(s->scripts))
        return; /* time stands still while a script runs */
    network_turn_begins(s->network);
    uint64_t start = clock_ticks();
    executor_refresh_time(s);
    set_access_clock(s->keys);
    read_rates(c);
    size_t used = mem_used();
    if (used > s->stats.peak_memory)
        s->stats.peak_memory = used;
    if (!uv_is_active((uv_handle_t *)&c->slice))
        expire_some(c);
    compact_indexes(c);
    collect_cells();
    look_at_clients(c);
    tracking_limit(s);
    outlinks_tidy(s->outlinks, clock_mono_us());
    snapshot_tick(s);
    shutdown_if_asked(s);
    s->stats.cycle_cron_ticks += clock_ticks() - start;
}

/* -- life -------------------------------------------------------------------------------------- */

struct cron *cron_start(struct server *s)
{
    struct cron *c = mem_alloc_zeroed(sizeof *c);
    c->server = s;
    c->expire = true;
    c->open_timers = 2;
    uv_timer_init(&s->loop, &c->tick);
    uv_timer_init(&s->loop, &c->slice);
    c->tick.data = c->slice.data = c;
    set_access_clock(s->keys);
    cron_set_hz(c, (int)s->opt.hz);
    return c;
}

static void on_timer_closed(uv_handle_t *timer)
{
    struct cron *c = timer->data;
    if (--c->open_timers == 0)
        mem_free(c);
}

void cron_stop(struct cron *c)
{
    if (c == NULL)
        return;
    uv_close((uv_handle_t *)&c->tick, on_timer_closed);
    uv_close((uv_handle_t *)&c->slice, on_timer_closed);
}

void cron_set_hz(struct cron *c, int hz)
{
    c->hz = hz < HZ_MIN ? HZ_MIN : hz > HZ_MAX ? HZ_MAX : hz;
    uint64_t period_ms = 1000 / (uint64_t)c->hz;
    uv_timer_start(&c->tick, on_tick, period_ms, period_ms);
}

int cron_hz(const struct cron *c)
{
    return c->hz;
}

void cron_set_active_expire(struct cron *c, bool on)
{
    c->expire = on;
}

void cron_pause(struct cron *c, bool on)
{
    c->paused = on;
}
