/*
 * migrate.c - MIGRATE: keys go to another server.
 *
 * A key is removed here only once the other server has said that it has it, and until then nothing
 * else happens: the call waits, as in Redis, no longer at a time than its timeout. Whatever goes
 * wrong, a key is here, or there, or (its answer was lost) at both.
 */
#include "base/memory.h"
#include "server/call.h"
#include "server/command.h"
#include "server/commands/keys.h"
#include "server/outlink.h"
#include "server/server.h"
#include "storage/snapshot/rdb_object.h"

enum { KEY_ARG = 3, TIMEOUT_DEFAULT_MS = 1000 };

struct migration {
    bool copy, replace;
    struct bytes user, password; /* len 0: none */
    bool has_user, has_password;
    int first_key, key_count; /* arguments */
    int64_t db, timeout_ms;
    int *found; /* arguments that are keys which exist; owned */
    int found_count;
    int answered; /* of them */
};

/* -- the request ------------------------------------------------------------------------------- */

/* False: answered. */
static bool option_or_reply(struct call *call, int *i, struct migration *m)
{
    int more = call->argc - 1 - *i;
    struct bytes word = call->argv[*i];
    if (bytes_is_word(word, "copy")) {
        m->copy = true;
    } else if (bytes_is_word(word, "replace")) {
        m->replace = true;
    } else if (bytes_is_word(word, "auth") && more >= 1) {
        m->password = call->argv[++*i];
        m->has_password = true;
    } else if (bytes_is_word(word, "auth2") && more >= 2) {
        m->user = call->argv[++*i];
        m->password = call->argv[++*i];
        m->has_user = m->has_password = true;
    } else if (!bytes_is_word(word, "keys")) {
        reply_syntax_error(call);
        return false;
    } else if (call->argv[KEY_ARG].len != 0) {
        reply_error(call->reply, "ERR When using MIGRATE KEYS option, the key argument must be set "
                                 "to the empty string");
        return false;
    } else {
        m->first_key = *i + 1;
        m->key_count = more;
        *i = call->argc;
    }
    return true;
}

static bool parse_or_reply(struct call *call, struct migration *m)
{
    *m = (struct migration){.first_key = KEY_ARG, .key_count = 1};
    for (int i = 6; i < call->argc; i++)
        if (!option_or_reply(call, &i, m))
            return false;
    if (!call_i64_or_reply(call, 5, &m->timeout_ms, NULL) ||
        !call_i64_or_reply(call, 4, &m->db, NULL))
        return false;
    if (m->timeout_ms <= 0)
        m->timeout_ms = TIMEOUT_DEFAULT_MS;
    if (m->timeout_ms > INT32_MAX)
        m->timeout_ms = INT32_MAX;
    return true;
}

static void find_keys(struct call *call, struct migration *m)
{
    m->found = mem_alloc(((size_t)m->key_count + 1) * sizeof *m->found);
    for (int i = m->first_key; i < m->first_key + m->key_count; i++)
        if (call_find(call, i) != NULL)
            m->found[m->found_count++] = i;
}

/* -- what is sent ------------------------------------------------------------------------------ */

static void add_word(struct text *out, struct bytes word)
{
    text_addf(out, "$%zu\r\n", word.len);
    text_add(out, word);
    text_add(out, bytes_of("\r\n", 2));
}

static void add_number(struct text *out, int64_t number)
{
    char text[NUMBER_TEXT_MAX];
    add_word(out, bytes_of(text, number_format_i64(text, number)));
}

/* AUTH and SELECT. */
static bool send_greeting(struct outlink *link, const struct migration *m, bool select)
{
    struct text out = {0};
    if (m->has_password) {
        text_addf(&out, "*%d\r\n", m->has_user ? 3 : 2);
        add_word(&out, bytes_of_text("AUTH"));
        if (m->has_user)
            add_word(&out, m->user);
        add_word(&out, m->password);
    }
    if (select) {
        text_addf(&out, "*2\r\n");
        add_word(&out, bytes_of_text("SELECT"));
        add_number(&out, m->db);
    }
    bool sent = outlink_write(link, text_view(&out));
    text_fini(&out);
    return sent;
}

/* RESTORE. */
static bool send_key(struct call *call, struct outlink *link, const struct migration *m, int arg)
{
    const struct entry *e = keyspace_peek(call->keys, call->db, call_key(call, arg));
    int64_t deadline = entry_deadline(e), ttl = 0;
    if (deadline != DEADLINE_NONE)
        ttl = deadline > call->keys->now_ms ? deadline - call->keys->now_ms : 1;
    struct rdb_writer w;
    struct text out = {0};
    rdb_writer_init(&w, call->server->opt.rdbcompression);
    rdb_write_dump(&w, e);
    text_addf(&out, "*%d\r\n", m->replace ? 5 : 4);
    add_word(&out, bytes_of_text("RESTORE"));
    add_word(&out, call->argv[arg]);
    add_number(&out, ttl);
    text_addf(&out, "$%zu\r\n", w.len);
    bool sent = outlink_write(link, text_view(&out)) && outlink_write(link, rdb_writer_view(&w));
    rdb_writer_fini(&w);
    out.len = 0;
    text_add(&out, bytes_of("\r\n", 2));
    if (m->replace)
        add_word(&out, bytes_of_text("REPLACE"));
    sent = sent && outlink_write(link, text_view(&out));
    text_fini(&out);
    return sent;
}

static bool send_keys(struct call *call, struct outlink *link, const struct migration *m)
{
    for (int i = 0; i < m->found_count; i++)
        if (!send_key(call, link, m, m->found[i]))
            return false;
    return true;
}

/* -- what is answered -------------------------------------------------------------------------- */

/* A status or an error; the first error stays in refusal. False: nothing came, or something else.
 */
static bool read_answer(struct outlink *link, struct text *refusal, bool *fine)
{
    struct text line = {0};
    bool came = outlink_read_line(link, &line) && line.len > 0 &&
                (line.data[0] == '+' || line.data[0] == '-');
    *fine = came && line.data[0] == '+';
    if (came && !*fine && refusal->len == 0)
        text_add(refusal, bytes_of(line.data + 1, line.len - 1));
    text_fini(&line);
    return came;
}

static bool read_greeting(struct outlink *link, const struct migration *m, bool select,
                          struct text *refusal)
{
    bool fine;
    if (m->has_password && !read_answer(link, refusal, &fine))
        return false;
    if (select && !read_answer(link, refusal, &fine))
        return false;
    link->db = refusal->len == 0 ? m->db : OUTLINK_DB_UNKNOWN;
    return true;
}

/* Keys that arrived are removed. False: some answers are missing. */
static bool read_answers(struct call *call, struct outlink *link, struct migration *m,
                         struct text *refusal)
{
    for (; m->answered < m->found_count; m->answered++) {
        bool fine;
        if (!read_answer(link, refusal, &fine))
            return false;
        struct key key = call_key(call, m->found[m->answered]);
        if (fine && !m->copy && keyspace_peek(call->keys, call->db, key) != NULL)
            key_delete(call, key, call->keys->lazy_server_del);
    }
    return true;
}

/* -- MIGRATE ----------------------------------------------------------------------------------- */

/* No key is sent before the other side has agreed to the greeting: it would go to a wrong database.
 * NULL, or what could not be done. */
static const char *talk(struct call *call, struct outlink *link, struct migration *m,
                        struct text *refusal)
{
    static const char writing[] = "writing to target instance";
    static const char reading[] = "reading to target instance";
    bool select = link->db != m->db;
    if (!send_greeting(link, m, select))
        return writing;
    if (!read_greeting(link, m, select, refusal))
        return reading;
    if (refusal->len > 0)
        return NULL;
    if (!send_keys(call, link, m))
        return writing;
    return read_answers(call, link, m, refusal) ? NULL : reading;
}

/* A link that was open may have been closed by the other side in the meantime: then, and only if it
 * has not said a word, all is done once more over a new one. */
static const char *migrate(struct call *call, struct migration *m, struct text *refusal)
{
    struct outlinks *all = call->server->outlinks;
    int64_t port = 0;
    number_parse_i64(call->argv[2], &port);
    for (;;) {
        struct outlink *link;
        switch (outlink_open(all, call->argv[1], (int)port, (int)m->timeout_ms, &link)) {
        case OUTLINK_NO_ADDRESS:
            return "connecting to the client";
        case OUTLINK_FAILED:
            return "writing to target instance";
        case OUTLINK_FINE:
            break;
        }
        bool may_be_stale = link->reused;
        const char *failure = talk(call, link, m, refusal);
        if (failure == NULL)
            return NULL;
        outlink_drop(all, link);
        if (!may_be_stale || m->answered > 0 || refusal->len > 0)
            return failure;
    }
}

static void cmd_migrate(struct call *call)
{
    struct migration m;
    if (!parse_or_reply(call, &m))
        return;
    find_keys(call, &m);
    struct text refusal = {0};
    const char *failure = m.found_count > 0 ? migrate(call, &m, &refusal) : NULL;
    if (m.found_count == 0)
        reply_simple(call->reply, "NOKEY");
    else if (failure != NULL)
        reply_errorf(call->reply, "IOERR error or timeout %s", failure);
    else if (refusal.len > 0)
        reply_errorf(call->reply, "ERR Target instance replied with error: %s", refusal.data);
    else
        reply_ok(call->reply);
    text_fini(&refusal);
    mem_free(m.found);
}

/* The key, or those behind KEYS, where it has to be empty. */
static int migrate_keys(const struct bytes *argv, int argc, struct key_position *out, int room)
{
    int first = KEY_ARG, count = 1;
    for (int i = 6; i < argc - 1 && first == KEY_ARG; i++) {
        if (bytes_is_word(argv[i], "auth"))
            i++;
        else if (bytes_is_word(argv[i], "auth2"))
            i += 2;
        else if (bytes_is_word(argv[i], "keys") && argv[KEY_ARG].len > 0)
            return -1;
        else if (bytes_is_word(argv[i], "keys"))
            first = i + 1;
    }
    if (first != KEY_ARG)
        count = argc - first;
    for (int i = 0; i < count && i < room; i++)
        out[i] = (struct key_position){first + i, KEY_RW | KEY_ACCESS | KEY_DELETE};
    return count;
}

const struct command migrate_commands[] = {
    {
        .name = "migrate",
        .run = cmd_migrate,
        .arity = -6,
        .flags = CMD_WRITE,
        .categories = CAT_KEYSPACE | CAT_DANGEROUS,
        KEYS({KEY_RW | KEY_ACCESS | KEY_DELETE, .first = KEY_ARG},
             {KEY_RW | KEY_ACCESS | KEY_DELETE | KEY_INCOMPLETE, .keyword = "KEYS", .first = -2,
              .last = -1}),
        .get_keys = migrate_keys,
        .group = "generic",
        .since = "2.6.0",
        .summary = "Moves keys to another server, each of them all at once.",
        .complexity =
            "As DUMP and DEL here and RESTORE there, and the time that the network takes.",
        .args = "host port:integer key-selector(key:key#0|empty-string:token='\"\"') "
                "destination-db:integer timeout:integer copy:token=COPY?@3.0.0 "
                "replace:token=REPLACE?@3.0.0 authentication(auth=AUTH@4.0.7~password|auth2=AUTH2{"
                "username password}@6.0.0)? keys:key=KEYS#1?*@3.0.6~key",
        .tips = "nondeterministic_output",
        .history = "3.0.0:Added the `COPY` and `REPLACE` options.\n3.0.6:Added the `KEYS` "
                   "option.\n4.0.7:Added the `AUTH` option.\n6.0.0:Added the `AUTH2` option.",
    },
    {0},
};
