/*
 * hash_ex.c - getting or setting fields together with their lifetime: HGETEX, HSETEX, HGETDEL, as
 * Redis 8.0 has them.
 */
#include "server/command.h"
#include "server/commands/hash_fields.h"
#include "server/commands/hashes.h"

static const char count_error[] = "ERR Number of fields must be a positive integer";

/* EX, PX, EXAT, PXAT. */
static bool unit_of(struct bytes word, struct time_unit *unit)
{
    *unit = (struct time_unit){
        .seconds = bytes_is_word(word, "EX") || bytes_is_word(word, "EXAT"),
        .from_now = bytes_is_word(word, "EX") || bytes_is_word(word, "PX"),
    };
    return unit->seconds || unit->from_now || bytes_is_word(word, "PXAT");
}

static void changed(const struct hash_at *at, const char *event, int fields)
{
    keyspace_changed_by(at->ks, at->db, at->key.name, EVENT_HASH, event, (uint64_t)fields);
}

static void reply_nulls(struct call *call, int count)
{
    reply_array(call->reply, count);
    for (int i = 0; i < count; i++)
        reply_null(call->reply);
}

/* -- HGETDEL ----------------------------------------------------------------------------------- */

static void cmd_hgetdel(struct call *call)
{
    struct hash_at at;
    struct hash_names names;
    struct hash_field f;
    int deleted = 0;
    if (!hash_open_for_write_or_reply(call, &at) ||
        !hash_names_or_reply(call, 2, count_error, &names))
        return;
    if (at.e == NULL) {
        reply_nulls(call, names.count);
        return;
    }
    reply_array(call->reply, names.count);
    for (int i = names.first; i < names.first + names.count; i++) {
        if (!hash_find_live(&at, call->argv[i], &f)) {
            reply_null(call->reply);
            continue;
        }
        hash_reply_value(call, &f);
        hash_delete(&at, call->argv[i]);
        deleted++;
    }
    hash_announce(&at);
    if (deleted > 0)
        changed(&at, "hdel", deleted);
    hash_settle(&at);
}

/* -- HGETEX ------------------------------------------------------------------------------------ */

enum lifetime { KEEP, TAKE_AWAY, SET, IS_PAST };

struct getex {
    enum lifetime lifetime;
    int64_t deadline;
    struct hash_names names;
};

static bool getex_parse_or_reply(struct call *call, struct getex *x)
{
    struct time_unit unit;
    int next = 2;
    *x = (struct getex){.lifetime = KEEP, .deadline = DEADLINE_NONE};
    if (bytes_is_word(call->argv[2], "PERSIST")) {
        x->lifetime = TAKE_AWAY;
        next = 3;
    } else if (unit_of(call->argv[2], &unit)) {
        if (!hash_deadline_or_reply(call, 3, unit, &x->deadline))
            return false;
        x->lifetime = x->deadline <= call->keys->now_ms ? IS_PAST : SET;
        next = 4;
    }
    return hash_names_or_reply(call, next, count_error, &x->names);
}

/* True if that changed the field. */
static bool give_lifetime(struct hash_at *at, struct bytes name, int64_t present,
                          const struct getex *x)
{
    if (x->lifetime == KEEP || (x->lifetime == TAKE_AWAY && present == DEADLINE_NONE))
        return false;
    if (x->lifetime == IS_PAST)
        hash_delete(at, name);
    else
        hash_set_deadline(at, name, x->deadline);
    return true;
}

static void cmd_hgetex(struct call *call)
{
    static const char *const events[] = {
        [TAKE_AWAY] = "hpersist", [SET] = "hexpire", [IS_PAST] = "hdel"};
    struct hash_at at;
    struct getex x;
    struct hash_field f;
    int done = 0;
    if (!hash_open_for_write_or_reply(call, &at) || !getex_parse_or_reply(call, &x))
        return;
    if (at.e == NULL) {
        reply_nulls(call, x.names.count);
        return;
    }
    reply_array(call->reply, x.names.count);
    for (int i = x.names.first; i < x.names.first + x.names.count; i++) {
        if (!hash_find_live(&at, call->argv[i], &f)) {
            reply_null(call->reply);
            continue;
        }
        hash_reply_value(call, &f);
        done += give_lifetime(&at, call->argv[i], f.deadline, &x);
    }
    hash_announce(&at);
    if (done > 0)
        changed(&at, events[x.lifetime], done);
    hash_settle(&at);
}

/* -- HSETEX ------------------------------------------------------------------------------------ */

/* IFEQ field value, any number of times, is ours: compare and set of single fields. */

enum existence { ANY, NONE_EXISTS, ALL_EXIST };

struct setex {
    enum existence existence;
    bool keep_deadlines, has_deadline, has_comparisons;
    int64_t deadline;
    int options_end;  /* the argument FIELDS */
    int first, count; /* pairs */
};

/* The numfields at argument i and what follows. */
static bool setex_pairs_or_reply(struct call *call, int i, struct setex *x)
{
    int64_t count;
    if (i >= call->argc) {
        reply_arity_error(call);
        return false;
    }
    if (!call_range_or_reply(call, i, 1, INT32_MAX, &count, "ERR invalid number of fields"))
        return false;
    x->first = i + 1;
    x->count = (int)count;
    if (2 * count == call->argc - x->first)
        return true;
    reply_arity_error(call);
    return false;
}

/* The field and value behind IFEQ; they are looked at again when all is known to be well formed. */
static bool setex_comparison_or_reply(struct call *call, int *i, struct setex *x)
{
    x->has_comparisons = true;
    *i += 2;
    if (*i < call->argc)
        return true;
    reply_arity_error(call);
    return false;
}

/* One option at argument *i, which moves on behind it. */
static bool setex_option_or_reply(struct call *call, int *i, struct setex *x)
{
    struct bytes word = call->argv[(*i)++];
    struct time_unit unit;
    if (bytes_is_word(word, "FNX") || bytes_is_word(word, "FXX")) {
        if (x->existence != ANY)
            return call_fail(call, "ERR Only one of FXX or FNX arguments can be specified");
        x->existence = bytes_is_word(word, "FNX") ? NONE_EXISTS : ALL_EXIST;
        return true;
    }
    if (bytes_is_word(word, "IFEQ"))
        return setex_comparison_or_reply(call, i, x);
    bool keep = bytes_is_word(word, "KEEPTTL");
    if (!keep && !unit_of(word, &unit)) {
        reply_errorf(call->reply, "ERR unknown argument: %.*s", (int)word.len, word.ptr);
        return false;
    }
    if (x->keep_deadlines || x->has_deadline)
        return call_fail(
            call, "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
    x->keep_deadlines = keep;
    x->has_deadline = !keep;
    if (keep)
        return true;
    if (*i == call->argc)
        return call_fail(call, "ERR missing expire time");
    return hash_deadline_or_reply(call, (*i)++, unit, &x->deadline);
}

static bool setex_parse_or_reply(struct call *call, struct setex *x)
{
    *x = (struct setex){.deadline = DEADLINE_NONE};
    for (int i = 2; i < call->argc;) {
        if (bytes_is_word(call->argv[i], "FIELDS")) {
            x->options_end = i;
            return setex_pairs_or_reply(call, i + 1, x);
        }
        if (!setex_option_or_reply(call, &i, x))
            return false;
    }
    reply_arity_error(call);
    return false;
}

/* Stops at the first field that decides. */
static bool existence_is_met(struct call *call, struct hash_at *at, const struct setex *x)
{
    struct hash_field f;
    for (int i = 0; x->existence != ANY && i < x->count; i++) {
        bool there = hash_look_up(at, call->argv[x->first + 2 * i], &f);
        if (there != (x->existence == ALL_EXIST))
            return false;
    }
    return true;
}

/* A field that is not there equals nothing. */
static bool comparisons_hold(struct call *call, struct hash_at *at, const struct setex *x)
{
    struct hash_field f;
    if (!x->has_comparisons)
        return true;
    for (int i = 2; i < x->options_end;) {
        if (bytes_is_word(call->argv[i], "IFEQ")) {
            if (!hash_look_up(at, call->argv[i + 1], &f) ||
                !bytes_equal(f.value, call->argv[i + 2]))
                return false;
            i += 3;
        } else { /* a word that stands alone, or a unit with its time */
            struct time_unit unit;
            i += unit_of(call->argv[i], &unit) ? 2 : 1;
        }
    }
    return true;
}

static void set_pair(struct call *call, struct hash_at *at, const struct setex *x, int i)
{
    struct hash_field f;
    int64_t deadline = x->deadline;
    if (x->keep_deadlines && hash_find(at->e, call->argv[i], &f) && !hash_is_dead(at->ks, &f))
        deadline = f.deadline;
    hash_set_arguments(call, at, i, deadline);
}

static void cmd_hsetex(struct call *call)
{
    struct hash_at at;
    struct setex x;
    if (!setex_parse_or_reply(call, &x) || !hash_open_for_write_or_reply(call, &at))
        return;
    if (!existence_is_met(call, &at, &x) || !comparisons_hold(call, &at, &x)) {
        hash_close(&at);
        reply_int(call->reply, 0);
        return;
    }
    bool past = x.has_deadline && x.deadline <= call->keys->now_ms;
    if (at.e != NULL)
        hash_announce(&at);
    hash_demand(&at, 0);
    hash_expect(&at, (uint64_t)x.count, 0);
    if (past) /* set, and dead at once */
        x.deadline = DEADLINE_NONE;
    for (int i = 0; i < x.count; i++)
        set_pair(call, &at, &x, x.first + 2 * i);
    changed(&at, "hset", x.count);
    if (past) {
        for (int i = 0; i < x.count; i++)
            hash_delete(&at, call->argv[x.first + 2 * i]);
        changed(&at, "hdel", 0);
        hash_settle(&at);
    } else if (x.has_deadline) {
        changed(&at, "hexpire", 0);
    }
    reply_int(call->reply, 1);
}

const struct command hash_ex_commands[] = {
    {
        .name = "hgetdel",
        .run = cmd_hgetdel,
        .arity = -5,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1}),
        .group = "hash",
        .since = "8.0.0",
        .summary = "Returns the values of fields and deletes them.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 fields=FIELDS{numfields:integer field*}",
    },
    {
        .name = "hgetex",
        .run = cmd_hgetex,
        .arity = -5,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RW | KEY_ACCESS | KEY_UPDATE, .first = 1}),
        .group = "hash",
        .since = "8.0.0",
        .summary = "Returns the values of fields and changes how long they live.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 expiration(seconds:integer=EX|milliseconds:integer=PX|"
                "unix-time-seconds:unix-time=EXAT|unix-time-milliseconds:unix-time=PXAT|"
                "persist:token=PERSIST)? fields=FIELDS{numfields:integer field*}",
    },
    {
        .name = "hsetex",
        .run = cmd_hsetex,
        .arity = -6,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .categories = CAT_HASH,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "hash",
        .since = "8.0.0",
        .summary = "Sets fields of a hash together with their lifetime.",
        .complexity = "O(N) with N fields.",
        .args = "key:key#0 condition(fnx:token=FNX|fxx:token=FXX)? comparison=IFEQ{field value}?+ "
                "expiration(seconds:integer=EX|milliseconds:integer=PX|"
                "unix-time-seconds:unix-time=EXAT|unix-time-milliseconds:unix-time=PXAT|"
                "keepttl:token=KEEPTTL)? fields=FIELDS{numfields:integer data{field value}*}",
    },
    {0},
};
