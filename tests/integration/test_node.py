"""Node.js libraries do their usual work: see node/. Skipped where npm or the network is missing."""
import os
import shutil
import subprocess
import unittest

from servers import IS_REDOUBT, REDOUBT, Server

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'node')
INSTALLED = os.path.join(FOLDER, 'node_modules/.package-lock.json')
OLDEST_NODE = 20  # what node-redis asks for


def install():
    """Bring node-redis as package-lock.json says, unless it is there; skip the tests where that is impossible."""
    if shutil.which('node') is None or shutil.which('npm') is None:
        raise unittest.SkipTest('node or npm is not installed')
    version = subprocess.run(['node', '--version'], capture_output=True, text=True).stdout.strip()
    if int(version.lstrip('v').split('.')[0]) < OLDEST_NODE:
        raise unittest.SkipTest(f'node-redis needs Node.js {OLDEST_NODE}, this is {version}')
    lock = os.path.join(FOLDER, 'package-lock.json')
    if os.path.exists(INSTALLED) and os.path.getmtime(INSTALLED) >= os.path.getmtime(lock):
        return
    try:
        done = subprocess.run(['npm', 'install', '--no-save', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund',
                               '--fetch-retries=1'], cwd=FOLDER,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=90)
    except subprocess.TimeoutExpired:
        raise unittest.SkipTest('npm did not end in 90 s') from None
    if done.returncode != 0:
        raise unittest.SkipTest('npm cannot install the libraries: ' + done.stdout[-500:])


class Node(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        install()
        cls.server = cls.enterClassContext(Server(REDOUBT))

    def run_script(self, name):
        done = subprocess.run(['node', name, str(self.server.port)], cwd=FOLDER, timeout=120, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn('all done', done.stdout)

    def test_usual_work(self):
        self.run_script('client.js')

    @unittest.skipUnless(IS_REDOUBT, 'rollback is ours')
    def test_rollback(self):
        self.run_script('rollback.js')

    def test_queues(self):
        self.run_script('queues.js')


if __name__ == '__main__':
    unittest.main()
