"""HyperLogLogs beside Debian's Redis: the same replies, and the same bytes in the values, cached counts included.

Values go over from each server to the other and stay the same; corrupt ones get the same errors, but for PFADD of several elements,
of which Redis keeps those before the error. SEED=n repeats a run, COMMANDS=n makes
it longer or shorter.
"""
import os
import random
import unittest

import test_streams as streams
from servers import IS_REDOUBT, REDIS, REDOUBT, Server
from wire import Wire

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
COMMANDS = int(os.environ.get('COMMANDS', 12000))
BATCH = 30

VALUES = ['a', 'b', 'c', 'd']
KEYS = [*VALUES, *VALUES, 'list', 'text', 'none']


def element(rng):
    kind = rng.random()
    if kind < 0.6:
        return rng.randint(0, 5000)
    if kind < 0.8:
        return 'e:%d' % rng.randrange(10 ** 9)
    return rng.randbytes(rng.randint(0, 40))


def elements(rng):
    return [element(rng) for _ in range(rng.choice([0, 1, 1, 1, 3, 10, rng.randint(0, 300)]))]


def command(rng):
    key = rng.choice(KEYS)
    return rng.choice([
        lambda: ['PFADD', key, *elements(rng)],
        lambda: ['PFADD', key, *elements(rng)],
        lambda: ['PFADD', key, element(rng)],
        lambda: ['PFCOUNT', key],
        lambda: ['PFCOUNT', *[rng.choice(KEYS) for _ in range(rng.randint(1, 4))]],
        lambda: ['PFMERGE', *[rng.choice(KEYS) for _ in range(rng.randint(1, 4))]],
        lambda: ['PFDEBUG', rng.choice(['ENCODING', 'decode', 'GETREG', 'what', 'TODENSE'] if rng.random() < 0.1
                                       else ['ENCODING', 'decode']), key],
        lambda: ['DEL', rng.choice(VALUES)] if rng.random() < 0.4 else ['EXPIRE', key, 100000],
        lambda: ['COPY', rng.choice(VALUES), rng.choice(VALUES), 'REPLACE'],
        lambda: ['STRLEN', rng.choice(VALUES)],
        lambda: ['OBJECT', 'ENCODING', rng.choice(VALUES)],
        lambda: ['CONFIG', 'SET', 'hll-sparse-max-bytes', rng.choice([0, 30, 200, 1000, 3000, 3000, 20000])],
    ])()


def mutate(rng, value):
    value = bytearray(value)
    for _ in range(rng.choice([1, 1, 2, 5])):
        value[rng.choice([rng.randrange(len(value)), rng.randrange(min(len(value), 30)), len(value) - 1])] = rng.randrange(256)
    return bytes(value if rng.random() < 0.8 else value[:rng.randint(0, len(value))])


def ends_in_a_run(value):
    """Redis reads, and may write, a byte behind the end of a value whose last run lacks its second one: here that is corrupt."""
    if value[:5] != b'HYLL\x01' or len(value) < 16:
        return True
    at = 16
    while at < len(value):
        at += 2 if value[at] & 0xc0 == 0x40 else 1
    return at == len(value)


class HyperLogLogs(unittest.TestCase):
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

    def prepare(self, w):
        w.ask('FLUSHALL')
        w.ask('RPUSH', 'list', 'x')
        w.ask('SET', 'text', 'HYLL, but nothing of that kind')
        w.ask('CONFIG', 'SET', 'hll-sparse-max-bytes', 3000)

    def pair(self, resp=2):
        pair = streams.Pair(self.redis, self.redoubt, resp)
        self.addCleanup(pair.close)
        for w in pair.wires:
            self.prepare(w)
        return pair

    def compare(self, pair, requests):
        for words, (theirs, ours) in zip(requests, pair.pipeline(requests)):
            if theirs != ours:
                self.fail(f'SEED={SEED}: {streams.shown([str(w)[:80] for w in words])}\n'
                          f'Redis says {theirs[:500]!r}\nbut we say {ours[:500]!r}')

    @unittest.skipIf(REDIS is None, 'there is no redis-server to compare with')
    def test_commands(self):
        for resp in (2, 3):
            pair = self.pair(resp)
            for _ in range(COMMANDS // 2 // BATCH):
                self.compare(pair, [command(self.rng) for _ in range(BATCH)] + [['GET', k] for k in VALUES])

    @unittest.skipIf(REDIS is None, 'there is no redis-server to compare with')
    def test_many_elements(self):
        """From one element to a hundred thousand, at each size."""
        pair = self.pair()
        for done in range(0, 100000, 500):
            self.compare(pair, [['PFADD', 'a', *range(done, done + 500)], ['PFCOUNT', 'a'], ['GET', 'a']])

    @unittest.skipIf(REDIS is None, 'there is no redis-server to compare with')
    def test_values_go_over(self):
        """What one server made, the other goes on with."""
        pair = self.pair()
        here, there = pair.wires
        for _ in range(200):
            value = here.ask('GET', 'a')
            there.ask('DEL', 'a') if value is None else there.ask('SET', 'a', value)
            there.ask('PFADD', 'a', *elements(self.rng))
            if self.rng.random() < 0.5:
                there.ask('PFCOUNT', 'a')
            value = there.ask('GET', 'a')
            here.ask('SET', 'a', value)
            self.compare(pair, [['PFCOUNT', 'a'], ['GET', 'a'], ['PFADD', 'a', element(self.rng)], ['GET', 'a']])
            if self.rng.random() < 0.02:
                here.ask('DEL', 'a')
            here, there = there, here

    @unittest.skipIf(REDIS is None, 'there is no redis-server to compare with')
    def test_corrupt_values(self):
        pair = self.pair()
        for _ in range(1500):
            w = pair.wires[0]
            w.ask('DEL', 'a')
            w.ask('PFADD', 'a', *[element(self.rng) for _ in range(self.rng.choice([0, 5, 30, 30, 100, 3000]))])
            if self.rng.random() < 0.5:
                w.ask('PFCOUNT', 'a')
            value = mutate(self.rng, w.ask('GET', 'a'))
            if not ends_in_a_run(value):
                continue
            requests = [['PFCOUNT', 'a'], ['PFCOUNT', 'a', 'b'], ['PFADD', 'a', element(self.rng)], ['PFMERGE', 'b', 'a'],
                        ['PFMERGE', 'a', 'b'], ['PFADD', 'a'], ['PFDEBUG', 'ENCODING', 'a'], ['PFDEBUG', 'TODENSE', 'a']]
            self.compare(pair, [['SET', 'a', value], ['DEL', 'b'], *self.rng.sample(requests, 4), ['GET', 'a'], ['GET', 'b']])

    @unittest.skipUnless(IS_REDOUBT, 'MULTI ROLLBACK is ours')
    def test_rollback(self):
        w = self.wire()
        self.prepare(w)
        for _ in range(200):
            w.pipeline([command(self.rng) for _ in range(8)])
            before = self.picture(w)
            w.ask('MULTI', 'ROLLBACK')
            w.pipeline([command(self.rng) for _ in range(self.rng.randint(0, 12))])
            w.pipeline([['SET', 'string', 'x'], ['INCR', 'string']])
            self.assertEqual(w.call('EXEC')[:1], b'-')
            self.assertEqual(self.picture(w), before)

    def picture(self, w):
        return [w.ask('DEBUG', 'DIGEST'), *w.pipeline([[*c, k] for k in VALUES for c in
                                                       (['GET'], ['OBJECT', 'ENCODING'], ['PEXPIRETIME'])])]

    def test_self_test(self):
        self.assertEqual(self.wire().call('PFSELFTEST'), b'+OK\r\n')


if __name__ == '__main__':
    unittest.main()
