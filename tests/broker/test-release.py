#!/usr/bin/env python3
"""The protocol end to end over TLS: a release, and everything a guest, a host or a stranger may try instead."""
import json
import os
import ssl
import tempfile
import time

from harness import (BROKER, Broker, Guest, GOOD_MEASUREMENT, REQUEST, b64url, chain, denied, equal, main, must, path,
                     refused, session, test, true)

broker = Broker().serve()
guest = Guest()


# ---- what works

@test("a good guest gets its record")
def _():
    result = broker.client()
    equal(result["outcome"], "granted", result["why"])
    equal(result["key"], broker.key, "volume key")
    equal(result["volume"], "data", "volume")
    entry = broker.entry(result["request"])
    equal((entry["event"], entry["outcome"], entry["reason"]), ("release", "granted", "ok"))
    equal(entry["measurement"], GOOD_MEASUREMENT)
    equal(entry["resource"], "default/volume/data")
    equal([check["passed"] for check in entry["checks"]], [True] * 5)
    equal(broker.row(result["request"]), entry, "row of the store")


@test("messages, statuses, headers and cookies have the protocol's shape")
def _():
    connection = broker.connect()
    answer = connection.ask("POST", "/kbs/v0/auth", REQUEST)
    equal(answer.status, 200)
    equal(set(answer.json()), {"nonce", "extra-params"})
    equal(answer.json()["extra-params"], "")
    equal(len(answer.json()["nonce"]), 44)
    name, attributes = answer.headers["set-cookie"].split("; ", 1)
    true(name.startswith("kbs-session-id=") and len(name) == len("kbs-session-id=") + 32, name)
    true(attributes.startswith("Expires=") and ";" not in attributes, attributes)
    expires = time.mktime(time.strptime(attributes[8:], "%a, %d %b %Y %H:%M:%S GMT")) - time.timezone
    true(270 <= expires - time.time() <= 301, f"expires in {expires - time.time()} s")
    attested = connection.attest(guest.attestation(answer.json()["nonce"]), answer.cookie())
    equal(attested.status, 200)
    equal(set(attested.json()), {"token"})
    equal(attested.cookie(), answer.cookie(), "cookie of /attest")
    released = connection.resource("default/volume/data", answer.cookie())
    equal(released.status, 200)
    equal(set(released.json()), {"protected", "encrypted_key", "iv", "ciphertext", "tag"})
    header = b64url(released.json()["protected"]).decode()
    equal(header, json.dumps(json.loads(header), sort_keys=True, separators=(",", ":")), "protected header")
    equal(set(json.loads(header)), {"alg", "enc", "epk"})
    for each in (answer, attested, released):
        equal(each.headers["content-type"], "application/json")
        true(len(each.request) == 16, "request id")
    opened = guest.open(broker, released.body)
    equal(opened["error"], "")
    equal(opened["key"], broker.key)


@test("the token is a signed EAR with the guest's key in it, and says no more than is known")
def _():
    connection = broker.connect()
    nonce, cookie = connection.auth()
    token = connection.attest(guest.attestation(nonce), cookie).json()["token"]
    header, claims, signature = (b64url(part) for part in token.split("."))
    equal(json.loads(header)["alg"], "ES256")
    equal(len(signature), 64)
    claims = json.loads(claims)
    cpu = claims["submods"]["cpu0"]
    equal(cpu["ear.veraison.annotated-evidence"]["runtime_data_claims"], {"nonce": nonce, "tee-pubkey": guest.jwk})
    equal(cpu["ear.veraison.annotated-evidence"]["snp"]["measurement"], GOOD_MEASUREMENT)
    equal(cpu["ear.status"], "contraindicated", "status under a software root")
    true(0 < claims["exp"] - claims["iat"] <= 300, "lifetime")


@test("the same session may ask again: decided again, logged again")
def _():
    connection, cookie = session(broker, guest)
    first = connection.resource("default/volume/data", cookie)
    second = connection.resource("default/volume/data", cookie)
    equal((first.status, second.status), (200, 200))
    true(first.request != second.request and first.body != second.body, "two answers are two")
    for answer in (first, second):
        equal(guest.open(broker, answer.body)["key"], broker.key)
        equal(broker.row(answer.request)["outcome"], "granted")


@test("cookies of others beside ours, and extra-params as an object or a text, are fine")
def _():
    connection = broker.connect()
    for extra in ('""', '{"supported-hash-algorithms":["sha256","sm3"]}'):
        answer = connection.ask("POST", "/kbs/v0/auth", '{"version":"0.4.0","tee":"snp","extra-params":%s}' % extra)
        equal(answer.status, 200)
    cookie = "theme=dark; " + answer.cookie() + "; x=y"
    equal(connection.attest(guest.attestation(answer.json()["nonce"]), cookie).status, 200)
    equal(connection.resource("default/volume/data", cookie).status, 200)


@test("all generations of processors are understood")
def _():
    for product in ("Milan", "Turin"):
        other = Broker(directory=None).serve("--trust-root", chain(product.lower(), product) + "/ark.pem", trust=False)
        result = other.client(chain=chain(product.lower(), product))
        equal(result["outcome"], "granted", result["why"])
        equal(other.stop(), 0)


@test("every log line says that the root is a software one")
def _():
    true(len(broker.entries()) > 5, "lines")
    equal({entry["trust"] for entry in broker.entries()}, {"software-root"})


# ---- /auth

def ask_auth(body):
    return broker.connect().ask("POST", "/kbs/v0/auth", body)


@test("auth: another protocol version is told which one is spoken")
def _():
    answer = ask_auth('{"version":"0.3.0","tee":"snp","extra-params":""}')
    denied(broker, answer, "protocol-version", error="AttestationError", row=False)
    equal(answer.json()["detail"], "KBS Client Protocol Version Mismatch: expect =0.4.0 while the request is 0.3.0")


@test("auth: another kind of TEE is refused")
def _():
    denied(broker, ask_auth('{"version":"0.4.0","tee":"tdx","extra-params":""}'), "tee", row=False)


@test("auth: garbage is refused")
def _():
    good = json.loads(REQUEST)
    bodies = ["", "null", "[]", "{", REQUEST + "x", REQUEST.replace("{", '{"version":"0.4.0",', 1), "\x00" * 40, "[" * 5000]
    bodies += [json.dumps({n: v for n, v in good.items() if n != name}) for name in good]
    bodies += [json.dumps({**good, name: value}) for name in ("version", "tee") for value in (4, None, {}, "a" * 4000)]
    bodies += [json.dumps({**good, "more": 1})]
    for body in bodies:
        answer = ask_auth(body)
        denied(broker, answer, "request-malformed", row=False)
        equal(answer.json()["detail"], "RCAR handshake Auth failed")


# ---- /attest

def ask_attest(change=lambda body: body, cookie_of=None, **settings):
    connection = broker.connect()
    nonce, cookie = connection.auth()
    return connection.attest(change(guest.attestation(nonce, **settings)), cookie_of(cookie) if cookie_of else cookie)


def deny_attest(reason, *arguments, **settings):
    answer = ask_attest(*arguments, **settings)
    entry = denied(broker, answer, reason, error="AttestationError")
    equal(answer.json()["detail"], "RCAR handshake Attest failed")
    equal(entry["event"], "attest")
    true("set-cookie" not in answer.headers, "a refusal sets no cookie")
    return entry


@test("attest: without a session cookie, or with two")
def _():
    deny_attest("session-missing", cookie_of=lambda cookie: None)
    deny_attest("session-missing", cookie_of=lambda cookie: cookie + "; " + cookie)
    deny_attest("session-missing", cookie_of=lambda cookie: cookie[:-1])
    deny_attest("session-missing", cookie_of=lambda cookie: cookie + "0")
    deny_attest("session-missing", cookie_of=lambda cookie: cookie.upper())


def at(body, *names):
    for name in names:
        body = body[name]
    return body


@test("attest: every member missing, of another type, unknown or twice")
def _():
    places = {(): ("runtime-data", "tee-evidence"), ("runtime-data",): ("nonce", "tee-pubkey"),
              ("runtime-data", "tee-pubkey"): ("kty", "crv", "alg", "x", "y"),
              ("tee-evidence",): ("primary_evidence", "additional_evidence"),
              ("tee-evidence", "primary_evidence"): ("attestation_report",)}
    for place, names in places.items():
        def unknown(body):
            tree = json.loads(body)
            at(tree, *place)["kid"] = "x"
            return json.dumps(tree)

        deny_attest("attestation-malformed", unknown)
        for name in names:
            def without(body):
                tree = json.loads(body)
                del at(tree, *place)[name]
                return json.dumps(tree)

            def mistyped(body):
                tree = json.loads(body)
                at(tree, *place)[name] = 7
                return json.dumps(tree)

            def twice(body):
                return body.replace(f'"{name}":', f'"{name}":null,"{name}":', 1)

            for change in (without, mistyped, twice):
                deny_attest("attestation-malformed", change)


@test("attest: garbage, init-data, other keys and keys off the curve")
def _():
    for change in (lambda body: "", lambda body: body[:-1], lambda body: body + "{}", lambda body: "\xff\xfe",
                   lambda body: body.replace('"init-data":null', '"init-data":{"format":"toml","body":""}'),
                   lambda body: body.replace('"additional_evidence":""', '"additional_evidence":"{}"'),
                   lambda body: body.replace("P-256", "P-521"), lambda body: body.replace("ECDH-ES+A256KW", "RSA1_5"),
                   lambda body: body.replace(guest.jwk["x"], "A" * 43), lambda body: body.replace(guest.jwk["y"], guest.jwk["x"]),
                   lambda body: body.replace('"report_data":[', '"report_data":[0,'),
                   lambda body: body.replace('"vmpl":0', '"vmpl":0.0'), lambda body: body.replace('"vmpl":0', '"vmpl":-1')):
        deny_attest("attestation-malformed", change)


@test("attest: a nonce that is not ours")
def _():
    def foreign(body):
        tree = json.loads(body)
        nonce = tree["runtime-data"]["nonce"]
        tree["runtime-data"]["nonce"] = ("A" if nonce[0] != "A" else "B") + nonce[1:]
        return json.dumps(tree)

    deny_attest("nonce-unknown", foreign)


@test("attest: a nonce that has expired")
def _():
    short = Broker().serve("--session-seconds", "1")
    connection = short.connect()
    nonce, cookie = connection.auth()
    time.sleep(1.1)
    denied(short, connection.attest(guest.attestation(nonce), cookie), "nonce-expired", error="AttestationError")
    equal(short.stop(), 0)


@test("attest: with the cookie of another session")
def _():
    connection = broker.connect()
    nonce, _ = connection.auth()
    _, other = connection.auth()
    denied(broker, connection.attest(guest.attestation(nonce), other), "session-mismatch")


@test("attest: a replayed challenge: one nonce, two attestations")
def _():
    connection = broker.connect()
    nonce, cookie = connection.auth()
    equal(connection.attest(guest.attestation(nonce), cookie).status, 200)
    again = Guest()
    denied(broker, connection.attest(again.attestation(nonce), cookie), "nonce-used")
    again.close()
    equal(connection.resource("default/volume/data", cookie).status, 200, "the session stays as it was")


@test("attest: a replayed attestation: the same bytes again, in its session, in another, and over another connection")
def _():
    connection = broker.connect()
    nonce, cookie = connection.auth()
    body = guest.attestation(nonce)
    equal(connection.attest(body, cookie).status, 200)
    denied(broker, connection.attest(body, cookie), "attestation-replayed")
    denied(broker, broker.connect().attest(body, cookie), "attestation-replayed")
    stranger = broker.connect()
    fresh, other = stranger.auth()
    denied(broker, stranger.attest(body, other), "session-mismatch")
    denied(broker, stranger.attest(body.replace(nonce, fresh), other), "report-data")


@test("attest: a relayed attestation: another key put in")
def _():
    entry = deny_attest("report-data", send_key="other")
    equal([check["check"] for check in entry["checks"]], ["report_data"])
    true(entry["checks"][0]["wanted"] != entry["checks"][0]["found"], "both hashes are told")


@test("attest: evidence for another nonce")
def _():
    connection = broker.connect()
    old, _ = connection.auth()
    deny_attest("report-data", bind_nonce=old)


@test("attest: a report made for another purpose")
def _():
    tag = b"postern/workload".hex()
    entry = deny_attest("purpose", tag=tag)
    equal(entry["checks"], [{"check": "purpose", "passed": False, "wanted": "00" * 16, "found": tag}])


@test("attest: a failed attestation does not use up the nonce")
def _():
    connection = broker.connect()
    nonce, cookie = connection.auth()
    denied(broker, connection.attest(guest.attestation(nonce, **{"break": "signature"}), cookie), "evidence-signature")
    equal(connection.attest(guest.attestation(nonce), cookie).status, 200)


@test("attest: evidence that is no report, or whose certificate is none")
def _():
    deny_attest("evidence-malformed", lambda body: body.replace('"version":3', '"version":9'))
    deny_attest("evidence-malformed", certs="junk")


@test("attest: evidence without the certificates it needs")
def _():
    deny_attest("evidence-certificate", certs="none")
    deny_attest("evidence-certificate", certs="vek")


@test("attest: certificates of known chips are looked up, by chip and TCB, and verified like those that are brought")
def _():
    other, here = Broker().serve(), chain()
    add = ("chip", "add", "--dir", other.directory, "--certificate")

    def attest(**settings):
        connection = other.connect()
        nonce, cookie = connection.auth()
        return connection.attest(guest.attestation(nonce, certs="none", **settings), cookie)
    denied(other, attest(), "evidence-certificate")
    with open(path("both.pem"), "w") as file:
        for name in ("vek.der", "ask.der"):
            with open(os.path.join(here, name), "rb") as der:
                file.write(ssl.DER_cert_to_PEM_cert(der.read()))
    must(*add, os.path.join(here, "vek.der"))
    denied(other, attest(), "evidence-certificate")  # of the test's root nobody has the intermediate
    true("of 1 chips" in must(*add, path("both.pem")), "add")
    equal(attest().status, 200)
    equal(attest().status, 200)
    equal(len(must("chip", "list", "--dir", other.directory, "--json").splitlines()), 1)
    denied(other, attest(**{"break": "chip"}), "evidence-certificate")
    denied(other, attest(**{"break": "tcb"}), "evidence-certificate")
    denied(other, attest(**{"break": "signature"}), "evidence-signature")
    refused(1, ["ask.der", "no certificate of a chip"], *add, os.path.join(here, "ask.der"))
    refused(1, ["vek.key", "no certificate of a chip"], *add, os.path.join(here, "vek.key"))
    refused(1, ["larger than"], *add, BROKER)
    foreign = chain("other", "Genoa")
    must(*add, os.path.join(foreign, "vek.der"))
    denied(other, attest(chain=foreign), "evidence-certificate")
    equal(other.stop(), 0)


@test("attest: a chain of another root, and of AMD's shape under another name")
def _():
    deny_attest("evidence-chain", chain=chain("other", "Genoa"))
    deny_attest("evidence-certificate", chain=chain("milan", "Milan"))


@test("attest: a report of another chip, or of another TCB than the certificate's")
def _():
    deny_attest("evidence-chip", **{"break": "chip"})
    deny_attest("evidence-chip", **{"break": "tcb"})


@test("attest: a report that was changed after it was signed")
def _():
    deny_attest("evidence-signature", **{"break": "signature"})
    deny_attest("evidence-signature", lambda body: body.replace('"guest_svn":0', '"guest_svn":1'))


@test("attest: AMD's roots do not vouch for a software processor")
def _():
    genuine = Broker().serve(trust=False)
    connection = genuine.connect()
    nonce, cookie = connection.auth()
    denied(genuine, connection.attest(guest.attestation(nonce), cookie), "evidence-chain")
    equal({entry["trust"] for entry in genuine.entries()}, {"amd-root"})
    equal(genuine.stop(), 0)


@test("attest: when all sessions are taken, newcomers are told when to come back, and nobody is pushed out")
def _():
    small = Broker().serve("--max-sessions", "2", "--session-seconds", "6")
    held = [session(small, guest) for _ in range(2)]
    connection = small.connect()
    nonce, cookie = connection.auth()
    answer = connection.attest(guest.attestation(nonce), cookie)
    denied(small, answer, "sessions-full", status=503, outcome="busy")
    equal(answer.headers["retry-after"], "5")
    for old, its_cookie in held:
        equal(old.resource("default/volume/data", its_cookie).status, 200, "an old session")
    time.sleep(6.2)
    session(small, guest)
    equal(small.stop(), 0)


# ---- the resource

def deny_release(reason, settings=None, resource="default/volume/data", error="PolicyDeny", of=broker):
    connection, cookie = session(of, guest, **(settings or {}))
    answer = connection.resource(resource, cookie)
    entry = denied(of, answer, reason, error=error)
    equal(answer.json()["detail"], f"request {answer.request}", "detail")
    equal(entry["event"], "release")
    return entry


def wrong(entry):
    return [(check["check"], check["wanted"], check["found"]) for check in entry["checks"] if not check["passed"]]


@test("release: another measurement is denied; the log says which value differed")
def _():
    entry = deny_release("policy", {"measurement": "b6" * 48})
    equal(wrong(entry), [("measurement", GOOD_MEASUREMENT, "b6" * 48)])
    equal(len(entry["checks"]), 5, "every check is listed")
    shown = must("log", "show", "--dir", broker.directory, "--request", entry["request"])
    true("WRONG  measurement" in shown and "wanted " + GOOD_MEASUREMENT in shown, shown)


@test("release: a debug launch is denied")
def _():
    equal(wrong(deny_release("policy", {"policy": "0xb0000"})), [("guest_policy.debug", "0", "1")])


@test("release: a launch with a migration agent is denied")
def _():
    equal(wrong(deny_release("policy", {"policy": "0x70000"})), [("guest_policy.migrate_ma", "0", "1")])


@test("release: a guest below VMPL 0 is denied")
def _():
    equal(wrong(deny_release("policy", {"vmpl": "1"})), [("vmpl", "0", "1")])


@test("release: the guest's side of a denial is a request id and nothing else")
def _():
    result = broker.client(measurement="b6" * 48)
    equal(result["outcome"], "denied")
    true(result["request"] in result["why"], result["why"])
    true("measurement" not in result["why"] and "policy" not in result["why"].lower().replace("policydeny", ""),
         result["why"])
    equal(broker.entry(result["request"])["reason"], "policy")


@test("release: a volume without a policy is denied, whatever the launch")
def _():
    broker.add_volume("bare", "11" * 64)
    deny_release("policy-missing", resource="default/volume/bare")


@test("release: an unknown resource looks like a denied one")
def _():
    connection, cookie = session(broker, guest)
    unknown = connection.resource("default/volume/nothing", cookie)
    denied(broker, unknown, "resource-unknown", error="PolicyDeny")
    refused = connection.resource("default/volume/bare", cookie)
    equal(unknown.body.replace(unknown.request.encode(), b""), refused.body.replace(refused.request.encode(), b""))
    equal([name for name, _ in unknown.raw_headers], [name for name, _ in refused.raw_headers])


@test("release: without a session, with one that never attested, with one that has expired")
def _():
    connection = broker.connect()
    denied(broker, connection.resource("default/volume/data"), "token-missing", error="TokenNotFound")
    _, cookie = connection.auth()
    denied(broker, connection.resource("default/volume/data", cookie), "session-unknown", error="TokenNotFound")
    denied(broker, connection.resource("default/volume/data", "kbs-session-id=" + "0" * 32), "session-unknown")
    short = Broker().serve("--session-seconds", "4")
    late, cookie = session(short, guest)
    time.sleep(4.2)
    denied(short, late.resource("default/volume/data", cookie), "session-unknown")
    equal(short.stop(), 0)


@test("release: a bearer token is not taken, with a clear word")
def _():
    connection = broker.connect()
    nonce, cookie = connection.auth()
    token = connection.attest(guest.attestation(nonce), cookie).json()["token"]
    answer = connection.resource("default/volume/data", Authorization="Bearer " + token)
    denied(broker, answer, "token-unsupported", error="TokenVerifierError")
    true("session cookie" in answer.json()["detail"], answer.json()["detail"])


@test("release: to the session's key alone: another guest cannot open it")
def _():
    connection, cookie = session(broker, guest)
    other = Guest()
    body = connection.resource("default/volume/data", cookie).body
    true(other.open(broker, body)["error"] != "", "another guest's key opens the answer")
    equal(guest.open(broker, body)["error"], "")
    other.close()


@test("release: signed for this report and nonce: an answer of another session is refused by the guest")
def _():
    connection, cookie = session(broker, guest)
    body = connection.resource("default/volume/data", cookie).body
    session(broker, guest)  # the guest's side now expects another binding
    true("another" in guest.open(broker, body)["error"], "another session's record is accepted")


@test("a policy may be changed while the broker runs; a measurement joins those that are there")
def _():
    deny_release("policy", {"measurement": "c7" * 48})
    broker.allow("c7" * 48)
    for measurement in (GOOD_MEASUREMENT, "c7" * 48):
        equal(broker.client(measurement=measurement)["outcome"], "granted")


@test("a removed volume is gone at once")
def _():
    broker.add_volume("gone", "22" * 64)
    broker.allow(resource="default/volume/gone")
    connection, cookie = session(broker, guest)
    equal(connection.resource("default/volume/gone", cookie).status, 200)
    must("volume", "remove", "--dir", broker.directory, "--resource", "default/volume/gone")
    denied(broker, connection.resource("default/volume/gone", cookie), "resource-unknown")


@test("evidence is kept under its request id when that is wanted")
def _():
    place = tempfile.mkdtemp(dir=path())
    keeping = Broker().serve("--evidence-dir", place)
    connection = keeping.connect()
    nonce, cookie = connection.auth()
    body = guest.attestation(nonce)
    answer = connection.attest(body, cookie)
    bad = connection.attest("garbage", cookie)
    equal(sorted(os.listdir(place)), sorted([answer.request + ".json", bad.request + ".json"]))
    with open(os.path.join(place, answer.request + ".json")) as file:
        equal(file.read(), body)
    equal(keeping.stop(), 0)


@test("a restart forgets sessions and nonces together")
def _():
    other = Broker().serve()
    connection, cookie = session(other, guest)
    nonce, fresh = connection.auth()
    body = guest.attestation(nonce)
    equal(other.stop(), 0)
    other.serve()
    connection = other.connect()
    denied(other, connection.resource("default/volume/data", cookie), "session-unknown")
    denied(other, connection.attest(body, fresh), "nonce-unknown")
    equal(other.stop(), 0)


@test("the client: another broker's key gets nothing sent, another record key is noticed")
def _():
    result = broker.client(pin="00" * 32)
    equal(result["outcome"], "broker key")
    before = len(broker.lines)
    result = broker.client(record_key=Broker().identity["record_key"])
    equal(result["outcome"], "record", result["why"])
    deadline = time.monotonic() + 30
    while len(broker.lines) == before and time.monotonic() < deadline:
        time.sleep(0.02)
    true(len(broker.lines) > before, "that one was released")


@test("nothing was lost: the broker ends well")
def _():
    guest.close()
    equal(broker.stop(), 0)


main()
