/*
 * request.h - from bytes to requests: RESP arrays of bulks, and inline commands.
 *
 * The parser knows bytes and nothing else: no socket, no client, no command. It is fed the bytes
 * from the start of the current request on, and remembers how far it came, so a request may be cut
 * at any byte and no byte is looked at twice. Arguments come out as views into the fed bytes:
 * nothing is copied.
 */
#ifndef REDOUBT_PROTOCOL_REQUEST_H
#define REDOUBT_PROTOCOL_REQUEST_H

#include "base/bytes.h"

enum request_step {
    REQUEST_MORE,   /* incomplete: feed again with more bytes behind the same ones */
    REQUEST_READY,  /* a request was appended to the list (it may have 0 arguments: ignore it) */
    REQUEST_BROKEN, /* parser.error says why; the connection cannot go on */
};

enum {
    REQUEST_INLINE_MAX = 64 * 1024, /* longest line: inline request or a count */
    REQUEST_BIG_BULK = 32 * 1024,   /* from here on a bulk may be read into a block of its own */
};

struct request_limits {
    int64_t bulk;       /* longest bulk, proto-max-bulk-len */
    int32_t args;       /* most arguments */
    bool authenticated; /* else at most 10 arguments of 16384 bytes, with errors that say so */
};

/* Arguments of many requests, one after the other. The caller empties it by count = 0. */
struct arg_list {
    struct bytes *args; /* owned; grows */
    uint32_t count, room;
};

void arg_list_fini(struct arg_list *list);
/* Make room for extra more arguments. */
void arg_list_reserve(struct arg_list *list, uint32_t extra);

/* One per connection; all zero is a parser at rest. What follows is the parser's own but for the
 * fields marked as public. */
struct request_parser {
    int64_t args_left; /* still to come; 0 is at rest */
    int64_t bulk_len;  /* of the bulk being read; -1: its header is still to come */
    size_t at;         /* first byte not understood yet, from the start of the request */
    size_t scanned;    /* bytes searched for a line's end, from at */
    struct request_part {
        const char *outside; /* a supplied block, or NULL: offset into the request */
        size_t offset, len;
    } * parts; /* arguments understood so far, while incomplete; owned */
    uint32_t part_count, part_room;
    bool supplied; /* the last part came from request_supply(): its line end is still to come */

    /* public, valid after REQUEST_MORE: a bulk of at least REQUEST_BIG_BULK bytes is under way.
     * big_len is its length (0: none), big_at where its first byte is in the fed bytes, big_have
     * how many are there. */
    size_t big_len, big_at, big_have;
    /* public, valid after REQUEST_BROKEN: Redis's words, starting with "Protocol error: ". */
    char error[96];
};

void request_parser_fini(struct request_parser *p);

/* Look for one request in bytes[0, len), the first of which is the first byte of the request. After
 * READY *eaten is its length; the arguments are views into bytes (a quoted inline request is
 * unescaped in place). After MORE nothing is eaten; the bytes may be moved before the next feed. */
enum request_step request_feed(struct request_parser *p, char *bytes, size_t len,
                               const struct request_limits *limits, struct arg_list *list,
                               size_t *eaten);

/* The caller read the whole big bulk into a block of its own (len is big_len), which lives until
 * the request has run. The fed bytes now end where the bulk began: the next feed goes on with the
 * CR LF behind it. */
void request_supply(struct request_parser *p, const char *block);

/* Split a line into words by the rules of inline commands and configuration files: spaces, "..."
 * with \n \r \t \b \a \xHH and \", '...' with \'. Words are appended to list as views into line,
 * which is changed. False if quotes are unbalanced. */
bool request_split_words(char *line, size_t len, struct arg_list *list);

#endif
