/* The steps of a launch, for whoever takes some of them once and others often: launch.c, matrix.c. */
#pragma once

#include "measure/chain.h"
#include "measure/explain.h"

struct launch_steps {
    const struct launch_inputs *inputs;
    struct chain chain; /* started by the caller */
    launch_see *see;    /* may be NULL */
    void *context;
    uint8_t vmsas[2][PAGE_BYTES]; /* of the first CPU, of the others */
    uint8_t vmsa_hashes[2][SHA384_BYTES];
};

/* Firmware, sections or hash table: all but the virtual CPUs. Returns 0, -ENOMEM, or what `see` returned. */
int launch_add_memory(struct launch_steps *steps);

/* Makes the save areas; then one call for each CPU. Not for LAUNCH_SEV. */
void launch_start_vcpus(struct launch_steps *steps, const struct launch_inputs *inputs);
void launch_add_vcpu(struct launch_steps *steps, bool first);
