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
