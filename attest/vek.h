/*
 * What a versioned endorsement key's certificate says about the chip: AMD's extensions under 1.3.6.1.4.1.3704.1
 * (VCEK specification 57230, table 8; VLEK: table 10).
 */
#pragma once

#include <openssl/x509.h>

#include "attest/product.h"
#include "attest/report.h"
#include "base/reason.h"

#define VEK_CSP_ID_BYTES 128

struct vek {
    enum signing_key kind; /* SIGNING_KEY_VCEK or SIGNING_KEY_VLEK */
    enum product product;
    struct tcb tcb;
    uint8_t hwid[CHIP_ID_BYTES]; /* VCEK: padded with zeros */
    char csp_id[VEK_CSP_ID_BYTES]; /* VLEK: the cloud provider it was made for, printable ASCII */
};

/*
 * Reads subject and extensions of a VCEK or VLEK certificate. Every extension that the kind and product call for
 * must be there once and be well formed. Errors: -EBADMSG, naming the extension.
 */
int vek_parse(X509 *certificate, struct vek *ret_vek, struct reason *why) MUST_CHECK;

/* The common name of a certificate's subject, at most 63 characters; "" when there is none or several. */
void certificate_common_name(X509 *certificate, char ret_name[64]);
