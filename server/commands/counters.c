/*
 * counters.c - strings that are numbers: INCR and its relatives.
 *
 * Integers are 64 bits and refuse to overflow; floats are long doubles and are stored as text with
 * up to 17 digits behind the point, so that sums of decimal fractions print as people expect.
 */
#include <float.h>
#include <math.h>

#include "server/command.h"
#include "server/commands/keys.h"
#include "server/commands/string_options.h"
#include "storage/string.h"

static const char not_an_integer[] = "ERR value is not an integer or out of range";
static const char not_a_float[] = "ERR value is not a valid float";

static bool integer_or_reply(struct call *call, const struct entry *e, int64_t *out)
{
    *out = 0;
    if (e == NULL || string_as_i64(e, out))
        return true;
    reply_error(call->reply, not_an_integer);
    return false;
}

static bool float_or_reply(struct call *call, const struct entry *e, long double *out)
{
    char scratch[NUMBER_TEXT_MAX];
    *out = 0;
    if (e == NULL || number_parse_long_double(string_view(e, scratch), out))
        return true;
    reply_error(call->reply, not_a_float);
    return false;
}

/* -- INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT --------------------------------------------------- */

static void add(struct call *call, int64_t amount)
{
    struct entry *e = call_find_for_write(call, 1);
    int64_t value;
    if (!call_type_or_reply(call, e, TYPE_STRING) || !integer_or_reply(call, e, &value))
        return;
    if (__builtin_add_overflow(value, amount, &value)) {
        reply_error(call->reply, "ERR increment or decrement would overflow");
        return;
    }
    struct key key = call_key(call, 1);
    string_set_int(call->keys, call->db, e, key, value);
    keyspace_changed(call->keys, call->db, key.name, EVENT_STRING, "incrby");
    reply_int(call->reply, value);
}

static void cmd_incr(struct call *call)
{
    add(call, 1);
}

static void cmd_decr(struct call *call)
{
    add(call, -1);
}

static void cmd_incrby(struct call *call)
{
    int64_t amount;
    if (call_i64_or_reply(call, 2, &amount, NULL))
        add(call, amount);
}

static void cmd_decrby(struct call *call)
{
    int64_t amount;
    if (!call_i64_or_reply(call, 2, &amount, NULL))
        return;
    if (amount == INT64_MIN)
        reply_error(call->reply, "ERR decrement would overflow");
    else
        add(call, -amount);
}

/* Store a float as text; the deadline stays. What looks like an integer is no int to OBJECT
 * ENCODING until an integer command changes it. */
static struct entry *store_float(struct call *call, struct entry *old, struct key key,
                                 struct bytes text)
{
    struct keyspace *ks = call->keys;
    int64_t deadline = old != NULL ? entry_deadline(old) : DEADLINE_NONE, integer;
    if (!number_parse_i64(text, &integer))
        return string_set(ks, call->db, old, key, text, deadline);
    struct entry *e = entry_create_inline(key.name, text, ENC_EMBSTR, deadline);
    if (old != NULL)
        keyspace_replace(ks, call->db, old, e, key.hash);
    else
        keyspace_add(ks, call->db, e, key.hash);
    return e;
}

static void cmd_incrbyfloat(struct call *call)
{
    struct entry *e = call_find_for_write(call, 1);
    long double value, amount;
    if (!call_type_or_reply(call, e, TYPE_STRING) || !float_or_reply(call, e, &value))
        return;
    if (!number_parse_long_double(call->argv[2], &amount)) {
        reply_error(call->reply, not_a_float);
        return;
    }
    value += amount;
    if (isnan(value) || isinf(value)) {
        reply_error(call->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    char text[NUMBER_LONG_DOUBLE_MAX];
    struct bytes result = bytes_of(text, number_format_long_double(text, value));
    struct key key = call_key(call, 1);
    store_float(call, e, key, result);
    keyspace_changed(call->keys, call->db, key.name, EVENT_STRING, "incrbyfloat");
    reply_bulk(call->reply, result);
}

/* -- INCREX ------------------------------------------------------------------------------------ */

/* One of the two kinds of number, as the command says. */
struct number {
    int64_t i;
    long double f;
};

struct increx {
    struct string_options options;
    bool is_float;
    struct number amount, lower, upper;
    int64_t deadline; /* DEADLINE_NONE: not given */
};

/* The value of an option into out, which stays as it is without the option. */
static bool argument_or_reply(struct call *call, const struct increx *x, enum string_option option,
                              const char *name, struct number *out)
{
    if (!string_options_has(&x->options, option))
        return true;
    struct bytes text = call->argv[x->options.value[option]];
    if (x->is_float ? !number_parse_long_double(text, &out->f) : !number_parse_i64(text, &out->i))
        reply_errorf(call->reply, "ERR %s is not %s", name,
                     x->is_float ? "a valid float" : "an integer or out of range");
    else if (x->is_float && isinf(out->f))
        reply_errorf(call->reply, "ERR %s cannot be Infinity",
                     option == OPT_BYFLOAT ? "BYFLOAT increment" : name);
    else
        return true;
    return false;
}

static bool increx_parse_or_reply(struct call *call, struct increx *x)
{
    const uint32_t allowed = OPTS_TIME | OPT_BIT(OPT_PERSIST) | OPT_BIT(OPT_ENX) |
                             OPT_BIT(OPT_BYINT) | OPT_BIT(OPT_BYFLOAT) | OPT_BIT(OPT_LBOUND) |
                             OPT_BIT(OPT_UBOUND) | OPT_BIT(OPT_SATURATE) | OPTS_ONCE;
    if (!string_options_parse(call->argv, call->argc, 2, allowed, &x->options)) {
        reply_syntax_error(call);
        return false;
    }
    if (string_options_has(&x->options, OPT_ENX) && !(x->options.given & OPTS_TIME)) {
        reply_error(call->reply, "ERR ENX flag requires an expiration");
        return false;
    }
    x->is_float = string_options_has(&x->options, OPT_BYFLOAT);
    x->amount = (struct number){1, 1};
    x->lower = (struct number){INT64_MIN, -LDBL_MAX};
    x->upper = (struct number){INT64_MAX, LDBL_MAX};
    enum string_option by = x->is_float ? OPT_BYFLOAT : OPT_BYINT;
    if (!argument_or_reply(call, x, by, "Increment", &x->amount) ||
        !argument_or_reply(call, x, OPT_LBOUND, "LBOUND", &x->lower) ||
        !argument_or_reply(call, x, OPT_UBOUND, "UBOUND", &x->upper))
        return false;
    if (x->is_float ? x->lower.f > x->upper.f : x->lower.i > x->upper.i) {
        reply_error(call->reply, "ERR LBOUND can't be greater than UBOUND");
        return false;
    }
    return string_options_deadline_or_reply(call, &x->options, &x->deadline);
}

/* What an increment comes to. */
struct outcome {
    struct number value, applied;
    bool refused; /* outside of the bounds: nothing changes */
};

static bool add_integers_or_reply(struct call *call, const struct increx *x, int64_t old,
                                  struct outcome *out)
{
    int64_t value;
    bool overflow = __builtin_add_overflow(old, x->amount.i, &value);
    if (overflow)
        value = x->amount.i > 0 ? INT64_MAX : INT64_MIN;
    out->refused = (overflow || value < x->lower.i || value > x->upper.i) &&
                   !string_options_has(&x->options, OPT_SATURATE);
    if (value < x->lower.i)
        value = x->lower.i;
    if (value > x->upper.i)
        value = x->upper.i;
    out->value.i = out->refused ? old : value;
    if (!__builtin_sub_overflow(out->value.i, old, &out->applied.i))
        return true;
    reply_error(call->reply, "ERR applied increment would overflow");
    return false;
}

static bool add_floats_or_reply(struct call *call, const struct increx *x, long double old,
                                struct outcome *out)
{
    if (isinf(old)) {
        reply_error(call->reply, "ERR value cannot be Infinity");
        return false;
    }
    long double value = old + x->amount.f;
    out->refused = (value < x->lower.f || value > x->upper.f) &&
                   !string_options_has(&x->options, OPT_SATURATE);
    if (value < x->lower.f)
        value = x->lower.f;
    if (value > x->upper.f)
        value = x->upper.f;
    out->value.f = out->refused ? old : value;
    out->applied.f = out->value.f - old;
    if (!isinf(out->applied.f))
        return true;
    reply_error(call->reply, "ERR applied increment would produce Infinity");
    return false;
}

static struct entry *store(struct call *call, const struct increx *x, struct entry *e,
                           struct key key, const struct outcome *out)
{
    struct entry *stored;
    if (x->is_float) {
        char text[NUMBER_LONG_DOUBLE_MAX];
        size_t len = number_format_long_double(text, out->value.f);
        stored = store_float(call, e, key, bytes_of(text, len));
    } else {
        stored = string_set_int(call->keys, call->db, e, key, out->value.i);
    }
    keyspace_changed(call->keys, call->db, key.name, EVENT_STRING,
                     x->is_float ? "incrbyfloat" : "incrby");
    return stored;
}

static void increx_apply(struct call *call, const struct increx *x, struct entry *e,
                         const struct outcome *out)
{
    struct keyspace *ks = call->keys;
    struct key key = call_key(call, 1);
    bool kept = string_options_has(&x->options, OPT_ENX) && e != NULL && entry_expires(e);
    bool expire = (x->options.given & OPTS_TIME) && !kept;
    if (expire && x->deadline <= ks->now_ms) {
        if (e != NULL)
            key_delete(call, key, ks->lazy_expire);
        return;
    }
    e = store(call, x, e, key, out);
    bool persist = string_options_has(&x->options, OPT_PERSIST) && entry_expires(e);
    if (!expire && !persist)
        return;
    keyspace_set_deadline(ks, call->db, e, key.hash, persist ? DEADLINE_NONE : x->deadline);
    keyspace_event(ks, call->db, key.name, EVENT_GENERIC, persist ? "persist" : "expire");
}

static void reply_number(struct call *call, bool is_float, struct number n)
{
    if (!is_float)
        reply_int(call->reply, n.i);
    else if (call->reply->resp >= 3)
        reply_double(call->reply, (double)n.f);
    else
        reply_long_double_bulk(call->reply, n.f);
}

static void cmd_increx(struct call *call)
{
    struct increx x;
    struct outcome out = {0};
    struct number old = {0};
    if (!increx_parse_or_reply(call, &x))
        return;
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return;
    if (x.is_float) {
        if (!float_or_reply(call, e, &old.f) || !add_floats_or_reply(call, &x, old.f, &out))
            return;
    } else if (!integer_or_reply(call, e, &old.i) ||
               !add_integers_or_reply(call, &x, old.i, &out)) {
        return;
    }
    if (!out.refused)
        increx_apply(call, &x, e, &out);
    reply_array(call->reply, 2);
    reply_number(call, x.is_float, out.value);
    reply_number(call, x.is_float, out.applied);
}

const struct command counter_commands[] = {
    {
        .name = "incr",
        .run = cmd_incr,
        .arity = 2,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_STRING,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 1}),
        .group = "string",
        .since = "1.0.0",
        .summary = "Adds one to the integer at a key.",
        .complexity = "O(1)",
        .args = "key:key#0",
    },
    {
        .name = "decr",
        .run = cmd_decr,
        .arity = 2,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_STRING,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 1}),
        .group = "string",
        .since = "1.0.0",
        .summary = "Subtracts one from the integer at a key.",
        .complexity = "O(1)",
        .args = "key:key#0",
    },
    {
        .name = "incrby",
        .run = cmd_incrby,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_STRING,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 1}),
        .group = "string",
        .since = "1.0.0",
        .summary = "Adds an amount to the integer at a key.",
        .complexity = "O(1)",
        .args = "key:key#0 increment:integer",
    },
    {
        .name = "decrby",
        .run = cmd_decrby,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_STRING,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 1}),
        .group = "string",
        .since = "1.0.0",
        .summary = "Subtracts an amount from the integer at a key.",
        .complexity = "O(1)",
        .args = "key:key#0 decrement:integer",
    },
    {
        .name = "incrbyfloat",
        .run = cmd_incrbyfloat,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_STRING,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 1}),
        .group = "string",
        .since = "2.6.0",
        .summary = "Adds an amount to the floating-point number at a key.",
        .complexity = "O(1)",
        .args = "key:key#0 increment:double",
    },
    {
        .name = "increx",
        .run = cmd_increx,
        .arity = -2,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_STRING,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 1}),
        .group = "string",
        .since = "8.8.0",
        .summary = "Adds an amount to the number at a key, within bounds, and sets its lifetime.",
        .complexity = "O(1)",
        .args = "key:key#0 increment(float:double=BYFLOAT|integer:integer=BYINT)? "
                "lowerbound=LBOUND? upperbound=UBOUND? saturate:token=SATURATE? "
                "expiration(seconds:integer=EX|milliseconds:integer=PX|"
                "unix-time-seconds:unix-time=EXAT|unix-time-milliseconds:unix-time=PXAT|"
                "persist:token=PERSIST)? enx:token=ENX?",
    },
    {0},
};
