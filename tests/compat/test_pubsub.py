"""Several connections that subscribe, publish and look around, to Debian's Redis and to us: the same bytes come back.

SEED=n repeats a run, COMMANDS=n makes it longer or shorter.
"""
import os
import random
import re
import unittest

from servers import REDIS, REDOUBT, Server
from wire import Wire

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
COMMANDS = int(os.environ.get('COMMANDS', 10000))
ACTORS = 5

NAMES = ['a', 'ab', 'abc', 'abcdefghi', 'b', '', 'a*', '*', 'a?c', '[ab]', '\\*', 'x' * 3000, 'abcdefgh*', b'\x00\r\n']


def several(rng):
    return rng.choices(NAMES, k=rng.choice([1, 1, 1, 2, 3]))


def command(rng):
    return rng.choice([
        lambda: ['SUBSCRIBE', *several(rng)],
        lambda: ['PSUBSCRIBE', *several(rng)],
        lambda: ['SSUBSCRIBE', *several(rng)],
        lambda: [rng.choice(['UNSUBSCRIBE', 'PUNSUBSCRIBE', 'SUNSUBSCRIBE']), *several(rng)],
        lambda: [rng.choice(['UNSUBSCRIBE', 'PUNSUBSCRIBE', 'SUNSUBSCRIBE'])],
        lambda: ['PING', *rng.choice([[], ['x'], ['x', 'y']])],
        lambda: ['GET', 'x'],
        lambda: ['RESET'],
        lambda: ['HELLO', rng.choice([2, 3])],
        lambda: ['PUBSUB', 'NUMSUB', *several(rng)],
        lambda: ['PUBSUB', 'SHARDNUMSUB', *several(rng)],
        lambda: ['PUBSUB', rng.choice(['NUMPAT', 'NUMSUB', 'SHARDNUMSUB', 'CHANNELS', 'SHARDCHANNELS', 'nope'])],
        lambda: ['PUBSUB', rng.choice(['CHANNELS', 'SHARDCHANNELS']), rng.choice(NAMES)],
        lambda: rng.choice([['PUBSUB'], ['SUBSCRIBE'], ['PUBLISH', 'a'], ['PUBSUB', 'CHANNELS', 'a', 'b'],
                            ['PUBSUB', 'NUMPAT', 'a'], ['SPUBLISH', 'a', 'b', 'c'], ['ssubscribe'], ['PSUBSCRIBE'],
                            ['PUBSUB', 'HELLO'], ['MONITOR', 'x'], ['CLIENT', 'GETNAME']]),
        lambda: ['CLIENT', 'REPLY', rng.choice(['ON', 'ON', 'ON', 'SKIP', 'OFF'])],
        lambda: ['MULTI'],
        lambda: ['EXEC'],
        lambda: ['DISCARD'],
    ])()


def publication(rng):
    text = rng.choice(['', 'x', 'hello', 'y' * 2000, 'z' * 20000])
    return [rng.choice(['PUBLISH', 'PUBLISH', 'SPUBLISH']), rng.choice(NAMES), text]


def is_without_order(words):
    """Channels are listed, and left when all are, in any order; so are one client's patterns that match."""
    name = str(words[0]).upper()
    return (name.endswith('UNSUBSCRIBE') and len(words) == 1 or name in ('PUBLISH', 'EXEC') or
            name == 'PUBSUB' and 'CHANNELS' in str(words[1:2]))


def anonymous(raw):
    """Without what HELLO tells of the server and the connection."""
    raw = re.sub(rb'version\r\n\$\d+\r\n[^\r]+', b'version', raw)
    return re.sub(rb'id\r\n:\d+', b'id', raw)


class Stage:
    """One server: connections that act, and one that publishes and keeps time."""

    def __init__(self, server):
        self.actors = [Wire(server) for _ in range(ACTORS)]
        self.control = Wire(server)
        for w in self.actors:
            w.socket.setblocking(False)

    def play(self, actor, words):
        """What each connection receives because of this command."""
        answer = b''
        if actor is None:
            answer = self.control.call(*words)
        else:
            self.actors[actor].send(*words)
        self.control.call('PING')  # the server has read what came before
        self.control.call('PING')  # and has written all that follows from it
        return [answer, *[self.received(w) for w in self.actors]]

    def received(self, wire):
        raw = b''
        try:
            while True:
                piece = wire.socket.recv(1 << 20)
                if not piece:
                    return raw + b'closed'
                raw += piece
        except BlockingIOError:
            return anonymous(raw)

    def close(self):
        for w in [*self.actors, self.control]:
            w.close()


class PubSub(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if REDIS is None:
            raise unittest.SkipTest('there is no redis-server to compare with')
        print(f'SEED={SEED} COMMANDS={COMMANDS}', flush=True)
        cls.redis = cls.enterClassContext(Server(REDIS))
        cls.redoubt = cls.enterClassContext(Server(REDOUBT))

    def setUp(self):
        self.rng = random.Random(f'{SEED} {type(self).__name__}.{self._testMethodName}')

    def scene(self, length):
        stages, said = [Stage(self.redis), Stage(self.redoubt)], []
        try:
            for _ in range(length):
                actor = self.rng.choice([None, *range(ACTORS)])
                words = publication(self.rng) if actor is None else command(self.rng)
                said.append((actor, words))
                theirs, ours = [stage.play(actor, words) for stage in stages]
                if is_without_order(words):
                    theirs, ours = [sorted(raw.splitlines()) for raw in theirs], [sorted(raw.splitlines()) for raw in ours]
                self.assertEqual(theirs, ours, f'SEED={SEED}: ' + '\n'.join(
                    str(s)[:80] for s in said if s[0] == actor))
        finally:
            for stage in stages:
                stage.close()

    def test_scenes(self):
        for _ in range(COMMANDS // 200):
            self.scene(200)


if __name__ == '__main__':
    unittest.main()
