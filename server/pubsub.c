/*
 * pubsub.c - who subscribes to what, and delivery.
 *
 * A channel, pattern or shard channel is a struct channel in the table of its kind for as long as
 * somebody subscribes. It holds its clients in an array, since delivery walks all of them; a
 * client's subscription knows its place there, so that leaving costs the same however many others
 * there are: the last one takes the place.
 *
 * Patterns stand in an array besides, oldest first, with the first bytes that each asks for: of
 * many patterns, a message meets only those that could match. One that goes leaves a hole; the
 * array closes up when there are more holes than patterns.
 */
#include "server/pubsub.h"

#include "base/glob.h"
#include "base/memory.h"
#include "server/client.h"
#include "server/executor.h"
#include "server/outlimit.h"
#include "server/push.h"
#include "server/server.h"
#include "storage/keyspace.h"
#include "storage/undo.h"

struct channel {
    uint64_t hash;
    struct client **clients; /* owned */
    uint32_t count, room;
    uint32_t slot; /* of a pattern: where it is in the array */
    uint32_t len;
    char name[];
};

struct subscription {
    struct channel *channel;
    uint32_t place; /* of the client among the channel's */
};

struct subscriptions {
    struct dict of[PUBSUB_KINDS]; /* struct subscription */
};

/* A pattern can match only what has these bits in its first eight bytes; channel NULL: a hole. */
struct slot {
    uint64_t head, mask;
    struct channel *channel;
};

struct pubsub {
    struct dict channels[PUBSUB_KINDS]; /* struct channel */
    struct slot *slots;                 /* owned */
    uint32_t slot_count, slot_room;
    struct reply scratch; /* in which messages are encoded; empty between */
};

static struct bytes name_of_channel(const void *entry)
{
    const struct channel *ch = entry;
    return bytes_of(ch->name, ch->len);
}

static struct bytes name_of_subscription(const void *entry)
{
    return name_of_channel(((const struct subscription *)entry)->channel);
}

static const struct dict_type channel_table = {name_of_channel};
static const struct dict_type subscription_table = {name_of_subscription};

struct pubsub *pubsub_create(struct server *s)
{
    struct pubsub *p = mem_alloc_zeroed(sizeof *p);
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        dict_init(&p->channels[kind], &channel_table);
    reply_init(&p->scratch, &s->reply_pool, &s->reply_errors);
    reply_init(&s->own_pushes, &s->reply_pool, &s->reply_errors);
    return p;
}

void pubsub_destroy(struct pubsub *p)
{
    if (p == NULL)
        return;
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        dict_fini(&p->channels[kind]); /* no client, no channel */
    reply_fini(&p->scratch);
    mem_free(p->slots);
    mem_free(p);
}

/* -- patterns ---------------------------------------------------------------------------------- */

/* The first eight bytes as a number; shorter ones end in zeros. */
static uint64_t head_of(struct bytes text, size_t len)
{
    uint64_t head = 0;
    if (len > text.len)
        len = text.len;
    if (len > 0)
        memcpy(&head, text.ptr, len < sizeof head ? len : sizeof head);
    return head;
}

/* How many bytes a pattern begins with that stand for themselves. */
static size_t literal_length(struct bytes pattern)
{
    size_t len = 0;
    while (len < pattern.len && memchr("*?[\\", pattern.ptr[len], 4) == NULL)
        len++;
    return len;
}

static void slots_close_up(struct pubsub *p)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->slot_count; i++) {
        if (p->slots[i].channel == NULL)
            continue;
        p->slots[i].channel->slot = count;
        p->slots[count++] = p->slots[i];
    }
    p->slot_count = count;
}

static void slot_add(struct pubsub *p, struct channel *ch)
{
    if (p->slot_count == p->slot_room) {
        p->slot_room = p->slot_room == 0 ? 8 : p->slot_room * 2;
        p->slots = mem_resize(p->slots, p->slot_room * sizeof *p->slots);
    }
    struct bytes pattern = name_of_channel(ch);
    size_t len = literal_length(pattern);
    static const char ones[] = "\xff\xff\xff\xff\xff\xff\xff\xff";
    ch->slot = p->slot_count++;
    p->slots[ch->slot] = (struct slot){
        .head = head_of(pattern, len),
        .mask = head_of(bytes_of(ones, sizeof(uint64_t)), len),
        .channel = ch,
    };
}

static void slot_drop(struct pubsub *p, const struct channel *ch)
{
    p->slots[ch->slot] = (struct slot){0};
    if (p->slot_count > 2 * p->channels[PUBSUB_PATTERN].count + 8)
        slots_close_up(p);
}

/* The next pattern from *at on that matches, *at behind it; NULL: no more. */
static const struct channel *next_match(const struct pubsub *p, struct bytes channel, uint32_t *at)
{
    uint64_t head = head_of(channel, sizeof head);
    while (*at < p->slot_count) {
        const struct slot *slot = &p->slots[(*at)++];
        if (((head ^ slot->head) & slot->mask) == 0 && slot->channel != NULL &&
            glob_match(name_of_channel(slot->channel), channel, false))
            return slot->channel;
    }
    return NULL;
}

/* -- channels ---------------------------------------------------------------------------------- */

static struct channel *channel_create(struct pubsub *p, enum channel_kind kind, struct bytes name,
                                      uint64_t hash)
{
    struct channel *ch = mem_alloc(sizeof *ch + name.len);
    *ch = (struct channel){.hash = hash, .len = (uint32_t)name.len};
    memcpy(ch->name, name.ptr, name.len);
    dict_insert(&p->channels[kind], ch, hash);
    if (kind == PUBSUB_PATTERN)
        slot_add(p, ch);
    return ch;
}

static void channel_end(struct pubsub *p, enum channel_kind kind, struct channel *ch)
{
    dict_remove(&p->channels[kind], name_of_channel(ch), ch->hash);
    if (kind == PUBSUB_PATTERN)
        slot_drop(p, ch);
    mem_free(ch->clients);
    mem_free(ch);
}

static uint32_t channel_join(struct channel *ch, struct client *c)
{
    if (ch->count == ch->room) {
        ch->room = ch->room == 0 ? 1 : ch->room * 2;
        ch->clients = mem_resize(ch->clients, ch->room * sizeof(struct client *));
    }
    ch->clients[ch->count] = c;
    return ch->count++;
}

static void channel_part(struct channel *ch, enum channel_kind kind, uint32_t place)
{
    struct client *last = ch->clients[--ch->count];
    if (place == ch->count)
        return;
    ch->clients[place] = last;
    struct subscription *moved =
        dict_find(&last->subscriptions->of[kind], name_of_channel(ch), ch->hash);
    moved->place = place;
}

/* -- a client's subscriptions ------------------------------------------------------------------ */

uint64_t pubsub_count_of(const struct client *c, enum channel_kind kind)
{
    return c->subscriptions != NULL ? c->subscriptions->of[kind].count : 0;
}

void pubsub_refresh_gate(struct client *c)
{
    if (c->subscriptions != NULL && c->reply.resp == 2)
        c->gates |= GATE_SUBSCRIBED;
    else
        c->gates &= ~(uint32_t)GATE_SUBSCRIBED;
}

static void subscriber_begins(struct client *c)
{
    c->subscriptions = mem_alloc(sizeof *c->subscriptions);
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        dict_init(&c->subscriptions->of[kind], &subscription_table);
    c->server->clients.subscribers++;
    pubsub_refresh_gate(c);
    outlimit_refresh(c);
}

static void end_if_none(struct client *c)
{
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        if (pubsub_count_of(c, kind) > 0)
            return;
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        dict_fini(&c->subscriptions->of[kind]);
    mem_free(c->subscriptions);
    c->subscriptions = NULL;
    c->server->clients.subscribers--;
    pubsub_refresh_gate(c);
    outlimit_refresh(c);
}

static bool join(struct client *c, enum channel_kind kind, struct bytes name)
{
    struct pubsub *p = c->server->pubsub;
    uint64_t hash = dict_hash(name);
    if (c->subscriptions == NULL)
        subscriber_begins(c);
    struct dict *mine = &c->subscriptions->of[kind];
    if (dict_find(mine, name, hash) != NULL)
        return false;
    struct channel *ch = dict_find(&p->channels[kind], name, hash);
    if (ch == NULL)
        ch = channel_create(p, kind, name, hash);
    struct subscription *sub = mem_alloc(sizeof *sub);
    *sub = (struct subscription){ch, channel_join(ch, c)};
    dict_insert(mine, sub, hash);
    return true;
}

static bool part(struct client *c, enum channel_kind kind, struct bytes name)
{
    struct subscription *sub = NULL;
    if (c->subscriptions != NULL)
        sub = dict_remove(&c->subscriptions->of[kind], name, dict_hash(name));
    if (sub == NULL)
        return false;
    channel_part(sub->channel, kind, sub->place);
    if (sub->channel->count == 0)
        channel_end(c->server->pubsub, kind, sub->channel);
    mem_free(sub);
    end_if_none(c);
    return true;
}

const struct subscription *pubsub_any(const struct client *c, enum channel_kind kind)
{
    return c->subscriptions != NULL ? dict_random(&c->subscriptions->of[kind]) : NULL;
}

struct bytes pubsub_name(const struct subscription *subscription)
{
    return name_of_subscription(subscription);
}

/* A section that is taken back takes its subscriptions with it. */
struct turnover {
    struct client *client;
    enum channel_kind kind;
    uint32_t len;
    char name[];
};

static void revert_join(struct keyspace *ks, void *record)
{
    struct turnover *t = record;
    (void)ks;
    part(t->client, t->kind, bytes_of(t->name, t->len));
}

static void revert_part(struct keyspace *ks, void *record)
{
    struct turnover *t = record;
    (void)ks;
    join(t->client, t->kind, bytes_of(t->name, t->len));
}

static const struct undo_kind kind_join = {"subscribe", revert_join, NULL};
static const struct undo_kind kind_part = {"unsubscribe", revert_part, NULL};

/* Before the change, while name is still there. */
static void record_turnover(struct client *c, const struct undo_kind *what, enum channel_kind kind,
                            struct bytes name)
{
    struct undo *undo = c->server->keys->undo;
    struct turnover *t = undo_record(undo, what, sizeof *t + name.len);
    *t = (struct turnover){c, kind, (uint32_t)name.len};
    memcpy(t->name, name.ptr, name.len);
}

static bool has(const struct client *c, enum channel_kind kind, struct bytes name)
{
    return c->subscriptions != NULL &&
           dict_find(&c->subscriptions->of[kind], name, dict_hash(name)) != NULL;
}

bool pubsub_subscribe(struct client *c, enum channel_kind kind, struct bytes name)
{
    if (undo_is_open(c->server->keys->undo) && !has(c, kind, name))
        record_turnover(c, &kind_join, kind, name);
    return join(c, kind, name);
}

bool pubsub_unsubscribe(struct client *c, enum channel_kind kind, struct bytes name)
{
    if (undo_is_open(c->server->keys->undo) && has(c, kind, name))
        record_turnover(c, &kind_part, kind, name);
    return part(c, kind, name);
}

void pubsub_leave(struct client *c)
{
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        for (const struct subscription *sub; (sub = pubsub_any(c, kind)) != NULL;)
            part(c, kind, pubsub_name(sub)); /* of no section: its client may be gone before */
}

size_t pubsub_memory(const struct client *c)
{
    size_t bytes = 0;
    if (c->subscriptions == NULL)
        return 0;
    for (int kind = 0; kind < PUBSUB_KINDS; kind++) {
        const struct dict *mine = &c->subscriptions->of[kind];
        bytes += dict_memory(mine) +
                 mine->count * (mem_usable(sizeof(struct subscription)) + sizeof(struct client *));
    }
    return bytes + mem_size_of(c->subscriptions);
}

/* -- delivery ---------------------------------------------------------------------------------- */

enum {
    SHARE_FROM = 2048, /* messages of so many bytes are referenced, shorter ones are copied */
    AHEAD = 8,         /* clients are fetched into the caches so many places ahead */
};

/* Bytes that several replies reference. */
struct shared {
    uint64_t refs;
    char data[];
};

static void shared_release(void *owner)
{
    struct shared *shared = owner;
    if (--shared->refs == 0)
        mem_free(shared);
}

/* A message on its way, as its receivers see it. */
struct message {
    const char *title;    /* "message", ... */
    struct bytes pattern; /* ptr NULL: none */
    struct bytes channel, text;
    struct {
        struct shared *shared; /* NULL: not encoded yet */
        size_t len;
    } forms[2]; /* RESP2, RESP3 */
};

static void encode(struct pubsub *p, struct message *m, int resp)
{
    struct reply *r = &p->scratch;
    r->resp = (uint8_t)resp;
    reply_push(r, m->pattern.ptr != NULL ? 4 : 3);
    reply_bulk_text(r, m->title);
    if (m->pattern.ptr != NULL)
        reply_bulk(r, m->pattern);
    reply_bulk(r, m->channel);
    reply_bulk(r, m->text);
    size_t len = reply_bytes(r);
    struct shared *shared = mem_alloc(sizeof *shared + len);
    shared->refs = 1; /* the message's own */
    reply_copy(r, shared->data);
    reply_sent(r, len);
    m->forms[resp - 2].shared = shared;
    m->forms[resp - 2].len = len;
}

static void message_fini(struct message *m)
{
    for (int i = 0; i < 2; i++)
        if (m->forms[i].shared != NULL)
            shared_release(m->forms[i].shared);
}

static void append(struct reply *r, struct shared *shared, size_t len)
{
    if (len < SHARE_FROM) {
        reply_raw(r, bytes_of(shared->data, len));
    } else {
        shared->refs++;
        reply_raw_owned(r, bytes_of(shared->data, len), shared, shared_release);
    }
}

static void deliver(struct server *s, struct message *m, struct client *c)
{
    struct push push = push_begin(c);
    if (push.reply == NULL)
        return;
    int form = c->reply.resp - 2;
    if (m->forms[form].shared == NULL)
        encode(s->pubsub, m, form + 2);
    append(push.reply, m->forms[form].shared, m->forms[form].len);
    push_end(&push);
}

static uint64_t deliver_to_all(struct server *s, struct message *m, const struct channel *ch)
{
    for (uint32_t i = 0; i < ch->count; i++) {
        if (i + AHEAD < ch->count) {
            __builtin_prefetch(&ch->clients[i + AHEAD]->reply, 1);
            __builtin_prefetch(&ch->clients[i + AHEAD]->flags);
        }
        deliver(s, m, ch->clients[i]);
    }
    message_fini(m);
    return ch->count;
}

static uint64_t broadcast(struct server *s, enum channel_kind kind, struct bytes channel,
                          struct bytes text)
{
    struct pubsub *p = s->pubsub;
    struct message message = {.channel = channel, .text = text};
    const struct channel *ch = dict_find(&p->channels[kind], channel, dict_hash(channel));
    message.title = kind == PUBSUB_SHARD ? "smessage" : "message";
    uint64_t receivers = ch != NULL ? deliver_to_all(s, &message, ch) : 0;
    if (kind == PUBSUB_SHARD)
        return receivers;
    for (uint32_t at = 0; (ch = next_match(p, channel, &at)) != NULL;) {
        message = (struct message){"pmessage", name_of_channel(ch), channel, text, .forms = {{0}}};
        receivers += deliver_to_all(s, &message, ch);
    }
    return receivers;
}

static uint64_t count_receivers(const struct pubsub *p, enum channel_kind kind, struct bytes name)
{
    const struct channel *ch = dict_find(&p->channels[kind], name, dict_hash(name));
    uint64_t receivers = ch != NULL ? ch->count : 0;
    if (kind == PUBSUB_SHARD)
        return receivers;
    for (uint32_t at = 0; (ch = next_match(p, name, &at)) != NULL;)
        receivers += ch->count;
    return receivers;
}

/* A message that waits for its section to close; its bytes are channel and text. */
struct waiting {
    struct server *server;
    enum channel_kind kind;
    char *bytes; /* owned */
    size_t channel_len, text_len;
};

static void drop_waiting(struct keyspace *ks, void *record)
{
    (void)ks;
    mem_free(((struct waiting *)record)->bytes);
}

static void send_waiting(struct keyspace *ks, void *record)
{
    struct waiting *w = record;
    broadcast(w->server, w->kind, bytes_of(w->bytes, w->channel_len),
              bytes_of(w->bytes + w->channel_len, w->text_len));
    drop_waiting(ks, record);
}

static const struct undo_kind kind_message = {"message", drop_waiting, send_waiting};

static void send_later(struct server *s, enum channel_kind kind, struct bytes channel,
                       struct bytes text)
{
    struct undo *undo = s->keys->undo;
    struct waiting *w = undo_record(undo, &kind_message, sizeof *w);
    *w = (struct waiting){s, kind, mem_alloc(channel.len + text.len), channel.len, text.len};
    memcpy(w->bytes, channel.ptr, channel.len);
    memcpy(w->bytes + channel.len, text.ptr, text.len);
    undo->kept += channel.len + text.len;
}

uint64_t pubsub_publish(struct server *s, enum channel_kind kind, struct bytes channel,
                        struct bytes message)
{
    if (!undo_is_open(s->keys->undo))
        return broadcast(s, kind, channel, message);
    uint64_t receivers = count_receivers(s->pubsub, kind, channel);
    if (receivers > 0)
        send_later(s, kind, channel, message);
    return receivers;
}

bool pubsub_has_audience(const struct server *s)
{
    const struct pubsub *p = s->pubsub;
    return p->channels[PUBSUB_CHANNEL].count + p->channels[PUBSUB_PATTERN].count > 0;
}

/* -- PUBSUB ------------------------------------------------------------------------------------ */

uint64_t pubsub_count(const struct server *s, enum channel_kind kind)
{
    return s->pubsub->channels[kind].count;
}

uint64_t pubsub_subscribers(const struct server *s, enum channel_kind kind, struct bytes name)
{
    const struct channel *ch = dict_find(&s->pubsub->channels[kind], name, dict_hash(name));
    return ch != NULL ? ch->count : 0;
}

void pubsub_each(struct server *s, enum channel_kind kind,
                 void (*visit)(struct bytes name, void *context), void *context)
{
    struct dict_iter it;
    dict_iter_begin(&it, &s->pubsub->channels[kind]);
    for (const struct channel *ch; (ch = dict_iter_next(&it)) != NULL;)
        visit(name_of_channel(ch), context);
    dict_iter_end(&it);
}
