/* Certificates in the shape of AMD's: same names, extensions, algorithms, serial numbers and lifetimes. */
#pragma once

#include <openssl/x509.h>
#include <time.h>

#include "psp/chip.h"

/*
 * The root, the signing keys it vouches for, the endorsement key of one chip and the one that a cloud's operator loads
 * into all of his. `from` is when their validity starts. Each gives a new certificate, or NULL when OpenSSL fails.
 */
X509 *certificate_make_ark(enum product product, EVP_PKEY *ark, time_t from);
X509 *certificate_make_ask(enum product product, EVP_PKEY *ask, EVP_PKEY *ark, X509 *ark_certificate, time_t from);
X509 *certificate_make_asvk(enum product product, EVP_PKEY *asvk, EVP_PKEY *ark, X509 *ark_certificate, time_t from);
X509 *certificate_make_vcek(const struct chip_identity *identity, EVP_PKEY *vcek, EVP_PKEY *ask, time_t from);
X509 *certificate_make_vlek(const struct chip_identity *identity, EVP_PKEY *vlek, EVP_PKEY *asvk, time_t from);

/* The root's list of revoked certificates: `revoked`, or nothing when that is NULL. NULL when OpenSSL fails. */
X509_CRL *certificate_make_crl(X509 *ark_certificate, EVP_PKEY *ark, X509 *revoked, time_t from);
