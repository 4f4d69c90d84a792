/*
 * keyevents.h - keyspace notifications: what happens to keys, as messages.
 *
 * A key's event goes to the channel __keyspace@<db>__:<key> with the event's name as its message,
 * and to __keyevent@<db>__:<event> with the key's, as notify-keyspace-events asks for.
 */
#ifndef REDOUBT_SERVER_KEYEVENTS_H
#define REDOUBT_SERVER_KEYEVENTS_H

struct server;

/* notify-keyspace-events has changed: ask the keyspace for its events, or for none. */
void keyevents_refresh(struct server *s);

#endif
