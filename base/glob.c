/*
 * glob.c - glob patterns by the greedy way back to the last star: no recursion, and at most
 * pattern.len * text.len steps.
 *
 * A pattern whose match needs more than STARS_MAX stars matches nothing: Redis answers so since it
 * bounds its recursion (CVE-2024-31228), and its tests ask for it.
 */
#include "base/glob.h"

enum { STARS_MAX = 1000 };

static unsigned char fold(unsigned char c, bool ignore_case)
{
    return ignore_case && c >= 'A' && c <= 'Z' ? c + 32 : c;
}

/* Does c belong to the class that opens at pattern[*at] = '['? *at is behind the class afterwards;
 * one that is not closed ends with the pattern. */
static bool in_class(struct bytes pattern, size_t *at, unsigned char c, bool ignore_case)
{
    size_t i = *at + 1;
    bool negated = i < pattern.len && pattern.ptr[i] == '^', found = false;
    i += negated;
    c = fold(c, ignore_case);
    for (; i < pattern.len && pattern.ptr[i] != ']'; i++) {
        if (pattern.ptr[i] == '\\' && i + 1 < pattern.len)
            i++;
        else if (i + 2 < pattern.len && pattern.ptr[i + 1] == '-') {
            unsigned char low = fold((unsigned char)pattern.ptr[i], ignore_case);
            unsigned char high = fold((unsigned char)pattern.ptr[i + 2], ignore_case);
            if (low > high) {
                unsigned char swap = low;
                low = high;
                high = swap;
            }
            found |= c >= low && c <= high;
            i += 2;
            continue;
        }
        found |= fold((unsigned char)pattern.ptr[i], ignore_case) == c;
    }
    *at = i < pattern.len ? i + 1 : pattern.len;
    return found != negated;
}

/* Does one element of the pattern, at *at, match c? *at is behind the element afterwards. */
static bool match_one(struct bytes pattern, size_t *at, unsigned char c, bool ignore_case)
{
    unsigned char p = (unsigned char)pattern.ptr[*at];
    if (p == '[')
        return in_class(pattern, at, c, ignore_case);
    if (p == '\\' && *at + 1 < pattern.len)
        p = (unsigned char)pattern.ptr[++*at];
    else if (p == '?') {
        ++*at;
        return true;
    }
    ++*at;
    return fold(p, ignore_case) == fold(c, ignore_case);
}

bool glob_match(struct bytes pattern, struct bytes text, bool ignore_case)
{
    size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0;
    int stars = 0;
    if (text.len == 0)
        return pattern.len == 0; /* Redis's rule: no star takes nothing out of nothing */
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            while (p + 1 < pattern.len && pattern.ptr[p + 1] == '*')
                p++;
            if (p + 1 == pattern.len)
                return true;
            if (++stars > STARS_MAX)
                return false;
            star = p++;
            star_text = t;
            continue;
        }
        size_t next = p;
        if (p < pattern.len && match_one(pattern, &next, (unsigned char)text.ptr[t], ignore_case)) {
            p = next;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1; /* let the last star take one more */
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}
