/*
 * zset_forms.h - the forms of a sorted set, for the files of zset.h only.
 */
#ifndef REDOUBT_STORAGE_ZSET_FORMS_H
#define REDOUBT_STORAGE_ZSET_FORMS_H

#include "storage/zset.h"

/* The large form. */
struct zset {
    struct dict members; /* struct ranked; owned */
    struct ranktree order;
    int64_t due; /* see zset_due() */
};

/* A table of struct ranked. */
extern const struct dict_type zset_members;

/* May a set of so many members of at most this length be small? */
bool zset_small_suits(const struct limits *limits, uint64_t members, size_t longest);
/* Add a member behind the last one of a small set. */
unsigned char *zset_small_append(unsigned char *lp, struct bytes name, double score);

#endif
