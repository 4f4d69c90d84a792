/*
 * supervise.h - the process and who looks after it: a daemon, a pid file, systemd or upstart.
 */
#ifndef REDOUBT_SERVER_SUPERVISE_H
#define REDOUBT_SERVER_SUPERVISE_H

#include <stdbool.h>

struct server;
struct log;

/* Is the process started and watched by somebody, as the supervised directive and the environment
 * say? Then it must not become a daemon. For upstart this stops the process until its job goes on.
 */
bool supervise_join(struct server *s);
/* Send this state ("READY=1\nSTATUS=...") to the socket that NOTIFY_SOCKET names, a path or "@" and
 * an abstract name. False: there is none, or it cannot be reached (*error tells, a static text;
 * NULL: there is none). */
bool supervise_notify(const char *state, const char **error);
/* The same, if the server is supervised by systemd; failures are logged. */
void supervise_tell(struct server *s, const char *state);

/* Go on as a child in a session of its own, without terminal; the parent ends here. False: no fork,
 * errno tells. */
bool supervise_daemonize(void);
/* Write the process id to pidfile; a file that cannot be made is logged and no obstacle. */
void supervise_write_pid(struct log *log, const char *path);
void supervise_remove_pid(struct log *log, const char *path);

#endif
