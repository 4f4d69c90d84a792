/*
 * errorstats.c - error codes and how often each was answered.
 *
 * Codes come from replies, scripts make them up, so their number is bounded: one code too many ends
 * the collection (with a line in the log) until CONFIG RESETSTAT. A sorted array is enough for so
 * few.
 */
#include "server/errorstats.h"

#include "base/memory.h"
#include "base/text.h"
#include "server/log.h"
#include "server/server.h"
#include "storage/lazyfree.h"

enum {
    CODES_MAX = 128,
    CODE_LEN_MAX = 32 /* a text without a space in its first bytes has no code: it counts as ERR */
};

struct code {
    char *name; /* owned */
    uint64_t count;
};

struct error_stats {
    struct code codes[CODES_MAX]; /* sorted by name */
    int count;
    bool disabled; /* codes has only DISABLED_CODE, and stays so */
};

static const char DISABLED_CODE[] = "ERRORSTATS_DISABLED";

struct error_stats *error_stats_create(void)
{
    return mem_alloc_zeroed(sizeof(struct error_stats));
}

static void destroy(void *stats)
{
    struct error_stats *e = stats;
    for (int i = 0; i < e->count; i++)
        mem_free(e->codes[i].name);
    mem_free(e);
}

void error_stats_destroy(struct error_stats *e)
{
    if (e != NULL)
        destroy(e);
}

void error_stats_reset(struct error_stats *e)
{
    for (int i = 0; i < e->count; i++)
        mem_free(e->codes[i].name);
    *e = (struct error_stats){0};
}

static struct bytes code_of(struct bytes text)
{
    size_t len = text.len < CODE_LEN_MAX ? text.len : CODE_LEN_MAX;
    const char *space = len > 0 ? memchr(text.ptr, ' ', len) : NULL;
    if (space == NULL)
        return bytes_of_text("ERR");
    return bytes_of(text.ptr, (size_t)(space - text.ptr));
}

/* Where the code is, or where it belongs. */
static int position(const struct error_stats *e, struct bytes code, bool *found)
{
    int low = 0, high = e->count;
    while (low < high) {
        int mid = (low + high) / 2;
        int order = bytes_compare(bytes_of_text(e->codes[mid].name), code);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *found = false;
    return low;
}

static void insert(struct error_stats *e, int at, struct bytes code)
{
    memmove(&e->codes[at + 1], &e->codes[at], (size_t)(e->count - at) * sizeof e->codes[0]);
    e->codes[at] = (struct code){mem_copy_bytes(code.ptr, code.len), 1};
    e->count++;
}

/* Too many codes: say which there were, end them in the background, and stop. */
static void disable(struct server *s)
{
    struct error_stats *full = s->errors;
    struct text names = {0};
    for (int i = 0; i < full->count; i++)
        text_addf(&names, "%s%s", i > 0 ? ", " : "", full->codes[i].name);
    log_write(
        s->log, LOG_LEVEL_WARNING,
        "Errorstats stopped adding new errors because the number of errors reached the limit (%d).",
        CODES_MAX);
    log_write(s->log, LOG_LEVEL_WARNING, "Current errors code list: %s", names.data);
    text_fini(&names);

    s->errors = error_stats_create();
    s->errors->disabled = true;
    insert(s->errors, 0, bytes_of_text(DISABLED_CODE));
    if (s->lazyfree != NULL)
        lazyfree_queue(s->lazyfree, destroy, full, (uint64_t)full->count);
    else
        destroy(full);
}

void error_stats_count(struct server *s, struct bytes error_text)
{
    struct error_stats *e = s->errors;
    s->stats.error_replies++;
    if (e->disabled)
        return;
    struct bytes code = code_of(error_text);
    bool found;
    int at = position(e, code, &found);
    if (found)
        e->codes[at].count++;
    else if (e->count < CODES_MAX)
        insert(e, at, code);
    else
        disable(s);
}

void error_stats_each(const struct error_stats *e,
                      void (*visit)(void *context, const char *code, uint64_t count), void *context)
{
    for (int i = 0; i < e->count; i++)
        visit(context, e->codes[i].name, e->codes[i].count);
}
