/*
 * pubsub.h - channels, patterns and shard channels; who subscribes to what; delivery.
 *
 * A message is encoded once for each version of the protocol that its receivers speak; what is
 * long is referenced by all their replies instead of being copied into each.
 *
 * A client that publishes to itself gets the message behind the reply of its command (push.h).
 *
 * Inside an atomic section (storage/undo.h) messages wait in the undo log, among the keys' events
 * and in one order with them: a section that is taken back has published nothing, and its
 * subscriptions are as they were.
 */
#ifndef REDOUBT_SERVER_PUBSUB_H
#define REDOUBT_SERVER_PUBSUB_H

#include "base/bytes.h"
#include "storage/dict.h"

struct client;
struct pubsub;
struct server;

enum channel_kind { PUBSUB_CHANNEL, PUBSUB_PATTERN, PUBSUB_SHARD, PUBSUB_KINDS };

struct pubsub *pubsub_create(struct server *s);
void pubsub_destroy(struct pubsub *p);

/* False: it was so already. */
bool pubsub_subscribe(struct client *c, enum channel_kind kind, struct bytes name);
bool pubsub_unsubscribe(struct client *c, enum channel_kind kind, struct bytes name);
/* One of the client's subscriptions of this kind, NULL: it has none. */
struct subscription;
const struct subscription *pubsub_any(const struct client *c, enum channel_kind kind);
struct bytes pubsub_name(const struct subscription *subscription);
/* Leave everything without a word: RESET, or the client goes. */
void pubsub_leave(struct client *c);
/* The client speaks another version of the protocol from now on. */
void pubsub_refresh_gate(struct client *c);

/* Send a message to a channel (or shard channel). Returns how many receive it: a client once for
 * its channel and once for each of its patterns that match. */
uint64_t pubsub_publish(struct server *s, enum channel_kind kind, struct bytes channel,
                        struct bytes message);
/* Is there any subscriber to a channel or pattern? */
bool pubsub_has_audience(const struct server *s);

/* How many different names are subscribed to; how many clients subscribe to one; a client's
 * subscriptions. */
uint64_t pubsub_count(const struct server *s, enum channel_kind kind);
uint64_t pubsub_subscribers(const struct server *s, enum channel_kind kind, struct bytes name);
uint64_t pubsub_count_of(const struct client *c, enum channel_kind kind);
/* Call visit with each name that is subscribed to. */
void pubsub_each(struct server *s, enum channel_kind kind,
                 void (*visit)(struct bytes name, void *context), void *context);
/* Bytes that a client's subscriptions take. */
size_t pubsub_memory(const struct client *c);

#endif
