/*
 * options_apply.h - what a new value does to the running server.
 */
#ifndef REDOUBT_SERVER_OPTIONS_APPLY_H
#define REDOUBT_SERVER_OPTIONS_APPLY_H

#include "server/options.h"

struct server;

/* At start: hand every value to the part that works with it. Listening, the log file and the limit
 * of open files are opened by main, which can give up; what fails here is logged. */
void options_apply_all(struct server *s);

/* After some of s->opt were changed: hand the new values on. before is what they were. If a part
 * refuses, all parts get the old values back, which are s->opt again; *culprit and error tell, and
 * before is empty in both cases. */
bool options_apply_changes(struct server *s, struct options *before, enum option_id *culprit,
                           struct option_error *error);

/* rename-command. False: error tells, as the configuration file's errors do. */
bool options_rename_commands(struct server *s, struct text *error);

/* Tell of each directive that was given and is accepted, but does nothing (yet): one line each, for
 * the log at start. */
void options_notices(const struct options *o, void (*tell)(void *context, const char *line),
                     void *context);

#endif
