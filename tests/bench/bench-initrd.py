#!/usr/bin/env python3
"""From the kernel's entry to the workload: postern-init's initrd and one that mkosi makes of systemd (systemd-initrd/),
with the same kernel of Debian's, both in this run. Each opens an encrypted disk with ext4 and a verified erofs root, and
starts the same program there. systemd's has the disk's key in a file; postern-init fetches it from a broker, and its volume
has tags: that is counted too, with the secure processor of tests, which is a program in the guest. Ends with 1 when the bar
is missed.

usage: bench-initrd.py [RUNS]

Counted are the instructions of the guest, idling apart, from the kernel's entry on (plugin/count.c; bench-boot.py says how);
the least of RUNS. Inside the builder root, when build/image/app is there; mkosi fetches packages the first time.
"""
import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import counted  # noqa: E402
import floor  # noqa: E402
import vm  # noqa: E402

MUST, AIM = 0.5, 0.2
RECIPE = os.path.join(TOP, "tests/bench/systemd-initrd")
CACHE = "/builder/mkosi"
PARTITION = "[Partition]\nType=linux-generic\nFormat=ext4\nEncrypt=key-file\nSizeMinBytes=64M\nSizeMaxBytes=64M\n"


class Systemd:
    """The initrd, and its disks: LUKS2 by systemd-repart, the root's tree of hashes with the superblock that it wants."""

    def __init__(self, folder):
        def path(name):
            return os.path.join(folder, name)

        extra, root, definitions = path("extra"), path("root"), path("repart.d")
        os.makedirs(os.path.join(extra, "etc"))
        os.makedirs(definitions)
        with open(os.path.join(extra, "etc/data.key"), "wb") as file:
            file.write(os.urandom(64))
        os.chmod(os.path.join(extra, "etc/data.key"), 0o600)
        with open(os.path.join(definitions, "10.conf"), "w", encoding="ascii") as file:
            file.write(PARTITION)
        self.disks = [path("data.raw"), path("root.img"), path("root.hash")]
        floor.run("systemd-repart", "--dry-run=no", "--empty=create", "--size=96M", "--offline=yes",
                  f"--definitions={definitions}", "--key-file=" + os.path.join(extra, "etc/data.key"), self.disks[0])
        for name in ("dev", "proc", "sys", "run", "tmp", "data", "etc", "usr/lib"):
            os.makedirs(os.path.join(root, name))
        with open(os.path.join(root, "usr/lib/os-release"), "w", encoding="ascii") as file:
            file.write("ID=none\n")
        shutil.copy(floor.INIT, os.path.join(root, "workload"))
        floor.run("mkfs.erofs", "-T", "0", "--all-root", self.disks[1], root)
        said = floor.run("veritysetup", "format", self.disks[1], self.disks[2])
        self.hash = next(line.split()[-1] for line in said.splitlines() if line.startswith("Root hash"))
        os.makedirs(path("work"))
        floor.run(os.path.join(TOP, "image/builder/sandbox"), path("sandbox"))
        floor.run("mkosi", "--directory", RECIPE, "--sandbox-tree", path("sandbox"), "--extra-tree", extra,
                  "--workspace-dir", path("work"), "--package-cache-dir", CACHE, "--cache-only=metadata", "--output-dir",
                  folder, "--output", "initrd", "build")
        self.initrd = path("initrd.cpio.zst")

    def boot(self, counter):
        disks = [word for number, disk in enumerate(self.disks) for word in (
            "-drive", f"if=none,id=d{number},format=raw,file={disk},snapshot=on", "-device", f"virtio-blk-pci,drive=d{number}")]
        words = (f"{floor.CMDLINE} root=/dev/mapper/root ro systemd.verity=yes roothash={self.hash} "
                 "systemd.verity_root_data=/dev/vdb systemd.verity_root_hash=/dev/vdc init=/workload")
        said = floor.virtual("-kernel", floor.DEBIAN, "-initrd", self.initrd, *disks, "-append", words,
                             machine=[*floor.COUNTED, *floor.processor(os.path.dirname(self.initrd)), *counter.words("systemd")])
        if "workload" not in floor.stamps(said):
            raise RuntimeError(f"systemd started no workload; the console says:\n{said[-2000:]}")
        return counter.counted()


def main(runs="2"):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, vm.World() as world, vm.Broker(world.path("broker")) as broker:
        counter = counted.Counter(folder, None)
        disks = floor.Disks(folder, integrity=floor.TAGS)
        os.makedirs(world.path("content"))
        data, record = world.create("boot", "data", "--from", world.path("content"), "--size", "64")
        broker.add(record)
        ours = counted.Ours(world, broker, disks, data, "supervise")
        os.makedirs(os.path.join(folder, "systemd"))
        theirs = Systemd(os.path.join(folder, "systemd"))
        entry = disks.entry()
        least = {name: min(guest.boot(counter)["whole"] for _ in range(int(runs))) - entry
                 for name, guest in (("postern-init", ours), ("systemd", theirs))}
        sizes = {"postern-init": os.path.getsize(ours.initrd), "systemd": os.path.getsize(theirs.initrd)}
    print(f"million instructions from the kernel's entry to the workload's first, least of {runs} runs")
    for name, count in least.items():
        print(f"  {name:<14}{count / 1e6:9.0f}   initrd {sizes[name] / (1 << 20):.2f} MiB")
    share = least["postern-init"] / least["systemd"]
    print(f"  of systemd's      {share:6.3f}   must {MUST}   aim {AIM}   "
          + ("aim reached" if share <= AIM else "within the bar" if share <= MUST else "MISSED"))
    return 0 if share <= MUST else 1


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except subprocess.TimeoutExpired as error:
        sys.exit(f"bench-initrd: {error}")
