"""The launch digest of an SEV-SNP guest under QEMU, worked out a second time, from the documents, with hashlib alone.

Sources: AMD 56860 (SNP firmware ABI) sections 8.16 and 8.17 for PAGE_INFO; edk2 OvmfPkg/ResetVector for the tables in
a firmware image; QEMU target/i386/sev.c for the order, the hash table and the register state. Nothing here is taken
from measure/: a mistake would have to be made twice.
"""
import hashlib
import struct
import uuid

PAGE = 4096
FOUR_GIB = 1 << 32
VMSA_ADDRESS = 0xFFFFFFFFF000

FOOTER = uuid.UUID("96b582de-1fb2-45f7-baea-a366c55a082d").bytes_le
RESET_BLOCK = uuid.UUID("00f771de-1a7e-4fcb-890e-68c77e2fb44e").bytes_le
HASH_TABLE = uuid.UUID("7255371f-3a3b-4b04-927b-1da6efa8d454").bytes_le
METADATA = uuid.UUID("dc886566-984a-4798-a75e-5585a7bf67cc").bytes_le

SEC_MEM, SECRETS, CPUID, SVSM_CAA, KERNEL_HASHES = 1, 2, 3, 4, 0x10


class Refused(Exception):
    """No guest can be launched like that, or nobody should try."""


def require(condition, what):
    if not condition:
        raise Refused(what)


class Firmware:
    """What a launch needs to know of an image."""

    def __init__(self, data):
        require(data and len(data) <= 64 << 20 and len(data) % PAGE == 0, "size")
        self.data = data
        self.address = FOUR_GIB - len(data)
        entries = self._footer_entries()
        require(RESET_BLOCK in entries and METADATA in entries, "not for SEV-SNP")
        self.reset = struct.unpack("<I", entries[RESET_BLOCK])[0]
        require(self.reset, "reset address")
        self.hash_address, self.hash_size = struct.unpack("<II", entries.get(HASH_TABLE, bytes(8)))
        require(not self.hash_address or self.hash_address % PAGE + self.hash_size <= PAGE, "hash table across pages")
        self.sections = self._sections(struct.unpack("<I", entries[METADATA])[0])

    def _footer_entries(self):
        end = len(self.data) - 32
        require(self.data[end - 16 : end] == FOOTER, "no footer")
        (total,) = struct.unpack("<H", self.data[end - 18 : end - 16])
        require(18 <= total <= end, "footer length")
        table, entries = self.data[end - total : end - 18], {}
        sizes = {RESET_BLOCK: 4, METADATA: 4, HASH_TABLE: 8}
        while table:
            require(len(table) >= 18, "rest of the footer table")
            (length,), guid = struct.unpack("<H", table[-18:-16]), table[-16:]
            require(18 <= length <= len(table), "entry length")
            if guid in sizes:
                require(length - 18 == sizes[guid], "entry size")
                require(guid not in entries, "entry twice")
                entries[guid] = table[len(table) - length : -18]
            table = table[: len(table) - length]
        return entries

    def _sections(self, from_end):
        require(16 <= from_end <= len(self.data), "metadata place")
        at = self.data[len(self.data) - from_end :]
        magic, length, version, count = struct.unpack("<4sIII", at[:16])
        require(magic == b"ASEV" and version == 1, "metadata head")
        require(count <= 64 and length == 16 + 12 * count and length <= from_end, "metadata length")
        sections = [struct.unpack("<III", at[16 + 12 * i : 28 + 12 * i]) for i in range(count)]
        taken = [(self.address, FOUR_GIB)]
        for address, size, kind in sections:
            require(kind in (SEC_MEM, SECRETS, CPUID, SVSM_CAA, KERNEL_HASHES), "section kind")
            require(size and size % PAGE == 0 and address % PAGE == 0, "section alignment")
            require(size == PAGE or kind in (SEC_MEM, SVSM_CAA), "section size")
            require(address + size <= self.address, "section in the firmware")
            require(all(address + size <= low or high <= address for low, high in taken), "overlap")
            taken.append((address, address + size))
        return sections


def hash_page(firmware, kernel, initrd, cmdline):
    """The page in which QEMU leaves the hashes of a direct boot for the firmware to check."""

    def entry(guid, contents):
        return uuid.UUID(guid).bytes_le + struct.pack("<H", 50) + hashlib.sha256(contents).digest()

    require(firmware.hash_address and firmware.hash_size >= 176, "no room for hashes")
    page_address = firmware.hash_address - firmware.hash_address % PAGE
    require((page_address, PAGE, KERNEL_HASHES) in firmware.sections, "no section for hashes")
    table = uuid.UUID("9438d606-4f22-4cc9-b479-a793d411fd21").bytes_le + struct.pack("<H", 168)
    table += entry("97d02dd8-bd20-4c94-aa78-e7714d36ab2a", cmdline + b"\0")
    table += entry("44baf731-3a2f-4bd7-9af1-41e29169781d", initrd)
    table += entry("4de79437-abd2-427f-b835-d5b172d2045b", kernel)
    return (bytes(firmware.hash_address % PAGE) + table).ljust(PAGE, b"\0")


def save_area(eip, signature, features):
    """A virtual CPU at reset: offsets of AMD's APM volume 2, table B-4, values of QEMU on Linux 6.10 and newer."""
    page = bytearray(PAGE)

    def put(offset, form, *values):
        struct.pack_into("<" + form, page, offset, *values)

    for segment in (0x00, 0x20, 0x30, 0x40, 0x50):  # es ss ds fs gs
        put(segment, "HHIQ", 0, 0x93, 0xFFFF, 0)
    put(0x10, "HHIQ", 0xF000, 0x9B, 0xFFFF, eip & ~0xFFFF)  # cs
    put(0x60, "HHIQ", 0, 0, 0xFFFF, 0)  # gdtr
    put(0x70, "HHIQ", 0, 0x82, 0xFFFF, 0)  # ldtr
    put(0x80, "HHIQ", 0, 0, 0xFFFF, 0)  # idtr
    put(0x90, "HHIQ", 0, 0x8B, 0xFFFF, 0)  # tr
    for offset, value in (
        (0x0D0, 0x1000),  # efer
        (0x148, 0x40),  # cr4
        (0x158, 0x10),  # cr0
        (0x160, 0x400),  # dr7
        (0x168, 0xFFFF0FF0),  # dr6
        (0x170, 2),  # rflags
        (0x178, eip & 0xFFFF),  # rip
        (0x268, 0x0007040600070406),  # g_pat
        (0x310, signature),  # rdx
        (0x3B0, features),  # sev_features
        (0x3E8, 1),  # xcr0
    ):
        put(offset, "Q", value)
    put(0x408, "I", 0x1F80)  # mxcsr
    put(0x410, "H", 0x37F)  # x87_fcw
    return bytes(page)


class Digest:
    """The chain of PAGE_INFO structures."""

    NORMAL, VMSA, ZERO, SECRETS, CPUID = 1, 2, 3, 5, 6

    def __init__(self):
        self.value = bytes(48)

    def add(self, kind, address, page=None):
        contents = hashlib.sha384(page).digest() if page is not None else bytes(48)
        info = self.value + contents + struct.pack("<HBBIQ", 0x70, kind, 0, 0, address)
        self.value = hashlib.sha384(info).digest()


def launch_digest(data, boot, vcpus, signature, features):
    """`boot` is (kernel, initrd, cmdline), all bytes, or None. Returns 48 bytes or raises Refused."""
    firmware = Firmware(data)
    require(1 <= vcpus <= 512, "vcpus")
    page = hash_page(firmware, *boot) if boot else None
    digest = Digest()
    for at in range(0, len(data), PAGE):
        digest.add(Digest.NORMAL, firmware.address + at, data[at : at + PAGE])
    for address, size, kind in firmware.sections:
        if kind == SECRETS:
            digest.add(Digest.SECRETS, address)
        elif kind == CPUID:
            digest.add(Digest.CPUID, address)
        elif kind == KERNEL_HASHES and page is not None:
            digest.add(Digest.NORMAL, address, page)
        else:
            for at in range(0, size, PAGE):
                digest.add(Digest.ZERO, address + at)
    for cpu in range(vcpus):
        digest.add(Digest.VMSA, VMSA_ADDRESS, save_area(firmware.reset if cpu else 0xFFFFFFF0, signature, features))
    return digest.value
