/*
 * wheel.h - a timing wheel of 4-byte records: a bag of numbers for each stretch of time ahead.
 *
 * Ten levels of 64 slots (Varghese, Lauck, 1987). Time runs in ticks of 16 ms; a slot of level n is
 * 64^n ticks long, so that ten levels reach past any int64 of milliseconds and nothing needs a last
 * slot. A record goes to the level of the highest base-64 digit in which its tick differs from the
 * wheel's: the lower digits are decided later, when the slot comes up and its records are filed
 * anew.
 *
 * A slot comes up when the wheel's tick next shows the slot's digit at its level (at once if it
 * does now). This is never later than a record's own tick, even if the wheel's tick was set back or
 * forth meanwhile: then a record may only come up early, and its owner files it again.
 *
 * Small bags are one block; large ones are pages of 128 records, so that no bag is ever moved as a
 * whole.
 */
#ifndef REDOUBT_STORAGE_WHEEL_H
#define REDOUBT_STORAGE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WHEEL_TICK_MS = 16, WHEEL_DIGIT_BITS = 6, WHEEL_SLOTS = 64, WHEEL_LEVELS = 10 };

struct wheel_bag;

struct wheel {
    uint64_t tick;    /* where the wheel stands; its owner moves it, past empty slots only */
    uint64_t records; /* in all slots */
    struct {
        uint64_t occupied; /* bit i: slot i has records */
        uint64_t records;
        struct wheel_bag **slots; /* owned; NULL while the level is empty */
    } levels[WHEEL_LEVELS];
};

struct wheel_slot {
    int level;
    unsigned index;
    uint64_t tick; /* when it comes up */
};

/* All zero but the tick is an empty wheel. */
void wheel_fini(struct wheel *w);
/* File a record under a tick; one that is past counts as the present one. A record that was filed
 * in the same slot just before is not repeated. */
void wheel_file(struct wheel *w, uint32_t record, uint64_t tick);
/* The slot in which wheel_file() would put a record of this tick. */
struct wheel_slot wheel_slot_of(const struct wheel *w, uint64_t tick);
/* The first occupied slot to come up from a tick on (at or after w->tick); false if the wheel is
 * empty. Of slots that come up together the longer one is first. */
bool wheel_next(const struct wheel *w, uint64_t from, struct wheel_slot *slot);
/* Move up to max records of the slot to out; returns how many. */
uint32_t wheel_take(struct wheel *w, struct wheel_slot slot, uint32_t *out, uint32_t max);

/* Looking at records by position: how many a slot has, the one at a position, removing it (the last
 * one takes its place). */
uint32_t wheel_slot_count(const struct wheel *w, struct wheel_slot slot);
uint32_t wheel_peek(const struct wheel *w, struct wheel_slot slot, uint32_t position);
void wheel_remove(struct wheel *w, struct wheel_slot slot, uint32_t position);
/* The slot and position of the n-th of all records, n < w->records. */
uint32_t wheel_locate(const struct wheel *w, uint64_t n, struct wheel_slot *slot);

/* Drop about limit records, whichever; true if none is left. */
bool wheel_trim(struct wheel *w, uint64_t limit);
size_t wheel_memory(const struct wheel *w);
/* Debug: counts and bits agree; aborts if not. */
void wheel_check(const struct wheel *w);

#endif
