/*
 * sha1.c - SHA-1 (FIPS 180-4), all at once. A name, not a safeguard: nothing here relies on it
 * being hard to forge.
 */
#include "base/sha1.h"

enum { BLOCK = 64, ROUNDS = 80, WORDS = 5 };

static uint32_t rotate(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

static uint32_t load_big(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t mix(int round, uint32_t b, uint32_t c, uint32_t d)
{
    static const uint32_t constants[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t f;
    if (round < 20)
        f = (b & c) | (~b & d);
    else if (round >= 40 && round < 60)
        f = (b & c) | (b & d) | (c & d);
    else
        f = b ^ c ^ d;
    return f + constants[round / 20];
}

static void add_block(uint32_t h[WORDS], const unsigned char *block)
{
    uint32_t w[ROUNDS];
    for (int i = 0; i < 16; i++)
        w[i] = load_big(block + 4 * i);
    for (int i = 16; i < ROUNDS; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t next = rotate(a, 5) + mix(i, b, c, d) + e + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

/* The rest, a one bit, zeros, and the length in bits: one block or two. */
static void add_end(uint32_t h[WORDS], struct bytes text)
{
    unsigned char last[2 * BLOCK] = {0};
    size_t rest = text.len % BLOCK, room = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
    if (rest > 0)
        memcpy(last, text.ptr + text.len - rest, rest);
    last[rest] = 0x80;
    uint64_t bits = (uint64_t)text.len * 8;
    for (int i = 0; i < 8; i++)
        last[room - 1 - (size_t)i] = (unsigned char)(bits >> (8 * i));
    for (size_t at = 0; at < room; at += BLOCK)
        add_block(h, last + at);
}

void sha1_hex(struct bytes text, char out[SHA1_HEX + 1])
{
    uint32_t h[WORDS] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    for (size_t at = 0; at + BLOCK <= text.len; at += BLOCK)
        add_block(h, (const unsigned char *)text.ptr + at);
    add_end(h, text);
    for (int i = 0; i < SHA1_HEX; i++)
        out[i] = "0123456789abcdef"[h[i / 8] >> (28 - i % 8 * 4) & 15];
    out[SHA1_HEX] = '\0';
}
