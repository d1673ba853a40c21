#!/usr/bin/env python3
"""How many lines of ours the guest has to trust: those linked into postern-init, by the link map, without comments and
blank lines. Prints TAP, and the figure for each room."""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402

MAP = os.path.join(TOP, "build/guest/postern-init.map")
MOST_LINES = 10000


def linked():
    """Source files of which some section stayed in the program, and the headers of ours that they include."""
    with open(MAP, encoding="utf-8", errors="replace") as file:
        text = file.read().partition("Linker script and memory map")[2]
    # The compiler's name for itself stays of every object that was looked at, also where no code or data does.
    archives = {(archive, name) for section, size, archive, name in
                re.findall(r"\n (\.\S+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+build/obj/(?:lib(\w+)\.a\()?([\w./-]+?)\.o\)?\n",
                           re.sub(r"(?<=\n)( \.\S+)\n\s+0x", r"\1 0x", text))
                if int(size, 16) and section != ".comment"}
    found = set()
    for archive, name in archives:
        path = f"{archive}/{name}.c" if archive else f"{name}.c"
        found.add(path)
        with open(os.path.join(TOP, "build/obj", path[:-2] + ".d"), encoding="utf-8") as file:
            found |= {word for word in file.read().split() if word.endswith(".h") and not word.startswith("/")}
    return sorted(found)


def lines(path):
    """Lines with code on them."""
    text = subprocess.run(["gcc", "-fpreprocessed", "-dD", "-E", "-P", "-w", os.path.join(TOP, path)], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    return sum(1 for line in text.splitlines() if line.strip())


def main():
    counts = {path: lines(path) for path in linked()}
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
