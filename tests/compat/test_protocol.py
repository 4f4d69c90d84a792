"""Odd and malformed bytes to Debian's Redis and to us: the same bytes come back, and the same connections are closed.

Each sequence is also sent to us in two parts, cut at each byte, and byte by byte.
"""
import select
import time
import unittest

from servers import REDIS, REDOUBT, Server

INLINE = [
    b'PING\r\n', b'PING\n', b'ping\r\n', b'\r\nPING\r\n', b'\n\n\r\nPING\n', b'   PING  \r\n',
    b'PING hello\r\n', b'PING "hello world"\r\n', b"PING 'hello world'\r\n",
    b'PING "a\\x41\\n\\r\\t\\a\\b\\\\\\""\r\n', b"PING 'it\\'s \\n'\r\n", b'PING ""\r\n',
    b"PING ''\r\n", b'PING "unbalanced\r\nPING\r\n', b"PING 'unbalanced\r\n", b'PING "a"b\r\n',
    b"PING 'a'b\r\n", b'PING a"b"\r\n', b'PING "\\xZZ\\x4"\r\n', b'"PING"\r\n', b'"PI""NG"\r\n',
    b'PING \x00\r\n', b'PING\x00\r\n', b'\x00\r\n', b'PING \xff\xfe\r\n', b'PING\ta\r\n',
    b'\tPING\r\n', b'PING\x0ba\r\n', b'nosuch command here\r\n', b'GET\r\n',
    b'SET inline 1\r\nGET inline\r\n', b'   \r\n', b'"" a\r\n', b'PING\r', b'PING\rx\n',
    b'PING a\rb\r\n', b'PING a\r\r\n', b'\r', b'GET "\r\n"\r\n', b'PING "x\n"\r\n', b'QUIT\r\n',
    b'QUIT\r\nPING\r\n', b'PING\r\nQUIT\r\nPING\r\n', b'ECHO a ECHO\r\n', b'a' * 1000 + b'\r\n',
]
ARRAYS = [
    b'*1\r\n$4\r\nPING\r\n', b'*2\r\n$4\r\nPING\r\n$0\r\n\r\n', b'*0\r\n', b'*0\r\nPING\r\n',
    b'*-1\r\nPING\r\n', b'*-2\r\nPING\r\n', b'*-9999999999\r\nPING\r\n', b'*\r\nPING\r\n', b'*\r\n',
    b'*x\r\n', b'*1x\r\n', b'* 1\r\n', b'*+1\r\n$4\r\nPING\r\n', b'*01\r\n$4\r\nPING\r\n',
    b'*-0\r\nPING\r\n', b'*1.0\r\n', b'*2147483647\r\n', b'*2147483648\r\n', b'*1048577\r\n',
    b'*9223372036854775807\r\n', b'*9223372036854775808\r\n', b'*-9223372036854775808\r\n',
    b'*99999999999999999999999\r\n', b'*1\r\nPING\r\n', b'*1\r\n\r\n', b'*1\r\n:4\r\n',
    b'*1\r\n+PING\r\n', b'*1\r\n*1\r\n', b'*1\r\n\x00\r\n', b'*1\r\n\xff\r\n', b'*1\r\n$-1\r\n',
    b'*1\r\n$x\r\n', b'*1\r\n$\r\n', b'*1\r\n$ 4\r\nPING\r\n', b'*1\r\n$+4\r\nPING\r\n',
    b'*1\r\n$04\r\nPING\r\n', b'*1\r\n$536870913\r\n', b'*1\r\n$99999999999999999999\r\n',
    b'*1\r\n$4x\r\nPING\r\n', b'*1\r\n$4\r\nPINGxxPING\r\n',
    b'*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n', b'*1\r\n$3\r\nPING\r\n', b'*1\r\n$5\r\nPING\r\n',
    b'*1\r\n$0\r\n\r\n', b'*2\r\n$4\r\nECHO\r\n$-1\r\n', b'*3\r\n$3\r\nSET\r\n$1\r\na\r\n$-5\r\n',
    b'*1\n$4\nPING\n', b'*1\r$4\rPING\r', b'*1\rx$4\r\nPING\r\n', b'*1\r\n$4\rxPING\r\n',
    b'*2\r\n$4\r\nECHO\r\n$5\r\na\r\nbc\r\n', b'*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n',
    b'*1\r\n$4\r\nQUIT\r\n*1\r\n$4\r\nPING\r\n',
    b'*1\r\n$4\r\nPING\r\nPING\r\n*1\r\n$4\r\nPING\r\n', b'PING\r\n*1\r\n$x\r\nPING\r\n',
    b'*1\r\n$4\r\nping\r\n*2\r\n$4\r\nPING\r\n$3\r\nabc\r\n', b'+PING\r\n', b'$4\r\nPING\r\n',
    b':1\r\n', b'-ERR x\r\n', b'%1\r\n', b'~1\r\n', b'_\r\n', b'#t\r\n', b'>1\r\n', b'|1\r\n',
    b'POST / HTTP/1.1\r\nHost: here\r\n\r\n', b'host: here\r\n',
    b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n', bytes(range(1, 256)), b'*' + b'1' * 40,
    b'*1\r\n$' + b'4' * 40, b'*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n'[:17], b'*1\r\n$6\r\nnosuch\r\n',
    b'*2\r\n$6\r\nnos\r\nh\r\n$3\r\na\nb\r\n', b'*2\r\n$3\r\nGET\r\n$200000\r\n',
    b'*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$100000\r\n' + b'x' * 100000 + b'\r\n',
]
# Long ones, which are not cut at each byte.
LONG = [
    b'a' * 65535 + b'\r\n', b'a' * 65537, b'a' * 65537 + b'\r\n', b'a' * 70000, b'*' + b'1' * 65536,
    b'*' + b'1' * 65540 + b'\r\n', b'*1\r\n$' + b'1' * 65536, b'*1\r\n' + b'x' * 65540,
    b'PING ' + b'b' * 70000 + b'\r\nPING\r\n', b'\r\n' * 40000 + b'PING\r\n',
    b'*0\r\n' * 10000 + b'PING\r\n', b'PING\r\n' * 5000, b'*1\r\n$4\r\nPING\r\n' * 5000,
    b'*1\r\n$4\r\nPING\r\n' * 3000 + b'*1\r\n$x\r\n',
    b'*1025\r\n$4\r\nMGET\r\n' + b'$1\r\nk\r\n' * 1024,
    b'*2000\r\n$4\r\nPING\r\n' + b'$1\r\nk\r\n' * 1999,
    b'*2\r\n$4\r\nECHO\r\n$40000\r\n' + b'e' * 40000 + b'\r\n' + b'*2\r\n$4\r\nECHO\r\n$33000\r\n' + b'f' * 33000 + b'\r\nPING\r\n',
]
WITHOUT_PASSWORD = [
    b'PING\r\n', b'*1\r\n$4\r\nPING\r\n', b'*11\r\n', b'*10\r\n', b'*11\r\n$4\r\nPING\r\n',
    b'*2\r\n$4\r\nECHO\r\n$16385\r\n', b'*2\r\n$16384\r\n', b'AUTH secret\r\nPING\r\n',
    b'AUTH wrong\r\nPING\r\n', b'AUTH default secret\r\nPING\r\n', b'AUTH nobody secret\r\n',
    b'HELLO\r\n', b'HELLO 2\r\n', b'HELLO 3 AUTH default wrong\r\n', b'QUIT\r\n', b'RESET\r\n',
    b'nosuch\r\n', b'GET\r\n', b'COMMAND COUNT x\r\n', b'MULTI\r\n', b'EXEC\r\n',
    b'AUTH secret\r\n*11\r\n$4\r\nPING\r\n', b'host: x\r\n', b'*1\r\n$x\r\n', b'SELECT 1\r\n',
    b'CLIENT ID\r\n', b'AUTH\r\n', b'AUTH a b c\r\n',
]


# Where Redis 7.4, which we follow, has other words than 7.0.15, which Debian has.
NEWER_WORDS = [(b'otherwise the HELLO AUTH <user> <pass>', b'otherwise the HELLO <proto> AUTH <user> <pass>')]


def from_redis(results):
    """What Redis 7.0 said, in the words of 7.4."""
    for old, new in NEWER_WORDS:
        results = [(heard.replace(old, new), closed) for heard, closed in results]
    return results


class Talk:
    """Send parts on a new connection; what came back, and whether the server closed, is collected without blocking."""

    def __init__(self, server, data):
        self.socket = server.raw()
        self.heard = b''
        self.closed = False
        self.send(data)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # closed by the server already: listen() will tell

    def listen(self):
        while not self.closed and select.select([self.socket], [], [], 0)[0]:
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                data = b''
            self.heard += data
            self.closed = not data

    @property
    def outcome(self):
        return self.heard, self.closed


def outcomes(talks, settle=0.25, expected=None, patience=3):
    """The outcome of each once nothing has come for a while, or as soon as all are as expected."""
    start = last = time.time()
    before = None
    while True:
        for talk in talks:
            talk.listen()
        now = [talk.outcome for talk in talks]
        if expected is not None and now == expected:
            time.sleep(0.003)  # a byte too many would follow at once
            for talk in talks:
                talk.listen()
            break
        if now != before:
            before, last = now, time.time()
        if time.time() - last > (patience if expected is not None else settle) or time.time() - start > 20:
            break
        time.sleep(0.002)
    for talk in talks:
        talk.socket.close()
    return [talk.outcome for talk in talks]


class Protocol(unittest.TestCase):
    OPTIONS = {}
    SEQUENCES = INLINE + ARRAYS

    @classmethod
    def setUpClass(cls):
        if REDIS is None:
            raise unittest.SkipTest('there is no redis-server to compare with')
        cls.redis = cls.enterClassContext(Server(REDIS, **cls.OPTIONS))
        cls.redoubt = cls.enterClassContext(Server(REDOUBT, **cls.OPTIONS))

    def compare(self, sequences):
        expected = from_redis(outcomes([Talk(self.redis, s) for s in sequences], settle=0.5))
        got = outcomes([Talk(self.redoubt, s) for s in sequences], expected=expected)
        for sequence, theirs, ours in zip(sequences, expected, got):
            with self.subTest(sequence[:100]):
                self.assertEqual((theirs[0][:1000], len(theirs[0]), theirs[1]),
                                 (ours[0][:1000], len(ours[0]), ours[1]))
        return expected

    def test_same_bytes_and_close(self):
        self.compare(self.SEQUENCES)

    def short_sequences(self):
        return [s for s in self.SEQUENCES if len(s) < 120]

    def test_cut_at_each_byte(self):
        short = self.short_sequences()
        all_expected = from_redis(outcomes([Talk(self.redis, s) for s in short], settle=0.5))
        for sequence, expected in zip(short, all_expected):
            talks = [Talk(self.redoubt, sequence[:cut]) for cut in range(1, len(sequence))]
            time.sleep(0.003)
            for cut, talk in enumerate(talks, 1):
                talk.send(sequence[cut:])
            for cut, got in enumerate(outcomes(talks, expected=[expected] * len(talks)), 1):
                self.assertEqual(expected, got, f'{sequence!r} cut at {cut}')

    def test_byte_by_byte(self):
        short = self.short_sequences()
        expected = from_redis(outcomes([Talk(self.redis, s) for s in short], settle=0.5))
        talks = [Talk(self.redoubt, s[:1]) for s in short]
        for at in range(1, max(map(len, short))):
            for sequence, talk in zip(short, talks):
                if at < len(sequence):
                    talk.send(sequence[at:at + 1])
            time.sleep(0.002)
        for sequence, theirs, ours in zip(short, expected, outcomes(talks, expected=expected)):
            with self.subTest(sequence):
                self.assertEqual(theirs, ours)


class LongProtocol(Protocol):
    SEQUENCES = LONG
    test_cut_at_each_byte = test_byte_by_byte = None


class WithoutPassword(Protocol):
    """Who has not authenticated is held to small requests, and told so in the same words."""
    OPTIONS = {'requirepass': 'secret'}
    SEQUENCES = WITHOUT_PASSWORD
