/*
 * title.h - what ps shows: a text in the place of the program's arguments.
 *
 * The kernel shows the memory in which it once put arguments and environment; both are copied out
 * of it, so that the title may take all of it.
 */
#ifndef REDOUBT_SERVER_TITLE_H
#define REDOUBT_SERVER_TITLE_H

#include "base/text.h"

struct server;
struct title;

/* Take over the memory of argv and environ. *argv is replaced by a copy, which the title owns. */
struct title *title_create(int argc, char ***argv);
void title_destroy(struct title *t);
/* Show this; what does not fit is cut off. */
void title_show(struct title *t, const char *text);

/* A template's variable: its value replaces {name}. */
struct title_variable {
    const char *name, *value;
};
/* Replace the variables of a template (the array ends with a NULL name); {{ is a brace. False if it
 * names one that there is not, or leaves one open. */
bool title_expand(const char *template, const struct title_variable *variables, struct text *out);
/* Is this a template for proc-title-template? */
bool title_is_valid(const char *template);

/* Show what proc-title-template says of the server now, unless set-proc-title is no. */
void title_refresh(struct server *s);

#endif
