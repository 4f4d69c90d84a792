#!/usr/bin/python3
"""What it costs that a transaction can be taken back: MULTI ROLLBACK against MULTI, on large values.

    bench/rollback.py [--quick] [--rounds N]     or as part of: make bench

The same transactions run on one Redoubt server with and without ROLLBACK, in turns; both succeed, so the difference is
what the undo log costs. Values have a million elements or 100 MB: a cost in proportion to the value would show as a
ratio of thousands. CPU per transaction is the server's own, from the kernel's accounting.
"""
import argparse
import random
import socket
import statistics

PER_WRITE = 25
ELEMENTS = 1_000_000


def bulk(*words):
    words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b'*%d\r\n' % len(words) + b''.join(b'$%d\r\n%s\r\n' % (len(w), w) for w in words)


def transfer(rng):
    return [('DECRBY', f'account:{rng.randrange(10_000)}', 5), ('INCRBY', f'account:{rng.randrange(10_000)}', 5)]


# name, aim for the ratio, the commands of one transaction
WORK = [
    ('MULTI DECRBY INCRBY EXEC', 1.15, transfer),
    ('HINCRBY, a hash of 1M', 1.3, lambda rng: [('HINCRBY', 'h', f'field:{rng.randrange(ELEMENTS)}', 1)]),
    ('ZADD, a sorted set of 1M', 1.3,
     lambda rng: [('ZADD', 'z', rng.randrange(ELEMENTS), f'member:{rng.randrange(ELEMENTS)}')]),
    ('LPUSH, a list of 1M', 1.3, lambda rng: [('LPUSH', 'l', 'element')]),
    ('XADD, a stream of 1M', 1.3, lambda rng: [('XADD', 'x', '*', 'field', 'value')]),
    ('SETRANGE, 100 MB', 1.3, lambda rng: [('SETRANGE', 's', rng.randrange(100_000_000), 'range')]),
]


def fill(client):
    pipe = client.pipeline(transaction=False)
    pipe.setrange('s', 100_000_000, 'end')
    for first in range(0, ELEMENTS, 1000):
        some = range(first, first + 1000)
        pipe.hset('h', mapping={f'field:{i}': i for i in some})
        pipe.zadd('z', {f'member:{i}': i for i in some})
        pipe.rpush('l', *[f'element:{i}' for i in some])
        for _ in some:
            pipe.execute_command('XADD', 'x', '*', 'field', 'value')
        pipe.execute()


def batch(opening, transaction, rng):
    out = []
    for _ in range(PER_WRITE):
        out.append(bulk(*opening))
        out += [bulk(*command) for command in transaction(rng)]
        out.append(bulk('EXEC'))
    return b''.join(out)


def run(server, opening, transaction, count):
    """Server CPU seconds for so many transactions."""
    rng = random.Random(1)
    prepared = [batch(opening, transaction, rng) for _ in range(100)]
    executed = b'*%d\r\n' % len(transaction(rng))
    before = server.cpu_seconds()
    with socket.create_connection(('127.0.0.1', server.port)) as s:
        for i in range(count // PER_WRITE):
            s.sendall(prepared[i % len(prepared)])
            seen = 0
            while seen < PER_WRITE:
                data = s.recv(1 << 16)
                if not data:
                    raise EOFError('the server closed the connection')
                seen += data.count(executed)
    return server.cpu_seconds() - before


def measure(server, rounds, count):
    """A dict for each work: plain and rollback in ns a transaction, their ratio, the aim."""
    fill(server.client())
    rows = []
    for name, aim, transaction in WORK:
        figures = {'plain': [], 'rollback': []}
        for _ in range(rounds):
            figures['plain'].append(run(server, ['MULTI'], transaction, count) / count * 1e9)
            figures['rollback'].append(run(server, ['MULTI', 'ROLLBACK'], transaction, count) / count * 1e9)
        plain, rollback = (statistics.median(figures[k]) for k in ('plain', 'rollback'))
        rows.append({'name': name, 'plain': plain, 'rollback': rollback, 'ratio': rollback / plain, 'aim': aim})
        print(f'{name:40} {plain:9.0f} {rollback:9.0f} ns  {rollback / plain:6.2f} x   (aim {aim})', flush=True)
    return rows


def main():
    import run as bench  # what starts and pins servers
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--quick', action='store_true', help='a tenth of the requests')
    parser.add_argument('--rounds', type=int, default=5)
    args = parser.parse_args()
    print(f'{"":40} {"MULTI":>9} {"ROLLBACK":>9}')
    bench.rollback_rows(args)


if __name__ == '__main__':
    main()
