/*
 * function_files.h - libraries that are read from files at start: the directive load-functions.
 */
#ifndef REDOUBT_SERVER_FUNCTION_FILES_H
#define REDOUBT_SERVER_FUNCTION_FILES_H

#include "base/text.h"

struct server;

/* Read all files; their libraries come in place of those that were read before: all, or none and
 * false, and error tells file and line. */
bool function_files_load(struct server *s, struct text *error);

#endif
