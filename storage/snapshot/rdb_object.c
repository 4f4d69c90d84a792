/*
 * rdb_object.c - the rows of rdb_object.h, and strings.
 */
#include "storage/snapshot/rdb_object.h"

#include "storage/string.h"

/* -- strings ----------------------------------------------------------------------------------- */

static void write_text(struct rdb_writer *w, const struct entry *e)
{
    char scratch[NUMBER_TEXT_MAX];
    if (entry_encoding(e) == ENC_INT)
        rdb_write_number(w, entry_int(e));
    else
        rdb_write_string(w, string_view(e, scratch));
}

static struct entry *read_text(struct rdb_reader *r, enum rdb_type type,
                               const struct rdb_place *place)
{
    (void)type;
    struct rdb_string s;
    struct entry *e = rdb_read_string(r, &s) ? string_create(place->key, s.text) : NULL;
    rdb_string_end(&s);
    return e;
}

static enum rdb_type text_type(const struct entry *e)
{
    (void)e;
    return RDB_STRING;
}

static enum rdb_type list_type(const struct entry *e)
{
    (void)e;
    return RDB_LIST_QUICKLIST_2;
}

/* -- writing ----------------------------------------------------------------------------------- */

static const struct {
    enum rdb_type (*type)(const struct entry *e);
    void (*write)(struct rdb_writer *w, const struct entry *e);
} writers[TYPE_COUNT] = {
    [TYPE_STRING] = {text_type, write_text},
    [TYPE_LIST] = {list_type, rdb_list_write},
    [TYPE_SET] = {rdb_set_type, rdb_set_write},
    [TYPE_ZSET] = {rdb_zset_type, rdb_zset_write},
    [TYPE_HASH] = {rdb_hash_type, rdb_hash_write},
    [TYPE_STREAM] = {rdb_stream_type, rdb_stream_write},
};

enum rdb_type rdb_type_of(const struct entry *e)
{
    return writers[entry_type(e)].type(e);
}

void rdb_write_value(struct rdb_writer *w, const struct entry *e)
{
    writers[entry_type(e)].write(w, e);
}

void rdb_write_dump(struct rdb_writer *w, const struct entry *e)
{
    enum rdb_type type = rdb_type_of(e);
    rdb_write_byte(w, (uint8_t)type);
    rdb_write_value(w, e);
    rdb_seal(w, rdb_version_of(type));
}

int rdb_version_of(enum rdb_type type)
{
    if (type >= RDB_HASH_METADATA_RC)
        return 12;
    return type >= RDB_SET_LISTPACK ? 11 : RDB_VERSION_USUAL;
}

/* -- reading ----------------------------------------------------------------------------------- */

typedef struct entry *reader(struct rdb_reader *r, enum rdb_type type,
                             const struct rdb_place *place);

static reader *const readers[] = {
    [RDB_STRING] = read_text,
    [RDB_LIST] = rdb_list_read,
    [RDB_LIST_ZIPLIST] = rdb_list_read,
    [RDB_LIST_QUICKLIST] = rdb_list_read,
    [RDB_LIST_QUICKLIST_2] = rdb_list_read,
    [RDB_SET] = rdb_set_read,
    [RDB_SET_INTSET] = rdb_set_read,
    [RDB_SET_LISTPACK] = rdb_set_read,
    [RDB_ZSET] = rdb_zset_read,
    [RDB_ZSET_2] = rdb_zset_read,
    [RDB_ZSET_ZIPLIST] = rdb_zset_read,
    [RDB_ZSET_LISTPACK] = rdb_zset_read,
    [RDB_HASH] = rdb_hash_read,
    [RDB_HASH_ZIPMAP] = rdb_hash_read,
    [RDB_HASH_ZIPLIST] = rdb_hash_read,
    [RDB_HASH_LISTPACK] = rdb_hash_read,
    [RDB_HASH_METADATA_RC] = rdb_hash_read,
    [RDB_HASH_LISTPACK_EX_RC] = rdb_hash_read,
    [RDB_HASH_METADATA] = rdb_hash_read,
    [RDB_HASH_LISTPACK_EX] = rdb_hash_read,
    [RDB_STREAM_LISTPACKS] = rdb_stream_read,
    [RDB_STREAM_LISTPACKS_2] = rdb_stream_read,
    [RDB_STREAM_LISTPACKS_3] = rdb_stream_read,
};

struct entry *rdb_read_value(struct rdb_reader *r, uint8_t type, const struct rdb_place *place)
{
    if (type < sizeof readers / sizeof readers[0] && readers[type] != NULL)
        return readers[type](r, (enum rdb_type)type, place);
    rdb_fail(r);
    return NULL;
}
