/*
 * listpack.h - a sequence of strings and integers packed into one allocation.
 *
 * The format is Redis's, from its public specification (github.com/antirez/listpack): 4 bytes of
 * total length, 2 bytes of count (65535: unknown), elements of encoding, data and their own length
 * backwards, and an end byte 0xff. Small lists, hashes, sets and sorted sets are kept in it, and
 * dump files hold it as it is.
 *
 * A listpack is one block from the allocator. Functions that change it return where it is now;
 * positions (pointers to elements) die with every change. NULL positions mean "no element".
 */
#ifndef REDOUBT_STORAGE_LISTPACK_H
#define REDOUBT_STORAGE_LISTPACK_H

#include "base/bytes.h"
#include "base/number.h"

/* An element: a string, or an integer that was given as its decimal form. */
struct lp_value {
    bool is_int;
    int64_t number;
    struct bytes bytes; /* not for integers: a view into the listpack */
};

unsigned char *
lp_create(size_t reserve); /* empty, with so many bytes of room; ends with lp_destroy() */
void lp_destroy(unsigned char *lp);
unsigned char *lp_copy(const unsigned char *lp);
/* Bytes in use (what a dump holds); of the allocation; give spare room back. */
size_t lp_bytes(const unsigned char *lp);
size_t lp_memory(const unsigned char *lp);
unsigned char *lp_shrink(unsigned char *lp);
uint32_t lp_count(const unsigned char *lp);
/* Bytes that an element with this text would add. */
size_t lp_element_size(struct bytes text);
/* False if the listpack could pass 1 GiB with so many bytes more. */
bool lp_has_room(const unsigned char *lp, size_t more);

unsigned char *lp_first(const unsigned char *lp);
unsigned char *lp_last(const unsigned char *lp);
unsigned char *lp_next(const unsigned char *lp, const unsigned char *at);
unsigned char *lp_prev(const unsigned char *lp, const unsigned char *at);
/* By index, from the end if negative (-1 is the last); walks from the nearer end. */
unsigned char *lp_seek(const unsigned char *lp, int64_t index);

struct lp_value lp_get(const unsigned char *at);
/* The element's text: a view, or the decimal form in scratch. */
struct bytes lp_text(const unsigned char *at, char scratch[NUMBER_TEXT_MAX]);
bool lp_equals(const unsigned char *at, struct bytes text);
/* The first element from at on, looking at every (1 + skip)-th one, that equals text. */
unsigned char *lp_find(const unsigned char *lp, const unsigned char *at, struct bytes text,
                       int skip);

/* Text that is the decimal form of an int64 is stored as an integer. *at becomes the new element's
 * position (may be passed as NULL pointer where nobody wants it). */
unsigned char *lp_append(unsigned char *lp, struct bytes text);
unsigned char *lp_prepend(unsigned char *lp, struct bytes text);
unsigned char *lp_append_int(unsigned char *lp, int64_t number);
unsigned char *lp_insert_before(unsigned char *lp, unsigned char **at, struct bytes text);
unsigned char *lp_insert_after(unsigned char *lp, unsigned char **at, struct bytes text);
unsigned char *lp_replace(unsigned char *lp, unsigned char **at, struct bytes text);
unsigned char *lp_replace_int(unsigned char *lp, unsigned char **at, int64_t number);
/* Remove count elements from *at on; *at is what followed them then, NULL at the end. */
unsigned char *lp_delete(unsigned char *lp, unsigned char **at, uint32_t count);
unsigned char *lp_delete_range(unsigned char *lp, int64_t index, uint32_t count);
/* Append all elements of other behind those of lp. */
unsigned char *lp_merge(unsigned char *lp, const unsigned char *other);

/* A listpack of these encoded elements (listpack_element.h). */
unsigned char *lp_of_run(const unsigned char *run, size_t len, uint32_t count);

/* Are these bytes a listpack? deep: each element as well. For what comes from outside. */
bool lp_validate(const unsigned char *bytes, size_t len, bool deep);

#endif
