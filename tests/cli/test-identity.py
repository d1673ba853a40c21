#!/usr/bin/env python3
"""postern broker-identity, init-data, get-resource: what they make, what python3-cryptography makes of it, and what is
refused. Prints TAP."""
import base64
import hashlib
import json
import os
import pty
import stat
import subprocess
import sys
import tempfile
import tomllib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402

POSTERN = os.path.join(TOP, "build/bin/postern")
PIN = "11" * 32


def run(*words, **more):
    return subprocess.run([POSTERN, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, **more)


def refused(status, words, *parts):
    done = run(*words)
    tap.ok(done.returncode == status and done.stderr.count("\n") == 1 and all(part in done.stderr for part in parts)
           and not done.stdout, f"refused: {' '.join(words)[:80]}", f"{done.returncode} {done.stdout!r} {done.stderr!r}")


def spki(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class Place:
    """A folder with a root key, another one, and a broker's keys."""

    def __init__(self, folder):
        self.folder = folder
        self.root, self.other = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
        self.record = ec.generate_private_key(ec.SECP384R1())
        for name, key in ("root", self.root), ("other", self.other), ("edwards", ed25519.Ed25519PrivateKey.generate()):
            self.write(name + ".key", key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                        serialization.NoEncryption()))
            self.write(name + ".pub", key.public_key().public_bytes(serialization.Encoding.PEM,
                                                                    serialization.PublicFormat.SubjectPublicKeyInfo))
        self.write("broker.json", json.dumps({"spki_sha256": PIN,
                                              "record_key": base64.b64encode(spki(self.record)).decode()}).encode())

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        os.chmod(self.path(name), 0o600)
        return self.path(name)

    def sign(self, *more, key="root.key", output="identity", first="3", last="9", broker="broker.json"):
        return ("broker-identity", "sign", self.path(broker), "--key", self.path(key), "--name", "frankfurt-1", "--url",
                "https://10.0.2.2:8443", "--first-release", first, "--last-release", last, "--output", self.path(output), *more)

    def verify(self, name="identity", key="root.pub", release="5"):
        return ("broker-identity", "verify", self.path(name), "--key", self.path(key), "--release", release)


def test_identities(place):
    done = run(*place.sign("--url", "https://[fd00::2]:443", "--spki_sha256", "22" * 32))
    tap.same((done.returncode, done.stdout, done.stderr), (0, "", ""), "sign says nothing when all is well")
    with open(place.path("identity"), encoding="ascii") as file:
        envelope = json.load(file)
    payload = base64.b64decode(envelope["payload"])
    place.root.public_key().verify(base64.b64decode(envelope["signature"]), b"PSTNIDN1" + payload, ec.ECDSA(hashes.SHA384()))
    said = json.loads(payload)
    tap.same(said, {"version": 1, "name": "frankfurt-1", "addresses": ["https://10.0.2.2:8443", "https://[fd00::2]:443"],
                    "spki_sha256": [PIN, "22" * 32], "record_key": base64.b64encode(spki(place.record)).decode(),
                    "releases": {"first": 3, "last": 9}}, "python3-cryptography verifies it; it says what was asked for")
    tap.ok(payload == json.dumps(said, sort_keys=True, separators=(",", ":")).encode(), "the payload is canonical JSON")
    done = run(*place.verify(), "--json")
    tap.same((done.returncode, done.stdout), (0, payload.decode() + "\n"), "verify --json gives what was signed")
    done = run(*place.verify())
    tap.ok(done.returncode == 0 and "releases   3 to 9" in done.stdout and "https://[fd00::2]:443" in done.stdout,
           "verify shows it", done.stdout)
    for release in "2", "10":
        refused(2, place.verify(release=release), "for releases 3 to 9", f"this image is release {release}")
    refused(2, place.verify(key="other.pub"), "not signed by the root key")
    theirs = place.root.sign(b"PSTNIDN1" + payload, ec.ECDSA(hashes.SHA384()))
    place.write("theirs", json.dumps({"payload": envelope["payload"], "signature": base64.b64encode(theirs).decode()}).encode())
    tap.same(run(*place.verify("theirs")).returncode, 0, "an identity that python3-cryptography has signed holds")
    try:
        place.other.public_key().verify(theirs, b"PSTNIDN1" + payload, ec.ECDSA(hashes.SHA384()))
        tap.ok(False, "control: another key does not verify")
    except InvalidSignature:
        tap.ok(True, "control: another key does not verify")


def test_bad_signing(place):
    refused(1, place.sign(key="edwards.key"), "edwards.key", "expected P-384")
    refused(1, place.sign(key="root.pub"), "root.pub", "a public key")
    refused(1, place.sign(first="9", last="3"), "the last is before the first")
    refused(1, place.sign("--url", "https://broker:1"), '--url "https://broker:1"', "literal address")
    refused(1, place.sign("--spki_sha256", "22"), "--spki_sha256", "64 hexadecimal digits")
    refused(1, place.sign("--name", "b"), "--name")
    place.write("half.json", b'{"spki_sha256":"' + PIN.encode() + b'"}')
    refused(1, place.sign(broker="half.json"), "half.json", "record_key: missing")
    refused(1, place.sign(broker="none.json"), "none.json", "No such file")
    refused(1, ("broker-identity", "sign"), "--key")
    refused(1, ("broker-identity", "root", place.path("edwards.pub"), "--release", "1"), "expected P-384")
    tap.ok(not os.path.exists(place.path("no")), "nothing is left behind")
    done = run("broker-identity", "root", place.path("root.pub"), "--release", "7")
    tap.same(json.loads(done.stdout), {"key": base64.b64encode(spki(place.root)).decode(), "release": 7},
             "root prints the configuration's member")


def test_init_data(place):
    out = place.path("init.toml")
    done = run("init-data", "create", out, "--name", "shop-7", "--resource", "kbs+provisioner:///default/x/root",
               "--identity", place.path("identity"), "--identity", place.path("theirs"))
    with open(out, "rb") as file:
        text = file.read()
    tap.same((done.returncode, done.stdout), (0, hashlib.sha256(text).hexdigest() + "\n"), "create prints the HOST_DATA")
    data = tomllib.loads(text.decode())
    with open(place.path("identity"), encoding="ascii") as file:
        tap.same((data["version"], data["algorithm"], data["data"]["postern.name"],
                  data["data"]["postern.broker-identity.1"]), ("0.1.0", "sha256", "shop-7", file.read()),
                 "another TOML parser reads the same")
    tap.same(run("init-data", "check", out).stdout, done.stdout, "check prints the same")
    bad = place.write("bad.toml", text + b'"brokers" = "https://10.0.2.2:1"\n')
    refused(1, ("init-data", "check", bad), "bad.toml", "brokers: not for init-data to set")
    refused(1, ("init-data", "check", place.write("binary", b"\0" * 16)), "line 1")
    refused(1, ("init-data", "check", place.path("none")), "No such file")
    refused(1, ("init-data", "create", place.path("no"), "--name", "Shop"), "postern.name")
    refused(1, ("init-data", "create", place.path("no"), "--name", 'a"\n"brokers" = "x'), "init-data")
    refused(1, ("init-data", "create", place.path("no"), "--resource", "https://x/a/b/c"), "trustee.kbs.resource")
    refused(1, ("init-data", "create", place.path("no"), "--identity", place.write("quotes", b"'''\nx = '''")), "'''")
    tap.ok(not os.path.exists(place.path("no")), "what a guest would refuse is not written")


GET = ("get-resource", "--url", "https://127.0.0.1:1", "--path", "default/app/token")


def test_get_resource(place):
    out = place.path("secret")
    for more, parts in (
            ((), ("--spki_sha256 or --cert-file: missing",)),
            (("--spki_sha256", "11"), ('--spki_sha256 "11"', "64 hexadecimal digits")),
            (("--cert-file", place.path("root.pub")), ("root.pub", "no certificate in PEM")),
            (("--spki_sha256", PIN, "--payload", "guess"), ('--payload "guess"', "expected raw, key")),
            (("--spki_sha256", PIN, "--tee-key", "x25519"), ('--tee-key "x25519"', "expected p256, p521 or rsa")),
            (("--spki_sha256", PIN, "--payload", "confdata"), ("--payload-name",)),
            (("--spki_sha256", PIN, "--payload", "record"), ("--record-key",)),
            (("--spki_sha256", PIN, "--payload", "record", "--record-key", place.path("edwards.pub")), ("expected P-384",)),
            (("--spki_sha256", PIN, "--print"), ("--print, --base64: for standard output",)),
            (("--spki_sha256", PIN, "--init-data", place.write("nul", b"a\0b")), ("a NUL is no part of TOML",)),
            (("--spki_sha256", PIN, "--timeout", "0"), ("--timeout",))):
        refused(1, (*GET, "--output", out, *more), *parts)
    refused(1, ("get-resource", "--url", "http://127.0.0.1:1", "--path", "a/b/c", "--spki_sha256", PIN, "--output", out),
            '--url "http://127.0.0.1:1"', "literal address")
    refused(1, ("get-resource", "--url", "https://127.0.0.1:1", "--path", "a/b", "--spki_sha256", PIN, "--output", out),
            '--path "a/b"')
    refused(2, (*GET, "--spki_sha256", PIN, "--output", out, "--timeout", "1"), "transport: 127.0.0.1:1: cannot be reached")
    tap.ok(not os.path.exists(out), "no file is left")
    leader, follower = pty.openpty()
    done = subprocess.run([POSTERN, *GET, "--spki_sha256", PIN], stdin=follower, stdout=follower, stderr=subprocess.PIPE,
                          text=True, check=False)
    tap.ok(done.returncode == 1 and "standard output is a terminal: --output FILE, or --print" in done.stderr,
           "a secret is not asked for when it would go to a terminal", done.stderr)
    os.close(leader)
    os.close(follower)


def main():
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="postern-cli.") as folder:
        place = Place(folder)
        test_identities(place)
        test_bad_signing(place)
        test_init_data(place)
        test_get_resource(place)
        tap.same(stat.S_IMODE(os.stat(place.path("identity")).st_mode), 0o644, "identities are public")
    tap.done()


main()
