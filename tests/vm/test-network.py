#!/usr/bin/env python3
"""How a guest gets its address: DHCPv4 and router advertisements of QEMU's own network, and a network that lies. Prints
TAP.

A lie may deny service; what it may not do is shown by what the guest says and sends, and by what the handler of leases runs
with, seen from inside.
"""
import concurrent.futures
import os
import re
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import lan  # noqa: E402
import qemu  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

PROGRAMS = {"usr/lib/postern/udhcpc": "/builder/udhcpc/udhcpc",
            "usr/lib/postern/dhcp-handler": os.path.join(vm.BUILD, "guest/dhcp-handler")}
DHCP = {"interface": "eth0", "method": "dhcp", "wait_s": 60}
ROUTER = {"interface": "eth0", "method": "router-advertisement", "wait_s": 60}
STATIC_SIX = {"interface": "eth0", "address": "fd00::15/64", "gateway": "fd00::2"}
MASK, WEEK = (1, bytes([255, 255, 255, 0])), (51, bytes([0, 9, 0x3a, 0x80]))
GUEST = bytes([10, 9, 0, 77])


def copy(world, name):
    return shutil.copy(world.data, world.path(name + ".data"))


def boot(world, broker, network, *words, site=None, **changes):
    config = world.config(site or broker.site(), network=network, **changes)
    initrd = world.initrd(config, programs=PROGRAMS)
    broker.allow(world.digest(initrd))
    return world.launch(initrd, *words)  # all on the one disk: the broker knows its epoch


def check_dhcp(world, broker):
    port = vm.free_port()
    site = broker.site() | {"url": f"https://keys.example.org:{broker.port}", "address": "10.0.2.2"}
    launch = boot(world, broker, DHCP, "--forward", f"{port}:8080", site=site)
    page = launch.page(port)
    launch.stop()
    tap.same(page, world.secret, "DHCPv4, and a broker by a name: the page is served")
    tap.same((launch.status, launch.stages()), (0, vm.STAGES), "DHCPv4: all stages, orderly end") or tap.note(launch.said)


# What routers and neighbours may not set; the kernel of our own knows neither preferences nor further routes.
HARD = {"ipv4": {"accept_redirects": 0, "secure_redirects": 0, "send_redirects": 0},
        "ipv6": {"disable_ipv6": 0, "accept_redirects": 0, "dad_transmits": 0, "use_tempaddr": 0,
                 "accept_ra_rtr_pref": "" if vm.OWN_KERNEL else 0, "accept_ra_rt_info_max_plen": "" if vm.OWN_KERNEL else 0}}
COMPARED = 42


def compare(**six):
    """A workload that ends with the place of the first knob that is not as it should be, or with COMPARED."""
    knobs = [f"/proc/sys/net/{family}/conf/eth0/{name}={value}" for family, names in HARD.items() for name, value in
             (names | six if family == "ipv6" else names).items()]
    return {"process": {"args": ["/usr/bin/busybox", "sh", "-c", f"""n=0; for knob in {" ".join(knobs)}; do
n=$((n+1)); [ "$(/usr/bin/busybox cat "${{knob%=*}}")" = "${{knob#*=}}" ] || exit $n; done; exit {COMPARED}"""]}}


def check_six(world, broker):
    # QEMU's router advertises a site-local prefix by default; this one is of the kind that networks have.
    program = qemu.wrapper(world.path("six.qemu"), changed=[("-netdev", "user,id=net0", "user,id=net0,ipv6-net=fd00::/64")])
    site = broker.site() | {"url": f"https://[fd00::2]:{broker.port}"}
    for name, network, takes in ("router advertisement", ROUTER, 1), ("static IPv6", STATIC_SIX, 0):
        launch = boot(world, broker, network, "--qemu", program, site=site, workload=compare(accept_ra=takes, autoconf=takes)).wait()
        tap.same(launch.stages(), vm.STAGES, f"{name}: the broker is reached over IPv6")\
            or tap.note(f"{launch.said} {launch.refusal()}")
        tap.same([line["status"] for line in launch.record() if line["stage"] == "exit"], [COMPARED],
                 f"{name}: the kernel takes nothing else from routers and neighbours, and looks for no duplicates")


class Lies:
    """Guests on networks that lie; two run at a time."""

    def __init__(self, world, broker):
        self.world, self.broker, self.cases, self.waited = world, broker, [], {}

    def add(self, name, lease, detail, network=None, code="E-NETWORK", sends=()):
        config = self.world.config(self.broker.site(), network=network or DHCP | {"wait_s": 12}, release_deadline_s=3)
        initrd = self.world.initrd(config, programs=PROGRAMS)
        self.cases.append((name, lease, initrd, detail, code, sends))

    def without_link(self, name, initrd):
        """A guest whose interface never gets one: it is started when that is so."""
        path = self.world.path(name.replace(" ", "-"))
        launch = self.world.launch(initrd, "--qemu", qemu.wrapper(path + ".qemu", "-S"), "--qmp", path + ".qmp",
                                   disk=copy(self.world, name))
        monitor = qemu.Monitor(path + ".qmp")
        monitor.ask("set_link", name="net0", up=False)
        monitor.ask("cont")
        return launch.wait(), {}

    def run_one(self, case):
        name, lease, initrd = case[:3]
        if lease is None:
            return self.without_link(name, initrd)
        with lan.Lan(self.world.path(name.replace(" ", "-") + ".lan"), lease) as network:
            program = qemu.wrapper(network.path + ".qemu", changed=[("-netdev", "user,id=net0", network.netdev)])
            return self.world.launch(initrd, "--qemu", program, disk=copy(self.world, name)).wait(), network.seen

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for case, (launch, seen) in zip(self.cases, pool.map(self.run_one, self.cases)):
                name, _, _, detail, code, sends = case
                refusal = launch.refusal()
                self.waited[name] = [line["note"] for line in launch.record() if line.get("outcome") == "waiting"]
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
    lies.add("a name server that is the guest", offer(MASK, router, (6, bytes([10, 9, 0, 53, 127, 0, 0, 1]))),
             'dns: "10.9.0.53 127.0.0.1" is no list of addresses')
    lies.add("a tiny MTU", offer(MASK, router, (26, bytes([0, 68]))), 'mtu: "68" is not from 576 to 9216')
    # Shell words where texts are allowed: nothing reads them, and there is no shell. Nor is the name server asked.
    lies.add("a lease of somebody's own", offer(MASK, router, (6, bytes([10, 9, 0, 53])), (12, b"$(reboot)"), (15, b"`x`;x"),
                                                (121, bytes([0, 10, 9, 0, 9]))),
             "cannot be reached", code="E-RELEASE-TRANSPORT", sends=[("tcp", 1), ("to name servers", 0)])
    first_lies = lambda kind, count: (GUEST, [WEEK, MASK, (3, bytes([8, 8, 8, 8]) if count == 1 else lan.SERVER)])  # noqa: E731
    lies.add("a lie before the truth", first_lies, "cannot be reached", code="E-RELEASE-TRANSPORT",
             network=DHCP | {"wait_s": 40}, sends=[("tcp", 1), (lan.REQUEST, 2)])
    lies.add("no router", lambda *_: None, "no router advertisement", network=ROUTER | {"wait_s": 3}, sends=[(lan.DISCOVER, 0)])
    static = world.config(broker.site())["network"]
    lies.add("no link", None, "eth0: no link", network=static | {"wait_s": 6})
    lies.run()
    for name, wait in ("no server", "eth0: no lease yet"), ("no link", "eth0: no link yet"):
        tap.ok(wait in lies.waited[name], f"{name}: the console says what is waited for", lies.waited)


# Asks the first name server that there is now, whatever becomes of it.
FOLLOW = """PATH=/usr/bin; while :; do
busybox timeout 2 busybox nslookup keys.example.org $(busybox sed -n "s/^nameserver //p;q" /run/postern/resolv.conf)
busybox sleep 1; done"""


RENEWALS = 2
NEXT_GUEST = bytes([10, 9, 0, 78])


class Leases:
    """Of twenty seconds. The first renewal names no name server, the second another one; there is no third. Whoever then
    asks for a new lease has to ask twice, and gets another address, with a third name server."""

    def __init__(self):
        self.sent = {}  # to the first server, before the first, second and third request
        self.stayed = []  # sent from the first address before each question for the second
        self.network = None

    def __call__(self, kind, count):
        seen = self.network.seen
        expired = seen[lan.REQUEST] > RENEWALS and seen[lan.DISCOVER] > 1
        if kind == lan.REQUEST and not expired:
            self.sent[count] = seen["to 10.9.0.53"]
            return self.give(GUEST, None if count == 2 else 53 if count == 1 else 54) if count <= 1 + RENEWALS else None
        if kind == lan.DISCOVER and expired:
            self.stayed.append(seen["from 10.9.0.77"])
        if len(self.stayed) == 1:
            return None
        return self.give(NEXT_GUEST, 55) if expired else self.give(GUEST, 53)

    @staticmethod
    def give(address, server):
        return address, [(51, bytes([0, 0, 0, 20])), MASK, (3, lan.SERVER), *([(6, bytes([10, 9, 0, server]))] if server else [])]


def check_renewal(world):
    """What renewals say, which is something else, and that there are none any more: all after the hand-over."""
    lease = Leases()

    config = world.config(network=DHCP, volumes=None, workload={"process": {"args": ["/usr/bin/busybox", "sh", "-c", FOLLOW]}})
    initrd = world.initrd(config, programs=PROGRAMS)
    with lan.Lan(world.path("renewal.lan"), lease) as network:
        lease.network = network
        program = qemu.wrapper(network.path + ".qemu", changed=[("-netdev", "user,id=net0", network.netdev)])
        launch = world.launch(initrd, "--qemu", program, disk=False)
        deadline = time.monotonic() + vm.BOOT_SECONDS
        while not network.seen["to 10.9.0.55"] and time.monotonic() < deadline and launch.process.poll() is None:
            time.sleep(0.2)
        launch.stop()
        tap.ok(network.seen["to name servers"], "a workload that asks a name server is seen to do so", network.seen)
        tap.ok(network.seen["to 10.9.0.53"] and network.seen["to 10.9.0.54"] and network.seen[lan.REQUEST] > 2 and
               lease.stayed, "a lease is renewed while the workload runs, which sees what it says now",
               f"{network.seen}\n{launch.said}")
        stayed = [*lease.stayed, network.seen["from 10.9.0.77"]]
        tap.ok(len(stayed) >= 3 and len(set(stayed)) == 1 and network.seen["from 10.9.0.78"] and network.seen["to 10.9.0.55"],
               "one that is not renewed is given up with its address, and another asked for, which takes effect",
               f"{stayed} {network.seen}")
    sent = lease.sent
    tap.ok(3 in sent and sent[3] - sent[2] >= 3, "a renewal without name servers leaves those that were there", sent)
    tap.same((launch.status, launch.stages()), (0, vm.STAGES), "renewal: all stages, orderly end")


def check_rights(world):
    """The handler, by a program in its place, against the manual."""
    with open(os.path.join(vm.TOP, "docs/man/postern-init.8"), encoding="utf-8") as file:
        said = re.search(r"^\.It Network\n(.*?)^\.It ", file.read(), flags=re.S | re.M).group(1)
    bits = {"CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}
    rights = f"{sum(1 << bits[name] for name in set(re.findall(r'CAP_[A-Z_]+', said))):x}"
    user = ",".join(re.findall(r"user and group id (\d+)", said) * 3)
    initrd = world.initrd(world.config(network=DHCP | {"wait_s": 10, "mtu": 1400}, volumes=None),
                          programs=PROGRAMS | {"usr/lib/postern/dhcp-handler": os.path.join(vm.BUILD, "tests/handler-probe")})
    refusal = world.launch(initrd, disk=False).wait().refusal()
    facts = dict(re.findall(r"(\w+)=(\S*)", refusal.get("detail", "").partition("refused: ")[2]))
    tap.ok(refusal.get("code") == "E-NETWORK" and len(facts) == 14, "the handler's place is looked at from inside", refusal)
    tap.same((facts.get("uid"), facts.get("gid"), facts.get("groups")), (user, user, "0"), "handler: user and groups")
    tap.same({name: facts.get(name) for name in ("eff", "prm", "inh", "bnd", "amb")},
             dict.fromkeys(("eff", "prm", "inh", "bnd", "amb"), rights), "handler: capabilities, and none to be had")
    tap.same(facts.get("mtu"), "1400", "handler: is told the measured MTU, which comes before a lease's")
    tap.same((facts.get("nnp"), facts.get("seccomp")), ("1", "2"), "handler: no_new_privs; a filter of system calls")
    tap.same((facts.get("fds"), facts.get("opens")), ("0,1,2", ""), "handler: /dev/null thrice, nothing of /proc, /sys and devices")
    written = re.findall(r"^\.Pa (\S+)", said.partition("They can write")[2].partition("from where")[0], flags=re.M)
    tap.same(facts.get("writes", "").split(","), written, "handler: where it can write")


def main():
    with vm.World() as world, vm.Broker(world.path("broker"), listen="[::]") as broker:  # of both families
        broker.add(world.record)
        check_dhcp(world, broker)
        check_six(world, broker)
        check_lies(world, broker)
    with vm.World() as world:
        check_renewal(world)
        check_rights(world)
    tap.done()


main()
