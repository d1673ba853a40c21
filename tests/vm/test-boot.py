#!/usr/bin/env python3
"""A guest from firmware to served page and to an orderly end: the positive control of every other VM test. Prints TAP."""
import os
import sys
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import tap  # noqa: E402
import vm  # noqa: E402


def boot(world, broker, initrd, name, *words, way="/dev/sev-guest"):
    """Boots, fetches the page, stops; returns the launch. `way`: by what the guest reaches its processor."""
    port = vm.free_port()
    launch = world.launch(initrd, "--vcpus", "2", "--forward", f"{port}:8080", *words)
    page = launch.page(port)
    served = vm.time.monotonic() - launch.began
    launch.stop()
    tap.same(page, world.secret, f"{name}: the page from the encrypted volume is served")
    tap.note(f"{name}: served after {served:.1f} s")
    tap.same(launch.stages(), vm.STAGES, f"{name}: all stages, in their order")
    tap.same(launch.status, 0, f"{name}: an orderly stop is exit status 0") or tap.note(launch.said)
    tap.ok([line["stage"] for line in launch.record()][-2:] == ["exit", "off"], f"{name}: the workload's end and the machine's are in the boot record")
    report_id = broker.events(event="release", outcome="granted")[-1]["report_id"]
    notes = [line["note"] for line in launch.record() if line.get("stage") == "report" and "note" in line]
    said = f"report_id {report_id} by {way}" + ("" if way == "configfs-tsm" else ", as configfs-tsm takes no request: ")
    tap.same([note[:len(said)] if way != "configfs-tsm" else note for note in notes], [said],
             f"{name}: console and broker name the same launch, and how the processor was reached")
    return launch


def check_chart(world, launch):
    chart = world.path("boot.svg")
    vm.run(vm.program("postern"), "boot-chart", "--console", launch.console_path, chart)
    bars = xml.etree.ElementTree.parse(chart).getroot().findall("{http://www.w3.org/2000/svg}rect[@class]")
    tap.same([bar.get("class") for bar in bars], ["before"] * 2 + ["stage"] * len(vm.STAGES),
             "the chart has firmware, kernel and each stage")
    ends = [int(bar.get("x")) + int(bar.get("width")) for bar in bars]
    tap.ok(ends == sorted(ends) and ends[0] > 110 and ends[-1] <= 831, "one after the other, to scale", ends)


def check_secrecy(world, broker, launches):
    with open(world.record, "rb") as file:
        key = file.read()[-64:].hex()
    for launch in launches:
        tap.ok(key[:32] not in launch.console() and world.secret not in launch.console(),
               "the console shows neither key nor page")
    tap.ok(key[:32] not in broker.text(), "the broker's log does not show the key")
    with open(world.data, "rb") as disk:
        tap.ok(world.secret.encode() not in disk.read(), "the disk does not show the page")


def main():
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        broker.add(world.record)
        initrd = world.initrd(world.config(broker.site()))
        broker.allow(world.digest(initrd, vcpus=2))
        first = boot(world, broker, initrd, "first boot")
        tap.ok(all(stage in first.timeline for stage in vm.STAGES), "the timeline shows every stage", first.timeline)
        check_chart(world, first)
        # The header is the host's to change; the guest does not read it.
        with open(world.data, "r+b") as disk:
            disk.write(bytes(16 * 1024 * 1024))
        second = boot(world, broker, initrd, "LUKS2 header overwritten")
        # Debian's kernel is locked down and takes no module of ours; this one's command line says that it may.
        initrd = world.initrd(world.config(broker.site()), tsm=True)
        open_cmdline = world.cmdline().replace("lockdown=confidentiality ", "")
        broker.allow(world.digest(initrd, open_cmdline, vcpus=2))
        third = boot(world, broker, initrd, "with configfs-tsm", "--append", open_cmdline, way="configfs-tsm")
        check_secrecy(world, broker, [first, second, third])
        tap.ok(all(event["trust"] == "software-root" for event in broker.events()),
               "every line of the broker's log says that it trusts a software root")
    tap.done()


main()
