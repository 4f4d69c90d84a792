/*
 * test_surroundings.c - findings on machines made of files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "server/options.h"
#include "server/surroundings.h"

#define MIB ((uint64_t)1 << 20)

struct machine {
    char root[64];
    struct options opt;
    char found[512]; /* names of the checks that found something, each with a space behind */
};

/* Write a file below the root, with its folders. */
static void put(struct machine *m, const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", m->root, path);
    for (char *at = full + strlen(m->root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(full, 0755);
        *at = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_machine(void **state)
{
    struct machine *m = calloc(1, sizeof *m);
    strcpy(m->root, "/tmp/test_surroundings.XXXXXX");
    assert_non_null(mkdtemp(m->root));
    options_init(&m->opt);
    put(m, "/proc/sys/vm/overcommit_memory", "1\n");
    put(m, "/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    put(m, "/proc/sys/net/core/somaxconn", "4096\n");
    put(m, "/proc/meminfo", "MemTotal:        1048576 kB\nMemFree: 1 kB\n");
    put(m, "/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
    *state = m;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int end_machine(void **state)
{
    struct machine *m = *state;
    nftw(m->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    options_fini(&m->opt);
    free(m);
    return 0;
}

static void note(void *context, const char *check, const char *finding)
{
    struct machine *m = context;
    if (finding == NULL)
        return;
    assert_non_null(strstr(finding, "To fix this"));
    strcat(strcat(m->found, check), " ");
}

static void expect(struct machine *m, const char *found)
{
    m->found[0] = '\0';
    int count = surroundings_check(m->root, &m->opt, note, m);
    assert_string_equal(m->found, found);
    int words = 0;
    for (const char *at = found; *at != '\0'; at++)
        words += *at == ' ';
    assert_int_equal(count, words);
}

static void test_good_machine_has_no_findings(void **state)
{
    expect(*state, "");
}

static void test_unreadable_machine_has_no_findings(void **state)
{
    struct machine *m = *state;
    strcat(m->root, "/nothing");
    expect(m, "");
    *strrchr(m->root, '/') = '\0';
}

static void test_each_fault_is_found(void **state)
{
    struct machine *m = *state;
    put(m, "/proc/sys/vm/overcommit_memory", "0\n");
    expect(m, "overcommit ");
    put(m, "/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
    expect(m, "overcommit "); /* disable-thp is yes */
    m->opt.disable_thp = false;
    expect(m, "overcommit THP ");
    put(m, "/proc/sys/net/core/somaxconn", "128\n");
    expect(m, "overcommit THP backlog ");
    put(m, "/sys/devices/system/clocksource/clocksource0/current_clocksource", "xen\n");
    expect(m, "clocksource overcommit THP backlog ");
    m->opt.tcp_backlog = 128;
    expect(m, "clocksource overcommit THP ");
}

static void test_limit_is_the_least_of_all_groups(void **state)
{
    struct machine *m = *state;
    assert_int_equal(surroundings_memory_limit(m->root), 1024 * MIB);
    put(m, "/proc/self/cgroup", "0::/a/b\n");
    put(m, "/sys/fs/cgroup/a/b/memory.max", "max\n");
    assert_int_equal(surroundings_memory_limit(m->root), 1024 * MIB);
    put(m, "/sys/fs/cgroup/a/memory.max", "536870912\n");
    assert_int_equal(surroundings_memory_limit(m->root), 512 * MIB);
    put(m, "/sys/fs/cgroup/a/b/memory.max", "268435456\n");
    assert_int_equal(surroundings_memory_limit(m->root), 256 * MIB);
}

static void test_version_one_groups(void **state)
{
    struct machine *m = *state;
    put(m, "/proc/self/cgroup", "3:cpuset:/x\n2:cpu,memory:/box\n0::/\n");
    put(m, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(surroundings_memory_limit(m->root), 1024 * MIB);
    put(m, "/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "134217728\n");
    assert_int_equal(surroundings_memory_limit(m->root), 128 * MIB);
    /* Inside of a container the group's path is not there, its limit is at the top. */
    put(m, "/proc/self/cgroup", "2:memory:/docker/elsewhere\n");
    put(m, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864\n");
    assert_int_equal(surroundings_memory_limit(m->root), 64 * MIB);
}

static void test_maxmemory_must_fit(void **state)
{
    struct machine *m = *state;
    m->opt.maxmemory = (int64_t)(900 * MIB);
    expect(m, "");
    m->opt.maxmemory = (int64_t)(1000 * MIB);
    expect(m, "memory ");
    put(m, "/proc/self/cgroup", "0::/\n");
    put(m, "/sys/fs/cgroup/memory.max", "268435456\n");
    m->opt.maxmemory = 0;
    expect(m, "memory ");
    m->opt.maxmemory = (int64_t)(200 * MIB);
    expect(m, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good_machine_has_no_findings, make_machine,
                                        end_machine),
        cmocka_unit_test_setup_teardown(test_unreadable_machine_has_no_findings, make_machine,
                                        end_machine),
        cmocka_unit_test_setup_teardown(test_each_fault_is_found, make_machine, end_machine),
        cmocka_unit_test_setup_teardown(test_limit_is_the_least_of_all_groups, make_machine,
                                        end_machine),
        cmocka_unit_test_setup_teardown(test_version_one_groups, make_machine, end_machine),
        cmocka_unit_test_setup_teardown(test_maxmemory_must_fit, make_machine, end_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
