"""Channels as programs use them: redis-py's listeners, a thousand subscribers, slow ones, transactions."""
import resource
import threading
import time
import unittest

from servers import IS_REDOUBT, REDOUBT, Server, wait_until
from wire import Wire, encode, value


class PubSub(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(REDOUBT, **{'client-output-buffer-limit': 'pubsub 1mb 0 0'}))

    def setUp(self):
        self.wire = self.connect()

    def connect(self, resp=2):
        wire = Wire(self.server, resp)
        self.addCleanup(wire.close)
        return wire

    def subscriber(self, *words, resp=2):
        wire = self.connect(resp)
        wire.call(*words)
        return wire

    def test_redis_py(self):
        r = self.server.client(decode_responses=True)
        p = r.pubsub()
        p.subscribe('news', **{'sport': lambda m: handled.append(m['data'])})
        p.psubscribe('n*')
        handled, heard = [], []
        thread = threading.Thread(target=lambda: heard.extend(m for m in p.listen() if m['type'] != 'x'), daemon=True)
        self.assertEqual([p.get_message(timeout=5)['type'] for _ in range(3)], ['subscribe', 'subscribe', 'psubscribe'])
        thread.start()
        self.assertEqual(r.publish('news', 'hello'), 2)
        self.assertEqual(r.publish('sport', 'goal'), 1)
        wait_until(lambda: len(heard) == 2 and handled == ['goal'])
        self.assertEqual([(m['type'], m['channel'], m['data']) for m in heard],
                         [('message', 'news', 'hello'), ('pmessage', 'news', 'hello')])
        p.unsubscribe()
        p.punsubscribe()
        thread.join(5)
        p.close()
        self.assertEqual(r.publish('news', 'nobody'), 0)

    def test_keyspace_events(self):
        r = self.server.client(decode_responses=True)
        r.config_set('notify-keyspace-events', 'KEA')
        p = r.pubsub(ignore_subscribe_messages=True)
        p.psubscribe('__keyevent@0__:*')
        self.assertIsNone(p.get_message(timeout=1))
        r.set('event', 'x', px=30)
        heard = [p.get_message(timeout=5) for _ in range(3)]
        self.assertEqual([(m['channel'], m['data']) for m in heard], [
            (f'__keyevent@0__:{e}', 'event') for e in ('set', 'expire', 'expired')])
        r.config_set('notify-keyspace-events', '')
        p.close()

    def test_a_thousand_subscribers(self):
        """Everybody gets everything in order, whatever is written when."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        crowd = [self.subscriber('SUBSCRIBE', 'news', resp=2 + i % 2) for i in range(1000)]
        texts = [b'%d' % i * (1 + i * 20) for i in range(60)]
        for at in range(0, 60, 20):
            self.assertEqual(self.wire.pipeline([('PUBLISH', 'news', t) for t in texts[at:at + 20]]), [b':1000\r\n'] * 20)
        for w in crowd:
            self.assertEqual([value(w.reply())[2] for _ in texts], texts)
        self.assertIn(b'pubsub_clients:1000\r\n', self.wire.ask('INFO', 'clients'))
        for w in crowd:
            w.close()
        wait_until(lambda: self.wire.ask('PUBSUB', 'NUMSUB', 'news') == [b'news', 0])

    def test_the_slow_are_cut_off(self):
        """Who does not read loses his connection at the limit; others miss nothing, and memory is not kept."""
        slow, quick = self.subscriber('SUBSCRIBE', 'flood'), self.subscriber('SUBSCRIBE', 'flood')
        before = self.wire.ask('INFO', 'stats')
        sent = 0
        while self.wire.ask('PUBLISH', 'flood', b'x' * 50000) == 2:
            sent += 1
            self.assertEqual(len(value(quick.reply())[2]), 50000)
            self.assertLess(sent, 2000)
        self.assertEqual(len(value(quick.reply())[2]), 50000)
        self.assertEqual(self.wire.ask('PUBSUB', 'NUMSUB', 'flood'), [b'flood', 1])
        self.assertNotEqual(before, self.wire.ask('INFO', 'stats'))
        self.assertIn(b'client_output_buffer_limit_disconnections:', self.wire.ask('INFO', 'stats'))
        with self.assertRaises((EOFError, ConnectionError)):
            for _ in range(sent + 2):
                slow.reply()

    def flood(self):
        """400 messages of 20,000 bytes in one write: how many the reader was there for, and what he heard."""
        reader = self.subscriber('SUBSCRIBE', 'flood')
        heard = []

        def read():
            try:
                for _ in range(400):
                    heard.append(len(value(reader.reply())[2]))
            except (EOFError, ConnectionError):
                pass

        thread = threading.Thread(target=read)
        thread.start()
        self.wire.send_raw(encode('PUBLISH', 'flood', b'y' * 20000) * 400)
        received = [self.wire.reply() for _ in range(400)].count(b':1\r\n')
        thread.join(20)
        return received, heard

    def test_a_pipeline_that_floods(self):
        """One write of many messages does not go beyond the limit of those who read.

        A reader who gets no processor time on a busy machine is cut off all the same, so one of some tries has to do.
        """
        for _ in range(5):
            received, heard = self.flood()
            if received == 400:
                break
        self.assertEqual((received, heard), (400, [20000] * 400))

    def test_reading_own_messages(self):
        me = self.connect(resp=3)
        me.send_raw(encode('SUBSCRIBE', 'me') + encode('MULTI') + encode('PUBLISH', 'me', 'a') + encode('PING') +
                    encode('UNSUBSCRIBE', 'me') + encode('EXEC') + encode('PING'))
        self.assertEqual([value(me.reply()) for _ in range(7)], [
            [b'subscribe', b'me', 1], b'OK', b'QUEUED', b'QUEUED', b'QUEUED',
            [1, b'PONG', [b'unsubscribe', b'me', 0]], [b'message', b'me', b'a']])
        self.assertEqual(value(me.reply()), b'PONG')

    def test_own_messages_have_a_limit(self):
        me = self.connect(resp=3)
        me.call('SUBSCRIBE', 'me')
        me.send('EVAL', "for i = 1, 1000 do redis.call('publish', 'me', ARGV[1]) end", 0, 'x' * 10000)
        with self.assertRaises((EOFError, ConnectionError)):
            while True:
                me.reply()
        self.assertEqual(self.wire.ask('PUBLISH', 'me', 'x'), 0)

    def test_kinds_of_clients(self):
        w = self.subscriber('SUBSCRIBE', 'a', resp=3)
        w.ask('PSUBSCRIBE', 'b')
        w.ask('SSUBSCRIBE', 'c')
        client = w.ask('CLIENT', 'ID')
        line = self.wire.ask('CLIENT', 'LIST', 'ID', client)
        self.assertIn(b' flags=P ', line)
        self.assertIn(b' sub=1 psub=1 ssub=1 ', line)
        self.assertIn(b'id=%d ' % client, self.wire.ask('CLIENT', 'LIST', 'TYPE', 'pubsub'))
        w.ask('RESET')
        self.assertNotIn(b'id=%d ' % client, self.wire.ask('CLIENT', 'LIST', 'TYPE', 'pubsub'))
        w.call('SUBSCRIBE', 'a')
        self.assertGreaterEqual(self.wire.ask('CLIENT', 'KILL', 'TYPE', 'pubsub'), 1)
        with self.assertRaises((EOFError, ConnectionError)):
            w.reply()

    @unittest.skipUnless(IS_REDOUBT, 'MULTI ROLLBACK is ours')
    def test_rolled_back(self):
        """Messages and events of a transaction that fails are never told; those of one that does not, in order."""
        ear = self.subscriber('PSUBSCRIBE', '*')
        self.wire.ask('CONFIG', 'SET', 'notify-keyspace-events', 'EAn')
        self.wire.ask('SET', 'text', 'x')
        for failing, answer in (('INCR text', 'Error'), ('INCR number', 'list')):
            self.wire.pipeline([('MULTI', 'ROLLBACK'), ('PUBLISH', 'news', '1'), ('SET', 'a', '1'), ('DEL', 'a'),
                                ('PUBLISH', 'news', b'2' * 5000), failing.split()])
            self.assertEqual(type(self.wire.ask('EXEC')).__name__, answer)
        self.wire.ask('CONFIG', 'SET', 'notify-keyspace-events', '')
        heard = [tuple(value(ear.reply())[2:]) for _ in range(9)]
        self.assertEqual(heard, [
            (b'__keyevent@0__:new', b'text'), (b'__keyevent@0__:set', b'text'), (b'news', b'1'),
            (b'__keyevent@0__:new', b'a'), (b'__keyevent@0__:set', b'a'), (b'__keyevent@0__:del', b'a'),
            (b'news', b'2' * 5000), (b'__keyevent@0__:new', b'number'), (b'__keyevent@0__:incrby', b'number')])

    @unittest.skipUnless(IS_REDOUBT, 'MULTI ROLLBACK is ours')
    def test_subscriptions_are_rolled_back(self):
        w = self.subscriber('SUBSCRIBE', 'stays', resp=3)
        w.ask('SET', 'text', 'x')
        w.pipeline([('MULTI', 'ROLLBACK'), ('SUBSCRIBE', 'goes'), ('UNSUBSCRIBE', 'stays'), ('INCR', 'text')])
        self.assertIn('rolled back', str(w.ask('EXEC')))
        self.assertEqual(self.wire.ask('PUBSUB', 'NUMSUB', 'stays', 'goes'), [b'stays', 1, b'goes', 0])
        self.assertEqual(self.wire.ask('PUBLISH', 'stays', 'x'), 1)
        self.assertEqual(value(w.reply()), [b'message', b'stays', b'x'])

    def test_pausing_holds_messages_back(self):
        ear = self.subscriber('SUBSCRIBE', 'news')
        began = time.time()
        self.wire.ask('CLIENT', 'PAUSE', 100, 'WRITE')
        self.assertEqual(self.wire.ask('PUBLISH', 'news', 'late'), 1)
        self.assertGreater(time.time() - began, 0.08)
        self.assertEqual(value(ear.reply()), [b'message', b'news', b'late'])


if __name__ == '__main__':
    unittest.main()
