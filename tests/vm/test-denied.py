#!/usr/bin/env python3
"""A hostile host changes what is launched and recomputes the table of hashes: the broker denies. Prints TAP."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import tap  # noqa: E402
import vm  # noqa: E402

DEBUG_POLICY = "0xb0000"


def check_denied(broker, launch, name, failed, found):
    """The guest says no more than a request id; the broker's log says under it which check failed."""
    refusal = launch.refusal()
    tap.same((launch.status, refusal.get("code")), (3, "E-RELEASE-DENIED"), f"{name}: refused with E-RELEASE-DENIED")
    tap.ok("volumes" not in launch.stages(), f"{name}: the volume stays closed")
    tap.ok(refusal.get("request"), f"{name}: a request id is on the console", refusal)
    events = broker.events(request=refusal.get("request"))
    if not tap.same(len(events), 1, f"{name}: the broker's log has the request"):
        return
    checks = {check["check"]: check for check in events[0]["checks"]}
    tap.same([check for check in checks if not checks[check]["passed"]], [failed], f"{name}: only {failed} failed")
    tap.same(checks[failed]["found"], found, f"{name}: and its log says what was found")
    tap.ok(checks[failed]["wanted"] != found, f"{name}: and what was wanted", checks[failed])


def main():
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        broker.add(world.record)
        config = world.config(broker.site(), expect={"allow_debug": True})
        initrd = world.initrd(config)
        digest = world.digest(initrd)
        broker.allow(digest)

        changed = world.path("changed")
        with open(initrd, "rb") as source, open(changed, "wb") as target:
            target.write(source.read() + bytes(4))
        append = world.cmdline() + " loglevel=7"
        port = vm.free_port()
        control = world.launch(initrd, "--forward", f"{port}:8080")
        tap.same(control.page(port), world.secret, "control: what was published is served")
        control.stop()
        tap.same(control.status, 0, "control: exit status 0")

        check_denied(broker, world.launch(changed).wait(), "initrd changed, table recomputed", "measurement",
                     world.digest(changed))
        check_denied(broker, world.launch(initrd, "--append", append).wait(), "one more word on the command line",
                     "measurement", world.digest(initrd, append))
        check_denied(broker, world.launch(initrd, "--policy", DEBUG_POLICY).wait(), "debug launch",
                     "guest_policy.debug", "1")
    tap.done()


main()
