#!/usr/bin/env python3
"""What the built kernel of our own has and has not: reads the .config that its build left. Prints TAP.

The list is by purpose, and not a copy of image/kernel/config: that file could lose a line together with its reason.
"""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402

KERNELS = "/builder/kernel"

WANTED = {
    "an SNP guest": "AMD_MEM_ENCRYPT UNACCEPTED_MEMORY SEV_GUEST TSM_REPORTS CONFIGFS_FS EFI_STUB HYPERVISOR_GUEST KVM_GUEST "
                    "X86_X2APIC SMP",
    "ACPI with a table of our own": "ACPI ACPI_CUSTOM_DSDT ACPI_BUTTON CMDLINE_BOOL",
    "devices": "PCI PCI_MSI VIRTIO_PCI VIRTIO_BLK VIRTIO_NET VIRTIO_CONSOLE VIRTIO_VSOCKETS SERIAL_8250_CONSOLE",
    "disks": "BLK_DEV_DM DM_CRYPT DM_VERITY DM_INTEGRITY EXT4_FS EROFS_FS OVERLAY_FS TMPFS",
    "ciphers": "CRYPTO_AES_NI_INTEL CRYPTO_XTS CRYPTO_GCM CRYPTO_AUTHENC CRYPTO_HMAC CRYPTO_SHA256 CRYPTO_SHA512 "
               "CRYPTO_SHA256_SSSE3 AS_VAES AS_VPCLMULQDQ",
    "workloads": "INET IPV6 UNIX VSOCKETS CGROUPS MEMCG CGROUP_PIDS USER_NS PID_NS NET_NS SECCOMP_FILTER SECURITY_LANDLOCK KEYS",
    "lockdown": "SECURITY_LOCKDOWN_LSM_EARLY LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY SECURITY_DMESG_RESTRICT SECURITY_YAMA",
    "walls inside the kernel": "STRICT_KERNEL_RWX VMAP_STACK RANDOMIZE_BASE RANDOMIZE_MEMORY RANDOMIZE_KSTACK_OFFSET_DEFAULT "
                               "STACKPROTECTOR_STRONG FORTIFY_SOURCE HARDENED_USERCOPY INIT_STACK_ALL_ZERO "
                               "INIT_ON_ALLOC_DEFAULT_ON ZERO_CALL_USED_REGS SLAB_FREELIST_RANDOM SLAB_FREELIST_HARDENED "
                               "SLAB_BUCKETS RANDOM_KMALLOC_CACHES SHUFFLE_PAGE_ALLOCATOR LIST_HARDENED "
                               "BUG_ON_DATA_CORRUPTION UBSAN_BOUNDS UBSAN_TRAP SCHED_STACK_END_CHECK PANIC_ON_OOPS "
                               "X86_KERNEL_IBT X86_UMIP X86_USER_SHADOW_STACK LEGACY_VSYSCALL_NONE PROC_MEM_NO_FORCE",
    "mitigations": "CPU_MITIGATIONS MITIGATION_PAGE_TABLE_ISOLATION MITIGATION_RETPOLINE MITIGATION_RETHUNK "
                   "MITIGATION_UNRET_ENTRY MITIGATION_SRSO MITIGATION_TSA",
}
REFUSED = {
    "modules": "MODULES MODULE_SIG",
    "another kernel, sleep": "KEXEC KEXEC_FILE KEXEC_CORE HIBERNATION SUSPEND",
    "doors to kernel memory": "DEVMEM DEVPORT PROC_KCORE DEBUG_FS KPROBES FTRACE LIVEPATCH KGDB X86_PTDUMP "
                              "X86_MSR X86_CPUID CRASH_DUMP",
    "code or tables of the host": "ACPI_TABLE_UPGRADE ACPI_CONFIGFS ACPI_PRMT ACPI_APEI ACPI_SPCR_TABLE ACPI_HMAT ACPI_BGRT "
                                  "ACPI_FPDT ACPI_DEBUGGER EFI_CUSTOM_SSDT_OVERLAYS EFIVAR_FS PCI_MMCONFIG X86_MPPARSE DMI "
                                  "FIRMWARE_MEMMAP FW_CFG_SYSFS STANDALONE ACPI_MADT_WAKEUP",
    "devices of the host": "VIRTIO_PCI_LEGACY VIRTIO_MMIO VIRTIO_BALLOON VIRTIO_INPUT VIRTIO_FS NET_9P HW_RANDOM_VIRTIO USB "
                           "HOTPLUG_PCI SCSI ATA VT SERIO MSDOS_PARTITION EFI_PARTITION BLK_DEV_LOOP",
    "firmware files": "FW_LOADER FW_LOADER_USER_HELPER",
    "system calls": "BPF_SYSCALL IO_URING USERFAULTFD IA32_EMULATION X86_X32_ABI MODIFY_LDT_SYSCALL X86_IOPL_IOPERM COMPAT_BRK "
                    "BINFMT_MISC CHECKPOINT_RESTORE CRYPTO_USER_API_SKCIPHER CRYPTO_USER_API_HASH",
    "old terminals": "LEGACY_PTYS LEGACY_TIOCSTI LDISC_AUTOLOAD",
    "keys and memory that leave": "MAGIC_SYSRQ COREDUMP SWAP BLK_DEV_WRITE_MOUNTED UEVENT_HELPER",
    "what builds differ by": "RANDSTRUCT_FULL RANDSTRUCT_PERFORMANCE GCC_PLUGINS LOCALVERSION_AUTO DEBUG_INFO IKCONFIG",
    "what is for tests": "FUSE_FS CUSE POSTERN_PSP_TSM PROC_PAGE_MONITOR",
}
VALUES = {"CMDLINE": '"pci=nocrs hpet=disable"', "NR_CPUS": "512", "PANIC_TIMEOUT": "-1",
          "DEFAULT_MMAP_MIN_ADDR": "65536", "ARCH_MMAP_RND_BITS": "32"}


def read(variant):
    with open(os.path.join(KERNELS, variant, "config"), encoding="utf-8") as file:
        return dict(re.findall(r"^CONFIG_(\w+)=(.*)$", file.read(), flags=re.M))


def main():
    if not os.path.exists(os.path.join(KERNELS, "production/config")):
        print("ok 1 - # SKIP no kernel of our own has been built (make kernel)\n1..1")
        return
    found = read("production")
    for purpose, names in WANTED.items():
        tap.same([name for name in names.split() if found.get(name) != "y"], [], f"wanted: {purpose}")
    for purpose, names in REFUSED.items():
        tap.same([name for name in names.split() if name in found], [], f"refused: {purpose}")
    tap.same({name: found.get(name) for name in VALUES}, VALUES, "values")
    tap.same([name for name, value in found.items() if value == "m"], [], "nothing is a module")
    if os.path.exists(os.path.join(KERNELS, "test/config")):
        test = read("test")
        more = sorted(name for name in test.keys() | found.keys() if test.get(name) != found.get(name))
        tap.same(more, ["CUSE", "FUSE_FS", "POSTERN_PSP_TSM", "PROC_PAGE_MONITOR"],
                 "the kernel of tests differs in what stands in for the processor, and says what a page is for")
    tap.done()


main()
