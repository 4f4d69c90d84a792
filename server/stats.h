/*
 * stats.h - counters of the running server: what INFO shows and CONFIG RESETSTAT clears.
 */
#ifndef REDOUBT_SERVER_STATS_H
#define REDOUBT_SERVER_STATS_H

#include <stddef.h>
#include <stdint.h>

enum { STATS_SAMPLES = 16 };

/* A rate from the last STATS_SAMPLES readings of a counter. */
struct rate {
    int64_t last_us;
    uint64_t last_value;
    double samples[STATS_SAMPLES];
    int next;
};

struct stats {
    uint64_t connections, rejected_connections;
    uint64_t commands;
    uint64_t reads, writes; /* sockets */
    uint64_t net_in, net_out;
    uint64_t unknown_error_replies, error_replies;
    uint64_t evicted_clients;
    uint64_t query_limit_disconnections, output_limit_disconnections;
    uint64_t auth_denied;
    uint64_t cycles;                                             /* turns of the loop */
    uint64_t cycle_ticks, cycle_command_ticks, cycle_cron_ticks; /* sums */
    uint64_t cycle_ticks_max, cycle_commands_max;
    uint64_t expire_ticks; /* active expiry */
    uint64_t expire_cap_reached;
    uint64_t eviction_exceeded_us, eviction_exceeding_since_us;
    size_t peak_memory, startup_memory;
    size_t input_max, output_max; /* recent largest buffers */
    uint64_t execs, execs_watch_aborted, execs_condition_aborted, execs_queue_aborted,
        execs_rolled_back, scripts_rolled_back;
    uint64_t exec_commands, exec_commands_max; /* in the queues of those that ran */
    struct rate rate_commands, rate_net_in, rate_net_out, rate_cycles, rate_cycle_us;
};

/* Take a reading; now in monotonic us. */
void rate_read(struct rate *r, uint64_t value, int64_t now_us);
/* Average per second over the readings. */
double rate_per_second(const struct rate *r);

/* CONFIG RESETSTAT's part: counters and rates start again, what describes the present stays. */
void stats_reset(struct stats *st);

#endif
