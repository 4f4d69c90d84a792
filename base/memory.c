/*
 * memory.c - jemalloc, with the per-thread counters it keeps anyway.
 *
 * Under the address sanitizer the plain allocator is used instead: a pool of ours would hide our
 * bugs.
 */
#include "base/memory.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cells.h"

#ifdef REDOUBT_JEMALLOC
#include <jemalloc/jemalloc.h>
#else
/* The sanitizer's own count; gcc ships the function without its header. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));
#endif

static int64_t kept_idle;

void mem_keep_idle(ptrdiff_t bytes)
{
    kept_idle += bytes;
}

static void out_of_memory(size_t size)
{
    fprintf(stderr, "redoubt: out of memory allocating %zu bytes\n", size);
    abort();
}

void *mem_alloc(size_t size)
{
    void *block = malloc(size);
    if (__builtin_expect(block == NULL, 0))
        out_of_memory(size);
    return block;
}

void *mem_alloc_zeroed(size_t size)
{
    void *block = calloc(1, size);
    if (block == NULL)
        out_of_memory(size);
    return block;
}

void *mem_alloc_lines(size_t size)
{
    return mem_alloc_aligned(64, size);
}

void *mem_alloc_aligned(size_t alignment, size_t size)
{
    void *block = aligned_alloc(alignment, size);
    if (block == NULL)
        out_of_memory(size);
    return block;
}

void *mem_resize(void *block, size_t size)
{
    void *moved = realloc(block, size);
    if (moved == NULL)
        out_of_memory(size);
    return moved;
}

char *mem_copy_text(const char *text)
{
    return mem_copy_bytes(text, strlen(text));
}

char *mem_copy_bytes(const char *ptr, size_t len)
{
    char *copy = mem_alloc(len + 1);
    memcpy(copy, ptr, len);
    copy[len] = '\0';
    return copy;
}

void *mem_try_alloc(size_t size)
{
    return malloc(size);
}

void mem_free(void *block)
{
    free(block);
}

size_t mem_size_of(const void *block)
{
    return malloc_usable_size((void *)block);
}

#ifdef REDOUBT_JEMALLOC

#define MAX_THREADS 32

/* Where jemalloc keeps the two running totals of each announced thread. A thread that ends leaves
 * its totals behind in freed memory, so only threads that live as long as the server announce
 * themselves. */
static struct {
    const uint64_t *allocated;
    const uint64_t *freed;
} threads[MAX_THREADS];
static atomic_int thread_count;

void mem_free_sized(void *block, size_t size)
{
    sdallocx(block, size, 0);
}

size_t mem_usable(size_t size)
{
    return nallocx(size, 0);
}

void mem_give_back_in_background(bool on)
{
    mallctl("background_thread", NULL, NULL, &on, sizeof on);
}

void mem_thread_enter(void)
{
    uint64_t *allocated = NULL, *freed = NULL;
    size_t len = sizeof allocated;
    if (mallctl("thread.allocatedp", &allocated, &len, NULL, 0) != 0)
        return;
    len = sizeof freed;
    if (mallctl("thread.deallocatedp", &freed, &len, NULL, 0) != 0)
        return;
    int slot = atomic_fetch_add(&thread_count, 1);
    if (slot >= MAX_THREADS)
        return;
    threads[slot].allocated = allocated;
    threads[slot].freed = freed;
}

size_t mem_used(void)
{
    int64_t used = 0;
    int count = atomic_load(&thread_count);
    for (int i = 0; i < count && i < MAX_THREADS; i++)
        if (threads[i].allocated != NULL && threads[i].freed != NULL)
            used += (int64_t)(*threads[i].allocated - *threads[i].freed);
    used -= (int64_t)cells_idle() + kept_idle;
    return used > 0 ? (size_t)used : 0;
}

#else

/* Whoever says a wrong size is found out: the sanitizer's blocks have the size that was asked for.
 */
void mem_free_sized(void *block, size_t size)
{
    if (__sanitizer_get_current_allocated_bytes != NULL && block != NULL &&
        malloc_usable_size(block) != size)
        abort();
    free(block);
}

size_t mem_usable(size_t size)
{
    return size;
}

void mem_give_back_in_background(bool on)
{
    (void)on;
}

void mem_thread_enter(void)
{
}

size_t mem_used(void)
{
    if (__sanitizer_get_current_allocated_bytes != NULL)
        return __sanitizer_get_current_allocated_bytes();
    return mallinfo2().uordblks;
}

#endif
