/*
 * keyspace_news.c - the one place through which it becomes known that a key has changed.
 *
 * In an open section all of it waits in the undo log: what is taken back was never told.
 */
#include "storage/keyspace_news.h"

#include "storage/watch.h"

/* How far a change reaches; its event, if it has one, is told in any case. */
enum news_reach {
    NEWS_COUNT = 1 << 0,   /* the count of changes */
    NEWS_VERSION = 1 << 1, /* WATCH; the counters of keys that went by themselves */
    NEWS_TOUCH = 1 << 2,   /* who waits for the key */
};

/* What is to be told of one key, now or when the section closes well. */
struct news {
    int db;
    enum event_class class;
    const char *event; /* a constant; NULL: only the version changes */
    unsigned reach;
    uint32_t len;
    struct author author; /* for watchers, if there are any */
    char name[];
};

static struct author author_of_change(const struct keyspace *ks, int db)
{
    if (__builtin_expect(ks->dbs[db].watched.count == 0, 1) || ks->hooks.author == NULL)
        return (struct author){0};
    return ks->hooks.author(ks->hooks.context);
}

static enum watch_change kind_of_change(enum event_class class, const char *event)
{
    if (event == NULL)
        return WATCH_WHOLE;
    return class == EVENT_EXPIRED ? WATCH_BURIAL : WATCH_WRITE;
}

static void tell(struct keyspace *ks, struct bytes name, const struct news *n)
{
    if (n->reach & NEWS_VERSION) {
        if (__builtin_expect(ks->dbs[n->db].watched.count > 0, 0))
            watch_bump(ks, n->db, key_of(name), kind_of_change(n->class, n->event), n->author);
        if (__builtin_expect(ks->hooks.changed != NULL, 0))
            ks->hooks.changed(ks->hooks.context, name, n->class);
        ks->expired += n->class == EVENT_EXPIRED;
        ks->evicted += n->class == EVENT_EVICTED;
    }
    if ((n->reach & NEWS_TOUCH) && __builtin_expect(ks->dbs[n->db].awaited > 0, 0))
        ks->hooks.touched(ks->hooks.context, n->db, name, dict_hash(name));
    ks->dirty += (n->reach & NEWS_COUNT) != 0;
    if (ks->hooks.event != NULL && n->event != NULL)
        ks->hooks.event(ks->hooks.context, n->db, name, n->class, n->event);
}

static void revert_news(struct keyspace *ks, void *record)
{
    (void)ks;
    (void)record; /* nobody was told */
}

static void keep_news(struct keyspace *ks, void *record)
{
    const struct news *n = record;
    tell(ks, bytes_of(n->name, n->len), n);
}

static const struct undo_kind kind_news = {"news", revert_news, keep_news};

static void tell_now_or_later(struct keyspace *ks, struct bytes name, struct news *n)
{
    n->author = author_of_change(ks, n->db);
    if (!undo_is_open(ks->undo)) {
        tell(ks, name, n);
        return;
    }
    struct news *later = undo_record(ks->undo, &kind_news, sizeof *n + name.len);
    memcpy(later, n, sizeof *n);
    later->len = (uint32_t)name.len;
    memcpy(later->name, name.ptr, name.len);
}

void keyspace_changed(struct keyspace *ks, int db, struct bytes key, enum event_class class,
                      const char *event)
{
    unsigned count = event != NULL ? NEWS_COUNT : 0;
    tell_now_or_later(ks, key,
                      &(struct news){db, class, event, .reach = NEWS_VERSION | NEWS_TOUCH | count});
}

void keyspace_changed_aside(struct keyspace *ks, int db, struct bytes key, enum event_class class,
                            const char *event, bool wakes)
{
    unsigned reach = NEWS_COUNT | (wakes ? NEWS_TOUCH : 0);
    tell_now_or_later(ks, key, &(struct news){db, class, event, .reach = reach});
}

void keyspace_event(struct keyspace *ks, int db, struct bytes key, enum event_class class,
                    const char *event)
{
    if (ks->hooks.event != NULL)
        tell_now_or_later(ks, key, &(struct news){db, class, event, .reach = 0});
}

static void keep_flushed(struct keyspace *ks, void *record)
{
    (void)record;
    ks->hooks.flushed(ks->hooks.context);
}

static const struct undo_kind kind_flushed = {"flushed", revert_news, keep_flushed};

void keyspace_flushed(struct keyspace *ks)
{
    if (ks->hooks.flushed == NULL)
        return;
    if (undo_is_open(ks->undo))
        undo_record(ks->undo, &kind_flushed, 0);
    else
        keep_flushed(ks, NULL);
}

static void keep_count(struct keyspace *ks, void *record)
{
    ks->dirty += *(uint64_t *)record;
}

static const struct undo_kind kind_count = {"count", revert_news, keep_count};

void keyspace_count(struct keyspace *ks, uint64_t changes)
{
    if (undo_is_open(ks->undo))
        *(uint64_t *)undo_record(ks->undo, &kind_count, sizeof changes) = changes;
    else
        ks->dirty += changes;
}

void keyspace_changed_by(struct keyspace *ks, int db, struct bytes key, enum event_class class,
                         const char *event, uint64_t elements)
{
    keyspace_changed(ks, db, key, class, elements > 0 ? event : NULL);
    if (elements == 0)
        keyspace_event(ks, db, key, class, event);
    else if (elements > 1)
        keyspace_count(ks, elements - 1);
}

struct each {
    news_visit *visit;
    void *context;
};

static void visit_news(const void *record, void *context)
{
    const struct news *n = record;
    const struct each *each = context;
    if (n->event != NULL)
        each->visit(each->context, n->db, bytes_of(n->name, n->len), n->event);
}

void keyspace_news_each(const struct keyspace *ks, struct undo_section section, news_visit *visit,
                        void *context)
{
    struct each each = {visit, context};
    undo_each(ks->undo, section, &kind_news, visit_news, &each);
}
