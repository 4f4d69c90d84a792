/*
 * geo.c - hashes, distances, and which cells an area takes.
 *
 * Cells of a level of 1 to 26: 2^level columns and rows. Both are kept as 32 bits, since a point on
 * the eastern or northern edge is in the column or row behind the last, and its hash is one bit
 * longer.
 */
#include "base/geo.h"

#include <math.h>

enum { LEVEL_MAX = 26 };
#define EARTH_RADIUS 6372797.560856
#define MERCATOR_MAX 20037726.37
#define RADIANS (M_PI / 180.0)

/* -- hashes ------------------------------------------------------------------------------------ */

/* The 32 bits on the even places of a word, and back. */
static uint64_t spread(uint32_t bits)
{
    uint64_t x = bits;
    x = (x | x << 16) & 0x0000ffff0000ffff;
    x = (x | x << 8) & 0x00ff00ff00ff00ff;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
    x = (x | x << 2) & 0x3333333333333333;
    return (x | x << 1) & 0x5555555555555555;
}

static uint32_t gather(uint64_t x)
{
    x &= 0x5555555555555555;
    x = (x | x >> 1) & 0x3333333333333333;
    x = (x | x >> 2) & 0x0f0f0f0f0f0f0f0f;
    x = (x | x >> 4) & 0x00ff00ff00ff00ff;
    x = (x | x >> 8) & 0x0000ffff0000ffff;
    return (uint32_t)(x | x >> 16);
}

struct cell {
    uint32_t column, row;
    int level;
};

static uint64_t cell_hash(const struct cell *c)
{
    return spread(c->row) | spread(c->column) << 1;
}

/* On a map whose latitudes end at this one. */
static struct cell cell_of(struct geo_point p, int level, double latitude_max)
{
    double x = (p.longitude + GEO_LONGITUDE_MAX) / (2 * GEO_LONGITUDE_MAX);
    double y = (p.latitude + latitude_max) / (2 * latitude_max);
    double size = (double)(1 << level);
    return (struct cell){(uint32_t)(x * size), (uint32_t)(y * size), level};
}

/* Where on the map a column or row begins. */
static double edge(double index, int level, double max)
{
    return -max + index / (double)(1 << level) * (2 * max);
}

struct bounds {
    double west, east, south, north;
};

static struct bounds cell_bounds(const struct cell *c)
{
    return (struct bounds){
        .west = edge(c->column, c->level, GEO_LONGITUDE_MAX),
        .east = edge((double)c->column + 1, c->level, GEO_LONGITUDE_MAX),
        .south = edge(c->row, c->level, GEO_LATITUDE_MAX),
        .north = edge((double)c->row + 1, c->level, GEO_LATITUDE_MAX),
    };
}

bool geo_is_valid(struct geo_point p)
{
    return p.longitude >= -GEO_LONGITUDE_MAX && p.longitude <= GEO_LONGITUDE_MAX &&
           p.latitude >= -GEO_LATITUDE_MAX && p.latitude <= GEO_LATITUDE_MAX;
}

uint64_t geo_encode(struct geo_point p)
{
    struct cell c = cell_of(p, LEVEL_MAX, GEO_LATITUDE_MAX);
    return cell_hash(&c);
}

static double clamp(double x, double max)
{
    return x > max ? max : x < -max ? -max : x;
}

struct geo_point geo_decode(uint64_t hash)
{
    struct cell c = {gather(hash >> 1), gather(hash), LEVEL_MAX};
    struct bounds b = cell_bounds(&c);
    return (struct geo_point){clamp((b.west + b.east) / 2, GEO_LONGITUDE_MAX),
                              clamp((b.south + b.north) / 2, GEO_LATITUDE_MAX)};
}

/* What is no hash at all becomes what x86's conversion makes of it. */
uint64_t geo_hash_of_score(double score)
{
    const double half = 9223372036854775808.0;
    if (score >= half)
        return score < 2 * half ? (uint64_t)(score - half) ^ (uint64_t)1 << 63 : 0;
    return score >= -half ? (uint64_t)(int64_t)score : (uint64_t)1 << 63;
}

/* 52 bits make ten characters; the eleventh is always the first of the alphabet. */
void geo_format(struct geo_point p, char out[GEO_TEXT_LENGTH])
{
    static const char alphabet[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    struct cell c = cell_of(p, LEVEL_MAX, 90);
    uint64_t hash = cell_hash(&c);
    for (int i = 0; i < GEO_TEXT_LENGTH; i++)
        out[i] = alphabet[i < 10 ? hash >> (47 - 5 * i) & 31 : 0];
}

/* -- distances --------------------------------------------------------------------------------- */

static double latitude_distance(double a, double b)
{
    return EARTH_RADIUS * fabs(b * RADIANS - a * RADIANS);
}

/* From the sines of half the differences. */
static double haversine(double u, double cosines, double v)
{
    return 2.0 * EARTH_RADIUS * asin(sqrt(u * u + cosines * v * v));
}

double geo_distance(struct geo_point a, struct geo_point b)
{
    double v = sin((b.longitude * RADIANS - a.longitude * RADIANS) / 2);
    if (v == 0)
        return latitude_distance(a.latitude, b.latitude);
    double south = a.latitude * RADIANS, north = b.latitude * RADIANS;
    return haversine(sin((north - south) / 2), cos(south) * cos(north), v);
}

/* -- covering ---------------------------------------------------------------------------------- */

/* The box around the area. Near the poles it is none: longitudes may come out in the wrong order.
 */
static struct bounds area_bounds(const struct geo_area *a)
{
    double height = a->is_box ? a->height / 2 : a->radius;
    double width = a->is_box ? a->width / 2 : a->radius;
    double up = height / EARTH_RADIUS / RADIANS, latitude = a->center.latitude;
    /* The side that is nearer to its pole takes more degrees. */
    double widest = latitude < 0 ? latitude - up : latitude + up;
    double aside = width / EARTH_RADIUS / cos(widest * RADIANS) / RADIANS;
    return (struct bounds){a->center.longitude - aside, a->center.longitude + aside, latitude - up,
                           latitude + up};
}

/* The level whose cells are about as large as the area; where meridians come close, larger ones. */
static int level_for(double radius, double latitude)
{
    int level = 1;
    if (radius == 0)
        return LEVEL_MAX;
    for (; radius < MERCATOR_MAX; radius *= 2)
        level++;
    level -= 2;
    if (fabs(latitude) > 66)
        level -= fabs(latitude) > 80 ? 2 : 1;
    return level < 1 ? 1 : level > LEVEL_MAX ? LEVEL_MAX : level;
}

/* The map goes on at its other edge. */
static struct cell neighbour(const struct cell *c, int east, int north)
{
    struct cell n = *c;
    uint32_t last = (1u << c->level) - 1;
    if (east != 0)
        n.column = (c->column + (uint32_t)east) & last;
    if (north != 0)
        n.row = (c->row + (uint32_t)north) & last;
    return n;
}

/* Do the neighbours of the center's cell reach as far as the area? */
static bool level_suffices(const struct cell *center, const struct bounds *area)
{
    struct cell north = neighbour(center, 0, 1), south = neighbour(center, 0, -1);
    struct cell east = neighbour(center, 1, 0), west = neighbour(center, -1, 0);
    return !(cell_bounds(&north).north < area->north) &&
           !(cell_bounds(&south).south > area->south) && !(cell_bounds(&east).east < area->east) &&
           !(cell_bounds(&west).west > area->west);
}

static const struct step {
    int east, north;
} steps[GEO_RANGES] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                       {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};

/* Does the area end within the center's cell in the direction of this step? */
static bool is_useless(const struct step *s, const struct bounds *cell, const struct bounds *area)
{
    return (s->north < 0 && cell->south < area->south) ||
           (s->north > 0 && cell->north > area->north) ||
           (s->east < 0 && cell->west < area->west) || (s->east > 0 && cell->east > area->east);
}

int geo_cover(const struct geo_area *area, struct geo_range out[GEO_RANGES])
{
    struct bounds around = area_bounds(area);
    double corner =
        sqrt(area->width / 2 * (area->width / 2) + area->height / 2 * (area->height / 2));
    int level = level_for(area->is_box ? corner : area->radius, area->center.latitude), count = 0;
    struct cell center = cell_of(area->center, level, GEO_LATITUDE_MAX);
    if (level > 1 && !level_suffices(&center, &around))
        center = cell_of(area->center, --level, GEO_LATITUDE_MAX);
    struct bounds inner = cell_bounds(&center);
    int shift = 2 * (LEVEL_MAX - level);
    for (int i = 0; i < GEO_RANGES; i++) {
        struct cell c = neighbour(&center, steps[i].east, steps[i].north);
        if (level >= 2 && is_useless(&steps[i], &inner, &around))
            continue;
        uint64_t hash = cell_hash(&c), min = hash << shift;
        /* On the coarsest map, both neighbours of a cell are the same one. */
        if (count > 0 && out[count - 1].min == min)
            continue;
        out[count++] = (struct geo_range){min, (hash + 1) << shift};
    }
    return count;
}

/* -- testing points ---------------------------------------------------------------------------- */

void geo_test_init(struct geo_test *t, const struct geo_area *area)
{
    /* So much further that no rounding matters. */
    const double slack = 1 + 1e-9;
    double reach = area->is_box ? area->height / 2 : area->radius;
    t->area = *area;
    t->longitude = area->center.longitude * RADIANS;
    t->latitude = area->center.latitude * RADIANS;
    t->cosine = cos(t->latitude);
    t->far_latitude = reach / EARTH_RADIUS * slack + 1e-12;
}

bool geo_test_point(const struct geo_test *t, struct geo_point p, double *distance)
{
    const struct geo_area *area = &t->area;
    double latitude = p.latitude * RADIANS, up = latitude - t->latitude;
    if (fabs(up) > t->far_latitude)
        return false;
    double v = sin((p.longitude * RADIANS - t->longitude) / 2), cosine = cos(latitude);
    if (area->is_box && (latitude_distance(p.latitude, area->center.latitude) > area->height / 2 ||
                         (v != 0 && haversine(0, cosine * cosine, v) > area->width / 2)))
        return false;
    if (v == 0)
        *distance = latitude_distance(p.latitude, area->center.latitude);
    else
        *distance = haversine(sin(up / 2), t->cosine * cosine, v);
    return area->is_box || *distance <= area->radius;
}
