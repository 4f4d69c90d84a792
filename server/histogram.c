/*
 * histogram.c - a logarithmic histogram of durations.
 *
 * Each octave of nanoseconds has 128 sub-buckets of equal width, so a bucket is at most 1/128 wider
 * than the values in it. Block 0 holds 0..127 one by one; block b > 0 holds [2^(b+6), 2^(b+7)) in
 * steps of 2^(b-1). A command's durations fall into a handful of octaves, so blocks (1 KB each) are
 * made when first needed. Durations beyond HIGHEST count as HIGHEST, as in Redis.
 */
#include "server/latency.h"

#include "base/memory.h"

enum { SUBS = 128, BLOCKS = 24 };
static const uint64_t HIGHEST = 1000000000;

struct histogram {
    uint64_t count;
    uint64_t *blocks[BLOCKS]; /* owned; NULL: nothing recorded there */
};

struct histogram *histogram_create(void)
{
    return mem_alloc_zeroed(sizeof(struct histogram));
}

void histogram_destroy(struct histogram *h)
{
    if (h == NULL)
        return;
    for (int b = 0; b < BLOCKS; b++)
        mem_free(h->blocks[b]);
    mem_free(h);
}

static int block_of(uint64_t ns)
{
    return ns < SUBS ? 0 : 63 - __builtin_clzll(ns) - 6;
}

/* log2 of the width of a block's buckets. */
static int shift_of(int block)
{
    return block == 0 ? 0 : block - 1;
}

void histogram_record(struct histogram *h, uint64_t ns)
{
    if (ns > HIGHEST)
        ns = HIGHEST;
    int block = block_of(ns);
    if (__builtin_expect(h->blocks[block] == NULL, 0))
        h->blocks[block] = mem_alloc_zeroed(SUBS * sizeof(uint64_t));
    h->blocks[block][(ns >> shift_of(block)) % SUBS]++;
    h->count++;
}

uint64_t histogram_count(const struct histogram *h)
{
    return h->count;
}

uint64_t histogram_bucket_end(uint64_t ns)
{
    int shift = shift_of(block_of(ns));
    return (((ns >> shift) + 1) << shift) - 1;
}

static uint64_t end_of(int block, int sub)
{
    uint64_t first = block == 0 ? (uint64_t)sub : (uint64_t)(SUBS + sub) << shift_of(block);
    return histogram_bucket_end(first);
}

uint64_t histogram_percentile(const struct histogram *h, double percentile)
{
    uint64_t wanted = (uint64_t)(percentile / 100 * (double)h->count + 0.5), seen = 0;
    if (wanted == 0)
        wanted = 1;
    for (int b = 0; b < BLOCKS; b++) {
        for (int sub = 0; h->blocks[b] != NULL && sub < SUBS; sub++) {
            seen += h->blocks[b][sub];
            if (seen >= wanted)
                return end_of(b, sub);
        }
    }
    return 0;
}

uint64_t histogram_count_to(const struct histogram *h, uint64_t ns)
{
    if (ns > HIGHEST)
        return h->count;
    uint64_t seen = 0;
    int last = block_of(ns);
    for (int b = 0; b <= last; b++) {
        int subs = b < last ? SUBS : (int)((ns >> shift_of(b)) % SUBS) + 1;
        for (int sub = 0; h->blocks[b] != NULL && sub < subs; sub++)
            seen += h->blocks[b][sub];
    }
    return seen;
}
