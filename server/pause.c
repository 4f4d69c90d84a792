/*
 * pause.c - CLIENT PAUSE: who waits is held by the gate (executor.c), here it begins and ends.
 */
#include "server/conn.h"
#include "server/executor.h"
#include "server/executor_parts.h"
#include "server/server.h"
#include "storage/keyspace.h"

void executor_unpause_if_due(struct server *s)
{
    if (s->executor->armed & GATE_PAUSE && s->keys->now_ms >= s->executor->paused_until_ms)
        executor_unpause(s);
}

void executor_pause(struct server *s, int64_t until_ms, bool all)
{
    struct executor *ex = s->executor;
    bool paused = ex->armed & GATE_PAUSE;
    if (!paused || until_ms > ex->paused_until_ms)
        ex->paused_until_ms = until_ms;
    ex->paused_all = all || (paused && ex->paused_all);
    s->keys->keep_expired = true; /* who sees the keys sees none go */
    executor_arm(s, GATE_PAUSE, true);
}

void executor_unpause(struct server *s)
{
    struct executor *ex = s->executor;
    executor_arm(s, GATE_PAUSE, false);
    s->keys->keep_expired = false;
    ex->paused_until_ms = 0;
    ex->paused_all = false;
    for (struct client *c = s->clients.first; c != NULL; c = c->next)
        if (c->flags & CLIENT_PAUSED) {
            c->flags &= ~(uint32_t)CLIENT_PAUSED;
            conn_mark_ready(c->conn);
        }
    s->clients.paused = 0;
}

int64_t executor_paused_until(const struct server *s)
{
    return s->executor->armed & GATE_PAUSE ? s->executor->paused_until_ms : 0;
}
