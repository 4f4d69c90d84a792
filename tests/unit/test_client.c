/*
 * test_client.c - sessions without a connection: the list, names, authentication, CLIENT LIST's
 * line, and what monitors see.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "server/client.h"
#include "server/client_report.h"
#include "server/executor.h"
#include "server/monitor.h"
#include "server/server.h"

static int begin(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    s->keys = keyspace_create(16);
    s->opt.requirepass = (struct text){0};
    s->opt.unixsocket = "";
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct server *s = *state;
    while (s->clients.first != NULL)
        client_destroy(s->clients.first);
    reply_pool_fini(&s->reply_pool);
    text_fini(&s->opt.requirepass);
    keyspace_destroy(s->keys);
    free(s);
    return 0;
}

static void test_list(void **state)
{
    struct server *s = *state;
    struct client *a = client_create(s), *b = client_create(s), *c = client_create(s);
    assert_int_equal(a->id, 1);
    assert_int_equal(c->id, 3);
    assert_int_equal(s->clients.count, 3);
    assert_ptr_equal(client_by_id(s, 2), b);
    assert_null(client_by_id(s, 0));
    assert_null(client_by_id(s, 4));
    client_destroy(b);
    assert_null(client_by_id(s, 2));
    assert_ptr_equal(a->next, c);
    assert_ptr_equal(c->prev, a);
    client_destroy(a);
    assert_ptr_equal(s->clients.first, c);
    c->flags |= CLIENT_CLOSE_NOW;
    assert_null(client_by_id(s, 3));
    client_destroy(c);
    assert_null(s->clients.first);
    assert_null(s->clients.last);
    assert_int_equal(client_create(s)->id, 4); /* ids are not used again */
}

/* Clients come and go in any order; who is there is found, who is about to be closed is not. */
static void test_many_by_id(void **state)
{
    enum { MANY = 200, STEPS = 20000 };
    struct server *s = *state;
    struct client *there[MANY] = {NULL};
    uint64_t ids[MANY] = {0}, seed = random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
    assert_null(client_by_id(s, 1)); /* nobody has ever come */
    for (int i = 0; i < STEPS; i++) {
        int at = (int)random_below(MANY);
        if (there[at] == NULL) {
            there[at] = client_create(s);
            ids[at] = there[at]->id;
        } else if (random_below(4) == 0) {
            there[at]->flags ^= CLIENT_CLOSE_NOW;
        } else {
            client_destroy(there[at]);
            there[at] = NULL;
        }
        at = (int)random_below(MANY);
        bool is_found = there[at] != NULL && !(there[at]->flags & CLIENT_CLOSE_NOW);
        assert_ptr_equal(client_by_id(s, ids[at]), is_found ? there[at] : NULL);
    }
    for (int at = 0; at < MANY; at++)
        client_destroy(there[at]);
    for (int at = 0; at < MANY; at++)
        assert_null(client_by_id(s, ids[at]));
}

static void test_words(void **state)
{
    (void)state;
    static const char *const refused[] = {" ", "a b", "a\n", "\r", "\x7f", "\xc3\xa9", "a\tb"};
    char *field = NULL;
    assert_true(client_set_word(&field, bytes_of_text("redis-py")));
    assert_string_equal(field, "redis-py");
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_false(client_set_word(&field, bytes_of_text(refused[i])));
    assert_false(client_set_word(&field, bytes_of("a\0b", 3)));
    assert_string_equal(field, "redis-py");
    assert_true(client_set_word(&field, bytes_of_text("!~")));
    assert_string_equal(field, "!~");
    assert_true(client_set_word(&field, bytes_of("", 0)));
    assert_null(field);
}

static void test_authentication(void **state)
{
    struct server *s = *state;
    struct client *c = client_create(s);
    assert_true(c->flags & CLIENT_AUTHENTICATED);
    assert_false(c->gates & GATE_UNAUTHENTICATED);
    text_add(&s->opt.requirepass, bytes_of_text("secret"));
    struct client *late = client_create(s);
    assert_true(c->flags & CLIENT_AUTHENTICATED); /* who is in stays in */
    assert_false(late->flags & CLIENT_AUTHENTICATED);
    assert_true(late->gates & GATE_UNAUTHENTICATED);
    client_authenticate(late);
    assert_true(late->flags & CLIENT_AUTHENTICATED);
    assert_false(late->gates & GATE_UNAUTHENTICATED);
    client_deauthenticate(late);
    assert_false(late->flags & CLIENT_AUTHENTICATED);
}

/* Tools split the line at spaces and take fields by place as well as by name. */
static void test_report_has_redis_fields(void **state)
{
    static const char *const names[] = {
        "id",       "addr",      "laddr", "fd",    "name",  "age",      "idle",    "flags",
        "db",       "sub",       "psub",  "ssub",  "multi", "watch",    "qbuf",    "qbuf-free",
        "argv-mem", "multi-mem", "rbs",   "rbp",   "obl",   "oll",      "omem",    "tot-mem",
        "events",   "cmd",       "user",  "redir", "resp",  "lib-name", "lib-ver",
    };
    struct server *s = *state;
    struct client *c = client_create(s);
    c->flags |= CLIENT_NO_TOUCH | CLIENT_NO_EVICT;
    struct text out = {0};
    client_report(c, c, &out);
    const char *at = out.data;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t len = strlen(names[i]);
        assert_memory_equal(at, names[i], len);
        assert_int_equal(at[len], '=');
        at += strcspn(at, " \n") + 1;
    }
    assert_int_equal(at[0], '\0');
    assert_int_equal(at[-1], '\n');
    assert_non_null(strstr(out.data, " flags=eT db=0 sub=0 "));
    assert_non_null(strstr(out.data, " multi=-1 watch=0 "));
    assert_non_null(strstr(out.data, " obl=0 oll=0 omem=0 "));
    assert_non_null(strstr(out.data, " events=r cmd=NULL user=default redir=-1 resp=2 "));
    text_fini(&out);
}

static void test_memory_counts_names(void **state)
{
    struct client *c = client_create(*state);
    size_t before = client_memory(c);
    assert_true(client_set_word(&c->name, bytes_of_text("a-name-of-some-length")));
    assert_true(client_memory(c) >= before + strlen("a-name-of-some-length"));
}

/* -- monitors ---------------------------------------------------------------------------------- */

static void feed(struct server *s, struct client *from, struct command_slot *command,
                 const struct bytes *argv, int argc)
{
    struct call call = {
        .server = s, .client = from, .command = command, .argv = argv, .argc = argc};
    monitor_feed(&call);
}

/* All that waits for c, as text; the caller frees. */
static char *waiting(const struct client *c)
{
    size_t len = reply_bytes(&c->reply);
    char *text = calloc(1, len + 1);
    reply_copy(&c->reply, text);
    return text;
}

static void test_monitors_see_calls(void **state)
{
    struct server *s = *state;
    struct client *from = client_create(s), *a = client_create(s), *b = client_create(s);
    struct command_slot set = {.full_name = "set"}, auth = {.full_name = "auth"};
    struct bytes args[] = {bytes_of_text("set"), bytes_of_text("k\n"), bytes_of_text("v")};
    monitor_start(a);
    monitor_start(b);
    assert_int_equal(s->clients.monitors, 2);
    from->db = 3;
    feed(s, from, &set, args, 3);
    feed(s, from, &auth, args, 2);
    char *seen = waiting(a);
    const char *line = seen;
    assert_int_equal(line[0], '+');
    assert_int_equal(strspn(line + 1, "0123456789."), strlen("1700000000.123456"));
    line = strchr(line, ' ');
    static const char first[] = " [3 lua] \"set\" \"k\\n\" \"v\"\r\n+";
    assert_memory_equal(line, first, strlen(first));
    assert_non_null(strstr(line, "] \"set\" \"(redacted)\"\r\n"));
    free(seen);
    assert_int_equal(reply_bytes(&b->reply), reply_bytes(&a->reply));
    assert_int_equal(reply_bytes(&from->reply), 0);
}

static void test_monitors_do_not_see_administration(void **state)
{
    struct server *s = *state;
    struct client *c = client_create(s);
    struct bytes args[] = {bytes_of_text("config")};
    monitor_start(c);
    feed(s, c, &(struct command_slot){.full_name = "x", .flags = CMD_ADMIN}, args, 1);
    feed(s, c, &(struct command_slot){.full_name = "x", .flags = CMD_SKIP_MONITOR}, args, 1);
    assert_int_equal(reply_bytes(&c->reply), 0);
}

static void test_monitors_stop(void **state)
{
    struct server *s = *state;
    struct client *a = client_create(s), *b = client_create(s), *c = client_create(s);
    monitor_start(a);
    monitor_start(b);
    monitor_start(c);
    monitor_stop(b);
    monitor_stop(b);
    assert_int_equal(s->clients.monitors, 2);
    client_destroy(a);
    assert_int_equal(s->clients.monitors, 1);
    assert_ptr_equal(s->clients.first_monitor, c);
    assert_null(c->next_monitor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_list, begin, end),
        cmocka_unit_test_setup_teardown(test_many_by_id, begin, end),
        cmocka_unit_test(test_words),
        cmocka_unit_test_setup_teardown(test_authentication, begin, end),
        cmocka_unit_test_setup_teardown(test_report_has_redis_fields, begin, end),
        cmocka_unit_test_setup_teardown(test_memory_counts_names, begin, end),
        cmocka_unit_test_setup_teardown(test_monitors_see_calls, begin, end),
        cmocka_unit_test_setup_teardown(test_monitors_do_not_see_administration, begin, end),
        cmocka_unit_test_setup_teardown(test_monitors_stop, begin, end),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
