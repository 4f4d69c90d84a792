/*
 * resources.h - what the kernel grants: open files, and how soon it kills us when memory runs out.
 */
#ifndef REDOUBT_SERVER_RESOURCES_H
#define REDOUBT_SERVER_RESOURCES_H

#include <stdbool.h>
#include <stdint.h>

struct server;

/* Open files that are not clients: listeners, log, epoll, standard streams. */
enum { RESOURCES_OWN_FILES = 32 };

/* Raise the limit of open files, if needed and possible, so that so many clients can connect.
 * Returns how many can, at most as many as asked for; 0 or less: none. Never lowers the limit. */
int64_t resources_files_for_clients(int64_t clients);
/* At start: raise the limit for maxclients or lower maxclients, and tell what was done. False: not
 * even one client could connect. */
bool resources_fit_clients(struct server *s);

/* The score that the process had before oom-score-adj changed it. */
struct oom_score {
    bool is_changed;
    int before;
};
/* Set the score for oom-score-adj (mode, an enum oom_value) and this value; OOM_NO: back to what it
 * was. False: the kernel refuses, errno tells. */
bool resources_set_oom_score(struct oom_score *score, int mode, int64_t value);

/* disable-thp: no transparent huge pages for this process. False: the kernel refuses, errno tells.
 */
bool resources_disable_huge_pages(void);

#endif
