/*
 * test_outlink.c - links to other servers: kept, dropped, and never waited for too long.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "server/outlink.h"

enum { TIMEOUT_MS = 100 };

static const struct bytes host = {"127.0.0.1", 9};

static int listen_somewhere(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 100), 0);
    getsockname(fd, (struct sockaddr *)&address, &len);
    *port = ntohs(address.sin_port);
    return fd;
}

static void a_link_stays_open_for_a_while(void **state)
{
    (void)state;
    int port, listener = listen_somewhere(&port);
    struct outlinks *all = outlinks_create();
    struct outlink *first, *second;
    assert_int_equal(outlink_open(all, host, port, TIMEOUT_MS, &first), OUTLINK_FINE);
    assert_false(first->reused);
    assert_int_equal(outlink_open(all, host, port, TIMEOUT_MS, &second), OUTLINK_FINE);
    assert_ptr_equal(first, second);
    assert_true(second->reused);
    outlinks_tidy(all, clock_mono_us() + 9 * 1000 * 1000);
    assert_int_equal(outlinks_count(all), 1);
    outlinks_tidy(all, clock_mono_us() + 11 * 1000 * 1000);
    assert_int_equal(outlinks_count(all), 0);
    outlinks_destroy(all);
    close(listener);
}

static void links_are_not_kept_without_end(void **state)
{
    (void)state;
    struct outlinks *all = outlinks_create();
    struct outlink *link;
    int listeners[70];
    for (int i = 0; i < 70; i++) {
        int port;
        listeners[i] = listen_somewhere(&port);
        assert_int_equal(outlink_open(all, host, port, TIMEOUT_MS, &link), OUTLINK_FINE);
    }
    assert_int_equal(outlinks_count(all), 64);
    outlinks_destroy(all);
    for (int i = 0; i < 70; i++)
        close(listeners[i]);
}

static void lines_come_in_any_pieces(void **state)
{
    (void)state;
    int port, listener = listen_somewhere(&port);
    struct outlinks *all = outlinks_create();
    struct outlink *link;
    struct text line = {0};
    outlink_open(all, host, port, TIMEOUT_MS, &link);
    int peer = accept(listener, NULL, NULL);
    assert_int_equal(write(peer, "+one\r\n-two\r\n+thr", 16), 16);
    assert_true(outlink_read_line(link, &line));
    assert_string_equal(line.data, "+one");
    assert_true(outlink_read_line(link, &line));
    assert_string_equal(line.data, "-two");
    assert_false(outlink_read_line(link, &line)); /* in time */
    assert_int_equal(write(peer, "\r\n", 2), 2);
    close(peer);
    assert_true(outlink_read_line(link, &line));
    assert_false(outlink_read_line(link, &line)); /* closed */
    text_fini(&line);
    outlinks_destroy(all);
    close(listener);
}

static void who_reads_nothing_is_not_waited_for(void **state)
{
    (void)state;
    static char much[1024 * 1024];
    int port, listener = listen_somewhere(&port), rounds = 0;
    struct outlinks *all = outlinks_create();
    struct outlink *link;
    outlink_open(all, host, port, TIMEOUT_MS, &link);
    while (rounds < 100 && outlink_write(link, bytes_of(much, sizeof much)))
        rounds++;
    assert_true(rounds < 100);
    outlinks_destroy(all);
    close(listener);
}

static void nobody_listens(void **state)
{
    (void)state;
    int port, listener = listen_somewhere(&port);
    close(listener);
    struct outlinks *all = outlinks_create();
    struct outlink *link;
    assert_int_equal(outlink_open(all, host, port, TIMEOUT_MS, &link), OUTLINK_FAILED);
    assert_int_equal(
        outlink_open(all, bytes_of("no.such.host.invalid", 20), port, TIMEOUT_MS, &link),
        OUTLINK_NO_ADDRESS);
    assert_int_equal(outlinks_count(all), 0);
    outlinks_destroy(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_stays_open_for_a_while),
        cmocka_unit_test(links_are_not_kept_without_end),
        cmocka_unit_test(lines_come_in_any_pieces),
        cmocka_unit_test(who_reads_nothing_is_not_waited_for),
        cmocka_unit_test(nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
