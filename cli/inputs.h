/*
 * The inputs of a launch as verbs take them from the command line: files, CPU type, counts.
 */
#pragma once

#include "base/reason.h"
#include "measure/launch.h"

struct inputs {
    const char *firmware;
    const char *kernel;
    const char *initrd;
    const char *append;
    uint64_t vcpus; /* 1 to VCPUS_MAX */
    const char *vcpu_type;
    const char *vcpu_signature; /* a number; instead of a type */
    uint64_t features;
};

#define INPUTS_DEFAULT ((struct inputs){ .vcpus = 1, .features = SEV_FEATURE_SNP_ACTIVE })

struct inputs_measured {
    uint8_t *firmware_data; /* freed with free() */
    struct firmware firmware;
    struct kernel_hashes hashes;
    bool has_hashes;
    uint32_t cpu_signature;
    uint8_t digest[LAUNCH_DIGEST_BYTES];
};

/* Reads and measures. The caller calls inputs_free() on success. Errors: negative errno with a sentence. */
int inputs_measure(const struct inputs *inputs, struct inputs_measured *ret_measured, struct reason *why) MUST_CHECK;
void inputs_free(struct inputs_measured *measured);

/* The digest for another CPU count and signature of what has been read. Errors: those of launch_digest(). */
int inputs_digest(const struct inputs_measured *measured, uint32_t vcpus, uint32_t signature, uint64_t features,
                  uint8_t ret_digest[LAUNCH_DIGEST_BYTES], struct reason *why) MUST_CHECK;
