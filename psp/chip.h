/*
 * A chip: what `postern-psp init` makes once and `postern-psp serve` plays from. A directory with
 *
 *     ark.pem ask.pem vcek.pem asvk.pem vlek.pem   certificates; ark.pem is what verifiers are given as --trust-root
 *     ark.key ask.key vcek.key asvk.key vlek.key   private keys (PKCS #8), mode 0600
 *     chip.key                                     the secret of derived keys (32 bytes), mode 0600
 *     chip.json                                    what the chip says of itself
 *
 * Certificates: "Versioned Chip Endorsement Key (VCEK) Certificate and KDS Interface Specification" (57230), and as
 * AMD's own look (attest/roots/ and any VCEK).
 */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "attest/attest.h"
#include "attest/product.h"
#include "attest/report.h"
#include "base/buffer.h"
#include "base/reason.h"
#include "base/secret.h"
#include "psp/psp.h"

#define CHIP_SECRET_BYTES 32

/* What a chip says of itself in certificates and reports. */
struct chip_identity {
    enum product product;
    uint8_t cpuid_family, cpuid_model, cpuid_stepping;
    struct tcb tcb;
    struct firmware_version firmware;
    uint8_t chip_id[CHIP_ID_BYTES];
    size_t chip_id_size; /* 64, or 8 on Turin; the rest of chip_id is zero */
    uint64_t platform_info;
    uint64_t mitigation_vector;
};

struct chip {
    struct chip_identity identity;
    EVP_PKEY *vcek_key;
    EVP_PKEY *vlek_key; /* NULL unless one is loaded */
    struct secret secret;
    uint8_t certificates[CERT_TABLE_MAX_BYTES]; /* table of VCEK, ASK, ARK, or VLEK, ASVK, ARK */
    size_t certificates_size;
};

/* The identity of a new chip of that product with that chip id, of product_chip_id_size() bytes. */
struct chip_identity chip_identity_of(enum product product, const uint8_t *chip_id);
size_t chip_id_size(enum product product);

/*
 * Makes a chip with a random id in the new directory `path`: built in a directory beside it and renamed, so that there
 * is a whole one or none. An empty directory is replaced. Takes some seconds: three RSA keys of 4096 bits.
 * Errors: -EEXIST when something is there, -errno, -ENOMEM.
 */
int chip_make(const char *path, enum product product, struct reason *why) MUST_CHECK;

/*
 * Loads what signing needs; with `vlek` the operator's endorsement key is loaded into the chip, and the certificates
 * are its. Errors: -errno, -EBADMSG for files that are not as chip_make() writes them.
 */
int chip_load(const char *path, bool vlek, struct chip **ret_chip, struct reason *why) MUST_CHECK;

/* One of a chip's certificates or private keys by its file name. The caller frees. Errors as chip_load(). */
int chip_load_certificate(const char *path, const char *name, X509 **ret_certificate, struct reason *why) MUST_CHECK;
int chip_load_key(const char *path, const char *name, EVP_PKEY **ret_key, struct reason *why) MUST_CHECK;

/* Wipes and frees; fine with NULL. */
void chip_free(struct chip **chip);

/* chip.json, written and read. Errors of reading: -EBADMSG. */
void chip_write_json(const struct chip_identity *identity, struct buffer *to);
int chip_read_json(const void *text, size_t size, struct chip_identity *ret_identity, struct reason *why) MUST_CHECK;
