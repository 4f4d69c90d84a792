/*
 * value.c - the rows of value.h.
 */
#include "storage/value.h"

#include "storage/hash.h"
#include "storage/list.h"
#include "storage/set.h"
#include "storage/stream.h"
#include "storage/string.h"
#include "storage/zset.h"

static const struct value_ops string_ops = {
    .end = string_free_value,
    .effort = string_free_effort,
    .memory = string_memory,
    .copy = string_copy,
};

static const struct value_ops list_ops = {
    .end = list_free_value,
    .effort = list_free_effort,
    .memory = list_memory,
    .copy = list_copy,
};

static const struct value_ops hash_ops = {
    .end = hash_free_value,
    .effort = hash_free_effort,
    .memory = hash_memory,
    .copy = hash_copy,
    .members = hash_dict,
    .print = hash_print,
    .due = hash_due,
    .visit = hash_visit,
};

static const struct value_ops set_ops = {
    .end = set_free_value,
    .effort = set_free_effort,
    .memory = set_memory,
    .copy = set_copy,
    .members = set_dict,
    .print = set_print,
};

static const struct value_ops zset_ops = {
    .end = zset_free_value,
    .effort = zset_free_effort,
    .memory = zset_memory,
    .copy = zset_copy,
    .members = zset_dict,
    .print = zset_print,
    .due = zset_due,
    .visit = zset_visit,
};

static const struct value_ops stream_ops = {
    .end = stream_free_value,
    .effort = stream_free_effort,
    .memory = stream_memory,
    .copy = stream_copy,
};

const struct value_ops *value_ops(enum value_type type)
{
    static const struct value_ops *const rows[TYPE_COUNT] = {
        [TYPE_STRING] = &string_ops, [TYPE_LIST] = &list_ops, [TYPE_SET] = &set_ops,
        [TYPE_ZSET] = &zset_ops,     [TYPE_HASH] = &hash_ops, [TYPE_STREAM] = &stream_ops,
    };
    return rows[type];
}

int64_t value_due(const struct entry *e)
{
    const struct value_ops *ops = value_ops(entry_type(e));
    return ops->due != NULL ? ops->due(e) : DEADLINE_NONE;
}

void value_end(void *entry)
{
    struct entry *e = entry;
    value_ops(entry_type(e))->end(e);
    entry_free_shell(e);
}
