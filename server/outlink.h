/*
 * outlink.h - connections to other servers, for a command that waits for their answers: MIGRATE.
 *
 * The caller waits, and with it everybody: nothing may change the keys that are on their way until
 * it is known whether they arrived. No wait is longer than the caller's timeout. A link that was
 * good stays open for a while, since keys are moved in rows.
 */
#ifndef REDOUBT_SERVER_OUTLINK_H
#define REDOUBT_SERVER_OUTLINK_H

#include "base/text.h"

/* No number that a client may give. */
#define OUTLINK_DB_UNKNOWN INT64_MIN

struct outlinks;
struct outlink {
    struct outlink *next;
    char *name; /* "host:port"; owned */
    int fd;
    int timeout_ms; /* of each wait */
    bool reused;    /* it was open before: the other side may have closed it since */
    int64_t db;     /* selected there, or OUTLINK_DB_UNKNOWN */
    int64_t used_us;
    char *input; /* bytes that came and were not read; owned */
    size_t input_at, input_len;
};

enum outlink_result {
    OUTLINK_FINE,
    OUTLINK_NO_ADDRESS, /* the host has none */
    OUTLINK_FAILED,     /* refused, closed, or timed out */
};

struct outlinks *outlinks_create(void);
void outlinks_destroy(struct outlinks *all);
/* Close those that were not used for some seconds. */
void outlinks_tidy(struct outlinks *all, int64_t now_us);
int outlinks_count(const struct outlinks *all);

/* The link to this server, which all keeps. */
enum outlink_result outlink_open(struct outlinks *all, struct bytes host, int port, int timeout_ms,
                                 struct outlink **out);
/* Close it: what comes next over it could not be told from what is late. */
void outlink_drop(struct outlinks *all, struct outlink *link);
bool outlink_write(struct outlink *link, struct bytes data);
/* A line without its end, in line. */
bool outlink_read_line(struct outlink *link, struct text *line);

#endif
