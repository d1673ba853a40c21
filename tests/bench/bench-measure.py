#!/usr/bin/env python3
"""postern measure against the one-thread floor of OpenSSL (floor.c), both in this run. Ends with 1 when a bar is missed.

usage: bench-measure.py [ROUNDS]

Each command runs ROUNDS times, in turns with the others, and its cheapest run counts: what disturbs a run only adds.
Firmware is Debian's OVMF.amdsev.fd, the kernel that of the image when it has been built (else 12 MB of other bytes), the
initrd 20 MiB of bytes that cannot be compressed.
"""
import os
import random
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POSTERN, FLOOR, COST = (os.path.join(TOP, "build", name) for name in ("bin/postern", "bench/floor", "bench/cost"))
FIRMWARE = "/builder/firmware/OVMF.amdsev.fd"
KERNEL = os.path.join(TOP, "build/image/app/kernel")


def cost(command):
    done = subprocess.run([COST, *command], stdout=subprocess.PIPE, check=True, text=True)
    cpu, wall, memory = map(int, done.stdout.split())
    return cpu / 1000, wall / 1000, memory / 1024


def measure_all(commands, rounds):
    """{name: (ms of processor, ms of wall clock, MiB)}, each the least of all rounds, memory the most."""
    runs = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(cost(command))
    return {name: (min(r[0] for r in all_), min(r[1] for r in all_), max(r[2] for r in all_)) for name, all_ in runs.items()}


def make_files(folder):
    rng = random.Random(3)
    files = {"initrd": 20 << 20, "huge": 256 << 20}
    kernel = KERNEL
    if not os.path.exists(KERNEL):
        files["kernel"], kernel = 12_000_000, os.path.join(folder, "kernel")
    for name, size in files.items():
        block = rng.randbytes(1 << 20)
        with open(os.path.join(folder, name), "wb") as file:
            for at in range(0, size, len(block)):
                file.write(block[: size - at])
    return kernel, os.path.join(folder, "initrd"), os.path.join(folder, "huge")


def main(rounds=25):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        kernel, initrd, huge = make_files(folder)
        launch = [POSTERN, "measure", "--ovmf", FIRMWARE, "--kernel", kernel, "--append", "quiet", "--initrd"]
        one = [*launch, initrd, "--vcpu-type", "EPYC-Milan"]
        found = measure_all({"floor": [FLOOR, FIRMWARE, kernel, initrd], "one": one, "cpus": [*one, "--vcpus", "512"],
                             "table": [*launch, initrd, "--matrix"]}, rounds)
        found.update(measure_all({"huge": [*launch, huge, "--vcpu-type", "EPYC-Milan"]}, 3))
    processors = len(os.sched_getaffinity(0))
    print(f"{processors} processors, kernel of {os.path.getsize(kernel) if os.path.exists(kernel) else 12000000} bytes, "
          f"cheapest of {rounds} runs")
    for name, text in (("floor", "OpenSSL floor"), ("one", "one digest"), ("cpus", "512 vCPUs"), ("table", "whole table"),
                       ("huge", "256 MiB initrd")):
        print(f"  {text:<16} {found[name][0]:8.1f} ms CPU {found[name][1]:8.1f} ms wall {found[name][2]:6.1f} MiB")
    bars = [("CPU, of the floor", found["one"][0] / found["floor"][0], 1.15, 1.05),
            ("wall, of the floor", found["one"][1] / found["floor"][1], 0.85, 0.65),
            ("memory, MiB", max(found["one"][2], found["huge"][2]), 16, 12),
            ("table, CPU of one digest", found["table"][0] / found["one"][0], 2, 1.5),
            ("512 vCPUs, CPU of one", found["cpus"][0] / found["one"][0], 1.1, 1.05)]
    missed = 0
    for text, value, must, aim in bars:
        if processors < 2 and text.startswith("wall"):
            print(f"  {text:<26} {value:6.2f}   not judged: one processor")
            continue
        missed += value > must
        verdict = "aim reached" if value <= aim else "within the bar" if value <= must else "MISSED"
        print(f"  {text:<26} {value:6.2f}   must {must:5.2f}   aim {aim:5.2f}   {verdict}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
