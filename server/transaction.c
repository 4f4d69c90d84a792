/*
 * transaction.c - the queue between MULTI and EXEC, and what WATCH remembers.
 *
 * A queue is one block that grows: for each command a record, its arguments' views, and their
 * bytes, aligned to 8. While the block may still move, the views hold offsets; transaction_next()
 * turns them into pointers. Structs and small blocks of finished transactions are kept for the next
 * ones.
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

enum { SPARE_MAX = 64, SPARE_BLOCK = 4096 };

struct record {
    struct command_slot *command;
    uint64_t hash;
    size_t size; /* to the next record */
    int hashed_arg, argc;
    struct bytes argv[]; /* .ptr is an offset into the block */
};

static struct transaction *transaction_of(struct client *c)
{
    struct server *s = c->server;
    if (c->transaction != NULL)
        return c->transaction;
    struct transaction *t = s->spare_transactions;
    if (t != NULL) {
        s->spare_transactions = t->next_spare;
        s->spare_count--;
    } else {
        t = mem_alloc_zeroed(sizeof *t);
    }
    return c->transaction = t;
}

void transaction_begin(struct client *c, bool rollback)
{
    transaction_of(c)->rollback = rollback;
    c->flags |= CLIENT_MULTI;
    c->gates |= GATE_MULTI;
}

static struct record *record_add(struct transaction *t, size_t size)
{
    if (t->room - t->used < size) {
        t->room = (t->used + size) * 2;
        t->block = mem_resize(t->block, t->room);
    }
    struct record *r = (struct record *)(t->block + t->used);
    t->used += size;
    t->count++;
    return r;
}

void transaction_queue(const struct call *call)
{
    struct transaction *t = transaction_of(call->client);
    t->all_flags |= call_flags(call);
    if (t->aborted)
        return; /* EXEC will refuse: no need to remember more */
    size_t views = sizeof(struct record) + (size_t)call->argc * sizeof(struct bytes), size = views;
    for (int i = 0; i < call->argc; i++)
        size += call->argv[i].len;
    size = (size + 7) & ~(size_t)7;
    struct record *r = record_add(t, size);
    *r = (struct record){call->command, call->hash, size, call->hashed_arg, call->argc};
    char *text = (char *)r + views;
    for (int i = 0; i < call->argc; i++) {
        r->argv[i] = bytes_of((const char *)(uintptr_t)(text - t->block), call->argv[i].len);
        memcpy(text, call->argv[i].ptr, call->argv[i].len);
        text += call->argv[i].len;
    }
}

bool transaction_next(struct transaction *t, size_t *at, struct queued *q)
{
    if (*at == t->used)
        return false;
    struct record *r = (struct record *)(t->block + *at);
    for (int i = 0; i < r->argc; i++)
        r->argv[i].ptr = t->block + (uintptr_t)r->argv[i].ptr;
    *q = (struct queued){r->command, r->argc, r->argv, r->hash, r->hashed_arg};
    *at += r->size;
    return true;
}

void transaction_abort(struct client *c)
{
    transaction_of(c)->aborted = true;
}

static bool is_watched(const struct transaction *t, const struct watch *w)
{
    for (uint32_t i = 0; i < t->watch_count; i++)
        if (t->watches[i].key == w->key && t->watches[i].field == w->field)
            return true;
    return false;
}

/* Watching twice is watching once: what the first one saw counts. */
static void add_watch(struct client *c, struct watch w)
{
    struct transaction *t = transaction_of(c);
    if (is_watched(t, &w)) {
        watch_end(c->server->keys, &w);
        return;
    }
    if (t->watch_count == t->watch_room) {
        t->watch_room = t->watch_room == 0 ? 4 : t->watch_room * 2;
        t->watches = mem_resize(t->watches, t->watch_room * sizeof *t->watches);
    }
    c->server->clients.watching += t->watch_count == 0;
    t->watches[t->watch_count++] = w;
}

void transaction_watch(struct client *c, struct key key)
{
    add_watch(c, watch_begin(c->server->keys, c->db, key));
}

void transaction_watch_field(struct client *c, struct key key, struct bytes member)
{
    add_watch(c, watch_begin_field(c->server->keys, c->db, key, member));
}

bool transaction_obstacle(const struct client *c, struct txlog_obstacle *out)
{
    const struct transaction *t = c->transaction;
    for (uint32_t i = 0; t != NULL && i < t->watch_count; i++) {
        const struct watch *w = &t->watches[i];
        if (!watch_is_broken(c->server->keys, w))
            continue;
        *out = (struct txlog_obstacle){.db = w->key->db, .author = w->key->author};
        out->key = bytes_of(w->key->name, w->key->len);
        if (w->field != NULL) {
            out->field = bytes_of(w->field->name, w->field->len);
            out->author = w->field->author;
        }
        return true;
    }
    return false;
}

void transaction_unwatch_key(struct client *c, struct key key)
{
    struct transaction *t = c->transaction;
    uint32_t kept = 0;
    if (t == NULL || t->watch_count == 0)
        return;
    for (uint32_t i = 0; i < t->watch_count; i++) {
        const struct watched_key *w = t->watches[i].key;
        if (w->db == c->db && w->hash == key.hash &&
            bytes_equal(bytes_of(w->name, w->len), key.name))
            watch_end(c->server->keys, &t->watches[i]);
        else
            t->watches[kept++] = t->watches[i];
    }
    t->watch_count = kept;
    c->server->clients.watching -= kept == 0;
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

static void transaction_free(struct transaction *t)
{
    mem_free(t->block);
    mem_free(t->watches);
    mem_free(t);
}

void transaction_give_back(struct server *s, struct transaction *t)
{
    if (t == NULL)
        return;
    if (s->spare_count == SPARE_MAX || t->room > SPARE_BLOCK || t->watch_room > 0) {
        transaction_free(t);
        return;
    }
    *t = (struct transaction){
        .next_spare = s->spare_transactions, .block = t->block, .room = t->room};
    s->spare_transactions = t;
    s->spare_count++;
}

void transaction_drop_spare(struct server *s)
{
    for (struct transaction *t = s->spare_transactions, *next; t != NULL; t = next) {
        next = t->next_spare;
        transaction_free(t);
    }
    s->spare_transactions = NULL;
    s->spare_count = 0;
}

void transaction_discard(struct client *c)
{
    transaction_give_back(c->server, transaction_take(c));
}

size_t transaction_memory(const struct client *c)
{
    const struct transaction *t = c->transaction;
    if (t == NULL)
        return 0;
    return sizeof *t + t->room + t->watch_room * sizeof *t->watches;
}
