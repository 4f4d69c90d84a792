/*
 * streams.h - what the stream commands share: ids as text, entries as replies, options of trimming.
 */
#ifndef REDOUBT_SERVER_COMMANDS_STREAMS_H
#define REDOUBT_SERVER_COMMANDS_STREAMS_H

#include "server/call.h"
#include "storage/stream.h"
#include "storage/stream_group.h"

/* The room that an id's text takes at most. */
enum { STREAM_ID_TEXT_MAX = 2 * NUMBER_TEXT_MAX };
struct bytes stream_id_text(struct stream_id id, char out[STREAM_ID_TEXT_MAX]);

/* Is it a sign that stands for an id: '$', '>', '+', '-', '*'? */
static inline bool stream_is_char(struct bytes text, char sign)
{
    return text.len == 1 && text.ptr[0] == sign;
}

/* An id as Redis reads it: milliseconds, '-', sequence; missing_seq stands for one that is not
 * there. auto_seq (may be NULL: not allowed) becomes true where the sequence is '*'. */
bool stream_parse_id(struct bytes text, uint64_t missing_seq, struct stream_id *out,
                     bool *auto_seq);
bool stream_id_or_reply(struct call *call, int arg, uint64_t missing_seq, struct stream_id *out);
/* The ends of a range: ids, '-', '+', '(' for an end that is not included. */
bool stream_start_or_reply(struct call *call, int from_arg, struct stream_id *from);
bool stream_range_or_reply(struct call *call, int from_arg, int to_arg, struct stream_id *from,
                           struct stream_id *to);

void stream_reply_id(struct reply *r, struct stream_id id);
/* [id, [field, value, ...]] of the entry that the walk returned last. */
void stream_reply_entry(struct reply *r, struct stream_iter *it, const struct stream_item *item);
/* Entries of a range as an array, at most count of them (0: all). */
void stream_reply_range(struct reply *r, const struct stream *s, struct stream_id from,
                        struct stream_id to, bool backwards, uint64_t count);

/* The key at argument i. False: WRONGTYPE was answered; *s is NULL without a key. */
bool stream_open_or_reply(struct call *call, int i, bool for_write, struct stream **s);

/* The key at argument 1 and its group at argument 2. False: an error was answered. */
bool stream_open_group_or_reply(struct call *call, struct stream **s, struct stream_group **g);
/* The consumer with this name, which is made if there is none. */
struct stream_consumer *stream_consumer_demand(struct call *call, int key_arg,
                                               struct stream_group *g, struct bytes name);
/* A change of a stream's groups is done; event may be NULL; wakes: blocked readers look again. */
void stream_group_changed(struct call *call, int key_arg, const char *event, bool wakes);

/* KEEPREF, DELREF or ACKED; false: it is none of them. */
bool stream_parse_policy(struct bytes word, enum stream_refs *out);

/* XADD's and XTRIM's options. */
struct stream_options {
    struct stream_trim trim;
    bool trims, no_create;
    bool auto_id, auto_seq;
    struct stream_id id;
};
/* Returns the argument behind the options (XADD: the one of the id); 0: an error was answered. */
int stream_options_or_reply(struct call *call, bool is_add, struct stream_options *out);

#endif
