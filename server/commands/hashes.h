/*
 * hashes.h - what the files of the hash commands have in common.
 */
#ifndef REDOUBT_SERVER_COMMANDS_HASHES_H
#define REDOUBT_SERVER_COMMANDS_HASHES_H

#include "server/call.h"
#include "storage/hash.h"

/* The hash at argument 1; at->e is NULL if there is no such key. False: it is of another type,
 * which was answered. */
bool hash_open_or_reply(struct call *call, struct hash_at *at);
bool hash_open_for_write_or_reply(struct call *call, struct hash_at *at);
/* Announce and clean up after fields that were found dead. */
void hash_close(struct hash_at *at);
/* Make a hash if there is none. room: bytes that its first fields will take. */
void hash_demand(struct hash_at *at, size_t room);
/* hash_find_live(); false without the hash as well. */
bool hash_look_up(struct hash_at *at, struct bytes name, struct hash_field *out);
/* Set a field from arguments. True if it is new. */
bool hash_set_arguments(struct call *call, struct hash_at *at, int name, int64_t deadline);
void hash_reply_value(struct call *call, const struct hash_field *f);
/* The values of count arguments from first on, null where there is none. */
void hash_reply_values(struct call *call, struct hash_at *at, int first, int count);

#endif
