/*
 * lib_string_format.c - string.format() by 5.1's rules.
 *
 * They are C's printf with few checks: any flag with any letter, %u, a fraction behind %d cut off,
 * %s for strings and numbers alone. Width and precision have two digits at most, which bounds what
 * a number can take.
 */
#include <ctype.h>
#include <lauxlib.h>
#include <stdio.h>

#include "base/bytes.h"
#include "scripting/compat.h"
#include "scripting/lib_string.h"

enum {
    FLAGS_MAX = 5,
    FORM_MAX = 1 + FLAGS_MAX + 2 + 1 + 2 + 2 + 2, /* % flags width . precision ll letter NUL */
    ITEM_MAX = 512,                               /* %99.99f of 1e308 */
    LONG_STRING = 100                             /* goes past printf() */
};

static void add_quoted(lua_State *L, luaL_Buffer *out, int arg)
{
    size_t len;
    const char *text = luaL_checklstring(L, arg, &len);
    luaL_addchar(out, '"');
    for (size_t i = 0; i < len; i++) {
        switch (text[i]) {
        case '"':
        case '\\':
        case '\n':
            luaL_addchar(out, '\\');
            luaL_addchar(out, text[i]);
            break;
        case '\r':
            luaL_addlstring(out, "\\r", 2);
            break;
        case '\0':
            luaL_addlstring(out, "\\000", 4);
            break;
        default:
            luaL_addchar(out, text[i]);
        }
    }
    luaL_addchar(out, '"');
}

/* Copy one conversion without its letter into form; returns the letter's place. */
static const char *read_form(lua_State *L, const char *at, char form[FORM_MAX])
{
    const char *p = at;
    while (*p != '\0' && strchr("-+ #0", *p) != NULL)
        p++;
    if (p - at > FLAGS_MAX)
        luaL_error(L, "invalid format (repeated flags)");
    for (int i = 0; i < 2 && isdigit((unsigned char)*p); i++)
        p++;
    if (*p == '.') {
        p++;
        for (int i = 0; i < 2 && isdigit((unsigned char)*p); i++)
            p++;
    }
    if (isdigit((unsigned char)*p))
        luaL_error(L, "invalid format (width or precision too long)");
    *form++ = '%';
    memcpy(form, at, (size_t)(p - at));
    form[p - at] = '\0';
    return p;
}

static void append_letters(char form[FORM_MAX], const char *size, char letter)
{
    size_t len = strlen(form);
    while (*size != '\0')
        form[len++] = *size++;
    form[len] = letter;
    form[len + 1] = '\0';
}

/* What a double becomes as an unsigned long on the machines that Redis runs on. */
static unsigned long long check_unsigned(lua_State *L, int arg)
{
    lua_Number n = luaL_checknumber(L, arg);
    if (!lua_isinteger(L, arg) && n >= 0x1p63 && n < 0x1p64)
        return (unsigned long long)n;
    return (unsigned long long)luaL_checkinteger(L, arg);
}

static void add_string(lua_State *L, luaL_Buffer *out, int arg, const char *form)
{
    size_t len;
    const char *text = luaL_checklstring(L, arg, &len);
    if (strcmp(form, "%s") == 0 || (strchr(form, '.') == NULL && len >= LONG_STRING)) {
        luaL_addlstring(out, text, len);
        return;
    }
    char item[ITEM_MAX];
    snprintf(item, sizeof item, form, text);
    luaL_addstring(out, item);
}

/* form comes from read_form(): no more than one conversion, of the type that the letter says. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void add_item(lua_State *L, luaL_Buffer *out, int arg, char form[FORM_MAX], char letter)
{
    char item[ITEM_MAX] = "";
    switch (letter) {
    case 'c':
        append_letters(form, "", letter);
        snprintf(item, sizeof item, form, (int)luaL_checkinteger(L, arg));
        break;
    case 'd':
    case 'i':
        append_letters(form, "ll", letter);
        snprintf(item, sizeof item, form, (long long)luaL_checkinteger(L, arg));
        break;
    case 'o':
    case 'u':
    case 'x':
    case 'X':
        append_letters(form, "ll", letter);
        snprintf(item, sizeof item, form, check_unsigned(L, arg));
        break;
    case 'e':
    case 'E':
    case 'f':
    case 'g':
    case 'G':
        append_letters(form, "", letter);
        snprintf(item, sizeof item, form, luaL_checknumber(L, arg));
        break;
    case 'q':
        add_quoted(L, out, arg);
        return;
    case 's':
        append_letters(form, "", letter);
        add_string(L, out, arg, form);
        return;
    default:
        luaL_error(L, "invalid option '%%%c' to 'format'", letter);
    }
    luaL_addstring(out, item);
}
#pragma GCC diagnostic pop

int lib_string_format(lua_State *L)
{
    int arg = 1, top = lua_gettop(L);
    size_t len;
    const char *at = luaL_checklstring(L, 1, &len);
    const char *end = at + len;
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    while (at < end) {
        const char *plain = memchr(at, '%', (size_t)(end - at));
        if (plain == NULL)
            plain = end;
        luaL_addlstring(&out, at, (size_t)(plain - at));
        at = plain + 1;
        if (plain == end)
            break;
        if (*at == '%') {
            luaL_addchar(&out, *at++);
            continue;
        }
        if (++arg > top)
            return luaL_argerror(L, arg, "no value");
        char form[FORM_MAX];
        at = read_form(L, at, form);
        add_item(L, &out, arg, form, *at++);
    }
    luaL_pushresult(&out);
    return 1;
}
