#!/usr/bin/env python3
"""What `postern volume inspect` accepts and what Debian's cryptsetup makes of it, in a guest; and our disks, opened by it with
the recovery key. Prints TAP.

One guest for many disks: its block server changes them when a mark is written. The tables are read from the kernel.
"""
import hashlib
import hmac
import json
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import luks2  # noqa: E402
import nbd  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402
from probe import BLOCKS, START, Probe, line, make_content, mark, marked, tables  # noqa: E402

CRYPTSETUP = "usr/sbin/cryptsetup"
FAST = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
MADE = {"luksFormat": FAST, "luksFormat, 512 bytes": [*FAST, "--sector-size", "512"],
        "luksFormat, a label": [*FAST, "--label", "somebody's", "--sector-size", "4096"],
        "luksFormat, argon2id": ["--pbkdf", "argon2id", "--pbkdf-force-iterations", "4", "--pbkdf-memory", "64",
                                 "--sector-size", "4096"]}
EDITED = {"a fixed size": ('"size":"dynamic"', '"size":"1048576"'),
          "one sector less": ('"size":"dynamic"', '"size":"1044480"'),
          "a preferred keyslot": ('"key_size":64,"af"', '"key_size":64,"priority":2,"af"')}


def shared_objects(program):
    """{name in the guest: file} of a program and what it is linked with."""
    listed = subprocess.run(["ldd", "/" + program], stdout=subprocess.PIPE, text=True, check=True).stdout
    files = {program: "/" + program}
    for path in re.findall(r"(/\S+) \(0x", listed):
        files[path.lstrip("/")] = os.path.realpath(path)
    return files


class Disk:
    """A disk, its volume key, and what the validator says of it."""

    def __init__(self, name, path, key, record=None):
        self.name, self.key, self.record = name, key, record
        with open(path, "rb") as file:
            self.data = file.read()
        done = subprocess.run([vm.program("postern"), "volume", "inspect", "--json", path], stdout=subprocess.PIPE, check=False)
        self.accepted = done.returncode == 0
        self.fields = {field["field"]: field["found"] for field in json.loads(done.stdout)["fields"] if field["copy"] != "second"}

    def sectors(self, by_record):
        """How long the volume is: to the disk's end, or as the header says; with tags, and for us, as the record says."""
        size = self.fields["segments.0.size"]
        if self.record and (by_record or "segments.0.integrity.type" in self.fields):
            return length_of(self.record) // 512
        return (len(self.data) - START if size == "dynamic" else int(size)) // 512

    def table(self, key_name, below="253:0", by_record=False, device="254:0"):
        """The table that the fields stand for, by the words of dm-crypt.rst; with tags that of the upper one."""
        sector_size = int(self.fields["segments.0.sector_size"])
        tags = "segments.0.integrity.type" in self.fields
        sectors = self.sectors(by_record)
        option = f"sector_size:{sector_size}"
        if tags:
            return f"{sectors} crypt capi:authenc(hmac(sha256),xts(aes))-plain64 :96:logon:{key_name} 0 {below} 0 " \
                   f"2 integrity:32:aead {option}"
        cipher, offset = self.fields["segments.0.encryption"], int(self.fields["segments.0.offset"]) // 512
        return f"{sectors} crypt {cipher} :{len(self.key)}:logon:{key_name} 0 {device} {offset}" + \
            (f" 1 {option}" if sector_size != 512 else "")


def length_of(record):
    at = 8
    for _ in range(3):
        at += 1 + record[at]
    return struct.unpack_from("<Q", record, at + 12)[0]


def header_mac(key, header):
    """As luks/header.h says."""
    secret = hmac.new(hmac.new(bytes(32), key, hashlib.sha256).digest(), b"postern volume header\x01", hashlib.sha256).digest()
    text = b"PSTNHDR1" + b"data".ljust(64, b"\0") + header[16:24][::-1] + header  # its sequence number is big-endian there
    return hmac.new(secret, text, hashlib.sha256).digest()


def volume_record(key, sector_size, length, header):
    """What a broker would be given for a disk that somebody else made."""
    words = b"".join(bytes([len(word)]) + word for word in (b"data", b"aes-xts-plain64", b"none"))
    return b"PSTNVOL2" + words + struct.pack("<IQQQQB", sector_size, START, length, length, 0, 32) + \
        header_mac(key, header) + bytes([2, len(key)]) + key


def make_disks(world, recovery):
    """All that is compared."""
    content, disks = world.path("known"), []
    make_content(content)
    for name, words in ("our own, with tags", []), ("our own, without", ["--integrity", "none"]):
        path, record = world.create(f"own-{len(disks)}", "data", "--content", content, "--recovery-key", recovery, *words)
        data = open(record, "rb").read()
        disks.append(Disk(name, path, data[-96 if not words else -64:], data))
    os.makedirs(world.path("files"))
    path, record = world.create("larger", "data", "--from", world.path("files"), "--size", "40", "--recovery-key", recovery)
    data = open(record, "rb").read()
    disks.append(Disk("our own, larger", path, data[-96:], data))
    path, volume_key = world.path("made"), world.path("volume.key")
    for name, words in MADE.items():
        with open(path, "wb") as file:
            file.truncate(START + (1 << 20))
        with open(volume_key, "wb") as file:
            file.write(os.urandom(64))
        vm.run("cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--key-file", recovery, "--volume-key-file",
               volume_key, *words, path)
        disks.append(Disk(name, path, open(volume_key, "rb").read()))
    # A header that is not as anybody would write it, and still on the list.
    for name, (find, put) in EDITED.items():
        source = next(disk for disk in disks if disk.name == "luksFormat")
        text = luks2.text_of(source.data[:16384]).replace(find, put)
        with open(world.path("edited"), "wb") as file:
            file.write(b"".join(luks2.seal_json(source.data[at:at + 16384], text) for at in (0, 16384)) + source.data[32768:])
        disks.append(Disk(name, world.path("edited"), source.key))
        tap.ok(find in luks2.text_of(source.data[:16384]), f"control: {name}")
    return disks


def switch_to(index):
    place, data = mark(index)
    return f"write {place} {data.hex()}"


def make_plan(disks):
    """Each disk: by cryptsetup with the volume key and, where it has one, the recovery key; then by the production."""
    plan = []
    common = ["--disable-locks", "--batch-mode"]
    for i, disk in enumerate(disks):
        plan.append(switch_to(i))
        for how, words in ("key", ["--volume-key-file", f"/keys/{i}"]), ("recovery", ["--key-file", "/keys/recovery"]):
            name = f"{i}.{how}"
            if how == "recovery" and disk.record is None and disk.name != "luksFormat":
                continue  # opening by passphrase takes its time; one of the others is enough
            plan += [f"run {name} /{CRYPTSETUP} open --type luks2 {' '.join(common + words)} /dev/vda stock",
                     f"table {name}.table stock", f"table {name}.below stock_dif", f"blocks {name}.blocks /dev/mapper/stock",
                     f"run {name}.close /{CRYPTSETUP} close --disable-locks stock"]
        record = disk.record or volume_record(disk.key, int(disk.fields["segments.0.sector_size"]), disk.sectors(False) * 512,
                                              disk.data[:32768])
        plan += [f"record {record.hex()}", "read 1 1", line(f"{i}.ours", "header"), f"read {BLOCKS} 1"]
    plan += [switch_to(0),
             f"run other /{CRYPTSETUP} open --type luks2 {' '.join(common)} --key-file /keys/other /dev/vda stock"]
    return plan


def ended_with(probe, name, status):
    return probe.result(name)[0] == "exit" and probe.result(name)[1].split()[0] == status


def check_disk(probe, i, disk):
    name = disk.name
    tap.ok(disk.accepted, f"{name}: on the list", disk.fields)
    tap.ok(ended_with(probe, f"{i}.key", "0"), f"{name}: cryptsetup accepts it, by the volume key", probe.result(f"{i}.key"))
    found = probe.result(f"{i}.key.table")[1]
    stock = f"cryptsetup:{disk.fields['uuid']}-d0"
    tap.same(found, disk.table(stock, below=re.sub(r".* (25\d:\d+) 0 2 .*", r"\1", found)), f"{name}: with the expected table")
    # Volumes that others made have no label, nor blocks that are known: mode header wants neither.
    tap.ok(probe.result(f"{i}.ours")[0] == "opened", f"{name}: mode header opens it", probe.result(f"{i}.ours"))
    tap.same(probe.table(f"{i}.ours").get("data"), disk.table("postern:data", by_record=True),
             f"{name}: with the same table but for the key's name")
    if f"{i}.recovery" in probe.results:
        tap.ok(ended_with(probe, f"{i}.recovery", "0"), f"{name}: cryptsetup opens it with the recovery key",
               probe.result(f"{i}.recovery"))
        tap.same(probe.result(f"{i}.recovery.table")[1], found, f"{name}: the same table again")
    if len(disk.key) == 96:
        below = tables(disk.sectors(True))["tags"]
        tap.same((probe.result(f"{i}.key.below")[1], probe.table(f"{i}.ours").get("tags")), (below, below),
                 f"{name}: both lay the same tags below it")
    if disk.name in ("our own, with tags", "our own, without"):
        for how in "key", "recovery":
            probe.opened(f"{i}.{how}.blocks", BLOCKS, 0)


def compare(world, disks, recovery):
    """One guest for disks of nearly the same size: the kernel takes what a larger disk has for tags."""
    files = {**shared_objects(CRYPTSETUP), "keys/recovery": recovery, "keys/other": world.path("other")}
    for i, disk in enumerate(disks):
        with open(world.path(f"key-{i}"), "wb") as file:
            file.write(disk.key)
        files[f"keys/{i}"] = world.path(f"key-{i}")

    def choose(offset, data):
        index = marked(offset, data)
        if index is not None and index >= 0:
            server.image[:] = disks[index].data
        return index is not None

    with open(world.path("any"), "wb") as file:
        file.truncate(max(len(disk.data) for disk in disks))
    with nbd.Server(world.path("any")) as server:
        server.image = bytearray(server.size)
        server.on_write = choose
        for disk in disks:
            disk.data = disk.data.ljust(server.size, b"\0")
        probe = Probe(world, world.path("own-0.record"), make_plan(disks), server, files=files)
    for i, disk in enumerate(disks):
        check_disk(probe, i, disk)
    tap.ok(ended_with(probe, "other", "2"), "control: another key opens nothing", probe.result("other"))


def main():
    with vm.World() as world:
        recovery = world.path("recovery")
        for path in recovery, world.path("other"):
            with open(path, "wb") as file:
                file.write(os.urandom(32))
            os.chmod(path, 0o600)
        disks = make_disks(world, recovery)
        larger = [disk for disk in disks if disk.name == "our own, larger"]
        compare(world, [disk for disk in disks if disk not in larger], recovery)
        compare(world, larger, recovery)
    tap.done()


main()
