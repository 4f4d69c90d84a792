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
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tests'))
import servers  # noqa: E402

CONNECTIONS = 50


class Workload:
    """requests: of the load in one round. pipeline: requests in one write. aim: the ratio we set out for."""

    def __init__(self, name, command, requests, pipeline=1, aim=None, per=1, setup=None):
        self.name, self.command, self.requests = name, command, requests
        self.pipeline, self.aim, self.per, self.setup = pipeline, aim, per, setup

    def arguments(self, port, keys, requests):
        return ['redis-benchmark', '-h', '127.0.0.1', '-p', str(port), '-c', str(CONNECTIONS),
                '-n', str(requests), '-P', str(self.pipeline), '-r', str(keys), '-q',
                *self.command]


KEY = 'key:__rand_int__'
SPEED = [
    Workload('PING, no pipeline', ['PING'], 300_000, 1, 0.95),
    Workload('GET, no pipeline', ['GET', KEY], 300_000, 1, 0.95),
    Workload('SET, no pipeline', ['SET', KEY, 'xxx'], 300_000, 1, 0.95),
    Workload('GET, pipeline 16', ['GET', KEY], 3_000_000, 16, 0.40),
    Workload('SET, pipeline 16', ['SET', KEY, 'xxx'], 3_000_000, 16, 0.40),
    Workload('INCR, pipeline 16', ['INCR', 'counter:__rand_int__'], 2_000_000, 16),
    Workload('MSET of 10, pipeline 16', ['MSET'] + [KEY, 'xxx'] * 10, 300_000, 16),
    Workload('GET of 64 bytes, pipeline 16', ['GET', 'wide:__rand_int__'], 2_000_000, 16),
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


def measure(server, workload, keys, requests):
    before = server.cpu_seconds()
    pin(1, workload.arguments(server.port, keys, requests))
    return (server.cpu_seconds() - before) / requests / workload.per * 1e9


def transaction_load(server, rounds):
    """MULTI / DECRBY / INCRBY / EXEC between random accounts, 25 transactions in one write, 8 connections."""
    script = os.path.join(ROOT, 'bench/transactions.py')
    before = server.cpu_seconds()
    pin(1, [sys.executable, script, str(server.port), str(rounds)])
    return (server.cpu_seconds() - before) / rounds * 1e9


def resident(server):
    with open(f'/proc/{server.process.pid}/status') as f:
        for line in f:
            if line.startswith('VmRSS:'):
                return int(line.split()[1]) * 1024
    return 0


def memory_per_key(binary, keys, value, expire):
    """Resident bytes that a million 16-byte keys with this value add."""
    with start(binary) as server:
        before = resident(server)
        client = server.client()
        extra = ['EX', '100000'] if expire else []
        for first in range(0, keys, 10000):
            pipe = client.pipeline(transaction=False)
            for i in range(first, first + 10000):
                pipe.execute_command('SET', f'key:{i:012d}', value, *extra)
            pipe.execute()
        time.sleep(1.5)
        return (resident(server) - before) / keys


MEMORY = [
    ('16-byte key, 3-byte value', 'xxx', False, 48),
    ('the same with an expiry', 'xxx', True, 56),
    ('16-byte key, 64-byte value', 'x' * 64, False, None),
    ('the same with an expiry', 'x' * 64, True, None),
]


def speed_rows(args):
    names = {'redis': servers.REDIS, 'redoubt': servers.REDOUBT}
    running = {name: start(binary) for name, binary in names.items()}
    rows = []
    try:
        for server in running.values():
            fill(server, args.keys)
            server.client().execute_command('DEBUG', 'POPULATE', '10', 'warm')
            pin(1, Workload('', ['SET', 'wide:__rand_int__', 'x' * 64], 0, 16).arguments(
                server.port, args.keys // 10, args.keys // 5))
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
    finally:
        for server in running.values():
            server.stop()
            shutil.rmtree(server.dir, ignore_errors=True)
    return rows


def row(name, figures, aim, unit):
    redis, ours = (statistics.median(figures[n]) for n in ('redis', 'redoubt'))
    result = {'name': name, 'redis': redis, 'redoubt': ours, 'ratio': ours / redis, 'aim': aim, 'unit': unit}
    print(f"{name:40} {redis:9.0f} {ours:9.0f} {unit:3} {ours / redis:6.2f} x"
          + (f'   (aim {aim})' if aim else ''), flush=True)
    return result


def memory_rows(args):
    rows = []
    for name, value, expire, limit in MEMORY:
        figures = {n: [memory_per_key(b, args.keys, value, expire)]
                   for n, b in (('redis', servers.REDIS), ('redoubt', servers.REDOUBT))}
        result = row(name, figures, None, 'B')
        result['limit'] = limit
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


def write_markdown(path, speed, memory, args):
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
                    f"{r.get('limit') or ''} |\n")


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
    if not args.quick and not args.workloads and not args.no_memory:
        write_markdown(os.path.join(ROOT, 'bench/results.md'), speed, memory, args)
        named = [dict(r, name='memory: ' + r['name']) for r in memory]
        write_chart(os.path.join(ROOT, 'bench/results.svg'), speed + named)


if __name__ == '__main__':
    main()
