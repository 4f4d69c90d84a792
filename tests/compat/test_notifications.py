"""What both servers say of their keys: the same commands to Debian's Redis and to us, and everything that
notify-keyspace-events can tell, by PSUBSCRIBE *. The events are the same, in the same order.

SEED=n repeats a run, COMMANDS=n makes it longer or shorter.
"""
import os
import random
import time
import unittest

import generators as g
import test_bits as bits
import test_geo as geo
import test_hashes as hashes
import test_hll as hll
import test_lists as lists
import test_sets as sets
import test_stream_type as streams
import test_zsets as zsets
from servers import REDIS, REDOUBT, Server, wait_until
from wire import Wire, value

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
COMMANDS = int(os.environ.get('COMMANDS', 10000))
BATCH = 50


class Ear:
    """A server with a connection that talks and one that hears all channels."""

    def __init__(self, server, flags='KEAmn'):
        self.wire, self.listener = Wire(server), Wire(server)
        self.wire.pipeline([['FLUSHALL'], ['CONFIG', 'SET', 'notify-keyspace-events', flags],
                            ['DEBUG', 'SET-ACTIVE-EXPIRE', '1']])
        self.listener.call('PSUBSCRIBE', '*')

    def hear(self, requests):
        """For each request, what was told because of it."""
        self.wire.pipeline([r for words in requests for r in (words, ('PUBLISH', 'end', ''))])
        told = []
        for _ in requests:
            told.append([])
            while (message := value(self.listener.reply()))[2] != b'end':
                told[-1].append(tuple(message[2:]))
        return told

    def close(self):
        self.wire.close()
        self.listener.close()


# What DUMP says of a string 'x'.
STORED = b'\x00\x01x\n\x00"\x80\x86_\xbd\xe8H\xd0'


def special(rng):
    """Commands that end values, or answer differently each time but say the same of it."""
    key = rng.choice(['a', 'b', 'c'])
    return rng.choice([
        lambda: ['SPOP', key, 100000],
        lambda: ['SADD', key, *range(rng.randint(1, 5))],
        lambda: ['SORT', key, 'STORE', rng.choice(['b', 'c']), 'ALPHA'],
        lambda: ['DEL', key, 'b'],
        lambda: ['UNLINK', 'a', key],
        lambda: ['ZPOPMIN', key, rng.randint(0, 3)],
        lambda: ['ZADD', key, 1, 'x', 2, 'y'],
        lambda: ['RPUSH', key, 'x', 'y'],
        lambda: ['LPOP', key, rng.randint(0, 3)],
        lambda: ['HSET', key, 'f', 'v'],
        lambda: ['HDEL', key, 'f'],
        lambda: ['SET', key, 'v', *rng.choice([[], ['EX', 100], ['NX'], ['XX', 'KEEPTTL'], ['GET']])],
        lambda: ['GETDEL', key],
        lambda: ['GETEX', key, *rng.choice([[], ['EX', 100], ['PERSIST'], ['PXAT', 1]])],
        lambda: ['RENAME', key, rng.choice(['a', 'b'])],
        lambda: ['RENAMENX', key, rng.choice(['a', 'b'])],
        lambda: ['MOVE', key, 1],
        lambda: ['COPY', key, 'c', *rng.choice([[], ['REPLACE'], ['DB', 2, 'REPLACE']])],
        lambda: ['EXPIRE', key, rng.choice([100, -1, 0])],
        lambda: ['PERSIST', key],
        lambda: ['MSET', 'a', 1, key, 2],
        lambda: ['MSETNX', 'a', 1, key, 2],
        lambda: ['MGET', 'a', key, 'none'],
        lambda: ['EXISTS', key, 'none'],
        lambda: ['TOUCH', key, 'none'],
        lambda: ['OBJECT', 'ENCODING', key],
        lambda: ['RESTORE', key, 0, STORED, *rng.choice([[], ['REPLACE']])],
        lambda: [rng.choice(['TTL', 'TYPE', 'DUMP', 'GET', 'STRLEN', 'LLEN', 'SCARD', 'ZCARD', 'HLEN']), key],
        lambda: [rng.choice(['FLUSHALL', 'FLUSHDB', 'DBSIZE'])],
        lambda: ['SWAPDB', 0, 1],
    ])()


FAMILIES = {'strings': g.strings, 'counters': g.counters, 'expiry': g.expiry, 'keyspace': g.keyspace,
            'lists': lists.command, 'sort': lists.sort, 'sets': sets.command, 'zsets': zsets.command,
            'hashes': hashes.command, 'bits': bits.command, 'hll': hll.command, 'geo': geo.command,
            'stream_entries': streams.entries_command, 'stream_groups': streams.group_commands, 'special': special}


# What each type of key is asked once its time is over.
DEATHS = """
GET|SET v|SETNX v|DEL|UNLINK|EXISTS|TYPE|TTL|EXPIRE 100|PERSIST|RENAME new|RENAMENX other|MOVE 1|COPY new|TOUCH|STRLEN
APPEND v|INCR|INCRBYFLOAT 1|GETSET v|GETDEL|GETEX|SETRANGE 1 v|GETRANGE 0 1|MGET|MSET v|MSETNX v|LCS other|SET v GET
SET v XX|SET v NX GET|LPUSH v|LPUSHX v|LPOP|LLEN|LRANGE 0 -1|LINDEX 0|LSET 0 v|LREM 0 x|LINSERT BEFORE x v|LTRIM 0 0
LMOVE new LEFT LEFT|RPOPLPUSH new|LPOS x|BLPOP 0.001|SADD v|SREM x|SPOP|SCARD|SMEMBERS|SISMEMBER x|SMISMEMBER x y
SMOVE new x|SINTER|SUNION other|SUNIONSTORE new|SDIFFSTORE other|SINTERSTORE new|SRANDMEMBER|SSCAN 0|ZADD 1 v|ZADD XX 1 v
ZINCRBY 1 v|ZREM x|ZCARD|ZSCORE x|ZMSCORE x y|ZRANGE 0 -1|ZPOPMIN|ZREMRANGEBYRANK 0 -1|ZREMRANGEBYSCORE 0 1|ZRANK x
ZUNIONSTORE 1 new|ZRANGESTORE new 0 -1|ZCOUNT 0 1|ZRANDMEMBER|BZPOPMIN 0.001|HSET f w|HSETNX f w|HGET f|HMGET f|HDEL f
HLEN|HGETALL|HEXISTS f|HINCRBY f 1|HINCRBYFLOAT f 1|HKEYS|HSCAN 0|HRANDFIELD|HSTRLEN f|SORT ALPHA|SORT ALPHA STORE new
SORT STORE new|WATCH|SETBIT 1 1|GETBIT 1|BITCOUNT|BITPOS 1|BITFIELD SET u8 0 1|BITFIELD GET u8 0|BITFIELD_RO GET u8 0
"""
# The same with the key, K, in another place.
OTHER_DEATHS = """
RENAME other K|RENAMENX other K|COPY other K|COPY other K REPLACE|OBJECT ENCODING K|OBJECT FREQ K|LMPOP 1 K LEFT
LMPOP 2 none K LEFT|LMOVE otherlist K LEFT LEFT|SINTERCARD 1 K|SUNIONSTORE K new|SINTERSTORE K new other|SMOVE otherset K x
ZUNIONSTORE new 1 K|ZMPOP 1 K MIN|ZRANGESTORE K new 0 -1|ZINTERCARD 1 K|ZDIFF 1 K|ZDIFFSTORE K 1 new|SORT new STORE K
DBSIZE|KEYS *|FLUSHALL|FLUSHDB|SWAPDB 0 1|MEMORY USAGE K|DEBUG OBJECT K|BITOP NOT new K|BITOP NOT K new
MGET other K none|MSET other 1 K 2|DEL other K|EXISTS other K|BLMOVE K new LEFT RIGHT 0.001
"""


def deaths():
    for line in DEATHS.split('\n'):
        for words in line.split('|') if line else ():
            name, *rest = words.split()
            yield [name, 'K', *rest]
    for line in OTHER_DEATHS.split('\n'):
        for words in line.split('|') if line else ():
            yield words.split()


class Notifications(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if REDIS is None:
            raise unittest.SkipTest('there is no redis-server to compare with')
        print(f'SEED={SEED} COMMANDS={COMMANDS}', flush=True)
        cls.redis = cls.enterClassContext(Server(REDIS))
        cls.redoubt = cls.enterClassContext(Server(REDOUBT))

    def setUp(self):
        self.rng = random.Random(f'{SEED} {type(self).__name__}.{self._testMethodName}')

    def ears(self, flags='KEAmn'):
        ears = [Ear(server, flags) for server in (self.redis, self.redoubt)]
        for ear in ears:
            self.addCleanup(ear.close)
        return ears

    def compare(self, ears, requests):
        for words, theirs, ours in zip(requests, *[ear.hear(requests) for ear in ears]):
            if words[0] in ('SORT', 'SORT_RO') and words[1] in ('set', 'zset'):
                theirs, ours = sorted(theirs), sorted(ours)  # what has no order is looked at in any
            if words[0] in ('BITCOUNT', 'BITPOS', 'XAUTOCLAIM') and len(theirs) == 2 and theirs[0][1] == b'keymiss' and ours == []:
                continue  # refused for its arguments: 7.0 looks for the key before it looks at them
            if theirs != ours:
                self.fail(f'SEED={SEED}: {" ".join(str(w)[:80] for w in words)}\n'
                          f'Redis tells {theirs}\nbut we tell {ours}')

    def family(self, name):
        ears = self.ears()
        self.compare(ears, [['DEBUG', 'SET-ACTIVE-EXPIRE', 0]])  # which comes when it comes: what has ended is told when it is met
        if name == 'sort':
            self.compare(ears, lists.dataset(self.rng))
        for _ in range(0, COMMANDS // len(FAMILIES), BATCH):
            requests = [FAMILIES[name](self.rng) for _ in range(BATCH)]
            if name == 'stream_groups':
                requests = sum(requests, [])
            self.compare(ears, requests)


    def test_expired(self):
        """What finds a key whose time is over tells of its end first."""
        ears = self.ears()
        making = [['SET', 'string', 'x'], ['RPUSH', 'list', 'x'], ['SADD', 'set', 'x'], ['ZADD', 'zset', 1, 'x'],
                  ['HSET', 'hash', 'f', 'v'], ['SET', 'number', 1]]
        keys = [words[1] for words in making]
        for death in deaths():
            self.compare(ears, [['FLUSHALL'], ['DEBUG', 'SET-ACTIVE-EXPIRE', 0], *making, ['SET', 'other', 'x'],
                                ['RPUSH', 'otherlist', 'x'], ['SADD', 'otherset', 'x'],
                                *[['PEXPIRE', k, 10] for k in keys]])
            time.sleep(0.015)
            self.compare(ears, [[w if w != 'K' else k for w in death] for k in keys])

    def test_expired_in_time(self):
        ears = self.ears('KEx')
        self.compare(ears, [['SET', 'a', 'x', 'PX', 20]])
        for ear in ears:
            self.assertEqual(value(ear.listener.reply())[2:], [b'__keyspace@0__:a', b'expired'])
            self.assertEqual(value(ear.listener.reply())[2:], [b'__keyevent@0__:expired', b'a'])

    def test_evicted(self):
        self.compare(self.ears(), [
            ['SET', 'a', 'x'], ['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random', 'maxmemory', 1], ['GET', 'a'],
            ['CONFIG', 'SET', 'maxmemory', 0]])

    def test_masks(self):
        """Each class by itself, and what CONFIG GET shows of the letters."""
        requests = [['SET', 'a', 1], ['INCR', 'a'], ['EXPIRE', 'a', 100], ['LPUSH', 'l', 1], ['LPOP', 'l'],
                    ['SADD', 's', 1], ['SMOVE', 's', 't', 1], ['ZADD', 'z', 1, 1], ['HSET', 'h', 'f', 'v'],
                    ['GET', 'none'], ['RENAME', 'a', 'b'], ['FLUSHALL']]
        for flags in ['K', 'E', 'KE', 'A', '', *[k + c for k in ('K', 'E', 'KE') for c in 'g$lshzxetdmnA'], 'KEgl',
                      'KEAn', 'AmK', 'nmKE', 'gKE$lshzxetd', '$lshzxeKE', 'EK', 'g$']:
            ears = [Ear(server, flags) for server in (self.redis, self.redoubt)]
            self.compare(ears, requests)
            shown = [ear.wire.call('CONFIG', 'GET', 'notify-keyspace-events') for ear in ears]
            self.assertEqual(*shown, flags)
            for ear in ears:
                ear.close()

    def test_transactions(self):
        ears = self.ears()
        for _ in range(COMMANDS // 600):
            queue = [special(self.rng) for _ in range(8)]
            self.compare(ears, [['MULTI'], *[q for q in queue if q[0] != 'SWAPDB'], ['EXEC']])

    def test_served(self):
        """Who waits is served behind the command that serves him, and so do its events come."""
        ears = self.ears()
        waiting = [['BLPOP', 'l', 'm', 0], ['BRPOP', 'l', 0], ['BLMOVE', 'l', 'm', 'LEFT', 'RIGHT', 0],
                   ['BRPOPLPUSH', 'l', 'm', 0], ['BLMPOP', 0, 2, 'l', 'm', 'LEFT', 'COUNT', 2],
                   ['BZPOPMIN', 'z', 0], ['BZMPOP', 0, 1, 'z', 'MAX', 'COUNT', 2]]
        serving = [[['RPUSH', 'l', 1, 2, 3]], [['LPUSH', 'm', 1]], [['ZADD', 'z', 1, 'a', 2, 'b']],
                   [['MULTI'], ['RPUSH', 'l', 1], ['RPUSH', 'l', 2], ['ZADD', 'z', 1, 'a'], ['EXEC']],
                   [['RPUSH', 'o', 1, 2], ['RENAME', 'o', 'l']], [['ZADD', 'y', 1, 'a'], ['ZUNIONSTORE', 'z', 1, 'y']],
                   [['RPUSH', 'o', 1], ['COPY', 'o', 'l']], [['RPUSH', 'o', 2, 1], ['SORT', 'o', 'STORE', 'l']]]
        for _ in range(COMMANDS // 500):
            some, then = self.rng.sample(waiting, self.rng.randint(1, 3)), self.rng.sample(serving, 3)
            blocked = [self.block(server, some) for server in (self.redis, self.redoubt)]
            self.compare(ears, sum(then, []))
            for w in sum(blocked, []):
                w.close()
            for server in (self.redis, self.redoubt):
                self.wait_for(server, 0)
            self.compare(ears, [['FLUSHALL']])

    def block(self, server, requests):
        """A connection for each request, which waits."""
        wires = []
        for words in requests:
            wires.append(Wire(server))
            wires[-1].send(*words)
            self.wait_for(server, len(wires))
        return wires

    def wait_for(self, server, count):
        with Wire(server) as w:
            wait_until(lambda: b'blocked_clients:%d\r' % count in w.ask('INFO', 'clients'))


def add_family_tests():
    for name in FAMILIES:
        setattr(Notifications, f'test_{name}', lambda self, name=name: self.family(name))


add_family_tests()

if __name__ == '__main__':
    unittest.main()
