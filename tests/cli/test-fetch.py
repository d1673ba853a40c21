#!/usr/bin/env python3
"""postern fetch against postern-psp's key distribution service and against a hostile one, and postern ok, report, key and
certificates outside of a guest. Prints TAP."""
import contextlib
import http.server
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import psp_client  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

POSTERN, PSP = vm.program("postern"), vm.program("postern-psp")
SHARED = os.path.join(os.path.dirname(TOP), "shared/vectors")
GOOD, MISUSE, SIGNATURE, MISSING, DEVICE = 0, 1, 2, 3, 6


def run(*words, **more):
    return subprocess.run([POSTERN, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, **more)


def refused(name, words, status, *parts, folder=None):
    """Ends with that status and one sentence (behind information lines) that holds the parts; the folder stays empty."""
    done = run(*words)
    last = done.stderr.splitlines()[-1] if done.stderr else ""
    left = os.listdir(folder) if folder and os.path.isdir(folder) else []
    return tap.ok(done.returncode == status and not done.stdout and all(part in last for part in parts) and not left,
                  f"refused: {name}", f"{done.returncode} {done.stdout!r} {done.stderr!r} {left}")


@contextlib.contextmanager
def processor(directory, name, *options):
    """(socket, base URL) of a postern-psp with a chip of that product."""
    chip, port = os.path.join(directory, name), vm.free_port()
    if not os.path.isdir(chip):
        vm.run(PSP, "init", "--dir", chip, "--product", name)
    ready, write = os.pipe()
    path = os.path.join(directory, f"{name}-{port}.sock")
    psp = subprocess.Popen([PSP, "serve", "--dir", chip, "--socket", path, "--measurement", "11" * 48, "--ready-fd",
                            str(write), "--kds", f"127.0.0.1:{port}", *options], pass_fds=(write,),
                           stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(ready) as pipe:
        assert pipe.read(), "postern-psp does not start"
    try:
        yield path, f"http://127.0.0.1:{port}"
    finally:
        psp.terminate()
        assert psp.wait(30) == 0


class Hostile(http.server.ThreadingHTTPServer):
    """Answers what `self.answers` says, one after another, the last one for ever: (status, headers, body)."""
    def __init__(self):
        self.answers, self.asked = [], []
        super().__init__(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def plan(self, *answers):
        self.answers, self.asked = list(answers), []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((time.monotonic(), self.path))
        status, headers, body = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        if status == "raw":
            self.wfile.write(body)
            self.close_connection = True
            return
        if status == "slow":
            time.sleep(20)
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def openssl(*words):
    return subprocess.run(["openssl", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def test_urls(folder):
    """The shapes of 57230, from recorded reports and by name."""
    genoa = os.path.join(SHARED, "reports/genoa-v3.bin")
    with open(genoa, "rb") as file:
        report = file.read()
    chip, tcb = report[0x1A0:0x1E0].hex(), report[0x180:0x188]
    vcek = (f"https://kdsintf.amd.com/vcek/v1/Genoa/{chip}?blSPL={tcb[0]:02}&teeSPL={tcb[1]:02}&snpSPL={tcb[6]:02}"
            f"&ucodeSPL={tcb[7]:02}\n")
    show = lambda *words: run("fetch", *words, "--print-url").stdout  # noqa: E731
    tap.same(show("vcek", "pem", folder, genoa), vcek, "URL of a VCEK, from a recorded report")
    tap.same(show("vcek", "pem", "Genoa", folder, genoa), vcek, "with the words in the order of older guides")
    tap.same(show("vcek", "pem", folder, genoa, "-p", "bergamo", "--kds", "http://kds.example/x//"),
             vcek.replace("https://kdsintf.amd.com", "http://kds.example/x"), "with a base URL of the user's")
    for model, product in ("milan", "Milan"), ("GENOA", "Genoa"), ("bergamo", "Genoa"), ("Siena", "Genoa"), ("turin", "Turin"):
        tap.same(show("ca", "pem", folder, model), f"https://kdsintf.amd.com/vcek/v1/{product}/cert_chain\n", f"chain, {model}")
    tap.same(show("ca", "der", folder, "milan", "-e", "vlek"), show("vlek-ca", "der", folder, "milan"), "ca -e vlek is vlek-ca")
    tap.same(show("vlek-ca", "der", "milan", folder), "https://kdsintf.amd.com/vlek/v1/Milan/cert_chain\n", "chain of VLEKs")
    tap.same(show("crl", "der", folder, "-r", genoa), "https://kdsintf.amd.com/vcek/v1/Genoa/crl\n", "list, by report")
    tap.same(show("crl", "der", folder, "milan", "-e", "VLEK"), "https://kdsintf.amd.com/vlek/v1/Milan/crl\n", "list, of VLEKs")
    turin = bytearray(report)
    turin[0x180:0x188], turin[0x188:0x18A], turin[0x1A8:0x1E0] = bytes([1, 2, 3, 4, 0, 0, 0, 200]), b"\x1a\x02", bytes(56)
    path = os.path.join(folder, "turin.bin")
    with open(path, "wb") as file:
        file.write(turin)
    tap.same(show("vcek", "pem", folder, path), f"https://kdsintf.amd.com/vcek/v1/Turin/{chip[:16]}"
             "?fmcSPL=01&blSPL=02&teeSPL=03&snpSPL=04&ucodeSPL=200\n", "Turin: FMC first, chip id of 8 bytes")
    turin[0x1A0:0x1A8] = bytes(8)
    with open(path, "wb") as file:
        file.write(turin)
    refused("masked chip id", ["fetch", "vcek", "pem", folder, path, "--print-url"], MISUSE, "chip id is masked")
    refused("VLEK-signed report", ["fetch", "vcek", "pem", folder, os.path.join(SHARED, "reports/milan-v3-vlek.bin"),
                                   "--print-url"], MISUSE, "not signed by a VCEK", "postern fetch vlek-ca")
    os.unlink(path)


def test_misuse(folder):
    report = os.path.join(SHARED, "reports/genoa-v3.bin")
    for name, words, *parts in (
            ("no words", ["ca"], "which encoding and folder?"),
            ("encoding", ["ca", "txt", folder, "milan"], 'encoding "txt": expected PEM or DER'),
            ("no folder", ["ca", "pem", "milan"], "which folder?"),
            ("no model", ["ca", "pem", folder], "for which processor?", "--report"),
            ("unknown model", ["crl", "pem", folder, "rome"], 'processor model "rome": expected Milan'),
            ("unknown option value", ["ca", "pem", folder, "milan", "-e", "ark"], '--endorser "ark"'),
            ("no report", ["vcek", "pem", folder], "which report?"),
            ("no such report", ["vcek", "pem", folder, "/nonexistent"], "/nonexistent: cannot be opened"),
            ("short report", ["vcek", "pem", folder, "/dev/null"], "/dev/null: "),
            ("no URL", ["ca", "pem", folder, "milan", "--kds", "kds.example"], '--kds "kds.example": expected http://'),
            ("space in the URL", ["ca", "pem", folder, "milan", "--kds", "http://a b"], "expected http://"),
            ("another scheme", ["ca", "pem", folder, "milan", "--kds", "file:///etc"], "expected http://"),
            ("offline without a cache", ["ca", "pem", folder, "milan", "--offline"], "--offline needs --cache"),
            ("no such root", ["ca", "pem", folder, "milan", "--trust-root", "/nonexistent"], "/nonexistent: "),
            ("root that is none", ["ca", "pem", folder, "milan", "--trust-root", report], "expected one self-signed")):
        refused(name, ["fetch", *words], MISUSE, *parts)
    done = run("fetch", "ca", "pem", folder, "milan", env={"PATH": "/nonexistent"})
    tap.ok(done.returncode == MISSING and "curl cannot be run" in done.stderr and
           "https://kdsintf.amd.com/vcek/v1/Milan/cert_chain" in done.stderr, "without curl: the URL is told", done.stderr)


def fetch_all(directory, product, *options):
    """Everything from one chip's service, held against the chip's own files."""
    chip = os.path.join(directory, product)
    with processor(directory, product) as (path, base):
        report = os.path.join(directory, f"{product}.bin")
        with open(report, "wb") as file:
            file.write(psp_client.report(path, os.urandom(64)))
        common = ["--kds", base, "--trust-root", f"{chip}/ark.pem", "--cache", os.path.join(directory, "store")]
        out = os.path.join(directory, f"{product}-certs")
        for words in ["ca", "pem", out, product], ["vlek-ca", "pem", out, product], ["vcek", "pem", out, report], \
                     ["crl", "pem", out, product]:
            done = run("fetch", *words, *common)
            tap.same((done.returncode, done.stdout), (GOOD, ""), f"{product}: fetch {words[0]}") or tap.note(done.stderr)
        tap.same(sorted(os.listdir(out)), ["ark.pem", "ask.pem", "asvk.pem", "crl.pem", "vcek.pem"], f"{product}: names as snpguest's")
        for name in "ark", "ask", "asvk", "vcek":
            with open(f"{out}/{name}.pem", encoding="ascii") as found, open(f"{chip}/{name}.pem", encoding="ascii") as made:
                tap.same(found.read(), made.read(), f"{product}: {name}.pem is the chip's")
        tap.ok("OK" in openssl("crl", "-in", f"{out}/crl.pem", "-CAfile", f"{out}/ark.pem", "-noout").stdout,
               f"{product}: openssl takes the list")
        bundle = os.path.join(directory, f"{product}.bundle")
        done = run("fetch", "vcek", "der", out, report, *common, "--bundle", bundle)
        tap.same(done.returncode, GOOD, f"{product}: a bundle, out of the cache") or tap.note(done.stderr)
        tap.same(done.stderr.count("from the cache"), 3, f"{product}: three items from the cache")
        with open(bundle, encoding="ascii") as file:
            text = file.read()
        tap.same((text.count("BEGIN CERTIFICATE"), text.count("BEGIN X509 CRL")), (3, 1), f"{product}: what is in a bundle")
        der = openssl("x509", "-in", f"{chip}/vcek.pem", "-outform", "DER", "-out", f"{directory}/wanted.der")
        with open(f"{out}/vcek.der", "rb") as found, open(f"{directory}/wanted.der", "rb") as made:
            tap.same(found.read(), made.read(), f"{product}: DER") or tap.note(der.stdout)
    return report, common[2:]


def test_cache(directory, report, common, product):
    """Trustee's layout, use without the service, and what a damaged store does."""
    with open(report, "rb") as file:
        data = file.read()
    chip, tcb = data[0x1A0:0x1E0], data[0x180:0x188]
    if product == "Turin":
        name = f"bl{tcb[1]:02}_tee{tcb[2]:02}_snp{tcb[3]:02}_ucode{tcb[7]:02}_fmc{tcb[0]:02}_vcek.der"
        chip = chip[:8]
    else:
        name = f"bl{tcb[0]:02}_tee{tcb[1]:02}_snp{tcb[6]:02}_ucode{tcb[7]:02}_vcek.der"
    place = os.path.join(directory, "store/vcek", chip.hex(), name)
    tap.ok(os.path.isfile(place), f"{product}: the store is laid out as Trustee's", place)
    out = os.path.join(directory, f"{product}-offline")
    dead = ["--kds", "http://127.0.0.1:9", *common]
    tap.same(run("fetch", "vcek", "pem", out, report, *dead).returncode, GOOD, f"{product}: the service is not needed")
    tap.same(run("fetch", "vcek", "pem", out, report, *dead, "--offline").returncode, GOOD, f"{product}: --offline")
    tap.same(os.listdir(out), ["vcek.pem"], f"{product}: written from the store")
    shutil.rmtree(out)
    refused("--refresh without the service", ["fetch", "vcek", "pem", out, report, *dead, "--refresh"], MISSING,
            "it cannot be reached", folder=out)
    with open(place, "r+b") as file:
        file.seek(900)
        byte = file.read(1)
        file.seek(900)
        file.write(bytes([byte[0] ^ 1]))
    refused("a damaged store, offline", ["fetch", "vcek", "pem", out, report, *dead, "--offline"], MISSING, "--offline, and "
            "the cache does not have", folder=out)
    refused("an empty store, offline", ["fetch", "vcek", "pem", out, report, *common[:2], "--cache", f"{out}-none",
                                        "--offline"], MISSING, "--offline, and the cache does not have", folder=out)


def test_throttle(directory, report, chip):
    out = os.path.join(directory, "throttled")
    with processor(directory, "Genoa", "--kds-throttle", "5") as (_, base):
        words = ["fetch", "vcek", "pem", out, report, "--kds", base, "--trust-root", f"{chip}/ark.pem"]
        tap.same(run(*words).returncode, GOOD, "the first VCEK comes at once")
        start = time.monotonic()
        done = run(*words)
        tap.ok(done.returncode == GOOD and 0.9 < time.monotonic() - start < 60 and "asks to wait" in done.stderr,
               "429: waits as long as it is told, then gets it", done.stderr)
        shutil.rmtree(out)
    with processor(directory, "Genoa", "--kds-throttle", "100") as (_, base):
        words[words.index("--kds") + 1] = base
        tap.same(run(*words).returncode, GOOD, "another KDS: the first comes at once")
        shutil.rmtree(out)
        start = time.monotonic()
        refused("429 beyond the deadline", [*words, "--deadline", "60"], MISSING, "asks to wait", "beyond the deadline",
                folder=out)
        tap.ok(time.monotonic() - start < 30, "without waiting for nothing")


def test_hostile(directory, report, chip):
    """Whatever comes instead of what was asked for: a sentence, exit status 2 or 3, nothing written, nothing kept."""
    def contents(name, where=chip):
        with open(os.path.join(where, name), "rb") as file:
            return file.read()

    other = os.path.join(directory, "Other")
    vm.run(PSP, "init", "--dir", other)
    chain, crl_good = contents("ask.pem") + contents("ark.pem"), None
    with processor(directory, "Genoa") as (_, base):
        crl_good = subprocess.run(["curl", "-s", f"{base}/vcek/v1/Genoa/crl"], stdout=subprocess.PIPE, check=True).stdout
        vcek = subprocess.run(["curl", "-s", run("fetch", "vcek", "pem", "x", report, "--kds", base, "--print-url").stdout.strip()],
                              stdout=subprocess.PIPE, check=True).stdout
    amd = os.path.join(SHARED, "amd-roots/genoa_ask_ark_asvk.pem")
    with open(amd, "rb") as file:
        amd_three = file.read()
    server, out, store = Hostile(), os.path.join(directory, "hostile"), os.path.join(directory, "hostile-store")
    common = ["--kds", server.base, "--trust-root", f"{chip}/ark.pem", "--cache", store, "--deadline", "8"]
    ca, crl = ["fetch", "ca", "pem", out, "genoa", *common], ["fetch", "crl", "pem", out, "genoa", *common]
    leaf = ["fetch", "vcek", "pem", out, report, *common]
    plain = lambda body, status=200: (status, {}, body)  # noqa: E731

    for name, words, status, part, answers in (
            ("garbage for a chain", ca, SIGNATURE, "not two certificates", [plain(b"hello")]),
            ("nothing for a chain", ca, SIGNATURE, "not two certificates", [plain(b"")]),
            ("one certificate", ca, SIGNATURE, "not two certificates", [plain(contents("ask.pem"))]),
            ("three certificates", ca, SIGNATURE, "not two certificates", [plain(chain + contents("asvk.pem"))]),
            ("the wrong order", ca, SIGNATURE, "not the pinned ARK-Genoa", [plain(contents("ark.pem") + contents("ask.pem"))]),
            ("another root of the same name", ca, SIGNATURE, "not the pinned ARK-Genoa",
             [plain(contents("ask.pem", other) + contents("ark.pem", other))]),
            ("another root's intermediate", ca, SIGNATURE, "not signed by the pinned root",
             [plain(contents("ask.pem", other) + contents("ark.pem"))]),
            ("the VLEK's chain", ca, SIGNATURE, 'is "SEV-VLEK-Genoa", expected "SEV-Genoa"',
             [plain(contents("asvk.pem") + contents("ark.pem"))]),
            ("AMD's own chain", ca, SIGNATURE, "not the pinned ARK-Genoa",
             [plain(b"-----BEGIN" + b"-----BEGIN".join(amd_three.split(b"-----BEGIN")[1:3]))]),
            ("garbage for a list", crl, SIGNATURE, "no list of revoked", [plain(b"\x30\x03\x02\x01\x01")]),
            ("a list with more behind it", crl, SIGNATURE, "no list of revoked", [plain(crl_good + b"\0")]),
            ("a damaged list", crl, SIGNATURE, "not signed by the pinned root",
             [plain(crl_good[:-1] + bytes([crl_good[-1] ^ 1]))]),
            ("another chip's VCEK", leaf, SIGNATURE, "", [plain(chain), plain(contents("vcek.pem", other))]),
            ("a VLEK for a VCEK", leaf, SIGNATURE, "", [plain(chain), plain(contents("vlek.pem"))]),
            ("a damaged VCEK", leaf, SIGNATURE, "", [plain(chain), plain(vcek[:-1] + bytes([vcek[-1] ^ 1]))]),
            ("a VCEK with more behind it", leaf, SIGNATURE, "no certificate", [plain(chain), plain(vcek + b"\0")]),
            ("404", ca, MISSING, "no such thing (HTTP 404)", [plain(b"", 404)]),
            ("500", ca, MISSING, "answered with HTTP 500", [plain(b"", 500)]),
            ("a redirect", ca, MISSING, "answered with HTTP 302", [(302, {"Location": server.base + "/x"}, b"")]),
            ("429 for too long", ca, MISSING, "asks to wait 3600 s", [(429, {"Retry-After": "99999999999999999999"}, b"")]),
            ("429 without a time", ca, MISSING, "asks to wait 10 s", [plain(b"", 429)]),
            ("429 with a date", ca, MISSING, "asks to wait 10 s", [(429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"")]),
            ("429 for ever", ca, MISSING, "asks to wait 3 s", [(429, {"Retry-After": "3"}, b"")]),
            ("too large", ca, MISSING, "the answer is too large", [plain(b"x" * 300000)]),
            ("endless", ca, MISSING, "", [("raw", {}, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                                         b"fffff\r\n" + b"y" * 1048575)]),
            ("no HTTP", ca, MISSING, "not acceptable HTTP", [("raw", {}, b"HTTP/1.1 999999999\r\n\r\n")]),
            ("no length", ca, MISSING, "", [("raw", {}, b"HTTP/1.1 200 OK\r\n\r\n" + chain)]),
            ("cut off", ca, MISSING, "", [("raw", {}, b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + chain[:300])]),
            ("no answer", ca, MISSING, "no answer in time", [("slow", {}, b"")])):
        server.plan(*answers)
        refused(name, words, status, part, folder=out)
        kept = [os.path.join(where, file) for where, _, files in os.walk(store) for file in files]
        tap.same([path for path in kept if "crl" in path or "vcek/Genoa" not in path], [], f"nothing of it is kept: {name}")
        shutil.rmtree(store, ignore_errors=True)
    # An encrypted block would make OpenSSL ask for a pass phrase, on a terminal that somebody sits at.
    locked = b"-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n" \
        b"AAAA\n-----END CERTIFICATE-----\n"
    for name, words, answers in (("chain", ca, [plain(locked + locked)]), ("VCEK", leaf, [plain(chain), plain(locked)]),
                                 ("list", crl, [plain(locked.replace(b"CERTIFICATE", b"X509 CRL"))])):
        server.plan(*answers)
        done = subprocess.run(["script", "-qec", shlex.join([POSTERN, *words]), "/dev/null"], text=True,
                              input="x\n", stdout=subprocess.PIPE, timeout=60, check=False)
        tap.ok(done.returncode == SIGNATURE and "phrase" not in done.stdout, f"refused without a question: an encrypted {name}",
               f"{done.returncode} {done.stdout}")
        shutil.rmtree(store, ignore_errors=True)
    server.plan((429, {"Retry-After": "1"}, b""), (503, {"Retry-After": "0"}, b""), plain(chain))
    done = run(*ca)
    tap.ok(done.returncode == GOOD and len(server.asked) == 3 and server.asked[2][0] - server.asked[0][0] >= 1.9,
           "control: after 429 and 503 the right chain is taken", done.stderr)
    server.plan(plain(amd_three[:amd_three.index(b"-----BEGIN", amd_three.index(b"-----BEGIN", 20) + 20)]))
    done = run("fetch", "ca", "pem", os.path.join(directory, "amd"), "siena", "--kds", server.base)
    tap.same((done.returncode, sorted(os.listdir(os.path.join(directory, "amd")))), (GOOD, ["ark.pem", "ask.pem"]),
             "control: AMD's chain holds against the built-in roots") or tap.note(done.stderr)
    server.shutdown()


def test_service(directory):
    """postern-psp's own refusals, and what it may be told."""
    with processor(directory, "Turin", "--kds-revoke", "ask") as (_, base):
        status = lambda path, *more: subprocess.run(  # noqa: E731
            ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *more, base + path], stdout=subprocess.PIPE, text=True,
            check=False).stdout
        with open(os.path.join(directory, "Turin/chip.json"), encoding="ascii") as file:
            chip = json.load(file)
        tcb = chip["tcb"]
        query = (f"fmcSPL={tcb['fmc']}&blSPL={tcb['bootloader']}&teeSPL={tcb['tee']}&snpSPL={tcb['snp']}"
                 f"&ucodeSPL={tcb['microcode']}")
        place = f"/vcek/v1/Turin/{chip['chip_id']}"
        tap.same(status(f"{place}?{query}"), "200", "a VCEK")
        tap.same(status(f"{place}?{'&'.join(reversed(query.split('&')))}"), "200", "levels in any order")
        for path, code in ((place, "400"), (f"{place}?{query}&{query}", "400"), (f"{place}?{query[9:]}", "400"),
                           (f"{place}?{query.replace('=', '=-')}", "400"), (f"{place}00?{query}", "400"),
                           (f"{place}?{query.replace('blSPL=', 'blSPL=1')}", "404"), (f"/vcek/v1/Turin/{'00' * 8}?{query}", "404"),
                           (f"{place}?{query[:-1]}999", "400"), ("/vcek/v1/Turin", "400"),
                           ("/", "404"), ("/vcek/v2/Turin/crl", "404"), ("/vcek/v1/Rome/crl", "404"),
                           ("/vcek/v1/Milan/crl", "404"), (f"/vlek/v1/Turin/{chip['chip_id']}?{query}", "404"),
                           ("/vcek/v1/Turin/crl?x", "400"), ("/vcek/v1/Turin/crl", "200")):
            tap.same(status(path), code, f"{code} for {path[:60]}")
        tap.same(status("/vcek/v1/Turin/crl", "-X", "POST"), "405", "405 for POST")
        listed = subprocess.run(["curl", "-s", f"{base}/vcek/v1/Turin/crl"], stdout=subprocess.PIPE, check=True).stdout
        with open(f"{directory}/revoked.der", "wb") as file:
            file.write(listed)
        tap.ok("030001" in openssl("crl", "-inform", "DER", "-in", f"{directory}/revoked.der", "-noout", "-text").stdout,
               "--kds-revoke ask: its serial number is on the list")
    for words, part in (["--kds", "nowhere"], '--kds "nowhere"'), (["--kds-revoke", "ask"], "need --kds"), \
            (["--kds", "127.0.0.1:1", "--kds-revoke", "ark"], '--kds-revoke "ark"'), \
            (["--inject", "firmware"], '--inject "firmware"'), (["--inject", "none*65"], "64 together"), \
            (["--certificates", "/nonexistent"], "/nonexistent"), \
            (["--certificates", "/dev/null", "--no-certificates"], "found both"):
        done = subprocess.run([PSP, "serve", "--dir", os.path.join(directory, "Turin"), "--socket", f"{directory}/x.sock",
                               "--measurement", "11" * 48, *words], stderr=subprocess.PIPE, text=True, check=False, timeout=30)
        tap.ok(done.returncode == 1 and part in done.stderr, f"postern-psp refused: {' '.join(words)}", done.stderr)


def test_vlek(directory):
    """A report by an operator's key: no chip id, the signer named, the signature VLEK's."""
    chip = os.path.join(directory, "Genoa")
    with processor(directory, "Genoa", "--vlek") as (path, _), psp_client.Line(path) as line:
        report, table = line.extended_report(os.urandom(64))
        own = line.report(os.urandom(64), key_select=1)
    der = subprocess.run(["openssl", "x509", "-in", f"{chip}/vlek.pem", "-outform", "DER"], stdout=subprocess.PIPE, check=True).stdout
    import snp
    tap.ok(snp.signature_holds(report, der), "--vlek: the VLEK signed")
    tap.same((report[0x48] >> 2 & 7, report[0x1A0:0x1E0]), (1, bytes(64)), "key info names it, the chip id is zero")
    tap.ok(der in table, "and the host gives its certificate")
    tap.same(own[0x48] >> 2 & 7, 0, "the chip's own key when that is asked for")


def test_ok(directory):
    """Recorded trees of /dev and /sys."""
    root = os.path.join(directory, "root")
    for name in "dev/cpu/0", "sys/devices/system/sev":
        os.makedirs(os.path.join(root, name))

    def put(name, data, at=0):
        with open(os.path.join(root, name), "wb") as file:
            file.seek(at)
            file.write(data)

    def ask():
        done = run("ok", "--json", "--root", root)
        return done.returncode, json.loads(done.stdout)

    nothing = {"ok": False, "snp": False, "sev_status": None, "memory_encryption": None, "vmpl": None, "device": False,
               "provider": None}
    tap.same(ask(), (DEVICE, nothing), "ok: a machine that is no guest")
    put("dev/kmsg", b"6,1,2,-;Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP\n")
    tap.same(ask(), (DEVICE, nothing | {"snp": True, "memory_encryption": "AMD SEV SEV-ES SEV-SNP"}), "ok: SNP, but no device")
    put("dev/sev-guest", b"")
    tap.same(ask()[0], GOOD, "ok: SNP and a device")
    put("dev/kmsg", b"12,1,2,-;Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP\n")
    tap.same(ask(), (DEVICE, nothing | {"device": True}), "ok: a line that a program wrote into the log is not the kernel's")
    put("dev/kmsg", b"6,1,2,-;Memory Encryption Features active: AMD SEV SEV-ES\n")
    tap.same(ask()[1]["snp"], False, "ok: SEV-ES is not SNP")
    put("dev/cpu/0/msr", (7).to_bytes(8, "little"), 0xC0010131)
    tap.same((ask()[0], ask()[1]["sev_status"]), (GOOD, 7), "ok: the processor's register goes before the log")
    put("dev/cpu/0/msr", (3).to_bytes(8, "little"), 0xC0010131)
    put("sys/devices/system/sev/vmpl", b"2\n")
    tap.same(ask(), (DEVICE, nothing | {"sev_status": 3, "memory_encryption": "AMD SEV SEV-ES", "vmpl": 2, "device": True}),
             "ok: nor does a VMPL speak against it")
    os.unlink(os.path.join(root, "dev/cpu/0/msr"))
    tap.same((ask()[0], ask()[1]["vmpl"]), (GOOD, 2), "ok: a kernel that knows its VMPL runs under SNP")
    put("dev/kmsg", b"6,1,2,-;Memory Encryption Features active: \x1b[2J" + b"A" * 20000)
    found = ask()[1]["memory_encryption"]
    tap.ok(found.startswith("?[2J") and len(found) < 100, "ok: what is shown is printable and short", found)
    done = run("ok", "--root", root)
    tap.ok("[ PASS ] VMPL" in done.stdout and "[ FAIL ] configfs-tsm" in done.stdout, "ok: in words", done.stdout)


def test_no_guest(directory):
    """The verbs of the device where there is none, and wrong words."""
    request = os.path.join(directory, "request")
    out = os.path.join(directory, "out")

    def put(data):
        with open(request, "wb") as file:
            file.write(data)

    put(os.urandom(64))
    refused("report outside of a guest", ["report", out, request], DEVICE, "not an SEV-SNP guest", "configfs-tsm")
    refused("report --random outside of a guest", ["report", out, out, "--random"], DEVICE, "not an SEV-SNP guest")
    refused("certificates outside of a guest", ["certificates", "PEM", out], DEVICE, "not an SEV-SNP guest")
    refused("key outside of a guest", ["key", out, "vcek"], DEVICE, "not an SEV-SNP guest")
    refused("no files", ["report", out], MISUSE, "which files?")
    refused("both", ["report", out, request, "--random", "--nonce", "11" * 64], MISUSE, "found both")
    refused("short nonce", ["report", out, request, "--nonce", "11" * 63], MISUSE, "expected 128 hexadecimal digits")
    refused("VMPL 4", ["report", out, request, "-v", "4"], MISUSE, '"4": expected a number from 0 to 3')
    refused("no request", ["report", out, "/nonexistent"], MISUSE, "/nonexistent: cannot be opened")
    for size in 0, 63, 65, 5000:
        put(b"x" * size)
        refused(f"request of {size} bytes", ["report", out, request], MISUSE, "expected a request file of 64 bytes")
    put(os.urandom(48) + bytes(16))
    refused("request for key release", ["report", out, request], MISUSE, "ends in 16 zero bytes", "key")
    refused("nonce for key release", ["report", out, request, "--nonce", "11" * 48 + "00" * 16], MISUSE, "ends in 16 zero bytes")
    put(os.urandom(48) + b"postern/workload")
    refused("request of another purpose", ["report", out, request], MISUSE, '"postern/" at byte 48')
    refused("no encoding", ["certificates"], MISUSE, "which encoding and folder?")
    refused("unknown encoding", ["certificates", "TXT", out], MISUSE, 'encoding "TXT"')
    refused("no root key", ["key", out], MISUSE, "which file and root key?")
    refused("unknown root key", ["key", out, "vlek"], MISUSE, 'root key "vlek": expected vcek or vmrk')
    for bits in "", "11000", "2", "11000x", "11111111":
        if bits:
            refused(f"fields {bits}", ["key", out, "vcek", "-g", bits], MISUSE, "expected 6 digits 0 or 1")
    refused("mitigation field", ["key", out, "vcek", "-g", "1000001"], MISUSE, "no place in the kernel's interface")
    refused("mitigation vector", ["key", out, "vcek", "-l", "1"], MISUSE, "has no place for it")
    refused("SVN", ["key", out, "vcek", "-s", "4294967296"], MISUSE, "expected a number from 0 to 4294967295")
    tap.ok(not os.path.exists(out), "nothing was written")


def main():
    with tempfile.TemporaryDirectory(prefix="postern-fetch.") as directory:
        empty = os.path.join(directory, "empty")
        os.mkdir(empty)
        test_urls(empty)
        test_misuse(empty)
        tap.same(os.listdir(empty), [], "nothing was written")
        test_no_guest(directory)
        test_ok(directory)
        for product in "Genoa", "Turin", "Milan":
            report, common = fetch_all(directory, product)
            test_cache(directory, report, common, product)
        report, chip = os.path.join(directory, "Genoa.bin"), os.path.join(directory, "Genoa")
        test_throttle(directory, report, chip)
        test_hostile(directory, report, chip)
        test_service(directory)
        test_vlek(directory)
    tap.done()


main()
