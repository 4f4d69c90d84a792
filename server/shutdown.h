/*
 * shutdown.h - the end, when asked for: SHUTDOWN, SIGTERM, SIGINT.
 *
 * A signal only leaves a note; the next tick of cron.c acts on it, outside of the handler. Until
 * then SHUTDOWN ABORT can take it back. A second SIGINT does not wait for anything.
 */
#ifndef REDOUBT_SERVER_SHUTDOWN_H
#define REDOUBT_SERVER_SHUTDOWN_H

#include <stdbool.h>

struct server;

/* Catch SIGTERM and SIGINT for this server, ignore SIGHUP and SIGPIPE. There can be one server at a
 * time. */
void shutdown_catch_signals(struct server *s);
/* Back to the defaults. */
void shutdown_release_signals(void);
/* Has a signal asked for the end? Then begin it. Called by cron.c. */
void shutdown_if_asked(struct server *s);
/* Take a signal's note back. False: there is none. */
bool shutdown_abort(struct server *s);
/* Save if the flags or the directive save want it, and let the loop end after this turn. False: it
 * could not be saved, so it goes on. flags: enum shutdown_value (options.h), or'ed. */
bool shutdown_begin(struct server *s, int flags);

#endif
