#!/usr/bin/env python3
"""postern audit: what agrees, and for each thing that does not the sentence and the exit status. Prints TAP."""
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
from manifests import FILES, envelope, make_image, refused, run, statement_of, write_json  # noqa: E402


def audited(words, status, *parts, name, differs=None):
    """Ends with this status; what it says has all the parts, and `differs` lines that start with DIFFERS."""
    done = run("audit", *words)
    count = sum(line.startswith("DIFFERS") for line in done.stdout.splitlines())
    good = done.returncode == status and all(part in done.stdout for part in parts) and done.stderr == ""
    tap.ok(good and (differs is None or differs == count), f"status {status}: {name}",
           f"{done.returncode} {done.stdout} {done.stderr}")
    return done.stdout


def test_files(folder, image, manifest, publisher):
    """Each artefact changed in each way: named, with status 3, and nothing else is."""
    right = [manifest, image, "--key", publisher]
    audited(right, 0, "all 15 launch digests follow", "the files are the published ones, and the signatures hold",
            name="all as published", differs=0)
    audited(right[:2], 0, "signatures were not checked", "without --key nobody vouches for it", name="without keys")
    for name in [*FILES, "firmware.fd"]:
        path, kept = f"{image}/{name}", f"{folder}/kept"
        os.rename(path, kept)
        with open(kept, "rb") as file:
            data = file.read()
        table = 2 if name == "firmware.fd" else 1
        audited(right, 3, f"DIFFERS  {name} is missing", "1 of 5 files are not", name=f"{name} missing", differs=table)
        os.symlink(kept, path)
        audited(right, 3, f"DIFFERS  {name} is a symbolic link", name=f"{name} a link to the right file", differs=table)
        os.unlink(path)
        os.mkfifo(path)
        audited(right, 3, f"DIFFERS  {name} is no regular file", name=f"{name} a pipe", differs=table)
        os.unlink(path)
        os.mkdir(path)
        audited(right, 3, f"DIFFERS  {name} is no regular file", name=f"{name} a folder", differs=table)
        os.rmdir(path)
        for kind, changed in ("one bit", bytes([data[0] ^ 1]) + data[1:]), ("a byte longer", data + b"\0"), \
                ("a byte shorter", data[:-1]), ("empty", b""):
            keys.write(path, changed, 0o644)
            parts = [f"DIFFERS  {name} is not the published one: SHA-256 {hashlib.sha256(changed).hexdigest()}",
                     f"published {hashlib.sha256(data).hexdigest()}"]
            if kind != "one bit":
                parts.append("it has another size")
            if name == "firmware.fd":
                parts.append("none of 15 launch digests could be recomputed: firmware.fd is not the published one")
            else:
                parts.append("all 15 launch digests follow from the published files")
            audited(right, 3, *parts, name=f"{name}, {kind}", differs=table)
        os.unlink(path)
        os.rename(kept, path)
    audited(right, 0, name="all put back", differs=0)


def test_signatures(folder, image, manifest, publisher, key):
    stranger = keys.write_public(f"{folder}/stranger.pub", keys.p384())
    audited([manifest, image, "--key", stranger], 2, "DIFFERS  signatures: 0 of the 1 given keys signed it",
            "all 15 launch digests follow", "not signed by those whose signature counts", name="a stranger's key", differs=1)
    audited([manifest, image, "--key", publisher, "--key", stranger], 2, "1 of the 2 given keys", name="one of two keys")
    audited([manifest, image, "--key", publisher, "--key", stranger, "--threshold", "1"], 0, "1 of 2 keys have signed",
            name="one of two keys is enough")
    audited([f"{image}/manifest.json", image, "--key", publisher], 2, "it is not signed", name="not signed at all")
    keys.write(f"{image}/kernel", b"another", 0o644)
    audited([manifest, image, "--key", stranger], 2, "DIFFERS  kernel", name="signature before artefact", differs=2)
    keys.write(f"{image}/kernel", FILES["kernel"], 0o644)
    statement = json.loads(statement_of(manifest))
    statement["predicate"]["rows"][0]["digest"] = "0" * 96
    path = f"{folder}/row.json"
    write_json(path, envelope(statement, [key]))
    keys.write(f"{image}/kernel", b"another", 0o644)
    audited([path, image, "--key", publisher], 3, "DIFFERS  kernel", "DIFFERS  table: 1 of 15", name="artefact before row",
            differs=2)
    keys.write(f"{image}/kernel", FILES["kernel"], 0o644)


def test_rows(folder, image, manifest, publisher, key):
    """A table that is signed and wrong: status 4."""
    right = json.loads(statement_of(manifest))
    path = f"{folder}/rows.json"

    def changed(change, *parts, name):
        wrong = copy.deepcopy(right)
        change(wrong["predicate"])
        write_json(path, envelope(wrong, [key]))
        return audited([path, image, "--key", publisher], 4, *parts, "the table of launch digests is not theirs", name=name,
                       differs=1)

    for index, where in (0, "QEMU, EPYC-v4, 1 vCPUs"), (7, "QEMU, EPYC-Milan, 2 vCPUs"), (14, "QEMU, EPYC-Turin, 3 vCPUs"):
        digest = right["predicate"]["rows"][index]["digest"]
        wrong = digest[:-1] + ("0" if digest[-1] != "0" else "1")
        changed(lambda p: p["rows"][index].update(digest=wrong), "1 of 15 launch digests do not follow",
                f"{where}, features 0x1 gives {digest}, published is {wrong}", name=f"one digit of row {index}")
    changed(lambda p: p["rows"].__setitem__(slice(0, 2), [{**p["rows"][0], "digest": p["rows"][1]["digest"]},
                                                         {**p["rows"][1], "digest": p["rows"][0]["digest"]}]),
            "2 of 15 launch digests", name="two digests exchanged")
    changed(lambda p: p["inputs"].pop("initrd"), "15 of 15 launch digests", name="an initrd that the manifest left out")
    changed(lambda p: [p["matrix"].update(guest_features=[0x21]), *[r.update(guest_features=0x21) for r in p["rows"]]],
            "15 of 15 launch digests", "features 0x21", name="other features than the rows are of")
    statement = copy.deepcopy(right)
    statement["predicate"]["rows"][7]["digest"] = "f" * 96
    write_json(path, envelope(statement, [key]))
    made = run("audit", path, image, "--json")
    result = json.loads(made.stdout)
    tap.same((made.returncode, result["exit"], result["agrees"], result["table"]["differ"], result["signatures"]["checked"]),
             (4, 4, False, 1, False), "as JSON")
    tap.same(result["table"]["wrong"], [{"vmm": "QEMU", "vcpu_type": "EPYC-Milan", "vcpus": 2, "published": "f" * 96,
                                         "found": right["predicate"]["rows"][7]["digest"]}], "with each wrong row")
    tap.same([(a["name"], a["agrees"]) for a in result["artefacts"]],
             [(n, True) for n in sorted([*FILES, "firmware.fd"])], "and each artefact")


def test_firmware(folder, image, publisher, key):
    """A manifest may publish a firmware that is none."""
    other = shutil.copytree(image, f"{folder}/other")
    keys.write(f"{other}/firmware.fd", bytes(8192), 0o644)
    statement = json.loads(statement_of(f"{image}/manifest.json"))
    for subject in statement["subject"]:
        if subject["name"] == "firmware.fd":
            subject["digest"]["sha256"] = hashlib.sha256(bytes(8192)).hexdigest()
            subject["annotations"]["size"] = 8192
    write_json(f"{folder}/other.json", envelope(statement, [key]))
    audited([f"{folder}/other.json", other, "--key", publisher], 4, "none of 15 launch digests could be recomputed",
            "firmware.fd", name="a firmware that is none", differs=1)
    for subject in statement["subject"]:
        if subject["name"] == "firmware.fd":
            subject["annotations"]["size"] = 8191
    write_json(f"{folder}/other.json", envelope(statement, [key]))
    audited([f"{folder}/other.json", other, "--key", publisher], 3, "has 8192 bytes, but the manifest says 8191",
            name="a size that is not the hash's")


def test_misuse(folder, image, manifest):
    refused(["audit"], "which manifest, and which files?")
    refused(["audit", manifest], "which manifest, and which files?")
    refused(["audit", "/nonexistent", image], "/nonexistent: cannot be opened")
    refused(["audit", manifest, "/nonexistent"], "/nonexistent: cannot be opened")
    refused(["audit", manifest, manifest], "not a directory")
    refused(["audit", manifest, image, "--key", manifest], "no public key in PEM or DER")
    refused(["audit", manifest, image, "--threshold", "1"], "--threshold without --key")
    refused(["audit", manifest, image, "--html", "no/page"], "no/page", cwd=folder)
    refused(["audit", f"{image}/cmdline", image], "not acceptable as JSON")


def main():
    with tempfile.TemporaryDirectory(prefix="postern-audit.") as folder:
        key, publisher = keys.make_ed25519(), f"{folder}/publisher.pub"
        keys.write_private(f"{folder}/publisher.key", key)
        keys.write_public(publisher, key)
        image, manifest = make_image(f"{folder}/image"), f"{folder}/signed.json"
        run("manifest", "create", image, "--vcpus", "1-3")
        run("manifest", "sign", f"{image}/manifest.json", "--key", f"{folder}/publisher.key", "--output", manifest)
        test_files(folder, image, manifest, publisher)
        test_signatures(folder, image, manifest, publisher, key)
        test_rows(folder, image, manifest, publisher, key)
        test_firmware(folder, image, publisher, key)
        test_misuse(folder, image, manifest)
    tap.done()


main()
