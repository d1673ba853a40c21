#!/usr/bin/env python3
"""postern host selftest on a release, with the software processor, and what verifying its file refuses. Prints TAP."""
import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import tap  # noqa: E402
import vm  # noqa: E402


def make_release(world, initrd, name):
    """A release of this initrd, with its manifest."""
    folder = world.path(name)
    os.makedirs(folder)
    for name in "kernel", "cmdline", "firmware.fd", "root.img":
        shutil.copy(os.path.join(world.image, name), folder)
    shutil.copy(initrd, os.path.join(folder, "initrd"))
    vm.run(vm.program("postern"), "manifest", "create", folder, "--vcpus", "1-2", "--vcpu-type", "EPYC-v4")
    return folder


def postern(*words):
    return subprocess.run([vm.program("postern"), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)


@contextlib.contextmanager
def key_distribution(world):
    """The chip's key distribution service; its address."""
    port, (read, write) = vm.free_port(), os.pipe()
    process = subprocess.Popen([vm.program("postern-psp"), "serve", "--dir", vm.chip(), "--measurement", "00" * 48, "--socket",
                                world.path("kds.sock"), "--ready-fd", str(write), "--kds", f"127.0.0.1:{port}"],
                               pass_fds=(write,), stderr=subprocess.DEVNULL)
    os.close(write)
    os.read(read, 1)
    os.close(read)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def selftest(release, output, *words, certs=True):
    return postern("host", "selftest", release, "--psp", "software", "--psp-dir", vm.chip(),
                   *(["--certs", vm.chip()] if certs else []), "--trust-root", os.path.join(vm.chip(), "ark.pem"),
                   "--output", output, *words)


def verify(path, *words):
    return postern("verify", "selftest", path, "--trust-root", os.path.join(vm.chip(), "ark.pem"), *words)


def check_bent(world, good):
    """One member changed: refused for what it is."""
    def bent(name, change, code, words):
        path = world.path("bent-" + name)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(change(dict(good)), file)
        done = verify(path)
        tap.ok(done.returncode == code and words in done.stderr + done.stdout, f"{name}: {words}", done)

    report = base64.b64decode(good["report"])

    def with_report(data, **more):
        return lambda file: file | {"report": base64.b64encode(data).decode()} | more

    bent("prediction", lambda file: file | {"predicted": "00" * 48}, 5, "measurement")
    bent("measured", lambda file: file | {"measured": "00" * 48}, 1, "is not the report's MEASUREMENT")
    bent("signature", with_report(report[:-600] + bytes([report[-600] ^ 1]) + report[-599:]), 2, "signature")
    other = report[:0x90] + bytes(48) + report[0xc0:]
    bent("another-digest", with_report(other, predicted="00" * 48, measured="00" * 48), 2, "signature")
    bent("short", with_report(report[:-1]), 1, "1183 bytes, a report has 1184")
    bent("no-chain", lambda file: {k: v for k, v in file.items() if k != "certificates"}, 3, "certificate")
    bent("chain", lambda file: file | {"certificates": "-----BEGIN CERTIFICATE-----\nAAAA\n"}, 2, "PEM")
    bent("version", lambda file: file | {"postern_selftest": 2}, 1, "postern_selftest")
    bent("processor", lambda file: file | {"processor": "magic"}, 1, "expected hardware or software")
    bent("unknown", lambda file: file | {"more": 1}, 1, "more: unknown member")
    tap.same(postern("verify", "selftest", world.path("good"), "--json").returncode, 2, "without the test's root: no chain")


def main():
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        broker.add(world.record)
        initrd = world.initrd(world.config(broker.site()))
        release, output = make_release(world, initrd, "release"), world.path("good")
        broker.allow(world.digest(initrd))
        done = selftest(release, output, "--disk", f"data={world.data}")
        tap.same(done.returncode, 0, "a release boots, and its file verifies") or tap.note(done.stderr + done.stdout)
        if not os.path.exists(output):
            tap.done()
        with open(output, encoding="utf-8") as file:
            good = json.load(file)
        tap.same((good["predicted"], good["measured"]), (world.digest(initrd),) * 2, "predicted and measured are the same")
        done_too = postern("manifest", "lookup", good["predicted"], os.path.join(release, "manifest.json"))
        tap.ok(done_too.returncode == 0 and "EPYC-v4" in done_too.stdout, "a row of the manifest", done_too)
        tap.ok(good["processor"] == "software" and "SOFTWARE PROCESSOR" in done.stdout and "software-root" in done.stdout,
               "no hardware is claimed", done.stdout)
        again = verify(output, "--explain")
        tap.ok(again.returncode == 0 and "handoff" in again.stdout and "firmware" in again.stdout
               and "BEGIN CERTIFICATE" in good["certificates"], "verified from the file alone, with its timeline", again)
        check_bent(world, good)

        fetched = world.path("fetched")
        with key_distribution(world) as url:
            done = selftest(release, fetched, "--disk", f"data={world.data}", "--kds", url, certs=False)
        with open(fetched, encoding="utf-8") as file:
            tap.ok(done.returncode == 0 and "BEGIN X509 CRL" in json.load(file)["certificates"] and "not revoked" in done.stdout,
                   "the chain and the revocation list, fetched", done)

        refused = world.path("refused")
        disk = os.path.join(world.directory, "nothing")
        open(disk, "wb").close()
        os.truncate(disk, 20 << 20)
        done = selftest(release, refused, "--disk", f"data={disk}")
        tap.ok(done.returncode == 0 and "refused: E-VOLUME" in done.stdout,
               "a launch that a volume ends has told its report before, and the file says how it ended", done)

        def fails(code, words, *command):
            done = postern("host", "selftest", *command)
            tap.ok(done.returncode == code and words in done.stderr + done.stdout, f"exit {code}: {words}", done)

        options = ["--psp", "software", "--psp-dir", vm.chip(), "--output", world.path("none")]
        fails(1, "EPYC-v4", release, *options, "--vcpus", "3")  # the rows that there are
        os.makedirs(world.path("empty"))
        fails(1, "has no manifest.json", world.path("empty"), *options)
        fails(1, "--psp: \"mock\", expected software or hardware", release, "--output", world.path("none"), "--psp", "mock")
        fails(1, "which release?", "--output", world.path("none"))
        fails(1, "--output is missing", release)
        if not os.path.exists("/dev/sev"):
            fails(7, "No SEV-SNP guest can run here yet.", release, "--output", world.path("none"))
        silent = make_release(world, world.initrd("{", shim=False), "silent")
        fails(8, "said no report: E-CONFIG", silent, *options)
        tap.ok(not os.path.exists(world.path("none")), "and no file is left of a self-test that failed")
    tap.done()


main()
