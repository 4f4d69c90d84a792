"""Clients that wait for a key: who is served, in which order, and when not."""
import threading
import time
import unittest

import servers


class Waiting:
    """A command that runs on a connection of its own, in the background."""

    def __init__(self, server, *words):
        self.reply, self.client = None, server.client(decode_responses=True)
        self.thread = threading.Thread(target=self.run, args=words)
        self.thread.start()
        deadline = time.time() + 5
        control = server.client()
        while time.time() < deadline:
            if int(control.info('clients')['blocked_clients']) > server.waiting:
                server.waiting += 1
                break
            time.sleep(0.01)

    def run(self, *words):
        self.client.response_callbacks.clear()
        self.reply = self.client.execute_command(*words)

    def result(self):
        self.thread.join(10)
        return self.reply


class Blocking(unittest.TestCase):
    def setUp(self):
        self.server = servers.Server(servers.REDOUBT).start()
        self.server.waiting = 0
        self.r = self.server.client(decode_responses=True)

    def tearDown(self):
        self.server.__exit__(None, None, None)

    def waiting(self, *words):
        return Waiting(self.server, *words)

    def test_longest_waiting_first(self):
        waits = [self.waiting('BLPOP', 'l', 5) for _ in range(3)]
        self.r.rpush('l', 'a', 'b', 'c', 'd')
        self.assertEqual([w.result() for w in waits], [['l', 'a'], ['l', 'b'], ['l', 'c']])
        self.assertEqual(self.r.lrange('l', 0, -1), ['d'])

    def test_what_one_is_given_another_gets(self):
        mover = self.waiting('BLMOVE', 's', 'd', 'LEFT', 'RIGHT', 5)
        popper = self.waiting('BLPOP', 'd', 5)
        self.r.rpush('s', 'v')
        self.assertEqual(mover.result(), 'v')
        self.assertEqual(popper.result(), ['d', 'v'])
        self.assertEqual(self.r.exists('s', 'd'), 0)

    def test_served_after_exec(self):
        wait = self.waiting('BLPOP', 'q', 5)
        with self.r.pipeline() as pipe:
            pipe.rpush('q', '1').lpop('q').rpush('q', '2').execute()
        self.assertEqual(wait.result(), ['q', '2'])

    def test_a_rolled_back_push_serves_nobody(self):
        wait = self.waiting('BLPOP', 'q', 0.4)
        bank = self.server.client(decode_responses=True)
        bank.response_callbacks.clear()
        with bank.pipeline(transaction=False) as pipe:
            for words in (('MULTI', 'ROLLBACK'), ('RPUSH', 'q', '1'), ('INCR', 'q'), ('EXEC',)):
                pipe.execute_command(*words)
            self.assertIn('rolled back', str(pipe.execute(raise_on_error=False)[-1]))
        self.assertIsNone(wait.result())
        self.assertEqual(self.r.exists('q'), 0)

    def test_another_type_is_not_it(self):
        wait = self.waiting('BLPOP', 'k', 5)
        self.r.set('k', 'text')
        self.r.delete('k')
        self.r.zadd('k', {'m': 1})
        self.r.delete('k')
        self.r.rpush('k', 'now')
        self.assertEqual(wait.result(), ['k', 'now'])

    def test_sorted_sets(self):
        first = self.waiting('BZPOPMIN', 'z1', 'z2', 5)
        second = self.waiting('BZMPOP', 5, 1, 'z2', 'MAX', 'COUNT', 5)
        self.r.zadd('z2', {'a': 1, 'b': 2, 'c': 3})
        self.assertEqual(first.result(), ['z2', 'a', '1'])
        self.assertEqual(second.result(), ['z2', [['c', '3'], ['b', '2']]])

    def test_rename_swapdb_and_copy_wake(self):
        self.r.rpush('src', '1')
        wait = self.waiting('BLPOP', 'dst', 5)
        self.r.rename('src', 'dst')
        self.assertEqual(wait.result(), ['dst', '1'])
        other = self.server.client(db=1)
        other.rpush('swapped', '2')
        self.server.waiting = 0
        wait = self.waiting('BLPOP', 'swapped', 5)
        self.r.swapdb(0, 1)
        self.assertEqual(wait.result(), ['swapped', '2'])

    def test_timeouts(self):
        began = time.time()
        self.assertIsNone(self.r.execute_command('BLPOP', 'none', '0.03'))
        self.assertTrue(0.02 < time.time() - began < 5)
        with self.r.pipeline() as pipe:
            pipe.execute_command('BLPOP', 'none', 0)
            self.assertEqual(pipe.execute(), [None])

    def test_unblock_and_leave(self):
        wait = self.waiting('BLPOP', 'never', 0)
        blocked = [c['id'] for c in self.r.client_list() if c['cmd'] == 'blpop']
        self.assertEqual(self.r.client_unblock(blocked[0]), True)
        self.assertIsNone(wait.result())
        gone = self.server.raw()
        gone.sendall(b'BLPOP never 0\r\n')
        deadline = time.time() + 5
        while self.r.info('clients')['blocked_clients'] != 1 and time.time() < deadline:
            time.sleep(0.01)
        gone.close()
        while self.r.info('clients')['blocked_clients'] != 0 and time.time() < deadline:
            time.sleep(0.01)
        self.assertEqual(self.r.info('clients')['blocked_clients'], 0)
        self.r.rpush('never', 'x')
        self.assertEqual(self.r.llen('never'), 1)

    def test_pipelined_behind_a_wait(self):
        s = self.server.raw()
        s.sendall(b'BLPOP p 0\r\nPING\r\nBLPOP p 0\r\nPING\r\n')
        time.sleep(0.1)
        self.r.rpush('p', '1', '2')
        data = b''
        while data.count(b'PONG') < 2:
            data += s.recv(1000)
        self.assertEqual(data, b'*2\r\n$1\r\np\r\n$1\r\n1\r\n+PONG\r\n*2\r\n$1\r\np\r\n$1\r\n2\r\n+PONG\r\n')
        s.close()


if __name__ == '__main__':
    unittest.main()
