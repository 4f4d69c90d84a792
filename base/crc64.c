/*
 * crc64.c - eight bytes a step, with a table for each of their places.
 *
 * The tables are filled at the first use, by one thread: others that come meanwhile wait for it.
 */
#include "base/crc64.h"

#include <endian.h>
#include <pthread.h>

#define POLYNOMIAL_REFLECTED UINT64_C(0x95ac9329ac4bc9b5)

enum { WORD = 8, BYTE_VALUES = 256 };

/* tables[k][b]: what byte b contributes when k more bytes of the word follow it. */
static uint64_t tables[WORD][BYTE_VALUES];
static pthread_once_t filled = PTHREAD_ONCE_INIT;

static void fill(void)
{
    for (unsigned b = 0; b < BYTE_VALUES; b++) {
        uint64_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL_REFLECTED : 0);
        tables[0][b] = crc;
    }
    for (int k = 1; k < WORD; k++)
        for (unsigned b = 0; b < BYTE_VALUES; b++)
            tables[k][b] = tables[k - 1][b] >> 8 ^ tables[0][tables[k - 1][b] & 0xff];
}

uint64_t crc64(uint64_t before, struct bytes data)
{
    pthread_once(&filled, fill);
    uint64_t crc = before;
    const unsigned char *at = (const unsigned char *)data.ptr;
    size_t left = data.len;
    for (; left >= WORD; left -= WORD, at += WORD) {
        uint64_t word;
        memcpy(&word, at, WORD);
        word = le64toh(word) ^ crc;
        crc = 0;
        for (int k = 0; k < WORD; k++)
            crc ^= tables[WORD - 1 - k][word >> (8 * k) & 0xff];
    }
    for (; left > 0; left--, at++)
        crc = crc >> 8 ^ tables[0][(crc ^ *at) & 0xff];
    return crc;
}
