/*
 * gates.h - what stands between a request and its handler.
 *
 * Each gate may answer and stop the call. The list at the foot of gates.c is the policy, in order;
 * who arms which gate is told in executor.h.
 */
#ifndef REDOUBT_SERVER_GATES_H
#define REDOUBT_SERVER_GATES_H

#include "server/call.h"

/* Ask the armed gates. False: one of them has answered, or the client waits. */
bool gates_pass(struct call *call, uint32_t armed);
/* A request is refused with the error that was written after the mark. command: as far as it is
 * known. */
void gates_refused(struct call *call, struct command_slot *command, struct reply_mark mark);

#endif
