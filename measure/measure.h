/*
 * measure/: what the secure processor will have measured when a guest starts. Pure functions over firmware, kernel,
 * initrd and command line.
 *
 * Whoever publishes the files controls them; a firmware image in particular is read as hostile bytes. Nothing here
 * talks to a processor. The facts come from AMD's "SEV Secure Nested Paging Firmware ABI Specification" (56860),
 * sections 8.10 to 8.17 (launch), and from QEMU's target/i386/sev.c, which decides the order.
 */
#pragma once

#include "base/base.h"

#define LAUNCH_DIGEST_BYTES 48
#define SHA256_BYTES 32
#define SHA384_BYTES 48
#define VCPUS_MAX 512

/* SEV_FEATURES bit 0: without it there is no SNP. */
#define SEV_FEATURE_SNP_ACTIVE 0x1u

/* What is launched. SEV and SEV-ES have a digest of SHA256_BYTES, SEV-SNP one of LAUNCH_DIGEST_BYTES. */
enum launch_mode {
    LAUNCH_SNP,
    LAUNCH_SNP_SVSM, /* OVMF and a COCONUT SVSM, under QEMU */
    LAUNCH_SEV_ES,
    LAUNCH_SEV,
};

/* Who launches it, which decides the order of the pages and the initial registers. */
enum vmm {
    VMM_QEMU,
    VMM_QEMU_OLD, /* on a host with Linux before 6.10 */
    VMM_EC2,      /* as AWS does since April 2026 */
    VMM_EC2_OLD,  /* as AWS did from 2023 to then */
    VMM_GCE,
};

#define VMM_COUNT 5

/* For sentences: what vmm_find() takes. */
#define VMM_NAMES "QEMU, QEMU-before-6.10, ec2, ec2-2023 or gce"

const char *vmm_name(enum vmm vmm);

/* By that name, in any case. Errors: -ENOENT. */
int vmm_find(const char *name, enum vmm *ret_vmm) MUST_CHECK;

/* Whether the CPU signature is in what it measures. */
bool vmm_measures_signature(enum vmm vmm);
