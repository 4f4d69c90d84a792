#!/usr/bin/python3
"""Load for bench/run.py: transfers between random accounts as MULTI DECRBY INCRBY EXEC.

    bench/transactions.py PORT COUNT

8 connections take turns, each with 25 transactions in one write, prepared beforehand: the load costs the client
little, and the server sees what pipelining clients send.
"""
import random
import selectors
import socket
import sys

CONNECTIONS, PER_WRITE, ACCOUNTS = 8, 25, 10_000


def bulk(*words):
    return b'*%d\r\n' % len(words) + b''.join(b'$%d\r\n%s\r\n' % (len(w), w) for w in words)


def batch(rng):
    out = []
    for _ in range(PER_WRITE):
        a, b = (b'account:%d' % rng.randrange(ACCOUNTS) for _ in range(2))
        out += [bulk(b'MULTI'), bulk(b'DECRBY', a, b'5'), bulk(b'INCRBY', b, b'5'), bulk(b'EXEC')]
    return b''.join(out)


def main():
    port, count = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(1)
    prepared = [batch(rng) for _ in range(200)]
    chooser = selectors.DefaultSelector()
    waiting = {}
    for _ in range(CONNECTIONS):
        s = socket.create_connection(('127.0.0.1', port))
        chooser.register(s, selectors.EVENT_READ)
        waiting[s] = 0
    left = count // PER_WRITE
    replies = 0
    for s in waiting:
        s.sendall(rng.choice(prepared))
        left -= 1
    open_batches = CONNECTIONS
    while open_batches:
        for key, _ in chooser.select():
            s = key.fileobj
            data = s.recv(1 << 16)
            replies += data.count(b'*2\r\n')
            waiting[s] += data.count(b'*2\r\n')
            while waiting[s] >= PER_WRITE:
                waiting[s] -= PER_WRITE
                open_batches -= 1
                if left > 0:
                    s.sendall(rng.choice(prepared))
                    left -= 1
                    open_batches += 1


if __name__ == '__main__':
    main()
