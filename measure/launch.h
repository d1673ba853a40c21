/*
 * The launch digest of a guest: firmware pages, metadata sections in the firmware's order, one VMSA for each virtual
 * CPU (ABI specification 8.17, SNP_LAUNCH_UPDATE: PAGE_INFO; QEMU target/i386/sev.c). For SEV and SEV-ES: one SHA-256
 * over firmware, hash table and VMSAs.
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"
#include "measure/firmware-file.h"
#include "measure/kernel-hashes.h"
#include "measure/measure.h"

struct launch_inputs {
    const struct firmware_file *firmware;
    const struct firmware_file *svsm;   /* LAUNCH_SNP_SVSM: below the firmware, and its sections instead */
    const struct kernel_hashes *hashes; /* NULL: no direct boot, the section is measured as zeros */
    uint32_t vcpus;                     /* 1 to VCPUS_MAX */
    uint32_t cpu_signature;             /* no part of what EC2 and GCE measure */
    uint64_t features; /* SEV_FEATURES as they are; whether a guest starts with them is for the caller to say */
    enum launch_mode mode;
    enum vmm vmm;
};

/* SHA256_BYTES or LAUNCH_DIGEST_BYTES. */
size_t launch_digest_size(enum launch_mode mode);

/*
 * launch_digest_size() bytes into ret_digest. Errors: -EINVAL for inputs that cannot be launched, named in `why`;
 * -ENOMEM.
 */
int launch_digest(const struct launch_inputs *inputs, uint8_t ret_digest[LAUNCH_DIGEST_BYTES], struct reason *why)
    MUST_CHECK;

/* The same refusals, and nothing computed. */
int launch_check(const struct launch_inputs *inputs, struct reason *why) MUST_CHECK;
