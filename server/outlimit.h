/*
 * outlimit.h - how much output may wait for a client that does not read.
 */
#ifndef REDOUBT_SERVER_OUTLIMIT_H
#define REDOUBT_SERVER_OUTLIMIT_H

#include "server/client.h"

/* A normal client without limits: so much may wait before its further requests wait as well. */
enum { OUTPUT_CHOKE = 64 * 1024 * 1024 };
/* Who has not given the password gets errors, and may not let many of them wait (CVE-2025-21605).
 */
enum { OUTPUT_UNAUTHENTICATED = 1024 };

/* Take over the hard limit of its class: call when either has changed. */
void outlimit_refresh(struct client *c);
/* Close the client if client-output-buffer-limit says so. True if it was closed. */
bool outlimit_check(struct client *c);
/* Should its requests wait until it has read more? */
bool outlimit_choked(const struct client *c);

#endif
