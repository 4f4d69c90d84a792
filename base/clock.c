/*
 * clock.c - clocks; the tick rate is measured once against the monotonic clock.
 */
#include "base/clock.h"

#include <time.h>

/* ns = ticks * ns_per_tick_q32 >> 32 */
static uint64_t ns_per_tick_q32 = 1ULL << 32;

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

void clock_init(void)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    uint64_t first = clock_ticks();
    int64_t ns;
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
        ns = (now.tv_sec - start.tv_sec) * 1000000000LL + (now.tv_nsec - start.tv_nsec);
    } while (ns < 1000000);
    uint64_t ticks = clock_ticks() - first;
    if (ticks > 0)
        ns_per_tick_q32 = (uint64_t)(((unsigned __int128)ns << 32) / ticks);
}

uint64_t clock_ticks_to_ns(uint64_t ticks)
{
    return (uint64_t)((unsigned __int128)ticks * ns_per_tick_q32 >> 32);
}

uint64_t clock_us_to_ticks(uint64_t us)
{
    return (uint64_t)(((unsigned __int128)us * 1000 << 32) / ns_per_tick_q32);
}
