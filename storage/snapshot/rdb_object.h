/*
 * rdb_object.h - whole values in the dump format: one row a type, and the forms that are read.
 *
 * A type's file (rdb_hash.c, ...) offers three functions. rdb_X_type() says in which form the value
 * is written: always one that Redis 7.0 reads, unless the value holds what came later.
 * rdb_X_write() writes it, the byte that says the form aside. rdb_X_read() builds a value from one
 * of the forms, whoever wrote it: our own encodings follow from what is in it and from the limits,
 * not from the form.
 *
 * Nothing that is read is believed: everything inside is looked at, and nothing is allocated that
 * the bytes at hand do not justify.
 *
 * To add a type: its file, its row in rdb_object.c, its forms in the table there.
 */
#ifndef REDOUBT_STORAGE_SNAPSHOT_RDB_OBJECT_H
#define REDOUBT_STORAGE_SNAPSHOT_RDB_OBJECT_H

#include "storage/keyspace.h"
#include "storage/snapshot/rdb.h"

/* What a value that is read becomes a part of. */
struct rdb_place {
    const struct limits *limits;
    struct bytes key;
};

/* The form in which e is written, and the oldest version that has it. */
enum rdb_type rdb_type_of(const struct entry *e);
int rdb_version_of(enum rdb_type type);
/* Everything behind the byte of the form. */
void rdb_write_value(struct rdb_writer *w, const struct entry *e);
/* A new entry without a deadline, in no table; NULL: it lied (reader.failed), or nothing is in it.
 */
struct entry *rdb_read_value(struct rdb_reader *r, uint8_t type, const struct rdb_place *place);

/* What DUMP returns: the form, the value, the seal. */
void rdb_write_dump(struct rdb_writer *w, const struct entry *e);

/* -- the types' own files ---------------------------------------------------------------------- */

void rdb_list_write(struct rdb_writer *w, const struct entry *e);
struct entry *rdb_list_read(struct rdb_reader *r, enum rdb_type type,
                            const struct rdb_place *place);

enum rdb_type rdb_set_type(const struct entry *e);
void rdb_set_write(struct rdb_writer *w, const struct entry *e);
struct entry *rdb_set_read(struct rdb_reader *r, enum rdb_type type, const struct rdb_place *place);

enum rdb_type rdb_zset_type(const struct entry *e);
void rdb_zset_write(struct rdb_writer *w, const struct entry *e);
struct entry *rdb_zset_read(struct rdb_reader *r, enum rdb_type type,
                            const struct rdb_place *place);

enum rdb_type rdb_hash_type(const struct entry *e);
void rdb_hash_write(struct rdb_writer *w, const struct entry *e);
struct entry *rdb_hash_read(struct rdb_reader *r, enum rdb_type type,
                            const struct rdb_place *place);

enum rdb_type rdb_stream_type(const struct entry *e);
void rdb_stream_write(struct rdb_writer *w, const struct entry *e);
struct entry *rdb_stream_read(struct rdb_reader *r, enum rdb_type type,
                              const struct rdb_place *place);

#endif
