#!/usr/bin/env python3
"""kill -9 at random moments under load: what was released is in the log, what the log says was released, the chain holds."""
import json
import os
import random
import sqlite3
import threading
import time

from harness import SANITIZED, Broker, Guest, equal, main, must, session, test, true

KILLS = int(os.environ.get("KILLS") or (20 if SANITIZED else 200))
NAME = "default/volume/data"


def ask(broker, guest, got, begun):
    """One launch after the other: release and confirmation, until the broker is gone."""
    try:
        while True:
            connection, cookie = session(broker, guest)
            answer = connection.resource(NAME, cookie)
            begun.set()
            if answer.status != 200:
                raise AssertionError(answer.body)
            got.append(("release", answer.request))
            epoch = guest.open(broker, answer.body)["epoch"]
            answer = connection.ask("POST", f"/kbs/v0/postern/confirm/{NAME}", f'{{"epoch":{epoch},"found":null}}',
                                    Cookie=cookie)
            if answer.status == 200:
                got.append(("confirm", answer.request))
            guest.key()
    except (OSError, ConnectionError, IndexError, ValueError):
        pass  # it is gone
    except Exception as error:  # noqa: told below
        if "RemoteDisconnected" not in repr(error) and "BadStatusLine" not in repr(error):
            got.append(("error", repr(error)))


def check(broker, got):
    must("log", "verify", "--dir", broker.directory)
    rows = {row["request"]: row for row in map(json.loads, must("log", "show", "--dir", broker.directory, "--json")
                                               .splitlines())}
    for event, request in got:
        true(event != "error", request)
        true(request in rows and rows[request]["event"] == event and rows[request]["outcome"] == "granted",
             f"{event} {request} left without its row")
    with sqlite3.connect(os.path.join(broker.directory, "store.db")) as db:
        equal(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
        released = {row[0] for row in db.execute("SELECT request FROM release")}
        generation, epoch = db.execute("SELECT generation, epoch FROM volume").fetchone()
    logged = {request for request, row in rows.items() if (row["event"], row.get("reason")) == ("release", "ok")}
    equal(released ^ logged, set(), "releases without a row, and rows without a release")
    confirmed = [row for row in rows.values() if (row["event"], row.get("reason")) == ("confirm", "ok")]
    equal((generation, epoch), (1 + len(logged), len(confirmed)), "generation and epoch count releases, confirmations")
    return len(logged)


@test(f"{KILLS} kills: no release without its row, no row without its release, the chain holds, the store opens")
def _():
    broker = Broker()
    guests = [Guest() for _ in range(2)]
    generator = random.Random(os.environ.get("SEED") or 11)
    got = []
    for _ in range(KILLS):
        broker.serve()
        begun = threading.Event()
        threads = [threading.Thread(target=ask, args=[broker, guest, got, begun]) for guest in guests]
        for thread in threads:
            thread.start()
        begun.wait(60)
        time.sleep(generator.uniform(0, 0.03))
        broker.kill()
        for thread in threads:
            thread.join(60)
    releases = check(broker, got)
    true(releases >= KILLS, f"only {releases} releases")
    for guest in guests:
        guest.close()


main()
