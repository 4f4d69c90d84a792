"""A bank: 8 clients move money between 1,000 accounts in every way there is, many transfers fail half way, and whoever
reads all balances at any time finds the same sum."""
import os
import random
import threading
import unittest

from servers import IS_REDOUBT, SANITIZED, Server
from wire import Error, Wire

SEED = int(os.environ.get('SEED', random.randrange(10 ** 9)))
CLIENTS, ACCOUNTS, START, TRANSFERS = 8, 1000, 100, 250
NAMES = [f'account:{i}' for i in range(ACCOUNTS)]

LIBRARY = """#!lua name=bank
local function transfer(keys, args)
    redis.call('DECRBY', keys[1], args[1])
    if args[2] == 'error' then error('out of order') end
    if args[2] == 'call' then redis.call('INCRBY', 'closed', args[1]) end
    if args[2] == 'rollback' then redis.rollback('changed my mind') end
    redis.call('INCRBY', keys[2], args[1])
    return {ok = true, from_balance = redis.call('GET', keys[1])}
end
redis.register_function('transfer', transfer)
"""


class Client(threading.Thread):
    """Moves money about; what went wrong is in self.wrong."""

    def __init__(self, server, number):
        super().__init__()
        self.rng = random.Random(f'{SEED} {number}')
        self.wire = Wire(server, timeout=60)
        self.wrong = None
        self.done = dict.fromkeys(('committed', 'failed', 'conflicts'), 0)

    def run(self):
        ways = [self.by_rollback, self.by_watch, self.by_version, self.by_function]
        try:
            for _ in range(TRANSFERS):
                a, b = self.rng.sample(NAMES[:20] if self.rng.random() < 0.5 else NAMES, 2)
                self.rng.choice(ways)(a, b, self.rng.randint(1, 50))
                if self.rng.random() < 0.2:
                    self.audit()
        except Exception as e:  # the test shows it
            self.wrong = e
        finally:
            self.wire.close()

    def audit(self):
        balances = self.wire.ask('MGET', *NAMES)
        total = sum(int(b) for b in balances)
        if total != ACCOUNTS * START:
            raise AssertionError(f'the accounts hold {total}')

    def by_rollback(self, a, b, amount):
        failing = self.rng.choice([None, None, ('INCRBY', 'closed', 1), ('LPUSH', 'closed', 1), ('RENAME', 'absent', 'x')])
        steps = [('DECRBY', a, amount), ('INCRBY', b, amount)]
        if failing:
            steps.insert(self.rng.randrange(3), failing)
        replies = self.wire.pipeline([('MULTI', 'ROLLBACK'), *steps, ('EXEC',)])
        if replies[-1].startswith(b'*'):
            self.done['committed'] += 1
        elif failing and replies[-1].startswith(b'-EXECABORT Transaction rolled back'):
            self.done['failed'] += 1
        else:
            raise AssertionError(replies)

    def by_watch(self, a, b, amount):
        while True:
            self.wire.ask('WATCH', a, b)
            if self.guarded(a, b, amount, 'EXEC'):
                return

    def by_version(self, a, b, amount):
        while True:
            va, vb = self.wire.ask('GETVER', a, b)
            if self.guarded(a, b, amount, 'EXEC', 'IFVER', a, va, b, vb):
                return

    def guarded(self, a, b, amount, *execute):
        """Set what was computed from what was read; false where EXEC finds it out of date."""
        before_a, before_b = (int(v) for v in self.wire.ask('MGET', a, b))
        replies = self.wire.pipeline([('MULTI',), ('SET', a, before_a - amount), ('SET', b, before_b + amount), execute])
        ran = replies[-1].startswith(b'*2')
        self.done['committed' if ran else 'conflicts'] += 1
        return ran

    def by_function(self, a, b, amount):
        failure = self.rng.choice(['', '', 'error', 'call', 'rollback'])
        reply = self.wire.ask('FCALL', 'transfer', 2, a, b, amount, failure)
        if isinstance(reply, Error) != bool(failure):
            raise AssertionError((failure, reply))
        self.done['failed' if failure else 'committed'] += 1


@unittest.skipUnless(IS_REDOUBT, 'money is lost on a server that stops half way')
class Bank(unittest.TestCase):
    def test_no_money_is_lost_or_made(self):
        print(f'SEED={SEED}', flush=True)
        server = self.enterContext(Server(SANITIZED))
        wire = Wire(server)
        self.addCleanup(wire.close)
        self.assertEqual(wire.ask('FUNCTION', 'LOAD', LIBRARY), b'bank')
        wire.ask('MSET', *[w for name in NAMES for w in (name, START)])
        wire.ask('SET', 'closed', 'by order of the court')
        clients = [Client(server, i) for i in range(CLIENTS)]
        for c in clients:
            c.start()
        for c in clients:
            c.join()
        self.assertEqual([c.wrong for c in clients], [None] * CLIENTS)
        clients[0].wire = wire
        clients[0].audit()
        done = {k: sum(c.done[k] for c in clients) for k in clients[0].done}
        self.assertEqual(done['committed'] + done['failed'], CLIENTS * TRANSFERS)
        self.assertGreater(min(done.values()), 0, done)


if __name__ == '__main__':
    unittest.main()
