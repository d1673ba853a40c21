#!/usr/bin/env python3
"""Disks that a hostile host bends, through the production's stage volumes, hundreds of them in a few guests. Prints TAP.

The guest's kernel and modules are the image's; tests/vm/volume-probe.c stands in the place of init. What a block server
does while it is read: tests/vm/test-block-server.py.
"""
import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import luks2  # noqa: E402
import nbd  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402
from probe import BLOCKS, DATA, SECTION, START, TAGS, Probe, difference, flip, line, make_content, mark, marked, read, \
    tables  # noqa: E402

CHOICE = random.Random(6)
MUTATIONS = 200
SECTORS = BLOCKS * 8


def superblock_changes(disk):
    """The cases of what dm-integrity reads: each field with values that it would take and that it would not."""
    sb = read(disk, START, 4096)
    fields = {"version": (8, 1, (0, 1, 3, 5, 6, 8)), "interleave": (9, 1, (2, 14, 16, 31)), "tag": (10, 2, (0, 16, 48, 64)),
              "sections": (12, 4, (0, 2, 6, 100, 0xFFFFFFFF)), "flags": (24, 4, (0, 1, 2, 4, 9, 10, 12, 24, 40, 72, 136)),
              "block": (28, 1, (0, 4, 40))}
    for name, (at, size, values) in fields.items():
        for value in values:
            if int.from_bytes(sb[at:at + size], "little") != value:
                yield f"sb-{name}-{value}", [(START + at, value.to_bytes(size, "little"))]


def check_tags(world, disk, record, content):
    other, _ = world.create("tagged-other", "data", "--content", content)
    foreign, _ = world.create("foreign", "other", "--content", content)
    block = 100
    data, tag = DATA + block * 4096, TAGS + block * 32
    plan = [line("control", "record"), line("control-header", "header"),
            line("data-byte", "record", flip(disk, data + 5)), line("tag-byte", "record", flip(disk, tag)),
            line("moved", "record", (data, read(disk, data + 4096, 4096)), (tag, read(disk, tag + 32, 32))),
            line("label-block", "record", flip(disk, DATA + 3000)),
            line("no-magic", "record", (START, bytes(8))), line("no-superblock", "record", (START, bytes(4096))),
            line("empty-disk", "record", (0, bytes(32768)), (START, bytes(4096))),
            line("other-superblock", "record", (START, read(other, START, 4096))),
            line("other-first-block", "record", (DATA, read(other, DATA, 4096)), (TAGS, read(other, TAGS, 32))),
            line("provided", "record", (START + 16, (8).to_bytes(8, "little"))),
            line("journal", "record", (START + 4096, os.urandom(4096)))]
    changes = dict(superblock_changes(disk))
    plan += [line(name, "record", *places) for name, places in changes.items()]
    flips = [f"flip-{i}" for i in range(100)]
    places = [START + CHOICE.randrange(4096) if i % 4 == 0 else START + CHOICE.randrange(8192 + SECTION) if i % 4 == 1 else
              TAGS + CHOICE.randrange(BLOCKS * 32) if i % 4 == 2 else DATA + CHOICE.randrange(BLOCKS * 4096)
              for i in range(len(flips))]
    plan += [line(name, "record", flip(disk, place, CHOICE.randrange(8))) for name, place in zip(flips, places)]
    plan += ["read 8 1", *header_plan(disk), "read 256 1", line("control-at-the-end", "record")]
    probe = Probe(world, record, plan, disk)
    for name in "control", "control-header", "control-at-the-end":
        probe.opened(name, BLOCKS, 0)
        tap.same(probe.table(name), tables(SECTORS), f"{name}: the live tables")
    probe.opened("data-byte", BLOCKS - 1, 1)
    probe.opened("tag-byte", BLOCKS - 1, 1)
    probe.opened("moved", BLOCKS - 1, 1)
    probe.refused("label-block", "E-VOLUME-LABEL", "does not have the tag of this key")
    probe.refused("other-first-block", "E-VOLUME-LABEL", "does not have the tag of this key")
    for name in "no-magic", "no-superblock", "empty-disk":
        probe.refused(name, "E-VOLUME-OPEN", "there is no integrity superblock")
    probe.opened("other-superblock", BLOCKS, 0)  # it is the same for all volumes of a length
    probe.opened("provided", BLOCKS, 0)  # computed anew by the kernel
    probe.refused("journal", "E-VOLUME-LABEL")
    for name in changes:
        probe.refused(name, "E-VOLUME-OPEN", "integrity superblock: ")
    probe.none_accepted(flips, f"{len(flips)} bits in superblock, journal, tags and data", tables(SECTORS))
    check_header_plan(probe)
    check_mutations(probe)
    again = Probe(world, record, [line("after-all", "record")], disk)
    again.opened("after-all", BLOCKS, 0)  # refusals format nothing: what the rounds changed was put back
    swapped = Probe(world, record, [line("other-volume", "record")], foreign)
    swapped.refused("other-volume", "E-VOLUME-LABEL")


HEADER_EDITS = {
    "H-SEGMENT-CIPHER": (b'"encryption":"aes-xts-plain64","sector', b'"encryption":"cipher_null-ecb","sector'),
    "H-SEGMENT-IV": (b'"iv_tweak":"0"', b'"iv_tweak":"8"'),
    "H-SEGMENT-SECTOR": (b'"sector_size":4096', b'"sector_size":512 '),
    "H-SEGMENT-OFFSET": (b'"offset":"16777216"', b'"offset":"16777728"'),
    "H-SEGMENT-INTEGRITY": (b'"type":"hmac(sha256)"', b'"type":"none"'),
    "H-CONFIG-FLAGS": (b'"config":{', b'"config":{"flags":["no-journal"],'),
    "H-CONFIG-REQUIREMENTS": (b'"config":{', b'"config":{"requirements":{"mandatory":["online-reencrypt"]},'),
    "H-TOKENS": (b'"tokens":{}', b'"tokens":{"0":{"type":"a","keyslots":[]}}'),
    "H-SEGMENT-COUNT": (b'"segments":{"0"', b'"segments":{"1"'),
    "H-JSON": (b'"sector_size":4096', b'"sector_size":4096,"sector_size":4096'),
}


def header_plan(disk):
    """Mode header: each edit in the first copy, the second, both; in mode record it makes no difference."""
    copies = [read(disk, at, 16384) for at in (0, 16384)]
    plan = []
    for code, (find, put) in HEADER_EDITS.items():
        for which in (0,), (1,), (0, 1):
            changes = []
            for index in which:
                changed = copies[index].replace(find, put)
                assert changed != copies[index], code
                changes.append((index * 16384, luks2.seal(changed.rstrip(b"\0").ljust(16384, b"\0"))))
            name = f"{code}.{''.join(map(str, which))}"
            plan += [line("header." + name, "header", *changes), line("record." + name, "record", *changes)]
    digest = json.loads(copies[0][4096:].rstrip(b"\0"))["digests"]["0"]["digest"].encode()
    other = digest[:5] + (b"A" if digest[5:6] != b"A" else b"B") + digest[6:]
    plan += [line("header.other-key", "header",
                  *[(i * 16384, luks2.seal(copies[i].replace(digest, other))) for i in (0, 1)]),
             line("header.salt", "header", *[(i * 16384, luks2.seal(copies[i][:104] + bytes(8) + copies[i][112:]))
                                             for i in (0, 1)]),
             line("header.checksum", "header", flip(disk, 16384 + 450)),
             line("header.512", "header", *[(i * 16384, luks2.seal(copies[i].replace(
                 b'"size":"dynamic"', b'"size":"8192"').rstrip(b"\0").ljust(16384, b"\0"))) for i in (0, 1)])]
    return plan + mutation_plan(copies)


def check_header_plan(probe):
    for code in HEADER_EDITS:
        for which in "0", "1", "01":
            probe.refused(f"header.{code}.{which}", "E-VOLUME-HEADER", code)
            probe.opened(f"record.{code}.{which}", 8, 0)
    probe.refused("header.other-key", "E-VOLUME-HEADER", "its header is that of another key")
    probe.refused("header.salt", "E-VOLUME-HEADER", "its header is not the one that its record was made with")
    probe.refused("header.checksum", "E-VOLUME-HEADER", "H-CHECKSUM")
    probe.refused("header.512", "E-VOLUME-HEADER", "header and record say different things")


def mutation_plan(copies):
    """Random changes of one member that would change the table if the header were followed, in one copy or both."""
    plan = ["read 1 1"]
    for i, text in enumerate(luks2.table_mutations(luks2.text_of(copies[0]), CHOICE, MUTATIONS)):
        which = [(0,), (1,), (0, 1), (0, 1)][i % 4]
        changes = [difference(copies[index], luks2.seal_json(copies[index], text), index * 16384) for index in which]
        plan += [line(f"mutation-{i}.{mode}", mode, *changes) for mode in ("header", "record")]
    return plan


def check_mutations(probe):
    names = {mode: [f"mutation-{i}.{mode}" for i in range(MUTATIONS)] for mode in ("header", "record")}
    probe.none_accepted(names["header"], "mutations of what the table follows from, mode header", tables(SECTORS))
    probe.none_accepted(names["record"], "the same, mode record", tables(SECTORS))
    refused = [name for name in names["header"] if probe.result(name)[1].startswith("E-VOLUME-HEADER ")]
    tap.same(len(refused), MUTATIONS, "each of the mutations is refused in mode header, with the code for headers")
    tap.same([name for name in names["record"] if probe.result(name)[0] != "opened"], [], "and does not matter in mode record")


def foreign_disks(world, disk):
    """Disks that somebody else made, and what is left of one of ours; {name: bytes}, all of the same size."""
    size = os.path.getsize(disk)
    path = world.path("somebody")
    made = {"empty": bytes(size), "random": os.urandom(64 << 10) * (size // (64 << 10) + 1)}
    for name, words in {
            "ext4": ["mke2fs", "-q", "-F", "-t", "ext4", path],
            "luks2": ["cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--key-file", "/etc/passwd", "--pbkdf",
                      "pbkdf2", "--pbkdf-force-iterations", "1000", path],
            "luks1": ["cryptsetup", "luksFormat", "--batch-mode", "--type", "luks1", "--key-file", "/etc/passwd", "--pbkdf",
                      "pbkdf2", "--pbkdf-force-iterations", "1000", path],
            "swap": ["mkswap", path], "erofs": ["mkfs.erofs", "--quiet", path, os.path.join(vm.TOP, "docs")]}.items():
        with open(path, "wb") as file:
            file.truncate(size)
        vm.run(*words)
        made[name] = open(path, "rb").read()
    right = open(disk, "rb").read()
    made["headless"] = bytes(START) + right[START:START + 4096]  # its superblock, and then nothing
    made["half"] = right[:DATA + BLOCKS // 2 * 4096].replace(right[DATA:DATA + 4096], bytes(4096))
    return {name: data[:size].ljust(size, b"\0") for name, data in made.items()}


def check_foreign(world, disk, record, plain_record):
    """Not one of them is opened, and not one is written, in either mode, with tags and without."""
    disks = foreign_disks(world, disk)
    state, written = {"name": None}, {}

    def choose(offset, data):
        index = marked(offset, data)
        if index is not None:
            if index >= 0:
                state["name"] = list(disks)[index]
                server.image[:] = disks[state["name"]]
            return True
        written.setdefault(state["name"], []).append((offset, len(data)))
        return False

    plan = []
    for kind, registered in ("tags", record), ("none", plain_record):
        plan.append(f"record {open(registered, 'rb').read().hex()}")
        plan += [line(f"{name}.{kind}.{mode}", mode, mark(i)) for mode in ("record", "header")
                 for i, name in enumerate(disks)]
    with nbd.Server(disk) as server:
        server.image = bytearray(disks["empty"])
        server.on_write = choose
        probe = Probe(world, record, plan, server)
    for name in disks:
        found = {f"{name}.{kind}.{mode}": probe.result(f"{name}.{kind}.{mode}") for kind in ("tags", "none")
                 for mode in ("record", "header")}
        tap.ok(all(one[0] == "refused" for one in found.values()), f"disk \"{name}\": refused in both modes, with tags and without",
               found)
        # With a superblock of this layout the kernel may bring its own journal into order; never more than that.
        outside = [one for one in written.get(name, []) if not START <= one[0] < TAGS]
        tap.same(outside, [], f"disk \"{name}\": not formatted, nothing of it is written")
    tap.same(sorted(written), sorted(set(written) & {"headless", "half"}), "what has no superblock of ours is not written at all")


def main():
    with vm.World() as world:
        content = world.path("known")
        make_content(content)
        disk, record = world.create("tagged", "data", "--content", content)
        _, plain_record = world.create("without", "data", "--content", content, "--integrity", "none")
        check_foreign(world, disk, record, plain_record)
        check_tags(world, disk, record, content)
    tap.done()


main()
