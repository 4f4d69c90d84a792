/*
 * rdb_packed.h - packed values of all ages, read as listpacks.
 *
 * Before 7.0 small values were ziplists, until 2.4 small hashes were zipmaps. All three are strings
 * inside of a dump; what comes out here is a listpack as we write them ourselves: every element is
 * there, integers are packed as integers, and all lengths are true.
 */
#ifndef REDOUBT_STORAGE_SNAPSHOT_RDB_PACKED_H
#define REDOUBT_STORAGE_SNAPSHOT_RDB_PACKED_H

#include "storage/snapshot/rdb.h"

enum rdb_packing { RDB_LISTPACK, RDB_ZIPLIST, RDB_ZIPMAP };

/* A string that is packed so. The caller ends it with lp_destroy(); NULL: it lies. */
unsigned char *rdb_read_packed(struct rdb_reader *r, enum rdb_packing packing);
/* The first of each step elements: are there no two alike? */
bool rdb_packed_distinct(const unsigned char *lp, int step);

#endif
