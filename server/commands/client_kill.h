/*
 * client_kill.h - CLIENT KILL, for the rows of CLIENT, and types of clients by name.
 */
#ifndef REDOUBT_SERVER_COMMANDS_CLIENT_KILL_H
#define REDOUBT_SERVER_COMMANDS_CLIENT_KILL_H

#include "server/call.h"
#include "server/client.h"

/* The type that argument i names: NORMAL, REPLICA, ... */
bool client_class_or_reply(struct call *call, int i, enum client_class *class);
void cmd_client_kill(struct call *call);

#endif
