/*
 * function_dump.h - libraries in snapshots and payloads.
 */
#ifndef REDOUBT_SERVER_FUNCTION_DUMP_H
#define REDOUBT_SERVER_FUNCTION_DUMP_H

#include "base/text.h"

struct functions;
struct rdb_writer;
struct server;

/* All libraries: opcode and code of each. */
void function_dump_write(const struct functions *f, struct rdb_writer *w);
/* Take one that was saved; merge: in the place of one of the same name. False: error says why. */
bool function_dump_take(struct server *s, struct bytes code, bool merge, struct text *error);

#endif
