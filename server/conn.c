/*
 * conn.c - reading, holding and writing the bytes of one connection.
 */
#include "server/conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/blocked.h"
#include "server/client_eviction.h"
#include "server/log.h"
#include "server/network.h"
#include "server/outlimit.h"
#include "server/server.h"
#include "server/transaction.h"
#include "storage/entry.h"

enum { OWN_FIRST = 16 * 1024, BIG_READ = 1 << 30, SPANS = 64 };

/* -- reading ----------------------------------------------------------------------------------- */

void conn_mark_ready(struct conn *c)
{
    if (c->is_ready || c->client->flags & CLIENT_CLOSE_NOW)
        return;
    struct conn_queue *ready = &c->client->server->network->ready;
    c->is_ready = true;
    c->next_ready = NULL;
    if (ready->last != NULL)
        ready->last->next_ready = c;
    else
        ready->first = c;
    ready->last = c;
}

/* Move what is in data to an own buffer with room for more behind it. */
static void own_buffer(struct conn *c, size_t more)
{
    size_t rest = c->len - c->pos;
    assert(c->data != NULL || rest == 0);
    if (c->own == NULL || c->own_room < rest + more) {
        size_t room = rest + more < OWN_FIRST ? OWN_FIRST : rest + more;
        if (c->own != NULL && room < c->own_room * 2)
            room = c->own_room * 2;
        char *own = mem_alloc(room);
        if (rest > 0)
            memcpy(own, c->data + c->pos, rest);
        mem_free(c->own);
        c->own = own;
        c->own_room = room;
    } else if (rest > 0 && (c->data != c->own || c->pos > 0)) {
        memmove(c->own, c->data + c->pos, rest);
    }
    c->data = c->own;
    c->len = rest;
    c->pos = c->running_at = 0;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct conn *c = (struct conn *)handle;
    struct network *net = c->client->server->network;
    if (c->big != NULL && !c->big_supplied) {
        size_t left = c->big->len - c->big_have;
        *buf = uv_buf_init(c->big->data + c->big_have, left < BIG_READ ? (unsigned)left : BIG_READ);
        return;
    }
    if (c->is_ready && c->len - c->pos >= ARENA_READ) {
        *buf = uv_buf_init(NULL, 0); /* enough for one turn: others want to be served, too */
        return;
    }
    char *free_at = net->arena + net->arena_used;
    size_t left = ARENA_SIZE - net->arena_used;
    bool continues = c->data != NULL && c->data != c->own && c->data + c->len == free_at;
    if (left >= ARENA_LEAST && (c->data == NULL || continues)) {
        *buf = uv_buf_init(free_at, left < ARENA_READ ? (unsigned)left : ARENA_READ);
        return;
    }
    if (c->data == NULL || c->data != c->own || c->own_room - c->len < OWN_FIRST / 2)
        own_buffer(c, c->len - c->pos < OWN_FIRST ? OWN_FIRST : c->len - c->pos);
    *buf = uv_buf_init(c->own + c->len, (unsigned)(c->own_room - c->len));
}

static void count_read(struct server *s, struct client *client, size_t count)
{
    s->stats.reads++;
    s->stats.net_in += count;
    client->net_in += count;
    client->active_ms = s->keys->now_ms;
    network_turn_begins(s->network);
}

static void check_query_limit(struct conn *c)
{
    struct server *s = c->client->server;
    size_t waiting = c->len - c->pos + (c->big != NULL ? c->big_have : 0);
    if (waiting > s->stats.input_max)
        s->stats.input_max = waiting;
    if (waiting <= (uint64_t)s->opt.client_query_buffer_limit)
        return;
    log_write(s->log, LOG_LEVEL_WARNING,
              "Closing client that reached max query buffer length: id=%llu addr=%s (qbuf=%zu)",
              (unsigned long long)c->client->id, client_address(c->client), waiting);
    s->stats.query_limit_disconnections++;
    client_close(c->client, false);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct conn *c = (struct conn *)stream;
    struct server *s = c->client->server;
    if (count == 0 || count == UV_ENOBUFS)
        return; /* nothing to read, or on_alloc() wants no more */
    if (count < 0) {
        client_close(c->client, false);
        return;
    }
    count_read(s, c->client, (size_t)count);
    if (c->big != NULL && !c->big_supplied && buf->base == c->big->data + c->big_have) {
        c->big_have += (size_t)count;
        check_query_limit(c);
        if (c->big_have < c->big->len)
            return;
        request_supply(&c->parser, c->big->data);
        c->big_supplied = true;
    } else if (c->data == NULL || buf->base == c->data + c->len) {
        if (c->data == NULL) {
            c->data = buf->base;
            c->len = c->pos = 0;
        }
        if (c->data != c->own)
            s->network->arena_used += (size_t)count;
        c->len += (size_t)count;
        check_query_limit(c);
    }
    conn_mark_ready(c);
}

/* -- requests ---------------------------------------------------------------------------------- */

bool conn_has_input(const struct conn *c)
{
    return c->held_next < c->held_count || c->pos < c->len;
}

static enum request_step next_held(struct conn *c, struct arg_list *list)
{
    struct queued *q = &c->held[c->held_next++];
    arg_list_reserve(list, (uint32_t)q->argc);
    memcpy(list->args + list->count, q->argv, (size_t)q->argc * sizeof *q->argv);
    list->count += (uint32_t)q->argc;
    return REQUEST_READY;
}

enum request_step conn_next_request(struct conn *c, struct arg_list *list)
{
    if (c->held_next < c->held_count)
        return next_held(c, list);
    if (c->pos >= c->len && !c->big_supplied)
        return REQUEST_MORE;
    struct client *client = c->client;
    struct server *s = client->server;
    struct request_limits limits = {s->opt.proto_max_bulk_len, INT32_MAX,
                                    client->flags & CLIENT_AUTHENTICATED};
    size_t eaten = 0;
    enum request_step step =
        request_feed(&c->parser, c->data + c->pos, c->len - c->pos, &limits, list, &eaten);
    if (step == REQUEST_READY) {
        c->pos += eaten;
        c->big_run = c->big_supplied;
    }
    return step;
}

void conn_refuse_input(struct conn *c)
{
    struct client *client = c->client;
    reply_errorf(&client->reply, "ERR %s", c->parser.error);
    c->pos = c->len;
    client_touch_output(client);
    client_close(client, true);
    log_write(client->server->log, LOG_LEVEL_VERBOSE,
              "Protocol error (%s) from client: id=%llu addr=%s", c->parser.error,
              (unsigned long long)client->id, client_address(client));
}

/* A request that had been held is held again: it and those behind it keep their places. */
static bool hold_again(struct conn *c, const struct bytes *argv)
{
    for (uint32_t i = 0; i < c->held_count; i++) {
        if (c->held[i].argv[0].ptr != argv[0].ptr)
            continue;
        if (i < c->held_next)
            c->held_next = i;
        return true;
    }
    return false;
}

void conn_hold(struct conn *c, struct command_slot *command, const struct bytes *argv, int argc)
{
    if (hold_again(c, argv))
        return;
    if (c->held_next == c->held_count) {
        for (uint32_t i = 0; i < c->held_count; i++)
            mem_free(c->held[i].argv);
        c->held_next = c->held_count = 0;
    }
    c->held = mem_resize(c->held, (c->held_count + 1) * sizeof *c->held);
    c->held[c->held_count++] = queued_copy(command, argv, argc);
}

static void held_fini(struct conn *c)
{
    for (uint32_t i = 0; i < c->held_count; i++)
        mem_free(c->held[i].argv);
    mem_free(c->held);
    c->held = NULL;
    c->held_count = c->held_next = 0;
}

struct blob *conn_take_blob(struct conn *c, const char *ptr)
{
    if (c == NULL || c->big == NULL || !c->big_supplied || c->big->data != ptr)
        return NULL;
    struct blob *b = c->big;
    c->big = NULL;
    return b;
}

/* A large bulk is under way: its bytes leave the buffer for the block in which they will be stored.
 */
static void begin_big(struct conn *c)
{
    struct request_parser *p = &c->parser;
    if (c->big != NULL || p->big_len == 0)
        return;
    c->big = blob_try_create(p->big_len);
    if (c->big == NULL)
        return; /* it goes on in the buffer, as far as that goes */
    c->big_have = p->big_have;
    c->big_supplied = false;
    memcpy(c->big->data, c->data + c->pos + p->big_at, p->big_have);
    c->len = c->pos + p->big_at;
}

void conn_trim_input(struct conn *c)
{
    if (c->big == NULL || c->big_supplied || c->big_have > c->big->len / 2)
        return;
    own_buffer(c, c->big_have);
    memcpy(c->data + c->len, c->big->data, c->big_have);
    c->len += c->big_have;
    blob_release(c->big);
    c->big = NULL;
    c->parser.big_len = 0; /* until the parser meets it again */
}

void conn_settle(struct conn *c)
{
    c->is_settling = false;
    if (c->big_run) {
        blob_release(c->big); /* unless its command took it */
        c->big = NULL;
        c->big_supplied = c->big_run = false;
    }
    if (c->held_count > 0 && c->held_next == c->held_count)
        held_fini(c);
    if (c->stopped)
        c->pos = c->len;
    else if (c->pos < c->len)
        begin_big(c);
    if (c->pos < c->len) {
        own_buffer(c, 0);
        return;
    }
    mem_free(c->own);
    c->own = c->data = NULL;
    c->own_room = c->len = c->pos = c->running_at = 0;
}

/* -- writing ----------------------------------------------------------------------------------- */

static void on_written(uv_write_t *req, int status);

/* The socket is full: libuv sends the rest when it can. */
static void write_later(struct conn *c)
{
    struct reply_span spans[SPANS];
    uv_buf_t bufs[SPANS];
    int n = reply_spans(&c->client->reply, spans, SPANS);
    c->write_len = 0;
    for (int i = 0; i < n; i++) {
        bufs[i] = uv_buf_init((char *)spans[i].ptr, (unsigned)spans[i].len);
        c->write_len += spans[i].len;
    }
    c->writing = uv_write(&c->write, &c->stream, bufs, (unsigned)n, on_written) == 0;
    if (!c->writing)
        client_close(c->client, false);
}

static void count_written(struct conn *c, size_t count)
{
    struct server *s = c->client->server;
    reply_sent(&c->client->reply, count);
    s->stats.writes++;
    s->stats.net_out += count;
    c->client->net_out += count;
    c->client->active_ms = s->keys->now_ms;
}

static void after_flush(struct conn *c)
{
    struct client *client = c->client;
    client_eviction_note(client);
    size_t waiting = reply_bytes(&client->reply);
    if (waiting == 0 && client->flags & CLIENT_CLOSE_AFTER_REPLY)
        client_close(client, false);
    if (c->choked && waiting < OUTPUT_CHOKE / 2) {
        c->choked = false;
        conn_mark_ready(c);
    }
}

static void on_written(uv_write_t *req, int status)
{
    struct conn *c = req->handle != NULL ? (struct conn *)req->handle : NULL;
    if (c == NULL || uv_is_closing(&c->handle))
        return;
    c->writing = false;
    if (status < 0) {
        client_close(c->client, false);
        return;
    }
    if (c->is_kept) {
        c->written_unseen = c->write_len;
        return;
    }
    count_written(c, c->write_len);
    conn_flush(c);
}

void conn_flush(struct conn *c)
{
    struct client *client = c->client;
    if (client->flags & CLIENT_CLOSE_NOW || c->is_kept)
        return;
    bool is_large = reply_memory(&client->reply) > REPLY_CHUNK || reply_is_full(&client->reply);
    if ((is_large || client->soft_limit_since_ms != 0) && outlimit_check(client))
        return; /* as Redis does, even if the socket would take all of it */
    while (!c->writing && !uv_is_closing(&c->handle) && reply_bytes(&client->reply) > 0) {
        struct reply_span spans[SPANS];
        uv_buf_t bufs[SPANS];
        size_t total = 0;
        int n = reply_spans(&client->reply, spans, SPANS);
        for (int i = 0; i < n; i++) {
            bufs[i] = uv_buf_init((char *)spans[i].ptr, (unsigned)spans[i].len);
            total += spans[i].len;
        }
        int sent = uv_try_write(&c->stream, bufs, (unsigned)n);
        if (sent >= 0)
            count_written(c, (size_t)sent);
        if (sent == UV_EAGAIN || (sent >= 0 && (size_t)sent < total)) {
            write_later(c);
        } else if (sent < 0) {
            client_close(client, false);
            return;
        }
    }
    after_flush(c);
}

void client_touch_pushed(struct client *client)
{
    struct conn *c = client->conn;
    if (c == NULL)
        return;
    if (reply_bytes(&client->reply) > PUSHED_WAITING && !c->writing)
        conn_flush(c);
    if (c->is_pushed)
        return;
    struct conn_queue *pushed = &client->server->network->pushed;
    c->is_pushed = true;
    c->next_pushed = NULL;
    c->prev_pushed = pushed->last;
    *(pushed->last != NULL ? &pushed->last->next_pushed : &pushed->first) = c;
    pushed->last = c;
}

void conn_unqueue_pushed(struct conn *c)
{
    if (!c->is_pushed)
        return;
    struct conn_queue *pushed = &c->client->server->network->pushed;
    *(c->prev_pushed != NULL ? &c->prev_pushed->next_pushed : &pushed->first) = c->next_pushed;
    *(c->next_pushed != NULL ? &c->next_pushed->prev_pushed : &pushed->last) = c->prev_pushed;
    c->is_pushed = false;
}

void client_touch_output(struct client *client)
{
    struct conn *c = client->conn;
    if (c == NULL || c->is_touched || client->flags & CLIENT_CLOSE_NOW)
        return;
    struct network *net = client->server->network;
    c->is_touched = true;
    c->next_touched = net->touched;
    net->touched = c;
}

void conn_keep(struct conn *c)
{
    c->is_kept = true;
    if (!c->stopped)
        uv_read_stop(&c->stream);
}

void conn_release(struct conn *c)
{
    c->is_kept = false;
    if (!c->stopped)
        uv_read_start(&c->stream, on_alloc, on_read);
    if (c->written_unseen > 0)
        count_written(c, c->written_unseen);
    c->written_unseen = 0;
    client_touch_output(c->client);
    if (c->client->flags & CLIENT_CLOSE_NOW)
        client_close(c->client, false);
    else if (conn_has_input(c))
        conn_mark_ready(c);
}

/* -- opening and closing ----------------------------------------------------------------------- */

/* Only here does a connection end. */
static void on_closed(uv_handle_t *handle)
{
    struct conn *c = (struct conn *)handle;
    conn_unqueue_pushed(c);
    client_destroy(c->client);
    request_parser_fini(&c->parser);
    held_fini(c);
    blob_release(c->big);
    mem_free(c->own);
    mem_free(c->peer);
    mem_free(c->local);
    mem_free(c);
}

void conn_close(struct conn *c)
{
    if (!uv_is_closing(&c->handle))
        uv_close(&c->handle, on_closed);
}

void client_close(struct client *client, bool flush_first)
{
    struct conn *c = client->conn;
    client->flags |= flush_first ? CLIENT_CLOSE_AFTER_REPLY : CLIENT_CLOSE_NOW;
    client_eviction_note(client);
    if (c == NULL)
        return;
    blocked_forget(client);
    if (!c->stopped) {
        c->stopped = true;
        uv_read_stop(&c->stream);
    }
    if (flush_first && reply_bytes(&client->reply) > 0) {
        client_touch_output(client);
        return;
    }
    if (c->is_closing)
        return;
    struct network *net = client->server->network;
    c->is_closing = true;
    c->next_closing = net->closing;
    net->closing = c;
}

static void on_refused(uv_handle_t *handle)
{
    mem_free(handle);
}

/* One line to a peer that does not become a client. */
static void refuse(struct server *s, struct conn *c, const char *line)
{
    uv_buf_t buf = uv_buf_init((char *)line, (unsigned)strlen(line));
    uv_try_write(&c->stream, &buf, 1);
    s->stats.rejected_connections++;
    uv_close(&c->handle, on_refused);
}

static bool is_loopback(const struct conn *c)
{
    struct sockaddr_storage address;
    int len = sizeof address;
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&address, &len) != 0)
        return true; /* gone already */
    if (address.ss_family == AF_INET)
        return ntohl(((struct sockaddr_in *)&address)->sin_addr.s_addr) >> 24 == 127;
    const struct in6_addr *six = &((struct sockaddr_in6 *)&address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
}

static const char protected_line[] =
    "-DENIED Redis is running in protected mode because protected mode is enabled and no password "
    "is set for the default user. In this mode connections are only accepted from the loopback "
    "interface. If you want to connect from external computers to Redis you may adopt one of the "
    "following solutions: 1) Just disable protected mode sending the command 'CONFIG SET "
    "protected-mode no' from the loopback interface by connecting to Redis from the same host the "
    "server is running, however MAKE SURE Redis is not publicly accessible from internet if you do "
    "so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable "
    "the protected mode by editing the Redis configuration file, and setting the protected mode "
    "option to 'no', and then restarting the server. 3) If you started the server manually just "
    "for testing, restart it with the '--protected-mode no' option. 4) Set up an authentication "
    "password for the default user. NOTE: You only need to do one of the above things in order "
    "for the server to start accepting connections from the outside.\r\n";

void conn_accept(struct server *s, uv_stream_t *listener, bool is_unix)
{
    struct conn *c = mem_alloc_zeroed(sizeof *c);
    int error = is_unix ? uv_pipe_init(&s->loop, &c->pipe, 0) : uv_tcp_init(&s->loop, &c->tcp);
    if (error != 0) {
        mem_free(c);
        return;
    }
    if (uv_accept(listener, &c->stream) != 0) {
        uv_close(&c->handle, on_refused);
        return;
    }
    if (s->clients.count >= (uint64_t)s->opt.maxclients) {
        refuse(s, c, "-ERR max number of clients reached\r\n");
        return;
    }
    if (!is_unix && s->opt.protected_mode && s->opt.requirepass.len == 0 && !is_loopback(c)) {
        refuse(s, c, protected_line);
        return;
    }
    if (!is_unix) {
        uv_tcp_nodelay(&c->tcp, 1);
        if (s->opt.tcp_keepalive > 0)
            uv_tcp_keepalive(&c->tcp, 1, (unsigned)s->opt.tcp_keepalive);
    }
    s->stats.connections++;
    c->client = client_create(s);
    c->client->conn = c;
    if (is_unix)
        c->client->flags |= CLIENT_UNIX_SOCKET;
    uv_read_start(&c->stream, on_alloc, on_read);
}

/* -- what others ask of a client's connection -------------------------------------------------- */

static char *address_text(const struct sockaddr_storage *address)
{
    char host[INET6_ADDRSTRLEN] = "?", text[INET6_ADDRSTRLEN + 16];
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
        snprintf(text, sizeof text, "[%s]:%d", host, ntohs(six->sin6_port));
    } else {
        const struct sockaddr_in *four = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
        snprintf(text, sizeof text, "%s:%d", host, ntohs(four->sin_port));
    }
    return mem_copy_text(text);
}

static char *unix_text(const struct server *s)
{
    char text[sizeof(((struct sockaddr_un *)0)->sun_path) + 4];
    snprintf(text, sizeof text, "%s:0", s->opt.unixsocket);
    return mem_copy_text(text);
}

const char *client_address(const struct client *client)
{
    struct conn *c = client->conn;
    if (c == NULL)
        return "";
    if (c->peer == NULL) {
        struct sockaddr_storage address;
        int len = sizeof address;
        if (client->flags & CLIENT_UNIX_SOCKET)
            c->peer = unix_text(client->server);
        else if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&address, &len) == 0)
            c->peer = address_text(&address);
        else
            return "?:0";
    }
    return c->peer;
}

const char *client_local_address(const struct client *client)
{
    struct conn *c = client->conn;
    if (c == NULL)
        return "";
    if (c->local == NULL) {
        struct sockaddr_storage address;
        int len = sizeof address;
        if (client->flags & CLIENT_UNIX_SOCKET)
            c->local = unix_text(client->server);
        else if (uv_tcp_getsockname(&c->tcp, (struct sockaddr *)&address, &len) == 0)
            c->local = address_text(&address);
        else
            return "?:0";
    }
    return c->local;
}

bool client_is_local(const struct client *client)
{
    return (client->flags & CLIENT_UNIX_SOCKET) ||
           (client->conn != NULL && is_loopback(client->conn));
}

int client_fd(const struct client *client)
{
    uv_os_fd_t fd = -1;
    if (client->conn != NULL)
        uv_fileno(&client->conn->handle, &fd);
    return fd;
}

size_t client_input_bytes(const struct client *client)
{
    const struct conn *c = client->conn;
    if (c == NULL)
        return 0;
    if (c->big != NULL && !c->big_run)
        return c->big_have;
    return c->data == NULL ? 0 : c->len - c->running_at;
}

size_t client_input_room(const struct client *client)
{
    const struct conn *c = client->conn;
    if (c == NULL)
        return 0;
    /* What was announced counts as if its block were there: it will be when the turn ends. */
    return c->own_room + (c->big != NULL ? c->big->room : c->parser.big_len);
}
