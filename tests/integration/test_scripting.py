"""EVAL and its family from outside: what else happens while a script runs, and what is told of it."""
import hashlib
import time
import unittest

from servers import IS_REDOUBT, REDOUBT, Server, wait_until
from wire import Error, Wire

BUSY = Error('BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.')


def sha(code):
    return hashlib.sha1(code.encode()).hexdigest()


class Scripting(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(REDOUBT, **{'lua-time-limit': '30'}))

    def setUp(self):
        self.wire, self.other = Wire(self.server), Wire(self.server)
        self.addCleanup(self.wire.close)
        self.addCleanup(self.other.close)
        self.ask('FLUSHALL')
        self.ask('SCRIPT', 'FLUSH')

    def ask(self, *args):
        return self.wire.ask(*args)

    def start_long(self, code, *keys_and_args):
        """A script on the other connection that is past the limit when this returns."""
        self.other.send('EVAL', code, *(keys_and_args or (0,)))
        wait_until(lambda: self.ask('GET', 'x') == BUSY, what='a busy script')

    def test_others_are_told(self):
        self.start_long("while redis.call('TIME') do end")
        for request in (['PING'], ['SET', 'a', 1], ['SCRIPT', 'LOAD', 'return 1'], ['CONFIG', 'GET', 'x']):
            self.assertEqual(self.ask(*request), BUSY)
        self.assertEqual(self.ask('MULTI'), b'OK')
        self.assertEqual(self.ask('DISCARD'), b'OK')
        self.assertEqual(self.ask('SHUTDOWN'), BUSY)
        with Wire(self.server) as late:
            self.assertEqual(late.ask('PING'), BUSY)
            self.assertEqual(late.ask('SCRIPT', 'KILL'), b'OK')
        self.assertIn('Script killed by user with SCRIPT KILL', self.other.reply().decode())
        self.assertEqual(self.ask('PING'), b'PONG')
        self.assertEqual(self.ask('SCRIPT', 'KILL'), Error('NOTBUSY No scripts in execution right now.'))

    def test_what_follows_a_long_script_waits(self):
        """The pipeline around it keeps its order, and so do requests that arrive meanwhile."""
        for i in range(3):
            self.other.send('ECHO', i)
        self.start_long("local n = 0 for i = 1, 5e7 do n = n + 1 end return n")
        self.other.send('ECHO', 'behind')
        self.wire.send('ECHO', 'meanwhile')
        self.assertEqual([self.other.reply() for _ in range(5)],
                         [b'$1\r\n0\r\n', b'$1\r\n1\r\n', b'$1\r\n2\r\n', b':50000000\r\n', b'$6\r\nbehind\r\n'])
        self.wire.reply()

    def test_a_client_that_leaves_its_long_script(self):
        leaver = Wire(self.server)
        leaver.send('EVAL', 'while true do end', 0)
        wait_until(lambda: self.ask('GET', 'x') == BUSY)
        leaver.close()
        time.sleep(0.05)
        self.assertEqual(self.ask('SCRIPT', 'KILL'), b'OK')
        self.assertEqual(self.ask('PING'), b'PONG')

    def test_blocked_clients_are_served_after_the_script(self):
        self.wire.send('BLPOP', 'list', 0)
        with Wire(self.server) as third:
            wait_until(lambda: third.ask('CLIENT', 'LIST').count(b'cmd=blpop') == 1)
            self.other.send('EVAL', "redis.call('RPUSH', 'list', 'a') for i = 1, 5e7 do end "
                                    "redis.call('LPUSH', 'list', 'b') return 1", 0)
            wait_until(lambda: third.ask('PING') == BUSY)
            third.ask('MULTI')
            third.ask('DISCARD')
            self.assertEqual(self.wire.reply(), b'*2\r\n$4\r\nlist\r\n$1\r\nb\r\n')

    def test_inside_of_transactions(self):
        self.ask('WATCH', 'k')
        self.other.ask('EVAL', "redis.call('SET', KEYS[1], 1)", 1, 'k')
        self.ask('MULTI')
        self.ask('GET', 'k')
        self.assertIsNone(self.ask('EXEC'))
        self.ask('MULTI')
        self.ask('EVAL', "return redis.call('INCR', 'k')", 0)
        self.ask('EVAL', "error('x')", 0)
        self.assertEqual(self.ask('EXEC')[0], 2)

    def test_time_stands_still(self):
        self.assertEqual(self.ask('EVAL', "redis.call('SET', 'k', 'v', 'PX', 5) local a = redis.call('TIME') "
                                          "for i = 1, 1e6 do end local b = redis.call('TIME') "
                                          "return {a[1] == b[1] and a[2] == b[2], redis.call('GET', 'k')}", 0),
                         [1, b'v'])

    def test_select_is_the_scripts_own(self):
        self.assertEqual(self.ask('EVAL', "redis.call('SELECT', 3) redis.call('SET', 'k', 'v') return 1", 0), 1)
        self.assertIsNone(self.ask('GET', 'k'))
        self.ask('SELECT', 3)
        self.assertEqual(self.ask('GET', 'k'), b'v')
        self.ask('SELECT', 0)

    def test_monitor_shows_the_script_first(self):
        self.other.ask('MONITOR')
        self.ask('EVAL', "return redis.call('SET', KEYS[1], ARGV[1])", 1, 'k', 'v')
        first, second = self.other.reply(), self.other.reply()
        self.assertIn(b'"EVAL"', first)
        self.assertIn(b'[0 lua] "SET" "k" "v"', second)

    def test_one_error_counts_once(self):
        self.ask('CONFIG', 'RESETSTAT')
        self.ask('SET', 'text', 'x')
        self.assertIn('WRONGTYPE', self.ask('EVAL', "return redis.call('LPUSH', 'text', 1)", 0).args[0])
        self.ask('EVAL', "return redis.pcall('LPUSH', 'text', 1)", 0)
        self.ask('EVAL', "redis.pcall('LPUSH', 'text', 1) return 1", 0)
        stats = self.ask('INFO', 'commandstats', 'errorstats').decode()
        self.assertIn('errorstat_WRONGTYPE:count=3', stats)
        self.assertRegex(stats, r'cmdstat_eval:calls=3,.*failed_calls=2')
        self.assertRegex(stats, r'cmdstat_lpush:calls=3,.*failed_calls=3')

    def test_memory_gate(self):
        self.addCleanup(self.ask, 'CONFIG', 'SET', 'maxmemory', 0)
        plain, declared = "return redis.call('SET', 'x', 1)", "#!lua\nreturn redis.call('SET', 'x', 1)"
        allowed, reader = "#!lua flags=allow-oom\nreturn redis.call('SET', 'x', 1)", "#!lua flags=no-writes\nreturn 1"
        self.ask('CONFIG', 'SET', 'maxmemory', 1)
        self.assertIn("OOM command not allowed when used memory > 'maxmemory'. script: " + sha(plain),
                      self.ask('EVAL', plain, 0).args[0])
        self.assertIn('OOM allow-oom flag is not set on the script', self.ask('EVAL', declared, 0).args[0])
        self.assertEqual(self.ask('EVAL', declared, 0),
                         Error("OOM command not allowed when used memory > 'maxmemory'."))
        self.assertEqual(self.ask('EVAL', allowed, 0), b'OK')
        self.assertEqual(self.ask('EVAL', reader, 0), 1)

    def test_read_only_scripts(self):
        write = "return redis.call('SET', 'x', 1)"
        for request in (['EVAL_RO', write, 0], ['EVALSHA_RO', sha(write), 0], ['EVAL', '#!lua flags=no-writes\n' + write, 0]):
            self.assertIn('Write commands are not allowed from read-only scripts', self.ask(*request).args[0])
        self.assertEqual(self.ask('EVAL_RO', '#!lua\nreturn 1', 0),
                         Error('ERR Can not execute a script with write flag using *_ro command.'))

    def test_the_least_recently_used_goes(self):
        self.ask('CONFIG', 'RESETSTAT')
        loaded = self.ask('SCRIPT', 'LOAD', 'return "loaded"')
        for i in range(600):
            self.ask('EVAL', f'return {i}', 0)
            self.ask('EVAL', 'return 0', 0)
        self.assertEqual(self.ask('SCRIPT', 'EXISTS', loaded, sha('return 0'), sha('return 1'), sha('return 599')),
                         [1, 1, 0, 1])
        info = self.ask('INFO', 'everything').decode()
        self.assertIn('evicted_scripts:100', info)
        self.assertIn('number_of_cached_scripts:501', info)

    @unittest.skipUnless(IS_REDOUBT, 'ours')
    def test_stats_and_list(self):
        self.ask('CONFIG', 'RESETSTAT')
        cheap, dear = 'return 1', 'for i = 1, 3e5 do end'
        for code in (cheap, cheap, dear, "error('x')"):
            self.ask('EVAL', code, 0)
        stats = self.ask('SCRIPT', 'STATS')
        stats = dict(zip(stats[::2], stats[1::2]))
        self.assertEqual((stats[b'calls'], stats[b'errors'], stats[b'scripts']), (4, 1, 3))
        rows = [dict(zip(row[::2], row[1::2])) for row in self.ask('SCRIPT', 'LIST', 'WITHCODE')]
        self.assertEqual(rows[0][b'script'], dear.encode())
        self.assertEqual({row[b'script'].decode(): (row[b'calls'], row[b'errors']) for row in rows},
                         {cheap: (2, 0), dear: (1, 0), "error('x')": (1, 1)})
        self.assertGreaterEqual(stats[b'usec'], rows[0][b'usec_max'])

    @unittest.skipUnless(IS_REDOUBT, 'ours')
    def test_names_make_a_map(self):
        with Wire(self.server, resp=3) as wire:
            code = 'return {ok = true, from_balance = 900}'
            self.assertEqual(wire.ask('EVAL', code, 0), {b'from_balance': 900, b'ok': 1})
            self.assertEqual(self.ask('EVAL', code, 0), [b'from_balance', 900, b'ok', 1])
            self.ask('CONFIG', 'SET', 'lua-map-replies', 'no')
            self.addCleanup(self.ask, 'CONFIG', 'SET', 'lua-map-replies', 'yes')
            self.assertEqual(wire.ask('EVAL', code, 0), [])


class OwnServer(unittest.TestCase):
    def test_nosave_ends_a_long_script(self):
        with Server(REDOUBT, **{'lua-time-limit': '30'}) as server, Wire(server) as runs, Wire(server) as wire:
            runs.send('EVAL', "redis.call('SET', 'a', 1) while true do end", 0)
            wait_until(lambda: wire.ask('PING') == BUSY)
            wire.send('SHUTDOWN', 'NOSAVE')
            self.assertEqual(server.process.wait(timeout=5), 0)

    def test_scripts_in_scripts(self):
        """DEBUG lets scripts call what is not for them: a script inside of another one is refused."""
        with Server(REDOUBT, **{'enable-debug-command': 'yes'}) as server, Wire(server) as w:
            w.ask('DEBUG', 'SET-DISABLE-DENY-SCRIPTS', 1)
            inner = "local r = redis.pcall('EVAL', 'return 1', 0) redis.call('SET', 'a', 'x') return {r.err, redis.call('GET', 'a')}"
            error, a = w.ask('EVAL', inner, 0)
            self.assertIn(b'inside of another one', error)
            self.assertEqual(a, b'x')


if __name__ == '__main__':
    unittest.main()
