"""What README.md shows works when it is pasted: its shell examples are run and their output
compared, its Python examples are run."""
import contextlib
import io
import os
import re
import subprocess
import unittest

from servers import ROOT, Server

README = os.path.join(ROOT, 'README.md')


def blocks():
    """(language, text) of each fenced block, in order."""
    with open(README) as f:
        return re.findall(r'^```(\w*)\n(.*?)^```$', f.read(), re.M | re.S)


class Readme(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server())

    def run_shell(self, text):
        port = str(self.server.port)
        done = subprocess.run(['sh', '-c', text.replace('redis-cli', 'redis-cli -p ' + port)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
        return done.stdout

    def test_shell(self):
        all_blocks = blocks()
        compared = 0
        for (language, text), (next_language, expected) in zip(all_blocks, all_blocks[1:]):
            if language == 'sh' and next_language == '':
                self.assertEqual(self.run_shell(text), expected, text)
                compared += 1
        self.assertGreaterEqual(compared, 3)

    def test_python(self):
        examples = [text for language, text in blocks() if language == 'python']
        self.assertGreaterEqual(len(examples), 3)
        for text in examples:
            text = text.replace('redis.Redis(', f'redis.Redis("127.0.0.1", {self.server.port}, ')
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(text, '<README.md>', 'exec'), {})


if __name__ == '__main__':
    unittest.main()
