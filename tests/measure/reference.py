"""The launch digest of an SEV, SEV-ES or SEV-SNP guest, worked out a second time, from the documents, with hashlib alone.

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
SVSM_INFO = uuid.UUID("a789a612-0597-4c4b-a49f-cbb1fe9d1ddd").bytes_le
METADATA = uuid.UUID("dc886566-984a-4798-a75e-5585a7bf67cc").bytes_le

SEC_MEM, SECRETS, CPUID, SVSM_CAA, KERNEL_HASHES = 1, 2, 3, 4, 0x10


class Refused(Exception):
    """No guest can be launched like that, or nobody should try."""


def require(condition, what):
    if not condition:
        raise Refused(what)


MODES = ("snp", "snp:svsm", "seves", "sev")
VMMS = ("QEMU", "QEMU-before-6.10", "ec2", "ec2-2023", "gce")


class Firmware:
    """What a launch needs to know of an image that ends at `end` in guest memory; `needs` says which tables."""

    def __init__(self, data, needs=(RESET_BLOCK, METADATA), end=FOUR_GIB):
        require(data and len(data) <= 64 << 20 and len(data) % PAGE == 0, "size")
        self.data = data
        self.address = end - len(data)
        entries = self._footer_entries()
        require(all(guid in entries for guid in needs), "not for this mode")
        if SVSM_INFO in needs:
            offset = struct.unpack("<I", entries[SVSM_INFO])[0]
            require(offset < len(data), "SVSM entry point")
            self.reset = self.address + offset
        else:
            self.reset = struct.unpack("<I", entries.get(RESET_BLOCK, bytes(4)))[0]
            require(self.reset or RESET_BLOCK not in needs, "reset address")
        self.hash_address, self.hash_size = struct.unpack("<II", entries.get(HASH_TABLE, bytes(8)))
        self.sections = self._sections(struct.unpack("<I", entries[METADATA])[0]) if METADATA in entries else []
        require(not self.hash_address or self.hash_address % PAGE + self.hash_size <= PAGE, "hash table across pages")

    def _footer_entries(self):
        end = len(self.data) - 32
        require(self.data[end - 16 : end] == FOOTER, "no footer")
        (total,) = struct.unpack("<H", self.data[end - 18 : end - 16])
        require(18 <= total <= end, "footer length")
        table, entries = self.data[end - total : end - 18], {}
        sizes = {RESET_BLOCK: 4, METADATA: 4, HASH_TABLE: 8, SVSM_INFO: 4}
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
        taken = [(self.address, self.address + len(self.data))]
        for address, size, kind in sections:
            require(kind in (SEC_MEM, SECRETS, CPUID, SVSM_CAA, KERNEL_HASHES), "section kind")
            require(size and size % PAGE == 0 and address % PAGE == 0, "section alignment")
            require(size == PAGE or kind in (SEC_MEM, SVSM_CAA), "section size")
            require(address + size <= self.address, "section in the firmware")
            require(all(address + size <= low or high <= address for low, high in taken), "overlap")
            taken.append((address, address + size))
        return sections


def hash_table(firmware, kernel, initrd, cmdline):
    """The hashes of a direct boot as QEMU leaves them for the firmware to check, padded to 16 bytes."""

    def entry(guid, contents):
        return uuid.UUID(guid).bytes_le + struct.pack("<H", 50) + hashlib.sha256(contents).digest()

    require(firmware.hash_address and firmware.hash_size >= 176, "no room for hashes")
    table = uuid.UUID("9438d606-4f22-4cc9-b479-a793d411fd21").bytes_le + struct.pack("<H", 168)
    table += entry("97d02dd8-bd20-4c94-aa78-e7714d36ab2a", cmdline + b"\0")
    table += entry("44baf731-3a2f-4bd7-9af1-41e29169781d", initrd)
    table += entry("4de79437-abd2-427f-b835-d5b172d2045b", kernel)
    return table.ljust(176, b"\0")


def hash_page(firmware, kernel, initrd, cmdline):
    """For SEV-SNP: the page with the table in it."""
    page_address = firmware.hash_address - firmware.hash_address % PAGE
    table = hash_table(firmware, kernel, initrd, cmdline)
    require((page_address, PAGE, KERNEL_HASHES) in firmware.sections, "no section for hashes")
    return (bytes(firmware.hash_address % PAGE) + table).ljust(PAGE, b"\0")


def save_area(eip, signature, features, vmm="QEMU", svsm=False):
    """A virtual CPU at reset: offsets of AMD's APM volume 2, table B-4, values of the VMM."""
    page = bytearray(PAGE)
    ec2, google = vmm.startswith("ec2"), vmm == "gce"

    def put(offset, form, *values):
        struct.pack_into("<" + form, page, offset, *values)

    if svsm:
        for segment in (0x00, 0x20, 0x30, 0x40):  # es ss ds fs
            put(segment, "HHIQ", 16, 0xC93, 0xFFFFFFFF, 0)
        put(0x50, "HHIQ", 0, 0x93, 0xFFFF, 0)  # gs
        put(0x10, "HHIQ", 8, 0xC9B, 0xFFFFFFFF, 0)  # cs
    else:
        for segment in (0x00, 0x30, 0x40, 0x50):  # es ds fs gs
            put(segment, "HHIQ", 0, 0x93, 0xFFFF, 0)
        put(0x20, "HHIQ", 0, 0x92 if ec2 else 0x93, 0xFFFF, 0)  # ss
        boot = eip == 0xFFFFFFF0
        put(0x10, "HHIQ", 0xF000, 0x9A if ec2 and boot else 0x9B, 0xFFFF, eip & ~0xFFFF)  # cs
    put(0x60, "HHIQ", 0, 0, 0xFFFF, 0)  # gdtr
    put(0x70, "HHIQ", 0, 0x82, 0xFFFF, 0)  # ldtr
    put(0x80, "HHIQ", 0, 0, 0xFFFF, 0)  # idtr
    put(0x90, "HHIQ", 0, 0x83 if ec2 else 0x8B, 0xFFFF, 0)  # tr
    rdx = {"ec2": 0x600, "gce": 0x600, "ec2-2023": 0}.get(vmm, signature)
    for offset, value in (
        (0x0D0, 0x1000),  # efer
        (0x148, 0x40),  # cr4
        (0x158, 0x11 if svsm else 0x10),  # cr0
        (0x160, 0x400),  # dr7
        (0x168, 0xFFFF0FF0),  # dr6
        (0x170, 2),  # rflags
        (0x178, eip if svsm else eip & 0xFFFF),  # rip
        (0x268, 0x00070106 if google else 0x0007040600070406),  # g_pat
        (0x310, rdx),
        (0x3B0, features),  # sev_features
        (0x3E8, 1),  # xcr0
    ):
        put(offset, "Q", value)
    if vmm == "QEMU":
        put(0x408, "I", 0x1F80)  # mxcsr
        put(0x410, "H", 0 if svsm else 0x37F)  # x87_fcw
    return bytes(page)


class Digest:
    """The chain of PAGE_INFO structures."""

    NORMAL, VMSA, ZERO, UNMEASURED, SECRETS, CPUID = 1, 2, 3, 4, 5, 6

    def __init__(self):
        self.value = bytes(48)

    def add(self, kind, address, page=None):
        contents = hashlib.sha384(page).digest() if page is not None else bytes(48)
        info = self.value + contents + struct.pack("<HBBIQ", 0x70, kind, 0, 0, address)
        self.value = hashlib.sha384(info).digest()

    def add_image(self, image):
        for at in range(0, len(image.data), PAGE):
            self.add(Digest.NORMAL, image.address + at, image.data[at : at + PAGE])

    def add_sections(self, sections, page, vmm):
        if vmm.startswith("ec2"):
            sections = [s for s in sections if s[2] != CPUID] + [s for s in sections if s[2] == CPUID]
        for address, size, kind in sections:
            if kind == SECRETS:
                self.add(Digest.SECRETS, address)
            elif kind == CPUID:
                self.add(Digest.CPUID, address)
            elif kind == KERNEL_HASHES and page is not None:
                self.add(Digest.NORMAL, address, page)
            else:
                unmeasured = kind == SEC_MEM and vmm == "gce"
                for at in range(0, size, PAGE):
                    self.add(Digest.UNMEASURED if unmeasured else Digest.ZERO, address + at)


def launch_snp(data, boot, vcpus, signature, features, vmm):
    firmware = Firmware(data)
    require(1 <= vcpus <= 512, "vcpus")
    page = hash_page(firmware, *boot) if boot else None
    digest = Digest()
    digest.add_image(firmware)
    digest.add_sections(firmware.sections, page, vmm)
    for cpu in range(vcpus):
        area = save_area(firmware.reset if cpu else 0xFFFFFFF0, signature, features, vmm)
        digest.add(Digest.VMSA, VMSA_ADDRESS, area)
    return digest.value


def launch_svsm(data, boot, vcpus, signature, vmm, svsm):
    firmware = Firmware(data, needs=())
    monitor = Firmware(svsm, needs=(SVSM_INFO, METADATA), end=firmware.address)
    require(1 <= vcpus <= 512 and not boot and vmm.startswith("QEMU"), "not with an SVSM")
    digest = Digest()
    digest.add_image(firmware)
    digest.add_image(monitor)
    digest.add_sections(monitor.sections, None, vmm)
    for _ in range(vcpus):
        digest.add(Digest.VMSA, VMSA_ADDRESS, save_area(monitor.reset, signature, 1, vmm, svsm=True))
    return digest.value


def launch_digest(data, boot, vcpus, signature, features, mode="snp", vmm="QEMU", svsm=None):
    """`boot` is (kernel, initrd, cmdline), all bytes, or None. Returns 48 or 32 bytes or raises Refused."""
    if mode == "snp":
        return launch_snp(data, boot, vcpus, signature, features, vmm)
    if mode == "snp:svsm":
        return launch_svsm(data, boot, vcpus, signature, vmm, svsm)
    firmware = Firmware(data, needs=(RESET_BLOCK,) if mode == "seves" else ())
    everything = data + (hash_table(firmware, *boot) if boot else b"")
    if mode == "seves":
        require(1 <= vcpus <= 512, "vcpus")
        for cpu in range(vcpus):
            everything += save_area(firmware.reset if cpu else 0xFFFFFFF0, signature, 0, vmm)
    return hashlib.sha256(everything).digest()
