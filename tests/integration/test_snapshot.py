"""Snapshots: saved by command, by the clock and at the end, loaded at the start; and what happens when that fails."""
import os
import signal
import shutil
import subprocess
import unittest

from servers import IS_REDOUBT, REDIS, REDOUBT, Server, wait_until
from wire import Error, Wire

FAR = 4 * 10 ** 12


def fill(wire):
    wire.call('MSET', *(w for i in range(500) for w in ('s%d' % i, 'v' * (i % 90))))
    wire.call('SET', 'n', 12345)
    wire.call('RPUSH', 'list', *range(300))
    wire.call('SADD', 'ints', *range(100))
    wire.call('SADD', 'set', *('m%d' % i for i in range(300)))
    wire.call('ZADD', 'zset', *(w for i in range(300) for w in (i / 4, 'm%d' % i)))
    wire.call('HSET', 'hash', *(w for i in range(300) for w in ('f%d' % i, i)))
    wire.call('PEXPIREAT', 'hash', FAR)
    wire.call('SELECT', 5)
    wire.call('SET', 'elsewhere', 'x')
    wire.call('SELECT', 0)


def info(wire, field):
    for line in wire.ask('INFO', 'everything').decode().splitlines():
        if line.startswith(field + ':'):
            return line.split(':', 1)[1]
    raise AssertionError(field)


class Snapshot(unittest.TestCase):
    def restarted(self, server, **options):
        server.stop()
        server.options.update(options)
        server.start()
        return Wire(server)

    def test_what_was_saved_is_there_after_a_restart(self):
        with Server() as server:
            with Wire(server) as wire:
                fill(wire)
                digest = wire.ask('DEBUG', 'DIGEST')
                self.assertEqual(wire.ask('SAVE'), b'OK')
                self.assertEqual(info(wire, 'rdb_changes_since_last_save'), '0')
                wire.call('SET', 'late', 1)
            with self.restarted(server) as wire:
                self.assertEqual(wire.ask('DEBUG', 'DIGEST'), digest)
                self.assertEqual(wire.ask('PEXPIRETIME', 'hash'), FAR)
                self.assertEqual(info(wire, 'rdb_changes_since_last_save'), '0')
                self.assertEqual(int(info(wire, 'rdb_last_load_keys_loaded')), 507)

    def test_the_end_saves_as_it_is_told(self):
        for words, point, saved in ((['SHUTDOWN'], '', False), (['SHUTDOWN', 'SAVE'], '', True),
                                    (['SHUTDOWN', 'NOSAVE'], '3600 1', False), (['SHUTDOWN'], '3600 1', True)):
            with Server(save=point) as server:
                with Wire(server) as wire:
                    wire.call('SET', 'k', 'v')
                    wire.send(*words)
                server.process.wait(10)
                self.assertEqual(os.path.exists(os.path.join(server.dir, 'dump.rdb')), saved, words)
        with Server(save='3600 1') as server:
            with Wire(server) as wire:
                wire.call('SET', 'k', 'v')
            with self.restarted(server) as wire:  # by SIGTERM
                self.assertEqual(wire.ask('GET', 'k'), b'v')

    def test_in_the_background(self):
        with Server(**{'rdb-key-save-delay': 2000}) as server:
            with Wire(server) as wire:
                for i in range(200):
                    wire.call('SET', 'k%d' % i, 'before')
                self.assertEqual(wire.ask('BGSAVE'), b'Background saving started')
                self.assertEqual(wire.ask('BGSAVE'), Error('ERR Background save already in progress'))
                self.assertEqual(wire.ask('SAVE'), Error('ERR Background save already in progress'))
                self.assertEqual(info(wire, 'rdb_bgsave_in_progress'), '1')
                for i in range(200):
                    wire.call('SET', 'k%d' % i, 'after')
                wait_until(lambda: info(wire, 'rdb_bgsave_in_progress') == '0')
                self.assertEqual(info(wire, 'rdb_last_bgsave_status'), 'ok')
                self.assertEqual(info(wire, 'rdb_changes_since_last_save'), '200')
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            with self.restarted(server) as wire:
                self.assertEqual({wire.ask('GET', 'k%d' % i) for i in range(200)}, {b'before'})

    def test_the_child_holds_no_port(self):
        with Server(**{'rdb-key-save-delay': 300000}) as server:
            with Wire(server) as wire:
                wire.call('MSET', *range(20))
                wire.call('BGSAVE')
            server.process.kill()
            server.process.wait()
            with self.restarted(server) as wire:
                self.assertEqual(wire.ask('PING'), b'PONG')

    def test_by_the_clock(self):
        with Server(save=['1', '3']) as server, Wire(server) as wire:
            started = wire.ask('LASTSAVE')
            wire.call('MSET', 'a', 1, 'b', 2)
            wire.call('SET', 'c', 3)
            wire.call('SET', 'd', 4)
            wait_until(lambda: info(wire, 'rdb_changes_since_last_save') == '0')
            self.assertGreater(wire.ask('LASTSAVE'), started)
            self.assertTrue(os.path.exists(os.path.join(server.dir, 'dump.rdb')))

    def test_flushall_ends_what_is_being_saved(self):
        with Server(**{'rdb-key-save-delay': 100000}) as server, Wire(server) as wire:
            fill(wire)
            wire.call('BGSAVE')
            wire.call('FLUSHALL')
            self.assertEqual(info(wire, 'rdb_bgsave_in_progress'), '0')
            self.assertEqual(info(wire, 'rdb_last_bgsave_status'), 'ok')
            self.assertEqual([f for f in os.listdir(server.dir) if f.endswith('.rdb')], [])

    def test_flushall_saves_that_nothing_is_left(self):
        with Server(save='3600 1') as server:
            with Wire(server) as wire:
                wire.call('SET', 'k', 'v')
                wire.call('SAVE')
                wire.call('FLUSHALL')
                self.assertEqual(info(wire, 'rdb_changes_since_last_save'), '0')
            server.process.kill()
            server.process.wait()
            with self.restarted(server) as wire:
                self.assertEqual(wire.ask('DBSIZE'), 0)

    def test_who_insists_leaves_no_half_snapshot(self):
        with Server(save='3600 1', **{'rdb-key-save-delay': 100000}) as server:
            with Wire(server) as wire:
                wire.call('MSET', *range(60))
            server.process.send_signal(signal.SIGINT)
            half = os.path.join(server.dir, 'temp-%d.rdb' % server.process.pid)
            wait_until(lambda: os.path.exists(half))
            server.process.send_signal(signal.SIGINT)
            self.assertEqual(server.process.wait(5), 1)
            self.assertFalse(os.path.exists(half))

    def test_without_success_nothing_is_written(self):
        with Server(save='3600 1') as server, Wire(server) as wire:
            wire.call('SET', 'k', 'v')
            os.mkdir(os.path.join(server.dir, 'dump.rdb'))
            wire.call('BGSAVE')
            wait_until(lambda: info(wire, 'rdb_last_bgsave_status') == 'err')
            self.assertIn('MISCONF', str(wire.ask('SET', 'k', 'x')))
            self.assertIn('MISCONF', str(wire.ask('PING')))
            self.assertEqual(wire.ask('GET', 'k'), b'v')
            wire.call('MULTI')
            self.assertIn('MISCONF', str(wire.ask('SET', 'k', 'x')))
            wire.call('DISCARD')
            wire.call('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no')
            self.assertEqual(wire.ask('SET', 'k', 'x'), b'OK')
            wire.call('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'yes')
            self.assertIn('MISCONF', str(wire.ask('SET', 'k', 'x')))
            self.assertEqual(wire.ask('SHUTDOWN'), Error('ERR Errors trying to SHUTDOWN. Check logs.'))
            os.rmdir(os.path.join(server.dir, 'dump.rdb'))
            wire.call('BGSAVE')
            wait_until(lambda: info(wire, 'rdb_last_bgsave_status') == 'ok')
            self.assertEqual(wire.ask('SET', 'k', 'y'), b'OK')
            self.assertEqual([f for f in os.listdir(server.dir) if f.startswith('temp')], [])

    def test_a_file_that_lies_ends_the_start(self):
        with Server() as server:
            with Wire(server) as wire:
                fill(wire)
                wire.call('SAVE')
            path = os.path.join(server.dir, 'dump.rdb')
            server.stop()
            with open(path, 'rb') as f:
                good = f.read()
            for bad in (b'', good[:5], good[:-1], good[:len(good) // 2], b'x' + good[1:], good[:-1] + b'?',
                        good[:9] + b'\xfe\x10' + good[9:]):
                with open(path, 'wb') as f:
                    f.write(bad)
                done = subprocess.run(server.arguments(), cwd=server.dir, capture_output=True, text=True, timeout=20)
                self.assertEqual(done.returncode, 1)
                self.assertIn('Fatal error loading', done.stdout.strip().splitlines()[-1])
            with open(path, 'wb') as f:
                f.write(good)
            server.start()

    @unittest.skipUnless(IS_REDOUBT, 'about us alone')
    def test_what_may_be_taken_back_is_not_saved(self):
        with Server() as server:
            with Wire(server) as wire:
                wire.call('SET', 'k', 'v')
                wire.call('MULTI', 'ROLLBACK')
                wire.call('SET', 'k', 'half')
                wire.call('BGSAVE')
                wire.call('LPUSH', 'k', 'x')
                self.assertNotIn(b'started', wire.call('EXEC'))
                wire.call('MULTI')
                wire.call('BGSAVE')
                self.assertEqual(wire.ask('EXEC'), [b'Background saving scheduled'])
                wait_until(lambda: info(wire, 'rdb_saves') != '0')
            server.process.kill()
            server.process.wait()
            with self.restarted(server) as wire:
                self.assertEqual(wire.ask('GET', 'k'), b'v')

    def test_reloading(self):
        with Server() as server, Wire(server) as wire:
            fill(wire)
            digest = wire.ask('DEBUG', 'DIGEST')
            self.assertEqual(wire.ask('DEBUG', 'RELOAD'), b'OK')
            self.assertEqual(wire.ask('DEBUG', 'DIGEST'), digest)
            wire.call('SET', 'k', 'late')
            self.assertEqual(wire.ask('DEBUG', 'RELOAD', 'NOSAVE', 'NOFLUSH', 'MERGE'), b'OK')
            self.assertEqual(wire.ask('GET', 'k'), b'late')
            self.assertEqual(wire.ask('DEBUG', 'RELOAD', 'NOSAVE'), b'OK')
            self.assertEqual(wire.ask('DEBUG', 'DIGEST'), digest)
            self.assertEqual(wire.ask('DEBUG', 'RELOAD', 'x'), Error(
                'ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.'))

    @unittest.skipUnless(REDIS and IS_REDOUBT, 'redis-server is not there')
    def test_files_go_between_redis_and_us(self):
        for writer, reader in ((REDOUBT, REDIS), (REDIS, REDOUBT)):
            for policy in ('noeviction', 'allkeys-lru', 'allkeys-lfu'):
                with Server(writer, **{'maxmemory-policy': policy}) as source, Server(reader) as target:
                    target.stop()
                    with Wire(source) as wire:
                        fill(wire)
                        before = self.dataset(wire)
                        wire.call('SAVE')
                    shutil.copy(os.path.join(source.dir, 'dump.rdb'), target.dir)
                    target.start()
                    with Wire(target) as wire:
                        self.assertEqual(self.dataset(wire), before)

    def dataset(self, wire):
        keys = sorted(wire.ask('KEYS', '*'))
        found = {}
        for key in keys:
            kind = wire.ask('TYPE', key)
            found[key] = {b'string': lambda: wire.ask('GET', key), b'list': lambda: wire.ask('LRANGE', key, 0, -1),
                          b'set': lambda: sorted(wire.ask('SMEMBERS', key)),
                          b'zset': lambda: wire.ask('ZRANGE', key, 0, -1, 'WITHSCORES'),
                          b'hash': lambda: sorted(wire.ask('HGETALL', key))}[kind](), wire.ask('PEXPIRETIME', key)
        wire.call('SELECT', 5)
        found['5'] = wire.ask('GET', 'elsewhere')
        wire.call('SELECT', 0)
        return found


if __name__ == '__main__':
    unittest.main()
