/*
 * The launch digests of one image for every number of virtual CPUs, CPU signature, VMM and feature mask, from one pass
 * over the files: rows share the firmware's pages, the sections and the save areas of the counts below theirs.
 */
#pragma once

#include "measure/launch.h"

#define MATRIX_MAX_CPUS 32
#define MATRIX_MAX_FEATURES 32

struct matrix_cpu {
    const char *name; /* a QEMU type that has this signature, for showing */
    uint32_t signature;
};

/* The axes. Counts of vCPUs are those whose bit is set. */
struct matrix_plan {
    bool vcpus[VCPUS_MAX + 1];
    struct matrix_cpu cpus[MATRIX_MAX_CPUS];
    size_t cpu_count;
    enum vmm vmms[VMM_COUNT];
    size_t vmm_count;
    uint64_t features[MATRIX_MAX_FEATURES];
    size_t feature_count;
};

struct matrix_row {
    enum vmm vmm;
    const struct matrix_cpu *cpu; /* the plan's; NULL for EC2 and GCE, which do not measure the signature */
    uint64_t features;
    uint32_t vcpus;
    uint8_t digest[LAUNCH_DIGEST_BYTES]; /* launch_digest_size() bytes */
};

/* 1 to 512 virtual CPUs, one signature of each EPYC generation, QEMU, feature mask 0x1. */
void matrix_plan_default(struct matrix_plan *ret_plan);

/* Returns 0 to go on; anything else ends the table and is its result. */
typedef int matrix_take(void *context, const struct matrix_row *row);

/*
 * Gives each row to `take`: VMMs outermost, then signatures, feature masks and vCPU counts, each in the plan's order,
 * counts ascending. Of `inputs` the vCPU count, signature, features and VMM do not matter. LAUNCH_SEV has no table.
 * Errors: -EINVAL as launch_digest(); -ENOMEM; what `take` returned.
 */
int matrix_compute(const struct launch_inputs *inputs, const struct matrix_plan *plan, matrix_take *take, void *context,
                   struct reason *why) MUST_CHECK;
