/*
 * eviction.c - candidates, and the clocks they are judged by.
 *
 * LRU and LFU draw a few keys at a time, each key of all databases as likely as any other, and keep
 * the best candidates of all draws in a pool: after a while the pool holds keys that are worse than
 * any single draw would find. A candidate is remembered by its hash alone. When its turn comes it
 * is looked up and judged again: it may have been used, removed or moved to another database
 * meanwhile.
 */
#include "storage/eviction.h"

#include "base/memory.h"
#include "base/random.h"
#include "storage/undo.h"

enum {
    POOL = 16,
    SAMPLES_MAX = 64,
    CLOCK_MASK = 0xffffff,
    CLOCK_SLACK =
        24 * 3600, /* seconds: a clock ahead of now by less was set back, not round once */
    LFU_START = 5,
    LFU_MAX = 255,
};

struct candidate {
    uint64_t hash, score; /* the higher score goes first */
    int db;
};

struct eviction {
    enum eviction_policy policy; /* that the scores in the pool are from */
    int count;
    struct candidate pool[POOL]; /* by score, the best last */
};

struct eviction *eviction_create(void)
{
    return mem_alloc_zeroed(sizeof(struct eviction));
}

void eviction_destroy(struct eviction *ev)
{
    mem_free(ev);
}

/* -- access clocks ----------------------------------------------------------------------------- */

uint32_t eviction_lru_clock(int64_t now_ms)
{
    return (uint32_t)(now_ms / 1000) & CLOCK_MASK;
}

int64_t eviction_idle_ms(const struct keyspace *ks, const struct entry *e)
{
    uint32_t idle = (eviction_lru_clock(ks->now_ms) - entry_clock(e)) & CLOCK_MASK;
    return idle > CLOCK_MASK - CLOCK_SLACK ? 0 : (int64_t)idle * 1000;
}

/* One step down for each period of decay since the last access. */
static uint32_t lfu_decayed(const struct keyspace *ks, uint32_t clock)
{
    uint32_t counter = clock & LFU_MAX;
    if (ks->lfu_decay_minutes <= 0)
        return counter;
    uint32_t minutes = ((ks->access_clock >> 8) - (clock >> 8)) & 0xffff;
    uint32_t steps = minutes / (uint32_t)ks->lfu_decay_minutes;
    return steps < counter ? counter - steps : 0;
}

uint8_t eviction_frequency(const struct keyspace *ks, const struct entry *e)
{
    return (uint8_t)lfu_decayed(ks, entry_clock(e));
}

/* The counter goes up with probability 1 / (what it is beyond its start * lfu-log-factor + 1). */
uint32_t eviction_lfu_touch(const struct keyspace *ks, uint32_t clock)
{
    uint32_t counter = lfu_decayed(ks, clock);
    uint64_t beyond = counter > LFU_START ? counter - LFU_START : 0;
    if (counter < LFU_MAX && random_below(beyond * (uint64_t)ks->lfu_log_factor + 1) == 0)
        counter++;
    return (ks->access_clock & ~(uint32_t)LFU_MAX) | counter;
}

uint32_t eviction_clock_of_idle(const struct keyspace *ks, int64_t seconds)
{
    uint32_t idle = (uint32_t)seconds & CLOCK_MASK;
    if (idle > CLOCK_MASK - CLOCK_SLACK)
        idle = CLOCK_MASK - CLOCK_SLACK;
    return (eviction_lru_clock(ks->now_ms) - idle) & CLOCK_MASK;
}

uint32_t eviction_clock_of_frequency(const struct keyspace *ks, uint8_t frequency)
{
    return (ks->access_clock & ~(uint32_t)LFU_MAX) | frequency;
}

uint32_t eviction_new_clock(const struct keyspace *ks)
{
    return ks->lfu ? (ks->access_clock & ~(uint32_t)LFU_MAX) | LFU_START : ks->access_clock;
}

/* -- drawing keys ------------------------------------------------------------------------------ */

static bool is_volatile_policy(enum eviction_policy policy)
{
    return policy >= EVICT_VOLATILE_LRU;
}

static uint64_t eligible(const struct db *db, enum eviction_policy policy)
{
    return is_volatile_policy(policy) ? db->expiry.keys : db->keys.count;
}

/* A random key that the policy may evict; NULL if there is none. */
static struct entry *draw(struct keyspace *ks, enum eviction_policy policy, uint64_t total, int *id)
{
    uint64_t n = random_below(total);
    *id = 0;
    while (n >= eligible(&ks->dbs[*id], policy))
        n -= eligible(&ks->dbs[(*id)++], policy);
    struct db *db = &ks->dbs[*id];
    if (!is_volatile_policy(policy))
        return dict_random(&db->keys);
    void *found;
    return expiry_sample(&db->expiry, &db->keys, &found, 1) == 1 ? found : NULL;
}

static uint64_t eligible_in_all(const struct keyspace *ks, enum eviction_policy policy)
{
    uint64_t total = 0;
    for (int i = 0; i < ks->db_count; i++)
        total += eligible(&ks->dbs[i], policy);
    return total;
}

/* -- the pool ---------------------------------------------------------------------------------- */

static uint64_t score_of(const struct keyspace *ks, enum eviction_policy policy,
                         const struct entry *e)
{
    if (policy == EVICT_VOLATILE_TTL)
        return (uint64_t)(INT64_MAX - entry_deadline(e));
    if (policy == EVICT_ALLKEYS_LFU || policy == EVICT_VOLATILE_LFU)
        return LFU_MAX - (uint64_t)eviction_frequency(ks, e);
    return (uint64_t)eviction_idle_ms(ks, e);
}

static void pool_offer(struct eviction *ev, struct candidate c)
{
    int at = 0;
    for (int i = 0; i < ev->count; i++) {
        if (ev->pool[i].hash == c.hash && ev->pool[i].db == c.db)
            return;
        at += ev->pool[i].score < c.score;
    }
    if (ev->count < POOL) {
        memmove(&ev->pool[at + 1], &ev->pool[at], (size_t)(ev->count - at) * sizeof c);
        ev->count++;
    } else {
        if (at == 0)
            return; /* no better than the least of them, which goes otherwise */
        at--;
        memmove(&ev->pool[0], &ev->pool[1], (size_t)at * sizeof c);
    }
    ev->pool[at] = c;
}

static void pool_note(struct eviction *ev, const struct keyspace *ks, int db, const struct entry *e)
{
    pool_offer(ev, (struct candidate){.hash = dict_hash(entry_key(e)),
                                      .score = score_of(ks, ev->policy, e),
                                      .db = db});
}

static void pool_fill_nearest(struct eviction *ev, struct keyspace *ks, int samples)
{
    for (int i = 0; i < ks->db_count; i++) {
        void *found[SAMPLES_MAX];
        int n = expiry_nearest(&ks->dbs[i].expiry, &ks->dbs[i].keys, found, samples);
        for (int k = 0; k < n; k++)
            pool_note(ev, ks, i, found[k]);
    }
}

static void pool_fill(struct eviction *ev, struct keyspace *ks, uint64_t total, int samples)
{
    if (ev->policy == EVICT_VOLATILE_TTL) {
        pool_fill_nearest(ev, ks, samples);
        return;
    }
    for (int i = 0; i < samples; i++) {
        int db;
        const struct entry *e = draw(ks, ev->policy, total, &db);
        if (e != NULL)
            pool_note(ev, ks, db, e);
    }
}

struct search {
    uint64_t hash;
    struct entry *found;
};

static void compare(void *entry, void *context)
{
    struct search *s = context;
    if (dict_hash(entry_key(entry)) == s->hash)
        s->found = entry;
}

/* Take the best candidate that is still as good as when it was found; NULL if the pool has none. */
static struct entry *pool_take(struct eviction *ev, struct keyspace *ks, int *db)
{
    while (ev->count > 0) {
        struct candidate c = ev->pool[--ev->count];
        struct search s = {.hash = c.hash};
        if (c.db >= ks->db_count)
            continue;
        dict_visit_hash32(&ks->dbs[c.db].keys, (uint32_t)c.hash, compare, &s);
        if (s.found == NULL || (is_volatile_policy(ev->policy) && !entry_expires(s.found)))
            continue;
        if (score_of(ks, ev->policy, s.found) < c.score)
            continue;
        *db = c.db;
        return s.found;
    }
    return NULL;
}

/* -- choosing ---------------------------------------------------------------------------------- */

static struct entry *choose_sampled(struct eviction *ev, struct keyspace *ks,
                                    enum eviction_policy policy, uint64_t total, int samples,
                                    int *db)
{
    if (ev->policy != policy) {
        ev->policy = policy;
        ev->count = 0;
    }
    pool_fill(ev, ks, total, samples);
    struct entry *e = pool_take(ev, ks, db);
    if (e != NULL)
        return e;
    /* All that was in it is out of date; what is drawn now is not. */
    pool_fill(ev, ks, total, samples);
    return pool_take(ev, ks, db);
}

static struct entry *choose(struct eviction *ev, struct keyspace *ks, enum eviction_policy policy,
                            int samples, int *db)
{
    uint64_t total = eligible_in_all(ks, policy);
    if (total == 0)
        return NULL;
    if (policy == EVICT_ALLKEYS_RANDOM || policy == EVICT_VOLATILE_RANDOM)
        return draw(ks, policy, total, db);
    return choose_sampled(ev, ks, policy, total, samples, db);
}

static void evict(struct keyspace *ks, int db, const struct entry *e)
{
    struct bytes name = entry_key(e); /* ends with the entry, is announced after */
    char small[256], *copy = name.len <= sizeof small ? small : mem_alloc(name.len);
    memcpy(copy, name.ptr, name.len);
    struct key key = key_of(bytes_of(copy, name.len));
    keyspace_remove(ks, db, key, ks->lazy_eviction);
    keyspace_changed(ks, db, key.name, EVENT_EVICTED, "evicted");
    if (copy != small)
        mem_free(copy);
}

size_t eviction_evict_one(struct eviction *ev, struct keyspace *ks, enum eviction_policy policy,
                          int samples)
{
    enum { ELEMENTS = 5 }; /* looked at to know what a value takes */
    if (policy == EVICT_NONE || undo_is_open(ks->undo))
        return 0;
    int db = 0;
    samples = samples < 1 ? 1 : samples > SAMPLES_MAX ? SAMPLES_MAX : samples;
    struct entry *e = choose(ev, ks, policy, samples, &db);
    if (e == NULL)
        return 0;
    size_t bytes = keyspace_entry_memory(e, ELEMENTS);
    evict(ks, db, e);
    return bytes;
}
