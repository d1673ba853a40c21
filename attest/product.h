/* Processor generations, as far as their certificates and TCB layouts differ. */
#pragma once

#include "attest/attest.h"

enum product {
    PRODUCT_UNKNOWN,
    PRODUCT_MILAN,
    PRODUCT_GENOA, /* also Bergamo and Siena, which use Genoa's keys */
    PRODUCT_TURIN,
};

/* By CPUID family and model as reports of version 3 and up give them. */
enum product product_from_cpuid(uint8_t family, uint8_t model);

/* The generation's name, also of those that share keys with another one or have none that are known; "unknown". */
const char *product_generation(uint8_t family, uint8_t model);

/* "Milan", "Genoa", "Turin" as the key distribution service spells them; "unknown". */
const char *product_name(enum product product);

/* PRODUCT_UNKNOWN when there is none of that name. */
enum product product_from_name(const char *name);

/* Components of a TCB version. */
struct tcb {
    uint8_t fmc; /* Turin and later; 0 before */
    uint8_t bootloader;
    uint8_t tee;
    uint8_t snp;
    uint8_t microcode;
};

/* The 64-bit TCB_VERSION of a report, by the product's layout. */
struct tcb tcb_decode(enum product product, uint64_t raw);
uint64_t tcb_encode(enum product product, const struct tcb *tcb);

/* Whether every component of `have` is at least that of `least`. */
bool tcb_at_least(const struct tcb *have, const struct tcb *least);
bool tcb_equal(const struct tcb *a, const struct tcb *b);
