#!/usr/bin/env python3
"""One release for each launch, epochs, confirmations, versions: who gets a volume when, and what tells of copies."""
import json
import secrets
import sqlite3
import os
import subprocess

from harness import (CLIENT, Broker, Guest, denied, equal, error_type, main, must, path, refused, session, test, true)

NAME = "default/volume/data"
broker = Broker().serve()


def launch():
    """A guest with a REPORT_ID of its own, kept over its sessions."""
    guest = Guest()
    guest.report_id = secrets.token_hex(32)
    return guest


def released(guest, of=broker, resource=NAME):
    connection, cookie = session(of, guest, report_id=guest.report_id)
    answer = connection.resource(resource, cookie)
    equal(answer.status, 200, f"{answer.body!r}")
    opened = guest.open(of, answer.body)
    equal(opened["error"], "")
    return connection, cookie, opened, of.entry(answer.request)


def confirm(connection, cookie, epoch, found=None, resource=NAME):
    return connection.ask("POST", f"/kbs/v0/postern/confirm/{resource}", json.dumps({"epoch": epoch, "found": found}),
                          Cookie=cookie)


def volume(of=broker, resource=NAME):
    rows = [json.loads(line) for line in must("volume", "list", "--dir", of.directory, "--json").splitlines()]
    return next(row for row in rows if row["resource"] == resource)


def fresh(state=2):
    other = Broker(volume=False)
    record = path(secrets.token_hex(4) + ".record")
    subprocess.run([CLIENT, "record", record, "data", other.key], check=True)
    if state == 1:
        data = bytearray(open(record, "rb").read())
        data[-66] = 1
        open(record, "wb").write(data)
    must("volume", "add", "--dir", other.directory, "--record", record)
    other.allow()
    return other.serve()


@test("a launch that asks again with the same key gets the same, with another session's signature")
def _():
    guest = launch()
    _, _, first, entry = released(guest)
    _, _, second, again = released(guest)
    equal(second, first, "what it got")
    equal((entry["reason"], again["reason"]), ("ok", "repeated"))
    equal((again["generation"], again["epoch"]), (entry["generation"], entry["epoch"]))
    equal(volume()["generation"], first["generation"], "nothing was advanced")


@test("a launch that asks again with another key is refused: somebody copied it, or it lost its key")
def _():
    guest = launch()
    released(guest)
    guest.key()
    connection, cookie = session(broker, guest, report_id=guest.report_id)
    denied(broker, connection.resource(NAME, cookie), "released-already", error="PolicyDeny")


@test("each launch gets the next generation; the epoch advances when one is confirmed")
def _():
    other = fresh()
    equal((volume(other)["generation"], volume(other)["epoch"], volume(other)["pending"]), (1, 0, False))
    a, b = launch(), launch()
    connection, cookie, first, _ = released(a, other)
    equal((first["generation"], first["epoch"], first["state"]), (2, 1, 2))
    equal((volume(other)["epoch"], volume(other)["pending"]), (0, True))
    answer = confirm(connection, cookie, 1, 0)
    equal(answer.status, 200, f"{answer.body!r}")
    equal(set(answer.json()), {"epoch", "signature"})
    true(a.acknowledged(other, NAME, 1, answer.json()["signature"]), "the acknowledgement is signed")
    true(not a.acknowledged(other, NAME, 2, answer.json()["signature"]), "and for one epoch")
    equal((volume(other)["epoch"], volume(other)["pending"]), (1, False))
    equal(other.row(answer.request)["event"], "confirm")
    again = confirm(connection, cookie, 1, 1)
    equal((again.status, other.entry(again.request)["reason"]), (200, "repeated"), "a lost acknowledgement")
    connection, cookie, second, entry = released(b, other)
    equal((second["generation"], second["epoch"]), (3, 2))
    equal(entry["live"], 1, "a lease of the first launch is there")
    equal(confirm(connection, cookie, 2, 1).status, 200)
    equal(other.stop(), 0)


@test("while an epoch is pending the one before is accepted, and no other")
def _():
    other = fresh()
    connection, cookie, first, _ = released(launch(), other)
    equal(confirm(connection, cookie, first["epoch"], 0).status, 200)
    connection, cookie, second, _ = released(launch(), other)
    entry = denied(other, confirm(connection, cookie, second["epoch"], 0), "epoch-old", error="PolicyDeny")
    true("at epoch 0, expected 1 or 2" in entry["detail"], entry["detail"])
    denied(other, confirm(connection, cookie, second["epoch"], 3), "epoch-ahead", error="PolicyDeny")
    denied(other, confirm(connection, cookie, second["epoch"] + 1, 1), "confirm-epoch", error="PolicyDeny")
    denied(other, confirm(connection, cookie, second["epoch"] - 1, 1), "confirm-epoch", error="PolicyDeny")
    equal(volume(other)["epoch"], 1, "nothing was confirmed")
    equal(confirm(connection, cookie, second["epoch"], 2).status, 200, "written before, acknowledgement lost")
    equal(other.stop(), 0)


@test("a launch that crashes before it confirms leaves the epoch to the next")
def _():
    other = fresh()
    first, second = launch(), launch()
    connection, cookie, got, _ = released(first, other)
    late, late_cookie, again, _ = released(second, other)
    equal(again["epoch"], got["epoch"])
    equal(again["generation"], got["generation"] + 1)
    denied(other, confirm(connection, cookie, got["epoch"]), "superseded", error="PolicyDeny")
    equal(confirm(late, late_cookie, again["epoch"]).status, 200)
    denied(other, confirm(connection, cookie, got["epoch"]), "superseded", error="PolicyDeny")
    equal(other.stop(), 0)


@test("a clone is told in the log: the other launch is still alive")
def _():
    other = fresh()
    released(launch(), other)
    _, _, _, entry = released(launch(), other)
    equal(entry["live"], 1)
    equal(other.stop(), 0)
    other.serve("--lease-seconds", "1")
    import time
    time.sleep(1.2)
    _, _, _, entry = released(launch(), other)
    equal(entry["live"], 0, "after the lease")
    equal(other.stop(), 0)


@test("a volume is uninitialised until one launch has confirmed it, and ready ever after")
def _():
    other = fresh(state=1)
    equal(volume(other)["state"], "uninitialised")
    _, _, got, _ = released(launch(), other)
    equal(got["state"], 1, "may be formatted")
    connection, cookie, got, _ = released(launch(), other)
    equal(got["state"], 1, "nobody confirmed")
    equal(confirm(connection, cookie, got["epoch"]).status, 200)
    equal(volume(other)["state"], "ready")
    _, _, got, _ = released(launch(), other)
    equal(got["state"], 2)
    equal(other.stop(), 0)


@test("a store where somebody declares a volume uninitialised again, or gives it another policy, opens nothing")
def _():
    other = fresh()
    for table, column, value in (("volume", "state", 1), ("volume", "kind", 2), ("policy", "manifests", b"x" * 32),
                                 ("policy", "document", json.dumps({"measurements": ["a5" * 48, "b6" * 48]}))):
        with sqlite3.connect(os.path.join(other.directory, "store.db")) as db:
            before = db.execute(f"SELECT {column} FROM {table}").fetchone()[0]
            db.execute(f"UPDATE {table} SET {column} = ?", [value])
        guest = launch()
        connection, cookie = session(other, guest)
        denied(other, connection.resource(NAME, cookie), "store-damaged", status=500, outcome="failed")
        with sqlite3.connect(os.path.join(other.directory, "store.db")) as db:
            db.execute(f"UPDATE {table} SET {column} = ?", [before])
    equal(connection.resource(NAME, cookie).status, 200)
    equal(other.stop(), 0)


@test("confirmations that are none")
def _():
    guest = launch()
    connection, cookie = session(broker, guest, report_id=guest.report_id)
    denied(broker, confirm(connection, cookie, 1), "confirm-unknown", error="PolicyDeny")
    denied(broker, confirm(connection, cookie, 1, resource="a/b/c"), "resource-unknown", error="PolicyDeny")
    denied(broker, confirm(connection, "kbs-session-id=" + "0" * 32, 1), "session-unknown", error="TokenNotFound")
    denied(broker, connection.ask("POST", "/kbs/v0/postern/confirm/" + NAME, '{"epoch":1,"found":null}'),
           "token-missing", error="TokenNotFound")
    for body in ("", "{}", "[]", '{"epoch":1}', '{"found":1}', '{"epoch":0,"found":0}', '{"epoch":"1","found":0}',
                 '{"epoch":1,"found":-1}', '{"epoch":1,"found":"0"}', '{"epoch":1,"found":null,"more":1}',
                 '{"epoch":1,"epoch":1,"found":null}', '{"epoch":9223372036854775808,"found":null}',
                 '{"epoch":1,"found":' + "1" * 5000 + "}"):
        answer = connection.ask("POST", "/kbs/v0/postern/confirm/" + NAME, body, Cookie=cookie)
        denied(broker, answer, "confirm-malformed", error="PolicyDeny")
    equal(connection.ask("GET", "/kbs/v0/postern/confirm/" + NAME).headers["allow"], "POST")


@test("the client of the guest confirms, and tells when it may not")
def _():
    other = fresh()
    result = other.client(confirm="yes", found=0)
    equal((result["outcome"], result["confirmed"]), ("granted", "granted"), result.get("confirm-why"))
    equal(other.client(confirm="yes", found=1)["confirmed"], "granted")
    result = other.client(confirm="yes", found=1)
    equal((result["outcome"], result["confirmed"]), ("granted", "denied"))
    equal(other.stop(), 0)


@test("later versions: the newest is released, an older one comes back when it is removed")
def _():
    other = fresh()
    here = ("--dir", other.directory)
    new = secrets.token_hex(64)
    other.add_volume("data", new, "--next")
    _, _, got, entry = released(launch(), other)
    equal((got["key"], entry["version"]), (new, 2))
    equal(json.loads(must("policy", "show", *here, "--resource", NAME))["measurements"], ["a5" * 48], "its policy")
    refused(1, ["no volume"], "volume", "remove", *here, "--resource", NAME, "--version", "7")
    must("volume", "remove", *here, "--resource", NAME, "--version", "2")
    _, _, got, _ = released(launch(), other)
    equal(got["key"], other.key)
    record = path("next.record")
    subprocess.run([CLIENT, "record", record, "other", new], check=True)
    refused(1, ["no volume"], "volume", "add", *here, "--record", record, "--next")
    equal(other.stop(), 0)


def with_room(other):
    """A volume with 16 MiB before its data, where a rotating guest keeps its notes; (its resource, its key)."""
    key, record = secrets.token_hex(64), path(secrets.token_hex(4) + ".record")
    subprocess.run([CLIENT, "record", record, "room", key], check=True)
    data = bytearray(open(record, "rb").read())
    data[38:46] = (16 << 20).to_bytes(8, "little")
    open(record, "wb").write(data)
    must("volume", "add", "--dir", other.directory, "--record", record)
    resource = "default/volume/room"
    must("allow", "--dir", other.directory, "--resource", resource, "--measurement", "a5" * 48)
    return resource, key


@test("a rotation: both keys are released, the epochs go on, and the old key goes with the confirmation of the end")
def _():
    other = fresh()
    here = ("--dir", other.directory)
    resource, old = with_room(other)
    connection, cookie, got, _ = released(launch(), other, resource)
    equal(confirm(connection, cookie, 1, resource=resource).status, 200)
    must("volume", "rotate", *here, "--resource", resource)
    row = volume(other, resource)
    equal((row["state"], row["version"], row["epoch"]), ("rotating", 3, 1))
    guest = launch()
    connection, cookie, got, entry = released(guest, other, resource)
    new = got["key"][:128]
    equal((got["key"][128:], got["state"], got["epoch"], entry["version"]), (old, 3, 2, 3))
    true(new != old and len(new) == 128, "another key")
    refused(1, ["on its way to another key"], "volume", "rotate", *here, "--resource", resource)
    refused(1, ["on its way to another key"], "volume", "grow", *here, "--resource", resource, "--length", str(1 << 30))
    equal(confirm(connection, cookie, 2, 1, resource).status, 200)
    equal(volume(other, resource)["state"], "rotating", "opened, not rotated")
    connection, cookie, got, _ = released(launch(), other, resource)
    equal((got["key"], got["epoch"]), (new + old, 3), "the next launch goes on")
    body = json.dumps({"epoch": 3, "found": 2, "rotated": 1})
    equal(connection.ask("POST", f"/kbs/v0/postern/confirm/{resource}", body, Cookie=cookie).status, 401, "no boolean")
    guest = launch()
    connection, cookie, got, _ = released(guest, other, resource)
    body = json.dumps({"epoch": 3, "found": 2, "rotated": True})
    equal(connection.ask("POST", f"/kbs/v0/postern/confirm/{resource}", body, Cookie=cookie).status, 200)
    row = volume(other, resource)
    equal((row["state"], row["version"], row["epoch"]), ("ready", 3, 3))
    _, _, got, entry = released(guest, other, resource)
    equal((got["key"], got["state"], entry["reason"]), (new, 2, "repeated"), "the same launch, after the end")
    _, _, got, _ = released(launch(), other, resource)
    equal((got["key"], got["state"], got["epoch"]), (new, 2, 4))
    refused(1, ["no volume"], "volume", "remove", *here, "--resource", resource, "--version", "2")
    must("volume", "rotate", *here, "--resource", resource)
    equal(volume(other, resource)["version"], 4, "and again")
    equal(other.stop(), 0)


@test("what cannot be rotated or grow is refused with a sentence")
def _():
    other = fresh(state=1)
    here = ("--dir", other.directory, "--resource")
    refused(1, ["no guest has initialised it yet"], "volume", "rotate", *here, NAME)
    refused(1, ["no guest has initialised it yet"], "volume", "grow", *here, NAME, "--length", str(1 << 30))
    refused(1, ["no volume is registered there"], "volume", "rotate", *here, "default/volume/none")
    resource, _ = with_room(other)
    for length in 64 << 20, 1 << 20, (64 << 20) + 512:
        refused(1, ["expected a multiple of 4096 greater than 67108864"], "volume", "grow", *here, resource, "--length",
                str(length))
    ready = fresh()
    refused(1, ["a rotation needs 16 MiB there"], "volume", "rotate", "--dir", ready.directory, "--resource", NAME)
    must("volume", "grow", *here, resource, "--length", str(80 << 20))
    equal(volume(other, resource)["bytes"], 80 << 20)
    _, _, _, entry = released(launch(), other, resource)
    equal(entry["reason"], "ok", "its record still opens")
    equal((ready.stop(), other.stop()), (0, 0))


@test("the broker ends well")
def _():
    equal(broker.stop(), 0)


main()
