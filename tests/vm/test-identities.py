#!/usr/bin/env python3
"""Brokers that no image names: identities that an offline key has signed reach the guest as init-data. Prints TAP.

All guests have the same initrd, hence one measurement; what differs is what the host gives them, and HOST_DATA.
"""
import concurrent.futures
import contextlib
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import signed  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

RELEASE = 5
# The volume has the workload on it; it is mounted noexec, but for what the configuration says.
WORKLOAD = {"process": {"args": ["/data/bin/probe", "serve", "0"]},
            "mounts": [{"destination": "/data/bin", "type": "bind", "source": "/data/bin", "options": ["exec", "ro"]}]}


class Guests:
    def __init__(self, world):
        self.world, self.count = world, 0
        self.root, trusted = signed.identity_root(world.path("root.key"), RELEASE)
        self.foreign, _ = signed.identity_root(world.path("foreign.key"), RELEASE)
        self.initrd = world.initrd(world.config(brokers=None, broker_root=trusted, init_data={"device": "init-data"},
                                                release_deadline_s=60, workload=WORKLOAD))
        os.makedirs(world.path("content/bin"))
        shutil.copy(os.path.join(vm.BUILD, "tests/workload-probe"), world.path("content/bin/probe"))
        self.disk, self.record = world.create("probe", "data", "--from", world.path("content"), "--size", "16")

    def identity(self, broker, first=RELEASE, last=RELEASE, key=None):
        self.count += 1
        return signed.identity(self.world.path(f"identity-{self.count}"), key or self.root, broker, f"https://10.0.2.2:{broker.port}",
                               [first, last], os.path.basename(broker.directory))

    def init_data(self, *identities, name="shop-7"):
        """A text with these identities, and the HOST_DATA that binds it."""
        self.count += 1
        to = self.world.path(f"init-data-{self.count}")
        return to, signed.init_data(to, identities, name)

    def launch(self, text, host_data, *words):
        self.count += 1
        disk = self.world.path(f"data-{self.count}")
        shutil.copy(self.disk, disk)
        disks = ["--disk", f"init-data={text},ro"] if text else []
        return self.world.launch(self.initrd, "--host-data", host_data, *disks, *words, disk=disk)


def works(guests, first, second):
    """The broker of the first identity is gone; the next one, with other keys, is asked, by the same image."""
    forward = vm.free_port()
    launch = guests.launch(*guests.init_data(guests.identity(first), guests.identity(second)), "--forward",
                           f"{forward}:8080")
    page = launch.page(forward)
    launch.stop()
    return page, launch


def changed(text, old, new):
    """The same file with other words in it; HOST_DATA stays."""
    to = text + ".changed"
    with open(text, encoding="utf-8") as file, open(to, "w", encoding="utf-8") as copy:
        copy.write(file.read().replace(old, new))
    return to


def more(text, line):
    """The text with a line behind it, and its HOST_DATA, which a host can choose as it likes."""
    to = text + ".more"
    shutil.copy(text, to)
    with open(to, "a", encoding="utf-8") as file:
        file.write(line + "\n")
    return to, vm.run("sha256sum", to).split()[0]


def refusals(guests, good, rogue):
    identity = guests.identity(good)
    text, host_data = guests.init_data(identity)
    yield "E-BROKER-IDENTITY", f"is for releases 1 to 4, this image is release {RELEASE}", *guests.init_data(
        guests.identity(good, 1, 4))
    yield "E-BROKER-IDENTITY", "not signed by the root key", *guests.init_data(
        identity, guests.identity(rogue, key=guests.foreign))
    yield "E-INIT-DATA", "but HOST_DATA of this launch is", changed(text, "shop-7", "shop-8"), host_data
    yield "E-INIT-DATA", "brokers: not for init-data to set", *more(
        text, f'"brokers" = "https://10.0.2.2:{rogue.port}"')
    yield "E-INIT-DATA", 'no disk with the serial "init-data"', None, host_data


def main():
    with vm.World() as world, contextlib.ExitStack() as stack:
        guests = Guests(world)
        gone = vm.Broker(world.path("gone"))
        good, rogue = (stack.enter_context(vm.Broker(world.path(name))) for name in ("good", "rogue"))
        for broker in (good, rogue):
            broker.add(guests.record)
            broker.allow(world.digest(guests.initrd))
        cases = list(refusals(guests, good, rogue))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            control = pool.submit(works, guests, gone, good)
            launches = [pool.submit(lambda c=case: guests.launch(c[2], c[3]).wait()) for case in cases]
            page, launch = control.result()
            tap.ok(page, "a broker of a signed identity opens the volume, after one that is gone", launch.said)
            tap.ok("hostname: shop-7\n" in (page or ""), "the guest has the name that init-data gives it", page)
            for (code, detail, *_), future in zip(cases, launches):
                refused = future.result()
                refusal = refused.refusal()
                found = (refused.status, refusal.get("code"))
                tap.ok(found == (3, code) and detail in refusal.get("detail", ""), f"{code}: {detail}",
                       f"{found} {refusal}\n{refused.said}")
        tap.same([event for event in rogue.events() if event["event"] in ("attest", "release")], [],
                 "the broker that nobody vouched for was never asked")
    tap.done()


main()
