"""The program as such: its arguments, its configuration file, where it listens, what it logs, how it ends."""
import os
import re
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest

import redis

from servers import ENVIRONMENT, IS_REDOUBT, REDOUBT, Server, free_port, wait_until
from wire import Error, Wire, value

READY = 'eady to accept connections'


class Program:
    """A process started with exactly these arguments, in a folder of its own."""

    def __init__(self, test, *args, stdin=None, files=None):
        self.folder = tempfile.TemporaryDirectory(prefix='redoubt-test-')
        self.dir = self.folder.name
        test.addCleanup(self.end)
        for name, text in (files or {}).items():
            with open(self.path(name), 'w') as f:
                f.write(text)
        with open(self.path('stdout'), 'w') as out:
            self.process = subprocess.Popen([REDOUBT, *map(str, args)], cwd=self.dir, env=ENVIRONMENT,
                                            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                                            stdout=out, stderr=subprocess.STDOUT)
        if stdin:
            self.process.stdin.write(stdin.encode())
            self.process.stdin.close()

    def path(self, name):
        return os.path.join(self.dir, name)

    def said(self, name='stdout'):
        try:
            with open(self.path(name), errors='replace') as f:
                return f.read()
        except FileNotFoundError:
            return ''

    def ready(self, name='stdout'):
        wait_until(lambda: READY in self.said(name) or self.process.poll() is not None, 15, 'being ready')
        assert READY in self.said(name), self.said(name)
        return self

    def wait(self):
        """The exit status."""
        return self.process.wait(15)

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(15)
        self.folder.cleanup()


class ProgramCase(unittest.TestCase):
    def run_ready(self, *args, **kwargs):
        return Program(self, *args, **kwargs).ready()

    def client(self, port, host='127.0.0.1', **kwargs):
        r = redis.Redis(host=host, port=port, decode_responses=True, **kwargs)
        self.addCleanup(r.close)
        return r


class Arguments(ProgramCase):
    def test_version_and_help(self):
        for option in ('--version', '-v', '--help', '-h'):
            done = subprocess.run([REDOUBT, option], capture_output=True, text=True, timeout=10)
            self.assertIn('redoubt' if IS_REDOUBT else 'redis', (done.stdout + done.stderr).lower())
            if 'v' in option:
                self.assertRegex(done.stdout, r'v=\d+\.\d+\.\d+')
                self.assertEqual(done.returncode, 0)

    def test_file_stdin_and_arguments_in_this_order(self):
        """The later word counts: the file's, then standard input's, then the arguments'."""
        port = free_port()
        self.run_ready('server.conf', '--port', port, '--hz', '30', '-', stdin='hz 40\nmaxmemory 50mb\n',
                       files={'server.conf': 'port 1\nhz 20\nmaxmemory 1mb\nsave ""\ntimeout 77\n'})
        config = self.client(port).config_get
        self.assertEqual((config('hz')['hz'], config('timeout')['timeout']), ('30', '77'))
        self.assertEqual(config('maxmemory')['maxmemory'], str(50 << 20))

    def test_include_quotes_comments_units(self):
        port = free_port()
        program = self.run_ready('main.conf', files={
            'main.conf': f'# a comment\n\n  port {port}\ninclude "extra.conf"\nMAXMEMORY 1gb\nrename-command FLUSHALL ""\n'
                         'rename-command DBSIZE "how many"\nsave 900 1\nsave 300 10\n',
            'extra.conf': 'requirepass "with \\x41 \\"quote\\""\ntimeout 12\n'})
        with self.assertRaises(redis.AuthenticationError):
            self.client(port).ping()
        r = self.client(port, password='with A "quote"')
        self.assertEqual(r.config_get('maxmemory')['maxmemory'], str(1 << 30))
        self.assertEqual(r.config_get('timeout')['timeout'], '12')
        with self.assertRaisesRegex(redis.ResponseError, 'unknown command'):
            r.flushall()
        with self.assertRaisesRegex(redis.ResponseError, 'unknown command'):
            r.dbsize()
        self.assertIsNone(program.process.poll())

    def test_unknown_directive_names_file_and_line(self):
        program = Program(self, 'bad.conf', files={'bad.conf': 'port 0\nno-such-directive yes\n'})
        self.assertEqual(program.wait(), 1)
        said = program.said()
        self.assertIn('FATAL CONFIG FILE ERROR', said)
        self.assertIn('line 2', said)
        self.assertIn("'no-such-directive yes'", said)
        self.assertIn('Bad directive or wrong number of arguments', said)
        if IS_REDOUBT:
            self.assertIn('bad.conf', said)

    def test_bad_values_end_the_start(self):
        for line, why in (('port 99999', 'must be between'), ('port abc', "couldn't be parsed"),
                          ('daemonize maybe', "must be 'yes' or 'no'"), ('loglevel chatty', 'must be one of'),
                          ('port', 'wrong number of arguments'), ('requirepass "open', 'Unbalanced quotes'),
                          ('maxmemory 1x', 'must be a memory'), ('databases 0', 'must be between')):
            with self.subTest(line):
                program = Program(self, 'bad.conf', files={'bad.conf': line + '\n'})
                self.assertEqual(program.wait(), 1)
                self.assertIn(why, program.said())
                self.assertIn('line 1', program.said())

    def test_missing_file(self):
        program = Program(self, 'absent.conf')
        self.assertEqual(program.wait(), 1)
        self.assertIn("can't open config file", program.said())

    def test_include_of_missing_file(self):
        program = Program(self, 'a.conf', files={'a.conf': 'include /no/such/file.conf\n'})
        self.assertEqual(program.wait(), 1)

    def test_unknown_argument(self):
        self.assertEqual(Program(self, '--no-such-directive', 'yes').wait(), 1)

    def test_port_in_use(self):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            s.listen()
            program = Program(self, '--port', s.getsockname()[1], '--bind', '127.0.0.1')
            self.assertEqual(program.wait(), 1)
            self.assertIn('Failed listening on port', program.said())


class Listening(ProgramCase):
    def test_unix_socket_only(self):
        program = self.run_ready('--port', 0, '--unixsocket', 'server.sock', '--unixsocketperm', '700')
        path = program.path('server.sock')
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o700)
        r = redis.Redis(unix_socket_path=path)
        self.assertTrue(r.ping())
        self.assertEqual(r.info('server')['tcp_port'], 0)
        r.close()
        program.process.terminate()
        self.assertEqual(program.wait(), 0)
        self.assertFalse(os.path.exists(path), 'the socket goes with the server')

    def test_several_addresses(self):
        port = free_port()
        self.run_ready('--port', port, '--bind', '127.0.0.1', '127.0.0.2')
        self.assertTrue(self.client(port).ping())
        self.assertTrue(self.client(port, '127.0.0.2').ping())
        with self.assertRaises(redis.ConnectionError):
            self.client(port, '127.0.0.3').ping()

    def test_ipv6(self):
        if not os.path.exists('/proc/net/if_inet6'):
            self.skipTest('this machine has no IPv6')
        port = free_port()
        self.run_ready('--port', port, '--bind', '127.0.0.1', '::1')
        self.assertTrue(self.client(port, '::1').ping())
        self.assertTrue(self.client(port).ping())
        self.assertTrue(self.client(port, '::1').client_info()['addr'].startswith('[::1]:'))

    def test_optional_address_may_fail(self):
        port = free_port()
        self.run_ready('--port', port, '--bind', '127.0.0.1', '-192.0.2.1')
        self.assertTrue(self.client(port).ping())

    def test_other_address_must_not_fail(self):
        program = Program(self, '--port', free_port(), '--bind', '127.0.0.1', '192.0.2.1')
        self.assertEqual(program.wait(), 1)

    def test_protected_mode_lets_loopback_in(self):
        port = free_port()
        self.run_ready('--port', port, '--protected-mode', 'yes')
        self.assertTrue(self.client(port).ping())
        self.assertTrue(self.client(port, '127.0.0.2').ping())

    def test_protected_mode_refuses_others(self):
        """Without a password, whoever comes from another address is told why, and turned away."""
        address = own_address()
        if address is None:
            self.skipTest('this machine has no other address than loopback')
        port = free_port()
        self.run_ready('--port', port, '--bind', '127.0.0.1', address, '--protected-mode', 'yes')
        with socket.create_connection((address, port), timeout=10) as s:
            told = s.makefile('rb').read()
        self.assertTrue(told.startswith(b'-DENIED '), told)
        self.client(port).config_set('protected-mode', 'no')
        self.assertTrue(self.client(port, address).ping())

    def test_change_port_and_bind_while_running(self):
        first, second = free_port(), free_port()
        self.run_ready('--port', first, '--bind', '127.0.0.1')
        r = self.client(first)
        self.assertTrue(r.config_set('port', second))
        self.assertTrue(self.client(second).ping())
        with self.assertRaises(redis.ConnectionError):
            self.client(first).ping()
        self.assertTrue(r.config_set('bind', '127.0.0.2'))
        self.assertTrue(self.client(second, '127.0.0.2').ping())


def own_address():
    """An address of this machine which is not loopback; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(('192.0.2.1', 9))
            address = s.getsockname()[0]
        except OSError:
            return None
    return None if address.startswith('127.') else address


class Life(ProgramCase):
    def test_log_lines_and_orderly_exit(self):
        for number, name in ((signal.SIGTERM, 'SIGTERM'), (signal.SIGINT, 'SIGINT')):
            program = self.run_ready('--port', free_port(), '--save', '')
            program.process.send_signal(number)
            self.assertEqual(program.wait(), 0)
            said = program.said()
            self.assertRegex(said, rf'(?m)^{program.process.pid}:M \d\d \w\w\w 20\d\d \d\d:\d\d:\d\d\.\d\d\d [*#] ')
            self.assertRegex(said, rf'PID: {program.process.pid}\b|pid={program.process.pid}\b')
            for line in ('Server initialized', READY, f'Received {name} scheduling shutdown', 'User requested shutdown',
                         'now ready to exit, bye bye'):
                self.assertIn(line, said)

    def test_pidfile_and_logfile(self):
        program = Program(self, '--port', free_port(), '--pidfile', 'server.pid', '--logfile', 'server.log')
        program.ready('server.log')
        self.assertEqual(program.said('server.pid').strip(), str(program.process.pid))
        program.process.terminate()
        self.assertEqual(program.wait(), 0)
        self.assertFalse(os.path.exists(program.path('server.pid')), 'the pid file goes with the server')
        self.assertIn('bye bye', program.said('server.log'))

    def test_daemonize(self):
        port = free_port()
        program = Program(self, '--port', port, '--daemonize', 'yes', '--pidfile', 'server.pid',
                          '--logfile', 'server.log')
        self.assertEqual(program.wait(), 0)
        wait_until(lambda: READY in program.said('server.log'), what='the daemon')
        pid = int(program.said('server.pid'))
        try:
            self.assertNotEqual(pid, program.process.pid)
            self.assertEqual(self.client(port).info('server')['process_id'], pid)
            self.assertEqual(os.getsid(pid), pid, 'a session of its own')
        finally:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(f'/proc/{pid}'), what='the end of the daemon')
        self.assertIn('bye bye', program.said('server.log'))

    def test_shutdown_command(self):
        for words in (['SHUTDOWN'], ['SHUTDOWN', 'NOSAVE'], ['SHUTDOWN', 'NOW', 'FORCE']):
            port = free_port()
            program = self.run_ready('--port', port, '--save', '')
            with Wire(type('Address', (), {'port': port})) as w, self.assertRaises(EOFError):
                w.call(*words)
            self.assertEqual(program.wait(), 0)

    def test_maxclients(self):
        with Server(REDOUBT, maxclients=5) as server:
            first = Wire(server)
            wait_until(lambda: b'connected_clients:1\r' in first.ask('INFO', 'clients'), what='a lonely client')
            wires = [first, *[Wire(server) for _ in range(4)]]
            for w in wires:
                self.assertEqual(w.ask('PING'), b'PONG')
            with Wire(server) as sixth:
                self.assertEqual(value(sixth.reply()), Error('ERR max number of clients reached'))
                with self.assertRaises(EOFError):
                    sixth.reply()
            self.assertIn(b'rejected_connections:1\r\n', wires[0].ask('INFO', 'stats'))
            wires[1].close()
            wait_until(lambda: b'connected_clients:4' in wires[0].ask('INFO', 'clients'))
            with Wire(server) as another:
                self.assertEqual(another.ask('PING'), b'PONG')
            for w in wires:
                w.close()

    def test_requirepass(self):
        with Server(REDOUBT, requirepass='secret') as server:
            with Wire(server) as w:
                self.assertEqual(w.ask('GET', 'a'), Error('NOAUTH Authentication required.'))
                self.assertTrue(str(w.ask('AUTH', 'wrong')).startswith('WRONGPASS '))
                self.assertEqual(w.ask('AUTH', 'secret'), b'OK')
                self.assertEqual(w.ask('GET', 'a'), None)
                self.assertEqual(w.ask('CONFIG', 'SET', 'requirepass', ''), b'OK')
            with Wire(server) as w:
                self.assertEqual(w.ask('GET', 'a'), None)
                self.assertTrue(str(w.ask('AUTH', 'x')).startswith('ERR AUTH <password> called without any password'))

    def test_timeout_closes_idle_clients(self):
        with Server(REDOUBT, timeout=1) as server, Wire(server) as idle, Wire(server) as busy:
            start = time.time()
            idle.ask('PING')
            closed = False
            while not closed and time.time() - start < 8:
                self.assertEqual(busy.ask('PING'), b'PONG')
                time.sleep(0.05)
                idle.socket.setblocking(False)
                try:
                    closed = idle.socket.recv(1) == b''
                except BlockingIOError:
                    pass
            self.assertTrue(closed, 'the idle client was not closed')
            self.assertGreater(time.time() - start, 0.9)

    def test_memory_goes_back_without_requests(self):
        """jemalloc-bg-thread: a thread gives back what an idle server needs no more."""
        port = free_port()
        program, r = self.run_ready('--port', port), self.client(port)
        if 'jemalloc' not in r.info('memory')['mem_allocator']:
            self.skipTest('this build has another allocator')

        def threads():
            pid, names = program.process.pid, []
            for task in os.listdir(f'/proc/{pid}/task'):
                with open(f'/proc/{pid}/task/{task}/comm') as f:
                    names.append(f.read().strip())
            return sum('jemalloc' in name for name in names)

        self.assertGreater(threads(), 0)
        r.config_set('jemalloc-bg-thread', 'no')
        self.assertEqual(threads(), 0)
        r.config_set('jemalloc-bg-thread', 'yes')
        self.assertGreater(threads(), 0)

    def test_config_rewrite(self):
        port = free_port()
        program = self.run_ready('server.conf', files={'server.conf': f'# kept\nport {port}\nhz 20\n'})
        r = self.client(port)
        r.config_set('hz', 50)
        r.config_set('timeout', 99)
        self.assertTrue(r.config_rewrite())
        with open(program.path('server.conf')) as f:
            text = f.read()
        self.assertTrue(text.startswith('# kept\n'), text)
        self.assertEqual(re.findall(r'(?m)^hz (\d+)$', text), ['50'])
        self.assertEqual(re.findall(r'(?m)^timeout (\d+)$', text), ['99'])

    @unittest.skipUnless(IS_REDOUBT, 'about us alone')
    def test_nothing_pretends_to_be_saved(self):
        """There is no append-only file yet: its directive is accepted with a notice, its command does not exist."""
        port = free_port()
        program = self.run_ready('--port', port, '--save', '', '--appendonly', 'yes')
        self.assertRegex(program.said(), r'appendonly')
        with self.assertRaisesRegex(redis.ResponseError, 'unknown command'):
            self.client(port).execute_command('BGREWRITEAOF')
        self.client(port).config_set('appendonly', 'no')
        with self.assertRaisesRegex(redis.ResponseError, 'Unable to turn on AOF'):
            self.client(port).config_set('appendonly', 'yes')
        self.assertEqual(self.client(port).config_get('appendonly'), {'appendonly': 'no'})

    @unittest.skipUnless(IS_REDOUBT, 'about us alone')
    def test_identity(self):
        with Server(REDOUBT) as server:
            info = server.client().info('server')
        self.assertRegex(info['redis_version'], r'^7\.4\.\d+$')
        self.assertEqual(info['server_name'], 'redoubt')
        self.assertIn('redoubt_version', info)


if __name__ == '__main__':
    unittest.main()
