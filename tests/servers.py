"""Servers for tests: ours and, to compare with, Debian's redis-server. Loopback only, in a folder of their own."""
import os
import shutil
import socket
import subprocess
import tempfile
import time

import redis

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# REDOUBT_SERVER points the tests at another binary: Debian's redis-server passes all that are not about us alone.
REDOUBT = os.environ.get('REDOUBT_SERVER', os.path.join(ROOT, 'build/redoubt-server'))
SANITIZED = os.environ.get('REDOUBT_SERVER_SANITIZED', os.path.join(ROOT, 'build/asan/redoubt-server'))
REDIS = shutil.which('redis-server')
IS_REDOUBT = 'redoubt' in os.path.basename(REDOUBT)

# A sanitized server must say what it found and give up; a refused allocation is an answer, not a crash.
ENVIRONMENT = {**os.environ, 'ASAN_OPTIONS': 'detect_leaks=1:allocator_may_return_null=1',
               'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1'}


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def wait_until(condition, seconds=10, what='the condition'):
    """Poll until condition() is true; its value is returned."""
    deadline = time.time() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.time() > deadline:
            raise AssertionError(f'{what} did not come true in {seconds} s')
        time.sleep(0.01)


class Server:
    """A server process; use it in a with statement. options become --name value arguments."""

    def __init__(self, binary=REDOUBT, config='', **options):
        self.binary = binary
        self.port = free_port()
        self.dir = tempfile.mkdtemp(prefix='redoubt-test-')
        self.socket = os.path.join(self.dir, 'server.sock')
        self.log = os.path.join(self.dir, 'log')
        self.options = {'port': self.port, 'unixsocket': self.socket, 'dir': self.dir,
                        'save': '', 'enable-debug-command': 'yes', **options}
        self.config = config
        self.process = None

    def arguments(self):
        args = [self.binary]
        if self.config:
            path = os.path.join(self.dir, 'server.conf')
            with open(path, 'w') as f:
                f.write(self.config)
            args.append(path)
        for name, value in self.options.items():
            args += ['--' + name, *(value if isinstance(value, list) else [str(value)])]
        return args

    def start(self):
        with open(self.log, 'w') as log:
            self.process = subprocess.Popen(self.arguments(), stdout=log, stderr=subprocess.STDOUT,
                                            cwd=self.dir, env=ENVIRONMENT)
        deadline = time.time() + 20
        while time.time() < deadline:
            try:
                with socket.create_connection(('127.0.0.1', self.port), timeout=1):
                    return self
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.02)
        raise RuntimeError('the server did not start:\n' + self.log_text())

    def log_text(self):
        with open(self.log, errors='replace') as f:
            return f.read()

    def client(self, **kwargs):
        kwargs.setdefault('decode_responses', False)
        return redis.Redis(host='127.0.0.1', port=self.port, **kwargs)

    def raw(self):
        s = socket.create_connection(('127.0.0.1', self.port), timeout=20)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def cpu_seconds(self):
        """CPU time of all threads, from the scheduler's own count in nanoseconds."""
        total = 0
        for task in os.listdir(f'/proc/{self.process.pid}/task'):
            with open(f'/proc/{self.process.pid}/task/{task}/schedstat') as f:
                total += int(f.read().split()[0])
        return total / 1e9

    def resident_bytes(self):
        with open(f'/proc/{self.process.pid}/statm') as f:
            return int(f.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')

    def stop(self):
        """Ask it to end; returns its exit status."""
        if self.process is None:
            return None
        self.process.terminate()
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process = None
        return status

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        ended_itself = self.process is None or self.process.poll() is not None
        status = self.stop()
        text = self.log_text()
        shutil.rmtree(self.dir, ignore_errors=True)
        if exc[0] is None and 'Sanitizer' in text:
            raise AssertionError('a sanitizer complained:\n' + text[-6000:])
        if exc[0] is None and not ended_itself and status != 0:
            raise AssertionError(f'the server ended with {status}:\n' + text[-6000:])
        return False
