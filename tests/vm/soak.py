#!/usr/bin/env python3
"""Many guests in a row, each to the right end; a million orphans in one; how long a stop takes. Prints TAP.

usage: soak.py BOOTS ORPHANS. The deadlines of stops are of the guest's clock: they are checked here, where nothing else
should run, and not by `make check`.
"""
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import tap  # noqa: E402
import vm  # noqa: E402

PROBE = os.path.join(vm.BUILD, "tests/workload-probe")
BIN = {"destination": "/data/bin", "type": "bind", "source": "/data/bin", "options": ["exec", "ro"]}
GRACE_S, MORE_S = 2, 5


class Soak:
    def __init__(self, world, broker):
        self.world, self.broker = world, broker

    def initrd(self, *args, **more):
        config = self.world.config(self.broker.site(), workload={
            "process": {"args": ["/data/bin/probe", *args]}, "mounts": [BIN], **more})
        initrd = self.world.initrd(config)
        for vcpus in 1, 2:
            self.broker.allow(self.world.digest(initrd, vcpus=vcpus))
        return initrd

    def launch(self, initrd, *words, vcpus=2):
        return self.world.launch(initrd, "--vcpus", str(vcpus), *words)

    def boots(self, count):
        """Each ends with its own status, by itself."""
        initrd, wrong = self.initrd("die", "10"), []
        for number in range(count):
            launch = self.launch(initrd).wait(600)
            ends = [(line["status"], line["signal"]) for line in launch.record() if line.get("stage") == "exit"]
            if launch.stages() != vm.STAGES or ends != [(138, 10)]:
                wrong.append(f"boot {number}: {ends} {launch.status} {launch.said}\n{launch.console()[-4000:]}")
        tap.ok(not wrong, f"{count} boots in a row, each through all stages to the right status", "\n".join(wrong))

    def orphans(self, count):
        """On one processor: in emulation two wake each other at several milliseconds an orphan."""
        began = time.monotonic()
        launch = self.launch(self.initrd("orphans", str(count)), "--boot-timeout", "600", vcpus=1).wait(14400)
        tap.note(f"{count} orphans: {time.monotonic() - began:.0f} s")
        ends = [line["status"] for line in launch.record() if line.get("stage") == "exit"]
        tap.same(ends, [42], f"{count} orphans are reaped, PID 1 does not grow") or tap.note(launch.said)

    def stops(self):
        port = vm.free_port()
        for name, initrd in (("that listens", self.initrd("serve", "0", stop_grace_s=GRACE_S)),
                             ("that does not", self.initrd("deaf", stop_grace_s=GRACE_S))):
            launch = self.launch(initrd, "--forward", f"{port}:8080")
            launch.page(port)
            launch.stop()
            last = [line for line in launch.record() if line.get("stage") in ("exit", "off")]
            took = (last[-1]["at_us"] - last[0]["asked_us"]) / 1e6 if len(last) == 2 else None
            tap.ok(took is not None and took <= GRACE_S + MORE_S, f"a workload {name}: from the request to power-off within "
                   f"the grace and {MORE_S} s", last)
            tap.note(f"a workload {name}: {took} s, grace {GRACE_S} s")


def main():
    boots, orphans = int(sys.argv[1]), int(sys.argv[2])
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        content = world.path("soak.content")
        os.makedirs(os.path.join(content, "bin"))
        shutil.copy(PROBE, os.path.join(content, "bin/probe"))
        world.data, world.record = world.create("soak", "data", "--from", content, "--size", "16")
        broker.add(world.record)
        soak = Soak(world, broker)
        soak.stops()
        soak.orphans(orphans)
        soak.boots(boots)
    tap.done()


main()
