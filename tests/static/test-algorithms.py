#!/usr/bin/env python3
"""What OpenSSL can do in PID 1 (init/static/algorithms.c): what is listed here and nothing else, and it connects to brokers
with each kind of certificate and key exchange, openssl s_server in their place. Prints TAP."""
import hashlib
import os
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402
from ports import free_port  # noqa: E402

PROGRAM = os.path.join(TOP, "build/tests/algorithms")
WAIT_SECONDS = 60
EXPECTED = {
    "digest": "SHA1 SHA2-256 SHA2-384 SHA2-512 SHA3-256 SHA3-512 SHAKE-128 SHAKE-256 BLAKE2B-512",
    "cipher": "AES-128-GCM AES-256-GCM ChaCha20-Poly1305 AES-256-WRAP AES-256-XTS AES-256-CTR AES-256-ECB",
    "mac": "HMAC BLAKE2BMAC",
    "kdf": "HKDF TLS13-KDF SSKDF PBKDF2 ARGON2ID",
    "rand": "CTR-DRBG SEED-SRC",
    "key": "RSA RSA-PSS EC X25519 ED25519 ML-KEM-768 X25519MLKEM768 HMAC",
    "exchange": "ECDH X25519",
    "signature": "RSA ECDSA ED25519 HMAC",
    "encryption": "RSA",
    "encapsulation": "ML-KEM-768 X25519MLKEM768",
}
KINDS = {"RSA": ["rsa:2048"], "RSA with 4096 bits": ["rsa:4096"], "P-256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
         "P-384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], "P-521": ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
         "Ed25519": ["ed25519"]}
GROUPS = ["X25519MLKEM768", "x25519", "secp256r1", "secp384r1"]
SUITES = ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"]


def run(*words, data=None):
    return subprocess.run(words, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def certificate(folder, words):
    """Paths of a self-signed certificate and its key, and the pin."""
    crt, key = os.path.join(folder, "crt"), os.path.join(folder, "key")
    run("openssl", "req", "-x509", "-newkey", *words, "-nodes", "-subj", "/CN=kbs", "-days", "1", "-keyout", key, "-out", crt)
    der = run("openssl", "pkey", "-pubin", "-outform", "DER", data=run("openssl", "x509", "-in", crt, "-pubkey", "-noout"))
    return crt, key, hashlib.sha256(der).hexdigest()


def connect(made, *options):
    """What the program says of a server with these options."""
    crt, key, pin = made
    port = free_port()
    server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", crt, "-key", key, "-tls1_3",
                               "-quiet", *options], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while True:
            done = subprocess.run([PROGRAM, f"https://127.0.0.1:{port}", pin], stdout=subprocess.PIPE, text=True, check=False)
            if "refused" not in done.stdout or time.monotonic() > deadline:
                return done.stdout.strip()
            time.sleep(0.1)
    finally:
        server.kill()
        server.wait()
        server.stdin.close()


def public_key(folder, form, *words):
    """A file with a public key, and its id."""
    key, public = os.path.join(folder, "signer.key"), os.path.join(folder, "signer.pub")
    run("openssl", "genpkey", *words, "-out", key)
    run("openssl", "pkey", "-in", key, "-pubout", "-outform", form, "-out", public)
    return public, hashlib.sha256(run("openssl", "pkey", "-in", key, "-pubout", "-outform", "DER")).hexdigest()


def main():
    found = {}
    for line in run(PROGRAM).decode().splitlines():
        operation, name = line.split()
        found.setdefault(operation, []).append(name)
    for operation, names in EXPECTED.items():
        tap.same(sorted(found.pop(operation, [])), sorted(names.split()), f"{operation}: what is listed and nothing else")
    tap.same(found, {}, "no other operation")
    with tempfile.TemporaryDirectory() as folder:
        for form in "PEM", "DER":
            for words in ("EC", "-pkeyopt", "ec_paramgen_curve:P-384"), ("ed25519",):
                path, expected = public_key(folder, form, "-algorithm", *words)
                tap.same(run(PROGRAM, path).decode().strip(), expected, f"the id of a signer's key, {words[0]} in {form}")
        for name, words in KINDS.items():
            made = certificate(folder, words)
            tap.same(connect(made), "connected", f"a broker's certificate with {name}")
        for group in GROUPS:
            tap.same(connect(made, "-groups", group), "connected", f"key exchange {group}")
        for suite in SUITES:
            tap.same(connect(made, "-ciphersuites", suite), "connected", f"suite {suite}")
        tap.ok(connect(made, "-groups", "ffdhe2048") not in ("connected", ""), "key exchange ffdhe2048: refused")
        made = certificate(folder, ["ed448"])
        tap.ok(connect(made) not in ("connected", ""), "a certificate with Ed448: refused")
    tap.done()


main()
