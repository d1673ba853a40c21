#!/usr/bin/env python3
"""How many lines of ours the guest has to trust: those linked into postern-init, by the link map, without comments, blank
lines, the functions that the linker left out, and declarations of functions, which are counted where they are defined.
Prints TAP, the figure for each room, and that of all lines in the files."""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402

MAP = os.path.join(TOP, "build/guest/postern-init.map")
MOST_LINES = 13400  # two hundred of them take the place of libcrypto's default provider, of zlib and of zstd
DESIGN_LINES = 10000  # what the design aims at


def read_map():
    with open(MAP, encoding="utf-8", errors="replace") as file:
        return file.read()


def left_out():
    """By source file, the functions whose sections the linker dropped (gcc may have given a copy a longer name)."""
    text = read_map().partition("Discarded input sections")[2].partition("Memory Configuration")[0]
    found = {}
    for name, archive, file in re.findall(r"\s\.text\.(\w+)[\w.]*\s+0x[0-9a-f]+\s+0x[0-9a-f]+\s+"
                                          r"build/obj/(?:lib(\w+)\.a\()?([\w./-]+?)\.o\)?\n", text):
        found.setdefault(f"{archive}/{file}.c" if archive else f"{file}.c", set()).add(name)
    return found


def linked():
    """Source files of which some section stayed in the program, and the headers of ours that they include."""
    text = read_map().partition("Linker script and memory map")[2]
    archives = {(archive, name) for size, archive, name in
                re.findall(r"\s0x[0-9a-f]+\s+0x([0-9a-f]+)\s+build/obj/(?:lib(\w+)\.a\()?([\w./-]+?)\.o\)?\n", text)
                if int(size, 16)}
    found = set()
    for archive, name in archives:
        path = f"{archive}/{name}.c" if archive else f"{name}.c"
        found.add(path)
        with open(os.path.join(TOP, "build/obj", path[:-2] + ".d"), encoding="utf-8") as file:
            found |= {word for word in file.read().split() if word.endswith(".h") and not word.startswith("/")}
    return sorted(found)


def preprocessed(path):
    text = subprocess.run(["gcc", "-fpreprocessed", "-dD", "-E", "-P", "-w", os.path.join(TOP, path)], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    return text


FUNCTION = re.compile(r"^\w[^\n;{}]*?\b(\w+)\([^;{}]*\)\n\{\n.*?^\}\n", flags=re.S | re.M)


def unused(text, dropped):
    """With the functions that the linker dropped, those without a section because they were put into these alone."""
    bodies = {found.group(1): found.group() for found in FUNCTION.finditer(text)}
    statics = {name for name, body in bodies.items() if body.startswith("static")}
    dead = set(dropped)
    for _ in statics:
        callers = "".join(body for name, body in bodies.items() if name not in dead)
        rest = FUNCTION.sub("", text) + callers
        dead |= {name for name in statics - dead if len(re.findall(rf"\b{name}\b", rest)) == 1}
    return dead


def lines(path, without=()):
    """Lines with code on them, but those of the functions `without`, and of what is there for these."""
    text = preprocessed(path)
    gone = unused(text, without) if without else ()
    text = FUNCTION.sub(lambda found: "" if found.group(1) in gone else found.group(), text)
    text = re.sub(r"^\w[\w *]*\b\w+\([^;{}]*\)[^;{}=]*;\n", "", text, flags=re.M)
    return sum(1 for line in text.splitlines() if line.strip())


def main():
    dropped = left_out()
    counts = {path: lines(path, dropped.get(path, ())) for path in linked()}
    rooms = {}
    for path, count in counts.items():
        room = path.split("/")[0]
        rooms[room] = rooms.get(room, 0) + count
    for room, count in sorted(rooms.items()):
        tap.note(f"{room:10} {count:6} lines")
    total = sum(counts.values())
    tap.note(f"{'together':10} {total:6} lines in {len(counts)} files")
    tap.note(f"the design aims at {DESIGN_LINES}: {'held' if total <= DESIGN_LINES else f'missed by {total - DESIGN_LINES}'}")
    whole_files = sum(sum(1 for line in preprocessed(path).splitlines() if line.strip()) for path in counts)
    tap.note(f"all lines of these files but comments and blank ones: {whole_files}")
    tap.ok(any(dropped.values()) and whole_files > total, "functions that the linker left out are not counted", dropped)
    tap.ok("init/main.c" in counts and "base/cursor.c" in counts, "the link map was understood", sorted(counts))
    tap.ok(0 < total <= MOST_LINES, f"at most {MOST_LINES} lines of ours in postern-init", total)
    tap.ok(not [path for path in counts if path.split("/")[0] in ("psp", "broker", "cli")],
           "nothing of psp, broker and cli is in it")
    tap.done()


main()
