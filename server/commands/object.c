/*
 * object.c - OBJECT: how a key's value is kept, and when it was last used.
 *
 * Looking must not change what is looked at: none of this stamps the access clock.
 */
#include "server/commands/object.h"

#include <limits.h>

#include "server/call.h"
#include "server/command.h"
#include "server/server.h"
#include "storage/eviction.h"

/* Redis shares the objects of these small integers, and says so by this count of references. */
enum { SHARED_INTS = 10000, SHARED_REFS = INT_MAX };

/* The key in argument 2, counted as a hit or miss; NULL: answered with null. */
static struct entry *look_at(struct call *call)
{
    struct entry *e = keyspace_find(call->keys, call->db, call_key(call, 2));
    if (e != NULL) {
        call->keys->hits++;
    } else {
        call->keys->misses++;
        reply_null(call->reply);
    }
    return e;
}

static void cmd_object_encoding(struct call *call)
{
    const struct entry *e = look_at(call);
    if (e != NULL)
        reply_bulk_text(call->reply, entry_encoding_name(entry_encoding(e)));
}

static void cmd_object_freq(struct call *call)
{
    const struct entry *e = look_at(call);
    if (e == NULL)
        return;
    if (call->keys->lfu)
        reply_int(call->reply, eviction_frequency(call->keys, e));
    else
        reply_error(call->reply,
                    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
                    "Please note that when switching between policies at runtime LRU and LFU data "
                    "will take some time to adjust.");
}

static void cmd_object_idletime(struct call *call)
{
    const struct entry *e = look_at(call);
    if (e == NULL)
        return;
    if (!call->keys->lfu)
        reply_int(call->reply, eviction_idle_ms(call->keys, e) / 1000);
    else
        reply_error(call->reply,
                    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note "
                    "that when switching between policies at runtime LRU and LFU data will take "
                    "some time to adjust.");
}

/* With a limit and an access-based policy each value has its own access clock, so none is shared.
 */
static bool shares_ints(const struct options *opt)
{
    switch ((enum eviction_policy)opt->maxmemory_policy) {
    case EVICT_ALLKEYS_LRU:
    case EVICT_ALLKEYS_LFU:
    case EVICT_VOLATILE_LRU:
    case EVICT_VOLATILE_LFU:
        return opt->maxmemory == 0;
    default:
        return true;
    }
}

int64_t object_refcount(const struct server *s, const struct entry *e)
{
    bool small = entry_encoding(e) == ENC_INT && entry_int(e) >= 0 && entry_int(e) < SHARED_INTS;
    return small && shares_ints(&s->opt) ? SHARED_REFS : 1;
}

static void cmd_object_refcount(struct call *call)
{
    const struct entry *e = look_at(call);
    if (e != NULL)
        reply_int(call->reply, object_refcount(call->server, e));
}

static void cmd_object_help(struct call *call)
{
    static const char *const lines[] = {
        "ENCODING <key>",
        "    How the value of <key> is kept in memory.",
        "FREQ <key>",
        "    How often <key> is used, on a logarithmic scale that decays with time. Needs a",
        "    maxmemory-policy of the LFU family.",
        "IDLETIME <key>",
        "    For how many seconds nobody used <key>, approximately.",
        "REFCOUNT <key>",
        "    How many references to the value of <key> there are.",
        NULL,
    };
    reply_help(call, lines);
}

#define OBJECT_KEY KEYS({KEY_RO, .first = 2})

static const struct command object_subcommands[] = {
    {.name = "encoding",
     .run = cmd_object_encoding,
     .arity = 3,
     .flags = CMD_READONLY,
     .categories = CAT_KEYSPACE,
     OBJECT_KEY,
     .group = "generic",
     .since = "2.2.3",
     .summary = "Tells how the value of a key is kept in memory.",
     .complexity = "O(1)",
     .args = "key:key#0",
     .tips = "nondeterministic_output"},
    {.name = "freq",
     .run = cmd_object_freq,
     .arity = 3,
     .flags = CMD_READONLY,
     .categories = CAT_KEYSPACE,
     OBJECT_KEY,
     .group = "generic",
     .since = "4.0.0",
     .summary = "Tells how often a key is used, on a logarithmic scale.",
     .complexity = "O(1)",
     .args = "key:key#0",
     .tips = "nondeterministic_output"},
    {.name = "help",
     .run = cmd_object_help,
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .categories = CAT_KEYSPACE,
     .group = "generic",
     .since = "6.2.0",
     .summary = "Explains the subcommands.",
     .complexity = "O(1)"},
    {.name = "idletime",
     .run = cmd_object_idletime,
     .arity = 3,
     .flags = CMD_READONLY,
     .categories = CAT_KEYSPACE,
     OBJECT_KEY,
     .group = "generic",
     .since = "2.2.3",
     .summary = "Tells how long a key has not been used.",
     .complexity = "O(1)",
     .args = "key:key#0",
     .tips = "nondeterministic_output"},
    {.name = "refcount",
     .run = cmd_object_refcount,
     .arity = 3,
     .flags = CMD_READONLY,
     .categories = CAT_KEYSPACE,
     OBJECT_KEY,
     .group = "generic",
     .since = "2.2.3",
     .summary = "Tells how many references to the value of a key there are.",
     .complexity = "O(1)",
     .args = "key:key#0",
     .tips = "nondeterministic_output"},
    {0},
};

const struct command object_commands[] = {
    {.name = "object",
     .arity = -2,
     .subcommands = object_subcommands,
     .group = "generic",
     .since = "2.2.3",
     .summary = "Holds the commands that look at how a value is kept.",
     .complexity = "Depends on the subcommand."},
    {0},
};
