#!/usr/bin/env python3
"""Another key for a volume, while it is in use: cut anywhere, bent by the host, and with a broker. Prints TAP.

CUTS=N: so many cuts for each kind of volume (default 50).
"""
import hashlib
import hmac
import json
import os
import random
import struct
import sys
import time

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import nbd  # noqa: E402
import probe  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

MIB = 1 << 20
START = 16 * MIB
ROOM = START - 4 * MIB
LOG = ROOM + 8192
BLOCKS = 640  # two chunks and a half
CONTROL = 8 * MIB  # in the keyslots' area: a round says there which state of the disk it wants
CUTS = int(os.environ.get("CUTS", "50"))
CHOICE = random.Random(6)
SECONDS = 600


def hkdf(key, info):
    secret = hmac.new(bytes(32), key, hashlib.sha256).digest()
    return hmac.new(secret, info + b"\x01", hashlib.sha256).digest()


def rotating(path, old_path, size):
    """The record of a volume on its way to another key, and that key."""
    with open(old_path, "rb") as file:
        old = file.read()
    key = os.urandom(size)
    with open(path, "wb") as file:
        file.write(old[:-size - 2] + bytes([3, 2 * size]) + key + old[-size:])
    return path, key


def make_content(path):
    """As volume-probe.c knows it; more than one chunk."""
    with open(path, "wb") as file:
        for n in range(BLOCKS):
            block = (n + 1).to_bytes(8, "little") * 512
            file.write(block if n else bytes(1024) + block[1024:])


def slot(key, sequence, epoch, done, logged=0, digest=bytes(32)):
    text = b"PSTNROT1" + struct.pack("<QQQQ", sequence, epoch, done, logged) + digest + b"data".ljust(64, b"\0")
    return text + hmac.new(hkdf(key, b"postern rotation"), text, hashlib.sha256).digest()


def after(before, writes, count, part=None):
    """The disk after so many writes, of the next one a part."""
    image = bytearray(before)
    for place, data in writes[:count]:
        image[place:place + len(data)] = data
    if part is not None and count < len(writes):
        place, data = writes[count]
        image[place:place + part] = data[:part]
    return image


def check_kind(world, kind, size, words):
    content = world.path("known")
    make_content(content)
    disk, old_record = world.create(kind, "data", "--content", content, *words)
    record, key = rotating(world.path(kind + ".rotating"), old_record, size)
    with open(disk, "rb") as file:
        before = file.read()
    with open(record, "rb") as file:
        new = file.read()[:-2 * size - 2] + bytes([2, size]) + key
    with nbd.Server(disk) as server:
        run = probe.Probe(world, record, [probe.line("whole", "rotate"), probe.line("again", "rotate"),
                                          f"record {new.hex()}", probe.line("new-key", "record")], server)
        for name in "whole", "again", "new-key":
            run.opened(name, BLOCKS, 0)
        writes = [(place, data) for place, data in server.writes if place is not None]
    ends = [i for i, (_, data) in enumerate(writes) if data[:8] == b"PSTNROT1"
            and struct.unpack_from("<Q", data, 24)[0] == BLOCKS * 4096]
    tap.ok(ends, f"{kind}: a slot says that all is done")
    writes = writes[:ends[0] + 1] if ends else writes
    check_header(kind, disk)
    cuts = cut_states(kind, before, writes)
    bent = bent_states(kind, before, key, writes)
    run = run_states(world, record, disk, before, cuts | bent)
    wrong = {name: run.results.get(name) for name in cuts if run.results.get(name) != ["opened", f"{BLOCKS} 0 0"]}
    tap.same(wrong, {}, f"{kind}: power cut at {len(cuts)} of {len(writes)} writes: each goes on to its end, no block lost")
    tap.ok(not [name for name in run.results if name.endswith("-rotation")], f"{kind}: and none stopped", run.results)
    run.opened(f"{kind}-control", BLOCKS, 0)
    run.refused(f"{kind}-log", "E-VOLUME-OPEN", "the log of its rotation is not what was written there")
    run.refused(f"{kind}-no-slots", "E-VOLUME-LABEL")
    run.refused(f"{kind}-slots-of-another-key", "E-VOLUME-LABEL")
    run.refused(f"{kind}-too-far", "E-VOLUME-OPEN", "its rotation has got further than its record's length")
    run.refused(f"{kind}-not-so-far", "E-VOLUME-LABEL")
    if kind == "plain":
        run.refused("plain-older-launch", "E-VOLUME-LABEL", "its rotation is of epoch 0, its label of 7")


def check_header(kind, disk):
    """The header and the keyslots of the old key are gone."""
    with open(disk, "rb") as file:
        tap.ok(not any(file.read(ROOM)), f"{kind}: neither header nor keyslots of the old key are left")


def run_states(world, record, disk, before, states):
    """One guest that finds the disk in each of these states in turn."""
    names = list(states)

    def state(offset, data):
        if offset != CONTROL or data[0] == 0:
            return offset == CONTROL
        server.image = bytearray(states[names[int.from_bytes(data[:4], "little") - 1]]())
        return True

    with nbd.Server(disk) as server:
        server.image = bytearray(before)
        server.on_write = state
        plan = [probe.line(name, "rotate", (CONTROL, (i + 1).to_bytes(4, "little") * 1024)) for i, name in enumerate(names)]
        return probe.Probe(world, record, plan, server)


def cut_states(kind, before, writes):
    """The disk after some of the writes, of every other one in the middle of the next."""
    cuts = sorted({0, 1, len(writes) - 1, len(writes)} | {CHOICE.randrange(len(writes)) for _ in range(CUTS)})
    states = {}
    for n in cuts:
        size = len(writes[n][1]) if n < len(writes) else 0
        part = CHOICE.randrange(size // 512 + 1) * 512 if n % 2 else None
        states[f"{kind}-cut-{n}"] = lambda n=n, part=part: after(before, writes, n, part)
    return states


def later_label(block, key, epoch):
    """The first block of a volume without tags, with another epoch in its label."""
    def cipher():
        return Cipher(algorithms.AES(key), modes.XTS(bytes(16)))

    opened = cipher().decryptor()
    plain = opened.update(block) + opened.finalize()
    assert plain[:8] == b"PSTNLBL2", plain[:8]
    text = plain[:8] + struct.pack("<Q", epoch) + plain[16:88]
    made = cipher().encryptor()
    return made.update(text + hmac.new(hkdf(key, b"postern volume label"), text, hashlib.sha256).digest() + plain[120:]) + \
        made.finalize()


def bent_states(kind, before, key, writes):
    """What the host does to the notes: a refusal, never another volume."""
    slots = [i for i, (_, data) in enumerate(writes) if data[:8] == b"PSTNROT1"]
    logged = [i for i in slots if struct.unpack_from("<Q", writes[i][1], 32)[0]]
    whole = after(before, writes, logged[1] + 1)  # the first chunk is moved, the second one is in the log
    other = os.urandom(len(key))

    def bent(*changes):
        def make():
            image = bytearray(whole)
            for place, data in changes:
                image[place:place + len(data)] = data
            return image
        return make

    states = {}
    if kind == "plain":  # where a block can be made here: the label of a later launch, and slots of an earlier one
        states["plain-older-launch"] = bent((START, later_label(bytes(whole[START:START + 4096]), key, 7)))
    return states | {
        f"{kind}-control": bent(),
        f"{kind}-log": bent((LOG + 70000, bytes([whole[LOG + 70000] ^ 1]))),
        f"{kind}-no-slots": bent((ROOM, bytes(8192))),
        f"{kind}-slots-of-another-key": bent((ROOM, slot(other, 9, 0, MIB)), (ROOM + 4096, slot(other, 8, 0, MIB))),
        f"{kind}-too-far": bent((ROOM, slot(key, 1000, 0, BLOCKS * 4096 + MIB))),
        f"{kind}-not-so-far": bent((ROOM, slot(key, 1001, 0, 0)), (ROOM + 4096, bytes(4096))),
    }


def listed(broker, resource=vm.RESOURCE):
    lines = vm.run(vm.program("postern-broker"), "volume", "list", "--dir", broker.directory, "--json").splitlines()
    return [line for line in map(json.loads, lines) if line["resource"] == resource][0]


def change(broker, verb, *words):
    vm.run(vm.program("postern-broker"), "volume", verb, "--dir", broker.directory, "--resource", vm.RESOURCE, *words)


SCRIPT = "cd /data/www && echo boot >>boots; df -k /data >df; " \
         "for p in /proc/[0-9]*; do if grep -qx postern-mover $p/comm; then grep -E '^Cap|^Sec' $p/status >mover; fi; done; " \
         "(while :; do date +%s%N >>busy; cat busy >busy.copy; cmp busy busy.copy || echo differs >>wrong; sleep 0.1; " \
         "done) & exec httpd -f -p 8080 -h /data/www"


def check_guests(world):
    """With a broker: the volume grows, then gets another key while the workload writes, then the old key goes."""
    with vm.Broker(world.path("broker")) as broker:
        broker.add(world.record)
        initrd = world.initrd(world.config(broker.site(), workload={"process": {
            "args": ["/usr/bin/busybox", "sh", "-c", SCRIPT]}}))
        broker.allow(world.digest(initrd))
        length = listed(broker)["bytes"]
        os.truncate(world.data, os.path.getsize(world.data) + 12 * MIB)
        change(broker, "grow", "--length", str(length + 8 * MIB))
        sizes = []
        for number in range(1, 4):
            if number == 2:
                change(broker, "rotate")
                tap.same(listed(broker)["state"], "rotating", "the broker has another key for the volume")
            port = vm.free_port()
            launch = world.launch(initrd, "--forward", f"{port}:8080", "--boot-timeout", str(SECONDS))
            tap.same(launch.page(port, "", SECONDS), world.secret, f"boot {number}: the page is served")
            tap.same(launch.page(port, "boots", 60), "boot\n" * number, f"boot {number}: what was written before is there")
            sizes.append(int((launch.page(port, "df", 60) or "x\nx 0").splitlines()[-1].split()[1]))
            deadline = time.monotonic() + SECONDS
            while number == 2 and time.monotonic() < deadline and launch.process.poll() is None and \
                    not [line for line in launch.record() if line.get("stage") == "rotation"]:
                time.sleep(0.5)
            if number == 2:
                notes = [line for line in launch.record() if line.get("stage") == "rotation"]
                tap.ok(len(notes) == 1 and "all of it is under its new key" in notes[0].get("note", ""),
                       "the rotation ends while the workload writes", notes)
                tap.same(launch.page(port, "", 60), world.secret, "and the page is still served")
                mover = dict(line.split(":\t") for line in (launch.page(port, "mover", 60) or "").splitlines() if "\t" in line)
                tap.same((mover.get("CapEff"), mover.get("CapPrm"), mover.get("CapBnd"), mover.get("Seccomp")),
                         ("0000000000200000",) * 3 + ("2",), "by a process with CAP_SYS_ADMIN alone and a filter")
                tap.same(listed(broker)["state"], "rotating", "the old key is kept until a launch has confirmed")
            launch.stop()
            tap.same(launch.status, 0, f"boot {number}: an orderly end") or tap.note(f"{launch.said}\n{launch.refusal()}")
        tap.ok(sizes[0] > length // 1024 and len(set(sizes)) == 1, "the file system has grown with its volume",
               (length, sizes))
        found = listed(broker)
        tap.same((found["state"], found["epoch"], found["version"]), ("ready", 3, 2),
                 "confirmed: ready, and the epochs went on over the rotation")
        gone = vm.subprocess.run([vm.program("postern-broker"), "volume", "remove", "--dir", broker.directory, "--resource",
                                  vm.RESOURCE, "--version", "1"], capture_output=True, check=False)
        tap.same(gone.returncode, 1, "the version with the old key is gone from the broker's store")


def main():
    with vm.World() as world:
        if sys.argv[1:] != ["guests"]:
            check_kind(world, "tags", 96, [])
            check_kind(world, "plain", 64, ["--integrity", "none"])
        if sys.argv[1:] != ["probes"]:
            check_guests(world)
    tap.done()


main()
