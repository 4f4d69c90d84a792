/*
 * stream_block.c - entries in a listpack.
 *
 * An append measures the whole entry first and makes room once. Blocks grow by half, since most
 * are filled; a stream shrinks a block when it begins the next one.
 */
#include "storage/stream_block.h"

#include "base/memory.h"
#include "storage/listpack.h"

enum {
    HEADER = 6, /* the listpack's */
    COUNT_UNKNOWN = 65535,
    FEW_WORDS = 32,
};

static const unsigned char *skip(const unsigned char *at, uint64_t elements)
{
    while (elements-- > 0)
        at += element_size(at);
    return at;
}

const unsigned char *block_end(const unsigned char *lp)
{
    return lp + lp_bytes(lp) - 1;
}

struct block_head block_read_head(const unsigned char *lp)
{
    struct block_head h;
    const unsigned char *at = lp + HEADER;
    h.count = block_int(at);
    at += element_size(at);
    h.deleted = block_int(at);
    at += element_size(at);
    h.field_count = block_int(at);
    h.fields = at + element_size(at);
    h.entries = skip(h.fields, (uint64_t)h.field_count + 1);
    return h;
}

void block_read_entry(const struct block_head *head, struct stream_id master,
                      const unsigned char *at, struct block_entry *out)
{
    int64_t flags = block_int(at);
    out->flags = at;
    out->is_deleted = flags & BLOCK_DELETED;
    out->same_fields = flags & BLOCK_SAME_FIELDS;
    at += element_size(at);
    out->id.ms = master.ms + (uint64_t)block_int(at);
    at += element_size(at);
    out->id.seq = master.seq + (uint64_t)block_int(at);
    at += element_size(at);
    out->pairs = (uint64_t)head->field_count;
    if (!out->same_fields) {
        out->pairs = (uint64_t)block_int(at);
        at += element_size(at);
    }
    out->data = at;
}

const unsigned char *block_end_of(const struct block_entry *entry)
{
    return skip(entry->data, (entry->same_fields ? entry->pairs : 2 * entry->pairs) + 1);
}

const unsigned char *block_entry_before(const unsigned char *end)
{
    const unsigned char *at = element_before(end);
    for (int64_t elements = block_int(at); elements > 0; elements--)
        at = element_before(at);
    return at;
}

bool block_find(const unsigned char *lp, struct stream_id master, struct stream_id id,
                struct block_entry *out)
{
    struct block_head head = block_read_head(lp);
    const unsigned char *end = block_end(lp);
    for (const unsigned char *at = head.entries; at != end; at = block_end_of(out)) {
        block_read_entry(&head, master, at, out);
        if (!stream_id_less(out->id, id))
            return stream_id_equal(out->id, id);
    }
    return false;
}

struct stream_id block_last_id(const unsigned char *lp, struct stream_id master)
{
    struct block_head head = block_read_head(lp);
    struct block_entry entry;
    if (head.entries == block_end(lp))
        return master;
    block_read_entry(&head, master, block_entry_before(block_end(lp)), &entry);
    return entry.id;
}

/* -- changing ---------------------------------------------------------------------------------- */

static void put_le(unsigned char *at, uint64_t value, int len)
{
    for (int i = 0; i < len; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

static uint16_t count_field(const unsigned char *lp)
{
    return (uint16_t)element_get_le(lp + 4, 2);
}

static void add_to_count_field(unsigned char *lp, int64_t elements)
{
    if (count_field(lp) == COUNT_UNKNOWN)
        return;
    int64_t count = count_field(lp) + elements;
    put_le(lp + 4, (uint64_t)(count < COUNT_UNKNOWN ? count : COUNT_UNKNOWN), 2);
}

/* Room for so many bytes behind what is there. */
static unsigned char *with_room(unsigned char *lp, size_t more)
{
    size_t bytes = lp_bytes(lp), need = bytes + more;
    if (need <= mem_size_of(lp))
        return lp;
    size_t grown = bytes + bytes / 2;
    return mem_resize(lp, grown > need ? grown : need);
}

/* The elements of an entry or of a master, collected to be written at once. */
struct batch {
    struct element few[FEW_WORDS + 5], *all;
    int count;
    size_t bytes;
};

static void batch_init(struct batch *b, int words)
{
    b->count = 0;
    b->bytes = 0;
    b->all = words <= FEW_WORDS ? b->few : mem_alloc((size_t)(words + 5) * sizeof *b->all);
}

static void batch_int(struct batch *b, int64_t number)
{
    struct element *el = &b->all[b->count++];
    element_of_int(el, number);
    b->bytes += el->size;
}

static void batch_text(struct batch *b, struct bytes text)
{
    struct element *el = &b->all[b->count++];
    element_of_text(el, text);
    b->bytes += el->size;
}

/* Append encoded elements, for which there is room. */
static void put_run(unsigned char *lp, const unsigned char *run, size_t len, int64_t elements)
{
    size_t bytes = lp_bytes(lp) + len;
    memcpy(lp + bytes - len - 1, run, len);
    lp[bytes - 1] = ELEMENT_END;
    put_le(lp, bytes, 4);
    add_to_count_field(lp, elements);
}

/* Append all of it; the batch is done with. */
static unsigned char *batch_write(struct batch *b, unsigned char *lp)
{
    lp = with_room(lp, b->bytes);
    unsigned char *at = lp + lp_bytes(lp) - 1;
    for (int i = 0; i < b->count; i++) {
        element_write(at, &b->all[i]);
        at += b->all[i].size;
    }
    *at = ELEMENT_END;
    put_le(lp, lp_bytes(lp) + b->bytes, 4);
    add_to_count_field(lp, b->count);
    if (b->all != b->few)
        mem_free(b->all);
    return lp;
}

unsigned char *block_create(const struct bytes *words, int count)
{
    struct batch b;
    batch_init(&b, count / 2);
    batch_int(&b, 0);
    batch_int(&b, 0);
    batch_int(&b, count / 2);
    for (int i = 0; i < count; i += 2)
        batch_text(&b, words[i]);
    batch_int(&b, 0);
    return batch_write(&b, lp_create(b.bytes + HEADER + 1));
}

/* Put another number in an element's place; most have the same width. */
static unsigned char *replace_int(unsigned char *lp, unsigned char *at, int64_t number)
{
    struct element el;
    element_of_int(&el, number);
    if (el.size != element_size(at))
        return lp_replace_int(lp, &at, number);
    element_write(at, &el);
    return lp;
}

unsigned char *block_add_counts(unsigned char *lp, int64_t count, int64_t deleted)
{
    unsigned char *at = lp + HEADER;
    if (deleted != 0) {
        unsigned char *second = at + element_size(at);
        lp = replace_int(lp, second, block_int(second) + deleted);
        at = lp + HEADER;
    }
    return count != 0 ? replace_int(lp, at, block_int(at) + count) : lp;
}

static bool has_same_fields(const struct block_head *head, const struct bytes *words, int count)
{
    char scratch[NUMBER_TEXT_MAX];
    const unsigned char *at = head->fields;
    if (head->field_count != count / 2)
        return false;
    for (int i = 0; i < count; i += 2, at += element_size(at))
        if (!bytes_equal(element_text(at, scratch), words[i]))
            return false;
    return true;
}

unsigned char *block_append(unsigned char *lp, struct stream_id master, struct stream_id id,
                            const struct bytes *words, int count, struct block_appended *how)
{
    struct block_head head = block_read_head(lp);
    bool same = has_same_fields(&head, words, count);
    struct batch b;
    batch_init(&b, count);
    batch_int(&b, same ? BLOCK_SAME_FIELDS : 0);
    batch_int(&b, (int64_t)(id.ms - master.ms));
    batch_int(&b, (int64_t)(id.seq - master.seq));
    if (!same)
        batch_int(&b, count / 2);
    for (int i = same; i < count; i += same ? 2 : 1)
        batch_text(&b, words[i]);
    batch_int(&b, b.count);
    *how = (struct block_appended){b.bytes, count_field(lp)};
    return block_add_counts(batch_write(&b, lp), 1, 0);
}

unsigned char *block_take_back(unsigned char *lp, const struct block_appended *how)
{
    lp = block_add_counts(lp, -1, 0);
    size_t bytes = lp_bytes(lp) - how->bytes;
    lp[bytes - 1] = ELEMENT_END;
    put_le(lp, bytes, 4);
    put_le(lp + 4, how->count_field, 2);
    return lp;
}

unsigned char *block_mark(unsigned char *lp, const struct block_entry *entry, bool deleted)
{
    int64_t flags = (deleted ? BLOCK_DELETED : 0) | (entry->same_fields ? BLOCK_SAME_FIELDS : 0);
    return replace_int(lp, lp + (entry->flags - lp), flags);
}

/* Append an entry of another block, with its id as this master tells it. */
static unsigned char *append_moved(unsigned char *lp, struct stream_id master,
                                   const struct block_entry *entry)
{
    enum { FLAGS_AND_ID = 3 };
    const unsigned char *rest = skip(entry->flags, FLAGS_AND_ID), *end = block_end_of(entry);
    size_t len = (size_t)(end - rest);
    struct batch b;
    batch_init(&b, 0);
    batch_int(&b, block_int(entry->flags));
    batch_int(&b, (int64_t)(entry->id.ms - master.ms));
    batch_int(&b, (int64_t)(entry->id.seq - master.seq));
    lp = batch_write(&b, with_room(lp, b.bytes + len));
    put_run(lp, rest, len, block_int(element_before(end)) + 1 - FLAGS_AND_ID);
    return lp;
}

unsigned char *block_without_dead(const unsigned char *lp, struct stream_id master,
                                  struct stream_id new_master)
{
    enum { COUNTS = 4 }; /* of the master entry, besides its fields */
    struct block_head head = block_read_head(lp);
    struct block_entry entry;
    unsigned char *out = lp_create(lp_bytes(lp));
    put_run(out, lp + HEADER, (size_t)(head.entries - lp) - HEADER, head.field_count + COUNTS);
    for (const unsigned char *at = head.entries; at != block_end(lp); at = block_end_of(&entry)) {
        block_read_entry(&head, master, at, &entry);
        if (!entry.is_deleted)
            out = append_moved(out, new_master, &entry);
    }
    return lp_shrink(block_add_counts(out, 0, -head.deleted));
}

/* -- what comes from outside ------------------------------------------------------------------- */

/* A walk over bytes that are a listpack, but perhaps no block. */
struct walk {
    const unsigned char *at, *end;
    uint64_t seen; /* elements */
};

static bool walk_int(struct walk *w, int64_t *out)
{
    struct bytes text;
    if (w->at == w->end || !element_read(w->at, out, &text))
        return false;
    w->at += element_size(w->at);
    w->seen++;
    return true;
}

static bool walk_over(struct walk *w, uint64_t elements)
{
    for (; elements > 0; elements--, w->seen++) {
        if (w->at == w->end)
            return false;
        w->at += element_size(w->at);
    }
    return true;
}

static bool walk_entry(struct walk *w, int64_t field_count, struct stream_id *id, bool *deleted)
{
    int64_t flags, ms, seq, pairs = field_count, told;
    w->seen = 0;
    /* Flags are written over where they are: they must have the size that we give them. */
    if (w->at == w->end || element_size(w->at) != 2 || !walk_int(w, &flags) || flags < 0 ||
        flags > (BLOCK_DELETED | BLOCK_SAME_FIELDS) || !walk_int(w, &ms) || !walk_int(w, &seq))
        return false;
    bool same = flags & BLOCK_SAME_FIELDS;
    if (!same && (!walk_int(w, &pairs) || pairs < 0 || pairs > INT32_MAX))
        return false;
    if (!walk_over(w, (uint64_t)(same ? pairs : 2 * pairs)))
        return false;
    int64_t seen = (int64_t)w->seen;
    id->ms += (uint64_t)ms;
    id->seq += (uint64_t)seq;
    *deleted = flags & BLOCK_DELETED;
    return walk_int(w, &told) && told == seen;
}

/* The counts and fields of a master entry; the walk is at the first entry then. */
static bool walk_master(struct walk *w, int64_t *count, int64_t *deleted, int64_t *field_count)
{
    int64_t zero;
    return walk_int(w, count) && walk_int(w, deleted) && walk_int(w, field_count) &&
           *field_count >= 0 && *field_count <= INT32_MAX && walk_over(w, (uint64_t)*field_count) &&
           walk_int(w, &zero) && zero == 0;
}

bool block_validate(const unsigned char *bytes, size_t len, struct stream_id master,
                    struct block_found *found)
{
    int64_t count, deleted, field_count, dead = 0;
    struct stream_id before = master; /* of all entries */
    *found = (struct block_found){0, master, master, true};
    if (!lp_validate(bytes, len, true))
        return false;
    struct walk w = {bytes + HEADER, bytes + len - 1, 0};
    if (!walk_master(&w, &count, &deleted, &field_count))
        return false;
    while (w.at != w.end) {
        struct stream_id id = master;
        bool is_dead;
        if (!walk_entry(&w, field_count, &id, &is_dead))
            return false;
        bool is_first = found->live + dead == 0;
        if (!stream_id_less(before, id) && !(is_first && stream_id_equal(before, id)))
            found->in_order = false;
        before = id;
        dead += is_dead;
        if (is_dead)
            continue;
        if (found->live++ == 0)
            found->first = id;
        else if (!stream_id_less(found->last, id))
            return false;
        found->last = id;
    }
    return found->live + dead > 0 && count == found->live && deleted == dead;
}
