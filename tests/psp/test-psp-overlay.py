#!/usr/bin/env python3
"""psp/overlay: exactly the shim and cuse.ko, the same bytes every time, and one sentence for wrong use."""
import lzma
import os
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402

OVERLAY = os.path.join(TOP, "psp/overlay")
MODULE = b"\x7fELF this is no module, but overlay does not know" * 100


def run(*arguments):
    return subprocess.run([OVERLAY, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def write(path, data, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def members(archive):
    """{name: (mode, uid, gid, mtime, data)} of a newc archive."""
    found, at = {}, 0
    while True:
        assert archive[at:at + 6] == b"070701", archive[at:at + 6]
        numbers = [int(archive[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        _, mode, uid, gid, _, mtime, size, _, _, _, _, name_size, _ = numbers
        name = archive[at + 110:at + 110 + name_size - 1].decode()
        start = (at + 110 + name_size + 3) & ~3
        if name == "TRAILER!!!":
            return found
        found[name] = (mode, uid, gid, mtime, archive[start:start + size])
        at = (start + size + 3) & ~3


def refused(name, sentence, *arguments):
    done = run(*arguments)
    lines = done.stderr.splitlines()
    tap.ok(done.returncode == 1 and len(lines) == 1 and sentence in lines[0] and not os.path.exists("out"), name, done)


def main():
    with tempfile.TemporaryDirectory(prefix="test-overlay.") as directory:
        os.chdir(directory)
        write(f"{directory}/shim", b"#!shim", 0o700)
        fuse = f"{directory}/modules/kernel/fs/fuse"
        write(f"{fuse}/cuse.ko.xz", lzma.compress(MODULE))
        tap.same(run("shim", "modules", "plain", "none").returncode, 0, "an uncompressed archive")
        folder = (0o40755, 0, 0, 0, b"")
        wanted = {"init": (0o100755, 0, 0, 0, b"#!shim"), "usr": folder, "usr/lib": folder,
                  "usr/lib/postern-psp": folder, "usr/lib/postern-psp/cuse.ko": (0o100644, 0, 0, 0, MODULE)}
        tap.same(members(read("plain")), wanted, "with these files and no others")
        tap.same(run("shim", "modules", "small").returncode, 0, "a compressed archive")
        tap.same(subprocess.run(["zstd", "-dqc", "small"], stdout=subprocess.PIPE, check=True).stdout, read("plain"),
                 "with the same contents")
        time.sleep(1.1)
        os.umask(0o077)
        for name, form in (("plain2", "none"), ("small2", "zstd")):
            tap.same(run("shim", "modules", name, form).returncode, 0, "once more, later and with another umask")
            tap.ok(read(name) == read(name[:-1]), "the same bytes")
        os.umask(0o022)
        os.unlink(f"{fuse}/cuse.ko.xz")
        write(f"{fuse}/cuse.ko", MODULE)
        run("shim", "modules", "plain3", "none")
        tap.ok(read("plain3") == read("plain"), "from an uncompressed module too")
        tap.same([name for name in os.listdir(".") if "new" in name], [], "nothing else is left")

        refused("too few arguments", "expected SHIM MODULES OUT", "shim", "modules")
        refused("unknown form", "'gzip': expected none or zstd", "shim", "modules", "out", "gzip")
        refused("no shim", "nowhere: no such program", "nowhere", "modules", "out")
        refused("no module folder", "shim: not a kernel's module folder", "shim", "shim", "out")
        write(f"{directory}/modules/modules.dep", b"kernel/fs/fuse/cuse.ko: kernel/fs/fuse/fuse.ko\n")
        refused("a cuse that needs fuse", "needs other modules", "shim", "modules", "out")
        write(f"{directory}/modules/modules.dep", b"kernel/fs/fuse/cuse.ko:\n")
        tap.same(run("shim", "modules", "plain3", "none").returncode, 0, "one that needs nothing is fine")
        os.unlink(f"{fuse}/cuse.ko")
        refused("no cuse.ko", "no cuse.ko; this kernel cannot run", "shim", "modules", "out")
        write(f"{fuse}/cuse.ko.xz", b"not xz")
        done = run("shim", "modules", "out")
        tap.ok(done.returncode == 1 and "cannot be read" in done.stderr and not os.path.exists("out"),
               "a damaged cuse.ko.xz", done)
        tap.same([name for name in os.listdir(".") if "new" in name], [], "nothing half-made is left")
    tap.done()


main()
