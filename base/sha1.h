/*
 * sha1.h - the names of scripts: SHA-1 as 40 lower-case hexadecimal digits.
 */
#ifndef REDOUBT_BASE_SHA1_H
#define REDOUBT_BASE_SHA1_H

#include "base/bytes.h"

enum { SHA1_HEX = 40 };

/* out is NUL-terminated. */
void sha1_hex(struct bytes text, char out[SHA1_HEX + 1]);

#endif
