/*
 * slowlog.h - the last commands that took long.
 */
#ifndef REDOUBT_SERVER_SLOWLOG_H
#define REDOUBT_SERVER_SLOWLOG_H

#include "server/call.h"

enum { SLOWLOG_ARGS_MAX = 32, SLOWLOG_ARG_LEN_MAX = 128 };

/* One block, which the views point into. */
struct slowlog_entry {
    struct slowlog_entry *older, *newer;
    uint64_t id;
    int64_t time_s; /* wall clock */
    uint64_t duration_us;
    struct bytes address, name; /* the client's, then */
    int argc;
    struct bytes argv[]; /* trimmed, secrets redacted */
};

struct slowlog *slowlog_create(void);
void slowlog_destroy(struct slowlog *log);
/* Keep this call (arguments trimmed as Redis trims them) if it reached slowlog-log-slower-than. */
void slowlog_consider(struct call *call, uint64_t duration_us);
/* Forget the oldest beyond slowlog-max-len. */
void slowlog_trim(struct slowlog *log, uint64_t max_len);
/* The newest entry, NULL: none; entries live until the next call of a function above. */
const struct slowlog_entry *slowlog_newest(const struct slowlog *log);
uint64_t slowlog_length(const struct slowlog *log);

#endif
