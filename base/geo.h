/*
 * geo.h - points on the earth as numbers whose order keeps neighbours together, and the maths of
 * searching them.
 *
 * A point's hash interleaves 26 bits of its latitude with 26 of its longitude (geohash, after
 * Gustavo Niemeyer; on the square of the Mercator projection that OpenStreetMap and others use).
 * All points of a cell, that is with the same first bits, are one range of hashes. The earth is a
 * sphere here (radius 6372797.560856 m), and distances follow the haversine formula. Redis has the
 * same constants and the same order of operations, so that results agree to the last printed digit.
 */
#ifndef REDOUBT_BASE_GEO_H
#define REDOUBT_BASE_GEO_H

#include "base/bytes.h"

#define GEO_LATITUDE_MAX 85.05112878
#define GEO_LONGITUDE_MAX 180.0

/* In degrees. */
struct geo_point {
    double longitude, latitude;
};

/* Is it on the map? (NaN is not.) */
bool geo_is_valid(struct geo_point p);
/* The hash of a point on the map, and the middle of the cell that a hash stands for. */
uint64_t geo_encode(struct geo_point p);
struct geo_point geo_decode(uint64_t hash);
/* Hashes as scores of a sorted set; a score may be any number. */
uint64_t geo_hash_of_score(double score);
/* The eleven characters of the usual geohash of a point. */
enum { GEO_TEXT_LENGTH = 11 };
void geo_format(struct geo_point p, char out[GEO_TEXT_LENGTH]);
/* In meters. */
double geo_distance(struct geo_point a, struct geo_point b);

/* -- searching --------------------------------------------------------------------------------- */

/* A circle, or a box whose sides follow the meridians and parallels. */
struct geo_area {
    struct geo_point center;
    bool is_box;
    double radius;        /* of a circle, in meters; inf is everywhere */
    double width, height; /* of a box */
};

/* Hashes from min to before max. */
struct geo_range {
    uint64_t min, max;
};
enum { GEO_RANGES = 9 };
/* Ranges that hold all points of the area, in the order in which Redis goes through them: the cell
 * of the center, north, south, east, west, and the corners. Returns how many. */
int geo_cover(const struct geo_area *area, struct geo_range out[GEO_RANGES]);

/* An area made ready to be compared with many points. */
struct geo_test {
    struct geo_area area;
    double longitude, latitude, cosine; /* of the center, in radians, and of its latitude */
    double far_latitude;                /* in radians: points that are further off are outside */
};
void geo_test_init(struct geo_test *t, const struct geo_area *area);
/* Is the point inside, and how far from the center? */
bool geo_test_point(const struct geo_test *t, struct geo_point p, double *distance);

#endif
