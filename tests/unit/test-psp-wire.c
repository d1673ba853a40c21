/* What frames carry: encoded and read back, and every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/cursor.h"
#include "psp/wire.h"

static struct psp_request make_request(enum wire_kind kind)
{
    struct psp_request request = { .kind = kind, .message_version = 1 };

    request.message_size = kind == WIRE_DERIVED_KEY ? KEY_REQUEST_BYTES : REPORT_REQUEST_BYTES;
    request.certificates_room = kind == WIRE_EXTENDED_REPORT ? 8192 : 0;
    for (size_t i = 0; i < request.message_size; i++)
        request.message[i] = (uint8_t)(i + 1);
    return request;
}

static void request_round_trip(void **state)
{
    static const enum wire_kind kinds[] = { WIRE_REPORT, WIRE_EXTENDED_REPORT, WIRE_DERIVED_KEY };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct psp_request request = make_request(kinds[i]), read;
        uint8_t payload[WIRE_REQUEST_MAX_BYTES];
        size_t size = wire_encode_request(&request, payload);

        assert_int_equal(wire_parse_request((uint8_t)kinds[i], payload, size, &read, NULL), 0);
        assert_int_equal(read.kind, kinds[i]);
        assert_int_equal(read.message_version, 1);
        assert_int_equal(read.certificates_room, request.certificates_room);
        assert_int_equal(read.message_size, request.message_size);
        assert_memory_equal(read.message, request.message, request.message_size);
    }
}

static void refuse_request(uint8_t kind, const uint8_t *payload, size_t size, const char *sentence)
{
    struct psp_request read = { .message_version = 77 };
    struct reason why = { "" };

    assert_int_equal(wire_parse_request(kind, payload, size, &read, &why), -EBADMSG);
    assert_string_equal(why.text, sentence);
    assert_int_equal(read.message_version, 77);
}

static void request_refusals(void **state)
{
    struct psp_request request = make_request(WIRE_REPORT);
    uint8_t payload[WIRE_REQUEST_MAX_BYTES + 1] = { 0 };
    size_t size = wire_encode_request(&request, payload);

    (void)state;
    refuse_request(0, payload, size, "request of kind 0, expected 1 (report), 2 (extended report) or 3 (key)");
    refuse_request(4, payload, size, "request of kind 4, expected 1 (report), 2 (extended report) or 3 (key)");
    refuse_request(0x81, payload, size, "request of kind 129, expected 1 (report), 2 (extended report) or 3 (key)");
    refuse_request(1, payload, size - 1, "request of kind 1 with 103 bytes, expected 104");
    refuse_request(1, payload, size + 1, "request of kind 1 with 105 bytes, expected 104");
    refuse_request(1, NULL, 0, "request of kind 1 with 0 bytes, expected 104");
    refuse_request(3, payload, size, "request of kind 3 with 104 bytes, expected 40");
    put_u32le(payload + 4, 4096);
    refuse_request(1, payload, size, "request of kind 1 with room for certificates");
    refuse_request(3, payload, 40, "request of kind 3 with room for certificates");
}

static struct psp_answer make_answer(enum wire_kind kind)
{
    struct psp_answer answer = { .firmware_error = 0 };

    answer.message_size = kind == WIRE_DERIVED_KEY ? KEY_RESPONSE_BYTES : REPORT_RESPONSE_BYTES;
    answer.certificates_size = kind == WIRE_EXTENDED_REPORT ? 5000 : 0;
    memset(answer.message, 0x5a, answer.message_size);
    memset(answer.certificates, 0xc3, answer.certificates_size);
    return answer;
}

static void assert_same_answer(const struct psp_answer *a, const struct psp_answer *b)
{
    assert_int_equal(a->firmware_error, b->firmware_error);
    assert_int_equal(a->host_error, b->host_error);
    assert_int_equal(a->certificates_needed, b->certificates_needed);
    assert_int_equal(a->message_size, b->message_size);
    assert_memory_equal(a->message, b->message, sizeof(a->message));
    assert_int_equal(a->certificates_size, b->certificates_size);
    assert_memory_equal(a->certificates, b->certificates, sizeof(a->certificates));
}

static void answer_round_trip(void **state)
{
    static const enum wire_kind kinds[] = { WIRE_REPORT, WIRE_EXTENDED_REPORT, WIRE_DERIVED_KEY };
    static uint8_t payload[WIRE_ANSWER_MAX_BYTES];
    static struct psp_answer answer, read;
    size_t size;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        answer = make_answer(kinds[i]);
        size = wire_encode_answer(&answer, payload);
        assert_int_equal(wire_parse_answer(kinds[i], payload, size, &read, NULL), 0);
        assert_same_answer(&read, &answer);
    }
    answer = (struct psp_answer){ .host_error = HOST_INVALID_LENGTH, .certificates_needed = 8192 };
    size = wire_encode_answer(&answer, payload);
    assert_int_equal(wire_parse_answer(WIRE_EXTENDED_REPORT, payload, size, &read, NULL), 0);
    assert_same_answer(&read, &answer);
}

static void refuse_answer(enum wire_kind kind, const struct psp_answer *answer, size_t cut, const char *sentence)
{
    static uint8_t payload[WIRE_ANSWER_MAX_BYTES];
    static struct psp_answer read;
    struct reason why = { "" };
    size_t size = wire_encode_answer(answer, payload);

    assert_int_equal(wire_parse_answer(kind, payload, cut < size ? cut : size, &read, &why), -EBADMSG);
    assert_string_equal(why.text, sentence);
}

static void answer_refusals(void **state)
{
    static struct psp_answer answer;

    (void)state;
    answer = make_answer(WIRE_REPORT);
    refuse_answer(WIRE_DERIVED_KEY, &answer, SIZE_MAX, "answer with a message of 1216 bytes, expected 64");
    refuse_answer(WIRE_REPORT, &answer, 1000, "answer of 1000 bytes, shorter than it says");
    refuse_answer(WIRE_REPORT, &answer, 5, "answer with a message of 0 bytes, expected 1216");
    answer.firmware_error = 0x16;
    refuse_answer(WIRE_REPORT, &answer, SIZE_MAX, "answer with a message of 1216 bytes, expected 0");
    answer = make_answer(WIRE_EXTENDED_REPORT);
    refuse_answer(WIRE_REPORT, &answer, SIZE_MAX, "answer with 5000 bytes of certificates");
    answer.message_size = 0;
    answer.firmware_error = 1;
    refuse_answer(WIRE_EXTENDED_REPORT, &answer, SIZE_MAX, "answer with 5000 bytes of certificates");
    answer = make_answer(WIRE_EXTENDED_REPORT);
    answer.certificates_needed = 4096;
    refuse_answer(WIRE_EXTENDED_REPORT, &answer, SIZE_MAX, "answer that needs room for certificates without saying so");
}

static void too_many_certificates(void **state)
{
    static uint8_t payload[WIRE_ANSWER_MAX_BYTES + 1];
    static struct psp_answer answer, read;
    struct reason why = { "" };

    (void)state;
    answer = make_answer(WIRE_EXTENDED_REPORT);
    answer.certificates_size = CERT_TABLE_MAX_BYTES;
    assert_int_equal(wire_encode_answer(&answer, payload), WIRE_ANSWER_MAX_BYTES);
    assert_int_equal(wire_parse_answer(WIRE_EXTENDED_REPORT, payload, WIRE_ANSWER_MAX_BYTES, &read, NULL), 0);
    assert_int_equal(wire_parse_answer(WIRE_EXTENDED_REPORT, payload, WIRE_ANSWER_MAX_BYTES + 1, &read, &why),
                     -EBADMSG);
    assert_string_equal(why.text, "answer with 16385 bytes of certificates");
}

static void report_message(void **state)
{
    struct psp_request request = make_request(WIRE_REPORT);
    struct report_request report;

    (void)state;
    report = wire_report_request(&request);
    assert_memory_equal(report.report_data, request.message, REPORT_DATA_BYTES);
    assert_int_equal(report.vmpl, get_u32le(request.message + 64));
    assert_int_equal(report.key_select, get_u32le(request.message + 68));
    assert_false(report.reserved_zero);
    memset(request.message + 72, 0, 24);
    assert_true(wire_report_request(&request).reserved_zero);
    request.message[95] = 1;
    assert_false(wire_report_request(&request).reserved_zero);
}

static void key_message(void **state)
{
    struct psp_request request = make_request(WIRE_DERIVED_KEY);
    struct key_request key = wire_key_request(&request);

    (void)state;
    assert_int_equal(key.root_key_select, get_u32le(request.message));
    assert_false(key.reserved_zero);
    assert_int_equal(key.field_select, get_u64le(request.message + 8));
    assert_int_equal(key.vmpl, get_u32le(request.message + 16));
    assert_int_equal(key.guest_svn, get_u32le(request.message + 20));
    assert_int_equal(key.tcb_version, get_u64le(request.message + 24));
    memset(request.message + 4, 0, 4);
    assert_true(wire_key_request(&request).reserved_zero);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_round_trip), cmocka_unit_test(request_refusals),
        cmocka_unit_test(answer_round_trip),  cmocka_unit_test(answer_refusals),
        cmocka_unit_test(too_many_certificates), cmocka_unit_test(report_message),
        cmocka_unit_test(key_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
