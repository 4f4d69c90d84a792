/*
 * option_kinds.h - how values of one kind are read, shown, and owned. For options.c only.
 */
#ifndef REDOUBT_SERVER_OPTION_KINDS_H
#define REDOUBT_SERVER_OPTION_KINDS_H

#include "server/options.h"

struct word_value {
    const char *word; /* NULL ends the table */
    int value;
};

struct option_kind;

/* A row of options.def. */
struct option_row {
    struct option known;
    const struct option_kind *kind;
    size_t offset;                  /* in struct options */
    const struct word_value *words; /* ENUM, SET */
    int64_t min, max, initial;      /* initial: of kinds that are numbers */
    const char *initial_text;       /* of all others, in the form of the configuration file */
};

struct option_kind {
    int least, most; /* words that it takes; many: a single one is split at its blanks */
    bool many;
    /* Change *field; on failure leave it alone and tell. */
    bool (*set)(const struct option_row *row, void *field, const struct bytes *words, int count,
                struct option_error *error);
    void (*get)(const struct option_row *row, const void *field, struct text *out);
    /* Give *field, a plain copy, memory of its own. NULL for kinds that own none, as is end. */
    void (*own)(void *field);
    void (*end)(void *field);
};

extern const struct option_kind kind_bool, kind_int, kind_octal, kind_bytes, kind_share, kind_enum,
    kind_set, kind_text;
extern const struct option_kind kind_bind, kind_dir, kind_events, kind_files, kind_loadmodule,
    kind_oom_values, kind_output_limits, kind_percentiles, kind_rename, kind_replicaof, kind_save,
    kind_secret, kind_title, kind_user;

/* Write the error; always false. */
bool option_fail(struct option_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* For kinds that own a text. */
bool option_set_text_field(void *field, struct bytes value);
void option_get_text(const struct option_row *row, const void *field, struct text *out);
void option_own_text(void *field);
void option_end_text(void *field);
/* Add a copy of word at the end. */
void words_add(struct words *w, struct bytes word);
void words_clear(struct words *w);

#endif
