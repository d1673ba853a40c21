#!/usr/bin/env python3
"""The kernel of our own, as it goes into images: its size, and boots through the firmware that checks its hash, with a bare
init (tests/bench/boot-floor.c), with one, four and 64 processors and with 128 MiB of memory. Prints TAP."""
import json
import os
import re
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import floor  # noqa: E402
import tap  # noqa: E402

MOST_KERNEL, MOST_INITRD = 6 << 20, 2900 << 10
OWN_IMAGE = os.path.join(TOP, "build/image/app-own")
STAGES = ["first", "init", "api", "modules", "crypt", "verity", "mounted", "workload"]


def check_sizes():
    kernel, initrd = os.path.getsize(floor.OWN), os.path.getsize(os.path.join(OWN_IMAGE, "initrd"))
    tap.note(f"bzImage {kernel} bytes, initrd {initrd} bytes")
    tap.ok(kernel <= MOST_KERNEL, "the kernel has at most 6 MiB", kernel)
    tap.ok(initrd <= MOST_INITRD, "the initrd without modules has at most 2.9 MiB", initrd)
    with open(os.path.join(OWN_IMAGE, "kernel"), "rb") as ours, open(floor.OWN, "rb") as built:
        tap.ok(ours.read() == built.read(), "the image has that kernel")
    with open(os.path.join(OWN_IMAGE, "sbom.cdx.json"), encoding="utf-8") as file:
        kernels = [entry["name"] for entry in json.load(file)["components"] if entry["scope"] == "required"
                   and entry["name"].startswith(("linux-source", "linux-image"))]
    tap.same(kernels, ["linux-source-6.12"], "and its bill of materials the source of that kernel, and of no other")


def check_workload(folder, disks, initrd, vcpus, memory):
    name = f"{vcpus} vCPU{'s' if vcpus > 1 else ''}, {memory} MiB"
    more, tables = disks.words()
    words = floor.through_firmware(folder, floor.OWN, initrd, f"{floor.CMDLINE} {tables}", vcpus, memory)
    console, status = floor.console_of([*words, *more])
    tap.same(list(floor.stamps(console)), STAGES, f"{name}: firmware, kernel, both disks, workload") or tap.note(console)
    tap.same(status, 0, f"{name}: and it powers off")


def check_processors(folder, initrd, vcpus):
    words = floor.through_firmware(folder, floor.OWN, initrd, f"{floor.CMDLINE} floor.hold", vcpus, 1024)
    console, status = floor.console_of(words)
    tap.same(re.findall(r"floor: processors (\d+)", console), [str(vcpus)], f"{vcpus} vCPUs are all used") or tap.note(console)
    tap.same(status, 0, f"{vcpus} vCPUs: and it powers off")


def main():
    check_sizes()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        disks, initrd = floor.Disks(folder), floor.initrd(folder, False)
        check_workload(folder, disks, initrd, 1, 512)
        check_workload(folder, disks, initrd, 4, 512)
        check_workload(folder, disks, initrd, 1, 128)
        check_processors(folder, initrd, 64)
    tap.done()


main()
