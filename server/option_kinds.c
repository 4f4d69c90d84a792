/*
 * option_kinds.c - options whose values are more than a number, a word or a text: lists, limits,
 * templates.
 *
 * Error texts are Redis's; tools and its tests look for them.
 */
#include "server/option_kinds.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/quote.h"
#include "server/title.h"
#include "storage/keyspace.h"

enum { ANY = INT32_MAX, BIND_MAX = 16, OOM_BOUND = 2000 };

/* -- words ------------------------------------------------------------------------------------- */

void words_add(struct words *w, struct bytes word)
{
    w->items = mem_resize(w->items, (size_t)(w->count + 1) * sizeof *w->items);
    w->items[w->count++] = mem_copy_bytes(word.ptr, word.len);
}

void words_clear(struct words *w)
{
    for (int i = 0; i < w->count; i++)
        mem_free(w->items[i]);
    mem_free(w->items);
    *w = (struct words){0};
}

static void own_words(void *field)
{
    struct words *w = field, plain = *w;
    *w = (struct words){0};
    for (int i = 0; i < plain.count; i++)
        words_add(w, bytes_of_text(plain.items[i]));
}

static void end_words(void *field)
{
    words_clear(field);
}

static void get_words(const struct option_row *row, const void *field, struct text *out)
{
    (void)row;
    const struct words *w = field;
    for (int i = 0; i < w->count; i++)
        text_addf(out, "%s%s", i > 0 ? " " : "", w->items[i]);
}

static bool set_bind(const struct option_row *row, void *field, const struct bytes *words,
                     int count, struct option_error *error)
{
    (void)row;
    if (count > BIND_MAX)
        return option_fail(error, "Too many bind addresses specified.");
    words_clear(field);
    for (int i = 0; i < count; i++)
        if (words[i].len > 0)
            words_add(field, words[i]);
    return true;
}

/* Pairs of old and new name. An initial value is one empty word, here and for user and loadmodule.
 */
/* Lines add up. */
static bool set_files(const struct option_row *row, void *field, const struct bytes *words,
                      int count, struct option_error *error)
{
    (void)row;
    (void)error;
    for (int i = 0; i < count; i++)
        if (words[i].len > 0)
            words_add(field, words[i]);
    return true;
}

static bool set_rename(const struct option_row *row, void *field, const struct bytes *words,
                       int count, struct option_error *error)
{
    (void)row;
    if (count == 1 && words[0].len == 0)
        return true;
    if (count != 2)
        return option_fail(error, "Bad directive or wrong number of arguments");
    words_add(field, words[0]);
    words_add(field, words[1]);
    return true;
}

/* The name that a user line begins with, as it is quoted there. */
static bool is_same_user(const char *line, struct bytes quoted_name)
{
    return strncmp(line, quoted_name.ptr, quoted_name.len) == 0;
}

/* Each item is one line, its words quoted. */
static bool set_user(const struct option_row *row, void *field, const struct bytes *words,
                     int count, struct option_error *error)
{
    (void)row;
    struct words *lines = field;
    if (count == 1 && words[0].len == 0)
        return true;
    struct text line = {0};
    quote_add(&line, words[0]);
    for (int i = 0; i < lines->count; i++)
        if (is_same_user(lines->items[i], text_view(&line))) {
            text_fini(&line);
            return option_fail(
                error,
                "Error in user declaration '%.*s': Duplicate user found. A user can only be "
                "defined once in config files",
                (int)words[0].len, words[0].ptr);
        }
    for (int i = 1; i < count; i++) {
        text_addf(&line, " ");
        quote_add(&line, words[i]);
    }
    words_add(lines, text_view(&line));
    text_fini(&line);
    return true;
}

static bool set_loadmodule(const struct option_row *row, void *field, const struct bytes *words,
                           int count, struct option_error *error)
{
    (void)row, (void)field;
    return (count == 1 && words[0].len == 0) || option_fail(error, "Modules are not supported");
}

/* -- save -------------------------------------------------------------------------------------- */

static bool parse_save_point(const struct bytes *words, struct save_point *out)
{
    return number_parse_i64(words[0], &out->seconds) && number_parse_i64(words[1], &out->changes) &&
           out->seconds >= 1 && out->changes >= 0 && out->changes <= INT32_MAX;
}

static bool set_save(const struct option_row *row, void *field, const struct bytes *words,
                     int count, struct option_error *error)
{
    (void)row;
    struct save_points *save = field, set = {0};
    set.items = mem_alloc((size_t)(count + 1) * sizeof *set.items);
    bool fine = count % 2 == 0;
    for (int i = 0; fine && i < count; i += 2)
        fine = parse_save_point(words + i, &set.items[set.count++]);
    if (!fine) {
        mem_free(set.items);
        return option_fail(error, "Invalid save parameters");
    }
    mem_free(save->items);
    *save = set;
    return true;
}

static void get_save(const struct option_row *row, const void *field, struct text *out)
{
    (void)row;
    const struct save_points *save = field;
    for (int i = 0; i < save->count; i++)
        text_addf(out, "%s%lld %lld", i > 0 ? " " : "", (long long)save->items[i].seconds,
                  (long long)save->items[i].changes);
}

static void own_save(void *field)
{
    struct save_points *save = field;
    const struct save_point *shared = save->items;
    save->items = mem_alloc((size_t)(save->count + 1) * sizeof *save->items);
    if (save->count > 0)
        memcpy(save->items, shared, (size_t)save->count * sizeof *save->items);
}

static void end_save(void *field)
{
    mem_free(((struct save_points *)field)->items);
}

/* -- client-output-buffer-limit ---------------------------------------------------------------- */

static int limit_class(struct bytes word)
{
    static const char *const classes[] = {"normal", "slave", "pubsub", "replica"};
    for (int i = 0; i < 4; i++)
        if (bytes_is_word(word, classes[i]))
            return i == 3 ? 1 : i;
    return -1;
}

static bool parse_limit(const struct bytes *words, struct output_limit *out)
{
    return number_parse_memory(words[0], &out->hard) && number_parse_memory(words[1], &out->soft) &&
           number_parse_i64(words[2], &out->soft_seconds) && out->soft_seconds >= 0 &&
           out->soft_seconds <= INT32_MAX;
}

/* Classes that are not named keep their limits. */
static bool set_output_limits(const struct option_row *row, void *field, const struct bytes *words,
                              int count, struct option_error *error)
{
    (void)row;
    struct output_limit limits[OUTPUT_LIMITS];
    memcpy(limits, field, sizeof limits);
    if (count % 4 != 0)
        return option_fail(error, "Wrong number of arguments in buffer limit configuration.");
    for (int i = 0; i < count; i += 4) {
        int class = limit_class(words[i]);
        if (class < 0)
            return option_fail(error,
                               "Invalid client class specified in buffer limit configuration.");
        if (!parse_limit(words + i + 1, &limits[class]))
            return option_fail(
                error,
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
    }
    memcpy(field, limits, sizeof limits);
    return true;
}

static void get_output_limits(const struct option_row *row, const void *field, struct text *out)
{
    (void)row;
    static const char *const classes[OUTPUT_LIMITS] = {"normal", "slave", "pubsub"};
    const struct output_limit *limits = field;
    for (int i = 0; i < OUTPUT_LIMITS; i++)
        text_addf(out, "%s%s %llu %llu %lld", i > 0 ? " " : "", classes[i],
                  (unsigned long long)limits[i].hard, (unsigned long long)limits[i].soft,
                  (long long)limits[i].soft_seconds);
}

/* -- oom-score-adj-values ---------------------------------------------------------------------- */

static bool set_oom_values(const struct option_row *row, void *field, const struct bytes *words,
                           int count, struct option_error *error)
{
    (void)row;
    int64_t values[OOM_VALUES];
    if (count != OOM_VALUES)
        return option_fail(error, "wrong number of arguments");
    for (int i = 0; i < OOM_VALUES; i++)
        if (!number_parse_i64(words[i], &values[i]) || values[i] < -OOM_BOUND ||
            values[i] > OOM_BOUND)
            return option_fail(
                error, "Invalid oom-score-adj-values, elements must be between -2000 and 2000.");
    memcpy(field, values, sizeof values);
    return true;
}

static void get_oom_values(const struct option_row *row, const void *field, struct text *out)
{
    (void)row;
    const int64_t *values = field;
    for (int i = 0; i < OOM_VALUES; i++)
        text_addf(out, "%s%lld", i > 0 ? " " : "", (long long)values[i]);
}

/* -- latency-tracking-info-percentiles: kept as text ------------------------------------------- */

/* Six decimals without trailing zeros, as Redis shows them. */
static void add_percentile(struct text *out, double value)
{
    char buf[64];
    int len = snprintf(buf, sizeof buf, "%.6f", value);
    while (buf[len - 1] == '0')
        len--;
    if (buf[len - 1] == '.')
        len--;
    text_addf(out, "%s%.*s", out->len > 0 ? " " : "", len, buf);
}

static bool set_percentiles(const struct option_row *row, void *field, const struct bytes *words,
                            int count, struct option_error *error)
{
    (void)row;
    struct text shown = {0};
    const char *wrong = NULL;
    for (int i = 0; wrong == NULL && i < count; i++) {
        double value;
        if (!number_parse_double(words[i], &value))
            wrong = "Invalid latency-tracking-info-percentiles parameters";
        else if (value < 0 || value > 100)
            wrong = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
        else
            add_percentile(&shown, value);
    }
    if (wrong == NULL)
        option_set_text_field(field, text_view(&shown));
    text_fini(&shown);
    return wrong == NULL || option_fail(error, "%s", wrong);
}

/* -- notify-keyspace-events -------------------------------------------------------------------- */

static const struct {
    char letter;
    int bit;
} events[] = {{'g', EVENT_GENERIC},   {'$', EVENT_STRING},  {'l', EVENT_LIST},
              {'s', EVENT_SET},       {'h', EVENT_HASH},    {'z', EVENT_ZSET},
              {'x', EVENT_EXPIRED},   {'e', EVENT_EVICTED}, {'t', EVENT_STREAM},
              {'d', NOTIFY_MODULE},   {'n', EVENT_NEW},     {'K', NOTIFY_KEYSPACE},
              {'E', NOTIFY_KEYEVENT}, {'m', EVENT_MISS}};
enum {
    EVENTS_OF_A = EVENT_GENERIC | EVENT_STRING | EVENT_LIST | EVENT_SET | EVENT_HASH | EVENT_ZSET |
                  EVENT_EXPIRED | EVENT_EVICTED | EVENT_STREAM | NOTIFY_MODULE,
    EVENT_LETTERS = sizeof events / sizeof events[0],
};

static bool set_events(const struct option_row *row, void *field, const struct bytes *words,
                       int count, struct option_error *error)
{
    (void)row, (void)count;
    int bits = 0;
    for (size_t at = 0; at < words[0].len; at++) {
        char letter = words[0].ptr[at];
        int i = 0;
        while (i < EVENT_LETTERS && events[i].letter != letter)
            i++;
        if (letter != 'A' && i == EVENT_LETTERS)
            return option_fail(error, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
        bits |= letter == 'A' ? EVENTS_OF_A : events[i].bit;
    }
    *(int *)field = bits;
    return true;
}

static void get_events(const struct option_row *row, const void *field, struct text *out)
{
    (void)row;
    int bits = *(const int *)field;
    if ((bits & EVENTS_OF_A) == EVENTS_OF_A) {
        text_addf(out, "A");
        bits &= ~(EVENTS_OF_A | EVENT_NEW); /* Redis does not show n beside A */
    }
    for (int i = 0; i < EVENT_LETTERS; i++)
        if (bits & events[i].bit)
            text_addf(out, "%c", events[i].letter);
}

/* -- secrets: any bytes, zero bytes included --------------------------------------------------- */

static bool set_secret(const struct option_row *row, void *field, const struct bytes *words,
                       int count, struct option_error *error)
{
    (void)row, (void)count, (void)error;
    struct text secret = {0};
    text_add(&secret, words[0]);
    text_fini(field);
    *(struct text *)field = secret;
    return true;
}

static void get_secret(const struct option_row *row, const void *field, struct text *out)
{
    (void)row;
    text_add(out, text_view(field));
}

static void own_secret(void *field)
{
    struct text *secret = field, plain = *secret;
    *secret = (struct text){0};
    text_add(secret, text_view(&plain));
}

static void end_secret(void *field)
{
    text_fini(field);
}

/* -- texts with a form of their own ------------------------------------------------------------ */

/* An absolute path, so that it means the same whatever is changed later; "" is where the process
 * is. */
static bool set_dir(const struct option_row *row, void *field, const struct bytes *words, int count,
                    struct option_error *error)
{
    (void)row, (void)count;
    char *path = mem_copy_bytes(words[0].ptr, words[0].len), real[PATH_MAX];
    struct stat status;
    bool is_initial = *(char **)field == NULL;
    bool fine = realpath(is_initial ? "." : path, real) != NULL && stat(real, &status) == 0;
    mem_free(path);
    if (!fine && !is_initial)
        return option_fail(error, "%s", strerror(errno));
    if (fine && !S_ISDIR(status.st_mode))
        return option_fail(error, "%s", strerror(ENOTDIR));
    return option_set_text_field(field, bytes_of_text(fine ? real : "."));
}

static bool set_title(const struct option_row *row, void *field, const struct bytes *words,
                      int count, struct option_error *error)
{
    (void)row, (void)count;
    char *template = mem_copy_bytes(words[0].ptr, words[0].len);
    bool fine = template[0] != '\0' && title_is_valid(template);
    mem_free(template);
    if (!fine)
        return option_fail(error, "template format is invalid or contains unknown variables");
    return option_set_text_field(field, words[0]);
}

/* "host port", or "" for none. */
static bool set_replicaof(const struct option_row *row, void *field, const struct bytes *words,
                          int count, struct option_error *error)
{
    (void)row;
    int64_t port;
    if (count == 1 && words[0].len == 0)
        return option_set_text_field(field, words[0]);
    if (count != 2)
        return option_fail(error, "wrong number of arguments");
    if (bytes_is_word(words[0], "no") && bytes_is_word(words[1], "one"))
        return option_set_text_field(field, bytes_of("", 0));
    if (!number_parse_i64(words[1], &port) || port < 0 || port > 65535)
        return option_fail(error, "Invalid master port");
    struct text both = {0};
    text_addf(&both, "%.*s %lld", (int)words[0].len, words[0].ptr, (long long)port);
    option_set_text_field(field, text_view(&both));
    text_fini(&both);
    return true;
}

#define TEXT_KIND(least, most, many, set)                                                          \
    {                                                                                              \
        least, most, many, set, option_get_text, option_own_text, option_end_text                  \
    }

const struct option_kind kind_bind = {0, ANY, true, set_bind, get_words, own_words, end_words};
const struct option_kind kind_rename = {1, 2, false, set_rename, get_words, own_words, end_words};
const struct option_kind kind_files = {1, ANY, false, set_files, get_words, own_words, end_words};
const struct option_kind kind_user = {1, ANY, false, set_user, get_words, own_words, end_words};
const struct option_kind kind_loadmodule = {1,         ANY,       false,    set_loadmodule,
                                            get_words, own_words, end_words};
const struct option_kind kind_save = {0, ANY, true, set_save, get_save, own_save, end_save};
const struct option_kind kind_output_limits = {
    0, ANY, true, set_output_limits, get_output_limits, NULL, NULL};
const struct option_kind kind_oom_values = {0,    ANY, true, set_oom_values, get_oom_values,
                                            NULL, NULL};
const struct option_kind kind_secret = {1,          1,          false,     set_secret,
                                        get_secret, own_secret, end_secret};
const struct option_kind kind_percentiles = TEXT_KIND(0, ANY, true, set_percentiles);
const struct option_kind kind_events = {1, 1, false, set_events, get_events, NULL, NULL};
const struct option_kind kind_dir = TEXT_KIND(1, 1, false, set_dir);
const struct option_kind kind_title = TEXT_KIND(1, 1, false, set_title);
const struct option_kind kind_replicaof = TEXT_KIND(1, 2, false, set_replicaof);
