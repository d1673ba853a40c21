"""ACPI tables of a hostile host: what QEMU would give a guest, read out of it, changed, and given in its place."""
import base64
import os
import re
import socket
import struct
import subprocess
import time

FILES = ["etc/acpi/tables", "etc/acpi/rsdp", "etc/table-loader"]
BUFFER, COMMAND = 0x100000, 0x8000  # where fw_cfg's DMA puts things
DIRECTORY = 0x19
PM_BASE = 0x600  # as OVMF has it


class Tables:
    """The files that QEMU's fw_cfg device has for firmware, by its qtest protocol; no instruction runs."""

    def __init__(self, folder, words):
        path = os.path.join(folder, "qtest")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            self.process = subprocess.Popen(["qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine", "q35",
                                             "-accel", "tcg", "-S", "-qtest", f"unix:{path}", "-qtest-log", "none",
                                             *words], stdin=subprocess.DEVNULL)
            self.socket = listener.accept()[0]
        os.unlink(path)
        self.lines = self.socket.makefile()
        # Firmware would have placed the registers of power management, which the FADT names.
        for port, value in ((0xcf8, 0x8000f840), (0xcfc, PM_BASE | 1), (0xcf8, 0x8000f844), (0xcfc, 0x80)):
            self.ask(f"outl {port:#x} {value:#x}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.kill()
        self.process.wait()

    def ask(self, line):
        self.socket.sendall(line.encode() + b"\n")
        while not (answer := self.lines.readline()).startswith("OK"):
            if not answer or answer.startswith(("FAIL", "ERR")):
                raise RuntimeError(f"qtest: {line}: {answer}")
        return answer.split()[1:]

    def read(self, selector, size):
        command = struct.pack(">IIQ", selector << 16 | 8 | 2, size, BUFFER)
        self.ask(f"write {COMMAND:#x} {len(command):#x} 0x{command.hex()}")
        self.ask(f"outl 0x514 {0:#x}")
        self.ask(f"outl 0x518 {struct.unpack('<I', struct.pack('>I', COMMAND))[0]:#x}")
        deadline = time.monotonic() + 30
        while int.from_bytes(base64.b64decode(self.ask(f"b64read {COMMAND:#x} 0x4")[0]), "big"):
            if time.monotonic() > deadline:
                raise RuntimeError("fw_cfg does not answer")
        return base64.b64decode(self.ask(f"b64read {BUFFER:#x} {size:#x}")[0])

    def files(self):
        """{name: contents} of the three files with which firmware makes the tables."""
        count = struct.unpack(">I", self.read(DIRECTORY, 4))[0]
        directory = self.read(DIRECTORY, 4 + 64 * count)
        found = {}
        for at in range(4, len(directory), 64):
            size, selector, _, name = struct.unpack(">IHH56s", directory[at:at + 64])
            name = name.rstrip(b"\0").decode()
            if name in FILES:
                found[name] = self.read(selector, size)
        return found


def with_dsdt(files, dsdt):
    """The same tables, with another DSDT behind them to which the FADT points instead."""
    tables = bytearray(files["etc/acpi/tables"])
    fadt = re.search(rb"FACP", tables).start()
    while len(tables) % 64:
        tables.append(0)
    struct.pack_into("<I", tables, fadt + 40, len(tables))
    struct.pack_into("<Q", tables, fadt + 140, len(tables))
    tables += dsdt
    return files | {"etc/acpi/tables": bytes(tables)}


def with_event_block(files, address):
    """The same tables, with a FADT whose first event block (registers that the kernel writes) lies in memory."""
    tables = bytearray(files["etc/acpi/tables"])
    fadt = re.search(rb"FACP", tables).start()
    struct.pack_into("<BBBBQ", tables, fadt + 148, 0, 32, 0, 2, address)
    return files | {"etc/acpi/tables": bytes(tables)}


def with_mailbox(files, address):
    """The same tables, with a MADT that has an entry more: other processors are started by a mailbox in memory."""
    tables = bytearray(files["etc/acpi/tables"])
    rsdt = re.search(rb"RSDT", tables).start()
    places = range(rsdt + 36, rsdt + struct.unpack_from("<I", tables, rsdt + 4)[0], 4)
    place, old = next((place, at) for place in places for at in struct.unpack_from("<I", tables, place)
                      if tables[at:at + 4] == b"APIC")
    madt = tables[old:old + struct.unpack_from("<I", tables, old + 4)[0]] + struct.pack("<BBHIQ", 16, 16, 0, 0, address)
    struct.pack_into("<I", madt, 4, len(madt))
    while len(tables) % 64:
        tables.append(0)
    struct.pack_into("<I", tables, place, len(tables))
    tables += renamed(madt, "APIC")
    return files | {"etc/acpi/tables": bytes(tables)}


def fw_cfg_words(folder, name, files):
    """QEMU's words for a machine that has these files, and no ACPI tables by itself."""
    words = []
    for item, data in files.items():
        path = os.path.join(folder, f"{name}-{item.replace('/', '-')}")
        with open(path, "wb") as file:
            file.write(data)
        words += ["-fw_cfg", f"name={item},file={path}"]
    return words


def compile_asl(folder, name, text):
    """The table's bytes."""
    source = os.path.join(folder, name + ".asl")
    with open(source, "w", encoding="utf-8") as file:
        file.write(text)
    done = subprocess.run(["iasl", "-p", os.path.join(folder, name), source], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout)
    with open(os.path.join(folder, name + ".aml"), "rb") as file:
        return file.read()


def renamed(table, signature):
    """The table under another signature, with its sum put right."""
    table = bytearray(signature.encode() + table[4:])
    table[9] = 0
    table[9] = -sum(table) & 0xff
    return bytes(table)
