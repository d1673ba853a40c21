/*
 * QEMU's command line for a guest: on an SNP host sev-snp-guest with all that the launch digest and the report show; on
 * a software secure processor OVMF's AmdSev build with the table of kernel hashes
 * put where SEV-SNP's launch would put it, and the processor behind the second serial line (DESIGN section 7).
 */
#pragma once

#include "base/base.h"
#include "base/buffer.h"
#include "base/command.h"
#include "base/reason.h"

#define QEMU_MAX_WORDS 128
#define QEMU_HOST_DATA_BYTES 32u

/* The launch on an SNP host; without it the processor is postern-psp behind the second serial line. */
struct qemu_hardware {
    uint64_t policy;
    const uint8_t *host_data;       /* QEMU_HOST_DATA_BYTES, or NULL */
    const char *id_block, *id_auth; /* base64, or NULL */
    bool has_author;
    unsigned c_bit, reduced_bits; /* of this host: CPUID 0x8000001f */
};

struct qemu_inputs {
    const char *program; /* "qemu-system-x86_64" */
    const char *accelerator; /* "kvm" or "tcg" */
    const char *vcpu_type;
    uint32_t cpu_signature; /* of that type */
    uint64_t vcpus, memory_mib;
    const char *firmware, *kernel, *initrd, *append, *root;
    const struct qemu_hardware *hardware; /* NULL: a software processor, with the three that follow */
    const char *hashes;                   /* file with the table */
    uint64_t hashes_gpa;                  /* where it goes */
    const char *psp_socket;               /* listening unix socket of postern-psp */
    int monitor_fd;         /* connected socket for QMP; -1 for none */
    const char *extra_monitor; /* path of a further QMP socket, or NULL */
    const struct option_list *disks;    /* SERIAL=FILE[,ro] */
    const struct option_list *forwards; /* PORT:PORT, host's first, on the loopback address */
};

/* SERIAL=FILE or SERIAL=FILE,ro */
struct qemu_disk {
    char serial[21]; /* virtio-blk's */
    char *path;
    bool read_only;
};

/* The caller frees with qemu_disk_free(). Errors: -EINVAL, -ENOMEM. */
int qemu_disk_parse(const char *text, struct qemu_disk *ret_disk, struct reason *why) MUST_CHECK;
void qemu_disk_free(struct qemu_disk *disk);

/* HOST-PORT:GUEST-PORT. Errors: -EINVAL. */
int qemu_forward_parse(const char *text, uint16_t *ret_host, uint16_t *ret_guest, struct reason *why) MUST_CHECK;

/* The -cpu under emulation. */
void qemu_emulated_cpu(uint32_t signature, char ret_text[96]);

/* Where this processor has its encryption bit; 51 and 1, EPYC's, on a machine that has none. */
void qemu_host_bits(unsigned *ret_c_bit, unsigned *ret_reduced_bits);

/* Words of a command, ended by NULL. */
struct qemu_command {
    const char *words[QEMU_MAX_WORDS + 1]; /* allocated */
    size_t count;
};

/* The caller frees with qemu_command_free(). Errors: -EINVAL for a disk or forward that is not of its form, -ENOMEM. */
int qemu_command_make(const struct qemu_inputs *inputs, struct qemu_command *ret_command, struct reason *why)
    MUST_CHECK;
void qemu_command_free(struct qemu_command *command);

/* The words quoted for a shell. */
void qemu_command_print(const struct qemu_command *command, struct buffer *to);

/*
 * "kvm" where the processor itself virtualises (kvm_amd, kvm_intel) and /dev/kvm can be opened, else "tcg". Other users
 * of the KVM interface, such as PVM, do not run a stock kernel.
 */
const char *qemu_accelerator(void);
