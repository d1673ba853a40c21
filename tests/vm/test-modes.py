#!/usr/bin/env python3
"""All kinds of volumes in one guest, over two boots: what stays, what goes, what is formatted once. Prints TAP.

The workload appends a line to a file on each writable volume and serves all of them. The disks in mode header are made by
systemd-repart and by mkosi, each in a partition.
"""
import base64
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import tap  # noqa: E402
import vm  # noqa: E402

MIB = 1 << 20
SCRATCH_PLACE = "pci-0000:00:07.0"  # behind network, root, data and three more disks: each gets the next slot
SECONDS = 600  # two volumes are formatted on the way, under emulation
WRITABLE = ["first", "scratch", "sealed"]
SCRIPT = "cd /data/www && for d in " + " ".join(WRITABLE) + "; do echo boot >>$d/boots; done; " \
         "df -k >scratch/df; cat /proc/mounts >scratch/mounts; exec httpd -f -p 8080 -h /data/www"


def make_tree(world):
    """A signed verity tree with one file, 1 MiB into its disk; (disk, members of its volume)."""
    folder = world.path("tree")
    os.makedirs(folder)
    with open(os.path.join(folder, "page"), "w", encoding="ascii") as file:
        file.write("tree " + world.secret)
    with open(os.path.join(folder, "more"), "wb") as file:  # a tree of one block would have no hashes
        file.write(os.urandom(65536))
    disk, tree = world.tree("tree", folder)
    found, blocks = tree["root_hash"], tree["data_blocks"]
    key, placed, block = world.path("signer.pem"), world.path("tree-placed.img"), world.path("tree.block")
    vm.run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", key)
    os.chmod(key, 0o600)
    vm.run(vm.program("postern"), "volume", "sign-tree", "--id", "tree", "--root-hash", found, "--salt", "ab" * 32,
           "--data-blocks", str(blocks), "--hash-start-block", str(blocks), "--tree-version", "2", "--key", key,
           "--output", block)
    with open(disk, "rb") as tree, open(block, "rb") as file, open(placed, "wb") as to:
        content = tree.read()
        to.write(bytes(MIB) + content + file.read())
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], stdout=subprocess.PIPE, check=True)
    return placed, {"offset": MIB, "signed": {"signer": base64.b64encode(der.stdout).decode(),
                                              "block": len(content) // 4096, "least_version": 2}}


def encrypt_by_repart(tree, definitions, key, name):
    vm.run("systemd-repart", "--dry-run=no", "--empty=create", "--size=96M", "--offline=yes", f"--root={tree}",
           f"--definitions={definitions}", f"--key-file={key}", name + ".raw")


def encrypt_by_mkosi(tree, definitions, key, name):
    work = name + ".work"
    os.makedirs(work)
    os.makedirs(os.path.join(tree, "usr/lib"))
    with open(os.path.join(tree, "usr/lib/os-release"), "w", encoding="ascii") as file:
        file.write("ID=none\n")  # mkosi wants a system that says what it is
    vm.run("mkosi", "--directory", "", "--distribution", "custom", "--format", "disk", "--bootable", "no", "--base-tree", tree,
           "--repart-directory", definitions, "--passphrase", key, "--manifest-format", "", "--workspace-dir", work,
           "--package-cache-dir", work, "--cache-directory", work, "--output-directory", os.path.dirname(name),
           "--output", os.path.basename(name), "build")


def make_foreign(world, volume_id, encrypt):
    """A disk that somebody else's tool encrypted, and the record that its owner makes of it."""
    tree, definitions, key = (world.path(f"{volume_id}.{what}") for what in ("tree", "repart.d", "key"))
    os.makedirs(definitions)
    os.makedirs(tree)
    with open(os.path.join(tree, "page"), "w", encoding="ascii") as file:
        file.write(f"{volume_id} {world.secret}")
    with open(key, "wb") as file:
        file.write(os.urandom(32))
    os.chmod(key, 0o600)
    with open(os.path.join(definitions, "10.conf"), "w", encoding="ascii") as file:
        file.write("[Partition]\nType=linux-generic\nFormat=ext4\nCopyFiles=/:/\nEncrypt=key-file\n"
                   "SizeMinBytes=48M\nSizeMaxBytes=48M\n")
    encrypt(tree, definitions, key, world.path(volume_id))
    disk, record = world.path(f"{volume_id}.raw"), world.path(f"{volume_id}.record")
    vm.run(vm.program("postern"), "volume", "adopt", disk, "--offset", str(MIB), "--id", volume_id, "--key-file", key,
           "--record", record)
    return disk, record


FOREIGN = {"repart": encrypt_by_repart, "mkosi": encrypt_by_mkosi}


def make_config(world, broker, tree):
    def volume(name, mode, filesystem="ext4", **members):
        return {"id": name, "device": members.pop("device", name), "mode": mode, "filesystem": filesystem, "mount": f"/data/www/{name}", **members}

    data = {"id": "data", "device": "data", "resource": vm.RESOURCE, "filesystem": "ext4", "mount": "/data"}
    volumes = [data, volume("tree", "verity", "erofs", **tree), volume("scratch", "scratch", length=24 * MIB, device=SCRATCH_PLACE, offset=4 * MIB),
               volume("sealed", "sealed", length=16 * MIB, initialise=True),
               volume("first", "record", resource="default/volume/first"),
               *[volume(name, "header", resource=f"default/volume/{name}", integrity="none", read_only=True)
                 for name in FOREIGN]]
    return world.config(broker.site(), volumes=volumes,
                        workload={"process": {"args": ["/usr/bin/busybox", "sh", "-c", SCRIPT]}})


def boot(world, initrd, append, disks):
    port = vm.free_port()
    named = [word for name, path in disks.items() for word in ("--disk", f"{name}={path}")]
    launch = world.launch(initrd, "--forward", f"{port}:8080", "--boot-timeout", str(SECONDS), "--append", append, *named)
    pages = {name: launch.page(port, name, SECONDS) for name in
             ["index.html", "tree/page", "scratch/df", "scratch/mounts", *[f"{name}/page" for name in FOREIGN],
              *[f"{d}/boots" for d in WRITABLE]]}
    launch.stop()
    return launch, pages


def check_mounts(pages):
    mounts = {words[1]: words for words in map(str.split, (pages["scratch/mounts"] or "").splitlines()) if len(words) > 3}
    for name in "tree", *FOREIGN:
        tap.ok("ro" in mounts.get(f"/data/www/{name}", ["", "", "", ""])[3].split(","), f"{name} is read-only", mounts)
    for name in "scratch", "sealed", "first":
        found = mounts.get(f"/data/www/{name}", ["", "", "", ""])[3].split(",")
        tap.ok({"rw", "nosuid", "nodev", "noexec"} <= set(found), f"{name}: rw, nosuid, nodev, noexec", found)
    sizes = {words[-1]: int(words[1]) for words in map(str.split, (pages["scratch/df"] or "").splitlines()[1:])}
    tap.ok(sizes.get("/data/www/scratch", 0) > sizes.get("/data/www/sealed", 0) + 7000,
           "the file system grew to its volume", sizes)


def main():
    with vm.World() as world, vm.Broker(world.path("broker")) as broker:
        world.data, world.record = world.volume("all", "data", directories=["tree", *FOREIGN, *WRITABLE])
        broker.add(world.record)
        tree_disk, tree = make_tree(world)
        foreign = {name: make_foreign(world, name, encrypt) for name, encrypt in FOREIGN.items()}
        first, first_record = world.create("first", "first", "--blank", "--size", "20")
        broker.add(first_record, "default/volume/first")
        for name, (_, record) in foreign.items():
            broker.add(record, f"default/volume/{name}")
        disks = {"tree": tree_disk + ",ro", "repart": foreign["repart"][0] + ",ro", "first": first,
                 "scratch": vm.blank(world.path("scratch.img"), 32 * MIB), "sealed": vm.blank(world.path("sealed.img"), 32 * MIB),
                 "mkosi": foreign["mkosi"][0] + ",ro"}
        initrd = world.initrd(make_config(world, broker, tree))
        # On a busy machine the emulated timer is late for the kernel's test of it.
        append = world.cmdline() + " no_timer_check"
        for resource in vm.RESOURCE, "default/volume/first", *[f"default/volume/{name}" for name in FOREIGN]:
            broker.allow(world.digest(initrd, append), resource)
            broker.allow(world.digest(initrd, append + " loglevel=4"), resource)
        before = {name: open(disk, "rb").read() for name, (disk, _) in foreign.items()}
        for number in 1, 2:
            launch, pages = boot(world, initrd, append, disks)
            tap.same(launch.status, 0, f"boot {number}: an orderly end") or tap.note(f"{launch.said}\n{launch.refusal()}")
            tap.same([pages[page] for page in ("index.html", "tree/page", *[f"{name}/page" for name in FOREIGN])],
                     [world.secret, "tree " + world.secret, *[f"{name} {world.secret}" for name in FOREIGN]],
                     f"boot {number}: record, verity and header volumes are served")
            tap.same(pages["scratch/boots"], "boot\n", f"boot {number}: the scratch volume is new")
            for name in "first", "sealed":
                tap.same(pages[f"{name}/boots"], "boot\n" * number,
                         f"boot {number}: {name} was formatted {'once' if number == 1 else 'no second time'}")
            check_mounts(pages)
        tap.ok({name: open(disk, "rb").read() for name, (disk, _) in foreign.items()} == before,
               "the disks in mode header were not written")
        launch, _ = boot(world, initrd, append + " loglevel=4", disks)
        refusal = launch.refusal()
        tap.same((refusal.get("code"), "volume sealed" in refusal.get("detail", "")), ("E-VOLUME-LABEL", True),
                 "another measurement derives another key: the sealed volume is refused, not formatted") \
            or tap.note(f"{refusal} {launch.said}")
        key = open(first_record, "rb").read()[-96:]
        tap.ok(world.secret.encode() not in open(world.path("sealed.img"), "rb").read() and key not in
               open(first, "rb").read(), "neither plain text nor key is on the disks")
    tap.done()


main()
