/*
 * stats.c - rates of counters.
 *
 * A rate is the mean of the last STATS_SAMPLES readings, each the counter's growth per second since
 * the reading before. The counter may fall back to zero between two readings (CONFIG RESETSTAT): it
 * then grew from zero.
 */
#include "server/stats.h"

void rate_read(struct rate *r, uint64_t value, int64_t now_us)
{
    if (r->last_us != 0) {
        int64_t elapsed = now_us - r->last_us;
        if (elapsed <= 0)
            return;
        uint64_t grown = value >= r->last_value ? value - r->last_value : value;
        r->samples[r->next] = (double)grown * 1e6 / (double)elapsed;
        r->next = (r->next + 1) % STATS_SAMPLES;
    }
    r->last_us = now_us;
    r->last_value = value;
}

double rate_per_second(const struct rate *r)
{
    double sum = 0;
    for (int i = 0; i < STATS_SAMPLES; i++)
        sum += r->samples[i];
    return sum / STATS_SAMPLES;
}

void stats_reset(struct stats *st)
{
    *st = (struct stats){
        .eviction_exceeding_since_us = st->eviction_exceeding_since_us,
        .peak_memory = st->peak_memory,
        .startup_memory = st->startup_memory,
        .input_max = st->input_max,
        .output_max = st->output_max,
    };
}
