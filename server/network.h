/*
 * network.h - the loop's side of connections: accept, read, flush.
 *
 * One turn of the loop has three phases. Read: libuv's callbacks put what arrived into memory and
 * mark the connection as ready; nothing runs. Execute: executor_drain() runs the ready connections'
 * requests. Flush: network_flush() writes every touched reply with one system call a connection.
 * Since commands run outside of libuv's callbacks, a long one may turn the loop itself.
 *
 * Messages to very many subscribers are written in several turns, PUSHED_A_TURN connections in
 * each: others are served in between, and what is published meanwhile goes out in the same write.
 */
#ifndef REDOUBT_SERVER_NETWORK_H
#define REDOUBT_SERVER_NETWORK_H

#include <uv.h>

#include "base/bytes.h"

struct server;
struct conn;

/* What is read in one turn, one connection behind the other. */
enum { ARENA_SIZE = 256 * 1024, ARENA_READ = 64 * 1024, ARENA_LEAST = 16 * 1024 };
/* Connections to whose clients something was pushed: so many are written in a turn, and no more
 * than so many bytes wait for it. */
enum { PUSHED_A_TURN = 64, PUSHED_WAITING = 64 * 1024 };

/* Connections in a queue, linked by the conn's own fields. */
struct conn_queue {
    struct conn *first, *last;
};

struct listener;

struct network {
    struct listener *listeners; /* owned */
    char *arena;                /* owned */
    size_t arena_used;
    struct conn_queue ready;
    struct conn_queue pushed; /* received messages that are to be written; may last several turns */
    struct conn *touched, *closing, *settling; /* lists */
    uint64_t turn_began; /* ticks of the first event of this turn, 0: none yet */
};

struct network *network_create(struct server *s);
/* Close listeners and connections and run the loop until all of them are gone. */
void network_destroy(struct server *s);

/* Open what the options say (bind, port, unixsocket). On failure false, and error (room bytes)
 * tells. */
bool network_listen(struct server *s, char *error, size_t room);
/* Stop accepting; the unix socket's file is removed. */
void network_stop_listening(struct server *s);
/* CONFIG SET port / bind / tcp-backlog: close the TCP listeners (a bound address cannot be bound
 * twice) and open what the options say now. False: none listens; restore the options and call
 * again. */
bool network_relisten(struct server *s, char *error, size_t room);
/* "listener0:name=tcp,bind=...,port=...\r\n" lines for INFO. */
size_t network_describe(struct server *s, char *out, size_t room);
/* Something happened in this turn, as INFO's times of the loop have it: it began now, unless it
 * had. */
void network_turn_begins(struct network *net);
/* How many sockets listen. */
int network_listener_count(const struct server *s);

/* Phase 3, and closing what was asked to be closed. */
void network_flush(struct server *s);
/* One whole turn of the loop: wait for events as long as libuv sees fit, read, execute, flush. */
void network_turn(struct server *s);
/* The same from inside of a request that takes long, whose connection is kept (conn_keep()): serve
 * what arrived meanwhile, without waiting. Nothing else of the turn outside moves. */
void network_turn_inside(struct server *s);

#endif
