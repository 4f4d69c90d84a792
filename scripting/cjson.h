/*
 * cjson.h - what encoding and decoding share: the settings of one instance of cjson.
 */
#ifndef REDOUBT_SCRIPTING_CJSON_H
#define REDOUBT_SCRIPTING_CJSON_H

#include <lua.h>

struct out;

enum cjson_numbers { NUMBERS_REFUSED, NUMBERS_AS_THEY_ARE, NUMBERS_AS_NULL };

enum {
    CJSON_DEPTH = 1000,
    CJSON_PRECISION = 14,
    CJSON_ENCODE_DEPTH_LIMIT = 7997, /* whatever the script has set: the stack is C's */
    CJSON_DECODE_DEPTH_LIMIT = 7998,
};

struct cjson {
    int sparse_convert; /* a sparse array becomes an object instead of an error */
    int sparse_ratio, sparse_safe;
    int encode_depth, decode_depth;
    int precision; /* of numbers that are no integers */
    int keep_buffer;
    int encode_invalid; /* enum cjson_numbers: NaN and infinities */
    int decode_invalid; /* they and hexadecimal numbers are taken */
    struct out *buffer; /* the collector's; the instance's functions hold it */
};

/* Write the value on top of the stack, which stays. */
void cjson_encode(struct cjson *c, lua_State *L);
/* Push the value of text, which ends at the first NUL. */
void cjson_decode(const struct cjson *c, lua_State *L, const char *text);

#endif
