/*
 * request.c - the request parser.
 *
 * Two ways through the same grammar. A request that starts at a parser at rest takes the fast way:
 * one pass, views straight into the list. Where that meets anything cut, long or wrong, what it has
 * understood becomes the parser's parts, and the slow way goes on from there: parts are offsets,
 * because the bytes may be moved before the next feed.
 *
 * Redis is generous in places, and clients live by it: the byte behind a '\r' and the two bytes
 * behind a bulk are skipped unseen; a NUL in a line hides the rest of the line, so its end is
 * awaited until it is too long.
 */
#include "protocol/request.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/number.h"

enum {
    UNAUTHENTICATED_ARGS = 10,
    UNAUTHENTICATED_BULK = 16384,
    SMALLEST_ARG = 6, /* "$0\r\n\r\n" */
    SMALLEST_REQUEST = 10,
    FAST_DIGITS = 9,
};

/* -- lists of arguments ------------------------------------------------------------------------ */

void arg_list_fini(struct arg_list *list)
{
    mem_free(list->args);
    *list = (struct arg_list){0};
}

void arg_list_reserve(struct arg_list *list, uint32_t extra)
{
    uint32_t need = list->count + extra;
    if (need <= list->room)
        return;
    list->room = list->room * 2 > need ? list->room * 2 : need < 64 ? 64 : need;
    list->args = mem_resize(list->args, (size_t)list->room * sizeof *list->args);
}

/* -- limits ------------------------------------------------------------------------------------ */

static inline size_t most_args(const struct request_limits *limits)
{
    bool few = !limits->authenticated && limits->args > UNAUTHENTICATED_ARGS;
    return few ? UNAUTHENTICATED_ARGS : (size_t)limits->args;
}

static inline size_t longest_bulk(const struct request_limits *limits)
{
    bool is_short = !limits->authenticated && limits->bulk > UNAUTHENTICATED_BULK;
    return is_short ? UNAUTHENTICATED_BULK : (size_t)limits->bulk;
}

/* -- the fast way ------------------------------------------------------------------------------ */

static enum request_step broken(struct request_parser *p, const char *why)
{
    snprintf(p->error, sizeof p->error, "Protocol error: %s", why);
    return REQUEST_BROKEN;
}

static void keep_part(struct request_parser *p, const char *outside, size_t offset, size_t len)
{
    if (p->part_count == p->part_room) {
        p->part_room = p->part_room == 0 ? 8 : p->part_room * 2;
        p->parts = mem_resize(p->parts, p->part_room * sizeof *p->parts);
    }
    p->parts[p->part_count++] = (struct request_part){outside, offset, len};
}

/* A plain count of several digits and its line end. Returns what is behind, or NULL: take the slow
 * way. */
static const char *read_long_count(const char *at, const char *end, size_t *out)
{
    const char *first = at;
    size_t value = 0;
    unsigned digit;
    while (at < end && (digit = (unsigned char)*at - '0') <= 9 && at - first < FAST_DIGITS) {
        value = value * 10 + digit;
        at++;
    }
    if (at == first || *first == '0' || end - at < 2 || *at != '\r')
        return NULL;
    *out = value;
    return at + 2;
}

/* The same for any count; nearly all have one or two digits. At least 4 bytes are there. */
static inline const char *read_count(const char *at, const char *end, size_t *out)
{
    unsigned first = (unsigned char)at[0] - '0', second = (unsigned char)at[1] - '0';
    if (at[1] == '\r' && first <= 9) {
        *out = first;
        return at + 3;
    }
    if (at[2] == '\r' && first - 1 < 9 && second <= 9) {
        *out = first * 10 + second;
        return at + 4;
    }
    return read_long_count(at, end, out);
}

/* The fast way ends before argument number done, which starts at offset at. */
static void leave_fast(struct request_parser *p, const char *bytes, const struct bytes *args,
                       uint32_t done, size_t count)
{
    for (uint32_t i = 0; i < done; i++)
        keep_part(p, NULL, (size_t)(args[i].ptr - bytes), args[i].len);
    p->args_left = (int64_t)(count - done);
    p->bulk_len = -1;
}

static inline bool feed_fast(struct request_parser *p, const char *bytes, size_t len,
                             const struct request_limits *limits, struct arg_list *list,
                             size_t *eaten)
{
    const char *at = bytes, *end = bytes + len, *next;
    size_t count, size;
    if (len < SMALLEST_REQUEST || *at != '*' || (at = read_count(at + 1, end, &count)) == NULL)
        return false;
    if (count - 1 >= len / SMALLEST_ARG || count > most_args(limits))
        return false;
    size_t longest = longest_bulk(limits);
    arg_list_reserve(list, (uint32_t)count);
    struct bytes *arg = list->args + list->count;
    for (uint32_t i = 0; i < count; i++) {
        if (end - at < SMALLEST_ARG || *at != '$' ||
            (next = read_count(at + 1, end, &size)) == NULL || size > longest ||
            (size_t)(end - next) < size + 2) {
            p->at = (size_t)(at - bytes);
            leave_fast(p, bytes, arg, i, count);
            return false;
        }
        arg[i] = bytes_of(next, size);
        at = next + size + 2;
    }
    list->count += (uint32_t)count;
    *eaten = (size_t)(at - bytes);
    return true;
}

/* -- the slow way ------------------------------------------------------------------------------ */

void request_parser_fini(struct request_parser *p)
{
    mem_free(p->parts);
    *p = (struct request_parser){0};
}

static void rest(struct request_parser *p)
{
    mem_free(p->parts);
    p->parts = NULL;
    p->part_count = p->part_room = 0;
    p->args_left = 0;
    p->at = p->scanned = 0;
}

/* Where the line that starts at p->at ends: *end is the offset of mark. Behind a '\r' one byte more
 * must be there. BROKEN: the line is too long to be waited for. */
static enum request_step find_line_end(struct request_parser *p, const char *bytes, size_t len,
                                       char mark, size_t *end)
{
    size_t i = p->at + p->scanned;
    while (i < len && bytes[i] != mark && bytes[i] != '\0')
        i++;
    p->scanned = i - p->at;
    *end = i;
    if (i < len && bytes[i] == mark)
        return mark == '\n' || i + 1 < len ? REQUEST_READY : REQUEST_MORE;
    return len - p->at > REQUEST_INLINE_MAX ? REQUEST_BROKEN : REQUEST_MORE;
}

static enum request_step feed_inline(struct request_parser *p, char *bytes, size_t len,
                                     struct arg_list *list, size_t *eaten)
{
    size_t end;
    enum request_step step = find_line_end(p, bytes, len, '\n', &end);
    if (step != REQUEST_READY)
        return step == REQUEST_MORE ? step : broken(p, "too big inline request");
    size_t line_len = end + 1;
    rest(p);
    if (end > 0 && bytes[end - 1] == '\r')
        end--;
    if (!request_split_words(bytes, end, list))
        return broken(p, "unbalanced quotes in request");
    *eaten = line_len;
    return REQUEST_READY;
}

/* "*<count>": how many bulks follow, into p->args_left; 0 if none do. */
static enum request_step feed_head(struct request_parser *p, const char *bytes, size_t len,
                                   const struct request_limits *limits)
{
    size_t end;
    enum request_step step = find_line_end(p, bytes, len, '\r', &end);
    if (step != REQUEST_READY)
        return step == REQUEST_MORE ? step : broken(p, "too big mbulk count string");
    int64_t count;
    if (!number_parse_i64(bytes_of(bytes + 1, end - 1), &count) || count > limits->args)
        return broken(p, "invalid multibulk length");
    if (count > 0 && (size_t)count > most_args(limits))
        return broken(p, "unauthenticated multibulk length");
    p->args_left = count > 0 ? count : 0;
    p->bulk_len = -1;
    p->at = end + 2;
    p->scanned = 0;
    return REQUEST_READY;
}

/* "$<len>": the length of the next bulk, into p->bulk_len. */
static enum request_step feed_length(struct request_parser *p, const char *bytes, size_t len,
                                     const struct request_limits *limits)
{
    size_t end;
    enum request_step step = find_line_end(p, bytes, len, '\r', &end);
    if (step != REQUEST_READY)
        return step == REQUEST_MORE ? step : broken(p, "too big bulk count string");
    if (bytes[p->at] != '$') {
        char why[32];
        snprintf(why, sizeof why, "expected '$', got '%c'", bytes[p->at]);
        return broken(p, why);
    }
    int64_t size;
    struct bytes digits = bytes_of(bytes + p->at + 1, end - p->at - 1);
    if (!number_parse_i64(digits, &size) || size < 0 || size > limits->bulk)
        return broken(p, "invalid bulk length");
    if ((size_t)size > longest_bulk(limits))
        return broken(p, "unauthenticated bulk length");
    p->bulk_len = size;
    p->at = end + 2;
    p->scanned = 0;
    return REQUEST_READY;
}

/* The bulk's bytes and the line end behind them; of a supplied bulk only the line end is still to
 * come. */
static enum request_step feed_bulk(struct request_parser *p, size_t len)
{
    size_t size = p->supplied ? 0 : (size_t)p->bulk_len, have = len - p->at;
    if (have < size + 2) {
        p->big_len = size >= REQUEST_BIG_BULK && have < size ? size : 0;
        p->big_at = p->at;
        p->big_have = have;
        return REQUEST_MORE;
    }
    if (!p->supplied)
        keep_part(p, NULL, p->at, size);
    p->supplied = false;
    p->at += size + 2;
    return REQUEST_READY;
}

void request_supply(struct request_parser *p, const char *block)
{
    keep_part(p, block, 0, p->big_len);
    p->supplied = true;
    p->big_len = 0;
}

static enum request_step feed_args(struct request_parser *p, const char *bytes, size_t len,
                                   const struct request_limits *limits)
{
    while (p->args_left > 0) {
        enum request_step step = REQUEST_READY;
        if (p->bulk_len < 0)
            step = feed_length(p, bytes, len, limits);
        if (step == REQUEST_READY)
            step = feed_bulk(p, len);
        if (step != REQUEST_READY)
            return step;
        p->bulk_len = -1;
        p->args_left--;
    }
    return REQUEST_READY;
}

static void hand_out(struct request_parser *p, const char *bytes, struct arg_list *list)
{
    arg_list_reserve(list, p->part_count);
    for (uint32_t i = 0; i < p->part_count; i++) {
        const struct request_part *part = &p->parts[i];
        const char *ptr = part->outside != NULL ? part->outside : bytes + part->offset;
        list->args[list->count++] = bytes_of(ptr, part->len);
    }
}

static enum request_step feed_slow(struct request_parser *p, char *bytes, size_t len,
                                   const struct request_limits *limits, struct arg_list *list,
                                   size_t *eaten)
{
    enum request_step step = REQUEST_READY;
    p->big_len = 0;
    if (p->at == 0) {
        if (len == 0)
            return REQUEST_MORE;
        if (bytes[0] != '*')
            return feed_inline(p, bytes, len, list, eaten);
        step = feed_head(p, bytes, len, limits);
    }
    if (step == REQUEST_READY)
        step = feed_args(p, bytes, len, limits);
    if (step == REQUEST_READY) {
        hand_out(p, bytes, list);
        *eaten = p->at;
        rest(p);
    }
    return step;
}

enum request_step request_feed(struct request_parser *p, char *bytes, size_t len,
                               const struct request_limits *limits, struct arg_list *list,
                               size_t *eaten)
{
    *eaten = 0;
    if (p->at == 0 && p->scanned == 0 && feed_fast(p, bytes, len, limits, list, eaten))
        return REQUEST_READY;
    return feed_slow(p, bytes, len, limits, list, eaten);
}

/* -- words ------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Between words. A vertical tab or form feed does not end a bare word, though. */
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool ends_word(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* What a backslash and the bytes from at on stand for in double quotes; returns what is behind. */
static const char *unescape(const char *at, const char *end, char *out)
{
    static const char letters[] = "nrtba", values[] = "\n\r\t\b\a";
    if (end - at >= 3 && *at == 'x' && hex_digit(at[1]) >= 0 && hex_digit(at[2]) >= 0) {
        *out = (char)(hex_digit(at[1]) << 4 | hex_digit(at[2]));
        return at + 3;
    }
    const char *letter = strchr(letters, *at);
    *out = letter != NULL ? values[letter - letters] : *at;
    return at + 1;
}

/* A quoted part, from behind its opening quote; NULL: it does not end, or a word goes on behind it.
 */
static const char *unquote(const char *at, const char *end, char quote, char **out)
{
    while (at < end && *at != quote) {
        bool has_next = *at == '\\' && at + 1 < end;
        if (has_next && quote == '"') {
            at = unescape(at + 1, end, (*out)++);
            continue;
        }
        if (has_next && at[1] == quote)
            at++;
        *(*out)++ = *at++;
    }
    if (at == end || (at + 1 < end && !is_space(at[1])))
        return NULL;
    return at + 1;
}

/* One word from at on, unescaped to its own place; its view into *word. Returns what is behind, or
 * NULL. */
static const char *split_word(char *at, const char *end, struct bytes *word)
{
    char *out = at;
    const char *from = at;
    bool is_whole = false;
    while (from < end && !is_whole && !ends_word(*from)) {
        if (*from == '"' || *from == '\'') {
            from = unquote(from + 1, end, *from, &out);
            if (from == NULL)
                return NULL;
            is_whole = true;
        } else {
            *out++ = *from++;
        }
    }
    *word = bytes_of(at, (size_t)(out - at));
    return from;
}

bool request_split_words(char *line, size_t len, struct arg_list *list)
{
    uint32_t before = list->count;
    len = strnlen(line, len);
    for (size_t at = 0;;) {
        while (at < len && is_space(line[at]))
            at++;
        if (at == len)
            return true;
        struct bytes word;
        const char *behind = split_word(line + at, line + len, &word);
        if (behind == NULL) {
            list->count = before;
            return false;
        }
        arg_list_reserve(list, 1);
        list->args[list->count++] = word;
        at = (size_t)(behind - line);
    }
}
