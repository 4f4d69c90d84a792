#!/usr/bin/python3
"""Side by side with Debian's redis-server: server CPU per request and resident bytes per key.

    bench/run.py [--quick] [--keys N] [--rounds N] [WORKLOAD ...]     or: make bench

Both servers run on one core each in turn, pinned to the same core; the load (redis-benchmark, 50 connections)
runs on the other. A figure is the server's own CPU time (user and system, from the kernel's accounting) over
the requests it served, which is steadier than requests per second, since the load generator is often the slower
side. The servers take turns, round after round; the median counts, the ratio is ours over Redis's.

Prints a table, writes bench/results.md and bench/results.svg.
"""
import argparse
import hashlib
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tests'))
import rollback  # noqa: E402
import servers  # noqa: E402

CONNECTIONS, SUBSCRIBERS = 50, 1000


class Workload:
    """requests: of the load in one round. pipeline: requests in one write. aim: the ratio we set out for."""

    def __init__(self, name, command, requests, pipeline=1, aim=None):
        self.name, self.command, self.requests = name, command, requests
        self.pipeline, self.aim = pipeline, aim

    def arguments(self, port, keys, requests):
        return ['redis-benchmark', '-h', '127.0.0.1', '-p', str(port), '-c', str(CONNECTIONS),
                '-n', str(requests), '-P', str(self.pipeline), '-r', str(keys), '-q',
                *self.command]


KEY = 'key:__rand_int__'
INCREMENT = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
INCREMENT_SHA = hashlib.sha1(INCREMENT.encode()).hexdigest()
TRANSFER = """#!lua name=bench
redis.register_function('transfer', function(keys, args)
  local from, to = redis.call('GET', keys[1]), redis.call('GET', keys[2])
  if tonumber(from or 0) + 1e9 < tonumber(args[1]) then return redis.error_reply('ERR not enough') end
  redis.call('INCRBY', keys[1], -args[1])
  redis.call('INCRBY', keys[2], args[1])
  redis.call('LPUSH', keys[3], args[1])
  return to
end)"""
DOCUMENT = json.dumps({
    'id': 12345, 'name': 'Alice Example', 'active': True, 'balance': 1042.75, 'tags': ['one', 'two', 'three', 'four'],
    'address': {'street': 'Long Road 17', 'city': 'Springfield', 'zip': '01234', 'lat': 52.51, 'lon': 13.4},
    'orders': [{'id': 1000 + i, 'sku': f'item-{i:04d}', 'count': i % 7, 'price': 9.99 * i, 'note': None} for i in range(10)],
    'history': list(range(40))})
CODEC = 'return #cjson.encode(cjson.decode(ARGV[1]))'
CODEC_SHA = hashlib.sha1(CODEC.encode()).hexdigest()
SPEED = [
    Workload('PING, no pipeline', ['PING'], 300_000, 1, 0.95),
    Workload('GET, no pipeline', ['GET', KEY], 300_000, 1, 0.95),
    Workload('SET, no pipeline', ['SET', KEY, 'xxx'], 300_000, 1, 0.95),
    Workload('GET, pipeline 16', ['GET', KEY], 3_000_000, 16, 0.40),
    Workload('SET, pipeline 16', ['SET', KEY, 'xxx'], 3_000_000, 16, 0.40),
    Workload('INCR, pipeline 16', ['INCR', 'counter:__rand_int__'], 2_000_000, 16),
    Workload('MSET of 10, pipeline 16', ['MSET'] + [KEY, 'xxx'] * 10, 300_000, 16),
    Workload('GET of 64 bytes, pipeline 16', ['GET', 'wide:__rand_int__'], 2_000_000, 16),
    Workload('HSET into one key of 1M, pipeline 16', ['HSET', 'bench:hash', KEY, 'xxx'], 2_000_000, 16, 0.45),
    Workload('SADD into one key of 1M, pipeline 16', ['SADD', 'bench:set', KEY], 2_000_000, 16, 0.45),
    Workload('ZADD into one key of 1M, pipeline 16', ['ZADD', 'bench:zset', '__rand_int__', KEY], 2_000_000, 16, 0.50),
    Workload('LPUSH, pipeline 16', ['LPUSH', 'bench:pushed', 'xxx'], 2_000_000, 16, 0.60),
    Workload('RPOP, pipeline 16', ['RPOP', 'bench:pushed'], 2_000_000, 16, 0.60),
    Workload('LRANGE 0 99, no pipeline', ['LRANGE', 'bench:list', '0', '99'], 200_000, 1, 0.50),
    Workload('ZRANGEBYSCORE of 100, no pipeline',
             ['ZRANGEBYSCORE', 'bench:ranked', '__rand_int__', '+inf', 'LIMIT', '0', '100'], 100_000, 1, 0.70),
    Workload('ZREVRANGE 0 99, no pipeline', ['ZREVRANGE', 'bench:ranked', '0', '99'], 100_000, 1, 0.70),
    Workload('SINTER of two 10k sets', ['SINTER', 'bench:a', 'bench:b'], 1_000, 1, 0.70),
    Workload('EVALSHA of one INCRBY, pipeline 16',
             ['EVALSHA', INCREMENT_SHA, '1', 'counter:__rand_int__', '1'], 1_000_000, 16, 0.50),
    Workload('EVAL of one INCRBY, pipeline 16', ['EVAL', INCREMENT, '1', 'counter:__rand_int__', '1'], 1_000_000, 16,
             0.50),
    Workload('FCALL of a transfer, pipeline 16',
             ['FCALL', 'transfer', '3', 'counter:__rand_int__', 'counter2:__rand_int__', 'bench:transfers', '1'], 500_000, 16,
             0.50),
    Workload('cjson of 1 KB, there and back, pipeline 16', ['EVALSHA', CODEC_SHA, '0', DOCUMENT], 200_000, 16, 1.00),
    Workload('HGETALL of 100 fields, no pipeline', ['HGETALL', 'bench:fields'], 100_000, 1, 0.70),
    Workload('XADD of 3 fields, pipeline 16',
             ['XADD', 'bench:added-stream', '*', 'sensor', '__rand_int__', 'unit', 'celsius', 'value', '21.5'], 1_000_000, 16, 0.60),
    Workload('XADD with MAXLEN ~ 1000, pipeline 16',
             ['XADD', 'bench:capped', 'MAXLEN', '~', '1000', '*', 'sensor', '__rand_int__'], 1_000_000, 16, 0.60),
    Workload('XRANGE of 100 entries, no pipeline',
             ['XRANGE', 'bench:stream', '1__rand_int__', '+', 'COUNT', '100'], 100_000, 1, 0.60),
    Workload('BITCOUNT of 10 MB', ['BITCOUNT', 'bench:bits'], 1_000, 1, 0.50),
    Workload('PFADD, pipeline 16', ['PFADD', 'bench:hll', KEY], 2_000_000, 16, 0.60),
    Workload('PFCOUNT of two', ['PFCOUNT', 'bench:hll', 'bench:hll2'], 10_000, 1),
    Workload('GEOADD, pipeline 16', ['GEOADD', 'bench:added', '13.__rand_int__', '52.__rand_int__', KEY], 1_000_000, 16),
    Workload('GEOSEARCH 50 km around, of 100k places',
             ['GEOSEARCH', 'bench:places', 'FROMLONLAT', '10.__rand_int__', '47', 'BYRADIUS', '50', 'km', 'WITHDIST', 'ASC'],
             10_000, 1, 0.70),
    Workload('GEOSEARCH box, of 100k places',
             ['GEOSEARCH', 'bench:places', 'FROMLONLAT', '10.__rand_int__', '47', 'BYBOX', '200', '100', 'km'], 10_000, 1, 0.70),
    Workload('GEOSEARCH nearest 10, of 100k places',
             ['GEOSEARCH', 'bench:places', 'FROMLONLAT', '10.__rand_int__', '47', 'BYRADIUS', '200', 'km', 'COUNT', '10'],
             5_000, 1, 0.70),
]


def pin(core, command, **kwargs):
    return subprocess.run(['taskset', '-c', str(core), *command], check=True, cwd='/tmp',
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kwargs)


def start(binary):
    server = servers.Server(binary, appendonly='no', **{'enable-debug-command': 'yes'})
    server.arguments_plain = server.arguments
    server.arguments = lambda: ['taskset', '-c', '0', *server.arguments_plain()]
    return server.start()


def fill(server, keys):
    """Every key once, with a 3-byte value, through the front door."""
    client = server.client()
    for first in range(0, keys, 10000):
        pipe = client.pipeline(transaction=False)
        for i in range(first, min(first + 10000, keys)):
            pipe.execute_command('SET', f'key:{i:012d}', 'xxx')
        pipe.execute()


def fill_collections(server):
    """What the workloads on collections read."""
    client = server.client()
    pipe = client.pipeline(transaction=False)
    pipe.script_load(INCREMENT)
    pipe.script_load(CODEC)
    pipe.execute_command('FUNCTION', 'LOAD', TRANSFER)
    pipe.rpush('bench:list', *[f'element:{i}' for i in range(1000)])
    pipe.hset('bench:fields', mapping={f'field:{i}': f'value:{i}' for i in range(100)})
    for first in range(0, 10000, 1000):
        pipe.sadd('bench:a', *[f'member:{i}' for i in range(first, first + 1000)])
        pipe.sadd('bench:b', *[f'member:{i}' for i in range(first + 5000, first + 6000)])
    for first in range(0, 1_000_000, 5000):
        pipe.zadd('bench:ranked', {f'member:{i}': i for i in range(first, first + 5000)})
    for i in range(1_000_000):
        pipe.execute_command('XADD', 'bench:stream', f'{10 ** 12 + i}-0', 'sensor', i % 100, 'unit', 'celsius', 'value', '21.5')
        if i % 10000 == 9999:
            pipe.execute()
    rng = random.Random(1)
    pipe.set('bench:bits', rng.randbytes(10 << 20))
    pipe.pfadd('bench:hll2', *range(50000))
    for first in range(0, 100_000, 1000):
        pipe.execute_command('GEOADD', 'bench:places', *[
            word for i in range(first, first + 1000)
            for word in (rng.uniform(0, 20), rng.uniform(40, 55), f'place:{i}')])
    pipe.execute()


def measure(server, workload, keys, requests):
    before = server.cpu_seconds()
    pin(1, workload.arguments(server.port, keys, requests))
    return (server.cpu_seconds() - before) / requests * 1e9


def transaction_load(server, rounds):
    """MULTI / DECRBY / INCRBY / EXEC between random accounts, 25 transactions in one write, 8 connections."""
    script = os.path.join(ROOT, 'bench/transactions.py')
    before = server.cpu_seconds()
    pin(1, [sys.executable, script, str(server.port), str(rounds)])
    return (server.cpu_seconds() - before) / rounds * 1e9


def subscriber_load(server, messages, pipeline):
    """Nanoseconds for one message to one of SUBSCRIBERS."""
    script = os.path.join(ROOT, 'bench/subscribers.py')
    command = ['taskset', '-c', '1', sys.executable, script,
               *[str(n) for n in (server.port, SUBSCRIBERS, messages, pipeline)]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
        load.stdout.readline()
        before = server.cpu_seconds()
        load.communicate('go\n')
        if load.returncode != 0:
            raise RuntimeError('the load on subscribers failed')
        return (server.cpu_seconds() - before) / (messages // pipeline * pipeline) / SUBSCRIBERS * 1e9


def resident(server):
    with open(f'/proc/{server.process.pid}/status') as f:
        for line in f:
            if line.startswith('VmRSS:'):
                return int(line.split()[1]) * 1024
    return 0


def memory_each(binary, count, command):
    """Resident bytes that each of count commands adds."""
    server = start(binary)
    try:
        client = server.client()
        client.ping()
        before = resident(server)
        for first in range(0, count, 10000):
            pipe = client.pipeline(transaction=False)
            for i in range(first, min(first + 10000, count)):
                pipe.execute_command(*command(i))
            pipe.execute()
        time.sleep(1.5)
        return (resident(server) - before) / count
    finally:
        server.stop()
        shutil.rmtree(server.dir, ignore_errors=True)


def small_hash(i):
    return ['HSET', f'hash:{i:011d}', *[w for f in range(10) for w in (f'field-{f:04d}', f'v{i:09d}')]]


class Memory:
    """limit: bytes we set out for; aim: the ratio."""

    def __init__(self, name, command, limit=None, aim=None, divide=1):
        self.name, self.command, self.limit, self.aim, self.divide = name, command, limit, aim, divide


MEMORY = [
    Memory('16-byte key, 3-byte value', lambda i: ['SET', f'key:{i:012d}', 'xxx'], limit=48),
    Memory('the same with an expiry', lambda i: ['SET', f'key:{i:012d}', 'xxx', 'EX', '100000'], limit=56),
    Memory('16-byte key, 64-byte value', lambda i: ['SET', f'key:{i:012d}', 'x' * 64]),
    Memory('the same with an expiry', lambda i: ['SET', f'key:{i:012d}', 'x' * 64, 'EX', '100000']),
    Memory('a field of a hash of 1M', lambda i: ['HSET', 'h', f'field:{i:08d}', 'xxx'], aim=0.5),
    Memory('a member of a set of 1M', lambda i: ['SADD', 's', f'member:{i:08d}'], aim=0.5),
    Memory('a member of a sorted set of 1M', lambda i: ['ZADD', 'z', str(i), f'member:{i:08d}'], aim=0.5),
    Memory('an entry of a stream, 3 small fields',
           lambda i: ['XADD', 'x', f'{10 ** 12 + i}-0', 'sensor', i % 100, 'unit', 'celsius', 'value', '21.5'], aim=1.0),
    Memory('a hash of 10 fields of 10 bytes', small_hash, aim=0.85, divide=10),
]


def speed_rows(args):
    names = {'redis': servers.REDIS, 'redoubt': servers.REDOUBT}
    running = {name: start(binary) for name, binary in names.items()}
    rows = []
    try:
        for server in running.values():
            fill(server, args.keys)
            fill_collections(server)
            pin(1, Workload('', ['SET', 'wide:__rand_int__', 'x' * 64], 0, 16).arguments(
                server.port, args.keys, args.keys))
        for workload in SPEED:
            if args.workloads and not any(w in workload.name for w in args.workloads):
                continue
            requests = workload.requests // (10 if args.quick else 1)
            figures = {name: [] for name in names}
            for _ in range(args.rounds):
                for name, server in running.items():
                    figures[name].append(measure(server, workload, args.keys, requests))
            rows.append(row(workload.name, figures, workload.aim, 'ns'))
        if not args.workloads or 'MULTI' in ' '.join(args.workloads):
            figures = {name: [] for name in names}
            for _ in range(args.rounds):
                for name, server in running.items():
                    figures[name].append(transaction_load(server, 40_000 if args.quick else 400_000))
            rows.append(row('MULTI DECRBY INCRBY EXEC, pipelined', figures, 0.5, 'ns'))
        for pipeline, messages in ((1, 400), (16, 1600)):
            name = f'message to one of {SUBSCRIBERS}, ' + (f'pipeline {pipeline}' if pipeline > 1 else 'no pipeline')
            if args.workloads and not any(w in name for w in args.workloads):
                continue
            figures = {n: [] for n in names}
            for _ in range(args.rounds):
                for n, server in running.items():
                    figures[n].append(subscriber_load(server, messages // (10 if args.quick else 1), pipeline))
            rows.append(row(name, figures, 0.6, 'ns'))
    finally:
        for server in running.values():
            server.stop()
            shutil.rmtree(server.dir, ignore_errors=True)
    return rows


def rollback_rows(args):
    server = start(servers.REDOUBT)
    try:
        return rollback.measure(server, args.rounds, 10_000 if args.quick else 100_000)
    finally:
        server.stop()
        shutil.rmtree(server.dir, ignore_errors=True)


def row(name, figures, aim, unit):
    redis, ours = (statistics.median(figures[n]) for n in ('redis', 'redoubt'))
    result = {'name': name, 'redis': redis, 'redoubt': ours, 'ratio': ours / redis, 'aim': aim, 'unit': unit}
    print(f"{name:40} {redis:9.0f} {ours:9.0f} {unit:3} {ours / redis:6.2f} x"
          + (f'   (aim {aim})' if aim else ''), flush=True)
    return result


def memory_rows(args):
    rows = []
    for m in MEMORY:
        figures = {n: [memory_each(b, args.keys // m.divide, m.command)]
                   for n, b in (('redis', servers.REDIS), ('redoubt', servers.REDOUBT))}
        result = row(m.name, figures, m.aim, 'B')
        result['limit'] = m.limit
        rows.append(result)
    return rows


def machine():
    model = ''
    with open('/proc/cpuinfo') as f:
        for line in f:
            if line.startswith('model name'):
                model = line.split(':', 1)[1].strip()
                break
    return f'{os.cpu_count()} cores of {model}, Linux {platform.release()}'


def version(binary):
    return subprocess.run([binary, '--version'], stdout=subprocess.PIPE, text=True).stdout.split(' sha')[0]


def write_markdown(path, speed, memory, undo, args):
    with open(path, 'w') as f:
        f.write('# Figures\n\n')
        f.write(f'`make bench`, {time.strftime("%Y-%m-%d")}, {machine()}; server on one core, load on the other, '
                f'{CONNECTIONS} connections, {args.keys:,} keys, median of {args.rounds} rounds.\n'
                f'Compared: {version(servers.REDIS)} (Debian) and {version(servers.REDOUBT)}.\n\n')
        f.write('Server CPU time per request, in nanoseconds:\n\n')
        f.write('| work | Redis | Redoubt | ratio | aim |\n| --- | ---: | ---: | ---: | ---: |\n')
        for r in speed:
            f.write(f"| {r['name']} | {r['redis']:,.0f} | {r['redoubt']:,.0f} | {r['ratio']:.2f} | "
                    f"{r['aim'] or ''} |\n")
        f.write('\nResident memory per key, in bytes:\n\n')
        f.write('| data | Redis | Redoubt | ratio | aim |\n| --- | ---: | ---: | ---: | ---: |\n')
        for r in memory:
            f.write(f"| {r['name']} | {r['redis']:.1f} | {r['redoubt']:.1f} | {r['ratio']:.2f} | "
                    f"{str(r['limit']) + ' B' if r['limit'] else r['aim'] or ''} |\n")


        f.write('\nWhat it costs that a transaction can be taken back, in nanoseconds of server CPU a transaction:\n\n')
        f.write('| transaction | MULTI | MULTI ROLLBACK | ratio | aim |\n| --- | ---: | ---: | ---: | ---: |\n')
        for r in undo:
            f.write(f"| {r['name']} | {r['plain']:,.0f} | {r['rollback']:,.0f} | {r['ratio']:.2f} | {r['aim']} |\n")


def write_chart(path, rows):
    """Ratios as bars: shorter is better, the line is Redis."""
    width, left, bar, gap, scale = 860, 300, 22, 12, 420
    height = 70 + len(rows) * (bar + gap)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
           'font-family="sans-serif" font-size="14">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="{left}" y="24" fill="#333">Redoubt against Redis 7.0.15 = 1.0 '
           '(server CPU per request, bytes per key): shorter is better</text>']
    y = 44
    for r in rows:
        length = min(r['ratio'], 1.25) * scale
        out.append(f'<text x="{left - 10}" y="{y + 16}" text-anchor="end" fill="#333">{r["name"]}</text>')
        out.append(f'<rect x="{left}" y="{y}" width="{scale}" height="{bar}" fill="#e8e8e8"/>')
        out.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar}" fill="#b5432a"/>')
        out.append(f'<text x="{left + length + 6:.1f}" y="{y + 16}" fill="#333">{r["ratio"]:.2f}</text>')
        y += bar + gap
    out.append(f'<line x1="{left + scale}" y1="36" x2="{left + scale}" y2="{y}" stroke="#333" '
               'stroke-dasharray="4 3"/>')
    out.append('</svg>')
    with open(path, 'w') as f:
        f.write('\n'.join(out) + '\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--quick', action='store_true', help='a tenth of the requests')
    parser.add_argument('--keys', type=int, default=1_000_000)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--no-memory', action='store_true')
    parser.add_argument('workloads', nargs='*', help='only workloads whose name contains one of these')
    args = parser.parse_args()
    print(f'{"":40} {"Redis":>9} {"Redoubt":>9}')
    speed = speed_rows(args)
    memory = [] if args.no_memory or args.workloads else memory_rows(args)
    undo = rollback_rows(args) if not args.workloads or 'ROLLBACK' in args.workloads else []
    if not args.quick and not args.workloads and not args.no_memory:
        write_markdown(os.path.join(ROOT, 'bench/results.md'), speed, memory, undo, args)
        named = [dict(r, name='memory: ' + r['name']) for r in memory]
        write_chart(os.path.join(ROOT, 'bench/results.svg'), speed + named)


if __name__ == '__main__':
    main()
