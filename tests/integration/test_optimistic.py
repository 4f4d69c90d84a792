"""Optimistic locking on a connection and without one: WATCHFIELD, UNWATCH of keys, GETVER, EXEC's conditions, TXLOG."""
import unittest

from servers import IS_REDOUBT, REDOUBT, Server
from wire import Error, Wire

WRONGTYPE = Error('WRONGTYPE Operation against a key holding the wrong kind of value')
SYNTAX = Error('EXECABORT Transaction discarded because of: invalid check condition syntax')
ARITY = Error("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command")


@unittest.skipUnless(IS_REDOUBT, 'these commands are ours')
class Optimistic(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(REDOUBT))

    def setUp(self):
        self.alice, self.bob = self.connect(), self.connect()
        for request in (['FLUSHALL'], ['TXLOG', 'RESET'], ['CONFIG', 'RESETSTAT']):
            self.alice.ask(*request)

    def connect(self, **options):
        wire = Wire(self.server, **options)
        self.addCleanup(wire.close)
        return wire

    def execute(self, *conditions, wire=None):
        """What EXEC with these conditions says of a transaction that sets 'done'."""
        wire = wire or self.alice
        self.assertEqual(wire.ask('MULTI'), b'OK')
        self.assertEqual(wire.ask('SET', 'done', 'yes'), b'QUEUED')
        return wire.ask('EXEC', *conditions)

    def assert_runs(self, *conditions):
        self.assertEqual(self.execute(*conditions), [b'OK'], conditions)
        self.assertEqual(self.alice.ask('DEL', 'done'), 1)

    def assert_stops(self, *conditions, reply=None):
        self.assertEqual(self.execute(*conditions), reply, conditions)
        self.assertEqual(self.alice.ask('EXISTS', 'done'), 0)
        self.assertEqual(self.alice.ask('EXEC'), Error('ERR EXEC without MULTI'))

    def entries(self):
        reader = self.connect(resp=3)
        return reader.ask('TXLOG', 'GET', -1)

    def test_other_fields_are_no_conflict(self):
        for make, change, other in (
                (['HSET', 'k', 'f', 1, 'g', 1], ['HSET', 'k', 'f', 2], ['HSET', 'k', 'g', 2]),
                (['SADD', 'k', 'f', 'g'], ['SREM', 'k', 'f'], ['SREM', 'k', 'g']),
                (['ZADD', 'k', 1, 'f', 1, 'g'], ['ZINCRBY', 'k', 1, 'f'], ['ZINCRBY', 'k', 1, 'g'])):
            self.bob.ask('DEL', 'k')
            self.bob.ask(*make)
            self.assertEqual(self.alice.ask('WATCHFIELD', 'k', 'f', 'nosuch'), b'OK')
            self.bob.ask(*other)
            self.assert_runs()
            self.alice.ask('WATCHFIELD', 'k', 'f', 'nosuch')
            self.bob.ask(*change)
            self.assert_stops()
            self.alice.ask('WATCHFIELD', 'k', 'f')
            self.bob.ask('DEL', 'k')
            self.bob.ask(*make)
            self.assert_stops()

    def test_watched_fields_of_large_values(self):
        self.bob.pipeline([('HSET', 'h', f'f{i}', 'x' * 100) for i in range(2000)])
        self.alice.ask('WATCHFIELD', 'h', 'f5', 'f1999')
        self.bob.ask('HSET', 'h', 'f6', 'y')
        self.assert_runs()
        self.alice.ask('WATCHFIELD', 'h', 'f5', 'f1999')
        self.bob.ask('HDEL', 'h', 'f1999')
        self.assert_stops()
        self.assertEqual(self.entries()[0][b'field'], b'f1999')

    def test_watchfield_refuses(self):
        self.bob.ask('SET', 's', 1)
        self.bob.ask('RPUSH', 'l', 1)
        for key in ('s', 'l'):
            self.assertEqual(self.alice.ask('WATCHFIELD', key, 'f'), WRONGTYPE)
        self.assertEqual(self.alice.ask('WATCHFIELD', 'absent', 'f'), b'OK')
        self.alice.ask('MULTI')
        self.assertEqual(self.alice.ask('WATCHFIELD', 'h', 'f'), Error('ERR WATCHFIELD inside MULTI is not allowed'))
        self.assertEqual(self.alice.ask('EXEC'), [])

    def test_unwatch_of_single_keys(self):
        self.alice.ask('WATCH', 'a', 'b')
        self.alice.ask('WATCHFIELD', 'h', 'f')
        self.bob.ask('SET', 'a', 1)
        self.bob.ask('HSET', 'h', 'f', 1)
        self.assertEqual(self.alice.ask('UNWATCH', 'a', 'h', 'nosuch'), b'OK')
        self.assertIn(b'total_watched_keys:1\r', self.bob.ask('INFO', 'clients'))
        self.assert_runs()
        self.alice.ask('WATCH', 'a', 'b')
        self.alice.ask('UNWATCH', 'a')
        self.bob.ask('SET', 'b', 1)
        self.assert_stops()
        self.assertIn(b'watching_clients:0\r', self.bob.ask('INFO', 'clients'))

    def test_versions(self):
        self.bob.ask('SET', 'k', 1)
        k, absent = self.alice.ask('GETVER', 'k', 'absent')
        self.assertEqual(self.bob.ask('GETVER', 'k'), [k])
        self.assert_runs('IFVER', 'k', k, 'absent', absent)
        self.bob.ask('SET', 'k', 1)
        self.assert_stops('IFVER', 'absent', absent, 'k', k)
        [k] = self.alice.ask('GETVER', 'k')
        self.bob.ask('RPUSH', 'absent', 1)
        self.assert_stops('IFVER', 'k', k, 'absent', absent)
        self.bob.ask('DEL', 'absent')
        self.assert_stops('IFVER', 'absent', absent)
        for kind in (['HSET', 'k', 'f', 1], ['SADD', 'k', 1], ['ZADD', 'k', 1, 'm'], ['RPUSH', 'k', 1]):
            self.bob.ask('DEL', 'k')
            self.bob.ask(*kind)
            [k] = self.alice.ask('GETVER', 'k')
            self.assert_runs('IFVER', 'k', k)
            self.bob.ask('EXPIRE', 'k', 100)
            self.assert_stops('IFVER', 'k', k)

    def test_versions_of_a_key_whose_time_is_up(self):
        self.bob.ask('SET', 'k', 1, 'PX', 40)
        [k] = self.alice.ask('GETVER', 'k')
        self.bob.ask('BLPOP', 'nothing', '0.06')
        self.assert_stops('IFVER', 'k', k)

    def test_versions_that_are_forgotten_or_foreign(self):
        self.bob.ask('CONFIG', 'SET', 'version-table-max-keys', 10)
        try:
            [k] = self.alice.ask('GETVER', 'k')
            self.alice.ask('GETVER', *range(20))
            self.assert_stops('IFVER', 'k', k)
            self.assertIn(b'key_versions_kept:10\r', self.bob.ask('INFO', 'transactions'))
        finally:
            self.bob.ask('CONFIG', 'SET', 'version-table-max-keys', 1000000)
        [k] = self.alice.ask('GETVER', 'k')
        foreign = k[:-1] + (b'0' if k[-1:] != b'0' else b'1')
        self.assert_stops('IFVER', 'k', foreign)
        invalid = Error('EXECABORT Transaction discarded because of: invalid version of a key')
        for text in ('', 'x', '1', k[:4], b'-1' + k[1:], b' ' + k, k + b'x'):
            self.assert_stops('IFVER', 'k', text, reply=invalid)

    def test_conditions_on_values(self):
        self.bob.ask('MSET', 'k', 'v', 'number', '42')
        self.bob.ask('RPUSH', 'list', 1)
        for conditions in (['IFEQ', 'k', 'v'], ['ifne', 'k', 'w'], ['IFNE', 'absent', 'v'], ['XX', 'k'], ['xx', 'list'],
                           ['NX', 'absent'], ['IFEQ', 'number', 42], ['IFEQ', 'k', 'v', 'NX', 'absent', 'XX', 'list']):
            self.assert_runs(*conditions)
        for conditions in (['IFEQ', 'k', 'V'], ['IFNE', 'k', 'v'], ['IFEQ', 'absent', ''], ['XX', 'absent'],
                           ['NX', 'k'], ['IFEQ', 'k', 'v', 'NX', 'k'], ['IFEQ', 'number', '042']):
            self.assert_stops(*conditions)
        for conditions in (['IFEQ', 'k'], ['IFEQ'], ['XX'], ['NX', 'a', 'NX'], ['IFVER', 'k'], ['IFEQ', 'k', 'v', 'w']):
            self.assert_stops(*conditions, reply=SYNTAX)
        self.assert_stops('nonsense', reply=ARITY)
        self.assertEqual(self.alice.ask('EXEC', 'nonsense'), ARITY)
        for conditions in (['IFEQ', 'list', 'v'], ['IFNE', 'list', 'v']):
            self.assert_stops(*conditions, reply=WRONGTYPE)

    def test_conditions_are_read_by_tools(self):
        self.assertEqual(self.alice.ask('COMMAND', 'GETKEYS', 'EXEC', 'IFEQ', 'a', 1, 'XX', 'b', 'IFVER', 'c', 1, 'd', 2),
                         [b'a', b'b', b'c', b'd'])
        docs = self.alice.ask('COMMAND', 'DOCS', 'EXEC', 'GETVER', 'WATCHFIELD', 'TXLOG')
        self.assertEqual(set(docs[::2]), {b'exec', b'getver', b'watchfield', b'txlog'})

    def test_queue_errors_come_first(self):
        self.alice.ask('MULTI')
        self.alice.ask('NOSUCH')
        self.assertEqual(self.alice.ask('EXEC', 'NX', 'k'),
                         Error('EXECABORT Transaction discarded because of previous errors.'))

    def test_compare_and_set_of_fields(self):
        self.bob.ask('HSET', 'h', 'f', 1, 'g', 2)
        for reply, request in (
                (1, ['HSETEX', 'h', 'IFEQ', 'f', 1, 'FIELDS', 1, 'f', 5]),
                (0, ['HSETEX', 'h', 'IFEQ', 'f', 1, 'FIELDS', 1, 'f', 6]),
                (0, ['HSETEX', 'h', 'IFEQ', 'f', 5, 'IFEQ', 'g', 3, 'FIELDS', 1, 'f', 6]),
                (0, ['HSETEX', 'h', 'IFEQ', 'nosuch', '', 'FIELDS', 1, 'f', 6]),
                (0, ['HSETEX', 'absent', 'IFEQ', 'f', 5, 'FIELDS', 1, 'f', 6]),
                (0, ['HSETEX', 'h', 'FNX', 'IFEQ', 'f', 5, 'FIELDS', 1, 'f', 6]),
                (1, ['HSETEX', 'h', 'FXX', 'EX', 100, 'IFEQ', 'f', 5, 'IFEQ', 'g', 2, 'FIELDS', 1, 'f', 7])):
            self.assertEqual(self.alice.ask(*request), reply, request)
        self.assertEqual(self.alice.ask('HMGET', 'h', 'f', 'g'), [b'7', b'2'])
        self.assertEqual(self.alice.ask('EXISTS', 'absent'), 0)
        self.assertIsInstance(self.alice.ask('HSETEX', 'h', 'IFEQ', 'f', 'FIELDS', 1, 'f', 7), Error)

    def test_log_tells_who_was_in_the_way(self):
        self.bob.ask('CLIENT', 'SETNAME', 'bob')
        self.alice.ask('CLIENT', 'SETNAME', 'alice')
        bob = self.bob.ask('CLIENT', 'ID')
        for _ in range(3):
            self.alice.ask('WATCH', 'k')
            self.bob.ask('INCR', 'k')
            self.assert_stops()
        [v] = self.alice.ask('GETVER', 'other')
        self.bob.ask('APPEND', 'other', 'x')
        self.assert_stops('IFVER', 'other', v)
        self.assert_stops('NX', 'other')
        entries = self.entries()
        self.assertEqual([(e[b'kind'], e[b'key'], e[b'retries']) for e in entries],
                         [(b'condition', b'other', 1), (b'version', b'other', 0),
                          (b'watch', b'k', 2), (b'watch', b'k', 1), (b'watch', b'k', 0)])
        for e in entries:
            self.assertEqual((e[b'client-name'], e[b'changed-by-client']), (b'alice', bob))
        self.assertEqual([e[b'changed-by-command'] for e in entries], [b'append'] * 2 + [b'incr'] * 3)
        ranking = self.connect(resp=3).ask('TXLOG', 'KEYS')
        self.assertEqual([(k[b'key'], k[b'conflicts']) for k in ranking], [(b'k', 3), (b'other', 2)])
        self.assertEqual(len(self.alice.ask('TXLOG', 'KEYS', 1)), 1)
        self.assertEqual(self.alice.ask('TXLOG', 'LEN'), 5)
        info = self.bob.ask('INFO', 'transactions')
        self.assertIn(b'transactions_aborted_by_watch:3\r', info)
        self.assertIn(b'transactions_aborted_by_condition:2\r', info)
        self.assertEqual(self.alice.ask('TXLOG', 'RESET'), b'OK')
        self.assertEqual(self.alice.ask('TXLOG', 'GET') + self.alice.ask('TXLOG', 'KEYS'), [])

    def test_log_is_bounded(self):
        self.bob.ask('CONFIG', 'SET', 'txlog-max-len', 5)
        try:
            for i in range(300):
                self.bob.ask('SET', f'k{i}', 1)
                self.assertIsNone(self.execute('NX', f'k{i}'))
            self.assertEqual(self.alice.ask('TXLOG', 'LEN'), 5)
            self.assertEqual([e[b'key'] for e in self.entries()], [b'k%d' % i for i in range(299, 294, -1)])
            self.assertEqual(len(self.alice.ask('TXLOG', 'KEYS', -1)), 128)
            for _ in range(4): # the newcomer's count is too high by at most what it inherited
                self.execute('NX', 'k0')
            first = self.connect(resp=3).ask('TXLOG', 'KEYS', 1)[0]
            self.assertEqual(first[b'key'], b'k0')
            self.assertGreaterEqual(first[b'conflicts'], 4)
            self.assertLessEqual(first[b'conflicts'] - first[b'at-most-too-high-by'], 5)
            self.bob.ask('CONFIG', 'SET', 'txlog-max-len', 0)
            self.assertEqual(self.alice.ask('TXLOG', 'LEN'), 0)
        finally:
            self.bob.ask('CONFIG', 'SET', 'txlog-max-len', 128)

    def test_transactions_that_roll_back_by_default(self):
        self.bob.ask('SET', 'text', 'word')
        failing = [('SET', 'a', 1), ('INCR', 'text')]

        def run(wire):
            wire.ask('MULTI')
            for request in failing:
                wire.ask(*request)
            wire.ask('EXEC')
            return wire.ask('DEL', 'a')

        self.assertEqual(run(self.alice), 1)
        self.assertEqual(self.alice.ask('CLIENT', 'TRANSACTION-ROLLBACK', 'ON'), b'OK')
        self.assertEqual((run(self.alice), run(self.bob)), (0, 1))
        self.bob.ask('CONFIG', 'SET', 'transaction-rollback', 'yes')
        try:
            self.assertEqual(run(self.bob), 0)
            self.alice.ask('CLIENT', 'TRANSACTION-ROLLBACK', 'off')
            self.assertEqual(run(self.alice), 1)
            self.assertEqual(self.alice.ask('RESET'), b'RESET')
            self.assertEqual(run(self.alice), 0)
        finally:
            self.bob.ask('CONFIG', 'SET', 'transaction-rollback', 'no')
        self.assertEqual(self.alice.ask('CLIENT', 'TRANSACTION-ROLLBACK', 'maybe'), Error('ERR syntax error'))

    def test_undo_log_is_bounded(self):
        self.bob.ask('SET', 'large', 'x' * 100000)
        self.bob.ask('CONFIG', 'SET', 'transaction-undo-limit', 50000)
        try:
            self.alice.ask('MULTI', 'ROLLBACK')
            self.alice.ask('APPEND', 'large', 'y')
            self.alice.ask('DEL', 'large')
            self.alice.ask('SET', 'large', 'z')
            self.assertEqual(self.alice.ask('EXEC'), Error("EXECABORT Transaction rolled back: command 2 'del' failed: "
                                                           'ERR the changes take more than transaction-undo-limit'))
        finally:
            self.bob.ask('CONFIG', 'SET', 'transaction-undo-limit', '1gb')
        self.assertEqual(self.alice.ask('STRLEN', 'large'), 100000)
        self.assertEqual(self.entries()[0][b'kind'], b'rollback')


if __name__ == '__main__':
    unittest.main()
