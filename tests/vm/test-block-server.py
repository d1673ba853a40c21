#!/usr/bin/env python3
"""A block server that lies, stalls, shrinks, fails and writes all down, under the production's stage volumes. Prints TAP.

usage: test-block-server.py [liar] [failing] [stall] [shrinking] [cuts]

FLIPS and CUTS say how many answers differ from the first one, and at how many points first use is cut (200 and 100, the
other 100 are in test-rotation; `make soak`: 1000 each).
"""
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import nbd  # noqa: E402
import qemu  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402
from probe import BLOCKS, DATA, START, TAGS, Probe, copy_of, line, make_content, mark, marked, tables  # noqa: E402

FLIPS = int(os.environ.get("FLIPS", "200"))
CUTS = int(os.environ.get("CUTS", "100"))
CHOICE = random.Random(int(os.environ.get("SEED", "6")))
READ = 8  # blocks of the volume that are read in a round, each twice
SECTORS = BLOCKS * 8


class Liar:
    """Lets each place be read right once in a round, and gives one of them another bit from the second read on; in some
    rounds any one read. What the kernel believed and wrote back is gone in the next round."""

    def __init__(self, server):
        self.right = server.file.read()
        server.image = bytearray(self.right)
        self.server, self.round, self.target, self.skip, self.flipped, self.headers = server, 0, None, 0, set(), {}
        server.read, server.on_write = self.answer, self.begin

    def begin(self, offset, data):
        index = marked(offset, data)
        if index is None:
            return False
        if index >= 0:
            self.round = index + 1
            self.server.image[:] = self.right
            self.server.times.clear()
            places = [START] * 3 + [DATA] * 2 + [DATA + 4096 * CHOICE.randrange(READ)] * 4 + [None] * 2
            self.target, self.skip = CHOICE.choice(places), CHOICE.randrange(12)
        return True

    def answer(self, offset, data, times):
        if offset < 32768:
            self.headers[self.round, offset] = times + 1
        if self.target is None and offset >= START:
            self.skip -= 1
        if not self.round or (self.skip >= 0 if self.target is None else offset != self.target or not times):
            return data
        if self.target is None:
            self.target = -1  # this read alone
        self.flipped.add(self.round)
        data = bytearray(data)
        data[CHOICE.randrange(len(data))] ^= 1 << CHOICE.randrange(8)
        return bytes(data)


def check_liar(world, disk, record):
    rounds = FLIPS * 5 // 4
    modes = {f"lie-{i}": "header" if i % 4 == 3 else "record" for i in range(rounds)}
    with nbd.Server(copy_of(disk)) as server:
        liar = Liar(server)
        plan = [f"read {READ} 2"] + [line(name, mode, mark(i)) for i, (name, mode) in enumerate(modes.items())]
        probe = Probe(world, record, plan, server)
        probe.none_accepted(list(modes), f"{len(liar.flipped)} rounds with a second answer", tables(SECTORS))
        tap.ok(len(liar.flipped) >= FLIPS, f"at least {FLIPS} of the rounds had one", len(liar.flipped))
        again = {place: times for place, times in liar.headers.items() if place[0] and times > 1}
        seen = {number for number, _ in liar.headers if number}
        wanted = {i + 1 for i, mode in enumerate(modes.values()) if mode == "header"}
        tap.same((again, seen), ({}, wanted), "a header is read once in mode header, and never in mode record")
        check_plain(server, "reading and writing labels")


def check_plain(server, what):
    """Nothing that the server was given to write is plain text: blocks' contents, the label, a file system."""
    written = b"".join(data for _, data in server.writes)
    patterns = [(n + 1).to_bytes(8, "little") * 2 for n in range(BLOCKS)] + \
        [b"PSTNLBL1", b"lost+found", b"\x53\xef\x01\x00\x01\x00\x00\x00"]  # the latter: ext4's magic, state and errors
    tap.same([one for one in patterns if one in written], [], f"{what}: no plain text in {len(written)} bytes written")


class Failing:
    """One way of failing in each round, from the same disk every time."""

    def __init__(self, server):
        self.right, self.server, self.round, self.late = server.file.read(), server, None, 0
        server.image = bytearray(self.right)
        server.read, server.on_write = self.answer, self.begin

    def begin(self, offset, data):
        index = marked(offset, data)
        if index is None:
            fails = {"label-not-written": START + 4096 <= offset < TAGS, "journal-not-emptied": DATA <= offset < DATA + 4096}
            return None if fails.get(self.round) else False
        if index >= 0:
            self.round, self.late = ROUNDS[index], CHOICE.randrange(1, 10)
            self.server.image[:] = self.right
            self.server.times.clear()
        return True

    def answer(self, offset, data, times):
        if self.round == "errors" and DATA + 50 * 4096 <= offset < DATA + 60 * 4096:
            return None
        if self.round == "half" and offset >= HALF:
            return None
        if self.round == "second-superblock" and offset == START and times:
            return data[:9] + b"\x0e" + data[10:]  # another interleave
        if self.round.startswith("late") and offset >= START:
            self.late -= 1
            if self.late == 0:
                time.sleep(1)
        return data


HALF = DATA + BLOCKS // 2 * 4096
LATE = [f"late-{i}" for i in range(6)]
ROUNDS = ["errors", "label-not-written", "journal-not-emptied", "half", "second-superblock", *LATE]


def check_failing(world, disk, record):
    with nbd.Server(copy_of(disk)) as server:
        failing = Failing(server)
        failing.round = ""
        probe = Probe(world, record, [line(name, "record", mark(i)) for i, name in enumerate(ROUNDS)], server)
    probe.opened("errors", BLOCKS - 10, 10)
    probe.refused("label-not-written", "E-VOLUME-LABEL", "its label cannot be written")
    # What the journal could not bring to its place is an error from when the kernel finds out; until then it is right.
    outcome, counts = probe.result("journal-not-emptied")[:2]
    right, wrong, unreadable = map(int, counts.split())
    tap.ok(outcome == "opened" and not wrong and unreadable and right + unreadable == BLOCKS,
           "journal-not-emptied: errors, and no wrong block", counts)
    probe.opened("half", BLOCKS // 2, BLOCKS // 2)
    found = probe.result("second-superblock")
    tap.ok(found[0] == "refused" and "E-VOLUME-OPEN" in found[1] and ("live table" in found[1] or "cannot be set up" in
           found[1]), "another superblock for the kernel than for us: refused", found)
    for name in LATE:
        probe.opened(name, BLOCKS, 0)


def check_endless_stall(world, disk, record):
    """No answer at all to the first read of the label: nothing is opened, ever."""
    begun, asked = threading.Event(), threading.Event()

    def answer(offset, data, _):
        if begun.is_set() and offset == DATA:
            asked.set()
            server.stall.set()
        return data

    def end(qemu):
        asked.wait(600)
        time.sleep(10)
        qemu.kill()

    def said(text, qemu):
        if "before opened" in text:
            begun.set()
            threading.Thread(target=end, args=(qemu,), daemon=True).start()

    with nbd.Server(copy_of(disk)) as server:
        server.read = answer
        probe = Probe(world, record, ["read 1 1", line("before", "record"), line("stalled", "record")], server, said=said,
                      ends=False)
    probe.opened("before", 1, 0)
    tap.same((asked.is_set(), probe.results.get("stalled")), (True, None), "a label that never comes: not opened")


def check_shrinking(world, disk, record):
    """Made smaller while it is open, and then smaller than its record."""
    copy, monitor = copy_of(disk), world.path("qmp")

    def said(text, _):
        if "probe: shrinks ready" in text:
            qemu.Monitor(monitor).ask("block_resize", **{"node-name": "disk0", "size": HALF})

    probe = Probe(world, record, ["shrinks shrinks record", line("afterwards", "record")], copy, said=said, monitor=monitor)
    probe.opened("shrinks", BLOCKS // 2, BLOCKS // 2)
    probe.refused("afterwards", "E-VOLUME-OPEN", f"its disk has {HALF} bytes")


class Recorded:
    """The writes of a run, and what a disk without battery can hold of them when the power goes."""

    def __init__(self, before, writes):
        self.before, self.writes = before, writes

    def points(self, count):
        """Up to `count` different cuts: (writes that are there, sectors of the next one, writes among them that are not)."""
        sizes = [len(data) // 512 for _, data in self.writes]
        found = {(n, 0, ()) for n in (0, 1, len(sizes))}
        while len(found) < count:
            n = CHOICE.randrange(len(sizes) + 1)
            kind = CHOICE.randrange(3)
            if kind == 0 or n == len(sizes):
                found.add((n, 0, ()))
            elif kind == 1:
                found.add((n, CHOICE.randrange(1, sizes[n] or 1) if sizes[n] > 1 else 0, ()))
            else:
                since = max([i for i in range(n) if self.writes[i][0] is None], default=-1) + 1
                found.add((n, 0, tuple(i for i in range(since, n) if CHOICE.randrange(2))))
        return sorted(found)

    def state(self, point):
        whole, sectors, lost = point
        image = bytearray(self.before)
        for i, (place, data) in enumerate(self.writes[:whole]):
            if place is not None and i not in lost:
                image[place:place + len(data)] = data
        if sectors:
            place, data = self.writes[whole]
            image[place:place + sectors * 512] = data[:sectors * 512]
        return image


def ready(world, record):
    """The record as the broker gives it out once the volume has been confirmed: nothing may be formatted."""
    registered = bytearray(open(record, "rb").read())
    registered[-98] = 2
    path = world.path("cut-ready.record")
    with open(path, "wb") as file:
        file.write(registered)
    return path


class Replay:
    """A block server whose rounds begin with the disk as it was at their point; what they write is kept in `written`."""

    def __init__(self, server, recorded, points):
        self.server, self.recorded, self.points, self.point, self.written = server, recorded, points, None, set()
        server.image = bytearray(recorded.before)
        server.on_write = self.begin

    def begin(self, offset, data):
        index = marked(offset, data)
        if index is None:
            self.written.add(self.point)
            return False
        if index >= 0:
            self.point = self.points[index]
            self.server.image[:] = self.recorded.state(self.point)
        return True


def record_first_use(world):
    """(disk, its record, the same confirmed, all writes of first use, what the guest said of the volume)."""
    disk, record = world.create("cut", "data", "--blank", "--size", "16")
    before = open(disk, "rb").read()
    with nbd.Server(disk) as server:
        first = Probe(world, record, [line("format", "record")], server)
        first.opened_somehow("format")
        check_plain(server, "first use")
        recorded = Recorded(before, server.writes)
    tap.note(f"{sum(place is not None for place, _ in recorded.writes)} writes of first use")
    return disk, record, ready(world, record), recorded, first.result("format")


def check_power_cuts(world):
    """First use, recorded; then the disk as it may be after a cut at any of its writes. Only the last ones make a volume.
    Some of the others are given to a guest that may format: it does, and the next launch finds a volume."""
    disk, record, confirmed, recorded, whole = record_first_use(world)
    points = recorded.points(CUTS)
    names = [f"cut-{i}" for i in range(len(points))]
    early = [i for i, point in enumerate(points) if point[0] < len(recorded.writes) * 9 // 10]
    again = CHOICE.sample(early, max(2, CUTS // 40))
    texts = {path: f"record {open(path, 'rb').read().hex()}" for path in (record, confirmed)}
    plan = [line(name, "record", mark(i)) for i, name in enumerate(names)]
    for i in again:
        plan += [texts[record], line(f"again-{i}", "record", mark(i)), texts[confirmed], line(f"then-{i}", "record")]
    with nbd.Server(disk) as server:
        replay = Replay(server, recorded, points)
        probe = Probe(world, confirmed, plan, server)
    good = [name for name in names if probe.result(name) == whole]
    refused = [name for name in names if probe.result(name)[0] == "refused"
               and probe.result(name)[1].startswith(("E-VOLUME-OPEN ", "E-VOLUME-LABEL "))]
    tap.same({name: (point, probe.result(name)) for name, point in zip(names, points) if name not in refused + good}, {},
             f"{len(points)} cuts: {len(good)} good, {len(refused)} cleanly refused, nothing else")
    tap.ok("cut-0" in refused and names[-1] in good, "control: the first one is no volume, the last one is",
           [probe.result(name) for name in (names[0], names[-1])])
    tap.ok((0, 0, ()) in points and (0, 0, ()) not in replay.written - {points[i] for i in again},
           "a blank disk of a volume that is ready is not written")
    wrong = {f"{name}-{i}": (points[i], probe.result(f"{name}-{i}")) for i in again for name in ("again", "then")
             if probe.result(f"{name}-{i}") != whole}
    tap.same(wrong, {}, f"{len(again)} of the refused ones: formatted again by the broker's word, and good at the next launch")


def main():
    with vm.World() as world:
        content = world.path("known")
        make_content(content)
        disk, record = world.create("tagged", "data", "--content", content)
        parts = {"liar": check_liar, "failing": check_failing, "stall": check_endless_stall, "shrinking": check_shrinking}
        for name, part in parts.items():
            if name in (sys.argv[1:] or parts):
                part(world, disk, record)
        if "cuts" in (sys.argv[1:] or ["cuts"]):
            check_power_cuts(world)
    tap.done()


main()
