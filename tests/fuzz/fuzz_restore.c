/*
 * fuzz_restore.c - the readers of dumped values, fed with anything: the body of a payload, that is
 * what stands in front of RESTORE's footer.
 *
 * What is refused is refused in time and memory that the input justifies; what is taken is a sound
 * value, which comes back the same from what is written of it. It can be changed, and is what it
 * was when the changes are taken back. Libfuzzer target: make fuzz.
 */
#include <stdlib.h>

#include "base/crc64.h"
#include "base/memory.h"
#include "base/random.h"
#include "server/digest.h"
#include "storage/hash.h"
#include "storage/list.h"
#include "storage/listpack.h"
#include "storage/set.h"
#include "storage/snapshot/rdb_object.h"
#include "storage/stream_group.h"
#include "storage/string.h"
#include "storage/undo.h"
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

/* What is inside is sound; how many elements that is. */
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
    case TYPE_STREAM:
        stream_check(e);
        return stream_of(e)->facts.length;
    default:
        return string_length(e);
    }
}

static bool may_be_empty(const struct entry *e)
{
    return entry_type(e) == TYPE_STRING || entry_type(e) == TYPE_STREAM;
}

static struct key the_key(void)
{
    return key_of(bytes_of_text("key"));
}

/* -- changes ----------------------------------------------------------------------------------- */

enum { TEXT_MAX = 64, CHANGES = 12 };

static struct bytes random_text(char room[TEXT_MAX])
{
    if (random_below(2))
        return bytes_of(room, number_format_i64(room, (int64_t)random_u64() >> random_below(64)));
    size_t len = random_below(TEXT_MAX);
    memset(room, 'a' + (int)random_below(3), len);
    return bytes_of(room, len);
}

/* A copy of what would end with the change; bytes_end() ends it. */
static struct bytes bytes_copied(struct bytes text)
{
    char *copy = mem_alloc(text.len + 1);
    bytes_copy(copy, text.ptr, text.len);
    return bytes_of(copy, text.len);
}

static void bytes_end(struct bytes copy)
{
    mem_free((char *)copy.ptr);
}

static void change_string(struct keyspace *ks, struct entry *e)
{
    char room[TEXT_MAX];
    struct key key = the_key();
    struct bytes text = random_text(room);
    switch (random_below(3)) {
    case 0:
        string_append(ks, 0, e, key.hash, text);
        break;
    case 1:
        if (text.len > 0)
            string_set_range(ks, 0, e, key.hash, random_below(string_length(e) + 3), text);
        break;
    default:
        string_set(ks, 0, e, key, text, DEADLINE_NONE);
    }
}

static void remove_from_list(struct keyspace *ks, struct entry *e, enum list_end from, uint64_t at)
{
    char scratch[NUMBER_TEXT_MAX];
    struct list_iter it;
    struct list_item item;
    list_item_at(&it, e, at, &item);
    struct bytes text = bytes_copied(list_item_text(&item, scratch));
    list_iter_end(&it);
    list_remove(ks, e, from, text, random_below(3));
    bytes_end(text);
}

static void change_list(struct keyspace *ks, struct entry *e)
{
    char room[TEXT_MAX];
    struct bytes text = random_text(room);
    uint64_t length = list_length(e), at = random_below(length);
    enum list_end end = random_below(2) ? LIST_HEAD : LIST_TAIL;
    switch (random_below(6)) {
    case 0:
        list_push(ks, e, end, &text, 1);
        break;
    case 1:
        list_drop(ks, e, end, 1 + random_below(random_below(4) ? 1 : length));
        break;
    case 2:
        list_insert(ks, e, at, text);
        break;
    case 3:
        list_replace(ks, e, at, text);
        break;
    case 4:
        list_trim(ks, e, random_below(at + 1), at);
        break;
    default:
        remove_from_list(ks, e, end, at);
    }
}

static void change_set(struct keyspace *ks, struct entry *e)
{
    char room[TEXT_MAX];
    struct set_at at = set_in(ks, e);
    struct set_member m;
    if (random_below(3) == 0) {
        set_add(&at, random_text(room));
        return;
    }
    set_random(e, &m);
    struct bytes member = bytes_copied(m.text);
    set_remove(&at, member);
    bytes_end(member);
}

static void change_zset(struct keyspace *ks, struct entry *e)
{
    char room[TEXT_MAX];
    struct zset_at at = zset_in(ks, e);
    struct zset_iter it;
    struct zset_item item;
    struct zset_place place;
    uint64_t count = zset_count(e), rank = random_below(count), kind = random_below(6);
    zset_iter_begin(&it, e, rank, false);
    zset_iter_next(&it, &item);
    struct bytes name = bytes_copied(kind < 2 ? random_text(room) : item.name);
    bool found = zset_find(e, name, &place);
    if (kind < 3)
        zset_put(&at, &place, (double)random_below(5) - 2.5);
    else if (kind < 4)
        zset_remove_ranks(&at, rank, 1 + random_below(count - rank));
    else if (kind < 5)
        zset_remove_span(ks, 0, e, rank, 1 + random_below(count - rank));
    else if (found)
        zset_remove(&at, &place);
    else
        abort();
    bytes_end(name);
}

static void change_hash(struct keyspace *ks, struct entry *e)
{
    char room[2][TEXT_MAX];
    struct hash_at at = {.ks = ks, .key = the_key(), .e = e};
    struct hash_field f;
    int64_t deadline = random_below(2) ? DEADLINE_NONE : 1 + (int64_t)random_below(1000);
    uint64_t kind = random_below(5);
    hash_random(e, &f);
    struct bytes name = bytes_copied(kind < 1 ? random_text(room[0]) : f.name);
    if (kind < 2)
        hash_set(&at, name, random_text(room[1]), NULL, deadline);
    else if (kind < 3)
        hash_set_deadline(&at, name, deadline);
    else if (!hash_delete(&at, name))
        abort();
    bytes_end(name);
}

/* The id of some entry that lives; false: there is none. */
static bool random_entry(const struct stream *s, struct stream_id *id)
{
    struct stream_iter it;
    struct stream_item item = {.pairs = 0};
    if (s->facts.length == 0)
        return false;
    stream_iter_begin(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, random_below(2));
    for (uint64_t steps = random_below(s->facts.length) + 1; steps > 0; steps--)
        if (!stream_iter_next(&it, &item))
            abort();
    *id = item.id;
    return true;
}

static void change_group(struct keyspace *ks, struct stream *s, struct stream_id id)
{
    if (s->groups.count == 0)
        return;
    struct stream_group *g = stream_group_at(s, (uint32_t)random_below(s->groups.count));
    struct stream_consumer *c = NULL;
    if (g->consumers.count > 0)
        c = stream_consumer_at(g, (uint32_t)random_below(g->consumers.count));
    struct idcursor first = idtree_first(&g->pending);
    uint64_t kind = random_below(8);
    if (kind == 0)
        stream_group_destroy(ks, s, g);
    else if (kind == 1)
        stream_group_set_position(ks, g, id, ENTRIES_READ_UNKNOWN);
    else if (kind == 2 && c != NULL)
        stream_consumer_destroy(ks, g, c);
    else if (kind < 5 && c != NULL)
        stream_pending_put(ks, g, id, (struct stream_pending){c, 5, 1});
    else if (kind == 5)
        stream_drop_refs(ks, s, id);
    else if (first.node != NULL)
        stream_pending_remove(ks, g, idcursor_id(&first));
}

static void change_stream(struct keyspace *ks, struct entry *e)
{
    struct stream *s = stream_of(e);
    struct stream_id id = s->facts.last_id, next = id;
    struct stream_facts facts = s->facts;
    char room[TEXT_MAX];
    struct bytes words[2] = {random_text(room), bytes_of_text("b")};
    struct stream_trim trim = {
        .refs = (enum stream_refs)random_below(3),
        .by_id = random_below(2),
        .approximate = random_below(2),
        .length = random_below(facts.length + 1),
    };
    bool lives = random_entry(s, &id);
    trim.min_id = id;
    uint64_t kind = random_below(8);
    if (kind < 2 && lives) {
        if (!stream_delete(ks, s, id))
            abort();
    } else if (kind < 3) {
        stream_trim(ks, s, &trim);
    } else if (kind < 4) {
        stream_edge(s, true, &facts.last_id);
        stream_set_facts(ks, s, &facts);
    } else if (kind < 6 && stream_id_increment(&next)) {
        stream_add(ks, s, next, words, 2);
    } else {
        change_group(ks, s, id);
    }
}

/* -- taking them back -------------------------------------------------------------------------- */

/* Are the counts of all blocks as short as they can be? They are so when they have changed. */
static bool has_short_counts(const struct stream *s)
{
    struct idcursor c = idtree_first(&s->blocks);
    for (; c.node != NULL; idcursor_next(&c)) {
        const unsigned char *lp = stream_block_at(s, &c), *count = lp_first(lp);
        for (int i = 0; i < 2; i++, count = lp_next(lp, count)) {
            struct element el;
            element_of_int(&el, block_int(count));
            if (el.size != element_size(count))
                return false;
        }
    }
    return true;
}

/* Is the value written as the same bytes when changes were taken back? Tables have no order of
 * their own, and where a list is cut into nodes is its own affair. */
static bool is_one_picture(const struct entry *e)
{
    const struct value_ops *ops = value_ops(entry_type(e));
    if (entry_type(e) == TYPE_LIST)
        return false;
    if (entry_type(e) == TYPE_STREAM)
        return has_short_counts(stream_of(e));
    return ops->members == NULL || ops->members(e) == NULL;
}

/* What a keyspace shows, and what is written of its value. */
struct picture {
    struct digest digest;
    struct rdb_writer dump;
    bool by_bytes; /* what is written must be the same, too */
};

static struct picture picture_of(struct keyspace *ks)
{
    const struct entry *e = keyspace_peek(ks, 0, the_key());
    struct picture p = {.digest = digest_keyspace(ks), .by_bytes = is_one_picture(e)};
    rdb_writer_init(&p.dump, false);
    rdb_write_dump(&p.dump, e);
    return p;
}

static void compare(struct keyspace *ks, const struct picture *before)
{
    struct picture after = picture_of(ks);
    if (memcmp(&after.digest, &before->digest, sizeof after.digest) != 0)
        abort();
    if (before->by_bytes &&
        !bytes_equal(rdb_writer_view(&after.dump), rdb_writer_view(&before->dump)))
        abort();
    rdb_writer_fini(&after.dump);
}

static void change_and_take_back(struct keyspace *ks)
{
    static void (*const change[TYPE_COUNT])(struct keyspace * ks, struct entry * e) = {
        [TYPE_STRING] = change_string, [TYPE_LIST] = change_list, [TYPE_SET] = change_set,
        [TYPE_ZSET] = change_zset,     [TYPE_HASH] = change_hash, [TYPE_STREAM] = change_stream,
    };
    struct picture before = picture_of(ks);
    struct undo_section section = undo_begin(ks);
    struct entry *e = keyspace_peek(ks, 0, the_key());
    for (int i = 0; i < CHANGES && e != NULL; i++) {
        change[entry_type(e)](ks, e);
        e = keyspace_peek(ks, 0, the_key());
        if (check(e) == 0 && !may_be_empty(e)) {
            keyspace_remove(ks, 0, the_key(), false);
            e = NULL;
        }
    }
    undo_rollback(ks, section);
    keyspace_check(ks);
    check(keyspace_peek(ks, 0, the_key()));
    compare(ks, &before);
    rdb_writer_fini(&before.dump);
}

/* ---------------------------------------------------------------------------------------------- */

static struct entry *read_value(struct bytes body)
{
    struct rdb_reader r = rdb_reader(body);
    struct rdb_place place = {&limits, the_key().name};
    uint8_t type = rdb_read_byte(&r);
    struct entry *e = r.failed ? NULL : rdb_read_value(&r, type, &place);
    if (e != NULL && r.failed)
        abort();
    return e;
}

static void write_and_read_again(const struct entry *e, bool compress)
{
    struct rdb_writer w;
    rdb_writer_init(&w, compress);
    rdb_write_byte(&w, (uint8_t)rdb_type_of(e));
    rdb_write_value(&w, e);
    struct entry *again = read_value(rdb_writer_view(&w));
    if (again == NULL || entry_type(again) != entry_type(e) || check(again) != check(e))
        abort();
    rdb_writer_fini(&w);
    value_end(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct entry *e = read_value(bytes_of(data, size));
    if (e == NULL)
        return 0;
    if (check(e) == 0 && !may_be_empty(e))
        abort();
    write_and_read_again(e, data[0] & 1);
    struct keyspace *ks = keyspace_create(1);
    ks->limits = limits;
    keyspace_add(ks, 0, e, the_key().hash);
    random_seed(crc64(0, bytes_of(data, size)));
    change_and_take_back(ks);
    keyspace_destroy(ks);
    return 0;
}
