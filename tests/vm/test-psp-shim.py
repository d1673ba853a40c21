#!/usr/bin/env python3
"""The guest's side of the software processor, in a guest: overlay, shim, serial line, postern-psp.

The image's kernel is booted by QEMU (TCG, SeaBIOS) with an initrd that has tests/vm/device-probe.c in the place of the
production init, and the overlay behind it. Between QEMU and postern-psp sits a relay that spoils the line at first: noise
between frames, bytes lost in both directions. Later postern-psp is killed and started again. Prints TAP.
"""
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import snp  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

MEASUREMENT = bytes(range(48)).hex()
HOST_DATA = bytes(range(100, 132)).hex()
LIMIT_SECONDS = 300
# Noise goes in front of so many of each direction's reads; bytes at these places of the streams are lost.
NOISY_READS = 60
LOST = {"request": {150, 700}, "answer": {2000, 9000}}


def build(path):
    return os.path.join(TOP, "build", path)


class Relay(threading.Thread):
    """Listens where QEMU connects, passes bytes on to postern-psp, and spoils some."""

    def __init__(self, path, target):
        super().__init__(daemon=True)
        self.target, self.random = target, random.Random(1)
        self.noise = self.lost = self.connections = 0
        self.reads = {"request": 0, "answer": 0}
        self.passed = {"request": 0, "answer": 0}
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()

    def spoil(self, data, direction):
        start = self.passed[direction]
        self.passed[direction] += len(data)
        self.reads[direction] += 1
        lost = [at - start for at in LOST[direction] if start <= at < start + len(data)]
        self.lost += len(lost)
        kept = bytes(byte for at, byte in enumerate(data) if at not in lost)
        if self.reads[direction] <= NOISY_READS and self.reads[direction] % 3 == 0 and data[:1] == b"\x9b":
            self.noise += 1
            kept = self.random.choice([b"\x9bPS", b"\x9b", b"\xffnoise\r\n", b"\x9bPSP" + bytes(12)]) + kept
        return kept

    def pump(self, source, sink, direction):
        try:
            while data := source.recv(4096):
                sink.sendall(self.spoil(data, direction))
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def run(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self.target)
            except OSError:
                near.close()
                continue
            self.connections += 1
            back = threading.Thread(target=self.pump, args=(far, near, "answer"), daemon=True)
            back.start()
            self.pump(near, far, "request")
            back.join()
            near.close()
            far.close()


def start_psp(directory):
    path = os.path.join(directory, "psp.sock")
    log = open(os.path.join(directory, "psp.log"), "ab")
    psp = subprocess.Popen([build("bin/postern-psp"), "serve", "--dir", os.path.join(directory, "chip"), "--socket",
                            path, "--measurement", MEASUREMENT, "--host-data", HOST_DATA], stderr=log)
    for _ in range(200):
        if os.path.exists(path) and psp.poll() is None:
            with open(log.name, encoding="ascii") as text:
                if text.read().count("listens on") > start_psp.starts:
                    start_psp.starts += 1
                    return psp
        time.sleep(0.05)
    raise SystemExit("postern-psp does not start")


start_psp.starts = 0


def make_initrds(directory, module):
    """"initrd": a stand-in for a production initrd, compressed and of odd length as they are, and the overlay behind
    it; "overlay": that alone; "other": with a cuse.ko that is none."""
    stage = os.path.join(directory, "stage")
    os.makedirs(os.path.join(stage, "usr/lib/postern"))
    shutil.copy(build("tests/device-probe"), os.path.join(stage, "usr/lib/postern/postern-init"))
    os.symlink("/usr/lib/postern/postern-init", os.path.join(stage, "init"))
    files = "\n".join(["init", "usr", "usr/lib", "usr/lib/postern", "usr/lib/postern/postern-init"]) + "\n"
    packed = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=stage, input=files.encode(), check=True,
                            stdout=subprocess.PIPE).stdout
    production = subprocess.run(["zstd", "-q", "-1", "-c"], input=packed, check=True, stdout=subprocess.PIPE).stdout
    # Whatever the length, the overlay has to be found: the odd one is the hard case.
    if len(production) % 4 == 0:
        production += b"\0"
    below, nothing = os.path.join(directory, "production"), os.path.join(directory, "nothing")
    for path, data in (below, production), (nothing, b""), (os.path.join(directory, "bad.ko"), b"\x7fELF and no more"):
        with open(path, "wb") as file:
            file.write(data)
    vm.overlay_shim(os.path.join(directory, "shim"), module)
    vm.overlay_shim(os.path.join(directory, "shim-bad"), os.path.join(directory, "bad.ko"))
    for initrd, folder, name in (below, "shim", "initrd"), (nothing, "shim", "overlay"), (nothing, "shim-bad", "other"):
        vm.run(os.path.join(TOP, "image/overlay"), initrd, os.path.join(directory, folder), os.path.join(directory, name))


def boot(kernel, initrd, chardev, on_line):
    """Runs the guest and gives each console line to `on_line`; returns the lines and QEMU's exit status."""
    command = ["qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none", "-M", "q35", "-accel",
               "tcg,thread=single", "-cpu", "max", "-smp", "2", "-m", "512M", "-serial", "stdio", *chardev,
               "-kernel", kernel, "-initrd", initrd,
               "-append", "console=ttyS0 panic=-1 quiet probe-argument"]
    qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    timer = threading.Timer(LIMIT_SECONDS, qemu.kill)
    timer.start()
    lines = []
    for raw in qemu.stdout:
        line = raw.decode("ascii", "replace").strip()
        lines.append(line)
        on_line(line)
    timer.cancel()
    return lines, qemu.wait()


def check_probe(lines, chip):
    """What the probe found in the guest, and its reports verified out here."""
    shown = {}
    for line in lines:
        words = line.split(" ")
        if line.startswith("probe: hex "):
            shown.setdefault(words[2], []).append(bytes.fromhex(words[3]))
        elif line.startswith("probe: ") and (" ok " in line or " FAIL " in line):
            tap.ok(" ok " in line, "in the guest: " + line[7:].split(" ok ")[0].split(" FAIL ")[0], line)
    tap.ok("probe: end" in lines, "the probe came to its end", "\n".join(lines[-40:]))
    table = shown.get("certificates", [b""])[0]
    certificates = snp.certificates(table) if table else {}
    if not tap.same(sorted(certificates), ["ark", "ask", "vcek"], "the guest got the certificates"):
        return
    pem = subprocess.run(["openssl", "x509", "-in", os.path.join(chip, "ark.pem"), "-outform", "DER"], check=True,
                         stdout=subprocess.PIPE).stdout
    tap.same(certificates["ark"], pem, "the root is the chip's")
    tap.ok(snp.issued_by(certificates["ask"], certificates["ark"]), "ASK by ARK")
    tap.ok(snp.issued_by(certificates["vcek"], certificates["ask"]), "VCEK by ASK")
    reports = shown["report"] + shown["plain"] + shown["restarted"]
    for report in reports:
        found = snp.fields(report)
        tap.ok(snp.signature_holds(report, certificates["vcek"]), "a report's signature holds")
        tap.same((found["measurement"].hex(), found["host_data"].hex(), found["policy"]),
                 (MEASUREMENT, HOST_DATA, 0x30000), "it is about this launch")
    spoilt = bytearray(reports[0])
    spoilt[0x90] ^= 1
    tap.ok(not snp.signature_holds(bytes(spoilt), certificates["vcek"]), "a changed report's signature does not hold")
    tap.same(snp.fields(shown["report"][0])["report_data"][48:].rstrip(b"\0"), b"postern/self", "purpose tag")
    tap.same(snp.fields(shown["plain"][0])["report_data"], b"\xa5" * 64, "report data as given")
    tap.same(snp.fields(shown["plain"][0])["vmpl"], 1, "VMPL as given")
    identities = [snp.fields(report)["report_id"] for report in reports]
    tap.same(len(set(identities[:-1])), 1, "one REPORT_ID for one launch")
    tap.ok(identities[-1] != identities[0], "another after postern-psp started again")
    keys = {name: values[0] for name, values in shown.items() if name.startswith("key-")}
    tap.same(keys["key-measurement"], keys["key-measurement-again"], "the same selection gives the same key")
    tap.same(len(set(keys.values())), 3, "other selections give other keys")


def test_boot(kernel, directory):
    chip = os.path.join(directory, "chip")
    subprocess.run([build("bin/postern-psp"), "init", "--dir", chip], check=True, stderr=subprocess.DEVNULL)
    state = {"psp": start_psp(directory)}
    relay = Relay(os.path.join(directory, "relay.sock"), os.path.join(directory, "psp.sock"))
    relay.start()

    def on_line(line):
        if line == "probe: kill":
            state["psp"].send_signal(signal.SIGKILL)
            state["psp"].wait()
            state["psp"] = None
            threading.Timer(4, restart).start()

    def restart():
        state["psp"] = start_psp(directory)

    chardev = ["-chardev", f"socket,id=psp,path={directory}/relay.sock,reconnect-ms=500", "-serial", "chardev:psp"]
    start = time.monotonic()
    lines, status = boot(kernel, os.path.join(directory, "initrd"), chardev, on_line)
    tap.note(f"{time.monotonic() - start:.1f} s, noise {relay.noise} times, {relay.lost} bytes lost, "
             f"{relay.connections} connections")
    tap.same(status, 0, "the guest powered off by itself")
    check_probe(lines, chip)
    tap.ok(relay.noise >= 8 and relay.lost == 4, "the line was spoiled", (relay.noise, relay.lost))
    state["psp"].terminate()
    tap.same(state["psp"].wait(), 0, "postern-psp ends with 0 at SIGTERM")
    for line in lines:
        if "timing" in line or "started" in line:
            tap.note(line)


def test_refusal(kernel, initrd, chardev, words):
    """What cannot work: one sentence on the console, power off, no init."""
    lines, status = boot(kernel, initrd, chardev, lambda line: None)
    said = [line for line in lines if "psp-shim: " in line]
    tap.same(status, 0, f"the guest powers off: {words}")
    tap.ok(len(said) == 1 and words in said[0], "and says why in one line", "\n".join(lines[-20:]))
    tap.ok(not any("probe:" in line for line in lines), "and starts nothing else")


def main():
    kernel = os.path.join(vm.IMAGE, "kernel")
    with tempfile.TemporaryDirectory(prefix="psp-shim.") as directory:
        make_initrds(directory, vm.CUSE)
        test_boot(kernel, directory)
        line = ["-serial", "null"]
        test_refusal(kernel, os.path.join(directory, "initrd"), [], "/dev/ttyS1: Input/output error: the guest needs a "
                     "second serial line")
        test_refusal(kernel, os.path.join(directory, "overlay"), line,
                     "/usr/lib/postern/postern-init: cannot be started")
        if not vm.OWN_KERNEL:
            test_refusal(kernel, os.path.join(directory, "other"), line, "/usr/lib/postern-psp/cuse.ko: cannot be loaded")
    tap.done()


main()
