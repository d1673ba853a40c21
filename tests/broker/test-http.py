#!/usr/bin/env python3
"""What comes before the protocol: TLS, HTTP, slowness, crowds, endings."""
import base64
import os
import select
import signal
import socket
import ssl
import subprocess
import time
from http.client import HTTPConnection

from harness import (BROKER, Broker, Guest, REQUEST, SANITIZED, denied, equal, free_port, main, memory_count, raw_tls,
                     refused, session, test, tls_context, true)

broker = Broker().serve("--request-seconds", "3", "--idle-seconds", "4")
guest = Guest()


def exchange(data, port=None, seconds=20):
    """Sends bytes over TLS and reads until the broker closes; what it said."""
    with raw_tls(port or broker.port, seconds) as stream:
        stream.sendall(data)
        return read_all(stream)


def read_all(stream):
    said = b""
    try:
        while True:
            more = stream.recv(65536)
            if not more:
                return said
            said += more
    except (ConnectionError, ssl.SSLError):
        return said


def status_of(said):
    return int(said.split(b" ", 2)[1]) if said.startswith(b"HTTP/1.1 ") else None


def request_of(said):
    return said.split(b"x-request-id: ", 1)[1][:16].decode()


# ---- TLS

@test("TLS 1.3 and nothing older")
def _():
    for version, works in ((ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_2, False)):
        context = tls_context()
        context.minimum_version = context.maximum_version = version
        try:
            with context.wrap_socket(socket.create_connection(("127.0.0.1", broker.port), timeout=10)) as stream:
                equal(stream.version(), "TLSv1.3")
            true(works, "an older version is spoken")
        except ssl.SSLError:
            true(not works, "TLS 1.3 fails")


@test("no session tickets, so nothing to resume")
def _():
    with raw_tls(broker.port) as stream:
        stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        stream.recv(4096)
        true(stream.session is None or not stream.session.has_ticket, "a ticket came")


@test("garbage instead of TLS, and plain HTTP, get nothing")
def _():
    for data in (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 300, b"\x00" * 1000):
        with socket.create_connection(("127.0.0.1", broker.port), timeout=10) as stream:
            said = b""
            try:
                stream.sendall(data)
                while more := stream.recv(4096):
                    said += more
            except ConnectionError:
                pass
            true(b"HTTP" not in said, "plain HTTP is answered")


# ---- HTTP

@test("healthz says ok")
def _():
    answer = broker.connect().ask("GET", "/healthz")
    equal((answer.status, answer.json()), (200, {"status": "ok"}))


@test("unknown paths and plugins are 404")
def _():
    connection = broker.connect()
    for target in ("/", "/kbs", "/kbs/v0", "/kbs/v0/", "/kbs/v0/authx", "/kbs/v1/auth", "/kbs/v0/auth?x=1", "/healthz/",
                   "/kbs/v0/resource/a/b", "/kbs/v0/resource/a/b/c/d", "/kbs/v0/resource/a/b/", "/kbs/v0/resource/a//c",
                   "/kbs/v0/resource/.a/b/c", "/kbs/v0/resource/a/b/%63", "/kbs/v0/resource/a/b/" + "c" * 200,
                   "/kbs/v0/resource/../b/c"):
        answer = connection.ask("GET", target)
        denied(broker, answer, "path-unknown", 404, "InvalidRequestPath", row=False)
    for target in ("/kbs/v0/provisioner/default/x/root", "/kbs/v0/pkcs11/a"):
        denied(broker, connection.ask("GET", target), "plugin-unknown", 404, "PluginNotFound", row=False)


@test("wrong methods are 405 and told the right one")
def _():
    connection = broker.connect()
    for target, wrong, right in (("/kbs/v0/auth", ("GET", "PUT", "DELETE", "OPTIONS"), "POST"),
                                 ("/kbs/v0/attest", ("GET",), "POST"),
                                 ("/kbs/v0/resource/a/b/c", ("POST", "PUT", "DELETE"), "GET"),
                                 ("/healthz", ("POST",), "GET")):
        for method in wrong:
            answer = connection.ask(method, target)
            denied(broker, answer, "method", 405, row=False)
            equal(answer.headers["allow"], right)
    answer = connection.ask("HEAD", "/kbs/v0/auth")
    equal((answer.status, answer.body), (405, b""))
    equal(connection.ask("GET", "/healthz").status, 200, "the connection is still in step")


@test("what is not HTTP/1.1 is 400 and ends the connection")
def _():
    for data in (b"\x00\r\n\r\n", b"GET\r\n\r\n", b"GET /healthz HTTP/1.0\r\n\r\n", b"GET /healthz HTTP/2.0\r\n\r\n",
                 b"FROB /healthz HTTP/1.1\r\n\r\n", b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n",
                 b"POST /kbs/v0/auth HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
                 b"POST /kbs/v0/auth HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                 b"POST /kbs/v0/auth HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                 b"CONNECT x:1 HTTP/1.1\r\n\r\n", b"GET /healthz HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"):
        said = exchange(data)
        equal(status_of(said), 400, f"status for {data!r}")
        true(b"Connection: close" in said, "the connection ends")
        equal(broker.entry(request_of(said))["reason"], "http-malformed")


@test("heads and bodies have limits")
def _():
    said = exchange(b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 20000 + b"\r\n\r\n")
    equal((status_of(said), broker.entry(request_of(said))["reason"]), (431, "http-head-too-large"))
    said = exchange(b"GET /healthz HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(60)) + b"\r\n")
    equal((status_of(said), broker.entry(request_of(said))["reason"]), (431, "http-head-too-large"))
    said = exchange(b"GET /" + b"a" * 600 + b" HTTP/1.1\r\n\r\n")
    equal((status_of(said), broker.entry(request_of(said))["reason"]), (431, "http-head-too-large"))
    for head in (b"Content-Length: 98305\r\n\r\n" + b"x" * 98305, b"Content-Length: 99999999999\r\n\r\n" + b"x" * 99999,
                 b"Transfer-Encoding: chunked\r\n\r\n" + (b"8000\r\n" + b"x" * 32768 + b"\r\n") * 4):
        said = exchange(b"POST /kbs/v0/attest HTTP/1.1\r\nHost: x\r\n" + head)
        equal((status_of(said), broker.entry(request_of(said))["reason"]), (413, "http-too-large"))
    said = exchange(b"POST /kbs/v0/auth HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 98304\r\n\r\n"
                    + REQUEST.encode().ljust(98304))
    equal(status_of(said), 200, "a body of just the size")


@test("requests in one packet are answered in order, and in pieces as well")
def _():
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    body = b"POST /kbs/v0/auth HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(REQUEST), REQUEST.encode())
    last = b"GET /kbs/v0/resource/a/b/c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    said = exchange(one * 20 + body + last)
    equal([int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]], [200] * 21 + [401])
    with raw_tls(broker.port) as stream:
        for byte in one + last:
            stream.sendall(bytes([byte]))
        said = read_all(stream)
    equal([int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]], [200, 401])


@test("a chunked body is a body")
def _():
    text = REQUEST.encode()
    said = exchange(b"POST /kbs/v0/auth HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                    + b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text))
    equal(status_of(said), 200)


# ---- slowness

@test("who sends nothing, half a handshake, half a head, half a body, or drips, is let go in time")
def _():
    start = time.monotonic()
    silent = socket.create_connection(("127.0.0.1", broker.port), timeout=20)
    hello = socket.create_connection(("127.0.0.1", broker.port), timeout=20)
    hello.sendall(b"\x16\x03\x01\x02\x00\x01")
    shaken = raw_tls(broker.port, 20)
    head = raw_tls(broker.port, 20)
    head.sendall(b"POST /kbs/v0/attest HTTP/1.1\r\nHo")
    body = raw_tls(broker.port, 20)
    body.sendall(b"POST /kbs/v0/attest HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    drip = raw_tls(broker.port, 20)
    drip.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
    waiting = {silent: "silent", hello: "half a handshake", shaken: "nothing", head: "half a head", body: "half a body",
               drip: "drip"}
    while waiting and time.monotonic() - start < 40:
        for stream in select.select(list(waiting), [], [], 0.2)[0]:
            try:
                ended = not stream.recv(4096)
            except (ConnectionError, ssl.SSLError):  # EPIPE too: OpenSSL may answer what it reads
                ended = True
            if ended:
                waiting.pop(stream)
                stream.close()
        if drip in waiting:
            try:
                drip.sendall(b"y")
            except (OSError, ssl.SSLError):
                waiting.pop(drip, None)
    equal(sorted(waiting.values()), [], "still connected after 40 s")
    true(time.monotonic() - start > 2.5, "they were given their time")


@test("time in which the broker itself stood still does not count against its clients")
def _():
    slow = Broker().serve("--request-seconds", "10")
    waiting = [raw_tls(slow.port, 60) for _ in range(3)]
    waiting[1].sendall(b"GET /healthz HTTP/1.1\r\n")
    front = slow.front()
    os.kill(front, signal.SIGSTOP)
    time.sleep(11)
    os.kill(front, signal.SIGCONT)
    for stream, text in zip(waiting, (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"Host: x\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n")):
        stream.sendall(text + b"Connection: close\r\n\r\n")
        equal(status_of(read_all(stream)), 200)
    equal(slow.stop(), 0)


@test("a connection may rest between requests, for the idle time")
def _():
    connection = broker.connect()
    equal(connection.ask("GET", "/healthz").status, 200)
    time.sleep(3.5)
    equal(connection.ask("GET", "/healthz").status, 200, "after a rest that is longer than a request may take")


@test("a client that leaves in the middle of anything does no harm")
def _():
    body = guest.attestation("A" * 43 + "=").encode()
    whole = b"POST /kbs/v0/attest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    for size in (0, 1, 20, len(whole) // 2, len(whole)):
        stream = raw_tls(broker.port)
        stream.sendall(whole[:size])
        stream.close()
    connection, cookie = session(broker, guest)
    for _ in range(20):
        stream = raw_tls(broker.port)
        stream.sendall(b"GET /kbs/v0/resource/default/volume/data HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n\r\n" % cookie.encode())
        stream.close()
    equal(connection.resource("default/volume/data", cookie).status, 200)


# ---- crowds

@test("with 1,000 idle connections a guest still gets its key; memory stays within bounds")
def _():
    crowded = Broker().serve()
    idle = [socket.create_connection(("127.0.0.1", crowded.port), timeout=30) for _ in range(500)]
    idle += [raw_tls(crowded.port) for _ in range(500)]
    start = time.monotonic()
    equal(crowded.client()["outcome"], "granted")
    rss = sum(crowded.memory().values())
    true(rss < 200_000 or SANITIZED, f"{rss} KiB")
    for stream in idle:
        stream.close()
    equal(crowded.stop(), 0)


@test("beyond the limit a newcomer takes the place of the oldest idle one")
def _():
    small = Broker().serve("--max-connections", "8")
    idle = [raw_tls(small.port) for _ in range(30)]
    equal(small.client()["outcome"], "granted")
    idle[0].settimeout(30)
    equal(read_all(idle[0]), b"", "the oldest is closed")
    newest = idle[-1]
    newest.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    equal(status_of(read_all(newest)), 200, "the newest is served")
    equal(small.stop(), 0)


@test("100,000 challenges cost no memory" if not SANITIZED else "2,000 challenges cost no memory")
def _():
    count = 2000 if SANITIZED else 100000
    flooded = Broker().serve()
    text = REQUEST.encode()
    one = b"POST /kbs/v0/auth HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)

    def rss():
        return sum(flooded.memory().values())

    def flood(number):
        with raw_tls(flooded.port, 120) as stream:
            for _ in range(number // 100):
                stream.sendall(one * 100)
                seen = 0
                while seen < 100:
                    seen += stream.recv(1 << 20).count(b"HTTP/1.1 200")
    flood(1000)
    before = rss()
    flood(count)
    true(rss() - before < 1024 or SANITIZED, f"grew from {before} to {rss()} KiB")
    equal(flooded.client()["outcome"], "granted")
    equal(flooded.stop(), 0)


# ---- shares

@test("a source that asks too much is told to wait, then not let in; others are served")
def _():
    limited = Broker().serve("--source-rate", "5")
    connection = limited.connect()
    seen = []
    for _ in range(30):
        answer = connection.ask("GET", "/healthz")
        seen.append(answer.status)
        if answer.status == 429:
            break
    equal(seen[-1], 429, f"statuses {seen}")
    equal((answer.headers["retry-after"], answer.headers["connection"]), ("1", "close"))
    equal(answer.json()["detail"], "rate-limited")
    try:
        for _ in range(100):  # a slow handshake is time in which its share grows
            raw_tls(limited.port, 5).close()
        raise AssertionError("still let in")
    except (OSError, ssl.SSLError):
        pass
    other = socket.create_connection(("127.0.0.1", limited.port), timeout=10, source_address=("127.0.0.9", 0))
    tls_context().wrap_socket(other).close()
    time.sleep(1.5)
    raw_tls(limited.port, 5).close()
    equal(limited.stop(), 0)


@test("all strangers together have a share; who has shown good evidence is none")
def _():
    limited = Broker().serve("--source-rate", "0", "--total-rate", "5")
    equal(limited.client()["outcome"], "granted")
    refusals = strangers = 0
    while refusals <= 20 and strangers < 1000:
        strangers += 1
        try:
            stream = socket.create_connection(("127.0.0.1", limited.port), timeout=5,
                                              source_address=(f"127.1.{strangers // 250}.{strangers % 250 + 1}", 0))
            tls_context().wrap_socket(stream).close()
        except (OSError, ssl.SSLError):
            refusals += 1
    true(refusals > 20, f"only {refusals} of {strangers} strangers were turned away")
    for _ in range(10):
        equal(limited.client()["outcome"], "granted", "a known source")
    equal(limited.stop(), 0)


# ---- numbers

@test("metrics and health are served without TLS, where that is wanted, and nothing else is")
def _():
    place = free_port()
    counted = Broker().serve("--metrics", f"127.0.0.1:{place}")
    equal(counted.client()["outcome"], "granted")
    equal(counted.client(measurement="b6" * 48)["outcome"], "denied")

    def ask(target):
        http = HTTPConnection("127.0.0.1", place, timeout=10)
        http.request("GET", target)
        answer = http.getresponse()
        return answer.status, answer.getheader("content-type"), answer.read().decode()
    status, kind, text = ask("/metrics")
    equal((status, kind), (200, "text/plain; version=0.0.4"))
    true('postern_broker_decisions_total{outcome="denied",reason="policy"} 1\n' in text, text)
    true("\npostern_broker_store_healthy 1\n" in text and "\npostern_broker_connections 1\n" in text, text)
    equal(len([line for line in text.splitlines() if line.startswith("# TYPE")]), 10)
    equal(ask("/healthz"), (200, "application/json", '{"status":"ok"}'))
    equal(ask("/kbs/v0/auth")[0], 404)
    equal(counted.connect().ask("GET", "/metrics").status, 404, "over TLS")
    equal(counted.stop(), 0)


# ---- beginnings and endings

@test("HUP: keys and root are read again; what cannot be read changes nothing")
def _():
    kept = Broker().serve()
    equal(kept.client()["outcome"], "granted")
    other = Broker(volume=False)
    before = kept.identity
    for name in ("tls.key", "tls.crt", "record.key"):
        os.replace(os.path.join(other.directory, name), os.path.join(kept.directory, name))
    kept.hup()
    kept.identity = other.identity
    result = kept.client()
    equal(result["outcome"], "granted", result["why"])
    equal(kept.client(pin=before["spki_sha256"])["outcome"], "broker key")
    os.chmod(os.path.join(kept.directory, "kek"), 0o644)
    kept.hup()
    true("all is as it was" in kept.lines[-1] and "chmod 600" in kept.lines[-1], kept.lines[-1])
    equal(kept.client()["outcome"], "granted")
    equal(kept.stop(), 0)


@test("a socket of systemd's is taken, and nothing else may be in its place")
def _():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        given = Broker()
        process = subprocess.Popen([BROKER, "serve", "--dir", given.directory, "--listen-fd", str(listener.fileno())],
                                   pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL)
    with raw_tls(port) as stream:
        stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        equal(status_of(read_all(stream)), 200)
    process.terminate()
    equal(process.wait(20), 0)
    refused(1, ["--listen is missing"], "serve", "--dir", given.directory)
    refused(1, ["--listen is missing"], "serve", "--dir", given.directory, "--listen", "127.0.0.1:1", "--listen-fd", "3")
    refused(1, ["--listen-fd 99"], "serve", "--dir", given.directory, "--listen-fd", "99")


@test("the process that faces the network is caged, has one key, and its death is the broker's")
def _():
    caged = Broker().serve()
    equal(caged.client()["outcome"], "granted")
    front = caged.front()
    with open(f"/proc/{front}/status") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    equal(status["NoNewPrivs"], "1")
    if not SANITIZED:
        equal(status["Seccomp"], "2")
    names = [os.readlink(f"/proc/{front}/fd/{number}") for number in os.listdir(f"/proc/{front}/fd")]
    equal([name for name in names if caged.directory in name], [], "files of the store that it has open")
    with open(os.path.join(caged.directory, "kek"), "rb") as file:
        equal(memory_count(front, file.read()), 0, "the key-encryption key in its memory")
    with open(os.path.join(caged.directory, "record.key")) as file:
        equal(memory_count(front, base64.b64decode("".join(file.read().split("\n")[1:-2]))[:48]), 0, "the record key")
    os.kill(front, 9)
    equal(caged.process.wait(60), 4)
    caged.thread.join(60)
    true("ended by itself" in caged.lines[-1], caged.lines[-1])

@test("TERM: idle connections are closed, answers in flight are finished, the exit code is 0")
def _():
    ending = Broker().serve()
    connection, cookie = session(ending, guest)
    half = raw_tls(ending.port)
    request = b"GET /kbs/v0/resource/default/volume/data HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n\r\n" % cookie.encode()
    half.sendall(request[:-2])
    idle = raw_tls(ending.port)
    time.sleep(1.5)
    ending.process.terminate()
    idle.settimeout(30)
    equal(read_all(idle), b"")
    try:
        socket.create_connection(("127.0.0.1", ending.port), timeout=3).close()
        raise AssertionError("still listening")
    except OSError:
        pass
    half.sendall(request[-2:])
    said = read_all(half)
    equal(status_of(said), 200, "the request in flight")
    true(b"Connection: close" in said, "and then the end")
    equal(ending.process.wait(60), 0)
    ending.thread.join(60)
    equal([entry["event"] for entry in ending.entries()][-1], "end")


@test("TERM: a client that never finishes delays the end by seconds, not for ever")
def _():
    ending = Broker().serve()
    half = raw_tls(ending.port)
    half.sendall(b"GET /heal")
    time.sleep(1.5)
    start = time.monotonic()
    equal(ending.stop(), 0)
    true(time.monotonic() - start < 25, f"took {time.monotonic() - start} s")


@test("a taken port, an address that is not there, a limit of files: one sentence, exit code 3")
def _():
    refused(3, [f"127.0.0.1:{broker.port}", "in use"], "serve", "--dir", broker.directory, "--listen",
            f"127.0.0.1:{broker.port}")
    refused(3, ["192.0.2.1", "cannot be listened on"], "serve", "--dir", broker.directory, "--listen",
            f"192.0.2.1:{free_port()}")
    done = subprocess.run(["sh", "-c", 'ulimit -n 100; exec "$@"', "sh", BROKER, "serve", "--dir", broker.directory,
                           "--listen", f"127.0.0.1:{free_port()}"], stderr=subprocess.PIPE, text=True, timeout=30)
    equal(done.returncode, 3)
    true("open files" in done.stderr and "--max-connections" in done.stderr, done.stderr)


@test("nothing was lost: the broker ends well")
def _():
    guest.close()
    equal(broker.stop(), 0)


main()
