/*
 * test_geo.c - hashes and distances of known places, and areas: what covers an area holds every
 * point of it, and the test of a point agrees with its distance.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/geo.h"
#include "base/random.h"

static void seed_random(void)
{
    uint64_t seed = random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(seed);
}

static double between(double min, double max)
{
    return min + (max - min) * (double)random_below(1u << 30) / (1u << 30);
}

static struct geo_point random_point(double latitude_max)
{
    return (struct geo_point){between(-GEO_LONGITUDE_MAX, GEO_LONGITUDE_MAX),
                              between(-latitude_max, latitude_max)};
}

static const struct geo_point palermo = {13.361389, 38.115556}, catania = {15.087269, 37.502669};

/* As Redis answers. */
static void test_known_places(void **state)
{
    (void)state;
    char text[GEO_TEXT_LENGTH];
    assert_int_equal(geo_encode(palermo), 3479099956230698);
    assert_int_equal(geo_encode(catania), 3479447370796909);
    struct geo_point p = geo_decode(3479099956230698), c = geo_decode(3479447370796909);
    assert_true(p.longitude == 13.36138933897018433 && p.latitude == 38.11555639549629859);
    assert_true(fabs(geo_distance(p, c) - 166274.1516) < 0.00005);
    geo_format(p, text);
    assert_memory_equal(text, "sqc8b49rny0", GEO_TEXT_LENGTH);
    geo_format(c, text);
    assert_memory_equal(text, "sqdtr74hyu0", GEO_TEXT_LENGTH);
}

static void test_edges(void **state)
{
    (void)state;
    struct geo_point east = {GEO_LONGITUDE_MAX, GEO_LATITUDE_MAX};
    struct geo_point west = {-GEO_LONGITUDE_MAX, -GEO_LATITUDE_MAX};
    assert_true(geo_is_valid(east) && geo_is_valid(west));
    assert_false(geo_is_valid((struct geo_point){180.1, 0}));
    assert_false(geo_is_valid((struct geo_point){0, 85.06}));
    assert_false(geo_is_valid((struct geo_point){NAN, 0}));
    assert_int_equal(geo_encode(west), 0);
    assert_int_equal(geo_encode(east), 13510798882111488);
    east = geo_decode(geo_encode(east));
    assert_true(east.longitude == GEO_LONGITUDE_MAX && east.latitude == GEO_LATITUDE_MAX);
}

/* Any score is some place. */
static void test_scores(void **state)
{
    (void)state;
    static const double scores[] = {0,     1.5,    -5,       1e18,      1e19,
                                    1e300, -1e300, INFINITY, -INFINITY, 3e15};
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++)
        assert_true(geo_is_valid(geo_decode(geo_hash_of_score(scores[i]))));
    assert_int_equal(geo_hash_of_score(3479099956230698.0), 3479099956230698);
    assert_true(geo_hash_of_score(-5) == (uint64_t)-5);
}

static void test_hashes_are_near(void **state)
{
    (void)state;
    seed_random();
    for (int i = 0; i < 20000; i++) {
        struct geo_point p = random_point(GEO_LATITUDE_MAX), q = geo_decode(geo_encode(p));
        assert_true(geo_encode(p) < (uint64_t)1 << 52);
        assert_int_equal(geo_encode(q), geo_encode(p));
        assert_true(geo_distance(p, q) < 0.6);
        assert_true(geo_distance(p, q) == geo_distance(q, p));
    }
}

static bool covers(const struct geo_range *ranges, int count, uint64_t hash)
{
    for (int i = 0; i < count; i++)
        if (hash >= ranges[i].min && hash < ranges[i].max)
            return true;
    return false;
}

static struct geo_area random_area(void)
{
    double large = pow(10, between(1, 6.3));
    return (struct geo_area){.center = random_point(70),
                             .is_box = random_below(2),
                             .radius = large,
                             .width = large * between(0.1, 2),
                             .height = large * between(0.1, 2)};
}

/* A point in or around the area, if there is one on the map. */
static struct geo_point point_near(const struct geo_area *area)
{
    double reach = (area->is_box ? area->width + area->height : area->radius * 1.2) / 111000;
    struct geo_point p = {area->center.longitude + between(-reach, reach) * 2,
                          area->center.latitude + between(-reach, reach)};
    if (fabs(p.longitude) > GEO_LONGITUDE_MAX)
        p.longitude -= p.longitude > 0 ? 360 : -360;
    return geo_is_valid(p) ? p : random_point(70);
}

static bool is_inside(const struct geo_area *a, struct geo_point p)
{
    struct geo_point beside = {a->center.longitude, p.latitude};
    struct geo_point above = {a->center.longitude, a->center.latitude};
    if (a->is_box)
        return geo_distance(beside, above) <= a->height / 2 &&
               geo_distance(p, beside) <= a->width / 2;
    return geo_distance(p, a->center) <= a->radius;
}

static void test_areas(void **state)
{
    (void)state;
    seed_random();
    int inside = 0;
    for (int round = 0; round < 2000; round++) {
        struct geo_area area = random_area();
        struct geo_range ranges[GEO_RANGES];
        struct geo_test test;
        int count = geo_cover(&area, ranges);
        assert_in_range(count, 1, GEO_RANGES);
        geo_test_init(&test, &area);
        for (int i = 0; i < 50; i++) {
            struct geo_point p = geo_decode(geo_encode(point_near(&area)));
            double distance;
            bool found = geo_test_point(&test, p, &distance);
            assert_int_equal(found, is_inside(&area, p));
            if (!found)
                continue;
            inside++;
            assert_true(distance == geo_distance(area.center, p));
            /* Around the poles boxes are not what they seem, and neither is what covers them. */
            if (fabs(area.center.latitude) + area.radius / 50000 < 60)
                assert_true(covers(ranges, count, geo_encode(p)));
        }
    }
    assert_true(inside > 10000);
}

static void test_everywhere(void **state)
{
    (void)state;
    struct geo_area area = {.center = catania, .radius = INFINITY};
    struct geo_range ranges[GEO_RANGES];
    int count = geo_cover(&area, ranges);
    for (int i = 0; i < 1000; i++)
        assert_true(covers(ranges, count, geo_encode(random_point(GEO_LATITUDE_MAX))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_places), cmocka_unit_test(test_edges),
        cmocka_unit_test(test_scores),       cmocka_unit_test(test_hashes_are_near),
        cmocka_unit_test(test_areas),        cmocka_unit_test(test_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
