"""Random commands about streams (the type) to Debian's Redis and to us: the replies are the same bytes.

Ids are small numbers or lie far in the future, so that no clock shows. Left out: what 7.4 has and 7.0 has not ('+' of
XREAD, when consumers were active), consumers that only 7.4 creates (XCLAIM and XAUTOCLAIM that claim nothing), times,
and how many nodes Redis's radix tree has. SEED=n repeats a run, COMMANDS=n makes it longer or shorter.
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

STREAMS = ['a', 'b', 'c']
KEYS = [*STREAMS, *STREAMS, *STREAMS, 'string', 'none']  # 'far' only grows: its last id is in the future
FUTURE = 10 ** 16
BAD_IDS = ['', 'x', '-', '+', '1-x', '1-2-3', '(1', '(', '5-', '-5', '1--5', '+5', ' 5', '05-007', '1-1 ', '>', '$', '1-*',
           2 ** 64, f'{2 ** 64 - 1}-{2 ** 64 - 1}', f'0-{2 ** 64}', '9' * 130]
COUNTS = [1, 2, 3, 10, 100, 0, -1, -2 ** 63, 2 ** 63 - 1, 'x', '', 2 ** 64]


def an_id(rng, bad=0.03):
    if rng.random() < bad:
        return rng.choice(BAD_IDS)
    ms = rng.randint(0, 40)
    return ms if rng.random() < 0.4 else '%d-%d' % (ms, rng.randint(0, 5))


def new_id(rng):
    kind = rng.random()
    if kind < 0.25:
        return '%d-*' % rng.randint(0, 60)
    return an_id(rng) if kind < 0.8 else '%d-%d' % (rng.randint(10, 60), rng.randint(0, 9))


def bound(rng, open_end):
    return rng.choice([open_end, open_end, an_id(rng), an_id(rng), '(%s' % an_id(rng)])


def options(rng, chance, *words):
    chosen = [w if isinstance(w, list) else [w] for w in words if rng.random() < chance]
    return [word for group in chosen for word in group]


def text(rng):
    return rng.choice(['f', 'g', '', rng.randint(-300, 300), rng.randint(-10 ** 12, 10 ** 12), 'x' * rng.randint(1, 80), '007'])


def pairs(rng):
    if rng.random() < 0.6:
        return ['f', text(rng)]
    return [text(rng) for _ in range(2 * rng.randint(1, 3))]


def trim(rng):
    words = rng.choice([['MAXLEN'], ['MINID'], ['maxlen']])
    words += rng.choice([[], [], ['='], ['~']])
    words.append(an_id(rng, 0.1) if words[0] == 'MINID' else rng.choice([rng.randint(0, 30), rng.choice(COUNTS)]))
    return words + options(rng, 0.2, ['LIMIT', rng.choice([*COUNTS, 4, 7])])


def noise(rng, words):
    """Rarely, one word too many, too few, or another one."""
    kind = rng.random()
    if kind < 0.96 or len(words) < 3 or words[1] in ('far', 'kept') or words[0] == 'XSETID':
        return words
    at = rng.randrange(4 if words[0] == 'XREADGROUP' else 1, len(words))
    return words[:at] + (['what'] if kind < 0.98 else []) + words[at + (kind < 0.985):]


def entries_command(rng):
    key = rng.choice(KEYS)
    return noise(rng, rng.choice([
        lambda: ['XADD', key, *options(rng, 0.1, 'NOMKSTREAM'), *(trim(rng) if rng.random() < 0.1 else []), new_id(rng), *pairs(rng)],
        lambda: ['XADD', key, new_id(rng), *pairs(rng)],
        lambda: ['XADD', key, '%d-*' % rng.randint(0, 60), *pairs(rng)],
        lambda: ['XADD', 'far', *(trim(rng) if rng.random() < 0.1 else []), rng.choice(['*', '*', FUTURE + 1]), *pairs(rng)],
        lambda: ['XLEN', key],
        lambda: ['XRANGE', key, bound(rng, '-'), bound(rng, '+'), *options(rng, 0.3, ['COUNT', rng.choice(COUNTS)])],
        lambda: ['XREVRANGE', key, bound(rng, '+'), bound(rng, '-'), *options(rng, 0.3, ['COUNT', rng.choice(COUNTS)])],
        lambda: ['XDEL', key, *[an_id(rng) for _ in range(rng.randint(1, 4))]],
        lambda: ['XDEL', key, *[an_id(rng, 0) for _ in range(rng.randint(1, 8))]],
        lambda: ['XTRIM', key, *trim(rng)] if rng.random() < 0.5 else ['XLEN', key],
        lambda: setid(rng),
        lambda: ['XADD', 'kept', new_id(rng), *pairs(rng)],
        lambda: ['XTRIM', 'kept', *trim(rng)],
        lambda: rng.choice([['DEL', key], ['TYPE', key], ['OBJECT', 'ENCODING', key], ['SET', 'string', 'x'], ['EXPIRE', key, 10000],
                            ['COPY', key, rng.choice(STREAMS), 'REPLACE'], ['RENAME', rng.choice(STREAMS), rng.choice(STREAMS)]]),
    ])())


GROUPS = ['g', 'h', '']
CONSUMERS = ['alice', 'bob', '']


def group_commands(rng):
    """A command about groups; all consumers are there from the start: 7.0 makes one only when it has claimed something."""
    words = group_command(rng)
    if words[:2] in (['XGROUP', 'CREATE'], ['XGROUP', 'DELCONSUMER']) and len(words) > 3:
        return [words, *[['XGROUP', 'CREATECONSUMER', words[2], words[3], c] for c in CONSUMERS]]
    return [words]


def group_command(rng):
    key, group, consumer = rng.choice(KEYS), rng.choice(GROUPS), rng.choice(CONSUMERS)
    return rng.choice([
        lambda: entries_command(rng),
        lambda: ['XADD', key, new_id(rng), *pairs(rng)],
        lambda: ['XADD', key, '%d-*' % rng.randint(0, 60), *pairs(rng)],
        lambda: noise(rng, ['XGROUP', 'CREATE', key, group, rng.choice(['$', an_id(rng)]), *options(rng, 0.3, 'MKSTREAM'),
                            *options(rng, 0.2, ['ENTRIESREAD', rng.choice([*COUNTS, 5])])]),
        lambda: noise(rng, ['XGROUP', 'SETID', key, group, rng.choice(['$', '-', an_id(rng)]),
                            *options(rng, 0.2, ['ENTRIESREAD', rng.choice([*COUNTS, 5])])]),
        lambda: rng.choice([['XGROUP', 'DESTROY', key, group], ['XGROUP', 'DELCONSUMER', key, group, consumer],
                            ['XLEN', key], ['XLEN', key], ['XLEN', key]]),
        lambda: noise(rng, ['XGROUP', 'CREATECONSUMER', key, group, consumer]),
        lambda: noise(rng, ['XREADGROUP', 'GROUP', group, consumer, *options(rng, 0.3, ['COUNT', rng.choice(COUNTS)]),
                            *options(rng, 0.1, 'NOACK'), *options(rng, 0.05, ['BLOCK', rng.choice([-1, 'x', ''])]),
                            *at_keys(rng, '>', '>', '>', 0, '$' if rng.random() < 0.02 else '0-0')]),
        lambda: ['XREADGROUP', 'GROUP', group, consumer, 'COUNT', rng.randint(1, 5), 'STREAMS', key, '>'],
        lambda: noise(rng, ['XREAD', *options(rng, 0.3, ['COUNT', rng.choice(COUNTS)]), *options(rng, 0.01, 'NOACK', ['GROUP', 'g', 'alice']),
                            *at_keys(rng, 0, '$', '>' if rng.random() < 0.02 else '0-0')]),
        lambda: ['XACK', key, group, *[an_id(rng, 0.01) for _ in range(rng.randint(1, 4))]],
        lambda: noise(rng, ['XPENDING', key, group]),
        lambda: noise(rng, ['XPENDING', key, group, *options(rng, 0.1, ['IDLE', rng.choice([0, -1, 'x', 10 ** 9])]), bound(rng, '-'),
                            bound(rng, '+'), rng.choice(COUNTS), *options(rng, 0.3, consumer)]),
        lambda: ['XCLAIM', key, group, consumer, rng.choice([0, 0, 0, -1, 'x', 10 ** 9]), *[an_id(rng, 0.01) for _ in range(rng.randint(1, 4))],
                 *options(rng, 0.1, ['IDLE', rng.choice([5, -5, 'x'])], ['TIME', rng.choice([5, -5, 'x', 10 ** 15])],
                          ['RETRYCOUNT', rng.choice([*COUNTS, 7])], 'FORCE', 'JUSTID', ['LASTID', an_id(rng)], 'what')],
        lambda: ['XAUTOCLAIM', key, group, consumer, rng.choice([0, 0, 0, -1, 'x', 10 ** 9]), bound(rng, '-'),
                 *options(rng, 0.3, ['COUNT', rng.choice([1, 2, 3, 0, -1, 'x', 2 ** 63])], 'JUSTID')],
        lambda: ['XINFO', 'GROUPS', key],
        lambda: ['XINFO', 'STREAM', rng.choice(STREAMS)],
        lambda: ['XINFO', 'STREAM', key, *options(rng, 0.8, 'FULL'), *options(rng, 0.5, ['COUNT', rng.choice(COUNTS)])],
        lambda: ['XINFO', 'CONSUMERS', key, group],
    ])()


def at_keys(rng, *ids):
    keys = [rng.choice(KEYS) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    return ['STREAMS', *keys, *[rng.choice([*ids, an_id(rng, 0), rng.choice(['x', '-', '']) if rng.random() < 0.05 else 0]) for _ in keys]]


def setid(rng):
    """7.0 lets the last id become smaller than the largest deleted one: nothing is deleted from this stream."""
    last = rng.randint(10, 70) if rng.random() < 0.9 else rng.choice(['', 'x', '-', '(1', '1-*', '9' * 130])
    return ['XSETID', rng.choice(['kept', 'kept', 'kept', 'kept', 'text', 'absent']), last,
            *options(rng, 0.3, ['ENTRIESADDED', rng.choice([*COUNTS, 50])]),
            *options(rng, 0.3, ['MAXDELETEDID', rng.choice([rng.randint(0, 9), rng.choice(['', 'x', '-', '(1', '1-*', '9' * 130])])])]


def without_times(meaning):
    """A reply without what depends on clocks, and on what 7.0 does not have."""
    if isinstance(meaning, dict):
        meaning = [part for pair in meaning.items() for part in pair]
    if not isinstance(meaning, list):
        return meaning
    plain, at = [], 0
    while at < len(meaning):
        if meaning[at] in (b'inactive', b'active-time'):
            at += 2
        elif meaning[at] in (b'idle', b'seen-time', b'radix-tree-nodes'):
            plain.append(meaning[at])
            at += 2
        elif meaning[at] == b'pending' and at + 1 < len(meaning) and isinstance(meaning[at + 1], list):
            plain.append([item[:-2] + item[-1:] for item in meaning[at + 1]])
            at += 2
        else:
            plain.append(without_times(meaning[at]))
            at += 1
    return plain


UNBALANCED = b'-ERR Unbalanced XREAD list of streams'


def without(meaning, name):
    """The same lists of names and values without one of the names."""
    if not isinstance(meaning, list):
        return meaning
    while name in meaning:
        at = meaning.index(name)
        meaning = meaning[:at] + meaning[at + 2:]
    return [without(part, name) for part in meaning if part != b'radix-tree-nodes']


def same(words, theirs, ours):
    if theirs.startswith(UNBALANCED):  # 7.4 names the command
        return ours.startswith(b"-ERR Unbalanced '%s' list of streams" % words[0].lower().encode())
    if theirs == ours or theirs[:1] != ours[:1]:
        return theirs == ours
    if words[0] == 'XINFO':
        return without_times(value(theirs)) == without_times(value(ours))
    if words[0] == 'XPENDING' and theirs[:1] == b'*':
        theirs, ours = value(theirs), value(ours)
        return isinstance(theirs[0], list) and [[i[0], i[1], i[3]] for i in theirs] == [[i[0], i[1], i[3]] for i in ours]
    return False


class StreamType(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        print(f'SEED={SEED} COMMANDS={COMMANDS}', flush=True)
        cls.redis = cls.enterClassContext(Server(REDIS)) if REDIS is not None else None
        cls.redoubt = cls.enterClassContext(Server(REDOUBT))

    def setUp(self):
        self.rng = random.Random(f'{SEED} {type(self).__name__}.{self._testMethodName}')
        self.history = []

    def wire(self, resp=2):
        w = Wire(self.redoubt, resp)
        self.addCleanup(w.close)
        return w

    def compare(self, pair, requests):
        for words, (theirs, ours) in zip(requests, pair.pipeline(requests)):
            self.history.append(streams.shown([str(w)[:80] for w in words]))
            if not same(words, theirs, ours):
                self.fail(f'SEED={SEED}: after\n' + '\n'.join(self.history[-30:]) +
                          f'\nRedis says {theirs[:1500]!r}\nbut we say {ours[:1500]!r}')

    def run_streams(self, commands):
        if REDIS is None:
            self.skipTest('there is no redis-server to compare with')
        for resp, entries, size in ((2, 100, 4096), (3, 3, 4096), (2, 0, 200), (2, 5, 0)):
            pair = streams.Pair(self.redis, self.redoubt, resp)
            self.addCleanup(pair.close)
            for w in pair.wires:
                w.ask('FLUSHALL')
                w.ask('CONFIG', 'SET', 'stream-node-max-entries', entries, 'stream-node-max-bytes', size)
                w.ask('XADD', 'far', FUTURE, 'f', 'v')
                w.ask('SET', 'text', 'x')
            for _ in range(COMMANDS // 4 // BATCH):
                self.compare(pair, [words for _ in range(BATCH) for words in commands(self.rng)])

    def test_entries(self):
        """Dumps are compared as well: the blocks are the same to the byte."""
        self.run_streams(lambda rng: [entries_command(rng), *([['DUMP', rng.choice(KEYS)]] if rng.random() < 0.1 else [])])

    def test_groups(self):
        self.run_streams(group_commands)

    def restored(self, wire, dump):
        self.assertEqual(wire.ask('RESTORE', 'copy', 0, dump, 'REPLACE'), b'OK')
        return without(wire.ask('XINFO', 'STREAM', 'copy', 'FULL', 'COUNT', 0), b'active-time')

    def test_dumps(self):
        """What Redis dumps is the same here, and dumped again the same bytes; what we dump is the same there."""
        if REDIS is None:
            self.skipTest('there is no redis-server to compare with')
        pair = streams.Pair(self.redis, self.redoubt)
        self.addCleanup(pair.close)
        theirs, ours = pair.wires
        for w in (theirs, ours):
            w.ask('FLUSHALL')
            w.ask('CONFIG', 'SET', 'stream-node-max-entries', 20, 'stream-node-max-bytes', 1000)
        taken = 0
        for _ in range(300):
            for w in (theirs, ours):
                w.pipeline([words for _ in range(20) for words in group_commands(self.rng)])
            for key in STREAMS:
                dump = theirs.ask('DUMP', key) if theirs.ask('TYPE', key) == b'stream' else None
                if dump is not None:
                    self.assertEqual(self.restored(ours, dump), self.restored(theirs, dump))
                    self.assertEqual(ours.ask('DUMP', 'copy'), dump)
                dump = ours.ask('DUMP', key) if ours.ask('TYPE', key) == b'stream' else None
                if dump is not None:
                    self.restored(ours, dump)
                    self.assertEqual(ours.ask('DUMP', 'copy'), dump)
                if dump is not None and dump[0] == 19:
                    taken += 1
                    self.assertEqual(self.restored(theirs, dump), self.restored(ours, dump))
        self.assertGreater(taken, 5)

    def picture(self, w):
        content = [w.ask('DEBUG', 'DIGEST')]
        for key in [*STREAMS, 'string', 'none', 'far', 'kept', 'what']:
            if w.ask('TYPE', key) == b'stream':
                content.append((key, w.ask('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0), w.ask('DUMP', key)))
        return content

    @unittest.skipUnless(IS_REDOUBT, 'MULTI ROLLBACK is ours')
    def test_rollback(self):
        w = self.wire()
        w.ask('FLUSHALL')
        for _ in range(200):
            w.pipeline([words for _ in range(8) for words in group_commands(self.rng)])
            w.ask('CONFIG', 'SET', 'stream-node-max-entries', self.rng.choice([2, 5, 100]))
            before = self.picture(w)
            w.ask('MULTI', 'ROLLBACK')
            w.pipeline([words for _ in range(self.rng.randint(0, 9)) for words in group_commands(self.rng)])
            w.pipeline([['SET', 'text', 'x'], ['INCR', 'text']])
            self.assertEqual(w.call('EXEC')[:1], b'-')
            self.assertEqual(self.picture(w), before)


if __name__ == '__main__':
    unittest.main()
