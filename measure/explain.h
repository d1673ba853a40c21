/*
 * The launch digest step by step: what went into it, in order, and the digest after each step.
 */
#pragma once

#include "measure/launch.h"

enum contribution_kind {
    CONTRIBUTION_FIRMWARE,
    CONTRIBUTION_SVSM,
    CONTRIBUTION_SECTION, /* of the firmware's metadata, or of the SVSM's */
    CONTRIBUTION_HASHES,  /* the table of kernel hashes alone: SEV and SEV-ES */
    CONTRIBUTION_VMSA,    /* of the boot processor, or of all others together */
};

struct contribution {
    enum contribution_kind kind;
    const char *name;      /* "firmware", "SEC_MEM", "VMSA of CPU 0" … */
    const char *page_type; /* "normal", "zero", "unmeasured", "secrets", "CPUID", "VMSA"; NULL for SEV and SEV-ES */
    uint64_t gpa;          /* of the first page; the VMSAs of SNP all lie at the same place */
    uint64_t size;         /* bytes covered; of one VMSA */
    uint64_t pages;        /* how many pages, or VMSAs */
    bool has_contents;     /* contents are measured, and known */
    uint8_t contents[SHA384_BYTES];      /* SHA-384 of the range, or of one VMSA */
    uint8_t digest[LAUNCH_DIGEST_BYTES]; /* after this contribution: launch_digest_size() bytes */
};

/* Returns 0 to go on; anything else ends the launch and is its result. */
typedef int launch_see(void *context, const struct contribution *contribution);

/* launch_digest() that tells each contribution. The last one's digest is the launch digest. */
int launch_explain(const struct launch_inputs *inputs, launch_see *see, void *context,
                   uint8_t ret_digest[LAUNCH_DIGEST_BYTES], struct reason *why) MUST_CHECK;

/* The save area of the first virtual CPU, or of all others. Not for LAUNCH_SEV. */
void launch_vmsa(const struct launch_inputs *inputs, bool first, uint8_t ret_page[PAGE_BYTES]);
