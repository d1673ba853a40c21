/* release/message: what is written, what is read, and each message with one thing wrong. */
#include "unit.h"

#include <openssl/sha.h>

#include "attest/purpose.h"
#include "base/file.h"
#include "release-vectors.h"
#include "release/message.h"

static struct json_object *vectors;
static struct message_attestation attestation;
static char *good_attestation;

static const char good_request[] = "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":{\"a\":[1]}}";
static const char good_challenge[] = "{\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","
                                     "\"extra-params\":\"\"}";

static int parse_request(const char *text, struct reason *why)
{
    struct message_request request;

    return message_parse_request(text, strlen(text), &request, why);
}

static int parse_challenge(const char *text, struct reason *why)
{
    char nonce[RELEASE_NONCE_TEXT_BYTES] = "untouched";
    int r = message_parse_challenge(text, strlen(text), nonce, why);

    if (r < 0)
        assert_string_equal(nonce, "untouched");
    return r;
}

static int parse_attestation(const char *text, struct reason *why)
{
    return message_parse_attestation(text, strlen(text), &attestation, why);
}

static void vector_key(size_t number, struct guest_public_key *ret_point)
{
    struct reason why = { "" };
    char pointer[64];

    (void)snprintf(pointer, sizeof(pointer), "/handshakes/%zu/jwk", number);
    assert_int_equal(read_jwk(text_at(vectors, pointer), true, ret_point, &why), 0);
}

static int load(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    const struct cert_table none = { .count = 0 };
    struct guest_public_key point;
    struct reason why = { "" };
    uint8_t report[REPORT_BYTES];

    vectors = vectors_load();
    vector_key(0, &point);
    assert_int_equal(bytes_at(vectors, "/evidence/5/report", report, sizeof(report)), REPORT_BYTES);
    assert_int_equal(message_write_attestation(text_at(vectors, "/handshakes/0/nonce"), &point, report, &none, &text,
                                               &why),
                     0);
    good_attestation = strdup(buffer_text(&text));
    return 0;
}

static int unload(void **state UNUSED)
{
    free(good_attestation);
    (void)json_object_put(vectors);
    return 0;
}

static void canonical_text_is_that_of_others(void **state UNUSED)
{
    struct json_object *all = node_at(vectors, "/handshakes");

    for (size_t i = 0; i < json_object_array_length(all); i++) {
        struct json_object *handshake = json_object_array_get_idx(all, i);
        CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
        uint8_t wanted[REPORT_DATA_BYTES], found[REPORT_DATA_BYTES];
        struct guest_public_key point;

        vector_key(i, &point);
        message_write_canonical(text_at(handshake, "/nonce"), &point, &text);
        assert_string_equal(buffer_text(&text), text_at(handshake, "/canonical"));
        assert_int_equal(bytes_at(handshake, "/report_data", wanted, sizeof(wanted)), REPORT_DATA_BYTES);
        assert_int_equal(purpose_report_data(PURPOSE_RELEASE, NULL, text.data, text.size, found, NULL), 0);
        assert_memory_equal(found, wanted, REPORT_DATA_BYTES);
    }
}

static void canonical_text_is_the_recorded_one(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct guest_public_key point;
    uint8_t wanted[REPORT_DATA_BYTES], found[REPORT_DATA_BYTES];
    struct reason why = { "" };
    struct json_object *root;
    char path[256];

    if (!vector_path("kbs/kbs-0.4-P-256.json", path, sizeof(path)))
        skip();
    root = json_object_from_file(path);
    assert_non_null(root);
    assert_int_equal(read_jwk(json_object_to_json_string(node_at(root, "/tee_pubkey")), true, &point, &why), 0);
    message_write_canonical(text_at(root, "/challenge/nonce"), &point, &text);
    assert_string_equal(buffer_text(&text), text_at(root, "/primary_runtime_data_jcs"));
    assert_int_equal(bytes_at(root, "/report_data", wanted, sizeof(wanted)), REPORT_DATA_BYTES);
    assert_int_equal(purpose_report_data(PURPOSE_RELEASE, NULL, text.data, text.size, found, NULL), 0);
    assert_memory_equal(found, wanted, REPORT_DATA_BYTES);
    assert_int_equal(parse_challenge(json_object_to_json_string(node_at(root, "/challenge")), &why), 0);
    assert_int_equal(parse_request(json_object_to_json_string(node_at(root, "/request")), &why), 0);
    (void)json_object_put(root);
}

static void our_request_is_the_protocol_s(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct message_request request;
    struct reason why = { "" };

    message_write_request(&text);
    assert_string_equal(buffer_text(&text), "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":"
                                            "{\"supported-hash-algorithms\":[\"sha384\"]}}");
    assert_int_equal(message_parse_request(text.data, text.size, &request, &why), 0);
    assert_string_equal(request.version, "0.4.0");
    assert_string_equal(request.tee, "snp");
}

static void our_challenge_is_the_protocol_s(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    const char *nonce = text_at(vectors, "/handshakes/0/nonce");
    char again[RELEASE_NONCE_TEXT_BYTES], wanted[128];
    struct reason why = { "" };

    message_write_challenge(nonce, &text);
    (void)snprintf(wanted, sizeof(wanted), "{\"nonce\":\"%s\",\"extra-params\":\"\"}", nonce);
    assert_string_equal(buffer_text(&text), wanted);
    assert_int_equal(message_parse_challenge(text.data, text.size, again, &why), 0);
    assert_string_equal(again, nonce);
}

static void our_attestation_is_read_back(void **state UNUSED)
{
    struct guest_public_key point;
    struct reason why = { "" };
    uint8_t report[REPORT_BYTES];

    vector_key(0, &point);
    assert_int_equal(bytes_at(vectors, "/evidence/5/report", report, sizeof(report)), REPORT_BYTES);
    assert_int_equal(parse_attestation(good_attestation, &why), 0);
    assert_string_equal(attestation.nonce, text_at(vectors, "/handshakes/0/nonce"));
    assert_memory_equal(&attestation.key, &point, sizeof(point));
    assert_memory_equal(attestation.evidence.report, report, sizeof(report));
}

static void our_errors_are_read_back(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    char type[64], detail[192];

    message_write_error("PolicyDeny", "a \"quoted\" word", &text);
    assert_string_equal(buffer_text(&text),
                        "{\"type\":\"https://github.com/confidential-containers/kbs/errors/PolicyDeny\","
                        "\"detail\":\"a \\\"quoted\\\" word\"}");
    message_parse_error(text.data, text.size, type, detail);
    assert_string_equal(type, "PolicyDeny");
    assert_string_equal(detail, "a \"quoted\" word");
}

static void error_bodies_of_any_kind_do_no_harm(void **state UNUSED)
{
    static const struct {
        const char *text, *type, *detail;
    } bodies[] = {
        { "", "", "" },
        { "nonsense", "", "" },
        { "[]", "", "" },
        { "{}", "", "" },
        { "{\"type\":7}", "", "" },
        { "{\"type\":\"x\",\"detail\":7}", "x", "" },
        { "{\"detail\":\"d\",\"more\":1}", "", "d" },
        { "{\"type\":\"/\"}", "", "" },
        { "{\"type\":\"a/b/c\"}", "c", "" },
    };
    char type[64], detail[192], *large = malloc(70000);

    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        message_parse_error(bodies[i].text, strlen(bodies[i].text), type, detail);
        assert_string_equal(type, bodies[i].type);
        assert_string_equal(detail, bodies[i].detail);
    }
    (void)snprintf(large, 70000, "{\"type\":\"%0100d\",\"detail\":\"%060000d\"}", 7, 7);
    message_parse_error(large, strlen(large), type, detail);
    assert_string_equal(type, "");
    assert_int_equal(strlen(detail), 191);
    free(large);
}

static void requests_are_strict(void **state UNUSED)
{
    static const char *const members[] = { "/version", "/tee" };
    struct reason why = { "" };

    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        assert_required(parse_request, good_request, members[i]);
        assert_refused(parse_request, json_with(good_request, members[i], "\"0123456789abcdef\""), "16 characters");
    }
    assert_refused(parse_request, json_without(good_request, "/extra-params"), "extra-params");
    assert_refused(parse_request, json_twice(good_request, "/extra-params"), "extra-params");
    assert_refused(parse_request, json_with(good_request, "/x", "1"), "an unknown member");
    /* Trustee's other clients send these. */
    assert_int_equal(parse_request("{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":\"\"}", &why), 0);
    assert_int_equal(parse_request("{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":null}", &why), 0);
}

static void challenges_are_strict(void **state UNUSED)
{
    static const char *const nonces[] = {
        "\"\"",
        "\"AAAA\"",
        "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\"",     /* 31 bytes */
        "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",     /* 33 bytes */
        "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",      /* no padding */
        "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\"",     /* bits behind the end */
        "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_A=\"",     /* the other alphabet */
        "\" AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"",
        "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\\u0000=\"",
    };
    struct reason why = { "" };
    char *text;

    assert_required(parse_challenge, good_challenge, "/nonce");
    for (size_t i = 0; i < ARRAY_SIZE(nonces); i++)
        assert_refused(parse_challenge, json_with_raw(good_challenge, "/nonce", nonces[i]), nonces[i]);
    assert_refused(parse_challenge, json_with(good_challenge, "/x", "1"), "an unknown member");
    text = json_with(good_challenge, "/extra-params", "{\"selected-hash-algorithm\":\"sha512\"}");
    assert_int_equal(parse_challenge(text, &why), 0);
    free(text);
    text = json_without(good_challenge, "/extra-params");
    assert_int_equal(parse_challenge(text, &why), 0);
    free(text);
}

static void attestations_are_strict(void **state UNUSED)
{
    static const char *const members[] = {
        "/runtime-data", "/runtime-data/nonce", "/runtime-data/tee-pubkey", "/runtime-data/tee-pubkey/kty",
        "/runtime-data/tee-pubkey/crv", "/runtime-data/tee-pubkey/alg", "/runtime-data/tee-pubkey/x",
        "/runtime-data/tee-pubkey/y", "/tee-evidence", "/tee-evidence/primary_evidence",
        "/tee-evidence/primary_evidence/attestation_report", "/tee-evidence/additional_evidence",
    };
    static const char *const unknown[] = { "/x", "/runtime-data/x", "/runtime-data/tee-pubkey/x5c", "/tee-evidence/x",
                                           "/tee-evidence/primary_evidence/x" };

    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        assert_required(parse_attestation, good_attestation, members[i]);
    for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
        assert_refused(parse_attestation, json_with(good_attestation, unknown[i], "\"x\""), unknown[i]);
    assert_refused(parse_attestation, json_with(good_attestation, "/runtime-data/nonce", "\"AAAA\""), "a short nonce");
    assert_refused(parse_attestation, json_with(good_attestation, "/init-data", "{\"format\":\"toml\",\"body\":\"\"}"),
                   "init-data");
    assert_refused(parse_attestation, json_with(good_attestation, "/init-data", "\"\""), "init-data");
    assert_refused(parse_attestation, json_with(good_attestation, "/tee-evidence/additional_evidence", "\"{}\""),
                   "evidence of other devices");
}

static void attestations_need_no_init_data(void **state UNUSED)
{
    char *text = json_without(good_attestation, "/init-data");
    struct reason why = { "" };

    assert_int_equal(parse_attestation(text, &why), 0);
    free(text);
}

static void messages_have_a_size(void **state UNUSED)
{
    size_t size = RELEASE_MAX_MESSAGE_BYTES + 1;
    char nonce[RELEASE_NONCE_TEXT_BYTES], *text = malloc(size);
    struct message_request request;
    struct reason why = { "" };

    assert_non_null(text);
    memset(text, ' ', size);
    memcpy(text, good_request, strlen(good_request));
    assert_int_equal(message_parse_request(text, size - 1, &request, &why), 0);
    assert_int_equal(message_parse_request(text, size, &request, &why), -EMSGSIZE);
    assert_int_equal(message_parse_challenge(text, size, nonce, &why), -EMSGSIZE);
    assert_int_equal(message_parse_attestation(text, size, &attestation, &why), -EMSGSIZE);
    free(text);
}

static void reports_that_would_not_survive_are_not_sent(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    const struct cert_table none = { .count = 0 };
    struct guest_public_key point;
    struct reason why = { "" };
    uint8_t report[REPORT_BYTES];

    vector_key(0, &point);
    assert_int_equal(bytes_at(vectors, "/evidence/3/report", report, sizeof(report)), REPORT_BYTES);
    report[0x290] = 1;
    assert_int_equal(message_write_attestation(text_at(vectors, "/handshakes/0/nonce"), &point, report, &none, &text,
                                               &why),
                     -EBADMSG);
    assert_reason(&why, "reserved");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_text_is_that_of_others),
        cmocka_unit_test(canonical_text_is_the_recorded_one),
        cmocka_unit_test(our_request_is_the_protocol_s),
        cmocka_unit_test(our_challenge_is_the_protocol_s),
        cmocka_unit_test(our_attestation_is_read_back),
        cmocka_unit_test(our_errors_are_read_back),
        cmocka_unit_test(error_bodies_of_any_kind_do_no_harm),
        cmocka_unit_test(requests_are_strict),
        cmocka_unit_test(challenges_are_strict),
        cmocka_unit_test(attestations_are_strict),
        cmocka_unit_test(attestations_need_no_init_data),
        cmocka_unit_test(messages_have_a_size),
        cmocka_unit_test(reports_that_would_not_survive_are_not_sent),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
