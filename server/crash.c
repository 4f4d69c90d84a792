/*
 * crash.c - the report of a crash, in the form that Redis's has.
 *
 * The handler runs in a process that is broken somewhere. So the report is written in the order of
 * what it takes: first signal, address and stack, which take next to nothing; then the request
 * being run, which reads our structures; at last what allocates memory. Whatever fails on the way,
 * or takes too long (a lock of the allocator that the crash left locked), comes back into the
 * handler, which then only writes the last line and ends the process by the signal that it died of.
 */
#include "server/crash.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "server/call.h"
#include "server/client.h"
#include "server/client_report.h"
#include "server/info.h"
#include "server/log.h"
#include "server/redact.h"
#include "server/server.h"
#include "server/version.h"

enum {
    FRAMES = 100,
    STACK_SIZE = 256 * 1024,
    PATIENCE_S = 5,
    SHOWN_ARGUMENTS = 32,
    SHOWN_BYTES = 128, /* of each */
};

static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
enum { FATAL_COUNT = sizeof fatal / sizeof fatal[0] };

/* A signal handler is handed nothing of ours: here it finds the server, and whether it has begun
 * its report. */
static struct server *watched;
static volatile sig_atomic_t died_of; /* the signal; 0: none */

/* -- writing: snprintf() of numbers and plain texts takes neither memory nor locks in glibc ---- */

__attribute__((format(printf, 2, 3))) static void write_line(struct server *s, const char *format,
                                                             ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (len < 0)
        return;
    if (len > (int)sizeof line - 2)
        len = (int)sizeof line - 2;
    line[len] = '\n';
    line[len + 1] = '\0';
    log_write_raw(s->log, line);
}

static void write_begin(struct server *s)
{
    write_line(s, "\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===");
}

static void write_end(struct server *s)
{
    write_line(s, "\n=== REDIS BUG REPORT END. Make sure to include from START to END. ===\n\n"
                  "       This server is Redoubt " REDOUBT_VERSION
                  ". Please report the crash to its developers,\n"
                  "       not to those of Redis.\n");
}

/* -- the stack --------------------------------------------------------------------------------- */

/* "build/redoubt-server(cmd_get+0x1f)[0x55...]"; what is static has no name, but addr2line knows
 * the offset. */
static void write_frame(struct server *s, void *frame)
{
    Dl_info info;
    if (dladdr(frame, &info) == 0 || info.dli_fname == NULL)
        write_line(s, "[%p]", frame);
    else if (info.dli_sname == NULL)
        write_line(s, "%s(+0x%lx)[%p]", info.dli_fname,
                   (unsigned long)((char *)frame - (char *)info.dli_fbase), frame);
    else
        write_line(s, "%s(%s+0x%lx)[%p]", info.dli_fname, info.dli_sname,
                   (unsigned long)((char *)frame - (char *)info.dli_saddr), frame);
}

static void write_stack(struct server *s)
{
    void *frames[FRAMES];
    write_line(s, "\n------ STACK TRACE ------\n\nBacktrace:");
    int count = backtrace(frames, FRAMES);
    for (int i = 0; i < count; i++)
        write_frame(s, frames[i]);
    write_line(s, "\n------ STACK TRACE DONE ------");
}

/* -- the request ------------------------------------------------------------------------------- */

static void write_argument(struct server *s, int i, struct bytes argument)
{
    char shown[4 * SHOWN_BYTES + 1];
    size_t len = 0, count = argument.len < SHOWN_BYTES ? argument.len : SHOWN_BYTES;
    shown[0] = '\0';
    for (size_t at = 0; at < count; at++) {
        unsigned char byte = (unsigned char)argument.ptr[at];
        bool is_plain = byte >= ' ' && byte < 127 && byte != '"' && byte != '\\';
        len += (size_t)snprintf(shown + len, sizeof shown - len, is_plain ? "%c" : "\\x%02x", byte);
    }
    write_line(s, "argv[%d]: '\"%s\"'%s", i, shown, count < argument.len ? " (truncated)" : "");
}

/* Arguments are people's data: what is secret, or all of them if hide-user-data-from-log is on,
 * stays out. */
static void write_request(struct server *s)
{
    const struct call *call = s->running;
    if (call == NULL)
        return;
    write_line(s, "\n------ CURRENT CLIENT INFO ------");
    redact_rule *rule = redact_rule_of(call->command);
    int count = call->argc < SHOWN_ARGUMENTS ? call->argc : SHOWN_ARGUMENTS;
    for (int i = 0; i < count; i++)
        write_argument(s, i,
                       s->opt.hide_user_data_from_log && i > 0
                           ? bytes_of_text("*redacted*")
                           : redact_argument(rule, call->argv, call->argc, i));
    struct text line = {0};
    client_report(call->client, call->client, &line);
    log_write_raw(s->log, line.data);
    text_fini(&line);
}

static void write_info(struct server *s)
{
    struct text report = {0};
    struct bytes all = bytes_of_text("all");
    write_line(s, "\n------ INFO OUTPUT ------");
    info_write(s, &all, 1, &report);
    if (report.data != NULL)
        log_write_raw(s->log, report.data);
    text_fini(&report);
}

/* -- the handler ------------------------------------------------------------------------------- */

static void set_handler(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    action.sa_sigaction = handler;
    if (handler == NULL)
        action = (struct sigaction){.sa_handler = SIG_DFL};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

_Noreturn static void die_by(int number)
{
    set_handler(number, NULL);
    raise(number);
    _exit(128 + number); /* the signal was blocked */
}

static void *instruction_of(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (void *)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (void *)context->uc_mcontext.pc;
#else
    (void)context;
    return NULL;
#endif
}

static void write_cause(struct server *s, const siginfo_t *info, const ucontext_t *context)
{
    write_line(s,
               "Redis " REDIS_VERSION " (Redoubt " REDOUBT_VERSION
               ") crashed by signal: %d, si_code: %d",
               info->si_signo, info->si_code);
    if (info->si_code <= 0) /* sent by a process, itself perhaps */
        write_line(s, "Killed by PID: %ld, UID: %d", (long)info->si_pid, (int)info->si_uid);
    else if (info->si_signo == SIGSEGV || info->si_signo == SIGBUS)
        write_line(s, "Accessing address: %p", info->si_addr);
    write_line(s, "Crashed running the instruction at: %p", instruction_of(context));
}

static void on_fatal(int number, siginfo_t *info, void *context)
{
    struct server *s = watched;
    if (died_of != 0) {
        write_end(s);
        die_by(died_of);
    }
    died_of = number;
    set_handler(SIGALRM, on_fatal);
    alarm(PATIENCE_S);
    write_begin(s);
    write_cause(s, info, context);
    write_stack(s);
    write_request(s);
    write_info(s);
    write_end(s);
    die_by(number);
}

/* The report of an overflown stack needs another one. It is never freed: a handler may be on it. */
static void provide_stack(void)
{
    stack_t stack;
    if (sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE) == 0)
        return;
    void *room = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return;
    stack = (stack_t){.ss_sp = room, .ss_size = STACK_SIZE};
    sigaltstack(&stack, NULL);
}

void crash_watch(struct server *s, bool on)
{
    watched = on ? s : NULL;
    if (on) {
        void *frame;
        backtrace(&frame, 1); /* its first call loads a library: not in the handler */
        provide_stack();
    }
    for (int i = 0; i < FATAL_COUNT; i++)
        set_handler(fatal[i], on ? on_fatal : NULL);
}

/* -- our own alarms ---------------------------------------------------------------------------- */

_Noreturn static void report_and_end(struct server *s)
{
    if (s->opt.crash_log_enabled) {
        write_stack(s);
        write_request(s);
        write_end(s);
    }
    if (s->opt.use_exit_on_panic)
        exit(1);
    die_by(SIGABRT);
}

void crash_panic(struct server *s, const char *file, int line, const char *message)
{
    if (s->opt.crash_log_enabled)
        write_begin(s);
    log_write(s->log, LOG_LEVEL_WARNING, "=== PANIC ===");
    log_write(s->log, LOG_LEVEL_WARNING, "==> %s:%d: %s", file, line, message);
    report_and_end(s);
}

void crash_assertion(struct server *s, const char *file, int line, const char *expression)
{
    if (s->opt.crash_log_enabled)
        write_begin(s);
    log_write(s->log, LOG_LEVEL_WARNING, "=== ASSERTION FAILED ===");
    log_write(s->log, LOG_LEVEL_WARNING, "==> %s:%d '%s' is not true", file, line, expression);
    report_and_end(s);
}
