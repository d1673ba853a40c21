#!/usr/bin/env python3
"""A hostile network plays a guest's challenge and attestation again: the broker denies. Prints TAP.

The messages are a real guest's, as the broker kept them. The positive control is that guest itself, which got its key.
"""
import http.client
import os
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import tap  # noqa: E402
import vm  # noqa: E402


def call(broker, method, path, body=None, cookie=None):
    """(status, request id, session cookie) of one request."""
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection("127.0.0.1", broker.port, context=context, timeout=30)
    connection.request(method, "/kbs/v0" + path, body, {"Cookie": f"kbs-session-id={cookie}"} if cookie else {})
    answer = connection.getresponse()
    answer.read()
    given = (answer.getheader("Set-Cookie") or "").partition("=")[2].partition(";")[0]
    return answer.status, answer.getheader("x-request-id"), given


def reason(broker, request):
    """The log's lines of refusals come up to 20 ms behind their answers."""
    deadline = time.monotonic() + 5
    while not broker.events(request=request) and time.monotonic() < deadline:
        time.sleep(0.02)
    return [event["reason"] for event in broker.events(request=request)]


def check(broker, attestation, cookie, expected, name):
    """The replay is denied for the expected reason, and what comes of it opens nothing."""
    status, identity, _ = call(broker, "POST", "/attest", attestation, cookie)
    tap.same((status, reason(broker, identity)), (401, [expected]), f"{name}: denied as {expected}")
    if cookie:
        status, _, _ = call(broker, "GET", "/resource/" + vm.RESOURCE, None, cookie)
        tap.same(status, 401, f"{name}: that session gets no key")


def main():
    with vm.World() as world:
        evidence = world.path("evidence")
        os.mkdir(evidence)
        broker = vm.Broker(world.path("broker"), "--evidence-dir", evidence)
        request = b'{"version":"0.4.0","tee":"snp","extra-params":""}'
        with broker:
            broker.add(world.record)
            initrd = world.initrd(world.config(broker.site()))
            broker.allow(world.digest(initrd))
            port = vm.free_port()
            control = world.launch(initrd, "--forward", f"{port}:8080")
            tap.same(control.page(port), world.secret, "control: the guest's own attestation opened the volume")
            control.stop()
            kept = os.listdir(evidence)
            tap.same(len(kept), 1, "the guest attested once")
            with open(os.path.join(evidence, kept[0]), "rb") as file:
                attestation = file.read()
            status, _, cookie = call(broker, "POST", "/auth", request)
            tap.same(status, 200, "a new session begins")
            check(broker, attestation, cookie, "session-mismatch", "the attestation again, in another session")
            check(broker, attestation, None, "session-missing", "the attestation again, without a session")
            check(broker, attestation, "00" * 16, "session-mismatch", "the attestation again, with a made-up session")
        with broker:
            status, _, cookie = call(broker, "POST", "/auth", request)
            check(broker, attestation, cookie, "nonce-unknown", "the attestation again, after the broker's restart")
    tap.done()


main()
