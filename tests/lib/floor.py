"""Guests with a bare init (tests/bench/boot-floor.c): disks for it, an initrd, and QEMU in virtual time."""
import os
import re
import shlex
import shutil
import struct
import subprocess

import vm

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, "build")
INIT = os.path.join(BUILD, "bench/boot-floor")
DEBIAN = os.path.join(BUILD, "image/app/kernel")
OWN = "/builder/kernel/production/bzImage"
MODULES = os.path.join(BUILD, "image/app/initrd")
SALT = "00" * 32
LIMIT_SECONDS = 600
CMDLINE = "console=ttyS0 quiet panic=-1 no_timer_check" + os.environ.get("BOOT_WORDS", "")
TAGS = "hmac(sha256)"

# Real-mode code behind a setup header: prints the low half of the time stamp counter as eight letters, low nibble first.
ENTRY_CODE = bytes.fromhex("0f31 6689c3 b108 88d8 240f 0441 baf803 ee 66c1eb04 fec9 75ee f4 ebfd".replace(" ", ""))


def run(*words, **more):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words[:3])} … failed with {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def qemu(*words):
    return ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-machine", "q35",
            "-cpu", "max", "-smp", "1", "-m", "512", *words]


def processor(folder):
    """The words for the processor that `postern launch` gives to a guest: Linux runs other code on another one."""
    words = shlex.split(run(vm.program("postern"), "launch", os.path.join(BUILD, "image/app"), "--psp", "software",
                            "--psp-dir", vm.chip(), "--print", "--runtime-dir", folder))
    return words[words.index("-cpu"):][:2]


VIRTUAL = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-serial", "stdio"]
COUNTED = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=on", "-serial", "stdio"]


def virtual(*words, machine=None):
    """The console of a machine in virtual time."""
    done = subprocess.run(qemu(*(machine or VIRTUAL), *words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=LIMIT_SECONDS, check=False)
    return done.stdout.decode("utf-8", "replace")


def stamps(console):
    """{name: nanoseconds} of what the init said."""
    return {name: int(ns) for name, ns in re.findall(r"floor: (\w+) (\d+)\r?$", console, flags=re.M)}


def initrd(folder, modules):
    """The init alone, or with the modules of the image of Debian's kernel."""
    stage, made = os.path.join(folder, f"stage-{modules}"), os.path.join(folder, f"initrd-{modules}")
    if os.path.exists(made):
        return made
    for name in ("dev", "proc", "sys", "run", "tmp", "sysroot"):
        os.makedirs(os.path.join(stage, name))
    if modules:
        run("sh", "-c", f"zstd -qdc {MODULES} | cpio -idm --quiet 'usr/lib/postern/modules*'", cwd=stage)
    shutil.copy(INIT, os.path.join(stage, "init"))
    with open(made + ".cpio", "wb") as archive:
        subprocess.run([os.path.join(TOP, "image/pack"), stage], stdout=archive, check=True)
    run("zstd", "-q", "-19", "--single-thread", "-o", made, made + ".cpio")
    return made


def through_firmware(folder, kernel, initrd_path, append, vcpus=1, memory=512):
    """QEMU's words for a start through the firmware, with the table of hashes of these very files; no disks."""
    runtime = os.path.join(folder, "runtime")
    os.makedirs(runtime, exist_ok=True)
    words = shlex.split(run(vm.program("postern"), "launch", os.path.join(BUILD, "image/app"), "--psp", "software",
                            "--psp-dir", vm.chip(), "--kernel", kernel, "--initrd", initrd_path, "--append", append,
                            "--vcpus", str(vcpus), "--memory", str(memory), "--print", "--runtime-dir", runtime))
    kept, skipped = [], {"-blockdev", "-netdev"}
    for option, value in zip(words, words[1:] + [""]):
        if kept and kept[-1] is None:
            kept.pop()
            continue
        drop = option in skipped or (option == "-device" and value.startswith("virtio-"))
        kept += [None] if drop else ["null,id=psp" if option.startswith("socket,id=psp") else option]
    return kept


def console_of(words, seconds=LIMIT_SECONDS):
    """What a machine says until it ends by itself, and its exit status."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=seconds, check=False)
    return done.stdout.decode("utf-8", "replace"), done.returncode


def volume_tables(disk, record):
    """{word of the floor: dm table} for a volume of `postern volume create`, by its record (docs/volume-record.md)."""
    with open(record, "rb") as file:
        text = file.read()
    at, names = 8, []
    for _ in range(3):
        names.append(text[at + 1:at + 1 + text[at]].decode())
        at += 1 + text[at]
    _, offset, length = struct.unpack_from("<IQQ", text, at)
    if names[2] == "none":
        return {"crypt": f"{length // 512} crypt aes-xts-plain64 {text[-64:].hex()} 0 /dev/vda {offset // 512} 1 "
                         "sector_size:4096"}
    with open(disk, "rb") as file:
        file.seek(offset + 16)  # dm-integrity's superblock: magic, version, interleave, tag size, journal sections
        provided, = struct.unpack("<Q", file.read(8))
    return {"tags": f"{provided} integrity /dev/vda {offset // 512} 32 J 2 block_size:4096 fix_padding",
            "crypt": f"{length // 512} crypt capi:authenc(hmac(sha256),xts(aes))-plain64 {text[-96:].hex()} 0 /dev/tags 0 2 "
                     "integrity:32:aead sector_size:4096"}


class Disks:
    """An encrypted disk with ext4 and a verified root, in a folder, and machines that open both."""

    def __init__(self, folder, integrity="none"):
        self.folder = folder
        self.data, record = os.path.join(folder, "data.img"), os.path.join(folder, "record")
        content, root = os.path.join(folder, "content"), os.path.join(folder, "tree")
        os.makedirs(content)
        for name in ("dev", "proc", "sys", "run", "tmp", "data"):
            os.makedirs(os.path.join(root, name))
        shutil.copy(INIT, os.path.join(root, "init"))
        run(os.path.join(BUILD, "bin/postern"), "volume", "create", "--id", "data", "--from", content, "--size", "64",
            "--integrity", integrity, "--output", self.data, "--record", record)
        self.tables = volume_tables(self.data, record)
        self.root = os.path.join(folder, "root.img")
        run("mkfs.erofs", "-T", "0", "--all-root", self.root, root)
        blocks = os.path.getsize(self.root) // 4096
        run("veritysetup", "format", "--no-superblock", "--salt", SALT, "--data-blocks", str(blocks), "--hash-offset",
            str(blocks * 4096), "--root-hash-file", os.path.join(folder, "hash"), self.root, self.root)
        with open(os.path.join(folder, "hash"), encoding="ascii") as file:
            self.geometry = blocks, file.read().strip()
        self.tables["verity"] = f"{blocks * 8} verity 1 /dev/vdb /dev/vdb 4096 4096 {blocks} {blocks} sha256 {self.geometry[1]} {SALT}"

    def words(self):
        """QEMU's, and what the command line has to say."""
        disks = ["-drive", f"if=none,id=a,format=raw,file={self.data},snapshot=on", "-device", "virtio-blk-pci,drive=a",
                 "-drive", f"if=none,id=b,format=raw,file={self.root},read-only=on", "-device", "virtio-blk-pci,drive=b"]
        tables = " ".join(f"floor.{name}={table.replace(' ', '+')}" for name, table in self.tables.items())
        return disks, tables

    def boot(self, kernel, initrd_path, words="", machine=None):
        """The stamps of one boot in virtual time, or on a machine of these words."""
        disks, tables = self.words()
        console = virtual("-kernel", kernel, "-initrd", initrd_path, *disks, "-append",
                          f"{CMDLINE} {tables}{words}", machine=machine)
        found = stamps(console)
        if "workload" not in found:
            raise RuntimeError(f"no workload; the console says:\n{console[-2000:]}")
        return found

    def entry(self):
        """When the firmware of such a machine jumps to a kernel, in nanoseconds."""
        image = bytearray(1024 + 512)
        image[0x1f1] = 1  # one sector of setup
        image[0x1fe:0x200] = b"\x55\xaa"
        image[0x200:0x206] = b"\xeb\x6aHdrS"  # a jump over the header
        image[0x206:0x208] = b"\x0f\x02"
        image[0x211] = 1  # loaded high
        image[0x22c:0x230] = b"\xff\xff\xff\x7f"
        image[0x26c:0x26c + len(ENTRY_CODE)] = ENTRY_CODE
        path = os.path.join(self.folder, "entry")
        with open(path, "wb") as file:
            file.write(image)
        process = subprocess.Popen(qemu(*VIRTUAL, "-kernel", path, *self.words()[0]), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE)
        try:
            letters = process.stdout.read(8).decode()
        finally:
            process.kill()
            process.wait()
        return sum((ord(letter) - ord("A")) << 4 * at for at, letter in enumerate(letters))
