#!/usr/bin/env python3
"""Reason codes: each one the program knows stands in the man page and is triggered by a test, and no other does."""
import os
import re

from harness import equal, main, must, test, true

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def read(*names):
    with open(os.path.join(ROOT, *names)) as file:
        return file.read()


CODES = dict(re.findall(r'\{ "([a-z-]+)", (\d+),', read("broker", "verdict.c")))
PAGE = read("docs", "man", "postern-broker.1")


@test("the man page lists exactly the codes that there are, with their statuses")
def _():
    listed = dict(re.findall(r"^\.It Cm ([a-z-]+) Pq (\d+)$", PAGE, re.M))
    equal(listed, CODES)


@test("each code is triggered by a test that looks it up in the log")
def _():
    tests = "".join(read("tests", "broker", name) for name in ("test-release.py", "test-http.py", "test-store.py", "test-launches.py"))
    for code in CODES:
        true(f'"{code}"' in tests, f"no test for {code}")


@test("the man page has every verb and every option")
def _():
    sources = (read("broker", name) for name in os.listdir(os.path.join(ROOT, "broker")) if name.startswith("verb-"))
    verbs = [verb for text in sources for verb in re.findall(r'^    \.name = "([a-z ]+)",$', text, re.M)]
    equal(len(verbs), 23)
    for verb in verbs:
        true(f".Cm {verb}\n" in PAGE and f".Ss postern-broker {verb}\n" in PAGE, f"verb {verb}")
        for option in re.findall(r"^  --([a-z-]+)", must(*verb.split(), "--help"), re.M):
            true(option == "help" or f"Fl -{option}" in PAGE, f"{verb} --{option}")


main()
