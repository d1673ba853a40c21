#!/usr/bin/env python3
"""postern, used wrongly: one sentence that names what is wrong, exit status 1, nothing left behind. Prints TAP."""
import os
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402

INIT = os.path.join(TOP, "build/guest/postern-init")
POSTERN = os.path.join(TOP, "build/bin/postern")
VERBS = [
    "measure",
    "id-block",
    "generate id-block",
    "generate key-digest",
    "manifest create",
    "manifest sign",
    "manifest verify",
    "manifest show",
    "manifest lookup",
    "audit",
    "volume create",
    "launch",
    "timeline",
    "boot-chart",
    "host",
    "verify certs",
    "verify attestation",
    "verify report",
    "display report",
    "display certs",
    "display key",
    "display firmware",
    "generate measurement",
    "generate ovmf-hash",
    "report",
    "certificates",
    "fetch ca",
    "fetch vlek-ca",
    "fetch vcek",
    "fetch crl",
    "key",
    "ok",
    "volume inspect",
    "get-resource",
    "broker-identity sign",
    "broker-identity verify",
    "broker-identity root",
    "init-data create",
    "init-data check",
]


def run(*words, **more):
    return subprocess.run([POSTERN, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, **more)


def refused(words, *parts, status=1, cwd=None, **more):
    """Fails with this status and one sentence that holds all the parts."""
    before = sorted(os.listdir(cwd)) if cwd else []
    done = run(*words, cwd=cwd, **more)
    after = sorted(os.listdir(cwd)) if cwd else []
    good = (done.returncode == status and done.stdout == "" and done.stderr.count("\n") == 1
            and done.stderr.startswith("postern: ") and all(part in done.stderr for part in parts) and before == after)
    tap.ok(good, f"refused: {' '.join(words)[:70]}", f"{done.returncode} {done.stdout!r} {done.stderr!r} {after}")


def test_help():
    done = run()
    tap.ok(done.returncode == 1 and "VERB" in done.stderr, "without a verb: the verbs, exit status 1")
    tap.ok(run("--help").returncode == 0 and all(verb in run("--help").stdout for verb in VERBS), "--help lists the verbs")
    refused(["sing"], 'unknown verb "sing"', "--help")
    refused(["volume"], 'unknown verb "volume"')
    for verb in VERBS:
        done = run(*verb.split(), "--help")
        lines = done.stdout.splitlines()
        tap.ok(done.returncode == 0 and len(lines) <= 50 and "example:" in lines and max(map(len, lines)) <= 120,
               f"{verb} --help fits a screen and has an example", done.stdout)
        refused([*verb.split(), "--nosuch"], "unknown option --nosuch", f"postern {verb} --help")
        refused([*verb.split(), "-x"], "unknown option -x")


def test_volume(folder):
    work = os.path.join(folder, "volume")
    os.makedirs(os.path.join(work, "from"))
    for name, size, mode in ("odd", 5000, 0o600), ("key", 32, 0o644), ("empty", 0, 0o600):
        with open(os.path.join(work, name), "wb") as file:
            file.write(bytes(size))
        os.chmod(os.path.join(work, name), mode)
    verb = ["volume", "create"]
    right = [*verb, "--id", "data", "--output", "disk", "--record", "record"]
    refused(verb, "--id is missing", "postern volume create --help", cwd=work)
    refused(right, "one of --from, --content and --blank", cwd=work)
    refused([*right, "--from", "from", "--content", "odd"], "one of --from, --content and --blank", cwd=work)
    refused([*right, "--from", "from", "--size", "15"], '--size "15": expected a number from 16 to', cwd=work)
    refused([*right, "--from", "from", "--blank"], "one of --from, --content and --blank", cwd=work)
    refused([*right, "--blank", "--integrity", "hmac(md5)"], '--integrity: "hmac(md5)", expected hmac(sha256)', cwd=work)
    refused([*right, "--content", "odd"], "odd: 5000 bytes, expected a file of whole 4096-byte sectors", cwd=work)
    refused([*right, "--content", "none"], "none: cannot be opened", cwd=work)
    refused([*right, "--from", "from", "--size", "16", "--recovery-key", "key"], "key: holds a key, but its mode is 0644: others may read or change it", cwd=work)
    refused([*right, "--from", "from", "--size", "16", "--recovery-key", "empty"], "empty: is empty", cwd=work)
    refused([*verb, "--id", "Data", "--output", "disk", "--record", "record", "--from", "from", "--size", "16"],
            '--id: "Data" is no volume id', cwd=work)
    refused([*verb, "--id", "x" * 64, "--output", "disk", "--record", "record", "--from", "from"], 'is no volume id, expected 1 to 63', cwd=work)
    refused([*verb, "--id", "data", "--output", "odd", "--record", "record", "--from", "from"], "odd: exists", cwd=work)
    refused([*verb, "--id", "data", "--output", "disk", "--record", "odd", "--from", "from"], "odd: exists", cwd=work)
    refused([*verb, "--id", "data", "--output", "no/disk", "--record", "record", "--content", "empty"],
            "empty: 0 bytes", cwd=work)
    refused([*right, "--from", "from", "--size", "16"], "mke2fs cannot be run", "install e2fsprogs", cwd=work,
            env={"PATH": "/nonexistent"})
    done = run(*right, "--from", "nonexistent", cwd=work)
    tap.ok(done.returncode == 1 and "mke2fs could not make a file system" in done.stderr, "mke2fs's failure is told", done.stderr)
    tap.same(sorted(os.listdir(work)), ["empty", "from", "key", "odd"], "and leaves nothing behind")
    child = subprocess.Popen([POSTERN, *right, "--from", "from", "--size", "4096"], cwd=work, stderr=subprocess.DEVNULL)
    while not os.path.exists(os.path.join(work, "disk.plain")) and child.poll() is None:
        time.sleep(0.001)
    child.send_signal(signal.SIGINT)
    tap.same((child.wait(), sorted(os.listdir(work))), (-signal.SIGINT, ["empty", "from", "key", "odd"]),
             "interrupted, it leaves nothing behind")
    done = run(*right, "--from", "from", "--size", "16", cwd=work)
    tap.same((done.returncode, done.stderr), (0, ""), "control: a volume is made")
    tap.same(os.stat(os.path.join(work, "record")).st_mode & 0o777, 0o600, "its record is for its owner alone")


def test_inspect(folder):
    refused(["volume", "inspect"], "which disk?")
    refused(["volume", "inspect", "/nonexistent"], "/nonexistent: cannot be read: No such file")
    refused(["volume", "inspect", folder], "cannot be read: Is a directory")
    refused(["volume", "inspect", "/dev/zero", "--offset", "512"], "--offset: 512 is no multiple of 4096")
    refused(["volume", "inspect", "/dev/zero", "/dev/zero"], 'unexpected word "/dev/zero"')


def test_no_space(folder):
    """On a full file system nothing is left but what was there."""
    full = os.path.join(folder, "full")
    os.mkdir(full)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", full], check=False).returncode:
        tap.note("no tmpfs to be had: not tried")
        return
    content = os.path.join(folder, "content")
    with open(content, "wb") as file:
        file.write(os.urandom(16 << 20))
    done = run("volume", "create", "--id", "data", "--content", content, "--output", full + "/disk", "--record",
               full + "/record")
    tap.ok(done.returncode == 1 and "No space left" in done.stderr, "no space: said", done.stderr)
    tap.same(os.listdir(full), [], "no space: nothing is left behind")
    subprocess.run(["umount", full], check=True)


def test_launch(folder):
    image = os.path.join(TOP, "build/image/app")
    right = ["launch", image, "--psp", "software", "--psp-dir", folder]
    refused(["launch"], "which image?")
    refused(["launch", image], "--psp", "expected software")
    refused(["launch", image, "--psp", "tpm"], '"tpm", expected software or hardware')
    refused(["launch", image, "--psp", "software"], "--psp-dir is missing")
    refused(["launch", "/nonexistent", "--psp", "software", "--psp-dir", folder], "/nonexistent/firmware.fd: No such file",
            "an image directory has")
    refused([*right, "--memory", "1"], '--memory "1": expected a number from 64')
    refused([*right, "--accel", "xen"], '--accel: "xen", expected kvm or tcg')
    refused([*right, "--boot-timeout", "0"], '--boot-timeout "0": expected a number from 1')
    refused([*right, "--print"], "--print needs --runtime-dir")
    refused([*right, "--vcpus", "0"], '--vcpus "0": expected a number from 1 to 512')
    refused([*right, "--psp", "software"], "--psp: given twice")
    # QEMU's command line is made after the processor was started: exit status 2.
    for words, part in (["--disk", "data"], '--disk: "data" is not of the form'), \
            (["--disk", "a_b=x"], "--disk: "), (["--forward", "80"], '--forward: "80" is not of the form'), \
            (["--forward", "0:80"], "--forward: "), (["--forward", "65536:80"], "--forward: "):
        done = run(*right, "--runtime-dir", folder, "--print", *words)
        tap.ok(done.returncode == 1 and part in done.stderr, f"refused: {' '.join(words)}", done.stderr)


def test_timeline(folder):
    console = os.path.join(folder, "console")
    with open(console, "w", encoding="utf-8") as file:
        file.write("nothing of ours\n")
    refused(["timeline"], "which console log?")
    refused(["timeline", "/nonexistent"], "/nonexistent: cannot be opened")
    refused(["timeline", console], "holds no boot record")
    refused(["timeline", console, "more"], 'unexpected word "more"')
    refused(["boot-chart"], "where to?")
    refused(["boot-chart", os.path.join(folder, "boot.svg")], "which console log?")
    refused(["boot-chart", "--console", console, os.path.join(folder, "boot.svg")], "holds no boot record")
    with open(console, "w", encoding="utf-8") as file:
        file.write('postern: {"postern":1,"stage":"start","at_us":18446744073709551615,"us":1,"outcome":"ok"}\n')
    refused(["boot-chart", "--console", console, os.path.join(folder, "boot.svg")], "its times do not fit together")
    tap.ok(not os.path.exists(os.path.join(folder, "boot.svg")), "no chart is left of any of these")


def test_manifest(folder):
    refused(["manifest", "create"], "which image?")
    refused(["manifest", "create", folder], "firmware.fd: No such file")
    refused(["manifest", "create", folder, "--vcpus", "0"], "--vcpus")
    refused(["manifest"], 'unknown verb "manifest"')


def test_init():
    """PID 1's program, started by somebody who is curious."""
    done = subprocess.run([INIT], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    tap.ok(done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
           and done.stderr.startswith("postern-init: ") and "is PID 1 of a guest" in done.stderr,
           "postern-init as another process: says what it is, exit status 1", done)


def main():
    with tempfile.TemporaryDirectory(prefix="postern-cli.") as folder:
        test_help()
        test_volume(folder)
        test_inspect(folder)
        test_no_space(folder)
        test_launch(folder)
        test_timeline(folder)
        test_manifest(folder)
    test_init()
    tap.done()


main()
