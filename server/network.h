/*
 * network.h - the loop's side of connections: accept, read, flush.
 *
 * One turn of the loop has three phases. Read: libuv's callbacks put what arrived into memory and mark the
 * connection as ready; nothing runs. Execute: executor_drain() runs the ready connections' requests. Flush:
 * network_flush() writes every touched reply with one system call a connection. Since commands run outside of
 * libuv's callbacks, a long one may turn the loop itself.
 */
#ifndef REDOUBT_SERVER_NETWORK_H
#define REDOUBT_SERVER_NETWORK_H

#include <uv.h>

#include "base/bytes.h"

struct server;
struct client;
struct conn;

struct network *network_create(struct server *s);
void network_destroy(struct network *n);

/* Open what the options say (bind, port, unixsocket). On failure false, and error (room bytes) tells. */
bool network_listen(struct server *s, char *error, size_t room);
void network_stop_listening(struct server *s);
/* CONFIG SET port / bind / tcp-backlog: open the new listeners before closing the old ones; false, and all as
 * before, if one cannot be opened. */
bool network_relisten(struct server *s, char *error, size_t room);
/* Actual TCP port (port 0 aside), 0: none. "listener0:name=tcp,bind=...,port=..." lines for INFO. */
size_t network_describe(struct server *s, char *out, size_t room);

/* Phase 3, and closing what was asked to be closed. */
void network_flush(struct server *s);
/* One whole turn of the loop: wait for events at most as long as libuv sees fit, read, execute, flush. */
void network_turn(struct server *s);
/* The same from inside a long command: read and flush, but run only what such a moment allows. */
bool network_has_ready(const struct server *s);

#endif
