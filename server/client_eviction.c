/*
 * client_eviction.c - clients by size, and which of them have to go.
 */
#include "server/client_eviction.h"

#include "base/text.h"
#include "server/client.h"
#include "server/client_report.h"
#include "server/log.h"
#include "server/network.h"
#include "server/server.h"

/* LEAST_LIMIT: with less than this, nobody could stay connected for long enough to set it right.
 * SMALLEST_BITS: clients below this power of two are all alike. */
enum { LEAST_LIMIT = 128 * 1024, SMALLEST_BITS = 13 };

static int list_of(size_t bytes)
{
    int bits = 64 - __builtin_clzll((unsigned long long)bytes | 1);
    int list = bits <= SMALLEST_BITS ? 0 : bits - SMALLEST_BITS;
    return list < CLIENT_SIZES ? list : CLIENT_SIZES - 1;
}

static void unlink_size(struct client_sizes *sizes, struct client *c)
{
    if (!c->size.is_linked)
        return;
    if (c->size.prev != NULL)
        c->size.prev->size.next = c->size.next;
    else
        sizes->lists[c->size.list] = c->size.next;
    if (c->size.next != NULL)
        c->size.next->size.prev = c->size.prev;
    c->size.is_linked = false;
}

static void link_size(struct client_sizes *sizes, struct client *c, int list)
{
    struct client **first = &sizes->lists[list];
    c->size.list = list;
    c->size.prev = NULL;
    c->size.next = *first;
    if (*first != NULL)
        (*first)->size.prev = c;
    *first = c;
    c->size.is_linked = true;
}

void client_eviction_note(struct client *c)
{
    struct client_sizes *sizes = &c->server->client_sizes;
    if (sizes->limit == 0)
        return;
    if (c->flags & CLIENT_CLOSE_NOW) {
        client_eviction_forget(c);
        return;
    }
    size_t bytes = client_memory(c);
    sizes->total += bytes - c->size.noted;
    c->size.noted = bytes;
    bool may_go = !(c->flags & CLIENT_NO_EVICT);
    int list = list_of(bytes);
    if (c->size.is_linked && may_go && c->size.list == list)
        return;
    unlink_size(sizes, c);
    if (may_go)
        link_size(sizes, c, list);
}

void client_eviction_forget(struct client *c)
{
    struct client_sizes *sizes = &c->server->client_sizes;
    sizes->total -= c->size.noted;
    c->size.noted = 0;
    unlink_size(sizes, c);
}

/* In bytes; a share (a negative number of percents) is one of maxmemory, and none if that has no
 * limit. */
static size_t limit_of(const struct options *o)
{
    int64_t limit = o->maxmemory_clients;
    if (limit < 0)
        limit = (int64_t)((double)o->maxmemory * (double)-limit / 100);
    if (limit == 0)
        return 0;
    return limit < LEAST_LIMIT ? LEAST_LIMIT : (size_t)limit;
}

void client_eviction_apply(struct server *s)
{
    s->client_sizes.limit = limit_of(&s->opt);
    for (struct client *c = s->clients.first; c != NULL; c = c->next) {
        if (s->client_sizes.limit != 0)
            client_eviction_note(c);
        else
            client_eviction_forget(c);
    }
}

static struct client *largest(const struct client_sizes *sizes)
{
    for (int i = CLIENT_SIZES - 1; i >= 0; i--)
        if (sizes->lists[i] != NULL)
            return sizes->lists[i];
    return NULL;
}

static void evict(struct client *c)
{
    struct server *s = c->server;
    struct text line = {0};
    client_report(c, NULL, &line);
    log_write(s->log, LOG_LEVEL_NOTICE, "Evicting client: %.*s", (int)line.len - 1, line.data);
    text_fini(&line);
    s->stats.evicted_clients++;
    client_close(c, false); /* which also takes it out of the list */
}

void client_eviction_run(struct server *s)
{
    struct client_sizes *sizes = &s->client_sizes;
    if (sizes->total <= sizes->limit || largest(sizes) == NULL)
        return;
    network_flush(s); /* closes those over their own output limits, too: they go first */
    for (struct client *c; sizes->total > sizes->limit && (c = largest(sizes)) != NULL;)
        evict(c);
}
