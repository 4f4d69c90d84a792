/*
 * stream.c - the blocks of a stream: adding, deleting, trimming, walking.
 *
 * Each undo record of this file has the stream's numbers as they were, which is how they are taken
 * back; what it has besides says how the blocks are. A block is found again by id: rollbacks pass
 * through the same states backwards, but a block's place in memory may have changed.
 */
#include "storage/stream.h"

#include <stdlib.h>

#include "base/memory.h"
#include "storage/listpack.h"
#include "storage/stream_group.h"
#include "storage/undo.h"

static const size_t BLOCK_BYTES_MAX = (size_t)1 << 30;

struct stream *stream_of(const struct entry *e)
{
    return entry_pointer(e);
}

static void set_block(struct stream *s, const struct idcursor *c, unsigned char *lp)
{
    memcpy(idcursor_value(&s->blocks, c), &lp, sizeof lp);
}

static unsigned char *block_at(const struct stream *s, const struct idcursor *c)
{
    return (unsigned char *)stream_block_at(s, c);
}

static void put_block(struct stream *s, struct stream_id master, unsigned char *lp)
{
    memcpy(idtree_add(&s->blocks, master), &lp, sizeof lp);
}

/* -- undo -------------------------------------------------------------------------------------- */

/* What all records begin with. */
struct before {
    struct stream *s;
    struct stream_facts facts;
};

static void *record(struct keyspace *ks, const struct undo_kind *kind, struct stream *s,
                    size_t size)
{
    struct before *b = undo_record(ks->undo, kind, size);
    *b = (struct before){s, s->facts};
    return b;
}

static void revert_facts(struct keyspace *ks, void *record)
{
    (void)ks;
    const struct before *b = record;
    b->s->facts = b->facts;
}

static const struct undo_kind kind_facts = {"stream numbers", revert_facts, NULL};

struct append {
    struct before before;
    bool new_block;
    struct block_appended how;
};

static void revert_append(struct keyspace *ks, void *record)
{
    const struct append *a = record;
    struct stream *s = a->before.s;
    struct idcursor last = idtree_last(&s->blocks);
    unsigned char *lp = block_at(s, &last);
    if (a->new_block) {
        idtree_remove(&s->blocks, idcursor_id(&last));
        lp_destroy(lp);
    } else {
        set_block(s, &last, block_take_back(lp, &a->how));
    }
    revert_facts(ks, record);
}

static const struct undo_kind kind_append = {"stream entry", revert_append, NULL};

struct mark {
    struct before before;
    struct stream_id id;
};

static void mark(struct stream *s, const struct idcursor *block, const struct block_entry *entry,
                 bool deleted)
{
    unsigned char *lp = block_mark(block_at(s, block), entry, deleted);
    set_block(s, block, block_add_counts(lp, deleted ? -1 : 1, deleted ? 1 : -1));
}

static void revert_mark(struct keyspace *ks, void *record)
{
    const struct mark *m = record;
    struct stream *s = m->before.s;
    struct block_entry entry;
    struct idcursor block = idtree_seek_back(&s->blocks, m->id);
    block_find(block_at(s, &block), idcursor_id(&block), m->id, &entry);
    mark(s, &block, &entry, false);
    revert_facts(ks, record);
}

static const struct undo_kind kind_mark = {"deleted stream entry", revert_mark, NULL};

struct removal {
    struct before before;
    struct stream_id master;
    unsigned char *lp;
};

static void revert_removal(struct keyspace *ks, void *record)
{
    const struct removal *r = record;
    put_block(r->before.s, r->master, r->lp);
    revert_facts(ks, record);
}

static void keep_removal(struct keyspace *ks, void *record)
{
    (void)ks;
    lp_destroy(((struct removal *)record)->lp);
}

static const struct undo_kind kind_removal = {"stream block", revert_removal, keep_removal};

struct exchange {
    struct before before;
    struct stream_id master;
    unsigned char *lp; /* what stood there before */
};

static void revert_exchange(struct keyspace *ks, void *record)
{
    const struct exchange *x = record;
    struct idcursor block = idtree_seek(&x->before.s->blocks, x->master);
    lp_destroy(block_at(x->before.s, &block));
    set_block(x->before.s, &block, x->lp);
    revert_facts(ks, record);
}

static void keep_exchange(struct keyspace *ks, void *record)
{
    (void)ks;
    lp_destroy(((struct exchange *)record)->lp);
}

static const struct undo_kind kind_exchange = {"stream block exchanged", revert_exchange,
                                               keep_exchange};

/* -- walking ----------------------------------------------------------------------------------- */

static void iter_open_block(struct stream_iter *it)
{
    it->lp = NULL;
    if (it->block.node == NULL)
        return;
    struct stream_id master = idcursor_id(&it->block);
    if (stream_id_less(it->to, master)) {
        it->block.node = NULL;
        return;
    }
    it->lp = stream_block_at(it->s, &it->block);
    it->head = block_read_head(it->lp);
    it->end = block_end(it->lp);
    it->bound = it->backwards ? it->end : it->head.entries;
}

void stream_iter_begin(struct stream_iter *it, const struct stream *s, struct stream_id from,
                       struct stream_id to, bool backwards)
{
    it->s = s;
    it->from = from;
    it->to = to;
    it->backwards = backwards;
    it->block = idtree_seek_back(&s->blocks, backwards ? to : from);
    if (it->block.node == NULL && !backwards)
        it->block = idtree_first(&s->blocks);
    it->elements = 0;
    it->data = NULL;
    iter_open_block(it);
}

/* Where the entry stands that follows the one returned last, in a forward walk. */
static const unsigned char *next_place(struct stream_iter *it)
{
    if (it->data != NULL) {
        const unsigned char *at = it->data;
        for (uint64_t i = 0; i <= it->elements; i++)
            at += element_size(at);
        it->bound = at;
        it->data = NULL;
    }
    return it->bound != it->end ? it->bound : NULL;
}

static const unsigned char *previous_place(struct stream_iter *it)
{
    if (it->bound == it->head.entries)
        return NULL;
    return it->bound = block_entry_before(it->bound);
}

/* The next entry in the direction of the walk, deleted ones included; false: there is none. */
static bool iter_entry(struct stream_iter *it, struct block_entry *out)
{
    while (it->lp != NULL) {
        const unsigned char *at = it->backwards ? previous_place(it) : next_place(it);
        if (at != NULL) {
            block_read_entry(&it->head, idcursor_id(&it->block), at, out);
            it->data = out->data;
            it->same_fields = out->same_fields;
            it->elements = out->same_fields ? out->pairs : 2 * out->pairs;
            return true;
        }
        if (it->backwards)
            idcursor_prev(&it->block);
        else
            idcursor_next(&it->block);
        iter_open_block(it);
    }
    return false;
}

bool stream_iter_next(struct stream_iter *it, struct stream_item *out)
{
    struct block_entry entry;
    while (iter_entry(it, &entry)) {
        if (it->backwards ? stream_id_less(entry.id, it->from) : stream_id_less(it->to, entry.id))
            return false;
        if (entry.is_deleted || stream_id_less(entry.id, it->from) ||
            stream_id_less(it->to, entry.id))
            continue;
        it->name = it->head.fields;
        out->id = entry.id;
        out->pairs = entry.pairs;
        return true;
    }
    return false;
}

static struct bytes take_text(struct stream_iter *it, char scratch[NUMBER_TEXT_MAX])
{
    struct bytes text = element_text(it->data, scratch);
    it->data += element_size(it->data);
    it->elements--;
    return text;
}

void stream_iter_pair(struct stream_iter *it, struct stream_pair *out)
{
    if (it->same_fields) {
        out->field = element_text(it->name, out->scratch[0]);
        it->name += element_size(it->name);
    } else {
        out->field = take_text(it, out->scratch[0]);
    }
    out->value = take_text(it, out->scratch[1]);
}

bool stream_has(const struct stream *s, struct stream_id id)
{
    struct block_entry entry;
    struct idcursor block = idtree_seek_back(&s->blocks, id);
    return block.node != NULL &&
           block_find(stream_block_at(s, &block), idcursor_id(&block), id, &entry) &&
           !entry.is_deleted;
}

bool stream_edge(const struct stream *s, bool last, struct stream_id *out)
{
    struct stream_iter it;
    struct stream_item item;
    stream_iter_begin(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, last);
    bool found = stream_iter_next(&it, &item);
    if (found)
        *out = item.id;
    return found;
}

/* -- changing ---------------------------------------------------------------------------------- */

struct stream *stream_new(void)
{
    struct stream *s = mem_alloc_zeroed(sizeof *s);
    idtree_init(&s->blocks, sizeof(unsigned char *));
    return s;
}

void stream_destroy(struct stream *s)
{
    struct idcursor c = idtree_first(&s->blocks);
    for (; c.node != NULL; idcursor_next(&c))
        lp_destroy(block_at(s, &c));
    idtree_fini(&s->blocks);
    stream_groups_fini(s);
    mem_free(s);
}

struct entry *stream_entry(struct stream *s, struct bytes key, int64_t deadline)
{
    return entry_create_word(key, TYPE_STREAM, ENC_STREAM, (int64_t)(uintptr_t)s, deadline);
}

struct stream *stream_create(struct keyspace *ks, int db, struct key key)
{
    struct stream *s = stream_new();
    keyspace_add(ks, db, stream_entry(s, key.name, DEADLINE_NONE), key.hash);
    return s;
}

static bool is_full(const struct limits *limits, const unsigned char *lp, size_t more)
{
    size_t most = limits->stream_node_bytes;
    if (most == 0 || most > BLOCK_BYTES_MAX)
        most = BLOCK_BYTES_MAX;
    if (lp_bytes(lp) + more >= most)
        return true;
    return limits->stream_node_entries != 0 && block_total(lp) >= limits->stream_node_entries;
}

static size_t bytes_of_words(const struct bytes *words, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += words[i].len;
    return total;
}

bool stream_takes(const struct bytes *words, int count)
{
    return bytes_of_words(words, count) <= BLOCK_BYTES_MAX;
}

void stream_add(struct keyspace *ks, struct stream *s, struct stream_id id,
                const struct bytes *words, int count)
{
    struct append *a = NULL;
    struct block_appended how;
    if (undo_is_open(ks->undo))
        a = record(ks, &kind_append, s, sizeof *a);
    struct idcursor last = idtree_last(&s->blocks);
    unsigned char *lp = last.node != NULL ? block_at(s, &last) : NULL;
    bool is_new = lp == NULL || is_full(&ks->limits, lp, bytes_of_words(words, count));
    if (is_new) {
        if (lp != NULL)
            set_block(s, &last, lp_shrink(lp));
        lp = block_create(words, count);
        put_block(s, id, lp);
        last = idtree_last(&s->blocks);
    }
    set_block(s, &last, block_append(lp, idcursor_id(&last), id, words, count, &how));
    if (a != NULL) {
        a->new_block = is_new;
        a->how = how;
    }
    s->facts.entries_added++;
    s->facts.last_id = id;
    if (s->facts.length++ == 0)
        s->facts.first_id = id;
}

/* Has the change to be recorded? A stream that is being loaded is in no keyspace. */
static bool is_recorded(const struct keyspace *ks)
{
    return ks != NULL && undo_is_open(ks->undo);
}

static void remove_block(struct keyspace *ks, struct stream *s, struct stream_id master,
                         unsigned char *lp)
{
    if (is_recorded(ks)) {
        struct removal *r = record(ks, &kind_removal, s, sizeof *r);
        r->master = master;
        r->lp = lp;
        ks->undo->kept += lp_memory(lp);
    }
    idtree_remove(&s->blocks, master);
    if (!is_recorded(ks))
        lp_destroy(lp);
}

static void record_mark(struct keyspace *ks, struct stream *s, struct stream_id id)
{
    if (undo_is_open(ks->undo))
        ((struct mark *)record(ks, &kind_mark, s, sizeof(struct mark)))->id = id;
}

/* The first living entry has gone. No record of its own: what removed it has the numbers. */
static void find_first(struct stream *s)
{
    if (!stream_edge(s, false, &s->facts.first_id))
        s->facts.first_id = STREAM_ID_MIN;
}

bool stream_delete(struct keyspace *ks, struct stream *s, struct stream_id id)
{
    struct block_entry entry;
    struct idcursor block = idtree_seek_back(&s->blocks, id);
    if (block.node == NULL)
        return false;
    unsigned char *lp = block_at(s, &block);
    struct stream_id master = idcursor_id(&block);
    if (!block_find(lp, master, id, &entry) || entry.is_deleted)
        return false;
    if (block_read_head(lp).count == 1) {
        remove_block(ks, s, master, lp);
    } else {
        record_mark(ks, s, id);
        mark(s, &block, &entry, true);
    }
    s->facts.length--;
    if (stream_id_less(s->facts.max_deleted_id, id))
        s->facts.max_deleted_id = id;
    if (stream_id_equal(id, s->facts.first_id))
        find_first(s);
    return true;
}

/* Put another block in the place of one. */
static void exchange_block(struct keyspace *ks, struct stream *s, const struct idcursor *block,
                           unsigned char *lp)
{
    unsigned char *old = block_at(s, block);
    if (is_recorded(ks)) {
        struct exchange *x = record(ks, &kind_exchange, s, sizeof *x);
        x->master = idcursor_id(block);
        x->lp = old;
        ks->undo->kept += lp_memory(old);
    } else {
        lp_destroy(old);
    }
    set_block(s, block, lp);
}

/* Forget deleted entries if there are some from an id on, which no living entry has reached: their
 * ids may be given again. */
static void forget_dead_from(struct keyspace *ks, struct stream *s, struct stream_id id)
{
    struct idcursor last;
    while ((last = idtree_last(&s->blocks)).node != NULL) {
        unsigned char *lp = block_at(s, &last);
        struct stream_id master = idcursor_id(&last);
        if (stream_id_less(block_last_id(lp, master), id))
            return;
        if (block_read_head(lp).count > 0)
            exchange_block(ks, s, &last, block_without_dead(lp, master, master));
        else
            remove_block(ks, s, master, lp);
    }
}

static void forget_dead_beyond(struct keyspace *ks, struct stream *s, struct stream_id last_id)
{
    if (stream_id_increment(&last_id))
        forget_dead_from(ks, s, last_id);
}

void stream_set_facts(struct keyspace *ks, struct stream *s, const struct stream_facts *facts)
{
    forget_dead_beyond(ks, s, facts->last_id);
    if (undo_is_open(ks->undo))
        record(ks, &kind_facts, s, sizeof(struct before));
    s->facts = *facts;
}

/* -- trimming ---------------------------------------------------------------------------------- */

static bool is_done(const struct stream *s, const struct stream_trim *how)
{
    return !how->by_id && s->facts.length <= how->length;
}

static bool whole_block_goes(const struct stream *s, const struct stream_trim *how,
                             const unsigned char *lp, struct stream_id master)
{
    if (how->by_id)
        return stream_id_less(block_last_id(lp, master), how->min_id);
    return s->facts.length - (uint64_t)block_read_head(lp).count >= how->length;
}

/* May the entry go; and if so, let its references go that have to. */
static bool release(struct keyspace *ks, struct stream *s, enum stream_refs refs,
                    struct stream_id id)
{
    if (refs == STREAM_REFS_ACKED)
        return !stream_is_needed(s, id);
    if (refs == STREAM_REFS_DELETE)
        stream_drop_refs(ks, s, id);
    return true;
}

/* The same for all of a block. */
static bool release_block(struct keyspace *ks, struct stream *s, enum stream_refs refs,
                          const struct idcursor *block)
{
    const unsigned char *lp = block_at(s, block);
    struct block_head head = block_read_head(lp);
    struct block_entry entry;
    if (refs == STREAM_REFS_KEEP || s->groups.count == 0)
        return true;
    for (const unsigned char *at = head.entries; at != block_end(lp); at = block_end_of(&entry)) {
        block_read_entry(&head, idcursor_id(block), at, &entry);
        if (!entry.is_deleted && !release(ks, s, refs, entry.id))
            return false;
    }
    return true;
}

/* Mark what goes in a block of which something stays. */
static uint64_t trim_inside(struct keyspace *ks, struct stream *s, const struct stream_trim *how,
                            const struct idcursor *block)
{
    uint64_t removed = 0;
    unsigned char *lp = block_at(s, block);
    struct stream_id master = idcursor_id(block);
    struct block_head head = block_read_head(lp);
    struct block_entry entry;
    for (const unsigned char *at = head.entries; at != block_end(lp); at = block_end_of(&entry)) {
        block_read_entry(&head, master, at, &entry);
        if (how->by_id ? !stream_id_less(entry.id, how->min_id) : is_done(s, how))
            break;
        if (entry.is_deleted || !release(ks, s, how->refs, entry.id))
            continue;
        record_mark(ks, s, entry.id);
        lp = block_mark(lp, &entry, true); /* flags keep their width: the block stays in place */
        s->facts.length--;
        removed++;
    }
    set_block(s, block, block_add_counts(lp, -(int64_t)removed, (int64_t)removed));
    return removed;
}

uint64_t stream_trim(struct keyspace *ks, struct stream *s, const struct stream_trim *how)
{
    uint64_t removed = 0;
    struct stream_id next = STREAM_ID_MIN;
    while (!is_done(s, how)) {
        struct idcursor block = idtree_seek(&s->blocks, next);
        if (block.node == NULL)
            break;
        unsigned char *lp = block_at(s, &block);
        struct stream_id master = idcursor_id(&block);
        uint64_t entries = (uint64_t)block_read_head(lp).count;
        if (how->limit != 0 && removed + entries > how->limit)
            break;
        bool goes = whole_block_goes(s, how, lp, master);
        if (goes && release_block(ks, s, how->refs, &block)) {
            remove_block(ks, s, master, lp);
            s->facts.length -= entries;
            removed += entries;
        } else if (!how->approximate) {
            removed += trim_inside(ks, s, how, &block);
        }
        next = master;
        if (!goes || !stream_id_increment(&next))
            break;
    }
    if (removed > 0)
        find_first(s);
    return removed;
}

/* -- loading ----------------------------------------------------------------------------------- */

/* Meanwhile the facts are those of the living entries. Deleted ones at the end of a block may lie
 * beyond the next block, or beyond the stream's last id: they go when that is known. */
bool stream_load_block(struct stream *s, struct stream_id master, struct bytes block)
{
    const unsigned char *from = (const unsigned char *)block.ptr;
    struct block_found found;
    if (!block_validate(from, block.len, master, &found) ||
        (!found.in_order && block.len > BLOCK_BYTES_MAX))
        return false;
    if (!found.in_order && found.live == 0)
        return true;
    struct stream_id id = stream_id_less(found.first, master) ? found.first : master;
    if (s->facts.length > 0 && !stream_id_less(s->facts.last_id, id))
        return false;
    forget_dead_from(NULL, s, id);
    put_block(s, id, found.in_order ? lp_copy(from) : block_without_dead(from, master, id));
    if (found.live > 0)
        s->facts.last_id = found.last;
    s->facts.length += (uint64_t)found.live;
    return true;
}

bool stream_load_facts(struct stream *s, const struct stream_facts *facts)
{
    if (facts->length != s->facts.length || stream_id_less(facts->last_id, s->facts.last_id) ||
        facts->entries_added < facts->length)
        return false;
    forget_dead_beyond(NULL, s, facts->last_id);
    s->facts = *facts;
    find_first(s);
    return true;
}

/* -- the row in value.c ------------------------------------------------------------------------ */

void stream_free_value(struct entry *e)
{
    stream_destroy(stream_of(e));
}

uint64_t stream_free_effort(const struct entry *e)
{
    const struct stream *s = stream_of(e);
    return s->blocks.count + stream_groups_effort(s);
}

/* The first blocks stand for all. */
static size_t blocks_memory(const struct stream *s, uint64_t samples)
{
    size_t total = 0;
    uint64_t seen = 0;
    struct idcursor c = idtree_first(&s->blocks);
    for (; c.node != NULL && (samples == 0 || seen < samples); idcursor_next(&c), seen++)
        total += lp_memory(stream_block_at(s, &c));
    return seen > 0 ? (size_t)((double)total / (double)seen * (double)s->blocks.count) : 0;
}

size_t stream_memory(const struct entry *e, uint64_t samples)
{
    const struct stream *s = stream_of(e);
    return mem_size_of(s) + idtree_memory(&s->blocks) + blocks_memory(s, samples) +
           stream_groups_memory(s);
}

struct entry *stream_copy(const struct entry *e, struct bytes key, int64_t deadline)
{
    const struct stream *from = stream_of(e);
    struct stream *s = stream_new();
    struct idcursor c = idtree_first(&from->blocks);
    for (; c.node != NULL; idcursor_next(&c))
        put_block(s, idcursor_id(&c), lp_copy(stream_block_at(from, &c)));
    s->facts = from->facts;
    stream_groups_copy(s, from);
    return stream_entry(s, key, deadline);
}

void stream_check(const struct entry *e)
{
    struct stream *s = stream_of(e);
    uint64_t length = 0;
    bool is_first = true;
    struct stream_id before = STREAM_ID_MIN, first = STREAM_ID_MIN;
    struct idcursor c = idtree_first(&s->blocks);
    idtree_check(&s->blocks);
    for (; c.node != NULL; idcursor_next(&c)) {
        const unsigned char *lp = stream_block_at(s, &c);
        struct stream_id master = idcursor_id(&c);
        struct block_found found;
        if (!block_validate(lp, lp_bytes(lp), master, &found) || !found.in_order ||
            (!is_first && !stream_id_less(before, master)))
            abort();
        before = block_last_id(lp, master);
        length += (uint64_t)found.live;
        is_first = false;
    }
    stream_edge(s, false, &first);
    if (length != s->facts.length || !stream_id_equal(first, s->facts.first_id) ||
        stream_id_less(s->facts.last_id, before))
        abort();
    stream_groups_check(s);
}
