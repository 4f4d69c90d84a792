/*
 * debug_gate.h - who may run DEBUG: enable-debug-command.
 */
#ifndef REDOUBT_SERVER_DEBUG_GATE_H
#define REDOUBT_SERVER_DEBUG_GATE_H

#include <stdbool.h>

struct server;
struct client;

bool debug_is_allowed(const struct server *s, const struct client *c);

#endif
