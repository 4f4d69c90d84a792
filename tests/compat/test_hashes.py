"""Random hash commands to Debian's Redis and to us: the replies are the same bytes, but for the order of a table's fields.

What is drawn by chance is drawn here and taken out there. Left out: fields that expire, which Redis 7.0 has not.
SEED=n repeats a run, COMMANDS=n makes it longer or shorter.
"""
import os
import random
import unittest

import generators as g
import test_streams as streams
from servers import IS_REDOUBT, REDIS, REDOUBT, Server
from wire import Wire, value

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
COMMANDS = int(os.environ.get('COMMANDS', 20000))
BATCH = 50

HASHES = ['a', 'b', 'c', 'd']
KEYS = [*HASHES, 'string', 'none']
COUNTS = [0, 'x', '', '1.5', ' 1', -2 ** 63, 2 ** 63 - 1, 10 ** 20]


def field(rng):
    kind = rng.random()
    if kind < 0.4:
        return rng.choice([rng.randint(-3, 30), '007', -2 ** 63, 2 ** 63])
    if kind < 0.8:
        return 'field:%d' % rng.randint(0, 200)
    return rng.choice(['', 'f', 'n', b'bin\x00\r\n', 'x' * rng.randint(60, 70), 'x' * 300])


def content(rng):
    kind = rng.random()
    if kind < 0.6:
        return g.value(rng) if rng.random() < 0.5 else rng.randint(-100, 100)
    return rng.choice(['', 'v', '1.5', 'y' * rng.randint(60, 70), 'y' * rng.choice([250, 260, 20000])])


def fields(rng, most):
    return [field(rng) for _ in range(rng.randint(1, most))]


def pairs(rng, most):
    """Many only of distinct fields: the form that a new hash takes follows the number of pairs in 7.4, not yet in 7.0."""
    names = fields(rng, most)
    words = [word for f in (dict.fromkeys(names) if most > 8 else names) for word in (f, content(rng))]
    return words if rng.random() < 0.97 else words[:-1]


def increment(rng, name):
    if rng.random() < 0.5:
        return g.number(rng)
    return rng.randint(-100, 100) if name == 'HINCRBY' else '%.*f' % (rng.randint(0, 17), rng.uniform(-1000, 1000))


def hrandfield(rng, key):
    """Only what chance does not decide: no field, all fields, or a count that is refused."""
    bad = rng.choice([[]] * 5 + [['WITHVALUE'], ['WITHVALUES', 1]])
    return ['HRANDFIELD', key, rng.choice([*COUNTS, 10 ** 6]), *rng.choice([[], ['WITHVALUES'], ['withvalues'], bad])]


def hscan(rng, key):
    """With a COUNT that covers the whole hash: where a part ends is the server's choice."""
    match = rng.choice([[], ['MATCH', rng.choice(['1*', 'field:*', '*', '[a-f]', ''])]])
    bad = rng.choice([[]] * 9 + [['COUNT'], ['COUNT', 0], ['COUNT', 'x'], ['TYPE', 'hash'], ['MATCH']])
    return ['HSCAN', key, rng.choice([0] * 9 + ['x', '', 10 ** 20]), 'COUNT', 100000, *match, *bad]


def command(rng):
    key, other = rng.choice(KEYS), rng.choice(KEYS)
    return rng.choice([
        lambda: [rng.choice(['HSET', 'HMSET']), key, *pairs(rng, rng.choice([1, 3, 8]))],
        lambda: ['HSET', rng.choice(HASHES), *pairs(rng, 150)],
        lambda: ['HSET', key, field(rng), content(rng)],
        lambda: ['HSETNX', key, field(rng), content(rng)],
        lambda: ['HGET', key, field(rng)],
        lambda: ['HMGET', key, *fields(rng, 20)],
        lambda: ['HDEL', key, *fields(rng, rng.choice([1, 3, 80]))],
        lambda: [rng.choice(['HEXISTS', 'HSTRLEN']), key, field(rng)],
        lambda: [rng.choice(['HLEN', 'TYPE', 'EXISTS', 'PERSIST']), key],
        lambda: [rng.choice(['HGETALL', 'HKEYS', 'HVALS']), key],
        lambda: ['HINCRBY', key, rng.choice(['n', field(rng)]), increment(rng, 'HINCRBY')],
        lambda: ['HINCRBYFLOAT', key, rng.choice(['f', field(rng)]), increment(rng, 'HINCRBYFLOAT')],
        lambda: hrandfield(rng, key),
        lambda: hscan(rng, key),
        lambda: ['OBJECT', 'ENCODING', key],
        lambda: rng.choice([['COPY', key, other], ['RENAME', key, other], ['COPY', key, other, 'REPLACE']]),
        lambda: ['EXPIRE', key, 100000],
        lambda: ['SORT', key, *rng.choice([[], ['ALPHA']])],
        lambda: rng.choice([['DEL', key], ['SET', 'string', 'x'], ['HSET'], ['HSET', key], ['HSET', key, 'f'], ['HGET', key],
                            ['HDEL', key], ['HMGET', key], ['HSETNX', key, 'f'], ['HINCRBY', key, 'f'], ['HLEN', key, 'f']]),
    ])()


def without_order(words, reply):
    """Names and values of fields, paired where the command gives pairs."""
    content, name = value(reply), str(words[0]).upper()
    if name == 'HSCAN' and isinstance(content, list):
        cursor, words_found = content
        return reply[:1], cursor, sorted(zip(words_found[::2], words_found[1::2]))
    if name in ('HGETALL', 'HRANDFIELD') and isinstance(content, list):
        is_flat = content and not isinstance(content[0], list) and (name == 'HGETALL' or len(words) > 3)
        return reply[:1], len(content), sorted(zip(content[::2], content[1::2]) if is_flat else content)
    if name in ('HKEYS', 'HVALS') and isinstance(content, list):
        return reply[:1], sorted(content)
    return reply[:1], content


class Hashes(unittest.TestCase):
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
            if theirs != ours and without_order(words, theirs) != without_order(words, ours):
                self.fail(f'SEED={SEED}: {streams.shown([str(w)[:80] for w in words])}\n'
                          f'Redis says {theirs[:500]!r}\nbut we say {ours[:500]!r}')

    def draw(self, pair):
        """Draw from our hash, and take the same out of both."""
        theirs, ours = pair.wires
        key, count = self.rng.choice(HASHES), self.rng.choice([None, 1, 2, 5, 30, 200, -1, -40])
        if ours.ask('TYPE', key) != b'hash':
            return
        there = ours.ask('HGETALL', key)
        there = there if isinstance(there, dict) else dict(zip(there[::2], there[1::2]))
        drawn = ours.ask('HRANDFIELD', key) if count is None else ours.ask('HRANDFIELD', key, count)
        drawn = [drawn] if count is None else drawn
        self.assertEqual(len(drawn), -count if (count or 1) < 0 else min(count or 1, len(there)))
        if (count or 1) > 0:
            self.assertEqual(len(set(drawn)), len(drawn))
        self.assertLessEqual(set(drawn), set(there))
        for name, answer in (('HMGET', [there[f] for f in drawn]), ('HDEL', len(set(drawn)))):
            for w in (theirs, ours):
                self.assertEqual(w.ask(name, key, *drawn), answer)

    @unittest.skipIf(REDIS is None, 'there is no redis-server to compare with')
    def test_commands(self):
        for resp, entries, longest in ((2, 128, 64), (3, 128, 64), (2, 0, 64), (3, 20, 10000)):
            pair = streams.Pair(self.redis, self.redoubt, resp)
            self.addCleanup(pair.close)
            for w in pair.wires:
                w.ask('FLUSHALL')
                w.ask('CONFIG', 'SET', 'hash-max-listpack-entries', entries, 'hash-max-listpack-value', longest)
            for _ in range(COMMANDS // 4 // BATCH):
                self.compare(pair, [command(self.rng) for _ in range(BATCH)])
                for _ in range(3):
                    self.draw(pair)
                self.compare_packed(pair)

    def compare_packed(self, pair):
        """Packed hashes hold their fields in the same order."""
        for key in HASHES:
            if pair.wires[1].ask('OBJECT', 'ENCODING', key) == b'listpack':
                theirs, ours = [w.call('HGETALL', key) for w in pair.wires]
                self.assertEqual(theirs, ours, f'SEED={SEED}: {key}')

    def test_drawing_is_fair(self):
        """Each way of drawing, from each form: chi-square with 39 degrees of freedom passes 90 once in 150,000 times."""
        w = self.wire()
        w.ask('CONFIG', 'SET', 'hash-max-listpack-entries', 128, 'hash-max-listpack-value', 64)
        for form, names in (('packed', [b'f%d' % i for i in range(40)]), ('table', [b'f%099d' % i for i in range(40)])):
            w.ask('DEL', form)
            w.ask('HSET', form, *[word for f in names for word in (f, 'v')])
            for count in (None, -7, 3, 10, 30):
                seen, each = dict.fromkeys(names, 0), abs(count or 1)
                rounds = 8000 // each
                for reply in w.pipeline([('HRANDFIELD', form, *([] if count is None else [count]))] * rounds):
                    drawn = value(reply) if count is not None else [value(reply)]
                    self.assertEqual(len(drawn), each)
                    for f in drawn:
                        seen[f] += 1
                mean = rounds * each / 40
                self.assertLess(sum((n - mean) ** 2 / mean for n in seen.values()), 90, (form, count))

    def test_scan_misses_nothing(self):
        """What is there from the start to the end of a scan is returned, whatever comes and goes meanwhile."""
        w = self.wire()
        for _ in range(20):
            stay = {b's:%d' % i: b'%d' % i for i in range(self.rng.choice([50, 600, 3000]))}
            w.ask('DEL', 'h')
            w.ask('HSET', 'h', *[word for pair in stay.items() for word in pair])
            found, cursor, passing = {}, b'0', []
            while True:
                cursor, part = w.ask('HSCAN', 'h', cursor, 'COUNT', self.rng.choice([1, 10, 100]))
                found.update(zip(part[::2], part[1::2]))
                if cursor == b'0':
                    break
                if self.rng.random() < 0.5 and len(passing) < 30000:
                    new = [b'p:%d' % self.rng.randrange(10 ** 9) for _ in range(self.rng.choice([10, 1000, 5000]))]
                    w.ask('HSET', 'h', *[word for f in new for word in (f, 'v')])
                    passing += new
                elif passing:
                    w.ask('HDEL', 'h', *passing)
                    passing.clear()
            self.assertLessEqual(stay.items(), found.items())

    def picture(self, w):
        """All that can be read, and the order in which packed forms hold their fields."""
        content = [w.ask('DEBUG', 'DIGEST')]
        for key in HASHES:
            if w.ask('TYPE', key) == b'hash':
                form, there = w.ask('OBJECT', 'ENCODING', key), w.ask('HGETALL', key)
                there = sorted(zip(there[::2], there[1::2])) if form == b'hashtable' else there
                times = w.ask('HPEXPIRETIME', key, 'FIELDS', 31, *range(-3, 28))
                content.append((key, form, there, times, w.ask('PEXPIRETIME', key)))
        return content

    def lasting(self):
        """What gives fields a deadline, far off, or takes it."""
        rng, key = self.rng, self.rng.choice(HASHES)
        some = [rng.randint(-3, 27) for _ in range(rng.randint(1, 9))]
        return rng.choice([
            ['HPEXPIRE', key, rng.randint(10 ** 8, 10 ** 9), *rng.choice([[], ['NX'], ['GT']]), 'FIELDS', len(some), *some],
            ['HPERSIST', key, 'FIELDS', len(some), *some],
            ['HEXPIREAT', key, 1, 'FIELDS', len(some), *some],
            ['HGETDEL', key, 'FIELDS', len(some), *some],
            ['HGETEX', key, 'EX', rng.randint(10 ** 5, 10 ** 6), 'FIELDS', len(some), *some],
            ['HSETEX', key, *rng.choice([['KEEPTTL'], ['PX', 10 ** 8], []]), 'FIELDS', len(some),
             *[word for f in some for word in (f, 'v')]],
        ])

    @unittest.skipUnless(IS_REDOUBT, 'MULTI ROLLBACK is ours')
    def test_rollback(self):
        w = self.wire()
        w.ask('FLUSHALL')
        for _ in range(200):
            w.pipeline([self.rng.choice([command(self.rng), self.lasting()]) for _ in range(8)])
            w.ask('CONFIG', 'SET', 'hash-max-listpack-entries', self.rng.choice([0, 5, 128]))
            before = self.picture(w)
            w.ask('MULTI', 'ROLLBACK')
            w.pipeline([self.rng.choice([command(self.rng), self.lasting()]) for _ in range(self.rng.randint(0, 12))])
            w.pipeline([['SET', 'string', 'x'], ['INCR', 'string']])
            self.assertEqual(w.call('EXEC')[:1], b'-')
            self.assertEqual(self.picture(w), before, f'SEED={SEED}')


if __name__ == '__main__':
    unittest.main()
