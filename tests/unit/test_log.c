/*
 * test_log.c - lines of the log: their form, their level, and that the file may be moved away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/log.h"

struct place {
    struct log *log;
    char folder[64], file[96], moved[96];
};

static int make_place(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    strcpy(p->folder, "/tmp/test_log.XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->file, sizeof p->file, "%s/log", p->folder);
    snprintf(p->moved, sizeof p->moved, "%s/log.1", p->folder);
    p->log = log_create();
    assert_true(log_open(p->log, p->file));
    *state = p;
    return 0;
}

static int end_place(void **state)
{
    struct place *p = *state;
    log_destroy(p->log);
    unlink(p->file);
    unlink(p->moved);
    rmdir(p->folder);
    free(p);
    return 0;
}

static void read_file(const char *path, char *out, size_t room)
{
    FILE *file = fopen(path, "r");
    size_t len = file != NULL ? fread(out, 1, room - 1, file) : 0;
    out[len] = '\0';
    if (file != NULL)
        fclose(file);
}

static bool matches(const char *text, const char *pattern)
{
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool found = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

static void test_line_has_redis_form(void **state)
{
    struct place *p = *state;
    char text[4096];
    log_write(p->log, LOG_LEVEL_NOTICE, "port %d", 6379);
    log_write(p->log, LOG_LEVEL_WARNING, "beware");
    read_file(p->file, text, sizeof text);
    assert_true(matches(text, "^[0-9]+:M [0-9]{2} [A-Z][a-z]{2} [0-9]{4} "
                              "[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} \\* port 6379\n"
                              "[0-9]+:M .{24} # beware\n$"));
    assert_int_equal(atoi(text), getpid());
}

static void test_level_hides_what_is_below(void **state)
{
    struct place *p = *state;
    char text[4096];
    log_write(p->log, LOG_LEVEL_VERBOSE, "hidden");
    log_set_level(p->log, LOG_LEVEL_DEBUG);
    log_write(p->log, LOG_LEVEL_DEBUG, "shown");
    log_set_level(p->log, LOG_LEVEL_NOTHING);
    log_write(p->log, LOG_LEVEL_WARNING, "hidden");
    read_file(p->file, text, sizeof text);
    assert_null(strstr(text, "hidden"));
    assert_true(matches(text, " \\. shown\n$"));
}

static void test_moved_file_is_made_anew(void **state)
{
    struct place *p = *state;
    char text[4096];
    log_write(p->log, LOG_LEVEL_NOTICE, "before");
    assert_int_equal(rename(p->file, p->moved), 0);
    log_write(p->log, LOG_LEVEL_NOTICE, "after");
    read_file(p->moved, text, sizeof text);
    assert_non_null(strstr(text, "before"));
    assert_null(strstr(text, "after"));
    read_file(p->file, text, sizeof text);
    assert_non_null(strstr(text, "after"));
}

static void test_long_message_is_cut_to_one_line(void **state)
{
    struct place *p = *state;
    char message[5000], text[8192];
    memset(message, 'x', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    log_write(p->log, LOG_LEVEL_NOTICE, "%s", message);
    read_file(p->file, text, sizeof text);
    assert_true(strlen(text) < 1200);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void test_file_that_cannot_be_made_changes_nothing(void **state)
{
    struct place *p = *state;
    char text[4096];
    assert_false(log_open(p->log, "/nonexistent/folder/log"));
    log_write_raw(p->log, "still here\n");
    read_file(p->file, text, sizeof text);
    assert_string_equal(text, "still here\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_line_has_redis_form, make_place, end_place),
        cmocka_unit_test_setup_teardown(test_level_hides_what_is_below, make_place, end_place),
        cmocka_unit_test_setup_teardown(test_moved_file_is_made_anew, make_place, end_place),
        cmocka_unit_test_setup_teardown(test_long_message_is_cut_to_one_line, make_place,
                                        end_place),
        cmocka_unit_test_setup_teardown(test_file_that_cannot_be_made_changes_nothing, make_place,
                                        end_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
