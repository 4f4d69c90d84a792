/*
 * snapshot.h - the dataset on disk: saved on demand, by the clock, at the end; loaded at the start.
 *
 * A snapshot in the background is written by a forked child, which sees memory as it was at the
 * fork; the parent goes on and pays for the pages that it changes meanwhile. No snapshot is begun
 * inside of an open section: what may still be taken back must not reach the disk.
 */
#ifndef REDOUBT_SERVER_SNAPSHOT_H
#define REDOUBT_SERVER_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct server;

/* What the child tells while it works, in memory that both see. */
struct snapshot_news {
    uint64_t keys; /* written */
    size_t copied; /* bytes of pages that one of the two has changed since the fork */
};

struct snapshot {
    pid_t child;  /* 0: none */
    pid_t parent; /* of it: without it nobody wants the snapshot */
    volatile struct snapshot_news *news;
    bool scheduled;        /* begin a child as soon as that may be */
    bool last_failed;      /* the last one in the background */
    int64_t saved_at;      /* seconds since 1970: the last snapshot, or the start of the server */
    int64_t tried_at;      /* the last child's start; 0: there was none */
    int64_t last_seconds;  /* the last child took; -1: there was none */
    int64_t begun_us;      /* monotonic: the child's start */
    uint64_t saved_dirty;  /* keyspace.dirty when what is saved was seen */
    uint64_t forked_dirty; /* the same at the fork */
    uint64_t child_total;  /* keys that the child has to write */
    uint64_t saves;        /* snapshots written since the start */
    uint64_t forks, fork_us;
    size_t last_copied;       /* see snapshot_news */
    uint64_t loaded, expired; /* keys, when it was loaded last */
};

void snapshot_init(struct snapshot *p);
void snapshot_fini(struct snapshot *p);

/* Save now, while everybody waits. False: it was logged why not. */
bool snapshot_save(struct server *s);
/* Load the file that dbfilename names, if there is one. merge: keys that are there give way to
 * those of the file; else there may be none with the same name. False: it was logged why, and a
 * part of it may be loaded. */
bool snapshot_load(struct server *s, bool merge);

/* Begin a child. False: it was logged why there is none. */
bool snapshot_begin(struct server *s);
/* End the child, whose work is lost. */
void snapshot_kill_child(struct server *s);
/* What cron.c does for it: hear from the child, begin one if the directive save or somebody wants
 * it. */
void snapshot_tick(struct server *s);
/* Changes that are not in the last snapshot. */
uint64_t snapshot_changes(const struct server *s);
/* Are writes refused until a snapshot succeeds? */
bool snapshot_forbids_writes(const struct server *s);
/* After anything that snapshot_forbids_writes() depends on has changed. */
void snapshot_arm(struct server *s);

/* What clients are told then. */
extern const char snapshot_misconf[];

#endif
