/*
 * Why a digest is another one than expected: the usual causes, tried together. One wrong input more or less changes
 * every bit of a digest, so nothing but trying tells them apart.
 */
#pragma once

#include "measure/launch.h"

/* A direct boot that may have been meant instead of the one given. */
struct against_boot {
    char what[64];                      /* "the initrd is absent"; empty for the one given */
    bool has_hashes;                    /* false: no kernel hashes at all */
    struct kernel_hashes hashes;
};

#define AGAINST_MAX_BOOTS 48

struct against_match {
    uint32_t vcpus;
    uint32_t cpu_signature;
    const char *cpu_name; /* of the signature, or NULL */
    uint64_t features;
    enum vmm vmm;
    const struct against_boot *boot;
    unsigned changes; /* how many of these are not as given */
};

/*
 * Tries 1 to 512 virtual CPUs, the signatures of all EPYC generations and of this processor, SEV_FEATURES with one or
 * two bits besides SNP, all VMMs, with each of the boots: the first of which is the one given. Of several matches the
 * one with the fewest changes is kept. Returns 1 with *ret_match, 0 when nothing matches.
 * Errors: those of launch_digest() for the inputs as given.
 */
int against_search(const struct launch_inputs *given, const struct against_boot *boots, size_t boot_count,
                   const uint8_t wanted[LAUNCH_DIGEST_BYTES], struct against_match *ret_match, struct reason *why)
    MUST_CHECK;
