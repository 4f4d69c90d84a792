"""What today's clients and tools send when they connect: each sequence comes up without an error.

The sequences follow the clients' own sources. An error reply is allowed only where
Redis 7.4 gives one too and the client is known to live with it; CLIENT MAINT_NOTIFICATIONS must not be one, since
node-redis reports it to its user.
"""
import unittest

from servers import IS_REDOUBT, REDOUBT, Server
from wire import Error, Wire

SETINFO = [('CLIENT', 'SETINFO', 'LIB-NAME', 'some-library'), ('CLIENT', 'SETINFO', 'LIB-VER', '1.2.3')]
MAINT = [('CLIENT', 'MAINT_NOTIFICATIONS', 'ON', 'moving-endpoint-type', 'internal-ip')]

SEQUENCES = {
    'redis-py 8': [('HELLO', 3), ('CLIENT', 'SETNAME', 'worker'), *SETINFO, *MAINT, ('SELECT', 1), ('PING',)],
    'redis-py 4': [('SELECT', 1), ('CLIENT', 'SETNAME', 'worker')],
    'node-redis': [('HELLO', 3), ('CLIENT', 'SETINFO', 'LIB-VER', '6.3.1'), ('CLIENT', 'SETINFO', 'LIB-NAME', 'node-redis'),
                   ('CLIENT', 'MAINT_NOTIFICATIONS', 'ON', 'moving-endpoint-type', 'external-fqdn'), ('SELECT', 2)],
    'node-redis, bare': [('HELLO', 3), ('CLIENT', 'MAINT_NOTIFICATIONS', 'ON')],
    'go-redis': [('HELLO', 3, 'SETNAME', 'go'), ('CLIENT', 'SETINFO', 'LIB-NAME', 'go-redis(,go1.24)'),
                 ('CLIENT', 'SETINFO', 'LIB-VER', '9.20.0'),
                 ('CLIENT', 'MAINT_NOTIFICATIONS', 'ON', 'moving-endpoint-type', 'none'), ('SELECT', 1)],
    'Lettuce': [('HELLO', 3), ('CLIENT', 'SETINFO', 'lib-name', 'Lettuce'), ('CLIENT', 'SETINFO', 'lib-ver', '7.1.0'), *MAINT,
                ('SELECT', 0), ('PING',)],
    'Jedis': [('HELLO', 3, 'SETNAME', 'jedis'), ('CLIENT', 'SETINFO', 'LIB-NAME', 'jedis'),
              ('CLIENT', 'SETINFO', 'LIB-VER', '6.1.0'), ('SELECT', 1)],
    'StackExchange.Redis': [('HELLO', 3, 'SETNAME', 'machine'), ('CLIENT', 'SETNAME', 'machine'),
                            ('CLIENT', 'SETINFO', 'lib-name', 'SE.Redis'), ('CLIENT', 'SETINFO', 'lib-ver', '2.10.1'),
                            ('CLIENT', 'ID'), ('CONFIG', 'GET', 'slave-read-only'), ('CONFIG', 'GET', 'databases'),
                            ('INFO', 'replication'), ('INFO', 'server'), ('GET', '__Booksleeve_TieBreak'),
                            ('ECHO', b'\x01\x02unique\xff')],
    'ioredis': [('INFO',), ('CLIENT', 'SETNAME', 'io'), ('CLIENT', 'SETINFO', 'LIB-VER', '5.8.0'),
                ('CLIENT', 'SETINFO', 'LIB-NAME', 'ioredis'), ('SELECT', 1)],
    'BullMQ': [('INFO',), ('CLIENT', 'SETNAME', 'bull:cXVldWU='), ('CONFIG', 'GET', 'maxmemory-policy')],
    'Sidekiq': [('HELLO', 3), ('CLIENT', 'SETINFO', 'LIB-NAME', 'redis-client(sidekiq-8.0)'),
                ('CLIENT', 'SETINFO', 'LIB-VER', '0.26'), ('INFO',), ('CONFIG', 'GET', 'maxmemory-policy'),
                ('SET', 'stat', 1, 'EX', 5 * 365 * 86400), ('INCRBY', 'stat:processed', 1),
                ('EXPIRE', 'stat:processed', 5 * 365 * 86400)],
    'RedisInsight': [('INFO',), ('INFO', 'server'), ('CONFIG', 'GET', 'databases'), ('COMMAND', 'INFO', 'GET', 'NOSUCH'),
                     ('CLIENT', 'SETNAME', 'redisinsight-common'), ('DBSIZE',), ('SCAN', 0, 'MATCH', '*', 'COUNT', 500),
                     ('TYPE', 'x'), ('TTL', 'x'), ('MEMORY', 'USAGE', 'x', 'SAMPLES', 0), ('SLOWLOG', 'GET', 50),
                     ('CLIENT', 'LIST'), ('INFO', 'KEYSPACE')],
    'redis_exporter': [('CLIENT', 'SETNAME', 'redis_exporter'), ('CONFIG', 'GET', '*'), ('INFO', 'ALL'), ('SLOWLOG', 'LEN'),
                       ('SLOWLOG', 'GET', 1), ('LATENCY', 'LATEST'), ('LATENCY', 'HISTOGRAM'), ('CLIENT', 'LIST'),
                       ('COMMAND', 'INFO', 'COMMANDLOG'), ('SCAN', 0, 'MATCH', '*', 'COUNT', 10), ('TYPE', 'x'),
                       ('MEMORY', 'USAGE', 'x'), ('STRLEN', 'x')],
    'redis-cli': [('COMMAND', 'DOCS'), ('COMMAND',), ('HELLO', 3), ('CONFIG', 'GET', 'databases'), ('INFO', 'SERVER')],
    'redis-benchmark': [('CONFIG', 'GET', 'save'), ('CONFIG', 'GET', 'appendonly'), ('SELECT', 1)],
    'memtier': [('HELLO', 2), ('SELECT', 1), ('SET', 'memtier-1', 'x' * 32), ('GET', 'memtier-1')],
    'valkey-glide': [('HELLO', 3), ('CLIENT', 'SETINFO', 'LIB-NAME', 'GlidePy'), ('CLIENT', 'SETINFO', 'LIB-VER', '2.1'),
                     ('CLIENT', 'SETNAME', 'glide'), ('INFO', 'REPLICATION'), ('PING',)],
    'Celery and RQ': [('CLIENT', 'SETNAME', 'celery'), *SETINFO, ('INFO', 'server'), ('SETNX', 'lock', 1), ('EXISTS', 'x')],
}
# What Redis refuses too; the beginning of the error is what the client looks at.
REFUSED = {
    'cluster probe': [(('CLUSTER', 'NODES'), 'ERR This instance has cluster support disabled'),
                      (('CLUSTER', 'INFO'), 'ERR This instance has cluster support disabled'),
                      (('CLUSTER', 'SLOTS'), 'ERR This instance has cluster support disabled')],
    'unknown to Redis 7.4': [(('CLIENT', 'NOSUCH'), 'ERR unknown subcommand'), (('SENTINEL', 'MASTERS'), 'ERR unknown command'),
                             (('COMMANDLOG', 'GET'), 'ERR unknown command')],
    'AUTH without a password': [(('AUTH', 'x'), 'ERR AUTH <password> called without any password configured'),
                                (('AUTH',), "ERR wrong number of arguments for 'auth' command"),
                                (('AUTH', 'nobody', 'x'), 'WRONGPASS invalid username-password pair')],
    'HELLO of the future': [(('HELLO', 4), 'NOPROTO unsupported protocol version'),
                            (('HELLO', 'x'), 'ERR Protocol version is not an integer')],
}


class Connect(unittest.TestCase):
    OPTIONS = {}
    BEFORE = []

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(REDOUBT, **cls.OPTIONS))

    def test_sequences(self):
        for client, requests in SEQUENCES.items():
            for pipelined in (False, True):
                with self.subTest(client, pipelined=pipelined), Wire(self.server) as w:
                    requests = [*self.BEFORE, *requests]
                    replies = w.pipeline(requests) if pipelined else [w.call(*r) for r in requests]
                    for request, reply in zip(requests, replies):
                        if not IS_REDOUBT and request[1:2] in (('SETINFO',), ('MAINT_NOTIFICATIONS',)):
                            continue  # Debian's Redis is older than these
                        self.assertNotIn(reply[:1], b'-!', f'{request}: {reply}')

    def test_refusals(self):
        for name, requests in REFUSED.items():
            with self.subTest(name), Wire(self.server) as w:
                w.pipeline(self.BEFORE)
                for request, start in requests:
                    if self.BEFORE and request[0] == 'AUTH':
                        continue
                    reply = w.ask(*request)
                    self.assertIsInstance(reply, Error, request)
                    self.assertTrue(str(reply).startswith(start), reply)

    def test_hello_says_who_we_are(self):
        for resp in (2, 3):
            with Wire(self.server) as w:
                w.pipeline(self.BEFORE)
                reply = w.ask('HELLO', resp)
                fields = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))
                self.assertEqual(isinstance(reply, dict), resp == 3)
                self.assertEqual(list(fields), [b'server', b'version', b'proto', b'id', b'mode', b'role', b'modules'])
                self.assertEqual((fields[b'server'], fields[b'proto'], fields[b'mode'], fields[b'role'], fields[b'modules']),
                                 (b'redis', resp, b'standalone', b'master', []))
                self.assertRegex(fields[b'version'], rb'^7\.\d+\.\d+$')
                self.assertEqual(fields[b'id'], w.ask('CLIENT', 'ID'))

    def test_info_has_what_clients_read(self):
        with Wire(self.server) as w:
            w.pipeline(self.BEFORE)
            text = w.ask('INFO').decode()
        fields = dict(line.split(':', 1) for line in text.split('\r\n') if ':' in line)
        self.assertEqual(fields['loading'], '0')
        self.assertEqual(fields['role'], 'master')
        self.assertEqual(fields['cluster_enabled'], '0')
        self.assertEqual(fields['maxmemory_policy'], 'noeviction')
        self.assertEqual(fields['arch_bits'], '64')
        self.assertEqual(len(fields['run_id']), 40)
        self.assertGreaterEqual([int(n) for n in fields['redis_version'].split('.')][:2], [7, 0])

    @unittest.skipUnless(IS_REDOUBT, 'newer than Debian\'s Redis')
    def test_library_shows_in_client_list(self):
        with Wire(self.server) as w:
            w.pipeline([*self.BEFORE, *SETINFO])
            self.assertIn(b'lib-name=some-library lib-ver=1.2.3', w.ask('CLIENT', 'INFO'))
            self.assertIsInstance(w.ask('CLIENT', 'SETINFO', 'lib-name', 'with space'), Error)


class ConnectWithPassword(Connect):
    OPTIONS = {'requirepass': 'secret'}
    BEFORE = [('HELLO', 2, 'AUTH', 'default', 'secret')]

    def test_before_authentication(self):
        with Wire(self.server) as w:
            for request in (('PING',), ('CLIENT', 'ID'), ('SELECT', 1), ('INFO',)):
                self.assertTrue(str(w.ask(*request)).startswith('NOAUTH '), request)
            reply = w.ask('HELLO', 3)
            self.assertTrue(str(reply).startswith('NOAUTH HELLO must be called with the client already authenticated'), reply)
            self.assertEqual(w.ask('HELLO', 3, 'AUTH', 'default', 'secret', 'SETNAME', 'me')[b'proto'], 3)
            self.assertEqual(w.ask('CLIENT', 'GETNAME'), b'me')


if __name__ == '__main__':
    unittest.main()
