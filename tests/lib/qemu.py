"""QEMU as another host would start it: programs in its place that change some of its words. For `postern launch --qemu`.

What is changed is what a hostile host chooses and the launch measurement does not hold.
"""
import os
import sys

PROGRAM = """#!{python}
import os, sys
words, after, changed = sys.argv[1:], {after!r}, {changed!r}
for i in range(1, len(words)):
    for option, start, new in changed:
        if words[i - 1] == option and words[i].startswith(start):
            words[i] = words[i].replace(start, new, 1)
if {stdin!r}:
    os.dup2(os.open({stdin!r}, os.O_RDWR), 0)
os.execvp("qemu-system-x86_64", ["qemu-system-x86_64", *words, *after])
"""


def wrapper(path, *after, changed=(), stdin=None):
    """A program at `path`: QEMU with more words behind, and with words after an option that start in a way made to start
    in another: (option, start, new). `stdin`: what the console reads from."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(PROGRAM.format(python=sys.executable, after=list(after), changed=list(changed), stdin=stdin))
    os.chmod(path, 0o755)
    return path
