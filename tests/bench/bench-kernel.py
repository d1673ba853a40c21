#!/usr/bin/env python3
"""From the kernel's entry to the workload: the kernel of our own against Debian's, both in this run, with the same bare
init (boot-floor.c), the same encrypted disk and verified root. Ends with 1 when a bar is missed.

usage: bench-kernel.py [RUNS]

Virtual time: QEMU counts a nanosecond for each instruction (-icount shift=0), so a loaded machine does not disturb it;
disk completions do, so the least of RUNS counts. The entry's stamp comes from a kernel of 40 bytes in the same place.
Inside the builder root, when build/image/app and BUILDER/kernel/ are there.
"""
import os
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import floor  # noqa: E402

MUST, AIM = 0.25, 0.13


def main(runs=3):
    if not os.path.exists(floor.OWN):
        print("no kernel of our own has been built (make kernel): nothing to compare")
        return 0
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        disks = floor.Disks(folder)
        entry = disks.entry()
        variants = {"Debian's kernel, 14 modules": (floor.DEBIAN, True, ""), "our own": (floor.OWN, False, ""),
                    "our own, init_on_alloc=0": (floor.OWN, False, " init_on_alloc=0"),
                    "our own, init_on_free=1": (floor.OWN, False, " init_on_free=1")}
        best = {}
        for name, (kernel, modules, words) in variants.items():
            initrd = floor.initrd(folder, modules)
            all_ = [disks.boot(kernel, initrd, words) for _ in range(runs)]
            best[name] = min(all_, key=lambda stamps: stamps["workload"])
    print(f"virtual ms from the kernel's entry (at {entry / 1e6:.1f} ms), least of {runs} runs")
    names = ["init", "modules", "crypt", "verity", "mounted", "workload"]
    print(f"  {'':<30}" + "".join(f"{name:>10}" for name in names))
    for name, stamps in best.items():
        print(f"  {name:<30}" + "".join(f"{(stamps[at] - entry) / 1e6:10.1f}" for at in names))
    times = [stamps["workload"] - entry for stamps in best.values()]
    share = times[1] / times[0]
    size = os.path.getsize(floor.OWN) / (1 << 20)
    print(f"  of Debian's  {share:6.3f}   must {MUST}   aim {AIM}   "
          + ("aim reached" if share <= AIM else "within the bar" if share <= MUST else "MISSED"))
    print(f"  bzImage, MiB {size:6.2f}   must 6   aim 4   "
          + ("aim reached" if size <= 4 else "within the bar" if size <= 6 else "MISSED"))
    return 0 if share <= MUST and size <= 6 else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
