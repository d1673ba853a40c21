#!/usr/bin/env python3
"""From PID 1's first instruction to the workload's, in virtual time: postern-init, and a bare init (boot-floor.c) that makes
the same mounts and opens the same encrypted disk and verified root with tables from its command line. Both in this run.
Ends with 1 when the bar is missed.

usage: bench-boot.py [RUNS]

QEMU counts a nanosecond for each instruction (-icount shift=0), so a loaded machine does not disturb it; disk completions
do, so the least of RUNS counts. Left out on both sides: the loading of modules; of postern-init what it waits for and
computes while it talks to the secure processor and to the broker. Time passes while a processor idles (sleep=on), since
processor and broker answer from outside: deadlines would pass at once otherwise.
Inside the builder root, when build/image/app is there.
"""
import os
import re
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import floor  # noqa: E402
import qemu  # noqa: E402
import vm  # noqa: E402

MUST, AIM = 1.3, 1.15
STAMPED = os.path.join(vm.BUILD, "bench/boot-stamps")
LIMIT_SECONDS = 1200


class Ours:
    """The stamped postern-init with the floor's disks: SeaBIOS and a direct start, as the floor has them."""

    def __init__(self, world, broker, disks):
        self.world, self.root = world, disks.root
        content = world.path("boot.content")
        os.makedirs(content)
        self.data, record = world.create("boot", "data", "--from", content, "--size", "64", "--integrity", "none")
        broker.add(record)
        blocks, root_hash = disks.geometry
        tree = {"device": "root", "block_size": 4096, "hash": "sha256", "data_blocks": blocks, "hash_start_block": blocks,
                "salt": floor.SALT, "root_hash": root_hash}
        config = world.config(broker.site(), root=tree, workload={"process": {
            "args": ["/init"], "env": ["STAMPS="], "terminal": True}})
        config["volumes"][0]["integrity"] = "none"
        self.initrd = world.initrd(config, init=STAMPED)
        append = world.cmdline()
        broker.allow(world.digest(self.initrd, append))
        self.words = ["--root", self.root, "--boot-timeout", str(LIMIT_SECONDS), "--append", append, "--qemu", qemu.wrapper(
            world.path("icount.qemu"), "-icount", "shift=0,sleep=on",
            changed=[("-accel", "tcg,thread=multi", "tcg,thread=single"), ("-bios", self.firmware(), "bios-256k.bin")])]

    def firmware(self):
        return os.path.join(self.world.image, "firmware.fd")

    def boot(self):
        """Nanoseconds by part: all, modules, processor, broker."""
        launch = self.world.launch(self.initrd, *self.words, disk=self.data).wait(LIMIT_SECONDS)
        said = launch.console()
        end = re.search(r"floor: workload (\d+)", said)
        stamps = re.search(r"floor: STAMPS=(\d+) (\d+) (\d+) (\d+)", said)
        if not end or not stamps:
            raise RuntimeError(f"no workload: {launch.said}\n{said[-2000:]}")
        first, modules, processor, broker = map(int, stamps.groups())
        stages = {line["stage"]: line["us"] * 1000 for line in launch.record() if line.get("outcome") == "ok"}
        return {"own": int(end.group(1)) - first - modules - processor - broker, "modules": modules,
                "processor": processor, "broker": broker} | {f"stage {name}": ns for name, ns in stages.items()}


def floor_boot(disks, initrd):
    at = disks.boot(floor.DEBIAN, initrd)
    modules = at["modules"] - at["api"]
    return {"own": at["workload"] - at["first"] - modules, "modules": modules}


def main(runs=3):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, vm.World() as world, vm.Broker(world.path("broker")) as broker:
        disks = floor.Disks(folder)
        initrd = floor.initrd(folder, True)
        ours = Ours(world, broker, disks)
        floors = min((floor_boot(disks, initrd) for _ in range(runs)), key=lambda parts: parts["own"])
        best = min((ours.boot() for _ in range(runs)), key=lambda parts: parts["own"])
    print(f"virtual ms from PID 1's first instruction to the workload's, least of {runs} runs")
    for name, parts in (("bare init", floors), ("postern-init", best)):
        print(f"  {name:<14}{parts['own'] / 1e6:9.2f}   left out: "
              + ", ".join(f"{part} {ns / 1e6:.1f}" for part, ns in parts.items() if part != "own" and " " not in part))
    print("  by stage, all of it: " + ", ".join(f"{part[6:]} {ns / 1e6:.2f}" for part, ns in best.items() if " " in part))
    share = best["own"] / floors["own"]
    print(f"  of the bare init  {share:6.3f}   must {MUST}   aim {AIM}   "
          + ("aim reached" if share <= AIM else "within the bar" if share <= MUST else "MISSED"))
    return 0 if share <= MUST else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
