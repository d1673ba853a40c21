#!/usr/bin/env python3
"""postern host over trees as machines would show them: each point good, lacking or worth a warning. Prints TAP."""
import json
import os
import struct
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402

POSTERN = os.path.join(TOP, "build/bin/postern")
CPU = "vendor_id\t: AuthenticAMD\ncpu family\t: {family}\nmodel\t\t: {model}\nmodel name\t: AMD EPYC\nflags\t\t: fpu {flags} sev sev_es\n"
GENOA_TCB = bytes([10, 0, 0, 0, 0, 0, 23, 84])


def status(api=(1, 55), rmp=1, reported=GENOA_TCB):
    """The answer to SNP_PLATFORM_STATUS (SEV-SNP ABI, 8.2): 32 bytes."""
    return struct.pack("<BBBBIII", *api, 1, rmp, 21, 0, 0) + GENOA_TCB + reported


def good():
    """A Genoa machine that is ready."""
    return {
        "proc/cpuinfo": CPU.format(family=25, model=17, flags="sev_snp"),
        "proc/sys/kernel/osrelease": "6.12.43+deb13-amd64\n",
        "proc/cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet\n",
        "proc/meminfo": "MemTotal:       65536000 kB\nMemAvailable:   60000000 kB\n",
        "sys/module/kvm_amd/parameters/sev": "Y\n",
        "sys/module/kvm_amd/parameters/sev_es": "Y\n",
        "sys/module/kvm_amd/parameters/sev_snp": "Y\n",
        "sys/module/kvm_amd/parameters/debug_swap": "N\n",
        "sys/fs/cgroup/misc.capacity": "sev 410\nsev_es 99\n",
        "sys/class/iommu/ivhd0/name": "",
        "sys/devices/system/cpu/smt/active": "0\n",
        "dev/kvm": "",
        "dev/sev": status(),
    }


def make_tree(folder, files):
    for name, content in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())


def look(qemu, *words, **changes):
    """The report over the good tree with these files changed (None: left out), and the exit status."""
    with tempfile.TemporaryDirectory(prefix="postern-host.") as folder:
        files = good() | {name.replace("__", "/"): content for name, content in changes.items()}
        make_tree(folder, {name: content for name, content in files.items() if content is not None})
        done = subprocess.run([POSTERN, "host", "--root", folder, "--qemu", qemu, "--json", *words],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        return done.returncode, json.loads(done.stdout)


def check(qemu, name, outcome, found, *words, **changes):
    """This point alone differs from the good machine."""
    code, report = look(qemu, *words, **changes)
    other = {one["name"]: one for one in report["checks"] if one["outcome"] != "ok"}
    one = other.get(name, {})
    expected = (2, False) if outcome == "lacking" else (0, True)
    tap.ok((code, report["ready"]) == expected and one.get("outcome") == outcome and found in one.get("found", "")
           and one.get("advice") and set(other) == {name}, f"{name}: {outcome}: {found}", report)


def fake_qemu(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n{text}\n")
    os.chmod(path, 0o755)
    return path


def main():
    with tempfile.TemporaryDirectory(prefix="postern-host-qemu.") as folder:
        qemu = fake_qemu(folder, "qemu", "echo 'QEMU emulator version 10.0.2 (Debian)'; echo more")
        code, report = look(qemu)
        tap.same((code, [one for one in report["checks"] if one["outcome"] != "ok"]), (0, []), "control: a ready machine")
        tap.same([one["found"] for one in report["checks"] if one["name"] == "tcb"],
                 ["bootloader 10, tee 0, snp 23, microcode 84"], "the TCB by the product's layout")

        check(qemu, "processor", "lacking", "no AMD processor", proc__cpuinfo="vendor_id\t: GenuineIntel\n")
        check(qemu, "sev_snp", "lacking", "not there", proc__cpuinfo=CPU.format(family=25, model=17, flags="sev_snpx"))
        check(qemu, "kernel", "lacking", "6.10.11", proc__sys__kernel__osrelease="6.10.11+bpo-amd64\n")
        check(qemu, "cmdline", "lacking", "iommu=pt", proc__cmdline="ro iommu=pt quiet\n")
        check(qemu, "kvm", "lacking", "/dev/kvm is not there", dev__kvm=None)
        for name in ("sev", "sev_es", "sev_snp"):
            change = {f"sys__module__kvm_amd__parameters__{name}": "N\n"}
            check(qemu, name, "lacking", f"parameters/{name}: N", **change)
        check(qemu, "kvm_amd", "lacking", "not loaded",
              **{name.replace("/", "__"): None for name in good() if name.startswith("sys/module/kvm_amd")})
        check(qemu, "asids", "lacking", "room for 99 SEV-ES and SNP guests, 100 wanted", "--guests", "100", "--memory", "128")
        check(qemu, "debug_swap", "warning", "SEV_FEATURES", sys__module__kvm_amd__parameters__debug_swap="Y\n")
        check(qemu, "iommu", "lacking", "empty", sys__class__iommu__ivhd0__name=None)
        check(qemu, "firmware", "warning", "SNP ABI 1.51", dev__sev=status(api=(1, 51)))
        check(qemu, "rmp", "lacking", "not initialized", dev__sev=status(rmp=0))
        check(qemu, "tcb", "warning", "an older one is reported", dev__sev=status(reported=bytes(8)))
        check(qemu, "firmware", "lacking", "No such file", dev__sev=None)
        check(qemu, "firmware", "lacking", "No data", dev__sev=status()[:31])
        check(qemu, "memory", "lacking", "60000 wanted", "--memory", "60000")
        check(qemu, "memory", "warning", "no MemAvailable", proc__meminfo="")
        check(qemu, "smt", "warning", "two threads", sys__devices__system__cpu__smt__active="1\n")
        check(fake_qemu(folder, "old", "echo QEMU emulator version 9.0.4"), "qemu", "lacking", "version 9.0")
        check(fake_qemu(folder, "mute", "exit 0"), "qemu", "lacking", "says no version")
        check(fake_qemu(folder, "failing", "echo version 10.0; exit 3"), "qemu", "lacking", "says no version")
        check(os.path.join(folder, "absent"), "qemu", "lacking", "cannot be run: No such file")

        with tempfile.TemporaryDirectory(prefix="postern-host.") as tree:
            make_tree(tree, good() | {"proc/sys/kernel/osrelease": "5.10.0\n"})
            done = subprocess.run([POSTERN, "host", "--root", tree, "--qemu", qemu], stdout=subprocess.PIPE, text=True,
                                  check=False)
            tap.ok(done.returncode == 2 and "lacking  kernel" in done.stdout and "-> KVM starts SNP" in done.stdout
                   and done.stdout.endswith("No SEV-SNP guest can run here yet.\n") and "\033" not in done.stdout,
                   "in words, without colour where there is no terminal", done.stdout)
        done = subprocess.run([POSTERN, "host", "--root", "/nonexistent"], stderr=subprocess.PIPE, text=True, check=False)
        tap.ok(done.returncode == 1 and "/nonexistent: no folder" in done.stderr, "a root that is not there is misuse")
        done = subprocess.run([POSTERN, "host"], stdout=subprocess.PIPE, text=True, check=False)
        tap.ok(done.returncode in (0, 2) and "processor" in done.stdout, "this machine", done.stdout)
    tap.done()


main()
