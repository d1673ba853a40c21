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
