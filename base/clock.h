/*
 * clock.h - the three clocks of the server.
 *
 * Wall time (deadlines of keys, TIME), monotonic time (intervals of the loop), and ticks: the
 * processor's counter, the only clock cheap enough to read once for every command.
 */
#ifndef REDOUBT_BASE_CLOCK_H
#define REDOUBT_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_us(void);
int64_t clock_wall_ms(void);
int64_t clock_mono_us(void);

/* Learn how long a tick is (takes about a millisecond). Call once before clock_ticks_to_ns(). */
void clock_init(void);
uint64_t clock_ticks_to_ns(uint64_t ticks);
uint64_t clock_us_to_ticks(uint64_t us);

static inline uint64_t clock_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return (uint64_t)clock_mono_us();
#endif
}

#endif
