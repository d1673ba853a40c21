#!/usr/bin/env python3
"""How a guest gets its address: DHCPv4 and router advertisements of QEMU's own network, and a network that lies. Prints
TAP.

A lie may deny service; what it may not do is shown by what the guest says and sends.
"""
import concurrent.futures
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import lan  # noqa: E402
import qemu  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

PROGRAMS = {"usr/lib/postern/udhcpc": "/builder/udhcpc/udhcpc",
            "usr/lib/postern/dhcp-handler": os.path.join(vm.BUILD, "guest/dhcp-handler")}
DHCP = {"interface": "eth0", "method": "dhcp", "wait_s": 60}
ROUTER = {"interface": "eth0", "method": "router-advertisement", "wait_s": 60}
MASK, WEEK = (1, bytes([255, 255, 255, 0])), (51, bytes([0, 9, 0x3a, 0x80]))
GUEST = bytes([10, 9, 0, 77])


def copy(world, name):
    return shutil.copy(world.data, world.path(name + ".data"))


def boot(world, broker, network, *words, site=None):
    config = world.config(site or broker.site(), network=network)
    initrd = world.initrd(config, programs=PROGRAMS)
    broker.allow(world.digest(initrd))
    return world.launch(initrd, *words)  # all on the one disk: the broker knows its epoch


def check_dhcp(world, broker):
    port = vm.free_port()
    launch = boot(world, broker, DHCP, "--forward", f"{port}:8080")
    page = launch.page(port)
    launch.stop()
    tap.same(page, world.secret, "DHCPv4: the page is served")
    tap.same((launch.status, launch.stages()), (0, vm.STAGES), "DHCPv4: all stages, orderly end") or tap.note(launch.said)


def check_router(world, broker):
    # QEMU's router advertises a site-local prefix by default; this one is of the kind that networks have.
    program = qemu.wrapper(world.path("six.qemu"), changed=[("-netdev", "user,id=net0", "user,id=net0,ipv6-net=fd00::/64")])
    site = broker.site() | {"url": f"https://[fd00::2]:{broker.port}"}
    launch = boot(world, broker, ROUTER, "--qemu", program, site=site).stop_at("handoff")
    tap.same((launch.status, launch.stages()), (0, vm.STAGES), "router advertisement: the broker is reached over IPv6")\
        or tap.note(f"{launch.said} {launch.refusal()}")


class Lies:
    """Guests on networks that lie; two run at a time."""

    def __init__(self, world, broker):
        self.world, self.broker, self.cases = world, broker, []

    def add(self, name, lease, detail, network=None, code="E-NETWORK", sends=()):
        config = self.world.config(self.broker.site(), network=network or DHCP | {"wait_s": 12}, release_deadline_s=3)
        initrd = self.world.initrd(config, programs=PROGRAMS)
        self.cases.append((name, lease, initrd, detail, code, sends))

    def run_one(self, case):
        name, lease, initrd = case[:3]
        with lan.Lan(self.world.path(name.replace(" ", "-") + ".lan"), lease) as network:
            program = qemu.wrapper(network.path + ".qemu", changed=[("-netdev", "user,id=net0", network.netdev)])
            return self.world.launch(initrd, "--qemu", program, disk=copy(self.world, name)).wait(), network.seen

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for case, (launch, seen) in zip(self.cases, pool.map(self.run_one, self.cases)):
                name, _, _, detail, code, sends = case
                refusal = launch.refusal()
                tap.ok(refusal.get("code") == code and detail in refusal.get("detail", ""), f"{name}: {code}: {detail}",
                       f"{refusal} {seen}\n{launch.said}")
                for kind, at_least in sends:
                    tap.ok(seen[kind] >= at_least if at_least else not seen[kind], f"{name}: {kind} frames", seen)


def offer(*more, address=GUEST):
    return lambda kind, count: (address, [WEEK, *more])


def check_lies(world, broker):
    lies = Lies(world, broker)
    router = (3, lan.SERVER)
    lies.add("no server", lambda *_: None, "eth0: no lease")
    lies.add("a loopback address", offer(MASK, router, address=bytes([127, 0, 0, 2])), 'ip: "127.0.0.2" is no address')
    lies.add("a mask with holes", offer((1, bytes([255, 0, 255, 0])), router), 'subnet: "255.0.255.0" is no mask')
    lies.add("a router elsewhere", offer(MASK, (3, bytes([8, 8, 8, 8]))), 'router: "8.8.8.8" is not another host')
    lies.add("a tiny MTU", offer(MASK, router, (26, bytes([0, 68]))), 'mtu: "68" is not from 576 to 9216')
    # Shell words where texts are allowed: nothing reads them, and there is no shell.
    lies.add("a lease of somebody's own", offer(MASK, router, (12, b"$(reboot)"), (15, b"`x`;x"), (121, bytes([0, 10, 9, 0, 9]))),
             "cannot be reached", code="E-RELEASE-TRANSPORT", sends=[("tcp", 1)])
    first_lies = lambda kind, count: (GUEST, [WEEK, MASK, (3, bytes([8, 8, 8, 8]) if count == 1 else lan.SERVER)])  # noqa: E731
    lies.add("a lie before the truth", first_lies, "cannot be reached", code="E-RELEASE-TRANSPORT",
             network=DHCP | {"wait_s": 40}, sends=[("tcp", 1), (lan.REQUEST, 2)])
    lies.add("no router", lambda *_: None, "no router advertisement", network=ROUTER | {"wait_s": 3}, sends=[(lan.DISCOVER, 0)])
    lies.run()


def main():
    with vm.World() as world, vm.Broker(world.path("broker"), listen="[::]") as broker:  # of both families
        broker.add(world.record)
        check_dhcp(world, broker)
        check_router(world, broker)
        check_lies(world, broker)
    tap.done()


main()
