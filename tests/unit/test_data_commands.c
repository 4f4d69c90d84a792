/*
 * test_data_commands.c - what the commands about strings and keys say has changed: events in their
 * order, one change a key, and nothing at all where nothing changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "server/call.h"
#include "server/client.h"
#include "server/command.h"
#include "server/server.h"
#include "storage/undo.h"

extern const struct command string_commands[], counter_commands[], compare_commands[];
extern const struct command key_commands[], expire_commands[];
static const struct command *const families[] = {
    string_commands, counter_commands, compare_commands, key_commands, expire_commands,
};

enum { ARGS_MAX = 16, TEXT_MAX = 4096, NOW = 1000000 };

struct fixture {
    struct server *server;
    struct client client;
    struct reply_pool pool;
    char events[TEXT_MAX], reply[TEXT_MAX];
};

static void on_event(void *context, int db, struct bytes key, enum event_class class,
                     const char *event)
{
    struct fixture *f = context;
    size_t len = strlen(f->events);
    if (class == EVENT_NEW)
        return; /* comes from the keyspace, whatever the command */
    snprintf(f->events + len, TEXT_MAX - len, "%s%s:%.*s@%d", len > 0 ? " " : "", event,
             (int)key.len, key.ptr, db);
}

static int set_up(void **state)
{
    struct fixture *f = mem_alloc_zeroed(sizeof *f);
    f->server = mem_alloc_zeroed(sizeof *f->server);
    f->server->opt.proto_max_bulk_len = 1024 * 1024;
    f->server->keys = keyspace_create(3);
    f->server->keys->now_ms = NOW;
    f->server->keys->hooks.context = f;
    f->server->keys->hooks.event = on_event;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    keyspace_destroy(f->server->keys);
    reply_pool_fini(&f->pool);
    mem_free(f->server);
    mem_free(f);
    return 0;
}

static const struct command *find_row(struct bytes name)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        for (const struct command *row = families[i]; row->name != NULL; row++) {
            if (bytes_is_word(name, row->name))
                return row;
        }
    }
    return NULL;
}

/* Run a command given as words; '' is an empty argument. The reply's line ends become '|'. */
static void run(struct fixture *f, const char *line)
{
    struct bytes argv[ARGS_MAX];
    int argc = 0;
    while (*line != '\0') {
        size_t len = strcspn(line, " ");
        bool empty = len == 2 && memcmp(line, "''", 2) == 0;
        argv[argc++] = bytes_of(line, empty ? 0 : len);
        line += len + (line[len] == ' ');
    }
    const struct command *row = find_row(argv[0]);
    assert_non_null(row);
    struct command_slot slot = {.row = row, .full_name = (char *)row->name};
    struct reply reply;
    reply_init(&reply, &f->pool, &f->server->reply_errors);
    struct call call = {.server = f->server,
                        .client = &f->client,
                        .command = &slot,
                        .argv = argv,
                        .argc = argc,
                        .keys = f->server->keys,
                        .reply = &reply};
    f->events[0] = '\0';
    row->run(&call);
    size_t len = reply_bytes(&reply);
    assert_true(len < TEXT_MAX);
    reply_copy(&reply, f->reply);
    f->reply[len] = '\0';
    for (char *c = f->reply; *c != '\0'; c++) {
        if (*c == '\r')
            memmove(c, c + 1, strlen(c));
        *c = *c == '\n' ? '|' : *c;
    }
    reply_fini(&reply);
    keyspace_check(f->server->keys);
}

#define CHECK(line, wanted_reply, wanted_events)                                                   \
    do {                                                                                           \
        run(f, line);                                                                              \
        assert_string_equal(f->reply, wanted_reply);                                               \
        assert_string_equal(f->events, wanted_events);                                             \
    } while (0)

static void test_set(void **state)
{
    struct fixture *f = *state;
    CHECK("SET k v", "+OK|", "set:k@0");
    CHECK("SET k v EX 10", "+OK|", "set:k@0 expire:k@0");
    CHECK("SET k v NX", "$-1|", "");
    CHECK("SET k v IFEQ x", "$-1|", "");
    CHECK("SET k w IFEQ v GET KEEPTTL", "$1|v|", "set:k@0");
    CHECK("TTL k", ":10|", "");
    CHECK("SET k v XX PX 0", "-ERR invalid expire time in 'set' command|", "");
    CHECK("SETNX k v", ":0|", "");
    CHECK("SETEX k 5 v", "+OK|", "set:k@0 expire:k@0");
    CHECK("GETSET k x", "$1|v|", "set:k@0");
    CHECK("MSET a 1 b 2", "+OK|", "set:a@0 set:b@0");
    CHECK("MSETNX c 1 b 2", ":0|", "");
    CHECK("MSETEX 2 a 1 c 3 XX", ":0|", "");
    CHECK("MSETEX 2 a 1 c 3 EX 7", ":1|", "set:a@0 expire:a@0 set:c@0 expire:c@0");
    CHECK("GETDEL c", "$1|3|", "del:c@0");
    CHECK("GETDEL c", "$-1|", "keymiss:c@0");
}

static void test_getex(void **state)
{
    struct fixture *f = *state;
    run(f, "SET k v");
    CHECK("GETEX k", "$1|v|", "");
    CHECK("GETEX k PERSIST", "$1|v|", "");
    CHECK("GETEX k EX 100", "$1|v|", "expire:k@0");
    CHECK("GETEX k PERSIST", "$1|v|", "persist:k@0");
    CHECK("GETEX k PXAT 1", "$1|v|", "del:k@0");
    CHECK("EXISTS k", ":0|", "keymiss:k@0");
}

static void test_parts_and_counters(void **state)
{
    struct fixture *f = *state;
    CHECK("APPEND k ab", ":2|", "append:k@0");
    CHECK("SETRANGE k 1 ''", ":2|", "");
    CHECK("SETRANGE k 1 xyz", ":4|", "setrange:k@0");
    CHECK("SETRANGE k 1048576 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)|",
          "");
    CHECK("GETRANGE k -3 -2", "$2|xy|", "");
    CHECK("INCR k", "-ERR value is not an integer or out of range|", "");
    CHECK("DECRBY n 5", ":-5|", "incrby:n@0");
    CHECK("INCRBYFLOAT n 0.5", "$4|-4.5|", "incrbyfloat:n@0");
    CHECK("INCREX n BYFLOAT 0.5 EX 9", "*2|$2|-4|$3|0.5|", "incrbyfloat:n@0 expire:n@0");
    CHECK("INCREX n BYFLOAT 9 UBOUND 1 PERSIST", "*2|$2|-4|$1|0|", "");
    CHECK("INCREX n BYFLOAT 1 PERSIST", "*2|$2|-3|$1|1|", "incrbyfloat:n@0 persist:n@0");
    CHECK("INCREX n EXAT 1", "*2|:-2|:1|", "del:n@0");
}

static void test_compare(void **state)
{
    struct fixture *f = *state;
    run(f, "SET k Hello");
    CHECK("DELIFEQ k hello", ":0|", "");
    CHECK("DELEX k IFDNE 0123456789abcdef", ":1|", "del:k@0");
    CHECK("DELEX k IFDNE 0123456789abcdef", ":0|", "");
}

static void test_keys(void **state)
{
    struct fixture *f = *state;
    run(f, "MSET a 1 b 2");
    CHECK("RENAME a a", "+OK|", "");
    CHECK("RENAMENX a b", ":0|", "");
    CHECK("RENAME a b", "+OK|", "rename_from:a@0 rename_to:b@0");
    CHECK("MOVE b 1", ":1|", "move_from:b@0 move_to:b@1");
    run(f, "SET b 3");
    CHECK("MOVE b 1", ":0|", "");
    CHECK("COPY b b DB 1", ":0|", "");
    CHECK("COPY b b DB 1 REPLACE", ":1|", "copy_to:b@1");
    CHECK("TOUCH b b", ":2|", "");
    CHECK("DEL b b c", ":1|", "del:b@0");
    assert_int_equal(keyspace_size(f->server->keys, 1), 1);
}

static void test_expire(void **state)
{
    struct fixture *f = *state;
    run(f, "SET k v");
    CHECK("EXPIRE k 10 GT", ":0|", "");
    CHECK("EXPIRE k 10 LT", ":1|", "expire:k@0");
    CHECK("EXPIRE k 10 NX", ":0|", "");
    CHECK("PEXPIRETIME k", ":1010000|", "");
    CHECK("PERSIST k", ":1|", "persist:k@0");
    CHECK("PERSIST k", ":0|", "");
    CHECK("PEXPIREAT k -1", ":1|", "del:k@0");
    run(f, "PSETEX k 5 v");
    f->server->keys->now_ms = NOW + 6;
    CHECK("GET k", "$-1|", "expired:k@0 keymiss:k@0");
}

/* Whatever a command did is taken back, and nobody hears of it. */
static void test_rollback(void **state)
{
    struct fixture *f = *state;
    static const char *const lines[] = {
        "SET k new EX 5",  "GETDEL k",       "APPEND k tail",      "SETRANGE k 200 x",
        "GETEX k PERSIST", "INCR n",         "INCRBYFLOAT n 1",    "INCREX n EX 9",
        "RENAME k n",      "RENAME n fresh", "MOVE k 2",           "COPY n k REPLACE",
        "DEL k n",         "PEXPIREAT k 1",  "MSET k 1 n 2 new 3",
    };
    run(f, "SET k value PX 500");
    run(f, "SET n 41");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct undo_section section = undo_begin(f->server->keys);
        run(f, lines[i]);
        assert_string_equal(f->events, "");
        undo_rollback(f->server->keys, section);
        CHECK("GET k", "$5|value|", "");
        CHECK("PTTL k", ":500|", "");
        CHECK("GET n", "$2|41|", "");
        CHECK("TTL n", ":-1|", "");
        assert_int_equal(keyspace_size(f->server->keys, 0), 2);
        assert_int_equal(keyspace_size(f->server->keys, 2), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_getex, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_parts_and_counters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_compare, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expire, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rollback, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
