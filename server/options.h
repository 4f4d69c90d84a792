/*
 * options.h - what the server is told: one field for each directive, named after it with - as _.
 *
 * All of them come from the rows of options.def, and from there also come names, kinds, bounds and
 * defaults for the configuration file, CONFIG GET and CONFIG SET. This module keeps values and
 * knows their texts. What a new value does to the running server is options_apply.c's business.
 */
#ifndef REDOUBT_SERVER_OPTIONS_H
#define REDOUBT_SERVER_OPTIONS_H

#include "base/bytes.h"
#include "base/text.h"

/* Words as they were given, in order. */
struct words {
    char **items; /* owned, and so are they */
    int count;
};

struct save_point {
    int64_t seconds, changes;
};
struct save_points {
    struct save_point *items; /* owned */
    int count;
};

/* Bytes of waiting output; 0: no limit. The array's order is enum client_class's (client.h):
 * normal, replica, pubsub. */
struct output_limit {
    uint64_t hard, soft;
    int64_t soft_seconds;
};

enum { OUTPUT_LIMITS = 3, OOM_VALUES = 3 };

/* Values of the enums. loglevel is an enum log_level, maxmemory_policy an enum eviction_policy,
 * syslog_facility what openlog() takes; the rest has no meaning yet and is numbered in the order of
 * the table in options.c. */
enum protected_value { PROTECTED_NO, PROTECTED_YES, PROTECTED_LOCAL };
enum supervised_value { SUPERVISED_NO, SUPERVISED_SYSTEMD, SUPERVISED_UPSTART, SUPERVISED_AUTO };
enum fsync_value { FSYNC_NO, FSYNC_EVERY_SECOND, FSYNC_ALWAYS };
enum oom_value { OOM_NO, OOM_RELATIVE, OOM_ABSOLUTE };
/* shutdown-on-sigint, shutdown-on-sigterm: or'ed; none is "default". */
enum shutdown_value {
    SHUTDOWN_SAVE = 1 << 0,
    SHUTDOWN_NOSAVE = 1 << 1,
    SHUTDOWN_NOW = 1 << 2,
    SHUTDOWN_FORCE = 1 << 3,
};
/* notify-keyspace-events: these, or'ed with enum event_class (storage/keyspace.h). */
enum notify_value {
    NOTIFY_MODULE = 1 << 16,   /* d */
    NOTIFY_KEYSPACE = 1 << 17, /* K */
    NOTIFY_KEYEVENT = 1 << 18, /* E */
};

/* BOOL: bool. INT, OCTAL, BYTES, SHARE: int64_t. ENUM, SET: int. TEXT: char *, owned, never NULL,
 * "" when empty. */
struct options {
#define BOOL(field, ...) bool field;
#define INT(field, ...) int64_t field;
#define ENUM(field, ...) int field;
#define TEXT(field, ...) char *field;
#define OWN(type, size, field, ...) OWN_MEMBER(type, size, field)
#define OWN_MEMBER(type, size, field) type field OWN_SIZE_##size;
#define OWN_SIZE_1
#define OWN_SIZE_OUTPUT_LIMITS [OUTPUT_LIMITS]
#define OWN_SIZE_OOM_VALUES [OOM_VALUES]
#include "server/options.def"
#undef OWN_MEMBER
#undef OWN_SIZE_1
#undef OWN_SIZE_OUTPUT_LIMITS
#undef OWN_SIZE_OOM_VALUES
    /* Which directives the configuration file or the command line gave: by enum option_id. */
    bool *given; /* owned */
};

/* OPTION_port, ... : a directive by number. */
enum option_id {
#define BOOL(field, ...) OPTION_##field,
#define INT(field, ...) OPTION_##field,
#define ENUM(field, ...) OPTION_##field,
#define TEXT(field, ...) OPTION_##field,
#define OWN(type, size, field, ...) OPTION_##field,
#include "server/options.def"
    OPTION_COUNT
};

enum option_flag {
    OPTION_FIXED = 1 << 0,     /* only at start: CONFIG SET refuses it */
    OPTION_PROTECTED = 1 << 1, /* CONFIG SET needs enable-protected-configs */
    OPTION_HIDDEN =
        1 << 2, /* CONFIG GET shows it only when named in full: for tests, or another server's */
    OPTION_SECRET = 1 << 3, /* not to be logged */
    OPTION_FILE_ONLY =
        1 << 4, /* may come many times in the file, and is unknown to CONFIG GET and SET */
    OPTION_NEW_ALIAS = 1 << 5, /* the alias is hidden: the name that newer servers have */
};

/* What is known of a directive: its row. */
struct option {
    const char *name, *alias; /* alias may be NULL */
    unsigned flags;
};

/* All defaults. */
void options_init(struct options *o);
void options_fini(struct options *o);
/* A deep copy into o, which holds nothing yet: what CONFIG SET falls back to. */
void options_copy(struct options *o, const struct options *from);

const struct option *option_at(enum option_id id);
/* Is it a number of bytes, which may be written with a unit? */
bool option_is_bytes(enum option_id id);
/* The directive of this name or alias, any case; OPTION_COUNT: there is none. */
enum option_id option_find(struct bytes name);
/* The value as CONFIG GET shows it. */
void options_get(const struct options *o, enum option_id id, struct text *out);
struct option_error {
    char text[256];
};
/* Set from the words that follow the directive's name, or from the one text that CONFIG SET got:
 * kinds that take several words split it. On failure false, all as before, and error tells. Flags
 * are not looked at. */
bool options_set(struct options *o, enum option_id id, const struct bytes *words, int count,
                 struct option_error *error);
/* The same for a line of the configuration file: it counts as given, and save adds to the save
 * points that the file gave before. */
bool options_load(struct options *o, enum option_id id, const struct bytes *words, int count,
                  struct option_error *error);
/* Do both hold the same value? */
bool options_same(const struct options *a, const struct options *b, enum option_id id);
#endif
