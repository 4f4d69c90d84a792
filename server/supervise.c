/*
 * supervise.c - daemon, pid file, upstart, systemd.
 *
 * systemd's protocol is one datagram of VARIABLE=value lines to a Unix socket (sd_notify(3)): not
 * worth a library.
 */
#include "server/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/log.h"
#include "server/server.h"

/* -- supervision ------------------------------------------------------------------------------- */

static bool join_upstart(struct server *s, bool is_required)
{
    if (getenv("UPSTART_JOB") == NULL) {
        if (is_required)
            log_write(s->log, LOG_LEVEL_WARNING,
                      "upstart supervision requested, but UPSTART_JOB not found!");
        return false;
    }
    log_write(s->log, LOG_LEVEL_NOTICE, "supervised by upstart, will stop to signal readiness.");
    raise(SIGSTOP);
    unsetenv("UPSTART_JOB");
    return true;
}

static bool join_systemd(struct server *s, bool is_required)
{
    if (getenv("NOTIFY_SOCKET") == NULL) {
        if (is_required)
            log_write(
                s->log, LOG_LEVEL_WARNING,
                "systemd supervision requested or auto-detected, but NOTIFY_SOCKET not found!");
        return false;
    }
    log_write(
        s->log, LOG_LEVEL_NOTICE,
        "supervised by systemd: TimeoutStartSec and TimeoutStopSec of the unit must leave time "
        "to start and to shut down.");
    return true;
}

bool supervise_join(struct server *s)
{
    switch (s->opt.supervised) {
    case SUPERVISED_UPSTART:
        return join_upstart(s, true);
    case SUPERVISED_SYSTEMD:
        return join_systemd(s, true);
    case SUPERVISED_AUTO:
        return join_upstart(s, false) || join_systemd(s, false);
    default:
        return false;
    }
}

/* A path, or "@name": a name that is in no file system, written with a zero byte in front. */
static bool address_of(const char *name, struct sockaddr_un *address, socklen_t *len)
{
    size_t count = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || count < 2 || count >= sizeof address->sun_path)
        return false;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, name, count);
    if (name[0] == '@')
        address->sun_path[0] = '\0';
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + count);
    return true;
}

bool supervise_notify(const char *state, const char **error)
{
    struct sockaddr_un address;
    socklen_t address_len;
    const char *name = getenv("NOTIFY_SOCKET");
    *error = NULL;
    if (name == NULL)
        return false;
    if (!address_of(name, &address, &address_len)) {
        *error = "NOTIFY_SOCKET is neither a path nor an abstract name";
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    size_t len = strlen(state);
    bool sent = fd != -1 && sendto(fd, state, len, MSG_NOSIGNAL, (struct sockaddr *)&address,
                                   address_len) == (ssize_t)len;
    if (!sent)
        *error = strerror(errno);
    if (fd != -1)
        close(fd);
    return sent;
}

void supervise_tell(struct server *s, const char *state)
{
    const char *error;
    bool is_systemd =
        s->opt.supervised == SUPERVISED_SYSTEMD || s->opt.supervised == SUPERVISED_AUTO;
    if (s->is_supervised && is_systemd && !supervise_notify(state, &error) && error != NULL)
        log_write(s->log, LOG_LEVEL_WARNING, "systemd supervision error: %s", error);
}

/* -- daemon ------------------------------------------------------------------------------------ */

bool supervise_daemonize(void)
{
    pid_t child = fork();
    if (child == -1)
        return false;
    if (child != 0)
        _exit(0);
    setsid();
    int null = open("/dev/null", O_RDWR);
    if (null == -1)
        return true;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        dup2(null, fd);
    if (null > STDERR_FILENO)
        close(null);
    return true;
}

void supervise_write_pid(struct log *log, const char *path)
{
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        log_write(log, LOG_LEVEL_WARNING, "Failed to write PID file: %s", strerror(errno));
        return;
    }
    fprintf(file, "%d\n", (int)getpid());
    fclose(file);
}

void supervise_remove_pid(struct log *log, const char *path)
{
    log_write(log, LOG_LEVEL_NOTICE, "Removing the pid file.");
    unlink(path);
}
