#!/usr/bin/env python3
"""Every code that says why something was refused, of guest, volume headers, broker, policies, verification and release: the
program gives it, the manual that lists such codes has it and no other, and a test that brings it about looks for it.

Codes are read out of the tables of the source. Of tests, only what they run counts: neither comments nor docstrings.
Prints TAP.
"""
import ast
import glob
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def c_code(*patterns, but=()):
    """C sources without their comments."""
    paths = sorted(path for pattern in patterns for path in glob.glob(pattern, root_dir=TOP) if path not in but)
    return "".join(re.sub(r"/\*.*?\*/", "", read(path), flags=re.S) for path in paths)


def python_texts(*patterns):
    """The texts that Python programs handle."""
    found = set()
    for path in sorted(path for pattern in patterns for path in glob.glob(pattern, root_dir=TOP)):
        tree = ast.parse(read(path))
        said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        found |= {node.value for node in ast.walk(tree)
                  if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said}
    return found


def listed(page, pattern):
    return set(re.findall(pattern, read(page), flags=re.M))


def check(kind, codes, least, given, tested, documented):
    """`given` and `tested` say of a code whether it is; `documented` are all that the manual lists, None: another test's."""
    tap.ok(len(codes) >= least, f"{kind}: the codes were found", codes)
    tap.same(sorted(code for code in codes if not given(code)), [], f"{kind}: there is code that gives each")
    tap.same(sorted(code for code in codes if not tested(code)), [], f"{kind}: a test brings each about")
    if documented is not None:
        tap.same(sorted(documented), sorted(codes), f"{kind}: the manual lists these and no others")


def check_guest():
    names = dict(reversed(row) for row in re.findall(r'X\((\w+), "(E-[A-Z-]+)", ', read("init/refusal.h")))
    code = c_code("init/*.c", but=("init/refusal.c",))
    texts = python_texts("tests/vm/test-*.py")
    listed_codes = re.findall(r"^\.It Cm (E-[A-Z-]+) Pq (\d+)$", read("docs/man/postern-init.8"), flags=re.M)
    tap.same({code: int(number) for code, number in listed_codes}, {code: 201 + i for i, code in enumerate(names)},
             "postern-init: the manual gives each its number")
    check("postern-init", names, 27, lambda c: re.search(rf"\bREFUSAL_{names[c]}\b", code) or rf'\"{c}\"' in code,
          lambda c: c in texts, [code for code, _ in listed_codes])


def check_headers():
    names = dict(reversed(row) for row in re.findall(r'X\((\w+), "(H-[A-Z-]+)"\)', read("luks/header.h")))
    code, tests = c_code("luks/*.c"), c_code("tests/unit/test-luks-header*.c")
    check("headers", names, 40, lambda c: re.search(rf"\bHEADER_{names[c]}\b", code),
          lambda c: re.search(rf"\bHEADER_{names[c]}\b", tests), listed("docs/man/postern-volume.1", r"^\.It Cm (H-[A-Z-]+)$"))


def check_broker():
    names = dict(reversed(row) for row in re.findall(r'\[VERDICT_(\w+)\] = \{ "([a-z-]+)", \d+,', read("broker/verdict.c")))
    code, texts = c_code("broker/*.c", but=("broker/verdict.c",)), python_texts("tests/broker/test-*.py")
    check("postern-broker", names, 20, lambda c: re.search(rf"\bVERDICT_{names[c]}\b", code), lambda c: c in texts,
          listed("docs/man/postern-broker.1", r"^\.It Cm ([a-z-]+) Pq \d+$"))


def check_policies():
    """postern-policy(5) has them in a text, which tests/lint/test-policy-documents.py reads."""
    code = c_code("attest/policy.c", "attest/policy-verify.c")
    names = set(re.findall(r'(?:policy_add_\w+|check_\w+)\([^;]*?"([a-z_]+(?:\.[a-z_]+)?)"', code))
    tests = c_code("tests/unit/test-policy*.c")
    check("policies", names, 20, lambda c: True, lambda c: f'"{c}"' in tests or f'"{c}.' in tests, None)


def check_verification():
    """A code stands at the start of a line; where nothing was looked at, or all is well, in JSON. Names of policy checks,
    which are codes as well, are looked at above."""
    code, page = c_code("cli/*.c"), read("docs/man/postern-verify.1")
    table = re.search(r"codes\[\] = \{.*?\};", code, re.S).group()
    given = re.findall(r"(?:give\(|->code =|\.code =|REJECTED \?).*", code)
    names = set(re.findall(r'"([a-z]+)"', table + "".join(given)))
    texts = python_texts("tests/cli/test-*.py", "tests/vm/test-*.py")
    check("postern verify", names, 9, lambda c: True,
          lambda c: c in texts if c in ("input", "good") else any(text.startswith(f"postern: {c}: ") for text in texts),
          re.findall(r"^\.Li ([a-z]+)$", re.search(r"^Reasons, .*?^\.Xr", page, flags=re.S | re.M).group(), flags=re.M) + ["good"])


def check_release():
    names = set(re.findall(r"^    (RELEASE_\w+),", read("release/client.h"), flags=re.M))
    code, tests = c_code("release/*.c", but=("release/outcome.c",)), c_code("tests/unit/test-release-*.c")
    check("release", names, 9, lambda c: re.search(rf"\b{c}\b", code), lambda c: re.search(rf"\b{c}\b", tests), None)


def main():
    check_guest()
    check_headers()
    check_broker()
    check_policies()
    check_verification()
    check_release()
    tap.done()


main()
