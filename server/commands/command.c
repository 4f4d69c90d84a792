/*
 * command.c - COMMAND: the command table as clients and tools read it.
 *
 * Everything here is told from the rows; nothing is known about any single command. A renamed
 * command is found by its new name and shown by its own, a disabled one is neither found nor shown.
 */
#include "server/command.h"
#include "base/glob.h"
#include "base/memory.h"
#include "server/call.h"
#include "server/docs.h"
#include "server/server.h"

/* -- names of bits ----------------------------------------------------------------------------- */

struct bit_name {
    uint32_t bit;
    const char *name;
};

/* Not a flag of rows: it follows from the key specifications. */
enum { FLAG_MOVABLE_KEYS = 1 << 30 };

static const struct bit_name flag_names[] = {
    {CMD_WRITE, "write"},
    {CMD_READONLY, "readonly"},
    {CMD_DENYOOM, "denyoom"},
    {CMD_MODULE, "module"},
    {CMD_ADMIN, "admin"},
    {CMD_PUBSUB, "pubsub"},
    {CMD_NOSCRIPT, "noscript"},
    {CMD_BLOCKING, "blocking"},
    {CMD_LOADING, "loading"},
    {CMD_STALE, "stale"},
    {CMD_SKIP_MONITOR, "skip_monitor"},
    {CMD_SKIP_SLOWLOG, "skip_slowlog"},
    {CMD_ASKING, "asking"},
    {CMD_FAST, "fast"},
    {CMD_NO_AUTH, "no_auth"},
    {CMD_NO_MANDATORY_KEYS, "no_mandatory_keys"},
    {CMD_NO_ASYNC_LOADING, "no_async_loading"},
    {CMD_NO_MULTI, "no_multi"},
    {FLAG_MOVABLE_KEYS, "movablekeys"},
    {CMD_ALLOW_BUSY, "allow_busy"},
    {0, NULL},
};

static const struct bit_name doc_flag_names[] = {
    {CMD_DEPRECATED, "deprecated"},
    {CMD_SYSTEM, "syscmd"},
    {0, NULL},
};

static const struct bit_name category_names[] = {
    {CAT_KEYSPACE, "@keyspace"},
    {CAT_READ, "@read"},
    {CAT_WRITE, "@write"},
    {CAT_SET, "@set"},
    {CAT_SORTEDSET, "@sortedset"},
    {CAT_LIST, "@list"},
    {CAT_HASH, "@hash"},
    {CAT_STRING, "@string"},
    {CAT_BITMAP, "@bitmap"},
    {CAT_HYPERLOGLOG, "@hyperloglog"},
    {CAT_GEO, "@geo"},
    {CAT_STREAM, "@stream"},
    {CAT_PUBSUB, "@pubsub"},
    {CAT_ADMIN, "@admin"},
    {CAT_FAST, "@fast"},
    {CAT_SLOW, "@slow"},
    {CAT_BLOCKING, "@blocking"},
    {CAT_DANGEROUS, "@dangerous"},
    {CAT_CONNECTION, "@connection"},
    {CAT_TRANSACTION, "@transaction"},
    {CAT_SCRIPTING, "@scripting"},
    {0, NULL},
};

static const struct bit_name key_flag_names[] = {
    {KEY_RO, "RO"},
    {KEY_RW, "RW"},
    {KEY_OW, "OW"},
    {KEY_RM, "RM"},
    {KEY_ACCESS, "access"},
    {KEY_UPDATE, "update"},
    {KEY_INSERT, "insert"},
    {KEY_DELETE, "delete"},
    {KEY_NOT_KEY, "not_key"},
    {KEY_INCOMPLETE, "incomplete"},
    {KEY_VARIABLE_FLAGS, "variable_flags"},
    {0, NULL},
};

static void reply_bits(struct reply *r, const struct bit_name *names, uint32_t bits)
{
    int n = 0;
    for (const struct bit_name *b = names; b->name != NULL; b++)
        n += (bits & b->bit) != 0;
    reply_set(r, n);
    for (const struct bit_name *b = names; b->name != NULL; b++) {
        if (bits & b->bit)
            reply_simple(r, b->name);
    }
}

/* -- COMMAND INFO ------------------------------------------------------------------------------ */

/* The keys as clients before key specifications knew them: one run, and whether that is not the
 * whole truth. */
struct key_run {
    int first, last, step; /* all 0: none; last counts from the end if negative */
    bool movable;
};

/* Join what the specifications say, as far as they are fixed ranges that follow one another. */
static struct key_run key_run_of(const struct command *row)
{
    struct key_run run = {0};
    for (int i = 0; i < row->key_count; i++) {
        const struct key_spec *spec = &row->keys[i];
        bool fixed = !spec->unknown && spec->keyword == NULL && !spec->counted;
        bool follows = run.first == 0 || (spec->step <= 1 && spec->first == run.last + 1);
        if ((!fixed || !follows) || (spec->flags & KEY_INCOMPLETE))
            run.movable = true;
        if (!fixed || !follows)
            continue;
        if (run.first == 0) {
            run.first = spec->first;
            run.step = spec->step > 0 ? spec->step : 1;
        }
        run.last = spec->last >= 0 ? spec->first + spec->last : spec->last;
    }
    return run;
}

static void reply_named_int(struct reply *r, const char *name, int64_t value)
{
    reply_bulk_text(r, name);
    reply_int(r, value);
}

/* Open one of a key specification's two halves: its type, and a map of so many fields to follow. */
static void begin_half(struct reply *r, const char *half, const char *type, int fields)
{
    reply_bulk_text(r, half);
    reply_map(r, 2);
    reply_bulk_text(r, "type");
    reply_bulk_text(r, type);
    reply_bulk_text(r, "spec");
    reply_map(r, fields);
}

static void reply_begin_search(struct reply *r, const struct key_spec *spec)
{
    if (spec->unknown) {
        begin_half(r, "begin_search", "unknown", 0);
    } else if (spec->keyword == NULL) {
        begin_half(r, "begin_search", "index", 1);
        reply_named_int(r, "index", spec->first);
    } else {
        begin_half(r, "begin_search", "keyword", 2);
        reply_bulk_text(r, "keyword");
        reply_bulk_text(r, spec->keyword);
        reply_named_int(r, "startfrom", spec->first);
    }
}

static void reply_find_keys(struct reply *r, const struct key_spec *spec)
{
    int step = spec->step > 0 ? spec->step : 1;
    if (spec->unknown) {
        begin_half(r, "find_keys", "unknown", 0);
    } else if (spec->counted) {
        begin_half(r, "find_keys", "keynum", 3);
        reply_named_int(r, "keynumidx", spec->count_at);
        reply_named_int(r, "firstkey", spec->key_at);
        reply_named_int(r, "keystep", step);
    } else {
        begin_half(r, "find_keys", "range", 3);
        reply_named_int(r, "lastkey", spec->last);
        reply_named_int(r, "keystep", step);
        reply_named_int(r, "limit", spec->limit);
    }
}

static void reply_key_specs(struct reply *r, const struct command *row)
{
    reply_set(r, row->key_count);
    for (int i = 0; i < row->key_count; i++) {
        reply_map(r, 3);
        reply_bulk_text(r, "flags");
        reply_bits(r, key_flag_names, row->keys[i].flags);
        reply_begin_search(r, &row->keys[i]);
        reply_find_keys(r, &row->keys[i]);
    }
}

static void reply_tips(struct reply *r, const char *tips)
{
    struct reply_mark mark = reply_mark(r);
    int n = 0;
    while (tips != NULL && *tips != '\0') {
        size_t len = strcspn(tips, " ");
        reply_bulk(r, bytes_of(tips, len));
        n++;
        tips += len + (tips[len] == ' ');
    }
    reply_set_at(r, mark, n);
}

static void reply_info(struct reply *r, const struct command_slot *slot)
{
    const struct command *row = slot->row;
    struct key_run run = key_run_of(row);
    reply_array(r, 10);
    reply_bulk_text(r, slot->full_name);
    reply_int(r, row->arity);
    reply_bits(r, flag_names, slot->flags | (run.movable ? FLAG_MOVABLE_KEYS : 0));
    reply_int(r, run.first);
    reply_int(r, run.last);
    reply_int(r, run.step);
    reply_bits(r, category_names, slot->categories);
    reply_tips(r, row->tips);
    reply_key_specs(r, row);
    if (slot->sub_count == 0)
        reply_set(r, 0);
    else
        reply_array(r, slot->sub_count); /* a set only when empty: what Redis sends to RESP3 */
    for (int i = 0; i < slot->sub_count; i++)
        reply_info(r, &slot->subs[i]);
}

static void cmd_command(struct call *call)
{
    const struct command_table *t = call->server->commands;
    reply_array(call->reply, command_count(t));
    for (int i = 0; i < command_count(t); i++)
        reply_info(call->reply, command_at(t, i));
}

static void cmd_command_info(struct call *call)
{
    if (call->argc == 2) {
        cmd_command(call);
        return;
    }
    reply_array(call->reply, call->argc - 2);
    for (int i = 2; i < call->argc; i++) {
        struct command_slot *slot = command_find_full(call->server->commands, call->argv[i]);
        if (slot == NULL)
            reply_null(call->reply);
        else
            reply_info(call->reply, slot);
    }
}

static void cmd_command_count(struct call *call)
{
    reply_int(call->reply, command_count(call->server->commands));
}

/* -- COMMAND DOCS ------------------------------------------------------------------------------ */

static int text_field(struct reply *r, const char *name, const char *value)
{
    if (value == NULL)
        return 0;
    reply_bulk_text(r, name);
    reply_bulk_text(r, value);
    return 1;
}

/* Lines of "version:what changed" as pairs. */
static int history_field(struct reply *r, const char *history)
{
    if (history == NULL)
        return 0;
    reply_bulk_text(r, "history");
    struct reply_mark mark = reply_mark(r);
    int n = 0;
    while (*history != '\0') {
        size_t len = strcspn(history, "\n"), version = strcspn(history, ":");
        reply_array(r, 2);
        reply_bulk(r, bytes_of(history, version));
        reply_bulk(r, bytes_of(history + version + 1, len - version - 1));
        n++;
        history += len + (history[len] == '\n');
    }
    reply_set_at(r, mark, n);
    return 1;
}

static void reply_docs(struct reply *r, const struct command_slot *slot)
{
    const struct command *row = slot->row;
    reply_bulk_text(r, slot->full_name);
    struct reply_mark mark = reply_mark(r);
    int n = text_field(r, "summary", row->summary);
    n += text_field(r, "since", row->since);
    n += text_field(r, "group", row->group);
    n += text_field(r, "complexity", row->complexity);
    if (slot->flags & (CMD_DEPRECATED | CMD_SYSTEM)) {
        reply_bulk_text(r, "doc_flags");
        reply_bits(r, doc_flag_names, slot->flags);
        n++;
    }
    n += text_field(r, "deprecated_since", row->deprecated_since);
    n += text_field(r, "replaced_by", row->replaced_by);
    n += history_field(r, row->history);
    if (row->args != NULL) {
        reply_bulk_text(r, "arguments");
        docs_reply_arguments(r, row->args);
        n++;
    }
    if (slot->sub_count > 0) {
        reply_bulk_text(r, "subcommands");
        reply_map(r, slot->sub_count);
        for (int i = 0; i < slot->sub_count; i++)
            reply_docs(r, &slot->subs[i]);
        n++;
    }
    reply_map_at(r, mark, n);
}

static void cmd_command_docs(struct call *call)
{
    const struct command_table *t = call->server->commands;
    struct reply *r = call->reply;
    if (call->argc == 2) {
        reply_map(r, command_count(t));
        for (int i = 0; i < command_count(t); i++)
            reply_docs(r, command_at(t, i));
        return;
    }
    struct reply_mark mark = reply_mark(r);
    int n = 0;
    for (int i = 2; i < call->argc; i++) {
        const struct command_slot *slot = command_find_full(t, call->argv[i]);
        if (slot == NULL)
            continue;
        reply_docs(r, slot);
        n++;
    }
    reply_map_at(r, mark, n);
}

/* -- COMMAND GETKEYS --------------------------------------------------------------------------- */

/* The command of the request that begins at argv, or NULL. */
static const struct command_slot *resolve(const struct call *call, const struct bytes *argv,
                                          int argc)
{
    struct command_slot *slot = command_find(call->server->commands, argv[0]);
    if (slot != NULL && slot->sub_count > 0 && argc > 1)
        return command_find_sub(slot, argv[1]);
    return slot;
}

static bool has_keys(const struct command *row)
{
    for (int i = 0; i < row->key_count; i++) {
        if (!(row->keys[i].flags & KEY_NOT_KEY))
            return true;
    }
    return row->get_keys != NULL;
}

static void reply_keys(struct call *call, bool with_flags)
{
    const struct bytes *argv = call->argv + 2;
    int argc = call->argc - 2;
    const struct command_slot *slot = resolve(call, argv, argc);
    if (slot == NULL) {
        reply_error(call->reply, "ERR Invalid command specified");
        return;
    }
    if (!has_keys(slot->row)) {
        reply_error(call->reply, "ERR The command has no key arguments");
        return;
    }
    int arity = slot->row->arity;
    if (arity > 0 ? argc != arity : argc < -arity) {
        reply_error(call->reply, "ERR Invalid number of arguments specified for command");
        return;
    }
    int n = command_keys(slot, argv, argc, NULL, 0);
    if (n <= 0) {
        if (slot->flags & CMD_NO_MANDATORY_KEYS)
            reply_array(call->reply, 0);
        else
            reply_error(call->reply, "ERR Invalid arguments specified for command");
        return;
    }
    struct key_position *keys = mem_alloc((size_t)n * sizeof *keys);
    command_keys(slot, argv, argc, keys, n);
    reply_array(call->reply, n);
    for (int i = 0; i < n; i++) {
        if (with_flags)
            reply_array(call->reply, 2);
        reply_bulk(call->reply, argv[keys[i].index]);
        if (with_flags)
            reply_bits(call->reply, key_flag_names, keys[i].flags);
    }
    mem_free(keys);
}

static void cmd_command_getkeys(struct call *call)
{
    reply_keys(call, false);
}

static void cmd_command_getkeysandflags(struct call *call)
{
    reply_keys(call, true);
}

/* -- COMMAND LIST ------------------------------------------------------------------------------ */

struct list_filter {
    bool by_category, by_pattern, by_module;
    uint32_t categories; /* those named; 0: no such category */
    struct bytes pattern;
};

static bool passes(const struct list_filter *f, const struct command_slot *slot)
{
    if (f->by_module)
        return slot->flags & CMD_MODULE; /* there are no modules, so no name of one to compare */
    if (f->by_category)
        return slot->categories & f->categories;
    return !f->by_pattern || glob_match(f->pattern, bytes_of_text(slot->full_name), true);
}

static bool parse_filter(const struct call *call, struct list_filter *f)
{
    *f = (struct list_filter){0};
    if (call->argc == 2)
        return true;
    if (call->argc != 5 || !bytes_is_word(call->argv[2], "filterby"))
        return false;
    struct bytes value = call->argv[4];
    f->by_module = bytes_is_word(call->argv[3], "module");
    f->by_category = bytes_is_word(call->argv[3], "aclcat");
    f->by_pattern = bytes_is_word(call->argv[3], "pattern");
    f->pattern = value;
    for (const struct bit_name *c = category_names; c->name != NULL; c++) {
        if (bytes_is_word(value, c->name + 1))
            f->categories = c->bit;
    }
    return f->by_module || f->by_category || f->by_pattern;
}

static int list_one(struct reply *r, const struct list_filter *f, const struct command_slot *slot)
{
    if (!passes(f, slot))
        return 0;
    reply_bulk_text(r, slot->full_name);
    return 1;
}

static void cmd_command_list(struct call *call)
{
    const struct command_table *t = call->server->commands;
    struct list_filter filter;
    if (!parse_filter(call, &filter)) {
        reply_syntax_error(call);
        return;
    }
    struct reply_mark mark = reply_mark(call->reply);
    int n = 0;
    for (int i = 0; i < command_count(t); i++) {
        const struct command_slot *slot = command_at(t, i);
        n += list_one(call->reply, &filter, slot);
        for (int s = 0; s < slot->sub_count; s++)
            n += list_one(call->reply, &filter, &slot->subs[s]);
    }
    reply_array_at(call->reply, mark, n);
}

static void cmd_command_help(struct call *call)
{
    static const char *const lines[] = {
        "(no subcommand)",
        "    Return details about all Redis commands.",
        "COUNT",
        "    Return the total number of commands in this Redis server.",
        "LIST",
        "    Return a list of all commands in this Redis server.",
        "INFO [<command-name> ...]",
        "    Return details about multiple Redis commands.",
        "    If no command names are given, documentation details for all",
        "    commands are returned.",
        "DOCS [<command-name> ...]",
        "    Return documentation details about multiple Redis commands.",
        "    If no command names are given, documentation details for all",
        "    commands are returned.",
        "GETKEYS <full-command>",
        "    Return the keys from a full Redis command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Return the keys and the access flags from a full Redis command.",
        NULL,
    };
    reply_help(call, lines);
}

/* -- rows -------------------------------------------------------------------------------------- */

static const struct command command_subs[] = {
    {
        .name = "count",
        .run = cmd_command_count,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "server",
        .since = "2.8.13",
        .summary = "Tells how many commands the server has.",
        .complexity = "O(1)",
    },
    {
        .name = "docs",
        .run = cmd_command_docs,
        .arity = -2,
        .flags = CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "server",
        .since = "7.0.0",
        .summary = "Describes commands, all or those named, for people.",
        .complexity = "O(N) where N is the number of commands described",
        .args = "command-name?*",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "getkeys",
        .run = cmd_command_getkeys,
        .arity = -3,
        .flags = CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "server",
        .since = "2.8.13",
        .summary = "Finds the keys in the arguments of a command.",
        .complexity = "O(N) where N is the number of arguments",
        .args = "command arg?*",
    },
    {
        .name = "getkeysandflags",
        .run = cmd_command_getkeysandflags,
        .arity = -3,
        .flags = CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "server",
        .since = "7.0.0",
        .summary = "Finds the keys in the arguments of a command, and what it does with each.",
        .complexity = "O(N) where N is the number of arguments",
        .args = "command arg?*",
    },
    {
        .name = "help",
        .run = cmd_command_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "server",
        .since = "5.0.0",
        .summary = "Lists the subcommands.",
        .complexity = "O(1)",
    },
    {
        .name = "info",
        .run = cmd_command_info,
        .arity = -2,
        .flags = CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "server",
        .since = "2.8.13",
        .summary = "Describes commands, all or those named, for programs.",
        .complexity = "O(N) where N is the number of commands described",
        .args = "command-name?*",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "list",
        .run = cmd_command_list,
        .arity = -2,
        .flags = CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .group = "server",
        .since = "7.0.0",
        .summary = "Lists the names of commands.",
        .complexity = "O(N) where N is the number of commands",
        .args = "filterby=FILTERBY(module-name=MODULE|category=ACLCAT|"
                "pattern:pattern=PATTERN)?",
        .tips = "nondeterministic_output_order",
    },
    {0},
};

const struct command command_commands[] = {
    {
        .name = "command",
        .run = cmd_command,
        .arity = -1,
        .flags = CMD_LOADING | CMD_STALE,
        .categories = CAT_CONNECTION,
        .subcommands = command_subs,
        .group = "server",
        .since = "2.8.13",
        .summary = "Describes all commands, for programs.",
        .complexity = "O(N) where N is the number of commands",
        .tips = "nondeterministic_output_order",
    },
    {0},
};
