/*
 * hll.c - what HyperLogLogs are made of and what they tell.
 *
 * Elements are hashed by MurmurHash64A (Austin Appleby, in the public domain); Redis's seed makes
 * the same element count in the same register there and here. 14 bits of the hash choose a
 * register, which keeps the greatest number of zeros, plus one, that ended the other 50 bits of any
 * element.
 *
 * The estimate is that of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog
 * sketches" (2017), algorithm 6: it needs no table of corrections, and only how many registers have
 * each value.
 */
#include "storage/hll.h"

#include <math.h>

enum { INDEX_BITS = 14, RANK_BITS = 64 - INDEX_BITS, RANKS = 64, DENSE = 0, SPARSE = 1 };

/* -- hashing ----------------------------------------------------------------------------------- */

static uint64_t load_little(const unsigned char *at, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)at[i] << (8 * i);
    return word;
}

static uint64_t load_word(const unsigned char *at)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
#else
    return load_little(at, 8);
#endif
}

static uint64_t murmur64a(struct bytes text, uint64_t seed)
{
    const uint64_t multiplier = 0xc6a4a7935bd1e995;
    enum { SHIFT = 47 };
    const unsigned char *at = (const unsigned char *)text.ptr;
    size_t len = text.len;
    uint64_t hash = seed ^ (len * multiplier);
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t word = load_word(at) * multiplier;
        word ^= word >> SHIFT;
        hash = (hash ^ (word * multiplier)) * multiplier;
    }
    if (len > 0)
        hash = (hash ^ load_little(at, len)) * multiplier;
    hash = (hash ^ (hash >> SHIFT)) * multiplier;
    return hash ^ (hash >> SHIFT);
}

struct hll_place hll_place(struct bytes element)
{
    uint64_t hash = murmur64a(element, 0xadc83b19);
    uint64_t rest = hash >> INDEX_BITS | (uint64_t)1 << RANK_BITS;
    return (struct hll_place){hash & (HLL_REGISTERS - 1), 1 + (unsigned)__builtin_ctzll(rest)};
}

/* -- values ------------------------------------------------------------------------------------ */

bool hll_is_valid(struct bytes value)
{
    if (value.len < HLL_HEADER || memcmp(value.ptr, "HYLL", 4) != 0)
        return false;
    return value.ptr[4] == SPARSE || (value.ptr[4] == DENSE && value.len == HLL_DENSE_SIZE);
}

bool hll_is_dense(struct bytes value)
{
    return value.ptr[4] == DENSE;
}

bool hll_cached(struct bytes value, uint64_t *count)
{
    *count = load_little((const unsigned char *)value.ptr + HLL_COUNT_AT, HLL_COUNT_SIZE);
    return !(value.ptr[HLL_STALE_AT] & HLL_STALE);
}

void hll_set_count(char *value, uint64_t count)
{
    for (int i = 0; i < HLL_COUNT_SIZE; i++)
        value[HLL_COUNT_AT + i] = (char)(count >> (8 * i));
}

unsigned hll_dense_get(const char *value, unsigned index)
{
    const unsigned char *at = (const unsigned char *)value + hll_dense_at(index);
    unsigned shift = index * 6 & 7, word = at[0];
    if (shift > 2)
        word |= (unsigned)at[1] << 8;
    return word >> shift & 63;
}

void hll_dense_set(char *value, unsigned index, unsigned rank)
{
    unsigned char *at = (unsigned char *)value + hll_dense_at(index);
    unsigned shift = index * 6 & 7;
    at[0] = (unsigned char)((at[0] & ~(63u << shift)) | rank << shift);
    if (shift > 2)
        at[1] = (unsigned char)((at[1] & ~(63u >> (8 - shift))) | rank >> (8 - shift));
}

/* Four registers from three bytes. */
static inline uint32_t four_registers(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
}

static void merge_dense(const unsigned char *at, uint8_t registers[HLL_REGISTERS])
{
    for (int i = 0; i < HLL_REGISTERS; i += 4, at += 3) {
        uint32_t four = four_registers(at);
        for (int j = 0; j < 4; j++) {
            uint8_t rank = four >> (6 * j) & 63;
            registers[i + j] = registers[i + j] > rank ? registers[i + j] : rank;
        }
    }
}

static bool merge_sparse(struct bytes value, uint8_t registers[HLL_REGISTERS])
{
    const unsigned char *at = (const unsigned char *)value.ptr;
    unsigned index = 0;
    for (size_t i = HLL_HEADER; i < value.len;) {
        struct hll_run run = hll_run(at + i, i + 1 == value.len);
        if (run.length > HLL_REGISTERS - index)
            return false;
        for (unsigned j = 0; run.rank > 0 && j < run.length; j++)
            if (registers[index + j] < run.rank)
                registers[index + j] = (uint8_t)run.rank;
        index += run.length;
        i += run.size;
    }
    return index == HLL_REGISTERS;
}

bool hll_merge(struct bytes value, uint8_t registers[HLL_REGISTERS])
{
    if (!hll_is_dense(value))
        return merge_sparse(value, registers);
    merge_dense((const unsigned char *)value.ptr + HLL_HEADER, registers);
    return true;
}

/* -- estimating -------------------------------------------------------------------------------- */

/* Ertl's sigma: x + sum of x^(2^k) * 2^(k-1), to the last bit of a double. */
static double sigma(double x)
{
    if (x == 1)
        return INFINITY;
    double y = 1, z = x, before;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (before != z);
    return z;
}

/* Ertl's tau: (1 - x - sum of (1 - x^(2^-k))^2 * 2^-k) / 3. */
static double tau(double x)
{
    if (x == 0 || x == 1)
        return 0;
    double y = 1, z = 1 - x, before;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (before != z);
    return z / 3;
}

/* From how many registers have each rank. */
static uint64_t estimate(const unsigned counts[RANKS])
{
    const double m = HLL_REGISTERS, alpha = 0.721347520444481703680; /* 1 / (2 ln 2) */
    double z = m * tau((m - counts[RANK_BITS + 1]) / m);
    for (int rank = RANK_BITS; rank >= 1; rank--) {
        z += counts[rank];
        z *= 0.5;
    }
    z += m * sigma(counts[0] / m);
    return (uint64_t)llround(alpha * m * m / z);
}

/* Two histograms, since the same rank mostly follows itself, and must not wait for itself. */
static void tally_dense(const unsigned char *at, unsigned counts[RANKS])
{
    unsigned others[RANKS] = {0};
    for (int i = 0; i < HLL_REGISTERS; i += 4, at += 3) {
        uint32_t four = four_registers(at);
        counts[four & 63]++;
        others[four >> 6 & 63]++;
        counts[four >> 12 & 63]++;
        others[four >> 18 & 63]++;
    }
    for (int rank = 0; rank < RANKS; rank++)
        counts[rank] += others[rank];
}

static bool tally_sparse(struct bytes value, unsigned counts[RANKS])
{
    const unsigned char *at = (const unsigned char *)value.ptr;
    unsigned index = 0;
    for (size_t i = HLL_HEADER; i < value.len && index <= HLL_REGISTERS;) {
        struct hll_run run = hll_run(at + i, i + 1 == value.len);
        counts[run.rank] += run.length;
        index += run.length;
        i += run.size;
    }
    return index == HLL_REGISTERS;
}

bool hll_count(struct bytes value, uint64_t *count)
{
    unsigned counts[RANKS] = {0};
    if (hll_is_dense(value))
        tally_dense((const unsigned char *)value.ptr + HLL_HEADER, counts);
    else if (!tally_sparse(value, counts))
        return false;
    *count = estimate(counts);
    return true;
}

uint64_t hll_count_registers(const uint8_t registers[HLL_REGISTERS])
{
    unsigned counts[RANKS] = {0};
    for (int i = 0; i < HLL_REGISTERS; i++)
        counts[registers[i] & 63]++;
    return estimate(counts);
}
