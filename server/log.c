/*
 * log.c - one line, one write: lines of several threads or processes never mix.
 *
 * The file is opened for each line and closed again. That costs a few microseconds at a few lines a
 * second, and lets anybody move the file away at any time without telling us.
 */
#include "server/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

enum { LINE_MAX_LEN = 1024, HEADER_MAX_LEN = 64 };

struct log {
    enum log_level level;
    char *path;         /* owned; NULL: standard output */
    char *syslog_ident; /* owned, since openlog() keeps the pointer; NULL: no syslog */
};

struct log *log_create(void)
{
    struct log *log = mem_alloc_zeroed(sizeof *log);
    log->level = LOG_LEVEL_NOTICE;
    return log;
}

void log_destroy(struct log *log)
{
    if (log == NULL)
        return;
    log_set_syslog(log, false, NULL, 0);
    mem_free(log->path);
    mem_free(log);
}

/* Both run in signal handlers too. */
static int open_output(const struct log *log)
{
    if (log->path == NULL)
        return STDOUT_FILENO;
    return open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

static void write_output(const struct log *log, const char *text, size_t len)
{
    int fd = open_output(log);
    if (fd == -1)
        return;
    while (len > 0) {
        ssize_t written = write(fd, text, len);
        if (written <= 0)
            break;
        text += written;
        len -= (size_t)written;
    }
    if (fd != STDOUT_FILENO)
        close(fd);
}

bool log_open(struct log *log, const char *path)
{
    char *old = log->path;
    log->path = path != NULL && path[0] != '\0' ? mem_copy_text(path) : NULL;
    int fd = open_output(log);
    if (fd == -1) {
        mem_free(log->path);
        log->path = old;
        return false;
    }
    if (fd != STDOUT_FILENO)
        close(fd);
    mem_free(old);
    return true;
}

void log_set_level(struct log *log, enum log_level level)
{
    log->level = level;
}

void log_set_syslog(struct log *log, bool on, const char *ident, int facility)
{
    if (log->syslog_ident != NULL)
        closelog();
    mem_free(log->syslog_ident);
    log->syslog_ident = on ? mem_copy_text(ident) : NULL;
    if (on)
        openlog(log->syslog_ident, LOG_PID | LOG_NDELAY | LOG_NOWAIT, facility);
}

/* "4711:M 21 Nov 2026 07:00:00.123 * " */
static size_t write_header(char *out, size_t room, enum log_level level)
{
    static const char marks[] = {'.', '-', '*', '#'};
    struct timeval now;
    struct tm local;
    gettimeofday(&now, NULL);
    localtime_r(&now.tv_sec, &local);
    size_t len = (size_t)snprintf(out, room, "%d:M ", (int)getpid());
    len += strftime(out + len, room - len, "%d %b %Y %H:%M:%S", &local);
    return len + (size_t)snprintf(out + len, room - len, ".%03d %c ", (int)(now.tv_usec / 1000),
                                  marks[level]);
}

void log_write(struct log *log, enum log_level level, const char *format, ...)
{
    static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING};
    if (level < log->level || level >= LOG_LEVEL_NOTHING)
        return;
    char line[HEADER_MAX_LEN + LINE_MAX_LEN + 1];
    size_t header = write_header(line, HEADER_MAX_LEN, level);
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line + header, LINE_MAX_LEN, format, args);
    va_end(args);
    if (len < 0)
        return;
    if (len >= LINE_MAX_LEN)
        len = LINE_MAX_LEN - 1;
    if (log->syslog_ident != NULL)
        syslog(priorities[level], "%s", line + header);
    line[header + (size_t)len] = '\n';
    write_output(log, line, header + (size_t)len + 1);
}

void log_write_raw(struct log *log, const char *text)
{
    write_output(log, text, strlen(text));
}
