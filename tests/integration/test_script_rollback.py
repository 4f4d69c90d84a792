"""A script that ends in an error leaves nothing; redis.rollback(), SCRIPT DRYRUN and what is the script's own business."""
import time
import unittest

from servers import IS_REDOUBT, REDOUBT, Server
from wire import Error, Wire

WRITES = """
redis.call('SET', 'string', 'changed')
redis.call('PEXPIRE', 'kept', 100000)
redis.call('HSET', 'hash', 'f', 'changed', 'g', 'new')
redis.call('HPEXPIRE', 'hash', 100000, 'FIELDS', 1, 'f')
redis.call('LPUSH', 'list', 'x')
redis.call('SADD', 'set', 'x', 'y')
redis.call('ZADD', 'zset', 5, 'a')
redis.call('RENAME', 'moved', 'elsewhere')
redis.call('SORT', 'list', 'ALPHA', 'STORE', 'sorted')
redis.call('SETBIT', 'bits', 7, 1)
redis.call('PFADD', 'hll', 'x')
redis.call('SELECT', 1)
redis.call('SET', 'other', 1)
redis.call('SWAPDB', 0, 1)
"""


@unittest.skipUnless(IS_REDOUBT, 'in Redis a failed script keeps what it did')
class ScriptRollback(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(REDOUBT))

    def setUp(self):
        self.wire, self.other = self.connect(), self.connect()
        for request in (['FLUSHALL'], ['CONFIG', 'RESETSTAT'], ['TXLOG', 'RESET'],
                        ['MSET', 'string', 'old', 'kept', 1, 'moved', 1], ['HSET', 'hash', 'f', 'old'],
                        ['RPUSH', 'list', 'b', 'a'], ['SADD', 'set', 1, 2], ['ZADD', 'zset', 1, 'a'],
                        ['SETBIT', 'bits', 3, 1], ['PFADD', 'hll', 'a', 'b']):
            self.ask(*request)

    def connect(self, **options):
        wire = Wire(self.server, **options)
        self.addCleanup(wire.close)
        return wire

    def ask(self, *args):
        return self.wire.ask(*args)

    def picture(self):
        keys = sorted(self.ask('KEYS', '*'))
        return (self.ask('DEBUG', 'DIGEST'), [(k, self.ask('PEXPIRETIME', k), self.ask('OBJECT', 'ENCODING', k)) for k in keys],
                self.ask('HPEXPIRETIME', 'hash', 'FIELDS', 1, 'f'))

    def fails(self, script, *args, words=None):
        before = self.picture()
        reply = self.ask('EVAL', script, 0, *args)
        self.assertIsInstance(reply, Error, script)
        if words is not None:
            self.assertIn(words, str(reply))
        self.assertEqual(self.picture(), before, script)

    def test_every_way_to_fail(self):
        for end, words in (("error('boom')", 'ERR user_script:16: boom'), ("error({err = 'MINE boom'})", 'MINE boom'),
                           ("redis.call('INCR', 'list')", 'WRONGTYPE'), ("redis.call('NOSUCH')", 'ERR Unknown Redis command'),
                           ("return nosuch.field", 'nonexistent global'), ("return {} .. 'x'", 'concatenate'),
                           ("local function f() return f() + 1 end return f()", 'stack overflow'),
                           ("redis.rollback()", 'ROLLBACK the script took itself back script: '),
                           ("redis.rollback('not enough')", 'ROLLBACK not enough script: '),
                           ("redis.rollback('-FUNDS too low')", 'FUNDS too low script: '),
                           ("pcall(redis.rollback, 'no way back') return 1", 'ROLLBACK no way back')):
            self.fails(WRITES + end, words=words)

    def test_success_stays(self):
        self.assertEqual(self.ask('EVAL', WRITES + 'return 1', 0), 1)
        self.assertEqual(self.ask('GET', 'other'), b'1')  # databases were swapped
        self.ask('SELECT', 1)
        self.assertEqual(self.ask('GET', 'string'), b'changed')

    def test_what_pcall_catches_is_the_scripts_business(self):
        self.assertEqual(self.ask('EVAL', "redis.call('SET', 'a', 1) redis.pcall('INCR', 'list') return redis.call('INCR', 'a')", 0), 2)
        self.assertEqual(self.ask('EVAL', "redis.call('SET', 'b', 1) pcall(function() redis.call('SET', 'c', 1) error('x') end) "
                                          "return {err = 'MINE no'}", 0), Error('MINE no'))
        self.assertEqual(self.ask('MGET', 'a', 'b', 'c'), [b'2', b'1', b'1'])

    def test_nobody_sees_a_trace(self):
        self.other.ask('CONFIG', 'SET', 'notify-keyspace-events', 'KEA')
        listener = self.connect(timeout=1)
        listener.ask('PSUBSCRIBE', '*')
        self.other.ask('WATCH', 'string', 'absent')
        waiting = self.connect(timeout=1)
        waiting.send('BLPOP', 'queue', 0)
        version = self.ask('GETVER', 'string')
        self.ask('EVAL', "redis.call('SET', 'string', 1) redis.call('SET', 'absent', 1) redis.call('LPUSH', 'queue', 1) "
                         "redis.call('PUBLISH', 'channel', 'x') error('x')", 0)
        self.assertEqual(self.ask('GETVER', 'string'), version)
        self.other.ask('MULTI')
        self.other.ask('PING')
        self.assertEqual(self.other.ask('EXEC'), [b'PONG'])
        for wire in (listener, waiting):
            with self.assertRaises(TimeoutError):
                wire.reply()
        self.other.ask('CONFIG', 'SET', 'notify-keyspace-events', '')
        self.assertIn(b'scripts_rolled_back:1\r', self.ask('INFO', 'transactions'))
        entry = self.connect(resp=3).ask('TXLOG', 'GET')[0]
        self.assertEqual((entry[b'kind'], entry[b'client']), (b'script', self.ask('CLIENT', 'ID')))
        self.assertIn(b'ERR user_script:1: x', entry[b'error'])

    def test_waiting_client_is_served_when_the_script_has_ended_well(self):
        self.other.send('BLPOP', 'queue', 5)
        while b'blocked_clients:1\r' not in self.ask('INFO', 'clients'):
            pass
        self.assertEqual(self.ask('EVAL', "redis.call('RPUSH', 'queue', 1, 2) return redis.call('LLEN', 'queue')", 0), 2)
        self.assertEqual(self.other.reply(), b'*2\r\n$5\r\nqueue\r\n$1\r\n1\r\n')

    def test_key_whose_time_is_up_meanwhile(self):
        self.ask('SET', 'brief', 1, 'PX', 30)
        self.ask('DEBUG', 'SET-ACTIVE-EXPIRE', 0)
        time.sleep(0.05)
        self.assertIsInstance(self.ask('EVAL', "redis.call('SET', 'brief', redis.call('EXISTS', 'brief')) error('x')", 0), Error)
        self.assertEqual(self.ask('EXISTS', 'brief'), 0)
        self.ask('DEBUG', 'SET-ACTIVE-EXPIRE', 1)

    def test_inside_transactions(self):
        self.ask('MULTI')
        self.ask('SET', 'a', 1)
        self.ask('EVAL', "redis.call('SET', 'b', 1) error('x')", 0)
        self.ask('SET', 'c', 1)
        reply = self.ask('EXEC')
        self.assertEqual([isinstance(r, Error) for r in reply], [False, True, False])
        self.assertEqual(self.ask('MGET', 'a', 'b', 'c'), [b'1', None, b'1'])
        self.ask('MULTI', 'ROLLBACK')
        self.ask('SET', 'a', 2)
        self.ask('EVAL', "redis.call('SET', 'b', 1) return 1", 0)
        self.ask('EVAL', "redis.call('SET', 'c', 2) redis.rollback('enough')", 0)
        self.assertIn("command 3 'eval' failed: ROLLBACK enough", str(self.ask('EXEC')))
        self.assertEqual(self.ask('MGET', 'a', 'b', 'c'), [b'1', None, b'1'])

    def test_undo_limit(self):
        self.ask('CONFIG', 'SET', 'transaction-undo-limit', '1mb')
        self.fails("for i = 1, 1000000 do redis.call('SET', 'key:' .. i, 'x') end",
                   words='ERR the changes take more than transaction-undo-limit script: ')
        self.fails("for i = 1, 1000000 do pcall(redis.call, 'SET', 'key:' .. i, 'x') end", words='transaction-undo-limit')
        self.ask('CONFIG', 'SET', 'transaction-undo-limit', '1gb')

    def test_killed_after_writing(self):
        self.ask('CONFIG', 'SET', 'busy-reply-threshold', 30)
        before = self.picture()
        loop = WRITES + 'while true do pcall(function() while true do end end) end'
        self.other.send('EVAL', loop, 0)
        while not str(self.ask('PING')).startswith('BUSY'):
            time.sleep(0.01)
        self.assertEqual(self.ask('SCRIPT', 'KILL'), b'OK')
        self.assertIn(b'Script killed by user with SCRIPT KILL', self.other.reply())
        self.assertEqual(self.picture(), before)

    def test_time_limit(self):
        self.ask('CONFIG', 'SET', 'script-max-time', 50)
        try:
            self.fails(WRITES + 'while true do pcall(function() while true do end end) end',
                       words='ERR the script ran for longer than script-max-time script: ')
            self.assertEqual(self.ask('EVAL', 'return 1', 0), 1)
        finally:
            self.ask('CONFIG', 'SET', 'script-max-time', 0)

    def test_switched_off(self):
        self.ask('CONFIG', 'SET', 'script-rollback', 'no')
        try:
            self.assertIsInstance(self.ask('EVAL', "redis.call('SET', 'a', 1) error('x')", 0), Error)
            self.assertEqual(self.ask('GET', 'a'), b'1')
            reply = self.ask('EVAL', "redis.call('SET', 'a', 2) redis.rollback()", 0)
            self.assertIn('redis.rollback() needs script-rollback to be on', str(reply))
            self.ask('MULTI', 'ROLLBACK')
            self.ask('EVAL', "redis.call('SET', 'a', 3) redis.rollback()", 0)
            self.assertIn('ROLLBACK the script took itself back', str(self.ask('EXEC')))
            self.assertEqual(self.ask('GET', 'a'), b'2')
        finally:
            self.ask('CONFIG', 'SET', 'script-rollback', 'yes')

    def test_dry_run(self):
        sha = self.ask('SCRIPT', 'LOAD', "redis.call('INCRBY', KEYS[1], ARGV[1]) redis.call('DEL', 'string') "
                                         "redis.call('SELECT', 2) redis.call('SADD', 's', 1) return {ok = true, n = 2}")
        before = self.picture()
        wire = self.connect(resp=3)
        self.assertEqual(wire.ask('SCRIPT', 'DRYRUN', sha, 1, 'kept', 5),
                         {b'result': {b'ok': True, b'n': 2},
                          b'changes': [[b'kept', b'incrby', 0], [b'string', b'del', 0], [b's', b'new', 2], [b's', b'sadd', 2]]})
        failed = wire.ask('SCRIPT', 'DRYRUN', sha, 1, 'list', 5)
        self.assertIsInstance(failed[b'result'], Error)
        self.assertEqual(failed[b'changes'], [])
        self.assertEqual(self.ask('SCRIPT', 'DRYRUN', sha, 1, 'kept', 5)[0], b'result')
        self.assertEqual(self.picture(), before)
        self.assertEqual(self.ask('SCRIPT', 'DRYRUN', 'f' * 40, 0), Error('NOSCRIPT No matching script. Please use EVAL.'))
        self.assertIn(b'scripts_rolled_back:0\r', self.ask('INFO', 'transactions'))

    def test_functions(self):
        self.ask('FUNCTION', 'FLUSH')
        self.ask('FUNCTION', 'LOAD', """#!lua name=bank
            redis.register_function('pay', function(keys, args)
                redis.call('DECRBY', keys[1], args[1])
                if tonumber(redis.call('GET', keys[1])) < 0 then redis.rollback('-FUNDS too low') end
                return {ok = true, left = redis.call('GET', keys[1])}
            end)""")
        self.ask('SET', 'alice', 100)
        wire = self.connect(resp=3)
        self.assertEqual(wire.ask('FCALL', 'pay', 1, 'alice', 30), {b'ok': True, b'left': b'70'})
        self.assertTrue(str(wire.ask('FCALL', 'pay', 1, 'alice', 80)).startswith('FUNDS too low script: pay, on @user_function'))
        self.assertEqual(wire.ask('FUNCTION', 'DRYRUN', 'pay', 1, 'alice', 20),
                         {b'result': {b'ok': True, b'left': b'50'}, b'changes': [[b'alice', b'incrby', 0]]})
        self.assertEqual(self.ask('GET', 'alice'), b'70')
        self.assertEqual(self.ask('FUNCTION', 'DRYRUN', 'nosuch', 0), Error('ERR Function not found'))

    def test_libraries_in_transactions(self):
        library = "#!lua name=%s\nredis.register_function('%s', function() return %d end)"
        self.ask('FUNCTION', 'FLUSH')
        self.ask('FUNCTION', 'LOAD', library % ('a', 'f', 1))
        self.ask('FUNCTION', 'LOAD', library % ('b', 'g', 1))
        payload = self.ask('FUNCTION', 'DUMP')
        before = sorted(map(str, self.ask('FUNCTION', 'LIST', 'WITHCODE')))
        changes = [['LOAD', library % ('c', 'h', 1)], ['LOAD', 'REPLACE', library % ('a', 'f', 2)], ['DELETE', 'b'], ['FLUSH'],
                   ['RESTORE', payload, 'FLUSH']]
        for change in changes + [None]:
            self.ask('MULTI', 'ROLLBACK')
            for words in [change] if change else changes:
                self.ask('FUNCTION', *words)
            self.ask('FCALL', 'f', 0)
            self.ask('INCR', 'list')
            self.assertIn('EXECABORT', str(self.ask('EXEC')))
            self.assertEqual(sorted(map(str, self.ask('FUNCTION', 'LIST', 'WITHCODE'))), before, change)
            self.assertEqual((self.ask('FCALL', 'f', 0), self.ask('FCALL', 'g', 0)), (1, 1))
        self.ask('FUNCTION', 'FLUSH')

    def test_function_killed_after_writing(self):
        self.ask('FUNCTION', 'FLUSH')
        self.ask('FUNCTION', 'LOAD', "#!lua name=l\nredis.register_function('loop', function(keys) redis.call('SET', keys[1], 1) "
                                     "while true do end end)")
        self.ask('CONFIG', 'SET', 'busy-reply-threshold', 30)
        self.other.send('FCALL', 'loop', 1, 'never')
        while not str(self.ask('PING')).startswith('BUSY'):
            time.sleep(0.01)
        self.assertEqual(self.ask('FUNCTION', 'KILL'), b'OK')
        self.assertIn(b'Script killed by user with FUNCTION KILL', self.other.reply())
        self.assertEqual(self.ask('EXISTS', 'never'), 0)
        self.ask('FUNCTION', 'FLUSH')


if __name__ == '__main__':
    unittest.main()
