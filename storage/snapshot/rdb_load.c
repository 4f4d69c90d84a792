/*
 * rdb_load.c - reading a dataset from a file.
 *
 * The file is mapped, so that all that is read is bytes at hand and nothing has to be buffered. A
 * file that is cut off while it is read would end the process; Redis gives up as well then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc64.h"
#include "base/memory.h"
#include "storage/eviction.h"
#include "storage/snapshot/rdb_file.h"
#include "storage/snapshot/rdb_object.h"
#include "storage/value.h"

enum { MAGIC = 9, VERSION_CHECKSUM = 5, LEAST_KEY = 3 };

/* Where reading is, and what was said of the key to come. */
struct loading {
    struct rdb_load *how;
    struct rdb_reader r;
    const unsigned char *start;
    int version, db;
    int64_t deadline, idle, frequency;
};

static bool refuse(struct loading *l, const char *why)
{
    if (l->how->error.len == 0)
        text_addf(&l->how->error, "%s (at byte %td)", why, l->r.at - l->start);
    return rdb_fail(&l->r);
}

static void forget_said(struct loading *l)
{
    l->deadline = DEADLINE_NONE;
    l->idle = l->frequency = -1;
}

/* -- keys -------------------------------------------------------------------------------------- */

static struct entry *with_deadline(struct entry *e, int64_t deadline)
{
    if (deadline == DEADLINE_NONE)
        return e;
    struct entry *dying = entry_rebuild(e, entry_key(e), deadline);
    entry_free_shell(e);
    return dying;
}

static bool make_way(struct loading *l, struct key key)
{
    struct keyspace *ks = l->how->ks;
    if (keyspace_find(ks, l->db, key) == NULL)
        return true;
    if (!l->how->merge)
        return refuse(l, "a key stands twice");
    return keyspace_remove(ks, l->db, key, false);
}

static void put(struct loading *l, struct key key, struct entry *e)
{
    struct keyspace *ks = l->how->ks;
    if (!make_way(l, key)) {
        value_end(e);
        return;
    }
    e = with_deadline(e, l->deadline);
    keyspace_add(ks, l->db, e, key.hash);
    if (ks->lfu && l->frequency >= 0)
        entry_set_clock(e, eviction_clock_of_frequency(ks, (uint8_t)l->frequency));
    else if (!ks->lfu && l->idle >= 0)
        entry_set_clock(e, eviction_clock_of_idle(ks, l->idle));
    l->how->loaded++;
}

static void read_key(struct loading *l, uint8_t type)
{
    struct rdb_string name;
    rdb_read_string(&l->r, &name);
    struct keyspace *ks = l->how->ks;
    struct rdb_place place = {&ks->limits, name.text};
    struct entry *e = l->r.failed ? NULL : rdb_read_value(&l->r, type, &place);
    if (l->r.failed) {
        refuse(l, l->r.why != NULL ? l->r.why : "a key or its value is not what it should be");
    } else if (e == NULL) {
        l->how->empty++;
        if (l->how->empty_key != NULL)
            l->how->empty_key(l->how->context, name.text);
    } else if (l->deadline != DEADLINE_NONE && l->deadline < ks->now_ms) {
        l->how->expired++;
        value_end(e);
    } else {
        put(l, key_of(name.text), e);
    }
    rdb_string_end(&name);
    forget_said(l);
}

/* -- what stands between them ------------------------------------------------------------------ */

static void read_aux(struct loading *l)
{
    struct rdb_string name, value;
    rdb_read_string(&l->r, &name);
    rdb_read_string(&l->r, &value);
    if (!l->r.failed && l->how->aux != NULL)
        l->how->aux(l->how->context, name.text, value.text);
    rdb_string_end(&name);
    rdb_string_end(&value);
}

static void read_function(struct loading *l)
{
    struct rdb_string code;
    if (rdb_read_string(&l->r, &code) && l->how->function != NULL &&
        !l->how->function(l->how->context, code.text, &l->how->error))
        refuse(l, "a library of functions was refused");
    rdb_string_end(&code);
}

static void select_db(struct loading *l)
{
    uint64_t id = rdb_read_length(&l->r);
    if (id >= (uint64_t)l->how->ks->db_count)
        refuse(l, "it holds more databases than there are: see the directive databases");
    else
        l->db = (int)id;
}

/* Room for the keys to come: no more than the file can hold. */
static void expect_keys(struct loading *l)
{
    uint64_t keys = rdb_read_length(&l->r);
    rdb_read_length(&l->r);
    if (keys > 0 && keys <= rdb_left(&l->r) / LEAST_KEY)
        dict_expect(&l->how->ks->dbs[l->db].keys, l->how->ks->dbs[l->db].keys.count + keys);
}

static void read_deadline(struct loading *l, uint64_t ms)
{
    if (ms > INT64_MAX)
        refuse(l, "a deadline is beyond all time");
    else
        l->deadline = (int64_t)ms;
}

static void skip_slot(struct loading *l)
{
    for (int i = 0; i < 3; i++)
        rdb_read_length(&l->r);
}

/* Everything but the end of the file. */
static void read_part(struct loading *l, uint8_t what)
{
    switch (what) {
    case RDB_OP_EXPIRETIME_MS:
        read_deadline(l, rdb_read_u64(&l->r));
        break;
    case RDB_OP_EXPIRETIME:
        read_deadline(l, (uint64_t)rdb_read_u32(&l->r) * 1000);
        break;
    case RDB_OP_FREQ:
        l->frequency = rdb_read_byte(&l->r);
        break;
    case RDB_OP_IDLE:
        l->idle = (int64_t)(rdb_read_length(&l->r) & INT64_MAX);
        break;
    case RDB_OP_SELECT_DB:
        select_db(l);
        break;
    case RDB_OP_RESIZE_DB:
        expect_keys(l);
        break;
    case RDB_OP_AUX:
        read_aux(l);
        break;
    case RDB_OP_SLOT_INFO:
        skip_slot(l);
        break;
    case RDB_OP_FUNCTION:
        read_function(l);
        break;
    case RDB_OP_FUNCTION_RC:
        refuse(l, "functions of a release candidate are not read");
        break;
    case RDB_OP_MODULE_AUX:
        refuse(l, "it holds data of a module");
        break;
    default:
        read_key(l, what);
    }
}

/* -- all --------------------------------------------------------------------------------------- */

static bool read_magic(struct loading *l)
{
    struct bytes magic = rdb_read_raw(&l->r, MAGIC);
    int64_t version;
    if (l->r.failed || memcmp(magic.ptr, "REDIS", 5) != 0)
        return refuse(l, "Wrong signature trying to load DB from file");
    char digits[4];
    memcpy(digits, magic.ptr + 5, sizeof digits);
    size_t zeros = 0;
    while (zeros < 3 && digits[zeros] == '0')
        zeros++;
    if (!number_parse_i64(bytes_of(digits + zeros, sizeof digits - zeros), &version) ||
        version < 1 || version > RDB_VERSION_MAX) {
        text_addf(&l->how->error, "Can't handle RDB format version %.4s", digits);
        return rdb_fail(&l->r);
    }
    l->version = (int)version;
    return true;
}

static bool read_checksum(struct loading *l)
{
    if (l->version < VERSION_CHECKSUM)
        return true;
    struct bytes summed = bytes_of(l->start, (size_t)(l->r.at - l->start));
    uint64_t told = rdb_read_u64(&l->r);
    if (l->r.failed)
        return refuse(l, "it ends in its checksum");
    if (!l->how->checksum || told == 0 || told == crc64(0, summed))
        return true;
    return refuse(l, "RDB CRC error");
}

bool rdb_load_bytes(struct rdb_load *how, struct bytes data)
{
    struct loading l = {.how = how, .r = rdb_reader(data)};
    l.start = l.r.at;
    forget_said(&l);
    if (!read_magic(&l))
        return false;
    while (!l.r.failed && rdb_left(&l.r) > 0) {
        uint8_t what = rdb_read_byte(&l.r);
        if (what == RDB_OP_EOF)
            return read_checksum(&l);
        read_part(&l, what);
    }
    return refuse(&l, "Unexpected end of file, or what is in it is not what it should be");
}

enum rdb_load_result rdb_load_file(struct rdb_load *how, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return RDB_NO_FILE;
    struct stat st;
    bool loaded = false;
    if (fd < 0 || fstat(fd, &st) != 0) {
        text_addf(&how->error, "%s", strerror(errno));
    } else {
        size_t len = (size_t)st.st_size;
        void *map = len > 0 ? mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
        if (map == MAP_FAILED) {
            text_addf(&how->error, "%s", strerror(errno));
        } else {
            if (len > 0)
                madvise(map, len, MADV_SEQUENTIAL);
            loaded = rdb_load_bytes(how, bytes_of(map, len));
            if (len > 0)
                munmap(map, len);
        }
    }
    if (fd >= 0)
        close(fd);
    return loaded ? RDB_LOADED : RDB_NOT_LOADED;
}
