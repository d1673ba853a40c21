#!/usr/bin/env python3
"""What an orderly stop leaves on a volume: a file system that needs no recovery. Prints TAP.

The volume has no tags, so that its sectors can be read from outside, by another implementation of its cipher.
"""
import os
import struct
import sys

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import records  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

SUPERBLOCK, MAGIC_AT, MAGIC, INCOMPAT_AT, RECOVER = 1024, 0x38, 0xef53, 0x60, 4
# Something that is not written yet is there at any moment.
WRITE = """PATH=/usr/bin; busybox httpd -f -p 8080 -h /data/www &
while :; do echo more >>/data/www/log; busybox usleep 50000; done"""


def needs_recovery(disk, record):
    """Whether ext4's journal holds what the file system lacks; None when there is no superblock."""
    fields = records.fields_of(record)
    sector_size = fields["sector_size"]
    number = SUPERBLOCK // sector_size
    with open(disk, "rb") as file:
        file.seek(fields["offset"] + number * sector_size)
        sealed = file.read(sector_size)
    decryptor = Cipher(algorithms.AES(fields["key"]), modes.XTS(struct.pack("<QQ", number * (sector_size // 512), 0))).decryptor()
    block = decryptor.update(sealed)[SUPERBLOCK % sector_size:]
    magic, = struct.unpack_from("<H", block, MAGIC_AT)
    return bool(struct.unpack_from("<I", block, INCOMPAT_AT)[0] & RECOVER) if magic == MAGIC else None


def main():
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        disk, record = world.volume("plain", "data", "--integrity", "none")
        broker.add(record)
        config = world.config(broker.site(), workload={"process": {"args": ["/usr/bin/busybox", "sh", "-c", WRITE]}})
        initrd = world.initrd(config | {"volumes": [config["volumes"][0] | {"integrity": "none"}]})
        broker.allow(world.digest(initrd))
        tap.same(needs_recovery(disk, record), False, "as it was made, the file system needs no recovery")
        port = vm.free_port()
        launch = world.launch(initrd, "--forward", f"{port}:8080", disk=disk)
        tap.same(launch.page(port), world.secret, "the page is served")
        tap.same(needs_recovery(disk, record), True, "control: while the workload writes, it would")
        launch.stop()
        tap.same((launch.status, launch.stages()), (0, vm.STAGES), "all stages, orderly end") or tap.note(launch.said)
        tap.same(needs_recovery(disk, record), False, "after the stop it needs none: it was unmounted")
    tap.done()


main()
