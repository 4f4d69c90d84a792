"""rdb_changes_since_last_save counts as Redis counts: elements where a command changes several, keys elsewhere.

SEED=n repeats a run.
"""
import os
import random
import unittest

import test_hashes
import test_lists
import test_sets
import test_zsets
from servers import REDIS, REDOUBT, Server
from wire import Wire

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
# What chance decides, changes different keys.
DRAWING = ('SPOP', 'SRANDMEMBER', 'HRANDFIELD', 'ZRANDMEMBER')


@unittest.skipIf(REDIS is None, 'there is no redis-server to compare with')
class Changes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print(f'SEED={SEED}', flush=True)
        cls.wires = [Wire(cls.enterClassContext(Server(binary))) for binary in (REDIS, REDOUBT)]
        for w in cls.wires:
            cls.addClassCleanup(w.close)

    def setUp(self):
        self.rng = random.Random(f'{SEED} {type(self).__name__}.{self._testMethodName}')
        for w in self.wires:
            w.ask('FLUSHALL')
            w.ask('CONFIG', 'RESETSTAT')

    def changes(self, *requests):
        """What the requests add to the count, on both servers."""
        added = []
        for w in self.wires:
            before = self.count(w)
            w.pipeline(requests)
            added.append(self.count(w) - before)
        return added

    def count(self, w):
        return int(w.ask('INFO', 'persistence').split(b'rdb_changes_since_last_save:')[1].split(b'\r')[0])

    def family(self, command, count=1500, step=3):
        for _ in range(count // step):
            requests = [r for r in (command(self.rng) for _ in range(step)) if r[0] not in DRAWING]
            theirs, ours = self.changes(*requests)
            self.assertEqual(theirs, ours, f'SEED={SEED}: {[[str(w)[:50] for w in r] for r in requests]}')

    def test_lists(self):
        self.family(test_lists.command)

    def test_sets(self):
        self.family(test_sets.command)

    def test_hashes(self):
        self.family(test_hashes.command)

    def test_sorted_sets(self):
        self.family(test_zsets.command)

    def test_others(self):
        for setup, request in (
                (['SADD', 's', *range(100)], ['SPOP', 's', 30]), (['SADD', 'few', 1, 2], ['SPOP', 'few', 200]),
                (['SADD', 'many', *range(700)], ['SPOP', 'many', 690]), (['RPUSH', 'l', 3, 1, 2], ['SORT', 'l', 'STORE', 'x']),
                (['SET', 'x', 1], ['SORT', 'none', 'STORE', 'x']), (['SET', 'a', 1], ['RENAME', 'a', 'b']),
                (['SET', 'a', 1], ['MOVE', 'a', 3]), (['MSET', 'c', 1, 'd', 2], ['DEL', 'c', 'd', 'none']),
                (['SET', 'a', 1], ['COPY', 'a', 'c', 'REPLACE']), (['RPUSH', 'l', 1], ['LTRIM', 'l', 0, -1]),
                (['SET', 'a', 1], ['EXPIRE', 'a', -1]), (['SET', 'a', 1], ['GETEX', 'a', 'EX', 10]),
                (['PING'], ['SETBIT', 'a', 1, 1]),
                (['PING'], ['GEOADD', 'g', 1, 1, 'a', 2, 2, 'b']), (['PING'], ['SWAPDB', 0, 1]), (['PING'], ['FLUSHALL'])):
            for w in self.wires:
                w.call(*setup)
            theirs, ours = self.changes(request)
            self.assertEqual(theirs, ours, request)


if __name__ == '__main__':
    unittest.main()
