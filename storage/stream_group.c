/*
 * stream_group.c - groups, consumers, and what is pending.
 *
 * Records hold pointers to streams, groups and consumers: one that is destroyed inside a section
 * lives on in the log until the section closes.
 */
#include "storage/stream_group.h"

#include <stdlib.h>

#include "base/memory.h"
#include "storage/undo.h"

/* -- names ------------------------------------------------------------------------------------- */

static struct bytes name_at(const struct stream_names *n, uint32_t i)
{
    return *(const struct bytes *)n->items[i];
}

/* Where the name is, or belongs. */
static uint32_t names_seek(const struct stream_names *n, struct bytes name)
{
    uint32_t from = 0, to = n->count;
    while (from < to) {
        uint32_t middle = (from + to) / 2;
        if (bytes_compare(name_at(n, middle), name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void *names_find(const struct stream_names *n, struct bytes name)
{
    uint32_t i = names_seek(n, name);
    return i < n->count && bytes_equal(name_at(n, i), name) ? n->items[i] : NULL;
}

static void names_add(struct stream_names *n, void *item)
{
    uint32_t i = names_seek(n, *(struct bytes *)item);
    if (n->count == n->room) {
        n->room = n->room > 0 ? n->room + n->room / 2 + 1 : 1;
        n->items = mem_resize(n->items, n->room * sizeof(void *));
    }
    memmove(n->items + i + 1, n->items + i, (n->count - i) * sizeof(void *));
    n->items[i] = item;
    n->count++;
}

static void names_drop(struct stream_names *n, const void *item)
{
    uint32_t i = names_seek(n, *(const struct bytes *)item);
    n->count--;
    memmove(n->items + i, n->items + i + 1, (n->count - i) * sizeof(void *));
}

static struct bytes copy_name(struct bytes name)
{
    return bytes_of(mem_copy_bytes(name.ptr, name.len), name.len);
}

/* -- making and ending ------------------------------------------------------------------------- */

static struct stream_consumer *consumer_new(struct bytes name, int64_t seen_ms, int64_t active_ms)
{
    struct stream_consumer *c = mem_alloc(sizeof *c);
    *c = (struct stream_consumer){copy_name(name), seen_ms, active_ms, {0}};
    idtree_init(&c->pending, 0);
    return c;
}

static void consumer_free(struct stream_consumer *c)
{
    idtree_fini(&c->pending);
    mem_free((void *)c->name.ptr);
    mem_free(c);
}

static struct stream_group *group_new(struct bytes name, struct stream_id last_id,
                                      int64_t entries_read)
{
    struct stream_group *g = mem_alloc(sizeof *g);
    *g = (struct stream_group){copy_name(name), last_id, entries_read, {0}, {0}};
    idtree_init(&g->pending, sizeof(struct stream_pending));
    return g;
}

static void group_free(struct stream_group *g)
{
    for (uint32_t i = 0; i < g->consumers.count; i++)
        consumer_free(g->consumers.items[i]);
    mem_free(g->consumers.items);
    idtree_fini(&g->pending);
    mem_free((void *)g->name.ptr);
    mem_free(g);
}

void stream_groups_fini(struct stream *s)
{
    for (uint32_t i = 0; i < s->groups.count; i++)
        group_free(s->groups.items[i]);
    mem_free(s->groups.items);
    s->groups = (struct stream_names){0};
}

/* -- reading ----------------------------------------------------------------------------------- */

struct stream_group *stream_group_find(const struct stream *s, struct bytes name)
{
    return names_find(&s->groups, name);
}

struct stream_group *stream_group_at(const struct stream *s, uint32_t i)
{
    return s->groups.items[i];
}

struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct bytes name)
{
    return names_find(&g->consumers, name);
}

struct stream_consumer *stream_consumer_at(const struct stream_group *g, uint32_t i)
{
    return g->consumers.items[i];
}

struct stream_pending *stream_pending_find(const struct stream_group *g, struct stream_id id)
{
    return idtree_find(&g->pending, id);
}

/* Is there a living entry, and a deleted one behind the first of those, that is not before id? */
static bool has_holes_from(const struct stream *s, struct stream_id id)
{
    const struct stream_facts *f = &s->facts;
    return f->length > 0 && !stream_id_is_zero(f->max_deleted_id) &&
           !stream_id_less(f->max_deleted_id, f->first_id) &&
           !stream_id_less(f->max_deleted_id, id);
}

bool stream_is_needed(const struct stream *s, struct stream_id id)
{
    for (uint32_t i = 0; i < s->groups.count; i++) {
        const struct stream_group *g = stream_group_at(s, i);
        if (stream_id_less(g->last_id, id) || stream_pending_find(g, id) != NULL)
            return true;
    }
    return false;
}

/* What can be told without walking: nothing was deleted behind the first entry, or id is the last
 * one. */
int64_t stream_added_until(const struct stream *s, struct stream_id id)
{
    const struct stream_facts *f = &s->facts;
    if (f->entries_added == 0)
        return 0;
    if (f->length == 0 && !stream_id_less(f->last_id, id))
        return (int64_t)f->entries_added;
    if (stream_id_equal(id, f->last_id))
        return (int64_t)f->entries_added;
    bool is_whole =
        stream_id_is_zero(f->max_deleted_id) || stream_id_less(f->max_deleted_id, f->first_id);
    if (stream_id_less(f->last_id, id) || !is_whole || stream_id_less(f->first_id, id))
        return ENTRIES_READ_UNKNOWN;
    return (int64_t)(f->entries_added - f->length) + stream_id_equal(id, f->first_id);
}

int64_t stream_read_with(const struct stream *s, int64_t entries_read, struct stream_id id)
{
    if (entries_read != ENTRIES_READ_UNKNOWN && !has_holes_from(s, id))
        return (int64_t)((uint64_t)entries_read + 1); /* XGROUP may have set it to anything */
    return s->facts.entries_added > 0 ? stream_added_until(s, id) : entries_read;
}

bool stream_group_lag(const struct stream *s, const struct stream_group *g, int64_t *lag)
{
    int64_t read = 0;
    uint64_t added = s->facts.entries_added;
    if (added > 0) {
        read = g->entries_read;
        if (read == ENTRIES_READ_UNKNOWN || has_holes_from(s, g->last_id))
            read = stream_added_until(s, g->last_id);
    }
    *lag = (int64_t)(added - (uint64_t)read);
    return read != ENTRIES_READ_UNKNOWN;
}

/* -- positions --------------------------------------------------------------------------------- */

struct position {
    struct stream_group *g;
    struct stream_id last_id;
    int64_t entries_read;
};

static void revert_position(struct keyspace *ks, void *record)
{
    (void)ks;
    const struct position *p = record;
    p->g->last_id = p->last_id;
    p->g->entries_read = p->entries_read;
}

static const struct undo_kind kind_position = {"stream group position", revert_position, NULL};

void stream_group_set_position(struct keyspace *ks, struct stream_group *g,
                               struct stream_id last_id, int64_t entries_read)
{
    if (undo_is_open(ks->undo)) {
        struct position *p = undo_record(ks->undo, &kind_position, sizeof *p);
        *p = (struct position){g, g->last_id, g->entries_read};
    }
    g->last_id = last_id;
    g->entries_read = entries_read;
}

/* -- groups ------------------------------------------------------------------------------------ */

struct group_change {
    struct stream *s;
    struct stream_group *g;
};

static void record_group(struct keyspace *ks, const struct undo_kind *kind, struct stream *s,
                         struct stream_group *g)
{
    struct group_change *c = undo_record(ks->undo, kind, sizeof *c);
    *c = (struct group_change){s, g};
}

static void revert_new_group(struct keyspace *ks, void *record)
{
    (void)ks;
    struct group_change *c = record;
    names_drop(&c->s->groups, c->g);
    group_free(c->g);
}

static const struct undo_kind kind_new_group = {"new stream group", revert_new_group, NULL};

static void revert_old_group(struct keyspace *ks, void *record)
{
    (void)ks;
    struct group_change *c = record;
    names_add(&c->s->groups, c->g);
}

static void keep_old_group(struct keyspace *ks, void *record)
{
    (void)ks;
    group_free(((struct group_change *)record)->g);
}

static const struct undo_kind kind_old_group = {"removed stream group", revert_old_group,
                                                keep_old_group};

struct stream_group *stream_load_group(struct stream *s, struct bytes name,
                                       struct stream_id last_id, int64_t entries_read)
{
    if (stream_group_find(s, name) != NULL)
        return NULL;
    struct stream_group *g = group_new(name, last_id, entries_read);
    names_add(&s->groups, g);
    return g;
}

struct stream_group *stream_group_create(struct keyspace *ks, struct stream *s, struct bytes name,
                                         struct stream_id last_id, int64_t entries_read)
{
    struct stream_group *g = stream_load_group(s, name, last_id, entries_read);
    if (g != NULL && undo_is_open(ks->undo))
        record_group(ks, &kind_new_group, s, g);
    return g;
}

static size_t group_memory(const struct stream_group *g);

void stream_group_destroy(struct keyspace *ks, struct stream *s, struct stream_group *g)
{
    names_drop(&s->groups, g);
    if (undo_is_open(ks->undo)) {
        record_group(ks, &kind_old_group, s, g);
        ks->undo->kept += group_memory(g);
    } else {
        group_free(g);
    }
}

/* -- consumers --------------------------------------------------------------------------------- */

struct consumer_change {
    struct stream_group *g;
    struct stream_consumer *c;
};

static void record_consumer(struct keyspace *ks, const struct undo_kind *kind,
                            struct stream_group *g, struct stream_consumer *c)
{
    struct consumer_change *change = undo_record(ks->undo, kind, sizeof *change);
    *change = (struct consumer_change){g, c};
}

static void revert_new_consumer(struct keyspace *ks, void *record)
{
    (void)ks;
    struct consumer_change *change = record;
    names_drop(&change->g->consumers, change->c);
    consumer_free(change->c);
}

static const struct undo_kind kind_new_consumer = {"new stream consumer", revert_new_consumer,
                                                   NULL};

static void revert_old_consumer(struct keyspace *ks, void *record)
{
    (void)ks;
    struct consumer_change *change = record;
    names_add(&change->g->consumers, change->c);
}

static void keep_old_consumer(struct keyspace *ks, void *record)
{
    (void)ks;
    consumer_free(((struct consumer_change *)record)->c);
}

static const struct undo_kind kind_old_consumer = {"removed stream consumer", revert_old_consumer,
                                                   keep_old_consumer};

struct stream_consumer *stream_load_consumer(struct stream_group *g, struct bytes name,
                                             int64_t seen_ms, int64_t active_ms)
{
    if (stream_consumer_find(g, name) != NULL)
        return NULL;
    struct stream_consumer *c = consumer_new(name, seen_ms, active_ms);
    names_add(&g->consumers, c);
    return c;
}

struct stream_consumer *stream_consumer_create(struct keyspace *ks, struct stream_group *g,
                                               struct bytes name)
{
    struct stream_consumer *c = stream_load_consumer(g, name, ks->now_ms, -1);
    if (c != NULL && undo_is_open(ks->undo))
        record_consumer(ks, &kind_new_consumer, g, c);
    return c;
}

void stream_consumer_destroy(struct keyspace *ks, struct stream_group *g, struct stream_consumer *c)
{
    while (c->pending.count > 0) {
        struct idcursor first = idtree_first(&c->pending);
        stream_pending_remove(ks, g, idcursor_id(&first));
    }
    names_drop(&g->consumers, c);
    if (undo_is_open(ks->undo))
        record_consumer(ks, &kind_old_consumer, g, c);
    else
        consumer_free(c);
}

struct times {
    struct stream_consumer *c;
    int64_t seen_ms, active_ms;
};

static void revert_times(struct keyspace *ks, void *record)
{
    (void)ks;
    const struct times *t = record;
    t->c->seen_ms = t->seen_ms;
    t->c->active_ms = t->active_ms;
}

static const struct undo_kind kind_times = {"stream consumer times", revert_times, NULL};

void stream_consumer_set_times(struct keyspace *ks, struct stream_consumer *c, int64_t seen_ms,
                               int64_t active_ms)
{
    if (undo_is_open(ks->undo)) {
        struct times *t = undo_record(ks->undo, &kind_times, sizeof *t);
        *t = (struct times){c, c->seen_ms, c->active_ms};
    }
    c->seen_ms = seen_ms;
    c->active_ms = active_ms;
}

/* -- what is pending --------------------------------------------------------------------------- */

/* Let it be pending like this; without an owner it is not. */
static void pending_set(struct stream_group *g, struct stream_id id, struct stream_pending how)
{
    struct stream_pending *p = stream_pending_find(g, id);
    struct stream_consumer *before = p != NULL ? p->owner : NULL;
    if (before != how.owner && before != NULL)
        idtree_remove(&before->pending, id);
    if (before != how.owner && how.owner != NULL)
        idtree_add(&how.owner->pending, id);
    if (how.owner == NULL) {
        if (p != NULL)
            idtree_remove(&g->pending, id);
        return;
    }
    if (p == NULL)
        p = idtree_add(&g->pending, id);
    *p = how;
}

struct pending_change {
    struct stream_group *g;
    struct stream_id id;
    struct stream_pending before;
};

static void revert_pending(struct keyspace *ks, void *record)
{
    (void)ks;
    const struct pending_change *c = record;
    pending_set(c->g, c->id, c->before);
}

static const struct undo_kind kind_pending = {"pending stream entry", revert_pending, NULL};

void stream_pending_put(struct keyspace *ks, struct stream_group *g, struct stream_id id,
                        struct stream_pending how)
{
    if (undo_is_open(ks->undo)) {
        const struct stream_pending *p = stream_pending_find(g, id);
        struct pending_change *c = undo_record(ks->undo, &kind_pending, sizeof *c);
        *c = (struct pending_change){g, id, p != NULL ? *p : (struct stream_pending){0}};
    }
    pending_set(g, id, how);
}

bool stream_pending_remove(struct keyspace *ks, struct stream_group *g, struct stream_id id)
{
    if (stream_pending_find(g, id) == NULL)
        return false;
    stream_pending_put(ks, g, id, (struct stream_pending){0});
    return true;
}

void stream_drop_refs(struct keyspace *ks, struct stream *s, struct stream_id id)
{
    for (uint32_t i = 0; i < s->groups.count; i++)
        stream_pending_remove(ks, stream_group_at(s, i), id);
}

/* -- loading ----------------------------------------------------------------------------------- */

bool stream_load_pending(struct stream_group *g, struct stream_id id, int64_t delivered_ms,
                         uint64_t deliveries)
{
    if (stream_pending_find(g, id) != NULL)
        return false;
    struct stream_pending *p = idtree_add(&g->pending, id);
    *p = (struct stream_pending){NULL, delivered_ms, deliveries};
    return true;
}

bool stream_load_owner(struct stream_group *g, struct stream_consumer *c, struct stream_id id)
{
    struct stream_pending *p = stream_pending_find(g, id);
    if (p == NULL || p->owner != NULL)
        return false;
    p->owner = c;
    idtree_add(&c->pending, id);
    return true;
}

bool stream_load_group_done(const struct stream_group *g)
{
    uint64_t owned = 0;
    for (uint32_t i = 0; i < g->consumers.count; i++)
        owned += stream_consumer_at(g, i)->pending.count;
    return owned == g->pending.count;
}

/* -- for stream.c ------------------------------------------------------------------------------ */

static void copy_consumer(struct stream_group *to, const struct stream_group *from,
                          const struct stream_consumer *old)
{
    struct stream_consumer *c = stream_load_consumer(to, old->name, old->seen_ms, old->active_ms);
    struct idcursor at = idtree_first(&old->pending);
    for (; at.node != NULL; idcursor_next(&at)) {
        struct stream_id id = idcursor_id(&at);
        const struct stream_pending *p = stream_pending_find(from, id);
        pending_set(to, id, (struct stream_pending){c, p->delivered_ms, p->deliveries});
    }
}

void stream_groups_copy(struct stream *to, const struct stream *from)
{
    for (uint32_t i = 0; i < from->groups.count; i++) {
        const struct stream_group *old = stream_group_at(from, i);
        struct stream_group *g = stream_load_group(to, old->name, old->last_id, old->entries_read);
        for (uint32_t j = 0; j < old->consumers.count; j++)
            copy_consumer(g, old, stream_consumer_at(old, j));
    }
}

uint64_t stream_groups_effort(const struct stream *s)
{
    uint64_t effort = 0;
    for (uint32_t i = 0; i < s->groups.count; i++) {
        const struct stream_group *g = stream_group_at(s, i);
        effort += 1 + g->consumers.count + g->pending.count / 16;
    }
    return effort;
}

static size_t group_memory(const struct stream_group *g)
{
    size_t total = mem_size_of(g) + mem_usable(g->name.len + 1) + idtree_memory(&g->pending) +
                   g->consumers.room * sizeof(void *);
    for (uint32_t i = 0; i < g->consumers.count; i++) {
        const struct stream_consumer *c = stream_consumer_at(g, i);
        total += mem_size_of(c) + mem_usable(c->name.len + 1) + idtree_memory(&c->pending);
    }
    return total;
}

size_t stream_groups_memory(const struct stream *s)
{
    size_t total = s->groups.room * sizeof(void *);
    for (uint32_t i = 0; i < s->groups.count; i++)
        total += group_memory(stream_group_at(s, i));
    return total;
}

static void check_group(const struct stream_group *g)
{
    idtree_check(&g->pending);
    if (!stream_load_group_done(g))
        abort();
    for (uint32_t i = 0; i < g->consumers.count; i++) {
        const struct stream_consumer *c = stream_consumer_at(g, i);
        if (i > 0 && bytes_compare(stream_consumer_at(g, i - 1)->name, c->name) >= 0)
            abort();
        idtree_check(&c->pending);
        struct idcursor at = idtree_first(&c->pending);
        for (; at.node != NULL; idcursor_next(&at)) {
            const struct stream_pending *p = stream_pending_find(g, idcursor_id(&at));
            if (p == NULL || p->owner != c)
                abort();
        }
    }
}

void stream_groups_check(const struct stream *s)
{
    for (uint32_t i = 0; i < s->groups.count; i++) {
        if (i > 0 &&
            bytes_compare(stream_group_at(s, i - 1)->name, stream_group_at(s, i)->name) >= 0)
            abort();
        check_group(stream_group_at(s, i));
    }
}
