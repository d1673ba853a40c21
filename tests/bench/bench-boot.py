#!/usr/bin/env python3
"""From PID 1's first instruction to the workload's exec, in instructions of the guest: postern-init, and a bare init
(boot-floor.c) that does the same job: it makes the same mounts, gives the network the same address, opens the same volume
and verified root with tables and a key from its command line, deletes the same initrd, and executes. Both in this run.
In mode exec postern-init executes its workload as the bare init does; in mode supervise it starts it as a child, in a cgroup
and behind a filter, with mounts of its own that the bare init then makes too. Ends with 1 when the bar is missed.

usage: bench-boot.py [RUNS [FOLDER]]. With a folder it leaves there what was executed where (plugin/count.c); for that, build
with SYMBOLS=1 and set BOOT_WORDS=" nokaslr norandmaps", words for both kernels.

One processor, emulated by one thread, -icount shift=0; a plugin of the emulator counts what is executed, so neither a
loaded machine nor waiting disturbs it. The least of RUNS counts: interrupts vary. Left out on both sides: the loading of
modules; before PID 1 and after them both rest (boot-rest.c), since the kernel's tests of its own algorithms, up to 50 million
instructions, go on beside it. Left out of postern-init: what it does to get what the bare init finds in a file, which is
release_from_brokers() and release_confirm() as a whole (connections, keys of the session, waiting, the secure processor's
report on them, and checking the answer), and the answers of the secure processor, which here is a program on the same
processor. Time passes while the processor idles (sleep=on): what answers is outside, and deadlines would pass at once
otherwise. Idling is not counted, so it makes no difference to the bare init.
Inside the builder root, when build/image/app is there.
"""
import functools
import os
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import counted  # noqa: E402
import floor  # noqa: E402
import vm  # noqa: E402

MUST, AIM = 1.3, 1.15
NETWORK = "10.0.2.15+255.255.255.0+10.0.2.2"  # as the profile app has it
STAMPED = os.path.join(vm.BUILD, "bench/boot-stamps")
REST = os.path.join(vm.BUILD, "bench/boot-rest")
MODES = "exec", "supervise"
COUNTED_INIT = "usr/lib/postern/counted-init"


def floor_boot(disks, initrd, counter):
    network = ["-netdev", "user,id=net0,restrict=on", "-device", "virtio-net-pci,netdev=net0,disable-legacy=on,romfile="]
    disks.boot(floor.DEBIAN, initrd, f" floor.counted floor.network={NETWORK}",
               machine=[*floor.COUNTED, *floor.processor(disks.folder), *network, *counter.words("bare-init")])
    return counter.counted()


def measure(runs, profiles):
    """{name: what was counted}, of the bare init and of both modes."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, vm.World() as world, vm.Broker(world.path("broker")) as broker:
        counter = counted.Counter(folder, profiles)
        disks = floor.Disks(folder, integrity=floor.TAGS)
        initrd = world.initrd(world.config(broker.site()), shim=False, init=REST,
                              programs={COUNTED_INIT: floor.INIT, "usr/lib/postern-psp/cuse.ko": vm.CUSE})
        os.makedirs(world.path("content"))
        data, record = world.create("boot", "data", "--from", world.path("content"), "--size", "64")
        broker.add(record)
        boots = {"bare init": lambda: floor_boot(disks, initrd, counter)}
        for mode in MODES:
            guest = counted.Ours(world, broker, disks, data, mode, init=REST, programs={COUNTED_INIT: STAMPED})
            boots[mode] = functools.partial(guest.boot, counter)
        return {name: min((boot() for _ in range(runs)), key=lambda parts: parts["own"]) for name, boot in boots.items()}


def main(runs="3", profiles=None):
    least = measure(int(runs), profiles)
    print(f"million instructions from PID 1's first to the workload's exec, least of {runs} runs")
    for name, parts in least.items():
        print(f"  {name:<14}{parts['own'] / 1e6:9.2f}   left out: " + ", ".join(
            f"{part} {count / 1e6:.1f}" for part, count in parts.items() if part not in ("own", "stages", "whole") and count))
    for name, parts in least.items():
        print(f"  {name} by stage: " + ", ".join(f"{stage} {n / 1e6:.2f}" for stage, n in parts["stages"].items() if n))
    bare = least["bare init"]
    floors = {"exec": bare["own"] - bare["stages"]["handoff"], "supervise": bare["own"]}
    shares = {mode: least[mode]["own"] / floors[mode] for mode in MODES}
    for mode, text in ("exec", "of the bare init without a workload's own mounts"), ("supervise", "of the bare init with them"):
        verdict = "aim reached" if shares[mode] <= AIM else "within the bar" if shares[mode] <= MUST else "MISSED"
        print(f"  mode {mode + ',':<10} {text:<48} {shares[mode]:6.3f}   must {MUST}   aim {AIM}   {verdict}")
    return 0 if max(shares.values()) <= MUST else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
