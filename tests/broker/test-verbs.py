#!/usr/bin/env python3
"""The command line: what verbs do, and what they say when they cannot."""
import base64
import hashlib
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import tempfile

from harness import (BROKER, CLIENT, Broker, GOOD_MEASUREMENT, chain, equal, free_port, main, must, path, refused, run,
                     test, true)

VERBS = (["init"], ["identity"], ["volume", "add"], ["volume", "list"], ["volume", "remove"], ["secret", "add"],
         ["leases"], ["chip", "add"], ["chip", "list"], ["allow"], ["policy", "set"], ["policy", "list"], ["policy", "show"], ["policy", "remove"],
         ["serve"], ["log", "show"], ["log", "verify"], ["log", "export"], ["backup"], ["restore"])
FILES = {"tls.key", "tls.crt", "record.key", "token.key", "kek", "store.db"}

broker = Broker()
at = ("--dir", broker.directory)


def make_record(volume_id="other", mode=0o600):
    name = path(f"{volume_id}.record")
    subprocess.run([CLIENT, "record", name, volume_id, "ab" * 64], check=True)
    os.chmod(name, mode)
    return name


# ---- help and misuse

@test("every verb has a help that fits a screen, with an example that names it")
def _():
    for verb in VERBS:
        done = run(*verb, "--help")
        equal((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        true(len(lines) <= 24 and max(map(len, lines)) <= 110, f"{verb}: {len(lines)} lines")
        true(lines[-1].startswith("  postern-broker " + " ".join(verb)), f"{verb}: no example")
    equal(run("--help").returncode, 0)


@test("misuse of every verb is one sentence and exit code 1")
def _():
    equal(run().returncode, 1)
    refused(1, ["unknown verb", "frob", "--help"], "frob")
    refused(1, ["unknown verb"], "volume", "frob")
    refused(1, ["unknown verb"], "volume")
    for verb in VERBS:
        name = "postern-broker " + " ".join(verb)
        refused(1, ["--dir is missing", name + " --help"], *verb)
        refused(1, ["unknown option --frob", name + " --help"], *verb, "--frob", "x")
        refused(1, ["unknown option -x"], *verb, "-x")
        refused(1, ["--dir needs a value"], *verb, "--dir")
        refused(1, ["--dir", "found nothing"], *verb, "--dir=")
        refused(1, ["--dir", "given twice"], *verb, "--dir", "a", "--dir=b")
        if verb not in (["allow"], ["log", "show"]):
            refused(1, ["unexpected word", "frob", name], *verb, "frob")
    refused(1, ["--json takes no value"], "identity", *at, "--json=yes")
    for name in ("session-seconds", "max-sessions", "max-connections", "request-seconds", "idle-seconds", "ready-fd"):
        for value in ("", "x", "-1", "0", "99999999999", "1x"):
            refused(1, ["--" + name, "expected a number from"], "serve", *at, "--listen", "127.0.0.1:1", f"--{name}={value}")


@test("a directory without a broker is told apart, by every verb that needs one")
def _():
    nowhere = ("--dir", path("nowhere"))
    record = make_record()
    refused(2, [path("nowhere"), "tls.key"], "identity", *nowhere)
    for verb in (["volume", "add", "--record", record], ["volume", "list"], ["volume", "remove", "--resource", "a/b/c"],
                 ["allow", "--resource", "a/b/c", "--measurement", GOOD_MEASUREMENT],
                 ["policy", "show", "--resource", "a/b/c"], ["log", "show"], ["serve", "--listen", "127.0.0.1:1"]):
        refused(2, [path("nowhere"), "no broker here", "postern-broker init"], *verb, *nowhere)
    os.unlink(record)
    true(not os.path.exists(path("nowhere")), "it was made")


# ---- init and identity

@test("init makes keys that only we can read, and a store")
def _():
    equal(set(os.listdir(broker.directory)), FILES)
    equal(os.stat(broker.directory).st_mode & 0o7777, 0o700)
    for name in FILES:
        mode = os.stat(os.path.join(broker.directory, name)).st_mode & 0o777
        equal(mode, 0o644 if name == "tls.crt" else 0o600, f"mode of {name}")
    equal(os.path.getsize(os.path.join(broker.directory, "kek")), 32)


@test("init takes an empty directory over, and nothing else")
def _():
    os.mkdir(path("empty"), 0o755)
    must("init", "--dir", path("empty"))
    equal(set(os.listdir(path("empty"))), FILES)
    equal(os.stat(path("empty")).st_mode & 0o7777, 0o700)
    before = {name: open(path("empty", name), "rb").read() for name in FILES}
    refused(1, [path("empty"), "not empty"], "init", "--dir", path("empty"))
    equal({name: open(path("empty", name), "rb").read() for name in FILES}, before, "an existing broker")
    with open(path("file"), "w"):
        pass
    refused(2, [path("file")], "init", "--dir", path("file"))
    refused(2, ["cannot be made"], "init", "--dir", path("no", "such", "place"))


@test("of several inits at a time one makes the broker, and the others leave it alone")
def _():
    for number in range(10):
        where = path(f"raced-{number}")
        started = [subprocess.Popen([BROKER, "init", "--dir", where], stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL) for _ in range(4)]
        equal(sorted(each.wait(30) for each in started), [0, 1, 1, 1])
        equal(set(os.listdir(where)), FILES)
        must("identity", "--dir", where)


@test("init leaves nothing half-made behind: no space at any point")
def _():
    sizes = set()
    os.mkdir(path("small"))
    for pages in (*range(1, 16), *range(16, 64, 4)):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={4 * pages}k", "none", path("small")], check=True)
        try:
            for place in (path("small"), path("small", "made")):
                done = run("init", "--dir", place)
                if done.returncode == 0:
                    sizes.add("enough")
                    shutil.rmtree(place, ignore_errors=True)
                    continue
                sizes.add("too small")
                equal(done.returncode, 2)
                equal(done.stderr.count("\n"), 1, done.stderr)
                true("space" in done.stderr.lower(), done.stderr)
                equal(os.listdir(path("small")), [], "left behind")
        finally:
            subprocess.run(["umount", path("small")], check=True)
    equal(sizes, {"enough", "too small"})


@test("two brokers have nothing in common")
def _():
    other = Broker(volume=False)
    for name in FILES - {"store.db"}:
        true(open(os.path.join(other.directory, name), "rb").read() !=
             open(os.path.join(broker.directory, name), "rb").read(), f"{name} is the same")


@test("identity prints the pin of the TLS key and the record key, as openssl sees them")
def _():
    text = must("identity", *at, "--json")
    identity = json.loads(text)
    equal(text, '{"spki_sha256": "%s", "record_key": "%s"}\n' % (identity["spki_sha256"], identity["record_key"]))

    def openssl(*words, data=None):
        return subprocess.run(["openssl", *words], input=data, stdout=subprocess.PIPE, check=True).stdout
    spki = openssl("pkey", "-in", os.path.join(broker.directory, "tls.key"), "-pubout", "-outform", "DER")
    equal(identity["spki_sha256"], hashlib.sha256(spki).hexdigest())
    pem = openssl("x509", "-in", os.path.join(broker.directory, "tls.crt"), "-pubkey", "-noout")
    equal(openssl("pkey", "-pubin", "-outform", "DER", data=pem), spki, "key of the certificate")
    record = openssl("pkey", "-in", os.path.join(broker.directory, "record.key"), "-pubout", "-outform", "DER")
    equal(base64.b64decode(identity["record_key"]), record)
    true(identity["spki_sha256"] in must("identity", *at) and identity["record_key"] in must("identity", *at), "as text")


@test("keys that others may read, or that are not keys, are refused by name")
def _():
    for name, breakage, words in (("kek", lambda f: os.chmod(f, 0o640), ["mode is 0640", "chmod 600"]),
                                  ("kek", lambda f: open(f, "ab").write(b"x"), ["33 bytes", "expected 32"]),
                                  ("kek", os.unlink, ["cannot be opened"]),
                                  ("tls.key", lambda f: os.chmod(f, 0o604), ["mode is 0604"]),
                                  ("record.key", lambda f: open(f, "w").write("x"), ["not a private key"]),
                                  ("record.key", lambda f: shutil.copy(os.path.join(broker.directory, "tls.key"), f),
                                   ["not a private key on secp384r1"]),
                                  ("token.key", lambda f: open(f, "w").close(), ["is empty"]),
                                  ("tls.crt", lambda f: shutil.copy(os.path.join(broker.directory, "tls.crt"), f),
                                   ["not the certificate of tls.key"])):
        other = Broker(volume=False)
        file = os.path.join(other.directory, name)
        breakage(file)
        for verb in (["identity"], ["serve", "--listen", f"127.0.0.1:{free_port()}"]):
            refused(2, [name, *words], *verb, "--dir", other.directory)


# ---- volumes

@test("volume add, list, remove")
def _():
    other = Broker(volume=False)
    record = make_record("disk-7")
    here = ("--dir", other.directory)
    equal(must("volume", "list", *here), "")
    said = must("volume", "add", *here, "--record", record)
    true("default/volume/disk-7" in said and "postern-broker allow" in said and "ab" * 8 not in said, said)
    must("volume", "add", *here, "--record", record, "--resource", "my/own/name.1")
    listed = [json.loads(line) for line in must("volume", "list", *here, "--json").splitlines()]
    equal([(v["resource"], v["volume"], v["state"], v["allowed"]) for v in listed],
          [("default/volume/disk-7", "disk-7", "ready", 0), ("my/own/name.1", "disk-7", "ready", 0)])
    must("allow", *here, "--resource", "my/own/name.1", "--measurement", GOOD_MEASUREMENT)
    true("1 launches allowed" in must("volume", "list", *here).splitlines()[1], "as text")
    must("volume", "remove", *here, "--resource", "my/own/name.1")
    equal(len(must("volume", "list", *here).splitlines()), 1)
    must("volume", "add", *here, "--record", record, "--resource", "my/own/name.1")
    listed = [json.loads(line) for line in must("volume", "list", *here, "--json").splitlines()]
    equal([v["version"] for v in listed], [1, 3], "versions are never given twice")
    refused(1, ["my/own/name.1", "no policy"], "policy", "show", *here, "--resource", "my/own/name.1")


@test("volume add refuses what it should not keep")
def _():
    record = make_record("data")
    refused(1, ["default/volume/data", "registered there already"], "volume", "add", *at, "--record", record)
    for resource in ("a/b", "a/b/c/d", "a//c", "/a/b/c", ".a/b/c", "a/b/c d", "a/b/" + "c" * 200):
        refused(1, ["not a resource's name"], "volume", "add", *at, "--record", record, f"--resource={resource}")
    for mode, text in ((0o640, "0640"), (0o604, "0604"), (0o622, "0622")):
        refused(1, [text, "others may read", "chmod 600"], "volume", "add", *at, "--record", make_record("wide", mode))
    refused(1, ["cannot be opened"], "volume", "add", *at, "--record", path("nothing"))
    refused(1, ["not a regular file"], "volume", "add", *at, "--record", path())
    good = open(record, "rb").read()
    for data, words in ((b"", ["is empty"]), (b"x", ["not one of version 2"]), (good[:-1], ["layout"]),
                        (good + b"x", ["layout"]), (good.replace(b"xts", b"cbc"), ["not supported"]),
                        (b"x" * 2000, ["larger than"])):
        with open(path("bad"), "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(data)
        refused(1, [path("bad"), *words], "volume", "add", *at, "--record", path("bad"))
    equal(len(must("volume", "list", *at).splitlines()), 1, "volumes")
    refused(1, ["a/b/c", "no volume"], "volume", "remove", *at, "--resource", "a/b/c")


# ---- policies

@test("allow adds launch digests, once each")
def _():
    other = Broker(volume=True)
    here = ("--dir", other.directory, "--resource", other.resource)
    a, b, c = "0a" * 48, "0b" * 48, "0c" * 48
    true("2 launches allowed, 1 of them new" in must("allow", *here, "--measurement", a), "first")
    true("2 launches allowed, 0 of them new" in must("allow", *here, "--measurement", a.upper()), "again")
    true("4 launches allowed, 2 of them new" in must("allow", *here, "--measurement", b, c, a), "several")
    must("allow", *here, "--measurement", b, "--measurement", c)
    equal(json.loads(must("policy", "show", *here)), {"measurements": [GOOD_MEASUREMENT, a, b, c], "allow_debug": False,
                                                      "allow_migration_agent": False, "vmpl": 0})


@test("allow takes a whole policy, and adds to it without losing a member")
def _():
    document = {"measurements": ["0d" * 48], "allow_debug": True, "vmpl": 2, "host_data": "ee" * 32,
                "minimum_tcb": {"snp": 20, "microcode": 209}}
    with open(path("policy"), "w") as file:
        json.dump(document, file)
    here = (*at, "--resource", broker.resource)
    must("allow", *here, "--policy", path("policy"))
    must("allow", *here, "--measurement", "0e" * 48)
    wanted = {**document, "allow_migration_agent": False, "measurements": ["0d" * 48, "0e" * 48],
              "minimum_tcb": {"fmc": 0, "bootloader": 0, "tee": 0, "snp": 20, "microcode": 209}}
    equal(json.loads(must("policy", "show", *here)), wanted)


@test("allow refuses what is no policy, and keeps the one that is there")
def _():
    here = (*at, "--resource", broker.resource)
    before = must("policy", "show", *here)
    for measurement in ("", "0d", "0d" * 47 + "0", "zz" * 48, "0d" * 49):
        refused(1, ["not a launch digest", "96"], "allow", *here, f"--measurement={measurement}")
    refused(1, ["not a launch digest"], "allow", *here, "--measurement", "0f" * 48, "nonsense")
    refused(1, ["expected one of", "--manifest"], "allow", *here, "0f" * 48)
    refused(1, ["expected one of", "--manifest"], "allow", *here)
    refused(1, ["expected one of", "--manifest"], "allow", *here, "--measurement", "0d" * 48, "--policy", path("policy"))
    refused(1, ["no volume"], "allow", *at, "--resource", "a/b/c", "--measurement", "0d" * 48)
    refused(1, ["no volume"], "policy", "show", *at, "--resource", "a/b/c")
    refused(1, ["cannot be opened"], "allow", *here, "--policy", path("nothing"))
    for text, words in (("", ["JSON"]), ("{}", ["measurements"]), ('{"measurements":[]}', ["measurements"]),
                        ('{"measurements":["%s"],"debug":true}' % ("0d" * 48), ["debug", "unknown"]),
                        ('{"measurements":["%s"],"vmpl":4}' % ("0d" * 48), ["vmpl"]),
                        ('{"measurements":["xy"]}', ["hexadecimal"])):
        with open(path("bad-policy"), "w") as file:
            file.write(text)
        refused(1, [path("bad-policy"), *words], "allow", *here, "--policy", path("bad-policy"))
    many = ["%096x" % i for i in range(500)]
    must("allow", *here, "--measurement", *many)
    refused(1, ["the policy would have", "65536"], "allow", *here, "--measurement", *["%096x" % (i + 500) for i in range(500)])
    equal(len(json.loads(must("policy", "show", *here))["measurements"]), len(json.loads(before)["measurements"]) + 500)


# ---- serve's own command line

@test("serve refuses settings that cannot work")
def _():
    listen = f"127.0.0.1:{free_port()}"
    for text in ("8443", "localhost:8443", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "[::1:1", ":1"):
        refused(1, ["--listen", text, "literal address"], "serve", *at, "--listen", text)
    refused(1, ["--ready-fd 99"], "serve", *at, "--listen", listen, "--ready-fd", "99")
    refused(1, ["--evidence-dir", "nothing"], "serve", *at, "--listen", listen, "--evidence-dir", path("nothing"))
    refused(1, ["--evidence-dir", "not a directory"], "serve", *at, "--listen", listen, "--evidence-dir", path("policy"))
    for root in (path("nothing"), path("policy")):
        refused(2, [root], "serve", *at, "--listen", listen, "--trust-root", root)
    both = path("both.pem")
    with open(both, "w") as file:
        for each in (chain(), chain("other", "Genoa")):
            file.write(open(os.path.join(each, "ark.pem")).read())
    refused(2, [both, "one self-signed certificate"], "serve", *at, "--listen", listen, "--trust-root", both)


# ---- the log, evidence, backups

def grown():
    """A broker that has decided some things, stopped."""
    place = tempfile.mkdtemp(dir=path())
    other = Broker().serve("--evidence-dir", place)
    equal(other.client()["outcome"], "granted")
    equal(other.client(measurement="b6" * 48)["outcome"], "denied")
    equal(other.stop(), 0)
    return other, place


def change(broker, text, *values):
    db = sqlite3.connect(os.path.join(broker.directory, "store.db"))
    db.execute(text, values)
    db.commit()
    db.close()


@test("log verify follows the chain; every row that is changed, taken out or put in is told")
def _():
    other, _ = grown()
    here = ("--dir", other.directory)
    said = must("log", "verify", *here)
    head = said.split()[-1]
    true("6 rows, 1 releases" in said, said)
    must("log", "verify", *here, "--head", head)
    refused(5, ["not in the chain"], "log", "verify", *here, "--head", "00" * 32)
    rows = [line.split(" ", 2) for line in must("log", "export", *here).splitlines()]
    previous = bytes(32)
    for number, (row, digest, line) in enumerate(rows, 1):
        previous = hashlib.sha256(previous + struct.pack("<QI", number, len(line.encode())) + line.encode()).digest()
        equal((row, digest), (str(number), previous.hex()))
    equal(previous.hex(), head)
    store = os.path.join(other.directory, "store.db")
    shutil.copy(store, path("whole.db"))
    for text, values, words in (
            ("UPDATE log SET line = replace(line, 'granted', 'refused') WHERE id = 4", (), ["row 4", "changed"]),
            ("UPDATE log SET line = replace(line, 'policy', 'pillow') WHERE id = 6", (), ["row 6", "changed"]),
            ("DELETE FROM log WHERE id = 3", (), ["row 4 follows row 2"]),
            ("DELETE FROM log WHERE id = 1", (), ["row 2 follows row 0"]),
            ("UPDATE log SET hash = ? WHERE id = 2", (bytes(32),), ["row 2"]),
            ("UPDATE log SET hash = x'' WHERE id = 6", (), ["row 6"]),
            ("INSERT INTO log (time, request, line, hash) VALUES (0, 'x', '{}', ?)", (bytes(32),), ["row 7"]),
            ("DELETE FROM release", (), ["was released, the table of releases does not"]),
            ("UPDATE release SET request = 'ffffffffffffffff'", (), ["released"]),
            ("INSERT INTO release SELECT version, x'01', key, 'feedfeedfeedfeed', time, state, generation, epoch, confirmed,"
             " seen FROM release", (), ["feedfeedfeedfeed", "no row of it"])):
        shutil.copy(path("whole.db"), store)
        change(other, text, *values)
        refused(5, words, "log", "verify", *here)
    shutil.copy(path("whole.db"), store)
    change(other, "DELETE FROM log WHERE id = 6")
    must("log", "verify", *here)
    refused(5, ["not in the chain"], "log", "verify", *here, "--head", head)


@test("explain decides saved evidence again and prints each check")
def _():
    other, place = grown()
    root = ("--trust-root", os.path.join(chain(), "ark.pem"))
    here = ("--dir", other.directory, "--resource", other.resource, *root)
    outcomes = {}
    for name in os.listdir(place):
        done = run("explain", os.path.join(place, name), *here)
        outcomes[done.returncode] = done.stdout
        saved = os.path.join(place, name)
    equal(set(outcomes), {0, 5})
    true("WRONG" not in outcomes[0] and "would be given" in outcomes[0], outcomes[0])
    for step in ("layout", "certificates", "chain", "chip and TCB", "signature", "purpose", "report_data", "measurement"):
        true("good    " + step in outcomes[0], f"{step}: {outcomes[0]}")
    true("WRONG   measurement" in outcomes[5] and "wanted " + GOOD_MEASUREMENT in outcomes[5], outcomes[5])
    done = run("explain", saved, *here[:4])
    equal(done.returncode, 5)
    true("WRONG   chain" in done.stdout, done.stdout)
    with open(path("open-policy"), "w") as file:
        json.dump({"measurements": ["b6" * 48, GOOD_MEASUREMENT]}, file)
    must("explain", saved, "--policy", path("open-policy"), *root)
    text = open(saved).read()
    nonce = json.loads(text)["runtime-data"]["nonce"]
    with open(path("replayed"), "w") as file:
        file.write(text.replace(nonce, base64.b64encode(bytes(32)).decode()))
    done = run("explain", path("replayed"), "--policy", path("open-policy"), *root)
    true(done.returncode == 5 and "WRONG   report_data" in done.stdout, done.stdout)
    refused(1, ["expected a file"], "explain", *here)
    refused(1, ["expected a file"], "explain", saved, "--dir", other.directory)
    refused(1, ["expected a file"], "explain", saved, *here, "--policy", path("open-policy"))
    refused(1, ["no volume"], "explain", saved, "--dir", other.directory, "--resource", "a/b/c", *root)
    refused(1, ["cannot be opened"], "explain", path("nothing"), "--policy", path("open-policy"), *root)
    refused(1, [path("bad-policy"), "runtime-data"], "explain", path("bad-policy"), "--policy", path("open-policy"), *root)


@test("backup and restore: while a server runs, and into a directory that has the keys")
def _():
    other = Broker().serve()
    equal(other.client()["outcome"], "granted")
    must("backup", "--dir", other.directory, "--file", path("backup"))
    equal(os.stat(path("backup")).st_mode & 0o777, 0o600)
    refused(1, [path("backup"), "is there already"], "backup", "--dir", other.directory, "--file", path("backup"))
    refused(1, ["is there already"], "restore", "--dir", other.directory, "--file", path("backup"))
    true(bytes.fromhex(other.key)[:16] not in open(path("backup"), "rb").read(), "the key is in the backup")
    equal(other.client(confirm="yes")["confirmed"], "granted")
    equal(other.stop(), 0)
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        if os.path.exists(os.path.join(other.directory, name)):
            os.unlink(os.path.join(other.directory, name))
    refused(1, ["nothing", "cannot be read"], "restore", "--dir", other.directory, "--file", path("nothing"))
    refused(2, ["not a broker's store"], "restore", "--dir", other.directory, "--file", path("bad-policy"))
    true(not os.path.exists(os.path.join(other.directory, "store.db")), "half a restored store")
    must("restore", "--dir", other.directory, "--file", path("backup"))
    true(" 1 releases" in must("log", "verify", "--dir", other.directory), "the log")
    other.serve()
    result = other.client(confirm="yes", found=2)
    equal((result["outcome"], result["confirmed"]), ("granted", "denied"), "a disk that is ahead of the restored broker")
    equal(other.stop(), 0)


@test("the key-encryption key comes from systemd's credentials where it put one")
def _():
    other = Broker()
    credentials = tempfile.mkdtemp(dir=path())
    os.rename(os.path.join(other.directory, "kek"), os.path.join(credentials, "postern-broker.kek"))
    refused(2, ["kek", "cannot be opened"], "volume", "list", "--dir", other.directory)
    for verb in (["volume", "list"], ["identity"], ["allow", "--resource", other.resource, "--measurement", "0d" * 48],
                 ["backup", "--file", path("with-credentials")]):
        must(*verb, "--dir", other.directory, "--credentials", credentials)
    os.chmod(os.path.join(credentials, "postern-broker.kek"), 0o644)
    for verb in (["volume", "list"], ["serve", "--listen", f"127.0.0.1:{free_port()}"]):
        refused(2, ["postern-broker.kek", "chmod 600"], *verb, "--dir", other.directory, "--credentials", credentials)


@test("log show refuses an id that is not there")
def _():
    refused(1, ["0123456789abcdef", "no decision"], "log", "show", *at, "--request", "0123456789abcdef")
    shown = must("log", "show", *at).splitlines()
    true(" volume-add  (request " in shown[0] and "default/volume/data" in shown[1], f"what the operator did: {shown}")


@test("output that cannot be written is an error")
def _():
    with open("/dev/full", "w") as full:
        done = subprocess.run([BROKER, "identity", *at], stdout=full, stderr=subprocess.PIPE, text=True, timeout=20)
    equal(done.returncode, 1)
    true("standard output" in done.stderr, done.stderr)


main()
