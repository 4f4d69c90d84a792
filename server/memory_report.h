/*
 * memory_report.h - where the memory is: the figures behind INFO memory, MEMORY STATS and MEMORY
 * DOCTOR.
 */
#ifndef REDOUBT_SERVER_MEMORY_REPORT_H
#define REDOUBT_SERVER_MEMORY_REPORT_H

#include "storage/keyspace.h"

struct server;

/* What the allocator says of itself; without jemalloc all but muzzy are the bytes in use. */
struct allocator_figures {
    size_t allocated; /* by us */
    size_t active;    /* pages that hold it */
    size_t resident;  /* pages it has from the kernel */
    size_t muzzy;     /* of these, pages that the kernel may take back */
};

/* All sizes in bytes. */
struct memory_report {
    size_t used, peak, startup;
    size_t rss, system_total;
    struct allocator_figures allocator;
    size_t clients_normal, clients_replica;
    size_t tables;   /* hash tables of the databases */
    size_t expiries; /* their indexes of deadlines */
    size_t overhead; /* all that is not data: startup, clients, tables, indexes */
    size_t dataset;
    uint64_t keys, bytes_per_key;
    double dataset_percent, peak_percent;
    double fragmentation_ratio, allocator_frag_ratio, allocator_rss_ratio, rss_overhead_ratio;
    int64_t fragmentation_bytes, allocator_frag_bytes, allocator_rss_bytes, rss_overhead_bytes;
};

/* Take all figures now; a peak that is passed is noted in the server's statistics. */
struct memory_report memory_report(struct server *s);

/* "jemalloc-5.3.0" */
const char *memory_allocator_name(void);
/* Give unused pages back to the kernel. False: the allocator cannot. */
bool memory_purge(void);

#endif
