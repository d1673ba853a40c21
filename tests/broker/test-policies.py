#!/usr/bin/env python3
"""Policies: signed manifests with their signers, policies by name that resources need, plain secrets, leases."""
import base64
import hashlib
import json
import os
import shutil
import sqlite3
import sys

from harness import (GOOD_MEASUREMENT, TOP, Broker, Guest, chain, denied, equal, main, must, path, refused, run, session,
                     test, true)

sys.path[:0] = [os.path.join(TOP, "tests/lib"), os.path.join(TOP, "tests/interop")]
import kbs_peer as peer  # noqa: E402
import keys  # noqa: E402
import manifests  # noqa: E402

NAME = "default/volume/data"
GOOD, OTHER = GOOD_MEASUREMENT, "b6" * 48
guest = Guest()
signers = [keys.p384(), keys.make_ed25519(), keys.p384()]
publics = [keys.write_public(path(f"signer-{i}.pem"), key) for i, key in enumerate(signers)]
image = manifests.make_image(path("image"))
if manifests.run("manifest", "create", image, "--vcpus", "1-2").returncode:
    raise SystemExit("Bail out! no manifest")
payload = manifests.statement_of(f"{image}/manifest.json")
digests = [row["digest"] for row in json.loads(payload)["predicate"]["rows"]]


def manifest(name, *by, data=payload, **more):
    return manifests.write_json(path(name), manifests.envelope(data, by, **more))


def ask(broker, measurement, resource=NAME, **more):
    connection, cookie = session(broker, guest, measurement=measurement, **more)
    answer = connection.resource(resource, cookie)
    connection.close()
    return answer


def given(broker, measurement, resource=NAME, **more):
    answer = ask(broker, measurement, resource, **more)
    equal(answer.status, 200, f"{answer.body!r}")
    return broker.entry(answer.request)


# ---- manifests

@test("allow --manifest: every launch of a signed manifest, and no other; later ones need no keys")
def _():
    broker = Broker(volume=False)
    broker.add_volume("data", "ab" * 64)
    here = ("--dir", broker.directory, "--volume", "data")
    for serving in (False, True):
        if serving:
            broker.serve()
        said = must("allow", *here, "--manifest", manifest("one", signers[0]), "--key", publics[0])
        true(f"{len(digests)} launches of {path('one')} allowed" in said, said)
    for digest in (digests[0], digests[-1]):
        entry = given(broker, digest)
        true(all(each["passed"] for each in entry["checks"]), entry["checks"])
    entry = denied(broker, ask(broker, GOOD), "policy", error="PolicyDeny")
    wanted = next(each["wanted"] for each in entry["checks"] if each["check"] == "measurement")
    true("1 of 1 signers" in wanted, wanted)
    policy = json.loads(must("policy", "show", *here))
    der = signers[0].public_key().public_bytes(keys.DER, keys.SPKI)
    equal(policy["manifests"], {"signers": [base64.b64encode(der).decode()], "threshold": 1})
    listed = json.loads(must("volume", "list", "--dir", broker.directory, "--json"))
    equal((listed["allowed"], listed["policy"]), (len(digests), NAME))
    must("allow", *here, "--measurement", GOOD)
    given(broker, GOOD)
    given(broker, digests[1])
    rows = [json.loads(line) for line in must("log", "show", "--dir", broker.directory, "--json").splitlines()]
    wanted = hashlib.sha256(open(path("one"), "rb").read()).hexdigest()
    true(any(row["event"] == "allow" and wanted in row.get("detail", "") for row in rows), "the manifest is in the log")
    statement = json.loads(payload)
    statement["predicate"]["rows"][0]["digest"] = OTHER
    must("allow", *here, "--manifest", manifest("two", signers[0], data=json.dumps(statement).encode()))
    given(broker, OTHER)
    given(broker, digests[0])
    equal(json.loads(must("volume", "list", "--dir", broker.directory, "--json"))["allowed"], len(digests) + 2)
    equal(broker.stop(), 0)


@test("k of n signers: fewer are refused at the import, whoever else has signed; each key counts once")
def _():
    broker = Broker(volume=False).serve()
    broker.add_volume("data", "ab" * 64)
    here = ("allow", "--dir", broker.directory, "--volume", "data", "--manifest")
    three = [word for public in publics for word in ("--key", public)]
    stranger = keys.p384()
    for by in ((), (signers[0],), (stranger,), (signers[0], stranger), (signers[0], signers[0])):
        refused(1, [path("few"), "signed"], *here, manifest("few", *by), *three, "--threshold", "2")
    refused(1, ["signed"], *here, manifest("few", signers[0], signers[1]), *three)
    denied(broker, ask(broker, digests[0]), "policy-missing", error="PolicyDeny")
    must(*here, manifest("enough", signers[2], signers[1]), *three, "--threshold", "2")
    given(broker, digests[0])
    refused(1, ["signed"], *here, manifest("few", signers[2]))
    refused(1, ["other signers"], *here, manifest("whole", *signers), *three)
    refused(1, ["other signers"], *here, manifest("whole", *signers), "--key", publics[0])
    equal(broker.stop(), 0)


@test("manifests that are none, and keys that are none, are refused by name; nothing changes")
def _():
    broker = Broker()
    here = ("allow", "--dir", broker.directory, "--volume", "data")
    good = manifest("good", signers[0])
    before = must("policy", "show", *here[1:])
    refused(1, ["--key is missing", "signers"], *here, "--manifest", good)
    refused(1, ["--key and --threshold belong"], *here, "--measurement", GOOD, "--key", publics[0])
    refused(1, ["--threshold", "--key is missing"], *here, "--manifest", good, "--threshold", "1")
    refused(1, ["--threshold is 2 with 1 keys"], *here, "--manifest", good, "--key", publics[0], "--threshold", "2")
    refused(1, ["cannot be opened"], *here, "--manifest", path("nothing"), "--key", publics[0])
    refused(1, ["cannot be opened"], *here, "--manifest", good, "--key", path("nothing"))
    private = keys.write_private(path("private.pem"), signers[0])
    refused(1, [private, "private"], *here, "--manifest", good, "--key", private)
    refused(1, ["image/kernel"], *here, "--manifest", good, "--key", f"{image}/kernel")
    broken = json.loads(open(good).read())
    broken["payload"] = base64.b64encode(payload.replace(digests[0].encode(), OTHER.encode())).decode()
    for name, value in (("changed", broken), ("text", "x"), ("another", manifests.envelope(b"{}", [signers[0]])),
                        ("type", manifests.envelope(payload, [signers[0]], kind="text/plain"))):
        refused(1, [path(name)], *here, "--manifest", manifests.write_json(path(name), value), "--key", publics[0])
    equal(must("policy", "show", *here[1:]), before)
    with sqlite3.connect(os.path.join(broker.directory, "store.db")) as db:
        equal(db.execute("SELECT count(*) FROM manifest").fetchone(), (0,), "manifests that were kept")


@test("a manifest counts for the volume that it was imported for, not for others of the same signer")
def _():
    broker = Broker().serve()
    broker.add_volume("other", "33" * 64)
    for volume, name in (("data", "mine"), ("other", "theirs")):
        statement = json.loads(payload)
        statement["predicate"]["rows"][0]["digest"] = {"mine": "1a" * 48, "theirs": "1b" * 48}[name]
        must("allow", "--dir", broker.directory, "--volume", volume, "--manifest",
             manifest(name, signers[0], data=json.dumps(statement).encode()), "--key", publics[0])
    given(broker, "1a" * 48)
    given(broker, "1b" * 48, "default/volume/other")
    denied(broker, ask(broker, "1b" * 48), "policy", error="PolicyDeny")
    denied(broker, ask(broker, "1a" * 48, "default/volume/other"), "policy", error="PolicyDeny")
    with sqlite3.connect(os.path.join(broker.directory, "store.db")) as db:
        theirs, before = db.execute("SELECT manifests FROM policy WHERE name LIKE '%other'").fetchone()[0], \
            db.execute("SELECT manifests FROM policy WHERE name LIKE '%data'").fetchone()[0]
        db.execute("UPDATE policy SET manifests = ? WHERE name LIKE '%data'", [theirs])
    denied(broker, ask(broker, "1b" * 48), "store-damaged", status=500, outcome="failed")
    with sqlite3.connect(os.path.join(broker.directory, "store.db")) as db:
        db.execute("UPDATE policy SET manifests = ? WHERE name LIKE '%data'", [before])
        db.execute("UPDATE manifest SET envelope = CAST(replace(CAST(envelope AS TEXT), 'A', 'B') AS BLOB)")
    broker.stop()
    broker.serve()
    entry = denied(broker, ask(broker, "1a" * 48), "store-damaged", status=500, outcome="failed")
    true("not what it was" in entry["detail"], entry["detail"])
    equal(broker.stop(), 0)


@test("explain decides with the manifests of the volume; a policy with other signers makes them count no more")
def _():
    broker = Broker(volume=False)
    broker.add_volume("data", "ab" * 64)
    os.mkdir(path("evidence"))
    broker.serve("--evidence-dir", path("evidence"))
    here = ("--dir", broker.directory, "--volume", "data")
    must("allow", *here, "--manifest", manifest("one", signers[0]), "--key", publics[0])
    given(broker, digests[0])
    saved = os.path.join(path("evidence"), os.listdir(path("evidence"))[0])
    explain = ("explain", saved, "--dir", broker.directory, "--resource", NAME, "--trust-root",
               os.path.join(chain(), "ark.pem"))
    true("would be given the volume" in must(*explain), "explain")
    policy = json.loads(must("policy", "show", *here))
    policy["manifests"]["signers"] = [base64.b64encode(signers[1].public_key().public_bytes(keys.DER, keys.SPKI)).decode()]
    manifests.write_json(path("policy"), policy)
    must("allow", *here, "--policy", path("policy"))
    denied(broker, ask(broker, digests[0]), "policy", error="PolicyDeny")
    equal(run(*explain).returncode, 5)
    equal(broker.stop(), 0)


# ---- policies by name

@test("resources name the policy that they need; one change counts for all of them")
def _():
    broker = Broker(volume=False).serve()
    here = ("--dir", broker.directory)
    manifests.write_json(path("policy"), {"measurements": [GOOD]})
    must("policy", "set", *here, "--name", "production", "--file", path("policy"))
    broker.add_volume("data", "ab" * 64, "--policy", "production")
    broker.add_volume("other", "cd" * 64)
    refused(1, ["nothing", "no policy of that name"], "allow", *here, "--volume", "other", "--use", "nothing")
    must("allow", *here, "--volume", "other", "--use", "production")
    both = (NAME, "default/volume/other")
    for resource in both:
        given(broker, GOOD, resource)
        denied(broker, ask(broker, OTHER, resource), "policy", error="PolicyDeny")
    manifests.write_json(path("policy"), {"measurements": [OTHER]})
    must("policy", "set", *here, "--name", "production", "--file", path("policy"))
    for resource in both:
        given(broker, OTHER, resource)
        denied(broker, ask(broker, GOOD, resource), "policy", error="PolicyDeny")
    must("allow", *here, "--volume", "data", "--measurement", GOOD)
    given(broker, GOOD, both[1])
    listed = [json.loads(line) for line in must("policy", "list", *here, "--json").splitlines()]
    equal([(each["policy"], each["resources"]) for each in listed], [("production", 2)])
    equal(must("policy", "show", *here, "--name", "production"), must("policy", "show", *here, "--volume", "data"))
    refused(1, ["production", "nothing needs"], "policy", "remove", *here, "--name", "production")
    must("allow", *here, "--volume", "data", "--policy", path("policy"))
    must("volume", "remove", *here, "--volume", "other")
    must("policy", "remove", *here, "--name", "production")
    equal([line.split()[0] for line in must("policy", "list", *here).splitlines()], [NAME])
    must("volume", "remove", *here, "--volume", "data")
    equal(must("policy", "list", *here), "", "a resource takes the policy that was its alone along")
    equal(broker.stop(), 0)
    must("log", "verify", *here)


@test("policy verbs refuse names and documents that are none")
def _():
    broker = Broker()
    here = ("--dir", broker.directory)
    manifests.write_json(path("policy"), {"measurements": [GOOD]})
    for name in (".x", "x y", "a/b", "n" * 65, "ä"):
        refused(1, ["not a policy's name"], "policy", "set", *here, "--name", name, "--file", path("policy"))
    manifests.write_json(path("bad"), {"measurements": []})
    refused(1, [path("bad"), "measurements"], "policy", "set", *here, "--name", "x", "--file", path("bad"))
    refused(1, ["no policy"], "policy", "show", *here, "--name", "x")
    refused(1, ["no policy"], "policy", "remove", *here, "--name", "x")
    refused(1, ["--resource NAME, or --volume ID"], "policy", "show", *here)
    refused(1, ["--resource NAME, or --volume ID"], "allow", *here, "--volume", "x", "--resource", "a/b/c", "--use", "x")


# ---- plain secrets

def secret(data, name="secret"):
    return keys.write(path(name), data)


class Stock:
    """A client that knows nothing of volume records: session, then whatever the resource is."""

    def __init__(self, broker, measurement=GOOD, report_id=None):
        self.key = peer.ec.generate_private_key(peer.ec.SECP256R1())
        self.connection = broker.connect()
        nonce, self.cookie = self.connection.auth()
        jwk = peer.jwk_of(self.key.public_key())
        evidence = peer.Processor(chain()).evidence(peer.runtime_digest(nonce, jwk) + bytes(16), bytes.fromhex(measurement),
                                                    report_id or os.urandom(32))
        body = {"init-data": None, "runtime-data": {"nonce": nonce, "tee-pubkey": jwk},
                "tee-evidence": {"primary_evidence": evidence, "additional_evidence": ""}}
        equal(self.connection.attest(json.dumps(body), self.cookie).status, 200)

    def get(self, resource):
        answer = self.connection.resource(resource, self.cookie)
        return peer.decrypt(self.key, answer.json()) if answer.status == 200 else answer


@test("plain secrets: a passphrase, a key, any bytes, as they are, to whom the policy allows, as often as they ask")
def _():
    broker = Broker(volume=False).serve()
    here = ("--dir", broker.directory)
    manifests.write_json(path("policy"), {"measurements": [GOOD]})
    must("policy", "set", *here, "--name", "production", "--file", path("policy"))
    for number, data in enumerate((b"correct horse", os.urandom(64), b"\0", os.urandom(4096), b"{\n")):
        resource = f"default/key/{number}"
        said = must("secret", "add", *here, "--resource", resource, "--file", secret(data), "--policy", "production")
        true(f"{len(data)} bytes" in said, said)
        client = Stock(broker, report_id=b"\7" * 32)
        equal((client.get(resource), client.get(resource)), (data, data))
        equal(Stock(broker, report_id=b"\7" * 32).get(resource), data, "another key of the same launch")
    entry = denied(broker, Stock(broker, OTHER).get("default/key/0"), "policy", error="PolicyDeny")
    equal(entry["resource"], "default/key/0")
    answer = client.connection.ask("POST", "/kbs/v0/postern/confirm/default/key/0", '{"epoch":1,"found":null}',
                                   Cookie=client.cookie)
    denied(broker, answer, "confirm-unknown", error="PolicyDeny")
    listed = [json.loads(line) for line in must("volume", "list", *here, "--json").splitlines()]
    equal([(each["secret"], each["bytes"], each["allowed"]) for each in listed][:2], [(True, 13, 1), (True, 64, 1)])
    equal(broker.stop(), 0)
    must("log", "verify", *here)
    for file in ("store.db", "store.db-wal"):
        if os.path.exists(os.path.join(broker.directory, file)):
            true(b"correct horse" not in open(os.path.join(broker.directory, file), "rb").read(), "it is sealed")


@test("plain secrets: later ones, refusals; neither becomes a volume nor a volume one")
def _():
    broker = Broker().serve()
    here = ("--dir", broker.directory)
    add = ("secret", "add", *here, "--resource")
    must(*add, "default/key/x", "--file", secret(b"first"))
    denied(broker, Stock(broker).get("default/key/x"), "policy-missing", error="PolicyDeny")
    must("allow", *here, "--resource", "default/key/x", "--measurement", GOOD)
    equal(Stock(broker).get("default/key/x"), b"first")
    refused(1, ["registered there already"], *add, "default/key/x", "--file", secret(b"second"))
    must(*add, "default/key/x", "--file", secret(b"second"), "--next")
    equal(Stock(broker).get("default/key/x"), b"second")
    refused(1, ["is a volume"], *add, NAME, "--file", secret(b"x"), "--next")
    for data, words in ((b"", ["is empty"]), (bytes(4097), ["larger than"])):
        refused(1, [path("secret"), *words], *add, "a/b/c", "--file", secret(data))
    refused(1, ["not a resource's name"], *add, "a/b", "--file", secret(b"x"))
    with sqlite3.connect(os.path.join(broker.directory, "store.db")) as db:
        db.execute("UPDATE volume SET kind = 1 WHERE resource = 'default/key/x'")
    denied(broker, Stock(broker).get("default/key/x"), "store-damaged", status=500, outcome="failed")
    equal(broker.stop(), 0)


# ---- leases

@test("leases: launches that were heard of; asking and confirming again renews, and the rest runs out")
def _():
    broker = Broker().serve()
    here = ("leases", "--dir", broker.directory, "--volume", "data", "--json")
    first, second = "11" * 32, "22" * 32
    connection, cookie = session(broker, guest, report_id=first)
    answer = connection.resource(NAME, cookie)
    equal(broker.entry(answer.request)["live"], 0)
    epoch = guest.open(broker, answer.body)["epoch"]
    body = json.dumps({"epoch": epoch, "found": None})
    confirm = f"/kbs/v0/postern/confirm/{NAME}"
    equal(connection.ask("POST", confirm, body, Cookie=cookie).status, 200)

    def alive():
        return [(each["report_id"], each["confirmed"]) for each in map(json.loads, must(*here).splitlines())]

    def a_day_passes():
        with sqlite3.connect(os.path.join(broker.directory, "store.db")) as db:
            db.execute("UPDATE release SET seen = seen - 86401000")
    equal(alive(), [(first, True)])
    true(f"{first}  version 1, generation 2, epoch 1, confirmed: true, released 20" in must(*here[:-1]), "as text")
    a_day_passes()
    equal(alive(), [], "not heard of for a day")
    equal(connection.ask("POST", confirm, body, Cookie=cookie).status, 200)
    equal(alive(), [(first, True)], "renewed by confirming again")
    other = Guest()
    fork, cookie_of_fork = session(broker, other, report_id=second)
    answer = fork.resource(NAME, cookie_of_fork)
    equal(broker.entry(answer.request)["live"], 1, "the fork is told")
    equal({each[0] for each in alive()}, {first, second})
    a_day_passes()
    answer = fork.resource(NAME, cookie_of_fork)
    equal((broker.entry(answer.request)["reason"], broker.entry(answer.request)["live"]), ("repeated", 0))
    equal(alive(), [(second, False)], "renewed by asking again; the first one's has run out")
    refused(1, ["no volume"], "leases", "--dir", broker.directory, "--volume", "nothing")
    other.close()
    equal(broker.stop(), 0)
    must("log", "verify", "--dir", broker.directory)


@test("the helpers end well")
def _():
    guest.close()
    shutil.rmtree(image)


main()
