/*
 * random.h - random numbers: a fast generator for sampling, the kernel's for secrets and seeds.
 */
#ifndef REDOUBT_BASE_RANDOM_H
#define REDOUBT_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* xoshiro256** (Blackman, Vigna), seeded from the kernel at the first call. Not for secrets. */
uint64_t random_u64(void);
/* Uniform in [0, bound), bound > 0, without modulo bias (Lemire's method). */
uint64_t random_below(uint64_t bound);
/* Fill from getrandom(2). */
void random_bytes(void *out, size_t len);
/* len lower-case hex digits (run ids, replication ids); no NUL. */
void random_hex(char *out, size_t len);
/* Start the fast generator from a known state, so that a test can repeat itself. */
void random_seed(uint64_t seed);

#endif
