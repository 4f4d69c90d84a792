/*
 * latency_report.c - LATENCY GRAPH and LATENCY DOCTOR as texts.
 *
 * The graph is the one that people know from Redis: four rows, of three steps each (_ o #), scaled
 * from the smallest to the largest sample; ages are written downwards below their columns; 80
 * columns a strip.
 */
#include "server/latency_report.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 4, STEPS = 3, STRIP = 80, LABEL_MAX = 24 };

struct range {
    uint32_t low, high;
};

static struct range range_of(const struct latency_series *series)
{
    struct range r = {UINT32_MAX, 0};
    for (uint32_t i = 0; i < series->count; i++) {
        uint32_t ms = latency_sample_at(series, i).ms;
        if (ms < r.low)
            r.low = ms;
        if (ms > r.high)
            r.high = ms;
    }
    return r;
}

/* Which character a sample has in this row (0 is the lowest). */
static char cell(struct range range, uint32_t ms, int row)
{
    uint64_t span = range.high > range.low ? range.high - range.low : 1;
    int step = (int)((uint64_t)(ms - range.low) * (ROWS * STEPS) / span);
    if (step >= ROWS * STEPS)
        step = ROWS * STEPS - 1;
    if (step / STEPS < row)
        return ' ';
    return step / STEPS > row ? '|' : "_o#"[step % STEPS];
}

static int format_age(char label[LABEL_MAX], int64_t age_s)
{
    static const struct {
        int64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    int u = 0;
    while (u < 3 && age_s < units[u].seconds)
        u++;
    return snprintf(label, LABEL_MAX, "%lld%c", (long long)(age_s / units[u].seconds),
                    units[u].unit);
}

/* The labels of samples [from, to): row i has the i-th character of each. */
static void add_labels(const struct latency_series *series, uint32_t from, uint32_t to,
                       int64_t now_s, struct text *out)
{
    char label[LABEL_MAX];
    bool any = true;
    for (int row = 0; any; row++) {
        char line[STRIP + 1];
        any = false;
        for (uint32_t i = from; i < to; i++) {
            int len = format_age(label, now_s - latency_sample_at(series, i).time_s);
            line[i - from] = row < len ? label[row] : ' ';
            any = any || row < len;
        }
        line[to - from] = '\n';
        if (any)
            text_add(out, bytes_of(line, to - from + 1));
    }
}

static void add_strip(const struct latency_series *series, uint32_t from, uint32_t to,
                      int64_t now_s, struct text *out)
{
    struct range range = range_of(series);
    char line[STRIP + 1];
    /* Row -1 is a line of blanks between the graph and its labels. */
    for (int row = ROWS - 1; row >= -1; row--) {
        for (uint32_t i = from; i < to; i++)
            line[i - from] = row < 0 ? ' ' : cell(range, latency_sample_at(series, i).ms, row);
        line[to - from] = '\n';
        text_add(out, bytes_of(line, to - from + 1));
    }
    add_labels(series, from, to, now_s, out);
}

void latency_graph(const struct latency_series *series, int64_t now_s, struct text *out)
{
    struct range range = range_of(series);
    text_addf(out, "%s - high %u ms, low %u ms (all time high %u ms)\n", series->event, range.high,
              range.low, series->worst_ms);
    for (int i = 0; i < STRIP; i++)
        text_add(out, bytes_of("-", 1));
    for (uint32_t from = 0; from < series->count; from += STRIP) {
        uint32_t to = from + STRIP < series->count ? from + STRIP : series->count;
        text_add(out, bytes_of("\n", 1));
        add_strip(series, from, to, now_s, out);
    }
}

/* -- doctor ------------------------------------------------------------------------------------ */

static const struct {
    const char *event, *advice;
} remedies[] = {
    {"command",
     "SLOWLOG GET shows which commands took long. Look for O(N) commands on large keys, and "
     "for deletions of large values (use UNLINK)."},
    {"fast-command",
     "Commands that should be quick were not: the machine itself is likely short of "
     "processor time, or is swapping."},
    {"expire-cycle",
     "Many keys expire at the same moment. Spread deadlines by a random amount, or set "
     "lazyfree-lazy-expire to yes for large values."},
    {"eviction-cycle", "Making room under maxmemory takes long. Raise maxmemory, or set "
                       "lazyfree-lazy-eviction to yes for large values."},
};

static void add_summary(const struct latency_series *series, int number, struct text *out)
{
    uint64_t sum = 0, deviation = 0;
    assert(series->count > 0); /* a series begins with its first sample */
    for (uint32_t i = 0; i < series->count; i++)
        sum += latency_sample_at(series, i).ms;
    int64_t average = (int64_t)(sum / series->count);
    for (uint32_t i = 0; i < series->count; i++)
        deviation += (uint64_t)llabs((int64_t)latency_sample_at(series, i).ms - average);
    int64_t first = latency_sample_at(series, 0).time_s;
    int64_t last = latency_sample_at(series, series->count - 1).time_s;
    text_addf(out,
              "%d. %s: %u spikes, %lld ms on average (mean deviation %llu ms), one every %.2f "
              "seconds; the worst ever took %u ms.\n",
              number, series->event, series->count, (long long)average,
              (unsigned long long)(deviation / series->count),
              (double)(last - first) / series->count, series->worst_ms);
}

void latency_doctor(const struct latency *l, bool enabled, struct text *out)
{
    if (latency_first(l) == NULL) {
        text_addf(out, "%s\n",
                  enabled ? "No latency spike was seen: nothing took longer than "
                            "latency-monitor-threshold."
                          : "Latency is not being watched. CONFIG SET latency-monitor-threshold "
                            "<milliseconds> begins to keep what takes longer.");
        return;
    }
    text_addf(out, "Latency spikes were seen:\n\n");
    int number = 0;
    for (const struct latency_series *s = latency_first(l); s != NULL; s = s->next)
        add_summary(s, ++number, out);
    bool titled = false;
    for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++) {
        if (latency_find(l, bytes_of_text(remedies[i].event)) == NULL)
            continue;
        if (!titled)
            text_addf(out, "\nWhat to look at:\n\n");
        titled = true;
        text_addf(out, "- %s: %s\n", remedies[i].event, remedies[i].advice);
    }
}
