/*
 * geo.c - places: GEOADD, GEODIST, GEOHASH, GEOPOS; and what searching shares with them.
 */
#include "server/commands/geo.h"

#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "server/command.h"
#include "server/commands/zsets.h"

/* -- shared ------------------------------------------------------------------------------------ */

bool geo_point_or_reply(struct call *call, int i, struct geo_point *out)
{
    if (!call_double_or_reply(call, i, &out->longitude, NULL) ||
        !call_double_or_reply(call, i + 1, &out->latitude, NULL))
        return false;
    if (geo_is_valid(*out))
        return true;
    reply_errorf(call->reply, "ERR invalid longitude,latitude pair %f,%f", out->longitude,
                 out->latitude);
    return false;
}

bool geo_unit_or_reply(struct call *call, int i, double *meters)
{
    static const struct {
        const char *word;
        double meters;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};
    for (unsigned u = 0; u < sizeof units / sizeof *units; u++) {
        if (bytes_is_word(call->argv[i], units[u].word)) {
            *meters = units[u].meters;
            return true;
        }
    }
    reply_error(call->reply, "ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
}

bool geo_find(const struct entry *e, struct bytes member, struct geo_point *out)
{
    struct zset_place place;
    if (e == NULL || !zset_find(e, member, &place))
        return false;
    *out = geo_decode(geo_hash_of_score(place.score));
    return true;
}

void geo_reply_distance(struct reply *r, double distance)
{
    enum { DIGITS = 4, SCALE = 10000 };
    char text[NUMBER_DOUBLE_MAX];
    if (!(distance < 1e11)) {
        reply_bulkf(r, "%.4f", distance);
        return;
    }
    uint64_t scaled = (uint64_t)llrint(distance * SCALE), fraction = scaled % SCALE;
    size_t len = number_format_u64(text, scaled / SCALE);
    text[len] = '.';
    for (int i = DIGITS; i > 0; i--, fraction /= 10)
        text[len + (size_t)i] = (char)('0' + fraction % 10);
    reply_bulk(r, bytes_of(text, len + 1 + DIGITS));
}

void geo_reply_point(struct reply *r, struct geo_point p)
{
    reply_array(r, 2);
    reply_long_double(r, p.longitude);
    reply_long_double(r, p.latitude);
}

/* -- GEOADD ------------------------------------------------------------------------------------ */

/* Options from argument 2 on; returns the first argument behind them. */
static int parse_options(const struct call *call, unsigned *options)
{
    *options = 0;
    int i = 2;
    for (; i < call->argc; i++) {
        if (bytes_is_word(call->argv[i], "nx"))
            *options |= ZADD_NX;
        else if (bytes_is_word(call->argv[i], "xx"))
            *options |= ZADD_XX;
        else if (bytes_is_word(call->argv[i], "ch"))
            *options |= ZADD_CH;
        else
            break;
    }
    return i;
}

/* All places are read before anything changes. */
static void cmd_geoadd(struct call *call)
{
    enum { FEW = 16 };
    const unsigned both = ZADD_NX | ZADD_XX;
    unsigned options;
    int first = parse_options(call, &options), count = (call->argc - first) / 3, read = 0;
    if ((call->argc - first) % 3 != 0 || (options & both) == both || count == 0) {
        reply_syntax_error(call);
        return;
    }
    double few[FEW], *scores = count <= FEW ? few : mem_alloc((size_t)count * sizeof *scores);
    struct geo_point p;
    while (read < count && geo_point_or_reply(call, first + 3 * read, &p))
        scores[read++] = (double)geo_encode(p);
    if (read == count)
        zset_add_members(call, &(struct zset_addition){scores, count, first + 2, 3, options});
    if (scores != few)
        mem_free(scores);
}

/* -- reading ----------------------------------------------------------------------------------- */

static void cmd_geodist(struct call *call)
{
    struct geo_point a, b;
    double meters = 1;
    if (call->argc > 5) {
        reply_syntax_error(call);
        return;
    }
    if (call->argc == 5 && !geo_unit_or_reply(call, 4, &meters))
        return;
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_ZSET))
        return;
    if (geo_find(e, call->argv[2], &a) && geo_find(e, call->argv[3], &b))
        geo_reply_distance(call->reply, geo_distance(a, b) / meters);
    else
        reply_null(call->reply);
}

static void cmd_geohash(struct call *call)
{
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_ZSET))
        return;
    reply_array(call->reply, call->argc - 2);
    for (int i = 2; i < call->argc; i++) {
        struct geo_point p;
        char text[GEO_TEXT_LENGTH];
        if (geo_find(e, call->argv[i], &p)) {
            geo_format(p, text);
            reply_bulk(call->reply, bytes_of(text, sizeof text));
        } else {
            reply_null(call->reply);
        }
    }
}

static void cmd_geopos(struct call *call)
{
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_ZSET))
        return;
    reply_array(call->reply, call->argc - 2);
    for (int i = 2; i < call->argc; i++) {
        struct geo_point p;
        if (geo_find(e, call->argv[i], &p))
            geo_reply_point(call->reply, p);
        else
            reply_null_array(call->reply);
    }
}

const struct command geo_commands[] = {
    {
        .name = "geoadd",
        .run = cmd_geoadd,
        .arity = -5,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .categories = CAT_GEO,
        KEYS({KEY_RW | KEY_UPDATE, .first = 1}),
        .group = "geo",
        .since = "3.2.0",
        .summary = "Adds places to a set, or moves them.",
        .complexity = "O(log(N)) for each place, with N places in the set.",
        .args = "key:key#0 condition(nx:token=NX|xx:token=XX)?@6.2.0 change:token=CH?@6.2.0 "
                "data{longitude:double latitude:double member}*",
        .history = "6.2.0:Added the `CH`, `NX` and `XX` options.",
    },
    {
        .name = "geodist",
        .run = cmd_geodist,
        .arity = -4,
        .flags = CMD_READONLY,
        .categories = CAT_GEO,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "geo",
        .since = "3.2.0",
        .summary = "Returns the distance between two places.",
        .complexity = "O(1)",
        .args = "key:key#0 member1 member2 unit(m:token=m|km:token=km|ft:token=ft|mi:token=mi)?",
    },
    {
        .name = "geohash",
        .run = cmd_geohash,
        .arity = -2,
        .flags = CMD_READONLY,
        .categories = CAT_GEO,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "geo",
        .since = "3.2.0",
        .summary = "Returns places as geohash strings.",
        .complexity = "O(1) for each member asked for.",
        .args = "key:key#0 member?*",
    },
    {
        .name = "geopos",
        .run = cmd_geopos,
        .arity = -2,
        .flags = CMD_READONLY,
        .categories = CAT_GEO,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "geo",
        .since = "3.2.0",
        .summary = "Returns the longitude and latitude of places.",
        .complexity = "O(1) for each member asked for.",
        .args = "key:key#0 member?*",
    },
    {0},
};
