#!/usr/bin/env python3
"""Mode exec with a whole Debian: systemd becomes PID 1, reaches its multi-user target and ends the guest. Prints TAP.

The image is that of profile systemd with tests/vm/systemd-payload laid over it; `make soak` makes it.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import tap  # noqa: E402
import vm  # noqa: E402

SECONDS = 900


def main():
    with vm.World("systemd") as world:
        initrd = world.initrd(world.config(brokers=None))
        launch = world.launch(initrd, "--vcpus", "2", "--memory", "512", "--boot-timeout", str(SECONDS), disk=False).wait(SECONDS)
        tap.same(launch.stages(), vm.STAGES, "all stages, the last one before PID 1 becomes systemd") or tap.note(launch.said)
        tap.same([line.get("note") for line in launch.record() if line["stage"] == "handoff"], ["exec"],
                 "the boot record says what kind of hand-over it was")
        said = re.findall(r"systemd: PID (\S+) reached (\S+), failed:(.*?)\s*$", launch.console(), re.M)
        tap.same([line[:2] for line in said], [("systemd", "active")], "systemd is PID 1 and reached its multi-user target")\
            or tap.note(launch.console()[-3000:])
        tap.same([line[2].strip() for line in said], [""], "no unit of it failed")
        tap.ok(launch.status == 0 and "Kernel panic" not in launch.console(), "systemd turns the machine off",
               f"{launch.status} {launch.said} {launch.console()[-500:]}")
    tap.done()


main()
