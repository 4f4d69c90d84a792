/*
 * string_options.h - the options that SET, GETEX, MSETEX and INCREX share, in any order and case.
 */
#ifndef REDOUBT_SERVER_COMMANDS_STRING_OPTIONS_H
#define REDOUBT_SERVER_COMMANDS_STRING_OPTIONS_H

#include "server/call.h"

enum string_option {
    OPT_NX,
    OPT_XX,
    OPT_IFEQ,
    OPT_IFNE,
    OPT_IFDEQ,
    OPT_IFDNE,
    OPT_GET,
    OPT_EX,
    OPT_PX,
    OPT_EXAT,
    OPT_PXAT,
    OPT_KEEPTTL,
    OPT_PERSIST,
    OPT_ENX,
    OPT_BYINT,
    OPT_BYFLOAT,
    OPT_LBOUND,
    OPT_UBOUND,
    OPT_SATURATE,
    OPT_COUNT,
};
#define OPT_BIT(option) (UINT32_C(1) << (option))

enum {
    OPTS_EXIST = OPT_BIT(OPT_NX) | OPT_BIT(OPT_XX),
    OPTS_COMPARE = OPT_BIT(OPT_IFEQ) | OPT_BIT(OPT_IFNE) | OPT_BIT(OPT_IFDEQ) | OPT_BIT(OPT_IFDNE),
    OPTS_TIME = OPT_BIT(OPT_EX) | OPT_BIT(OPT_PX) | OPT_BIT(OPT_EXAT) | OPT_BIT(OPT_PXAT),
    /* With the options a command allows: none may come twice. Elsewhere the last one counts. */
    OPTS_ONCE = OPT_BIT(OPT_COUNT),
};

struct string_options {
    uint32_t given;       /* OPT_BITs */
    int value[OPT_COUNT]; /* index of the argument behind the option's word, for those that have one
                           */
};

static inline bool string_options_has(const struct string_options *o, enum string_option option)
{
    return o->given & OPT_BIT(option);
}

/* Read the arguments from first on. False is a syntax error: a word that is not allowed, options
 * that exclude each other, a value that is missing. */
bool string_options_parse(const struct bytes *argv, int argc, int first, uint32_t allowed,
                          struct string_options *out);
/* The deadline that EX, PX, EXAT or PXAT asks for; DEADLINE_NONE without them. */
bool string_options_deadline_or_reply(struct call *call, const struct string_options *o,
                                      int64_t *deadline);

#endif
