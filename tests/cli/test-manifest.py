#!/usr/bin/env python3
"""postern manifest create, sign, verify, show, lookup: what they make, what others make of it, and what is refused.

Envelopes are made and verified a second time, with python3-cryptography. Prints TAP.
"""
import base64
import copy
import hashlib
import json
import os
import shutil
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import keys  # noqa: E402
import tap  # noqa: E402
from manifests import (FILES, FIRMWARE, PAYLOAD_TYPE, envelope, make_image, pae, refused, run, statement_of,  # noqa: E402
                       write_json)


def test_create(folder):
    image = make_image(f"{folder}/image")
    done = run("manifest", "create", image, "--vcpus", "1-3,8")
    tap.same((done.returncode, done.stdout, done.stderr), (0, "", ""), "create says nothing when all is well")
    with open(f"{image}/manifest.json", encoding="utf-8") as file:
        text = file.read()
    whole = json.loads(text)
    tap.same((whole["payloadType"], whole["signatures"], text.count("\n")), (PAYLOAD_TYPE, [], 1),
             "an envelope without signatures, on one line")
    payload = base64.b64decode(whole["payload"])
    statement = json.loads(payload)
    canonical = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    tap.ok(payload == canonical, "the Statement is canonical JSON")
    names = {s["name"]: (s["digest"]["sha256"], s["annotations"]["size"]) for s in statement["subject"]}
    with open(FIRMWARE, "rb") as file:
        expected = {**FILES, "firmware.fd": file.read()}
    tap.same(names, {n: (hashlib.sha256(d).hexdigest(), len(d)) for n, d in expected.items()}, "subjects: hashes and sizes")
    predicate = statement["predicate"]
    tap.same(predicate["inputs"], {"cmdline": "quiet panic=-1", "firmware": "firmware.fd", "initrd": "initrd",
                                   "kernel": "kernel"}, "inputs name the subjects")
    rows = predicate["rows"]
    tap.same(len(rows), 4 * len(predicate["matrix"]["cpus"]), "a row for each count and CPU")
    for row in rows[0], rows[7], rows[-1]:
        digest = run("measure", "--ovmf", FIRMWARE, "--kernel", f"{image}/kernel", "--initrd", f"{image}/initrd",
                     "--append", "quiet panic=-1", "--vcpus", str(row["vcpus"]), "--vcpu-type", row["vcpu_type"])
        tap.same(digest.stdout.strip(), row["digest"], f"row {row['vcpu_type']}, {row['vcpus']}: what measure says")
    run("manifest", "create", image, "--vcpus", "1-3,8", "--output", f"{folder}/again")
    with open(f"{folder}/again", encoding="utf-8") as file:
        tap.ok(file.read() == text, "made again, it is the same bytes")
    full = run("manifest", "create", image, "--output", f"{folder}/full")
    count = len(json.loads(statement_of(f"{folder}/full"))["predicate"]["rows"])
    tap.ok(full.returncode == 0 and count == 512 * len(predicate["matrix"]["cpus"]), "by default the whole table", count)
    write_json(f"{image}/lock.json", {"version": 1, "inputs": [
        {"name": "gcc-14", "version": "14.2"}, {"name": "zstd", "version": "1.5"}, {"name": "bash", "version": "5"}]})
    run("manifest", "create", image, "--vcpus", "1", "--vmm-type", "QEMU,ec2", "--guest-features", "0x1,0x21",
        "--artefact", "extra", "--output", f"{folder}/none")
    tap.ok(not os.path.exists(f"{folder}/none"), "an artefact that is missing: nothing is written")
    keys.write(f"{image}/extra", b"extra", 0o644)
    run("manifest", "create", image, "--vcpus", "1", "--vmm-type", "QEMU,ec2", "--guest-features", "0x1,0x21",
        "--artefact", "extra", "--output", f"{folder}/more")
    more = json.loads(statement_of(f"{folder}/more"))
    tap.same([s["name"] for s in more["subject"]],
             ["cmdline", "extra", "firmware.fd", "initrd", "kernel", "lock.json", "root.img"], "--artefact; the lock file")
    tap.same((more["predicate"]["inputs"]["lock"], [t["name"] for t in more["predicate"]["tools"]]),
             ("lock.json", ["gcc-14", "postern", "zstd"]), "tools with their versions come from the lock file")
    tap.same([(r["vmm"], r.get("vcpu_type"), r["guest_features"]) for r in more["predicate"]["rows"]][-2:],
             [("ec2", None, 1), ("ec2", None, 33)], "EC2's rows have no CPU signature")
    os.unlink(f"{image}/lock.json")
    os.unlink(f"{image}/extra")
    return image


def test_create_refusals(folder, image):
    right = ["manifest", "create", image, "--output", f"{folder}/none"]
    refused([*right, "--artefact", "../image/kernel"], '"../image/kernel" is no file name')
    refused([*right, "--artefact", "/etc/passwd"], "is no file name")
    refused([*right, "--artefact", "kernel"], '"kernel" is in the manifest already')
    refused([*right, "--artefact", "nothing"], "nothing: is missing")
    refused([*right, "--vcpus", "0"], "--vcpus")
    refused([*right, "--vcpus", "1-513"], "--vcpus")
    os.symlink("kernel", f"{image}/link")
    refused([*right, "--artefact", "link"], "link: is a symbolic link, expected the file itself")
    os.unlink(f"{image}/link")
    os.mkfifo(f"{image}/pipe")
    refused([*right, "--artefact", "pipe"], "pipe: is no regular file")
    os.unlink(f"{image}/pipe")
    copy_of = shutil.copytree(image, f"{folder}/copy")
    keys.write(f"{copy_of}/firmware.fd", bytes(8192), 0o644)
    refused(["manifest", "create", copy_of], "firmware.fd: ")
    shutil.copy(FIRMWARE, f"{copy_of}/firmware.fd")
    write_json(f"{copy_of}/lock.json", "{\"inputs\":[{\"name\":\"gcc\"}]}")
    refused(["manifest", "create", copy_of], "lock.json: inputs[0].version: missing")
    write_json(f"{copy_of}/lock.json", "{}")
    refused(["manifest", "create", copy_of], "lock.json: inputs: missing")
    os.unlink(f"{copy_of}/lock.json")
    keys.write(f"{copy_of}/cmdline", b"two\nlines", 0o644)
    refused(["manifest", "create", copy_of], "cmdline: holds a newline or NUL")
    keys.write(f"{copy_of}/cmdline", b"\xff\xfe", 0o644)
    refused(["manifest", "create", copy_of, "--output", f"{folder}/none"], "not acceptable as JSON")
    refused(["manifest", "create", "/nonexistent"], "/nonexistent/firmware.fd: No such file")
    tap.ok(not os.path.exists(f"{folder}/none"), "nothing was left behind")
    shutil.rmtree(copy_of)


def test_sign(folder, image, signers):
    manifest = shutil.copy(f"{image}/manifest.json", f"{folder}/signed.json")
    for name, key in signers.items():
        done = run("manifest", "sign", manifest, "--key", f"{folder}/{name}.key")
        tap.ok(done.returncode == 0 and keys.key_id(key) in done.stdout, f"signed by {name}", done.stdout + done.stderr)
    with open(manifest, encoding="utf-8") as file:
        text = file.read()
    whole = json.loads(text)
    payload = base64.b64decode(whole["payload"])
    tap.ok(payload == statement_of(f"{image}/manifest.json"), "signing leaves the Statement as it was")
    tap.ok(all(keys.verifies(key, pae(payload), base64.b64decode(s["sig"])) and s["keyid"] == keys.key_id(key)
               for key, s in zip(signers.values(), whole["signatures"])), "others verify these signatures")
    done = run("manifest", "sign", manifest, "--key", f"{folder}/a.key")
    with open(manifest, encoding="utf-8") as file:
        tap.ok("was signed already" in done.stdout and file.read() == text, "signed again: nothing changes")
    shutil.copy(f"{image}/manifest.json", f"{folder}/second.json")
    for name in signers:
        run("manifest", "sign", f"{folder}/second.json", "--key", f"{folder}/{name}.key")
    with open(f"{folder}/second.json", encoding="utf-8") as file:
        tap.ok(file.read() == text, "the same keys give the same bytes")
    run("manifest", "sign", f"{image}/manifest.json", "--key", f"{folder}/a.key", "--output", f"{folder}/out.json")
    tap.same((len(json.load(open(f"{folder}/out.json", encoding="utf-8"))["signatures"]),
              json.load(open(f"{image}/manifest.json", encoding="utf-8"))["signatures"]), (1, []), "--output")
    right = ["manifest", "sign", manifest, "--key"]
    refused(["manifest", "sign", "--key", "k"], "which manifest?")
    refused(["manifest", "sign", manifest], "--key is missing")
    refused([*right, f"{folder}/a.pub"], "others may read or change it")
    os.chmod(f"{folder}/a.key", 0o644)
    refused([*right, f"{folder}/a.key"], "mode is 0644: others may read or change it; chmod 600 it")
    os.chmod(f"{folder}/a.key", 0o600)
    refused([*right, keys.write_private(f"{folder}/odd", keys.ec.generate_private_key(keys.ec.SECP256R1()))],
            "the key is EC, expected P-384 or Ed25519")
    refused(["manifest", "sign", "/nonexistent", "--key", f"{folder}/a.key"], "/nonexistent: cannot be opened")
    write_json(f"{folder}/odd.json", envelope(b"{}"))
    refused(["manifest", "sign", f"{folder}/odd.json", "--key", f"{folder}/a.key"], "_type: missing")
    return manifest


def key_options(folder, *names):
    return [word for name in names for word in ("--key", f"{folder}/{name}.pub")]


def test_verify(folder, manifest, signers):
    verify = ["manifest", "verify", manifest]
    done = run(*verify, *key_options(folder, "a", "b"))
    tap.ok(done.returncode == 0 and "2 of 2 keys have signed" in done.stdout, "by default all keys", done.stdout)
    made = json.loads(run(*verify, *key_options(folder, "a", "b", "stranger"), "--threshold", "2", "--json").stdout)
    tap.same(([k["signed"] for k in made["keys"]], made["verified"], made["other_signatures"]),
             ([True, True, False], True, 0), "2 of 3, as JSON")
    refused([*verify, *key_options(folder, "a", "stranger")], "1 of the 2 given keys signed it, 2 are asked for", status=2)
    refused([*verify, *key_options(folder, "stranger")], "0 of the 1 given keys", "2 of its 2 signatures are by other keys",
            status=2)
    refused([*verify, *key_options(folder, "a", "a"), "--threshold", "2"], "more than the 1 different keys")
    keys.write_public(f"{folder}/a-der.pub", signers["a"], keys.DER)
    refused([*verify, *key_options(folder, "a", "a-der"), "--threshold", "2"], "more than the 1 different keys",
            name="one key in two forms")
    refused([*verify], "--key is missing: whose signature counts?")
    refused([*verify, "--threshold", "1"], "--threshold without --key")
    refused([*verify, "--key", f"{folder}/a.key"], "a private key; verifying takes the public one")
    refused([*verify, "--key", f"{folder}/a.pub", "--threshold", "0"], "--threshold")
    refused(["manifest", "verify", "--key", f"{folder}/a.pub"], "which manifest?")
    refused(["manifest", "verify", "/nonexistent", "--key", f"{folder}/a.pub"], "/nonexistent: cannot be opened")


def test_envelopes(folder, image, signers):
    """What anybody may send as a signed manifest."""
    payload = statement_of(f"{image}/manifest.json")
    both, a = list(signers.values()), signers["a"]
    path = f"{folder}/hostile.json"
    verify = ["manifest", "verify", path, *key_options(folder, "a", "b")]

    def accepted(value, name, *more):
        write_json(path, value)
        done = run(*verify, *more)
        tap.ok(done.returncode == 0, f"accepted: {name}", done.stderr)

    def rejected(value, part, name, status=2, more=()):
        write_json(path, value)
        refused([*verify, *more], part, status=status, name=name)

    accepted(envelope(payload, both), "an envelope of another implementation")
    accepted(envelope(payload, both, encode=base64.urlsafe_b64encode), "URL-safe base64")
    accepted(envelope(payload, both, encode=lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")), "without padding")
    accepted(envelope(payload, both, ids=["", ""]), "without key ids")
    accepted(envelope(payload, both[::-1], ids=["0" * 64, keys.key_id(a)]), "key ids that lie")
    accepted({**envelope(payload, both), "extra": {"a": 1}}, "members that others add to the envelope")
    rejected(envelope(payload), "it is not signed", "no signatures")
    rejected(envelope(payload, [a, a]), "1 of the 2 given keys", "two signatures by one key", more=("--threshold", "2"))
    lies = envelope(payload, [keys.p384(), keys.p384()], ids=[keys.key_id(k) for k in both])
    rejected(lies, "0 of the 2 given keys", "strangers under the publishers' key ids")
    rejected(envelope(payload, both, kind="application/json", signed_kind=PAYLOAD_TYPE), "0 of the 2 given keys",
             "another payloadType around the same signatures")
    rejected(envelope(payload, both, kind="application/json"), 'holds "application/json", expected "' + PAYLOAD_TYPE,
             "another payloadType, signed", status=1)
    changed = envelope(payload, both)
    changed["payload"] = base64.b64encode(payload.replace(b'"size":14', b'"size":15')).decode()
    rejected(changed, "0 of the 2 given keys", "a payload that was changed")
    rejected(envelope(b"not a statement", both), "not acceptable as JSON", "signed nonsense", status=1)
    rejected(envelope(payload + b" {}", both), "something follows it", "bytes behind the Statement", status=1)
    text = json.dumps(envelope(payload, both))
    rejected(text + "x", "something follows it", "bytes behind the envelope", status=1)
    rejected(text[:-1], "it ends too early", "half an envelope", status=1)
    rejected(text[:-1] + ',"payload":""}', "stands twice", "a member twice", status=1)
    rejected('{"payloadType":"a","payl\\u006fad":"",' + text[1:], "stands twice", "a member twice by escapes", status=1)
    rejected("[" + text + "]", "expected an object", "an array of envelopes", status=1)
    rejected(text.replace('"sig": "', '"sig": "+-', 1), "signatures[0].sig: not base64", "two alphabets", status=1)
    rejected({**envelope(payload), "signatures": [{"sig": "AA=="}] * 17}, "17 elements, at most 16", "17 signatures", status=1)
    rejected("", "it ends too early", "an empty file", status=1)
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    refused(verify, "hostile.json: larger than 12582912 bytes", name="a file of a TiB")
    os.unlink(path)
    os.mkfifo(path)
    refused(verify, "hostile.json: is a pipe, expected a file", name="a pipe")
    os.unlink(path)


def test_statements(folder, image, signers):
    """Statements that are signed, and wrong all the same."""
    right = json.loads(statement_of(f"{image}/manifest.json"))
    path = f"{folder}/wrong.json"

    def rejected(change, *parts):
        wrong = copy.deepcopy(right)
        change(wrong)
        write_json(path, envelope(wrong, signers.values()))
        refused(["manifest", "verify", path, *key_options(folder, "a", "b")], *parts, name="signed")

    def rows(statement):
        return statement["predicate"]["rows"]

    rejected(lambda s: rows(s).pop(), "the matrix gives")
    rejected(lambda s: rows(s).pop(0), "rows[0]: the row before it is missing: QEMU, EPYC-v4, 1 vCPUs")
    rejected(lambda s: rows(s).append(rows(s)[3]), "stands twice")
    rejected(lambda s: rows(s).insert(1, rows(s)[0]), "rows[1]: QEMU, EPYC-v4, 1 vCPUs, features 0x1 stands twice")
    rejected(lambda s: rows(s)[2].update(vcpus=4), "rows[2]: QEMU, EPYC-v4, 4 vCPUs, features 0x1 is no row of the matrix")
    rejected(lambda s: rows(s)[2].update(digest="00"), "rows[2].digest: expected 96 hexadecimal digits")
    rejected(lambda s: s["subject"][0].update(name="../../etc/passwd"), '"../../etc/passwd" is no file name')
    rejected(lambda s: s["subject"][0].update(name="/etc/passwd"), '"/etc/passwd" is no file name')
    rejected(lambda s: s["subject"].append(s["subject"][0]), "stands twice or not in order")
    rejected(lambda s: s["subject"][0]["digest"].pop("sha256"), "subject[0].digest.sha256: missing")
    rejected(lambda s: s["predicate"]["inputs"].update(cmdline="init=/bin/sh"), 'is not what the artefact "cmdline" holds')
    rejected(lambda s: s["predicate"]["inputs"].update(kernel="vmlinuz"), '"vmlinuz" is none of the artefacts')
    rejected(lambda s: s["predicate"].update(note="hello"), "predicate.note: unknown member")
    rejected(lambda s: s.update(predicateType="https://slsa.dev/provenance/v1"), "predicateType: ", "expected")
    rejected(lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"), "_type: ")
    rejected(lambda s: s["predicate"]["matrix"].update(vmms=["xen"]), '"xen" is no VMM')


def test_show(folder, image, manifest):
    done = run("manifest", "show", manifest)
    tap.ok(done.returncode == 0 and "root.img" in done.stdout and "table of 20 launch digests" in done.stdout
           and "quiet panic=-1" in done.stdout, "show, for a person", done.stdout)
    tap.same(run("manifest", "show", manifest, "--json").stdout.encode(), statement_of(manifest) + b"\n",
             "--json: the Statement itself")
    lines = run("manifest", "show", manifest, "--rows").stdout.splitlines()
    tap.ok(len(lines) == 20 and lines[1].split()[1:] == ["QEMU", "EPYC-v4", "2", "0x1"], "--rows: a line each", lines[:2])
    statement = json.loads(statement_of(manifest))
    statement["predicate"]["inputs"]["cmdline"] = "a\x1b[31mb"
    for subject in statement["subject"]:
        if subject["name"] == "cmdline":
            subject["digest"]["sha256"] = hashlib.sha256(b"a\x1b[31mb").hexdigest()
    write_json(f"{folder}/ansi.json", envelope(statement, ids=["\x1b[2J"], signers=[keys.p384()]))
    done = run("manifest", "show", f"{folder}/ansi.json")
    tap.ok(done.returncode == 0 and "\x1b" not in done.stdout and "a?[31mb" in done.stdout,
           "nothing of a manifest reaches the terminal as control characters", done.stdout)
    refused(["manifest", "show"], "which manifest?")
    refused(["manifest", "show", image], "image: ")


def test_lookup(folder, image, manifest):
    rows = json.loads(statement_of(manifest))["predicate"]["rows"]
    digest = rows[6]["digest"]
    done = run("manifest", "lookup", digest, manifest)
    tap.ok(done.returncode == 0 and "QEMU, EPYC-Rome, 3 vCPUs, features 0x1" in done.stdout
           and hashlib.sha256(FILES["kernel"]).hexdigest() in done.stdout and "nobody vouches" in done.stderr,
           "lookup: the row and the artefacts", done.stdout + done.stderr)
    found = json.loads(run("manifest", "lookup", digest.upper(), manifest, *key_options(folder, "a"), "--json").stdout)
    tap.same((found["vcpu_type"], found["vcpus"], found["artefacts"]["initrd"]),
             ("EPYC-Rome", 3, hashlib.sha256(FILES["initrd"]).hexdigest()), "as JSON, and verified")
    run("manifest", "create", image, "--vcpus", "9", "--output", f"{folder}/other.json")
    done = run("manifest", "lookup", digest, f"{folder}/other.json", manifest)
    tap.ok(done.returncode == 0 and done.stdout.startswith(manifest), "among several manifests", done.stdout)
    refused(["manifest", "lookup", "00" * 48, manifest], "no manifest that was given has this digest", status=4)
    refused(["manifest", "lookup", digest, manifest, *key_options(folder, "stranger")], "0 of the 1 given keys", status=2)
    refused(["manifest", "lookup", digest], "which digest, in which manifest?")
    refused(["manifest", "lookup", "00", manifest], '"00" is no launch digest')
    refused(["manifest", "lookup", digest, "/nonexistent"], "/nonexistent: cannot be opened")


def main():
    with tempfile.TemporaryDirectory(prefix="postern-manifest.") as folder:
        signers = {"a": keys.p384(), "b": keys.make_ed25519()}
        for name, key in {**signers, "stranger": keys.p384()}.items():
            keys.write_private(f"{folder}/{name}.key", key)
            keys.write_public(f"{folder}/{name}.pub", key)
        image = test_create(folder)
        test_create_refusals(folder, image)
        manifest = test_sign(folder, image, signers)
        test_verify(folder, manifest, signers)
        test_envelopes(folder, image, signers)
        test_statements(folder, image, signers)
        test_show(folder, image, manifest)
        test_lookup(folder, image, manifest)
    tap.done()


main()
