"""Functions beyond what Redis has: libraries from files, transactions that take them back, maps, figures."""
import os
import subprocess
import unittest

from servers import ENVIRONMENT, IS_REDOUBT, REDOUBT, Server, wait_until
from wire import Wire, value

TRANSFER = '''#!lua name=bank
local function balance(key)
  return tonumber(redis.call('GET', key) or 0)
end
local function transfer(keys, args)
  local amount, least = tonumber(args[1]), tonumber(args[2])
  if balance(keys[1]) - amount < least then
    return redis.error_reply('ERR insufficient funds')
  end
  local from = redis.call('INCRBY', keys[1], -amount)
  local to = redis.call('INCRBY', keys[2], amount)
  return {ok = true, from_balance = from, to_balance = to}
end
redis.register_function('transfer_with_validation', transfer)
redis.register_function{function_name = 'balance', callback = function(keys) return balance(keys[1]) end,
                        flags = {'no-writes'}, description = 'what an account has'}
'''


def one(name, result):
    return f"#!lua name={name}\nredis.register_function('{name}', function() return {result} end)\n"


@unittest.skipUnless(IS_REDOUBT, 'about Redoubt alone')
class Functions(unittest.TestCase):
    def server(self, **options):
        server = Server(**options)
        self.addCleanup(server.stop)
        return server

    def wire(self, server, resp=2):
        wire = Wire(server, resp)
        self.addCleanup(wire.close)
        return wire

    def write(self, server, name, text):
        path = os.path.join(server.dir, name)
        with open(path, 'w') as f:
            f.write(text)
        return path

    def test_a_transfer(self):
        server = self.server().start()
        client = server.client()
        self.assertEqual(client.function_load(TRANSFER), b'bank')
        client.mset({'account:alice:balance': 1000, 'account:bob:balance': 10})
        keys = ['account:alice:balance', 'account:bob:balance']
        wire = self.wire(server, 3)
        result = wire.ask('FCALL', 'transfer_with_validation', 2, *keys, '100', '50')
        self.assertEqual(result, {b'ok': True, b'from_balance': 900, b'to_balance': 110})
        pairs = client.fcall('transfer_with_validation', 2, *keys, '100', '50')
        self.assertEqual(dict(zip(pairs[::2], pairs[1::2])), {b'ok': 1, b'from_balance': 800, b'to_balance': 210})
        with self.assertRaisesRegex(Exception, 'insufficient funds'):
            client.fcall('transfer_with_validation', 2, *keys, '800', '50')
        self.assertEqual(client.fcall_ro('balance', 1, keys[0]), 800)
        client.close()

    def test_files_are_loaded_at_start(self):
        server = self.server()
        self.write(server, 'a.lua', TRANSFER)
        self.write(server, 'b.lua', one('b', 1))
        last = self.write(server, 'other', one('other', 7))
        server.config = f'load-functions {server.dir}/*.lua {server.dir}/none*\nload-functions "{last}"\n'
        wire = self.wire(server.start())
        self.assertEqual([lib[1] for lib in wire.ask('FUNCTION', 'LIST')], [b'b', b'bank', b'other'])
        self.assertEqual(wire.ask('FCALL', 'other', 0), 7)

    def test_an_error_in_a_file_stops_the_start(self):
        for text, told in [('#!lua name=x\n\nx x\n', "x.lua:3: Error compiling function: '=' expected near 'x'"),
                           ('#!lua name=x\nx = 1\n',
                            'x.lua:2: Error registering functions: Attempt to modify a readonly table'),
                           ('x\n', 'x.lua:1: Missing library metadata'),
                           ('#!lua name=x\n', 'x.lua:1: No functions registered'),
                           (one('b', 1).replace('name=b', 'name=x'), 'x.lua:1: Function b already exists'),
                           (one('b', 1), "x.lua:1: Library 'b' already exists"),
                           (None, 'x.lua:0: No such file or directory')]:
            server = self.server()
            first, second = self.write(server, 'b.lua', one('b', 1)), os.path.join(server.dir, 'x.lua')
            if text is not None:
                self.write(server, 'x.lua', text)
            done = subprocess.run([REDOUBT, '--port', str(server.port), '--load-functions', first, second],
                                  capture_output=True, text=True, timeout=20, cwd=server.dir, env=ENVIRONMENT)
            self.assertEqual(done.returncode, 1, told)
            self.assertIn(told, done.stdout)

    def test_reload_is_all_or_nothing(self):
        server = self.server()
        self.write(server, 'a.lua', one('a', 1))
        self.write(server, 'b.lua', one('b', 1))
        server.options['load-functions'] = f'{server.dir}/*.lua'
        wire = self.wire(server.start())
        wire.ask('FUNCTION', 'LOAD', one('sent', 5))
        self.write(server, 'a.lua', one('a', 2))
        self.write(server, 'b.lua', '#!lua name=b\nx x\n')
        self.assertIn("b.lua:2: Error compiling function: '=' expected near 'x'", str(wire.ask('FUNCTION', 'RELOAD')))
        self.assertEqual([wire.ask('FCALL', f, 0) for f in ['a', 'b', 'sent']], [1, 1, 5])
        os.remove(os.path.join(server.dir, 'b.lua'))
        self.assertEqual(wire.ask('FUNCTION', 'RELOAD'), b'OK')
        self.assertEqual([lib[1] for lib in wire.ask('FUNCTION', 'LIST')], [b'a', b'sent'])
        self.assertEqual([wire.ask('FCALL', f, 0) for f in ['a', 'sent']], [2, 5])

    def test_a_transaction_takes_libraries_back(self):
        server = self.server().start()
        wire = self.wire(server)
        wire.ask('FUNCTION', 'LOAD', one('a', 1))
        wire.ask('FUNCTION', 'LOAD', one('b', 1))
        payload = wire.ask('FUNCTION', 'DUMP')
        before = wire.ask('FUNCTION', 'LIST', 'WITHCODE')
        changes = [('FUNCTION', 'LOAD', 'REPLACE', one('a', 2)), ('FUNCTION', 'DELETE', 'b'), ('FUNCTION', 'FLUSH'),
                   ('FUNCTION', 'LOAD', one('c', 3)), ('FUNCTION', 'RESTORE', payload, 'FLUSH'),
                   ('FUNCTION', 'RESTORE', payload, 'REPLACE'), ('FCALL', 'a', 0)]
        for count in range(1, len(changes) + 1):
            wire.ask('MULTI', 'ROLLBACK')
            for change in changes[:count]:
                wire.ask(*change)
            wire.ask('LPUSH', 'list', 'x')
            wire.ask('INCR', 'list')
            self.assertIn('EXECABORT', str(value(wire.call('EXEC'))))
            self.assertEqual(wire.ask('FUNCTION', 'LIST', 'WITHCODE'), before)
            self.assertEqual([wire.ask('FCALL', f, 0) for f in 'ab'], [1, 1])
        wire.ask('MULTI', 'ROLLBACK')
        for change in changes:
            wire.ask(*change)
        wire.ask('EXEC')
        self.assertEqual(wire.ask('FUNCTION', 'DUMP'), payload)

    def test_snapshots_hold_libraries(self):
        server = self.server().start()
        wire = self.wire(server)
        wire.ask('FUNCTION', 'LOAD', TRANSFER)
        before = wire.ask('FUNCTION', 'LIST', 'WITHCODE')
        wire.ask('DEBUG', 'RELOAD')
        self.assertEqual(wire.ask('FUNCTION', 'LIST', 'WITHCODE'), before)
        wire.ask('SAVE')
        server.stop()
        wire = self.wire(server.start())
        self.assertEqual(wire.ask('FUNCTION', 'LIST', 'WITHCODE'), before)

    def test_calls_are_counted(self):
        server = self.server().start()
        wire = self.wire(server, 3)
        wire.ask('FUNCTION', 'LOAD', TRANSFER)
        engines = {b'LUA': {b'libraries_count': 1, b'functions_count': 2}}
        self.assertEqual(wire.ask('FUNCTION', 'STATS'), {b'running_script': None, b'engines': engines})
        for _ in range(3):
            wire.call('FCALL', 'balance', 1, 'k')
        wire.call('FCALL', 'transfer_with_validation', 2, 'a', 'b', 1, 'x')
        stats = wire.ask('FUNCTION', 'STATS')[b'functions']
        self.assertEqual([stats[b'balance'][f] for f in [b'calls', b'errors']], [3, 0])
        self.assertEqual([stats[b'transfer_with_validation'][f] for f in [b'calls', b'errors']], [1, 1])
        self.assertGreaterEqual(stats[b'balance'][b'usec'], stats[b'balance'][b'usec_max'])
        info = wire.ask('INFO', 'memory')
        self.assertIn(b'number_of_functions:2\r\n', info)
        self.assertIn(b'number_of_libraries:1\r\n', info)

    def test_a_function_that_takes_long_is_killed(self):
        server = self.server(**{'busy-reply-threshold': 20}).start()
        busy, wire = self.wire(server), self.wire(server)
        wire.ask('FUNCTION', 'LOAD', "#!lua name=l\nredis.register_function('long', function() while true do end end)")
        busy.send('FCALL', 'long', 1, 'k')
        wait_until(lambda: b'BUSY' in wire.call('PING'), what='BUSY')
        stats = wire.ask('FUNCTION', 'STATS')
        self.assertEqual(stats[1][:4], [b'name', b'long', b'command', [b'FCALL', b'long', b'1', b'k']])
        self.assertIn(b'BUSY', wire.call('SCRIPT', 'KILL'))
        self.assertEqual(wire.ask('FUNCTION', 'KILL'), b'OK')
        self.assertIn(b'Script killed by user with FUNCTION KILL', busy.reply())
        self.assertEqual(wire.ask('PING'), b'PONG')


if __name__ == '__main__':
    unittest.main()
