/*
 * surroundings.c - one function a check: it reads what the kernel says and words the remedy.
 */
#include "server/surroundings.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/number.h"
#include "server/options.h"

enum { FILE_MAX_LEN = 8192 };

/* -- reading ----------------------------------------------------------------------------------- */

/* The file's text (its beginning, NUL-terminated) below root; false: it cannot be read. */
static bool read_text(const char *root, const char *path, char out[FILE_MAX_LEN])
{
    char full[PATH_MAX];
    if (snprintf(full, sizeof full, "%s%s", root, path) >= (int)sizeof full)
        return false;
    FILE *file = fopen(full, "re");
    if (file == NULL)
        return false;
    size_t len = fread(out, 1, FILE_MAX_LEN - 1, file);
    fclose(file);
    out[len] = '\0';
    return true;
}

/* A file that holds one number, and perhaps a line end. "max" and the like are no numbers. */
static bool read_number(const char *root, const char *path, uint64_t *out)
{
    char text[FILE_MAX_LEN];
    return read_text(root, path, text) &&
           number_parse_u64(bytes_of(text, strcspn(text, "\n")), out);
}

/* -- how much memory there is ------------------------------------------------------------------ */

static uint64_t least(uint64_t a, uint64_t b)
{
    return b != 0 && (a == 0 || b < a) ? b : a;
}

static uint64_t total_memory(const char *root)
{
    char text[FILE_MAX_LEN];
    unsigned long long kib;
    const char *line = read_text(root, "/proc/meminfo", text) ? strstr(text, "MemTotal:") : NULL;
    return line != NULL && sscanf(line, "MemTotal: %llu kB", &kib) == 1 ? kib * 1024 : 0;
}

/* The least limit of a group and all groups above it. Version 1 says "none" with a number of nearly
 * 2^63. */
static uint64_t limit_above(const char *root, const char *hierarchy, char *group, const char *file)
{
    char path[PATH_MAX];
    uint64_t limit = 0, found;
    for (;;) {
        if (strcmp(group, "/") == 0)
            group[0] = '\0';
        if (snprintf(path, sizeof path, "%s%s/%s", hierarchy, group, file) < (int)sizeof path &&
            read_number(root, path, &found) && found < (uint64_t)1 << 62)
            limit = least(limit, found);
        char *up = strrchr(group, '/');
        if (up == NULL)
            return limit;
        *up = '\0';
    }
}

/* Is memory one of the names in "cpu,memory"? */
static bool names_memory(const char *controllers)
{
    for (const char *at = controllers; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        size_t len = strcspn(at, ",");
        if (len == strlen("memory") && strncmp(at, "memory", len) == 0)
            return true;
    }
    return false;
}

/* Lines of /proc/self/cgroup: "0::/group" (version 2), "4:memory:/group" (version 1). */
static uint64_t group_limit(const char *root)
{
    char text[FILE_MAX_LEN], *rest = text, *line;
    uint64_t limit = 0;
    if (!read_text(root, "/proc/self/cgroup", text))
        return 0;
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *controllers = strchr(line, ':');
        char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (group == NULL)
            continue;
        *controllers++ = '\0';
        *group++ = '\0';
        if (controllers[0] == '\0')
            limit = least(limit, limit_above(root, "/sys/fs/cgroup", group, "memory.max"));
        else if (names_memory(controllers))
            limit = least(
                limit, limit_above(root, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes"));
    }
    return limit;
}

uint64_t surroundings_memory_limit(const char *root)
{
    return least(total_memory(root), group_limit(root));
}

/* -- the checks: true if out says something ---------------------------------------------------- */

static bool check_overcommit(const char *root, const struct options *opt, struct text *out)
{
    uint64_t mode;
    (void)opt;
    if (!read_number(root, "/proc/sys/vm/overcommit_memory", &mode) || mode == 1)
        return false;
    text_addf(
        out,
        "Memory overcommit must be enabled! While it is not (vm.overcommit_memory is %llu), the "
        "kernel may "
        "refuse memory although there is some. To fix this, add 'vm.overcommit_memory = 1' to "
        "/etc/sysctl.conf and run the command 'sysctl vm.overcommit_memory=1'.",
        (unsigned long long)mode);
    return true;
}

static bool check_huge_pages(const char *root, const struct options *opt, struct text *out)
{
    char text[FILE_MAX_LEN];
    if (opt->disable_thp || !read_text(root, "/sys/kernel/mm/transparent_hugepage/enabled", text) ||
        strstr(text, "[always]") == NULL)
        return false;
    text_addf(out, "Transparent Huge Pages are always on in this kernel, which costs memory and "
                   "makes commands wait. To "
                   "fix this, set 'disable-thp yes', or run the command 'echo madvise > "
                   "/sys/kernel/mm/transparent_hugepage/enabled' as root, at every boot, and "
                   "restart the server.");
    return true;
}

static bool check_backlog(const char *root, const struct options *opt, struct text *out)
{
    uint64_t most;
    if (opt->port == 0 || !read_number(root, "/proc/sys/net/core/somaxconn", &most) ||
        most >= (uint64_t)opt->tcp_backlog)
        return false;
    text_addf(out,
              "The TCP backlog setting of %lld cannot be enforced because "
              "/proc/sys/net/core/somaxconn is set to "
              "the lower value of %llu. To fix this, run the command 'sysctl "
              "net.core.somaxconn=%lld', or lower "
              "tcp-backlog.",
              (long long)opt->tcp_backlog, (unsigned long long)most, (long long)opt->tcp_backlog);
    return true;
}

/* Clients' buffers and fragments come on top of the data: a tenth is the least that has to be left
 * for them. */
static bool check_memory(const char *root, const struct options *opt, struct text *out)
{
    uint64_t group = group_limit(root), total = total_memory(root), limit = least(total, group);
    const char *whose =
        group != 0 && group == limit ? "the control group of the server" : "this machine";
    if (limit == 0)
        return false;
    if (opt->maxmemory == 0) {
        if (limit != group)
            return false;
        text_addf(out,
                  "maxmemory is not set, but %s may use only %llu bytes: the kernel kills the "
                  "server when it needs "
                  "more. To fix this, set maxmemory to %llu or less.",
                  whose, (unsigned long long)limit, (unsigned long long)(limit / 4 * 3));
        return true;
    }
    if ((uint64_t)opt->maxmemory <= limit / 10 * 9)
        return false;
    text_addf(out,
              "maxmemory is %llu bytes, but %s has only %llu: with the clients' buffers on top, "
              "the kernel may kill "
              "the server before the limit is reached. To fix this, set maxmemory to %llu or less.",
              (unsigned long long)opt->maxmemory, whose, (unsigned long long)limit,
              (unsigned long long)(limit / 4 * 3));
    return true;
}

/* Each of these is a system call a reading, some of them a slow one. */
static bool check_clock(const char *root, const struct options *opt, struct text *out)
{
    static const char *const slow[] = {"xen", "hpet", "acpi_pm", "jiffies"};
    char text[FILE_MAX_LEN];
    (void)opt;
    if (!read_text(root, "/sys/devices/system/clocksource/clocksource0/current_clocksource", text))
        return false;
    text[strcspn(text, "\n")] = '\0';
    for (size_t i = 0; i < sizeof slow / sizeof slow[0]; i++) {
        if (strcmp(text, slow[i]) != 0)
            continue;
        text_addf(out,
                  "The kernel's clock source is '%s', which is slow to read. To fix this, run the "
                  "command 'echo tsc "
                  "> /sys/devices/system/clocksource/clocksource0/current_clocksource' as root, if "
                  "the processor's "
                  "counter is reliable.",
                  text);
        return true;
    }
    return false;
}

static const struct {
    const char *name;
    bool (*run)(const char *root, const struct options *opt, struct text *out);
} checks[] = {
    {"clocksource", check_clock}, {"overcommit", check_overcommit}, {"THP", check_huge_pages},
    {"backlog", check_backlog},   {"memory", check_memory},
};

int surroundings_check(const char *root, const struct options *opt, surroundings_listener *tell,
                       void *context)
{
    int findings = 0;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        struct text finding = {0};
        bool found = checks[i].run(root, opt, &finding);
        tell(context, checks[i].name, found ? finding.data : NULL);
        findings += found;
        text_fini(&finding);
    }
    return findings;
}
