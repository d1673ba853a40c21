"""LUKS2 headers on disk images, changed as a hostile host would: with right checksums."""
import copy as copies
import hashlib
import json

COPY = 16384


def seal(copy):
    """The copy with the checksum that it should have."""
    copy = bytearray(copy)
    copy[448:512] = bytes(64)
    copy[448:480] = hashlib.sha256(copy).digest()
    return bytes(copy)


def edit(path, change, copies=(0, 1), at=0):
    """Replaces these copies by what `change` makes of them (it may alter their length in the JSON's padding)."""
    with open(path, "r+b") as disk:
        for index in copies:
            disk.seek(at + index * COPY)
            copy = change(disk.read(COPY))
            copy = copy[:COPY].ljust(COPY, b"\0")
            disk.seek(at + index * COPY)
            disk.write(seal(copy))


# Values that stand in headers and that somebody might want there; a mutation puts one in the place of another.
VALUES = [0, 1, -1, 64, 96, 512, 4096, 8192, 2 ** 63, "0", "1", "8", "512", "4096", "32768", "16777216", "16777728", "8192",
          "1048576", "dynamic", "crypt", "linear", "aes-xts-plain64", "aes-xts-plain", "aes-cbc-essiv:sha256",
          "cipher_null-ecb", "capi:xts(ecb(aes-generic))-plain64", "serpent-xts-plain64", "hmac(sha256)", "none", "", [],
          {}, None, True, ["allow-discards"], ["no-journal"], ["0"], {"mandatory": ["online-reencrypt-v2"]}]
MEMBERS = ["flags", "requirements", "integrity", "size", "iv_tweak", "sector_size"]


def seal_json(copy, text):
    """The copy with another JSON text."""
    return seal(copy[:4096] + text.encode().ljust(COPY - 4096, b"\0"))


def text_of(copy):
    return copy[4096:].rstrip(b"\0").decode()


def table_of(header):
    """What would become of the dm table if the header were followed: all of it that has a part in one."""
    parts = []
    for name, segment in sorted(header.get("segments", {}).items()) if isinstance(header.get("segments"), dict) else []:
        parts.append((name, json.dumps(segment, sort_keys=True)))
    config = header.get("config") if isinstance(header.get("config"), dict) else {}
    return parts, json.dumps(config.get("flags")), json.dumps(config.get("requirements"))


def places_of(value, path=()):
    """The paths of all members of a header."""
    for name in value if isinstance(value, dict) else []:
        yield (*path, name)
        yield from places_of(value[name], (*path, name))


def mutate(text, choice):
    """The JSON text with one member replaced, renamed, added or taken away."""
    header = copies.deepcopy(json.loads(text))
    path = choice.choice(list(places_of(header)))
    parent = header
    for name in path[:-1]:
        parent = parent[name]
    kind = choice.randrange(8)
    if kind == 0:
        del parent[path[-1]]
    elif kind == 1:
        parent[choice.choice(["0", "1", "2"])] = parent.pop(path[-1])
    elif kind == 2:
        parent[choice.choice(MEMBERS)] = choice.choice(VALUES)
    else:
        parent[path[-1]] = choice.choice(VALUES)
    return json.dumps(header, separators=(",", ":"))


def table_mutations(text, choice, count):
    """So many different mutations of a JSON text that change what the table would be."""
    right, found = table_of(json.loads(text)), {}
    while len(found) < count:
        mutated = mutate(text, choice)
        if table_of(json.loads(mutated)) != right:
            found[mutated] = None
    return list(found)
