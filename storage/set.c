/*
 * set.c - sets: which form one takes, and the inverse of every change.
 *
 * What changes the form puts another value behind the same entry; its undo record keeps the old
 * one. Records of an intset or a listpack restore it byte for byte: a listpack's refer to places by
 * their distance from its start, since it is then what it was when the change had just been made.
 */
#include "storage/set.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "storage/intset.h"
#include "storage/listpack.h"
#include "storage/set_member.h"
#include "storage/undo.h"
#include "storage/value.h"

/* More than this no limit allows: an intset counts in 32 bits and is moved as a whole. */
enum { INTS_MAX = 1 << 30 };

static struct intset *ints_of(const struct entry *e)
{
    return entry_pointer(e);
}

static unsigned char *listpack_of(const struct entry *e)
{
    return entry_pointer(e);
}

static struct dict *table_of(const struct entry *e)
{
    return entry_pointer(e);
}

/* -- reading ----------------------------------------------------------------------------------- */

uint64_t set_count(const struct entry *e)
{
    switch (entry_encoding(e)) {
    case ENC_INTSET:
        return intset_count(ints_of(e));
    case ENC_LISTPACK:
        return lp_count(listpack_of(e));
    default:
        return table_of(e)->count;
    }
}

static unsigned char *packed_find(const unsigned char *lp, struct bytes member)
{
    unsigned char *first = lp_first(lp);
    return first != NULL ? lp_find(lp, first, member, 0) : NULL;
}

bool set_contains(const struct entry *e, struct bytes member)
{
    int64_t number;
    switch (entry_encoding(e)) {
    case ENC_INTSET:
        return number_parse_i64(member, &number) && intset_contains(ints_of(e), number);
    case ENC_LISTPACK:
        return packed_find(listpack_of(e), member) != NULL;
    default:
        return dict_find(table_of(e), member, dict_hash(member)) != NULL;
    }
}

static void read_int(const struct intset *s, uint32_t index, struct set_member *out)
{
    out->place = (const char *)s + index;
    out->text = bytes_of(out->scratch, number_format_i64(out->scratch, intset_get(s, index)));
}

/* A place is an element of the listpack, a pointer of the table, or an index counted in bytes from
 * the intset on. */
void set_read(const struct entry *e, const void *place, struct set_member *out)
{
    out->place = place;
    switch (entry_encoding(e)) {
    case ENC_INTSET:
        read_int(ints_of(e), (uint32_t)((const char *)place - (const char *)ints_of(e)), out);
        break;
    case ENC_LISTPACK:
        out->text = lp_text(place, out->scratch);
        break;
    default:
        out->text = member_text(place);
        break;
    }
}

void set_random(const struct entry *e, struct set_member *out)
{
    switch (entry_encoding(e)) {
    case ENC_INTSET:
        read_int(ints_of(e), (uint32_t)random_below(set_count(e)), out);
        break;
    case ENC_LISTPACK:
        set_read(e, lp_seek(listpack_of(e), (int64_t)random_below(set_count(e))), out);
        break;
    default:
        set_read(e, dict_random(table_of(e)), out);
        break;
    }
}

void set_iter_begin(struct set_iter *it, const struct entry *e)
{
    it->e = e;
    it->index = 0;
    if (entry_encoding(e) == ENC_LISTPACK)
        it->at = lp_first(listpack_of(e));
    else if (entry_encoding(e) == ENC_HASHTABLE)
        dict_iter_begin(&it->table, table_of(e));
}

bool set_iter_next(struct set_iter *it, struct set_member *out)
{
    const struct entry *e = it->e;
    if (entry_encoding(e) == ENC_INTSET) {
        if (it->index == intset_count(ints_of(e)))
            return false;
        read_int(ints_of(e), it->index++, out);
        return true;
    }
    if (entry_encoding(e) == ENC_LISTPACK) {
        if (it->at == NULL)
            return false;
        set_read(e, it->at, out);
        it->at = lp_next(listpack_of(e), it->at);
        return true;
    }
    const void *member = dict_iter_next(&it->table);
    if (member != NULL)
        set_read(e, member, out);
    return member != NULL;
}

void set_iter_end(struct set_iter *it)
{
    if (entry_encoding(it->e) == ENC_HASHTABLE)
        dict_iter_end(&it->table);
}

struct dict *set_dict(const struct entry *e)
{
    return entry_encoding(e) == ENC_HASHTABLE ? table_of(e) : NULL;
}

void set_prefetch(const struct entry *e, const struct bytes *members, int count)
{
    enum { GROUP = 16 };
    uint64_t hashes[GROUP];
    const struct dict *d = set_dict(e);
    for (int done = 0; d != NULL && done < count; done += GROUP) {
        int n = count - done < GROUP ? count - done : GROUP;
        for (int i = 0; i < n; i++) {
            hashes[i] = dict_hash(members[done + i]);
            dict_prefetch_bucket(d, hashes[i]);
        }
        for (int i = 0; i < n; i++)
            dict_prefetch_entry(d, hashes[i]);
    }
}

/* -- values in their forms --------------------------------------------------------------------- */

static void *table_create(uint64_t members)
{
    struct dict *d = mem_alloc(sizeof *d);
    dict_init(d, &member_table);
    if (members > 0)
        dict_expect(d, members);
    return d;
}

static void table_destroy(struct dict *d)
{
    struct dict_iter it;
    dict_iter_begin(&it, d);
    for (void *member; (member = dict_iter_next(&it)) != NULL;)
        member_destroy(member);
    dict_iter_end(&it);
    dict_fini(d);
    mem_free(d);
}

static void value_destroy(enum value_encoding form, void *value)
{
    if (form == ENC_INTSET)
        intset_destroy(value);
    else if (form == ENC_LISTPACK)
        lp_destroy(value);
    else
        table_destroy(value);
}

static size_t value_memory(enum value_encoding form, const void *value)
{
    return form == ENC_INTSET ? intset_memory(value) : lp_memory(value);
}

static struct entry *wrap(struct bytes key, enum value_encoding form, void *value, int64_t deadline)
{
    return entry_create_word(key, TYPE_SET, form, (int64_t)(uintptr_t)value, deadline);
}

struct entry *set_create_as(struct bytes key, enum value_encoding form)
{
    void *value = form == ENC_INTSET     ? intset_create()
                  : form == ENC_LISTPACK ? (void *)lp_create(0)
                                         : table_create(0);
    return wrap(key, form, value, DEADLINE_NONE);
}

struct entry *set_of_listpack(struct bytes key, unsigned char *lp)
{
    return wrap(key, ENC_LISTPACK, lp, DEADLINE_NONE);
}

static uint64_t ints_max(const struct limits *limits)
{
    return limits->set_intset_entries < INTS_MAX ? limits->set_intset_entries : INTS_MAX;
}

struct entry *set_create(const struct limits *limits, struct bytes key, struct bytes first,
                         uint64_t members)
{
    int64_t number;
    if (members <= ints_max(limits) && number_parse_i64(first, &number))
        return set_create_as(key, ENC_INTSET);
    if (members <= limits->set_listpack_entries)
        return set_create_as(key, ENC_LISTPACK);
    return wrap(key, ENC_HASHTABLE, table_create(members), DEADLINE_NONE);
}

/* -- changing the form ------------------------------------------------------------------------- */

static bool records(const struct set_at *at)
{
    return at->log != NULL && undo_is_open(at->log);
}

/* The value that the entry had before, or has after it was taken back. */
struct form_change {
    struct entry *entry;
    enum value_encoding form;
    void *value;
};

static void swap_form(struct form_change *c)
{
    struct form_change now = {c->entry, entry_encoding(c->entry), entry_pointer(c->entry)};
    entry_set_encoding(c->entry, c->form);
    entry_set_pointer(c->entry, c->value);
    *c = now;
}

static void keep_form(struct keyspace *ks, void *record)
{
    (void)ks;
    struct form_change *c = record;
    value_destroy(c->form, c->value);
}

static void revert_form(struct keyspace *ks, void *record)
{
    swap_form(record);
    keep_form(ks, record);
}

static const struct undo_kind kind_form = {"set form", revert_form, keep_form};

/* A value in the new form, with the same members. */
static void *convert(const struct entry *e, enum value_encoding form, uint64_t members)
{
    struct set_iter it;
    struct set_member m;
    unsigned char *lp = form == ENC_LISTPACK ? lp_create(0) : NULL;
    struct dict *d = form == ENC_HASHTABLE ? table_create(members) : NULL;
    set_iter_begin(&it, e);
    while (set_iter_next(&it, &m)) {
        if (d != NULL)
            dict_insert(d, member_create(m.text), dict_hash(m.text));
        else
            lp = lp_append(lp, m.text);
    }
    set_iter_end(&it);
    return d != NULL ? (void *)d : lp;
}

static void change_form(const struct set_at *at, enum value_encoding form, uint64_t members)
{
    struct form_change c = {at->e, form, convert(at->e, form, members)};
    swap_form(&c);
    if (!records(at)) {
        value_destroy(c.form, c.value);
        return;
    }
    at->log->kept += value_memory(c.form, c.value);
    memcpy(undo_record(at->log, &kind_form, sizeof c), &c, sizeof c);
}

void set_expect(const struct set_at *at, uint64_t members)
{
    enum value_encoding form = entry_encoding(at->e);
    if ((form == ENC_LISTPACK && members > at->limits->set_listpack_entries) ||
        (form == ENC_INTSET && members > ints_max(at->limits)))
        change_form(at, ENC_HASHTABLE, members);
}

/* -- intsets ----------------------------------------------------------------------------------- */

struct int_change {
    struct entry *entry;
    int64_t value;
    uint32_t width; /* before */
};

static void record_int(const struct set_at *at, const struct undo_kind *kind, int64_t value,
                       uint32_t width)
{
    if (!records(at))
        return;
    struct int_change *c = undo_record(at->log, kind, sizeof *c);
    *c = (struct int_change){at->e, value, width};
}

static void revert_int_added(struct keyspace *ks, void *record)
{
    (void)ks;
    const struct int_change *c = record;
    bool done;
    struct intset *s = intset_remove(ints_of(c->entry), c->value, &done);
    entry_set_pointer(c->entry, intset_narrow(s, c->width));
}

static void revert_int_removed(struct keyspace *ks, void *record)
{
    (void)ks;
    const struct int_change *c = record;
    bool done;
    entry_set_pointer(c->entry, intset_add(ints_of(c->entry), c->value, &done));
}

static const struct undo_kind kind_int_added = {"set int", revert_int_added, NULL};
static const struct undo_kind kind_int_removed = {"removed set int", revert_int_removed, NULL};

/* Would a listpack of the set's integers and this member be within the limits? */
static bool fits_listpack(const struct set_at *at, struct bytes member)
{
    const struct intset *s = ints_of(at->e);
    uint64_t longest = member.len, max = at->limits->set_listpack_value;
    uint32_t count = intset_count(s);
    char text[NUMBER_TEXT_MAX];
    for (uint32_t i = 0; i < 2 && count > 0; i++) { /* the longest ones stand at the ends */
        uint64_t len = number_format_i64(text, intset_get(s, i * (count - 1)));
        longest = len > longest ? len : longest;
    }
    return count < at->limits->set_listpack_entries && longest <= max;
}

static bool ints_add(const struct set_at *at, struct bytes member)
{
    int64_t value;
    bool done;
    if (!number_parse_i64(member, &value)) {
        change_form(at, fits_listpack(at, member) ? ENC_LISTPACK : ENC_HASHTABLE, 0);
        return set_add(at, member);
    }
    uint32_t width = intset_width(ints_of(at->e));
    entry_set_pointer(at->e, intset_add(ints_of(at->e), value, &done));
    if (!done)
        return false;
    record_int(at, &kind_int_added, value, width);
    if (intset_count(ints_of(at->e)) > ints_max(at->limits))
        change_form(at, ENC_HASHTABLE, 0);
    return true;
}

static bool ints_remove(const struct set_at *at, struct bytes member)
{
    int64_t value;
    bool done;
    if (!number_parse_i64(member, &value))
        return false;
    entry_set_pointer(at->e, intset_remove(ints_of(at->e), value, &done));
    if (done)
        record_int(at, &kind_int_removed, value, 0);
    return done;
}

/* -- listpacks --------------------------------------------------------------------------------- */

struct packed_change {
    struct entry *entry;
    size_t place, len; /* of a removed member; place 0: it stood at the end */
    char text[];
};

/* New members stand at the end. */
static void revert_packed_added(struct keyspace *ks, void *record)
{
    (void)ks;
    struct entry *e = ((struct packed_change *)record)->entry;
    entry_set_pointer(e, lp_delete_range(listpack_of(e), -1, 1));
}

static void revert_packed_removed(struct keyspace *ks, void *record)
{
    (void)ks;
    const struct packed_change *c = record;
    unsigned char *lp = listpack_of(c->entry), *at = lp + c->place;
    struct bytes text = bytes_of(c->text, c->len);
    lp = c->place != 0 ? lp_insert_before(lp, &at, text) : lp_append(lp, text);
    entry_set_pointer(c->entry, lp);
}

static const struct undo_kind kind_packed_added = {"packed set member", revert_packed_added, NULL};
static const struct undo_kind kind_packed_removed = {"removed packed set member",
                                                     revert_packed_removed, NULL};

static void record_packed(const struct set_at *at, const struct undo_kind *kind, size_t place,
                          struct bytes text)
{
    if (!records(at))
        return;
    struct packed_change *c = undo_record(at->log, kind, sizeof *c + text.len);
    *c = (struct packed_change){at->e, place, text.len};
    if (text.len > 0)
        memcpy(c->text, text.ptr, text.len);
}

static bool packed_add(const struct set_at *at, struct bytes member)
{
    unsigned char *lp = listpack_of(at->e);
    if (packed_find(lp, member) != NULL)
        return false;
    if (lp_count(lp) >= at->limits->set_listpack_entries ||
        member.len > at->limits->set_listpack_value || !lp_has_room(lp, lp_element_size(member))) {
        change_form(at, ENC_HASHTABLE, 0);
        return set_add(at, member);
    }
    entry_set_pointer(at->e, lp_append(lp, member));
    record_packed(at, &kind_packed_added, 0, bytes_of(NULL, 0));
    return true;
}

static bool packed_remove(const struct set_at *at, struct bytes member)
{
    unsigned char *lp = listpack_of(at->e), *place = packed_find(lp, member);
    if (place == NULL)
        return false;
    bool is_last = lp_next(lp, place) == NULL;
    char scratch[NUMBER_TEXT_MAX];
    record_packed(at, &kind_packed_removed, is_last ? 0 : (size_t)(place - lp),
                  lp_text(place, scratch));
    entry_set_pointer(at->e, lp_delete(lp, &place, 1));
    return true;
}

/* -- tables ------------------------------------------------------------------------------------ */

struct member_change {
    struct dict *table;
    void *member;
    uint64_t hash;
};

static void end_member(struct keyspace *ks, void *record)
{
    (void)ks;
    member_destroy(((struct member_change *)record)->member);
}

static void revert_member_added(struct keyspace *ks, void *record)
{
    const struct member_change *c = record;
    dict_remove(c->table, member_text(c->member), c->hash);
    end_member(ks, record);
}

static void revert_member_removed(struct keyspace *ks, void *record)
{
    (void)ks;
    const struct member_change *c = record;
    dict_insert(c->table, c->member, c->hash);
}

static const struct undo_kind kind_member_added = {"set member", revert_member_added, NULL};
static const struct undo_kind kind_member_removed = {"removed set member", revert_member_removed,
                                                     end_member};

static void record_member(const struct set_at *at, const struct undo_kind *kind, void *member,
                          uint64_t hash)
{
    struct member_change *c = undo_record(at->log, kind, sizeof *c);
    *c = (struct member_change){table_of(at->e), member, hash};
}

static bool table_add(const struct set_at *at, struct bytes text)
{
    struct dict *d = table_of(at->e);
    uint64_t hash = dict_hash(text);
    if (dict_find(d, text, hash) != NULL)
        return false;
    void *member = member_create(text);
    dict_insert(d, member, hash);
    if (records(at))
        record_member(at, &kind_member_added, member, hash);
    return true;
}

static bool table_remove(const struct set_at *at, struct bytes text)
{
    uint64_t hash = dict_hash(text);
    void *member = dict_remove(table_of(at->e), text, hash);
    if (member == NULL)
        return false;
    if (records(at)) {
        at->log->kept += member_memory(member);
        record_member(at, &kind_member_removed, member, hash);
    } else {
        member_destroy(member);
    }
    return true;
}

/* -- changing, in any form --------------------------------------------------------------------- */

bool set_add(const struct set_at *at, struct bytes member)
{
    switch (entry_encoding(at->e)) {
    case ENC_INTSET:
        return ints_add(at, member);
    case ENC_LISTPACK:
        return packed_add(at, member);
    default:
        return table_add(at, member);
    }
}

bool set_remove(const struct set_at *at, struct bytes member)
{
    switch (entry_encoding(at->e)) {
    case ENC_INTSET:
        return ints_remove(at, member);
    case ENC_LISTPACK:
        return packed_remove(at, member);
    default:
        return table_remove(at, member);
    }
}

/* -- the row in value.c ------------------------------------------------------------------------ */

void set_free_value(struct entry *e)
{
    value_destroy(entry_encoding(e), entry_pointer(e));
}

uint64_t set_free_effort(const struct entry *e)
{
    return entry_encoding(e) == ENC_HASHTABLE ? table_of(e)->count : 1;
}

static size_t table_memory(struct dict *d, uint64_t samples)
{
    size_t total = mem_usable(sizeof *d) + dict_memory(d), seen = 0;
    uint64_t count = 0;
    struct dict_iter it;
    dict_iter_begin(&it, d);
    for (void *m; (samples == 0 || count < samples) && (m = dict_iter_next(&it)) != NULL; count++)
        seen += member_memory(m);
    dict_iter_end(&it);
    return count > 0 ? total + (size_t)((double)seen / (double)count * (double)d->count) : total;
}

size_t set_memory(const struct entry *e, uint64_t samples)
{
    if (entry_encoding(e) == ENC_HASHTABLE)
        return table_memory(table_of(e), samples);
    return value_memory(entry_encoding(e), entry_pointer(e));
}

struct entry *set_copy(const struct entry *e, struct bytes key, int64_t deadline)
{
    enum value_encoding form = entry_encoding(e);
    void *value = form == ENC_INTSET     ? intset_copy(ints_of(e))
                  : form == ENC_LISTPACK ? (void *)lp_copy(listpack_of(e))
                                         : convert(e, ENC_HASHTABLE, set_count(e));
    return wrap(key, form, value, deadline);
}

void set_check(const struct entry *e)
{
    uint64_t count = 0;
    struct set_iter it;
    struct set_member m;
    set_iter_begin(&it, e);
    for (; set_iter_next(&it, &m); count++)
        if (!set_contains(e, m.text))
            abort();
    set_iter_end(&it);
    if (count != set_count(e))
        abort();
    if (entry_encoding(e) == ENC_HASHTABLE)
        dict_check(table_of(e));
    if (entry_encoding(e) == ENC_INTSET && count > 0 && !intset_validate(intset_view(ints_of(e))))
        abort();
}

uint64_t set_print(const struct keyspace *ks, const struct entry *e, struct bytes member)
{
    (void)ks;
    return set_contains(e, member);
}
