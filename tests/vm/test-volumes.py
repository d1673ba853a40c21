#!/usr/bin/env python3
"""Disks that a hostile host bends, through the production's stage volumes, hundreds of them in a few guests. Prints TAP.

Every block of the volume is known: a round ends well when the disk is refused, or when no block reads with other contents
than it was made with. The guest's kernel and modules are the image's; tests/vm/volume-probe.c stands in the place of init.
"""
import json
import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import luks2  # noqa: E402
import nbd  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

START = 16 << 20
BLOCKS = 256
SECTION = 264 * 512
TAGS = START + 4096 + SECTION
DATA = TAGS + 256 * 512
LIMIT_SECONDS = 900
CHOICE = random.Random(6)


def make_content(path):
    """Block n holds its number plus one, over and over; the label's room stays free."""
    with open(path, "wb") as file:
        for n in range(BLOCKS):
            block = (n + 1).to_bytes(8, "little") * 512
            file.write(block if n else bytes(1024) + block[1024:])


class Probe:
    """One guest that runs a plan."""

    def __init__(self, world, record, plan, disk):
        world.count += 1
        stage = world.path(f"probe-{world.count}")
        os.mkdir(stage)
        vm.shutil.copy(os.path.join(vm.BUILD, "tests/volume-probe"), os.path.join(stage, "init"))
        with open(record, "rb") as file:
            registered = file.read().hex()
        with open(os.path.join(stage, "plan"), "w", encoding="ascii") as file:
            file.write("\n".join([f"record {registered}", *plan]) + "\n")
        initrd = stage + ".initrd"
        vm.run(os.path.join(vm.TOP, "image/overlay"), os.path.join(vm.IMAGE, "initrd"), stage, initrd)
        blockdev = f"driver=nbd,node-name=disk0,server.type=unix,server.path={disk.path}" \
            if isinstance(disk, nbd.Server) else f"driver=raw,node-name=disk0,file.driver=file,file.filename={disk}"
        command = ["qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none", "-M", "q35", "-accel",
                   "tcg,thread=multi", "-cpu", "max", "-m", "512M", "-serial", "stdio", "-blockdev", blockdev, "-device",
                   "virtio-blk-pci,drive=disk0,serial=data,disable-legacy=on", "-kernel",
                   os.path.join(vm.IMAGE, "kernel"), "-initrd", initrd, "-append", world.cmdline() + " no_timer_check"]
        began = time.monotonic()
        qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        timer = threading.Timer(LIMIT_SECONDS, qemu.kill)
        timer.start()
        self.lines = [raw.decode("ascii", "replace").strip() for raw in qemu.stdout]
        timer.cancel()
        qemu.wait()
        self.results = {}
        for line in self.lines:
            words = line.split("probe: ", 1)[-1].split(" ", 2)
            if "probe: " in line and len(words) == 3:
                self.results[words[0]] = words[1:]
        tap.ok(any("probe: end" in line for line in self.lines), f"{len(plan)} rounds came to their end",
               "\n".join(self.lines[-30:]))
        tap.note(f"{len(plan)} rounds in {time.monotonic() - began:.0f} s")

    def refused(self, name, code, detail=""):
        found = self.results.get(name, ["nothing", ""])
        tap.ok(found[0] == "refused" and found[1].startswith(code + " ") and detail in found[1],
               f"{name}: refused with {code}", found)

    def opened(self, name, right, failed):
        tap.same(self.results.get(name), ["opened", f"{right} 0 {failed}"],
                 f"{name}: {right} blocks as they were made, {failed} not readable")

    def opened_somehow(self, name):
        found = self.results.get(name, ["nothing", ""])
        tap.ok(found[0] == "opened", f"{name}: opened", found)

    def none_accepted(self, names, what):
        """Each was refused, or gave nothing but what was made."""
        wrong = {name: self.results.get(name) for name in names
                 if self.results.get(name, [""])[0] != "refused"
                 and not (self.results.get(name, [""])[0] == "opened" and self.results[name][1].split()[1] == "0")}
        refused = sum(self.results.get(name, [""])[0] == "refused" for name in names)
        tap.same(wrong, {}, f"{what}: {refused} of {len(names)} refused, the others without a wrong block")


def line(name, mode, *changes):
    return " ".join([f"round {name} {mode}", *[f"{place}:{data.hex()}" for place, data in changes]])


def read(path, place, size):
    with open(path, "rb") as file:
        file.seek(place)
        return file.read(size)


def flip(path, place, bit=0):
    return place, bytes([read(path, place, 1)[0] ^ 1 << bit])


def superblock_changes(disk):
    """The cases of what dm-integrity reads: each field with values that it would take and that it would not."""
    sb = read(disk, START, 4096)
    fields = {"version": (8, 1, (0, 1, 3, 5, 6, 8)), "interleave": (9, 1, (2, 14, 16, 31)), "tag": (10, 2, (0, 16, 48, 64)),
              "sections": (12, 4, (0, 2, 6, 100, 0xFFFFFFFF)), "flags": (24, 4, (0, 1, 2, 4, 9, 10, 12, 24, 40, 72, 136)),
              "block": (28, 1, (0, 4, 40))}
    for name, (at, size, values) in fields.items():
        for value in values:
            if int.from_bytes(sb[at:at + size], "little") != value:
                yield f"sb-{name}-{value}", [(START + at, value.to_bytes(size, "little"))]


def check_tags(world):
    content = world.path("known")
    make_content(content)
    disk, record = world.create("tagged", "data", "--content", content)
    other, _ = world.create("tagged-other", "data", "--content", content)
    foreign, _ = world.create("foreign", "other", "--content", content)
    block = 100
    data, tag = DATA + block * 4096, TAGS + block * 32
    plan = [line("control", "record"), line("control-header", "header"),
            line("data-byte", "record", flip(disk, data + 5)), line("tag-byte", "record", flip(disk, tag)),
            line("moved", "record", (data, read(disk, data + 4096, 4096)), (tag, read(disk, tag + 32, 32))),
            line("label-block", "record", flip(disk, DATA + 3000)),
            line("no-magic", "record", (START, bytes(8))), line("no-superblock", "record", (START, bytes(4096))),
            line("empty-disk", "record", (0, bytes(32768)), (START, bytes(4096))),
            line("other-superblock", "record", (START, read(other, START, 4096))),
            line("other-first-block", "record", (DATA, read(other, DATA, 4096)), (TAGS, read(other, TAGS, 32))),
            line("provided", "record", (START + 16, (8).to_bytes(8, "little"))),
            line("journal", "record", (START + 4096, os.urandom(4096)))]
    changes = dict(superblock_changes(disk))
    plan += [line(name, "record", *places) for name, places in changes.items()]
    flips = [f"flip-{i}" for i in range(200)]
    places = [START + CHOICE.randrange(4096) if i % 4 == 0 else START + CHOICE.randrange(8192 + SECTION) if i % 4 == 1 else
              TAGS + CHOICE.randrange(BLOCKS * 32) if i % 4 == 2 else DATA + CHOICE.randrange(BLOCKS * 4096)
              for i in range(200)]
    plan += [line(name, "record", flip(disk, place, CHOICE.randrange(8))) for name, place in zip(flips, places)]
    plan += header_plan(disk) + [line("control-at-the-end", "record")]
    probe = Probe(world, record, plan, disk)
    for name in "control", "control-header", "control-at-the-end":
        probe.opened(name, BLOCKS, 0)
    probe.opened("data-byte", BLOCKS - 1, 1)
    probe.opened("tag-byte", BLOCKS - 1, 1)
    probe.opened("moved", BLOCKS - 1, 1)
    probe.refused("label-block", "E-VOLUME-LABEL", "does not have the tag of this key")
    probe.refused("other-first-block", "E-VOLUME-LABEL", "does not have the tag of this key")
    for name in "no-magic", "no-superblock", "empty-disk":
        probe.refused(name, "E-VOLUME-OPEN", "there is no integrity superblock")
    probe.opened("other-superblock", BLOCKS, 0)  # it is the same for all volumes of a length
    probe.opened("provided", BLOCKS, 0)  # computed anew by the kernel
    probe.refused("journal", "E-VOLUME-LABEL")
    for name in changes:
        probe.refused(name, "E-VOLUME-OPEN", "integrity superblock: ")
    probe.none_accepted(flips, "200 flips in superblock, journal, tags and data")
    check_header_plan(probe)
    check_untouched(world, disk, other)
    swapped = Probe(world, record, [line("other-volume", "record")], foreign)
    swapped.refused("other-volume", "E-VOLUME-LABEL")
    return disk, record


HEADER_EDITS = {
    "H-SEGMENT-CIPHER": (b'"encryption":"aes-xts-plain64","sector', b'"encryption":"cipher_null-ecb","sector'),
    "H-SEGMENT-IV": (b'"iv_tweak":"0"', b'"iv_tweak":"8"'),
    "H-SEGMENT-SECTOR": (b'"sector_size":4096', b'"sector_size":512 '),
    "H-SEGMENT-OFFSET": (b'"offset":"16777216"', b'"offset":"16777728"'),
    "H-SEGMENT-INTEGRITY": (b'"type":"hmac(sha256)"', b'"type":"none"'),
    "H-CONFIG-FLAGS": (b'"config":{', b'"config":{"flags":["no-journal"],'),
    "H-CONFIG-REQUIREMENTS": (b'"config":{', b'"config":{"requirements":{"mandatory":["online-reencrypt"]},'),
    "H-TOKENS": (b'"tokens":{}', b'"tokens":{"0":{"type":"a","keyslots":[]}}'),
    "H-SEGMENT-COUNT": (b'"segments":{"0"', b'"segments":{"1"'),
    "H-JSON": (b'"sector_size":4096', b'"sector_size":4096,"sector_size":4096'),
}


def header_plan(disk):
    """Mode header: each edit in the first copy, the second, both; in mode record it makes no difference."""
    copies = [read(disk, at, 16384) for at in (0, 16384)]
    plan = []
    for code, (find, put) in HEADER_EDITS.items():
        for which in (0,), (1,), (0, 1):
            changes = []
            for index in which:
                changed = copies[index].replace(find, put)
                assert changed != copies[index], code
                changes.append((index * 16384, luks2.seal(changed.rstrip(b"\0").ljust(16384, b"\0"))))
            name = f"{code}.{''.join(map(str, which))}"
            plan += [line("header." + name, "header", *changes), line("record." + name, "record", *changes)]
    digest = json.loads(copies[0][4096:].rstrip(b"\0"))["digests"]["0"]["digest"].encode()
    other = digest[:5] + (b"A" if digest[5:6] != b"A" else b"B") + digest[6:]
    plan += [line("header.other-key", "header",
                  *[(i * 16384, luks2.seal(copies[i].replace(digest, other))) for i in (0, 1)]),
             line("header.salt", "header", *[(i * 16384, luks2.seal(copies[i][:104] + bytes(8) + copies[i][112:]))
                                             for i in (0, 1)]),
             line("header.checksum", "header", flip(disk, 16384 + 450)),
             line("header.512", "header", *[(i * 16384, luks2.seal(copies[i].replace(
                 b'"size":"dynamic"', b'"size":"8192"').rstrip(b"\0").ljust(16384, b"\0"))) for i in (0, 1)])]
    return plan


def check_header_plan(probe):
    for code in HEADER_EDITS:
        for which in "0", "1", "01":
            probe.refused(f"header.{code}.{which}", "E-VOLUME-HEADER", code)
            probe.opened(f"record.{code}.{which}", BLOCKS, 0)
    probe.refused("header.other-key", "E-VOLUME-HEADER", "its header is that of another key")
    probe.refused("header.salt", "E-VOLUME-HEADER", "its header is not the one that its record was made with")
    probe.refused("header.checksum", "E-VOLUME-HEADER", "H-CHECKSUM")
    probe.refused("header.512", "E-VOLUME-HEADER", "header and record say different things")


def check_untouched(world, disk, other):
    """Refusals format nothing: what the rounds changed was put back, and the disk reads as it was made."""
    del other
    again = Probe(world, world.path("tagged.record"), [line("after-all", "record")], disk)
    again.opened("after-all", BLOCKS, 0)


def copy_of(disk):
    """What the kernel was told it writes back: each liar lies about a copy of its own."""
    vm.shutil.copy(disk, disk + ".copy")
    return disk + ".copy"


def check_liar(world, disk, record):
    """A host that answers one read of a block differently from the others: a random bit in a random read, each round."""
    rounds = 200
    state = {"reads": 0, "next": 60, "flips": 0}

    def answer(offset, data, _):
        # Blocks of the volume, or of its superblock; the number of reads in between is random.
        if offset < START:
            return data
        state["reads"] += 1
        if state["reads"] < state["next"]:
            return data
        state["next"] = state["reads"] + CHOICE.randrange(1, 240)
        state["flips"] += 1
        data = bytearray(data)
        data[CHOICE.randrange(len(data))] ^= 1 << CHOICE.randrange(8)
        return bytes(data)

    names = [f"lie-{i}" for i in range(rounds)]
    with nbd.Server(copy_of(disk)) as server:
        server.read = answer
        probe = Probe(world, record, [line(name, "record") for name in names], server)
        probe.none_accepted(names, f"{state['flips']} reads that differ from the others")
        tap.ok(state["flips"] >= 200, "at least 200 reads were changed", state)
        written = b"".join(data for _, data in server.writes)
        plain = [n for n in range(BLOCKS) if (n + 1).to_bytes(8, "little") * 16 in written]
        tap.same(plain, [], "nothing that was written is plain text of the volume")
    second = {}

    def differ(offset, data, times):
        """The superblock reads well once, then with another interleave."""
        second[offset] = times
        return data if offset != START or not times else data[:9] + b"\x0e" + data[10:]

    with nbd.Server(copy_of(disk)) as server:
        server.read = differ
        probe = Probe(world, record, [line("second-read", "record")], server)
        found = probe.results.get("second-read", ["", ""])
        tap.ok(found[0] == "refused" and "E-VOLUME-OPEN" in found[1] and ("live table" in found[1] or "cannot be set up"
               in found[1]), "another superblock for the kernel than for us: refused", found)
        tap.ok(second.get(START, 0) >= 1, "and it was read again", second)


def check_errors(world, disk, record):
    """Read errors, and a disk that is shorter than its record."""
    with nbd.Server(copy_of(disk)) as server:
        server.read = lambda offset, data, times: None if DATA + 50 * 4096 <= offset < DATA + 60 * 4096 else data
        probe = Probe(world, record, [line("errors", "record")], server)
        probe.opened("errors", BLOCKS - 10, 10)
    with nbd.Server(copy_of(disk), size=START + (1 << 20)) as server:
        probe = Probe(world, record, [line("shrunk", "record")], server)
        probe.refused("shrunk", "E-VOLUME-OPEN", "its disk has 17825792 bytes")


CONTROL = 8 << 20  # in the keyslots' area of a disk without keyslots: a round says there which state it wants


def check_power_cuts(world):
    """First use, recorded; then the disk as it was after each of 200 of its writes. Only the last one makes a volume."""
    disk, record = world.create("cut", "data", "--blank", "--size", "16")
    with open(record, "rb") as file:
        registered = bytearray(file.read())
    registered[-98] = 2  # state ready: nothing may be formatted
    ready = world.path("cut-ready.record")
    with open(ready, "wb") as file:
        file.write(registered)
    with open(disk, "rb") as file:
        before = file.read()
    blank = Probe(world, ready, [line("blank", "record")], disk)
    blank.refused("blank", "E-VOLUME-OPEN", "there is no integrity superblock")
    tap.ok(open(disk, "rb").read() == before, "a blank disk of a volume that is ready is not written")
    with nbd.Server(disk) as server:
        Probe(world, record, [line("format", "record")], server).opened_somehow("format")
        writes = [(offset, data) for offset, data in server.writes if offset is not None]
    tap.note(f"{len(writes)} writes of first use")
    cuts = sorted({0, 1, len(writes)} | set(CHOICE.sample(range(len(writes)), min(198, len(writes) - 1))))
    names = [f"cut-{n}" for n in cuts]

    def state(offset, data):
        if offset != CONTROL or data[0] == 0:
            return offset == CONTROL
        server.image = bytearray(before)
        for place, written in writes[:cuts[int.from_bytes(data[:4], "little") - 1]]:
            server.image[place:place + len(written)] = written
        return True

    with nbd.Server(disk) as server:
        server.image = bytearray(before)
        server.on_write = state
        plan = [line(name, "record", (CONTROL, (i + 1).to_bytes(4, "little") * 1024)) for i, name in enumerate(names)]
        probe = Probe(world, ready, plan, server)
    opened = [n for n, name in zip(cuts, names) if probe.results.get(name, [""])[0] == "opened"]
    refused = [name for name in names if probe.results.get(name, [""])[0] == "refused"
               and probe.results[name][1].startswith(("E-VOLUME-OPEN ", "E-VOLUME-LABEL "))]
    tap.ok(len(opened) + len(refused) == len(cuts), f"{len(cuts)} cuts: each refused in order, or a volume",
           {name: probe.results.get(name) for name in names if name not in refused})
    tap.ok(opened and opened[-1] == len(writes) and opened == cuts[-len(opened):], "a volume only once its label is written",
           (opened, len(writes)))
    last = [n for n in range(len(writes)) if writes[n][0] >= START]
    tap.note(f"a volume from write {opened[0] if opened else '-'} of {last[-1] if last else 0} on")


def main():
    with vm.World() as world:
        if sys.argv[1:] == ["cuts"]:
            check_power_cuts(world)
            tap.done()
        disk, record = check_tags(world)
        check_liar(world, disk, record)
        check_errors(world, disk, record)
        check_power_cuts(world)
    tap.done()


main()
