/*
 * bits.h - strings of bits: counting, finding, combining, and integers of any width inside.
 *
 * Bit 0 is the highest bit of the first byte, as SETBIT numbers them. Nothing here allocates.
 */
#ifndef REDOUBT_BASE_BITS_H
#define REDOUBT_BASE_BITS_H

#include "base/bytes.h"

/* How many bits are set. Runs at the speed of memory: by vectors where the machine has them. */
uint64_t bits_count(struct bytes text);

/* The ways in which bits_count() can go, the fastest last; for tests. */
struct bits_counter {
    const char *name;
    bool (*works_here)(void);
    uint64_t (*count)(const unsigned char *at, size_t len);
};
extern const struct bits_counter bits_counters[];
extern const int bits_counter_total;

/* Where the first bit of this kind is; -1: there is none. */
int64_t bits_find(struct bytes text, bool bit);

static inline bool bits_get(const char *text, uint64_t offset)
{
    return (unsigned char)text[offset >> 3] >> (7 - (offset & 7)) & 1;
}

static inline void bits_put(char *text, uint64_t offset, bool bit)
{
    unsigned mask = 0x80u >> (offset & 7), byte = (unsigned char)text[offset >> 3];
    text[offset >> 3] = (char)(bit ? byte | mask : byte & ~mask);
}

/* An integer of 1 to 64 bits, the highest first, wherever it begins; bits behind the text's end are
 * 0. */
uint64_t bits_get_field(struct bytes text, uint64_t offset, unsigned width);
/* Overwrite one, which lies within the text. */
void bits_put_field(char *text, uint64_t offset, unsigned width, uint64_t value);
/* The bytes that hold it. */
static inline size_t bits_field_bytes(uint64_t offset, unsigned width)
{
    return (size_t)(((offset + width - 1) >> 3) - (offset >> 3)) + 1;
}

enum bits_operation {
    BITS_AND,
    BITS_OR,
    BITS_XOR,
    BITS_NOT,   /* of the only one */
    BITS_DIFF,  /* in the first and in none of the others */
    BITS_DIFF1, /* not in the first but in some other */
    BITS_ANDOR, /* in the first and in some other */
    BITS_ONE,   /* in exactly one */
};
/* Combine count strings, the shorter ones followed by zeros, into len bytes of out: len is the
 * length of the longest, and out is none of them. */
void bits_combine(enum bits_operation operation, const struct bytes *texts, int count,
                  unsigned char *out, size_t len);

#endif
