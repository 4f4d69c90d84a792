/*
 * string_options.c - the options that SET and its relatives share: see string_options.h.
 */
#include "server/commands/string_options.h"

#include "server/commands/expiration.h"

enum {
    CONDITIONS = OPTS_EXIST | OPTS_COMPARE,
    LIFETIME = OPTS_TIME | OPT_BIT(OPT_KEEPTTL) | OPT_BIT(OPT_PERSIST),
};
#define OTHER(group, option) ((group) & ~OPT_BIT(option))

static const struct {
    const char *word;
    bool has_value;
    uint32_t excludes;
} options[OPT_COUNT] = {
    [OPT_NX] = {"NX", false, OTHER(CONDITIONS, OPT_NX)},
    [OPT_XX] = {"XX", false, OTHER(CONDITIONS, OPT_XX)},
    [OPT_IFEQ] = {"IFEQ", true, CONDITIONS},
    [OPT_IFNE] = {"IFNE", true, CONDITIONS},
    [OPT_IFDEQ] = {"IFDEQ", true, CONDITIONS},
    [OPT_IFDNE] = {"IFDNE", true, CONDITIONS},
    [OPT_GET] = {"GET", false, 0},
    [OPT_EX] = {"EX", true, OTHER(LIFETIME, OPT_EX)},
    [OPT_PX] = {"PX", true, OTHER(LIFETIME, OPT_PX)},
    [OPT_EXAT] = {"EXAT", true, OTHER(LIFETIME, OPT_EXAT)},
    [OPT_PXAT] = {"PXAT", true, OTHER(LIFETIME, OPT_PXAT)},
    [OPT_KEEPTTL] = {"KEEPTTL", false, OTHER(LIFETIME, OPT_KEEPTTL)},
    [OPT_PERSIST] = {"PERSIST", false, OTHER(LIFETIME, OPT_PERSIST) | OPT_BIT(OPT_ENX)},
    [OPT_ENX] = {"ENX", false, OPT_BIT(OPT_PERSIST)},
    [OPT_BYINT] = {"BYINT", true, OPT_BIT(OPT_BYFLOAT)},
    [OPT_BYFLOAT] = {"BYFLOAT", true, OPT_BIT(OPT_BYINT)},
    [OPT_LBOUND] = {"LBOUND", true, 0},
    [OPT_UBOUND] = {"UBOUND", true, 0},
    [OPT_SATURATE] = {"SATURATE", false, 0},
};

static enum string_option find_option(struct bytes word, uint32_t allowed)
{
    enum string_option option = 0;
    while (option < OPT_COUNT &&
           !((allowed & OPT_BIT(option)) && bytes_is_word(word, options[option].word)))
        option++;
    return option;
}

bool string_options_parse(const struct bytes *argv, int argc, int first, uint32_t allowed,
                          struct string_options *out)
{
    out->given = 0;
    for (int i = first; i < argc; i++) {
        enum string_option option = find_option(argv[i], allowed);
        if (option == OPT_COUNT)
            return false;
        uint32_t excluded = options[option].excludes;
        if (allowed & OPTS_ONCE)
            excluded |= OPT_BIT(option);
        if (out->given & excluded)
            return false;
        if (options[option].has_value && ++i == argc)
            return false;
        out->value[option] = i;
        out->given |= OPT_BIT(option);
    }
    return true;
}

bool string_options_deadline_or_reply(struct call *call, const struct string_options *o,
                                      int64_t *deadline)
{
    *deadline = DEADLINE_NONE;
    for (enum string_option option = OPT_EX; option <= OPT_PXAT; option++) {
        if (!string_options_has(o, option))
            continue;
        struct time_unit unit = {.seconds = option == OPT_EX || option == OPT_EXAT,
                                 .from_now = option == OPT_EX || option == OPT_PX};
        return expiration_or_reply(call, o->value[option], unit, deadline);
    }
    return true;
}
