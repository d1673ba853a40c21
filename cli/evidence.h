/*
 * What a report is verified with: certificates and revocation lists from files, as snpguest, the key distribution
 * service and hosts leave them, and the roots to trust. All files but the roots are hostile.
 */
#pragma once

#include <time.h>

#include "attest/verify.h"
#include "base/buffer.h"
#include "base/command.h"
#include "base/reason.h"

/* Exit codes of `postern verify`. */
enum verify_exit {
    VERIFY_EXIT_SIGNATURE = 2, /* report or chain do not verify */
    VERIFY_EXIT_CERTIFICATES = 3, /* certificates are not to be had */
    VERIFY_EXIT_REVOKED = 4,
    VERIFY_EXIT_POLICY = 5,
};

struct evidence {
    uint8_t report[REPORT_BYTES];
    bool has_report; /* also when what lies behind it could not be read */
    struct cert_table table;
    uint8_t *owned[CERT_TABLE_MAX_ENTRIES]; /* freed with free() */
    size_t owned_count;
    X509 *arks[4]; /* compared with the pin, never trusted */
    size_t ark_count;
};

/*
 * A report of 1184 bytes, or one with a certificate table behind it, whose certificates are added. Errors: those of
 * file_read(), -EBADMSG.
 */
int evidence_read_report(struct evidence *evidence, const char *path, struct reason *why) MUST_CHECK;

/* The same from memory; `name` is what errors call it. */
int evidence_take_report(struct evidence *evidence, const char *name, const void *data, size_t size,
                         struct reason *why) MUST_CHECK;

/*
 * Adds what is at `path`: a directory with ark, ask, asvk, vcek, vlek, crl or cert_chain as .pem or .der; or a file
 * with certificates and revocation lists in PEM, one of either in DER, or a certificate table. Errors: -errno,
 * -EBADMSG, -E2BIG.
 */
int evidence_add(struct evidence *evidence, const char *path, struct reason *why) MUST_CHECK;

/* What such a file holds, from memory. */
int evidence_take(struct evidence *evidence, const char *name, const void *data, size_t size,
                  struct reason *why) MUST_CHECK;

/* All of it but the report, in PEM. Errors are the buffer's. */
void evidence_write_pem(const struct evidence *evidence, struct buffer *to);

/* Every ARK that came along must be the trusted one of its product. Errors: -EKEYREJECTED. */
int evidence_compare_roots(const struct evidence *evidence, const struct trust_roots *roots,
                           struct reason *why) MUST_CHECK;

void evidence_free(struct evidence *evidence);

/* AMD's roots, or the one in a file when `path` is not NULL. Errors: those of trust_roots_file(). */
int evidence_roots(const char *path, struct trust_roots **ret_roots, struct reason *why) MUST_CHECK;

/* "2026-11-22", "2026-11-22T08:00:00Z" or "@SECONDS"; NULL: verify_time_now(). Errors: -EINVAL. */
int evidence_time(const char *text, time_t *ret_time, struct reason *why) MUST_CHECK;

/* The exit code for an error of verification. */
int evidence_exit_code(int error);
