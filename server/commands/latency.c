/*
 * latency.c - LATENCY: events that took too long, and how long each command takes.
 */
#include "server/latency.h"

#include "base/clock.h"
#include "server/call.h"
#include "server/command.h"
#include "server/latency_report.h"
#include "server/server.h"

/* -- events ------------------------------------------------------------------------------------ */

static void cmd_latency_latest(struct call *call)
{
    struct reply *r = call->reply;
    struct reply_mark mark = reply_mark(r);
    int64_t count = 0;
    const struct latency_series *series = latency_first(call->server->latency);
    for (; series != NULL; series = series->next, count++) {
        struct latency_sample last = latency_sample_at(series, series->count - 1);
        reply_array(r, 4);
        reply_bulk_text(r, series->event);
        reply_int(r, last.time_s);
        reply_int(r, last.ms);
        reply_int(r, series->worst_ms);
    }
    reply_array_at(r, mark, count);
}

static void cmd_latency_history(struct call *call)
{
    const struct latency_series *series = latency_find(call->server->latency, call->argv[2]);
    uint32_t count = series != NULL ? series->count : 0;
    reply_array(call->reply, count);
    for (uint32_t i = 0; i < count; i++) {
        struct latency_sample sample = latency_sample_at(series, i);
        reply_array(call->reply, 2);
        reply_int(call->reply, sample.time_s);
        reply_int(call->reply, sample.ms);
    }
}

static void cmd_latency_graph(struct call *call)
{
    const struct latency_series *series = latency_find(call->server->latency, call->argv[2]);
    if (series == NULL) {
        reply_errorf(call->reply, "ERR No samples available for event '%.*s'",
                     (int)call->argv[2].len, call->argv[2].ptr);
        return;
    }
    struct text text = {0};
    latency_graph(series, clock_wall_ms() / 1000, &text);
    reply_verbatim(call->reply, text_view(&text), "txt");
    text_fini(&text);
}

static void cmd_latency_doctor(struct call *call)
{
    struct text text = {0};
    latency_doctor(call->server->latency, call->server->opt.latency_monitor_threshold > 0, &text);
    reply_verbatim(call->reply, text_view(&text), "txt");
    text_fini(&text);
}

static void cmd_latency_reset(struct call *call)
{
    struct latency *l = call->server->latency;
    int64_t count = call->argc == 2 ? latency_reset_all(l) : 0;
    for (int i = 2; i < call->argc; i++)
        count += latency_reset(l, call->argv[i]);
    reply_int(call->reply, count);
}

/* -- histograms -------------------------------------------------------------------------------- */

/* Cumulative counts at powers of two from 1024 ns on; those that add nothing are left out. A key is
 * the end of the bucket that the power falls into, in whole microseconds. */
static void reply_buckets(struct reply *r, const struct histogram *h)
{
    static const uint64_t first_ns = 1024, last_ns = 1u << 30;
    struct reply_mark mark = reply_mark(r);
    uint64_t seen = 0;
    int64_t pairs = 0;
    for (uint64_t ns = first_ns; seen < histogram_count(h); ns *= 2) {
        uint64_t count = histogram_count_to(h, ns);
        if (count == seen)
            continue;
        uint64_t end = histogram_bucket_end(ns);
        reply_int(r, (int64_t)((end < last_ns ? end : last_ns - 1) / 1000));
        reply_int(r, (int64_t)count);
        seen = count;
        pairs++;
    }
    reply_map_at(r, mark, pairs);
}

struct histogram_listing {
    struct reply *reply;
    int64_t pairs;
};

static void list_histogram(struct command_slot *slot, void *context)
{
    struct histogram_listing *listing = context;
    if (slot->latency == NULL || histogram_count(slot->latency) == 0)
        return;
    struct reply *r = listing->reply;
    reply_bulk_text(r, slot->full_name);
    reply_map(r, 2);
    reply_bulk_text(r, "calls");
    reply_int(r, (int64_t)histogram_count(slot->latency));
    reply_bulk_text(r, "histogram_usec");
    reply_buckets(r, slot->latency);
    listing->pairs++;
}

static void cmd_latency_histogram(struct call *call)
{
    struct command_table *table = call->server->commands;
    struct histogram_listing listing = {call->reply, 0};
    struct reply_mark mark = reply_mark(call->reply);
    if (call->argc == 2)
        command_each(table, list_histogram, &listing);
    for (int i = 2; i < call->argc; i++) {
        struct command_slot *slot = command_find_full(table, call->argv[i]);
        if (slot == NULL)
            continue;
        list_histogram(slot, &listing);
        for (int s = 0; s < slot->sub_count; s++)
            list_histogram(&slot->subs[s], &listing);
    }
    reply_map_at(call->reply, mark, listing.pairs);
}

/* -- table ------------------------------------------------------------------------------------- */

static void cmd_latency_help(struct call *call)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    Explain what was slow and what to look at.",
        "GRAPH <event>",
        "    Draw the samples of <event>.",
        "HISTOGRAM [<command> ...]",
        "    Tell how the durations of commands are distributed: of these, or of all.",
        "HISTORY <event>",
        "    List the samples of <event> with their times.",
        "LATEST",
        "    Show the last sample of each event, and its worst.",
        "RESET [<event> ...]",
        "    Forget the samples of these events, or of all.",
        NULL,
    };
    reply_help(call, lines);
}

#define LATENCY_FLAGS (CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE)

static const struct command latency_subcommands[] = {
    {
        .name = "doctor",
        .run = cmd_latency_doctor,
        .arity = 2,
        .flags = LATENCY_FLAGS,
        .group = "server",
        .since = "2.8.13",
        .summary = "Explains latency spikes in words.",
        .complexity = "O(1)",
        .tips = "nondeterministic_output request_policy:all_nodes response_policy:special",
    },
    {
        .name = "graph",
        .run = cmd_latency_graph,
        .arity = 3,
        .flags = LATENCY_FLAGS,
        .group = "server",
        .since = "2.8.13",
        .summary = "Draws the samples of an event as text.",
        .complexity = "O(1)",
        .args = "event",
        .tips = "nondeterministic_output request_policy:all_nodes response_policy:special",
    },
    {
        .name = "help",
        .run = cmd_latency_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .group = "server",
        .since = "2.8.13",
        .summary = "Lists the subcommands of LATENCY.",
        .complexity = "O(1)",
    },
    {
        .name = "histogram",
        .run = cmd_latency_histogram,
        .arity = -2,
        .flags = LATENCY_FLAGS,
        .group = "server",
        .since = "7.0.0",
        .summary = "Shows how the durations of commands are distributed.",
        .complexity = "O(N) where N is the number of commands with a histogram",
        .args = "COMMAND?*",
        .tips = "nondeterministic_output request_policy:all_nodes response_policy:special",
    },
    {
        .name = "history",
        .run = cmd_latency_history,
        .arity = 3,
        .flags = LATENCY_FLAGS,
        .group = "server",
        .since = "2.8.13",
        .summary = "Lists the samples of an event with their times.",
        .complexity = "O(1)",
        .args = "event",
        .tips = "nondeterministic_output request_policy:all_nodes response_policy:special",
    },
    {
        .name = "latest",
        .run = cmd_latency_latest,
        .arity = 2,
        .flags = LATENCY_FLAGS,
        .group = "server",
        .since = "2.8.13",
        .summary = "Shows the last sample of each event.",
        .complexity = "O(1)",
        .tips = "nondeterministic_output request_policy:all_nodes response_policy:special",
    },
    {
        .name = "reset",
        .run = cmd_latency_reset,
        .arity = -2,
        .flags = LATENCY_FLAGS,
        .group = "server",
        .since = "2.8.13",
        .summary = "Forgets the samples of one or more events.",
        .complexity = "O(1)",
        .args = "event?*",
        .tips = "request_policy:all_nodes response_policy:agg_sum",
    },
    {0},
};

const struct command latency_commands[] = {
    {
        .name = "latency",
        .arity = -2,
        .subcommands = latency_subcommands,
        .group = "server",
        .since = "2.8.13",
        .summary = "Container of the commands about latency.",
        .complexity = "Depends on subcommand.",
    },
    {0},
};
