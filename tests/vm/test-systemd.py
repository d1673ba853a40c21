#!/usr/bin/env python3
"""Mode exec: a Debian root whose systemd becomes PID 1 and reaches its multi-user target (image/profiles/systemd). Prints TAP."""
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import tap  # noqa: E402
import vm  # noqa: E402

IMAGE = os.path.join(vm.BUILD, "image/systemd")
SECONDS = 600


def main():
    with tempfile.TemporaryDirectory(prefix="postern-systemd.") as folder:
        stage, initrd, console = (os.path.join(folder, name) for name in ("overlay", "initrd", "console"))
        vm.overlay_shim(stage)
        vm.run(os.path.join(vm.TOP, "image/overlay"), os.path.join(IMAGE, "initrd"), stage, initrd)
        done = subprocess.run([vm.program("postern"), "launch", IMAGE, "--psp", "software", "--psp-dir", vm.chip(), "--initrd",
                               initrd, "--console", console, "--vcpus", "2", "--memory", "512"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=SECONDS)
        with open(console, encoding="utf-8", errors="replace") as file:
            text = file.read()
    record = [json.loads(found) for found in re.findall(r"postern: (\{.*\})", text)]
    stages = [line["stage"] for line in record if line.get("outcome") == "ok"]
    tap.same(stages, vm.STAGES, "all stages, the last one before PID 1 becomes systemd") or tap.note(done.stdout)
    tap.same([line.get("note") for line in record if line["stage"] == "handoff"], ["exec"], "the hand-over says which mode it is")
    said = re.findall(r"systemd: PID (\S+) 1 reached (\S+)", text)
    tap.same(said, [("systemd", "active")], "systemd is PID 1 and reached its multi-user target") or tap.note(text[-3000:])
    tap.ok(done.returncode == 0 and "Kernel panic" not in text, "systemd turns the machine off",
           f"{done.returncode} {done.stdout} {text[-500:]}")
    tap.done()


main()
