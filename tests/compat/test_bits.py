"""Random commands on bitmaps to Debian's Redis and to us: the replies are the same bytes, and so are the strings.

Left out: wrong arguments together with missing keys or wrong types, since Redis 7.0 looks at the key first and 7.4 (and we) at the
arguments. SEED=n repeats a run, COMMANDS=n makes it longer or shorter.
"""
import os
import random
import unittest

import test_streams as streams
from servers import IS_REDOUBT, REDIS, REDOUBT, Server
from wire import Wire

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
COMMANDS = int(os.environ.get('COMMANDS', 30000))
BATCH = 50

TEXTS = ['a', 'b', 'c', 'd']
KEYS = [*TEXTS, *TEXTS, 'list', 'none']
LIMIT = 8 << 20  # proto-max-bulk-len of both, so that a bit far off costs little


def offset(rng):
    return rng.choice([rng.randint(0, 100), rng.randint(0, 3000), rng.randint(0, 100),
                       *([-1, 'x', '', LIMIT * 8, 2 ** 63, '01', '+1', ' 1', '#1'] if rng.random() < 0.1 else [7])])


def index(rng):
    return rng.choice([rng.randint(-20, 20), rng.randint(-3000, 3000), 0, -1, 2 ** 63 - 1, -2 ** 63])


def text(rng):
    kind = rng.random()
    length = rng.choice([0, 1, 7, 8, 9, 31, 44, 45, 128, 129, rng.randint(0, 700)])
    if kind < 0.2:
        return b'\xff' * length
    if kind < 0.4:
        return bytes(length)
    if kind < 0.5:
        return b'%d' % rng.randint(-10 ** 6, 10 ** 6)
    return rng.randbytes(length)


def a_range(rng):
    return [index(rng), index(rng), *rng.choice([[], ['BIT'], ['byte']])]


def operation(rng):
    count = rng.choice([1, 2, 3, 5, 20])
    name = rng.choice(['AND', 'or', 'XOR', 'NOT'] if count == 1 or rng.random() < 0.1 else ['AND', 'or', 'XOR'])
    return ['BITOP', name if rng.random() < 0.97 else 'what', rng.choice(KEYS), *[rng.choice(KEYS) for _ in range(count)]]


def number(rng):
    return rng.choice([rng.randint(-3, 3), rng.randint(-300, 300), rng.randint(-2 ** 63, 2 ** 63 - 1), 2 ** 63 - 1, -2 ** 63])


def field(rng):
    kind = rng.choice('ui') + str(rng.choice([1, 2, 5, 8, 16, 31, 32, 33, 63, 64, rng.randint(1, 63)]))
    if rng.random() < 0.02:
        kind = rng.choice(['u64', 'i65', 'x8', '', 'u', 'i0', 'u-1', 'I8', 'u08', 'i'])
    where = offset(rng) if rng.random() < 0.6 else '#%d' % rng.randint(-1 if rng.random() < 0.02 else 0, 40)
    return [kind, where]


def fields(rng, readonly=False):
    words = []
    for _ in range(rng.choice([1, 1, 2, 3, 6])):
        kind = rng.random()
        if kind < 0.3 or readonly and kind < 0.97:
            words += ['GET', *field(rng)]
        elif kind < 0.6:
            words += ['SET', *field(rng), number(rng)]
        elif kind < 0.8:
            words += ['incrby', *field(rng), number(rng)]
        else:
            words += ['OVERFLOW', rng.choice(['WRAP', 'sat', 'FAIL', 'what' if rng.random() < 0.05 else 'Sat'])]
    return words if rng.random() < 0.97 else words[:-1]


def command(rng):
    key = rng.choice(KEYS)
    return rng.choice([
        lambda: ['SETBIT', key, offset(rng), rng.choice([0, 1, 0, 1, 0, 1, 2, '', 'x'])],
        lambda: ['GETBIT', key, offset(rng)],
        lambda: ['BITCOUNT', key, *rng.choice([[], a_range(rng)])],
        lambda: ['BITPOS', key, rng.choice([0, 1]), *rng.choice([[], [index(rng)], a_range(rng)])],
        lambda: ['BITCOUNT', 'text', *rng.choice([['x', 0], [0], [0, 1, 'what'], [0, 1, 'BIT', 2]])],
        lambda: ['BITPOS', 'text', *rng.choice([['x'], [2], [1, 'x'], [1, 0, 'x'], [1, 0, 1, 'what'], [-1, 0, 'x', 'what']])],
        lambda: operation(rng),
        lambda: ['BITFIELD', key, *fields(rng)],
        lambda: ['BITFIELD', key, *fields(rng)],
        lambda: ['BITFIELD_RO', key, *fields(rng, True)],
        lambda: ['SET', rng.choice(TEXTS), text(rng)],
        lambda: ['EXPIRE', key, 100000],
        lambda: rng.choice([['PERSIST', key], ['DEL', rng.choice(TEXTS)]]),
        lambda: ['GET', rng.choice(TEXTS)],
        lambda: ['OBJECT', 'ENCODING', rng.choice(TEXTS)],
    ])()


class Bits(unittest.TestCase):
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
            for w in pair.wires:
                w.ask('FLUSHALL')
                w.ask('CONFIG', 'SET', 'proto-max-bulk-len', LIMIT)
                w.ask('RPUSH', 'list', 'x')
                w.ask('SET', 'text', 'foobar')
            for _ in range(COMMANDS // 2 // BATCH):
                requests = [command(self.rng) for _ in range(BATCH)] + [['GET', k] for k in TEXTS]
                for words, (theirs, ours) in zip(requests, pair.pipeline(requests)):
                    if theirs != ours:
                        before = '\n  '.join(str(r)[:200] for r in requests if words[-1] in r)
                        self.fail(f'SEED={SEED}: {streams.shown([str(w)[:80] for w in words])}\n'
                                  f'Redis says {theirs[:200]!r}\nbut we say {ours[:200]!r}\nafter\n  {before}')

    def test_later_operations(self):
        """BITOP's operations of Redis 8.2, against the definition."""
        w = self.wire()
        w.ask('FLUSHALL')
        results = {
            'DIFF': lambda x, rest: x & ~any_of(rest),
            'DIFF1': lambda x, rest: ~x & any_of(rest),
            'ANDOR': lambda x, rest: x & any_of(rest),
            'ONE': lambda x, rest: one_of([x, *rest]),
        }
        for _ in range(300):
            texts = [text(self.rng) for _ in range(self.rng.choice([2, 2, 3, 9]))]
            for i, t in enumerate(texts):
                w.ask('SET', f'source:{i}', t)
            longest = max(map(len, texts))
            numbers = [int.from_bytes(t.ljust(longest, b'\0'), 'big') for t in texts]
            for name, result in results.items():
                self.assertEqual(w.ask('BITOP', name, 'result', *[f'source:{i}' for i in range(len(texts))]), longest)
                self.assertEqual(w.ask('GET', 'result') or b'', result(numbers[0], numbers[1:]).to_bytes(longest, 'big'), name)
        for name in ('DIFF', 'diff1', 'AndOr'):
            self.assertEqual(w.call('BITOP', name, 'result', 'source:0'),
                             b'-ERR BITOP %s must be called with at least two source keys.\r\n' % name.upper().encode())

    @unittest.skipUnless(IS_REDOUBT, 'Redis 7.0 counts them')
    def test_what_does_not_change(self):
        """A write that changes nothing is none: as in Redis 7.4."""
        w = self.wire()
        w.ask('FLUSHALL')
        watcher = self.wire()
        for changes, words in ((1, ['SETBIT', 'k', 10, 0]), (0, ['SETBIT', 'k', 10, 0]), (1, ['SETBIT', 'k', 90, 0]),
                               (0, ['BITFIELD', 'k', 'SET', 'u8', 0, 0]), (0, ['BITFIELD', 'k', 'INCRBY', 'u8', 0, 0]),
                               (1, ['BITFIELD', 'k', 'SET', 'u8', 0, 9]), (1, ['BITFIELD', 'k', 'SET', 'u8', 100, 0]),
                               (1, ['BITFIELD', 'k', 'OVERFLOW', 'FAIL', 'SET', 'u8', 400, 999])):
            watcher.ask('WATCH', 'k')
            w.ask(*words)
            watcher.ask('MULTI')
            self.assertEqual(watcher.ask('EXEC') is None, changes == 1, words)

    @unittest.skipUnless(IS_REDOUBT, 'MULTI ROLLBACK is ours')
    def test_rollback(self):
        w = self.wire()
        w.ask('FLUSHALL')
        w.ask('RPUSH', 'list', 'x')
        for _ in range(300):
            w.pipeline([command(self.rng) for _ in range(8)])
            before = self.picture(w)
            w.ask('MULTI', 'ROLLBACK')
            w.pipeline([command(self.rng) for _ in range(self.rng.randint(0, 12))])
            w.pipeline([['SET', 'string', 'x'], ['INCR', 'string']])
            self.assertEqual(w.call('EXEC')[:1], b'-')
            self.assertEqual(self.picture(w), before)

    def picture(self, w):
        return [w.ask('DEBUG', 'DIGEST'), *w.pipeline([[*c, k] for k in TEXTS for c in
                                                       (['GET'], ['OBJECT', 'ENCODING'], ['PEXPIRETIME'])])]


def any_of(numbers):
    result = 0
    for n in numbers:
        result |= n
    return result


def one_of(numbers):
    once = twice = 0
    for n in numbers:
        twice |= once & n
        once |= n
    return once & ~twice


if __name__ == '__main__':
    unittest.main()
