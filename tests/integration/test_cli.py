"""redis-cli and redis-benchmark do their work."""
import shutil
import subprocess
import unittest

from servers import REDOUBT, Server
from wire import encode


@unittest.skipIf(shutil.which('redis-cli') is None, 'redis-cli is not installed')
class Cli(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(REDOUBT))

    def setUp(self):
        self.cli('FLUSHALL')

    def cli(self, *args, stdin=None, status=0):
        done = subprocess.run(['redis-cli', '-p', str(self.server.port), *args], timeout=30, input=stdin,
                              stdin=subprocess.DEVNULL if stdin is None else None,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def test_arguments(self):
        self.assertEqual(self.cli('SET', 'k', 'v'), b'OK\n')
        self.assertEqual(self.cli('GET', 'k'), b'v\n')
        self.assertEqual(self.cli('--no-raw', 'GET', 'k'), b'"v"\n')
        self.assertEqual(self.cli('--no-raw', 'INCR', 'n'), b'(integer) 1\n')
        self.assertEqual(self.cli('--no-raw', 'GET', 'none'), b'(nil)\n')
        self.assertIn(b'ERR value is not an integer', self.cli('INCR', 'k'))
        self.assertEqual(self.cli('-n', '3', 'DBSIZE'), b'0\n')

    def test_error_status(self):
        self.assertIn(b'unknown command', self.cli('-e', 'nosuch', status=1))

    def test_commands_from_stdin(self):
        self.assertEqual(self.cli(stdin=b'MULTI\nSET a 1\nINCR a\nEXEC\nGET a\n').split(),
                         [b'OK', b'QUEUED', b'QUEUED', b'OK', b'2', b'2'])

    def test_value_from_stdin(self):
        blob = bytes(range(256)) * 1000
        self.assertEqual(self.cli('-x', 'SET', 'blob', stdin=blob), b'OK\n')
        self.assertEqual(self.cli('STRLEN', 'blob'), b'256000\n')

    def test_resp3(self):
        self.assertIn(b'maxmemory', self.cli('-3', 'CONFIG', 'GET', 'maxmemory'))
        self.assertIn(b'1# ', self.cli('-3', '--no-raw', 'CONFIG', 'GET', 'maxmemory'))

    def test_pipe(self):
        requests = b''.join(encode('SET', f'key:{i}', i) for i in range(20000))
        self.assertIn(b'errors: 0, replies: 20000', self.cli('--pipe', stdin=requests))
        self.assertEqual(self.cli('DBSIZE'), b'20000\n')

    def test_scan_and_bigkeys(self):
        self.cli('MSET', *[w for i in range(200) for w in (f'key:{i}', 'v' * i)])
        self.assertEqual(len(self.cli('--scan', '--pattern', 'key:*').split()), 200)
        self.assertIn(b'200 strings', self.cli('--bigkeys'))
        self.assertIn(b'Sampled 200 keys', self.cli('--memkeys'))

    def test_bigkeys_and_memkeys_of_all_types(self):
        """Of each type the largest key by elements and by memory, and the sums over all."""
        for kind, push in (('list', ['RPUSH']), ('set', ['SADD']), ('hash', ['HSET']), ('zset', ['ZADD'])):
            for size in (3, 500, 40):
                words = [w for i in range(size) for w in ([i] if kind in ('list', 'set') else [i, f'value {i}'])]
                self.cli(push[0], f'{kind}:{size}', *map(str, words))
        report = self.cli('--bigkeys').decode()
        for kind, unit in (('list', 'items'), ('set', 'members'), ('hash', 'fields'), ('zset', 'members')):
            self.assertRegex(report, f'Biggest +{kind} found .?"?{kind}:500"?.? has 500 {unit}')
            self.assertRegex(report, rf'3 {kind}s with 543 {unit} \(25.00% of keys, avg size 181.00\)')
        report = self.cli('--memkeys').decode()
        for kind in ('list', 'set', 'hash', 'zset'):
            self.assertRegex(report, f'Biggest +{kind} found .?"?{kind}:500"?.? has [0-9]+ bytes')
            self.assertRegex(report, rf'3 {kind}s with [0-9]+ bytes')
        self.assertIn('Sampled 12 keys', self.cli('--memkeys-samples', '5').decode())

    def test_unix_socket_and_user(self):
        done = subprocess.run(['redis-cli', '-s', self.server.socket, 'PING'], timeout=30, capture_output=True)
        self.assertEqual(done.stdout, b'PONG\n')

    def test_intrinsic_reports(self):
        self.assertIn(b'redis_version:', self.cli('INFO', 'server'))
        self.assertTrue(self.cli('MEMORY', 'DOCTOR'))
        self.assertTrue(self.cli('LATENCY', 'DOCTOR'))

    def test_benchmark(self):
        for pipeline in ('1', '16'):
            done = subprocess.run(['redis-benchmark', '-p', str(self.server.port), '-t', 'ping,set,get,incr,mset',
                                   '-n', '10000', '-q', '-P', pipeline], timeout=120,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual(done.returncode, 0, done.stdout)
            for name in (b'PING_INLINE', b'PING_MBULK', b'SET', b'GET', b'INCR', b'MSET (10 keys)'):
                self.assertIn(name + b': ', done.stdout)
            self.assertNotIn(b'rror', done.stdout)


if __name__ == '__main__':
    unittest.main()
