#!/usr/bin/env python3
"""postern verify and display: what verifies, every exit status, snpguest's words, and JSON. Prints TAP."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import chip as chips  # noqa: E402
import snp  # noqa: E402
import tap  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402

POSTERN = os.path.join(TOP, "build/bin/postern")
FIRMWARE = "/builder/firmware/OVMF.amdsev.fd"
PLACES = [os.path.join(TOP, "..", "shared/vectors"), os.path.join(TOP, "../..", "shared/vectors")]
VECTORS = next((place for place in PLACES if os.path.isdir(place)), None)
GOOD, MISUSE, SIGNATURE, CERTIFICATES, REVOKED, POLICY = range(6)
MEASUREMENT = "11" * 48
PLAIN = {"measurements": [MEASUREMENT]}


def run(*words, **more):
    return subprocess.run([POSTERN, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, **more)


def gives(status, words, *parts, name=None):
    """Ends with that status; the parts stand in what it said."""
    done = run(*words)
    said = done.stderr if status else done.stdout
    tap.ok(done.returncode == status and all(part in said for part in parts) and
           (status == GOOD or done.stderr.count("\n") == 1),
           name or f"{status}: {' '.join(words)[:80]}", f"{done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def write(path, data):
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else json.dumps(data).encode())
    return path


class Scene:
    """A chip, a directory as snpguest leaves it, and a report."""

    def __init__(self, folder):
        self.folder = folder
        self.chip = chips.Chip(self.at("chip"))
        self.root = ["--trust-root", self.chip.path("ark.pem")]
        os.mkdir(self.at("certs"))
        for name in ("ark.pem", "ask.pem", "vcek.pem"):
            shutil.copy(self.chip.path(name), self.at("certs"))
        self.report = self.chip.reports([bytes(range(64))], "--host-data", "22" * 32)[0]
        write(self.at("report.bin"), self.report)
        write(self.at("policy.json"), PLAIN)
        self.words = ["verify", "attestation", self.at("certs"), self.at("report.bin"), *self.root]

    def at(self, name):
        return os.path.join(self.folder, name)

    def decide(self, policy, report=None, *more):
        path = write(self.at("other.bin"), report) if report else self.at("report.bin")
        return ["verify", "report", path, "--certs", self.at("certs"), "--policy",
                write(self.at("other.json"), policy), *self.root, *more]


def test_attestation(scene):
    done = gives(GOOD, scene.words, "verdict: good", "A TEST'S ROOT", "22" * 32, bytes(range(64)).hex(), "report id",
                 "coverage             not stated", "not checked: no list was given")
    tap.ok(snp.fields(scene.report)["report_id"].hex() in done.stdout, "the verdict holds the report id")
    gives(GOOD, [*scene.words, "-m", "0x" + MEASUREMENT, "-d", "0x" + "22" * 32, "-r", bytes(range(64)).hex(), "-t", "-s",
                 "-p", "genoa", "--explain"], "ok   measurement", "ok   host_data", "ok   report_data", "ok   product")
    for option, value, code in (("-m", "12" * 48, "measurement"), ("-d", "23" * 32, "host_data"),
                                ("-r", "00" * 64, "report_data"), ("-p", "turin", "product")):
        gives(POLICY, [*scene.words, option, value], f"postern: {code}: wanted ")
    gives(MISUSE, [*scene.words, "-m", "12"], "--measurement: 2 characters, expected 96")
    gives(MISUSE, [*scene.words, "-p", "rome"], '--processor-model "rome": expected milan')
    gives(MISUSE, ["verify", "attestation", scene.at("certs")], "expected a directory with certificates and a report")
    gives(MISUSE, ["verify", "attestation", scene.at("certs"), scene.at("none"), *scene.root], "none: cannot be opened")
    gives(MISUSE, ["verify", "attestation", scene.at("none"), scene.at("report.bin"), *scene.root], "none: cannot be op")
    gives(MISUSE, [*scene.words[:4], "--trust-root", scene.at("none")], "none: cannot be opened")
    gives(MISUSE, [*scene.words[:4], "--trust-root", scene.at("report.bin")], "expected one self-signed certificate")


def test_roots(scene):
    """AMD's names under other keys, and nobody said to trust them."""
    gives(SIGNATURE, scene.words[:4], "postern: root: ", 'the "ARK-Genoa" that came along is not the trusted one')
    bare = scene.at("bare")
    os.mkdir(bare)
    for name in ("ask.pem", "vcek.pem"):
        shutil.copy(scene.chip.path(name), bare)
    gives(SIGNATURE, ["verify", "attestation", bare, scene.at("report.bin")], "postern: chain: certificate \"SEV-Genoa\": ")
    gives(GOOD, ["verify", "attestation", bare, scene.at("report.bin"), *scene.root], "verdict: good")
    other = chips.Chip(scene.at("stranger"), "Genoa")
    gives(SIGNATURE, ["verify", "attestation", bare, scene.at("report.bin"), "--trust-root", other.path("ark.pem")],
          "postern: chain: ")
    shutil.copy(other.path("ark.pem"), bare)
    gives(SIGNATURE, ["verify", "attestation", bare, scene.at("report.bin"), *scene.root], "postern: root: ")
    os.unlink(os.path.join(bare, "ark.pem"))
    os.unlink(os.path.join(bare, "ask.pem"))
    gives(CERTIFICATES, ["verify", "attestation", bare, scene.at("report.bin"), *scene.root], 'no certificate "SEV-Genoa"')
    os.unlink(os.path.join(bare, "vcek.pem"))
    gives(CERTIFICATES, ["verify", "attestation", bare, scene.at("report.bin"), *scene.root], "postern: certificates: no VCEK certificate")
    shutil.copy(scene.chip.path("ask.pem"), bare)
    shutil.copy(other.path("vcek.pem"), bare)
    gives(SIGNATURE, ["verify", "attestation", bare, scene.at("report.bin"), *scene.root], "postern: chain: ")
    write(os.path.join(bare, "vcek.pem"), b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    gives(SIGNATURE, ["verify", "attestation", bare, scene.at("report.bin"), *scene.root], "vcek.pem: ", "not one certif")


def test_encodings(scene):
    """Certificates in DER, in one file, in a host's table, behind the report."""
    der = scene.at("der")
    os.mkdir(der)
    encoded = {}
    for name in ("ark", "ask", "vcek"):
        encoded[name] = scene.chip.certificate(name + ".pem").public_bytes(serialization.Encoding.DER)
        write(os.path.join(der, name + ".der"), encoded[name])
    gives(GOOD, ["verify", "attestation", der, scene.at("report.bin"), *scene.root], "verdict: good", name="DER files")
    bundle = b"".join(open(scene.chip.path(name), "rb").read() for name in ("vcek.pem", "ask.pem", "ark.pem"))
    write(scene.at("bundle.pem"), bundle)
    ask = ["verify", "report", scene.at("report.bin"), "--policy", scene.at("policy.json"), *scene.root]
    gives(GOOD, [*ask, "--bundle", scene.at("bundle.pem")], "the policy allows it", name="a bundle")
    gives(GOOD, [*ask, "--certs", os.path.join(der, "vcek.der"), "--certs", os.path.join(der, "ask.der")],
          "the policy allows it", name="single files")
    entries, bodies, kinds = b"", b"", {name: kind for kind, name in snp.KINDS.items()}
    for name, data in encoded.items():
        entries += bytes.fromhex(kinds[name].replace("-", "")) + (24 * 4 + len(bodies)).to_bytes(4, "little")
        entries += len(data).to_bytes(4, "little")
        bodies += data
    table = entries + bytes(24) + bodies
    write(scene.at("table.bin"), table)
    gives(GOOD, [*ask, "--certs", scene.at("table.bin")], "the policy allows it", name="a host's table")
    write(scene.at("extended.bin"), scene.report + table)
    ask[2] = scene.at("extended.bin")
    gives(GOOD, ask, "the policy allows it", name="a report with its table behind it")
    write(scene.at("extended.bin"), scene.report + table[:-1])
    gives(MISUSE, ask, "extended.bin: ", "is said to lie at", name="a cut table is refused")
    gives(CERTIFICATES, [*scene.decide(PLAIN)[:3], *ask[3:]], "no VCEK certificate", name="no certificates at all")
    write(scene.at("bundle.pem"), open(scene.chip.path("ask.key"), "rb").read())
    gives(SIGNATURE, [*ask[:2], scene.at("report.bin"), *ask[3:], "--bundle", scene.at("bundle.pem")],
          "neither certificate nor revocation list", name="a private key is no certificate")


def test_directories(scene):
    """What can lie in a directory besides good certificates. What the report says of itself is told all the same."""
    odd = scene.at("odd")
    words = ["verify", "attestation", odd, scene.at("report.bin"), *scene.root]

    def again():
        shutil.rmtree(odd, ignore_errors=True)
        shutil.copytree(scene.at("certs"), odd)
        os.unlink(os.path.join(odd, "vcek.pem"))
        return os.path.join(odd, "vcek.pem")

    def refuses(status, *parts, name):
        done = gives(status, words, *parts, name=name)
        tap.ok("22" * 32 in done.stdout and snp.fields(scene.report)["report_id"].hex() in done.stdout and
               "(unproved)" in done.stdout, f"{name}: HOST_DATA and REPORT_ID are told", done.stdout)

    os.symlink(scene.chip.path("vcek.pem"), again())
    gives(GOOD, words, "verdict: good", name="a symbolic link to a certificate")
    os.symlink("nowhere", again())
    refuses(MISUSE, "vcek.pem: cannot be opened", name="a link to nothing")
    place = again()
    os.symlink("vcek.pem", place)
    refuses(MISUSE, "vcek.pem: cannot be opened", name="a link to itself")
    os.mkdir(again())
    refuses(MISUSE, "vcek.pem: ", name="a directory for a file")
    os.mkfifo(again())
    refuses(MISUSE, "vcek.pem: ", name="a pipe for a file")
    for name, data in (("an empty file", b""), ("one byte", b"0"), ("text", b"hello\n"), ("a cut certificate", b"\x30\x82\x05\x00" + bytes(9)),
                       ("zeros", bytes(64)), ("an end without a beginning", b"-----END CERTIFICATE-----\n"),
                       ("a beginning without an end", b"-----BEGIN CERTIFICATE-----\nMIIB\n")):
        write(again(), data)
        refuses(CERTIFICATES if name == "zeros" else SIGNATURE, "", name=f"the VCEK is {name}")
    write(again(), b"x" * 300000)
    refuses(MISUSE, "vcek.pem: ", name="the VCEK is too large")
    write(again(), scene.chip.certificate("vcek.pem").public_bytes(serialization.Encoding.PEM) * 20)
    refuses(MISUSE, "more than 16 certificates and lists", name="twenty certificates")
    write(again(), b"")
    shutil.copy(scene.chip.path("vcek.pem"), os.path.join(odd, "vcek.der"))
    refuses(SIGNATURE, "vcek.pem: ", name="the .pem is damaged, the .der is not")
    os.unlink(os.path.join(odd, "vcek.pem"))
    gives(GOOD, words, "verdict: good", name="PEM in a file that says DER")


def test_reports(scene):
    """Damaged reports, and reports that the chip signed and nobody should take."""
    words = ["verify", "attestation", scene.at("certs"), scene.at("other.bin"), *scene.root]
    for at, said in ((0x10, "postern: signature: "), (0x90, "postern: signature: "), (0x1FF, "postern: report: "),
                     (0x29F, "postern: "), (0x2A0, "postern: signature: "), (0x2E8, "postern: ")):
        damaged = bytearray(scene.report)
        damaged[at] ^= 0x80
        write(scene.at("other.bin"), bytes(damaged))
        gives(SIGNATURE, words, said, name=f"2: a changed byte at {at:#x}")
    write(scene.at("other.bin"), scene.report[:-1])
    gives(MISUSE, words, "other.bin: 1183 bytes, a report has 1184")
    write(scene.at("other.bin"), scene.chip.change(scene.report, version=6))
    gives(MISUSE, words, "postern: report: report of version 6, expected 2 to 5")
    write(scene.at("other.bin"), scene.chip.change(scene.report, launch_mit_vector=1))
    gives(SIGNATURE, words, "reserved byte at offset 0x1f8 of the report is not zero")
    gives(GOOD, [*words, "--allow-reserved"], "the byte at 0x1f8 is not zero", "verdict: good")
    tcb = snp.fields(scene.report)["reported_tcb"]
    for shift in (0, 8, 48, 56):
        for off in (1, -1):
            value = (tcb >> shift & 0xFF) + off
            if not 0 <= value <= 255:
                continue
            changed = tcb & ~(0xFF << shift) | value << shift
            write(scene.at("other.bin"), scene.chip.change(scene.report, reported_tcb=changed))
            gives(SIGNATURE, words, "postern: chip: reported TCB", name=f"2: TCB byte {shift // 8} off by {off}")
    write(scene.at("other.bin"), scene.chip.change(scene.report, chip_id=bytes(63) + b"\1"))
    gives(SIGNATURE, words, "postern: chip: the report's chip id is not the certificate's")
    write(scene.at("other.bin"), scene.chip.change(scene.report, cpuid=b"\x19\x01\x01"))
    gives(SIGNATURE, words, "report for a processor of product Milan, certificate for Genoa")
    write(scene.at("other.bin"), scene.chip.change(scene.report, cpuid=b"\x19\xa0\x01"))
    gives(GOOD, words, "Bergamo or Siena")
    write(scene.at("other.bin"), scene.chip.change(scene.report, cpuid=b"\x1a\x50\x01"))
    gives(CERTIFICATES, words, "no root known for processors of family 0x1a, model 0x50 (Venice)")
    write(scene.at("other.bin"), scene.chip.change(scene.report, key_info=1 << 2))
    gives(CERTIFICATES, words, "no VLEK certificate came with the report")
    write(scene.at("other.bin"), scene.chip.change(scene.report, platform_info=1 << 40, policy=1 << 50 | 0x30000))
    gives(GOOD, words, "verdict: good", name="unknown bits are no error")
    shown = run("display", "report", scene.at("other.bin")).stdout
    write(scene.at("other.bin"), scene.chip.change(scene.report, committed_tcb=snp.fields(scene.report)["committed_tcb"] | 1 << 32))
    gives(SIGNATURE, words, "postern: report: the committed TCB 0x", "has a reserved byte of Genoa that is not zero")
    gives(GOOD, [*words, "--allow-reserved"], "verdict: good")
    write(scene.at("other.bin"), scene.chip.change(scene.report, version=2, cpuid=bytes(3)))
    gives(GOOD, words, "report of version 2, Genoa", name="version 2: the certificate tells Genoa from Milan")
    tap.ok("bit-40" in shown and "bit-50" in shown, "unknown bits are shown", shown)


def test_time(scene):
    gives(SIGNATURE, [*scene.words, "--at", "2020-01-01"], "certificate is not yet valid")
    gives(SIGNATURE, [*scene.words, "--at", "2199-01-01T00:00:00Z"], "certificate has expired")
    gives(SIGNATURE, [*scene.words, "--at", "@0"], "certificate is not yet valid")
    for text in ("yesterday", "2026-13-01", "2026-11-22T08:00:00", "@-1", "@x", "2026-11-22 "):
        gives(MISUSE, [*scene.words, "--at", text], f'--at "{text}": expected')


def test_revocation(scene):
    path, ask = scene.at("list.crl"), scene.chip.certificate("ask.pem").serial_number
    demand = dict(PLAIN, require_revocation_list=True)
    gives(POLICY, scene.decide(demand), "postern: revocation_list: wanted checked, found none was given")
    scene.chip.revocation_list(path, serials=[ask + 1])
    gives(GOOD, [*scene.words, "--crl", path], "checked: not revoked")
    gives(GOOD, scene.decide(demand, None, "--certs", path), "the policy allows it")
    scene.chip.revocation_list(path, serials=[ask], encoding="PEM")
    gives(REVOKED, [*scene.words, "--crl", path], 'postern: revoked: certificate "SEV-Genoa" has been revoked')
    gives(REVOKED, scene.decide(PLAIN, None, "--certs", path), "postern: revoked: ")
    gives(REVOKED, ["verify", "certs", scene.at("certs"), "--crl", path, *scene.root], "has been revoked")
    scene.chip.revocation_list(path, days=-1, age=9)
    gives(SIGNATURE, [*scene.words, "--crl", path], "has expired: fetch a newer one")
    scene.chip.revocation_list(path, key=scene.chip.load_key("ask.key"))
    gives(SIGNATURE, [*scene.words, "--crl", path], "its signature does not verify")
    shutil.copy(path, scene.at("certs/crl.der"))
    gives(SIGNATURE, scene.words, "its signature does not verify", name="2: a list in the directory counts")
    os.unlink(scene.at("certs/crl.der"))


def test_policy(scene):
    fields = snp.fields(scene.report)
    gives(GOOD, scene.decide(PLAIN), "the policy allows it")
    gives(POLICY, scene.decide({"measurements": ["00" * 48]}), "postern: measurement: wanted " + "00" * 48)
    gives(POLICY, scene.decide(PLAIN, scene.chip.change(scene.report, policy=fields["policy"] | 1 << 19)),
          "postern: guest_policy.debug: wanted 0, found 1")
    gives(POLICY, scene.decide(dict(PLAIN, vmpl=2)), "postern: vmpl: wanted 2, found 0")
    gives(POLICY, scene.decide(dict(PLAIN, least_coverage="image")), "postern: coverage: wanted at least image, found not st")
    gives(GOOD, scene.decide(dict(PLAIN, least_coverage="image", coverage="image")), "coverage             image")
    gives(POLICY, scene.decide(dict(PLAIN, chip_ids={"denied": [fields["chip_id"].hex()]})), "postern: chip_id.denied: ")
    gives(POLICY, scene.decide(PLAIN, None, "--report-data", "00" * 64), "postern: report_data: ")
    gives(MISUSE, scene.decide({"measurement": MEASUREMENT}), "other.json: measurements: missing")
    gives(MISUSE, scene.decide(dict(PLAIN, measurment=1)), "other.json: measurment: unknown member")
    gives(MISUSE, ["verify", "report", scene.at("report.bin")], "--policy is missing")
    gives(MISUSE, ["verify", "report", "--policy", scene.at("policy.json")], "which report?")
    done = run(*scene.decide(dict(PLAIN, vmpl=2), None, "--explain"))
    tap.ok("FAIL vmpl" in done.stdout and "ok   measurement" in done.stdout and "verdict: refused, vmpl" in done.stdout,
           "--explain lists every check", done.stdout)


def test_manifests(scene):
    """A launch digest is accepted out of a manifest that the policy's signers signed."""
    image, manifest = scene.at("image"), scene.at("manifest.json")
    os.mkdir(image)
    shutil.copy(FIRMWARE, os.path.join(image, "firmware.fd"))
    for name in ("kernel", "initrd", "root.img", "cmdline"):
        write(os.path.join(image, name), name.encode())
    keys = []
    for name in ("one", "two"):
        path = scene.at(name + ".key")
        subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", "ed25519", "-out", path], check=True)
        os.chmod(path, 0o600)
        pem = subprocess.run(["openssl", "pkey", "-in", path, "-pubout"], check=True, stdout=subprocess.PIPE, text=True)
        keys.append((path, "".join(pem.stdout.splitlines()[1:-1])))
    done = run("manifest", "create", image, "--vcpus", "1-2", "--vcpu-type", "EPYC-Genoa", "--output", manifest)
    tap.ok(done.returncode == 0, "a manifest", done.stderr)
    digest = run("measure", "--ovmf", FIRMWARE, "--kernel", image + "/kernel", "--initrd", image + "/initrd", "--append",
                 "cmdline", "--vcpus", "2", "--vcpu-type", "EPYC-Genoa").stdout.strip()
    report = scene.chip.reports([bytes(64)], measurement=digest)[0]
    policy = {"manifests": {"signers": [key for _, key in keys], "threshold": 2}, "least_coverage": "image"}
    ask = scene.decide(policy, report, "--manifest", manifest)
    gives(POLICY, ask, "postern: manifest: ", name="5: nobody signed the manifest")
    run("manifest", "sign", manifest, "--key", keys[0][0])
    gives(POLICY, ask, "postern: manifest: ", name="5: one of two signed the manifest")
    run("manifest", "sign", manifest, "--key", keys[1][0])
    gives(GOOD, ask, "coverage             image", "the policy allows it", name="both signed the manifest, whose row is found")
    gives(POLICY, scene.decide(policy, scene.report, "--manifest", manifest), "postern: measurement: wanted one of 0, or in a")
    gives(POLICY, scene.decide(policy, report), "postern: measurement: ", name="5: the manifest was not given")
    gives(MISUSE, scene.decide(PLAIN, report, "--manifest", manifest), "the policy names no signers of manifests")
    gives(MISUSE, scene.decide(policy, report, "--manifest", scene.at("none")), "none: cannot be opened")
    policy["manifests"]["signers"][0] = "AAEC"
    gives(MISUSE, scene.decide(policy, report, "--manifest", manifest), "manifests.signers[0]: not a public key")
    gives(GOOD, ["generate", "measurement", "-o", FIRMWARE, "-k", image + "/kernel", "-i", image + "/initrd", "-a", "cmdline",
                 "-v", "2", "--vcpu-type", "EPYC-Genoa"], digest, name="generate measurement is measure")
    hashed = run("generate", "ovmf-hash", "-o", FIRMWARE).stdout
    tap.same(hashed, run("measure", "--ovmf", FIRMWARE, "--mode", "snp:ovmf-hash").stdout, "generate ovmf-hash is measure")
    run("generate", "ovmf-hash", "-o", FIRMWARE, "--hash-file", scene.at("hash"))
    tap.same(open(scene.at("hash"), encoding="ascii").read(), hashed, "--hash-file")
    gives(MISUSE, ["generate", "ovmf-hash", "-o", FIRMWARE, "-f", "octal"], "expected hex or base64")
    gives(MISUSE, ["generate", "measurement", "-o", FIRMWARE, "--vcpu-family", "25"], "go together")


def test_json(scene):
    done = run(*scene.decide(dict(PLAIN, vmpl=2), None, "--json"))
    said = json.loads(done.stdout)
    tap.same((done.returncode, said["verdict"], said["reason"], said["exit"], done.stderr),
             (POLICY, "refused", "vmpl", 5, ""), "--json: a refusal")
    tap.same([(check["check"], check["wanted"], check["found"]) for check in said["checks"] if not check["passed"]],
             [("vmpl", "2", "0")], "--json: the checks")
    tap.same((said["trust"], said["product"], said["coverage"]), ("software-root", "Genoa", "not stated"), "--json: facts")
    fields = snp.fields(scene.report)
    for name in ("report_id", "host_data", "measurement", "report_data", "chip_id", "family_id"):
        tap.same(said["report"][name], fields[name].hex(), f"--json: {name}")
    done = run(*scene.words[:3], scene.at("none"), "--json")
    said = json.loads(done.stdout)
    tap.same((done.returncode, said["reason"], said["report"]), (MISUSE, "input", None), "--json: no report")
    done = run("verify", "certs", scene.at("certs"), "--json", *scene.root)
    said = json.loads(done.stdout)
    tap.same((done.returncode, said["verdict"], said["certificate"]["product"], said["root_compared"]),
             (GOOD, "good", "Genoa", True), "--json: certificates")
    said = json.loads(run("display", "certs", scene.at("certs"), "--json").stdout)
    tap.same(len(said), 3, "--json: three certificates displayed")


def test_certs(scene):
    gives(GOOD, ["verify", "certs", scene.at("certs"), *scene.root], "SEV-VCEK: signed by SEV-Genoa",
          "the one that came along is the same")
    gives(SIGNATURE, ["verify", "certs", scene.at("certs")], "is not the trusted one")
    gives(SIGNATURE, ["verify", "certs", scene.at("certs"), "--at", "2199-01-01", *scene.root], "has expired")
    empty = scene.at("empty")
    os.mkdir(empty)
    gives(CERTIFICATES, ["verify", "certs", empty, *scene.root], "neither vcek.pem nor vlek.pem (or .der) is there")
    gives(MISUSE, ["verify", "certs", scene.at("none")], "none: cannot be opened")
    gives(MISUSE, ["verify", "certs"], "which directory?")
    gives(MISUSE, ["display", "certs", empty], "no certificates are there")


def test_display(scene):
    gives(GOOD, ["display", "report", scene.at("report.bin")], "not verified", "22" * 32)
    gives(MISUSE, ["display", "report", scene.at("policy.json")], "a report has 1184")
    gives(MISUSE, ["display", "report"], "which file?")
    write(scene.at("key"), bytes(range(32)))
    tap.same(run("display", "key", scene.at("key")).stdout, bytes(range(32)).hex() + "\n", "display key")
    tap.same(json.loads(run("display", "key", scene.at("key"), "--json").stdout), {"key": bytes(range(32)).hex()}, "JSON")
    for size in (31, 33, 0):
        write(scene.at("key"), bytes(size))
        gives(MISUSE, ["display", "key", scene.at("key")], "a derived key has 32 bytes")
    gives(GOOD, ["display", "firmware", FIRMWARE], "KERNEL_HASHES", "measured: hashes at")
    tap.ok(len(json.loads(run("display", "firmware", FIRMWARE, "--json").stdout)["sections"]) > 4, "firmware as JSON")
    gives(MISUSE, ["display", "firmware", scene.at("report.bin")], "report.bin: ")


def expect_fields(known, shown):
    """What another reading of a recorded report found, field by field."""
    for name in ("version", "guest_svn", "vmpl", "key_info"):
        yield name, int(str(known[name]), 0), shown[name]
    for name in ("family_id", "image_id", "report_data", "measurement", "host_data", "id_key_digest",
                 "author_key_digest", "report_id", "report_id_ma", "chip_id"):
        yield name, known[name], shown[name]
    yield "policy", int(known["policy"], 16), int(shown["policy"], 16)
    yield "platform_info", int(known["platform_info"], 16), int(shown["platform_info"]["value"], 16)
    yield "signature", (known["sig_r_le"], known["sig_s_le"]), (shown["signature_r"], shown["signature_s"])
    yield "signature_algorithm", known["sig_algo"], shown["signature_algorithm"]
    yield "signing_key", known["signing_key"], shown["signing_key"]
    yield "product", known["product"], shown["product"]
    yield "cpuid", [known["cpuid_" + part] for part in ("family", "model", "stepping")], list(shown["cpuid"].values())
    yield "firmware", [known["current_version"], known["committed_version"]], [shown["current_firmware"],
                                                                              shown["committed_firmware"]]
    for name in ("current_tcb", "reported_tcb", "committed_tcb", "launch_tcb"):
        tcb = known[name]
        yield name, [tcb["fmc"] or 0, tcb["bl"], tcb["tee"], tcb["snp"], tcb["ucode"]], \
            list(shown[name]["components"].values())


def test_recorded(folder):
    """Reports of real processors under AMD's own roots."""
    cases = [("genoa-v3", "genoa-v3.vcek.pem", "vcek.pem", "2027-01-01"),
             ("milan-v3-vlek", "milan-v3-vlek.vlek.der", "vlek.der", "2025-06-01")]
    if not VECTORS:
        tap.ok(True, "recorded reports # SKIP there are none beside the project")
        return
    with open(os.path.join(VECTORS, "reports/known.json"), encoding="utf-8") as file:
        known = {entry["name"]: entry["fields"] for entry in json.load(file) if "name" in entry}
    for name, certificate, place, at in cases:
        certs, report = os.path.join(folder, name), os.path.join(VECTORS, "reports", name + ".bin")
        os.mkdir(certs)
        shutil.copy(os.path.join(VECTORS, "reports", certificate), os.path.join(certs, place))
        gives(GOOD, ["verify", "attestation", certs, report, "--at", at], "amd-root", "verdict: good")
        shown = json.loads(run("display", "report", report, "--json").stdout)
        wrong = [(what, one, other) for what, one, other in expect_fields(known[name], shown) if one != other]
        tap.same(wrong, [], f"{name}: every field as another reading has it")
        gives(SIGNATURE, ["verify", "attestation", certs, report, "--at", "2035-01-01"], "has expired")
        write(os.path.join(certs, "ark.pem"), open(os.path.join(TOP, "attest/roots/turin.pem"), "rb").read())
        gives(GOOD, ["verify", "attestation", certs, report, "--at", at], "verdict: good", name="AMD's own other roots")
    gives(POLICY, ["verify", "report", os.path.join(VECTORS, "reports/milan-v3-vlek.bin"), "--certs",
                   os.path.join(folder, "milan-v3-vlek"), "--at", "2025-06-01", "--policy",
                   write(os.path.join(folder, "vlek.json"), {"measurements": [known["milan-v3-vlek"]["measurement"]],
                                                             "vmpl": 1})],
          "postern: signing_key: wanted VCEK, found VLEK")


def main():
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(folder)
        for test in (test_attestation, test_roots, test_encodings, test_directories, test_reports, test_time, test_revocation, test_policy,
                     test_manifests, test_json, test_certs, test_display):
            test(scene)
        test_recorded(folder)
    tap.done()


main()
