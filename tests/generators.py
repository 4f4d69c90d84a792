"""Random commands by family. Times lie far off or in the past: nothing here may depend on how fast a server is."""
import time

KEYS = [b'alpha', b'beta', b'gamma', b'delta', b'{tag}one', b'{tag}two', b'', b'bin\x00\xff\r\n$3']
LONG = [b'x' * 44, b'y' * 45, b'z' * 100, b'0123456789' * 1000, bytes(range(256))]
NUMBERS = [b'0', b'1', b'-1', b'7', b'100', b'9223372036854775806', b'9223372036854775807',
           b'-9223372036854775808', b'9223372036854775808', b'1e3', b'3.0', b'3.14159', b' 12',
           b'12 ', b'+5', b'007', b'-0', b'0x10', b'1.7976931348623157e308', b'inf', b'-inf', b'nan',
           b'', b'123456789012345678901234567890']
# What noise puts in the place of an argument. No small positive number: it could become a time to live.
NOISE = [b'', b'0', b'-1', b'abc', b'1.5', b'99999999999999999999', b'-99999999999999999999',
         b'\x00', b'NX', b'xx', b'GET', b'KEEPTTL', b'a b', b'"', b'*', b'9223372036854775807',
         b'-9223372036854775808']


def key(rng):
    return rng.choice(KEYS)


def value(rng):
    kind = rng.random()
    if kind < 0.35:
        return rng.choice(NUMBERS)
    if kind < 0.6:
        return b'%d' % rng.randint(-10 ** rng.randint(1, 18), 10 ** rng.randint(1, 18))
    if kind < 0.7:
        return rng.choice(LONG)
    return bytes(rng.choice(b'abcxyz \x00\xff') for _ in range(rng.randint(0, 60)))


def number(rng):
    return rng.choice(NUMBERS) if rng.random() < 0.4 else b'%d' % rng.randint(-200, 200)


def anycase(rng, token):
    return rng.choice([token, token.lower(), token.capitalize()])


def far(rng, unit=1):
    """A relative time in seconds (unit 1) or milliseconds (unit 1000), or one that is refused."""
    if rng.random() < 0.85:
        return b'%d' % (rng.randint(10 ** 5, 10 ** 8) * unit)
    return rng.choice([b'0', b'-1', b'-100', b'9223372036854775807', b'9223372036854775',
                       b'-9223372036854775808', b'99999999999999999999', b'abc', b'', b'1.5'])


def instant(rng, unit=1):
    """An absolute time, in the future or in the past."""
    if rng.random() < 0.8:
        return b'%d' % ((int(time.time()) + rng.randint(10 ** 5, 10 ** 8)) * unit)
    return rng.choice([b'1', b'0', b'-5', b'1000', b'9223372036854775807', b'9223372036854775',
                       b'-9223372036854775808', b'abc'])


def time_option(rng):
    name, when = rng.choice([(b'EX', far(rng)), (b'PX', far(rng, 1000)), (b'EXAT', instant(rng)),
                             (b'PXAT', instant(rng, 1000))])
    return [anycase(rng, name), when]


def strings(rng):
    k, k2 = key(rng), key(rng)
    return rng.choice([
        lambda: ['SET', k, value(rng)],
        lambda: set_with_options(rng),
        lambda: ['GET', k],
        lambda: ['GETSET', k, value(rng)],
        lambda: ['GETDEL', k],
        lambda: ['GETEX', k, *rng.choice([[], [b'PERSIST'], time_option(rng),
                                         [b'PERSIST', *time_option(rng)]])],
        lambda: ['SETNX', k, value(rng)],
        lambda: ['SETEX', k, far(rng), value(rng)],
        lambda: ['PSETEX', k, far(rng, 1000), value(rng)],
        lambda: ['MSET', *pairs(rng)],
        lambda: ['MSETNX', *pairs(rng)],
        lambda: ['MGET', *[key(rng) for _ in range(rng.randint(1, 5))]],
        lambda: ['APPEND', k, value(rng)],
        lambda: ['STRLEN', k],
        lambda: ['GETRANGE', k, offset(rng), offset(rng)],
        lambda: ['SUBSTR', k, offset(rng), offset(rng)],
        lambda: ['SETRANGE', k, offset(rng), value(rng)],
        lambda: ['LCS', k, k2, *rng.sample([b'LEN', b'IDX', b'WITHMATCHLEN'], rng.randint(0, 3)),
                 *rng.choice([[], [b'MINMATCHLEN', b'%d' % rng.randint(-1, 5)]])],
        lambda: ['OBJECT', 'ENCODING', k],
        lambda: ['OBJECT', 'REFCOUNT', k],
    ])()


def offset(rng):
    return rng.choice([b'0', b'-1', b'-5', b'3', b'10', b'43', b'44', b'100', b'5000', b'-100', b'536870912',
                       b'9223372036854775807', b'-9223372036854775808', b'x', b'4294967296'])


def pairs(rng):
    words = []
    for _ in range(rng.randint(1, 4)):
        words += [key(rng), value(rng)]
    return words if rng.random() < 0.95 else words[:-1]


def set_with_options(rng):
    words = ['SET', key(rng), value(rng)]
    options = [[b'NX'], [b'XX'], [b'GET'], [b'KEEPTTL'], time_option(rng), time_option(rng)]
    for option in rng.sample(options, rng.randint(0, 3)):
        words += option
    return words


def counters(rng):
    k = key(rng)
    return rng.choice([
        lambda: ['INCR', k],
        lambda: ['DECR', k],
        lambda: ['INCRBY', k, number(rng)],
        lambda: ['DECRBY', k, number(rng)],
        lambda: ['INCRBYFLOAT', k, number(rng)],
        lambda: ['INCRBYFLOAT', k, b'%.*f' % (rng.randint(0, 17), rng.uniform(-1000, 1000))],
        lambda: ['SET', k, number(rng)],
        lambda: ['GET', k],
        lambda: ['OBJECT', 'ENCODING', k],
        lambda: ['APPEND', k, b'1'],
        lambda: ['DEL', k],
    ])()


def expiry(rng):
    k = key(rng)
    flags = rng.sample([b'NX', b'XX', b'GT', b'LT', b'nx'], rng.choice([0, 0, 0, 1, 1, 2]))
    return rng.choice([
        lambda: ['EXPIRE', k, far(rng), *flags],
        lambda: ['PEXPIRE', k, far(rng, 1000), *flags],
        lambda: ['EXPIREAT', k, instant(rng), *flags],
        lambda: ['PEXPIREAT', k, instant(rng, 1000), *flags],
        lambda: ['TTL', k],
        lambda: ['PTTL', k],
        lambda: ['EXPIRETIME', k],
        lambda: ['PEXPIRETIME', k],
        lambda: ['PERSIST', k],
        lambda: ['SET', k, value(rng), *rng.choice([[], [b'KEEPTTL'], time_option(rng)])],
        lambda: ['SET', k, value(rng)],
        lambda: ['APPEND', k, b'tail'],
        lambda: ['RENAME', k, key(rng)],
        lambda: ['COPY', k, key(rng), b'REPLACE'],
        lambda: ['EXISTS', k],
    ])()


def keyspace(rng):
    k, k2 = key(rng), key(rng)
    db = rng.choice([b'0', b'0', b'1', b'1', b'2', b'15', b'16', b'-1', b'abc', b'99999999999'])
    return rng.choice([
        lambda: ['SET', k, value(rng)],
        lambda: ['SET', k, value(rng), b'EX', b'1000000'],
        lambda: ['DEL', k, k2],
        lambda: ['UNLINK', k],
        lambda: ['EXISTS', k, k2, k],
        lambda: ['TYPE', k],
        lambda: ['TOUCH', k, k2],
        lambda: ['RENAME', k, k2],
        lambda: ['RENAMENX', k, k2],
        lambda: ['COPY', k, k2],
        lambda: ['COPY', k, k2, *rng.choice([[b'REPLACE'], [b'DB', db], [b'DB', db, b'replace']])],
        lambda: ['MOVE', k, db],
        lambda: ['SELECT', db],
        lambda: ['SWAPDB', db, rng.choice([b'0', b'1', b'2', b'x'])],
        lambda: ['DBSIZE'],
        lambda: ['KEYS', rng.choice([b'*', b'a*', b'*a', b'[ab]*', b'{tag}*', b'?????', b'[^a]*', b'\\*',
                                    b'bin*', b'', b'[a-', b'*' * 20 + b'b'])],
        lambda: ['OBJECT', rng.choice(['ENCODING', 'REFCOUNT', 'nope']), k],
        lambda: ['GET', k],
        lambda: ['PTTL', k],
        lambda: rng.choice([['FLUSHDB'], ['FLUSHALL'], ['FLUSHDB', 'SYNC'], ['FLUSHALL', 'ASYNC'],
                            ['FLUSHDB', 'abc']]) if rng.random() < 0.2 else ['DBSIZE'],
    ])()


def errors(rng):
    """Requests that are wrong by their number or kind of arguments, or by their names."""
    return rng.choice([
        lambda: [rng.choice(['GET', 'SET', 'INCR', 'SETEX', 'EXPIRE', 'RENAME', 'MOVE', 'SCAN', 'COPY',
                             'OBJECT', 'CLIENT', 'MSET', 'MGET', 'SELECT', 'SWAPDB',
                             'SETRANGE', 'AUTH', 'ECHO', 'PING', 'WATCH', 'DISCARD',
                             'SLOWLOG', 'LATENCY', 'MEMORY', 'DEBUG', 'DBSIZE', 'TTL', 'PERSIST', 'TYPE']),
                 *[rng.choice(NOISE) for _ in range(rng.randint(0, 5))]]
        if rng.random() < 0.9 else ['PING', 'a', 'b'],
        lambda: [rng.choice(['nosuch', 'NOSUCH', b'bin\x00cmd', b'\r\n', b'', b'x' * 200, b'a b', 'get ']),
                 *[rng.choice([b'arg', b'x' * 150, b"it's", b'new\r\nline', b'']) for _ in range(rng.randint(0, 4))]],
        lambda: [rng.choice(['OBJECT', 'CONFIG', 'CLIENT', 'COMMAND', 'MEMORY', 'SLOWLOG', 'LATENCY']),
                 rng.choice([b'nosuch', b'', b'x\r\ny', b'ENCODING|GET'])],
        lambda: ['SCAN', rng.choice([b'abc', b'-1', b'', b'99999999999999999999', b'1x', b'0']),
                 *rng.choice([[b'COUNT', b'0'], [b'COUNT', b'-1'], [b'COUNT', b'x'], [b'MATCH'], [b'NOPE', b'1'],
                              [b'COUNT'], [b'TYPE']])],
        lambda: [rng.choice(['EXEC', 'UNWATCH'])],
        lambda: ['ECHO', value(rng)],
        lambda: ['PING', *rng.choice([[], [value(rng)]])],
        lambda: ['GET', key(rng)],
        lambda: ['CLIENT', *rng.choice([[b'GETNAME'], [b'SETNAME', b'bad name'], [b'SETNAME', b'good'],
                                       [b'REPLY', b'x'], [b'KILL'], [b'KILL', b'1.1.1.1:1'], [b'KILL', b'ID', b'x'],
                                       [b'UNBLOCK', b'999999'], [b'PAUSE', b'x'], [b'NO-EVICT', b'x'],
                                       [b'UNPAUSE'], [b'LIST', b'TYPE', b'x']])],
        lambda: ['AUTH', *rng.choice([[b'x'], [b'user', b'pass']])],
        lambda: ['HELLO', *rng.choice([[b'4'], [b'x'], [b'1'], [b'2', b'AUTH', b'x'], [b'2', b'NOPE']])],
        lambda: ['CONFIG', *rng.choice([[b'GET', b'nosuch'], [b'SET', b'nosuch', b'1'], [b'SET', b'maxmemory'],
                                       [b'GET', b'maxmemory'], [b'SET', b'maxmemory', b'x'], [b'GET'],
                                       [b'SET', b'hz', b'10', b'hz', b'11'], [b'GET', b'maxmemory-policy'],
                                       [b'SET', b'port', b'abc'], [b'SET', b'databases', b'5']])],
        lambda: ['COMMAND', *rng.choice([[b'GETKEYS', b'GET'], [b'GETKEYS', b'GET', b'k'],
                                        [b'GETKEYS', b'MSET', b'a', b'1', b'b', b'2'], [b'GETKEYS', b'PING'],
                                        [b'GETKEYS', b'nosuch', b'x'], [b'GETKEYSANDFLAGS', b'SET', b'a', b'b'],
                                        [b'GETKEYSANDFLAGS', b'COPY', b'a', b'b'], [b'GETKEYS'],
                                        [b'LIST', b'FILTERBY', b'x'], [b'LIST', b'FILTERBY', b'x', b'y']])],
    ])()


# -- collections: writes that are well formed, for keys that have their type in their name ----------

TYPES = ['list', 'set', 'hash', 'zset']


def typed_key(rng, kind):
    return b'%s:%d' % (kind.encode(), rng.randint(0, 3))


def element(rng):
    """Few enough different ones that commands meet what others have left."""
    kind = rng.random()
    if kind < 0.5:
        return b'%d' % rng.randint(-2, 20)
    return rng.choice([b'', b'x', b'y' * 65, b'm:%d' % rng.randint(0, 40)] if kind < 0.97 else [b'z' * 5000])


def elements(rng):
    """A few, or so many that packed forms end."""
    return [element(rng) for _ in range(rng.choice([1, 2, 5, 5, 40]))]


def score(rng):
    return rng.choice([b'%d' % rng.randint(-3, 9), b'1.5', b'inf', b'-inf', b'1e10'])


def span(rng):
    return [b'%d' % rng.randint(-9, 9), b'%d' % rng.randint(-9, 9)]


def lists(rng):
    k, k2, ends = typed_key(rng, 'list'), typed_key(rng, 'list'), [rng.choice(['LEFT', 'RIGHT']) for _ in range(2)]
    return rng.choice([
        lambda: [rng.choice(['LPUSH', 'RPUSH', 'RPUSH', 'LPUSHX']), k, *elements(rng)],
        lambda: [rng.choice(['LPOP', 'RPOP']), k, *rng.choice([[], [rng.randint(1, 30)]])],
        lambda: ['LSET', k, rng.choice([0, -1]), element(rng)],
        lambda: ['LINSERT', k, rng.choice(['BEFORE', 'AFTER']), element(rng), element(rng)],
        lambda: ['LREM', k, rng.randint(-2, 2), element(rng)],
        lambda: ['LTRIM', k, *span(rng)],
        lambda: ['LMOVE', k, k2, *ends],
        lambda: ['LMPOP', 2, k, k2, ends[0], 'COUNT', rng.randint(1, 9)],
        lambda: ['BLPOP', k, k2, 0.01],
        lambda: ['SORT', k, 'ALPHA', 'STORE', k2],
    ])()


def sets(rng):
    k, k2 = typed_key(rng, 'set'), typed_key(rng, 'set')
    return rng.choice([
        lambda: ['SADD', k, *elements(rng)],
        lambda: ['SREM', k, *elements(rng)],
        lambda: ['SPOP', k, *rng.choice([[], [rng.randint(1, 30)]])],
        lambda: ['SMOVE', k, k2, element(rng)],
        lambda: [rng.choice(['SUNIONSTORE', 'SINTERSTORE', 'SDIFFSTORE']), typed_key(rng, 'set'), k, k2],
        lambda: ['SORT', k, 'ALPHA', 'STORE', typed_key(rng, 'list')],
    ])()


def hashes(rng):
    k, few = typed_key(rng, 'hash'), list(dict.fromkeys(elements(rng)))[:9]
    return rng.choice([
        lambda: ['HSET', k, *[word for f in elements(rng) for word in (f, element(rng))]],
        lambda: ['HSETNX', k, element(rng), element(rng)],
        lambda: ['HDEL', k, *elements(rng)],
        lambda: ['HINCRBY', k, 'number', rng.randint(-9, 9)],
        lambda: ['HINCRBYFLOAT', k, 'number', '0.5'],
    ])() if rng.random() < 0.6 else rng.choice([
        lambda: ['HPEXPIRE', k, rng.randint(10 ** 8, 10 ** 9), *rng.choice([[], ['NX'], ['GT']]), 'FIELDS', len(few), *few],
        lambda: ['HEXPIREAT', k, 1, 'FIELDS', len(few), *few],
        lambda: ['HPERSIST', k, 'FIELDS', len(few), *few],
        lambda: ['HGETDEL', k, 'FIELDS', len(few), *few],
        lambda: ['HGETEX', k, *rng.choice([['PERSIST'], ['PX', 10 ** 8]]), 'FIELDS', len(few), *few],
        lambda: ['HSETEX', k, *rng.choice([['KEEPTTL'], ['EX', 10 ** 5], []]), 'FIELDS', len(few),
                 *[word for f in few for word in (f, element(rng))]],
    ])()


def sorted_sets(rng):
    k, k2 = typed_key(rng, 'zset'), typed_key(rng, 'zset')
    return rng.choice([
        lambda: ['ZADD', k, *rng.choice([[], [], ['NX'], ['GT'], ['XX', 'CH']]),
                 *[word for m in elements(rng) for word in (score(rng), m)]],
        lambda: ['ZINCRBY', k, rng.randint(-3, 3), element(rng)],
        lambda: ['ZREM', k, *elements(rng)],
        lambda: [rng.choice(['ZPOPMIN', 'ZPOPMAX']), k, rng.randint(0, 20)],
        lambda: ['ZREMRANGEBYRANK', k, *span(rng)],
        lambda: ['ZREMRANGEBYSCORE', k, rng.choice(['-inf', '(1']), rng.randint(0, 5)],
        lambda: ['ZREMRANGEBYLEX', k, '-', '[m:20'],
        lambda: ['ZMPOP', 2, k, k2, 'MAX', 'COUNT', rng.randint(1, 9)],
        lambda: ['ZRANGESTORE', typed_key(rng, 'zset'), k, *span(rng)],
        lambda: [rng.choice(['ZUNIONSTORE', 'ZINTERSTORE', 'ZDIFFSTORE']), typed_key(rng, 'zset'), 2, k, k2],
        lambda: ['ZUNIONSTORE', k, 2, typed_key(rng, 'set'), k2, 'WEIGHTS', 2, 1, 'AGGREGATE', 'MAX'],
    ])()


def collections(rng):
    """Writes of all types, and what is done to their keys as wholes."""
    kind = rng.choice(TYPES)
    k, k2 = typed_key(rng, kind), typed_key(rng, kind)
    if rng.random() < 0.75:
        return rng.choice([lists, sets, hashes, sorted_sets])(rng)
    return rng.choice([
        lambda: [rng.choice(['DEL', 'UNLINK']), k],
        lambda: ['RENAME', k, k2],
        lambda: ['COPY', k, k2, 'REPLACE'],
        lambda: ['COPY', k, k2, 'DB', 1, 'REPLACE'],
        lambda: ['MOVE', k, rng.randint(1, 2)],
        lambda: ['SET', k, value(rng)],
        lambda: ['PEXPIRE', k, rng.choice([10 ** 8, 10 ** 9, -1])],
        lambda: ['PERSIST', k],
        lambda: rng.choice([['FLUSHDB'], ['SWAPDB', 0, 1], ['DEL', k]]),
    ])()


def stream_id(rng):
    return b'%d-%d' % (rng.randint(1, 40), rng.randint(0, 2))


def streams(rng):
    """Few ids, so that entries, groups and pending entries meet; large enough for more than one block."""
    k, group, reader = b'stream:%d' % rng.randint(0, 1), b'readers', rng.choice([b'alice', b'bob'])
    ids = [stream_id(rng) for _ in range(rng.randint(1, 5))]
    policy = rng.choice(['KEEPREF', 'DELREF', 'ACKED'])
    if rng.random() < 0.5:
        return ['XADD', k, *rng.choice([[], [], ['NOMKSTREAM'], ['MAXLEN', '=', 5], ['MINID', stream_id(rng)]]),
                rng.choice([b'*', b'*', stream_id(rng), b'%d-*' % rng.randint(1, 40)]),
                *[word for f in elements(rng) for word in (f, element(rng))]]
    return rng.choice([
        lambda: ['XGROUP', 'CREATE', k, group, rng.choice([b'0', b'$', stream_id(rng)]), 'MKSTREAM'],
        lambda: ['XGROUP', 'CREATE', k, group, b'0', 'MKSTREAM'],
        lambda: ['XREADGROUP', 'GROUP', group, reader, *rng.choice([[], ['COUNT', 3], ['NOACK']]), 'STREAMS', k, '>'],
        lambda: ['XREADGROUP', 'GROUP', group, reader, 'STREAMS', k, '>'],
        lambda: ['XACK', k, group, *ids],
        lambda: ['XCLAIM', k, group, reader, 0, *ids, *rng.choice([[], ['FORCE'], ['JUSTID'], ['RETRYCOUNT', 7]])],
        lambda: ['XAUTOCLAIM', k, group, reader, 0, '-', *rng.choice([[], ['COUNT', 2]])],
        lambda: ['XDEL', k, *ids],
        lambda: ['XDELEX', k, policy, 'IDS', len(ids), *ids],
        lambda: ['XACKDEL', k, group, policy, 'IDS', len(ids), *ids],
        lambda: ['XTRIM', k, rng.choice(['MAXLEN', 'MINID']), rng.randint(0, 20)],
        lambda: ['XSETID', k, b'99-%d' % rng.randint(0, 9), 'ENTRIESADDED', 500, 'MAXDELETEDID', '3-1'],
        lambda: ['XGROUP', 'SETID', k, group, stream_id(rng)],
        lambda: ['XGROUP', 'CREATECONSUMER', k, group, reader],
        lambda: ['XGROUP', 'DELCONSUMER', k, group, reader],
        lambda: ['XGROUP', 'DESTROY', k, group],
    ])()


def bits(rng):
    k, k2, k3 = (typed_key(rng, 'bits') for _ in range(3))
    return rng.choice([
        lambda: ['SETBIT', k, rng.choice([rng.randint(0, 80), rng.randint(0, 9000)]), rng.randint(0, 1)],
        lambda: ['BITFIELD', k, 'OVERFLOW', rng.choice(['WRAP', 'SAT', 'FAIL']), 'INCRBY', 'i8', '#%d' % rng.randint(0, 99), 100,
                 'SET', 'u16', rng.randint(0, 400), rng.randint(0, 65535)],
        lambda: ['BITOP', rng.choice(['AND', 'OR', 'XOR']), k, k2, k3],
        lambda: ['BITOP', 'NOT', k, k2],
        lambda: ['SETRANGE', k, rng.randint(0, 2000), value(rng)],
    ])()


def sketches(rng):
    """HyperLogLogs and places."""
    k, k2, place = typed_key(rng, 'hll'), typed_key(rng, 'hll'), typed_key(rng, 'zset')
    return rng.choice([
        lambda: ['PFADD', k, *elements(rng)],
        lambda: ['PFADD', k, *[b'%d' % rng.randrange(10 ** 6) for _ in range(rng.choice([3, 3, 3000]))]],
        lambda: ['PFMERGE', k, k2],
        lambda: ['PFCOUNT', k],
        lambda: ['GEOADD', place, rng.choice(['1.5', '13.36']), '38.1', element(rng)],
        lambda: ['GEOSEARCHSTORE', typed_key(rng, 'zset'), place, 'FROMLONLAT', 13, 38, 'BYRADIUS', 2000, 'km'],
    ])()


def noisy(rng, words):
    """Now and then, an argument too many, too few or a wrong one.

    Not where it could close the port or halt the server, nor where arguments are ours: EXEC, UNWATCH.
    """
    if words[0] in ('CONFIG', 'EXEC', 'UNWATCH') or b'PAUSE' in words:
        return words
    dice = rng.random()
    if dice < 0.03 and len(words) > 1:
        return words[:-1]
    if dice < 0.06:
        return [*words, rng.choice(NOISE)]
    if dice < 0.09 and len(words) > 1:
        at = rng.randrange(1, len(words))
        return [*words[:at], rng.choice(NOISE), *words[at + 1:]]
    return words


FAMILIES = {'strings': strings, 'counters': counters, 'expiry': expiry, 'keyspace': keyspace, 'errors': errors}
