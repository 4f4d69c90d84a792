"""Lua 5.1 scripts as people write them for Redis, to Debian's Redis and to us: the replies are the same bytes.

Left out: what ends a Redis 7.0 (tests/integration/test_scripting_security.py has it), integers beyond 2^53, which keep
their digits here, fractions as arguments, which 7.0 prints with 17 digits, and tables of names, which are maps here.
"""
import unittest

from servers import IS_REDOUBT, REDIS, REDOUBT, Server
from wire import Wire

SCRIPTS = r"""
return redis.error_reply('My Err')
return redis.error_reply('MY_ERR custom')
return redis.error_reply('-x y')
return redis.error_reply('')
return redis.error_reply('abc')
return redis.error_reply()
return redis.error_reply({})
return redis.status_reply('x')
return {err='abc'}
return {err='-abc d'}
error('x')
error('x',0)
error({err='x y'})
error()
error(12)
return redis.call('nosuch')
return redis.call('get')
return redis.call()
return redis.call({})
return redis.call('eval')
return redis.call('subscribe','a')
return redis.pcall('nosuch').err
x=1
return x
return redis.sha1hex()
return redis.sha1hex(1)
return redis.setresp(4)
return redis.setresp()
return redis.set_repl()
return redis.set_repl(99)
return redis.replicate_commands()
return redis.breakpoint()
return redis.debug('x')
return redis.acl_check_cmd()
return redis.acl_check_cmd('nosuch')
return redis.acl_check_cmd('get','x')
return _VERSION
return {redis.LOG_DEBUG,redis.LOG_WARNING,redis.REPL_ALL,redis.REPL_AOF,redis.REPL_SLAVE,redis.REPL_NONE,redis.REPL_REPLICA}
setmetatable(_G,{})
rawset(_G,'x',1)
redis.call=1
getmetatable('').__index=1
return type(getmetatable(''))
return {1,nil,3}
return 3.99
return -3.99
return 1e300
return 0/0
return {double=3.5}
return redis.call('incr','a','b')
foo()
return #KEYS
KEYS={}
KEYS[1]=2 return KEYS[1]
return tostring(redis.call('set','a','1')['ok'])
return redis.call('lpush','a','1')
return redis.pcall('lpush','a','1')
local e=redis.pcall('lpush','a','1') local t={} for k,v in pairs(e) do t[#t+1]=k..'='..tostring(v) end table.sort(t) return t
return redis.call('multi')
return redis.call('client','id')
return redis.call('client','nosuch')
return redis.call('set','a',true)
return {err='x',ok='b'}
return pcall(redis.call,'get')
local ok,e=pcall(redis.call,'get') return type(e)
local ok,e=pcall(error,'zz') return e
local ok,e=pcall(function() error('zz') end) return e
local ok,e=pcall(error,{err='x'}) return type(e)
local ok,e=pcall(error,{code='x'}) return type(e)
local ok,e=xpcall(function() error({err=1}) end, function(e) return e end) return type(e)
local ok,e=pcall(redis.call,'lpush') return e
local ok,e=pcall(redis.call,'lpush','a','1') return e
return redis.call('set','a','1','nx','xx')
return type(getmetatable(_G))
return rawget(_G,'nosuch')
return #redis
return loadstring('return 1')()
table.insert(redis,1)
return tostring(print)
error(redis.error_reply('A b'))
error({err='no code'})
return {err='a\r\nb'}
return {ok='a\r\nb'}
return redis.pcall()
return redis.pcall('set','a')
return {1,{ok='x'},{err='y'},'z'}
return {map={a=1}}
return redis.call('config','get','maxmemory')
return redis.set_repl('a')
return redis.status_reply()
return redis.status_reply(1)
return redis.sha1hex(nil)
redis.error_reply('a','b')
return redis.setresp('x')
return redis.setresp(2)
return redis.acl_check_cmd({})
collectgarbage('nosuch')
coroutine.wrap(function() redis.call('get') end)()
local f=coroutine.create(function() redis.call('get') end) local ok,e=coroutine.resume(f) return type(e)
coroutine.yield()
return {1,2,nil,4}
return assert(false)
assert(nil,'m')
assert(false,{err='X y'})
error({err='E x',source='@abc',line=9})
return setmetatable({},{__index=function() return 5 end})
return 1 == 1.0
return redis.sha1hex('a','b')
return xpcall(error, 1)
error('a\r\nb')
local t = {} t[1]=function() end return t
return {true,false}
return true
return false
redis.setresp(3) return true
redis.setresp(3) return {true,false,nil}
redis.setresp(3) return redis.call('hgetall','nosuch')
redis.call('del','h') redis.call('hset','h','a','1') redis.setresp(3) return redis.call('hgetall','h')
redis.setresp(3) local t=redis.call('hgetall','h') return t.map.a
redis.setresp(3) return redis.call('get','nosuch')
redis.setresp(3) return type(redis.call('get','nosuch'))
return type(redis.call('get','nosuch'))
return {big_number='123'}
return {verbatim_string={string='abc',format='txt'}}
return {set={a=true}}
local x = 1 for i=1,10 do x = x * 2 end return x
return string.format('%s %d', 'a', 5)
local t={5,3,1} table.sort(t) return t
return ('abc'):upper()
return #ARGV
local s = '' for i=1,3 do s = s .. i end return s
return tonumber('12')
return tostring(nil)
error(nil)
error(true)
return redis.call('ping')
return redis.call('echo','x')
return redis.call('select',1)
return redis.call('publish','x','y')
return 'x' .. 10/2
return string.format('%d', 3.7)
return string.format('%5.2f|%s|%q|%x|%c|%i|%g', 3.14159, 'a', 'q"x', 255, 65, 3, 0.1)
return tostring(10/2) .. tostring(7/2) .. tostring(1e100) .. tostring(-0.5)
return {tostring(1e15), tostring(123456789012), tostring(2^31), tostring(0.1), tostring(1/3), tostring(100), tostring(-1e15)}
return {math.floor(3.7), math.ceil(3.2), math.max(1,5,3), math.min(4,2), math.pow(2,10), math.fmod(7,3), math.mod and math.mod(7,3), math.abs(-3), math.sqrt(16)}
return table.getn({1,2,3})
return #{1,2,3,nil,5} >= 3
return {unpack({1,2,3})}
return {select('#', unpack({1,nil,3}, 1, 3)), (select(2, 'a', 'b'))}
return loadstring('return 1 + 1')()
return {pcall(loadstring, nil)}
local f, e = loadstring('x y') return e
return table.concat({1,2,3}, ',')
return table.concat({1,2.5,'x'})
local t = {3,1,2} table.sort(t, function(a, b) return a > b end) return t
local t = {} table.insert(t, 'a') table.insert(t, 1, 'b') return t
local t = {1,2,3} return {table.remove(t), table.remove(t, 1), #t}
local r = {} for k, v in pairs({a=1}) do r[#r+1] = k r[#r+1] = v end return r
local r = {} for i, v in ipairs({'x','y',nil,'z'}) do r[#r+1] = v end return r
local s = {} for w in string.gmatch('one two three', '%a+') do s[#s+1] = w end return s
return {string.find('hello world', 'o w'), string.find('hello', 'l+'), string.find('a.b', '.', 1, true)}
return {string.gsub('hello world', 'o', '0')}
return (string.gsub('hello', '(h)(e)', '%2%1'))
return {string.gsub('abc', '%w', {a='1', b=true})}
return string.gsub('hello world', '%w+', string.upper)
return {string.match('key=value', '(%w+)=(%w+)')}
return {string.byte('abc', 1, -1)}
return {('x'):rep(3), ('abc'):reverse(), ('abc'):len(), ('abc'):sub(-2), ('ABC'):lower()}
return string.char(72, 105)
return {tonumber('0x1F'), tonumber('  12  '), tonumber('1e2'), tonumber('abc'), tonumber('10', 2), tonumber('ff', 16), tonumber('')}
return {tonumber('3.7'), tonumber(5), tonumber('5.0')}
return 10 == '10'
return '10' + 5
return '3' * '4'
return 10 .. 20
return 7 % 3 .. ' ' .. -7 % 3 .. ' ' .. 5.5 % 2
return 2^10
return 7 / 2
return 1e3
return -7 / 2
return {1.9, -1.9, 0.5, 2^31, 2^52}
return 'a' < 'b'
return nil == false
return not nil
return #'abc'
return type(nil) .. type(1) .. type('') .. type({}) .. type(print == nil)
return {KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]}
return #KEYS + #ARGV
return ARGV[2] + 1
return tonumber(ARGV[3]) * 2
return redis.call('SET', KEYS[1], ARGV[1])
return redis.call('GET', KEYS[1])
return redis.call('INCRBY', KEYS[2], ARGV[2])
return redis.call('INCRBY', KEYS[2], 10/2)
return redis.call('INCRBY', KEYS[2], '1' + 1)
return redis.call('SETEX', KEYS[1], 100, 5)
return redis.call('TTL', KEYS[1]) > 90
return redis.call('HSET', 'h', 'a', 1, 'b', 2)
return redis.call('HGETALL', 'h')
return redis.call('HMGET', 'h', 'a', 'nosuch')
return redis.call('HGET', 'h', 'nosuch') == false
return redis.call('ZADD', 'z', 1, 'a', 2, 'b', '1.5', 'c')
return redis.call('ZRANGE', 'z', 0, -1, 'WITHSCORES')
return redis.call('ZSCORE', 'z', 'c')
redis.setresp(3) return redis.call('ZRANGE', 'z', 0, -1, 'WITHSCORES')
redis.setresp(3) return redis.call('ZSCORE', 'z', 'c')
redis.setresp(3) return type(redis.call('ZSCORE', 'z', 'c').double)
redis.setresp(3) local n = 0 for k in pairs(redis.call('HGETALL', 'h').map) do n = n + 1 end return n
redis.setresp(3) return redis.call('SADD', 's', 'one') + #redis.call('KEYS', 'nosuch')
redis.setresp(3) return redis.call('SMEMBERS', 's')
redis.setresp(3) return redis.call('SMEMBERS', 's').set.one
return redis.call('SMEMBERS', 's')
return redis.call('RPUSH', 'l', 1, 2, 3)
return redis.call('LRANGE', 'l', 0, -1)
return redis.call('LPOP', 'nosuch')
return redis.call('RPOPLPUSH', 'l', 'l2')
return redis.call('TYPE', 'l')
return redis.call('TYPE', 'l').ok
return redis.call('TYPE', 'l')['ok'] == 'list'
return redis.call('EXISTS', 'l', 'nosuch')
return redis.call('MGET', KEYS[1], 'nosuch', KEYS[2])
return redis.call('PING')
return redis.call('ECHO', 'x')
return redis.call('SELECT', 20)
return redis.call('SELECT', '1')
return redis.call('DBSIZE') > 0
return redis.call('OBJECT', 'NOSUCH', 'l')
return redis.call('SORT', 's', 'BY', 'nosort')
return redis.call('EXPIRE', KEYS[1], 0)
return redis.call('SET', 'n', 'abc')
return redis.call('INCR', 'n')
return redis.pcall('INCR', 'n').err
local r = redis.pcall('INCR', 'n') if r.err then return redis.error_reply('MY ' .. r.err) end
local ok, e = pcall(redis.call, 'INCR', 'n') return {ok, e}
local ok, e = pcall(function() local x = nil; return x.y end) return e
local ok, e = pcall(function() return 1 + {} end) return e
local ok, e = pcall(function() return {} .. 'x' end) return e
local ok, e = pcall(function() return {} < {} end) return e
local ok, e = pcall(function() return 1 < 'x' end) return e
local ok, e = pcall(function() local t = {} t.a.b = 1 end) return e
local ok, e = pcall(function() string.rep() end) return e
local ok, e = pcall(function() ('x'):bad() end) return e
local ok, e = pcall(function() redis.nosuch() end) return e
local ok, e = pcall(function() nosuch() end) return e
local ok, e = pcall(function() error({code = 1}) end) return e.code
local ok, e = pcall(function() error('x', 0) end) return e
local ok, e = pcall(function() error('x', 2) end) return e
local ok, e = pcall(function() error() end) return e
return {pcall(function() return 1, 2, 3 end)}
return {xpcall(function() error('x', 0) end, function(m) return m .. '!' end)}
local x = nil return x.y
return {} + 1
return #5
return redis.nosuch()
for i = 1, 3 do redis.call('INCR', 'count') end return redis.call('GET', 'count')
for i = 10, 1, -3 do redis.call('RPUSH', 'down', i) end return redis.call('LRANGE', 'down', 0, -1)
for i = 0, 1, 0.25 do redis.call('RPUSH', 'steps', i * 4) end return redis.call('LRANGE', 'steps', 0, -1)
local i = 0 while i < 5 do i = i + 1 if i == 3 then break end end return i
local i = 0 repeat i = i + 1 until i >= 3 return i
local function fib(n) if n < 2 then return n end return fib(n-1) + fib(n-2) end return fib(15)
local function va(...) return select('#', ...) end return va(1, nil, 3)
local t = setmetatable({}, {__index = function(t, k) return k .. '!' end}) return t.x
local t = setmetatable({}, {__call = function(self, a) return a * 2 end}) return t(4)
local t = setmetatable({}, {__tostring = function() return 'me' end}) return tostring(t)
local t = setmetatable({1}, {__newindex = function(t, k, v) rawset(t, k, v * 2) end}) t[2] = 4 return t
return rawequal('a', 'a')
local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) return b * 2 end) local _, x = coroutine.resume(co, 1) local _, y = coroutine.resume(co, 10) return {x, y, coroutine.status(co)}
local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) return {gen(), gen(), gen()}
return coroutine.running() == nil
return cjson.encode({1, 2, {a = 'x'}})
return cjson.encode({})
return cjson.encode({a = cjson.null})
return cjson.decode('{"a":[1,2,{"b":null}],"c":1.5}').c
return cjson.decode('[1,2,3]')
return cjson.decode('{"a":10}').a / 3
return 'n' .. cjson.decode('{"a":101}').a
return cjson.decode('nonsense')
return cjson.encode(0/0)
return {cjson.encode('a/b"\\c\n'), cjson.encode(true), cjson.encode(10), cjson.encode(2.5)}
return cjson.decode('"\\u00e9\\u20ac"')
return cmsgpack.pack({1, 'a', {x = true}})
return cmsgpack.unpack(cmsgpack.pack({1, 2, 'three'}))
return cmsgpack.pack(1, -1, 128, 65536, 2^40, 1.5, 'x', nil, true)
return {cmsgpack.unpack(cmsgpack.pack(1, 2.5, 'x'))}
return struct.pack('>I2I4', 1, 2)
return {struct.unpack('>I2I4', '\0\1\0\0\0\2')}
return struct.size('i4d')
return {bit.band(255, 15), bit.bor(1, 2), bit.bxor(5, 1), bit.lshift(1, 4), bit.rshift(16, 2), bit.bnot(0), bit.tohex(255)}
return {bit.arshift(-8, 1), bit.rol(1, 31), bit.ror(1, 1), bit.bswap(1), bit.tobit(2^31)}
return redis.sha1hex('abc')
return redis.sha1hex('')
return redis.status_reply('FINE')
return redis.error_reply('BAD thing')
return redis.set_repl(redis.REPL_ALL)
local t = {} for i = 1, 200 do t[i] = i end return t
local t = {} for i = 1, 7000 do t[i] = 'x' end return redis.call('RPUSH', 'many', unpack(t))
local big = string.rep('x', 100000) redis.call('SET', 'big', big) return redis.call('STRLEN', 'big')
return redis.call('GET', 'big')
return {{{{1}}}, {}, {{}}}
return {1, {2, nil, 3}, {nil, 1}}
return {false, true, 'x', nil}
return {1, false, nil, 2}
return {[1] = 'a', [2] = 'b', [4] = 'd'}
local current = redis.call('INCR', 'rate') if tonumber(current) == 1 then redis.call('EXPIRE', 'rate', 10) end return current
if redis.call('GET', 'lock') == ARGV[1] then return redis.call('DEL', 'lock') else return 0 end
local v = redis.call('GET', 'nosuch') if not v then return 'none' end return v
local n = tonumber(redis.call('GET', 'nosuch') or '0') return n + 1
local now = tonumber(ARGV[2]) redis.call('ZREMRANGEBYSCORE', 'w', 0, now - 5) redis.call('ZADD', 'w', now, now) return redis.call('ZCARD', 'w')
return string.format('%s:%s', KEYS[1], 5)
return string.format('%s', 5.0) .. string.format('%.1f', 5) .. string.format('%d', '7')
return math.floor(10 / 3) .. ':' .. 10 % 3
return tostring(3) == '3' and tostring(3.0) == '3'
return ({a = 1})['a']
return #redis.call('KEYS', '*') > 0
return table.maxn({1, 2, nil, 4})
local s = 0 table.foreach({1, 2, 3}, function(k, v) s = s + v end) return s
return string.len('a\0b')
return 'a\0b\255'
return "\97\98"
return 1 --[[ comment ]] + 1
return -2 ^ 2
return 2 ^ -1 * 4
return 1 and nil or 'x'
a = 1
return a
local _G = 1 return _G
"""


@unittest.skipUnless(REDIS and IS_REDOUBT, 'needs redis-server to compare with')
class Lua(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = [cls.enterClassContext(Server(binary)) for binary in (REDIS, REDOUBT)]

    def compare(self, resp):
        wires = [Wire(server, resp=resp) for server in self.servers]
        for wire in wires:
            self.addCleanup(wire.close)
            wire.call('FLUSHALL')
        for code in SCRIPTS.strip().splitlines():
            with self.subTest(code):
                theirs, ours = (wire.call('EVAL', code, 2, 'key:1', 'key:2', 'arg', '10', '3.5') for wire in wires)
                self.assertEqual(ours, theirs)

    def test_resp2(self):
        self.compare(2)

    def test_resp3(self):
        self.compare(3)


if __name__ == '__main__':
    unittest.main()
