/*
 * keyspace.c - databases, and the barrier around every change of a key.
 *
 * Each mutator below comes as a pair: the change, and the kind of undo record that takes it back.
 * Without an open section the change frees at once what it displaces; with one, the record keeps
 * it.
 */
#include "storage/keyspace.h"

#include <assert.h>
#include <stdlib.h>

#include "base/cells.h"
#include "base/memory.h"
#include "storage/eviction.h"
#include "storage/keyspace_news.h"
#include "storage/lazyfree.h"
#include "storage/undo.h"
#include "storage/value.h"
#include "storage/watch.h"

static struct bytes key_of_entry(const void *entry)
{
    return entry_key(entry);
}

static struct bytes key_of_watched(const void *entry)
{
    const struct watched_key *watched = entry;
    return bytes_of(watched->name, watched->len);
}

static const struct dict_type key_table = {key_of_entry};
static const struct dict_type watched_table = {key_of_watched};

struct keyspace *keyspace_create(int db_count)
{
    struct keyspace *ks = mem_alloc_zeroed(sizeof *ks);
    ks->dbs = mem_alloc_zeroed((size_t)db_count * sizeof *ks->dbs);
    ks->db_count = db_count;
    ks->versions.limit = 1000000;
    ks->lfu_log_factor = 10;
    ks->lfu_decay_minutes = 1;
    ks->limits = (struct limits){
        .hash_listpack_entries = 512,
        .hash_listpack_value = 64,
        .set_intset_entries = 512,
        .set_listpack_entries = 128,
        .set_listpack_value = 64,
        .zset_listpack_entries = 128,
        .zset_listpack_value = 64,
        .list = {.fill = -2},
    };
    for (int i = 0; i < db_count; i++) {
        ks->dbs[i].id = i;
        dict_init(&ks->dbs[i].keys, &key_table);
        dict_init(&ks->dbs[i].watched, &watched_table);
        expiry_init(&ks->dbs[i].expiry);
        expiry_init_of(&ks->dbs[i].inner_expiry, value_due);
    }
    ks->undo = undo_create();
    return ks;
}

/* End all entries of a table that nobody uses any more, and the table. ks: what is large goes to
 * the background thread; NULL: all ends here. */
static void end_table(struct keyspace *ks, struct dict *keys)
{
    struct dict_iter it;
    dict_iter_begin(&it, keys);
    for (struct entry *e; (e = dict_iter_next(&it)) != NULL;)
        if (ks != NULL)
            keyspace_end_entry(ks, e, false);
        else
            value_end(e);
    dict_iter_end(&it);
    dict_fini(keys);
}

void keyspace_destroy(struct keyspace *ks)
{
    if (ks == NULL)
        return;
    watch_forget(ks, true);
    for (int i = 0; i < ks->db_count; i++) {
        end_table(NULL, &ks->dbs[i].keys);
        expiry_fini(&ks->dbs[i].expiry);
        expiry_fini(&ks->dbs[i].inner_expiry);
        assert(ks->dbs[i].watched.count == 0);
        dict_fini(&ks->dbs[i].watched);
    }
    undo_destroy(ks->undo);
    mem_free(ks->dbs);
    mem_free(ks);
}

/* -- finding ----------------------------------------------------------------------------------- */

/* Redis's rule: a key still lives in the millisecond of its deadline. */
bool keyspace_is_dead(const struct keyspace *ks, const struct entry *e)
{
    return entry_expires(e) && ks->now_ms > entry_deadline(e);
}

/* Remove a dead entry, as if by a command of its own. */
static void bury(struct keyspace *ks, int db, struct entry *e)
{
    struct bytes name = entry_key(e);
    char small[64], *copy = name.len <= sizeof small ? small : mem_alloc(name.len);
    memcpy(copy, name.ptr, name.len);
    struct key key = key_of(bytes_of(copy, name.len));
    keyspace_remove(ks, db, key, ks->lazy_expire);
    keyspace_changed(ks, db, key.name, EVENT_EXPIRED, "expired");
    if (copy != small)
        mem_free(copy);
}

struct entry *keyspace_find(struct keyspace *ks, int db, struct key key)
{
    struct entry *e = dict_find(&ks->dbs[db].keys, key.name, key.hash);
    if (e != NULL && keyspace_is_dead(ks, e)) {
        if (!ks->keep_expired)
            bury(ks, db, e);
        return NULL;
    }
    return e;
}

struct entry *keyspace_peek(const struct keyspace *ks, int db, struct key key)
{
    struct entry *e = dict_find(&ks->dbs[db].keys, key.name, key.hash);
    return e != NULL && !keyspace_is_dead(ks, e) ? e : NULL;
}

void keyspace_touch(const struct keyspace *ks, struct entry *e)
{
    entry_set_clock(e, ks->lfu ? eviction_lfu_touch(ks, entry_clock(e)) : ks->access_clock);
}

struct entry *keyspace_random(struct keyspace *ks, int db)
{
    enum { TRIES_WHEN_KEPT = 100 };
    for (int tries = 0;; tries++) {
        struct entry *e = dict_random(&ks->dbs[db].keys);
        if (e == NULL || !keyspace_is_dead(ks, e))
            return e;
        if (!ks->keep_expired)
            bury(ks, db, e);
        else if (tries == TRIES_WHEN_KEPT)
            return e; /* everything has expired and may not be buried: Redis returns one of them */
    }
}

uint64_t keyspace_size(const struct keyspace *ks, int db)
{
    return ks->dbs[db].keys.count;
}

/* -- ending values ----------------------------------------------------------------------------- */

void keyspace_end_entry(struct keyspace *ks, struct entry *e, bool lazy)
{
    uint64_t most = lazy ? VALUE_LAZY_EFFORT : VALUE_SLOW_EFFORT;
    if (ks->lazyfree != NULL && value_ops(entry_type(e))->effort(e) > most)
        lazyfree_queue(ks->lazyfree, value_end, e, lazy);
    else
        value_end(e);
}

size_t keyspace_entry_memory(const struct entry *e, uint64_t samples)
{
    return cell_usable(entry_shell_size(e)) + value_ops(entry_type(e))->memory(e, samples);
}

/* What the undo log keeps alive counts as its memory. */
static void log_keeps(struct keyspace *ks, const struct entry *e)
{
    ks->undo->kept += keyspace_entry_memory(e, 5);
}

/* -- the index of deadlines -------------------------------------------------------------------- */

/* The entry came, or goes. */
static void index_add(struct db *db, const struct entry *e, uint64_t hash)
{
    if (entry_expires(e))
        expiry_add(&db->expiry, hash, entry_deadline(e));
    if (value_due(e) != DEADLINE_NONE)
        expiry_add(&db->inner_expiry, hash, value_due(e));
}

static void index_drop(struct db *db, const struct entry *e)
{
    if (entry_expires(e))
        expiry_drop(&db->expiry, entry_deadline(e));
    if (value_due(e) != DEADLINE_NONE)
        expiry_drop(&db->inner_expiry, value_due(e));
}

/* -- putting in and taking out ----------------------------------------------------------------- */

static void table_put(struct keyspace *ks, int db, struct entry *e, uint64_t hash)
{
    dict_insert(&ks->dbs[db].keys, e, hash);
    index_add(&ks->dbs[db], e, hash);
}

static void table_drop(struct keyspace *ks, int db, struct entry *e, uint64_t hash)
{
    dict_remove(&ks->dbs[db].keys, entry_key(e), hash);
    index_drop(&ks->dbs[db], e);
}

static void table_swap_entry(struct keyspace *ks, int db, struct entry *old, struct entry *new,
                             uint64_t hash)
{
    dict_replace(&ks->dbs[db].keys, old, new, hash);
    expiry_change(&ks->dbs[db].expiry, hash, entry_deadline(old), entry_deadline(new));
    expiry_change(&ks->dbs[db].inner_expiry, hash, value_due(old), value_due(new));
}

struct change {
    int db;
    bool lazy;
    uint64_t hash;
    struct entry *old, *new;
};

static void revert_add(struct keyspace *ks, void *record)
{
    struct change *c = record;
    table_drop(ks, c->db, c->new, c->hash);
    keyspace_end_entry(ks, c->new, false);
}

static const struct undo_kind kind_add = {"add", revert_add, NULL};

/* Where dead keys stay, one may stand in the place that is to be taken. */
static void make_way(struct keyspace *ks, int db, struct key key)
{
    if (!ks->keep_expired)
        return;
    struct entry *dead = dict_find(&ks->dbs[db].keys, key.name, key.hash);
    if (dead != NULL)
        bury(ks, db, dead);
}

void keyspace_add(struct keyspace *ks, int db, struct entry *e, uint64_t hash)
{
    make_way(ks, db, (struct key){entry_key(e), hash});
    entry_set_clock(e, eviction_new_clock(ks));
    table_put(ks, db, e, hash);
    if (undo_is_open(ks->undo)) {
        struct change *c = undo_record(ks->undo, &kind_add, sizeof *c);
        *c = (struct change){.db = db, .hash = hash, .new = e};
    }
    keyspace_event(ks, db, entry_key(e), EVENT_NEW, "new");
}

static void revert_remove(struct keyspace *ks, void *record)
{
    struct change *c = record;
    table_put(ks, c->db, c->old, c->hash);
}

static void keep_remove(struct keyspace *ks, void *record)
{
    struct change *c = record;
    keyspace_end_entry(ks, c->old, c->lazy);
}

static const struct undo_kind kind_remove = {"remove", revert_remove, keep_remove};

bool keyspace_remove(struct keyspace *ks, int db, struct key key, bool lazy)
{
    struct entry *e = dict_remove(&ks->dbs[db].keys, key.name, key.hash);
    if (e == NULL)
        return false;
    index_drop(&ks->dbs[db], e);
    if (undo_is_open(ks->undo)) {
        struct change *c = undo_record(ks->undo, &kind_remove, sizeof *c);
        *c = (struct change){.db = db, .lazy = lazy, .hash = key.hash, .old = e};
        log_keeps(ks, e);
    } else {
        keyspace_end_entry(ks, e, lazy);
    }
    return true;
}

static void revert_replace(struct keyspace *ks, void *record)
{
    struct change *c = record;
    table_swap_entry(ks, c->db, c->new, c->old, c->hash);
    keyspace_end_entry(ks, c->new, false);
}

static const struct undo_kind kind_replace = {"replace", revert_replace, keep_remove};

void keyspace_replace(struct keyspace *ks, int db, struct entry *old, struct entry *e,
                      uint64_t hash)
{
    entry_set_clock(e, ks->lfu ? entry_clock(old) : ks->access_clock);
    table_swap_entry(ks, db, old, e, hash);
    if (undo_is_open(ks->undo)) {
        struct change *c = undo_record(ks->undo, &kind_replace, sizeof *c);
        *c = (struct change){
            .db = db, .lazy = ks->lazy_server_del, .hash = hash, .old = old, .new = e};
        log_keeps(ks, old);
    } else {
        keyspace_end_entry(ks, old, ks->lazy_server_del);
    }
}

/* -- shells: the same value in another allocation ---------------------------------------------- */

/* Changes inside the value were taken back before this runs, but the value itself may have moved.
 */
static void give_value_back(struct entry *from, struct entry *to)
{
    if (to->flags & ENTRY_INLINE)
        entry_set_encoding(to, entry_encoding(from));
    else
        entry_set_word_of(to, from);
}

static void revert_reshell(struct keyspace *ks, void *record)
{
    struct change *c = record;
    give_value_back(c->new, c->old);
    table_swap_entry(ks, c->db, c->new, c->old, c->hash);
    entry_free_shell(c->new);
}

static void keep_shell(struct keyspace *ks, void *record)
{
    (void)ks;
    entry_free_shell(((struct change *)record)->old);
}

static const struct undo_kind kind_reshell = {"reshell", revert_reshell, keep_shell};

void keyspace_reshell(struct keyspace *ks, int db, struct entry *old, struct entry *e,
                      uint64_t hash)
{
    table_swap_entry(ks, db, old, e, hash);
    if (undo_is_open(ks->undo)) {
        struct change *c = undo_record(ks->undo, &kind_reshell, sizeof *c);
        *c = (struct change){.db = db, .hash = hash, .old = old, .new = e};
    } else {
        entry_free_shell(old);
    }
}

struct deadline_change {
    int db;
    uint64_t hash;
    struct entry *entry;
    int64_t before, after;
};

static void revert_deadline(struct keyspace *ks, void *record)
{
    struct deadline_change *c = record;
    entry_store_deadline(c->entry, c->before);
    expiry_change(&ks->dbs[c->db].expiry, c->hash, c->after, c->before);
}

static const struct undo_kind kind_deadline = {"deadline", revert_deadline, NULL};

struct entry *keyspace_set_deadline(struct keyspace *ks, int db, struct entry *e, uint64_t hash,
                                    int64_t deadline_ms)
{
    int64_t before = entry_deadline(e);
    if (before == deadline_ms)
        return e;
    if (!entry_store_deadline(e, deadline_ms)) {
        struct entry *moved = entry_rebuild(e, entry_key(e), deadline_ms);
        keyspace_reshell(ks, db, e, moved, hash);
        return moved;
    }
    expiry_change(&ks->dbs[db].expiry, hash, before, deadline_ms);
    if (undo_is_open(ks->undo)) {
        struct deadline_change *c = undo_record(ks->undo, &kind_deadline, sizeof *c);
        *c = (struct deadline_change){db, hash, e, before, deadline_ms};
    }
    return e;
}

struct move {
    int from_db, to_db;
    uint64_t from_hash, to_hash;
    struct entry *from, *to;
};

static void revert_move(struct keyspace *ks, void *record)
{
    struct move *m = record;
    table_drop(ks, m->to_db, m->to, m->to_hash);
    give_value_back(m->to, m->from);
    entry_free_shell(m->to);
    table_put(ks, m->from_db, m->from, m->from_hash);
}

static void keep_move(struct keyspace *ks, void *record)
{
    (void)ks;
    entry_free_shell(((struct move *)record)->from);
}

static const struct undo_kind kind_move = {"move", revert_move, keep_move};

struct entry *keyspace_move(struct keyspace *ks, int from_db, struct entry *e, uint64_t hash,
                            int to_db, struct key to)
{
    make_way(ks, to_db, to);
    struct entry *moved = entry_rebuild(e, to.name, entry_deadline(e));
    table_drop(ks, from_db, e, hash);
    table_put(ks, to_db, moved, to.hash);
    if (undo_is_open(ks->undo)) {
        struct move *m = undo_record(ks->undo, &kind_move, sizeof *m);
        *m = (struct move){from_db, to_db, hash, to.hash, e, moved};
    } else {
        entry_free_shell(e);
    }
    keyspace_event(ks, to_db, to.name, EVENT_NEW, "new");
    return moved;
}

/* -- whole databases --------------------------------------------------------------------------- */

struct flushed {
    int db;
    bool lazy;
    struct dict keys;
    struct expiry expiry, inner_expiry;
};

static void end_flushed(void *table)
{
    end_table(NULL, table);
    mem_free(table);
}

/* lazy: the background thread counts these keys as freed. */
static void end_keys(struct keyspace *ks, struct dict keys, bool lazy)
{
    bool few = keys.count <= VALUE_LAZY_EFFORT;
    if (ks->lazyfree == NULL || keys.count == 0 || (few && !lazy)) {
        end_table(ks, &keys);
        return;
    }
    struct dict *away = mem_alloc(sizeof *away);
    *away = keys;
    lazyfree_queue(ks->lazyfree, end_flushed, away, lazy ? keys.count : 0);
}

static void revert_flush(struct keyspace *ks, void *record)
{
    struct flushed *f = record;
    struct db *db = &ks->dbs[f->db];
    dict_fini(&db->keys);
    expiry_fini(&db->expiry);
    expiry_fini(&db->inner_expiry);
    db->keys = f->keys;
    db->expiry = f->expiry;
    db->inner_expiry = f->inner_expiry;
}

static void keep_flush(struct keyspace *ks, void *record)
{
    struct flushed *f = record;
    ks->dirty += f->keys.count;
    end_keys(ks, f->keys, f->lazy);
    expiry_fini(&f->expiry);
    expiry_fini(&f->inner_expiry);
}

static const struct undo_kind kind_flush = {"flush", revert_flush, keep_flush};

static void bump_watched(struct keyspace *ks, int db, const struct dict *present);

static uint64_t flush_one(struct keyspace *ks, int id, bool lazy)
{
    struct db *db = &ks->dbs[id];
    struct flushed f = {id, lazy, db->keys, db->expiry, db->inner_expiry};
    bump_watched(ks, id, &db->keys);
    dict_init(&db->keys, &key_table);
    expiry_init(&db->expiry);
    expiry_init_of(&db->inner_expiry, value_due);
    if (undo_is_open(ks->undo))
        memcpy(undo_record(ks->undo, &kind_flush, sizeof f), &f, sizeof f);
    else
        keep_flush(ks, &f);
    return f.keys.count;
}

uint64_t keyspace_flush(struct keyspace *ks, int db, bool lazy)
{
    uint64_t removed = 0;
    int first = db >= 0 ? db : 0, last = db >= 0 ? db : ks->db_count - 1;
    for (int i = first; i <= last; i++)
        removed += flush_one(ks, i, lazy);
    keyspace_flushed(ks);
    return removed;
}

static void exchange(struct keyspace *ks, int a, int b)
{
    struct db *x = &ks->dbs[a], *y = &ks->dbs[b];
    struct dict keys = x->keys;
    struct expiry expiry = x->expiry, inner_expiry = x->inner_expiry;
    x->keys = y->keys;
    x->expiry = y->expiry;
    x->inner_expiry = y->inner_expiry;
    y->keys = keys;
    y->expiry = expiry;
    y->inner_expiry = inner_expiry;
}

static void revert_swap(struct keyspace *ks, void *record)
{
    int *pair = record;
    exchange(ks, pair[0], pair[1]);
}

static const struct undo_kind kind_swap = {"swap", revert_swap, NULL};

void keyspace_swap(struct keyspace *ks, int a, int b)
{
    if (a == b)
        return;
    /* A watched name counts as changed if it exists in either database. */
    bump_watched(ks, a, &ks->dbs[a].keys);
    bump_watched(ks, a, &ks->dbs[b].keys);
    bump_watched(ks, b, &ks->dbs[a].keys);
    bump_watched(ks, b, &ks->dbs[b].keys);
    exchange(ks, a, b);
    if (undo_is_open(ks->undo)) {
        int *pair = undo_record(ks->undo, &kind_swap, 2 * sizeof *pair);
        pair[0] = a;
        pair[1] = b;
    }
}

/* The names watched in db that exist in present change their version. */
static void bump_watched(struct keyspace *ks, int db, const struct dict *present)
{
    if (ks->dbs[db].watched.count == 0)
        return;
    struct dict_iter it;
    dict_iter_begin(&it, &ks->dbs[db].watched);
    for (struct watched_key *w; (w = dict_iter_next(&it)) != NULL;) {
        struct bytes name = bytes_of(w->name, w->len);
        struct entry *e = dict_find(present, name, w->hash);
        if (e != NULL && !keyspace_is_dead(ks, e))
            keyspace_changed(ks, db, name, 0, NULL);
    }
    dict_iter_end(&it);
}

/* -- deadlines --------------------------------------------------------------------------------- */

struct burial {
    struct keyspace *ks;
    int db;
};

static void bury_visited(void *entry, void *context)
{
    struct burial *b = context;
    bury(b->ks, b->db, entry);
}

bool keyspace_expire_due(struct keyspace *ks, uint32_t limit)
{
    bool more = false;
    if (ks->keep_expired)
        return false;
    for (int i = 0; i < ks->db_count; i++) {
        struct db *db = &ks->dbs[i];
        struct burial b = {ks, i};
        if (db->expiry.wheel != NULL)
            more |= expiry_sweep(&db->expiry, &db->keys, ks->now_ms, limit, bury_visited, &b);
    }
    return more;
}

static void visit_value(void *entry, void *context)
{
    struct burial *b = context;
    value_ops(entry_type(entry))->visit(b->ks, b->db, entry);
}

bool keyspace_visit_due(struct keyspace *ks, uint32_t limit)
{
    bool more = false;
    if (ks->keep_expired)
        return false;
    for (int i = 0; i < ks->db_count; i++) {
        struct db *db = &ks->dbs[i];
        struct burial b = {ks, i};
        if (db->inner_expiry.wheel != NULL)
            more |= expiry_sweep(&db->inner_expiry, &db->keys, ks->now_ms, limit, visit_value, &b);
    }
    return more;
}

/* -- checks ------------------------------------------------------------------------------------ */

void keyspace_check(const struct keyspace *ks)
{
    for (int i = 0; i < ks->db_count; i++) {
        struct db *db = &ks->dbs[i];
        dict_check(&db->keys);
        expiry_check(&db->expiry, &db->keys);
        expiry_check(&db->inner_expiry, &db->keys);
        uint64_t expiring = 0;
        struct dict_iter it;
        dict_iter_begin(&it, &db->keys);
        for (struct entry *e; (e = dict_iter_next(&it)) != NULL;)
            expiring += entry_expires(e);
        dict_iter_end(&it);
        if (expiring != db->expiry.keys)
            abort();
    }
}
