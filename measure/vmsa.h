/*
 * The save area with which a virtual CPU starts (APM volume 2, appendix B, table B-4), as KVM and the VMM fill it: all
 * zero except the fields that vmsa.c sets.
 */
#pragma once

#include "base/base.h"
#include "measure/measure.h"

struct vmsa_inputs {
    uint32_t eip;       /* reset vector: VMSA_BSP_EIP, or the firmware's for application processors, or the SVSM's */
    uint32_t signature; /* cpu_signature() */
    uint64_t features;  /* SEV_FEATURES */
    enum vmm vmm;
    bool svsm; /* flat 32-bit segments, for an SVSM under QEMU */
};

#define VMSA_BSP_EIP 0xfffffff0u

/* One page. */
void vmsa_encode(const struct vmsa_inputs *inputs, uint8_t ret_page[PAGE_BYTES]);

/* A field that vmsa_encode() may set. */
struct vmsa_field {
    const char *name; /* "cs.attrib", "sev_features": as Linux names them (struct sev_es_save_area) */
    uint16_t offset;
    uint16_t size; /* 2, 4 or 8 */
};

/* Field number `index` in ascending order of offsets, or NULL behind the last. */
const struct vmsa_field *vmsa_field(size_t index);

uint64_t vmsa_field_value(const struct vmsa_field *field, const uint8_t page[PAGE_BYTES]);
