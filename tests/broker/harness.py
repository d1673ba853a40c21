"""What the tests of the broker share: TAP, a broker to talk to, a guest that can lie, HTTP over TLS by hand."""
import base64
import http.client
import json
import os
import secrets
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
from ports import free_port  # noqa: E402

TESTED = os.path.join(TOP, os.environ.get("TESTED") or "build")
BROKER = os.path.join(TESTED, "bin/postern-broker")
CLIENT = os.path.join(TESTED, "tests/release-client")
SANITIZED = TESTED.endswith("/san")

GOOD_MEASUREMENT = "a5" * 48
REQUEST = json.dumps({"version": "0.4.0", "tee": "snp", "extra-params": {"supported-hash-algorithms": ["sha384"]}})

# ---- TAP

_tests = []


def test(name):
    def register(function):
        _tests.append((name, function))
        return function
    return register


def main():
    print(f"1..{len(_tests)}", flush=True)
    failed = 0
    only = sys.argv[1:]
    for number, (name, function) in enumerate(_tests, 1):
        if only and not any(word in name for word in only):
            print(f"ok {number} - {name} # SKIP", flush=True)
            continue
        try:
            function()
            print(f"ok {number} - {name}", flush=True)
        except Exception:  # noqa: a test fails in whatever way it likes
            failed += 1
            for line in traceback.format_exc().splitlines():
                print("# " + line)
            print(f"not ok {number} - {name}", flush=True)
    cleanup()
    sys.exit(1 if failed else 0)


def equal(found, wanted, what="value"):
    if found != wanted:
        raise AssertionError(f"{what}: found {found!r}, wanted {wanted!r}")


def true(condition, what):
    if not condition:
        raise AssertionError(what)


# ---- places

_directory = tempfile.mkdtemp(prefix="postern-broker-test.")
_brokers = []


def path(*names):
    return os.path.join(_directory, *names)


def cleanup():
    for broker in _brokers:
        broker.kill()
    shutil.rmtree(_directory, ignore_errors=True)


def run(*arguments, **more):
    """postern-broker with arguments; the completed process with text output."""
    return subprocess.run([BROKER, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, check=False, **more)


def must(*arguments):
    done = run(*arguments)
    true(done.returncode == 0, f"{arguments} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def refused(code, words, *arguments, **more):
    """The verb fails with that code and one sentence that has all these words in it."""
    done = run(*arguments, **more)
    equal(done.returncode, code, f"exit code of {arguments}: {done.stderr}")
    equal(done.stderr.count("\n"), 1, f"lines of {done.stderr!r}")
    for word in words:
        true(word in done.stderr, f"{word!r} is not in {done.stderr!r}")
    return done


# ---- processors

def chain(name="genoa", product="Genoa"):
    """A test processor; made once and kept, since RSA keys of 4096 bits take seconds."""
    directory = os.path.join(TESTED, "tests/chain-" + name)
    if not os.path.exists(os.path.join(directory, "vek.key")):
        made = tempfile.mkdtemp(dir=os.path.dirname(directory))
        subprocess.run([CLIENT, "chain", made, product], check=True)
        try:
            os.rename(made, directory)
        except OSError:
            shutil.rmtree(made)
    return directory


# ---- brokers

class Broker:
    """A broker with one volume whose policy allows GOOD_MEASUREMENT, and its server."""

    def __init__(self, directory=None, volume=True):
        self.directory = directory or tempfile.mkdtemp(dir=_directory)
        self.process = None
        self.lines = []
        self.key = secrets.token_hex(64)
        must("init", "--dir", self.directory)
        self.identity = json.loads(must("identity", "--dir", self.directory, "--json"))
        self.resource = "default/volume/data"
        if volume:
            self.add_volume("data", self.key)
            self.allow()
        _brokers.append(self)

    def add_volume(self, volume_id, key, *more):
        record = path(secrets.token_hex(4) + ".record")
        subprocess.run([CLIENT, "record", record, volume_id, key], check=True)
        must("volume", "add", "--dir", self.directory, "--record", record, *more)
        os.unlink(record)

    def allow(self, measurement=GOOD_MEASUREMENT, resource=None):
        must("allow", "--dir", self.directory, "--resource", resource or self.resource, "--measurement", measurement)

    def serve(self, *more, trust=True, under=(), port=None):
        self.port = port or free_port()
        reader, writer = os.pipe()
        root = ["--trust-root", os.path.join(chain(), "ark.pem")] if trust else []
        # All tests come from one address; those of the limits give rates of their own.
        rates = [] if any("-rate" in word for word in more) else ["--source-rate", "0", "--total-rate", "0"]
        self.lines = []
        self.process = subprocess.Popen(
            [*under, BROKER, "serve", "--dir", self.directory, "--listen", f"127.0.0.1:{self.port}", "--ready-fd",
             str(writer), *root, *rates, *more], stderr=subprocess.PIPE, pass_fds=[writer], text=True)
        os.close(writer)
        self.thread = threading.Thread(target=self._read, args=[self.process.stderr], daemon=True)
        self.thread.start()
        with os.fdopen(reader) as pipe:
            ready = pipe.read() if select.select([pipe], [], [], 30)[0] else ""
        if ready != "ready\n":
            self.process.wait(60)
            self.thread.join(60)
            raise AssertionError(f"the broker did not start: {''.join(self.lines)}")
        deadline = time.monotonic() + 30
        while not self.lines and time.monotonic() < deadline:  # the first line came before, but through a pipe
            time.sleep(0.005)
        return self

    def _read(self, stream):
        for line in stream:
            self.lines.append(line)

    def entries(self):
        return [json.loads(line) for line in list(self.lines)]

    def entry(self, request):
        """The log line of a request; lines come before answers, but through a pipe."""
        for _ in range(3000):
            for line in list(self.lines):
                if f'"request":"{request}"' in line:
                    return json.loads(line)
            time.sleep(0.01)
        raise AssertionError(f"no log line for request {request}: {''.join(self.lines[-5:])}")

    def row(self, request):
        """The same, out of the store."""
        for _ in range(1500):  # what nobody waits for is written a moment after its answer
            done = run("log", "show", "--dir", self.directory, request, "--json")
            if done.returncode == 0:
                return json.loads(done.stdout)
            time.sleep(0.02)
        raise AssertionError(f"no row for request {request}: {done.stderr}")

    def stop(self):
        """SIGTERM; the exit code."""
        if not self.process:
            return None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.thread.join(60)
        self.process = None
        if code != 0:
            print("# " + "# ".join(line for line in self.lines if not line.startswith("{")))
        return code

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.thread.join(60)
            self.process = None

    def front(self):
        """The process that faces the network."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
            return int(file.read())

    def memory(self):
        """KiB in memory, of both processes."""
        def rss(pid):
            with open(f"/proc/{pid}/status") as file:
                return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        return {"keeper": rss(self.process.pid), "front": rss(self.front())}

    def hup(self):
        """SIGHUP, and its line."""
        before = sum('"event":"reload"' in line for line in self.lines)
        self.process.send_signal(signal.SIGHUP)
        for _ in range(3000):
            if sum('"event":"reload"' in line for line in self.lines) > before:
                time.sleep(0.5)
                return
            time.sleep(0.01)
        raise AssertionError("no line of a reload")

    def connect(self):
        return Connection(self.port)

    def client(self, verb="release", **settings):
        """tests/broker/release-client.c, which uses release/client.h as the guest does."""
        values = {"broker": f"127.0.0.1:{self.port}", "pin": self.identity["spki_sha256"],
                  "record-key": self.identity["record_key"], "resource": self.resource, "chain": chain()}
        values.update({name.replace("_", "-"): value for name, value in settings.items()})
        done = subprocess.run([CLIENT, verb, *(f"{name}={value}" for name, value in values.items())],
                              stdout=subprocess.PIPE, text=True, timeout=120, check=True)
        return json.loads(done.stdout)


# ---- HTTP

def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.raw_headers = response.getheaders()
        self.body = response.read()
        self.request = self.headers.get("x-request-id", "")

    def json(self):
        return json.loads(self.body)

    def cookie(self):
        return self.headers["set-cookie"].split(";")[0]


class Connection:
    def __init__(self, port):
        self.http = http.client.HTTPSConnection("127.0.0.1", port, context=tls_context(), timeout=30)
        self.http.connect()

    def ask(self, method, target, body=None, **headers):
        values = {name.replace("_", "-"): value for name, value in headers.items()}
        self.http.request(method, target, body=body, headers=values)
        return Answer(self.http.getresponse())

    def auth(self):
        """(nonce, cookie) of a fresh challenge."""
        answer = self.ask("POST", "/kbs/v0/auth", REQUEST)
        equal(answer.status, 200, "status of /auth")
        return answer.json()["nonce"], answer.cookie()

    def attest(self, body, cookie=None):
        return self.ask("POST", "/kbs/v0/attest", body, **({"Cookie": cookie} if cookie else {}))

    def resource(self, name, cookie=None, **headers):
        if cookie:
            headers["Cookie"] = cookie
        return self.ask("GET", f"/kbs/v0/resource/{name}", **headers)

    def close(self):
        self.http.close()


def raw_tls(port, timeout=30):
    return tls_context().wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=timeout))


# ---- guests

class Guest:
    """A guest that says what a test wants; its cryptography is in tests/broker/release-client.c."""

    def __init__(self):
        self.process = subprocess.Popen([CLIENT, "raw"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.key()

    def _ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        true(line, f"the test guest died at {words[0]}")
        return line.rstrip("\n")

    def key(self):
        self.jwk = json.loads(self._ask("key"))

    def attestation(self, nonce, **settings):
        settings.setdefault("chain", chain())
        return self._ask("attest", nonce, *(f"{n.replace('_', '-')}={v}" for n, v in settings.items()))

    def open(self, broker, jwe):
        return json.loads(self._ask("open", broker.identity["record_key"], jwe.decode()))

    def acknowledged(self, broker, resource, epoch, signature):
        return self._ask("acknowledged", broker.identity["record_key"], resource, str(epoch), signature) == "good"

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def session(broker, guest, **settings):
    """An attested session: (connection, cookie)."""
    connection = broker.connect()
    nonce, cookie = connection.auth()
    answer = connection.attest(guest.attestation(nonce, **settings), cookie)
    equal(answer.status, 200, f"status of /attest {answer.body!r}")
    return connection, cookie


def error_type(answer):
    return answer.json()["type"].rsplit("/", 1)[-1]


def denied(broker, answer, reason, status=401, error=None, outcome="denied", row=True):
    """The answer refuses, tells nothing, and the log says this reason under its request id. Gives the log's entry."""
    equal(answer.status, status, f"status ({answer.body!r})")
    equal(answer.headers["content-type"], "application/json", "content type")
    true(len(answer.request) == 16, f"request id {answer.request!r}")
    if error:
        equal(error_type(answer), error, "error type")
    entry = broker.entry(answer.request)
    equal(entry["reason"], reason, f"reason ({entry})")
    equal(entry["outcome"], outcome, "outcome")
    true(reason == "protocol-version" or reason not in answer.body.decode() or entry["event"] == "http",
         "the client learns the reason")
    if row:
        equal(broker.row(answer.request), entry, "row of the store")
    return entry


def memory_count(pid, needle):
    """How often some bytes lie in the memory of a process."""
    found = 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, modes = line.split()[:2]
            start, end = (int(part, 16) for part in span.split("-"))
            if "r" not in modes or "vvar" in line or "vsyscall" in line or end - start > 1 << 32:
                continue  # the last: shadow memory of sanitizers
            try:
                memory.seek(start)
                found += memory.read(end - start).count(needle)
            except (OSError, ValueError, OverflowError):
                continue
    return found


def b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
