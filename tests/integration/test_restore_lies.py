"""RESTORE of payloads that were changed at random, under the sanitizers: each is refused or becomes a sound value.

SEED=n repeats a run, PAYLOADS=n makes it longer or shorter.
"""
import os
import random
import time
import unittest

import payloads
from servers import SANITIZED, Server
from wire import Error, Wire

SEED = int(os.environ.get('SEED', 1))
PAYLOADS = int(os.environ.get('PAYLOADS', 20000))
BATCH = 200
BAD = Error('ERR Bad data format')
# Values of our own, to be dumped: whatever type there is.
MAKERS = [['SET', 'v', 'x' * 100], ['RPUSH', 'v', *range(50), 'word', 'y' * 70], ['SADD', 'v', *range(50)],
          ['SADD', 'v', *range(9), 'word'], ['SADD', 'v', *('m%d' % i for i in range(200))],
          ['ZADD', 'v', *(w for i in range(20) for w in (i / 4, 'm%d' % i))],
          ['ZADD', 'v', *(w for i in range(200) for w in (i / 4, 'm%d' % i))],
          ['HSET', 'v', *(w for i in range(20) for w in ('f%d' % i, i * 1000))],
          ['HSET', 'v', *(w for i in range(200) for w in ('f%d' % i, i * 1000))]]
STREAM = [*(['XADD', 'v', i + 1, 'f', i * 1000, *(['g', 'x'] if i % 7 == 3 else [])] for i in range(20)), ['XDEL', 'v', 3, 9],
          ['XGROUP', 'CREATE', 'v', 'g', 0], ['XREADGROUP', 'GROUP', 'g', 'alice', 'COUNT', 3, 'STREAMS', 'v', '>'],
          ['XREADGROUP', 'GROUP', 'g', 'bob', 'COUNT', 3, 'STREAMS', 'v', '>'], ['XGROUP', 'CREATE', 'v', 'h', '$']]
# What looks at all of a value, and changes it.
USES = {b'string': [['GET'], ['STRLEN'], ['APPEND', 'x']],
        b'list': [['LRANGE', 0, -1], ['LINDEX', -2], ['LREM', 0, 'a'], ['RPUSH', 'x'], ['LPOP', 3]],
        b'set': [['SMEMBERS'], ['SISMEMBER', 'a'], ['SADD', 'x', 7], ['SREM', 'a', 12], ['SPOP', 2]],
        b'zset': [['ZRANGE', 0, -1, 'WITHSCORES'], ['ZRANK', 'a'], ['ZADD', 3, 'x', 1, 'a'], ['ZPOPMIN', 2]],
        b'stream': [['XRANGE', '-', '+'], ['XREVRANGE', '+', '-'], ['XADD', '*', 'f', 1], ['XDEL', 2, '5-0'],
                    ['XAUTOCLAIM', 'g', 'carol', 0, 0], ['XPENDING', 'group', '-', '+', 10], ['XACK', 'group', 1, 5],
                    ['XCLAIM', 'group', 'bob', 0, 1, 2, 9, 'FORCE'], ['XTRIM', 'MAXLEN', 4], ['XTRIM', 'MINID', 17],
                    ['XGROUP', 'DELCONSUMER', 'group', 'alice']],
        b'hash': [['HGETALL'], ['HGET', 'a'], ['HSET', 'x', 1], ['HEXPIRE', 100, 'FIELDS', 1, 'x'], ['HDEL', 'a', 12]]}


def changed(rng, body):
    """A body with some bytes changed, inserted, removed, or moved."""
    out = bytearray(body)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        at = rng.randrange(len(out) + 1)
        kind = rng.random()
        if kind < 0.5 and at < len(out):
            out[at] = rng.choice([out[at] ^ 1 << rng.randrange(8), rng.randrange(256), 0, 255, 254, 0x80, 0x81, 0xc3])
        elif kind < 0.65:
            del out[at:at + rng.choice([1, 1, 4, 100])]
        elif kind < 0.8:
            out[at:at] = rng.choice([bytes([rng.randrange(256)]), b'\xff' * 4, bytes(8), b'\x81' + b'\x7f' * 8])
        else:
            out[at:at] = out[rng.randrange(len(out) + 1):][:20]
    return bytes(out)


class RestoreLies(unittest.TestCase):
    def seeds(self, wire):
        bodies = [body for _, body in payloads.samples()]
        for maker in MAKERS:
            wire.call('DEL', 'v')
            self.assertNotIsInstance(wire.ask(*maker), Error)
            bodies.append(wire.ask('DUMP', 'v')[:-10])
        wire.call('DEL', 'v')
        for words in STREAM:
            self.assertNotIsInstance(wire.ask(*words), Error)
        bodies.append(wire.ask('DUMP', 'v')[:-10])
        wire.call('FLUSHALL')
        return bodies

    def use(self, wire, key):
        kind = wire.ask('TYPE', key)
        dump = wire.ask('DUMP', key)
        self.assertEqual(wire.ask('RESTORE', b'again', 0, dump, 'REPLACE'), b'OK', dump)
        digests = wire.ask('DEBUG', 'DIGEST-VALUE', key, b'again')
        self.assertEqual(digests[0], digests[1], dump)
        if kind == b'stream':
            wire.ask('XINFO', 'STREAM', key, 'FULL')
        for words in USES.get(kind, []):
            at = 2 if words[0] == 'XGROUP' else 1
            wire.ask(*words[:at], key, *words[at:])

    def test_changed_payloads(self):
        rng = random.Random(SEED)
        taken = 0
        with Server(binary=SANITIZED) as server, Wire(server, timeout=60) as wire:
            bodies = self.seeds(wire)
            wire.call('DEBUG', 'SET-SKIP-CHECKSUM-VALIDATION', 1)
            for start in range(0, PAYLOADS, BATCH):
                lies = [changed(rng, rng.choice(bodies)) + b'\x0c\x00' + bytes(8) for _ in range(BATCH)]
                for i, lie in enumerate(lies):
                    wire.send('RESTORE', b'k%d' % i, 0, lie, 'REPLACE')
                answers = [wire.reply() for _ in lies]
                good = [b'k%d' % i for i, answer in enumerate(answers) if answer == b'+OK\r\n']
                self.assertEqual({a for a in answers if a != b'+OK\r\n'}, {b'-ERR Bad data format\r\n'})
                taken += len(good)
                for key in rng.sample(good, min(len(good), 10)):
                    self.use(wire, key)
                wire.call('FLUSHALL')
        self.assertGreater(taken, PAYLOADS // 100)
        self.assertLess(taken, PAYLOADS // 2)

    def test_what_announces_too_much_is_refused_at_once(self):
        with Server(binary=SANITIZED) as server, Wire(server) as wire:
            wire.call('DEBUG', 'SET-SKIP-CHECKSUM-VALIDATION', 1)
            for sanitize in ('no', 'yes', 'clients'):
                wire.call('CONFIG', 'SET', 'sanitize-dump-payload', sanitize)
                for kind in range(26):
                    for much in (2 ** 31, 2 ** 40, 2 ** 63, 2 ** 64 - 1):
                        lie = bytes([kind]) + payloads.length(much) + b'\x01a' * 40 + b'\x0c\x00' + bytes(8)
                        started = time.time()
                        self.assertEqual(wire.ask('RESTORE', 'k', 0, lie), BAD)
                        self.assertLess(time.time() - started, 5)


if __name__ == '__main__':
    unittest.main()
