/*
 * bitmaps.h - what the commands about bits have in common.
 */
#ifndef REDOUBT_SERVER_COMMANDS_BITMAPS_H
#define REDOUBT_SERVER_COMMANDS_BITMAPS_H

#include "server/call.h"

/* Argument i as the number of a bit in a string that may be as long as a bulk; with a width,
 * '#' counts in fields of that width. */
bool bitmap_offset_or_reply(struct call *call, int i, unsigned width, uint64_t *out);
/* Argument 1's string about to be changed, raw and at least min_len bytes long; *e is its entry, or
 * NULL to make one. With room recorded for undo: see string_edit(). */
char *bitmap_edit(struct call *call, struct entry **e, size_t min_len, size_t offset, size_t len);

#endif
