#!/usr/bin/env python3
"""Firmware of our own (`make firmware`): RELEASE boots what is in the table; DEBUG names each comparison of hashes, so that
a hostile host's changes are seen where they are refused. Without that firmware there is nothing to test. Prints TAP."""
import os
import shlex
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import tap  # noqa: E402
import vm  # noqa: E402

FOLDER = "/builder/ovmf"


class Machine:
    """QEMU as `postern launch --print` says it, with the firmware's debug port in a file."""

    def __init__(self, world, words):
        world.count += 1
        self.debug_path, self.console_path = (world.path(f"{what}-{world.count}") for what in ("debug", "console"))
        with open(self.console_path, "wb") as console:
            self.process = subprocess.Popen([*words, "-global", "isa-debugcon.iobase=0x402", "-debugcon",
                                             f"file:{self.debug_path}"], stdin=subprocess.DEVNULL, stdout=console)

    @staticmethod
    def text(path):
        try:
            with open(path, "rb") as file:
                return file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def debug(self):
        return self.text(self.debug_path)

    def says(self, path, words, seconds=vm.BOOT_SECONDS):
        """Whether one of these comes up in time."""
        deadline = time.monotonic() + seconds
        while not any(word in self.text(path) for word in words):
            if time.monotonic() > deadline or self.process.poll() is not None:
                return any(word in self.text(path) for word in words)
            time.sleep(0.1)
        return True

    def end(self):
        self.process.kill()
        self.process.wait()


def replaced(words, option, value):
    words = list(words)
    words[words.index(option) + 1] = value
    return words


def changed(world, path, name):
    with open(path, "rb") as source:
        data = bytearray(source.read())
    data[-100] ^= 1
    with open(world.path(name), "wb") as target:
        target.write(data)
    return world.path(name)


def check(world, initrd, firmware):
    runtime = world.path("runtime-" + firmware)
    os.mkdir(runtime)
    path = f"{FOLDER}/{firmware}.fd"
    words = shlex.split(vm.run(vm.program("postern"), "launch", vm.IMAGE, "--psp", "software", "--psp-dir", vm.chip(),
                               "--initrd", initrd, "--firmware", path, "--print", "--runtime-dir", runtime))
    psp = subprocess.Popen([vm.program("postern-psp"), "serve", "--dir", vm.chip(), "--socket", runtime + "/psp",
                            "--measurement", "00" * 48], stderr=subprocess.DEVNULL)
    while not os.path.exists(runtime + "/psp"):
        time.sleep(0.05)
    machine = Machine(world, words)
    tap.ok(machine.says(machine.console_path, ["postern: {"]), f"{firmware}: the files in the table start PID 1",
           machine.text(machine.console_path) + machine.debug()[-2000:])
    machine.end()
    if firmware == "DEBUG":
        for name in "kernel", "initrd", "cmdline":
            tap.ok(f'Hash comparison succeeded for "{name}"' in machine.debug(), f"DEBUG: it says that it compared {name}",
                   machine.debug()[-2000:])
        kernel = os.path.join(vm.IMAGE, "kernel")
        for name, bad in (("kernel", replaced(words, "-kernel", changed(world, kernel, "kernel.changed"))),
                          ("initrd", replaced(words, "-initrd", changed(world, initrd, "initrd.changed"))),
                          ("cmdline", replaced(words, "-append", world.cmdline() + " x"))):
            machine = Machine(world, bad)
            line = f'Hash comparison failed for "{name}"'
            tap.ok(machine.says(machine.debug_path, [line]), f"{name} changed: {line}", machine.debug()[-2000:])
            tap.ok("postern: {" not in machine.text(machine.console_path), f"{name} changed: PID 1 does not run")
            machine.end()
    psp.terminate()
    psp.wait()


def main():
    if not os.path.exists(f"{FOLDER}/DEBUG.fd"):
        print("ok 1 # SKIP make firmware has not built it\n1..1")
        return
    with vm.World() as world:
        initrd = world.initrd(world.config({"url": "https://10.0.2.2:1", "spki_sha256": ["00" * 32], "record_key": "AA=="}))
        for firmware in "RELEASE", "DEBUG":
            check(world, initrd, firmware)
    tap.done()


main()
