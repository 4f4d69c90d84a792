/*
 * test_slowlog.c - which calls the slow log keeps, how it trims them, and what it hides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/client.h"
#include "server/server.h"
#include "server/slowlog.h"

enum { ARGS_ROOM = 64 };

struct fixture {
    struct server server;
    struct keyspace keys;
    struct client client;
    struct command_slot command;
    struct bytes argv[ARGS_ROOM];
    struct call call;
};

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->server.slowlog = slowlog_create();
    f->server.opt.slowlog_log_slower_than = 1000;
    f->server.opt.slowlog_max_len = 128;
    f->keys.now_ms = 1700000000123;
    f->client.name = "tester";
    f->command.full_name = "get";
    f->call = (struct call){.server = &f->server,
                            .client = &f->client,
                            .command = &f->command,
                            .argv = f->argv,
                            .keys = &f->keys};
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    slowlog_destroy(f->server.slowlog);
    free(f);
    return 0;
}

/* Run "full name" with these words; spaces separate. */
static const struct slowlog_entry *keep(struct fixture *f, char *full_name, const char *words)
{
    f->command.full_name = full_name;
    f->call.argc = 0;
    while (*words != '\0') {
        size_t len = strcspn(words, " ");
        f->argv[f->call.argc++] = bytes_of(words, len);
        words += len + (words[len] == ' ');
    }
    slowlog_consider(&f->call, 1500);
    return slowlog_newest(f->server.slowlog);
}

static void assert_words(const struct slowlog_entry *e, const char *expected)
{
    char text[2048] = "";
    for (int i = 0; i < e->argc; i++) {
        strncat(text, i > 0 ? " " : "", sizeof(text) - strlen(text) - 1);
        strncat(text, e->argv[i].ptr, e->argv[i].len);
    }
    assert_string_equal(text, expected);
}

static void test_keeps_what_is_slow(void **state)
{
    struct fixture *f = *state;
    struct slowlog *log = f->server.slowlog;
    slowlog_consider(&f->call, 999);
    assert_int_equal(slowlog_length(log), 0);
    slowlog_consider(&f->call, 1000);
    assert_int_equal(slowlog_length(log), 1);
    f->server.opt.slowlog_log_slower_than = -1;
    slowlog_consider(&f->call, 1000000);
    assert_int_equal(slowlog_length(log), 1);
    f->server.opt.slowlog_log_slower_than = 0;
    slowlog_consider(&f->call, 0);
    assert_int_equal(slowlog_length(log), 2);
}

/* With no room nothing is kept, and no id is spent. */
static void test_forgets_the_oldest(void **state)
{
    struct fixture *f = *state;
    struct slowlog *log = f->server.slowlog;
    f->server.opt.slowlog_max_len = 0;
    slowlog_consider(&f->call, 1000);
    assert_null(slowlog_newest(log));
    f->server.opt.slowlog_max_len = 3;
    for (int i = 0; i < 5; i++)
        slowlog_consider(&f->call, 1000);
    assert_int_equal(slowlog_length(log), 3);
    const struct slowlog_entry *e = slowlog_newest(log);
    for (uint64_t id = 4; id >= 2; id--, e = e->older)
        assert_int_equal(e->id, id);
    assert_null(e);
    slowlog_trim(log, 1);
    assert_int_equal(slowlog_newest(log)->id, 4);
    assert_null(slowlog_newest(log)->older);
    slowlog_trim(log, 0);
    assert_null(slowlog_newest(log));
}

static void test_entry_outlives_the_call(void **state)
{
    struct fixture *f = *state;
    char words[] = "get key";
    const struct slowlog_entry *e = keep(f, "get", words);
    memset(words, 'x', sizeof(words) - 1);
    assert_words(e, "get key");
    assert_int_equal(e->time_s, 1700000000);
    assert_int_equal(e->duration_us, 1500);
    assert_true(bytes_equal(e->name, bytes_of_text("tester")));
    assert_true(bytes_equal(e->address, bytes_of_text("?:0"))); /* nobody is connected */
}

static void test_many_arguments(void **state)
{
    struct fixture *f = *state;
    const struct slowlog_entry *e =
        keep(f, "sadd",
             "sadd set 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 "
             "30 31 32");
    assert_int_equal(e->argc, 32);
    assert_true(bytes_equal(e->argv[31], bytes_of_text("32")));
    e = keep(f, "sadd",
             "sadd set 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 "
             "30 31 32 33");
    assert_int_equal(e->argc, 32);
    assert_true(bytes_equal(e->argv[30], bytes_of_text("31")));
    assert_true(bytes_equal(e->argv[31], bytes_of_text("... (2 more arguments)")));
}

static void test_long_arguments(void **state)
{
    struct fixture *f = *state;
    char words[4 + 128 + 1 + 129 + 1] = "set ", expected[] = "... (1 more bytes)";
    memset(words + 4, 'a', 128);
    words[132] = ' ';
    memset(words + 133, 'b', 129);
    const struct slowlog_entry *e = keep(f, "set", words);
    assert_int_equal(e->argv[1].len, 128);
    assert_int_equal(e->argv[2].len, 128 + strlen(expected));
    assert_memory_equal(e->argv[2].ptr + 128, expected, strlen(expected));
}

/* -- secrets ----------------------------------------------------------------------------------- */

static void test_redaction(void **state)
{
    static const struct {
        char *name;
        const char *sent, *kept;
    } cases[] = {
        {"auth", "auth u p", "auth (redacted) (redacted)"},
        {"auth", "auth p", "auth (redacted)"},
        {"get", "get auth p", "get auth p"},
        {"hello", "hello 3", "hello 3"},
        {"hello", "hello 3 auth u p setname n", "hello 3 auth (redacted) (redacted) setname n"},
        {"hello", "hello 3 setname auth x AUTH u p",
         "hello 3 setname auth x AUTH (redacted) (redacted)"},
        {"hello", "hello 3 auth auth auth auth u p",
         "hello 3 auth (redacted) (redacted) auth (redacted) (redacted)"},
        {"hello", "hello 3 auth u", "hello 3 auth (redacted)"},
        {"config|set", "config set port 1 RequirePass x",
         "config set port 1 RequirePass (redacted)"},
        {"config|set", "config set masterauth x masteruser y",
         "config set masterauth (redacted) masteruser (redacted)"},
        {"config|set", "config set tls-key-file-pass x tls-client-key-file-pass y",
         "config set tls-key-file-pass (redacted) tls-client-key-file-pass (redacted)"},
        {"config|get", "config get requirepass port", "config get requirepass port"},
        {"migrate", "migrate h 1 auth 9 5000", "migrate h 1 auth 9 5000"},
        {"migrate", "migrate h 1 k 9 5000 AUTH p", "migrate h 1 k 9 5000 AUTH (redacted)"},
        {"migrate", "migrate h 1 k 9 5000 COPY AUTH2 u p KEYS auth k",
         "migrate h 1 k 9 5000 COPY AUTH2 (redacted) (redacted) KEYS auth k"},
        {"acl|setuser", "acl setuser u on >p", "acl setuser (redacted) (redacted) (redacted)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_words(keep(*state, cases[i].name, cases[i].sent), cases[i].kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keeps_what_is_slow, begin, end),
        cmocka_unit_test_setup_teardown(test_forgets_the_oldest, begin, end),
        cmocka_unit_test_setup_teardown(test_entry_outlives_the_call, begin, end),
        cmocka_unit_test_setup_teardown(test_many_arguments, begin, end),
        cmocka_unit_test_setup_teardown(test_long_arguments, begin, end),
        cmocka_unit_test_setup_teardown(test_redaction, begin, end),
    };
    return cmocka_run_group_tests_name("slowlog", tests, NULL, NULL);
}
