"""Whole guests for tests: the built image, a broker, a software secure processor, QEMU with the real firmware.

A World is a folder with a broker of its own and a volume. What varies from test to test (configuration, command line,
disks, policy) is laid over the production initrd and measured anew, as a builder or a hostile host would do it.
Everything runs inside the builder root; nothing here stands in for a part of Postern.
"""
import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request

from ports import free_port  # noqa: pylint does not see that tests use it as vm.free_port

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, "build")
KERNEL = os.environ.get("VM_KERNEL", "debian")  # of the images, as make's KERNEL


def image_of(profile):
    return os.path.join(BUILD, "image", profile + ("" if KERNEL == "debian" else f"-{KERNEL}"))


IMAGE = image_of("app")  # of World() without another profile
CHIP = os.path.join(BUILD, "tests/chip")
STAGES = ["start", "mounts", "modules", "devices", "network", "report", "expect", "release", "volumes", "root",
          "handoff"]
# The kernel of our own has these built in, where it is one for tests, and takes no modules.
OWN_KERNEL = KERNEL != "debian"
CUSE = None if OWN_KERNEL else os.path.join(IMAGE, "test-modules/modules/cuse.ko")
TSM = [] if OWN_KERNEL else [
    os.path.join(IMAGE, "test-modules/modules/configfs.ko"), os.path.join(IMAGE, "test-modules/modules/tsm.ko"),
    os.path.join(BUILD, "tests/postern-psp-tsm.ko")]
BOOT_SECONDS = 300
# Of a command line: the kernel hands them to PID 1 as arguments and environment, but what looks like a module's.
UNKNOWN_WORDS = "postern.brokers=evil init=/bin/sh POSTERN=evil LD_PRELOAD=/x PATH=/x single -- --config /x"
RESOURCE = "default/volume/data"


def program(name):
    return os.path.join(BUILD, "bin", name)


def run(*words, **more):
    """A program that has to succeed; its standard output."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words[:3])} … failed with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def blank(path, size):
    """A disk of zeros."""
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def chip():
    """The software processor's keys, made once, by the first test that asks: RSA keys of 4096 bits take their time."""
    os.makedirs(os.path.dirname(CHIP), exist_ok=True)
    with open(CHIP + ".lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(CHIP):
            run(program("postern-psp"), "init", "--dir", CHIP)
    return CHIP


def overlay_shim(folder, module=CUSE, tsm=False, parameters=""):
    """Puts into a folder what lies over an initrd whose guest has a software processor: the shim and its module, with
    `tsm` those of configfs-tsm as well; `parameters` are for our own among them, where it is a module."""
    os.makedirs(os.path.join(folder, "usr/lib/postern-psp"))
    shutil.copy(os.path.join(BUILD, "guest/psp-shim"), os.path.join(folder, "init"))
    if module:
        shutil.copy(module, os.path.join(folder, "usr/lib/postern-psp/cuse.ko"))
    for path in TSM if tsm else []:
        shutil.copy(path, os.path.join(folder, "usr/lib/postern-psp"))
    if tsm:
        with open(os.path.join(folder, "usr/lib/postern-psp/postern-psp-tsm.parameters"), "w", encoding="ascii") as file:
            file.write(parameters)


class Broker:
    """postern-broker with keys and store of its own, listening on a free port."""

    def __init__(self, directory, *options, port=0, listen="127.0.0.1"):
        self.directory, self.options, self.port, self.listen = directory, options, port or free_port(), listen
        self.log_path = directory + ".log"
        if not os.path.isdir(directory):
            run(program("postern-broker"), "init", "--dir", directory)
        self.identity = json.loads(run(program("postern-broker"), "identity", "--dir", directory, "--json"))
        self.process = None

    def __enter__(self):
        ready, write = os.pipe()
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [program("postern-broker"), "serve", "--dir", self.directory, "--listen", f"{self.listen}:{self.port}",
                 "--trust-root", os.path.join(chip(), "ark.pem"), "--ready-fd", str(write), *self.options],
                stderr=log, pass_fds=(write,))
        os.close(write)
        with os.fdopen(ready) as pipe:
            if not pipe.read():
                raise RuntimeError(f"the broker does not start: {self.text()}")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    @contextlib.contextmanager
    def suspended(self):
        """It can be connected to, and answers nobody until this is over."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def text(self):
        with open(self.log_path, encoding="utf-8") as log:
            return log.read()

    def events(self, **wanted):
        """The log's objects that have all these members."""
        lines = [json.loads(line) for line in self.text().splitlines() if line.startswith("{")]
        return [line for line in lines if all(line.get(name) == value for name, value in wanted.items())]

    def add(self, record, resource=RESOURCE):
        run(program("postern-broker"), "volume", "add", "--dir", self.directory, "--record", record, "--resource",
            resource)

    def allow(self, digest, resource=RESOURCE):
        run(program("postern-broker"), "allow", "--dir", self.directory, "--resource", resource, "--measurement", digest)

    def site(self):
        """What a guest's configuration has to say about this broker."""
        return {"url": f"https://10.0.2.2:{self.port}", "spki_sha256": [self.identity["spki_sha256"]],
                "record_key": self.identity["record_key"]}


class Launch:
    """A running `postern launch`."""

    def __init__(self, world, name, words, stdin=None):
        self.console_path = os.path.join(world.directory, name + ".console")
        self.began = time.monotonic()
        self.process = subprocess.Popen([program("postern"), "launch", world.image, "--psp", "software", "--psp-dir", chip(),
                                         "--console", self.console_path, *words],
                                        stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.status = self.timeline = self.said = None

    def wait(self, seconds=BOOT_SECONDS):
        self.timeline, self.said = self.process.communicate(timeout=seconds)
        self.status = self.process.returncode
        return self

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.wait()

    def says(self, stage):
        """Whether it has a line of that stage."""
        return any(line["stage"] == stage for line in self.record())

    def reach(self, stage, seconds=BOOT_SECONDS):
        """Waits until the guest has said that it is through with that stage, or ends."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None and stage not in self.stages():
            time.sleep(0.1)

    def stop_at(self, stage, seconds=BOOT_SECONDS):
        """Stops the guest once it is through with that stage."""
        self.reach(stage, seconds)
        return self.stop()

    def ends(self, seconds=BOOT_SECONDS):
        """Whether it ends by itself within that time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            time.sleep(0.1)
        return self.process.poll() is not None

    def page(self, port, path="", seconds=BOOT_SECONDS):
        """The page that the guest serves, or None when it ends without; waits for it."""
        page = self.fetch(port, path, seconds)
        return None if page is None else page.decode()

    def fetch(self, port, path="", seconds=BOOT_SECONDS):
        """The same, as bytes."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
                    return answer.read()
            time.sleep(0.1)
        return None

    def console(self):
        """What it has said so far."""
        with contextlib.suppress(FileNotFoundError), open(self.console_path, "rb") as console:
            return console.read().decode("utf-8", "replace")
        return ""

    def record(self):
        """The guest's boot record."""
        return [json.loads(text) for text in re.findall(r"postern: (\{.*\})", self.console())]

    def stages(self):
        return [line["stage"] for line in self.record() if line.get("outcome") == "ok"]

    def refusal(self):
        """The line with which the guest refused; {} when it did not."""
        refused = [line for line in self.record() if line.get("outcome") == "refused"]
        return refused[0] if refused else {}


class World:
    """A folder with a volume; brokers and guests of one profile's image are started in it."""

    def __init__(self, profile="app"):
        self.image = image_of(profile)
        self.temporary = tempfile.TemporaryDirectory(prefix="postern-vm.")
        self.directory = self.temporary.name
        self.secret = secrets.token_hex(16)
        self.count, self.lock = 0, threading.Lock()
        self.data, self.record = self.volume("data")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def path(self, name):
        return os.path.join(self.directory, name)

    def volume(self, name, identity="data", *words, directories=()):
        """A disk with the secret page on it, and its record. More directories are mount points."""
        www = self.path(name + ".content/www")
        os.makedirs(www)
        for directory in directories:
            os.makedirs(os.path.join(www, directory))
        with open(os.path.join(www, "index.html"), "w", encoding="utf-8") as page:
            page.write(self.secret)
        return self.create(name, identity, "--from", os.path.dirname(www), "--size", "16", *words)

    def create(self, name, identity, *words):
        """`postern volume create` into NAME.img and NAME.record."""
        disk, record = self.path(name + ".img"), self.path(name + ".record")
        run(program("postern"), "volume", "create", "--id", identity, "--output", disk, "--record", record, *words)
        return disk, record

    def tree(self, name, folder):
        """A file system with what is in the folder and a verity tree behind it; (disk, members of a configuration)."""
        disk, root_hash = self.path(name + ".img"), self.path(name + ".hash")
        run("mkfs.erofs", "-T", "0", "--all-root", "-b", "4096", disk, folder)
        blocks = os.path.getsize(disk) // 4096
        run("veritysetup", "format", "--no-superblock", "--hash", "sha256", "--salt", "ab" * 32, "--data-block-size", "4096",
            "--hash-block-size", "4096", "--data-blocks", str(blocks), "--hash-offset", str(blocks * 4096),
            "--root-hash-file", root_hash, disk, disk)
        with open(root_hash, encoding="ascii") as file:
            return disk, {"block_size": 4096, "hash": "sha256", "data_blocks": blocks, "hash_start_block": blocks,
                          "salt": "ab" * 32, "root_hash": file.read().strip()}

    def root(self, name, programs):
        """A root file system of these programs (name: path) alone; (disk, the configuration's `root`)."""
        folder = self.path(name)
        for point in ("dev", "proc", "sys", "run", "tmp", "data"):
            os.makedirs(os.path.join(folder, point))
        for place, program_path in programs.items():
            os.makedirs(os.path.dirname(os.path.join(folder, place)), exist_ok=True)
            shutil.copy(program_path, os.path.join(folder, place))
        disk, tree = self.tree(name, folder)
        return disk, {"device": "root"} | tree

    def config(self, *sites, **changes):
        """The image's configuration with these brokers, and whole members changed; None removes one."""
        with open(os.path.join(self.image, "postern.json"), encoding="utf-8") as file:
            config = json.load(file)
        config |= {"brokers": list(sites), **changes}
        return {name: value for name, value in config.items() if value is not None}

    def initrd(self, config, shim=True, files=None, tsm=False, init=None, programs=None):
        """The production initrd with a configuration and the processor's shim laid over it; more `files` (texts) and
        `programs` (paths) by name, and another program in the place of the production's init."""
        self.count += 1
        stage = self.path(f"overlay-{self.count}")
        os.makedirs(os.path.join(stage, "etc/postern"))
        with open(os.path.join(stage, "etc/postern/postern.json"), "w", encoding="utf-8") as file:
            file.write(config if isinstance(config, str) else json.dumps(config))
        if shim:
            overlay_shim(stage, tsm=tsm)
        if init:
            os.makedirs(os.path.join(stage, "usr/lib/postern"))
            shutil.copy(init, os.path.join(stage, "usr/lib/postern/postern-init"))
        for name, text in (files or {}).items():
            os.makedirs(os.path.dirname(os.path.join(stage, name)), exist_ok=True)
            with open(os.path.join(stage, name), "w", encoding="utf-8") as file:
                file.write(text)
        for name, path in (programs or {}).items():
            os.makedirs(os.path.dirname(os.path.join(stage, name)), exist_ok=True)
            shutil.copy(path, os.path.join(stage, name))
        made = self.path(f"initrd-{self.count}")
        run(os.path.join(TOP, "image/overlay"), os.path.join(self.image, "initrd"), stage, made)
        return made

    def cmdline(self):
        with open(os.path.join(self.image, "cmdline"), encoding="utf-8") as file:
            return file.read()

    def digest(self, initrd, append=None, vcpus=1):
        return run(program("postern"), "measure", "--ovmf", os.path.join(self.image, "firmware.fd"), "--kernel",
                   os.path.join(self.image, "kernel"), "--initrd", initrd, "--append",
                   self.cmdline() if append is None else append, "--vcpus", str(vcpus), "--vcpu-type", "EPYC-v4").strip()

    def launch(self, initrd, *words, disk=None, stdin=None):
        """Starts a guest; without a disk it gets the volume."""
        with self.lock:
            self.count += 1
            name = f"launch-{self.count}"
        disks = ["--disk", f"data={disk or self.data}"] if disk is not False else []
        return Launch(self, name, ["--initrd", initrd, *disks, *words], stdin)
