/*
 * stream_group.h - groups of consumers: how far each has read, and what was given to whom.
 *
 * What a consumer was given and nobody has acknowledged is pending: the group has it by id with its
 * owner, time and count, the owner has the id alone. So one id costs 56 bytes in two trees and no
 * allocation of its own, and either can be walked in the order of ids.
 *
 * An owner is never NULL but while a group is being loaded.
 */
#ifndef REDOUBT_STORAGE_STREAM_GROUP_H
#define REDOUBT_STORAGE_STREAM_GROUP_H

#include "storage/stream.h"

/* The count of what a group has read is not known. */
#define ENTRIES_READ_UNKNOWN ((int64_t)-1)

struct stream_consumer {
    struct bytes name;     /* owned */
    int64_t seen_ms;       /* when it last asked */
    int64_t active_ms;     /* when it last was given something; -1: never */
    struct idtree pending; /* without values */
};

struct stream_pending {
    struct stream_consumer *owner;
    int64_t delivered_ms;
    uint64_t deliveries;
};

struct stream_group {
    struct bytes name;        /* owned */
    struct stream_id last_id; /* the last one delivered */
    int64_t entries_read;     /* of the stream's entries_added; ENTRIES_READ_UNKNOWN */
    struct idtree pending;    /* struct stream_pending */
    struct stream_names consumers;
};

/* -- reading ----------------------------------------------------------------------------------- */

struct stream_group *stream_group_find(const struct stream *s, struct bytes name);
/* By its number in the order of names. */
struct stream_group *stream_group_at(const struct stream *s, uint32_t i);
struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct bytes name);
struct stream_consumer *stream_consumer_at(const struct stream_group *g, uint32_t i);
/* NULL: it is not pending. */
struct stream_pending *stream_pending_find(const struct stream_group *g, struct stream_id id);

/* How many entries the stream had added when id was its last one; ENTRIES_READ_UNKNOWN. */
int64_t stream_added_until(const struct stream *s, struct stream_id id);
/* What a group's entries_read becomes when it is given this entry. */
int64_t stream_read_with(const struct stream *s, int64_t entries_read, struct stream_id id);
/* How many entries the group has still to read; false: that cannot be told. */
bool stream_group_lag(const struct stream *s, const struct stream_group *g, int64_t *lag);

/* Does a group still have to read the entry, or has it pending? */
bool stream_is_needed(const struct stream *s, struct stream_id id);

/* -- changing: each records its inverse -------------------------------------------------------- */

/* NULL: there is one with this name. */
struct stream_group *stream_group_create(struct keyspace *ks, struct stream *s, struct bytes name,
                                         struct stream_id last_id, int64_t entries_read);
void stream_group_destroy(struct keyspace *ks, struct stream *s, struct stream_group *g);
void stream_group_set_position(struct keyspace *ks, struct stream_group *g,
                               struct stream_id last_id, int64_t entries_read);

/* NULL: there is one with this name. Seen now, never active. */
struct stream_consumer *stream_consumer_create(struct keyspace *ks, struct stream_group *g,
                                               struct bytes name);
/* What is pending for it goes, too. */
void stream_consumer_destroy(struct keyspace *ks, struct stream_group *g,
                             struct stream_consumer *c);
void stream_consumer_set_times(struct keyspace *ks, struct stream_consumer *c, int64_t seen_ms,
                               int64_t active_ms);

/* The entry is pending like this from now on, whether it was or not. */
void stream_pending_put(struct keyspace *ks, struct stream_group *g, struct stream_id id,
                        struct stream_pending how);
/* False: it is not pending. */
bool stream_pending_remove(struct keyspace *ks, struct stream_group *g, struct stream_id id);

/* The entry is pending in no group any more. */
void stream_drop_refs(struct keyspace *ks, struct stream *s, struct stream_id id);

/* -- loading from outside; NULL and false: it does not fit to what is there already ------------ */

struct stream_group *stream_load_group(struct stream *s, struct bytes name,
                                       struct stream_id last_id, int64_t entries_read);
bool stream_load_pending(struct stream_group *g, struct stream_id id, int64_t delivered_ms,
                         uint64_t deliveries);
struct stream_consumer *stream_load_consumer(struct stream_group *g, struct bytes name,
                                             int64_t seen_ms, int64_t active_ms);
/* It owns what stream_load_pending() has brought, nobody else's. */
bool stream_load_owner(struct stream_group *g, struct stream_consumer *c, struct stream_id id);
/* Has everything that is pending an owner? */
bool stream_load_group_done(const struct stream_group *g);

/* -- for stream.c ------------------------------------------------------------------------------ */
void stream_groups_fini(struct stream *s);
void stream_groups_copy(struct stream *to, const struct stream *from);
uint64_t stream_groups_effort(const struct stream *s);
size_t stream_groups_memory(const struct stream *s);
void stream_groups_check(const struct stream *s);

#endif
