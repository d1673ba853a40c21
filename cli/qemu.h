/*
 * QEMU's command line for a guest on a software secure processor: OVMF's AmdSev build with the table of kernel hashes
 * put where SEV-SNP's launch would put it, and the processor behind the second serial line (DESIGN section 7).
 */
#pragma once

#include "base/base.h"
#include "base/buffer.h"
#include "base/command.h"
#include "base/reason.h"

#define QEMU_MAX_WORDS 128

struct qemu_inputs {
    const char *program; /* "qemu-system-x86_64" */
    const char *accelerator; /* "kvm" or "tcg" */
    const char *vcpu_type;
    uint32_t cpu_signature; /* of that type */
    uint64_t vcpus, memory_mib;
    const char *firmware, *kernel, *initrd, *append, *root;
    const char *hashes;     /* file with the table */
    uint64_t hashes_gpa;    /* where it goes */
    const char *psp_socket; /* listening unix socket of postern-psp */
    int monitor_fd;         /* connected socket for QMP; -1 for none */
    const char *extra_monitor; /* path of a further QMP socket, or NULL */
    const struct option_list *disks;    /* SERIAL=FILE[,ro] */
    const struct option_list *forwards; /* PORT:PORT, host's first, on the loopback address */
};

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
