/*
 * watch.c - versions of the keys that somebody asked about.
 *
 * A key that is dead or absent is the same to a client: there is none. So a watcher that saw no
 * live key does not mind that a dead one is buried, or flushed, or swapped in; one that saw a live
 * key minds if it is not live any more, even where nothing was announced.
 *
 * A record lives as long as somebody watches the key or one of its members (refs), or GETVER's
 * memory holds it (is_kept). Members are compared by a fingerprint of what they hold, taken anew
 * whenever their key changes: the mutators of values need not know who watches what.
 */
#include "storage/watch.h"

#include "base/memory.h"
#include "storage/value.h"

static struct bytes name_of(const struct watched_key *w)
{
    return bytes_of(w->name, w->len);
}

static bool is_live(const struct keyspace *ks, const struct watched_key *w)
{
    return keyspace_peek(ks, w->db, (struct key){name_of(w), w->hash}) != NULL;
}

/* With its place in the table. */
static size_t size_of(const struct watched_key *w)
{
    enum { PLACE = 12 };
    return mem_usable(sizeof *w + w->len) + PLACE;
}

/* -- records ----------------------------------------------------------------------------------- */

static struct watched_key *key_record(struct keyspace *ks, int db, struct key key)
{
    struct watched_key *w = dict_find(&ks->dbs[db].watched, key.name, key.hash);
    if (w != NULL)
        return w;
    w = mem_alloc(sizeof *w + key.name.len);
    *w = (struct watched_key){.hash = key.hash, .db = db, .len = (uint32_t)key.name.len};
    w->version = w->quiet_since = ++ks->last_version;
    memcpy(w->name, key.name.ptr, key.name.len);
    dict_insert(&ks->dbs[db].watched, w, key.hash);
    ks->versions.idle++;
    ks->versions.bytes += size_of(w);
    return w;
}

static void free_if_unused(struct keyspace *ks, struct watched_key *w)
{
    if (w->refs > 0 || w->is_kept)
        return;
    dict_remove(&ks->dbs[w->db].watched, name_of(w), w->hash);
    ks->versions.idle--;
    ks->versions.bytes -= size_of(w);
    mem_free(w);
}

static void take_reference(struct keyspace *ks, struct watched_key *w)
{
    ks->versions.idle -= w->refs++ == 0;
}

static void give_reference(struct keyspace *ks, struct watched_key *w)
{
    ks->versions.idle += --w->refs == 0;
    free_if_unused(ks, w);
}

/* -- members ----------------------------------------------------------------------------------- */

static struct bytes key_of_field(const void *entry)
{
    const struct watched_field *f = entry;
    return bytes_of(f->name, f->len);
}

static const struct dict_type field_table = {key_of_field};

static uint64_t print_of(const struct keyspace *ks, const struct watched_key *w,
                         const struct watched_field *f)
{
    const struct entry *e = keyspace_peek(ks, w->db, (struct key){name_of(w), w->hash});
    if (e == NULL || value_ops(entry_type(e))->print == NULL)
        return 0;
    return value_ops(entry_type(e))->print(ks, e, key_of_field(f));
}

static struct watched_field *field_record(struct keyspace *ks, struct watched_key *w,
                                          struct bytes member)
{
    uint64_t hash = dict_hash(member);
    if (w->fields == NULL) {
        w->fields = mem_alloc(sizeof *w->fields);
        dict_init(w->fields, &field_table);
    }
    struct watched_field *f = dict_find(w->fields, member, hash);
    if (f != NULL)
        return f;
    f = mem_alloc(sizeof *f + member.len);
    *f = (struct watched_field){.hash = hash, .len = (uint32_t)member.len};
    memcpy(f->name, member.ptr, member.len);
    f->version = ++ks->last_version;
    f->print = print_of(ks, w, f);
    dict_insert(w->fields, f, hash);
    return f;
}

static void drop_field(struct watched_key *w, struct watched_field *f)
{
    if (--f->refs > 0)
        return;
    dict_remove(w->fields, key_of_field(f), f->hash);
    mem_free(f);
    if (w->fields->count > 0)
        return;
    dict_fini(w->fields);
    mem_free(w->fields);
    w->fields = NULL;
}

/* all: what they hold may be the same, but it is not the same member any more. */
static void bump_fields(struct keyspace *ks, struct watched_key *w, bool all)
{
    struct dict_iter it;
    dict_iter_begin(&it, w->fields);
    for (struct watched_field *f; (f = dict_iter_next(&it)) != NULL;) {
        uint64_t print = print_of(ks, w, f);
        if (all || print != f->print) {
            f->version = w->version;
            f->author = w->author;
        }
        f->print = print;
    }
    dict_iter_end(&it);
}

/* -- watches ----------------------------------------------------------------------------------- */

struct watch watch_begin(struct keyspace *ks, int db, struct key key)
{
    struct watched_key *w = key_record(ks, db, key);
    take_reference(ks, w);
    return (struct watch){.key = w, .version = w->version, .was_live = is_live(ks, w)};
}

struct watch watch_begin_field(struct keyspace *ks, int db, struct key key, struct bytes member)
{
    struct watch watch = watch_begin(ks, db, key);
    watch.field = field_record(ks, watch.key, member);
    watch.field->refs++;
    /* A member may have died of age without an announcement since its key last changed. */
    uint64_t print = print_of(ks, watch.key, watch.field);
    if (print != watch.field->print) {
        watch.field->print = print;
        watch.field->version = ++ks->last_version;
    }
    watch.version = watch.field->version;
    return watch;
}

void watch_end(struct keyspace *ks, struct watch *watch)
{
    struct watched_key *w = watch->key;
    if (w == NULL)
        return;
    if (watch->field != NULL)
        drop_field(w, watch->field);
    watch->key = NULL;
    watch->field = NULL;
    give_reference(ks, w);
}

static bool key_changed(const struct keyspace *ks, const struct watched_key *w, struct version v)
{
    if (v.was_live)
        return v.number != w->version || !is_live(ks, w);
    return v.number < w->quiet_since;
}

bool watch_is_broken(const struct keyspace *ks, const struct watch *watch)
{
    const struct watched_field *f = watch->field;
    if (f == NULL)
        return key_changed(ks, watch->key, (struct version){watch->version, watch->was_live});
    return watch->version != f->version || f->print != print_of(ks, watch->key, f);
}

/* -- versions ---------------------------------------------------------------------------------- */

static void unlink_kept(struct versions *v, struct watched_key *w)
{
    *(w->older != NULL ? &w->older->newer : &v->oldest) = w->newer;
    *(w->newer != NULL ? &w->newer->older : &v->newest) = w->older;
    v->count--;
    v->kept -= size_of(w);
}

static void link_newest(struct versions *v, struct watched_key *w)
{
    w->older = v->newest;
    w->newer = NULL;
    *(v->newest != NULL ? &v->newest->newer : &v->oldest) = w;
    v->newest = w;
    v->count++;
    v->kept += size_of(w);
}

void watch_forget(struct keyspace *ks, bool all)
{
    enum { USUAL = 256 }; /* bytes for a key: long names make fewer */
    struct versions *v = &ks->versions;
    uint64_t limit = all ? 0 : v->limit;
    for (struct watched_key *w;
         (w = v->oldest) != NULL && (v->count > limit || v->kept / USUAL > limit);) {
        unlink_kept(v, w);
        w->is_kept = false;
        free_if_unused(ks, w);
    }
}

struct version watch_version(struct keyspace *ks, int db, struct key key)
{
    struct watched_key *w = key_record(ks, db, key);
    struct version version = {w->version, is_live(ks, w)};
    if (w->is_kept)
        unlink_kept(&ks->versions, w);
    link_newest(&ks->versions, w);
    w->is_kept = true;
    watch_forget(ks, false);
    return version;
}

const struct watched_key *watch_find(const struct keyspace *ks, int db, struct key key)
{
    return dict_find(&ks->dbs[db].watched, key.name, key.hash);
}

bool watch_version_stands(const struct keyspace *ks, int db, struct key key, struct version v)
{
    const struct watched_key *w = watch_find(ks, db, key);
    return w != NULL && v.number <= w->version && !key_changed(ks, w, v);
}

/* -- changes ----------------------------------------------------------------------------------- */

void watch_bump(struct keyspace *ks, int db, struct key key, enum watch_change change,
                struct author author)
{
    struct watched_key *w = dict_find(&ks->dbs[db].watched, key.name, key.hash);
    if (w == NULL)
        return;
    w->version = ++ks->last_version;
    if (change != WATCH_BURIAL)
        w->quiet_since = w->version;
    w->author = change != WATCH_BURIAL ? author : (struct author){0};
    if (w->fields != NULL)
        bump_fields(ks, w, change == WATCH_WHOLE);
}

uint64_t watch_count(const struct keyspace *ks)
{
    uint64_t count = 0;
    for (int i = 0; i < ks->db_count; i++)
        count += ks->dbs[i].watched.count;
    return count - ks->versions.idle;
}

size_t watch_memory(const struct keyspace *ks)
{
    return ks->versions.bytes;
}
