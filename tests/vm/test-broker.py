#!/usr/bin/env python3
"""A hostile host answers in the broker's place: with another key, the guest sends nothing. Prints TAP."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import tap  # noqa: E402
import vm  # noqa: E402


def main():
    with vm.World() as world:
        port = vm.free_port()
        with vm.Broker(world.path("broker"), port=port) as broker:
            broker.add(world.record)
            initrd = world.initrd(world.config(broker.site()))
            broker.allow(world.digest(initrd))
            forward = vm.free_port()
            control = world.launch(initrd, "--forward", f"{forward}:8080")
            tap.same(control.page(forward), world.secret, "control: the pinned broker's key opens the volume")
            control.stop()
        # The same program at the same address, ready to release the same volume to the same guest.
        evidence = world.path("evidence")
        os.mkdir(evidence)
        with vm.Broker(world.path("rogue"), "--evidence-dir", evidence, port=port) as rogue:
            rogue.add(world.record)
            rogue.allow(world.digest(initrd))
            launch = world.launch(initrd).wait()
            tap.same((launch.status, launch.refusal().get("code")), (3, "E-RELEASE-BROKER"),
                     "another broker at its address: refused with E-RELEASE-BROKER")
            tap.same(launch.stages()[-1], "expect", "the guest stopped in its release stage")
            tap.same(os.listdir(evidence), [], "no evidence has reached the other broker")
            tap.same([event for event in rogue.events() if event["event"] in ("attest", "release")], [],
                     "nor any request")
    tap.done()


main()
