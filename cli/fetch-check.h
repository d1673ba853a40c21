/* Whether what the key distribution service gave is what it should be; nothing is stored before. */
#pragma once

#include <time.h>

#include "attest/roots.h"
#include "cli/kds.h"

/* What has been fetched and verified so far. */
struct fetched {
    X509 *intermediate, *ark, *vcek;
    X509_CRL *crl;
};

/*
 * Verifies an item and keeps it: a chain is the intermediate signed by the pinned ARK, then that ARK itself; a list is
 * the pinned ARK's and current; a VCEK is the chip's and the TCB's that the report names, and its chain holds.
 * Errors: -EKEYREJECTED with what does not hold, -ENOKEY when no root is known for the product, -ENOMEM.
 */
int fetch_check(const struct kds_request *request, const struct buffer *body, const struct trust_roots *roots,
                struct fetched *fetched, struct reason *why) MUST_CHECK;

void fetched_free(struct fetched *fetched);
