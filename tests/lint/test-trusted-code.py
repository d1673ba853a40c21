#!/usr/bin/env python3
"""How many lines of ours the guest has to trust: those linked into postern-init, by the link map, without comments, blank
lines, and the functions that the linker left out. Prints TAP, and the figure for each room."""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402

MAP = os.path.join(TOP, "build/guest/postern-init.map")
MOST_LINES = 11000


def linked():
    """Source files of which some section stayed in the program, with the functions that did, and the headers of ours that
    they include: {path: functions, None for a header}."""
    with open(MAP, encoding="utf-8", errors="replace") as file:
        text = file.read().partition("Linker script and memory map")[2]
    # A long name has a line of its own. The compiler's name for itself stays of every object that was looked at.
    text = re.sub(r"(?<=\n)( \.\S+)\n\s+0x", r"\1 0x", text)
    found = {}
    for section, size, archive, name in re.findall(
            r"\n (\.\S+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+build/obj/(?:lib(\w+)\.a\()?([\w./-]+?)\.o\)?(?=\n)", text):
        if int(size, 16) and section != ".comment":
            path = f"{archive}/{name}.c" if archive else f"{name}.c"
            found.setdefault(path, set()).update(section.split(".")[2:])
    for path in list(found):
        with open(os.path.join(TOP, "build/obj", path[:-2] + ".d"), encoding="utf-8") as file:
            found |= {word: None for word in file.read().split() if word.endswith(".h") and not word.startswith("/")}
    return dict(sorted(found.items()))


def lines(path, functions):
    """Lines with code on them, without functions that are neither in the program nor called in their file, where they may
    have become a part of others."""
    text = subprocess.run(["gcc", "-fpreprocessed", "-dD", "-E", "-P", "-w", os.path.join(TOP, path)], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    dropped = 0
    if functions is not None:
        for whole, name in re.findall(r"^((?!static)\w[^;{}()=#]*?\b(\w+)\([^;{}]*?\)\n\{\n.*?^\}\n)", text, re.S | re.M):
            if name not in functions and len(re.findall(rf"\b{name}\b", text)) == 1:
                dropped += sum(1 for line in whole.splitlines() if line.strip())
    return sum(1 for line in text.splitlines() if line.strip()) - dropped


def main():
    counts = {path: lines(path, functions) for path, functions in linked().items()}
    rooms = {}
    for path, count in counts.items():
        room = path.split("/")[0]
        rooms[room] = rooms.get(room, 0) + count
    for room, count in sorted(rooms.items()):
        tap.note(f"{room:10} {count:6} lines")
    total = sum(counts.values())
    tap.note(f"{'together':10} {total:6} lines in {len(counts)} files")
    tap.ok("init/main.c" in counts and "base/cursor.c" in counts, "the link map was understood", sorted(counts))
    tap.ok(0 < total <= MOST_LINES, f"at most {MOST_LINES} lines of ours in postern-init", total)
    tap.ok(not [path for path in counts if path.split("/")[0] in ("psp", "broker", "cli")],
           "nothing of psp, broker and cli is in it")
    tap.done()


main()
