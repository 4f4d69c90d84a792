/*
 * resources.c - limits of open files, the score for the kernel's memory killer, huge pages.
 */
#include "server/resources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/log.h"
#include "server/server.h"

/* -- open files -------------------------------------------------------------------------------- */

/* Raise the limit to wanted, or as near as the kernel lets us: within the hard limit anybody may,
 * beyond it root may. Returns what holds now; *refused is 0 or why it is not all that was wanted.
 */
static rlim_t raise_files(rlim_t wanted, int *refused)
{
    struct rlimit limit, next;
    *refused = 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return limit.rlim_cur;
    next = (struct rlimit){wanted, wanted > limit.rlim_max ? wanted : limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &next) == 0)
        return wanted;
    *refused = errno;
    next = (struct rlimit){limit.rlim_max, limit.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &next) == 0 ? limit.rlim_max : limit.rlim_cur;
}

int64_t resources_files_for_clients(int64_t clients)
{
    int refused;
    int64_t files = (int64_t)raise_files((rlim_t)clients + RESOURCES_OWN_FILES, &refused);
    int64_t fit = files - RESOURCES_OWN_FILES;
    return fit < clients ? fit : clients;
}

bool resources_fit_clients(struct server *s)
{
    struct rlimit before;
    int refused;
    rlim_t wanted = (rlim_t)s->opt.maxclients + RESOURCES_OWN_FILES;
    if (getrlimit(RLIMIT_NOFILE, &before) != 0 || before.rlim_cur >= wanted)
        return true;
    rlim_t files = raise_files(wanted, &refused);
    if (refused == 0) {
        log_write(s->log, LOG_LEVEL_NOTICE,
                  "Increased maximum number of open files to %llu (it was originally set to %llu).",
                  (unsigned long long)wanted, (unsigned long long)before.rlim_cur);
        return true;
    }
    if (files <= RESOURCES_OWN_FILES) {
        log_write(s->log, LOG_LEVEL_WARNING,
                  "Your current 'ulimit -n' of %llu is not enough for the server to start. Please "
                  "increase "
                  "your open file limit to at least %llu. Exiting.",
                  (unsigned long long)files, (unsigned long long)wanted);
        return false;
    }
    log_write(s->log, LOG_LEVEL_WARNING,
              "You requested maxclients of %lld requiring at least %llu max file descriptors.",
              (long long)s->opt.maxclients, (unsigned long long)wanted);
    log_write(s->log, LOG_LEVEL_WARNING,
              "Server can't set maximum open files to %llu because of OS error: %s.",
              (unsigned long long)wanted, strerror(refused));
    s->opt.maxclients = (int64_t)files - RESOURCES_OWN_FILES;
    log_write(
        s->log, LOG_LEVEL_WARNING,
        "Current maximum open files is %llu. maxclients has been reduced to %lld to compensate for "
        "low ulimit. If you need higher maxclients increase 'ulimit -n'.",
        (unsigned long long)files, (long long)s->opt.maxclients);
    return true;
}

/* -- the memory killer ------------------------------------------------------------------------- */

#define SCORE_FILE "/proc/self/oom_score_adj"
enum { SCORE_MIN = -1000, SCORE_MAX = 1000 };

static bool read_score(int *score)
{
    FILE *file = fopen(SCORE_FILE, "re");
    if (file == NULL)
        return false;
    bool fine = fscanf(file, "%d", score) == 1;
    fclose(file);
    return fine;
}

static bool write_score(int64_t score)
{
    char text[16];
    int clamped = score < SCORE_MIN ? SCORE_MIN : score > SCORE_MAX ? SCORE_MAX : (int)score;
    int len = snprintf(text, sizeof text, "%d", clamped);
    int fd = open(SCORE_FILE, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    ssize_t written = write(fd, text, (size_t)len);
    int error = errno;
    close(fd);
    errno = error;
    return written == len;
}

bool resources_set_oom_score(struct oom_score *score, int mode, int64_t value)
{
    if (mode == OOM_NO) {
        if (score->is_changed && !write_score(score->before))
            return false;
        score->is_changed = false;
        return true;
    }
    if (!score->is_changed && !read_score(&score->before))
        return false;
    if (!write_score(mode == OOM_RELATIVE ? score->before + value : value))
        return false;
    score->is_changed = true;
    return true;
}

/* -- memory ------------------------------------------------------------------------------------ */

bool resources_disable_huge_pages(void)
{
    return prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0;
}
