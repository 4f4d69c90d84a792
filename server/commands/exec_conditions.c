/*
 * exec_conditions.c - reading and checking what EXEC asks for.
 *
 * A version's text is its number, whether the key was there, and the first digits of the run's id:
 * numbers start anew with the server, so one from another run must not be taken for one of this.
 */
#include "server/commands/exec_conditions.h"

#include <stdio.h>

#include "base/number.h"
#include "server/client.h"
#include "server/server.h"
#include "server/txlog.h"
#include "storage/string.h"

enum { RUN_DIGITS = 8 };

struct bytes version_text(const struct server *s, struct version v, char out[VERSION_TEXT_MAX])
{
    int len = snprintf(out, VERSION_TEXT_MAX, "%llu%c%.*s", (unsigned long long)v.number,
                       v.was_live ? 'x' : 'n', RUN_DIGITS, s->run_id);
    return bytes_of(out, (size_t)len);
}

/* False: no such text was ever given by a server. of_this_run: by this one. */
static bool version_parse(const struct server *s, struct bytes text, struct version *v,
                          bool *of_this_run)
{
    int64_t number;
    if (text.len <= RUN_DIGITS + 1)
        return false;
    size_t digits = text.len - RUN_DIGITS - 1;
    char mark = text.ptr[digits];
    if (!number_parse_i64(bytes_of(text.ptr, digits), &number) || number < 0 ||
        (mark != 'x' && mark != 'n'))
        return false;
    *v = (struct version){(uint64_t)number, mark == 'x'};
    *of_this_run = memcmp(text.ptr + digits + 1, s->run_id, RUN_DIGITS) == 0;
    return true;
}

/* -- one condition ----------------------------------------------------------------------------- */

enum kind { IFEQ, IFNE, IF_EXISTS, IF_ABSENT, IFVER, NO_CONDITION };

static enum kind kind_of(struct bytes word)
{
    static const char *const words[] = {
        [IFEQ] = "ifeq", [IFNE] = "ifne", [IF_EXISTS] = "xx", [IF_ABSENT] = "nx", [IFVER] = "ifver",
    };
    for (int i = 0; i < NO_CONDITION; i++)
        if (bytes_is_word(word, words[i]))
            return (enum kind)i;
    return NO_CONDITION;
}

/* One condition at argument *i, which moves on behind it; IFVER's pairs come one at a time. kind
 * goes in as that of the condition before. False: there is none. */
static bool next_condition(const struct bytes *argv, int argc, int *i, enum kind *kind, int *key)
{
    if (*kind != IFVER)
        *kind = kind_of(argv[(*i)++]);
    *key = *i;
    *i += *kind == IF_EXISTS || *kind == IF_ABSENT ? 1 : 2;
    return *kind != NO_CONDITION && *i <= argc;
}

int exec_conditions_keys(const struct bytes *argv, int argc, struct key_position *out, int room)
{
    int count = 0, key;
    enum kind kind = NO_CONDITION;
    for (int i = 1; i < argc; count++) {
        if (!next_condition(argv, argc, &i, &kind, &key))
            return -1;
        if (count < room)
            out[count] = (struct key_position){key, KEY_RO};
    }
    return count > 0 ? count : -1;
}

static enum exec_verdict not_met(struct call *exec, enum txlog_kind kind, int key)
{
    struct key name = call_key(exec, key);
    const struct watched_key *known = watch_find(exec->keys, exec->db, name);
    struct txlog_obstacle o = {.db = exec->db, .key = name.name};
    if (known != NULL)
        o.author = known->author;
    txlog_conflict(exec->client, kind, &o);
    return EXEC_CONFLICT;
}

static enum exec_verdict check_version(struct call *exec, int key)
{
    struct version v;
    bool of_this_run;
    if (!version_parse(exec->server, exec->argv[key + 1], &v, &of_this_run)) {
        reply_error(exec->reply,
                    "EXECABORT Transaction discarded because of: invalid version of a key");
        return EXEC_ERROR;
    }
    if (of_this_run && watch_version_stands(exec->keys, exec->db, call_key(exec, key), v))
        return EXEC_GO;
    return not_met(exec, TXLOG_VERSION, key);
}

static enum exec_verdict check_value(struct call *exec, int key, bool wanted)
{
    struct entry *e = keyspace_find(exec->keys, exec->db, call_key(exec, key));
    if (!call_type_or_reply(exec, e, TYPE_STRING))
        return EXEC_ERROR;
    char scratch[NUMBER_TEXT_MAX];
    bool same = e != NULL && bytes_equal(string_view(e, scratch), exec->argv[key + 1]);
    return same == wanted ? EXEC_GO : not_met(exec, TXLOG_CONDITION, key);
}

static enum exec_verdict check(struct call *exec, enum kind kind, int key)
{
    if (kind == IFVER)
        return check_version(exec, key);
    if (kind == IFEQ || kind == IFNE)
        return check_value(exec, key, kind == IFEQ);
    bool exists = keyspace_find(exec->keys, exec->db, call_key(exec, key)) != NULL;
    return exists == (kind == IF_EXISTS) ? EXEC_GO : not_met(exec, TXLOG_CONDITION, key);
}

bool exec_conditions_or_reply(struct call *exec)
{
    int key;
    enum kind kind = NO_CONDITION;
    if (exec->argc > 1 && kind_of(exec->argv[1]) == NO_CONDITION) {
        reply_error(exec->reply, "EXECABORT Transaction discarded because of: wrong number of "
                                 "arguments for 'exec' command"); /* as Redis says it */
        return false;
    }
    for (int i = 1; i < exec->argc;)
        if (!next_condition(exec->argv, exec->argc, &i, &kind, &key)) {
            reply_error(exec->reply, "EXECABORT Transaction discarded because of: invalid check "
                                     "condition syntax");
            return false;
        }
    return true;
}

enum exec_verdict exec_conditions(struct call *exec)
{
    int key;
    enum kind kind = NO_CONDITION;
    enum exec_verdict verdict = EXEC_GO;
    for (int i = 1; i < exec->argc && verdict == EXEC_GO;) {
        next_condition(exec->argv, exec->argc, &i, &kind, &key);
        verdict = check(exec, kind, key);
    }
    return verdict;
}
