/*
 * The attestation report, 1184 bytes (ABI specification table 23, versions 2 to 5), decoded and encoded.
 */
#pragma once

#include "attest/attest.h"
#include "attest/product.h"
#include "base/reason.h"

enum signing_key {
    SIGNING_KEY_VCEK = 0,
    SIGNING_KEY_VLEK = 1,
    SIGNING_KEY_NONE = 7,
};

struct firmware_version {
    uint8_t build, minor, major;
};

struct report {
    uint32_t version; /* 2 to 5 */
    uint32_t guest_svn;
    uint64_t policy; /* GUEST_POLICY_… */
    uint8_t family_id[16];
    uint8_t image_id[16];
    uint32_t vmpl;
    uint32_t signature_algorithm; /* 1: ECDSA P-384 with SHA-384 */
    uint64_t current_tcb;
    uint64_t platform_info;
    uint32_t key_info;
    uint8_t report_data[REPORT_DATA_BYTES];
    uint8_t measurement[MEASUREMENT_BYTES];
    uint8_t host_data[HOST_DATA_BYTES];
    uint8_t id_key_digest[KEY_DIGEST_BYTES];
    uint8_t author_key_digest[KEY_DIGEST_BYTES];
    uint8_t report_id[REPORT_ID_BYTES];
    uint8_t report_id_ma[REPORT_ID_BYTES];
    uint64_t reported_tcb;
    uint8_t cpuid_family, cpuid_model, cpuid_stepping; /* zero in version 2 */
    uint8_t chip_id[CHIP_ID_BYTES];
    uint64_t committed_tcb;
    struct firmware_version current;
    struct firmware_version committed;
    uint64_t launch_tcb;
    uint64_t launch_mit_vector;  /* version 5 */
    uint64_t current_mit_vector; /* version 5 */
    uint8_t signature_r[SIGNATURE_PART_BYTES]; /* little-endian */
    uint8_t signature_s[SIGNATURE_PART_BYTES];

    /* Not fields of the report: where the first reserved byte lies that is not zero; 0 when there is none. */
    size_t reserved_offset;
};

/*
 * Decodes exactly REPORT_BYTES. Nothing is verified. Bits without a meaning in known fields are kept; reserved bytes
 * that are not zero are noted in reserved_offset for the caller to judge. Errors: -EBADMSG for another size or version.
 */
int report_parse(const void *data, size_t size, struct report *ret_report, struct reason *why) MUST_CHECK;

/* The bytes of a report, reserved ones zero. Inverse of report_parse() for reports without reserved_offset. */
void report_encode(const struct report *report, uint8_t ret_data[REPORT_BYTES]);

/* From family and model, or for version 2, which has none, from the shape of the chip id: Turin's has 8 bytes. */
enum product report_product(const struct report *report);

/* "Milan", "Genoa", "Bergamo or Siena", "Turin", "Venice"; "unknown" where the report does not tell. */
const char *report_generation(const struct report *report);

enum signing_key report_signing_key(const struct report *report);
