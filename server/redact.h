/*
 * redact.h - which arguments are secrets, and must appear neither in the slow log nor to monitors.
 */
#ifndef REDOUBT_SERVER_REDACT_H
#define REDOUBT_SERVER_REDACT_H

#include "server/command.h"

/* Is argument i of this request a secret? */
typedef bool redact_rule(const struct bytes *argv, int argc, int i);

/* The rule for a command; NULL: all of its arguments may be shown. */
redact_rule *redact_rule_of(const struct command_slot *command);

/* What to show of argument i: itself, or "(redacted)". */
struct bytes redact_argument(redact_rule *rule, const struct bytes *argv, int argc, int i);

#endif
