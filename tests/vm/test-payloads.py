#!/usr/bin/env python3
"""Guests whose keys come from a broker that behaves as stock Trustee does: bare volume keys, a passphrase, the confdata
of its provisioner; and what none of these can do. Prints TAP."""
import concurrent.futures
import contextlib
import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "lib"), os.path.join(os.path.dirname(HERE), "interop")]
import kbs_server  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

MIB = 1 << 20
PASSPHRASE = "abcdefghijklmnopqrstuvwxyz012345"
MEASURED = {"mode": "header", "integrity": "none", "offset": MIB, "length": 32 * MIB}


def stock_disk(world):
    """A partitioned disk with a LUKS2 volume that systemd-repart made, with the secret page on it."""
    folder, key, disk = world.path("repart"), world.path("repart.key"), world.path("repart.img")
    os.makedirs(folder + ".d")
    os.makedirs(os.path.join(folder, "www"))
    with open(os.path.join(folder, "www/index.html"), "w", encoding="ascii") as file:
        file.write(world.secret)
    with open(key, "w", encoding="ascii") as file:
        file.write(PASSPHRASE)
    os.chmod(key, 0o600)
    with open(folder + ".d/10.conf", "w", encoding="ascii") as file:
        file.write(f"[Partition]\nType=linux-generic\nFormat=ext4\nCopyFiles={folder}:/\nEncrypt=key-file\n"
                   "SizeMinBytes=48M\nSizeMaxBytes=48M\n")
    vm.run("systemd-repart", "--dry-run=no", "--empty=create", "--size=96M", "--offline=yes", f"--definitions={folder}.d",
           f"--key-file={key}", disk)
    return disk, light_keyslot(world, disk, key)


def light_keyslot(world, disk, key):
    """Has the keyslot ask for 32 MiB, since systemd-repart asks for as much as the builder's machine has, and a guest of
    these tests has 256. Gives the volume key."""
    part, volume_key = world.path("repart.part"), world.path("repart.volume-key")
    with open(disk, "r+b") as whole:
        whole.seek(MIB)
        with open(part, "wb") as file:
            file.write(whole.read(48 * MIB))
        vm.run("cryptsetup", "luksConvertKey", "--batch-mode", "--key-file", key, "--pbkdf", "argon2id", "--pbkdf-memory",
               "32768", "--pbkdf-force-iterations", "4", "--pbkdf-parallel", "1", part)
        vm.run("cryptsetup", "luksDump", "--batch-mode", "--key-file", key, "--dump-volume-key", "--volume-key-file",
               volume_key, part)
        whole.seek(MIB)
        with open(part, "rb") as file:
            whole.write(file.read(16 * MIB))
    with open(volume_key, "rb") as file:
        return file.read()


def parse_record(path):
    """Key, integrity, offset and length of a registered record (docs/volume-record.md)."""
    with open(path, "rb") as file:
        data = file.read()
    words, at = [], 8
    for _ in range(3):
        words.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    offset, length = struct.unpack_from("<4xQQ", data, at)
    at += 36
    at += 2 + data[at]  # the header's MAC, and the state
    return data[at + 1:at + 1 + data[at]], {"mode": "key", "integrity": words[2], "offset": offset, "length": length}


class Guests:
    def __init__(self, world, server, pin):
        self.world, self.count = world, 0
        self.site = {"url": f"https://10.0.2.2:{server.port}", "spki_sha256": [pin]}

    def launch(self, disk, volume, init_data=None, words=()):
        self.count += 1
        config = self.world.config(self.site, release_deadline_s=60)
        old = config["volumes"][0]
        config["volumes"] = [{name: old[name] for name in ("id", "device", "filesystem", "mount")} | volume]
        if init_data:
            text = self.world.path(f"init-data-{self.count}")
            host_data = vm.run(vm.program("postern"), "init-data", "create", text, "--resource", init_data).strip()
            config["init_data"] = {"device": "init-data"}
            words = [*words, "--host-data", host_data, "--disk", f"init-data={text},ro"]
        return self.world.launch(self.world.initrd(config), *words, disk=disk)

    def copy(self, disk):
        self.count += 1
        to = self.world.path(f"disk-{self.count}")
        shutil.copy(disk, to)
        return to

    def page(self, disk, volume, init_data=None):
        forward = vm.free_port()
        launch = self.launch(self.copy(disk), volume, init_data, ["--forward", f"{forward}:8080"])
        page = launch.page(forward)
        launch.stop()
        return page, launch


def certificate(world):
    crt, key = world.path("kbs.crt"), world.path("kbs.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=kbs", "-days", "1", "-keyout", key, "-out", crt], check=True, stderr=subprocess.DEVNULL)
    public = subprocess.run(["openssl", "x509", "-in", crt, "-pubkey", "-noout"], check=True, stdout=subprocess.PIPE).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, check=True,
                         stdout=subprocess.PIPE).stdout
    return crt, key, hashlib.sha256(der).hexdigest()


def main():
    with vm.World() as world:
        crt, tls_key, pin = certificate(world)
        key, place = parse_record(world.record)
        (stock, stock_key), blank = stock_disk(world), world.path("blank")
        with open(blank, "wb") as file:
            file.truncate(os.path.getsize(world.data))
        resources = {"resource/default/volume/key": key, "resource/default/volume/stock": stock_key,
                     "resource/default/volume/passphrase": PASSPHRASE.encode(),
                     "resource/default/volume/other": PASSPHRASE[::-1].encode(),
                     "provisioner/default/4d3e/root": kbs_server.confdata("root", PASSPHRASE)}
        with contextlib.closing(kbs_server.Trustee(crt, tls_key, resources)) as server, \
                concurrent.futures.ThreadPoolExecutor(2) as pool:
            guests = Guests(world, server, pin)
            works = [
                ("a bare volume key", pool.submit(guests.page, world.data, place | {"resource": "default/volume/key"})),
                ("a bare volume key, with systemd-repart's LUKS2 volume", pool.submit(guests.page, stock, MEASURED | {
                    "payload": "key", "resource": "default/volume/stock"})),
                ("a passphrase, with systemd-repart's LUKS2 volume", pool.submit(guests.page, stock, MEASURED | {
                    "payload": "passphrase", "resource": "default/volume/passphrase"})),
                ("the provisioner's confdata, named by init-data", pool.submit(guests.page, stock, MEASURED | {
                    "payload": "confdata", "payload_name": "root", "resource_from_init_data": True},
                    "kbs+provisioner:///default/4d3e/root")),
            ]
            refusals = [
                ("E-VOLUME", "", pool.submit(lambda: guests.launch(blank, place | {
                    "resource": "default/volume/key"}).wait())),
                ("E-VOLUME-HEADER", "its header is that of another key", pool.submit(lambda: guests.launch(
                    guests.copy(stock), MEASURED | {"payload": "passphrase", "resource": "default/volume/other"}).wait())),
                ("E-RELEASE-RECORD", "32 bytes, expected a volume key of 64 or 96", pool.submit(lambda: guests.launch(
                    guests.copy(world.data), place | {"resource": "default/volume/passphrase"}).wait())),
            ]
            for what, future in works:
                page, launch = future.result()
                tap.ok(page == world.secret, f"{what} opens the volume", f"{page!r} {launch.refusal()}")
                tap.ok(not re.search("|".join([PASSPHRASE, key.hex(), stock_key.hex()]), launch.console()), f"{what}: the console has no secret")
            for code, detail, future in refusals:
                launch = future.result()
                refusal = launch.refusal()
                found = (launch.status, refusal.get("code", ""))
                tap.ok(found[0] == 3 and found[1].startswith(code) and detail in refusal.get("detail", ""),
                       f"{code}: {detail or 'a blank disk'}", f"{found} {refusal}\n{launch.said}")
            with open(blank, "rb") as file:
                tap.ok(not file.read().strip(b"\0"), "a bare key has not formatted the blank disk")
            tap.same(server.faults, [], "every message was as the protocol wants it")
    tap.done()


main()
