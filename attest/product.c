/* Tables of generations; inputs are single bytes of a report. */
#include "attest/product.h"

#include <string.h>

#include "base/cursor.h"

static const char *const names[] = {
    [PRODUCT_UNKNOWN] = "unknown",
    [PRODUCT_MILAN] = "Milan",
    [PRODUCT_GENOA] = "Genoa",
    [PRODUCT_TURIN] = "Turin",
};

/* Models by family, and whose keys they have. Venice has none that AMD has published. */
static const struct {
    uint8_t family, first, last;
    enum product product;
    const char *name;
} generations[] = {
    { 0x19, 0x00, 0x0f, PRODUCT_MILAN, "Milan" },   { 0x19, 0x10, 0x1f, PRODUCT_GENOA, "Genoa" },
    { 0x19, 0xa0, 0xaf, PRODUCT_GENOA, "Bergamo or Siena" }, { 0x1a, 0x00, 0x11, PRODUCT_TURIN, "Turin" },
    { 0x1a, 0x50, 0x57, PRODUCT_UNKNOWN, "Venice" }, { 0x1a, 0x90, 0x9f, PRODUCT_UNKNOWN, "Venice" },
    { 0x1a, 0xa0, 0xaf, PRODUCT_UNKNOWN, "Venice" }, { 0x1a, 0xc0, 0xc7, PRODUCT_UNKNOWN, "Venice" },
};

enum product product_from_cpuid(uint8_t family, uint8_t model)
{
    for (size_t i = 0; i < ARRAY_SIZE(generations); i++)
        if (family == generations[i].family && model >= generations[i].first && model <= generations[i].last)
            return generations[i].product;
    return PRODUCT_UNKNOWN;
}

const char *product_generation(uint8_t family, uint8_t model)
{
    for (size_t i = 0; i < ARRAY_SIZE(generations); i++)
        if (family == generations[i].family && model >= generations[i].first && model <= generations[i].last)
            return generations[i].name;
    return "unknown";
}

const char *product_name(enum product product)
{
    return names[product];
}

enum product product_from_name(const char *name)
{
    for (enum product product = PRODUCT_MILAN; product <= PRODUCT_TURIN; product++)
        if (strcmp(name, names[product]) == 0)
            return product;
    return PRODUCT_UNKNOWN;
}

/* Turin put the FMC first and moved the others; bytes in between are reserved in both layouts. */
struct tcb tcb_decode(enum product product, uint64_t raw)
{
    uint8_t b[8];

    put_u64le(b, raw);
    if (product == PRODUCT_TURIN)
        return (struct tcb){ .fmc = b[0], .bootloader = b[1], .tee = b[2], .snp = b[3], .microcode = b[7] };
    return (struct tcb){ .bootloader = b[0], .tee = b[1], .snp = b[6], .microcode = b[7] };
}

uint64_t tcb_encode(enum product product, const struct tcb *tcb)
{
    uint8_t b[8] = { 0 };

    if (product == PRODUCT_TURIN) {
        b[0] = tcb->fmc;
        b[1] = tcb->bootloader;
        b[2] = tcb->tee;
        b[3] = tcb->snp;
    } else {
        b[0] = tcb->bootloader;
        b[1] = tcb->tee;
        b[6] = tcb->snp;
    }
    b[7] = tcb->microcode;
    return get_u64le(b);
}

bool tcb_at_least(const struct tcb *have, const struct tcb *least)
{
    return have->fmc >= least->fmc && have->bootloader >= least->bootloader && have->tee >= least->tee &&
           have->snp >= least->snp && have->microcode >= least->microcode;
}

bool tcb_equal(const struct tcb *a, const struct tcb *b)
{
    return tcb_at_least(a, b) && tcb_at_least(b, a);
}
