/*
 * memory.h - allocation, and how much of it there is.
 *
 * The allocator is jemalloc. It counts what each thread allocates and frees (its thread.allocatedp
 * and thread.deallocatedp), in usable sizes and at no cost of ours, so used_memory is exact and
 * covers libuv and Lua as well. Small allocations that cannot be refused abort the process when
 * memory runs out; a size that a client chose goes through mem_try_alloc(), whose failure is
 * answered.
 */
#ifndef REDOUBT_BASE_MEMORY_H
#define REDOUBT_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Never NULL: out of memory ends the process with a message. */
void *mem_alloc(size_t size);
void *mem_alloc_zeroed(size_t size);
/* Aligned to a cache line (64 bytes); size is a multiple of 64. Freed by mem_free(). */
void *mem_alloc_lines(size_t size);
/* size is a multiple of alignment, a power of two. Freed by mem_free(). */
void *mem_alloc_aligned(size_t alignment, size_t size);
void *mem_resize(void *block, size_t size);
/* NUL-terminated copies, owned by the caller. */
char *mem_copy_text(const char *text);
char *mem_copy_bytes(const char *ptr, size_t len);

/* NULL when there is no room: for sizes that come from outside. */
void *mem_try_alloc(size_t size);

void mem_free(void *block); /* NULL is fine */
/* The same, faster, for a caller who knows the size that was asked for. */
void mem_free_sized(void *block, size_t size);

/* Bytes that a request for size really takes; what a given block really takes. */
size_t mem_usable(size_t size);
size_t mem_size_of(const void *block);

/* Should a thread of the allocator's give unused memory back to the system? Without one that
 * happens only while memory is asked for: an idle server keeps what it once needed. */
void mem_give_back_in_background(bool on);

/* Every thread that allocates announces itself once, so that mem_used() can count it. */
void mem_thread_enter(void);
/* So many bytes more (or less) are kept for later and hold nothing now: they do not count as used.
 * For the main thread. */
void mem_keep_idle(ptrdiff_t bytes);
/* Bytes in use by all announced threads; of pages of cells (base/cells.h), those in use count. */
size_t mem_used(void);

#endif
