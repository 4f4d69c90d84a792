/*
 * scan.c - SCAN, and what it shares with SSCAN, HSCAN and ZSCAN.
 */
#include "server/commands/scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "base/glob.h"
#include "base/memory.h"
#include "base/number.h"
#include "server/command.h"

/* -- shared ------------------------------------------------------------------------------------ */

/* What strtoul() takes is a cursor, signs and all: clients got used to it. */
static bool parse_cursor(struct bytes text, uint64_t *out)
{
    char copy[64], *end;
    if (text.len >= sizeof copy || (text.len > 0 && isspace((unsigned char)text.ptr[0])))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    errno = 0;
    *out = strtoull(copy, &end, 10);
    return *end == '\0' && errno != ERANGE;
}

bool scan_parse_or_reply(struct call *call, int i, unsigned allowed, struct scan *out)
{
    *out = (struct scan){.count = 10};
    if (!parse_cursor(call->argv[i], &out->cursor)) {
        reply_error(call->reply, "ERR invalid cursor");
        return false;
    }
    for (i++; i < call->argc; i++) {
        struct bytes word = call->argv[i];
        bool has_value = i + 1 < call->argc;
        if (has_value && bytes_is_word(word, "COUNT")) {
            if (!call_i64_or_reply(call, ++i, &out->count, NULL))
                return false;
            if (out->count < 1)
                break;
        } else if (has_value && bytes_is_word(word, "MATCH")) {
            out->pattern = call->argv[++i];
        } else if (has_value && (allowed & SCAN_TYPE) && bytes_is_word(word, "TYPE")) {
            out->type = call->argv[++i];
        } else if ((allowed & SCAN_NOVALUES) && bytes_is_word(word, "NOVALUES")) {
            out->no_values = true;
        } else {
            break;
        }
    }
    if (i < call->argc) {
        reply_syntax_error(call);
        return false;
    }
    if (bytes_equal(out->pattern, bytes_of_text("*")))
        out->pattern.ptr = NULL;
    return true;
}

bool scan_matches(const struct scan *s, struct bytes name)
{
    return s->pattern.ptr == NULL || glob_match(s->pattern, name, false);
}

struct counted_visit {
    dict_visit *visit;
    void *context;
    int64_t seen;
};

static void visit_counted(void *entry, void *context)
{
    struct counted_visit *v = context;
    v->seen++;
    v->visit(entry, v->context);
}

void scan_dict(struct scan *s, struct dict *d, dict_visit *visit, void *context)
{
    enum { STEPS_EACH = 10 }; /* a sparse table may cost this many empty buckets an element */
    struct counted_visit v = {visit, context, 0};
    int64_t steps = s->count > INT64_MAX / STEPS_EACH ? INT64_MAX : s->count * STEPS_EACH;
    do
        s->cursor = dict_scan(d, s->cursor, visit_counted, &v);
    while (s->cursor != 0 && v.seen < s->count && --steps > 0);
}

/* -- SCAN -------------------------------------------------------------------------------------- */

/* The cursor stands before the keys in the reply but is known after them: so they are collected. */
struct found_keys {
    struct call *call;
    const struct scan *scan;
    const struct entry **entries; /* owned */
    size_t count, room;
};

static void visit_key(void *entry, void *context)
{
    struct found_keys *f = context;
    const struct entry *e = entry;
    struct bytes name = entry_key(e);
    if (keyspace_is_dead(f->call->keys, e)) {
        keyspace_find(f->call->keys, f->call->db, key_of(name)); /* buries it */
        return;
    }
    if (f->scan->type.ptr != NULL && !bytes_is_word(f->scan->type, entry_type_name(entry_type(e))))
        return;
    if (!scan_matches(f->scan, name))
        return;
    if (f->count == f->room) {
        f->room = f->room > 0 ? 2 * f->room : 16;
        f->entries = mem_resize(f->entries, f->room * sizeof *f->entries);
    }
    f->entries[f->count++] = e;
}

static void cmd_scan(struct call *call)
{
    struct scan s;
    if (!scan_parse_or_reply(call, 1, SCAN_TYPE, &s))
        return;
    struct found_keys f = {.call = call, .scan = &s};
    scan_dict(&s, &call->keys->dbs[call->db].keys, visit_key, &f);
    char cursor[NUMBER_TEXT_MAX];
    reply_array(call->reply, 2);
    reply_bulk(call->reply, bytes_of(cursor, number_format_u64(cursor, s.cursor)));
    reply_array(call->reply, (int64_t)f.count);
    for (size_t i = 0; i < f.count; i++)
        reply_bulk(call->reply, entry_key(f.entries[i]));
    mem_free(f.entries);
}

const struct command scan_commands[] = {
    {
        .name = "scan",
        .run = cmd_scan,
        .arity = -2,
        .flags = CMD_READONLY | CMD_TOUCHES_ARBITRARY_KEYS,
        .categories = CAT_KEYSPACE,
        .group = "generic",
        .since = "2.8.0",
        .summary = "Walks through the names of all keys, some at each call.",
        .complexity = "O(1) a call, O(N) for a whole walk over N keys.",
        .args = "cursor:integer pattern:pattern=MATCH? count:integer=COUNT? "
                "type=TYPE?@6.0.0",
        .tips = "nondeterministic_output request_policy:special response_policy:special",
    },
    {0},
};
