/*
 * hash_packed.c - small hashes: a listpack of fields with their values, and their deadlines if one
 * has any.
 *
 * Fields stand in the order in which they came. Undo records are small and refer to places by their
 * distance from the start of the listpack: when they are reverted, it is byte for byte what it was
 * when the change had just been made.
 */
#include "base/memory.h"
#include "base/random.h"
#include "storage/hash_forms.h"
#include "storage/listpack.h"
#include "storage/undo.h"

static bool has_deadlines(const struct entry *e)
{
    return entry_encoding(e) == ENC_LISTPACK_EX;
}

static int width_of(const struct entry *e)
{
    return has_deadlines(e) ? 3 : 2;
}

static struct hash_packed *packed_of(const struct entry *e)
{
    return entry_pointer(e);
}

unsigned char *packed_listpack(const struct entry *e)
{
    return has_deadlines(e) ? packed_of(e)->lp : entry_pointer(e);
}

static void store_listpack(struct entry *e, unsigned char *lp)
{
    if (has_deadlines(e))
        packed_of(e)->lp = lp;
    else
        entry_set_pointer(e, lp);
}

void packed_destroy(struct entry *e)
{
    lp_destroy(packed_listpack(e));
    if (has_deadlines(e))
        mem_free(packed_of(e));
}

uint64_t packed_count(const struct entry *e)
{
    return lp_count(packed_listpack(e)) / (uint32_t)width_of(e);
}

uint64_t packed_expiring(const struct entry *e)
{
    return has_deadlines(e) ? packed_of(e)->expiring : 0;
}

/* -- reading ----------------------------------------------------------------------------------- */

/* The third element, where 0 stands for none. */
static int64_t deadline_at(const unsigned char *at)
{
    int64_t deadline = lp_get(at).number;
    return deadline != 0 ? deadline : DEADLINE_NONE;
}

static struct bytes deadline_text(int64_t deadline, char scratch[NUMBER_TEXT_MAX])
{
    int64_t number = deadline != DEADLINE_NONE ? deadline : 0;
    return bytes_of(scratch, number_format_i64(scratch, number));
}

static unsigned char *find(const struct entry *e, struct bytes name)
{
    unsigned char *lp = packed_listpack(e), *first = lp_first(lp);
    return first != NULL ? lp_find(lp, first, name, width_of(e) - 1) : NULL;
}

const unsigned char *packed_read(const struct entry *e, const unsigned char *at,
                                 struct hash_field *out)
{
    const unsigned char *lp = packed_listpack(e), *value = lp_next(lp, at);
    const unsigned char *next = lp_next(lp, value);
    out->name = lp_text(at, out->scratch[0]);
    out->value = lp_text(value, out->scratch[1]);
    out->blob = NULL;
    out->deadline = DEADLINE_NONE;
    if (has_deadlines(e)) {
        out->deadline = deadline_at(next);
        next = lp_next(lp, next);
    }
    return next;
}

bool packed_find(const struct entry *e, struct bytes name, struct hash_field *out)
{
    const unsigned char *at = find(e, name);
    if (at != NULL)
        packed_read(e, at, out);
    return at != NULL;
}

void packed_random(const struct entry *e, struct hash_field *out)
{
    int64_t i = (int64_t)random_below(packed_count(e));
    packed_read(e, lp_seek(packed_listpack(e), i * width_of(e)), out);
}

int64_t packed_earliest(const struct entry *e)
{
    int64_t earliest = DEADLINE_NONE;
    struct hash_field f;
    for (const unsigned char *at = lp_first(packed_listpack(e)); at != NULL;) {
        at = packed_read(e, at, &f);
        if (f.deadline != DEADLINE_NONE && (earliest == DEADLINE_NONE || f.deadline < earliest))
            earliest = f.deadline;
    }
    return earliest;
}

struct hash_packed *packed_with_deadlines(const struct entry *e)
{
    struct hash_packed *p = mem_alloc(sizeof *p);
    const unsigned char *from = packed_listpack(e);
    char zero[NUMBER_TEXT_MAX];
    size_t each = lp_element_size(deadline_text(DEADLINE_NONE, zero));
    *p = (struct hash_packed){.times = {DEADLINE_NONE}};
    p->lp = lp_create(lp_bytes(from) + packed_count(e) * each);
    struct hash_field f;
    for (const unsigned char *at = lp_first(from); at != NULL;) {
        at = packed_read(e, at, &f);
        p->lp = lp_append(p->lp, f.name);
        p->lp = lp_append(p->lp, f.value);
        p->lp = lp_append_int(p->lp, 0);
    }
    return p;
}

/* -- undo -------------------------------------------------------------------------------------- */

/* A field as it was before it changed, if it was there. The bytes are the name's (of a removed
 * field only) and the value's. */
struct packed_change {
    struct entry *entry;
    size_t place;
    int64_t deadline;
    size_t name_len, value_len;
    char bytes[];
};

static struct bytes saved_name(const struct packed_change *c)
{
    return bytes_of(c->bytes, c->name_len);
}

static struct bytes saved_value(const struct packed_change *c)
{
    return bytes_of(c->bytes + c->name_len, c->value_len);
}

/* at and f: where and what is there now, NULL for a new field. */
static void record_change(struct keyspace *ks, const struct undo_kind *kind, struct entry *e,
                          const unsigned char *at, const struct hash_field *f, bool with_name)
{
    if (!undo_is_open(ks->undo))
        return;
    size_t name = with_name ? f->name.len : 0, value = f != NULL ? f->value.len : 0;
    struct packed_change *c = undo_record(ks->undo, kind, sizeof *c + name + value);
    *c = (struct packed_change){
        .entry = e,
        .place = at != NULL ? (size_t)(at - packed_listpack(e)) : 0,
        .deadline = f != NULL ? f->deadline : DEADLINE_NONE,
        .name_len = name,
        .value_len = value,
    };
    if (name > 0)
        memcpy(c->bytes, f->name.ptr, name);
    if (value > 0)
        memcpy(c->bytes + name, f->value.ptr, value);
}

static void count_deadline(struct entry *e, int64_t before, int64_t after)
{
    if (!has_deadlines(e))
        return;
    struct hash_packed *p = packed_of(e);
    p->expiring -= before != DEADLINE_NONE;
    p->expiring += after != DEADLINE_NONE;
}

static void write_value(struct entry *e, const unsigned char *field, struct bytes value)
{
    unsigned char *lp = packed_listpack(e), *at = lp_next(lp, field);
    store_listpack(e, lp_replace(lp, &at, value));
}

static void write_deadline(struct entry *e, const unsigned char *field, int64_t deadline)
{
    if (!has_deadlines(e))
        return;
    char scratch[NUMBER_TEXT_MAX];
    unsigned char *lp = packed_listpack(e), *at = lp_next(lp, lp_next(lp, field));
    if (deadline_at(at) == deadline)
        return;
    count_deadline(e, deadline_at(at), deadline);
    store_listpack(e, lp_replace(lp, &at, deadline_text(deadline, scratch)));
}

static void write_field(struct entry *e, size_t place, struct bytes value, int64_t deadline)
{
    write_deadline(e, packed_listpack(e) + place, deadline);
    write_value(e, packed_listpack(e) + place, value);
}

static void revert_set(struct keyspace *ks, void *record)
{
    (void)ks;
    const struct packed_change *c = record;
    write_field(c->entry, c->place, saved_value(c), c->deadline);
}

static const struct undo_kind kind_set = {"packed hash field", revert_set, NULL};

static void append_field(struct entry *e, struct bytes name, struct bytes value, int64_t deadline)
{
    char scratch[NUMBER_TEXT_MAX];
    unsigned char *lp = packed_listpack(e);
    lp = lp_append(lp, name);
    lp = lp_append(lp, value);
    if (has_deadlines(e))
        lp = lp_append(lp, deadline_text(deadline, scratch));
    store_listpack(e, lp);
    count_deadline(e, DEADLINE_NONE, deadline);
}

/* New fields stand at the end. */
static void revert_add(struct keyspace *ks, void *record)
{
    (void)ks;
    struct entry *e = ((struct packed_change *)record)->entry;
    unsigned char *lp = packed_listpack(e);
    if (has_deadlines(e))
        count_deadline(e, deadline_at(lp_last(lp)), DEADLINE_NONE);
    int width = width_of(e);
    store_listpack(e, lp_delete_range(lp, -width, (uint32_t)width));
}

static const struct undo_kind kind_add = {"new packed hash field", revert_add, NULL};

static void revert_delete(struct keyspace *ks, void *record)
{
    (void)ks;
    const struct packed_change *c = record;
    struct entry *e = c->entry;
    unsigned char *lp = packed_listpack(e);
    if (c->place == 0) { /* it stood at the end */
        append_field(e, saved_name(c), saved_value(c), c->deadline);
        return;
    }
    char scratch[NUMBER_TEXT_MAX];
    unsigned char *at = lp + c->place;
    lp = lp_insert_before(lp, &at, saved_name(c));
    lp = lp_insert_after(lp, &at, saved_value(c));
    if (has_deadlines(e))
        lp = lp_insert_after(lp, &at, deadline_text(c->deadline, scratch));
    store_listpack(e, lp);
    count_deadline(e, DEADLINE_NONE, c->deadline);
}

static const struct undo_kind kind_delete = {"removed packed hash field", revert_delete, NULL};

/* -- changing ---------------------------------------------------------------------------------- */

bool packed_set(struct hash_at *at, const struct hash_change *c, int64_t *before)
{
    struct entry *e = at->e;
    unsigned char *place = find(e, c->name);
    *before = DEADLINE_NONE;
    if (place == NULL) {
        record_change(at->ks, &kind_add, e, NULL, NULL, false);
        append_field(e, c->name, c->value, c->deadline);
        return true;
    }
    struct hash_field f;
    packed_read(e, place, &f);
    *before = f.deadline;
    record_change(at->ks, &kind_set, e, place, &f, false);
    write_field(e, (size_t)(place - packed_listpack(e)), c->value, c->deadline);
    return false;
}

bool packed_delete(struct hash_at *at, struct bytes name, int64_t *before)
{
    struct entry *e = at->e;
    unsigned char *lp = packed_listpack(e), *place = find(e, name);
    if (place == NULL)
        return false;
    struct hash_field f;
    bool is_last = packed_read(e, place, &f) == NULL;
    *before = f.deadline;
    record_change(at->ks, &kind_delete, e, is_last ? NULL : place, &f, true);
    count_deadline(e, f.deadline, DEADLINE_NONE);
    store_listpack(e, lp_delete(lp, &place, (uint32_t)width_of(e)));
    return true;
}

void packed_set_deadline(struct hash_at *at, struct bytes name, int64_t deadline, int64_t *before)
{
    struct hash_field f;
    unsigned char *place = find(at->e, name);
    packed_read(at->e, place, &f);
    *before = f.deadline;
    record_change(at->ks, &kind_set, at->e, place, &f, false);
    write_deadline(at->e, place, deadline);
}

uint32_t packed_expire(struct hash_at *at, uint32_t limit)
{
    uint32_t count = 0;
    struct hash_field f;
    struct entry *e = at->e;
    const unsigned char *place = lp_first(packed_listpack(e));
    while (place != NULL && count < limit) {
        const unsigned char *next = packed_read(e, place, &f);
        if (!hash_is_dead(at->ks, &f)) {
            place = next;
            continue;
        }
        unsigned char *here = (unsigned char *)place;
        record_change(at->ks, &kind_delete, e, next == NULL ? NULL : place, &f, true);
        count_deadline(e, f.deadline, DEADLINE_NONE);
        store_listpack(e, lp_delete(packed_listpack(e), &here, (uint32_t)width_of(e)));
        place = here;
        count++;
    }
    return count;
}
