/*
 * stream_id.h - the name and the place of a stream's entry: milliseconds, then a sequence number.
 */
#ifndef REDOUBT_STORAGE_STREAM_ID_H
#define REDOUBT_STORAGE_STREAM_ID_H

#include <stdbool.h>
#include <stdint.h>

struct stream_id {
    uint64_t ms, seq;
};

#define STREAM_ID_MIN ((struct stream_id){0, 0})
#define STREAM_ID_MAX ((struct stream_id){UINT64_MAX, UINT64_MAX})

static inline bool stream_id_equal(struct stream_id a, struct stream_id b)
{
    return a.ms == b.ms && a.seq == b.seq;
}

static inline bool stream_id_less(struct stream_id a, struct stream_id b)
{
    return a.ms < b.ms || (a.ms == b.ms && a.seq < b.seq);
}

static inline bool stream_id_is_zero(struct stream_id id)
{
    return (id.ms | id.seq) == 0;
}

/* The next and the previous id; false (id untouched) beyond the ends. */
static inline bool stream_id_increment(struct stream_id *id)
{
    if ((id->ms & id->seq) == UINT64_MAX)
        return false;
    id->ms += ++id->seq == 0;
    return true;
}

static inline bool stream_id_decrement(struct stream_id *id)
{
    if (stream_id_is_zero(*id))
        return false;
    id->ms -= id->seq-- == 0;
    return true;
}

#endif
