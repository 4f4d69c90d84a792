/*
 * call.c - what handlers share: finding keys, reading arguments, the usual errors.
 */
#include "server/call.h"

#include <stdio.h>

#include "base/number.h"
#include "server/client.h"
#include "server/command.h"
#include "server/conn.h"

uint32_t call_flags(const struct call *call)
{
    const struct command_slot *command = call->command;
    return command->row->flags_of != NULL ? command->row->flags_of(call) : command->flags;
}

/* -- keys -------------------------------------------------------------------------------------- */

struct key call_key(const struct call *call, int i)
{
    if (i == call->hashed_arg && i != 0)
        return (struct key){call->argv[i], call->hash};
    return key_of(call->argv[i]);
}

/* CLIENT NO-TOUCH leaves access clocks alone, unless the client asks for TOUCH by name. */
static void stamp(const struct call *call, struct entry *e)
{
    if (__builtin_expect(call->client->flags & CLIENT_NO_TOUCH, 0) &&
        strcmp(call->command->row->name, "touch") != 0)
        return;
    keyspace_touch(call->keys, e);
}

struct entry *call_find_quietly(struct call *call, int i)
{
    struct entry *e = keyspace_find(call->keys, call->db, call_key(call, i));
    if (e != NULL) {
        call->keys->hits++;
        return e;
    }
    call->keys->misses++;
    keyspace_event(call->keys, call->db, call->argv[i], EVENT_MISS, "keymiss");
    return NULL;
}

struct entry *call_find(struct call *call, int i)
{
    struct entry *e = call_find_quietly(call, i);
    if (e != NULL)
        stamp(call, e);
    return e;
}

struct entry *call_find_for_write(struct call *call, int i)
{
    struct entry *e = keyspace_find(call->keys, call->db, call_key(call, i));
    if (e != NULL)
        stamp(call, e);
    return e;
}

struct blob *call_take_blob(struct call *call, int i)
{
    return conn_take_blob(call->client->conn, call->argv[i].ptr);
}

bool call_type_or_reply(struct call *call, const struct entry *e, enum value_type type)
{
    if (e == NULL || entry_type(e) == type)
        return true;
    reply_wrong_type(call);
    return false;
}

/* -- arguments --------------------------------------------------------------------------------- */

static bool fail(struct call *call, const char *error, const char *usual)
{
    reply_error(call->reply, error != NULL ? error : usual);
    return false;
}

bool call_i64_or_reply(struct call *call, int i, int64_t *out, const char *error)
{
    return number_parse_i64(call->argv[i], out) ||
           fail(call, error, "ERR value is not an integer or out of range");
}

bool call_range_or_reply(struct call *call, int i, int64_t min, int64_t max, int64_t *out,
                         const char *error)
{
    int64_t value;
    if (error == NULL && min == 0 && max == INT64_MAX)
        error = "ERR value is out of range, must be positive";
    if (!call_i64_or_reply(call, i, &value, error))
        return false;
    if (value >= min && value <= max) {
        *out = value;
        return true;
    }
    if (error != NULL)
        return fail(call, error, NULL);
    reply_errorf(call->reply, "ERR value is out of range, value must between %lld and %lld",
                 (long long)min, (long long)max);
    return false;
}

bool call_double_or_reply(struct call *call, int i, double *out, const char *error)
{
    return number_parse_double(call->argv[i], out) ||
           fail(call, error, "ERR value is not a valid float");
}

bool call_flush_mode_or_reply(struct call *call, int i, bool *async, const char *error)
{
    *async = bytes_is_word(call->argv[i], "async");
    return *async || bytes_is_word(call->argv[i], "sync") || call_fail(call, error);
}

/* -- errors ------------------------------------------------------------------------------------ */

bool call_fail(struct call *call, const char *error)
{
    reply_error(call->reply, error);
    return false;
}

void reply_syntax_error(struct call *call)
{
    reply_error(call->reply, "ERR syntax error");
}

void reply_wrong_type(struct call *call)
{
    reply_error(call->reply, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

void reply_arity_error(struct call *call)
{
    reply_errorf(call->reply, "ERR wrong number of arguments for '%s' command",
                 call->command->full_name);
}

/* Names of commands are cut at this length in errors and headings. */
enum { SHOWN = 128 };

/* What the client called the command, in capitals. */
static const char *shout(const struct call *call, char out[SHOWN + 1])
{
    struct bytes name = call->argv[0];
    size_t len = name.len < SHOWN ? name.len : SHOWN;
    for (size_t i = 0; i < len; i++)
        out[i] = name.ptr[i] >= 'a' && name.ptr[i] <= 'z' ? (char)(name.ptr[i] - 32) : name.ptr[i];
    out[len] = '\0';
    return out;
}

static void complain_of_subcommand(struct call *call, const char *what)
{
    char command[SHOWN + 1];
    struct bytes sub = call->argv[1];
    reply_errorf(call->reply, "ERR %s '%.*s'. Try %s HELP.", what,
                 (int)(sub.len < SHOWN ? sub.len : SHOWN), sub.ptr, shout(call, command));
}

void reply_unknown_subcommand(struct call *call)
{
    complain_of_subcommand(call, "unknown subcommand");
}

void reply_subcommand_arguments(struct call *call)
{
    complain_of_subcommand(call, "unknown subcommand or wrong number of arguments for");
}

void reply_help(struct call *call, const char *const *lines)
{
    char command[SHOWN + 1], head[SHOWN + 80];
    int n = 0;
    while (lines[n] != NULL)
        n++;
    snprintf(head, sizeof head,
             "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", shout(call, command));
    reply_array(call->reply, n + 3);
    reply_simple(call->reply, head);
    for (int i = 0; i < n; i++)
        reply_simple(call->reply, lines[i]);
    reply_simple(call->reply, "HELP");
    reply_simple(call->reply, "    Prints this help.");
}
