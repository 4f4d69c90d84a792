/*
 * lazyfree.c - a queue and a thread.
 *
 * Jobs collect in an array which the thread takes as a whole, leaving its own empty one behind:
 * handing over costs the main thread no allocation and holds the lock for a few instructions. The
 * jobs touch only what nobody else can reach any more, so they need no lock.
 */
#include "storage/lazyfree.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cells.h"
#include "base/memory.h"

struct job {
    void (*end)(void *object);
    void *object;
    uint64_t objects;
};

struct batch {
    struct job *jobs; /* owned */
    size_t count, room;
};

enum { KEEP_ROOM = 1024 }; /* jobs; an array that grew beyond is given back */

struct lazyfree {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct batch queue; /* under the lock, like stopping */
    bool stopping;
    _Atomic uint64_t pending, done;
};

/* Wait for work and take it; false once stopping with nothing left. */
static bool take(struct lazyfree *lf, struct batch *mine)
{
    pthread_mutex_lock(&lf->lock);
    while (lf->queue.count == 0 && !lf->stopping)
        pthread_cond_wait(&lf->wake, &lf->lock);
    struct batch taken = lf->queue;
    lf->queue = *mine;
    *mine = taken;
    pthread_mutex_unlock(&lf->lock);
    return mine->count > 0;
}

static void *run(void *context)
{
    struct lazyfree *lf = context;
    struct batch mine = {0};
    mem_thread_enter();
    cells_enter_foreign_thread();
    while (take(lf, &mine)) {
        for (size_t i = 0; i < mine.count; i++) {
            struct job *job = &mine.jobs[i];
            job->end(job->object);
            atomic_fetch_add(&lf->done, job->objects);
            atomic_fetch_sub(&lf->pending, job->objects);
        }
        mine.count = 0;
        if (mine.room > KEEP_ROOM) {
            mem_free(mine.jobs);
            mine = (struct batch){0};
        }
    }
    mem_free(mine.jobs);
    return NULL;
}

struct lazyfree *lazyfree_start(void)
{
    struct lazyfree *lf = mem_alloc_zeroed(sizeof *lf);
    pthread_mutex_init(&lf->lock, NULL);
    pthread_cond_init(&lf->wake, NULL);
    sigset_t all, before; /* signals belong to the main thread */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&lf->thread, NULL, run, lf);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        fprintf(stderr, "redoubt: cannot start the lazyfree thread: %s\n", strerror(error));
        abort();
    }
    pthread_setname_np(lf->thread, "lazyfree");
    return lf;
}

void lazyfree_stop(struct lazyfree *lf)
{
    if (lf == NULL)
        return;
    pthread_mutex_lock(&lf->lock);
    lf->stopping = true;
    pthread_cond_signal(&lf->wake);
    pthread_mutex_unlock(&lf->lock);
    pthread_join(lf->thread, NULL);
    pthread_cond_destroy(&lf->wake);
    pthread_mutex_destroy(&lf->lock);
    mem_free(lf->queue.jobs);
    mem_free(lf);
}

void lazyfree_queue(struct lazyfree *lf, void (*end)(void *object), void *object, uint64_t objects)
{
    atomic_fetch_add(&lf->pending, objects);
    pthread_mutex_lock(&lf->lock);
    struct batch *q = &lf->queue;
    if (q->count == q->room) {
        q->room = q->room == 0 ? 16 : q->room * 2;
        q->jobs = mem_resize(q->jobs, q->room * sizeof *q->jobs);
    }
    q->jobs[q->count++] = (struct job){end, object, objects};
    if (q->count == 1)
        pthread_cond_signal(&lf->wake);
    pthread_mutex_unlock(&lf->lock);
}

uint64_t lazyfree_pending(const struct lazyfree *lf)
{
    return atomic_load(&lf->pending);
}

uint64_t lazyfree_done(const struct lazyfree *lf)
{
    return atomic_load(&lf->done);
}

void lazyfree_reset_stats(struct lazyfree *lf)
{
    atomic_store(&lf->done, 0);
}
