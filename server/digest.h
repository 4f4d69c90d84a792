/*
 * digest.h - a fingerprint of data: what DEBUG DIGEST and DEBUG DIGEST-VALUE show.
 *
 * Equal data has equal digests, whatever the encodings, the order in tables, or the server that
 * computes it; no data at all has the digest zero. Not cryptographic.
 */
#ifndef REDOUBT_SERVER_DIGEST_H
#define REDOUBT_SERVER_DIGEST_H

#include "storage/keyspace.h"

enum { DIGEST_LEN = 20, DIGEST_HEX_LEN = 2 * DIGEST_LEN };

/* All zero is the digest of nothing. */
struct digest {
    unsigned char bytes[DIGEST_LEN];
};

/* Fold in more data; order matters. */
void digest_mix(struct digest *d, struct bytes data);
/* Fold in the digest of one part of an unordered whole. */
void digest_join(struct digest *d, const struct digest *part);

/* Of a key's value, and whether it has a deadline. */
struct digest digest_value(const struct entry *e);
/* Of all live keys of all databases. */
struct digest digest_keyspace(struct keyspace *ks);

/* Hex digits and a NUL. */
void digest_format(const struct digest *d, char out[DIGEST_HEX_LEN + 1]);

#endif
