#!/usr/bin/env python3
"""postern measure: digests in every mode, explanations, comparisons, causes, tables, and what it refuses. Prints TAP.

tests/measure/reference.py, which computes launches with hashlib alone, says what is right.
"""
import base64
import csv
import hashlib
import io
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "tests/lib"), os.path.join(TOP, "tests/measure")]
sys.dont_write_bytecode = True
import differential  # noqa: E402
import reference  # noqa: E402
import tap  # noqa: E402

POSTERN = os.path.join(TOP, "build/bin/postern")
FIRMWARE = "/builder/firmware/OVMF.amdsev.fd"
VECTORS = next((Path(TOP, place) for place in ("../shared/vectors/measure", "../../shared/vectors/measure")
                if Path(TOP, place).exists()), None)
MILAN, GENOA = 0xA00F11, 0xA10F10
TEXT = "console=ttyS0 quiet"


def run(*words, cwd=None):
    return subprocess.run([POSTERN, "measure", *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, cwd=cwd)


def digest(*words):
    done = run(*words)
    return done.stdout.strip() if done.returncode == 0 else f"{done.returncode} {done.stderr}"


def refused(words, *parts, cwd=None):
    """Ends with 1 and one sentence that holds all the parts; prints nothing and leaves nothing behind."""
    before = sorted(os.listdir(cwd)) if cwd else []
    done = run(*words, cwd=cwd)
    good = (done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
            and done.stderr.startswith("postern: ") and all(part in done.stderr for part in parts)
            and (sorted(os.listdir(cwd)) if cwd else []) == before)
    tap.ok(good, f"refused: {' '.join(map(str, words))[-70:]}", f"{done.returncode} {done.stdout[:200]!r} {done.stderr!r}")


class Boot:
    """A firmware, kernel, initrd and command line, and what the reference says about launches of them."""

    def __init__(self, folder):
        rng = random.Random(1)
        self.folder = Path(folder)
        self.firmware = Path(FIRMWARE).read_bytes()
        self.kernel, self.initrd = rng.randbytes(300_000), rng.randbytes(400_000)
        (self.folder / "kernel").write_bytes(self.kernel)
        (self.folder / "initrd").write_bytes(self.initrd)
        self.files = ["--ovmf", FIRMWARE, "--kernel", self.folder / "kernel", "--initrd", self.folder / "initrd", "--append",
                      TEXT]
        self.words = [*self.files, "--vcpu-type", "EPYC-Milan", "--vcpus", "2"]

    def launch(self, vcpus=2, signature=MILAN, features=1, mode="snp", vmm="QEMU", **changed):
        boot = (changed.get("kernel", self.kernel), changed.get("initrd", self.initrd), changed.get("append", TEXT).encode())
        boot = boot if changed.get("boot", True) else None
        return reference.launch_digest(self.firmware, boot, vcpus, signature, features, mode, vmm).hex()


def test_help():
    lines = run("--help").stdout.splitlines()
    tap.ok(24 <= len(lines) <= 40 and max(map(len, lines)) <= 100, "--help fits a screen", len(lines))
    text = "\n".join(lines)
    tap.ok(all(f"--{name}" in text for name in
               "mode vcpus vcpu-type vcpu-sig vcpu-family vcpu-model vcpu-stepping vmm-type ovmf kernel initrd append "
               "guest-features output-format snp-ovmf-hash dump-vmsa svsm vars-size vars-file".split()),
           "and names every option of sev-snp-measure", text)


def test_digests(boot):
    for mode in "snp", "seves", "sev":
        for vmm in reference.VMMS:
            tap.same(digest(*boot.words, "--mode", mode, "--vmm-type", vmm), boot.launch(mode=mode, vmm=vmm), f"{mode}, {vmm}")
    for spelling, mode in ("SNP", "snp"), ("sev-snp", "snp"), ("SEV-SNP", "snp"), ("sev-es", "seves"), ("SEVES", "seves"), \
            ("SEV-ES", "seves"), ("SEV", "sev"):
        tap.same(digest(*boot.words, "--mode", spelling), boot.launch(mode=mode), f"--mode {spelling}")
    for spelling, vmm in ("qemu", "QEMU"), ("EC2", "ec2"), ("GCE", "gce"):
        tap.same(digest(*boot.words, "--vmm-type", spelling), boot.launch(vmm=vmm), f"--vmm-type {spelling}")
    tap.same(digest(*boot.files, "--vcpus=2", "--vmm-type=ec2"), boot.launch(vmm="ec2"), "EC2 needs no CPU type")
    tap.same(digest(*boot.files, "--mode=sev"), boot.launch(mode="sev"), "nor does SEV")
    tap.same(digest("--ovmf", FIRMWARE, "--vcpu-sig", 0), boot.launch(1, 0, boot=False), "signature 0 is one, no kernel is fine")
    tap.same(digest(*boot.words, "--guest-features", "0x21"), boot.launch(features=0x21), "--guest-features")
    tap.same(digest(*boot.words[:-2], "--vcpus", "512"), boot.launch(512), "512 virtual CPUs")
    tap.same(digest(*boot.words, "--output-format", "json"), f'{{"digest":"{boot.launch()}","vcpu_sig":{MILAN}}}', "JSON")
    tap.same(digest(*boot.words, "--output-format", "base64"), base64.b64encode(bytes.fromhex(boot.launch())).decode(), "base64")


def test_recorded():
    """Rows computed by others, through the command line."""
    if not VECTORS:
        tap.note("no recorded digests at hand")
        return
    for number, row in enumerate(json.loads((VECTORS / "known.json").read_text())["cases"]):
        words = ["--ovmf", VECTORS / row["ovmf"], "--kernel", VECTORS / row["kernel"]]
        words += ["--initrd", VECTORS / row["initrd"]] if row["initrd"] else []
        words += ["--append", row["append"]] if row["append"] else []
        for name in "mode", "vcpus", "vcpu_type", "guest_features", "vmm_type":
            words += ["--" + name.replace("_", "-"), row[name]]
        tap.same(digest(*words), row["digest"], f"recorded row {number}: {row['mode']}, {row['vmm_type']}")


def test_cpus(boot):
    listed = subprocess.run(["qemu-system-x86_64", "-cpu", "help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    names = re.findall(r"^\s+(EPYC\S*)", listed, re.M) + ["EPYC-Milan-v3", "EPYC-Genoa-v2", "EPYC-Turin", "EPYC-Turin-v1",
                                                          "EPYC-Turin-v2"]
    bad = [name for name in names if len(digest(*boot.files, "--vcpu-type", name)) != 96]
    tap.ok(len(names) > 18 and not bad, "every EPYC type of QEMU is known, and newer ones", bad)
    wanted = boot.launch(1, GENOA)
    for words in (["--vcpu-type", "EPYC-Genoa"], ["--vcpu-sig", "0xa10f10"], ["--vcpu-sig", str(GENOA)],
                  ["--vcpu-family", "25", "--vcpu-model", "17", "--vcpu-stepping", "0"]):
        tap.same(digest(*boot.files, *words), wanted, " ".join(words))
    info = Path("/proc/cpuinfo").read_text()
    words = []
    for option, field in ("family", "cpu family"), ("model", "model"), ("stepping", "stepping"):
        words += [f"--vcpu-{option}", re.search(rf"^{field}\s*: (\d+)", info, re.M).group(1)]
    tap.same(digest(*boot.files, "--vcpu-type", "host"), digest(*boot.files, *words), "host is this machine's CPU")


def test_firmware_hash(boot):
    metadata = boot.folder / "firmware.json"
    value = digest("--ovmf", FIRMWARE, "--mode", "snp:ovmf-hash", "--firmware-metadata", metadata)
    chain = reference.Digest()
    chain.add_image(reference.Firmware(boot.firmware))
    tap.same(value, chain.value.hex(), "--mode snp:ovmf-hash")
    without = [*boot.words[2:], "--snp-ovmf-hash", value]
    tap.same(digest(*without, "--firmware-metadata", metadata), boot.launch(), "hash and metadata need no firmware")
    tap.same(digest(*without, "--ovmf", FIRMWARE), boot.launch(), "hash and an image with the same tables")
    tap.same(digest(*without, "--firmware-metadata", metadata, "--vmm-type", "ec2-2023"), boot.launch(vmm="ec2-2023"),
             "the same for EC2")
    refused(without, "--ovmf is missing")
    refused([*boot.words[2:], "--firmware-metadata", metadata], "needs --snp-ovmf-hash")
    refused([*without[:-1], "12", "--firmware-metadata", metadata], "--snp-ovmf-hash: expected 96 hexadecimal digits", '"12"')
    refused([*without, "--ovmf", FIRMWARE, "--mode", "seves"], "--snp-ovmf-hash is for --mode snp")
    refused([*boot.words, "--mode", "sev", "--firmware-metadata", metadata], "--firmware-metadata is for --mode snp")
    text = metadata.read_text()
    for wrong, part in ((text[:-3], "firmware.json: "), (text.replace("CPUID", "CPUIX"), '"CPUIX" is no kind of section'),
                        (text.replace("36864", "36865"), "covers 0x9001 bytes"), ("", "firmware.json: ")):
        metadata.write_text(wrong)
        refused([*without, "--firmware-metadata", metadata], part)


def test_svsm(boot):
    """A small OVMF and SVSM of differential.py's making."""
    rng = random.Random(7)
    while True:
        ovmf, svsm = bytes(differential.random_image(rng)[0]), bytes(differential.random_image(rng, svsm=True)[0])
        try:
            monitor = reference.Firmware(svsm, (reference.SVSM_INFO, reference.METADATA), reference.FOUR_GIB - len(ovmf) - 8192)
            break
        except reference.Refused:
            continue
    chain = reference.Digest()
    chain.add_image(reference.Firmware(ovmf, ()))
    chain.add_image(monitor)
    chain.add_sections(monitor.sections, None, "QEMU")
    for _ in range(3):
        chain.add(chain.VMSA, reference.VMSA_ADDRESS, reference.save_area(monitor.reset, MILAN, 1, svsm=True))
    for name, data in ("ovmf", ovmf), ("svsm", svsm), ("vars", bytes(8192)):
        (boot.folder / name).write_bytes(data)
    words = ["--mode", "snp:svsm", "--ovmf", boot.folder / "ovmf", "--svsm", boot.folder / "svsm", "--vcpus", "3",
             "--vcpu-type", "EPYC-Milan"]
    tap.same(digest(*words, "--vars-size", "8192"), chain.value.hex(), "--mode snp:svsm --vars-size")
    tap.same(digest(*words, "--vars-size", "0x2000"), chain.value.hex(), "the size in hexadecimal")
    tap.same(digest(*words, "--vars-file", boot.folder / "vars"), chain.value.hex(), "--vars-file")
    refused([*words, "--vars-size", "8192", "--vars-file", boot.folder / "vars"], "expected one of them")
    refused([*words, "--vars-size", "8191"], "--vars-size: 8191 bytes, expected a multiple of 4096")
    refused([*words, "--vars-file", boot.folder / "none"], "none: cannot be opened")
    refused([*words, "--vmm-type", "gce"], "gce launches no SVSM")
    refused([*words, "--kernel", boot.folder / "kernel"], "an SVSM cannot be launched with a kernel")
    refused([*words[:-8], *words[-4:], "--ovmf", FIRMWARE], "--svsm and --mode snp:svsm belong together")
    refused([*boot.words, "--svsm", boot.folder / "svsm"], "--svsm and --mode snp:svsm belong together")
    refused([*boot.words, "--vars-size", "4096"], "are for --mode snp:svsm")
    words[words.index("--svsm") + 1] = FIRMWARE
    refused(words, FIRMWARE, "no SVSM entry point")


def test_dump(boot):
    folder = boot.folder / "dump"
    folder.mkdir()
    done = run(*boot.words[:-2], "--vcpus", "3", "--dump-vmsa", cwd=folder)
    tap.same((done.returncode, done.stdout.strip()), (0, boot.launch(3)), "--dump-vmsa prints the digest")
    reset = reference.Firmware(boot.firmware).reset
    wanted = {f"vmsa{i}.bin": reference.save_area(reset if i else 0xFFFFFFF0, MILAN, 1) for i in range(3)}
    tap.same({p.name: p.read_bytes() for p in folder.iterdir()}, wanted, "and writes each virtual CPU's")
    refused([*boot.words, "--mode", "sev", "--dump-vmsa"], "SEV has no VMSAs", cwd=folder)
    for path in folder.iterdir():
        path.unlink()
    (folder / "vmsa1.bin").mkdir()
    refused([*boot.words, "--dump-vmsa"], "vmsa1.bin: cannot be written", cwd=folder)


def test_explain(boot):
    done = run(*boot.words, "--explain")
    text = done.stdout
    found = re.findall(r"digest  ([0-9a-f]{96})", text)
    tap.ok(done.returncode == 0 and found[-1] == found[-2] == boot.launch() and len(set(found)) == len(found) - 1,
           "--explain ends with the digest", text)
    order = ["firmware: 0xffc00000 to 0xffffffff, 1024 normal pages", hashlib.sha384(boot.firmware).hexdigest(),
             "SEC_MEM: 0x800000 to 0x808fff, 9 zero pages", "SECRETS: ", "CPUID: ", "KERNEL_HASHES: 0x810000", "VMSA, first CPU: 1",
             "VMSA, other CPUs: 1", "kernel hashes at 0x810c00", hashlib.sha256(boot.kernel).hexdigest(),
             hashlib.sha256(boot.initrd).hexdigest(), hashlib.sha256(TEXT.encode() + b"\0").hexdigest(), "cs.base       0xffff0000",
             "rdx           0xa00f11", "cs.base       0x800000"]
    places = [text.find(part) for part in order]
    tap.ok(-1 not in places and places == sorted(places), "contributions, then hashes, then VMSAs", list(zip(order, places)))
    told = json.loads(run(*boot.words, "--explain", "--json").stdout)
    tap.ok(told["digest"] == boot.launch() == told["contributions"][-1]["digest"], "as JSON")
    tap.same([c["digest"] for c in told["contributions"]], found[:-1], "with the same digests in between")
    tap.same(told["kernel_hashes"]["initrd"], hashlib.sha256(boot.initrd).hexdigest(), "and hashes")
    area = reference.save_area(0xFFFFFFF0, MILAN, 1)
    tap.same(sum(int(v, 16) != 0 for v in told["vmsa"]["first"].values()), len(told["vmsa"]["first"]), "fields that are not zero")
    tap.same(int(told["vmsa"]["first"]["g_pat"], 16), struct.unpack_from("<Q", area, 0x268)[0], "with their values")
    alone = json.loads(run("--ovmf", FIRMWARE, "--vcpu-type=EPYC", "--explain", "--output-format=json").stdout)
    tap.same((alone["kernel_hashes"], list(alone["vmsa"])), (None, ["first"]), "no kernel, one CPU")
    for mode in "sev", "seves":
        told = json.loads(run(*boot.words, "--explain", "--json", "--mode", mode).stdout)
        tap.same((told["digest"], told["contributions"][-1]["digest"]), (boot.launch(mode=mode),) * 2, f"--explain, {mode}")


def test_diff(boot):
    done = run(*boot.words, "--diff", "--vcpus", "2")
    tap.same((done.returncode, "!" in done.stdout), (0, False), "--diff of the same: 0")
    (boot.folder / "initrd2").write_bytes(boot.initrd + b"x")
    image = bytearray(boot.firmware)
    image[0x5123] ^= 1
    (boot.folder / "firmware2").write_bytes(image)
    for words, part in (
            (["--vcpus", "5"], "VMSA, other CPUs at 0xfffffffff000: 1 and 4"),
            (["--vcpu-sig", "0xa10f10"], "VMSA, first CPU at 0xfffffffff000: rdx 0xa00f11 and 0xa10f10"),
            (["--vcpu-type", "EPYC-Genoa"], "rdx 0xa00f11 and 0xa10f10"),
            (["--vcpu-family", "25", "--vcpu-model", "17", "--vcpu-stepping", "0"], "rdx 0xa00f11 and 0xa10f10"),
            (["--guest-features", "0x21"], "sev_features 0x1 and 0x21"),
            (["--vmm-type", "QEMU-before-6.10"], "mxcsr 0x1f80 and 0x0"),
            (["--initrd", boot.folder / "initrd2"], "KERNEL_HASHES at 0x810000: the initrd differs"),
            (["--append", TEXT + "\n"], "KERNEL_HASHES at 0x810000: the command line differs"),
            (["--kernel", boot.folder / "initrd"], "KERNEL_HASHES at 0x810000: the kernel differs"),
            (["--kernel=", "--initrd=", "--append="], "normal and zero pages, only the first has a kernel"),
            (["--ovmf", boot.folder / "firmware2"], "1 of 1024 pages differ, the first at file offset 0x5000"),
            (["--vmm-type", "ec2"], "CPUID at 0x80e000: elsewhere in the second's order")):
        done = run(*boot.words, "--diff", *words)
        tap.ok(done.returncode == 2 and f"{part}" in done.stdout, f"--diff {' '.join(map(str, words))[-40:]}", done.stdout + done.stderr)
    told = json.loads(run(*boot.words, "--diff", "--guest-features", "0x21", "--json").stdout)
    tap.same([told["first"], told["second"]], [boot.launch(), boot.launch(features=0x21)], "--diff as JSON")
    tap.same([c["name"] for c in told["contributions"] if not c["same"]], ["VMSA, first CPU", "VMSA, other CPUs"], "and its lines")
    refused([*boot.words, "--diff", "--mode", "sev"], "--diff compares two launches of one --mode")
    refused([*boot.words, "--explain", "--diff", "--vcpus", "3"], "expected no other way")
    refused([*boot.words, "--diff", "--nosuch"], "unknown option --nosuch")


def patched(kernel, initrd_size, memory):
    """The setup header as QEMU before 10 fills it in (Linux boot protocol; the initrd ends below the ACPI tables)."""
    data = bytearray(kernel)
    data[0x210] = 0xB0
    data[0x211] |= 0x80
    struct.pack_into("<H", data, 0x224, 0xFE00)
    struct.pack_into("<I", data, 0x228, 0x20000)
    if initrd_size:
        struct.pack_into("<II", data, 0x218, (memory - 0x30000 - 1 - initrd_size) & ~0xFFF, initrd_size)
    return bytes(data)


def test_against(boot):
    def against(wanted, status, *parts, words=boot.words):
        done = run(*words, "--against", wanted)
        tap.ok(done.returncode == status and done.stderr == "" and all(part in done.stdout for part in parts),
               f"--against: {parts[0]}", f"{done.returncode} {done.stdout} {done.stderr}")

    header = bytearray(boot.kernel)
    struct.pack_into("<IH", header, 0x202, 0x53726448, 0x20F)
    header[0x211], header[0x236] = 1, 2
    boot.kernel = bytes(header)
    (boot.folder / "kernel").write_bytes(boot.kernel)
    against(boot.launch(), 0, "the inputs give this digest\n")
    against(boot.launch(317), 2, "317 virtual CPUs, not 2")
    against(boot.launch(signature=0xB00F00), 2, "CPU signature 0xb00f00 (EPYC-Turin), not 0xa00f11")
    against(boot.launch(features=0x21), 2, "guest features 0x21, debug_swap, not 0x1")
    against(boot.launch(features=0x201), 2, "guest features 0x201, not 0x1")
    against(boot.launch(vmm="QEMU-before-6.10"), 2, "the host's Linux is older than 6.10")
    against(boot.launch(boot=False), 2, "kernel hashes are off")
    against(boot.launch(initrd=b""), 2, "the initrd is absent")
    against(boot.launch(append=""), 2, "the command line is absent")
    against(boot.launch(append="", initrd=b""), 2, "initrd and command line are absent")
    against(boot.launch(append=TEXT + "\n"), 2, "a newline ends the command line")
    against(boot.launch(), 2, "nothing but words is in the command line's end", words=[*boot.words[:6], "--append", TEXT + "\n",
                                                                                  *boot.words[8:]])
    against(boot.launch(vmm="ec2"), 2, "--vmm-type ec2, not QEMU")
    against(boot.launch(vmm="ec2-2023"), 2, "--vmm-type ec2-2023, not QEMU")
    against(boot.launch(vmm="gce"), 2, "--vmm-type gce, not QEMU")
    against(boot.launch(kernel=patched(boot.kernel, len(boot.initrd), 2 << 30)), 2,
            "QEMU before 10 patched the kernel (2048 MiB below 4 GiB)")
    against(boot.launch(kernel=patched(boot.kernel, len(boot.initrd), 512 << 20)), 2, "(512 MiB below 4 GiB)")
    against(boot.launch(64, GENOA, 0x21, append=TEXT + "\n"), 2, "64 virtual CPUs, not 2; CPU signature 0xa10f10 (EPYC-Genoa)",
            "guest features 0x21", "a newline ends")
    against("0" * 96, 3, "no cause found")
    against(boot.launch(mode="sev", append=""), 2, "the command line is absent", words=[*boot.words, "--mode", "sev"])
    against(boot.launch(9, mode="seves"), 2, "9 virtual CPUs, not 2", words=[*boot.words, "--mode", "seves"])
    told = json.loads(run(*boot.words, "--json", "--against", boot.launch(3)).stdout)
    tap.same(told, {"verdict": "cause", "cause": "3 virtual CPUs, not 2"}, "--against as JSON")
    refused([*boot.words, "--against", "00"], "--against: expected a digest of 96 hexadecimal digits")
    refused([*boot.words, "--mode", "sev", "--against", "0" * 96], "expected a digest of 64 hexadecimal digits")
    refused([*boot.words, "--explain", "--against", "0" * 96], "expected one of them")


def test_matrix(boot):
    rows = json.loads(run(*boot.files, "--matrix").stdout)
    tap.same(len(rows), 512 * 5, "--matrix: 512 virtual CPUs, five generations")
    names = {"EPYC-v4": 0x800F12, "EPYC-Rome": 0x830F10, "EPYC-Milan": MILAN, "EPYC-Genoa": GENOA, "EPYC-Turin": 0xB00F00}
    tap.same({r["vcpu_type"]: r["vcpu_sig"] for r in rows}, names, "their signatures")
    good = all(rows[i]["digest"] == boot.launch(rows[i]["vcpus"], rows[i]["vcpu_sig"]) for i in range(0, len(rows), 517))
    tap.ok(good and {r["vmm"] for r in rows} == {"QEMU"} and {r["guest_features"] for r in rows} == {1}, "rows are single digests")
    words = ["--matrix", "--vcpus", "1-2,7", "--vcpu-type", "host,EPYC-Milan", "--vcpu-sig", "0x123", "--vmm-type", "qemu,EC2,gce",
             "--guest-features", "1,0x21"]
    done = run(*boot.files, *words, "--output-format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    tap.same(len(rows), 3 * 2 * (3 + 1 + 1), "lists are the table's axes")
    tap.same([r["vcpus"] for r in rows[:3]], ["1", "2", "7"], "counts in order")
    good = all(r["digest"] == boot.launch(int(r["vcpus"]), int(r["vcpu_sig"] or 0), int(r["guest_features"]), vmm=r["vmm"])
               for r in rows)
    tap.ok(good, "CSV rows are single digests", done.stdout + done.stderr)
    tap.same(rows, [{k: "" if v is None else str(v) for k, v in r.items()} for r in json.loads(run(*boot.files, *words).stdout)],
             "as JSON they are the same")
    refused([*boot.files, "--matrix", "--mode", "sev"], "there is one digest, and no table")
    refused([*boot.files, "--matrix", "--mode", "snp:ovmf-hash"], "--matrix is for whole launches")
    for words, part in ((["--vcpus", "0"], '"0": expected numbers from 1 to 512'), (["--vcpus", "1-513"], '"1-513": expected'),
                        (["--vcpus", "3-2"], '"3-2": expected'), (["--vcpus", "1,,2"], "nothing between two commas"),
                        (["--vcpus", "1-2-3"], '"1-2-3": expected'), (["--vcpu-type", "EPYC,EPYC-v2"], "is there twice"),
                        (["--vcpu-type", "EPYC,x"], '"x" is no EPYC type'), (["--vmm-type", "ec2,xen"], '"xen", expected QEMU'),
                        (["--vmm-type", "ec2,EC2"], "is there twice"), (["--guest-features", "1,x"], '"x": expected numbers'),
                        (["--vcpu-sig", "0x100000000"], "not a 32-bit number"), (["--output-format", "xml"], "or csv with --matrix")):
        refused([*boot.files, "--matrix", *words], part)
    done = run(*boot.files, "--matrix", "--vcpus", "1", "--guest-features", "0x20")
    tap.ok(done.returncode == 0 and "0x20 lacks bit 0" in done.stderr, "a mask without SNP is warned of", done.stderr)


def test_refusals(boot):
    right = ["--ovmf", FIRMWARE, "--vcpu-type", "EPYC-v4"]
    kernel = boot.folder / "kernel"
    refused([], "--vcpu-type is missing", "EPYC-v4")
    refused(["--vcpu-type", "EPYC"], "--ovmf is missing")
    refused(["--ovmf", FIRMWARE], "--vcpu-type is missing", "EPYC-v4")
    refused(["--ovmf", "/nonexistent", "--vcpu-type", "EPYC-v4"], "/nonexistent: cannot be opened: No such file")
    refused(["--ovmf", "/", "--vcpu-type", "EPYC-v4"], "/: not a regular file")
    refused(["--ovmf", kernel, "--vcpu-type", "EPYC-v4"], f"{kernel}: 300000 bytes, expected a multiple of 4096")
    refused(["--ovmf", FIRMWARE, "--vcpu-type", "EPYC-Nosuch"], "no EPYC type that QEMU knows", "--vcpu-sig")
    for count in "0", "513", "18446744073709551615", "two", "-1", "":
        refused([*right, "--vcpus", count], "--vcpus")
    refused([*right, "--vcpus"], "--vcpus needs a value")
    refused([*right, "--vcpus", "1", "--vcpus", "2"], "--vcpus: given twice")
    refused(["--ovmf", FIRMWARE, "--vcpu-sig", "0x100000000"], "not a 32-bit number")
    refused([*right, "--vcpu-sig", "1"], "expected one of them")
    refused(["--ovmf", FIRMWARE, "--vcpu-family", "25"], "belong together")
    refused(["--ovmf", FIRMWARE, "--vcpu-family", "271", "--vcpu-model", "1", "--vcpu-stepping", "1"], "from 0 to 270")
    refused([*right, "--initrd", "x"], "--initrd without --kernel")
    refused([*right, "--append", "x"], "--append without --kernel")
    refused([*right, "--kernel", "/nonexistent"], "/nonexistent: cannot be opened")
    refused([*right, "--kernel", kernel, "--initrd", boot.folder], f"{boot.folder}: not a regular file")
    refused([*right, "--mode", "tdx"], '--mode: "tdx", expected snp')
    refused([*right, "--vmm-type", "xen"], '--vmm-type: "xen", expected QEMU')
    refused([*right, "--output-format", "xml"], '--output-format: "xml", expected hex, base64 or json')
    refused([*right, "--output-format", "csv"], "csv is for --matrix")
    refused([*right, "--guest-features", "x"], '--guest-features "x": expected a number')
    refused([*right, "--mode", "snp:ovmf-hash", "--explain"], "prints the firmware's digest and nothing else")
    refused([*right, "word"], 'unexpected word "word"')
    done = run(*right, "--guest-features", "0x20")
    tap.ok(done.returncode == 0 and len(done.stdout) == 97 and "0x20 lacks bit 0" in done.stderr and done.stderr.count("\n") == 1,
           "a feature mask without SNP is warned of", done.stderr)


def test_hostile_firmware(boot):
    """Damaged images: the file is named, with one sentence; and never a digest that the reference refuses."""
    rng, path, names = random.Random(11), boot.folder / "damaged", set()
    wrong = []
    for number in range(150):
        data, _, metadata, table = differential.random_image(rng)
        differential.damage(rng, data, metadata, table)
        path.write_bytes(data)
        done = run("--ovmf", path, "--vcpu-type", "EPYC")
        try:
            wanted = reference.launch_digest(bytes(data), None, 1, 0x800F12, 1).hex()
            good = done.stdout.strip() == wanted
        except reference.Refused:
            good = (done.returncode == 1 and done.stdout == "" and done.stderr.startswith(f"postern: {path}: ")
                    and done.stderr.count("\n") == 1)
            names.add(re.sub(r"0x[0-9a-f]+|\d+", "N", done.stderr.split(": ", 2)[-1]))
        if not good:
            wrong.append((number, done.returncode, done.stdout, done.stderr))
    tap.ok(not wrong and len(names) > 8, f"150 damaged images, {len(names)} different sentences", wrong[:3])
    for sentence in sorted(names):
        tap.note(sentence)
    data, *_ = differential.random_image(random.Random(3))
    path.write_bytes(data.replace(reference.HASH_TABLE, bytes(16)))
    refused(["--ovmf", path, "--vcpu-type", "EPYC", "--kernel", boot.folder / "kernel"], "no section for kernel hashes")


def test_changing_files(boot):
    """A file that grows, shrinks or is written to while it is read."""
    path = boot.folder / "changing"

    def change_during(change, name):
        with open(path, "wb") as file:
            file.truncate(3 << 30)  # a second of hashing at least
        child = subprocess.Popen([POSTERN, "measure", *map(str, boot.words[:5]), str(path), *boot.words[6:]],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(0.3)
        threading.Thread(target=change).start()
        output, errors = child.communicate()
        tap.same((child.returncode, output, errors), (1, "", f"postern: {path}: changed while it was read\n"), name)

    def overwrite():
        with open(path, "r+b") as file:
            file.seek(12345)
            file.write(b"x")

    change_during(lambda: os.truncate(path, 1 << 20), "a file that shrinks while it is read is an error")
    change_during(lambda: os.truncate(path, (3 << 30) + 1), "so is one that grows")
    change_during(overwrite, "and one that is written to")
    path.unlink()


def main():
    with tempfile.TemporaryDirectory(prefix="postern-measure.") as folder:
        boot = Boot(folder)
        test_help()
        test_digests(boot)
        test_recorded()
        test_cpus(boot)
        test_firmware_hash(boot)
        test_svsm(boot)
        test_dump(boot)
        test_explain(boot)
        test_diff(boot)
        test_against(boot)
        test_matrix(boot)
        test_refusals(boot)
        test_hostile_firmware(boot)
        test_changing_files(boot)
    tap.done()


main()
