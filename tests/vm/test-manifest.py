#!/usr/bin/env python3
"""A guest that looks itself up in a signed manifest on a disk of the host's: what it says, and why it refuses. Prints TAP."""
import concurrent.futures
import os
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import signed  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402


def make_manifest(world, name, initrd, keys, append=None):
    """A manifest of an image with this initrd, signed by these keys, as a disk."""
    image = world.path(name)
    os.makedirs(image)
    for file in ("firmware.fd", "kernel", "root.img"):
        shutil.copy(os.path.join(vm.IMAGE, file), image)
    shutil.copy(initrd, os.path.join(image, "initrd"))
    with open(os.path.join(image, "cmdline"), "w", encoding="utf-8") as file:
        file.write(world.cmdline() if append is None else append)
    with open(signed.manifest(image, world.path(name + ".json"), keys, "1-2"), "rb") as file:
        return make_disk(world, name, file.read())


def make_disk(world, name, content):
    path = world.path(name + ".manifest")
    with open(path, "wb") as file:
        file.write(content + bytes(-len(content) % 512))
    return path


def main():
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        broker.add(world.record)
        keys = [signed.signer(world.path(name + ".key")) for name in ("one", "two", "stranger")]
        expected = {"device": "manifest", "signers": [text for _, text in keys[:2]], "threshold": 2}
        initrd = world.initrd(world.config(broker.site(), manifest=expected))
        broker.allow(world.digest(initrd))
        paths = [path for path, _ in keys]
        good = make_manifest(world, "good", initrd, paths[:2])
        hash_of = subprocess.run(["sha256sum", initrd], check=True, stdout=subprocess.PIPE, text=True).stdout[:16]

        port = vm.free_port()
        launch = world.launch(initrd, "--forward", f"{port}:8080", "--disk", f"manifest={good}")
        tap.same(launch.page(port), world.secret, "control: with its manifest the guest serves its page")
        launch.stop()
        notes = [line.get("note", "") for line in launch.record() if line.get("stage") == "expect"]
        tap.ok(len(notes) == 1 and "in the manifest: QEMU, EPYC-v4, 1 vCPUs, features 0x1; firmware " in notes[0]
               and f" initrd {hash_of}; 2 of 2 signers" in notes[0], "and says in one line which launch it is", notes)

        with open(good, "rb") as file:
            damaged = bytearray(file.read())
        damaged[len(damaged) // 2] ^= 1
        cases = (
            ("no disk", None, 'manifest: no disk with the serial "manifest"'),
            ("one of two signers, and a stranger", make_manifest(world, "few", initrd, paths[1:]), "manifest: 1 of the 2 given keys signed it, 2 are asked for"),
            ("a changed byte", make_disk(world, "damaged", damaged), "manifest: "),
            ("a manifest of another command line", make_manifest(world, "other", initrd, paths[:2], "console=ttyS0"),
             "manifest: none of its 2 launches has this guest's digest "),
            ("a disk of something else", make_disk(world, "noise", os.urandom(4096)), "manifest: "),
            ("a disk that no manifest fills", make_disk(world, "large", b" " * (13 << 20)), 'manifest: '))

        def run(case):
            words = ["--disk", f"manifest={case[1]}"] if case[1] else []
            return world.launch(initrd, *words, disk=shutil.copy(world.data, world.path(case[0] + ".img"))).wait()

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for (name, _, words), launch in zip(cases, pool.map(run, cases)):
                refusal = launch.refusal()
                tap.ok((refusal.get("stage"), refusal.get("code")) == ("expect", "E-EXPECT") and words in refusal.get("detail", ""),
                       f"refused: {name}", refusal or launch.console()[-1500:])
        tap.same(len(broker.events(event="release", outcome="granted")), 1, "no broker was asked by those who refused")
    tap.done()


main()
