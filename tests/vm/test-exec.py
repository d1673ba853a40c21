#!/usr/bin/env python3
"""Mode exec: the program becomes PID 1, with everything that goes with it. Prints TAP.

A static init of the test's own, as the one program of a verified root; soak.py has a whole systemd.
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import qemu  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

PROBE = os.path.join(vm.BUILD, "tests/workload-probe")
WANTED = {"pid": "1", "descriptors": "3", "nofile": "512 1024", "env": "KEY=value", "hostname": "probe.example",
          "record": "0", "volume": "0",
          "SigPnd": "0" * 16, "ShdPnd": "0" * 16, "SigBlk": "0" * 16, "SigIgn": "0" * 16, "SigCgt": "0" * 16,
          # Settings that not every workload may read; there is none where the kernel compiles no filters.
          "jit": "No such file or directory" if vm.OWN_KERNEL else "2", "expedited": "0",
          "CapEff": "000001ffffffffff", "CapBnd": "000001ffffffffff", "NoNewPrivs": "0", "Seccomp": "0"}


def main():
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        broker.add(world.record)
        disk, root = world.root("init-root", {"sbin/init": PROBE})

        def start(args, *words):
            config = world.config(broker.site(), root=root, workload={"mode": "exec", "hostname": "probe.example", "process": {
                "args": list(args), "env": ["KEY=value"], "cwd": "/data",
                "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 512, "hard": 1024}]}})
            initrd = world.initrd(config)
            broker.allow(world.digest(initrd))
            return world.launch(initrd, "--root", disk, *words)

        # Ctrl-Alt-Delete before there is a workload asks nobody to stop here: that there was one is forgotten.
        launch = start(["/sbin/init", "init"], "--qmp", world.path("qmp"))
        with broker.suspended():
            launch.reach("expect")
            qemu.Monitor(world.path("qmp")).press("ctrl", "alt", "delete")
            time.sleep(1)
        launch.wait()
        tap.same(launch.stages(), vm.STAGES, "all stages, asked to stop or not") or tap.note(launch.said)
        notes = [line.get("note") for line in launch.record() if line.get("stage") == "handoff"]
        tap.same(notes, ["exec"], "the boot record says what kind of hand-over it was")
        facts = dict(re.findall(r"probe: (\w+)\s+(.*?)\s*$", launch.console(), re.M))
        for name, value in WANTED.items():
            tap.same(facts.get(name), value, f"the init that PID 1 became: {name} {value}")
        tap.same(launch.status, 0, "it powers the machine off") or tap.note(launch.said)

        launch = start(["/sbin/nothing"]).wait()
        refusal = launch.refusal()
        tap.same((refusal.get("code"), refusal.get("status")), ("E-WORKLOAD", 127), "no such program: refused")
        tap.ok("/sbin/nothing" in refusal.get("detail", "") and "Kernel panic" not in launch.console(),
               "with its name, and the machine is off", refusal or launch.console()[-1500:])
    tap.done()


main()
