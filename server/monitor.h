/*
 * monitor.h - MONITOR: every command, as it is run, to whoever asked to see them.
 */
#ifndef REDOUBT_SERVER_MONITOR_H
#define REDOUBT_SERVER_MONITOR_H

#include "server/call.h"

/* Feed all monitoring clients with this call, unless its command is administrative. As in Redis, a
 * call is shown when its handler has returned: a monitor's own reply comes before the line, EXEC
 * after what it ran. */
void monitor_feed(const struct call *call);
/* A script is about to run: it is shown before its commands. */
void monitor_feed_script(const struct call *call);
/* The client starts or stops monitoring; stopping one that does not monitor does nothing. */
void monitor_start(struct client *c);
void monitor_stop(struct client *c);

#endif
