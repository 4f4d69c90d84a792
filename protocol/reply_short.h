/*
 * reply_short.h - the inner loop of long replies: a short bulk written without a call.
 */
#ifndef REDOUBT_PROTOCOL_REPLY_SHORT_H
#define REDOUBT_PROTOCOL_REPLY_SHORT_H

#include "protocol/reply.h"

/* reply_bulk(), for values of which most have less than 100 bytes. */
static inline void reply_bulk_short(struct reply *r, struct bytes value)
{
    char *at = r->at;
    if (__builtin_expect(value.len >= 100 || r->end - at < 108 || r->muted, 0)) {
        reply_bulk(r, value);
        return;
    }
    *at++ = '$';
    if (value.len >= 10)
        *at++ = (char)('0' + value.len / 10);
    *at++ = (char)('0' + value.len % 10);
    *at++ = '\r';
    *at++ = '\n';
    bytes_copy(at, value.ptr, value.len);
    at += value.len;
    *at++ = '\r';
    *at++ = '\n';
    r->at = at;
}

#endif
