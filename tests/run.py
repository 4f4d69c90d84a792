#!/usr/bin/python3
"""Run the tests: unit tests in C under the sanitizers, then everything that talks to a running server.

    tests/run.py             all of it
    tests/run.py unit        only the unit tests
    tests/run.py NAME ...    only the modules of tests/integration and tests/compat with these names

The last line is 'N passed, N failed, N skipped', and the exit status is 0 only if none failed.
"""
import glob
import importlib.util
import os
import re
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SANITIZED = 'build/asan'
JOBS = str(os.cpu_count() or 1)


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0

    def line(self):
        return f'{self.passed} passed, {self.failed} failed, {self.skipped} skipped'


def make(*args):
    """Build; a failure to build ends the run."""
    command = ['make', '-s', '-j' + JOBS, *args]
    print('$', ' '.join(command), flush=True)
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        print('the build failed', flush=True)
        print('0 passed, 1 failed, 0 skipped')
        sys.exit(1)


def sanitizer_environment():
    env = dict(os.environ)
    env['ASAN_OPTIONS'] = 'abort_on_error=0:detect_leaks=1:allocator_may_return_null=1'
    env['UBSAN_OPTIONS'] = 'print_stacktrace=1:halt_on_error=1'
    return env


def run_units(tally):
    make('BUILD=' + SANITIZED, 'MODE=debug', 'SANITIZE=address,undefined', 'units')
    for source in sorted(glob.glob(os.path.join(ROOT, 'tests/unit/test_*.c'))):
        name = os.path.basename(source)[:-2]
        done = subprocess.run([os.path.join(ROOT, SANITIZED, 'unit', name)], cwd=ROOT, text=True,
                              errors='replace', env=sanitizer_environment(),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        passed = len(re.findall(r'^\[       OK \]', done.stdout, re.M))
        failed = len(set(re.findall(r'^\[  FAILED  \] (\w+)$', done.stdout, re.M)))
        skipped = len(re.findall(r'^\[  SKIPPED \] \w+$', done.stdout, re.M)) // 2
        if done.returncode != 0 and failed == 0:
            failed = 1
        tally.passed += passed
        tally.failed += failed
        tally.skipped += skipped
        print(f'unit {name}: {passed} passed, {failed} failed', flush=True)
        if failed:
            print(done.stdout, flush=True)


class Result(unittest.TextTestResult):
    """Say each test's name and outcome on a line, the reason where it was skipped."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def run_module(path, tally):
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Result)
    result = runner.run(suite)
    tally.passed += result.passed
    tally.failed += len(result.failures) + len(result.errors)
    tally.skipped += len(result.skipped)


def modules():
    """(name, path), in the order in which they run."""
    return [(os.path.basename(path)[len('test_'):-3], path) for folder in ('integration', 'compat')
            for path in sorted(glob.glob(os.path.join(ROOT, 'tests', folder, 'test_*.py')))]


def main(args):
    tally = Tally()
    unknown = set(args) - {'unit'} - {name for name, _ in modules()}
    if unknown:
        print('there is no module', *sorted(unknown))
        return 1
    if not args or 'unit' in args:
        run_units(tally)
    if args != ['unit']:
        make('build/redoubt-server')
        make('BUILD=' + SANITIZED, 'MODE=debug', 'SANITIZE=address,undefined',
             SANITIZED + '/redoubt-server')
        for folder in ('', 'integration', 'compat'):
            sys.path.insert(0, os.path.join(ROOT, 'tests', folder))
        for name, path in modules():
            if not args or name in args:
                run_module(path, tally)
    print(tally.line(), flush=True)
    return 1 if tally.failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
