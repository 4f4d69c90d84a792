"""MULTI ROLLBACK: when a command of the transaction fails, nothing of it has happened."""
import os
import random
import unittest

import generators as g
from servers import IS_REDOUBT, REDOUBT, Server
from wire import Error, Wire, value

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
DATABASES = 4

# Commands that always fail at run time, with what they say. The key 'text' holds a word.
FAILING = [
    (['INCR', 'text'], 'ERR value is not an integer or out of range'),
    (['INCRBYFLOAT', 'text', '1'], 'ERR value is not a valid float'),
    (['RENAME', 'absent', 'other'], 'ERR no such key'),
    (['SETRANGE', 'text', '-1', 'x'], 'ERR offset is out of range'),
    (['SET', 'text', 'x', 'EX', '0'], "ERR invalid expire time in 'set' command"),
    (['GETEX', 'text', 'EX', '-1'], "ERR invalid expire time in 'getex' command"),
    (['EXPIRE', 'text', 'soon'], 'ERR value is not an integer or out of range'),
    (['COPY', 'text', 'text'], 'ERR source and destination objects are the same'),
    (['SELECT', '99'], 'ERR DB index is out of range'),
    (['MSET', 'a', '1', 'b'], "ERR wrong number of arguments for 'mset' command"),
    (['SET', 'text', 'x', 'NX', 'XX'], 'ERR syntax error'),
    (['OBJECT', 'FREQ', 'text'], None),
]


# How a value is read as a whole.
READERS = {b'string': ['GET'], b'list': ['LRANGE', 0, -1], b'set': ['SMEMBERS'], b'hash': ['HGETALL'],
           b'zset': ['ZRANGE', 0, -1, 'WITHSCORES'], b'stream': ['XRANGE', '-', '+']}


def read(wire, key, kind, encoding):
    """What a key holds; in order, unless it is a table, whose order no section promises. Of fields, their deadlines."""
    name, *arguments = READERS[kind]
    content = wire.ask(name, key, *arguments)
    if kind == b'stream':  # groups, consumers and pending entries as well
        content = wire.ask('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0)
    if kind == b'hash':
        names = content[::2]
        content = list(zip(names, content[1::2], wire.ask('HPEXPIRETIME', key, 'FIELDS', len(names), *names)))
    return sorted(content) if encoding == b'hashtable' else content


def dataset(wire):
    """Every key of every database with its value, encoding and deadline, and the digest of all."""
    content = {}
    for db in range(DATABASES):
        wire.ask('SELECT', db)
        keys = sorted(wire.ask('KEYS', '*'))
        for k in keys:
            encoding, due, kind = [value(r) for r in wire.pipeline(
                [('OBJECT', 'ENCODING', k), ('PEXPIRETIME', k), ('TYPE', k)])]
            content[db, k] = [read(wire, k, kind, encoding), encoding, due, kind]
        content[db] = wire.ask('DBSIZE')
    wire.ask('SELECT', 0)
    content['digest'] = wire.ask('DEBUG', 'DIGEST')
    return content


@unittest.skipUnless(IS_REDOUBT, 'MULTI ROLLBACK is ours')
class Rollback(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print(f'SEED={SEED}', flush=True)
        cls.server = cls.enterClassContext(Server(REDOUBT, **{'maxmemory-policy': 'noeviction'}))

    def setUp(self):
        self.rng = random.Random(f'{SEED} {type(self).__name__}.{self._testMethodName}')
        self.wire, self.other = self.connect(), self.connect()
        self.wire.ask('FLUSHALL')

    def connect(self):
        wire = Wire(self.server)
        self.addCleanup(wire.close)
        return wire

    def ask(self, *args):
        return self.wire.ask(*args)

    def transaction(self, requests, wire=None):
        """Run the requests in MULTI ROLLBACK; what EXEC says."""
        wire = wire or self.wire
        self.assertEqual(wire.ask('MULTI', 'ROLLBACK'), b'OK')
        for r in requests:
            self.assertEqual(wire.ask(*r), b'QUEUED', r)
        return wire.ask('EXEC')

    def test_success_is_as_without_rollback(self):
        reply = self.transaction([('SET', 'a', 1), ('INCR', 'a'), ('GET', 'a'), ('SET', 'b', 'x', 'NX', 'GET')])
        self.assertEqual(reply, [b'OK', 2, b'2', None])
        self.assertEqual(self.ask('MGET', 'a', 'b'), [b'2', b'x'])

    def test_multi_takes_no_other_word(self):
        for words in (['ROLLBACK', 'x'], ['nosuch']):
            self.assertEqual(self.ask('MULTI', *words), Error("ERR wrong number of arguments for 'multi' command"))
        self.assertEqual(self.ask('EXEC'), Error('ERR EXEC without MULTI'))

    def test_error_names_position_command_and_reason(self):
        self.ask('SET', 'text', 'word')
        for position in range(5):
            for failing, why in FAILING:
                requests = [('SET', f'k{i}', i) for i in range(5)]
                requests[position] = failing
                reply = self.transaction(requests)
                name = failing[0].lower() + ('|' + failing[1].lower() if failing[0] == 'OBJECT' else '')
                prefix = f"EXECABORT Transaction rolled back: command {position + 1} '{name}' failed: "
                self.assertIsInstance(reply, Error, failing)
                self.assertTrue(str(reply).startswith(prefix), reply)
                if why is not None:
                    self.assertEqual(str(reply), prefix + why)
                self.assertEqual(self.ask('KEYS', '*'), [b'text'])

    def test_nothing_runs_after_the_failure(self):
        self.ask('SET', 'text', 'word')
        self.ask('CONFIG', 'RESETSTAT')
        self.transaction([('INCR', 'text'), ('STRLEN', 'text')])
        self.assertNotIn(b'cmdstat_strlen', self.ask('INFO', 'commandstats'))

    def test_queue_time_error_aborts_as_ever(self):
        self.ask('MULTI', 'ROLLBACK')
        self.ask('SET', 'a', '1')
        self.assertIsInstance(self.ask('NOSUCH'), Error)
        self.assertEqual(self.ask('EXEC'), Error('EXECABORT Transaction discarded because of previous errors.'))
        self.assertEqual(self.ask('EXISTS', 'a'), 0)

    def test_errors_of_others_are_no_failure(self):
        """A protocol error or an unblocked client elsewhere is none of this transaction's commands' failures."""
        mine = self.server.raw()
        mine.sendall(b'MULTI ROLLBACK\r\nSET k 1\r\n')
        while not mine.recv(1000).endswith(b'QUEUED\r\n'):
            pass
        broken = self.server.raw()
        broken.sendall(b'*1\r\nx\r\n')
        while broken.recv(1000):
            pass
        mine.sendall(b'EXEC\r\n')
        self.assertEqual(mine.recv(1000), b'*1\r\n+OK\r\n')
        waiting = self.server.raw()
        waiting.sendall(b'CLIENT ID\r\n')
        number = waiting.recv(100)[1:-2]
        waiting.sendall(b'BLPOP nothing 0\r\n')
        control = self.server.client()
        while int(control.info('clients')['blocked_clients']) == 0:
            pass
        mine.sendall(b'MULTI ROLLBACK\r\nCLIENT UNBLOCK ' + number + b' ERROR\r\nSET k 2\r\nEXEC\r\n')
        data = b''
        while not data.endswith((b':1\r\n+OK\r\n', b'integer\r\n')) and b'EXECABORT' not in data:
            data += mine.recv(1000)
        self.assertTrue(data.endswith(b'*2\r\n:1\r\n+OK\r\n'), data)
        for s in (mine, broken, waiting):
            s.close()

    def test_discard_ends_it(self):
        self.ask('MULTI', 'ROLLBACK')
        self.ask('SET', 'a', '1')
        self.assertEqual(self.ask('DISCARD'), b'OK')
        self.ask('SET', 'text', 'word')
        self.ask('MULTI')
        self.ask('SET', 'a', '2')
        self.ask('INCR', 'text')
        reply = self.ask('EXEC')
        self.assertEqual(reply[0], b'OK')
        self.assertEqual(self.ask('GET', 'a'), b'2', 'a plain MULTI keeps what came before an error')

    def test_deadlines_come_back(self):
        self.ask('SET', 'due', 'v', 'PX', 10 ** 9)
        self.ask('SET', 'forever', 'v')
        self.ask('SET', 'text', 'word')
        before = dataset(self.wire)
        for change in (('PERSIST', 'due'), ('EXPIRE', 'forever', 100), ('EXPIRE', 'due', -1), ('SET', 'due', 'new'),
                       ('GETEX', 'due', 'PX', 5), ('DEL', 'due'), ('RENAME', 'due', 'forever'), ('MOVE', 'due', 1),
                       ('COPY', 'due', 'forever', 'REPLACE'), ('PEXPIREAT', 'forever', 1), ('GETDEL', 'due')):
            self.assertIsInstance(self.transaction([change, ('INCR', 'text')]), Error)
            self.assertEqual(dataset(self.wire), before, change)

    def test_encodings_come_back(self):
        for k, v in (('int', '12'), ('embstr', 'short'), ('raw', 'x' * 100), ('text', 'word')):
            self.ask('SET', k, v)
        self.ask('APPEND', 'embstr', 'er')
        before = dataset(self.wire)
        for k in ('int', 'embstr', 'raw'):
            for change in (('APPEND', k, 'y'), ('SETRANGE', k, 200, 'y'), ('SET', k, '7'), ('INCRBYFLOAT', 'int', '.5'),
                           ('GETSET', k, 'x' * 1000), ('MSET', k, 'z', 'new', 'z')):
                self.assertIsInstance(self.transaction([change, ('INCR', 'text')]), Error)
                self.assertEqual(dataset(self.wire), before, change)

    def test_watch_of_another_sees_nothing(self):
        self.ask('SET', 'seen', '1')
        self.ask('SET', 'text', 'word')
        for changes in ([('SET', 'seen', '2')], [('DEL', 'seen')], [('EXPIRE', 'seen', -1)], [('FLUSHALL',)],
                        [('SWAPDB', 0, 1)], [('DEL', 'seen'), ('SET', 'seen', '1')], [('RENAME', 'seen', 'x')],
                        [('SET', 'absent', '1')]):
            self.other.ask('WATCH', 'seen', 'absent')
            failing = ('RENAME', 'never', 'x')
            self.assertIsInstance(self.transaction([*changes, failing]), Error)
            self.other.ask('MULTI')
            self.other.ask('GET', 'seen')
            self.assertEqual(self.other.ask('EXEC'), [b'1'], changes)
        self.other.ask('WATCH', 'seen')
        self.transaction([('SET', 'seen', '2')])
        self.other.ask('MULTI')
        self.assertEqual(self.other.ask('EXEC'), None)

    def test_own_watch_still_aborts(self):
        self.ask('WATCH', 'a')
        self.other.ask('SET', 'a', 'x')
        self.assertEqual(self.transaction([('SET', 'a', 'y')]), None)
        self.assertEqual(self.ask('GET', 'a'), b'x')

    def test_selected_database_comes_back(self):
        self.ask('SET', 'text', 'word')
        self.transaction([('SELECT', 1), ('SET', 'a', 1), ('INCR', 'text'), ('SELECT', 0), ('INCR', 'text')])
        self.assertEqual(self.ask('GET', 'text'), b'word')
        self.ask('SELECT', 1)
        self.assertEqual(self.ask('DBSIZE'), 0)

    def test_dirty_count_comes_back(self):
        self.ask('SET', 'text', 'word')
        before = self.changes()
        self.transaction([('SET', 'a', 1), ('DEL', 'text'), ('INCR', 'x'), ('RENAME', 'never', 'x')])
        self.assertEqual(self.changes(), before)

    def changes(self):
        info = self.ask('INFO', 'persistence')
        return [line for line in info.splitlines() if line.startswith(b'rdb_changes_since_last_save')]

    def test_large_values(self):
        self.ask('SET', 'big', b'x' * (8 << 20))
        self.ask('SET', 'text', 'word')
        before = dataset(self.wire)
        for change in (('APPEND', 'big', 'y'), ('SETRANGE', 'big', 3, 'y'), ('DEL', 'big'), ('SET', 'big', '1'),
                       ('UNLINK', 'big'), ('FLUSHALL', 'ASYNC'), ('COPY', 'big', 'twin'), ('RENAME', 'big', 'moved')):
            self.assertIsInstance(self.transaction([change, ('RENAME', 'never', 'x')]), Error, change)
            self.assertEqual(dataset(self.wire), before, change)

    def fill(self):
        """A dataset over several databases: all encodings, some with deadlines."""
        for db in range(DATABASES):
            self.ask('SELECT', db)
            for k in g.KEYS:
                if self.rng.random() < 0.7:
                    self.ask('SET', k, g.value(self.rng))
                    if self.rng.random() < 0.4:
                        self.ask('PEXPIRE', k, self.rng.randint(10 ** 8, 10 ** 9))
        self.ask('SELECT', 0)
        self.ask('SET', 'text', 'word')

    def random_request(self):
        """A write that is well formed; it may still fail, and then it is the one that takes all back."""
        while True:
            request = self.rng.choice([g.strings, g.counters, g.expiry, g.keyspace])(self.rng)
            if request[0] == 'SELECT':
                request = ['SELECT', self.rng.randrange(DATABASES)]
            if request[0] != 'KEYS':
                return request

    def test_random_transactions_with_a_failure_at_every_position(self):
        for _ in range(40):
            self.ask('FLUSHALL')
            self.fill()
            before = dataset(self.wire)
            self.other.ask('SELECT', self.rng.randrange(DATABASES))
            requests = [self.random_request() for _ in range(self.rng.randint(1, 8))]
            for position in range(len(requests) + 1):
                # Whatever ran before it, this fails: the key's name is nobody else's.
                queue = [*requests[:position], ['RENAME', 'never', 'x'], *requests[position:]]
                self.other.ask('WATCH', *g.KEYS)
                reply = self.transaction_of_any(queue)
                self.assertTrue(str(reply).startswith(('EXECABORT Transaction rolled back', 'EXECABORT Transaction '
                                                       'discarded')), f'SEED={SEED}: {queue} gave {reply}')
                self.assertEqual(dataset(self.wire), before, f'SEED={SEED}: {queue} at {position}')
                self.other.ask('MULTI')
                self.assertEqual(self.other.ask('EXEC'), [], f'SEED={SEED}: {queue} was seen by WATCH')

    def vary_limits(self):
        """Where packed forms end, so that sections meet each form and the change from one to the other."""
        entries, longest = self.rng.choice([0, 5, 20, 128]), self.rng.choice([10, 64, 100])
        words = [f'{kind}-max-listpack-{what}' for kind in ('hash', 'set', 'zset') for what in ('entries', 'value')]
        self.ask('CONFIG', 'SET', *[w for name in words for w in (name, entries if name.endswith('entries') else longest)],
                 'set-max-intset-entries', self.rng.choice([0, 4, 512]),
                 'list-max-listpack-size', self.rng.choice([1, 4, -2, 128]),
                 'list-compress-depth', self.rng.choice([0, 0, 1]))

    def test_random_sections_over_all_types(self):
        """Whatever a section has done to values of all types: a failing command at any position takes all of it back."""
        writes = [g.collections, g.collections, g.collections, g.strings, g.counters, g.expiry]
        for _ in range(250):
            if self.rng.random() < 0.05:
                self.ask('FLUSHALL')
            self.vary_limits()
            self.wire.pipeline([self.rng.choice(writes)(self.rng) for _ in range(self.rng.randint(0, 30))])
            self.vary_limits()
            before = dataset(self.wire)
            self.other.ask('WATCH', *[k for db, k in filter(lambda at: isinstance(at, tuple) and at[0] == 0, before)], 'x')
            queue = [self.rng.choice(writes)(self.rng) for _ in range(self.rng.randint(1, 25))]
            queue.insert(max(self.rng.randint(0, len(queue)) for _ in range(2)), ['RENAME', 'never', 'x'])
            reply = self.transaction_of_any(queue)
            self.assertTrue(str(reply).startswith('EXECABORT'), f'SEED={SEED}: {queue} gave {reply}')
            self.assertEqual(dataset(self.wire), before, f'SEED={SEED}: {queue}')
            self.other.ask('MULTI')
            self.assertEqual(self.other.ask('EXEC'), [], f'SEED={SEED}: {queue} was seen by WATCH')

    def transaction_of_any(self, queue):
        """As transaction(), but some requests may already be refused while they are queued."""
        self.ask('MULTI', 'ROLLBACK')
        self.wire.pipeline(queue)
        return self.ask('EXEC')

    def test_random_success_equals_plain_multi(self):
        """A transaction that ends well leaves the same with and without ROLLBACK."""
        for _ in range(60):
            seed = self.rng.random()
            results = []
            for word in ([], ['ROLLBACK']):
                self.rng = random.Random(seed)
                self.ask('FLUSHALL')
                self.fill()
                requests = [self.random_request() for _ in range(6)]
                self.ask('MULTI', *word)
                self.wire.pipeline(requests)
                results.append((self.ask('EXEC'), dataset(self.wire)))
            plain, rolled = results
            failed = isinstance(plain[0], Error) or any(isinstance(r, Error) for r in plain[0])
            if not failed:
                self.assertEqual(without_deadlines(plain[1]), without_deadlines(rolled[1]), requests)
            else:
                self.assertIsInstance(rolled[0], Error, requests)


def without_deadlines(content):
    return {k: v[:2] + v[3:] if isinstance(v, list) else v for k, v in content.items() if k != 'digest'}


if __name__ == '__main__':
    unittest.main()
