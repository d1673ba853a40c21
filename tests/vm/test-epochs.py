#!/usr/bin/env python3
"""A host puts an older disk back, or one that no launch ever wrote. Prints TAP.

Each launch that opens a volume writes the release's epoch into its label and names what it found there; the broker
acknowledges the disk of the last confirmed launch, and nothing is mounted writable without.
"""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import tap  # noqa: E402
import vm  # noqa: E402


def served(world, initrd, name):
    forward = vm.free_port()
    launch = world.launch(initrd, "--forward", f"{forward}:8080")
    tap.same(launch.page(forward), world.secret, name)
    launch.stop()


def refused(world, initrd, broker, name):
    before = len(broker.events(event="confirm"))
    launch = world.launch(initrd).wait()
    refusal = launch.refusal()
    tap.same((launch.status, refusal.get("code")), (3, "E-RELEASE-DENIED"), f"{name}: refused")
    tap.ok("volumes" not in launch.stages(), f"{name}: in the stage that opens volumes, before any mount")
    events = broker.events(event="confirm")[before:]
    tap.same([(one.get("reason"), one.get("request") == refusal.get("request")) for one in events],
             [("epoch-old", True)], f"{name}: the broker's log says why, under the request that the guest names")


def main():
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        broker.add(world.record)
        initrd = world.initrd(world.config(broker.site()))
        broker.allow(world.digest(initrd))
        shutil.copy(world.data, world.path("older"))
        served(world, initrd, "control: the first launch")
        served(world, initrd, "control: the second launch, with what the first one left")
        shutil.copy(world.data, world.path("newest"))
        shutil.copy(world.path("older"), world.data)
        refused(world, initrd, broker, "a disk from before both")
        refused(world, initrd, broker, "the same disk again")
        shutil.copy(world.path("newest"), world.data)
        served(world, initrd, "the right disk is still taken")
    tap.done()


main()
