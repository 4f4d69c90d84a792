/*
 * keyevents.c - keyspace notifications.
 *
 * The keyspace announces every change with Redis's name for it (keyspace_changed(), and
 * keyspace_event() for what is news but no change); all that is left to do is to send it.
 */
#include "server/keyevents.h"

#include "base/text.h"
#include "server/pubsub.h"
#include "server/server.h"
#include "storage/keyspace.h"

static void tell(struct server *s, const char *sort, int db, struct bytes about, struct bytes what)
{
    struct text channel = {0};
    text_addf(&channel, "__%s@%d__:", sort, db);
    text_add(&channel, about);
    pubsub_publish(s, PUBSUB_CHANNEL, text_view(&channel), what);
    text_fini(&channel);
}

static void on_event(void *context, int db, struct bytes key, enum event_class class,
                     const char *event)
{
    struct server *s = context;
    int wanted = s->opt.notify_keyspace_events;
    if (!(wanted & (int)class) || !pubsub_has_audience(s))
        return;
    struct bytes name = bytes_of_text(event);
    if (wanted & NOTIFY_KEYSPACE)
        tell(s, "keyspace", db, key, name);
    if (wanted & NOTIFY_KEYEVENT)
        tell(s, "keyevent", db, name, key);
}

void keyevents_refresh(struct server *s)
{
    bool wanted = s->opt.notify_keyspace_events & (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT);
    s->keys->hooks.event = wanted ? on_event : NULL;
}
