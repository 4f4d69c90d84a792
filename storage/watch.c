/*
 * watch.c - versions of the keys that somebody watches.
 *
 * A key that is dead or absent is the same to a client: there is none. So a watcher that saw no
 * live key does not mind that a dead one is buried, or flushed, or swapped in; one that saw a live
 * key minds if it is not live any more, even where nothing was announced.
 */
#include "storage/watch.h"

#include "base/memory.h"

static struct bytes name_of(const struct watched_key *w)
{
    return bytes_of(w->name, w->len);
}

static bool is_live(const struct keyspace *ks, const struct watched_key *w)
{
    return keyspace_peek(ks, w->db, (struct key){name_of(w), w->hash}) != NULL;
}

static struct watched_key *watched_create(struct keyspace *ks, int db, struct key key)
{
    struct watched_key *w = mem_alloc(sizeof *w + key.name.len);
    *w = (struct watched_key){.hash = key.hash, .db = db, .len = (uint32_t)key.name.len};
    w->version = w->quiet_since = ++ks->last_version;
    memcpy(w->name, key.name.ptr, key.name.len);
    dict_insert(&ks->dbs[db].watched, w, key.hash);
    return w;
}

struct watch watch_begin(struct keyspace *ks, int db, struct key key)
{
    struct watched_key *w = dict_find(&ks->dbs[db].watched, key.name, key.hash);
    if (w == NULL)
        w = watched_create(ks, db, key);
    w->refs++;
    return (struct watch){.key = w, .version = w->version, .was_live = is_live(ks, w)};
}

void watch_end(struct keyspace *ks, struct watch *watch)
{
    struct watched_key *w = watch->key;
    watch->key = NULL;
    if (w == NULL || --w->refs > 0)
        return;
    dict_remove(&ks->dbs[w->db].watched, name_of(w), w->hash);
    mem_free(w);
}

bool watch_is_broken(const struct keyspace *ks, const struct watch *watch)
{
    const struct watched_key *w = watch->key;
    if (watch->was_live)
        return watch->version != w->version || !is_live(ks, w);
    return watch->version < w->quiet_since;
}

void watch_bump(struct keyspace *ks, int db, struct bytes key, uint64_t hash, bool buried)
{
    struct watched_key *w = dict_find(&ks->dbs[db].watched, key, hash);
    if (w == NULL)
        return;
    w->version = ++ks->last_version;
    if (!buried)
        w->quiet_since = w->version;
}

uint64_t watch_count(const struct keyspace *ks)
{
    uint64_t count = 0;
    for (int i = 0; i < ks->db_count; i++)
        count += ks->dbs[i].watched.count;
    return count;
}
