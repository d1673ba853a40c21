#!/usr/bin/env python3
"""Peers that are not ours on each side of the wire: a client and a server in Python, Debian's jose and python3-jwcrypto."""
import base64
import hashlib
import http.server
import json
import os
import secrets
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../broker"))
from harness import REQUEST, Broker, chain, equal, main, must, path, test, true  # noqa: E402

import kbs_peer as peer  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: E402
from jwcrypto import jwe as jwcrypto_jwe, jwk as jwcrypto_jwk  # noqa: E402

NAME = "default/volume/data"
MEASUREMENT = b"\xa5" * 48
broker = Broker().serve()
processor = peer.Processor(chain())
record_key = serialization.load_der_public_key(base64.b64decode(broker.identity["record_key"]))


# ---- a client that is not ours, our broker

class Client:
    def __init__(self, key=None):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.connection = broker.connect()
        answer = self.connection.ask("POST", "/kbs/v0/auth", REQUEST, Content_Type="application/json")
        equal(answer.status, 200)
        self.nonce, self.cookie = answer.json()["nonce"], answer.cookie()

    def attest(self, more=lambda body: body, report_id=None):
        jwk, self.report_id = peer.jwk_of(self.key.public_key()), report_id or secrets.token_bytes(32)
        evidence = processor.evidence(peer.runtime_digest(self.nonce, jwk) + bytes(16), MEASUREMENT, self.report_id)
        self.digest = hashlib.sha384(processor.report[:0x2a0]).digest()
        body = {"init-data": None, "runtime-data": {"nonce": self.nonce, "tee-pubkey": jwk},
                "tee-evidence": {"primary_evidence": evidence, "additional_evidence": ""}}
        return self.connection.attest(json.dumps(more(body), separators=(",", ":")), self.cookie)

    def release(self):
        answer = self.attest()
        equal(answer.status, 200, f"attest {answer.body!r}")
        answer = self.connection.resource(NAME, self.cookie)
        equal(answer.status, 200, f"resource {answer.body!r}")
        return answer.json()


@test("a Python client, written from the protocol's description, gets its record from our broker and confirms")
def _():
    client = Client()
    got = peer.open_release(record_key, peer.decrypt(client.key, client.release()))
    equal(got["key"].hex(), broker.key)
    equal((got["nonce"], got["digest"]), (base64.b64decode(client.nonce), client.digest))
    answer = client.connection.ask("POST", f"/kbs/v0/postern/confirm/{NAME}",
                                   json.dumps({"epoch": got["epoch"], "found": None}), Cookie=client.cookie)
    equal(answer.status, 200)
    record_key.verify(base64.b64decode(answer.json()["signature"]),
                      peer.acknowledged_text(got["nonce"], got["digest"], got["epoch"], NAME), ec.ECDSA(hashes.SHA384()))


@test("keys on P-521 and of RSA with 2048, 3072 and 4096 bits; asking again with another one is refused as ever")
def _():
    keys = [ec.generate_private_key(ec.SECP521R1()), *(rsa.generate_private_key(65537, bits) for bits in (2048, 3072, 4096))]
    for key in keys:
        client = Client(key)
        first, again = (peer.open_release(record_key, peer.decrypt(key, answer)) for answer in (
            client.release(), client.connection.resource(NAME, client.cookie).json()))
        equal((first["key"].hex(), again["key"].hex()), (broker.key, broker.key))
        report_id = client.report_id
        for other in (ec.generate_private_key(ec.SECP521R1()), ec.generate_private_key(ec.SECP256R1())):
            client = Client(other)
            equal(client.attest(report_id=report_id).status, 200)
            answer = client.connection.resource(NAME, client.cookie)
            equal(answer.status, 401)
            equal(broker.entry(answer.request)["reason"], "released-already")


@test("RSA keys that are too small, of another exponent or another algorithm, and a bad point of P-521")
def _():
    def changed(**members):
        def change(body):
            body["runtime-data"]["tee-pubkey"].update(members)
            return body
        return change

    large = ec.generate_private_key(ec.SECP521R1())
    for key, change in ((rsa.generate_private_key(65537, 1024), changed()), (rsa.generate_private_key(3, 2048), changed()),
                        (rsa.generate_private_key(65537, 2048), changed(alg="RSA1_5")),
                        (rsa.generate_private_key(65537, 2048), changed(n=peer.b64(b"\xc2" * 256))),
                        (large, changed(x=peer.b64(b"\1" * 66))), (large, changed(crv="P-256"))):
        answer = Client(key).attest(change)
        equal(answer.status, 401)
        equal(broker.entry(answer.request)["reason"], "attestation-malformed")


@test("a message with white space, and one without init-data, as others may write them")
def _():
    for change in (lambda body: body, lambda body: {k: v for k, v in body.items() if k != "init-data"}):
        client = Client()
        jwk = peer.jwk_of(client.key.public_key())
        evidence = processor.evidence(peer.runtime_digest(client.nonce, jwk) + bytes(16), MEASUREMENT, os.urandom(32))
        body = change({"init-data": None, "runtime-data": {"nonce": client.nonce, "tee-pubkey": jwk},
                       "tee-evidence": {"primary_evidence": evidence, "additional_evidence": ""}})
        answer = client.connection.attest(json.dumps(body), client.cookie)
        equal(answer.status, 200, f"{answer.body!r}")


@test("Debian's jose decrypts our answer")
def _():
    client = Client()
    jwe = client.release()
    with open(path("guest.jwk"), "w") as file:
        json.dump(peer.private_jwk(client.key), file)
    done = subprocess.run(["jose", "jwe", "dec", "-i", json.dumps(jwe), "-k", path("guest.jwk")], stdout=subprocess.PIPE,
                          check=True)
    equal(peer.open_release(record_key, done.stdout)["key"].hex(), broker.key)


@test("python3-jwcrypto decrypts our answer")
def _():
    client = Client()
    jwe = client.release()
    key = jwcrypto_jwk.JWK(**peer.private_jwk(client.key))
    token = jwcrypto_jwe.JWE()
    token.deserialize(json.dumps(jwe), key)
    equal(peer.open_release(record_key, token.payload)["key"].hex(), broker.key)


# ---- a client as guest-components has it (kbs.md sections 2, 7, 8, 9): it knows nothing of Postern

class Stock:
    """One key and one cookie jar for its life; attests on each 401, three times at the most; cares for no other header."""

    ERRORS = "https://github.com/confidential-containers/kbs/errors/"

    def __init__(self, at, measurement=MEASUREMENT):
        self.at, self.measurement, self.cookie, self.attested = at, measurement, None, 0
        self.key, self.report_id = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(32)

    def ask(self, method, target, body=None):
        connection = self.at.connect()  # its HTTP library keeps none that it can rely on
        headers = {"Accept": "*/*", "User-Agent": "attestation-agent-kbs-client/0.1.0"}
        if self.cookie:
            headers["Cookie"] = self.cookie
        if body is not None:
            headers["Content-Type"] = "application/json"
        answer = connection.ask(method, target, body, **{name.replace("-", "_"): value for name, value in headers.items()})
        if "set-cookie" in answer.headers:
            self.cookie = answer.cookie()
        connection.close()
        return answer

    def failure(self, answer):
        error = answer.json()
        equal(sorted(error), ["detail", "type"])
        true(error["type"].startswith(self.ERRORS), error["type"])
        return answer.status, error["type"][len(self.ERRORS):], error["detail"]

    def handshake(self):
        self.attested += 1
        request = {"version": "0.4.0", "tee": "snp",
                   "extra-params": {"supported-hash-algorithms": ["sha256", "sha384", "sha512", "sm3"]}}
        answer = self.ask("POST", "/kbs/v0/auth", json.dumps(request))
        equal(answer.status, 200)
        equal(answer.json()["extra-params"], "")
        nonce, jwk = answer.json()["nonce"], peer.jwk_of(self.key.public_key())
        true(answer.headers["set-cookie"].startswith("kbs-session-id=") and "Expires=" in answer.headers["set-cookie"],
             answer.headers["set-cookie"])
        evidence = processor.evidence(peer.runtime_digest(nonce, jwk) + bytes(16), self.measurement, self.report_id)
        answer = self.ask("POST", "/kbs/v0/attest", json.dumps({
            "init-data": None, "runtime-data": {"nonce": nonce, "tee-pubkey": jwk},
            "tee-evidence": {"primary_evidence": evidence, "additional_evidence": ""}}))
        equal(answer.status, 200, f"{answer.body!r}")
        equal(answer.json()["token"].count("."), 2)

    def get(self, resource):
        for _ in range(3):
            answer = self.ask("GET", f"/kbs/v0/resource/{resource}")
            if answer.status == 200:
                return peer.decrypt(self.key, answer.json())
            if answer.status != 401:
                break
            self.handshake()
        return self.failure(answer)


@test("a stock client gets plain secrets, attests again when its session is over, and reads refusals")
def _():
    other = Broker().serve("--session-seconds", "5")
    with open(os.open(path("passphrase"), os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write("correct horse battery staple")
    must("secret", "add", "--dir", other.directory, "--resource", "default/key/root", "--file", path("passphrase"))
    other.allow(resource="default/key/root")
    client = Stock(other)
    equal(client.get("default/key/root"), b"correct horse battery staple")
    before = client.attested
    true(before >= 1, "it asked, was refused, attested, and asked again")
    first = peer.open_release(record_key_of(other), client.get(NAME))
    for _ in range(1000):  # until the session is over, however slow this machine is
        client.get("default/key/root")
        if client.attested > before:
            break
        time.sleep(0.2)
    true(client.attested > before, "attested again, with the same key")
    again = peer.open_release(record_key_of(other), client.get(NAME))
    equal((again["key"], again["epoch"]), (first["key"], first["epoch"]), "the same launch gets the same of a volume")
    status, kind, detail = Stock(other, b"\xb6" * 48).get("default/key/root")
    equal((status, kind), (401, "PolicyDeny"))
    true("request " in detail, detail)
    equal(Stock(other).get("default/key/nothing")[:2], (401, "PolicyDeny"))
    for target, wanted in (("/kbs/v0/resource/a/b", (404, "InvalidRequestPath")), ("/kbs/v0/nebula-ca/x", (404, "PluginNotFound"))):
        equal(client.failure(client.ask("GET", target))[:2], wanted)
    equal(client.failure(client.ask("POST", "/kbs/v0/auth", json.dumps({"version": "0.2.0", "tee": "snp", "extra-params": ""}))),
          (401, "AttestationError", "KBS Client Protocol Version Mismatch: expect =0.4.0 while the request is 0.2.0"))
    equal(other.stop(), 0)


def record_key_of(at):
    return serialization.load_der_public_key(base64.b64decode(at.identity["record_key"]))


# ---- a server that is not ours, our client

class Server:
    """A broker in Python: whatever `seal` makes of a signed record is its answer."""

    def __init__(self, seal):
        self.seal, self.signer, self.key = seal, ec.generate_private_key(ec.SECP384R1()), os.urandom(64)
        self.seen, self.confirmed = {}, None
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, value, cookie=None, status=200):
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                if cookie:
                    self.send_header("Set-Cookie", f"kbs-session-id={cookie}; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                try:
                    self.answer(*server.post(self.path, body, self.headers))
                except Exception as error:  # noqa: told to the client, which reports it
                    self.answer({"type": "x/PythonError", "detail": repr(error)}, status=401)

            def do_GET(self):
                self.answer(server.get(self.path, self.headers))

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(os.path.join(broker.directory, "tls.crt"), os.path.join(broker.directory, "tls.key"))
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def post(self, target, body, headers):
        if target == "/kbs/v0/auth":
            equal((body["version"], body["tee"]), ("0.4.0", "snp"))
            true("extra-params" in body, "extra-params")
            self.nonce = os.urandom(32)
            return {"nonce": base64.b64encode(self.nonce).decode(), "extra-params": ""}, "ab" * 16
        equal(headers["Cookie"], "kbs-session-id=" + "ab" * 16, "cookie")
        if target == "/kbs/v0/attest":
            runtime, report = body["runtime-data"], body["tee-evidence"]["primary_evidence"]["attestation_report"]
            equal(runtime["nonce"], base64.b64encode(self.nonce).decode())
            equal(bytes(report["report_data"]), peer.runtime_digest(runtime["nonce"], runtime["tee-pubkey"]) + bytes(16))
            equal(body["tee-evidence"]["additional_evidence"], "")
            self.digest, self.guest = processor.verify(report), runtime["tee-pubkey"]
            return {"token": "e30.e30.e30"}, "ab" * 16
        equal(target, "/kbs/v0/postern/confirm/" + NAME)
        self.confirmed = body
        text = peer.acknowledged_text(self.nonce, self.digest, body["epoch"], NAME)
        signature = self.signer.sign(text, ec.ECDSA(hashes.SHA384()))
        return {"epoch": body["epoch"], "signature": base64.b64encode(signature).decode()}, None

    def get(self, target, headers):
        equal(target, "/kbs/v0/resource/" + NAME)
        equal(headers["Cookie"], "kbs-session-id=" + "ab" * 16, "cookie")
        return self.seal(self.guest, peer.release(self.signer, self.nonce, self.digest, 5, peer.record("data", self.key)))

    def client(self, **settings):
        spki = self.signer.public_key().public_bytes(serialization.Encoding.DER,
                                                     serialization.PublicFormat.SubjectPublicKeyInfo)
        result = broker.client(broker=f"127.0.0.1:{self.http.server_port}", record_key=base64.b64encode(spki).decode(),
                               **settings)
        self.http.shutdown()
        return result


def flattened(compact):
    """The protocol wants the ephemeral key in the protected header, where these two put it for the compact form alone."""
    return dict(zip(("protected", "encrypted_key", "iv", "ciphertext", "tag"), compact.strip().split(".")))


def sealed_by_jose(guest, plain):
    with tempfile.NamedTemporaryFile("w", suffix=".jwk", dir=path()) as key, \
            tempfile.NamedTemporaryFile(dir=path()) as data:
        json.dump(guest, key)
        key.flush()
        data.write(plain)
        data.flush()
        done = subprocess.run(["jose", "jwe", "enc", "-i", '{"protected":{"alg":"ECDH-ES+A256KW","enc":"A256GCM"}}', "-I",
                               data.name, "-k", key.name, "-c"], stdout=subprocess.PIPE, check=True)
    return flattened(done.stdout.decode())


def sealed_by_jwcrypto(guest, plain):
    token = jwcrypto_jwe.JWE(plain, json.dumps({"alg": "ECDH-ES+A256KW", "enc": "A256GCM"}))
    token.add_recipient(jwcrypto_jwk.JWK(**guest))
    return flattened(token.serialize(compact=True))


@test("our client takes a record from a broker in Python, and confirms it there")
def _():
    server = Server(peer.encrypt)
    result = server.client(confirm="yes", found=4)
    equal((result["outcome"], result.get("confirmed")), ("granted", "granted"), result["why"])
    equal((result["key"], result["epoch"]), (server.key.hex(), 5))
    equal(server.confirmed, {"epoch": 5, "found": 4})


@test("our client opens what python3-jwcrypto has sealed")
def _():
    server = Server(sealed_by_jwcrypto)
    result = server.client()
    equal(result["outcome"], "granted", result["why"])
    equal(result["key"], server.key.hex())


@test("our client opens what Debian's jose has sealed")
def _():
    server = Server(sealed_by_jose)
    result = server.client()
    equal(result["outcome"], "granted", result["why"])
    equal(result["key"], server.key.hex())


def changed(**members):
    return lambda guest, plain: peer.encrypt(guest, plain, change=lambda jwe: {**jwe, **members})


def without(name):
    return lambda guest, plain: peer.encrypt(guest, plain,
                                             change=lambda jwe: {n: v for n, v in jwe.items() if n != name})


def header(**members):
    return lambda guest, plain: peer.encrypt(guest, plain, header=members)


def respelt(guest, plain):
    """The same header in other words: not what was authenticated."""
    def change(jwe):
        head = json.loads(peer.unb64(jwe["protected"]))
        return {**jwe, "protected": peer.b64(json.dumps(head, indent=1).encode())}
    return peer.encrypt(guest, plain, change=change)


OFF_CURVE = {"kty": "EC", "crv": "P-256", "x": peer.b64(b"\1" * 32), "y": peer.b64(b"\2" * 32)}


@test("downgraded algorithms, forged keys, tampered parts: each refused with its own words")
def _():
    for seal, words in ((header(alg="RSA1_5"), 'alg "RSA1_5"'), (header(alg="dir"), 'alg "dir"'),
                        (header(alg="ECDH-ES"), 'alg "ECDH-ES"'), (header(alg="none"), 'alg "none"'),
                        (header(alg="ECDH-ES+A128KW"), 'alg "ECDH-ES+A128KW"'), (header(enc="A128GCM"), 'enc "A128GCM"'),
                        (header(enc="A256CBC-HS512"), 'enc "A256CBC-HS512"'), (header(zip="DEF"), "zip"),
                        (header(crit=["exp"]), "crit"), (header(epk=OFF_CURVE), "does not decrypt"),
                        (header(epk={**OFF_CURVE, "crv": "P-521"}), "crv"), (header(epk=None), "epk"), (respelt, "does not decrypt"),
                        (changed(tag=peer.b64(bytes(16))), "does not decrypt"), (changed(iv=peer.b64(bytes(12))), "does not decrypt"),
                        (changed(encrypted_key=peer.b64(bytes(40))), "does not decrypt"), (changed(tag=peer.b64(bytes(12))), "tag"),
                        (changed(iv=peer.b64(bytes(16))), "iv"), (changed(ciphertext=""), "ciphertext"),
                        (changed(header={"alg": "dir"}), "header"), (changed(aad="eA"), "aad"), (changed(more=1), "more"),
                        *((without(name), name) for name in ("protected", "encrypted_key", "iv", "ciphertext", "tag")),
                        (lambda guest, plain: peer.encrypt(peer.jwk_of(ec.generate_private_key(
                            ec.SECP256R1()).public_key()), plain), "does not decrypt"),
                        (lambda guest, plain: peer.encrypt(guest, plain[:-1] + bytes([plain[-1] ^ 1])), "signature"),
                        (lambda guest, plain: peer.encrypt(guest, b"a bare key of sixty-four bytes".ljust(64)),
                         "not a signed volume record")):
        result = Server(seal).client()
        equal(result["outcome"], "record", f"{words}: {result}")
        true(words in result["why"], f"{words!r} is not in {result['why']!r}")


@test("the broker ends well")
def _():
    equal(broker.stop(), 0)


main()
