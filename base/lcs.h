/*
 * lcs.h - the longest common subsequence of two byte strings.
 *
 * The classic table: cell (i, j) holds the length for the first i bytes of a and the first j bytes
 * of b. Where several subsequences are equally long, the walk back prefers to give up a byte of b;
 * clients see this choice, since Redis's LCS makes the same.
 */
#ifndef REDOUBT_BASE_LCS_H
#define REDOUBT_BASE_LCS_H

#include "base/bytes.h"

struct lcs {
    struct bytes a, b; /* borrowed */
    uint32_t *table;   /* owned */
};

/* Bytes that the table for these two will take: time is in proportion. Each shorter than 4 GB. */
uint64_t lcs_memory(struct bytes a, struct bytes b);
/* False if there is no room for the table; nothing to end then. */
bool lcs_init(struct lcs *l, struct bytes a, struct bytes b);
void lcs_fini(struct lcs *l);
/* Length of the subsequence. */
uint32_t lcs_length(const struct lcs *l);

/* len bytes of the subsequence that lie side by side in both strings, at these offsets. */
struct lcs_run {
    size_t a, b, len;
};
/* Where the walk through the runs starts: behind the last one. */
struct lcs_run lcs_end(const struct lcs *l);
/* Step from one run to that before it; false: there is none. */
bool lcs_previous(const struct lcs *l, struct lcs_run *run);

#endif
