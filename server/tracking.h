/*
 * tracking.h - client-side caching: who has read which key, and word that it has changed.
 *
 * A client that tracks is remembered with each key that it reads, and told once when the key
 * changes. In BCAST mode nothing is remembered: it hears of all keys that begin with one of its
 * prefixes, once a turn. Word goes to the client itself (RESP3) or to the one it redirects to.
 */
#ifndef REDOUBT_SERVER_TRACKING_H
#define REDOUBT_SERVER_TRACKING_H

#include "server/call.h"

enum tracking_flag {
    TRACKING_BCAST = 1 << 0,
    TRACKING_OPTIN = 1 << 1,
    TRACKING_OPTOUT = 1 << 2,
    TRACKING_NOLOOP = 1 << 3,
    TRACKING_CACHING = 1 << 4, /* CLIENT CACHING was given for the next command */
    TRACKING_BROKEN = 1 << 5,  /* whom it redirects to has gone */
};

/* What one client asked for. */
struct tracker {
    struct client *client;
    uint32_t flags;
    uint64_t redirect;      /* a client's id; 0: none */
    struct bytes *prefixes; /* owned, with their bytes; in the order of memcmp() */
    uint32_t prefix_count;
    size_t prefix_bytes;
};

struct tracking *tracking_create(struct server *s);
void tracking_destroy(struct tracking *t);

/* flags: the first four. Prefixes (only with BCAST; none means the empty one) are added to those
 * that the client has. */
void tracking_start(struct client *c, uint32_t flags, uint64_t redirect,
                    const struct bytes *prefixes, int count);
void tracking_stop(struct client *c);
/* The client's call is over: remember what it read. */
void tracking_after(const struct call *call);
/* The command of the executing client is over: what it has changed itself. */
void tracking_tell_own(struct client *c);
/* Tell those in BCAST mode of what has changed in this turn. */
void tracking_broadcast(struct server *s);
/* Forget keys until there are no more than tracking-table-max-keys; their readers are told that
 * they have changed. One call does a part of it. */
void tracking_limit(struct server *s);

/* For INFO and CLIENT LIST. */
uint64_t tracking_keys(const struct server *s);
uint64_t tracking_items(const struct server *s);
uint64_t tracking_prefixes(const struct server *s);
size_t tracking_memory(const struct client *c);

#endif
