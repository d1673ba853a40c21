#!/usr/bin/env python3
"""The workload as postern.json describes it, seen from inside: rights, file systems, limits, restarts, how it may end.

Each case is a guest of its own, two at a time. Prints TAP.
"""
import concurrent.futures
import json
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import nbd  # noqa: E402
import qemu  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

PROBE = os.path.join(vm.BUILD, "tests/workload-probe")
# The volume is mounted noexec; that programs on it may run is a measured decision.
BIN = {"destination": "/data/bin", "type": "bind", "source": "/data/bin", "options": ["exec", "ro"]}
ABSENT = "No such file or directory"
LOOK = {name: ["CAP_SYS_PTRACE"] for name in ("bounding", "permitted", "effective")}
KILL = {name: ["CAP_KILL"] for name in ("bounding", "permitted", "effective")}
INSISTENT_GRACE_S = 120
NAMES = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SETPCAP": 8,
         "CAP_NET_BIND_SERVICE": 10, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21, "CAP_SYS_BOOT": 22, "CAP_SYS_RESOURCE": 24,
         "CAP_MKNOD": 27}
DISKS_MOST_S, STALLED_SECONDS = 30, 600


def bits(*names):
    return f"{sum(1 << NAMES[name] for name in names):016x}"


class Facts:
    """What the probe told, by its first words."""

    def __init__(self, text):
        self.text = text or ""
        self.lines = self.text.splitlines()

    def all(self, head):
        return [line[len(head) + 2:] for line in self.lines if line.startswith(head + ": ") or line == head + ":"]

    def one(self, head):
        return (self.all(head) or [None])[0]

    def status(self, path, name):
        for line in self.all(f"file {path}"):
            if line.startswith(name + ":"):
                return line.split(":", 1)[1].split()
        return None


class Guest:
    def __init__(self, world, broker, workload, words="", options=(), **more):
        """`words` are more of the kernel's command line, `options` more of the launch's, `more` of the configuration's."""
        self.world, self.port = world, vm.free_port()
        # A volume of its own: a copy of one that another launch has opened is refused.
        name = f"probe-{world.count}"
        resource = f"default/volume/{name}"
        self.disk, record = world.create(name, "data", "--from", world.path("probe.content"), "--size", "16")
        broker.add(record, resource)
        config = world.config(broker.site(), workload=workload, **more)
        self.initrd = world.initrd(config | {"volumes": [config["volumes"][0] | {"resource": resource}]})
        line = f"{world.cmdline()} {words}".strip()
        broker.allow(world.digest(self.initrd, line), resource)
        self.words = ["--forward", f"{self.port}:8080", "--append", line, *options]

    def start(self):
        return self.world.launch(self.initrd, *self.words, disk=self.disk)

    def run(self, serves=True):
        """Starts, asks for the facts, lets it end; (launch, facts)."""
        launch = self.start()
        facts = Facts(launch.page(self.port) if serves else "")
        if serves:
            launch.page(self.port, "exit", 30)
        return launch.wait(300), facts


def process(*args, **more):
    return {"args": ["/data/bin/probe", *args], **more}


def ends(launch):
    return [{name: line[name] for name in ("status", "signal", "oom", "restarts")}
            for line in launch.record() if line.get("stage") == "exit"]


def end(status, signal=0, oom=False, restarts=0):
    return {"status": status, "signal": signal, "oom": oom, "restarts": restarts}


def check_default_rights(launch, facts):
    """A workload of which nothing is said but its program: as little as possible."""
    tap.same(ends(launch), [end(7)], "plain: exit status 7 is in the boot record") or tap.note(launch.said)
    own = "/proc/self/status"
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        tap.same(facts.status(own, name), ["0" * 16], f"plain: {name} is empty")
    tap.same((facts.status(own, "NoNewPrivs"), facts.status(own, "Seccomp")), (["1"], ["2"]),
             "plain: no new privileges, a filter of system calls")
    tap.same(facts.one("folder /dev"), "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero",
             "plain: /dev has six devices and no disk, no secure processor, no kernel log")
    tap.same(facts.one("folder /proc/self/fd"), "0 1 2 3 4 5", "plain: no descriptor of PID 1")  # 3 to 5 are the probe's own
    for name in ("mount", "umount2", "keyctl", "bpf", "ptrace", "init_module", "kexec_load", "userfaultfd", "reboot"):
        tap.same(facts.one(f"call {name}"), "Operation not permitted", f"plain: {name} is denied")
    tap.same(facts.one("call unshare-user"), "No space left on device", "plain: no user namespaces")
    tap.same((facts.one("call move"), facts.one("call link")), ("done", "done"), "plain: files move from folder to folder")
    tap.same((facts.one("call chmod"), facts.one("call socket")), ("done", "done"), "plain: other calls are not")
    for folder in ("/etc", "/dev"):
        tap.same(facts.one(f"create {folder}"), "Read-only file system", f"plain: {folder} is read-only")
    for folder in ("/tmp", "/dev/shm", "/run", "/data"):
        tap.same(facts.one(f"create {folder}"), "done", f"plain: {folder} is writable for its owner")
    for path in ("/proc/sys/kernel/hostname", "/sys/module/kernel/parameters/panic", "/sys/fs/cgroup/workload/cgroup.procs"):
        tap.same(facts.one(f"write {path}"), "Read-only file system", f"plain: {path} is read-only")
    tap.same(facts.one("write /dev/null"), "open", "plain: /dev/null is not")
    for folder in ("/sys/firmware", "/sys/kernel/config", "/proc/acpi"):
        tap.same(facts.one(f"folder {folder}"), "", f"plain: {folder} shows nothing")
    tap.same((facts.one("file /proc/kcore"), facts.one("file /proc/keys")), (ABSENT if vm.OWN_KERNEL else None, None),
             "plain: masked files are empty" + (", and /proc/kcore is not in this kernel" if vm.OWN_KERNEL else ""))
    tap.same(facts.one("session"), "1", "plain: a session of its own")
    tap.ok('"stage":"handoff"' in (facts.text), "plain: the boot record is there to read")


# Of what PID 1 turns off the kernel of our own has neither the knob nor what it is for.
LACKED = ("modules_disabled", "modprobe", "kexec_load_disabled", "unprivileged_bpf_disabled", "sysrq", "core_pattern",
          "unprivileged_userfaultfd")
KNOBS = {
    "/proc/sys/kernel": {
        "modules_disabled": "1", "sysrq": "0", "kptr_restrict": "2", "dmesg_restrict": "1", "unprivileged_bpf_disabled": "1",
        "core_pattern": "|/bin/false", "kexec_load_disabled": "1", "modprobe": "", "perf_event_paranoid": "3",
        "yama/ptrace_scope": "2", "printk_devkmsg": "on"},
    "/proc/sys/fs": {"suid_dumpable": "0", "protected_symlinks": "1", "protected_hardlinks": "1", "protected_fifos": "2",
                     "protected_regular": "2"},
    "/proc/sys/dev/tty": {"ldisc_autoload": "0", "legacy_tiocsti": "0"},
    "/proc/sys/vm": {"unprivileged_userfaultfd": "0", "swappiness": "0"},
    "/proc/sys/net/ipv6/conf/eth0": {"disable_ipv6": "1"},
    "/sys/kernel": {"rcu_expedited": "0"},
}
# PID 1's file systems and the workload's own below /dev: options of each mount there, and what bounds it.
FILE_SYSTEMS = {
    "/proc": ({"nosuid", "nodev", "noexec"}, set()), "/data": ({"nosuid", "nodev", "noexec"}, set()),
    "/run": ({"nosuid", "nodev", "noexec"}, {"size=65536k"}), "/tmp": ({"nosuid", "nodev", "noexec"}, {"size=65536k"}),
    "/dev": ({"nosuid", "noexec"}, set()), "/dev/pts": ({"nosuid", "noexec"}, {"gid=5", "mode=620", "ptmxmode=666"}),
    "/dev/shm": ({"nosuid", "nodev", "noexec"}, {"size=65536k"}), "/sys": ({"nosuid", "nodev", "noexec", "ro"}, set()),
    "/sys/fs/cgroup": ({"nosuid", "nodev", "noexec", "ro"}, {"nsdelegate", "memory_recursiveprot"}),
}


def check_lacked(facts):
    """Asked by a workload whose filter lets it ask."""
    for name in ("init_module", "kexec_load", "bpf", "userfaultfd"):
        tap.same(facts.one(f"call {name}"), "Function not implemented", f"own kernel: it has no {name}")
    for path in ("/proc/modules", "/proc/sysrq-trigger", "/proc/self/coredump_filter"):
        tap.same(facts.one(f"file {path}"), ABSENT, f"own kernel: it has no {path}")


def check_debugger(launch, facts):
    """With the right to look into everything, in its domain; and started again if it failed."""
    tap.same(ends(launch), [end(0)], "debugger: ends with 0") or tap.note(launch.said)
    tap.same(facts.one("call look-into-pid-1"), "Permission denied", "debugger: PID 1 is out of its sight")
    kept = bits("CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_MKNOD", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_ADMIN",
                "CAP_SYS_BOOT", "CAP_SYS_PTRACE", "CAP_SYS_RESOURCE")
    tap.same([facts.status("/proc/1/status", name) for name in ("CapEff", "CapBnd", "Seccomp")], [[kept], [kept], ["2"]],
             "debugger: PID 1 that may start it again keeps what that takes and what it has, and has a filter")
    server = "/proc/postern-attest/status"
    tap.same({name: facts.status(server, name) for name in ("Uid", "CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")},
             {"Uid": ["0"] * 4, "CapPrm": ["0" * 16], "CapEff": ["0" * 16], "CapBnd": ["0" * 16], "NoNewPrivs": ["1"],
              "Seccomp": ["2"]}, "the attestation server has no capability, can get none, and has a filter")
    tap.same(facts.one("file /proc/postern-attest/oom_score_adj"), "0", "and may be killed for want of memory")


def check_shot(launch):
    """The attestation server's end is told, and the machine's end is not delayed by it."""
    tap.same(ends(launch), [end(0)], "shot: the workload goes on") or tap.note(launch.said)
    tap.same([line.get("note") for line in launch.record() if line.get("stage") == "helper"],
             ["postern-attest ended with status 137"], "shot: the end of a helper is a line of the boot record")


def check_port(launch, path, name):
    """What the host has on its port is the line that the console has, before the last one."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    lines = [line for line in launch.record() if line.get("stage") != "off"]
    tap.ok(text.endswith("\n") and lines and json.loads(text) == lines[-1], f"{name}: the last word goes to the host's port, too",
           (text, lines[-1:]))


def check_pid1(facts):
    tap.same(facts.status("/proc/1/status", "CapEff"), [bits("CAP_KILL", "CAP_SYS_ADMIN", "CAP_SYS_BOOT")],
             "PID 1 keeps three capabilities")
    tap.same(facts.status("/proc/1/status", "CapBnd"), [bits("CAP_KILL", "CAP_SYS_ADMIN", "CAP_SYS_BOOT")],
             "PID 1 can get no others")
    tap.same(facts.status("/proc/1/status", "Seccomp"), ["2"], "PID 1 has a filter of system calls")
    tap.same(facts.status("/proc/1/status", "Name"), ["postern-init"], "PID 1 goes by its name")
    tap.same(facts.one("file /proc/1/oom_score_adj"), "-1000", "PID 1 is not killed for want of memory")
    for folder, wanted in KNOBS.items():
        for name, value in wanted.items():
            lacks = vm.OWN_KERNEL and name in LACKED
            tap.same(facts.one(f"file {folder}/{name}"), ABSENT if lacks else value,
                     f"{folder}/{name} is {'not in this kernel' if lacks else 'set'}")
    interfaces = {who: [line.split(":")[0].strip() for line in facts.all(f"file /proc/{who}/net/dev")[2:]]
                  for who in ("self", "1")}
    tap.same(interfaces, {"self": ["lo", "eth0"], "1": ["lo"]}, "PID 1 has left the network, and the workload is in it")
    mounts = [line.split() for line in facts.all("file /proc/self/mountinfo")]
    types = {line[line.index("-") + 1] for line in mounts}
    tap.same(sorted(types & {"debugfs", "tracefs", "cgroup"}), [], "neither debugfs nor tracefs nor old control groups")
    for path, (flags, bounds) in FILE_SYSTEMS.items():
        there = [line for line in mounts if line[4] == path]
        tap.ok(there and all(flags <= set(line[5].split(",")) and bounds <= set(line[-1].split(",")) for line in there),
               f"{path} is mounted {', '.join([*sorted(flags), *sorted(bounds)])}", there)
    options = {line[4]: line[5].split(",") for line in mounts}
    tap.ok({"ro", "nodev"} <= set(options["/"]), "the root is mounted read-only and nodev", options["/"])


FULL = {
    "hostname": "probe.example",
    "mounts": [BIN, {"destination": "/data/scratch", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "mode=0777"]},
               {"destination": "/data/bound", "type": "bind", "source": "/data/www", "options": ["ro"]}],
    "linux": {"maskedPaths": ["/data/bound"], "readonlyPaths": ["/data/bin", "/not/there"],
              "resources": {"memory": {"limit": 67108864}, "cpu": {"quota": 50000}, "pids": {"limit": 20}},
              "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [
                  {"names": ["chmod", "fchmodat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95},
                  {"names": ["socket"], "action": "SCMP_ACT_ERRNO",
                   "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}]}]}},
    "user_namespaces": True,
    "process": process("serve", "0", env=["A=1", "B=two words"], cwd="/data/www", oomScoreAdj=-5, noNewPrivileges=False,
                       user={"uid": 1000, "gid": 1001, "umask": 63, "additionalGids": [5, 2000]},
                       rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}],
                       capabilities={name: ["CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_SYS_PTRACE"] for name in
                                     ("bounding", "effective", "permitted", "inheritable", "ambient")}),
}


def check_full(launch, facts):
    tap.same(ends(launch), [end(0)], "full: ends with 0") or tap.note(launch.said)
    own = "/proc/self/status"
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        tap.same(facts.status(own, name), [bits("CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_SYS_PTRACE")],
                 f"full: {name} is as configured")
    tap.same((facts.status(own, "Uid"), facts.status(own, "Gid"), facts.status(own, "Groups")),
             (["1000"] * 4, ["1001"] * 4, ["5", "2000"]), "full: user and groups")
    tap.same(facts.status(own, "NoNewPrivs"), ["0"], "full: new privileges where they are asked for")
    tap.same(facts.all("env"), ["A=1", "B=two words"], "full: the environment is what is configured, and nothing of the "
             "command line's")
    tap.same((facts.one("cwd"), facts.one("umask"), facts.one("hostname"), facts.one("nofile")),
             ("/data/www", "0077", "probe.example", "100 200"), "full: folder, umask, host name, limit of open files")
    tap.same(facts.one("file /proc/self/oom_score_adj"), "-5", "full: oomScoreAdj")
    tap.same(facts.one("file /proc/self/cgroup"), "0::/workload", "full: a control group of its own")
    group = "file /sys/fs/cgroup/workload/"
    tap.same((facts.one(group + "memory.max"), facts.one(group + "pids.max"), facts.one(group + "cpu.max")),
             ("67108864", "20", "50000 100000"), "full: limits of memory, processes and processor")
    tap.same(facts.one("call chmod"), "Operation not supported", "full: a configured filter denies with its error")
    tap.ok(facts.one("call socket") == "done" and facts.one("call keyctl") != "Operation not permitted",
           "full: and allows the rest, in the place of the deny list", facts.all("call keyctl"))
    tap.same(facts.one("call look-into-pid-1"), "done", "full: and of Landlock's domain")
    tap.same(facts.one("call unshare-user"), "done", "full: user namespaces where they are asked for")
    tap.same((facts.one("create /data/scratch"), facts.one("create /data/bound")), ("done", "Read-only file system"),
             "full: a tmpfs, and a masked path")
    tap.same(facts.one("write /proc/sys/kernel/hostname"), "Permission denied", "full: given read-only paths replace the default ones")


def check_ends(cases):
    launch, _ = cases["restart"]
    tap.same(ends(launch), [end(3), end(3, restarts=1), end(0, restarts=2)], "restart: again on failure, not after success")
    tap.same([line["outcome"] for line in launch.record() if line.get("stage") == "restart"], ["ok", "ok"],
             "restart: each is in the boot record")
    launch, _ = cases["gives up"]
    tap.same(ends(launch), [end(3), end(3, restarts=1)], "restart: not more often than configured")
    launch, _ = cases["once"]
    tap.same(ends(launch), [end(137, 9), end(127, restarts=1)], "restart: a program that is gone ends by no signal")
    launch, _ = cases["memory"]
    tap.same(ends(launch), [end(137, 9, True)], "memory: the limit is found in the boot record as oom")
    launch, _ = cases["all memory"]
    tap.same(ends(launch), [end(137, 9, True)], "all memory: so is that the guest has no more, without a limit")
    launch, _ = cases["signal"]
    tap.same(ends(launch), [end(128 + 11, 11)], "signal: its number and 128 more")
    launch, _ = cases["orphans"]
    tap.same(ends(launch), [end(42)], "orphans: thousands are reaped, PID 1 does not grow (status 42)")


def check_asked(cases):
    """By SIGTERM to PID 1, from inside; that of the power button is for check_deaf."""
    last = {name: [line for line in cases[name][0].record() if line.get("stage") in ("exit", "off")]
            for name in ("asked", "insists", "signal")}
    if not tap.same({name: [line["stage"] for line in lines] for name, lines in last.items()},
                    dict.fromkeys(last, ["exit", "off"]), "asked: an orderly end"):
        return
    tap.same(ends(cases["asked"][0]), [end(128 + 15, 15)], "asked: SIGTERM to PID 1 is handed on to the workload")
    for name in ("asked", "insists"):
        began = [line["at_us"] for line in cases[name][0].record() if line["stage"] == "handoff"]
        tap.ok(began and began[0] <= last[name][0]["asked_us"] <= last[name][0]["at_us"],
               f"{name}: when it was asked is in the record", last[name])
    tap.same(last["signal"][0]["asked_us"], 0, "asked: and is 0 where nobody was")
    tap.same(ends(cases["insists"][0]), [end(137, 9)], "insists: who asks twice has the workload killed")
    tap.ok(last["insists"][0]["at_us"] - last["insists"][0]["asked_us"] < INSISTENT_GRACE_S * 1000000,
           "insists: before its grace is over", last["insists"])


def check_refusals(cases):
    for name, code, detail, status in (
            ("no file", "E-WORKLOAD", "/data/bin/nothing: cannot be started: No such file or directory", 127),
            ("no program", "E-WORKLOAD", "/data/www/index.html: cannot be started: Permission denied", 126),
            ("no folder", "E-WORKLOAD", "/nowhere: the workload cannot be set up: No such file or directory", 125),
            ("privilege", "E-PRIVILEGE", "PID 1 cannot leave the network: No space left on device", 226),
            ("fault", "E-FAULT", "signal 011", 227),
            ("filter", "E-FAULT", "signal 031", 227)):
        launch, _ = cases[name]
        refusal = launch.refusal()
        tap.same((refusal.get("code"), refusal.get("status"), launch.status), (code, status, 3), f"{code}: {name}")
        tap.ok(detail in refusal.get("detail", ""), f"{code}: {detail}", refusal)


def check_deaf(world, broker):
    """Asked to stop, a workload that does not listen is killed after its grace."""
    guest = Guest(world, broker, {"process": process("deaf", capabilities={"bounding": ["CAP_CHOWN", "CAP_KILL"]}),
                                  "mounts": [BIN], "stop_grace_s": 1})
    launch = guest.start()
    facts = Facts(launch.page(guest.port))
    launch.stop()
    tap.same({name: facts.status("/proc/self/status", name) for name in ("CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb")},
             {"CapBnd": [bits("CAP_CHOWN", "CAP_KILL")]} | dict.fromkeys(("CapPrm", "CapEff", "CapInh", "CapAmb"), [bits()]),
             "capabilities that are bounding alone: nothing is in effect, and no more can be had")
    tap.same(ends(launch), [end(137, 9)], "deaf: killed when the grace is over") or tap.note(launch.said)
    last = [line for line in launch.record() if line.get("stage") in ("exit", "off")]
    if tap.ok(len(last) == 2 and last[0]["asked_us"], "deaf: when it was asked is in the record", last):
        tap.note(f"from the request to power-off: {(last[1]['at_us'] - last[0]['asked_us']) / 1e6:.2f} s, grace 1 s")


def stop_stalled(world, guest):
    """The power button, and from then on the volume's disk does nothing any more, but does not fail either."""
    with nbd.Server(guest.disk) as server:
        guest.words += ["--qemu", nbd.qemu_with(world.path("stalled.qemu"), {guest.disk: server})]
        launch = guest.start()
        launch.page(guest.port)
        server.stall.set()
        launch.process.terminate()
        deadline = time.monotonic() + STALLED_SECONDS
        while time.monotonic() < deadline and launch.process.poll() is None and not launch.says("off"):
            time.sleep(0.2)
        server.stall.clear()  # QEMU itself ends when it has its answers
        return launch.wait()


def check_stalled(launch):
    last = [line for line in launch.record() if line.get("stage") in ("exit", "off")]
    took = (last[1]["at_us"] - last[0]["asked_us"]) / 1e6 if [line["stage"] for line in last] == ["exit", "off"] else 0
    tap.ok(took >= 2 * DISKS_MOST_S and took < 3 * 2 * DISKS_MOST_S,
           "stalled: a disk that answers nothing holds the power-off up for twice the documented time", f"{took} {launch.said}")
    tap.note(f"stalled: from the request to power-off {took:.2f} s")


def main():
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        content = world.path("probe.content")
        for folder in ("bin", "www", "scratch", "bound"):
            os.makedirs(os.path.join(content, folder))
        shutil.copy(PROBE, os.path.join(content, "bin/probe"))
        with open(os.path.join(content, "www/index.html"), "w", encoding="utf-8") as page:
            page.write("no program")

        def with_port(name):
            """A host that has a port for the last word."""
            return ["--qemu", qemu.wrapper(world.path(name + "-qemu"), "-device", "virtio-serial-pci", "-chardev",
                                           f"file,id=exit,path={world.path(name + '-port')}", "-device",
                                           "virtserialport,chardev=exit,name=postern.exit")]

        def guest(program, serves=False, **more):
            return Guest(world, broker, {"process": program, "mounts": [BIN], **more}), serves
        cases = {
            "plain": (Guest(world, broker, {"process": process("serve", "7"), "mounts": [BIN]}, options=with_port("plain")), True),
            "debugger": (Guest(world, broker, {"process": process("serve", "0", capabilities=LOOK), "mounts": [BIN],
                                               "restart": "on-failure"}, attestation={"uids": [0]}), True),
            "shot": (Guest(world, broker, {"process": process("shoot", "9", "postern-attest", capabilities=KILL),
                                           "mounts": [BIN]}, attestation={"uids": [0]}), False),
            "full": (Guest(world, broker, FULL, vm.UNKNOWN_WORDS), True),
            "restart": guest(process("again", "/data/state", "2"), restart="on-failure"),
            "gives up": guest(process("again", "/data/state", "9"), restart="always", restart_attempts=1),
            "once": (Guest(world, broker, {"process": process("once", "9"), "mounts": [BIN | {"options": ["exec"]}],
                                           "restart": "always", "restart_attempts": 1}), False),
            "memory": guest(process("memory", str(1 << 30)), linux={"resources": {"memory": {"limit": 16 << 20}}}),
            "all memory": (Guest(world, broker, {"process": process("memory", str(1 << 30)), "mounts": [BIN]},
                                 options=["--memory", "256"]), False),
            "signal": guest(process("die", "11")),
            "orphans": guest(process("orphans", "5000")),
            "no file": (Guest(world, broker, {"process": {"args": ["/data/bin/nothing"]}, "mounts": [BIN]},
                              options=with_port("no file")), False),
            "no program": guest({"args": ["/data/www/index.html"]}),
            "no folder": guest(process("serve", "0", cwd="/nowhere")),
            "privilege": (Guest(world, broker, {"process": process("serve", "0"), "mounts": [BIN]},
                                "sysctl.user.max_net_namespaces=0"), False),
            "fault": guest(process("shoot", "11", capabilities=KILL)),
            "filter": guest(process("shoot", "31", capabilities=KILL)),  # the signal of a call that its filter does not know
            "asked": guest(process("shoot", "15", capabilities=KILL)),
            "insists": guest(process("insist", capabilities=KILL), stop_grace_s=INSISTENT_GRACE_S),
        }
        to_stall, _ = guest(process("serve", "0"))
        with concurrent.futures.ThreadPoolExecutor(2) as pool, concurrent.futures.ThreadPoolExecutor(1) as idle:
            stalled = idle.submit(stop_stalled, world, to_stall)  # beside the others, since it does nothing but wait
            done = dict(zip(cases, pool.map(lambda case: case[0].run(case[1]), cases.values())))
        check_default_rights(*done["plain"])
        check_pid1(done["plain"][1])
        check_debugger(*done["debugger"])
        check_shot(done["shot"][0])
        for name in "plain", "no file":
            check_port(done[name][0], world.path(name + "-port"), name)
        check_full(*done["full"])
        if vm.OWN_KERNEL:
            check_lacked(done["full"][1])
        check_ends(done)
        check_asked(done)
        check_refusals(done)
        check_deaf(world, broker)
        check_stalled(stalled.result())
    tap.done()


main()
