/*
 * crash.h - a report for whoever has to find out why the server died.
 */
#ifndef REDOUBT_SERVER_CRASH_H
#define REDOUBT_SERVER_CRASH_H

#include <stdbool.h>

struct server;

/* Report fatal signals of this process into the server's log from now on (crash-log-enabled), or
 * leave them to the kernel. There can be one server at a time. */
void crash_watch(struct server *s, bool on);

/* Something is so wrong that going on would do harm: write the message and a report, then end the
 * process (by SIGABRT, or with exit status 1 if use-exit-on-panic). */
_Noreturn void crash_panic(struct server *s, const char *file, int line, const char *message);
_Noreturn void crash_assertion(struct server *s, const char *file, int line,
                               const char *expression);

#define server_panic(s, message) crash_panic(s, __FILE__, __LINE__, message)
#define server_assert(s, expression)                                                               \
    ((expression) ? (void)0 : crash_assertion(s, __FILE__, __LINE__, #expression))

#endif
