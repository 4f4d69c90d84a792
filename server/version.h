/*
 * version.h - what we are, and the Redis that we behave as.
 */
#ifndef REDOUBT_SERVER_VERSION_H
#define REDOUBT_SERVER_VERSION_H

#define REDOUBT_VERSION "0.1.0"
#define REDIS_VERSION "7.4.1" /* clients choose commands by it */

/* The build, as the Makefile knows it: the commit, how many files differ from it, and an id of
 * both. */
#ifndef REDOUBT_COMMIT
#define REDOUBT_COMMIT "00000000"
#endif
#ifndef REDOUBT_MODIFIED
#define REDOUBT_MODIFIED "0"
#endif
#ifndef REDOUBT_BUILD_ID
#define REDOUBT_BUILD_ID "0"
#endif

#endif
