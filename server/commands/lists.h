/*
 * lists.h - what the files of the list commands have in common, the blocking ones included.
 */
#ifndef REDOUBT_SERVER_COMMANDS_LISTS_H
#define REDOUBT_SERVER_COMMANDS_LISTS_H

#include "server/call.h"
#include "storage/list.h"

/* LEFT or RIGHT; else answers a syntax error. */
bool list_end_or_reply(struct call *call, int i, enum list_end *out);

/* Reply count elements from start on, towards the tail (or the head, backward), as an array. */
void list_reply_range(struct call *call, const struct entry *e, uint64_t start, uint64_t count,
                      bool backward);
/* Elements went from an end (event: "lpop", "ltrim", ...): announce it, remove a key without
 * elements. */
void list_removed(struct call *call, struct key key, struct entry *e, const char *event,
                  uint64_t count);
/* Pop one element and reply it as a bulk. */
void list_pop(struct call *call, struct key key, struct entry *e, enum list_end end);
/* Pop count elements, or all if there are less, and reply them as an array. */
void list_pop_many(struct call *call, struct key key, struct entry *e, enum list_end end,
                   uint64_t count);

/* LMOVE: from the key in argument 1 to the key in argument 2. Replies the element, or an error.
 * False: there is none, nothing was answered. */
bool list_move(struct call *call, enum list_end from, enum list_end to);

/* LMPOP's arguments. */
struct list_mpop {
    int first_key, keys;
    enum list_end end;
    uint64_t count;
};
/* Read them, numkeys being argument numkeys_arg. */
bool list_mpop_or_reply(struct call *call, int numkeys_arg, struct list_mpop *out);
/* Pop from the first key that has a list, and reply; or an error. False: there is none, nothing was
 * answered. */
bool list_mpop_try(struct call *call, const struct list_mpop *m);

#endif
