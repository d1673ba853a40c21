#!/usr/bin/env python3
"""postern get-resource in a guest, with evidence of its processor, from a broker that behaves as stock Trustee does.
Prints TAP.

The guest is the image's kernel and initrd with a shell and postern in the place of its init.
"""
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "lib"), os.path.join(os.path.dirname(HERE), "interop")]
import kbs_server  # noqa: E402
import shell  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

TOKEN = b"\0a token of any bytes\n"
PASSPHRASE = "abcdefghijklmnopqrstuvwxyz012345"
INIT_DATA = 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n'

# What is typed, the exit status, and what is then to be seen.
STEPS = [
    ("{get} --path default/app/token --output token", 0, []),
    ("stat -c '%s %a' token", 0, [f"{len(TOKEN)} 600"]),
    ("sha256sum token", 0, [hashlib.sha256(TOKEN).hexdigest()]),
    ("{get} --path kbs:///default/app/token --tee-key p521 | sha256sum", 0, [hashlib.sha256(TOKEN).hexdigest()]),
    ("{get} --path default/app/token --tee-key rsa --base64 | base64 -d | sha256sum", 0,
     [hashlib.sha256(TOKEN).hexdigest()]),
    ("{get} --path kbs+provisioner:///default/4d3e/root --payload confdata --payload-name root --init-data init.toml "
     "| sha256sum", 0, [hashlib.sha256(PASSPHRASE.encode()).hexdigest()]),
    ("{get} --path default/app/token --payload key --output none", 5, ["record: ", "expected a volume key"]),
    ("{get} --path default/app/none --output none", 3, ["denied: ", "PluginInternalError"]),
    ("{get} --path kbs+nosuch:///a/b/c --output none", 4, ["misconfigured: ", "the resource nosuch/a/b/c"]),
    ("{rogue} --path default/app/token --output none", 5, ["broker key: ", "another key than the pinned one"]),
    ("ls none", 1, []),
    ("{get} --path default/app/token --init-data other.toml --output none", 3, ["denied: "]),
]

SCRIPT = r"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
exec >/dev/console 2>&1
cd /usr/lib/postern/modules; for i in failover net_failover virtio_net; do [ ! -f $i.ko ] || insmod $i.ko; done
ip link set lo up; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2
cd /root
""" + shell.LOOP + r"""sync; sleep 1; poweroff -f; sleep 60
"""


def certificate(folder):
    crt, key = os.path.join(folder, "kbs.crt"), os.path.join(folder, "kbs.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=kbs", "-days", "1", "-keyout", key, "-out", crt], check=True, stderr=subprocess.DEVNULL)
    return crt, key


def make_initrd(world, steps, crt):
    stage, made = world.path("stage"), world.path("initrd")
    vm.overlay_shim(stage)
    for folder in "bin", "root", "proc", "sys", "dev", "usr/lib/postern":
        os.makedirs(os.path.join(stage, folder), exist_ok=True)
    shutil.copy("/bin/busybox", os.path.join(stage, "bin/busybox"))
    shutil.copy(vm.program("postern"), os.path.join(stage, "bin/postern"))
    shutil.copy(crt, os.path.join(stage, "root/kbs.crt"))
    for name, text in (("steps", "\n".join(steps) + "\n"), ("root/init.toml", INIT_DATA), ("root/other.toml", INIT_DATA + "#"),
                       ("usr/lib/postern/postern-init", SCRIPT)):
        with open(os.path.join(stage, name), "w", encoding="ascii") as file:
            file.write(text)
    os.chmod(os.path.join(stage, "usr/lib/postern/postern-init"), 0o755)
    vm.run(os.path.join(vm.TOP, "image/overlay"), os.path.join(vm.IMAGE, "initrd"), stage, made)
    return made


def main():
    resources = {"resource/default/app/token": TOKEN,
                 "provisioner/default/4d3e/root": kbs_server.confdata("root", PASSPHRASE)}
    with vm.World() as world:
        crt, key = certificate(world.directory)
        with contextlib.closing(kbs_server.Trustee(crt, key, resources)) as server:
            get = f"postern get-resource --url https://10.0.2.2:{server.port} --cert-file kbs.crt"
            steps = [step.format(get=get, rogue=get.replace("--cert-file kbs.crt", "--spki_sha256 " + "11" * 32))
                     for step, _, _ in STEPS]
            launch = world.launch(make_initrd(world, steps, crt), "--host-data",
                                  hashlib.sha256(INIT_DATA.encode()).hexdigest(), disk=False).wait(300)
            console = launch.console()
            whole, outputs = shell.outputs(console, len(STEPS))
            tap.ok(whole, "the guest came to its end", console[-3000:])
            for (step, status, parts), output in zip(STEPS, outputs):
                tap.ok(shell.ends(output, status, *parts), f"$ {step}", output)
            tap.ok("a token of any" not in console and PASSPHRASE not in console, "the console has no secret")
            tap.ok(len(server.faults) == 1 and "init-data and HOST_DATA" in server.faults[0],
                   "every message was as the protocol wants it, but for the init-data of another launch", server.faults)
    tap.done()


main()
