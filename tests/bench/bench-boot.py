#!/usr/bin/env python3
"""From PID 1's first instruction to the workload's, in instructions of the guest: postern-init, and a bare init
(boot-floor.c) that makes the same mounts, opens the same encrypted disk and verified root with tables and a key from its
command line, and deletes its initrd. Both in this run. Ends with 1 when the bar is missed.

usage: bench-boot.py [RUNS [FOLDER]]. With a folder it leaves there what was executed where (plugin/count.c); for that, build
with SYMBOLS=1 and set BOOT_WORDS=" nokaslr norandmaps", words for both kernels.

One processor, emulated by one thread, -icount shift=0; a plugin of the emulator counts what is executed, so neither a
loaded machine nor waiting disturbs it. The least of RUNS counts: interrupts vary. Left out on both sides: the loading of
modules; before PID 1 and after them both rest (boot-rest.c), since the kernel's tests of its own algorithms go on beside
it: they were up to 50 million instructions of what an earlier form of this bench counted. Left out of postern-init: what it does to get what the bare init finds in a file, which is release_from_brokers()
and release_confirm() as a whole (connections, keys of the session, waiting, the secure processor's report on them, and
checking the answer), and the answers of the secure processor, which here is a program on the same processor. Time passes
while the processor idles (sleep=on): what answers is outside, and deadlines would pass at once otherwise. Idling is not
counted, so it makes no difference to the bare init.
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
FIRST_STAGE = 6
STAMPED = os.path.join(vm.BUILD, "bench/boot-stamps")
REST = os.path.join(vm.BUILD, "bench/boot-rest")
PLUGIN = os.path.join(vm.BUILD, "bench/count.so")
LIMIT_SECONDS = 1200


class Counter:
    """Words for QEMU, and what the plugin has counted once it has ended."""

    def __init__(self, folder, profiles):
        self.out, self.folder, self.profiles, self.runs = os.path.join(folder, "counted"), folder, profiles, 0

    def words(self, name):
        self.runs += 1
        profile = f",profile={self.profiles}/{name}-{self.runs}" if self.profiles else ""
        return "-plugin", f"{PLUGIN},out={self.out}{profile}"

    def counted(self):
        """Instructions by part, those of the stages as a whole and by name; mark.h has the numbers."""
        with open(self.out, encoding="ascii") as file:
            by_mark = {int(mark): int(count) for mark, count in map(str.split, file)}
        os.unlink(self.out)
        stages = {name: by_mark[FIRST_STAGE + number] for number, name in enumerate(vm.STAGES) if name != "modules"}
        stages["between"] = by_mark[1]
        return {"own": sum(stages.values()), "stages": stages, "modules": by_mark[3], "processor": by_mark[4],
                "release": by_mark[5]}


class Ours:
    """The marked postern-init with the floor's disks: SeaBIOS and a direct start, as the floor has them."""

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
            "args": ["/init"], "terminal": True}})
        config["volumes"][0]["integrity"] = "none"
        self.initrd = world.initrd(config, init=REST, programs={"usr/lib/postern/counted-init": STAMPED})
        self.append = world.cmdline() + os.environ.get("BOOT_WORDS", "")
        broker.allow(world.digest(self.initrd, self.append))

    def boot(self, counter):
        program = qemu.wrapper(self.world.path("icount.qemu"), "-icount", "shift=0,sleep=on", *counter.words("postern-init"),
                               changed=[("-accel", "tcg,thread=multi", "tcg,thread=single"),
                                        ("-bios", os.path.join(self.world.image, "firmware.fd"), "bios-256k.bin")])
        launch = self.world.launch(self.initrd, "--root", self.root, "--boot-timeout", str(LIMIT_SECONDS), "--append",
                                   self.append, "--qemu", program, disk=self.data).wait(LIMIT_SECONDS)
        said = launch.console()
        if not re.search(r"floor: workload \d+", said):
            raise RuntimeError(f"no workload: {launch.said}\n{said[-2000:]}")
        return counter.counted()


def floor_boot(disks, initrd, counter):
    disks.boot(floor.DEBIAN, initrd, " floor.counted", machine=[*floor.COUNTED, *counter.words("bare-init")])
    return counter.counted()


def main(runs="3", profiles=None):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, vm.World() as world, vm.Broker(world.path("broker")) as broker:
        counter = Counter(folder, profiles)
        disks = floor.Disks(folder)
        initrd = floor.initrd(folder, True, before=REST)
        ours = Ours(world, broker, disks)
        floors = min((floor_boot(disks, initrd, counter) for _ in range(int(runs))), key=lambda parts: parts["own"])
        best = min((ours.boot(counter) for _ in range(int(runs))), key=lambda parts: parts["own"])
    print(f"million instructions from PID 1's first to the workload's first, least of {runs} runs")
    for name, parts in (("bare init", floors), ("postern-init", best)):
        print(f"  {name:<14}{parts['own'] / 1e6:9.2f}   left out: " + ", ".join(
            f"{part} {count / 1e6:.1f}" for part, count in parts.items() if part not in ("own", "stages") and count))
    for name, parts in (("bare init", floors), ("postern-init", best)):
        print(f"  {name} by stage: " + ", ".join(f"{stage} {n / 1e6:.2f}" for stage, n in parts["stages"].items() if n))
    share = best["own"] / floors["own"]
    print(f"  of the bare init  {share:6.3f}   must {MUST}   aim {AIM}   "
          + ("aim reached" if share <= AIM else "within the bar" if share <= MUST else "MISSED"))
    return 0 if share <= MUST else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
