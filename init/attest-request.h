/*
 * What a workload asks on PID 1's attestation socket: requests after confidential-containers' api-server-rest.
 */
#pragma once

#include "base/http.h"
#include "base/reason.h"

#define ATTEST_EVIDENCE_PATH "/aa/evidence"
#define ATTEST_RESOURCE_PATH "/cdh/resource/"
/* As much as fits into a target, when nothing of it is escaped. */
#define ATTEST_MAX_DATA_BYTES HTTP_MAX_TARGET_BYTES

struct attest_request {
    char resource[ATTEST_MAX_DATA_BYTES + 1]; /* which one is asked for, in the caller's words; "": evidence is */
    uint8_t data[ATTEST_MAX_DATA_BYTES];      /* `runtime_data`, decoded; any bytes, zeros as well */
    size_t size;                              /* at least 1 */
};

/*
 * Reads a complete request: GET /cdh/resource/REPOSITORY/TYPE/TAG, or GET /aa/evidence?runtime_data=…, the value in
 * application/x-www-form-urlencoded (WHATWG URL, section 5.1): %XX and + are decoded, everything but unreserved
 * characters has to be escaped. Returns 200, or the HTTP status to refuse with and a sentence: 400, 404 another path,
 * 405 another method.
 */
unsigned attest_request_read(const struct http_message *message, struct attest_request *ret_request,
                             struct reason *why) MUST_CHECK;
