/*
 * Certificates of chips whose hosts give their guests none (recent kernels do not): known to the broker because its
 * operator added them. Evidence that brings no endorsement key's certificate is looked up here, by the chip id and the
 * TCB that its report names, and nowhere else: nothing that a stranger sends makes the broker ask anybody.
 */
#pragma once

#include "attest/cert-table.h"
#include "attest/report.h"
#include "base/base.h"
#include "base/buffer.h"
#include "base/reason.h"
#include "broker/store.h"

#define CHIPS_MAX_FILE_BYTES (64u * 1024)

/*
 * Keeps the VCEK certificates among those in PEM, or the one in DER, each with the last intermediate (ASK) of the file;
 * in place of what was there for the same chip and TCB. *ret_count is how many. They are verified when they are used.
 * Errors: -EINVAL for what cannot be read or holds none, those of store_open().
 */
int chips_add(struct store *store, const void *text, size_t size, unsigned *ret_count, struct reason *why) MUST_CHECK;

/*
 * The table that the evidence should have brought, for a report that names a known chip; `room` holds its certificates.
 * 1, or 0 when it is not known. Errors: those of store_open().
 */
int chips_find(struct store *store, const struct report *report, struct buffer *room, struct cert_table *ret_table,
               struct reason *why) MUST_CHECK;

/* Calls `each` with every one, until it gives a negative errno. */
int chips_each(struct store *store, int (*each)(void *context, const uint8_t chip_id[CHIP_ID_BYTES], uint64_t tcb),
               void *context, struct reason *why) MUST_CHECK;
