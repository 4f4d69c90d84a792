/*
 * tracking.c - client-side caching.
 *
 * The table of keys is one for all databases, as in Redis: a name stands for the key in any of
 * them. It remembers readers by id and not by pointer, so a client that goes or stops tracking
 * leaves at once: its ids are skipped when the key's turn comes, and dropped when the key has no
 * room for another reader.
 *
 * Changes come from the keyspace's barrier, so a section that is taken back invalidates nothing.
 */
#include "server/tracking.h"

#include <stdlib.h>

#include "base/memory.h"
#include "server/client.h"
#include "server/command.h"
#include "server/executor.h"
#include "server/push.h"
#include "server/server.h"
#include "server/transaction.h"

enum { LIMIT_EFFORT = 100, KEYS_NEAR = 16 };

/* A key that somebody has read. */
struct tracked {
    uint64_t hash;
    uint64_t *readers; /* owned; ids of clients, each once, ascending */
    uint32_t count, room;
    uint32_t len;
    char name[];
};

/* A key that has changed in this turn and begins with a prefix. */
struct changed {
    uint64_t hash;
    const struct client *author; /* NULL: nobody, it expired or was evicted */
    uint32_t len;
    char name[];
};

struct prefix {
    struct client **clients; /* owned */
    uint32_t count;
    struct dict changes; /* struct changed */
    uint32_t len;
    char text[];
};

struct tracking {
    struct dict keys;         /* struct tracked */
    struct dict trackers;     /* struct tracker, by the bytes of the client's id */
    uint64_t items;           /* readers of all keys */
    struct prefix **prefixes; /* owned; in the order of memcmp() */
    uint32_t prefix_count;
    struct bytes *own; /* owned, with their bytes: what the executing client is told when its
                        * command is over; a ptr of NULL: all keys */
    uint32_t own_count, own_room;
    uint64_t own_redirect; /* whom it redirected to, should it stop tracking before */
    bool has_changes;      /* a prefix has some */
    uint64_t rounds;       /* how often in a row the table was above its limit */
};

static struct bytes name_of_tracked(const void *entry)
{
    const struct tracked *k = entry;
    return bytes_of(k->name, k->len);
}

static struct bytes name_of_changed(const void *entry)
{
    const struct changed *k = entry;
    return bytes_of(k->name, k->len);
}

static struct bytes id_of_tracker(const void *entry)
{
    const struct tracker *t = entry;
    return bytes_of(&t->client->id, sizeof t->client->id);
}

static const struct dict_type tracked_table = {name_of_tracked};
static const struct dict_type changed_table = {name_of_changed};
static const struct dict_type tracker_table = {id_of_tracker};

static struct tracker *tracker_by_id(const struct tracking *t, uint64_t id)
{
    struct bytes key = bytes_of(&id, sizeof id);
    return dict_find(&t->trackers, key, dict_hash(key));
}

/* -- telling ----------------------------------------------------------------------------------- */

static void tell_broken(struct tracker *t)
{
    t->flags |= TRACKING_BROKEN;
    if (t->client->reply.resp == 2)
        return;
    struct push push = push_begin(t->client);
    if (push.reply == NULL)
        return;
    reply_push(push.reply, 2);
    reply_bulk_text(push.reply, "tracking-redir-broken");
    reply_int(push.reply, (int64_t)t->redirect);
    push_end(&push);
}

/* Begin a push of keys that have changed: an array of them (or null for all) is to follow. In
 * RESP2, only a subscriber who is redirected to can be told, by a message that has keys where its
 * text would be. */
static bool tell_begin(struct tracker *t, struct push *push)
{
    struct client *c = t->client;
    if (t->redirect != 0)
        c = client_by_id(c->server, t->redirect);
    if (c == NULL) {
        tell_broken(t);
        return false;
    }
    if (c->reply.resp == 2 && (t->redirect == 0 || c->subscriptions == NULL))
        return false;
    *push = push_begin(c);
    if (push->reply == NULL)
        return false;
    if (c->reply.resp == 3) {
        reply_push(push->reply, 2);
        reply_bulk_text(push->reply, "invalidate");
    } else {
        reply_array(push->reply, 3);
        reply_bulk_text(push->reply, "message");
        reply_bulk_text(push->reply, "__redis__:invalidate");
    }
    return true;
}

/* A ptr of NULL: all keys. */
static void tell_now(struct tracker *t, struct bytes key)
{
    struct push push;
    if (!tell_begin(t, &push))
        return;
    if (key.ptr == NULL) {
        reply_null(push.reply);
    } else {
        reply_array(push.reply, 1);
        reply_bulk(push.reply, key);
    }
    push_end(&push);
}

/* Whoever changes what it has read is told when its command is over, in the protocol that it speaks
 * then: a transaction may hold a HELLO. */
static void tell(struct tracker *t, struct bytes key)
{
    struct server *s = t->client->server;
    struct tracking *all = s->tracking;
    if (t->client != s->executing) {
        tell_now(t, key);
        return;
    }
    if (all->own_count == all->own_room) {
        all->own_room = all->own_room == 0 ? 4 : all->own_room * 2;
        all->own = mem_resize(all->own, all->own_room * sizeof *all->own);
    }
    if (key.ptr != NULL)
        key.ptr = mem_copy_bytes(key.ptr, key.len);
    all->own[all->own_count++] = key;
    all->own_redirect = t->redirect;
    s->has_own_pushes = true;
}

void tracking_tell_own(struct client *c)
{
    struct tracking *all = c->server->tracking;
    if (all == NULL || all->own_count == 0)
        return;
    struct tracker stopped = {.client = c, .redirect = all->own_redirect};
    for (uint32_t i = 0; i < all->own_count; i++) {
        tell_now(c->tracker != NULL ? c->tracker : &stopped, all->own[i]);
        mem_free((char *)all->own[i].ptr);
    }
    mem_free(all->own);
    all->own = NULL;
    all->own_count = all->own_room = 0;
}

/* -- keys that were read ----------------------------------------------------------------------- */

/* Where the id stands among the key's readers, or would stand. */
static uint32_t place_of(const struct tracked *k, uint64_t id)
{
    uint32_t from = 0, to = k->count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (k->readers[middle] < id)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* Those who are gone leave, and there is room for as many again as have stayed: the next time comes
 * after so many new readers that it costs each of them two look-ups. */
static void make_room(struct tracking *t, struct tracked *k)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < k->count; i++)
        if (tracker_by_id(t, k->readers[i]) != NULL)
            k->readers[kept++] = k->readers[i];
    t->items -= k->count - kept;
    k->count = kept;
    k->room = kept > 0 ? 2 * kept : 1;
    k->readers = mem_resize(k->readers, k->room * sizeof *k->readers);
}

static void add_reader(struct tracking *t, struct tracked *k, uint64_t id)
{
    uint32_t at = place_of(k, id);
    if (at < k->count && k->readers[at] == id)
        return;
    if (k->count == k->room) {
        make_room(t, k);
        at = place_of(k, id);
    }
    memmove(k->readers + at + 1, k->readers + at, (k->count - at) * sizeof *k->readers);
    k->readers[at] = id;
    k->count++;
    t->items++;
}

static void remember(struct tracking *t, uint64_t reader, struct bytes name)
{
    uint64_t hash = dict_hash(name);
    struct tracked *k = dict_find(&t->keys, name, hash);
    if (k == NULL) {
        k = mem_alloc(sizeof *k + name.len);
        *k = (struct tracked){.hash = hash, .len = (uint32_t)name.len};
        memcpy(k->name, name.ptr, name.len);
        dict_insert(&t->keys, k, hash);
    }
    add_reader(t, k, reader);
}

static void forget(struct tracking *t, struct tracked *k)
{
    t->items -= k->count;
    mem_free(k->readers);
    mem_free(k);
}

/* The key is taken from the table, and its readers are told; not the author, if he asked for that.
 */
static void invalidate(struct tracking *t, struct tracked *k, const struct client *author)
{
    dict_remove(&t->keys, name_of_tracked(k), k->hash);
    for (uint32_t i = 0; i < k->count; i++) {
        struct tracker *reader = tracker_by_id(t, k->readers[i]);
        if (reader == NULL || reader->flags & TRACKING_BCAST)
            continue;
        if (reader->flags & TRACKING_NOLOOP && reader->client == author)
            continue;
        tell(reader, name_of_tracked(k));
    }
    forget(t, k);
}

static bool wants(const struct tracker *t)
{
    bool caching = t->flags & TRACKING_CACHING;
    if (t->flags & TRACKING_OPTIN)
        return caching;
    return !(t->flags & TRACKING_BCAST) && !(t->flags & TRACKING_OPTOUT && caching);
}

static void remember_keys(struct tracker *t, const struct call *call)
{
    struct tracking *all = call->server->tracking;
    struct key_position near[KEYS_NEAR], *keys = near;
    int count = command_keys(call->command, call->argv, call->argc, near, KEYS_NEAR);
    if (count > KEYS_NEAR) {
        keys = mem_alloc((size_t)count * sizeof *keys);
        command_keys(call->command, call->argv, call->argc, keys, count);
    }
    for (int i = 0; i < count; i++)
        remember(all, t->client->id, call->argv[keys[i].index]);
    if (keys != near)
        mem_free(keys);
}

/* CLIENT CACHING is for the next command, or for the whole transaction. */
static void end_caching(struct tracker *t, const struct call *call)
{
    const struct client *c = call->client;
    const char *name = call->command->full_name;
    if (c == t->client && !(c->flags & (CLIENT_MULTI | CLIENT_IN_EXEC)) &&
        strncmp(name, "client", 6) != 0)
        t->flags &= ~(uint32_t)TRACKING_CACHING;
}

/* What a script reads is read by its caller. */
void tracking_after(const struct call *call)
{
    struct client *c = call->server->executing;
    struct tracker *t = (c != NULL ? c : call->client)->tracker;
    if (t == NULL)
        return;
    const struct command_slot *command = call->command;
    if (command->flags & CMD_READONLY && !(command->categories & CAT_SCRIPTING) && wants(t))
        remember_keys(t, call);
    if (t->flags & TRACKING_CACHING)
        end_caching(t, call);
}

/* -- prefixes ---------------------------------------------------------------------------------- */

static struct bytes text_of(const struct prefix *p)
{
    return bytes_of(p->text, p->len);
}

static struct prefix *prefix_at(struct tracking *t, struct bytes text)
{
    for (uint32_t i = 0; i < t->prefix_count; i++)
        if (bytes_equal(text_of(t->prefixes[i]), text))
            return t->prefixes[i];
    struct prefix *p = mem_alloc_zeroed(sizeof *p + text.len);
    dict_init(&p->changes, &changed_table);
    p->len = (uint32_t)text.len;
    memcpy(p->text, text.ptr, text.len);
    t->prefixes = mem_resize(t->prefixes, (t->prefix_count + 1) * sizeof(struct prefix *));
    uint32_t at = t->prefix_count++;
    for (; at > 0 && bytes_compare(text_of(t->prefixes[at - 1]), text) > 0; at--)
        t->prefixes[at] = t->prefixes[at - 1];
    return t->prefixes[at] = p;
}

static void drop_changes(struct prefix *p)
{
    struct dict_iter it;
    dict_iter_begin(&it, &p->changes);
    for (struct changed *k; (k = dict_iter_next(&it)) != NULL;)
        mem_free(k);
    dict_iter_end(&it);
    dict_reset(&p->changes);
}

static void prefix_end(struct tracking *t, uint32_t at)
{
    struct prefix *p = t->prefixes[at];
    t->prefix_count--;
    memmove(t->prefixes + at, t->prefixes + at + 1, (t->prefix_count - at) * sizeof p);
    drop_changes(p);
    mem_free(p->clients);
    mem_free(p);
}

static void prefix_join(struct prefix *p, struct client *c)
{
    p->clients = mem_resize(p->clients, (p->count + 1) * sizeof(struct client *));
    p->clients[p->count++] = c;
}

static void leave_prefixes(struct tracking *t, const struct client *c)
{
    for (uint32_t i = t->prefix_count; i-- > 0;) {
        struct prefix *p = t->prefixes[i];
        uint32_t kept = 0;
        for (uint32_t k = 0; k < p->count; k++)
            if (p->clients[k] != c)
                p->clients[kept++] = p->clients[k];
        p->count = kept;
        if (kept == 0)
            prefix_end(t, i);
    }
}

/* Of the changes of one key in a turn, the last one has the say of who made it. */
static void note_change(struct tracking *t, struct bytes key, const struct client *author)
{
    uint64_t hash = dict_hash(key);
    for (uint32_t i = 0; i < t->prefix_count; i++) {
        struct prefix *p = t->prefixes[i];
        if (key.len < p->len || memcmp(key.ptr, p->text, p->len) != 0)
            continue;
        struct changed *k = dict_find(&p->changes, key, hash);
        if (k == NULL) {
            k = mem_alloc(sizeof *k + key.len);
            *k = (struct changed){.hash = hash, .len = (uint32_t)key.len};
            memcpy(k->name, key.ptr, key.len);
            dict_insert(&p->changes, k, hash);
        }
        k->author = author;
        t->has_changes = true;
    }
}

static bool is_news(const struct changed *k, const struct tracker *t)
{
    return !(t->flags & TRACKING_NOLOOP) || k->author != t->client;
}

static int compare_changes(const void *left, const void *right)
{
    const struct changed *const *a = left, *const *b = right;
    return bytes_compare(name_of_changed(*a), name_of_changed(*b));
}

/* All changes below a prefix, by name. */
static struct changed **list_changes(struct prefix *p)
{
    struct changed **list = mem_alloc(p->changes.count * sizeof(struct changed *));
    size_t count = 0;
    struct dict_iter it;
    dict_iter_begin(&it, &p->changes);
    for (struct changed *k; (k = dict_iter_next(&it)) != NULL;)
        list[count++] = k;
    dict_iter_end(&it);
    qsort(list, count, sizeof(struct changed *), compare_changes);
    return list;
}

static void tell_changes(struct tracker *t, struct changed *const *list, uint64_t all)
{
    struct push push;
    int64_t count = 0;
    for (uint64_t i = 0; i < all; i++)
        count += is_news(list[i], t);
    if (count == 0 || !tell_begin(t, &push))
        return;
    reply_array(push.reply, count);
    for (uint64_t i = 0; i < all; i++)
        if (is_news(list[i], t))
            reply_bulk(push.reply, name_of_changed(list[i]));
    push_end(&push);
}

void tracking_broadcast(struct server *s)
{
    struct tracking *t = s->tracking;
    if (!t->has_changes)
        return;
    t->has_changes = false;
    for (uint32_t i = 0; i < t->prefix_count; i++) {
        struct prefix *p = t->prefixes[i];
        if (p->changes.count == 0)
            continue;
        struct changed **list = list_changes(p);
        for (uint32_t k = 0; k < p->count; k++)
            tell_changes(p->clients[k]->tracker, list, p->changes.count);
        mem_free(list);
        drop_changes(p);
    }
}

/* -- what the keyspace says -------------------------------------------------------------------- */

static void on_changed(void *context, struct bytes key, enum event_class class)
{
    struct server *s = context;
    struct tracking *t = s->tracking;
    bool by_itself = class == EVENT_EXPIRED || class == EVENT_EVICTED;
    const struct client *author = by_itself ? NULL : s->executing;
    if (t->prefix_count > 0)
        note_change(t, key, author);
    struct tracked *k = t->keys.count > 0 ? dict_find(&t->keys, key, dict_hash(key)) : NULL;
    if (k != NULL)
        invalidate(t, k, author);
}

static void forget_all(struct tracking *t)
{
    struct dict_iter it;
    dict_iter_begin(&it, &t->keys);
    for (struct tracked *k; (k = dict_iter_next(&it)) != NULL;)
        forget(t, k);
    dict_iter_end(&it);
    dict_reset(&t->keys);
}

/* A database is empty, or all are: nothing that was read is worth keeping. */
static void on_flushed(void *context)
{
    struct tracking *t = ((struct server *)context)->tracking;
    struct dict_iter it;
    dict_iter_begin(&it, &t->trackers);
    for (struct tracker *tracker; (tracker = dict_iter_next(&it)) != NULL;)
        tell(tracker, bytes_of(NULL, 0));
    dict_iter_end(&it);
    forget_all(t);
}

/* The keyspace tells only if somebody wants to know; if nobody does, nothing needs to be known. */
static void attend(struct server *s)
{
    struct tracking *t = s->tracking;
    bool on = t->trackers.count > 0;
    if (!on)
        forget_all(t);
    s->keys->hooks.changed = on ? on_changed : NULL;
    s->keys->hooks.flushed = on ? on_flushed : NULL;
    s->clients.tracking = t->trackers.count;
    executor_arm(s, GATE_TRACKING, on);
}

void tracking_limit(struct server *s)
{
    struct tracking *t = s->tracking;
    uint64_t most = (uint64_t)s->opt.tracking_table_max_keys;
    uint64_t effort = LIMIT_EFFORT * (t->rounds + 1);
    while (most != 0 && t->keys.count > most && effort-- > 0)
        invalidate(t, dict_random(&t->keys), NULL);
    t->rounds = most != 0 && t->keys.count > most ? t->rounds + 1 : 0;
}

/* -- clients ----------------------------------------------------------------------------------- */

struct tracking *tracking_create(struct server *s)
{
    (void)s;
    struct tracking *t = mem_alloc_zeroed(sizeof *t);
    dict_init(&t->keys, &tracked_table);
    dict_init(&t->trackers, &tracker_table);
    return t;
}

void tracking_destroy(struct tracking *t)
{
    if (t == NULL)
        return;
    forget_all(t);
    dict_fini(&t->keys);
    dict_fini(&t->trackers);
    mem_free(t->prefixes);
    mem_free(t);
}

static void add_prefix(struct tracker *t, struct bytes text)
{
    uint32_t at = t->prefix_count;
    for (uint32_t i = 0; i < t->prefix_count; i++)
        if (bytes_equal(t->prefixes[i], text))
            return;
    t->prefixes = mem_resize(t->prefixes, (at + 1) * sizeof *t->prefixes);
    for (; at > 0 && bytes_compare(t->prefixes[at - 1], text) > 0; at--)
        t->prefixes[at] = t->prefixes[at - 1];
    t->prefixes[at] = bytes_of(mem_copy_bytes(text.ptr, text.len), text.len);
    t->prefix_count++;
    t->prefix_bytes += mem_size_of(t->prefixes[at].ptr);
    prefix_join(prefix_at(t->client->server->tracking, text), t->client);
}

void tracking_start(struct client *c, uint32_t flags, uint64_t redirect,
                    const struct bytes *prefixes, int count)
{
    struct tracking *all = c->server->tracking;
    struct tracker *t = c->tracker;
    if (t == NULL) {
        t = c->tracker = mem_alloc_zeroed(sizeof *t);
        t->client = c;
        dict_insert(&all->trackers, t, dict_hash(id_of_tracker(t)));
    }
    t->flags = flags | (t->flags & TRACKING_CACHING);
    t->redirect = redirect;
    for (int i = 0; i < count; i++)
        add_prefix(t, prefixes[i]);
    if (flags & TRACKING_BCAST && count == 0)
        add_prefix(t, bytes_of("", 0));
    attend(c->server);
}

void tracking_stop(struct client *c)
{
    struct tracker *t = c->tracker;
    if (t == NULL)
        return;
    struct tracking *all = c->server->tracking;
    if (t->flags & TRACKING_BCAST)
        leave_prefixes(all, c);
    dict_remove(&all->trackers, id_of_tracker(t), dict_hash(id_of_tracker(t)));
    for (uint32_t i = 0; i < t->prefix_count; i++)
        mem_free((char *)t->prefixes[i].ptr);
    mem_free(t->prefixes);
    mem_free(t);
    c->tracker = NULL;
    attend(c->server);
}

/* -- figures ----------------------------------------------------------------------------------- */

uint64_t tracking_keys(const struct server *s)
{
    return s->tracking->keys.count;
}

uint64_t tracking_items(const struct server *s)
{
    return s->tracking->items;
}

uint64_t tracking_prefixes(const struct server *s)
{
    return s->tracking->prefix_count;
}

size_t tracking_memory(const struct client *c)
{
    const struct tracker *t = c->tracker;
    if (t == NULL)
        return 0;
    size_t pointers = t->prefix_count * (sizeof *t->prefixes + sizeof(struct client *));
    return mem_size_of(t) + pointers + t->prefix_bytes;
}
