/*
 * digest.c - chained XXH3 for what has an order, exclusive or for what has none.
 */
#include "server/digest.h"

#include <stdio.h>
#include <xxhash.h>

#include "storage/hash.h"
#include "storage/list.h"
#include "storage/set.h"
#include "storage/stream_group.h"
#include "storage/string.h"
#include "storage/zset.h"

void digest_mix(struct digest *d, struct bytes data)
{
    uint64_t first, second;
    uint32_t third;
    memcpy(&first, d->bytes, 8);
    memcpy(&second, d->bytes + 8, 8);
    memcpy(&third, d->bytes + 16, 4);
    XXH128_canonical_t wide;
    XXH128_canonicalFromHash(&wide, XXH3_128bits_withSeed(data.ptr, data.len, first ^ third));
    XXH64_canonical_t narrow;
    XXH64_canonicalFromHash(&narrow, XXH3_64bits_withSeed(data.ptr, data.len, ~second));
    memcpy(d->bytes, wide.digest, 16);
    memcpy(d->bytes + 16, narrow.digest, 4);
}

void digest_join(struct digest *d, const struct digest *part)
{
    for (int i = 0; i < DIGEST_LEN; i++)
        d->bytes[i] ^= part->bytes[i];
}

static void mix_string(struct digest *d, const struct entry *e)
{
    char scratch[NUMBER_TEXT_MAX];
    digest_mix(d, string_view(e, scratch));
}

/* Fields have no order; whether one has a deadline counts, when it is does not. */
static void mix_hash(struct digest *d, const struct entry *e)
{
    struct digest all = {0};
    struct hash_iter it;
    struct hash_field f;
    hash_iter_begin(&it, e);
    while (hash_iter_next(&it, &f)) {
        struct digest part = {0};
        digest_mix(&part, f.name);
        digest_mix(&part, f.value);
        if (f.deadline != DEADLINE_NONE)
            digest_mix(&part, bytes_of_text("expires"));
        digest_join(&all, &part);
    }
    hash_iter_end(&it);
    digest_mix(d, bytes_of(all.bytes, sizeof all.bytes));
}

static void mix_set(struct digest *d, const struct entry *e)
{
    struct digest all = {0};
    struct set_iter it;
    struct set_member m;
    set_iter_begin(&it, e);
    while (set_iter_next(&it, &m)) {
        struct digest part = {0};
        digest_mix(&part, m.text);
        digest_join(&all, &part);
    }
    set_iter_end(&it);
    digest_mix(d, bytes_of(all.bytes, sizeof all.bytes));
}

static void mix_zset(struct digest *d, const struct entry *e)
{
    struct zset_iter it;
    struct zset_item item;
    zset_iter_begin(&it, e, 0, false);
    while (zset_iter_next(&it, &item)) {
        digest_mix(d, item.name);
        digest_mix(d, bytes_of(&item.score, sizeof item.score));
    }
}

static void mix_list(struct digest *d, const struct entry *e)
{
    struct list_iter it;
    struct list_item item;
    char scratch[NUMBER_TEXT_MAX];
    list_iter_begin(&it, e, 0, false);
    while (list_iter_next(&it, &item))
        digest_mix(d, list_item_text(&item, scratch));
    list_iter_end(&it);
}

static void mix_id(struct digest *d, struct stream_id id)
{
    digest_mix(d, bytes_of(&id, sizeof id));
}

/* Who has what pending counts; when that was does not. */
static void mix_group(struct digest *d, const struct stream_group *g)
{
    digest_mix(d, g->name);
    mix_id(d, g->last_id);
    for (uint32_t i = 0; i < g->consumers.count; i++) {
        const struct stream_consumer *c = stream_consumer_at(g, i);
        struct idcursor at = idtree_first(&c->pending);
        digest_mix(d, c->name);
        for (; at.node != NULL; idcursor_next(&at))
            mix_id(d, idcursor_id(&at));
    }
}

static void mix_stream(struct digest *d, const struct entry *e)
{
    const struct stream *s = stream_of(e);
    struct stream_iter it;
    struct stream_item item;
    struct stream_pair pair;
    stream_iter_begin(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, false);
    while (stream_iter_next(&it, &item)) {
        mix_id(d, item.id);
        for (uint64_t i = 0; i < item.pairs; i++) {
            stream_iter_pair(&it, &pair);
            digest_mix(d, pair.field);
            digest_mix(d, pair.value);
        }
    }
    mix_id(d, s->facts.last_id);
    for (uint32_t i = 0; i < s->groups.count; i++)
        mix_group(d, stream_group_at(s, i));
}

/* How a type's value is folded in. A value type adds its row here. */
static void (*const mix_value[TYPE_COUNT])(struct digest *d, const struct entry *e) = {
    [TYPE_STRING] = mix_string, [TYPE_LIST] = mix_list, [TYPE_SET] = mix_set,
    [TYPE_ZSET] = mix_zset,     [TYPE_HASH] = mix_hash, [TYPE_STREAM] = mix_stream,
};

struct digest digest_value(const struct entry *e)
{
    struct digest d = {0};
    digest_mix(&d, bytes_of_text(entry_type_name(entry_type(e))));
    if (mix_value[entry_type(e)] != NULL)
        mix_value[entry_type(e)](&d, e);
    if (entry_expires(e))
        digest_mix(&d, bytes_of_text("expires"));
    return d;
}

struct digest digest_keyspace(struct keyspace *ks)
{
    struct digest whole = {0};
    for (int i = 0; i < ks->db_count; i++) {
        struct dict_iter it;
        dict_iter_begin(&it, &ks->dbs[i].keys);
        for (struct entry *e; (e = dict_iter_next(&it)) != NULL;) {
            if (keyspace_is_dead(ks, e))
                continue;
            struct digest key = {0}, value = digest_value(e);
            int32_t db = i;
            digest_mix(&key, bytes_of(&db, sizeof db));
            digest_mix(&key, entry_key(e));
            digest_mix(&key, bytes_of(value.bytes, sizeof value.bytes));
            digest_join(&whole, &key);
        }
        dict_iter_end(&it);
    }
    return whole;
}

void digest_format(const struct digest *d, char out[DIGEST_HEX_LEN + 1])
{
    for (int i = 0; i < DIGEST_LEN; i++)
        snprintf(out + 2 * (size_t)i, 3, "%02x", d->bytes[i]);
}
