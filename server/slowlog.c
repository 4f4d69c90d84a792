/*
 * slowlog.c - the last commands that took long.
 *
 * An entry is one block: header, views, and the bytes which the views point into. Nothing in it
 * belongs to the request or to the client, so both may be gone when it is read.
 */
#include "server/slowlog.h"

#include <assert.h>

#include "base/memory.h"
#include "base/text.h"
#include "server/client.h"
#include "server/redact.h"
#include "server/server.h"

struct slowlog {
    struct slowlog_entry *oldest, *newest; /* owned */
    uint64_t count, next_id;
};

struct slowlog *slowlog_create(void)
{
    return mem_alloc_zeroed(sizeof(struct slowlog));
}

void slowlog_destroy(struct slowlog *log)
{
    if (log == NULL)
        return;
    slowlog_trim(log, 0);
    mem_free(log);
}

void slowlog_trim(struct slowlog *log, uint64_t max_len)
{
    while (log->count > max_len) {
        struct slowlog_entry *gone = log->oldest;
        assert(gone != NULL);
        log->oldest = gone->newer;
        if (log->oldest != NULL)
            log->oldest->older = NULL;
        else
            log->newest = NULL;
        log->count--;
        mem_free(gone);
    }
}

static void add_argument(struct text *all, struct bytes arg)
{
    if (arg.len <= SLOWLOG_ARG_LEN_MAX) {
        text_add(all, arg);
        return;
    }
    text_add(all, bytes_of(arg.ptr, SLOWLOG_ARG_LEN_MAX));
    text_addf(all, "... (%zu more bytes)", arg.len - SLOWLOG_ARG_LEN_MAX);
}

/* Collect the arguments to show behind one another; ends[i] is where the i-th ends. Of too many,
 * the last place tells how many are not shown. */
static int collect_arguments(const struct call *call, struct text *all, size_t ends[])
{
    redact_rule *rule = redact_rule_of(call->command);
    int shown = call->argc > SLOWLOG_ARGS_MAX ? SLOWLOG_ARGS_MAX : call->argc;
    for (int i = 0; i < shown; i++) {
        if (i == SLOWLOG_ARGS_MAX - 1 && call->argc > SLOWLOG_ARGS_MAX)
            text_addf(all, "... (%d more arguments)", call->argc - SLOWLOG_ARGS_MAX + 1);
        else
            add_argument(all, redact_argument(rule, call->argv, call->argc, i));
        ends[i] = all->len;
    }
    return shown;
}

static struct slowlog_entry *entry_of(const struct call *call)
{
    const struct client *c = call->client;
    size_t ends[SLOWLOG_ARGS_MAX];
    struct text all = {0};
    int argc = collect_arguments(call, &all, ends);
    size_t args_end = all.len;
    text_add(&all, bytes_of_text(c->conn != NULL ? client_address(c) : "?:0"));
    size_t address_end = all.len;
    if (c->name != NULL)
        text_add(&all, bytes_of_text(c->name));

    struct slowlog_entry *e = mem_alloc(sizeof(*e) + (size_t)argc * sizeof(struct bytes) + all.len);
    char *bytes = (char *)&e->argv[argc];
    memcpy(bytes, text_view(&all).ptr, all.len);
    e->argc = argc;
    for (int i = 0; i < argc; i++) {
        size_t start = i == 0 ? 0 : ends[i - 1];
        e->argv[i] = bytes_of(bytes + start, ends[i] - start);
    }
    e->address = bytes_of(bytes + args_end, address_end - args_end);
    e->name = bytes_of(bytes + address_end, all.len - address_end);
    text_fini(&all);
    return e;
}

void slowlog_consider(struct call *call, uint64_t duration_us)
{
    struct slowlog *log = call->server->slowlog;
    const struct options *opt = &call->server->opt;
    if (opt->slowlog_log_slower_than < 0 || opt->slowlog_max_len == 0)
        return;
    if (duration_us < (uint64_t)opt->slowlog_log_slower_than)
        return;
    struct slowlog_entry *e = entry_of(call);
    e->id = log->next_id++;
    e->time_s = call->keys->now_ms / 1000;
    e->duration_us = duration_us;
    e->newer = NULL;
    e->older = log->newest;
    if (log->newest != NULL)
        log->newest->newer = e;
    else
        log->oldest = e;
    log->newest = e;
    log->count++;
    slowlog_trim(log, (uint64_t)opt->slowlog_max_len);
}

const struct slowlog_entry *slowlog_newest(const struct slowlog *log)
{
    return log->newest;
}

uint64_t slowlog_length(const struct slowlog *log)
{
    return log->count;
}
