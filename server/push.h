/*
 * push.h - saying something to a client that did not ask: messages, invalidations.
 *
 * A push comes through CLIENT REPLY OFF. It may not break into the reply of a command that runs, so
 * what the executing client causes to be pushed to itself waits until its command is over.
 */
#ifndef REDOUBT_SERVER_PUSH_H
#define REDOUBT_SERVER_PUSH_H

#include <stdbool.h>

struct client;
struct reply;

struct push {
    struct reply *reply; /* write it here, one whole push or more; NULL: the client is leaving */
    struct client *client;
    bool muted;
};

struct push push_begin(struct client *c);
void push_end(struct push *p);
/* The client's command is over: what waited follows. */
void push_send_own(struct client *c);

#endif
