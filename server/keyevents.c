/*
 * keyevents.c - keyspace notifications.
 *
 * The keyspace announces every change with Redis's name for it (keyspace_changed(), and
 * keyspace_event() for what is news but no change); all that is left to do is to send it.
 */
#include "server/keyevents.h"

#include "base/memory.h"
#include "base/number.h"
#include "server/pubsub.h"
#include "server/server.h"
#include "storage/keyspace.h"

/* Channels of usual lengths are put together here, others in a block of their own. */
enum { CHANNEL_NEAR = 256 };

/* To prefix<db>__:<about>. Events come with every write, so nothing is formatted or allocated. */
static void tell(struct server *s, struct bytes prefix, int db, struct bytes about,
                 struct bytes what)
{
    static const char behind[] = {'_', '_', ':'};
    char near[CHANNEL_NEAR], *channel = near;
    size_t most = prefix.len + NUMBER_TEXT_MAX + sizeof behind + about.len;
    if (most > sizeof near)
        channel = mem_alloc(most);
    memcpy(channel, prefix.ptr, prefix.len);
    size_t len = prefix.len;
    len += number_format_i64(channel + len, db);
    memcpy(channel + len, behind, sizeof behind);
    len += sizeof behind;
    bytes_copy(channel + len, about.ptr, about.len);
    pubsub_publish(s, PUBSUB_CHANNEL, bytes_of(channel, len + about.len), what);
    if (channel != near)
        mem_free(channel);
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
        tell(s, bytes_of_text("__keyspace@"), db, key, name);
    if (wanted & NOTIFY_KEYEVENT)
        tell(s, bytes_of_text("__keyevent@"), db, name, key);
}

void keyevents_refresh(struct server *s)
{
    bool wanted = s->opt.notify_keyspace_events & (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT);
    s->keys->hooks.event = wanted ? on_event : NULL;
}
