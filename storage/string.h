/*
 * string.h - string values: how they are kept, read and changed.
 *
 * Three forms: an int64 (int), bytes inside the entry (embstr up to 44, raw up to
 * ENTRY_INLINE_MAX), and a blob (raw). Redis's rules say which name a value shows: a value that is
 * the exact decimal form of an int64 is int; up to 44 bytes embstr; what APPEND or SETRANGE touched
 * is raw.
 *
 * All mutators return where the entry is now and record their inverse when a section is open.
 */
#ifndef REDOUBT_STORAGE_STRING_H
#define REDOUBT_STORAGE_STRING_H

#include "base/number.h"
#include "storage/keyspace.h"

/* The value's bytes: a view into the entry or blob, or of its decimal form in scratch. */
struct bytes string_view(const struct entry *e, char scratch[NUMBER_TEXT_MAX]);
size_t string_length(const struct entry *e);
/* True if the value is an int64, whatever its encoding. */
bool string_as_i64(const struct entry *e, int64_t *out);
/* The blob behind the value, or NULL if it has none: for replies that reference it (blob_retain()).
 */
struct blob *string_blob(const struct entry *e);

/* A new entry in no table, in the form that suits the value. */
struct entry *string_create(struct bytes key, struct bytes value);

/* Set key to value, whatever was there (old: its live entry or NULL). deadline as given: to keep
 * the old one, pass entry_deadline(old). The value is copied, or int-encoded. */
struct entry *string_set(struct keyspace *ks, int db, struct entry *old, struct key key,
                         struct bytes value, int64_t deadline);
/* The same with a blob whose one reference passes to the keyspace. */
struct entry *string_set_blob(struct keyspace *ks, int db, struct entry *old, struct key key,
                              struct blob *value, int64_t deadline);
/* The same with a number. In place where the entry is an int already. Deadline is kept. */
struct entry *string_set_int(struct keyspace *ks, int db, struct entry *old, struct key key,
                             int64_t value);
/* Append bytes; the entry exists. */
struct entry *string_append(struct keyspace *ks, int db, struct entry *e, uint64_t hash,
                            struct bytes tail);
/* Overwrite from offset on, growing with zero bytes as needed; the entry exists; bytes is not
 * empty. */
struct entry *string_set_range(struct keyspace *ks, int db, struct entry *e, uint64_t hash,
                               size_t offset, struct bytes bytes);
/* The same as string_set() for bytes that never show as a number or embstr (BITOP's results,
 * HyperLogLogs). No deadline. */
struct entry *string_set_raw(struct keyspace *ks, int db, struct entry *old, struct key key,
                             struct bytes value);
/* Change removed bytes at offset into others; what is behind moves. */
struct entry *string_splice(struct keyspace *ks, int db, struct entry *e, uint64_t hash,
                            size_t offset, size_t removed, struct bytes inserted);
/* The value's bytes for in-place changes (bitmaps, HyperLogLogs): raw, at least min_len long (zeros
 * behind), with [offset, offset+len) recorded for undo. Returns the bytes; *e is where the entry is
 * now. */
char *string_edit(struct keyspace *ks, int db, struct entry **e, uint64_t hash, size_t min_len,
                  size_t offset, size_t len);

/* -- the row in value.c ------------------------------------------------------------------------ */
struct entry *string_copy(const struct entry *e, struct bytes key, int64_t deadline);
void string_free_value(struct entry *e);
uint64_t string_free_effort(const struct entry *e);
size_t string_memory(const struct entry *e, uint64_t samples);

#endif
