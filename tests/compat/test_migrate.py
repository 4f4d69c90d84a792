"""MIGRATE between Debian's Redis and us, in both directions, and what both say when it fails."""
import socket
import threading
import time
import unittest

from servers import REDIS, Server
from wire import Error, Wire

HOST = '127.0.0.1'


def another_name():
    """The same host by another name: no link is open to it. A bare system may have no names at all."""
    try:
        socket.getaddrinfo('localhost', None)
        return 'localhost'
    except OSError:
        return '127.0.0.2'


class Stub:
    """A server that takes one connection at a time, reads once, says what it is told and closes; silent: it waits."""

    def __init__(self, answer=None):
        self.answer = answer
        self.socket = socket.create_server((HOST, 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while self.answer is not None:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            peer.recv(100000)
            peer.sendall(self.answer)
            peer.close()


@unittest.skipUnless(REDIS, 'redis-server is not there')
class Migrate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = [Server().start(), Server(binary=REDIS).start()]

    @classmethod
    def tearDownClass(cls):
        for server in cls.servers:
            server.__exit__(None, None, None)

    def setUp(self):
        self.wires = [Wire(server) for server in self.servers]
        for wire in self.wires:
            wire.call('FLUSHALL')

    def tearDown(self):
        for wire in self.wires:
            wire.close()

    def ways(self):
        """(from, to, port there) in both directions."""
        (ours, redis), (here, there) = self.wires, self.servers
        return [(ours, redis, there.port), (redis, ours, here.port)]

    def said(self, source, *request):
        answer = source.ask('MIGRATE', *request)
        return answer.args[0] if isinstance(answer, Error) else answer

    def both_say(self, *request, taken=False):
        """What both answer to a request in which PORT is the other's port; taken: the other has the key as well."""
        answers = []
        for source, target, port in self.ways():
            source.call('SET', 'k', 'v')
            target.call(*(['SET', 'k', 'taken'] if taken else ['DEL', 'k']))
            answers.append(self.said(source, *(port if w == 'PORT' else w for w in request)))
        self.assertEqual(answers[0], answers[1], request)
        return answers[0]

    def test_values_of_all_types_arrive(self):
        for source, target, port in self.ways():
            source.call('SET', 'string', 'x' * 100000)
            source.call('RPUSH', 'list', *range(20000))
            source.call('SADD', 'set', *range(20), 'a')
            source.call('ZADD', 'zset', *(w for i in range(300) for w in (i / 2, i)))
            source.call('HSET', 'hash', 'a', 1, 'b', 2)
            source.call('PEXPIRE', 'hash', 10 ** 7)
            keys = ['string', 'list', 'set', 'zset', 'hash']
            before = [source.ask('SORT', k, 'BY', 'nosort') for k in keys[1:4]]
            self.assertEqual(self.said(source, HOST, port, '', 3, 5000, 'KEYS', *keys, 'none'), b'OK')
            self.assertEqual(source.ask('DBSIZE'), 0)
            target.call('SELECT', 3)
            self.assertEqual(sorted(map(sorted, before)),
                             sorted(sorted(target.ask('SORT', k, 'BY', 'nosort')) for k in keys[1:4]))
            self.assertEqual(target.ask('STRLEN', 'string'), 100000)
            self.assertLess(abs(target.ask('PTTL', 'hash') - 10 ** 7), 5000)
            self.assertEqual(target.ask('PTTL', 'list'), -1)
            target.call('SELECT', 0)

    def test_what_is_said(self):
        self.assertEqual(self.both_say(HOST, 'PORT', 'none', 0, 1000), b'NOKEY')
        self.assertEqual(self.both_say(HOST, 'PORT', 'k', 0, 1000, 'COPY'), b'OK')
        self.assertEqual(self.both_say(HOST, 'PORT', 'k', 0, 1000, 'COPY', taken=True),
                         'ERR Target instance replied with error: BUSYKEY Target key name already exists.')
        for words in (['k', 0, 1000, 'copy', 'replace'], ['k', 0, 0, 'REPLACE'], ['k', 0, -5, 'REPLACE'],
                      ['k', 99, 1000], ['k', 'x', 1000], ['k', 0, 'x'], ['k', 0, 1000, 'x'], ['k', 0, 1000, 'AUTH'],
                      ['k', 0, 1000, 'AUTH2', 'x'], ['k', 0, 1000, 'KEYS', 'k'], ['', 0, 1000], ['', 0, 1000, 'KEYS'],
                      ['', 0, 1000, 'KEYS', 'none', 'neither'], ['k', 0, 1000, 'AUTH', 'wrong'],
                      ['k', 0, 1000, 'AUTH2', 'alice', 'wrong'],
                      ['', 0, 1000, 'REPLACE', 'KEYS', 'k', 'k'], ['', 0, 1000, 'COPY', 'REPLACE', 'KEYS', 'k', 'k']):
            self.both_say(HOST, 'PORT', *words)
        for host, port in ((HOST, 1), (HOST, 'x'), (HOST, 99999), ('no.such.host.invalid', 6379)):
            self.assertIn('IOERR', self.both_say(host, port, 'k', 0, 1000))

    def test_only_what_arrived_is_removed(self):
        for source, target, port in self.ways():
            source.call('MSET', 'a', 1, 'b', 2, 'c', 3)
            target.call('SET', 'b', 'taken')
            self.assertIn('BUSYKEY', self.said(source, HOST, port, '', 0, 1000, 'KEYS', 'a', 'b', 'c'))
            self.assertEqual(source.ask('KEYS', '*'), [b'b'])
            self.assertEqual(target.ask('MGET', 'a', 'b', 'c'), [b'1', b'taken', b'3'])
            source.call('FLUSHALL')
            target.call('FLUSHALL')

    def test_passwords(self):
        for source, target, port in self.ways():
            source.call('SET', 'k', 'v')
            target.call('CONFIG', 'SET', 'requirepass', 'secret')
            try:
                self.assertIn('NOAUTH', self.said(source, another_name(), port, 'k', 0, 1000))
                self.assertIn('WRONGPASS', self.said(source, HOST, port, 'k', 0, 1000, 'AUTH', 'wrong'))
                target.call('DEL', 'k')  # over a link of before, Redis sends the key all the same
                self.assertEqual(self.said(source, HOST, port, 'k', 0, 1000, 'AUTH', 'secret', 'COPY'), b'OK')
                self.assertEqual(self.said(source, HOST, port, 'k', 0, 1000, 'REPLACE', 'AUTH2', 'default', 'secret'),
                                 b'OK')
                self.assertEqual(source.ask('EXISTS', 'k'), 0)
            finally:
                target.call('CONFIG', 'SET', 'requirepass', '')

    def test_silence_and_nonsense(self):
        silent, rude = Stub(), Stub(b'')
        refusing = Stub(b'-ERR no\r\n-ERR neither\r\n')
        for server, words in ((silent, 'IOERR error or timeout reading to target instance'),
                              (rude, 'IOERR error or timeout reading to target instance'),
                              (refusing, 'ERR Target instance replied with error: ERR no')):
            started = time.time()
            self.assertEqual(self.both_say(HOST, server.port, 'k', 0, 300), words)
            self.assertLess(time.time() - started, 3)
        nonsense = Stub(b'hello\r\nworld\r\n')
        self.wires[0].call('SET', 'k', 'v')
        self.assertIn('IOERR', self.said(self.wires[0], HOST, nonsense.port, 'k', 0, 300))
        self.assertEqual(self.wires[0].ask('EXISTS', 'k'), 1)

    def test_a_link_that_the_other_side_closed_is_opened_anew(self):
        source, target, port = self.ways()[0]
        source.call('MSET', 'a', 1, 'b', 2)
        self.assertEqual(self.said(source, HOST, port, 'a', 0, 1000), b'OK')
        self.assertIn(b'migrate_cached_sockets:1', source.ask('INFO', 'stats'))
        target.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
        self.assertEqual(self.said(source, HOST, port, 'b', 0, 1000), b'OK')
        self.assertEqual(target.ask('MGET', 'a', 'b'), [b'1', b'2'])

    def test_a_rollback_leaves_the_key_at_both(self):
        source, target, port = self.ways()[0]
        source.call('SET', 'k', 'v')
        source.call('MULTI', 'ROLLBACK')
        source.call('MIGRATE', HOST, port, 'k', 0, 1000)
        source.call('SET', 'string', 'x')
        source.call('LPUSH', 'string', 'x')
        source.call('EXEC')
        self.assertEqual([wire.ask('GET', 'k') for wire in (source, target)], [b'v', b'v'])


if __name__ == '__main__':
    unittest.main()
