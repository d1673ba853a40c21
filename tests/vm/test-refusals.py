#!/usr/bin/env python3
"""Every reason for which postern-init refuses to go on, each brought about in a guest. Prints TAP.

All guests differ from one that works (the control) in one thing. Two run at a time.
"""
import base64
import concurrent.futures
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import luks2  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

DEADLINE_S = 20  # a guest comes to its brokers in less


class FakeBroker:
    """Holds a pinned broker's TLS key and answers every request in one way."""

    def __init__(self, directory, status, body, headers=()):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(directory, "tls.crt"), os.path.join(directory, "tls.key"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def other_p384_key():
    """A public key that is nobody's, as postern.json wants it."""
    pem = subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    der = subprocess.run(["openssl", "pkey", "-pubout", "-outform", "DER"], input=pem, check=True,
                         stdout=subprocess.PIPE).stdout
    return base64.b64encode(der).decode()


class Cases:
    def __init__(self, world, broker):
        self.world, self.broker, self.site = world, broker, broker.site()
        self.cases = []
        self.mute = socket.create_server(("127.0.0.1", 0))  # nobody ever answers there

    def add(self, code, detail, config=None, *, shim=True, files=None, words=(), disk=None, resource=vm.RESOURCE, then=None):
        """A guest that has to refuse with this code, and with these words in its detail; `then` looks closer."""
        initrd = self.world.initrd(self.world.config(self.site) if config is None else config, shim, files)
        self.broker.allow(self.world.digest(initrd), resource)
        self.cases.append((code, detail, initrd, words, disk, then))

    def run_one(self, case):
        _, _, initrd, words, disk, _ = case
        if disk is None:  # QEMU locks what a guest writes
            disk = initrd + ".data"
            shutil.copy(self.world.data, disk)
        return self.world.launch(initrd, *words, disk=disk).wait()

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for case, launch in zip(self.cases, pool.map(self.run_one, self.cases)):
                code, detail = case[:2]
                refusal = launch.refusal()
                found = (launch.status, refusal.get("code"))
                tap.ok(found == (3, code) and detail in refusal.get("detail", ""), f"{code}: {detail}",
                       f"{found} {refusal}\n{launch.said}")
                if case[-1]:
                    case[-1](launch)


def configuration_cases(cases):
    config = cases.world.config(cases.site)
    volume = config["volumes"][0]
    cases.add("E-CONFIG", "volumes[0].sise: unknown member", config | {"volumes": [volume | {"sise": 1}]})
    cases.add("E-CONFIG", "not JSON", '{"version": 1,')
    cases.add("E-START", "/proc: cannot be mounted: Not a directory", files={"proc": ""})
    cases.add("E-MODULE", "nosuch: No such file or directory", files={"usr/lib/postern/modules.list": "nosuch\n"})
    # Without a signature; the kernel of our own takes no modules at all.
    cases.add("E-MODULE", "bad: " + ("Function not implemented" if vm.OWN_KERNEL else "Operation not permitted"),
              files={"usr/lib/postern/modules.list": "bad\n", "usr/lib/postern/modules/bad.ko": "no module"})
    cases.add("E-DEVICE-MISSING", 'no disk with the serial "other"', config | {"volumes": [volume | {"device": "other"}]})
    cases.add("E-DEVICE-AMBIGUOUS", 'two disks with the serial "data"', words=["--disk", f"data={cases.world.data},ro"])
    cases.add("E-NETWORK", "no interface eth9", config | {"network": config["network"] | {"interface": "eth9"}})
    cases.add("E-WORKLOAD", "/usr/bin/nothing: cannot be started: No such file or directory",
              config | {"workload": {"process": {"args": ["/usr/bin/nothing"]}}})


def check_deadline(launch):
    """The brokers have what the stages before them have left of the time for all."""
    lines = {line["stage"]: line for line in launch.record() if line.get("outcome") in ("ok", "refused")}
    if not tap.ok("mounts" in lines and "release" in lines, "deadline_s: it comes to the brokers", launch.said):
        return
    before = (lines["release"]["at_us"] - lines["mounts"]["at_us"] - lines["mounts"]["us"]) / 1e6
    took = lines["release"]["us"] / 1e6
    tap.ok(DEADLINE_S - 1 < before + took and took < DEADLINE_S - before / 2,
           f"deadline_s: {DEADLINE_S} s for all that PID 1 waits for, not for each", (before, took))


def launch_cases(cases):
    config = cases.world.config(cases.site)
    cases.add("E-REPORT", "/dev/sev-guest", shim=False)
    cases.add("E-EXPECT", "guest_policy.debug: expected 0, found 1", words=["--policy", "0xb0000"])
    cases.add("E-EXPECT", "host_data: expected " + "11" * 32, config | {"expect": {"host_data": "11" * 32}},
              words=["--host-data", "22" * 32])
    nobody = cases.site | {"url": f"https://10.0.2.2:{vm.free_port()}"}
    cases.add("E-RELEASE-TRANSPORT", "cannot be reached",
              cases.world.config(nobody, release_deadline_s=3))
    mute = cases.site | {"url": f"https://10.0.2.2:{cases.mute.getsockname()[1]}"}
    cases.add("E-RELEASE-TRANSPORT", "", cases.world.config(mute, deadline_s=DEADLINE_S, release_deadline_s=DEADLINE_S),
              then=check_deadline)
    for code, detail, status, body in (
            ("E-RELEASE-BUSY", "the broker is busy (HTTP 503)", 503, b"{}"),
            ("E-RELEASE-TRANSPORT", "the broker failed (HTTP 500)", 500, b"{}"),
            ("E-RELEASE-CONFIG", "has nothing under that path (HTTP 404): correct the address, or the resource", 404, b"{}"),
            ("E-RELEASE-PROTOCOL", "without a session cookie", 200, b'{"nonce":"","extra-params":""}'),
            ("E-RELEASE-PROTOCOL", "does not speak protocol version 0.4.0", 401, json.dumps(
                {"type": "https://github.com/confidential-containers/kbs/errors/AttestationError",
                 "detail": "KBS Client Protocol Version Mismatch: expect =0.5.0 while the request is 0.4.0"}).encode())):
        fake = FakeBroker(cases.broker.directory, status, body)
        site = cases.site | {"url": f"https://10.0.2.2:{fake.port}"}
        cases.add(code, detail, cases.world.config(site, release_deadline_s=3))
    cases.add("E-RELEASE-RECORD", "not by the pinned record key",
              cases.world.config(cases.site | {"record_key": other_p384_key()}))


def add_volume(cases, name, code, detail, words, changes, *, files=None, spoil=None, disk_of=None):
    """A volume of its own, opened with these members changed; `spoil` replaces bytes of its header, sealed anew."""
    resource = "default/volume/" + name
    disk, record = cases.world.create(name, "data", *words)
    cases.broker.add(record, resource)
    if disk_of:
        disk, _ = cases.world.create(disk_of, "data", *words)
    if spoil:
        luks2.edit(disk, lambda copy: copy.replace(*spoil))
    config = cases.world.config(cases.site)
    cases.add(code, detail, config | {"volumes": [config["volumes"][0] | {"resource": resource} | changes]},
              disk=disk, files=files, resource=resource)


def volume_cases(cases):
    config = cases.world.config(cases.site)
    volume = config["volumes"][0]
    _, other_id = cases.world.volume("other-id", "other")
    cases.broker.add(other_id, "default/volume/other-id")
    cases.add("E-VOLUME-RECORD", 'the broker released the record of "other"',
              config | {"volumes": [volume | {"resource": "default/volume/other-id"}]},
              resource="default/volume/other-id")
    _, other_key = cases.world.volume("other-key")
    cases.broker.add(other_key, "default/volume/other-key")
    cases.add("E-VOLUME-LABEL", "its first block does not have the tag of this key",
              config | {"volumes": [volume | {"resource": "default/volume/other-key"}]},
              resource="default/volume/other-key")
    add_volume(cases, "plain-key", "E-VOLUME-LABEL", "does not carry a label that was made with this key",
               ["--from", cases.world.path("data.content"), "--size", "16", "--integrity", "none"], {"integrity": "none"},
               disk_of="plain-other")
    empty = cases.world.path("empty-content")
    with open(empty, "wb") as file:
        file.truncate(16 << 20)
    add_volume(cases, "no-ext4", "E-VOLUME-MOUNT", "cannot be mounted", ["--content", empty], {})
    add_volume(cases, "no-template", "E-VOLUME-FORMAT", "the template of its file system does not fit",
               ["--blank", "--size", "16"], {}, files={"usr/lib/postern/ext4.template": "x"})
    add_volume(cases, "header", "E-VOLUME-HEADER", "H-SEGMENT-CIPHER",
               ["--from", cases.world.path("data.content"), "--size", "16"], {"mode": "header"},
               spoil=(b"aes-xts-plain64", b"cipher_null-ecb"))
    short = cases.world.path("short.img")
    shutil.copy(cases.world.data, short)
    os.truncate(short, 20 * 1024 * 1024)
    cases.add("E-VOLUME-OPEN", "its disk has 20971520 bytes", disk=short)
    root = cases.world.path("short-root.img")
    shutil.copy(os.path.join(vm.IMAGE, "root.img"), root)
    os.truncate(root, 4096 * 16)
    # A volume of its own: the broker takes no copy of a disk once another copy has been confirmed.
    resource = "default/volume/beside-root"
    disk, record = cases.world.volume("beside-root")
    cases.broker.add(record, resource)
    config = cases.world.config(cases.site)
    cases.add("E-ROOT", "its disk has 65536 bytes", config | {"volumes": [config["volumes"][0] | {"resource": resource}]},
              words=["--root", root], disk=disk, resource=resource)


def main():
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        broker.add(world.record)
        initrd = world.initrd(world.config(broker.site()))
        broker.allow(world.digest(initrd))
        port = vm.free_port()
        control = world.launch(initrd, "--forward", f"{port}:8080")
        tap.same(control.page(port), world.secret, "control: without any of these the page is served")
        control.stop()
        cases = Cases(world, broker)
        configuration_cases(cases)
        launch_cases(cases)
        volume_cases(cases)
        cases.run()
    tap.done()


main()
