"""The same random commands to Debian's Redis and to us: the replies are the same bytes.

SEED=n repeats a run, COMMANDS=n makes it longer or shorter. A difference shows the last commands of its stream.
"""
import os
import random
import re
import unittest

import generators as g
from servers import IS_REDOUBT, REDIS, REDOUBT, Server
from wire import Wire, value

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
COMMANDS = int(os.environ.get('COMMANDS', 30000))
BATCH = 100

# Where Redis 7.4, which we follow, answers otherwise than 7.0.15, which Debian has. Each row: a pattern of the
# request (words joined by spaces), a pattern of 7.0's reply, a pattern of ours, and why.
DIFFERENCES = [
    (rb'command getkeys', rb"-ERR wrong number of arguments for 'command\|getkeys", rb'-ERR ',
     'arity was too high by one: commands without arguments were refused before they were looked at'),
    (rb'object refcount', rb':1\r', rb':2147483647\r',
     'of small numbers: in Redis only those are shared that SET stored, here it is a formality'),
]

# Replies in which a clock shows, and how far apart two servers may be.
CLOCKS = {'ttl': 2, 'pttl': 3000, 'expiretime': 2, 'pexpiretime': 3000}


def shown(words):
    return ' '.join(w if isinstance(w, str) else repr(w)[2:-1] for w in words)


def is_known(words, theirs, ours):
    request = b' '.join(w if isinstance(w, bytes) else w.encode() for w in words)
    return any(re.match(asked, request, re.I | re.S) and re.match(old, theirs, re.S) and re.match(new, ours, re.S)
               for asked, old, new, _ in DIFFERENCES)


def same(words, theirs, ours):
    if theirs == ours:
        return True
    name = str(words[0]).lower()
    if name in CLOCKS and theirs[:1] == ours[:1] == b':':
        return min(value(theirs), value(ours)) >= 0 and abs(value(theirs) - value(ours)) <= CLOCKS[name]
    if name == 'keys' and theirs[:1] == ours[:1] == b'*':
        return sorted(value(theirs)) == sorted(value(ours))
    if theirs[:1] == ours[:1] and theirs[:1] in b'*%' and (name in ('scan', 'hello') or words == ['COMMAND']):
        return True  # test_scan compares whole iterations, test_command_info the commands
    return is_known(words, theirs, ours)


class Pair:
    """One connection to each server; says the same to both."""

    def __init__(self, redis, redoubt, resp=2):
        self.wires = [Wire(redis, resp), Wire(redoubt, resp)]

    def pipeline(self, requests):
        """The replies of both, in pairs."""
        return list(zip(*[w.pipeline(requests) for w in self.wires]))

    def close(self):
        for w in self.wires:
            w.close()


def keys_by_scan(wire, *options):
    found, cursor = set(), b'0'
    while True:
        cursor, keys = wire.ask('SCAN', cursor, *options)
        found.update(keys)
        if cursor == b'0':
            return found


def dataset(wire):
    """All that can be read, of all databases, deadlines to the nearest seconds aside."""
    content = {}
    for db in range(16):
        wire.ask('SELECT', db)
        for k in keys_by_scan(wire):
            content[db, k] = [value(r) for r in wire.pipeline(
                [('TYPE', k), ('GET', k), ('OBJECT', 'ENCODING', k), ('PEXPIRETIME', k)])]
    wire.ask('SELECT', 0)
    return content


class Streams(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if REDIS is None:
            raise unittest.SkipTest('there is no redis-server to compare with')
        print(f'SEED={SEED} COMMANDS={COMMANDS}', flush=True)
        quiet = {'slowlog-log-slower-than': -1}
        cls.redis = cls.enterClassContext(Server(REDIS, **quiet))
        cls.redoubt = cls.enterClassContext(Server(REDOUBT, **quiet))

    def setUp(self):
        self.rng = random.Random(f'{SEED} {type(self).__name__}.{self._testMethodName}')
        self.history = []
        self.flush()

    def flush(self):
        for server in (self.redis, self.redoubt):
            with Wire(server) as w:
                w.ask('FLUSHALL')

    def pair(self, resp=2):
        pair = Pair(self.redis, self.redoubt, resp)
        self.addCleanup(pair.close)
        return pair

    def compare(self, pair, requests, who=''):
        for words, (theirs, ours) in zip(requests, pair.pipeline(requests)):
            self.history.append(who + shown(words))
            if not same(words, theirs, ours):
                last = '\n  '.join(line[:300] for line in self.history[-15:])
                self.fail(f'SEED={SEED}: {shown(words)[:300]}\n'
                          f'Redis says {theirs[:500]!r}\nbut we say {ours[:500]!r}\nafter\n  {last}')

    def compare_datasets(self):
        """Both hold the same keys, values, encodings and deadlines."""
        theirs, ours = [], []
        for server, content in ((self.redis, theirs), (self.redoubt, ours)):
            with Wire(server) as w:
                content.append(dataset(w))
        theirs, ours = theirs[0], ours[0]
        self.assertEqual(sorted(theirs), sorted(ours), f'SEED={SEED}: the keys')
        for key, (*facts, due) in theirs.items():
            self.assertEqual(facts, ours[key][:-1], f'SEED={SEED}: {key}')
            self.assertAlmostEqual(due, ours[key][-1], delta=CLOCKS['pexpiretime'], msg=f'SEED={SEED}: {key}')

    def run_family(self, family, resp, count=COMMANDS // 6):
        pair = self.pair(resp)
        for done in range(0, count, BATCH):
            self.compare(pair, [g.noisy(self.rng, family(self.rng)) for _ in range(BATCH)])
            if done % (10 * BATCH) == 0:
                self.compare_datasets()
        self.compare_datasets()

    def test_all_families_mixed(self):
        mixed = list(g.FAMILIES.values())
        self.run_family(lambda rng: rng.choice(mixed)(rng), 2, COMMANDS)

    def test_transactions(self):
        """Two connections, request by request, so that one's writes meet the other's watches."""
        for resp in (2, 3):
            pairs = [self.pair(resp), self.pair(resp)]
            for _ in range(COMMANDS // 8):
                who = self.rng.randrange(2)
                self.compare(pairs[who], [self.transaction_step()], who=f'{who}> ')
            for pair in pairs:
                pair.close()
            self.compare_datasets()

    def transaction_step(self):
        rng = self.rng
        family = rng.choice([g.strings, g.counters, g.expiry, g.keyspace, g.errors])
        return rng.choice([
            lambda: ['MULTI', *rng.choice([[]] * 20 + [[b'x', b'y']])],
            lambda: ['EXEC'],
            lambda: ['EXEC'],
            lambda: ['WATCH', *[g.key(rng) for _ in range(rng.randint(1, 3))]],
            lambda: ['WATCH', g.key(rng)],
            lambda: rng.choice([['UNWATCH'], ['DISCARD'], ['RESET'] if self.can_reset else ['PING']]),
            lambda: ['SET', g.key(rng), b'%d' % rng.randint(0, 9)],
            lambda: ['INCR', g.key(rng)],
            lambda: exact(g.noisy(rng, family(rng))),
            lambda: exact(g.noisy(rng, family(rng))),
        ])()

    # RESET goes back to RESP2, which both do alike; the wires follow either.
    can_reset = True

    def test_scan(self):
        """The same keys come, whatever the cursors, with MATCH, COUNT and TYPE."""
        pair = self.pair()
        for size in (0, 5, 300, 4000):
            self.compare(pair, [['MSET', *[w for i in range(size) for w in (b'key:%d' % i, b'v')]]] if size else [])
            for options in ([], ['COUNT', '3'], ['COUNT', '100000'], ['MATCH', 'key:1*'], ['MATCH', 'key:7'],
                            ['MATCH', 'none'], ['TYPE', 'string', 'COUNT', '50'], ['TYPE', 'list', 'COUNT', '1000'],
                            ['MATCH', '*9', 'TYPE', 'string', 'COUNT', '500']):
                theirs, ours = [keys_by_scan(w, *options) for w in pair.wires]
                self.assertEqual(theirs, ours, options)

    def test_command_info(self):
        """What COMMAND INFO says of each command of these families: arity, flags, key positions, categories."""
        pair = self.pair()
        names = ('get set setnx setex psetex getset getdel getex mget mset msetnx append strlen getrange substr '
                 'setrange incr decr incrby decrby incrbyfloat lcs del unlink exists type rename renamenx copy move '
                 'touch keys randomkey scan expire pexpire expireat pexpireat ttl pttl expiretime pexpiretime persist '
                 'select swapdb dbsize flushdb flushall multi exec discard watch unwatch ping echo auth quit reset '
                 'hello time lolwut monitor').split()
        theirs, ours = [w.ask('COMMAND', 'INFO', *names) for w in pair.wires]
        if IS_REDOUBT:
            for name in ('multi', 'exec', 'unwatch'):  # ROLLBACK, conditions and keys are ours
                theirs[names.index(name)][1] = -1
        for a, b in zip(theirs, ours):
            with self.subTest(a[0]):
                self.assertEqual(a[:2] + [sorted(a[2])] + a[3:6] + [sorted(a[6])],
                                 b[:2] + [sorted(b[2])] + b[3:6] + [sorted(b[6])])


def exact(words):
    """Inside EXEC's array nothing can be compared loosely: what has to be, is left out."""
    loose = str(words[0]).lower() in (*CLOCKS, 'keys', 'scan', 'hello', 'command') or words[1:2] == ['REFCOUNT']
    return ['PING'] if loose else words


def add_family_tests():
    for name, family in g.FAMILIES.items():
        for resp in (2, 3):
            def test(self, family=family, resp=resp):
                self.run_family(family, resp)
            setattr(Streams, f'test_{name}_resp{resp}', test)


add_family_tests()
