/*
 * fuzz_restore.c - the readers of dumped values, fed with anything: the body of a payload, that is
 * what stands in front of RESTORE's footer.
 *
 * What is refused is refused in time and memory that the input justifies; what is taken is a sound
 * value, which comes back the same from what is written of it. Libfuzzer target: make fuzz.
 */
#include <stdlib.h>

#include "storage/hash.h"
#include "storage/list.h"
#include "storage/set.h"
#include "storage/snapshot/rdb_object.h"
#include "storage/value.h"
#include "storage/zset.h"

/* Small, so that all forms are met. */
static const struct limits limits = {
    .hash_listpack_entries = 8,
    .hash_listpack_value = 16,
    .set_intset_entries = 8,
    .set_listpack_entries = 8,
    .set_listpack_value = 16,
    .zset_listpack_entries = 8,
    .zset_listpack_value = 16,
    .list = {.fill = 4, .depth = 1},
};

static uint64_t check(const struct entry *e)
{
    switch (entry_type(e)) {
    case TYPE_LIST:
        list_check(e);
        return list_length(e);
    case TYPE_SET:
        set_check(e);
        return set_count(e);
    case TYPE_ZSET:
        zset_check(e);
        return zset_count(e);
    case TYPE_HASH:
        hash_check(e);
        return hash_count(e);
    default:
        return value_ops(entry_type(e))->memory(e, 0);
    }
}

static struct entry *read_value(struct bytes body)
{
    struct rdb_reader r = rdb_reader(body);
    struct rdb_place place = {&limits, bytes_of("key", 3)};
    uint8_t type = rdb_read_byte(&r);
    struct entry *e = r.failed ? NULL : rdb_read_value(&r, type, &place);
    if (e != NULL && r.failed)
        abort();
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct entry *e = read_value(bytes_of(data, size));
    if (e == NULL)
        return 0;
    uint64_t count = check(e);
    if (count == 0 && entry_type(e) != TYPE_STRING)
        abort();
    struct rdb_writer w;
    rdb_writer_init(&w, data[0] & 1);
    rdb_write_byte(&w, (uint8_t)rdb_type_of(e));
    rdb_write_value(&w, e);
    struct entry *again = read_value(rdb_writer_view(&w));
    if (again == NULL || entry_type(again) != entry_type(e) || check(again) != count)
        abort();
    rdb_writer_fini(&w);
    value_end(again);
    value_end(e);
    return 0;
}
