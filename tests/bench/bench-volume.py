#!/usr/bin/env python3
"""From a key in hand to a mounted volume, beside bare calls of libcryptsetup; and throughput beside a raw disk.

All in one emulated guest (QEMU's TCG), in turns: the ratios say something, the times nothing, and the emulated processor
computes AES far slower than a real one. Fails when opening takes more than 1.3 times the bare calls.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import vm  # noqa: E402

PROGRAM = os.path.join(vm.BUILD, "bench/volume-bench")
MUST = 1.3
LIMIT_SECONDS = 900
SIZE = 96 << 20


def run_guest(world, disks):
    stage = world.path("bench")
    os.mkdir(stage)
    vm.shutil.copy(PROGRAM, os.path.join(stage, "init"))
    for kind in "none", "tags":
        vm.shutil.copy(world.path(f"{kind}.record"), os.path.join(stage, f"record.{kind}"))
    vm.run(os.path.join(vm.TOP, "image/overlay"), os.path.join(vm.IMAGE, "initrd"), stage, stage + ".initrd")
    command = ["qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none", "-M", "q35", "-accel",
               "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "512M", "-serial", "stdio", "-kernel",
               os.path.join(vm.IMAGE, "kernel"), "-initrd", stage + ".initrd", "-append", world.cmdline() + " no_timer_check"]
    for name, path in disks.items():
        command += ["-blockdev", f"driver=raw,node-name={name},file.driver=file,file.filename={path}", "-device",
                    f"virtio-blk-pci,drive={name},serial={name},disable-legacy=on"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=LIMIT_SECONDS, check=False)
    text = done.stdout.decode("ascii", "replace")
    if "bench: end" not in text:
        raise RuntimeError("the guest did not come to its end:\n" + "\n".join(text.splitlines()[-15:]))
    return {name: int(value) for name, value in re.findall(r"bench: (\S+) (\d+)", text)}


def main():
    with vm.World() as world:
        disks = {}
        for kind, words in ("none", ["--integrity", "none"]), ("tags", []):
            os.makedirs(world.path(kind))
            disks[kind], _ = world.create(kind, "data", "--from", world.path(kind), "--size", "64", *words)
        disks["raw"] = world.path("raw")
        with open(disks["raw"], "wb") as file:
            file.truncate(SIZE)
        took = run_guest(world, disks)
    print("volume: emulation (QEMU TCG); ratios of one run, no times of real hardware")
    worst = 0
    for kind, what in ("none", "XTS"), ("tags", "AEAD"):
        ours, bare = took[f"open.ours.{kind}"], took[f"open.bare.{kind}"]
        worst = max(worst, ours / bare)
        print(f"  {what:5} key in hand to mounted: {ours / 1000:7.1f} ms, bare libcryptsetup {bare / 1000:7.1f} ms:"
              f" {ours / bare:.2f} times (must {MUST})")
    for kind, what in ("none", "XTS"), ("tags", "AEAD"):
        rates = [f"{way} {took[f'{way}.raw'] / took[f'{way}.{kind}']:.3f} of the raw disk" for way in ("read", "write")]
        print(f"  {what:5} sequential, O_DIRECT, 1 MiB each: {', '.join(rates)}")
    return 1 if worst > MUST else 0


sys.exit(main())
