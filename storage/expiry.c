/*
 * expiry.c - the index of deadlines: what is filed, what is looked up, and how stale records go.
 *
 * A record is the low half of a key's hash, and stands for every key with that half. What must
 * hold: each key with a deadline has a record in a slot that comes up no later than the deadline's
 * tick. Therefore
 *   - a new or nearer deadline files a record; a later one needs none;
 *   - a record that comes up is looked up: keys that are due are reported, the others are filed
 * again where they belong, so that a look-up never loses the last record of a key;
 *   - a record too many costs a look-up and nothing else. Clearing deadlines, removing keys, moving
 * deadlines to and fro and rollbacks all leave some.
 *
 * Stale records come up in time, or earlier when compaction runs: once there are more of them than
 * half of the table's keys, a new wheel takes the place of the old one, and a scan of the table
 * files each key anew. What is added meanwhile goes to the new wheel, what comes up in the old one
 * is still looked up; the scan visits every key that was there all the time, so at its end the new
 * wheel has them all and the old one is dropped. No key carries a mark of it, nothing depends on
 * what happened to a key in between.
 */
#include "storage/expiry.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "storage/entry.h"
#include "storage/wheel.h"

enum {
    BATCH = 32,          /* records looked up together, so that their cache misses overlap */
    STALE_SPARE = 1024,  /* stale records that are no reason to compact */
    SCANS_PER_FILED = 4, /* keys scanned for each record filed during a compaction */
    TRIM_AS_SCAN = 64,   /* dropping so many records takes as long as looking at one key */
};

struct expiry_wheel {
    struct wheel now;
    struct wheel *old; /* owned; NULL unless compacting */
    uint64_t cursor;   /* of the scan */
    bool scanned;      /* old is of no use any more */
    bool swept;     /* the wheel's tick is a time that was told, not the guess of wheel_start() */
    uint64_t filed; /* records since the last step of a compaction */
};

void expiry_init(struct expiry *x)
{
    expiry_init_of(x, entry_deadline);
}

void expiry_init_of(struct expiry *x, int64_t (*deadline)(const struct entry *e))
{
    *x = (struct expiry){.deadline = deadline};
}

static void old_destroy(struct expiry_wheel *w)
{
    if (w->old == NULL)
        return;
    wheel_fini(w->old);
    mem_free(w->old);
    w->old = NULL;
}

void expiry_fini(struct expiry *x)
{
    if (x->wheel != NULL) {
        old_destroy(x->wheel);
        wheel_fini(&x->wheel->now);
        mem_free(x->wheel);
    }
    expiry_init_of(x, x->deadline);
}

/* -- filing ------------------------------------------------------------------------------------ */

static inline uint64_t tick_of(int64_t ms)
{
    return ms > 0 ? (uint64_t)ms / WHEEL_TICK_MS : 0;
}

/* Start at the wall's present, which spares the first keys a look-up. If that proves wrong (a clock
 * that runs behind, tests), the wheel goes back to zero, from where it is slower and as right. */
static void wheel_start(struct expiry *x, uint64_t first)
{
    uint64_t present = tick_of(clock_wall_ms());
    x->wheel = mem_alloc_zeroed(sizeof *x->wheel);
    x->wheel->now.tick = first >= present ? present : 0;
}

static inline void file(struct expiry *x, uint64_t hash, uint64_t tick)
{
    if (__builtin_expect(x->wheel == NULL, 0))
        wheel_start(x, tick);
    x->wheel->filed++;
    if (__builtin_expect(!x->wheel->swept, 0) && tick < x->wheel->now.tick)
        x->wheel->now.tick = 0;
    wheel_file(&x->wheel->now, (uint32_t)hash, tick);
}

void expiry_add(struct expiry *x, uint64_t hash, int64_t deadline_ms)
{
    x->keys++;
    x->deadline_sum += deadline_ms;
    file(x, hash, tick_of(deadline_ms));
}

void expiry_drop(struct expiry *x, int64_t deadline_ms)
{
    x->keys--;
    x->deadline_sum -= deadline_ms;
}

void expiry_change(struct expiry *x, uint64_t hash, int64_t old_ms, int64_t new_ms)
{
    if (old_ms == new_ms)
        return;
    if (old_ms == DEADLINE_NONE) {
        expiry_add(x, hash, new_ms);
    } else if (new_ms == DEADLINE_NONE) {
        expiry_drop(x, old_ms);
    } else {
        x->deadline_sum += (__int128)new_ms - old_ms;
        if (tick_of(new_ms) < tick_of(old_ms))
            file(x, hash, tick_of(new_ms));
    }
}

/* -- sweeping ---------------------------------------------------------------------------------- */

/* Due keys are reported after the look-up, which holds the table: a removal may shrink it only
 * then. */
struct sweep {
    struct expiry *x;
    struct dict *keys;
    int64_t now_ms;
    dict_visit *visit;
    void *context;
    struct entry *due[4]; /* of one record; more are found by looking again */
    int due_count;
    bool again;
};

static void sort_out(void *entry, void *context)
{
    struct sweep *s = context;
    int64_t deadline = s->x->deadline(entry);
    if (deadline == DEADLINE_NONE)
        return;
    if (deadline >= s->now_ms)
        file(s->x, dict_hash(entry_key(entry)), tick_of(deadline));
    else if (s->due_count < (int)(sizeof s->due / sizeof *s->due))
        s->due[s->due_count++] = entry;
    else
        s->again = true;
}

static void look_up(struct sweep *s, uint32_t record)
{
    uint64_t before;
    do {
        before = s->x->keys;
        s->due_count = 0;
        s->again = false;
        dict_visit_hash32(s->keys, record, sort_out, s);
        for (int i = 0; i < s->due_count; i++)
            s->visit(s->due[i], s->context);
    } while (s->again && s->x->keys < before);
}

/* Bring a wheel up to the present; false if the limit came first. */
static bool advance(struct sweep *s, struct wheel *w, uint32_t *limit)
{
    uint64_t now = tick_of(s->now_ms);
    uint32_t batch[BATCH];
    struct wheel_slot slot;
    if (w->tick > now)
        w->tick = now; /* the clock was set back: what was filed as past comes up within 64 ticks */
    while (wheel_next(w, w->tick, &slot)) {
        /* A slot of one tick is due as a whole when the tick is over, a longer one is split when it
         * begins. */
        if (slot.level == 0 ? slot.tick >= now : slot.tick > now)
            break;
        w->tick = slot.tick;
        uint32_t n = wheel_take(w, slot, batch, *limit < BATCH ? *limit : BATCH);
        if (n == 0)
            return false;
        *limit -= n;
        for (uint32_t i = 0; i < n; i++)
            dict_prefetch_bucket(s->keys, batch[i]);
        for (uint32_t i = 0; i < n; i++)
            dict_prefetch_entry(s->keys, batch[i]);
        for (uint32_t i = 0; i < n; i++)
            look_up(s, batch[i]);
    }
    w->tick = now;
    return true;
}

/* The old wheel as long as it may know keys that the new one does not. */
static struct wheel *old_in_use(const struct expiry *x)
{
    return x->wheel->scanned ? NULL : x->wheel->old;
}

bool expiry_sweep(struct expiry *x, struct dict *keys, int64_t now_ms, uint32_t limit,
                  dict_visit *visit, void *context)
{
    if (x->keys == 0)
        return false;
    struct sweep s = {.x = x, .keys = keys, .now_ms = now_ms, .visit = visit, .context = context};
    struct wheel *old = old_in_use(x);
    x->wheel->swept = true;
    if (old != NULL && !advance(&s, old, &limit))
        return true;
    return !advance(&s, &x->wheel->now, &limit);
}

/* -- compaction -------------------------------------------------------------------------------- */

static bool is_stale(const struct expiry *x, const struct dict *keys)
{
    return x->wheel->now.records > x->keys + keys->count / 2 + STALE_SPARE;
}

static void compaction_start(struct expiry_wheel *w)
{
    w->old = mem_alloc(sizeof *w->old);
    *w->old = w->now;
    w->now = (struct wheel){.tick = w->old->tick};
    w->cursor = w->filed = 0;
    w->scanned = false;
}

/* Entries of some buckets, prefetched and then filed. */
struct gathering {
    struct expiry *x;
    struct entry *entries[2 * BATCH];
    uint32_t count, seen;
};

static void refile(struct gathering *g)
{
    for (uint32_t i = 0; i < g->count; i++) {
        const struct entry *e = g->entries[i];
        int64_t deadline = g->x->deadline(e);
        if (deadline != DEADLINE_NONE)
            wheel_file(&g->x->wheel->now, (uint32_t)dict_hash(entry_key(e)), tick_of(deadline));
    }
    g->count = 0;
}

static void gather(void *entry, void *context)
{
    struct gathering *g = context;
    if (g->count == 2 * BATCH)
        refile(g);
    __builtin_prefetch(entry);
    g->entries[g->count++] = entry;
    g->seen++;
}

static void scan_step(struct expiry *x, struct dict *keys, uint64_t limit)
{
    struct gathering g = {.x = x};
    struct expiry_wheel *w = x->wheel;
    uint64_t looked = 0;
    do {
        g.seen = 1; /* an empty bucket is work, too */
        w->cursor = dict_scan(keys, w->cursor, gather, &g);
        looked += g.seen;
        if (g.count >= BATCH)
            refile(&g);
    } while (w->cursor != 0 && looked < limit);
    refile(&g);
    w->scanned = w->cursor == 0;
}

/* No key has a deadline: all records are stale. */
static void trim_all(struct expiry *x, uint64_t limit)
{
    struct expiry_wheel *w = x->wheel;
    if (w->old != NULL && wheel_trim(w->old, limit))
        old_destroy(w);
    if (wheel_trim(&w->now, limit) && w->old == NULL)
        expiry_fini(x);
}

void expiry_compact_step(struct expiry *x, struct dict *keys, uint32_t limit)
{
    struct expiry_wheel *w = x->wheel;
    if (w == NULL)
        return;
    if (x->keys > 0 && w->old == NULL) {
        if (!is_stale(x, keys))
            return;
        compaction_start(w);
    }
    /* At the pace of what is filed meanwhile, or that would outgrow what is dropped. */
    uint64_t owed = w->filed * SCANS_PER_FILED, work = owed > limit ? owed : limit;
    w->filed = 0;
    if (x->keys == 0)
        trim_all(x, work * TRIM_AS_SCAN);
    else if (!w->scanned)
        scan_step(x, keys, work);
    else if (wheel_trim(w->old, work * TRIM_AS_SCAN))
        old_destroy(w);
}

/* -- sampling ---------------------------------------------------------------------------------- */

/* The keys behind a record. */
struct finding {
    const struct expiry *x;
    struct entry *entry; /* the last one with a deadline, or NULL */
};

static void find_expiring(void *entry, void *context)
{
    struct finding *f = context;
    if (f->x->deadline(entry) != DEADLINE_NONE)
        f->entry = entry;
}

static struct entry *find(const struct expiry *x, struct dict *keys, uint32_t record)
{
    struct finding f = {x, NULL};
    dict_visit_hash32(keys, record, find_expiring, &f);
    return f.entry;
}

/* Stale records that are met are removed, so that looking on and on comes to an end. */
int expiry_sample(struct expiry *x, struct dict *keys, void **out, int count)
{
    int found = 0;
    if (x->keys == 0)
        return 0;
    struct wheel *now = &x->wheel->now, *old = old_in_use(x);
    for (int tries = 0; found < count && (found == 0 || tries < 4 * count); tries++) {
        uint64_t total = now->records + (old != NULL ? old->records : 0);
        uint64_t n = random_below(total);
        struct wheel *w = n < now->records ? now : old;
        struct wheel_slot slot;
        uint32_t position = wheel_locate(w, w == now ? n : n - now->records, &slot);
        struct entry *e = find(x, keys, wheel_peek(w, slot, position));
        if (e != NULL)
            out[found++] = e;
        else
            wheel_remove(w, slot, position);
    }
    return found;
}

/* Does the slot come up before the one where a key with this deadline belongs? */
static bool is_early(const struct wheel *w, struct wheel_slot slot, int64_t deadline)
{
    struct wheel_slot right = wheel_slot_of(w, tick_of(deadline));
    return slot.tick < right.tick && (slot.level != right.level || slot.index != right.index);
}

/* Look at records all over one slot; returns how many were added to out. */
static int nearest_in_slot(struct expiry *x, struct dict *keys, struct wheel *w,
                           struct wheel_slot slot, void **out, int count)
{
    enum { LOOKS_A_KEY = 8 };
    uint32_t n = wheel_slot_count(w, slot), stride = n / (uint32_t)count + 1;
    uint32_t at = (uint32_t)random_below(n), looks = LOOKS_A_KEY * (uint32_t)count;
    int found = 0;
    while (n > 0 && found < count && looks-- > 0) {
        uint32_t record = wheel_peek(w, slot, at %= n);
        struct entry *e = find(x, keys, record);
        if (e != NULL && !is_early(w, slot, x->deadline(e))) {
            out[found++] = e;
            at += stride;
            continue;
        }
        if (e != NULL)
            wheel_file(&x->wheel->now, record, tick_of(x->deadline(e)));
        wheel_remove(w, slot, at);
        n--;
    }
    return found;
}

static int nearest_in_wheel(struct expiry *x, struct dict *keys, struct wheel *w, void **out,
                            int count)
{
    struct wheel_slot slot;
    uint64_t from = w->tick;
    int found = 0, slots = 0;
    for (int level = 0; level < WHEEL_LEVELS; level++)
        slots += __builtin_popcountll(w->levels[level].occupied);
    /* From the end of one slot to the next, once around at most. */
    for (; found < count && slots > 0 && wheel_next(w, from, &slot); slots--) {
        found += nearest_in_slot(x, keys, w, slot, out + found, count - found);
        int shift = WHEEL_DIGIT_BITS * slot.level;
        from = ((slot.tick >> shift) + 1) << shift;
    }
    return found;
}

int expiry_nearest(struct expiry *x, struct dict *keys, void **out, int count)
{
    if (x->keys == 0 || count <= 0)
        return 0;
    struct wheel *old = old_in_use(x);
    int found = 0;
    if (old != NULL) /* both may have the nearest: half from each */
        found = nearest_in_wheel(x, keys, old, out, (count + 1) / 2);
    if (found < count)
        found += nearest_in_wheel(x, keys, &x->wheel->now, out + found, count - found);
    return found > 0 ? found : expiry_sample(x, keys, out, count);
}

/* -- figures and checks ------------------------------------------------------------------------ */

int64_t expiry_next(const struct expiry *x)
{
    if (x->keys == 0)
        return DEADLINE_NONE;
    const struct wheel *old = old_in_use(x);
    struct wheel_slot slot;
    uint64_t tick = UINT64_MAX;
    if (wheel_next(&x->wheel->now, x->wheel->now.tick, &slot))
        tick = slot.tick;
    if (old != NULL && wheel_next(old, old->tick, &slot) && slot.tick < tick)
        tick = slot.tick;
    return tick > INT64_MAX / WHEEL_TICK_MS ? INT64_MAX : (int64_t)tick * WHEEL_TICK_MS;
}

int64_t expiry_average_ttl(const struct expiry *x, int64_t now_ms)
{
    if (x->keys == 0)
        return 0;
    __int128 left = x->deadline_sum / (__int128)x->keys - now_ms;
    return left > 0 ? (int64_t)left : 0;
}

size_t expiry_memory(const struct expiry *x)
{
    if (x->wheel == NULL)
        return 0;
    size_t total = mem_usable(sizeof *x->wheel) + wheel_memory(&x->wheel->now);
    if (x->wheel->old != NULL)
        total += sizeof *x->wheel->old + wheel_memory(x->wheel->old);
    return total;
}

struct filed {
    uint64_t tick; /* when it comes up */
    uint32_t record;
};

static int filed_order(const void *a, const void *b)
{
    const struct filed *x = a, *y = b;
    if (x->record != y->record)
        return x->record < y->record ? -1 : 1;
    return (x->tick > y->tick) - (x->tick < y->tick);
}

static size_t list_records(const struct wheel *w, struct filed *out)
{
    size_t n = 0;
    for (uint64_t i = 0; i < w->records; i++) {
        struct wheel_slot slot;
        uint32_t position = wheel_locate(w, i, &slot);
        int shift = WHEEL_DIGIT_BITS * slot.level;
        uint64_t turns = (slot.index - (w->tick >> shift)) % WHEEL_SLOTS;
        uint64_t tick = turns == 0 ? w->tick : ((w->tick >> shift) + turns) << shift;
        out[n++] = (struct filed){tick, wheel_peek(w, slot, position)};
    }
    return n;
}

/* The key's record in time: a record that was filed late in a tick now past may be a turn behind.
 */
static bool is_filed(const struct filed *list, size_t n, const struct entry *e, uint64_t tick,
                     uint64_t now)
{
    uint32_t record = (uint32_t)dict_hash(entry_key(e));
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (list[middle].record < record)
            low = middle + 1;
        else
            high = middle;
    }
    uint64_t latest = tick > now + WHEEL_SLOTS ? tick : now + WHEEL_SLOTS;
    return low < n && list[low].record == record && list[low].tick <= latest;
}

void expiry_check(const struct expiry *x, const struct dict *keys)
{
    struct filed *list = NULL;
    size_t n = 0;
    uint64_t count = 0, now = 0;
    __int128 sum = 0;
    if (x->wheel != NULL) {
        const struct wheel *old = old_in_use(x);
        wheel_check(&x->wheel->now);
        list = mem_alloc((x->wheel->now.records + (old ? old->records : 0) + 1) * sizeof *list);
        n = list_records(&x->wheel->now, list);
        n += old != NULL ? list_records(old, list + n) : 0;
        qsort(list, n, sizeof *list, filed_order);
        now = x->wheel->now.tick;
    }
    struct dict_iter it;
    dict_iter_begin(&it, (struct dict *)keys); /* holds the table, changes nothing */
    for (struct entry *e; (e = dict_iter_next(&it)) != NULL;) {
        int64_t deadline = x->deadline(e);
        if (deadline == DEADLINE_NONE)
            continue;
        count++;
        sum += deadline;
        if (!is_filed(list, n, e, tick_of(deadline), now))
            abort();
    }
    dict_iter_end(&it);
    mem_free(list);
    if (count != x->keys || sum != x->deadline_sum)
        abort();
}
