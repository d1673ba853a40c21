"""For the Python tests: runs the programs of image/, and prints unittest results as TAP lines."""
import os
import subprocess
import sys
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class ProgramTest(unittest.TestCase):
    """Tests of one program, whose path below the project is `program`."""
    program = None

    def run_program(self, *args, **more):
        return subprocess.run([os.path.join(TOP, self.program), *args], capture_output=True, text=True, **more)

    def assert_refused(self, done, *parts):
        """It failed, printed nothing, and one sentence on standard error holds all the parts."""
        self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (1, "", 1), done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)


class Result(unittest.TestResult):
    def line(self, word, test, detail=""):
        print(f"{word} {self.testsRun} - {test.shortDescription() or test.id()}")
        for row in detail.splitlines():
            print(f"# {row}")

    def addSuccess(self, test):
        self.line("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line("not ok", test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.line("not ok", test, self.errors[-1][1])


def main():
    result = Result()
    unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"]).run(result)
    print(f"1..{result.testsRun}")
    sys.exit(0 if result.wasSuccessful() else 1)
