/*
 * list.c - lists in their two forms, and how they are undone.
 *
 * Whatever a mutator does comes down to this: count elements at index took the place of others. So
 * there is one kind of record for all of them, whose inverse is a splice; and another one for a
 * change of form.
 */
#include "storage/list.h"

#include <stdlib.h>

#include "base/memory.h"
#include "storage/listpack.h"
#include "storage/undo.h"

enum { LISTPACK_HEADER = 6 };

static bool is_packed(const struct entry *e)
{
    return entry_encoding(e) == ENC_LISTPACK;
}

static unsigned char *listpack_of(const struct entry *e)
{
    return entry_pointer(e);
}

static struct quicklist *quicklist_of(const struct entry *e)
{
    return entry_pointer(e);
}

uint64_t list_length(const struct entry *e)
{
    return is_packed(e) ? lp_count(listpack_of(e)) : quicklist_of(e)->count;
}

/* -- splicing ---------------------------------------------------------------------------------- */

static const unsigned char *position(const unsigned char *lp, uint64_t index)
{
    const unsigned char *at = lp_seek(lp, (int64_t)index);
    return at != NULL ? at : lp + lp_bytes(lp) - 1;
}

/* The count elements from index on, as a node. */
static struct qnode *save_run(const unsigned char *lp, uint64_t index, uint64_t count)
{
    const unsigned char *from = position(lp, index), *to = from;
    for (uint64_t i = 0; i < count; i++)
        to += element_size(to);
    return qnode_of_run(from, (size_t)(to - from), (uint32_t)count);
}

/* Put the elements of a node before at. */
static unsigned char *put_node(unsigned char *lp, const struct qnode *n, uint64_t index)
{
    unsigned char *temp = NULL, *at = lp_seek(lp, (int64_t)index);
    const unsigned char *from = qnode_view(n, &temp), *end = from + qnode_bytes(n);
    char scratch[NUMBER_TEXT_MAX];
    if (n->plain)
        lp = lp_insert_before(lp, &at, bytes_of(from, qnode_bytes(n)));
    for (; !n->plain && from < end; from += element_size(from)) {
        lp = lp_insert_before(lp, &at, element_text(from, scratch));
        at = lp_next(lp, at);
    }
    mem_free(temp);
    return lp;
}

/* chain, which ends, takes the place of count elements. */
static unsigned char *splice_listpack(unsigned char *lp, uint64_t index, uint64_t count,
                                      struct qnode *chain)
{
    lp = lp_delete_range(lp, (int64_t)index, (uint32_t)count);
    for (const struct qnode *n = chain; n != NULL; n = n->next) {
        lp = put_node(lp, n, index);
        index += n->count;
    }
    qnode_destroy_chain(chain);
    return lp;
}

/* -- undo -------------------------------------------------------------------------------------- */

/* At index, count elements stand where those of before stood. */
struct spliced {
    struct entry *entry;
    uint64_t index, count;
    struct qnode *before; /* owned; may be NULL */
};

static void revert_splice(struct keyspace *ks, void *record)
{
    (void)ks;
    struct spliced *s = record;
    if (is_packed(s->entry))
        entry_set_pointer(s->entry,
                          splice_listpack(listpack_of(s->entry), s->index, s->count, s->before));
    else
        quicklist_splice(quicklist_of(s->entry), s->index, s->count, s->before, false);
}

static void keep_splice(struct keyspace *ks, void *record)
{
    (void)ks;
    qnode_destroy_chain(((struct spliced *)record)->before);
}

static const struct undo_kind kind_splice = {"list splice", revert_splice, keep_splice};

static void record_splice(struct keyspace *ks, struct entry *e, uint64_t index, uint64_t count,
                          struct qnode *before)
{
    struct spliced *s = undo_record(ks->undo, &kind_splice, sizeof *s);
    *s = (struct spliced){e, index, count, before};
    for (const struct qnode *n = before; n != NULL; n = n->next)
        ks->undo->kept += sizeof *n + n->room;
}

/* -- the two forms ----------------------------------------------------------------------------- */

static void become_quicklist(struct entry *e, const struct list_limits *limits)
{
    unsigned char *lp = listpack_of(e);
    struct quicklist *ql = quicklist_create(limits);
    if (lp_count(lp) > 0)
        quicklist_splice(ql, 0, 0, save_run(lp, 0, lp_count(lp)), false);
    lp_destroy(lp);
    entry_set_pointer(e, ql);
    entry_set_encoding(e, ENC_QUICKLIST);
}

static void become_listpack(struct entry *e)
{
    struct quicklist *ql = quicklist_of(e);
    size_t bytes = LISTPACK_HEADER + 1;
    for (const struct qnode *n = ql->head; n != NULL; n = n->next)
        bytes += qnode_bytes(n);
    unsigned char *lp = lp_create(bytes);
    for (const struct qnode *n = ql->head; n != NULL; n = n->next)
        lp = put_node(lp, n, lp_count(lp));
    quicklist_destroy(ql);
    entry_set_pointer(e, lp);
    entry_set_encoding(e, ENC_LISTPACK);
}

struct converted {
    struct entry *entry;
};

static void revert_conversion(struct keyspace *ks, void *record)
{
    struct converted *c = record;
    if (is_packed(c->entry))
        become_quicklist(c->entry, &ks->limits.list);
    else
        become_listpack(c->entry);
}

static const struct undo_kind kind_conversion = {"list conversion", revert_conversion, NULL};

static void record_conversion(struct keyspace *ks, struct entry *e)
{
    if (undo_is_open(ks->undo)) {
        struct converted *c = undo_record(ks->undo, &kind_conversion, sizeof *c);
        *c = (struct converted){e};
    }
}

/* Before texts are added. */
static void grow(struct keyspace *ks, struct entry *e, const struct bytes *texts, int count)
{
    if (!is_packed(e))
        return;
    const unsigned char *lp = listpack_of(e);
    size_t bytes = lp_bytes(lp);
    for (int i = 0; i < count; i++)
        bytes += texts[i].len;
    if (!list_limits_exceeded(&ks->limits.list, bytes, (uint64_t)lp_count(lp) + (uint64_t)count))
        return;
    record_conversion(ks, e);
    become_quicklist(e, &ks->limits.list);
}

/* After elements went. Half of the limits, so that a list at the edge does not change its form all
 * the time. */
static void shrink(struct keyspace *ks, struct entry *e)
{
    if (is_packed(e))
        return;
    const struct quicklist *ql = quicklist_of(e);
    if (ql->nodes != 1 || ql->head->plain)
        return;
    struct list_limits half = ks->limits.list;
    size_t bytes = qnode_bytes(ql->head) + LISTPACK_HEADER + 1;
    uint64_t count = ql->count;
    if (half.fill < 0)
        bytes *= 2;
    else if (half.fill < 2)
        return; /* half of one element is none */
    else
        half.fill /= 2;
    if (list_limits_exceeded(&half, bytes, count))
        return;
    record_conversion(ks, e);
    become_listpack(e);
}

/* -- changing ---------------------------------------------------------------------------------- */

struct entry *list_create(struct keyspace *ks, int db, struct key key)
{
    struct entry *e = entry_create_word(key.name, TYPE_LIST, ENC_LISTPACK,
                                        (int64_t)(intptr_t)lp_create(0), DEADLINE_NONE);
    keyspace_add(ks, db, e, key.hash);
    return e;
}

static void push_all(struct entry *e, enum list_end end, const struct bytes *texts, uint64_t count)
{
    if (!is_packed(e)) {
        for (uint64_t i = 0; i < count; i++)
            quicklist_push(quicklist_of(e), end, texts[i]);
        return;
    }
    unsigned char *lp = listpack_of(e);
    for (uint64_t i = 0; i < count; i++)
        lp = end == LIST_HEAD ? lp_prepend(lp, texts[i]) : lp_append(lp, texts[i]);
    entry_set_pointer(e, lp);
}

struct entry *list_build(const struct list_limits *limits, struct bytes key,
                         const struct bytes *texts, uint64_t count)
{
    size_t bytes = LISTPACK_HEADER + 1;
    for (uint64_t i = 0; i < count; i++)
        bytes += lp_element_size(texts[i]);
    bool packed = !list_limits_exceeded(limits, bytes, count);
    void *value = packed ? (void *)lp_create(bytes) : (void *)quicklist_create(limits);
    struct entry *e = entry_create_word(key, TYPE_LIST, packed ? ENC_LISTPACK : ENC_QUICKLIST,
                                        (int64_t)(intptr_t)value, DEADLINE_NONE);
    push_all(e, LIST_TAIL, texts, count);
    return e;
}

struct entry *list_of_quicklist(const struct list_limits *limits, struct bytes key,
                                struct quicklist *ql)
{
    struct entry *e =
        entry_create_word(key, TYPE_LIST, ENC_QUICKLIST, (int64_t)(intptr_t)ql, DEADLINE_NONE);
    size_t bytes = qnode_bytes(ql->head) + LISTPACK_HEADER + 1;
    if (ql->nodes == 1 && !ql->head->plain && !list_limits_exceeded(limits, bytes, ql->count))
        become_listpack(e);
    return e;
}

struct entry *list_of_listpack(const struct list_limits *limits, struct bytes key,
                               unsigned char *lp)
{
    if (list_limits_exceeded(limits, lp_bytes(lp), lp_count(lp)))
        return NULL;
    return entry_create_word(key, TYPE_LIST, ENC_LISTPACK, (int64_t)(intptr_t)lp, DEADLINE_NONE);
}

const struct quicklist *list_chain(const struct entry *e, const unsigned char **lp)
{
    *lp = is_packed(e) ? listpack_of(e) : NULL;
    return is_packed(e) ? NULL : quicklist_of(e);
}

void list_push(struct keyspace *ks, struct entry *e, enum list_end end, const struct bytes *texts,
               int count)
{
    grow(ks, e, texts, count);
    if (undo_is_open(ks->undo))
        record_splice(ks, e, end == LIST_HEAD ? 0 : list_length(e), (uint64_t)count, NULL);
    push_all(e, end, texts, (uint64_t)count);
}

/* Without a change of form. */
static void drop(struct keyspace *ks, struct entry *e, enum list_end end, uint64_t count)
{
    bool save = undo_is_open(ks->undo);
    struct qnode *saved = NULL;
    uint64_t index = end == LIST_HEAD ? 0 : list_length(e) - count;
    if (count == 0)
        return;
    if (is_packed(e)) {
        unsigned char *lp = listpack_of(e);
        if (save)
            saved = save_run(lp, index, count);
        entry_set_pointer(e, lp_delete_range(lp, (int64_t)index, (uint32_t)count));
    } else {
        saved = quicklist_drop(quicklist_of(e), end, count, save);
    }
    if (save)
        record_splice(ks, e, index, 0, saved);
}

void list_drop(struct keyspace *ks, struct entry *e, enum list_end end, uint64_t count)
{
    drop(ks, e, end, count);
    shrink(ks, e);
}

void list_trim(struct keyspace *ks, struct entry *e, uint64_t start, uint64_t stop)
{
    drop(ks, e, LIST_TAIL, list_length(e) - stop - 1);
    drop(ks, e, LIST_HEAD, start);
    shrink(ks, e);
}

void list_insert(struct keyspace *ks, struct entry *e, uint64_t index, struct bytes text)
{
    grow(ks, e, &text, 1);
    if (undo_is_open(ks->undo))
        record_splice(ks, e, index, 1, NULL);
    if (is_packed(e)) {
        unsigned char *lp = listpack_of(e), *at = lp_seek(lp, (int64_t)index);
        entry_set_pointer(e, lp_insert_before(lp, &at, text));
        return;
    }
    struct quicklist *ql = quicklist_of(e);
    if (!quicklist_insert(ql, index, text))
        quicklist_splice(ql, index, 0, qnode_of_text(&ql->limits, text), false);
}

/* The index-th element, as a node. */
static struct qnode *save_element(const struct entry *e, uint64_t index)
{
    if (is_packed(e))
        return save_run(listpack_of(e), index, 1);
    struct quicklist *ql = quicklist_of(e);
    struct list_iter it;
    char scratch[NUMBER_TEXT_MAX];
    struct list_item item;
    list_item_at(&it, e, index, &item);
    struct qnode *saved = qnode_of_text(&ql->limits, list_item_text(&item, scratch));
    list_iter_end(&it);
    return saved;
}

void list_replace(struct keyspace *ks, struct entry *e, uint64_t index, struct bytes text)
{
    grow(ks, e, &text, 1);
    if (undo_is_open(ks->undo))
        record_splice(ks, e, index, 1, save_element(e, index));
    if (is_packed(e)) {
        unsigned char *lp = listpack_of(e), *at = lp_seek(lp, (int64_t)index);
        entry_set_pointer(e, lp_replace(lp, &at, text));
        return;
    }
    struct quicklist *ql = quicklist_of(e);
    if (!quicklist_replace(ql, index, text))
        quicklist_splice(ql, index, 1, qnode_of_text(&ql->limits, text), false);
    shrink(ks, e);
}

/* -- removing what matches --------------------------------------------------------------------- */

struct removal {
    struct keyspace *ks;
    struct entry *entry;
};

static void removed_from_node(void *context, uint64_t index, uint64_t kept, struct qnode *before)
{
    struct removal *r = context;
    record_splice(r->ks, r->entry, index, kept, before);
}

static uint64_t remove_packed(struct entry *e, enum list_end from, const struct list_needle *needle,
                              uint64_t limit)
{
    unsigned char *lp = listpack_of(e);
    unsigned char *at = from == LIST_HEAD ? lp_first(lp) : lp_last(lp);
    uint64_t removed = 0;
    while (at != NULL && removed < limit) {
        if (!list_needle_matches(needle, at)) {
            at = from == LIST_HEAD ? lp_next(lp, at) : lp_prev(lp, at);
            continue;
        }
        removed++;
        lp = lp_delete(lp, &at, 1);
        if (from == LIST_TAIL)
            at = at != NULL ? lp_prev(lp, at) : lp_last(lp);
    }
    entry_set_pointer(e, lp);
    return removed;
}

uint64_t list_remove(struct keyspace *ks, struct entry *e, enum list_end from, struct bytes text,
                     uint64_t limit)
{
    struct list_needle needle = list_needle(text);
    bool save = undo_is_open(ks->undo);
    uint64_t removed;
    if (limit == 0)
        limit = UINT64_MAX;
    if (is_packed(e)) {
        struct qnode *before = save ? save_run(listpack_of(e), 0, list_length(e)) : NULL;
        removed = remove_packed(e, from, &needle, limit);
        if (removed > 0 && save)
            record_splice(ks, e, 0, list_length(e), before);
        else
            qnode_destroy_chain(before);
    } else {
        struct removal r = {ks, e};
        struct quicklist_filter filter = {save ? removed_from_node : NULL, &r};
        removed = quicklist_remove(quicklist_of(e), from, &needle, limit, &filter);
    }
    if (removed > 0)
        shrink(ks, e);
    return removed;
}

/* -- reading ----------------------------------------------------------------------------------- */

/* The run is that of n from here on. */
static void enter_node(struct list_iter *it, const struct qnode *n)
{
    it->first = qnode_view(n, &it->temp);
    const unsigned char *end = it->first + qnode_bytes(n);
    it->plain = n->plain;
    it->at = it->backward ? end : it->first;
    it->stop = it->backward ? it->first : end;
    it->next = it->backward ? n->prev : n->next;
}

static void skip(struct list_iter *it, uint32_t count)
{
    for (; count > 0; count--)
        it->at = it->backward ? element_before(it->at) : it->at + element_size(it->at);
}

/* Start behind the first count elements of the run, counted from its nearer end. */
static void start_at(struct list_iter *it, uint32_t inner, uint32_t count)
{
    const unsigned char *end = it->backward ? it->at : it->stop;
    uint32_t boundary = it->backward ? inner + 1 : inner; /* elements before the place */
    if (it->plain)
        return;
    bool backward = it->backward;
    it->backward = boundary > count / 2;
    it->at = it->backward ? end : it->first;
    skip(it, it->backward ? count - boundary : boundary);
    it->backward = backward;
}

void list_iter_begin(struct list_iter *it, const struct entry *e, uint64_t index, bool backward)
{
    *it = (struct list_iter){.backward = backward};
    if (!is_packed(e)) {
        uint32_t inner;
        const struct qnode *n = quicklist_seek(quicklist_of(e), index, &inner);
        enter_node(it, n);
        start_at(it, inner, n->count);
        return;
    }
    const unsigned char *lp = listpack_of(e), *end = lp + lp_bytes(lp) - 1;
    it->first = lp + LISTPACK_HEADER;
    it->at = backward ? end : it->first;
    it->stop = backward ? it->first : end;
    start_at(it, (uint32_t)index, lp_count(lp));
}

bool list_iter_turn(struct list_iter *it)
{
    if (it->next == NULL)
        return false;
    enter_node(it, it->next);
    return true;
}

void list_iter_end(struct list_iter *it)
{
    mem_free(it->temp);
}

bool list_describe(const struct entry *e, struct list_shape *out)
{
    if (is_packed(e))
        return false;
    const struct quicklist *ql = quicklist_of(e);
    *out = (struct list_shape){ql->nodes, ql->count, ql->limits.fill, ql->limits.depth != 0, 0};
    for (const struct qnode *n = ql->head; n != NULL; n = n->next)
        out->bytes += qnode_bytes(n) + (n->plain ? 0 : LISTPACK_HEADER + 1);
    return true;
}

void list_check(const struct entry *e)
{
    if (!is_packed(e))
        quicklist_check(quicklist_of(e));
    else if (!lp_validate(listpack_of(e), lp_bytes(listpack_of(e)), true))
        abort();
}

/* -- the row in value.c ------------------------------------------------------------------------ */

void list_free_value(struct entry *e)
{
    if (is_packed(e))
        lp_destroy(listpack_of(e));
    else
        quicklist_destroy(quicklist_of(e));
}

uint64_t list_free_effort(const struct entry *e)
{
    return is_packed(e) ? 1 : 1 + quicklist_of(e)->nodes;
}

size_t list_memory(const struct entry *e, uint64_t samples)
{
    return is_packed(e) ? lp_memory(listpack_of(e)) : quicklist_memory(quicklist_of(e), samples);
}

struct entry *list_copy(const struct entry *e, struct bytes key, int64_t deadline)
{
    void *value =
        is_packed(e) ? (void *)lp_copy(listpack_of(e)) : (void *)quicklist_copy(quicklist_of(e));
    return entry_create_word(key, TYPE_LIST, entry_encoding(e), (int64_t)(intptr_t)value, deadline);
}
