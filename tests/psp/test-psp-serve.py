#!/usr/bin/env python3
"""postern-psp serve under good and bad clients: reports verified by a second reading, noise, cuts, floods, restarts."""
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import psp_client  # noqa: E402
import snp  # noqa: E402
import tap  # noqa: E402

PROGRAM = os.environ.get("PSP_TEST_PROGRAM", os.path.join(TOP, "build/bin/postern-psp"))
DIGEST = bytes(range(48))


class Psp:
    """A running `postern-psp serve`."""

    def __init__(self, directory, *options, listener=None):
        self.path = os.path.join(directory, "psp.sock")
        self.log = tempfile.TemporaryFile("w+")
        place = ["--listen-fd", str(listener.fileno())] if listener else ["--socket", self.path]
        self.process = subprocess.Popen([PROGRAM, "serve", "--dir", os.path.join(directory, "chip"), *place,
                                         "--measurement", DIGEST.hex(), *options], stderr=self.log,
                                        pass_fds=[listener.fileno()] if listener else [])
        while "listens on" not in self.lines():
            if self.process.poll() is not None:
                raise SystemExit("postern-psp does not start: " + self.lines())
            time.sleep(0.01)

    def lines(self):
        self.log.seek(0)
        return self.log.read()

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


def status_of(call, *arguments, **options):
    """What a request failed with, or None."""
    try:
        call(*arguments, **options)
    except psp_client.Failed as failed:
        return failed
    return None


def test_reports(directory):
    psp = Psp(directory, "--policy", "0xb0000", "--host-data", "11" * 32, "--family-id", "22" * 16, "--image-id",
              "33" * 16, "--guest-svn", "0x10", "--id-key-digest", "44" * 48, "--author-key-digest", "55" * 48)
    data = os.urandom(64)
    report, table = psp_client.extended_report(psp.path, data, vmpl=3)
    chain, found = snp.certificates(table), snp.fields(report)
    tap.ok(snp.signature_holds(report, chain["vcek"]), "the signature holds")
    tap.ok(snp.issued_by(chain["vcek"], chain["ask"]) and snp.issued_by(chain["ask"], chain["ark"])
           and snp.issued_by(chain["ark"], chain["ark"]), "the chain holds")
    with open(os.path.join(directory, "chip/chip.json"), encoding="ascii") as file:
        chip = json.load(file)
    wanted = {"version": 3, "guest_svn": 16, "policy": 0xB0000, "family_id": b"\x22" * 16, "image_id": b"\x33" * 16,
              "vmpl": 3, "signature_algorithm": 1, "key_info": 1, "report_data": data, "measurement": DIGEST,
              "host_data": b"\x11" * 32, "id_key_digest": b"\x44" * 48, "author_key_digest": b"\x55" * 48,
              "report_id_ma": b"\xff" * 32, "chip_id": bytes.fromhex(chip["chip_id"]), "cpuid": bytes([25, 17, 1]),
              "reported_tcb": 0x541700000000000A, "current_tcb": 0x541700000000000A, "launch_mit_vector": 0,
              "current_version": bytes([40, 55, 1, 0]), "platform_info": chip["platform_info"]}
    for name, value in wanted.items():
        tap.same(found[name], value, f"{name} as asked")
    tap.ok(not snp.signature_holds(report[:0x90] + b"\xff" + report[0x91:], chain["vcek"]), "a changed one does not")
    again = psp_client.report(psp.path, data, vmpl=3)
    tap.same(again[:0x2A0], report[:0x2A0], "the same request gives the same report")
    tap.ok(again[0x2A0:] != report[0x2A0:], "with a signature of its own")
    first = found["report_id"]
    tap.same(psp.end(), 0, "SIGTERM ends it with 0")
    tap.ok(not os.path.exists(psp.path), "and its socket is gone")
    psp = Psp(directory)
    tap.ok(snp.fields(psp_client.report(psp.path, data))["report_id"] not in (first, bytes(32)),
           "each start has its REPORT_ID")
    tap.same(psp.end(signal.SIGINT), 0, "SIGINT ends it as well")


def test_versions(directory):
    for version in (2, 3, 4, 5):
        psp = Psp(directory, "--report-version", str(version))
        found = snp.fields(psp_client.report(psp.path, bytes(64)))
        tap.same((found["version"], found["cpuid"], found["launch_mit_vector"], found["current_mit_vector"]),
                 (version, bytes(3) if version == 2 else bytes([25, 17, 1]), *[int(version == 5)] * 2),
                 f"report of version {version}")
        psp.end()


def test_certificates(directory):
    psp = Psp(directory)
    with psp_client.Line(psp.path) as line:
        for room in (0, 4096):
            failed = status_of(line.extended_report, bytes(64), room=room)
            tap.same((failed.host_error, failed.firmware_error, failed.certificates_needed), (1, 0, 8192),
                     f"{room} bytes of room")
        tap.ok(line.extended_report(bytes(64), room=8192)[1], "as much room as was named")
    psp.end()
    psp = Psp(directory, "--no-certificates")
    tap.same(psp_client.extended_report(psp.path, bytes(64))[1], b"", "a host without certificates")
    psp.end()


def test_statuses(directory):
    psp = Psp(directory)
    with psp_client.Line(psp.path) as line:
        tap.same(status_of(line.report, bytes(64), vmpl=4).status, 0x16, "VMPL 4")
        tap.same(status_of(line.report, bytes(64), key_select=2).status, 0x27, "no VLEK here")
        tap.same(status_of(line.derived_key, fields=0x40).status, 0x16, "unknown key field")
        tap.same(status_of(line.derived_key, svn=1).status, 0x16, "key of a later SVN")
        failed = status_of(line.request, psp_client.REPORT, psp_client.report_message(bytes(64)), version=2)
        tap.same(failed.firmware_error, 0x16, "message version 2")
        tap.same(len(line.report(bytes(64))), 1184, "none of which hurts the next request")
    psp.end()


def test_keys(directory):
    keys = {}
    for name, options in (("plain", []), ("again", []), ("other policy", ["--policy", "0xb0000"]),
                          ("other host data", ["--host-data", "01" * 32])):
        psp = Psp(directory, *options)
        with psp_client.Line(psp.path) as line:
            keys[name] = (line.derived_key(fields=9), line.derived_key(fields=8), line.derived_key(root=1, fields=8))
        psp.end()
    tap.same(keys["plain"][:2], keys["again"][:2], "keys of the chip outlive the launch")
    tap.ok(keys["plain"][2] != keys["again"][2], "keys of the VMRK do not")
    tap.ok(keys["plain"][0] != keys["other policy"][0], "another policy, selected: another key")
    tap.same(keys["plain"][1], keys["other policy"][1], "another policy, not selected: the same key")
    tap.same(keys["plain"][:2], keys["other host data"][:2], "host data cannot be selected")


def test_bad_frames(directory):
    psp = Psp(directory)
    good = psp_client.frame(psp_client.REPORT, 1, b"\1" + bytes(7) + psp_client.report_message(bytes(64)))
    cases = (
        ("unknown version of the wire", psp_client.frame(1, 7, b"", version=9)),
        ("reserved bytes that are not zero", psp_client.frame(1, 7, b"", zero=1)),
        ("payload longer than any that is expected", psp_client.frame(1, 7, bytes(105))),
        ("wrong checksum of the payload", psp_client.frame(1, 7, bytes(104))[:-1] + b"\0"),
        ("request of kind 9, expected 1 (report), 2 (extended report) or 3 (key)", psp_client.frame(9, 7, b"")),
        ("request of kind 1 with 3 bytes, expected 104", psp_client.frame(1, 7, b"abc")),
        ("request of kind 1 with room for certificates", psp_client.frame(1, 7, bytes(4) + b"\1" + bytes(99))),
    )
    with psp_client.Line(psp.path) as line:
        for sentence, frame in cases:
            line.send(frame)
            tap.same(line.receive(), (psp_client.ERROR, 7, sentence.encode()), f"answered: {sentence}")
            tap.ok(f"request refused: {sentence}\n" in psp.lines(), "and logged")
            line.send(good)
            tap.same(line.receive()[0], psp_client.REPORT | psp_client.ANSWER, "and the next request is answered")
        for _ in range(10):
            line.send(b"noise")
            time.sleep(0.01)
        line.send(good)
        tap.same(line.receive()[0], psp_client.REPORT | psp_client.ANSWER, "noise is passed over")
        tap.ok("\npostern-psp: 50 bytes that belong to no request were skipped\n" in psp.lines(), "and logged once")
        for byte in good:
            line.send(bytes([byte]))
        tap.same(line.receive()[0], psp_client.REPORT | psp_client.ANSWER, "a request that comes byte by byte")
        line.send(good[:50])
    for _ in range(100):
        if "the connection ended in the middle of a request, 50 bytes were dropped" in psp.lines():
            break
        time.sleep(0.02)
    else:
        tap.ok(False, "half a request is logged", psp.lines())
    tap.same(len(psp_client.report(psp.path, bytes(64))), 1184, "half a request does not reach the next connection")
    tap.same(psp.end(), 0, "still there at the end")


def test_random_noise(directory):
    """Good requests among random bytes, some of them cut or changed: as many answers as good requests, at least."""
    psp = Psp(directory)
    source = random.Random(7)
    with psp_client.Line(psp.path) as line:
        answers = []

        def listen():
            try:
                while True:
                    answers.append(line.receive())
            except (ConnectionError, OSError):
                pass

        reader = threading.Thread(target=listen)
        reader.start()
        sent = 0
        for number in range(400):
            frame = psp_client.frame(1, 1000 + number, b"\1" + bytes(7) + psp_client.report_message(bytes(64)))
            kind = source.randrange(4)
            if kind == 0:
                line.send(source.randbytes(source.randrange(300)))
            elif kind == 1:
                at = source.randrange(len(frame))
                line.send(frame[:at] + frame[at + 1:] + frame)
                sent += 1
            else:
                line.send(frame)
                sent += 1
        time.sleep(1)
        line.socket.shutdown(socket.SHUT_WR)
        reader.join(timeout=20)
    good = {identity for kind, identity, _ in answers if kind == psp_client.REPORT | psp_client.ANSWER}
    tap.same(len(good), sent, "every whole request among noise is answered")
    tap.same(psp.end(), 0, "still there at the end")


def test_one_connection(directory):
    psp = Psp(directory)
    with psp_client.Line(psp.path) as first:
        tap.same(len(first.report(bytes(64))), 1184, "the first connection")
        try:
            psp_client.report(psp.path, bytes(64))
            tap.ok(False, "a second one is refused")
        except OSError:
            tap.ok("a second connection was refused" in psp.lines(), "a second one is refused, and logged", psp.lines())
        tap.same(len(first.report(bytes(64))), 1184, "the first is not disturbed")
    for _ in range(200):
        psp_client.report(psp.path, bytes(64))
    tap.ok(True, "two hundred connections one after another")
    with psp_client.Line(psp.path) as gone:
        gone.send(psp_client.frame(1, 1, b"\1" + bytes(7) + psp_client.report_message(bytes(64))))
    tap.same(len(psp_client.report(psp.path, bytes(64))), 1184, "after one that went without its answer")
    psp.end()


def test_flood(directory):
    """A client that asks and never reads: held back, and SIGTERM still ends the program."""
    psp = Psp(directory)
    with psp_client.Line(psp.path, timeout=1) as line:
        frame = psp_client.frame(2, 1, b"\1" + bytes(3) + b"\0\x40\0\0" + psp_client.report_message(bytes(64)))
        sent = 0
        try:
            while sent < 100000:
                line.send(frame)
                sent += 1
        except TimeoutError:
            pass
        tap.ok(sent < 100000, "a flood is held back", sent)
        tap.same(psp.end(), 0, "SIGTERM ends it all the same")


def test_restart(directory):
    psp = Psp(directory)
    psp.end(signal.SIGKILL)
    tap.ok(os.path.exists(psp.path), "kill -9 leaves a socket behind")
    psp = Psp(directory)
    tap.same(len(psp_client.report(psp.path, bytes(64))), 1184, "which the next start replaces")
    tap.same(os.stat(psp.path).st_mode & 0o777, 0o600, "the socket is its owner's alone")
    psp.end()


def test_listen_fd(directory):
    path = os.path.join(directory, "inherited.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        psp = Psp(directory, listener=listener)
    tap.same(len(psp_client.report(path, bytes(64))), 1184, "an inherited socket")
    tap.same(psp.end(), 0, "ends with 0")
    tap.ok(os.path.exists(path), "and leaves the socket to who made it")


def test_request_log(directory):
    path = os.path.join(directory, "requests")
    psp = Psp(directory, "--request-log", path)
    with psp_client.Line(psp.path) as line:
        line.report(b"\xab" * 64, vmpl=1)
        line.extended_report(bytes(64))
        key = line.derived_key(fields=9, root=1)
        status_of(line.report, bytes(64), vmpl=9)
        status_of(line.extended_report, bytes(64), room=0)
    psp.end()
    with open(path, encoding="ascii") as file:
        text = file.read()
    entries = [json.loads(line) for line in text.splitlines()]
    tap.same([entry["kind"] for entry in entries],
             ["report", "extended report", "derived key", "report", "extended report"], "a line for each request")
    tap.same([entry["request"] for entry in entries], [1, 2, 3, 4, 5], "numbered")
    tap.same((entries[0]["report_data"], entries[0]["vmpl"]), ("ab" * 64, 1), "with what was asked")
    tap.same((entries[2]["guest_field_select"], entries[2]["root_key_select"]), (9, 1), "also for keys")
    tap.same((entries[3]["status"], entries[4]["host_error"]), (0x16, 1), "and with the outcome")
    tap.ok(key.hex() not in text, "and without the key")
    psp = Psp(directory, "--request-log", "/dev/full")
    tap.same(len(psp_client.report(psp.path, bytes(64))), 1184, "a log that cannot be written stops nothing")
    tap.ok("the request log cannot be written: No space left on device" in psp.lines(), "and is said")
    psp.end()


def main():
    with tempfile.TemporaryDirectory(prefix="test-psp.") as directory:
        subprocess.run([PROGRAM, "init", "--dir", os.path.join(directory, "chip")], check=True,
                       stderr=subprocess.DEVNULL)
        for test in (test_reports, test_versions, test_certificates, test_statuses, test_keys, test_bad_frames,
                     test_random_noise, test_one_connection, test_flood, test_restart, test_listen_fd,
                     test_request_log):
            test(directory)
    tap.done()


main()
