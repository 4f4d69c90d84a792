/*
 * blocked.c - lines of clients at keys.
 *
 * A client that waits has one struct wait with a place in the line of each of its keys. Lines live
 * in a table a database, keyed by name; a line without places goes. db.awaited counts lines, so
 * that a change of a key costs one branch while nobody waits in its database.
 */
#include "server/blocked.h"

#include <math.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/number.h"
#include "server/client.h"
#include "server/conn.h"
#include "server/errorstats.h"
#include "server/executor.h"
#include "server/server.h"
#include "server/transaction.h"
#include "storage/lazyfree.h"

struct line;

/* A client's place in the line of one key. */
struct place {
    struct place *prev, *next; /* in the line, longest waiting first */
    struct line *line;
    struct wait *wait;
};

/* The clients that wait for one key. */
struct line {
    struct place *first, *last;
    struct line *next_ready;
    bool is_ready;
    bool is_served; /* being served: stays although it may be empty */
    int db;
    uint64_t hash;
    uint32_t len;
    char name[];
};

/* One blocked client. The timer's memory belongs to libuv until its close callback, and so does all
 * of this. */
struct wait {
    uv_timer_t timer;
    struct client *client; /* NULL: over */
    struct queued request; /* owned copy */
    blocked_answer *on_timeout;
    enum value_type type;
    bool or_gone;
    int64_t deadline_ms;      /* wall clock; 0: none */
    uint64_t ends;            /* see struct blocked; 0: it waits for keys */
    struct wait *prev, *next; /* of those that wait for ends */
    int place_count;
    struct place places[];
};

struct blocked {
    struct dict *lines; /* one for each database; owned */
    int db_count;
    struct line *first_ready, *last_ready;
    /* Waiting for the lazyfree thread: it does its jobs in order, so the end of a job of ours is
     * the end of all before it. Each such wait has the number of its job. */
    uv_async_t on_ends;
    uint64_t asked;
    _Atomic uint64_t ended; /* by the thread */
    struct wait *first_end, *last_end;
};

static struct bytes key_of_line(const void *entry)
{
    const struct line *line = entry;
    return bytes_of(line->name, line->len);
}

static const struct dict_type line_table = {key_of_line};

/* -- lines ------------------------------------------------------------------------------------- */

static void mark_ready(struct blocked *b, struct line *line)
{
    if (line->is_ready)
        return;
    line->is_ready = true;
    line->next_ready = NULL;
    if (b->last_ready != NULL)
        b->last_ready->next_ready = line;
    else
        b->first_ready = line;
    b->last_ready = line;
}

/* The keyspace's word that a key has changed for good. */
static void on_touched(void *context, int db, struct bytes key, uint64_t hash)
{
    struct blocked *b = ((struct server *)context)->blocked;
    struct line *line = dict_find(&b->lines[db], key, hash);
    if (line != NULL)
        mark_ready(b, line);
}

static struct line *line_at(struct server *s, int db, struct key key)
{
    struct dict *lines = &s->blocked->lines[db];
    struct line *line = dict_find(lines, key.name, key.hash);
    if (line != NULL)
        return line;
    line = mem_alloc_zeroed(sizeof *line + key.name.len);
    line->db = db;
    line->hash = key.hash;
    line->len = (uint32_t)key.name.len;
    memcpy(line->name, key.name.ptr, key.name.len);
    dict_insert(lines, line, key.hash);
    s->keys->dbs[db].awaited++;
    return line;
}

static void line_end_if_empty(struct server *s, struct line *line)
{
    if (line->first != NULL || line->is_ready || line->is_served)
        return;
    dict_remove(&s->blocked->lines[line->db], key_of_line(line), line->hash);
    s->keys->dbs[line->db].awaited--;
    mem_free(line);
}

static void place_take(struct place *p, struct line *line, struct wait *w)
{
    *p = (struct place){.prev = line->last, .line = line, .wait = w};
    if (line->last != NULL)
        line->last->next = p;
    else
        line->first = p;
    line->last = p;
}

static void place_leave(struct server *s, struct place *p)
{
    struct line *line = p->line;
    if (p->prev != NULL)
        p->prev->next = p->next;
    else
        line->first = p->next;
    if (p->next != NULL)
        p->next->prev = p->prev;
    else
        line->last = p->prev;
    line_end_if_empty(s, line);
}

/* -- waiting ----------------------------------------------------------------------------------- */

static void on_ends(uv_async_t *handle);

struct blocked *blocked_create(struct server *s)
{
    struct blocked *b = mem_alloc_zeroed(sizeof *b);
    b->db_count = s->keys->db_count;
    b->lines = mem_alloc_zeroed((size_t)b->db_count * sizeof *b->lines);
    for (int i = 0; i < b->db_count; i++)
        dict_init(&b->lines[i], &line_table);
    s->keys->hooks.context = s;
    s->keys->hooks.touched = on_touched;
    uv_async_init(&s->loop, &b->on_ends, on_ends);
    b->on_ends.data = b;
    return b;
}

static void on_ends_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void blocked_destroy(struct blocked *b)
{
    if (b == NULL)
        return;
    for (int i = 0; i < b->db_count; i++)
        dict_fini(&b->lines[i]);
    mem_free(b->lines);
    uv_close((uv_handle_t *)&b->on_ends, on_ends_closed);
}

bool blocked_may_wait(const struct call *call)
{
    return call->client->conn != NULL && !(call->client->flags & CLIENT_IN_EXEC);
}

static void on_wait_closed(uv_handle_t *handle)
{
    struct wait *w = handle->data;
    mem_free(w->request.argv);
    mem_free(w);
}

static void ends_enter(struct blocked *b, struct wait *w)
{
    w->ends = ++b->asked;
    w->prev = b->last_end;
    if (b->last_end != NULL)
        b->last_end->next = w;
    else
        b->first_end = w;
    b->last_end = w;
}

static void ends_leave(struct blocked *b, struct wait *w)
{
    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        b->first_end = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    else
        b->last_end = w->prev;
}

/* The wait is over: the client is free for its next requests. */
static void wait_end(struct wait *w)
{
    struct client *c = w->client;
    struct server *s = c->server;
    for (int i = 0; i < w->place_count; i++)
        place_leave(s, &w->places[i]);
    w->place_count = 0;
    if (w->ends > 0)
        ends_leave(s->blocked, w);
    w->client = NULL;
    c->wait = NULL;
    c->flags &= ~(uint32_t)CLIENT_BLOCKED;
    s->clients.blocked--;
    uv_close((uv_handle_t *)&w->timer, on_wait_closed);
    client_touch_output(c);
    if (c->conn != NULL)
        conn_mark_ready(c->conn);
}

/* A request that ends without having been tried again counts as a call, once. */
static void count_call(struct wait *w, bool failed)
{
    w->client->server->stats.commands++;
    w->request.command->calls++;
    w->request.command->failed += failed;
}

static void on_time(uv_timer_t *timer)
{
    struct wait *w = timer->data;
    struct client *c = w->client;
    if (c == NULL)
        return;
    int64_t left = w->deadline_ms - clock_wall_ms();
    if (left > 0) { /* libuv's clock is that of the turn's start */
        uv_timer_start(timer, on_time, (uint64_t)left, 0);
        return;
    }
    count_call(w, false);
    w->on_timeout(&c->reply);
    wait_end(w);
}

static struct wait *wait_begin(struct call *call, int places, blocked_answer *on_timeout)
{
    struct server *s = call->server;
    struct wait *w = mem_alloc_zeroed(sizeof *w + (size_t)places * sizeof *w->places);
    w->client = call->client;
    w->request = queued_copy(call->command, call->argv, call->argc);
    w->on_timeout = on_timeout;
    uv_timer_init(&s->loop, &w->timer);
    w->timer.data = w;
    call->client->wait = w;
    s->clients.blocked++;
    return w;
}

static void take_places(struct call *call, struct wait *w, const struct blocked_for *what)
{
    for (int i = 0; i < what->count; i++) {
        struct line *line = line_at(call->server, call->db, call_key(call, what->first_arg + i));
        bool twice = false;
        for (int j = 0; j < w->place_count; j++)
            twice |= w->places[j].line == line;
        if (!twice)
            place_take(&w->places[w->place_count++], line, w);
    }
}

void blocked_wait(struct call *call, const struct blocked_for *what)
{
    struct client *c = call->client;
    struct server *s = call->server;
    c->flags |= CLIENT_BLOCKED;
    if (c->wait != NULL)
        return; /* it tried again in vain, and keeps its places */
    struct wait *w = wait_begin(call, what->count, what->on_timeout);
    w->type = what->type;
    w->or_gone = what->or_gone;
    take_places(call, w, what);
    if (what->timeout_ms > 0) {
        w->deadline_ms = clock_wall_ms() + what->timeout_ms;
        uv_update_time(&s->loop);
        uv_timer_start(&w->timer, on_time, (uint64_t)what->timeout_ms, 0);
    }
}

/* Runs on the lazyfree thread. */
static void tell_end(void *object)
{
    struct blocked *b = object;
    atomic_fetch_add(&b->ended, 1);
    uv_async_send(&b->on_ends);
}

static void on_ends(uv_async_t *handle)
{
    struct blocked *b = handle->data;
    while (b->first_end != NULL && b->first_end->ends <= atomic_load(&b->ended)) {
        struct wait *w = b->first_end;
        count_call(w, false);
        w->on_timeout(&w->client->reply);
        wait_end(w);
    }
}

void blocked_wait_for_lazyfree(struct call *call, blocked_answer *answer)
{
    struct server *s = call->server;
    call->client->flags |= CLIENT_BLOCKED;
    ends_enter(s->blocked, wait_begin(call, 0, answer));
    lazyfree_queue(s->lazyfree, tell_end, s->blocked, 0);
}

bool blocked_timeout_or_reply(struct call *call, int arg, int64_t *timeout_ms)
{
    long double seconds;
    if (!number_parse_long_double(call->argv[arg], &seconds) || isnan(seconds)) {
        reply_error(call->reply, "ERR timeout is not a float or out of range");
        return false;
    }
    if (seconds < 0) {
        reply_error(call->reply, "ERR timeout is negative");
        return false;
    }
    long double ms = ceill(seconds * 1000);
    if (ms > (long double)(INT64_MAX - clock_wall_ms())) {
        reply_error(call->reply, "ERR timeout is out of range");
        return false;
    }
    *timeout_ms = (int64_t)ms;
    return true;
}

/* -- serving ----------------------------------------------------------------------------------- */

/* Let a client try again. It keeps waiting if its handler asks to wait once more. */
static void try_again(struct wait *w)
{
    struct client *c = w->client;
    struct call call = {
        .server = c->server,
        .client = c,
        .command = w->request.command,
        .argv = w->request.argv,
        .argc = w->request.argc,
        .db = c->db,
        .keys = c->server->keys,
        .reply = &c->reply,
    };
    c->flags &= ~(uint32_t)CLIENT_BLOCKED;
    c->server->ticks = clock_ticks();
    executor_call(&call);
    if (!(c->flags & CLIENT_BLOCKED))
        wait_end(w);
}

static bool has_what_it_waits_for(struct server *s, const struct line *line, const struct wait *w)
{
    if (w->or_gone)
        return true;
    const struct entry *e =
        keyspace_find(s->keys, line->db, (struct key){key_of_line(line), line->hash});
    return e != NULL && entry_type(e) == w->type;
}

/* Everybody who is in line now tries once. A wait that ends meanwhile has no client any more; its
 * memory stays until libuv closes its timer, which is not before the next turn. */
static void serve_line(struct server *s, struct line *line)
{
    size_t count = 0, i = 0;
    for (const struct place *p = line->first; p != NULL; p = p->next)
        count++;
    struct wait **waits = mem_alloc(count * sizeof(struct wait *) + 1);
    for (const struct place *p = line->first; p != NULL; p = p->next)
        waits[i++] = p->wait;
    for (i = 0; i < count; i++)
        if (waits[i]->client != NULL && has_what_it_waits_for(s, line, waits[i]))
            try_again(waits[i]);
    mem_free(waits);
}

void blocked_serve(struct server *s)
{
    struct blocked *b = s->blocked;
    while (b->first_ready != NULL) {
        struct line *line = b->first_ready;
        b->first_ready = line->next_ready;
        if (b->first_ready == NULL)
            b->last_ready = NULL;
        line->is_ready = false;
        line->is_served = true;
        serve_line(s, line);
        line->is_served = false;
        line_end_if_empty(s, line);
    }
}

void blocked_look_again(struct server *s, int db)
{
    struct dict_iter it;
    dict_iter_begin(&it, &s->blocked->lines[db]);
    for (struct line *line; (line = dict_iter_next(&it)) != NULL;)
        mark_ready(s->blocked, line);
    dict_iter_end(&it);
}

void blocked_forget(struct client *c)
{
    if (c->wait != NULL)
        wait_end(c->wait);
}

bool blocked_unblock(struct client *c, bool with_error)
{
    struct wait *w = c->wait;
    if (w == NULL || w->ends > 0)
        return false;
    count_call(w, with_error);
    if (with_error) {
        reply_error(&c->reply, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
        error_stats_count(c->server, bytes_of_text("UNBLOCKED "));
        executor_ignore_errors(c->server);
    } else
        w->on_timeout(&c->reply);
    wait_end(w);
    return true;
}

/* Does anybody in line want to hear that the key is gone? */
static bool line_minds_loss(const struct line *line)
{
    for (const struct place *p = line->first; p != NULL; p = p->next)
        if (p->wait->or_gone)
            return true;
    return false;
}

uint64_t blocked_key_count(const struct server *s, bool or_gone)
{
    uint64_t count = 0;
    for (int i = 0; i < s->blocked->db_count; i++) {
        struct dict_iter it;
        dict_iter_begin(&it, &s->blocked->lines[i]);
        for (const struct line *line; (line = dict_iter_next(&it)) != NULL;)
            count += !or_gone || line_minds_loss(line);
        dict_iter_end(&it);
    }
    return count;
}
