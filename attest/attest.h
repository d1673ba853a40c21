/*
 * attest/: reports of the secure processor: reading and verifying them, deciding over them, and asking for them.
 *
 * Reports and certificates come from whoever wants something; every byte is hostile until the chain up to a pinned
 * root has been verified. The guest device's answers pass through the host and are treated the same.
 * Formats: AMD "SEV Secure Nested Paging Firmware ABI Specification" (56860), sections 7.3 (ATTESTATION_REPORT) and 2.2
 * (TCB versions); "Versioned Chip Endorsement Key (VCEK) Certificate and KDS Interface Specification" (57230).
 */
#pragma once

#include "base/base.h"

#define REPORT_BYTES 1184
#define REPORT_SIGNED_BYTES 0x2a0
#define REPORT_DATA_BYTES 64
#define MEASUREMENT_BYTES 48
#define HOST_DATA_BYTES 32
#define REPORT_HOST_DATA_AT 0xc0
#define REPORT_ID_BYTES 32
#define CHIP_ID_BYTES 64
#define KEY_DIGEST_BYTES 48
#define SIGNATURE_PART_BYTES 72

/* Guest policy bits (ABI specification 4.3). */
#define GUEST_POLICY_SMT (UINT64_C(1) << 16)
#define GUEST_POLICY_RESERVED_ONE (UINT64_C(1) << 17)
#define GUEST_POLICY_MIGRATE_MA (UINT64_C(1) << 18)
#define GUEST_POLICY_DEBUG (UINT64_C(1) << 19)
