/*
 * lcs.c - the longest common subsequence of two byte strings: see lcs.h.
 */
#include "base/lcs.h"

#include "base/memory.h"

uint64_t lcs_memory(struct bytes a, struct bytes b)
{
    return ((uint64_t)a.len + 1) * ((uint64_t)b.len + 1) * sizeof(uint32_t);
}

bool lcs_init(struct lcs *l, struct bytes a, struct bytes b)
{
    *l = (struct lcs){a, b, mem_try_alloc(lcs_memory(a, b))};
    if (l->table == NULL)
        return false;
    size_t width = b.len + 1;
    memset(l->table, 0, width * sizeof *l->table);
    for (size_t i = 0; i < a.len; i++) {
        const uint32_t *above = l->table + i * width;
        uint32_t *row = l->table + (i + 1) * width;
        row[0] = 0;
        for (size_t j = 0; j < b.len; j++) {
            uint32_t longer = above[j + 1] > row[j] ? above[j + 1] : row[j];
            row[j + 1] = a.ptr[i] == b.ptr[j] ? above[j] + 1 : longer;
        }
    }
    return true;
}

void lcs_fini(struct lcs *l)
{
    mem_free(l->table);
    l->table = NULL;
}

static uint32_t length_at(const struct lcs *l, size_t i, size_t j)
{
    return l->table[i * (l->b.len + 1) + j];
}

uint32_t lcs_length(const struct lcs *l)
{
    return length_at(l, l->a.len, l->b.len);
}

struct lcs_run lcs_end(const struct lcs *l)
{
    return (struct lcs_run){l->a.len, l->b.len, 0};
}

bool lcs_previous(const struct lcs *l, struct lcs_run *run)
{
    const char *a = l->a.ptr, *b = l->b.ptr;
    size_t i = run->a, j = run->b, len = 0;
    while (i > 0 && j > 0 && a[i - 1] != b[j - 1]) {
        if (length_at(l, i - 1, j) > length_at(l, i, j - 1))
            i--;
        else
            j--;
    }
    for (; i > 0 && j > 0 && a[i - 1] == b[j - 1]; len++) {
        i--;
        j--;
    }
    *run = (struct lcs_run){i, j, len};
    return len > 0;
}
