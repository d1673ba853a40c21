/* The names come from a user; the table from QEMU's target/i386/cpu.c. */
#include "measure/cpu.h"

#include <cpuid.h>
#include <string.h>

#define EPYC 23, 1, 2
#define EPYC_ROME 23, 49, 0
#define EPYC_MILAN 25, 1, 1
#define EPYC_GENOA 25, 17, 0
#define EPYC_TURIN 26, 0, 0

static const struct cpu_type types[] = {
    { "EPYC", EPYC },
    { "EPYC-v1", EPYC },
    { "EPYC-v2", EPYC },
    { "EPYC-IBPB", EPYC },
    { "EPYC-v3", EPYC },
    { "EPYC-v4", EPYC },
    { "EPYC-v5", EPYC },
    { "EPYC-Rome", EPYC_ROME },
    { "EPYC-Rome-v1", EPYC_ROME },
    { "EPYC-Rome-v2", EPYC_ROME },
    { "EPYC-Rome-v3", EPYC_ROME },
    { "EPYC-Rome-v4", EPYC_ROME },
    { "EPYC-Rome-v5", EPYC_ROME },
    { "EPYC-Milan", EPYC_MILAN },
    { "EPYC-Milan-v1", EPYC_MILAN },
    { "EPYC-Milan-v2", EPYC_MILAN },
    { "EPYC-Milan-v3", EPYC_MILAN },
    { "EPYC-Genoa", EPYC_GENOA },
    { "EPYC-Genoa-v1", EPYC_GENOA },
    { "EPYC-Genoa-v2", EPYC_GENOA },
    { "EPYC-Turin", EPYC_TURIN },
    { "EPYC-Turin-v1", EPYC_TURIN },
    { "EPYC-Turin-v2", EPYC_TURIN },
    { NULL, 0, 0, 0 },
};

static const struct cpu_type generations[] = {
    { "EPYC-v4", EPYC },          { "EPYC-Rome", EPYC_ROME },   { "EPYC-Milan", EPYC_MILAN },
    { "EPYC-Genoa", EPYC_GENOA }, { "EPYC-Turin", EPYC_TURIN }, { NULL, 0, 0, 0 },
};

uint32_t cpu_signature(uint16_t family, uint8_t model, uint8_t stepping)
{
    uint32_t low = family > 15 ? 15 : family, high = family > 15 ? family - 15u : 0;

    return high << 20 | (uint32_t)(model >> 4) << 16 | low << 8 | (uint32_t)(model & 15) << 4 | (stepping & 15u);
}

const struct cpu_type *cpu_type_all(void)
{
    return types;
}

const struct cpu_type *cpu_type_find(const char *name)
{
    for (const struct cpu_type *type = types; type->name; type++)
        if (strcmp(type->name, name) == 0)
            return type;
    return NULL;
}

const struct cpu_type *cpu_generations(void)
{
    return generations;
}

uint32_t cpu_type_signature(const struct cpu_type *type)
{
    return cpu_signature(type->family, type->model, type->stepping);
}

uint32_t cpu_host_signature(void)
{
    unsigned eax = 0, ebx, ecx, edx;

    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) ? eax : 0;
}
