/*
 * surroundings.h - is the machine fit for the server? Each check looks at the kernel's files and
 * says what to do.
 *
 * The checks read below a root directory, so that a test can build them a machine of its own.
 */
#ifndef REDOUBT_SERVER_SURROUNDINGS_H
#define REDOUBT_SERVER_SURROUNDINGS_H

#include "base/text.h"

struct options;

/* Told of each check in turn: its name, and what it found with the remedy, NULL if all is well. */
typedef void surroundings_listener(void *context, const char *check, const char *finding);

/* Run all checks on the machine whose /proc and /sys are below root ("": this one). Returns how
 * many found something. A file that cannot be read is no finding. */
int surroundings_check(const char *root, const struct options *opt, surroundings_listener *tell,
                       void *context);

/* What this process may use at most: the least of RAM and the control groups' limits (versions 1
 * and 2); 0: unknown. */
uint64_t surroundings_memory_limit(const char *root);

#endif
