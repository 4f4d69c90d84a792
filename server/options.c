/*
 * options.c - the table of options, made from options.def, and the kinds that are a single number,
 * word or text.
 */
#include "server/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "base/memory.h"
#include "base/number.h"
#include "server/log.h"
#include "server/option_kinds.h"
#include "storage/eviction.h"

/* -- words of the enums: in the order in which Redis's error messages list them ---------------- */

static const struct word_value acl_pubsub_words[] = {{"allchannels", 1}, {"resetchannels", 0}, {0}};
static const struct word_value fsync_words[] = {
    {"everysec", FSYNC_EVERY_SECOND}, {"always", FSYNC_ALWAYS}, {"no", FSYNC_NO}, {0}};
static const struct word_value endpoint_words[] = {
    {"ip", 0}, {"hostname", 1}, {"unknown-endpoint", 2}, {0}};
static const struct word_value protected_words[] = {
    {"no", PROTECTED_NO}, {"yes", PROTECTED_YES}, {"local", PROTECTED_LOCAL}, {0}};
static const struct word_value loglevel_words[] = {
    {"debug", LOG_LEVEL_DEBUG},     {"verbose", LOG_LEVEL_VERBOSE}, {"notice", LOG_LEVEL_NOTICE},
    {"warning", LOG_LEVEL_WARNING}, {"nothing", LOG_LEVEL_NOTHING}, {0}};
static const struct word_value policy_words[] = {{"volatile-lru", EVICT_VOLATILE_LRU},
                                                 {"volatile-lfu", EVICT_VOLATILE_LFU},
                                                 {"volatile-random", EVICT_VOLATILE_RANDOM},
                                                 {"volatile-ttl", EVICT_VOLATILE_TTL},
                                                 {"allkeys-lru", EVICT_ALLKEYS_LRU},
                                                 {"allkeys-lfu", EVICT_ALLKEYS_LFU},
                                                 {"allkeys-random", EVICT_ALLKEYS_RANDOM},
                                                 {"noeviction", EVICT_NONE},
                                                 {0}};
/* The first of two words for one value is what CONFIG GET shows. */
static const struct word_value oom_words[] = {{"no", OOM_NO},
                                              {"yes", OOM_RELATIVE},
                                              {"relative", OOM_RELATIVE},
                                              {"absolute", OOM_ABSOLUTE},
                                              {0}};
static const struct word_value propagation_words[] = {
    {"ignore", 0}, {"panic", 1}, {"panic-on-replicas", 2}, {0}};
static const struct word_value diskless_words[] = {
    {"disabled", 0}, {"on-empty-db", 1}, {"swapdb", 2}, {0}};
static const struct word_value sanitize_words[] = {{"no", 0}, {"yes", 1}, {"clients", 2}, {0}};
static const struct word_value shutdown_words[] = {
    {"default", 0},        {"save", SHUTDOWN_SAVE},   {"nosave", SHUTDOWN_NOSAVE},
    {"now", SHUTDOWN_NOW}, {"force", SHUTDOWN_FORCE}, {0}};
static const struct word_value supervised_words[] = {{"upstart", SUPERVISED_UPSTART},
                                                     {"systemd", SUPERVISED_SYSTEMD},
                                                     {"auto", SUPERVISED_AUTO},
                                                     {"no", SUPERVISED_NO},
                                                     {0}};
static const struct word_value facility_words[] = {{"user", LOG_USER},     {"local0", LOG_LOCAL0},
                                                   {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2},
                                                   {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},
                                                   {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},
                                                   {"local7", LOG_LOCAL7}, {0}};
static const struct word_value tls_auth_words[] = {{"no", 0}, {"yes", 1}, {"optional", 2}, {0}};

/* -- the table --------------------------------------------------------------------------------- */

/* clang-format off */
static const struct option_row rows[OPTION_COUNT] = {
#define ROW(of, field, name, other, flag, ...) \
    [OPTION_##field] = {.known = {name, other, flag}, .kind = &of, .offset = offsetof(struct options, field), __VA_ARGS__},
#define NUMBER(of, field, name, other, flag, low, high, value) \
    ROW(of, field, name, other, flag, .min = low, .max = high, .initial = value)
#define BOOL(field, name, other, flag, value) ROW(kind_bool, field, name, other, flag, .initial = value)
#define INT(...) NUMBER(kind_int, __VA_ARGS__)
#define OCTAL(...) NUMBER(kind_octal, __VA_ARGS__)
#define BYTES(...) NUMBER(kind_bytes, __VA_ARGS__)
#define SHARE(field, name, other, flag, value) ROW(kind_share, field, name, other, flag, .initial = value)
#define ENUM(field, name, other, flag, table, value) \
    ROW(kind_enum, field, name, other, flag, .words = table, .initial = value)
#define SET(field, name, other, flag, table, value) \
    ROW(kind_set, field, name, other, flag, .words = table, .initial = value)
#define TEXT(field, name, other, flag, value) ROW(kind_text, field, name, other, flag, .initial_text = value)
#define OWN(type, size, field, name, other, flag, of, value) ROW(of, field, name, other, flag, .initial_text = value)
#include "server/options.def"
#undef NUMBER
#undef ROW
};
/* clang-format on */

static void *field_of(struct options *o, const struct option_row *row)
{
    return (char *)o + row->offset;
}

static const void *value_of(const struct options *o, const struct option_row *row)
{
    return (const char *)o + row->offset;
}

/* -- what kinds share -------------------------------------------------------------------------- */

bool option_fail(struct option_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return false;
}

bool option_set_text_field(void *field, struct bytes value)
{
    char *text = mem_copy_bytes(value.ptr, value.len);
    mem_free(*(char **)field);
    *(char **)field = text;
    return true;
}

void option_get_text(const struct option_row *row, const void *field, struct text *out)
{
    (void)row;
    text_add(out, bytes_of_text(*(char *const *)field));
}

void option_own_text(void *field)
{
    *(char **)field = mem_copy_text(*(char **)field);
}

void option_end_text(void *field)
{
    mem_free(*(char **)field);
}

/* -- kinds ------------------------------------------------------------------------------------- */

static bool set_bool(const struct option_row *row, void *field, const struct bytes *words,
                     int count, struct option_error *error)
{
    (void)row, (void)count;
    bool yes = bytes_is_word(words[0], "yes");
    if (!yes && !bytes_is_word(words[0], "no"))
        return option_fail(error, "argument must be 'yes' or 'no'");
    *(bool *)field = yes;
    return true;
}

static void get_bool(const struct option_row *row, const void *field, struct text *out)
{
    (void)row;
    text_addf(out, "%s", *(const bool *)field ? "yes" : "no");
}

/* The number if it is within the row's bounds. */
static bool set_number(const struct option_row *row, void *field, int64_t value,
                       struct option_error *error)
{
    if (value < row->min || value > row->max) {
        const char *form = row->kind == &kind_octal
                               ? "argument must be between %llo and %llo inclusive"
                               : "argument must be between %lld and %lld inclusive";
        snprintf(error->text, sizeof error->text, form, (long long)row->min, (long long)row->max);
        return false;
    }
    *(int64_t *)field = value;
    return true;
}

static bool set_int(const struct option_row *row, void *field, const struct bytes *words, int count,
                    struct option_error *error)
{
    (void)count;
    int64_t value;
    if (!number_parse_i64(words[0], &value))
        return option_fail(error, "argument couldn't be parsed into an integer");
    return set_number(row, field, value, error);
}

static void get_int(const struct option_row *row, const void *field, struct text *out)
{
    (void)row;
    text_addf(out, "%lld", (long long)*(const int64_t *)field);
}

static bool set_octal(const struct option_row *row, void *field, const struct bytes *words,
                      int count, struct option_error *error)
{
    (void)count;
    int64_t value = 0;
    for (size_t i = 0; i < words[0].len; i++) {
        char digit = words[0].ptr[i];
        if (digit < '0' || digit > '7' || words[0].len > 8)
            return option_fail(error, "argument couldn't be parsed as an octal number");
        value = value * 8 + (digit - '0');
    }
    return set_number(row, field, value, error);
}

static void get_octal(const struct option_row *row, const void *field, struct text *out)
{
    (void)row;
    text_addf(out, "%llo", (unsigned long long)*(const int64_t *)field);
}

/* An empty text is 0, as in Redis. */
static bool parse_memory(struct bytes word, int64_t *out)
{
    uint64_t value = 0;
    if (word.len > 0 && !number_parse_memory(word, &value))
        return false;
    *out = value > INT64_MAX ? INT64_MAX : (int64_t)value;
    return true;
}

static bool set_bytes(const struct option_row *row, void *field, const struct bytes *words,
                      int count, struct option_error *error)
{
    (void)count;
    int64_t value;
    if (!parse_memory(words[0], &value))
        return option_fail(error, "argument must be a memory value");
    return set_number(row, field, value, error);
}

static bool set_share(const struct option_row *row, void *field, const struct bytes *words,
                      int count, struct option_error *error)
{
    (void)row, (void)count;
    int64_t value;
    struct bytes word = words[0];
    if (word.len > 1 && word.ptr[word.len - 1] == '%') {
        if (!number_parse_i64(bytes_of(word.ptr, word.len - 1), &value) || value < 0)
            return option_fail(error, "argument must be a memory or percent value");
        if (value > 100)
            return option_fail(error, "percentage argument must be less or equal to 100");
        value = -value;
    } else if (!parse_memory(word, &value)) {
        return option_fail(error, "argument must be a memory or percent value");
    }
    *(int64_t *)field = value;
    return true;
}

static void get_share(const struct option_row *row, const void *field, struct text *out)
{
    (void)row;
    int64_t value = *(const int64_t *)field;
    text_addf(out, value < 0 ? "%lld%%" : "%lld", (long long)llabs(value));
}

static bool fail_words(const struct option_row *row, struct option_error *error)
{
    size_t len = (size_t)snprintf(error->text, sizeof error->text,
                                  "argument(s) must be one of the following: ");
    for (const struct word_value *w = row->words; w->word != NULL && len < sizeof error->text; w++)
        len += (size_t)snprintf(error->text + len, sizeof error->text - len, "%s%s",
                                w == row->words ? "" : ", ", w->word);
    return false;
}

static const struct word_value *find_word(const struct option_row *row, struct bytes word)
{
    const struct word_value *w = row->words;
    while (w->word != NULL && !bytes_is_word(word, w->word))
        w++;
    return w->word != NULL ? w : NULL;
}

static bool set_enum(const struct option_row *row, void *field, const struct bytes *words,
                     int count, struct option_error *error)
{
    (void)count;
    const struct word_value *w = find_word(row, words[0]);
    if (w == NULL)
        return fail_words(row, error);
    *(int *)field = w->value;
    return true;
}

static void get_enum(const struct option_row *row, const void *field, struct text *out)
{
    const struct word_value *w = row->words;
    while (w->word != NULL && w->value != *(const int *)field)
        w++;
    text_addf(out, "%s", w->word);
}

static bool set_set(const struct option_row *row, void *field, const struct bytes *words, int count,
                    struct option_error *error)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        const struct word_value *w = find_word(row, words[i]);
        if (w == NULL)
            return fail_words(row, error);
        value |= w->value;
    }
    if (count == 0)
        return fail_words(row, error);
    if ((value & SHUTDOWN_SAVE) && (value & SHUTDOWN_NOSAVE))
        return option_fail(error, "shutdown options SAVE and NOSAVE can't be used simultaneously");
    *(int *)field = value;
    return true;
}

static void get_set(const struct option_row *row, const void *field, struct text *out)
{
    int value = *(const int *)field;
    const char *separator = "";
    for (const struct word_value *w = row->words; w->word != NULL; w++)
        if (value == 0 ? w->value == 0 : (value & w->value) != 0) {
            text_addf(out, "%s%s", separator, w->word);
            separator = " ";
        }
}

static bool is_file_name(struct bytes value)
{
    return memchr(value.ptr, '/', value.len) == NULL;
}

/* What some texts must look like. */
static bool check_text(const struct option_row *row, struct bytes value, struct option_error *error)
{
    const char *name = row->known.name;
    switch (row - rows) {
    case OPTION_appendfilename:
    case OPTION_appenddirname:
        if (value.len == 0)
            return option_fail(error, "%s can't be empty", name);
        /* fall through */
    case OPTION_dbfilename:
        if (!is_file_name(value))
            return option_fail(error, "%s can't be a path, just a %s", name,
                               row - rows == OPTION_appenddirname ? "dirname" : "filename");
        return true;
    case OPTION_cluster_announce_hostname:
        for (size_t i = 0; i < value.len; i++)
            if (strchr("-.", value.ptr[i]) == NULL &&
                !((value.ptr[i] | 32) >= 'a' && (value.ptr[i] | 32) <= 'z') &&
                !(value.ptr[i] >= '0' && value.ptr[i] <= '9'))
                return option_fail(
                    error, "Hostnames may only contain alphanumeric characters, hyphens or dots");
        return true;
    default:
        return true;
    }
}

static bool set_text(const struct option_row *row, void *field, const struct bytes *words,
                     int count, struct option_error *error)
{
    (void)count;
    return check_text(row, words[0], error) && option_set_text_field(field, words[0]);
}

const struct option_kind kind_bool = {1, 1, false, set_bool, get_bool, NULL, NULL};
const struct option_kind kind_int = {1, 1, false, set_int, get_int, NULL, NULL};
const struct option_kind kind_octal = {1, 1, false, set_octal, get_octal, NULL, NULL};
const struct option_kind kind_bytes = {1, 1, false, set_bytes, get_int, NULL, NULL};
const struct option_kind kind_share = {1, 1, false, set_share, get_share, NULL, NULL};
const struct option_kind kind_enum = {1, 1, false, set_enum, get_enum, NULL, NULL};
const struct option_kind kind_set = {0, INT32_MAX, true, set_set, get_set, NULL, NULL};
const struct option_kind kind_text = {
    1, 1, false, set_text, option_get_text, option_own_text, option_end_text};

/* -- all of them ------------------------------------------------------------------------------- */

static void set_initial(struct options *o, const struct option_row *row)
{
    void *field = field_of(o, row);
    struct option_error ignored;
    if (row->initial_text != NULL)
        options_set(o, (enum option_id)(row - rows),
                    &(struct bytes){row->initial_text, strlen(row->initial_text)}, 1, &ignored);
    else if (row->kind == &kind_bool)
        *(bool *)field = row->initial != 0;
    else if (row->words != NULL)
        *(int *)field = (int)row->initial;
    else
        *(int64_t *)field = row->initial;
}

void options_init(struct options *o)
{
    *o = (struct options){.given = mem_alloc_zeroed(OPTION_COUNT * sizeof *o->given)};
    for (const struct option_row *row = rows; row < rows + OPTION_COUNT; row++)
        set_initial(o, row);
}

void options_fini(struct options *o)
{
    for (const struct option_row *row = rows; row < rows + OPTION_COUNT; row++)
        if (row->kind->end != NULL)
            row->kind->end(field_of(o, row));
    mem_free(o->given);
    *o = (struct options){0};
}

void options_copy(struct options *o, const struct options *from)
{
    *o = *from;
    for (const struct option_row *row = rows; row < rows + OPTION_COUNT; row++)
        if (row->kind->own != NULL)
            row->kind->own(field_of(o, row));
    o->given = mem_alloc(OPTION_COUNT * sizeof *o->given);
    memcpy(o->given, from->given, OPTION_COUNT * sizeof *o->given);
}

const struct option *option_at(enum option_id id)
{
    return &rows[id].known;
}

bool option_is_bytes(enum option_id id)
{
    return rows[id].kind == &kind_bytes;
}

enum option_id option_find(struct bytes name)
{
    for (int id = 0; id < OPTION_COUNT; id++) {
        const struct option *known = &rows[id].known;
        if (bytes_is_word(name, known->name) ||
            (known->alias != NULL && bytes_is_word(name, known->alias)))
            return (enum option_id)id;
    }
    return OPTION_COUNT;
}

void options_get(const struct options *o, enum option_id id, struct text *out)
{
    rows[id].kind->get(&rows[id], value_of(o, &rows[id]), out);
}

enum { WORDS_MAX = 256 };

/* At single blanks: two in a row enclose an empty word. Nothing is no word. */
static int split_at_blanks(struct bytes text, struct bytes *words)
{
    int count = 0;
    while (text.len > 0 && count < WORDS_MAX) {
        const char *blank = memchr(text.ptr, ' ', text.len);
        size_t len = blank != NULL ? (size_t)(blank - text.ptr) : text.len;
        words[count++] = bytes_of(text.ptr, len);
        if (blank == NULL)
            break;
        text = bytes_of(blank + 1, text.len - len - 1);
        if (text.len == 0 && count < WORDS_MAX)
            words[count++] = text;
    }
    return count;
}

bool options_set(struct options *o, enum option_id id, const struct bytes *words, int count,
                 struct option_error *error)
{
    const struct option_row *row = &rows[id];
    struct bytes split[WORDS_MAX];
    if (row->kind->many && count == 1) {
        count = split_at_blanks(words[0], split);
        words = split;
    }
    if (count < row->kind->least || count > row->kind->most)
        return option_fail(error, row->known.flags & OPTION_FILE_ONLY
                                      ? "Bad directive or wrong number of arguments"
                                      : "wrong number of arguments");
    if (!row->kind->set(row, field_of(o, row), words, count, error))
        return false;
    /* Redis bounds it without a word. */
    if (id == OPTION_hz)
        o->hz = o->hz < 1 ? 1 : o->hz > 500 ? 500 : o->hz;
    return true;
}

bool options_load(struct options *o, enum option_id id, const struct bytes *words, int count,
                  struct option_error *error)
{
    struct save_points before = {0};
    bool adds =
        id == OPTION_save && o->given[id] && count > 0 && !(count == 1 && words[0].len == 0);
    if (adds) {
        before = o->save;
        o->save = (struct save_points){0};
    }
    bool fine = options_set(o, id, words, count, error);
    if (adds) {
        struct save_points added = o->save;
        before.items = mem_resize(before.items,
                                  (size_t)(before.count + added.count + 1) * sizeof *before.items);
        if (added.count > 0)
            memcpy(before.items + before.count, added.items,
                   (size_t)added.count * sizeof *added.items);
        before.count += added.count;
        mem_free(added.items);
        o->save = before;
    }
    o->given[id] |= fine;
    return fine;
}

bool options_same(const struct options *a, const struct options *b, enum option_id id)
{
    struct text one = {0}, other = {0};
    options_get(a, id, &one);
    options_get(b, id, &other);
    bool same = bytes_equal(text_view(&one), text_view(&other));
    text_fini(&one);
    text_fini(&other);
    return same;
}
