/*
 * txlog.c - the log of conflicts and rollbacks, and the ranking of contended keys.
 *
 * Nothing in it belongs to a client or to the keyspace: an entry is one block with all it shows. An
 * author's command is a constant of the command table.
 */
#include "server/txlog.h"

#include <stdlib.h>

#include "base/memory.h"
#include "server/call.h"
#include "server/client.h"
#include "server/server.h"

struct txlog {
    struct txlog_entry *oldest, *newest; /* owned */
    uint64_t count, next_id;
    struct txlog_rank ranks[TXLOG_RANKS];
    int rank_count;
};

/* Who is running a command now. */
static struct author running_author(void *context)
{
    const struct server *s = context;
    if (s->running == NULL)
        return (struct author){0};
    return (struct author){s->running->client->id, s->running->command->full_name};
}

struct txlog *txlog_create(struct server *s)
{
    s->keys->hooks.context = s;
    s->keys->hooks.author = running_author;
    return mem_alloc_zeroed(sizeof(struct txlog));
}

void txlog_destroy(struct txlog *log)
{
    if (log == NULL)
        return;
    txlog_reset(log);
    mem_free(log);
}

void txlog_trim(struct txlog *log, uint64_t max_len)
{
    for (struct txlog_entry *gone; log->count > max_len && (gone = log->oldest) != NULL;) {
        log->oldest = gone->newer;
        *(gone->newer != NULL ? &gone->newer->older : &log->newest) = NULL;
        log->count--;
        mem_free(gone);
    }
}

void txlog_reset(struct txlog *log)
{
    txlog_trim(log, 0);
    for (int i = 0; i < log->rank_count; i++)
        mem_free(log->ranks[i].key);
    log->rank_count = 0;
}

/* -- entries ----------------------------------------------------------------------------------- */

/* Of what clients name, so much is kept. */
static struct bytes cut(struct bytes text)
{
    return bytes_of(text.ptr, text.len < TXLOG_TEXT_MAX ? text.len : TXLOG_TEXT_MAX);
}

/* Copy text behind what the entry holds already; *at moves on. */
static struct bytes keep_text(char **at, struct bytes text)
{
    struct bytes kept = bytes_of(*at, text.len);
    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return kept;
}

static void append(struct server *s, struct client *c, struct txlog_entry like)
{
    like.key = cut(like.key);
    like.field = cut(like.field);
    like.error = cut(like.error);
    struct txlog *log = s->txlog;
    struct bytes address = bytes_of_text(c->conn != NULL ? client_address(c) : "?:0");
    struct bytes name = c->name != NULL ? bytes_of_text(c->name) : bytes_of("", 0);
    struct txlog_entry *e = mem_alloc(sizeof *e + address.len + name.len + like.key.len +
                                      like.field.len + like.error.len);
    char *at = (char *)(e + 1);
    *e = like;
    e->address = keep_text(&at, address);
    e->name = keep_text(&at, name);
    e->key = keep_text(&at, like.key);
    e->field = keep_text(&at, like.field);
    e->error = keep_text(&at, like.error);
    e->id = log->next_id++;
    e->time_ms = s->keys->now_ms;
    e->client = c->id;
    e->newer = NULL;
    e->older = log->newest;
    *(log->newest != NULL ? &log->newest->newer : &log->oldest) = e;
    log->newest = e;
    log->count++;
    txlog_trim(log, (uint64_t)s->opt.txlog_max_len);
}

void txlog_rollback(struct client *c, enum txlog_kind kind, struct bytes error)
{
    append(c->server, c, (struct txlog_entry){.kind = kind, .db = c->db, .error = error});
}

/* -- the ranking ------------------------------------------------------------------------------- */

static struct txlog_rank *rank_find(struct txlog *log, int db, struct bytes key, uint64_t hash)
{
    for (int i = 0; i < log->rank_count; i++) {
        struct txlog_rank *r = &log->ranks[i];
        if (r->hash == hash && r->db == db && bytes_equal(bytes_of(r->key, r->len), cut(key)))
            return r;
    }
    return NULL;
}

/* A counter for a key that has none: a free one, or the smallest. */
static struct txlog_rank *rank_take(struct txlog *log)
{
    if (log->rank_count < TXLOG_RANKS) {
        log->ranks[log->rank_count] = (struct txlog_rank){0};
        return &log->ranks[log->rank_count++];
    }
    struct txlog_rank *least = &log->ranks[0];
    for (int i = 1; i < TXLOG_RANKS; i++)
        if (log->ranks[i].conflicts < least->conflicts)
            least = &log->ranks[i];
    mem_free(least->key);
    least->inherited = least->conflicts;
    return least;
}

static void rank_count(struct txlog *log, const struct txlog_obstacle *o, uint64_t hash,
                       int64_t now_ms)
{
    struct txlog_rank *r = rank_find(log, o->db, o->key, hash);
    if (r == NULL) {
        r = rank_take(log);
        r->db = o->db;
        r->hash = hash;
        r->len = cut(o->key).len;
        r->key = mem_copy_bytes(o->key.ptr, r->len);
    }
    r->conflicts++;
    r->last_ms = now_ms;
    r->author = o->author;
}

static int by_conflicts(const void *a, const void *b)
{
    const struct txlog_rank *x = *(const struct txlog_rank *const *)a,
                            *y = *(const struct txlog_rank *const *)b;
    if (x->conflicts != y->conflicts)
        return x->conflicts < y->conflicts ? 1 : -1;
    return x->last_ms < y->last_ms ? 1 : -(x->last_ms > y->last_ms);
}

int txlog_ranking(const struct txlog *log, const struct txlog_rank **out, int max)
{
    const struct txlog_rank *all[TXLOG_RANKS];
    for (int i = 0; i < log->rank_count; i++)
        all[i] = &log->ranks[i];
    qsort(all, (size_t)log->rank_count, sizeof *all, by_conflicts);
    int count = log->rank_count < max ? log->rank_count : max;
    for (int i = 0; i < count; i++)
        out[i] = all[i];
    return count;
}

/* -- conflicts --------------------------------------------------------------------------------- */

void txlog_conflict(struct client *c, enum txlog_kind kind, const struct txlog_obstacle *o)
{
    struct server *s = c->server;
    uint64_t hash = dict_hash(o->key) ^ (uint64_t)o->db;
    if (c->conflict.hash != hash)
        c->conflict.count = 0;
    c->conflict.hash = hash;
    rank_count(s->txlog, o, hash, s->keys->now_ms);
    append(s, c,
           (struct txlog_entry){
               .kind = kind,
               .db = o->db,
               .retries = c->conflict.count++,
               .author = o->author,
               .key = o->key,
               .field = o->field,
           });
}

const struct txlog_entry *txlog_newest(const struct txlog *log)
{
    return log->newest;
}

uint64_t txlog_length(const struct txlog *log)
{
    return log->count;
}
