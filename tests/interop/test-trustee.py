#!/usr/bin/env python3
"""Our client against a broker that behaves as stock Trustee does (kbs_server.py), good and bad. Prints TAP."""
import base64
import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../broker"))
from harness import CLIENT, chain, equal, main, path, test, true  # noqa: E402

import kbs_peer as peer  # noqa: E402
import kbs_server  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import padding  # noqa: E402
from jwcrypto import jwe as jwcrypto_jwe, jwk as jwcrypto_jwk  # noqa: E402

KEY = os.urandom(64)
PASSPHRASE = "abcdefghijklmnopqrstuvwxyz012345"
RESOURCES = {"resource/default/volume/key": KEY, "resource/default/volume/passphrase": PASSPHRASE.encode(),
             "resource/default/app/token": b"\0any bytes\n",
             "provisioner/default/4d3e/root": kbs_server.confdata("root", PASSPHRASE)}
processor = peer.Processor(chain())


def certificate(name):
    """A self-signed certificate, its key, and the pin."""
    key, crt = path(name + ".key"), path(name + ".crt")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=kbs", "-days", "1", "-keyout", key, "-out", crt], check=True, stderr=subprocess.DEVNULL)
    spki = subprocess.run(["openssl", "x509", "-in", crt, "-pubkey", "-noout"], check=True, stdout=subprocess.PIPE).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=spki, check=True,
                         stdout=subprocess.PIPE).stdout
    return crt, key, hashlib.sha256(der).hexdigest()


CRT, TLS_KEY, PIN = certificate("kbs")


def trustee(**more):
    return contextlib.closing(kbs_server.Trustee(CRT, TLS_KEY, RESOURCES, verify=processor.verify, **more))


def client(port, environment=None, **settings):
    values = {"broker": f"127.0.0.1:{port}", "pin": PIN, "resource": "default/volume/key", "payload": "key",
              "chain": chain(), **settings}
    done = subprocess.run([CLIENT, "release", *(f"{name.replace('_', '-')}={value}" for name, value in values.items())],
                          stdout=subprocess.PIPE, text=True, timeout=120, check=True,
                          env={**os.environ, **(environment or {})})
    return json.loads(done.stdout)


def granted(found, secret):
    equal((found["outcome"], found.get("key")), ("granted", secret.hex()), found["why"])


def ended(found, outcome, *words):
    equal(found["outcome"], outcome, f"{words}: {found}")
    true("key" not in found, "no key")
    for word in words:
        true(word in found["why"], f"{word!r} is not in {found['why']!r}")


@test("each kind of payload, as the caller expects it, from the resource store and from the provisioner")
def _():
    with trustee() as server:
        granted(client(server.port), KEY)
        granted(client(server.port, payload="passphrase", resource="default/volume/passphrase"), PASSPHRASE.encode())
        granted(client(server.port, payload="raw", resource="default/app/token"), b"\0any bytes\n")
        granted(client(server.port, payload="confdata", payload_name="root", plugin="provisioner",
                       resource="default/4d3e/root"), PASSPHRASE.encode())
        equal(server.faults, [])
        equal(server.requests[-1], ("GET", "/kbs/v0/provisioner/default/4d3e/root"))


@test("nothing is guessed: another kind than the expected one is refused, and no byte of it is shown")
def _():
    with trustee() as server:
        ended(client(server.port, resource="default/volume/passphrase"), "record", "32 bytes, expected a volume key")
        ended(client(server.port, payload="confdata", payload_name="root", resource="default/volume/passphrase"), "record",
              "expected '='")
        ended(client(server.port, payload="confdata", payload_name="home", plugin="provisioner",
                     resource="default/4d3e/root"), "record", 'no "io.cryptsetup.key.text.home"')
        for settings in ({}, {"resource": "default/volume/passphrase"}):
            found = client(server.port, **{**settings, "payload": "record", "record_key": OTHER_P384})
            ended(found, "record", "not a signed volume record")
            true(PASSPHRASE not in found["why"], "the passphrase is shown")


OTHER_P384 = base64.b64encode(subprocess.run(
    ["openssl", "pkey", "-pubout", "-outform", "DER"], check=True, stdout=subprocess.PIPE, input=subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], check=True,
        stdout=subprocess.PIPE).stdout).stdout).decode()


def by_jose(guest, plain):
    with tempfile.NamedTemporaryFile("w", dir=path()) as key, tempfile.NamedTemporaryFile(dir=path()) as data:
        json.dump(guest, key)
        key.flush()
        data.write(plain)
        data.flush()
        head = json.dumps({"protected": {"alg": guest["alg"], "enc": "A256GCM"}})
        done = subprocess.run(["jose", "jwe", "enc", "-i", head, "-I", data.name, "-k", key.name, "-c"],
                              stdout=subprocess.PIPE, check=True)
    return dict(zip(("protected", "encrypted_key", "iv", "ciphertext", "tag"), done.stdout.decode().strip().split(".")))


def by_jwcrypto(guest, plain):
    token = jwcrypto_jwe.JWE(plain, json.dumps({"alg": guest["alg"], "enc": "A256GCM"}))
    token.add_recipient(jwcrypto_jwk.JWK(**guest))
    return dict(zip(("protected", "encrypted_key", "iv", "ciphertext", "tag"), token.serialize(compact=True).split(".")))


@test("session keys on P-256 and P-521 and of RSA, sealed to by python3-cryptography, jose and python3-jwcrypto")
def _():
    for kind in ("p256", "p521", "rsa"):
        for seal in (peer.encrypt, by_jose, by_jwcrypto):
            with trustee(seal=seal) as server:
                granted(client(server.port, tee_key=kind), KEY)
                equal(server.faults, [], kind)


def header(**members):
    return lambda guest, plain: peer.encrypt(guest, plain, header=members)


def to_other(kind):
    """An answer for a key of another kind than the session's."""
    def seal(guest, plain):
        del guest
        key = {"EC": lambda: peer.ec.generate_private_key(peer.ec.SECP521R1()),
               "RSA": lambda: peer.rsa.generate_private_key(65537, 2048)}[kind]().public_key()
        if kind == "EC":
            return peer.encrypt(peer.jwk_of(key), plain)
        numbers = key.public_numbers()
        return peer.encrypt({"kty": "RSA", "alg": "RSA-OAEP-256", "n": peer.b64(numbers.n.to_bytes(256, "big")),
                             "e": "AQAB"}, plain)
    return seal


def rsa1_5(named):
    """A content key wrapped as the protocol's old versions did, under this name."""
    def seal(guest, plain):
        cek, iv = os.urandom(32), os.urandom(12)
        protected = peer.b64(json.dumps({"alg": named, "enc": "A256GCM"}, separators=(",", ":")).encode())
        sealed = peer.AESGCM(cek).encrypt(iv, plain, protected.encode())
        return {"protected": protected, "encrypted_key": peer.b64(peer.key_of(guest).encrypt(cek, padding.PKCS1v15())),
                "iv": peer.b64(iv), "ciphertext": peer.b64(sealed[:-16]), "tag": peer.b64(sealed[-16:])}
    return seal


def sha1_oaep(guest, plain):
    cek, iv = os.urandom(32), os.urandom(12)
    protected = peer.b64(b'{"alg":"RSA-OAEP-256","enc":"A256GCM"}')
    wrapped = peer.key_of(guest).encrypt(cek, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))
    sealed = peer.AESGCM(cek).encrypt(iv, plain, protected.encode())
    return {"protected": protected, "encrypted_key": peer.b64(wrapped), "iv": peer.b64(iv),
            "ciphertext": peer.b64(sealed[:-16]), "tag": peer.b64(sealed[-16:])}


OFF_CURVE = {"kty": "EC", "crv": "P-521", "x": peer.b64(b"\0" + b"\1" * 65), "y": peer.b64(b"\0" + b"\2" * 65)}


@test("downgraded algorithms, other keys, forged epk, old paddings: each refused with its own words")
def _():
    for kind, seal, words in (
            ("p256", to_other("RSA"), 'alg "RSA-OAEP-256", expected "ECDH-ES+A256KW"'), ("p256", to_other("EC"), "crv"),
            ("p521", header(alg="ECDH-ES"), 'alg "ECDH-ES"'), ("p521", header(epk=OFF_CURVE), "does not decrypt"),
            ("p521", header(epk={**OFF_CURVE, "crv": "P-256"}), "crv"),
            ("p521", header(epk={**OFF_CURVE, "x": peer.b64(b"\1" * 65)}), "65 bytes, expected 66"),
            ("rsa", rsa1_5("RSA1_5"), 'alg "RSA1_5", expected "RSA-OAEP-256"'), ("rsa", rsa1_5("RSA-OAEP-256"), "does not decrypt"),
            ("rsa", rsa1_5("RSA-OAEP"), 'alg "RSA-OAEP"'), ("rsa", sha1_oaep, "does not decrypt"),
            ("rsa", to_other("EC"), 'alg "ECDH-ES+A256KW"'), ("rsa", header(epk=OFF_CURVE), "epk: unknown member"),
            ("rsa", header(enc="A128GCM"), 'enc "A128GCM"'), ("rsa", to_other("RSA"), "does not decrypt"),
            ("rsa", lambda guest, plain: {**peer.encrypt(guest, plain), "encrypted_key": ""}, "does not decrypt")):
        with trustee(seal=seal) as server:
            ended(client(server.port, tee_key=kind), "record", words)


@test("certificates: null when the host gave none or junk, a list when it did")
def _():
    with trustee() as server:
        for certs, count in (("none", None), ("junk", 2), ("vek", 1), ("all", 2)):
            granted(client(server.port, certs=certs), KEY)
            equal(None if server.chain is None else len(server.chain), count, certs)


@test("init-data is sent as it is, and bound by HOST_DATA")
def _():
    text = 'version = "0.1.0"\nalgorithm = "sha384"\n\n[data]\n"postern.name" = \'a"b\\c\'\n'
    with trustee() as server:
        granted(client(server.port, init_data=text, host_data=hashlib.sha384(text.encode()).hexdigest()[:64]), KEY)
        equal(server.init_data, {"format": "toml", "body": text})
        ended(client(server.port, init_data=text, host_data="00" * 32), "denied", "HTTP 401 SerdeError")
        granted(client(server.port), KEY)
        equal(server.init_data, None)


# ---- every answer that the client reads, with one thing wrong

def altered(step, alter):
    """A server whose answer to one step is altered; the rest is good."""
    def change(found, status, headers, data):
        return alter(status, headers, data) if found == step else (status, headers, data)
    return trustee(change=change)


def members_changed(data):
    """Every member missing, of each wrong type, twice, too long; and one that nobody knows."""
    good = json.loads(data)
    for name in good:
        yield f"{name} missing", json.dumps({n: v for n, v in good.items() if n != name})
        for wrong in (None, 7, True, [], {}, [good[name]], {"x": good[name]}):
            yield f"{name} {wrong!r}", json.dumps({**good, name: wrong})
        yield f"{name} twice", data.decode()[:-1] + "," + json.dumps({name: good[name]})[1:]
        yield f"{name} oversized", json.dumps({**good, name: "A" * 300000})
        yield f"{name} long", json.dumps({**good, name: "A" * 9000})
        yield f"{name} empty", json.dumps({**good, name: ""})
        yield f"{name} with white space", json.dumps({**good, name: " " + str(good[name])})


def run_members(step, names, outcome):
    """The list of changes is made from a good answer first."""
    seen = []
    with altered(step, lambda status, headers, data: seen.append(data) or (status, headers, data)) as server:
        granted(client(server.port), KEY)
    changes = [(what, text) for what, text in members_changed(seen[0]) if what.split()[0] in names]
    for what, text in changes:
        # The answer differs from session to session, but none of these can be right in any.
        with altered(step, lambda status, headers, data: (status, headers, text.encode())) as server:
            found = client(server.port)
            equal(found["outcome"], "protocol" if "oversized" in what else outcome, f"{step}: {what}: {found}")
            true(found["why"], what)
    return len(changes)


@test("every member of the challenge missing, mistyped, twice, oversized")
def _():
    true(run_members("auth", ["nonce"], "protocol") == 13, "thirteen changes")
    for value in ("", {}, {"selected-hash-algorithm": "sha384"}, None):
        with altered("auth", lambda status, headers, data: (
                status, headers, json.dumps({**json.loads(data), "extra-params": value}).encode())) as server:
            granted(client(server.port), KEY)


@test("every member of the JWE missing, mistyped, twice, oversized")
def _():
    true(run_members("resource", ["protected", "encrypted_key", "iv", "ciphertext", "tag"], "record") >= 55,
         "at least eleven for each")


@test("errors of any shape are refusals, and the client survives them")
def _():
    good = json.dumps({"type": kbs_server.ERRORS + "PolicyDeny", "detail": "Access denied by policy"}).encode()
    for what, text in [("good", good.decode()), ("empty", ""), ("not JSON", "<html>"), ("list", "[]"), *members_changed(good)]:
        with altered("resource", lambda status, headers, data: (401, headers, text.encode())) as server:
            found = client(server.port)
            true(found["outcome"] == ("protocol" if "oversized" in what else "denied"), f"{what}: {found}")


# ---- classes of outcomes

@test("one line for each class of outcome")
def _():
    def status(code, **headers):
        return lambda *_: (code, headers, b"{}")
    for code in (500, 502, 504):
        with altered("auth", status(code)) as server:
            ended(client(server.port), "transport", f"the broker failed (HTTP {code})")
    for code in (429, 503):
        with altered("attest", status(code, **{"Retry-After": "9"})) as server:
            ended(client(server.port), "busy", f"the broker is busy (HTTP {code})")
    with trustee() as server:
        ended(client(server.port, resource="default/volume/none"), "denied", "PluginInternalError", "the reason is in its log")
        ended(client(server.port, plugin="nosuch"), "misconfigured", "HTTP 404", "the resource nosuch/default/volume/key")
    with trustee(version="0.5.0") as server:
        ended(client(server.port), "protocol", "protocol version 0.4.0", "expect =0.5.0")
    with altered("resource", lambda status, headers, data: (status, headers, b"[1]")) as server:
        ended(client(server.port), "record")


@test("transport errors are tried again until the broker answers; a refusal is not")
def _():
    count = []

    def change(step, status, headers, data):
        count.append(step)
        return (500, {}, b"") if len(count) < 4 else (status, headers, data)
    with trustee(change=change) as server:
        granted(client(server.port, retry="yes"), KEY)
    with altered("attest", lambda *_: (401, {}, b"{}")) as server:
        ended(client(server.port, retry="yes"), "denied")
        equal([target for _, target in server.requests], ["/kbs/v0/auth", "/kbs/v0/attest"])


@test("a redirection is named and not followed")
def _():
    with trustee() as other:
        for code in (301, 302, 303, 307, 308):
            for step in ("auth", "resource"):
                to = {"Location": f"https://127.0.0.1:{other.port}/kbs/v0/auth"}
                with altered(step, lambda *_: (code, to, b"")) as server:
                    ended(client(server.port), "misconfigured", f"sends elsewhere (HTTP {code})", "never followed")
        equal(other.requests, [])


@test("proxies of the environment are not used")
def _():
    with socket.create_server(("127.0.0.1", 0)) as proxy, trustee() as server:
        proxy.setblocking(False)
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        granted(client(server.port, environment={"no_proxy": "", "NO_PROXY": "", **dict.fromkeys(names, url)}), KEY)
        try:
            proxy.accept()
            raise AssertionError("somebody asked the proxy")
        except BlockingIOError:
            pass


@test("a broker with another key gets nothing, whatever the system trusts")
def _():
    with trustee() as server:
        bundle = {"SSL_CERT_FILE": CRT, "SSL_CERT_DIR": path()}
        ended(client(server.port, pin="11" * 32, environment=bundle), "broker key", "another key than the pinned one")
        equal(server.requests, [])


@test("an answer that drips in lasts until the deadline and no longer")
def _():
    def drip(status, headers, data):
        return status, {**headers, "Content-Length": str(len(data) + 1)}, data  # its last byte never comes
    for step in ("auth", "attest", "resource"):
        with altered(step, drip) as server:
            ended(client(server.port, deadline_ms="1500"), "transport")


# ---- several brokers

@test("the next broker is asked when one cannot be reached or fails")
def _():
    with trustee() as second:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        settings = {"next_broker": f"127.0.0.1:{second.port}", "next_pin": PIN, "deadline_ms": "4000"}
        granted(client(port, **settings), KEY)
        with altered("attest", lambda *_: (500, {}, b"")) as first:
            granted(client(first.port, **settings), KEY)
            true(len(first.requests) > 2, "the first was tried again")


@test("a broker that refuses, or is refused, is not passed over")
def _():
    def mistakes():
        yield "denied", altered("attest", lambda *_: (401, {}, b"{}")), {}
        yield "busy", altered("auth", lambda *_: (503, {"Retry-After": "60"}, b"{}")), {}
        yield "misconfigured", altered("resource", lambda *_: (404, {}, b"{}")), {}
        yield "protocol", trustee(version="0.2.0"), {}
        yield "record", trustee(seal=header(alg="dir")), {}
        yield "broker key", trustee(), {"pin": "11" * 32}
    with trustee() as second:
        for outcome, first, settings in mistakes():
            with first as server:
                ended(client(server.port, next_broker=f"127.0.0.1:{second.port}", next_pin=PIN, deadline_ms="4000",
                             **settings), outcome)
        equal(second.requests, [])


def slow_loris():
    """Never says a word after the handshake's start."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: [listener.accept() for _ in range(2)], daemon=True).start()
    return listener


@test("somebody who takes the connection and says nothing costs his share of the time")
def _():
    with slow_loris() as first, trustee() as second:
        granted(client(first.getsockname()[1], next_broker=f"127.0.0.1:{second.port}", next_pin=PIN, deadline_ms="6000"), KEY)


main()
