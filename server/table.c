/*
 * table.c - all commands: found by name, and where their keys are.
 *
 * Every request looks its command up, so the names stand in an open-addressed index of packed
 * words: eight bytes from either end of the name tell all commands apart but for a few long ones,
 * and case is ignored by setting the bit that divides lower case from capitals where the name has a
 * letter. A look-up is a hash of two words, and mostly one cell.
 *
 * Slots never move and never go once the table is made; rename-command only rebuilds the index.
 */
#include "base/memory.h"
#include "base/number.h"
#include "server/command.h"
#include "server/latency.h"

/* The busiest first: in the index, the first to come gets its own cell. */
#define FAMILIES(X)                                                                                \
    X(string_commands)                                                                             \
    X(counter_commands)                                                                            \
    X(list_commands)                                                                               \
    X(list_move_commands)                                                                          \
    X(hash_commands)                                                                               \
    X(hash_all_commands)                                                                           \
    X(hash_expire_commands)                                                                        \
    X(hash_ex_commands)                                                                            \
    X(zset_commands)                                                                               \
    X(zset_range_commands)                                                                         \
    X(zset_pick_commands)                                                                          \
    X(zset_algebra_commands)                                                                       \
    X(set_commands)                                                                                \
    X(set_random_commands)                                                                         \
    X(set_algebra_commands)                                                                        \
    X(bitmap_commands)                                                                             \
    X(bitfield_commands)                                                                           \
    X(hyperloglog_commands)                                                                        \
    X(stream_commands)                                                                             \
    X(stream_read_commands)                                                                        \
    X(stream_group_commands)                                                                       \
    X(stream_pending_commands)                                                                     \
    X(stream_info_commands)                                                                        \
    X(stream_refs_commands)                                                                        \
    X(geo_commands)                                                                                \
    X(geo_search_commands)                                                                         \
    X(key_commands)                                                                                \
    X(expire_commands)                                                                             \
    X(transaction_commands)                                                                        \
    X(optimistic_commands)                                                                         \
    X(scripting_commands)                                                                          \
    X(function_commands)                                                                           \
    X(connection_commands)                                                                         \
    X(blocking_commands)                                                                           \
    X(sort_commands)                                                                               \
    X(scan_commands)                                                                               \
    X(dump_commands)                                                                               \
    X(migrate_commands)                                                                            \
    X(object_commands)                                                                             \
    X(compare_commands)                                                                            \
    X(lcs_commands)                                                                                \
    X(client_commands)                                                                             \
    X(command_commands)                                                                            \
    X(server_commands)                                                                             \
    X(snapshot_commands)                                                                           \
    X(shutdown_commands)                                                                           \
    X(config_commands)                                                                             \
    X(info_commands)                                                                               \
    X(memory_commands)                                                                             \
    X(debug_commands)                                                                              \
    X(slowlog_commands)                                                                            \
    X(txlog_commands)                                                                              \
    X(latency_commands)                                                                            \
    X(monitor_commands)                                                                            \
    X(pubsub_commands)                                                                             \
    X(replication_commands)                                                                        \
    X(cluster_commands)

#define DECLARE(family) extern const struct command family[];
FAMILIES(DECLARE)
#undef DECLARE

#define MEMBER(family) family,
static const struct command *const families[] = {FAMILIES(MEMBER)};
#undef MEMBER

enum { FAMILY_COUNT = sizeof families / sizeof families[0], PACKED = 16 };

/* The first and the last eight bytes of a name, overlapping in a short one; up to PACKED bytes that
 * is all of it. */
struct word {
    uint64_t head, tail;
};

/* One cache line: what a look-up needs to decide. */
struct cell {
    struct word name;          /* lower case */
    struct word letters;       /* 0x20 in each byte that is a letter */
    struct command_slot *slot; /* NULL: free */
    size_t len;
    uint64_t unused[2];
};
_Static_assert(sizeof(struct cell) == 64, "a cell is a cache line");

struct command_table {
    struct cell *cells; /* owned; a power of two, at most a quarter of them taken */
    int shift;          /* 64 - log2 of how many */
    int slot_count;
    struct command_slot *slots; /* owned; all families' rows in order */
    int count;
    struct command_slot **named; /* owned; those that have a name, in the same order */
};

/* -- the index --------------------------------------------------------------------------------- */

static inline struct word word_of(struct bytes name)
{
    struct word w = {0, 0};
    const unsigned char *p = (const unsigned char *)name.ptr;
    if (name.len >= 8) {
        memcpy(&w.head, p, 8);
        memcpy(&w.tail, p + name.len - 8, 8);
    } else if (name.len >= 4) {
        uint32_t first, last;
        memcpy(&first, p, 4);
        memcpy(&last, p + name.len - 4, 4);
        w.head = first | (uint64_t)last << 32;
    } else if (name.len > 0) {
        w.head = p[0] | (uint64_t)p[name.len / 2] << 8 | (uint64_t)p[name.len - 1] << 16;
    }
    return w;
}

/* Where a name's search begins. All bytes are folded, letters or not: equal names meet, others are
 * told apart in the cell. */
static inline size_t home_of(const struct command_table *t, struct word w, size_t len)
{
    const uint64_t fold = 0x2020202020202020, golden = 0x9e3779b97f4a7c15;
    uint64_t tail = w.tail | fold;
    uint64_t mix = (w.head | fold) ^ (tail << 23 | tail >> 41) ^ len;
    return mix * golden >> t->shift;
}

static inline size_t cell_count(const struct command_table *t)
{
    return (size_t)1 << (64 - t->shift);
}

struct command_slot *command_find(const struct command_table *t, struct bytes name)
{
    struct word w = word_of(name);
    for (size_t i = home_of(t, w, name.len);; i = (i + 1) & (cell_count(t) - 1)) {
        const struct cell *c = &t->cells[i];
        if (c->slot == NULL)
            return NULL;
        uint64_t differs = ((w.head | c->letters.head) ^ c->name.head) |
                           ((w.tail | c->letters.tail) ^ c->name.tail) | (name.len ^ c->len);
        if (differs == 0 &&
            (name.len <= PACKED || strncasecmp(c->slot->name, name.ptr, name.len) == 0))
            return c->slot;
    }
}

static uint64_t letters_in(uint64_t word)
{
    uint64_t letters = 0;
    for (int shift = 0; shift < 64; shift += 8) {
        uint64_t byte = (word >> shift & 0xff) | 0x20;
        if (byte >= 'a' && byte <= 'z')
            letters |= (uint64_t)0x20 << shift;
    }
    return letters;
}

static void index_add(struct command_table *t, struct command_slot *slot)
{
    struct bytes name = bytes_of_text(slot->name);
    struct word w = word_of(name);
    size_t i = home_of(t, w, name.len);
    while (t->cells[i].slot != NULL)
        i = (i + 1) & (cell_count(t) - 1);
    struct word letters = {letters_in(w.head), letters_in(w.tail)};
    t->cells[i] = (struct cell){
        .name = {w.head | letters.head, w.tail | letters.tail},
        .letters = letters,
        .slot = slot,
        .len = name.len,
    };
}

static void index_rebuild(struct command_table *t)
{
    memset(t->cells, 0, cell_count(t) * sizeof *t->cells);
    t->count = 0;
    for (int i = 0; i < t->slot_count; i++) {
        if (t->slots[i].name == NULL)
            continue;
        index_add(t, &t->slots[i]);
        t->named[t->count++] = &t->slots[i];
    }
}

/* -- making a table ---------------------------------------------------------------------------- */

/* The categories that follow from the flags. Scripts may write whatever their flags say, so a
 * read-only one of them is not in @read. */
static uint32_t all_categories(const struct command *row)
{
    uint32_t c = row->categories;
    if (row->flags & CMD_WRITE)
        c |= CAT_WRITE;
    if ((row->flags & CMD_READONLY) && !(c & CAT_SCRIPTING))
        c |= CAT_READ;
    if (row->flags & CMD_ADMIN)
        c |= CAT_ADMIN | CAT_DANGEROUS;
    if (row->flags & CMD_PUBSUB)
        c |= CAT_PUBSUB;
    if (row->flags & CMD_BLOCKING)
        c |= CAT_BLOCKING;
    return c | (row->flags & CMD_FAST ? CAT_FAST : CAT_SLOW);
}

static uint16_t first_key(const struct command *row)
{
    const struct key_spec *spec = row->keys;
    if (row->key_count == 0 || spec->unknown || spec->keyword != NULL ||
        (spec->flags & KEY_NOT_KEY))
        return 0;
    return (uint16_t)(spec->first + (spec->counted ? spec->key_at : 0));
}

static int row_count(const struct command *rows)
{
    int n = 0;
    while (rows != NULL && rows[n].name != NULL)
        n++;
    return n;
}

static char *join_name(const struct command_slot *parent, const char *name)
{
    if (parent == NULL)
        return mem_copy_text(name);
    size_t before = strlen(parent->full_name), len = strlen(name);
    char *full = mem_alloc(before + len + 2);
    memcpy(full, parent->full_name, before);
    full[before] = '|';
    memcpy(full + before + 1, name, len + 1);
    return full;
}

static void slot_init(struct command_slot *slot, const struct command *row,
                      const struct command_slot *parent)
{
    *slot = (struct command_slot){
        .row = row,
        .parent = parent,
        .full_name = join_name(parent, row->name),
        .name = mem_copy_text(row->name),
        .sub_count = row_count(row->subcommands),
        .flags = row->flags,
        .categories = all_categories(row),
        .first_key = first_key(row),
    };
    if (slot->sub_count > 0)
        slot->subs = mem_alloc((size_t)slot->sub_count * sizeof *slot->subs);
    for (int i = 0; i < slot->sub_count; i++)
        slot_init(&slot->subs[i], &row->subcommands[i], slot);
}

static void slot_fini(struct command_slot *slot)
{
    for (int i = 0; i < slot->sub_count; i++)
        slot_fini(&slot->subs[i]);
    mem_free(slot->subs);
    mem_free(slot->full_name);
    mem_free(slot->name);
    histogram_destroy(slot->latency);
}

struct command_table *command_table_create(void)
{
    struct command_table *t = mem_alloc_zeroed(sizeof *t);
    for (int f = 0; f < FAMILY_COUNT; f++)
        t->slot_count += row_count(families[f]);
    t->slots = mem_alloc((size_t)t->slot_count * sizeof *t->slots);
    t->named = mem_alloc((size_t)t->slot_count * sizeof(struct command_slot *));
    int slot = 0;
    for (int f = 0; f < FAMILY_COUNT; f++) {
        for (const struct command *row = families[f]; row->name != NULL; row++)
            slot_init(&t->slots[slot++], row, NULL);
    }
    t->shift = 63;
    while (cell_count(t) < (size_t)t->slot_count * 4)
        t->shift--;
    t->cells = mem_alloc_lines(cell_count(t) * sizeof *t->cells);
    index_rebuild(t);
    return t;
}

void command_table_destroy(struct command_table *t)
{
    if (t == NULL)
        return;
    for (int i = 0; i < t->slot_count; i++)
        slot_fini(&t->slots[i]);
    mem_free(t->slots);
    mem_free(t->named);
    mem_free(t->cells);
    mem_free(t);
}

/* -- names ------------------------------------------------------------------------------------- */

struct command_slot *command_find_sub(struct command_slot *container, struct bytes name)
{
    for (int i = 0; i < container->sub_count; i++) {
        if (bytes_is_word(name, container->subs[i].name))
            return &container->subs[i];
    }
    return NULL;
}

struct command_slot *command_find_full(const struct command_table *t, struct bytes full_name)
{
    const char *bar = memchr(full_name.ptr, '|', full_name.len);
    if (bar == NULL)
        return command_find(t, full_name);
    size_t before = (size_t)(bar - full_name.ptr);
    struct command_slot *container = command_find(t, bytes_of(full_name.ptr, before));
    if (container == NULL)
        return NULL;
    return command_find_sub(container, bytes_of(bar + 1, full_name.len - before - 1));
}

bool command_rename(struct command_table *t, struct bytes name, struct bytes new_name)
{
    struct command_slot *slot = command_find(t, name);
    if (slot == NULL || command_find(t, new_name) != NULL ||
        (new_name.len > 0 && memchr(new_name.ptr, '\0', new_name.len) != NULL))
        return false;
    mem_free(slot->name);
    slot->name = new_name.len > 0 ? mem_copy_bytes(new_name.ptr, new_name.len) : NULL;
    index_rebuild(t);
    return true;
}

int command_count(const struct command_table *t)
{
    return t->count;
}

struct command_slot *command_at(const struct command_table *t, int i)
{
    return t->named[i];
}

void command_each(struct command_table *t, void (*visit)(struct command_slot *slot, void *context),
                  void *context)
{
    for (int i = 0; i < t->slot_count; i++) {
        struct command_slot *slot = &t->slots[i];
        visit(slot, context);
        for (int s = 0; s < slot->sub_count; s++)
            visit(&slot->subs[s], context);
    }
}

static void reset_slot(struct command_slot *slot, void *context)
{
    (void)context;
    slot->calls = slot->ticks = slot->rejected = slot->failed = 0;
    histogram_destroy(slot->latency);
    slot->latency = NULL;
}

void command_reset_stats(struct command_table *t)
{
    command_each(t, reset_slot, NULL);
}

/* -- keys -------------------------------------------------------------------------------------- */

/* A request and the positions found in it. */
struct key_search {
    const struct bytes *argv;
    int argc;
    struct key_position *out;
    int room, found;
};

/* Index of the argument that the specification begins at; 0: not in this request. */
static int spec_begin(const struct key_spec *spec, const struct key_search *s)
{
    if (spec->keyword == NULL)
        return spec->first;
    int step = spec->first < 0 ? -1 : 1;
    int i = spec->first < 0 ? s->argc + spec->first : spec->first;
    for (; i > 0 && i < s->argc - 1; i += step) {
        if (bytes_is_word(s->argv[i], spec->keyword))
            return i + 1;
    }
    return 0;
}

/* The first and the last key of the specification that begins at *first; false: the arguments do
 * not hold them. */
static bool spec_range(const struct key_spec *spec, const struct key_search *s, int step,
                       int *first, int *last)
{
    int begin = *first;
    if (spec->counted) {
        int64_t count;
        if (begin + spec->count_at >= s->argc ||
            !number_parse_i64(s->argv[begin + spec->count_at], &count) || count < 0 ||
            count > s->argc)
            return false;
        *first = begin + spec->key_at;
        *last = *first + ((int)count - 1) * step;
    } else if (spec->last >= 0) {
        *last = begin + spec->last;
    } else if (spec->limit <= 1) {
        *last = s->argc + spec->last;
    } else {
        *last = begin + (s->argc - begin) / spec->limit + spec->last;
    }
    return *last < s->argc;
}

static bool search_spec(const struct key_spec *spec, struct key_search *s)
{
    int first = spec_begin(spec, s), last, step = spec->step > 0 ? spec->step : 1;
    if (spec->unknown || (spec->flags & KEY_NOT_KEY) || first == 0)
        return true;
    if (!spec_range(spec, s, step, &first, &last))
        return false;
    for (int i = first; i <= last; i += step) {
        if (s->found < s->room)
            s->out[s->found] = (struct key_position){i, spec->flags};
        s->found++;
    }
    return true;
}

int command_keys(const struct command_slot *slot, const struct bytes *argv, int argc,
                 struct key_position *out, int room)
{
    const struct command *row = slot->row;
    if (row->get_keys != NULL)
        return row->get_keys(argv, argc, out, room);
    struct key_search s = {argv, argc, out, room, 0};
    for (int i = 0; i < row->key_count; i++) {
        if (!search_spec(&row->keys[i], &s))
            return -1;
    }
    return row->key_count > 0 ? s.found : -1;
}
