/*
 * bitfield.c - strings as arrays of integers of any width: BITFIELD, BITFIELD_RO.
 *
 * All operations are read before anything changes. The string grows to the end of the furthest
 * write first, even if no write then takes place.
 */
#include "base/bits.h"
#include "base/memory.h"
#include "server/command.h"
#include "server/commands/bitmaps.h"
#include "storage/string.h"

enum op {
    OP_GET,
    OP_SET,
    OP_INCRBY,
};

enum overflow {
    OVERFLOW_WRAP,
    OVERFLOW_SAT,
    OVERFLOW_FAIL,
};

struct field {
    enum op op;
    enum overflow overflow;
    bool is_signed;
    unsigned width;
    uint64_t offset;
    int64_t value; /* to set, or to add */
};

struct fields {
    struct field *all; /* owned */
    int count;
    bool writes;
    size_t min_len; /* bytes up to the end of the furthest write */
};

/* -- arguments --------------------------------------------------------------------------------- */

static bool type_or_reply(struct call *call, int i, struct field *f)
{
    struct bytes text = call->argv[i];
    int64_t width;
    f->is_signed = text.len > 0 && text.ptr[0] == 'i';
    if (text.len > 1 && (f->is_signed || text.ptr[0] == 'u') &&
        number_parse_i64(bytes_of(text.ptr + 1, text.len - 1), &width) && width >= 1 &&
        width <= (f->is_signed ? 64 : 63)) {
        f->width = (unsigned)width;
        return true;
    }
    reply_error(call->reply,
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is "
                "not supported but i64 is.");
    return false;
}

static bool overflow_or_reply(struct call *call, int i, enum overflow *out)
{
    static const char *const words[] = {"wrap", "sat", "fail"};
    for (int w = 0; w < 3; w++) {
        if (bytes_is_word(call->argv[i], words[w])) {
            *out = (enum overflow)w;
            return true;
        }
    }
    reply_error(call->reply, "ERR Invalid OVERFLOW type specified");
    return false;
}

/* How many arguments this operation has behind its word; 0: there is none of this name, or too few
 * arguments are left. */
static int recognize(const struct call *call, int i, enum op *op)
{
    static const struct {
        const char *word;
        int args;
    } ops[] = {[OP_GET] = {"get", 2}, [OP_SET] = {"set", 3}, [OP_INCRBY] = {"incrby", 3}};
    for (int o = OP_GET; o <= OP_INCRBY; o++) {
        if (bytes_is_word(call->argv[i], ops[o].word) && call->argc - i - 1 >= ops[o].args) {
            *op = (enum op)o;
            return ops[o].args;
        }
    }
    return 0;
}

static bool operation_or_reply(struct call *call, int i, struct field *f, struct fields *out)
{
    if (!type_or_reply(call, i + 1, f) ||
        !bitmap_offset_or_reply(call, i + 2, f->width, &f->offset))
        return false;
    if (f->op == OP_GET)
        return true;
    size_t end = (size_t)((f->offset + f->width - 1) >> 3) + 1;
    out->writes = true;
    out->min_len = end > out->min_len ? end : out->min_len;
    return call_i64_or_reply(call, i + 3, &f->value, NULL);
}

static bool fields_or_reply(struct call *call, struct fields *out)
{
    enum overflow overflow = OVERFLOW_WRAP;
    for (int i = 2, args; i < call->argc; i += 1 + args) {
        struct field *f = &out->all[out->count];
        if (bytes_is_word(call->argv[i], "overflow") && i + 1 < call->argc) {
            if (!overflow_or_reply(call, i + 1, &overflow))
                return false;
            args = 1;
            continue;
        }
        *f = (struct field){.overflow = overflow};
        args = recognize(call, i, &f->op);
        if (args == 0) {
            reply_syntax_error(call);
            return false;
        }
        if (!operation_or_reply(call, i, f, out))
            return false;
        out->count++;
    }
    return true;
}

/* -- operations -------------------------------------------------------------------------------- */

/* As a number; what is stored are the bits. */
static int64_t number_of(const struct field *f, uint64_t bits)
{
    if (f->is_signed && f->width < 64 && bits >> (f->width - 1) & 1)
        bits |= ~(uint64_t)0 << f->width;
    return (int64_t)bits;
}

static void reply_field(struct call *call, const struct field *f, uint64_t bits)
{
    reply_int(call->reply, number_of(f, bits));
}

/* The bits for a number that may not fit; false: it does not, and shall fail. */
static bool fit(const struct field *f, __int128 number, uint64_t *bits)
{
    __int128 range = (__int128)1 << f->width;
    __int128 min = f->is_signed ? -range / 2 : 0, max = min + range - 1;
    if (number < min || number > max) {
        if (f->overflow == OVERFLOW_FAIL)
            return false;
        /* SET of a number so low that the distance to the highest one is no int64 stores the
         * highest: Redis has it so. */
        bool low = number < min && (f->op == OP_INCRBY || max - number <= INT64_MAX);
        if (f->overflow == OVERFLOW_SAT)
            number = low ? min : max;
    }
    *bits = (uint64_t)number & (~(uint64_t)0 >> (64 - f->width));
    return true;
}

/* Write one, and answer. True: that counts as a change; if the string has grown, always. */
static bool write_field(struct call *call, struct entry **e, const struct field *f, bool grown)
{
    uint64_t before = bits_get_field(string_view(*e, NULL), f->offset, f->width), after;
    /* A negative number for an unsigned field is a large one. */
    __int128 number = f->is_signed ? (__int128)f->value : (__int128)(uint64_t)f->value;
    if (f->op == OP_INCRBY)
        number = (__int128)number_of(f, before) + f->value;
    if (!fit(f, number, &after)) {
        reply_null(call->reply);
        return false;
    }
    char *text =
        bitmap_edit(call, e, 0, (size_t)(f->offset >> 3), bits_field_bytes(f->offset, f->width));
    bits_put_field(text, f->offset, f->width, after);
    reply_field(call, f, f->op == OP_SET ? before : after);
    return grown || before != after;
}

static void read_fields(struct call *call, const struct fields *fields)
{
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return;
    char scratch[NUMBER_TEXT_MAX];
    struct bytes text = e != NULL ? string_view(e, scratch) : bytes_of("", 0);
    reply_array(call->reply, fields->count);
    for (int i = 0; i < fields->count; i++) {
        const struct field *f = &fields->all[i];
        reply_field(call, f, bits_get_field(text, f->offset, f->width));
    }
}

static void change_fields(struct call *call, const struct fields *fields)
{
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return;
    bool grows = e == NULL || string_length(e) < fields->min_len;
    uint64_t changes = 0;
    bitmap_edit(call, &e, fields->min_len, 0, 0);
    reply_array(call->reply, fields->count);
    for (int i = 0; i < fields->count; i++) {
        const struct field *f = &fields->all[i];
        if (f->op == OP_GET)
            reply_field(call, f, bits_get_field(string_view(e, NULL), f->offset, f->width));
        else
            changes += write_field(call, &e, f, grows);
    }
    if (changes > 0)
        keyspace_changed_by(call->keys, call->db, call->argv[1], EVENT_STRING, "setbit", changes);
    else if (grows) /* which Redis does not tell of */
        keyspace_changed(call->keys, call->db, call->argv[1], 0, NULL);
}

static void run(struct call *call, bool may_write)
{
    struct fields fields = {.all = mem_alloc((size_t)call->argc * sizeof *fields.all)};
    if (fields_or_reply(call, &fields)) {
        if (!fields.writes)
            read_fields(call, &fields);
        else if (may_write)
            change_fields(call, &fields);
        else
            reply_error(call->reply, "ERR BITFIELD_RO only supports the GET subcommand");
    }
    mem_free(fields.all);
}

static void cmd_bitfield(struct call *call)
{
    run(call, true);
}

static void cmd_bitfield_ro(struct call *call)
{
    run(call, false);
}

/* -- the table --------------------------------------------------------------------------------- */

/* With nothing but GET it only reads. */
static int bitfield_keys(const struct bytes *argv, int argc, struct key_position *out, int room)
{
    bool reads = true;
    for (int i = 2, args; i < argc && reads; i += 1 + args) {
        args = bytes_is_word(argv[i], "get") ? 2 : 1;
        reads = i + args < argc && (args == 2 || bytes_is_word(argv[i], "overflow"));
    }
    if (room > 0)
        out[0] = (struct key_position){1, reads ? KEY_RO | KEY_ACCESS
                                                : KEY_RW | KEY_ACCESS | KEY_UPDATE};
    return 1;
}

const struct command bitfield_commands[] = {
    {
        .name = "bitfield",
        .run = cmd_bitfield,
        .arity = -2,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_BITMAP,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE_FLAGS, .first = 1}),
        .get_keys = bitfield_keys,
        .group = "bitmap",
        .since = "3.2.0",
        .summary = "Reads and changes integers of any width inside a string.",
        .complexity = "O(1) for each operation.",
        .args = "key:key#0 operation(get-block=GET{encoding offset:integer}|"
                "write{overflow-block=OVERFLOW(wrap:token=WRAP|sat:token=SAT|fail:token=FAIL)? "
                "write-operation(set-block=SET{encoding offset:integer value:integer}|"
                "incrby-block=INCRBY{encoding offset:integer increment:integer})})?*",
    },
    {
        .name = "bitfield_ro",
        .run = cmd_bitfield_ro,
        .arity = -2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_BITMAP,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "bitmap",
        .since = "6.0.0",
        .summary = "Reads integers of any width inside a string.",
        .complexity = "O(1) for each operation.",
        .args = "key:key#0 get-block=GET{encoding offset:integer}?+",
    },
    {0},
};
