#!/usr/bin/env python3
"""`postern volume` on a host with device-mapper: open, close, verify-table, rekey, and stock cryptsetup beside it.

The host is a guest with the image's kernel and a shell. Prints TAP.
"""
import os
import shutil
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import shell  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

MIB = 1 << 20
LIMIT_SECONDS = 600
SCRIPT = r"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin:/usr/sbin HOME=/root
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mkdir -p /run /mnt /tmp /dev/mapper; mount -t tmpfs run /run; mkdir -p /run/cryptsetup
while read -r module flags; do insmod /usr/lib/postern/modules/$module.ko 2>/dev/null; done </usr/lib/postern/modules.list
cd /root
""" + shell.LOOP + r"""sync; poweroff -f; sleep 60
"""

# What is typed, the status, and what the output has to hold.
TAGS, PLAIN, BLANK, TARGET = "/dev/vda", "/dev/vdb", "/dev/vdc", "/dev/vdd"
STEPS = [
    (f"postern volume verify-table {TAGS} --record tags.record", 2, ["there is no such device"]),
    ("postern volume close tags", 1, ["volume tags: is not open"]),
    (f"postern volume open {TAGS} --record tags.record --read-only", 1, ["the journal of a volume with tags"]),
    (f"postern volume open {TAGS} --record tags.record", 0, ["/dev/dm-1: volume tags, epoch 0"]),
    (f"postern volume open {TAGS} --record tags.record", 1, ["cannot be set up"]),
    ("mount -t ext4 /dev/dm-1 /mnt && cat /mnt/page && touch /mnt/more", 0, ["SECRET"]),
    ("postern volume close tags", 1, ["volume tags: is in use; unmount it first"]),
    (f"postern volume verify-table {TAGS} --record tags.record", 0,
     ["tags.tags: the live table is the expected one", "tags: the live table is the expected one"]),
    (f"postern volume verify-table {TAGS} --record tags.record --json", 0, ['"verdict":"same"', "integrity:32:aead"]),
    (f"postern volume verify-table {PLAIN} --record tags.record", 2, ["the live table is not the expected one"]),
    ("umount /mnt && postern volume close tags && ls /dev/dm-*", 1, ["No such file"]),
    (f"postern volume open {TAGS} --record wrong.record", 2, ["first block is not under this record's key"]),
    (f"postern volume open {PLAIN} --record tags.record", 1, ["its disk has 33554432 bytes, record and tags want"]),
    (f"postern volume open {BLANK} --record tags.record", 2, ["there is no integrity superblock"]),
    ("postern volume open /root/steps --record tags.record", 1, ["not a block device"]),
    ("postern volume open /dev/none --record tags.record", 1, ["/dev/none: cannot be opened"]),
    ("chmod 644 wrong.record; " f"postern volume open {TAGS} --record wrong.record", 1, ["wrong.record"]),
    (f"postern volume open {PLAIN} --record plain.record --read-only", 0, ["/dev/dm-0: volume plain, epoch 0"]),
    ("mount -t ext4 -o ro /dev/dm-0 /mnt && cat /mnt/page; umount /mnt; postern volume close plain", 0, ["SECRET"]),
    # A table that somebody else made, one sector off.
    (f"dmsetup create plain --table \"0 32768 crypt aes-xts-plain64 $(head -c 64 /dev/zero | od -An -v -tx1 | tr -d ' \\n') 0 "
     f"{PLAIN} 32760\"; dmsetup mknodes; postern volume verify-table {PLAIN} --record plain.record", 2,
     ["plain: the live table is not the expected one", "32768 crypt aes-xts-plain64 KEY-IN-TABLE 0 254:16 32760"]),
    ("postern volume close plain", 0, []),
    # Another key: a copy with tags, onto a device, and one without.
    (f"postern volume rekey {TAGS} --record tags.record --output {TARGET} --new-record new.record --recovery-key key", 0, []),
    ("ls /dev/dm-*", 1, ["No such file"]),
    (f"postern volume open {TARGET} --record tags.record", 2, ["first block is not under this record's key"]),
    (f"postern volume open {TARGET} --record new.record", 0, ["volume tags, epoch 0"]),
    ("mount -t ext4 /dev/dm-1 /mnt && cat /mnt/page && ls /mnt; umount /mnt; postern volume close tags", 0, ["SECRET", "more"]),
    (f"postern volume open {TAGS} --record tags.record && postern volume close tags", 0, ["volume tags, epoch 0"]),
    (f"postern volume rekey {PLAIN} --record plain.record --output /run/copy --new-record copy.record", 0, []),
    ("stat -c '%a %s' /run/copy copy.record; ls /run/copy.*", 1, ["600 33554432"]),
    (f"postern volume rekey {PLAIN} --record plain.record --output /run/copy --new-record more.record", 1,
     ["/run/copy: exists; a volume is never made over something else"]),
    (f"postern volume rekey {PLAIN} --record plain.record --output {TAGS} --new-record more.record", 1, ["is not blank"]),
    (f"postern volume rekey {BLANK} --record tags.record --output /run/x --new-record x.record; ls /run/x*", 1,
     ["there is no integrity superblock", "No such file"]),
    # Devices are made in place.
    (f"postern volume create --id made --blank --size 16 --output {BLANK} --record made.record", 0, []),
    (f"postern volume inspect {BLANK} | tail -n 1", 0, ["mode header opens it"]),
    (f"rm made.record; postern volume create --id made --blank --size 16 --output {BLANK} --record made.record", 1,
     [f"{BLANK}: cannot be read, is too small, or is not blank"]),
    # Stock cryptsetup opens what was made, and what was copied.
    (f"cryptsetup open {TAGS} stock --key-file recovery && mount -t ext4 /dev/mapper/stock /mnt && cat /mnt/page; umount /mnt; "
     "cryptsetup close stock", 0, ["SECRET"]),
    (f"cryptsetup open {TARGET} stock --key-file key && mount -t ext4 /dev/mapper/stock /mnt && cat /mnt/page; umount /mnt; "
     "cryptsetup close stock", 0, ["SECRET"]),
    # Tags that cryptsetup made itself, in its own layout, taken over by their header.
    (f"dd if=/dev/zero of={BLANK} bs=1M count=1 2>/dev/null; cryptsetup luksFormat --batch-mode --type luks2 --integrity "
     f"hmac-sha256 --sector-size 4096 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file key {BLANK}", 0, []),
    (f"postern volume adopt {BLANK} --id foreign --key-file key --record foreign.record", 0, []),
    (f"postern volume open {BLANK} --record foreign.record && /usr/sbin/mke2fs -q -t ext4 /dev/dm-1 && "
     f"postern volume verify-table {BLANK} --record foreign.record", 0, ["volume foreign, without a label",
                                                                         "foreign: the live table is the expected one"]),
    ("mount -t ext4 /dev/dm-1 /mnt && echo told >/mnt/page; umount /mnt; postern volume close foreign", 0, []),
    (f"cryptsetup open {BLANK} stock --key-file key && mount -t ext4 /dev/mapper/stock /mnt && cat /mnt/page; umount /mnt; "
     "cryptsetup close stock", 0, ["told"]),
]


def make_initrd(world, files):
    stage = world.path("stage")
    for folder in "bin", "root", "usr/lib/x86_64-linux-gnu", "etc":
        os.makedirs(os.path.join(stage, folder))
    shutil.copy("/bin/busybox", os.path.join(stage, "bin/busybox"))
    shutil.copy(vm.program("postern"), os.path.join(stage, "bin/postern"))
    for name in "cryptsetup", "dmsetup", "mke2fs":
        shell.copy_program(stage, "/usr/sbin/" + name)
    os.symlink("usr/lib", os.path.join(stage, "lib"))
    for name, path in files.items():
        shutil.copy(path, os.path.join(stage, "root", name))
        os.chmod(os.path.join(stage, "root", name), 0o600)
    with open(os.path.join(stage, "steps"), "w", encoding="ascii") as file:
        file.write("\n".join(step for step, _, _ in STEPS) + "\n")
    shutil.copy(os.path.join(stage, "steps"), os.path.join(stage, "root/steps"))
    with open(os.path.join(stage, "init"), "w", encoding="ascii") as file:
        file.write(SCRIPT)
    os.chmod(os.path.join(stage, "init"), 0o755)
    vm.run(os.path.join(vm.TOP, "image/overlay"), os.path.join(vm.IMAGE, "initrd"), stage, stage + ".initrd")
    return stage + ".initrd"


def run_host(initrd, disks):
    command = ["qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none", "-M", "q35", "-accel",
               "tcg,thread=multi", "-cpu", "max", "-m", "1G", "-serial", "stdio", "-kernel", os.path.join(vm.IMAGE, "kernel"),
               "-initrd", initrd, "-append", "console=ttyS0 panic=-1 quiet no_timer_check"]
    for path in disks:
        command += ["-drive", f"file={path},format=raw,if=virtio"]
    qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    timer = threading.Timer(LIMIT_SECONDS, qemu.kill)
    timer.start()
    console = qemu.stdout.read().decode("utf-8", "replace").replace("\r", "")
    timer.cancel()
    qemu.wait()
    return console


def main():
    with vm.World() as world:
        files = {}
        for name in "key", "recovery":
            files[name] = world.path(name)
            with open(files[name], "wb") as file:
                file.write(os.urandom(32))
            os.chmod(files[name], 0o600)
        content = world.path("content")
        os.makedirs(content)
        with open(os.path.join(content, "page"), "w", encoding="ascii") as file:
            file.write("SECRET\n")
        disks = []
        for name, words in (("tags", ["--recovery-key", files["recovery"]]), ("plain", ["--integrity", "none"])):
            disk, record = world.create(name, name, "--from", content, "--size", "16", *words)
            disks.append(disk)
            files[name + ".record"] = record
        with open(files["tags.record"], "rb") as file:
            record = file.read()
        files["wrong.record"] = world.path("wrong")
        with open(files["wrong.record"], "wb") as file:
            file.write(record[:-96] + os.urandom(96))
        for name in "blank", "target":
            disks.append(world.path(name))
            with open(disks[-1], "wb") as file:
                file.truncate(48 * MIB)
        console = run_host(make_initrd(world, files), disks)
        whole, outputs = shell.outputs(console, len(STEPS))
        tap.ok(whole, "the guest came to its end", console[-3000:])
        for (step, status, parts), output in zip(STEPS, outputs):
            tap.ok(shell.ends(output, status, *parts), f"$ {step}", output)
    tap.done()


main()
