#!/usr/bin/python3
"""Load for bench/run.py: messages of 64 bytes to many subscribers of one channel.

    bench/subscribers.py PORT SUBSCRIBERS MESSAGES PIPELINE

Subscribes, says "ready" and waits for a line; then a process of its own publishes, PIPELINE messages in one write,
and goes on when it has the replies. Ends when every subscriber has every message.
"""
import os
import resource
import select
import socket
import sys


def encode(*words):
    return b'*%d\r\n' % len(words) + b''.join(b'$%d\r\n%s\r\n' % (len(w), w) for w in words)


TEXT = b'x' * 64
MESSAGE, REQUEST = encode(b'message', b'news', TEXT), encode(b'PUBLISH', b'news', TEXT)


def connect(port):
    s = socket.create_connection(('127.0.0.1', port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read(s, length):
    while length > 0:
        length -= len(s.recv(length))


def subscribe(port, count):
    request, confirmation = encode(b'SUBSCRIBE', b'news'), encode(b'subscribe', b'news')
    sockets = {}
    for _ in range(count):
        s = connect(port)
        s.sendall(request)
        read(s, len(confirmation) + len(':1\r\n'))
        sockets[s.fileno()] = s
    return sockets


def publish(port, subscribers, messages, pipeline):
    s = connect(port)
    for _ in range(messages // pipeline):
        s.sendall(REQUEST * pipeline)
        read(s, len(b':%d\r\n' % subscribers) * pipeline)


def main():
    port, subscribers, messages, pipeline = (int(word) for word in sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_NOFILE, (subscribers + 100,) * 2)
    sockets = subscribe(port, subscribers)
    poll = select.epoll()
    for fd in sockets:
        poll.register(fd, select.EPOLLIN)
    print('ready', flush=True)
    sys.stdin.readline()
    child = os.fork()
    if child == 0:
        publish(port, subscribers, messages, pipeline)
        os._exit(0)
    left = messages // pipeline * pipeline * len(MESSAGE) * subscribers
    while left > 0:
        for fd, _ in poll.poll():
            left -= len(sockets[fd].recv(1 << 16))
    os.waitpid(child, 0)


if __name__ == '__main__':
    main()
