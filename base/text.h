/*
 * text.h - a text that grows while it is written: reports such as INFO.
 */
#ifndef REDOUBT_BASE_TEXT_H
#define REDOUBT_BASE_TEXT_H

#include "base/bytes.h"

/* All zero is empty. */
struct text {
    char *data; /* owned; NUL-terminated once anything was added */
    size_t len, room;
};

void text_fini(struct text *t);
void text_add(struct text *t, struct bytes part);
void text_addf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* All of it, valid until the next change. */
struct bytes text_view(const struct text *t);

#endif
