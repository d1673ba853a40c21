#!/usr/bin/env python3
"""postern display firmware: tables, sections and sizes of Debian's AmdSev build and of images that lack something, and
what --lint says of each. Prints TAP."""
import json
import os
import subprocess
import sys
import tempfile
import uuid

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402

POSTERN = os.path.join(TOP, "build/bin/postern")
FIRMWARE = "/builder/firmware/OVMF.amdsev.fd"
OWN = ["/builder/ovmf/RELEASE.fd", "/builder/ovmf/DEBUG.fd"]  # where `make firmware` ran
HASHES = uuid.UUID("7255371f-3a3b-4b04-927b-1da6efa8d454").bytes_le
METADATA = uuid.UUID("dc886566-984a-4798-a75e-5585a7bf67cc").bytes_le


def run(*words):
    return subprocess.run([POSTERN, "display", "firmware", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)


def check_good(path):
    found = json.loads(run(path, "--json").stdout)
    tables = {table["name"]: table for table in found["tables"]}
    sections = {section["kind"]: section for section in found["sections"]}
    tap.ok({"reset-block", "hash-table", "secret-area", "sev-metadata"} <= set(tables), f"{path}: tables by name", found)
    tap.same([tables["hash-table"]["guid"], tables["hash-table"]["size"]], ["7255371f-3a3b-4b04-927b-1da6efa8d454", 8],
             f"{path}: GUID and size of a table")
    tap.same([found["hash_table_gpa"], found["hash_table_size"]], ["0x810c00", 1024], f"{path}: the hash table")
    tap.ok({"SEC_MEM", "SECRETS", "CPUID", "KERNEL_HASHES"} <= set(sections), f"{path}: sections", found)
    tap.same([found["measured_direct_boot"], found["fault"], found["size"]], [True, None, os.path.getsize(path)],
             f"{path}: fit for measured direct boot")
    done = run(path, "--lint")
    tap.same(done.returncode, 0, f"{path}: --lint says so")
    tap.ok("kernel" in done.stdout and "measured: hashes at 0x810c00, 1024 bytes" in done.stdout, f"{path}: for a person",
           done.stdout)


def check_bad(folder, name, image, sentence, shown=True):
    path = os.path.join(folder, "firmware.fd")
    with open(path, "wb") as file:
        file.write(image)
    done = run(path, "--lint")
    tap.same(done.returncode, 2, f"{name}: --lint is exit status 2")
    tap.ok(sentence in (done.stdout if shown else done.stderr), f"{name}: says why", done.stdout + done.stderr)
    if shown:
        tap.same(run(path).returncode, 0, f"{name}: without --lint it is shown all the same")
        tap.same(json.loads(run(path, "--json").stdout)["measured_direct_boot"], False, f"{name}: in JSON")


def main():
    for path in [FIRMWARE, *filter(os.path.exists, OWN)]:
        check_good(path)
    with open(FIRMWARE, "rb") as file:
        good = file.read()
    tap.same([good.count(part) for part in (HASHES, METADATA)], [1, 1], "the tables to be taken away are there once")
    section = bytes.fromhex("00008100 00100000 10000000")
    tap.same(good.count(section), 1, "so is the section for kernel hashes")
    with tempfile.TemporaryDirectory() as folder:
        check_bad(folder, "no hash table", good.replace(HASHES, bytes(16)), "NOT measured: the footer has no hash table entry")
        check_bad(folder, "no SEV metadata", good.replace(METADATA, bytes(16)), "NOT measured: no SEV metadata in the footer")
        check_bad(folder, "no KERNEL_HASHES section", good.replace(section, section[:8] + b"\1\0\0\0"), "no KERNEL_HASHES section")
        check_bad(folder, "no OVMF image", bytes(65536), "no OVMF footer GUID", shown=False)
        check_bad(folder, "cut", good[:-4096], "no OVMF footer GUID", shown=False)
    done = run("/nowhere")
    tap.ok(done.returncode == 1 and "/nowhere" in done.stderr, "a file that is not there is exit status 1", done.stderr)
    tap.done()


main()
