#!/usr/bin/env python3
"""What the house asks of the tree itself: dependencies one way, sizes, banned calls, parsers fuzzed, codes documented.

Prints TAP.
"""
import glob
import os
import re
import statistics
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402

# A room may include itself and what stands below it.
BELOW = {
    "base": [], "measure": ["base"], "attest": ["base", "measure"], "release": ["base", "measure", "attest"],
    "luks": ["base", "measure"], "init": ["base", "measure", "attest", "release", "luks"],
    "broker": ["base", "measure", "attest", "release"], "psp": ["base", "measure", "attest"],
    "cli": ["base", "measure", "attest", "release", "luks"],
}
LIBRARIES = ["base", "measure", "attest", "release", "luks"]
MOST_LINES = 800
MOST_FUNCTION_LINES = 100
BANNED = ("strcpy strcat sprintf vsprintf strncpy strtok atoi atol gets system popen alloca sscanf "
          "rand random getenv").split()
PRINTING = ["printf", "puts", "fputs", "perror", "syslog", "fprintf", "log_error", "log_info"]
MAY_PRINT = ["base/log.c", "base/command.c"]


def sources(*endings):
    """Every source file of the rooms, by its path."""
    found = []
    for room in BELOW:
        for folder, _, names in os.walk(os.path.join(TOP, room)):
            found += [os.path.relpath(os.path.join(folder, name), TOP) for name in names if name.endswith(endings)]
    return sorted(found)


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def code(path):
    """A file's text without comments and strings."""
    return re.sub(r'/\*.*?\*/|"(\\.|[^"\\])*"', lambda m: re.sub(r"[^\n]", " ", m.group()), read(path), flags=re.S)


def check_dependencies():
    wrong = []
    for path in sources(".c", ".h"):
        room = path.split("/")[0]
        for included in re.findall(r'#include "(\w+)/', read(path)):
            if included != room and included not in BELOW[room]:
                wrong.append(f"{path} includes {included}/")
    tap.same(wrong, [], "rooms depend one way")


def check_sizes():
    lines = {path: read(path).count("\n") for path in sources(".c", ".h")}
    tests = {path: read(path).count("\n") for path in glob.glob("tests/**/*.[chp]*", root_dir=TOP, recursive=True)
             if path.endswith((".c", ".h", ".py"))}
    tap.same([path for path, count in (lines | tests).items() if count > MOST_LINES], [], f"no file over {MOST_LINES} lines")
    median = statistics.median(lines[path] for path in lines if path.endswith(".c"))
    tap.ok(median <= 300, "the median source file has at most 300 lines", median)
    long = []
    for path in sources(".c"):
        for match in re.finditer(r"^[\w].*\)\n\{\n(.*?)^\}", read(path), flags=re.S | re.M):
            if match.group(1).count("\n") > MOST_FUNCTION_LINES:
                long.append(f"{path}: {match.group().splitlines()[0]}")
    tap.same(long, [], f"no function over {MOST_FUNCTION_LINES} lines")
    wide = [path for path in sources(".c", ".h") if any(len(line) > 120 for line in read(path).splitlines())]
    tap.same(wide, [], "no line over 120 columns")


def check_calls():
    pattern = re.compile(r"\b(" + "|".join(BANNED) + r")\s*\(")
    found = [f"{path}: {match.group(1)}" for path in sources(".c", ".h") for match in pattern.finditer(code(path))]
    tap.same(found, [], "no banned call")
    pattern = re.compile(r"\b(" + "|".join(PRINTING) + r")\s*\(")
    found = [f"{path}: {match.group(1)}" for path in sources(".c") if path.split("/")[0] in LIBRARIES
             and path not in MAY_PRINT for match in pattern.finditer(code(path))]
    tap.same(found, [], "libraries print nothing")


def check_parsers():
    """Each *-parse.c has a fuzz target that says so in its first comment, and a corpus."""
    targets = {}
    for name in os.listdir(os.path.join(TOP, "tests/fuzz")):
        if name.startswith("fuzz-") and name.endswith(".c"):
            for parser in re.findall(r"[\w/-]+-parse\.c", read(f"tests/fuzz/{name}")):
                targets[parser] = name[:-2]
    parsers = [path for path in sources("-parse.c")]
    tap.same([path for path in parsers if path not in targets], [], "each parser has a fuzz target")
    empty = [target for target in targets.values() if not os.path.isdir(os.path.join(TOP, "tests/fuzz/corpus", target))]
    tap.same(empty, [], "each fuzz target has a corpus")
    forbidden = re.compile(r"\b(open|read|write|fopen|socket|ioctl|printf|log_\w+)\s*\(")
    doing = [f"{path}: {match.group(1)}" for path in parsers for match in forbidden.finditer(code(path))]
    tap.same(doing, [], "parsers do no I/O")


def check_reports():
    """Who may obtain a report that a broker releases keys for, and who may ask for any without attest/device.c."""
    release = [path for path in sources(".c") if "PURPOSE_RELEASE" in code(path) and "device_request" in code(path)]
    tap.same(sorted(release), ["cli/get-resource.c", "init/release-stage.c"],
             "PID 1's release stage and postern get-resource alone ask for reports with the release tag")
    ways = re.compile(r"\b(sev_guest_get_report|tsm_get_report|tsm_exchange|SNP_GET_REPORT|SNP_GET_EXT_REPORT)\b")
    users = {path for path in sources(".c") if ways.search(code(path)) and not path.startswith("psp/shim/")}
    tap.same(sorted(users), ["attest/device-ioctl.c", "attest/device-tsm.c", "attest/device.c"],
             "attest/device.c alone asks the processor for reports")


def check_documents():
    codes = re.findall(r'X\(\w+, "(H-[A-Z-]+)"\)', read("luks/header.h"))
    manual = re.findall(r"^\.It Cm (H-[A-Z-]+)\n.*\.$", read("docs/man/postern-volume.1"), flags=re.M)
    tap.ok(len(codes) >= 40, "the codes of refused headers were found", codes)
    tap.same(manual, codes, "postern-volume(1) has a sentence on each header code, in the order of luks/header.h")
    named = re.findall(r"\| (tests/[\w/-]+)(?:, ([\w/-]+))? \|$", read("docs/threats.md"), flags=re.M)
    missing = [name for row in named for name in row if name and not exists_test(name)]
    tap.same(missing, [], "every test that docs/threats.md names exists")
    rooms = [room for room in os.listdir(TOP) if os.path.isdir(os.path.join(TOP, room)) and room[0] != "." and room != "build"]
    readme = read("README.md")
    tap.same([room for room in rooms if f"`{room}/`" not in readme], [], "README.md says what each folder is for")
    headers = [room for room in BELOW if not os.path.isfile(os.path.join(TOP, room, f"{room}.h"))]
    tap.same(headers, [], "each room opens with a header that says what it is for")


def exists_test(name):
    folder, _, last = name.rpartition("/")
    folder = os.path.join(TOP, folder or "tests/unit")
    if name.startswith("tests/") and os.path.isdir(os.path.join(TOP, name)):
        return True
    return any((entry + ".").startswith(prefix + last + ".") for entry in os.listdir(folder) for prefix in ("", "test-"))


def check_scripts():
    listed = subprocess.run(["git", "-C", TOP, "-c", f"safe.directory={TOP}", "ls-files", "-z"], check=False,
                            stdout=subprocess.PIPE).stdout.decode().split("\0")
    shell = [path for path in listed if path and os.path.isfile(os.path.join(TOP, path)) and first_line(path).startswith("#!/bin/sh")]
    tap.ok(len(shell) > 5, "there are shell scripts to look at", shell)
    done = subprocess.run(["shellcheck", "-x", *shell], cwd=TOP, stdout=subprocess.PIPE, text=True, check=False)
    tap.ok(done.returncode == 0, "shellcheck finds nothing", done.stdout)


def first_line(path):
    with open(os.path.join(TOP, path), "rb") as file:
        return file.readline().decode("utf-8", "replace")


def main():
    check_dependencies()
    check_sizes()
    check_calls()
    check_parsers()
    check_reports()
    check_documents()
    check_scripts()
    tap.done()


main()
