/*
 * client.c - the state of one session.
 *
 * Clients stand in one list in the order of their ids, oldest first, as CLIENT LIST prints them.
 * A table finds one by its id; it comes with the first client and goes with the last.
 * Where a client's bytes come from and go to is the connection's matter (conn.c).
 */
#include "server/client.h"

#include "base/clock.h"
#include "base/memory.h"
#include "server/client_eviction.h"
#include "server/executor.h"
#include "server/monitor.h"
#include "server/outlimit.h"
#include "server/pubsub.h"
#include "server/server.h"
#include "server/tracking.h"
#include "server/transaction.h"

static struct bytes id_of_client(const void *entry)
{
    const struct client *c = entry;
    return bytes_of(&c->id, sizeof c->id);
}

static const struct dict_type client_table = {id_of_client};

static void enlist(struct server *s, struct client *c)
{
    c->prev = s->clients.last;
    if (c->prev != NULL)
        c->prev->next = c;
    else
        s->clients.first = c;
    s->clients.last = c;
    if (s->clients.count++ == 0)
        dict_init(&s->clients.by_id, &client_table);
    dict_insert(&s->clients.by_id, c, dict_hash(id_of_client(c)));
}

static void delist(struct server *s, struct client *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        s->clients.first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    else
        s->clients.last = c->prev;
    dict_remove(&s->clients.by_id, id_of_client(c), dict_hash(id_of_client(c)));
    if (--s->clients.count == 0)
        dict_fini(&s->clients.by_id);
}

struct client *client_create(struct server *s)
{
    struct client *c = mem_alloc_zeroed(sizeof(*c));
    c->server = s;
    c->id = ++s->clients.next_id;
    reply_init(&c->reply, &s->reply_pool, &s->reply_errors);
    c->created_ms = c->active_ms = clock_wall_ms();
    client_deauthenticate(c);
    outlimit_refresh(c);
    enlist(s, c);
    return c;
}

void client_destroy(struct client *c)
{
    if (c == NULL)
        return;
    monitor_stop(c);
    pubsub_leave(c);
    tracking_stop(c);
    client_eviction_forget(c);
    transaction_discard(c);
    if (c->flags & CLIENT_PAUSED)
        c->server->clients.paused--;
    delist(c->server, c);
    reply_fini(&c->reply);
    mem_free(c->name);
    mem_free(c->lib_name);
    mem_free(c->lib_version);
    mem_free(c);
}

struct client *client_by_id(struct server *s, uint64_t id)
{
    struct bytes key = bytes_of(&id, sizeof id);
    struct client *c = dict_find(&s->clients.by_id, key, dict_hash(key));
    return c != NULL && (c->flags & CLIENT_CLOSE_NOW) == 0 ? c : NULL;
}

enum client_class client_class(const struct client *c)
{
    /* Monitors count as normal clients, as in Redis. */
    return c->subscriptions != NULL ? CLASS_PUBSUB : CLASS_NORMAL;
}

void client_authenticate(struct client *c)
{
    c->user = "default";
    c->flags |= CLIENT_AUTHENTICATED;
    c->gates &= ~(uint32_t)GATE_UNAUTHENTICATED;
}

void client_deauthenticate(struct client *c)
{
    client_authenticate(c);
    if (c->server->opt.requirepass.len > 0) {
        c->flags &= ~(uint32_t)CLIENT_AUTHENTICATED;
        c->gates |= GATE_UNAUTHENTICATED;
    }
}

bool client_set_word(char **field, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '!' || text.ptr[i] > '~')
            return false;
    }
    mem_free(*field);
    *field = text.len > 0 ? mem_copy_bytes(text.ptr, text.len) : NULL;
    return true;
}

static size_t text_size(const char *text)
{
    return text != NULL ? mem_size_of(text) : 0;
}

size_t client_memory(const struct client *c)
{
    return mem_size_of(c) + reply_memory(&c->reply) + client_input_room(c) + c->argument_memory +
           transaction_memory(c) + pubsub_memory(c) + tracking_memory(c) + text_size(c->name) +
           text_size(c->lib_name) + text_size(c->lib_version);
}
