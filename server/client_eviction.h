/*
 * client_eviction.h - maxmemory-clients: what all clients take together, and closing the largest.
 *
 * While there is a limit, a client's memory is noted whenever it may have changed: after each of
 * its requests, when its input is settled, when its output is flushed. Clients stand in lists by
 * size, a list for each power of two, so that a large one is found at once however many there are.
 */
#ifndef REDOUBT_SERVER_CLIENT_EVICTION_H
#define REDOUBT_SERVER_CLIENT_EVICTION_H

#include <stddef.h>

struct server;
struct client;

enum { CLIENT_SIZES = 24 };

struct client_sizes {
    size_t limit;                       /* bytes; 0: none, and nothing is noted */
    size_t total;                       /* of all clients, as noted */
    struct client *lists[CLIENT_SIZES]; /* of those that may be evicted; the smallest sizes first */
};

/* maxmemory-clients or maxmemory has changed: the limit follows, all clients are noted or
 * forgotten. */
void client_eviction_apply(struct server *s);
/* The client's memory may have changed; nothing happens without a limit. Who is being closed counts
 * no more. */
void client_eviction_note(struct client *c);
/* The client ends. */
void client_eviction_forget(struct client *c);
/* Close clients, of the largest first, until the rest is within the limit or may not be evicted
 * (CLIENT NO-EVICT). Between two requests: replies that peers are ready to take are written first.
 */
void client_eviction_run(struct server *s);

#endif
