"""Guests whose instructions are counted by a plugin of QEMU (tests/bench/plugin), and postern-init as such a guest."""
import os
import re

import floor
import qemu
import vm

FIRST_STAGE = 7
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
        """Instructions by part, those of the stages as a whole and by name, and all before the first marked program; mark.h
        has the numbers."""
        with open(self.out, encoding="ascii") as file:
            by_mark = {int(mark): int(count) for mark, count in map(str.split, file)}
        os.unlink(self.out)
        stages = {name: by_mark[FIRST_STAGE + number] for number, name in enumerate(vm.STAGES) if name != "modules"}
        stages["between"] = by_mark[1]
        return {"whole": by_mark[0], "own": sum(stages.values()), "stages": stages, "modules": by_mark[4], "processor": by_mark[5],
                "release": by_mark[6]}


class Ours:
    """postern-init, marked where `programs` say so, with the floor's disks: SeaBIOS and a direct start, as the floor has
    them. The workload is the floor's."""

    def __init__(self, world, broker, disks, data, mode, **initrd):
        self.world, self.root, self.data, self.mode = world, disks.root, data, mode
        blocks, root_hash = disks.geometry
        tree = {"device": "root", "block_size": 4096, "hash": "sha256", "data_blocks": blocks, "hash_start_block": blocks,
                "salt": floor.SALT, "root_hash": root_hash}
        process = {"args": ["/init", "workload"]} | ({"terminal": True} if mode == "supervise" else {})
        config = world.config(broker.site(), root=tree, workload={"mode": mode, "process": process})
        self.initrd = world.initrd(config, **initrd)
        self.append = world.cmdline() + os.environ.get("BOOT_WORDS", "")
        broker.allow(world.digest(self.initrd, self.append))

    def boot(self, counter):
        program = qemu.wrapper(self.world.path("icount.qemu"), "-icount", "shift=0,sleep=on", *counter.words(self.mode),
                               changed=[("-bios", os.path.join(self.world.image, "firmware.fd"), "bios-256k.bin")])
        launch = self.world.launch(self.initrd, "--root", self.root, "--boot-timeout", str(LIMIT_SECONDS), "--append",
                                   self.append, "--qemu", program, disk=self.data).wait(LIMIT_SECONDS)
        said = launch.console()
        if not re.search(r"floor: workload \d+", said):
            raise RuntimeError(f"no workload: {launch.said}\n{said[-2000:]}")
        return counter.counted()
