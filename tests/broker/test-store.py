#!/usr/bin/env python3
"""The store: no release without a row, none in clear, whatever happens to disk or process."""
import json
import os
import random
import shutil
import resource
import sqlite3
import subprocess
import tempfile
import threading
import time

from harness import (BROKER, Broker, Guest, SANITIZED, chain, denied, equal, main, memory_count, must, path, refused, session, test, true)

guest = Guest()


def database(broker):
    return sqlite3.connect(os.path.join(broker.directory, "store.db"))


def fails(broker, answer, reason):
    entry = denied(broker, answer, reason, status=500, error="PluginInternalError", outcome="failed",
                   row=reason != "store")
    true("protected" not in answer.json(), "something was released")
    return entry


# ---- a store that somebody changed

@test("a record that was changed, moved to another name, or put back does not open")
def _():
    broker = Broker().serve()
    connection, cookie = session(broker, guest)
    broker.add_volume("other", "33" * 64)
    broker.allow(resource="default/volume/other")
    with database(broker) as db:
        sealed = dict(db.execute("SELECT resource, sealed FROM volume"))
        mine = sealed["default/volume/data"]
    for changed in (mine[:-1] + bytes([mine[-1] ^ 1]), mine[:20] + bytes([mine[20] ^ 1]) + mine[21:], mine[:8], b"", mine + b"x",
                    sealed["default/volume/other"]):
        with database(broker) as db:
            db.execute("UPDATE volume SET sealed = ? WHERE resource = 'default/volume/data'", [changed])
        entry = fails(broker, connection.resource("default/volume/data", cookie), "store-damaged")
        true("does not open" in entry["detail"], entry["detail"])
        refused(2, ["does not open"], "volume", "list", "--dir", broker.directory)
    with database(broker) as db:
        db.execute("UPDATE volume SET sealed = ?, version = 77 WHERE resource = 'default/volume/data'", [mine])
    fails(broker, connection.resource("default/volume/data", cookie), "store-damaged")
    with database(broker) as db:
        db.execute("UPDATE volume SET version = 1 WHERE resource = 'default/volume/data'")
    equal(connection.resource("default/volume/data", cookie).status, 200)
    equal(broker.stop(), 0)


@test("a policy that does not parse allows nothing")
def _():
    broker = Broker().serve()
    connection, cookie = session(broker, guest)
    for text in ("{}", "x", '{"measurements":["%s"],"allow":"all"}' % ("a5" * 48)):
        with database(broker) as db:
            db.execute("UPDATE policy SET document = ?", [text])
        fails(broker, connection.resource("default/volume/data", cookie), "store-damaged")
    equal(broker.stop(), 0)


@test("another broker's store, another version, garbage and nothing are refused by name")
def _():
    for change, words in ((lambda f: open(f, "wb").write(b"x" * 8192), ["not a broker's store"]),
                          (lambda f: open(f, "wb").close(), ["not a broker's store"]),
                          (lambda f: sqlite3.connect(f).execute("PRAGMA user_version=1").connection.commit(), ["version 1"]),
                          (lambda f: sqlite3.connect(f).execute("PRAGMA application_id=1").connection.commit(),
                           ["not a broker's store"])):
        broker = Broker(volume=False)
        change(os.path.join(broker.directory, "store.db"))
        refused(2, ["store.db", *words], "volume", "list", "--dir", broker.directory)
        refused(2, ["store.db", *words], "serve", "--dir", broker.directory, "--listen", "127.0.0.1:1")


# ---- a disk that fails

class Mount:
    """A small filesystem of its own."""

    def __init__(self, size):
        self.at = tempfile.mkdtemp(dir=path())
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", self.at], check=True)

    def __enter__(self):
        return self.at

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.at], check=True)


@test("disk full: a clear word, no release; space again: releases again")
def _():
    with Mount("1m") as place:
        broker = Broker(directory=os.path.join(place, "b")).serve()
        connection, cookie = session(broker, guest)
        equal(connection.resource("default/volume/data", cookie).status, 200)
        fill = os.path.join(place, "fill")
        with open(fill, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        seen = set()
        for _ in range(30):
            answer = connection.resource("default/volume/data", cookie)
            seen.add(answer.status)
            if answer.status != 200:
                entry = fails(broker, answer, "store")
                true("no space is left" in entry["detail"], entry["detail"])
        true(500 in seen, "the disk was never full")
        equal(connection.ask("GET", "/healthz").status, 503, "health")
        refused(2, ["no space is left"], "volume", "remove", "--dir", broker.directory, "--resource", "default/volume/data")
        os.unlink(fill)
        equal(connection.resource("default/volume/data", cookie).status, 200)
        equal(connection.ask("GET", "/healthz").status, 200, "health")
        equal(broker.stop(), 0)


@test("a file size limit in the middle of serving: an error, not the end of the process")
def _():
    broker = Broker().serve()
    connection, cookie = session(broker, guest)
    resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    fails(broker, connection.resource("default/volume/data", cookie), "store")
    resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    equal(connection.resource("default/volume/data", cookie).status, 200)
    equal(broker.stop(), 0)


@test("random bytes of the store changed: the broker refuses to start, or to release, or releases what was registered")
def _():
    broker = Broker()
    broker.add_volume("other", "33" * 64)
    broker.allow(resource="default/volume/other")
    file = os.path.join(broker.directory, "store.db")
    with database(broker) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(file, "rb") as whole:
        good = whole.read()
    generator, seen = random.Random(7), set()
    for _ in range(12 if SANITIZED else 40):
        bad = bytearray(good)
        for _ in range(generator.choice((1, 4, 64))):
            bad[generator.randrange(len(bad))] = generator.randrange(256)
        for ending in ("-wal", "-shm"):
            if os.path.exists(file + ending):
                os.unlink(file + ending)
        with open(file, "wb") as whole:
            whole.write(bad)
        try:
            broker.serve()
        except AssertionError as error:
            seen.add("not started")
            equal(broker.process.returncode, 2, str(error))
            equal(len(broker.lines), 1, f"lines of {broker.lines}")
            continue
        connection, cookie = session(broker, guest, report_id=os.urandom(32).hex())
        for resource, key in (("default/volume/data", broker.key), ("default/volume/other", "33" * 64)):
            answer = connection.resource(resource, cookie)
            if answer.status == 200:
                seen.add("released")
                equal(guest.open(broker, answer.body)["key"], key)
            else:
                seen.add("refused")
                entry = broker.entry(answer.request)
                true(entry["reason"] in ("store", "store-damaged", "resource-unknown", "policy", "policy-missing"), entry)
        equal(broker.stop(), 0)
    true({"released", "refused"} <= seen, seen)


@test("a read-only store: one sentence at the start, exit code 2")
def _():
    with Mount("1m") as place:
        broker = Broker(directory=os.path.join(place, "b"))
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        for verb in (["serve", "--listen", "127.0.0.1:1"], ["volume", "remove", "--resource", "default/volume/data"],
                     ["allow", "--resource", "default/volume/data", "--measurement", "00" * 48]):
            refused(2, ["store.db", "read-only"], *verb, "--dir", broker.directory)


@test("a store that another process holds for too long: an error, no release")
def _():
    broker = Broker().serve()
    connection, cookie = session(broker, guest)
    holder = database(broker)
    holder.isolation_level = None
    holder.execute("BEGIN IMMEDIATE")
    entry = fails(broker, connection.resource("default/volume/data", cookie), "store")
    true("another process holds it" in entry.get("detail", ""), f"{entry} {broker.lines}")
    refused(2, ["another process holds it"], "allow", "--dir", broker.directory, "--resource", "default/volume/data",
            "--measurement", "00" * 48)
    holder.execute("ROLLBACK")
    equal(connection.resource("default/volume/data", cookie).status, 200)
    equal(broker.stop(), 0)


@test("no memory to be had: an error of one request")
def _():
    if SANITIZED:
        return
    broker = Broker().serve()
    connection, cookie = session(broker, guest)
    with open(f"/proc/{broker.process.pid}/status") as file:
        size = next(int(line.split()[1]) for line in file if line.startswith("VmSize")) * 1024
    resource.prlimit(broker.process.pid, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
    fails(broker, connection.resource("default/volume/data", cookie), "internal")
    resource.prlimit(broker.process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    equal(connection.resource("default/volume/data", cookie).status, 200)
    equal(broker.stop(), 0)


# ---- a process that is killed

@test("kill -9 while releasing: the store opens, and every release that left has its row")
def _():
    rounds = 8 if SANITIZED else 25
    broker = Broker()
    got, lock = [], threading.Lock()

    def ask(connection, cookie):
        try:
            while True:
                answer = connection.resource("default/volume/data", cookie)
                if answer.status == 200:
                    with lock:
                        got.append(answer.request)
        except Exception:  # noqa: the broker is gone
            pass

    generator = random.Random(7)
    for _ in range(rounds):
        broker.serve()
        threads = [threading.Thread(target=ask, args=session(broker, guest)) for _ in range(3)]
        for thread in threads:
            thread.start()
        before, deadline = len(got), time.monotonic() + 20
        while len(got) < before + 2 and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(generator.uniform(0, 0.2))
        broker.kill()
        for thread in threads:
            thread.join(60)
    true(len(got) > rounds, f"only {len(got)} releases")
    rows = [json.loads(line) for line in must("log", "show", "--dir", broker.directory, "--json").splitlines()]
    granted = {row["request"] for row in rows if row["event"] == "release" and row["outcome"] == "granted"}
    equal(set(got) - granted, set(), "releases without a row")
    with database(broker) as db:
        equal(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))


@test("refusals that anybody can cause are kept within bounds; decisions are kept")
def _():
    broker = Broker().serve()
    connection, cookie = session(broker, guest)
    equal(connection.resource("default/volume/data", cookie).status, 200)
    broker.kill()
    with database(broker) as db:
        db.executemany("INSERT INTO refused (time, request, line) VALUES (1, ?, '{}')",
                       [[f"{i:016x}"] for i in range(10005)])
    broker.serve()
    denied(broker, broker.connect().resource("default/volume/data"), "token-missing")
    with database(broker) as db:
        equal(db.execute("SELECT count(*) FROM refused").fetchone()[0], 10000)
        equal(db.execute("SELECT count(*) FROM log").fetchone()[0], 4, "add, allow, attest, release")
    equal(broker.stop(), 0)


# ---- secrets

@test("the key is in no file, line, argument or variable in clear")
def _():
    broker = Broker().serve()
    connection, cookie = session(broker, guest)
    equal(connection.resource("default/volume/data", cookie).status, 200)
    key = bytes.fromhex(broker.key)
    with open(os.path.join(broker.directory, "kek"), "rb") as file:
        kek = file.read()
    places = {name: open(os.path.join(broker.directory, name), "rb").read() for name in os.listdir(broker.directory)
              if name not in ("kek", "admin.sock")}
    true({"store.db", "store.db-wal"} <= set(places), "the log of the database is looked at as well")
    for name in ("cmdline", "environ"):
        places[name] = open(f"/proc/{broker.process.pid}/{name}", "rb").read()
    places["lines"] = "".join(broker.lines).encode()
    places["shown"] = (must("log", "show", "--dir", broker.directory) + must("volume", "list", "--dir", broker.directory)).encode()
    for name, data in places.items():
        for secret in (key, kek):
            for form in (secret[:16], secret[-16:], secret.hex()[:32].encode(), secret.hex()[:32].upper().encode()):
                true(form not in data, f"a key is in {name}")
    equal(broker.stop(), 0)
    for name in os.listdir(broker.directory):
        if name != "kek":
            true(key[:16] not in open(os.path.join(broker.directory, name), "rb").read(), f"a key is in {name}")


@test("a removed record is gone from the store's file")
def _():
    broker = Broker()
    with database(broker) as db:
        sealed = db.execute("SELECT sealed FROM volume").fetchone()[0]
    data = open(os.path.join(broker.directory, "store.db"), "rb").read()
    true(sealed[40:72] in data, "the test looks in the right place")
    must("volume", "remove", "--dir", broker.directory, "--resource", "default/volume/data")
    for name in os.listdir(broker.directory):
        true(sealed[40:72] not in open(os.path.join(broker.directory, name), "rb").read(), f"left in {name}")


@test("the memory of a serving broker holds no key between requests, leaves no core, and is not for tracers")
def _():
    broker = Broker().serve()
    connection, cookie = session(broker, guest)
    for _ in range(5):
        equal(connection.resource("default/volume/data", cookie).status, 200)
    pid = broker.process.pid
    with open(f"/proc/{pid}/limits") as file:
        line = next(line for line in file if line.startswith("Max core file size"))
    equal(line.split()[4:6], ["0", "0"])
    key = bytes.fromhex(broker.key)
    found = sum(memory_count(each, part) for each in (pid, broker.front()) for part in (key[:16], key[32:48]))
    equal(found, 0, "copies of the volume key in memory")
    own = os.stat(f"/proc/{pid}/mem").st_uid
    equal(own, 0, "owner of the process's files: root for a process that is not dumpable")
    equal(broker.stop(), 0)


@test("an unprivileged user can run it all; limits of locked memory are told")
def _():
    place = tempfile.mkdtemp(dir="/tmp")
    os.chmod(place, 0o777)
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    where = os.path.join(place, "b")
    done = subprocess.run([*user, BROKER, "init", "--dir", where], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, timeout=20)
    equal((done.returncode, done.stderr), (0, ""))
    done = subprocess.run([*user, "sh", "-c", f"ulimit -l 64; exec {BROKER} identity --dir {where}"],
                          stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, timeout=20)
    if not SANITIZED:  # the sanitizer's runtime makes locking memory a matter of words
        equal(done.returncode, 2)
        true("locked memory" in done.stderr, done.stderr)
    broker = Broker(directory=os.path.join(place, "served"))
    subprocess.run(["chown", "-R", "65534:65534", broker.directory], check=True)
    shutil.copy(os.path.join(chain(), "ark.pem"), place)
    broker.serve("--trust-root", os.path.join(place, "ark.pem"), under=user, trust=False)
    for pid in (broker.process.pid, broker.front()):
        with open(f"/proc/{pid}/status") as file:
            status = file.read()
        equal([line.split()[1:] for line in status.splitlines() if line.startswith(("Uid", "Gid", "Groups"))],
              [["65534"] * 4, ["65534"] * 4, []])
        true("CapEff:\t0000000000000000" in status, status)
    equal(broker.client()["outcome"], "granted")
    equal(len(must("volume", "list", "--dir", broker.directory).splitlines()), 1, "root is heard")
    equal(broker.stop(), 0)
    subprocess.run(["rm", "-r", place], check=True)


@test("the helpers end well")
def _():
    guest.close()
    equal(guest.process.returncode, 0)


main()
