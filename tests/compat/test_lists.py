"""Random list commands and SORTs to Debian's Redis and to us: the replies are the same bytes.

SEED=n repeats a run, COMMANDS=n makes it longer or shorter.
"""
import os
import random
import shutil
import subprocess
import tempfile
import unittest
import unittest.mock

import servers
from servers import IS_REDOUBT, REDIS, REDOUBT, Server
from wire import Wire

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
COMMANDS = int(os.environ.get('COMMANDS', 20000))
BATCH = 50

KEYS = [b'a', b'b', b'c', b'd', b'string', b'none']
EDGES = [127, 128, -4096, -4097, 4095, 4096, 32767, 32768, -32769, 8388607, 8388608, 2 ** 31, -2 ** 31 - 1,
         2 ** 63 - 1, -2 ** 63, 2 ** 63, '007', '-0', '1.5', '']


def element(rng):
    kind = rng.random()
    if kind < 0.3:
        return rng.randint(-3, 5)
    if kind < 0.5:
        return rng.choice(EDGES)
    if kind < 0.53:
        return b'x' * rng.randint(60, 9000)
    return b'element %d' % rng.randint(0, 9)


def index(rng):
    return rng.choice([0, 1, -1, -2, 100, -100, rng.randint(-30, 30), rng.randint(-300, 300), 'a', 2 ** 63])


def end(rng):
    return rng.choice(['LEFT', 'RIGHT'] * 9 + ['right', 'up'])


def lpos(rng, key):
    words = ['LPOS', key, element(rng)]
    for option, low, high in (('RANK', -3, 3), ('COUNT', -1, 5), ('MAXLEN', -1, 9)):
        if rng.random() < 0.4:
            words += [option, rng.randint(low, high)]
    return words + rng.choice([[]] * 9 + [['RANK']])


def lmpop(rng, key):
    words = ['LMPOP', rng.choice([2] * 9 + [0, 3, 'x']), key, rng.choice(KEYS), end(rng)]
    return words + rng.choice([[], ['COUNT', rng.randint(0, 5)]])


def command(rng):
    key, other = rng.choice(KEYS), rng.choice(KEYS)
    return rng.choice([
        lambda: [rng.choice(['LPUSH', 'RPUSH']), key, *[element(rng) for _ in range(rng.choice([1, 2, 5, 30]))]],
        lambda: [rng.choice(['LPUSH', 'RPUSH', 'LPUSHX', 'RPUSHX']), key, element(rng)],
        lambda: [rng.choice(['LPOP', 'RPOP']), key],
        lambda: [rng.choice(['LPOP', 'RPOP']), key, rng.choice([0, 1, 2, 5, 20, -1, 'x'])],
        lambda: [rng.choice(['LLEN', 'TYPE']), key],
        lambda: ['LRANGE', key, index(rng), index(rng)],
        lambda: ['LRANGE', key, 0, -1],
        lambda: ['LINDEX', key, index(rng)],
        lambda: ['LSET', key, index(rng), element(rng)],
        lambda: ['LINSERT', key, rng.choice(['BEFORE', 'after'] * 9 + ['at']), element(rng), element(rng)],
        lambda: ['LREM', key, rng.randint(-3, 3), element(rng)],
        lambda: ['LTRIM', key, rng.randint(0, 3), -rng.randint(1, 4)],
        lambda: lpos(rng, key),
        lambda: lmpop(rng, key),
        lambda: ['LMOVE', key, other, end(rng), end(rng)],
        lambda: ['RPOPLPUSH', key, other],
        lambda: ['COPY', key, other, 'REPLACE'] if b'string' not in (key, other) else ['PING'],
    ])()


PATTERNS = [b'weight:*', b'hash:*->field', b'hash:*->', b'*', b'#', b'none', b'x*y', b'hash:*->a->b', b'->*->field']
TEXTS = ['1.5', '2e1', 'aa', 'ab', '', ' 3', '3 ', 'inf', '-inf', 'nan', '0x10', 'v\x01']


def dataset(rng):
    """Values to sort, with what patterns find. Half of the time all of them are numbers."""
    pool = [*range(-5, 30)] + (TEXTS if rng.random() < 0.5 else [])
    weights = [*range(-5, 30)] + (TEXTS if rng.random() < 0.3 else [])
    requests = [['FLUSHALL'], ['SET', 'string', 'x'], ['SADD', 'set', *[rng.randint(-50, 50) for _ in range(20)]],
                ['RPUSH', 'a', *rng.choices(pool, k=30)], ['RPUSH', 'b', *rng.choices(pool, k=rng.randint(1, 9))],
                ['ZADD', 'zset', *[w for m in rng.sample(pool, 15) for w in (rng.randint(-3, 3), m)]]]
    for v in pool:
        if rng.random() < 0.8:
            requests.append(['SET', f'weight:{v}', rng.choice(weights)])
            requests.append(['HSET', f'hash:{v}', 'field', rng.choice(weights), 'a->b', rng.choice(weights)])
    return requests


def sort(rng):
    """No SORT whose result depends on how equal elements are ordered."""
    options = [['GET', rng.choice(PATTERNS)] for _ in range(rng.choice([0, 0, 1, 2]))]
    if rng.random() < 0.5:
        options.append(['BY', rng.choice(PATTERNS)])
    elif rng.random() < 0.5:
        options.append(['ALPHA'])
    if rng.random() < 0.4:
        options.append(['LIMIT', rng.randint(-2, 12), rng.randint(-2, 20)])
    options.append([rng.choice(['ASC', 'DESC'])])
    store = rng.random() < 0.3
    if store:
        options.append(['STORE', rng.choice(['a', 'stored'])])
    rng.shuffle(options)
    name = 'SORT_RO' if rng.random() < 0.2 else 'SORT'
    words = [name, rng.choice(['a', 'b', 'set', 'zset', 'string', 'none', 'stored'])]
    return words + [w for option in options for w in option] + rng.choice([[]] * 30 + [['LIMIT'], ['BY'], ['what']])


class Lists(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if REDIS is None:
            raise unittest.SkipTest('there is no redis-server to compare with')
        print(f'SEED={SEED} COMMANDS={COMMANDS}', flush=True)
        cls.redis = cls.enterClassContext(Server(REDIS))
        cls.redoubt = cls.enterClassContext(Server(REDOUBT, **{'enable-debug-command': 'yes'}))

    def setUp(self):
        self.rng = random.Random(f'{SEED} {type(self).__name__}.{self._testMethodName}')

    def pair(self):
        """A connection to each server, of the same protocol."""
        resp = self.rng.choice([2, 3])
        wires = [Wire(server, resp) for server in (self.redis, self.redoubt)]
        for wire in wires:
            self.addCleanup(wire.close)
        return wires

    def compare(self, pair, requests):
        for words, theirs, ours in zip(requests, *[wire.pipeline(requests) for wire in pair]):
            if theirs != ours:
                self.fail(f'SEED={SEED}: {" ".join(str(w)[:80] for w in words)}\n'
                          f'Redis says {theirs[:500]!r}\nbut we say {ours[:500]!r}')

    def test_commands(self):
        for size, depth in ((-2, 0), (-1, 1), (1, 0), (3, 2), (16, 1), (128, 0), (-5, 0)):
            with Wire(self.redis) as a, Wire(self.redoubt) as b:
                for w in (a, b):
                    w.ask('FLUSHALL')
                    w.ask('CONFIG', 'SET', 'list-max-listpack-size', size, 'list-compress-depth', depth)
                    w.ask('SET', 'string', 'x')
            pair = self.pair()
            for _ in range(0, COMMANDS // 7, BATCH):
                self.compare(pair, [command(self.rng) for _ in range(BATCH)])

    def test_sort(self):
        pair = self.pair()
        for _ in range(0, COMMANDS // 4, BATCH):
            self.compare(pair, dataset(self.rng))
            self.compare(pair, [words for _ in range(BATCH) for words in (
                sort(self.rng), ['LRANGE', 'a', 0, -1], ['LRANGE', 'stored', 0, -1])])

    def test_sort_in_a_locale(self):
        """ALPHA goes by the order of the locale that the server was started in; what is stored, by the bytes."""
        texts = ['apple', 'Apple', 'banana', 'Äpfel', 'zebra', 'Zebra', 'éclair', 'eclair', 'a-b', 'ab', '', '10', '9', 'ß', 'ss']
        with tempfile.TemporaryDirectory() as folder:
            if shutil.which('localedef') is None or subprocess.run(
                    ['localedef', '-i', 'en_US', '-f', 'UTF-8', folder + '/en_US.UTF-8'], capture_output=True).returncode:
                self.skipTest('no locale can be made here')
            with unittest.mock.patch.dict(servers.ENVIRONMENT, {'LOCPATH': folder, 'LC_ALL': 'en_US.UTF-8'}), \
                    Server(REDIS) as redis, Server(REDOUBT) as redoubt, Wire(redis) as a, Wire(redoubt) as b:
                self.compare((a, b), [['RPUSH', 'a', *texts], ['SADD', 's', *texts], ['MSET', *[
                    w for text in texts for w in ('w:' + text, text[::-1])]]])
                for words in ([], ['DESC'], ['BY', 'w:*'], ['LIMIT', 2, 5], ['STORE', 'stored'], ['BY', 'w:*', 'STORE', 'stored']):
                    self.compare((a, b), [['SORT', 'a', 'ALPHA', *words], ['SORT', 's', 'ALPHA', *words],
                                          ['LRANGE', 'stored', 0, -1]])
                self.assertNotEqual(b.ask('SORT', 'a', 'ALPHA'), sorted(t.encode() for t in texts))
                if IS_REDOUBT:  # the directive came with 7.2
                    self.assertEqual(b.ask('CONFIG', 'SET', 'locale-collate', 'C'), b'OK')
                    self.assertEqual(b.ask('SORT', 'a', 'ALPHA'), sorted(t.encode() for t in texts))
                    self.assertIn('Invalid locale name', str(b.ask('CONFIG', 'SET', 'locale-collate', 'nowhere')))
                    self.assertEqual(b.ask('CONFIG', 'GET', 'locale-collate'), [b'locale-collate', b'C'])

    @unittest.skipUnless(IS_REDOUBT, 'MULTI ROLLBACK is ours')
    def test_rollback(self):
        """A transaction that fails leaves no trace, in whatever form the lists are."""
        with Wire(self.redoubt) as w:
            def state():
                return [w.ask('DEBUG', 'DIGEST'), *[w.ask('OBJECT', 'ENCODING', k) for k in KEYS]]

            w.ask('FLUSHALL')
            w.ask('SET', 'string', 'x')
            for i in range(COMMANDS // 40):
                if i % 50 == 0:
                    w.ask('CONFIG', 'SET', 'list-max-listpack-size', self.rng.choice([-2, -1, 1, 3, 16]),
                          'list-compress-depth', self.rng.randint(0, 2))
                before = state()
                some = [command(self.rng) for _ in range(self.rng.randint(1, 25))]
                w.pipeline([['MULTI', 'ROLLBACK'], *some, *self.rng.choice([[], [['LPUSH', 'string', 'x']]])])
                if not isinstance(w.ask('EXEC'), list):
                    self.assertEqual(state(), before, f'SEED={SEED}: {some}')


if __name__ == '__main__':
    unittest.main()
