#!/usr/bin/env python3
"""Evidence for the workload: PID 1's socket in a whole guest, who may ask, and that such evidence obtains no volume key,
neither from postern-broker nor by the rules of stock Trustee. Prints TAP."""
import base64
import hashlib
import http.client
import json
import os
import socket
import ssl
import sys
import time
import urllib.parse

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
sys.path.insert(0, os.path.join(TOP, "tests/interop"))
import kbs_peer as peer  # noqa: E402
import rfc8785  # noqa: E402
import snp  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.hazmat.primitives.serialization import Encoding  # noqa: E402

ALLOWED, OTHER, ROOT = 1000, 1001, 0
TOKEN = "the workload's token\n"
TAG = b"postern/workload"


def ask(port, target, method="GET"):
    """(status, body) of one request to the guest's socket; None when nobody is there."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(method, target)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException):
        return None


def evidence_over(port, data):
    """The evidence's JSON over these bytes; waits while the processor's rate is used up."""
    target = "/aa/evidence?runtime_data=" + urllib.parse.quote(data, safe="")
    for _ in range(30):
        found = ask(port, target)
        if not found or found[0] != 429:
            break
        time.sleep(1)
    if not tap.ok(found and found[0] == 200, f"evidence over {len(data)} bytes", found):
        raise SystemExit(1)
    return json.loads(found[1])


class Thief:
    """Speaks the key-release protocol with evidence that it has from elsewhere."""

    def __init__(self, broker):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.connection = http.client.HTTPSConnection("127.0.0.1", broker.port, context=context, timeout=30)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.jwk = peer.jwk_of(self.key.public_key())
        body = json.dumps({"version": "0.4.0", "tee": "snp", "extra-params": ""})
        status, headers, text = self.ask("POST", "/kbs/v0/auth", body)
        assert status == 200, text
        self.nonce, self.cookie = json.loads(text)["nonce"], headers["Set-Cookie"].split(";")[0]

    def ask(self, method, path, body=None, **headers):
        self.connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def canonical(self):
        """What a guest hashes for a release."""
        return rfc8785.dumps({"additional-evidence": "", "nonce": self.nonce, "tee-pubkey": self.jwk})

    def steal(self, evidence):
        """Statuses of /attest and of the resource behind it."""
        body = {"init-data": None, "runtime-data": {"nonce": self.nonce, "tee-pubkey": self.jwk},
                "tee-evidence": {"primary_evidence": evidence, "additional_evidence": ""}}
        attest, _, _ = self.ask("POST", "/kbs/v0/attest", json.dumps(body, separators=(",", ":")), Cookie=self.cookie)
        resource, _, _ = self.ask("GET", f"/kbs/v0/resource/{vm.RESOURCE}", Cookie=self.cookie)
        return attest, resource


def check_theft(broker, port):
    thief = Thief(broker)
    canonical = thief.canonical()
    # The target of a request has 511 bytes at most, and this text fits: the attack is not stopped by its length.
    evidence = evidence_over(port, canonical)
    report = peer.report_of(evidence["attestation_report"])
    fields = snp.fields(report)
    digest = hashlib.sha384(canonical).digest()
    tap.same(thief.steal(evidence), (401, 401), "postern-broker: no key for the workload's evidence")
    deadline = time.monotonic() + 30
    while not (events := broker.events(reason="purpose")) and time.monotonic() < deadline:
        time.sleep(0.2)
    tap.ok(events and any(check["check"] == "purpose" and not check["passed"] for check in events[-1].get("checks", [])),
           "and its log says why: the purpose", events[-1:] or broker.text()[-1500:])
    # Trustee compares REPORT_DATA with the digest, padded with zeros to its length (kbs.md, regularize_data).
    tap.ok(fields["report_data"] != digest + bytes(16), "stock Trustee: REPORT_DATA is not the digest padded with zeros")
    tap.ok(fields["report_data"][:48] != digest and fields["report_data"][48:] == TAG, "neither half of it is")
    wanted = hashlib.sha384(b"postern:evidence\0" + canonical).digest() + TAG
    tap.same(fields["report_data"].hex(), wanted.hex(), "it is the hash under the label, and the purpose's tag")
    return fields


def check_evidence(world, port, launch_id):
    data = os.urandom(40)
    evidence = evidence_over(port, data)
    report = peer.report_of(evidence["attestation_report"])
    with open(os.path.join(vm.chip(), "vcek.pem"), "rb") as file:
        vcek = x509.load_pem_x509_certificate(file.read()).public_bytes(Encoding.DER)
    tap.ok(snp.signature_holds(report, vcek), "the processor signed it")
    fields = snp.fields(report)
    tap.same(fields["report_data"], hashlib.sha384(b"postern:evidence\0" + data).digest() + TAG, "over what was given")
    tap.same(fields["report_id"].hex(), launch_id, "in this launch")
    chain = {entry["cert_type"]: bytes(entry["data"]) for entry in evidence["cert_chain"]}
    tap.same(chain.get("VCEK"), vcek, "with the host's certificates")
    path, policy = world.path("evidence.bin"), world.path("evidence-policy.json")
    with open(path, "wb") as file:
        file.write(report)
    with open(policy, "w", encoding="ascii") as file:
        json.dump({"measurements": [fields["measurement"].hex()]}, file)
    vm.run(vm.program("postern"), "verify", "report", path, "--policy", policy, "--certs", vm.chip(), "--trust-root",
           os.path.join(vm.chip(), "ark.pem"), "--report-data", fields["report_data"].hex())
    tap.ok(True, "postern verify report takes it")


def check_users(ports):
    for uid in (OTHER, ROOT):
        found = ask(ports[uid], "/aa/evidence?runtime_data=x")
        tap.ok(found and found[0] == 403 and f"user id {uid} may not have evidence" in found[1], f"user id {uid} is refused", found)
    for target, method, status in (("/", "GET", 404), ("/cdh/resource/default/volume/data", "GET", 404),
                                   ("/aa/evidence", "GET", 400), ("/aa/evidence?runtime_data=x&y=z", "GET", 400),
                                   ("/aa/evidence?runtime_data=x", "DELETE", 405)):
        found = ask(ports[ALLOWED], target, method)
        tap.ok(found and found[0] == status and "error" in found[1], f"{method} {target} is refused with {status}", found)
    with socket.create_connection(("127.0.0.1", ports[ALLOWED]), timeout=30) as silent:  # says nothing, holds nobody up for long
        silent.sendall(b"GET /aa/")
        said = silent.recv(4096).decode()
        tap.ok("HTTP/1.1 400 " in said, "a caller that says half a request is sent away", said)


def check_resources(ports, console):
    """What PID 1 had from the broker for the workload: as bytes, for listed users, also when no report is to be had."""
    for target, uid, status in (("default/app/token", ALLOWED, 200), ("default/app/token", OTHER, 403), ("default/app/token", ROOT, 403),
                                ("default/app/other", ALLOWED, 404)):
        found = ask(ports[uid], "/cdh/resource/" + target)
        tap.ok(found and found[0] == status and (found[1] == TOKEN) == (status == 200), f"user {uid}, {target}: {status}", found)
    tap.ok(TOKEN.strip() not in console, "the console has nothing of it")


def check_rate(port):
    """More than the firmware stands is refused, with the time to wait."""
    found = [ask(port, f"/aa/evidence?runtime_data={i}") for i in range(12)]
    statuses = [answer[0] for answer in found if answer]
    tap.ok(statuses.count(429) >= 1 and set(statuses) <= {200, 429}, "a burst meets the limit", statuses)


def main():
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        broker.add(world.record)
        disk, root = world.root("proxy", {"bin/attest-proxy": os.path.join(vm.BUILD, "tests/attest-proxy")})
        args = ["/bin/attest-proxy", *(str(uid) for uid in (ALLOWED, OTHER, ROOT))]
        becomes_others = {name: ["CAP_SETUID"] for name in ("bounding", "permitted", "effective")}
        workload = {"process": {"args": args, "capabilities": becomes_others}}
        config = world.config(broker.site(), root=root, workload=workload,
                              attestation={"uids": [ALLOWED], "resources": ["default/app/token"]})
        with open(world.path("token"), "w", encoding="ascii", opener=lambda *of: os.open(*of, 0o600)) as file:
            file.write(TOKEN)
        for resource in ("default/app/token", "default/app/other"):
            vm.run(vm.program("postern-broker"), "secret", "add", "--dir", broker.directory, "--resource", resource,
                   "--file", world.path("token"))
        initrd = world.initrd(config)
        for resource in (vm.RESOURCE, "default/app/token", "default/app/other"):
            broker.allow(world.digest(initrd), resource)
        ports = {uid: vm.free_port() for uid in (ALLOWED, OTHER, ROOT)}
        forwards = [word for guest, port in zip((8080, 8081, 8082), ports.values()) for word in ("--forward", f"{port}:{guest}")]
        launch = world.launch(initrd, "--root", disk, *forwards)
        deadline = time.monotonic() + vm.BOOT_SECONDS
        while time.monotonic() < deadline and launch.process.poll() is None and not ask(ports[ALLOWED], "/"):
            time.sleep(0.2)
        if not tap.ok(ask(ports[ALLOWED], "/"), "the guest is up", launch.console()[-2000:]):
            launch.stop()
            tap.done()
        released = broker.events(event="release", outcome="granted")
        launch_id = released[-1]["report_id"] if released else None
        check_evidence(world, ports[ALLOWED], launch_id)
        fields = check_theft(broker, ports[ALLOWED])
        tap.same(fields["report_id"].hex(), launch_id, "it is the launch that was given the key to itself")
        check_users(ports)
        check_rate(ports[ALLOWED])
        check_resources(ports, launch.console())
        launch.stop()
        tap.same((launch.status, launch.stages()), (0, vm.STAGES), "an orderly stop")
        nothing = world.config(broker.site(), volumes=None, attestation={"uids": [ALLOWED], "resources": ["default/app/nothing"]})
        refusal = world.launch(world.initrd(nothing), disk=False).wait().refusal()
        tap.same((refusal.get("stage"), refusal.get("code")), ("release", "E-RELEASE-DENIED"),
                 "a resource that the broker does not give: no workload")
    tap.done()


main()
