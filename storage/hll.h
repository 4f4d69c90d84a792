/*
 * hll.h - HyperLogLogs: how many different elements were seen, from 16384 small counters.
 *
 * A HyperLogLog is a string value of this layout, the same as Redis's byte for byte:
 *
 *     "HYLL" | form: 0 dense, 1 sparse | 3 bytes 0 | count, 8 bytes, lowest first | registers
 *
 * The count is the last estimate; the highest bit of its last byte says that it is out of date.
 * Dense registers have 6 bits each, packed from the lowest bit of the first byte on. The sparse
 * form is a run-length code of the registers in order:
 *
 *     00nnnnnn            n + 1 registers are 0
 *     01nnnnnn nnnnnnnn   n + 1 registers are 0
 *     1vvvvvnn            n + 1 registers are v + 1
 *
 * Since clients may store any bytes, nothing here trusts a value: hll_is_valid() looks at the
 * outside only, and what is wrong inside is found out on the way. A struct hll is a copy that is
 * changed outside of the keyspace.
 */
#ifndef REDOUBT_STORAGE_HLL_H
#define REDOUBT_STORAGE_HLL_H

#include "base/bytes.h"

enum {
    HLL_REGISTERS = 16384,
    HLL_HEADER = 16,
    HLL_DENSE_SIZE = HLL_HEADER + HLL_REGISTERS * 6 / 8,
    /* A sparse one is never longer, if it is sound: two bytes a register. */
    HLL_ROOM = HLL_HEADER + HLL_REGISTERS * 2,
};

/* Where an element counts: a register, and what that has to reach. */
struct hll_place {
    unsigned index, rank;
};
struct hll_place hll_place(struct bytes element);

/* -- values ------------------------------------------------------------------------------------ */

bool hll_is_valid(struct bytes value);
/* All of these take values that are valid. */
bool hll_is_dense(struct bytes value);
/* Is the stored count up to date? */
bool hll_cached(struct bytes value, uint64_t *count);
/* Estimate anew; false: the value is corrupt. */
bool hll_count(struct bytes value, uint64_t *count);
/* Raise registers to those of the value; false: it is corrupt. */
bool hll_merge(struct bytes value, uint8_t registers[HLL_REGISTERS]);
/* The estimate for registers that are in no value. */
uint64_t hll_count_registers(const uint8_t registers[HLL_REGISTERS]);

/* The header's count, for the bytes of a value that can be changed: set it, or put it out of date.
 */
enum { HLL_COUNT_AT = 8, HLL_COUNT_SIZE = 8, HLL_STALE_AT = 15, HLL_STALE = 0x80 };
void hll_set_count(char *value, uint64_t count);

/* A dense value's register, and the first of the (at most two) bytes that hold it. */
unsigned hll_dense_get(const char *value, unsigned index);
void hll_dense_set(char *value, unsigned index, unsigned rank);
static inline size_t hll_dense_at(unsigned index)
{
    return HLL_HEADER + index * 6 / 8;
}

/* A sparse value's run. */
struct hll_run {
    unsigned length, rank; /* rank 0: zeros */
    unsigned size;         /* bytes that it takes: 2 for the long form */
};
/* The run at this offset, which is within the value; the length is not checked. */
static inline struct hll_run hll_run(const unsigned char *at, bool last)
{
    unsigned code = at[0], next = last ? 0 : at[1];
    if (code & 0x80)
        return (struct hll_run){(code & 3) + 1, (code >> 2 & 31) + 1, 1};
    if (code & 0x40)
        return (struct hll_run){((code & 0x3f) << 8 | next) + 1, 0, 2};
    return (struct hll_run){code + 1, 0, 1};
}

/* -- copies ------------------------------------------------------------------------------------ */

struct hll {
    size_t len;
    unsigned char bytes[HLL_ROOM + 8]; /* room to grow by one run, and to read behind the end */
    size_t trail, trail_first; /* hll_set_next(): a run to begin at, and its first register */
};

/* An empty one, sparse. */
void hll_init(struct hll *h);
/* A copy of a valid value; false: it is too long to be sound. */
bool hll_load(struct hll *h, struct bytes value);

enum hll_change {
    HLL_CORRUPT,
    HLL_SAME,
    HLL_CHANGED, /* the count is marked as out of date */
};
/* Raise a register. A sparse one that would get longer than sparse_max becomes dense. */
enum hll_change hll_set(struct hll *h, struct hll_place place, uint64_t sparse_max);
/* The same where places come in ascending order since hll_load() or hll_init(). */
enum hll_change hll_set_next(struct hll *h, struct hll_place place, uint64_t sparse_max);
/* False: it is corrupt. */
bool hll_make_dense(struct hll *h);

/* Does the module keep its promises on this machine? Takes some milliseconds. NULL: yes; else what
 * went wrong. */
const char *hll_self_test(void);

#endif
