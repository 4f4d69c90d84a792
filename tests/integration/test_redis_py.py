"""redis-py does its usual work: pipelines, transactions, WATCH, scanning, locks."""
import inspect
import threading
import unittest

import redis

from servers import REDOUBT, Server

HAS_RESP3 = 'protocol' in inspect.signature(redis.Connection.__init__).parameters


class RedisPy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(REDOUBT))

    def setUp(self):
        self.r = self.server.client()
        self.r.flushall()
        self.addCleanup(self.r.close)

    def test_strings(self):
        r = self.r
        self.assertTrue(r.set('k', 'v'))
        self.assertEqual(r.get('k'), b'v')
        self.assertEqual(r.incrby('n', 5), 5)
        self.assertEqual(r.incrbyfloat('f', 1.5), 1.5)
        self.assertTrue(r.mset({'a': 1, 'b': 2}))
        self.assertEqual(r.mget('a', 'b', 'none'), [b'1', b'2', None])
        self.assertEqual(r.getrange('k', 0, -1), b'v')
        self.assertEqual(r.append('k', 'w'), 2)
        self.assertEqual(r.getdel('k'), b'vw')

    def test_set_options(self):
        r = self.r
        self.assertIsNone(r.set('k', 'v', xx=True))
        self.assertTrue(r.set('k', 'v', nx=True, ex=100))
        self.assertIsNone(r.set('k', 'w', nx=True))
        self.assertEqual(r.ttl('k'), 100)
        self.assertEqual(r.set('k', 'w', keepttl=True, get=True), b'v')
        self.assertGreater(r.pttl('k'), 90000)
        self.assertTrue(r.set('k', 'x', px=50000))
        self.assertLessEqual(r.ttl('k'), 50)
        self.assertEqual(r.getex('k', persist=True), b'x')
        self.assertEqual(r.ttl('k'), -1)

    def test_binary_keys_and_values(self):
        blob = bytes(range(256)) * 300
        self.assertTrue(self.r.set(blob, blob))
        self.assertEqual(self.r.get(blob), blob)

    def test_pipeline(self):
        with self.r.pipeline(transaction=False) as p:
            for i in range(5000):
                p.set(f'key:{i}', i).get(f'key:{i}')
            replies = p.execute()
        self.assertEqual(replies, [w for i in range(5000) for w in (True, b'%d' % i)])

    def test_transaction(self):
        with self.r.pipeline() as p:
            p.set('a', 1).incr('a').get('a')
            self.assertEqual(p.execute(), [True, 2, b'2'])

    def test_transaction_with_an_error_keeps_the_rest(self):
        self.r.set('text', 'word')
        with self.r.pipeline() as p:
            p.set('a', 1).incr('text').set('b', 2)
            replies = p.execute(raise_on_error=False)
        self.assertIsInstance(replies[1], redis.ResponseError)
        self.assertEqual(self.r.mget('a', 'b'), [b'1', b'2'])

    def test_watch_error(self):
        self.r.set('a', 1)
        with self.r.pipeline() as p:
            p.watch('a')
            self.r.set('a', 2)
            p.multi()
            p.set('a', 3)
            with self.assertRaises(redis.WatchError):
                p.execute()
        self.assertEqual(self.r.get('a'), b'2')

    def test_watch_retry_loop_loses_nothing(self):
        """6 clients, 200 increments each, read-modify-write under WATCH: 1200 in the end."""
        def work():
            r = self.server.client()
            for _ in range(200):
                with r.pipeline() as p:
                    while True:
                        try:
                            p.watch('counter')
                            n = int(p.get('counter') or 0)
                            p.multi()
                            p.set('counter', n + 1)
                            p.execute()
                            break
                        except redis.WatchError:
                            continue
            r.close()
        threads = [threading.Thread(target=work) for _ in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(self.r.get('counter'), b'1200')

    def test_transaction_helper(self):
        self.r.set('from', 100)
        self.r.set('to', 0)

        def transfer(pipe):
            pipe.get('from')
            pipe.multi()
            pipe.decrby('from', 30).incrby('to', 30)
        self.assertEqual(self.r.transaction(transfer, 'from', 'to'), [70, 30])

    def test_scan_iter(self):
        self.r.mset({f'scan:{i}': i for i in range(3000)})
        self.r.set('other', 1)
        self.assertEqual(set(self.r.scan_iter('scan:*', count=100)), {b'scan:%d' % i for i in range(3000)})
        self.assertEqual(set(self.r.scan_iter('other', _type='string')), {b'other'})

    def test_keys_and_expiry(self):
        r = self.r
        r.set('k', 'v')
        self.assertEqual(r.type('k'), b'string')
        self.assertTrue(r.rename('k', 'l'))
        self.assertTrue(r.copy('l', 'm'))
        self.assertTrue(r.expire('m', 100))
        self.assertTrue(r.persist('m'))
        self.assertEqual(r.exists('k', 'l', 'm'), 2)
        self.assertEqual(r.object('encoding', 'l'), b'embstr')
        self.assertEqual(r.unlink('l', 'm'), 2)
        self.assertEqual(r.dbsize(), 0)
        with self.assertRaises(redis.ResponseError):
            r.rename('none', 'x')

    def test_introspection(self):
        r = self.r
        info = r.info()
        self.assertIn('redis_version', info)
        self.assertEqual(info['tcp_port'], self.server.port)
        self.assertIn('used_memory', r.info('memory'))
        self.assertEqual(r.config_get('maxmemory'), {'maxmemory': '0'})
        self.assertTrue(r.config_set('hz', 20))
        self.assertTrue(r.client_setname('me'))
        self.assertIn('me', [c['name'] for c in r.client_list()])
        self.assertIsInstance(r.client_id(), int)
        self.assertGreater(r.command_count(), 50)
        self.assertEqual(r.command_getkeys('MSET', 'a', 1, 'b', 2), ['a', 'b'])
        self.assertIsInstance(r.slowlog_get(), list)
        self.assertEqual(len(r.time()), 2)
        self.assertGreater(r.memory_usage('x') or 1, 0)

    def test_databases(self):
        other = self.server.client(db=3)
        self.addCleanup(other.close)
        self.r.set('k', 'zero')
        self.assertIsNone(other.get('k'))
        self.assertTrue(self.r.move('k', 3))
        self.assertEqual(other.get('k'), b'zero')

    def test_monitor(self):
        with self.r.monitor() as m:
            self.server.client().set('watched', 'value')
            commands = [m.next_command()['command'] for _ in range(1)]
        self.assertEqual(commands, ['SET watched value'])

    def test_unix_socket(self):
        r = redis.Redis(unix_socket_path=self.server.socket)
        self.assertTrue(r.ping())
        r.close()

    def test_url_and_client_name(self):
        r = redis.Redis.from_url(f'redis://127.0.0.1:{self.server.port}/2', client_name='named')
        self.assertEqual(r.client_getname(), 'named')
        r.close()

    @unittest.skipUnless(HAS_RESP3, f'redis-py {redis.__version__} speaks RESP2 only')
    def test_resp3(self):
        r = self.server.client(protocol=3)
        self.assertTrue(r.set('k', 'v'))
        self.assertEqual(r.execute_command('HELLO')[b'proto'], 3)
        r.close()

    def test_optimistic_lock(self):
        """SET NX with a token, and a release that checks the token under WATCH."""
        self.assertTrue(self.r.set('lock', 'token', nx=True, px=30000))
        self.assertFalse(self.server.client().set('lock', 'other', nx=True, px=30000))

        def release(pipe):
            self.assertEqual(pipe.get('lock'), b'token')
            pipe.multi()
            pipe.delete('lock')
        self.assertEqual(self.r.transaction(release, 'lock'), [1])


if __name__ == '__main__':
    unittest.main()
