/*
 * blocked.h - clients that wait for a key: BLPOP and its family.
 *
 * A blocking command first tries. If there is nothing for it, its handler calls blocked_wait()
 * instead of replying: the request is copied and the client waits in line at each of its keys.
 * Every final change of a key that somebody waits for makes the key ready; when the command (or
 * EXEC) that changed it is over, the clients in its line run their requests again, longest waiting
 * first. One that still finds nothing keeps its place. What these requests change can make further
 * keys ready: they are served until none is.
 *
 * FLUSHALL and FLUSHDB wait here as well, for the thread that ends large values.
 *
 * Inside EXEC (and scripts) nobody waits: blocked_may_wait() is false, and the handler replies as
 * on a timeout.
 */
#ifndef REDOUBT_SERVER_BLOCKED_H
#define REDOUBT_SERVER_BLOCKED_H

#include "server/call.h"

/* How a request that waited in vain is answered. */
typedef void blocked_answer(struct reply *r);

struct blocked *blocked_create(struct server *s);
void blocked_destroy(struct blocked *b);

/* May this call wait? */
bool blocked_may_wait(const struct call *call);
/* Wait until one of the keys argv[first_arg .. first_arg + count) has changed and is there with
 * this type. */
struct blocked_for {
    int first_arg, count;
    enum value_type type;
    bool or_gone;               /* that it is not there with this type any more is news, too */
    int64_t timeout_ms;         /* from now; 0: for ever */
    blocked_answer *on_timeout; /* usually reply_null or reply_null_array */
};
void blocked_wait(struct call *call, const struct blocked_for *what);
/* Wait until the background thread has ended all that it was given so far. CLIENT UNBLOCK does not
 * end this. */
void blocked_wait_for_lazyfree(struct call *call, blocked_answer *answer);
/* Parse a timeout argument in (fractions of) seconds; answers Redis's errors. */
bool blocked_timeout_or_reply(struct call *call, int arg, int64_t *timeout_ms);

/* The call is over: serve clients whose keys it made ready. Cheap when there are none. */
void blocked_serve(struct server *s);
/* SWAPDB, FLUSHDB: what waits in the database looks again. */
void blocked_look_again(struct server *s, int db);
/* End a client's wait without serving it: it leaves, or CLIENT UNBLOCK. */
void blocked_forget(struct client *c);
/* CLIENT UNBLOCK: as on a timeout, or with an error. False: it does not wait. */
bool blocked_unblock(struct client *c, bool with_error);
/* Keys that somebody waits for; those among them that somebody waits for who wants to hear if they
 * are gone (INFO). */
uint64_t blocked_key_count(const struct server *s, bool or_gone);

#endif
