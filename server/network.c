/*
 * network.c - listeners, and the turn of the loop.
 */
#include "server/network.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/client_eviction.h"
#include "server/conn.h"
#include "server/executor.h"
#include "server/log.h"
#include "server/server.h"
#include "server/tracking.h"

struct listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    struct listener *next;
    struct server *server;
    bool is_unix;
};

struct network *network_create(struct server *s)
{
    (void)s;
    struct network *net = mem_alloc_zeroed(sizeof *net);
    net->arena = mem_alloc(ARENA_SIZE);
    return net;
}

/* -- listening --------------------------------------------------------------------------------- */

static void on_listener_closed(uv_handle_t *handle)
{
    mem_free(handle);
}

static void close_list(struct listener *l)
{
    while (l != NULL) {
        struct listener *next = l->next;
        uv_close(&l->handle, on_listener_closed);
        l = next;
    }
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *l = (struct listener *)stream;
    struct network *net = l->server->network;
    network_turn_begins(net);
    if (status == 0)
        conn_accept(l->server, stream, l->is_unix);
    else
        log_write(l->server->log, LOG_LEVEL_WARNING, "Accepting client connection: %s",
                  uv_strerror(status));
}

/* "*" is every IPv4 address, "-::*" every IPv6 address, if there is IPv6. */
static int bind_tcp(struct listener *l, const char *host, int port)
{
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    if (strcmp(host, "*") == 0)
        host = "0.0.0.0";
    if (strcmp(host, "::*") == 0)
        host = "::";
    if (uv_ip4_addr(host, port, &four) == 0)
        return uv_tcp_bind(&l->tcp, (struct sockaddr *)&four, 0);
    if (uv_ip6_addr(host, port, &six) == 0)
        return uv_tcp_bind(&l->tcp, (struct sockaddr *)&six, UV_TCP_IPV6ONLY);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    uv_getaddrinfo_t req;
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    int error = uv_getaddrinfo(l->tcp.loop, &req, NULL, host, service, &hints);
    if (error != 0)
        return error;
    error = uv_tcp_bind(&l->tcp, req.addrinfo->ai_addr, 0);
    uv_freeaddrinfo(req.addrinfo);
    return error;
}

/* Open one TCP listener in front of *list; 0 or libuv's error. */
static int listen_tcp(struct server *s, struct listener **list, const char *host)
{
    struct listener *l = mem_alloc_zeroed(sizeof *l);
    l->server = s;
    uv_tcp_init(&s->loop, &l->tcp);
    int error = bind_tcp(l, host, (int)s->opt.port);
    if (error == 0)
        error = uv_listen(&l->stream, (int)s->opt.tcp_backlog, on_connection);
    if (error != 0) {
        uv_close(&l->handle, on_listener_closed);
        return error;
    }
    l->next = *list;
    *list = l;
    return 0;
}

static int listen_unix(struct server *s, struct listener **list)
{
    struct listener *l = mem_alloc_zeroed(sizeof *l);
    l->server = s;
    l->is_unix = true;
    uv_pipe_init(&s->loop, &l->pipe, 0);
    unlink(s->opt.unixsocket);
    /* The file is made with no more rights than it is to have. */
    mode_t mask =
        umask(s->opt.unixsocketperm != 0 ? (mode_t)(~s->opt.unixsocketperm & 0777) : 0077);
    int error = uv_pipe_bind(&l->pipe, s->opt.unixsocket);
    umask(mask);
    if (error == 0)
        error = uv_listen(&l->stream, (int)s->opt.tcp_backlog, on_connection);
    if (error == 0 && s->opt.unixsocketperm != 0)
        chmod(s->opt.unixsocket, (mode_t)s->opt.unixsocketperm);
    if (error != 0) {
        uv_close(&l->handle, on_listener_closed);
        return error;
    }
    l->next = *list;
    *list = l;
    return 0;
}

/* All addresses of bind: one with a '-' in front may be missing, but one of them must work. */
static bool listen_addresses(struct server *s, struct listener **list, char *error, size_t room)
{
    int opened = 0;
    for (int i = 0; s->opt.port != 0 && i < s->opt.bind.count; i++) {
        const char *host = s->opt.bind.items[i];
        bool optional = host[0] == '-';
        int failed = listen_tcp(s, list, host + optional);
        if (failed == 0) {
            opened++;
            continue;
        }
        log_write(s->log, LOG_LEVEL_WARNING,
                  "Could not create server TCP listening socket %s:%d: %s", host + optional,
                  (int)s->opt.port, uv_strerror(failed));
        if (optional && (failed == UV_EADDRNOTAVAIL || failed == UV_EAFNOSUPPORT))
            continue;
        snprintf(error, room, "Failed listening on port %d (tcp), aborting.", (int)s->opt.port);
        return false;
    }
    if (s->opt.port != 0 && opened == 0 && s->opt.bind.count > 0) {
        snprintf(error, room, "Failed listening on port %d (tcp), aborting.", (int)s->opt.port);
        return false;
    }
    return true;
}

bool network_listen(struct server *s, char *error, size_t room)
{
    struct listener *list = NULL;
    bool fine = listen_addresses(s, &list, error, room);
    if (fine && s->opt.unixsocket[0] != '\0') {
        int failed = listen_unix(s, &list);
        if (failed != 0) {
            snprintf(error, room, "Failed opening Unix socket: bind: %s", uv_strerror(failed));
            fine = false;
        }
    }
    if (!fine)
        close_list(list);
    else
        s->network->listeners = list;
    return fine;
}

bool network_relisten(struct server *s, char *error, size_t room)
{
    struct listener *fresh = NULL, *old = s->network->listeners, *unix_listener = NULL;
    for (struct listener *l = old, *next; l != NULL; l = next) {
        next = l->next;
        l->next = NULL;
        if (l->is_unix)
            unix_listener = l;
        else
            uv_close(&l->handle, on_listener_closed);
    }
    bool fine = listen_addresses(s, &fresh, error, room);
    if (!fine) {
        close_list(fresh);
        fresh = NULL;
    }
    if (unix_listener != NULL) {
        unix_listener->next = fresh;
        fresh = unix_listener;
    }
    s->network->listeners = fresh;
    return fine;
}

void network_stop_listening(struct server *s)
{
    bool has_unix = false;
    for (struct listener *l = s->network->listeners; l != NULL; l = l->next)
        has_unix |= l->is_unix;
    close_list(s->network->listeners);
    s->network->listeners = NULL;
    if (has_unix) {
        log_write(s->log, LOG_LEVEL_NOTICE, "Removing the unix socket file.");
        unlink(s->opt.unixsocket);
    }
}

int network_listener_count(const struct server *s)
{
    int count = 0;
    for (const struct listener *l = s->network->listeners; l != NULL; l = l->next)
        count++;
    return count;
}

static size_t describe_tcp(struct server *s, char *out, size_t room)
{
    size_t len = (size_t)snprintf(out, room, "name=tcp");
    for (int i = 0; i < s->opt.bind.count && len < room; i++)
        len += (size_t)snprintf(out + len, room - len, ",bind=%s", s->opt.bind.items[i]);
    if (len < room)
        len += (size_t)snprintf(out + len, room - len, ",port=%d\r\n", (int)s->opt.port);
    return len < room ? len : room - 1;
}

size_t network_describe(struct server *s, char *out, size_t room)
{
    int number = 0;
    size_t len = 0;
    if (s->opt.port != 0) {
        len += (size_t)snprintf(out, room, "listener%d:", number++);
        len += describe_tcp(s, out + len, room - len);
    }
    if (s->opt.unixsocket[0] != '\0' && len < room)
        len += (size_t)snprintf(out + len, room - len, "listener%d:name=unix,bind=%s\r\n", number,
                                s->opt.unixsocket);
    return len < room ? len : room - 1;
}

/* -- the turn ---------------------------------------------------------------------------------- */

/* Who still waits in a queue is closed in a later turn, when it is out of it: closing frees. */
static void close_asked(struct network *net)
{
    struct conn *later = NULL;
    while (net->closing != NULL) {
        struct conn *c = net->closing;
        net->closing = c->next_closing;
        if (c->is_kept) {
            c->is_closing = false; /* conn_release() asks again */
        } else if (c->is_ready || c->is_touched) {
            c->next_closing = later;
            later = c;
        } else {
            conn_close(c);
        }
    }
    net->closing = later;
}

static void flush_pushed(struct network *net, int most)
{
    for (struct conn *c; most > 0 && (c = net->pushed.first) != NULL; most--) {
        conn_unqueue_pushed(c);
        conn_flush(c);
    }
}

void network_flush(struct server *s)
{
    struct network *net = s->network;
    while (net->touched != NULL) {
        struct conn *c = net->touched;
        net->touched = c->next_touched;
        c->is_touched = false;
        conn_flush(c);
    }
    flush_pushed(net, PUSHED_A_TURN);
    close_asked(net);
}

/* Nobody holds views of the input any more, but of what is kept. */
static void settle_input(struct network *net)
{
    struct conn *kept = NULL;
    while (net->settling != NULL) {
        struct conn *c = net->settling;
        net->settling = c->next_settling;
        if (c->is_kept) {
            c->next_settling = kept;
            kept = c;
            continue;
        }
        conn_settle(c);
        client_eviction_note(c->client);
    }
    net->settling = kept;
}

void network_turn_begins(struct network *net)
{
    if (net->turn_began == 0)
        net->turn_began = clock_ticks();
}

static void count_turn(struct server *s)
{
    struct network *net = s->network;
    s->stats.cycles++;
    if (net->turn_began == 0)
        return;
    uint64_t took = clock_ticks() - net->turn_began;
    s->stats.cycle_ticks += took;
    if (took > s->stats.cycle_ticks_max)
        s->stats.cycle_ticks_max = took;
    net->turn_began = 0;
}

void network_turn(struct server *s)
{
    struct network *net = s->network;
    bool has_work = net->ready.first != NULL || net->pushed.first != NULL || net->closing != NULL;
    uv_run(&s->loop, has_work ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    executor_drain(s);
    tracking_broadcast(s);
    settle_input(net);
    net->arena_used = 0;
    client_eviction_run(s);
    network_flush(s);
    count_turn(s);
}

void network_turn_inside(struct server *s)
{
    struct network *net = s->network;
    size_t arena_used = net->arena_used;
    executor_finish_batch(s);
    settle_input(net);
    uv_run(&s->loop, UV_RUN_NOWAIT);
    executor_drain_inside(s);
    settle_input(net);
    net->arena_used = arena_used;
    if (!s->stopping) /* who asked for the end is told when nobody is accepted any more */
        network_flush(s);
}

void network_destroy(struct server *s)
{
    struct network *net = s->network;
    if (net == NULL)
        return;
    network_stop_listening(s);
    flush_pushed(net, INT_MAX);
    for (struct client *c = s->clients.first; c != NULL; c = c->next)
        if (c->conn != NULL)
            conn_close(c->conn);
    while (s->clients.count > 0)
        uv_run(&s->loop, UV_RUN_ONCE);
    mem_free(net->arena);
    mem_free(net);
    s->network = NULL;
}
