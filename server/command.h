/*
 * command.h - a command is declared once, in one row.
 *
 * Dispatch, arity errors, gates, COMMAND / COMMAND DOCS / GETKEYS, ACL categories, statistics and
 * the prefetcher's knowledge of keys all come from the row. Rows stand at the foot of the file of
 * their handlers (server/commands/<family>.c); table.c lists the families.
 */
#ifndef REDOUBT_SERVER_COMMAND_H
#define REDOUBT_SERVER_COMMAND_H

#include "base/bytes.h"

struct call;
typedef void command_handler(struct call *call);

/* COMMAND INFO's flags, in the order in which it prints them. */
enum command_flag {
    CMD_WRITE = 1 << 0,
    CMD_READONLY = 1 << 1,
    CMD_DENYOOM = 1 << 2,
    CMD_MODULE = 1 << 3,
    CMD_ADMIN = 1 << 4,
    CMD_PUBSUB = 1 << 5,
    CMD_NOSCRIPT = 1 << 6,
    CMD_BLOCKING = 1 << 7,
    CMD_LOADING = 1 << 8,
    CMD_STALE = 1 << 9,
    CMD_SKIP_MONITOR = 1 << 10,
    CMD_SKIP_SLOWLOG = 1 << 11,
    CMD_ASKING = 1 << 12,
    CMD_FAST = 1 << 13,
    CMD_NO_AUTH = 1 << 14,
    CMD_MAY_REPLICATE = 1 << 15, /* not printed */
    CMD_NO_MANDATORY_KEYS = 1 << 16,
    CMD_NO_ASYNC_LOADING = 1 << 17,
    CMD_NO_MULTI = 1 << 18,
    CMD_ALLOW_BUSY = 1 << 19,
    CMD_TOUCHES_ARBITRARY_KEYS = 1 << 20, /* not printed */
    CMD_PROTECTED = 1 << 21,              /* needs enable-debug-command and the like; not printed */
    CMD_UNQUEUED = 1 << 22, /* runs at once inside MULTI: EXEC, DISCARD, MULTI, WATCH, QUIT, RESET;
                               not printed */
    CMD_DEPRECATED = 1 << 23, /* doc flag */
    CMD_SYSTEM = 1 << 24,     /* doc flag: of no use to clients ("syscmd") */
    CMD_SUBSCRIBED = 1 << 25, /* a subscriber who speaks RESP2 may give it; not printed */
};

/* ACL categories; those that follow from flags (read, write, fast, slow, admin, dangerous,
 * blocking, pubsub) need not be named in the row: command_categories() adds them. Order is COMMAND
 * INFO's and ACL CAT's. */
enum command_category {
    CAT_KEYSPACE = 1 << 0,
    CAT_READ = 1 << 1,
    CAT_WRITE = 1 << 2,
    CAT_SET = 1 << 3,
    CAT_SORTEDSET = 1 << 4,
    CAT_LIST = 1 << 5,
    CAT_HASH = 1 << 6,
    CAT_STRING = 1 << 7,
    CAT_BITMAP = 1 << 8,
    CAT_HYPERLOGLOG = 1 << 9,
    CAT_GEO = 1 << 10,
    CAT_STREAM = 1 << 11,
    CAT_PUBSUB = 1 << 12,
    CAT_ADMIN = 1 << 13,
    CAT_FAST = 1 << 14,
    CAT_SLOW = 1 << 15,
    CAT_BLOCKING = 1 << 16,
    CAT_DANGEROUS = 1 << 17,
    CAT_CONNECTION = 1 << 18,
    CAT_TRANSACTION = 1 << 19,
    CAT_SCRIPTING = 1 << 20,
};

enum key_flag {
    KEY_RO = 1 << 0,
    KEY_RW = 1 << 1,
    KEY_OW = 1 << 2,
    KEY_RM = 1 << 3,
    KEY_ACCESS = 1 << 4,
    KEY_UPDATE = 1 << 5,
    KEY_INSERT = 1 << 6,
    KEY_DELETE = 1 << 7,
    KEY_NOT_KEY = 1 << 8,
    KEY_INCOMPLETE = 1 << 9,
    KEY_VARIABLE_FLAGS = 1 << 10,
};

/* Where keys are among the arguments, as COMMAND INFO's key specifications say it. */
struct key_spec {
    uint16_t flags;
    const char *keyword; /* begin: behind this word, looked for from argument first on (negative:
                            from the end) */
    int16_t first;       /* begin: index of the first key; 0 with unknown */
    bool unknown;        /* neither begin nor end can be told from the row: get_keys does */
    bool counted;        /* find: argument first+count_at holds how many keys follow, the first at
                            first+key_at */
    int16_t last, limit; /* find, not counted: last key relative to the first (negative: from the
                          * end); limit 2: it ends after half of the arguments that are left, as
                          * STREAMS has keys and ids */
    int16_t step;        /* from key to key; 0 means 1 */
    int16_t count_at, key_at;
};
#define KEYS(...)                                                                                  \
    .keys = (const struct key_spec[]){__VA_ARGS__},                                                \
    .key_count = sizeof((const struct key_spec[]){__VA_ARGS__}) / sizeof(struct key_spec)

/* A key's position among the arguments, with the flags of its specification. */
struct key_position {
    int index;
    uint16_t flags;
};

struct command {
    const char *name; /* lower case; a subcommand's own name only */
    command_handler *run;
    int arity; /* of the whole request; negative: at least */
    uint32_t flags, categories;
    /* For a command whose flags depend on its arguments (what it runs): those that the gates are to
     * see. NULL: always the row's. */
    uint32_t (*flags_of)(const struct call *call);
    const struct key_spec *keys;
    uint8_t key_count;
    uint8_t member; /* the argument that names a field or member of the first key's value; 0: none.
                       For prefetching */
    /* For specifications that are unknown, incomplete or variable: fills out, at most room, returns
     * how many there are, -1 for invalid arguments. NULL: the specifications tell all. */
    int (*get_keys)(const struct bytes *argv, int argc, struct key_position *out, int room);
    const struct command *subcommands; /* ends with a row without name */
    /* documentation */
    const char *group, *since, *summary, *complexity;
    const char *args;    /* the arguments, in the grammar of server/docs.h; NULL: none */
    const char *tips;    /* separated by spaces; NULL: none */
    const char *history; /* "6.2.0:Added the `GET` option.\n..." or NULL */
    const char *deprecated_since, *replaced_by;
};

/* -- the table --------------------------------------------------------------------------------- */

/* Logarithmic histogram of durations, for LATENCY HISTOGRAM and INFO latencystats. See latency.h.
 */
struct histogram;

/* A row at work: what changes while the server runs. */
struct command_slot {
    const struct command *row;
    const struct command_slot *parent; /* the container of a subcommand */
    char *full_name;                   /* "config|set"; owned by the table */
    char *name;                /* what it is called now (rename-command); NULL: disabled; owned */
    struct command_slot *subs; /* owned; sub_count of them */
    int sub_count;
    uint32_t flags, categories; /* complete */
    uint16_t first_key; /* argument index of the first key for the prefetcher, 0: none; a request
                         * may be too short to have it */
    uint64_t calls, ticks, rejected, failed;
    struct histogram *latency; /* owned; NULL until first used */
};

struct command_table;
struct command_table *command_table_create(void);
void command_table_destroy(struct command_table *t);
/* Look a command up by its first argument, any case; NULL: unknown. */
struct command_slot *command_find(const struct command_table *t, struct bytes name);
/* Its subcommand by the second argument; NULL: unknown. */
struct command_slot *command_find_sub(struct command_slot *container, struct bytes name);
/* By full name ("get", "config|set"). */
struct command_slot *command_find_full(const struct command_table *t, struct bytes full_name);
/* rename-command: false if there is no such command or the new name is taken. An empty new name
 * disables it. */
bool command_rename(struct command_table *t, struct bytes name, struct bytes new_name);
/* All top-level commands: count, and the i-th. */
int command_count(const struct command_table *t);
struct command_slot *command_at(const struct command_table *t, int i);
/* Call visit for each command and subcommand. */
void command_each(struct command_table *t, void (*visit)(struct command_slot *slot, void *context),
                  void *context);
/* calls, ticks, ... back to 0 (CONFIG RESETSTAT). */
void command_reset_stats(struct command_table *t);

/* Positions of all keys of a request: up to room into out; returns how many there are, -1:
 * arguments are invalid, or the command takes no keys. */
int command_keys(const struct command_slot *slot, const struct bytes *argv, int argc,
                 struct key_position *out, int room);

#endif
