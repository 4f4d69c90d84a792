/*
 * push.c - saying something to a client that did not ask.
 */
#include "server/push.h"

#include "server/client.h"
#include "server/client_eviction.h"
#include "server/server.h"
#include "server/tracking.h"

struct push push_begin(struct client *c)
{
    struct server *s = c->server;
    struct push p = {.client = c};
    if (c->flags & (CLIENT_CLOSE_AFTER_REPLY | CLIENT_CLOSE_NOW))
        return p;
    p.reply = &c->reply;
    if (c == s->executing) {
        p.reply = &s->own_pushes;
        p.reply->resp = c->reply.resp;
        p.reply->limit = c->reply.limit; /* full, it makes the client's own too large as well */
    }
    p.muted = p.reply->muted;
    p.reply->muted = false;
    return p;
}

void push_end(struct push *p)
{
    struct client *c = p->client;
    p->reply->muted = p->muted;
    if (p->reply != &c->reply) {
        c->server->has_own_pushes = true;
        return;
    }
    client_touch_pushed(c);
    if (__builtin_expect(c->server->client_sizes.limit != 0, 0))
        client_eviction_note(c);
}

void push_send_own(struct client *c)
{
    tracking_tell_own(c);
    bool muted = c->reply.muted;
    c->reply.muted = false;
    reply_move(&c->reply, &c->server->own_pushes);
    c->reply.muted = muted;
    c->server->own_pushes.full = false;
    c->server->has_own_pushes = false;
    client_touch_output(c);
}
