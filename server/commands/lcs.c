/*
 * lcs.c - LCS: the longest common subsequence of two strings, its length, or where it lies.
 */
#include "base/lcs.h"

#include "base/memory.h"
#include "server/call.h"
#include "server/command.h"
#include "server/server.h"
#include "storage/string.h"

struct lcs_options {
    bool only_length, indexes, with_lengths;
    int64_t min_length;
};

static bool parse_or_reply(struct call *call, struct lcs_options *o)
{
    *o = (struct lcs_options){0};
    for (int i = 3; i < call->argc; i++) {
        struct bytes word = call->argv[i];
        if (bytes_is_word(word, "IDX")) {
            o->indexes = true;
        } else if (bytes_is_word(word, "LEN")) {
            o->only_length = true;
        } else if (bytes_is_word(word, "WITHMATCHLEN")) {
            o->with_lengths = true;
        } else if (bytes_is_word(word, "MINMATCHLEN") && i + 1 < call->argc) {
            if (!call_i64_or_reply(call, ++i, &o->min_length, NULL))
                return false;
        } else {
            reply_syntax_error(call);
            return false;
        }
    }
    if (o->only_length && o->indexes) {
        reply_error(call->reply,
                    "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

/* The table is quadratic: it may take as much as a client may send in one argument. */
static bool table_or_reply(struct call *call, struct bytes a, struct bytes b, struct lcs *l)
{
    const char *error = "ERR Insufficient memory, failed allocating transient memory for LCS";
    if (a.len >= UINT32_MAX - 1 || b.len >= UINT32_MAX - 1)
        error = "ERR String too long for LCS";
    else if (lcs_memory(a, b) > (uint64_t)call->server->opt.proto_max_bulk_len)
        error = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
    else if (lcs_init(l, a, b))
        return true;
    reply_error(call->reply, error);
    return false;
}

static void reply_range(struct call *call, size_t start, size_t len)
{
    reply_array(call->reply, 2);
    reply_int(call->reply, (int64_t)start);
    reply_int(call->reply, (int64_t)(start + len - 1));
}

/* Runs come from the end of the strings to their start. */
static void reply_indexes(struct call *call, const struct lcs *l, const struct lcs_options *o)
{
    reply_map(call->reply, 2);
    reply_bulk_text(call->reply, "matches");
    struct reply_mark mark = reply_mark(call->reply);
    int64_t count = 0;
    for (struct lcs_run run = lcs_end(l); lcs_previous(l, &run);) {
        if ((int64_t)run.len < o->min_length)
            continue;
        reply_array(call->reply, o->with_lengths ? 3 : 2);
        reply_range(call, run.a, run.len);
        reply_range(call, run.b, run.len);
        if (o->with_lengths)
            reply_int(call->reply, (int64_t)run.len);
        count++;
    }
    reply_array_at(call->reply, mark, count);
    reply_bulk_text(call->reply, "len");
    reply_int(call->reply, lcs_length(l));
}

static void reply_subsequence(struct call *call, const struct lcs *l)
{
    size_t len = lcs_length(l), left = len;
    char *text = mem_alloc(len + 1);
    for (struct lcs_run run = lcs_end(l); lcs_previous(l, &run);) {
        left -= run.len;
        memcpy(text + left, l->a.ptr + run.a, run.len);
    }
    reply_bulk(call->reply, bytes_of(text, len));
    mem_free(text);
}

static void cmd_lcs(struct call *call)
{
    const struct entry *x = call_find(call, 1), *y = call_find(call, 2);
    if ((x != NULL && entry_type(x) != TYPE_STRING) ||
        (y != NULL && entry_type(y) != TYPE_STRING)) {
        reply_error(call->reply, "ERR The specified keys must contain string values");
        return;
    }
    struct lcs_options o;
    if (!parse_or_reply(call, &o))
        return;
    char scratch_x[NUMBER_TEXT_MAX], scratch_y[NUMBER_TEXT_MAX];
    struct bytes a = x != NULL ? string_view(x, scratch_x) : bytes_of("", 0);
    struct bytes b = y != NULL ? string_view(y, scratch_y) : bytes_of("", 0);
    struct lcs l;
    if (!table_or_reply(call, a, b, &l))
        return;
    if (o.indexes)
        reply_indexes(call, &l, &o);
    else if (o.only_length)
        reply_int(call->reply, lcs_length(&l));
    else
        reply_subsequence(call, &l);
    lcs_fini(&l);
}

const struct command lcs_commands[] = {
    {
        .name = "lcs",
        .run = cmd_lcs,
        .arity = -3,
        .flags = CMD_READONLY,
        .categories = CAT_STRING,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1, .last = 1}),
        .group = "string",
        .since = "7.0.0",
        .summary = "Finds the longest common subsequence of two strings.",
        .complexity = "O(N*M) with strings of N and M bytes.",
        .args = "key1:key#0 key2:key#0 len:token=LEN? idx:token=IDX? "
                "min-match-len:integer=MINMATCHLEN? withmatchlen:token=WITHMATCHLEN?",
    },
    {0},
};
