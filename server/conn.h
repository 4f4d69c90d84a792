/*
 * conn.h - one connection: a libuv stream, the bytes that came in, and the request being parsed.
 *
 * Where incoming bytes are:
 *   - what is read in a turn goes into the network's arena, one connection behind the other, and is
 *     parsed there: an idle connection holds no buffer;
 *   - what is left of it when the turn ends (an incomplete request) moves to the connection's own
 * buffer, and is continued there;
 *   - a bulk of REQUEST_BIG_BULK bytes or more is read straight into the blob that will be stored.
 * Bytes do not move between being parsed and the end of the turn, because batches hold views of
 * them.
 *
 * A conn ends in one place, the close callback, which runs inside uv_run(): during the execute and
 * flush phases no connection disappears.
 */
#ifndef REDOUBT_SERVER_CONN_H
#define REDOUBT_SERVER_CONN_H

#include <uv.h>

#include "protocol/request.h"
#include "server/client.h"

struct blob;
struct queued;

struct conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    struct client *client; /* owned */
    struct conn *next_ready, *next_touched, *next_closing, *next_settling;
    struct conn *prev_pushed, *next_pushed;
    bool is_ready, is_touched, is_pushed, is_closing, is_settling;
    bool is_kept; /* its request runs a script that takes long, while the loop turns: conn_keep() */
    bool writing; /* a uv_write is under way */
    bool stopped; /* takes no more input: peer gone, protocol error, or to be closed */
    bool choked;  /* too much output waits: requests wait until it is sent */
    struct request_parser parser;
    char *data;        /* input of this turn: in the arena, or own */
    size_t len, pos;   /* of data; what is before pos was parsed */
    size_t running_at; /* where the request that runs started */
    char *own;         /* owned buffer, NULL: none */
    size_t own_room;
    struct blob *big; /* a bulk being read, or read and waiting for its request; owned */
    size_t big_have;
    bool big_supplied;   /* it is whole, the parser knows it */
    bool big_run;        /* and its request was handed out */
    struct queued *held; /* requests that wait for a pause or block to end; owned */
    uint32_t held_count, held_next;
    uv_write_t write;
    size_t write_len;
    size_t written_unseen; /* sent while it was kept: still part of the reply */
    char *peer, *local;    /* addresses as text, when first asked for; owned */
};

/* The next request into list: READY with *argc arguments at the end of list, MORE when there is
 * none. A held request comes first. BROKEN: to be answered with conn_refuse_input() when its turn
 * comes. */
enum request_step conn_next_request(struct conn *c, struct arg_list *list);
/* Answer why the input is broken, take no more of it, and close. */
void conn_refuse_input(struct conn *c);
/* Keep this request for later: the client is paused or blocked. Requests of a batch are to be kept
 * in their order. */
void conn_hold(struct conn *c, struct command_slot *command, const struct bytes *argv, int argc);
/* Has it something to run? */
bool conn_has_input(const struct conn *c);
/* End of the execute phase: bytes that are left move to the own buffer, empty buffers go. */
void conn_settle(struct conn *c);
/* A bulk was announced and its sender has stopped: while most of it is missing, the room for it is
 * given back. */
void conn_trim_input(struct conn *c);
/* If argv[i].ptr is the data of the big bulk just parsed: the blob, whose reference passes to the
 * caller. */
struct blob *conn_take_blob(struct conn *c, const char *ptr);
/* The loop is about to turn inside of this connection's request: neither its input nor its reply
 * may move, so it is neither read, flushed nor closed until conn_release(). */
void conn_keep(struct conn *c);
void conn_release(struct conn *c);
/* Queue for the executor. */
void conn_mark_ready(struct conn *c);

/* Accept one from a listening stream. */
void conn_accept(struct server *s, uv_stream_t *listener, bool is_unix);
/* It does not wait any more for its turn among those to whom something was pushed. */
void conn_unqueue_pushed(struct conn *c);
/* Write what waits; arrange for the rest. */
void conn_flush(struct conn *c);
/* Close for good; conn and client are gone after libuv's callback. */
void conn_close(struct conn *c);

#endif
