/*
 * rdb_file.h - a whole dataset as a file (dump.rdb), as Redis writes and reads it.
 *
 *   "REDIS" and four digits: the version
 *   AUX name value ...              who wrote it, when
 *   FUNCTION code ...               libraries of functions
 *   SELECT_DB number, RESIZE_DB keys deadlines, and the keys of that database, each:
 *       [EXPIRETIME_MS deadline] [IDLE seconds | FREQ count] kind, name, value
 *   EOF, checksum of all before (8 bytes, little endian; 0: none)
 *
 * The version is the oldest that has all that is in it: Redis 7.0 loads what it could have written.
 * A file is written beside its place and takes it only when it is whole and on the disk.
 */
#ifndef REDOUBT_STORAGE_SNAPSHOT_RDB_FILE_H
#define REDOUBT_STORAGE_SNAPSHOT_RDB_FILE_H

#include "base/text.h"
#include "storage/keyspace.h"
#include "storage/snapshot/rdb.h"

/* -- saving ------------------------------------------------------------------------------------ */

struct rdb_save {
    struct keyspace *ks; /* does not change meanwhile */
    bool compress, checksum;
    bool clocks; /* the policy of eviction looks at access clocks: write them */
    const char *redis_version;
    size_t used_memory;
    int64_t delay_us; /* after each key; below 0: after so many keys, 1 us. For tests */
    /* Writes the libraries of functions; may be NULL. */
    void (*functions)(void *context, struct rdb_writer *w);
    /* Hears how many keys are written, now and then; false: give up. May be NULL. */
    bool (*progress)(void *context, uint64_t keys);
    void *context;
};

/* Write the dataset to a file of this name in the current folder. False: errno says why not, *doing
 * at what ("opening", "writing"). */
bool rdb_save_file(const struct rdb_save *what, const char *path, const char **doing);

/* -- loading ----------------------------------------------------------------------------------- */

struct rdb_load {
    struct keyspace *ks;
    bool checksum;
    bool merge; /* a key that is there already gives way; else it is an error */
    /* Takes a library of functions; false: error says why not. NULL: they are passed over. */
    bool (*function)(void *context, struct bytes code, struct text *error);
    /* Hear of an AUX field, and of a key that is left out since nothing is in it. May be NULL. */
    void (*aux)(void *context, struct bytes name, struct bytes value);
    void (*empty_key)(void *context, struct bytes name);
    void *context;
    /* results */
    uint64_t loaded, expired, empty; /* keys that are in; were dead; had nothing in them */
    struct text error;               /* owned by the caller */
};

enum rdb_load_result { RDB_LOADED, RDB_NO_FILE, RDB_NOT_LOADED };

/* Add what a file holds to the keyspace. RDB_NOT_LOADED: error says why, and the keyspace may hold
 * a part of it. */
enum rdb_load_result rdb_load_file(struct rdb_load *how, const char *path);
/* The same for bytes. */
bool rdb_load_bytes(struct rdb_load *how, struct bytes data);

#endif
