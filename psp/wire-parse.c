/* Requests come from the guest, answers from the host; each side controls every byte that the other reads. Pure. */
#include "psp/wire.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

static size_t request_size(uint8_t kind)
{
    switch (kind) {
    case WIRE_REPORT:
    case WIRE_EXTENDED_REPORT:
        return REPORT_REQUEST_BYTES;
    case WIRE_DERIVED_KEY:
        return KEY_REQUEST_BYTES;
    default:
        return 0;
    }
}

int wire_parse_request(uint8_t kind, const void *payload, size_t size, struct psp_request *ret_request,
                          struct reason *why)
{
    struct cursor c = cursor_over(payload, size);
    struct psp_request request = { .message_size = request_size(kind) };

    if (!request.message_size)
        return reason_set(why, -EBADMSG, "request of kind %u, expected 1 (report), 2 (extended report) or 3 (key)",
                          (unsigned)kind);
    request.kind = (enum wire_kind)kind;
    request.message_version = cursor_u32le(&c);
    request.certificates_room = cursor_u32le(&c);
    cursor_copy(&c, request.message, request.message_size);
    if (cursor_end(&c) < 0)
        return reason_set(why, -EBADMSG, "request of kind %u with %zu bytes, expected %zu", (unsigned)kind, size,
                          WIRE_REQUEST_HEAD_BYTES + request.message_size);
    if (kind != WIRE_EXTENDED_REPORT && request.certificates_room)
        return reason_set(why, -EBADMSG, "request of kind %u with room for certificates", (unsigned)kind);
    *ret_request = request;
    return 0;
}

size_t wire_encode_request(const struct psp_request *request, uint8_t ret_payload[WIRE_REQUEST_MAX_BYTES])
{
    put_u32le(ret_payload, request->message_version);
    put_u32le(ret_payload + 4, request->certificates_room);
    memcpy(ret_payload + WIRE_REQUEST_HEAD_BYTES, request->message, request->message_size);
    return WIRE_REQUEST_HEAD_BYTES + request->message_size;
}

int wire_parse_answer(enum wire_kind kind, const void *payload, size_t size, struct psp_answer *ret_answer,
                         struct reason *why)
{
    size_t wanted = kind == WIRE_DERIVED_KEY ? KEY_RESPONSE_BYTES : REPORT_RESPONSE_BYTES;
    struct cursor c = cursor_over(payload, size);
    struct psp_answer answer = { .firmware_error = cursor_u32le(&c) };
    bool failed;

    answer.host_error = cursor_u32le(&c);
    answer.certificates_needed = cursor_u32le(&c);
    answer.message_size = cursor_u32le(&c);
    failed = answer.firmware_error || answer.host_error;
    if (answer.message_size != (failed ? 0 : wanted))
        return reason_set(why, -EBADMSG, "answer with a message of %zu bytes, expected %zu", answer.message_size,
                          failed ? 0 : wanted);
    if (answer.certificates_needed && answer.host_error != HOST_INVALID_LENGTH)
        return reason_set(why, -EBADMSG, "answer that needs room for certificates without saying so");
    cursor_copy(&c, answer.message, answer.message_size);
    answer.certificates_size = c.left;
    if (answer.certificates_size > (failed || kind != WIRE_EXTENDED_REPORT ? 0 : CERT_TABLE_MAX_BYTES))
        return reason_set(why, -EBADMSG, "answer with %zu bytes of certificates", answer.certificates_size);
    cursor_copy(&c, answer.certificates, answer.certificates_size);
    if (cursor_end(&c) < 0)
        return reason_set(why, -EBADMSG, "answer of %zu bytes, shorter than it says", size);
    *ret_answer = answer;
    return 0;
}

size_t wire_encode_answer(const struct psp_answer *answer, uint8_t ret_payload[WIRE_ANSWER_MAX_BYTES])
{
    uint8_t *to = ret_payload + WIRE_ANSWER_HEAD_BYTES;

    put_u32le(ret_payload, answer->firmware_error);
    put_u32le(ret_payload + 4, answer->host_error);
    put_u32le(ret_payload + 8, answer->certificates_needed);
    put_u32le(ret_payload + 12, (uint32_t)answer->message_size);
    memcpy(to, answer->message, answer->message_size);
    memcpy(to + answer->message_size, answer->certificates, answer->certificates_size);
    return WIRE_ANSWER_HEAD_BYTES + answer->message_size + answer->certificates_size;
}

struct report_request wire_report_request(const struct psp_request *request)
{
    struct cursor c = cursor_over(request->message, request->message_size);
    struct report_request report = { .reserved_zero = false };

    cursor_copy(&c, report.report_data, sizeof(report.report_data));
    report.vmpl = cursor_u32le(&c);
    report.key_select = cursor_u32le(&c);
    report.reserved_zero = cursor_zeros(&c, REPORT_REQUEST_BYTES - REPORT_DATA_BYTES - 8) && cursor_end(&c) == 0;
    return report;
}

struct key_request wire_key_request(const struct psp_request *request)
{
    struct cursor c = cursor_over(request->message, request->message_size);
    struct key_request key = { .root_key_select = cursor_u32le(&c) };

    key.reserved_zero = cursor_u32le(&c) == 0;
    key.field_select = cursor_u64le(&c);
    key.vmpl = cursor_u32le(&c);
    key.guest_svn = cursor_u32le(&c);
    key.tcb_version = cursor_u64le(&c);
    return key;
}
