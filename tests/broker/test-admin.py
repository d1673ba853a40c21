#!/usr/bin/env python3
"""The administration socket: verbs have the serving broker do their work; others may not, and slips do no harm."""
import json
import os
import random
import shutil
import socket
import sqlite3
import struct
import subprocess
import tempfile
import threading
import time

from harness import (BROKER, CLIENT, GOOD_MEASUREMENT, SANITIZED, Broker, Guest, equal, free_port, main, must, path, refused, run,
                     session, test, true)

guest = Guest()
NAME = "default/volume/data"


def record(volume_id):
    name = path(f"{volume_id}.record")
    subprocess.run([CLIENT, "record", name, volume_id, "ab" * 64], check=True)
    return name


def place(broker):
    return os.path.join(broker.directory, "admin.sock")


def call(broker, data=None, files=()):
    """A message as it is; what came back, or b"" when the connection was closed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stream:
        stream.settimeout(20)
        stream.connect(place(broker))
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(files)}i", *files))] if files else []
        stream.sendmsg([data], ancillary)
        return stream.recv(1 << 16)


def message(verb=2, flags=0, resource=b"", policy=b"", measurements=0, files=(), form=1):
    text = struct.pack("<BBBQIH", form, verb, flags, 0, 0, len(resource)) + resource
    text += struct.pack("<H", len(policy)) + policy + struct.pack("<H", measurements) + b"\xa5" * 48 * measurements
    return text + bytes([len(files)]) + b"".join(struct.pack("<BH", kind, len(name)) + name for kind, name in files)


def descriptors(broker):
    return len(os.listdir(f"/proc/{broker.process.pid}/fd"))


@test("verbs have the serving broker do their work: its keys, its transactions, rows with the user who asked")
def _():
    broker = Broker().serve()
    kek = os.path.join(broker.directory, "kek")
    os.rename(kek, path("kek"))
    must("volume", "add", "--dir", broker.directory, "--record", record("other"))
    must("allow", "--dir", broker.directory, "--volume", "other", "--measurement", GOOD_MEASUREMENT)
    listed = [json.loads(line) for line in must("volume", "list", "--dir", broker.directory, "--json").splitlines()]
    equal([(each["volume"], each["allowed"]) for each in listed], [("data", 1), ("other", 1)])
    connection, cookie = session(broker, guest)
    equal(connection.resource("default/volume/other", cookie).status, 200)
    refused(1, ["default/volume/other", "registered there already"], "volume", "add", "--dir", broker.directory,
            "--record", record("other"))
    must("volume", "remove", "--dir", broker.directory, "--volume", "other")
    rows = [json.loads(line) for line in must("log", "show", "--dir", broker.directory, "--json").splitlines()]
    changes = [(row["event"], row["resource"], row["uid"]) for row in rows if "uid" in row][-3:]
    equal(changes, [("volume-add", "default/volume/other", 0), ("allow", "default/volume/other", 0),
                    ("volume-remove", "default/volume/other", 0)])
    must("log", "verify", "--dir", broker.directory)
    equal(broker.stop(), 0)
    true(not os.path.exists(place(broker)), "the socket is gone with the broker")
    refused(2, ["kek"], "volume", "list", "--dir", broker.directory)
    os.rename(path("kek"), kek)
    equal(len(must("volume", "list", "--dir", broker.directory).splitlines()), 1, "now by the verb itself")


@test("a file that others may read is refused by the serving broker as well; pipes are; nothing of it is kept")
def _():
    broker = Broker().serve()
    wide = record("wide")
    os.chmod(wide, 0o640)
    refused(1, ["0640", "chmod 600"], "volume", "add", "--dir", broker.directory, "--record", wide)
    with open(path("open-secret"), "w") as file:
        file.write("x")
    os.chmod(path("open-secret"), 0o644)
    refused(1, [path("open-secret"), "0644"], "secret", "add", "--dir", broker.directory, "--resource", "a/b/c", "--file",
            path("open-secret"))
    os.mkfifo(path("pipe"))
    refused(1, ["not a regular file"], "secret", "add", "--dir", broker.directory, "--resource", "a/b/c", "--file",
            path("pipe"))
    equal(len(must("volume", "list", "--dir", broker.directory).splitlines()), 1)
    equal(broker.stop(), 0)


@test("a socket that a killed broker left behind is no obstacle: to verbs, and to the next broker")
def _():
    broker = Broker().serve()
    broker.kill()
    true(os.path.exists(place(broker)), "it was left behind")
    equal(len(must("volume", "list", "--dir", broker.directory).splitlines()), 1)
    broker.serve()
    equal(len(must("volume", "list", "--dir", broker.directory).splitlines()), 1)
    equal(broker.client()["outcome"], "granted")
    equal(broker.stop(), 0)


@test("one broker serves a directory: a second one is told, and does the first no harm")
def _():
    broker = Broker().serve()
    refused(2, [place(broker), "another broker serves"], "serve", "--dir", broker.directory, "--listen",
            f"127.0.0.1:{free_port()}")
    equal(len(must("volume", "list", "--dir", broker.directory).splitlines()), 1, "the socket is the first one's still")
    equal(broker.client()["outcome"], "granted")
    equal(broker.stop(), 0)
    long = os.path.join(path(), "d" * 100)
    must("init", "--dir", long)
    refused(2, ["at most 96 characters"], "serve", "--dir", long, "--listen", f"127.0.0.1:{free_port()}")
    equal(must("volume", "list", "--dir", long), "")


@test("only its own user and root are heard; who else gets at the socket is logged")
def _():
    where = tempfile.mkdtemp(dir="/tmp")
    os.chmod(where, 0o755)
    try:
        broker = Broker(directory=os.path.join(where, "b")).serve()
        equal(os.stat(place(broker)).st_mode & 0o7777, 0o600, "mode of the socket")
        program = (f"import socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
                   f"try:\n s.connect({place(broker)!r})\n s.send({message()!r})\n print(len(s.recv(9)))\n"
                   f"except OSError as error:\n print(type(error).__name__)")
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "python3", "-c", program]

        def ask():
            return subprocess.run(nobody, stdout=subprocess.PIPE, text=True, timeout=20).stdout.strip()
        equal(ask(), "PermissionError", "with the permissions that it has")
        os.chmod(broker.directory, 0o755)
        os.chmod(place(broker), 0o777)
        true(ask() in ("0", "BrokenPipeError", "ConnectionResetError"), "with those that somebody gave away")
        for _ in range(1000):
            told = [entry for entry in broker.entries() if entry["event"] == "admin"]
            if told:
                break
            time.sleep(0.02)
        true("user 65534 may not" in told[0]["detail"], told)
        equal(broker.stop(), 0)
    finally:
        shutil.rmtree(where)


@test("what is no question is refused, costs no descriptor, and does the broker no harm")
def _():
    broker = Broker().serve()
    whole = message(3, resource=NAME.encode(), files=[(1, b"x")])
    before = descriptors(broker)
    with open("/dev/null") as null, open(path("file"), "w+b") as file:
        one, device = file.fileno(), null.fileno()
        for data, files in ((b"\0", ()), (b"x" * 60000, ()), (whole[:-1], (one,)), (whole + b"x", (one,)), (whole, ()),
                            (whole, (one, one)), (whole, (device,)), (whole, (one,) * 30), (message(0), ()),
                            (message(15), ()), (message(255), ()), (message(form=2), ()), (message(flags=4), ()),
                            (message(resource=b"a" * 193), ()), (message(policy=b"\n"), ()),
                            (message(measurements=600), ()), (message(files=[(0, b"")]), (one,)),
                            (message(files=[(6, b"")]), (one,)), (message(files=[(1, b"")] * 19), (one,) * 19),
                            (message(files=[(1, b"x" * 256)]), (one,))):
            answer = call(broker, data, files)
            true(answer[:2] == b"x\x02" and b"cannot read the question" in answer, f"{data[:40]!r}: {answer!r}")
    for data, words in ((message(1, resource=b"a/b/c"), b"no file"), (message(4, resource=b"a/b/c"), b"no file"),
                        (message(6, policy=b"x"), b"no file"), (message(3, resource=b"a/b/c"), b"no volume"),
                        (message(5, resource=b"a/b/c"), b"no volume"), (message(8, policy=b"x"), b"no policy")):
        answer = call(broker, data)
        true(answer[:2] == b"x\x01" and words in answer, f"{data[:40]!r}: {answer!r}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stream:
        stream.connect(place(broker))  # and says nothing
    for _ in range(1000):
        if descriptors(broker) == before:
            break
        time.sleep(0.02)
    equal(descriptors(broker), before, "descriptors of the broker")
    equal(broker.client()["outcome"], "granted")
    equal(broker.stop(), 0)


@test("who asks and takes no answer, or connects and says nothing, keeps nobody else waiting")
def _():
    broker = Broker(volume=False)
    with sqlite3.connect(os.path.join(broker.directory, "store.db")) as db:
        document = json.dumps({"measurements": ["%096x" % i for i in range(500)]})
        db.executemany("INSERT INTO policy VALUES (?, ?, x'')", [(f"policy-{i}", document) for i in range(40)])
    broker.serve()
    held = []
    for data in [message(7, flags=2)] * 8 + [None] * 8:
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stream.connect(place(broker))
        if data:
            stream.send(data)
        held.append(stream)
    true(call_is_closed(broker), "more than sixteen at a time")
    equal(broker.connect().ask("GET", "/healthz").status, 200)
    held.pop().close()
    for _ in range(1000):  # till the broker has seen that a place is free
        listed = run("policy", "list", "--dir", broker.directory, "--json")
        if listed.returncode == 0:
            break
        time.sleep(0.02)
    equal(len(listed.stdout.splitlines()), 40)
    for stream in held:
        stream.close()
    equal(broker.stop(), 0)


def call_is_closed(broker):
    try:
        return call(broker, message()) == b""
    except OSError:
        return True


@test("changes between releases: each has its own transaction, nothing is lost, the chain holds")
def _():
    broker = Broker().serve()
    stop, errors, released = threading.Event(), [], []

    def releases():
        mine = Guest()
        try:
            while not stop.is_set():
                connection, cookie = session(broker, mine, report_id=os.urandom(32).hex())
                answer = connection.resource(NAME, cookie)
                if answer.status != 200:
                    raise AssertionError(answer.body)
                released.append(answer.request)
                connection.close()
        except Exception as error:  # noqa: told below
            errors.append(error)
        mine.close()
    threads = [threading.Thread(target=releases) for _ in range(3)]
    for thread in threads:
        thread.start()
    count = 10 if SANITIZED else 40
    for number in range(count):
        must("allow", "--dir", broker.directory, "--volume", "data", "--measurement", "%096x" % number)
    stop.set()
    for thread in threads:
        thread.join()
    equal(errors, [])
    policy = json.loads(must("policy", "show", "--dir", broker.directory, "--volume", "data"))
    equal(len(policy["measurements"]), count + 1)
    true(released, "there were releases between")
    broker.stop()
    said = must("log", "verify", "--dir", broker.directory)
    true(f" {len(released)} releases" in said, said)


@test("kill -9 between changes: each is there with its row, or neither is")
def _():
    broker = Broker()
    generator, stop, told = random.Random(5), threading.Event(), []

    def changes():
        number = 0
        while not stop.is_set():
            number += 1
            if run("allow", "--dir", broker.directory, "--volume", "data", "--measurement", "%096x" % number).returncode == 0:
                told.append("%096x" % number)
    thread = threading.Thread(target=changes)
    thread.start()
    for _ in range(5 if SANITIZED else 15):
        broker.serve()
        time.sleep(generator.uniform(0, 0.1))
        broker.kill()
    stop.set()
    thread.join()
    must("log", "verify", "--dir", broker.directory)
    rows = [json.loads(line) for line in must("log", "show", "--dir", broker.directory, "--json").splitlines()]
    allowed = json.loads(must("policy", "show", "--dir", broker.directory, "--volume", "data"))["measurements"]
    equal(sum(row["event"] == "allow" for row in rows), len(allowed), "rows of changes, and what was allowed")
    equal(set(told) - set(allowed), set(), "told to be done, and not there")
    broker.serve()
    equal(broker.client()["outcome"], "granted")
    equal(broker.stop(), 0)


@test("a change that cannot be written is told, and the broker goes on")
def _():
    broker = Broker().serve()
    with sqlite3.connect(os.path.join(broker.directory, "store.db")) as db:
        db.execute("BEGIN EXCLUSIVE")
        refused(2, ["another process holds it"], "allow", "--dir", broker.directory, "--volume", "data", "--measurement",
                "0a" * 48)
    must("allow", "--dir", broker.directory, "--volume", "data", "--measurement", "0a" * 48)
    equal(broker.client()["outcome"], "granted")
    equal(broker.stop(), 0)


@test("the helpers end well")
def _():
    guest.close()
    equal(run("--help").returncode, 0, BROKER)


main()
