/*
 * The save area with which a virtual CPU starts (APM volume 2, appendix B, table B-4), as KVM and QEMU fill it: all
 * zero except the fields that vmsa.c sets.
 */
#pragma once

#include "base/base.h"

struct vmsa_inputs {
    uint32_t eip;       /* reset vector: VMSA_BSP_EIP or the firmware's for application processors */
    uint32_t signature; /* cpu_signature() */
    uint64_t features;  /* SEV_FEATURES */
};

#define VMSA_BSP_EIP 0xfffffff0u

/* One page. */
void vmsa_encode(const struct vmsa_inputs *inputs, uint8_t ret_page[PAGE_BYTES]);
