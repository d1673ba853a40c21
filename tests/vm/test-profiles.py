#!/usr/bin/env python3
"""The profiles: no shell in an initrd; each but app (test-boot) boots and serves a real request. Prints TAP.

usage: test-profiles.py [check_initrds] [check_gateway] [check_debug] [check_database]
"""
import http.client
import json
import os
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import tap  # noqa: E402
import vm  # noqa: E402

SECONDS = 600  # initdb under emulation, on a volume with tags
DEBUG_POLICY = "0xb0000"


def certificate(launch, port):
    """The server's certificate, waited for; None when the guest ends before."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and launch.process.poll() is None:
        try:
            return ssl.get_server_certificate(("127.0.0.1", port), timeout=10)
        except OSError:
            time.sleep(0.2)
    return None


def check_gateway():
    with vm.World("gateway") as world:
        initrd = world.initrd(world.config(brokers=None))
        found = []
        for boot in "first", "second":
            port = vm.free_port()
            launch = world.launch(initrd, "--forward", f"{port}:8443", disk=False)
            pem = certificate(launch, port)
            found.append(pem)
            if not tap.ok(pem, f"gateway, {boot} boot: the guest shows a certificate", launch.console()[-2000:]):
                launch.stop()
                continue
            context = ssl.create_default_context(cadata=pem)
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)
            connection.request("GET", "/")
            answer = connection.getresponse()
            tap.ok(answer.status == 200 and b"made in the guest" in answer.read(),
                   f"gateway, {boot} boot: an https request verified by that certificate is answered")
            tap.same(connection.sock.version(), "TLSv1.3", f"gateway, {boot} boot: by TLS 1.3")
            connection.close()
            launch.stop()
            tap.same(launch.status, 0, f"gateway, {boot} boot: an orderly stop") or tap.note(launch.said)
        tap.ok(None not in found and found[0] != found[1], "gateway: each boot has a key of its own")


def psql(port, password, statement, *words):
    environment = os.environ | {"PGPASSWORD": password, "PGCONNECT_TIMEOUT": "20"}
    return subprocess.run(["psql", "-X", "-A", "-t", *words, "-c", statement,
                           f"host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=require"],
                          env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def query(launch, port, password, statement):
    """The answer, waited for while the server comes up."""
    deadline = time.monotonic() + SECONDS
    done = None
    while time.monotonic() < deadline and launch.process.poll() is None:
        done = psql(port, password, statement)
        if done.returncode == 0:
            return done.stdout.strip()
        time.sleep(1)
    return f"no answer: {done and done.stderr} {launch.console()[-2000:]}"


def check_database():
    with vm.World("database") as world, vm.Broker(world.path("broker")) as broker:
        content = world.path("content")
        os.makedirs(content)
        with open(os.path.join(content, "password"), "w", encoding="ascii") as file:
            file.write(world.secret + "\n")
        disk, record = world.create("database", "data", "--from", content, "--size", "192")
        with open(record, "rb") as file:
            tap.ok(b"hmac(sha256)" in file.read(), "database: the volume has authentication tags")
        broker.add(record)
        initrd = world.initrd(world.config(broker.site()))
        broker.allow(world.digest(initrd))
        port = vm.free_port()
        launch = world.launch(initrd, "--forward", f"{port}:5432", disk=disk)
        tap.same(query(launch, port, world.secret, "create table t(v text); insert into t values ('kept'); "
                       "select v from t"), "CREATE TABLE\nINSERT 0 1\nkept", "database: psql is served by TLS, with the password")
        tap.ok(psql(port, "wrong", "select 1").returncode != 0, "database: another password is refused")
        plain = subprocess.run(["psql", "-X", "-c", "select 1",
                                f"host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=disable"],
                               env=os.environ | {"PGPASSWORD": world.secret}, stderr=subprocess.PIPE, text=True, check=False)
        tap.ok("no encryption" in plain.stderr, "database: a connection without TLS is refused", plain.stderr)
        launch.stop()
        tap.same(launch.status, 0, "database: an orderly stop") or tap.note(launch.said)
        launch = world.launch(initrd, "--forward", f"{port}:5432", disk=disk)
        tap.same(query(launch, port, world.secret, "select v from t"), "kept", "database: the second boot has what the first wrote")
        launch.stop()
        with open(disk, "rb") as file:
            data = file.read()
        tap.ok(b"PostgreSQL" not in data and world.secret.encode() not in data, "database: the disk shows nothing of it")


def check_debug():
    with vm.World("debug") as world:
        initrd = world.initrd(world.config(brokers=None))
        launch = world.launch(initrd, "--interactive", disk=False, stdin=subprocess.PIPE)
        deadline = time.monotonic() + vm.BOOT_SECONDS
        while not os.path.exists(launch.console_path) or (
                "No secrets here." not in launch.console() and time.monotonic() < deadline and launch.process.poll() is None):
            time.sleep(0.2)
        tap.ok("POSTERN DEBUG IMAGE" in launch.console(), "debug: a banner on the console", launch.console()[-2000:])
        launch.process.stdin.write("echo $((6 * 7)) is what busybox says; id -u; exit 0\n")
        launch.process.stdin.flush()
        launch.wait()
        tap.ok("42 is what busybox says" in launch.console(), "debug: a shell that the console types into",
               launch.console()[-2000:])
        tap.same(launch.status, 0, "debug: the shell's end is the guest's") or tap.note(launch.said)
        tap.ok(vm.STAGES[-1] in launch.stages(), "debug: the shell is what was handed over to", launch.said)
        with vm.Broker(world.path("broker")) as broker:
            broker.add(world.record)
            initrd = world.initrd(world.config(broker.site(), volumes=[
                {"id": "data", "device": "data", "resource": vm.RESOURCE, "filesystem": "ext4", "mount": "/data"}]))
            broker.allow(world.digest(initrd))
            launch = world.launch(initrd, "--policy", DEBUG_POLICY).wait()
            tap.same(launch.refusal().get("code"), "E-RELEASE-DENIED", "debug: a broker's own policy gives it no key")
            tap.ok("POSTERN DEBUG" not in launch.console(), "debug: and then there is no shell")


def check_initrds():
    for profile in "app", "gateway", "database", "debug":
        names = vm.run("sh", "-c", f"zstd -dc {vm.image_of(profile)}/initrd | cpio -t --quiet").split()
        with open(os.path.join(vm.image_of(profile), "postern.json"), encoding="utf-8") as file:
            allows = json.load(file).get("expect", {}).get("allow_debug", False)
        tap.ok(not [name for name in names if name.endswith(("sh", "busybox")) or "/bin/" in name],
               f"{profile}: no shell in the initrd", names)
        tap.same(allows, profile == "debug", f"{profile}: expects a debug launch only when it is the debug image")


def main():
    checks = {check.__name__: check for check in (check_initrds, check_gateway, check_debug, check_database)}
    for name in sys.argv[1:] or checks:
        checks[name]()
    tap.done()


main()
