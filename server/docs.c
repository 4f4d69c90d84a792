/*
 * docs.c - a recursive walk over the argument grammar of docs.h, for checking and for COMMAND DOCS.
 *
 * An item's marks stand behind its children but are replied before them, so an item is first cut
 * out of the text as a whole, its children as a span, which is then walked in turn. Whoever cuts
 * decides what is valid; replying relies on a text that was checked.
 */
#include "server/docs.h"

#include "base/number.h"

enum shape { SHAPE_PLAIN, SHAPE_ONEOF, SHAPE_BLOCK };

struct item {
    struct bytes name, type, token, children, since, deprecated, display; /* ptr NULL: not given */
    enum shape shape;
    int64_t key_spec; /* -1: none */
    bool optional, multiple, repeats_token;
};

/* What is left of a text. */
struct scan {
    const char *at, *end;
};

static bool starts(const struct scan *s, char c)
{
    return s->at < s->end && *s->at == c;
}

static bool is_bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* Take a word, bare or quoted. */
static bool take_word(struct scan *s, struct bytes *out)
{
    if (starts(s, '\'')) {
        const char *from = s->at + 1;
        const char *quote = memchr(from, '\'', (size_t)(s->end - from));
        if (quote == NULL || quote == from)
            return false;
        *out = bytes_of(from, (size_t)(quote - from));
        s->at = quote + 1;
        return true;
    }
    const char *from = s->at;
    while (s->at < s->end && is_bare(*s->at))
        s->at++;
    *out = bytes_of(from, (size_t)(s->at - from));
    return out->len > 0;
}

/* Take a word if the mark that announces it is there. */
static bool take_marked(struct scan *s, char mark, struct bytes *out)
{
    if (!starts(s, mark))
        return true;
    s->at++;
    return take_word(s, out);
}

/* Take what is between brackets, which may hold brackets of either kind and quoted words. */
static bool take_children(struct scan *s, struct item *it)
{
    const char *from = s->at + 1;
    int depth = 0;
    bool quoted = false;
    for (; s->at < s->end; s->at++) {
        char c = *s->at;
        if (c == '\'')
            quoted = !quoted;
        else if (!quoted && (c == '(' || c == '{'))
            depth++;
        else if (!quoted && (c == ')' || c == '}') && --depth == 0)
            break;
    }
    if (s->at == s->end || *s->at != (it->shape == SHAPE_ONEOF ? ')' : '}'))
        return false;
    it->children = bytes_of(from, (size_t)(s->at - from));
    s->at++;
    return true;
}

static bool take_flag(struct scan *s, char mark)
{
    if (!starts(s, mark))
        return false;
    s->at++;
    return true;
}

static bool take_marks(struct scan *s, struct item *it)
{
    struct bytes spec = {0};
    if (!take_marked(s, '#', &spec) || (spec.ptr != NULL && !number_parse_i64(spec, &it->key_spec)))
        return false;
    it->optional = take_flag(s, '?');
    it->multiple = take_flag(s, '*');
    it->repeats_token = !it->multiple && take_flag(s, '+');
    it->multiple |= it->repeats_token;
    return take_marked(s, '@', &it->since) && take_marked(s, '!', &it->deprecated) &&
           take_marked(s, '~', &it->display);
}

/* COMMAND DOCS' name of a plain type, NULL if there is none such. */
static const char *type_name(struct bytes type)
{
    static const char *const names[] = {"string",  "integer",   "double", "key",
                                        "pattern", "unix-time", NULL};
    if (type.ptr == NULL)
        return "string";
    if (bytes_equal(type, bytes_of_text("token")))
        return "pure-token";
    for (int i = 0; names[i] != NULL; i++) {
        if (bytes_equal(type, bytes_of_text(names[i])))
            return names[i];
    }
    return NULL;
}

/* Take one item; false: the text goes wrong at s->at. */
static bool take_item(struct scan *s, struct item *it)
{
    *it = (struct item){.key_spec = -1};
    if (starts(s, '\'') || !take_word(s, &it->name) || !take_marked(s, ':', &it->type) ||
        !take_marked(s, '=', &it->token))
        return false;
    if (type_name(it->type) == NULL || (it->type.ptr != NULL && it->type.len == 5 &&
                                        it->type.ptr[0] == 't' && it->token.ptr == NULL))
        return false;
    if (starts(s, '(') || starts(s, '{')) {
        it->shape = *s->at == '(' ? SHAPE_ONEOF : SHAPE_BLOCK;
        if (it->type.ptr != NULL || !take_children(s, it))
            return false;
    }
    return take_marks(s, it);
}

/* Step over the separator to the next item; false: there is none. */
static bool take_separator(struct scan *s, enum shape parent)
{
    return take_flag(s, parent == SHAPE_ONEOF ? '|' : ' ');
}

static struct scan scan_of(struct bytes text)
{
    return (struct scan){text.ptr, text.ptr + text.len};
}

/* -- walking ----------------------------------------------------------------------------------- */

static const char *check(struct bytes text, enum shape parent)
{
    struct scan s = scan_of(text);
    struct item it;
    do {
        if (!take_item(&s, &it))
            return s.at;
        const char *wrong = it.shape == SHAPE_PLAIN ? NULL : check(it.children, it.shape);
        if (wrong != NULL)
            return wrong;
    } while (take_separator(&s, parent));
    return s.at == s.end ? NULL : s.at;
}

const char *docs_check_arguments(const char *args)
{
    return check(bytes_of_text(args), SHAPE_BLOCK);
}

static int count_items(struct bytes text, enum shape parent)
{
    struct scan s = scan_of(text);
    struct item it;
    int n = 0;
    do
        n += take_item(&s, &it);
    while (take_separator(&s, parent));
    return n;
}

int docs_count_arguments(const char *args)
{
    return count_items(bytes_of_text(args), SHAPE_BLOCK);
}

/* -- replying ---------------------------------------------------------------------------------- */

static int field(struct reply *r, const char *name, struct bytes value)
{
    if (value.ptr == NULL)
        return 0;
    reply_bulk_text(r, name);
    reply_bulk(r, value);
    return 1;
}

static int flags_field(struct reply *r, const struct item *it)
{
    int n = it->optional + it->multiple + it->repeats_token;
    if (n == 0)
        return 0;
    reply_bulk_text(r, "flags");
    reply_set(r, n);
    if (it->optional)
        reply_simple(r, "optional");
    if (it->multiple)
        reply_simple(r, "multiple");
    if (it->repeats_token)
        reply_simple(r, "multiple_token");
    return 1;
}

static void reply_items(struct reply *r, struct bytes text, enum shape parent);

static void reply_item(struct reply *r, const struct item *it)
{
    static const char *const shapes[] = {NULL, "oneof", "block"};
    struct reply_mark mark = reply_mark(r);
    bool plain = it->shape == SHAPE_PLAIN;
    const char *type = plain ? type_name(it->type) : shapes[it->shape];
    int n = field(r, "name", it->name);
    n += field(r, "type", bytes_of_text(type));
    if (plain)
        n += field(r, "display_text", it->display.ptr != NULL ? it->display : it->name);
    if (it->key_spec >= 0) {
        reply_bulk_text(r, "key_spec_index");
        reply_int(r, it->key_spec);
        n++;
    }
    n += field(r, "token", it->token);
    n += field(r, "since", it->since);
    n += field(r, "deprecated_since", it->deprecated);
    n += flags_field(r, it);
    if (!plain) {
        reply_bulk_text(r, "arguments");
        reply_items(r, it->children, it->shape);
        n++;
    }
    reply_map_at(r, mark, n);
}

static void reply_items(struct reply *r, struct bytes text, enum shape parent)
{
    struct scan s = scan_of(text);
    struct item it;
    reply_array(r, count_items(text, parent));
    do {
        if (take_item(&s, &it))
            reply_item(r, &it);
    } while (take_separator(&s, parent));
}

void docs_reply_arguments(struct reply *r, const char *args)
{
    reply_items(r, bytes_of_text(args), SHAPE_BLOCK);
}
