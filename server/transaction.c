/*
 * transaction.c - the queue between MULTI and EXEC, and what WATCH remembers.
 */
#include "server/transaction.h"

#include "base/memory.h"
#include "server/client.h"
#include "server/executor.h"
#include "server/server.h"

struct queued queued_copy(struct command_slot *command, const struct bytes *argv, int argc)
{
    size_t views = (size_t)argc * sizeof *argv, total = views;
    for (int i = 0; i < argc; i++)
        total += argv[i].len;
    struct bytes *block = mem_alloc(total);
    char *text = (char *)block + views;
    for (int i = 0; i < argc; i++) {
        block[i] = bytes_of(text, argv[i].len);
        memcpy(text, argv[i].ptr, argv[i].len);
        text += argv[i].len;
    }
    return (struct queued){.command = command, .argc = argc, .argv = block};
}

static struct transaction *transaction_of(struct client *c)
{
    if (c->transaction == NULL)
        c->transaction = mem_alloc_zeroed(sizeof *c->transaction);
    return c->transaction;
}

void transaction_begin(struct client *c, bool rollback)
{
    transaction_of(c)->rollback = rollback;
    c->flags |= CLIENT_MULTI;
    c->gates |= GATE_MULTI;
}

void transaction_queue(const struct call *call)
{
    struct transaction *t = transaction_of(call->client);
    t->all_flags |= call->command->flags;
    if (t->aborted)
        return; /* EXEC will refuse: no need to remember more */
    if (t->count == t->room) {
        t->room = t->room == 0 ? 4 : t->room * 2;
        t->queue = mem_resize(t->queue, t->room * sizeof *t->queue);
    }
    struct queued *q = &t->queue[t->count++];
    *q = queued_copy(call->command, call->argv, call->argc);
    q->hash = call->hash;
    q->hashed_arg = call->hashed_arg;
    t->memory += mem_size_of(q->argv);
}

void transaction_abort(struct client *c)
{
    transaction_of(c)->aborted = true;
}

void transaction_watch(struct client *c, struct key key)
{
    struct transaction *t = transaction_of(c);
    for (uint32_t i = 0; i < t->watch_count; i++) {
        const struct watched_key *w = t->watches[i].key;
        if (w->db == c->db && w->hash == key.hash &&
            bytes_equal(bytes_of(w->name, w->len), key.name))
            return;
    }
    if (t->watch_count == t->watch_room) {
        t->watch_room = t->watch_room == 0 ? 4 : t->watch_room * 2;
        t->watches = mem_resize(t->watches, t->watch_room * sizeof *t->watches);
    }
    c->server->clients.watching += t->watch_count == 0;
    t->watches[t->watch_count++] = watch_begin(c->server->keys, c->db, key);
}

bool transaction_is_broken(const struct client *c)
{
    const struct transaction *t = c->transaction;
    for (uint32_t i = 0; t != NULL && i < t->watch_count; i++)
        if (watch_is_broken(c->server->keys, &t->watches[i]))
            return true;
    return false;
}

void transaction_unwatch(struct client *c)
{
    struct transaction *t = c->transaction;
    if (t == NULL || t->watch_count == 0)
        return;
    for (uint32_t i = 0; i < t->watch_count; i++)
        watch_end(c->server->keys, &t->watches[i]);
    t->watch_count = 0;
    c->server->clients.watching--;
}

struct transaction *transaction_take(struct client *c)
{
    struct transaction *t = c->transaction;
    transaction_unwatch(c);
    c->flags &= ~(uint32_t)CLIENT_MULTI;
    c->gates &= ~(uint32_t)GATE_MULTI;
    c->transaction = NULL;
    return t;
}

void transaction_destroy(struct transaction *t)
{
    if (t == NULL)
        return;
    for (uint32_t i = 0; i < t->count; i++)
        mem_free(t->queue[i].argv);
    mem_free(t->queue);
    mem_free(t->watches);
    mem_free(t);
}

void transaction_discard(struct client *c)
{
    transaction_destroy(transaction_take(c));
}

size_t transaction_memory(const struct client *c)
{
    const struct transaction *t = c->transaction;
    if (t == NULL)
        return 0;
    return sizeof *t + t->memory + t->room * sizeof *t->queue + t->watch_room * sizeof *t->watches;
}
