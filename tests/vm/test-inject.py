#!/usr/bin/env python3
"""Calls of stage volumes that fail, one at a time, in a guest with the kernel's own device-mapper. Prints TAP.

usage: test-inject.py [STRIDE]: of allocations every STRIDEth fails. tests/inject/volumes-guest.c is the init; it looks at
what is left after each, and goes on with the boot in the end.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import tap  # noqa: E402
import vm  # noqa: E402

INIT = os.path.join(vm.BUILD, "tests/volumes-guest")
SECONDS = 14400
MIB = 1 << 20
STRIDE = sys.argv[1] if len(sys.argv) > 1 else "8"


def volumes(tree):
    """One of each kind: with tags, without, formatted at each launch, of the guest alone, and a tree."""
    def volume(name, **members):
        return {"id": name, "device": name, "filesystem": "ext4", "mount": f"/data/www/{name}", **members}

    return [{"id": "data", "device": "data", "resource": vm.RESOURCE, "filesystem": "ext4", "mount": "/data"},
            volume("plain", resource="default/volume/plain", integrity="none", read_only=True),
            volume("scratch", mode="scratch", length=16 * MIB, integrity="none"),
            volume("sealed", mode="sealed", length=16 * MIB, initialise=True),
            volume("tree", mode="verity", **tree | {"filesystem": "erofs"})]


def main():
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        world.data, world.record = world.volume("with-places", "data", directories=("plain", "scratch", "sealed", "tree"))
        plain, plain_record = world.volume("plain", "plain", "--integrity", "none")
        broker.add(world.record)
        broker.add(plain_record, "default/volume/plain")
        folder = world.path("tree-content")
        os.makedirs(folder)
        with open(os.path.join(folder, "more"), "wb") as file:  # a tree of one block would have no hashes
            file.write(os.urandom(65536))
        tree_disk, tree = world.tree("tree", folder)
        initrd = world.initrd(world.config(broker.site(), volumes=volumes(tree)), init=INIT,
                              files={"etc/inject-stride": STRIDE})
        for resource in vm.RESOURCE, "default/volume/plain":
            broker.allow(world.digest(initrd), resource)
        port = vm.free_port()
        disks = {"plain": plain + ",ro", "scratch": vm.blank(world.path("scratch.img"), 32 * MIB),
                 "sealed": vm.blank(world.path("sealed.img"), 32 * MIB), "tree": tree_disk + ",ro"}
        named = [word for name, path in disks.items() for word in ("--disk", f"{name}={path}")]
        launch = world.launch(initrd, "--forward", f"{port}:8080", "--boot-timeout", str(SECONDS), *named)
        page = launch.page(port, seconds=SECONDS)
        launch.stop()
        report(launch, page == world.secret)
    tap.done()


def report(launch, served):
    console = launch.console()
    lines = re.findall(r"^inject: ([^\r\n]*)", console, re.M)
    for line in lines:
        tap.note(line)
    tap.ok("nothing fails: good" in lines, "nothing fails: every volume is mapped, and closed again without a trace",
           console[-6000:])
    for kind, least in ("allocation", 20), ("call", 100):
        found = [re.match(kind + r": (\d+) runs, (\d+) refused, (\d+) wrong", line) for line in lines]
        runs, refused, wrong = next(([int(n) for n in one.groups()] for one in found if one), (0, 0, 1))
        tap.ok(runs >= least and refused and not wrong, f"{kind}s fail, one in each of {runs} runs: a code, nothing mapped, "
               "no key left, nothing leaked", lines)
    tap.ok("done" in lines and served, "the boot goes on after that, and the page is served", console[-3000:])


main()
