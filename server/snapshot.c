/*
 * snapshot.c - saving and loading, while everybody waits for it.
 */
#include "server/snapshot.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/executor.h"
#include "server/function_dump.h"
#include "server/log.h"
#include "server/scripts.h"
#include "server/server.h"
#include "server/snapshot_file.h"
#include "storage/eviction.h"
#include "storage/undo.h"

void snapshot_init(struct snapshot *p)
{
    *p = (struct snapshot){.last_seconds = -1, .saved_at = time(NULL)};
    void *shared =
        mmap(NULL, sizeof *p->news, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    p->news = shared != MAP_FAILED ? shared : NULL;
}

void snapshot_fini(struct snapshot *p)
{
    if (p->news != NULL)
        munmap((void *)p->news, sizeof *p->news);
    p->news = NULL;
}

/* -- saving ------------------------------------------------------------------------------------ */

/* Policies that look at access clocks. */
static bool keeps_clocks(const struct options *opt)
{
    switch ((enum eviction_policy)opt->maxmemory_policy) {
    case EVICT_ALLKEYS_LRU:
    case EVICT_ALLKEYS_LFU:
    case EVICT_VOLATILE_LRU:
    case EVICT_VOLATILE_LFU:
        return true;
    default:
        return false;
    }
}

static void write_functions(void *context, struct rdb_writer *w)
{
    const struct server *s = context;
    function_dump_write(scripts_functions(s->scripts), w);
}

bool snapshot_write_file(struct server *s, bool (*progress)(void *context, uint64_t keys),
                         const char **doing)
{
    struct rdb_save what = {
        .ks = s->keys,
        .compress = s->opt.rdbcompression,
        .checksum = s->opt.rdbchecksum,
        .clocks = keeps_clocks(&s->opt),
        .redis_version = REDIS_VERSION,
        .used_memory = mem_used(),
        .delay_us = s->opt.rdb_key_save_delay,
        .functions = write_functions,
        .progress = progress,
        .context = s,
    };
    return rdb_save_file(&what, s->opt.dbfilename, doing);
}

bool snapshot_save(struct server *s)
{
    struct snapshot *p = &s->snapshot;
    const char *doing;
    if (!snapshot_write_file(s, NULL, &doing)) {
        log_write(s->log, LOG_LEVEL_WARNING, "Failed %s the RDB file %s for saving: %s", doing,
                  s->opt.dbfilename, strerror(errno));
        return false;
    }
    log_write(s->log, LOG_LEVEL_NOTICE, "DB saved on disk");
    p->saved_dirty = s->keys->dirty;
    p->saved_at = time(NULL);
    p->last_failed = false;
    p->saves++;
    snapshot_arm(s);
    return true;
}

uint64_t snapshot_changes(const struct server *s)
{
    return s->keys->dirty - s->snapshot.saved_dirty;
}

/* -- loading ----------------------------------------------------------------------------------- */

static bool take_function(void *context, struct bytes code, struct text *error)
{
    return function_dump_take(context, code, false, error);
}

static bool merge_function(void *context, struct bytes code, struct text *error)
{
    return function_dump_take(context, code, true, error);
}

static void tell_aux(void *context, struct bytes name, struct bytes value)
{
    struct server *s = context;
    int64_t saved_at;
    if (bytes_is_word(name, "redis-ver"))
        log_write(s->log, LOG_LEVEL_NOTICE, "Loading RDB produced by version %.*s", (int)value.len,
                  value.ptr);
    else if (bytes_is_word(name, "ctime") && number_parse_i64(value, &saved_at))
        log_write(s->log, LOG_LEVEL_NOTICE, "RDB age %lld seconds",
                  (long long)((uint64_t)time(NULL) - (uint64_t)saved_at));
}

static void tell_empty(void *context, struct bytes key)
{
    struct server *s = context;
    log_write(s->log, LOG_LEVEL_WARNING, "skipping empty key: %.*s", (int)key.len, key.ptr);
}

static void tell_loaded(struct server *s, const struct rdb_load *how, int64_t started_us)
{
    s->snapshot.loaded = how->loaded;
    s->snapshot.expired = how->expired;
    log_write(s->log, LOG_LEVEL_NOTICE,
              "Done loading RDB, keys loaded: %llu, keys expired: %llu, empty keys skipped: %llu.",
              (unsigned long long)how->loaded, (unsigned long long)how->expired,
              (unsigned long long)how->empty);
    log_write(s->log, LOG_LEVEL_NOTICE, "DB loaded from disk: %.3f seconds",
              (double)(clock_mono_us() - started_us) / 1e6);
}

bool snapshot_load(struct server *s, bool merge)
{
    struct rdb_load how = {.ks = s->keys,
                           .checksum = s->opt.rdbchecksum,
                           .merge = merge,
                           .function = merge ? merge_function : take_function,
                           .aux = tell_aux,
                           .empty_key = tell_empty,
                           .context = s};
    int64_t started_us = clock_mono_us();
    enum rdb_load_result result = rdb_load_file(&how, s->opt.dbfilename);
    if (result == RDB_LOADED)
        tell_loaded(s, &how, started_us);
    else if (result == RDB_NOT_LOADED)
        log_write(s->log, LOG_LEVEL_WARNING, "Error loading the RDB file %s: %s", s->opt.dbfilename,
                  how.error.data);
    text_fini(&how.error);
    return result != RDB_NOT_LOADED;
}

/* -- refusing writes --------------------------------------------------------------------------- */

const char snapshot_misconf[] =
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
    "disk. Commands that may modify the data set are disabled, because this instance is configured "
    "to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error "
    "option). Please check the Redis logs for details about the RDB error.";

bool snapshot_forbids_writes(const struct server *s)
{
    return s->snapshot.last_failed && s->opt.stop_writes_on_bgsave_error && s->opt.save.count > 0;
}

void snapshot_arm(struct server *s)
{
    executor_arm(s, GATE_SNAPSHOT, snapshot_forbids_writes(s));
}
