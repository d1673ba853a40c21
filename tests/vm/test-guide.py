#!/usr/bin/env python3
"""The common guide for attesting a guest, its steps run as they are written, inside a guest; and the guest device with
failures injected. Prints TAP.

A debug guest is the image's kernel and initrd with a shell, curl, openssl and postern laid over it. It reaches
postern-psp by the kernel's own configfs-tsm (through our driver for tests) and by /dev/sev-guest (through the shim); the
key distribution service is postern-psp's, on the host's loopback.
"""
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import psp_client  # noqa: E402
import snp  # noqa: E402
import shell  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

LIMIT_SECONDS = 300

# One step a line: what is typed. Its output and status come back between marks.
GUIDE = """
postern report report.bin request-file.txt --random
postern certificates PEM ./
curl --proto '=http' -sSf {kds}/vlek/v1/Genoa/cert_chain -o ./cert_chain.pem
openssl verify --CAfile cert_chain.pem vlek.pem
postern verify attestation ./ report.bin
postern verify attestation ./ report.bin --trust-root /root/software-ark.pem
postern verify certs ./ --trust-root /root/software-ark.pem
"""

MORE = """
ls
stat -c '%s %a' report.bin request-file.txt
base64 -w 0 report.bin
base64 -w 0 request-file.txt
postern ok
postern ok --json
postern report own.bin request-file.txt --vmpl 0 --json
base64 -w 0 own.bin
cd der && postern certificates DER new && ls new && openssl x509 -inform DER -in new/vlek.der -noout -subject
postern report x.bin zero-tail
postern report x.bin tagged
ls x.bin
postern key key1 vcek --guest_field_select 001001 --vmpl 0
postern key key2 vcek -g 001001 -v 0
postern key key3 vmrk -g 111111 -s 0 -t 1 -v 2
postern key key4 vcek -s 1 -v 0
stat -c '%s %a' key1
cmp key1 key2
cmp key1 key3
ls key4
base64 -w 0 key1
ls /sys/kernel/config/tsm/report
"""

# What postern-psp does about the requests of the last steps, in their order, and what is then to be seen. configfs-tsm
# asks first; when all it says is an errno the device asks again.
INJECTED = [
    ("firmware=0x16*2", 6, "the firmware refused the request with status 0x16: a parameter is invalid"),
    ("firmware=0x27*2", 6, "status 0x27: the key that was asked for is not there"),
    ("status=0x16*2", 6, "the firmware answered with status 0x16"),
    ("status=0x1d*2", 6, "the firmware answered with status 0x1d: the sequence number"),
    ("host=7*2", 6, "the host refused the request with code 7"),
    ("host=2*3,none", 0, "report by configfs-tsm"),
    ("host=1,none", 0, "report by /dev/sev-guest"),
    ("report-size=1183", 6, "configfs-tsm: the report has 1183 bytes, expected 1184"),
    ("report-size=1185", 6, "configfs-tsm: the report has more than 1184 bytes"),
    ("report-size=0", 6, "configfs-tsm: the report has 0 bytes"),
    ("report-size=4294967295", 6, "configfs-tsm: the report has more than 1184 bytes"),
    ("other-data", 6, "the report is for other data than was asked for"),
    ("firmware=0x16,report-size=1183", 6, "the firmware's report has 1183 bytes, expected 1184"),
    ("firmware=0x16,other-data", 6, "the report is for other data than was asked for"),
]

# Somebody else writes to every request there is while reports are made.
RACE = """
while :; do for i in /sys/kernel/config/tsm/report/postern-*; do echo 1 >$i/privlevel; done; done 2>/dev/null &
for i in 1 2 3 4 5 6; do postern report race.bin race-request --random || echo lost; done
kill $!
"""

# The modules of an initrd that has some are not loaded by its own init here.
SCRIPT = r"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin HOME=/root
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mount -t configfs configfs /sys/kernel/config
ln -s /proc/self/fd /dev/fd
cd /usr/lib/postern/modules; for i in failover net_failover virtio_net; do [ ! -f $i.ko ] || insmod $i.ko; done
ip link set lo up; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2
date -s @{now} >/dev/null
cd /root
{preparation}
{steps}sync; sleep 1; poweroff -f; sleep 60
"""


def make_initrd(directory, steps, chip, parameters=""):
    stage = os.path.join(directory, "stage")
    shutil.rmtree(stage, ignore_errors=True)
    os.makedirs(stage)
    vm.overlay_shim(stage, tsm=True, parameters=parameters)
    for folder in "bin", "root", "tmp", "sys", "proc", "root/der", "usr/lib/postern":
        os.makedirs(os.path.join(stage, folder), exist_ok=True)
    shutil.copy("/bin/busybox", os.path.join(stage, "bin/busybox"))
    shutil.copy(vm.program("postern"), os.path.join(stage, "bin/postern"))
    shutil.copy(os.path.join(chip, "ark.pem"), os.path.join(stage, "root/software-ark.pem"))
    for program in "/usr/bin/curl", "/usr/bin/openssl":
        shell.copy_program(stage, program)
    os.makedirs(os.path.join(stage, "usr/lib/x86_64-linux-gnu"), exist_ok=True)
    if not os.path.exists(os.path.join(stage, "lib")):
        os.symlink("usr/lib", os.path.join(stage, "lib"))
    with open(os.path.join(stage, "steps"), "w", encoding="ascii") as file:
        file.write("\n".join(steps) + "\n")
    preparation = ("head -c 48 /dev/urandom >zero-tail; head -c 16 /dev/zero >>zero-tail; "
                   "head -c 48 /dev/urandom >tagged; printf postern/workload >>tagged")
    script = os.path.join(stage, "usr/lib/postern/postern-init")
    with open(script, "w", encoding="ascii") as file:
        file.write(SCRIPT.replace("{now}", str(int(time.time()))).replace("{preparation}", preparation)
                   .replace("{steps}", shell.LOOP))
    os.chmod(script, 0o755)
    made = os.path.join(directory, "initrd")
    vm.run(os.path.join(TOP, "image/overlay"), os.path.join(vm.IMAGE, "initrd"), stage, made)
    return made


def run_steps(directory, name, chip, steps, *options, keep=None, parameters=""):
    """Boots a guest that runs the steps: [(step, output, …)]; `keep` is called with the socket before postern-psp ends."""
    port, path = vm.free_port(), os.path.join(directory, f"{name}.sock")
    steps = [step.format(kds=f"http://10.0.2.2:{port}") if "{kds}" in step else step for step in steps]
    initrd = make_initrd(directory, steps, chip, parameters)
    driver = f"postern_psp_tsm.{parameters}" if vm.OWN_KERNEL and parameters else ""  # built in: no insmod has words for it
    ready, write = os.pipe()
    psp = subprocess.Popen([vm.program("postern-psp"), "serve", "--dir", chip, "--socket", path, "--measurement", "11" * 48,
                            "--ready-fd", str(write), "--kds", f"127.0.0.1:{port}", *options], pass_fds=(write,),
                           stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(ready) as pipe:
        assert pipe.read(), "postern-psp does not start"
    qemu = subprocess.Popen(["qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none", "-M", "q35", "-accel",
                             "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1G", "-serial", "stdio", "-chardev",
                             f"socket,id=psp,path={path},reconnect-ms=500", "-serial", "chardev:psp", "-netdev",
                             "user,id=net", "-device", "virtio-net-pci,netdev=net", "-kernel",
                             os.path.join(vm.IMAGE, "kernel"), "-initrd", initrd, "-append",
                             f"console=ttyS0 panic=-1 quiet {driver}".strip()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    timer = threading.Timer(LIMIT_SECONDS, qemu.kill)
    timer.start()
    console = qemu.stdout.read().decode("utf-8", "replace")
    timer.cancel()
    qemu.wait()
    kept = keep(path) if keep else None
    psp.terminate()
    psp.wait()
    whole, outputs = shell.outputs(console, len(steps))
    tap.ok(whole, f"{name}: the guest came to its end", console[-3000:])
    return outputs, kept


def check_guide(directory, chip):
    guide, more = GUIDE.strip().splitlines(), MORE.strip().splitlines()
    out, keys = run_steps(directory, "guide", chip, guide + more, "--vlek", keep=lambda path: key_of(path))
    found = dict(zip(guide + more, out))

    def step(words, status, *parts):
        line = next(line for line in found if line.startswith(words))
        tap.ok(shell.ends(found[line], status, *parts), f"$ {line}", found[line])
        return found[line]

    def blob(words):
        return base64.b64decode(step(words, 0).split("status")[0])

    step(guide[0], 0, "report by configfs-tsm", "debug images")
    step(guide[1], 0, "3 certificates by configfs-tsm")
    step(guide[2], 0)
    step(guide[3], 0, "vlek.pem: OK")
    # The guide's last step, word for word: a software processor's root is not AMD's, and is refused.
    tap.ok(shell.ends(found[guide[4]], 2), f"$ {guide[4]}", found[guide[4]])
    tap.ok(shell.ends(found[guide[5]], 0), f"$ {guide[5]}", found[guide[5]])
    tap.ok(shell.ends(found[guide[6]], 0), f"$ {guide[6]}", found[guide[6]])
    step("ls", 0, "ark.pem\nasvk.pem\ncert_chain.pem\n", "report.bin\nrequest-file.txt\n", "vlek.pem")
    step("stat -c '%s %a' report.bin", 0, "1184 644\n64 644\n")
    report, request = blob("base64 -w 0 report.bin"), blob("base64 -w 0 request-file.txt")
    with open(os.path.join(chip, "vlek.pem"), "rb") as file:
        vlek = subprocess.run(["openssl", "x509", "-outform", "DER"], stdin=file, stdout=subprocess.PIPE, check=True).stdout
    fields = snp.fields(report)
    tap.ok(snp.signature_holds(report, vlek), "the report is signed by the VLEK")
    tap.same((fields["report_data"], fields["vmpl"], fields["chip_id"]), (request, 1, bytes(64)),
             "its data is the request file's, its VMPL snpguest's default")
    text = step("postern ok", 6, "[ FAIL ] SEV-SNP", "[ PASS ] /dev/sev-guest", "[ PASS ] configfs-tsm       sev_guest")
    state = json.loads(step("postern ok --json", 6).split("\nstatus")[0]) if text else {}
    tap.same((state.get("snp"), state.get("device"), state.get("provider")), (False, True, "sev_guest"), "postern ok --json")
    step("postern report own.bin", 0, '"back_end":"configfs-tsm"', '"certificates":true')
    own = snp.fields(blob("base64 -w 0 own.bin"))
    tap.same((own["vmpl"], own["report_data"]), (0, request), "--vmpl 0, over the file's bytes")
    step("cd der", 0, "ark.der\nasvk.der\nvlek.der\n", "CN=SEV-VLEK")
    step("postern report x.bin zero-tail", 1, "ends in 16 zero bytes")
    step("postern report x.bin tagged", 1, '"postern/" at byte 48')
    step("ls x.bin", 1)
    for line in "key1", "key2", "key3":
        step(f"postern key {line}", 0)
    tap.ok("not a key to seal with" not in found[more[12]], "policy and measurement: a key to seal with", found[more[12]])
    step("postern key key4", 6, "status 0x16")
    step("stat -c '%s %a' key1", 0, "32 600\n")
    step("cmp key1 key2", 0)
    step("cmp key1 key3", 1)
    step("ls key4", 1)
    tap.same(blob("base64 -w 0 key1"), keys, "the key's bytes are the firmware's, and nothing else")
    tap.same(step("ls /sys/kernel", 0).split("status")[0], "", "no request is left behind")


def key_of(path):
    with psp_client.Line(path) as line:
        return line.derived_key(fields=9, vmpl=0)


def check_failures(directory, chip):
    steps = ["rm -f r q; postern report r q --random; echo status $?; ls r q 2>&1" for _ in INJECTED]
    options = [option for words, _, _ in INJECTED for option in ("--inject", words)]
    race = RACE.strip().splitlines()
    out, _ = run_steps(directory, "failures", chip, [*steps, "; ".join(race).replace("&;", "&")], *options)
    for (word, status, words), text in zip(INJECTED, out):
        good = f"status {status}\n" in text and words in text
        files = ("No such file" in text) == (status != 0)
        tap.ok(good and files, f"{word}: {words}", text)
    text = out[len(INJECTED)]
    tap.ok("configfs-tsm: the request was changed meanwhile: generation" in text, "a race is seen", text)
    tap.ok("report by /dev/sev-guest" in text and "lost" not in text, "and the device, which has none, gives the report", text)


def check_floor(directory, chip):
    """A guest that is not its own most privileged level, as under an SVSM: asks for its own level and above alone."""
    steps = ["postern report r0 q --random --vmpl 0", "postern report r1 q --random", "ls r0 r1",
             "postern report r2 q --random --vmpl 2 && base64 -w 0 r2", "postern report r3 q --random --vmpl 3 && base64 -w 0 r3",
             "postern certificates PEM ./", "mkdir /sys/kernel/config/tsm/report/by-hand; cd /sys/kernel/config/tsm/report/by-hand; "
             "cat privlevel_floor; echo 1 >privlevel; echo 2 >privlevel; cat generation; rmdir ../by-hand"]
    out, _ = run_steps(directory, "floor", chip, steps, parameters="privlevel_floor=2")
    for level, text in ((0, out[0]), (1, out[1])):
        tap.ok(shell.ends(text, 1, f"VMPL {level} was asked for, this guest may ask for 2 and above"), f"floor 2: VMPL {level} is refused",
               text)
    tap.ok(shell.ends(out[2], 1), "floor 2: nothing was written", out[2])
    for level, text in ((2, out[3]), (3, out[4])):
        blob = re.search(r"[A-Za-z0-9+/]{1500,}=*", text)
        tap.same(snp.fields(base64.b64decode(blob.group()))["vmpl"] if blob else text, level, f"floor 2: a report for VMPL {level}")
    tap.ok(shell.ends(out[5], 0, "3 certificates by configfs-tsm"), "floor 2: the guest's own level is found by itself", out[5])
    tap.ok("2\n" in out[6] and "Invalid argument" in out[6], "floor 2: it is the kernel's own", out[6])


def check_hostile_tables(directory, chip):
    """Tables that the host made up: reports are to be had all the same, certificates are not."""
    head = bytes.fromhex("63da758de6644564adc5f4b93be8accd")
    entry = lambda offset, size: head + offset.to_bytes(4, "little") + size.to_bytes(4, "little")  # noqa: E731
    tables = {
        "overlapping certificates": (entry(72, 64) + entry(100, 64) + bytes(24) + b"\x30" * 100, "overlap"),
        "a certificate outside": (entry(72, 20000) + bytes(24) + b"\x30" * 4000, "is said to lie at 72 with 20000"),
        "no certificates": (entry(48, 64) + bytes(24) + b"\x30" * 64, "what the host gave as vcek is no certificate"),
    }
    for name, (table, words) in tables.items():
        path = os.path.join(directory, "table")
        with open(path, "wb") as file:
            file.write(table)
        steps = ["postern report r q --random", "postern certificates PEM none; echo status $?; ls none"]
        out, _ = run_steps(directory, name.replace(" ", "-"), chip, steps, "--certificates", path)
        tap.ok(shell.ends(out[0], 0, "report by configfs-tsm"), f"{name}: the report is there", out[0])
        tap.ok("status 3\n" in out[1] and words in out[1] and "No such file" in out[1], f"{name}: refused, nothing written", out[1])


def main():
    with tempfile.TemporaryDirectory(prefix="postern-guide.") as directory:
        chip = os.path.join(directory, "chip")
        vm.run(vm.program("postern-psp"), "init", "--dir", chip)
        start = time.monotonic()
        check_guide(directory, chip)
        tap.note(f"the guide: {time.monotonic() - start:.1f} s")
        check_failures(directory, chip)
        check_floor(directory, chip)
        check_hostile_tables(directory, chip)
    tap.done()


main()
