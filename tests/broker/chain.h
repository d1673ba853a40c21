/*
 * A processor for tests: a certificate chain of the shape of AMD's (RSA 4096 with PSS, P-384, the same names and
 * extensions), and reports signed with it. Its root has to be trusted explicitly.
 */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "attest/cert-table.h"
#include "attest/report.h"

struct chain {
    enum product product;
    uint8_t *ask, *vek; /* DER */
    size_t ask_size, vek_size;
    EVP_PKEY *key; /* of the endorsement key */
};

/* Makes ark.pem, ask.der, vek.der and vek.key in an existing directory. 0, or -1 after a message. */
int chain_create(const char *directory, enum product product);

/* Reads them. */
int chain_load(const char *directory, struct chain *ret_chain);

void chain_free(struct chain *chain);

/* A report of a good launch on this chain's processor: version 3, VMPL 0, no debug, all else made up. */
void chain_report(const struct chain *chain, struct report *ret_report);

/* The chip id and the TCB that chain_create() puts into certificates. */
void chain_chip_id(enum product product, uint8_t ret_chip_id[CHIP_ID_BYTES]);
uint64_t chain_tcb(enum product product);

/* Encodes and signs. */
int chain_sign(const struct chain *chain, struct report *report, uint8_t ret_bytes[REPORT_BYTES]);

/* VCEK and ASK, pointing into the chain. */
void chain_table(const struct chain *chain, struct cert_table *ret_table);
