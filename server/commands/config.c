/*
 * config.c - CONFIG: looking at the options, changing them, writing them back.
 *
 * CONFIG SET takes all or nothing: the options are copied, the new values set, then handed to the
 * parts that they concern; whatever fails on the way brings the copy back.
 */
#include <errno.h>
#include <stdio.h>

#include "base/glob.h"
#include "base/memory.h"
#include "server/call.h"
#include "server/client.h"
#include "server/command.h"
#include "server/config_file.h"
#include "server/errorstats.h"
#include "server/options_apply.h"
#include "server/scripts.h"
#include "server/server.h"
#include "storage/lazyfree.h"

/* -- GET --------------------------------------------------------------------------------------- */

/* A name with its option: names of options come first, then aliases, so that each has a number. */
static const char *name_at(int i, enum option_id *id)
{
    *id = (enum option_id)(i % OPTION_COUNT);
    const struct option *known = option_at(*id);
    return i < OPTION_COUNT ? known->name : known->alias;
}

static bool is_shown(int i, const char *name, const struct option *known, struct bytes pattern)
{
    if (known->flags & OPTION_FILE_ONLY)
        return false;
    bool is_hidden =
        (known->flags & OPTION_HIDDEN) || (i >= OPTION_COUNT && (known->flags & OPTION_NEW_ALIAS));
    return is_hidden ? bytes_is_word(pattern, name)
                     : glob_match(pattern, bytes_of_text(name), true);
}

static void reply_option(struct call *call, struct bytes name, enum option_id id)
{
    struct text value = {0};
    options_get(&call->server->opt, id, &value);
    reply_bulk(call->reply, name);
    reply_bulk(call->reply, text_view(&value));
    text_fini(&value);
}

/* Does an argument before the last-th ask for this name as well? */
static bool was_shown(const struct call *call, int last, int i, const char *name,
                      const struct option *known)
{
    for (int j = 2; j < last; j++)
        if (is_shown(i, name, known, call->argv[j]))
            return true;
    return false;
}

static void cmd_config_get(struct call *call)
{
    struct reply_mark mark = reply_mark(call->reply);
    int64_t pairs = 0;
    for (int j = 2; j < call->argc; j++)
        for (int i = 0; i < 2 * OPTION_COUNT; i++) {
            enum option_id id;
            const char *name = name_at(i, &id);
            const struct option *known = option_at(id);
            if (name == NULL || !is_shown(i, name, known, call->argv[j]) ||
                was_shown(call, j, i, name, known))
                continue;
            /* A name that was spelled out is answered as it was spelled. */
            bool is_exact = bytes_is_word(call->argv[j], name);
            reply_option(call, is_exact ? call->argv[j] : bytes_of_text(name), id);
            pairs++;
        }
    reply_map_at(call->reply, mark, pairs);
}

/* -- SET --------------------------------------------------------------------------------------- */

static void reply_failure(struct call *call, struct bytes name, const char *reason)
{
    reply_errorf(call->reply, "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s",
                 (int)name.len, name.ptr, reason);
}

/* Why the client may not set it; NULL: it may. */
static const char *refusal(const struct call *call, const struct option *known)
{
    if (known->flags & OPTION_FIXED)
        return "can't set immutable config";
    int allowed = call->server->opt.enable_protected_configs;
    if ((known->flags & OPTION_PROTECTED) &&
        !(allowed == PROTECTED_YES ||
          (allowed == PROTECTED_LOCAL && client_is_local(call->client))))
        return "can't set protected config";
    return NULL;
}

static bool was_named(const struct call *call, int i)
{
    for (int j = 2; j < i; j += 2)
        if (call->argv[j].len == call->argv[i].len &&
            strncasecmp(call->argv[j].ptr, call->argv[i].ptr, call->argv[i].len) == 0)
            return true;
    return false;
}

/* Are all names fit to be set? The first that is not is answered. */
static bool check_names_or_reply(struct call *call)
{
    for (int i = 2; i < call->argc; i += 2) {
        struct bytes name = call->argv[i];
        enum option_id id = option_find(name);
        if (id == OPTION_COUNT || (option_at(id)->flags & OPTION_FILE_ONLY)) {
            reply_errorf(call->reply,
                         "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                         (int)name.len, name.ptr);
            return false;
        }
        const char *reason = refusal(call, option_at(id));
        if (reason == NULL && was_named(call, i))
            reason = "duplicate parameter";
        if (reason != NULL) {
            reply_failure(call, name, reason);
            return false;
        }
    }
    return true;
}

/* The option's name or alias, whichever the client meant, in lower case. */
static struct bytes proper_name(enum option_id id, struct bytes name)
{
    const struct option *known = option_at(id);
    return bytes_of_text(bytes_is_word(name, known->name) ? known->name : known->alias);
}

static bool set_all_or_reply(struct call *call)
{
    struct option_error error;
    for (int i = 2; i < call->argc; i += 2) {
        enum option_id id = option_find(call->argv[i]);
        if (!options_set(&call->server->opt, id, &call->argv[i + 1], 1, &error)) {
            reply_failure(call, proper_name(id, call->argv[i]), error.text);
            return false;
        }
    }
    return true;
}

static void cmd_config_set(struct call *call)
{
    struct server *s = call->server;
    if (call->argc % 2 != 0) {
        reply_syntax_error(call);
        return;
    }
    if (!check_names_or_reply(call))
        return;
    struct options before;
    options_copy(&before, &s->opt);
    if (!set_all_or_reply(call)) {
        options_fini(&s->opt);
        s->opt = before;
        return;
    }
    enum option_id culprit;
    struct option_error error;
    if (options_apply_changes(s, &before, &culprit, &error))
        reply_ok(call->reply);
    else
        reply_failure(call, bytes_of_text(option_at(culprit)->name), error.text);
}

/* -- the rest ---------------------------------------------------------------------------------- */

static void cmd_config_rewrite(struct call *call)
{
    struct server *s = call->server;
    if (s->config_file == NULL)
        reply_error(call->reply, "ERR The server is running without a config file");
    else if (!config_file_rewrite(&s->opt, s->config_file, false))
        reply_errorf(call->reply, "ERR Rewriting config file: %s", strerror(errno));
    else
        reply_ok(call->reply);
}

static void cmd_config_resetstat(struct call *call)
{
    struct server *s = call->server;
    stats_reset(&s->stats);
    command_reset_stats(s->commands);
    error_stats_reset(s->errors);
    scripts_reset_stats(s->scripts);
    s->keys->hits = s->keys->misses = s->keys->expired = s->keys->evicted = 0;
    s->keys->expired_fields = 0;
    lazyfree_reset_stats(s->lazyfree);
    reply_ok(call->reply);
}

static void cmd_config_help(struct call *call)
{
    static const char *const lines[] = {
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
        "REWRITE",
        "    Rewrite the configuration file.",
        NULL,
    };
    reply_help(call, lines);
}

#define CONFIG_FLAGS (CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE)
#define ON_ALL_NODES "request_policy:all_nodes response_policy:all_succeeded"

static const struct command config_subcommands[] = {
    {
        .name = "get",
        .run = cmd_config_get,
        .arity = -3,
        .flags = CONFIG_FLAGS,
        .group = "server",
        .since = "2.0.0",
        .summary = "Shows the options whose names match one of the patterns.",
        .complexity = "O(N*M) where N is the number of options and M that of patterns",
        .args = "parameter*",
        .history = "7.0.0:Takes several patterns.",
    },
    {
        .name = "help",
        .run = cmd_config_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .group = "server",
        .since = "5.0.0",
        .summary = "Lists the subcommands of CONFIG.",
        .complexity = "O(1)",
    },
    {
        .name = "resetstat",
        .run = cmd_config_resetstat,
        .arity = 2,
        .flags = CONFIG_FLAGS,
        .group = "server",
        .since = "2.0.0",
        .summary = "Sets the counters of INFO back to zero.",
        .complexity = "O(N) where N is the number of commands",
        .tips = ON_ALL_NODES,
    },
    {
        .name = "rewrite",
        .run = cmd_config_rewrite,
        .arity = 2,
        .flags = CONFIG_FLAGS,
        .group = "server",
        .since = "2.8.0",
        .summary = "Writes the options in use into the configuration file.",
        .complexity = "O(N) where N is the number of lines of the file",
        .tips = ON_ALL_NODES,
    },
    {
        .name = "set",
        .run = cmd_config_set,
        .arity = -4,
        .flags = CONFIG_FLAGS,
        .group = "server",
        .since = "2.0.0",
        .summary = "Changes options while the server runs, all of those given or none.",
        .complexity = "O(N) where N is the number of options given",
        .args = "data{parameter value}*",
        .tips = ON_ALL_NODES,
        .history = "7.0.0:Sets several options at once.",
    },
    {0},
};

const struct command config_commands[] = {
    {
        .name = "config",
        .arity = -2,
        .subcommands = config_subcommands,
        .group = "server",
        .since = "2.0.0",
        .summary = "Container of the commands about the configuration.",
        .complexity = "Depends on subcommand.",
    },
    {0},
};
