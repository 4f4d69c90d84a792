/*
 * bits.c - counting by the machine's best instructions, chosen at each call; combining in blocks.
 *
 * The choice costs a few loads from the compiler's record of the processor, so nothing is kept. The
 * vector forms count 64 bytes a step: with AVX-512's population count directly, with AVX2 by
 * looking up the counts of half bytes (Mula, Kurz, Lemire: "Faster population counts using AVX2
 * instructions").
 *
 * Combining goes through the result in blocks that stay in the first cache, so that however many
 * strings there are, each is read once and the result is written once. The loops over a block are
 * plain: the compiler makes vectors of them.
 */
#include "base/bits.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static inline uint64_t load_word(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* The first bit of memory as the highest of the word. */
static inline uint64_t load_ordered(const unsigned char *at)
{
    uint64_t word = load_word(at);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* -- counting ---------------------------------------------------------------------------------- */

enum { WORD = 8, SHORT = 64 };

/* Each form counts the end, less than a word, so. */
static inline uint64_t count_rest(const unsigned char *at, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, at, len);
    return (uint64_t)__builtin_popcountll(word);
}

static inline __attribute__((always_inline)) uint64_t count_words(const unsigned char *at,
                                                                  size_t len)
{
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (; len >= 4 * WORD; at += 4 * WORD, len -= 4 * WORD) {
        a += (uint64_t)__builtin_popcountll(load_word(at));
        b += (uint64_t)__builtin_popcountll(load_word(at + WORD));
        c += (uint64_t)__builtin_popcountll(load_word(at + 2 * WORD));
        d += (uint64_t)__builtin_popcountll(load_word(at + 3 * WORD));
    }
    for (; len >= WORD; at += WORD, len -= WORD)
        a += (uint64_t)__builtin_popcountll(load_word(at));
    return a + b + c + d + count_rest(at, len);
}

static bool always(void)
{
    return true;
}

static uint64_t count_portable(const unsigned char *at, size_t len)
{
    return count_words(at, len);
}

#if defined(__x86_64__)

static bool has_popcnt(void)
{
    return __builtin_cpu_supports("popcnt");
}

__attribute__((target("popcnt"))) static uint64_t count_popcnt(const unsigned char *at, size_t len)
{
    return count_words(at, len);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
}

/* Counts of the 32 bytes, each in its own byte. */
__attribute__((target("avx2"))) static inline __m256i count_bytes(__m256i bytes)
{
    const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                            2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i half = _mm256_set1_epi8(0x0f);
    __m256i low = _mm256_and_si256(bytes, half);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half);
    return _mm256_add_epi8(_mm256_shuffle_epi8(counts, low), _mm256_shuffle_epi8(counts, high));
}

__attribute__((target("avx2,popcnt"))) static uint64_t count_avx2(const unsigned char *at,
                                                                  size_t len)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i sum = zero;
    for (; len >= 64; at += 64, len -= 64) {
        __m256i a = count_bytes(_mm256_loadu_si256((const __m256i *)(const void *)at));
        __m256i b = count_bytes(_mm256_loadu_si256((const __m256i *)(const void *)(at + 32)));
        sum = _mm256_add_epi64(sum, _mm256_sad_epu8(_mm256_add_epi8(a, b), zero));
    }
    uint64_t parts[4];
    memcpy(parts, &sum, sizeof parts);
    return parts[0] + parts[1] + parts[2] + parts[3] + count_words(at, len);
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("popcnt");
}

__attribute__((target("avx512f,avx512vpopcntdq,popcnt"))) static uint64_t
count_avx512(const unsigned char *at, size_t len)
{
    __m512i a = _mm512_setzero_si512(), b = a;
    for (; len >= 128; at += 128, len -= 128) {
        a = _mm512_add_epi64(a, _mm512_popcnt_epi64(_mm512_loadu_si512(at)));
        b = _mm512_add_epi64(b, _mm512_popcnt_epi64(_mm512_loadu_si512(at + 64)));
    }
    return (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(a, b)) + count_words(at, len);
}

#endif

const struct bits_counter bits_counters[] = {
    {"portable", always, count_portable},
#if defined(__x86_64__)
    {"popcnt", has_popcnt, count_popcnt},
    {"avx2", has_avx2, count_avx2},
    {"avx512", has_avx512, count_avx512},
#endif
};
const int bits_counter_total = sizeof bits_counters / sizeof *bits_counters;

uint64_t bits_count(struct bytes text)
{
    const unsigned char *at = (const unsigned char *)text.ptr;
    if (text.len < SHORT)
        return count_portable(at, text.len);
    int i = bits_counter_total - 1;
    while (!bits_counters[i].works_here())
        i--;
    return bits_counters[i].count(at, text.len);
}

/* -- finding ----------------------------------------------------------------------------------- */

int64_t bits_find(struct bytes text, bool bit)
{
    const unsigned char *start = (const unsigned char *)text.ptr, *at = start;
    uint64_t other = bit ? 0 : ~(uint64_t)0;
    size_t len = text.len;
    for (; len >= 4 * WORD; at += 4 * WORD, len -= 4 * WORD) {
        uint64_t differ = (load_word(at) ^ other) | (load_word(at + WORD) ^ other) |
                          (load_word(at + 2 * WORD) ^ other) | (load_word(at + 3 * WORD) ^ other);
        if (differ != 0)
            break;
    }
    for (; len >= WORD; at += WORD, len -= WORD) {
        uint64_t differ = load_ordered(at) ^ other;
        if (differ != 0)
            return (at - start) * 8 + __builtin_clzll(differ);
    }
    for (; len > 0; at++, len--) {
        unsigned differ = *at ^ (unsigned)(other & 0xff);
        if (differ != 0)
            return (at - start) * 8 + __builtin_clz(differ) - 24;
    }
    return -1;
}

/* -- integers ---------------------------------------------------------------------------------- */

/* 64 bits from an unaligned offset lie in nine bytes. */
uint64_t bits_get_field(struct bytes text, uint64_t offset, unsigned width)
{
    unsigned char bytes[9] = {0};
    uint64_t first = offset >> 3;
    if (first < text.len) {
        size_t len = bits_field_bytes(offset, width);
        memcpy(bytes, text.ptr + first, len < text.len - first ? len : text.len - first);
    }
    unsigned shift = offset & 7;
    uint64_t value = load_ordered(bytes) << shift;
    if (shift > 0)
        value |= (uint64_t)bytes[8] >> (8 - shift);
    return value >> (64 - width);
}

void bits_put_field(char *text, uint64_t offset, unsigned width, uint64_t value)
{
    while (width > 0) {
        unsigned in = offset & 7, take = 8 - in < width ? 8 - in : width;
        unsigned below = 8 - in - take, mask = ((1u << take) - 1) << below;
        unsigned part = (unsigned)(value >> (width - take)) << below & mask;
        unsigned char byte = (unsigned char)text[offset >> 3];
        text[offset >> 3] = (char)((byte & ~mask) | part);
        offset += take;
        width -= take;
    }
}

/* -- combining --------------------------------------------------------------------------------- */

/* in stands for the string's part of a block; it may be shorter, which is as if zeros followed. */

static void or_into(unsigned char *out, struct bytes in)
{
    const unsigned char *from = (const unsigned char *)in.ptr;
    for (size_t i = 0; i < in.len; i++)
        out[i] |= from[i];
}

static void xor_into(unsigned char *out, struct bytes in)
{
    const unsigned char *from = (const unsigned char *)in.ptr;
    for (size_t i = 0; i < in.len; i++)
        out[i] ^= from[i];
}

static void and_into(unsigned char *out, struct bytes in, size_t len)
{
    const unsigned char *from = (const unsigned char *)in.ptr;
    for (size_t i = 0; i < in.len; i++)
        out[i] &= from[i];
    memset(out + in.len, 0, len - in.len);
}

/* out, but not what is in the string. */
static void and_not_into(unsigned char *out, struct bytes in)
{
    const unsigned char *from = (const unsigned char *)in.ptr;
    for (size_t i = 0; i < in.len; i++)
        out[i] &= (unsigned char)~from[i];
}

/* Exactly one: seen more than once, a bit stays out. */
static void one_into(unsigned char *out, unsigned char *twice, struct bytes in)
{
    const unsigned char *from = (const unsigned char *)in.ptr;
    for (size_t i = 0; i < in.len; i++) {
        twice[i] |= out[i] & from[i];
        out[i] |= from[i];
    }
}

static void copy_into(unsigned char *out, struct bytes in, size_t len)
{
    memcpy(out, in.ptr, in.len);
    memset(out + in.len, 0, len - in.len);
}

enum { BLOCK = 8192 };

static struct bytes part_of(struct bytes text, size_t from, size_t len)
{
    if (from >= text.len)
        return bytes_of("", 0);
    return bytes_of(text.ptr + from, len < text.len - from ? len : text.len - from);
}

static void combine_block(enum bits_operation operation, const struct bytes *texts, int count,
                          unsigned char *out, size_t from, size_t len)
{
    unsigned char twice[BLOCK];
    struct bytes first = part_of(texts[0], from, len);
    bool others_first = operation == BITS_DIFF1 || operation == BITS_ANDOR;
    if (operation == BITS_ONE)
        memset(twice, 0, len);
    if (others_first)
        memset(out, 0, len);
    else
        copy_into(out, first, len);
    for (int i = 1; i < count; i++) {
        struct bytes in = part_of(texts[i], from, len);
        if (operation == BITS_AND)
            and_into(out, in, len);
        else if (operation == BITS_XOR)
            xor_into(out, in);
        else if (operation == BITS_DIFF)
            and_not_into(out, in);
        else if (operation == BITS_ONE)
            one_into(out, twice, in);
        else
            or_into(out, in);
    }
    if (operation == BITS_NOT)
        for (size_t i = 0; i < len; i++)
            out[i] = (unsigned char)~out[i];
    else if (operation == BITS_DIFF1)
        and_not_into(out, first);
    else if (operation == BITS_ANDOR)
        and_into(out, first, len);
    else if (operation == BITS_ONE)
        and_not_into(out, bytes_of(twice, len));
}

void bits_combine(enum bits_operation operation, const struct bytes *texts, int count,
                  unsigned char *out, size_t len)
{
    for (size_t from = 0; from < len; from += BLOCK)
        combine_block(operation, texts, count, out + from, from,
                      len - from < BLOCK ? len - from : BLOCK);
}
