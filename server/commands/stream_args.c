/*
 * stream_args.c - arguments of stream commands, and entries as replies.
 */
#include <errno.h>
#include <stdlib.h>

#include "protocol/reply_short.h"
#include "server/commands/streams.h"

/* -- ids --------------------------------------------------------------------------------------- */

struct bytes stream_id_text(struct stream_id id, char out[STREAM_ID_TEXT_MAX])
{
    size_t len = number_format_u64(out, id.ms);
    out[len++] = '-';
    len += number_format_u64(out + len, id.seq);
    return bytes_of(out, len);
}

/* strtoull()'s forms are taken as well, as Redis takes them. */
static bool parse_part(const char *text, uint64_t *out)
{
    if (number_parse_u64(bytes_of_text(text), out))
        return true;
    int64_t negative;
    if (number_parse_i64(bytes_of_text(text), &negative))
        return false;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *text == '\0' || *end != '\0')
        return false;
    *out = value;
    return true;
}

bool stream_parse_id(struct bytes text, uint64_t missing_seq, struct stream_id *out, bool *auto_seq)
{
    enum { LONGEST = 127 };
    char copy[LONGEST + 1];
    struct stream_id id = {0, missing_seq};
    if (text.len > LONGEST)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    char *dash = strchr(copy, '-');
    if (dash != NULL)
        *dash++ = '\0';
    if (!parse_part(copy, &id.ms))
        return false;
    if (dash != NULL && auto_seq != NULL && strcmp(dash, "*") == 0) {
        *auto_seq = true;
        id.seq = 0;
    } else if (dash != NULL && !parse_part(dash, &id.seq)) {
        return false;
    }
    *out = id;
    return true;
}

static bool invalid_id(struct call *call)
{
    reply_error(call->reply, "ERR Invalid stream ID specified as stream command argument");
    return false;
}

bool stream_id_or_reply(struct call *call, int arg, uint64_t missing_seq, struct stream_id *out)
{
    return stream_parse_id(call->argv[arg], missing_seq, out, NULL) || invalid_id(call);
}

/* One end of a range; *open: it does not belong to the range. */
static bool bound_or_reply(struct call *call, int arg, uint64_t missing_seq, struct stream_id *out,
                           bool *open)
{
    struct bytes text = call->argv[arg];
    *open = text.len > 1 && text.ptr[0] == '(';
    if (*open)
        text = bytes_of(text.ptr + 1, text.len - 1);
    if (!*open && stream_is_char(text, '-'))
        *out = STREAM_ID_MIN;
    else if (!*open && stream_is_char(text, '+'))
        *out = STREAM_ID_MAX;
    else
        return stream_parse_id(text, missing_seq, out, NULL) || invalid_id(call);
    return true;
}

bool stream_start_or_reply(struct call *call, int from_arg, struct stream_id *from)
{
    bool open;
    if (!bound_or_reply(call, from_arg, 0, from, &open))
        return false;
    if (open && !stream_id_increment(from)) {
        reply_error(call->reply, "ERR invalid start ID for the interval");
        return false;
    }
    return true;
}

bool stream_range_or_reply(struct call *call, int from_arg, int to_arg, struct stream_id *from,
                           struct stream_id *to)
{
    bool open;
    if (!stream_start_or_reply(call, from_arg, from))
        return false;
    if (!bound_or_reply(call, to_arg, UINT64_MAX, to, &open))
        return false;
    if (open && !stream_id_decrement(to)) {
        reply_error(call->reply, "ERR invalid end ID for the interval");
        return false;
    }
    return true;
}

/* -- replies ----------------------------------------------------------------------------------- */

void stream_reply_id(struct reply *r, struct stream_id id)
{
    char text[STREAM_ID_TEXT_MAX];
    reply_bulk_short(r, stream_id_text(id, text));
}

void stream_reply_entry(struct reply *r, struct stream_iter *it, const struct stream_item *item)
{
    struct stream_pair pair;
    reply_array(r, 2);
    stream_reply_id(r, item->id);
    reply_array(r, (int64_t)(2 * item->pairs));
    for (uint64_t i = 0; i < item->pairs; i++) {
        stream_iter_pair(it, &pair);
        reply_bulk_short(r, pair.field);
        reply_bulk_short(r, pair.value);
    }
}

void stream_reply_range(struct reply *r, const struct stream *s, struct stream_id from,
                        struct stream_id to, bool backwards, uint64_t count)
{
    struct stream_iter it;
    struct stream_item item;
    struct reply_mark mark = reply_mark(r);
    uint64_t written = 0;
    stream_iter_begin(&it, s, from, to, backwards);
    while ((count == 0 || written < count) && !reply_is_full(r) && stream_iter_next(&it, &item)) {
        stream_reply_entry(r, &it, &item);
        written++;
    }
    reply_array_at(r, mark, (int64_t)written);
}

bool stream_open_or_reply(struct call *call, int i, bool for_write, struct stream **s)
{
    struct entry *e = for_write ? call_find_for_write(call, i) : call_find(call, i);
    *s = NULL;
    if (!call_type_or_reply(call, e, TYPE_STREAM))
        return false;
    if (e != NULL)
        *s = stream_of(e);
    return true;
}

/* -- options of XADD and XTRIM ----------------------------------------------------------------- */

bool stream_parse_policy(struct bytes word, enum stream_refs *out)
{
    if (bytes_is_word(word, "keepref"))
        *out = STREAM_REFS_KEEP;
    else if (bytes_is_word(word, "delref"))
        *out = STREAM_REFS_DELETE;
    else if (bytes_is_word(word, "acked"))
        *out = STREAM_REFS_ACKED;
    else
        return false;
    return true;
}

/* MAXLEN or MINID at *i, with what follows it. */
static bool strategy_or_reply(struct call *call, int *i, struct stream_options *o)
{
    bool by_id = bytes_is_word(call->argv[*i], "minid");
    int64_t length;
    if (o->trims)
        return call_fail(call,
                         "ERR syntax error, MAXLEN and MINID options at the same time are not "
                         "compatible");
    o->trim.approximate = false;
    if (*i + 2 < call->argc && stream_is_char(call->argv[*i + 1], '~')) {
        o->trim.approximate = true;
        (*i)++;
    } else if (*i + 2 < call->argc && stream_is_char(call->argv[*i + 1], '=')) {
        (*i)++;
    }
    (*i)++;
    o->trims = true;
    o->trim.by_id = by_id;
    if (by_id)
        return stream_id_or_reply(call, *i, 0, &o->trim.min_id);
    if (!call_i64_or_reply(call, *i, &length, NULL))
        return false;
    o->trim.length = (uint64_t)length;
    return length >= 0 || call_fail(call, "ERR The MAXLEN argument must be >= 0.");
}

/* Without LIMIT, '~' looks at a hundred blocks. */
static uint64_t usual_limit(const struct limits *limits)
{
    enum { BLOCKS = 100, UNKNOWN = 10000, MOST = 1000000 };
    uint64_t entries = limits->stream_node_entries;
    if (entries == 0)
        return UNKNOWN;
    return entries < MOST / BLOCKS ? entries * BLOCKS : MOST;
}

static bool limit_or_reply(struct call *call, bool is_add, bool given, int64_t limit,
                           struct stream_options *o)
{
    if (limit != 0 && !o->trims)
        return call_fail(call,
                         "ERR syntax error, LIMIT cannot be used without specifying a trimming "
                         "strategy");
    if (!is_add && !o->trims)
        return call_fail(call, "ERR syntax error, XTRIM must be called with a trimming strategy");
    if (given && !o->trim.approximate)
        return call_fail(call,
                         "ERR syntax error, LIMIT cannot be used without the special ~ option");
    o->trim.limit = (uint64_t)limit;
    if (!given && o->trim.approximate)
        o->trim.limit = usual_limit(&call->keys->limits);
    return true;
}

/* The id that XADD is given at argument i. */
static bool new_id_or_reply(struct call *call, int i, struct stream_options *o)
{
    o->auto_id = stream_is_char(call->argv[i], '*');
    return o->auto_id || stream_parse_id(call->argv[i], 0, &o->id, &o->auto_seq) ||
           invalid_id(call);
}

int stream_options_or_reply(struct call *call, bool is_add, struct stream_options *o)
{
    int64_t limit = 0;
    bool limited = false;
    int i = 2;
    *o = (struct stream_options){.trim.refs = STREAM_REFS_KEEP};
    for (; i < call->argc; i++) {
        struct bytes word = call->argv[i];
        bool more = i + 1 < call->argc;
        if (is_add && stream_is_char(word, '*'))
            break;
        if (more && (bytes_is_word(word, "maxlen") || bytes_is_word(word, "minid"))) {
            if (!strategy_or_reply(call, &i, o))
                return 0;
        } else if (more && bytes_is_word(word, "limit")) {
            if (!call_i64_or_reply(call, ++i, &limit, NULL))
                return 0;
            if (limit < 0)
                return call_fail(call, "ERR The LIMIT argument must be >= 0.");
            limited = true;
        } else if (is_add && bytes_is_word(word, "nomkstream")) {
            o->no_create = true;
        } else if (stream_parse_policy(word, &o->trim.refs)) {
            continue;
        } else if (is_add) {
            break;
        } else {
            reply_syntax_error(call);
            return 0;
        }
    }
    if (is_add && i < call->argc && !new_id_or_reply(call, i, o))
        return 0;
    return limit_or_reply(call, is_add, limited, limit, o) ? i : 0;
}
