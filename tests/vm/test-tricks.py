#!/usr/bin/env python3
"""What a host can do to a guest beside its disks and its network: strings, keys, plugs, clocks, sizes. Prints TAP.

Most change nothing: the guest serves its page as if they were not there. Where input is said to have no effect, a
control on which it has one shows that it arrives.
"""
import email.utils
import os
import re
import shutil
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import qemu  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

STRINGS = ["-smbios", "type=1,serial=postern.brokers=evil", "-smbios", "type=11,value=io.systemd.credential:postern.json={}",
           "-fw_cfg", "name=opt/postern/postern.json,string={}", "-fw_cfg", "name=opt/io.systemd.credentials/init,string=/bin/sh"]
# Serves the page, and what there is of disks and interfaces.
LOOK = """PATH=/usr/bin; busybox httpd -f -p 8080 -h /data/www &
while :; do busybox ls /sys/block /sys/class/net >/data/www/new; busybox mv /data/www/new /data/www/seen; busybox sleep 1; done"""
SECOND_NIC = ["-netdev", "user,id=net1", "-device", "virtio-net-pci,netdev=net1,disable-legacy=on,romfile="]
KEYS = b"\n\x03\x04root\nid\nreboot -f\n"
SYSRQ_POWER_OFF = b"o"
BY_ITSELF = 5  # how `postern launch` ends when it was not asked to and the workload has another status than 0
CTRL_ALT_DELETE = ("ctrl", "alt", "delete")
PCI_BRIDGES = [word for n in range(1, 5) for word in ("-device", f"pcie-root-port,id=port{n},chassis={n}")]


class Machine:
    """A guest whose console takes input through a pipe."""

    def __init__(self, world, initrd, name, *words, after=(), changed=()):
        self.port = vm.free_port()
        self.pipe, self.monitor_path = world.path(name + ".keys"), world.path(name + ".qmp")
        os.mkfifo(self.pipe)
        self.keys = os.open(self.pipe, os.O_RDWR)
        program = qemu.wrapper(world.path(name + ".qemu"), *after, changed=changed, stdin=self.pipe)
        self.launch = world.launch(initrd, "--qemu", program, "--qmp", self.monitor_path, "--forward",
                                   f"{self.port}:8080", *words)  # all on the one disk: the broker knows its epoch

    def press(self, monitor, letter):
        """Break, and a letter within the five seconds that the kernel waits for one."""
        monitor.ask("chardev-send-break", id="serial0")
        os.write(self.keys, letter)

    def stop(self):
        os.close(self.keys)
        return self.launch.stop()


def serves(world, machine, name):
    tap.same(machine.launch.page(machine.port), world.secret, f"{name}: the page is served")
    launch = machine.stop()
    tap.same((launch.status, launch.stages()), (0, vm.STAGES), f"{name}: all stages, orderly end") or tap.note(launch.said)
    return launch


def plug(world, monitor, number):
    """A disk of the data's serial number, and an interface, each at a bridge of its own."""
    file = {"driver": "file", "filename": shutil.copy(world.data, world.path(f"shadow{number}"))}
    monitor.ask("blockdev-add", driver="raw", file=file, **{"node-name": f"shadow{number}"})
    monitor.ask("device_add", driver="virtio-blk-pci", drive=f"shadow{number}", serial="data", bus=f"port{2 * number - 1}")
    monitor.ask("netdev_add", type="user", id=f"plugged{number}")
    monitor.ask("device_add", driver="virtio-net-pci", netdev=f"plugged{number}", bus=f"port{2 * number}")


def has_plugged(machine):
    """Whether the guest's kernel gets to see all; where it can plug nothing, it has had two seconds."""
    deadline = time.monotonic() + (2 if vm.OWN_KERNEL else vm.BOOT_SECONDS)
    while True:
        seen = (machine.launch.page(machine.port, "seen") or "").split()
        if {"vdc", "vdd", "eth2", "eth3"} <= set(seen):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)


def ask_to_end(machine, monitor, name):
    """By the keyboard, which the kernel of our own has no driver for: it is asked by the power button then."""
    monitor.press(*CTRL_ALT_DELETE)
    ended = machine.launch.ends(2 if vm.OWN_KERNEL else vm.BOOT_SECONDS)
    tap.same(ended, not vm.OWN_KERNEL, f"{name}: Ctrl-Alt-Delete ends the guest of Debian's kernel, but not our own's")
    launch = machine.stop()
    tap.same((launch.status, launch.stages()), (0 if vm.OWN_KERNEL else BY_ITSELF, vm.STAGES), f"{name}: all stages, orderly end") \
        or tap.note(launch.said)
    exits = [line for line in launch.record() if line["stage"] == "exit"]
    tap.ok(len(exits) == 1 and exits[0]["asked_us"], f"{name}: the boot record says when it was asked", exits)
    return launch


def check_input(world, broker):
    """Strings, a table, keys, sysrq, disks and interfaces that are plugged, before there is a workload and while it runs."""
    workload = {"process": {"args": ["/usr/bin/busybox", "sh", "-c", LOOK]}}
    initrd = world.initrd(world.config(broker.site(), workload=workload))
    broker.allow(world.digest(initrd))
    with open(world.path("table"), "wb") as table:
        table.write(b"postern.brokers=evil")
    machine = Machine(world, initrd, "input", after=STRINGS + SECOND_NIC + PCI_BRIDGES +
                      ["-acpitable", f"sig=EVIL,data={world.path('table')}"])
    os.write(machine.keys, KEYS)
    monitor = qemu.Monitor(machine.monitor_path)
    with broker.suspended():
        machine.launch.reach("expect")
        machine.press(monitor, SYSRQ_POWER_OFF)
        plug(world, monitor, 1)
        time.sleep(1)
    tap.same(machine.launch.page(machine.port), world.secret,
             "strings, an ACPI table, a second interface, keys, plugs during the boot: the page is served")
    os.write(machine.keys, KEYS)
    machine.press(monitor, SYSRQ_POWER_OFF)
    plug(world, monitor, 2)
    tap.same(has_plugged(machine), not vm.OWN_KERNEL,
             "disks of the same serial and interfaces that are plugged are found by Debian's kernel, but not by our own")
    tap.same(machine.launch.page(machine.port), world.secret, "keys, sysrq, hot plugs: the page is served")
    return ask_to_end(machine, monitor, "keys, sysrq, hot plugs")


def check_early_request(world, broker):
    """Ctrl-Alt-Delete while the guest waits for its broker."""
    initrd = world.initrd(world.config(broker.site()))
    broker.allow(world.digest(initrd))
    machine = Machine(world, initrd, "early")
    monitor = qemu.Monitor(machine.monitor_path)
    with broker.suspended():
        machine.launch.reach("expect")
        monitor.press(*CTRL_ALT_DELETE)
        time.sleep(1)
    if vm.OWN_KERNEL:
        serves(world, machine, "Ctrl-Alt-Delete before the workload, on the kernel of our own")
        return
    tap.ok(machine.launch.ends(), "Ctrl-Alt-Delete before the workload: the guest ends")
    launch = machine.stop()
    record = [line for line in launch.record() if line["stage"] in ("handoff", "exit", "off")]
    tap.ok(launch.status == BY_ITSELF and launch.stages() == vm.STAGES and [line["stage"] for line in record] == ["handoff", "exit", "off"]
           and record[1]["asked_us"] >= record[0]["at_us"] and record[1]["signal"] == 15,
           "it waits until there is one, which is then asked to end", f"{record}\n{launch.said}")


def check_input_control(world, broker):
    """The same keys on a kernel that was told to take them, in words that are measured. Beside words that nothing knows."""
    append = f"{world.cmdline()} sysrq_always_enabled {vm.UNKNOWN_WORDS}"
    initrd = world.initrd(world.config(broker.site()))
    broker.allow(world.digest(initrd, append))
    machine = Machine(world, initrd, "control", "--append", append)
    tap.same(machine.launch.page(machine.port), world.secret, "control: with words that nothing knows the page is served")
    monitor = qemu.Monitor(machine.monitor_path)
    for _ in range(3 if vm.OWN_KERNEL else 30):
        if machine.launch.process.poll() is not None:
            break
        machine.press(monitor, SYSRQ_POWER_OFF)
        time.sleep(1)
    if vm.OWN_KERNEL:
        serves(world, machine, "control: the kernel of our own, which has no sysrq, cannot be told to")
        return
    ended = machine.launch.process.poll() is not None
    launch = machine.stop()
    tap.ok(ended and not any(line["stage"] == "exit" for line in launch.record()), "control: sysrq ends the machine", launch.said)


def clock_of(machine):
    """The guest's time in seconds since 1970, as its server says it; None without a page."""
    if machine.launch.page(machine.port) is None:
        return None
    with urllib.request.urlopen(f"http://127.0.0.1:{machine.port}/", timeout=30) as answer:
        return email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp()


def check_sizes(world, broker):
    """Entropy: without the processor's instructions the kernel gathers its own, and getrandom(2) waits for it. (A kernel under
    SEV-SNP does not start without them.)
    """
    config = world.config(broker.site())
    initrd, built = world.initrd(config), config["build_epoch"]
    found, clocks, away = [], [], []
    # Without a century, as the guest's kernel reads this clock, these are 2070 and 2000.
    for name, vcpus, memory, clock in (("1970, 160 MiB, one vCPU, neither RDRAND nor RDSEED", 1, 160, "1970-01-01T00:00:00"),
                                       ("2100, 8 vCPUs", 8, 512, "2100-01-01T00:00:00")):
        broker.allow(world.digest(initrd, vcpus=vcpus))
        machine = Machine(world, initrd, f"clock-{vcpus}", "--vcpus", str(vcpus), "--memory", str(memory),
                          after=["-rtc", f"base={clock}"],
                          changed=[("-cpu", "max,", "max,-rdrand,-rdseed,")] if vcpus == 1 else [])
        clocks.append((clock_of(machine) or 0) - time.time())
        found.append(serves(world, machine, name))
        note = "".join(line.get("note", "") for line in found[-1].record() if line["stage"] == "release")
        said = re.fullmatch(r"the clock was ([+-]\d+) s away from the broker's", note)
        away.append(int(said.group(1)) if said else note)
    tap.ok(all(abs(clock) < vm.BOOT_SECONDS for clock in clocks), "the workload has the broker's time", clocks)
    tap.ok(isinstance(away[0], int) and away[0] + time.time() >= 3155760000, "how far ahead the host's was is said", away)
    since = time.time() - built
    tap.ok(isinstance(away[1], int) and -since <= away[1] < vm.BOOT_SECONDS - since,
           "before it, a clock from before the build was set to the time of the build", f"{away}, built at {built}")
    return found


def check_little_memory(world, broker):
    """Debian's kernel does not unpack itself in 128 MiB; nobody is asked for a key. Our own serves."""
    initrd = world.initrd(world.config(broker.site()))
    if vm.OWN_KERNEL:
        serves(world, Machine(world, initrd, "little", "--memory", "128"), "128 MiB")
        return
    before = len(broker.events(event="release"))
    machine = Machine(world, initrd, "little", "--memory", "128")
    deadline = time.monotonic() + vm.BOOT_SECONDS
    while "Failed to decompress kernel" not in machine.launch.console() and time.monotonic() < deadline:
        time.sleep(0.2)
    launch = machine.stop()
    tap.ok(launch.status == 4 and "Failed to decompress kernel" in launch.console(), "128 MiB: the kernel does not start",
           launch.said)
    tap.same(len(broker.events(event="release")), before, "128 MiB: no key is asked for")


def check_swapped(world, broker):
    """Each disk under the other's serial number: nothing of either is taken for the other."""
    initrd = world.initrd(world.config(broker.site()))
    machine = Machine(world, initrd, "swapped", changed=[
        ("-device", "virtio-blk-pci,drive=disk0,serial=root", "virtio-blk-pci,drive=disk0,serial=data"),
        ("-device", "virtio-blk-pci,drive=disk1,serial=data", "virtio-blk-pci,drive=disk1,serial=root")])
    machine.launch.wait()
    os.close(machine.keys)
    refusal = machine.launch.refusal()
    tap.ok(refusal.get("stage") == "volumes" and refusal.get("code", "").startswith("E-VOLUME"), "disks swapped: refused",
           refusal or machine.launch.said)


def acpi_note(launch):
    return next((line.get("note", "") for line in launch.record() if line["stage"] == "expect"), "")


def main():
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        broker.add(world.record)
        launches = [check_input(world, broker), *check_sizes(world, broker)]
        notes = [acpi_note(launch) for launch in launches]
        tap.ok(all(" ACPI tables, sha256 " in note for note in notes), "the boot record has a digest of the ACPI tables", notes)
        tap.ok(len(set(notes)) == 3, "which differs where the machines do", notes)
        counts = [int((re.search(r"(\d+) ACPI tables", note) or [0, 0])[1]) for note in notes]
        tap.same(counts, [counts[1] + 1, counts[1], counts[1]], "a table that the host adds is one more")
        check_little_memory(world, broker)
        check_swapped(world, broker)
        check_early_request(world, broker)
        check_input_control(world, broker)
    tap.done()


main()
