"""Random set commands to Debian's Redis and to us: the replies are the same bytes, but for the order of members.

What is drawn by chance is drawn here and taken out there. SEED=n repeats a run, COMMANDS=n makes it longer or shorter.
"""
import os
import random
import unittest

import test_streams as streams
from servers import IS_REDOUBT, REDIS, REDOUBT, Server
from wire import Wire, value

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
COMMANDS = int(os.environ.get('COMMANDS', 20000))
BATCH = 50

KEYS = [b'a', b'b', b'c', b'd', b'string', b'none']
NUMBERS = [0, 1, 2, 5, 100, -1, 'x', '', '1.5', 2 ** 63 - 1, 1 - 2 ** 63, -2 ** 63, 10 ** 20]


def member(rng):
    kind = rng.random()
    if kind < 0.5:
        return rng.choice([rng.randint(-30, 30), rng.randint(0, 700), rng.randint(-70000, 70000),
                           rng.randint(-2 ** 40, 2 ** 40), -2 ** 63, 2 ** 63, '007'])
    if kind < 0.9:
        return rng.choice([b'', b'a', b'b', b'm:%d' % rng.randint(0, 300), b'x' * rng.randint(0, 300)])
    return rng.randbytes(rng.randint(0, 40))


def members(rng, most):
    return [member(rng) for _ in range(rng.randint(1, most))]


def keys(rng, most=4):
    return [rng.choice(KEYS) for _ in range(rng.randint(1, most))]


def sintercard(rng):
    limit = rng.choice([[], [], ['LIMIT', rng.choice(NUMBERS)], ['limit', 3, 'LIMIT', 2], ['LIMIT'], ['what', 1]])
    return ['SINTERCARD', rng.choice([1, 1, 2, 2, 3, 3, *NUMBERS]), *keys(rng, 3), *limit]


def sscan(rng, key):
    """With a COUNT that covers the whole set: where a part ends is the server's choice."""
    match = rng.choice([[], ['MATCH', rng.choice([b'1*', b'm:*', b'*', b'[a-c]'])]])
    bad = rng.choice([[]] * 9 + [['COUNT'], ['COUNT', 0], ['COUNT', 'x'], ['TYPE', 'set'], ['NOVALUES']])
    return ['SSCAN', key, rng.choice([0] * 9 + ['x', '']), 'COUNT', 100000, *match, *bad]


def command(rng):
    key, other = rng.choice(KEYS), rng.choice(KEYS)
    return rng.choice([
        lambda: ['SADD', key, *members(rng, rng.choice([1, 3, 8, 200]))],
        lambda: ['SADD', key, *[rng.randint(0, 700) for _ in range(rng.choice([1, 5, 600]))]],
        lambda: ['SREM', key, *members(rng, rng.choice([1, 3, 30]))],
        lambda: ['SISMEMBER', key, member(rng)],
        lambda: ['SMISMEMBER', key, *members(rng, 40)],
        lambda: [rng.choice(['SCARD', 'TYPE', 'EXISTS', 'PERSIST']), key],
        lambda: ['SMEMBERS', key],
        lambda: ['SMOVE', key, other, member(rng)],
        lambda: [rng.choice(['SINTER', 'SUNION', 'SDIFF']), *keys(rng)],
        lambda: [rng.choice(['SINTERSTORE', 'SUNIONSTORE', 'SDIFFSTORE']), key, *keys(rng)],
        lambda: sintercard(rng),
        lambda: sscan(rng, key),
        lambda: ['SPOP', key, rng.choice([0, -1, 'x', '', 10 ** 6, '1.5'])],
        lambda: ['SRANDMEMBER', key, rng.choice([0, 'x', '', 10 ** 6, -2 ** 63, 10 ** 20])],
        lambda: [rng.choice(['SPOP', 'SRANDMEMBER']), key, 1, 2],
        lambda: [rng.choice(['COPY', 'RENAME']), key, other],
        lambda: ['EXPIRE', key, 100000],
        lambda: rng.choice([['DEL', key], ['SET', 'string', 'x'], ['SADD'], ['SADD', key], ['SINTER'], ['SMOVE', key]]),
    ])()


class Sets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print(f'SEED={SEED} COMMANDS={COMMANDS}', flush=True)
        cls.redis = cls.enterClassContext(Server(REDIS)) if REDIS is not None else None
        cls.redoubt = cls.enterClassContext(Server(REDOUBT))

    def setUp(self):
        self.rng = random.Random(f'{SEED} {type(self).__name__}.{self._testMethodName}')

    def wire(self, resp=2):
        w = Wire(self.redoubt, resp)
        self.addCleanup(w.close)
        return w

    def compare(self, pair, requests):
        for words, (theirs, ours) in zip(requests, pair.pipeline(requests)):
            is_ordered = str(words[0]).upper() == 'SMISMEMBER'
            if theirs != ours and (is_ordered or self.in_order(theirs) != self.in_order(ours)):
                self.fail(f'SEED={SEED}: {streams.shown([str(w)[:80] for w in words])}\n'
                          f'Redis says {theirs[:500]!r}\nbut we say {ours[:500]!r}')

    def in_order(self, reply):
        content = value(reply)
        if isinstance(content, list) and len(content) == 2 and isinstance(content[1], list):
            content[1].sort()
        elif isinstance(content, list):
            content.sort(key=repr)
        return reply[:1], content

    def draw(self, pair):
        """Draw from our set, and take the same out of Redis's."""
        theirs, ours = pair.wires
        key, count = self.rng.choice(KEYS[:4]), self.rng.choice([None, 1, 2, 5, 30, 200])
        if ours.ask('TYPE', key) != b'set':
            return
        there = set(ours.ask('SMEMBERS', key))
        for name in ('SRANDMEMBER', 'SPOP'):
            drawn = ours.ask(name, key) if count is None else ours.ask(name, key, count)
            drawn = [drawn] if count is None else drawn
            self.assertEqual(len(drawn), min(count or 1, len(there)))
            self.assertEqual(len(set(drawn)), len(drawn))
            self.assertLessEqual(set(drawn), there)
        self.assertEqual(theirs.ask('SREM', key, *drawn), len(drawn))

    @unittest.skipIf(REDIS is None, 'there is no redis-server to compare with')
    def test_commands(self):
        for resp, ints, packed in ((2, 512, 128), (3, 512, 128), (2, 0, 0), (3, 5, 300)):
            pair = streams.Pair(self.redis, self.redoubt, resp)
            self.addCleanup(pair.close)
            for w in pair.wires:
                w.ask('FLUSHALL')
            pair.wires[1].ask('CONFIG', 'SET', 'set-max-intset-entries', ints, 'set-max-listpack-entries', packed)
            for _ in range(COMMANDS // 4 // BATCH):
                self.compare(pair, [command(self.rng) for _ in range(BATCH)])
                for _ in range(5):
                    self.draw(pair)
            self.compare(pair, [['SMEMBERS', k] for k in KEYS])

    def test_drawing_is_fair(self):
        """Each way of drawing, from each form: chi-square with 39 degrees of freedom passes 90 once in 150,000 times."""
        w = self.wire()
        w.ask('CONFIG', 'SET', 'set-max-intset-entries', 512, 'set-max-listpack-entries', 128)
        forms = {'ints': range(40), 'packed': [f'm{i}' for i in range(40)],
                 'table': [f'm{i:099}' for i in range(40)]}
        for form, content in forms.items():
            w.ask('DEL', form)
            w.ask('SADD', form, *content)
            for count in (None, -7, 3, 10, 30):
                seen = {}
                each = abs(count or 1)
                rounds = 8000 // each
                requests = [('SRANDMEMBER', form, *([] if count is None else [count]))] * rounds
                for reply in w.pipeline(requests):
                    drawn = value(reply)
                    for m in drawn if count is not None else [drawn]:
                        seen[m] = seen.get(m, 0) + 1
                mean = rounds * each / 40
                deviation = sum((seen.get(str(m).encode(), 0) - mean) ** 2 / mean for m in content)
                self.assertLess(deviation, 90, (form, count))

    def test_scan_misses_nothing(self):
        """What is in the set from the start to the end of a scan is returned, whatever comes and goes meanwhile."""
        w = self.wire()
        for _ in range(20):
            stay = {b's:%d' % i for i in range(self.rng.choice([50, 100, 600, 3000]))}
            w.ask('DEL', 'set')
            w.ask('SADD', 'set', *stay)
            found, cursor, passing = set(), b'0', []
            while True:
                cursor, part = w.ask('SSCAN', 'set', cursor, 'COUNT', self.rng.choice([1, 5, 10, 100]))
                found.update(part)
                if cursor == b'0':
                    break
                if self.rng.random() < 0.5 and len(passing) < 30000:
                    new = [b'p:%d' % self.rng.randrange(10 ** 9) for _ in range(self.rng.choice([10, 1000, 5000]))]
                    w.ask('SADD', 'set', *new)
                    passing += new
                elif passing:
                    some = self.rng.choice([len(passing), len(passing) // 2 + 1])
                    w.ask('SREM', 'set', *passing[:some])
                    del passing[:some]
            self.assertLessEqual(stay, found)

    def picture(self, w):
        """All that can be read, and the order in which packed forms hold their members."""
        content = [w.ask('DEBUG', 'DIGEST')]
        for key in KEYS:
            if w.ask('TYPE', key) == b'set':
                form, there = w.ask('OBJECT', 'ENCODING', key), w.ask('SMEMBERS', key)
                content.append((key, form, sorted(there) if form == b'hashtable' else there,
                                w.ask('PEXPIRETIME', key)))
        return content

    @unittest.skipUnless(IS_REDOUBT, 'MULTI ROLLBACK is ours')
    def test_rollback(self):
        w = self.wire()
        w.ask('FLUSHALL')
        for _ in range(200):
            w.pipeline([command(self.rng) for _ in range(6)])
            w.ask('CONFIG', 'SET', 'set-max-intset-entries', self.rng.choice([0, 3, 512]),
                  'set-max-listpack-entries', self.rng.choice([0, 5, 128]))
            before = self.picture(w)
            w.ask('MULTI', 'ROLLBACK')
            w.pipeline([command(self.rng) for _ in range(self.rng.randint(0, 9))])
            w.pipeline([['SPOP', self.rng.choice(KEYS), self.rng.randint(1, 300)] for _ in range(2)])
            w.pipeline([['SET', 'string', 'x'], ['INCR', 'string']])
            self.assertEqual(w.call('EXEC')[:1], b'-')
            self.assertEqual(self.picture(w), before)


if __name__ == '__main__':
    unittest.main()
