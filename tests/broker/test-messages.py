#!/usr/bin/env python3
"""Every member of every message that a guest sends: missing, of each wrong type, twice, too large. None gets further, and
the log says why."""
import json

from harness import REQUEST, Broker, Guest, denied, equal, main, session, test, true

broker = Broker().serve()
guest = Guest()
NAME = "default/volume/data"
SAMPLES = {"null": None, "boolean": True, "number": 7, "fraction": 1.5, "string": "x", "array": [], "object": {}}


def kind_of(value):
    for name, sample in SAMPLES.items():
        if type(sample) is type(value):
            return name
    raise AssertionError(value)


def places(tree, path=()):
    """Every member, with the path of names to it; elements of arrays count as members of theirs."""
    for name, value in tree.items():
        yield (*path, name), value
        if isinstance(value, dict):
            yield from places(value, (*path, name))


def text_of(tree, twice=None, path=()):
    """JSON, with one member written twice."""
    if not isinstance(tree, dict):
        return json.dumps(tree, separators=(",", ":"))
    parts = []
    for name, value in tree.items():
        part = json.dumps(name) + ":" + text_of(value, twice, (*path, name))
        parts += [part] * (2 if (*path, name) == twice else 1)
    return "{" + ",".join(parts) + "}"


def changed(tree, path, value):
    copy = json.loads(json.dumps(tree))
    at = copy
    for name in path[:-1]:
        at = at[name]
    if value is Ellipsis:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return copy


def larger(value):
    """The same with more in it than there may be."""
    if isinstance(value, str):
        return value + "A" * 5000
    if isinstance(value, list):
        return value + value[:1] if value else [0]
    if isinstance(value, dict):
        return {**value, "more": 1}
    return 1 << 70


def variants(tree, fine=()):
    """(what was done, the text). `fine`: what the protocol allows of that."""
    for path, value in places(tree):
        name = ".".join(path)
        cases = [("missing", text_of(changed(tree, path, Ellipsis))), ("twice", text_of(tree, twice=path)),
                 ("too large", text_of(changed(tree, path, larger(value))))]
        cases += [(f"as {kind}", text_of(changed(tree, path, sample))) for kind, sample in SAMPLES.items()
                  if kind != kind_of(value)]
        for done, text in cases:
            if f"{name} {done}" not in fine:
                yield f"{name} {done}", text
    for sample in SAMPLES.values():
        if not isinstance(sample, dict):
            yield "the whole as " + kind_of(sample), json.dumps(sample)


def try_all(tree, ask, reasons, fine=()):
    count = 0
    for done, text in variants(tree, fine):
        answer = ask(text)
        equal(answer.status, 401, f"{done}: {answer.body!r}")
        entry = broker.entry(answer.request)
        true(entry["reason"] in reasons, f"{done}: {entry}")
        true(entry.get("detail") or entry["reason"] not in ("request-malformed", "attestation-malformed",
                                                            "confirm-malformed"), f"{done}: nothing is said of it")
        count += 1
    return count


@test("auth: each member of the request")
def _():
    connection = broker.connect()
    tree = json.loads(REQUEST)
    # The server ignores what the parameters are: texts and objects are in use (kbs.md section 2).
    fine = [f"extra-params{rest} {done}" for rest in ("", ".supported-hash-algorithms")
            for done in ("missing", "too large", *(f"as {kind}" for kind in SAMPLES))]
    fine.remove("extra-params missing")
    count = try_all(tree, lambda text: connection.ask("POST", "/kbs/v0/auth", text),
                    {"request-malformed", "protocol-version", "tee"}, fine)
    true(count > 20, count)


@test("attest: each member of the attestation, of the key, of the report and its versions, of the certificates")
def _():
    connection = broker.connect()
    nonce, cookie = connection.auth()
    tree = json.loads(guest.attestation(nonce))
    report = "tee-evidence.primary_evidence.attestation_report"
    # Writers leave out what is null, as their version has it.
    fine = ["init-data missing", "tee-evidence.primary_evidence.cert_chain too large",
            *(f"{report}.{name}_tcb.fmc missing" for name in ("current", "reported", "committed", "launch")),
            *(f"{report}.{name}_mit_vector missing" for name in ("launch", "current"))]
    count = try_all(tree, lambda text: connection.attest(text, cookie),
                    {"attestation-malformed", "evidence-malformed", "evidence-signature", "evidence-certificate",
                     "evidence-chip", "nonce-unknown"}, fine)
    true(count > 500, count)
    chain = tree["tee-evidence"]["primary_evidence"]["cert_chain"]
    for entry in ({}, {"cert_type": "VCEK"}, {"data": chain[0]["data"]}, {**chain[0], "more": 1},
                  {**chain[0], "cert_type": 7}, {**chain[0], "cert_type": "VXEK"}, {**chain[0], "data": "x"},
                  {**chain[0], "data": [256]}, {**chain[0], "data": [-1]}, {**chain[0], "data": [0] * 20000}, 7, None):
        body = changed(tree, ("tee-evidence", "primary_evidence", "cert_chain"), [entry])
        entry = denied(broker, connection.attest(json.dumps(body), cookie), "attestation-malformed", row=False)
        true("cert_chain" in entry["detail"], entry["detail"])
    for name, size in (("report_data", 64), ("measurement", 48), ("chip_id", 64)):
        for value in ([0] * (size - 1), [0] * (size + 1), [256] * size, ["0"] * size, [[0]] * size, [0.5] * size):
            body = changed(tree, (*report.split("."), name), value)
            entry = denied(broker, connection.attest(json.dumps(body), cookie), "attestation-malformed", row=False)
            true(name in entry["detail"] or "plain integer" in entry["detail"], entry["detail"])
    equal(connection.attest(json.dumps(tree, separators=(",", ":")), cookie).status, 200, "the nonce is good still")


@test("confirm: each member of the confirmation")
def _():
    connection, cookie = session(broker, guest)
    answer = connection.resource(NAME, cookie)
    epoch = guest.open(broker, answer.body)["epoch"]
    target = f"/kbs/v0/postern/confirm/{NAME}"
    try_all({"epoch": epoch, "found": None}, lambda text: connection.ask("POST", target, text, Cookie=cookie),
            {"confirm-malformed", "confirm-epoch", "epoch-ahead"})
    equal(connection.ask("POST", target, json.dumps({"epoch": epoch, "found": None}), Cookie=cookie).status, 200)


@test("the broker ends well")
def _():
    guest.close()
    equal(broker.stop(), 0)


main()
