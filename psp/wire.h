/* What frames carry (psp/psp.h): requests, their firmware messages, and answers. */
#pragma once

#include "base/base.h"
#include "base/reason.h"
#include "psp/psp.h"

struct psp_request {
    enum wire_kind kind;                   /* WIRE_REPORT, WIRE_EXTENDED_REPORT, WIRE_DERIVED_KEY */
    uint32_t message_version;              /* as the guest gave it to its driver */
    uint32_t certificates_room;            /* bytes; extended reports alone */
    uint8_t message[REPORT_REQUEST_BYTES]; /* MSG_REPORT_REQ or MSG_KEY_REQ */
    size_t message_size;
};

struct psp_answer {
    uint32_t firmware_error;
    uint32_t host_error;
    uint32_t certificates_needed; /* bytes, with HOST_INVALID_LENGTH */
    uint8_t message[REPORT_RESPONSE_BYTES];
    size_t message_size; /* 0 after an error */
    uint8_t certificates[CERT_TABLE_MAX_BYTES];
    size_t certificates_size;
};

/* MSG_REPORT_REQ. */
struct report_request {
    uint8_t report_data[REPORT_DATA_BYTES];
    uint32_t vmpl;
    uint32_t key_select; /* 0 VLEK where there is one, else VCEK; 1 VCEK; 2 VLEK */
    bool reserved_zero;
};

/* MSG_KEY_REQ, message version 1. */
struct key_request {
    uint32_t root_key_select;
    bool reserved_zero;
    uint64_t field_select; /* KEY_FIELD_… */
    uint32_t vmpl;
    uint32_t guest_svn;
    uint64_t tcb_version;
};

#define KEY_ROOT_VMRK 1u /* root_key_select bit 0 */
#define KEY_ROOT_SELECT_SHIFT 1
#define KEY_ROOT_SELECT_MASK 3u
#define KEY_ROOT_ALL_BITS 7u

#define KEY_FIELD_POLICY (UINT64_C(1) << 0)
#define KEY_FIELD_IMAGE_ID (UINT64_C(1) << 1)
#define KEY_FIELD_FAMILY_ID (UINT64_C(1) << 2)
#define KEY_FIELD_MEASUREMENT (UINT64_C(1) << 3)
#define KEY_FIELD_GUEST_SVN (UINT64_C(1) << 4)
#define KEY_FIELD_TCB_VERSION (UINT64_C(1) << 5)
#define KEY_FIELD_ALL_BITS 0x3fu

/* The payload of a request frame of that kind. Errors: -EBADMSG for another kind or size, named in `why`. */
int wire_parse_request(uint8_t kind, const void *payload, size_t size, struct psp_request *ret_request,
                          struct reason *why) MUST_CHECK;

/* Writes the payload for a request and returns its size. */
size_t wire_encode_request(const struct psp_request *request, uint8_t ret_payload[WIRE_REQUEST_MAX_BYTES]);

/*
 * The payload of an answer to a request of `kind`. An answer without an error has a message of the size that the kind
 * calls for, one with an error has none. Errors: -EBADMSG.
 */
int wire_parse_answer(enum wire_kind kind, const void *payload, size_t size, struct psp_answer *ret_answer,
                         struct reason *why) MUST_CHECK;

size_t wire_encode_answer(const struct psp_answer *answer, uint8_t ret_payload[WIRE_ANSWER_MAX_BYTES]);

/* A request's message, which wire_parse_request() has seen to have the right size. */
struct report_request wire_report_request(const struct psp_request *request);
struct key_request wire_key_request(const struct psp_request *request);
