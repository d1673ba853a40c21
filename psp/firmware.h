/*
 * What firmware and host answer to a guest's requests, for one launch (ABI specification chapter 7; GHCB specification,
 * SNP Guest Request and SNP Extended Guest Request).
 */
#pragma once

#include "psp/chip.h"
#include "psp/inject.h"
#include "psp/wire.h"

/* What the host said at launch and the firmware measured. */
struct launch {
    uint8_t measurement[MEASUREMENT_BYTES];
    uint64_t policy;
    uint8_t host_data[HOST_DATA_BYTES];
    uint8_t family_id[16];
    uint8_t image_id[16];
    uint32_t guest_svn;
    uint8_t id_key_digest[KEY_DIGEST_BYTES];
    uint8_t author_key_digest[KEY_DIGEST_BYTES];
    bool has_author_key;
    uint8_t report_id[REPORT_ID_BYTES]; /* fresh for each launch */
    uint32_t report_version;            /* 2 to 5 */
    bool certificates;                  /* whether the host attaches the chip's */
    const uint8_t *table;               /* what it attaches instead; NULL: the chip's */
    size_t table_size;                  /* at most CERT_TABLE_MAX_BYTES */
    struct injection injections[INJECTION_MAX];
    size_t injection_count;
};

/* Whether firmware would launch a guest with that policy at all. Errors: -EINVAL. */
int firmware_check_policy(uint64_t policy, struct reason *why) MUST_CHECK;

/*
 * Answers a request. What the guest did wrong is part of the answer, as a status in the message or as an error beside
 * it. The answer may hold a derived key: the caller wipes it. Errors: -EIO, -ENOMEM when OpenSSL fails.
 */
int firmware_answer(const struct chip *chip, const struct launch *launch, const struct psp_request *request,
                    struct psp_answer *ret_answer, struct reason *why) MUST_CHECK;

/*
 * A report over that REPORT_DATA, signed by the chip. Errors: -EIO, -ENOMEM when OpenSSL fails.
 */
int firmware_sign_report(const struct chip *chip, const struct launch *launch, const struct report_request *request,
                         uint8_t ret_report[REPORT_BYTES], struct reason *why) MUST_CHECK;

/*
 * A key for what a request selects. Mixed in are the root, the selection, the VMPL, and the selected fields: policy,
 * image id, family id and measurement of the launch, guest SVN and TCB version as the request gives them. Fields that
 * are not selected do not matter. The VCEK root belongs to the chip; the VMRK is one launch's, as in guests without a
 * migration agent: keys from it do not outlive the launch. Not AMD's key derivation, which is not published.
 */
int firmware_derive_key(const struct chip *chip, const struct launch *launch, const struct key_request *request,
                        uint8_t ret_key[DERIVED_KEY_BYTES], struct reason *why) MUST_CHECK;
