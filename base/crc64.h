/*
 * crc64.h - the checksum of dumps and snapshots.
 *
 * CRC-64 with the Jones polynomial, reflected, start value 0 and no final inversion: "123456789"
 * gives e9c6d914c4b8d9ca.
 */
#ifndef REDOUBT_BASE_CRC64_H
#define REDOUBT_BASE_CRC64_H

#include "base/bytes.h"

/* The checksum of what came before (0: nothing) and data. */
uint64_t crc64(uint64_t before, struct bytes data);

#endif
