/*
 * cells.h - small blocks by the million: the entries of tables, the members of sets.
 *
 * The allocator below rounds small sizes up to 16 bytes, which is a fifth of an entry. Here a block
 * (a cell) is rounded up to 4 bytes: a page holds cells of one size, one behind the other, and a
 * cell has no header, so whoever frees it says how large it is. What is larger than CELL_MAX is the
 * allocator's.
 *
 * One thread allocates: the one that executes commands. One other may free: what it frees waits
 * until the first collects it.
 *
 * In builds with a sanitizer each cell is a block of the allocator, so that misuse is noticed.
 */
#ifndef REDOUBT_BASE_CELLS_H
#define REDOUBT_BASE_CELLS_H

#include <stdbool.h>
#include <stddef.h>

enum { CELL_MAX = 256 };

/* Aligned to 4 bytes, and to 8 if size is a multiple of 8. Never NULL. */
void *cell_alloc(size_t size);
/* size: any that rounds to the one that was asked for. NULL is fine. */
void cell_free(void *cell, size_t size);
/* Bytes that a cell for size really takes. Two sizes with the same answer are served by the same
 * cells. */
size_t cell_usable(size_t size);

/* Said once by the thread that only frees. */
void cells_enter_foreign_thread(void);
/* Take back what it has freed of some pages, at most so many; true: there may be more. */
bool cells_collect(size_t pages);

/* Bytes of pages that are in no cell in use. */
size_t cells_idle(void);
/* For tests: true makes pages of cells in a build where cells are blocks; before the first cell. */
void cells_use_pages(bool use);

#endif
