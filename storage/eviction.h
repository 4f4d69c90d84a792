/*
 * eviction.h - making room: which key goes when memory is full.
 *
 * Sampled LRU, LFU and TTL with a pool of the best candidates seen so far, as Redis approximates
 * them; the policies' names and numbers are Redis's.
 */
#ifndef REDOUBT_STORAGE_EVICTION_H
#define REDOUBT_STORAGE_EVICTION_H

#include "storage/keyspace.h"

enum eviction_policy {
    EVICT_NONE, /* noeviction */
    EVICT_ALLKEYS_LRU,
    EVICT_ALLKEYS_LFU,
    EVICT_ALLKEYS_RANDOM,
    EVICT_VOLATILE_LRU,
    EVICT_VOLATILE_LFU,
    EVICT_VOLATILE_RANDOM,
    EVICT_VOLATILE_TTL,
};

struct eviction;

struct eviction *eviction_create(void);
void eviction_destroy(struct eviction *ev);
/* Evict one key by the policy (event "evicted", keyspace.evicted counts it). Returns the bytes that
 * it took; 0: there is none to evict. samples is maxmemory-samples. Never evicts while an undo
 * section is open (returns 0). */
size_t eviction_evict_one(struct eviction *ev, struct keyspace *ks, enum eviction_policy policy,
                          int samples);

/* The access clock as OBJECT and INFO show it. */
uint32_t eviction_lru_clock(int64_t now_ms);                                /* 24 bits, seconds */
int64_t eviction_idle_ms(const struct keyspace *ks, const struct entry *e); /* under LRU */
uint8_t eviction_frequency(const struct keyspace *ks,
                           const struct entry *e); /* under LFU, decayed */
/* One access: the new 24-bit clock (logarithmic increment after decay, counter starts at 5). */
uint32_t eviction_lfu_touch(const struct keyspace *ks, uint32_t clock);
/* The clock of a key that was not used for so many seconds (LRU), or so often (LFU). */
uint32_t eviction_clock_of_idle(const struct keyspace *ks, int64_t seconds);
uint32_t eviction_clock_of_frequency(const struct keyspace *ks, uint8_t frequency);
/* Clock of a new key: now, and for LFU the starting counter. */
uint32_t eviction_new_clock(const struct keyspace *ks);

#endif
