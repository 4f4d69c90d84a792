/*
 * errorstats.h - how many errors of each code were answered: INFO errorstats.
 */
#ifndef REDOUBT_SERVER_ERRORSTATS_H
#define REDOUBT_SERVER_ERRORSTATS_H

#include "base/bytes.h"

struct error_stats;
struct server;

struct error_stats *error_stats_create(void);
void error_stats_destroy(struct error_stats *e);
/* Count an error reply, in all and by its code: the first word of its text. Codes are bounded as in
 * Redis 7.4 (128 of them, then collecting stops with a note in the log and the code
 * ERRORSTATS_DISABLED). */
void error_stats_count(struct server *s, struct bytes error_text);
void error_stats_reset(struct error_stats *e);
/* Call visit for each code, in alphabetical order. */
void error_stats_each(const struct error_stats *e,
                      void (*visit)(void *context, const char *code, uint64_t count),
                      void *context);

#endif
