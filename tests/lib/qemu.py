"""QEMU as another host would start it: programs in its place that change some of its words. For `postern launch --qemu`.
And what a host does to a guest that runs, by QEMU's monitor.

What is changed is what a hostile host chooses and the launch measurement does not hold.
"""
import json
import os
import socket
import sys
import time

MONITOR_SECONDS = 300

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


class Monitor:
    """A QMP connection, to where one is listened for or soon will be."""

    def __init__(self, path):
        deadline = time.monotonic() + MONITOR_SECONDS
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(path)
                break
            except OSError:
                self.socket.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        """What is returned; a RuntimeError when QEMU refuses."""
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            answer = json.loads(self.lines.readline())
            if "error" in answer:
                raise RuntimeError(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]

    def press(self, *keys):
        """Keys of the machine's keyboard, together."""
        self.ask("send-key", keys=[{"type": "qcode", "data": key} for key in keys])

    def dump(self, path, size):
        """The guest stops, and its first `size` bytes of memory go into a file."""
        self.ask("stop")
        self.ask("pmemsave", val=0, size=size, filename=path)
