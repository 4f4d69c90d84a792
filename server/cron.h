/*
 * cron.h - what happens hz times a second: active expiry, sampling of rates, timeouts of clients,
 * peak memory, bounded upkeep of indexes.
 */
#ifndef REDOUBT_SERVER_CRON_H
#define REDOUBT_SERVER_CRON_H

#include <stdbool.h>

struct server;
struct cron *cron_start(struct server *s);
void cron_stop(struct cron *c);
/* CONFIG SET hz: kept within 1 and 500. */
void cron_set_hz(struct cron *c, int hz);
int cron_hz(const struct cron *c);
/* DEBUG SET-ACTIVE-EXPIRE, DEBUG PAUSE-CRON. */
void cron_set_active_expire(struct cron *c, bool on);
void cron_pause(struct cron *c, bool on);

#endif
