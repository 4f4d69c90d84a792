/*
 * snapshot_file.h - what snapshot.c and snapshot_child.c share.
 */
#ifndef REDOUBT_SERVER_SNAPSHOT_FILE_H
#define REDOUBT_SERVER_SNAPSHOT_FILE_H

#include "server/version.h"
#include "storage/snapshot/rdb_file.h"

struct server;

/* Write the dataset as the options say. False: errno says why not, *doing at what. */
bool snapshot_write_file(struct server *s, bool (*progress)(void *context, uint64_t keys),
                         const char **doing);

#endif
