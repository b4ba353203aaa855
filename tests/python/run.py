#!/usr/bin/env python3
"""Runs the unit tests beside it. One line for each in CMocka's words, so that whoever counts those
of C counts these too. Usage: run.py [NAME..], where NAME is a part of a test's name."""
import os
import signal
import sys
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "sdk", "python")]


DEADLINE_S = 30  # a test that waits for what never comes has failed; the slowest takes two


def overdue(_signal, _frame):
    raise AssertionError(f"not done after {DEADLINE_S} s")


class Result(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        signal.alarm(DEADLINE_S)

    def stopTest(self, test):
        signal.alarm(0)
        super().stopTest(test)

    def addSuccess(self, test):
        print(f"[       OK ] {test.id()}", flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        print(f"[  FAILED  ] {test.id()}\n{self.failures[-1][1]}", flush=True)

    def addError(self, test, err):
        super().addError(test, err)
        print(f"[  FAILED  ] {test.id()}\n{self.errors[-1][1]}", flush=True)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            kind = self.failures if issubclass(err[0], test.failureException) else self.errors
            print(f"[  FAILED  ] {subtest.id()}\n{kind[-1][1]}", flush=True)


def named(suite, wanted):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from named(test, wanted)
        elif not wanted or any(word in test.id() for word in wanted):
            yield test


def main():
    signal.signal(signal.SIGALRM, overdue)
    found = unittest.TestLoader().discover(HERE, "test_*.py", HERE)
    tests = list(named(found, sys.argv[1:]))
    result = Result()
    unittest.TestSuite(tests).run(result)
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} of {result.testsRun} passed")
    return 0 if tests and not bad and not result.unexpectedSuccesses else 1


if __name__ == "__main__":
    sys.exit(main())
