/*
 * txlog.h - what became of transactions that did not go through: a bounded log and a ranking.
 *
 * Contention on a WATCHed key shows in other servers only as null replies, which each client has to
 * count for itself. Here the server remembers: whose EXEC did not run, because of which key, who
 * had changed that key and by which command, and how often the same client met the same key in a
 * row. TXLOG reads it.
 *
 * The log holds the newest txlog-max-len entries. The ranking of keys by conflicts is bounded as
 * well: it keeps TXLOG_RANKS counters by the Space-Saving algorithm (Metwally, Agrawal, El Abbadi,
 * "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005). A key that comes
 * when all counters are taken inherits the smallest one, so a count may be too high by at most what
 * it inherited, and no key with more conflicts than that is missed.
 */
#ifndef REDOUBT_SERVER_TXLOG_H
#define REDOUBT_SERVER_TXLOG_H

#include "base/bytes.h"
#include "storage/keyspace.h"

struct client;
struct server;

enum { TXLOG_RANKS = 128, TXLOG_TEXT_MAX = 1024 };

enum txlog_kind {
    TXLOG_WATCH,     /* a watched key or member had changed */
    TXLOG_VERSION,   /* EXEC IFVER: a version did not stand any more */
    TXLOG_CONDITION, /* EXEC IFEQ, IFNE, XX, NX: not met */
    TXLOG_ROLLBACK,  /* a transaction was taken back */
    TXLOG_SCRIPT,    /* a script or function was taken back */
};

/* The key that was in the way. */
struct txlog_obstacle {
    int db;
    struct bytes key;
    struct bytes field;   /* a watched member; ptr NULL: the whole key */
    struct author author; /* of the key's last change, where it is known */
};

/* One block, which the views point into. */
struct txlog_entry {
    struct txlog_entry *older, *newer;
    uint64_t id;
    int64_t time_ms; /* wall clock */
    enum txlog_kind kind;
    uint64_t client;
    int db;
    uint32_t retries; /* conflicts of the same client with the same key before this one, in a row */
    struct author author;
    struct bytes address, name, key, field, error; /* empty: none; cut at TXLOG_TEXT_MAX */
};

/* How often a key was in the way. */
struct txlog_rank {
    int db;
    uint64_t hash;
    uint64_t conflicts;
    uint64_t inherited; /* conflicts may be too high by so many */
    int64_t last_ms;
    struct author author; /* of the last conflict */
    char *key;            /* owned by the log; cut at TXLOG_TEXT_MAX, the hash is of the whole */
    size_t len;
};

/* From now on the keyspace knows who changes what: hooks.author. */
struct txlog *txlog_create(struct server *s);
void txlog_destroy(struct txlog *log);
/* The client's EXEC did not run because of this key. */
void txlog_conflict(struct client *c, enum txlog_kind kind, const struct txlog_obstacle *obstacle);
/* What the client ran was taken back because of this error. */
void txlog_rollback(struct client *c, enum txlog_kind kind, struct bytes error);
/* Forget the oldest entries beyond max_len. */
void txlog_trim(struct txlog *log, uint64_t max_len);
/* Forget everything, the ranking too. */
void txlog_reset(struct txlog *log);
/* The newest entry, NULL: none; entries live until the next call of a function above. */
const struct txlog_entry *txlog_newest(const struct txlog *log);
uint64_t txlog_length(const struct txlog *log);
/* The keys with most conflicts, most first: at most max into out; returns how many. */
int txlog_ranking(const struct txlog *log, const struct txlog_rank **out, int max);

#endif
