/*
 * Trust anchors: AMD's root keys (ARK), which are part of the program, or one that somebody named explicitly.
 */
#pragma once

#include <openssl/x509.h>

#include "attest/product.h"
#include "base/reason.h"

struct trust_roots;

/*
 * AMD's ARKs, with the ASKs and ASVKs that they signed at hand. Only the ARKs are trusted. A certificate is decoded when
 * it is first asked for, so one set of roots belongs to one thread. Errors: -ENOMEM.
 */
int trust_roots_amd(struct trust_roots **ret_roots) MUST_CHECK;

/*
 * Trusts the one self-signed certificate in a PEM file instead: the root of a software secure processor. Whoever
 * loads one has to say so wherever it decides (trust_roots_software()). Errors: -errno, -EBADMSG.
 */
int trust_roots_file(const char *path, struct trust_roots **ret_roots, struct reason *why) MUST_CHECK;

/* Whether these roots vouch for hardware (false) or for a test (true). */
bool trust_roots_software(const struct trust_roots *roots);

/* The anchor for a product, or NULL, also when memory runs out. Borrowed. */
X509 *trust_roots_ark(const struct trust_roots *roots, enum product product);

/* The known certificate that an ARK signed with this common name ("SEV-Milan", "SEV-VLEK-Milan"), or NULL. Borrowed. */
X509 *trust_roots_intermediate(const struct trust_roots *roots, const char *common_name);

void trust_roots_free(struct trust_roots **roots);
