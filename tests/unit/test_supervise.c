/*
 * test_supervise.c - word to systemd, pid files, and titles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/log.h"
#include "server/supervise.h"
#include "server/title.h"

/* A datagram socket under this name; '@' is the abstract form of it. */
static int receiver(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static void expect_arrival(int fd, const char *state)
{
    char got[256];
    const char *error;
    assert_true(supervise_notify(state, &error));
    assert_null(error);
    ssize_t len = recv(fd, got, sizeof got - 1, MSG_DONTWAIT);
    assert_int_equal(len, strlen(state));
    got[len] = '\0';
    assert_string_equal(got, state);
    close(fd);
}

static void test_word_reaches_a_path(void **state)
{
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "/tmp/test_supervise.%d", (int)getpid());
    expect_arrival(receiver(path), "STATUS=Ready to accept connections\nREADY=1\n");
    unlink(path);
}

static void test_word_reaches_an_abstract_name(void **state)
{
    char name[64];
    (void)state;
    snprintf(name, sizeof name, "@test_supervise.%d", (int)getpid());
    expect_arrival(receiver(name), "STOPPING=1\n");
}

static void test_failures_are_told(void **state)
{
    const char *error;
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    assert_false(supervise_notify("READY=1", &error));
    assert_null(error);
    setenv("NOTIFY_SOCKET", "relative", 1);
    assert_false(supervise_notify("READY=1", &error));
    assert_non_null(error);
    setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
    assert_false(supervise_notify("READY=1", &error));
    assert_string_equal(error, "No such file or directory");
}

static void test_pid_file_comes_and_goes(void **state)
{
    char path[64], text[32] = "";
    (void)state;
    snprintf(path, sizeof path, "/tmp/test_supervise.%d.pid", (int)getpid());
    struct log *log = log_create();
    log_set_level(log, LOG_LEVEL_NOTHING);
    supervise_write_pid(log, path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_int_equal(atoi(text), getpid());
    supervise_remove_pid(log, path);
    assert_int_equal(access(path, F_OK), -1);
    supervise_write_pid(log, "/nonexistent/folder/pid");
    log_destroy(log);
}

static void expect_title(const char *template, const char *expected)
{
    static const struct title_variable variables[] = {
        {"title", "redoubt-server"}, {"port", "6379"}, {"unixsocket", ""}, {NULL, NULL}};
    struct text out = {0};
    bool fine = title_expand(template, variables, &out);
    assert_int_equal(fine, expected != NULL);
    if (fine)
        assert_string_equal(out.data != NULL ? out.data : "", expected);
    text_fini(&out);
}

static void test_templates(void **state)
{
    (void)state;
    expect_title("", "");
    expect_title("plain", "plain");
    expect_title("TEST {title}:{port}{unixsocket}!", "TEST redoubt-server:6379!");
    expect_title("{{port}", "{port}");
    expect_title("{invalid-var}", NULL);
    expect_title("{port", NULL);
    expect_title("{", NULL);
    assert_true(title_is_valid("{title} {listen-addr} {server-mode} {port} {tls-port} {unixsocket} "
                               "{config-file}"));
    assert_false(title_is_valid("{title} {Port}"));
}

/* Arguments as the kernel lays them out: one behind the other. */
static void test_title_takes_the_place_of_the_arguments(void **state)
{
    char area[] = "prog\0--port\0"
                  "6379";
    char *words[] = {area, area + 5, area + 12, NULL}, **argv = words;
    (void)state;
    struct title *t = title_create(3, &argv);
    title_show(t, "short");
    assert_memory_equal(area, "short\0\0\0\0\0\0\0\0\0\0\0", sizeof area);
    title_show(t, "longer than all the arguments together");
    assert_string_equal(area, "longer than all ");
    assert_string_equal(argv[0], "prog");
    assert_string_equal(argv[2], "6379");
    assert_null(argv[3]);
    title_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_word_reaches_a_path),
        cmocka_unit_test(test_word_reaches_an_abstract_name),
        cmocka_unit_test(test_failures_are_told),
        cmocka_unit_test(test_pid_file_comes_and_goes),
        cmocka_unit_test(test_templates),
        cmocka_unit_test(test_title_takes_the_place_of_the_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
