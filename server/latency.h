/*
 * latency.h - how long things take: LATENCY's events, and a histogram a command.
 */
#ifndef REDOUBT_SERVER_LATENCY_H
#define REDOUBT_SERVER_LATENCY_H

#include <stdint.h>

#include "base/bytes.h"

struct server;
struct latency;
struct histogram;

/* -- events ------------------------------------------------------------------------------------ */

enum { LATENCY_SAMPLES = 160 };

struct latency_sample {
    int64_t time_s; /* wall clock */
    uint32_t ms;
};

/* What is kept of one event: at most one sample a second, the worst of it, in a ring. */
struct latency_series {
    struct latency_series *next;
    const char *event;
    uint32_t count, first; /* samples held; where the oldest is */
    uint32_t worst_ms;     /* ever, also of samples that the ring has lost */
    struct latency_sample samples[LATENCY_SAMPLES];
};

struct latency *latency_create(void);
void latency_destroy(struct latency *l);
/* An event ("command", "fast-command", "expire-cycle", ...) took this long: kept if
 * latency-monitor-threshold (ms, 0: off) is reached. The name is a constant: it is not copied. */
void latency_event(struct server *s, const char *event, uint64_t duration_us);
/* All series, NULL-ended by next; one by its name, any case, NULL: nothing was kept. */
const struct latency_series *latency_first(const struct latency *l);
const struct latency_series *latency_find(const struct latency *l, struct bytes event);
/* The i-th sample, 0 is the oldest. */
struct latency_sample latency_sample_at(const struct latency_series *series, uint32_t i);
/* Forget one series: false if there is none. Forget all: returns how many there were. */
bool latency_reset(struct latency *l, struct bytes event);
int latency_reset_all(struct latency *l);

/* -- histograms -------------------------------------------------------------------------------- */

/* Logarithmic, with 128 sub-buckets an octave: two significant digits, as HdrHistogram at the
 * settings that Redis prints; see histogram.c. Recording costs a few instructions. */
struct histogram *histogram_create(void);
void histogram_destroy(struct histogram *h);
void histogram_record(struct histogram *h, uint64_t ns);
uint64_t histogram_count(const struct histogram *h);
/* Upper bound in ns of the bucket that holds this percentile (0..100). */
uint64_t histogram_percentile(const struct histogram *h, double percentile);
/* How many records are in buckets up to and including the one that holds ns. */
uint64_t histogram_count_to(const struct histogram *h, uint64_t ns);
/* Largest value in the bucket that holds ns. */
uint64_t histogram_bucket_end(uint64_t ns);

#endif
