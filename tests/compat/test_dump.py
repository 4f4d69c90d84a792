"""DUMP and RESTORE beside Debian's Redis: what one dumps the other restores, and both say the same of what is wrong."""
import os
import random
import shutil
import time
import unittest

import payloads
from servers import REDIS, Server
from wire import Error, Wire

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
VALUES = int(os.environ.get('VALUES', 600))
# Redis 7.0 packs neither lists (as a whole) nor sets; later ones and we do.
PACKED_LATER = {b'quicklist': b'listpack', b'hashtable': b'listpack'}


def text(rng):
    kind = rng.random()
    if kind < 0.3:
        return b'%d' % rng.choice([rng.randint(-3, 20), rng.randint(-2 ** 15, 2 ** 15), rng.randint(-2 ** 31, 2 ** 31),
                                   rng.randint(-2 ** 63, 2 ** 63 - 1)])
    if kind < 0.4:
        return rng.choice([b'', b'007', b'-0', b'+1', b' 1', b'1.5', b'inf', b'9223372036854775808', b'\x00\xff\r\n'])
    if kind < 0.5:
        return rng.choice([b'ab', b'x', b'\x00']) * rng.choice([20, 30, 60, 63, 64, 65, 70, 3000])
    return bytes(rng.randrange(256) for _ in range(rng.randint(1, rng.choice([4, 30, 80]))))


def texts(rng, most):
    return [text(rng) for _ in range(rng.randint(1, rng.choice([2, 20, most])))]


WHOLE = [b'inf', b'-inf', b'0', b'-7', b'3', b'90', b'%d' % 2 ** 40, b'-%d' % 2 ** 50]
# 7.0 packs these with 17 digits, 7.4 and we with as few as tell the number.
BROKEN = [b'0.1', b'-8.3', b'1e300', b'-5e-324', b'3.0000000001']


def value_commands(rng, key, scores=WHOLE + BROKEN):
    """What makes a random value under the key."""
    kind = rng.choice(['string', 'list', 'set', 'ints', 'zset', 'hash'])
    if kind == 'string':
        return [['SET', key, text(rng) * rng.choice([1, 1, 1, 100])]]
    if kind == 'list':
        return [['RPUSH', key, *texts(rng, 300)]]
    if kind == 'set':
        return [['SADD', key, *texts(rng, 300)]]
    if kind == 'ints':
        width = rng.choice([7, 15, 31, 63])
        return [['SADD', key, *(rng.randint(-2 ** width, 2 ** width - 1) for _ in range(rng.choice([1, 20, 500])))]]
    if kind == 'zset':
        return [['ZADD', key, *(w for m in texts(rng, 300) for w in (rng.choice(scores), m))]]
    return [['HSET', key, *(w for f in texts(rng, 300) for w in (f, text(rng)))]]


PICTURES = {b'string': lambda w, k: w.ask('GET', k), b'list': lambda w, k: w.ask('LRANGE', k, 0, -1),
            b'set': lambda w, k: sorted(w.ask('SMEMBERS', k)),
            b'zset': lambda w, k: [(m, float(s)) for m, s in pairs(w.ask('ZRANGE', k, 0, -1, 'WITHSCORES'))],
            b'hash': lambda w, k: sorted(pairs(w.ask('HGETALL', k)))}


def pairs(flat):
    return list(zip(flat[::2], flat[1::2]))


def picture(wire, key):
    kind = wire.ask('TYPE', key)
    return kind, PICTURES[kind](wire, key)


@unittest.skipUnless(REDIS, 'redis-server is not there')
class Dump(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = [Server().start(), Server(binary=REDIS).start()]

    @classmethod
    def tearDownClass(cls):
        for server in cls.servers:
            server.__exit__(None, None, None)

    def setUp(self):
        self.ours, self.redis = self.both = [Wire(server) for server in self.servers]
        for wire in self.both:
            wire.call('FLUSHALL')
            wire.call('CONFIG', 'SET', 'rdbcompression', 'yes')

    def tearDown(self):
        for wire in self.both:
            wire.close()

    def same(self, *request):
        ours, redis = (wire.call(*request) for wire in self.both)
        self.assertEqual(ours, redis, request)
        return redis

    def test_values_go_both_ways(self):
        rng = random.Random(SEED)
        for i in range(VALUES):
            for request in value_commands(rng, 'key'):
                for wire in self.both:
                    self.assertNotIsInstance(wire.ask(*request), Error)
            for here, there in (self.both, self.both[::-1]):
                payload = here.ask('DUMP', 'key')
                self.assertEqual(there.call('RESTORE', 'copy', 0, payload), b'+OK\r\n', (SEED, i, request))
                self.assertEqual(picture(there, 'copy'), picture(here, 'key'), (SEED, i))
                there.call('RENAME', 'copy', 'from')
            encodings = [wire.ask('OBJECT', 'ENCODING', 'from') for wire in self.both]
            if encodings[0] != encodings[1]:
                self.assertEqual(PACKED_LATER.get(encodings[1]), encodings[0], (SEED, i, request))
            for wire in self.both:
                wire.call('DEL', 'key', 'from')

    def test_the_bytes_are_the_same(self):
        rng = random.Random(SEED)
        for wire in self.both:
            wire.call('CONFIG', 'SET', 'rdbcompression', 'no')
        for i in range(VALUES):
            [request] = value_commands(rng, 'key', WHOLE)
            for wire in self.both:
                wire.call(*request)
            # A list of more than one node is cut a little later in 7.4 than in 7.0.
            encoding, size = self.redis.ask('OBJECT', 'ENCODING', 'key'), len(self.redis.ask('DUMP', 'key'))
            if encoding != b'hashtable' and (encoding != b'quicklist' or size < 7500):
                self.same('DUMP', 'key')
            for wire in self.both:
                wire.call('DEL', 'key')

    def test_what_is_said_of_requests(self):
        for wire in self.both:
            wire.call('SET', 'v', 'value')
        payload = self.same('DUMP', 'v')
        payload = payload[payload.index(b'\n') + 1:-2]
        self.same('DUMP', 'none')
        for wire in self.both:
            wire.call('SET', 'taken', 'x')
        for words in (['n', 0], ['n', 0, payload, 'REPLACE', 'x'], ['taken', 0, payload], ['taken', 'x', b'...'],
                      ['n', -1, b'...'], ['n', 'x', b'...'], ['n', 0, b''], ['n', 0, b'...'], ['n', 0, payload[:-1]],
                      ['n', 0, payload[1:]], ['n', 0, payload, 'idletime'], ['n', 0, payload, 'IDLETIME', -1],
                      ['n', 0, payload, 'IDLETIME', 'x'], ['n', 0, payload, 'FREQ', 256], ['n', 0, payload, 'FREQ', -1],
                      ['n', 0, payload, 'FREQ', 'x'], ['n', 0, payload, 'FREQ', 1, 'IDLETIME', 1],
                      ['n', 0, payload, 'IDLETIME', 1, 'FREQ', 1], ['n', 0, payload, 'IDLETIME', 1, 'IDLETIME', 2],
                      ['taken', 0, payload, 'replace'], ['taken', 10 ** 7, payload, 'REPLACE'],
                      ['taken', 10 ** 15, payload, 'ABSTTL', 'REPLACE'], ['gone', 1, payload, 'ABSTTL'],
                      ['taken', 1, payload, 'ABSTTL', 'REPLACE'], ['n', 0, payload, 'ABSTTL'],
                      ['n', 2 ** 63 - 1, payload, 'ABSTTL', 'REPLACE'], ['n', 2 ** 63, payload]):
            self.same('RESTORE', *words)
            for key in ('n', 'taken', 'gone'):
                self.same('GET', key)
                ours, redis = (wire.ask('PEXPIRETIME', key) for wire in self.both)
                self.assertLess(abs(ours - redis), 1000, words)
            self.same('DEL', 'n')
        self.same('RESTORE-ASKING', 'n', 0, payload)

    def test_idle_times_and_frequencies_are_kept(self):
        for wire in self.both:
            wire.call('SET', 'v', 'value')
            payload = wire.ask('DUMP', 'v')
            wire.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
            wire.call('RESTORE', 'idle', 0, payload, 'IDLETIME', 1000)
            self.assertIn(wire.ask('OBJECT', 'IDLETIME', 'idle'), range(1000, 1003))
            wire.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lfu')
            wire.call('RESTORE', 'often', 0, payload, 'FREQ', 123)
            self.assertEqual(wire.ask('OBJECT', 'FREQ', 'often'), 123)
            wire.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')

    # -- payloads of all ages ----------------------------------------------------------------------

    def restored(self, body, version, encoding=True):
        """Restore on both; their pictures agree."""
        self.same('RESTORE', 'old', 0, payloads.sealed(body, version))
        ours, redis = (picture(wire, 'old') for wire in self.both)
        self.assertEqual(ours, redis, body)
        if encoding:
            self.same('OBJECT', 'ENCODING', 'old')
        self.same('DEL', 'old')
        return ours

    def test_old_values_are_read(self):
        rng = random.Random(SEED)
        for _ in range(VALUES // 6):
            words = [t for t in texts(rng, 100) if len(t) < 16000]
            distinct = list(dict.fromkeys(words))
            scored = sorted({(m, float(rng.randint(-5, 5)) / 2) for m in distinct}, key=lambda p: (p[1], p[0]))
            fields = [(name, text(rng)) for name in distinct]
            numbers = list({rng.randint(-2 ** 40, 2 ** rng.choice([8, 20, 60])) for _ in range(rng.choice([1, 30, 600]))})
            self.restored(payloads.plain_list(words), 6, encoding=False)
            self.restored(payloads.ziplist_list(words), 6, encoding=False)
            self.restored(payloads.quicklist([words, [b'x'], words]), 7, encoding=False)
            self.restored(payloads.quicklist2([words, b'plain', words]), 10, encoding=False)
            self.restored(payloads.plain_set(distinct), 6, encoding=False)
            self.restored(payloads.intset_set(numbers), 6)
            self.restored(payloads.old_zset([*scored, (b'\xff' * 9, float('inf')), (b'\xfe' * 9, float('-inf'))]), 6)
            self.restored(payloads.zset2(scored), 8)
            self.restored(payloads.ziplist_zset(scored), 6)
            self.restored(payloads.listpack_zset(scored), 10)
            self.restored(payloads.plain_hash(fields), 6)
            self.restored(payloads.zipmap_hash(fields, free=rng.choice([0, 3])), 2)
            self.restored(payloads.ziplist_hash(fields), 6)
            self.restored(payloads.listpack_hash(fields), 10)

    def test_strings_in_all_forms(self):
        for number in (0, -1, 127, -128, 128, 32767, -32769, 2 ** 31 - 1, -2 ** 31):
            self.assertEqual(self.restored(b'\x00' + payloads.dumped_int(number), 6), (b'string', b'%d' % number))
        self.restored(b'\x00' + payloads.string(b'plain'), 6)
        self.restored(b'\x00\x80\x00\x00\x00\x05plain', 6)
        self.restored(b'\x00\x81\x00\x00\x00\x00\x00\x00\x00\x05plain', 9)
        self.assertEqual(self.restored(b'\x00\xc3\x05\x19\x00a\xe0\x0f\x00', 6), (b'string', b'a' * 25))

    def test_versions(self):
        body = b'\x00' + payloads.string(b'plain')
        for version in (1, 6, 9, 10):
            self.restored(body, version)
        for version in (13, 80, 65535):
            self.same('RESTORE', 'k', 0, payloads.sealed(body, version))

    def test_what_came_after_7_0(self):
        far = int(time.time() * 1000) + 10 ** 8
        fields = [(b'a', b'1', far), (b'b', b'2', far + 5), (b'c', b'3', 0)]
        self.assertEqual(self.ours.ask('RESTORE', 'set', 0, payloads.sealed(payloads.listpack_set([b'a', b'12']), 11)),
                         b'OK')
        self.assertEqual(picture(self.ours, 'set'), (b'set', [b'12', b'a']))
        for make in (payloads.metadata_hash, payloads.metadata_hash_rc, payloads.listpack_ex_hash,
                     payloads.listpack_ex_hash_rc):
            self.assertEqual(self.ours.ask('RESTORE', 'h', 0, payloads.sealed(make(fields), 12), 'REPLACE'), b'OK')
            self.assertEqual(self.ours.ask('HPEXPIRETIME', 'h', 'FIELDS', 3, 'a', 'b', 'c'), [far, far + 5, -1])
            self.assertEqual(picture(self.ours, 'h'), (b'hash', [(b'a', b'1'), (b'b', b'2'), (b'c', b'3')]))
        self.assertEqual(self.ours.ask('OBJECT', 'ENCODING', 'h'), b'listpackex')
        # What 7.0 cannot hold is written as 7.4 does it, and as soon as it can, for 7.0.
        self.assertEqual(self.ours.ask('DUMP', 'h'), payloads.sealed(payloads.listpack_ex_hash(fields), 12))
        self.ours.call('HPERSIST', 'h', 'FIELDS', 2, 'a', 'b')
        self.assertEqual(self.redis.ask('RESTORE', 'h', 0, self.ours.ask('DUMP', 'h')), b'OK')
        self.assertEqual(picture(self.redis, 'h'), picture(self.ours, 'h'))

    def test_a_large_hash_with_deadlines(self):
        far = int(time.time() * 1000) + 10 ** 8
        fields = [(b'f%d' % i, b'v' * i, far + i if i < 500 else 0) for i in range(700)]
        for make in (payloads.metadata_hash, payloads.listpack_ex_hash):
            self.assertEqual(self.ours.ask('RESTORE', 'h', 0, payloads.sealed(make(fields), 12), 'REPLACE'), b'OK')
            for name in ('h', 'again'):
                self.assertEqual(self.ours.ask('OBJECT', 'ENCODING', name), b'hashtable')
                self.assertEqual(self.ours.ask('HPEXPIRETIME', name, 'FIELDS', 700, *(f[0] for f in fields)),
                                 [f[2] or -1 for f in fields])
                self.assertEqual(picture(self.ours, name), (b'hash', sorted(f[:2] for f in fields)))
                self.ours.call('RESTORE', 'again', 0, self.ours.ask('DUMP', 'h'), 'REPLACE')

    def test_fields_that_are_due_die_as_if_it_happened_here(self):
        far = int(time.time() * 1000) + 10 ** 8
        for make in (payloads.metadata_hash, payloads.listpack_ex_hash):
            body = make([(b'gone', b'1', 5), (b'a', b'2', far), (b'b', b'3', 0)])
            self.assertEqual(self.ours.ask('RESTORE', 'h', 0, payloads.sealed(body, 12), 'REPLACE'), b'OK')
            self.assertEqual(picture(self.ours, 'h'), (b'hash', [(b'a', b'2'), (b'b', b'3')]))
            body = payloads.sealed(make([(b'gone', b'1', 5)]), 12)
            self.assertEqual(self.ours.ask('RESTORE', 'none', 0, body, 'REPLACE'), b'OK')
            self.assertEqual(self.ours.ask('HGETALL', 'none'), [])

    def test_deadlines_in_a_small_hash_are_in_order(self):
        far = int(time.time() * 1000) + 10 ** 8
        for due in ((far + 1, far), (0, far)):
            body = payloads.listpack_ex_hash([(b'a', b'1', due[0]), (b'b', b'2', due[1])])
            self.assertEqual(self.ours.ask('RESTORE', 'h', 0, payloads.sealed(body, 12)), Error('ERR Bad data format'))

    # -- streams whose deleted entries are out of order ---------------------------------------------

    # XSETID goes back behind deleted entries, which Redis leaves where they are.
    ENDS_DEAD = ['XADD s 5-0 a b', 'XADD s 9-0 a b', 'XDEL s 9-0']
    ALL_DEAD = [*ENDS_DEAD, 'XTRIM s MINID 7-0']
    GONE_BACK = {
        'dead beyond the last id': [*ENDS_DEAD, 'XSETID s 6-0'],
        'dead at the last id': [*ENDS_DEAD, 'XSETID s 9-0'],
        'dead in front of smaller ids': [*ENDS_DEAD, 'XSETID s 6-0', 'XADD s 7-0 a b', 'XADD s 7-5 c d'],
        'dead beyond the next block': [*ENDS_DEAD, 'XSETID s 6-0', 'CONFIG SET stream-node-max-entries 2', 'XADD s 7-0 a b',
                                       'XADD s 10-0 a b'],
        'the same id dead and alive': [*ENDS_DEAD, 'XSETID s 5-0', 'XADD s 9-0 a other'],
        'none lives': [*ALL_DEAD, 'XSETID s 9-5'],
        'none lives, and dead beyond': [*ALL_DEAD, 'XSETID s 6-0'],
        'alive below the master': [*ALL_DEAD, 'XSETID s 4-0', 'XADD s 4-1 a b', 'XADD s 4-2 c d', 'XADD s 8-0 a b', 'XDEL s 4-1'],
    }

    def stream_picture(self, wire, key):
        facts = wire.ask('XINFO', 'STREAM', key)
        nodes = [facts.index(name) + 1 for name in (b'radix-tree-keys', b'radix-tree-nodes')]
        return ([fact for i, fact in enumerate(facts) if i not in nodes], wire.ask('XRANGE', key, '-', '+'),
                wire.ask('XREVRANGE', key, '+', '-'), wire.ask('XRANGE', key, '4-2', '7-0'),
                [wire.ask('XRANGE', key, '%d-0' % ms, '%d-0' % ms) for ms in range(4, 11)])

    def gone_back(self, commands):
        self.redis.call('FLUSHALL')
        self.redis.call('CONFIG', 'SET', 'stream-node-max-entries', 100)
        for command in commands:
            self.assertNotIsInstance(self.redis.ask(*command.split()), Error)
        return self.stream_picture(self.redis, 's')

    def test_dead_entries_out_of_order(self):
        for name, commands in self.GONE_BACK.items():
            expected = self.gone_back(commands)
            self.assertEqual(self.ours.ask('RESTORE', 's', 0, self.redis.ask('DUMP', 's'), 'REPLACE'), b'OK', name)
            self.assertEqual(self.stream_picture(self.ours, 's'), expected, name)
            self.assertEqual(self.redis.ask('RESTORE', 'back', 0, self.ours.ask('DUMP', 's')), b'OK', name)
            self.assertEqual(self.stream_picture(self.redis, 'back'), expected, name)
            for wire in self.both:
                wire.call('CONFIG', 'SET', 'stream-node-max-entries', 100)
            for words in (['XADD', 's', '11-0', 'a', 'b'], ['XDEL', 's', '5-0', '7-0', '9-0'], ['XTRIM', 's', 'MAXLEN', 1]):
                self.same(*words)
            self.assertEqual(*(self.stream_picture(wire, 's') for wire in self.both), name)

    def test_dead_entries_out_of_order_in_a_file(self):
        for name, commands in self.GONE_BACK.items():
            expected = self.gone_back(commands)
            self.redis.ask('SAVE')
            reader = Server()
            shutil.copy(os.path.join(self.servers[1].dir, 'dump.rdb'), reader.dir)
            with reader, Wire(reader) as wire:
                self.assertEqual(self.stream_picture(wire, 's'), expected, name)

    # -- lies --------------------------------------------------------------------------------------

    def test_lies_are_told_from_truths(self):
        twice = [(b'a', b'1'), (b'a', b'2')]
        much = payloads.length(2 ** 40)
        lies = [b'', b'\x06', b'\x07', b'\x08', b'\x1a', b'\xff', b'\x00', b'\x00\x05abc',
                *(bytes([kind]) + much + b'\x01a\x01b' for kind in (1, 2, 3, 4, 5, 14, 18, 22)),
                b'\x18' + bytes(8) + much + b'\x00\x01a\x01b',
                b'\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff', b'\x00\xc3\x02\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00a',
                *(bytes([kind]) + b'\x00' for kind in (1, 2, 3, 4, 5, 14, 18)),
                payloads.plain_hash(twice), payloads.ziplist_hash(twice), payloads.listpack_hash(twice),
                payloads.plain_set([b'a', b'b', b'a']), payloads.listpack_set([b'1', b'2', b'1']),
                payloads.zset2([(b'a', 1.0), (b'a', 2.0)]), payloads.zset2([(b'a', float('nan'))]),
                payloads.old_zset([(b'a', float('nan'))]), payloads.listpack_zset([(b'a', 1.0), (b'a', 2.0)]),
                b'\x11' + payloads.string(payloads.listpack([b'a', b'nan'])),
                b'\x11' + payloads.string(payloads.listpack([b'a', b'x'])),
                b'\x11' + payloads.string(payloads.listpack([b'a'])),
                b'\x10' + payloads.string(payloads.listpack([b'a', b'1', b'b'])),
                b'\x10' + payloads.string(payloads.listpack([])), b'\x0d' + payloads.string(payloads.ziplist([])),
                b'\x0b' + payloads.string(payloads.intset([1, 1])), b'\x0b' + payloads.string(payloads.intset([1])[:-1]),
                b'\x0b' + payloads.string(b'\x03' + payloads.intset([1])[1:]),
                b'\x12\x01\x03' + payloads.string(payloads.listpack([b'a'])), b'\x12\x01\x02\x01a', b'\x12\x01\x01\x00',
                b'\x09\x02\x00\xff',
                payloads.listpack_ex_hash_rc([(b'a', b'1', 2 ** 60)]),
                b'\x17' + payloads.string(payloads.listpack([b'a', b'1', b'x'])),
                b'\x17' + payloads.string(payloads.listpack([b'a', b'1', b'-1']))]
        started = time.time()
        for sanitize in ('no', 'yes', 'clients'):
            self.ours.call('CONFIG', 'SET', 'sanitize-dump-payload', sanitize)
            for lie in lies:
                for version in (9, 12):
                    self.assertEqual(self.ours.ask('RESTORE', 'lie', 0, payloads.sealed(lie, version)),
                                     Error('ERR Bad data format'), lie)
        self.assertLess(time.time() - started, 5)
        self.assertEqual(self.ours.ask('EXISTS', 'lie'), 0)

    def test_packed_values_that_lie(self):
        """A byte more or less, at each place of what is packed."""
        pairs_ = [(b'a', b'1'), (b'bb', b'xx' * 40), (b'c', b'-70000')]
        for make in (payloads.ziplist_hash, payloads.zipmap_hash, payloads.listpack_hash):
            body = make(pairs_)
            start = len(body) - len(body[1:]) + (2 if body[1] & 0x40 else 1)
            for at in range(start, len(body)):
                for change in (1, 255, 128):
                    changed = bytearray(body)
                    changed[at] = (changed[at] + change) % 256
                    answer = self.ours.ask('RESTORE', 'lie', 0, payloads.sealed(bytes(changed), 10), 'REPLACE')
                    self.assertIn(answer, (b'OK', Error('ERR Bad data format')))
        self.assertEqual(self.ours.ask('PING'), b'PONG')

    # -- taking it back ----------------------------------------------------------------------------

    def test_a_rollback_takes_restores_back(self):
        rng = random.Random(SEED)
        wire = self.ours
        for i in range(8):
            wire.call(*value_commands(rng, 'k%d' % i)[0])
        dumps = [wire.ask('DUMP', 'k%d' % i) for i in range(8)]
        before = wire.ask('DEBUG', 'DIGEST')
        wire.call('MULTI', 'ROLLBACK')
        for i, dump in enumerate(dumps):
            wire.call('RESTORE', 'k%d' % (7 - i), rng.choice([0, 10 ** 6]), dump, 'REPLACE')
            wire.call('RESTORE', 'new%d' % i, 0, dump)
        wire.call('RESTORE', 'k1', 1, dumps[0], 'ABSTTL', 'REPLACE')
        wire.call('INCR', 'new0')
        wire.call('LPUSH', 'new0', 'x')
        wire.call('HGET', 'new0', 'x')
        self.assertNotIn(b'+OK', wire.call('EXEC')[:4])
        self.assertEqual(wire.ask('DEBUG', 'DIGEST'), before)


if __name__ == '__main__':
    unittest.main()
