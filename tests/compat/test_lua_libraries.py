"""Lua 5.1's rules and Redis's Lua libraries: the same scripts on Debian's Redis and on us say the same.

lua51.txt holds a script a line, each for something that 5.4 does otherwise. Random values go through cjson, cmsgpack,
struct and bit. Left out: integers beyond 14 digits, which keep their digits here, and the places of the text where
they could show (they are compared with 13). SEED=n repeats a run, SCRIPTS=n makes it longer or shorter.
"""
import os
import random
import unittest

from servers import IS_REDOUBT, REDIS, REDOUBT, Server
from wire import Wire

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
SCRIPTS = int(os.environ.get('SCRIPTS', 1200))

# Every value as text, tables in a fixed order.
SHOW = r'''
local function show(v, depth)
  local kind = type(v)
  if depth > 40 then return '...' end
  if kind == 'string' then return string.format('%q', v) end
  if kind == 'number' then return string.format('%.13g', v) end
  if kind == 'function' or kind == 'thread' then return kind end
  if kind ~= 'table' then return tostring(v) end
  local pairs_of = {}
  for k, w in pairs(v) do pairs_of[#pairs_of + 1] = show(k, depth + 1) .. '=' .. show(w, depth + 1) end
  table.sort(pairs_of)
  return '{' .. table.concat(pairs_of, ',') .. '}'
end
local function all(...)
  local shown = {}
  for i = 1, select('#', ...) do shown[i] = show((select(i, ...)), 0) end
  return table.concat(shown, ';')
end
return all(pcall(function() %s end))'''.replace('\n', ' ').replace('%s end', '\n%s end')

NUMBERS = ['0', '1', '-1', '127', '128', '255', '256', '-32', '-33', '-128', '-129', '32767', '65535', '65536', '-32768',
           '-32769', '2^31', '2^31-1', '-2^31', '2^32', '2^32-1', '2^40', '-2^40', '0.5', '-0.5', '1.5', '2.5', '0.1',
           '1e10', '3.7', '-3.7', '12345.678', '1e-7', '0.25', '16777217', '2^31+0.5']
WILD = ['1/0', '-1/0', '1e300', '-1e300']


def quoted(data):
    return '"' + ''.join('\\%03d' % c for c in data) + '"'


def some_bytes(rng, most):
    return bytes(rng.choice([0, 1, 65, 92, 34, 127, 128, 255, rng.randrange(256)]) for _ in range(rng.randrange(most)))


def number(rng):
    return rng.choice(NUMBERS) if rng.random() < 0.7 else str(rng.randint(-10 ** 12, 10 ** 12))


def lua_value(rng, depth=0):
    kind = rng.random()
    if kind < 0.3:
        return rng.choice(WILD) if rng.random() < 0.05 else number(rng)
    if kind < 0.5:
        return quoted(some_bytes(rng, 300 if rng.random() < 0.2 else 8))
    if kind < 0.6:
        return rng.choice(['true', 'false', 'nil', 'cjson.null'])
    if depth > 4:
        return '1'
    if kind < 0.8:
        return '{' + ','.join(lua_value(rng, depth + 1) for _ in range(rng.choice([0, 1, 2, 3, 15, 16, 17]))) + '}'
    key = rng.choice(['"a"', '1', '2', '1.5', '"1"', '11', '-1', '0', 'true', '10', '100', '"k\\n"'])
    return '{[%s]=%s}' % (key, lua_value(rng, depth + 1))


def bit_script(rng):
    name = rng.choice('tobit tohex bnot band bor bxor lshift rshift arshift rol ror bswap'.split())
    return 'return bit.%s(%s)' % (name, ','.join(number(rng) for _ in range(rng.randrange(4))))


def struct_format(rng):
    options = []
    for _ in range(rng.randrange(6)):
        option = rng.choice('><!xbBhHlLTiIcsfd ')
        if option in 'iI' and rng.random() < 0.7:
            option += str(rng.choice([1, 2, 3, 4, 5, 7, 8, 16, 32, 33, 0]))
        if option == 'c':
            option += str(rng.choice([0, 1, 2, 5]))
        if option == '!':
            option += rng.choice(['', '1', '2', '4', '8', '3', '16'])
        options.append(option)
    if rng.random() < 0.05:
        options.append(rng.choice(['y', '%', '99999999999', 'c99999999999', 'i2147483648', '!0']))
    return ''.join(options)


def struct_script(rng):
    layout = struct_format(rng)
    if rng.random() < 0.2:
        return 'return struct.size(%s)' % quoted(layout.encode())
    if rng.random() < 0.5:
        arguments = [quoted(layout.encode())]
        for option in layout:
            if option in 'bBhHlLTiIfd':
                arguments.append(number(rng))
            elif option in 'cs':
                arguments.append(quoted(some_bytes(rng, 8)))
        return 'return struct.pack(%s)' % ','.join(arguments[:-1] if rng.random() < 0.1 else arguments)
    data = bytes(rng.choice([0, 1, 2, 3]) for _ in range(rng.randrange(40)))
    return 'return struct.unpack(%s,%s%s)' % (quoted(layout.encode()), quoted(data),
                                              rng.choice(['', '', ',1', ',3', ',0', ',-1', ',100', ',2.5']))


def cmsgpack_script(rng):
    kind = rng.random()
    if kind < 0.4:
        return 'return cmsgpack.pack(%s)' % ','.join(lua_value(rng) for _ in range(rng.randrange(3)))
    if kind < 0.6:
        return 'local v=%s return cmsgpack.unpack(cmsgpack.pack(v,v))' % lua_value(rng)
    data = bytes(rng.choice([0x90, 0x91, 0x92, 0x80, 0x81, 0xa1, 0xa5, 0xc0, 0xc2, 0xc3, 0xc4, 0xca, 0xcb, 0xcc, 0xcd,
                             0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff,
                             0, 1, 2, 127]) for _ in range(rng.randrange(14)))
    offset = rng.choice(['0', '1', '5', '-1', 'nil', '20'])
    if kind < 0.8:
        return 'return cmsgpack.unpack(%s)' % quoted(data)
    if kind < 0.9:
        return 'return cmsgpack.unpack_one(%s,%s)' % (quoted(data), offset)
    return 'return cmsgpack.unpack_limit(%s,%s,%s)' % (quoted(data), rng.choice(['0', '1', '2', '-1', '10']), offset)


def json_string(rng):
    parts = ['a', 'b', '\\n', '\\"', '\\\\', '\\/', '\\u0041', '\\u00e9', '\\u20ac', '\\ud83d\\ude00', 'é', '\x01', '/', ' ']
    wrong = ['\\x', '\\ud83d', '\\u12', '\\ude00', '\n']
    return '"' + ''.join(rng.choice(wrong if rng.random() < 0.01 else parts) for _ in range(rng.randrange(6))) + '"'


def json_number(rng):
    if rng.random() < 0.02:
        return rng.choice(['+1', '0x10', '012', 'nan', 'inf', '-inf', '.5', '1.', '1e', '-', '--1', 'NaN', 'Infinity'])
    return rng.choice(['0', '-0', '1', '-1', '1.5', '1e3', '1E-3', '123456789', '0.1', '1e400', '-1e-400',
                       '12345678901234567890', '1.0', '100000', '3.14159265358979'])


def json(rng, depth=0):
    kind, space = rng.random(), rng.choice(['', '', ' ', '\n\t'])
    if kind < 0.25:
        text = json_number(rng)
    elif kind < 0.45:
        text = json_string(rng)
    elif kind < 0.6:
        text = rng.choice(['tru', 'nul', 'True'] if rng.random() < 0.02 else ['true', 'false', 'null'])
    elif depth > 4:
        text = '[]'
    elif kind < 0.8:
        text = '[' + ','.join(json(rng, depth + 1) for _ in range(rng.choice([0, 1, 2, 3, 31, 32, 33, 40]))) + ']'
    else:
        text = '{' + ','.join(json_string(rng) + space + ':' + json(rng, depth + 1) for _ in range(rng.randrange(4))) + '}'
    return space + text + space


def cjson_script(rng):
    if rng.random() < 0.4:
        option = rng.choice([''] * 5 + ['c.encode_invalid_numbers(true)', 'c.encode_invalid_numbers("null")',
                                        'c.encode_number_precision(3)', 'c.encode_sparse_array(true)',
                                        'c.encode_max_depth(2)', 'c.encode_sparse_array(false,1,1)',
                                        'c.encode_keep_buffer(false)'])
        return 'local c=cjson.new() %s return c.encode(%s)' % (option, lua_value(rng))
    text = json(rng)
    if rng.random() < 0.2:
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(['', ',', ']', '}', '{', '[', ':', '"', '\0', 'x', '\\']) + text[at + rng.randrange(3):]
    option = rng.choice([''] * 5 + ['c.decode_invalid_numbers(false)', 'c.decode_max_depth(2)'])
    return 'local c=cjson.new() %s return c.decode(%s)' % (option, quoted(text.encode()))


def without_sha(reply):
    return reply.split(b' script: ')[0].rstrip()


@unittest.skipUnless(IS_REDOUBT and REDIS, 'needs both servers')
class LuaLibraries(unittest.TestCase):
    def setUp(self):
        self.redis, self.redoubt = Server(REDIS).start(), Server(REDOUBT).start()
        self.addCleanup(self.redis.stop)
        self.addCleanup(self.redoubt.stop)
        self.wires = [Wire(self.redis), Wire(self.redoubt)]
        for wire in self.wires:
            self.addCleanup(wire.close)

    def check(self, script):
        body = script if isinstance(script, bytes) else script.encode()
        body = SHOW.encode().replace(b'%s end', body + b' end')
        theirs, ours = [without_sha(w.call('EVAL', body, 0)) for w in self.wires]
        self.assertEqual(theirs, ours, f'{script!r} (SEED={SEED})')

    def check_random(self, make):
        rng = random.Random(SEED)
        for _ in range(SCRIPTS):
            self.check(make(rng))

    def test_scripts_for_lua_51(self):
        with open(os.path.join(os.path.dirname(__file__), 'lua51.txt'), 'rb') as f:
            for line in f:
                if line.strip() and not line.startswith(b'#'):
                    self.check(line.rstrip(b'\n'))

    def test_cjson(self):
        self.check_random(cjson_script)

    def test_cmsgpack(self):
        self.check_random(cmsgpack_script)

    def test_struct(self):
        self.check_random(struct_script)

    def test_bit(self):
        self.check_random(bit_script)


if __name__ == '__main__':
    unittest.main()
