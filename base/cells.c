/*
 * cells.c - pages of cells of one size.
 *
 * A page is aligned to its own size, so a cell's address leads to it. Cells that were freed form a
 * list inside the page (each holds the offset of the next), and those that were never used begin at
 * fresh: memory that nobody needed yet is never touched. Pages with room stand in a list for each
 * size; a page that became empty goes back to the allocator unless it is the last with room.
 *
 * Cells that the other thread has freed form a second list in their page, its first cell and its
 * length in one atomic word (away). That thread alone adds to it; it queues the page when the word
 * was 0. The thread that allocates takes a queued page's list as a whole, without looking at the
 * cells, which are in nobody's cache any more. The list's end (away_last) is written while away is
 * 0 only, and read before away becomes 0.
 */
#include "base/cells.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"

enum {
    PAGE = 64 * 1024,
    STEP = 4,
    CELL_MIN = 8, /* nothing smaller is worth a page of its own; a freed one holds an offset */
    CLASSES = CELL_MAX / STEP + 1,
};

struct page {
    struct page *next, *prev; /* among those with room, while it has some */
    uint32_t size;            /* of a cell */
    uint32_t used;            /* cells in use */
    uint32_t freed;           /* offset of the cell that was freed last; 0: none */
    uint32_t fresh;           /* offset of the first that was never used */
    struct page *next_waiting;
    _Atomic uint32_t away; /* freed elsewhere: the first's offset; in the high half how many */
    uint32_t away_last;    /* offset of the last */
};

enum { FIRST = (sizeof(struct page) + 63) / 64 * 64 };

#ifdef REDOUBT_JEMALLOC
static bool pages_in_use = true;
#else
static bool pages_in_use = false;
#endif

static struct {
    struct page *roomy[CLASSES]; /* by size / STEP */
    size_t pages, live;          /* pages; bytes in cells in use */
    struct page *collected;      /* pages of which others freed cells, being looked at */
} cells;

/* Pages of which another thread has freed cells since they were looked at. */
static _Atomic(struct page *) waiting;
static atomic_size_t waiting_bytes;
static _Thread_local bool is_foreign;

static inline size_t rounded(size_t size)
{
    return size <= CELL_MIN ? CELL_MIN : (size + STEP - 1) / STEP * STEP;
}

static inline bool is_cell(size_t size)
{
    return size <= CELL_MAX && pages_in_use;
}

static inline struct page *page_of(const void *cell)
{
    return (struct page *)((uintptr_t)cell & ~(uintptr_t)(PAGE - 1));
}

static inline bool has_room(const struct page *p)
{
    return p->freed != 0 || p->fresh + p->size <= PAGE;
}

static void page_link(struct page *p)
{
    struct page **first = &cells.roomy[p->size / STEP];
    p->prev = NULL;
    p->next = *first;
    if (p->next != NULL)
        p->next->prev = p;
    *first = p;
}

static void page_unlink(struct page *p)
{
    *(p->prev != NULL ? &p->prev->next : &cells.roomy[p->size / STEP]) = p->next;
    if (p->next != NULL)
        p->next->prev = p->prev;
}

/* What others have freed may be had without a new page. */
static struct page *page_with_room(size_t size)
{
    struct page **first = &cells.roomy[size / STEP];
    if (*first == NULL)
        cells_collect(1);
    if (*first == NULL) {
        struct page *p = mem_alloc_aligned(PAGE, PAGE);
        *p = (struct page){.size = (uint32_t)size, .fresh = FIRST};
        cells.pages++;
        page_link(p);
    }
    return *first;
}

void *cell_alloc(size_t size)
{
    if (!is_cell(size))
        return mem_alloc(size);
    size = rounded(size);
    struct page *p = cells.roomy[size / STEP];
    if (__builtin_expect(p == NULL, 0))
        p = page_with_room(size);
    char *cell;
    if (p->freed != 0) {
        cell = (char *)p + p->freed;
        memcpy(&p->freed, cell, sizeof p->freed);
    } else {
        cell = (char *)p + p->fresh;
        p->fresh += (uint32_t)size;
    }
    p->used++;
    cells.live += size;
    if (!has_room(p))
        page_unlink(p);
    return cell;
}

static void page_empty(struct page *p)
{
    if (p->next == NULL && p->prev == NULL) {
        p->freed = 0;
        p->fresh = FIRST;
        return;
    }
    page_unlink(p);
    cells.pages--;
    mem_free_sized(p, PAGE);
}

static void take_back(void *cell)
{
    struct page *p = page_of(cell);
    bool had_room = has_room(p);
    memcpy(cell, &p->freed, sizeof p->freed);
    p->freed = (uint32_t)((char *)cell - (char *)p);
    p->used--;
    cells.live -= p->size;
    if (!had_room)
        page_link(p);
    if (p->used == 0)
        page_empty(p);
}

static void free_from_afar(void *cell)
{
    struct page *p = page_of(cell);
    uint32_t at = (uint32_t)((char *)cell - (char *)p), first;
    uint32_t away = atomic_load_explicit(&p->away, memory_order_acquire);
    atomic_fetch_add_explicit(&waiting_bytes, p->size, memory_order_relaxed);
    do {
        first = away & UINT16_MAX;
        memcpy(cell, &first, sizeof first);
        if (away == 0)
            p->away_last = at;
    } while (!atomic_compare_exchange_weak_explicit(&p->away, &away, ((away >> 16) + 1) << 16 | at,
                                                    memory_order_acq_rel, memory_order_acquire));
    if (away != 0)
        return;
    struct page *next = atomic_load_explicit(&waiting, memory_order_relaxed);
    do
        p->next_waiting = next;
    while (!atomic_compare_exchange_weak_explicit(&waiting, &next, p, memory_order_release,
                                                  memory_order_relaxed));
}

/* All that was freed elsewhere of one page. */
static void take_page_back(struct page *p)
{
    uint32_t last = p->away_last;
    uint32_t away = atomic_exchange_explicit(&p->away, 0, memory_order_acq_rel);
    size_t count = away >> 16;
    bool had_room = has_room(p);
    memcpy((char *)p + last, &p->freed, sizeof p->freed);
    p->freed = away & UINT16_MAX;
    p->used -= (uint32_t)count;
    cells.live -= count * p->size;
    atomic_fetch_sub_explicit(&waiting_bytes, count * p->size, memory_order_relaxed);
    if (!had_room)
        page_link(p);
    if (p->used == 0)
        page_empty(p);
}

void cell_free(void *cell, size_t size)
{
    if (cell == NULL)
        return;
    if (!is_cell(size))
        mem_free_sized(cell, size);
    else if (is_foreign)
        free_from_afar(cell);
    else
        take_back(cell);
}

size_t cell_usable(size_t size)
{
    return is_cell(size) ? rounded(size) : mem_usable(size);
}

void cells_enter_foreign_thread(void)
{
    is_foreign = true;
}

bool cells_collect(size_t pages)
{
    for (; pages > 0; pages--) {
        if (cells.collected == NULL)
            cells.collected = atomic_exchange_explicit(&waiting, NULL, memory_order_acquire);
        struct page *p = cells.collected;
        if (p == NULL)
            return false;
        cells.collected = p->next_waiting;
        take_page_back(p);
    }
    return true;
}

size_t cells_idle(void)
{
    return cells.pages * PAGE - cells.live +
           atomic_load_explicit(&waiting_bytes, memory_order_relaxed);
}

void cells_use_pages(bool use)
{
    pages_in_use = use;
}
