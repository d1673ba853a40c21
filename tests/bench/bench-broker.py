#!/usr/bin/env python3
"""Releases per second and their latencies, against the least that any broker has to do, in the same run; and what floods
do to memory and to known guests. What has to hold is checked; exit status 1 when it does not.

The ratio is of processor time on the broker's side for one release: clients run on the same machine, and so may others.
"""
import json
import os
import resource
import subprocess
import sys
import threading
import time

os.environ["TMPDIR"] = "/var/tmp"  # on a disk: commits wait for it
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../broker"))
from harness import CLIENT, REQUEST, TOP, Broker, chain, cleanup, free_port, path, raw_tls  # noqa: E402

SECONDS = int(os.environ.get("BENCH_SECONDS", "6"))
failed = []
TICK = os.sysconf("SC_CLK_TCK")


def must(condition, what):
    print(("  holds: " if condition else "  FAILS: ") + what, flush=True)
    if not condition:
        failed.append(what)


def cpu(*pids):
    """Seconds of processor time of some processes."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def load(broker, port, processes, *more):
    values = {"broker": f"127.0.0.1:{port}", "pin": broker.identity["spki_sha256"],
              "record-key": broker.identity["record_key"], "resource": broker.resource, "chain": chain(),
              "processes": processes, "seconds": SECONDS}
    done = subprocess.run([CLIENT, "bench", *(f"{n}={v}" for n, v in values.items()), *more], stdout=subprocess.PIPE,
                          check=True, text=True)
    return json.loads(done.stdout)


def measured(broker, port, processes, pids, *more):
    before, clients_before = cpu(*pids), resource.getrusage(resource.RUSAGE_CHILDREN)
    result = load(broker, port, processes, *more)
    clients = resource.getrusage(resource.RUSAGE_CHILDREN)
    result["cpu_us"] = 1e6 * (cpu(*pids) - before) / max(result["releases"], 1)
    result["client_us"] = 1e6 * (clients.ru_utime + clients.ru_stime - clients_before.ru_utime - clients_before.ru_stime) \
        / max(result["releases"], 1)
    return result


def show(name, processes, result):
    print(f"  {name:7} {processes:5} connections: {result['per_second']:8.1f}/s   p50 {result['p50_us'] / 1000:8.1f} ms   "
          f"p99 {result['p99_us'] / 1000:8.1f} ms   {result['cpu_us']:7.0f} us of processor time each, "
          f"{result['client_us']:.0f} us of the client's   {result['failed']} failed", flush=True)


def rates():
    broker = Broker().serve("--max-connections", "2048", "--max-sessions", "1000000")
    port = free_port()
    floor = subprocess.Popen([os.path.join(TOP, "build/bench/kbs-floor"), os.path.join(broker.directory, "tls.key"),
                              os.path.join(broker.directory, "tls.crt"), str(port), path("floor.db")])
    time.sleep(0.5)
    pids = (broker.process.pid, broker.front())
    print("broker: releases (auth, attest, resource over a fresh connection) and the floor", flush=True)
    try:
        load(broker, broker.port, 4)  # warm
        for processes in (1, 64, 1000):
            ours = measured(broker, broker.port, processes, pids)
            least = measured(broker, port, processes, (floor.pid,), "floor=yes")
            show("broker", processes, ours)
            show("floor", processes, least)
            ratio = least["cpu_us"] / ours["cpu_us"]
            must(ratio >= 0.5, f"{processes} connections: {100 * ratio:.0f} % of the floor, at least 50 %")
            must(ours["failed"] == 0, f"{processes} connections: none failed")
    finally:
        floor.terminate()
        floor.wait()
    if broker.stop() != 0:
        must(False, "the broker ends well")


def auth_flood(port, count):
    text = REQUEST.encode()
    one = b"POST /kbs/v0/auth HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)
    with raw_tls(port, 120) as stream:
        for _ in range(count // 100):
            stream.sendall(one * 100)
            seen = 0
            while seen < 100:
                seen += stream.recv(1 << 20).count(b"HTTP/1.1 200")


def memory():
    broker = Broker().serve()
    auth_flood(broker.port, 2000)
    before = sum(broker.memory().values())
    start = time.monotonic()
    auth_flood(broker.port, 100000)
    grown = sum(broker.memory().values()) - before
    print(f"broker: 100,000 unauthenticated /auth in {time.monotonic() - start:.1f} s, {before} KiB before", flush=True)
    must(grown < 1024, f"memory grew by {grown} KiB, less than 1024")
    broker.stop()


# The flood: connections and messages from many addresses, each as fast as it can, from processes of its own.
FLOOD = """
import os, random, socket, ssl, sys, time
port, end, body = int(sys.argv[1]), time.monotonic() + float(sys.argv[2]), sys.argv[3].encode()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
random.seed(os.getpid())
tried = 0
while time.monotonic() < end:
    try:
        source = f"127.{random.randrange(2, 200)}.{random.randrange(250)}.{random.randrange(1, 250)}"
        with socket.create_connection(("127.0.0.1", port), timeout=2, source_address=(source, 0)) as plain:
            tried += 1
            kind = random.randrange(3)
            if kind == 0:
                plain.sendall(b"\\x16\\x03\\x01" + os.urandom(200))
                continue
            with context.wrap_socket(plain) as stream:
                path = b"auth" if kind == 1 else b"attest"
                data = body if kind == 1 else os.urandom(20000)
                stream.sendall(b"POST /kbs/v0/%s HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (path, len(data), data))
                stream.recv(100)
    except OSError:
        tried += 1
print(tried)
"""


def flood():
    broker = Broker().serve("--source-rate", "100", "--total-rate", "20")
    for _ in range(2):
        broker.client()
    seconds, times, errors = 10, [], []
    floods = [subprocess.Popen([sys.executable, "-c", FLOOD, str(broker.port), str(seconds), REQUEST],
                               stdout=subprocess.PIPE, text=True) for _ in range(6)]

    def guests():
        end = time.monotonic() + seconds - 1
        while time.monotonic() < end:
            start = time.monotonic()
            result = broker.client(retry="yes")
            times.append(time.monotonic() - start)
            if result["outcome"] != "granted":
                errors.append(result)

    threads = [threading.Thread(target=guests) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tried = sum(int(each.communicate()[0]) for each in floods)
    times.sort()
    p99 = times[len(times) * 99 // 100]
    print(f"broker: {tried / seconds:.0f} connections a second from strangers, who have a share of 20; {len(times)} releases "
          f"to known guests, p50 {times[len(times) // 2]:.2f} s, p99 {p99:.2f} s", flush=True)
    must(tried / seconds >= 200, "the flood is ten times what strangers may have")
    must(not errors, f"every known guest got its key {errors[:1]}")
    must(p99 < 2, "p99 of known guests under 2 s")
    broker.stop()


try:
    rates()
    memory()
    flood()
finally:
    cleanup()
sys.exit(1 if failed else 0)
