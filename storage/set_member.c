/*
 * set_member.c - making and ending members; what they look like is in the header.
 */
#include "storage/set_member.h"

#include "base/cells.h"

enum { EIGHTS = 7, LONG = 255, LONG_HEADER = 1 + sizeof(uint64_t) };

static struct bytes key_of_member(const void *member)
{
    return member_text(member);
}

const struct dict_type member_table = {key_of_member};

static bool is_bare(size_t len)
{
    return len % 8 == 0 && len > 0 && len <= 8 * (size_t)EIGHTS;
}

/* In eights, so that the pointer's low bits are free. */
static size_t block_size(size_t len)
{
    if (is_bare(len))
        return len;
    return (len + (len < LONG ? 1 : LONG_HEADER) + 7) & ~(size_t)7;
}

void *member_create(struct bytes text)
{
    unsigned char *block = cell_alloc(block_size(text.len));
    if (is_bare(text.len)) {
        bytes_copy(block, text.ptr, text.len);
        return block + text.len / 8;
    }
    uint64_t len = text.len;
    block[0] = len < LONG ? (unsigned char)len : LONG;
    if (len >= LONG)
        memcpy(block + 1, &len, sizeof len);
    bytes_copy(block + (len < LONG ? 1 : LONG_HEADER), text.ptr, len);
    return block;
}

static void *block_of(const void *member)
{
    return (void *)((uintptr_t)member & ~(uintptr_t)EIGHTS);
}

void member_destroy(void *member)
{
    cell_free(block_of(member), block_size(member_text(member).len));
}

size_t member_memory(const void *member)
{
    return cell_usable(block_size(member_text(member).len));
}
