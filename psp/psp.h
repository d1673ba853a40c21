/*
 * psp/: a software stand-in for the AMD secure processor, for machines that have none.
 *
 * It makes a chip (keys and certificates) and plays the processor and its host for one launch: signed reports,
 * certificate tables, derived keys. Its certificates carry AMD's names on purpose, so that verifiers take the same
 * path as with genuine ones. Nobody trusts its root (ark.pem) unless told to with --trust-root: everything signed here
 * proves that the software works and nothing about any machine. Keys lie unprotected in a directory.
 *
 * The guest controls every request; the directory and the options are the caller's own.
 *
 * The wire
 *
 * Between the shim in the guest (psp/shim/) and postern-psp lies an emulated serial line: bytes may be lost when it
 * starts, and anything may stand between frames. A frame is
 *
 *      0  magic, 9b 50 53 50
 *      4  u8 version, 1
 *      5  u8 kind (enum wire_kind)
 *      6  u16 zero
 *      8  u32 id, chosen by who asks and repeated in the answer
 *     12  u32 length of the payload
 *     16  u32 CRC-32 of bytes 0 to 15
 *     20  payload
 *      …  u32 CRC-32 of the payload
 *
 * Integers are little-endian, the CRC is that of IEEE 802.3 (zlib's crc32()). The head has a checksum of its own so
 * that noise that looks like a magic never makes the reader wait for a length that nobody sent. A reader that meets
 * something else than a frame drops bytes until the next magic. Who asked repeats the request, under the same id, when
 * no answer came; answering twice does no harm.
 *
 * Payloads:
 *
 *     request    u32 message version, u32 bytes of room for certificates (0 unless extended), then the firmware's
 *                message: MSG_REPORT_REQ (96 bytes) or MSG_KEY_REQ (32 bytes)
 *     answer     u32 firmware error, u32 host error (the halves of exitinfo2 in linux/sev-guest.h), u32 bytes of room
 *                that the certificates need (0 unless that is the error), u32 size of the message, the message
 *                (MSG_REPORT_RSP with its report, MSG_KEY_RSP, or nothing after an error), then the certificate table
 *     error      one sentence in ASCII: the request was not understood
 *
 * Messages: ABI specification (56860) chapter 7, tables MSG_REPORT_REQ, MSG_REPORT_RSP, MSG_KEY_REQ, MSG_KEY_RSP. They
 * are not encrypted here, as they are between a guest and real firmware: this line has no secrets worth it.
 */
#pragma once

#include "attest/attest.h"
#include "attest/cert-table.h"

#define WIRE_VERSION 1
#define WIRE_HEAD_BYTES 20u
#define WIRE_TAIL_BYTES 4u
#define WIRE_FRAME_BYTES(payload) (WIRE_HEAD_BYTES + (payload) + WIRE_TAIL_BYTES)

enum wire_kind {
    WIRE_REPORT = 1,
    WIRE_EXTENDED_REPORT = 2,
    WIRE_DERIVED_KEY = 3,
    WIRE_ANSWER = 0x80, /* added to the request's kind */
    WIRE_ERROR = 0xff,
};

#define REPORT_REQUEST_BYTES 96u
#define KEY_REQUEST_BYTES 32u
#define REPORT_RESPONSE_HEAD_BYTES 32u
#define REPORT_RESPONSE_BYTES (REPORT_RESPONSE_HEAD_BYTES + REPORT_BYTES)
#define KEY_RESPONSE_BYTES 64u
#define DERIVED_KEY_BYTES 32u

#define WIRE_REQUEST_HEAD_BYTES 8u
#define WIRE_REQUEST_MAX_BYTES (WIRE_REQUEST_HEAD_BYTES + REPORT_REQUEST_BYTES)
#define WIRE_ANSWER_HEAD_BYTES 16u
#define WIRE_ANSWER_MAX_BYTES (WIRE_ANSWER_HEAD_BYTES + REPORT_RESPONSE_BYTES + CERT_TABLE_MAX_BYTES)
#define WIRE_ERROR_MAX_BYTES 200u

/* Firmware statuses (ABI specification, status codes) and the host's (GHCB specification, SNP Guest Request). */
#define FIRMWARE_SUCCESS 0x00u
#define FIRMWARE_INVALID_PARAM 0x16u
#define FIRMWARE_INVALID_KEY 0x27u
#define HOST_INVALID_LENGTH 1u
#define HOST_BUSY 2u
