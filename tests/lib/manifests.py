"""Small images, their manifests, and envelopes with anything in them, for the tests of manifests and audits."""
import base64
import json
import os
import subprocess

import keys
import tap

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POSTERN = os.path.join(TOP, "build/bin/postern")
FIRMWARE = "/builder/firmware/OVMF.amdsev.fd"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
FILES = {"kernel": b"kernel" * 1000, "initrd": b"initrd" * 1000, "cmdline": b"quiet panic=-1", "root.img": bytes(8192)}


def run(*words, cwd=None):
    return subprocess.run([POSTERN, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, cwd=cwd, timeout=60)


def refused(words, *parts, status=1, name=None, cwd=None):
    """Fails with this status and one sentence that holds all the parts."""
    before = sorted(os.listdir(cwd)) if cwd else []
    done = run(*words, cwd=cwd)
    good = (done.returncode == status and done.stdout == "" and done.stderr.count("\n") == 1
            and done.stderr.startswith("postern: ") and all(part in done.stderr for part in parts)
            and (not cwd or sorted(os.listdir(cwd)) == before))
    tap.ok(good, f"refused: {name or ' '.join(words)[:70]}: {parts[0][:50]}", f"{done.returncode} {done.stdout!r} {done.stderr!r}")


def make_image(folder):
    """firmware.fd, kernel, initrd, cmdline and root.img in `folder`."""
    os.makedirs(folder)
    with open(FIRMWARE, "rb") as file:
        keys.write(f"{folder}/firmware.fd", file.read(), 0o644)
    for name, data in FILES.items():
        keys.write(f"{folder}/{name}", data, 0o644)
    return folder


def pae(payload, kind=PAYLOAD_TYPE):
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def statement_of(path):
    """The bytes that signatures are over."""
    with open(path, encoding="utf-8") as file:
        return base64.b64decode(json.load(file)["payload"])


def envelope(payload, signers=(), kind=PAYLOAD_TYPE, encode=base64.b64encode, ids=None, signed_kind=None):
    """An envelope by a second implementation; `payload` is bytes, or a Statement."""
    if not isinstance(payload, bytes):
        payload = json.dumps(payload).encode()
    made = [keys.sign(key, pae(payload, signed_kind or kind)) for key in signers]
    ids = ids or [keys.key_id(key) for key in signers]
    return {"payload": encode(payload).decode(), "payloadType": kind,
            "signatures": [{"keyid": i, "sig": encode(s).decode()} for i, s in zip(ids, made)]}


def write_json(path, value):
    text = value if isinstance(value, str) else json.dumps(value)
    return keys.write(path, text.encode(), 0o644)
