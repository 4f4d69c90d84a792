/*
 * rdb_stream.c - streams in the dump format.
 *
 *   length, then that many blocks: a string of 16 bytes, its id, and a string, its listpack
 *   lengths: entries, last id; since 7.0 first id, largest deleted id, entries added
 *   length, then that many groups: name, last id; since 7.0 entries read
 *     length, then what is pending: id, 8 bytes of time, length: deliveries
 *     length, then consumers: name, 8 bytes of time seen, since 7.2 8 bytes of time active
 *       length, then the ids that are pending for it
 *
 * An id is two lengths among lengths, and 16 bytes (big endian, so that bytes order as ids do)
 * where it is a key. What 7.0 does not have is when consumers were active: it takes them for active
 * when they were seen, so a stream where that is true is written in its form.
 */
#include "storage/listpack.h"
#include "storage/snapshot/rdb_object.h"
#include "storage/stream_group.h"

enum { ID_BYTES = 16, TIME_BYTES = 8 };

/* -- writing ----------------------------------------------------------------------------------- */

static bool tells_activity(const struct stream_group *g)
{
    for (uint32_t i = 0; i < g->consumers.count; i++) {
        const struct stream_consumer *c = stream_consumer_at(g, i);
        if (c->active_ms != c->seen_ms)
            return true;
    }
    return false;
}

enum rdb_type rdb_stream_type(const struct entry *e)
{
    const struct stream *s = stream_of(e);
    for (uint32_t i = 0; i < s->groups.count; i++)
        if (tells_activity(stream_group_at(s, i)))
            return RDB_STREAM_LISTPACKS_3;
    return RDB_STREAM_LISTPACKS_2;
}

static void write_id(struct rdb_writer *w, struct stream_id id)
{
    rdb_write_length(w, id.ms);
    rdb_write_length(w, id.seq);
}

static struct bytes id_key(struct stream_id id, char key[ID_BYTES])
{
    for (int i = 0; i < 8; i++) {
        key[i] = (char)(id.ms >> (56 - 8 * i));
        key[8 + i] = (char)(id.seq >> (56 - 8 * i));
    }
    return bytes_of(key, ID_BYTES);
}

static void write_consumer(struct rdb_writer *w, const struct stream_consumer *c, bool with_active)
{
    char key[ID_BYTES];
    struct idcursor at = idtree_first(&c->pending);
    rdb_write_string(w, c->name);
    rdb_write_u64(w, (uint64_t)c->seen_ms);
    if (with_active)
        rdb_write_u64(w, (uint64_t)c->active_ms);
    rdb_write_length(w, c->pending.count);
    for (; at.node != NULL; idcursor_next(&at))
        rdb_write_raw(w, id_key(idcursor_id(&at), key));
}

static void write_group(struct rdb_writer *w, const struct stream_group *g, bool with_active)
{
    char key[ID_BYTES];
    struct idcursor at = idtree_first(&g->pending);
    rdb_write_string(w, g->name);
    write_id(w, g->last_id);
    rdb_write_length(w, (uint64_t)g->entries_read);
    rdb_write_length(w, g->pending.count);
    for (; at.node != NULL; idcursor_next(&at)) {
        const struct stream_pending *p = idcursor_value(&g->pending, &at);
        rdb_write_raw(w, id_key(idcursor_id(&at), key));
        rdb_write_u64(w, (uint64_t)p->delivered_ms);
        rdb_write_length(w, p->deliveries);
    }
    rdb_write_length(w, g->consumers.count);
    for (uint32_t i = 0; i < g->consumers.count; i++)
        write_consumer(w, stream_consumer_at(g, i), with_active);
}

void rdb_stream_write(struct rdb_writer *w, const struct entry *e)
{
    const struct stream *s = stream_of(e);
    const struct stream_facts *f = &s->facts;
    bool with_active = rdb_stream_type(e) == RDB_STREAM_LISTPACKS_3;
    char key[ID_BYTES];
    struct idcursor at = idtree_first(&s->blocks);
    rdb_write_length(w, s->blocks.count);
    for (; at.node != NULL; idcursor_next(&at)) {
        const unsigned char *lp = stream_block_at(s, &at);
        rdb_write_string(w, id_key(idcursor_id(&at), key));
        rdb_write_string(w, bytes_of(lp, lp_bytes(lp)));
    }
    rdb_write_length(w, f->length);
    write_id(w, f->last_id);
    write_id(w, f->first_id);
    write_id(w, f->max_deleted_id);
    rdb_write_length(w, f->entries_added);
    rdb_write_length(w, s->groups.count);
    for (uint32_t i = 0; i < s->groups.count; i++)
        write_group(w, stream_group_at(s, i), with_active);
}

/* -- reading ----------------------------------------------------------------------------------- */

static struct stream_id read_id(struct rdb_reader *r)
{
    struct stream_id id;
    id.ms = rdb_read_length(r);
    id.seq = rdb_read_length(r);
    return id;
}

static struct stream_id id_of_key(struct bytes key)
{
    struct stream_id id = STREAM_ID_MIN;
    for (size_t i = 0; i < 8 && key.len == ID_BYTES; i++) {
        id.ms = id.ms << 8 | (unsigned char)key.ptr[i];
        id.seq = id.seq << 8 | (unsigned char)key.ptr[8 + i];
    }
    return id;
}

static struct stream_id read_key(struct rdb_reader *r)
{
    return id_of_key(rdb_read_raw(r, ID_BYTES));
}

static void read_block(struct rdb_reader *r, struct stream *s)
{
    struct rdb_string key, block;
    bool fine = rdb_read_string(r, &key);
    fine &= rdb_read_string(r, &block);
    if (fine &&
        (key.text.len != ID_BYTES || !stream_load_block(s, id_of_key(key.text), block.text)))
        rdb_fail_for(r, "Stream listpack integrity check failed");
    rdb_string_end(&block);
    rdb_string_end(&key);
}

/* Until 7.0 nobody counted what was added, or remembered what was deleted. */
static void read_facts(struct rdb_reader *r, enum rdb_type type, struct stream *s)
{
    struct stream_facts f = {.length = rdb_read_length(r)};
    f.last_id = read_id(r);
    f.entries_added = f.length;
    if (type != RDB_STREAM_LISTPACKS) {
        f.first_id = read_id(r);
        f.max_deleted_id = read_id(r);
        f.entries_added = rdb_read_length(r);
    }
    if (!r->failed && !stream_load_facts(s, &f))
        rdb_fail(r);
}

static void read_pending(struct rdb_reader *r, struct stream_group *g)
{
    uint64_t count = rdb_read_count(r, ID_BYTES + TIME_BYTES + 1);
    for (uint64_t i = 0; i < count && !r->failed; i++) {
        struct stream_id id = read_key(r);
        int64_t delivered_ms = (int64_t)rdb_read_u64(r);
        uint64_t deliveries = rdb_read_length(r);
        if (!r->failed && !stream_load_pending(g, id, delivered_ms, deliveries))
            rdb_fail(r);
    }
}

static void read_consumer(struct rdb_reader *r, enum rdb_type type, struct stream_group *g)
{
    struct rdb_string name;
    struct stream_consumer *c = NULL;
    rdb_read_string(r, &name);
    int64_t seen_ms = (int64_t)rdb_read_u64(r), active_ms = seen_ms;
    if (type == RDB_STREAM_LISTPACKS_3)
        active_ms = (int64_t)rdb_read_u64(r);
    uint64_t count = rdb_read_count(r, ID_BYTES);
    if (!r->failed && (c = stream_load_consumer(g, name.text, seen_ms, active_ms)) == NULL)
        rdb_fail_for(r, "Duplicate stream consumer detected");
    for (uint64_t i = 0; i < count && !r->failed; i++)
        if (!stream_load_owner(g, c, read_key(r)))
            rdb_fail(r);
    rdb_string_end(&name);
}

static void read_group(struct rdb_reader *r, enum rdb_type type, struct stream *s)
{
    enum { CONSUMER_LEAST = 1 + TIME_BYTES + 1 };
    struct rdb_string name;
    struct stream_group *g = NULL;
    rdb_read_string(r, &name);
    struct stream_id last_id = read_id(r);
    int64_t entries_read =
        type != RDB_STREAM_LISTPACKS ? (int64_t)rdb_read_length(r) : stream_added_until(s, last_id);
    if (!r->failed && (g = stream_load_group(s, name.text, last_id, entries_read)) == NULL)
        rdb_fail(r);
    rdb_string_end(&name);
    if (r->failed)
        return;
    read_pending(r, g);
    uint64_t consumers = rdb_read_count(r, CONSUMER_LEAST);
    for (uint64_t i = 0; i < consumers && !r->failed; i++)
        read_consumer(r, type, g);
    if (!r->failed && !stream_load_group_done(g))
        rdb_fail(r);
}

struct entry *rdb_stream_read(struct rdb_reader *r, enum rdb_type type,
                              const struct rdb_place *place)
{
    enum { BLOCK_LEAST = 2 + ID_BYTES, GROUP_LEAST = 5 };
    struct stream *s = stream_new();
    uint64_t blocks = rdb_read_count(r, BLOCK_LEAST);
    for (uint64_t i = 0; i < blocks && !r->failed; i++)
        read_block(r, s);
    read_facts(r, type, s);
    uint64_t groups = rdb_read_count(r, GROUP_LEAST);
    for (uint64_t i = 0; i < groups && !r->failed; i++)
        read_group(r, type, s);
    if (!r->failed)
        return stream_entry(s, place->key, DEADLINE_NONE);
    stream_destroy(s);
    return NULL;
}
