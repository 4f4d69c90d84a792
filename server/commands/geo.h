/*
 * geo.h - what the commands about places have in common.
 *
 * Places are members of a sorted set whose scores are the hashes of base/geo.h.
 */
#ifndef REDOUBT_SERVER_COMMANDS_GEO_H
#define REDOUBT_SERVER_COMMANDS_GEO_H

#include "base/geo.h"
#include "server/call.h"

/* Arguments i and i + 1 as a point on the map. */
bool geo_point_or_reply(struct call *call, int i, struct geo_point *out);
/* Argument i as a unit: how many meters it has. */
bool geo_unit_or_reply(struct call *call, int i, double *meters);
/* Where a member is; false: there is none, or no set (e is NULL). */
bool geo_find(const struct entry *e, struct bytes member, struct geo_point *out);
/* A distance with four digits behind the point. */
void geo_reply_distance(struct reply *r, double distance);
/* An array of longitude and latitude. */
void geo_reply_point(struct reply *r, struct geo_point p);

#endif
