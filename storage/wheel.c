/*
 * wheel.c - slots, bags and pages of the timing wheel.
 *
 * A bag is never empty: with its last record it goes, with its last bag a level's array of slots
 * goes. So a wheel of few keys takes a few hundred bytes.
 */
#include "storage/wheel.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { PAGE = 128, INLINE_FIRST = 6, INLINE_MAX = 126, PAGES_FIRST = 4, REPEAT_WINDOW = 4 };

/* Behind it: room records, or room pointers to pages of PAGE records, of which those up to count
 * exist. */
struct wheel_bag {
    uint32_t count; /* records */
    uint32_t room : 31;
    uint32_t paged : 1;
};

/* -- bags -------------------------------------------------------------------------------------- */

static inline uint32_t *records_of(const struct wheel_bag *b)
{
    return (uint32_t *)(b + 1);
}

static inline uint32_t **pages_of(const struct wheel_bag *b)
{
    return (uint32_t **)(b + 1);
}

static inline uint32_t *record_at(const struct wheel_bag *b, uint32_t position)
{
    return b->paged ? pages_of(b)[position / PAGE] + position % PAGE : records_of(b) + position;
}

static size_t bag_size(bool paged, uint32_t room)
{
    return sizeof(struct wheel_bag) + room * (paged ? sizeof(uint32_t *) : sizeof(uint32_t));
}

static uint32_t pages_in_use(const struct wheel_bag *b)
{
    return b->paged ? (b->count + PAGE - 1) / PAGE : 0;
}

static void bag_destroy(struct wheel_bag *b)
{
    for (uint32_t i = pages_in_use(b); i-- > 0;)
        mem_free_sized(pages_of(b)[i], PAGE * sizeof(uint32_t));
    mem_free(b);
}

static struct wheel_bag *bag_to_pages(struct wheel_bag *small)
{
    struct wheel_bag *b = mem_alloc(bag_size(true, PAGES_FIRST));
    *b = (struct wheel_bag){.count = small->count, .room = PAGES_FIRST, .paged = 1};
    pages_of(b)[0] = mem_alloc(PAGE * sizeof(uint32_t));
    memcpy(pages_of(b)[0], records_of(small), small->count * sizeof(uint32_t));
    mem_free(small);
    return b;
}

/* Blocks of 32, 64, 96, 128, 192, 256, 384 and 512 bytes: a quarter of slack at most, from 14
 * records on. */
static uint32_t next_room(uint32_t room)
{
    static const uint8_t rooms[] = {INLINE_FIRST, 14, 22, 30, 46, 62, 94, INLINE_MAX};
    int i = 0;
    while (rooms[i] <= room)
        i++;
    return rooms[i];
}

/* The bag is full: one record more shall fit. Returns where the bag is now. */
static struct wheel_bag *bag_grow(struct wheel_bag *b)
{
    if (!b->paged) {
        if (b->room == INLINE_MAX)
            return bag_to_pages(b);
        uint32_t room = next_room(b->room);
        b = mem_resize(b, bag_size(false, room));
        b->room = room;
        return b;
    }
    uint32_t page = b->count / PAGE;
    if (page == b->room) {
        uint32_t room = b->room + b->room / 2;
        b = mem_resize(b, bag_size(true, room));
        b->room = room;
    }
    pages_of(b)[page] = mem_alloc(PAGE * sizeof(uint32_t));
    return b;
}

static inline bool bag_is_full(const struct wheel_bag *b)
{
    return b->paged ? b->count % PAGE == 0 : b->count == b->room;
}

/* A lock that is set and deleted over and over again files the same record each time. */
static inline bool bag_ends_with(const struct wheel_bag *b, uint32_t record)
{
    uint32_t last = (b->count - 1) % PAGE;
    uint32_t window = last + 1 < REPEAT_WINDOW ? last + 1 : REPEAT_WINDOW;
    const uint32_t *end = record_at(b, b->count - 1);
    for (uint32_t i = 0; i < window; i++)
        if (end[-(ptrdiff_t)i] == record)
            return true;
    return false;
}

/* -- slots ------------------------------------------------------------------------------------- */

static inline unsigned digit(uint64_t tick, int level)
{
    return tick >> (WHEEL_DIGIT_BITS * level) & (WHEEL_SLOTS - 1);
}

static inline struct wheel_bag *bag_of(const struct wheel *w, struct wheel_slot slot)
{
    return w->levels[slot.level].slots[slot.index];
}

static void slot_open(struct wheel *w, struct wheel_slot slot)
{
    if (w->levels[slot.level].slots == NULL)
        w->levels[slot.level].slots = mem_alloc(WHEEL_SLOTS * sizeof(struct wheel_bag *));
    struct wheel_bag *b = mem_alloc(bag_size(false, INLINE_FIRST));
    *b = (struct wheel_bag){.room = INLINE_FIRST};
    w->levels[slot.level].slots[slot.index] = b;
    w->levels[slot.level].occupied |= UINT64_C(1) << slot.index;
}

static void slot_close(struct wheel *w, struct wheel_slot slot)
{
    bag_destroy(bag_of(w, slot));
    w->levels[slot.level].occupied &= ~(UINT64_C(1) << slot.index);
    if (w->levels[slot.level].occupied == 0) {
        mem_free_sized(w->levels[slot.level].slots, WHEEL_SLOTS * sizeof(struct wheel_bag *));
        w->levels[slot.level].slots = NULL;
    }
}

/* The last n records of the slot are gone. */
static void slot_shorten(struct wheel *w, struct wheel_slot slot, uint32_t n)
{
    struct wheel_bag *b = bag_of(w, slot);
    uint32_t pages = pages_in_use(b);
    w->records -= n;
    w->levels[slot.level].records -= n;
    b->count -= n;
    for (uint32_t kept = pages_in_use(b); pages > kept;)
        mem_free_sized(pages_of(b)[--pages], PAGE * sizeof(uint32_t));
    if (b->count == 0)
        slot_close(w, slot);
}

static bool is_occupied(const struct wheel *w, struct wheel_slot slot)
{
    return w->levels[slot.level].occupied >> slot.index & 1;
}

/* When the slot comes up, seen from a tick. */
static uint64_t slot_tick(uint64_t from, int level, unsigned distance)
{
    int shift = WHEEL_DIGIT_BITS * level;
    return distance == 0 ? from : ((from >> shift) + distance) << shift;
}

/* -- interface --------------------------------------------------------------------------------- */

void wheel_fini(struct wheel *w)
{
    while (!wheel_trim(w, UINT64_MAX))
        ;
}

struct wheel_slot wheel_slot_of(const struct wheel *w, uint64_t tick)
{
    if (tick <= w->tick)
        return (struct wheel_slot){0, digit(w->tick, 0), w->tick};
    int level = (63 - __builtin_clzll(w->tick ^ tick)) / WHEEL_DIGIT_BITS;
    int shift = WHEEL_DIGIT_BITS * level;
    return (struct wheel_slot){level, digit(tick, level), tick >> shift << shift};
}

void wheel_file(struct wheel *w, uint32_t record, uint64_t tick)
{
    struct wheel_slot slot = wheel_slot_of(w, tick);
    if (!is_occupied(w, slot))
        slot_open(w, slot);
    else if (bag_ends_with(bag_of(w, slot), record))
        return;
    struct wheel_bag *b = bag_of(w, slot);
    if (bag_is_full(b))
        b = w->levels[slot.level].slots[slot.index] = bag_grow(b);
    *record_at(b, b->count++) = record;
    w->levels[slot.level].records++;
    w->records++;
}

bool wheel_next(const struct wheel *w, uint64_t from, struct wheel_slot *slot)
{
    *slot = (struct wheel_slot){.tick = UINT64_MAX};
    for (int level = WHEEL_LEVELS - 1; level >= 0; level--) {
        uint64_t occupied = w->levels[level].occupied;
        if (occupied == 0)
            continue;
        unsigned now = digit(from, level);
        uint64_t turned = occupied >> now | occupied << (-now & (WHEEL_SLOTS - 1));
        unsigned distance = (unsigned)__builtin_ctzll(turned);
        uint64_t tick = slot_tick(from, level, distance);
        if (tick < slot->tick)
            *slot = (struct wheel_slot){level, (now + distance) % WHEEL_SLOTS, tick};
    }
    return slot->tick != UINT64_MAX;
}

uint32_t wheel_take(struct wheel *w, struct wheel_slot slot, uint32_t *out, uint32_t max)
{
    struct wheel_bag *b = bag_of(w, slot);
    uint32_t n = b->count < max ? b->count : max;
    for (uint32_t i = 0; i < n; i++)
        out[i] = *record_at(b, b->count - 1 - i);
    if (n > 0)
        slot_shorten(w, slot, n);
    return n;
}

uint32_t wheel_slot_count(const struct wheel *w, struct wheel_slot slot)
{
    return is_occupied(w, slot) ? bag_of(w, slot)->count : 0;
}

uint32_t wheel_peek(const struct wheel *w, struct wheel_slot slot, uint32_t position)
{
    return *record_at(bag_of(w, slot), position);
}

void wheel_remove(struct wheel *w, struct wheel_slot slot, uint32_t position)
{
    struct wheel_bag *b = bag_of(w, slot);
    *record_at(b, position) = *record_at(b, b->count - 1);
    slot_shorten(w, slot, 1);
}

uint32_t wheel_locate(const struct wheel *w, uint64_t n, struct wheel_slot *slot)
{
    int level = 0;
    while (n >= w->levels[level].records)
        n -= w->levels[level++].records;
    uint64_t left = w->levels[level].occupied;
    for (;; left &= left - 1) {
        *slot = (struct wheel_slot){.level = level, .index = (unsigned)__builtin_ctzll(left)};
        uint32_t count = bag_of(w, *slot)->count;
        if (n < count)
            return (uint32_t)n;
        n -= count;
    }
}

bool wheel_trim(struct wheel *w, uint64_t limit)
{
    for (int level = 0; level < WHEEL_LEVELS; level++)
        while (w->levels[level].occupied != 0) {
            if (limit == 0)
                return false;
            unsigned index = (unsigned)__builtin_ctzll(w->levels[level].occupied);
            struct wheel_slot slot = {.level = level, .index = index};
            uint32_t count = bag_of(w, slot)->count;
            uint32_t n = count < limit ? count : (uint32_t)limit;
            slot_shorten(w, slot, n);
            limit -= n;
        }
    return true;
}

static size_t bag_memory(const struct wheel_bag *b)
{
    return mem_usable(bag_size(b->paged, b->room)) + pages_in_use(b) * PAGE * sizeof(uint32_t);
}

size_t wheel_memory(const struct wheel *w)
{
    size_t total = 0;
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t left = w->levels[level].occupied;
        if (left != 0)
            total += WHEEL_SLOTS * sizeof(struct wheel_bag *);
        for (; left != 0; left &= left - 1)
            total += bag_memory(w->levels[level].slots[__builtin_ctzll(left)]);
    }
    return total;
}

static void check(bool truth)
{
    if (!truth)
        abort();
}

void wheel_check(const struct wheel *w)
{
    uint64_t all = 0;
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t sum = 0, left = w->levels[level].occupied;
        check((left != 0) == (w->levels[level].slots != NULL));
        for (; left != 0; left &= left - 1) {
            const struct wheel_bag *b = w->levels[level].slots[__builtin_ctzll(left)];
            check(b->count > 0);
            check(b->paged ? pages_in_use(b) <= b->room : b->count <= b->room);
            sum += b->count;
        }
        check(sum == w->levels[level].records);
        all += sum;
    }
    check(all == w->records);
}
