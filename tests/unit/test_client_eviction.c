/*
 * test_client_eviction.c - maxmemory-clients: what is counted, who goes, and who stays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/client.h"
#include "server/log.h"
#include "server/network.h"
#include "server/server.h"
#include "storage/keyspace.h"

enum { MB = 1 << 20 };

static int begin(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    s->keys = keyspace_create(16);
    s->opt.requirepass = (struct text){0};
    s->opt.unixsocket = "";
    s->log = log_create();
    log_set_level(s->log, LOG_LEVEL_NOTHING);
    s->network = calloc(1, sizeof(*s->network));
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct server *s = *state;
    while (s->clients.first != NULL)
        client_destroy(s->clients.first);
    assert_int_equal(s->client_sizes.total, 0);
    reply_pool_fini(&s->reply_pool);
    keyspace_destroy(s->keys);
    log_destroy(s->log);
    free(s->network);
    free(s);
    return 0;
}

/* A client to which a reply of so many bytes waits; they are nobody's and never looked at. */
static struct client *client_with(struct server *s, size_t bytes)
{
    struct client *c = client_create(s);
    char *text = malloc(bytes);
    memset(text, 'x', bytes);
    reply_bulk_owned(&c->reply, bytes_of(text, bytes), text, free);
    client_eviction_note(c);
    return c;
}

static void set_limit(struct server *s, int64_t limit)
{
    s->opt.maxmemory_clients = limit;
    client_eviction_apply(s);
}

static bool is_gone(const struct client *c)
{
    return c->flags & CLIENT_CLOSE_NOW;
}

static void test_nothing_is_noted_without_limit(void **state)
{
    struct server *s = *state;
    struct client *c = client_with(s, MB);
    assert_int_equal(s->client_sizes.total, 0);
    set_limit(s, 8 * MB);
    assert_int_equal(s->client_sizes.total, client_memory(c));
    set_limit(s, 0);
    assert_int_equal(s->client_sizes.total, 0);
    client_eviction_run(s);
    assert_false(is_gone(c));
}

static void test_largest_go_first_and_no_more_than_needed(void **state)
{
    struct server *s = *state;
    set_limit(s, 100 * MB);
    struct client *small = client_with(s, MB / 8), *large = client_with(s, 5 * MB),
                  *middle = client_with(s, MB), *large2 = client_with(s, 5 * MB);
    assert_int_equal(s->client_sizes.total, client_memory(small) + client_memory(large) +
                                                client_memory(middle) + client_memory(large2));
    set_limit(s, 8 * MB);
    client_eviction_run(s);
    assert_int_equal(is_gone(large) + is_gone(large2), 1);
    set_limit(s, 2 * MB);
    client_eviction_run(s);
    assert_true(is_gone(large) && is_gone(large2));
    assert_false(is_gone(middle) || is_gone(small));
    assert_int_equal(s->stats.evicted_clients, 2);
    set_limit(s, 1); /* too little to connect at all: taken as 128 KiB */
    client_eviction_run(s);
    assert_true(is_gone(middle) && is_gone(small));
}

static void test_no_evict_counts_but_stays(void **state)
{
    struct server *s = *state;
    set_limit(s, 2 * MB);
    struct client *kept = client_create(s), *other = client_with(s, MB);
    kept->flags |= CLIENT_NO_EVICT;
    client_eviction_note(kept);
    client_eviction_run(s);
    assert_false(is_gone(other));
    char *text = calloc(1, 3 * MB);
    reply_bulk_owned(&kept->reply, bytes_of(text, 3 * MB), text, free);
    client_eviction_note(kept);
    client_eviction_run(s);
    assert_true(is_gone(other));
    assert_false(is_gone(kept));
    kept->flags &= ~(uint32_t)CLIENT_NO_EVICT;
    client_eviction_note(kept);
    client_eviction_run(s);
    assert_true(is_gone(kept));
}

static void test_share_of_maxmemory(void **state)
{
    struct server *s = *state;
    set_limit(s, -5);
    assert_int_equal(s->client_sizes.limit, 0);
    s->opt.maxmemory = 100 * MB;
    set_limit(s, -5);
    assert_int_equal(s->client_sizes.limit, 5 * MB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_noted_without_limit, begin, end),
        cmocka_unit_test_setup_teardown(test_largest_go_first_and_no_more_than_needed, begin, end),
        cmocka_unit_test_setup_teardown(test_no_evict_counts_but_stays, begin, end),
        cmocka_unit_test_setup_teardown(test_share_of_maxmemory, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
