/*
 * shutdown.c - the orderly end.
 */
#include "server/shutdown.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/number.h"
#include "server/log.h"
#include "server/server.h"
#include "storage/keyspace.h"
#include "storage/undo.h"

/* A signal handler is handed nothing but the signal's number: the one place where it finds the
 * server. */
static struct server *caught;

/* -- in the handler: only what signal-safety(7) allows ----------------------------------------- */

static size_t append(char *out, size_t len, const char *text)
{
    size_t count = strlen(text);
    memcpy(out + len, text, count + 1);
    return len + count;
}

/* "<pid>:signal-handler (<seconds>) <message>\n": the log's usual header is not to be had here. */
static void log_from_handler(struct server *s, const char *message)
{
    char line[256];
    size_t len = number_format_i64(line, getpid());
    len = append(line, len, ":signal-handler (");
    len += number_format_i64(line + len, time(NULL));
    len = append(line, len, ") ");
    len = append(line, len, message);
    append(line, len, "\n");
    log_write_raw(s->log, line);
}

/* What a snapshot that is being written for the end has written so far. */
static void remove_half_snapshot(void)
{
    char name[64];
    size_t len = append(name, 0, "temp-");
    len += number_format_i64(name + len, getpid());
    append(name, len, ".rdb");
    unlink(name);
}

static void on_signal(int number)
{
    struct server *s = caught;
    if (number == SIGINT && s->shutdown_signal != 0) {
        log_from_handler(s, "You insist... exiting now.");
        remove_half_snapshot();
        _exit(1);
    }
    log_from_handler(s, number == SIGINT ? "Received SIGINT scheduling shutdown..."
                                         : "Received SIGTERM scheduling shutdown...");
    s->shutdown_signal = number;
}

/* -- outside ----------------------------------------------------------------------------------- */

static void set_handler(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void shutdown_catch_signals(struct server *s)
{
    caught = s;
    set_handler(SIGHUP, SIG_IGN);
    set_handler(SIGPIPE, SIG_IGN);
    set_handler(SIGTERM, on_signal);
    set_handler(SIGINT, on_signal);
}

void shutdown_release_signals(void)
{
    set_handler(SIGTERM, SIG_DFL);
    set_handler(SIGINT, SIG_DFL);
    caught = NULL;
}

void shutdown_if_asked(struct server *s)
{
    if (s->shutdown_signal == 0 || s->stopping)
        return;
    if (shutdown_begin(s, s->shutdown_signal == SIGINT ? s->opt.shutdown_on_sigint
                                                       : s->opt.shutdown_on_sigterm))
        return;
    log_write(s->log, LOG_LEVEL_WARNING,
              "Errors trying to shut down the server. Check the logs for more information.");
    s->shutdown_signal = 0;
}

bool shutdown_abort(struct server *s)
{
    if (s->shutdown_signal == 0 || s->stopping)
        return false;
    s->shutdown_signal = 0;
    log_write(s->log, LOG_LEVEL_NOTICE, "Shutdown manually aborted.");
    return true;
}

/* What a section has changed so far may still be taken back: it is not saved. */
static bool wants_snapshot(const struct server *s, int flags)
{
    if (flags & SHUTDOWN_NOSAVE || undo_is_open(s->keys->undo))
        return false;
    return flags & SHUTDOWN_SAVE || s->opt.save.count > 0;
}

bool shutdown_begin(struct server *s, int flags)
{
    log_write(s->log, LOG_LEVEL_NOTICE, "User requested shutdown...");
    snapshot_kill_child(s);
    if (wants_snapshot(s, flags)) {
        log_write(s->log, LOG_LEVEL_NOTICE, "Saving the final RDB snapshot before exiting.");
        if (!snapshot_save(s) && !(flags & SHUTDOWN_FORCE)) {
            log_write(s->log, LOG_LEVEL_WARNING, "Error trying to save the DB, can't exit.");
            return false;
        }
    }
    s->stopping = true;
    return true;
}
