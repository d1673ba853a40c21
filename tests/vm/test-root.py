#!/usr/bin/env python3
"""A hostile host changes one byte of the root file system: dm-verity stops the guest, nothing is served. Prints TAP."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import tap  # noqa: E402
import vm  # noqa: E402


def flipped_root(world):
    """root.img with one bit changed in the program that serves the page."""
    copy = world.path("root.img")
    shutil.copy(os.path.join(vm.IMAGE, "root.img"), copy)
    with open(copy, "r+b") as disk:
        data = disk.read()
        place = data.index(b"\x7fELF") + 0x40  # its program headers: read before anything of it runs
        disk.seek(place)
        disk.write(bytes([data[place] ^ 1]))
    return copy


def main():
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        broker.add(world.record)
        initrd = world.initrd(world.config(broker.site()))
        broker.allow(world.digest(initrd))
        port = vm.free_port()
        control = world.launch(initrd, "--forward", f"{port}:8080", "--root", os.path.join(vm.IMAGE, "root.img"))
        tap.same(control.page(port), world.secret, "control: the published root file system serves the page")
        control.stop()
        launch = world.launch(initrd, "--forward", f"{port}:8080", "--root", flipped_root(world))
        tap.same(launch.page(port), None, "one bit changed: no page is served")
        launch.wait()
        tap.ok("dm-verity device corrupted" in launch.console() and "Kernel panic" in launch.console(),
               "one bit changed: dm-verity panics the kernel", launch.console()[-2000:])
        tap.same(launch.status, 4, "one bit changed: `postern launch` says that the workload never ran")
        tap.ok("root" in launch.stages() and "handoff" not in launch.stages(), "one bit changed: at the hand-over")
    tap.done()


main()
