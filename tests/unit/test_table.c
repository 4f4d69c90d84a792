/*
 * test_table.c - every row of every family keeps what command.h promises, and all are found.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/command.h"
#include "server/docs.h"

static struct bytes text(const char *t)
{
    return bytes_of_text(t);
}

/* -- rows -------------------------------------------------------------------------------------- */

static void check_name(const char *name)
{
    assert_non_null(name);
    assert_true(name[0] != '\0');
    for (const char *p = name; *p != '\0'; p++)
        assert_true(islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '-' ||
                    *p == '_');
}

static void check_keys(const struct command *row)
{
    for (int i = 0; i < row->key_count; i++) {
        const struct key_spec *spec = &row->keys[i];
        int access = spec->flags & (KEY_RO | KEY_RW | KEY_OW | KEY_RM);
        if (!(spec->flags & KEY_NOT_KEY)) {
            assert_true(access != 0);
            assert_int_equal(access & (access - 1), 0);
        }
        if (spec->unknown || spec->keyword != NULL)
            continue;
        /* A request of open length may end before its first key (PFMERGE's sources). */
        assert_in_range(spec->first, 1, row->arity > 0 ? row->arity - 1 : -row->arity);
    }
}

static void check_row(struct command_slot *slot, void *context)
{
    const struct command *row = slot->row;
    int *seen = context;
    (*seen)++;
    check_name(row->name);
    if (row->run == NULL && row->subcommands == NULL)
        fail_msg("%s has no handler", slot->full_name);
    assert_true(row->arity != 0);
    if (slot->parent != NULL)
        assert_true(abs(row->arity) >= 2);
    assert_non_null(row->since);
    assert_non_null(row->group);
    if (row->summary == NULL || row->summary[0] == '\0')
        fail_msg("%s has no summary", slot->full_name);
    assert_false((row->flags & CMD_WRITE) && (row->flags & CMD_READONLY));
    assert_true(!(row->flags & CMD_DEPRECATED) == (row->deprecated_since == NULL));
    check_keys(row);
    const char *wrong = row->args != NULL ? docs_check_arguments(row->args) : NULL;
    if (wrong != NULL)
        fail_msg("%s: arguments go wrong at: %s", slot->full_name, wrong);
}

static void test_each_row_is_sound(void **state)
{
    struct command_table *t = *state;
    int seen = 0;
    command_each(t, check_row, &seen);
    assert_true(seen > command_count(t));
}

static void test_names_are_unique(void **state)
{
    struct command_table *t = *state;
    for (int i = 0; i < command_count(t); i++) {
        struct command_slot *slot = command_at(t, i);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(slot->full_name, command_at(t, j)->full_name);
        for (int s = 0; s < slot->sub_count; s++)
            assert_ptr_equal(command_find_sub(slot, text(slot->subs[s].name)), &slot->subs[s]);
    }
}

/* -- look-up ----------------------------------------------------------------------------------- */

static void test_find_in_any_case(void **state)
{
    struct command_table *t = *state;
    char name[64];
    for (int i = 0; i < command_count(t); i++) {
        struct command_slot *slot = command_at(t, i);
        size_t len = strlen(slot->name);
        for (int spelling = 0; spelling < 3; spelling++) {
            for (size_t p = 0; p < len; p++) {
                bool capital = spelling == 1 || (spelling == 2 && p % 2 == 0);
                name[p] = (char)(capital ? toupper((unsigned char)slot->name[p]) : slot->name[p]);
            }
            assert_ptr_equal(command_find(t, bytes_of(name, len)), slot);
        }
    }
}

/* What the index must agree with. */
static struct command_slot *find_by_walking(const struct command_table *t, struct bytes name)
{
    for (int i = 0; i < command_count(t); i++) {
        if (bytes_is_word(name, command_at(t, i)->name))
            return command_at(t, i);
    }
    return NULL;
}

/* Names one byte away from a command's, the bytes that differ from it in bit 0x20 only among them.
 */
static void test_near_misses(void **state)
{
    struct command_table *t = *state;
    char name[64];
    for (int i = 0; i < command_count(t); i++) {
        const char *right = command_at(t, i)->name;
        size_t len = strlen(right);
        for (size_t p = 0; p < len; p++) {
            for (int byte = 0; byte < 256; byte++) {
                memcpy(name, right, len);
                name[p] = (char)byte;
                struct bytes view = bytes_of(name, len);
                assert_ptr_equal(command_find(t, view), find_by_walking(t, view));
            }
            struct bytes prefix = bytes_of(right, p);
            assert_ptr_equal(command_find(t, prefix), find_by_walking(t, prefix));
        }
    }
    assert_null(command_find(t, bytes_of("", 0)));
}

static void test_find_full(void **state)
{
    struct command_table *t = *state;
    struct command_slot *info = command_find_full(t, text("COMMAND|Info"));
    assert_non_null(info);
    assert_string_equal(info->full_name, "command|info");
    assert_ptr_equal(info->parent, command_find(t, text("command")));
    assert_ptr_equal(command_find_full(t, text("command")), info->parent);
    assert_null(command_find_full(t, text("command|")));
    assert_null(command_find_full(t, text("command|info|x")));
    assert_null(command_find_full(t, text("get|info")));
    assert_null(command_find_full(t, text("|")));
}

static void test_rename(void **state)
{
    (void)state;
    struct command_table *t = command_table_create();
    int count = command_count(t);
    struct command_slot *get = command_find(t, text("get"));
    assert_false(command_rename(t, text("nosuch"), text("x")));
    assert_false(command_rename(t, text("get"), text("SET")));
    assert_true(command_rename(t, text("GET"), text("A-quite-Long-Name-for_it")));
    assert_null(command_find(t, text("get")));
    assert_ptr_equal(command_find(t, text("a-quite-long-name-for_IT")), get);
    assert_null(command_find(t, text("a-quite-long-nbme-for_IT")));
    assert_string_equal(get->full_name, "get");
    assert_int_equal(command_count(t), count);
    assert_true(command_rename(t, text("set"), bytes_of("", 0)));
    assert_null(command_find(t, text("set")));
    assert_int_equal(command_count(t), count - 1);
    assert_true(command_rename(t, text("del"), text("set")));
    assert_string_equal(command_find(t, text("set"))->full_name, "del");
    command_table_destroy(t);
}

static void test_categories_follow_from_flags(void **state)
{
    struct command_table *t = *state;
    assert_int_equal(command_find(t, text("get"))->categories, CAT_READ | CAT_STRING | CAT_FAST);
    assert_int_equal(command_find(t, text("set"))->categories, CAT_WRITE | CAT_STRING | CAT_SLOW);
    assert_int_equal(command_find_full(t, text("client|kill"))->categories,
                     CAT_ADMIN | CAT_DANGEROUS | CAT_CONNECTION | CAT_SLOW);
}

static void test_reset_stats(void **state)
{
    struct command_table *t = *state;
    struct command_slot *get = command_find(t, text("get"));
    struct command_slot *info = command_find_full(t, text("command|info"));
    get->calls = get->ticks = info->rejected = info->failed = 5;
    command_reset_stats(t);
    assert_int_equal(get->calls + get->ticks + info->rejected + info->failed, 0);
}

/* -- keys -------------------------------------------------------------------------------------- */

/* Compare with the indexes given, a digit each; "-" for invalid. */
static void check_request(const struct command_table *t, const char *words, const char *expected)
{
    char line[256], found[16] = "-", *save = NULL;
    struct bytes argv[16];
    struct key_position keys[16];
    int argc = 0;
    snprintf(line, sizeof line, "%s", words);
    for (char *w = strtok_r(line, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
        argv[argc++] = text(w);
    struct command_slot *slot = command_find(t, argv[0]);
    assert_non_null(slot);
    if (slot->sub_count > 0)
        slot = command_find_sub(slot, argv[1]);
    int n = command_keys(slot, argv, argc, keys, 16);
    for (int i = 0; i < n; i++)
        found[i] = (char)('0' + keys[i].index);
    if (n >= 0)
        found[n] = '\0';
    assert_string_equal(found, expected);
    if (n > 0)
        assert_int_equal(command_keys(slot, argv, argc, keys, 0), n);
}

static void test_keys_of_requests(void **state)
{
    struct command_table *t = *state;
    check_request(t, "get k", "1");
    check_request(t, "mset a 1 b 2 c 3", "135");
    check_request(t, "del a b c", "123");
    check_request(t, "copy a b", "12");
    check_request(t, "memory usage k samples 5", "2");
    check_request(t, "object encoding k", "2");
    check_request(t, "ping", "-");
    check_request(t, "scan 0", "-");
    check_request(t, "lcs a b len", "12");
}

/* The ways of finding keys that the commands at hand have no use for. */
static void test_keys_by_specification(void **state)
{
    (void)state;
    const struct command row = {
        KEYS({KEY_OW, .first = 1}, {KEY_RO, .first = 2, .counted = true, .key_at = 1},
             {KEY_RW, .keyword = "STORE", .first = 3},
             {KEY_RM, .keyword = "STREAMS", .first = 3, .last = -1, .limit = 2},
             {KEY_RM, .keyword = "KEYS", .first = -2, .last = -1}),
    };
    const struct command_slot slot = {.row = &row};
    struct key_position keys[8];
    struct bytes counted[] = {text("c"), text("d"),     text("2"), text("a"),
                              text("b"), text("store"), text("e")};
    assert_int_equal(command_keys(&slot, counted, 7, keys, 8), 4);
    const int expected[] = {1, 3, 4, 6};
    for (int i = 0; i < 4; i++)
        assert_int_equal(keys[i].index, expected[i]);
    assert_int_equal(keys[1].flags, KEY_RO);
    assert_int_equal(keys[3].flags, KEY_RW);
    assert_int_equal(command_keys(&slot, counted, 4, keys, 8), -1);
    counted[2] = text("-1");
    assert_int_equal(command_keys(&slot, counted, 7, keys, 8), -1);
    struct bytes streams[] = {text("c"), text("d"), text("0"), text("STREAMS"),
                              text("x"), text("y"), text("1"), text("2")};
    assert_int_equal(command_keys(&slot, streams, 8, keys, 8), 3);
    assert_int_equal(keys[2].index, 5);
    struct bytes last[] = {text("c"), text("d"), text("0"), text("keys"), text("x"), text("y")};
    assert_int_equal(command_keys(&slot, last, 6, keys, 8), 3);
    assert_int_equal(keys[2].index, 5);
}

static void test_first_key_is_a_key(void **state)
{
    struct command_table *t = *state;
    assert_int_equal(command_find(t, text("get"))->first_key, 1);
    assert_int_equal(command_find(t, text("ping"))->first_key, 0);
    assert_int_equal(command_find_full(t, text("object|encoding"))->first_key, 2);
}

static int open_table(void **state)
{
    *state = command_table_create();
    return 0;
}

static int close_table(void **state)
{
    command_table_destroy(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row_is_sound),
        cmocka_unit_test(test_names_are_unique),
        cmocka_unit_test(test_find_in_any_case),
        cmocka_unit_test(test_near_misses),
        cmocka_unit_test(test_find_full),
        cmocka_unit_test(test_rename),
        cmocka_unit_test(test_categories_follow_from_flags),
        cmocka_unit_test(test_reset_stats),
        cmocka_unit_test(test_keys_of_requests),
        cmocka_unit_test(test_keys_by_specification),
        cmocka_unit_test(test_first_key_is_a_key),
    };
    return cmocka_run_group_tests(tests, open_table, close_table);
}
