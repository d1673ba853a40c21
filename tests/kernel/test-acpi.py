#!/usr/bin/env python3
"""A host that puts code into ACPI tables: none of it runs in the kernel of our own. Prints TAP.

The code sends a letter to a port and writes a word to the guest's memory when the kernel looks at the namespace; the test
reads both from outside when the guest has powered off. That the same tables do so with Debian's kernel shows that the test
can fail. They reach the guest by fw_cfg: added to QEMU's own tables (-acpitable), or in place of all of them, with another
DSDT of the highest revision and of a foreign vendor, with a FADT whose registers lie in the guest's memory, or with a MADT
whose processors are to be started by a mailbox there.
"""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import acpi  # noqa: E402
import floor  # noqa: E402
import tap  # noqa: E402

WORD = 0x59524143
# Memory below 1 MiB, which no kernel uses for itself.
CELLS = {"SSDT": 0x50000, "PSDT": 0x51000, "OSDT": 0x52000, "DSDT": 0x53000}
FADT_CELL, MADT_CELL = 0x54000, 0x55000
ADDED = ["SSDT", "PSDT", "OSDT"]
MEMORY = 512
PLAIN = f"{floor.CMDLINE} floor.hold"


class Machine:
    """QEMU that stays when its guest has powered off, so that the memory can be read."""

    def __init__(self, folder, words):
        path = os.path.join(folder, "monitor")
        self.console_path = os.path.join(folder, "console")
        with socket.socket(socket.AF_UNIX) as listener, open(self.console_path, "wb") as console:
            listener.bind(path)
            listener.listen()
            listener.settimeout(60)
            self.process = subprocess.Popen([*words, "-no-shutdown", "-qmp", f"unix:{path}"], stdin=subprocess.DEVNULL,
                                            stdout=console, stderr=subprocess.STDOUT)
            self.socket = listener.accept()[0]
        os.unlink(path)
        self.lines = self.socket.makefile()
        self.lines.readline()
        self.ask("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.kill()
        self.process.wait()

    def ask(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            answer = json.loads(self.lines.readline())
            if "return" in answer or "error" in answer:
                return answer.get("return")

    def running(self):
        return self.process.poll() is None and self.ask("query-status")["status"] == "running"

    def end(self):
        """Waits for the guest to end, and says how: "off", "halted" where the kernel has no way to switch off, or None."""
        deadline = time.monotonic() + floor.LIMIT_SECONDS
        while time.monotonic() < deadline and self.running():
            if "System halted" in self.console():
                return "halted"
            time.sleep(0.2)
        return "off" if self.process.poll() is None and self.ask("query-status")["status"] == "shutdown" else None

    def word(self, address):
        text = self.ask("human-monitor-command", **{"command-line": f"xp /1xw {address:#x}"})
        return int(re.search(r": (0x[0-9a-f]+)", text).group(1), 16)

    def console(self):
        with open(self.console_path, "rb") as console:
            return console.read().decode("utf-8", "replace")


def boot(folder, kernel, initrd, words, name, end="off"):
    """Boots a guest until it ends, as it should. Which tables' code has run, which has written to memory, and what a FADT's
    registers in memory hold."""
    ports = os.path.join(folder, "ports")
    command = floor.through_firmware(folder, kernel, initrd, PLAIN, memory=MEMORY)
    with Machine(folder, [*command, "-debugcon", f"file:{ports}", "-global", "isa-debugcon.iobase=0x402", *words]) as machine:
        ended = machine.end()
        tap.ok(ended == end and "floor: hold" in machine.console(), f"{name}: boots and ends {end}", machine.console()[-1500:])
        with open(ports, encoding="latin-1") as file:
            said = file.read()
        return ([table for table in CELLS if table[0] in said],
                [table for table, address in CELLS.items() if machine.word(address) == WORD], machine.word(FADT_CELL))


def boot_mailbox(folder, kernel, initrd, words, name):
    """Boots a guest with two processors until it powers off or has written to the mailbox, on whose answer it then waits
    for ever. Whether it has written, and how many processors it found."""
    command = floor.through_firmware(folder, kernel, initrd, PLAIN, vcpus=2, memory=MEMORY)
    deadline = time.monotonic() + floor.LIMIT_SECONDS
    with Machine(folder, [*command, *words]) as machine:
        while time.monotonic() < deadline and machine.running() and not machine.word(MADT_CELL):
            time.sleep(0.5)
        tap.ok(time.monotonic() < deadline, f"{name}: comes to an end", machine.console()[-1500:])
        return bool(machine.word(MADT_CELL)), re.findall(r"floor: processors (\d+)", machine.console())


def canary(folder, table):
    with open(os.path.join(TOP, "tests/kernel/canary.asl.in"), encoding="utf-8") as file:
        text = file.read().replace("@NAME@", f"{table[0]}CAN").replace("@ADDRESS@", f"{CELLS[table]:#x}")
        text = text.replace("@LETTER@", f"{ord(table[0]):#x}")
    if table == "DSDT":  # it has to be what a DSDT is, besides
        text = text.replace('"SSDT"', '"DSDT"').replace("    Scope (\\_SB)\n    {", """    Name (\\_S5, Package (4) { 0, 0, 0, 0 })
    Scope (\\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (_CID, EisaId ("PNP0A03"))
        }""")
    made = acpi.compile_asl(folder, table, text)
    return made if table == "DSDT" else acpi.renamed(made, table)


def added_words(folder):
    words = []
    for table in ADDED:
        path = os.path.join(folder, table)
        with open(path, "wb") as file:
            file.write(canary(folder, table))
        words += ["-acpitable", f"file={path}"]
    return words


def replaced_words(folder, name, change, vcpus=1):
    """All tables by fw_cfg, after a change."""
    with acpi.Tables(folder, ["-m", str(MEMORY), "-smp", str(vcpus)]) as tables:
        files = change(tables.files())
    return ["-machine", "q35,acpi=off", *acpi.fw_cfg_words(folder, name, files)]


def main():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        plain, modules = floor.initrd(folder, False), floor.initrd(folder, True)
        added = added_words(folder)
        dsdt = replaced_words(folder, "dsdt", lambda files: acpi.with_dsdt(files, canary(folder, "DSDT")))
        madt = replaced_words(folder, "madt", lambda files: acpi.with_mailbox(files, MADT_CELL), 2)
        fadt = replaced_words(folder, "fadt", lambda files: acpi.with_event_block(files, FADT_CELL))

        def debian(words, name):
            return boot(folder, floor.DEBIAN, modules, words, f"Debian's kernel, {name}")

        tap.same(debian(added, "added tables"), (ADDED, ADDED, 0), "control: Debian's kernel runs the code of added tables")
        tap.same(debian(dsdt, "another DSDT"), (["DSDT"], ["DSDT"], 0), "control: and that of another DSDT")
        tap.ok(debian(fadt, "another FADT")[2] != 0, "control: and writes to memory that a FADT calls a register")
        tap.same(boot(folder, floor.OWN, plain, added, "our own, added tables"), ([], [], 0),
                 "our own runs no code of added tables, whatever they are called")
        tap.same(boot(folder, floor.OWN, plain, dsdt, "our own, another DSDT"), ([], [], 0),
                 "our own runs its own DSDT, whatever revision and vendor the host's has")
        tap.same(boot(folder, floor.OWN, plain, fadt, "our own, another FADT", "halted"), ([], [], 0),
                 "our own does not write to memory that a FADT calls a register, and goes on without ACPI")
        tap.same(boot_mailbox(folder, floor.DEBIAN, modules, madt, "Debian's kernel, a mailbox")[0], True,
                 "control: Debian's kernel writes to memory that a MADT calls a mailbox")
        tap.same(boot_mailbox(folder, floor.OWN, plain, madt, "our own, a mailbox"), (False, ["2"]),
                 "our own starts its processors without it")
    tap.done()


main()
