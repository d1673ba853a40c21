#!/usr/bin/env python3
"""A hostile host changes a file and leaves the table of hashes alone: the firmware starts nothing. Prints TAP.

Silence alone would prove little: the virtual CPU is shown to run in the few instructions of the firmware's dead loop, and
the same QEMU with the right files is shown to start PID 1.
"""
import os
import re
import shlex
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import qemu  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

SAMPLES = 40
LOOP_BYTES = 32
FIRMWARE_END = 1 << 32  # the kernel runs at the other end of the address space
SETTLE_SECONDS = 20


class Machine:
    """QEMU as `postern launch --print` says it, with words replaced, and a monitor."""

    def __init__(self, world, words):
        world.count += 1
        self.monitor_path = world.path(f"monitor-{world.count}")
        self.console_path = world.path(f"machine-{world.count}.console")
        with open(self.console_path, "wb") as console:
            self.process = subprocess.Popen([*words, "-qmp", f"unix:{self.monitor_path},server=on,wait=off"],
                                            stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.DEVNULL)
        self.monitor = qemu.Monitor(self.monitor_path)

    def human(self, line):
        return self.monitor.ask("human-monitor-command", **{"command-line": line})

    def instruction_pointer(self):
        return int(re.search(r"[RE]IP=([0-9a-f]+)", self.human("info registers")).group(1), 16)

    def console(self):
        with open(self.console_path, "rb") as console:
            return console.read().decode("utf-8", "replace")

    def started(self, seconds):
        """Whether PID 1 says something within that time."""
        deadline = time.monotonic() + seconds
        while True:
            # Asked first: what a machine says last is read after it has ended.
            over = self.process.poll() is not None or time.monotonic() > deadline
            if "postern: {" in self.console():
                return True
            if over:
                return False
            time.sleep(0.2)

    def end(self):
        self.monitor.socket.close()
        self.process.kill()
        self.process.wait()


def samples(machine):
    pointers = []
    for _ in range(SAMPLES):
        pointers.append(machine.instruction_pointer())
        time.sleep(0.02)
    return sorted(pointers)


def near_median(pointers):
    """The share of the samples that lie around the median; timer interrupts go on in a dead loop, so not all do."""
    median = pointers[len(pointers) // 2]
    return sum(abs(pointer - median) <= LOOP_BYTES // 2 for pointer in pointers) / len(pointers)


def check_refused(world, words, name):
    machine = Machine(world, words)
    tap.ok(not machine.started(SETTLE_SECONDS), f"{name}: PID 1 never runs", machine.console())
    tap.ok(machine.process.poll() is None, f"{name}: the machine still runs")
    pointers = samples(machine)
    tap.ok(near_median(pointers) >= 0.8, f"{name}: the virtual CPU stays within {LOOP_BYTES} bytes of code", pointers)
    tap.ok(pointers[-1] < FIRMWARE_END, f"{name}: and below 4 GiB, where firmware runs", pointers)
    code = machine.human(f"x /8i {pointers[len(pointers) // 2] - 8:#x}")
    tap.ok(re.search(r"\bj(e|z|ne|nz|mp)\b", code), f"{name}: which are a loop", code)
    machine.end()


def replaced(words, option, value):
    words = list(words)
    words[words.index(option) + 1] = value
    return words


def flipped(world, path, name):
    """A copy with one bit of the last byte but a hundred changed."""
    copy = world.path(name)
    with open(path, "rb") as source:
        data = bytearray(source.read())
    data[-100] ^= 1
    with open(copy, "wb") as target:
        target.write(data)
    return copy


def main():
    with vm.World() as world:
        runtime = world.path("runtime")
        os.mkdir(runtime)
        site = {"url": "https://10.0.2.2:1", "spki_sha256": ["00" * 32], "record_key": "AA=="}
        initrd = world.initrd(world.config(site))
        words = shlex.split(vm.run(vm.program("postern"), "launch", vm.IMAGE, "--psp", "software", "--psp-dir", vm.chip(),
                                   "--initrd", initrd, "--print", "--runtime-dir", runtime))
        psp = subprocess.Popen([vm.program("postern-psp"), "serve", "--dir", vm.chip(), "--socket", runtime + "/psp",
                                "--measurement", world.digest(initrd)], stderr=subprocess.DEVNULL)
        while not os.path.exists(runtime + "/psp"):
            time.sleep(0.05)

        control = Machine(world, words)
        tap.ok(near_median(samples(control)) < 0.8, "control: while it boots the virtual CPU is in many places")
        tap.ok(control.started(vm.BOOT_SECONDS), "control: the files in the table start PID 1", control.console())
        control.end()
        check_refused(world, replaced(words, "-initrd", flipped(world, initrd, "initrd.flipped")),
                      "one bit of the initrd changed")
        kernel = os.path.join(vm.IMAGE, "kernel")
        check_refused(world, replaced(words, "-kernel", flipped(world, kernel, "kernel.flipped")),
                      "one bit of the kernel changed")
        check_refused(world, replaced(words, "-append", world.cmdline() + " x"), "one more word on the command line")
        psp.terminate()
        psp.wait()
    tap.done()


main()
