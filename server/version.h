/*
 * version.h - what we are, and the Redis that we behave as.
 */
#ifndef REDOUBT_SERVER_VERSION_H
#define REDOUBT_SERVER_VERSION_H

#define REDOUBT_VERSION "0.1.0"
#define REDIS_VERSION "7.4.1" /* clients choose commands by it */

#endif
