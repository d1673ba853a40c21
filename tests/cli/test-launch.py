#!/usr/bin/env python3
"""postern launch --print: QEMU's words and libvirt's domain for rows of a manifest, and what is refused. Nothing boots
here; tests/vm does that. Prints TAP."""
import base64
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402

POSTERN = os.path.join(TOP, "build/bin/postern")
FIRMWARE = "/builder/firmware/OVMF.amdsev.fd"
HOST_DATA = bytes(range(32))


def run(*words):
    return subprocess.run([POSTERN, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def make_image(folder):
    os.makedirs(folder)
    for name, content in {"kernel": b"a kernel", "initrd": b"an initrd", "cmdline": b"console=ttyS0 'a & <b>'",
                          "root.img": b"a root"}.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
    shutil.copy(FIRMWARE, os.path.join(folder, "firmware.fd"))
    done = run("manifest", "create", folder, "--vcpus", "1-4,8", "--vcpu-type", "EPYC-Milan,EPYC-Genoa")
    assert done.returncode == 0, done.stderr


def sign(folder, key):
    subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-out",
                    key], check=True)
    done = run("id-block", "--idkey", key, "--authorkey", key, "--svn", "3", "--manifest",
               os.path.join(folder, "manifest.json"), "--json")
    with open(os.path.join(folder, "id-blocks.jsonl"), "w", encoding="ascii") as file:
        file.write(done.stdout)
    return [json.loads(line) for line in done.stdout.splitlines()]


def after(words, option, which=0):
    places = [i for i, word in enumerate(words) if word == option]
    return words[places[which] + 1] if len(places) > which else None


def check_hardware(image, blocks):
    row = next(b for b in blocks if b["vcpus"] == 2 and b["vcpu_type"] == "EPYC-Milan")
    done = run("launch", image, "--psp", "hardware", "--vcpus", "2", "--vcpu-type", "EPYC-Milan", "--host-data",
               HOST_DATA.hex(), "--print")
    words = shlex.split(done.stdout)
    tap.same(done.returncode, 0, "hardware: the command is printed") or tap.note(done.stderr)
    tap.same([after(words, "-cpu"), after(words, "-smp"), after(words, "-accel")], ["EPYC-Milan", "2", "kvm"],
             "CPU type and count are the row's")
    found = dict(part.partition("=")[::2] for part in (after(words, "-object", 1) or "").split(","))
    tap.same([found.get(name) for name in ("policy", "kernel-hashes", "id-block", "id-auth", "author-key-enabled")],
             ["0x30000", "on", row["id_block"], row["id_auth"], "on"], "policy, kernel-hashes and the row's ID block")
    tap.same(base64.b64decode(found.get("host-data", "")), HOST_DATA, "host data")
    tap.ok("loader," not in done.stdout and "psp" not in done.stdout, "nothing of a software processor", done.stdout[:300])
    machine = after(words, "-machine")
    tap.same(machine, "q35,confidential-guest-support=snp0,memory-backend=ram0", "the machine is a confidential guest")
    taken = [subprocess.run(["qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none", "-monitor", "stdio",
                             "-object", (after(words, "-object", 1) or "") + more], input="quit\n", stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, check=False) for more in ("", ",no-such=1")]
    tap.same(taken[0].returncode, 0, "QEMU takes that sev-snp-guest object") or tap.note(taken[0].stdout[-300:])
    tap.ok(taken[1].returncode and "no-such" in taken[1].stdout, "and would not take an unknown property", taken[1].stdout)


def validate(folder, text, name):
    path = os.path.join(folder, "domain.xml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    done = subprocess.run(["virt-xml-validate", path, "domain"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    tap.ok(done.returncode == 0, f"{name}: virt-xml-validate finds nothing", done.stdout + text)


def check_libvirt(folder, image, blocks):
    disk = os.path.join(folder, "data & more.img")
    with open(disk, "wb"):
        pass
    more = ["--format", "libvirt", "--vcpus", "8", "--vcpu-type", "EPYC-Genoa", "--disk", f"data={disk}", "--forward",
            "8443:443", "--console", "/var/log/guest.log", "--memory", "2048"]
    row = next(b for b in blocks if b["vcpus"] == 8 and b["vcpu_type"] == "EPYC-Genoa")
    text = run("launch", image, "--psp", "hardware", "--host-data", HOST_DATA.hex(), *more).stdout
    validate(folder, text, "hardware")
    for part in ("<model fallback='forbid'>EPYC-Genoa</model>", "<vcpu>8</vcpu>", "<policy>0x30000</policy>",
                 f"<idBlock>{row['id_block']}</idBlock>", f"<idAuth>{row['id_auth']}</idAuth>", "authorKey='yes'",
                 f"<hostData>{base64.b64encode(HOST_DATA).decode()}</hostData>", "kernelHashes='yes'",
                 "<serial>data</serial>", "<range start='8443' to='443'/>", "<source path='/var/log/guest.log'/>",
                 "data &amp; more.img", "<name>image</name>", "&lt;b&gt;"):
        tap.ok(part in text, f"hardware: the domain has {part[:40]}", text)
    text = run("launch", image, "--psp", "software", "--psp-dir", folder, "--runtime-dir", folder, *more).stdout
    validate(folder, text, "software")
    tap.ok("launchSecurity" not in text and "loader,file=" in text, "software: the table of hashes instead", text)


    text = run("launch", image, "--psp", "hardware", "--at", "/srv/guest", *more).stdout
    validate(folder, text, "elsewhere")
    tap.ok("<kernel>/srv/guest/kernel</kernel>" in text and "<source file='/srv/guest/root.img'/>" in text,
           "elsewhere: the paths of another host", text)


def refused(name, sentence, *words):
    done = run("launch", *words)
    tap.ok(done.returncode == 1 and sentence in done.stderr, f"refused: {name}", f"{done.returncode} {done.stderr}")


def check_refused(folder, image):
    hardware = [image, "--psp", "hardware", "--print"]
    rows = "it has 1-4, 8 vCPUs of EPYC-Milan, EPYC-Genoa with features 0x1"
    refused("a count that no row has", rows, *hardware, "--vcpus", "5", "--vcpu-type", "EPYC-Milan")
    refused("a type that no row has", rows, *hardware, "--vcpus", "2")
    refused("the same under a software processor", rows, image, "--psp", "software", "--psp-dir", folder, "--vcpus", "5")
    refused("features that QEMU does not launch with", "QEMU launches with 0x1", *hardware, "--guest-features", "0x21")
    row = ["--vcpus", "2", "--vcpu-type", "EPYC-Milan"]
    refused("another policy than the ID block's", "the ID block is signed for guest policy 0x30000", *hardware, *row,
            "--policy", "0x20000")
    refused("a policy that no guest can have", "policy", *hardware, *row, "--policy", "0")
    refused("host data of another size", "expected 64 hexadecimal digits", *hardware, *row, "--host-data", "00")
    refused("emulation of hardware", "an SNP guest runs with kvm only", *hardware, *row, "--accel", "tcg")
    refused("another processor", "expected software or hardware", image, "--psp", "tpm")
    refused("another format", "expected qemu or libvirt", *hardware, *row, "--format", "xen")
    refused("a disk that is not there", "No such file", image, "--psp", "hardware", *row, "--format", "libvirt", "--disk",
            "data=nowhere")
    refused("an image at a relative place", "is no absolute path", *hardware, *row, "--at", "images")
    refused("a forward that is none", "is not of the form HOST-PORT:GUEST-PORT", *hardware, *row, "--forward", "80")
    if not os.path.exists("/dev/sev"):
        refused("hardware that is not there", "there is no /dev/sev", image, "--psp", "hardware", *row)
    with open(os.path.join(image, "kernel"), "ab") as file:
        file.write(b"!")
    refused("files that are not the manifest's", "do not give the digest of its manifest's row", *hardware, *row)
    refused("an ID block of another launch", "has no ID block for launch digest", *hardware, *row, "--kernel", FIRMWARE)
    os.unlink(os.path.join(image, "manifest.json"))
    refused("hardware without a manifest", "manifest.json: cannot be opened", *hardware, *row)


def main():
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "image")
        make_image(image)
        blocks = sign(image, os.path.join(folder, "id.key"))
        check_hardware(image, blocks)
        check_libvirt(folder, image, blocks)
        check_refused(folder, image)
    tap.done()


main()
