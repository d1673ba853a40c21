/*
 * What a verified report must say: a policy document, and the decision over a report as a list of checks.
 *
 * Everything is denied unless the policy allows it. The document is JSON (docs/policy.md, postern-policy(5)); unknown,
 * duplicate or mistyped members are errors.
 */
#pragma once

#include "attest/product.h"
#include "attest/report.h"
#include "base/buffer.h"
#include "base/json.h"
#include "base/reason.h"

struct dsse_keys;

#define POLICY_MAX_BYTES (64u * 1024)
#define POLICY_MAX_MEASUREMENTS 4096
#define POLICY_MAX_KEYS 64     /* id keys, author keys */
#define POLICY_MAX_CHIPS 256   /* allowed, denied */
#define POLICY_MAX_SIGNERS 16
#define POLICY_SIGNER_BYTES 160 /* SubjectPublicKeyInfo: P-384 has 120, Ed25519 44 */
#define POLICY_MAX_CHECKS 40
#define POLICY_TEXT_BYTES 160

/* How much of what runs the launch digest stands for; each includes those before it. */
enum coverage {
    COVERAGE_UNKNOWN,       /* nobody has said */
    COVERAGE_FIRMWARE_ONLY, /* the firmware alone: whatever it boots is not measured */
    COVERAGE_FIRMWARE_VTPM, /* firmware that measures into a virtual TPM of its own */
    COVERAGE_IMAGE,         /* firmware, kernel, initrd and command line */
};

/* "firmware-only", "firmware+vtpm", "image"; "not stated". */
const char *coverage_name(enum coverage coverage);

/* A digest of a P-384 key as reports hold it, and the least GUEST_SVN that its holder may have signed. */
struct policy_key {
    uint8_t digest[KEY_DIGEST_BYTES];
    uint32_t minimum_guest_svn;
};

struct policy_signer {
    uint8_t der[POLICY_SIGNER_BYTES]; /* SubjectPublicKeyInfo */
    size_t size;
};

struct policy_bits {
    uint64_t required, forbidden;
};

enum policy_tcb_kind { POLICY_TCB_REPORTED, POLICY_TCB_COMMITTED, POLICY_TCB_LAUNCH, POLICY_TCB_KINDS };

struct policy_tcb {
    bool named; /* the product is */
    bool has[POLICY_TCB_KINDS];
    struct tcb minimum[POLICY_TCB_KINDS];
};

struct policy {
    uint8_t (*measurements)[MEASUREMENT_BYTES]; /* accepted launch digests */
    size_t measurement_count;
    struct policy_signer *signers; /* of manifests whose rows are accepted launch digests */
    size_t signer_count;
    uint32_t signer_threshold;
    enum coverage coverage;       /* of `measurements`, as the document states */
    enum coverage least_coverage; /* COVERAGE_UNKNOWN: not asked for */

    struct policy_key *id_keys, *author_keys; /* NULL: not asked for */
    size_t id_key_count, author_key_count;
    bool has_family_id, has_image_id, has_host_data, has_report_data;
    uint8_t family_id[16], image_id[16], host_data[HOST_DATA_BYTES], report_data[REPORT_DATA_BYTES];

    bool allow_debug;
    bool allow_migration_agent;
    bool allow_vlek;
    bool require_revocation_list;
    uint32_t vmpl;
    struct policy_bits guest_policy, platform_info;

    bool has_minimum_tcb;
    struct tcb minimum_tcb; /* of the reported TCB, component by component, whatever the product */
    bool has_product_tcb;
    struct policy_tcb product_tcb[PRODUCT_TURIN + 1];
    bool has_current_firmware, has_committed_firmware;
    struct firmware_version current_firmware, committed_firmware; /* at least */
    uint64_t launch_mitigations, current_mitigations;             /* all of these bits */

    uint32_t products; /* bit 1 << enum product; 0: any that has a root */
    bool has_allowed_chips;
    uint8_t (*allowed_chips)[CHIP_ID_BYTES], (*denied_chips)[CHIP_ID_BYTES];
    size_t allowed_chip_count, denied_chip_count;
};

/* What is known of a report when it is decided over. */
struct policy_facts {
    const struct report *report;
    enum product product;    /* the verified one, or in the guest the one the report names */
    bool revocation_checked; /* struct verified's */
    bool in_manifest;        /* enough of the policy's signers signed a manifest with this launch digest */
    enum coverage manifest_coverage; /* by that row */
};

struct policy_check {
    const char *name; /* stable, the reason code of a refusal: "measurement", "guest_policy.debug" … */
    bool passed;
    char wanted[POLICY_TEXT_BYTES];
    char found[POLICY_TEXT_BYTES];
};

struct policy_decision {
    struct policy_check checks[POLICY_MAX_CHECKS];
    size_t count;
    const struct policy_check *failed; /* the first one that did not pass; NULL: allowed */
    enum coverage coverage;            /* from the manifest's row, else as the policy states */
};

/* A verifier's policy document. The caller frees with policy_free(). Errors: those of json_parse(), -ENOMEM. */
int policy_parse(const void *text, size_t size, struct policy *ret_policy, struct reason *why) MUST_CHECK;

/*
 * The members that a guest may expect of its own launch, out of its configuration: what a report says of launch and
 * platform, without accepted measurements and without what only a verifier knows. Problems go into the reader's
 * status. The caller frees with policy_free().
 */
void policy_read_expectations(struct json_reader *reader, struct policy *ret_policy);

/* Appends the document, with every member that is not at its default. policy_parse() reads it back. */
void policy_write(const struct policy *policy, struct buffer *to);

void policy_free(struct policy *policy);

/* Adds the policy's signers to keys that manifests are verified with. Errors: -EINVAL names the signer, -ENOMEM. */
int policy_signer_keys(const struct policy *policy, struct dsse_keys *keys, struct reason *why) MUST_CHECK;

/* A verifier's: evaluates every check that the policy asks for, so that the list is complete; never fails. */
void policy_evaluate(const struct policy *policy, const struct policy_facts *facts,
                     struct policy_decision *ret_decision);

/*
 * The same of a guest over its own launch: it has not verified who signed the report and cannot know its own launch
 * digest, so that it is asked for neither, nor for what only policy_parse() reads.
 */
void policy_evaluate_expectations(const struct policy *policy, const struct policy_facts *facts,
                                  struct policy_decision *ret_decision);

/* The checks as a JSON array: {"check", "passed", "wanted", "found"} each. */
void policy_write_checks(const struct policy_decision *decision, struct buffer *to);
