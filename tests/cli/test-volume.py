#!/usr/bin/env python3
"""postern volume, held against stock cryptsetup and systemd-repart: what they make is accepted, what it makes they open.

Prints TAP. Runs inside the builder root; no device-mapper is needed.
"""
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import records  # noqa: E402
import tap  # noqa: E402

POSTERN = os.path.join(TOP, "build/bin/postern")
FORMAT = ["cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--key-file", "key"]
# Options that leave the list; the code with which the header is refused.
REFUSED = {
    "H-SEGMENT-CIPHER": ["--cipher", "aes-cbc-essiv:sha256", "--key-size", "256"],
    "H-SEGMENT-SECTOR": ["--sector-size", "2048"],
    "H-SEGMENT-OFFSET": ["--offset", "65536"],
    "H-SUBSYSTEM": ["--subsystem", "x"],
    "H-KDF-TYPE": ["--pbkdf", "argon2i", "--pbkdf-force-iterations", "4", "--pbkdf-memory", "64"],
    "H-KDF-HASH": ["--hash", "sha512", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"],
    "H-SIZE": ["--luks2-metadata-size", "32k", "--offset", "65536"],
}


def run(*words):
    return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)


def inspect(path, *words):
    """(exit status, the --json answer)."""
    done = run(POSTERN, "volume", "inspect", path, "--json", *words)
    return done.returncode, json.loads(done.stdout)


def accepted(path, name, *words):
    status, answer = inspect(path, *words)
    refused = [field for field in answer["fields"] if field["verdict"] != "accepted"]
    tap.ok(status == 0 and answer["verdict"] == "accepted" and not refused, f"accepted: {name}", refused)


def disk(name, mib=32):
    with open(name, "wb") as file:
        file.truncate(mib << 20)
    return name


def check_stock():
    fast = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
    for name, words in (("cryptsetup luksFormat", []), ("with pbkdf2", fast),
                        ("with 512-byte sectors", [*fast, "--sector-size", "512"]),
                        ("with a label", [*fast, "--label", "data"])):
        done = run(*FORMAT, *words, disk("stock"))
        tap.ok(done.returncode == 0, f"control: {name}", done.stderr)
        accepted("stock", name)
    for code, words in REFUSED.items():
        done = run(*FORMAT, *(fast if "--pbkdf" not in words else []), *words, disk("stock", 64))
        tap.ok(done.returncode == 0, f"control: luksFormat {' '.join(words)}", done.stderr)
        status, answer = inspect("stock")
        tap.same((status, code in [field["code"] for field in answer["fields"]]), (2, True), f"refused: {code}")
    run(*FORMAT, *fast, disk("stock"))
    run("cryptsetup", "config", "--priority", "prefer", "--key-slot", "0", "stock")
    accepted("stock", "a preferred keyslot")
    run("cryptsetup", "luksAddKey", "--batch-mode", *fast, "--key-file", "key", "stock", "key")
    tap.same(inspect("stock")[1]["code"], "H-KEYSLOT-COUNT", "a second keyslot is refused")
    run("cryptsetup", "luksKillSlot", "--batch-mode", "--key-file", "key", "stock", "1")
    accepted("stock", "once it has been killed")
    run("cryptsetup", "luksFormat", "--batch-mode", "--type", "luks1", "--key-file", "key", *fast, disk("stock"))
    tap.same(inspect("stock")[1]["code"], "H-VERSION", "LUKS1 is refused")
    tap.same(inspect(disk("blank"))[1]["code"], "H-MAGIC", "a blank disk is refused")


def check_repart():
    """systemd-repart encrypts in a partition; mkosi lets it make its disk images."""
    os.makedirs("definitions", exist_ok=True)
    with open("definitions/10-data.conf", "w", encoding="utf-8") as file:
        file.write("[Partition]\nType=linux-generic\nFormat=ext4\nEncrypt=key-file\nSizeMinBytes=40M\nSizeMaxBytes=40M\n")
    done = run("systemd-repart", "--dry-run=no", "--empty=create", "--size=96M", "--offline=yes",
               "--definitions=definitions", "--key-file=key", "--seed=8f8f281e0e8f45a1aa22d93b716e9bee", "repart")
    tap.ok(done.returncode == 0, "control: systemd-repart", done.stderr)
    accepted("repart", "systemd-repart", "--offset", "1048576")


def check_created():
    """Stock cryptsetup opens what `volume create` makes, with the recovery key and with no other."""
    os.makedirs("files", exist_ok=True)
    for name, words in (("blank", ["--blank", "--size", "16"]),
                        ("without tags", ["--from", "files", "--size", "16", "--integrity", "none"]),
                        ("with tags", ["--from", "files", "--size", "16"])):
        for path in "made", "record":
            if os.path.exists(path):
                os.unlink(path)
        done = run(POSTERN, "volume", "create", "--id", "data", *words, "--output", "made", "--record", "record",
                   "--recovery-key", "key")
        tap.ok(done.returncode == 0, f"control: postern volume create, {name}", done.stderr)
        accepted("made", f"postern volume create, {name}")
        opened = run("cryptsetup", "luksOpen", "--test-passphrase", "--key-file", "key", "made")
        tap.same(opened.returncode, 0, f"{name}: cryptsetup opens it with the recovery key") or tap.note(opened.stderr)
        other = run("cryptsetup", "luksOpen", "--test-passphrase", "--key-file", "other", "made")
        tap.same(other.returncode, 2, f"{name}: and with no other")
        dump = run("cryptsetup", "luksDump", "made").stdout
        tap.same("integrity: hmac(sha256)" in dump, name != "without tags", f"{name}: luksDump shows its tags")


def adopt(path, *words, key="key"):
    if os.path.exists("adopted"):
        os.unlink("adopted")
    return run(POSTERN, "volume", "adopt", path, "--id", "data", "--key-file", key, "--record", "adopted", *words)


def check_adopt():
    """Records of disks that others made: what stock cryptsetup says about them."""
    run(*FORMAT, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", disk("stock"))
    for name, path, start, words in (("cryptsetup luksFormat", "stock", 0, []),
                                     ("systemd-repart", "repart", 1 << 20, ["--offset", "1048576"])):
        done = adopt(path, *words)
        tap.same((done.returncode, done.stderr), (0, ""), f"adopted: {name}")
        with open(path, "rb") as file, open("part", "wb") as part:
            file.seek(start)
            part.write(file.read(17 << 20))
        if os.path.exists("dumped"):
            os.unlink("dumped")
        run("cryptsetup", "luksDump", "--batch-mode", "--key-file", "key", "--dump-volume-key", "--volume-key-file", "dumped",
            "part")
        found = records.fields_of("adopted")
        with open("dumped", "rb") as file:
            tap.same(found["key"], file.read(), f"{name}: the volume key is the one that cryptsetup dumps")
        tap.same((found["id"], found["cipher"], found["integrity"], found["offset"], found["state"], len(found["mac"])),
                 ("data", "aes-xts-plain64", "none", start + (16 << 20), 2, 32), f"{name}: place, cipher and state")
        tap.ok(found["length"] <= os.path.getsize(path) - found["offset"] and found["length"] == found["layout"],
               f"{name}: a length that the disk has", found)
        tap.same(os.stat("adopted").st_mode & 0o777, 0o600, f"{name}: its record is for the owner alone")
    tap.same(records.fields_of("record"), {**records.fields_of("record"), "mac": (adopt("made"), records.fields_of("adopted"))[1]["mac"]},
             "`create` gives its record the MAC that `adopt` computes, from a header with a recovery key")
    tap.same(records.fields_of("record")["key"], records.fields_of("adopted")["key"], "and it is the same key")
    done = adopt("stock", key="other")
    tap.same((done.returncode, "does not open the disk's keyslot" in done.stderr, os.path.exists("adopted")),
             (2, True, False), "another passphrase: refused, no record")
    run(*FORMAT, *REFUSED["H-SEGMENT-CIPHER"], disk("refused"))
    done = adopt("refused")
    tap.same((done.returncode, "H-SEGMENT-CIPHER" in done.stderr), (2, True), "a header that is not on the list: refused")
    done = adopt("nothing")
    tap.same((done.returncode, "nothing: cannot be opened" in done.stderr), (1, True), "no such disk")
    done = adopt("key")
    tap.same((done.returncode, "too short" in done.stderr), (1, True), "a file that is no disk")
    adopt("stock")
    done = run(POSTERN, "volume", "adopt", "stock", "--id", "data", "--key-file", "key", "--record", "adopted")
    tap.same((done.returncode, "adopted: exists" in done.stderr), (1, True), "no record is made over another")
    # A superblock of others may have a longer journal than ours would: the layout is theirs.
    with open("made", "r+b") as file:
        file.seek((16 << 20) + 12)
        file.write((3).to_bytes(4, "little"))
        file.seek((16 << 20) + 16)
        file.write((16000).to_bytes(8, "little"))
    adopt("made")
    tap.same((records.fields_of("adopted")["length"], records.fields_of("adopted")["layout"]), (16000 * 512, 3 * 128 * 264 * 512),
             "tags with another journal: the record has the layout")
    with open("made", "r+b") as file:
        file.seek((16 << 20) + 9)
        file.write(b"\x0e")
    done = adopt("made")
    tap.same((done.returncode, "log2_interleave_sectors is 14" in done.stderr), (2, True),
             "tags with another interleave: refused")


def check_inspect():
    lines = run(POSTERN, "volume", "inspect", "made").stdout.splitlines()
    tap.ok(all(line.startswith("accepted ") for line in lines[:-2]) and len(lines) > 40, "a line for each field", lines)
    with open("made", "r+b") as file:
        file.seek(16384 + 168)
        file.write(b"X")
    done = run(POSTERN, "volume", "inspect", "made")
    tap.same(done.returncode, 2, "one byte of the second copy changed: exit status 2")
    tap.ok("second  uuid" in done.stdout and "H-CHECKSUM" in done.stdout and "mode header would not open it" in
           done.stdout, "and the fields are named", done.stdout)
    before = os.stat("made").st_mtime_ns
    run(POSTERN, "volume", "inspect", "made")
    tap.same(os.stat("made").st_mtime_ns, before, "nothing is written")


def check_progress():
    """A volume that takes longer than two seconds to make tells how far it is: on a terminal, and there alone."""
    os.mkdir("empty")
    make = [POSTERN, "volume", "create", "--id", "slow", "--from", "empty", "--output", "slow", "--record", "slow.record", "--size"]
    for size in "384", "1536", "6144":
        terminal, ours = pty.openpty()
        begun = time.monotonic()
        child = subprocess.Popen([*make, size], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=ours)
        os.close(ours)
        said = b""
        try:
            while part := os.read(terminal, 4096):
                said += part
        except OSError:  # how Linux says that a terminal's other end is gone
            pass
        os.close(terminal)
        status, seconds = child.wait(), time.monotonic() - begun
        os.unlink("slow")
        os.unlink("slow.record")
        if seconds > 3.5:
            break
    tap.ok(status == 0 and re.search(rb"\r[^\r]* [0-9 ]+ %", said) and b"\r\x1b[K" in said,
           f"on a terminal: how far it is, after two of {seconds:.1f} seconds", said)
    quiet = run(*make, size)
    tap.same((quiet.returncode, "%" in quiet.stderr), (0, False), "not where there is none")
    os.unlink("slow")


def main():
    with tempfile.TemporaryDirectory(prefix="postern-volume.") as folder:
        os.chdir(folder)
        for name in "key", "other":
            with open(name, "wb") as file:
                file.write(os.urandom(32))
            os.chmod(name, 0o600)
        check_stock()
        check_repart()
        check_created()
        check_adopt()
        check_inspect()
        check_progress()
    tap.done()


main()
