#!/usr/bin/env python3
"""The broker's clock wrong, and running away: it may deny, and weakens nothing. Challenges and sessions do not follow it."""
import glob
import time

from harness import SANITIZED, Broker, Guest, denied, equal, main, must, session, test, true

LIBRARY = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
NAME = "default/volume/data"
guest = Guest()


def at(moment):
    """A broker whose wall clock says so; the monotonic one is the machine's."""
    return Broker().serve(under=["env", "LD_PRELOAD=" + LIBRARY[0], "FAKETIME=" + moment, "FAKETIME_DONT_FAKE_MONOTONIC=1"])


@test("a clock that is years ahead or behind: certificates that are not valid then are refused, and told so")
def _():
    true(LIBRARY, "the package faketime is not there")
    for moment, year in (("-20y", "2006"), ("+40y", "20")):
        broker = at(moment)
        true(broker.entries()[0]["time"].startswith(year), broker.entries()[0])
        connection = broker.connect()
        nonce, cookie = connection.auth()
        entry = denied(broker, connection.attest(guest.attestation(nonce), cookie), "evidence-chain", row=False)
        true("valid" in entry["detail"] or "expired" in entry["detail"], entry["detail"])
        equal(broker.stop(), 0)
        must("log", "verify", "--dir", broker.directory)


@test("a clock that runs away: challenges and sessions last as long as they should; certificates expire under it")
def _():
    broker = at("+0 x5000")
    connection = broker.connect()
    nonce, cookie = connection.auth()
    start = broker.entries()[0]["time"]
    time.sleep(0.5)  # well above half an hour of its clock, of five minutes that a challenge is good
    answer = connection.attest(guest.attestation(nonce), cookie)
    equal(answer.status, 200, f"{answer.body!r}")
    time.sleep(0.5)
    answer = connection.resource(NAME, cookie)
    equal(answer.status, 200)
    true(broker.entry(answer.request)["time"] > start[:13] + ":59", "it did run away")
    epoch = guest.open(broker, answer.body)["epoch"]
    answer = connection.ask("POST", f"/kbs/v0/postern/confirm/{NAME}", f'{{"epoch":{epoch},"found":null}}', Cookie=cookie)
    equal(answer.status, 200)
    equal(broker.stop(), 0)
    must("log", "verify", "--dir", broker.directory)


@test("a clock that goes back between two runs: earlier launches count as alive, epochs and generations go on")
def _():
    broker = at("+300d")
    _, cookie = session(broker, guest, report_id="11" * 32)
    connection, cookie = session(broker, guest, report_id="11" * 32)
    first = guest.open(broker, connection.resource(NAME, cookie).body)
    equal(broker.stop(), 0)
    broker.serve()
    other = Guest()
    connection, cookie = session(broker, other, report_id="22" * 32)
    answer = connection.resource(NAME, cookie)
    equal(broker.entry(answer.request)["live"], 1)
    second = other.open(broker, answer.body)
    equal((second["generation"], second["epoch"]), (first["generation"] + 1, first["epoch"]))
    must("log", "verify", "--dir", broker.directory)
    equal(broker.stop(), 0)
    other.close()


@test("the helpers end well")
def _():
    guest.close()


if SANITIZED:
    print("1..0 # SKIP the sanitizer's runtime has to come first")
else:
    main()
