"""A running guest's memory: dumped by QEMU, searched for secrets, and what kind of page each place belongs to.

Kinds come from the guest's own /proc/kpageflags (Linux Documentation/admin-guide/mm/pagemap.rst).
"""
import subprocess

PAGE = 4096
PIECE = 16  # what is searched for: no shorter part of a secret counts as a trace of it
SLAB, BUDDY, MMAP, ANON, LRU, PGTABLE = 1 << 7, 1 << 10, 1 << 11, 1 << 12, 1 << 5, 1 << 26


def kind(flags, place):
    """What a page of this place is: "user", "free", "slab", "kernel"; it does not tell pages that wait to be freed.

    A slab is asked for first: where an ANON page points to its mapping, a slab on a CPU's partial list counts those after it
    (struct slab of Linux 6.12), and an odd count reads as ANON.
    """
    page = place // PAGE
    word = int.from_bytes(flags[page * 8:page * 8 + 8], "little")
    if word & SLAB:
        return "slab"
    if word & (MMAP | ANON | LRU):
        return "user"
    return "free" if word & BUDDY else "kernel"


def pieces(secret):
    """Its parts: one that lies across two pages still has whole ones in each of them."""
    return [secret[at:at + PIECE] for at in range(0, len(secret) - PIECE + 1, PIECE)]


def find(finder, dump, needles):
    """{needle: [places]} of the byte strings that occur in a file."""
    found = {}
    asked = list(dict.fromkeys(needle for needle in needles if len(set(needle)) > 4))
    done = subprocess.run([finder, dump], input="".join(needle.hex() + "\n" for needle in asked), text=True,
                          stdout=subprocess.PIPE, check=True)
    for line in done.stdout.splitlines():
        index, place = map(int, line.split())
        found.setdefault(asked[index], []).append(place)
    return found


SCHEDULE_BYTES = 480  # the kernel's struct crypto_aes_ctx: round keys to encrypt with, and to decrypt with


def expand_aes256(key):
    """The round keys of AES-256 (FIPS 197 section 5.2)."""
    def double(byte):
        return (byte << 1) ^ (0x11B if byte & 0x80 else 0)

    def substitute(byte):
        inverse = next((other for other in range(256) if multiply(byte, other) == 1), 0)
        result = inverse ^ 0x63
        for step in 1, 2, 3, 4:
            result ^= (inverse << step | inverse >> 8 - step) & 0xFF
        return result

    def multiply(a, b):
        product = 0
        while b:
            product ^= a if b & 1 else 0
            a, b = double(a), b >> 1
        return product

    words = [key[at:at + 4] for at in range(0, 32, 4)]
    round_constant = 1
    for n in range(8, 60):
        last = words[-1]
        if n % 8 == 0:
            last = bytes([substitute(byte) for byte in last[1:] + last[:1]])
            last = bytes([last[0] ^ round_constant]) + last[1:]
            round_constant = double(round_constant)
        elif n % 8 == 4:
            last = bytes([substitute(byte) for byte in last])
        words.append(bytes(a ^ b for a, b in zip(words[n - 8], last)))
    return b"".join(words)


def in_schedule(dump, place, key):
    """Whether a part of an AES key lies in its expanded form, where dm-crypt's cipher keeps it."""
    expanded = expand_aes256(key)
    with open(dump, "rb") as file:
        file.seek(max(place - SCHEDULE_BYTES, 0))
        return expanded in file.read(2 * SCHEDULE_BYTES)
