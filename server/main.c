/*
 * main.c - redoubt-server [file.conf] [-] [--directive value ...]
 */
#include <stdio.h>
#include <stdlib.h>

#include "server/config_file.h"
#include "server/memory_report.h"
#include "server/server.h"
#include "server/surroundings.h"
#include "server/title.h"
#include "server/version.h"

static int print_version(void)
{
    printf("Redoubt server v=%s sha=%s:%s malloc=%s bits=%d build=%s redoubt=%s\n", REDIS_VERSION,
           REDOUBT_COMMIT, REDOUBT_MODIFIED, memory_allocator_name(), (int)sizeof(void *) * 8,
           REDOUBT_BUILD_ID, REDOUBT_VERSION);
    return 0;
}

static int print_help(void)
{
    printf("redoubt-server, a Redis-compatible server that keeps data in memory\n\n"
           "Usage: redoubt-server [file.conf] [-] [--directive value ...]\n"
           "       redoubt-server --version | --help | --check-system\n\n"
           "  file.conf             directives as in redis.conf\n"
           "  -                     read more directives from standard input\n"
           "  --directive value     a directive on the command line; it has the last word\n"
           "  -v, --version         print the version\n"
           "  -h, --help            print this\n"
           "  --check-system        check whether the machine is fit for the server\n\n"
           "Examples:\n"
           "  redoubt-server\n"
           "  redoubt-server /etc/redoubt/redis.conf --loglevel verbose\n"
           "  redoubt-server --port 7777 --maxmemory 100mb --maxmemory-policy allkeys-lru\n"
           "  echo 'maxmemory 128mb' | redoubt-server -\n");
    return 0;
}

static int refuse_memory_test(void)
{
    fprintf(
        stderr,
        "redoubt-server has no memory test: use a tool made for it, memtest86+ or memtester.\n");
    return 1;
}

static void print_check(void *context, const char *check, const char *finding)
{
    (void)context;
    if (finding == NULL)
        printf("[%s]...OK\n", check);
    else
        printf("[%s]...WARNING:\n%s\n", check, finding);
}

static int check_system(void)
{
    struct options defaults;
    options_init(&defaults);
    int findings = surroundings_check("", &defaults, print_check, NULL);
    options_fini(&defaults);
    return findings > 0;
}

/* What is done instead of serving, if it is the first argument. */
static const struct {
    const char *name;
    int (*run)(void);
} instead[] = {
    {"-v", print_version},  {"--version", print_version},          {"-h", print_help},
    {"--help", print_help}, {"--test-memory", refuse_memory_test}, {"--check-system", check_system},
};

static int serve(struct server *s, int argc, char **argv)
{
    struct text error = {0};
    if (!config_file_load(&s->opt, argc, argv, &s->config_file, &error)) {
        fprintf(stderr, "%s", error.data);
        text_fini(&error);
        return 1;
    }
    text_fini(&error);
    if (!server_start(s))
        return 1;
    server_run(s);
    return 0;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof instead / sizeof instead[0]; i++)
        if (strcmp(argv[1], instead[i].name) == 0)
            return instead[i].run();
    struct title *title = title_create(argc, &argv);
    struct server *s = server_create(argv[0]);
    s->title = title;
    int status = serve(s, argc, argv);
    server_destroy(s);
    return status;
}
