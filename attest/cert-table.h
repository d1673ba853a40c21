/*
 * The certificate table that a host attaches to an extended report (GHCB specification, SNP Extended Guest Request):
 * entries of GUID, offset and length, ended by an entry of zeros, then the certificates.
 */
#pragma once

#include "base/base.h"
#include "base/buffer.h"
#include "base/reason.h"

/* SEV_FW_BLOB_MAX_SIZE of linux/psp-sev.h: the largest table that the guest device fetches. */
#define CERT_TABLE_MAX_BYTES 16384u
#define CERT_TABLE_MAX_ENTRIES 16

enum certificate_kind {
    CERTIFICATE_OTHER,
    CERTIFICATE_VCEK,
    CERTIFICATE_VLEK,
    CERTIFICATE_ASK, /* ASVK as well */
    CERTIFICATE_ARK,
    CERTIFICATE_CRL,
};

struct certificate_entry {
    enum certificate_kind kind;
    const uint8_t *data; /* DER, in the caller's table */
    size_t size;
};

struct cert_table {
    struct certificate_entry entries[CERT_TABLE_MAX_ENTRIES];
    size_t count;
};

/*
 * Reads a table; a table of zeros is empty. GUIDs are accepted in both byte orders, as hosts write both. Refused:
 * no end, too many entries, certificates outside the table, inside its head, empty or overlapping. Errors: -EBADMSG.
 */
int cert_table_parse(const void *data, size_t size, struct cert_table *ret_table, struct reason *why) MUST_CHECK;

/* The bytes of a table, GUIDs big-endian, as AMD's tools write them. Errors are the buffer's. */
void cert_table_encode(const struct cert_table *table, struct buffer *to);
