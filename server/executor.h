/*
 * executor.h - from requests to handlers: batches, gates, calls.
 *
 * The executor takes requests from all ready connections in batches, so that it can prefetch: the
 * hashes of the keys, then their buckets, then their entries, then it runs the handlers. Between a
 * request and its handler stand gates: each may answer and stop the call. A gate costs nothing
 * unless it is armed, for the server or for the client: one test of a bit mask decides that none
 * is.
 */
#ifndef REDOUBT_SERVER_EXECUTOR_H
#define REDOUBT_SERVER_EXECUTOR_H

#include "server/call.h"

/* Order is policy: gates are asked in this order. */
enum gate {
    GATE_PROTECTED = 1 << 0, /* command: DEBUG and the like, unless the configuration allows them */
    GATE_UNAUTHENTICATED = 1 << 1, /* client: NOAUTH unless the command needs none */
    GATE_MEMORY = 1 << 2,          /* server: maxmemory is set: evict, or refuse */
    GATE_TRACKING = 1 << 3,        /* server: clients cache: never stops, keeps their table small */
    GATE_SNAPSHOT = 1 << 4,        /* server: the last snapshot failed: nothing is written */
    GATE_REPLICAS = 1 << 5,        /* server: min-replicas-to-write: writes need replicas */
    GATE_SUBSCRIBED = 1 << 6,      /* client: it subscribes and speaks RESP2: little is allowed */
    GATE_MONITORING = 1 << 7,      /* client: it gave MONITOR and has no business with keys */
    GATE_BUSY = 1 << 8,            /* server: a script takes long: hardly anything is allowed */
    GATE_PAUSE = 1 << 9,           /* server: CLIENT PAUSE: the client waits */
    GATE_MULTI = 1 << 10,          /* client: queue instead of running */
};

struct executor *executor_create(struct server *s);
void executor_destroy(struct executor *ex);

/* Phase 2: run what the ready connections have sent. */
void executor_drain(struct server *s);
/* The same while a request takes long (network_turn_inside()): first what is left of its batch, but
 * of kept connections; then what arrived. */
void executor_finish_batch(struct server *s);
void executor_drain_inside(struct server *s);
/* Arm or disarm a gate for the server. */
void executor_arm(struct server *s, enum gate gate, bool on);
/* Run one command now, past the gates: from the drain, from EXEC, from scripts. Statistics,
 * slow log and all included. True if it wrote no error. */
bool executor_call(struct call *call);
/* Errors written so far went to other clients: the running call has not failed by them. */
void executor_ignore_errors(struct server *s);
/* The error that the running call answers was counted where it arose, inside of it. */
void executor_error_is_known(struct server *s);
/* A command was refused with the error written last; command NULL: unknown. */
void executor_refused(struct server *s, struct command_slot *command);
/* Was memory above maxmemory, and nothing to evict, when the running request came in? */
bool executor_is_out_of_memory(const struct server *s);
/* Evict until memory is under maxmemory. False: over it, and nothing (more) can be evicted. */
bool executor_make_room(struct server *s);
/* CLIENT PAUSE: until this wall time, all commands or writes only. */
void executor_pause(struct server *s, int64_t until_ms, bool all);
void executor_unpause(struct server *s);
int64_t executor_paused_until(const struct server *s);
/* Durations from which on somebody wants to know of a command (slow log, latency monitor): call
 * after either changed. */
void executor_set_thresholds(struct server *s);
/* The time that commands see is fresh now (a command took long). */
void executor_refresh_time(struct server *s);

#endif
