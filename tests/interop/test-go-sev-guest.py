#!/usr/bin/env python3
"""More than a thousand reports, valid and mutated, put to `postern verify report` and to go-sev-guest's `check`.

Both are asked the same question: this root, these certificates, this measurement and these expectations. Where they
answer otherwise, one of the reasons below must apply; each reason that is listed must come up, or it is not one.
Prints TAP. The reports are the same at each run but for keys, nonces and signatures.
"""
import concurrent.futures
import json
import os
import random
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import chip as chips  # noqa: E402
import snp  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import padding  # noqa: E402
from cryptography.hazmat.primitives.serialization import Encoding  # noqa: E402

POSTERN = os.path.join(TOP, "build/bin/postern")
PEER = os.path.join(TOP, "build/interop/go-sev-guest/check")
MEASUREMENT = bytes(range(48))
LAUNCH = {"host_data": b"\x21" * 32, "family_id": b"\x22" * 16, "image_id": b"\x23" * 16, "report_data": None}
PRODUCT_NAME = "1.3.6.1.4.1.3704.1.2"
PRODUCTS = ("Milan", "Genoa", "Turin")
rng = random.Random(4)


class Case:
    """A report with its table, what is expected of it, and how it came about."""

    def __init__(self, kind, chip, report, table, **expected):
        self.kind, self.chip, self.report, self.table, self.expected = kind, chip, report, table, expected
        self.fields = snp.fields(report)
        self.raw = report

    def policy(self):
        """Our question."""
        policy = {"measurements": [self.expected.get("measurement", MEASUREMENT).hex()],
                  "allow_migration_agent": bool(self.expected.get("migration")), "allow_vlek": True,
                  "allow_debug": bool(self.expected.get("debug")), "vmpl": self.expected.get("vmpl", 0)}
        for name in LAUNCH:
            if name in self.expected:
                policy[name] = self.expected[name].hex()
        if "tcb" in self.expected:
            policy["minimum_tcb"] = dict(zip(("bootloader", "tee", "snp", "microcode"), self.expected["tcb"]))
        if "build" in self.expected:
            policy["minimum_firmware"] = {"current": self.expected["build"]}
        return policy

    def flags(self):
        """The same question to the peer."""
        bits = 0x30000 | bool(self.expected.get("migration")) << 18 | bool(self.expected.get("debug")) << 19
        words = [f"-measurement={self.expected.get('measurement', MEASUREMENT).hex()}", f"-guest_policy={bits:#x}",
                 f"-vmpl={self.expected.get('vmpl', 0)}"]
        words += [f"-{name}={self.expected[name].hex()}" for name in LAUNCH if name in self.expected]
        if "tcb" in self.expected:
            bootloader, tee, snp_version, microcode = self.expected["tcb"]
            words.append(f"-minimum_tcb={bootloader | tee << 8 | snp_version << 48 | microcode << 56}")
        if "build" in self.expected:
            words.append("-min_version=" + self.expected["build"].rpartition(".")[0])
        return words


def components(raw):
    return [raw >> shift & 0xFF for shift in range(0, 64, 8)]


def odd_tcb(case):
    """A TCB version with something in bytes that Milan and Genoa do not use."""
    return any(case.fields[name] >> 16 & 0xFFFFFFFF for name in ("current_tcb", "reported_tcb", "committed_tcb", "launch_tcb"))


def incoherent(case):
    """Versions in the report that contradict each other."""
    fields, current, committed = case.fields, case.fields["current_version"], case.fields["committed_version"]
    above = [any(a > b for a, b in zip(components(fields[name]), components(fields["current_tcb"])))
             for name in ("committed_tcb", "reported_tcb")]
    return any(above) or committed[0] > current[0] or (committed[2], committed[1]) > (current[2], current[1])


# (who accepts, reason, when it applies)
REASONS = [
    ("ours", "the peer reads no mitigation vectors: they are reserved to it", lambda c: c.fields["version"] == 5),
    ("ours", "the peer cannot read Turin's certificates: extension 3.9 (FMC), chip ids of 8 bytes",
     lambda c: c.chip.product == "Turin"),
    ("ours", "the peer refuses bits of POLICY that it does not know", lambda c: c.fields["policy"] >> 21),
    ("ours", "the peer demands bit 17 of POLICY, without which no firmware launches a guest",
     lambda c: not c.fields["policy"] >> 17 & 1),
    ("ours", "the peer refuses bits of PLATFORM_INFO that it does not know", lambda c: c.fields["platform_info"] >> 5),
    ("ours", "the peer refuses bits of KEY_INFO that it does not know", lambda c: c.fields["key_info"] >> 5),
    ("ours", "the peer holds versions in a report against each other, which firmware alone writes", incoherent),
    ("ours", "the peer reads \"Genoa-B1\" and the like alone; AMD's certificates, the recorded one too, say \"Genoa\"",
     lambda c: c.chip.product == "Genoa" and not c.chip.vlek and c.table == plain_table(c.chip, key=c.chip.der("plain"))),
    ("peer", "the peer takes family and model of zero for unknown and goes by the certificate",
     lambda c: c.fields["version"] >= 3 and not any(c.fields["cpuid"])),
    ("peer", "the peer accepts a masked chip id with a VCEK, whose chip is then anybody's",
     lambda c: not c.chip.vlek and not any(c.fields["chip_id"])),
    ("peer", "the peer takes a chip id of 8 bytes, in version 2 the sign of a Turin, under another product's VLEK",
     lambda c: c.chip.vlek and c.fields["version"] == 2 and not any(c.fields["chip_id"][8:]) and any(c.fields["chip_id"])),
    ("peer", "the peer leaves bytes of LAUNCH_TCB alone that no layout gives a meaning; to us they are reserved", odd_tcb),
]


def table_of(certificates):
    kinds = {name: kind for kind, name in snp.KINDS.items()}
    entries = bodies = b""
    for name, data in certificates:
        entries += bytes.fromhex(kinds[name].replace("-", ""))
        entries += (24 * (len(certificates) + 1) + len(bodies)).to_bytes(4, "little") + len(data).to_bytes(4, "little")
        bodies += data
    return entries + bytes(24) + bodies


def plain_table(chip, **other):
    key = "vlek" if chip.vlek else "vcek"
    return table_of([(kind, other.get(name) or chip.der(name)) for kind, name in ((key, "key"), ("ask", "ask"), ("ark", "ark"))])


class Source(chips.Chip):
    """A chip whose certificates are asked for in DER, "key" the endorsement key's and "ask" what signed it; a Genoa's
    VCEK once more, with a name that the peer can read."""

    def __init__(self, directory, product, vlek=False):
        super().__init__(directory, product)
        self.vlek = vlek
        self.names = {"key": "vlek", "ask": "asvk", "ark": "ark"} if vlek else {"key": "vcek", "ask": "ask", "ark": "ark"}
        if vlek:
            self.key = self.load_key("vlek.key")
        self.ders = {name: self.certificate(file + ".pem").public_bytes(Encoding.DER) for name, file in self.names.items()}
        if product == "Genoa" and not vlek:
            self.ders["plain"], self.ders["key"] = self.ders["key"], self.reissue("Genoa-B1")
        # The peer is given the roots with each question: with its own it takes no VLEK (0.15.0).
        with open(self.path("bundle.pem"), "wb") as to:
            for name in ("ask", "ark"):
                with open(self.path(self.names[name] + ".pem"), "rb") as file:
                    to.write(file.read())

    def der(self, name):
        return self.ders[name]

    def reissue(self, product):
        """The VCEK's certificate with another product name."""
        old = self.certificate("vcek.pem")
        new = x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), 1, old.not_valid_before_utc,
                                      old.not_valid_after_utc)
        for extension in old.extensions:
            value = extension.value
            if extension.oid.dotted_string == PRODUCT_NAME:
                value = x509.UnrecognizedExtension(extension.oid, bytes((0x16, len(product))) + product.encode())
            new = new.add_extension(value, extension.critical)
        made = new.sign(self.load_key("ask.key"), hashes.SHA384(), rsa_padding=padding.PSS(padding.MGF1(hashes.SHA384()), 48))
        return made.public_bytes(Encoding.DER)


def valid(chip, count, version):
    """As postern-psp makes them."""
    options = ["--report-version", str(version), "--policy", "0x30000", *(["--vlek"] if chip.vlek else [])]
    for name, value in LAUNCH.items():
        if value:
            options += ["--" + name.replace("_", "-"), value.hex()]
    datas = [rng.randbytes(64) for _ in range(count)]
    return chip.reports(datas, *options, measurement=MEASUREMENT.hex())


def flipped(chip, report, table):
    """One bit of report, certificates or table."""
    damaged = bytearray(report)
    damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return Case("flipped", chip, bytes(damaged), table)


def damaged_chain(chip, report, other):
    """Something is wrong with the certificates."""
    which = rng.randrange(4)
    if which == 0:
        der = bytearray(chip.der("key"))
        der[rng.randrange(4, len(der))] ^= 1 << rng.randrange(8)
        return Case("chain", chip, report, plain_table(chip, key=bytes(der)))
    if which == 1:
        return Case("chain", chip, report, plain_table(chip, key=other.der("key")))
    if which == 2:
        return Case("chain", chip, report, plain_table(other))
    return Case("chain", chip, other.sign(report), plain_table(chip))


CHANGES = {
    "version": lambda f: rng.choice((0, 1, 2, 3, 4, 5, 6, 2 ** 31)),
    "guest_svn": lambda f: rng.randrange(2 ** 32),
    "policy": lambda f: f["policy"] ^ 1 << rng.randrange(27),
    "vmpl": lambda f: rng.choice((0, 1, 2, 3, 4, 2 ** 32 - 1)),
    "signature_algorithm": lambda f: rng.choice((0, 2, 3, 257)),
    "current_tcb": lambda f: f["current_tcb"] + rng.choice((1, 1 << 48, 1 << 56, -(1 << 56))),
    "reported_tcb": lambda f: f["reported_tcb"] + rng.choice((1, 1 << 8, 1 << 48, 1 << 56, -1, -(1 << 56))),
    "committed_tcb": lambda f: f["committed_tcb"] + rng.choice((1, -(1 << 48), 1 << 56, -(1 << 56))),
    "launch_tcb": lambda f: rng.choice((rng.randrange(2 ** 64), f["launch_tcb"] ^ rng.randrange(2 ** 8))),
    "platform_info": lambda f: f["platform_info"] ^ 1 << rng.randrange(10),
    "key_info": lambda f: f["key_info"] ^ 1 << rng.randrange(7),
    "report_data": lambda f: rng.randbytes(64),
    "measurement": lambda f: rng.choice((bytes(48), MEASUREMENT[::-1])),
    "host_data": lambda f: rng.randbytes(32),
    "id_key_digest": lambda f: rng.randbytes(48),
    "author_key_digest": lambda f: rng.randbytes(48),
    "report_id": lambda f: rng.randbytes(32),
    "report_id_ma": lambda f: rng.randbytes(32),
    "chip_id": lambda f: rng.choice((bytes(64), rng.randbytes(64), rng.randbytes(8) + bytes(56))),
    "cpuid": lambda f: rng.choice((b"\x19\x01\x01", b"\x19\x11\x01", b"\x19\xa0\x02", b"\x1a\x02\x01", b"\x1a\x50\0",
                                   b"\x17\x31\0", f["cpuid"][:2] + b"\x07")),
    "current_version": lambda f: bytes((rng.randrange(256), rng.randrange(60), rng.randrange(3), 0)),
    "committed_version": lambda f: bytes((rng.randrange(60), rng.randrange(60), rng.randrange(2), rng.randrange(2))),
    "launch_mit_vector": lambda f: rng.randrange(2),
}


def signed(chip, report, table):
    """A field with another value, under a good signature."""
    name = rng.choice(list(CHANGES))
    fields = snp.fields(report)
    value = CHANGES[name](fields)
    if isinstance(value, int):
        value %= 2 ** (8 * (8 if snp.FIELDS[name][1] == "<Q" else 4))
    return Case("signed " + name, chip, chip.change(report, **{name: value}), table)


def expecting(chip, report, table):
    """A good report, and expectations that hold or not."""
    fields = snp.fields(report)
    wish = rng.choice(("host_data", "family_id", "image_id", "report_data", "measurement", "vmpl", "tcb", "build", "debug",
                       "migration"))
    wrong = rng.random() < 0.5
    if wish == "tcb":
        found = components(fields["reported_tcb"])
        least = [found[0], found[1], found[6], found[7]]
        if wrong:
            least[rng.randrange(4)] += 1
        return Case("expecting", chip, report, table, tcb=least)
    if wish == "build":
        version = fields["current_version"]
        return Case("expecting", chip, report, table, build=f"{version[2]}.{version[1] + wrong}.0")
    if wish == "vmpl":
        return Case("expecting", chip, report, table, vmpl=rng.randrange(1, 4) if wrong else 0)
    if wish in ("debug", "migration"):
        bit = 19 if wish == "debug" else 18
        return Case("expecting", chip, chip.change(report, policy=fields["policy"] | 1 << bit), table, **{wish: not wrong})
    value = bytearray(fields[wish])
    value[rng.randrange(len(value))] ^= wrong
    return Case("expecting", chip, report, table, **{wish: bytes(value)})


def make(folder):
    """Every case."""
    cases = []
    sources = [(product, vlek) for product in PRODUCTS for vlek in (False, True)]
    for product, vlek in sources:
        chip = Source(os.path.join(folder, f"{product}{vlek:d}"), product, vlek)
        stranger = Source(os.path.join(folder, f"other{product}{vlek:d}"), product, vlek)
        table = plain_table(chip)
        share = (3 if product == "Turin" else 1) * (2 if vlek else 1)  # Turin's the peer cannot read
        for version in (2, 3, 4, 5):
            found = valid(chip, 24, version)
            if product != "Turin":  # without the bits of PLATFORM_INFO that the peer refuses, or it would see nothing
                found[4:] = [chip.change(report, platform_info=1) for report in found[4:]]
            cases += [Case("valid", chip, report, table) for report in found]
            if product == "Genoa" and not vlek:
                cases += [Case("valid", chip, report, plain_table(chip, key=chip.der("plain"))) for report in found[-4:]]
            if version > 3:
                continue
            cases += [flipped(chip, rng.choice(found), table) for _ in range(60 // share)]
            cases += [damaged_chain(chip, rng.choice(found), stranger) for _ in range(30 // share)]
            cases += [signed(chip, rng.choice(found), table) for _ in range(120 // share)]
            cases += [expecting(chip, rng.choice(found), table) for _ in range(60 // share)]
    return cases


def ask(case, place):
    """(ours accepts, peer accepts, what both said)."""
    report, policy, bundle = place + ".bin", place + ".json", case.chip.path("bundle.pem")
    with open(report, "wb") as file:
        file.write(case.raw + case.table)
    with open(policy, "w", encoding="ascii") as file:
        json.dump(case.policy(), file)
    ours = subprocess.run([POSTERN, "verify", "report", report, "--policy", policy, "--trust-root", case.chip.path("ark.pem")],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    theirs = subprocess.run([PEER, "-in", report, "-network=false", f"-product={case.chip.product}",
                             f"-product_key_path={bundle}", "-provisional=true", *case.flags()],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    for name in (report, policy):
        os.unlink(name)
    if ours.returncode not in range(6) or theirs.returncode not in range(6):
        raise SystemExit(f"{case.kind}: {ours.returncode} {ours.stderr} {theirs.returncode} {theirs.stderr}")
    return ours.returncode == 0, theirs.returncode == 0, f"ours: {ours.stderr.strip()}\npeer: {theirs.stderr.strip()}"


def judge(cases, answers):
    used, unexplained, counts = {}, [], {}
    for case, (ours, theirs, said) in zip(cases, answers):
        kind = case.kind.partition(" ")[0]
        counts.setdefault(kind, [0, 0, 0])
        counts[kind][0] += 1
        counts[kind][1] += ours
        counts[kind][2] += ours != theirs
        if ours == theirs:
            continue
        reasons = [reason for who, reason, applies in REASONS if (who == "ours") == ours and applies(case)]
        if not reasons:
            unexplained.append(f"{case.chip.product}{' VLEK' if case.chip.vlek else ''} v{case.fields['version']} {case.kind}: {case.expected}\n{said}")
        for reason in reasons[:1]:
            used[reason] = used.get(reason, 0) + 1
    for kind, (count, good, differing) in sorted(counts.items()):
        tap.note(f"{kind:10} {count:5} reports, {good:5} accepted by us, {differing:4} answered otherwise by the peer")
    for reason, count in sorted(used.items(), key=lambda item: -item[1]):
        tap.note(f"{count:5} times: {reason}")
    return used, unexplained


def main():
    if subprocess.run([os.path.join(TOP, "tests/interop/go-sev-guest-peer")], check=False).returncode:
        tap.ok(False, "go-sev-guest's check can be built")
        tap.done()
    with tempfile.TemporaryDirectory() as folder:
        cases = make(folder)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            answers = list(pool.map(ask, cases, (os.path.join(folder, f"case{i}") for i in range(len(cases)))))
    tap.ok(len(cases) >= 1000, f"{len(cases)} reports")
    used, unexplained = judge(cases, answers)
    tap.ok(not unexplained, "no disagreement without a listed reason", "\n".join(unexplained[:20]))
    tap.ok(all(ours for case, (ours, _, _) in zip(cases, answers) if case.kind == "valid"), "valid reports are accepted")
    tap.ok(not any(ours for case, (ours, _, _) in zip(cases, answers) if case.kind == "flipped"), "flipped ones are not")
    tap.ok(not any(ours for case, (ours, _, _) in zip(cases, answers) if case.kind == "chain"), "nor under wrong chains")
    unused = [reason for _, reason, _ in REASONS if reason not in used]
    tap.same(unused, [], "each listed reason comes up")
    both = sum(ours and theirs for ours, theirs, _ in answers)
    tap.ok(both >= 150, f"{both} reports accepted by both")
    vleks = sum(ours and theirs for case, (ours, theirs, _) in zip(cases, answers) if case.chip.vlek)
    tap.ok(vleks >= 100, f"{vleks} of them under a VLEK")
    tap.done()


main()
