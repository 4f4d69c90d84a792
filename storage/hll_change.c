/*
 * hll_change.c - raising registers of a copy: in the dense form, and in the sparse form, where a
 * register that changes splits the run it is in.
 *
 * Which runs a sparse HyperLogLog consists of after a change is visible to clients, who may compare
 * it with one that Redis made. So the rules are Redis's: the run is split in up to three; then,
 * from the run in front of it, five steps join neighbours of equal rank as far as one run can hold
 * both.
 */
#include <math.h>
#include <stdlib.h>

#include "storage/hll.h"

enum { DENSE = 0, SPARSE = 1, RANK_MAX = 32, VALUE_RUN_MAX = 4, ZERO_RUN_MAX = 64, JOIN_STEPS = 5 };

/* -- copies ------------------------------------------------------------------------------------ */

static void forget_trail(struct hll *h)
{
    h->trail = HLL_HEADER;
    h->trail_first = 0;
}

void hll_init(struct hll *h)
{
    static const unsigned char empty[] = {'H', 'Y', 'L', 'L', SPARSE, 0, 0, 0,    0,
                                          0,   0,   0,   0,   0,      0, 0, 0x7f, 0xff};
    memcpy(h->bytes, empty, sizeof empty);
    h->len = sizeof empty;
    forget_trail(h);
}

bool hll_load(struct hll *h, struct bytes value)
{
    if (value.len > HLL_ROOM)
        return false;
    memcpy(h->bytes, value.ptr, value.len);
    h->len = value.len;
    forget_trail(h);
    return true;
}

static struct bytes view(const struct hll *h)
{
    return bytes_of(h->bytes, h->len);
}

static enum hll_change changed(struct hll *h)
{
    h->bytes[HLL_STALE_AT] |= HLL_STALE;
    return HLL_CHANGED;
}

bool hll_make_dense(struct hll *h)
{
    uint8_t registers[HLL_REGISTERS] = {0};
    if (hll_is_dense(view(h)))
        return true;
    if (!hll_merge(view(h), registers))
        return false;
    h->bytes[4] = DENSE;
    h->len = HLL_DENSE_SIZE;
    memset(h->bytes + HLL_HEADER, 0, HLL_DENSE_SIZE - HLL_HEADER);
    for (unsigned i = 0; i < HLL_REGISTERS; i++)
        if (registers[i] > 0)
            hll_dense_set((char *)h->bytes, i, registers[i]);
    return true;
}

static enum hll_change set_dense(struct hll *h, struct hll_place place)
{
    if (hll_dense_get((char *)h->bytes, place.index) >= place.rank)
        return HLL_SAME;
    hll_dense_set((char *)h->bytes, place.index, place.rank);
    return changed(h);
}

static enum hll_change set_as_dense(struct hll *h, struct hll_place place)
{
    return hll_make_dense(h) ? set_dense(h, place) : HLL_CORRUPT;
}

/* -- the sparse form --------------------------------------------------------------------------- */

/* Where a register is. */
struct spot {
    size_t at, before; /* its run, and the run in front of that: the same one if there is none */
    unsigned first;    /* register of the run */
    struct hll_run run;
};

/* The walk begins at the trail: a run that no change since has touched, since joining begins behind
 * it. Where that might not hold for the next walk, it is told to begin at the front.
 *
 * A step costs no branch that depends on what the run is: runs come in no order that a processor
 * could learn. */
static bool find(struct hll *h, unsigned index, struct spot *out)
{
    const unsigned char *bytes = h->bytes;
    size_t start = h->trail, at = start, before = start, before_that = start;
    size_t first = h->trail_first, first_before = first, first_before_that = first;
    h->bytes[h->len] = 0;
    while (at < h->len) {
        unsigned code = bytes[at];
        bool is_value = code & 0x80, is_long = (code & 0xc0) == 0x40;
        size_t zeros = is_long ? (code & 0x3f) << 8 | bytes[at + 1] : code;
        size_t length = (is_value ? code & 3 : zeros) + 1;
        if (first + length > index)
            break;
        before_that = before;
        first_before_that = first_before;
        before = at;
        first_before = first;
        at += 1 + is_long;
        first += length;
    }
    if (at >= h->len)
        return false;
    h->trail = before_that;
    h->trail_first = first_before_that;
    if (before == start)
        forget_trail(h);
    *out = (struct spot){at, before, (unsigned)first, hll_run(bytes + at, false)};
    return true;
}

static size_t put_run(unsigned char *at, unsigned length, unsigned rank)
{
    if (length == 0)
        return 0;
    if (rank > 0) {
        at[0] = (unsigned char)(0x80 | (rank - 1) << 2 | (length - 1));
        return 1;
    }
    if (length <= ZERO_RUN_MAX) {
        at[0] = (unsigned char)(length - 1);
        return 1;
    }
    at[0] = (unsigned char)(0x40 | (length - 1) >> 8);
    at[1] = (unsigned char)(length - 1);
    return 2;
}

static void join_neighbours(struct hll *h, size_t at)
{
    for (int step = 0; step < JOIN_STEPS && at < h->len; step++) {
        struct hll_run run = hll_run(h->bytes + at, at + 1 == h->len);
        size_t next = at + run.size;
        if (run.rank > 0 && next < h->len) {
            struct hll_run other = hll_run(h->bytes + next, true);
            if (other.rank == run.rank && run.length + other.length <= VALUE_RUN_MAX) {
                put_run(h->bytes + at, run.length + other.length, run.rank);
                memmove(h->bytes + next, h->bytes + next + 1, h->len - next - 1);
                h->len--;
                continue;
            }
        }
        at = next;
    }
}

/* What its run becomes; false: that is too long. */
static bool split(struct hll *h, const struct spot *spot, struct hll_place place,
                  uint64_t sparse_max)
{
    unsigned char runs[8];
    unsigned in_front = place.index - spot->first, behind = spot->run.length - in_front - 1;
    size_t size = put_run(runs, in_front, spot->run.rank);
    size += put_run(runs + size, 1, place.rank);
    size += put_run(runs + size, behind, spot->run.rank);
    size_t len = h->len - spot->run.size + size;
    if (size > spot->run.size && (len > sparse_max || len > HLL_ROOM))
        return false;
    size_t rest = spot->at + spot->run.size;
    memmove(h->bytes + spot->at + size, h->bytes + rest, h->len - rest);
    memcpy(h->bytes + spot->at, runs, size);
    h->len = len;
    return true;
}

static enum hll_change set_sparse(struct hll *h, struct hll_place place, uint64_t sparse_max)
{
    struct spot spot;
    if (place.rank > RANK_MAX)
        return set_as_dense(h, place);
    /* The long form may have lost its second byte. */
    if (!find(h, place.index, &spot) || spot.at + spot.run.size > h->len)
        return HLL_CORRUPT;
    if (spot.run.rank >= place.rank)
        return HLL_SAME;
    if (!split(h, &spot, place, sparse_max))
        return set_as_dense(h, place);
    join_neighbours(h, spot.before);
    return changed(h);
}

enum hll_change hll_set_next(struct hll *h, struct hll_place place, uint64_t sparse_max)
{
    return hll_is_dense(view(h)) ? set_dense(h, place) : set_sparse(h, place, sparse_max);
}

enum hll_change hll_set(struct hll *h, struct hll_place place, uint64_t sparse_max)
{
    forget_trail(h);
    return hll_set_next(h, place, sparse_max);
}

/* -- self test --------------------------------------------------------------------------------- */

static const char *test_registers(void)
{
    static const unsigned step = 7;
    unsigned char expected[HLL_REGISTERS] = {0};
    struct hll h;
    hll_init(&h);
    if (!hll_make_dense(&h) || h.len != HLL_DENSE_SIZE)
        return "an empty value does not become dense";
    for (unsigned round = 1; round < 64; round++) {
        for (unsigned i = round % step; i < HLL_REGISTERS; i += step) {
            hll_dense_set((char *)h.bytes, i, round);
            expected[i] = (unsigned char)round;
        }
        for (unsigned i = 0; i < HLL_REGISTERS; i++)
            if (hll_dense_get((char *)h.bytes, i) != expected[i])
                return "a dense register does not hold what it was given";
    }
    return NULL;
}

/* Both forms agree, and the estimate is within six standard errors, which are 1.04 / sqrt(m). */
static const char *test_estimates(void)
{
    enum { ELEMENTS = 200000 };
    const double allowed = 6 * 1.04 / sqrt(HLL_REGISTERS);
    struct hll sparse, dense;
    hll_init(&sparse);
    hll_init(&dense);
    hll_make_dense(&dense);
    for (uint64_t i = 1; i <= ELEMENTS; i++) {
        uint64_t element = i * 0x9e3779b97f4a7c15, a, b;
        struct hll_place place = hll_place(bytes_of(&element, sizeof element));
        if (hll_set(&sparse, place, 3000) != hll_set(&dense, place, 0))
            return "sparse and dense registers differ";
        if ((i & (i - 1)) != 0 && i % 10000 != 0)
            continue;
        if (!hll_count(view(&sparse), &a) || !hll_count(view(&dense), &b) || a != b)
            return "sparse and dense estimates differ";
        if (fabs((double)a - (double)i) > (double)i * allowed + 1)
            return "an estimate is too far off";
    }
    return NULL;
}

const char *hll_self_test(void)
{
    const char *wrong = test_registers();
    return wrong != NULL ? wrong : test_estimates();
}
