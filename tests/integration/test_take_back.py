"""Everything can be taken back: random sections over all types, failing at every position, as transactions and scripts.

The server is the sanitized one. The dataset is compared whole: values in order, streams with groups, consumers and pending
entries, encodings, every deadline of keys and fields, the digest, and what WATCH and GETVER see.
"""
import os
import random
import unittest

import generators as g
from servers import IS_REDOUBT, SANITIZED, Server
from test_rollback import dataset
from wire import Error, Wire

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
SECTIONS = int(os.environ.get('SECTIONS', 60))
WRITES = [g.collections, g.collections, g.collections, g.streams, g.streams, g.bits, g.sketches, g.strings, g.counters, g.expiry]

# Runs the commands in ARGV (each behind its number of words), catching what fails, and then does what ARGV[1] says.
SCRIPT = """
local at = 2
while at <= #ARGV do
    local words = tonumber(ARGV[at])
    redis.pcall(unpack(ARGV, at + 1, at + words))
    at = at + words + 1
end
if ARGV[1] == 'error' then error('at the end') end
if ARGV[1] == 'call' then redis.call('RENAME', 'never', 'x') end
redis.rollback()
"""


@unittest.skipUnless(IS_REDOUBT, 'rollback is ours')
class TakeBack(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print(f'SEED={SEED} SECTIONS={SECTIONS}', flush=True)
        cls.server = cls.enterClassContext(Server(SANITIZED, **{'stream-node-max-entries': 4}))

    def setUp(self):
        self.rng = random.Random(f'{SEED} {type(self).__name__}.{self._testMethodName}')
        self.wire, self.other = (Wire(self.server, timeout=60) for _ in range(2))
        self.addCleanup(self.wire.close)
        self.addCleanup(self.other.close)
        self.wire.ask('FLUSHALL')

    def request(self):
        return self.rng.choice(WRITES)(self.rng)

    def vary_limits(self):
        """Where packed forms end, so that sections meet each form and the change from one to the other."""
        entries, longest = self.rng.choice([0, 5, 20, 128]), self.rng.choice([10, 64, 100])
        names = [f'{kind}-max-listpack-{what}' for kind in ('hash', 'set', 'zset') for what in ('entries', 'value')]
        self.wire.ask('CONFIG', 'SET', *[w for n in names for w in (n, entries if n.endswith('entries') else longest)],
                      'set-max-intset-entries', self.rng.choice([0, 4, 512]), 'hll-sparse-max-bytes', self.rng.choice([0, 100, 3000]),
                      'list-max-listpack-size', self.rng.choice([1, 4, -2, 128]),
                      'list-compress-depth', self.rng.choice([0, 0, 1]))

    def grow(self):
        """Some more data, in whatever forms."""
        if self.rng.random() < 0.1:
            self.wire.ask('FLUSHALL')
        self.vary_limits()
        self.wire.pipeline([self.request() for _ in range(self.rng.randint(0, 40))])
        self.vary_limits()

    def transaction(self, queue, position):
        self.wire.ask('MULTI', 'ROLLBACK')
        self.wire.pipeline([*queue[:position], ['RENAME', 'never', 'x'], *queue[position:]])
        return self.wire.ask('EXEC')

    def script(self, queue, position):
        """All commands before the position have run (those that fail are caught), then the script ends."""
        words = [w for command in queue[:position] for w in (len(command), *command)]
        return self.wire.ask('EVAL', SCRIPT, 0, self.rng.choice(['error', 'call', 'rollback']), *words)

    def check(self, run):
        for _ in range(SECTIONS):
            self.grow()
            before = dataset(self.wire)
            keys = [k for at in before if isinstance(at, tuple) and at[0] == 0 for k in [at[1]]] + [b'never']
            versions = self.other.ask('GETVER', *keys)
            queue = [self.request() for _ in range(self.rng.randint(1, 12))]
            for position in range(len(queue) + 1):
                self.other.ask('WATCH', *keys)
                reply = run(queue, position)
                self.assertIsInstance(reply, Error, f'SEED={SEED}: {queue} at {position}')
                self.assertEqual(dataset(self.wire), before, f'SEED={SEED}: {queue} at {position}: {reply}')
                self.other.ask('MULTI')
                self.assertEqual(self.other.ask('EXEC'), [], f'SEED={SEED}: {queue} was seen by WATCH')
            self.assertEqual(self.other.ask('GETVER', *keys), versions)

    def test_transactions(self):
        self.check(self.transaction)

    def test_scripts(self):
        self.check(self.script)


if __name__ == '__main__':
    unittest.main()
