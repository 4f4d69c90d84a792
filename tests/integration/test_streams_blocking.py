"""Readers of streams that wait, and deletion that minds the groups, over sockets."""
import time
import unittest

from servers import Server, wait_until
from wire import Error, Wire


class Readers(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server())
        self.w = self.wire()

    def wire(self, resp=2):
        w = Wire(self.server, resp)
        self.addCleanup(w.close)
        return w

    def waiting(self, *words, resp=2):
        """A connection whose request waits."""
        w = self.wire(resp)
        before = self.blocked()
        w.send(*words)
        wait_until(lambda: self.blocked() == before + 1, what='the wait')
        return w

    def blocked(self):
        info = self.w.ask('INFO', 'clients')
        return int(info.split(b'blocked_clients:')[1].split(b'\r\n')[0])

    def info_number(self, name):
        return int(self.w.ask('INFO', 'clients').split(name + b':')[1].split(b'\r\n')[0])

    def test_dollar_is_what_it_was_when_the_wait_began(self):
        self.w.ask('XADD', 's', '5-0', 'f', 'old')
        reader = self.waiting('XREAD', 'BLOCK', 0, 'STREAMS', 's', 'none', '$', '$')
        self.w.pipeline([['MULTI'], ['XADD', 's', '6-0', 'f', 1], ['XADD', 's', '7-0', 'f', 2], ['EXEC']])
        self.assertEqual(reader.reply(), b'*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n6-0\r\n*2\r\n$1\r\nf\r\n$1\r\n1\r\n'
                                         b'*2\r\n$3\r\n7-0\r\n*2\r\n$1\r\nf\r\n$1\r\n2\r\n')

    def test_plus_waits_for_the_last_entry_then(self):
        reader = self.waiting('XREAD', 'BLOCK', 0, 'STREAMS', 's', '+', resp=3)
        self.w.pipeline([['MULTI'], ['XADD', 's', 6, 'f', 1], ['XADD', 's', 7, 'f', 2], ['EXEC']])
        self.assertEqual(reader.reply(), b'%1\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n7-0\r\n*2\r\n$1\r\nf\r\n$1\r\n2\r\n')

    def test_consumers_are_served_in_order(self):
        self.w.ask('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM')
        readers = [self.waiting('XREADGROUP', 'GROUP', 'g', 'c%d' % i, 'BLOCK', 0, 'STREAMS', 's', '>') for i in range(5)]
        for i, reader in enumerate(readers):
            self.w.ask('XADD', 's', i + 1, 'f', i)
            self.assertIn(b'%d-0' % (i + 1), reader.reply())
        self.assertEqual([row[:2] for row in self.w.ask('XPENDING', 's', 'g', '-', '+', 9)],
                         [[b'%d-0' % (i + 1), b'c%d' % i] for i in range(5)])

    def test_a_rolled_back_entry_wakes_nobody(self):
        reader = self.waiting('XREAD', 'BLOCK', 300, 'STREAMS', 's', '$')
        self.w.pipeline([['SET', 't', 'x'], ['MULTI', 'ROLLBACK'], ['XADD', 's', 1, 'f', 1], ['INCR', 't'], ['EXEC']])
        self.assertEqual(reader.reply(), b'*-1\r\n')

    def test_what_ends_a_group_ends_its_waits(self):
        def fresh():
            self.w.ask('DEL', 's')
            self.w.ask('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM')
        for words, error in ((['DEL', 's'], b'-NOGROUP '), (['XGROUP', 'DESTROY', 's', 'g'], b'-NOGROUP '), (['FLUSHDB'], b'-NOGROUP '),
                             (['SET', 's', 1], b'-WRONGTYPE '), (['SWAPDB', 0, 7], b'-NOGROUP ')):
            fresh()
            reader = self.waiting('XREADGROUP', 'GROUP', 'g', 'c', 'BLOCK', 0, 'STREAMS', 's', '>')
            self.assertEqual(self.info_number(b'total_blocking_keys_on_nokey'), 1)
            self.w.ask(*words)
            self.assertEqual(reader.reply()[:len(error)], error, words)
        self.assertEqual(self.info_number(b'total_blocking_keys'), 0)
        reader = self.waiting('XREAD', 'BLOCK', 0, 'STREAMS', 's', '$')
        self.assertEqual(self.info_number(b'total_blocking_keys_on_nokey'), 0)
        for words in (['SET', 's', 1], ['DEL', 's'], ['XADD', 's', 1, 'f', 1]):
            self.w.ask(*words)
        self.assertIn(b'1-0', reader.reply())

    def test_no_wait_inside_exec_and_for_history(self):
        self.w.ask('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM')
        self.w.pipeline([['MULTI'], ['XREAD', 'BLOCK', 0, 'STREAMS', 's', '$'], ['XREADGROUP', 'GROUP', 'g', 'c', 'BLOCK', 0, 'STREAMS', 's', '>']])
        self.assertEqual(self.w.ask('EXEC'), [None, None])
        self.assertEqual(self.w.ask('XREADGROUP', 'GROUP', 'g', 'c', 'BLOCK', 0, 'STREAMS', 's', 0), [[b's', []]])
        started = time.time()
        self.assertIsNone(self.w.ask('XREAD', 'BLOCK', 100, 'STREAMS', 's', 0))
        self.assertGreater(time.time() - started, 0.09)

    def test_times_of_consumers(self):
        self.w.ask('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM')
        self.w.ask('XREADGROUP', 'GROUP', 'g', 'alice', 'STREAMS', 's', '>')
        self.w.ask('XCLAIM', 's', 'g', 'bob', 0, 1)
        self.w.ask('XAUTOCLAIM', 's', 'g', 'carol', 0, 0)
        rows = self.w.ask('XINFO', 'CONSUMERS', 's', 'g')
        self.assertEqual([row[1] for row in rows], [b'alice', b'bob', b'carol'])
        self.assertEqual([row[7] for row in rows], [-1, -1, -1])
        self.w.ask('XADD', 's', 1, 'f', 1)
        self.w.ask('XREADGROUP', 'GROUP', 'g', 'alice', 'STREAMS', 's', '>')
        self.w.ask('XCLAIM', 's', 'g', 'bob', 0, 1)
        self.assertEqual([row[7] >= 0 for row in self.w.ask('XINFO', 'CONSUMERS', 's', 'g')], [True, True, False])


class References(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server())
        self.w = Wire(self.server)
        self.addCleanup(self.w.close)
        for i in range(1, 6):
            self.w.ask('XADD', 's', i, 'f', i)
        for group, count in (('g', 4), ('h', 3)):
            self.w.ask('XGROUP', 'CREATE', 's', group, 0)
            self.w.ask('XREADGROUP', 'GROUP', group, 'alice', 'COUNT', count, 'STREAMS', 's', '>')

    def pending(self, group):
        return [row[0] for row in self.w.ask('XPENDING', 's', group, '-', '+', 9)]

    def ids(self):
        return [row[0] for row in self.w.ask('XRANGE', 's', '-', '+')]

    def test_xdelex(self):
        ask = self.w.ask
        self.assertEqual(ask('XDELEX', 's', 'IDS', 2, '1-0', '9-0'), [1, -1])
        self.assertEqual(self.pending('g'), [b'1-0', b'2-0', b'3-0', b'4-0'])
        self.assertEqual(ask('XDELEX', 's', 'DELREF', 'IDS', 2, '1-0', '2-0'), [-1, 1])
        self.assertEqual((self.pending('g'), self.pending('h')), ([b'3-0', b'4-0'], [b'3-0']))
        self.assertEqual(ask('XDELEX', 's', 'ACKED', 'IDS', 3, '3-0', '4-0', '5-0'), [2, 2, 2])
        ask('XACK', 's', 'g', '3-0')
        ask('XACK', 's', 'h', '3-0')
        self.assertEqual(ask('XDELEX', 's', 'acked', 'ids', 1, '3-0'), [1])
        self.assertEqual(self.ids(), [b'4-0', b'5-0'])
        self.assertEqual(ask('XDELEX', 'none', 'IDS', 2, 1, 2), [-1, -1])

    def test_xackdel(self):
        ask = self.w.ask
        self.assertEqual(ask('XACKDEL', 's', 'g', 'IDS', 2, '1-0', '5-0'), [1, -1])
        self.assertEqual((self.pending('g'), self.pending('h')), ([b'2-0', b'3-0', b'4-0'], [b'1-0', b'2-0', b'3-0']))
        self.assertEqual(ask('XACKDEL', 's', 'h', 'DELREF', 'IDS', 1, '2-0'), [1])
        self.assertEqual((self.pending('g'), self.pending('h')), ([b'3-0', b'4-0'], [b'1-0', b'3-0']))
        self.assertEqual(ask('XACKDEL', 's', 'g', 'ACKED', 'IDS', 1, '3-0'), [2])
        self.assertEqual(ask('XACKDEL', 's', 'h', 'ACKED', 'IDS', 2, '3-0', '1-0'), [1, 1])
        self.assertEqual((self.ids(), self.pending('h')), ([b'4-0', b'5-0'], []))
        self.assertEqual(ask('XACKDEL', 's', 'nobody', 'IDS', 1, 1), [-1])

    def test_words(self):
        for words, error in ((['XDELEX', 's', 'IDS', 0, 1], 'ERR Number of IDs must be greater than 0'),
                             (['XDELEX', 's', 'IDS', 'x', 1], 'ERR Number of IDs must be greater than 0'),
                             (['XDELEX', 's', 'IDS', 2, 1], 'ERR The `numids` parameter must match the number of arguments'),
                             (['XDELEX', 's', 'IDS', 1, 1, 2], 'ERR syntax error'),
                             (['XDELEX', 's', 'DELREF', 'ACKED', 'IDS', 1, 1], 'ERR syntax error'),
                             (['XDELEX', 's', 'DELREF', 'x', 'y'], 'ERR syntax error'),
                             (['XACKDEL', 's', 'g', 'IDS', 1, 'x'], 'ERR Invalid stream ID specified as stream command argument')):
            self.assertEqual(self.w.ask(*words), Error(error))

    def test_trimming(self):
        ask = self.w.ask
        self.assertEqual(ask('XTRIM', 's', 'MAXLEN', 1, 'ACKED'), 0)
        for i in (1, 2, 3):
            ask('XACK', 's', 'g', i)
        ask('XACK', 's', 'h', 1, 3)
        self.assertEqual(ask('XTRIM', 's', 'MAXLEN', 1, 'ACKED'), 2)
        self.assertEqual(self.ids(), [b'2-0', b'4-0', b'5-0'])
        self.assertEqual(ask('XADD', 's', 'DELREF', 'MAXLEN', 2, 6, 'f', 1), b'6-0')
        self.assertEqual((self.ids(), self.pending('g'), self.pending('h')), ([b'5-0', b'6-0'], [], []))


if __name__ == '__main__':
    unittest.main()
