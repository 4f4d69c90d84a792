/*
 * test_config.c - options, their texts, and the configuration file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "server/config_file.h"
#include "server/log.h"
#include "storage/eviction.h"

static void assert_shows(const struct options *o, const char *name, const char *expected)
{
    struct text value = {0};
    options_get(o, option_find(bytes_of_text(name)), &value);
    text_add(&value, bytes_of("", 0));
    assert_string_equal(value.data, expected);
    text_fini(&value);
}

static bool set(struct options *o, const char *name, const char *value, struct option_error *error)
{
    struct bytes word = bytes_of_text(value);
    return options_set(o, option_find(bytes_of_text(name)), &word, 1, error);
}

static void assert_refused(struct options *o, const char *name, const char *value,
                           const char *reason)
{
    struct option_error error;
    assert_false(set(o, name, value, &error));
    assert_string_equal(error.text, reason);
}

static void assert_accepted(struct options *o, const char *name, const char *value,
                            const char *shown)
{
    struct option_error error;
    assert_true(set(o, name, value, &error));
    assert_shows(o, name, shown);
}

static void assert_parses(struct options *o, const char *text)
{
    struct text error = {0};
    bool fine = config_file_parse(o, "test", bytes_of_text(text), &error);
    if (!fine)
        print_error("%s", error.data);
    assert_true(fine);
    text_fini(&error);
}

static void assert_broken(const char *text, const char *end_of_message)
{
    struct options o;
    struct text error = {0};
    options_init(&o);
    assert_false(config_file_parse(&o, "test.conf", bytes_of_text(text), &error));
    size_t len = strlen(end_of_message);
    assert_true(error.len > len);
    assert_string_equal(error.data + error.len - len, end_of_message);
    text_fini(&error);
    options_fini(&o);
}

/* -- options ----------------------------------------------------------------------------------- */

static void test_names_are_unique_and_found(void **state)
{
    (void)state;
    for (int i = 0; i < OPTION_COUNT; i++) {
        const struct option *known = option_at((enum option_id)i);
        assert_int_equal(option_find(bytes_of_text(known->name)), i);
        if (known->alias != NULL)
            assert_int_equal(option_find(bytes_of_text(known->alias)), i);
    }
    assert_int_equal(option_find(bytes_of_text("PORT")), OPTION_port);
    assert_int_equal(option_find(bytes_of_text("no-such-thing")), OPTION_COUNT);
}

static void test_every_default_survives_get_and_set(void **state)
{
    (void)state;
    struct options o, defaults;
    struct option_error error;
    options_init(&o);
    options_init(&defaults);
    for (int i = 0; i < OPTION_COUNT; i++) {
        enum option_id id = (enum option_id)i;
        struct text value = {0};
        if (id == OPTION_replicaof || (option_at(id)->flags & OPTION_FILE_ONLY))
            continue;
        options_get(&o, id, &value);
        struct bytes word = text_view(&value);
        if (!options_set(&o, id, &word, 1, &error))
            fail_msg("%s '%s': %s", option_at(id)->name, word.ptr, error.text);
        assert_true(options_same(&o, &defaults, id));
        text_fini(&value);
    }
    options_fini(&o);
    options_fini(&defaults);
}

static void test_defaults_are_those_of_redis(void **state)
{
    (void)state;
    struct options o;
    options_init(&o);
    assert_int_equal(o.port, 6379);
    assert_int_equal(o.maxmemory_policy, EVICT_NONE);
    assert_int_equal(o.loglevel, LOG_LEVEL_NOTICE);
    assert_int_equal(o.requirepass.len, 0);
    assert_int_equal(o.client_output_buffer_limit[1].soft, 64 << 20);
    assert_shows(&o, "save", "3600 1 300 100 60 10000");
    assert_shows(&o, "bind", "* -::*");
    assert_shows(&o, "maxmemory-policy", "noeviction");
    assert_shows(&o, "client-output-buffer-limit",
                 "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60");
    options_fini(&o);
}

static void test_bad_values_are_refused_in_redis_words(void **state)
{
    (void)state;
    struct options o;
    options_init(&o);
    assert_refused(&o, "port", "70000", "argument must be between 0 and 65535 inclusive");
    assert_refused(&o, "port", "abc", "argument couldn't be parsed into an integer");
    assert_refused(&o, "port", "", "argument couldn't be parsed into an integer");
    assert_refused(&o, "maxmemory", "1x", "argument must be a memory value");
    assert_refused(&o, "maxmemory-clients", "200%",
                   "percentage argument must be less or equal to 100");
    assert_refused(&o, "maxmemory-clients", "-1", "argument must be a memory or percent value");
    assert_refused(&o, "activerehashing", "1", "argument must be 'yes' or 'no'");
    assert_refused(&o, "appendfsync", "",
                   "argument(s) must be one of the following: everysec, always, no");
    assert_refused(&o, "unixsocketperm", "999", "argument couldn't be parsed as an octal number");
    assert_refused(&o, "unixsocketperm", "1777", "argument must be between 0 and 777 inclusive");
    assert_refused(&o, "save", "1", "Invalid save parameters");
    assert_refused(&o, "save", " 5  6 ", "Invalid save parameters");
    assert_refused(&o, "notify-keyspace-events", "q",
                   "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
    assert_refused(&o, "shutdown-on-sigterm", "save nosave",
                   "shutdown options SAVE and NOSAVE can't be used simultaneously");
    assert_refused(&o, "shutdown-on-sigterm", "SAVE  NOW",
                   "argument(s) must be one of the following: default, save, nosave, now, force");
    assert_refused(&o, "oom-score-adj-values", "", "wrong number of arguments");
    assert_refused(&o, "latency-tracking-info-percentiles", "101",
                   "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
    assert_refused(&o, "client-output-buffer-limit", "normal 0 0",
                   "Wrong number of arguments in buffer limit configuration.");
    assert_refused(&o, "client-output-buffer-limit", "master 0 0 0",
                   "Invalid client class specified in buffer limit configuration.");
    assert_refused(&o, "proc-title-template", "{foo}",
                   "template format is invalid or contains unknown variables");
    assert_refused(&o, "dir", "/no/such/folder", "No such file or directory");
    assert_refused(&o, "dbfilename", "a/b", "dbfilename can't be a path, just a filename");
    options_fini(&o);
}

static void test_values_are_shown_as_redis_shows_them(void **state)
{
    (void)state;
    struct options o;
    options_init(&o);
    assert_accepted(&o, "maxmemory", "1gb", "1073741824");
    assert_accepted(&o, "maxmemory", "1g", "1000000000");
    assert_accepted(&o, "maxmemory", "", "0");
    assert_accepted(&o, "maxmemory-clients", "20%", "20%");
    assert_int_equal(o.maxmemory_clients, -20);
    assert_accepted(&o, "unixsocketperm", "700", "700");
    assert_int_equal(o.unixsocketperm, 0700);
    assert_accepted(&o, "notify-keyspace-events", "KEA", "AKE");
    assert_accepted(&o, "notify-keyspace-events", "Kx", "xK");
    assert_accepted(&o, "oom-score-adj", "relative", "yes");
    assert_accepted(&o, "hz", "1000", "500");
    assert_accepted(&o, "hz", "0", "1");
    assert_accepted(&o, "shutdown-on-sigterm", "now nosave", "nosave now");
    assert_accepted(&o, "latency-tracking-info-percentiles", "0 100 99.999999 33.3333333333 1e1",
                    "0 100 99.999999 33.333333 10");
    assert_accepted(&o, "client-output-buffer-limit", "replica 1mb 2kb 3",
                    "normal 0 0 0 slave 1048576 2048 3 pubsub 33554432 8388608 60");
    assert_accepted(&o, "slave-read-only", "no", "no");
    assert_shows(&o, "replica-read-only", "no");
    assert_accepted(&o, "save", "", "");
    options_fini(&o);
}

static void test_a_copy_owns_what_it_shows(void **state)
{
    (void)state;
    struct options o, copy;
    struct option_error error;
    options_init(&o);
    set(&o, "requirepass", "one", &error);
    options_copy(&copy, &o);
    set(&o, "requirepass", "two", &error);
    set(&o, "save", "1 1", &error);
    set(&o, "bind", "127.0.0.1", &error);
    options_fini(&o);
    assert_shows(&copy, "requirepass", "one");
    assert_shows(&copy, "save", "3600 1 300 100 60 10000");
    assert_shows(&copy, "bind", "* -::*");
    struct bytes zero = bytes_of("a\0b", 3);
    assert_true(options_set(&copy, OPTION_requirepass, &zero, 1, &error));
    assert_true(bytes_equal(text_view(&copy.requirepass), zero));
    options_fini(&copy);
}

/* -- the file ---------------------------------------------------------------------------------- */

static void test_file_syntax(void **state)
{
    (void)state;
    struct options o;
    options_init(&o);
    assert_parses(
        &o,
        "# comment\n\n  port 7000  \r\nPROC-TITLE-TEMPLATE \"{title} \\x41\"\nrequirepass 'a b'\n"
        "rename-command CONFIG \"\"\nrename-command get fetch\nbind 127.0.0.1 ::1\nmaxmemory "
        "100mb\n"
        "list-max-ziplist-entries 3\nuser alice on >x\nreplicaof localhost 7001\nsave 900 1\nsave "
        "5 6 7 8");
    assert_int_equal(o.port, 7000);
    assert_string_equal(o.proc_title_template, "{title} A");
    assert_string_equal(o.requirepass.data, "a b");
    assert_int_equal(o.rename_command.count, 4);
    assert_string_equal(o.rename_command.items[1], "");
    assert_int_equal(o.bind.count, 2);
    assert_int_equal(o.maxmemory, 100 << 20);
    assert_int_equal(o.user.count, 1);
    assert_string_equal(o.replicaof, "localhost 7001");
    assert_shows(&o, "save", "900 1 5 6 7 8");
    assert_parses(&o, "save ''");
    assert_shows(&o, "save", "");
    options_fini(&o);
}

static void test_errors_name_file_line_and_text(void **state)
{
    (void)state;
    assert_broken("\n# x\n foo bar\n", "at line 3 of test.conf\n>>> 'foo bar'\n"
                                       "Bad directive or wrong number of arguments\n");
    assert_broken("port", ">>> 'port'\nwrong number of arguments\n");
    assert_broken("port 1 2", "wrong number of arguments\n");
    assert_broken("maxmemory \"1 mb", "Unbalanced quotes in configuration line\n");
    assert_broken("rename-command get", "Bad directive or wrong number of arguments\n");
    assert_broken("loadmodule /tmp/x.so", "Modules are not supported\n");
    assert_broken("replicaof a 70000", "Invalid master port\n");
    assert_broken("user a on\nuser a off",
                  "Error in user declaration 'a': Duplicate user found. A user can only be "
                  "defined once in config files\n");
    assert_broken("include /no/such/file",
                  "can't open config file '/no/such/file': No such file or directory\n");
    assert_broken("sentinel x", "sentinel directive while not in sentinel mode\n");
}

static bool load(struct options *o, int argc, const char **argv, struct text *error)
{
    char *path;
    options_init(o);
    bool fine = config_file_load(o, argc, (char **)argv, &path, error);
    mem_free(path);
    return fine;
}
#define LOAD(o, error, ...)                                                                        \
    load(o, (int)(sizeof((const char *[]){"x", __VA_ARGS__}) / sizeof(char *)),                    \
         (const char *[]){"x", __VA_ARGS__}, error)

static void test_arguments(void **state)
{
    (void)state;
    struct options o;
    struct text error = {0};
    assert_true(LOAD(&o, &error, "--port", "7000", "--save", "", "--loglevel", "verbose"));
    assert_int_equal(o.port, 7000);
    assert_int_equal(o.loglevel, LOG_LEVEL_VERBOSE);
    assert_int_equal(o.save.count, 0);
    options_fini(&o);
    assert_true(
        LOAD(&o, &error, "--save", "--loglevel", "verbose", "--proc-title-template", "--save"));
    assert_int_equal(o.save.count, 0);
    assert_string_equal(o.proc_title_template, "--save");
    options_fini(&o);
    assert_true(
        LOAD(&o, &error, "--maxmemory 700mb", "--shutdown-on-sigint", "nosave", "force", "now"));
    assert_int_equal(o.maxmemory, 700 << 20);
    assert_shows(&o, "shutdown-on-sigint", "nosave now force");
    options_fini(&o);
    assert_false(LOAD(&o, &error, "--port", "--loglevel", "verbose"));
    assert_non_null(
        strstr(error.data, ">>> 'port \"--loglevel\" \"verbose\"'\nwrong number of arguments"));
    options_fini(&o);
    text_fini(&error);
}

static char *read_whole(const char *path)
{
    static char buf[64 * 1024];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    buf[fread(buf, 1, sizeof buf - 1, file)] = '\0';
    fclose(file);
    return buf;
}

static void test_rewrite_keeps_the_file_and_reads_back(void **state)
{
    (void)state;
    char path[] = "/tmp/test_config_XXXXXX";
    int fd = mkstemp(path);
    static const char old[] =
        "# mine\nport 1\n\n# limit\nslave-read-only yes\nport 2\nrename-command get fetch\n";
    assert_int_equal(write(fd, old, sizeof old - 1), sizeof old - 1);
    close(fd);
    struct options o, again;
    struct option_error error;
    options_init(&o);
    assert_parses(&o, old);
    set(&o, "maxmemory", "1gb", &error);
    set(&o, "requirepass", "a \"b\"", &error);
    set(&o, "save", "", &error);
    assert_true(config_file_rewrite(&o, path, false));
    assert_string_equal(read_whole(path),
                        "# mine\nport 2\n\n# limit\nreplica-read-only yes\n"
                        "rename-command get \"fetch\"\n\n# Generated by CONFIG REWRITE\n"
                        "maxmemory 1gb\nrequirepass \"a \\\"b\\\"\"\nsave \"\"\n");
    assert_true(config_file_rewrite(&o, path, true));
    options_init(&again);
    assert_parses(&again, read_whole(path));
    for (int i = 0; i < OPTION_COUNT; i++)
        assert_true(options_same(&o, &again, (enum option_id)i));
    options_fini(&o);
    options_fini(&again);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_unique_and_found),
        cmocka_unit_test(test_every_default_survives_get_and_set),
        cmocka_unit_test(test_defaults_are_those_of_redis),
        cmocka_unit_test(test_bad_values_are_refused_in_redis_words),
        cmocka_unit_test(test_values_are_shown_as_redis_shows_them),
        cmocka_unit_test(test_a_copy_owns_what_it_shows),
        cmocka_unit_test(test_file_syntax),
        cmocka_unit_test(test_errors_name_file_line_and_text),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_rewrite_keeps_the_file_and_reads_back),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
