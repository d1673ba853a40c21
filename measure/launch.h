/*
 * The launch digest of an SEV-SNP guest under QEMU and KVM: firmware pages, metadata sections in the firmware's order,
 * one VMSA for each virtual CPU (ABI specification 8.17, SNP_LAUNCH_UPDATE: PAGE_INFO; QEMU target/i386/sev.c).
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"
#include "measure/firmware.h"
#include "measure/kernel-hashes.h"
#include "measure/measure.h"

struct launch_inputs {
    const struct firmware *firmware;
    const struct kernel_hashes *hashes; /* NULL: no direct boot, the section is measured as zeros */
    uint32_t vcpus;                     /* 1 to VCPUS_MAX */
    uint32_t cpu_signature;
    uint64_t features; /* SEV_FEATURES as they are; whether a guest starts with them is for the caller to say */
};

/* Errors: -EINVAL for inputs that cannot be launched, named in `why`; -ENOMEM. */
int launch_digest(const struct launch_inputs *inputs, uint8_t ret_digest[LAUNCH_DIGEST_BYTES], struct reason *why)
    MUST_CHECK;
