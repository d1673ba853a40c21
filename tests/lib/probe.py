"""Guests in which tests/vm/volume-probe.c runs a plan: the production's stage volumes, over and over, on a bent disk.

Every block of a volume is known: a round ends well when the disk is refused, or when no block reads with other contents
than it was made with, and the kernel's live tables are those that the record stands for.
"""
import os
import subprocess
import threading
import time

import nbd
import tap
import vm

START = 16 << 20  # where the volumes lie on their disks
BLOCKS = 256
SECTION = 264 * 512
TAGS = START + 4096 + SECTION
DATA = TAGS + 256 * 512
LIMIT_SECONDS = 900
ROUND_SECONDS = 5  # on top of it for each, on a machine that is busy: alone it takes a tenth


def make_content(path):
    """Block n holds its number plus one, over and over; the label's room stays free."""
    with open(path, "wb") as file:
        for n in range(BLOCKS):
            block = (n + 1).to_bytes(8, "little") * 512
            file.write(block if n else bytes(1024) + block[1024:])


def tables(sectors, tags=True, sector_size=4096, device="254:0", below="253:0"):
    """What the kernel has to say of an open volume, by the words of dm-crypt.rst and dm-integrity.rst; {suffix: table}."""
    if not tags:
        option = " 1 sector_size:4096" if sector_size == 4096 else ""
        return {"data": f"{sectors} crypt aes-xts-plain64 :64:logon:postern:data 0 {device} {START // 512}{option}"}
    journal = max(sectors // 128 // 264, 1) * 264
    return {"tags": f"{sectors} integrity {device} {START // 512} 32 J 7 block_size:4096 journal_sectors:{journal} "
                    "interleave_sectors:32768 buffer_sectors:128 journal_watermark:50 commit_time:10000 fix_padding",
            "data": f"{sectors} crypt capi:authenc(hmac(sha256),xts(aes))-plain64 :96:logon:postern:data 0 {below} 0 "
                    "2 integrity:32:aead sector_size:4096"}


class Probe:
    """One guest that runs a plan on a disk: a file's path or an nbd.Server. `said`: called with each line as it comes, and
    with the process, which it may end. `files`: {name in the guest: file}. With `monitor` QMP listens there."""

    def __init__(self, world, record, plan, disk, said=None, files=None, monitor=None, ends=True):
        world.count += 1
        initrd = self.make_initrd(world, world.path(f"probe-{world.count}"), record, plan, files or {})
        blockdev = f"driver=nbd,node-name=disk0,server.type=unix,server.path={disk.path}" \
            if isinstance(disk, nbd.Server) else f"driver=raw,node-name=disk0,file.driver=file,file.filename={disk}"
        command = ["qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none", "-M", "q35", "-accel",
                   "tcg,thread=multi", "-cpu", "max", "-m", "512M", "-serial", "stdio", "-blockdev", blockdev, "-device",
                   "virtio-blk-pci,drive=disk0,id=disk,serial=data,disable-legacy=on", "-kernel",
                   os.path.join(vm.IMAGE, "kernel"), "-initrd", initrd, "-append", world.cmdline() + " no_timer_check"]
        if monitor:
            command += ["-qmp", f"unix:{monitor},server=on,wait=off"]
        began = time.monotonic()
        qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        timer = threading.Timer(LIMIT_SECONDS + ROUND_SECONDS * len(plan), qemu.kill)
        timer.start()
        self.lines, self.results = [], {}
        for raw in qemu.stdout:
            self.take(raw.decode("ascii", "replace").strip())
            if said:
                said(self.lines[-1], qemu)
        timer.cancel()
        qemu.wait()
        os.unlink(initrd)
        tap.ok(any("probe: end" in line for line in self.lines) or not ends, f"{len(plan)} rounds came to their end",
               "\n".join(self.lines[-30:]))
        tap.note(f"{len(plan)} rounds in {time.monotonic() - began:.0f} s")

    @staticmethod
    def make_initrd(world, stage, record, plan, files):
        os.mkdir(stage)
        vm.shutil.copy(os.path.join(vm.BUILD, "tests/volume-probe"), os.path.join(stage, "init"))
        for name, path in files.items():
            os.makedirs(os.path.dirname(os.path.join(stage, name)), exist_ok=True)
            vm.shutil.copy(path, os.path.join(stage, name))
        with open(record, "rb") as file:
            registered = file.read().hex()
        with open(os.path.join(stage, "plan"), "w", encoding="ascii") as file:
            file.write("\n".join([f"record {registered}", *plan]) + "\n")
        vm.run(os.path.join(vm.TOP, "image/overlay"), os.path.join(vm.IMAGE, "initrd"), stage, stage + ".initrd")
        vm.shutil.rmtree(stage)
        return stage + ".initrd"

    def take(self, line):
        self.lines.append(line)
        words = line.split("probe: ", 1)[-1].split(" ", 2)
        if "probe: " in line and len(words) == 3:
            self.results[words[0]] = words[1:]

    def result(self, name):
        return self.results.get(name, ["nothing", ""])

    def refused(self, name, code, detail=""):
        found = self.result(name)
        tap.ok(found[0] == "refused" and found[1].startswith(code + " ") and detail in found[1],
               f"{name}: refused with {code}", found)

    def opened(self, name, right, failed):
        tap.same(self.results.get(name), ["opened", f"{right} 0 {failed}"],
                 f"{name}: {right} blocks as they were made, {failed} not readable")

    def opened_somehow(self, name):
        found = self.result(name)
        tap.ok(found[0] == "opened", f"{name}: opened", found)

    def table(self, name):
        """{suffix: live table} of a round."""
        return {suffix: self.results[f"{name}.{suffix}"][1] for suffix in ("tags", "data") if f"{name}.{suffix}" in self.results}

    def none_accepted(self, names, what, expected=None):
        """Each was refused, or gave nothing but what was made, by the expected tables."""
        opened = [name for name in names if self.result(name)[0] == "opened"]
        refused = [name for name in names if self.result(name)[0] == "refused"]
        wrong = {name: self.results.get(name) for name in names if name not in refused
                 and not (name in opened and self.result(name)[1].split()[1] == "0")}
        tap.same(wrong, {}, f"{what}: {len(refused)} of {len(names)} refused, the others without a wrong block")
        if expected:
            other = {name: self.table(name) for name in opened if self.table(name) != expected}
            tap.same(other, {}, f"{what}: {len(opened)} opened, each by the expected tables")


CONTROL = 12 << 20  # before the volumes and behind the keyslots that these disks have: a round says there which one it is
MARK = b"volume-probe, round "


def mark(index):
    """The change with which a round tells its block server that it begins."""
    return CONTROL, (MARK + index.to_bytes(4, "little")).ljust(4096, b"\0")


def marked(offset, data):
    """The number in a mark; -1 when it is taken back; None for every other write."""
    if offset != CONTROL:
        return None
    return int.from_bytes(data[len(MARK):len(MARK) + 4], "little") if data.startswith(MARK) else -1


def line(name, mode, *changes):
    return " ".join([f"round {name} {mode}", *[f"{place}:{data.hex()}" for place, data in changes]])


def read(path, place, size):
    with open(path, "rb") as file:
        file.seek(place)
        return file.read(size)


def flip(path, place, bit=0):
    return place, bytes([read(path, place, 1)[0] ^ 1 << bit])


def difference(old, new, place):
    """The change that makes the one of the other; None when they are the same."""
    differ = [n for n in range(len(old)) if old[n] != new[n]]
    return (place + differ[0], new[differ[0]:differ[-1] + 1]) if differ else None


def copy_of(disk):
    """What the kernel was told it writes back: each liar lies about a copy of its own."""
    vm.shutil.copy(disk, disk + ".copy")
    return disk + ".copy"
