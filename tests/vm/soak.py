#!/usr/bin/env python3
"""Many guests in a row, each to the right end; a million orphans in one; how long a stop takes. Prints TAP.

usage: soak.py BOOTS ORPHANS. The deadlines of stops are of the guest's clock: they are checked here, where nothing else
should run, and not by `make check`.
"""
import concurrent.futures
import contextlib
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import tap  # noqa: E402
import vm  # noqa: E402

PROBE = os.path.join(vm.BUILD, "tests/workload-probe")
BIN = {"destination": "/data/bin", "type": "bind", "source": "/data/bin", "options": ["exec", "ro"]}
GRACE_S, MORE_S = 2, 5
VCPUS = 1, 2, 4


class Soak:
    def __init__(self, world, broker):
        self.world, self.broker = world, broker

    def initrd(self, *args, **more):
        config = self.world.config(self.broker.site(), workload={
            "process": {"args": ["/data/bin/probe", *args]}, "mounts": [BIN], **more})
        initrd = self.world.initrd(config)
        for vcpus in VCPUS:
            self.broker.allow(self.world.digest(initrd, vcpus=vcpus))
        return initrd

    def launch(self, initrd, *words, vcpus=2):
        return self.world.launch(initrd, "--vcpus", str(vcpus), *words)

    def boot(self, initrd, number):
        """Ends with its own status, by itself. What was wrong, or None."""
        launch, ends = self.launch(initrd, vcpus=VCPUS[number % len(VCPUS)]), None
        try:
            launch.wait(600)
            ends = [(line["status"], line["signal"]) for line in launch.record() if line.get("stage") == "exit"]
        except subprocess.TimeoutExpired:
            launch.stop()
        well = launch.stages() == vm.STAGES and ends == [(138, 10)]
        return None if well else f"boot {number}, {VCPUS[number % len(VCPUS)]} vCPUs: {ends} {launch.status} {launch.said}\n{launch.console()[-4000:]}"

    def boots(self, numbers):
        initrd = self.initrd("die", "10")
        return [text for text in (self.boot(initrd, number) for number in numbers) if text]

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
                             ("that does not", self.initrd("deaf", stop_grace_s=GRACE_S)),
                             ("that sends PID 1 SIGTERM", self.initrd("shoot", "15", stop_grace_s=GRACE_S))):
            launch = self.launch(initrd, "--forward", f"{port}:8080")
            launch.page(port)  # the last of them serves none, and needs no power button
            launch.stop()
            last = [line for line in launch.record() if line.get("stage") in ("exit", "off")]
            took = (last[-1]["at_us"] - last[0]["asked_us"]) / 1e6 if len(last) == 2 else None
            tap.ok(took is not None and took <= GRACE_S + MORE_S, f"a workload {name}: from the request to power-off within "
                   f"the grace and {MORE_S} s", last)
            tap.note(f"a workload {name}: {took} s, grace {GRACE_S} s")


@contextlib.contextmanager
def soak():
    """With a volume and a broker of its own: a broker takes no volume that is behind what it has seen."""
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        content = world.path("soak.content")
        os.makedirs(os.path.join(content, "bin"))
        shutil.copy(PROBE, os.path.join(content, "bin/probe"))
        world.data, world.record = world.create("soak", "data", "--from", content, "--size", "16")
        broker.add(world.record)
        yield Soak(world, broker)


def boot_many(count):
    """As many side by side as there are processors."""
    def lane(first):
        with soak() as one:
            return one.boots(range(first, count, os.cpu_count()))

    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as lanes:
        wrong = [text for texts in lanes.map(lane, range(os.cpu_count())) for text in texts]
    tap.note(f"{count} boots: {time.monotonic() - began:.0f} s")
    tap.ok(not wrong, f"{count} boots in a row, each through all stages to the right status", "\n".join(wrong))


def main():
    vm.chip()
    with soak() as one:
        one.stops()
        one.orphans(int(sys.argv[2]))
    boot_many(int(sys.argv[1]))
    tap.done()


main()
