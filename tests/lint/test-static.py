#!/usr/bin/env python3
"""clang-tidy (.clang-tidy), gcc -fanalyzer and cppcheck find nothing but what tests/lint/static-known explains. Prints TAP.

usage: test-static.py [thorough]. A file that was looked at is not looked at again until what the compiler sees of it
changes. Thorough, as `make prove` asks for it: with clang's analyzer, which takes five seconds a file.
"""
import concurrent.futures
import glob
import hashlib
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402

ROOMS = ["base", "base/static", "measure", "attest", "release", "luks", "init", "init/dhcp", "init/static", "image/guest", "broker", "psp", "psp/shim", "cli"]
FLAGS = ["-I.", "-I/builder/static/include", "-D_GNU_SOURCE", "-std=gnu11", "-D__clang_analyzer__"]
OF_OTHERS = ["-include", "tests/lint/analyzer.h"]  # what a file cannot know of others; base/reason.c is one of these
CACHE = os.path.join(TOP, "build/lint")
# fd-leak: dup2() onto a standard descriptor counts as one (gcc 14).
GCC = ["gcc", "-O1", "-fanalyzer", "-Wno-analyzer-fd-leak", "-S", "-o", "/dev/null"]
THOROUGH = sys.argv[1:] == ["thorough"]
TIDY = ["clang-tidy", "--quiet", *([] if THOROUGH else ["--checks=-clang-analyzer-*"])]
# Left out: memleak and resourceLeak, since cppcheck 2.17 does not know __attribute__((cleanup)), which gcc's analyzer does
# and looks for the same; readdirCalled, whose readdir_r() POSIX has taken back; and what is no finding.
CPPCHECK = ["cppcheck", "--quiet", f"-j{os.cpu_count()}", "--std=c11", "--enable=warning,performance,portability",
            "--inline-suppr", "--include=tests/lint/cppcheck.h", "--library=gnu,posix,openssl", "--template={file}:{line}: {message} [{id}]",
            "--cppcheck-build-dir=build/lint/cppcheck", "-I.", "-I/builder/static/include", "-D_GNU_SOURCE"]
CPPCHECK += [f"--suppress={name}" for name in (
    "memleak", "resourceLeak", "readdirCalled", "missingIncludeSystem", "normalCheckLevelMaxBranches", "checkersReport")]


def run(words):
    return subprocess.run(words, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout


def known():
    """(tool, file, check) of what is explained."""
    with open(os.path.join(TOP, "tests/lint/static-known"), encoding="utf-8") as file:
        lines = [line.split("#")[0].split() for line in file]
    return {tuple(line) for line in lines if line}


def findings(tool, path, text):
    pattern = {"clang-tidy": r"(?:error|warning): .*\[([\w.-]+),?[\w,-]*\]$", "gcc": r"warning: .*\[-W([\w-]+)\]$",
               "cppcheck": r"^[\w./-]+:\d+: .*\[(\w+)\]$"}[tool]
    found = []
    for line in text.splitlines():
        match = re.search(pattern, line)
        if match:
            found.append(((tool, path, match.group(1)), f"{path}: {line}"))
    return found


def look(path, config):
    """What both tools find in one file."""
    flags = FLAGS + (OF_OTHERS if path != "base/reason.c" else [])
    seen = run(["gcc", *flags, "-E", "-P", path]) + config
    mark = os.path.join(CACHE, hashlib.sha256(f"{path}\n{seen}".encode()).hexdigest())
    if os.path.exists(mark):
        with open(mark, encoding="utf-8") as file:
            tidy, gcc = file.read().split("\f")
    else:
        tidy = run([*TIDY, path, "--", *flags])
        gcc = run([*GCC, *flags, path])
        with open(mark, "w", encoding="utf-8") as file:
            file.write(tidy + "\f" + gcc)
    return findings("clang-tidy", path, tidy) + findings("gcc", path, gcc)


def main():
    os.makedirs(os.path.join(CACHE, "cppcheck"), exist_ok=True)
    with open(os.path.join(TOP, ".clang-tidy"), encoding="utf-8") as file:
        config = file.read() + run([*TIDY, "--version"]) + " ".join(TIDY + GCC)
    paths = sorted(path for room in ROOMS for path in glob.glob(f"{room}/*.c", root_dir=TOP))
    tap.ok(len(paths) > 150, "there are files to look at", len(paths))
    explained = known()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [finding for result in pool.map(lambda path: look(path, config), paths) for finding in result]
    for line in run([*CPPCHECK, *ROOMS]).splitlines():
        found += findings("cppcheck", line.partition(":")[0], line) or [(("cppcheck", "", ""), line)]
    for tool in ("clang-tidy", "gcc", "cppcheck"):
        new = sorted({line for key, line in found if key[0] == tool and key not in explained})
        tap.ok(not new, f"{tool} finds nothing that is not explained", "\n".join(new))
    for key in sorted(explained - {key for key, _ in found}):
        if THOROUGH or "clang-analyzer-" not in key[2]:
            tap.note(f"no longer found, can go from tests/lint/static-known: {' '.join(key)}")
    tap.done()


main()
