/*
 * text.c - growing texts; room doubles, so adding is linear in what is added.
 */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"

/* Room for extra more bytes and the NUL. */
static void make_room(struct text *t, size_t extra)
{
    size_t need = t->len + extra + 1;
    if (need <= t->room)
        return;
    size_t room = t->room == 0 ? 256 : t->room;
    while (room < need)
        room *= 2;
    t->data = mem_resize(t->data, room);
    t->room = room;
}

void text_fini(struct text *t)
{
    mem_free(t->data);
    *t = (struct text){0};
}

void text_add(struct text *t, struct bytes part)
{
    make_room(t, part.len);
    if (part.len > 0)
        memcpy(t->data + t->len, part.ptr, part.len);
    t->len += part.len;
    t->data[t->len] = '\0';
}

void text_addf(struct text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len > 0) {
        make_room(t, (size_t)len);
        vsnprintf(t->data + t->len, (size_t)len + 1, format, again);
        t->len += (size_t)len;
    }
    va_end(again);
}

struct bytes text_view(const struct text *t)
{
    return bytes_of(t->len > 0 ? t->data : "", t->len);
}
