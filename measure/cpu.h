/*
 * CPU types by the names that QEMU gives them, and the signature that ends up in each VMSA
 * (AMD64 Architecture Programmer's Manual volume 3, CPUID function 1, EAX).
 */
#pragma once

#include "base/base.h"

struct cpu_type {
    const char *name;
    uint16_t family;
    uint8_t model;
    uint8_t stepping;
};

/* CPUID(1).EAX for family (up to 270), model and stepping (up to 15). */
uint32_t cpu_signature(uint16_t family, uint8_t model, uint8_t stepping);

/* The type of that name, or NULL. Versions of a model ("EPYC-Milan-v2") share its signature. */
const struct cpu_type *cpu_type_find(const char *name);

/* All known types, ended by one without a name. */
const struct cpu_type *cpu_type_all(void);

/* One type for each signature, in order of age, ended by one without a name. */
const struct cpu_type *cpu_generations(void);

uint32_t cpu_type_signature(const struct cpu_type *type);

/* CPUID(1).EAX of the processor that this runs on: what QEMU's "-cpu host" gives a guest. */
uint32_t cpu_host_signature(void);
