/*
 * lazyfree.h - ending large values on a thread of its own, so that the loop never waits for free().
 */
#ifndef REDOUBT_STORAGE_LAZYFREE_H
#define REDOUBT_STORAGE_LAZYFREE_H

#include <stddef.h>
#include <stdint.h>

struct lazyfree;

struct lazyfree *lazyfree_start(void);
/* Finish what is queued, end the thread. */
void lazyfree_stop(struct lazyfree *lf);
/* Run end(object) on the thread; it must touch nothing that the main thread may. objects: how many
 * this counts for in the statistics. */
void lazyfree_queue(struct lazyfree *lf, void (*end)(void *object), void *object, uint64_t objects);
/* Still waiting; done since start (or since the last reset). */
uint64_t lazyfree_pending(const struct lazyfree *lf);
uint64_t lazyfree_done(const struct lazyfree *lf);
void lazyfree_reset_stats(struct lazyfree *lf);

#endif
