/*
 * random.c - xoshiro256** 1.0, from the description at prng.di.unimi.it.
 */
#include "base/random.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/random.h>

static uint64_t state[4];
static bool seeded;

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

void random_seed(uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        state[i] = splitmix(&seed);
    seeded = true;
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t random_u64(void)
{
    if (!seeded) {
        uint64_t seed;
        random_bytes(&seed, sizeof seed);
        random_seed(seed);
    }
    uint64_t result = rotl(state[1] * 5, 7) * 9;
    uint64_t t = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= t;
    state[3] = rotl(state[3], 45);
    return result;
}

uint64_t random_below(uint64_t bound)
{
    unsigned __int128 m = (unsigned __int128)random_u64() * bound;
    uint64_t low = (uint64_t)m;
    if (low < bound) {
        uint64_t threshold = -bound % bound;
        while (low < threshold) {
            m = (unsigned __int128)random_u64() * bound;
            low = (uint64_t)m;
        }
    }
    return (uint64_t)(m >> 64);
}

void random_bytes(void *out, size_t len)
{
    char *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0)
            continue; /* interrupted before the pool was ready */
        at += got;
        len -= (size_t)got;
    }
}

void random_hex(char *out, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    random_bytes(out, len);
    for (size_t i = 0; i < len; i++)
        out[i] = digits[out[i] & 15];
}
