/*
 * log.h - the server's log, in Redis's line format:
 *   <pid>:<role> <day month year hour:minute:second.ms> <level mark> <message>
 */
#ifndef REDOUBT_SERVER_LOG_H
#define REDOUBT_SERVER_LOG_H

#include <stdbool.h>

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_VERBOSE,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_NOTHING
};

struct log;
/* To standard output until log_open(). */
struct log *log_create(void);
void log_destroy(struct log *log);
/* Write to this file from now on ("" or NULL: standard output); it is opened for each line, so that
 * it can be rotated. False if it cannot be opened. */
bool log_open(struct log *log, const char *path);
void log_set_level(struct log *log, enum log_level level);
/* syslog as well: facility as openlog() takes it. */
void log_set_syslog(struct log *log, bool on, const char *ident, int facility);
void log_write(struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Text as it is, line ends included, for crash reports; safe in a signal handler. */
void log_write_raw(struct log *log, const char *text);

#endif
