"""Client-side caching over real connections: what a client that caches is told, and what it is spared."""
import unittest

from servers import IS_REDOUBT, REDOUBT, Server, wait_until
from wire import Wire, value


class Tracking(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(REDOUBT))

    def setUp(self):
        self.me, self.other = self.connect(3), self.connect(2)
        self.other.ask('FLUSHALL')

    def connect(self, resp):
        wire = Wire(self.server, resp)
        self.addCleanup(wire.close)
        return wire

    def told(self):
        """What waits for this connection, up to the answer of a PING."""
        self.me.send('PING')
        messages = []
        while (message := value(self.me.reply())) != b'PONG':
            messages.append(message)
        return messages

    def test_expiry_by_itself(self):
        self.me.ask('CLIENT', 'TRACKING', 'ON')
        self.me.pipeline([('SET', 'a', 'x', 'PX', 30), ('GET', 'a')])  # in one write: it is read before it ends
        self.assertEqual(value(self.me.reply()), [b'invalidate', [b'a']])

    def test_scripts_read_for_their_caller(self):
        self.me.ask('CLIENT', 'TRACKING', 'ON')
        self.me.ask('EVAL', "redis.call('get', KEYS[1]) redis.call('set', KEYS[2], 'x')", 2, 'read', 'written')
        self.other.ask('MSET', 'read', 1, 'written', 1)
        self.assertEqual(self.told(), [[b'invalidate', [b'read']]])

    def test_own_changes_are_told_in_the_protocol_of_the_end(self):
        """What a transaction changes that holds a HELLO is told when it is over: not at all to RESP2 without a redirection."""
        self.me.ask('CLIENT', 'TRACKING', 'ON')
        for request in (('SET', 'a', 1), ('FLUSHALL',)):
            self.me.ask('GET', 'a')
            self.me.pipeline([('MULTI',), request, ('HELLO', 2)])
            self.me.send('EXEC')
            self.me.send('ECHO', 'end')
            self.assertTrue(self.me.reply().startswith(b'*2'))
            self.assertEqual(self.me.reply(), b'$3\r\nend\r\n')
            self.me.ask('GET', 'a')
            self.me.pipeline([('MULTI',), request, ('HELLO', 3)])
            self.me.send('EXEC')
            self.assertTrue(self.me.reply().startswith(b'*2'))
            self.assertEqual(value(self.me.reply()), [b'invalidate', [b'a'] if request[0] == 'SET' else None])

    def test_eviction_does_not_feed_on_its_messages(self):
        """To tell ten clients of a key takes more memory than the key: no other has to go for it."""
        caches = [self.connect(3) for _ in range(10)]
        for cache in caches:
            cache.ask('CLIENT', 'TRACKING', 'ON')
        for i in range(300):
            self.other.ask('SET', key := str(i) + 'x' * 1000, 'x')
            for cache in caches:
                cache.ask('GET', key)
        used = int(self.other.ask('INFO', 'memory').split(b'used_memory:')[1].split(b'\r')[0])
        self.other.pipeline([('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru'), ('CONFIG', 'SET', 'maxmemory', used - 40000)])
        for _ in range(20):
            self.other.ask('PING')
        self.assertTrue(200 < self.other.ask('DBSIZE') < 290)
        self.other.ask('CONFIG', 'SET', 'maxmemory', 0)

    def test_whoever_leaves_is_forgotten(self):
        for options in ([], ['BCAST', 'PREFIX', 'a']):
            leaving = self.connect(3)
            leaving.ask('CLIENT', 'TRACKING', 'ON', *options)
            leaving.ask('GET', 'a')
            leaving.close()
            wait_until(lambda: b'tracking_clients:0\r\n' in self.other.ask('INFO', 'clients'))
            self.other.ask('SET', 'a', 'x')
            stats = self.other.ask('INFO', 'stats')
            self.assertIn(b'tracking_total_keys:0\r\n', stats)
            self.assertIn(b'tracking_total_prefixes:0\r\n', stats)

    @unittest.skipUnless(IS_REDOUBT, 'MULTI ROLLBACK is ours')
    def test_rolled_back(self):
        for options in ([], ['BCAST']):
            self.other.ask('MSET', 'a', 'x', 'b', 'y')
            self.me.ask('CLIENT', 'TRACKING', 'ON', *options)
            self.me.ask('MGET', 'a', 'b')
            self.other.pipeline([('MULTI', 'ROLLBACK'), ('SET', 'b', 'z'), ('FLUSHALL',), ('SET', 'a', 'x'), ('INCR', 'a')])
            self.assertIn('rolled back', str(self.other.ask('EXEC')))
            self.assertEqual(self.told(), [])
            self.other.pipeline([('MULTI', 'ROLLBACK'), ('SET', 'b', 'z'), ('EXEC',)])
            self.assertEqual(self.told(), [[b'invalidate', [b'b']]])
            self.me.ask('CLIENT', 'TRACKING', 'OFF')


if __name__ == '__main__':
    unittest.main()
