"""Libraries of functions on Debian's Redis and on us: the same words for what is right and wrong, the same payloads.

Random libraries of a few names come, go, are called, dumped on one server and restored on the other. SEED=n repeats a
run, COMMANDS=n makes it longer or shorter. Left out: two functions of one library whose names differ in case alone; Redis
takes both and finds one.
"""
import os
import random
import re
import unittest

from servers import IS_REDOUBT, REDIS, REDOUBT, Server
from wire import Wire, value

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
COMMANDS = int(os.environ.get('COMMANDS', 4000))

F = 'redis.register_function("f",function() return 1 end)'
CODES = ['', 'x', '#!', '#!lua', '#!lua\n', '#!lua\n' + F, '#!lua name=\n' + F, '#!lua name=a b=c\n' + F,
         '#!lua name=a name=b\n' + F, '#!LUA name=a\n' + F, '#!js name=a\n' + F, '#! name=a\n' + F, '#!lua name="a"\n' + F,
         "#!lua name='a'\n" + F, '#!lua name="a\n' + F, '#!lua name=a-b\n' + F, '#!lua name=a\r\n' + F,
         '#!lua  name=a  \n' + F, '#!lua x\n' + F, '#!lua NAME=a\n' + F, '#!lua name=a', '#!lua name=a\n',
         '#!lua name=a\nx x', '#!lua name=a\nlocal x = nil + 1', '#!lua name=a\n' + F + F, '#!lua name=a\nx=1']
BODIES = ['print(1)', 'error("x")', 'redis.call("ping")', 'redis.setresp(3)', 'redis.register_function()',
          'redis.register_function("f")', 'redis.register_function{}', 'redis.register_function(1,2)',
          'redis.register_function("f",2)', 'redis.register_function("f-g",function() end)',
          'redis.register_function(5,function() end)',
          'redis.register_function{function_name=5,callback=function() end}',
          'redis.register_function{function_name="f",callback=function() end,flags={}}',
          'redis.register_function{function_name="f",callback=function() end,flags={"no-writes","no-writes"}}',
          'redis.register_function{function_name="f",callback=function() end,flags={"NO-WRITES"}}',
          'redis.register_function{function_name="f",callback=function() end,flags={a="x"}}',
          'redis.register_function{function_name="f",callback=function() end,flags={"raw"}}',
          'redis.register_function{function_name="f",callback=function() end,flags="raw"}',
          'redis.register_function{function_name="f",callback=function() end,[1]=2}',
          'redis.register_function{function_name="f",callback=function() end,description=5}',
          'redis.register_function{function_name="f",callback=function() end,description={}}',
          'redis.register_function{function_name="f",callback=5}', 'redis.register_function{function_name="f"}',
          'redis.register_function{callback=function() end}', 'redis.register_function{nope=5}',
          'redis.register_function("f",function() end,{})', 'redis.log(redis.LOG_NOTICE,"x")', 'redis.log()',
          'local r=redis r.x=1', 'local g=_G', 'return 5',
          'redis.register_function{function_name="f\\0",callback=function() end}', 'redis.register_function{{}}',
          'redis.register_function{function_name="g",callback=function() return 1 end,'
          'flags={"no-writes","allow-oom","allow-stale","no-cluster","allow-cross-slot-keys"}}']
CALLBACKS = ['return {keys, args}', 'return redis.call("INCRBY", keys[1], args[1])', 'return redis.call("GET", keys[1]) + 1',
             'return #keys + #args', 'return {ok = "fine"}', 'return {err = "ERR mine"}', 'error("thrown")', 'error({err = "MY x"})',
             'return redis.error_reply("MY y")', 'return nope', 'x = 1', 'redis.register_function("z", function() end)',
             'return redis.pcall("INCR", "text")', 'return redis.call("INCR", "text")', 'return tostring(10 / 2)',
             'return math.max(#keys, 1.5)', 'return {1, 2.7, "x", false, nil, 3}', 'return redis.call("SET", keys[1], args[1])']


def library(rng):
    code = '#!lua name=%s\n' % rng.choice(['a', 'b', 'B', 'c_1'])
    for name in rng.sample(['f', rng.choice('gG'), 'h', 'i'], rng.randint(1, 2)):
        flags = ', '.join(repr(f) for f in ['no-writes', 'allow-oom'] if rng.random() < 0.2)
        code += ('redis.register_function{function_name="%s", callback=function(keys, args) %s end, flags={%s}}\n'
                 % (name, rng.choice(CALLBACKS), flags))
    return code


def call(rng):
    keys = [rng.choice(['k', 'text', 'n']) for _ in range(rng.randrange(3))]
    count = rng.choice([len(keys)] * 8 + [-1, 5, 'x'])
    return [rng.choice(['FCALL', 'FCALL', 'FCALL_RO']), rng.choice('fFghi'), count, *keys, *rng.sample(['1', '7', 'x'], rng.randrange(3))]


def command(rng):
    kind = rng.random()
    if kind < 0.25:
        return ['FUNCTION', 'LOAD', *rng.choice([[], ['REPLACE'], ['REPLACE'], ['NOPE']]), library(rng)]
    if kind < 0.3:
        return ['FUNCTION', 'DELETE', rng.choice(['a', 'b', 'B', 'A', 'c_1'])]
    if kind < 0.32:
        return ['FUNCTION', 'FLUSH', *rng.choice([[], ['SYNC'], ['ASYNC'], ['x'], ['SYNC', 'x']])]
    if kind < 0.4:
        return ['FUNCTION', 'LIST', *rng.choice([[], ['WITHCODE'], ['LIBRARYNAME', 'B'], ['LIBRARYNAME', 'c*'], ['x'],
                                                 ['LIBRARYNAME'], ['WITHCODE', 'WITHCODE']])]
    if kind < 0.44:
        return rng.choice([['FUNCTION'], ['FUNCTION', 'x'], ['FUNCTION', 'KILL'], ['FUNCTION', 'LOAD'], ['FCALL', 'f'],
                           ['FUNCTION', 'RESTORE', 'x'], ['FUNCTION', 'RESTORE', 'x', 'y'], ['FUNCTION', 'STATS', 'x'],
                           ['FUNCTION', 'RESTORE', 'x', 'FLUSH', 'y']])
    return call(rng)


def shown(reply):
    """Redis goes through libraries and functions in the order of its tables."""
    if reply.startswith(b'-'):
        return re.sub(rb'(Function|Library) \w+ already', rb'\1 already', reply)
    meaning = value(reply)
    if isinstance(meaning, list) and meaning and isinstance(meaning[0], list) and meaning[0][:1] == [b'library_name']:
        for entry in meaning:
            entry[5] = sorted(entry[5])
        return sorted(meaning, key=repr)
    return reply


@unittest.skipUnless(IS_REDOUBT and REDIS, 'needs both servers')
class Functions(unittest.TestCase):
    def setUp(self):
        self.servers = [Server(REDIS).start(), Server(REDOUBT).start()]
        self.wires = []
        for server in self.servers:
            self.addCleanup(server.stop)
            wire = Wire(server)
            self.addCleanup(wire.close)
            wire.call('SET', 'text', 'abc')
            self.wires.append(wire)

    def both(self, *request):
        theirs, ours = [shown(w.call(*request)) for w in self.wires]
        self.assertEqual(theirs, ours, f'{request!r} (SEED={SEED})')
        return ours

    def test_what_a_library_may_say(self):
        for code in CODES + ['#!lua name=a\n' + body for body in BODIES]:
            self.both('FUNCTION', 'LOAD', 'REPLACE', code)
            self.both('FUNCTION', 'LIST', 'WITHCODE')

    def test_random_libraries(self):
        rng = random.Random(SEED)
        for _ in range(COMMANDS):
            self.both(*command(rng))

    def test_payloads_are_the_same_bytes(self):
        rng = random.Random(SEED)
        for _ in range(60):
            self.both('FUNCTION', 'FLUSH')
            self.both('FUNCTION', 'DUMP')
            self.both('FUNCTION', 'LOAD', library(rng))
            self.both('FUNCTION', 'DUMP')

    def test_payloads_travel(self):
        rng = random.Random(SEED)
        for _ in range(100):
            for _ in range(4):
                self.both('FUNCTION', 'LOAD', 'REPLACE', library(rng))
            payload = value(rng.choice(self.wires).call('FUNCTION', 'DUMP'))
            for _ in range(rng.randrange(3)):
                self.both('FUNCTION', 'LOAD', 'REPLACE', library(rng))
            if rng.random() < 0.3:
                at = rng.randrange(len(payload))
                payload = payload[:at] + bytes([rng.randrange(256)]) + payload[at + 1:]
            policy = rng.choice([['FLUSH'], ['FLUSH'], ['APPEND'], [], ['nope']])
            self.both('FUNCTION', 'RESTORE', payload, *policy)
            self.both('FUNCTION', 'LIST', 'WITHCODE')

    def test_commands_look_the_same(self):
        for name in ['FCALL', 'FCALL_RO']:
            self.both('COMMAND', 'GETKEYS', name, 'f', '2', 'a', 'b', 'c')
            self.both('COMMAND', 'GETKEYSANDFLAGS', name, 'f', '1', 'a')


if __name__ == '__main__':
    unittest.main()
