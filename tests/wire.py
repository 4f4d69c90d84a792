"""A connection that sends bytes and hands back replies as bytes, so that two servers' answers can be laid side by side."""
import socket


def encode(*args):
    """A request as an array of bulk strings."""
    words = [word(a) for a in args]
    return b'*%d\r\n' % len(words) + b''.join(b'$%d\r\n%s\r\n' % (len(w), w) for w in words)


def word(arg):
    return arg if isinstance(arg, bytes) else str(arg).encode()


class Error(Exception):
    """An error reply, where value() meets one."""

    def __eq__(self, other):
        return isinstance(other, Error) and self.args == other.args

    def __hash__(self):
        return hash(self.args)


def value(raw):
    """What a reply means, as Python objects; error replies become Error objects and are not raised."""
    meaning, end = decode(raw, 0)
    assert end == len(raw), raw
    return meaning


def decode(raw, at):
    end = raw.index(b'\r\n', at) + 2
    kind, rest = raw[at:at + 1], raw[at + 1:end - 2]
    if kind in b'+':
        return rest, end
    if kind in b'-':
        return Error(rest.decode(errors='replace')), end
    if kind in b':':
        return int(rest), end
    if kind in b',':
        return float(rest), end
    if kind in b'#':
        return rest == b't', end
    if kind in b'_' or rest == b'-1':
        return None, end
    if kind in b'$=':
        return raw[end:end + int(rest)], end + int(rest) + 2
    if kind in b'*~>%':
        members = []
        for _ in range(int(rest) * (2 if kind == b'%' else 1)):
            member, end = decode(raw, end)
            members.append(member)
        if kind == b'%':
            return dict(zip(members[::2], members[1::2])), end
        return members, end
    raise ValueError(raw)


class Wire:
    def __init__(self, server, resp=2, timeout=30):
        self.socket = socket.create_connection(('127.0.0.1', server.port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile('rb')
        if resp != 2:
            self.call('HELLO', resp)

    def send(self, *args):
        self.socket.sendall(encode(*args))

    def send_raw(self, data):
        self.socket.sendall(data)

    def reply(self):
        """The bytes of the next whole reply."""
        line = self.file.readline()
        if not line.endswith(b'\r\n'):
            raise EOFError(f'the connection was closed after {line!r}')
        kind = line[:1]
        if kind in b'$=':
            length = int(line[1:])
            return line if length < 0 else line + self.file.read(length + 2)
        if kind in b'*~>%':
            count = int(line[1:]) * (2 if kind == b'%' else 1)
            return line + b''.join(self.reply() for _ in range(count))
        return line

    def call(self, *args):
        self.send(*args)
        return self.reply()

    def ask(self, *args):
        """The meaning of the answer."""
        return value(self.call(*args))

    def pipeline(self, requests):
        self.socket.sendall(b''.join(encode(*r) for r in requests))
        return [self.reply() for _ in requests]

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
