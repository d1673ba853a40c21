/*
 * The inputs of a launch as verbs take them from the command line: files, CPU type, counts.
 */
#pragma once

#include "base/reason.h"
#include "measure/launch.h"
#include "measure/matrix.h"

struct inputs {
    const char *mode; /* snp, snp:svsm, snp:ovmf-hash, seves, sev, and sev-snp-measure's other spellings */
    const char *vmm;
    const char *firmware, *svsm; /* paths */
    const char *vars_file;
    uint64_t vars_size;
    const char *firmware_digest;   /* hexadecimal: what stands for the firmware's pages */
    const char *firmware_metadata; /* path: where its tables are when there is no firmware */
    const char *kernel, *initrd;   /* paths; an empty one is none */
    const char *append;
    uint64_t vcpus; /* 1 to VCPUS_MAX */
    const char *vcpu_type;
    const char *vcpu_signature;                     /* a number; instead of a type */
    uint64_t vcpu_family, vcpu_model, vcpu_stepping; /* instead of both, when has_family */
    bool has_family;
    uint64_t features;
    bool streams; /* whole-image hashes too */
};

#define INPUTS_DEFAULT                                                                                                 \
    ((struct inputs){ .mode = "snp", .vmm = "QEMU", .vcpus = 1, .features = SEV_FEATURE_SNP_ACTIVE })

/* Points into itself: it stays where it was filled. */
struct inputs_measured {
    struct firmware_file firmware;
    struct firmware_file svsm;
    struct kernel_hashes hashes;
    bool has_hashes;
    bool digest_alone; /* snp:ovmf-hash: `digest` is the firmware's */
    struct launch_inputs launch;
    uint32_t cpu_signature;
    uint8_t digest[LAUNCH_DIGEST_BYTES]; /* launch_digest_size() bytes */
};

#define INPUTS_MEASURED_NONE ((struct inputs_measured){ .has_hashes = false })

/* Reads files and measures. The caller calls inputs_free(), whatever the result. Errors: -errno with a sentence. */
int inputs_measure(const struct inputs *inputs, struct inputs_measured *ret_measured, struct reason *why) MUST_CHECK;
void inputs_free(struct inputs_measured *measured);

/* A signature from a QEMU type, or "host". Errors: -EINVAL with a sentence. */
int inputs_signature_of_type(const char *name, uint32_t *ret_signature, struct reason *why) MUST_CHECK;

/* "--vcpu-sig": a 32-bit number. Errors: -EINVAL with a sentence. */
int inputs_signature_of_text(const char *text, uint32_t *ret_signature, struct reason *why) MUST_CHECK;

/* The digest for another CPU count and signature of what has been read. Errors: those of launch_digest(). */
int inputs_digest(const struct inputs_measured *measured, uint32_t vcpus, uint32_t signature, uint64_t features,
                  uint8_t ret_digest[LAUNCH_DIGEST_BYTES], struct reason *why) MUST_CHECK;
