/*
 * monitor.h - MONITOR: every command, as it is run, to whoever asked to see them.
 */
#ifndef REDOUBT_SERVER_MONITOR_H
#define REDOUBT_SERVER_MONITOR_H

#include "server/call.h"

/* Feed all monitoring clients with this call, before it runs. */
void monitor_feed(const struct call *call);
/* The client starts or stops monitoring. */
void monitor_start(struct client *c);
void monitor_stop(struct client *c);

#endif
