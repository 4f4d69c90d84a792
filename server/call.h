/*
 * call.h - one command being run: what a handler gets.
 *
 * A handler reads its arguments, reads and changes the keyspace, and writes exactly one reply. It
 * never sees a socket. Only commands about connections look at call->client.
 */
#ifndef REDOUBT_SERVER_CALL_H
#define REDOUBT_SERVER_CALL_H

#include "protocol/reply.h"
#include "storage/keyspace.h"

struct server;
struct client;
struct command_slot;

struct call {
    struct server *server;
    struct client *client; /* who asked */
    struct command_slot *command;
    const struct bytes *argv; /* argv[0] is the command's name, as sent */
    int argc;
    int db;
    struct keyspace *keys; /* server's */
    struct reply *reply;
    int hashed_arg; /* index of the argument whose hash is known, 0: none */
    uint64_t hash;
};

/* The flags of its command, as far as they depend on the arguments. */
uint32_t call_flags(const struct call *call);

/* argv[i] as a key, with its hash (known already from prefetching for the first key). */
struct key call_key(const struct call *call, int i);

/* Find a key to read: counts a hit or miss, stamps the access clock. NULL: absent. */
struct entry *call_find(struct call *call, int i);
/* The same without a stamp: for TTL, TYPE, EXISTS, which do not use the value. */
struct entry *call_find_quietly(struct call *call, int i);
/* Find a key to change: no statistics; stamps the access clock. */
struct entry *call_find_for_write(struct call *call, int i);
/* If argv[i] was read into a blob of its own: that blob, whose one reference passes to the caller.
 * Else NULL. */
struct blob *call_take_blob(struct call *call, int i);
/* Is it of this type? Else answers WRONGTYPE and returns false. NULL (absent) is any type. */
bool call_type_or_reply(struct call *call, const struct entry *e, enum value_type type);

/* Parse an argument; on failure answer with error (NULL: Redis's usual words) and return false. */
bool call_i64_or_reply(struct call *call, int i, int64_t *out, const char *error);
bool call_range_or_reply(struct call *call, int i, int64_t min, int64_t max, int64_t *out,
                         const char *error);
bool call_double_or_reply(struct call *call, int i, double *out, const char *error);

/* ASYNC or SYNC; else answers with error. */
bool call_flush_mode_or_reply(struct call *call, int i, bool *async, const char *error);

/* Usual errors. */
void reply_syntax_error(struct call *call); /* ERR syntax error */
/* Answer with this error; false. */
bool call_fail(struct call *call, const char *error);
void reply_wrong_type(struct call *call);  /* WRONGTYPE ... */
void reply_arity_error(struct call *call); /* ERR wrong number of arguments for '...' command */
void reply_unknown_subcommand(struct call *call); /* ERR unknown subcommand '...'. Try X HELP. */
/* ERR unknown subcommand or wrong number of arguments for '...'. Try X HELP. */
void reply_subcommand_arguments(struct call *call);
/* HELP subcommands: lines (NULL-terminated) framed as Redis frames them. */
void reply_help(struct call *call, const char *const *lines);

#endif
