/*
 * config_file.h - the configuration as text: reading it at start, writing it back.
 */
#ifndef REDOUBT_SERVER_CONFIG_FILE_H
#define REDOUBT_SERVER_CONFIG_FILE_H

#include "server/options.h"

/* Read what the program was started with into o (after options_init()): [file] [-] [--directive
 * value ...], where - is standard input and the command line has the last word. *path becomes the
 * file's absolute path, owned by the caller, or NULL. False: error is the message to print, lines
 * and all. */
bool config_file_load(struct options *o, int argc, char **argv, char **path, struct text *error);

/* One text, named name in error messages: what config_file_load() does with each of its sources. */
bool config_file_parse(struct options *o, const char *name, struct bytes text, struct text *error);

/* Write o into the file at path as CONFIG REWRITE does: comments and order stay, each directive
 * keeps its place, what is new goes to the end, and the file changes in one step. all: defaults
 * too. On failure false, errno tells. */
bool config_file_rewrite(const struct options *o, const char *path, bool all);

#endif
