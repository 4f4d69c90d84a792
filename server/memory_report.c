/*
 * memory_report.c - figures from our own counts, the allocator, and the kernel.
 */
#include "server/memory_report.h"

#include <stdio.h>
#include <unistd.h>

#include "base/cells.h"
#include "base/memory.h"
#include "server/client.h"
#include "server/server.h"

#ifdef REDOUBT_JEMALLOC
#include <jemalloc/jemalloc.h>

static size_t read_stat(const char *name)
{
    size_t value = 0, len = sizeof value;
    return mallctl(name, &value, &len, NULL, 0) == 0 ? value : 0;
}

static struct allocator_figures read_allocator(size_t used)
{
    (void)used;
    /* jemalloc's statistics are of the moment at which its epoch was last advanced. */
    uint64_t epoch = 1;
    size_t len = sizeof epoch;
    mallctl("epoch", &epoch, &len, &epoch, sizeof epoch);
    char name[64];
    snprintf(name, sizeof name, "stats.arenas.%u.pmuzzy", (unsigned)MALLCTL_ARENAS_ALL);
    return (struct allocator_figures){
        .allocated = read_stat("stats.allocated") - cells_idle(),
        .active = read_stat("stats.active"),
        .resident = read_stat("stats.resident"),
        .muzzy = read_stat(name) * read_stat("arenas.page"),
    };
}

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

const char *memory_allocator_name(void)
{
    return "jemalloc-" TEXT(JEMALLOC_VERSION_MAJOR) "." TEXT(JEMALLOC_VERSION_MINOR) "." TEXT(
        JEMALLOC_VERSION_BUGFIX);
}

bool memory_purge(void)
{
    char name[32];
    snprintf(name, sizeof name, "arena.%u.purge", (unsigned)MALLCTL_ARENAS_ALL);
    mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
    return mallctl(name, NULL, NULL, NULL, 0) == 0;
}

#else

static struct allocator_figures read_allocator(size_t used)
{
    return (struct allocator_figures){.allocated = used, .active = used, .resident = used};
}

const char *memory_allocator_name(void)
{
    return "libc";
}

bool memory_purge(void)
{
    return false;
}

#endif

/* Resident bytes of the process: the second number of /proc/self/statm, in pages. */
static size_t read_rss(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return 0;
    unsigned long size = 0, resident = 0;
    int fields = fscanf(f, "%lu %lu", &size, &resident);
    fclose(f);
    return fields == 2 ? resident * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

static double ratio(size_t a, size_t b)
{
    return b > 0 ? (double)a / (double)b : 0;
}

static void count_clients(const struct server *s, struct memory_report *m)
{
    for (const struct client *c = s->clients.first; c != NULL; c = c->next)
        *(client_class(c) == CLASS_REPLICA ? &m->clients_replica : &m->clients_normal) +=
            client_memory(c);
}

static void count_keys(const struct keyspace *ks, struct memory_report *m)
{
    for (int i = 0; i < ks->db_count; i++) {
        m->tables += dict_memory(&ks->dbs[i].keys);
        m->expiries += expiry_memory(&ks->dbs[i].expiry);
        m->keys += ks->dbs[i].keys.count;
    }
}

static void relate(struct memory_report *m)
{
    const struct allocator_figures *a = &m->allocator;
    m->fragmentation_ratio = ratio(m->rss, m->used);
    m->fragmentation_bytes = (int64_t)(m->rss - m->used);
    m->allocator_frag_ratio = ratio(a->active, a->allocated);
    m->allocator_frag_bytes = (int64_t)(a->active - a->allocated);
    m->allocator_rss_ratio = ratio(a->resident, a->active);
    m->allocator_rss_bytes = (int64_t)(a->resident - a->active);
    m->rss_overhead_ratio = ratio(m->rss, a->resident);
    m->rss_overhead_bytes = (int64_t)(m->rss - a->resident);
}

struct memory_report memory_report(struct server *s)
{
    struct memory_report m = {.used = mem_used(), .startup = s->stats.startup_memory};
    if (m.used > s->stats.peak_memory)
        s->stats.peak_memory = m.used;
    m.peak = s->stats.peak_memory;
    m.rss = read_rss();
    m.system_total = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    m.allocator = read_allocator(m.used);
    count_clients(s, &m);
    count_keys(s->keys, &m);

    m.overhead = m.startup + m.clients_normal + m.clients_replica + m.tables + m.expiries;
    m.dataset = m.used > m.overhead ? m.used - m.overhead : 0;
    size_t grown = m.used > m.startup ? m.used - m.startup : 0;
    m.dataset_percent = 100 * ratio(m.dataset, grown);
    m.peak_percent = 100 * ratio(m.used, m.peak);
    m.bytes_per_key = m.keys > 0 ? grown / m.keys : 0;
    relate(&m);
    return m;
}
