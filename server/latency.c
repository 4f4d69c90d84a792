/*
 * latency.c - LATENCY's events: for each kind of thing that took too long, its last bad seconds.
 *
 * There are a few kinds (tens at most), each named by a constant, so a list is searched. A ring
 * keeps one sample a second: a burst of slow commands must not push an hour of history out.
 */
#include "server/latency.h"

#include <strings.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/server.h"

struct latency {
    struct latency_series *first; /* owned; in order of first appearance */
};

struct latency *latency_create(void)
{
    return mem_alloc_zeroed(sizeof(struct latency));
}

void latency_destroy(struct latency *l)
{
    if (l == NULL)
        return;
    latency_reset_all(l);
    mem_free(l);
}

/* The series of this event, made if there is none. */
static struct latency_series *series_for(struct latency *l, const char *event)
{
    struct latency_series **at = &l->first;
    while (*at != NULL && strcasecmp((*at)->event, event) != 0)
        at = &(*at)->next;
    if (*at == NULL) {
        *at = mem_alloc_zeroed(sizeof(struct latency_series));
        (*at)->event = event;
    }
    return *at;
}

static void add_sample(struct latency_series *series, struct latency_sample sample)
{
    if (sample.ms > series->worst_ms)
        series->worst_ms = sample.ms;
    if (series->count > 0) {
        uint32_t last = (series->first + series->count - 1) % LATENCY_SAMPLES;
        if (series->samples[last].time_s == sample.time_s) {
            if (sample.ms > series->samples[last].ms)
                series->samples[last].ms = sample.ms;
            return;
        }
    }
    series->samples[(series->first + series->count) % LATENCY_SAMPLES] = sample;
    if (series->count < LATENCY_SAMPLES)
        series->count++;
    else
        series->first = (series->first + 1) % LATENCY_SAMPLES;
}

void latency_event(struct server *s, const char *event, uint64_t duration_us)
{
    uint64_t ms = duration_us / 1000;
    int64_t threshold = s->opt.latency_monitor_threshold;
    if (threshold <= 0 || ms < (uint64_t)threshold)
        return;
    struct latency_sample sample = {clock_wall_ms() / 1000,
                                    ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX};
    add_sample(series_for(s->latency, event), sample);
}

const struct latency_series *latency_first(const struct latency *l)
{
    return l->first;
}

const struct latency_series *latency_find(const struct latency *l, struct bytes event)
{
    const struct latency_series *series = l->first;
    while (series != NULL && !bytes_is_word(event, series->event))
        series = series->next;
    return series;
}

struct latency_sample latency_sample_at(const struct latency_series *series, uint32_t i)
{
    return series->samples[(series->first + i) % LATENCY_SAMPLES];
}

bool latency_reset(struct latency *l, struct bytes event)
{
    for (struct latency_series **at = &l->first; *at != NULL; at = &(*at)->next) {
        if (bytes_is_word(event, (*at)->event)) {
            struct latency_series *gone = *at;
            *at = gone->next;
            mem_free(gone);
            return true;
        }
    }
    return false;
}

int latency_reset_all(struct latency *l)
{
    int count = 0;
    while (l->first != NULL) {
        struct latency_series *gone = l->first;
        l->first = gone->next;
        mem_free(gone);
        count++;
    }
    return count;
}
