#!/usr/bin/env python3
"""What is left of the secrets in a guest's memory once the workload runs, and what a host sees being written. Prints TAP.

QEMU dumps the memory. Its secrets are known from two sides: the records that the broker was given, and a second link of the
production init that tells, masked, each secret that it held (tests/vm/secret-hooks.c). Searched for are all whole pieces of
16 bytes, forwards and backwards.
"""
import collections
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import memory  # noqa: E402
import nbd  # noqa: E402
import qemu  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

MEMORY_MIB = 384
SECONDS = 600  # until the workload runs: a busy machine takes its time, under emulation
MASK = 0xA5
FINDER = os.path.join(vm.BUILD, "tests/find-bytes")
TELLING = os.path.join(vm.BUILD, "tests/telling-init")
KEY_BYTES = {"data": 96, "plain": 64}
# What secret-hooks.c tells, and how much of it at least: two volumes, each with two connections.
KINDS = {"scalar": 2, "share": 8, "agreed": 10, "derived": 60, "cipher": 2, "held": 12, "cookie": 6}
DECAPSULATION_SECRET_BYTES = 1152  # of an ML-KEM-768 key; what follows in it is public, but for the last 32 bytes


def config(world, broker, text):
    data = {"id": "data", "device": "data", "resource": vm.RESOURCE, "filesystem": "ext4", "mount": "/data"}
    plain = {"id": "plain", "device": "plain", "resource": "default/volume/plain", "filesystem": "ext4",
             "mount": "/data/www/plain", "integrity": "none"}
    script = f"mkdir /run/www; for d in /data/www /data/www/plain; do for i in 1 2 3 4 5 6 7 8; do echo {text} $i; " \
             "done >$d/known.txt; done; sync; cat /proc/kpageflags >/run/www/flags; exec httpd -f -p 8080 -h /run/www"
    return world.config(broker.site(), volumes=[data, plain],
                        workload={"process": {"args": ["/usr/bin/busybox", "sh", "-c", script]}})


def run_guest(world, broker, text):
    """(console, flags of its pages, path of its dumped memory, {volume: all that was written})."""
    plain = world.path("plain.img")
    initrd = world.initrd(config(world, broker, text), init=TELLING)
    for resource in vm.RESOURCE, "default/volume/plain":
        broker.allow(world.digest(initrd), resource)
    monitor, dump, port = world.path("qmp"), world.path("dump"), vm.free_port()
    with nbd.Server(world.data) as data, nbd.Server(plain) as other:
        program = nbd.qemu_with(world.path("qemu"), {world.data: data, plain: other})
        launch = world.launch(initrd, "--forward", f"{port}:8080", "--qmp", monitor, "--qemu", program, "--memory",
                              str(MEMORY_MIB), "--boot-timeout", str(SECONDS), "--disk", f"plain={plain}")
        flags = launch.fetch(port, "flags", SECONDS)
        tap.ok(flags, "the workload runs and says what each page is for", launch.console()[-3000:]) or tap.done()
        control = qemu.Monitor(monitor)
        control.dump(dump, MEMORY_MIB << 20)
        control.ask("cont")
        launch.stop()
        written = {name: b"".join(part for _, part in server.writes) for name, server in (("data", data), ("plain", other))}
    return launch.console(), flags, dump, written


def told(console):
    """(kind, secret) of each line of the hooks, without what is public in it."""
    for kind, digits in re.findall(r"^secret: (\w+) ((?:[0-9a-f]{2})+)\r?$", console, re.M):
        secret = bytes(byte ^ MASK for byte in bytes.fromhex(digits))
        if kind == "share" and len(secret) > DECAPSULATION_SECRET_BYTES:
            yield kind, secret[:DECAPSULATION_SECRET_BYTES]
            yield kind, secret[-64:]  # the rest of it, and X25519's part
        elif b"PSTNVOL2" in secret:
            yield kind, secret[secret.index(b"PSTNVOL2"):]  # a release: nonce and digest come before its record
        else:
            yield kind, secret


def name_pieces(records, secrets):
    """{piece: what it is a part of}. What a record says before its key, place and lengths, the disk shows to the host."""
    named = {}
    shown = b"".join(record[:-KEY_BYTES[name]] + bytes(16) for name, record in records.items())
    for name, record in records.items():
        key = record[-KEY_BYTES[name]:]
        for part in range(0, len(key), 32):
            for piece in memory.pieces(key[part:part + 32]):
                named.setdefault(piece, (name, part // 32, key[part:part + 32]))
    keys = b" ".join(record[-KEY_BYTES[name]:] for name, record in records.items())
    for kind, secret in secrets:
        for data in secret, secret[::-1]:
            for piece in memory.pieces(data):
                if piece not in keys and piece not in shown:
                    named.setdefault(piece, kind)
    return named


def straddles_key(piece, records):
    """Pieces of a whole release that lie across the places at which those of the key begin."""
    return any(piece in record[-KEY_BYTES[name] - 16:] for name, record in records.items())


def check_memory(dump, flags, named, records):
    found = memory.find(FINDER, dump, named)
    places = [(named[piece], place, memory.kind(flags, place)) for piece, where in found.items() for place in where
              if isinstance(named[piece], tuple) or not straddles_key(piece, records)]
    for kind in "user", "free":
        tap.same([one for one in places if one[2] == kind], [], f"none of {len(named)} pieces in {kind} pages")
    kernel = [one for one in places if one[2] in ("slab", "kernel")]
    other = [one for one in kernel if not isinstance(one[0], tuple)
             or one[0][1] > 1 or not memory.in_schedule(dump, one[1], one[0][2])]
    tap.same(other, [], "in the kernel's pages: nothing but expanded AES keys of the volumes' ciphers")
    seen = collections.Counter((what[0], "AES key", what[1] + 1) for what, _, _ in kernel if isinstance(what, tuple))
    tap.same(sorted(seen), [(name, "AES key", part) for name in ("data", "plain") for part in (1, 2)],
             "control: those of both volumes are found, which they have to be while these are open")
    for key, count in sorted(seen.items()):
        tap.note(f"{' '.join(map(str, key))}: {count} pieces, all in one expanded key; HMAC key: none")


def main():
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        world.data, world.record = world.volume("all", "data", directories=["plain"])
        _, plain_record = world.volume("plain", "plain", "--integrity", "none")
        broker.add(world.record)
        broker.add(plain_record, "default/volume/plain")
        records = {"data": open(world.record, "rb").read(), "plain": open(plain_record, "rb").read()}
        text = "known-" + world.secret
        console, flags, dump, written = run_guest(world, broker, text)
        secrets = list(told(console))
        counts = collections.Counter(kind for kind, _ in secrets)
        tap.ok(all(counts[kind] >= least for kind, least in KINDS.items()), "the guest told of every kind of secret", counts)
        tap.note(", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
        control = memory.find(FINDER, dump, [text.encode()])
        tap.ok(any(memory.kind(flags, place) == "user" for places in control.values() for place in places),
               "control: what the workload wrote is found in user pages", control)
        check_memory(dump, flags, name_pieces(records, secrets), records)
        for name, data in written.items():
            tap.ok(len(data) >= 4096, f"{name}: {len(data)} bytes were written to the block server")
            seen = [what for what in (text.encode(), world.secret.encode(), b"PSTNLBL1", b"lost+found",
                                      *memory.pieces(records[name][-KEY_BYTES[name]:])) if what in data]
            tap.same(seen, [], f"{name}: no plain text and no key among what was written")
    tap.done()


main()
