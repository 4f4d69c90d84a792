/*
 * client.h - who asks: the state of one session, whatever carries it.
 *
 * A client belongs to a connection (conn.h), or to nobody (later: scripts). Handlers of connection
 * commands change it; the executor reads it.
 */
#ifndef REDOUBT_SERVER_CLIENT_H
#define REDOUBT_SERVER_CLIENT_H

#include "protocol/reply.h"
#include "server/command.h"

struct server;
struct conn;
struct subscriptions;
struct tracker;
struct transaction;

enum client_flag {
    CLIENT_CLOSE_AFTER_REPLY = 1 << 0, /* flush, then close; no more commands are run */
    CLIENT_CLOSE_NOW = 1 << 1,         /* close without flushing, at the end of the turn */
    CLIENT_MULTI = 1 << 2,             /* between MULTI and EXEC */
    CLIENT_MONITOR = 1 << 3,
    CLIENT_NO_EVICT = 1 << 4,
    CLIENT_NO_TOUCH = 1 << 5,
    CLIENT_REPLY_OFF = 1 << 6,
    CLIENT_REPLY_SKIP_NEXT =
        1 << 7, /* CLIENT REPLY SKIP was just run: the next command's reply is dropped */
    CLIENT_REPLY_SKIP = 1 << 8, /* this command's reply is dropped */
    CLIENT_UNIX_SOCKET = 1 << 9,
    CLIENT_PAUSED = 1 << 10,  /* has a command that waits for CLIENT PAUSE to end */
    CLIENT_BLOCKED = 1 << 11, /* waits inside a blocking command */
    CLIENT_AUTHENTICATED = 1 << 12,
    CLIENT_IN_EXEC = 1 << 13,     /* EXEC is running its queue */
    CLIENT_ROLLBACK_ON = 1 << 14, /* CLIENT TRANSACTION-ROLLBACK; neither: transaction-rollback */
    CLIENT_ROLLBACK_OFF = 1 << 15,
};

struct client {
    struct client *prev, *next;  /* all clients, oldest first: server.clients */
    struct client *next_monitor; /* those that see all commands: server.clients.first_monitor */
    struct server *server;
    struct conn *conn; /* owned by the loop; NULL: nobody is connected */
    uint64_t id;
    uint32_t flags;
    uint32_t gates; /* gates armed for this client (executor.h) */
    int db;
    struct reply reply;              /* its resp field is the protocol version */
    struct transaction *transaction; /* owned; NULL unless in MULTI or watching */
    struct wait *wait; /* owned by its timer; NULL unless CLIENT_BLOCKED (blocked.h) */
    struct subscriptions *subscriptions; /* owned; NULL: none (pubsub.h) */
    struct tracker *tracker;             /* owned; NULL: it does not track keys (tracking.h) */
    char *name, *lib_name, *lib_version; /* owned; NULL: none */
    const char *user;                    /* "default" */
    int64_t created_ms, active_ms;       /* wall clock */
    const struct command_slot *last_command;
    uint64_t commands, net_in, net_out;
    size_t argument_memory; /* bytes of the arguments of the command being run or waiting */
    struct {
        uint64_t hash;  /* of the key that was last in the way of an EXEC */
        uint32_t count; /* how often in a row */
    } conflict;
    int64_t soft_limit_since_ms; /* output above the soft limit since; 0: it is not */
    struct {
        struct client *prev, *next; /* of about the same size */
        size_t noted;               /* bytes that count against maxmemory-clients */
        int list;
        bool is_linked;
    } size; /* client_eviction.h */
};

/* Which output limit and CLIENT LIST TYPE it counts for. */
enum client_class { CLASS_NORMAL, CLASS_REPLICA, CLASS_PUBSUB, CLASS_MASTER, CLASS_COUNT };
enum client_class client_class(const struct client *c);

/* A client without connection yet; authenticated if no password is asked for. */
struct client *client_create(struct server *s);
/* End the session's state: transaction, watches, names. Called by conn.c when the connection is
 * gone. */
void client_destroy(struct client *c);
/* Ask for the connection to be closed at the end of the turn: flush first, or not. Safe at any
 * time. */
void client_close(struct client *c, bool flush_first);
/* NULL: there is none, or it is about to be closed. */
struct client *client_by_id(struct server *s, uint64_t id);
/* It may run commands from now on; or only if no password is asked for, as when it was new. */
void client_authenticate(struct client *c);
void client_deauthenticate(struct client *c);
/* Names and versions that clients give themselves go into one line of CLIENT LIST, so they hold no
 * spaces, line ends or control characters. An empty one clears *field. False, and all as before, if
 * text is not such a word. */
bool client_set_word(char **field, struct bytes text);

/* "127.0.0.1:51034", "/tmp/redis.sock:0"; "" without connection. Borrowed. */
const char *client_address(const struct client *c);
const char *client_local_address(const struct client *c);
/* Does it come over the loopback interface or a unix socket? */
bool client_is_local(const struct client *c);
int client_fd(const struct client *c);
/* Bytes received and not run yet; room of their buffer. */
size_t client_input_bytes(const struct client *c);
size_t client_input_room(const struct client *c);
/* Everything that this client costs. */
size_t client_memory(const struct client *c);
/* The reply grew: flush it this turn. */
void client_touch_output(struct client *c);
/* It grew by what others sent (a message): flush it when its turn comes, with those of all other
 * receivers. */
void client_touch_pushed(struct client *c);

#endif
