#!/usr/bin/env python3
"""Random firmware images and launch inputs, measured by measure/ and by reference.py: every answer must be the same.

usage: differential.py DRIVER [CASES]     prints TAP

The images are small and of every shape that the formats allow; every fourth is damaged afterwards, and then both must
refuse it or both must give the same digest. The same at every run.
"""
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True  # no __pycache__ in the tree

import reference
from reference import CPUID, KERNEL_HASHES, PAGE, SEC_MEM, SECRETS, SVSM_CAA

TEXT = "abcdefghijklmnopqrstuvwxyz =/.,-_0123456789"


def random_sections(rng, limit):
    """Disjoint sections below `limit` in any order; most of the time one of them is for kernel hashes."""
    sections, low = [], rng.randrange(0, 0x900) * PAGE
    for _ in range(rng.choice([0, 2, 3, 6, 6, 10, 10, 64])):
        kind = rng.choice([SEC_MEM, SEC_MEM, SECRETS, CPUID, SVSM_CAA, KERNEL_HASHES])
        size = PAGE * (rng.randrange(1, 20) if kind in (SEC_MEM, SVSM_CAA) else 1)
        sections.append((low, size, kind))
        low += size + PAGE * rng.choice([0, 0, 1, 300])
    if sections and rng.random() < 0.1:  # one that touches the firmware from below
        sections[-1] = (limit - PAGE, PAGE, rng.choice([SEC_MEM, SECRETS]))
    rng.shuffle(sections)
    return sections


def random_image(rng, svsm=False):
    size = PAGE * rng.randrange(1, 6)
    data = bytearray(rng.randbytes(size))
    sections = random_sections(rng, reference.FOUR_GIB - size)
    hashes = [s[0] for s in sections if s[2] == KERNEL_HASHES]
    offset, room = rng.choice([(0xC00, 0x400), (0, 176), (0xF50, 0xB0), (0x800, 0x100)])
    if rng.random() < 0.05:
        offset, room = rng.choice([(0xF51, 0xAF), (0x10, 0)])  # too small
    address = rng.choice(hashes) + offset if hashes and rng.random() < 0.95 else rng.choice([0, 0x820000 + offset])
    metadata = b"ASEV" + struct.pack("<III", 16 + 12 * len(sections), 1, len(sections))
    metadata += b"".join(struct.pack("<III", *s) for s in sections)
    entries = [(reference.METADATA, None)] if rng.random() < 0.95 else []
    if rng.random() < 0.95:
        entries.append((reference.RESET_BLOCK, struct.pack("<I", rng.randrange(1, 1 << 32))))
    if svsm:
        entries.append((reference.SVSM_INFO, struct.pack("<I", rng.randrange(size + PAGE // 8))))
    if rng.random() < 0.95:
        entries.append((reference.HASH_TABLE, struct.pack("<II", address, room)))
    for _ in range(rng.randrange(4)):  # tables of others
        entries.append((rng.randbytes(16), rng.randbytes(rng.randrange(40))))
    rng.shuffle(entries)
    place = rng.randrange(0, size - 700 - len(metadata))
    data[place : place + len(metadata)] = metadata
    table = b""
    for guid, contents in entries:
        contents = struct.pack("<I", size - place) if contents is None else contents
        table += contents + struct.pack("<H", len(contents) + 18) + guid
    table += struct.pack("<H", len(table) + 18) + reference.FOOTER
    data[size - 32 - len(table) : size - 32] = table
    can_boot = hashes and address & ~0xFFF in hashes
    return data, can_boot, (place, place + len(metadata)), (size - 32 - len(table), size - 32)


def damage(rng, data, metadata, table):
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(*rng.choice([metadata, table]))
        data[at] = rng.choice([0, 1, 0xFF, data[at] ^ 1 << rng.randrange(8), data[at] ^ 0x10])
    if rng.random() < 0.1:
        del data[: rng.choice([1, 100, PAGE])]


def make_case(rng, number, folder):
    """(line for the driver, what the reference says)"""
    data, can_boot, metadata, table = random_image(rng)
    if number % 4 == 3:
        damage(rng, data, metadata, table)
    kernel, initrd = rng.randbytes(rng.randrange(300)), rng.randbytes(rng.choice([0, 1, 5000]))
    cmdline = "".join(rng.choice(TEXT) for _ in range(rng.choice([0, 1, 40, 500])))
    with_boot, with_initrd = rng.random() < (0.8 if can_boot else 0.1), rng.random() < 0.8
    vcpus = rng.choice([1, 1, 2, 3, 17, 512]) if rng.random() < 0.97 else rng.choice([0, 513])
    signature = rng.choice([0x800F12, 0xA00F11, 0xB00F00, rng.getrandbits(32)])
    features = rng.choice([1, 0x21, 0x201, rng.getrandbits(64)])
    mode = rng.choice(["snp"] * 5 + list(reference.MODES))
    vmm = rng.choice(["QEMU"] * 5 + list(reference.VMMS))
    svsm = random_image(rng, svsm=True)[0] if mode == "snp:svsm" else b""
    if svsm:
        with_boot, vmm = rng.random() < 0.1, "QEMU" if rng.random() < 0.9 else vmm
    for name, contents in (("firmware", data), ("svsm", svsm), ("kernel", kernel), ("initrd", initrd)):
        (folder / f"{number}.{name}").write_bytes(contents)
    try:
        boot = (kernel, initrd if with_initrd else b"", cmdline.encode()) if with_boot else None
        wanted = reference.launch_digest(bytes(data), boot, vcpus, signature, features, mode, vmm, bytes(svsm)).hex()
    except reference.Refused as reason:
        wanted = f"refused: {reason}"
    line = "\t".join([str(folder / f"{number}.firmware"), str(folder / f"{number}.svsm") if svsm else "-",
                      str(folder / f"{number}.kernel") if with_boot else "-",
                      str(folder / f"{number}.initrd") if with_initrd else "-", cmdline, str(vcpus), str(signature),
                      str(features), str(reference.MODES.index(mode)), vmm])
    return line, wanted


def main(driver, count=600):
    rng = random.Random(2026)
    with tempfile.TemporaryDirectory() as name:
        cases = [make_case(rng, i, Path(name)) for i in range(count)]
        done = subprocess.run([driver], input="\n".join(line for line, _ in cases) + "\n", stdout=subprocess.PIPE,
                              check=True, text=True)
    answers = done.stdout.splitlines()
    refused = sum(wanted.startswith("refused") for _, wanted in cases)
    wrong = [i for i, (_, wanted) in enumerate(cases)
             if i >= len(answers) or (answers[i] != wanted and not (wanted.startswith("refused: ") and
                                                                    answers[i].startswith("refused: ")))]
    for i in wrong[:10]:
        print(f"# case {i}: {answers[i] if i < len(answers) else 'no answer'}, expected {cases[i][1]}")
    good = not wrong and count // 2 < count - refused and refused > count // 20
    print(f"{'ok' if good else 'not ok'} 1 - {count} launches, {refused} of them refused: {len(wrong)} answers differ")
    print("1..1")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
