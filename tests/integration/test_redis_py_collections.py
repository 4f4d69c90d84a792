"""redis-py does its usual work with lists, sets, hashes and sorted sets: what it makes of the replies is what it promises."""
import threading
import time
import unittest

import redis

from servers import IS_REDOUBT, REDOUBT, Server, wait_until


class Collections(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(REDOUBT))

    def setUp(self):
        self.r = self.server.client(decode_responses=True)
        self.r.flushall()
        self.addCleanup(self.r.close)

    def test_lists(self):
        r = self.r
        self.assertEqual(r.rpush('l', 'a', 'b', 'c', 'b'), 4)
        self.assertEqual(r.lpush('l', 'z'), 5)
        self.assertEqual(r.lpushx('none', 'z'), 0)
        self.assertEqual(r.lrange('l', 0, -1), ['z', 'a', 'b', 'c', 'b'])
        self.assertEqual((r.llen('l'), r.lindex('l', -2), r.lindex('l', 99)), (5, 'c', None))
        self.assertEqual(r.linsert('l', 'BEFORE', 'c', 'x'), 6)
        self.assertEqual(r.lpos('l', 'b', rank=-1), 5)
        self.assertEqual(r.lpos('l', 'b', count=0), [2, 5])
        self.assertEqual(r.lpos('l', 'none'), None)
        self.assertTrue(r.lset('l', 0, 'y'))
        self.assertEqual(r.lrem('l', 0, 'b'), 2)
        self.assertTrue(r.ltrim('l', 1, 2))
        self.assertEqual(r.lmove('l', 'm', 'LEFT', 'RIGHT'), 'a')
        self.assertEqual(r.rpoplpush('l', 'm'), 'x')
        self.assertEqual(r.lmpop(2, 'l', 'm', direction='RIGHT', count=5), ['m', ['a', 'x']])
        self.assertIsNone(r.lmpop(1, 'l', direction='LEFT'))
        r.rpush('p', 1, 2, 3)
        self.assertEqual((r.lpop('p'), r.rpop('p', 2), r.lpop('p'), r.rpop('p', 2)), ('1', ['3', '2'], None, None))
        with self.assertRaisesRegex(redis.ResponseError, 'no such key'):
            r.lset('none', 0, 'x')
        with self.assertRaisesRegex(redis.ResponseError, 'index out of range'):
            r.rpush('one', 'x')
            r.lset('one', 5, 'x')

    def test_sets(self):
        r = self.r
        self.assertEqual(r.sadd('a', *'bcde'), 4)
        self.assertEqual(r.sadd('b', *'cdx'), 3)
        self.assertEqual((r.scard('a'), r.smembers('b')), (4, set('cdx')))
        self.assertTrue(r.sismember('a', 'b'))
        self.assertFalse(r.sismember('a', 'x'))
        self.assertEqual(r.smismember('a', ['b', 'x']), [1, 0])
        self.assertEqual((r.sinter('a', 'b'), r.sunion('a', 'b'), r.sdiff('a', 'b')),
                         (set('cd'), set('bcdex'), set('be')))
        self.assertEqual(r.sintercard(2, ['a', 'b'], limit=1), 1)
        self.assertEqual((r.sinterstore('i', 'a', 'b'), r.sunionstore('u', 'a', 'b'), r.sdiffstore('d', 'a', 'b')),
                         (2, 5, 2))
        self.assertTrue(r.smove('a', 'b', 'e'))
        self.assertEqual(len(r.srandmember('u', 3)), 3)
        self.assertIn(r.spop('u'), set('bcdex'))
        self.assertEqual(len(r.spop('u', 10)), 4)
        self.assertEqual((r.exists('u'), r.srem('a', 'b', 'none')), (0, 1))
        r.sadd('large', *range(2000))
        self.assertEqual(set(r.sscan_iter('large', count=100)), {str(i) for i in range(2000)})
        self.assertEqual(set(r.sscan_iter('large', match='19?')), {str(i) for i in range(190, 200)})

    def test_hashes(self):
        r = self.r
        self.assertEqual(r.hset('h', 'f', 'v'), 1)
        self.assertEqual(r.hset('h', mapping={'f': 'w', 'g': 1, 'x': 1.5}), 2)
        self.assertEqual(r.hgetall('h'), {'f': 'w', 'g': '1', 'x': '1.5'})
        self.assertEqual(r.hgetall('none'), {})
        self.assertEqual(r.hmget('h', 'f', 'none'), ['w', None])
        self.assertEqual((r.hincrby('h', 'g', 4), r.hincrbyfloat('h', 'x', 0.25)), (5, 1.75))
        self.assertEqual((r.hlen('h'), r.hstrlen('h', 'x'), r.hexists('h', 'f'), r.hexists('h', 'q')), (3, 4, True, False))
        self.assertEqual((r.hkeys('h'), r.hvals('h')), (['f', 'g', 'x'], ['w', '5', '1.75']))
        self.assertEqual((r.hsetnx('h', 'f', 1), r.hsetnx('h', 'new', 1)), (0, 1))
        self.assertEqual(len(r.hrandfield('h', 2)), 2)
        self.assertEqual(len(r.hrandfield('h', -5, withvalues=True)), 10)
        self.assertEqual(r.hdel('h', 'f', 'none'), 1)
        r.hset('large', mapping={f'field:{i}': i for i in range(2000)})
        self.assertEqual(dict(r.hscan_iter('large', count=100)), {f'field:{i}': str(i) for i in range(2000)})
        with self.assertRaisesRegex(redis.ResponseError, 'hash value is not an integer'):
            r.hset('h', 'f', 'v')
            r.hincrby('h', 'f')

    @unittest.skipUnless(IS_REDOUBT, 'Redis 7.0 has them not')
    def test_fields_that_expire(self):
        """This redis-py has no methods for them yet, its users send them as words."""
        ask = self.r.execute_command
        self.r.hset('h', mapping={'a': 1, 'b': 2, 'c': 3})
        self.assertEqual(ask('HEXPIRE', 'h', 100, 'FIELDS', 2, 'a', 'none'), [1, -2])
        self.assertEqual(ask('HTTL', 'h', 'FIELDS', 3, 'a', 'b', 'none'), [100, -1, -2])
        self.assertEqual(ask('HEXPIRE', 'h', 50, 'GT', 'FIELDS', 1, 'a'), [0])
        self.assertEqual(ask('HPERSIST', 'h', 'FIELDS', 2, 'a', 'b'), [1, -1])
        self.assertEqual(ask('HPEXPIRE', 'h', 30, 'FIELDS', 1, 'b'), [1])
        wait_until(lambda: self.r.hlen('h') == 2, what='the end of a field')
        self.assertEqual(ask('HGETDEL', 'h', 'FIELDS', 2, 'a', 'b'), ['1', None])
        self.assertEqual(ask('HSETEX', 'h', 'FXX', 'EX', 100, 'FIELDS', 1, 'c', 'new'), 1)
        self.assertEqual(ask('HGETEX', 'h', 'PERSIST', 'FIELDS', 1, 'c'), ['new'])

    def test_sorted_sets(self):
        r = self.r
        self.assertEqual(r.zadd('z', {'a': 1, 'b': 2.5, 'c': float('inf')}), 3)
        self.assertEqual(r.zadd('z', {'a': 5}, gt=True, ch=True), 1)
        self.assertEqual(r.zadd('z', {'a': 2}, incr=True), 7.0)
        self.assertIsNone(r.zadd('z', {'none': 2}, xx=True, incr=True))
        self.assertEqual(r.zrange('z', 0, -1, withscores=True), [('b', 2.5), ('a', 7.0), ('c', float('inf'))])
        self.assertEqual(r.zrange('z', 0, -1, desc=True), ['c', 'a', 'b'])
        self.assertEqual(r.zrange('z', '-inf', '(7', byscore=True), ['b'])
        self.assertEqual(r.zrevrange('z', 0, 0, withscores=True), [('c', float('inf'))])
        self.assertEqual(r.zrangebyscore('z', 2, '+inf', start=1, num=1, withscores=True), [('a', 7.0)])
        self.assertEqual(r.zrevrangebyscore('z', '+inf', 7), ['c', 'a'])
        self.assertEqual((r.zscore('z', 'b'), r.zscore('z', 'none'), r.zmscore('z', ['a', 'none'])), (2.5, None, [7.0, None]))
        self.assertEqual((r.zrank('z', 'a'), r.zrevrank('z', 'a'), r.zrank('z', 'none')), (1, 1, None))
        self.assertEqual((r.zcard('z'), r.zcount('z', 2, 7), r.zincrby('z', 1.5, 'b')), (3, 2, 4.0))
        r.zadd('other', {'a': 1, 'x': 1})
        self.assertEqual(r.zunion(['z', 'other'], withscores=True), [('x', 1.0), ('b', 4.0), ('a', 8.0), ('c', float('inf'))])
        self.assertEqual(r.zinter({'z': 1, 'other': 10}, aggregate='MAX', withscores=True), [('a', 10.0)])
        self.assertEqual(r.zdiff(['z', 'other']), ['b', 'c'])
        self.assertEqual((r.zunionstore('u', ['z', 'other']), r.zinterstore('i', ['z', 'other']), r.zdiffstore('d', ['z', 'other'])),
                         (4, 1, 2))
        self.assertEqual(r.zintercard(2, ['z', 'other']), 1)
        self.assertEqual(r.zrangestore('s', 'z', 0, 1), 2)
        self.assertEqual((r.zpopmin('z'), r.zpopmax('z', 5)), ([('b', 4.0)], [('c', float('inf')), ('a', 7.0)]))
        self.assertEqual(r.zmpop(2, ['z', 's'], max=True, count=1), ['s', [['a', '7']]])
        r.zadd('lex', dict.fromkeys('abcdef', 0))
        self.assertEqual((r.zrangebylex('lex', '[b', '(d'), r.zlexcount('lex', '-', '+')), (['b', 'c'], 6))
        self.assertEqual((r.zremrangebylex('lex', '-', '[a'), r.zremrangebyrank('lex', 0, 0), r.zremrangebyscore('lex', 0, 0)),
                         (1, 1, 4))
        r.zadd('large', {f'member:{i}': i for i in range(2000)})
        self.assertEqual(dict(r.zscan_iter('large', count=100)), {f'member:{i}': float(i) for i in range(2000)})

    def later(self, *request):
        """Another client does this as soon as this one waits."""
        def work():
            with self.server.client() as other:
                wait_until(lambda: int(other.info('clients')['blocked_clients']) > 0)
                other.execute_command(*request)
        thread = threading.Thread(target=work)
        thread.start()
        self.addCleanup(thread.join)

    def test_blocking(self):
        r = self.r
        for request, wait, reply in (
                (['RPUSH', 'l', 'x'], lambda: r.blpop(['m', 'l'], timeout=10), ('l', 'x')),
                (['RPUSH', 'l', 'x', 'y'], lambda: r.brpop('l', timeout=10), ('l', 'y')),
                (['LPUSH', 'm', 'z'], lambda: r.blmove('m', 'l', 10, 'RIGHT', 'LEFT'), 'z'),
                (['LPUSH', 'm', 'z'], lambda: r.brpoplpush('m', 'l', 10), 'z'),
                (['RPUSH', 'n', '1', '2'], lambda: r.blmpop(10, 1, 'n', direction='LEFT', count=9), ['n', ['1', '2']]),
                (['ZADD', 'z', '1', 'a', '2', 'b'], lambda: r.bzpopmin('z', timeout=10), ('z', 'a', 1.0)),
                (['ZADD', 'y', '1', 'a', '2', 'b'], lambda: r.bzpopmax('y', timeout=10), ('y', 'b', 2.0)),
                (['ZADD', 'x', '1', 'a'], lambda: r.bzmpop(10, 1, ['x'], min=True), ['x', [['a', '1']]])):
            self.later(*request)
            self.assertEqual(wait(), reply, request)
        began = time.time()
        self.assertIsNone(r.blpop('none', timeout=0.05))
        self.assertLess(time.time() - began, 5)

    def test_sort(self):
        r = self.r
        r.rpush('l', 3, 1, 2)
        r.mset({'by:1': 30, 'by:2': 20, 'by:3': 10, 'get:1': 'one', 'get:2': 'two', 'get:3': 'three'})
        self.assertEqual(r.sort('l'), ['1', '2', '3'])
        self.assertEqual(r.sort('l', by='by:*', get=['#', 'get:*'], groups=True), [('3', 'three'), ('2', 'two'), ('1', 'one')])
        self.assertEqual(r.sort('l', start=1, num=1, desc=True), ['2'])
        self.assertEqual((r.sort('l', alpha=True, store='sorted'), r.lrange('sorted', 0, -1)), (3, ['1', '2', '3']))
        self.assertEqual(r.sort_ro('l', desc=True), ['3', '2', '1'])

    def test_introspection(self):
        r = self.r
        r.rpush('l', *range(5))
        r.sadd('s', *range(5))
        r.hset('h', 'f', 'x' * 100)
        r.zadd('z', {f'member:{i}': i for i in range(200)})
        self.assertEqual([r.object('encoding', k) for k in 'shz'], ['intset', 'hashtable', 'skiplist'])
        self.assertEqual([r.type(k) for k in 'lshz'], ['list', 'set', 'hash', 'zset'])
        self.assertTrue(all(r.memory_usage(k, samples=3) > 0 for k in 'lshz'))

    def test_wrong_type(self):
        r = self.r
        r.set('string', 'x')
        for call in (r.llen, r.smembers, r.hgetall, r.zcard, r.lpop, r.spop, r.zpopmin):
            with self.assertRaisesRegex(redis.ResponseError, 'WRONGTYPE|wrong kind of value'):
                call('string')

    def test_transaction_over_types(self):
        with self.r.pipeline() as p:
            p.rpush('l', 1).sadd('s', 1).hset('h', 'f', 1).zadd('z', {'m': 1}).lrange('l', 0, -1).smembers('s').hgetall('h')
            self.assertEqual(p.execute(), [1, 1, 1, 1, ['1'], {'1'}, {'f': '1'}])


if __name__ == '__main__':
    unittest.main()
