/*
 * compare.h - conditions on a string's present value: IFEQ, IFNE, IFDEQ, IFDNE.
 */
#ifndef REDOUBT_SERVER_COMMANDS_COMPARE_H
#define REDOUBT_SERVER_COMMANDS_COMPARE_H

#include "server/commands/string_options.h"

/* Does the entry (NULL: absent) meet the condition among the options, if there is one? An absent
 * key equals nothing. False, with the error answered, if the key is no string or the digest is
 * none. */
bool compare_or_reply(struct call *call, const struct entry *e, const struct string_options *o,
                      bool *met);

#endif
