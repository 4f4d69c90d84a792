"""Hostile and unlucky clients: the server keeps serving the others, within bounded memory.

Each test runs on the release binary and on the sanitized one.
"""
import os
import random
import re
import resource
import socket
import threading
import time
import unittest

from servers import IS_REDOUBT, REDOUBT, SANITIZED, Server, wait_until
from wire import Error, Wire, encode, value

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
MB = 1 << 20


class Hostile:
    BINARY = REDOUBT
    CONNECTIONS = 10000

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(cls.BINARY):
            raise unittest.SkipTest(f'{cls.BINARY} is not built')
        print(f'SEED={SEED}', flush=True)
        cls.server = cls.enterClassContext(Server(cls.BINARY, maxclients=cls.CONNECTIONS + 100))

    def setUp(self):
        self.rng = random.Random(f'{SEED} {type(self).__name__}.{self._testMethodName}')
        self.good = Wire(self.server)
        self.addCleanup(self.good.close)
        self.good.ask('FLUSHALL')

    def assert_serving(self):
        self.assertEqual(self.good.ask('SET', 'still', 'here'), b'OK')
        self.assertEqual(self.good.ask('GET', 'still'), b'here')

    def wait_for_clients(self, count):
        wait_until(lambda: self.good.ask('INFO', 'clients').count(b'connected_clients:%d\r' % count), 20,
                   f'{count} clients')

    def garbage(self):
        """Bytes that begin like requests more often than chance would have it."""
        rng = self.rng
        parts = [b'*3\r\n', b'$3\r\n', b'SET\r\n', b'\r\n', b'*', b'$', b'-1\r\n', b'PING', b'"', b'\\x', b'99999999999\r\n',
                 b'*1000000\r\n', b'$500000000\r\n', b'\x00', b' ', b'GET a\r\n', b'MULTI\r\n', b'EXEC\r\n', b'*2\r\n$4\r\nECHO\r\n']
        return b''.join(rng.choice(parts) if rng.random() < 0.7 else rng.randbytes(rng.randint(1, 20))
                        for _ in range(rng.randint(1, 40)))

    def test_garbage(self):
        for _ in range(400):
            with self.server.raw() as s:
                try:
                    s.sendall(self.garbage())
                except ConnectionError:
                    pass  # it may hang up on us meanwhile
        self.assert_serving()
        self.wait_for_clients(1)

    def test_mangled_requests(self):
        """Good pipelines in which a few bytes are wrong."""
        good = b''.join(encode('SET', f'k{i}', 'v' * i) + encode('GET', f'k{i}') for i in range(50))
        for _ in range(200):
            data = bytearray(good)
            for _ in range(self.rng.randint(1, 5)):
                data[self.rng.randrange(len(data))] = self.rng.randrange(256)
            with self.server.raw() as s:
                try:
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(65536):
                        pass
                except (ConnectionError, OSError):
                    pass
        self.assert_serving()

    def test_client_that_never_reads(self):
        """2 GB of replies are asked for; what waits is bounded by client-output-buffer-limit, and the client is closed."""
        self.good.ask('SET', 'value', b'x' * MB)
        self.good.ask('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 67108864 0 0')
        self.addCleanup(lambda: self.good.ask('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 0 0 0'))
        peak = 0
        with self.server.raw() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            try:
                for _ in range(2048 // 16):
                    s.sendall(encode('GET', 'value') * 16)
                    peak = max(peak, self.server.resident_bytes())
                    time.sleep(0.001)
            except ConnectionError:
                pass
            self.assert_serving()
            peak = max(peak, self.server.resident_bytes())
            self.wait_for_clients(1)
        self.assertLess(peak, 200 * MB + self.overhead())

    def test_client_that_never_reads_without_limit(self):
        """Large values are referenced by the replies that wait, not copied: even without a limit memory stays bounded."""
        if not IS_REDOUBT:
            self.skipTest('Redis copies')
        self.good.ask('SET', 'value', b'x' * MB)
        with self.server.raw() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(encode('GET', 'value') * 2048)
            for _ in range(30):
                self.assert_serving()
                time.sleep(0.01)
            self.assertLess(self.server.resident_bytes(), 200 * MB + self.overhead())
        self.wait_for_clients(1)

    def test_one_reply_ends_at_the_output_limit(self):
        """A reply of a thousand million elements is given up where it reaches the limit, and so is its client."""
        self.good.ask('SADD', 'set', 'member')
        self.good.ask('HSET', 'hash', 'member', 'value')
        self.good.ask('ZADD', 'zset', 1, 'member')
        self.good.ask('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 1000000 0 0')
        self.addCleanup(lambda: self.good.ask('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 0 0 0'))
        for request in (('SRANDMEMBER', 'set', -999999999), ('HRANDFIELD', 'hash', -999999999, 'WITHVALUES'),
                        ('ZRANDMEMBER', 'zset', -999999999)):
            with self.server.raw() as s:
                s.sendall(encode('MULTI') + encode(*request) + encode('SET', 'behind', 'it') + encode('EXEC'))
                s.settimeout(10)
                got = b''
                try:
                    while (piece := s.recv(65536)):
                        got += piece
                except ConnectionError:
                    pass
                self.assertNotIn(b'member', got)
            self.assertEqual(self.good.ask('GETDEL', 'behind'), b'it')
        self.wait_for_clients(1)

    def overhead(self):
        return 0

    def test_many_connections(self):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limit)
        count = min(self.CONNECTIONS, limit[1] - 200)
        if count < self.CONNECTIONS:
            print(f'the limit of open files allows {count} connections', flush=True)
        before = self.server.resident_bytes()
        sockets = []
        try:
            for _ in range(count):
                sockets.append(socket.create_connection(('127.0.0.1', self.server.port), timeout=20))
            for s in sockets:
                s.sendall(b'PING\r\n')
            for s in sockets:
                self.assertEqual(s.recv(100), b'+PONG\r\n')
            self.assert_serving()
            self.wait_for_clients(count + 1)
            self.assertLess(self.server.resident_bytes() - before, 150 * MB + self.overhead())
        finally:
            for s in sockets:
                s.close()
        self.wait_for_clients(1)

    def test_half_sent_bulks(self):
        """Many clients announce 100 MB and send a little of it: nothing is reserved for what has not come."""
        before = self.server.resident_bytes()
        sockets = [self.server.raw() for _ in range(50)]
        for s in sockets:
            s.sendall(b'*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$100000000\r\n' + b'x' * 10000)
        self.assert_serving()
        if IS_REDOUBT:
            self.assertLess(self.server.resident_bytes() - before, 100 * MB + self.overhead())
        for s in sockets:
            s.close()
        self.wait_for_clients(1)
        self.assertEqual(self.good.ask('EXISTS', 'big'), 0)

    def test_stalled_bulk_gives_its_room_back(self):
        """A client announces a bulk, sends a little and stops: its block goes, and it can still finish."""
        if not IS_REDOUBT:
            self.skipTest('Redis trims its buffer at other times')
        body = self.rng.randbytes(10 * MB)
        for have in (0, 1, 40000):
            with Wire(self.server) as w:
                w.send_raw(b'*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%d\r\n' % len(body) + body[:have])
                wait_until(lambda: self.largest_client() > len(body), 5, 'a block for the bulk')
                wait_until(lambda: self.largest_client() < MB, 10, 'the block to go')
                w.send_raw(body[have:have + 10])
                time.sleep(0.05)
                w.send_raw(body[have + 10:] + b'\r\n')
                self.assertEqual(w.reply(), b'+OK\r\n')
            self.assertEqual(self.good.ask('GET', 'big'), body)

    def largest_client(self):
        return max(int(n) for n in re.findall(rb'tot-mem=(\d+)', self.good.ask('CLIENT', 'LIST')))

    def test_half_sent_arrays(self):
        sockets = [self.server.raw() for _ in range(50)]
        for s in sockets:
            s.sendall(b'*1000000\r\n' + b'$1\r\na\r\n' * 100)
        self.assert_serving()
        for s in sockets:
            s.close()
        self.wait_for_clients(1)

    def test_byte_by_byte(self):
        """A slow client gets its answer, and nobody waits for it."""
        with Wire(self.server) as slow:
            for byte in encode('SET', 'slow', 'value') + encode('GET', 'slow'):
                slow.send_raw(bytes([byte]))
                self.assertEqual(self.good.ask('PING'), b'PONG')
            self.assertEqual((slow.reply(), slow.reply()), (b'+OK\r\n', b'$5\r\nvalue\r\n'))

    def test_many_slow_clients(self):
        """Each sends a byte in turn, for a request of its own."""
        wires = [Wire(self.server) for _ in range(200)]
        requests = [encode('SET', f'slow:{i}', i) for i in range(200)]
        for at in range(max(map(len, requests))):
            for w, request in zip(wires, requests):
                w.send_raw(request[at:at + 1])
        for w in wires:
            self.assertEqual(w.reply(), b'+OK\r\n')
            w.close()
        self.assertEqual(self.good.ask('DBSIZE'), 200)

    def test_kill_during_pipelines(self):
        """Clients are killed by others while their pipelines run; CLIENT KILL of oneself answers first."""
        stop = threading.Event()

        def flood():
            while not stop.is_set():
                try:
                    with Wire(self.server) as w:
                        w.send_raw(encode('SET', 'k', 'v' * 1000) * 200 + encode('GET', 'k') * 200)
                        for _ in range(400):
                            w.reply()
                except (EOFError, OSError, ValueError):
                    pass
        threads = [threading.Thread(target=flood) for _ in range(4)]
        for t in threads:
            t.start()
        killed = 0
        deadline = time.time() + 2
        while time.time() < deadline:
            killed += self.good.ask('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
        stop.set()
        for t in threads:
            t.join()
        self.assertGreater(killed, 0)
        self.assert_serving()
        with Wire(self.server) as w:
            me = w.ask('CLIENT', 'ID')
            w.send_raw(encode('CLIENT', 'KILL', 'ID', me, 'SKIPME', 'no') + encode('PING'))
            self.assertEqual(w.reply(), b':1\r\n')
            with self.assertRaises((EOFError, ConnectionError)):
                w.reply()
        self.wait_for_clients(1)

    def test_query_buffer_limit(self):
        """Whose request grows beyond client-query-buffer-limit is closed."""
        self.good.ask('CONFIG', 'SET', 'client-query-buffer-limit', MB)
        self.addCleanup(lambda: self.good.ask('CONFIG', 'SET', 'client-query-buffer-limit', 1 << 30))
        with self.server.raw() as s:
            try:
                s.sendall(b'*2\r\n$4\r\nECHO\r\n$50000000\r\n')
                for _ in range(100):
                    s.sendall(b'x' * 100000)
                self.assertEqual(s.recv(100), b'')
            except ConnectionError:
                pass
        self.wait_for_clients(1)
        self.assert_serving()

    def test_client_that_leaves_in_the_middle(self):
        """Connections reset with replies on their way, with a transaction open, with keys watched, while monitoring."""
        for _ in range(100):
            for request in (encode('MULTI') + encode('SET', 'a', 1) * 10, encode('WATCH', 'a', 'b') + encode('MULTI'),
                            encode('MONITOR'), encode('PING') * 1000, encode('SUBSCRIBE', 'x') + b'*2\r\n$3\r\nGE'):
                s = self.server.raw()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\x01\x00\x00\x00\x00\x00\x00\x00')
                s.sendall(request)
                s.close()  # an RST, by the linger time of zero
        self.assert_serving()
        self.assertEqual(self.good.ask('GET', 'a'), None)
        self.wait_for_clients(1)

    def test_slow_reader_gets_all(self):
        """A client that reads little by little gets each byte of a long pipeline's replies."""
        value = bytes(range(256)) * 400
        self.good.ask('SET', 'value', value)
        with Wire(self.server) as w:
            threading.Thread(target=w.send_raw, args=(encode('GET', 'value') * 300 + encode('PING'),)).start()
            for i in range(300):
                if i % 50 == 0:
                    time.sleep(0.05)
                    self.assert_serving()
                self.assertEqual(w.reply(), b'$%d\r\n%s\r\n' % (len(value), value))
            self.assertEqual(w.reply(), b'+PONG\r\n')

    def test_changed_value_while_its_reply_waits(self):
        """A reply shows the value of its moment, though the key changes or goes while the client does not read."""
        first = b'1' * (2 * MB)
        self.good.pipeline([['SET', 'value', first], ['CONFIG', 'RESETSTAT']])
        with Wire(self.server) as w:
            w.send_raw(encode('GET', 'value') * 10)
            wait_until(lambda: b'keyspace_hits:10\r' in self.good.ask('INFO', 'stats'))
            self.good.ask('SETRANGE', 'value', 0, b'2' * 100)
            self.good.ask('APPEND', 'value', 'x')
            self.good.ask('DEL', 'value')
            for _ in range(10):
                reply = w.reply()
                self.assertEqual(reply, b'$%d\r\n%s\r\n' % (len(first), first))

    def test_subscribers_leave_while_a_script_is_busy(self):
        """They are gone for good, though the script is taken back."""
        self.good.ask('CONFIG', 'SET', 'busy-reply-threshold', 20)
        listeners = [Wire(self.server) for _ in range(20)]
        for i, listener in enumerate(listeners):
            listener.ask('SUBSCRIBE', f'own:{i}')
        with Wire(self.server) as w:
            w.send('EVAL', "redis.call('SET', 'a', 1) while true do end", 0)
            wait_until(lambda: str(self.good.ask('PING')).startswith('BUSY'))
            for listener in listeners:
                listener.close()
            time.sleep(0.1)
            self.assertEqual(self.good.ask('SCRIPT', 'KILL'), b'OK')
            self.assertIn('killed', str(value(w.reply())))
        self.assertEqual(self.good.ask('PUBSUB', 'CHANNELS'), [])
        for i in range(20):
            self.assertEqual(self.good.ask('PUBLISH', f'own:{i}', b'x' * 100), 0)
        self.good.ask('CONFIG', 'SET', 'busy-reply-threshold', 5000)

    def test_blocked_listener_that_never_reads(self):
        """It is cut off for its messages while it waits for a list."""
        self.good.ask('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 1000000 0 0')
        for _ in range(5):
            with Wire(self.server, resp=3) as w:
                w.send_raw(encode('SUBSCRIBE', 'x') + encode('BLPOP', 'none', 0))
                wait_until(lambda: b'blocked_clients:1\r' in self.good.ask('INFO', 'clients'))
                wait_until(lambda: self.good.ask('PUBLISH', 'x', b'm' * 60000) == 0, 20)
            self.wait_for_clients(1)
        self.good.ask('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 33554432 8388608 60')

    def test_reply_that_a_script_has_no_memory_for(self):
        """It is nobody else's answer."""
        self.good.ask('SET', 'large', b'x' * 9 * MB)
        self.good.ask('SET', 'number', 7)
        self.good.ask('CONFIG', 'SET', 'lua-memory-limit', 10 * MB)
        self.assertIn('memory', str(self.good.ask('EVAL', "return redis.call('GET', 'large') .. redis.call('GET', 'large')", 0)))
        self.assertEqual(self.good.ask('EVAL', "return redis.call('GET', 'number')", 0), b'7')
        self.assertEqual(self.good.ask('EVAL', "pcall(function() return redis.call('GET', 'large') .. 'x' end) "
                                       "return redis.call('GET', 'number')", 0), b'7')
        self.good.ask('CONFIG', 'SET', 'lua-memory-limit', 0)

    def test_held_requests_are_held_again(self):
        """Of what waited for a pause, one request begins another pause: the rest waits on, in order."""
        self.good.ask('CLIENT', 'PAUSE', 100, 'ALL')
        words = [b'word%d' % i for i in range(100)]
        with self.server.raw() as s:
            s.sendall(encode('ECHO', 'first') + encode('CLIENT', 'PAUSE', 100, 'ALL') +
                      b''.join(encode('ECHO', w) for w in words[:40]))
            time.sleep(0.15)
            s.sendall(b''.join(encode('ECHO', w) for w in words[40:]))
            expected = b'$5\r\nfirst\r\n+OK\r\n' + b''.join(b'$%d\r\n%s\r\n' % (len(w), w) for w in words)
            got = b''
            while len(got) < len(expected):
                piece = s.recv(65536)
                self.assertTrue(piece, got)
                got += piece
            self.assertEqual(got, expected)
        self.assert_serving()

    def test_pause_keeps_keys_and_counts_who_waits(self):
        """What dies during a pause is not seen, but goes only behind it; clients held back count as blocked."""
        expired = self.info('stats', 'expired_keys')
        self.good.pipeline([('SET', 'dying', 1, 'PX', 20), ('CLIENT', 'PAUSE', 60000, 'WRITE')])
        with Wire(self.server) as held, Wire(self.server) as leaves:
            held.send('SET', 'dying', 2)
            leaves.send('SET', 'dying', 3)
            wait_until(lambda: self.info('clients', 'blocked_clients') == 2, 5, 'two that wait')
            leaves.close()
            wait_until(lambda: self.info('clients', 'blocked_clients') == 1, 5, 'one that waits')
            wait_until(lambda: self.good.ask('GET', 'dying') is None, 5, 'the key to die')
            self.assertEqual(self.info('stats', 'expired_keys'), expired)
            self.assertEqual(self.good.ask('DBSIZE'), 1)
            self.good.ask('CLIENT', 'UNPAUSE')
            self.assertEqual(held.reply(), b'+OK\r\n')
        self.assertEqual(self.info('clients', 'blocked_clients'), 0)
        self.assertEqual(self.info('stats', 'expired_keys'), expired + 1)
        self.assertEqual(self.good.ask('GET', 'dying'), b'2')

    def info(self, section, field):
        return int(re.search(rb'%s:(\d+)' % field.encode(), self.good.ask('INFO', section))[1])

    def test_errors_of_limits_keep_the_connection(self):
        """A refused request of a legal form is answered, and the next one works."""
        with Wire(self.server) as w:
            self.assertIsInstance(w.ask('SETRANGE', 'k', 600 * MB, 'x'), Error)
            self.assertIsInstance(w.ask('SET', 'k', 'v', 'EX', 1 << 62), Error)
            self.assertEqual(w.ask('PING'), b'PONG')


class Robustness(Hostile, unittest.TestCase):
    pass


class RobustnessSanitized(Hostile, unittest.TestCase):
    """The same under the sanitizers, whose shadow memory and quarantine take their own."""
    BINARY = SANITIZED
    CONNECTIONS = 2000

    def overhead(self):
        return 600 * MB


if __name__ == '__main__':
    unittest.main()
