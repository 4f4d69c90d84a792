/*
 * snapshot_child.c - snapshots in the background.
 *
 * The child writes, says how far it is, and ends by _exit(): it touches neither the loop nor a
 * socket, and frees nothing. It may be ended at any time by SIGUSR1, which is no failure.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/log.h"
#include "server/server.h"
#include "server/snapshot.h"
#include "server/snapshot_file.h"
#include "storage/undo.h"

enum { RETRY_AFTER_S = 5, COPIED_EVERY_US = 1000 * 1000 };

/* -- the child --------------------------------------------------------------------------------- */

/* Pages of this process that are not shared with another one, as far as the kernel says. */
static size_t private_bytes(void)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    unsigned long kib = 0;
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "Private_Dirty: %lu kB", &kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return (size_t)kib * 1024;
}

static bool report(void *context, uint64_t keys)
{
    static int64_t looked_us; /* the child's own */
    struct server *s = context;
    s->snapshot.news->keys = keys;
    int64_t now_us = clock_mono_us();
    if (now_us - looked_us >= COPIED_EVERY_US) {
        looked_us = now_us;
        s->snapshot.news->copied = private_bytes();
    }
    return getppid() == s->snapshot.parent;
}

static void be_child(struct server *s)
{
    static const int own[] = {SIGTERM, SIGINT, SIGUSR1};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        signal(own[i], SIG_DFL);
    /* Whatever happens to the parent: its port and its clients are not held open here. */
    close_range(STDERR_FILENO + 1, ~0U, 0);
    const char *doing;
    bool written = snapshot_write_file(s, report, &doing);
    if (!written)
        log_write(s->log, LOG_LEVEL_WARNING, "Failed %s the RDB file %s for saving: %s", doing,
                  s->opt.dbfilename, strerror(errno));
    s->snapshot.news->copied = private_bytes();
    if (written)
        log_write(s->log, LOG_LEVEL_NOTICE, "Fork CoW for RDB: current %zu MB",
                  s->snapshot.news->copied >> 20);
    _exit(written ? 0 : 1);
}

/* -- the parent -------------------------------------------------------------------------------- */

static uint64_t all_keys(const struct keyspace *ks)
{
    uint64_t keys = 0;
    for (int i = 0; i < ks->db_count; i++)
        keys += ks->dbs[i].keys.count;
    return keys;
}

bool snapshot_begin(struct server *s)
{
    struct snapshot *p = &s->snapshot;
    if (p->child != 0 || p->news == NULL || undo_is_open(s->keys->undo))
        return false;
    p->scheduled = false;
    p->tried_at = time(NULL);
    *p->news = (struct snapshot_news){0};
    int64_t before_us = clock_mono_us();
    p->parent = getpid();
    pid_t child = fork();
    if (child == 0)
        be_child(s);
    p->fork_us = (uint64_t)(clock_mono_us() - before_us);
    if (child < 0) {
        log_write(s->log, LOG_LEVEL_WARNING, "Can't save in background: fork: %s", strerror(errno));
        p->last_failed = true;
        snapshot_arm(s);
        return false;
    }
    log_write(s->log, LOG_LEVEL_NOTICE, "Background saving started by pid %d", (int)child);
    p->child = child;
    p->forks++;
    p->begun_us = clock_mono_us();
    p->forked_dirty = s->keys->dirty;
    p->child_total = all_keys(s->keys);
    return true;
}

static void remove_leftover(pid_t child)
{
    char temp[64];
    snprintf(temp, sizeof temp, "temp-%d.rdb", (int)child);
    unlink(temp);
}

static void child_ended(struct server *s, int status)
{
    struct snapshot *p = &s->snapshot;
    pid_t child = p->child;
    bool killed = WIFSIGNALED(status);
    p->child = 0;
    p->last_copied = p->news->copied;
    p->last_seconds = (clock_mono_us() - p->begun_us) / 1000000;
    if (!killed && WEXITSTATUS(status) == 0) {
        log_write(s->log, LOG_LEVEL_NOTICE, "Background saving terminated with success");
        p->saved_dirty = p->forked_dirty;
        p->saved_at = time(NULL);
        p->last_failed = false;
        p->saves++;
    } else if (!killed) {
        log_write(s->log, LOG_LEVEL_WARNING, "Background saving error");
        p->last_failed = true;
    } else {
        log_write(s->log, LOG_LEVEL_WARNING, "Background saving terminated by signal %d",
                  WTERMSIG(status));
        remove_leftover(child);
        p->last_failed |= WTERMSIG(status) != SIGUSR1;
    }
    snapshot_arm(s);
}

void snapshot_kill_child(struct server *s)
{
    struct snapshot *p = &s->snapshot;
    int status;
    if (p->child == 0)
        return;
    log_write(s->log, LOG_LEVEL_NOTICE, "Killing running RDB child: %d", (int)p->child);
    kill(p->child, SIGUSR1);
    while (waitpid(p->child, &status, 0) < 0 && errno == EINTR)
        ;
    child_ended(s, status);
}

/* -- by the clock ------------------------------------------------------------------------------ */

/* The point of the directive save that asks for a snapshot; NULL: none. */
static const struct save_point *due_point(const struct server *s, int64_t now)
{
    const struct snapshot *p = &s->snapshot;
    if (p->last_failed && now - p->tried_at <= RETRY_AFTER_S)
        return NULL;
    for (int i = 0; i < s->opt.save.count; i++) {
        const struct save_point *point = &s->opt.save.items[i];
        if (snapshot_changes(s) >= (uint64_t)point->changes && now - p->saved_at > point->seconds)
            return point;
    }
    return NULL;
}

void snapshot_tick(struct server *s)
{
    struct snapshot *p = &s->snapshot;
    int status;
    if (p->child != 0) {
        if (waitpid(p->child, &status, WNOHANG) == p->child)
            child_ended(s, status);
        return;
    }
    if (s->running != NULL || undo_is_open(s->keys->undo))
        return;
    const struct save_point *point = due_point(s, time(NULL));
    if (point != NULL)
        log_write(s->log, LOG_LEVEL_NOTICE, "%lld changes in %lld seconds. Saving...",
                  (long long)point->changes, (long long)point->seconds);
    if (point != NULL || p->scheduled)
        snapshot_begin(s);
}
