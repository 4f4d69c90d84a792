"""Places beside Debian's Redis: the same replies, to the last digit of distances and coordinates.

Places are in random spots, so that no two are equally far from anywhere: in which order Redis returns those depends on how it sorts.
Redis 7.0 prints long scores with 17 digits, where 7.4 and we print as few as tell the number. SEED=n repeats a run, COMMANDS=n makes it
longer or shorter.
"""
import math
import os
import random
import unittest

import test_streams as streams
from servers import IS_REDOUBT, REDIS, REDOUBT, Server
from wire import Wire, value

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
COMMANDS = int(os.environ.get('COMMANDS', 8000))
BATCH = 40

SETS = ['world', 'town', 'poles', 'edge', 'few']
KEYS = [*SETS, *SETS, 'string', 'none']
# Where the places of each set are: from one corner to the other.
CORNERS = {'world': (-180, -85.05, 180, 85.05), 'town': (13.2, 52.4, 13.5, 52.6), 'poles': (-180, 84, 180, 85.05),
           'edge': (179, -20, 181, 20), 'few': (-10, -10, 10, 10)}


def spot(rng, key):
    west, south, east, north = CORNERS.get(key, CORNERS['world'])
    longitude, latitude = rng.uniform(west, east), rng.uniform(south, north)
    if key == 'poles' and rng.random() < 0.5:
        latitude = -latitude
    return [longitude - 360 if longitude > 180 else longitude, latitude]


def point(rng, key):
    kind = rng.random()
    if kind < 0.9:
        return spot(rng, key)
    if kind < 0.95:
        return spot(rng, 'world')
    return [rng.choice([0, 180, -180, 181, 'x', 'nan', 'inf', '1e1', 90]), rng.choice([0, 85.05112878, -85.05112878, 85.06, 'x', '-0'])]


def member(rng):
    return rng.choice(['m:%d' % rng.randint(0, 400), rng.randint(0, 60)])


def places(rng, key, most):
    return [word for m in {member(rng) for _ in range(rng.randint(1, most))} for word in (*point(rng, key), m)]


def unit(rng):
    return rng.choice(['m', 'km', 'ft', 'mi', 'KM', 'M', 'Km', 'what' if rng.random() < 0.1 else 'km'])


def size(rng, key):
    """A length and its unit: from a part of the set's extent to more than all of it."""
    if rng.random() < 0.05:
        return [rng.choice([0, -1, 'x', 'inf', 'nan', 1e308, 40000]), unit(rng)]
    extent = {'town': 30, 'few': 3000, 'edge': 3000, 'poles': 1500}.get(key, 20000)
    u = unit(rng)
    return [extent * 2 ** rng.uniform(-7, 0.5) * {'m': 1000, 'ft': 3000, 'mi': 0.6}.get(u.lower(), 1), u]


def box(rng, key):
    (width, u), (height, _) = size(rng, key), size(rng, key)
    return [width, height, u]


def extras(rng, storing=False):
    words = []
    if rng.random() < 0.4:
        words += ['COUNT', rng.choice([1, 2, 5, 10, 100, 10 ** 6, 0, -1, 'x'] if rng.random() < 0.1 else [1, 2, 5, 10, 100])]
        words += ['ANY'] if rng.random() < 0.3 else []
    words += rng.choice([[], ['ASC'], ['desc']])
    if not storing or rng.random() < 0.05:
        words += rng.sample(['WITHDIST', 'withcoord', 'WITHHASH'], rng.randint(0, 3))
    return words if rng.random() < 0.98 else words + [rng.choice(['ANY', 'what', 'COUNT', 'STOREDIST', 'STORE', 'FROMMEMBER', 'bybox'])]


def center(rng, key):
    if rng.random() < 0.05:
        return []
    words = ['FROMMEMBER', member(rng)] if rng.random() < 0.3 else ['fromlonlat', *point(rng, key)]
    return words + (['FROMMEMBER', member(rng)] if rng.random() < 0.02 else [])


def shape(rng, key):
    if rng.random() < 0.05:
        return []
    return ['BYRADIUS', *size(rng, key)] if rng.random() < 0.5 else ['bybox', *box(rng, key)]


def geosearch(rng, key):
    parts = [center(rng, key), shape(rng, key), extras(rng)]
    rng.shuffle(parts)
    return ['GEOSEARCH', key, *[w for p in parts for w in p]]


def geosearchstore(rng, key):
    return ['GEOSEARCHSTORE', 'result', key, *center(rng, key), *shape(rng, key), *extras(rng, True), *rng.choice([[], ['STOREDIST']])]


def georadius(rng, key):
    store = rng.choice([[], [], [rng.choice(['STORE', 'storedist']), 'result']])
    suffix = rng.choice(['', '_RO'])
    head = rng.choice([['GEORADIUS' + suffix, key, *point(rng, key)], ['GEORADIUSBYMEMBER' + suffix, key, member(rng)]])
    return [*head, *size(rng, key), *extras(rng, bool(store)), *store]


def command(rng):
    key = rng.choice(KEYS)
    return rng.choice([
        lambda: ['GEOADD', key, *rng.choice([[], [], ['NX'], ['xx'], ['CH'], ['ch', 'XX'], ['NX', 'XX']]), *places(rng, key, 3)],
        lambda: ['GEODIST', key, member(rng), member(rng), *rng.choice([[], [unit(rng)], ['m', 'x'] if rng.random() < 0.1 else []])],
        lambda: ['GEOPOS', key, *[member(rng) for _ in range(rng.randint(0, 5))]],
        lambda: ['GEOHASH', key, *[member(rng) for _ in range(rng.randint(0, 5))]],
        lambda: geosearch(rng, key),
        lambda: geosearch(rng, key),
        lambda: geosearchstore(rng, key),
        lambda: georadius(rng, key),
        lambda: ['ZRANGE', 'result', 0, -1, 'WITHSCORES'],
        lambda: ['OBJECT', 'ENCODING', rng.choice(['result', 'few', 'world'])],
        lambda: ['ZREM', key, member(rng)],
    ])()


def fill(rng):
    for key, count in (('world', 1500), ('town', 1500), ('poles', 400), ('edge', 400), ('few', 60)):
        yield ['GEOADD', key, *[w for i in range(count) for w in (*spot(rng, key), 'm:%d' % i if i % 3 else i)]]
    yield ['SET', 'string', 'x']


def prepare(rng, wires):
    requests = [['FLUSHALL'], ['CONFIG', 'SET', 'zset-max-listpack-entries', 128], *fill(rng)]
    for w in wires:
        w.pipeline(requests)


def same(theirs, ours):
    """Members and scores: equal but for the digits of scores."""
    return isinstance(ours, list) and theirs[::2] == ours[::2] and all(
        float(a) == float(b) for a, b in zip(theirs[1::2], ours[1::2]))


def flat(reply):
    """RESP3 has members and scores in pairs."""
    return [word for pair in reply for word in pair] if reply and isinstance(reply[0], list) else reply


class Places(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print(f'SEED={SEED} COMMANDS={COMMANDS}', flush=True)
        cls.redis = cls.enterClassContext(Server(REDIS)) if REDIS is not None else None
        cls.redoubt = cls.enterClassContext(Server(REDOUBT))

    def setUp(self):
        self.rng = random.Random(f'{SEED} {type(self).__name__}.{self._testMethodName}')

    def wire(self):
        w = Wire(self.redoubt)
        self.addCleanup(w.close)
        return w

    @unittest.skipIf(REDIS is None, 'there is no redis-server to compare with')
    def test_commands(self):
        for resp in (2, 3):
            pair = streams.Pair(self.redis, self.redoubt, resp)
            self.addCleanup(pair.close)
            prepare(self.rng, pair.wires)
            for _ in range(COMMANDS // 2 // BATCH):
                requests = [command(self.rng) for _ in range(BATCH)]
                for words, (theirs, ours) in zip(requests, pair.pipeline(requests)):
                    if theirs != ours and not (words[0] == 'ZRANGE' and same(flat(value(theirs)), flat(value(ours)))):
                        self.fail(f'SEED={SEED}: {streams.shown([str(w)[:80] for w in words])}\n'
                                  f'Redis says {theirs[:500]!r}\nbut we say {ours[:500]!r}')

    def test_search_misses_nothing(self):
        """Circles against the distances of all places."""
        w = self.wire()
        w.ask('FLUSHALL')
        spots = {b'p:%d' % i: (self.rng.uniform(-180, 180), self.rng.uniform(-70, 70)) for i in range(5000)}
        w.ask('GEOADD', 'k', *[word for name, p in spots.items() for word in (*p, name)])
        for _ in range(100):
            at, radius = (self.rng.uniform(-180, 180), self.rng.uniform(-70, 70)), self.rng.choice([50, 500, 2000]) * 1000
            distances = {name: distance(at, p) for name, p in spots.items()}
            found = set(w.ask('GEOSEARCH', 'k', 'FROMLONLAT', *at, 'BYRADIUS', radius, 'm'))
            for name, d in distances.items():
                if abs(d - radius) > 1:  # the hash is that exact
                    self.assertEqual(name in found, d < radius, (at, radius, name, spots[name], d))

    @unittest.skipUnless(IS_REDOUBT, 'MULTI ROLLBACK is ours')
    def test_rollback(self):
        w = self.wire()
        prepare(self.rng, [w])
        for _ in range(100):
            w.pipeline([command(self.rng) for _ in range(8)])
            before = w.ask('DEBUG', 'DIGEST')
            w.ask('MULTI', 'ROLLBACK')
            w.pipeline([command(self.rng) for _ in range(self.rng.randint(0, 12))])
            w.pipeline([['SET', 'string', 'x'], ['INCR', 'string']])
            self.assertEqual(w.call('EXEC')[:1], b'-')
            self.assertEqual(w.ask('DEBUG', 'DIGEST'), before)


def distance(a, b):
    (x, y), (u, v) = [[math.radians(c) for c in p] for p in (a, b)]
    half = math.sin((v - y) / 2) ** 2 + math.cos(y) * math.cos(v) * math.sin((u - x) / 2) ** 2
    return 2 * 6372797.560856 * math.asin(math.sqrt(half))


if __name__ == '__main__':
    unittest.main()
