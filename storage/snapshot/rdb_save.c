/*
 * rdb_save.c - writing a dataset to a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "storage/eviction.h"
#include "storage/snapshot/rdb_file.h"
#include "storage/snapshot/rdb_object.h"

enum { SYNC_EVERY = 4 * 1024 * 1024, PROGRESS_EVERY = 1024 };

/* -- the parts --------------------------------------------------------------------------------- */

static void write_aux(struct rdb_writer *w, const char *name, struct bytes value)
{
    rdb_write_byte(w, RDB_OP_AUX);
    rdb_write_string(w, bytes_of_text(name));
    rdb_write_string(w, value);
}

static void write_aux_number(struct rdb_writer *w, const char *name, int64_t value)
{
    char text[NUMBER_TEXT_MAX];
    write_aux(w, name, bytes_of(text, number_format_i64(text, value)));
}

/* The oldest version that has the forms of all values of a database. */
static int version_of_db(struct db *db)
{
    int version = RDB_VERSION_USUAL;
    struct dict_iter it;
    dict_iter_begin(&it, &db->keys);
    for (const struct entry *e; (e = dict_iter_next(&it)) != NULL;) {
        int needed = rdb_version_of(rdb_type_of(e));
        version = needed > version ? needed : version;
    }
    dict_iter_end(&it);
    return version;
}

static int version_of(const struct keyspace *ks)
{
    int version = RDB_VERSION_USUAL;
    for (int i = 0; i < ks->db_count; i++) {
        int needed = version_of_db(&ks->dbs[i]);
        version = needed > version ? needed : version;
    }
    return version;
}

static void write_head(struct rdb_writer *w, const struct rdb_save *what)
{
    char magic[16];
    int len = snprintf(magic, sizeof magic, "REDIS%04d", version_of(what->ks));
    rdb_write_raw(w, bytes_of(magic, (size_t)len));
    write_aux(w, "redis-ver", bytes_of_text(what->redis_version));
    write_aux_number(w, "redis-bits", (int64_t)sizeof(void *) * 8);
    write_aux_number(w, "ctime", time(NULL));
    write_aux_number(w, "used-mem", (int64_t)what->used_memory);
    write_aux_number(w, "aof-base", 0);
}

static void write_key(struct rdb_writer *w, const struct rdb_save *what, const struct entry *e)
{
    if (entry_expires(e)) {
        rdb_write_byte(w, RDB_OP_EXPIRETIME_MS);
        rdb_write_u64(w, (uint64_t)entry_deadline(e));
    }
    if (what->clocks && what->ks->lfu) {
        rdb_write_byte(w, RDB_OP_FREQ);
        rdb_write_byte(w, eviction_frequency(what->ks, e));
    } else if (what->clocks) {
        rdb_write_byte(w, RDB_OP_IDLE);
        rdb_write_length(w, (uint64_t)(eviction_idle_ms(what->ks, e) / 1000));
    }
    rdb_write_byte(w, (uint8_t)rdb_type_of(e));
    rdb_write_string(w, entry_key(e));
    rdb_write_value(w, e);
}

static void pause_after(const struct rdb_save *what, uint64_t keys)
{
    if (what->delay_us > 0)
        usleep((useconds_t)what->delay_us);
    else if (what->delay_us < 0 && keys % (uint64_t)-what->delay_us == 0)
        usleep(1);
}

/* False: give up. */
static bool write_db(struct rdb_writer *w, const struct rdb_save *what, struct db *db,
                     uint64_t *keys)
{
    rdb_write_byte(w, RDB_OP_SELECT_DB);
    rdb_write_length(w, (uint64_t)db->id);
    rdb_write_byte(w, RDB_OP_RESIZE_DB);
    rdb_write_length(w, db->keys.count);
    rdb_write_length(w, db->expiry.keys);
    bool go_on = true;
    struct dict_iter it;
    dict_iter_begin(&it, &db->keys);
    for (const struct entry *e; go_on && (e = dict_iter_next(&it)) != NULL;) {
        write_key(w, what, e);
        ++*keys;
        pause_after(what, *keys);
        if (what->progress != NULL && (*keys % PROGRESS_EVERY == 0 || what->delay_us != 0))
            go_on = what->progress(what->context, *keys);
    }
    dict_iter_end(&it);
    return go_on && !w->failed;
}

static bool write_all(struct rdb_writer *w, const struct rdb_save *what)
{
    uint64_t keys = 0;
    write_head(w, what);
    if (what->functions != NULL)
        what->functions(what->context, w);
    for (int i = 0; i < what->ks->db_count; i++)
        if (what->ks->dbs[i].keys.count > 0 && !write_db(w, what, &what->ks->dbs[i], &keys))
            return false;
    rdb_write_byte(w, RDB_OP_EOF);
    bool fine = rdb_writer_flush(w);
    rdb_write_u64(w, what->checksum ? w->crc : 0);
    return rdb_writer_flush(w) && fine;
}

/* -- the file ---------------------------------------------------------------------------------- */

struct target {
    int fd;
    size_t unsynced;
};

/* What is written goes to the disk little by little: one large sync at the end would hold up
 * everything else that is written. */
static bool drain(void *context, struct bytes part)
{
    struct target *t = context;
    t->unsynced += part.len;
    while (part.len > 0) {
        ssize_t len = write(t->fd, part.ptr, part.len);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            return false;
        part = bytes_of(part.ptr + len, part.len - (size_t)len);
    }
    if (t->unsynced >= SYNC_EVERY) {
        t->unsynced = 0;
        return fdatasync(t->fd) == 0;
    }
    return true;
}

static bool write_file(const struct rdb_save *what, int fd)
{
    struct target t = {fd, 0};
    struct rdb_writer w;
    rdb_writer_init(&w, what->compress);
    w.drain = drain;
    w.context = &t;
    bool fine = write_all(&w, what);
    rdb_writer_fini(&w);
    return fine && fsync(fd) == 0;
}

/* The new name is on the disk only when the folder is. */
static void sync_folder(const char *path)
{
    char *copy = mem_copy_text(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    mem_free(copy);
}

bool rdb_save_file(const struct rdb_save *what, const char *path, const char **doing)
{
    char temp[64];
    snprintf(temp, sizeof temp, "temp-%d.rdb", (int)getpid());
    *doing = "opening";
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    *doing = "writing";
    bool fine = write_file(what, fd);
    int error = errno;
    fine &= close(fd) == 0;
    if (fine && rename(temp, path) == 0) {
        sync_folder(path);
        return true;
    }
    error = fine ? errno : error;
    unlink(temp);
    errno = error;
    return false;
}
