/*
 * test_pubsub.c - who subscribes to what, against a model; delivery byte for byte; sections.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/glob.h"
#include "base/memory.h"
#include "base/random.h"
#include "server/client.h"
#include "server/executor.h"
#include "server/keyevents.h"
#include "server/pubsub.h"
#include "server/push.h"
#include "server/server.h"
#include "storage/keyspace.h"
#include "storage/string.h"
#include "storage/undo.h"

enum { CLIENTS = 12, NAMES = 20, STEPS = 20000, TEXT_MAX = 4096 };

struct fixture {
    struct server server;
    struct client *clients[CLIENTS];
    char heard[TEXT_MAX];
};

static int begin(void **state)
{
    struct fixture *f = mem_alloc_zeroed(sizeof *f);
    f->server.keys = keyspace_create(2);
    f->server.keys->hooks.context = &f->server;
    f->server.pubsub = pubsub_create(&f->server);
    for (int i = 0; i < CLIENTS; i++) {
        f->clients[i] = client_create(&f->server);
        f->clients[i]->reply.resp = i % 2 == 0 ? 2 : 3;
    }
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < CLIENTS; i++)
        client_destroy(f->clients[i]);
    assert_int_equal(f->server.clients.subscribers, 0);
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        assert_int_equal(pubsub_count(&f->server, kind), 0);
    pubsub_destroy(f->server.pubsub);
    reply_pool_fini(&f->server.reply_pool);
    keyspace_destroy(f->server.keys);
    mem_free(f);
    return 0;
}

/* What waits for a client, which has read it then; line ends become '|'. */
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

static bool join(struct fixture *f, int i, enum channel_kind kind, const char *name)
{
    return pubsub_subscribe(f->clients[i], kind, bytes_of_text(name));
}

static uint64_t publish(struct fixture *f, const char *channel, const char *text)
{
    return pubsub_publish(&f->server, PUBSUB_CHANNEL, bytes_of_text(channel), bytes_of_text(text));
}

/* -- a model ----------------------------------------------------------------------------------- */

static const char *const names[NAMES] = {
    "a",    "ab",  "abc",   "abcdefgh", "abcdefghi", "b",  "",          "*",        "a*",  "*a",
    "[ab]", "a?c", "abcd*", "\\*",      "abcdefg?i", "??", "abcdefgh*", "ab[c-z]*", "x*y", "a\\b",
};

typedef bool picture[PUBSUB_KINDS][CLIENTS][NAMES];

static uint64_t expected_receivers(picture model, enum channel_kind kind, int name)
{
    uint64_t count = 0;
    for (int c = 0; c < CLIENTS; c++) {
        count += model[kind][c][name];
        for (int p = 0; kind == PUBSUB_CHANNEL && p < NAMES; p++)
            count += model[PUBSUB_PATTERN][c][p] &&
                     glob_match(bytes_of_text(names[p]), bytes_of_text(names[name]), false);
    }
    return count;
}

static void check_counts(struct fixture *f, picture model)
{
    for (int kind = 0; kind < PUBSUB_KINDS; kind++) {
        uint64_t distinct = 0;
        for (int n = 0; n < NAMES; n++) {
            uint64_t count = 0;
            for (int c = 0; c < CLIENTS; c++)
                count += model[kind][c][n];
            assert_int_equal(pubsub_subscribers(&f->server, kind, bytes_of_text(names[n])), count);
            distinct += count > 0;
        }
        assert_int_equal(pubsub_count(&f->server, kind), distinct);
        for (int c = 0; c < CLIENTS; c++) {
            uint64_t count = 0;
            for (int n = 0; n < NAMES; n++)
                count += model[kind][c][n];
            assert_int_equal(pubsub_count_of(f->clients[c], kind), count);
        }
    }
}

/* One random step; what it says it did agrees with the model. */
static void step(struct fixture *f, picture model)
{
    enum channel_kind kind = (enum channel_kind)random_below(PUBSUB_KINDS);
    int c = (int)random_below(CLIENTS), n = (int)random_below(NAMES);
    struct bytes name = bytes_of_text(names[n]);
    switch (random_below(8)) {
    case 0:
    case 1:
    case 2:
        assert_int_equal(pubsub_subscribe(f->clients[c], kind, name), !model[kind][c][n]);
        model[kind][c][n] = true;
        break;
    case 3:
    case 4:
        assert_int_equal(pubsub_unsubscribe(f->clients[c], kind, name), model[kind][c][n]);
        model[kind][c][n] = false;
        break;
    case 5:
        if (random_below(10) > 0 || undo_is_open(f->server.keys->undo))
            break; /* whose section it is does not leave meanwhile */
        pubsub_leave(f->clients[c]);
        for (int k = 0; k < PUBSUB_KINDS; k++)
            memset(model[k][c], 0, sizeof model[k][c]);
        break;
    default:
        if (kind == PUBSUB_PATTERN)
            kind = PUBSUB_CHANNEL;
        assert_int_equal(pubsub_publish(&f->server, kind, name, bytes_of_text("text")),
                         expected_receivers(model, kind, n));
    }
}

static void test_model(void **state)
{
    struct fixture *f = *state;
    static picture model;
    uint64_t seed = random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
    memset(model, 0, sizeof model);
    for (int i = 0; i < STEPS; i++) {
        step(f, model);
        if (i % 50 == 0)
            check_counts(f, model);
        for (int c = 0; c < CLIENTS; c++) {
            struct client *client = f->clients[c];
            assert_int_equal(client->subscriptions != NULL && client->reply.resp == 2,
                             (client->gates & GATE_SUBSCRIBED) != 0);
            reply_sent(&client->reply, reply_bytes(&client->reply));
        }
    }
}

/* A section that is taken back leaves subscriptions as they were, and nobody has heard anything. */
static void test_sections_model(void **state)
{
    struct fixture *f = *state;
    static picture model, before;
    memset(model, 0, sizeof model);
    for (int i = 0; i < STEPS / 40; i++) {
        for (int k = 0; k < 20; k++)
            step(f, model);
        for (int c = 0; c < CLIENTS; c++)
            reply_sent(&f->clients[c]->reply, reply_bytes(&f->clients[c]->reply));
        memcpy(before, model, sizeof model);
        struct undo_section section = undo_begin(f->server.keys);
        for (int k = 0; k < 20; k++)
            step(f, model);
        undo_rollback(f->server.keys, section);
        memcpy(model, before, sizeof model);
        check_counts(f, model);
        for (int c = 0; c < CLIENTS; c++)
            assert_int_equal(reply_bytes(&f->clients[c]->reply), 0);
    }
}

/* -- delivery ---------------------------------------------------------------------------------- */

static void test_messages(void **state)
{
    struct fixture *f = *state;
    join(f, 0, PUBSUB_CHANNEL, "news");
    join(f, 1, PUBSUB_CHANNEL, "news");
    join(f, 1, PUBSUB_PATTERN, "n*");
    join(f, 1, PUBSUB_PATTERN, "*s");
    join(f, 2, PUBSUB_SHARD, "news");
    f->clients[0]->reply.muted = true; /* messages come through CLIENT REPLY OFF */
    assert_int_equal(publish(f, "news", "hi"), 4);
    assert_string_equal(heard(f, 0), "*3|$7|message|$4|news|$2|hi|");
    assert_true(f->clients[0]->reply.muted);
    assert_string_equal(heard(f, 1), ">3|$7|message|$4|news|$2|hi|"
                                     ">4|$8|pmessage|$2|n*|$4|news|$2|hi|"
                                     ">4|$8|pmessage|$2|*s|$4|news|$2|hi|");
    assert_string_equal(heard(f, 2), "");
    assert_int_equal(
        pubsub_publish(&f->server, PUBSUB_SHARD, bytes_of_text("news"), bytes_of_text("")), 1);
    assert_string_equal(heard(f, 2), "*3|$8|smessage|$4|news|$0||");
    assert_string_equal(heard(f, 0), "");
}

/* The executing client's own messages come when its command is over, even if it has left. */
static void test_own_messages_wait(void **state)
{
    struct fixture *f = *state;
    join(f, 1, PUBSUB_CHANNEL, "news");
    f->server.executing = f->clients[1];
    assert_int_equal(publish(f, "news", "a"), 1);
    pubsub_leave(f->clients[1]);
    reply_int(&f->clients[1]->reply, 1);
    assert_true(f->server.has_own_pushes);
    f->server.executing = NULL;
    push_send_own(f->clients[1]);
    assert_false(f->server.has_own_pushes);
    assert_string_equal(heard(f, 1), ":1|>3|$7|message|$4|news|$1|a|");
}

/* A long message exists once, and ends with the last reply that refers to it. */
static void test_long_messages_are_shared(void **state)
{
    enum { LONG = 1 << 20 };
    struct fixture *f = *state;
    char *text = mem_alloc_zeroed(LONG + 1);
    memset(text, 'x', LONG);
    for (int i = 0; i < CLIENTS; i++)
        join(f, i, PUBSUB_CHANNEL, "news");
    size_t before = mem_used();
    assert_int_equal(publish(f, "news", text), CLIENTS);
    size_t most = mem_used() - before;
    struct reply_span spans[4];
    for (int i = 0; i < CLIENTS; i++) {
        struct reply *r = &f->clients[i]->reply;
        assert_int_equal(reply_spans(r, spans, 4), 1);
        assert_int_equal(spans[0].ptr[0], i % 2 == 0 ? '*' : '>');
        assert_true(reply_memory(r) > LONG); /* each is held to account for all of it */
        reply_sent(r, reply_bytes(r));
    }
    assert_true(before == 0 ||
                most < 3 * LONG); /* once a protocol; sanitized builds do not count */
    mem_free(text);
}

static void test_limit(void **state)
{
    struct fixture *f = *state;
    char text[3000] = {0};
    memset(text, 'x', sizeof text - 1);
    join(f, 0, PUBSUB_CHANNEL, "news");
    f->clients[0]->reply.limit = 100000;
    for (int i = 0; i < 1000; i++)
        publish(f, "news", text);
    assert_true(reply_is_full(&f->clients[0]->reply));
    assert_true(reply_memory(&f->clients[0]->reply) < 110000);
    assert_int_equal(client_class(f->clients[0]), CLASS_PUBSUB);
    assert_int_equal(client_class(f->clients[1]), CLASS_NORMAL);
}

/* -- in one order with the keys' events -------------------------------------------------------- */

static void set_key(struct fixture *f, const char *name)
{
    struct keyspace *ks = f->server.keys;
    struct key key = key_of(bytes_of_text(name));
    keyspace_add(ks, 0, string_create(key.name, bytes_of_text("v")), key.hash);
    keyspace_changed(ks, 0, key.name, EVENT_STRING, "set");
}

static void test_order_in_sections(void **state)
{
    struct fixture *f = *state;
    f->server.opt.notify_keyspace_events = NOTIFY_KEYEVENT | EVENT_STRING | EVENT_NEW;
    keyevents_refresh(&f->server);
    join(f, 0, PUBSUB_CHANNEL, "c");
    join(f, 0, PUBSUB_PATTERN, "__*");
    struct undo_section outer = undo_begin(f->server.keys);
    assert_int_equal(publish(f, "c", "1"), 1);
    set_key(f, "k");
    struct undo_section inner = undo_begin(f->server.keys);
    assert_int_equal(publish(f, "c", "lost"), 1);
    set_key(f, "l");
    undo_rollback(f->server.keys, inner);
    assert_int_equal(publish(f, "c", "2"), 1);
    assert_int_equal(publish(f, "nobody", "2"), 0);
    assert_string_equal(heard(f, 0), "");
    undo_commit(f->server.keys, outer);
    assert_string_equal(heard(f, 0), "*3|$7|message|$1|c|$1|1|"
                                     "*4|$8|pmessage|$3|__*|$18|__keyevent@0__:new|$1|k|"
                                     "*4|$8|pmessage|$3|__*|$18|__keyevent@0__:set|$1|k|"
                                     "*3|$7|message|$1|c|$1|2|");
}

/* Names of all lengths and databases of all numbers. */
static void test_events_of_any_key(void **state)
{
    enum { LONGEST = 1000 };
    struct fixture *f = *state;
    char key[LONGEST + 1], wanted[TEXT_MAX];
    f->server.opt.notify_keyspace_events = NOTIFY_KEYSPACE | NOTIFY_KEYEVENT | EVENT_STRING;
    keyevents_refresh(&f->server);
    join(f, 0, PUBSUB_PATTERN, "*");
    memset(key, 'k', sizeof key);
    for (int len = 0; len <= LONGEST; len++) {
        int db = len % 3 == 0 ? 0 : len % 3 == 1 ? 15 : INT_MAX;
        char channel[LONGEST + 100];
        int channel_len = snprintf(channel, sizeof channel, "__keyspace@%d__:%.*s", db, len, key);
        int event_len = snprintf(NULL, 0, "__keyevent@%d__:set", db);
        snprintf(wanted, sizeof wanted,
                 "*4|$8|pmessage|$1|*|$%d|%s|$3|set|"
                 "*4|$8|pmessage|$1|*|$%d|__keyevent@%d__:set|$%d|%.*s|",
                 channel_len, channel, event_len, db, len, len, key);
        f->server.keys->hooks.event(&f->server, db, bytes_of(key, (size_t)len), EVENT_STRING,
                                    "set");
        assert_string_equal(heard(f, 0), wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_model, begin, end),
        cmocka_unit_test_setup_teardown(test_sections_model, begin, end),
        cmocka_unit_test_setup_teardown(test_messages, begin, end),
        cmocka_unit_test_setup_teardown(test_own_messages_wait, begin, end),
        cmocka_unit_test_setup_teardown(test_long_messages_are_shared, begin, end),
        cmocka_unit_test_setup_teardown(test_limit, begin, end),
        cmocka_unit_test_setup_teardown(test_order_in_sections, begin, end),
        cmocka_unit_test_setup_teardown(test_events_of_any_key, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
