/*
 * scan.h - what the commands of the SCAN family share: cursor, options, and the walk through a
 * table.
 */
#ifndef REDOUBT_SERVER_COMMANDS_SCAN_H
#define REDOUBT_SERVER_COMMANDS_SCAN_H

#include "server/call.h"
#include "storage/dict.h"

struct scan {
    uint64_t cursor;
    int64_t count;        /* how many elements to look at, about */
    struct bytes pattern; /* MATCH; ptr is NULL if everything matches */
    struct bytes type;    /* TYPE; ptr is NULL if not given */
    bool no_values;       /* NOVALUES */
};

/* Options that only some of the commands have. */
enum scan_option {
    SCAN_TYPE = 1 << 0,
    SCAN_NOVALUES = 1 << 1,
};

/* Read the cursor at argument i and the options behind it. */
bool scan_parse_or_reply(struct call *call, int i, unsigned allowed, struct scan *out);
/* Does a name fit the pattern? */
bool scan_matches(const struct scan *s, struct bytes name);
/* Visit some entries of the table, about as many as asked for; the cursor moves on. */
void scan_dict(struct scan *s, struct dict *d, dict_visit *visit, void *context);

#endif
