#!/usr/bin/python3 -B
"""tests/run: what counts as a failure, and what is run a second time."""
import os
import tempfile

import tap


class Run(tap.ProgramTest):
    program = "tests/run"

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def script(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path

    def good(self):
        return self.script("good", "echo 1..1; echo ok 1 - one\n")

    def bad(self, name="bad"):
        return self.script(name, "echo 1..1; echo not ok 1 - one; exit 1\n")

    def disturbed(self):
        mark = os.path.join(self.folder, "mark")
        return self.script("disturbed", f"echo 1..1; [ -e {mark} ] && exec echo ok 1 - one; touch {mark}\n"
                                        "echo not ok 1 - one; exit 1\n")

    def closing(self, *words):
        done = self.run_program(*words)
        return done.returncode, done.stdout.splitlines()[-1]

    def test_counts(self):
        self.assertEqual(self.closing(self.good(), self.good()), (0, "2 passed, 0 failed"))
        self.assertEqual(self.closing(self.good(), self.bad()), (1, "1 passed, 1 failed"))

    def test_what_cannot_be_right_is_a_failure(self):
        for text in ("true\n", "echo 1..2; echo ok 1 - one\n", "echo 1..1; echo ok 1 - one; exit 3\n", "kill -9 $$\n"):
            self.assertEqual(self.closing(self.script("odd", text))[0], 1, text)

    def test_alone_a_failure_is_final(self):
        self.assertEqual(self.closing(self.disturbed()), (1, "0 passed, 1 failed"))

    def test_beside_others_a_failed_program_is_run_again_by_itself_and_named(self):
        done = self.run_program("-j", "2", self.disturbed(), self.good())
        self.assertEqual((done.returncode, done.stdout.splitlines()[-1]), (0, "2 passed, 0 failed"))
        self.assertIn("failed beside others: " + self.folder + "/disturbed\n", done.stdout)
        self.assertIn("not ok 1 - one\n", done.stdout)
        self.assertEqual(self.closing("-j", "2", self.bad(), self.good()), (1, "1 passed, 1 failed"))

    def test_more_than_three_that_fail_are_not_the_neighbours_fault(self):
        programs = [self.disturbed(), *[self.bad(f"bad-{i}") for i in range(3)]]
        self.assertEqual(self.closing("-j", "2", *programs), (1, "0 passed, 4 failed"))


if __name__ == "__main__":
    tap.main()
