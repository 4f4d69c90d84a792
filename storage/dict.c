/*
 * dict.c - linear hashing over cache-line buckets.
 *
 * A bucket, 64 bytes:
 *   bytes 0-8    tags: 8 bits of the hash for each slot, 0 is an empty slot
 *   byte 9       1 if the last slot holds a chained bucket instead of an entry (its tag is 0 then)
 *   bytes 10-63  nine pointers of 48 bits
 *
 * Addressing: with mask = 2^level - 1, bucket hash & mask, or hash & (2 * mask + 1) if that is
 * below split. Growing splits bucket number split into itself and mask + 1 + split; shrinking
 * merges the last bucket back. Buckets live in segments of a fixed size, so that growing moves
 * nothing; only the first segment starts small and doubles.
 *
 * The tag is bits 24-31 of the hash: independent of the address up to 2^24 buckets, and contained
 * in the 32 bits which the expiry index keeps.
 */
#include "storage/dict.h"

#include <stdio.h>
#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/memory.h"
#include "base/random.h"

enum {
    SLOTS = 9,
    LAST = SLOTS - 1,
    SEGMENT_BITS = 10,
    SEGMENT = 1 << SEGMENT_BITS,
    ALL_SLOTS = (1 << SLOTS) - 1,
};

struct dict_bucket {
    uint8_t tags[SLOTS];
    uint8_t chained;
    uint8_t pointers[SLOTS * 6];
};
_Static_assert(sizeof(struct dict_bucket) == 64, "a bucket is a cache line");

static uint64_t seed = 0x9e3779b97f4a7c15ULL;

void dict_seed(const unsigned char random[16])
{
    uint64_t halves[2];
    memcpy(halves, random, sizeof halves);
    seed = halves[0] ^ (halves[1] << 1 | halves[1] >> 63);
}

uint64_t dict_hash(struct bytes key)
{
    return XXH3_64bits_withSeed(key.ptr, key.len, seed);
}

/* -- buckets ----------------------------------------------------------------------------------- */

static inline uint8_t tag_of(uint64_t hash)
{
    uint8_t tag = (uint8_t)(hash >> 24);
    return tag + (tag == 0);
}

/* The eight bytes that end with the pointer, so that no read leaves the bucket. */
static inline void *pointer_get(const struct dict_bucket *b, int slot)
{
    uint64_t word;
    memcpy(&word, (const uint8_t *)b + 8 + 6 * slot, sizeof word);
    return (void *)(uintptr_t)(word >> 16);
}

static inline void pointer_set(struct dict_bucket *b, int slot, const void *pointer)
{
    uint64_t word = (uint64_t)(uintptr_t)pointer;
    memcpy(b->pointers + 6 * slot, &word, 6);
}

/* Bit i set: slot i has this tag. */
static inline unsigned slots_with(const struct dict_bucket *b, uint8_t tag)
{
#ifdef __SSE2__
    __m128i line = _mm_load_si128((const __m128i *)b);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(line, _mm_set1_epi8((char)tag))) & ALL_SLOTS;
#else
    unsigned found = 0;
    for (int i = 0; i < SLOTS; i++)
        found |= (unsigned)(b->tags[i] == tag) << i;
    return found;
#endif
}

static inline unsigned slots_used(const struct dict_bucket *b)
{
    return ~slots_with(b, 0) & ALL_SLOTS;
}

static inline struct dict_bucket *next_in_chain(const struct dict_bucket *b)
{
    return b->chained ? pointer_get(b, LAST) : NULL;
}

static inline uint64_t index_of(const struct dict *d, uint64_t hash)
{
    uint64_t index = hash & d->mask;
    return index < d->split ? hash & (2 * d->mask + 1) : index;
}

static inline struct dict_bucket *bucket_at(const struct dict *d, uint64_t index)
{
    return &d->segments[index >> SEGMENT_BITS][index & (SEGMENT - 1)];
}

static void place(struct dict_bucket *b, int slot, const void *entry, uint8_t tag)
{
    b->tags[slot] = tag;
    pointer_set(b, slot, entry);
}

/* Put an entry into a bucket or its chain. */
static void bucket_add(struct dict *d, struct dict_bucket *b, const void *entry, uint8_t tag)
{
    for (;;) {
        unsigned room = ~slots_used(b) & ALL_SLOTS;
        if (b->chained)
            room &= ~(1u << LAST);
        if (room != 0) {
            place(b, __builtin_ctz(room), entry, tag);
            return;
        }
        if (!b->chained) {
            struct dict_bucket *child = mem_alloc_lines(sizeof *child);
            memset(child, 0, sizeof *child);
            place(child, 0, pointer_get(b, LAST), b->tags[LAST]);
            b->tags[LAST] = 0;
            b->chained = 1;
            pointer_set(b, LAST, child);
            d->chained++;
        }
        b = next_in_chain(b);
    }
}

/* Free the chain behind a bucket; the bucket itself is empty afterwards. */
static void bucket_clear(struct dict *d, struct dict_bucket *b)
{
    struct dict_bucket *child = next_in_chain(b);
    while (child != NULL) {
        struct dict_bucket *next = next_in_chain(child);
        mem_free_sized(child, sizeof *child);
        d->chained--;
        child = next;
    }
    memset(b, 0, sizeof *b);
}

/* A hole was made in the bucket at; fill it from the end of the chain, so that chains shrink with
 * their contents. */
static void chain_fill_hole(struct dict *d, struct dict_bucket *at, int slot)
{
    if (!at->chained)
        return; /* the end of the chain may have holes */
    struct dict_bucket *before = at, *tail = next_in_chain(at);
    while (tail->chained) {
        before = tail;
        tail = next_in_chain(tail);
    }
    unsigned used = slots_used(tail);
    if (used != 0) {
        int last = 31 - __builtin_clz(used);
        place(at, slot, pointer_get(tail, last), tail->tags[last]);
        tail->tags[last] = 0;
        used &= ~(1u << last);
    }
    if (used == 0) {
        before->chained = 0;
        before->tags[LAST] = 0;
        mem_free_sized(tail, sizeof *tail);
        d->chained--;
    }
}

/* -- growing and shrinking --------------------------------------------------------------------- */

static struct dict_bucket *segment_create(uint32_t buckets)
{
    struct dict_bucket *segment = mem_alloc_lines(buckets * sizeof *segment);
    memset(segment, 0, buckets * sizeof *segment);
    return segment;
}

static void first_segment_resize(struct dict *d, uint32_t room)
{
    struct dict_bucket *segment = segment_create(room);
    memcpy(segment, d->segments[0], d->buckets * sizeof *segment);
    mem_free_sized(d->segments[0], d->first_room * sizeof *segment);
    d->segments[0] = segment;
    d->first_room = room;
}

static void table_start(struct dict *d)
{
    d->segments = mem_alloc(sizeof *d->segments);
    d->segments[0] = segment_create(1);
    d->room = d->segment_count = d->first_room = 1;
    d->buckets = 1;
    d->mask = d->split = 0;
}

/* Make the bucket with number d->buckets addressable. */
static void table_extend(struct dict *d)
{
    if (d->buckets < SEGMENT) {
        if (d->buckets == d->first_room)
            first_segment_resize(d, d->first_room * 2);
    } else if (d->buckets == (uint64_t)d->segment_count * SEGMENT) {
        if (d->segment_count == d->room) {
            d->room *= 2;
            d->segments = mem_resize(d->segments, d->room * sizeof *d->segments);
        }
        d->segments[d->segment_count++] = segment_create(SEGMENT);
    }
    d->buckets++;
}

/* The last bucket is empty and gone; give memory back, with some slack against doing it again and
 * again. */
static void table_retract(struct dict *d)
{
    d->buckets--;
    if (d->segment_count > 1) {
        if (d->buckets + SEGMENT / 2 <= (uint64_t)(d->segment_count - 1) * SEGMENT) {
            d->segment_count--;
            mem_free_sized(d->segments[d->segment_count], SEGMENT * sizeof(struct dict_bucket));
        }
    } else if (d->first_room >= 4 && d->buckets * 4 <= d->first_room) {
        first_segment_resize(d, d->first_room / 2);
    }
}

static void split_one(struct dict *d)
{
    uint64_t bit = d->mask + 1;
    table_extend(d);
    struct dict_bucket *low = bucket_at(d, d->split), *high = bucket_at(d, bit + d->split);
    struct dict_bucket old = *low, *b = &old;
    memset(low, 0, sizeof *low);
    for (unsigned used = slots_used(b); used != 0; used &= used - 1)
        __builtin_prefetch(pointer_get(b, __builtin_ctz(used)));
    while (b != NULL) {
        for (unsigned used = slots_used(b); used != 0; used &= used - 1) {
            int slot = __builtin_ctz(used);
            void *entry = pointer_get(b, slot);
            uint64_t hash = dict_hash(d->type->key(entry));
            bucket_add(d, hash & bit ? high : low, entry, b->tags[slot]);
        }
        struct dict_bucket *next = next_in_chain(b);
        if (b != &old) {
            mem_free_sized(b, sizeof *b);
            d->chained--;
        }
        b = next;
    }
    if (++d->split == bit) {
        d->mask = 2 * d->mask + 1;
        d->split = 0;
    }
}

static void merge_one(struct dict *d)
{
    if (d->split == 0) {
        d->mask >>= 1;
        d->split = d->mask + 1;
    }
    d->split--;
    struct dict_bucket *low = bucket_at(d, d->split);
    struct dict_bucket *high = bucket_at(d, d->mask + 1 + d->split);
    struct dict_bucket *b = high;
    do {
        for (unsigned used = slots_used(b); used != 0; used &= used - 1) {
            int slot = __builtin_ctz(used);
            bucket_add(d, low, pointer_get(b, slot), b->tags[slot]);
        }
        b = next_in_chain(b);
    } while (b != NULL);
    bucket_clear(d, high);
    table_retract(d);
}

/* 6.5 entries a bucket on average: about 11 bytes of table an entry, one bucket in seven has a
 * chain. */
static inline bool is_crowded(const struct dict *d)
{
    return 2 * d->count > 13 * d->buckets;
}

static inline bool is_sparse(const struct dict *d)
{
    return d->buckets > 1 && d->count < 2 * d->buckets;
}

/* -- interface --------------------------------------------------------------------------------- */

void dict_init(struct dict *d, const struct dict_type *type)
{
    *d = (struct dict){.type = type};
}

void dict_fini(struct dict *d)
{
    dict_reset(d);
}

void dict_reset(struct dict *d)
{
    for (uint64_t i = 0; i < d->buckets && d->chained > 0; i++)
        bucket_clear(d, bucket_at(d, i));
    for (uint32_t i = 0; i < d->segment_count; i++)
        mem_free(d->segments[i]);
    mem_free(d->segments);
    uint32_t hold = d->hold;
    dict_init(d, d->type);
    d->hold = hold;
}

void *dict_find(const struct dict *d, struct bytes key, uint64_t hash)
{
    if (d->count == 0)
        return NULL;
    uint8_t tag = tag_of(hash);
    const struct dict_bucket *b = bucket_at(d, index_of(d, hash));
    do {
        for (unsigned fit = slots_with(b, tag); fit != 0; fit &= fit - 1) {
            void *entry = pointer_get(b, __builtin_ctz(fit));
            if (bytes_equal(d->type->key(entry), key))
                return entry;
        }
        b = next_in_chain(b);
    } while (b != NULL);
    return NULL;
}

void dict_insert(struct dict *d, void *entry, uint64_t hash)
{
    if (d->buckets == 0)
        table_start(d);
    bucket_add(d, bucket_at(d, index_of(d, hash)), entry, tag_of(hash));
    d->count++;
    if (is_crowded(d) && d->hold == 0)
        split_one(d);
}

static void remove_slot(struct dict *d, struct dict_bucket *b, int slot)
{
    b->tags[slot] = 0;
    d->count--;
    if (d->hold > 0)
        return;
    chain_fill_hole(d, b, slot);
    if (is_sparse(d))
        merge_one(d);
}

void *dict_remove(struct dict *d, struct bytes key, uint64_t hash)
{
    if (d->count == 0)
        return NULL;
    uint8_t tag = tag_of(hash);
    struct dict_bucket *b = bucket_at(d, index_of(d, hash));
    do {
        for (unsigned fit = slots_with(b, tag); fit != 0; fit &= fit - 1) {
            int slot = __builtin_ctz(fit);
            void *entry = pointer_get(b, slot);
            if (bytes_equal(d->type->key(entry), key)) {
                remove_slot(d, b, slot);
                return entry;
            }
        }
        b = next_in_chain(b);
    } while (b != NULL);
    return NULL;
}

void dict_replace(struct dict *d, void *old_entry, void *new_entry, uint64_t hash)
{
    uint8_t tag = tag_of(hash);
    struct dict_bucket *b = bucket_at(d, index_of(d, hash));
    do {
        for (unsigned fit = slots_with(b, tag); fit != 0; fit &= fit - 1) {
            int slot = __builtin_ctz(fit);
            if (pointer_get(b, slot) == old_entry) {
                pointer_set(b, slot, new_entry);
                return;
            }
        }
        b = next_in_chain(b);
    } while (b != NULL);
    abort(); /* the caller promised that old_entry is there */
}

/* gcc takes a function that only prefetches for one without effect and drops its calls; the empty
 * instruction is an effect. */
static inline void prefetch(const void *line)
{
    __builtin_prefetch(line);
    __asm__ volatile("" : : : "memory");
}

void dict_prefetch_bucket(const struct dict *d, uint64_t hash)
{
    if (d->buckets > 0)
        prefetch(bucket_at(d, index_of(d, hash)));
}

void dict_prefetch_entry(const struct dict *d, uint64_t hash)
{
    if (d->buckets == 0)
        return;
    const struct dict_bucket *b = bucket_at(d, index_of(d, hash));
    for (unsigned fit = slots_with(b, tag_of(hash)); fit != 0; fit &= fit - 1)
        prefetch(pointer_get(b, __builtin_ctz(fit)));
}

static uint64_t reverse_bits(uint64_t v)
{
    v = ((v >> 1) & 0x5555555555555555ULL) | ((v & 0x5555555555555555ULL) << 1);
    v = ((v >> 2) & 0x3333333333333333ULL) | ((v & 0x3333333333333333ULL) << 2);
    v = ((v >> 4) & 0x0f0f0f0f0f0f0f0fULL) | ((v & 0x0f0f0f0f0f0f0f0fULL) << 4);
    return __builtin_bswap64(v);
}

static void bucket_visit(struct dict *d, struct dict_bucket *b, dict_visit *visit, void *context)
{
    d->hold++;
    for (; b != NULL; b = next_in_chain(b))
        for (unsigned used = slots_used(b); used != 0; used &= used - 1)
            visit(pointer_get(b, __builtin_ctz(used)), context);
    d->hold--;
}

/* Reverse-binary order: a bucket of level k covers one interval of the bit-reversed hashes, whose
 * end is where the next call goes on, at whatever level the table is then. */
uint64_t dict_scan(struct dict *d, uint64_t cursor, dict_visit *visit, void *context)
{
    if (d->count == 0)
        return 0;
    uint64_t mask = d->mask;
    if ((cursor & mask) < d->split)
        mask = 2 * mask + 1;
    bucket_visit(d, bucket_at(d, cursor & mask), visit, context);
    return reverse_bits(reverse_bits(cursor | ~mask) + 1);
}

/* The n-th entry of a bucket's chain. */
static void *chain_nth(const struct dict_bucket *b, unsigned n)
{
    for (; b != NULL; b = next_in_chain(b))
        for (unsigned used = slots_used(b); used != 0; used &= used - 1)
            if (n-- == 0)
                return pointer_get(b, __builtin_ctz(used));
    return NULL;
}

/* Draw a bucket, accept it in proportion to what its chain holds: then each entry is as likely as
 * any other. A chain of more than FAIR entries is a matter of one in a million. */
void *dict_random(const struct dict *d)
{
    enum { FAIR = 32, TRIES = 4096 };
    if (d->count == 0)
        return NULL;
    for (int i = 0; i < TRIES; i++) {
        const struct dict_bucket *first = bucket_at(d, random_below(d->buckets));
        unsigned used = 0, draw = (unsigned)random_below(FAIR);
        for (const struct dict_bucket *b = first; b != NULL; b = next_in_chain(b))
            used += (unsigned)__builtin_popcount(slots_used(b));
        if (used > FAIR)
            draw = (unsigned)random_below(used);
        if (draw < used)
            return chain_nth(first, draw);
    }
    /* nearly empty, because something holds the table: take the next entry from a random place on
     */
    uint64_t start = random_below(d->buckets);
    for (uint64_t i = 0; i < d->buckets; i++) {
        void *entry = chain_nth(bucket_at(d, (start + i) % d->buckets), 0);
        if (entry != NULL)
            return entry;
    }
    return NULL;
}

void dict_iter_begin(struct dict_iter *it, struct dict *d)
{
    *it = (struct dict_iter){.dict = d, .slot = -1};
    it->at = d->buckets > 0 ? bucket_at(d, 0) : NULL;
    d->hold++;
}

void *dict_iter_next(struct dict_iter *it)
{
    while (it->at != NULL) {
        while (++it->slot < SLOTS)
            if (it->at->tags[it->slot] != 0)
                return pointer_get(it->at, it->slot);
        it->slot = -1;
        it->at = next_in_chain(it->at);
        if (it->at == NULL && ++it->bucket < it->dict->buckets)
            it->at = bucket_at(it->dict, it->bucket);
    }
    return NULL;
}

void dict_iter_end(struct dict_iter *it)
{
    it->dict->hold--;
}

void dict_visit_hash32(struct dict *d, uint32_t hash32, dict_visit *visit, void *context)
{
    if (d->count == 0)
        return;
    uint8_t tag = tag_of(hash32);
    d->hold++;
    for (struct dict_bucket *b = bucket_at(d, index_of(d, hash32)); b != NULL; b = next_in_chain(b))
        for (unsigned fit = slots_with(b, tag); fit != 0; fit &= fit - 1) {
            void *entry = pointer_get(b, __builtin_ctz(fit));
            if ((uint32_t)dict_hash(d->type->key(entry)) == hash32)
                visit(entry, context);
        }
    d->hold--;
}

void dict_expect(struct dict *d, uint64_t count)
{
    if (d->buckets == 0)
        table_start(d);
    while (2 * count > 13 * d->buckets && d->hold == 0)
        split_one(d);
}

size_t dict_memory(const struct dict *d)
{
    size_t buckets = d->chained;
    if (d->segment_count == 1)
        buckets += d->first_room;
    else
        buckets += (size_t)d->segment_count * SEGMENT;
    return buckets * sizeof(struct dict_bucket) + d->room * sizeof(*d->segments);
}

static void check(bool truth)
{
    if (!truth)
        abort();
}

void dict_check(const struct dict *d)
{
    uint64_t entries = 0, chained = 0;
    check(d->buckets == 0 ? d->count == 0 : d->buckets == d->mask + 1 + d->split);
    check(d->split <= d->mask || d->buckets == 0);
    for (uint64_t i = 0; i < d->buckets; i++)
        for (const struct dict_bucket *b = bucket_at(d, i); b != NULL; b = next_in_chain(b)) {
            check(!b->chained || b->tags[LAST] == 0);
            for (unsigned used = slots_used(b); used != 0; used &= used - 1) {
                int slot = __builtin_ctz(used);
                struct bytes key = d->type->key(pointer_get(b, slot));
                uint64_t hash = dict_hash(key);
                check(index_of(d, hash) == i);
                check(b->tags[slot] == tag_of(hash));
                check(dict_find(d, key, hash) == pointer_get(b, slot));
                entries++;
            }
            chained += b->chained;
        }
    check(entries == d->count);
    check(chained == d->chained);
}

size_t dict_describe(const struct dict *d, char *out, size_t room)
{
    if (d->count == 0)
        return (size_t)snprintf(out, room, "No stats available for empty dictionaries\n");
    uint64_t lengths[40] = {0}, longest = 0;
    for (uint64_t i = 0; i < d->buckets; i++) {
        uint64_t used = 0;
        for (const struct dict_bucket *b = bucket_at(d, i); b != NULL; b = next_in_chain(b))
            used += (uint64_t)__builtin_popcount(slots_used(b));
        longest = used > longest ? used : longest;
        lengths[used < 39 ? used : 39]++;
    }
    size_t len =
        (size_t)snprintf(out, room,
                         "Hash table 0 stats (main hash table):\n table size: %llu\n"
                         " number of elements: %llu\n chained buckets: %u\n"
                         " max chain length: %llu\n Chain length distribution:\n",
                         (unsigned long long)(d->buckets * SLOTS), (unsigned long long)d->count,
                         d->chained, (unsigned long long)longest);
    for (int i = 0; i < 40 && len < room; i++)
        if (lengths[i] > 0)
            len += (size_t)snprintf(out + len, room - len, "   %d: %llu (%.2f%%)\n", i,
                                    (unsigned long long)lengths[i],
                                    100.0 * (double)lengths[i] / (double)d->buckets);
    return len < room ? len : room - 1;
}
