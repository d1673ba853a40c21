#!/usr/bin/env python3
"""postern id-block and postern generate key-digest, against a second implementation of the layout. Prints TAP."""
import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import keys  # noqa: E402
import tap  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature  # noqa: E402
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption  # noqa: E402

POSTERN = os.path.join(TOP, "build/bin/postern")
FIRMWARE = "/builder/firmware/OVMF.amdsev.fd"
DIGEST = "07" * 16 + "ab" * 32


def run(*words, cwd=None):
    return subprocess.run([POSTERN, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, cwd=cwd)


def refused(words, *parts, cwd=None):
    before = sorted(os.listdir(cwd)) if cwd else []
    done = run(*words, cwd=cwd)
    good = (done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
            and all(part in done.stderr for part in parts) and (not cwd or sorted(os.listdir(cwd)) == before))
    tap.ok(good, f"refused: {' '.join(words)[:60]}: {parts[0][:50]}", f"{done.returncode} {done.stdout!r} {done.stderr!r}")


def key_bytes(key):
    point = key.public_key().public_numbers()
    numbers = point.x.to_bytes(72, "little") + point.y.to_bytes(72, "little")
    return ((2).to_bytes(4, "little") + numbers).ljust(1028, b"\0")


def check_signature(key, data, signature):
    """Both numbers little-endian in 72 bytes, the rest zero, and the signature holds."""
    r, s = (int.from_bytes(signature[i:i + 72], "little") for i in (0, 72))
    key.public_key().verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA384()))
    return not any(signature[144:])


def check_blocks(block, auth, digest, id_key, author, name, **fields):
    """The layout of the ABI specification, byte by byte."""
    expected = bytes.fromhex(digest) + fields.get("family", bytes(16)) + fields.get("image", bytes(16))
    expected += (1).to_bytes(4, "little") + fields.get("svn", 0).to_bytes(4, "little")
    expected += fields.get("policy", 0x30000).to_bytes(8, "little")
    tap.same(block.hex(), expected.hex(), f"{name}: the ID block has every field where it belongs")
    good = len(auth) == 4096 and auth[0:4] == b"\1\0\0\0" and not any(auth[8:0x40])
    good = good and check_signature(id_key, block, auth[0x40:0x240]) and auth[0x240:0x644] == key_bytes(id_key)
    if author:
        good = good and auth[4:8] == b"\1\0\0\0" and check_signature(author, key_bytes(id_key), auth[0x680:0x880])
        good = good and auth[0x880:0xc84] == key_bytes(author) and not any(auth[0xc84:])
    else:
        good = good and not any(auth[4:8] + auth[0x680:])
    tap.ok(good and not any(auth[0x644:0x680]), f"{name}: so has the ID authentication, and its signatures hold")


def parameters(line):
    """QEMU's parameters as a dictionary."""
    return dict(part.split("=", 1) for part in line.split(","))


def digest_of(key):
    return hashlib.sha384(key_bytes(key)).hexdigest()


def test_one(folder, id_key, author):
    right = ["id-block", "--idkey", f"{folder}/id.pem"]
    done = run(*right, "--measurement", DIGEST)
    lines = done.stdout.splitlines()
    made = parameters(lines[0])
    tap.same((done.returncode, done.stderr, list(made)), (0, "", ["id-block", "id-auth", "author-key-enabled", "policy"]),
             "QEMU's parameters stand on the first line")
    tap.same((made["author-key-enabled"], made["policy"]), ("off", "0x30000"), "without an author key, policy 0x30000")
    check_blocks(base64.b64decode(made["id-block"]), base64.b64decode(made["id-auth"]), DIGEST, id_key, None, "plain")
    tap.same(lines[1:], [f"id_key_digest: {digest_of(id_key)}"], "then the key's digest")
    tap.same(run(*right, "--measurement", DIGEST).stdout, done.stdout, "the same inputs give the same bytes")
    for spelling in "0x" + DIGEST.upper(), base64.b64encode(bytes.fromhex(DIGEST)).decode():
        tap.same(run(*right, "--measurement", spelling).stdout, done.stdout, f"the digest as {spelling[:10]}…")
    full = [*right, "--measurement", DIGEST, "--authorkey", f"{folder}/author.pem", "--policy", "0xb0000", "--svn",
            "4294967295", "--family-id", "0123456789abcdef", "--image-id", "00" * 15 + "ff", "--json", "--id-file",
            f"{folder}/block", "--auth-file", f"{folder}/auth"]
    done = run(*full)
    made = json.loads(done.stdout)
    tap.ok("allows debugging" in done.stderr, "a policy that allows debugging is warned of", done.stderr)
    check_blocks(base64.b64decode(made["id_block"]), base64.b64decode(made["id_auth"]), DIGEST, id_key, author,
                 "every field", family=b"0123456789abcdef", image=bytes(15) + b"\xff", svn=0xffffffff, policy=0xb0000)
    tap.same((made["id_key_digest"], made["author_key_digest"], made["measurement"], made["policy"], made["guest_svn"]),
             (digest_of(id_key), digest_of(author), DIGEST, 0xb0000, 0xffffffff), "as JSON, with both digests")
    with open(f"{folder}/block", encoding="ascii") as block, open(f"{folder}/auth", encoding="ascii") as auth:
        tap.same((block.read(), auth.read()), (made["id_block"], made["id_auth"]), "--id-file and --auth-file")
    os.unlink(f"{folder}/block")
    os.unlink(f"{folder}/auth")


def test_snpguests_words(folder):
    """`generate id-block` and `generate key-digest` with snpguest's arguments."""
    ours = run("id-block", "--idkey", f"{folder}/id.pem", "--authorkey", f"{folder}/author.pem", "--measurement", DIGEST,
               "--svn", "3", "--policy", "0x30000", "--family-id", "11" * 16, "--image-id", "22" * 16)
    words = ["generate", "id-block", f"{folder}/id.pem", f"{folder}/author.pem", "0x" + DIGEST]
    done = run(*words, "-f", "11" * 16, "-m", "22" * 16, "-v", "1", "-s", "3", "-p", "0x30000", "-i", f"{folder}/block",
               "-a", f"{folder}/auth")
    tap.same((done.returncode, done.stdout), (0, ours.stdout), "generate id-block makes what id-block makes")
    made = parameters(done.stdout.splitlines()[0])
    with open(f"{folder}/block", encoding="ascii") as block, open(f"{folder}/auth", encoding="ascii") as auth:
        tap.same((block.read(), auth.read()), (made["id-block"], made["id-auth"]), "and writes its files")
    os.unlink(f"{folder}/block")
    os.unlink(f"{folder}/auth")
    refused(words[:4], "the launch digest is missing", cwd=folder)
    refused(words[:3], "the author key is missing", cwd=folder)
    refused([*words, "-v", "2"], "--version", cwd=folder)
    done = run("generate", "key-digest", f"{folder}/id.pem", "-d", f"{folder}/digest")
    with open(f"{folder}/digest", encoding="ascii") as digest:
        tap.same(digest.read() + "\n", done.stdout, "generate key-digest -d")
    os.unlink(f"{folder}/digest")


def test_measured(folder):
    launch = ["--ovmf", FIRMWARE, "--vcpu-type", "EPYC-Milan", "--vcpus", "3"]
    measured = run("measure", *launch).stdout.strip()
    made = run("id-block", "--idkey", f"{folder}/id.pem", *launch).stdout
    tap.ok(made and made == run("id-block", "--idkey", f"{folder}/id.pem", "--measurement", measured).stdout,
           "a launch that is measured gives what its digest gives")


def test_rows(folder, id_key, author):
    image = f"{folder}/image"
    os.mkdir(image)
    for name in "kernel", "initrd", "cmdline", "root.img":
        keys.write(f"{image}/{name}", name.encode(), 0o644)
    with open(FIRMWARE, "rb") as file:
        keys.write(f"{image}/firmware.fd", file.read(), 0o644)
    tap.same(run("manifest", "create", image, "--vcpus", "1-3").returncode, 0, "control: a manifest")
    manifest = f"{image}/manifest.json"
    right = ["id-block", "--idkey", f"{folder}/id.pem", "--authorkey", f"{folder}/author.pem", "--manifest", manifest]
    rows = json.loads(run("manifest", "show", manifest, "--json").stdout)["predicate"]["rows"]
    made = [json.loads(line) for line in run(*right, "--json").stdout.splitlines()]
    tap.same([(m["measurement"], m["vcpu_type"], m["vcpus"]) for m in made],
             [(r["digest"], r["vcpu_type"], r["vcpus"]) for r in rows], "an ID block for each row of a manifest")
    check_blocks(base64.b64decode(made[-1]["id_block"]), base64.b64decode(made[-1]["id_auth"]), rows[-1]["digest"],
                 id_key, author, "the last row")
    lines = run(*right, "--vcpus", "2", "--vcpu-type", "EPYC-Milan").stdout.splitlines()
    tap.ok(lines[0].startswith("QEMU EPYC-Milan vcpus=2 features=0x1 id-block=") and len(lines) == 3,
           "--vcpus and --vcpu-type choose rows", lines)
    refused([*right, "--vcpus", "4"], "has no such row")
    refused([*right, "--id-file", "x"], "one file has no room for many ID blocks", cwd=folder)


def test_keys(folder, id_key, author):
    """Every form of a P-384 key, and what is none."""
    digest = digest_of(id_key)
    forms = {"PKCS#8 PEM": (keys.PEM, keys.PKCS8), "PKCS#8 DER": (keys.DER, keys.PKCS8),
             "SEC1 PEM": (keys.PEM, keys.SEC1), "SEC1 DER": (keys.DER, keys.SEC1)}
    path = f"{folder}/form"
    for name, (encoding, form) in forms.items():
        keys.write_private(path, id_key, encoding, form)
        tap.same(run("generate", "key-digest", path).stdout, digest + "\n", f"key-digest of a private key in {name}")
        tap.ok(f"id_key_digest: {digest}" in run("id-block", "--idkey", path, "--measurement", DIGEST).stdout,
               f"id-block with a key in {name}")
    for name, encoding in ("PEM", keys.PEM), ("DER", keys.DER):
        keys.write_public(path, id_key, encoding)
        tap.same(run("generate", "key-digest", path).stdout, digest + "\n", f"key-digest of a public key in {name}")
    tap.same(run("generate", "key-digest", path, "--output-format", "base64").stdout.strip(),
             base64.b64encode(bytes.fromhex(digest)).decode(), "as base64: of the bytes, not of the digits")
    tap.same(json.loads(run("generate", "key-digest", path, "--output-format", "json").stdout), {"key_digest": digest},
             "as JSON")
    run("generate", "key-digest", path, "--key-digest-file", f"{folder}/digest")
    with open(f"{folder}/digest", encoding="ascii") as file:
        tap.same(file.read(), digest, "--key-digest-file")
    right = ["id-block", "--measurement", DIGEST, "--idkey"]
    os.chmod(path, 0o600)
    refused([*right, path], "no private key in PEM or DER")
    keys.write_public(path, id_key)
    refused([*right, path], "others may read or change it")
    os.chmod(path, 0o600)
    refused([*right, path], "a public key, but signing takes the private one")
    for mode in 0o640, 0o604, 0o660:
        keys.write_private(path, id_key, mode=mode)
        refused([*right, path], f"mode is 0{mode:o}: others may read or change it; chmod 600 it")
        refused(["generate", "key-digest", path], "others may read or change it")
    keys.write_private(path, id_key, encryption=BestAvailableEncryption(b"secret"))
    refused([*right, path], "the key is encrypted; openssl pkey -in")
    keys.write_private(path, ec.generate_private_key(ec.SECP256R1()))
    refused([*right, path], "the key is EC, expected P-384")
    keys.write_private(path, keys.make_ed25519())
    refused([*right, path], "the key is ED25519, expected P-384")
    refused(["generate", "key-digest", path], "expected P-384")
    keys.write(path, b"nonsense")
    refused([*right, path], "no private key in PEM or DER")
    keys.write(path, b"")
    refused([*right, path], "is empty")
    keys.write(path, bytes(8193))
    refused([*right, path], "larger than 8192 bytes")
    refused([*right, "/nonexistent"], "/nonexistent: cannot be opened")
    refused([*right, folder], "not a regular file")
    refused([*right, f"{folder}/id.pem", "--authorkey", "/nonexistent"], "/nonexistent: cannot be opened")
    tap.ok(author is not id_key, "control: two keys")


def test_misuse(folder):
    right = ["id-block", "--idkey", f"{folder}/id.pem"]
    refused(["id-block", "--measurement", DIGEST], "--idkey is missing")
    refused(right, "one of --measurement, --manifest and --ovmf")
    refused([*right, "--measurement", DIGEST, "--manifest", "x"], "one of --measurement, --manifest and --ovmf")
    refused([*right, "--measurement", DIGEST[1:]], "is no launch digest, expected 96 hexadecimal digits")
    refused([*right, "--measurement", DIGEST + "00"], "is no launch digest")
    refused([*right, "--measurement", base64.b64encode(bytes(47)).decode()], "is no launch digest")
    refused([*right, "--measurement", base64.b64encode(DIGEST.encode()).decode()], "is no launch digest")
    refused([*right, "--measurement", DIGEST, "--kernel", "k"], "go with --ovmf")
    refused([*right, "--measurement", DIGEST, "--vcpus", "2"], "the digest is of one launch already")
    refused([*right, "--measurement", DIGEST, "--policy", "0x10000"], "bit 17 is not set")
    refused([*right, "--measurement", DIGEST, "--policy", "0x4030000"], "bits above 25 are set")
    refused([*right, "--measurement", DIGEST, "--svn", "4294967296"], "expected a number")
    refused([*right, "--measurement", DIGEST, "--family-id", "short"], '"short" has 5 characters, expected 16')
    refused([*right, "--measurement", DIGEST, "--image-id", "0" * 31 + "g"], "--image-id", "expected 16 characters or 32")
    refused([*right, "--measurement", DIGEST, "--id-file", "b", "--auth-file", "no/a"], "no/a", cwd=folder)
    refused([*right, "--manifest", "/nonexistent"], "/nonexistent: cannot be opened")
    refused(["generate", "key-digest"], "which key?")
    refused(["generate", "key-digest", f"{folder}/id.pem", "--output-format", "xml"], "expected hex, base64 or json")


def test_documented_commands():
    """The commands that postern-id-block(1) gives for making keys do what it says."""
    with open(os.path.join(TOP, "docs/man/postern-id-block.1"), encoding="utf-8") as file:
        commands = re.findall(r"^(?:openssl|postern) .*(?:\\e\n.*)*", file.read(), re.M)
    commands = [command.replace("\\e\n", "").replace("\\-", "-") for command in commands]
    tap.ok(len(commands) >= 5, "postern-id-block(1) has commands", commands)
    with tempfile.TemporaryDirectory(prefix="postern-doc.") as folder:
        environment = {"PATH": f"{TOP}/build/bin:{os.environ['PATH']}", "DIGEST": DIGEST}
        for command in commands:
            done = subprocess.run(["sh", "-c", command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, env=environment, stdin=subprocess.DEVNULL, check=False)
            tap.ok(done.returncode == 0, f"works as documented: {command[:70]}", done.stderr)


def main():
    id_key, author = keys.p384(), keys.p384()
    with tempfile.TemporaryDirectory(prefix="postern-id.") as folder:
        keys.write_private(f"{folder}/id.pem", id_key)
        keys.write_private(f"{folder}/author.pem", author, form=keys.SEC1)
        test_one(folder, id_key, author)
        test_snpguests_words(folder)
        test_measured(folder)
        test_keys(folder, id_key, author)
        test_rows(folder, id_key, author)
        test_misuse(folder)
    test_documented_commands()
    tap.done()


main()
