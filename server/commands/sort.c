/*
 * sort.c - SORT and SORT_RO.
 *
 * The elements are copied, given what they are compared by, sorted and written. What a pattern
 * names is looked up when it is needed; that may bury other keys, but not the one that is sorted.
 */
#include <ctype.h>
#include <locale.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/memory.h"
#include "server/client.h"
#include "server/command.h"
#include "server/commands/keys.h"
#include "server/commands/lists.h"
#include "storage/hash.h"
#include "storage/set.h"
#include "storage/string.h"
#include "storage/zset.h"

struct options {
    struct bytes by;                  /* ptr NULL: by the elements themselves */
    bool unsorted, descending, alpha; /* unsorted: BY without a '*' */
    int64_t offset, limit;            /* limit -1: none */
    int store;                        /* its argument, 0: none */
    int gets;                         /* GETs among the arguments */
};

/* An element of the answer to be. */
struct item {
    struct bytes text;
    struct bytes weight; /* ALPHA: what it is compared by; ptr NULL: there is nothing */
    double score;        /* not ALPHA */
    uint64_t place;      /* among the elements as they came */
};

struct sorting {
    struct call *call;
    struct options o;
    struct item *items; /* owned; count of them */
    uint64_t count;
    uint64_t from, end; /* those that are answered */
    struct arena texts; /* what items and results refer to */
};

/* -- arguments --------------------------------------------------------------------------------- */

/* One word with what belongs to it; returns how many arguments these are, 0: an error was answered.
 */
static int option_or_reply(struct call *call, int i, bool may_store, struct options *o)
{
    struct bytes word = call->argv[i];
    int left = call->argc - i - 1;
    if (bytes_is_word(word, "asc") || bytes_is_word(word, "desc")) {
        o->descending = bytes_is_word(word, "desc");
        return 1;
    }
    if (bytes_is_word(word, "alpha")) {
        o->alpha = true;
        return 1;
    }
    if (bytes_is_word(word, "limit") && left >= 2) {
        bool good = call_i64_or_reply(call, i + 1, &o->offset, NULL) &&
                    call_i64_or_reply(call, i + 2, &o->limit, NULL);
        return good ? 3 : 0;
    }
    if (bytes_is_word(word, "store") && may_store && left >= 1) {
        o->store = i + 1;
        return 2;
    }
    if (bytes_is_word(word, "by") && left >= 1) {
        o->by = call->argv[i + 1];
        o->unsorted |= memchr(o->by.ptr, '*', o->by.len) == NULL;
        return 2;
    }
    if (bytes_is_word(word, "get") && left >= 1) {
        o->gets++;
        return 2;
    }
    reply_syntax_error(call);
    return 0;
}

static bool options_or_reply(struct call *call, bool may_store, struct options *o)
{
    *o = (struct options){.limit = -1};
    for (int i = 2, taken; i < call->argc; i += taken) {
        taken = option_or_reply(call, i, may_store, o);
        if (taken == 0)
            return false;
    }
    return true;
}

/* The next GET's pattern from argument *i on. The arguments are known to be right. */
static struct bytes next_get(const struct call *call, int *i)
{
    for (;;) {
        struct bytes word = call->argv[*i];
        if (bytes_is_word(word, "get")) {
            *i += 2;
            return call->argv[*i - 1];
        }
        *i += bytes_is_word(word, "limit")                                ? 3
              : bytes_is_word(word, "by") || bytes_is_word(word, "store") ? 2
                                                                          : 1;
    }
}

/* -- patterns ---------------------------------------------------------------------------------- */

/* What a pattern led to. */
struct found {
    struct bytes text;
    struct hash_field field;
    char scratch[NUMBER_TEXT_MAX];
};

static struct entry *find_key(struct call *call, struct bytes name)
{
    struct keyspace *ks = call->keys;
    struct entry *e = keyspace_find(ks, call->db, key_of(name));
    if (e == NULL) {
        ks->misses++;
        keyspace_event(ks, call->db, name, EVENT_MISS, "keymiss");
        return NULL;
    }
    ks->hits++;
    keyspace_touch(ks, e);
    return e;
}

/* The string at the key, or in the field (ptr NULL: none is asked for) of the hash there. */
static bool read_key(struct call *call, struct bytes name, struct bytes field, struct found *out)
{
    struct entry *e = find_key(call, name);
    if (e == NULL || entry_type(e) != (field.ptr != NULL ? TYPE_HASH : TYPE_STRING))
        return false;
    if (field.ptr == NULL) {
        out->text = string_view(e, out->scratch);
        return true;
    }
    if (!hash_find(e, field, &out->field) || hash_is_dead(call->keys, &out->field))
        return false;
    out->text = out->field.value;
    return true;
}

/* Where a pattern speaks of a field: "->" behind the star with something behind it. NULL: it does
 * not. */
static const char *find_arrow(const char *star, const char *end)
{
    for (const char *at = star + 1; at + 2 < end; at++)
        if (at[0] == '-' && at[1] == '>')
            return at;
    return NULL;
}

/* Follow a pattern with the element in the place of its star; "#" is the element itself. */
static bool look_up(struct call *call, struct bytes pattern, struct bytes element,
                    struct found *out)
{
    if (pattern.len == 1 && pattern.ptr[0] == '#') {
        out->text = element;
        return true;
    }
    const char *star = memchr(pattern.ptr, '*', pattern.len), *end = pattern.ptr + pattern.len;
    if (star == NULL)
        return false;
    const char *arrow = find_arrow(star, end), *tail_end = arrow != NULL ? arrow : end;
    struct bytes field = {NULL, 0};
    if (arrow != NULL)
        field = bytes_of(arrow + 2, (size_t)(end - arrow - 2));
    size_t head = (size_t)(star - pattern.ptr), tail = (size_t)(tail_end - star - 1);
    size_t len = head + element.len + tail;
    char small[256], *name = len <= sizeof small ? small : mem_alloc(len);
    memcpy(name, pattern.ptr, head);
    if (element.len > 0)
        memcpy(name + head, element.ptr, element.len);
    memcpy(name + head + element.len, star + 1, tail);
    bool found = read_key(call, bytes_of(name, len), field, out);
    if (name != small)
        mem_free(name);
    return found;
}

/* -- loading ----------------------------------------------------------------------------------- */

static void add_item(struct sorting *s, struct bytes text)
{
    s->items[s->count] = (struct item){.text = arena_copy(&s->texts, text), .place = s->count};
    s->count++;
}

/* What is not sorted stands in its own order, or against it. */
static bool is_backward(const struct sorting *s)
{
    return s->o.unsorted && s->o.descending;
}

static void load_list(struct sorting *s, const struct entry *e, uint64_t from, uint64_t count)
{
    struct list_iter it;
    struct list_item item;
    char scratch[NUMBER_TEXT_MAX];
    list_iter_begin(&it, e, is_backward(s) ? list_length(e) - 1 - from : from, is_backward(s));
    while (s->count < count && list_iter_next(&it, &item))
        add_item(s, list_item_text(&item, scratch));
    list_iter_end(&it);
}

static void load_set(struct sorting *s, const struct entry *e)
{
    struct set_iter it;
    struct set_member member;
    set_iter_begin(&it, e);
    while (set_iter_next(&it, &member))
        add_item(s, member.text);
    set_iter_end(&it);
}

static void load_zset(struct sorting *s, const struct entry *e, uint64_t from, uint64_t count)
{
    struct zset_iter it;
    struct zset_item item;
    zset_iter_begin(&it, e, is_backward(s) ? zset_count(e) - 1 - from : from, is_backward(s));
    while (s->count < count && zset_iter_next(&it, &item))
        add_item(s, item.name);
}

static uint64_t element_count(const struct entry *e)
{
    if (e == NULL)
        return 0;
    return entry_type(e) == TYPE_LIST  ? list_length(e)
           : entry_type(e) == TYPE_SET ? set_count(e)
                                       : zset_count(e);
}

/* Which of so many elements LIMIT asks for. */
static void set_window(struct sorting *s, uint64_t count)
{
    uint64_t from = s->o.offset < 0 ? 0 : (uint64_t)s->o.offset;
    s->from = from < count ? from : count;
    s->end = count;
    if (s->o.limit >= 0 && (uint64_t)s->o.limit < count - s->from)
        s->end = s->from + (uint64_t)s->o.limit;
}

/* All elements; only those asked for, where they have an order and keep it. */
static void load(struct sorting *s, const struct entry *e)
{
    uint64_t count = element_count(e), from = 0;
    set_window(s, count);
    if (count == 0)
        return;
    if (s->o.unsorted && entry_type(e) != TYPE_SET) {
        from = s->from;
        count = s->end - s->from;
        s->from = 0;
        s->end = count;
    }
    s->items = mem_alloc((count > 0 ? count : 1) * sizeof *s->items);
    if (count == 0)
        return;
    if (entry_type(e) == TYPE_LIST)
        load_list(s, e, from, count);
    else if (entry_type(e) == TYPE_ZSET)
        load_zset(s, e, from, count);
    else
        load_set(s, e);
}

/* -- sorting ----------------------------------------------------------------------------------- */

/* strtod()'s rules: no text at all is 0, space before the number is skipped. */
static bool parse_score(struct bytes text, double *out)
{
    *out = 0;
    if (text.len == 0)
        return true;
    while (text.len > 0 && isspace((unsigned char)text.ptr[0]))
        text = bytes_of(text.ptr + 1, text.len - 1);
    return number_parse_double(text, out);
}

/* Do texts have another order than that of their bytes? What is stored must be the same wherever it
 * is computed. */
static bool is_collated(const struct sorting *s)
{
    const char *locale = setlocale(LC_COLLATE, NULL);
    return s->o.alpha && s->o.store == 0 && locale != NULL && strcmp(locale, "C") != 0 &&
           strcmp(locale, "POSIX") != 0;
}

/* The bytes whose order is that of the text in the locale; as there, a NUL is the text's end. */
static struct bytes collation_key(struct sorting *s, struct bytes text)
{
    char *copy = mem_alloc(text.len + 1);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    size_t len = strxfrm(NULL, copy, 0);
    char *key = mem_alloc(len + 1);
    strxfrm(key, copy, len + 1);
    struct bytes kept = arena_copy(&s->texts, bytes_of(key, len));
    mem_free(copy);
    mem_free(key);
    return kept;
}

static void collate(struct sorting *s)
{
    for (uint64_t i = 0; i < s->count; i++)
        if (s->items[i].weight.ptr != NULL)
            s->items[i].weight = collation_key(s, s->items[i].weight);
}

/* Give each item what it is compared by. False: for one of them it is no number; the others are
 * looked up all the same. */
static bool weigh(struct sorting *s)
{
    bool fine = true;
    for (uint64_t i = 0; i < s->count; i++) {
        struct item *item = &s->items[i];
        struct found found = {.text = item->text};
        if (s->o.by.ptr != NULL && !look_up(s->call, s->o.by, item->text, &found))
            continue;
        if (s->o.alpha)
            item->weight = s->o.by.ptr != NULL ? arena_copy(&s->texts, found.text) : item->text;
        else
            fine &= parse_score(found.text, &item->score);
    }
    if (is_collated(s))
        collate(s);
    return fine;
}

static int compare_scores(const struct item *a, const struct item *b)
{
    int order = (a->score > b->score) - (a->score < b->score);
    return order != 0 ? order : bytes_compare(a->text, b->text);
}

/* What has no weight comes first. */
static int compare_weights(const struct item *a, const struct item *b)
{
    if (a->weight.ptr == NULL || b->weight.ptr == NULL)
        return (a->weight.ptr != NULL) - (b->weight.ptr != NULL);
    return bytes_compare(a->weight, b->weight);
}

/* Equal ones stay in the order in which they were. */
static int compare(const void *left, const void *right, void *context)
{
    const struct item *a = left, *b = right;
    const struct options *o = context;
    int order = o->alpha ? compare_weights(a, b) : compare_scores(a, b);
    if (order == 0)
        return (a->place > b->place) - (a->place < b->place);
    return o->descending ? -order : order;
}

/* -- answering --------------------------------------------------------------------------------- */

/* Write what is asked for of each element to the client, or collect it in results. Returns how many
 * there are. */
static uint64_t emit(struct sorting *s, struct bytes *results)
{
    struct reply *r = s->call->reply;
    uint64_t count = 0;
    for (uint64_t i = s->from; i < s->end; i++) {
        struct bytes element = s->items[i].text;
        int gets = s->o.gets > 0 ? s->o.gets : 1;
        for (int g = 0, arg = 2; g < gets; g++, count++) {
            struct found found = {.text = element};
            bool there =
                s->o.gets == 0 || look_up(s->call, next_get(s->call, &arg), element, &found);
            if (results != NULL)
                results[count] = there ? arena_copy(&s->texts, found.text) : bytes_of("", 0);
            else if (there)
                reply_bulk(r, found.text);
            else
                reply_null(r);
        }
    }
    return count;
}

static void store(struct sorting *s, uint64_t count)
{
    struct call *call = s->call;
    struct keyspace *ks = call->keys;
    struct bytes *results = count > 0 ? mem_alloc(count * sizeof *results) : NULL;
    if (count > 0)
        emit(s, results);
    struct key key = call_key(call, s->o.store);
    if (count > 0) {
        struct entry *old = call_find_for_write(call, s->o.store);
        struct entry *e = list_build(&ks->limits.list, key.name, results, count);
        if (old != NULL)
            keyspace_replace(ks, call->db, old, e, key.hash);
        else
            keyspace_add(ks, call->db, e, key.hash);
        keyspace_changed_by(ks, call->db, key.name, EVENT_LIST, "sortstore", count);
    } else if (keyspace_remove(ks, call->db, key, ks->lazy_server_del)) { /* dead ones, too */
        keyspace_changed(ks, call->db, key.name, EVENT_GENERIC, "del");
    }
    mem_free(results);
    reply_int(call->reply, (int64_t)count);
}

static void sort(struct sorting *s)
{
    struct call *call = s->call;
    if (!s->o.unsorted && !weigh(s)) {
        reply_error(call->reply, "ERR One or more scores can't be converted into double");
        return;
    }
    if (!s->o.unsorted && s->count > 1)
        qsort_r(s->items, s->count, sizeof *s->items, compare, &s->o);
    uint64_t count = (s->end - s->from) * (s->o.gets > 0 ? (uint64_t)s->o.gets : 1);
    if (s->o.store > 0) {
        store(s, count);
        return;
    }
    reply_array(call->reply, (int64_t)count);
    emit(s, NULL);
}

static void run(struct call *call, bool may_store)
{
    struct sorting s = {.call = call};
    if (!options_or_reply(call, may_store, &s.o))
        return;
    struct entry *e = call_find(call, 1);
    if (e != NULL && entry_type(e) != TYPE_LIST && entry_type(e) != TYPE_SET &&
        entry_type(e) != TYPE_ZSET) {
        reply_wrong_type(call);
        return;
    }
    /* A set has no order of its own; what is stored must be the same wherever it is computed. */
    bool must_agree = s.o.store > 0 || call->client->conn == NULL; /* a script's */
    if (s.o.unsorted && must_agree && e != NULL && entry_type(e) == TYPE_SET) {
        s.o.unsorted = false;
        s.o.alpha = true;
        s.o.by.ptr = NULL;
    }
    load(&s, e);
    sort(&s);
    mem_free(s.items);
    arena_fini(&s.texts);
}

static void cmd_sort(struct call *call)
{
    run(call, true);
}

static void cmd_sort_ro(struct call *call)
{
    run(call, false);
}

/* The key that is sorted, and the last STORE's. */
static int sort_keys(const struct bytes *argv, int argc, struct key_position *out, int room)
{
    int target = 0;
    for (int i = 2; i < argc; i++) {
        if (bytes_is_word(argv[i], "limit"))
            i += 2;
        else if (bytes_is_word(argv[i], "get") || bytes_is_word(argv[i], "by"))
            i++;
        else if (bytes_is_word(argv[i], "store") && i + 1 < argc)
            target = i + 1;
    }
    if (room > 0)
        out[0] = (struct key_position){1, KEY_RO | KEY_ACCESS};
    if (room > 1 && target > 0)
        out[1] = (struct key_position){target, KEY_OW | KEY_UPDATE};
    return target > 0 ? 2 : 1;
}

static int sort_ro_keys(const struct bytes *argv, int argc, struct key_position *out, int room)
{
    (void)argv;
    (void)argc;
    if (room > 0)
        out[0] = (struct key_position){1, KEY_RO | KEY_ACCESS};
    return 1;
}

const struct command sort_commands[] = {
    {
        .name = "sort",
        .run = cmd_sort,
        .arity = -2,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_SET | CAT_SORTEDSET | CAT_LIST | CAT_DANGEROUS,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}, {KEY_RO | KEY_ACCESS, .unknown = true},
             {KEY_OW | KEY_UPDATE, .unknown = true}),
        .group = "generic",
        .since = "1.0.0",
        .summary = "Sorts the elements of a list, set or sorted set, and may store the result.",
        .complexity = "O(N+M*log(M)), N elements of which M are returned.",
        .get_keys = sort_keys,
        .args = "key:key#0 by-pattern:pattern=BY#1?~pattern limit=LIMIT{offset:integer "
                "count:integer}? get-pattern:pattern=GET#1?+~pattern order(asc:token=ASC|"
                "desc:token=DESC)? sorting:token=ALPHA? destination:key=STORE#2?",
    },
    {
        .name = "sort_ro",
        .run = cmd_sort_ro,
        .arity = -2,
        .flags = CMD_READONLY,
        .categories = CAT_SET | CAT_SORTEDSET | CAT_LIST | CAT_DANGEROUS,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}, {KEY_RO | KEY_ACCESS, .unknown = true}),
        .group = "generic",
        .since = "7.0.0",
        .summary = "Sorts the elements of a list, set or sorted set.",
        .complexity = "O(N+M*log(M)), N elements of which M are returned.",
        .get_keys = sort_ro_keys,
        .args = "key:key#0 by-pattern:pattern=BY#1?~pattern limit=LIMIT{offset:integer "
                "count:integer}? get-pattern:pattern=GET#1?+~pattern order(asc:token=ASC|"
                "desc:token=DESC)? sorting:token=ALPHA?",
    },
    {0},
};
