/*
 * hash_due.c - when a hash's fields are due: all that the keyspace must know of hashes.
 */
#include "storage/hash_forms.h"

struct hash_times *hash_times(const struct entry *e)
{
    return entry_encoding(e) != ENC_LISTPACK ? entry_pointer(e) : NULL;
}

int64_t hash_due(const struct entry *e)
{
    if (entry_type(e) != TYPE_HASH)
        return DEADLINE_NONE;
    const struct hash_times *t = hash_times(e);
    return t != NULL ? t->due : DEADLINE_NONE;
}
