/*
 * test_tracking.c - client-side caching: who is told of which change, against a model, and when
 * not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "server/client.h"
#include "server/command.h"
#include "server/executor.h"
#include "server/pubsub.h"
#include "server/push.h"
#include "server/server.h"
#include "server/tracking.h"
#include "storage/undo.h"

enum { CLIENTS = 6, NAMES = 12, STEPS = 20000, TEXT_MAX = 4096 };

struct fixture {
    struct server server;
    struct client *clients[CLIENTS];
    char heard[TEXT_MAX];
};

static int begin(void **state)
{
    struct fixture *f = mem_alloc_zeroed(sizeof *f);
    struct server *s = &f->server;
    s->keys = keyspace_create(2);
    s->keys->hooks.context = s;
    s->pubsub = pubsub_create(s);
    s->tracking = tracking_create(s);
    s->executor = executor_create(s);
    for (int i = 0; i < CLIENTS; i++) {
        f->clients[i] = client_create(s);
        f->clients[i]->reply.resp = 3;
    }
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    struct server *s = &f->server;
    for (int i = 0; i < CLIENTS; i++)
        client_destroy(f->clients[i]);
    assert_int_equal(tracking_keys(s), 0); /* nobody listens: nothing is kept */
    assert_int_equal(tracking_items(s), 0);
    assert_int_equal(tracking_prefixes(s), 0);
    assert_null(s->keys->hooks.changed);
    executor_destroy(s->executor);
    tracking_destroy(s->tracking);
    pubsub_destroy(s->pubsub);
    reply_pool_fini(&s->reply_pool);
    keyspace_destroy(s->keys);
    mem_free(f);
    return 0;
}

static const char *heard(struct fixture *f, int i)
{
    struct reply *r = &f->clients[i]->reply;
    size_t len = reply_bytes(r), out = 0;
    char raw[TEXT_MAX];
    assert_true(len < TEXT_MAX);
    reply_copy(r, raw);
    reply_sent(r, len);
    for (size_t at = 0; at < len; at++)
        if (raw[at] != '\r')
            f->heard[out++] = raw[at] == '\n' ? '|' : raw[at];
    f->heard[out] = '\0';
    return f->heard;
}

/* The client has run a command that reads the key. */
static void client_reads(struct client *c, const char *key)
{
    const struct command row = {
        .name = "get", .arity = 2, KEYS({KEY_RO, .first = 1, .last = 0, .step = 1})};
    struct command_slot slot = {.row = &row, .full_name = (char *)"get", .flags = CMD_READONLY};
    struct bytes argv[] = {bytes_of_text("get"), bytes_of_text(key)};
    struct call call = {.server = c->server,
                        .client = c,
                        .command = &slot,
                        .argv = argv,
                        .argc = 2,
                        .keys = c->server->keys,
                        .reply = &c->reply};
    tracking_after(&call);
}

static void read_key(struct fixture *f, int i, const char *key)
{
    client_reads(f->clients[i], key);
}

/* Client i changes the key; -1: it expires. */
static void change_key(struct fixture *f, int i, const char *key)
{
    f->server.executing = i >= 0 ? f->clients[i] : NULL;
    keyspace_changed(f->server.keys, 0, bytes_of_text(key), i >= 0 ? EVENT_STRING : EVENT_EXPIRED,
                     i >= 0 ? "set" : "expired");
    f->server.executing = NULL;
    if (i >= 0 && f->server.has_own_pushes)
        push_send_own(f->clients[i]);
}

static void start(struct fixture *f, int i, uint32_t flags)
{
    tracking_start(f->clients[i], flags, 0, NULL, 0);
}

static const char *const names[NAMES] = {"a", "b",  "c",  "d",  "e",  "f",
                                         "",  "aa", "ab", "ba", "bb", "a long name of a key"};

static void told(char *out, const char *key)
{
    snprintf(out, 100, ">2|$10|invalidate|*1|$%zu|%s|", strlen(key), key);
}

static void test_model(void **state)
{
    struct fixture *f = *state;
    bool reads[CLIENTS][NAMES] = {{false}};
    uint64_t seed = random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
    for (int i = 0; i < CLIENTS; i++)
        start(f, i, i % 2 == 0 ? 0 : TRACKING_NOLOOP);
    for (int step = 0; step < STEPS; step++) {
        int c = (int)random_below(CLIENTS), k = (int)random_below(NAMES);
        if (random_below(2) == 0) {
            read_key(f, c, names[k]);
            reads[c][k] = true;
            continue;
        }
        int author = random_below(5) == 0 ? -1 : c;
        change_key(f, author, names[k]);
        char wanted[100];
        told(wanted, names[k]);
        uint64_t items = 0;
        for (int i = 0; i < CLIENTS; i++) {
            bool is_told = reads[i][k] && !(i % 2 == 1 && i == author);
            assert_string_equal(heard(f, i), is_told ? wanted : "");
            reads[i][k] = false;
            for (int n = 0; n < NAMES; n++)
                items += reads[i][n];
        }
        assert_int_equal(tracking_items(&f->server), items);
    }
}

static void test_broadcast(void **state)
{
    struct fixture *f = *state;
    struct bytes prefixes[] = {bytes_of_text("b"), bytes_of_text("aa")};
    start(f, 0, TRACKING_BCAST);
    tracking_start(f->clients[1], TRACKING_BCAST | TRACKING_NOLOOP, 0, prefixes, 2);
    assert_int_equal(tracking_prefixes(&f->server), 3);
    change_key(f, 1, "b");
    change_key(f, 2, "aaa");
    change_key(f, 2, "a");
    change_key(f, 2, "aab");
    assert_string_equal(heard(f, 0), ""); /* once a turn */
    tracking_broadcast(&f->server);
    assert_string_equal(heard(f, 0), ">2|$10|invalidate|*4|$1|a|$3|aaa|$3|aab|$1|b|");
    assert_string_equal(heard(f, 1), ">2|$10|invalidate|*2|$3|aaa|$3|aab|");
    change_key(f, 1, "b");
    change_key(f, -1, "b"); /* who came last has the say, and that was nobody */
    tracking_broadcast(&f->server);
    assert_string_equal(heard(f, 1), ">2|$10|invalidate|*1|$1|b|");
    tracking_broadcast(&f->server);
    assert_string_equal(heard(f, 1), "");
}

static void test_caching_is_for_one_command(void **state)
{
    struct fixture *f = *state;
    start(f, 0, TRACKING_OPTIN);
    start(f, 1, TRACKING_OPTOUT);
    read_key(f, 0, "a");
    read_key(f, 1, "b");
    assert_int_equal(tracking_items(&f->server), 1);
    f->clients[0]->tracker->flags |= TRACKING_CACHING;
    f->clients[1]->tracker->flags |= TRACKING_CACHING;
    for (int i = 0; i < 2; i++) {
        read_key(f, 0, i == 0 ? "c" : "d");
        read_key(f, 1, i == 0 ? "c" : "d");
    }
    change_key(f, 2, "b");
    assert_string_equal(heard(f, 1), ">2|$10|invalidate|*1|$1|b|");
    change_key(f, 2, "c");
    assert_string_equal(heard(f, 0), ">2|$10|invalidate|*1|$1|c|");
    change_key(f, 2, "d");
    assert_string_equal(heard(f, 0), "");
    assert_string_equal(heard(f, 1), ">2|$10|invalidate|*1|$1|d|");
}

static void test_redirection(void **state)
{
    struct fixture *f = *state;
    f->clients[1]->reply.resp = 2;
    tracking_start(f->clients[0], 0, f->clients[1]->id, NULL, 0);
    read_key(f, 0, "a");
    change_key(f, 2, "a");
    assert_string_equal(heard(f, 1), ""); /* speaks RESP2 and does not subscribe */
    pubsub_subscribe(f->clients[1], PUBSUB_CHANNEL, bytes_of_text("__redis__:invalidate"));
    read_key(f, 0, "a");
    change_key(f, 2, "a");
    assert_string_equal(heard(f, 1), "*3|$7|message|$20|__redis__:invalidate|*1|$1|a|");
    keyspace_flush(f->server.keys, -1, false);
    assert_string_equal(heard(f, 1), "*3|$7|message|$20|__redis__:invalidate|$-1|");
    read_key(f, 0, "a");
    f->clients[1]->flags |= CLIENT_CLOSE_NOW;
    change_key(f, 2, "a");
    assert_true(f->clients[0]->tracker->flags & TRACKING_BROKEN);
    assert_string_equal(heard(f, 0), ">2|$21|tracking-redir-broken|:2|");
}

/* What is taken back has changed nothing. */
static void test_sections(void **state)
{
    struct fixture *f = *state;
    start(f, 0, 0);
    read_key(f, 0, "a");
    struct undo_section section = undo_begin(f->server.keys);
    change_key(f, 1, "a");
    keyspace_flush(f->server.keys, 0, false);
    undo_rollback(f->server.keys, section);
    assert_string_equal(heard(f, 0), "");
    assert_int_equal(tracking_keys(&f->server), 1);
    section = undo_begin(f->server.keys);
    change_key(f, 1, "a");
    keyspace_flush(f->server.keys, -1, false);
    assert_string_equal(heard(f, 0), "");
    undo_commit(f->server.keys, section);
    assert_string_equal(heard(f, 0), ">2|$10|invalidate|*1|$1|a|>2|$10|invalidate|_|");
}

static void test_limit(void **state)
{
    struct fixture *f = *state;
    char name[16];
    start(f, 0, 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%d", i);
        read_key(f, 0, name);
    }
    tracking_limit(&f->server);
    assert_int_equal(tracking_keys(&f->server), 1000); /* 0 is no limit */
    f->server.opt.tracking_table_max_keys = 10;
    for (int i = 0; i < 4; i++) { /* harder each time */
        tracking_limit(&f->server);
        reply_sent(&f->clients[0]->reply, reply_bytes(&f->clients[0]->reply));
    }
    assert_int_equal(tracking_keys(&f->server), 10);
    assert_int_equal(tracking_items(&f->server), 10);
}

/* Each of the readers has been told of "hot", and only of that; nobody else was. */
static void check_told(struct client *const *all, bool *reads, int count)
{
    static const char word[] = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nhot\r\n";
    char raw[sizeof word];
    for (int i = 0; i < count; i++) {
        size_t len = all[i] != NULL ? reply_bytes(&all[i]->reply) : 0;
        assert_int_equal(len, reads[i] ? sizeof word - 1 : 0);
        if (len > 0) {
            reply_copy(&all[i]->reply, raw);
            assert_memory_equal(raw, word, len);
            reply_sent(&all[i]->reply, len);
        }
        reads[i] = false;
    }
}

/* Of many readers of a key, coming in any order and reading it again, some stop, some go; who has
 * stayed is told once, however many of the others' ids were dropped meanwhile. */
static void test_readers_come_and_go(void **state)
{
    enum { READERS = 64 };
    struct fixture *f = *state;
    struct client *all[READERS] = {NULL};
    bool reads[READERS] = {false};
    uint64_t seed = random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
    start(f, 1, 0); /* with nobody left, all is forgotten */
    for (int step = 0; step < STEPS; step++) {
        int at = (int)random_below(READERS);
        if (all[at] == NULL) {
            all[at] = client_create(&f->server);
            all[at]->reply.resp = 3;
            tracking_start(all[at], 0, 0, NULL, 0);
        } else if (random_below(3) > 0) {
            client_reads(all[at], "hot");
            reads[at] = true;
        } else {
            client_destroy(all[at]);
            all[at] = NULL;
            reads[at] = false;
        }
        assert_true(tracking_items(&f->server) <= 2 * READERS);
        if (random_below(100) > 0)
            continue;
        change_key(f, 1, "hot");
        check_told(all, reads, READERS);
        assert_int_equal(tracking_items(&f->server), 0);
    }
    for (int i = 0; i < READERS; i++)
        client_destroy(all[i]);
}

/* A key that is read by one client after another keeps nobody who has gone. */
static void test_gone_readers_are_dropped(void **state)
{
    struct fixture *f = *state;
    start(f, 1, 0);
    read_key(f, 1, "hot");
    for (int i = 0; i < 1000; i++) {
        start(f, 0, 0);
        read_key(f, 0, "hot");
        client_destroy(f->clients[0]);
        f->clients[0] = client_create(&f->server);
        f->clients[0]->reply.resp = 3;
        assert_true(tracking_items(&f->server) <= 2);
    }
    change_key(f, 2, "hot");
    assert_string_equal(heard(f, 1), ">2|$10|invalidate|*1|$3|hot|");
    assert_int_equal(tracking_items(&f->server), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_model, begin, end),
        cmocka_unit_test_setup_teardown(test_readers_come_and_go, begin, end),
        cmocka_unit_test_setup_teardown(test_gone_readers_are_dropped, begin, end),
        cmocka_unit_test_setup_teardown(test_broadcast, begin, end),
        cmocka_unit_test_setup_teardown(test_caching_is_for_one_command, begin, end),
        cmocka_unit_test_setup_teardown(test_redirection, begin, end),
        cmocka_unit_test_setup_teardown(test_sections, begin, end),
        cmocka_unit_test_setup_teardown(test_limit, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
