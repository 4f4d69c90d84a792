"""What people have tried on servers with scripts: each attempt is answered, and the server goes on as before."""
import time
import unittest

from servers import IS_REDOUBT, REDOUBT, Server
from wire import Error, Wire

READ_ONLY = 'Attempt to modify a readonly table'

# Attempt -> what the error says. In comments: where it succeeded elsewhere.
REFUSED = {
    # CVE-2025-46818: metatables of basic types could be changed, for whoever runs a script next
    "getmetatable('').__index = nil": READ_ONLY,
    "getmetatable('').__add = function() end": READ_ONLY,
    "setmetatable(getmetatable(''), {})": READ_ONLY,
    "rawset(getmetatable(''), '__index', {})": READ_ONLY,
    "getmetatable('').__index.upper = function() end": READ_ONLY,
    "string.upper = function() end": READ_ONLY,
    "rawset(cjson, 'encode', 1)": READ_ONLY,
    "table.insert(redis, 1)": READ_ONLY,
    "setmetatable(_G, nil)": READ_ONLY,
    "_G.redis = {}": READ_ONLY,
    # CVE-2025-46817: counts of unpack() that overflow
    "return unpack({}, 0, 2147483647)": 'too many results to unpack',
    "return unpack({}, -2147483648, 2147483647)": 'too many results to unpack',
    # CVE-2022-24834: cjson and cmsgpack, sizes that overflow, nesting without end
    "local t = {} for i = 1, 1e5 do t = {t} end return cjson.encode(t)": 'excessive nesting',
    "return cjson.decode(('['):rep(1e5))": 'too many nested data structures',
    "return cmsgpack.unpack(('\\145'):rep(1e5))": 'stack overflow',
    "return cmsgpack.unpack('\\221\\127\\255\\255\\255')": 'Missing bytes in input',
    "return struct.pack('>I2147483647', 1)": 'is larger than limit',
    # the matcher's recursion (Redis 7.0: the process ends), its ways to fail
    "return ('x'):rep(250000):find(('x?'):rep(250000))": 'pattern too complex',
    "return ('a'):rep(100):find(('a?'):rep(100) .. ('a'):rep(100))": 'pattern too complex',
    "return ('a'):rep(1e5):find('.-.-.-.-b')": 'pattern too complex',
    # thrown tables (Redis 7.0: the process ends)
    "error({})": 'unknown error',
    "error(setmetatable({}, {__index = function() error('x') end}))": 'unknown error',
    # memory and stack
    "local s = 'x' while true do s = s .. s end": 'not enough memory',
    "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end": 'not enough memory',
    "return load(function() return 'x=1 ' end)": 'not enough memory',
    "local function f() return 1 + f() end return f()": 'stack overflow',
    # files, processes, loading
    "return io.open('/etc/passwd')": "nonexistent global variable 'io'",
    "return require('os')": "nonexistent global variable 'require'",
    "return dofile('/etc/passwd')": "nonexistent global variable 'dofile'",
    "return debug.getregistry()": "nonexistent global variable 'debug'",
    "return os.execute('true')": "attempt to call field 'execute'",
}

# Code -> its answer.
ANSWERED = {
    # bytecode
    "return {loadstring(string.dump(loadstring('return 1'))) == nil, loadstring('\\27Lua') == nil}": [1, 1],
    # CVE-2024-31449: bit.tohex
    "return bit.tohex(65535, -2147483648)": b'0000FFFF',
    "return cmsgpack.unpack('x', 2^53)": 120,
    "return select('#', unpack({}, 1, 7000))": 7000,
    "return loadstring(('('):rep(1e4)) == nil": 1,
    "return loadstring('return ' .. ('{'):rep(1e4)) == nil": 1,
    "local c c = coroutine.create(function() return coroutine.resume(c) end) return (coroutine.resume(c))": 1,
    # CVE-2024-46981: finalizers
    "setmetatable({}, {__gc = function() redis.call('SET', 'finalized', 1) end}) collectgarbage() "
    "return redis.call('EXISTS', 'finalized')": 0,
}

# CVE-2025-67733: line ends in what becomes a line of the protocol.
LINES = ["return redis.error_reply('X a\\r\\n+OK')", "return {err = 'X a\\r\\n+OK'}", "return {ok = 'a\\r\\n-X b'}",
         "return redis.status_reply('a\\n\\n-X b')", "error('a\\r\\n+OK')", "error({err = 'X a\\r\\n+OK'})",
         "return {big_number = '1\\r\\n+OK'}", "return redis.pcall('a\\r\\nb')", "return redis.call('a\\r\\nb')",
         "return {verbatim_string = {string = 'x', format = '\\r\\n'}}", "return x_\\r\\n"]

ENDLESS = ["while true do end", "while true do pcall(function() while true do end end) end",
           "while true do redis.pcall('GET', 'x') end", "coroutine.wrap(function() while true do end end)()",
           "xpcall(function() while true do end end, function() while true do end end)",
           "local c = coroutine.wrap(function() while true do coroutine.yield() end end) while true do c() end"]


@unittest.skipUnless(IS_REDOUBT, 'several of these end a Redis 7.0')
class ScriptingSecurity(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(REDOUBT, **{'lua-memory-limit': '256mb', 'lua-time-limit': '50'}))

    def setUp(self):
        self.wire = Wire(self.server)
        self.addCleanup(self.wire.close)

    def eval(self, code):
        return self.wire.ask('EVAL', code, 0)

    def tearDown(self):
        self.assertEqual(self.eval("return {('x'):upper(), type(redis.call), cjson.encode({1}), #KEYS}"),
                         [b'X', b'function', b'[1]', 0])

    def test_refused(self):
        for code, words in REFUSED.items():
            with self.subTest(code):
                reply = self.eval(code)
                self.assertIsInstance(reply, Error)
                self.assertIn(words, reply.args[0])

    def test_answered(self):
        for code, expected in ANSWERED.items():
            with self.subTest(code):
                self.assertEqual(self.eval(code), expected)

    def test_a_line_stays_a_line(self):
        for resp in (2, 3):
            with Wire(self.server, resp=resp) as wire:
                for code in LINES:
                    with self.subTest(code, resp=resp):
                        wire.call('EVAL', code, 0)
                        self.assertEqual(wire.call('PING'), b'+PONG\r\n')

    def test_memory_is_given_back(self):
        self.eval("local s = 'x' while true do s = s .. s end")
        self.eval('collectgarbage()')
        self.assertLess(int(self.info('used_memory_vm_eval')), 8 << 20)

    def info(self, field):
        for line in self.wire.ask('INFO', 'everything').decode().splitlines():
            if line.startswith(field + ':'):
                return line.split(':')[1]

    def test_a_limit_is_a_directive(self):
        self.assertEqual(self.wire.ask('CONFIG', 'SET', 'lua-memory-limit', '2mb'), b'OK')
        self.addCleanup(self.wire.ask, 'CONFIG', 'SET', 'lua-memory-limit', '256mb')
        self.assertIn('not enough memory', self.eval("return ('x'):rep(3e6)").args[0])

    def test_nothing_keeps_the_end_away(self):
        for code in ENDLESS:
            with self.subTest(code), Wire(self.server) as other:
                other.send('EVAL', code, 0)
                deadline = time.time() + 5
                while self.wire.ask('SCRIPT', 'KILL') != b'OK':
                    self.assertLess(time.time(), deadline)
                    time.sleep(0.01)
                self.assertIn(b'Script killed by user', other.reply())
                self.assertEqual(other.call('PING'), b'+PONG\r\n')

    def test_flush_and_many_scripts(self):
        """The state of EVAL's scripts comes and goes while clients use it."""
        for i in range(1200):
            self.eval(f'return {i}')
            if i % 100 == 0:
                self.wire.ask('SCRIPT', 'FLUSH', 'ASYNC' if i % 200 == 0 else 'SYNC')


if __name__ == '__main__':
    unittest.main()
